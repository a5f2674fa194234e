/* SPDX-License-Identifier: MIT */
/* First a writer, then a reader that stops when the queue is empty. */
#include <mproc.h>

#include <stdio.h>

static int write_letters(void *argument)
{
    mproc_queue queue = *(mproc_queue *) argument;
    for (char letter = 'A'; letter <= 'C'; letter++)
        MPROC_MUST(mproc_queue_put(queue, &letter, MPROC_FOREVER));
    return 0; /* nothing is pending in this process: it may end at once */
}

static int read_letters(void *argument)
{
    mproc_queue queue = *(mproc_queue *) argument;
    while (!mproc_queue_empty(queue)) {
        char letter;
        MPROC_MUST(mproc_queue_get(queue, &letter, MPROC_FOREVER));
        printf("got %c\n", letter);
    }
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_queue queue;
    MPROC_MUST(mproc_queue_create(&queue, sizeof(char), 0));

    mproc_process *writer, *reader;
    MPROC_MUST(mproc_process_start(&writer, write_letters, &queue, sizeof queue, NULL));
    MPROC_MUST(mproc_process_join(writer, MPROC_FOREVER));
    MPROC_MUST(mproc_process_start(&reader, read_letters, &queue, sizeof queue, NULL));
    MPROC_MUST(mproc_process_join(reader, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(writer));
    MPROC_MUST(mproc_process_close(reader));
    MPROC_MUST(mproc_queue_destroy(queue));
    return 0;
}
