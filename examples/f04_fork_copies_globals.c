/* SPDX-License-Identifier: MIT */
/* A global that the child changes stays as it was in the parent. */
#include <mproc.h>

#include <stdio.h>

static int number = 100;

int main(void)
{
    mproc_init();

    mproc_process *child;
    MPROC_MUST(mproc_fork(&child));

    if (!child) {
        number++;
        printf("child: %d\n", number);
        return 0;
    }
    MPROC_MUST(mproc_process_join(child, MPROC_FOREVER));
    printf("parent: %d\n", number);
    MPROC_MUST(mproc_process_close(child));
    return 0;
}
