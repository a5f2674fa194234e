/* SPDX-License-Identifier: MIT */
/* Workers killed at random while tasks of all kinds run.
 *
 * 10,000 kills by default (500 on Windows). A million, by hand:
 *   MPROC_STORM_KILLS=1000000 build/gcc/tests/test_stress_pool_storm */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"

enum { WORKERS = 4, SINGLES = 400, ITEMS = 3000, CHUNK = 7 };

/* What each task has seen: in shared memory, so that a killed worker's marks stay. */
struct marks {
    _Atomic int began, ended;
};

struct errand {
    mproc_memory block;
    int index;
};

static int run_errand(const void *in, void *out)
{
    const struct errand *errand = in;
    struct marks *marks = (struct marks *) mproc_pointer(errand->block) + errand->index;
    atomic_fetch_add(&marks->began, 1);
    volatile unsigned x = (unsigned) errand->index;
    for (int i = errand->index % 5 * 1000; i > 0; i--)
        x = x * 3 + 1;
    *(int *) out = errand->index * 2 + 1;
    atomic_fetch_add(&marks->ended, 1);
    return 0;
}

static int wanted_kills(void)
{
    const char *text = getenv("MPROC_STORM_KILLS");
    if (text)
        return atoi(text);
    return system_is_windows() ? 500 : method_under_test() == MPROC_START_FORK ? 10000 : 3000;
}

struct storm {
    mproc_pool *pool;
    int kills, wanted;
    _Atomic int stop;
};

static void kill_workers(void *context)
{
    struct storm *storm = context;
    uint32_t seed = (uint32_t) mproc_plat_now();
    while (!atomic_load(&storm->stop) && storm->kills < storm->wanted) {
        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        int64_t pid = mproc_pool_worker_pid(storm->pool, (seed >> 8) % WORKERS);
        if (pid) {
            kill_hard(pid);
            storm->kills++;
        }
        mproc_plat_sleep((seed >> 4) % 1000 * (system_is_windows() ? 20000 : 2000));
    }
    atomic_store(&storm->stop, 1);
}

/* A task that is done has ended; one that was never begun again began at most once. */
static int judge(mproc_err err, int value, int index, const struct marks *marks, int *died)
{
    if (err == MPROC_OK)
        return marks->began != 1 || marks->ended != 1 || value != index * 2 + 1;
    *died += err == MPROC_EWORKERDIED;
    return err != MPROC_EWORKERDIED || marks->began > 1;
}

static void clear(mproc_memory block)
{
    memset(mproc_pointer(block), 0, mproc_size(block));
}

static int storm_of_singles(struct storm *storm, mproc_memory block, int *died)
{
    static mproc_result *results[SINGLES];
    int wrong = 0;
    clear(block);
    for (int i = 0; i < SINGLES; i++) {
        struct errand errand = { block, i };
        if (mproc_pool_apply_async(storm->pool, &results[i], run_errand, &errand, sizeof errand,
                                   sizeof(int), NULL) != MPROC_OK)
            return 1000;
    }
    const struct marks *marks = mproc_pointer(block);
    for (int i = 0; i < SINGLES; i++) {
        int value = 0;
        mproc_err err = mproc_result_get(results[i], &value, sizeof value, 60000);
        wrong += judge(err, value, i, &marks[i], died);
        wrong += mproc_result_close(results[i]) != MPROC_OK;
    }
    return wrong;
}

static int storm_of_items(struct storm *storm, mproc_memory block, const struct errand *errands,
                          int *died)
{
    static int out[ITEMS];
    mproc_task_options options = { .chunksize = CHUNK, .item_errors = true };
    mproc_result *result;
    int wrong = 0;
    clear(block);
    if (mproc_pool_map_async(storm->pool, &result, run_errand, errands, sizeof *errands, out,
                             sizeof *out, ITEMS, &options) != MPROC_OK ||
        mproc_result_wait(result, 60000) != MPROC_OK)
        return 1000;
    const struct marks *marks = mproc_pointer(block);
    for (int i = 0; i < ITEMS; i++)
        wrong += judge(mproc_result_item(result, (size_t) i), out[i], i, &marks[i], died);
    wrong += mproc_result_done(result) != ITEMS;
    return wrong + (mproc_result_close(result) != MPROC_OK);
}

static int storm_of_imap(struct storm *storm, mproc_memory block, const struct errand *errands,
                         int *died)
{
    mproc_result *result;
    int wrong = 0;
    clear(block);
    if (mproc_pool_imap_unordered(storm->pool, &result, run_errand, errands, sizeof *errands,
                                  sizeof(int), ITEMS, NULL) != MPROC_OK)
        return 1000;
    const struct marks *marks = mproc_pointer(block);
    for (int i = 0; i < ITEMS; i++) {
        size_t index = 0;
        int value = 0;
        mproc_err err = mproc_result_next(result, &index, &value, 60000);
        if (err == MPROC_ETIMEDOUT)
            return 1000;
        wrong += judge(err, value, (int) index, &marks[index], died);
    }
    return wrong + (mproc_result_close(result) != MPROC_OK);
}

static void only_begun_tasks_of_killed_workers_fail(void)
{
    struct storm storm = { .wanted = wanted_kills() };
    mproc_pool_options options = { .max_failed_starts = 1000000 };
    uint64_t used = mproc__arena_used();
    CHECK_OK(mproc_pool_create(&storm.pool, WORKERS, &options));
    mproc_memory block;
    CHECK_OK(mproc_alloc(&block, ITEMS * sizeof(struct marks)));
    static struct errand errands[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        errands[i] = (struct errand){ block, i };
    struct test_thread *killer = thread_start(kill_workers, &storm);
    int wrong = 0, died = 0, rounds = 0;
    for (; !atomic_load(&storm.stop); rounds++) {
        int before = wrong;
        watchdog_start(110); /* a million kills take longer than a test may */
        wrong += storm_of_singles(&storm, block, &died);
        wrong += storm_of_items(&storm, block, errands, &died);
        wrong += storm_of_imap(&storm, block, errands, &died);
        if (wrong != before)
            printf("\n    round %d: %d wrong\n", rounds, wrong - before);
        if (wrong >= 1000)
            atomic_store(&storm.stop, 1);
    }
    thread_join(killer);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(died <= storm.kills);
    CU_ASSERT_TRUE(rounds > 0);
    mproc_pool_statistics statistics;
    CHECK_OK(mproc_pool_get_statistics(storm.pool, &statistics));
    CU_ASSERT_TRUE(statistics.died <= (uint64_t) storm.kills);
    printf("\n    %d kills, %llu workers died, %d tasks failed, %d rounds\n    ", storm.kills,
           (unsigned long long) statistics.died, died, rounds);
    CHECK_OK(mproc_pool_close(storm.pool));
    CHECK_OK(mproc_pool_join(storm.pool, 60000));
    CHECK_OK(mproc_pool_destroy(storm.pool));
    CHECK_OK(mproc_free(block));
    CU_ASSERT_EQUAL(mproc__arena_used(), used);
}

static void with_retries_nothing_fails_at_all(void)
{
    struct storm storm = { .wanted = wanted_kills() / 10 };
    mproc_pool_options options = { .max_failed_starts = 1000000, .poison_limit = 1000000 };
    uint64_t used = mproc__arena_used();
    CHECK_OK(mproc_pool_create(&storm.pool, WORKERS, &options));
    mproc_memory block;
    CHECK_OK(mproc_alloc(&block, ITEMS * sizeof(struct marks)));
    static struct errand errands[ITEMS];
    static int out[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        errands[i] = (struct errand){ block, i };
    struct test_thread *killer = thread_start(kill_workers, &storm);
    mproc_task_options again = { .retries = 1000000, .chunksize = CHUNK };
    int wrong = 0;
    while (!atomic_load(&storm.stop)) {
        watchdog_start(110);
        memset(out, 0, sizeof out);
        wrong += mproc_pool_map(storm.pool, run_errand, errands, sizeof *errands, out, sizeof *out,
                                ITEMS, &again) != MPROC_OK;
        for (int i = 0; i < ITEMS; i++)
            wrong += out[i] != i * 2 + 1;
        if (wrong)
            atomic_store(&storm.stop, 1);
    }
    thread_join(killer);
    CU_ASSERT_EQUAL(wrong, 0);
    CHECK_OK(mproc_pool_shutdown(storm.pool, 60000));
    CHECK_OK(mproc_pool_destroy(storm.pool));
    CHECK_OK(mproc_free(block));
    CU_ASSERT_EQUAL(mproc__arena_used(), used);
}

MPROC_SUITE(pool_storm, MPROC_TEST(only_begun_tasks_of_killed_workers_fail),
            MPROC_TEST(with_retries_nothing_fails_at_all))
