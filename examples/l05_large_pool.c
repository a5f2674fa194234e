/* SPDX-License-Identifier: MIT */
/* A pool of twenty, larger than the number of CPUs, and thirty tasks: up to twenty are under way at once. */
#include <mproc.h>

#include <apr_time.h>

#include <stdatomic.h>
#include <stdio.h>

struct counters { /* in shared memory */
    _Atomic int now, most;
};

static int work(const void *in, void *out)
{
    struct counters *counters = mproc_pointer(*(const mproc_memory *) in);
    int now = atomic_fetch_add(&counters->now, 1) + 1, most = atomic_load(&counters->most);
    (void) out;
    while (now > most && !atomic_compare_exchange_weak(&counters->most, &most, now)) {
    }
    apr_sleep(300 * 1000);
    atomic_fetch_sub(&counters->now, 1);
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_memory block;
    mproc_pool *pool;
    MPROC_MUST(mproc_alloc(&block, sizeof(struct counters)));
    MPROC_MUST(mproc_pool_create(&pool, 20, NULL));
    for (int i = 0; i < 30; i++)
        MPROC_MUST(mproc_pool_apply_async(pool, NULL, work, &block, sizeof block, 0, NULL));
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool));
    printf("at most %d at once\n", ((struct counters *) mproc_pointer(block))->most);
    MPROC_MUST(mproc_free(block));
    return 0;
}
