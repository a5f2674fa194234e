/* SPDX-License-Identifier: MIT */
/* A channel: what queues and pipes are made of. A byte ring of records with a holder-aware latch at
 * each end; it grows by further segments and lives in an arena block.
 *
 * Each end changes by one store of its commit word (tail, head): items passed << 33 | position << 1 |
 * which of the end's two `place`s is valid. A holder of the latch writes the other place and whatever
 * the record is, then the word. Killed before that store: nothing has happened. After it: all has. So
 * the next holder finds a whole end; what lies about besides (a segment allocated and not linked, one
 * left and not freed, half a large item) is dealt with when the latch says MPROC_OWNERDEAD.
 *
 * Positions count units of 8 bytes, skipped ones included, modulo 2^32; the words of the other end are
 * cached under the latch and read again only when the end seems full or empty. */
#ifndef MPROC_CORE_CHANNEL_H
#define MPROC_CORE_CHANNEL_H

#include "arena.h"
#include "gate.h"
#include "gather.h"

enum { CHANNEL_LINE = 128 };

struct segment {
    _Atomic uint64_t next; /* the segment after this one, or 0 */
    uint32_t end;          /* if there is one: the position at which this was left */
    uint32_t start;        /* the position at which it begins */
    uint32_t capacity;     /* units of data */
    uint32_t reserved[7];  /* this and a block's header fill a line */
    uint64_t data[];
};

/* Where an end stands, besides what its commit word says. The other end reads what is atomic. */
struct place {
    uint64_t segment;         /* handle */
    _Atomic uint64_t bytes;   /* of items, that have passed */
    uint32_t offset;          /* units */
    _Atomic uint32_t partial; /* in the middle of an item that goes in pieces */
};

struct end {
    struct latch latch;
    uint64_t other_seen; /* the other end's commit word, as last seen */
    uint64_t other_bytes; /* that had passed the other end, then or before */
    uint64_t stray;      /* putting: a segment allocated and perhaps not linked; getting: left, not freed */
    struct place place[2];
    uint64_t journal;    /* reference of a loan between the table and the ring, or 0 */
    uint64_t block;      /* an item's block that goes when the item has, or 0 */
    uint64_t expected;   /* items passed when it has: of this decides who repairs */
    struct gather gather;
};

struct channel {
    /* set at creation */
    uint64_t item_size; /* UINT64_MAX: variable */
    uint64_t item_check; /* ~item_size: so much is copied from and to the caller's memory, unless it was written over */
    uint64_t max_bytes;
    uint32_t max_items;
    _Atomic uint32_t closed;   /* enum channel_closed */
    _Atomic uint64_t loans;    /* handle of the table, or 0 */
    _Atomic uint64_t stock;    /* handle of the blocks it keeps, or 0 (stock.h) */
    _Atomic uint32_t returned; /* items in the table that wait to be got again */
    char space1[CHANNEL_LINE - 56];
    struct end put;
    char space2[CHANNEL_LINE];
    _Atomic uint64_t tail;
    _Atomic uint32_t sending;   /* a putter is in the middle of an item in pieces */
    char space3[CHANNEL_LINE];
    struct end get;
    char space4[CHANNEL_LINE];
    _Atomic uint64_t head;
    _Atomic uint32_t receiving; /* a getter takes an item in pieces while it is being put */
    char space5[CHANNEL_LINE];
    struct gate filled;
    struct sentry sweeper; /* of the getters that wait: looks after what dead borrowers had */
    char space6[CHANNEL_LINE];
    struct gate emptied;
    char space7[CHANNEL_LINE];
    _Atomic uint32_t done;      /* items for which task_done was called */
    struct gate all_done;
};

/* While it is closing, who was already putting may still put: a getter that finds nothing waits for that one. */
enum channel_closed { CHANNEL_OPEN, CHANNEL_CLOSING, CHANNEL_CLOSED };

/* Blocks begin anywhere: room to move a channel to the beginning of a line. */
enum { CHANNEL_SIZE = sizeof(struct channel) + CHANNEL_LINE };
static inline struct channel *mproc__channel_in(void *block)
{
    return block ? (struct channel *) (((uintptr_t) block + CHANNEL_LINE - 1) & ~(uintptr_t) (CHANNEL_LINE - 1))
                 : NULL;
}

/* A queue's; NULL if the handle is stale or of another kind. */
static inline struct channel *mproc__channel_of(uint64_t queue)
{
    return mproc__channel_in(mproc__object(BLOCK_QUEUE, queue));
}

/* ---- commit words ---- */

#define ITEMS_MASK 0x7fffffffu
static inline uint32_t mproc__items_of(uint64_t word)
{
    return (uint32_t) (word >> 33);
}
static inline uint32_t mproc__position_of(uint64_t word)
{
    return (uint32_t) (word >> 1);
}

/* ---- places ---- */

/* How an end writes the place that is not valid. The other end may still be reading it as the one that was valid
 * before the last commit: these stores are releases, so whoever sees one of them finds the commit word changed
 * afterwards, and takes nothing of what it read. */
static inline void mproc__place_write(struct place *place, uint64_t segment, uint64_t bytes, uint32_t offset,
                                      uint32_t partial)
{
    place->segment = segment;
    atomic_store_explicit(&place->bytes, bytes, memory_order_release);
    place->offset = offset;
    atomic_store_explicit(&place->partial, partial, memory_order_release);
}
/* For the other end: what was so when the commit word was the same before and after. */
static inline uint64_t mproc__place_bytes(const struct place *place)
{
    return atomic_load_explicit(&place->bytes, memory_order_acquire);
}
static inline bool mproc__place_partial(const struct place *place)
{
    return atomic_load_explicit(&place->partial, memory_order_acquire) != 0;
}

/* Prepares a channel in zeroed memory. `item_size` UINT64_MAX: any. */
mproc_err mproc__channel_create(struct channel *channel, uint64_t item_size, uint64_t max_items,
                                uint64_t max_bytes);
/* What waits at it is said to wait for this handle. */
static inline void mproc__channel_name(struct channel *channel, uint64_t handle)
{
    channel->filled.object = channel->emptied.object = channel->all_done.object = handle;
}
/* Frees all it refers to. Nobody uses it. */
void mproc__channel_destroy(struct channel *channel);

/* MPROC_EPROTO, described: what was read there cannot be what a queue or pipe has written. */
mproc_err mproc__channel_damaged(const char *what);

struct loan;

/* None of these describes a time-out, a close or a short buffer. MPROC_EAGAIN is a time-out at an end in which
 * somebody was all the time: with a large item, or stopped. */
mproc_err mproc__channel_put(struct channel *channel, const void *bytes, uint64_t size, int64_t deadline);
/* `may_begin`: it may wait beyond the deadline for the rest of an item that is being put in pieces. Who
 * may not leaves such an item alone until it is there. */
mproc_err mproc__channel_get(struct channel *channel, void *buffer, uint64_t capacity, uint64_t *size,
                             bool may_begin, int64_t deadline);
/* The common case of get alone, for callers to whom a deadline costs something: an item of one record that is
 * there, and nobody at the getting end. */
bool mproc__channel_try_get(struct channel *channel, void *buffer, uint64_t capacity, uint64_t *size);
/* Many of one size. `done` of them, if not all: MPROC_ETIMEDOUT and the like for the next one. */
mproc_err mproc__channel_put_many(struct channel *channel, const void *items, uint64_t size, size_t count,
                                  size_t *done, int64_t deadline);
/* As many as there are, at least one, at most `count`. */
mproc_err mproc__channel_get_many(struct channel *channel, void *items, uint64_t size, size_t count,
                                  size_t *done, int64_t deadline);
/* The same for items of any size: by their addresses; one behind the other. */
mproc_err mproc__channel_put_each(struct channel *channel, const void *const *items, const size_t *sizes,
                                  size_t count, size_t *done, int64_t deadline);
mproc_err mproc__channel_get_each(struct channel *channel, void *buffer, uint64_t capacity, size_t *sizes,
                                  size_t count, size_t *done, int64_t deadline);
/* Puts what this process has written in place; it is its loan still if that fails. */
mproc_err mproc__channel_commit(struct channel *channel, struct loan *loan, uint64_t reference,
                                int64_t deadline);
/* Takes an item in place: this process's loan from now on. */
mproc_err mproc__channel_borrow(struct channel *channel, struct loan **loan, uint64_t *reference,
                                int64_t deadline);
/* Who is putting just then may still do it. */
mproc_err mproc__channel_close(struct channel *channel);

/* Nothing comes: gives back what dead borrowers had, and takes away what lies in the ring and will never be an item.
 * If a getter is inside, that one does. */
void mproc__channel_look_after(struct channel *channel, int64_t deadline);

/* Items there just now. */
uint32_t mproc__channel_items(struct channel *channel);
/* Whether no item, however small, could be put just now. */
bool mproc__channel_full(struct channel *channel);
/* Whether it is closed, and nothing can come back that another process has borrowed; nothing else was asked. */
bool mproc__channel_over(struct channel *channel);
/* Whether get would not wait: for mproc__gate_wait(&channel->filled, ...). */
bool mproc__channel_readable(void *channel);

#endif
