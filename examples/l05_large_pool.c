/* SPDX-License-Identifier: MIT */
/* A pool of twenty, larger than the number of CPUs, and thirty tasks: twenty are under way at once. */
#include <mproc.h>

#include <stdatomic.h>
#include <stdio.h>

enum { WORKERS = 20, TASKS = 30, LONG_ENOUGH = 60000 };

struct counters { /* in shared memory */
    _Atomic int now, most;
};

struct task {
    int number;
    mproc_memory counters;
    mproc_barrier all_busy;
};

static int work(const void *in, void *out)
{
    const struct task *task = in;
    struct counters *counters = mproc_pointer(task->counters);
    (void) out;
    int now = atomic_fetch_add(&counters->now, 1) + 1, most = atomic_load(&counters->most);
    while (now > most && !atomic_compare_exchange_weak(&counters->most, &most, now)) {
    }
    if (task->number < WORKERS) /* the first ones go on when every worker has one */
        MPROC_MUST(mproc_barrier_wait(task->all_busy, NULL, LONG_ENOUGH));
    atomic_fetch_sub(&counters->now, 1);
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_pool *pool;
    struct task task;
    MPROC_MUST(mproc_alloc(&task.counters, sizeof(struct counters)));
    MPROC_MUST(mproc_barrier_create(&task.all_busy, WORKERS));
    MPROC_MUST(mproc_pool_create(&pool, WORKERS, NULL));
    for (task.number = 0; task.number < TASKS; task.number++)
        MPROC_MUST(mproc_pool_apply_async(pool, NULL, work, &task, sizeof task, 0, NULL));
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool));
    const struct counters *counters = mproc_pointer(task.counters);
    printf("at most %d at once\n", counters->most);
    MPROC_MUST(mproc_barrier_destroy(task.all_busy));
    MPROC_MUST(mproc_free(task.counters));
    return 0;
}
