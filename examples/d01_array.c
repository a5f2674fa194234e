/* SPDX-License-Identifier: MIT */
/* Array of int, [1, 2, 3, 4]: ten processes add 100 to its first item, and each prints what it made of it.
 * They begin at the same time and pause between reading and writing; under the array's lock they still print
 * 101 ... 1001, each once. */
#include <mproc.h>

#include <stdio.h>

enum { PROCESSES = 10, PAUSE = 5 };

struct job {
    mproc_array array;
    mproc_barrier all_here;
};

static int add_hundred(void *arg)
{
    const struct job *job = arg;
    int *numbers = mproc_array_pointer(job->array);
    MPROC_MUST(mproc_barrier_wait(job->all_here, NULL, MPROC_FOREVER));

    MPROC_MUST(mproc_rlock_acquire(mproc_array_lock(job->array), MPROC_FOREVER));
    int seen = numbers[0];
    mproc_sleep(PAUSE);
    numbers[0] = seen + 100;
    printf("%d\n", numbers[0]);
    fflush(stdout);
    MPROC_MUST(mproc_rlock_release(mproc_array_lock(job->array)));
    return 0;
}

int main(void)
{
    mproc_init();

    const int first[] = { 1, 2, 3, 4 };
    struct job job;
    MPROC_MUST(mproc_array_create(&job.array, 'i', 4));
    MPROC_MUST(mproc_array_set(job.array, 0, 4, first));
    MPROC_MUST(mproc_barrier_create(&job.all_here, PROCESSES));

    mproc_process *processes[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        MPROC_MUST(mproc_process_start(&processes[i], add_hundred, &job, sizeof job, NULL));
    for (int i = 0; i < PROCESSES; i++) {
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(processes[i]));
    }

    int *numbers = mproc_array_pointer(job.array);
    printf("[%d, %d, %d, %d]\n", numbers[0], numbers[1], numbers[2], numbers[3]);
    MPROC_MUST(mproc_barrier_destroy(job.all_here));
    MPROC_MUST(mproc_array_destroy(job.array));
    return 0;
}
