/* SPDX-License-Identifier: MIT */
/* Says at which level it logs and at which its child does, and both log something. */
#include "mproc.h"

#include <stdio.h>

static int tell_in_child(void *argument)
{
    (void) argument;
    mproc_log(MPROC_LOG_ERROR, "an error");
    printf("child %d, ", mproc_get_log_level());
    return 0;
}

int main(void)
{
    mproc_init();
    const mproc_process_options options = { .name = "child" };
    mproc_process *process;
    MPROC_MUST(mproc_process_start(&process, tell_in_child, NULL, 0, &options));
    MPROC_MUST(mproc_process_join(process, 60000));
    mproc_log(MPROC_LOG_SUBDEBUG, "a detail");
    printf("parent %d\n", mproc_get_log_level());
    return 0;
}
