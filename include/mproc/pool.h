/* SPDX-License-Identifier: MIT */
/* A pool of worker processes that run tasks. Python: multiprocessing.Pool, with what it lacks: a worker
 * that dies fails only the task it had begun, tasks have time-outs, priorities and retries, and every
 * wait ends.
 *
 * A task is a plain function: it reads its argument bytes and writes its result bytes. Both are copied
 * through the family's shared memory; arrays that already lie there (mproc_pointer) are used in place.
 *
 *     static int square(const void *in, void *out)
 *     {
 *         const int *number = in;
 *         *(int *) out = *number * *number;
 *         return 0;
 *     }
 *     ...
 *     mproc_pool *pool;
 *     MPROC_MUST(mproc_pool_create(&pool, 0, NULL));
 *     MPROC_MUST(mproc_pool_map(pool, square, numbers, sizeof *numbers, squares, sizeof *squares,
 *                               1000, NULL));
 *     mproc_pool_destroy(pool); */
#ifndef MPROC_POOL_H
#define MPROC_POOL_H

#include "process.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A pool belongs to the process that created it, a result to its pool. Never send them; from another process,
 * such as a forked child, all calls are MPROC_ESTATE. */
typedef struct mproc_pool mproc_pool;
typedef struct mproc_result mproc_result;

/* What a worker runs. `in` are the argument bytes (aligned for any type; NULL if there are none), to be
 * read only; `out` has room for the result bytes, zero at first (in an array of the caller's in shared
 * memory: as they are). Returns 0, or a code of its own that makes the task fail with MPROC_ETASK.
 * A task that ends its process in any way (a signal, exit(), abort()) fails with MPROC_EWORKERDIED. */
typedef int mproc_task(const void *in, void *out);

/* ---- creating and ending ---- */

/* What a stuck task looks like: see mproc_pool_options.on_stuck. */
typedef struct mproc_stuck {
    size_t worker; /* its id, as mproc_worker_id() gives it there */
    int64_t pid;
    mproc_task *task; /* the function it is in */
    size_t index;     /* of the item, in a map; 0 otherwise */
    mproc_ms running; /* for how long */
    const char *text; /* one sentence with all of it */
} mproc_stuck;
typedef void mproc_stuck_callback(void *context, const mproc_stuck *stuck);

/* All zero is the default of everything. */
typedef struct mproc_pool_options {
    mproc_target *initializer; /* runs first in every worker; other than 0 means it cannot work */
    const void *argument;      /* the initializer's argument bytes, copied */
    size_t argument_size;
    size_t max_tasks_per_child;    /* a worker is replaced after so many tasks (chunks); 0: never */
    uint64_t max_memory_per_child; /* ... when it has used more bytes of its own; 0: never */
    mproc_ms max_age_of_child;     /* ... when it is older, after a task; 0: never */
    mproc_start_method start_method; /* MPROC_START_DEFAULT: the process-wide choice */
    size_t max_workers;       /* what mproc_pool_resize may ask for; 0: 64, or more if created so */
    size_t max_pending;       /* tasks under way before apply_async waits; 0: no bound */
    mproc_ms submit_timeout;  /* how long it waits then; 0: for ever */
    size_t max_restarts;      /* deaths within restart_period that break the pool; 0: no limit */
    mproc_ms restart_period;  /* 0: one minute */
    size_t max_failed_starts; /* workers in a row that cannot initialize; 0: 5 */
    unsigned poison_limit;    /* deaths after which a task is set aside despite retries; 0: 3 */
    bool nested;              /* workers may start processes and pools of their own */
    const char *name;         /* of the workers: "NAME-1"; NULL: "PoolWorker-1" */
    const mproc_process_options *process; /* limits, CPUs, environment, streams of the workers */
    mproc_ms stuck_after;           /* on_stuck is told of tasks that run longer; 0: nobody is */
    mproc_stuck_callback *on_stuck; /* NULL: a warning is logged. Runs in a thread of the parent */
    void *stuck_context;
    void *reserved[8]; /* must be zero */
} mproc_pool_options;

/* Creates a pool of `workers` processes (0: as many as CPUs this process may use). They are daemons:
 * they end with this process. Python: Pool(processes, initializer, initargs, maxtasksperchild).
 * Errors as of mproc_process_start, and MPROC_EINVAL for contradictory options. Workers that cannot
 * initialize show later, as MPROC_EBROKEN. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_create(mproc_pool **pool, size_t workers,
                                                     const mproc_pool_options *options);

/* No more tasks; queued ones are still done, then the workers end. Later submissions are
 * MPROC_ECLOSED (Python: ValueError "Pool not running"). Closing again is allowed. Python: close(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_close(mproc_pool *pool);

/* Ends the workers at once; what was not done fails with MPROC_ECANCELLED. Python: terminate(), after which
 * the results of what was not done never come. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_terminate(mproc_pool *pool);

/* Waits until the workers have ended. Python: join(). MPROC_ESTATE before close or terminate (Python: ValueError "Pool
 * is still running"); MPROC_ETIMEDOUT. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_join(mproc_pool *pool, mproc_ms timeout);

/* Closes, waits up to `grace` for queued work, then terminates. Always returns, and no worker runs then:
 * MPROC_OK, or MPROC_ETIMEDOUT if it had to terminate. Python: concurrent.futures' shutdown(), which waits for
 * ever. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_shutdown(mproc_pool *pool, mproc_ms grace);

/* Terminates if need be, waits, and releases the pool and its results, which may no longer be used.
 * Python: the end of a with block. NULL is ignored. MPROC_ESTATE in a callback of the pool. */
MPROC_API mproc_err mproc_pool_destroy(mproc_pool *pool);

/* ---- tasks ---- */

/* They run in a thread of the parent (never in the caller's), one at a time, after the task has ended;
 * do not wait for results of the same pool in them. */
typedef void mproc_callback(void *context, const void *out, size_t size);
typedef void mproc_error_callback(void *context, mproc_err err, const char *text);
/* Called a few times a second while it runs, and once at its end. */
typedef void mproc_progress(void *context, size_t done, size_t count);

enum { MPROC_POOL_LOWEST = -2, MPROC_POOL_HIGHEST = 2 };

/* All zero is the default of everything. */
typedef struct mproc_task_options {
    mproc_callback *callback; /* for a map: once, with the whole array of results */
    mproc_error_callback *error_callback;
    void *context;            /* of all callbacks */
    mproc_progress *progress; /* maps only; mproc_progress_bar is one */
    size_t chunksize;         /* maps only: items a worker draws at a time; 0: map chooses,
                                              imap draws one */
    int priority;             /* MPROC_POOL_LOWEST to _HIGHEST; higher ones start first */
    unsigned retries;         /* how often it is begun again after its worker died */
    mproc_ms timeout;         /* its worker is killed then: MPROC_ETIMEDOUT; per item; 0: none */
    mproc_ms soft_timeout;    /* mproc_task_should_stop() is true from then on; 0: never */
    bool item_errors;         /* maps only: keep each item's outcome for mproc_result_item */
    void *reserved[8];        /* must be zero */
} mproc_task_options;

/* Runs task(in, out) in a worker and waits; `out` gets out_size bytes. Python: apply(). Errors: those of
 * mproc_pool_apply_async and mproc_result_get. After MPROC_ETIMEDOUT the task goes on, and nobody gets its
 * result. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_apply(mproc_pool *pool, mproc_task *task,
                                                    const void *in, size_t in_size, void *out,
                                                    size_t out_size, mproc_ms timeout);

/* The same without waiting; *result (may be NULL: nobody asks) is to be closed. The bytes at `in` are copied
 * before it returns. From any thread of the process that created the pool. Python: apply_async().
 *   MPROC_ECLOSED    the pool was closed or terminated;  MPROC_EBROKEN  its workers cannot initialize
 *   MPROC_ENOMEM     no memory, or the pool has run 256 different functions
 *   MPROC_ETIMEDOUT  too many were pending for submit_timeout
 *   MPROC_EINVAL     NULL, contradictory options, a task that is in no program or library */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_apply_async(mproc_pool *pool, mproc_result **result,
                                                          mproc_task *task, const void *in,
                                                          size_t in_size, size_t out_size,
                                                          const mproc_task_options *options);

/* out[i] = task(in[i]) for `count` items of in_size and out_size bytes. in and out may be NULL with size
 * 0. Arrays in shared memory are used in place. Waits until all are done; the first item that failed
 * decides the error, as in Python, but all others were done. Several arguments (Python: starmap) are a
 * struct. Python: map(). Errors: those of mproc_pool_apply_async and mproc_result_get. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_map(mproc_pool *pool, mproc_task *task,
                                                  const void *in, size_t in_size, void *out,
                                                  size_t out_size, size_t count,
                                                  const mproc_task_options *options);
#define mproc_pool_starmap mproc_pool_map

/* The same without waiting; *result is to be closed. An array `in` of this process's own is copied, and may be
 * reused when the call returns; an `out` of its own is filled by the first wait or get that finds all done, and
 * must stay until the result is closed; `out` NULL: see mproc_result_data. Arrays in shared memory are read and
 * filled in place: both must stay until all items are done, also if the result was closed before. Python:
 * map_async(). Errors: those of mproc_pool_apply_async. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_map_async(mproc_pool *pool, mproc_result **result,
                                                        mproc_task *task, const void *in,
                                                        size_t in_size, void *out, size_t out_size,
                                                        size_t count,
                                                        const mproc_task_options *options);
#define mproc_pool_starmap_async mproc_pool_map_async

/* The results one after the other, by mproc_result_next: in order, or as they come. *result is to be closed.
 * `in` as mproc_pool_map_async has it. Python: imap(), imap_unordered(). Errors: those of
 * mproc_pool_apply_async. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_imap(mproc_pool *pool, mproc_result **result,
                                                   mproc_task *task, const void *in, size_t in_size,
                                                   size_t out_size, size_t count,
                                                   const mproc_task_options *options);
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_imap_unordered(
    mproc_pool *pool, mproc_result **result, mproc_task *task, const void *in, size_t in_size,
    size_t out_size, size_t count, const mproc_task_options *options);

/* An imap whose items come one by one from a function, for input that is large, endless or not there yet
 * (Python: imap over any iterable). The lines of a file:
 *
 *     static mproc_err next_line(void *file, void *line)
 *     {
 *         if (fgets(line, LINE_SIZE, file))
 *             return MPROC_OK;
 *         return ferror(file) ? MPROC_ESYSTEM : MPROC_ENOTFOUND;
 *     }
 *     ...
 *     MPROC_MUST(mproc_pool_imap_from(pool, &counts, count_words, next_line, file, LINE_SIZE,
 *                                     sizeof count, NULL));
 *     while ((err = mproc_result_next(counts, NULL, &count, MPROC_FOREVER)) == MPROC_OK)
 *         sum += count;
 *
 * A source fills the next item (in_size bytes, aligned for any type, zero at first) and returns MPROC_OK;
 * MPROC_ENOTFOUND when there are no more (Python: StopIteration); or any other error, which ends the
 * iteration. It is not called again after either.
 *
 * It runs in the thread that calls mproc_pool_imap_from or mproc_result_next, during these calls, and nowhere
 * else: it needs no locks and may use the pool, and one that waits makes the call wait, whatever its
 * time-out. It may not use the imap it feeds (MPROC_ESTATE). `context` is the caller's, and must stay until
 * the result is closed; what is in `item` is copied when the source returns. */
typedef mproc_err mproc_source(void *context, void *item);

/* At first, and in each mproc_result_next, items are drawn until as many have been drawn and not yet given as
 * the pool's options.max_pending says (for this imap alone, besides all other tasks; 16 per worker if that is
 * 0). So many items and results are all the memory it needs, however many there are in the end.
 *
 * Results come by mproc_result_next, in order or as they come. An item that fails has its own error there,
 * and the others go on, as in any imap: one whose worker died has MPROC_EWORKERDIED, after options.retries.
 * Behind the last result comes, once, the error that ended it, with the number of items as its index: the
 * source's (and its sentence, if a call of mproc in it failed), or what the pool said to the next item:
 * MPROC_ECLOSED after mproc_pool_close (what was drawn is still done), MPROC_EBROKEN, MPROC_ENOMEM. From then
 * on MPROC_ENOTFOUND.
 *
 * mproc_result_close lets go of the rest: nothing more is drawn, and what is under way goes on.
 * mproc_result_cancel ends the drawing and cancels what is under way, which is given as usual.
 * mproc_result_code is what the task of the last given result returned. Results as a whole
 * (mproc_result_get, _wait, _ready ...) do not exist: MPROC_EINVAL, and so are options.callback,
 * error_callback and progress. options.chunksize means nothing: workers take several short tasks at once by
 * themselves. Errors: as of mproc_pool_apply_async; never the source's. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_imap_from(mproc_pool *pool, mproc_result **result,
                                                        mproc_task *task, mproc_source *source,
                                                        void *context, size_t in_size,
                                                        size_t out_size,
                                                        const mproc_task_options *options);
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_imap_unordered_from(
    mproc_pool *pool, mproc_result **result, mproc_task *task, mproc_source *source, void *context,
    size_t in_size, size_t out_size, const mproc_task_options *options);

/* Runs task once on every worker, each time with the same argument, and stores worker i's result at
 * out[i]; *count is the capacity of `out` in results and becomes how many workers there were. A worker
 * that dies in it is replaced, and its successor runs it. Python has none. Errors: those of mproc_pool_map;
 * MPROC_EINVAL (more workers than *count), MPROC_ESTATE (another one is under way), MPROC_ETIMEDOUT. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_run_everywhere(mproc_pool *pool, mproc_task *task,
                                                             const void *in, size_t in_size,
                                                             void *out, size_t out_size,
                                                             size_t *count, mproc_ms timeout);

/* ---- results ---- */

/* Whether it is done, however it ended; never waits. Python: AsyncResult.ready(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_result_ready(mproc_result *result, bool *ready);
/* Waits until it is done, however it ended. MPROC_ETIMEDOUT. Python: wait(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_result_wait(mproc_result *result, mproc_ms timeout);
/* Whether it ended without an error. MPROC_ESTATE before it is ready (Python: ValueError). Python:
 * successful(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_result_successful(mproc_result *result, bool *successful);
/* Waits and copies the result's first `size` bytes (all of them if size is larger) to out (may be NULL).
 *   MPROC_ETASK        the task returned other than 0: mproc_result_code
 *   MPROC_EWORKERDIED  its worker died; mproc_last_error() says how
 *   MPROC_ECANCELLED   it was cancelled, or the pool terminated
 *   MPROC_ETIMEDOUT    not ready within `timeout`, or (then it is ready) its own time-out passed
 *   MPROC_EBROKEN      the pool's workers cannot initialize
 *   MPROC_EIMAGE       the worker has another build of the task's library */
MPROC_API MPROC_MUST_USE mproc_err mproc_result_get(mproc_result *result, void *out, size_t size,
                                                    mproc_ms timeout);
/* Where the result's bytes lie in shared memory, without a copy, until the result is closed; NULL
 * before it is ready or if there are none. */
MPROC_API const void *mproc_result_data(mproc_result *result);
/* How many bytes these are (of a map: of all items); 0 before it is ready. */
MPROC_API size_t mproc_result_size(mproc_result *result);
/* What the task (of a map: the first that failed) returned; 0 if none did. */
MPROC_API int mproc_result_code(mproc_result *result);
/* How item `index` of a map (created with item_errors) ended: what mproc_result_get says of a task. */
MPROC_API MPROC_MUST_USE mproc_err mproc_result_item(mproc_result *result, size_t index);
/* How many items of it are done. Of a single task: 0 or 1. */
MPROC_API size_t mproc_result_done(mproc_result *result);

/* The next result of an imap: its index (may be NULL) and bytes (may be NULL), or the item's own error.
 * MPROC_ENOTFOUND when there are no more (Python: StopIteration); MPROC_ETIMEDOUT. */
MPROC_API MPROC_MUST_USE mproc_err mproc_result_next(mproc_result *result, size_t *index, void *out,
                                                     mproc_ms timeout);

/* Cancels what has not begun: MPROC_OK and the result is MPROC_ECANCELLED. A task that runs is
 * MPROC_ESTATE, unless `running`: then its worker is killed (and replaced). MPROC_ESTATE also if it is
 * done. Of a map, all items that have not begun (and with `running`, those that have). */
MPROC_API MPROC_MUST_USE mproc_err mproc_result_cancel(mproc_result *result, bool running);

/* Releases it; a task that is queued or runs goes on. The pointer may not be used again. NULL is ignored. */
MPROC_API mproc_err mproc_result_close(mproc_result *result);

/* ---- the pool ---- */

/* So many workers from now on, 1 to options.max_workers (MPROC_EINVAL). Those too many end after their task;
 * errors of starting others as of mproc_process_start. MPROC_ECLOSED, MPROC_EBROKEN. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_resize(mproc_pool *pool, size_t workers);

typedef struct mproc_pool_statistics {
    size_t workers;     /* that are to be there */
    size_t running;     /* processes that are there now */
    size_t busy;        /* in a task now */
    size_t queued;      /* tasks and maps that have not begun (about) */
    uint64_t submitted; /* tasks and maps */
    uint64_t finished;  /* tasks and map items that ran to their end */
    uint64_t started;   /* workers started */
    uint64_t died;      /* workers that died without being asked */
    uint64_t recycled;  /* workers replaced by max_..._per_child */
    uint64_t retried;   /* tasks begun again after a death */
    uint64_t timed_out; /* tasks whose worker was killed for their time-out */
} mproc_pool_statistics;
/* What the pool has done and does: a look at numbers that change meanwhile. Also after close and terminate.
 * MPROC_EINVAL: NULL. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pool_get_statistics(mproc_pool *pool,
                                                             mproc_pool_statistics *statistics);

/* The pid of worker `id`, 0 if there is none just now. */
MPROC_API int64_t mproc_pool_worker_pid(mproc_pool *pool, size_t id);

/* A progress callback that draws a bar on stderr if that is a terminal; context: a name, or NULL. */
MPROC_API void mproc_progress_bar(void *context, size_t done, size_t count);

/* ---- inside a task ---- */

/* This worker's number, from 0; a replacement has its predecessor's. SIZE_MAX outside a worker. */
MPROC_API size_t mproc_worker_id(void);
/* Memory of this worker, `size` bytes, zero at the first call: what lasts from task to task. The size of
 * the first call holds; NULL if it is asked for more, or there is no memory. */
MPROC_API void *mproc_worker_state(size_t size);
/* The index of the item in its map; 0 otherwise. */
MPROC_API size_t mproc_task_index(void);
/* True once the task's soft time-out has passed, or somebody cancels it: it should return soon. */
MPROC_API bool mproc_task_should_stop(void);
/* A result of any length for a task submitted by apply or apply_async: `size` bytes of shared memory
 * that replace `out`. A second call replaces the first. NULL if there is no memory, or in a map. */
MPROC_API void *mproc_task_output(size_t size);
/* Submits a task to this worker's own pool; nobody gets its result. For work that finds more work. `in` is
 * copied. MPROC_ESTATE outside a task, MPROC_EINVAL, MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_worker_submit(mproc_task *task, const void *in,
                                                       size_t in_size);

#ifdef __cplusplus
}
#endif
#endif
