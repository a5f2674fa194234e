/* SPDX-License-Identifier: MIT */
/* The boundary: waiting for any of many, sockets among them, and flags. */
#include "contract.h"

static int child(const char *boot)
{
    (void) boot;
    return 1; /* these tests have one process */
}

static void create_flags(struct mproc_plat_flag *flags, mproc_plat_handle *handles, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL_FATAL(mproc_plat_flag_create(&flags[i]), MPROC_OK);
        handles[i] = flags[i].handle;
    }
}

static void close_flags(struct mproc_plat_flag *flags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mproc_plat_flag_close(&flags[i]);
}

/* Whether one handle is ready at this moment. */
static bool is_ready(mproc_plat_handle handle)
{
    bool ready = false;
    size_t bad;
    mproc_err err = mproc_plat_await(&handle, 1, 0, &ready, &bad);
    CU_ASSERT_TRUE(err == MPROC_OK ? ready : err == MPROC_ETIMEDOUT);
    return err == MPROC_OK;
}

static void nothing_ready_times_out_and_not_early(void)
{
    struct mproc_plat_flag flags[3];
    mproc_plat_handle handles[3];
    static const int64_t lengths[] = { 0, 2000000, 30000000 };
    create_flags(flags, handles, 3);
    for (size_t i = 0; i < 3; i++)
        for (size_t count = 0; count <= 3; count++) {
            bool ready[3] = { false };
            size_t bad = 99;
            int64_t begin = mproc_plat_now(), deadline = lengths[i] ? begin + lengths[i] : 0;
            CU_ASSERT_EQUAL(mproc_plat_await(handles, count, deadline, ready, &bad), MPROC_ETIMEDOUT);
            CU_ASSERT_TRUE(mproc_plat_now() - begin >= lengths[i]);
            CU_ASSERT_EQUAL(bad, 99);
        }
    close_flags(flags, 3);
}

/* The same one twice is ready twice; NONE never is. */
static void all_that_are_ready_are_told(void)
{
    enum { COUNT = 10 };
    struct mproc_plat_flag flags[COUNT];
    mproc_plat_handle handles[COUNT + 2];
    bool ready[COUNT + 2];
    size_t bad;
    create_flags(flags, handles, COUNT);
    handles[COUNT] = handles[3];
    handles[COUNT + 1] = MPROC_PLAT_NONE;
    mproc_plat_flag_set(&flags[3]);
    mproc_plat_flag_set(&flags[7]);
    memset(ready, true, sizeof ready);
    CHECK_OK(mproc_plat_await(handles, COUNT + 2, MPROC_PLAT_NEVER, ready, &bad));
    for (size_t i = 0; i < COUNT + 2; i++)
        CU_ASSERT_EQUAL(ready[i], i == 3 || i == 7 || i == COUNT);
    close_flags(flags, COUNT);
}

static void a_flag_stays_set_until_it_is_cleared(void)
{
    struct mproc_plat_flag flag;
    CHECK_OK(mproc_plat_flag_create(&flag));
    mproc_plat_flag_clear(&flag);
    CU_ASSERT_FALSE(is_ready(flag.handle));
    for (int round = 0; round < 3; round++) {
        /* Far more often than any pipe takes: to set a flag never waits. */
        for (int i = 0; i < (round ? 1 : 70000); i++)
            mproc_plat_flag_set(&flag);
        CU_ASSERT_TRUE(is_ready(flag.handle));
        CU_ASSERT_TRUE(is_ready(flag.handle));
        mproc_plat_flag_clear(&flag);
        CU_ASSERT_FALSE(is_ready(flag.handle));
    }
    mproc_plat_flag_close(&flag);
}

struct waiting {
    const mproc_plat_handle *handles;
    size_t count, first; /* out: the first that was ready */
    mproc_err err;
    _Atomic int begun;
};

static void wait_in_thread(void *context)
{
    struct waiting *waiting = context;
    static bool ready[300];
    size_t bad;
    atomic_store(&waiting->begun, 1);
    waiting->err = mproc_plat_await(waiting->handles, waiting->count, in_seconds(60), ready, &bad);
    for (waiting->first = 0; waiting->first < waiting->count && !ready[waiting->first]; waiting->first++)
        continue;
}

/* A few, and more than poll() and WaitForMultipleObjects() take in one piece. */
static void setting_a_flag_wakes_who_waits_for_many(void)
{
    enum { MOST = 200 };
    static const size_t counts[] = { 1, 16, 17, 64, 65, MOST };
    static struct mproc_plat_flag flags[MOST];
    static mproc_plat_handle handles[MOST];
    create_flags(flags, handles, MOST);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (int which = 0; which < 3; which++) {
            size_t victim = which == 0 ? 0 : which == 1 ? counts[i] / 2 : counts[i] - 1;
            struct waiting waiting = { .handles = handles, .count = counts[i] };
            struct test_thread *thread = thread_start(wait_in_thread, &waiting);
            CU_ASSERT_TRUE(wait_until(&waiting.begun, 1));
            mproc_plat_sleep(2000000); /* mostly it sleeps by now; if not, it finds the flag set */
            mproc_plat_flag_set(&flags[victim]);
            thread_join(thread);
            CHECK_OK(waiting.err);
            CU_ASSERT_EQUAL(waiting.first, victim);
            mproc_plat_flag_clear(&flags[victim]);
        }
    close_flags(flags, MOST);
}

static void one_that_is_not_open_is_named(void)
{
    struct mproc_plat_flag flags[4];
    mproc_plat_handle handles[4];
    create_flags(flags, handles, 4);
    mproc_plat_flag_close(&flags[2]);
    for (int deadline = 0; deadline < 2; deadline++) {
        bool ready[4];
        size_t bad = 99;
        CHECK_FAILS(mproc_plat_await(handles, 4, deadline ? in_seconds(60) : 0, ready, &bad), MPROC_EINVAL);
        CU_ASSERT_EQUAL(bad, 2);
    }
    close_flags(flags, 2);
    mproc_plat_flag_close(&flags[3]);
}

static void a_socket_can_be_awaited_and_used_afterwards(void)
{
    struct mproc_plat_channel listener, here, there;
    char bound[MPROC_ADDRESS_SIZE], peer[MPROC_ADDRESS_SIZE], byte = 0;
    mproc_plat_handle waitable;
    struct mproc_plat_piece piece;
    size_t bad, moved;
    bool ready;
    CHECK_OK(mproc_plat_channel_listen(&listener, MPROC_FAMILY_INET, "127.0.0.1:0", 1, bound));
    CU_ASSERT_EQUAL_FATAL(mproc_plat_channel_connect(&here, MPROC_FAMILY_INET, bound, in_seconds(60)),
                          MPROC_OK);
    CHECK_OK(mproc_plat_channel_waitable(&listener, &waitable));
    CHECK_OK(mproc_plat_await(&waitable, 1, in_seconds(60), &ready, &bad));
    CU_ASSERT_EQUAL_FATAL(mproc_plat_channel_accept(&listener, &there, peer), MPROC_OK);

    CHECK_OK(mproc_plat_await_socket(here.handle, &waitable));
    CU_ASSERT_FALSE(is_ready(waitable));
    CHECK_OK(mproc_plat_channel_write(&there, "x", 1, MPROC_PLAT_NONE, in_seconds(60), &moved));
    CHECK_OK(mproc_plat_await(&waitable, 1, in_seconds(60), &ready, &bad));
    mproc_plat_await_socket_end(here.handle, waitable);
    CHECK_OK(mproc_plat_channel_read(&here, &byte, 1, &piece));
    CU_ASSERT_EQUAL(byte, 'x');

    CHECK_OK(mproc_plat_await_socket(here.handle, &waitable));
    mproc_plat_channel_close(&there); /* the end is something to read, too */
    CHECK_OK(mproc_plat_await(&waitable, 1, in_seconds(60), &ready, &bad));
    mproc_plat_await_socket_end(here.handle, waitable);
    mproc_plat_channel_close(&here);
    mproc_plat_channel_close(&listener);
}

MPROC_CONTRACT_SUITE(await, child, MPROC_TEST(nothing_ready_times_out_and_not_early),
                     MPROC_TEST(all_that_are_ready_are_told),
                     MPROC_TEST(a_flag_stays_set_until_it_is_cleared),
                     MPROC_TEST(setting_a_flag_wakes_who_waits_for_many),
                     MPROC_TEST(one_that_is_not_open_is_named),
                     MPROC_TEST(a_socket_can_be_awaited_and_used_afterwards))
