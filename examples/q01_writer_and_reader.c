/* SPDX-License-Identifier: MIT */
/* A writer puts 'A', 'B', 'C' with pauses; a reader gets for ever and is terminated by the parent. */
#include <mproc.h>

#include <stdio.h>
#include <stdlib.h>

static void pause_a_little(mproc_queue never_filled)
{
    char nothing; /* an empty queue is something to wait for */
    (void) !mproc_queue_get(never_filled, &nothing, rand() % 100);
}

struct job {
    mproc_queue queue, never_filled;
};

static int write_letters(void *argument)
{
    struct job *job = argument;
    srand((unsigned) mproc_pid());
    for (char letter = 'A'; letter <= 'C'; letter++) {
        printf("put %c\n", letter);
        fflush(stdout);
        MPROC_MUST(mproc_queue_put(job->queue, &letter, MPROC_FOREVER));
        pause_a_little(job->never_filled);
    }
    return 0;
}

static int read_letters(void *argument)
{
    struct job *job = argument;
    char letter;
    while (mproc_queue_get(job->queue, &letter, MPROC_FOREVER) == MPROC_OK) { /* nobody closes it */
        printf("got %c\n", letter);
        fflush(stdout);
        MPROC_MUST(mproc_queue_task_done(job->queue));
    }
    return 1;
}

int main(void)
{
    mproc_init();

    struct job job;
    MPROC_MUST(mproc_queue_create(&job.queue, sizeof(char), 0));
    MPROC_MUST(mproc_queue_create(&job.never_filled, sizeof(char), 0));

    mproc_process *writer, *reader;
    MPROC_MUST(mproc_process_start(&writer, write_letters, &job, sizeof job, NULL));
    MPROC_MUST(mproc_process_start(&reader, read_letters, &job, sizeof job, NULL));

    MPROC_MUST(mproc_process_join(writer, MPROC_FOREVER));
    MPROC_MUST(mproc_queue_join(job.queue, MPROC_FOREVER)); /* all of them were got */
    MPROC_MUST(mproc_process_terminate(reader));            /* it would never end by itself */
    MPROC_MUST(mproc_process_join(reader, MPROC_FOREVER));
    printf("all done\n");
    return 0;
}
