/* SPDX-License-Identifier: MIT */
/* Array by length: ten processes count its item down from 10 to 0 under an RLock, with a pause between
 * reading and writing that would let others in if the lock did not hold them off. */
#include <mproc.h>

#include <stdio.h>

enum { PROCESSES = 10 };

struct job {
    mproc_array counter;
    mproc_rlock lock;
    mproc_event never; /* nobody sets it: waiting for it is a pause */
};

static void count_down(const struct job *job)
{
    int *counter = mproc_array_pointer(job->counter);
    MPROC_MUST(mproc_rlock_acquire(job->lock, MPROC_FOREVER)); /* the second time: it is recursive */
    int seen = *counter;
    (void) !mproc_event_wait(job->never, 10);
    *counter = seen - 1;
    printf("%d\n", *counter);
    fflush(stdout);
    MPROC_MUST(mproc_rlock_release(job->lock));
}

static int work(void *arg)
{
    const struct job *job = arg;
    MPROC_MUST(mproc_rlock_acquire(job->lock, MPROC_FOREVER));
    count_down(job);
    MPROC_MUST(mproc_rlock_release(job->lock));
    return 0;
}

int main(void)
{
    mproc_init();

    struct job job;
    MPROC_MUST(mproc_array_create_raw(&job.counter, 'i', 1));
    MPROC_MUST(mproc_rlock_create(&job.lock));
    MPROC_MUST(mproc_event_create(&job.never));
    *(int *) mproc_array_pointer(job.counter) = PROCESSES;

    mproc_process *processes[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        MPROC_MUST(mproc_process_start(&processes[i], work, &job, sizeof job, NULL));
    for (int i = 0; i < PROCESSES; i++)
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));
    return 0;
}
