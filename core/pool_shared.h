/* SPDX-License-Identifier: MIT */
/* What a pool's parent and its workers share, all of it in the arena.
 *
 * Truth lies in two kinds of words only: a task's state and a unit's state, which change hands by one
 * compare-exchange. Everything else that names a task - the rings, a worker's lane - is a hint: a reference
 * that is stale or doubled fails that exchange and is thrown away. So whoever repairs after a death may
 * put references back without knowing whether they had been taken.
 *
 *   single tasks   records in slabs that are never given back while the pool lives. The parent (or a
 *                  worker) fills one and puts its reference into the ring of its priority; a worker moves
 *                  a few references into its lane, writes "I am in this one", and exchanges QUEUED for
 *                  RUNNING and its seat. Idle workers take from the lanes of others in the same way.
 *   maps           a job with items in two arrays and one counter that workers draw units (chunks)
 *                  from. A reference to a job in a ring means "help with it".
 *
 * Who is killed where (the parent's sweep of the dead worker's seat, pool_death.c):
 *   moving references into its lane, before or after the ring's head moves: what is still QUEUED in the
 *     lane goes back into the ring, perhaps for the second time.
 *   after "I am in this one", before the exchange: the same; nothing had begun.
 *   after it: that task, and no other, has died with it (or is begun again).
 *   after the task is DONE, before the waiter is woken: the sweep wakes all waiters.
 *   in a map: job.h says it. Holding the latch: pool_queue.c says it. */
#ifndef MPROC_CORE_POOL_SHARED_H
#define MPROC_CORE_POOL_SHARED_H

#include "arena.h"
#include "gate.h"
#include "log.h"
#include "mproc/pool.h"
#include "trace.h"

enum {
    POOL_LINE = 64,
    POOL_LEVELS = MPROC_POOL_HIGHEST - MPROC_POOL_LOWEST + 1,
    POOL_RING = 4096, /* references a ring holds; more wait in its list */
    POOL_LANE = 16,   /* references a worker holds */
    POOL_FUNCTIONS = 256,
    POOL_SLABS = 20,
    POOL_FIRST_SLAB = 256, /* records; each further slab has twice as many */
    POOL_INLINE = 64,      /* bytes of arguments and results inside a record */
    POOL_NUMBER = 16,      /* bytes of an item's number before its own, which stay aligned */
    POOL_SEATS = 16384
};

/* ---- single tasks ---- */

/* A state: tag << 32 | seat << 16 | bits | phase. The tag tells a record's tasks apart. */
enum task_phase { TASK_FREE, TASK_FILLING, TASK_QUEUED, TASK_RUNNING, TASK_DONE };
#define TASK_PHASE UINT64_C(0xf)
#define TASK_WAITED UINT64_C(0x10) /* somebody in the parent sleeps until it is done */
#define TASK_TOLD UINT64_C(0x20)   /* put it on the list of finished ones when it is done */
#define TASK_BITS (TASK_WAITED | TASK_TOLD)
#define TASK_SEAT_SHIFT 16
#define TASK_TAG_SHIFT 32

/* Written before it is queued and by the worker that runs it; two lines. */
struct task {
    _Atomic uint64_t state;
    uint64_t in, out; /* offsets in the region; 0: none */
    uint64_t in_size, out_size;
    uint32_t function;
    _Atomic uint32_t link;     /* next free or waiting record + 1 */
    _Atomic uint32_t finished; /* next on the list of finished ones + 1 */
    int32_t code;              /* what the task returned */
    uint16_t err;              /* mproc_err of its end */
    uint8_t level;
    uint8_t timed; /* its beginning is to be noted */
    uint32_t owns; /* its arguments are a block of its own */
    char inside[POOL_INLINE];
};
_Static_assert(sizeof(struct task) == 2 * POOL_LINE, "a record is two lines");

static inline enum task_phase task_phase(uint64_t state)
{
    return (enum task_phase)(state & TASK_PHASE);
}
static inline uint32_t task_tag(uint64_t state)
{
    return (uint32_t) (state >> TASK_TAG_SHIFT);
}
static inline uint32_t task_seat(uint64_t state)
{
    return (uint32_t) (state >> TASK_SEAT_SHIFT) & 0xffff;
}

/* task->owns */
#define TASK_OWNS_IN 1u
#define TASK_OWNS_OUT 2u
#define TASK_NUMBERED 4u /* its arguments come behind the number of its item */

/* A reference: tag << 32 | index of the record, or a job's handle without its type and this bit. 0 is
 * none (tags begin at 1). */
#define REFERENCE_JOB (UINT64_C(1) << 63)
static inline uint64_t task_reference(uint32_t index, uint64_t state)
{
    return (uint64_t) (task_tag(state) & 0x7fffffff) << 32 | index;
}

/* ---- seats: one per worker; a replacement takes its predecessor's ---- */

enum seat_phase { SEAT_EMPTY, SEAT_STARTING, SEAT_READY, SEAT_FAILED, SEAT_LEFT };

/* Which task or item a seat is in; seat->item */
#define ITEM_NONE UINT64_MAX           /* in no unit */
#define ITEM_DRAWING (UINT64_MAX - 1)  /* the counter may have moved, nobody knows from where */
#define ITEM_CLAIMING (UINT64_MAX - 2) /* seat->unit may be claimed, nothing of it has begun */
#define ITEM_LAST (UINT64_MAX - 3)
#define UNIT_FRAGMENT (UINT64_C(1) << 63) /* seat->unit counts fragments, not chunks */

struct seat {
    /* the worker's line */
    _Atomic uint64_t current; /* reference of the task it is in, or about to be in */
    _Atomic uint64_t job;     /* reference of the job it looks at: it is not freed meanwhile */
    _Atomic uint64_t unit, item;
    _Atomic uint64_t units_before, items_before; /* its tally when it claimed the unit */
    _Atomic uint64_t finished;        /* tasks and items run to their end in this seat, ever */
    _Atomic uint64_t finished_before; /* when it began `current` */
    _Atomic int64_t began;            /* the timed task or item; 0: none */
    _Atomic uint64_t
        drawn_end; /* units from `unit` to here are drawn; those behind it not claimed */
    uint64_t padding1[6];

    /* the parent's line, seldom written */
    _Atomic uint32_t phase;
    _Atomic uint32_t leave;        /* asked to end after its task */
    _Atomic uint64_t mail;         /* a task for this seat only */
    _Atomic uint64_t stop_current; /* reference and item that should stop */
    _Atomic uint64_t stop_item;
    uint64_t padding2[4];

    /* the lane: the worker writes, thieves read */
    _Atomic uint32_t lane_end, lane_next;
    _Atomic uint64_t lane[POOL_LANE];
    uint64_t padding[7];
};
_Static_assert(sizeof(struct seat) % POOL_LINE == 0, "seats keep to their lines");

/* ---- rings ---- */

struct ring {
    _Atomic uint64_t head;
    char head_line[POOL_LINE - 8];
    _Atomic uint64_t tail;       /* written under the latch */
    _Atomic uint64_t entries;    /* offset; 0 until first used */
    uint64_t block;              /* of the entries */
    uint64_t head_seen;          /* by who holds the latch: the head is not before it */
    _Atomic uint32_t list_first; /* records that wait until there is room, + 1; under the latch */
    _Atomic uint32_t list_last;
    _Atomic uint32_t listed;
    char tail_line[POOL_LINE - 44];
};

/* ---- functions ---- */

struct pool_function {
    uint64_t offset;
    uint32_t is_main;
    unsigned char identity[MPROC_PLAT_IDENTITY_SIZE];
    char path[];
};

/* ---- all of it ---- */

enum pool_closing { POOL_OPEN, POOL_CLOSED, POOL_TERMINATED };

struct pool_shared {
    uint64_t handle;
    uint32_t seats;                   /* capacity */
    uint32_t initializer;             /* function + 1 */
    uint64_t argument, argument_size; /* offset */
    uint64_t max_tasks, max_memory;
    int64_t max_age;
    uint32_t nested;
    _Atomic uint32_t closing;
    _Atomic uint32_t workers; /* that are to be there */
    _Atomic uint32_t average; /* nanoseconds that a single task takes, about; 0: not known */
    _Atomic uint32_t levels;  /* one bit for each level that was ever used */
    char line0[POOL_LINE - 8];

    struct latch latch;          /* of submission: slabs, free records, tails of the rings */
    _Atomic uint32_t free_first; /* record + 1 */
    _Atomic uint32_t records;    /* how many the slabs have */
    _Atomic uint32_t slabs;
    _Atomic uint32_t initialized; /* workers that came so far, ever */
    _Atomic uint64_t submitted;
    _Atomic uint64_t submitted_inside; /* by workers: nobody closes their results */
    char line1[POOL_LINE];

    struct gate work; /* workers wait here */
    char line2[POOL_LINE];
    struct gate done; /* threads of the parent that wait for results */
    char line3[POOL_LINE];
    struct gate events; /* the parent's collector */
    char line4[POOL_LINE];
    _Atomic uint32_t finished; /* stack of records, + 1 */
    _Atomic uint32_t
        returned; /* records that the parent's threads gave back without the latch, + 1 */
    char line5[POOL_LINE];

    struct ring rings[POOL_LEVELS];
    _Atomic uint64_t slab[POOL_SLABS];    /* handles */
    _Atomic uint64_t slab_at[POOL_SLABS]; /* offsets of their first record */
    _Atomic uint32_t functions;
    _Atomic uint64_t function[POOL_FUNCTIONS]; /* offsets */
    uint64_t function_block[POOL_FUNCTIONS];
    uint64_t seats_at; /* offset of the seats */
};

/* The next multiple of a line. */
static inline uint64_t pool_align(uint64_t value)
{
    return (value + POOL_LINE - 1) / POOL_LINE * POOL_LINE;
}
/* Allocates lines: the block's handle, and the offset of its first whole line. */
mproc_err mproc__pool_lines(uint64_t size, uint64_t *handle, uint64_t *offset);

static inline struct seat *pool_seat(struct pool_shared *shared, uint32_t index)
{
    return (struct seat *) mproc_plat_region_at(shared->seats_at) + index;
}

/* ---- records and rings (pool_queue.c) ---- */

/* Takes the latch, repairing what a dead holder left. */
void mproc__pool_lock(struct pool_shared *shared);
static inline void mproc__pool_unlock(struct pool_shared *shared)
{
    mproc__latch_release(&shared->latch);
    mproc__log_release();
}

/* The record with this index; it must be below shared->records. */
struct task *mproc__pool_task(struct pool_shared *shared, uint32_t index);
/* A free record, FILLING, with a fresh tag; under the latch. */
mproc_err mproc__pool_take(struct pool_shared *shared, struct task **task, uint32_t *index);
/* Gives a record back; under the latch. */
void mproc__pool_give(struct pool_shared *shared, struct task *task, uint32_t index);
/* Makes sure that a level has its ring; under the latch. */
mproc_err mproc__pool_level(struct pool_shared *shared, uint32_t level);
/* Puts a reference into a ring; under the latch. A job's needs room: false if there is none. */
bool mproc__pool_push(struct pool_shared *shared, uint32_t level, uint64_t reference);
/* Moves references from the highest ring that has some into the seat's lane; how many. Records waiting for
 * room in the ring follow. */
uint32_t mproc__pool_fetch(struct pool_shared *shared, struct seat *seat, uint32_t most);
/* References in all rings, about. */
uint64_t mproc__pool_depth(struct pool_shared *shared);
/* Whether a ring of this level or higher has something. */
bool mproc__pool_has_work(struct pool_shared *shared, uint32_t lowest);
/* The task is done as its fields say: DONE, waiters woken, put on the list if it is to be. `running` is the
 * state it had. */
void mproc__task_finish(struct pool_shared *shared, struct task *task, uint32_t index,
                        uint64_t running);
/* The same without the latch; mproc__pool_reuse() makes them free records. */
void mproc__pool_return(struct pool_shared *shared, struct task *task, uint32_t index);
void mproc__pool_reuse(struct pool_shared *shared);
/* Puts it on the list of finished ones. */
void mproc__task_tell(struct pool_shared *shared, struct task *task, uint32_t index);
/* A block of bytes by its offset alone. */
mproc_err mproc__pool_bytes(uint64_t size, uint64_t *offset);
void mproc__pool_free_bytes(uint64_t offset);
/* Copies arguments into a record's own bytes or a block, and makes room for the result. */
mproc_err mproc__task_fill(struct task *task, const void *in, size_t in_size, size_t out_size);
/* Frees what mproc__task_fill() and mproc_task_output() allocated. */
void mproc__task_empty(struct task *task);

/* ---- functions (pool_function.c) ---- */

/* The number of a function in the pool's table, which is written to if it is new, and whether the executable
 * holds it (is_main may be NULL); under the latch. */
mproc_err mproc__pool_function_number(struct pool_shared *shared, mproc_task *function,
                                      uint32_t *number, bool *is_main);
/* The function with this number, in this process. */
mproc_err mproc__pool_function_find(struct pool_shared *shared, uint32_t number,
                                    mproc_task **function);

/* ---- workers (pool_worker.c) ---- */

/* Every task and every item of a map begins and ends here. */
static inline int pool_call(mproc_task *task, const void *in, void *out)
{
    if (!mproc__tracing)
        return task(in, out);
    mproc__trace_add('B', "pool", "task", (uint64_t) mproc_task_index());
    int code = task(in, out);
    mproc__trace_add('E', "pool", "task", 0);
    return code;
}

struct pool_worker_start {
    uint64_t pool;
    uint32_t seat;
};
/* The target of a worker's process; its argument is a struct pool_worker_start. */
int mproc__pool_worker(void *argument);

#endif
