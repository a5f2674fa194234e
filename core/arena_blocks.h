/* SPDX-License-Identifier: MIT */
/* What is inside the arena: size classes and lists of free blocks. */
#ifndef MPROC_CORE_ARENA_BLOCKS_H
#define MPROC_CORE_ARENA_BLOCKS_H

#include "arena.h"
#include "compiler.h"
#include "fault.h"

enum {
    PAGE_CLASS = 26,         /* from this one on, 4096 bytes, a class has room for the header besides */
    BELOW_PAGES = 3584,      /* the class before it */
    HEADER_ROOM = 64,
    SMALL_MAX = 65536 + HEADER_ROOM, /* largest block, header included, that is carved from a run */
    GATED_CLASS = 43,        /* size_class[GATED_CLASS + step]: what begins with a gate, one step to each doubling */
    RWLOCK_CLASS = 57,       /* readers-writer locks, which have two */
    QUEUE_CLASS,             /* and queues, and ends of pipes, which have three */
    PIPE_CLASS,
    LARGE_CLASS = 64,        /* size_class[LARGE_CLASS + step]: large blocks, four steps to each doubling */
    LARGE_STEPS = SIZE_CLASSES - LARGE_CLASS,
    RWLOCK_SIZE = 2560,      /* headers included */
    QUEUE_SIZE = 1536,
    PIPE_SIZE = 1792,
    RELEASE_SIZE = 16 << 20, /* free blocks from here on give their memory back */
};
/* A large block's class_index is its capacity in granules, with this bit. */
#define LARGE_BIT 0x80000000u

static inline struct block *block_at(uint64_t position)
{
    return mproc_plat_region_at(position * UNIT);
}

/* ---- classes: 32, 48, 64, then four steps to each doubling; a page, or two or four, costs a line more ---- */

static inline uint32_t class_of(uint64_t bytes)
{
    if (bytes <= 64)
        return bytes <= 32 ? 0 : bytes <= 48 ? 1 : 2;
    if (bytes > BELOW_PAGES)
        bytes = bytes > BELOW_PAGES + HEADER_ROOM ? bytes - HEADER_ROOM : BELOW_PAGES + 1;
    uint32_t power = mproc__log2(bytes - 1); /* 2^power < bytes <= 2^(power + 1) */
    uint64_t above = bytes - (UINT64_C(1) << power), quarter = UINT64_C(1) << (power - 2);
    return 2 + (power - 6) * 4 + (uint32_t) ((above + quarter - 1) >> (power - 2));
}

/* Who lets a waiter go wakes it after that, and then it may have destroyed what it waited at: these objects come from
 * memory that is never for anything else (gate.h says what that is good for). */
static inline bool is_lasting(uint32_t index)
{
    return index >= GATED_CLASS && index < LARGE_CLASS;
}

static inline uint32_t gated_class_of(uint64_t bytes)
{
    return GATED_CLASS + (bytes <= 64 ? 0 : mproc__log2(bytes - 1) - 5);
}

static inline uint64_t class_size(uint32_t index)
{
    if (index <= 2)
        return 32 + 16 * (uint64_t) index;
    if (is_lasting(index))
        return index == RWLOCK_CLASS  ? RWLOCK_SIZE
               : index == QUEUE_CLASS ? QUEUE_SIZE
               : index == PIPE_CLASS  ? PIPE_SIZE
                                      : UINT64_C(64) << (index - GATED_CLASS);
    uint32_t power = 6 + (index - 3) / 4;
    return (UINT64_C(1) << power) + ((index - 3) % 4 + 1) * (UINT64_C(1) << (power - 2)) +
           (index >= PAGE_CLASS ? HEADER_ROOM : 0);
}

/* Large blocks: 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, ... granules. */
static inline uint64_t large_size(uint32_t step)
{
    return step < 4 ? step + 1 : (uint64_t) (5 + step % 4) << (step / 4 - 1);
}

/* The first step of at least so many granules. */
static inline uint32_t large_step(uint64_t granules)
{
    if (granules <= 4)
        return (uint32_t) granules - 1;
    uint32_t power = mproc__log2(granules - 1);
    uint64_t above = granules - (UINT64_C(1) << power), quarter = UINT64_C(1) << (power - 2);
    return 4 * (power - 1) + (uint32_t) ((above + quarter - 1) >> (power - 2)) - 1;
}

/* The last step of at most so many: where a free block is found by all that fit into it. */
static inline uint32_t large_step_within(uint64_t granules)
{
    uint32_t step = large_step(granules);
    return large_size(step) > granules ? step - 1 : step;
}

static inline uint32_t class_index_of(const struct block *block)
{
    return atomic_load_explicit(&block->class_index, memory_order_relaxed);
}

static inline uint64_t block_capacity(const struct block *block)
{
    uint32_t index = class_index_of(block);
    return index & LARGE_BIT ? (uint64_t) (index & ~LARGE_BIT) * GRANULE : class_size(index);
}

/* The class that a block is counted in, and as how much. */
static inline uint32_t counted_in(const struct block *block, uint64_t *amount)
{
    uint32_t index = class_index_of(block);
    *amount = 1;
    if (!(index & LARGE_BIT))
        return index;
    *amount = block_capacity(block);
    return LARGE_CLASS + large_step_within(index & ~LARGE_BIT);
}

/* At least eight blocks of a class; one of a lasting class, whose memory does not come back. */
static inline uint64_t run_size(uint32_t index)
{
    uint64_t bytes = class_size(index) * (is_lasting(index) ? 1 : 8);
    return bytes < GRANULE ? GRANULE : (bytes + GRANULE - 1) / GRANULE * GRANULE;
}

/* ---- free lists: stacks whose head carries a tag against reuse between load and exchange ---- */

static inline void push(_Atomic uint64_t *head, uint64_t position)
{
    struct block *block = block_at(position);
    uint64_t check = atomic_load_explicit(&block->size, memory_order_relaxed) & ~SIZE_MASK;
    uint64_t old = atomic_load(head);
    uint64_t new_head;
    do {
        atomic_store_explicit(&block->size, check | (old & POSITION_MASK), memory_order_relaxed);
        new_head = (old + (UINT64_C(1) << POSITION_BITS)) & ~POSITION_MASK;
        new_head |= position;
    } while (!atomic_compare_exchange_weak(head, &old, new_head));
}

static inline uint64_t pop(_Atomic uint64_t *head)
{
    uint64_t old = atomic_load(head);
    uint64_t new_head;
    do {
        if ((old & POSITION_MASK) == 0)
            return 0;
        /* If somebody else took the block meanwhile this is nonsense, and the tag tells. */
        uint64_t next = atomic_load_explicit(&block_at(old & POSITION_MASK)->size,
                                             memory_order_relaxed);
        new_head = ((old + (UINT64_C(1) << POSITION_BITS)) & ~POSITION_MASK) | (next & POSITION_MASK);
    } while (!atomic_compare_exchange_weak(head, &old, new_head));
    MPROC_FAULT("arena.popped");
    return old & POSITION_MASK;
}

/* ---- arena_spare.c; the caller holds the growth latch ---- */

/* Room for a run or a large block: at the frontier, or the end of a spare extent. */
struct room {
    uint64_t offset;
    uint64_t spare; /* offset of that extent, which begins where the room does if it is all of it; or 0 */
};

/* Finds `bytes` (granules) in a spare extent, of which the first `committed` are usable. */
bool mproc__spare_cut(struct family *family, uint64_t bytes, uint64_t committed, struct room *room);
/* Makes the room zero and ready to be a run of this class; nothing has changed for others yet. */
void mproc__spare_clean(const struct room *room, uint32_t index);
/* Makes the room an extent of its own, a run or a large block. May be repeated. */
void mproc__extent_begin(struct family *family, const struct room *room, uint32_t class_index);
/* Makes spare what is free, if so many bytes may come of it. */
bool mproc__spare_gather(struct family *family, uint64_t bytes);
/* The second half of it, also for the holder after one that was killed. How many blocks went back to lists. */
uint64_t mproc__spare_merge(struct family *family);
/* Gives spare memory back to the system, if there are so many bytes. */
bool mproc__spare_release(struct family *family, uint64_t bytes);

#endif
