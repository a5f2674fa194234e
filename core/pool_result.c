/* SPDX-License-Identifier: MIT */
/* Results: where a parent's threads wait, and how records come back. */
#include "pool_local.h"

#include "fault.h"
#include "log.h"
#include "runtime.h"
#include "self.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAP_NS = 500000,
    NAP_AGAIN_NS = 20000000,
    SHORT_NS = 10000,
    HALF_NS = 1000000,
    MARKED_DEPTH = 32
};

/* ---- waiting ---- */

mproc_err mproc__pool_await(mproc_pool *pool, bool (*ready)(void *context), void *context,
                            int64_t deadline)
{
    /* Without looking first: it takes long, and others need the CPU. */
    while (!ready(context)) {
        bool is_ready;
        mproc_err err = mproc__gate_step(&pool->shared->done, ready, context, deadline, &is_ready);
        if (err != MPROC_OK || is_ready)
            return err;
    }
    return MPROC_OK;
}

bool mproc__result_is_done(const mproc_result *result)
{
    if (result->kind == RESULT_TASK)
        return task_phase(atomic_load_explicit(&result->task->state, memory_order_acquire)) ==
               TASK_DONE;
    return (atomic_load_explicit(&result->map->job->state, memory_order_acquire) & JOB_PHASE) !=
           JOB_ACTIVE;
}

/* The mark by which the worker knows that somebody sleeps. */
static bool mark_waited(mproc_result *result)
{
    if (result->kind == RESULT_TASK)
        return task_phase(atomic_fetch_or(&result->task->state, TASK_WAITED)) == TASK_DONE;
    return (atomic_fetch_or(&result->map->job->state, JOB_WAITED) & JOB_PHASE) != JOB_ACTIVE;
}

static bool look(void *context)
{
    return mproc__result_is_done(context);
}

/* Others may wait at the same gate for other results, so the mark stays until it is done: set it again
 * after every sleep, since a task that was begun again has lost it. */
static bool look_marking(void *context)
{
    return mproc__result_is_done(context) || mark_waited(context);
}

/* To ask takes the reading of some files. */
static uint32_t usable_cpus(mproc_pool *pool)
{
    uint32_t cpus = atomic_load_explicit(&pool->cpus, memory_order_relaxed);
    if (cpus == 0) {
        cpus = (uint32_t) mproc_plat_cpu_count(); /* not what a user makes of them */
        atomic_store_explicit(&pool->cpus, cpus, memory_order_relaxed);
    }
    return cpus;
}

/* Whether tasks are so short that sleeping costs more, or a CPU is left to look with, beside the workers that
 * are busy or about to be. */
static bool may_look(mproc_pool *pool)
{
    struct pool_shared *shared = pool->shared;
    uint32_t cpus = usable_cpus(pool),
             workers = atomic_load_explicit(&shared->workers, memory_order_relaxed);
    if (workers < cpus || atomic_load_explicit(&shared->average, memory_order_relaxed) < SHORT_NS)
        return true;
    uint64_t busy = mproc__pool_depth(shared);
    for (uint32_t i = 0; i < workers && busy < cpus; i++) {
        struct seat *seat = pool_seat(shared, i);
        busy += atomic_load_explicit(&seat->current, memory_order_relaxed) != 0 ||
                atomic_load_explicit(&seat->job, memory_order_relaxed) != 0;
    }
    return busy < cpus;
}

/* Where many short tasks are queued, each result would wake its waiter while the workers need the CPUs: it
 * naps instead, if the last nap has gathered some results. */
static bool nap(mproc_result *result, int64_t deadline)
{
    mproc_pool *pool = result->pool;
    uint32_t gathered = atomic_exchange(&pool->gathered, 0);
    uint64_t queued = mproc__pool_depth(pool->shared) * atomic_load(&pool->shared->average);
    if (queued < 4 * NAP_NS * (uint64_t) atomic_load(&pool->shared->workers))
        return false;
    int64_t now = mproc_plat_now();
    if (gathered < 3) {
        if (now < atomic_load(&pool->nap_again))
            return false;
        atomic_store(&pool->nap_again, now + NAP_AGAIN_NS);
    }
    if (deadline - now < NAP_NS)
        return false;
    mproc_plat_sleep(NAP_NS);
    return look(result);
}

/* A queued task in the middle of what waits: when it is done, half of that is. */
struct marker {
    struct task *task;
    uint32_t tag;
};

static bool marker_is_done(void *context)
{
    const struct marker *marker = context;
    uint64_t state = atomic_load_explicit(&marker->task->state, memory_order_acquire);
    return task_tag(state) != marker->tag || task_phase(state) == TASK_DONE;
}

/* Whether the task is queued, and not among the next ones: then half of what waits is done before it. */
static bool is_deep(const mproc_result *result, const _Atomic uint64_t *entries, uint64_t head,
                    uint64_t depth)
{
    uint64_t state = atomic_load(&result->task->state);
    if (task_phase(state) != TASK_QUEUED)
        return false;
    for (uint64_t i = 0; i < depth / 4; i++)
        if ((uint32_t) atomic_load_explicit(&entries[(head + i) % POOL_RING],
                                            memory_order_relaxed) == result->index)
            return false;
    return true;
}

/* False if the queue is short. marker->task is NULL if there is none to wait for before the result itself. */
static bool find_marker(const mproc_result *result, struct marker *marker)
{
    mproc_pool *pool = result->pool;
    struct ring *ring = &pool->shared->rings[result->task->level];
    uint64_t head = atomic_load(&ring->head), depth = atomic_load(&ring->tail) - head;
    if (depth < MARKED_DEPTH || depth > POOL_RING)
        return false;
    const _Atomic uint64_t *entries = mproc_plat_region_at(atomic_load(&ring->entries));
    marker->task = NULL;
    if (is_deep(result, entries, head, depth))
        return true;
    uint64_t reference = atomic_load(&entries[(head + depth / 2) % POOL_RING]);
    if (reference == 0 || reference & REFERENCE_JOB)
        return false;
    struct task *task = mproc__pool_task(pool->shared, (uint32_t) reference);
    marker->tag = (uint32_t) (reference >> 32);
    uint64_t state = atomic_load(&task->state);
    do {
        if (task_tag(state) != marker->tag || task_phase(state) == TASK_DONE)
            return false;
    } while (!atomic_compare_exchange_weak(&task->state, &state, state | TASK_WAITED));
    marker->task = task;
    return true;
}

/* Short tasks queue up behind this one: to wake for each of them would cost more than they do. It sleeps
 * until half of them are done, but not long. False if there is nothing to do so for. */
static bool await_half(mproc_result *result, int64_t deadline)
{
    mproc_pool *pool = result->pool;
    struct marker marker;
    bool ready;
    uint32_t average = atomic_load_explicit(&pool->shared->average, memory_order_relaxed);
    if (result->kind != RESULT_TASK || average == 0 || average > SHORT_NS ||
        !find_marker(result, &marker))
        return false;
    int64_t now = mproc_plat_now();
    if (marker.task && deadline - now > HALF_NS)
        (void) mproc__gate_step(&pool->shared->done, marker_is_done, &marker, now + HALF_NS,
                                 &ready);
    return true;
}

mproc_err mproc__result_await(mproc_result *result, int64_t deadline)
{
    struct gate *gate = &result->pool->shared->done;
    if (look(result))
        return MPROC_OK;
    if (deadline == 0)
        return MPROC_ETIMEDOUT;
    if (await_half(result, deadline)) {
        /* most likely it is done now */
    } else if (may_look(result->pool)) {
        struct look looking = mproc__look_begin(&gate->spin);
        while (mproc__look_again(&looking))
            if (look(result)) {
                mproc__look_helped(&looking);
                return MPROC_OK;
            }
    } else if (nap(result, deadline)) {
        return MPROC_OK;
    }
    while (!look(result)) {
        bool ready;
        mproc_err err = mproc__gate_step(gate, look_marking, result, deadline, &ready);
        if (err != MPROC_OK)
            return err;
        if (ready)
            return MPROC_OK;
    }
    return MPROC_OK;
}

/* ---- records and their results ---- */

mproc_result *mproc__result_of(mproc_pool *pool, uint32_t index)
{
    uint32_t value = index / POOL_FIRST_SLAB + 1, slab = 0;
    while (value >>= 1)
        slab++;
    if (!pool->slabs[slab])
        pool->slabs[slab] = calloc((size_t) POOL_FIRST_SLAB << slab, sizeof **pool->slabs);
    return pool->slabs[slab] ? pool->slabs[slab] + (index - POOL_FIRST_SLAB * ((1u << slab) - 1))
                             : NULL;
}

static void release(mproc_pool *pool, mproc_result *result)
{
    if (result->task->owns)
        mproc__task_empty(result->task);
    if (result->how) {
        free(result->how);
        result->how = NULL;
    }
    if (result->wish.timeout || result->wish.soft_timeout)
        atomic_fetch_sub(&pool->timed, 1);
    result->kind = RESULT_CLOSED;
    mproc__pool_give(pool->shared, result->task, result->index);
}

void mproc__result_settle(mproc_pool *pool, mproc_result *result)
{
    if (result->is_closed && mproc__result_is_done(result) &&
        (!result->wants_telling || (result->told && result->delivered)))
        release(pool, result);
}

void mproc__result_told(mproc_pool *pool, mproc_result *result)
{
    result->told = true;
    if (result->counted) {
        result->counted = false;
        pool->pending--;
        if (pool->room_waiters)
            mproc__gate_wake_all(&pool->shared->events);
    }
    if (result->feed)
        mproc__feed_told(result);
    const struct task_wish *wish = &result->wish;
    bool failed = result->task->err != MPROC_OK;
    result->delivered = failed ? !wish->error_callback : !wish->callback;
    if (!result->delivered) {
        result->next = NULL;
        *pool->due_end = result;
        pool->due_end = &result->next;
    }
    mproc__result_settle(pool, result);
}

/* A task that a worker submitted: nobody here knows it. */
static void told_unknown(mproc_pool *pool, struct task *task, uint32_t index)
{
    if (task->err != MPROC_OK)
        mproc_log(MPROC_LOG_WARNING, "a task that a worker submitted failed: %s",
                  mproc_err_name((mproc_err) task->err));
    mproc__task_empty(task);
    mproc__pool_give(pool->shared, task, index);
}

void mproc__pool_drain(mproc_pool *pool)
{
    struct pool_shared *shared = pool->shared;
    if (atomic_load_explicit(&shared->finished, memory_order_relaxed) == 0)
        return;
    uint32_t at = atomic_exchange(&shared->finished, 0), reversed = 0;
    while (at) { /* the list has the last one first */
        struct task *task = mproc__pool_task(shared, at - 1);
        uint32_t next = atomic_load_explicit(&task->finished, memory_order_relaxed);
        atomic_store_explicit(&task->finished, reversed, memory_order_relaxed);
        reversed = at;
        at = next;
    }
    while (reversed) {
        uint32_t index = reversed - 1;
        struct task *task = mproc__pool_task(shared, index);
        reversed = atomic_load_explicit(&task->finished, memory_order_relaxed);
        mproc_result *result = mproc__result_of(pool, index);
        if (result && result->kind == RESULT_TASK &&
            result->tag == task_tag(atomic_load(&task->state)))
            mproc__result_told(pool, result);
        else
            told_unknown(pool, task, index);
    }
}

/* ---- the public face ---- */

static mproc_err check(const mproc_result *result, const void *out)
{
    if (result && out && result->kind != RESULT_CLOSED && !result->is_closed &&
        result->pool->pid == mproc__self()->pid)
        return MPROC_OK;
    if (!result || !out)
        return mproc__fail(MPROC_EINVAL, "%s is NULL",
                           result ? "the pointer for the answer" : "result");
    if (result->kind == RESULT_CLOSED || result->is_closed)
        return mproc__fail(MPROC_ECLOSED, "this result was closed");
    return mproc__pool_check(result->pool);
}

/* One that is ready as a whole some day. */
static mproc_err check_whole(const mproc_result *result, const void *out)
{
    mproc_err err = check(result, out);
    if (err == MPROC_OK && result->kind == RESULT_FEED)
        err = mproc__fail(MPROC_EINVAL, "the results of an imap from a source come one by one, by "
                                        "mproc_result_next");
    return err;
}

mproc_err mproc_result_ready(mproc_result *result, bool *ready)
{
    mproc_err err = check_whole(result, ready);
    if (err == MPROC_OK)
        *ready = mproc__result_is_done(result);
    return err;
}

static mproc_err await(mproc_result *result, mproc_ms timeout)
{
    mproc_err err = MPROC_OK;
    if (mproc__result_is_done(result))
        atomic_store_explicit(&result->pool->gathered,
                              atomic_load_explicit(&result->pool->gathered, memory_order_relaxed) +
                                  1,
                              memory_order_relaxed);
    else
        err = mproc__result_await(result, mproc__deadline(timeout));
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "the result was not ready within %lld ms", (long long) timeout);
    if (err == MPROC_OK && result->kind != RESULT_TASK && result->map->out)
        mproc__map_collect(result->map);
    return err;
}

mproc_err mproc_result_wait(mproc_result *result, mproc_ms timeout)
{
    mproc_err err = check_whole(result, result);
    return err == MPROC_OK ? await(result, timeout) : err;
}

mproc_err mproc__result_verdict(mproc_result *result)
{
    if (result->kind != RESULT_TASK)
        return mproc__map_verdict(result->map);
    const struct task *task = result->task;
    mproc_err err = (mproc_err) task->err;
    switch (err) {
    case MPROC_OK:
        return MPROC_OK;
    case MPROC_ETASK:
        return mproc__fail(err, "the task returned %d", task->code);
    case MPROC_ECANCELLED:
        return mproc__fail(err, "the task was cancelled before it was done");
    case MPROC_ETIMEDOUT:
        return mproc__fail(
            err, "the task ran longer than its time-out of %lld ms; its worker was killed",
            (long long) (result->wish.timeout / 1000000));
    case MPROC_EBROKEN:
        return mproc__fail(err, "%s", result->pool->broken_text);
    case MPROC_EIMAGE:
        return mproc__fail(
            err, "the worker could not find the task's function: its program or library is "
                 "of another build");
    default:
        return mproc__fail(err, "the worker that ran the task died: %s",
                           result->how ? result->how : "nobody knows how");
    }
}

mproc_err mproc_result_successful(mproc_result *result, bool *successful)
{
    mproc_err err = check_whole(result, successful);
    if (err != MPROC_OK)
        return err;
    if (!mproc__result_is_done(result))
        return mproc__fail(MPROC_ESTATE, "the result is not ready; wait for it first");
    *successful = mproc__result_verdict(result) == MPROC_OK;
    return MPROC_OK;
}

static void copy_result(const mproc_result *result, void *out, size_t size)
{
    size_t has = mproc_result_size((mproc_result *) (uintptr_t) result);
    const void *data = mproc_result_data((mproc_result *) (uintptr_t) result);
    if (data && out != data)
        memcpy(out, data, has < size ? has : size);
}

mproc_err mproc_result_get(mproc_result *result, void *out, size_t size, mproc_ms timeout)
{
    mproc_err err = check_whole(result, result);
    if (err == MPROC_OK)
        err = await(result, timeout);
    if (err != MPROC_OK)
        return err;
    if (result->kind == RESULT_TASK && result->task->err == MPROC_OK) {
        const struct task *task = result->task;
        if (out && size)
            memcpy(out, task->out ? mproc_plat_region_at(task->out) : out,
                   task->out_size < size ? (size_t) task->out_size : size);
        return MPROC_OK;
    }
    if (out && result->kind != RESULT_TASK)
        copy_result(result, out, size);
    return mproc__result_verdict(result);
}

const void *mproc_result_data(mproc_result *result)
{
    if (check_whole(result, result) != MPROC_OK || !mproc__result_is_done(result))
        return NULL;
    uint64_t at = result->kind == RESULT_TASK ? result->task->out : result->map->job->out;
    return at ? mproc_plat_region_at(at) : NULL;
}

size_t mproc_result_size(mproc_result *result)
{
    if (check_whole(result, result) != MPROC_OK || !mproc__result_is_done(result))
        return 0;
    if (result->kind == RESULT_TASK)
        return (size_t) result->task->out_size;
    return (size_t) (result->map->job->count * result->map->job->out_size);
}

int mproc_result_code(mproc_result *result)
{
    if (check(result, result) == MPROC_OK && result->kind == RESULT_FEED)
        return mproc__feed_code(result->feed);
    if (check(result, result) != MPROC_OK || !mproc__result_is_done(result))
        return 0;
    if (result->kind == RESULT_TASK)
        return result->task->err == MPROC_ETASK ? result->task->code : 0;
    uint64_t item, failed;
    int32_t outcome = mproc__outcome_first(result->map->job, &item, &failed);
    return failed && outcome >= OUTCOME_FIRST_CODE ? outcome : 0;
}

size_t mproc_result_done(mproc_result *result)
{
    if (check(result, result) != MPROC_OK)
        return 0;
    if (result->kind == RESULT_FEED)
        return mproc__feed_done(result->feed);
    if (result->kind == RESULT_TASK)
        return mproc__result_is_done(result);
    return (size_t) mproc__job_items_done(result->map->job);
}

/* Done, and nothing is to be done with it but to give its record back. */
static bool is_simple(const mproc_result *result)
{
    return result->kind == RESULT_TASK && !result->wants_telling && mproc__result_is_done(result) &&
           !(result->task->owns & (TASK_OWNS_IN | TASK_OWNS_OUT)) && !result->how && !result->wish.timeout &&
           !result->wish.soft_timeout;
}

mproc_err mproc_result_close(mproc_result *result)
{
    if (!result)
        return MPROC_OK;
    mproc_err err = check(result, result);
    if (err != MPROC_OK)
        return err;
    if (result->kind == RESULT_FEED)
        return mproc__feed_close(result->feed);
    mproc_pool *pool = result->pool;
    if (is_simple(result)) {
        atomic_store_explicit(&result->kind, RESULT_CLOSED, memory_order_relaxed);
        mproc__pool_return(pool->shared, result->task, result->index);
        return MPROC_OK;
    }
    mproc__pool_lock(pool->shared);
    result->is_closed = true;
    if (result->kind == RESULT_TASK) {
        /* One that runs comes to the list of finished ones when it is done. */
        if (!result->wants_telling && !mproc__result_is_done(result))
            result->wants_telling = task_phase(atomic_fetch_or(&result->task->state, TASK_TOLD)) !=
                                    TASK_DONE;
        mproc__result_settle(pool, result);
    } else {
        mproc__map_settle(pool, result->map);
    }
    mproc__pool_unlock(pool->shared);
    return MPROC_OK;
}

/* ---- cancelling ---- */

static mproc_err cancel_task(mproc_result *result, bool running)
{
    mproc_pool *pool = result->pool;
    struct task *task = result->task;
    uint64_t state = atomic_load(&task->state);
    while (task_phase(state) == TASK_QUEUED) {
        /* As a worker would: whoever wins the exchange decides. */
        uint64_t mine = (state & ~TASK_PHASE) | (uint64_t) 0xffff << TASK_SEAT_SHIFT | TASK_RUNNING;
        if (!atomic_compare_exchange_weak(&task->state, &state, mine))
            continue;
        task->err = MPROC_ECANCELLED;
        mproc__task_finish(pool->shared, task, result->index, mine);
        return MPROC_OK;
    }
    if (task_phase(state) == TASK_DONE)
        return mproc__fail(MPROC_ESTATE, "the task is done already");
    if (!running)
        return mproc__fail(MPROC_ESTATE,
                           "the task runs already; cancel with running = true to kill its worker");
    mproc__pool_kill(pool, task_seat(state), KILL_CANCEL, task_reference(result->index, state), 0);
    return MPROC_OK;
}

mproc_err mproc_result_cancel(mproc_result *result, bool running)
{
    mproc_err err = check(result, result);
    if (err != MPROC_OK)
        return err;
    mproc_pool *pool = result->pool;
    mproc__pool_lock(pool->shared);
    if (result->kind == RESULT_TASK) {
        err = cancel_task(result, running);
    } else if (result->kind == RESULT_FEED) {
        /* What is done, or runs on, says so by itself. */
        mproc__feed_cancel(result->feed);
        mproc_result *flight;
        for (size_t i = 0; (flight = mproc__feed_flight(result->feed, i)) != NULL; i++)
            (void) !cancel_task(flight, running);
    } else if (mproc__result_is_done(result)) {
        err = mproc__fail(MPROC_ESTATE, "the map is done already");
    } else {
        struct job *job = result->map->job;
        atomic_store(&job->cancelled, 1);
        for (uint32_t i = 0; running && i < pool->shared->seats; i++) {
            struct seat *seat = pool_seat(pool->shared, i);
            uint64_t item = atomic_load(&seat->item);
            if (atomic_load(&seat->job) == result->map->reference && item <= ITEM_LAST)
                mproc__pool_kill(pool, i, KILL_CANCEL, result->map->reference, item);
        }
    }
    mproc__pool_unlock(pool->shared);
    return err;
}
