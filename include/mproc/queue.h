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
 * that has put, and any process may exit at any time. Items are got in the order in which they were put;
 * what comes back from a borrower comes first.
 *
 * Death: a process killed at any instant loses at most the item it was itself putting, or had itself
 * got (with mproc_queue_get_many: the items of one call); the queue goes on, and no other item is lost,
 * torn or got twice. What was borrowed (mproc_queue_borrow) and not returned comes back, so that nothing
 * is lost at all.
 *
 * Every call answers MPROC_EBADHANDLE if the queue was destroyed, or was never there.
 *
 * A queue whose memory was written over, by a stray pointer in any process of the family, answers MPROC_EPROTO to
 * the call that meets it, from then on; others are not concerned. It can be destroyed. */
typedef struct mproc_queue {
    uint64_t id;
} mproc_queue;

/* For `item_size`: items are byte strings of any length from 0. */
#define MPROC_VARIABLE SIZE_MAX

/* All zero but item_size is the default of everything. */
typedef struct mproc_queue_options {
    size_t item_size;  /* bytes of every item, or MPROC_VARIABLE; 0 is refused */
    size_t maxsize;    /* items the queue holds before put waits; 0: any number, up to 2^30 */
    size_t max_bytes;  /* bytes of items before put waits; 0: any number. A larger item is put alone. Who
                          waits with a large item waits until there is room for it, while others put
                          small ones: keep max_bytes well above the largest */
    void *reserved[8]; /* must be zero */
} mproc_queue_options;

/* Creates an empty queue. Python: Queue(maxsize). It lives until mproc_queue_destroy() or the end of the
 * family; its memory grows with what it holds, up to 8 GiB, and is given back. MPROC_EINVAL, MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_create(mproc_queue *queue, size_t item_size, size_t maxsize);
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_create_with(mproc_queue *queue,
                                                           const mproc_queue_options *options);

/* Destroys it with what it holds. Nobody may wait for it or begin to use it; whoever has put the last item, or taken
 * one, may not have returned from that yet. {0} is ignored. */
MPROC_API mproc_err mproc_queue_destroy(mproc_queue queue);

/* Puts a copy of the item. Waits while the queue is full. MPROC_ETIMEDOUT: it is still full (Python:
 * queue.Full), or, as the sentence says, somebody else was in the middle of a large item all the time;
 * MPROC_NOWAIT is Python's put_nowait. Where another process was stopped in the middle of a small one,
 * the answer may take a tenth of a second more. MPROC_ECLOSED: it was closed. MPROC_ENOMEM: the arena is
 * full, or the queue holds 8 GiB. Whatever is not MPROC_OK: nothing was put.
 *
 * An item of any length can be put if somebody gets it meanwhile with MPROC_FOREVER: it passes in pieces.
 * Otherwise all of it must find room in the arena. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_put(mproc_queue queue, const void *item, mproc_ms timeout);

/* Takes the oldest item, item_size bytes. Waits while the queue is empty. MPROC_ETIMEDOUT: it still is
 * (Python: queue.Empty). MPROC_ECLOSED: it was closed and is empty; mproc_queue_close() says when. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_get(mproc_queue queue, void *item, mproc_ms timeout);

/* The same for byte strings. Get stores the item's length in *size; if that is more than `capacity` the
 * answer is MPROC_EMSGSIZE, and the item stays in the queue, the oldest as before. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_put_bytes(mproc_queue queue, const void *bytes, size_t size,
                                                         mproc_ms timeout);
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_get_bytes(mproc_queue queue, void *buffer, size_t capacity,
                                                         size_t *size, mproc_ms timeout);

/* The same into memory of the item's length, never NULL, which the caller gives back with free(). (On Windows with
 * mproc_connection_free(), if your C library may be another one than mproc's.) MPROC_ENOMEM: the item stays there. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_get_alloc(mproc_queue queue, void **bytes, size_t *size,
                                                         mproc_ms timeout);

/* Many items of item_size at once, for fewer steps per item. *done is how many were put: all of them, or,
 * with any other answer than MPROC_OK, those before the time was over or the queue closed. They are not
 * one unit: others' items may come between. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_put_many(mproc_queue queue, const void *items, size_t count,
                                                        size_t *done, mproc_ms timeout);
/* Takes what is there, at least one item, at most `count`; waits only for the first. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_get_many(mproc_queue queue, void *items, size_t count,
                                                        size_t *done, mproc_ms timeout);

/* The same for MPROC_VARIABLE items: put gathers them from where they are; none may be NULL, also of 0 bytes. Get
 * writes as many as fit into the buffer, one behind the other without gaps, and their lengths into sizes[0] to
 * sizes[*done - 1]. MPROC_EMSGSIZE: the first one is longer than the buffer, as sizes[0] says, and still there. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_put_many_bytes(mproc_queue queue, const void *const *items,
                                                              const size_t *sizes, size_t count, size_t *done,
                                                              mproc_ms timeout);
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_get_many_bytes(mproc_queue queue, void *buffer, size_t capacity,
                                                              size_t *sizes, size_t count, size_t *done,
                                                              mproc_ms timeout);

/* ---- in place: items that are written and read where they lie, in shared memory ----
 *
 * An mproc_item belongs to the process that has it; `data` is valid there until the item is committed or
 * returned. Items put in place may be got by copy, and the other way round. */
typedef struct mproc_item {
    void *data;          /* aligned to 16 */
    size_t size;
    unsigned deliveries; /* how often it was given back before */
    uint64_t reference;  /* mproc's */
} mproc_item;

/* Lends `size` bytes (fixed queues: item_size), not zeroed, to write an item into. mproc_queue_commit()
 * puts it, and waits while the queue is full; after any answer but MPROC_OK the item is still the
 * caller's, to try again or to give up with mproc_queue_return(). If the process dies first, there is no
 * item. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_loan(mproc_queue queue, size_t size, mproc_item *item);
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_commit(mproc_queue queue, mproc_item *item, mproc_ms timeout);

/* Takes the oldest item without copying it, until mproc_queue_return() says that it was dealt with. If
 * the process dies before that, however it dies, the item goes to another getter: nothing is lost, and
 * an item may be worked on twice. Nobody waits for a borrower. MPROC_ETIMEDOUT, MPROC_ECLOSED as get. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_borrow(mproc_queue queue, mproc_item *item, mproc_ms timeout);
/* The item was dealt with: its memory is freed, or, in a queue of items of one size up to 64 KiB, kept for the
 * next ones: as many blocks as were in use at once and some more, at most 136, until the queue is destroyed.
 * MPROC_ESTATE: this process does not have it. */
MPROC_API mproc_err mproc_queue_return(mproc_queue queue, mproc_item *item);
/* The item goes back, to be got before all others, by anybody. */
MPROC_API mproc_err mproc_queue_give_back(mproc_queue queue, mproc_item *item);

/* How many items there are just now; borrowed ones are not, until they are given back. On every system (Python's
 * macOS has none). 0 for a stale handle. */
MPROC_API size_t mproc_queue_qsize(mproc_queue queue);
/* Whether there were none just now, or as many items or bytes as may be, so that every put would have waited: an
 * item that is given back is there beyond that. A stale handle is empty and full. */
MPROC_API bool mproc_queue_empty(mproc_queue queue);
MPROC_API bool mproc_queue_full(mproc_queue queue);

/* One item that was got has been dealt with. MPROC_ESTATE: that was said as often as items were put.
 * Python: JoinableQueue.task_done. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_task_done(mproc_queue queue);
/* Waits until task_done was called for all items that were put. An item whose getter died with it is
 * never done; borrowed ones come back. Python: JoinableQueue.join. */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_join(mproc_queue queue, mproc_ms timeout);

/* Ends the queue for everybody: put is MPROC_ECLOSED from now on, get when what is there was got. Waits for nobody: a
 * put that is under way may still put its item, and that is got. What others have borrowed may come back: get waits
 * for it, or times out, until all of it was returned; only in a process that has itself borrowed something it does
 * not, since those may wait for that one. Who returns what he has and asks again is told the truth. Whoever waits is
 * woken. (Python's close() ends only the caller's own side.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_close(mproc_queue queue);

#ifdef __cplusplus
}
#endif
#endif
