/* SPDX-License-Identifier: MIT */
/* What the two ends of a channel share: records, and an end in the hands of who holds its latch. For
 * channel*.c only; channel.h says what is shared between processes and what a kill leaves. */
#ifndef MPROC_CORE_CHANNEL_RING_H
#define MPROC_CORE_CHANNEL_RING_H

#include "channel.h"
#include "fault.h"
#include "loans.h"
#include "runtime.h"

#include <string.h>

/* A record: a unit that says kind << 56 | bytes, then the bytes, filled up to whole units. */
enum record_kind {
    RECORD_SKIP = 1, /* nothing until the end of the segment */
    RECORD_WHOLE,    /* an item */
    RECORD_FIRST,    /* an item in pieces: its whole length in one unit, then the first of them */
    RECORD_MORE,
    RECORD_LAST,
    RECORD_ABORT,    /* its putter died: what came of the item is nothing */
    RECORD_BLOCK,    /* an item that was written in place: its block and length */
};
enum {
    PIECE = 32768, /* items of more bytes go in pieces of this: they stay in the cache */
    BATCH = 64,    /* items put or got under the latch before others may have it */
};
#define SHORT_WAIT INT64_C(100000000) /* for a latch that is held for moments, whatever the deadline */

static inline struct segment *segment_at(uint64_t handle)
{
    return mproc__arena_live(handle);
}

static inline uint64_t header_of(enum record_kind kind, uint64_t bytes)
{
    return (uint64_t) kind << 56 | bytes;
}

static inline enum record_kind kind_of(uint64_t header)
{
    return (enum record_kind) (header >> 56);
}

static inline uint64_t bytes_of(uint64_t header)
{
    return header & ((UINT64_C(1) << 56) - 1);
}

static inline uint32_t units_of(uint64_t bytes)
{
    return 1 + (uint32_t) ((bytes + 7) / 8);
}

/* An end in the hands of who holds its latch: the place it will have with the next commit. */
struct cursor {
    struct channel *channel;
    uint64_t word;         /* as committed */
    struct {
        uint64_t segment, bytes;
        uint32_t offset, partial;
    } place;
    uint32_t position;
    bool changed_segment;
};

static inline struct cursor cursor_at(struct channel *channel, const struct end *end, uint64_t word)
{
    const struct place *place = &end->place[word & 1];
    uint64_t bytes = atomic_load_explicit(&place->bytes, memory_order_relaxed);
    uint32_t partial = atomic_load_explicit(&place->partial, memory_order_relaxed);
    return (struct cursor){
        channel, word, { place->segment, bytes, place->offset, partial }, mproc__position_of(word), false
    };
}

/* Writes the place that is not valid and gives the word that makes it so. */
static inline uint64_t prepare(struct end *end, const struct cursor *cursor, uint32_t items)
{
    uint64_t passed = (mproc__items_of(cursor->word) + items) & ITEMS_MASK;
    uint64_t word = passed << 33 | (uint64_t) cursor->position << 1 | (~cursor->word & 1);
    mproc__place_write(&end->place[word & 1], cursor->place.segment, cursor->place.bytes, cursor->place.offset,
                       cursor->place.partial);
    return word;
}

/* The word after one item more of so many units. */
static inline uint64_t next_word(uint64_t word, uint32_t units)
{
    uint64_t position = (uint32_t) (mproc__position_of(word) + units);
    uint64_t passed = (mproc__items_of(word) + 1) & ITEMS_MASK;
    return passed << 33 | position << 1 | (~word & 1);
}

static inline uint32_t items_after(uint64_t word)
{
    return (mproc__items_of(word) + 1) & ITEMS_MASK;
}

static inline void pass(struct cursor *cursor, uint32_t units)
{
    cursor->place.offset += units;
    cursor->position += units;
}

/* The record at the cursor, which is not at the tail. */
static inline uint64_t *record_at(struct cursor *cursor)
{
    for (;;) {
        struct segment *segment = segment_at(cursor->place.segment);
        uint64_t next = atomic_load_explicit(&segment->next, memory_order_acquire);
        if (next && segment->end == cursor->position) {
            cursor->place.segment = next;
            cursor->place.offset = 0;
            cursor->changed_segment = true;
            continue;
        }
        if (cursor->place.offset == segment->capacity)
            cursor->place.offset = 0;
        uint64_t *record = &segment->data[cursor->place.offset];
        if (kind_of(*record) != RECORD_SKIP)
            return record;
        cursor->position += segment->capacity - cursor->place.offset;
        cursor->place.offset = 0;
    }
}

/* Latches are held for moments, unless it is for an item in pieces: nobody is turned away because another is just
 * inside, and perhaps not running. */
static inline int64_t patient(int64_t deadline)
{
    int64_t least = mproc_plat_now() + SHORT_WAIT;
    return deadline > least ? deadline : least;
}

struct change {
    struct channel *channel;
    _Atomic uint64_t *word;
    uint64_t old;
};

static inline bool has_changed(void *context)
{
    struct change *change = context;
    return atomic_load_explicit(change->word, memory_order_acquire) != change->old ||
           atomic_load_explicit(&change->channel->closed, memory_order_relaxed);
}

/* As many items as are worth gathering: no more than let the other side go on undisturbed. */
static inline uint32_t worth_gathering(const struct channel *channel)
{
    enum { MANY = 1024 };
    return channel->max_items / 2 < MANY ? channel->max_items / 2 : MANY;
}

/* What to do with an item: copy it to a buffer, or borrow it. */
struct taking {
    void *buffer;
    uint64_t capacity, size;
    bool borrow;
    bool may_begin; /* with an item that is still being put; then it waits for the rest of it */
    struct loan *loan;
    uint64_t reference;
};

/* ---- channel.c ---- */

mproc_err mproc__channel_new_segment(uint64_t block_size, uint32_t start, uint64_t *handle);

/* ---- channel_put.c ---- */

/* Takes the latch; if its last holder died, repairs what that left. MPROC_EAGAIN: it stays another's. */
mproc_err mproc__channel_enter_put(struct channel *channel, int64_t deadline);
/* Waits until who was putting when the channel was closed is out: then it is closed. */
mproc_err mproc__channel_finish_close(struct channel *channel, int64_t deadline);
/* Nothing came for a while: if the putter has died in the middle of its item, ends the item. */
void mproc__channel_help_put(struct channel *channel);

/* ---- channel_get.c ---- */

mproc_err mproc__channel_enter_get(struct channel *channel, int64_t deadline);
/* Makes the cursor's place the end's, after so many items. */
void mproc__channel_commit_get(struct cursor *cursor, uint32_t items);

/* ---- channel_borrow.c ---- */

/* Takes the item at the cursor, which is there to its end, into the table. MPROC_EDIED: its putter had
 * died, there is none. */
mproc_err mproc__channel_borrow_item(struct cursor *cursor, struct taking *taking);
/* An item that was borrowed and given back goes to the next one, before all others. MPROC_ETIMEDOUT:
 * there is none. Killed before the free: it is still given back. */
mproc_err mproc__channel_take_returned(struct channel *channel, struct taking *taking);
/* Gives back what dead borrowers had. The caller holds the getting latch. */
void mproc__channel_sweep(struct channel *channel);

#endif
