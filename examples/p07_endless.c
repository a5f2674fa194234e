/* SPDX-License-Identifier: MIT */
/* A child and a parent that loop side by side without an end, until the child is terminated. */
#include <mproc.h>

#include <stdatomic.h>
#include <stdio.h>

enum { PAUSE = 20 };

static int loop(void *arg)
{
    atomic_int *rounds = mproc_pointer(*(const mproc_memory *) arg);
    while (printf("child: round %d\n", atomic_fetch_add(rounds, 1) + 1) > 0) {
        fflush(stdout); /* terminate leaves no time for it */
        mproc_sleep(PAUSE);
    }
    return 1; /* nobody reads what it prints */
}

int main(void)
{
    mproc_init();

    mproc_memory shared; /* how many rounds the child has gone */
    MPROC_MUST(mproc_alloc(&shared, sizeof(atomic_int)));
    atomic_int *child_rounds = mproc_pointer(shared);

    mproc_process *child;
    mproc_process_options options = { .daemon = true }; /* should the parent be killed, it ends too */
    MPROC_MUST(mproc_process_start(&child, loop, &shared, sizeof shared, &options));
    for (int round = 1; mproc_process_join(child, PAUSE) == MPROC_ETIMEDOUT; round++) {
        printf("parent: round %d\n", round);
        fflush(stdout);
        if (round >= 3 && atomic_load(child_rounds) >= 3)
            MPROC_MUST(mproc_process_terminate(child));
    }

    int exit_code;
    MPROC_MUST(mproc_process_exit_code(child, &exit_code));
    printf("The child was terminated: exit code %d.\n", exit_code);
    MPROC_MUST(mproc_process_close(child));
    MPROC_MUST(mproc_free(shared));
    return 0;
}
