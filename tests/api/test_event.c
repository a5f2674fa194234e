/* SPDX-License-Identifier: MIT */
/* Event: waiting, setting, clearing, and who is killed. */
#include "suite.h"
#include "system.h"

#include "arena.h"

struct shared {
    mproc_event event;
    mproc_memory block; /* ints: 0 arrived, 1 returned */
};
enum { ARRIVED, RETURNED, INTS };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static void it_is_set_cleared_and_waited_for(void)
{
    mproc_event event;
    CHECK_OK(mproc_event_create(&event));
    CU_ASSERT_FALSE(mproc_event_is_set(event));
    CHECK_FAILS(mproc_event_wait(event, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_event_wait(event, 20), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_event_set(event));
    CHECK_OK(mproc_event_set(event));
    CU_ASSERT_TRUE(mproc_event_is_set(event));
    CHECK_OK(mproc_event_wait(event, MPROC_FOREVER));
    CHECK_OK(mproc_event_wait(event, MPROC_NOWAIT));
    CHECK_OK(mproc_event_clear(event));
    CHECK_OK(mproc_event_clear(event));
    CU_ASSERT_FALSE(mproc_event_is_set(event));
    CHECK_FAILS(mproc_event_wait(event, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_event_destroy(event));
}

static int wait_for_it(void *argument)
{
    const struct shared *shared = argument;
    atomic_fetch_add(&ints_of(shared)[ARRIVED], 1);
    CHILD_OK(mproc_event_wait(shared->event, 60000));
    atomic_fetch_add(&ints_of(shared)[RETURNED], 1);
    return 0;
}

static void all_waiters_return_even_if_it_is_cleared_at_once(void)
{
    struct shared shared;
    mproc_process *processes[4];
    CHECK_OK(mproc_event_create(&shared.event));
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    for (int i = 0; i < 4; i++)
        processes[i] = start_child(wait_for_it, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 4));
    CU_ASSERT_TRUE(wait_until_waiting(4));
    CHECK_OK(mproc_event_set(shared.event));
    CHECK_OK(mproc_event_clear(shared.event));
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(ints[RETURNED], 4);
    CHECK_OK(mproc_event_destroy(shared.event));
    CHECK_OK(mproc_free(shared.block));
}

static void a_killed_waiter_disturbs_nobody(void)
{
    struct shared shared;
    CHECK_OK(mproc_event_create(&shared.event));
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    mproc_process *victim = start_child(wait_for_it, &shared, sizeof shared, NULL);
    mproc_process *other = start_child(wait_for_it, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 2));
    CHECK_OK(mproc_process_kill(victim));
    end_child(victim);
    CHECK_OK(mproc_event_set(shared.event));
    CU_ASSERT_EQUAL(end_child(other), 0);
    CHECK_OK(mproc_event_destroy(shared.event));
    CHECK_OK(mproc_free(shared.block));
}

static int set_and_end(void *argument)
{
    CHILD_OK(mproc_event_set(((struct shared *) argument)->event));
    return 0;
}

static void a_setter_killed_before_it_wakes_delays_only(void)
{
    struct shared shared;
    CHECK_OK(mproc_event_create(&shared.event));
    static const char *const points[] = { "event.set", "gate.waking_all" };
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    for (int i = 0; i < 2; i++) {
        mproc_process *waiter = start_child(wait_for_it, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], i + 1));
        CU_ASSERT_TRUE(wait_until_waiting(1));
        CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(set_and_end, &shared, sizeof shared, points[i])), 0);
        CU_ASSERT_EQUAL(end_child(waiter), 0);
        CU_ASSERT_TRUE(mproc_event_is_set(shared.event));
        CHECK_OK(mproc_event_clear(shared.event));
    }
    CHECK_OK(mproc_event_destroy(shared.event));
    CHECK_OK(mproc_free(shared.block));
}

static void it_may_be_destroyed_while_the_one_that_sets_it_is_late(void)
{
    static const char *const points[] = { "event.set", "gate.waking_all" };
    for (int i = 0; i < 2; i++) {
        struct shared shared;
        struct ones ones;
        CHECK_OK(mproc_event_create(&shared.event));
        shared_ints(&shared.block, INTS);
        mproc_process *waiter = start_child(wait_for_it, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
        mproc_process *late = start_delayed_child(set_and_end, &shared, sizeof shared, points[i], 1);
        CU_ASSERT_EQUAL(end_child(waiter), 0);
        CU_ASSERT_TRUE(wait_until_delayed(late));
        CHECK_OK(mproc_event_destroy(shared.event));
        allocate_ones(&ones);
        end_delay(late);
        CU_ASSERT_EQUAL(end_child(late), 0);
        CU_ASSERT_TRUE(free_ones(&ones));
        CHECK_OK(mproc_free(shared.block));
    }
}

/* What the late one wakes in vain sleeps on until somebody means it. */
static void a_new_one_in_its_place_works_while_the_one_that_sets_it_is_late(void)
{
    struct shared shared;
    CHECK_OK(mproc_event_create(&shared.event));
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    mproc_process *late = start_delayed_child(set_and_end, &shared, sizeof shared, "event.set", 1);
    CU_ASSERT_TRUE(wait_until_delayed(late));
    CHECK_OK(mproc_event_wait(shared.event, MPROC_NOWAIT));
    CHECK_OK(mproc_event_destroy(shared.event));
    uint64_t before = shared.event.id;
    CHECK_OK(mproc_event_create(&shared.event));
    CU_ASSERT_EQUAL(shared.event.id & POSITION_MASK, before & POSITION_MASK);
    mproc_process *waiter = start_child(wait_for_it, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
    end_delay(late);
    CU_ASSERT_EQUAL(end_child(late), 0);
    CU_ASSERT_FALSE(mproc_event_is_set(shared.event));
    CHECK_FAILS(mproc_process_join(waiter, 20), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(ints[RETURNED], 0);
    CHECK_OK(mproc_event_set(shared.event));
    CU_ASSERT_EQUAL(end_child(waiter), 0);
    CHECK_OK(mproc_event_destroy(shared.event));
    CHECK_OK(mproc_free(shared.block));
}

static void wrong_handles_are_refused(void)
{
    mproc_event event = { 0 };
    CHECK_FAILS(mproc_event_create(NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_event_set(event), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_event_clear(event), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_event_wait(event, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CU_ASSERT_FALSE(mproc_event_is_set(event));
    CHECK_OK(mproc_event_destroy(event));
    event.id = UINT64_MAX;
    CHECK_FAILS(mproc_event_set(event), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_event_destroy(event), MPROC_EBADHANDLE);
}

MPROC_SUITE(event, MPROC_TEST(it_is_set_cleared_and_waited_for),
            MPROC_TEST(all_waiters_return_even_if_it_is_cleared_at_once),
            MPROC_TEST(a_killed_waiter_disturbs_nobody), MPROC_TEST(a_setter_killed_before_it_wakes_delays_only),
            MPROC_TEST(it_may_be_destroyed_while_the_one_that_sets_it_is_late),
            MPROC_TEST(a_new_one_in_its_place_works_while_the_one_that_sets_it_is_late),
            MPROC_TEST(wrong_handles_are_refused))
