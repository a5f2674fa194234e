/* SPDX-License-Identifier: MIT */
/* Pool: what Python's has, in Python's rules. */
#include "suite.h"
#include "system.h"

#include "platform.h"

static int square(const void *in, void *out)
{
    const int *number = in;
    *(int *) out = *number * *number;
    return 0;
}

static int fail_odd(const void *in, void *out)
{
    const int *number = in;
    *(int *) out = *number;
    return *number % 2 ? 7 + *number : 0;
}

static mproc_pool *create(size_t workers)
{
    mproc_pool *pool = NULL;
    CHECK_OK(mproc_pool_create(&pool, workers, NULL));
    return pool;
}

static void end(mproc_pool *pool)
{
    CHECK_OK(mproc_pool_close(pool));
    CHECK_OK(mproc_pool_join(pool, 60000));
    CHECK_OK(mproc_pool_destroy(pool));
}

/* ---- apply ---- */

static void apply_runs_a_task_in_another_process(void)
{
    mproc_pool *pool = create(2);
    int number = 12, result = 0;
    CHECK_OK(mproc_pool_apply(pool, square, &number, sizeof number, &result, sizeof result, 60000));
    CU_ASSERT_EQUAL(result, 144);
    end(pool);
}

static void many_results_come_whatever_their_order(void)
{
    enum { COUNT = 10000 };
    mproc_pool *pool = create(2);
    static mproc_result *results[COUNT];
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(
            mproc_pool_apply_async(pool, &results[i], square, &i, sizeof i, sizeof(int), NULL));
    for (int i = COUNT - 1; i >= 0; i--) {
        int result = -1;
        CHECK_OK(mproc_result_get(results[i], &result, sizeof result, 60000));
        CU_ASSERT_EQUAL(result, i * i);
        CHECK_OK(mproc_result_close(results[i]));
    }
    end(pool);
}

static void a_task_that_fails_says_what_it_returned(void)
{
    mproc_pool *pool = create(1);
    int number = 3, result = 0;
    mproc_result *failed;
    bool successful = true;
    CHECK_OK(mproc_pool_apply_async(pool, &failed, fail_odd, &number, sizeof number, sizeof result,
                                    NULL));
    CHECK_FAILS(mproc_result_get(failed, &result, sizeof result, 60000), MPROC_ETASK);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "10"));
    CU_ASSERT_EQUAL(mproc_result_code(failed), 10);
    CHECK_OK(mproc_result_successful(failed, &successful));
    CU_ASSERT_FALSE(successful);
    CHECK_OK(mproc_result_close(failed));
    end(pool);
}

/* ---- map ---- */

static void map_fills_an_array_in_order(void)
{
    enum { COUNT = 5000 };
    mproc_pool *pool = create(3);
    static int in[COUNT], out[COUNT];
    static const size_t chunks[] = { 0, 1, 7, COUNT, COUNT * 2 };
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        mproc_task_options options = { .chunksize = chunks[c] };
        for (int i = 0; i < COUNT; i++)
            in[i] = i, out[i] = -1;
        CHECK_OK(mproc_pool_map(pool, square, in, sizeof *in, out, sizeof *out, COUNT, &options));
        int wrong = 0;
        for (int i = 0; i < COUNT; i++)
            wrong += out[i] != i * i;
        CU_ASSERT_EQUAL(wrong, 0);
    }
    end(pool);
}

static void imap_gives_results_in_order_and_unordered_all_of_them(void)
{
    enum { COUNT = 3000 };
    mproc_pool *pool = create(2);
    static int in[COUNT];
    for (int i = 0; i < COUNT; i++)
        in[i] = i;
    for (int unordered = 0; unordered < 2; unordered++) {
        mproc_result *results;
        CHECK_OK((unordered ? mproc_pool_imap_unordered
                            : mproc_pool_imap)(pool, &results, square, in, sizeof *in, sizeof(int),
                                               COUNT, NULL));
        static bool seen[COUNT];
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < COUNT; i++) {
            size_t index = COUNT;
            int value = -1;
            CHECK_OK(mproc_result_next(results, &index, &value, 60000));
            CU_ASSERT_TRUE_FATAL(index < COUNT);
            CU_ASSERT_TRUE(unordered || (int) index == i);
            CU_ASSERT_EQUAL(value, (int) (index * index));
            CU_ASSERT_FALSE(seen[index]);
            seen[index] = true;
        }
        CHECK_FAILS(mproc_result_next(results, NULL, NULL, 60000), MPROC_ENOTFOUND);
        CHECK_OK(mproc_result_close(results));
    }
    end(pool);
}

MPROC_SUITE(pool, MPROC_TEST(apply_runs_a_task_in_another_process),
            MPROC_TEST(many_results_come_whatever_their_order),
            MPROC_TEST(a_task_that_fails_says_what_it_returned),
            MPROC_TEST(map_fills_an_array_in_order),
            MPROC_TEST(imap_gives_results_in_order_and_unordered_all_of_them))
