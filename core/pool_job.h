/* SPDX-License-Identifier: MIT */
/* A map: items in arrays, units of items that workers draw, and fragments of units whose worker died.
 *
 * A unit's state: 0 nobody's; seat + 1: claimed; with UNIT_DONE: done by that seat. A worker draws thus:
 *   item = DRAWING; k = next++; unit = k; item = CLAIMING; state[k]: 0 -> seat + 1; item = first item;
 *   ...; item = last item; state[k] |= DONE; its tally++; item = NONE.
 * Where units are short it draws several at once, up to drawn_end; who finds nothing left takes those that
 * others have drawn and not claimed. A death among them is like one in DRAWING.
 * Killed
 *   DRAWING: some unit below `next` may be nobody's, nobody knows which: `lost` makes the workers that find
 *     the counter at its end look at all states, and claim by the same exchange.
 *   CLAIMING: the unit is known. If it is the dead one's, nothing of it has begun: it becomes a fragment.
 *     If it is nobody's, the sweep claims it, and does the same.
 *   in an item: the items before it are done, it has died, those behind it become a fragment.
 *   after DONE, before the tally: the tally when it was claimed tells; the sweep adds one.
 * A fragment is a unit with bounds and a state of its own, in a list that only the parent adds to.
 * The job is complete when the tallies add up to units + fragments; `total` grows before a dead one's unit
 * is closed, so it is never complete too early. */
#ifndef MPROC_CORE_POOL_JOB_H
#define MPROC_CORE_POOL_JOB_H

#include "pool_shared.h"

enum { JOB_FRAGMENTS = 62 /* in a block */ };
#define UNIT_DONE 0x8000u

enum job_phase { JOB_ACTIVE = 1, JOB_COMPLETE = 2, JOB_CLOSED = 3 };
#define JOB_PHASE 0xfu
#define JOB_WAITED 0x10u
#define JOB_TOLD 0x20u /* the collector wants to know when it is complete */

/* How an item ended, in the list of outcomes: 0 not yet, OUTCOME_OK, an error, or what the task returned. */
#define OUTCOME_OK INT32_MIN
#define OUTCOME_ERR (INT32_MIN + 1) /* + mproc_err */
#define OUTCOME_FIRST_CODE (INT32_MIN + 100)

/* Of one seat: only its worker writes it, or the sweep when that is dead. */
struct tally {
    _Atomic uint64_t units, items, failed;
    _Atomic uint64_t first_failed; /* item + 1; 0: none has failed */
    _Atomic int32_t first_outcome;
    char line[POOL_LINE - 36];
};

struct fragment {
    uint64_t first, end;
    _Atomic uint32_t state; /* FRAGMENT_EMPTY until it is written */
};
enum { FRAGMENT_EMPTY, FRAGMENT_READY, FRAGMENT_DONE, FRAGMENT_CLAIMED /* + seat */ };

struct fragments {
    _Atomic uint64_t next; /* offset of the next block, 0 */
    uint64_t next_handle;
    struct fragment fragment[JOB_FRAGMENTS];
};

struct job {
    /* written once */
    uint64_t count, chunk, units;
    uint64_t in, out, in_size, out_size; /* offsets */
    uint64_t states, tallies, outcomes;  /* offsets; outcomes 0: not kept */
    uint32_t function, seats;
    uint8_t level, timed, progressive;
    char line0[POOL_LINE - 32];

    _Atomic uint64_t next; /* unit to draw */
    char line1[POOL_LINE - 8];

    _Atomic uint32_t state;
    _Atomic uint32_t cancelled; /* units that have not begun are not to */
    _Atomic uint64_t total;     /* units and fragments */
    _Atomic uint32_t ready;     /* fragments that nobody has claimed (about) */
    _Atomic uint32_t lost;      /* how many died DRAWING */
    _Atomic int32_t wake_after; /* > 0: the parent sleeps until so many more items are done */
    _Atomic uint64_t fragment_count;
    char line2[POOL_LINE];
    struct fragments first;
};

static inline void *job_states(const struct job *job)
{
    return mproc_plat_region_at(job->states);
}
static inline struct tally *job_tally(const struct job *job, uint32_t seat)
{
    return (struct tally *) mproc_plat_region_at(job->tallies) + seat;
}
static inline _Atomic int32_t *job_outcomes(const struct job *job)
{
    return job->outcomes ? mproc_plat_region_at(job->outcomes) : NULL;
}
/* The job a reference means, announced in seat->job so that it stays; NULL if it is gone or done. */
struct job *mproc__job_enter(struct seat *seat, uint64_t reference);
/* An item of this seat has failed. */
void mproc__job_failed(struct job *job, uint32_t seat, uint64_t item, int32_t outcome);
/* If all units are done, completes it and wakes who waits. */
void mproc__job_check(struct pool_shared *shared, struct job *job);
/* Adds a fragment; only the parent's sweep does, one at a time. */
mproc_err mproc__job_add_fragment(struct job *job, uint64_t first, uint64_t end);
struct fragment *mproc__job_fragment(const struct job *job, uint64_t index);
uint64_t mproc__job_items_done(const struct job *job);
uint64_t mproc__job_units_done(const struct job *job);

/* The worker's side: runs units until there are none; asks `pause` between units, and leaves if it is true. */
void mproc__job_work(struct pool_shared *shared, struct seat *seat, uint32_t seat_index,
                     struct job *job, mproc_task *task, bool (*pause)(void));

#endif
