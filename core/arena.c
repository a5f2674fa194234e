/* SPDX-License-Identifier: MIT */
/* The allocator of the shared heap.
 *
 * Blocks of up to 64 KiB come from runs of one size class, larger ones straight from the frontier. Some objects have
 * classes of their own (arena_blocks.h).
 * A free block waits in its class's list; what happens to runs and large blocks when the arena has no
 * more room is in arena_spare.c. Who is killed inside:
 *   pop, before the exchange: nothing. After it: the block is lost to the class, nothing else.
 *   carve, before the exchange on the cursor: nothing. After it: the same.
 *   grow, holding the lock: the next holder finishes what pending_run says.
 *   free, before the tag changes: still allocated. After it, before the push: as after a pop. */
#include "arena_blocks.h"

#include "runtime.h"

#include <string.h>

enum { ARENA_VERSION = 5 };

struct family *mproc__family_here;

/* ---- growth ---- */

static void move_frontier(struct family *family, uint64_t end)
{
    if (atomic_load(&family->frontier) < end)
        atomic_store(&family->frontier, end);
}

/* Gives the pending run to the class it is for, unless the dead holder came to do that: then the cursor is
 * not 0. All of it may be repeated. */
static void finish_growth(struct family *family)
{
    uint64_t run = atomic_load(&family->pending_run);
    uint32_t index = atomic_load(&family->pending_class);
    if (run && atomic_load(&family->size_class[index].cursor) == 0) {
        const struct room room = { (run & POSITION_MASK) * UNIT, atomic_load(&family->pending_spare) };
        mproc__extent_begin(family, &room, index);
        MPROC_FAULT("arena.run_begun");
        move_frontier(family, room.offset + run_size(index));
        MPROC_FAULT("arena.frontier_moved");
        atomic_store(&family->size_class[index].cursor, run);
        MPROC_FAULT("arena.cursor_set");
    }
    atomic_store(&family->pending_run, 0);
}

static mproc_err growth_lock(struct family *family)
{
    mproc_err err = mproc__latch_acquire(&family->growth_lock, MPROC_PLAT_NEVER);
    if (err == MPROC_OWNERDEAD) {
        finish_growth(family);
        if (atomic_load(&family->gathering))
            (void) mproc__spare_merge(family);
        err = MPROC_OK;
    }
    return err;
}

/* Finds room for `bytes` (granules) at the frontier and commits the first `committed` of them; the caller
 * holds the growth lock. */
static mproc_err extend(struct family *family, uint64_t bytes, uint64_t committed, uint64_t *offset)
{
    uint64_t at = mproc_plat_region_fit(atomic_load(&family->frontier), bytes);
    if (at == UINT64_MAX || at + bytes > family->limit || at + bytes < at)
        return mproc__fail(MPROC_ENOMEM,
                           "the family's arena of %llu MiB is full; free blocks, or raise MPROC_ARENA_LIMIT",
                           (unsigned long long) (family->limit >> 20));
    mproc_err err = mproc_plat_region_commit(at, committed);
    if (err == MPROC_OK)
        *offset = at;
    return err;
}

/* Finds room in what is spare, at the frontier, or, when nothing is left to grow into, in what is free. If it is
 * the system's memory that is short, what is spare elsewhere is given back for it. */
static mproc_err find_room(struct family *family, uint64_t bytes, uint64_t committed, struct room *room)
{
    if (mproc__spare_cut(family, bytes, committed, room))
        return MPROC_OK;
    mproc_err err = extend(family, bytes, committed, &room->offset);
    if (err == MPROC_ENOMEM && mproc__spare_gather(family, bytes) &&
        mproc__spare_cut(family, bytes, committed, room))
        err = MPROC_OK;
    if (err == MPROC_ENOMEM && mproc__spare_release(family, committed))
        err = extend(family, bytes, committed, &room->offset);
    return err;
}

static void give_run(struct family *family, uint32_t index, const struct room *room)
{
    uint64_t blocks = run_size(index) / class_size(index);
    if (room->spare)
        mproc__spare_clean(room, index);
    atomic_store(&family->size_class[index].cursor, 0);
    atomic_store(&family->pending_class, index);
    atomic_store(&family->pending_spare, room->spare);
    atomic_store(&family->pending_run, blocks << POSITION_BITS | room->offset / UNIT);
    MPROC_FAULT("arena.run_pending");
    finish_growth(family);
}

static mproc_err grow_class(struct family *family, uint32_t index)
{
    struct size_class *class = &family->size_class[index];
    struct room room = { 0, 0 };
    mproc_err err = growth_lock(family);
    if (err != MPROC_OK)
        return err;
    /* Another may have grown it meanwhile, or have put back what it had gathered. */
    if (atomic_load(&class->cursor) >> POSITION_BITS == 0 && (atomic_load(&class->free_list) & POSITION_MASK) == 0) {
        err = find_room(family, run_size(index), run_size(index), &room);
        if (err == MPROC_OK)
            give_run(family, index, &room);
    }
    mproc__latch_release(&family->growth_lock);
    return err;
}

/* The next block of the class's run, or 0. */
static uint64_t carve(struct size_class *class, uint32_t index)
{
    uint64_t old = atomic_load(&class->cursor);
    while (old >> POSITION_BITS) {
        uint64_t next = old - (UINT64_C(1) << POSITION_BITS) + class_size(index) / UNIT;
        if (atomic_compare_exchange_weak(&class->cursor, &old, next)) {
            MPROC_FAULT("arena.carved");
            return old & POSITION_MASK;
        }
    }
    return 0;
}

static mproc_err take_small(struct family *family, uint32_t index, uint64_t *position, bool *fresh)
{
    struct size_class *class = &family->size_class[index];
    for (;;) {
        *position = pop(&class->free_list);
        *fresh = *position == 0;
        if (!*fresh)
            return MPROC_OK;
        *position = carve(class, index);
        if (*position) {
            atomic_store_explicit(&block_at(*position)->class_index, index, memory_order_relaxed);
            return MPROC_OK;
        }
        mproc_err err = grow_class(family, index);
        if (err != MPROC_OK)
            return err;
    }
}

/* A free block for `needed` granules in this step, or 0. */
static uint64_t pop_large(struct family *family, uint32_t step, uint64_t needed)
{
    uint64_t position = pop(&family->size_class[LARGE_CLASS + step].free_list);
    if (position == 0)
        return 0;
    uint64_t capacity = block_capacity(block_at(position));
    /* The first granule, with the header, never was given back. */
    if (capacity >= needed * GRANULE &&
        (capacity < RELEASE_SIZE ||
         mproc_plat_region_commit(position * UNIT + GRANULE, (needed - 1) * GRANULE) == MPROC_OK))
        return position;
    push(&family->size_class[LARGE_CLASS + step].free_list, position);
    return 0;
}

static mproc_err take_large(struct family *family, uint64_t bytes, uint64_t *position, bool *fresh)
{
    uint64_t needed = (bytes + GRANULE - 1) / GRANULE;
    uint32_t step = large_step(needed);
    /* As large as its step, so that it is found again by all of that step; of what is given back to the
     * system when it is freed, only the needed part is committed. */
    uint64_t granules = large_size(step);
    uint64_t committed = granules * GRANULE >= RELEASE_SIZE ? needed : granules;
    *position = pop_large(family, step, needed);
    *fresh = false;
    if (*position)
        return MPROC_OK;
    mproc_err err = growth_lock(family);
    if (err != MPROC_OK)
        return err;
    struct room room = { 0, 0 };
    err = find_room(family, granules * GRANULE, committed * GRANULE, &room);
    if (err == MPROC_ENOMEM && granules > needed) {
        granules = needed; /* nearly full: it will be found by smaller ones */
        err = find_room(family, granules * GRANULE, granules * GRANULE, &room);
    }
    if (err == MPROC_OK) {
        mproc__extent_begin(family, &room, LARGE_BIT | (uint32_t) granules);
        MPROC_FAULT("arena.large_ready");
        move_frontier(family, room.offset + granules * GRANULE);
        *position = room.offset / UNIT;
        *fresh = room.spare == 0;
    }
    mproc__latch_release(&family->growth_lock);
    return err;
}

/* ---- handles ---- */

mproc_err mproc__object_error(uint64_t handle)
{
    mproc_err err = mproc__check_init();
    return err != MPROC_OK ? err
                           : mproc__fail(MPROC_EBADHANDLE,
                                         "handle %016llx is stale or of another kind: was the object "
                                         "destroyed?", (unsigned long long) handle);
}

static struct block *find(enum block_type type, uint64_t handle)
{
    struct block *block = mproc__object(type, handle);
    if (!block)
        mproc__object_error(handle);
    return block ? block - 1 : NULL;
}

void *mproc__arena_near(enum block_type type, uint64_t handle)
{
    uint64_t position = handle & POSITION_MASK;
    const struct family *family = mproc_plat_region_near(mproc__family(), sizeof *family);
    if (handle >> 56 == (uint64_t) type && position * UNIT >= GRANULE &&
        position * UNIT < atomic_load_explicit(&family->frontier, memory_order_relaxed)) {
        struct block *block = block_at(position);
        struct block *first = block ? mproc_plat_region_near(block, sizeof *block) : NULL;
        if (first && mproc__block_is(family, first, handle))
            return mproc_plat_region_near(block + 1, mproc__block_size(first));
    }
    return mproc__arena_at(type, handle); /* which says what is wrong */
}

/* Blocks of the class are for this type, or for all that may be where this one was; LARGE_CLASS: it is in no run. */
static inline uint32_t class_for(enum block_type type, uint64_t bytes)
{
    switch (type) {
    case BLOCK_EVENT: case BLOCK_SEMAPHORE: case BLOCK_PERMITS: case BLOCK_BARRIER: return gated_class_of(bytes);
    case BLOCK_RWLOCK: return RWLOCK_CLASS;
    case BLOCK_QUEUE: return QUEUE_CLASS;
    case BLOCK_PIPE: return PIPE_CLASS;
    default: return bytes <= SMALL_MAX ? class_of(bytes) : LARGE_CLASS;
    }
}

static mproc_err allocate(enum block_type type, uint64_t size, bool zeroed, uint64_t *handle)
{
    struct family *family = mproc__family();
    if (size > family->limit)
        return mproc__fail(MPROC_ENOMEM, "%llu bytes do not fit into an arena of %llu MiB",
                           (unsigned long long) size, (unsigned long long) (family->limit >> 20));
    uint64_t bytes = size + sizeof(struct block);
    uint64_t position = 0;
    uint32_t index = class_for(type, bytes);
    bool fresh;
    mproc_err err = index != LARGE_CLASS ? take_small(family, index, &position, &fresh)
                                         : take_large(family, bytes, &position, &fresh);
    if (err != MPROC_OK)
        return err;

    struct block *block = block_at(position);
    uint64_t amount;
    uint32_t counter = counted_in(block, &amount);
    /* Before the header is written: this waits for all that was, and the header may still be with whoever freed it. */
    atomic_fetch_add_explicit(&family->allocated[counter], amount, memory_order_relaxed);
    if (!fresh && zeroed)
        memset(block + 1, 0, size);
    atomic_store_explicit(&block->size, mproc__block_check(family, position) | size, memory_order_relaxed);
    uint32_t generation = atomic_load_explicit(&block->tag, memory_order_relaxed) & GENERATION_MASK;
    if (generation == 0)
        generation = 1;
    uint32_t tag = (uint32_t) type << GENERATION_BITS | generation;
    atomic_store_explicit(&block->tag, tag, memory_order_release);
    *handle = (uint64_t) tag << POSITION_BITS | position;
    return MPROC_OK;
}

mproc_err mproc__arena_alloc(enum block_type type, uint64_t size, uint64_t *handle)
{
    return allocate(type, size, true, handle);
}

mproc_err mproc__arena_alloc_dirty(enum block_type type, uint64_t size, uint64_t *handle)
{
    return allocate(type, size, false, handle);
}

mproc_err mproc__arena_free(enum block_type type, uint64_t handle)
{
    struct family *family = mproc__family();
    struct block *block = find(type, handle);
    if (!block)
        return MPROC_EBADHANDLE;
    /* The exchange decides who of two that free the same block at once is refused. */
    uint32_t tag = (uint32_t) (handle >> POSITION_BITS);
    uint32_t next = (tag + 1) & GENERATION_MASK;
    if (!atomic_compare_exchange_strong(&block->tag, &tag, next ? next : 1))
        return mproc__fail(MPROC_EBADHANDLE, "handle %016llx was freed by another thread just now",
                           (unsigned long long) handle);
    MPROC_FAULT("arena.untagged");
    uint64_t position = handle & POSITION_MASK, amount;
    uint32_t counter = counted_in(block, &amount);
    atomic_fetch_add_explicit(&family->freed[counter], amount, memory_order_relaxed);
    /* The first granule of a large one stays: it holds the header. */
    uint64_t used = (mproc__block_size(block) + UNIT + GRANULE - 1) / GRANULE * GRANULE;
    if (amount >= RELEASE_SIZE && used > GRANULE)
        mproc_plat_region_release(position * UNIT + GRANULE, used - GRANULE);
    push(&family->size_class[counter].free_list, position);
    return MPROC_OK;
}

void *mproc__arena_at(enum block_type type, uint64_t handle)
{
    struct block *block = find(type, handle);
    return block ? block + 1 : NULL;
}

uint64_t mproc__arena_size(enum block_type type, uint64_t handle)
{
    struct block *block = find(type, handle);
    return block ? mproc__block_size(block) : 0;
}

uint64_t mproc__arena_used(void)
{
    struct family *family = mproc__family();
    uint64_t used = 0;
    for (uint32_t i = 0; i < SIZE_CLASSES; i++) {
        uint64_t freed = atomic_load(&family->freed[i]);
        used += (atomic_load(&family->allocated[i]) - freed) * (i < LARGE_CLASS ? class_size(i) : 1);
    }
    return used;
}

uint64_t mproc__arena_limit(void)
{
    return mproc__family()->limit;
}

/* ---- beginning ---- */

mproc_err mproc__arena_create(uint64_t limit)
{
    if (limit > (POSITION_MASK + 1) * UNIT)
        limit = (POSITION_MASK + 1) * UNIT;
    uint64_t secret;
    mproc_err err = mproc_plat_random(&secret, sizeof secret);
    if (err == MPROC_OK)
        err = mproc_plat_region_create(&limit);
    if (err == MPROC_OK)
        err = mproc_plat_region_commit(0, GRANULE);
    if (err != MPROC_OK)
        return err;
    _Static_assert(MPROC_PLAT_REGION_START + sizeof(struct family) <= GRANULE, "fits the first granule");
    struct family *family = mproc_plat_region_at(MPROC_PLAT_REGION_START);
    mproc__family_here = family;
    family->version = ARENA_VERSION;
    family->limit = limit;
    family->secret = secret | 1;
    atomic_store(&family->frontier, GRANULE);
    return MPROC_OK;
}

mproc_err mproc__arena_attach(mproc_plat_handle region, uint64_t limit)
{
    mproc_err err = mproc_plat_region_attach(region, limit);
    if (err == MPROC_OK)
        mproc__family_here = mproc_plat_region_at(MPROC_PLAT_REGION_START);
    const struct family *family =
        err == MPROC_OK ? mproc_plat_region_near(mproc__family(), sizeof *family) : NULL;
    if (family && family->version != ARENA_VERSION)
        err = mproc__fail(MPROC_EIMAGE,
                          "this process's mproc is not the one its parent has; link both to the same");
    return err;
}
