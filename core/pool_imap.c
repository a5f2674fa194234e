/* SPDX-License-Identifier: MIT */
/* Results of a map one by one, while it runs. */
#include "pool_local.h"

#include "runtime.h"

#include <stdlib.h>
#include <string.h>

/* Items that come during one sleep where they come fast, and the longest such sleep. */
enum { BURST = 64, BURST_NS = 300000 };

struct imap_look {
    struct map *map;
    uint64_t found;
};

static bool add_hole(struct map *map, uint64_t item)
{
    if (map->hole_count == map->hole_capacity) {
        size_t capacity = map->hole_capacity ? map->hole_capacity * 2 : 64;
        uint64_t *more = realloc(map->holes, capacity * sizeof *more);
        if (!more)
            return false;
        map->holes = more;
        map->hole_capacity = capacity;
    }
    map->holes[map->hole_count++] = item;
    return true;
}

/* Items below this may have begun: units are drawn in order. */
static uint64_t drawn(const struct job *job)
{
    uint64_t next = atomic_load_explicit(&job->next, memory_order_acquire);
    uint64_t phase = atomic_load(&job->state) & JOB_PHASE;
    return next >= job->units || phase != JOB_ACTIVE ? job->count : next * job->chunk;
}

/* Each item is looked at once at the frontier; what was not done then is looked at again among the few
 * holes, as many as workers are in items. */
static bool find_any(struct map *map, uint64_t *found)
{
    struct job *job = map->job;
    _Atomic int32_t *outcomes = job_outcomes(job);
    uint64_t end = drawn(job);
    while (map->frontier < end) {
        uint64_t item = map->frontier;
        if (atomic_load_explicit(&outcomes[item], memory_order_acquire)) {
            map->frontier++;
            *found = item;
            return true;
        }
        if (map->hole_count > 2 * (size_t) job->seats * job->chunk || !add_hole(map, item))
            break;
        map->frontier++;
    }
    for (size_t i = 0; i < map->hole_count; i++)
        if (atomic_load_explicit(&outcomes[map->holes[i]], memory_order_acquire)) {
            *found = map->holes[i];
            map->holes[i] = map->holes[--map->hole_count];
            return true;
        }
    return false;
}

static bool imap_ready(void *context)
{
    struct imap_look *look = context;
    struct map *map = look->map;
    if (!map->ordered)
        return find_any(map, &look->found);
    if (!atomic_load_explicit(&job_outcomes(map->job)[map->frontier], memory_order_acquire))
        return false;
    look->found = map->frontier++;
    return true;
}

/* Where items come fast it sleeps until many have come, but never long. */
static mproc_err imap_sleep(struct map *map, struct imap_look *look, int64_t deadline, bool *ready)
{
    struct gate *gate = &map->result.pool->shared->done;
    struct job *job = map->job;
    bool fast = map->burst >= BURST;
    int64_t now = mproc_plat_now();
    int64_t slice = fast && deadline > now + BURST_NS ? now + BURST_NS : deadline;
    map->burst = 0;
    atomic_store(&job->wake_after, fast ? BURST : 1);
    mproc_err err = mproc__gate_step(gate, imap_ready, look, slice, ready);
    atomic_store(&job->wake_after, 0);
    if (err == MPROC_ETIMEDOUT && slice != deadline)
        err = MPROC_OK;
    return err;
}

static mproc_err imap_await(struct map *map, struct imap_look *look, int64_t deadline)
{
    struct look looking = mproc__look_begin(&map->result.pool->shared->done.spin);
    if (imap_ready(look)) {
        map->burst++;
        return MPROC_OK;
    }
    if (deadline == 0)
        return MPROC_ETIMEDOUT;
    while (mproc__look_again(&looking))
        if (imap_ready(look)) {
            mproc__look_helped(&looking);
            return MPROC_OK;
        }
    for (;;) {
        bool ready = false;
        mproc_err err = imap_sleep(map, look, deadline, &ready);
        if (err != MPROC_OK || ready)
            return err;
        if (imap_ready(look))
            return MPROC_OK;
    }
}

mproc_err mproc_result_next(mproc_result *result, size_t *index, void *out, mproc_ms timeout)
{
    if (result && result->kind == RESULT_FEED)
        return mproc__feed_next(result->feed, index, out, timeout);
    if (!result || result->kind != RESULT_IMAP || result->is_closed)
        return mproc__fail(MPROC_EINVAL, "mproc_result_next: not the result of an imap");
    struct map *map = result->map;
    struct job *job = map->job;
    if (map->given == job->count)
        return mproc__fail(MPROC_ENOTFOUND, "the imap has no more results");
    struct imap_look look = { .map = map };
    mproc_err err = imap_await(map, &look, mproc__deadline(timeout));
    if (err != MPROC_OK)
        return mproc__fail(err, "no further result within %lld ms", (long long) timeout);
    map->given++;
    if (index)
        *index = (size_t) look.found;
    int32_t outcome = atomic_load_explicit(&job_outcomes(job)[look.found], memory_order_acquire);
    if (outcome == OUTCOME_OK && out && job->out)
        memcpy(out, (const char *) mproc_plat_region_at(job->out) + look.found * job->out_size,
               (size_t) job->out_size);
    return outcome == OUTCOME_OK ? MPROC_OK : mproc__item_verdict(map, look.found, outcome);
}
