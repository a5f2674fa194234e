/* SPDX-License-Identifier: MIT */
/* qsize, empty and full; put and get that wait, wait for a time, or do not wait. */
#include <mproc.h>

#include <stdio.h>

static void show(const char *what, mproc_queue queue)
{
    printf("%s: qsize %zu, empty %d, full %d\n", what, mproc_queue_qsize(queue), mproc_queue_empty(queue),
           mproc_queue_full(queue));
}

int main(void)
{
    mproc_init();

    mproc_queue queue;
    MPROC_MUST(mproc_queue_create(&queue, sizeof(int), 3));
    show("at first", queue);
    for (int i = 1; i <= 3; i++)
        MPROC_MUST(mproc_queue_put(queue, &i, MPROC_FOREVER));
    show("with three", queue);

    int item = 4;
    printf("put without waiting: %s\n", mproc_err_name(mproc_queue_put(queue, &item, MPROC_NOWAIT)));
    printf("put within 300 ms: %s\n", mproc_err_name(mproc_queue_put(queue, &item, 300)));
    for (int i = 1; i <= 3; i++) {
        MPROC_MUST(mproc_queue_get(queue, &item, MPROC_NOWAIT));
        printf("got %d\n", item);
    }
    show("at last", queue);
    printf("get without waiting: %s\n", mproc_err_name(mproc_queue_get(queue, &item, MPROC_NOWAIT)));
    printf("get within 300 ms: %s\n", mproc_err_name(mproc_queue_get(queue, &item, 300)));
    MPROC_MUST(mproc_queue_destroy(queue));
    return 0;
}
