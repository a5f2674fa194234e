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
    _Atomic uint32_t woken;
    _Atomic uint64_t words;  /* where there are MPROC_PLAT_PARK_ANY of them */
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

static bool wait_for_at_least(_Atomic uint32_t *word, uint32_t value)
{
    for (int64_t deadline = in_seconds(60); atomic_load(word) < value && mproc_plat_now() < deadline;)
        sleep_briefly();
    return atomic_load(word) >= value;
}

static int ring(unsigned number)
{
    _Atomic uint32_t *words = mproc_plat_region_at(atomic_load(&table()->words));
    if (!wait_for_at_least(&table()->turn, 1)) /* the parent falls asleep */
        return 3;
    wait_until_asleep(system_parent_pid());
    atomic_store(&words[number], 1);
    mproc_plat_unpark(&words[number], 1);
    return 0;
}

static int child(const char *boot)
{
    char task[40];
    unsigned number;
    if (!attach_region(boot, task))
        return 1;
    if (sscanf(task, "ring:%u", &number) == 1)
        return ring(number);
    if (strcmp(task, "play") == 0) {
        play(1);
        return 0;
    }
    atomic_fetch_add(&table()->arrived, 1);
    while (atomic_load(&table()->gate) == 0)
        if (mproc_plat_park(&table()->gate, 0, in_seconds(60)) == MPROC_ETIMEDOUT)
            return 2;
    atomic_fetch_add(&table()->woken, 1);
    return 0;
}

static struct mproc_plat_process start_sleeper(void)
{
    return spawn_child(boot_with_region("sleep"), mproc_plat_region_handle());
}

/* Waits until so many have arrived, of which this one is the last, and this one sleeps. */
static void check_asleep(const struct mproc_plat_process *process, uint32_t arrived)
{
    CU_ASSERT_TRUE(wait_for_at_least(&table()->arrived, arrived));
    wait_until_asleep(process->pid);
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
    CU_ASSERT_TRUE(wait_for_at_least(&table()->turn, 1)); /* the other one falls asleep */
    wait_until_asleep(mproc_plat_pid());
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
    atomic_store(&table()->turn, 1);
    while (atomic_load(&table()->arrived) == 0)
        CHECK_OK(mproc_plat_park_any(words, expected, 2, in_seconds(60)));
    thread_join(thread);
    CHECK_OK(mproc_plat_park_any(words, expected, 2, MPROC_PLAT_NEVER));
}

/* The last of as many words as there may be, and one in between, rung by another process. */
static void any_of_many_words_is_rung_by_another_process(void)
{
    enum { SIZE = 65536 };
    _Atomic uint32_t *words[MPROC_PLAT_PARK_ANY];
    uint32_t expected[MPROC_PLAT_PARK_ANY] = { 0 };
    static const unsigned rung[] = { MPROC_PLAT_PARK_ANY - 1, 64, 0 };
    clear_table();
    uint64_t offset = mproc_plat_region_fit(SIZE, SIZE);
    CU_ASSERT_NOT_EQUAL_FATAL(offset, UINT64_MAX);
    CHECK_OK(mproc_plat_region_commit(offset, SIZE));
    for (size_t i = 0; i < MPROC_PLAT_PARK_ANY; i++)
        words[i] = (_Atomic uint32_t *) mproc_plat_region_at(offset) + i;
    if (mproc_plat_park_any(words, expected, MPROC_PLAT_PARK_ANY, 0) == MPROC_ENOTSUP) {
        skip("this system cannot sleep on several words");
        return;
    }
    atomic_store(&table()->words, offset);
    for (size_t i = 0; i < sizeof rung / sizeof *rung; i++) {
        char task[40];
        snprintf(task, sizeof task, "ring:%u", rung[i]);
        atomic_store(&table()->turn, 0);
        struct mproc_plat_process process = spawn_child(boot_with_region(task), mproc_plat_region_handle());
        int64_t deadline = in_seconds(60);
        mproc_err err = MPROC_OK;
        atomic_store(&table()->turn, 1);
        while (err == MPROC_OK && atomic_load(words[rung[i]]) == 0)
            err = mproc_plat_park_any(words, expected, MPROC_PLAT_PARK_ANY, deadline);
        CU_ASSERT_EQUAL(err, MPROC_OK);
        CU_ASSERT_EQUAL(reap_child(&process), 0);
        atomic_store(words[rung[i]], 0);
    }
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

enum { SLEEPERS = 8 };

static void start_sleepers(struct mproc_plat_process processes[SLEEPERS])
{
    clear_table();
    for (uint32_t i = 0; i < SLEEPERS; i++) {
        processes[i] = start_sleeper();
        check_asleep(&processes[i], i + 1);
    }
}

static void check_they_end_soon(struct mproc_plat_process *processes, int count)
{
    int64_t begin = mproc_plat_now();
    for (int i = 0; i < count; i++)
        CU_ASSERT_EQUAL(reap_child(&processes[i]), 0);
    CU_ASSERT_TRUE(mproc_plat_now() - begin < 30 * SECONDS);
}

static void all_sleepers_are_woken_by_one_call(void)
{
    struct mproc_plat_process processes[SLEEPERS];
    start_sleepers(processes);
    atomic_store(&table()->gate, 1);
    mproc_plat_unpark(&table()->gate, UINT32_MAX);
    check_they_end_soon(processes, SLEEPERS);
}

static void as_many_are_woken_as_was_asked_for_or_more(void)
{
    struct mproc_plat_process processes[SLEEPERS];
    start_sleepers(processes);
    atomic_store(&table()->gate, 1);
    mproc_plat_unpark(&table()->gate, 3);
    CU_ASSERT_TRUE(wait_for_at_least(&table()->woken, 3));
    mproc_plat_unpark(&table()->gate, SLEEPERS - 3);
    check_they_end_soon(processes, SLEEPERS);
}

static void a_killed_sleeper_takes_no_wake_up_with_it(void)
{
    clear_table();
    struct mproc_plat_process victim = start_sleeper();
    check_asleep(&victim, 1);
    CHECK_OK(mproc_plat_process_stop(&victim, true));
    reap_child(&victim);
    struct mproc_plat_process other = start_sleeper();
    check_asleep(&other, 2);
    atomic_store(&table()->gate, 1);
    mproc_plat_unpark(&table()->gate, 1);
    check_they_end_soon(&other, 1);
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
    enum { VICTIMS = 40 };
    static struct mproc_plat_process victims[VICTIMS];
    clear_table();
    for (uint32_t i = 0; i < VICTIMS; i++) {
        victims[i] = start_sleeper();
        check_asleep(&victims[i], i + 1);
    }
    for (int i = 0; i < VICTIMS; i++) {
        CHECK_OK(mproc_plat_process_stop(&victims[i], true));
        reap_child(&victims[i]);
    }
    int quiet = 0; /* rounds, as soon as it is found that they are gone */
    for (int64_t deadline = in_seconds(60); quiet < 3 && mproc_plat_now() < deadline;) {
        mproc_plat_unpark(&table()->gate, UINT32_MAX);
        quiet += count_needless_wake_ups(mproc_plat_now() + SECONDS / 10) < 5;
    }
    CU_ASSERT_EQUAL(quiet, 3);
}

MPROC_CONTRACT_SUITE(park, child, MPROC_TEST(another_value_returns_at_once),
                     MPROC_TEST(one_of_several_words_wakes),
                     MPROC_TEST(any_of_many_words_is_rung_by_another_process), MPROC_TEST(a_timeout_is_never_early),
                     MPROC_TEST(an_unpark_without_sleepers_does_nothing),
                     MPROC_TEST(two_threads_lose_no_wake_up), MPROC_TEST(two_processes_lose_no_wake_up),
                     MPROC_TEST(all_sleepers_are_woken_by_one_call),
                     MPROC_TEST(as_many_are_woken_as_was_asked_for_or_more),
                     MPROC_TEST(a_killed_sleeper_takes_no_wake_up_with_it),
                     MPROC_TEST(many_killed_sleepers_do_not_keep_others_awake))
