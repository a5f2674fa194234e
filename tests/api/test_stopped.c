/* SPDX-License-Identifier: MIT */
/* Whoever holds something, or waits, and is stopped (SIGSTOP) lives: nothing is taken from it. And whoever dies with
 * two locks has died with both. */
#include "suite.h"
#include "system.h"

#include "channel.h"

enum { SEVERAL_SLICES = 700 }; /* milliseconds in which those that wait ask many times */

struct shared {
    mproc_lock lock, second;
    mproc_permits permits;
    mproc_rwlock rwlock;
    mproc_barrier barrier;
    mproc_condition condition;
    mproc_memory block; /* ints: 0 arrived, 1 go */
};
enum { ARRIVED, GO, INTS };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static _Atomic int *create(struct shared *shared)
{
    CHECK_OK(mproc_lock_create(&shared->lock));
    CHECK_OK(mproc_lock_create(&shared->second));
    CHECK_OK(mproc_permits_create(&shared->permits, 1));
    CHECK_OK(mproc_rwlock_create(&shared->rwlock));
    CHECK_OK(mproc_barrier_create(&shared->barrier, 3));
    CHECK_OK(mproc_condition_create(&shared->condition));
    return shared_ints(&shared->block, INTS);
}

static void destroy(struct shared *shared)
{
    CHECK_OK(mproc_lock_destroy(shared->lock));
    CHECK_OK(mproc_lock_destroy(shared->second));
    CHECK_OK(mproc_permits_destroy(shared->permits));
    CHECK_OK(mproc_rwlock_destroy(shared->rwlock));
    CHECK_OK(mproc_barrier_destroy(shared->barrier));
    CHECK_OK(mproc_condition_destroy(shared->condition));
    CHECK_OK(mproc_free(shared->block));
}

/* Starts one that holds, or waits for, something, and stops it when it does. False where that cannot be done. */
static bool stop_one_that(mproc_target *target, struct shared *shared, mproc_process **process, int64_t *pid)
{
    *process = start_child(target, shared, sizeof *shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints_of(shared)[ARRIVED], 1));
    CHECK_OK(mproc_process_pid(*process, pid));
    bool can = suspend(*pid);
    if (!can)
        skip("this system cannot stop another process");
    return can;
}

static void go_on(struct shared *shared, mproc_process *process, int64_t pid)
{
    atomic_store(&ints_of(shared)[GO], 1);
    resume(pid);
    CU_ASSERT_EQUAL(end_child(process), 0);
}

static void wait_to_be_told(struct shared *shared)
{
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    CHILD_CHECK(wait_until(&ints_of(shared)[GO], 1));
}

static int hold_all(void *argument)
{
    struct shared *shared = argument;
    CHILD_OK(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    CHILD_OK(mproc_permits_acquire(shared->permits, MPROC_FOREVER));
    CHILD_OK(mproc_condition_acquire(shared->condition, MPROC_FOREVER));
    CHILD_OK(mproc_rwlock_acquire_write(shared->rwlock, MPROC_FOREVER));
    wait_to_be_told(shared);
    CHILD_OK(mproc_rwlock_release(shared->rwlock));
    CHILD_OK(mproc_condition_release(shared->condition));
    CHILD_OK(mproc_permits_release(shared->permits));
    CHILD_OK(mproc_lock_release(shared->lock));
    return 0;
}

static void a_stopped_holder_keeps_what_it_has(void)
{
    struct shared shared;
    mproc_process *process;
    int64_t pid;
    create(&shared);
    if (stop_one_that(hold_all, &shared, &process, &pid)) {
        CHECK_FAILS(mproc_lock_acquire(shared.lock, SEVERAL_SLICES), MPROC_ETIMEDOUT);
        CHECK_FAILS(mproc_permits_acquire(shared.permits, SEVERAL_SLICES), MPROC_ETIMEDOUT);
        CHECK_FAILS(mproc_condition_acquire(shared.condition, SEVERAL_SLICES), MPROC_ETIMEDOUT);
        CHECK_FAILS(mproc_rwlock_acquire_read(shared.rwlock, SEVERAL_SLICES), MPROC_ETIMEDOUT);
        CHECK_FAILS(mproc_rwlock_acquire_write(shared.rwlock, SEVERAL_SLICES), MPROC_ETIMEDOUT);
    }
    go_on(&shared, process, pid);
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rwlock_acquire_write(shared.rwlock, MPROC_NOWAIT));
    destroy(&shared);
}

static int read_it(void *argument)
{
    struct shared *shared = argument;
    CHILD_OK(mproc_rwlock_acquire_read(shared->rwlock, MPROC_FOREVER));
    wait_to_be_told(shared);
    CHILD_OK(mproc_rwlock_release(shared->rwlock));
    return 0;
}

static void a_stopped_reader_goes_on_reading(void)
{
    struct shared shared;
    mproc_process *process;
    int64_t pid;
    create(&shared);
    if (stop_one_that(read_it, &shared, &process, &pid))
        CHECK_FAILS(mproc_rwlock_acquire_write(shared.rwlock, SEVERAL_SLICES), MPROC_ETIMEDOUT);
    go_on(&shared, process, pid);
    CHECK_OK(mproc_rwlock_acquire_write(shared.rwlock, MPROC_NOWAIT));
    destroy(&shared);
}

static int come_to_the_barrier(void *argument)
{
    struct shared *shared = argument;
    atomic_fetch_add(&ints_of(shared)[ARRIVED], 1);
    CHILD_OK(mproc_barrier_wait(shared->barrier, NULL, 90000));
    return 0;
}

/* Two of three have come, and one of them is stopped while the other looks for the dead. */
static void a_stopped_party_has_come(void)
{
    struct shared shared;
    int64_t pid;
    create(&shared);
    mproc_process *stopped = start_child(come_to_the_barrier, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
    CHECK_OK(mproc_process_pid(stopped, &pid));
    if (!suspend(pid))
        skip("this system cannot stop another process");
    mproc_process *other = start_child(come_to_the_barrier, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until_waiting(2));
    CHECK_FAILS(mproc_process_join(other, SEVERAL_SLICES), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_barrier_wait(shared.barrier, NULL, 60000));
    CU_ASSERT_EQUAL(end_child(other), 0);
    go_on(&shared, stopped, pid);
    destroy(&shared);
}

static int wait_for_notification(void *argument)
{
    struct shared *shared = argument;
    CHILD_OK(mproc_condition_acquire(shared->condition, MPROC_FOREVER));
    CHILD_OK(mproc_condition_wait(shared->condition, 90000));
    CHILD_OK(mproc_condition_release(shared->condition));
    return 0;
}

/* It is notified, and nobody else is in its place. */
static void a_stopped_waiter_has_its_notification(void)
{
    struct shared shared;
    int64_t pid;
    create(&shared);
    mproc_process *stopped = start_child(wait_for_notification, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
    CHECK_OK(mproc_process_pid(stopped, &pid));
    bool can = suspend(pid);
    CHECK_OK(mproc_condition_acquire(shared.condition, 60000));
    CHECK_OK(mproc_condition_notify(shared.condition, 1));
    if (can)
        CHECK_FAILS(mproc_condition_wait(shared.condition, SEVERAL_SLICES), MPROC_ETIMEDOUT);
    else
        skip("this system cannot stop another process");
    CHECK_OK(mproc_condition_release(shared.condition));
    go_on(&shared, stopped, pid);
    destroy(&shared);
}

static int hold_two(void *argument)
{
    struct shared *shared = argument;
    CHILD_OK(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    CHILD_OK(mproc_lock_acquire(shared->second, MPROC_FOREVER));
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    return hang_for_ever(NULL);
}

static int take_the_second(void *argument)
{
    struct shared *shared = argument;
    atomic_store(&ints_of(shared)[GO], 1);
    CHILD_FAILS(mproc_lock_acquire(shared->second, 60000), MPROC_OWNERDEAD);
    CHILD_OK(mproc_lock_consistent(shared->second));
    CHILD_OK(mproc_lock_release(shared->second));
    return 0;
}

/* One waits for each of them. */
static void who_dies_with_two_locks_is_told_of_at_both(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared);
    mproc_process *holder = start_child(hold_two, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[ARRIVED], 1));
    mproc_process *other = start_child(take_the_second, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until_waiting(1));
    CHECK_OK(mproc_process_kill(holder));
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_lock_consistent(shared.lock));
    CU_ASSERT_EQUAL(end_child(other), 0);
    CHECK_OK(mproc_lock_acquire(shared.second, 60000));
    CHECK_OK(mproc_lock_release(shared.second));
    CHECK_OK(mproc_lock_release(shared.lock));
    end_child(holder);
    destroy(&shared);
}

/* ---- queues ---- */

struct borrowing {
    mproc_queue queue;
    mproc_memory block; /* ints: 0 whether it is borrowed, 1 how many are about to get */
};

static int borrow_and_hang(void *argument)
{
    struct borrowing *borrowing = argument;
    mproc_item item;
    CHILD_OK(mproc_queue_borrow(borrowing->queue, &item, MPROC_FOREVER));
    atomic_store((_Atomic int *) mproc_pointer(borrowing->block), 1);
    return hang_for_ever(NULL);
}

static int get_for_ever(void *argument)
{
    struct borrowing *borrowing = argument;
    int item = 0;
    atomic_fetch_add((_Atomic int *) mproc_pointer(borrowing->block) + 1, 1);
    CHILD_OK(mproc_queue_get(borrowing->queue, &item, MPROC_FOREVER));
    CHILD_CHECK(item == 42);
    return 0;
}

/* Stops one that waits for an item. If that happened within its look after dead borrowers it would have the getting
 * end's latch, and rightly keep it: then it is tried again. */
static bool stop_a_waiting_one(int64_t pid, mproc_queue queue)
{
    for (;;) {
        if (!suspend(pid))
            return false;
        for (int i = 0; i < 5; i++)
            sleep_briefly();
        if (mproc__latch_holder(&mproc__channel_of(queue.id)->get.latch) == 0)
            return true;
        resume(pid);
        sleep_briefly();
    }
}

/* Two that wait look after dead borrowers often. When both stand still, a third one does. */
static void a_dead_borrowers_item_is_got_beside_stopped_getters(void)
{
    struct borrowing borrowing;
    mproc_process *getters[3];
    int64_t pids[3];
    int item = 42;
    bool can = true;
    CHECK_OK(mproc_queue_create(&borrowing.queue, sizeof item, 0));
    _Atomic int *ints = shared_ints(&borrowing.block, 2);
    CHECK_OK(mproc_queue_put(borrowing.queue, &item, 0));
    mproc_process *borrower = start_child(borrow_and_hang, &borrowing, sizeof borrowing, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[0], 1));
    for (int i = 0; i < 3; i++) {
        getters[i] = start_child(get_for_ever, &borrowing, sizeof borrowing, NULL);
        CU_ASSERT_TRUE(wait_until(&ints[1], i + 1));
        if (i < 2) {
            CHECK_FAILS(mproc_process_join(getters[i], SEVERAL_SLICES), MPROC_ETIMEDOUT); /* it has its post */
            CHECK_OK(mproc_process_pid(getters[i], &pids[i]));
            can = can && stop_a_waiting_one(pids[i], borrowing.queue);
        }
    }
    CHECK_OK(mproc_process_kill(borrower));
    end_child(borrower);
    if (can) {
        CU_ASSERT_EQUAL(end_child(getters[2]), 0);
    } else {
        skip("this system cannot stop another process");
    }
    for (int i = 0; i < 2; i++)
        CHECK_OK(mproc_queue_put(borrowing.queue, &item, 0));
    for (int i = can ? 1 : 2; i >= 0; i--) {
        if (can)
            resume(pids[i]);
        CU_ASSERT_EQUAL(end_child(getters[i]), 0);
    }
    CHECK_OK(mproc_queue_destroy(borrowing.queue));
    CHECK_OK(mproc_free(borrowing.block));
}

MPROC_SUITE(stopped, MPROC_TEST(a_stopped_holder_keeps_what_it_has), MPROC_TEST(a_stopped_reader_goes_on_reading),
            MPROC_TEST(a_stopped_party_has_come), MPROC_TEST(a_stopped_waiter_has_its_notification),
            MPROC_TEST(who_dies_with_two_locks_is_told_of_at_both),
            MPROC_TEST(a_dead_borrowers_item_is_got_beside_stopped_getters))
