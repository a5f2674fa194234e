/* SPDX-License-Identifier: MIT */
/* Prints who runs and who started it, first from the main line, then in a child. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>

/* Python's __name__: "__main__" only where main has passed the guard, and in forked copies. */
static const char *module = "__mp_main__";

static void print_information(const char *title)
{
    printf("%s: module %s, ", title, module);
    if (mproc_parent_process()) {
        int64_t parent;
        MPROC_MUST(mproc_process_pid(mproc_parent_process(), &parent));
        printf("parent process %" PRId64 ", ", parent);
    } else {
        printf("started by no process of mproc, "); /* by a shell, perhaps */
    }
    printf("process %" PRId64 "\n", mproc_pid());
}

static int greet(void *arg)
{
    const char *name = arg;
    print_information("function greet");
    printf("hello %s\n", name);
    return 0;
}

int main(void)
{
    mproc_init();
    module = "__main__";

    print_information("main line");

    char name[] = "bob";
    mproc_process *child;
    MPROC_MUST(mproc_process_start(&child, greet, name, sizeof name, NULL));
    MPROC_MUST(mproc_process_join(child, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(child));
    return 0;
}
