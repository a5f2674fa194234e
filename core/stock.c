/* SPDX-License-Identifier: MIT */
/* What a queue keeps of blocks; stock.h says what for. */
#include "stock.h"

#include "channel_ring.h"

/* Slots of a cache line; lines of kept ones; slots in all; bytes of an item. */
enum { LINE = 8, LINES = 16, SLOTS = LINES * LINE + LINE, LARGEST = 65536 };

struct stock {
    char space1[48];          /* with the block's header: lines are lines of the cache */
    _Atomic uint32_t next_fresh, next_taken; /* where to look first, counted on for ever */
    char space2[56];
    _Atomic uint64_t fresh[LINE]; /* from the arena just now, side by side */
    _Atomic uint32_t next_kept;
    char space3[60];
    _Atomic uint64_t kept[LINES * LINE]; /* the oldest is taken first */
};

static struct stock *stock_of(struct channel *channel)
{
    return mproc__channel_item_in(atomic_load_explicit(&channel->stock, memory_order_acquire), sizeof(struct stock));
}

/* Whoever stores the handle first wins. Killed before the store: the block is lost to the arena. */
static struct stock *create(struct channel *channel)
{
    uint64_t handle, nothing = 0;
    if (mproc__arena_alloc(BLOCK_ITEM, sizeof(struct stock), &handle) != MPROC_OK)
        return NULL;
    MPROC_FAULT("stock.created");
    if (!atomic_compare_exchange_strong(&channel->stock, &nothing, handle))
        mproc__arena_free(BLOCK_ITEM, handle);
    return stock_of(channel);
}

/* What is in the slot; 0 if there is nothing, or something that was written over. */
static uint64_t take(const struct channel *channel, _Atomic uint64_t *slot)
{
    uint64_t block = atomic_exchange(slot, 0);
    return block && mproc__channel_item_in(block, channel->item_size) ? block : 0;
}

static bool put(_Atomic uint64_t *slot, uint64_t block)
{
    uint64_t nothing = 0;
    return atomic_compare_exchange_strong(slot, &nothing, block);
}

static uint64_t take_fresh(const struct channel *channel, struct stock *stock)
{
    uint32_t at = atomic_load_explicit(&stock->next_fresh, memory_order_relaxed);
    if (at >= LINE)
        return 0;
    atomic_store_explicit(&stock->next_fresh, at + 1, memory_order_relaxed);
    return take(channel, &stock->fresh[at]);
}

static bool is_full(struct stock *stock, uint32_t line)
{
    return atomic_load_explicit(&stock->kept[line % LINES * LINE + LINE - 1], memory_order_relaxed) != 0;
}

/* So that the header is there when the block is asked for. */
static void fetch_header(uint64_t block)
{
    uint64_t offset = (block & POSITION_MASK) * UNIT;
    if (offset >= GRANULE && offset < atomic_load_explicit(&mproc__family()->frontier, memory_order_relaxed))
        mproc__fetch_ahead(mproc_plat_region_at(offset));
}

/* The oldest, when who keeps is two lines further on. */
static uint64_t take_kept(const struct channel *channel, struct stock *stock)
{
    uint32_t at = atomic_load_explicit(&stock->next_taken, memory_order_relaxed);
    if (at % LINE == 0 && !(is_full(stock, at / LINE) && is_full(stock, at / LINE + 1)))
        return 0;
    atomic_store_explicit(&stock->next_taken, at + 1, memory_order_relaxed);
    uint64_t block = take(channel, &stock->kept[at % (LINES * LINE)]);
    fetch_header(atomic_load_explicit(&stock->kept[(at + 1) % (LINES * LINE)], memory_order_relaxed));
    return block;
}

/* One block, and more that lie behind it; that there are no more is no error. */
static mproc_err take_new(const struct channel *channel, struct stock *stock, uint64_t *block)
{
    uint64_t more;
    mproc_err err = mproc__arena_alloc_dirty(BLOCK_ITEM, channel->item_size, block);
    for (uint32_t i = 1; err == MPROC_OK && stock && i < LINE; i++) {
        if (mproc__arena_alloc_dirty(BLOCK_ITEM, channel->item_size, &more) != MPROC_OK)
            break;
        MPROC_FAULT("stock.allocated");
        if (!put(&stock->fresh[i], more))
            mproc__arena_free(BLOCK_ITEM, more);
    }
    if (err == MPROC_OK && stock)
        atomic_store_explicit(&stock->next_fresh, 1, memory_order_relaxed);
    return err;
}

static _Atomic uint64_t *slot_of(struct stock *stock, uint32_t number)
{
    return number < LINES * LINE ? &stock->kept[number] : &stock->fresh[number - LINES * LINE];
}

/* In a full arena, whatever there is. */
static uint64_t take_any(const struct channel *channel, struct stock *stock)
{
    uint64_t block = 0;
    for (uint32_t i = SLOTS; stock && !block && i-- > 0;)
        block = take(channel, slot_of(stock, i));
    return block;
}

/* Queues of larger items and of items of any size keep none: their blocks come from the arena and go there. */
static bool keeps(const struct channel *channel, uint64_t size)
{
    return size > 0 && size <= LARGEST && size == channel->item_size;
}

mproc_err mproc__stock_take(struct channel *channel, uint64_t size, uint64_t *block)
{
    if (!keeps(channel, size))
        return mproc__arena_alloc_dirty(BLOCK_ITEM, size ? size : 1, block);
    struct stock *stock = stock_of(channel);
    if (!stock)
        stock = create(channel);
    *block = stock ? take_fresh(channel, stock) : 0;
    if (!*block && stock)
        *block = take_kept(channel, stock);
    mproc_err err = *block ? MPROC_OK : take_new(channel, stock, block);
    if (err == MPROC_ENOMEM && (*block = take_any(channel, stock)) != 0)
        err = MPROC_OK;
    if (err == MPROC_OK)
        MPROC_FAULT("stock.taken");
    return err;
}

/* A full slot is passed over: of several who keep one may have set the hint back. */
static bool keep(struct stock *stock, uint64_t block)
{
    uint32_t at = atomic_load_explicit(&stock->next_kept, memory_order_relaxed);
    atomic_store_explicit(&stock->next_kept, at + 1, memory_order_relaxed);
    return put(&stock->kept[at % (LINES * LINE)], block);
}

void mproc__stock_return(struct channel *channel, struct loan *loan)
{
    struct stock *stock = keeps(channel, loan->size) ? stock_of(channel) : NULL;
    if (!stock) {
        mproc__loan_end(loan);
        return;
    }
    uint64_t block = mproc__loan_take_block(loan);
    MPROC_FAULT("stock.returned");
    if (block && !keep(stock, block))
        mproc__arena_free(BLOCK_ITEM, block);
}

void mproc__stock_destroy(struct channel *channel)
{
    struct stock *stock = stock_of(channel);
    if (!stock)
        return;
    for (uint32_t i = SLOTS; i-- > 0;) { /* the last first: the arena gives them out the other way round */
        uint64_t block = take(channel, slot_of(stock, i));
        if (block)
            mproc__arena_free(BLOCK_ITEM, block);
    }
    mproc__arena_free(BLOCK_ITEM, atomic_load(&channel->stock));
}
