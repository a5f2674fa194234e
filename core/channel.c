/* SPDX-License-Identifier: MIT */
/* Putting into and getting from a channel; channel.h says what is shared and what a kill leaves. */
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
    PIECE = 32768,             /* items of more bytes go in pieces of this: they stay in the cache */
    FIRST_SEGMENT = 4096,      /* bytes of blocks, headers included */
    LARGEST_SEGMENT = 1 << 20,
    BATCH = 64, /* items put or got under the latch before others may have it */
};
#define HELP_SLICE INT64_C(20000000)    /* how long to wait for the rest of an item before asking who lives */
#define RECEIVER_SLICE INT64_C(3000000) /* how long a receiver may keep a putter from growing the ring */
#define SWEEP_SLICE INT64_C(50000000)   /* how often a waiting getter asks whether borrowers live */
#define SHORT_WAIT INT64_C(1000000000)  /* for a latch that is held for moments, whatever the deadline */

static struct segment *segment_at(uint64_t handle)
{
    return mproc_plat_region_at((handle & POSITION_MASK) * UNIT + UNIT);
}

static uint64_t header_of(enum record_kind kind, uint64_t bytes)
{
    return (uint64_t) kind << 56 | bytes;
}

static enum record_kind kind_of(uint64_t header)
{
    return (enum record_kind) (header >> 56);
}

static uint64_t bytes_of(uint64_t header)
{
    return header & ((UINT64_C(1) << 56) - 1);
}

static uint32_t units_of(uint64_t bytes)
{
    return 1 + (uint32_t) ((bytes + 7) / 8);
}

/* An end in the hands of who holds its latch: the place it will have with the next commit. */
struct cursor {
    struct channel *channel;
    uint64_t word;         /* as committed */
    struct place place;
    uint32_t position;
    bool changed_segment;
};

static struct cursor cursor_at(struct channel *channel, const struct end *end, uint64_t word)
{
    return (struct cursor){ channel, word, end->place[word & 1], mproc__position_of(word), false };
}

/* Writes the place that is not valid and gives the word that makes it so. */
static uint64_t prepare(struct end *end, const struct cursor *cursor, uint32_t items)
{
    uint64_t passed = (mproc__items_of(cursor->word) + items) & ITEMS_MASK;
    uint64_t word = passed << 33 | (uint64_t) cursor->position << 1 | (~cursor->word & 1);
    end->place[word & 1] = cursor->place;
    return word;
}

/* The word after one item more of so many units. */
static inline uint64_t next_word(uint64_t word, uint32_t units)
{
    uint64_t position = (uint32_t) (mproc__position_of(word) + units);
    uint64_t passed = (mproc__items_of(word) + 1) & ITEMS_MASK;
    return passed << 33 | position << 1 | (~word & 1);
}

/* ---- segments ---- */

static mproc_err new_segment(uint64_t block_size, uint32_t start, uint64_t *handle)
{
    uint64_t size = block_size - UNIT;
    mproc_err err = mproc__arena_alloc_dirty(BLOCK_ITEM, size, handle);
    if (err != MPROC_OK)
        return err;
    struct segment *segment = segment_at(*handle);
    atomic_store_explicit(&segment->next, 0, memory_order_relaxed);
    segment->start = start;
    segment->capacity = (uint32_t) ((size - sizeof *segment) / 8);
    return MPROC_OK;
}

static uint64_t block_size_of(const struct segment *segment)
{
    return (uint64_t) segment->capacity * 8 + sizeof *segment + UNIT;
}

/* Goes on in a segment of its own. Killed before the next commit: `stray` tells who repairs of it. */
static mproc_err grow(struct cursor *cursor, uint64_t units)
{
    struct end *put = &cursor->channel->put;
    struct segment *old = segment_at(cursor->place.segment);
    uint64_t size = block_size_of(old) * 4, handle;
    size = size > LARGEST_SEGMENT ? LARGEST_SEGMENT : size;
    while (size < units * 8 * 2)
        size *= 2;
    /* A long queue costs the positions' range: half of it may be under way. */
    if (cursor->position - mproc__position_of(put->other_seen) > INT32_MAX / 2)
        return mproc__fail(MPROC_ENOMEM, "the queue holds 8 GiB, the most it can");
    mproc_err err = new_segment(size, cursor->position, &handle);
    if (err != MPROC_OK)
        return err;
    MPROC_FAULT("channel.segment_allocated");
    put->stray = handle;
    MPROC_FAULT("channel.segment_noted");
    old->end = cursor->position;
    atomic_store_explicit(&old->next, handle, memory_order_release);
    MPROC_FAULT("channel.segment_linked");
    cursor->place.segment = handle;
    cursor->place.offset = 0;
    cursor->changed_segment = true;
    return MPROC_OK;
}

/* Frees the segments that have been left behind, from `stray` to the one in use. */
static void free_left(struct end *get, uint64_t in_use)
{
    while (get->stray && get->stray != in_use) {
        uint64_t left = get->stray;
        if (!mproc__object(BLOCK_ITEM, left))
            break;
        get->stray = atomic_load_explicit(&segment_at(left)->next, memory_order_relaxed);
        MPROC_FAULT("channel.segment_left");
        mproc__arena_free(BLOCK_ITEM, left);
    }
    get->stray = 0;
}

/* ---- the putting end ---- */

static uint32_t later(uint32_t a, uint32_t b)
{
    return (int32_t) (a - b) > 0 ? a : b;
}

/* Room for a record of `units` side by side; one unit is always left, for an abort. */
static bool reserve(struct cursor *cursor, uint32_t units, uint32_t spare)
{
    struct channel *channel = cursor->channel;
    struct segment *segment = segment_at(cursor->place.segment);
    uint32_t left = segment->capacity - cursor->place.offset;
    uint32_t skip = left < units ? left : 0;
    for (bool looked = false;; looked = true) {
        uint32_t head = mproc__position_of(channel->put.other_seen);
        uint32_t used = cursor->position - later(head, segment->start);
        if ((uint64_t) used + skip + units + spare <= segment->capacity)
            break;
        if (looked)
            return false;
        channel->put.other_seen = atomic_load_explicit(&channel->head, memory_order_acquire);
    }
    if (left < units) {
        if (left > 0)
            segment->data[cursor->place.offset] = header_of(RECORD_SKIP, 0);
        cursor->position += skip;
        cursor->place.offset = 0;
    }
    return true;
}

static void commit_put(struct cursor *cursor, uint32_t items)
{
    struct channel *channel = cursor->channel;
    uint64_t word = prepare(&channel->put, cursor, items);
    MPROC_FAULT("channel.put_prepared");
    atomic_store_explicit(&channel->tail, word, memory_order_release);
    MPROC_FAULT("channel.put_committed");
    cursor->word = word;
    if (cursor->changed_segment)
        channel->put.stray = 0;
    cursor->changed_segment = false;
}

/* Writes a record into room that was reserved. */
static inline void *write_header(struct cursor *cursor, enum record_kind kind, uint64_t bytes, uint32_t units)
{
    struct segment *segment = segment_at(cursor->place.segment);
    uint64_t *record = &segment->data[cursor->place.offset];
    record[0] = header_of(kind, bytes);
    cursor->place.offset += units;
    cursor->position += units;
    return record + 1;
}

static void put_abort(struct cursor *cursor)
{
    reserve(cursor, 1, 0);
    write_header(cursor, RECORD_ABORT, 0, 1);
    cursor->place.partial = 0;
    commit_put(cursor, 0);
}

/* The last holder died: its half item is nothing, its segment nobody's. May itself be killed. */
static void repair_put(struct channel *channel)
{
    struct end *put = &channel->put;
    struct cursor cursor = cursor_at(channel, put, atomic_load(&channel->tail));
    if (put->stray && put->stray != cursor.place.segment) {
        atomic_store(&segment_at(cursor.place.segment)->next, 0);
        MPROC_FAULT("channel.repair_unlinked");
        mproc__arena_free(BLOCK_ITEM, put->stray);
    }
    put->stray = 0;
    struct loan *loan = put->journal ? mproc__loan_at(channel, put->journal) : NULL;
    if (loan && atomic_load(&loan->state) == LOAN_PUTTING) {
        if (mproc__items_of(cursor.word) == put->expected)
            mproc__loan_set_block(loan, 0); /* it is the ring's now */
        mproc__loan_set_state(loan, LOAN_WRITING); /* a dead process's: it will be swept */
    }
    put->journal = 0;
    MPROC_FAULT("channel.repair_partial");
    if (cursor.place.partial)
        put_abort(&cursor);
}

/* Latches are held for moments: nobody is turned away because another is just inside, unless that one
 * waits there itself. */
static int64_t patient(int64_t deadline)
{
    int64_t least = mproc_plat_now() + SHORT_WAIT;
    return deadline > least ? deadline : least;
}

static mproc_err enter_put_slowly(struct channel *channel, int64_t deadline)
{
    mproc_err err = mproc__latch_acquire(&channel->put.latch, patient(deadline));
    if (err == MPROC_OWNERDEAD) {
        repair_put(channel);
        err = MPROC_OK;
    }
    return err;
}

static mproc_err enter_put(struct channel *channel, int64_t deadline)
{
    return mproc__latch_try(&channel->put.latch) ? MPROC_OK : enter_put_slowly(channel, deadline);
}

/* Whether an item of this size may be put, as far as has been seen. */
static inline bool fits(struct channel *channel, const struct place *place, uint64_t word, uint64_t size)
{
    const struct end *put = &channel->put;
    uint32_t items = (mproc__items_of(word) - mproc__items_of(put->other_seen)) & ITEMS_MASK;
    uint64_t bytes = place->bytes - put->other_bytes;
    return items < channel->max_items &&
           (channel->max_bytes == 0 || (size <= channel->max_bytes && bytes <= channel->max_bytes - size));
}

/* Whether it may be put now. */
static bool has_room(struct channel *channel, const struct cursor *cursor, uint64_t size)
{
    struct end *put = &channel->put;
    if (fits(channel, &cursor->place, cursor->word, size))
        return true;
    uint64_t seen = atomic_load_explicit(&channel->head, memory_order_acquire), again;
    for (;; seen = again) {
        /* The other end's place is whole only if its word has not changed meanwhile. */
        put->other_seen = seen;
        put->other_bytes = channel->get.place[seen & 1].bytes;
        atomic_thread_fence(memory_order_acquire);
        again = atomic_load_explicit(&channel->head, memory_order_acquire);
        if (again == seen)
            break;
    }
    /* Into an empty queue goes an item of any size. */
    return fits(channel, &cursor->place, cursor->word, size) ||
           mproc__items_of(seen) == mproc__items_of(cursor->word);
}

struct change {
    struct channel *channel;
    _Atomic uint64_t *word;
    uint64_t old;
};

static bool has_changed(void *context)
{
    struct change *change = context;
    return atomic_load_explicit(change->word, memory_order_acquire) != change->old ||
           atomic_load_explicit(&change->channel->closed, memory_order_relaxed);
}

/* Room for a piece. A receiver under way makes it, or else the ring grows. */
static mproc_err reserve_piece(struct cursor *cursor, uint32_t units)
{
    struct channel *channel = cursor->channel;
    while (!reserve(cursor, units, 1)) {
        struct change change = { channel, &channel->head, channel->put.other_seen };
        if (!atomic_load_explicit(&channel->receiving, memory_order_relaxed) ||
            mproc__gate_wait(&channel->emptied, has_changed, &change, mproc_plat_now() + RECEIVER_SLICE) !=
                MPROC_OK)
            return grow(cursor, units);
        if (atomic_load_explicit(&channel->head, memory_order_relaxed) == change.old)
            return grow(cursor, units); /* closed: has_changed() no longer waits */
    }
    return MPROC_OK;
}

/* An item that is larger than a piece. Each piece is committed by itself, the item with the last one. */
static mproc_err put_pieces(struct cursor *cursor, const char *bytes, uint64_t size)
{
    cursor->place.bytes += size;
    for (uint64_t at = 0; at < size;) {
        uint32_t length = size - at > PIECE ? PIECE : (uint32_t) (size - at);
        uint32_t units = units_of(length) + (at == 0);
        bool last = at + length == size;
        mproc_err err = reserve_piece(cursor, units);
        if (err != MPROC_OK) {
            cursor->place.bytes -= size;
            if (at > 0)
                put_abort(cursor);
            return err;
        }
        enum record_kind kind = at == 0 ? RECORD_FIRST : last ? RECORD_LAST : RECORD_MORE;
        uint64_t *data = write_header(cursor, kind, length, units);
        if (at == 0)
            *data++ = size;
        memcpy(data, bytes + at, length);
        cursor->place.partial = !last;
        commit_put(cursor, last);
        at += length;
        if (!last)
            mproc__gate_wake(&cursor->channel->filled);
    }
    return MPROC_OK;
}

static mproc_err put_item(struct cursor *cursor, const void *bytes, uint64_t size)
{
    if (size > PIECE)
        return put_pieces(cursor, bytes, size);
    uint32_t units = units_of(size);
    if (!reserve(cursor, units, 1)) {
        mproc_err err = grow(cursor, units);
        if (err != MPROC_OK)
            return err;
    }
    void *data = write_header(cursor, RECORD_WHOLE, size, units);
    memcpy(data, bytes, size);
    MPROC_FAULT("channel.put_copied");
    cursor->place.bytes += size;
    commit_put(cursor, 1);
    return MPROC_OK;
}

static uint32_t items_after(uint64_t word)
{
    return (mproc__items_of(word) + 1) & ITEMS_MASK;
}

/* An item written in place goes into the ring as its block's handle, and out of the table. */
static mproc_err put_block(struct cursor *cursor, struct loan *loan, uint64_t reference)
{
    struct end *put = &cursor->channel->put;
    if (!reserve(cursor, 3, 1)) {
        mproc_err err = grow(cursor, 3);
        if (err != MPROC_OK)
            return err;
    }
    put->expected = items_after(cursor->word);
    put->journal = reference;
    MPROC_FAULT("channel.loan_noted");
    mproc__loan_set_state(loan, LOAN_PUTTING);
    uint64_t *data = write_header(cursor, RECORD_BLOCK, 16, 3);
    data[0] = atomic_load_explicit(&loan->block, memory_order_relaxed);
    data[1] = loan->size;
    cursor->place.bytes += loan->size;
    commit_put(cursor, 1);
    mproc__loan_clear(loan);
    MPROC_FAULT("channel.loan_cleared");
    put->journal = 0;
    return MPROC_OK;
}

/* The common case in few instructions: an item of one record, and room for it as last
 * seen. False: nothing was done, go the long way. */
static inline bool put_quickly(struct channel *channel, const void *bytes, uint64_t size)
{
    struct end *put = &channel->put;
    uint64_t word = atomic_load_explicit(&channel->tail, memory_order_relaxed);
    const struct place *place = &put->place[word & 1];
    struct place *next = &put->place[~word & 1];
    struct segment *segment = segment_at(place->segment);
    uint32_t position = mproc__position_of(word), units = units_of(size);
    uint32_t used = position - later(mproc__position_of(put->other_seen), segment->start);
    if (size > PIECE || !fits(channel, place, word, size) || put->stray ||
        (uint64_t) used + units + 1 > segment->capacity || segment->capacity - place->offset < units ||
        atomic_load_explicit(&channel->closed, memory_order_relaxed))
        return false;
    uint64_t *record = &segment->data[place->offset];
    record[0] = header_of(RECORD_WHOLE, size);
    memcpy(record + 1, bytes, size);
    MPROC_FAULT("channel.put_copied");
    next->segment = place->segment;
    next->bytes = place->bytes + size;
    next->offset = place->offset + units;
    next->partial = 0;
    MPROC_FAULT("channel.put_prepared");
    atomic_store_explicit(&channel->tail, next_word(word, units), memory_order_release);
    MPROC_FAULT("channel.put_committed");
    return true;
}

static mproc_err wait_for_room(struct channel *channel, uint64_t seen, int64_t deadline)
{
    struct change change = { channel, &channel->head, seen };
    return mproc__gate_wait(&channel->emptied, has_changed, &change, deadline);
}

/* Puts a copy of bytes, or a loan. */
static mproc_err put_any(struct channel *channel, const void *bytes, uint64_t size, struct loan *loan,
                         uint64_t reference, int64_t deadline)
{
    for (bool waited = false;; waited = true) {
        mproc_err err = enter_put(channel, deadline);
        if (err != MPROC_OK)
            return err;
        MPROC_FAULT("channel.put_entered");
        if (!waited && !loan && put_quickly(channel, bytes, size)) {
            mproc__latch_release(&channel->put.latch);
            mproc__gate_wake_fenced(&channel->filled);
            return MPROC_OK;
        }
        struct cursor cursor = cursor_at(channel, &channel->put,
                                         atomic_load_explicit(&channel->tail, memory_order_relaxed));
        if (atomic_load_explicit(&channel->closed, memory_order_relaxed))
            err = MPROC_ECLOSED;
        else if (!has_room(channel, &cursor, size))
            err = MPROC_ETIMEDOUT;
        else
            err = loan ? put_block(&cursor, loan, reference) : put_item(&cursor, bytes, size);
        uint64_t seen = channel->put.other_seen;
        bool more = waited && err == MPROC_OK && has_room(channel, &cursor, 1);
        mproc__latch_release(&channel->put.latch);
        if (err == MPROC_OK) {
            mproc__gate_wake_fenced(&channel->filled);
            if (more)
                mproc__gate_wake_fenced(&channel->emptied);
        }
        if (err != MPROC_ETIMEDOUT || wait_for_room(channel, seen, deadline) != MPROC_OK)
            return err;
    }
}

mproc_err mproc__channel_put(struct channel *channel, const void *bytes, uint64_t size, int64_t deadline)
{
    return put_any(channel, bytes, size, NULL, 0, deadline);
}

mproc_err mproc__channel_commit(struct channel *channel, struct loan *loan, uint64_t reference,
                                int64_t deadline)
{
    return put_any(channel, "", loan->size, loan, reference, deadline);
}

mproc_err mproc__channel_put_many(struct channel *channel, const void *items, uint64_t size, size_t count,
                                  size_t *done, int64_t deadline)
{
    const char *item = items;
    mproc_err err = MPROC_OK;
    for (*done = 0; err == MPROC_OK && *done < count;) {
        err = enter_put(channel, deadline);
        if (err != MPROC_OK)
            break;
        size_t before = *done;
        while (*done < count && *done - before < BATCH && put_quickly(channel, item, size)) {
            item += size;
            ++*done;
        }
        mproc__latch_release(&channel->put.latch);
        mproc__gate_wake_fenced(&channel->filled);
        if (*done != before)
            continue;
        err = put_any(channel, item, size, NULL, 0, deadline);
        *done += err == MPROC_OK;
        item += size;
    }
    return err;
}

mproc_err mproc__channel_close(struct channel *channel)
{
    /* Under the latch: nobody puts any more once this has returned. */
    mproc_err err = enter_put(channel, MPROC_PLAT_NEVER);
    if (err != MPROC_OK)
        return err;
    atomic_store(&channel->closed, 1);
    mproc__latch_release(&channel->put.latch);
    mproc__gate_wake_all(&channel->filled);
    mproc__gate_wake_all(&channel->emptied);
    return MPROC_OK;
}

/* ---- the getting end ---- */

static void commit_get(struct cursor *cursor, uint32_t items)
{
    struct channel *channel = cursor->channel;
    struct end *get = &channel->get;
    if (cursor->changed_segment)
        get->stray = get->place[cursor->word & 1].segment;
    uint64_t word = prepare(get, cursor, items);
    MPROC_FAULT("channel.get_prepared");
    atomic_store_explicit(&channel->head, word, memory_order_release);
    MPROC_FAULT("channel.get_committed");
    cursor->word = word;
    if (cursor->changed_segment)
        free_left(get, cursor->place.segment);
    cursor->changed_segment = false;
}

/* Frees the block of an item that has been got; a dead getter's may have been freed already. */
static void free_got(struct end *get)
{
    if (get->block && mproc__object(BLOCK_ITEM, get->block))
        mproc__arena_free(BLOCK_ITEM, get->block);
    get->block = 0;
}

/* The last holder died: what it has left, and the item it had between ring and table. May be killed. */
static void repair_get(struct channel *channel)
{
    struct end *get = &channel->get;
    uint64_t word = atomic_load(&channel->head);
    free_left(get, get->place[word & 1].segment);
    bool gone = mproc__items_of(word) == get->expected;
    if (gone)
        free_got(get);
    get->block = 0;
    MPROC_FAULT("channel.repair_got");
    struct loan *loan = get->journal ? mproc__loan_at(channel, get->journal) : NULL;
    uint32_t state = loan ? atomic_load(&loan->state) : LOAN_NOTHING;
    if (state == LOAN_TAKING || state == LOAN_TAKING_COPY) {
        if (gone)
            mproc__loan_set_state(loan, LOAN_READING); /* a dead process's: it will be given back */
        else if (state == LOAN_TAKING_COPY)
            mproc__loan_drop(loan);
        else
            mproc__loan_clear(loan); /* its block is still the ring's */
    }
    get->journal = 0;
    atomic_store(&channel->receiving, 0);
}

static mproc_err enter_get_slowly(struct channel *channel, int64_t deadline)
{
    bool long_inside = atomic_load(&channel->receiving);
    mproc_err err = mproc__latch_acquire(&channel->get.latch, long_inside ? deadline : patient(deadline));
    if (err == MPROC_OWNERDEAD) {
        repair_get(channel);
        err = MPROC_OK;
    }
    return err;
}

static mproc_err enter_get(struct channel *channel, int64_t deadline)
{
    return mproc__latch_try(&channel->get.latch) ? MPROC_OK : enter_get_slowly(channel, deadline);
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

static inline void pass(struct cursor *cursor, uint32_t units)
{
    cursor->place.offset += units;
    cursor->position += units;
}

/* What is behind the cursor: whole items, or only pieces of one that is being put. */
static bool has_item(struct cursor *cursor)
{
    struct end *get = &cursor->channel->get;
    if (mproc__items_of(get->other_seen) != mproc__items_of(cursor->word))
        return true;
    get->other_seen = atomic_load_explicit(&cursor->channel->tail, memory_order_acquire);
    return mproc__items_of(get->other_seen) != mproc__items_of(cursor->word);
}

static bool has_record(struct cursor *cursor)
{
    struct end *get = &cursor->channel->get;
    if (mproc__position_of(get->other_seen) != cursor->position)
        return true;
    get->other_seen = atomic_load_explicit(&cursor->channel->tail, memory_order_acquire);
    return mproc__position_of(get->other_seen) != cursor->position;
}

/* Nothing came for a while: if the putter has died in the middle of its item, end the item. */
static void help_put(struct channel *channel)
{
    mproc_err err = mproc__latch_acquire(&channel->put.latch, 0);
    if (err == MPROC_OWNERDEAD)
        repair_put(channel);
    if (err == MPROC_OK || err == MPROC_OWNERDEAD)
        mproc__latch_release(&channel->put.latch);
}

/* Waits for the next piece of an item. */
static mproc_err wait_for_piece(struct cursor *cursor, int64_t deadline)
{
    while (!has_record(cursor)) {
        struct change change = { cursor->channel, &cursor->channel->tail, cursor->channel->get.other_seen };
        int64_t now = mproc_plat_now();
        int64_t slice = deadline - now > HELP_SLICE ? now + HELP_SLICE : deadline;
        if (mproc__gate_wait(&cursor->channel->filled, has_changed, &change, slice) == MPROC_OK &&
            !atomic_load(&cursor->channel->closed))
            continue;
        if (slice == deadline && mproc_plat_now() >= deadline && !has_record(cursor))
            return MPROC_ETIMEDOUT;
        help_put(cursor->channel);
    }
    return MPROC_OK;
}

/* The pieces from the cursor to the last; with no buffer they are dropped. MPROC_EDIED: the putter
 * died, there is no item. */
static mproc_err get_pieces(struct cursor *cursor, char *buffer, int64_t deadline)
{
    struct channel *channel = cursor->channel;
    mproc_err err = MPROC_OK;
    atomic_store_explicit(&channel->receiving, 1, memory_order_relaxed);
    for (bool last = false; !last && err == MPROC_OK;) {
        err = wait_for_piece(cursor, deadline);
        if (err != MPROC_OK)
            break;
        uint64_t *record = record_at(cursor);
        enum record_kind kind = kind_of(*record);
        uint64_t length = bytes_of(*record);
        const uint64_t *data = record + 1 + (kind == RECORD_FIRST);
        if (kind == RECORD_FIRST)
            cursor->place.bytes += record[1];
        if (kind == RECORD_ABORT)
            err = MPROC_EDIED;
        if (buffer && err == MPROC_OK) {
            memcpy(buffer, data, length);
            buffer += length;
        }
        last = kind == RECORD_LAST || kind == RECORD_ABORT;
        pass(cursor, kind == RECORD_ABORT ? 1 : units_of(length) + (kind == RECORD_FIRST));
        cursor->place.partial = !last;
        commit_get(cursor, kind == RECORD_LAST);
        if (!last)
            mproc__gate_wake(&channel->emptied);
    }
    atomic_store_explicit(&channel->receiving, 0, memory_order_relaxed);
    return err;
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

static mproc_err get_block(struct cursor *cursor, struct taking *taking, const uint64_t *record)
{
    struct end *get = &cursor->channel->get;
    const void *bytes = mproc__object(BLOCK_ITEM, record[1]);
    if (bytes)
        memcpy(taking->buffer, bytes, taking->size);
    get->expected = items_after(cursor->word);
    get->block = record[1];
    MPROC_FAULT("channel.block_noted");
    cursor->place.bytes += taking->size;
    pass(cursor, 3);
    commit_get(cursor, 1);
    free_got(get);
    return MPROC_OK;
}

/* Takes the item at the cursor. MPROC_EDIED: there was none, look again. */
static mproc_err get_item(struct cursor *cursor, struct taking *taking, int64_t deadline)
{
    uint64_t *record = record_at(cursor);
    enum record_kind kind = kind_of(*record);
    taking->size = kind == RECORD_WHOLE ? bytes_of(*record) : kind == RECORD_BLOCK ? record[2] : record[1];
    if (taking->size > taking->capacity)
        return MPROC_EMSGSIZE;
    if (kind == RECORD_BLOCK)
        return get_block(cursor, taking, record);
    if (kind != RECORD_WHOLE)
        return get_pieces(cursor, taking->buffer, taking->may_begin ? MPROC_PLAT_NEVER : deadline);
    memcpy(taking->buffer, record + 1, taking->size);
    MPROC_FAULT("channel.get_copied");
    cursor->place.bytes += taking->size;
    pass(cursor, units_of(taking->size));
    commit_get(cursor, 1);
    return MPROC_OK;
}

/* ---- borrowing ---- */

/* Copies the item at the cursor, which is there to its end, into `block` and passes it. False: its
 * putter had died. */
static bool assemble(struct cursor *cursor, char *block)
{
    for (;;) {
        uint64_t *record = record_at(cursor);
        enum record_kind kind = kind_of(*record);
        uint64_t length = kind == RECORD_ABORT ? 0 : bytes_of(*record);
        uint32_t first = kind == RECORD_FIRST;
        memcpy(block, record + 1 + first, length);
        block += length;
        if (first)
            cursor->place.bytes += record[1];
        else if (kind == RECORD_WHOLE)
            cursor->place.bytes += length;
        pass(cursor, kind == RECORD_ABORT ? 1 : units_of(length) + first);
        if (kind == RECORD_ABORT || kind == RECORD_LAST || kind == RECORD_WHOLE)
            return kind != RECORD_ABORT;
    }
}

/* Fills a claimed entry with the item at the cursor, and takes that out of the ring. */
static mproc_err move_to_loan(struct cursor *cursor, struct taking *taking)
{
    struct end *get = &cursor->channel->get;
    struct loan *loan = taking->loan;
    uint64_t *record = record_at(cursor), block = 0;
    bool in_block = kind_of(*record) == RECORD_BLOCK, whole = true;
    loan->size = in_block ? record[2] : kind_of(*record) == RECORD_FIRST ? record[1] : bytes_of(*record);
    if (!in_block) {
        mproc_err err = mproc__arena_alloc_dirty(BLOCK_ITEM, loan->size ? loan->size : 1, &block);
        if (err != MPROC_OK)
            return err;
    }
    mproc__loan_set_block(loan, in_block ? record[1] : block);
    mproc__loan_set_state(loan, in_block ? LOAN_TAKING : LOAN_TAKING_COPY);
    MPROC_FAULT("channel.borrow_taking");
    if (in_block) {
        cursor->place.bytes += loan->size;
        pass(cursor, 3);
    } else {
        whole = assemble(cursor, mproc__object(BLOCK_ITEM, block));
    }
    commit_get(cursor, whole);
    if (!whole) {
        mproc__loan_set_block(loan, 0);
        mproc__loan_set_state(loan, LOAN_NOTHING);
        mproc__arena_free(BLOCK_ITEM, block);
        return MPROC_EDIED;
    }
    mproc__loan_set_state(loan, LOAN_READING);
    MPROC_FAULT("channel.borrow_taken");
    get->journal = 0;
    return MPROC_OK;
}

static mproc_err borrow_item(struct cursor *cursor, struct taking *taking)
{
    struct end *get = &cursor->channel->get;
    mproc_err err = mproc__loan_claim(cursor->channel, &taking->loan, &taking->reference);
    if (err != MPROC_OK)
        return err;
    get->expected = items_after(cursor->word);
    get->journal = taking->reference;
    MPROC_FAULT("channel.borrow_noted");
    err = move_to_loan(cursor, taking);
    if (err != MPROC_OK) {
        mproc__loan_clear(taking->loan);
        get->journal = 0;
    }
    return err;
}

/* An item that was borrowed and given back goes to the next one, before all others. MPROC_ETIMEDOUT:
 * there is none. Killed before the free: it is still given back. */
static mproc_err take_returned(struct channel *channel, struct taking *taking)
{
    struct loan *loan;
    while (atomic_load(&channel->returned) && (loan = mproc__loan_returned(channel, &taking->reference))) {
        const void *bytes = mproc__object(BLOCK_ITEM, atomic_load(&loan->block));
        if (!bytes) {
            mproc__loan_clear(loan);
            continue;
        }
        taking->size = loan->size;
        if (taking->borrow) {
            loan->deliveries++;
            mproc__loan_set_owner(loan, mproc__self_token());
            MPROC_FAULT("channel.returned_claimed");
            mproc__loan_set_state(loan, LOAN_READING);
            taking->loan = loan;
        } else {
            if (taking->size > taking->capacity)
                return MPROC_EMSGSIZE;
            memcpy(taking->buffer, bytes, taking->size);
            MPROC_FAULT("channel.returned_copied");
            mproc__loan_drop(loan);
        }
        atomic_fetch_sub(&channel->returned, 1);
        return MPROC_OK;
    }
    return MPROC_ETIMEDOUT;
}

/* Gives back what dead borrowers had. The caller holds the getting latch. */
static void sweep(struct channel *channel)
{
    if (atomic_load(&channel->loans) && mproc__loans_sweep(channel)) {
        help_put(channel);
        mproc__loans_sweep(channel);
    }
}

/* ---- get ---- */

bool mproc__channel_readable(void *context)
{
    struct channel *channel = context;
    uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&channel->head, memory_order_relaxed);
    return mproc__items_of(tail) != mproc__items_of(head) ||
           atomic_load_explicit(&channel->returned, memory_order_relaxed) ||
           atomic_load_explicit(&channel->closed, memory_order_relaxed);
}

/* For who may wait for ever: also an item that is still being put. */
static bool has_begun(void *context)
{
    struct channel *channel = context;
    uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&channel->head, memory_order_relaxed);
    return mproc__position_of(tail) != mproc__position_of(head) ||
           atomic_load_explicit(&channel->returned, memory_order_relaxed) ||
           atomic_load_explicit(&channel->closed, memory_order_relaxed);
}

/* One try. MPROC_ETIMEDOUT: there is nothing. */
static mproc_err try_get(struct cursor *cursor, struct taking *taking, int64_t deadline)
{
    mproc_err err = take_returned(cursor->channel, taking);
    if (err != MPROC_ETIMEDOUT)
        return err;
    err = cursor->place.partial ? get_pieces(cursor, NULL, deadline) /* who had begun it died with it */
                                : MPROC_EDIED;
    while (err == MPROC_OK || err == MPROC_EDIED) {
        if (!has_item(cursor) && !(taking->may_begin && has_record(cursor)))
            return MPROC_ETIMEDOUT;
        err = taking->borrow ? borrow_item(cursor, taking) : get_item(cursor, taking, deadline);
        if (err == MPROC_OK)
            break;
    }
    return err;
}

/* The common case, as put_quickly(). */
static inline bool get_quickly(struct channel *channel, void *buffer, uint64_t capacity, uint64_t *size)
{
    struct end *get = &channel->get;
    uint64_t word = atomic_load_explicit(&channel->head, memory_order_relaxed);
    const struct place *place = &get->place[word & 1];
    struct place *next = &get->place[~word & 1];
    if (atomic_load_explicit(&channel->returned, memory_order_relaxed))
        return false;
    if (mproc__items_of(get->other_seen) == mproc__items_of(word)) {
        get->other_seen = atomic_load_explicit(&channel->tail, memory_order_acquire);
        if (mproc__items_of(get->other_seen) == mproc__items_of(word))
            return false;
    }
    const struct segment *segment = segment_at(place->segment);
    if (place->partial || place->offset == segment->capacity ||
        atomic_load_explicit(&segment->next, memory_order_acquire))
        return false;
    const uint64_t *record = &segment->data[place->offset];
    uint64_t length = bytes_of(record[0]);
    if (kind_of(record[0]) != RECORD_WHOLE || length > capacity)
        return false;
    memcpy(buffer, record + 1, length);
    MPROC_FAULT("channel.get_copied");
    *size = length;
    uint32_t units = units_of(length);
    next->segment = place->segment;
    next->bytes = place->bytes + length;
    next->offset = place->offset + units;
    next->partial = 0;
    MPROC_FAULT("channel.get_prepared");
    atomic_store_explicit(&channel->head, next_word(word, units), memory_order_release);
    MPROC_FAULT("channel.get_committed");
    return true;
}

/* Waits for something to get, and looks after dead borrowers meanwhile. */
static mproc_err wait_for_item(struct channel *channel, bool may_begin, int64_t deadline)
{
    bool (*ready)(void *) = may_begin ? has_begun : mproc__channel_readable;
    int64_t slice = deadline == 0 ? 0 : mproc_plat_now() + SWEEP_SLICE;
    slice = slice < deadline ? slice : deadline;
    mproc_err err = mproc__gate_wait(&channel->filled, ready, channel, slice);
    if (err == MPROC_OK || !atomic_load(&channel->loans))
        return slice < deadline ? MPROC_OK : err;
    if (enter_get(channel, deadline) == MPROC_OK) {
        sweep(channel);
        mproc__latch_release(&channel->get.latch);
    }
    return atomic_load(&channel->returned) || slice < deadline ? MPROC_OK : err;
}

static mproc_err get_any(struct channel *channel, struct taking *taking, int64_t deadline)
{
    for (bool waited = false;; waited = true) {
        mproc_err err = enter_get(channel, deadline);
        if (err != MPROC_OK)
            return err;
        MPROC_FAULT("channel.get_entered");
        bool closed = atomic_load_explicit(&channel->closed, memory_order_acquire);
        struct cursor cursor = cursor_at(channel, &channel->get,
                                         atomic_load_explicit(&channel->head, memory_order_relaxed));
        err = try_get(&cursor, taking, deadline);
        if (err == MPROC_ETIMEDOUT && closed) {
            sweep(channel);
            err = atomic_load(&channel->returned) ? MPROC_ETIMEDOUT : MPROC_ECLOSED;
        }
        bool more = waited && (err == MPROC_OK || err == MPROC_EMSGSIZE) && has_item(&cursor);
        mproc__latch_release(&channel->get.latch);
        if (err == MPROC_OK)
            mproc__gate_wake_fenced(&channel->emptied);
        if (more)
            mproc__gate_wake_fenced(&channel->filled);
        if (err != MPROC_ETIMEDOUT)
            return err;
        err = wait_for_item(channel, taking->may_begin, deadline);
        if (err != MPROC_OK)
            return err;
    }
}

mproc_err mproc__channel_get(struct channel *channel, void *buffer, uint64_t capacity, uint64_t *size,
                             bool may_begin, int64_t deadline)
{
    if (mproc__latch_try(&channel->get.latch)) {
        bool got = get_quickly(channel, buffer, capacity, size);
        mproc__latch_release(&channel->get.latch);
        if (got) {
            mproc__gate_wake_fenced(&channel->emptied);
            return MPROC_OK;
        }
    }
    struct taking taking = { .buffer = buffer, .capacity = capacity, .may_begin = may_begin };
    mproc_err err = get_any(channel, &taking, deadline);
    *size = taking.size;
    return err;
}

mproc_err mproc__channel_borrow(struct channel *channel, struct loan **loan, uint64_t *reference,
                                int64_t deadline)
{
    struct taking taking = { .borrow = true };
    mproc_err err = get_any(channel, &taking, deadline);
    *loan = taking.loan;
    *reference = taking.reference;
    return err;
}

mproc_err mproc__channel_get_many(struct channel *channel, void *items, uint64_t size, size_t count,
                                  size_t *done, int64_t deadline)
{
    char *item = items;
    uint64_t length;
    mproc_err err = MPROC_OK;
    for (*done = 0; *done < count && err == MPROC_OK;) {
        if (mproc__latch_try(&channel->get.latch)) {
            for (int i = 0; *done < count && i < BATCH && get_quickly(channel, item, size, &length); i++) {
                item += size;
                ++*done;
            }
            mproc__latch_release(&channel->get.latch);
            mproc__gate_wake_fenced(&channel->emptied);
        }
        if (*done == count)
            break;
        /* What is not quick, or not there: only for the first it is waited. */
        int64_t until = *done ? 0 : deadline;
        err = mproc__channel_get(channel, item, size, &length, until == MPROC_PLAT_NEVER, until);
        if (err == MPROC_OK) {
            item += size;
            ++*done;
        }
    }
    return *done ? MPROC_OK : err;
}

uint32_t mproc__channel_items(struct channel *channel)
{
    uint64_t head = atomic_load(&channel->head); /* first: so it is not ahead of the tail */
    uint64_t tail = atomic_load(&channel->tail);
    return ((mproc__items_of(tail) - mproc__items_of(head)) & ITEMS_MASK) + atomic_load(&channel->returned);
}

/* ---- beginning and end ---- */

mproc_err mproc__channel_create(struct channel *channel, uint64_t item_size, uint64_t max_items,
                                uint64_t max_bytes)
{
    uint64_t first;
    mproc_err err = new_segment(FIRST_SEGMENT, 0, &first);
    if (err != MPROC_OK)
        return err;
    channel->item_size = item_size;
    channel->max_bytes = max_bytes;
    channel->max_items = max_items == 0 ? 1u << 30 : (uint32_t) max_items;
    channel->put.place[0].segment = first;
    channel->get.place[0].segment = first;
    return MPROC_OK;
}

/* Frees the blocks of items that are still in the ring. */
static void free_items(struct channel *channel)
{
    struct cursor cursor = cursor_at(channel, &channel->get, atomic_load(&channel->head));
    uint32_t end = mproc__position_of(atomic_load(&channel->tail));
    while (cursor.position != end) {
        uint64_t *record = record_at(&cursor);
        enum record_kind kind = kind_of(*record);
        if (kind == RECORD_BLOCK && mproc__object(BLOCK_ITEM, record[1]))
            mproc__arena_free(BLOCK_ITEM, record[1]);
        pass(&cursor, kind == RECORD_ABORT ? 1 : units_of(bytes_of(*record)) + (kind == RECORD_FIRST));
    }
}

void mproc__channel_destroy(struct channel *channel)
{
    /* Whoever died at an end left it to be repaired. */
    for (int end = 0; end < 2; end++)
        if ((end ? enter_get(channel, 0) : enter_put(channel, 0)) == MPROC_OK)
            mproc__latch_release(end ? &channel->get.latch : &channel->put.latch);
    free_items(channel);
    mproc__loans_destroy(channel);
    uint64_t here = channel->get.place[channel->head & 1].segment;
    uint64_t last = channel->put.place[channel->tail & 1].segment;
    while (here && mproc__object(BLOCK_ITEM, here)) {
        uint64_t next = here == last ? 0 : atomic_load(&segment_at(here)->next);
        mproc__arena_free(BLOCK_ITEM, here);
        here = next;
    }
}
