/* SPDX-License-Identifier: MIT */
/* A queue with one item; ten processes each take what they find and put their own number instead. */
#include <mproc.h>

#include <stdio.h>

struct job {
    mproc_queue queue;
    int number;
};

static int exchange(void *argument)
{
    struct job *job = argument;
    int found;
    MPROC_MUST(mproc_queue_get(job->queue, &found, MPROC_FOREVER));
    printf("process %d found %d\n", job->number, found);
    fflush(stdout);
    MPROC_MUST(mproc_queue_put(job->queue, &job->number, MPROC_FOREVER));
    return 0;
}

int main(void)
{
    mproc_init();

    struct job job = { .number = 0 };
    MPROC_MUST(mproc_queue_create(&job.queue, sizeof(int), 20));
    MPROC_MUST(mproc_queue_put(job.queue, &job.number, MPROC_FOREVER));

    mproc_process *processes[10];
    for (int i = 0; i < 10; i++) {
        job.number = i + 1;
        MPROC_MUST(mproc_process_start(&processes[i], exchange, &job, sizeof job, NULL));
    }
    for (int i = 0; i < 10; i++) {
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(processes[i]));
    }

    int last;
    printf("%zu left\n", mproc_queue_qsize(job.queue));
    MPROC_MUST(mproc_queue_get(job.queue, &last, MPROC_NOWAIT));
    printf("the last was %d\n", last);
    MPROC_MUST(mproc_queue_destroy(job.queue));
    return 0;
}
