/* SPDX-License-Identifier: MIT */
/* Maps: drawing units and accounting for them; pool_job.h says what happens to whom is killed. */
#include "pool_job.h"

#include "fault.h"

#include <string.h>

static uint64_t handle_of(uint64_t reference)
{
    return (reference & ~REFERENCE_JOB) | (uint64_t) BLOCK_TASK << 56;
}

/* Announced first, looked at afterwards: whoever frees it has made it CLOSED before looking for
 * announcements. */
struct job *mproc__job_enter(struct seat *seat, uint64_t reference)
{
    atomic_store(&seat->job, reference);
    atomic_thread_fence(memory_order_seq_cst);
    MPROC_FAULT("job.announced");
    const void *block = mproc__object(BLOCK_TASK, handle_of(reference));
    if (block) {
        struct job *job = mproc_plat_region_at(pool_align(mproc_plat_region_offset(block)));
        if ((atomic_load(&job->state) & JOB_PHASE) == JOB_ACTIVE)
            return job;
    }
    atomic_store_explicit(&seat->job, 0, memory_order_release);
    return NULL;
}

void mproc__job_failed(struct job *job, uint32_t seat, uint64_t item, int32_t outcome)
{
    struct tally *tally = job_tally(job, seat);
    atomic_fetch_add(&tally->failed, 1);
    uint64_t first = atomic_load(&tally->first_failed);
    if (first == 0 || item + 1 < first) {
        atomic_store(&tally->first_outcome, outcome);
        atomic_store(&tally->first_failed, item + 1);
    }
}

uint64_t mproc__job_items_done(const struct job *job)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->seats; i++)
        sum += atomic_load_explicit(&job_tally(job, i)->items, memory_order_relaxed);
    return sum;
}

uint64_t mproc__job_units_done(const struct job *job)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->seats; i++)
        sum += atomic_load_explicit(&job_tally(job, i)->units, memory_order_acquire);
    return sum;
}

/* Everyone adds to its own tally, then fences and adds all up: the last one sees them all. */
void mproc__job_check(struct pool_shared *shared, struct job *job)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (mproc__job_units_done(job) != atomic_load(&job->total))
        return;
    uint32_t seen = atomic_load(&job->state);
    do {
        if ((seen & JOB_PHASE) != JOB_ACTIVE)
            return;
    } while (!atomic_compare_exchange_weak(&job->state, &seen,
                                           (seen & ~(uint32_t) (JOB_PHASE | JOB_WAITED)) |
                                               JOB_COMPLETE));
    MPROC_FAULT("job.complete");
    if (seen & JOB_WAITED || atomic_load(&job->wake_after) > 0)
        mproc__gate_wake_all(&shared->done);
    if (seen & JOB_TOLD)
        mproc__gate_wake(&shared->events);
}

/* ---- fragments ---- */

static struct fragments *block_of(const struct job *job, uint64_t index)
{
    const struct fragments *block = &job->first;
    for (uint64_t i = index / JOB_FRAGMENTS; i > 0; i--)
        block = mproc_plat_region_at(atomic_load_explicit(&block->next, memory_order_acquire));
    return (struct fragments *) (uintptr_t) block;
}

struct fragment *mproc__job_fragment(const struct job *job, uint64_t index)
{
    return &block_of(job, index)->fragment[index % JOB_FRAGMENTS];
}

mproc_err mproc__job_add_fragment(struct job *job, uint64_t first, uint64_t end)
{
    uint64_t index = atomic_load(&job->fragment_count);
    if (index > 0 && index % JOB_FRAGMENTS == 0) {
        struct fragments *last = block_of(job, index - 1);
        uint64_t handle;
        if (atomic_load(&last->next) == 0) {
            mproc_err err = mproc__arena_alloc(BLOCK_TASK, sizeof(struct fragments), &handle);
            if (err != MPROC_OK)
                return err;
            last->next_handle = handle;
            atomic_store(&last->next, ((handle & POSITION_MASK) + 1) * UNIT);
        }
    }
    struct fragment *fragment = mproc__job_fragment(job, index);
    fragment->first = first;
    fragment->end = end;
    atomic_fetch_add(&job->total, 1);
    atomic_store(&fragment->state, FRAGMENT_READY);
    atomic_store(&job->fragment_count, index + 1);
    atomic_fetch_add(&job->ready, 1);
    return MPROC_OK;
}

/* ---- the worker ---- */

/* Units drawn at a time: as many as take this long, so that nobody waits for the last ones. */
enum { DRAW_NS = 10000, MOST_DRAWN = 16 };

struct share {
    struct pool_shared *shared;
    struct seat *seat;
    uint32_t index; /* of the seat */
    struct job *job;
    mproc_task *task;
    struct tally *tally;
    _Atomic uint16_t *states;
    _Atomic int32_t *outcomes;
    char *out;
    const char *in;
    uint64_t average; /* nanoseconds of a unit, about; 0: not known yet */
};

static void set_item(const struct share *share, uint64_t item)
{
    atomic_store_explicit(&share->seat->item, item, memory_order_release);
}

/* For whoever waits for single items; the exchange is a fence between the outcome and the look. */
static void publish(const struct share *share, uint64_t item, int32_t outcome)
{
    struct job *job = share->job;
    atomic_exchange(&share->outcomes[item], outcome);
    if (job->progressive && atomic_load_explicit(&job->wake_after, memory_order_relaxed) > 0 &&
        atomic_fetch_sub(&job->wake_after, 1) == 1)
        mproc__gate_wake_all(&share->shared->done);
}

static int32_t outcome_of(int code)
{
    return code == 0 ? OUTCOME_OK : code < OUTCOME_FIRST_CODE ? OUTCOME_FIRST_CODE : code;
}

static int32_t run_item(const struct share *share, uint64_t item)
{
    struct job *job = share->job;
    if (atomic_load_explicit(&job->cancelled, memory_order_relaxed))
        return OUTCOME_ERR + MPROC_ECANCELLED;
    return outcome_of(pool_call(share->task, share->in ? share->in + item * job->in_size : NULL,
                                share->out ? share->out + item * job->out_size : NULL));
}

static void run_items(const struct share *share, uint64_t first, uint64_t end)
{
    struct job *job = share->job;
    for (uint64_t i = first; i < end; i++) {
        set_item(share, i);
        if (job->timed)
            atomic_store(&share->seat->began, mproc_plat_now());
        MPROC_FAULT("job.item");
        int32_t outcome = run_item(share, i);
        if (outcome != OUTCOME_OK)
            mproc__job_failed(job, share->index, i, outcome);
        if (share->outcomes)
            publish(share, i, outcome);
        MPROC_FAULT("job.item_done");
    }
    if (job->timed)
        atomic_store(&share->seat->began, 0);
}

/* After the unit's state says DONE. */
static void count(const struct share *share, uint64_t items)
{
    struct tally *tally = share->tally;
    atomic_store_explicit(&tally->items,
                          atomic_load_explicit(&tally->items, memory_order_relaxed) + items,
                          memory_order_relaxed);
    atomic_store_explicit(&tally->units,
                          atomic_load_explicit(&tally->units, memory_order_relaxed) + 1,
                          memory_order_release);
    MPROC_FAULT("job.counted");
    struct seat *seat = share->seat;
    atomic_store_explicit(&seat->finished,
                          atomic_load_explicit(&seat->finished, memory_order_relaxed) + items,
                          memory_order_relaxed);
    set_item(share, atomic_load_explicit(&seat->drawn_end, memory_order_relaxed) >
                            atomic_load_explicit(&seat->unit, memory_order_relaxed) + 1
                        ? ITEM_DRAWING
                        : ITEM_NONE);
}

static void announce(const struct share *share, uint64_t unit)
{
    struct seat *seat = share->seat;
    atomic_store_explicit(&seat->unit, unit, memory_order_relaxed);
    atomic_store_explicit(&seat->units_before,
                          atomic_load_explicit(&share->tally->units, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&seat->items_before,
                          atomic_load_explicit(&share->tally->items, memory_order_relaxed),
                          memory_order_relaxed);
    set_item(share, ITEM_CLAIMING);
    MPROC_FAULT("job.claiming");
}

static bool run_unit(const struct share *share, uint64_t unit)
{
    struct job *job = share->job;
    announce(share, unit);
    uint16_t nobody = 0;
    if (!atomic_compare_exchange_strong(&share->states[unit], &nobody,
                                        (uint16_t) (share->index + 1))) {
        set_item(share, ITEM_DRAWING); /* the others of this draw are nobody's yet */
        return false;
    }
    MPROC_FAULT("job.claimed");
    uint64_t first = unit * job->chunk;
    uint64_t end = job->count - first > job->chunk ? first + job->chunk : job->count;
    run_items(share, first, end);
    atomic_store_explicit(&share->states[unit], (uint16_t) ((share->index + 1) | UNIT_DONE),
                          memory_order_release);
    MPROC_FAULT("job.unit_done");
    count(share, end - first);
    return true;
}

static bool run_fragment(const struct share *share)
{
    struct job *job = share->job;
    uint32_t ready_before = atomic_load(&job->ready);
    uint64_t count_of = atomic_load(&job->fragment_count);
    for (uint64_t i = 0; i < count_of; i++) {
        struct fragment *fragment = mproc__job_fragment(job, i);
        uint32_t ready = FRAGMENT_READY;
        if (atomic_load_explicit(&fragment->state, memory_order_relaxed) != ready)
            continue;
        announce(share, i | UNIT_FRAGMENT);
        if (!atomic_compare_exchange_strong(&fragment->state, &ready,
                                            FRAGMENT_CLAIMED + share->index)) {
            set_item(share, ITEM_NONE);
            continue;
        }
        MPROC_FAULT("job.fragment_claimed");
        atomic_fetch_sub(&job->ready, 1);
        run_items(share, fragment->first, fragment->end);
        atomic_store(&fragment->state, FRAGMENT_DONE);
        MPROC_FAULT("job.fragment_done");
        count(share, fragment->end - fragment->first);
        return true;
    }
    /* Deaths between a claim and its subtraction leave too many. */
    atomic_compare_exchange_strong(&job->ready, &ready_before, 0);
    return false;
}

/* A worker died between the counter and its claim: its unit is one that nobody has. */
static bool run_lost(const struct share *share)
{
    struct job *job = share->job;
    bool any = false;
    uint32_t lost = atomic_load(&job->lost);
    for (uint64_t unit = 0; unit < job->units; unit++)
        if (atomic_load_explicit(&share->states[unit], memory_order_relaxed) == 0)
            any |= run_unit(share, unit);
    atomic_compare_exchange_strong(&job->lost, &lost, 0);
    set_item(share, ITEM_NONE);
    return any;
}

/* What others have drawn and not come to yet: they may be in a long one. */
static bool run_others(const struct share *share)
{
    struct job *job = share->job;
    uint64_t reference = atomic_load_explicit(&share->seat->job, memory_order_relaxed);
    bool any = false;
    for (uint32_t i = 0; i < job->seats; i++) {
        struct seat *other = pool_seat(share->shared, i);
        if (i == share->index || atomic_load(&other->job) != reference)
            continue;
        uint64_t unit = atomic_load(&other->unit), end = atomic_load(&other->drawn_end);
        while (++unit < end && end <= job->units && end - unit <= MOST_DRAWN)
            if (atomic_load_explicit(&share->states[unit], memory_order_relaxed) == 0)
                any |= run_unit(share, unit);
    }
    set_item(share, ITEM_NONE);
    return any;
}

static uint64_t how_many(const struct share *share)
{
    if (share->average == 0)
        return 1;
    uint64_t most = DRAW_NS / share->average;
    return most < 1 ? 1 : most > MOST_DRAWN ? MOST_DRAWN : most;
}

/* One unit, or a few short ones; false if there is none left. */
static bool draw(struct share *share)
{
    struct job *job = share->job;
    if (atomic_load_explicit(&job->ready, memory_order_relaxed) && run_fragment(share))
        return true;
    if (atomic_load_explicit(&job->next, memory_order_relaxed) >= job->units)
        return (atomic_load(&job->lost) && run_lost(share)) || run_others(share);
    uint64_t wanted = how_many(share);
    int64_t begin = mproc_plat_now();
    set_item(share, ITEM_DRAWING);
    MPROC_FAULT("job.drawing");
    uint64_t unit = atomic_fetch_add_explicit(&job->next, wanted, memory_order_acq_rel);
    uint64_t end = unit + wanted < job->units ? unit + wanted : job->units;
    atomic_store_explicit(&share->seat->drawn_end, end, memory_order_relaxed);
    MPROC_FAULT("job.drawn");
    for (uint64_t i = unit; i < end; i++)
        run_unit(share, i);
    atomic_store_explicit(&share->seat->drawn_end, 0, memory_order_relaxed);
    set_item(share, ITEM_NONE);
    /* It rises slowly: most long times are those of a worker that was not running. */
    uint64_t each = (uint64_t) (mproc_plat_now() - begin) / wanted + 1,
             limit = share->average * 5 / 4 + 50;
    if (share->average == 0 || each < share->average)
        share->average = each;
    else
        share->average = each < limit ? each : limit;
    return true;
}

void mproc__job_work(struct pool_shared *shared, struct seat *seat, uint32_t seat_index,
                     struct job *job, mproc_task *task, bool (*pause)(void))
{
    struct share share = {
        .shared = shared,
        .seat = seat,
        .index = seat_index,
        .job = job,
        .task = task,
        .tally = job_tally(job, seat_index),
        .states = job_states(job),
        .outcomes = job_outcomes(job),
        .in = job->in ? mproc_plat_region_at(job->in) : NULL,
        .out = job->out ? mproc_plat_region_at(job->out) : NULL,
    };
    bool more = true;
    while (more && !pause())
        more = draw(&share);
    mproc__job_check(shared, job);
}
