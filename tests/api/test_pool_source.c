/* SPDX-License-Identifier: MIT */
/* Imaps that draw their items from a function. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"

static mproc_pool *create_with(size_t workers, const mproc_pool_options *options)
{
    mproc_pool *pool = NULL;
    CHECK_OK(mproc_pool_create(&pool, workers, options));
    return pool;
}

static void end(mproc_pool *pool)
{
    CHECK_OK(mproc_pool_close(pool));
    CHECK_OK(mproc_pool_join(pool, 60000));
    CHECK_OK(mproc_pool_destroy(pool));
}

/* ---- a source that counts, and what it saw ---- */

struct counter {
    int64_t next, count; /* count < 0: endless */
    mproc_err end;       /* what it says then */
    int64_t given;       /* results that were given so far */
    int64_t most_ahead;  /* items drawn and not yet given, at most */
    int64_t calls_after; /* after it has ended */
    bool over;
};

static mproc_err draw_number(void *context, void *item)
{
    struct counter *counter = context;
    counter->calls_after += counter->over;
    if (counter->next == counter->count) {
        counter->over = true;
        return counter->end;
    }
    *(int64_t *) item = counter->next++;
    if (counter->next - counter->given > counter->most_ahead)
        counter->most_ahead = counter->next - counter->given;
    return MPROC_OK;
}

static struct counter count_to(int64_t count)
{
    return (struct counter){ .count = count, .end = MPROC_ENOTFOUND };
}

static int square(const void *in, void *out)
{
    const int64_t *number = in;
    *(int64_t *) out = *number * *number;
    return 0;
}

/* Longer for some, so that they are done in another order; the number must be that of the item. */
static int square_slowly(const void *in, void *out)
{
    const int64_t *number = in;
    if (*number % 7 == 3)
        mproc_plat_sleep(300000);
    if (mproc_task_index() != (size_t) *number)
        return 5;
    return square(in, out);
}

static mproc_result *begin(mproc_pool *pool, bool unordered, mproc_task *task,
                           struct counter *counter, const mproc_task_options *options)
{
    mproc_result *result = NULL;
    CHECK_OK((unordered ? mproc_pool_imap_unordered_from
                        : mproc_pool_imap_from)(pool, &result, task, draw_number, counter,
                                                sizeof(int64_t), sizeof(int64_t), options));
    return result;
}

/* One result that must be there, with its square; its index. */
static size_t take(mproc_result *result, struct counter *counter)
{
    size_t index = SIZE_MAX;
    int64_t value = -1;
    CHECK_OK(mproc_result_next(result, &index, &value, 60000));
    CU_ASSERT_EQUAL(value, (int64_t) index * (int64_t) index);
    counter->given++;
    return index;
}

/* ---- order ---- */

static void results_come_in_order_and_unordered_all_of_them(void)
{
    enum { COUNT = 3000 };
    mproc_pool *pool = create_with(3, NULL);
    for (int unordered = 0; unordered < 2; unordered++) {
        struct counter counter = count_to(COUNT);
        mproc_result *result = begin(pool, unordered, square_slowly, &counter, NULL);
        static bool seen[COUNT];
        memset(seen, 0, sizeof seen);
        for (size_t i = 0; i < COUNT; i++) {
            size_t index = take(result, &counter);
            CU_ASSERT_TRUE_FATAL(index < COUNT && (unordered || index == i));
            CU_ASSERT_FALSE(seen[index]);
            seen[index] = true;
        }
        CU_ASSERT_EQUAL(mproc_result_done(result), COUNT);
        for (int again = 0; again < 3; again++)
            CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ENOTFOUND);
        CU_ASSERT_EQUAL(counter.calls_after, 0);
        CHECK_OK(mproc_result_close(result));
    }
    end(pool);
}

/* The first item waits until the second one's result has been given. */
static int wait_for_second(const void *in, void *out)
{
    const int64_t *item = in;
    _Atomic int *given = mproc_pointer(*(const mproc_memory *) (item + 1));
    *(int64_t *) out = *item;
    return item[0] == 0 && !wait_until(given, 1) ? 1 : 0;
}

struct two_items {
    mproc_memory block;
    int64_t next;
};

static mproc_err draw_two(void *context, void *item)
{
    struct two_items *two = context;
    if (two->next == 2)
        return MPROC_ENOTFOUND;
    *(int64_t *) item = two->next++;
    *(mproc_memory *) ((int64_t *) item + 1) = two->block;
    return MPROC_OK;
}

static void unordered_gives_a_later_item_first(void)
{
    mproc_pool *pool = create_with(2, NULL);
    struct two_items two = { .next = 0 };
    _Atomic int *given = shared_ints(&two.block, 1);
    mproc_result *result;
    size_t index = 9;
    CHECK_OK(mproc_pool_imap_unordered_from(pool, &result, wait_for_second, draw_two, &two,
                                            sizeof(int64_t) + sizeof(mproc_memory), sizeof(int64_t),
                                            NULL));
    CHECK_OK(mproc_result_next(result, &index, NULL, 60000));
    CU_ASSERT_EQUAL(index, 1);
    CU_ASSERT_EQUAL(mproc_result_done(result), 1);
    CHECK_FAILS(mproc_result_next(result, NULL, NULL, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_result_next(result, NULL, NULL, 20), MPROC_ETIMEDOUT);
    atomic_store(given, 1);
    CHECK_OK(mproc_result_next(result, &index, NULL, 60000));
    CU_ASSERT_EQUAL(index, 0);
    CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ENOTFOUND);
    CHECK_OK(mproc_result_close(result));
    end(pool);
    CHECK_OK(mproc_free(two.block));
}

static void an_empty_source_gives_nothing(void)
{
    mproc_pool *pool = create_with(1, NULL);
    struct counter counter = count_to(0);
    mproc_result *result = begin(pool, false, square, &counter, NULL);
    CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ENOTFOUND);
    CHECK_OK(mproc_result_close(result));
    end(pool);
}

/* ---- the bound ---- */

static void no_more_is_drawn_ahead_than_the_bound(void)
{
    static const size_t bounds[] = { 1, 5, 100, 0 };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        int64_t bound = bounds[i] ? (int64_t) bounds[i] : 16 * 2;
        mproc_pool_options options = { .max_pending = bounds[i] };
        mproc_pool *pool = create_with(2, &options);
        for (int unordered = 0; unordered < 2; unordered++) {
            struct counter counter = count_to(-1);
            mproc_result *result = begin(pool, unordered, square_slowly, &counter, NULL);
            CU_ASSERT_EQUAL(counter.next, bound);
            for (int j = 0; j < 500; j++)
                take(result, &counter);
            CU_ASSERT_EQUAL(counter.most_ahead, bound);
            CHECK_OK(mproc_result_close(result));
        }
        end(pool);
    }
}

/* Items and results of a size that shows. */
enum { LARGE = 100000 };

static mproc_err draw_large(void *context, void *item)
{
    memset(item, ++*(char *) context, LARGE);
    return MPROC_OK;
}

static int copy_large(const void *in, void *out)
{
    memcpy(out, in, LARGE);
    return 0;
}

static void an_endless_source_needs_bounded_memory(void)
{
    mproc_pool_options options = { .max_pending = 8 };
    static char out[LARGE];
    for (int unordered = 0; unordered < 2; unordered++) {
        uint64_t before = mproc__arena_used(), most = 0;
        mproc_pool *pool = create_with(2, &options);
        mproc_result *result;
        char letter = 0;
        CHECK_OK((unordered ? mproc_pool_imap_unordered_from
                            : mproc_pool_imap_from)(pool, &result, copy_large, draw_large, &letter,
                                                    LARGE, LARGE, NULL));
        for (int i = 0; i < 600; i++) {
            size_t index;
            CHECK_OK(mproc_result_next(result, &index, out, 60000));
            CU_ASSERT_EQUAL(out[0], (char) (index + 1));
            CU_ASSERT_EQUAL(out[LARGE - 1], (char) (index + 1));
            uint64_t used = mproc__arena_used() - before;
            most = used > most ? used : most;
        }
        /* 8 items and results are 1.6 MB, 600 would be 120 MB */
        CU_ASSERT_TRUE(most < 6000000);
        CHECK_OK(mproc_result_close(result));
        CHECK_OK(mproc_pool_destroy(pool));
        CU_ASSERT_EQUAL(mproc__arena_used(), before);
    }
}

static void sources_closed_in_the_middle_leave_nothing(void)
{
    mproc_pool *pool = create_with(2, NULL);
    uint64_t used = 0;
    for (int i = 0; i < 200; i++) {
        struct counter counter = count_to(-1);
        mproc_result *result = begin(pool, i % 2, square, &counter, NULL);
        for (int j = 0; j < i % 5; j++)
            take(result, &counter);
        int64_t drawn = counter.next;
        CHECK_OK(mproc_result_close(result));
        int64_t number = 3, value = 0;
        CHECK_OK(mproc_pool_apply(pool, square, &number, sizeof number, &value, sizeof value, 60000));
        CU_ASSERT_EQUAL(value, 9);
        CU_ASSERT_EQUAL(counter.next, drawn);
        if (i == 99)
            used = mproc__arena_used();
    }
    CU_ASSERT_TRUE(mproc__arena_used() <= used + 100000);
    end(pool);
}

static void several_at_once_do_not_mix(void)
{
    enum { FEEDS = 4 };
    mproc_pool *pool = create_with(2, NULL);
    struct counter counters[FEEDS];
    mproc_result *results[FEEDS];
    for (int i = 0; i < FEEDS; i++) {
        counters[i] = count_to(400);
        results[i] = begin(pool, i % 2, square_slowly, &counters[i], NULL);
    }
    for (int round = 0; round < 400; round++)
        for (int i = 0; i < FEEDS; i++) {
            size_t index = take(results[i], &counters[i]);
            CU_ASSERT_TRUE(i % 2 || index == (size_t) round);
        }
    for (int i = 0; i < FEEDS; i++) {
        CHECK_FAILS(mproc_result_next(results[i], NULL, NULL, 60000), MPROC_ENOTFOUND);
        CHECK_OK(mproc_result_close(results[i]));
    }
    end(pool);
}

/* ---- errors ---- */

static void the_error_of_a_source_comes_after_the_results_before_it(void)
{
    mproc_pool *pool = create_with(2, NULL);
    for (int unordered = 0; unordered < 2; unordered++) {
        struct counter counter = { .count = 100, .end = MPROC_EPROTO };
        mproc_result *result = begin(pool, unordered, square_slowly, &counter, NULL);
        for (int i = 0; i < 100; i++)
            take(result, &counter);
        size_t index = 0;
        CHECK_FAILS(mproc_result_next(result, &index, NULL, 60000), MPROC_EPROTO);
        CU_ASSERT_EQUAL(index, 100);
        CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "100"));
        CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ENOTFOUND);
        CU_ASSERT_EQUAL(counter.calls_after, 0);
        CHECK_OK(mproc_result_close(result));
    }
    end(pool);
}

/* The results of one imap are the items of another. */
static mproc_err draw_result(void *context, void *item)
{
    return mproc_result_next(context, NULL, item, 60000);
}

static void a_source_may_be_another_imap_and_its_sentence_is_kept(void)
{
    mproc_pool *pool = create_with(2, NULL);
    struct counter counter = { .count = 50, .end = MPROC_EAUTH };
    mproc_result *inner = begin(pool, false, square, &counter, NULL), *outer;
    CHECK_OK(mproc_pool_imap_from(pool, &outer, square, draw_result, inner, sizeof(int64_t),
                                  sizeof(int64_t), NULL));
    for (int64_t i = 0; i < 50; i++) {
        int64_t value = -1;
        CHECK_OK(mproc_result_next(outer, NULL, &value, 60000));
        CU_ASSERT_EQUAL(value, i * i * i * i);
    }
    CHECK_FAILS(mproc_result_next(outer, NULL, NULL, 60000), MPROC_EAUTH);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "MPROC_EAUTH: the source of an imap"));
    CHECK_OK(mproc_result_close(outer));
    CHECK_OK(mproc_result_close(inner));
    end(pool);
}

static int fail_some(const void *in, void *out)
{
    const int64_t *number = in;
    return *number % 10 == 4 ? 40 + (int) *number : square(in, out);
}

static void an_item_that_fails_has_its_own_error(void)
{
    mproc_pool *pool = create_with(2, NULL);
    for (int unordered = 0; unordered < 2; unordered++) {
        struct counter counter = count_to(60);
        mproc_result *result = begin(pool, unordered, fail_some, &counter, NULL);
        int failed = 0;
        for (int i = 0; i < 60; i++) {
            size_t index = 0;
            mproc_err err = mproc_result_next(result, &index, NULL, 60000);
            bool fails = index % 10 == 4;
            CHECK_FAILS(err, fails ? MPROC_ETASK : MPROC_OK);
            CU_ASSERT_EQUAL(mproc_result_code(result), fails ? 40 + (int) index : 0);
            failed += fails;
        }
        CU_ASSERT_EQUAL(failed, 6);
        CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ENOTFOUND);
        CHECK_OK(mproc_result_close(result));
    }
    end(pool);
}

static void wrong_calls_say_so(void)
{
    mproc_pool *pool = create_with(1, NULL);
    struct counter counter = count_to(-1);
    mproc_result *result;
    bool answer;
    int64_t value;
    CHECK_FAILS(mproc_pool_imap_from(pool, &result, NULL, draw_number, &counter, 8, 8, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_pool_imap_from(pool, &result, square, NULL, &counter, 8, 8, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_pool_imap_from(pool, NULL, square, draw_number, &counter, 8, 8, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_pool_imap_from(pool, &result, square, draw_number, &counter, SIZE_MAX, 8, NULL),
                MPROC_ENOMEM);
    mproc_task_options options = { .progress = mproc_progress_bar };
    CHECK_FAILS(mproc_pool_imap_from(pool, &result, square, draw_number, &counter, 8, 8, &options),
                MPROC_EINVAL);
    options = (mproc_task_options){ .priority = 7 };
    CHECK_FAILS(mproc_pool_imap_from(pool, &result, square, draw_number, &counter, 8, 8, &options),
                MPROC_EINVAL);
    CU_ASSERT_EQUAL(counter.next, 0);
    result = begin(pool, false, square, &counter, NULL);
    CHECK_FAILS(mproc_result_ready(result, &answer), MPROC_EINVAL);
    CHECK_FAILS(mproc_result_wait(result, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_result_successful(result, &answer), MPROC_EINVAL);
    CHECK_FAILS(mproc_result_get(result, &value, sizeof value, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_result_item(result, 0), MPROC_EINVAL);
    CU_ASSERT_PTR_NULL(mproc_result_data(result));
    CU_ASSERT_EQUAL(mproc_result_size(result), 0);
    CHECK_OK(mproc_result_close(result));
    end(pool);
}

struct curious {
    mproc_result *own;
    mproc_err next, close;
    int calls;
};

static mproc_err draw_from_itself(void *context, void *item)
{
    struct curious *curious = context;
    if (curious->own) {
        curious->next = mproc_result_next(curious->own, NULL, NULL, 60000);
        curious->close = mproc_result_close(curious->own);
    }
    *(int64_t *) item = curious->calls++;
    return curious->own ? MPROC_ENOTFOUND : MPROC_OK;
}

static void a_source_cannot_use_its_own_imap(void)
{
    mproc_pool *pool = create_with(1, NULL);
    struct curious curious = { .own = NULL };
    mproc_result *result;
    CHECK_OK(mproc_pool_imap_from(pool, &result, square, draw_from_itself, &curious, sizeof(int64_t),
                                  sizeof(int64_t), NULL));
    curious.own = result;
    CHECK_OK(mproc_result_next(result, NULL, NULL, 60000));
    CHECK_OK(mproc_result_next(result, NULL, NULL, 60000));
    CU_ASSERT_EQUAL(curious.next, MPROC_ESTATE);
    CU_ASSERT_EQUAL(curious.close, MPROC_ESTATE);
    CHECK_OK(mproc_result_close(result));
    end(pool);
}

/* ---- ends ---- */

static void a_closed_pool_draws_no_more(void)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        mproc_pool_options options = { .max_pending = 6 };
        mproc_pool *pool = create_with(2, &options);
        struct counter counter = count_to(-1);
        mproc_result *result = begin(pool, unordered, square_slowly, &counter, NULL), *later;
        for (int i = 0; i < 10; i++)
            take(result, &counter);
        CHECK_OK(mproc_pool_close(pool));
        CU_ASSERT_EQUAL(counter.next, 15);
        for (int i = 0; i < 5; i++)
            take(result, &counter);
        CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ECLOSED);
        CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ENOTFOUND);
        CU_ASSERT_EQUAL(counter.next, 15);
        CHECK_FAILS(mproc_pool_imap_from(pool, &later, square, draw_number, &counter, 8, 8, NULL),
                    MPROC_ECLOSED);
        CHECK_OK(mproc_result_close(result));
        CHECK_OK(mproc_pool_join(pool, 60000));
        CHECK_OK(mproc_pool_destroy(pool));
    }
}

static int hang(const void *in, void *out)
{
    (void) in;
    (void) out;
    return hang_for_ever(NULL);
}

static void a_terminated_pool_ends_it(void)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        uint64_t before = mproc__arena_used();
        mproc_pool_options options = { .max_pending = 4 };
        mproc_pool *pool = create_with(2, &options);
        struct counter counter = count_to(-1);
        mproc_result *result = begin(pool, unordered, hang, &counter, NULL);
        CHECK_FAILS(mproc_result_next(result, NULL, NULL, 10), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_pool_terminate(pool));
        for (int i = 0; i < 4; i++)
            CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ECANCELLED);
        CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ECLOSED);
        CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ENOTFOUND);
        /* the pool releases its results */
        CHECK_OK(mproc_pool_destroy(pool));
        CU_ASSERT_EQUAL(mproc__arena_used(), before);
    }
}

static void cancelling_ends_the_drawing(void)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        mproc_pool_options options = { .max_pending = 10 };
        mproc_pool *pool = create_with(2, &options);
        struct counter counter = count_to(-1);
        mproc_result *result = begin(pool, unordered, hang, &counter, NULL);
        CHECK_OK(mproc_result_cancel(result, true));
        int cancelled = 0;
        mproc_err err;
        while ((err = mproc_result_next(result, NULL, NULL, 500)) != MPROC_ENOTFOUND) {
            if (err == MPROC_ETIMEDOUT) /* one had not quite begun */
                CHECK_OK(mproc_result_cancel(result, true));
            else
                CHECK_FAILS(err, MPROC_ECANCELLED);
            cancelled += err == MPROC_ECANCELLED;
        }
        CU_ASSERT_EQUAL(cancelled, 10);
        CU_ASSERT_EQUAL(counter.next, 10);
        CHECK_OK(mproc_result_close(result));
        end(pool);
    }
}

/* ---- deaths ---- */

static int die_at_some(const void *in, void *out)
{
    const int64_t *number = in;
    if (*number % 40 == 20) {
        kill_hard(mproc_pid());
        hang_for_ever(NULL);
    }
    return square(in, out);
}

static void only_the_item_of_a_killed_worker_fails(void)
{
    mproc_pool *pool = create_with(2, NULL);
    for (int unordered = 0; unordered < 2; unordered++) {
        struct counter counter = count_to(-1);
        mproc_result *result = begin(pool, unordered, die_at_some, &counter, NULL);
        int died = 0;
        for (int i = 0; i < 200; i++) {
            size_t index = 0;
            int64_t value = -1;
            mproc_err err = mproc_result_next(result, &index, &value, 60000);
            counter.given++;
            if (index % 40 == 20) {
                CHECK_FAILS(err, MPROC_EWORKERDIED);
                died++;
            } else {
                CHECK_OK(err);
                CU_ASSERT_EQUAL(value, (int64_t) index * (int64_t) index);
            }
            CU_ASSERT_TRUE(unordered || index == (size_t) i);
        }
        CU_ASSERT_TRUE(unordered ? died >= 3 : died == 5);
        CU_ASSERT_EQUAL(counter.most_ahead, 32);
        CHECK_OK(mproc_result_close(result));
    }
    CHECK_OK(mproc_pool_destroy(pool));
}

/* In shared memory: how often each item was begun. */
struct try {
    int64_t number;
    mproc_memory block;
};

struct tries {
    mproc_memory block;
    int64_t next, count;
};

static mproc_err draw_try(void *context, void *item)
{
    struct tries *tries = context;
    if (tries->next == tries->count)
        return MPROC_ENOTFOUND;
    *(struct try *) item = (struct try){ tries->next++, tries->block };
    return MPROC_OK;
}

static int die_at_first(const void *in, void *out)
{
    const struct try *try = in;
    _Atomic int *begun = (_Atomic int *) mproc_pointer(try->block) + try->number;
    if (atomic_fetch_add(begun, 1) == 0 && try->number % 9 == 2) {
        kill_hard(mproc_pid());
        hang_for_ever(NULL);
    }
    *(int64_t *) out = (int64_t) mproc_task_index();
    return 0;
}

static void items_are_begun_again_if_that_is_wanted(void)
{
    enum { COUNT = 90 };
    mproc_pool *pool = create_with(2, NULL);
    mproc_task_options options = { .retries = 1 };
    for (int unordered = 0; unordered < 2; unordered++) {
        struct tries tries = { .count = COUNT };
        _Atomic int *begun = shared_ints(&tries.block, COUNT);
        mproc_result *result;
        CHECK_OK((unordered ? mproc_pool_imap_unordered_from
                            : mproc_pool_imap_from)(pool, &result, die_at_first, draw_try, &tries,
                                                    sizeof(struct try), sizeof(int64_t), &options));
        for (int i = 0; i < COUNT; i++) {
            size_t index = COUNT;
            int64_t value = -1;
            CHECK_OK(mproc_result_next(result, &index, &value, 60000));
            CU_ASSERT_EQUAL(value, (int64_t) index);
            CU_ASSERT_EQUAL(begun[index], index % 9 == 2 ? 2 : 1);
        }
        CHECK_OK(mproc_result_close(result));
        CHECK_OK(mproc_free(tries.block));
    }
    end(pool);
}

static int hang_at_five(const void *in, void *out)
{
    const int64_t *number = in;
    return *number == 5 ? hang_for_ever(NULL) : square(in, out);
}

static void an_item_that_takes_too_long_fails_alone(void)
{
    mproc_pool *pool = create_with(2, NULL);
    mproc_task_options options = { .timeout = 2000 };
    struct counter counter = count_to(40);
    mproc_result *result = begin(pool, false, hang_at_five, &counter, &options);
    for (int i = 0; i < 40; i++)
        if (i == 5) {
            CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ETIMEDOUT);
            CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "2000 ms"));
        } else {
            take(result, &counter);
        }
    CHECK_FAILS(mproc_result_next(result, NULL, NULL, 60000), MPROC_ENOTFOUND);
    CHECK_OK(mproc_result_close(result));
    end(pool);
}

MPROC_SUITE(pool_source, MPROC_TEST(results_come_in_order_and_unordered_all_of_them),
            MPROC_TEST(unordered_gives_a_later_item_first),
            MPROC_TEST(an_empty_source_gives_nothing),
            MPROC_TEST(no_more_is_drawn_ahead_than_the_bound),
            MPROC_TEST(an_endless_source_needs_bounded_memory),
            MPROC_TEST(sources_closed_in_the_middle_leave_nothing),
            MPROC_TEST(several_at_once_do_not_mix),
            MPROC_TEST(the_error_of_a_source_comes_after_the_results_before_it),
            MPROC_TEST(a_source_may_be_another_imap_and_its_sentence_is_kept),
            MPROC_TEST(an_item_that_fails_has_its_own_error), MPROC_TEST(wrong_calls_say_so),
            MPROC_TEST(a_source_cannot_use_its_own_imap), MPROC_TEST(a_closed_pool_draws_no_more),
            MPROC_TEST(a_terminated_pool_ends_it), MPROC_TEST(cancelling_ends_the_drawing),
            MPROC_TEST(only_the_item_of_a_killed_worker_fails),
            MPROC_TEST(items_are_begun_again_if_that_is_wanted),
            MPROC_TEST(an_item_that_takes_too_long_fails_alone))
