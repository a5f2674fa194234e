/* SPDX-License-Identifier: MIT */
/* Semaphore, BoundedSemaphore and permits. */
#include "suite.h"
#include "system.h"

struct shared {
    mproc_semaphore semaphore, answer;
    mproc_permits permits;
    mproc_memory block; /* ints: 0 arrived, 1 inside, 2 too many, 3 done */
};
enum { ARRIVED, INSIDE, TOO_MANY, FINISHED, INTS };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static _Atomic int *create(struct shared *shared, int value, int permits)
{
    CHECK_OK(mproc_semaphore_create(&shared->semaphore, value));
    CHECK_OK(mproc_semaphore_create(&shared->answer, 0));
    CHECK_OK(mproc_permits_create(&shared->permits, permits));
    return shared_ints(&shared->block, INTS);
}

static void destroy(struct shared *shared)
{
    CHECK_OK(mproc_semaphore_destroy(shared->semaphore));
    CHECK_OK(mproc_semaphore_destroy(shared->answer));
    CHECK_OK(mproc_permits_destroy(shared->permits));
    CHECK_OK(mproc_free(shared->block));
}

/* ---- semaphores ---- */

static void it_counts_down_to_nothing_and_up_again(void)
{
    mproc_semaphore semaphore;
    CHECK_OK(mproc_semaphore_create(&semaphore, 3));
    for (int i = 3; i > 0; i--) {
        CU_ASSERT_EQUAL(mproc_semaphore_value(semaphore), i);
        CHECK_OK(mproc_semaphore_acquire(semaphore, MPROC_NOWAIT));
    }
    CHECK_FAILS(mproc_semaphore_acquire(semaphore, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_semaphore_acquire(semaphore, 20), MPROC_ETIMEDOUT);
    for (int i = 1; i <= 10; i++) {
        CHECK_OK(mproc_semaphore_release(semaphore));
        CU_ASSERT_EQUAL(mproc_semaphore_value(semaphore), i);
    }
    CHECK_OK(mproc_semaphore_destroy(semaphore));
}

static void a_bounded_one_refuses_one_release_too_many(void)
{
    mproc_semaphore semaphore;
    CHECK_OK(mproc_semaphore_create_bounded(&semaphore, 2));
    CHECK_FAILS(mproc_semaphore_release(semaphore), MPROC_ESTATE);
    CHECK_OK(mproc_semaphore_acquire(semaphore, MPROC_NOWAIT));
    CHECK_OK(mproc_semaphore_release(semaphore));
    CHECK_FAILS(mproc_semaphore_release(semaphore), MPROC_ESTATE);
    CU_ASSERT_EQUAL(mproc_semaphore_value(semaphore), 2);
    CHECK_OK(mproc_semaphore_destroy(semaphore));
    CHECK_OK(mproc_semaphore_create(&semaphore, MPROC_SEMAPHORE_MAX));
    CHECK_FAILS(mproc_semaphore_release(semaphore), MPROC_ESTATE);
    CHECK_OK(mproc_semaphore_destroy(semaphore));
}

static int release_bounded(void *argument)
{
    const struct shared *shared = argument;
    for (int i = 0; i < 2000; i++)
        if (mproc_semaphore_release(shared->semaphore) == MPROC_OK)
            atomic_fetch_add(&ints_of(shared)[ARRIVED], 1);
    return 0;
}

static void releases_at_once_never_exceed_the_bound(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared, 0, 1);
    CHECK_OK(mproc_semaphore_destroy(shared.semaphore));
    CHECK_OK(mproc_semaphore_create_bounded(&shared.semaphore, 1000));
    for (int i = 0; i < 1000; i++)
        CHECK_OK(mproc_semaphore_acquire(shared.semaphore, MPROC_NOWAIT));
    mproc_process *processes[4];
    for (int i = 0; i < 4; i++)
        processes[i] = start_child(release_bounded, &shared, sizeof shared, NULL);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(mproc_semaphore_value(shared.semaphore), 1000);
    CU_ASSERT_EQUAL(ints[ARRIVED], 1000);
    destroy(&shared);
}

static int pass_through(void *argument)
{
    const struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    for (int i = 0; i < 2000; i++) {
        CHILD_OK(mproc_semaphore_acquire(shared->semaphore, MPROC_FOREVER));
        if (atomic_fetch_add(&ints[INSIDE], 1) >= 2)
            atomic_fetch_add(&ints[TOO_MANY], 1);
        atomic_fetch_sub(&ints[INSIDE], 1);
        CHILD_OK(mproc_semaphore_release(shared->semaphore));
    }
    return 0;
}

static void no_more_are_inside_than_it_lets(void)
{
    struct shared shared;
    mproc_process *processes[4];
    _Atomic int *ints = create(&shared, 2, 1);
    for (int i = 0; i < 4; i++)
        processes[i] = start_child(pass_through, &shared, sizeof shared, NULL);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(ints[TOO_MANY], 0);
    CU_ASSERT_EQUAL(mproc_semaphore_value(shared.semaphore), 2);
    destroy(&shared);
}

static int take_and_answer(void *argument)
{
    const struct shared *shared = argument;
    atomic_fetch_add(&ints_of(shared)[ARRIVED], 1);
    CHILD_OK(mproc_semaphore_acquire(shared->semaphore, MPROC_FOREVER));
    CHILD_OK(mproc_semaphore_release(shared->answer));
    return 0;
}

/* All released at once while the wake-up of the first is under way: the woken ones wake each other. */
static void as_many_waiters_wake_as_are_released(void)
{
    enum { WAITERS = 5 };
    struct shared shared;
    mproc_process *processes[WAITERS];
    _Atomic int *ints = create(&shared, 0, 1);
    for (int i = 0; i < WAITERS; i++)
        processes[i] = start_child(take_and_answer, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], WAITERS));
    for (int i = 0; i < WAITERS; i++)
        CHECK_OK(mproc_semaphore_release(shared.semaphore));
    for (int i = 0; i < WAITERS; i++)
        CHECK_OK(mproc_semaphore_acquire(shared.answer, 60000));
    for (int i = 0; i < WAITERS; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(mproc_semaphore_value(shared.semaphore), 0);
    destroy(&shared);
}

static int wait_for_ever(void *argument)
{
    const struct shared *shared = argument;
    atomic_fetch_add(&ints_of(shared)[ARRIVED], 1);
    (void) !mproc_semaphore_acquire(shared->semaphore, MPROC_FOREVER);
    return hang_for_ever(NULL);
}

static void a_killed_waiter_takes_nothing_with_it(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared, 0, 1);
    for (int round = 0; round < 5; round++) {
        mproc_process *victim = start_child(wait_for_ever, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], round + 1));
        CHECK_FAILS(mproc_process_join(victim, 10), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_process_kill(victim));
        end_child(victim);
        CHECK_OK(mproc_semaphore_release(shared.semaphore));
        CHECK_OK(mproc_semaphore_acquire(shared.semaphore, 60000));
    }
    destroy(&shared);
}

/* ---- permits ---- */

static void permits_are_taken_and_given_back(void)
{
    mproc_permits permits;
    CHECK_OK(mproc_permits_create(&permits, 3));
    for (int i = 3; i > 0; i--) {
        CU_ASSERT_EQUAL(mproc_permits_free(permits), i);
        CHECK_OK(mproc_permits_acquire(permits, MPROC_NOWAIT));
    }
    CHECK_FAILS(mproc_permits_acquire(permits, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_permits_acquire(permits, 20), MPROC_ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        CHECK_OK(mproc_permits_release(permits));
    CHECK_FAILS(mproc_permits_release(permits), MPROC_EPERM);
    CHECK_OK(mproc_permits_destroy(permits));
}

static int take_two_and_hang(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_permits_acquire(shared->permits, MPROC_FOREVER));
    CHILD_OK(mproc_permits_acquire(shared->permits, MPROC_FOREVER));
    CHILD_CHECK(mproc_permits_free(shared->permits) == 0);
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    return hang_for_ever(NULL);
}

static void permits_of_the_dead_return(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared, 0, 3);
    CHECK_OK(mproc_permits_acquire(shared.permits, MPROC_NOWAIT));
    mproc_process *child = start_child(take_two_and_hang, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    CHECK_FAILS(mproc_permits_acquire(shared.permits, 20), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_process_kill(child)); /* not reaped: a zombie is dead */
    CHECK_OK(mproc_permits_acquire(shared.permits, 60000));
    CHECK_OK(mproc_permits_acquire(shared.permits, 60000));
    CHECK_FAILS(mproc_permits_acquire(shared.permits, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        CHECK_OK(mproc_permits_release(shared.permits));
    end_child(child);
    destroy(&shared);
}

/* Also if they were seen alive a moment before. */
static void permits_of_the_dead_return_at_once_to_who_asks_then(void)
{
    struct shared shared;
    for (int round = 0; round < 5; round++) {
        _Atomic int *ints = create(&shared, 0, 2);
        mproc_process *child = start_child(take_two_and_hang, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE_FATAL(wait_until(&ints[ARRIVED], 1));
        CHECK_FAILS(mproc_permits_acquire(shared.permits, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        kill_while_seen(child);
        CHECK_OK(mproc_permits_acquire(shared.permits, MPROC_NOWAIT));
        CHECK_OK(mproc_permits_acquire(shared.permits, MPROC_NOWAIT));
        CHECK_OK(mproc_permits_release(shared.permits));
        CHECK_OK(mproc_permits_release(shared.permits));
        end_child(child);
        destroy(&shared);
    }
}

static int release_anothers(void *argument)
{
    CHILD_FAILS(mproc_permits_release(((struct shared *) argument)->permits), MPROC_EPERM);
    return 0;
}

static void a_process_releases_only_its_own(void)
{
    struct shared shared;
    create(&shared, 0, 2);
    CHECK_OK(mproc_permits_acquire(shared.permits, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(run_child(release_anothers, &shared, sizeof shared, NULL), 0);
    CHECK_OK(mproc_permits_release(shared.permits));
    destroy(&shared);
}

/* ---- who releases may be late, and it gone ---- */

static int release_late(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_semaphore_release(shared->semaphore));
    return 0;
}

static int give_a_permit_back(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_permits_acquire(shared->permits, MPROC_NOWAIT));
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    CHILD_CHECK(wait_until(&ints_of(shared)[INSIDE], 1));
    CHILD_OK(mproc_permits_release(shared->permits));
    return 0;
}

static void a_semaphore_may_be_destroyed_while_the_one_that_releases_it_is_late(void)
{
    struct shared shared;
    struct ones ones;
    create(&shared, 0, 1);
    mproc_process *late = start_delayed_child(release_late, &shared, sizeof shared, "semaphore.released", 1);
    CHECK_OK(mproc_semaphore_acquire(shared.semaphore, 60000));
    CU_ASSERT_TRUE(wait_until_delayed(late));
    CHECK_OK(mproc_semaphore_destroy(shared.semaphore));
    allocate_ones(&ones);
    end_delay(late);
    CU_ASSERT_EQUAL(end_child(late), 0);
    CU_ASSERT_TRUE(free_ones(&ones));
    shared.semaphore.id = 0;
    destroy(&shared);
}

static void permits_may_be_destroyed_while_the_one_that_releases_one_is_late(void)
{
    struct shared shared;
    struct ones ones;
    _Atomic int *ints = create(&shared, 0, 1);
    mproc_process *late = start_delayed_child(give_a_permit_back, &shared, sizeof shared, "permits.released", 1);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    atomic_store(&ints[INSIDE], 1);
    CHECK_OK(mproc_permits_acquire(shared.permits, 60000));
    CU_ASSERT_TRUE(wait_until_delayed(late));
    CHECK_OK(mproc_permits_destroy(shared.permits));
    allocate_ones(&ones);
    end_delay(late);
    CU_ASSERT_EQUAL(end_child(late), 0);
    CU_ASSERT_TRUE(free_ones(&ones));
    shared.permits.id = 0;
    destroy(&shared);
}

static void wrong_values_and_handles_are_refused(void)
{
    mproc_semaphore semaphore = { 0 };
    mproc_permits permits = { 0 };
    CHECK_FAILS(mproc_semaphore_create(&semaphore, -1), MPROC_EINVAL);
    CHECK_FAILS(mproc_semaphore_create(NULL, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_semaphore_acquire(semaphore, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_semaphore_release(semaphore), MPROC_EBADHANDLE);
    CU_ASSERT_EQUAL(mproc_semaphore_value(semaphore), -1);
    CHECK_FAILS(mproc_permits_create(&permits, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_permits_create(&permits, 65537), MPROC_EINVAL);
    CHECK_FAILS(mproc_permits_create(NULL, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_permits_acquire(permits, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_permits_release(permits), MPROC_EBADHANDLE);
    CU_ASSERT_EQUAL(mproc_permits_free(permits), -1);
    CHECK_OK(mproc_semaphore_create(&semaphore, 1));
    permits.id = semaphore.id;
    CHECK_FAILS(mproc_permits_acquire(permits, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_OK(mproc_semaphore_destroy(semaphore));
    CHECK_FAILS(mproc_semaphore_destroy(semaphore), MPROC_EBADHANDLE);
}

MPROC_SUITE(semaphore, MPROC_TEST(it_counts_down_to_nothing_and_up_again),
            MPROC_TEST(a_bounded_one_refuses_one_release_too_many),
            MPROC_TEST(releases_at_once_never_exceed_the_bound), MPROC_TEST(no_more_are_inside_than_it_lets),
            MPROC_TEST(as_many_waiters_wake_as_are_released), MPROC_TEST(a_killed_waiter_takes_nothing_with_it),
            MPROC_TEST(permits_are_taken_and_given_back), MPROC_TEST(permits_of_the_dead_return),
            MPROC_TEST(permits_of_the_dead_return_at_once_to_who_asks_then),
            MPROC_TEST(a_process_releases_only_its_own),
            MPROC_TEST(a_semaphore_may_be_destroyed_while_the_one_that_releases_it_is_late),
            MPROC_TEST(permits_may_be_destroyed_while_the_one_that_releases_one_is_late),
            MPROC_TEST(wrong_values_and_handles_are_refused))
