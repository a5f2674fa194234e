/* SPDX-License-Identifier: MIT */
/* Queue with large items, in the middle of which somebody dies, stands still, or finds no memory. */
#include "pattern.h"
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "channel.h"
#include "platform.h"

enum { LARGEST = 5000000 };

struct work {
    mproc_queue queue;
};

/* ---- those who die ---- */

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
    free(bytes);
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
            struct work work = { { 0 } };
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
    struct work work = { { 0 } };
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
    struct work work = { { 0 } };
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
    free(bytes);
    return 0;
}

static void an_item_whose_getter_dies_in_the_middle_is_lost_and_no_other(void)
{
    unsigned char *bytes = malloc(LARGEST);
    for (int i = 0; i < 2; i++) {
        struct work work = { { 0 } };
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

/* ---- those who stand still ---- */

static bool is_in_the_middle(void)
{
    return strstr(mproc_last_error(), "in the middle of a large item") != NULL;
}

static void who_does_not_wait_does_not_wait_for_a_large_item(void)
{
    struct work work = { { 0 } };
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

/* ---- no memory ---- */

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

MPROC_SUITE(queue_large, MPROC_TEST(half_an_item_does_not_exist),
            MPROC_TEST(half_an_item_is_not_too_long_for_a_short_buffer),
            MPROC_TEST(who_waits_for_the_rest_of_an_item_learns_of_its_putters_death),
            MPROC_TEST(an_item_whose_getter_dies_in_the_middle_is_lost_and_no_other),
            MPROC_TEST(who_does_not_wait_does_not_wait_for_a_large_item),
            MPROC_TEST(a_large_item_without_room_leaves_nothing))
