/* SPDX-License-Identifier: MIT */
/* A pool of five and ten tasks by apply_async, which does not wait: five are under way at the same time. They
 * meet at a barrier, as they could not if they ran one after the other. */
#include <mproc.h>

#include <stdio.h>

enum { WORKERS = 5, TASKS = 10, LONG_ENOUGH = 60000 };

struct task {
    int number;
    mproc_barrier meeting;
};

static int work(const void *in, void *out)
{
    const struct task *task = in;
    (void) out;
    printf("begin %d\n", task->number);
    fflush(stdout);
    MPROC_MUST(mproc_barrier_wait(task->meeting, NULL, LONG_ENOUGH));
    printf("end %d\n", task->number);
    fflush(stdout);
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_pool *pool;
    struct task task;
    MPROC_MUST(mproc_barrier_create(&task.meeting, WORKERS));
    MPROC_MUST(mproc_pool_create(&pool, WORKERS, NULL));
    for (task.number = 0; task.number < TASKS; task.number++)
        MPROC_MUST(mproc_pool_apply_async(pool, NULL, work, &task, sizeof task, 0, NULL));
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool));
    MPROC_MUST(mproc_barrier_destroy(task.meeting));
    return 0;
}
