/* SPDX-License-Identifier: MIT */
/* A pool of four and five tasks of random length: four begin at once, the fifth when one has ended. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WORKERS = 4, TASKS = 5, LONG_ENOUGH = 60000 };

struct task {
    int number, milliseconds;
    mproc_barrier all_busy;
};

static int work(const void *in, void *out)
{
    const struct task *task = in;
    (void) out;
    printf("task %d begins in process %" PRId64 "\n", task->number, mproc_pid());
    fflush(stdout);
    if (task->number < WORKERS) /* however slowly a worker comes up, none ends before all have begun */
        MPROC_MUST(mproc_barrier_wait(task->all_busy, NULL, LONG_ENOUGH));
    mproc_sleep(task->milliseconds);
    printf("task %d ends after %d ms\n", task->number, task->milliseconds);
    fflush(stdout);
    return 0;
}

static void tell_the_default(void)
{
    mproc_pool *pool;
    mproc_pool_statistics statistics;
    MPROC_MUST(mproc_pool_create(&pool, 0, NULL));
    MPROC_MUST(mproc_pool_get_statistics(pool, &statistics));
    printf("by default %zu workers, for %d CPUs\n", statistics.workers, mproc_cpu_count());
    MPROC_MUST(mproc_pool_destroy(pool));
}

int main(void)
{
    mproc_init();

    mproc_pool *pool;
    struct task task;
    tell_the_default();
    srand((unsigned) time(NULL));
    MPROC_MUST(mproc_barrier_create(&task.all_busy, WORKERS));
    MPROC_MUST(mproc_pool_create(&pool, WORKERS, NULL));
    for (task.number = 0; task.number < TASKS; task.number++) {
        task.milliseconds = rand() % 200;
        MPROC_MUST(mproc_pool_apply_async(pool, NULL, work, &task, sizeof task, 0, NULL));
    }
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool));
    MPROC_MUST(mproc_barrier_destroy(task.all_busy));
    puts("all done");
    return 0;
}
