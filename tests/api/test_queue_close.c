/* SPDX-License-Identifier: MIT */
/* Queues that are closed while others put, get and borrow, stand still in the middle of it, or die. */
#include "suite.h"
#include "system.h"

enum { LARGE = 500000 };

struct work {
    mproc_queue queue;
    mproc_memory flags; /* ints: how far the child is, how far it may go */
    size_t size;
};

static int put_one(void *argument)
{
    struct work *work = argument;
    char *bytes = calloc(1, work->size);
    CHILD_OK(mproc_queue_put_bytes(work->queue, bytes, work->size, MPROC_FOREVER));
    free(bytes);
    return 0;
}

static void a_closed_queue_has_what_was_just_being_put(void)
{
    /* A small item, and the third piece of a large one. */
    static const struct {
        const char *point;
        int count;
        size_t size;
    } cases[] = { { "channel.put_copied", 1, 100 }, { "channel.put_committed", 3, LARGE } };
    for (int i = 0; i < 2; i++) {
        struct work work = { .size = cases[i].size };
        size_t size = 0;
        char *bytes = malloc(LARGE);
        CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
        mproc_process *putter = start_delayed_child(put_one, &work, sizeof work, cases[i].point, cases[i].count);
        CU_ASSERT_TRUE_FATAL(wait_until_delayed(putter));
        CHECK_OK(mproc_queue_close(work.queue)); /* who stands still does not stop it */
        CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, LARGE, &size, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "in the middle"));
        CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, LARGE, &size, 10), MPROC_ETIMEDOUT);
        end_delay(putter);
        CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, LARGE, &size, 60000));
        CU_ASSERT_EQUAL(size, work.size);
        CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, LARGE, &size, MPROC_FOREVER), MPROC_ECLOSED);
        CHECK_FAILS(mproc_queue_put_bytes(work.queue, bytes, 1, MPROC_FOREVER), MPROC_ECLOSED);
        CU_ASSERT_EQUAL(end_child(putter), 0);
        CHECK_OK(mproc_queue_destroy(work.queue));
        free(bytes);
    }
}

static void a_queue_whose_putter_dies_while_it_is_closed_is_closed(void)
{
    struct work work = { .size = 100 };
    char bytes[100];
    size_t size = 0;
    CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
    mproc_process *putter = start_delayed_child(put_one, &work, sizeof work, "channel.put_copied", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(putter));
    CHECK_OK(mproc_queue_close(work.queue));
    CHECK_OK(mproc_process_kill(putter));
    CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, sizeof bytes, &size, MPROC_FOREVER), MPROC_ECLOSED);
    end_delay(putter);
    CU_ASSERT_NOT_EQUAL(end_child(putter), 0);
    CHECK_OK(mproc_queue_destroy(work.queue));
}

static int close_it(void *argument)
{
    struct work *work = argument;
    CHILD_OK(mproc_queue_close(work->queue));
    return 0;
}

static void a_queue_whose_closer_dies_is_closed(void)
{
    struct work work = { .size = 0 };
    char bytes[10];
    size_t size = 0;
    CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
    CHECK_OK(mproc_queue_put_bytes(work.queue, "last", 5, 0));
    CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(close_it, &work, sizeof work, "channel.closing")), 0);
    CHECK_FAILS(mproc_queue_put_bytes(work.queue, bytes, 1, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, sizeof bytes, &size, MPROC_FOREVER));
    CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, sizeof bytes, &size, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_queue_destroy(work.queue));
}

MPROC_SUITE(queue_close, MPROC_TEST(a_closed_queue_has_what_was_just_being_put),
            MPROC_TEST(a_queue_whose_putter_dies_while_it_is_closed_is_closed),
            MPROC_TEST(a_queue_whose_closer_dies_is_closed))
