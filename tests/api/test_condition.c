/* SPDX-License-Identifier: MIT */
/* Condition: over its own lock, a Lock or an RLock; notifications, time-outs, and who is killed. */
#include "suite.h"
#include "system.h"

#include "platform.h"

struct shared {
    mproc_condition condition;
    mproc_memory block; /* ints: 0 arrived, 1 returned, 2 value, 3 order of the next return, 4... by waiter */
    int number;
};
enum { ARRIVED, RETURNED, VALUE, ORDER, BY_WAITER, INTS = BY_WAITER + 8 };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static _Atomic int *create(struct shared *shared)
{
    shared->number = 0;
    CHECK_OK(mproc_condition_create(&shared->condition));
    return shared_ints(&shared->block, INTS);
}

static void destroy(struct shared *shared)
{
    CHECK_OK(mproc_condition_destroy(shared->condition));
    CHECK_OK(mproc_free(shared->block));
}

static void acquire(mproc_condition condition)
{
    CHECK_OK(mproc_condition_acquire(condition, 60000));
}

static void release(mproc_condition condition)
{
    CHECK_OK(mproc_condition_release(condition));
}

/* ---- rules ---- */

static void check_rules(mproc_condition condition)
{
    CHECK_FAILS(mproc_condition_wait(condition, MPROC_NOWAIT), MPROC_EPERM);
    CHECK_FAILS(mproc_condition_notify(condition, 1), MPROC_EPERM);
    CHECK_FAILS(mproc_condition_notify_all(condition), MPROC_EPERM);
    acquire(condition);
    CHECK_FAILS(mproc_condition_wait(condition, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    int64_t begin = mproc_plat_now();
    CHECK_FAILS(mproc_condition_wait(condition, 30), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_plat_now() - begin >= 30000000);
    CHECK_OK(mproc_condition_notify(condition, 5)); /* nobody: it is not kept for later */
    CHECK_FAILS(mproc_condition_wait(condition, 10), MPROC_ETIMEDOUT);
    release(condition);
}

static void waiting_and_notifying_need_the_lock(void)
{
    mproc_condition condition;
    mproc_lock lock;
    mproc_rlock rlock;
    CHECK_OK(mproc_condition_create(&condition));
    check_rules(condition);
    CHECK_OK(mproc_condition_destroy(condition));
    CHECK_OK(mproc_lock_create(&lock));
    CHECK_OK(mproc_condition_create_lock(&condition, lock));
    check_rules(condition);
    CHECK_OK(mproc_condition_destroy(condition));
    CHECK_OK(mproc_lock_destroy(lock));
    CHECK_OK(mproc_rlock_create(&rlock));
    CHECK_OK(mproc_condition_create_rlock(&condition, rlock));
    check_rules(condition);
    CHECK_OK(mproc_condition_destroy(condition));
    CHECK_OK(mproc_rlock_destroy(rlock));
}

static void a_recursive_lock_is_freed_wholly_and_held_as_often_again(void)
{
    mproc_condition condition;
    CHECK_OK(mproc_condition_create(&condition));
    for (int i = 0; i < 3; i++)
        acquire(condition);
    CHECK_FAILS(mproc_condition_wait(condition, 5), MPROC_ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        release(condition);
    CHECK_FAILS(mproc_condition_release(condition), MPROC_EPERM);
    CHECK_OK(mproc_condition_destroy(condition));
}

/* ---- notifications ---- */

static int wait_once(void *argument)
{
    const struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    CHILD_OK(mproc_condition_acquire(shared->condition, MPROC_FOREVER));
    atomic_fetch_add(&ints[ARRIVED], 1);
    CHILD_OK(mproc_condition_wait(shared->condition, 90000));
    atomic_store(&ints[BY_WAITER + shared->number], atomic_fetch_add(&ints[ORDER], 1) + 1);
    atomic_fetch_add(&ints[RETURNED], 1);
    CHILD_OK(mproc_condition_release(shared->condition));
    return 0;
}

/* Waiters that have arrived one after the other. */
static void start_waiters(struct shared *shared, mproc_process **processes, int count)
{
    for (int i = 0; i < count; i++) {
        shared->number = i;
        processes[i] = start_child(wait_once, shared, sizeof *shared, NULL);
        CU_ASSERT_TRUE(wait_until(&ints_of(shared)[ARRIVED], i + 1));
        /* Who holds the lock knows that the one before has let go of it: it waits. */
        acquire(shared->condition);
        release(shared->condition);
    }
}

static void notify_wakes_so_many_and_the_oldest_first(void)
{
    enum { WAITERS = 5 };
    struct shared shared;
    mproc_process *processes[WAITERS];
    _Atomic int *ints = create(&shared);
    start_waiters(&shared, processes, WAITERS);
    acquire(shared.condition);
    CHECK_OK(mproc_condition_notify(shared.condition, 2));
    CU_ASSERT_EQUAL(ints[RETURNED], 0); /* they need the lock */
    release(shared.condition);
    CU_ASSERT_TRUE(wait_until(&ints[RETURNED], 2));
    CU_ASSERT_EQUAL(end_child(processes[0]), 0);
    CU_ASSERT_EQUAL(end_child(processes[1]), 0);
    CHECK_FAILS(mproc_process_join(processes[2], 50), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(ints[RETURNED], 2);
    acquire(shared.condition);
    CHECK_OK(mproc_condition_notify_all(shared.condition));
    release(shared.condition);
    for (int i = 2; i < WAITERS; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(ints[RETURNED], WAITERS);
    destroy(&shared);
}

static bool value_is_five(void *context)
{
    return atomic_load(&((_Atomic int *) context)[VALUE]) == 5;
}

static int wait_for_five(void *argument)
{
    const struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    CHILD_OK(mproc_condition_acquire(shared->condition, MPROC_FOREVER));
    CHILD_FAILS(mproc_condition_wait_for(shared->condition, value_is_five, (void *) ints, 5), MPROC_ETIMEDOUT);
    atomic_store(&ints[ARRIVED], 1);
    CHILD_OK(mproc_condition_wait_for(shared->condition, value_is_five, (void *) ints, 90000));
    CHILD_OK(mproc_condition_wait_for(shared->condition, value_is_five, (void *) ints, MPROC_NOWAIT));
    CHILD_OK(mproc_condition_release(shared->condition));
    return 0;
}

static void wait_for_goes_on_until_the_predicate_is_true(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared);
    mproc_process *process = start_child(wait_for_five, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    for (int i = 1; i <= 5; i++) {
        acquire(shared.condition);
        ints[VALUE] = i;
        CHECK_OK(mproc_condition_notify(shared.condition, 1));
        release(shared.condition);
    }
    CU_ASSERT_EQUAL(end_child(process), 0);
    CHECK_FAILS(mproc_condition_wait_for(shared.condition, NULL, NULL, 1), MPROC_EINVAL);
    destroy(&shared);
}

struct thread_work {
    mproc_condition condition;
    int turn, rounds;
};

static bool turn_is_mine(void *context)
{
    return ((struct thread_work *) context)->turn == 1;
}

static void play_in_thread(void *context)
{
    struct thread_work *work = context;
    for (int i = 0; i < 2000; i++) {
        CHECK_OK(mproc_condition_acquire(work->condition, 60000));
        CHECK_OK(mproc_condition_wait_for(work->condition, turn_is_mine, work, 60000));
        work->turn = 0;
        work->rounds++;
        CHECK_OK(mproc_condition_notify(work->condition, 1));
        CHECK_OK(mproc_condition_release(work->condition));
    }
}

static bool turn_is_back(void *context)
{
    return ((struct thread_work *) context)->turn == 0;
}

static void threads_of_one_process_play_ping_pong(void)
{
    struct thread_work work = { .turn = 0 };
    CHECK_OK(mproc_condition_create(&work.condition));
    struct test_thread *thread = thread_start(play_in_thread, &work);
    for (int i = 0; i < 2000; i++) {
        acquire(work.condition);
        work.turn = 1;
        CHECK_OK(mproc_condition_notify(work.condition, 1));
        CHECK_OK(mproc_condition_wait_for(work.condition, turn_is_back, &work, 60000));
        release(work.condition);
    }
    thread_join(thread);
    CU_ASSERT_EQUAL(work.rounds, 2000);
    CHECK_OK(mproc_condition_destroy(work.condition));
}

static void more_wait_than_places_were_made_for(void)
{
    enum { MANY = 45 };
    if (method_under_test() != MPROC_START_FORK) {
        skip("forty-five processes are a matter of seconds here; fork has it");
        return;
    }
    struct shared shared;
    mproc_process *processes[MANY];
    CHECK_OK(mproc_condition_create(&shared.condition));
    _Atomic int *ints = shared_ints(&shared.block, BY_WAITER + MANY);
    start_waiters(&shared, processes, MANY);
    acquire(shared.condition);
    CHECK_OK(mproc_condition_notify_all(shared.condition));
    release(shared.condition);
    for (int i = 0; i < MANY; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(ints[RETURNED], MANY);
    destroy(&shared);
}

/* ---- death ---- */

static void a_notification_to_a_dead_waiter_goes_to_another(void)
{
    struct shared shared;
    mproc_process *processes[2];
    create(&shared);
    start_waiters(&shared, processes, 2);
    CHECK_OK(mproc_process_kill(processes[0])); /* the oldest: it is chosen */
    end_child(processes[0]);
    acquire(shared.condition);
    CHECK_OK(mproc_condition_notify(shared.condition, 1));
    release(shared.condition);
    CU_ASSERT_EQUAL(end_child(processes[1]), 0);
    destroy(&shared);
}

static void notify_one(mproc_condition condition)
{
    acquire(condition);
    CHECK_OK(mproc_condition_notify(condition, 1));
    release(condition);
}

/* Two wait; the older one is notified, and stands still before it takes the lock again. */
static void start_two_and_notify(struct shared *shared, mproc_process *processes[2])
{
    shared->number = 0;
    processes[0] = start_delayed_child(wait_once, shared, sizeof *shared, "condition.awake", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
    shared->number = 1;
    processes[1] = start_child(wait_once, shared, sizeof *shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_waiting(2));
    notify_one(shared->condition);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(processes[0]));
}

/* It has a notification until it returns, and returns with the lock. */
static void who_is_killed_waiting_for_the_lock_again_was_not_notified(void)
{
    struct shared shared;
    mproc_process *processes[2];
    create(&shared);
    start_two_and_notify(&shared, processes);
    acquire(shared.condition);
    end_delay(processes[0]);
    CU_ASSERT_TRUE(wait_until_waiting(2)); /* the one for the condition, the other for its lock */
    CHECK_OK(mproc_process_kill(processes[0]));
    CU_ASSERT_NOT_EQUAL(end_child(processes[0]), 0);
    release(shared.condition);
    CU_ASSERT_EQUAL(end_child(processes[1]), 0);
    destroy(&shared);
}

static int wait_and_repair(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_condition_acquire(shared->condition, MPROC_FOREVER));
    atomic_fetch_add(&ints_of(shared)[ARRIVED], 1);
    mproc_err err = mproc_condition_wait(shared->condition, 90000);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_OWNERDEAD);
    if (err == MPROC_OWNERDEAD)
        CHILD_OK(mproc_condition_consistent(shared->condition));
    atomic_fetch_add(&ints_of(shared)[VALUE], err == MPROC_OWNERDEAD);
    atomic_fetch_add(&ints_of(shared)[RETURNED], 1);
    CHILD_OK(mproc_condition_release(shared->condition));
    return 0;
}

/* One notification, and the waiter that it is for dies at each step to its return: another one has it. */
static void what_a_waiter_was_told_that_is_killed_goes_to_another(void)
{
    static const char *const points[] = { "condition.awake", "condition.lock_taken" };
    struct shared shared;
    mproc_process *processes[2];
    create(&shared);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        processes[0] = start_doomed_child(wait_once, &shared, sizeof shared, points[i]);
        CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
        processes[1] = start_child(wait_and_repair, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE_FATAL(wait_until_waiting(2));
        notify_one(shared.condition);
        CU_ASSERT_NOT_EQUAL(end_child(processes[0]), 0);
        CU_ASSERT_EQUAL(end_child(processes[1]), 0);
    }
    destroy(&shared);
}

/* The oldest of three is dead when it is notified; who finds that dies as well, and the last one does not sweep
 * before that. */
static void what_was_being_passed_on_by_one_that_is_killed_goes_to_another(void)
{
    static const char *const points[] = { "condition.swept", "condition.passed_on", "condition.idle" };
    struct shared shared;
    mproc_process *processes[3];
    create(&shared);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        processes[0] = start_child(wait_once, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
        processes[1] = start_doomed_child(wait_once, &shared, sizeof shared, points[i]);
        CU_ASSERT_TRUE_FATAL(wait_until_waiting(2));
        processes[2] = start_delayed_child(wait_once, &shared, sizeof shared, "condition.before_sleep", 1);
        CU_ASSERT_TRUE_FATAL(wait_until_delayed(processes[2]));
        CHECK_OK(mproc_process_kill(processes[0]));
        end_child(processes[0]);
        notify_one(shared.condition);
        CU_ASSERT_NOT_EQUAL(end_child(processes[1]), 0);
        end_delay(processes[2]);
        CU_ASSERT_EQUAL(end_child(processes[2]), 0);
    }
    destroy(&shared);
}

static int wait_with_fault(void *argument)
{
    const struct shared *shared = argument;
    if (mproc_condition_acquire(shared->condition, MPROC_FOREVER) != MPROC_OK)
        return 1;
    atomic_fetch_add(&ints_of(shared)[ARRIVED], 1);
    (void) !mproc_condition_wait(shared->condition, 90000);
    (void) !mproc_condition_release(shared->condition);
    return 0;
}

static void repair_and_notify(mproc_condition condition)
{
    mproc_err err = mproc_condition_acquire(condition, 60000);
    CU_ASSERT_TRUE(err == MPROC_OK || err == MPROC_OWNERDEAD);
    if (err == MPROC_OWNERDEAD)
        CHECK_OK(mproc_condition_consistent(condition));
    CHECK_OK(mproc_condition_notify(condition, 1));
    release(condition);
}

/* A waiter is killed at every step; the condition works for others afterwards. */
static void a_waiter_killed_at_any_step_disturbs_nobody(void)
{
    static const struct {
        const char *name;
        bool notified; /* it gets there only then; the others never do if it is too early */
    } points[] = { { "condition.claimed", false }, { "condition.lock_free", false },
                   { "condition.before_sleep", false }, { "latch.before_release", false },
                   { "condition.awake", true }, { "condition.lock_taken", true }, { "condition.idle", true } };
    struct shared shared;
    _Atomic int *ints = create(&shared);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        atomic_store(&ints[ARRIVED], 0);
        mproc_process *victim = start_doomed_child(wait_with_fault, &shared, sizeof shared, points[i].name);
        CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
        if (points[i].notified)
            repair_and_notify(shared.condition);
        CU_ASSERT_NOT_EQUAL(end_child(victim), 0);
        repair_and_notify(shared.condition);
        atomic_store(&ints[ARRIVED], 0);
        mproc_process *survivor;
        start_waiters(&shared, &survivor, 1);
        notify_one(shared.condition);
        CU_ASSERT_EQUAL(end_child(survivor), 0);
    }
    destroy(&shared);
}

static int notify_and_end(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_condition_acquire(shared->condition, MPROC_FOREVER));
    CHILD_OK(mproc_condition_notify(shared->condition, 1));
    CHILD_OK(mproc_condition_release(shared->condition));
    return 0;
}

static void a_notifier_killed_after_marking_has_notified(void)
{
    static const char *const points[] = { "condition.notified", "latch.before_release", "latch.before_wake" };
    struct shared shared;
    _Atomic int *ints = create(&shared);
    for (int i = 0; i < 3; i++) {
        mproc_process *waiter = start_child(wait_and_repair, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], i + 1));
        CU_ASSERT_TRUE(wait_until_waiting(1));
        CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(notify_and_end, &shared, sizeof shared, points[i])), 0);
        CU_ASSERT_EQUAL(end_child(waiter), 0);
    }
    destroy(&shared);
}

static int wait_twice(void *argument)
{
    CHILD_CHECK(wait_once(argument) == 0);
    return hang_for_ever(NULL);
}

static void notify_everybody(mproc_condition condition)
{
    acquire(condition);
    CHECK_OK(mproc_condition_notify_all(condition));
    release(condition);
}

/* The sweeper sees that a notified one has a place and stands still; that one leaves the place to another,
 * who is notified, and dies. */
static void who_sweeps_after_the_dead_takes_no_notification_from_the_living(void)
{
    struct shared shared = { .number = 0 };
    _Atomic int *ints = create(&shared);
    mproc_process *first = start_delayed_child(wait_twice, &shared, sizeof shared, "condition.awake", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
    notify_everybody(shared.condition);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(first));
    mproc_process *sweeper = start_delayed_child(wait_once, &shared, sizeof shared, "condition.owner_read", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(sweeper));
    end_delay(first);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[RETURNED], 1));
    mproc_process *second = start_delayed_child(wait_once, &shared, sizeof shared, "condition.before_sleep", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(second));
    notify_everybody(shared.condition);
    CHECK_OK(mproc_process_kill(first));
    CU_ASSERT_NOT_EQUAL(end_child(first), 0);
    end_delay(sweeper);
    CU_ASSERT_EQUAL(end_child(sweeper), 0);
    end_delay(second);
    CU_ASSERT_EQUAL(end_child(second), 0);
    destroy(&shared);
}

/* ---- the lock ---- */

static int end_holding_it(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_condition_acquire(shared->condition, MPROC_FOREVER));
    return 0;
}

static void one_that_waits_learns_of_a_dead_holder_if_nobody_else_comes(void)
{
    struct shared shared;
    mproc_process *waiters[2];
    _Atomic int *ints = create(&shared);
    for (int i = 0; i < 2; i++)
        waiters[i] = start_child(wait_and_repair, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_waiting(2));
    CU_ASSERT_EQUAL(run_child(end_holding_it, &shared, sizeof shared, NULL), 0);
    CU_ASSERT_TRUE(wait_until(&ints[RETURNED], 1));
    CU_ASSERT_TRUE(wait_until_waiting(1)); /* the other waits on: nobody has notified */
    notify_one(shared.condition);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(end_child(waiters[i]), 0);
    CU_ASSERT_EQUAL(ints[VALUE], 1);
    destroy(&shared);
}

/* The lock is given back for the dead one by somebody who has no use for it: released, or what was to be done under it
 * was refused. Nobody holds it then, dead or alive. */
static void one_that_waits_learns_of_a_dead_holder_whose_lock_was_given_back(void)
{
    mproc_lock lock;
    mproc_rlock rlock;
    mproc_value value;
    CHECK_OK(mproc_lock_create(&lock));
    CHECK_OK(mproc_rlock_create(&rlock));
    CHECK_OK(mproc_value_create_lock(&value, 'b', rlock));
    for (int refused = 0; refused < 2; refused++) {
        struct shared shared = { .number = 0 };
        CHECK_OK(refused ? mproc_condition_create_rlock(&shared.condition, rlock)
                         : mproc_condition_create_lock(&shared.condition, lock));
        _Atomic int *ints = shared_ints(&shared.block, INTS);
        mproc_process *waiter =
            start_delayed_child(wait_and_repair, &shared, sizeof shared, "condition.before_sleep", 1);
        CU_ASSERT_TRUE_FATAL(wait_until_delayed(waiter));
        CU_ASSERT_EQUAL(run_child(end_holding_it, &shared, sizeof shared, NULL), 0);
        if (refused)
            CHECK_FAILS(mproc_value_add_int(value, 1000, NULL), MPROC_EINVAL);
        else
            CHECK_OK(mproc_lock_release(lock));
        end_delay(waiter);
        CU_ASSERT_EQUAL(end_child(waiter), 0);
        CU_ASSERT_EQUAL(ints[VALUE], 1);
        destroy(&shared);
    }
    CHECK_OK(mproc_value_destroy(value));
    CHECK_OK(mproc_rlock_destroy(rlock));
    CHECK_OK(mproc_lock_destroy(lock));
}

static int wait_until_broken(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_condition_acquire(shared->condition, MPROC_FOREVER));
    CHILD_FAILS(mproc_condition_wait(shared->condition, 90000), MPROC_EBROKEN);
    CHILD_FAILS(mproc_condition_release(shared->condition), MPROC_EPERM);
    return 0;
}

static void who_waits_learns_that_the_lock_is_broken(void)
{
    struct shared shared;
    create(&shared);
    mproc_process *waiter = start_delayed_child(wait_until_broken, &shared, sizeof shared, "condition.before_sleep", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(waiter)); /* so that it is not the one that is told */
    CU_ASSERT_EQUAL(run_child(end_holding_it, &shared, sizeof shared, NULL), 0);
    CHECK_FAILS(mproc_condition_acquire(shared.condition, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_condition_release(shared.condition));
    end_delay(waiter);
    CU_ASSERT_EQUAL(end_child(waiter), 0);
    destroy(&shared);
}

static void wrong_handles_are_refused(void)
{
    mproc_condition condition = { 0 };
    CHECK_FAILS(mproc_condition_create(NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_condition_create_lock(&condition, (mproc_lock){ 0 }), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_condition_create_rlock(&condition, (mproc_rlock){ 7 }), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_condition_acquire(condition, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_condition_release(condition), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_condition_wait(condition, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_condition_notify(condition, 1), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_condition_consistent(condition), MPROC_EBADHANDLE);
    CHECK_OK(mproc_condition_destroy(condition));
    mproc_lock lock;
    CHECK_OK(mproc_lock_create(&lock));
    CHECK_OK(mproc_condition_create_lock(&condition, lock));
    CHECK_OK(mproc_lock_destroy(lock));
    CHECK_FAILS(mproc_condition_wait(condition, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_OK(mproc_condition_destroy(condition));
    CHECK_FAILS(mproc_condition_destroy(condition), MPROC_EBADHANDLE);
}

MPROC_SUITE(condition, MPROC_TEST(waiting_and_notifying_need_the_lock),
            MPROC_TEST(a_recursive_lock_is_freed_wholly_and_held_as_often_again),
            MPROC_TEST(notify_wakes_so_many_and_the_oldest_first),
            MPROC_TEST(wait_for_goes_on_until_the_predicate_is_true),
            MPROC_TEST(threads_of_one_process_play_ping_pong), MPROC_TEST(more_wait_than_places_were_made_for),
            MPROC_TEST(a_notification_to_a_dead_waiter_goes_to_another),
            MPROC_TEST(who_is_killed_waiting_for_the_lock_again_was_not_notified),
            MPROC_TEST(what_a_waiter_was_told_that_is_killed_goes_to_another),
            MPROC_TEST(what_was_being_passed_on_by_one_that_is_killed_goes_to_another),
            MPROC_TEST(a_waiter_killed_at_any_step_disturbs_nobody),
            MPROC_TEST(a_notifier_killed_after_marking_has_notified),
            MPROC_TEST(who_sweeps_after_the_dead_takes_no_notification_from_the_living),
            MPROC_TEST(one_that_waits_learns_of_a_dead_holder_if_nobody_else_comes),
            MPROC_TEST(one_that_waits_learns_of_a_dead_holder_whose_lock_was_given_back),
            MPROC_TEST(who_waits_learns_that_the_lock_is_broken), MPROC_TEST(wrong_handles_are_refused))
