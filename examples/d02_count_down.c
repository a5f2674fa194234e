/* SPDX-License-Identifier: MIT */
/* Array by length: ten processes count its item down from 10 to 0 under an RLock. They begin at the same time,
 * and pause between reading and writing: others would get in if the lock did not hold them off. */
#include <mproc.h>

#include <stdio.h>

enum { PROCESSES = 10, PAUSE = 10 };

struct job {
    mproc_array counter;
    mproc_rlock lock;
    mproc_barrier all_here;
};

static void count_down(const struct job *job)
{
    int *counter = mproc_array_pointer(job->counter);
    MPROC_MUST(mproc_rlock_acquire(job->lock, MPROC_FOREVER)); /* the second time: it is recursive */
    int seen = *counter;
    mproc_sleep(PAUSE);
    *counter = seen - 1;
    printf("%d\n", *counter);
    fflush(stdout);
    MPROC_MUST(mproc_rlock_release(job->lock));
}

static int work(void *arg)
{
    const struct job *job = arg;
    MPROC_MUST(mproc_barrier_wait(job->all_here, NULL, MPROC_FOREVER));
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
    MPROC_MUST(mproc_barrier_create(&job.all_here, PROCESSES));
    *(int *) mproc_array_pointer(job.counter) = PROCESSES;

    mproc_process *processes[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        MPROC_MUST(mproc_process_start(&processes[i], work, &job, sizeof job, NULL));
    for (int i = 0; i < PROCESSES; i++) {
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(processes[i]));
    }
    MPROC_MUST(mproc_barrier_destroy(job.all_here));
    MPROC_MUST(mproc_rlock_destroy(job.lock));
    MPROC_MUST(mproc_array_destroy(job.counter));
    return 0;
}
