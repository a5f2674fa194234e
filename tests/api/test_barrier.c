/* SPDX-License-Identifier: MIT */
/* Barrier: rounds, actions, time-outs, reset, abort, and parties that die. */
#include "suite.h"
#include "system.h"

struct shared {
    mproc_barrier barrier;
    mproc_memory block; /* ints: 0 arrived, 1 went on, 2 sum of indices, 3 actions, 4 broken, 5 too late, 6 go */
    mproc_ms timeout;
};
enum { ARRIVED, WENT_ON, SUM, ACTIONS, BROKEN, LATE, GO, INTS };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static _Atomic int *create(struct shared *shared, int parties)
{
    CHECK_OK(mproc_barrier_create(&shared->barrier, parties));
    shared->timeout = 90000;
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
    mproc_err err = mproc_barrier_wait(shared->barrier, NULL, shared->timeout);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_EBROKEN || err == MPROC_ETIMEDOUT);
    atomic_fetch_add(&ints[err == MPROC_OK ? WENT_ON : err == MPROC_EBROKEN ? BROKEN : LATE], 1);
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

static int abort_in_action(void *context)
{
    CHILD_OK(mproc_barrier_abort(((struct shared *) context)->barrier));
    return 0;
}

static int reset_in_action(void *context)
{
    CHILD_OK(mproc_barrier_reset(((struct shared *) context)->barrier));
    return 0;
}

static void an_action_may_abort_or_reset_the_barrier(void)
{
    int (*const actions[])(void *context) = { abort_in_action, reset_in_action };
    for (int i = 0; i < 2; i++) {
        struct shared shared;
        create(&shared, 2);
        mproc_process *other = start_child(wait_and_tell, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE(wait_until_waiting(1));
        CHECK_FAILS(mproc_barrier_wait_action(shared.barrier, NULL, actions[i], &shared, 60000), MPROC_EBROKEN);
        CU_ASSERT_EQUAL(end_child(other), 0);
        CU_ASSERT_EQUAL(ints_of(&shared)[BROKEN], 1);
        CU_ASSERT_EQUAL(mproc_barrier_broken(shared.barrier), i == 0);
        destroy(&shared);
    }
}

static int act_until_told(void *context)
{
    _Atomic int *ints = ints_of(context);
    atomic_store(&ints[ACTIONS], 1);
    CHILD_CHECK(wait_until(&ints[GO], 1));
    return 0;
}

static int act_and_tell(void *argument)
{
    struct shared *shared = argument;
    mproc_err err = mproc_barrier_wait_action(shared->barrier, NULL, act_until_told, shared, 90000);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_EBROKEN);
    atomic_fetch_add(&ints_of(shared)[err == MPROC_OK ? WENT_ON : BROKEN], 1);
    return 0;
}

/* Two have come, the first stands still before it sleeps, and the last one is in its action. */
static void start_an_action(struct shared *shared, mproc_process *parties[2], mproc_ms timeout)
{
    create(shared, 2);
    shared->timeout = timeout;
    parties[0] = start_delayed_child(wait_and_tell, shared, sizeof *shared, "gate.announced", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(parties[0]));
    parties[1] = start_child(act_and_tell, shared, sizeof *shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints_of(shared)[ACTIONS], 1));
}

static void end_an_action(struct shared *shared, mproc_process *parties[2], int went_on, int broken)
{
    _Atomic int *ints = ints_of(shared);
    atomic_store(&ints[GO], 1);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(end_child(parties[i]), 0);
    CU_ASSERT_EQUAL(ints[WENT_ON], went_on);
    CU_ASSERT_EQUAL(ints[BROKEN], broken);
    CU_ASSERT_EQUAL(ints[LATE], 2 - went_on - broken);
    destroy(shared);
}

static void a_time_that_is_over_in_an_action_breaks_the_barrier(void)
{
    struct shared shared;
    mproc_process *parties[2];
    start_an_action(&shared, parties, 1000);
    end_delay(parties[0]);
    CU_ASSERT_TRUE(wait_until(&ints_of(&shared)[LATE], 1)); /* before the action is over */
    CU_ASSERT_TRUE(mproc_barrier_broken(shared.barrier));
    end_an_action(&shared, parties, 0, 1);
}

static void who_comes_in_an_action_breaks_the_barrier_if_it_is_too_long(void)
{
    struct shared shared;
    mproc_process *parties[2];
    start_an_action(&shared, parties, 90000);
    end_delay(parties[0]);
    CHECK_FAILS(mproc_barrier_wait(shared.barrier, NULL, 10), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_barrier_broken(shared.barrier));
    end_an_action(&shared, parties, 0, 2);
}

static void who_comes_in_an_action_waits_for_the_next_round(void)
{
    struct shared shared, next;
    mproc_process *parties[2];
    start_an_action(&shared, parties, 90000);
    end_delay(parties[0]);
    next = shared;
    CHECK_OK(mproc_alloc(&next.block, INTS * sizeof(int)));
    mproc_process *early = start_child(wait_and_tell, &next, sizeof next, NULL);
    CU_ASSERT_TRUE(wait_until_waiting(2));
    CU_ASSERT_EQUAL(mproc_barrier_waiting(shared.barrier), 2);
    atomic_store(&ints_of(&shared)[GO], 1);
    CHECK_OK(mproc_barrier_wait(shared.barrier, NULL, 60000));
    CU_ASSERT_EQUAL(end_child(early), 0);
    CU_ASSERT_EQUAL(ints_of(&next)[WENT_ON], 1);
    CHECK_OK(mproc_free(next.block));
    end_an_action(&shared, parties, 2, 0);
}

/* It has the latch, and stands still. */
static void who_cannot_even_come_in_time_breaks_it_too(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared, 2);
    mproc_process *inside = start_delayed_child(wait_and_tell, &shared, sizeof shared, "barrier.named", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(inside));
    CHECK_FAILS(mproc_barrier_wait(shared.barrier, NULL, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    end_delay(inside);
    CU_ASSERT_EQUAL(end_child(inside), 0);
    CU_ASSERT_EQUAL(ints[BROKEN], 1);
    CU_ASSERT_TRUE(mproc_barrier_broken(shared.barrier));
    destroy(&shared);
}

static void go_round_in_thread(void *context)
{
    for (int i = 0; i < 100; i++)
        CHECK_OK(mproc_barrier_wait(*(mproc_barrier *) context, NULL, 60000));
}

/* One of two stands still while its round is broken; another takes its place for many rounds. */
static void who_sleeps_through_many_rounds_is_not_told_that_its_own_was_whole(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared, 2);
    mproc_process *sleeper = start_delayed_child(wait_and_tell, &shared, sizeof shared, "gate.awake", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(sleeper));
    CHECK_OK(mproc_barrier_reset(shared.barrier));
    struct test_thread *thread = thread_start(go_round_in_thread, &shared.barrier);
    go_round_in_thread(&shared.barrier);
    thread_join(thread);
    end_delay(sleeper);
    CU_ASSERT_EQUAL(end_child(sleeper), 0);
    CU_ASSERT_EQUAL(ints[BROKEN], 1);
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

static int act(void *argument)
{
    struct shared *shared = argument;
    return mproc_barrier_wait_action(shared->barrier, NULL, count_action, (void *) ints_of(shared), 60000) != MPROC_OK;
}

static void a_party_killed_in_its_action_breaks_the_barrier(void)
{
    static const char *const points[] = { "barrier.acting", "barrier.acted" };
    for (int i = 0; i < 2; i++) {
        struct shared shared;
        _Atomic int *ints = create(&shared, 2);
        mproc_process *other = start_child(wait_and_tell, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE(wait_until_waiting(1));
        CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(act, &shared, sizeof shared, points[i])), 0);
        CU_ASSERT_EQUAL(end_child(other), 0);
        CU_ASSERT_EQUAL(ints[BROKEN], 1);
        CU_ASSERT_EQUAL(ints[ACTIONS], i);
        destroy(&shared);
    }
}

/* ---- who comes last may be late, and it gone ---- */

static void wait_in_thread(void *context)
{
    const struct shared *shared = context;
    CHECK_OK(mproc_barrier_wait(shared->barrier, NULL, 60000));
}

static int come_last(void *argument)
{
    CHILD_OK(mproc_barrier_wait(((struct shared *) argument)->barrier, NULL, MPROC_NOWAIT));
    return 0;
}

static void destroy_barrier(const void *context)
{
    CHECK_OK(mproc_barrier_destroy(((const struct shared *) context)->barrier));
}

static void it_may_be_destroyed_while_the_last_one_to_come_is_late(void)
{
    static const struct {
        const char *point;
        bool has_latch; /* then it is waited for */
    } cases[] = { { "barrier.generation_set", true }, { "latch.before_wake", false }, { "gate.waking_all", false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shared shared;
        struct remover remover = { .destroy = destroy_barrier, .context = &shared };
        create(&shared, 2);
        struct test_thread *thread = thread_start(wait_in_thread, &shared);
        CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
        mproc_process *late = start_delayed_child(come_last, &shared, sizeof shared, cases[i].point, 1);
        thread_join(thread);
        CU_ASSERT_TRUE(wait_until_delayed(late));
        remover_start(&remover);
        CU_ASSERT_TRUE(cases[i].has_latch ? remover_waits(&remover) : wait_until(&remover.has_destroyed, 1));
        end_delay(late);
        CU_ASSERT_EQUAL(end_child(late), 0);
        CU_ASSERT_TRUE(remover_end(&remover));
        CHECK_OK(mproc_free(shared.block));
    }
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
            MPROC_TEST(an_action_may_abort_or_reset_the_barrier),
            MPROC_TEST(a_time_that_is_over_in_an_action_breaks_the_barrier),
            MPROC_TEST(who_comes_in_an_action_breaks_the_barrier_if_it_is_too_long),
            MPROC_TEST(who_comes_in_an_action_waits_for_the_next_round),
            MPROC_TEST(who_cannot_even_come_in_time_breaks_it_too),
            MPROC_TEST(who_sleeps_through_many_rounds_is_not_told_that_its_own_was_whole),
            MPROC_TEST(a_party_killed_at_any_step_stops_nobody),
            MPROC_TEST(a_party_killed_in_its_action_breaks_the_barrier),
            MPROC_TEST(it_may_be_destroyed_while_the_last_one_to_come_is_late),
            MPROC_TEST(wrong_numbers_and_handles_are_refused))
