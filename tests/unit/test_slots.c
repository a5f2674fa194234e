/* SPDX-License-Identifier: MIT */
/* The table of processes: tokens, generations, and who is alive. */
#include "describe.h"
#include "system.h"
#include "table.h"

static void a_released_token_is_nobody(void)
{
    process_token token = claim(mproc__self_peek(), 0);
    CU_ASSERT_PTR_NOT_NULL(mproc__slot_of(token));
    CU_ASSERT(mproc__token_alive(token));
    mproc__slot_release(token);
    CU_ASSERT_PTR_NULL(mproc__slot_of(token));
    CU_ASSERT_FALSE(mproc__token_alive(token));
    mproc__slot_release(token);
}

static void a_slot_taken_again_has_another_token(void)
{
    process_token first = claim_dead(), again;
    int rounds = 0;
    do {
        again = claim_dead();
        rounds++;
    } while (index_of(again) != index_of(first) && rounds < 100000);
    CU_ASSERT_EQUAL(index_of(again), index_of(first));
    CU_ASSERT_NOT_EQUAL(again, first);
    CU_ASSERT_FALSE(mproc__token_alive(first));
}

static void this_process_is_alive_and_nobody_is_not(void)
{
    CU_ASSERT(mproc__token_alive(mproc__self_token()));
    CU_ASSERT_FALSE(mproc__token_alive(0));
    CU_ASSERT_FALSE(mproc__token_alive(TOKEN_MASK));
}

/* A pid that another process got: the same number, another stamp. */
static void a_reused_pid_is_not_taken_for_the_dead_process(void)
{
    process_token token = claim(mproc__self_peek(), 0);
    int64_t pid;
    mproc_process *process = start_hanging(&pid);
    mproc__slot_occupy(token, pid);
    CU_ASSERT(mproc__token_alive_now(token));
    uint64_t stamp = 0, generation = token >> 14;
    CHECK_OK(mproc_plat_process_stamp(pid, &stamp));
    _Atomic uint64_t *known = &mproc__slot_of(token)->stamp;
    atomic_store(known, stamp << 16 | generation);
    CU_ASSERT(mproc__token_alive_now(token));
    atomic_store(known, (stamp + 1) << 16 | generation);
    CU_ASSERT_FALSE(mproc__token_alive_now(token));
    /* What was said of the one before, who had the slot, tells nothing. */
    atomic_store(known, (stamp + 1) << 16 | ((generation - 1) & 0xffff));
    CU_ASSERT(mproc__token_alive_now(token));
    mproc__slot_release(token);
    kill_child(process);
}

/* This process has the pid that a dead one had, and another token. */
static void a_dead_process_does_not_live_in_who_has_its_pid_now(void)
{
    uint64_t own;
    process_token token = claim(mproc__self_peek(), 0);
    CHECK_OK(mproc_plat_process_stamp(mproc_plat_pid(), &own));
    mproc__slot_occupy(token, mproc_plat_pid());
    CU_ASSERT_FALSE(mproc__token_alive_now(token));
    atomic_store(&mproc__slot_of(token)->stamp, (own + 1) << 16 | token >> 14);
    CU_ASSERT_FALSE(mproc__token_alive_now(token));
    CU_ASSERT(mproc__token_alive(mproc__self_token()));
    mproc__slot_release(token);
}

static process_token tokens[1 << 14];

/* Takes all slots that there can be; how many. */
static int take_all(void)
{
    int count = 0;
    mproc_err err = MPROC_OK;
    while (count < 1 << 14 && (err = mproc__slot_claim(mproc__self_peek(), 0, &tokens[count])) == MPROC_OK)
        count++;
    CU_ASSERT_EQUAL(err, MPROC_EAGAIN);
    return count;
}

static void give_all_back(int count)
{
    for (int i = 0; i < count; i++)
        mproc__slot_release(tokens[i]);
}

/* All there can be: no token is nobody's or the mark that other words use, and one more is refused. */
static void the_table_ends_before_a_token_would_be_a_mark(void)
{
    static bool seen[1 << 14];
    memset(seen, 0, sizeof seen);
    int before = count_taken(), count = take_all();
    CU_ASSERT_EQUAL(before + count, MOST_SLOTS);
    for (int i = 0; i < count; i++) {
        uint32_t low = tokens[i] & 0x3fff;
        CU_ASSERT_TRUE(low > 0 && low < 0x3fff && !seen[low]);
        seen[low] = true;
    }
    give_all_back(count);
    CU_ASSERT_PTR_NULL(mproc__slot_of(tokens[17]));
    CU_ASSERT_EQUAL(count_taken(), before);
}

/* It goes under its parent's name then, and must not say that its parent has its pid. */
static void a_fork_of_the_hosts_that_finds_no_slot_leaves_its_parents_alone(void)
{
    process_token own = mproc__self_token();
    const struct slot *slot = mproc__slot_of(own);
    uint64_t stamp = atomic_load(&slot->stamp);
    int count = take_all();
    int64_t pid = host_fork();
    if (pid == 0)
        mproc_plat_exit_now(mproc__self_token() == own && mproc__self_ready == 0 ? 0 : 1);
    if (pid < 0)
        skip("this system does not fork");
    else
        CU_ASSERT_EQUAL(host_wait(pid), 0);
    CU_ASSERT_EQUAL(atomic_load(&slot->pid), mproc_plat_pid());
    CU_ASSERT_EQUAL(atomic_load(&slot->stamp), stamp);
    give_all_back(count);
}

/* Nobody may have noted its pid but itself, in its record. */
static void who_has_just_come_is_described_with_its_pid(void)
{
    uint64_t handle;
    struct record *record;
    process_token token = claim_with_record(mproc__self_peek(), &handle, &record);
    int64_t pid;
    mproc_process *process = start_hanging(&pid);
    char buffer[200] = "", expected[40];
    struct text text = { buffer, sizeof buffer, 0 };
    atomic_store(&record->arrival, (uint64_t) token << 32 | (uint32_t) pid);
    mproc__text_add_process(&text, token);
    snprintf(expected, sizeof expected, "(pid %lld)", (long long) pid);
    CU_ASSERT_PTR_NOT_NULL(strstr(buffer, expected));
    mproc__slot_release(token);
    kill_child(process);
}

/* The first of these tests, for what is looked at in mproc_init() was to be looked at again 100 ms later only. */
static void who_asks_for_its_token_first_has_its_stamp(void)
{
    process_token own = mproc__self_token();
    CU_ASSERT_TRUE(own != 0 && mproc__self_ready == own && atomic_load(&mproc__slot_of(own)->stamp) != 0);
}

enum { NO_LIMIT = 77, NEEDS_NONE };

static int ask_for_the_token_without_descriptors(void *argument)
{
    intptr_t natives[MOST_HELD];
    uint64_t stamp;
    (void) argument;
    int held = hold_all_descriptors(natives);
    if (held == 0)
        return NO_LIMIT;
    if (mproc_plat_process_stamp(mproc_plat_pid(), &stamp) == MPROC_OK)
        return NEEDS_NONE;
    process_token token = mproc__self_token();
    struct slot *slot = mproc__slot_of(token);
    CHILD_CHECK(slot && mproc__token_alive(token) && mproc__self_ready == 0);
    give_back_descriptors(natives, held);
    for (int i = 0; i < 60000 && mproc__self_ready == 0; i++) {
        CHILD_CHECK(mproc__self_token() == token);
        sleep_briefly();
    }
    CHILD_CHECK(mproc__self_ready == token && atomic_load(&slot->stamp) != 0);
    return 0;
}

static void a_stamp_that_could_not_be_read_is_read_later(void)
{
    int code = run_child(ask_for_the_token_without_descriptors, NULL, 0, NULL);
    if (code == NO_LIMIT)
        skip("this system has no limit of descriptors");
    else if (code == NEEDS_NONE)
        skip("this system tells of processes without a descriptor");
    else
        CU_ASSERT_EQUAL(code, 0);
}

MPROC_SUITE(slots, MPROC_TEST(who_asks_for_its_token_first_has_its_stamp), MPROC_TEST(a_released_token_is_nobody),
            MPROC_TEST(a_slot_taken_again_has_another_token),
            MPROC_TEST(this_process_is_alive_and_nobody_is_not),
            MPROC_TEST(a_reused_pid_is_not_taken_for_the_dead_process),
            MPROC_TEST(a_dead_process_does_not_live_in_who_has_its_pid_now),
            MPROC_TEST(the_table_ends_before_a_token_would_be_a_mark),
            MPROC_TEST(a_fork_of_the_hosts_that_finds_no_slot_leaves_its_parents_alone),
            MPROC_TEST(who_has_just_come_is_described_with_its_pid),
            MPROC_TEST(a_stamp_that_could_not_be_read_is_read_later))
