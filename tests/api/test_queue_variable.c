/* SPDX-License-Identifier: MIT */
/* Queue with items of any length, from nothing to many megabytes, and limits in bytes. */
#include "pattern.h"
#include "suite.h"
#include "system.h"

#include "arena.h"

static const size_t sizes[] = { 0,     1,     7,     8,      9,      100,    1000,    4096,    32767,
                                32768, 32769, 65535, 65536,  100000, 262144, 1000003, 5000000, 3,
                                0,     40000, 12,    300000, 5 };
enum { SIZES = sizeof sizes / sizeof sizes[0], LARGEST = 5000000 };

static void items_of_all_lengths_come_whole(void)
{
    mproc_queue queue;
    unsigned char *bytes = malloc(LARGEST);
    CHECK_OK(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < SIZES; i++) {
            fill(bytes, sizes[i], i);
            CHECK_OK(mproc_queue_put_bytes(queue, bytes, sizes[i], MPROC_NOWAIT));
        }
        CU_ASSERT_EQUAL(mproc_queue_qsize(queue), SIZES);
        for (size_t i = 0; i < SIZES; i++) {
            size_t size = 99;
            CHECK_OK(mproc_queue_get_bytes(queue, bytes, LARGEST, &size, round ? MPROC_FOREVER : 0));
            CU_ASSERT_EQUAL(size, sizes[i]);
            CU_ASSERT_TRUE(is_filled(bytes, size, i));
        }
        CU_ASSERT_TRUE(mproc_queue_empty(queue));
    }
    free(bytes);
    CHECK_OK(mproc_queue_destroy(queue));
}

static void a_short_buffer_leaves_the_item_there(void)
{
    mproc_queue queue;
    unsigned char *bytes = malloc(100000);
    fill(bytes, 100000, 1);
    CHECK_OK(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    CHECK_OK(mproc_queue_put_bytes(queue, "hello", 5, 0));
    CHECK_OK(mproc_queue_put_bytes(queue, bytes, 100000, 0));
    size_t size = 0;
    CHECK_FAILS(mproc_queue_get_bytes(queue, bytes, 4, &size, 0), MPROC_EMSGSIZE);
    CU_ASSERT_EQUAL(size, 5);
    CHECK_FAILS(mproc_queue_get_bytes(queue, NULL, 0, &size, 0), MPROC_EMSGSIZE);
    CU_ASSERT_EQUAL(mproc_queue_qsize(queue), 2);
    CHECK_OK(mproc_queue_get_bytes(queue, bytes, 5, &size, 0));
    CU_ASSERT_EQUAL(memcmp(bytes, "hello", 5), 0);
    CHECK_FAILS(mproc_queue_get_bytes(queue, bytes, 99999, &size, 0), MPROC_EMSGSIZE);
    CU_ASSERT_EQUAL(size, 100000);
    CHECK_OK(mproc_queue_get_bytes(queue, bytes, 100000, &size, 0));
    CU_ASSERT_TRUE(is_filled(bytes, size, 1));
    CHECK_FAILS(mproc_queue_put(queue, bytes, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_queue_get(queue, bytes, 0), MPROC_EINVAL);
    free(bytes);
    CHECK_OK(mproc_queue_destroy(queue));
}

static void items_are_got_into_memory_of_their_own(void)
{
    mproc_queue queue;
    void *got = NULL;
    size_t size = 99;
    unsigned char *bytes = malloc(LARGEST);
    CHECK_OK(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    CHECK_FAILS(mproc_queue_get_alloc(queue, &got, &size, 10), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_queue_get_alloc(queue, &got, NULL, 0), MPROC_EINVAL);
    for (size_t i = 0; i < SIZES; i++) {
        fill(bytes, sizes[i], i);
        CHECK_OK(mproc_queue_put_bytes(queue, bytes, sizes[i], MPROC_NOWAIT));
        CHECK_OK(mproc_queue_get_alloc(queue, &got, &size, i % 2 ? MPROC_FOREVER : 60000));
        CU_ASSERT_EQUAL(size, sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(got);
        CU_ASSERT_TRUE(is_filled(got, size, i));
        mproc_connection_free(got);
    }
    CHECK_OK(mproc_queue_close(queue));
    CHECK_FAILS(mproc_queue_get_alloc(queue, &got, &size, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_queue_destroy(queue));
    free(bytes);
}

enum { MANY = 200, MANY_BYTES = MANY * 100 };

/* Puts all items [0, MANY) of lengths 0 to 99, in as many calls as it takes. */
static void put_all(mproc_queue queue, mproc_ms timeout)
{
    static unsigned char bytes[MANY][100];
    const void *items[MANY];
    size_t sizes_of_all[MANY], done = 0;
    for (size_t i = 0; i < MANY; i++) {
        sizes_of_all[i] = i % 100;
        fill(bytes[i], sizes_of_all[i], i);
        items[i] = bytes[i];
    }
    for (size_t put = 0; put < MANY; put += done)
        CHECK_OK(mproc_queue_put_many_bytes(queue, items + put, sizes_of_all + put, MANY - put, &done, timeout));
}

/* How many were not as they should be. */
static int get_all(mproc_queue queue, mproc_ms timeout)
{
    static unsigned char bytes[MANY_BYTES];
    size_t lengths[MANY], done = 0;
    int wrong = 0;
    for (size_t got = 0; got < MANY; got += done) {
        unsigned char *item = bytes;
        size_t room = got % 2 ? 500 : sizeof bytes;
        MPROC_MUST(mproc_queue_get_many_bytes(queue, bytes, room, lengths, MANY, &done, timeout));
        for (size_t i = 0; i < done; item += lengths[i++])
            wrong += lengths[i] != (got + i) % 100 || !is_filled(item, lengths[i], got + i);
    }
    return wrong;
}

static void many_items_of_all_lengths_are_put_and_got_at_once(void)
{
    mproc_queue queue;
    char bytes[10];
    const void *items[] = { "seven..", NULL };
    size_t item_sizes[] = { 7, 20000 }, done = 99;
    CHECK_OK(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    put_all(queue, MPROC_NOWAIT);
    CU_ASSERT_EQUAL(mproc_queue_qsize(queue), MANY);
    CU_ASSERT_EQUAL(get_all(queue, MPROC_NOWAIT), 0);
    CHECK_FAILS(mproc_queue_get_many_bytes(queue, bytes, sizeof bytes, item_sizes, 2, &done, 5), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(done, 0);
    CHECK_FAILS(mproc_queue_put_many_bytes(queue, items, item_sizes, 2, &done, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_queue_put_many_bytes(queue, items, NULL, 1, &done, 0), MPROC_EINVAL);
    CHECK_OK(mproc_queue_put_many_bytes(queue, NULL, NULL, 0, &done, 0));
    CHECK_OK(mproc_queue_put_many_bytes(queue, items, item_sizes, 1, &done, 0));
    CHECK_FAILS(mproc_queue_get_many_bytes(queue, bytes, 6, item_sizes, 2, &done, 0), MPROC_EMSGSIZE);
    CU_ASSERT_EQUAL(item_sizes[0], 7);
    CHECK_FAILS(mproc_queue_get_many_bytes(queue, bytes, sizeof bytes, item_sizes, 0, &done, 0), MPROC_EINVAL);
    CHECK_OK(mproc_queue_get_many_bytes(queue, bytes, 7, item_sizes, 2, &done, 0));
    CU_ASSERT_TRUE(done == 1 && item_sizes[0] == 7 && memcmp(bytes, "seven..", 7) == 0);
    CHECK_OK(mproc_queue_destroy(queue));
}

static int get_all_in_child(void *argument)
{
    return get_all(*(mproc_queue *) argument, MPROC_FOREVER);
}

static void many_at_once_pass_between_processes(void)
{
    mproc_queue queue;
    mproc_queue_options options = { .item_size = MPROC_VARIABLE, .maxsize = 30 };
    CHECK_OK(mproc_queue_create_with(&queue, &options));
    mproc_process *getter = start_child(get_all_in_child, &queue, sizeof queue, NULL);
    put_all(queue, 60000);
    CU_ASSERT_EQUAL(end_child(getter), 0);
    CU_ASSERT_TRUE(mproc_queue_empty(queue));
    CHECK_OK(mproc_queue_destroy(queue));
}

static void a_limit_in_bytes_holds(void)
{
    mproc_queue queue;
    mproc_queue_options options = { .item_size = MPROC_VARIABLE, .max_bytes = 1000 };
    CHECK_OK(mproc_queue_create_with(&queue, &options));
    static unsigned char bytes[70000];
    size_t size;
    for (int round = 0; round < 5; round++) {
        CHECK_OK(mproc_queue_put_bytes(queue, bytes, 600, 0));
        CHECK_FAILS(mproc_queue_put_bytes(queue, bytes, 401, 0), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_queue_put_bytes(queue, bytes, 400, 0));
        CHECK_FAILS(mproc_queue_put_bytes(queue, bytes, 1, 0), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_queue_get_bytes(queue, bytes, sizeof bytes, &size, 0));
        CHECK_FAILS(mproc_queue_put_bytes(queue, bytes, 601, 10), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_queue_put_bytes(queue, bytes, 600, 0));
        for (int i = 0; i < 2; i++)
            CHECK_OK(mproc_queue_get_bytes(queue, bytes, sizeof bytes, &size, 0));
        CHECK_OK(mproc_queue_put_bytes(queue, bytes, sizeof bytes, 0)); /* alone it may be larger */
        CHECK_FAILS(mproc_queue_put_bytes(queue, bytes, 1, 0), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_queue_get_bytes(queue, bytes, sizeof bytes, &size, 0));
        CU_ASSERT_EQUAL(size, sizeof bytes);
    }
    CHECK_OK(mproc_queue_destroy(queue));
}

static void put_ten_thousand(void *context)
{
    mproc_queue *queue = context;
    for (size_t i = 0; i < 10000; i++)
        MPROC_MUST(mproc_queue_put_bytes(*queue, "an item of at most thirty bytes", i % 30, MPROC_FOREVER));
}

/* What a putter reads of the getting end while that goes on: the thread sanitizer looks on. */
static void threads_share_a_limit_in_bytes(void)
{
    mproc_queue queue;
    mproc_queue_options options = { .item_size = MPROC_VARIABLE, .max_bytes = 300 };
    CHECK_OK(mproc_queue_create_with(&queue, &options));
    struct test_thread *thread = thread_start(put_ten_thousand, &queue);
    for (size_t i = 0; i < 10000; i++) {
        char bytes[30];
        size_t size = 99;
        MPROC_MUST(mproc_queue_get_bytes(queue, bytes, sizeof bytes, &size, MPROC_FOREVER));
        if (size != i % 30)
            CU_ASSERT_EQUAL(size, i % 30);
    }
    thread_join(thread);
    CU_ASSERT_TRUE(mproc_queue_empty(queue));
    CHECK_OK(mproc_queue_destroy(queue));
}

struct work {
    mproc_queue queue;
    int index, count;
    bool limited;
    mproc_ms timeout;
};

static size_t size_of(int producer, int number)
{
    return sizes[(size_t) (producer * 5 + number) % SIZES];
}

static int produce(void *argument)
{
    struct work *work = argument;
    unsigned char *bytes = malloc(LARGEST + 2);
    for (int i = 0; i < work->count; i++) {
        size_t size = size_of(work->index, i) + 2;
        fill(bytes, size, (size_t) i);
        bytes[0] = (unsigned char) work->index;
        bytes[1] = (unsigned char) i;
        CHILD_OK(mproc_queue_put_bytes(work->queue, bytes, size, MPROC_FOREVER));
    }
    free(bytes);
    return 0;
}

static void items_of_all_lengths_pass_between_processes(void)
{
    static const mproc_ms timeouts[] = { MPROC_FOREVER, 60000 };
    for (int run = 0; run < 4; run++) {
        struct work work = { .count = 46 };
        mproc_queue_options options = { .item_size = MPROC_VARIABLE, .max_bytes = run & 1 ? 100000 : 0 };
        CHECK_OK(mproc_queue_create_with(&work.queue, &options));
        mproc_process *producers[2];
        for (int i = 0; i < 2; i++) {
            work.index = i;
            producers[i] = start_child(produce, &work, sizeof work, NULL);
        }
        unsigned char *bytes = malloc(LARGEST + 2);
        int next[2] = { 0, 0 };
        for (int i = 0; i < 2 * work.count; i++) {
            size_t size = 0;
            CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, LARGEST + 2, &size, timeouts[run / 2]));
            int producer = bytes[0];
            CU_ASSERT_TRUE_FATAL(producer < 2);
            int number = next[producer]++;
            CU_ASSERT_EQUAL(bytes[1], number);
            CU_ASSERT_EQUAL(size, size_of(producer, number) + 2);
            bytes[0] = pattern((size_t) number, 0);
            bytes[1] = pattern((size_t) number, 1);
            CU_ASSERT_TRUE(is_filled(bytes, size, (size_t) number));
        }
        free(bytes);
        for (int i = 0; i < 2; i++)
            CU_ASSERT_EQUAL(end_child(producers[i]), 0);
        CU_ASSERT_TRUE(mproc_queue_empty(work.queue));
        CHECK_OK(mproc_queue_destroy(work.queue));
    }
}

static void what_was_grown_is_given_back(void)
{
    uint64_t before = mproc__arena_used();
    mproc_queue queue;
    unsigned char *bytes = malloc(LARGEST);
    fill(bytes, LARGEST, 0);
    CHECK_OK(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    CU_ASSERT_TRUE(mproc__arena_used() - before <= 16384);
    for (int i = 0; i < 10; i++)
        CHECK_OK(mproc_queue_put_bytes(queue, bytes, LARGEST, 0));
    CU_ASSERT_TRUE(mproc__arena_used() - before > 50000000);
    size_t size;
    for (int i = 0; i < 10; i++)
        CHECK_OK(mproc_queue_get_bytes(queue, bytes, LARGEST, &size, 0));
    CU_ASSERT_TRUE(mproc__arena_used() - before <= 5 << 20);
    for (int i = 0; i < 10; i++)
        CHECK_OK(mproc_queue_put_bytes(queue, bytes, LARGEST, 0));
    CHECK_OK(mproc_queue_destroy(queue));
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
    free(bytes);
}

MPROC_SUITE(queue_variable, MPROC_TEST(items_of_all_lengths_come_whole),
            MPROC_TEST(a_short_buffer_leaves_the_item_there),
            MPROC_TEST(items_are_got_into_memory_of_their_own),
            MPROC_TEST(many_items_of_all_lengths_are_put_and_got_at_once),
            MPROC_TEST(many_at_once_pass_between_processes), MPROC_TEST(a_limit_in_bytes_holds),
            MPROC_TEST(threads_share_a_limit_in_bytes),
            MPROC_TEST(items_of_all_lengths_pass_between_processes),
            MPROC_TEST(what_was_grown_is_given_back))
