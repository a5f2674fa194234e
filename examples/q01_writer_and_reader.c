/* SPDX-License-Identifier: MIT */
/* A writer puts 'A', 'B', 'C' with pauses; a reader gets for ever and is terminated by the parent. */
#include <mproc.h>

#include <stdio.h>
#include <stdlib.h>

static int write_letters(void *argument)
{
    mproc_queue queue = *(mproc_queue *) argument;
    srand((unsigned) mproc_pid());
    for (char letter = 'A'; letter <= 'C'; letter++) {
        printf("put %c\n", letter);
        fflush(stdout);
        MPROC_MUST(mproc_queue_put(queue, &letter, MPROC_FOREVER));
        mproc_sleep(rand() % 100);
    }
    return 0;
}

static int read_letters(void *argument)
{
    mproc_queue queue = *(mproc_queue *) argument;
    char letter;
    while (mproc_queue_get(queue, &letter, MPROC_FOREVER) == MPROC_OK) { /* nobody closes it */
        printf("got %c\n", letter);
        fflush(stdout);
        MPROC_MUST(mproc_queue_task_done(queue));
    }
    return 1;
}

int main(void)
{
    mproc_init();

    mproc_queue queue;
    MPROC_MUST(mproc_queue_create(&queue, sizeof(char), 0));

    mproc_process *writer, *reader;
    MPROC_MUST(mproc_process_start(&writer, write_letters, &queue, sizeof queue, NULL));
    MPROC_MUST(mproc_process_start(&reader, read_letters, &queue, sizeof queue, NULL));

    MPROC_MUST(mproc_process_join(writer, MPROC_FOREVER));
    MPROC_MUST(mproc_queue_join(queue, MPROC_FOREVER)); /* all of them were got */
    MPROC_MUST(mproc_process_terminate(reader));            /* it would never end by itself */
    MPROC_MUST(mproc_process_join(reader, MPROC_FOREVER));
    printf("all done\n");
    MPROC_MUST(mproc_process_close(writer));
    MPROC_MUST(mproc_process_close(reader));
    MPROC_MUST(mproc_queue_destroy(queue));
    return 0;
}
