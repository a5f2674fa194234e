/* SPDX-License-Identifier: MIT */
/* A pool in the process that created it. Two threads of its own: the watcher waits for workers to end,
 * repairs what they left, and starts others; the collector, there only if somebody wants callbacks,
 * time-outs or progress, does those. Results are collected by whoever waits for them.
 *
 * The latch in shared memory guards what is here, too: the tables of results, maps and workers. */
#ifndef MPROC_CORE_POOL_LOCAL_H
#define MPROC_CORE_POOL_LOCAL_H

#include "pool_job.h"
#include "thread.h"

enum result_kind { RESULT_CLOSED, RESULT_TASK, RESULT_MAP, RESULT_IMAP, RESULT_FEED };

struct feed;

/* The limits of a task: what its submitter asked of the parent. */
struct task_wish {
    mproc_callback *callback;
    mproc_error_callback *error_callback;
    mproc_progress *progress;
    void *context;
    unsigned retries;
    int64_t timeout, soft_timeout; /* nanoseconds; 0: none */
};

struct mproc_result {
    struct mproc_pool *pool;
    _Atomic uint32_t kind; /* enum result_kind; a close without the latch writes it */
    bool is_closed;     /* by its owner: released as soon as nobody needs it */
    bool wants_telling; /* the task stands on the list of finished ones in the end */
    bool told;          /* it has been taken from there */
    bool delivered;     /* its callback has run, or it has none */
    bool counted;       /* in pool->pending */
    unsigned deaths;
    struct task_wish wish;
    char *how;          /* it died; NULL: there was no memory for the sentence */
    mproc_result *next; /* whose callbacks are due */

    struct task *task;
    uint32_t index, tag;

    struct map *map;

    struct feed *feed; /* itself; of a task: the imap that waits for it, NULL if none does */
    size_t place;      /* of a task among those of its feed */
    uint64_t number;   /* the item that it is there; 0 otherwise */
};

/* An item that has killed a worker and was begun again. */
struct victim {
    uint64_t item;
    unsigned deaths;
};

struct map {
    struct mproc_result result;
    struct job *job;
    uint64_t handle, reference;
    uint64_t in_block, out_block; /* offsets of copies; 0: the caller's */
    void *out;                    /* where they are to be copied; NULL: nowhere, or done */
    struct map *next;             /* of the pool's */
    bool is_retired;              /* closed and complete; freed when no worker looks at it */
    struct victim *victims;
    size_t victim_count;
    /* imap: items before `frontier` have been looked at; those of them that were not done are holes */
    bool ordered;
    uint64_t frontier, given;
    uint64_t *holes;
    size_t hole_count, hole_capacity;
    uint32_t burst; /* items that came during the last sleep */
    size_t progress_told;
    bool progress_ended;
};

enum kill_reason { KILL_NONE, KILL_TIMEOUT, KILL_CANCEL };

struct worker_place {
    mproc_process *process; /* NULL: none just now */
    int64_t pid;
    int64_t start_at; /* not before */
    enum kill_reason reason;
    uint64_t target, target_item; /* what was to be ended */
    /* what the collector saw at `since` */
    uint64_t seen, seen_item, seen_finished;
    int64_t since;
    bool stuck_told;
};

struct mproc_pool {
    int64_t pid; /* of its process */
    struct pool_shared *shared;
    uint64_t handle, seats_block;
    mproc_pool_options options;
    char *name;
    struct mproc_pool *next; /* of all of this process */

    struct worker_place *places;
    struct {
        mproc_process **processes;
        uint32_t *seats;
        size_t count;
    } watched; /* the watcher's, which allocates nothing: the C library would make a heap for its thread */
    mproc_result *slabs[POOL_SLABS];
    struct map *maps, *retired;
    struct feed *feeds;
    mproc_result *due, **due_end;
    size_t pending;        /* counted single tasks */
    unsigned room_waiters; /* threads that wait until fewer are pending */
    bool offer_again;      /* a ring was full when a map's reference was to go back into it */
    _Atomic uint32_t cpus; /* 0: not asked for yet */
    _Atomic uint32_t gathered; /* results that were ready since somebody last slept for one */
    _Atomic int64_t nap_again;
    struct {
        mproc_task *function;
        uint32_t number;
        bool stays; /* the executable's, which is not unloaded */
        uint64_t unloads;
    } functions[8];
    unsigned next_function;

    struct thread *watcher, *collector;
    _Atomic uint32_t ended; /* no worker runs, nothing is left */
    _Atomic uint32_t broken;
    _Atomic uint32_t collector_stops;
    _Atomic uint32_t timed; /* results with time-outs or progress: the collector looks often */
    char broken_text[320];

    unsigned failed_starts;
    uint32_t initialized_seen;
    size_t deaths_in_period;
    int64_t period_begin;
    uint32_t numbers; /* of workers' names */
    mproc_pool_statistics statistics;
};

/* MPROC_EINVAL, MPROC_ESTATE: no pool of this process. */
mproc_err mproc__pool_check(const mproc_pool *pool);
/* MPROC_ECLOSED, MPROC_EBROKEN: no more tasks. */
mproc_err mproc__pool_check_open(mproc_pool *pool);
/* Callers hold the latch. */
mproc_err mproc__pool_number(mproc_pool *pool, mproc_task *function, uint32_t *number);
mproc_task *mproc__pool_function(mproc_pool *pool, uint32_t number);
mproc_err mproc__wish(struct task_wish *wish, const mproc_task_options *options, uint32_t *level);

/* ---- results (pool_result.c) ---- */

/* The place of a record's result; NULL: no memory. Under the latch. */
mproc_result *mproc__result_of(mproc_pool *pool, uint32_t index);
/* Takes the finished ones from the list; under the latch. */
void mproc__pool_drain(mproc_pool *pool);
/* It has been told; under the latch. */
void mproc__result_told(mproc_pool *pool, mproc_result *result);
/* Releases it if nobody needs it any more; under the latch. */
void mproc__result_settle(mproc_pool *pool, mproc_result *result);
mproc_err mproc__result_await(mproc_result *result, int64_t deadline);
bool mproc__result_is_done(const mproc_result *result);
/* How it ended, as mproc_result_get says. */
mproc_err mproc__result_verdict(mproc_result *result);
/* Sleeps at the pool's gate until ready(context). */
mproc_err mproc__pool_await(mproc_pool *pool, bool (*ready)(void *context), void *context,
                            int64_t deadline);

/* ---- maps (pool_map.c) ---- */

void mproc__map_settle(mproc_pool *pool, struct map *map);
/* Frees those that no worker looks at; all of them at the end. Under the latch. */
void mproc__maps_reclaim(mproc_pool *pool, bool all);
/* Everything that has not begun fails with `err`; under the latch, when no worker runs. */
void mproc__map_abandon(mproc_pool *pool, struct map *map, mproc_err err);
mproc_err mproc__map_verdict(struct map *map);
mproc_err mproc__item_verdict(const struct map *map, uint64_t item, int32_t outcome);
void mproc__map_collect(struct map *map);
/* References for the workers to help. Without the latch. */
void mproc__map_offer(mproc_pool *pool, const struct map *map, size_t copies);
int32_t mproc__outcome_first(const struct job *job, uint64_t *item, uint64_t *failed);

/* ---- imaps that draw from a source (pool_source.c, pool_submit.c) ---- */

/* The task of the next item, with its number before its bytes; `telling`: it is told when it is done. */
mproc_err mproc__pool_submit_fed(mproc_pool *pool, struct feed *feed, mproc_task *task,
                                 const void *numbered, size_t size, size_t out_size,
                                 const mproc_task_options *options, bool telling);
/* Under the latch: a task of it is about to be queued; is done; all that have not begun are to be cancelled. */
mproc_err mproc__feed_add(struct feed *feed, mproc_result *result);
void mproc__feed_told(mproc_result *result);
void mproc__feed_cancel(struct feed *feed);
mproc_result *mproc__feed_flight(const struct feed *feed, size_t index);
mproc_err mproc__feed_next(struct feed *feed, size_t *index, void *out, mproc_ms timeout);
mproc_err mproc__feed_close(struct feed *feed);
int mproc__feed_code(const struct feed *feed);
size_t mproc__feed_done(const struct feed *feed);
/* At the pool's end. */
void mproc__feeds_free(mproc_pool *pool);

/* ---- workers' ends (pool_death.c, pool_watch.c) ---- */

/* Repairs what the dead worker of this seat left. `how`: NULL if it left as it should. */
void mproc__pool_sweep(mproc_pool *pool, uint32_t seat, const char *how);
mproc_err mproc__pool_start_worker(mproc_pool *pool, uint32_t seat);
void mproc__pool_watch(void *pool);
/* Fails all that is left; when no worker runs. */
void mproc__pool_abandon(mproc_pool *pool, mproc_err err);
void mproc__pool_kill(mproc_pool *pool, uint32_t seat, enum kill_reason reason, uint64_t target,
                      uint64_t item);

/* ---- the collector (pool_collect.c) ---- */

/* Makes sure that it runs. Under the latch. */
mproc_err mproc__pool_need_collector(mproc_pool *pool);
void mproc__pool_collect(void *pool);
/* Whether the calling thread is it: it cannot wait for its own end. */
bool mproc__pool_is_collector(const mproc_pool *pool);

#endif
