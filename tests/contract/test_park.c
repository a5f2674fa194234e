/* SPDX-License-Identifier: MIT */
/* The boundary: sleeping on a word of the region, within and between processes. */
#include "contract.h"

enum { ROUNDS = 10000 };

/* In the first bytes of the region, which are core's. */
struct table {
    _Atomic uint32_t turn;   /* 0: the parent's, 1: the child's */
    _Atomic uint32_t arrived;
    _Atomic uint32_t gate;
    _Atomic uint32_t rounds;
    _Atomic uint32_t late;   /* how often a sleeper was not woken within 10 s */
};

static struct table *table(void)
{
    return mproc_plat_region_at(0);
}

/* Waits until it is this side's turn; counts each wake-up that did not come. */
static void await_turn(uint32_t mine)
{
    for (;;) {
        uint32_t turn = atomic_load(&table()->turn);
        if (turn == mine)
            return;
        if (mproc_plat_park(&table()->turn, turn, in_seconds(10)) == MPROC_ETIMEDOUT)
            atomic_fetch_add(&table()->late, 1);
    }
}

static void play(uint32_t mine)
{
    for (int i = 0; i < ROUNDS; i++) {
        await_turn(mine);
        atomic_fetch_add(&table()->rounds, 1);
        atomic_store(&table()->turn, 1 - mine);
        mproc_plat_unpark(&table()->turn, 1);
    }
}

static int child(const char *boot)
{
    char task[40];
    if (!attach_region(boot, task))
        return 1;
    if (strcmp(task, "play") == 0) {
        play(1);
        return 0;
    }
    atomic_fetch_add(&table()->arrived, 1);
    while (atomic_load(&table()->gate) == 0)
        if (mproc_plat_park(&table()->gate, 0, in_seconds(60)) == MPROC_ETIMEDOUT)
            return 2;
    return 0;
}

static void clear_table(void)
{
    make_region();
    memset(mproc_plat_region_at(0), 0, sizeof(struct table));
}

static void another_value_returns_at_once(void)
{
    clear_table();
    CHECK_OK(mproc_plat_park(&table()->gate, 1, in_seconds(60)));
    CHECK_OK(mproc_plat_park(&table()->gate, 1, MPROC_PLAT_NEVER));
    atomic_store(&table()->gate, 5);
    CHECK_OK(mproc_plat_park(&table()->gate, 0, MPROC_PLAT_NEVER));
}

static void ring_the_second_gate(void *context)
{
    (void) context;
    for (int i = 0; i < 20; i++)
        sleep_briefly();
    atomic_store(&table()->arrived, 1);
    mproc_plat_unpark(&table()->arrived, 1);
}

static void one_of_several_words_wakes(void)
{
    clear_table();
    _Atomic uint32_t *words[] = { &table()->gate, &table()->arrived };
    uint32_t expected[] = { 0, 0 };
    if (mproc_plat_park_any(words, expected, 2, 0) == MPROC_ENOTSUP) {
        skip("this system cannot sleep on several words");
        return;
    }
    int64_t deadline = mproc_plat_now() + SECONDS / 50;
    while (mproc_plat_park_any(words, expected, 2, deadline) == MPROC_OK)
        continue;
    CU_ASSERT_TRUE(mproc_plat_now() >= deadline);
    struct test_thread *thread = thread_start(ring_the_second_gate, NULL);
    while (atomic_load(&table()->arrived) == 0)
        CHECK_OK(mproc_plat_park_any(words, expected, 2, in_seconds(60)));
    thread_join(thread);
    CHECK_OK(mproc_plat_park_any(words, expected, 2, MPROC_PLAT_NEVER));
}

static void a_timeout_is_never_early(void)
{
    clear_table();
    static const int64_t lengths[] = { 1000, 1000000, 5000000, 40000000, 150000000 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        int64_t deadline = mproc_plat_now() + lengths[i];
        while (mproc_plat_park(&table()->gate, 0, deadline) == MPROC_OK)
            CU_ASSERT_TRUE_FATAL(mproc_plat_now() < deadline + 20 * SECONDS);
        CU_ASSERT_TRUE(mproc_plat_now() >= deadline);
    }
    CU_ASSERT_EQUAL(mproc_plat_park(&table()->gate, 0, 0), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(mproc_plat_park(&table()->gate, 0, mproc_plat_now() - SECONDS), MPROC_ETIMEDOUT);
}

static void an_unpark_without_sleepers_does_nothing(void)
{
    clear_table();
    for (uint32_t count = 0; count < 1000; count++)
        mproc_plat_unpark(&table()->gate, count);
    mproc_plat_unpark(&table()->gate, UINT32_MAX);
    CU_ASSERT_EQUAL(table()->gate, 0);
}

static void play_child(void *context)
{
    (void) context;
    play(1);
}

static void two_threads_lose_no_wake_up(void)
{
    clear_table();
    struct test_thread *thread = thread_start(play_child, NULL);
    play(0);
    thread_join(thread);
    CU_ASSERT_EQUAL(table()->rounds, 2 * ROUNDS);
    CU_ASSERT_EQUAL(table()->late, 0);
}

static void two_processes_lose_no_wake_up(void)
{
    clear_table();
    struct mproc_plat_process process = spawn_child(boot_with_region("play"), mproc_plat_region_handle());
    play(0);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    CU_ASSERT_EQUAL(table()->rounds, 2 * ROUNDS);
    CU_ASSERT_EQUAL(table()->late, 0);
}

static void all_sleepers_are_woken_by_one_call(void)
{
    enum { SLEEPERS = 8 };
    struct mproc_plat_process processes[SLEEPERS];
    clear_table();
    for (int i = 0; i < SLEEPERS; i++)
        processes[i] = spawn_child(boot_with_region("sleep"), mproc_plat_region_handle());
    for (int64_t deadline = in_seconds(60);
         atomic_load(&table()->arrived) < SLEEPERS && mproc_plat_now() < deadline;)
        sleep_briefly();
    CU_ASSERT_EQUAL(table()->arrived, SLEEPERS);
    /* Let them fall asleep; if some have not, the value lets them through. */
    for (int i = 0; i < 50; i++)
        sleep_briefly();
    atomic_store(&table()->gate, 1);
    mproc_plat_unpark(&table()->gate, UINT32_MAX);
    int64_t begin = mproc_plat_now();
    for (int i = 0; i < SLEEPERS; i++)
        CU_ASSERT_EQUAL(reap_child(&processes[i]), 0);
    CU_ASSERT_TRUE(mproc_plat_now() - begin < 30 * SECONDS);
}

static void a_killed_sleeper_takes_no_wake_up_with_it(void)
{
    clear_table();
    struct mproc_plat_process victim = spawn_child(boot_with_region("sleep"), mproc_plat_region_handle());
    for (int64_t deadline = in_seconds(60);
         atomic_load(&table()->arrived) < 1 && mproc_plat_now() < deadline;)
        sleep_briefly();
    for (int i = 0; i < 20; i++)
        sleep_briefly();
    CHECK_OK(mproc_plat_process_stop(&victim, true));
    reap_child(&victim);
    struct mproc_plat_process other = spawn_child(boot_with_region("sleep"), mproc_plat_region_handle());
    for (int64_t deadline = in_seconds(60);
         atomic_load(&table()->arrived) < 2 && mproc_plat_now() < deadline;)
        sleep_briefly();
    for (int i = 0; i < 20; i++)
        sleep_briefly();
    int64_t begin = mproc_plat_now();
    atomic_store(&table()->gate, 1);
    mproc_plat_unpark(&table()->gate, 1);
    CU_ASSERT_EQUAL(reap_child(&other), 0);
    CU_ASSERT_TRUE(mproc_plat_now() - begin < 30 * SECONDS);
}

/* How often park returns though nobody has changed the word, until the deadline. */
static int count_needless_wake_ups(int64_t deadline)
{
    int count = 0;
    while (mproc_plat_park(&table()->gate, 0, deadline) == MPROC_OK)
        count++;
    return count;
}

static void many_killed_sleepers_do_not_keep_others_awake(void)
{
    enum { SLEEPERS = 40 };
    static struct mproc_plat_process victims[SLEEPERS];
    clear_table();
    for (int i = 0; i < SLEEPERS; i++)
        victims[i] = spawn_child(boot_with_region("sleep"), mproc_plat_region_handle());
    for (int64_t deadline = in_seconds(60);
         atomic_load(&table()->arrived) < SLEEPERS && mproc_plat_now() < deadline;)
        sleep_briefly();
    CU_ASSERT_EQUAL(table()->arrived, SLEEPERS);
    for (int i = 0; i < 20; i++)
        sleep_briefly();
    for (int i = 0; i < SLEEPERS; i++) {
        CHECK_OK(mproc_plat_process_stop(&victims[i], true));
        reap_child(&victims[i]);
    }
    count_needless_wake_ups(in_seconds(2)); /* time to find that they are gone */
    for (int round = 0; round < 3; round++) {
        mproc_plat_unpark(&table()->gate, UINT32_MAX);
        CU_ASSERT_TRUE(count_needless_wake_ups(mproc_plat_now() + SECONDS / 10) < 5);
    }
}

MPROC_CONTRACT_SUITE(park, child, MPROC_TEST(another_value_returns_at_once),
                     MPROC_TEST(one_of_several_words_wakes), MPROC_TEST(a_timeout_is_never_early),
                     MPROC_TEST(an_unpark_without_sleepers_does_nothing),
                     MPROC_TEST(two_threads_lose_no_wake_up), MPROC_TEST(two_processes_lose_no_wake_up),
                     MPROC_TEST(all_sleepers_are_woken_by_one_call),
                     MPROC_TEST(a_killed_sleeper_takes_no_wake_up_with_it),
                     MPROC_TEST(many_killed_sleepers_do_not_keep_others_awake))
