/* SPDX-License-Identifier: MIT */
/* Items written and read in place, returned or given back; many at once. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"

static void an_item_is_written_and_read_where_it_lies(void)
{
    uint64_t before = mproc__arena_used();
    mproc_queue queue;
    CHECK_OK(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    for (int i = 0; i < 100; i++) {
        mproc_item item = { .size = 0 };
        CHECK_OK(mproc_queue_loan(queue, 100000, &item));
        CU_ASSERT_EQUAL_FATAL(item.size, 100000);
        CU_ASSERT_EQUAL((uintptr_t) item.data % 16, 0);
        memset(item.data, i, item.size);
        void *data = item.data;
        CHECK_OK(mproc_queue_commit(queue, &item, MPROC_FOREVER));
        CU_ASSERT_PTR_NULL(item.data);
        CU_ASSERT_EQUAL(mproc_queue_qsize(queue), 1);
        CHECK_OK(mproc_queue_borrow(queue, &item, MPROC_NOWAIT));
        CU_ASSERT_EQUAL(mproc_queue_qsize(queue), 0);
        CU_ASSERT_PTR_EQUAL(item.data, data);
        CU_ASSERT_EQUAL(item.size, 100000);
        CU_ASSERT_EQUAL(item.deliveries, 0);
        CU_ASSERT_EQUAL(((unsigned char *) item.data)[99999], i);
        CHECK_OK(mproc_queue_return(queue, &item));
        CU_ASSERT_PTR_NULL(item.data);
    }
    CHECK_OK(mproc_queue_destroy(queue));
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

static void copies_and_items_in_place_mix(void)
{
    uint64_t before = mproc__arena_used();
    static char bytes[200000], got[200000];
    static const size_t sizes[] = { 0, 5, 30000, 100000, 200000 };
    mproc_queue queue;
    CHECK_OK(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < 5; i++) {
            memset(bytes, (int) i + 1, sizeof bytes);
            mproc_item item;
            if (round & 1) {
                CHECK_OK(mproc_queue_loan(queue, sizes[i], &item));
                memcpy(item.data, bytes, sizes[i]);
                CHECK_OK(mproc_queue_commit(queue, &item, 0));
            } else {
                CHECK_OK(mproc_queue_put_bytes(queue, bytes, sizes[i], 0));
            }
        }
        for (size_t i = 0; i < 5; i++) {
            memset(bytes, (int) i + 1, sizeof bytes);
            mproc_item item;
            size_t size = 0;
            if (round & 2) {
                CHECK_OK(mproc_queue_borrow(queue, &item, 0));
                CU_ASSERT_EQUAL(item.size, sizes[i]);
                CU_ASSERT_EQUAL(memcmp(item.data, bytes, sizes[i]), 0);
                CHECK_OK(mproc_queue_return(queue, &item));
            } else {
                if (sizes[i] > 0)
                    CHECK_FAILS(mproc_queue_get_bytes(queue, got, sizes[i] - 1, &size, 0), MPROC_EMSGSIZE);
                CHECK_OK(mproc_queue_get_bytes(queue, got, sizeof got, &size, 0));
                CU_ASSERT_EQUAL(size, sizes[i]);
                CU_ASSERT_EQUAL(memcmp(got, bytes, size), 0);
            }
        }
        CU_ASSERT_TRUE(mproc_queue_empty(queue));
    }
    CHECK_OK(mproc_queue_destroy(queue));
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

static void what_is_given_back_comes_first_and_counts_deliveries(void)
{
    mproc_queue queue;
    CHECK_OK(mproc_queue_create(&queue, sizeof(int), 0));
    for (int i = 0; i < 3; i++)
        CHECK_OK(mproc_queue_put(queue, &i, 0));
    mproc_item first, second;
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(mproc_queue_borrow(queue, &first, 0));
        CU_ASSERT_EQUAL(*(int *) first.data, 0);
        CU_ASSERT_EQUAL(first.deliveries, i);
        CHECK_OK(mproc_queue_borrow(queue, &second, 0));
        CU_ASSERT_EQUAL(*(int *) second.data, 1);
        CHECK_OK(mproc_queue_give_back(queue, &first));
        CHECK_OK(mproc_queue_give_back(queue, &second));
        CU_ASSERT_EQUAL(mproc_queue_qsize(queue), 3);
    }
    for (int i = 0; i < 3; i++) {
        int got = -1;
        CHECK_OK(mproc_queue_get(queue, &got, 0));
        CU_ASSERT_EQUAL(got, i);
    }
    CU_ASSERT_TRUE(mproc_queue_empty(queue));
    CHECK_OK(mproc_queue_destroy(queue));
}

static void items_that_this_process_has_not_are_refused(void)
{
    mproc_queue queue;
    mproc_item item = { .size = 0 }, copy;
    CHECK_OK(mproc_queue_create(&queue, sizeof(int), 1));
    CHECK_FAILS(mproc_queue_return(queue, &item), MPROC_ESTATE);
    CHECK_FAILS(mproc_queue_loan(queue, 5, &item), MPROC_EINVAL);
    CHECK_FAILS(mproc_queue_borrow(queue, &item, 5), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_queue_loan(queue, sizeof(int), &item));
    *(int *) item.data = 5;
    copy = item;
    CHECK_FAILS(mproc_queue_give_back(queue, &item), MPROC_ESTATE);
    CHECK_OK(mproc_queue_commit(queue, &item, 0));
    CHECK_FAILS(mproc_queue_commit(queue, &copy, 0), MPROC_ESTATE);
    CHECK_FAILS(mproc_queue_return(queue, &copy), MPROC_ESTATE);
    CHECK_OK(mproc_queue_loan(queue, sizeof(int), &item));
    CHECK_FAILS(mproc_queue_commit(queue, &item, 5), MPROC_ETIMEDOUT); /* full, and still ours */
    CHECK_OK(mproc_queue_return(queue, &item));
    CHECK_OK(mproc_queue_borrow(queue, &item, 0));
    CHECK_FAILS(mproc_queue_commit(queue, &item, 0), MPROC_ESTATE);
    copy = item;
    CHECK_OK(mproc_queue_return(queue, &item));
    CHECK_FAILS(mproc_queue_return(queue, &copy), MPROC_ESTATE);
    CHECK_OK(mproc_queue_close(queue));
    CHECK_FAILS(mproc_queue_borrow(queue, &item, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_queue_destroy(queue));
}

static void many_loans_at_once(void)
{
    uint64_t before = mproc__arena_used();
    enum { COUNT = 200 };
    mproc_queue queue;
    mproc_item items[COUNT];
    CHECK_OK(mproc_queue_create(&queue, sizeof(int), 0));
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(mproc_queue_loan(queue, sizeof(int), &items[i]));
        *(int *) items[i].data = i;
    }
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(mproc_queue_commit(queue, &items[i], 0));
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(mproc_queue_borrow(queue, &items[i], 0));
        CU_ASSERT_EQUAL(*(int *) items[i].data, i);
    }
    for (int i = 0; i < COUNT; i += 2)
        CHECK_OK(mproc_queue_return(queue, &items[i]));
    CHECK_OK(mproc_queue_destroy(queue)); /* with the rest still borrowed */
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

/* Writes, puts, borrows and returns so many, `at_once` of them in the queue at a time; what is used of the arena. */
static uint64_t pass_items(mproc_queue queue, size_t size, int count, int at_once)
{
    for (int i = 0; i < count; i++) {
        mproc_item item = { .size = 0 };
        for (int put = 0; put < at_once; put++) {
            CHECK_OK(mproc_queue_loan(queue, size, &item));
            CU_ASSERT_EQUAL_FATAL(item.size, size);
            memset(item.data, i + put, size);
            CHECK_OK(mproc_queue_commit(queue, &item, MPROC_FOREVER));
        }
        for (int got = 0; got < at_once; got++) {
            CHECK_OK(mproc_queue_borrow(queue, &item, MPROC_NOWAIT));
            const unsigned char *bytes = item.data;
            CU_ASSERT_TRUE(bytes[0] == (unsigned char) (i + got) && bytes[size - 1] == bytes[0]);
            CHECK_OK(mproc_queue_return(queue, &item));
        }
    }
    return mproc__arena_used();
}

/* A queue of items of one size keeps their blocks for the next ones: some, and no more. */
static void blocks_are_used_again_and_do_not_become_more(void)
{
    enum { SIZE = 20000, MOST_KEPT = 140 };
    static const size_t sizes[] = { 1, SIZE, 65536, 65537 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t before = mproc__arena_used();
        mproc_queue queue;
        CHECK_OK(mproc_queue_create(&queue, sizes[i], 0));
        uint64_t soon = pass_items(queue, sizes[i], 100, 1);
        CU_ASSERT_EQUAL(pass_items(queue, sizes[i], 300, 1), soon);
        CU_ASSERT_TRUE(pass_items(queue, sizes[i], 2, 500) - before < MOST_KEPT * (sizes[i] * 5 / 4 + 200));
        CHECK_OK(mproc_queue_destroy(queue));
        CU_ASSERT_EQUAL(mproc__arena_used(), before);
    }
}

/* Items that were copied into the queue are borrowed in blocks that it keeps as well. */
static void copies_are_borrowed_in_kept_blocks(void)
{
    uint64_t before = mproc__arena_used(), used = 0;
    static char bytes[5000];
    mproc_queue queue;
    mproc_item item;
    CHECK_OK(mproc_queue_create(&queue, sizeof bytes, 0));
    for (int i = 0; i < 400; i++) {
        memset(bytes, i, sizeof bytes);
        CHECK_OK(mproc_queue_put(queue, bytes, 0));
        CHECK_OK(mproc_queue_borrow(queue, &item, 0));
        CU_ASSERT_EQUAL(memcmp(item.data, bytes, sizeof bytes), 0);
        CHECK_OK(mproc_queue_return(queue, &item));
        if (i == 100)
            used = mproc__arena_used();
    }
    CU_ASSERT_EQUAL(mproc__arena_used(), used);
    CHECK_OK(mproc_queue_destroy(queue));
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

static void many_items_are_put_and_got_at_once(void)
{
    mproc_queue queue;
    int items[500];
    size_t done = 99;
    for (int i = 0; i < 500; i++)
        items[i] = i;
    CHECK_OK(mproc_queue_create(&queue, sizeof(int), 300));
    CHECK_FAILS(mproc_queue_get_many(queue, items, 500, &done, 0), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(done, 0);
    CHECK_FAILS(mproc_queue_put_many(queue, items, 500, &done, 5), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(done, 300);
    CU_ASSERT_EQUAL(mproc_queue_qsize(queue), 300);
    memset(items, 0, sizeof items);
    for (int next = 0; next < 300;) {
        CHECK_OK(mproc_queue_get_many(queue, items, 500, &done, MPROC_NOWAIT));
        CU_ASSERT_TRUE_FATAL(done > 0);
        for (size_t i = 0; i < done; i++)
            CU_ASSERT_EQUAL(items[i], next++);
    }
    CHECK_FAILS(mproc_queue_get_many(queue, items, 0, &done, 0), MPROC_EINVAL);
    CHECK_OK(mproc_queue_put_many(queue, NULL, 0, &done, 0));
    CHECK_OK(mproc_queue_destroy(queue));
}

/* ---- those who die with an item ---- */

struct work {
    mproc_queue queue, done;
    int how;
};

static int die_with_an_item(void *argument)
{
    struct work *work = argument;
    mproc_item item;
    int said = 1;
    if (work->how == 0)
        CHILD_OK(mproc_queue_borrow(work->queue, &item, MPROC_FOREVER));
    else
        CHILD_OK(mproc_queue_loan(work->queue, sizeof(int), &item));
    CHILD_OK(mproc_queue_put(work->done, &said, MPROC_FOREVER));
    if (work->how == 2)
        return 0;
    return hang_for_ever(NULL);
}

static void a_dead_borrowers_item_goes_to_the_next(void)
{
    struct work work = { .how = 0 };
    int got;
    CHECK_OK(mproc_queue_create(&work.queue, sizeof(int), 0));
    CHECK_OK(mproc_queue_create(&work.done, sizeof(int), 0));
    for (int i = 0; i < 2; i++)
        CHECK_OK(mproc_queue_put(work.queue, &i, 0));
    mproc_process *processes[2];
    for (int i = 0; i < 2; i++)
        processes[i] = start_child(die_with_an_item, &work, sizeof work, NULL);
    for (int i = 0; i < 2; i++)
        CHECK_OK(mproc_queue_get(work.done, &got, 60000));
    CHECK_FAILS(mproc_queue_get(work.queue, &got, 20), MPROC_ETIMEDOUT);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(mproc_process_kill(processes[i]));
        end_child(processes[i]);
    }
    mproc_item item;
    CHECK_OK(mproc_queue_borrow(work.queue, &item, 60000));
    CU_ASSERT_EQUAL(item.deliveries, 1);
    int first = *(int *) item.data;
    CHECK_OK(mproc_queue_return(work.queue, &item));
    CHECK_OK(mproc_queue_get(work.queue, &got, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(first + got, 1);
    CHECK_FAILS(mproc_queue_get(work.queue, &got, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_queue_destroy(work.queue));
    CHECK_OK(mproc_queue_destroy(work.done));
}

static void what_a_dead_process_was_writing_is_freed(void)
{
    uint64_t before = 0;
    for (int round = 0; round < 3; round++) {
        struct work work = { .how = 2 };
        int got;
        if (round == 1)
            before = mproc__arena_used();
        CHECK_OK(mproc_queue_create(&work.queue, sizeof(int), 0));
        CHECK_OK(mproc_queue_create(&work.done, sizeof(int), 0));
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(run_child(die_with_an_item, &work, sizeof work, NULL), 0);
        CHECK_FAILS(mproc_queue_get(work.queue, &got, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_queue_destroy(work.queue));
        CHECK_OK(mproc_queue_destroy(work.done));
    }
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

struct holding {
    mproc_queue queue;
    mproc_memory flags; /* ints: 0 how far the holder is, 1 how far it may go */
};

static int hold_an_item(void *argument)
{
    struct holding *holding = argument;
    _Atomic int *flags = mproc_pointer(holding->flags);
    mproc_item item;
    CHILD_OK(mproc_queue_loan(holding->queue, 10, &item));
    atomic_store(&flags[0], 1);
    CHILD_CHECK(wait_until(&flags[1], 1));
    CHILD_OK(mproc_queue_return(holding->queue, &item));
    atomic_store(&flags[0], 2);
    return hang_for_ever(NULL);
}

static int get_a_number(void *argument)
{
    struct holding *holding = argument;
    int number = 0;
    size_t size;
    CHILD_OK(mproc_queue_get_bytes(holding->queue, &number, sizeof number, &size, MPROC_FOREVER));
    return number;
}

/* The sweeper reads who has an item and stands still; the item is returned, its place in the table goes to
 * another, and then the first one dies. */
static void who_sweeps_after_the_dead_leaves_the_items_of_the_living(void)
{
    struct holding holding;
    _Atomic int *flags = shared_ints(&holding.flags, 2);
    mproc_item item = { .size = 0 };
    CHECK_OK(mproc_queue_create(&holding.queue, MPROC_VARIABLE, 0));
    mproc_process *holder = start_child(hold_an_item, &holding, sizeof holding, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&flags[0], 1));
    mproc_process *sweeper = start_delayed_child(get_a_number, &holding, sizeof holding, "loans.owner_read", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(sweeper));
    atomic_store(&flags[1], 1);
    CU_ASSERT_TRUE_FATAL(wait_until(&flags[0], 2));
    CHECK_OK(mproc_queue_loan(holding.queue, sizeof(int), &item));
    *(int *) item.data = 42;
    CHECK_OK(mproc_process_kill(holder));
    CU_ASSERT_NOT_EQUAL(end_child(holder), 0);
    end_delay(sweeper);
    int number = 0;
    size_t size;
    /* Who looks must wait until the sweeper has done. */
    CHECK_FAILS(mproc_queue_get_bytes(holding.queue, &number, sizeof number, &size, MPROC_NOWAIT),
                MPROC_ETIMEDOUT);
    CHECK_OK(mproc_queue_commit(holding.queue, &item, MPROC_FOREVER));
    CU_ASSERT_EQUAL(end_child(sweeper), 42);
    CHECK_OK(mproc_queue_destroy(holding.queue));
    CHECK_OK(mproc_free(holding.flags));
}

static int pass_one_in_place(void *argument)
{
    struct holding *holding = argument;
    mproc_item item;
    CHILD_OK(mproc_queue_loan(holding->queue, sizeof(int), &item));
    *(int *) item.data = 7;
    CHILD_OK(mproc_queue_commit(holding->queue, &item, MPROC_FOREVER));
    CHILD_OK(mproc_queue_borrow(holding->queue, &item, MPROC_FOREVER));
    CHILD_OK(mproc_queue_return(holding->queue, &item));
    return 0;
}

/* Its entry in the table then names no block, or says on what way the item is. Else a sweep frees what the ring has. */
static void an_item_in_the_ring_is_not_freed_with_a_dead_process(void)
{
    static const char *const faults[] = { "MPROC_FAULT=loans.emptied:1:kill",
                                          "MPROC_FAULT=channel.borrow_begun:1:kill",
                                          "MPROC_FAULT=channel.borrow_taking:1:kill" };
    for (int i = 0; i < 3; i++) {
        struct holding holding = { .flags = { 0 } };
        const char *environment[] = { faults[i], NULL };
        const mproc_process_options options = { .environment = environment };
        mproc_item item, other;
        int nothing;
        CHECK_OK(mproc_queue_create(&holding.queue, sizeof(int), 0));
        CU_ASSERT_NOT_EQUAL(run_child(pass_one_in_place, &holding, sizeof holding, &options), 0);
        CHECK_OK(mproc_queue_borrow(holding.queue, &item, MPROC_NOWAIT));
        CHECK_FAILS(mproc_queue_get(holding.queue, &nothing, MPROC_NOWAIT), MPROC_ETIMEDOUT); /* sweeps */
        CHECK_OK(mproc_queue_loan(holding.queue, sizeof(int), &other));
        *(int *) other.data = 9;
        CU_ASSERT_EQUAL(*(int *) item.data, 7);
        CHECK_OK(mproc_queue_return(holding.queue, &item));
        CHECK_OK(mproc_queue_return(holding.queue, &other));
        CHECK_OK(mproc_queue_destroy(holding.queue));
    }
}

MPROC_SUITE(queue_in_place, MPROC_TEST(an_item_is_written_and_read_where_it_lies),
            MPROC_TEST(copies_and_items_in_place_mix),
            MPROC_TEST(what_is_given_back_comes_first_and_counts_deliveries),
            MPROC_TEST(items_that_this_process_has_not_are_refused), MPROC_TEST(many_loans_at_once),
            MPROC_TEST(blocks_are_used_again_and_do_not_become_more),
            MPROC_TEST(copies_are_borrowed_in_kept_blocks), MPROC_TEST(many_items_are_put_and_got_at_once),
            MPROC_TEST(a_dead_borrowers_item_goes_to_the_next),
            MPROC_TEST(what_a_dead_process_was_writing_is_freed),
            MPROC_TEST(who_sweeps_after_the_dead_leaves_the_items_of_the_living),
            MPROC_TEST(an_item_in_the_ring_is_not_freed_with_a_dead_process))
