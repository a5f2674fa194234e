/* SPDX-License-Identifier: MIT */
/* The watcher: a thread of the parent that waits for workers to end, sweeps, and starts others. */
#include "pool_local.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAILED_STARTS = 5 };
#define SLICE_MS 100
#define GRACE_NS INT64_C(500000000)
#define FIRST_DELAY_NS INT64_C(10000000)
#define LONGEST_DELAY_NS INT64_C(1000000000)

/* ---- starting ---- */

/* Under the latch. */
mproc_err mproc__pool_start_worker(mproc_pool *pool, uint32_t index)
{
    struct seat *seat = pool_seat(pool->shared, index);
    struct worker_place *place = &pool->places[index];
    struct pool_worker_start start = { pool->handle, index };
    mproc_process_options options = { 0 };
    if (pool->options.process)
        options = *pool->options.process;
    char name[200];
    snprintf(name, sizeof name, "%.160s-%u", pool->name ? pool->name : "PoolWorker",
             ++pool->numbers);
    options.name = name;
    options.daemon = true;
    options.start_method = pool->options.start_method;
    atomic_store(&seat->phase, SEAT_STARTING);
    mproc_err err = mproc_process_start(&place->process, mproc__pool_worker, &start, sizeof start,
                                        &options);
    if (err != MPROC_OK) {
        place->process = NULL;
        atomic_store(&seat->phase, SEAT_EMPTY);
        return err;
    }
    (void) !mproc_process_pid(place->process, &place->pid);
    place->seen = place->seen_item = 0;
    place->since = 0;
    pool->statistics.started++;
    return MPROC_OK;
}

/* ---- breaking ---- */

static void break_pool(mproc_pool *pool, const char *why, const char *how)
{
    snprintf(pool->broken_text, sizeof pool->broken_text,
             "the pool is broken: %s (the last one: %s)", why, how);
    mproc_log(MPROC_LOG_ERROR, "%s", pool->broken_text);
    atomic_store(&pool->broken, 1);
    atomic_store(&pool->shared->closing, POOL_TERMINATED);
}

static void count_death(mproc_pool *pool, const char *how)
{
    pool->statistics.died++;
    if (pool->options.max_restarts == 0)
        return;
    int64_t now = mproc_plat_now();
    int64_t period = (pool->options.restart_period ? pool->options.restart_period : 60000) *
                     INT64_C(1000000);
    if (pool->period_begin == 0 || now - pool->period_begin > period) {
        pool->period_begin = now;
        pool->deaths_in_period = 0;
    }
    if (++pool->deaths_in_period > pool->options.max_restarts)
        break_pool(pool, "its workers died more often than max_restarts allows", how);
}

/* One that could not even initialize: the next one comes later, and after some in a row none does. */
static int64_t count_failed_start(mproc_pool *pool, const char *how)
{
    uint32_t initialized = atomic_load(&pool->shared->initialized);
    if (initialized != pool->initialized_seen)
        pool->failed_starts = 0;
    pool->initialized_seen = initialized;
    size_t most = pool->options.max_failed_starts ? pool->options.max_failed_starts : FAILED_STARTS;
    if (++pool->failed_starts >= most) {
        char why[120];
        snprintf(why, sizeof why, "%u workers in a row could not initialize", pool->failed_starts);
        break_pool(pool, why, how);
    }
    if (pool->failed_starts == 1)
        return 0;
    unsigned doublings = pool->failed_starts - 2 < 10 ? pool->failed_starts - 2 : 10;
    int64_t delay = FIRST_DELAY_NS << doublings;
    return mproc_plat_now() + (delay < LONGEST_DELAY_NS ? delay : LONGEST_DELAY_NS);
}

/* ---- ends ---- */

/* Under the latch. True if this one may have failed what somebody waits for. */
static bool bury(mproc_pool *pool, uint32_t index)
{
    struct worker_place *place = &pool->places[index];
    struct seat *seat = pool_seat(pool->shared, index);
    uint32_t phase = atomic_load(&seat->phase);
    char how[256] = "nobody knows how";
    /* The join tells why a child did not come to its guard; the description has it as well. */
    (void) !mproc_process_join(place->process, MPROC_NOWAIT);
    (void) !mproc_process_describe(place->process, how, sizeof how);
    (void) !mproc_process_close(place->process);
    place->process = NULL;
    place->pid = 0;
    place->start_at = 0;
    bool asked = place->reason != KILL_NONE;
    bool terminated = atomic_load(&pool->shared->closing) == POOL_TERMINATED;
    bool leaves = atomic_load(&seat->leave) != 0;
    mproc__pool_sweep(pool, index, how);
    if (phase == SEAT_LEFT) {
        if (!leaves && atomic_load(&pool->shared->closing) == POOL_OPEN)
            pool->statistics.recycled++;
    } else if (!terminated && (phase == SEAT_STARTING || phase == SEAT_FAILED)) {
        pool->statistics.died++;
        place->start_at = count_failed_start(pool,
                                             phase == SEAT_FAILED ? "its initializer failed" : how);
    } else if (!terminated && !asked) {
        mproc_log(MPROC_LOG_INFO, "worker %u of a pool died: %s", (unsigned) index, how);
        count_death(pool, how);
    }
    atomic_store(&seat->phase, SEAT_EMPTY);
    return phase != SEAT_LEFT;
}

/* Maps whose references found no room. */
static void offer_again(mproc_pool *pool)
{
    pool->offer_again = false;
    for (struct map *map = pool->maps; map; map = map->next)
        if ((atomic_load(&map->job->state) & JOB_PHASE) == JOB_ACTIVE &&
            !mproc__pool_push(pool->shared, map->job->level, map->reference))
            pool->offer_again = true;
}

static bool has_work(mproc_pool *pool)
{
    for (struct map *map = pool->maps; map; map = map->next)
        if ((atomic_load(&map->job->state) & JOB_PHASE) == JOB_ACTIVE)
            return true;
    return mproc__pool_has_work(pool->shared, 0);
}

static bool is_wanted(mproc_pool *pool, uint32_t index)
{
    struct pool_shared *shared = pool->shared;
    uint32_t closing = atomic_load(&shared->closing);
    if (index >= atomic_load(&shared->workers) && !atomic_load(&pool_seat(shared, index)->mail))
        return false;
    return closing == POOL_OPEN || (closing == POOL_CLOSED && has_work(pool));
}

/* Starts whoever is missing and due; when the next is due. Under the latch. */
static int64_t refill(mproc_pool *pool)
{
    int64_t next = MPROC_PLAT_NEVER, now = mproc_plat_now();
    for (uint32_t i = 0; i < pool->shared->seats; i++) {
        struct worker_place *place = &pool->places[i];
        if (place->process || !is_wanted(pool, i))
            continue;
        if (place->start_at > now) {
            next = place->start_at < next ? place->start_at : next;
            continue;
        }
        if (mproc__pool_start_worker(pool, i) != MPROC_OK) {
            mproc_log(MPROC_LOG_WARNING, "a worker cannot be started: %s", mproc_last_error());
            place->start_at = count_failed_start(pool, mproc_last_error());
            next = place->start_at < next ? place->start_at : next;
        }
    }
    return next;
}

/* ---- the loop ---- */

static void collect(mproc_pool *pool)
{
    size_t count = 0;
    for (uint32_t i = 0; i < pool->shared->seats; i++)
        if (pool->places[i].process) {
            pool->watched.seats[count] = i;
            pool->watched.processes[count++] = pool->places[i].process;
        }
    pool->watched.count = count;
}

static void kill_all(mproc_pool *pool, bool hard)
{
    for (uint32_t i = 0; i < pool->shared->seats; i++)
        if (pool->places[i].process)
            (void) !(hard ? mproc_process_kill(pool->places[i].process)
                          : mproc_process_terminate(pool->places[i].process));
}

static void finish(mproc_pool *pool)
{
    mproc__pool_abandon(pool, atomic_load(&pool->broken) ? MPROC_EBROKEN : MPROC_ECANCELLED);
    atomic_store(&pool->ended, 1);
    mproc__gate_wake_all(&pool->shared->done);
    mproc__gate_wake_all(&pool->shared->events);
}

static mproc_ms milliseconds_until(int64_t when)
{
    if (when == MPROC_PLAT_NEVER)
        return SLICE_MS;
    int64_t left = (when - mproc_plat_now()) / 1000000 + 1;
    return left < 1 ? 1 : left > SLICE_MS ? SLICE_MS : left;
}

/* Buries everyone in the list who has ended. True if one of them may have failed what somebody waits for. */
static bool look_around(mproc_pool *pool)
{
    bool failed = false;
    for (size_t i = 0; i < pool->watched.count; i++) {
        bool alive = true;
        uint32_t seat = pool->watched.seats[i];
        if (pool->places[seat].process == pool->watched.processes[i] &&
            mproc_process_is_alive(pool->watched.processes[i], &alive) == MPROC_OK && !alive)
            failed |= bury(pool, seat);
    }
    return failed;
}

void mproc__pool_watch(void *context)
{
    mproc_pool *pool = context;
    struct pool_shared *shared = pool->shared;
    int64_t kill_at = 0;
    for (bool found = false;;) {
        mproc__pool_lock(shared);
        bool failed = found && look_around(pool);
        if (pool->offer_again)
            offer_again(pool);
        bool terminated = atomic_load(&shared->closing) == POOL_TERMINATED;
        int64_t due = terminated ? MPROC_PLAT_NEVER : refill(pool);
        collect(pool);
        if (terminated && kill_at == 0) {
            kill_all(pool, false);
            kill_at = mproc_plat_now() + GRACE_NS;
        } else if (terminated && mproc_plat_now() >= kill_at) {
            kill_all(pool, true);
        }
        bool over = pool->watched.count == 0 && due == MPROC_PLAT_NEVER &&
                    atomic_load(&shared->closing) != POOL_OPEN;
        mproc__pool_unlock(shared);
        if (over)
            break; /* finish() wakes everybody */
        if (found) {
            mproc__gate_wake_all(&shared->work); /* for what the sweep has put back */
            mproc__gate_wake(&shared->events);
        }
        if (failed)
            mproc__gate_wake_all(&shared->done);
        size_t which;
        mproc_ms slice = milliseconds_until(terminated ? kill_at : due);
        found = false;
        if (pool->watched.count)
            found = mproc_process_wait_any(pool->watched.processes, pool->watched.count, &which, slice) == MPROC_OK;
        else
            mproc_plat_sleep(slice * 1000000);
    }
    finish(pool);
}
