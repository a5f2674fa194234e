/* SPDX-License-Identifier: MIT */
/* A pool of four and five tasks of random length: four begin at once, the fifth when one has ended. (That
 * all workers are there before the first task is not needed; it makes the picture a clear one.) */
#include <mproc.h>

#include <apr_general.h>
#include <apr_time.h>

#include <inttypes.h>
#include <stdio.h>

struct task {
    int number, milliseconds;
};

static int work(const void *in, void *out)
{
    const struct task *task = in;
    (void) out;
    printf("task %d begins in process %" PRId64 "\n", task->number, mproc_pid());
    fflush(stdout);
    apr_sleep(task->milliseconds * 1000);
    printf("task %d ends after %d ms\n", task->number, task->milliseconds);
    fflush(stdout);
    return 0;
}

static int nothing(const void *in, void *out)
{
    (void) in;
    (void) out;
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_pool *pool;
    apr_initialize();
    printf("as many as CPUs would be %d\n", mproc_cpu_count());
    fflush(stdout);
    size_t workers;
    MPROC_MUST(mproc_pool_create(&pool, 4, NULL));
    MPROC_MUST(mproc_pool_run_everywhere(pool, nothing, NULL, 0, NULL, 0, &workers, MPROC_FOREVER));
    for (int i = 0; i < 5; i++) {
        unsigned char random = 0;
        apr_generate_random_bytes(&random, 1);
        struct task task = { i, 500 + random };
        MPROC_MUST(mproc_pool_apply_async(pool, NULL, work, &task, sizeof task, 0, NULL));
    }
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool));
    puts("all done");
    return 0;
}
