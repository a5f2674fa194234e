/* SPDX-License-Identifier: MIT */
/* A child goes 1 to 5 rounds, as chance has it; the parent joins it and then prints. */
#include <mproc.h>

#include <stdio.h>
#include <stdlib.h>

static int go_rounds(void *arg)
{
    (void) arg;
    srand((unsigned) mproc_pid());
    int rounds = 1 + rand() % 5;
    for (int round = 1; round <= rounds; round++)
        printf("child: round %d of %d\n", round, rounds);
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_process *child;
    MPROC_MUST(mproc_process_start(&child, go_rounds, NULL, 0, NULL));
    MPROC_MUST(mproc_process_join(child, MPROC_FOREVER));
    puts("parent: the child has ended");
    MPROC_MUST(mproc_process_close(child));
    return 0;
}
