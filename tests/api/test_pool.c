/* SPDX-License-Identifier: MIT */
/* Pool: what Python's has, in Python's rules. */
#include "pool.h"
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"

static int fail_odd(const void *in, void *out)
{
    const int *number = in;
    *(int *) out = *number;
    return *number % 2 ? 7 + *number : 0;
}

/* ---- apply ---- */

static void apply_runs_a_task_in_another_process(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    int number = 12, result = 0;
    CHECK_OK(mproc_pool_apply(pool, square, &number, sizeof number, &result, sizeof result, 60000));
    CU_ASSERT_EQUAL(result, 144);
    end_pool(pool);
}

static void many_results_come_whatever_their_order(void)
{
    enum { COUNT = 10000 };
    mproc_pool *pool = create_pool(2, NULL);
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
    end_pool(pool);
}

static void a_task_that_fails_says_what_it_returned(void)
{
    mproc_pool *pool = create_pool(1, NULL);
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
    end_pool(pool);
}

/* ---- map ---- */

static void map_fills_an_array_in_order(void)
{
    enum { COUNT = 5000 };
    mproc_pool *pool = create_pool(3, NULL);
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
    end_pool(pool);
}

static void imap_gives_results_in_order_and_unordered_all_of_them(void)
{
    enum { COUNT = 3000 };
    mproc_pool *pool = create_pool(2, NULL);
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
    end_pool(pool);
}

static void maps_closed_while_they_run_leave_nothing(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    int in[100];
    for (int i = 0; i < 100; i++)
        in[i] = i;
    uint64_t used = 0;
    for (int i = 0; i < 200; i++) {
        mproc_result *result;
        CHECK_OK(mproc_pool_map_async(pool, &result, square, in, sizeof *in, NULL, sizeof(int), 100, NULL));
        if (i % 10 == 9)
            CHECK_OK(mproc_result_wait(result, 60000));
        CHECK_OK(mproc_result_close(result));
        if (i == 99)
            used = mproc__arena_used();
    }
    /* at most a few that have not been settled yet */
    CU_ASSERT_TRUE(mproc__arena_used() < used + 40 * 20000);
    end_pool(pool);
}

/* Their records are used again. Pieces at a time: all of them at once would need so many. */
static void tasks_that_nobody_asks_for_leave_nothing(void)
{
    enum { ROUNDS = 60, PIECE = 500 };
    mproc_pool *pool = create_pool(2, NULL);
    int number = 3, result = 0;
    uint64_t used = mproc__arena_used();
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < PIECE; j++)
            CHECK_OK(mproc_pool_apply_async(pool, NULL, square, &number, sizeof number, sizeof(int), NULL));
        mproc_pool_statistics statistics;
        do {
            CHECK_OK(mproc_pool_apply(pool, square, &number, sizeof number, &result, sizeof result, 60000));
            CHECK_OK(mproc_pool_get_statistics(pool, &statistics));
        } while (statistics.finished < statistics.submitted);
    }
    /* 500 records are 64 kB, 30000 would be 4 MB */
    CU_ASSERT_TRUE(mproc__arena_used() < used + 500000);
    end_pool(pool);
}

/* ---- ends ---- */

static int forget_pool(void *argument)
{
    mproc_pool *pool;
    int number = 3, result = 0;
    (void) argument;
    CHILD_OK(mproc_pool_create(&pool, 2, NULL));
    CHILD_OK(mproc_pool_apply(pool, square, &number, sizeof number, &result, sizeof result, 60000));
    CHILD_CHECK(result == 9);
    return 0;
}

static void a_forgotten_pool_ends_with_its_process(void)
{
    CU_ASSERT_EQUAL(run_child(forget_pool, NULL, 0, NULL), 0);
}

static int be_killed_with_a_pool(void *argument)
{
    mproc_memory *block = argument;
    mproc_pool *pool;
    CHILD_OK(mproc_pool_create(&pool, 2, NULL));
    for (int i = 0; i < 2; i++)
        CHILD_OK(mproc_pool_apply_async(pool, NULL, tell_pid_and_hang, block, sizeof *block, 0, NULL));
    CHILD_CHECK(wait_until(mproc_pointer(*block), 2));
    kill_hard(mproc_pid());
    return hang_for_ever(NULL);
}

static void workers_end_when_their_parent_is_killed(void)
{
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 3);
    CU_ASSERT_NOT_EQUAL(run_child(be_killed_with_a_pool, &block, sizeof block, NULL), 0);
    check_they_end(ints, 2);
    CHECK_OK(mproc_free(block));
}

/* ---- how many workers ---- */

static int do_nothing_at_all(const void *in, void *out)
{
    (void) in;
    (void) out;
    return 0;
}

/* How many workers a pool has that was asked for none in particular, by what it says and by who comes. */
static int default_workers(void *argument)
{
    (void) argument;
    mproc_pool *pool;
    mproc_pool_statistics statistics;
    size_t count = 1000;
    CHILD_OK(mproc_pool_create(&pool, 0, NULL));
    CHILD_OK(mproc_pool_get_statistics(pool, &statistics));
    CHILD_OK(mproc_pool_run_everywhere(pool, do_nothing_at_all, NULL, 0, NULL, 0, &count, 60000));
    CHILD_OK(mproc_pool_destroy(pool));
    CHILD_CHECK(statistics.workers == count);
    CHILD_CHECK(count == (size_t) mproc_cpu_count());
    return count == 1 ? 1 : 2;
}

static void a_pool_has_by_default_as_many_workers_as_cpus_it_may_use(void)
{
    int cpu = 0;
    mproc_process_options bound = { .cpus = &cpu, .cpu_count = 1 };
    CU_ASSERT_EQUAL(run_child(default_workers, NULL, 0, NULL), mproc_cpu_count() == 1 ? 1 : 2);
    if (mproc_plat_confine_check(&bound.limits, &cpu, 1) == MPROC_ENOTSUP)
        skip_part("this system does not bind processes to CPUs");
    else
        CU_ASSERT_EQUAL(run_child(default_workers, NULL, 0, &bound), 1);
}

static void many_pools_leave_nothing(void)
{
    uint64_t used = mproc__arena_used();
    for (int i = 0; i < 30; i++) {
        mproc_pool *pool = create_pool(1 + (size_t) i % 3, NULL);
        int number = i, result = 0;
        if (i % 2)
            CHECK_OK(mproc_pool_apply(pool, square, &number, sizeof number, &result, sizeof result, 60000));
        CU_ASSERT_EQUAL(result, i % 2 ? i * i : 0);
        end_pool(pool);
    }
    CU_ASSERT_EQUAL(mproc__arena_used(), used);
}

MPROC_SUITE(pool, MPROC_TEST(apply_runs_a_task_in_another_process),
            MPROC_TEST(many_results_come_whatever_their_order),
            MPROC_TEST(a_task_that_fails_says_what_it_returned),
            MPROC_TEST(map_fills_an_array_in_order),
            MPROC_TEST(imap_gives_results_in_order_and_unordered_all_of_them),
            MPROC_TEST(maps_closed_while_they_run_leave_nothing),
            MPROC_TEST(tasks_that_nobody_asks_for_leave_nothing),
            MPROC_TEST(a_forgotten_pool_ends_with_its_process),
            MPROC_TEST(workers_end_when_their_parent_is_killed),
            MPROC_TEST(a_pool_has_by_default_as_many_workers_as_cpus_it_may_use), MPROC_TEST(many_pools_leave_nothing))
