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

/* A segment as this thread has last found it whole. Its handle, and what it says of itself, lie in shared memory,
 * where a stray pointer of any process of the family may write: both are looked at before they are followed. */
struct known {
    uint64_t handle;
    struct segment *segment;
    uint32_t capacity, start;
};
/* The ones this thread has last put into and got from. */
extern MPROC_THREAD_LOCAL_NEAR struct known mproc__known_put, mproc__known_get;
/* False if the handle is no segment's. */
bool mproc__channel_look_at(struct known *known, uint64_t handle);
static inline bool knows(struct known *known, uint64_t handle)
{
    return known->handle == handle || mproc__channel_look_at(known, handle);
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
    struct known in;       /* the segment; none if the place was written over */
    uint32_t position;
    bool changed_segment;
};

static inline struct cursor cursor_at(struct channel *channel, const struct end *end, uint64_t word)
{
    const struct place *place = &end->place[word & 1];
    struct known *known = end == &channel->put ? &mproc__known_put : &mproc__known_get;
    struct cursor cursor;
    cursor.channel = channel;
    cursor.word = word;
    cursor.place.segment = place->segment;
    cursor.place.bytes = atomic_load_explicit(&place->bytes, memory_order_relaxed);
    cursor.place.offset = place->offset;
    cursor.place.partial = atomic_load_explicit(&place->partial, memory_order_relaxed);
    bool whole = knows(known, place->segment);
    cursor.in = *known;
    if (!whole || place->offset > known->capacity)
        cursor.in.segment = NULL;
    cursor.position = mproc__position_of(word);
    cursor.changed_segment = false;
    return cursor;
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

/* A record that lies whole in its segment. */
struct record {
    enum record_kind kind;
    uint32_t units;
    uint64_t bytes;   /* in it */
    uint64_t size;    /* of the item that begins with it, or 0 */
    uint64_t block;   /* BLOCK_ITEM that holds the item, or 0 */
    const void *data; /* of the item */
};

/* Latches are held for moments, unless it is for an item in pieces: nobody is turned away because another is just
 * inside, and perhaps not running. */
static inline int64_t patient(int64_t deadline)
{
    int64_t least = mproc_plat_now() + SHORT_WAIT;
    return deadline > least ? deadline : least;
}

/* What was stored before is there if what is stored after it is, for who looks when this process has been killed: the
 * compiler must keep the order, and the processor has told all it did. */
static inline void in_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* ---- the getting end ---- */

/* What is behind the cursor: whole items, or only pieces of one that is being put. */
static inline bool has_item(struct cursor *cursor)
{
    struct end *get = &cursor->channel->get;
    if (mproc__items_of(get->other_seen) != mproc__items_of(cursor->word))
        return true;
    get->other_seen = atomic_load_explicit(&cursor->channel->tail, memory_order_acquire);
    return mproc__items_of(get->other_seen) != mproc__items_of(cursor->word);
}

static inline bool has_record(struct cursor *cursor)
{
    struct end *get = &cursor->channel->get;
    if (mproc__position_of(get->other_seen) != cursor->position)
        return true;
    get->other_seen = atomic_load_explicit(&cursor->channel->tail, memory_order_acquire);
    return mproc__position_of(get->other_seen) != cursor->position;
}

struct change {
    _Atomic uint64_t *word;
    uint64_t old;
};

static inline bool has_changed(void *context)
{
    struct change *change = context;
    return atomic_load_explicit(change->word, memory_order_acquire) != change->old;
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

/* ---- channel_read.c ---- */

/* The record at the cursor of the getting end, which is not at the tail. MPROC_EPROTO: there is none, somebody wrote
 * over it. */
mproc_err mproc__channel_read(struct cursor *cursor, struct record *record);
/* The bytes of a block; NULL if there is no such block, or it has less. */
static inline void *mproc__channel_item_in(uint64_t block, uint64_t size)
{
    void *bytes = mproc__object(BLOCK_ITEM, block);
    return bytes && size <= mproc__block_size((const struct block *) bytes - 1) ? bytes : NULL;
}

/* ---- channel_get.c ---- */

mproc_err mproc__channel_enter_get(struct channel *channel, int64_t deadline);
/* Makes the cursor's place the end's, after so many items. */
void mproc__channel_commit_get(struct cursor *cursor, uint32_t items);

/* ---- channel_pieces.c ---- */

/* The pieces from the cursor to the last; with no buffer they are dropped. MPROC_EDIED: the putter died, there is no
 * item. */
mproc_err mproc__channel_get_pieces(struct cursor *cursor, char *buffer, uint64_t size, int64_t deadline);
/* An item in pieces at the cursor is longer than the buffer. MPROC_EMSGSIZE, unless it is none: its putter died. */
mproc_err mproc__channel_pass_over(struct cursor *cursor, uint64_t size);
/* Passes what is at the cursor and will never be an item. */
void mproc__channel_drop_dead(struct cursor *cursor);

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
