/* SPDX-License-Identifier: MIT */
/* Queues between the processes of a family, and their threads.
 * Python: multiprocessing.Queue, SimpleQueue and JoinableQueue in one. */
#ifndef MPROC_QUEUE_H
#define MPROC_QUEUE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A queue: a plain value that means the same in every process of the family. {0} is none.
 *
 * Items are bytes and are copied in and out; there is no feeder thread, nothing is pending in a process
 * that has put, and any process may exit at any time. What one thread puts is got in that order.
 *
 * Death: a process killed at any instant loses at most the item it was itself putting, or had itself
 * got; the queue goes on, and no other item is lost, torn or got twice. What was borrowed
 * (mproc_queue_borrow) and not returned comes back, so that nothing is lost at all. */
typedef struct mproc_queue {
    uint64_t id;
} mproc_queue;

/* For `item_size`: items are byte strings of any length from 0. */
#define MPROC_VARIABLE SIZE_MAX

/* All zero but item_size is the default of everything. */
typedef struct mproc_queue_options {
    size_t item_size;  /* bytes of every item, or MPROC_VARIABLE; 0 is refused */
    size_t maxsize;    /* items the queue holds before put waits; 0: any number, up to 2^30 */
    size_t max_bytes;  /* bytes of items before put waits; 0: any number. A larger item is put alone */
    void *reserved[8]; /* must be zero */
} mproc_queue_options;

/* Creates an empty queue. Python: Queue(maxsize). It lives until mproc_queue_destroy() or the end of the
 * family; its memory grows with what it holds and is given back. MPROC_EINVAL, MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_create(mproc_queue *queue, size_t item_size, size_t maxsize);
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_create_with(mproc_queue *queue,
                                                           const mproc_queue_options *options);

/* Destroys it with what it holds. Nobody may be using it. {0} is ignored. */
MPROC_API mproc_err mproc_queue_destroy(mproc_queue queue);

/* Puts a copy of the item. Waits while the queue is full. MPROC_ETIMEDOUT: it is still full (Python:
 * queue.Full); MPROC_NOWAIT is Python's put_nowait. MPROC_ECLOSED: it was closed. MPROC_ENOMEM: the
 * arena is full. Whatever is not MPROC_OK: nothing was put. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_put(mproc_queue queue, const void *item, mproc_ms timeout);

/* Takes the oldest item, item_size bytes. Waits while the queue is empty. MPROC_ETIMEDOUT: it still is
 * (Python: queue.Empty). MPROC_ECLOSED: it was closed and is empty. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_get(mproc_queue queue, void *item, mproc_ms timeout);

/* The same for byte strings. Get stores the item's length in *size; if that is more than `capacity` the
 * answer is MPROC_EMSGSIZE, and the item stays in the queue, the oldest as before. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_put_bytes(mproc_queue queue, const void *bytes, size_t size,
                                                         mproc_ms timeout);
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_get_bytes(mproc_queue queue, void *buffer, size_t capacity,
                                                         size_t *size, mproc_ms timeout);

/* How many items there are just now. On every system (Python's macOS has none). 0 for a stale handle. */
MPROC_API size_t mproc_queue_qsize(mproc_queue queue);
/* Whether there were none, or maxsize of them, just now. A stale handle is empty and full. */
MPROC_API bool mproc_queue_empty(mproc_queue queue);
MPROC_API bool mproc_queue_full(mproc_queue queue);

/* One item that was got has been dealt with. MPROC_ESTATE: that was said as often as items were put.
 * Python: JoinableQueue.task_done. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_task_done(mproc_queue queue);
/* Waits until task_done was called for all items that were put. An item whose getter died with it is
 * never done; borrowed ones come back. Python: JoinableQueue.join. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_join(mproc_queue queue, mproc_ms timeout);

/* Ends the queue for everybody: put is MPROC_ECLOSED from now on, get when what is there was got.
 * Whoever waits is woken. (Python's close() ends only the caller's own side.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_close(mproc_queue queue);

#ifdef __cplusplus
}
#endif
#endif
