/* SPDX-License-Identifier: MIT */
/* RLock: recursion, ownership by threads of processes, and holders that die. */
#include "suite.h"
#include "system.h"

struct shared {
    mproc_rlock lock;
    mproc_memory block; /* ints: 0 arrived, 1 counter */
};
enum { ARRIVED, COUNTER, INTS };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static void its_holder_takes_it_again_and_releases_as_often(void)
{
    mproc_rlock lock;
    CHECK_OK(mproc_rlock_create(&lock));
    for (int i = 0; i < 100; i++)
        CHECK_OK(mproc_rlock_acquire(lock, i % 2 ? MPROC_NOWAIT : MPROC_FOREVER));
    for (int i = 0; i < 100; i++) {
        CU_ASSERT_TRUE(mproc_rlock_locked(lock));
        CHECK_OK(mproc_rlock_release(lock));
    }
    CU_ASSERT_FALSE(mproc_rlock_locked(lock));
    CHECK_FAILS(mproc_rlock_release(lock), MPROC_EPERM);
    CHECK_FAILS(mproc_rlock_consistent(lock), MPROC_EPERM);
    CHECK_OK(mproc_rlock_destroy(lock));
}

static void try_from_thread(void *context)
{
    mproc_rlock lock = *(mproc_rlock *) context;
    CHECK_FAILS(mproc_rlock_acquire(lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_rlock_acquire(lock, 20), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_rlock_release(lock), MPROC_EPERM);
}

static void another_thread_is_kept_out_and_may_not_release(void)
{
    mproc_rlock lock;
    CHECK_OK(mproc_rlock_create(&lock));
    CHECK_OK(mproc_rlock_acquire(lock, MPROC_NOWAIT));
    thread_join(thread_start(try_from_thread, &lock));
    CHECK_OK(mproc_rlock_release(lock));
    CHECK_OK(mproc_rlock_destroy(lock));
}

static int try_from_child(void *argument)
{
    const struct shared *shared = argument;
    CHILD_FAILS(mproc_rlock_acquire(shared->lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHILD_FAILS(mproc_rlock_release(shared->lock), MPROC_EPERM);
    return 0;
}

static void a_child_does_not_hold_what_its_parent_holds(void)
{
    struct shared shared = { .block = { 0 } };
    CHECK_OK(mproc_rlock_create(&shared.lock));
    CHECK_OK(mproc_rlock_acquire(shared.lock, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(run_child(try_from_child, &shared, sizeof shared, NULL), 0);
    CHECK_OK(mproc_rlock_release(shared.lock));
    CHECK_OK(mproc_rlock_destroy(shared.lock));
}

static int count_under_it(void *argument)
{
    const struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    for (int i = 0; i < 5000; i++) {
        CHILD_OK(mproc_rlock_acquire(shared->lock, MPROC_FOREVER));
        CHILD_OK(mproc_rlock_acquire(shared->lock, MPROC_FOREVER));
        int seen = atomic_load_explicit(&ints[COUNTER], memory_order_relaxed);
        CHILD_OK(mproc_rlock_release(shared->lock));
        atomic_store_explicit(&ints[COUNTER], seen + 1, memory_order_relaxed);
        CHILD_OK(mproc_rlock_release(shared->lock));
    }
    return 0;
}

static void processes_exclude_each_other(void)
{
    struct shared shared;
    mproc_process *processes[4];
    CHECK_OK(mproc_rlock_create(&shared.lock));
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    for (int i = 0; i < 4; i++)
        processes[i] = start_child(count_under_it, &shared, sizeof shared, NULL);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(ints[COUNTER], 20000);
    CHECK_OK(mproc_rlock_destroy(shared.lock));
    CHECK_OK(mproc_free(shared.block));
}

static int hold_twice_for_ever(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_rlock_acquire(shared->lock, MPROC_FOREVER));
    CHILD_OK(mproc_rlock_acquire(shared->lock, MPROC_FOREVER));
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    return hang_for_ever(NULL);
}

static void a_dead_holder_is_told_once_and_the_count_begins_anew(void)
{
    struct shared shared;
    CHECK_OK(mproc_rlock_create(&shared.lock));
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    mproc_process *child = start_child(hold_twice_for_ever, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    CHECK_OK(mproc_process_kill(child));
    CHECK_FAILS(mproc_rlock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_rlock_acquire(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rlock_consistent(shared.lock));
    CHECK_OK(mproc_rlock_release(shared.lock));
    CHECK_OK(mproc_rlock_release(shared.lock));
    CHECK_FAILS(mproc_rlock_release(shared.lock), MPROC_EPERM);
    CHECK_OK(mproc_rlock_acquire(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rlock_release(shared.lock));
    end_child(child);
    CHECK_OK(mproc_rlock_destroy(shared.lock));
    CHECK_OK(mproc_free(shared.block));
}

static void released_without_repair_it_is_broken(void)
{
    struct shared shared;
    CHECK_OK(mproc_rlock_create(&shared.lock));
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    mproc_process *child = start_child(hold_twice_for_ever, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    CHECK_OK(mproc_process_kill(child));
    end_child(child);
    CHECK_FAILS(mproc_rlock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_rlock_release(shared.lock));
    CHECK_FAILS(mproc_rlock_acquire(shared.lock, MPROC_FOREVER), MPROC_EBROKEN);
    CHECK_OK(mproc_rlock_destroy(shared.lock));
    CHECK_OK(mproc_free(shared.block));
}

static void wrong_handles_are_refused(void)
{
    mproc_rlock lock = { 0 };
    CHECK_FAILS(mproc_rlock_create(NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_rlock_acquire(lock, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_OK(mproc_rlock_create(&lock));
    CHECK_OK(mproc_rlock_destroy(lock));
    CHECK_FAILS(mproc_rlock_acquire(lock, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_rlock_release(lock), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_rlock_consistent(lock), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_rlock_destroy(lock), MPROC_EBADHANDLE);
    CU_ASSERT_FALSE(mproc_rlock_locked(lock));
}

MPROC_SUITE(rlock, MPROC_TEST(its_holder_takes_it_again_and_releases_as_often),
            MPROC_TEST(another_thread_is_kept_out_and_may_not_release),
            MPROC_TEST(a_child_does_not_hold_what_its_parent_holds), MPROC_TEST(processes_exclude_each_other),
            MPROC_TEST(a_dead_holder_is_told_once_and_the_count_begins_anew),
            MPROC_TEST(released_without_repair_it_is_broken), MPROC_TEST(wrong_handles_are_refused))
