/* SPDX-License-Identifier: MIT */
/* Getting items in pieces: while they are being put, and what is left of those that came to nothing. */
#include "channel_ring.h"

#define HELP_SLICE INT64_C(20000000) /* how long to wait for the rest of an item before asking who lives */

#define ANY UINT64_MAX

/* Waits for the next piece of an item. */
static mproc_err wait_for_piece(struct cursor *cursor, int64_t deadline)
{
    while (!has_record(cursor)) {
        struct change change = { &cursor->channel->tail, cursor->channel->get.other_seen };
        int64_t now = mproc_plat_now();
        int64_t slice = deadline - now > HELP_SLICE ? now + HELP_SLICE : deadline;
        if (mproc__gate_wait(&cursor->channel->filled, has_changed, &change, slice) == MPROC_OK)
            continue;
        if (slice == deadline && mproc_plat_now() >= deadline && !has_record(cursor))
            return MPROC_ETIMEDOUT;
        mproc__channel_help_put(cursor->channel);
    }
    return MPROC_OK;
}

/* The next piece of an item of which so many bytes are still to come, or any number. */
static mproc_err read_piece(struct cursor *cursor, struct record *record, uint64_t to_come)
{
    mproc_err err = mproc__channel_read(cursor, record);
    if (err != MPROC_OK)
        return err;
    bool last = record->kind == RECORD_LAST, goes_on = record->kind == RECORD_MORE || record->kind == RECORD_ABORT;
    bool expected = cursor->place.partial ? last || goes_on : record->kind == RECORD_FIRST;
    bool fits = last && to_come != ANY ? record->bytes == to_come : record->bytes <= to_come;
    return expected && fits ? MPROC_OK : mproc__channel_damaged("an item in pieces");
}

mproc_err mproc__channel_get_pieces(struct cursor *cursor, char *buffer, uint64_t size, int64_t deadline)
{
    struct channel *channel = cursor->channel;
    mproc_err err = MPROC_OK;
    uint64_t to_come = buffer ? size : ANY;
    atomic_store_explicit(&channel->receiving, 1, memory_order_relaxed);
    for (bool last = false; !last && err == MPROC_OK;) {
        struct record record;
        err = wait_for_piece(cursor, deadline);
        if (err == MPROC_OK)
            err = read_piece(cursor, &record, to_come);
        if (err != MPROC_OK)
            break;
        cursor->place.bytes += record.size; /* with the first one */
        if (record.kind == RECORD_ABORT)
            err = MPROC_EDIED;
        if (buffer && err == MPROC_OK) {
            memcpy(buffer + size - to_come, record.data, record.bytes);
            to_come -= record.bytes;
        }
        last = record.kind == RECORD_LAST || record.kind == RECORD_ABORT;
        pass(cursor, record.units);
        cursor->place.partial = !last;
        mproc__channel_commit_get(cursor, record.kind == RECORD_LAST);
        if (record.kind != RECORD_LAST)
            mproc__gate_wake(&channel->emptied);
    }
    atomic_store_explicit(&channel->receiving, 0, memory_order_relaxed);
    return err;
}

mproc_err mproc__channel_pass_over(struct cursor *cursor, uint64_t size)
{
    struct cursor ahead = *cursor;
    struct record record = { .kind = RECORD_FIRST };
    for (uint64_t to_come = size; record.kind != RECORD_LAST && has_record(&ahead); to_come -= record.bytes) {
        mproc_err err = read_piece(&ahead, &record, to_come);
        if (err != MPROC_OK)
            return err;
        if (record.kind == RECORD_ABORT)
            return mproc__channel_get_pieces(cursor, NULL, 0, 0);
        ahead.place.partial = 1;
        pass(&ahead, record.units);
    }
    return MPROC_EMSGSIZE;
}

/* Whether what is behind the cursor, and is no item, are pieces of items whose putters gave up or died. */
static bool rest_is_dead(struct cursor *cursor)
{
    struct channel *channel = cursor->channel;
    for (bool asked = false;; asked = true) {
        uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_acquire);
        bool partial = mproc__place_partial(&channel->put.place[tail & 1]);
        if (atomic_load_explicit(&channel->tail, memory_order_acquire) != tail ||
            mproc__items_of(tail) != mproc__items_of(cursor->word))
            return false;
        if (!partial || asked)
            return !partial;
        mproc__channel_help_put(channel);
    }
}

void mproc__channel_drop_dead(struct cursor *cursor)
{
    mproc_err err = cursor->place.partial ? mproc__channel_get_pieces(cursor, NULL, 0, 0) : MPROC_EDIED;
    while ((err == MPROC_OK || err == MPROC_EDIED) && !has_item(cursor) && has_record(cursor) && rest_is_dead(cursor))
        err = mproc__channel_get_pieces(cursor, NULL, 0, 0);
}
