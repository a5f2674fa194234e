/* SPDX-License-Identifier: MIT */
/* What was freed becomes room for blocks of any size, when the arena has nothing left to grow into.
 *
 * The arena is a row of extents, which are runs and large blocks; the header at its beginning tells how
 * long each is. To gather, all free blocks are taken out of their lists and marked; then runs of which all
 * blocks are marked, and marked large blocks, become spare, neighbours as one, and the other marked blocks
 * go back to their lists. Room is cut from the end of a spare extent, so that its header stays where it is.
 * All this happens under the growth latch. Runs of lasting classes (arena_blocks.h) are left alone.
 *
 * Stale handles into what became spare are refused: its generation is later than that of any handle given
 * out for it, and what is made of it goes on from there. Where there is no header any more a handle meets
 * bytes that are none, or an old header, which is of no type that handles have.
 *
 * Who is killed: the marks say how far it came, and the next holder of the latch goes along the row again.
 * Between taking out and marking, or between unmarking and putting back, the one block is lost, as in any
 * pop or free. Room leaves a spare extent by one store: before it nothing has happened; after it the room
 * is the pending run, or a large block and lost, as after a pop. */
#include "arena_blocks.h"

#include <string.h>

static uint32_t tag_of(const struct block *block)
{
    return atomic_load_explicit(&block->tag, memory_order_relaxed);
}

static enum block_type type_of(const struct block *block)
{
    return (enum block_type) (tag_of(block) >> GENERATION_BITS);
}

static void mark(struct block *block, enum block_type type, uint32_t generation)
{
    atomic_store(&block->tag, (uint32_t) type << GENERATION_BITS | generation);
}

static bool is_spare(const struct block *block)
{
    return type_of(block) == BLOCK_SPARE || type_of(block) == BLOCK_HOLLOW;
}

static struct block *first_block(uint64_t offset)
{
    return mproc_plat_region_at(offset);
}

/* The extent at `offset` and where the next one begins, or NULL if the region has a gap there (or somebody
 * wrote over the header). */
static struct block *extent_at(const struct family *family, uint64_t offset, uint64_t *next)
{
    struct block *block = first_block(offset);
    uint64_t check = mproc__block_check(family, offset / UNIT), bytes = 0;
    if (block && (atomic_load_explicit(&block->size, memory_order_relaxed) & ~SIZE_MASK) == check) {
        uint32_t index = class_index_of(block);
        if (index & LARGE_BIT || index < LARGE_CLASS)
            bytes = index & LARGE_BIT ? block_capacity(block) : run_size(index);
    }
    if (bytes == 0 || bytes > atomic_load(&family->frontier) - offset) {
        *next = mproc_plat_region_fit(offset + GRANULE, GRANULE);
        return NULL;
    }
    *next = offset + bytes;
    return block;
}

/* ---- gathering ---- */

/* The latest generation of an extent that is wholly free, or 0. */
static uint32_t free_generation(const struct block *first, uint64_t bytes)
{
    uint32_t latest = tag_of(first) & GENERATION_MASK;
    if (is_spare(first))
        return latest;
    uint64_t step = block_capacity(first);
    for (uint64_t at = 0; at + step <= bytes; at += step) {
        const struct block *block = (const struct block *) ((const char *) first + at);
        uint32_t generation = tag_of(block) & GENERATION_MASK;
        if (type_of(block) != BLOCK_GATHERED)
            return 0;
        if (generation > latest)
            latest = generation;
    }
    return latest;
}

/* Puts the marked blocks of an extent back into their list; how many there were. */
static uint64_t put_back(struct family *family, struct block *first, uint64_t offset, uint64_t bytes)
{
    uint64_t step = block_capacity(first), count = 0;
    for (uint64_t at = 0; at + step <= bytes; at += step) {
        struct block *block = (struct block *) ((char *) first + at);
        if (type_of(block) != BLOCK_GATHERED)
            continue;
        mark(block, BLOCK_NONE, tag_of(block) & GENERATION_MASK);
        MPROC_FAULT("arena.unmarked");
        push(&family->size_class[class_index_of(block)].free_list, (offset + at) / UNIT);
        count++;
    }
    return count;
}

/* Free large blocks have given their memory back. */
static bool is_hollow(const struct block *block)
{
    return type_of(block) == BLOCK_HOLLOW ||
           (type_of(block) == BLOCK_GATHERED && block_capacity(block) >= RELEASE_SIZE);
}

/* Gives `spare` its neighbour; with that it has `bytes`. Killed between the two: it is committed once more and
 * has skipped some generations. */
static void join(struct block *spare, uint64_t bytes, bool hollow, uint32_t generation)
{
    uint32_t latest = tag_of(spare) & GENERATION_MASK;
    mark(spare, hollow ? BLOCK_HOLLOW : type_of(spare), generation > latest ? generation : latest);
    MPROC_FAULT("arena.joining");
    atomic_store(&spare->class_index, LARGE_BIT | (uint32_t) (bytes / GRANULE));
}

uint64_t mproc__spare_merge(struct family *family)
{
    struct block *spare = NULL;
    uint64_t next, start = 0, most = 0, pushes = 0;
    for (uint64_t at = GRANULE; at < atomic_load(&family->frontier); at = next) {
        struct block *block = extent_at(family, at, &next);
        uint32_t generation = block ? free_generation(block, next - at) : 0;
        if (generation == 0) {
            if (block)
                pushes += put_back(family, block, at, next - at);
            spare = NULL;
            continue;
        }
        bool hollow = is_hollow(block);
        if (spare) {
            join(spare, next - start, hollow, generation);
        } else {
            spare = block;
            start = at;
            mark(spare, hollow ? BLOCK_HOLLOW : BLOCK_SPARE, generation);
        }
        MPROC_FAULT("arena.made_spare");
        if (next - start > most)
            most = next - start;
    }
    atomic_store(&family->spare_hint, GRANULE);
    atomic_store(&family->spare_most, most);
    atomic_store(&family->gathering, 0);
    return pushes;
}

/* How often blocks were put into lists and taken out of them. */
static uint64_t count_moves(struct family *family)
{
    uint64_t moves = 0;
    for (uint32_t index = 0; index < SIZE_CLASSES; index++)
        moves += atomic_load(&family->size_class[index].free_list) >> POSITION_BITS;
    return moves;
}

bool mproc__spare_gather(struct family *family, uint64_t bytes)
{
    uint64_t moves = count_moves(family);
    /* Not if nobody has moved one since it was last done. */
    if (bytes > atomic_load(&family->frontier) - mproc__arena_used() || moves == family->moves_when_gathered)
        return false;
    atomic_store(&family->gathering, 1);
    for (uint32_t index = 0; index < SIZE_CLASSES; index++) {
        uint64_t position;
        while (!is_lasting(index) && (position = pop(&family->size_class[index].free_list)) != 0) {
            struct block *block = block_at(position);
            mark(block, BLOCK_GATHERED, tag_of(block) & GENERATION_MASK);
            moves++;
        }
    }
    MPROC_FAULT("arena.gathered");
    moves += mproc__spare_merge(family);
    family->moves_when_gathered = moves;
    return true;
}

/* ---- using what is spare ---- */

/* Whether the end of a spare extent, from `offset`, can be used. Its first granule always can. */
static bool commit_end(uint64_t spare, uint64_t offset, uint64_t committed)
{
    uint64_t end = offset + committed;
    if (offset == spare)
        offset += GRANULE;
    return offset >= end || mproc_plat_region_commit(offset, end - offset) == MPROC_OK;
}

bool mproc__spare_cut(struct family *family, uint64_t bytes, uint64_t committed, struct room *room)
{
    if (bytes > atomic_load(&family->spare_most))
        return false;
    uint64_t first = atomic_load(&family->spare_hint), at = first, next;
    bool has_memory = true, is_there = false;
    int rounds = 0; /* if somebody has written over a header, the way may lead past where it began */
    do {
        const struct block *block = extent_at(family, at, &next);
        if (block && is_spare(block) && next - at >= bytes) {
            is_there = true;
            if (type_of(block) == BLOCK_HOLLOW && has_memory)
                has_memory = commit_end(at, next - bytes, committed);
            if (type_of(block) == BLOCK_SPARE || has_memory) {
                *room = (struct room){ next - bytes, at };
                atomic_store(&family->spare_hint, at);
                return true;
            }
        }
        at = next;
        if (at >= atomic_load(&family->frontier)) {
            at = GRANULE;
            rounds++;
        }
    } while (at != first && rounds < 2);
    if (!is_there)
        atomic_store(&family->spare_most, bytes - GRANULE);
    return false;
}

void mproc__spare_clean(const struct room *room, uint32_t index)
{
    uint64_t step = class_size(index), bytes = run_size(index);
    uint32_t generation = tag_of(first_block(room->spare)) & GENERATION_MASK;
    uint64_t header = room->offset == room->spare ? sizeof(struct block) : 0; /* it still is the extent's */
    memset((char *) first_block(room->offset) + header, 0, (size_t) (bytes - header));
    for (uint64_t at = header ? step : 0; at + step <= bytes; at += step)
        mark(first_block(room->offset + at), BLOCK_NONE, generation);
}

void mproc__extent_begin(struct family *family, const struct room *room, uint32_t class_index)
{
    struct block *block = first_block(room->offset), *spare = room->spare ? first_block(room->spare) : NULL;
    if (spare && spare != block)
        mark(block, BLOCK_NONE, tag_of(spare) & GENERATION_MASK);
    atomic_store(&block->size, mproc__block_check(family, room->offset / UNIT));
    atomic_store(&block->class_index, class_index);
    MPROC_FAULT("arena.extent_ready");
    if (spare == block)
        mark(block, BLOCK_NONE, tag_of(block) & GENERATION_MASK);
    else if (spare)
        atomic_store(&spare->class_index, LARGE_BIT | (uint32_t) ((room->offset - room->spare) / GRANULE));
}

/* What could be given back. */
static uint64_t count_solid(const struct family *family)
{
    uint64_t next, bytes = 0;
    for (uint64_t at = GRANULE; at < atomic_load(&family->frontier); at = next) {
        const struct block *block = extent_at(family, at, &next);
        if (block && type_of(block) == BLOCK_SPARE)
            bytes += next - at - GRANULE;
    }
    return bytes;
}

bool mproc__spare_release(struct family *family, uint64_t bytes)
{
    if (count_solid(family) < bytes)
        return false;
    uint64_t next;
    for (uint64_t at = GRANULE; at < atomic_load(&family->frontier); at = next) {
        struct block *block = extent_at(family, at, &next);
        if (!block || type_of(block) != BLOCK_SPARE || next - at == GRANULE)
            continue;
        mark(block, BLOCK_HOLLOW, tag_of(block) & GENERATION_MASK);
        MPROC_FAULT("arena.hollow");
        mproc_plat_region_release(at + GRANULE, next - at - GRANULE);
    }
    return true;
}
