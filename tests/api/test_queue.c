/* SPDX-License-Identifier: MIT */
/* Queue with items of one size: order, limits, time-outs, counts, close, several at each end. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"

/* ---- one process ---- */

static void items_come_in_the_order_they_were_put(void)
{
    mproc_queue queue;
    CHECK_OK(mproc_queue_create(&queue, sizeof(int), 0));
    for (int i = 0; i < 20000; i++)
        MPROC_MUST(mproc_queue_put(queue, &i, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(mproc_queue_qsize(queue), 20000);
    for (int i = 0; i < 20000; i++) {
        int got = -1;
        MPROC_MUST(mproc_queue_get(queue, &got, MPROC_NOWAIT));
        if (got != i) {
            CU_ASSERT_EQUAL(got, i);
            break;
        }
    }
    CU_ASSERT_TRUE(mproc_queue_empty(queue));
    CHECK_OK(mproc_queue_destroy(queue));
}

static void a_full_queue_and_an_empty_one_time_out(void)
{
    mproc_queue queue;
    CHECK_OK(mproc_queue_create(&queue, sizeof(int), 2));
    int item = 1;
    CHECK_FAILS(mproc_queue_get(queue, &item, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_queue_get(queue, &item, 20), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_queue_empty(queue));
    CU_ASSERT_FALSE(mproc_queue_full(queue));
    CHECK_OK(mproc_queue_put(queue, &item, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_put(queue, &item, MPROC_NOWAIT));
    CU_ASSERT_TRUE(mproc_queue_full(queue));
    CU_ASSERT_EQUAL(mproc_queue_qsize(queue), 2);
    int64_t begin = mproc_plat_now();
    CHECK_FAILS(mproc_queue_put(queue, &item, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_queue_put(queue, &item, 30), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_plat_now() - begin >= 30000000);
    CHECK_OK(mproc_queue_get(queue, &item, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_put(queue, &item, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_destroy(queue));
}

static void wrong_arguments_are_refused(void)
{
    mproc_queue queue, none = { 0 };
    int item = 0;
    CHECK_FAILS(mproc_queue_create(NULL, 4, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_queue_create(&queue, 0, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_queue_create(&queue, 4, (size_t) 1 << 31), MPROC_EINVAL);
    mproc_queue_options options = { .item_size = 4, .reserved = { &item } };
    CHECK_FAILS(mproc_queue_create_with(&queue, &options), MPROC_EINVAL);
    CHECK_FAILS(mproc_queue_create_with(&queue, NULL), MPROC_EINVAL);
    CHECK_OK(mproc_queue_create(&queue, sizeof item, 0));
    CHECK_FAILS(mproc_queue_put(queue, NULL, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_queue_get(queue, NULL, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_queue_put_bytes(queue, &item, 3, 0), MPROC_EINVAL);
    CHECK_OK(mproc_queue_put_bytes(queue, &item, sizeof item, 0));
    CHECK_OK(mproc_queue_destroy(queue));
    CHECK_FAILS(mproc_queue_put(queue, &item, 0), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_queue_get(queue, &item, 0), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_queue_close(queue), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_queue_join(queue, 0), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_queue_task_done(queue), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_queue_destroy(queue), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_queue_put(none, &item, 0), MPROC_EBADHANDLE);
    CU_ASSERT_TRUE(mproc_queue_empty(none) && mproc_queue_full(none));
    CHECK_OK(mproc_queue_destroy(none));
}

static void task_done_counts_and_join_waits(void)
{
    mproc_queue queue;
    int item = 7;
    CHECK_OK(mproc_queue_create(&queue, sizeof item, 0));
    CHECK_OK(mproc_queue_join(queue, MPROC_NOWAIT));
    CHECK_FAILS(mproc_queue_task_done(queue), MPROC_ESTATE);
    CHECK_OK(mproc_queue_put(queue, &item, 0));
    CHECK_OK(mproc_queue_put(queue, &item, 0));
    CHECK_FAILS(mproc_queue_join(queue, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_queue_get(queue, &item, 0));
    CHECK_OK(mproc_queue_task_done(queue));
    CHECK_OK(mproc_queue_get(queue, &item, 0));
    CHECK_FAILS(mproc_queue_join(queue, 10), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_queue_task_done(queue));
    CHECK_OK(mproc_queue_join(queue, MPROC_FOREVER));
    CHECK_FAILS(mproc_queue_task_done(queue), MPROC_ESTATE);
    CHECK_OK(mproc_queue_destroy(queue));
}

static void a_closed_queue_is_drained_and_then_says_so(void)
{
    mproc_queue queue;
    int item = 7;
    CHECK_OK(mproc_queue_create(&queue, sizeof item, 0));
    CHECK_OK(mproc_queue_put(queue, &item, 0));
    CHECK_OK(mproc_queue_put(queue, &item, 0));
    CHECK_OK(mproc_queue_close(queue));
    CHECK_OK(mproc_queue_close(queue));
    CHECK_FAILS(mproc_queue_put(queue, &item, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_queue_get(queue, &item, MPROC_FOREVER));
    CHECK_OK(mproc_queue_get(queue, &item, MPROC_NOWAIT));
    CHECK_FAILS(mproc_queue_get(queue, &item, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_FAILS(mproc_queue_get(queue, &item, MPROC_NOWAIT), MPROC_ECLOSED);
    CHECK_OK(mproc_queue_destroy(queue));
}

static void memory_grows_with_the_items_and_is_given_back(void)
{
    uint64_t before = mproc__arena_used();
    mproc_queue queue;
    char item[1000] = { 0 };
    CHECK_OK(mproc_queue_create(&queue, sizeof item, 0));
    uint64_t idle = mproc__arena_used();
    CU_ASSERT_TRUE(idle - before <= 16384);
    for (int i = 0; i < 20000; i++)
        MPROC_MUST(mproc_queue_put(queue, item, 0));
    CU_ASSERT_TRUE(mproc__arena_used() - idle > 20000000);
    for (int i = 0; i < 20000; i++)
        MPROC_MUST(mproc_queue_get(queue, item, 0));
    CU_ASSERT_TRUE(mproc__arena_used() - idle < 5 << 20);
    CHECK_OK(mproc_queue_destroy(queue));
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

/* ---- between processes ---- */

struct work {
    mproc_queue queue, answers;
    int producers, consumers, count, index;
};
struct numbered {
    int producer, number;
};

static int produce(void *argument)
{
    struct work *work = argument;
    for (int i = 0; i < work->count; i++) {
        struct numbered item = { work->index, i };
        CHILD_OK(mproc_queue_put(work->queue, &item, MPROC_FOREVER));
    }
    return 0;
}

static int consume(void *argument)
{
    struct work *work = argument;
    int next[8] = { 0 }, got = 0;
    struct numbered item;
    mproc_err err;
    while ((err = mproc_queue_get(work->queue, &item, MPROC_FOREVER)) == MPROC_OK) {
        CHILD_CHECK(item.number >= next[item.producer]); /* FIFO per producer */
        next[item.producer] = item.number + 1;
        got++;
    }
    CHILD_CHECK(err == MPROC_ECLOSED);
    CHILD_OK(mproc_queue_put(work->answers, &got, MPROC_FOREVER));
    return 0;
}

static void run_many(int producers, int consumers, int count, size_t maxsize)
{
    struct work work = { .producers = producers, .consumers = consumers, .count = count };
    CHECK_OK(mproc_queue_create(&work.queue, sizeof(struct numbered), maxsize));
    CHECK_OK(mproc_queue_create(&work.answers, sizeof(int), 0));
    mproc_process *putting[8], *getting[8];
    for (int i = 0; i < consumers; i++)
        getting[i] = start_child(consume, &work, sizeof work, NULL);
    for (int i = 0; i < producers; i++) {
        work.index = i;
        putting[i] = start_child(produce, &work, sizeof work, NULL);
    }
    for (int i = 0; i < producers; i++)
        CU_ASSERT_EQUAL(end_child(putting[i]), 0);
    CHECK_OK(mproc_queue_close(work.queue));
    int total = 0, got;
    for (int i = 0; i < consumers; i++)
        CU_ASSERT_EQUAL(end_child(getting[i]), 0);
    while (mproc_queue_get(work.answers, &got, MPROC_NOWAIT) == MPROC_OK)
        total += got;
    CU_ASSERT_EQUAL(total, producers * count);
    CHECK_OK(mproc_queue_destroy(work.queue));
    CHECK_OK(mproc_queue_destroy(work.answers));
}

static void one_producer_and_one_consumer(void)
{
    run_many(1, 1, 100000, 0);
    run_many(1, 1, 20000, 10);
    run_many(1, 1, 2000, 1);
}

static void four_producers_and_four_consumers(void)
{
    run_many(4, 4, 20000, 0);
    run_many(4, 4, 5000, 7);
    run_many(4, 4, 1000, 1);
}

static int answer(void *argument)
{
    struct work *work = argument;
    int item;
    while (mproc_queue_get(work->queue, &item, MPROC_FOREVER) == MPROC_OK) {
        item++;
        CHILD_OK(mproc_queue_put(work->answers, &item, MPROC_FOREVER));
        CHILD_OK(mproc_queue_task_done(work->queue));
    }
    return 0;
}

static void questions_are_answered_and_join_knows_when(void)
{
    struct work work = { .count = 0 };
    CHECK_OK(mproc_queue_create(&work.queue, sizeof(int), 0));
    CHECK_OK(mproc_queue_create(&work.answers, sizeof(int), 0));
    mproc_process *process = start_child(answer, &work, sizeof work, NULL);
    for (int i = 0; i < 2000; i++) {
        int got = -1;
        CHECK_OK(mproc_queue_put(work.queue, &i, MPROC_FOREVER));
        CHECK_OK(mproc_queue_get(work.answers, &got, 60000));
        if (got != i + 1)
            CU_ASSERT_EQUAL(got, i + 1);
    }
    for (int i = 0; i < 100; i++)
        CHECK_OK(mproc_queue_put(work.queue, &i, MPROC_FOREVER));
    CHECK_OK(mproc_queue_join(work.queue, 60000));
    CU_ASSERT_EQUAL(mproc_queue_qsize(work.answers), 100);
    CHECK_OK(mproc_queue_close(work.queue));
    CU_ASSERT_EQUAL(end_child(process), 0);
    CHECK_OK(mproc_queue_destroy(work.queue));
    CHECK_OK(mproc_queue_destroy(work.answers));
}

/* ---- consumers that die with what they have not done ---- */

static int take_and_die(void *argument)
{
    struct work *work = argument;
    mproc_item borrowed;
    int item;
    if (work->index == 0)
        CHILD_OK(mproc_queue_get(work->queue, &item, MPROC_FOREVER));
    else
        CHILD_OK(mproc_queue_borrow(work->queue, &borrowed, MPROC_FOREVER));
    return 0;
}

static int join_it(void *argument)
{
    struct work *work = argument;
    CHILD_OK(mproc_queue_join(work->queue, MPROC_FOREVER));
    return 0;
}

/* What was got died with its getter and is never done; what was borrowed comes back, and join waits for it. */
static void join_waits_for_what_a_dead_borrower_had_and_not_for_ever(void)
{
    for (int borrowed = 0; borrowed < 2; borrowed++) {
        struct work work = { .index = borrowed };
        int item = 1;
        CHECK_OK(mproc_queue_create(&work.queue, sizeof item, 0));
        for (int i = 0; i < 2; i++)
            CHECK_OK(mproc_queue_put(work.queue, &item, MPROC_NOWAIT));
        CU_ASSERT_EQUAL(run_child(take_and_die, &work, sizeof work, NULL), 0);
        mproc_process *joiner = start_child(join_it, &work, sizeof work, NULL);
        for (int i = 0; i < 1 + borrowed; i++) {
            CHECK_FAILS(mproc_queue_join(work.queue, 10), MPROC_ETIMEDOUT);
            CHECK_OK(mproc_queue_get(work.queue, &item, 60000));
            CHECK_OK(mproc_queue_task_done(work.queue));
        }
        if (borrowed) {
            CHECK_OK(mproc_queue_join(work.queue, 60000));
        } else {
            CHECK_FAILS(mproc_queue_join(work.queue, 10), MPROC_ETIMEDOUT);
            CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "1 item"));
            CHECK_OK(mproc_queue_task_done(work.queue)); /* whoever knows that it is lost can say so */
        }
        CU_ASSERT_EQUAL(end_child(joiner), 0);
        CHECK_OK(mproc_queue_destroy(work.queue));
    }
}

/* ---- handles as items ---- */

struct handles {
    mproc_lock lock;
    mproc_queue queue;
    mproc_pipe pipe;
    mproc_memory memory;
};

static int use_handles(void *argument)
{
    struct work *work = argument;
    struct handles handles;
    char text[10];
    size_t size;
    int answer = 42;
    CHILD_OK(mproc_queue_get(work->queue, &handles, MPROC_FOREVER));
    CHILD_OK(mproc_lock_acquire(handles.lock, MPROC_FOREVER));
    ++*(int *) mproc_pointer(handles.memory);
    CHILD_OK(mproc_lock_release(handles.lock));
    CHILD_OK(mproc_queue_put(handles.queue, &answer, MPROC_FOREVER));
    CHILD_OK(mproc_pipe_recv(handles.pipe, text, sizeof text, &size, MPROC_FOREVER));
    CHILD_OK(mproc_pipe_send(handles.pipe, text, size, MPROC_FOREVER));
    return 0;
}

/* They were not there yet when the child was started. */
static void handles_travel_as_items(void)
{
    struct work work = { .count = 0 };
    struct handles handles;
    mproc_pipe own;
    char text[10] = "";
    size_t size;
    int answer = 0;
    CHECK_OK(mproc_queue_create(&work.queue, sizeof handles, 0));
    mproc_process *process = start_child(use_handles, &work, sizeof work, NULL);
    CHECK_OK(mproc_lock_create(&handles.lock));
    CHECK_OK(mproc_queue_create(&handles.queue, sizeof answer, 0));
    CHECK_OK(mproc_pipe_create(&own, &handles.pipe, true));
    CHECK_OK(mproc_alloc(&handles.memory, sizeof(int)));
    CHECK_OK(mproc_queue_put(work.queue, &handles, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_get(handles.queue, &answer, 60000));
    CU_ASSERT_EQUAL(answer, 42);
    CHECK_OK(mproc_pipe_send(own, "there", 6, MPROC_NOWAIT));
    CHECK_OK(mproc_pipe_recv(own, text, sizeof text, &size, 60000));
    CU_ASSERT_STRING_EQUAL(text, "there");
    CU_ASSERT_EQUAL(end_child(process), 0);
    CU_ASSERT_EQUAL(*(int *) mproc_pointer(handles.memory), 1);
    CHECK_OK(mproc_lock_destroy(handles.lock));
    CHECK_OK(mproc_queue_destroy(handles.queue));
    CHECK_OK(mproc_pipe_close(own));
    CHECK_OK(mproc_pipe_close(handles.pipe));
    CHECK_OK(mproc_free(handles.memory));
    CHECK_OK(mproc_queue_destroy(work.queue));
}

/* ---- the end ---- */

static int wait_for_the_end(void *argument)
{
    struct work *work = argument;
    int item = 1;
    CHILD_OK(mproc_queue_put(work->answers, &item, MPROC_FOREVER));
    if (work->index == 0)
        CHILD_FAILS(mproc_queue_get(work->queue, &item, MPROC_FOREVER), MPROC_ECLOSED);
    else
        CHILD_FAILS(mproc_queue_put(work->queue, &item, MPROC_FOREVER), MPROC_ECLOSED);
    return 0;
}

static void close_wakes_who_waits(void)
{
    for (int full = 0; full < 2; full++) {
        struct work work = { .index = full };
        int item = 0;
        CHECK_OK(mproc_queue_create(&work.queue, sizeof(int), 1));
        CHECK_OK(mproc_queue_create(&work.answers, sizeof(int), 0));
        if (full)
            CHECK_OK(mproc_queue_put(work.queue, &item, 0));
        mproc_process *waiters[3];
        for (int i = 0; i < 3; i++)
            waiters[i] = start_child(wait_for_the_end, &work, sizeof work, NULL);
        for (int i = 0; i < 3; i++)
            CHECK_OK(mproc_queue_get(work.answers, &item, 60000));
        CHECK_FAILS(mproc_process_join(waiters[0], 20), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_queue_close(work.queue));
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(end_child(waiters[i]), 0);
        CHECK_OK(mproc_queue_destroy(work.queue));
        CHECK_OK(mproc_queue_destroy(work.answers));
    }
}

static int put_and_exit(void *argument)
{
    struct work *work = argument;
    static char big[200000];
    CHILD_OK(mproc_queue_put(work->queue, big, MPROC_FOREVER));
    return 0;
}

static void who_has_put_may_exit_before_anybody_gets(void)
{
    struct work work = { .count = 0 };
    static char item[200000];
    CHECK_OK(mproc_queue_create(&work.queue, sizeof item, 0));
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(run_child(put_and_exit, &work, sizeof work, NULL), 0);
    CU_ASSERT_EQUAL(mproc_queue_qsize(work.queue), 3);
    for (int i = 0; i < 3; i++)
        CHECK_OK(mproc_queue_get(work.queue, item, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_destroy(work.queue));
}

MPROC_SUITE(queue, MPROC_TEST(items_come_in_the_order_they_were_put),
            MPROC_TEST(a_full_queue_and_an_empty_one_time_out), MPROC_TEST(wrong_arguments_are_refused),
            MPROC_TEST(task_done_counts_and_join_waits),
            MPROC_TEST(a_closed_queue_is_drained_and_then_says_so),
            MPROC_TEST(memory_grows_with_the_items_and_is_given_back),
            MPROC_TEST(one_producer_and_one_consumer), MPROC_TEST(four_producers_and_four_consumers),
            MPROC_TEST(questions_are_answered_and_join_knows_when),
            MPROC_TEST(join_waits_for_what_a_dead_borrower_had_and_not_for_ever),
            MPROC_TEST(handles_travel_as_items), MPROC_TEST(close_wakes_who_waits),
            MPROC_TEST(who_has_put_may_exit_before_anybody_gets))
