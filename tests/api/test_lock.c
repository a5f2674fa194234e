/* SPDX-License-Identifier: MIT */
/* Lock: exclusion between processes, time-outs, and holders that die. */
#include "suite.h"
#include "system.h"

#include "platform.h"

struct shared {
    mproc_lock lock;
    mproc_memory block; /* ints: 0 arrived, 1 go, 2 counter */
};
enum { ARRIVED, GO, COUNTER, INTS };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static _Atomic int *create(struct shared *shared)
{
    CHECK_OK(mproc_lock_create(&shared->lock));
    return shared_ints(&shared->block, INTS);
}

static void destroy(struct shared *shared)
{
    CHECK_OK(mproc_lock_destroy(shared->lock));
    CHECK_OK(mproc_free(shared->block));
}

/* ---- one process ---- */

static void a_lock_is_taken_once(void)
{
    mproc_lock lock;
    CHECK_OK(mproc_lock_create(&lock));
    CHECK_OK(mproc_lock_acquire(lock, MPROC_FOREVER));
    CHECK_FAILS(mproc_lock_acquire(lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_lock_release(lock));
    CHECK_OK(mproc_lock_acquire(lock, MPROC_NOWAIT));
    CHECK_OK(mproc_lock_release(lock));
    CHECK_OK(mproc_lock_destroy(lock));
}

static void a_timeout_is_neither_early_nor_for_ever(void)
{
    mproc_lock lock;
    CHECK_OK(mproc_lock_create(&lock));
    CHECK_OK(mproc_lock_acquire(lock, MPROC_NOWAIT));
    static const mproc_ms timeouts[] = { 1, 20, 150 };
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        int64_t begin = mproc_plat_now();
        CHECK_FAILS(mproc_lock_acquire(lock, timeouts[i]), MPROC_ETIMEDOUT);
        int64_t waited = mproc_plat_now() - begin;
        CU_ASSERT_TRUE(waited >= timeouts[i] * 1000000);
        CU_ASSERT_TRUE(waited < INT64_C(30000000000));
    }
    CHECK_OK(mproc_lock_release(lock));
    CHECK_OK(mproc_lock_destroy(lock));
}

static void a_release_without_acquire_is_refused(void)
{
    mproc_lock lock;
    CHECK_OK(mproc_lock_create(&lock));
    CHECK_FAILS(mproc_lock_release(lock), MPROC_ESTATE);
    CHECK_OK(mproc_lock_acquire(lock, MPROC_NOWAIT));
    CHECK_OK(mproc_lock_release(lock));
    CHECK_FAILS(mproc_lock_release(lock), MPROC_ESTATE);
    CHECK_OK(mproc_lock_destroy(lock));
}

static void a_destroyed_lock_and_no_lock_are_refused(void)
{
    mproc_lock lock, none = { 0 };
    CHECK_OK(mproc_lock_create(&lock));
    CHECK_OK(mproc_lock_destroy(lock));
    CHECK_FAILS(mproc_lock_acquire(lock, MPROC_FOREVER), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_lock_release(lock), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_lock_destroy(lock), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_lock_acquire(none, MPROC_FOREVER), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_lock_release(none), MPROC_EBADHANDLE);
    CHECK_OK(mproc_lock_destroy(none));
    CHECK_FAILS(mproc_lock_create(NULL), MPROC_EINVAL);
}

static void a_handle_of_another_kind_is_refused(void)
{
    mproc_memory block;
    CHECK_OK(mproc_alloc(&block, 64));
    mproc_lock lock = { block.id };
    CHECK_FAILS(mproc_lock_acquire(lock, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_lock_destroy(lock), MPROC_EBADHANDLE);
    CU_ASSERT_PTR_NOT_NULL(mproc_pointer(block));
    CHECK_OK(mproc_free(block));
}

struct thread_work {
    mproc_lock lock;
    int counter; /* not atomic: the lock guards it */
};

static void count_in_thread(void *context)
{
    struct thread_work *work = context;
    for (int i = 0; i < 10000; i++) {
        if (mproc_lock_acquire(work->lock, MPROC_FOREVER) != MPROC_OK)
            return;
        work->counter++;
        if (mproc_lock_release(work->lock) != MPROC_OK)
            return;
    }
}

static void threads_of_one_process_exclude_each_other(void)
{
    struct thread_work work = { .counter = 0 };
    CHECK_OK(mproc_lock_create(&work.lock));
    struct test_thread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = thread_start(count_in_thread, &work);
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    CU_ASSERT_EQUAL(work.counter, 40000);
    CHECK_OK(mproc_lock_destroy(work.lock));
}

/* ---- between processes ---- */

/* The counter is only added to under the lock, by a load and a store that would lose updates. */
static int count_under_lock(void *argument)
{
    struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    atomic_fetch_add(&ints[ARRIVED], 1);
    CHILD_CHECK(wait_until(&ints[GO], 1));
    for (int i = 0; i < 10000; i++) {
        CHILD_OK(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
        int seen = atomic_load_explicit(&ints[COUNTER], memory_order_relaxed);
        atomic_store_explicit(&ints[COUNTER], seen + 1, memory_order_relaxed);
        CHILD_OK(mproc_lock_release(shared->lock));
    }
    return 0;
}

static void four_processes_never_hold_it_together(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared);
    mproc_process *processes[4];
    for (int i = 0; i < 4; i++)
        processes[i] = start_child(count_under_lock, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 4));
    atomic_store(&ints[GO], 1);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(ints[COUNTER], 40000);
    destroy(&shared);
}

static int release_it(void *argument)
{
    struct shared *shared = argument;
    CHILD_FAILS(mproc_lock_acquire(shared->lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHILD_OK(mproc_lock_release(shared->lock));
    return 0;
}

static void another_process_may_release_it(void)
{
    struct shared shared;
    create(&shared);
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(run_child(release_it, &shared, sizeof shared, NULL), 0);
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_lock_release(shared.lock));
    destroy(&shared);
}

static int wait_for_it(void *argument)
{
    struct shared *shared = argument;
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    CHILD_OK(mproc_lock_acquire(shared->lock, 60000));
    CHILD_CHECK(atomic_load(&ints_of(shared)[GO]) == 1);
    CHILD_OK(mproc_lock_release(shared->lock));
    return 0;
}

static void a_waiter_goes_on_when_it_is_released(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared);
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    mproc_process *process = start_child(wait_for_it, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    CHECK_FAILS(mproc_process_join(process, 20), MPROC_ETIMEDOUT);
    atomic_store(&ints[GO], 1);
    CHECK_OK(mproc_lock_release(shared.lock));
    CU_ASSERT_EQUAL(end_child(process), 0);
    destroy(&shared);
}

/* ---- holders that die ---- */

static int hold_for_ever(void *argument)
{
    struct shared *shared = argument;
    CHILD_OK(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    return hang_for_ever(NULL);
}

static int take_after_death(void *argument)
{
    struct shared *shared = argument;
    atomic_fetch_add(&ints_of(shared)[GO], 1);
    mproc_err err = mproc_lock_acquire(shared->lock, 60000);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_OWNERDEAD);
    if (err == MPROC_OWNERDEAD) {
        atomic_fetch_add(&ints_of(shared)[COUNTER], 1);
        CHILD_OK(mproc_lock_consistent(shared->lock));
    }
    CHILD_OK(mproc_lock_release(shared->lock));
    return 0;
}

static void one_of_the_waiters_learns_of_a_killed_holder(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared);
    mproc_process *holder = start_child(hold_for_ever, &shared, sizeof shared, NULL), *waiters[3];
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[ARRIVED], 1));
    for (int i = 0; i < 3; i++)
        waiters[i] = start_child(take_after_death, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[GO], 3));
    CHECK_FAILS(mproc_process_join(waiters[0], 20), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_process_kill(holder));
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(end_child(waiters[i]), 0);
    CU_ASSERT_EQUAL(ints[COUNTER], 1);
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_lock_release(shared.lock));
    end_child(holder);
    destroy(&shared);
}

static mproc_process *start_holder_and_see_it(struct shared *shared)
{
    _Atomic int *ints = create(shared);
    mproc_process *holder = start_child(hold_for_ever, shared, sizeof *shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[ARRIVED], 1));
    CHECK_FAILS(mproc_lock_acquire(shared->lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    return holder;
}

static void a_dead_holder_is_noticed_by_who_never_waits(void)
{
    struct shared shared;
    for (int round = 0; round < 5; round++) {
        mproc_process *holder = start_holder_and_see_it(&shared);
        CHECK_OK(mproc_process_kill(holder));
        end_child(holder);
        CHECK_FAILS(mproc_lock_acquire(shared.lock, MPROC_NOWAIT), MPROC_OWNERDEAD);
        CHECK_OK(mproc_lock_consistent(shared.lock));
        CHECK_FAILS(mproc_lock_consistent(shared.lock), MPROC_ESTATE);
        CHECK_OK(mproc_lock_release(shared.lock));
        CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
        CHECK_OK(mproc_lock_release(shared.lock));
        destroy(&shared);
    }
}

static int end_holding_it(void *argument)
{
    mproc_err err = mproc_lock_acquire(((struct shared *) argument)->lock, MPROC_FOREVER);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_OWNERDEAD);
    return 0;
}

static void a_holder_that_returns_is_a_dead_one_too(void)
{
    struct shared shared;
    create(&shared);
    CU_ASSERT_EQUAL(run_child(end_holding_it, &shared, sizeof shared, NULL), 0);
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_lock_consistent(shared.lock));
    CHECK_OK(mproc_lock_release(shared.lock));
    destroy(&shared);
}

/* Whether the lock's line of mproc_describe_locks() begins so. */
static bool is_described_as(mproc_lock lock, const char *words)
{
    char text[10000], wanted[100];
    mproc_describe_locks(text, sizeof text);
    snprintf(wanted, sizeof wanted, "lock %016llx: %s", (unsigned long long) lock.id, words);
    return strstr(text, wanted) != NULL;
}

static void a_release_by_another_does_not_hide_a_dead_holder(void)
{
    struct shared shared;
    create(&shared);
    for (int i = 0; i < 3; i++) { /* from the second on it is the one that was told who dies */
        run_child(end_holding_it, &shared, sizeof shared, NULL);
        CHECK_OK(mproc_lock_release(shared.lock));
        CU_ASSERT_TRUE(is_described_as(shared.lock, "free, its last holder died\n"));
        CU_ASSERT_FALSE(mproc_lock_locked(shared.lock));
    }
    CHECK_FAILS(mproc_lock_release(shared.lock), MPROC_ESTATE);
    CHECK_FAILS(mproc_lock_acquire(shared.lock, MPROC_NOWAIT), MPROC_OWNERDEAD);
    CU_ASSERT_TRUE(is_described_as(shared.lock, "held by "));
    CHECK_OK(mproc_lock_consistent(shared.lock));
    CHECK_OK(mproc_lock_release(shared.lock));
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_lock_release(shared.lock));
    CU_ASSERT_TRUE(is_described_as(shared.lock, "free\n"));
    destroy(&shared);
}

/* Whoever has just seen it alive asks again when it gives the lock back. */
static void a_release_does_not_hide_a_holder_that_was_just_seen(void)
{
    struct shared shared;
    for (int round = 0; round < 5; round++) {
        mproc_process *holder = start_holder_and_see_it(&shared);
        kill_while_seen(holder);
        CHECK_OK(mproc_lock_release(shared.lock));
        CHECK_FAILS(mproc_lock_acquire(shared.lock, MPROC_NOWAIT), MPROC_OWNERDEAD);
        CHECK_OK(mproc_lock_consistent(shared.lock));
        CHECK_OK(mproc_lock_release(shared.lock));
        end_child(holder);
        destroy(&shared);
    }
}

static void a_lock_released_without_repair_is_broken(void)
{
    struct shared shared;
    create(&shared);
    CU_ASSERT_EQUAL(run_child(end_holding_it, &shared, sizeof shared, NULL), 0);
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CU_ASSERT_TRUE(mproc_lock_locked(shared.lock));
    CHECK_OK(mproc_lock_release(shared.lock));
    CU_ASSERT_FALSE(mproc_lock_locked(shared.lock));
    CHECK_FAILS(mproc_lock_acquire(shared.lock, MPROC_FOREVER), MPROC_EBROKEN);
    CHECK_FAILS(mproc_lock_release(shared.lock), MPROC_ESTATE);
    CHECK_FAILS(mproc_lock_consistent(shared.lock), MPROC_ESTATE);
    destroy(&shared);
}

static void who_dies_repairing_hands_the_repair_on(void)
{
    struct shared shared;
    create(&shared);
    CU_ASSERT_EQUAL(run_child(end_holding_it, &shared, sizeof shared, NULL), 0);
    for (int i = 0; i < 3; i++) /* it takes the lock with MPROC_OWNERDEAD and dies in its turn */
        run_child(end_holding_it, &shared, sizeof shared, NULL);
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_lock_consistent(shared.lock));
    CHECK_OK(mproc_lock_release(shared.lock));
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_lock_release(shared.lock));
    destroy(&shared);
}

static int be_killed_while_waiting(void *argument)
{
    struct shared *shared = argument;
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    (void) !mproc_lock_acquire(shared->lock, MPROC_FOREVER);
    return 0;
}

static void a_killed_waiter_leaves_the_lock_working(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared);
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    mproc_process *waiter = start_child(be_killed_while_waiting, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    CHECK_FAILS(mproc_process_join(waiter, 20), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_process_kill(waiter));
    end_child(waiter);
    CHECK_OK(mproc_lock_release(shared.lock));
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_lock_release(shared.lock));
    destroy(&shared);
}

static int take_and_release(void *argument)
{
    struct shared *shared = argument;
    CHILD_OK(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    CHILD_OK(mproc_lock_release(shared->lock));
    return 0;
}

/* The word says that somebody sleeps, and nobody does; what it says stays while the lock changes hands. */
static void a_waiter_killed_before_it_sleeps_leaves_the_lock_working(void)
{
    static const char *const points[] = { "latch.said", "latch.before_sleep" };
    struct shared shared;
    create(&shared);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
        CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(take_and_release, &shared, sizeof shared, points[i])), 0);
        mproc_process *waiter = start_child(take_and_release, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE(wait_until_waiting(1));
        CHECK_OK(mproc_lock_release(shared.lock));
        CU_ASSERT_EQUAL(end_child(waiter), 0);
        CU_ASSERT_FALSE(mproc_lock_locked(shared.lock));
        CU_ASSERT_EQUAL(run_child(take_and_release, &shared, sizeof shared, NULL), 0);
    }
    destroy(&shared);
}

/* ---- fairness ---- */

enum { HOLDERS = 5, ROUNDS_IN_ALL = 400 };

struct turns {
    mproc_lock lock;
    _Atomic int taken;  /* how often, by all */
    _Atomic int most;   /* of others' rounds while one waited */
};

static int take_turns(void *argument)
{
    struct turns *turns = mproc_pointer(*(mproc_memory *) argument);
    while (atomic_load(&turns->taken) < ROUNDS_IN_ALL) {
        int before = atomic_load(&turns->taken);
        CHILD_OK(mproc_lock_acquire(turns->lock, 60000));
        int passed = atomic_fetch_add(&turns->taken, 1) - before, most = atomic_load(&turns->most);
        while (passed > most && !atomic_compare_exchange_weak(&turns->most, &most, passed))
            continue;
        mproc_plat_sleep(12000000); /* longer than a sentry's slice */
        CHILD_OK(mproc_lock_release(turns->lock));
        mproc_plat_sleep(3000000);
    }
    return 0;
}

/* A lock is not fair, but who looks after the others must not be passed over for ever because of that: it goes to
 * the end of the system's queue each time it has looked. */
static void who_watches_the_holder_has_its_turn_as_well(void)
{
    mproc_memory block;
    CHECK_OK(mproc_alloc(&block, sizeof(struct turns)));
    struct turns *turns = mproc_pointer(block);
    CHECK_OK(mproc_lock_create(&turns->lock));
    mproc_process *children[HOLDERS];
    for (int i = 0; i < HOLDERS; i++)
        children[i] = start_child(take_turns, &block, sizeof block, NULL);
    for (int i = 0; i < HOLDERS; i++)
        CU_ASSERT_EQUAL(end_child(children[i]), 0);
    printf("  at most %d others came first\n", turns->most);
    CU_ASSERT_TRUE(turns->most < ROUNDS_IN_ALL / 4);
    CHECK_OK(mproc_lock_destroy(turns->lock));
    CHECK_OK(mproc_free(block));
}

MPROC_SUITE(lock, MPROC_TEST(a_lock_is_taken_once), MPROC_TEST(a_timeout_is_neither_early_nor_for_ever),
            MPROC_TEST(a_release_without_acquire_is_refused),
            MPROC_TEST(a_destroyed_lock_and_no_lock_are_refused),
            MPROC_TEST(a_handle_of_another_kind_is_refused),
            MPROC_TEST(threads_of_one_process_exclude_each_other),
            MPROC_TEST(four_processes_never_hold_it_together),
            MPROC_TEST(another_process_may_release_it),
            MPROC_TEST(a_waiter_goes_on_when_it_is_released),
            MPROC_TEST(one_of_the_waiters_learns_of_a_killed_holder),
            MPROC_TEST(a_dead_holder_is_noticed_by_who_never_waits),
            MPROC_TEST(a_holder_that_returns_is_a_dead_one_too),
            MPROC_TEST(a_release_by_another_does_not_hide_a_dead_holder),
            MPROC_TEST(a_release_does_not_hide_a_holder_that_was_just_seen),
            MPROC_TEST(a_lock_released_without_repair_is_broken),
            MPROC_TEST(who_dies_repairing_hands_the_repair_on),
            MPROC_TEST(a_killed_waiter_leaves_the_lock_working),
            MPROC_TEST(a_waiter_killed_before_it_sleeps_leaves_the_lock_working),
            MPROC_TEST(who_watches_the_holder_has_its_turn_as_well))
