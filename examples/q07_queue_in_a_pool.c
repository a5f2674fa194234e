/* SPDX-License-Identifier: MIT */
/* A queue that the tasks of a pool put into. In Python only a manager's queue can be given to tasks; here any
 * can, as it is a plain value. */
#include <mproc.h>

#include <stdio.h>

enum { WORKERS = 3, TASKS = 10 };

struct task {
    int number;
    mproc_queue squares;
};

static int put_square(const void *in, void *out)
{
    const struct task *task = in;
    int square = task->number * task->number;
    (void) out;
    MPROC_MUST(mproc_queue_put(task->squares, &square, MPROC_FOREVER));
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_pool *pool;
    struct task task;
    MPROC_MUST(mproc_queue_create(&task.squares, sizeof(int), 0));
    MPROC_MUST(mproc_pool_create(&pool, WORKERS, NULL));
    for (task.number = 0; task.number < TASKS; task.number++)
        MPROC_MUST(mproc_pool_apply_async(pool, NULL, put_square, &task, sizeof task, 0, NULL));

    for (int i = 0; i < TASKS; i++) {
        int square;
        MPROC_MUST(mproc_queue_get(task.squares, &square, MPROC_FOREVER));
        printf("got %d\n", square);
    }
    MPROC_MUST(mproc_pool_destroy(pool));
    MPROC_MUST(mproc_queue_destroy(task.squares));
    return 0;
}
