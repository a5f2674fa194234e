/* SPDX-License-Identifier: MIT */
/* The collector: a thread of the parent for callbacks, progress, time-outs and stuck tasks. */
#include "pool_local.h"

#include "compiler.h"
#include "log.h"

#include <stdio.h>

#define LOOK_NS INT64_C(5000000)
#define PROGRESS_NS INT64_C(100000000)

static MPROC_THREAD_LOCAL const mproc_pool *collecting;

bool mproc__pool_is_collector(const mproc_pool *pool)
{
    return collecting == pool;
}

mproc_err mproc__pool_need_collector(mproc_pool *pool)
{
    if (pool->collector)
        return MPROC_OK;
    return mproc__thread_start(&pool->collector, false, mproc__pool_collect, pool);
}

void mproc__pool_kill(mproc_pool *pool, uint32_t seat, enum kill_reason reason, uint64_t target,
                      uint64_t item)
{
    struct worker_place *place = &pool->places[seat];
    if (!place->process || place->reason != KILL_NONE)
        return;
    place->reason = reason;
    place->target = target;
    place->target_item = item;
    (void) !mproc_process_kill(place->process);
}

/* ---- callbacks ---- */

static void deliver(const struct task_wish *wish, mproc_result *result)
{
    mproc_err err = mproc__result_verdict(result);
    if (err != MPROC_OK && wish->error_callback)
        wish->error_callback(wish->context, err, mproc_last_error());
    if (err == MPROC_OK && wish->callback) {
        uint64_t at = result->kind == RESULT_TASK ? result->task->out : result->map->job->out;
        uint64_t size = result->kind == RESULT_TASK
                            ? result->task->out_size
                            : result->map->job->count * result->map->job->out_size;
        wish->callback(wish->context, at ? mproc_plat_region_at(at) : NULL, (size_t) size);
    }
}

/* One at a time, without the latch: callbacks may submit and close. */
static bool deliver_next(mproc_pool *pool)
{
    mproc__pool_lock(pool->shared);
    mproc__pool_drain(pool);
    mproc_result *result = pool->due;
    if (result) {
        pool->due = result->next;
        if (!pool->due)
            pool->due_end = &pool->due;
    }
    mproc__pool_unlock(pool->shared);
    if (!result)
        return false;
    deliver(&result->wish, result);
    mproc__pool_lock(pool->shared);
    result->delivered = true;
    mproc__result_settle(pool, result);
    mproc__pool_unlock(pool->shared);
    return true;
}

static struct map *complete_map(mproc_pool *pool)
{
    struct map *found = NULL; /* the first submitted is the last of the list */
    mproc__pool_lock(pool->shared);
    for (struct map *map = pool->maps; map; map = map->next)
        if (map->result.wants_telling && !map->result.told && mproc__result_is_done(&map->result))
            found = map;
    if (found)
        found->result.told = true;
    mproc__pool_unlock(pool->shared);
    return found;
}

static bool deliver_map(mproc_pool *pool)
{
    struct map *map = complete_map(pool);
    if (!map)
        return false;
    if (map->out)
        mproc__map_collect(map);
    const struct task_wish *wish = &map->result.wish;
    if (wish->progress)
        wish->progress(wish->context, (size_t) map->job->count, (size_t) map->job->count);
    deliver(wish, &map->result);
    mproc__pool_lock(pool->shared);
    map->result.delivered = true;
    mproc__map_settle(pool, map);
    mproc__pool_unlock(pool->shared);
    return true;
}

/* ---- progress ---- */

static void report_progress(mproc_pool *pool)
{
    /* The call is made without the latch; only this thread lets go of maps that want to be told. */
    for (size_t skip = 0;; skip++) {
        mproc__pool_lock(pool->shared);
        struct map *map = pool->maps;
        size_t at = 0;
        while (map &&
               (!map->result.wish.progress || mproc__result_is_done(&map->result) || at++ < skip))
            map = map->next;
        mproc__pool_unlock(pool->shared);
        if (!map)
            return;
        size_t done = (size_t) mproc__job_items_done(map->job);
        if (done != map->progress_told && done < map->job->count)
            map->result.wish.progress(map->result.wish.context, done, (size_t) map->job->count);
        map->progress_told = done;
    }
}

/* ---- time-outs and stuck tasks ---- */

struct where {
    uint64_t reference, item;
    mproc_result *result; /* NULL: nobody knows its wishes */
    uint32_t function;
};

static struct map *map_of(mproc_pool *pool, uint64_t reference)
{
    for (struct map *map = pool->maps; map; map = map->next)
        if (map->reference == reference)
            return map;
    return NULL;
}

/* What a seat is in just now; false: in nothing. */
static bool find_where(mproc_pool *pool, uint32_t index, struct where *where)
{
    struct seat *seat = pool_seat(pool->shared, index);
    uint64_t current = atomic_load(&seat->current);
    if (current) {
        struct task *task = mproc__pool_task(pool->shared, (uint32_t) current);
        uint64_t state = atomic_load(&task->state);
        if (task_phase(state) != TASK_RUNNING || task_tag(state) != (uint32_t) (current >> 32) ||
            task_seat(state) != index)
            return false;
        mproc_result *result = mproc__result_of(pool, (uint32_t) current);
        bool known = result && result->kind == RESULT_TASK && result->tag == task_tag(state);
        *where = (struct where){ current, 0, known ? result : NULL, task->function };
        return true;
    }
    uint64_t reference = atomic_load(&seat->job), item = atomic_load(&seat->item);
    struct map *map = reference && item <= ITEM_LAST ? map_of(pool, reference) : NULL;
    if (!map)
        return false;
    *where = (struct where){ reference, item, &map->result, map->job->function };
    return true;
}

static void tell_stuck(mproc_pool *pool, uint32_t index, const struct where *where, int64_t age)
{
    struct worker_place *place = &pool->places[index];
    bool is_fed = where->result && where->result->feed;
    uint64_t item = is_fed ? where->result->number : where->item;
    mproc_stuck stuck = {
        .worker = index,
        .pid = place->pid,
        .task = mproc__pool_function(pool, where->function),
        .index = (size_t) item,
        .running = age / 1000000,
    };
    char text[256];
    snprintf(text, sizeof text, "worker %u (pid %lld) has been in task %u, item %llu, for %lld ms",
             (unsigned) index, (long long) place->pid, (unsigned) where->function,
             (unsigned long long) item, (long long) stuck.running);
    stuck.text = text;
    if (pool->options.on_stuck) {
        mproc__pool_unlock(pool->shared);
        pool->options.on_stuck(pool->options.stuck_context, &stuck);
        mproc__pool_lock(pool->shared);
    } else {
        mproc_log(MPROC_LOG_WARNING, "%s", text);
    }
}

static void look_at_seat(mproc_pool *pool, uint32_t index, int64_t now)
{
    struct worker_place *place = &pool->places[index];
    struct seat *seat = pool_seat(pool->shared, index);
    struct where where;
    uint64_t finished = atomic_load(&seat->finished);
    if (!place->process || !find_where(pool, index, &where)) {
        place->seen = 0;
        return;
    }
    if (place->seen != where.reference || place->seen_item != where.item ||
        place->seen_finished != finished) {
        place->seen = where.reference;
        place->seen_item = where.item;
        place->seen_finished = finished;
        place->since = now;
        place->stuck_told = false;
    }
    int64_t began = atomic_load(&seat->began);
    int64_t age = now - (began ? began : place->since);
    const struct task_wish *wish = where.result ? &where.result->wish : NULL;
    if (wish && began && wish->soft_timeout && age >= wish->soft_timeout) {
        atomic_store(&seat->stop_item, where.item);
        atomic_store(&seat->stop_current, where.reference);
    }
    if (wish && began && wish->timeout && age >= wish->timeout)
        mproc__pool_kill(pool, index, KILL_TIMEOUT, where.reference, where.item);
    int64_t patience = pool->options.stuck_after * INT64_C(1000000);
    if (patience && age >= patience && !place->stuck_told) {
        place->stuck_told = true;
        tell_stuck(pool, index, &where, age);
    }
}

static void look_around(mproc_pool *pool)
{
    mproc__pool_lock(pool->shared);
    int64_t now = mproc_plat_now();
    for (uint32_t i = 0; i < pool->shared->seats; i++)
        look_at_seat(pool, i, now);
    mproc__pool_unlock(pool->shared);
}

/* ---- the loop ---- */

static bool has_events(void *context)
{
    mproc_pool *pool = context;
    if (atomic_load(&pool->shared->finished) || atomic_load(&pool->collector_stops))
        return true;
    mproc__pool_lock(pool->shared);
    bool any = pool->due != NULL;
    for (struct map *map = pool->maps; map && !any; map = map->next)
        any = map->result.wants_telling && !map->result.told && mproc__result_is_done(&map->result);
    mproc__pool_unlock(pool->shared);
    return any;
}

void mproc__pool_collect(void *context)
{
    mproc_pool *pool = context;
    int64_t progress_at = 0;
    collecting = pool;
    for (;;) {
        bool stops = atomic_load(&pool->collector_stops) != 0;
        while (deliver_next(pool) || deliver_map(pool))
            continue;
        if (stops)
            return;
        bool timed = atomic_load(&pool->timed) != 0;
        int64_t now = mproc_plat_now();
        if (timed)
            look_around(pool);
        if (timed && now >= progress_at) {
            report_progress(pool);
            progress_at = now + PROGRESS_NS;
        }
        bool ready;
        (void) mproc__gate_step(&pool->shared->events, has_events, pool,
                                 timed ? now + LOOK_NS : MPROC_PLAT_NEVER, &ready);
    }
}

void mproc_progress_bar(void *context, size_t done, size_t count)
{
    enum { WIDTH = 40 };
    const char *name = context ? context : "";
    if (!mproc_plat_is_terminal(2))
        return;
    char bar[WIDTH + 1], line[160];
    size_t filled = count ? done * WIDTH / count : WIDTH;
    for (size_t i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = '\0';
    int length = snprintf(line, sizeof line, "\r%.60s%s[%s] %zu/%zu%s", name, *name ? " " : "", bar,
                          done, count, done == count ? "\n" : "");
    if (length > 0)
        mproc_plat_stdio_error(line,
                               (size_t) length < sizeof line ? (size_t) length : sizeof line - 1);
}
