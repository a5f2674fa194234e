/* SPDX-License-Identifier: MIT */
/* The parent does not wait for the child: both go on to the end of main. "begin" is printed once,
 * although C still holds it back at the fork if stdout is a pipe: mproc_fork flushes it. */
#include <mproc.h>

#include <stdio.h>

int main(void)
{
    mproc_init();

    puts("begin");
    mproc_process *child;
    MPROC_MUST(mproc_fork(&child));
    puts("over");
    return 0;
}
