/* SPDX-License-Identifier: MIT */
/* mproc_sleep: never too short. */
#include "suite.h"
#include "system.h"

#include "platform.h"

#include <signal.h>

enum { NAP = 60, LOOK = 50 };

static void it_sleeps_at_least_so_long(void)
{
    int64_t begin = mproc_plat_now();
    mproc_sleep(NAP);
    CU_ASSERT_TRUE(mproc_plat_now() - begin >= NAP * INT64_C(1000000));
}

static void no_time_is_over_at_once(void)
{
    int64_t begin = mproc_plat_now();
    mproc_sleep(MPROC_NOWAIT);
    CU_ASSERT_TRUE(mproc_plat_now() - begin < INT64_C(30000000000));
}

/* ---- for ever ---- */

static int sleep_so_long(void *argument)
{
    mproc_sleep(*(const mproc_ms *) argument);
    return 0;
}

static void check_it_does_not_end(mproc_ms duration)
{
    mproc_process *sleeper = start_child(sleep_so_long, &duration, sizeof duration, NULL);
    CHECK_FAILS(mproc_process_join(sleeper, LOOK), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_process_kill(sleeper));
    CU_ASSERT_NOT_EQUAL(end_child(sleeper), 0);
}

static void for_ever_is_until_the_process_ends(void)
{
    check_it_does_not_end(MPROC_FOREVER);
    check_it_does_not_end(INT64_MIN);
}

static void the_longest_time_is_no_short_one(void)
{
    check_it_does_not_end(INT64_MAX);
    check_it_does_not_end(INT64_MAX / 1000000 + 1); /* the first that is too many nanoseconds */
}

/* ---- signals ---- */

static volatile sig_atomic_t signalled;

static void note_signal(int number)
{
    (void) number;
    signalled = 1;
}

static int sleep_through_a_signal(void *argument)
{
    _Atomic int *ready = mproc_pointer(*(mproc_memory *) argument);
    signal(SIGTERM, note_signal);
    int64_t begin = mproc_plat_now();
    atomic_store(ready, 1);
    do {
        mproc_sleep(10 * NAP);
    } while (!signalled);
    CHILD_CHECK(mproc_plat_now() - begin >= 10 * NAP * INT64_C(1000000));
    return 5;
}

static void a_signal_does_not_end_it(void)
{
    if (system_is_windows()) {
        skip("terminate is no signal here");
        return;
    }
    mproc_memory block;
    _Atomic int *ready = shared_ints(&block, 1);
    mproc_process *sleeper = start_child(sleep_through_a_signal, &block, sizeof block, NULL);
    CU_ASSERT_TRUE(wait_until(ready, 1));
    CHECK_OK(mproc_process_terminate(sleeper));
    CU_ASSERT_EQUAL(end_child(sleeper), 5);
    CHECK_OK(mproc_free(block));
}

MPROC_SUITE(sleep, MPROC_TEST(it_sleeps_at_least_so_long), MPROC_TEST(no_time_is_over_at_once),
            MPROC_TEST(for_ever_is_until_the_process_ends), MPROC_TEST(the_longest_time_is_no_short_one),
            MPROC_TEST(a_signal_does_not_end_it))
