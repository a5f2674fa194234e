/* SPDX-License-Identifier: MIT */
/* Queues with a limit: who is woken when there is room, and what the counts say. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "channel.h"
#include "platform.h"
#include "registry.h"

enum { MAX_BYTES = 1000, SMALL = 50, LARGE = 600, LONG_TIME = 60000 };

struct work {
    mproc_queue queue;
    size_t size;
    mproc_ms timeout;
};

static mproc_queue create_limited(void)
{
    mproc_queue queue = { 0 };
    mproc_queue_options options = { .item_size = MPROC_VARIABLE, .max_bytes = MAX_BYTES };
    CHECK_OK(mproc_queue_create_with(&queue, &options));
    return queue;
}

static struct channel *channel_of(mproc_queue queue)
{
    struct channel *channel = mproc__channel_in(mproc__object(BLOCK_QUEUE, queue.id));
    if (!channel)
        abort();
    return channel;
}

static mproc_err put_size(mproc_queue queue, size_t size, mproc_ms timeout)
{
    static char bytes[MAX_BYTES];
    return mproc_queue_put_bytes(queue, bytes, size, timeout);
}

/* The size of the next item. */
static size_t get_size(mproc_queue queue, mproc_ms timeout)
{
    char bytes[MAX_BYTES];
    size_t size = SIZE_MAX;
    CHECK_OK(mproc_queue_get_bytes(queue, bytes, sizeof bytes, &size, timeout));
    return size;
}

static int put_one(void *argument)
{
    struct work *work = argument;
    mproc_err err = put_size(work->queue, work->size, work->timeout);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_ETIMEDOUT);
    return err == MPROC_OK ? 0 : 7;
}

static void count_one(process_token token, void *context)
{
    (void) token;
    ++*(int *) context;
}

static bool wait_until_putters_wait(mproc_queue queue, int count)
{
    for (int i = 0; i < LONG_TIME; i++) {
        int waiting = 0;
        mproc__waits_visit(queue.id, count_one, &waiting);
        if (waiting >= count)
            return true;
        sleep_briefly();
    }
    return false;
}

static uint32_t wake_ups(mproc_queue queue)
{
    return atomic_load(&channel_of(queue)->emptied.epoch);
}

static mproc_process *start_putter(mproc_queue queue, size_t size, int waiting)
{
    struct work work = { queue, size, LONG_TIME };
    mproc_process *putter = start_child(put_one, &work, sizeof work, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_putters_wait(queue, waiting));
    return putter;
}

/* The room is too little for the one who is woken: the other one, who would have come at the end of a slice of his
 * sleep, is woken by him. In most rounds: which of the two is woken first is the system's affair. */
static void who_finds_too_little_room_wakes_the_next(void)
{
    int woken = 0;
    if (TELLS_BY_PIPE) {
        skip("a generic Unix wakes nobody: who sleeps looks by himself");
        return;
    }
    for (int round = 0; round < 20; round++) {
        mproc_queue queue = create_limited();
        for (int i = 0; i < MAX_BYTES / SMALL; i++)
            CHECK_OK(put_size(queue, SMALL, MPROC_NOWAIT));
        mproc_process *large = start_putter(queue, LARGE, 1);
        mproc_process *small = start_putter(queue, SMALL, 2);
        uint32_t before = wake_ups(queue);
        CU_ASSERT_EQUAL(get_size(queue, MPROC_NOWAIT), SMALL);
        CU_ASSERT_EQUAL(end_child(small), 0);
        woken += wake_ups(queue) - before >= 2; /* by the get, and by the large one */
        while (get_size(queue, LONG_TIME) != LARGE)
            continue;
        CU_ASSERT_EQUAL(end_child(large), 0);
        CHECK_OK(mproc_queue_destroy(queue));
    }
    CU_ASSERT_TRUE(woken > 0);
}

/* ---- counts ---- */

static int count_items(void *argument)
{
    struct work *work = argument;
    return (int) mproc_queue_qsize(work->queue);
}

/* Many items pass while somebody counts, more than there may be at any time. */
static void who_counts_sees_what_was_there_at_one_moment(void)
{
    enum { MAXSIZE = 20 };
    struct work work = { .size = 0 };
    int item = 0;
    CHECK_OK(mproc_queue_create(&work.queue, sizeof item, MAXSIZE));
    for (int i = 0; i < 3; i++)
        CHECK_OK(mproc_queue_put(work.queue, &item, MPROC_NOWAIT));
    mproc_process *counter = start_delayed_child(count_items, &work, sizeof work, "channel.counting", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(counter));
    for (int i = 0; i < 10 * MAXSIZE; i++) {
        CHECK_OK(mproc_queue_put(work.queue, &item, MPROC_NOWAIT));
        CHECK_OK(mproc_queue_get(work.queue, &item, MPROC_NOWAIT));
    }
    end_delay(counter);
    CU_ASSERT_EQUAL(end_child(counter), 3);
    CHECK_OK(mproc_queue_destroy(work.queue));
}

static void full_is_what_no_item_fits_into(void)
{
    mproc_queue queue = create_limited(), two;
    mproc_item borrowed;
    int item = 0;
    CU_ASSERT_FALSE(mproc_queue_full(queue));
    CHECK_OK(put_size(queue, LARGE, MPROC_NOWAIT));
    CU_ASSERT_FALSE(mproc_queue_full(queue));
    CHECK_OK(put_size(queue, MAX_BYTES - LARGE, MPROC_NOWAIT));
    CU_ASSERT_TRUE(mproc_queue_full(queue));
    CU_ASSERT_EQUAL(get_size(queue, MPROC_NOWAIT), LARGE);
    CU_ASSERT_FALSE(mproc_queue_full(queue));
    CHECK_OK(mproc_queue_destroy(queue));

    CHECK_OK(mproc_queue_create(&two, sizeof item, 2));
    CHECK_OK(mproc_queue_put(two, &item, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_borrow(two, &borrowed, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_put(two, &item, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_give_back(two, &borrowed));
    CU_ASSERT_EQUAL(mproc_queue_qsize(two), 2);
    CU_ASSERT_FALSE(mproc_queue_full(two)); /* what was given back takes no place */
    CHECK_OK(mproc_queue_put(two, &item, MPROC_NOWAIT));
    CU_ASSERT_TRUE(mproc_queue_full(two));
    CHECK_FAILS(mproc_queue_put(two, &item, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(mproc_queue_qsize(two), 3);
    CHECK_OK(mproc_queue_destroy(two));
}

MPROC_SUITE(queue_room, MPROC_TEST(who_finds_too_little_room_wakes_the_next),
            MPROC_TEST(who_counts_sees_what_was_there_at_one_moment), MPROC_TEST(full_is_what_no_item_fits_into))
