/* SPDX-License-Identifier: MIT */
/* An imap whose items come from a function of the user. Each item is a single task: what a worker's death,
 * a time-out or a retry means for it is said there. The function is called only by the thread that asks for
 * results, so nothing of the user's runs beside a fork; there is a bound on items that were drawn and not
 * yet given, so an endless source needs no more memory than they do. */
#include "pool_local.h"

#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_WORKER = 16 };

struct feed {
    struct mproc_result result; /* what the user holds */
    struct feed *next;          /* of the pool's */
    mproc_source *source;
    void *context;
    mproc_task *task;
    mproc_task_options options;
    size_t item_size, out_size;
    char *numbered; /* the next item behind its number, as the worker gets it */
    bool ordered;
    bool drawing; /* the source is being called */
    /* Why nothing more is drawn: MPROC_OK: it goes on, MPROC_ENOTFOUND: the source has ended. */
    mproc_err end;
    char end_text[400];
    int code; /* of the result given last */

    /* Below: written under the latch, since it may be cancelled by another thread. */
    bool cancelled;
    uint64_t drawn; /* and submitted */
    /* Under way or not yet given: in order from `first` around, or in any order from 0. */
    mproc_result **flights;
    size_t capacity, first, count;
    /* Without order: those that are done and not yet given, as they came. */
    mproc_result *finished, **finished_end;
    _Atomic size_t finished_count;
};

/* ---- flights; under the latch ---- */

static mproc_result **flight_at(const struct feed *feed, size_t index)
{
    return &feed->flights[(feed->first + index) % feed->capacity];
}

static mproc_err make_room(struct feed *feed)
{
    if (feed->count < feed->capacity)
        return MPROC_OK;
    size_t capacity = feed->capacity ? feed->capacity * 2 : 64;
    mproc_result **more = calloc(capacity, sizeof(mproc_result *));
    if (!more)
        return mproc__fail(MPROC_ENOMEM, "no memory for %zu items under way", capacity);
    for (size_t i = 0; i < feed->count; i++)
        more[i] = *flight_at(feed, i);
    free(feed->flights);
    feed->flights = more;
    feed->capacity = capacity;
    feed->first = 0;
    return MPROC_OK;
}

mproc_err mproc__feed_add(struct feed *feed, mproc_result *result)
{
    if (feed->cancelled)
        return mproc__fail(MPROC_ECANCELLED, "the imap was cancelled");
    mproc_err err = make_room(feed);
    if (err != MPROC_OK)
        return err;
    result->feed = feed;
    result->place = feed->count;
    result->number = feed->drawn++;
    *flight_at(feed, feed->count++) = result;
    return MPROC_OK;
}

static void take_out(struct feed *feed, mproc_result *result)
{
    result->feed = NULL;
    feed->count--;
    if (feed->ordered) {
        feed->first = (feed->first + 1) % feed->capacity;
    } else {
        mproc_result *last = feed->flights[feed->count];
        feed->flights[result->place] = last;
        last->place = result->place;
    }
}

void mproc__feed_told(mproc_result *result)
{
    struct feed *feed = result->feed;
    result->next = NULL;
    *feed->finished_end = result;
    feed->finished_end = &result->next;
    atomic_fetch_add(&feed->finished_count, 1);
}

/* ---- drawing ---- */

/* If something of mproc failed in the source, its sentence says more than the code. */
static void end_by_source(struct feed *feed, mproc_err err, bool has_sentence)
{
    feed->end = err;
    snprintf(feed->end_text, sizeof feed->end_text, "the source of an imap failed at item %llu: %s%s%s",
             (unsigned long long) feed->drawn, mproc_err_name(err), has_sentence ? ": " : "",
             has_sentence ? mproc_last_error() : "");
}

static bool ask_source(struct feed *feed)
{
    uint64_t failures = mproc__fail_count();
    memcpy(feed->numbered, &feed->drawn, sizeof feed->drawn);
    memset(feed->numbered + POOL_NUMBER, 0, feed->item_size);
    feed->drawing = true;
    mproc_err err = feed->source(feed->context, feed->numbered + POOL_NUMBER);
    feed->drawing = false;
    if (err == MPROC_ENOTFOUND)
        feed->end = err;
    else if (err != MPROC_OK)
        end_by_source(feed, err, mproc__fail_count() != failures);
    return err == MPROC_OK;
}

/* Nothing is drawn that could not be submitted, as far as that is known before. */
static bool draw_one(struct feed *feed)
{
    mproc_pool *pool = feed->result.pool;
    mproc_err err = mproc__pool_check_open(pool);
    if (err == MPROC_OK) {
        if (!ask_source(feed))
            return false;
        err = mproc__pool_submit_fed(pool, feed, feed->task, feed->numbered,
                                     POOL_NUMBER + feed->item_size, feed->out_size, &feed->options,
                                     !feed->ordered);
    }
    if (err != MPROC_OK) {
        /* Another thread may have cancelled it meanwhile. */
        feed->end = err == MPROC_ECANCELLED ? MPROC_ENOTFOUND : err;
        snprintf(feed->end_text, sizeof feed->end_text, "%s", mproc_last_error());
        return false;
    }
    return true;
}

static size_t bound_of(const struct feed *feed)
{
    const mproc_pool *pool = feed->result.pool;
    return pool->options.max_pending ? pool->options.max_pending
                                     : PER_WORKER * (size_t) atomic_load(&pool->shared->workers);
}

/* Asks the source for as many items as there is room for. */
static void draw(struct feed *feed)
{
    struct pool_shared *shared = feed->result.pool->shared;
    while (feed->end == MPROC_OK) {
        mproc__pool_lock(shared);
        bool full = feed->count >= bound_of(feed), cancelled = feed->cancelled;
        mproc__pool_unlock(shared);
        if (cancelled)
            feed->end = MPROC_ENOTFOUND;
        if (full || cancelled || !draw_one(feed))
            return;
    }
}

/* ---- results ---- */

static bool any_finished(void *context)
{
    struct feed *feed = context;
    mproc_pool *pool = feed->result.pool;
    mproc__pool_lock(pool->shared);
    mproc__pool_drain(pool);
    bool any = feed->finished != NULL;
    mproc__pool_unlock(pool->shared);
    return any;
}

static mproc_err await_any(struct feed *feed, int64_t deadline)
{
    struct pool_shared *shared = feed->result.pool->shared;
    if (any_finished(feed))
        return MPROC_OK;
    if (deadline == 0)
        return MPROC_ETIMEDOUT;
    struct look looking = mproc__look_begin(&shared->done.spin);
    while (mproc__look_again(&looking))
        if ((atomic_load(&feed->finished_count) || atomic_load(&shared->finished)) &&
            any_finished(feed)) {
            mproc__look_helped(&looking);
            return MPROC_OK;
        }
    return mproc__pool_await(feed->result.pool, any_finished, feed, deadline);
}

/* The flight that is to be given next, done and taken out. */
static mproc_err take_next(struct feed *feed, int64_t deadline, mproc_result **taken)
{
    struct pool_shared *shared = feed->result.pool->shared;
    /* Only this thread adds and takes out: the first one stays. */
    mproc_err err = feed->ordered ? mproc__result_await(*flight_at(feed, 0), deadline)
                                  : await_any(feed, deadline);
    if (err != MPROC_OK)
        return err;
    mproc__pool_lock(shared);
    *taken = feed->ordered ? *flight_at(feed, 0) : feed->finished;
    if (!feed->ordered) {
        feed->finished = (*taken)->next;
        if (!feed->finished)
            feed->finished_end = &feed->finished;
        atomic_fetch_sub(&feed->finished_count, 1);
    }
    take_out(feed, *taken);
    mproc__pool_unlock(shared);
    return MPROC_OK;
}

static mproc_err give(struct feed *feed, mproc_result *taken, size_t *index, void *out)
{
    unsigned long long number = taken->number;
    if (index)
        *index = (size_t) number;
    feed->code = taken->task->err == MPROC_ETASK ? taken->task->code : 0;
    mproc_err err = mproc__result_verdict(taken);
    if (err == MPROC_OK && out && feed->out_size)
        memcpy(out, mproc_plat_region_at(taken->task->out), feed->out_size);
    char text[400];
    if (err != MPROC_OK)
        snprintf(text, sizeof text, "%s", mproc_last_error());
    mproc_result_close(taken);
    return err == MPROC_OK ? MPROC_OK : mproc__fail(err, "item %llu: %s", number, text);
}

/* After the last result: why there are no more, once if it was an error. */
static mproc_err give_end(struct feed *feed, size_t *index)
{
    mproc_err err = feed->end;
    feed->end = MPROC_ENOTFOUND;
    feed->code = 0;
    if (err == MPROC_ENOTFOUND)
        return mproc__fail(err, "the imap has no more results");
    if (index)
        *index = (size_t) feed->drawn;
    return mproc__fail(err, "%s", feed->end_text);
}

mproc_err mproc__feed_next(struct feed *feed, size_t *index, void *out, mproc_ms timeout)
{
    if (feed->drawing)
        return mproc__fail(MPROC_ESTATE, "a source cannot ask for results of its own imap");
    draw(feed);
    if (feed->count == 0)
        return give_end(feed, index);
    mproc_result *taken;
    mproc_err err = take_next(feed, mproc__deadline(timeout), &taken);
    if (err != MPROC_OK)
        return mproc__fail(err, "no further result within %lld ms", (long long) timeout);
    return give(feed, taken, index, out);
}

int mproc__feed_code(const struct feed *feed)
{
    return feed->code;
}

size_t mproc__feed_done(const struct feed *feed)
{
    struct pool_shared *shared = feed->result.pool->shared;
    mproc__pool_lock(shared);
    size_t done = (size_t) feed->drawn - feed->count;
    for (size_t i = 0; i < feed->count; i++)
        done += mproc__result_is_done(*flight_at(feed, i));
    mproc__pool_unlock(shared);
    return done;
}

/* ---- beginning and end ---- */

static void free_feed(struct feed *feed)
{
    free(feed->flights);
    free(feed->numbered);
    free(feed);
}

void mproc__feed_cancel(struct feed *feed)
{
    feed->cancelled = true;
}

mproc_result *mproc__feed_flight(const struct feed *feed, size_t index)
{
    return index < feed->count ? *flight_at(feed, index) : NULL;
}

mproc_err mproc__feed_close(struct feed *feed)
{
    mproc_pool *pool = feed->result.pool;
    if (feed->drawing)
        return mproc__fail(MPROC_ESTATE, "a source cannot close its own imap");
    mproc__pool_lock(pool->shared);
    struct feed **link = &pool->feeds;
    while (*link != feed)
        link = &(*link)->next;
    *link = feed->next;
    for (size_t i = 0; i < feed->count; i++)
        (*flight_at(feed, i))->feed = NULL;
    mproc__pool_unlock(pool->shared);
    for (size_t i = 0; i < feed->count; i++)
        mproc_result_close(*flight_at(feed, i));
    free_feed(feed);
    return MPROC_OK;
}

void mproc__feeds_free(mproc_pool *pool)
{
    while (pool->feeds) {
        struct feed *feed = pool->feeds;
        pool->feeds = feed->next;
        free_feed(feed);
    }
}

static mproc_err check_options(const mproc_task_options *options)
{
    if (options->callback || options->error_callback || options->progress)
        return mproc__fail(MPROC_EINVAL,
                           "an imap from a source has no callbacks and no progress: nobody knows "
                           "how many items there are; use mproc_result_next");
    struct task_wish wish;
    uint32_t level;
    return mproc__wish(&wish, options, &level);
}

static mproc_err make_feed(struct feed **made, const struct feed *wanted)
{
    struct feed *feed = malloc(sizeof *feed);
    if (!feed)
        return mproc__fail(MPROC_ENOMEM, "no memory for an imap");
    *feed = *wanted;
    feed->numbered = calloc(1, POOL_NUMBER + feed->item_size);
    if (!feed->numbered) {
        free(feed);
        return mproc__fail(MPROC_ENOMEM, "no memory for an item of %zu bytes", wanted->item_size);
    }
    feed->result.feed = feed;
    feed->result.kind = RESULT_FEED;
    feed->finished_end = &feed->finished;
    *made = feed;
    return MPROC_OK;
}

static mproc_err begin(mproc_result **result, const struct feed *wanted)
{
    mproc_pool *pool = wanted->result.pool;
    mproc_err err = mproc__pool_check(pool);
    if (err != MPROC_OK)
        return err;
    if (!wanted->task || !wanted->source || !result)
        return mproc__fail(MPROC_EINVAL, "an imap from a source cannot begin: %s is NULL",
                           !wanted->task     ? "task"
                           : !wanted->source ? "source"
                                             : "result");
    if (wanted->item_size > mproc__arena_limit() || wanted->out_size > mproc__arena_limit())
        return mproc__fail(MPROC_ENOMEM, "an item of %zu bytes, %zu of its result, does not fit into "
                                         "the arena",
                           wanted->item_size, wanted->out_size);
    struct feed *feed = NULL;
    err = check_options(&wanted->options);
    if (err == MPROC_OK)
        err = mproc__pool_check_open(pool);
    if (err == MPROC_OK)
        err = make_feed(&feed, wanted);
    if (err != MPROC_OK)
        return err;
    mproc__pool_lock(pool->shared);
    feed->next = pool->feeds;
    pool->feeds = feed;
    mproc__pool_unlock(pool->shared);
    draw(feed);
    *result = &feed->result;
    return MPROC_OK;
}

mproc_err mproc_pool_imap_from(mproc_pool *pool, mproc_result **result, mproc_task *task,
                               mproc_source *source, void *context, size_t in_size, size_t out_size,
                               const mproc_task_options *options)
{
    struct feed wanted = { .result.pool = pool,
                           .task = task,
                           .source = source,
                           .context = context,
                           .item_size = in_size,
                           .out_size = out_size,
                           .ordered = true };
    if (options)
        wanted.options = *options;
    return begin(result, &wanted);
}

mproc_err mproc_pool_imap_unordered_from(mproc_pool *pool, mproc_result **result, mproc_task *task,
                                         mproc_source *source, void *context, size_t in_size,
                                         size_t out_size, const mproc_task_options *options)
{
    struct feed wanted = { .result.pool = pool,
                           .task = task,
                           .source = source,
                           .context = context,
                           .item_size = in_size,
                           .out_size = out_size };
    if (options)
        wanted.options = *options;
    return begin(result, &wanted);
}
