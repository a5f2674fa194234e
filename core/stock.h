/* SPDX-License-Identifier: MIT */
/* Blocks of items that were read in place, kept by their queue for the next that are written in place.
 *
 * Those that lie side by side are lent one after the other, as long after they came back as possible: what caches
 * fetch ahead of a writer or a reader at the end of one item is the next one then, and the lines that say which block
 * is free do not go to and fro with each item. A ring's slots lie so by nature.
 *
 * Every slot is taken by an exchange and filled by a compare-exchange with nothing, so a block has one owner; where
 * they go on are hints. Killed between a slot and the table of loans: the block is lost to the arena. */
#ifndef MPROC_CORE_STOCK_H
#define MPROC_CORE_STOCK_H

#include "loans.h"

/* A block for an item of so many bytes, from what the queue keeps or from the arena. */
mproc_err mproc__stock_take(struct channel *channel, uint64_t size, uint64_t *block);
/* The item is dealt with, the entry is anybody's, and its block is kept, or freed if there are enough. */
void mproc__stock_return(struct channel *channel, struct loan *loan);
/* Frees all. Nobody uses the queue. */
void mproc__stock_destroy(struct channel *channel);

#endif
