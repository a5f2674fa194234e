/* SPDX-License-Identifier: MIT */
/* Queues that are closed while others put, get and borrow, stand still in the middle of it, or die. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "registry.h"

enum { LARGE = 500000 };

struct work {
    mproc_queue queue;
    mproc_memory flags; /* ints: 0 how far the first child is, 1 how far it may go */
    size_t size;
    bool gives_back;
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

/* ---- closed while somebody has borrowed the last item ---- */

static int borrow_and_wait(void *argument)
{
    struct work *work = argument;
    _Atomic int *flags = mproc_pointer(work->flags);
    mproc_item item;
    CHILD_OK(mproc_queue_borrow(work->queue, &item, MPROC_FOREVER));
    atomic_store(&flags[0], 1);
    CHILD_CHECK(wait_until(&flags[1], 1));
    CHILD_OK(work->gives_back ? mproc_queue_give_back(work->queue, &item) : mproc_queue_return(work->queue, &item));
    return 0;
}

/* Works as long as there is something; how many items it has had. */
static int borrow_all(void *argument)
{
    struct work *work = argument;
    mproc_item item;
    mproc_err err;
    int had = 0;
    while ((err = mproc_queue_borrow(work->queue, &item, MPROC_FOREVER)) == MPROC_OK) {
        CHILD_CHECK(*(int *) item.data == 42);
        CHILD_OK(mproc_queue_return(work->queue, &item));
        had++;
    }
    CHILD_CHECK(err == MPROC_ECLOSED);
    return had;
}

static void count_one(process_token token, void *context)
{
    (void) token;
    ++*(int *) context;
}

static void wait_until_somebody_waits(mproc_queue queue)
{
    int waiting = 0;
    for (int i = 0; i < 60000 && waiting == 0; i++) {
        mproc__waits_visit(queue.id, count_one, &waiting);
        sleep_briefly();
    }
    CU_ASSERT_TRUE(waiting > 0);
}

/* A closed queue whose last item the first child has, and a second child that waits for it. */
static struct work close_while_borrowed(const char *point, bool gives_back, mproc_process *children[2])
{
    struct work work = { .gives_back = gives_back };
    _Atomic int *flags = shared_ints(&work.flags, 2);
    int item = 42;
    CHECK_OK(mproc_queue_create(&work.queue, sizeof item, 0));
    CHECK_OK(mproc_queue_put(work.queue, &item, MPROC_NOWAIT));
    children[0] = point ? start_doomed_child(borrow_and_wait, &work, sizeof work, point)
                        : start_child(borrow_and_wait, &work, sizeof work, NULL);
    CU_ASSERT_TRUE(wait_until(&flags[0], 1));
    CHECK_OK(mproc_queue_close(work.queue));
    CHECK_FAILS(mproc_queue_get(work.queue, &item, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_queue_get(work.queue, &item, 10), MPROC_ETIMEDOUT);
    children[1] = start_child(borrow_all, &work, sizeof work, NULL);
    wait_until_somebody_waits(work.queue);
    return work;
}

static void who_waits_at_a_closed_queue_has_what_a_dead_borrower_had(void)
{
    mproc_process *children[2];
    struct work work = close_while_borrowed(NULL, false, children);
    CHECK_OK(mproc_process_kill(children[0]));
    CU_ASSERT_EQUAL(end_child(children[1]), 1);
    CU_ASSERT_NOT_EQUAL(end_child(children[0]), 0);
    int item;
    CHECK_FAILS(mproc_queue_get(work.queue, &item, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_queue_destroy(work.queue));
    CHECK_OK(mproc_free(work.flags));
}

static void who_waits_at_a_closed_queue_learns_what_became_of_its_last_item(void)
{
    static const struct {
        const char *point; /* at which the borrower dies, or NULL */
        bool gives_back;
        int had;
    } cases[] = {
        { NULL, false, 0 }, { NULL, true, 1 }, { "loans.emptied", false, 0 },
        { "loans.clearing", false, 0 }, { "stock.returned", false, 0 }, { "loans.returned", true, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mproc_process *children[2];
        struct work work = close_while_borrowed(cases[i].point, cases[i].gives_back, children);
        atomic_store((_Atomic int *) mproc_pointer(work.flags) + 1, 1);
        CU_ASSERT_EQUAL(end_child(children[1]), cases[i].had);
        CU_ASSERT_EQUAL(end_child(children[0]) != 0, cases[i].point != NULL);
        CHECK_OK(mproc_queue_destroy(work.queue));
        CHECK_OK(mproc_free(work.flags));
    }
}

/* Two that had something each, and waited for the other's, would wait for ever. */
static void who_has_borrowed_something_himself_does_not_wait_for_others(void)
{
    struct work work = { .size = 0 };
    _Atomic int *flags = shared_ints(&work.flags, 2);
    mproc_item mine, another;
    int item = 42;
    CHECK_OK(mproc_queue_create(&work.queue, sizeof item, 0));
    CHECK_OK(mproc_queue_put(work.queue, &item, MPROC_NOWAIT));
    mproc_process *child = start_child(borrow_and_wait, &work, sizeof work, NULL);
    CU_ASSERT_TRUE(wait_until(&flags[0], 1));
    CHECK_OK(mproc_queue_put(work.queue, &item, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_close(work.queue));
    CHECK_OK(mproc_queue_borrow(work.queue, &mine, MPROC_FOREVER));
    CHECK_FAILS(mproc_queue_borrow(work.queue, &another, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_queue_return(work.queue, &mine));
    CHECK_FAILS(mproc_queue_borrow(work.queue, &another, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    atomic_store(&flags[1], 1);
    CHECK_FAILS(mproc_queue_borrow(work.queue, &another, MPROC_FOREVER), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(end_child(child), 0);
    CHECK_OK(mproc_queue_destroy(work.queue));
    CHECK_OK(mproc_free(work.flags));
}

static void waiting_for_several_sees_what_a_dead_borrower_had(void)
{
    struct work work = { .size = 0 };
    _Atomic int *flags = shared_ints(&work.flags, 2);
    int item = 42;
    for (int closed = 0; closed < 2; closed++) {
        atomic_store(&flags[0], 0);
        CHECK_OK(mproc_queue_create(&work.queue, sizeof item, 0));
        CHECK_OK(mproc_queue_put(work.queue, &item, MPROC_NOWAIT));
        mproc_process *child = start_child(borrow_and_wait, &work, sizeof work, NULL);
        CU_ASSERT_TRUE(wait_until(&flags[0], 1));
        if (closed)
            CHECK_OK(mproc_queue_close(work.queue));
        mproc_wait_item waited = mproc_wait_queue(work.queue);
        CHECK_FAILS(mproc_wait(&waited, 1, NULL, 30), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_process_kill(child));
        CHECK_OK(mproc_wait(&waited, 1, NULL, 60000));
        CHECK_OK(mproc_queue_get(work.queue, &item, MPROC_NOWAIT));
        CU_ASSERT_NOT_EQUAL(end_child(child), 0);
        CHECK_OK(mproc_queue_destroy(work.queue));
    }
    CHECK_OK(mproc_free(work.flags));
}

/* ---- who is late ---- */

static void it_may_be_destroyed_while_who_put_its_last_item_is_late(void)
{
    struct work work = { .size = 10 };
    struct ones ones;
    char bytes[10];
    size_t size;
    CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
    CHECK_FAILS(mproc_queue_get_bytes(work.queue, bytes, sizeof bytes, &size, 20), MPROC_ETIMEDOUT); /* has slept */
    mproc_process *late = start_delayed_child(put_one, &work, sizeof work, "channel.put_left", 1);
    CU_ASSERT_TRUE(wait_until_delayed(late));
    CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, sizeof bytes, &size, MPROC_NOWAIT));
    CHECK_OK(mproc_queue_destroy(work.queue));
    allocate_ones(&ones);
    end_delay(late);
    CU_ASSERT_EQUAL(end_child(late), 0);
    CU_ASSERT_TRUE(free_ones(&ones));
}

MPROC_SUITE(queue_close, MPROC_TEST(a_closed_queue_has_what_was_just_being_put),
            MPROC_TEST(a_queue_whose_putter_dies_while_it_is_closed_is_closed),
            MPROC_TEST(a_queue_whose_closer_dies_is_closed),
            MPROC_TEST(who_waits_at_a_closed_queue_has_what_a_dead_borrower_had),
            MPROC_TEST(who_waits_at_a_closed_queue_learns_what_became_of_its_last_item),
            MPROC_TEST(who_has_borrowed_something_himself_does_not_wait_for_others),
            MPROC_TEST(waiting_for_several_sees_what_a_dead_borrower_had),
            MPROC_TEST(it_may_be_destroyed_while_who_put_its_last_item_is_late))
