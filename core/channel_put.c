/* SPDX-License-Identifier: MIT */
/* The putting end of a channel: room, records, growth, and the repair of what a dead putter left. */
#include "channel_ring.h"

/* Bytes. Many small items come faster through a ring beyond the size of the caches, large ones within it. */
enum { LARGEST_SEGMENT = 4 << 20, LARGEST_OF_LARGE = 1 << 18, LARGE_RECORD = 4096 };
#define RECEIVER_SLICE INT64_C(3000000) /* how long a receiver may keep a putter from growing the ring */

/* ---- room ---- */

static uint64_t block_size_of(uint32_t capacity)
{
    return (uint64_t) capacity * 8 + sizeof(struct segment) + UNIT;
}

/* Goes on in a segment of its own. Killed before the next commit: `stray` tells who repairs of it. */
static mproc_err grow(struct cursor *cursor, uint64_t units)
{
    struct end *put = &cursor->channel->put;
    struct segment *old = cursor->in.segment;
    uint64_t size = block_size_of(cursor->in.capacity) * 4, handle;
    uint64_t largest = units * 8 < LARGE_RECORD ? LARGEST_SEGMENT : LARGEST_OF_LARGE;
    size = size > largest ? largest : size;
    while (size < units * 8 * 2)
        size *= 2;
    /* A long queue costs the positions' range: half of it may be under way. */
    if (cursor->position - mproc__position_of(put->other_seen) > INT32_MAX / 2)
        return mproc__fail(MPROC_ENOMEM, "the queue holds 8 GiB, the most it can");
    mproc_err err = mproc__channel_new_segment(size, cursor->position, &handle);
    for (; err == MPROC_ENOMEM && size / 4 >= units * 8 * 2; size /= 4) /* a full arena may have a smaller one */
        err = mproc__channel_new_segment(size / 4, cursor->position, &handle);
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
    if (!knows(&mproc__known_put, handle))
        return mproc__channel_damaged("a new part");
    cursor->in = mproc__known_put;
    return MPROC_OK;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return (int32_t) (a - b) > 0 ? a : b;
}

/* Room for a record of `units` side by side; one unit is always left, for an abort. */
static bool reserve(struct cursor *cursor, uint32_t units, uint32_t spare)
{
    struct channel *channel = cursor->channel;
    uint32_t capacity = cursor->in.capacity, left = capacity - cursor->place.offset;
    uint32_t skip = left < units ? left : 0;
    for (bool looked = false;; looked = true) {
        uint32_t head = mproc__position_of(channel->put.other_seen);
        uint32_t used = cursor->position - later(head, cursor->in.start);
        if ((uint64_t) used + skip + units + spare <= capacity)
            break;
        if (looked)
            return false;
        channel->put.other_seen = atomic_load_explicit(&channel->head, memory_order_acquire);
    }
    if (left < units) {
        if (left > 0)
            cursor->in.segment->data[cursor->place.offset] = header_of(RECORD_SKIP, 0);
        cursor->position += skip;
        cursor->place.offset = 0;
    }
    return true;
}

/* ---- the end ---- */

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
    uint64_t *record = &cursor->in.segment->data[cursor->place.offset];
    record[0] = header_of(kind, bytes);
    cursor->place.offset += units;
    cursor->position += units;
    return record + 1;
}

static void put_abort(struct cursor *cursor)
{
    if (!cursor->in.segment || !reserve(cursor, 1, 0))
        return; /* somebody wrote over it */
    write_header(cursor, RECORD_ABORT, 0, 1);
    cursor->place.partial = 0;
    commit_put(cursor, 0);
}

/* The last holder died: its half item is nothing, its segment nobody's. May itself be killed. */
static void repair_put(struct channel *channel)
{
    struct end *put = &channel->put;
    struct cursor cursor = cursor_at(channel, put, atomic_load(&channel->tail));
    if (put->stray && put->stray != cursor.place.segment && cursor.in.segment) {
        atomic_store(&cursor.in.segment->next, 0);
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
    atomic_store_explicit(&channel->sending, 0, memory_order_relaxed);
}

static mproc_err enter_put_slowly(struct channel *channel, int64_t deadline)
{
    bool long_inside = atomic_load_explicit(&channel->sending, memory_order_relaxed);
    mproc_err err = mproc__latch_acquire(&channel->put.latch, long_inside ? deadline : patient(deadline));
    if (err == MPROC_OWNERDEAD) {
        repair_put(channel);
        err = MPROC_OK;
    }
    return err == MPROC_ETIMEDOUT ? MPROC_EAGAIN : err;
}

mproc_err mproc__channel_enter_put(struct channel *channel, int64_t deadline)
{
    return mproc__latch_try(&channel->put.latch) ? MPROC_OK : enter_put_slowly(channel, deadline);
}

/* Nothing came for a while: if the putter has died in the middle of its item, end the item. */
void mproc__channel_help_put(struct channel *channel)
{
    mproc_err err = mproc__latch_acquire(&channel->put.latch, 0);
    if (err == MPROC_OWNERDEAD)
        repair_put(channel);
    if (err == MPROC_OK || err == MPROC_OWNERDEAD)
        mproc__latch_release(&channel->put.latch);
}

/* Whether an item of this size may be put, as far as has been seen. */
static inline bool fits(struct channel *channel, uint64_t passed, uint64_t word, uint64_t size)
{
    const struct end *put = &channel->put;
    uint32_t items = (mproc__items_of(word) - mproc__items_of(put->other_seen)) & ITEMS_MASK;
    uint64_t bytes = passed - put->other_bytes;
    return items < channel->max_items &&
           (channel->max_bytes == 0 || (size <= channel->max_bytes && bytes <= channel->max_bytes - size));
}

/* Whether it may be put now. */
static bool has_room(struct channel *channel, const struct cursor *cursor, uint64_t size)
{
    struct end *put = &channel->put;
    if (fits(channel, cursor->place.bytes, cursor->word, size))
        return true;
    uint64_t seen = atomic_load_explicit(&channel->head, memory_order_acquire), again;
    for (;; seen = again) {
        put->other_seen = seen;
        put->other_bytes = mproc__place_bytes(&channel->get.place[seen & 1]);
        again = atomic_load_explicit(&channel->head, memory_order_acquire);
        if (again == seen)
            break;
    }
    /* Into an empty queue goes an item of any size. */
    return fits(channel, cursor->place.bytes, cursor->word, size) ||
           mproc__items_of(seen) == mproc__items_of(cursor->word);
}

/* Whether there is room for anybody: for the next one who waits, if a wake-up has come to one who leaves some or for
 * whom it is too little. */
static bool room_is_left(struct channel *channel)
{
    uint64_t word = atomic_load_explicit(&channel->tail, memory_order_relaxed);
    struct cursor cursor = cursor_at(channel, &channel->put, word);
    return has_room(channel, &cursor, 1);
}

/* ---- items ---- */

/* Room for a piece. A receiver under way makes it, or else the ring grows. */
static mproc_err reserve_piece(struct cursor *cursor, uint32_t units)
{
    struct channel *channel = cursor->channel;
    while (!reserve(cursor, units, 1)) {
        struct change change = { &channel->head, channel->put.other_seen };
        if (!atomic_load_explicit(&channel->receiving, memory_order_relaxed) ||
            mproc__gate_wait(&channel->emptied, has_changed, &change, mproc_plat_now() + RECEIVER_SLICE) !=
                MPROC_OK)
            return grow(cursor, units);
    }
    return MPROC_OK;
}

/* Each piece is committed by itself, the item with the last one. */
static mproc_err put_each_piece(struct cursor *cursor, const char *bytes, uint64_t size)
{
    cursor->place.bytes += size;
    for (uint64_t at = 0; at < size;) {
        uint32_t length = size - at > PIECE ? PIECE : (uint32_t) (size - at);
        uint32_t units = units_of(length) + (at == 0);
        bool last = at + length == size;
        mproc_err err = reserve_piece(cursor, units);
        if (err != MPROC_OK) {
            if (at > 0) /* its bytes are counted for good: getters count them as well when they pass the first piece */
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

/* An item that is larger than a piece. */
static mproc_err put_pieces(struct cursor *cursor, const char *bytes, uint64_t size)
{
    atomic_store_explicit(&cursor->channel->sending, 1, memory_order_relaxed);
    mproc_err err = put_each_piece(cursor, bytes, size);
    atomic_store_explicit(&cursor->channel->sending, 0, memory_order_relaxed);
    return err;
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
    in_order();
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
    in_order();
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
    if (!knows(&mproc__known_put, place->segment))
        return false;
    uint32_t end = mproc__known_put.capacity;
    uint64_t passed = atomic_load_explicit(&place->bytes, memory_order_relaxed);
    uint32_t position = mproc__position_of(word), units = units_of(size);
    uint32_t used = position - later(mproc__position_of(put->other_seen), mproc__known_put.start);
    if (size > PIECE || !fits(channel, passed, word, size) || put->stray ||
        (uint64_t) used + units + 1 > end || (uint64_t) place->offset + units > end ||
        atomic_load_explicit(&channel->closed, memory_order_relaxed))
        return false;
    uint64_t *record = &mproc__known_put.segment->data[place->offset];
    record[0] = header_of(RECORD_WHOLE, size);
    memcpy(record + 1, bytes, size);
    MPROC_FAULT("channel.put_copied");
    mproc__place_write(next, place->segment, passed + size, place->offset + units, 0);
    MPROC_FAULT("channel.put_prepared");
    atomic_store_explicit(&channel->tail, next_word(word, units), memory_order_release);
    MPROC_FAULT("channel.put_committed");
    return true;
}

/* ---- put ---- */

struct awaited_room {
    struct channel *channel;
    uint64_t head; /* as it was when there was none */
};

static bool may_have_room(void *context)
{
    const struct awaited_room *awaited = context;
    return atomic_load_explicit(&awaited->channel->head, memory_order_acquire) != awaited->head ||
           atomic_load_explicit(&awaited->channel->closed, memory_order_relaxed);
}

static mproc_err wait_for_room(struct channel *channel, uint64_t seen, int64_t deadline)
{
    struct awaited_room awaited = { channel, seen };
    mproc_err err = mproc__gate_wait(&channel->emptied, may_have_room, &awaited, deadline);
    if (err == MPROC_OK)
        mproc__gather(&channel->put.gather, &channel->head, worth_gathering(channel));
    return err;
}

/* Puts a copy of bytes, or a loan. */
static mproc_err put_any(struct channel *channel, const void *bytes, uint64_t size, struct loan *loan,
                         uint64_t reference, int64_t deadline)
{
    for (bool waited = false;; waited = true) {
        mproc_err err = mproc__channel_enter_put(channel, deadline);
        if (err != MPROC_OK)
            return err;
        MPROC_FAULT("channel.put_entered");
        if (!waited && !loan && put_quickly(channel, bytes, size)) {
            mproc__latch_release(&channel->put.latch);
            MPROC_FAULT("channel.put_left"); /* whoever has got it may have destroyed the queue (gate.h) */
            mproc__gate_wake_fenced(&channel->filled);
            return MPROC_OK;
        }
        uint64_t word = atomic_load_explicit(&channel->tail, memory_order_relaxed);
        struct cursor cursor = cursor_at(channel, &channel->put, word);
        if (atomic_load_explicit(&channel->closed, memory_order_relaxed))
            err = MPROC_ECLOSED;
        else if (!cursor.in.segment)
            err = mproc__channel_damaged("the place of the putting end");
        else if (!has_room(channel, &cursor, size))
            err = MPROC_ETIMEDOUT;
        else
            err = loan ? put_block(&cursor, loan, reference) : put_item(&cursor, bytes, size);
        uint64_t seen = channel->put.other_seen;
        bool gave_up = err != MPROC_OK && cursor.word != word;
        bool in_pieces = !loan && size > PIECE; /* they wait for room as well */
        bool more = (waited || in_pieces) && room_is_left(channel);
        mproc__latch_release(&channel->put.latch);
        if (err == MPROC_OK || gave_up)
            mproc__gate_wake_fenced(&channel->filled);
        if (more)
            mproc__gate_wake_fenced(&channel->emptied);
        if (gave_up) /* the memory of its first pieces may be what it lacked: nobody need come and get for that */
            mproc__channel_look_after(channel, 0);
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

/* Items of one size, one behind the other, or (sizes) each by its own address. */
static inline mproc_err put_many(struct channel *channel, const void *items, uint64_t size, const size_t *sizes,
                                 size_t count, size_t *done, int64_t deadline)
{
    const char *first = items;
    const void *const *each = items;
    mproc_err err = MPROC_OK;
    for (*done = 0; err == MPROC_OK && *done < count;) {
        err = mproc__channel_enter_put(channel, deadline);
        if (err != MPROC_OK)
            break;
        size_t i = *done, end = count - i > BATCH ? i + BATCH : count;
        while (i < end && put_quickly(channel, sizes ? each[i] : first + i * size, sizes ? sizes[i] : size))
            i++;
        mproc__latch_release(&channel->put.latch);
        mproc__gate_wake_fenced(&channel->filled);
        if (i == *done) {
            err = put_any(channel, sizes ? each[i] : first + i * size, sizes ? sizes[i] : size, NULL, 0, deadline);
            i += err == MPROC_OK;
        }
        *done = i;
    }
    return err;
}

mproc_err mproc__channel_put_many(struct channel *channel, const void *items, uint64_t size, size_t count,
                                  size_t *done, int64_t deadline)
{
    return put_many(channel, items, size, NULL, count, done, deadline);
}

mproc_err mproc__channel_put_each(struct channel *channel, const void *const *items, const size_t *sizes,
                                  size_t count, size_t *done, int64_t deadline)
{
    return put_many(channel, items, 0, sizes, count, done, deadline);
}

mproc_err mproc__channel_finish_close(struct channel *channel, int64_t deadline)
{
    mproc_err err = mproc__channel_enter_put(channel, deadline);
    if (err == MPROC_OK) {
        atomic_store(&channel->closed, CHANNEL_CLOSED);
        mproc__latch_release(&channel->put.latch);
    }
    mproc__gate_wake_all(&channel->filled);
    mproc__gate_wake_all(&channel->emptied);
    return err;
}

/* Killed before it is finished: the getters do that. */
mproc_err mproc__channel_close(struct channel *channel)
{
    uint32_t open = CHANNEL_OPEN;
    atomic_compare_exchange_strong(&channel->closed, &open, CHANNEL_CLOSING);
    MPROC_FAULT("channel.closing");
    mproc_err err = mproc__channel_finish_close(channel, 0);
    return err == MPROC_EAGAIN ? MPROC_OK : err;
}
