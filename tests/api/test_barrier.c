/* SPDX-License-Identifier: MIT */
/* Barrier: rounds, actions, time-outs, reset, abort, and parties that die. */
#include "suite.h"
#include "system.h"

struct shared {
    mproc_barrier barrier;
    mproc_memory block; /* ints: 0 arrived, 1 went on, 2 sum of indices, 3 actions, 4 broken */
};
enum { ARRIVED, WENT_ON, SUM, ACTIONS, BROKEN, INTS };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static _Atomic int *create(struct shared *shared, int parties)
{
    CHECK_OK(mproc_barrier_create(&shared->barrier, parties));
    return shared_ints(&shared->block, INTS);
}

static void destroy(struct shared *shared)
{
    CHECK_OK(mproc_barrier_destroy(shared->barrier));
    CHECK_OK(mproc_free(shared->block));
}

static int count_action(void *context)
{
    atomic_fetch_add(&((_Atomic int *) context)[ACTIONS], 1);
    return 0;
}

enum { ROUNDS = 200, PARTIES = 4 };

/* Nobody is in round n + 1 before all have come to round n. */
static int go_round_and_round(void *argument)
{
    const struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    for (int round = 0; round < ROUNDS; round++) {
        int index;
        atomic_fetch_add(&ints[ARRIVED], 1);
        CHILD_OK(mproc_barrier_wait_action(shared->barrier, &index, count_action, (void *) ints, 90000));
        CHILD_CHECK(atomic_load(&ints[ARRIVED]) >= (round + 1) * PARTIES);
        CHILD_CHECK(atomic_load(&ints[ACTIONS]) >= round + 1);
        CHILD_CHECK(index >= 0 && index < PARTIES);
        atomic_fetch_add(&ints[SUM], index);
    }
    return 0;
}

static void all_parties_go_round_together(void)
{
    struct shared shared;
    mproc_process *processes[PARTIES];
    _Atomic int *ints = create(&shared, PARTIES);
    for (int i = 0; i < PARTIES; i++)
        processes[i] = start_child(go_round_and_round, &shared, sizeof shared, NULL);
    for (int i = 0; i < PARTIES; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(ints[ACTIONS], ROUNDS);
    CU_ASSERT_EQUAL(ints[SUM], ROUNDS * (0 + 1 + 2 + 3));
    CU_ASSERT_EQUAL(mproc_barrier_waiting(shared.barrier), 0);
    CU_ASSERT_FALSE(mproc_barrier_broken(shared.barrier));
    destroy(&shared);
}

static void a_barrier_for_one_lets_through(void)
{
    mproc_barrier barrier;
    int index = 7;
    CHECK_OK(mproc_barrier_create(&barrier, 1));
    for (int i = 0; i < 10; i++) {
        CHECK_OK(mproc_barrier_wait(barrier, &index, MPROC_NOWAIT));
        CU_ASSERT_EQUAL(index, 0);
    }
    CHECK_OK(mproc_barrier_wait(barrier, NULL, MPROC_FOREVER));
    CU_ASSERT_EQUAL(mproc_barrier_parties(barrier), 1);
    CHECK_OK(mproc_barrier_destroy(barrier));
}

static void a_timeout_breaks_it_and_reset_makes_it_whole(void)
{
    mproc_barrier barrier;
    CHECK_OK(mproc_barrier_create(&barrier, 2));
    CHECK_FAILS(mproc_barrier_wait(barrier, NULL, 10), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_barrier_broken(barrier));
    CHECK_FAILS(mproc_barrier_wait(barrier, NULL, MPROC_FOREVER), MPROC_EBROKEN);
    CHECK_OK(mproc_barrier_reset(barrier));
    CU_ASSERT_FALSE(mproc_barrier_broken(barrier));
    CHECK_FAILS(mproc_barrier_wait(barrier, NULL, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_barrier_reset(barrier));
    CHECK_OK(mproc_barrier_abort(barrier));
    CU_ASSERT_TRUE(mproc_barrier_broken(barrier));
    CHECK_FAILS(mproc_barrier_wait(barrier, NULL, MPROC_FOREVER), MPROC_EBROKEN);
    CHECK_OK(mproc_barrier_destroy(barrier));
}

static int wait_and_tell(void *argument)
{
    const struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    atomic_fetch_add(&ints[ARRIVED], 1);
    mproc_err err = mproc_barrier_wait(shared->barrier, NULL, 90000);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_EBROKEN);
    atomic_fetch_add(&ints[err == MPROC_OK ? WENT_ON : BROKEN], 1);
    return 0;
}

/* Two of three wait; then `what` happens. */
static void break_waiting(void (*what)(struct shared *shared, mproc_process *one), int expected)
{
    struct shared shared;
    _Atomic int *ints = create(&shared, 3);
    mproc_process *one = start_child(wait_and_tell, &shared, sizeof shared, NULL);
    mproc_process *two = start_child(wait_and_tell, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until_waiting(2));
    CU_ASSERT_EQUAL(mproc_barrier_waiting(shared.barrier), 2);
    what(&shared, one);
    end_child(one);
    CU_ASSERT_EQUAL(end_child(two), 0);
    CU_ASSERT_EQUAL(ints[BROKEN], expected);
    CU_ASSERT_EQUAL(ints[WENT_ON], 0);
    destroy(&shared);
}

static void reset_it(struct shared *shared, mproc_process *one)
{
    (void) one;
    CHECK_OK(mproc_barrier_reset(shared->barrier));
    CU_ASSERT_FALSE(mproc_barrier_broken(shared->barrier));
}

static void abort_it(struct shared *shared, mproc_process *one)
{
    (void) one;
    CHECK_OK(mproc_barrier_abort(shared->barrier));
    CU_ASSERT_TRUE(mproc_barrier_broken(shared->barrier));
}

static void kill_one(struct shared *shared, mproc_process *one)
{
    (void) shared;
    CHECK_OK(mproc_process_kill(one)); /* not reaped yet: the other finds it dead itself */
}

static void waiters_of_a_barrier_that_is_reset_are_told(void)
{
    break_waiting(reset_it, 2);
}

static void waiters_of_a_barrier_that_is_aborted_are_told(void)
{
    break_waiting(abort_it, 2);
}

static void a_party_that_dies_waiting_breaks_it(void)
{
    break_waiting(kill_one, 1);
}

static int fail_action(void *context)
{
    (void) context;
    return 1;
}

static void an_action_that_fails_breaks_it(void)
{
    struct shared shared;
    create(&shared, 2);
    mproc_process *other = start_child(wait_and_tell, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until_waiting(1));
    CHECK_FAILS(mproc_barrier_wait_action(shared.barrier, NULL, fail_action, NULL, 60000), MPROC_EBROKEN);
    CU_ASSERT_EQUAL(end_child(other), 0);
    CU_ASSERT_EQUAL(ints_of(&shared)[BROKEN], 1);
    destroy(&shared);
}

/* Killed at each step inside: the other one is let go, broken or not, and it can be used after a reset. */
static void a_party_killed_at_any_step_stops_nobody(void)
{
    static const char *const points[] = { "barrier.named", "barrier.arrived", "barrier.round_over",
                                          "barrier.generation_set", "latch.before_release", "latch.before_wake",
                                          "gate.waking_all" };
    struct shared shared;
    create(&shared, 2);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        mproc_process *other = start_child(wait_and_tell, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE(wait_until_waiting(1));
        CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(wait_and_tell, &shared, sizeof shared, points[i])), 0);
        CU_ASSERT_EQUAL(end_child(other), 0);
        CHECK_OK(mproc_barrier_reset(shared.barrier));
    }
    mproc_process *last = start_child(wait_and_tell, &shared, sizeof shared, NULL);
    CHECK_OK(mproc_barrier_wait(shared.barrier, NULL, 60000));
    CU_ASSERT_EQUAL(end_child(last), 0);
    destroy(&shared);
}

static void wrong_numbers_and_handles_are_refused(void)
{
    mproc_barrier barrier = { 0 };
    CHECK_FAILS(mproc_barrier_create(&barrier, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_barrier_create(&barrier, 65537), MPROC_EINVAL);
    CHECK_FAILS(mproc_barrier_create(NULL, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_barrier_wait(barrier, NULL, 1), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_barrier_reset(barrier), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_barrier_abort(barrier), MPROC_EBADHANDLE);
    CU_ASSERT_EQUAL(mproc_barrier_parties(barrier), -1);
    CU_ASSERT_EQUAL(mproc_barrier_waiting(barrier), -1);
    CU_ASSERT_FALSE(mproc_barrier_broken(barrier));
    CHECK_OK(mproc_barrier_destroy(barrier));
}

MPROC_SUITE(barrier, MPROC_TEST(all_parties_go_round_together), MPROC_TEST(a_barrier_for_one_lets_through),
            MPROC_TEST(a_timeout_breaks_it_and_reset_makes_it_whole),
            MPROC_TEST(waiters_of_a_barrier_that_is_reset_are_told),
            MPROC_TEST(waiters_of_a_barrier_that_is_aborted_are_told),
            MPROC_TEST(a_party_that_dies_waiting_breaks_it), MPROC_TEST(an_action_that_fails_breaks_it),
            MPROC_TEST(a_party_killed_at_any_step_stops_nobody),
            MPROC_TEST(wrong_numbers_and_handles_are_refused))
