/* SPDX-License-Identifier: MIT */
/* Queue with items of any length, from nothing to many megabytes, and limits in bytes. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "channel.h"
#include "platform.h"

static unsigned char pattern(size_t seed, size_t i)
{
    return (unsigned char) ((seed * 131 + i * 7 + i / 251) & 0xff);
}

static void fill(unsigned char *bytes, size_t size, size_t seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern(seed, i);
}

static bool is_filled(const unsigned char *bytes, size_t size, size_t seed)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != pattern(seed, i))
            return false;
    return true;
}

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

/* ---- those who die in the middle of a large item ---- */

static mproc_process *start_to_die(mproc_target *target, const struct work *work, const char *fault)
{
    const char *environment[] = { fault, NULL };
    mproc_process_options options = { .environment = environment };
    return start_child(target, work, sizeof *work, &options);
}

static int put_largest(void *argument)
{
    struct work *work = argument;
    unsigned char *bytes = malloc(LARGEST);
    fill(bytes, LARGEST, 1);
    CHILD_OK(mproc_queue_put_bytes(work->queue, bytes, LARGEST, MPROC_FOREVER));
    return 0;
}

static int put_after(void *argument)
{
    struct work *work = argument;
    CHILD_OK(mproc_queue_put_bytes(work->queue, "after", 6, MPROC_FOREVER));
    return 0;
}

static void half_an_item_does_not_exist(void)
{
    static const char *const faults[] = { "MPROC_FAULT=channel.put_committed:1:kill",
                                          "MPROC_FAULT=channel.put_prepared:40:kill",
                                          "MPROC_FAULT=channel.put_committed:100:kill" };
    unsigned char *bytes = malloc(LARGEST);
    for (int i = 0; i < 3; i++)
        for (int forever = 0; forever < 2; forever++) {
            struct work work = { .count = 0 };
            size_t size = 0;
            CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
            uint64_t idle = mproc__arena_used();
            mproc_process *dying = start_to_die(put_largest, &work, faults[i]);
            if (!forever) {
                CU_ASSERT_NOT_EQUAL(end_child(dying), 0);
                CU_ASSERT_EQUAL(mproc_queue_qsize(work.queue), 0);
                CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, 0), MPROC_ETIMEDOUT);
                CU_ASSERT_TRUE(mproc__arena_used() - idle < 3 << 19); /* its pieces were taken away */
            }
            mproc_process *other = start_child(put_after, &work, sizeof work, NULL);
            CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, forever ? MPROC_FOREVER : 60000));
            CU_ASSERT_EQUAL(size, 6);
            CU_ASSERT_STRING_EQUAL((char *) bytes, "after");
            CU_ASSERT_EQUAL(end_child(other), 0);
            if (forever)
                CU_ASSERT_NOT_EQUAL(end_child(dying), 0);
            CHECK_OK(mproc_queue_destroy(work.queue));
        }
    free(bytes);
}

static void half_an_item_is_not_too_long_for_a_short_buffer(void)
{
    struct work work = { .count = 0 };
    char bytes[6] = "";
    size_t size = 0;
    CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
    CU_ASSERT_NOT_EQUAL(end_child(start_to_die(put_largest, &work, "MPROC_FAULT=channel.put_committed:30:kill")), 0);
    CU_ASSERT_EQUAL(run_child(put_after, &work, sizeof work, NULL), 0);
    CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, sizeof bytes, &size, MPROC_NOWAIT));
    CU_ASSERT_STRING_EQUAL(bytes, "after");
    CHECK_OK(mproc_queue_destroy(work.queue));
}

static void who_waits_for_the_rest_of_an_item_learns_of_its_putters_death(void)
{
    struct work work = { .count = 0 };
    unsigned char *bytes = malloc(LARGEST);
    size_t size;
    CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
    mproc_process *dying = start_to_die(put_largest, &work, "MPROC_FAULT=channel.put_committed:10:wait");
    /* It stands still in the middle, and is killed while we wait for the rest. */
    struct channel *channel = mproc__channel_in(mproc__object(BLOCK_QUEUE, work.queue.id));
    while (mproc__position_of(atomic_load(&channel->tail)) == 0)
        sleep_briefly();
    CHECK_OK(mproc_process_kill(dying));
    mproc_process *other = start_child(put_after, &work, sizeof work, NULL);
    CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, MPROC_FOREVER));
    CU_ASSERT_EQUAL(size, 6);
    CU_ASSERT_EQUAL(end_child(other), 0);
    end_child(dying);
    free(bytes);
    CHECK_OK(mproc_queue_destroy(work.queue));
}

static int get_one(void *argument)
{
    struct work *work = argument;
    unsigned char *bytes = malloc(LARGEST);
    size_t size;
    CHILD_OK(mproc_queue_get_bytes(work->queue, bytes, LARGEST, &size, MPROC_FOREVER));
    return 0;
}

static void an_item_whose_getter_dies_in_the_middle_is_lost_and_no_other(void)
{
    unsigned char *bytes = malloc(LARGEST);
    for (int i = 0; i < 2; i++) {
        struct work work = { .count = 0 };
        size_t size;
        CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
        mproc_process *dying = start_to_die(get_one, &work, i ? "MPROC_FAULT=channel.get_committed:20:kill"
                                                              : "MPROC_FAULT=channel.get_prepared:1:kill");
        fill(bytes, LARGEST, 1);
        CHECK_OK(mproc_queue_put_bytes(work.queue, bytes, LARGEST, MPROC_FOREVER));
        CU_ASSERT_NOT_EQUAL(end_child(dying), 0);
        CHECK_OK(mproc_queue_put_bytes(work.queue, "after", 6, MPROC_FOREVER));
        CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, 60000));
        if (i == 0) { /* it had taken nothing yet */
            CU_ASSERT_EQUAL(size, LARGEST);
            CU_ASSERT_TRUE(is_filled(bytes, size, 1));
            CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, 60000));
        }
        CU_ASSERT_EQUAL(size, 6);
        CU_ASSERT_TRUE(mproc_queue_empty(work.queue));
        CHECK_OK(mproc_queue_destroy(work.queue));
    }
    free(bytes);
}

/* ---- those who stand still in the middle of a large item ---- */

static bool is_in_the_middle(void)
{
    return strstr(mproc_last_error(), "in the middle of a large item") != NULL;
}

static void who_does_not_wait_does_not_wait_for_a_large_item(void)
{
    struct work work = { .count = 0 };
    unsigned char *bytes = malloc(LARGEST);
    size_t size = 0;
    CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
    mproc_process *putter = start_delayed_child(put_largest, &work, sizeof work, "channel.put_committed", 10);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(putter));
    int64_t begin = mproc_plat_now();
    for (int i = 0; i < 40; i++) {
        CHECK_FAILS(mproc_queue_put_bytes(work.queue, "no", 3, i % 2), MPROC_ETIMEDOUT);
        CU_ASSERT_TRUE(is_in_the_middle());
        CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    }
    CU_ASSERT_TRUE(mproc_plat_now() - begin < INT64_C(20000000000)); /* half a second for one is too long by far */
    end_delay(putter);
    CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, 60000));
    CU_ASSERT_TRUE(size == LARGEST && is_filled(bytes, size, 1));
    CU_ASSERT_EQUAL(end_child(putter), 0);

    mproc_process *getter = start_delayed_child(get_one, &work, sizeof work, "channel.get_committed", 10);
    CHECK_OK(mproc_queue_put_bytes(work.queue, bytes, LARGEST, 60000));
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(getter));
    CHECK_OK(mproc_queue_put_bytes(work.queue, "after", 6, 60000));
    CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(is_in_the_middle());
    end_delay(getter);
    CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, LARGEST, &size, 60000));
    CU_ASSERT_STRING_EQUAL((char *) bytes, "after");
    CU_ASSERT_EQUAL(end_child(getter), 0);
    free(bytes);
    CHECK_OK(mproc_queue_destroy(work.queue));
}

/* ---- no memory in the middle of a large item ---- */

/* The program has a small arena, in which its large items do not find room. */
static void a_large_item_without_room_leaves_nothing(void)
{
    char output[2000];
    const char *before = getenv("MPROC_ARENA_LIMIT");
    CHECK_OK(mproc_plat_set_environment("MPROC_ARENA_LIMIT", "33554432"));
    CU_ASSERT_EQUAL(run_program(PROGRAM("fills_its_queues"), start_method_name(), output, sizeof output), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "everything works"));
    if (!strstr(output, "everything works"))
        printf("%s\n", output);
    CHECK_OK(mproc_plat_set_environment("MPROC_ARENA_LIMIT", before));
}

MPROC_SUITE(queue_variable, MPROC_TEST(half_an_item_does_not_exist),
            MPROC_TEST(half_an_item_is_not_too_long_for_a_short_buffer),
            MPROC_TEST(who_waits_for_the_rest_of_an_item_learns_of_its_putters_death),
            MPROC_TEST(an_item_whose_getter_dies_in_the_middle_is_lost_and_no_other),
            MPROC_TEST(who_does_not_wait_does_not_wait_for_a_large_item),
            MPROC_TEST(a_large_item_without_room_leaves_nothing), MPROC_TEST(items_of_all_lengths_come_whole),
            MPROC_TEST(a_short_buffer_leaves_the_item_there), MPROC_TEST(items_are_got_into_memory_of_their_own), MPROC_TEST(a_limit_in_bytes_holds),
            MPROC_TEST(threads_share_a_limit_in_bytes),
            MPROC_TEST(items_of_all_lengths_pass_between_processes),
            MPROC_TEST(what_was_grown_is_given_back))
