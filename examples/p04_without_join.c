/* SPDX-License-Identifier: MIT */
/* The parent's own work ends before its children's. It does not join them; the program still ends
 * only when they have. */
#include <mproc.h>

#include <stdio.h>

struct job {
    int number;
    mproc_lock gate;
};

static int work(void *arg)
{
    const struct job *job = arg;
    MPROC_MUST(mproc_lock_acquire(job->gate, MPROC_FOREVER));
    MPROC_MUST(mproc_lock_release(job->gate));
    printf("Child %d has done its work.\n", job->number);
    return 0;
}

int main(void)
{
    mproc_init();

    /* The gate stands for long work: no child gets through before the parent is done. */
    struct job job = { .number = 0 };
    MPROC_MUST(mproc_lock_create(&job.gate));
    MPROC_MUST(mproc_lock_acquire(job.gate, MPROC_FOREVER));

    for (job.number = 1; job.number <= 3; job.number++) {
        mproc_process *child;
        MPROC_MUST(mproc_process_start(&child, work, &job, sizeof job, NULL));
    }
    puts("The parent has done its own work.");
    fflush(stdout);
    MPROC_MUST(mproc_lock_release(job.gate));
    return 0; /* the children still use the lock; it goes with the family */
}
