/* SPDX-License-Identifier: MIT */
/* A channel as a whole: its beginning, its count, its end. */
#include "channel_ring.h"
#include "stock.h"

enum { FIRST_SEGMENT = 4096 }; /* bytes of its block, headers included */

mproc_err mproc__channel_new_segment(uint64_t block_size, uint32_t start, uint64_t *handle)
{
    uint64_t size = block_size - UNIT;
    mproc_err err = mproc__arena_alloc_dirty(BLOCK_ITEM, size, handle);
    if (err != MPROC_OK)
        return err;
    struct segment *segment = mproc__arena_live(*handle);
    atomic_store_explicit(&segment->next, 0, memory_order_relaxed);
    segment->start = start;
    segment->capacity = (uint32_t) ((size - sizeof *segment) / 8);
    return MPROC_OK;
}

mproc_err mproc__channel_create(struct channel *channel, uint64_t item_size, uint64_t max_items,
                                uint64_t max_bytes)
{
    uint64_t first;
    mproc_err err = mproc__channel_new_segment(FIRST_SEGMENT, 0, &first);
    if (err != MPROC_OK)
        return err;
    channel->item_size = item_size;
    channel->item_check = ~item_size;
    channel->max_bytes = max_bytes;
    channel->max_items = max_items == 0 ? 1u << 30 : (uint32_t) max_items;
    channel->put.place[0].segment = first;
    channel->get.place[0].segment = first;
    return MPROC_OK;
}

enum { LOOKS = 100 }; /* until both ends are taken as they come, since they never stand still */

static uint32_t items_between(uint64_t head, uint64_t tail)
{
    uint32_t items = (mproc__items_of(tail) - mproc__items_of(head)) & ITEMS_MASK;
    return items > ITEMS_MASK / 2 ? 0 : items; /* the head is of a later moment than the tail */
}

uint32_t mproc__channel_items(struct channel *channel)
{
    uint64_t head = atomic_load(&channel->head), tail, before;
    int looks = 0;
    do {
        before = head;
        MPROC_FAULT("channel.counting");
        tail = atomic_load(&channel->tail);
        head = atomic_load(&channel->head);
    } while (head != before && ++looks < LOOKS);
    uint32_t items = items_between(head, tail);
    return (items < channel->max_items ? items : channel->max_items) + atomic_load(&channel->returned);
}

bool mproc__channel_full(struct channel *channel)
{
    uint64_t head, tail, put, got;
    int looks = 0;
    do {
        tail = atomic_load(&channel->tail);
        put = mproc__place_bytes(&channel->put.place[tail & 1]);
        head = atomic_load(&channel->head);
        got = mproc__place_bytes(&channel->get.place[head & 1]);
    } while ((atomic_load(&channel->tail) != tail || atomic_load(&channel->head) != head) && ++looks < LOOKS);
    uint32_t items = items_between(head, tail);
    return items >= channel->max_items ||
           (channel->max_bytes != 0 && items > 0 && put > got && put - got >= channel->max_bytes);
}

bool mproc__channel_over(struct channel *channel)
{
    return atomic_load_explicit(&channel->closed, memory_order_relaxed) && !mproc__loans_awaited(channel);
}

bool mproc__channel_readable(void *context)
{
    struct channel *channel = context;
    uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&channel->head, memory_order_relaxed);
    return mproc__items_of(tail) != mproc__items_of(head) ||
           atomic_load_explicit(&channel->returned, memory_order_relaxed) || mproc__channel_over(channel);
}

/* Frees the blocks of items that are still in the ring. */
static void free_items(struct channel *channel)
{
    struct cursor cursor = cursor_at(channel, &channel->get, atomic_load(&channel->head));
    channel->get.other_seen = atomic_load(&channel->tail);
    uint32_t end = mproc__position_of(channel->get.other_seen);
    struct record record;
    while (cursor.position != end && mproc__channel_read(&cursor, &record) == MPROC_OK) {
        if (record.block && mproc__object(BLOCK_ITEM, record.block))
            mproc__arena_free(BLOCK_ITEM, record.block);
        pass(&cursor, record.units);
    }
}

void mproc__channel_destroy(struct channel *channel)
{
    /* Whoever died at an end left it to be repaired; and whoever has put or got the last item may not have left yet. */
    for (int end = 0; end < 2; end++)
        if ((end ? mproc__channel_enter_get(channel, 0) : mproc__channel_enter_put(channel, 0)) == MPROC_OK)
            mproc__latch_release(end ? &channel->get.latch : &channel->put.latch);
    free_items(channel);
    mproc__loans_destroy(channel);
    mproc__stock_destroy(channel);
    uint64_t here = channel->get.place[channel->head & 1].segment;
    uint64_t last = channel->put.place[channel->tail & 1].segment;
    while (here && mproc__object(BLOCK_ITEM, here)) {
        struct segment *segment = mproc__arena_live(here);
        uint64_t next = here == last ? 0 : atomic_load(&segment->next);
        mproc__arena_free(BLOCK_ITEM, here);
        here = next;
    }
}
