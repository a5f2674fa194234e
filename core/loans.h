/* SPDX-License-Identifier: MIT */
/* Items of a channel that are in somebody's hands: lent to be written in place, or borrowed to be read
 * and acknowledged. The table says whose they are, so that what a dead process had goes back or away.
 *
 * An entry is claimed by a compare-exchange of its owner; what it says of its item is in `state`. Only
 * its owner changes it; when that is dead, the one that holds the getting end's latch (mproc__loans_sweep).
 * While an item moves between an entry and the ring, the end's journal names the entry and the count
 * of items the ring has when the move has happened: the end's repair decides. */
#ifndef MPROC_CORE_LOANS_H
#define MPROC_CORE_LOANS_H

#include "channel.h"

enum loan_state {
    LOAN_NOTHING,     /* free, or claimed and nothing in it */
    LOAN_WRITING,     /* a block its owner writes */
    LOAN_PUTTING,     /* on its way into the ring */
    LOAN_TAKING_COPY, /* on its way out of the ring, the block is its copy */
    LOAN_TAKING,      /* the block itself was in the ring */
    LOAN_READING,     /* borrowed */
    LOAN_RETURNED,    /* waits to be got again */
};
/* The owner of what was returned: no process has this token. */
#define LOAN_NOBODY TOKEN_MASK

struct loan {
    _Atomic process_token owner;
    _Atomic uint32_t state;
    _Atomic uint64_t block; /* BLOCK_ITEM, or 0 */
    uint64_t size;
    uint32_t generation;    /* changes when it is cleared: old references are refused */
    uint32_t deliveries;
};

/* Each store is seen after those before it, also by who looks when this process has been killed. */
static inline void mproc__loan_set_owner(struct loan *loan, process_token owner)
{
    atomic_store_explicit(&loan->owner, owner, memory_order_release);
}
static inline void mproc__loan_set_state(struct loan *loan, enum loan_state state)
{
    atomic_store_explicit(&loan->state, (uint32_t) state, memory_order_release);
}
static inline void mproc__loan_set_block(struct loan *loan, uint64_t block)
{
    atomic_store_explicit(&loan->block, block, memory_order_release);
}

/* Claims an entry for this process. Its reference: generation << 32 | number, from 1. Who reads begins at
 * the other end of the table than who writes: they do not share its lines. */
mproc_err mproc__loan_claim(struct channel *channel, bool reading, struct loan **loan, uint64_t *reference);
/* NULL if it means no entry any more. */
struct loan *mproc__loan_at(struct channel *channel, uint64_t reference);
/* The item is dealt with; the entry is anybody's. */
void mproc__loan_clear(struct loan *loan);
/* The same and frees its block. Killed after the free: the block is stale, and whoever looks finds no item. */
void mproc__loan_end(struct loan *loan);
/* The same and leaves its block to the caller: 0 if another thread has returned it just then. */
uint64_t mproc__loan_take_block(struct loan *loan);
/* The same for an entry of which is not known whether it has a block still. */
void mproc__loan_drop(struct loan *loan);
/* It waits to be got again. The caller wakes a getter. */
void mproc__loan_give_back(struct channel *channel, struct loan *loan);
/* One that was given back, or NULL. The caller holds the getting latch. */
struct loan *mproc__loan_returned(struct channel *channel, uint64_t *reference);
/* Deals with what dead processes had: written is dropped, borrowed is given back. The caller holds the
 * getting latch. True if a putter died with an item on its way: repair that end, and sweep again. */
bool mproc__loans_sweep(struct channel *channel);
/* Whether this process has borrowed nothing, and another has, or has just given it back: that may come yet. (Who has
 * something himself is not to wait for others, who may be waiting for him.) */
bool mproc__loans_awaited(struct channel *channel);
/* Frees the tables and all that is in them. */
void mproc__loans_destroy(struct channel *channel);

#endif
