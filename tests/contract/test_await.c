/* SPDX-License-Identifier: MIT */
/* The boundary: flags of a process, and awaiting any of many handles. */
#include "contract.h"

enum { MANY = 150 }; /* more than Windows waits for at once */

static int no_child(const char *boot)
{
    (void) boot;
    return 1;
}

static bool is_ready_now(mproc_plat_handle handle)
{
    bool ready = false;
    size_t bad;
    mproc_err err = mproc_plat_await(&handle, 1, 0, &ready, &bad);
    CU_ASSERT_TRUE((err == MPROC_OK && ready) || err == MPROC_ETIMEDOUT);
    return err == MPROC_OK;
}

static void a_flag_is_ready_from_set_to_clear(void)
{
    struct mproc_plat_flag flag;
    CHECK_OK(mproc_plat_flag_create(&flag));
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_FALSE(is_ready_now(flag.handle));
        mproc_plat_flag_set(&flag);
        mproc_plat_flag_set(&flag);
        CU_ASSERT_TRUE(is_ready_now(flag.handle));
        CU_ASSERT_TRUE(is_ready_now(flag.handle)); /* looking takes nothing away */
        mproc_plat_flag_clear(&flag);
        mproc_plat_flag_clear(&flag);
    }
    mproc_plat_flag_close(&flag);
}

static void a_wait_lasts_until_its_deadline(void)
{
    struct mproc_plat_flag flag;
    bool ready;
    size_t bad;
    CHECK_OK(mproc_plat_flag_create(&flag));
    int64_t until = mproc_plat_now() + 30000000;
    CU_ASSERT_EQUAL(mproc_plat_await(&flag.handle, 1, until, &ready, &bad), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_plat_now() >= until);
    until = mproc_plat_now() + 30000000;
    CU_ASSERT_EQUAL(mproc_plat_await(NULL, 0, until, NULL, &bad), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_plat_now() >= until);
    mproc_plat_flag_close(&flag);
}

static void set_flag(void *flag)
{
    mproc_plat_flag_set(flag);
}

static void a_flag_set_by_another_thread_ends_the_wait(void)
{
    struct mproc_plat_flag flag;
    bool ready = false;
    size_t bad;
    CHECK_OK(mproc_plat_flag_create(&flag));
    struct test_thread *thread = thread_start(set_flag, &flag);
    CHECK_OK(mproc_plat_await(&flag.handle, 1, in_seconds(60), &ready, &bad));
    CU_ASSERT_TRUE(ready);
    thread_join(thread);
    mproc_plat_flag_close(&flag);
}

/* Every third has no handle; one, or some, of the rest are set. */
static void of_many_exactly_those_that_are_ready_are_told(void)
{
    struct mproc_plat_flag flags[MANY];
    mproc_plat_handle handles[MANY];
    bool ready[MANY];
    size_t bad;
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(mproc_plat_flag_create(&flags[i]));
        handles[i] = i % 3 == 2 ? MPROC_PLAT_NONE : flags[i].handle;
    }
    static const int steps[] = { 1, 7, 64, MANY };
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        for (int i = MANY - 2; i >= 0; i -= steps[s])
            mproc_plat_flag_set(&flags[i]);
        CHECK_OK(mproc_plat_await(handles, MANY, in_seconds(60), ready, &bad));
        for (int i = 0; i < MANY; i++)
            CU_ASSERT_EQUAL(ready[i], i % 3 != 2 && i <= MANY - 2 && (MANY - 2 - i) % steps[s] == 0);
        for (int i = 0; i < MANY; i++)
            mproc_plat_flag_clear(&flags[i]);
        CU_ASSERT_EQUAL(mproc_plat_await(handles, MANY, 0, ready, &bad), MPROC_ETIMEDOUT);
    }
    for (int i = 0; i < MANY; i++)
        mproc_plat_flag_close(&flags[i]);
}

static void what_is_no_open_handle_is_named(void)
{
    struct mproc_plat_flag flags[3];
    mproc_plat_handle handles[3];
    bool ready[3];
    size_t bad = 9;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(mproc_plat_flag_create(&flags[i]));
        handles[i] = flags[i].handle;
    }
    mproc_plat_flag_close(&flags[1]);
    CHECK_FAILS(mproc_plat_await(handles, 3, in_seconds(60), ready, &bad), MPROC_EINVAL);
    CU_ASSERT_EQUAL(bad, 1);
    mproc_plat_flag_close(&flags[0]);
    mproc_plat_flag_close(&flags[2]);
}

MPROC_CONTRACT_SUITE(await, no_child, MPROC_TEST(a_flag_is_ready_from_set_to_clear),
                     MPROC_TEST(a_wait_lasts_until_its_deadline),
                     MPROC_TEST(a_flag_set_by_another_thread_ends_the_wait),
                     MPROC_TEST(of_many_exactly_those_that_are_ready_are_told),
                     MPROC_TEST(what_is_no_open_handle_is_named))
