/* SPDX-License-Identifier: MIT */
/* Maps in the parent: making a job, handing out its results. */
#include "pool_local.h"

#include "fault.h"
#include "log.h"
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

/* Shares per worker: small enough that none waits long for the last one. */
enum { SHARES = 16, LARGEST_CHUNK = 1 << 20 };

struct map_request {
    mproc_task *task;
    const void *in;
    size_t in_size;
    void *out;
    size_t out_size, count;
    enum result_kind kind;
    bool ordered;
    const mproc_task_options *options;
};

/* ---- making one ---- */

static bool is_shared(const void *bytes, uint64_t size, uint64_t *offset)
{
    if (!bytes)
        return false;
    *offset = mproc_plat_region_offset(bytes);
    return *offset != UINT64_MAX &&
           mproc_plat_region_offset((const char *) bytes + size - 1) == *offset + size - 1;
}

static mproc_err place_arrays(struct map *map, const struct map_request *request)
{
    struct job *job = map->job;
    uint64_t in_bytes = (uint64_t) request->count * request->in_size;
    uint64_t out_bytes = (uint64_t) request->count * request->out_size;
    if (in_bytes && !is_shared(request->in, in_bytes, &job->in)) {
        mproc_err err = mproc__pool_bytes(in_bytes, &map->in_block);
        if (err != MPROC_OK)
            return err;
        job->in = map->in_block;
        memcpy(mproc_plat_region_at(job->in), request->in, in_bytes);
    }
    if (out_bytes && !is_shared(request->out, out_bytes, &job->out)) {
        mproc_err err = mproc__pool_bytes(out_bytes, &map->out_block);
        if (err != MPROC_OK)
            return err;
        job->out = map->out_block;
        map->out = request->out;
    }
    return MPROC_OK;
}

static uint64_t chunk_of(const mproc_pool *pool, const struct map_request *request)
{
    if (request->options && request->options->chunksize)
        return request->options->chunksize;
    if (request->kind == RESULT_IMAP)
        return 1;
    uint64_t chunk = request->count / (SHARES * (uint64_t) atomic_load(&pool->shared->workers));
    return chunk < 1 ? 1 : chunk > LARGEST_CHUNK ? LARGEST_CHUNK : chunk;
}

/* The job, its tallies, the units' states and the items' outcomes are one block. */
static mproc_err make_job(mproc_pool *pool, struct map *map, const struct map_request *request)
{
    uint64_t chunk = chunk_of(pool, request);
    uint64_t units = request->count / chunk + (request->count % chunk != 0);
    bool outcomes = request->kind == RESULT_IMAP ||
                    (request->options && request->options->item_errors);
    uint64_t tallies = pool_align(sizeof(struct job));
    uint64_t states = tallies + sizeof(struct tally) * pool->shared->seats;
    uint64_t items = pool_align(states + units * sizeof(uint16_t));
    uint64_t at;
    mproc_err err = mproc__pool_lines(items + (outcomes ? request->count * sizeof(int32_t) : 0),
                                      &map->handle, &at);
    if (err != MPROC_OK)
        return err;
    struct job *job = map->job = mproc_plat_region_at(at);
    map->reference = (map->handle & ((UINT64_C(1) << 56) - 1)) | REFERENCE_JOB;
    job->count = request->count;
    job->chunk = chunk;
    job->units = units;
    job->in_size = request->in_size;
    job->out_size = request->out_size;
    job->tallies = at + tallies;
    job->states = at + states;
    job->outcomes = outcomes ? at + items : 0;
    job->seats = pool->shared->seats;
    job->progressive = request->kind == RESULT_IMAP;
    atomic_store(&job->total, units);
    return MPROC_OK;
}

static void free_blocks(struct map *map)
{
    if (map->in_block)
        mproc__pool_free_bytes(map->in_block);
    if (map->out_block)
        mproc__pool_free_bytes(map->out_block);
    struct fragments *block = map->job ? &map->job->first : NULL;
    for (uint64_t handle = block ? block->next_handle : 0; handle;) {
        struct fragments *next = mproc__arena_at(BLOCK_TASK, handle);
        uint64_t after = next->next_handle;
        mproc__arena_free(BLOCK_TASK, handle);
        handle = after;
    }
    if (map->handle)
        mproc__arena_free(BLOCK_TASK, map->handle);
    free(map->result.how);
    free(map->victims);
    free(map->holes);
    free(map);
}

static mproc_err fill_map(mproc_pool *pool, struct map *map, const struct map_request *request)
{
    mproc_err err = make_job(pool, map, request);
    if (err == MPROC_OK)
        err = place_arrays(map, request);
    if (err != MPROC_OK)
        return err;
    uint32_t level;
    mproc_result *result = &map->result;
    result->pool = pool;
    result->kind = request->kind;
    result->map = map;
    map->ordered = request->ordered;
    err = mproc__wish(&result->wish, request->options, &level);
    map->job->level = (uint8_t) level;
    map->job->timed = result->wish.timeout || result->wish.soft_timeout;
    return err;
}

/* Maps that were closed while they ran, and are done now. */
static void settle_closed(mproc_pool *pool)
{
    for (struct map *map = pool->maps, *next; map; map = next) {
        next = map->next;
        mproc__map_settle(pool, map);
    }
}

static mproc_err enlist(mproc_pool *pool, struct map *map, mproc_task *task)
{
    struct pool_shared *shared = pool->shared;
    struct job *job = map->job;
    const struct task_wish *wish = &map->result.wish;
    mproc_err err = mproc__pool_check_open(pool);
    if (err == MPROC_OK)
        err = mproc__pool_number(pool, task, &job->function);
    if (err == MPROC_OK)
        err = mproc__pool_level(shared, job->level);
    bool told = wish->callback || wish->error_callback || wish->progress;
    if (err == MPROC_OK && (told || job->timed))
        err = mproc__pool_need_collector(pool);
    if (err != MPROC_OK)
        return err;
    map->result.wants_telling = told;
    if ((job->timed || wish->progress) && atomic_fetch_add(&pool->timed, 1) == 0)
        mproc__gate_wake_all(&shared->events);
    atomic_store(&job->state, (job->units ? JOB_ACTIVE : JOB_COMPLETE) | (told ? JOB_TOLD : 0));
    settle_closed(pool);
    mproc__maps_reclaim(pool, false);
    map->next = pool->maps;
    pool->maps = map;
    atomic_fetch_add(&shared->submitted, 1);
    return MPROC_OK;
}

void mproc__map_offer(mproc_pool *pool, const struct map *map, size_t copies)
{
    struct pool_shared *shared = pool->shared;
    for (size_t i = 0; i < copies; i++) {
        mproc__pool_lock(shared);
        bool pushed = mproc__pool_push(shared, map->job->level, map->reference);
        mproc__pool_unlock(shared);
        if (!pushed && i == 0 && atomic_load(&shared->closing) != POOL_TERMINATED) {
            /* The first one must be there; the ring has room as soon as workers draw from it. */
            mproc__gate_wake_all(&shared->work);
            mproc_plat_sleep(200000);
            i--;
        }
    }
    mproc__gate_wake_all(&shared->work);
}

static mproc_err submit(mproc_pool *pool, const char *name, mproc_result **result,
                        const struct map_request *request)
{
    mproc_err err = mproc__pool_check(pool);
    if (err != MPROC_OK)
        return err;
    if (!request->task || !result || (request->count && ((!request->in && request->in_size))))
        return mproc__fail(MPROC_EINVAL, "%s: %s is NULL", name,
                           !request->task ? "task"
                           : !result      ? "result"
                                          : "in");
    uint64_t most = mproc__arena_limit() / (request->count ? request->count : 1);
    if (request->in_size > most || request->out_size > most)
        return mproc__fail(MPROC_ENOMEM, "%s: %zu items do not fit into the arena", name,
                           request->count);
    struct map *map = calloc(1, sizeof *map);
    if (!map)
        return mproc__fail(MPROC_ENOMEM, "no memory for a map");
    err = fill_map(pool, map, request);
    if (err == MPROC_OK) {
        mproc__pool_lock(pool->shared);
        err = enlist(pool, map, request->task);
        mproc__pool_unlock(pool->shared);
    }
    if (err != MPROC_OK) {
        free_blocks(map);
        return err;
    }
    *result = &map->result;
    size_t copies = atomic_load(&pool->shared->workers);
    if (map->job->units)
        mproc__map_offer(pool, map, copies < map->job->units ? copies : (size_t) map->job->units);
    else if (map->result.wants_telling)
        mproc__gate_wake(&pool->shared->events);
    return MPROC_OK;
}

mproc_err mproc_pool_map_async(mproc_pool *pool, mproc_result **result, mproc_task *task,
                               const void *in, size_t in_size, void *out, size_t out_size,
                               size_t count, const mproc_task_options *options)
{
    struct map_request request = { task,  in,         in_size, out,    out_size,
                                   count, RESULT_MAP, true,    options };
    return submit(pool, "mproc_pool_map_async", result, &request);
}

mproc_err mproc_pool_map(mproc_pool *pool, mproc_task *task, const void *in, size_t in_size,
                         void *out, size_t out_size, size_t count,
                         const mproc_task_options *options)
{
    if (!out && out_size && count)
        return mproc__fail(MPROC_EINVAL, "mproc_pool_map: out is NULL but out_size is %zu",
                           out_size);
    struct map_request request = { task,  in,         in_size, out,    out_size,
                                   count, RESULT_MAP, true,    options };
    mproc_result *result;
    mproc_err err = submit(pool, "mproc_pool_map", &result, &request);
    if (err != MPROC_OK)
        return err;
    err = mproc_result_get(result, NULL, 0, MPROC_FOREVER);
    mproc_result_close(result);
    return err;
}

mproc_err mproc_pool_imap(mproc_pool *pool, mproc_result **result, mproc_task *task, const void *in,
                          size_t in_size, size_t out_size, size_t count,
                          const mproc_task_options *options)
{
    struct map_request request = { task,  in,          in_size, NULL,   out_size,
                                   count, RESULT_IMAP, true,    options };
    return submit(pool, "mproc_pool_imap", result, &request);
}

mproc_err mproc_pool_imap_unordered(mproc_pool *pool, mproc_result **result, mproc_task *task,
                                    const void *in, size_t in_size, size_t out_size, size_t count,
                                    const mproc_task_options *options)
{
    struct map_request request = { task,  in,          in_size, NULL,   out_size,
                                   count, RESULT_IMAP, false,   options };
    return submit(pool, "mproc_pool_imap_unordered", result, &request);
}

/* ---- its end ---- */

/* The first call that finds it done copies. */
void mproc__map_collect(struct map *map)
{
    struct pool_shared *shared = map->result.pool->shared;
    mproc__pool_lock(shared);
    if (map->out)
        memcpy(map->out, mproc_plat_region_at(map->job->out),
               (size_t) (map->job->count * map->job->out_size));
    map->out = NULL;
    mproc__pool_unlock(shared);
}

int32_t mproc__outcome_first(const struct job *job, uint64_t *item, uint64_t *failed)
{
    int32_t outcome = OUTCOME_OK;
    *item = UINT64_MAX;
    *failed = 0;
    for (uint32_t i = 0; i < job->seats; i++) {
        const struct tally *tally = job_tally(job, i);
        uint64_t first = atomic_load(&tally->first_failed);
        *failed += atomic_load(&tally->failed);
        if (first && first - 1 < *item) {
            *item = first - 1;
            outcome = atomic_load(&tally->first_outcome);
        }
    }
    return outcome;
}

mproc_err mproc__item_verdict(const struct map *map, uint64_t item, int32_t outcome)
{
    unsigned long long index = item;
    if (outcome == OUTCOME_OK)
        return MPROC_OK;
    if (outcome >= OUTCOME_FIRST_CODE)
        return mproc__fail(MPROC_ETASK, "the task returned %d for item %llu", (int) outcome, index);
    mproc_err err = (mproc_err) (outcome - OUTCOME_ERR);
    const char *how = map->result.how;
    if (err == MPROC_EWORKERDIED)
        return mproc__fail(err, "the worker died in item %llu: %s", index,
                           how ? how : "nobody knows how");
    if (err == MPROC_EBROKEN)
        return mproc__fail(err, "%s", map->result.pool->broken_text);
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(
            err, "item %llu ran longer than its time-out of %lld ms; its worker was killed", index,
            (long long) (map->result.wish.timeout / 1000000));
    return mproc__fail(err, "item %llu was cancelled before it was done", index);
}

mproc_err mproc__map_verdict(struct map *map)
{
    uint64_t item, failed;
    int32_t outcome = mproc__outcome_first(map->job, &item, &failed);
    return failed ? mproc__item_verdict(map, item, outcome) : MPROC_OK;
}

mproc_err mproc_result_item(mproc_result *result, size_t index)
{
    if (!result || (result->kind != RESULT_MAP && result->kind != RESULT_IMAP) ||
        index >= result->map->job->count)
        return mproc__fail(MPROC_EINVAL, "mproc_result_item: no map with an item %zu", index);
    const _Atomic int32_t *outcomes = job_outcomes(result->map->job);
    if (!outcomes)
        return mproc__fail(MPROC_EINVAL,
                           "mproc_result_item: submit the map with options.item_errors");
    int32_t outcome = atomic_load(&outcomes[index]);
    return outcome ? mproc__item_verdict(result->map, index, outcome)
                   : mproc__fail(MPROC_ESTATE, "item %zu is not done yet", index);
}

void mproc__map_settle(mproc_pool *pool, struct map *map)
{
    mproc_result *result = &map->result;
    if (!result->is_closed || !mproc__result_is_done(result) ||
        (result->wants_telling && !result->delivered))
        return;
    struct map **link = &pool->maps;
    while (*link && *link != map)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = map->next;
    if (map->job->timed || result->wish.progress)
        atomic_fetch_sub(&pool->timed, 1);
    map->next = pool->retired;
    pool->retired = map;
    result->kind = RESULT_CLOSED;
    atomic_store(&map->job->state, JOB_CLOSED);
    mproc__maps_reclaim(pool, false);
}

static bool is_looked_at(mproc_pool *pool, uint64_t reference)
{
    for (uint32_t i = 0; i < pool->shared->seats; i++)
        if (atomic_load(&pool_seat(pool->shared, i)->job) == reference)
            return true;
    return false;
}

void mproc__maps_reclaim(mproc_pool *pool, bool all)
{
    if (!pool->retired && !pool->maps)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    for (struct map **link = &pool->retired; *link;) {
        struct map *map = *link;
        if (!all && is_looked_at(pool, map->reference)) {
            link = &map->next;
            continue;
        }
        *link = map->next;
        free_blocks(map);
    }
    while (all && pool->maps) {
        struct map *map = pool->maps;
        pool->maps = map->next;
        free_blocks(map);
    }
}

/* The pool's end: whatever has no outcome has this one. One tally takes all. */
void mproc__map_abandon(mproc_pool *pool, struct map *map, mproc_err err)
{
    struct job *job = map->job;
    if ((atomic_load(&job->state) & JOB_PHASE) != JOB_ACTIVE)
        return;
    _Atomic uint16_t *states = job_states(job);
    _Atomic int32_t *outcomes = job_outcomes(job);
    int32_t outcome = OUTCOME_ERR + (int32_t) err;
    for (uint64_t unit = 0; unit < job->units; unit++)
        if (!(atomic_load(&states[unit]) & UNIT_DONE)) {
            mproc__job_failed(job, 0, unit * job->chunk, outcome);
            break;
        }
    for (uint64_t i = 0; i < atomic_load(&job->fragment_count); i++) {
        struct fragment *fragment = mproc__job_fragment(job, i);
        if (atomic_load(&fragment->state) != FRAGMENT_DONE)
            mproc__job_failed(job, 0, fragment->first, outcome);
    }
    for (uint64_t item = 0; outcomes && item < job->count; item++)
        if (atomic_load(&outcomes[item]) == 0)
            atomic_store(&outcomes[item], outcome);
    atomic_fetch_add(&job_tally(job, 0)->units,
                     atomic_load(&job->total) - mproc__job_units_done(job));
    mproc__job_check(pool->shared, job);
}
