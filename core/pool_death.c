/* SPDX-License-Identifier: MIT */
/* What a worker leaves behind, put in order: exactly its begun task fails or is begun again. */
#include "pool_local.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sweep {
    mproc_pool *pool;
    struct pool_shared *shared;
    struct seat *seat;
    uint32_t index;
    const char *how;
    struct worker_place *place;
};

static char *copy_text(const char *text)
{
    char *copy = text ? malloc(strlen(text) + 1) : NULL;
    return copy ? strcpy(copy, text) : NULL;
}

static bool may_repeat(const mproc_pool *pool, unsigned deaths, unsigned retries)
{
    unsigned limit = pool->options.poison_limit ? pool->options.poison_limit : 3;
    return deaths <= retries && deaths < limit;
}

/* What is said of a task or item that its worker died in; OK: begin it again. */
static mproc_err judge(const struct sweep *sweep, uint64_t reference, uint64_t item,
                       unsigned *deaths, unsigned retries)
{
    const struct worker_place *place = sweep->place;
    if (atomic_load(&sweep->shared->closing) == POOL_TERMINATED)
        return MPROC_ECANCELLED;
    if (place->reason != KILL_NONE) {
        if (place->target != reference || place->target_item != item)
            return MPROC_OK; /* the kill was meant for the one before */
        if (place->reason == KILL_TIMEOUT) {
            sweep->pool->statistics.timed_out++;
            return MPROC_ETIMEDOUT;
        }
        return MPROC_ECANCELLED;
    }
    ++*deaths;
    if (!may_repeat(sweep->pool, *deaths, retries))
        return MPROC_EWORKERDIED;
    sweep->pool->statistics.retried++;
    return MPROC_OK;
}

/* ---- single tasks ---- */

static void requeue(struct pool_shared *shared, struct task *task, uint32_t index, uint64_t state)
{
    uint64_t next = (uint64_t) task_tag(state) << TASK_TAG_SHIFT | TASK_QUEUED;
    /* Marks that its submitter set meanwhile stay. */
    while (!atomic_compare_exchange_weak(&task->state, &state, next | (state & TASK_BITS)))
        continue;
    mproc__pool_push(shared, task->level, task_reference(index, next));
}

static mproc_result *known_result(mproc_pool *pool, const struct task *task, uint32_t index)
{
    mproc_result *result = mproc__result_of(pool, index);
    bool known = result && result->kind == RESULT_TASK &&
                 result->tag == task_tag(atomic_load(&task->state));
    return known ? result : NULL;
}

static void died_in_task(const struct sweep *sweep, struct task *task, uint32_t index,
                         uint64_t state, bool is_mail)
{
    mproc_pool *pool = sweep->pool;
    mproc_result *result = known_result(pool, task, index);
    unsigned deaths = result ? result->deaths : 0;
    mproc_err err = judge(sweep, task_reference(index, state), 0, &deaths,
                          result ? result->wish.retries : 0);
    if (result)
        result->deaths = deaths;
    if (err == MPROC_OK) {
        uint64_t next = (uint64_t) task_tag(state) << TASK_TAG_SHIFT | TASK_QUEUED;
        if (!is_mail)
            requeue(sweep->shared, task, index, state);
        else
            while (!atomic_compare_exchange_weak(&task->state, &state, next | (state & TASK_BITS)))
                continue;
        return;
    }
    if (result && err == MPROC_EWORKERDIED)
        result->how = copy_text(sweep->how);
    task->err = (uint16_t) err;
    mproc__task_finish(sweep->shared, task, index, state);
}

static void sweep_task(const struct sweep *sweep)
{
    struct seat *seat = sweep->seat;
    uint64_t reference = atomic_load(&seat->current);
    if (reference == 0)
        return;
    uint32_t index = (uint32_t) reference;
    struct task *task = mproc__pool_task(sweep->shared, index);
    uint64_t state = atomic_load(&task->state);
    bool same = task_tag(state) == (uint32_t) (reference >> 32);
    if (same && task_phase(state) == TASK_RUNNING && task_seat(state) == sweep->index) {
        died_in_task(sweep, task, index, state, atomic_load(&seat->mail) == reference);
    } else if (same && task_phase(state) == TASK_DONE && task_seat(state) == sweep->index) {
        if (atomic_load(&seat->finished) == atomic_load(&seat->finished_before))
            atomic_fetch_add(&seat->finished, 1);
        /* It may not have come to the list; what has was taken from it just now. */
        mproc_result *result = known_result(sweep->pool, task, index);
        if (result && result->wants_telling && !result->told)
            mproc__result_told(sweep->pool, result);
    }
    atomic_store(&seat->current, 0);
}

static struct map *map_of(mproc_pool *pool, uint64_t reference)
{
    for (struct map *map = pool->maps; map; map = map->next)
        if (map->reference == reference)
            return map;
    return NULL;
}

/* Somebody else is to help with the map; if its ring is full, the watcher tries again. */
static void offer_again(const struct sweep *sweep, uint64_t reference)
{
    struct map *map = map_of(sweep->pool, reference);
    if (map && (atomic_load(&map->job->state) & JOB_PHASE) == JOB_ACTIVE &&
        !mproc__pool_push(sweep->shared, map->job->level, reference))
        sweep->pool->offer_again = true;
}

static void sweep_lane(const struct sweep *sweep)
{
    struct seat *seat = sweep->seat;
    uint32_t end = atomic_load(&seat->lane_end);
    for (uint32_t i = 0; i < end && i < POOL_LANE; i++) {
        uint64_t reference = atomic_load(&seat->lane[i]);
        if (reference & REFERENCE_JOB) {
            offer_again(sweep, reference);
            continue;
        }
        if ((uint32_t) reference >= atomic_load(&sweep->shared->records))
            continue;
        struct task *task = mproc__pool_task(sweep->shared, (uint32_t) reference);
        uint64_t state = atomic_load(&task->state);
        if (task_phase(state) == TASK_QUEUED && task_tag(state) == (uint32_t) (reference >> 32))
            mproc__pool_push(sweep->shared, task->level, reference);
    }
    atomic_store(&seat->lane_end, 0);
    atomic_store(&seat->lane_next, 0);
}

/* ---- maps ---- */

static unsigned *deaths_of(struct map *map, uint64_t item)
{
    for (size_t i = 0; i < map->victim_count; i++)
        if (map->victims[i].item == item)
            return &map->victims[i].deaths;
    struct victim *more = realloc(map->victims, (map->victim_count + 1) * sizeof *more);
    if (!more)
        return NULL;
    map->victims = more;
    map->victims[map->victim_count] = (struct victim){ item, 0 };
    return &map->victims[map->victim_count++].deaths;
}

static void fail_items(const struct sweep *sweep, struct map *map, uint64_t first, uint64_t end,
                       mproc_err err)
{
    struct job *job = map->job;
    _Atomic int32_t *outcomes = job_outcomes(job);
    for (uint64_t item = first; item < end; item++) {
        mproc__job_failed(job, sweep->index, item, OUTCOME_ERR + (int32_t) err);
        if (outcomes)
            atomic_exchange(&outcomes[item], OUTCOME_ERR + (int32_t) err);
    }
    atomic_fetch_add(&job_tally(job, sweep->index)->items, end - first);
    if (atomic_load(&job->wake_after) > 0)
        mproc__gate_wake_all(&sweep->shared->done);
}

static void leave_rest(const struct sweep *sweep, struct map *map, uint64_t first, uint64_t end)
{
    if (first < end && mproc__job_add_fragment(map->job, first, end) != MPROC_OK) {
        mproc_log(MPROC_LOG_ERROR, "the rest of a dead worker's share is lost: %s",
                  mproc_last_error());
        fail_items(sweep, map, first, end, MPROC_ENOMEM);
    }
}

/* It had claimed the items from first to end and was in `item`, or in none of them yet. */
static void close_unit(const struct sweep *sweep, struct map *map, uint64_t first, uint64_t end,
                       uint64_t item)
{
    struct job *job = map->job;
    struct tally *tally = job_tally(job, sweep->index);
    _Atomic int32_t *outcomes = job_outcomes(job);
    if (item > ITEM_LAST) {
        leave_rest(sweep, map, first, end);
    } else {
        bool has_ended = outcomes && atomic_load(&outcomes[item]) != 0;
        unsigned none = 0, *deaths = map->result.wish.retries ? deaths_of(map, item) : &none;
        mproc_err err = MPROC_OK;
        if (!has_ended)
            err = judge(sweep, map->reference, item, deaths ? deaths : &none,
                        map->result.wish.retries);
        if (err == MPROC_EWORKERDIED && !map->result.how)
            map->result.how = copy_text(sweep->how);
        atomic_fetch_add(&tally->items, item - first + (has_ended ? 1 : 0));
        atomic_fetch_add(&sweep->seat->finished, item - first + (has_ended ? 1 : 0));
        if (err != MPROC_OK)
            fail_items(sweep, map, item, item + 1, err);
        leave_rest(sweep, map, err != MPROC_OK || has_ended ? item + 1 : item, end);
    }
    atomic_fetch_add(&tally->units, 1);
}

/* After its unit was done, before it was counted. */
static void count_unit(const struct sweep *sweep, struct job *job, uint64_t items)
{
    struct tally *tally = job_tally(job, sweep->index);
    if (atomic_load(&tally->units) != atomic_load(&sweep->seat->units_before))
        return;
    /* The items are stored before the units, and a kill may lie between. */
    uint64_t before = atomic_load(&sweep->seat->items_before);
    atomic_store(&tally->items, before + items);
    atomic_fetch_add(&tally->units, 1);
}

static void sweep_fragment(const struct sweep *sweep, struct map *map, uint64_t index,
                           uint64_t item)
{
    struct job *job = map->job;
    struct fragment *fragment = mproc__job_fragment(job, index);
    uint32_t state = atomic_load(&fragment->state);
    if (state == FRAGMENT_CLAIMED + sweep->index) {
        close_unit(sweep, map, fragment->first, fragment->end, item);
        atomic_store(&fragment->state, FRAGMENT_DONE);
    } else if (state == FRAGMENT_DONE && item <= ITEM_LAST) {
        count_unit(sweep, job, fragment->end - fragment->first);
    }
}

static void sweep_unit(const struct sweep *sweep, struct map *map, uint64_t unit, uint64_t item)
{
    struct job *job = map->job;
    _Atomic uint16_t *state = (_Atomic uint16_t *) job_states(job) + unit;
    uint64_t first = unit * job->chunk;
    uint64_t end = job->count - first > job->chunk ? first + job->chunk : job->count;
    uint16_t mine = (uint16_t) (sweep->index + 1), seen = 0;
    if (!atomic_compare_exchange_strong(state, &seen, mine) && seen != mine) {
        if (seen == (mine | UNIT_DONE) && item <= ITEM_LAST)
            count_unit(sweep, job, end - first);
        return;
    }
    close_unit(sweep, map, first, end, item);
    atomic_store(state, (uint16_t) (mine | UNIT_DONE));
}

static void sweep_job(const struct sweep *sweep)
{
    struct seat *seat = sweep->seat;
    uint64_t reference = atomic_load(&seat->job), item = atomic_load(&seat->item);
    uint64_t unit = atomic_load(&seat->unit);
    struct map *map = reference ? map_of(sweep->pool, reference) : NULL;
    if (map && (atomic_load(&map->job->state) & JOB_PHASE) == JOB_ACTIVE) {
        struct job *job = map->job;
        if (item == ITEM_DRAWING)
            atomic_fetch_add(&job->lost, 1);
        else if (item != ITEM_NONE && unit & UNIT_FRAGMENT)
            sweep_fragment(sweep, map, unit & ~UNIT_FRAGMENT, item);
        else if (item != ITEM_NONE)
            sweep_unit(sweep, map, unit, item);
        if (item != ITEM_DRAWING && atomic_load(&seat->drawn_end) > unit + 1)
            atomic_fetch_add(&job->lost, 1);
        mproc__job_check(sweep->shared, job);
        offer_again(sweep, reference);
    }
    atomic_store(&seat->item, ITEM_NONE);
    atomic_store(&seat->drawn_end, 0);
    atomic_store(&seat->job, 0);
}

/* Callers hold the latch; the worker has ended. */
void mproc__pool_sweep(mproc_pool *pool, uint32_t index, const char *how)
{
    struct pool_shared *shared = pool->shared;
    struct sweep sweep = {
        .pool = pool,
        .shared = shared,
        .seat = pool_seat(shared, index),
        .index = index,
        .how = how,
        .place = &pool->places[index],
    };
    mproc__pool_drain(pool);
    sweep_task(&sweep);
    sweep_lane(&sweep);
    sweep_job(&sweep);
    uint64_t mail = atomic_load(&sweep.seat->mail);
    if (mail) {
        const struct task *task = mproc__pool_task(shared, (uint32_t) mail);
        uint64_t state = atomic_load(&task->state);
        if (task_tag(state) != (uint32_t) (mail >> 32) || task_phase(state) != TASK_QUEUED)
            atomic_store(&sweep.seat->mail, 0);
    }
    atomic_store(&sweep.seat->began, 0);
    atomic_store(&sweep.seat->leave, 0);
    atomic_store(&sweep.seat->stop_current, 0);
    sweep.place->reason = KILL_NONE;
}

void mproc__pool_abandon(mproc_pool *pool, mproc_err err)
{
    struct pool_shared *shared = pool->shared;
    mproc__pool_lock(shared);
    mproc__pool_drain(pool);
    uint32_t records = atomic_load(&shared->records);
    for (uint32_t index = 0; index < records; index++) {
        struct task *task = mproc__pool_task(shared, index);
        uint64_t state = atomic_load(&task->state);
        if (task_phase(state) != TASK_QUEUED && task_phase(state) != TASK_RUNNING)
            continue;
        task->err = (uint16_t) err;
        mproc__task_finish(shared, task, index, state);
    }
    for (struct map *map = pool->maps; map; map = map->next)
        mproc__map_abandon(pool, map, err);
    mproc__pool_drain(pool);
    mproc__pool_unlock(shared);
    mproc__gate_wake_all(&shared->done);
    mproc__gate_wake_all(&shared->events);
}
