/* SPDX-License-Identifier: MIT */
/* Submitting tasks to a pool. */
#include "pool_local.h"

#include "runtime.h"

#include <stdlib.h>

mproc_err mproc__wish(struct task_wish *wish, const mproc_task_options *options, uint32_t *level)
{
    *level = -MPROC_POOL_LOWEST;
    if (!options)
        return MPROC_OK;
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++)
        if (options->reserved[i])
            return mproc__fail(MPROC_EINVAL,
                               "options.reserved must be zero: initialise the whole struct "
                               "with { 0 }");
    if (options->priority < MPROC_POOL_LOWEST || options->priority > MPROC_POOL_HIGHEST)
        return mproc__fail(MPROC_EINVAL,
                           "priority %d is not between MPROC_POOL_LOWEST and _HIGHEST",
                           options->priority);
    if (options->timeout < 0 || options->soft_timeout < 0)
        return mproc__fail(MPROC_EINVAL, "a task's time-out is negative; 0 means none");
    *level = (uint32_t) (options->priority - MPROC_POOL_LOWEST);
    wish->callback = options->callback;
    wish->error_callback = options->error_callback;
    wish->progress = options->progress;
    wish->context = options->context;
    wish->retries = options->retries;
    wish->timeout = options->timeout * INT64_C(1000000);
    wish->soft_timeout = options->soft_timeout * INT64_C(1000000);
    return MPROC_OK;
}

static void forget_wish(mproc_result *result)
{
    if (result->wants_telling || result->deaths || result->wish.retries || result->wish.timeout ||
        result->wish.soft_timeout)
        result->wish = (struct task_wish){ .callback = NULL };
    result->wish.context = NULL;
    result->wish.callback = NULL;
    result->wish.error_callback = NULL;
    result->wish.progress = NULL;
}

struct submission {
    mproc_task *function;
    const void *in;
    size_t in_size, out_size;
    const mproc_task_options *options;
    bool nobody_asks;
    uint32_t seat;     /* UINT32_MAX: any */
    struct feed *feed; /* whose next item it is, or NULL */
    bool telling;      /* the feed is told when it is done */
};

/* Writes the record and its result; not yet queued. Under the latch. */
static mproc_err prepare(mproc_pool *pool, const struct submission *wanted, mproc_result **result,
                         uint64_t *marks)
{
    uint32_t number, index, level;
    struct task *task;
    mproc_err err = mproc__pool_check_open(pool);
    if (err == MPROC_OK)
        err = mproc__pool_number(pool, wanted->function, &number);
    mproc__pool_reuse(pool->shared);
    if (err == MPROC_OK)
        err = mproc__pool_take(pool->shared, &task, &index);
    if (err != MPROC_OK)
        return err;
    mproc_result *made = mproc__result_of(pool, index);
    err = made ? mproc__task_fill(task, wanted->in, wanted->in_size, wanted->out_size)
               : mproc__fail(MPROC_ENOMEM, "no memory for a result");
    if (made) {
        made->feed = NULL;
        made->number = 0;
    }
    if (err == MPROC_OK && (forget_wish(made), true))
        err = mproc__wish(&made->wish, wanted->options, &level);
    if (err == MPROC_OK &&
        !(atomic_load_explicit(&pool->shared->levels, memory_order_relaxed) >> level & 1))
        err = mproc__pool_level(pool->shared, level);
    bool timed = err == MPROC_OK && (made->wish.timeout || made->wish.soft_timeout);
    bool called = err == MPROC_OK && (made->wish.callback || made->wish.error_callback);
    if (err == MPROC_OK && (timed || called))
        err = mproc__pool_need_collector(pool);
    if (err == MPROC_OK && wanted->feed)
        err = mproc__feed_add(wanted->feed, made);
    if (err != MPROC_OK) {
        if (made) {
            made->wish = (struct task_wish){ .callback = NULL };
            mproc__task_empty(task);
        }
        mproc__pool_give(pool->shared, task, index);
        return err;
    }
    if (timed && atomic_fetch_add(&pool->timed, 1) == 0)
        mproc__gate_wake_all(&pool->shared->events);
    task->function = number;
    task->level = (uint8_t) level;
    task->timed = timed;
    task->owns |= wanted->feed ? TASK_NUMBERED : 0;
    task->code = 0;
    task->err = MPROC_OK;
    made->pool = pool;
    atomic_store_explicit(&made->kind, RESULT_TASK, memory_order_relaxed);
    made->is_closed = wanted->nobody_asks;
    made->counted = pool->options.max_pending != 0 && !wanted->feed;
    made->wants_telling = wanted->nobody_asks || called || made->counted || wanted->telling;
    made->told = made->delivered = false;
    made->deaths = 0;
    made->task = task;
    made->index = index;
    made->tag = task_tag(atomic_load_explicit(&task->state, memory_order_relaxed));
    pool->pending += made->counted;
    /* Who waits for any of a feed's tasks waits where those who wait for one do. */
    *marks = (made->wants_telling ? TASK_TOLD : 0) | (wanted->telling ? TASK_WAITED : 0);
    *result = made;
    return MPROC_OK;
}

/* Under the latch. */
static void enqueue(mproc_pool *pool, const mproc_result *result, uint64_t marks, uint32_t seat)
{
    struct pool_shared *shared = pool->shared;
    uint64_t state = (uint64_t) result->tag << TASK_TAG_SHIFT | TASK_QUEUED;
    atomic_store_explicit(&result->task->state, state | marks, memory_order_release);
    atomic_store_explicit(&shared->submitted,
                          atomic_load_explicit(&shared->submitted, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (seat == UINT32_MAX)
        mproc__pool_push(shared, result->task->level, task_reference(result->index, state));
    else
        atomic_store(&pool_seat(shared, seat)->mail, task_reference(result->index, state));
}

static bool has_room(void *context)
{
    mproc_pool *pool = context;
    mproc__pool_lock(pool->shared);
    mproc__pool_drain(pool);
    bool room = pool->pending < pool->options.max_pending ||
                atomic_load(&pool->shared->closing) != POOL_OPEN;
    mproc__pool_unlock(pool->shared);
    return room;
}

/* Waits, latched at its end, until fewer than max_pending tasks are under way, if it is to be counted. */
static mproc_err lock_with_room(mproc_pool *pool, bool counted)
{
    struct pool_shared *shared = pool->shared;
    mproc__pool_lock(shared);
    mproc__pool_drain(pool); /* records of tasks that nobody asks for: they are to be used again */
    if (pool->options.max_pending == 0 || !counted)
        return MPROC_OK;
    mproc_ms timeout = pool->options.submit_timeout ? pool->options.submit_timeout : MPROC_FOREVER;
    int64_t deadline = mproc__deadline(timeout);
    while (pool->pending >= pool->options.max_pending &&
           atomic_load(&shared->closing) == POOL_OPEN) {
        pool->room_waiters++;
        mproc__pool_unlock(shared);
        mproc_err err = mproc__gate_wait(&shared->events, has_room, pool, deadline);
        mproc__pool_lock(shared);
        pool->room_waiters--;
        mproc__pool_unlock(shared);
        if (err != MPROC_OK)
            return mproc__fail(
                err,
                "%zu tasks are under way, as many as options.max_pending allows, for "
                "%lld ms",
                pool->options.max_pending, (long long) timeout);
        mproc__pool_lock(shared);
    }
    return MPROC_OK;
}

static mproc_err submit(mproc_pool *pool, const struct submission *wanted, mproc_result **result)
{
    mproc_err err = mproc__pool_check(pool);
    if (err != MPROC_OK)
        return err;
    if (!wanted->function || (!wanted->in && wanted->in_size))
        return mproc__fail(MPROC_EINVAL, "a task cannot be submitted: %s is NULL",
                           wanted->function ? "in" : "task");
    err = lock_with_room(pool, wanted->feed == NULL);
    if (err != MPROC_OK)
        return err;
    uint64_t marks;
    mproc_result *made = NULL;
    err = prepare(pool, wanted, &made, &marks);
    if (err == MPROC_OK)
        enqueue(pool, made, marks, wanted->seat);
    mproc__pool_unlock(pool->shared);
    if (err != MPROC_OK)
        return err;
    if (wanted->seat == UINT32_MAX)
        mproc__gate_wake_fenced(&pool->shared->work);
    else
        mproc__gate_wake_all(&pool->shared->work);
    *result = made;
    return MPROC_OK;
}

mproc_err mproc_pool_apply_async(mproc_pool *pool, mproc_result **result, mproc_task *task,
                                 const void *in, size_t in_size, size_t out_size,
                                 const mproc_task_options *options)
{
    struct submission wanted = { task,    in,   in_size, out_size, options, result == NULL,
                                 UINT32_MAX, NULL, false };
    mproc_result *made;
    return submit(pool, &wanted, result ? result : &made);
}

mproc_err mproc__pool_submit_fed(mproc_pool *pool, struct feed *feed, mproc_task *task,
                                 const void *numbered, size_t size, size_t out_size,
                                 const mproc_task_options *options, bool telling)
{
    struct submission wanted = { task,       numbered, size,   out_size, options, false,
                                 UINT32_MAX, feed,     telling };
    mproc_result *made;
    return submit(pool, &wanted, &made);
}

mproc_err mproc_pool_apply(mproc_pool *pool, mproc_task *task, const void *in, size_t in_size,
                           void *out, size_t out_size, mproc_ms timeout)
{
    if (!out && out_size)
        return mproc__fail(MPROC_EINVAL, "mproc_pool_apply: out is NULL but out_size is %zu",
                           out_size);
    mproc_result *result;
    mproc_err err = mproc_pool_apply_async(pool, &result, task, in, in_size, out_size, NULL);
    if (err != MPROC_OK)
        return err;
    err = mproc_result_get(result, out, out_size, timeout);
    mproc_result_close(result);
    return err;
}

/* Its worker takes the reference away only after the result is there. */
static bool has_mail(mproc_pool *pool, uint32_t seat)
{
    uint64_t mail = atomic_load(&pool_seat(pool->shared, seat)->mail);
    if (mail == 0)
        return false;
    uint64_t state = atomic_load(&mproc__pool_task(pool->shared, (uint32_t) mail)->state);
    return task_tag(state) == (uint32_t) (mail >> 32) &&
           (task_phase(state) == TASK_QUEUED || task_phase(state) == TASK_RUNNING);
}

mproc_err mproc_pool_run_everywhere(mproc_pool *pool, mproc_task *task, const void *in,
                                    size_t in_size, void *out, size_t out_size, size_t *count,
                                    mproc_ms timeout)
{
    mproc_err err = mproc__pool_check(pool);
    if (err != MPROC_OK)
        return err;
    if (!count || (!out && out_size))
        return mproc__fail(MPROC_EINVAL, "mproc_pool_run_everywhere: %s is NULL",
                           count ? "out" : "count");
    uint32_t workers = atomic_load(&pool->shared->workers);
    if (out_size && *count < workers)
        return mproc__fail(MPROC_EINVAL,
                           "the pool has %u workers, and out has room for %zu results", workers,
                           *count);
    mproc_result **results = calloc(workers, sizeof *results);
    if (!results)
        return mproc__fail(MPROC_ENOMEM, "no memory for %u results", workers);
    int64_t deadline = mproc__deadline(timeout);
    mproc_task_options options = { .retries = 2 };
    *count = workers;
    for (uint32_t i = 0; err == MPROC_OK && i < workers; i++) {
        struct submission wanted = { task, in, in_size, out_size, &options, false, i, NULL, false };
        err = has_mail(pool, i)
                  ? mproc__fail(MPROC_ESTATE, "another mproc_pool_run_everywhere is under way")
                  : submit(pool, &wanted, &results[i]);
    }
    for (uint32_t i = 0; i < workers && results[i]; i++) {
        mproc_err one = mproc__result_await(results[i], deadline);
        if (one == MPROC_ETIMEDOUT)
            one = mproc__fail(one, "worker %u had not run it within %lld ms", i,
                              (long long) timeout);
        else
            one = mproc_result_get(results[i], out ? (char *) out + i * out_size : NULL, out_size,
                                   MPROC_NOWAIT);
        err = err == MPROC_OK ? one : err;
    }
    for (uint32_t i = 0; i < workers; i++)
        mproc_result_close(results[i]);
    free(results);
    return err;
}
