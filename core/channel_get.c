/* SPDX-License-Identifier: MIT */
/* The getting end of a channel: items, waiting, and the repair of what a dead getter left. */
#include "channel_ring.h"

#define SWEEP_SLICE INT64_C(50000000) /* how often one of the waiting getters asks whether borrowers live */

/* ---- the end ---- */

/* Frees the segments that have been left behind, from `stray` to the one in use. */
static void free_left(struct end *get, uint64_t in_use)
{
    struct known segment;
    while (get->stray && get->stray != in_use && mproc__channel_look_at(&segment, get->stray)) {
        uint64_t left = get->stray;
        get->stray = atomic_load_explicit(&segment.segment->next, memory_order_relaxed);
        MPROC_FAULT("channel.segment_left");
        mproc__arena_free(BLOCK_ITEM, left);
    }
    get->stray = 0;
}

void mproc__channel_commit_get(struct cursor *cursor, uint32_t items)
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
    return err == MPROC_ETIMEDOUT ? MPROC_EAGAIN : err;
}

mproc_err mproc__channel_enter_get(struct channel *channel, int64_t deadline)
{
    return mproc__latch_try(&channel->get.latch) ? MPROC_OK : enter_get_slowly(channel, deadline);
}

/* ---- items ---- */

static mproc_err get_block(struct cursor *cursor, struct taking *taking, const struct record *record)
{
    struct end *get = &cursor->channel->get;
    memcpy(taking->buffer, record->data, taking->size);
    get->expected = items_after(cursor->word);
    in_order();
    get->block = record->block;
    MPROC_FAULT("channel.block_noted");
    cursor->place.bytes += taking->size;
    pass(cursor, record->units);
    mproc__channel_commit_get(cursor, 1);
    free_got(get);
    return MPROC_OK;
}

/* Takes the item at the cursor. MPROC_EDIED: there was none, look again. */
static mproc_err get_item(struct cursor *cursor, struct taking *taking, int64_t deadline)
{
    struct record record;
    mproc_err err = mproc__channel_read(cursor, &record);
    if (err != MPROC_OK)
        return err;
    taking->size = record.size;
    if (taking->size > taking->capacity)
        return record.kind == RECORD_FIRST ? mproc__channel_pass_over(cursor, record.size) : MPROC_EMSGSIZE;
    if (record.block)
        return get_block(cursor, taking, &record);
    if (record.kind != RECORD_WHOLE)
        return mproc__channel_get_pieces(cursor, taking->buffer, record.size,
                                         taking->may_begin ? MPROC_PLAT_NEVER : deadline);
    memcpy(taking->buffer, record.data, taking->size);
    MPROC_FAULT("channel.get_copied");
    cursor->place.bytes += taking->size;
    pass(cursor, record.units);
    mproc__channel_commit_get(cursor, 1);
    return MPROC_OK;
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
    if (!knows(&mproc__known_get, place->segment))
        return false;
    const struct segment *segment = mproc__known_get.segment;
    uint32_t end = mproc__known_get.capacity;
    if (atomic_load_explicit(&place->partial, memory_order_relaxed) || place->offset >= end ||
        atomic_load_explicit(&segment->next, memory_order_acquire))
        return false;
    const uint64_t *record = &segment->data[place->offset];
    uint64_t length = bytes_of(record[0]);
    if (kind_of(record[0]) != RECORD_WHOLE || length > capacity || units_of(length) > end - place->offset)
        return false;
    memcpy(buffer, record + 1, length);
    MPROC_FAULT("channel.get_copied");
    *size = length;
    uint32_t units = units_of(length);
    uint64_t passed = atomic_load_explicit(&place->bytes, memory_order_relaxed);
    mproc__place_write(next, place->segment, passed + length, place->offset + units, 0);
    MPROC_FAULT("channel.get_prepared");
    atomic_store_explicit(&channel->head, next_word(word, units), memory_order_release);
    MPROC_FAULT("channel.get_committed");
    return true;
}

/* ---- get ---- */

/* For who may wait for ever: also an item that is still being put. */
static bool has_begun(void *context)
{
    struct channel *channel = context;
    uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&channel->head, memory_order_relaxed);
    return mproc__position_of(tail) != mproc__position_of(head) ||
           atomic_load_explicit(&channel->returned, memory_order_relaxed) || mproc__channel_over(channel);
}

/* One try. MPROC_ETIMEDOUT: there is nothing. */
static mproc_err try_get(struct cursor *cursor, struct taking *taking, int64_t deadline)
{
    mproc_err err = mproc__channel_take_returned(cursor->channel, taking);
    if (err != MPROC_ETIMEDOUT)
        return err;
    /* Who had begun with an item died with it: the rest of it is dropped. */
    err = cursor->place.partial ? mproc__channel_get_pieces(cursor, NULL, 0, deadline) : MPROC_EDIED;
    while (err == MPROC_OK || err == MPROC_EDIED) {
        if (!has_item(cursor) && !(taking->may_begin && has_record(cursor)))
            return MPROC_ETIMEDOUT;
        err = taking->borrow ? mproc__channel_borrow_item(cursor, taking) : get_item(cursor, taking, deadline);
        if (err == MPROC_OK)
            break;
    }
    return err;
}

void mproc__channel_look_after(struct channel *channel, int64_t deadline)
{
    if ((!atomic_load(&channel->loans) && !has_begun(channel)) ||
        mproc__channel_enter_get(channel, deadline) != MPROC_OK)
        return;
    mproc__channel_sweep(channel);
    struct cursor cursor = cursor_at(channel, &channel->get, atomic_load(&channel->head));
    mproc__channel_drop_dead(&cursor);
    mproc__latch_release(&channel->get.latch);
}

struct awaited {
    struct channel *channel;
    bool (*ready)(void *channel);
    uint64_t loans; /* as they were */
};

static bool comes(void *context)
{
    const struct awaited *awaited = context;
    return awaited->ready(awaited->channel) ||
           atomic_load_explicit(&awaited->channel->loans, memory_order_relaxed) != awaited->loans;
}

/* Waits for something to get. Where there are loans, two of those that wait often look after what dead borrowers had,
 * and the others now and then. */
static mproc_err wait_for_item(struct channel *channel, bool may_begin, struct watch *watch, int64_t deadline)
{
    struct awaited awaited = { channel, may_begin ? has_begun : mproc__channel_readable,
                               atomic_load(&channel->loans) };
    int64_t slice = deadline == 0 || !awaited.loans ? deadline : mproc_plat_now() + watch->slice;
    slice = slice < deadline ? slice : deadline;
    mproc_err err = mproc__gate_wait(&channel->filled, comes, &awaited, slice);
    if (err == MPROC_OK) {
        mproc__gather(&channel->get.gather, &channel->tail, worth_gathering(channel));
        return MPROC_OK;
    }
    if (slice < deadline)
        mproc__sentry_again(watch);
    if (watch->post != NO_POST)
        watch->slice = SWEEP_SLICE;
    /* Also who has no post and looks seldom: those that have one may be standing still. */
    mproc__channel_look_after(channel, deadline);
    return atomic_load(&channel->returned) || slice < deadline ? MPROC_OK : err;
}

/* Nothing was found in a closed channel: what that means. The caller holds the latch. */
static mproc_err nothing_in_closed(struct channel *channel)
{
    mproc__channel_sweep(channel);
    return mproc__loans_awaited(channel) || atomic_load(&channel->returned) ? MPROC_ETIMEDOUT : MPROC_ECLOSED;
}

/* After the latch was given back. MPROC_ETIMEDOUT: look again. */
static mproc_err leave_closed(struct channel *channel, mproc_err err, uint32_t closed, int64_t deadline)
{
    if (err == MPROC_OK)
        mproc__gate_wake_all(&channel->filled); /* it may be the last thing for which others waited */
    if (err != MPROC_ECLOSED || closed == CHANNEL_CLOSED)
        return err;
    /* Somebody may be putting yet: he is waited for. */
    err = mproc__channel_finish_close(channel, deadline);
    return err == MPROC_OK ? MPROC_ETIMEDOUT : err;
}

/* One look at what there is. MPROC_ETIMEDOUT: nothing. */
static mproc_err look_and_get(struct channel *channel, struct taking *taking, bool waited, int64_t deadline)
{
    mproc_err err = mproc__channel_enter_get(channel, deadline);
    if (err != MPROC_OK)
        return err;
    MPROC_FAULT("channel.get_entered");
    uint32_t closed = atomic_load_explicit(&channel->closed, memory_order_acquire);
    struct cursor cursor = cursor_at(channel, &channel->get,
                                     atomic_load_explicit(&channel->head, memory_order_relaxed));
    err = try_get(&cursor, taking, deadline);
    if (closed && err == MPROC_ETIMEDOUT)
        err = nothing_in_closed(channel);
    bool more = waited && err != MPROC_ETIMEDOUT && has_item(&cursor);
    mproc__latch_release(&channel->get.latch);
    if (err == MPROC_OK)
        mproc__gate_wake_fenced(&channel->emptied);
    if (more)
        mproc__gate_wake_fenced(&channel->filled);
    return closed ? leave_closed(channel, err, closed, deadline) : err;
}

static mproc_err wait_and_get(struct channel *channel, struct taking *taking, int64_t deadline)
{
    struct watch watch = mproc__sentry_begin(&channel->sweeper);
    watch.slice = SWEEP_SLICE;
    mproc_err err = MPROC_ETIMEDOUT;
    while (err == MPROC_ETIMEDOUT && wait_for_item(channel, taking->may_begin, &watch, deadline) == MPROC_OK)
        err = look_and_get(channel, taking, true, deadline);
    (void) mproc__sentry_end(&watch); /* another one follows at the end of its slice */
    return err;
}

static mproc_err get_any(struct channel *channel, struct taking *taking, int64_t deadline)
{
    mproc_err err = look_and_get(channel, taking, false, deadline);
    return err == MPROC_ETIMEDOUT ? wait_and_get(channel, taking, deadline) : err;
}

bool mproc__channel_try_get(struct channel *channel, void *buffer, uint64_t capacity, uint64_t *size)
{
    if (!mproc__latch_try(&channel->get.latch))
        return false;
    bool got = get_quickly(channel, buffer, capacity, size);
    mproc__latch_release(&channel->get.latch);
    if (got)
        mproc__gate_wake_fenced(&channel->emptied);
    return got;
}

mproc_err mproc__channel_get(struct channel *channel, void *buffer, uint64_t capacity, uint64_t *size,
                             bool may_begin, int64_t deadline)
{
    if (mproc__channel_try_get(channel, buffer, capacity, size))
        return MPROC_OK;
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

/* Items of one size, or (sizes) of any, one behind the other in so much room. */
static inline mproc_err get_many(struct channel *channel, char *items, uint64_t size, size_t *sizes, size_t count,
                                 size_t *done, int64_t deadline)
{
    uint64_t length = 0, used = 0;
    mproc_err err = MPROC_OK;
    for (*done = 0; *done < count && err == MPROC_OK;) {
        if (mproc__latch_try(&channel->get.latch)) {
            size_t end = count - *done > BATCH ? *done + BATCH : count;
            while (*done < end && get_quickly(channel, items + used, sizes ? size - used : size, &length)) {
                used += length;
                if (sizes)
                    sizes[*done] = (size_t) length;
                ++*done;
            }
            mproc__latch_release(&channel->get.latch);
            mproc__gate_wake_fenced(&channel->emptied);
        }
        if (*done == count)
            break;
        /* What is not quick, or not there: only for the first it is waited. */
        int64_t until = *done ? 0 : deadline;
        err = mproc__channel_get(channel, items + used, sizes ? size - used : size, &length,
                                 until == MPROC_PLAT_NEVER, until);
        if (sizes && (err == MPROC_OK || (err == MPROC_EMSGSIZE && *done == 0)))
            sizes[*done] = (size_t) length;
        used += err == MPROC_OK ? length : 0;
        *done += err == MPROC_OK;
    }
    return *done ? MPROC_OK : err;
}

mproc_err mproc__channel_get_many(struct channel *channel, void *items, uint64_t size, size_t count,
                                  size_t *done, int64_t deadline)
{
    return get_many(channel, items, size, NULL, count, done, deadline);
}

mproc_err mproc__channel_get_each(struct channel *channel, void *buffer, uint64_t capacity, size_t *sizes,
                                  size_t count, size_t *done, int64_t deadline)
{
    return get_many(channel, buffer, capacity, sizes, count, done, deadline);
}
