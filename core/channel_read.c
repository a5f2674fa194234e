/* SPDX-License-Identifier: MIT */
/* Reading what lies in a channel. Any process of the family may have written over it through a stray pointer, so
 * nothing is followed before it was looked at: what is read lies within its segment, and what is left of the ring
 * bounds how much of it there can be. */
#include "channel_ring.h"

MPROC_THREAD_LOCAL_NEAR struct known mproc__known_put, mproc__known_get;

mproc_err mproc__channel_damaged(const char *what)
{
    return mproc__fail(MPROC_EPROTO,
                       "%s of the queue or pipe was written over, perhaps through a stray pointer in a process of this "
                       "family: destroy it", what);
}

bool mproc__channel_look_at(struct known *known, uint64_t handle)
{
    struct segment *segment = mproc__channel_item_in(handle, sizeof *segment);
    if (!segment || !mproc__channel_item_in(handle, sizeof *segment + (uint64_t) segment->capacity * 8))
        return false;
    *known = (struct known){ handle, segment, segment->capacity, segment->start };
    return true;
}

/* Goes on in the next segment, as this one was left at the cursor. */
static bool change_segment(struct cursor *cursor, uint64_t next)
{
    if (!knows(&mproc__known_get, next))
        return false;
    cursor->in = mproc__known_get;
    cursor->place.segment = next;
    cursor->place.offset = 0;
    cursor->changed_segment = true;
    return true;
}

/* Units from the cursor to the tail, or to where the segment was left. As there is a record, 0 is damage. */
static uint32_t units_left(struct cursor *cursor, uint64_t tail)
{
    for (bool changed = false;; changed = true) {
        const struct segment *segment = cursor->in.segment;
        if (!segment)
            return 0;
        uint64_t next = atomic_load_explicit(&segment->next, memory_order_acquire);
        uint32_t left = (next ? segment->end : mproc__position_of(tail)) - cursor->position;
        if (left != 0 || !next)
            return left <= cursor->in.capacity ? left : 0;
        if (changed || !change_segment(cursor, next))
            return 0;
    }
}

/* What the header says, as far as that can be true. */
static bool take_apart(const uint64_t *header, uint32_t room, struct record *record)
{
    uint64_t bytes = bytes_of(*header);
    record->kind = kind_of(*header);
    record->bytes = bytes;
    record->size = record->block = 0;
    record->data = header + 1;
    record->units = units_of(bytes);
    if (bytes > PIECE || record->units >= room + (record->kind != RECORD_FIRST))
        return false;
    switch (record->kind) {
    case RECORD_BLOCK:
        record->block = header[1];
        record->size = header[2];
        record->data = mproc__channel_item_in(record->block, record->size);
        return bytes == 16 && record->data;
    case RECORD_WHOLE:
        record->size = bytes;
        return true;
    case RECORD_FIRST:
        record->units++;
        record->size = header[1];
        record->data = header + 2;
        return record->size > PIECE;
    case RECORD_MORE:
    case RECORD_LAST:
        return true;
    case RECORD_ABORT:
        return bytes == 0;
    default:
        return false;
    }
}

mproc_err mproc__channel_read(struct cursor *cursor, struct record *record)
{
    uint32_t left = units_left(cursor, cursor->channel->get.other_seen);
    if (left == 0)
        return mproc__channel_damaged("a place in the ring");
    if (cursor->place.offset == cursor->in.capacity)
        cursor->place.offset = 0;
    uint32_t rest = cursor->in.capacity - cursor->place.offset;
    const uint64_t *header = &cursor->in.segment->data[cursor->place.offset];
    if (kind_of(*header) == RECORD_SKIP && rest < left) {
        cursor->position += rest;
        cursor->place.offset = 0;
        left -= rest;
        rest = cursor->in.capacity;
        header = cursor->in.segment->data;
    }
    if (!take_apart(header, left < rest ? left : rest, record))
        return mproc__channel_damaged("a record");
    return MPROC_OK;
}
