/* SPDX-License-Identifier: MIT */
/* The table of processes: tokens, generations, and who is alive. */
#include "arena.h"
#include "fault.h"
#include "mproc.h"
#include "record.h"
#include "slots.h"
#include "suite.h"
#include "system.h"

#include <string.h>

static process_token claim(process_token parent, uint64_t record)
{
    process_token token = 0;
    CHECK_OK(mproc__slot_claim(parent, record, &token));
    return token;
}

static uint32_t index_of(process_token token)
{
    return (token & 0x3fff) - 1;
}

static uint64_t state_of(process_token token)
{
    return atomic_load(&mproc__slot_at(index_of(token))->state);
}

/* Names a process that has been released. */
static process_token claim_dead(void)
{
    process_token token = claim(mproc__self_peek(), 0);
    mproc__slot_release(token);
    return token;
}

/* A record with nothing in it, for the process that is to have the slot. */
static process_token claim_with_record(process_token parent, uint64_t *handle, struct record **record)
{
    const struct record_parts parts = { .name = "", .parent_name = "" };
    CHECK_OK(mproc__record_create(&parts, handle, record));
    process_token token = claim(parent, *handle);
    mproc__record_expect(*record, token);
    return token;
}

static mproc_process *start_hanging(int64_t *pid)
{
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    CHECK_OK(mproc_process_pid(process, pid));
    return process;
}

static void kill_child(mproc_process *process)
{
    CHECK_OK(mproc_process_kill(process));
    end_child(process);
}

static int64_t pid_of_the_dead(void)
{
    int64_t pid;
    kill_child(start_hanging(&pid));
    return pid;
}

static int count_taken(void)
{
    int count = 0;
    for (uint32_t i = 0; i < mproc__slots_count(); i++)
        count += mproc__slot_kind(atomic_load(&mproc__slot_at(i)->state)) != SLOT_FREE;
    return count;
}

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
    CU_ASSERT(mproc__token_alive(token));
    uint64_t stamp = 0, generation = token >> 14;
    CHECK_OK(mproc_plat_process_stamp(pid, &stamp));
    _Atomic uint64_t *known = &mproc__slot_of(token)->stamp;
    atomic_store(known, stamp << 16 | generation);
    CU_ASSERT(mproc__token_alive(token));
    atomic_store(known, (stamp + 1) << 16 | generation);
    CU_ASSERT_FALSE(mproc__token_alive(token));
    /* What was said of the one before, who had the slot, tells nothing. */
    atomic_store(known, (stamp + 1) << 16 | ((generation - 1) & 0xffff));
    CU_ASSERT(mproc__token_alive(token));
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
    CU_ASSERT_FALSE(mproc__token_alive(token));
    atomic_store(&mproc__slot_of(token)->stamp, (own + 1) << 16 | token >> 14);
    CU_ASSERT_FALSE(mproc__token_alive(token));
    CU_ASSERT(mproc__token_alive(mproc__self_token()));
    mproc__slot_release(token);
}

/* All there can be: no token is nobody's or the mark that other words use, and one more is refused. */
static void the_table_ends_before_a_token_would_be_a_mark(void)
{
    static process_token tokens[1 << 14];
    static bool seen[1 << 14];
    int count = 0, before = count_taken();
    mproc_err err;
    memset(seen, 0, sizeof seen);
    while (count < 1 << 14 && (err = mproc__slot_claim(mproc__self_peek(), 0, &tokens[count])) == MPROC_OK)
        count++;
    CU_ASSERT_EQUAL(err, MPROC_EAGAIN);
    CU_ASSERT_EQUAL(before + count, MOST_SLOTS);
    for (int i = 0; i < count; i++) {
        uint32_t low = tokens[i] & 0x3fff;
        CU_ASSERT_TRUE(low > 0 && low < 0x3fff && !seen[low]);
        seen[low] = true;
    }
    for (int i = 0; i < count; i++)
        mproc__slot_release(tokens[i]);
    CU_ASSERT_PTR_NULL(mproc__slot_of(tokens[17]));
    CU_ASSERT_EQUAL(count_taken(), before);
}

static int ask_for_the_token_without_descriptors(void *argument)
{
    enum { TABLE = 64 };
    intptr_t natives[TABLE];
    int held = 0;
    (void) argument;
    if (!set_own_limit("descriptors", TABLE))
        return 77;
    while (held < TABLE && (natives[held] = native_open("/dev/null", false)) >= 0)
        held++;
    process_token token = mproc__self_token();
    struct slot *slot = mproc__slot_of(token);
    CHILD_CHECK(slot && mproc__token_alive(token) && mproc__self_ready == 0);
    while (held > 0)
        native_close(natives[--held]);
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
    if (code == 77)
        skip("this system has no limit of descriptors");
    else
        CU_ASSERT_EQUAL(code, 0);
}

/* ---- given back by others than the parent ---- */

static void while_the_parent_lives_a_dead_childs_slot_is_its_own_to_give_back(void)
{
    process_token token = claim(mproc__self_peek(), 0);
    mproc__slot_occupy(token, pid_of_the_dead());
    mproc__slots_reclaim_all();
    CU_ASSERT_PTR_NOT_NULL(mproc__slot_of(token));
    mproc__slot_release(token);
}

static void a_dead_parents_dead_child_is_given_back_with_its_record(void)
{
    uint64_t handle;
    struct record *record;
    process_token token = claim_with_record(claim_dead(), &handle, &record);
    int64_t pid;
    mproc_process *process = start_hanging(&pid);
    mproc__slot_occupy(token, pid);
    mproc__slots_reclaim_all();
    CU_ASSERT_PTR_NOT_NULL(mproc__slot_of(token));
    CU_ASSERT_PTR_NOT_NULL(mproc__object(BLOCK_RECORD, handle));
    kill_child(process);
    mproc__slots_reclaim_all();
    CU_ASSERT_PTR_NULL(mproc__slot_of(token));
    CU_ASSERT_PTR_NULL(mproc__object(BLOCK_RECORD, handle));
}

/* The parent died before it could say which process it had started. */
static void a_child_that_has_come_keeps_its_slot_and_one_that_has_not_never_will(void)
{
    uint64_t handles[2];
    struct record *records[2];
    process_token dead = claim_dead(), tokens[2];
    for (int i = 0; i < 2; i++)
        tokens[i] = claim_with_record(dead, &handles[i], &records[i]);
    int64_t pid;
    mproc_process *process = start_hanging(&pid);
    atomic_store(&records[0]->arrival, (uint64_t) tokens[0] << 32 | (uint32_t) pid);
    mproc__slots_reclaim_all();
    CU_ASSERT_TRUE(mproc__token_alive(tokens[0]));
    CU_ASSERT_EQUAL(mproc__slot_pid(mproc__slot_of(tokens[0]), tokens[0]), pid);
    CU_ASSERT_PTR_NULL(mproc__slot_of(tokens[1]));
    CU_ASSERT_PTR_NULL(mproc__object(BLOCK_RECORD, handles[1]));
    /* It comes all the same, to a record that may be another's by now. */
    CU_ASSERT_FALSE(mproc__record_claim(records[1], tokens[1]));
    kill_child(process);
    mproc__slots_reclaim_all();
    CU_ASSERT_PTR_NULL(mproc__slot_of(tokens[0]));
}

static void a_record_is_claimed_or_given_up_and_not_both(void)
{
    uint64_t handle;
    struct record *record;
    process_token token = claim_with_record(mproc__self_peek(), &handle, &record);
    CU_ASSERT_EQUAL(mproc__record_pid(record, token), 0);
    CU_ASSERT_FALSE(mproc__record_claim(record, token ^ 1 << 14)); /* another's, who had the block before */
    CU_ASSERT_TRUE(mproc__record_claim(record, token));
    CU_ASSERT_EQUAL(mproc__record_pid(record, token), mproc_plat_pid());
    CU_ASSERT_FALSE(mproc__record_claim(record, token));
    CU_ASSERT_FALSE(mproc__record_abandon(record, token));
    mproc__record_expect(record, token);
    CU_ASSERT_TRUE(mproc__record_abandon(record, token));
    CU_ASSERT_FALSE(mproc__record_claim(record, token));
    CU_ASSERT_TRUE(mproc__record_abandon(record, token));
    mproc__slot_release(token);
    CU_ASSERT_PTR_NULL(mproc__object(BLOCK_RECORD, handle));
}

/* ---- handed over ---- */

struct found {
    process_token tokens[8];
    int count;
};

static void note(const struct slot *slot, process_token token, void *context)
{
    struct found *found = context;
    (void) slot;
    if (found->count < 8)
        found->tokens[found->count++] = token;
}

static bool is_descendant(process_token token)
{
    struct found found = { .count = 0 };
    mproc__slots_descendants(mproc__self_peek(), note, &found);
    for (int i = 0; i < found.count; i++)
        if (found.tokens[i] == token)
            return true;
    return false;
}

static void a_dead_processs_children_become_its_parents(void)
{
    uint64_t handles[2];
    struct record *records[2];
    process_token parent = claim(mproc__self_peek(), 0);
    mproc__slot_occupy(parent, pid_of_the_dead());
    process_token living = claim_with_record(parent, &handles[0], &records[0]);
    process_token dead = claim_with_record(parent, &handles[1], &records[1]);
    int64_t pid;
    mproc_process *process = start_hanging(&pid);
    mproc__slot_occupy(living, pid);
    mproc__slot_occupy(dead, pid_of_the_dead());
    CU_ASSERT_TRUE(is_descendant(living));
    mproc__slot_release(parent);
    CU_ASSERT_PTR_NULL(mproc__slot_of(parent));
    CU_ASSERT_PTR_NULL(mproc__slot_of(dead));
    CU_ASSERT_PTR_NULL(mproc__object(BLOCK_RECORD, handles[1]));
    CU_ASSERT_EQUAL(mproc__slot_kind(state_of(living)), SLOT_ORPHAN);
    CU_ASSERT_EQUAL(mproc__slot_parent(state_of(living)), mproc__self_peek());
    CU_ASSERT_TRUE(is_descendant(living));
    /* Noted when it was handed over: a later process of that pid is not taken for it. */
    uint64_t stamp;
    CHECK_OK(mproc_plat_process_stamp(pid, &stamp));
    CU_ASSERT_TRUE(mproc__slot_is_of(mproc__slot_of(living), living, stamp));
    CU_ASSERT_EQUAL(mproc__slot_is_of(mproc__slot_of(living), living, stamp + 1), stamp == 0);
    kill_child(process);
    mproc__slots_reclaim_all();
    CU_ASSERT_PTR_NULL(mproc__slot_of(living));
    CU_ASSERT_PTR_NULL(mproc__object(BLOCK_RECORD, handles[0]));
}

/* Parent, child and grandchild have died without a word; their last one lives. */
static void what_deep_dead_families_leave_reaches_the_living(void)
{
    enum { DEPTH = 4 };
    process_token chain[DEPTH + 1] = { mproc__self_peek() };
    for (int i = 1; i <= DEPTH; i++)
        chain[i] = claim(chain[i - 1], 0);
    int64_t dead = pid_of_the_dead(), pid;
    mproc_process *process = start_hanging(&pid);
    for (int i = 1; i < DEPTH; i++)
        mproc__slot_occupy(chain[i], dead);
    mproc__slot_occupy(chain[DEPTH], pid);
    mproc__slot_release(chain[1]);
    for (int i = 1; i < DEPTH; i++)
        mproc__slots_reclaim_all();
    for (int i = 1; i < DEPTH; i++)
        CU_ASSERT_PTR_NULL(mproc__slot_of(chain[i]));
    CU_ASSERT_TRUE(is_descendant(chain[DEPTH]));
    CU_ASSERT_EQUAL(mproc__slot_parent(state_of(chain[DEPTH])), mproc__self_peek());
    kill_child(process);
    mproc__slots_reclaim_all();
    CU_ASSERT_PTR_NULL(mproc__slot_of(chain[DEPTH]));
}

static void what_was_about_to_start_goes_with_who_was_about_to_start_it(void)
{
    uint64_t handle;
    struct record *record;
    process_token parent = claim(mproc__self_peek(), 0);
    process_token token = claim_with_record(parent, &handle, &record);
    mproc__slot_occupy(parent, pid_of_the_dead());
    mproc__slot_release(parent);
    CU_ASSERT_PTR_NULL(mproc__slot_of(token));
    CU_ASSERT_PTR_NULL(mproc__object(BLOCK_RECORD, handle));
    CU_ASSERT_FALSE(mproc__record_claim(record, token));
}

/* ---- with others in between, and killed at each step ---- */

static int claim_slowly(void *argument)
{
    (void) argument;
    process_token token = 0;
    CHILD_OK(mproc__slot_claim(mproc__self_peek(), 0, &token));
    CHILD_CHECK(mproc__slot_of(token) && mproc__token_alive(token));
    mproc__slot_release(token);
    return 0;
}

static void a_slot_that_is_being_filled_is_not_taken_by_another(void)
{
    static const char *const points[] = { "slots.claimed", "slots.filled" };
    for (int i = 0; i < 2; i++) {
        static process_token tokens[2 * SLOTS_PER_CHUNK];
        mproc_process *process = start_delayed_child(claim_slowly, NULL, 0, points[i], 1);
        CU_ASSERT_TRUE_FATAL(wait_until_delayed(process));
        int taken = count_taken();
        for (int j = 0; j < 2 * SLOTS_PER_CHUNK; j++)
            tokens[j] = claim(mproc__self_peek(), 0);
        CU_ASSERT_EQUAL(count_taken(), taken + 2 * SLOTS_PER_CHUNK);
        end_delay(process);
        CU_ASSERT_EQUAL(end_child(process), 0);
        for (int j = 0; j < 2 * SLOTS_PER_CHUNK; j++)
            mproc__slot_release(tokens[j]);
    }
}

static int leave_an_orphan(void *argument)
{
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, hang_for_ever, argument, sizeof(mproc_memory), NULL));
    int64_t pid = 0;
    CHILD_OK(mproc_process_pid(process, &pid));
    atomic_store((_Atomic int *) mproc_pointer(*(mproc_memory *) argument), (int) pid);
    end_hard("_exit7");
    return 0;
}

static int start_who_leaves_an_orphan(void *argument)
{
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, leave_an_orphan, argument, sizeof(mproc_memory), NULL));
    CHILD_OK(mproc_process_join(process, 60000));
    CHILD_OK(mproc_process_close(process));
    return 0;
}

static int return_at_once(void *argument)
{
    (void) argument;
    return 0;
}

/* Whoever is killed while it takes a slot, or while it gives one back, leaves none taken. */
static void nothing_is_lost_whoever_is_killed_at_a_step(void)
{
    static const char *const points[] = { "slots.claimed", "slots.filled", "slots.handed_over", "slots.freed" };
    mproc_memory block;
    _Atomic int *orphan = shared_ints(&block, 1);
    run_child(return_at_once, NULL, 0, NULL);
    mproc__slots_reclaim_all();
    int before = count_taken();
    for (int i = 0; i < 4; i++) {
        uint64_t used = mproc__arena_used();
        atomic_store(orphan, 0);
        mproc_process *doomed = start_doomed_child(start_who_leaves_an_orphan, &block, sizeof block, points[i]);
        CU_ASSERT_NOT_EQUAL(end_child(doomed), 0);
        if (i >= 2)
            kill_hard(*orphan);
        for (int tries = 0; tries < 60000 && count_taken() > before; tries++) {
            sleep_briefly();
            mproc__slots_reclaim_all();
        }
        CU_ASSERT_EQUAL(count_taken(), before);
        /* A record that no slot names is lost. */
        uint64_t lost = mproc__arena_used() - used;
        CU_ASSERT_TRUE(strcmp(points[i], "slots.handed_over") == 0 ? lost == 0 : lost > 0 && lost < 4096);
    }
    CHECK_OK(mproc_free(block));
}

MPROC_SUITE(slots, MPROC_TEST(a_released_token_is_nobody),
            MPROC_TEST(a_slot_taken_again_has_another_token),
            MPROC_TEST(this_process_is_alive_and_nobody_is_not),
            MPROC_TEST(a_reused_pid_is_not_taken_for_the_dead_process),
            MPROC_TEST(a_dead_process_does_not_live_in_who_has_its_pid_now),
            MPROC_TEST(the_table_ends_before_a_token_would_be_a_mark),
            MPROC_TEST(a_stamp_that_could_not_be_read_is_read_later),
            MPROC_TEST(while_the_parent_lives_a_dead_childs_slot_is_its_own_to_give_back),
            MPROC_TEST(a_dead_parents_dead_child_is_given_back_with_its_record),
            MPROC_TEST(a_child_that_has_come_keeps_its_slot_and_one_that_has_not_never_will),
            MPROC_TEST(a_record_is_claimed_or_given_up_and_not_both),
            MPROC_TEST(a_dead_processs_children_become_its_parents),
            MPROC_TEST(what_deep_dead_families_leave_reaches_the_living),
            MPROC_TEST(what_was_about_to_start_goes_with_who_was_about_to_start_it),
            MPROC_TEST(a_slot_that_is_being_filled_is_not_taken_by_another),
            MPROC_TEST(nothing_is_lost_whoever_is_killed_at_a_step))
