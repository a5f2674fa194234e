/* SPDX-License-Identifier: MIT */
/* fork: one call, two processes return from it. (Windows has none: there mproc_fork is MPROC_ENOTSUP.) */
#include <mproc.h>

#include <stdio.h>

int main(void)
{
    mproc_init();

    mproc_process *child;
    MPROC_MUST(mproc_fork(&child));
    puts(child ? "I am the parent" : "I am the child");
    return 0;
}
