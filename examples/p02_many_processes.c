/* SPDX-License-Identifier: MIT */
/* Starts 5 processes, or as many as its argument says, from one function. Nobody joins them: the
 * end of the program waits for them. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Python's __name__: "__main__" only where main has passed the guard, and in forked copies. */
static const char *module = "__mp_main__";

static int work(void *arg)
{
    const int *number = arg;
    int64_t parent;
    MPROC_MUST(mproc_process_pid(mproc_parent_process(), &parent));
    printf("%s: number %d, module %s, parent %" PRId64 ", pid %" PRId64 "\n",
           mproc_process_name(mproc_current_process()), *number, module, parent, mproc_pid());
    return 0;
}

int main(int argc, char **argv)
{
    mproc_init();
    module = "__main__";

    int count = argc > 1 ? atoi(argv[1]) : 5;
    for (int number = 0; number < count; number++) {
        mproc_process *process;
        MPROC_MUST(mproc_process_start(&process, work, &number, sizeof number, NULL));
    }
    return 0;
}
