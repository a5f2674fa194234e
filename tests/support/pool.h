/* SPDX-License-Identifier: MIT */
/* What suites of pools share. */
#ifndef MPROC_TESTS_POOL_H
#define MPROC_TESTS_POOL_H

#include "suite.h"

static inline mproc_pool *create_pool(size_t workers, const mproc_pool_options *options)
{
    mproc_pool *pool = NULL;
    CHECK_OK(mproc_pool_create(&pool, workers, options));
    return pool;
}

/* Lets it finish all that was submitted. */
static inline void end_pool(mproc_pool *pool)
{
    CHECK_OK(mproc_pool_close(pool));
    CHECK_OK(mproc_pool_join(pool, 60000));
    CHECK_OK(mproc_pool_destroy(pool));
}

/* Takes an int as the result, and closes it. */
static inline void check_result(mproc_result *result, int expected)
{
    int value = -1;
    CHECK_OK(mproc_result_get(result, &value, sizeof value, 60000));
    CU_ASSERT_EQUAL(value, expected);
    CHECK_OK(mproc_result_close(result));
}

static inline int square(const void *in, void *out)
{
    const int *number = in;
    *(int *) out = *number * *number;
    return 0;
}

/* Of the ints in shared memory the first counts who has come; the worker's own one gets its pid. */
static inline int tell_pid_and_hang(const void *in, void *out)
{
    _Atomic int *ints = mproc_pointer(*(const mproc_memory *) in);
    (void) out;
    atomic_store(&ints[1 + mproc_worker_id()], (int) mproc_pid());
    atomic_fetch_add(&ints[0], 1);
    return hang_for_ever(NULL);
}

/* Those that tell_pid_and_hang() have ended, or do soon. */
static inline void check_they_end(const _Atomic int *ints, int count)
{
    for (int i = 1; i <= count; i++) {
        CU_ASSERT_TRUE(ints[i] > 0);
        CU_ASSERT_TRUE(pid_ends_within(ints[i], 30000));
    }
}

#endif
