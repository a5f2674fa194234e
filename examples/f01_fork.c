/* SPDX-License-Identifier: MIT */
/* fork: one call, two processes return from it. */
#include <mproc.h>

#include <stdio.h>

int main(void)
{
    mproc_init();

    mproc_process *child;
    mproc_err err = mproc_fork(&child);
    if (err == MPROC_ENOTSUP) {
        puts("fork is not available on this system");
        return 0;
    }
    MPROC_MUST(err);
    puts(child ? "I am the parent" : "I am the child");
    return 0;
}
