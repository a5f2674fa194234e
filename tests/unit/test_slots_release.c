/* SPDX-License-Identifier: MIT */
/* What becomes of the slots, records and children of those that have ended. */
#include "system.h"
#include "table.h"

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

/* Whoever wants a slot is not refused one that a parent has left which was seen a moment ago. */
static void a_parent_that_was_seen_and_died_since_has_left_its_children(void)
{
    process_token parent = claim(mproc__self_peek(), 0), token = claim(parent, 0);
    int64_t dead = pid_of_the_dead(), pid;
    mproc_process *process = start_hanging(&pid);
    uint64_t stamp = 0;
    CHECK_OK(mproc_plat_process_stamp(pid, &stamp));
    mproc__slot_occupy(parent, pid);
    mproc__slot_occupy(token, dead);
    CU_ASSERT_TRUE(mproc__token_alive_now(parent));
    atomic_store(&mproc__slot_of(parent)->stamp, (stamp + 1) << 16 | parent >> 14); /* another one has its pid */
    mproc__slots_reclaim_all();
    CU_ASSERT_PTR_NULL(mproc__slot_of(token));
    mproc__slot_release(token);
    mproc__slot_release(parent);
    kill_child(process);
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

MPROC_SUITE(slots_release, MPROC_TEST(while_the_parent_lives_a_dead_childs_slot_is_its_own_to_give_back),
            MPROC_TEST(a_dead_parents_dead_child_is_given_back_with_its_record),
            MPROC_TEST(a_parent_that_was_seen_and_died_since_has_left_its_children),
            MPROC_TEST(a_child_that_has_come_keeps_its_slot_and_one_that_has_not_never_will),
            MPROC_TEST(a_record_is_claimed_or_given_up_and_not_both),
            MPROC_TEST(a_dead_processs_children_become_its_parents),
            MPROC_TEST(what_deep_dead_families_leave_reaches_the_living),
            MPROC_TEST(what_was_about_to_start_goes_with_who_was_about_to_start_it),
            MPROC_TEST(a_slot_that_is_being_filled_is_not_taken_by_another),
            MPROC_TEST(nothing_is_lost_whoever_is_killed_at_a_step))
