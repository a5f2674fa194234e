/* SPDX-License-Identifier: MIT */
/* A pool's records and rings.
 *
 * Who is killed holding the latch, and what the next holder finds:
 *   between taking a record from the free list and queueing it: a record that is FILLING and nobody's: lost
 *     until the pool ends. Only a worker that submits can lose one.
 *   between a slab and the number of slabs: the next one that needs a slab takes this one.
 *   in a list of waiting records, linked but not counted, or counted twice: repair() counts again.
 *   between an entry of a ring and its tail: the entry is not there; what the record waits in is unchanged.
 *   between the ring's tail and the list's head: the reference is in both, which does no harm. */
#include "pool_shared.h"

#include "fault.h"

#include <string.h>

static uint64_t first_line(uint64_t handle)
{
    return pool_align((handle & POSITION_MASK) * UNIT + sizeof(struct block));
}

mproc_err mproc__pool_lines(uint64_t size, uint64_t *handle, uint64_t *offset)
{
    mproc_err err = mproc__arena_alloc(BLOCK_TASK, size + POOL_LINE, handle);
    if (err == MPROC_OK)
        *offset = first_line(*handle);
    return err;
}

/* ---- records ---- */

static uint32_t slab_of(uint32_t index, uint32_t *inside)
{
    uint32_t value = index / POOL_FIRST_SLAB + 1, slab = 0;
    while (value >>= 1)
        slab++;
    *inside = index - POOL_FIRST_SLAB * ((1u << slab) - 1);
    return slab;
}

struct task *mproc__pool_task(struct pool_shared *shared, uint32_t index)
{
    uint32_t inside, slab = slab_of(index, &inside);
    uint64_t at = atomic_load_explicit(&shared->slab_at[slab], memory_order_relaxed);
    return (struct task *) mproc_plat_region_at(at) + inside;
}

/* The records are used in the order of their numbers: fresh ones are not linked, to touch no page early. */
static mproc_err add_slab(struct pool_shared *shared)
{
    uint32_t slab = atomic_load(&shared->slabs);
    if (slab == POOL_SLABS)
        return mproc__fail(MPROC_ENOMEM, "the pool has %u tasks under way, the most there can be",
                           atomic_load(&shared->records));
    uint64_t count = (uint64_t) POOL_FIRST_SLAB << slab, at;
    uint64_t handle = atomic_load(&shared->slab[slab]); /* of a killed worker that did not come to count it */
    mproc_err err = handle ? MPROC_OK : mproc__pool_lines(count * sizeof(struct task), &handle, &at);
    if (err != MPROC_OK)
        return err;
    atomic_store(&shared->slab[slab], handle);
    atomic_store(&shared->slab_at[slab], first_line(handle));
    MPROC_FAULT("pool.slab_set");
    atomic_store(&shared->slabs, slab + 1);
    return MPROC_OK;
}

mproc_err mproc__pool_take(struct pool_shared *shared, struct task **task, uint32_t *index)
{
    uint32_t first = atomic_load_explicit(&shared->free_first, memory_order_relaxed);
    if (first) {
        *index = first - 1;
        *task = mproc__pool_task(shared, *index);
        atomic_store_explicit(&shared->free_first,
                              atomic_load_explicit(&(*task)->link, memory_order_relaxed),
                              memory_order_relaxed);
    } else {
        uint32_t used = atomic_load(&shared->records);
        uint32_t slabs = atomic_load(&shared->slabs);
        if (used == POOL_FIRST_SLAB * ((1u << slabs) - 1)) {
            mproc_err err = add_slab(shared);
            if (err != MPROC_OK)
                return err;
        }
        *index = used;
        *task = mproc__pool_task(shared, used);
        atomic_store(&shared->records, used + 1);
    }
    uint64_t old = atomic_load_explicit(&(*task)->state, memory_order_relaxed);
    uint64_t tag = (task_tag(old) + 1) & 0x7fffffff;
    atomic_store_explicit(&(*task)->state, (tag ? tag : 1) << TASK_TAG_SHIFT | TASK_FILLING,
                          memory_order_relaxed);
    MPROC_FAULT("pool.record_taken");
    return MPROC_OK;
}

void mproc__pool_give(struct pool_shared *shared, struct task *task, uint32_t index)
{
    uint64_t state = atomic_load_explicit(&task->state, memory_order_relaxed);
    atomic_store_explicit(&task->state, (uint64_t) task_tag(state) << TASK_TAG_SHIFT | TASK_FREE,
                          memory_order_relaxed);
    atomic_store_explicit(&task->link,
                          atomic_load_explicit(&shared->free_first, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&shared->free_first, index + 1, memory_order_relaxed);
}

void mproc__pool_return(struct pool_shared *shared, struct task *task, uint32_t index)
{
    uint64_t state = atomic_load_explicit(&task->state, memory_order_relaxed);
    atomic_store_explicit(&task->state, (uint64_t) task_tag(state) << TASK_TAG_SHIFT | TASK_FREE,
                          memory_order_relaxed);
    uint32_t first = atomic_load_explicit(&shared->returned, memory_order_relaxed);
    do {
        atomic_store_explicit(&task->link, first, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&shared->returned, &first, index + 1,
                                                    memory_order_release, memory_order_relaxed));
}

/* All at once, so that nobody sees a first one that others have taken and given back. */
void mproc__pool_reuse(struct pool_shared *shared)
{
    if (atomic_load_explicit(&shared->free_first, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&shared->returned, memory_order_relaxed) != 0)
        atomic_store(&shared->free_first,
                     atomic_exchange_explicit(&shared->returned, 0, memory_order_acquire));
}

static uint64_t block_of(uint64_t offset)
{
    return offset / UNIT - 1;
}

/* The block whose bytes begin at this offset, as a handle. */
void mproc__pool_free_bytes(uint64_t offset)
{
    struct block *block = mproc_plat_region_at(block_of(offset) * UNIT);
    uint32_t tag = atomic_load(&block->tag);
    if (tag >> GENERATION_BITS == BLOCK_TASK)
        mproc__arena_free(BLOCK_TASK, (uint64_t) tag << POSITION_BITS | block_of(offset));
}

/* Bytes of the caller's in shared memory are used where they are. */
static uint64_t shared_offset(const void *bytes, size_t size)
{
    uint64_t offset = mproc_plat_region_offset(bytes);
    if (offset == UINT64_MAX ||
        mproc_plat_region_offset((const char *) bytes + size - 1) != offset + size - 1)
        return 0;
    return offset;
}

enum { ALIGNMENT = 16 };

mproc_err mproc__pool_bytes(uint64_t size, uint64_t *offset)
{
    uint64_t handle;
    mproc_err err = mproc__arena_alloc(BLOCK_TASK, size, &handle);
    if (err == MPROC_OK)
        *offset = ((handle & POSITION_MASK) + 1) * UNIT;
    return err;
}

mproc_err mproc__task_fill(struct task *task, const void *in, size_t in_size, size_t out_size)
{
    size_t used = 0;
    task->in = task->out = 0;
    task->in_size = in_size;
    task->out_size = out_size;
    task->owns = 0;
    uint64_t inside = 0;
    if ((in_size && in_size <= POOL_INLINE) || (out_size && out_size <= POOL_INLINE))
        inside = mproc_plat_region_offset(task->inside);
    if (in_size && in_size <= POOL_INLINE) {
        memcpy(task->inside, in, in_size);
        task->in = inside;
        used = (in_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    } else if (in_size) {
        task->in = shared_offset(in, in_size);
        if (task->in == 0) {
            mproc_err err = mproc__pool_bytes(in_size, &task->in);
            if (err != MPROC_OK)
                return err;
            task->owns = TASK_OWNS_IN;
            memcpy(mproc_plat_region_at(task->in), in, in_size);
        }
    }
    if (out_size && out_size <= POOL_INLINE - used) {
        task->out = inside + used;
        memset(task->inside + used, 0, out_size);
    } else if (out_size) {
        mproc_err err = mproc__pool_bytes(out_size, &task->out);
        if (err != MPROC_OK) {
            mproc__task_empty(task);
            return err;
        }
        task->owns |= TASK_OWNS_OUT;
    }
    return MPROC_OK;
}

void mproc__task_empty(struct task *task)
{
    if (task->owns & TASK_OWNS_IN)
        mproc__pool_free_bytes(task->in);
    if (task->owns & TASK_OWNS_OUT)
        mproc__pool_free_bytes(task->out);
    task->owns = 0;
    task->in = task->out = 0;
}

void mproc__task_finish(struct pool_shared *shared, struct task *task, uint32_t index,
                        uint64_t running)
{
    uint64_t done = (running & ~(TASK_PHASE | TASK_BITS)) | TASK_DONE;
    uint64_t seen = atomic_exchange(&task->state, done);
    MPROC_FAULT("pool.done");
    if (seen & TASK_TOLD) {
        mproc__task_tell(shared, task, index);
        MPROC_FAULT("pool.told");
    }
    if (seen & TASK_WAITED)
        mproc__gate_wake_all(&shared->done);
}

void mproc__task_tell(struct pool_shared *shared, struct task *task, uint32_t index)
{
    uint32_t first = atomic_load(&shared->finished);
    do {
        atomic_store_explicit(&task->finished, first, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&shared->finished, &first, index + 1));
    mproc__gate_wake_fenced(&shared->events);
}

/* ---- rings ---- */

static _Atomic uint64_t *entries_of(struct ring *ring)
{
    uint64_t at = atomic_load_explicit(&ring->entries, memory_order_acquire);
    return at ? mproc_plat_region_at(at) : NULL;
}

/* The head is looked at only when the last look does not say enough: its line is the workers'. */
static bool ring_is_full(struct ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail - ring->head_seen >= POOL_RING)
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
    return tail - ring->head_seen >= POOL_RING;
}

mproc_err mproc__pool_level(struct pool_shared *shared, uint32_t level)
{
    struct ring *ring = &shared->rings[level];
    if (atomic_load_explicit(&ring->entries, memory_order_relaxed))
        return MPROC_OK;
    uint64_t at;
    mproc_err err = mproc__pool_lines(POOL_RING * sizeof(uint64_t), &ring->block, &at);
    if (err != MPROC_OK)
        return err;
    atomic_store(&ring->entries, at);
    atomic_fetch_or(&shared->levels, 1u << level);
    return MPROC_OK;
}

static void append(struct ring *ring, uint64_t reference)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&entries_of(ring)[tail % POOL_RING], reference, memory_order_relaxed);
    MPROC_FAULT("pool.entry_written");
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    MPROC_FAULT("pool.tail_moved");
}

static void list(struct pool_shared *shared, struct ring *ring, uint32_t index)
{
    atomic_store(&mproc__pool_task(shared, index)->link, 0);
    uint32_t last = atomic_load(&ring->list_last);
    if (last)
        atomic_store(&mproc__pool_task(shared, last - 1)->link, index + 1);
    else
        atomic_store(&ring->list_first, index + 1);
    MPROC_FAULT("pool.listed");
    atomic_store(&ring->list_last, index + 1);
    atomic_fetch_add(&ring->listed, 1);
}

bool mproc__pool_push(struct pool_shared *shared, uint32_t level, uint64_t reference)
{
    struct ring *ring = &shared->rings[level];
    bool full = ring_is_full(ring) ||
                atomic_load_explicit(&ring->list_first, memory_order_relaxed) != 0;
    if (!full) {
        append(ring, reference);
        return true;
    }
    if (reference & REFERENCE_JOB)
        return false;
    list(shared, ring, (uint32_t) reference);
    return true;
}

/* Records that wait for room, into the ring; under the latch. */
static void refill(struct pool_shared *shared, struct ring *ring)
{
    uint32_t first;
    while ((first = atomic_load(&ring->list_first)) != 0 && !ring_is_full(ring)) {
        struct task *task = mproc__pool_task(shared, first - 1);
        uint64_t state = atomic_load(&task->state);
        uint32_t next = atomic_load(&task->link);
        /* One that was cancelled goes through the ring too: whoever draws it puts it aside. */
        append(ring, task_reference(first - 1, state));
        atomic_store(&ring->list_first, next);
        if (next == 0)
            atomic_store(&ring->list_last, 0);
        atomic_fetch_sub(&ring->listed, 1);
    }
}

static void repair(struct pool_shared *shared)
{
    for (int level = 0; level < POOL_LEVELS; level++) {
        struct ring *ring = &shared->rings[level];
        uint32_t last = 0, count = 0, most = atomic_load(&shared->records);
        for (uint32_t at = atomic_load(&ring->list_first); at && count <= most; count++) {
            last = at;
            at = atomic_load(&mproc__pool_task(shared, at - 1)->link);
        }
        atomic_store(&ring->list_last, last);
        atomic_store(&ring->listed, count);
    }
}

void mproc__pool_lock(struct pool_shared *shared)
{
    mproc__log_hold();
    if (mproc__latch_acquire(&shared->latch, MPROC_PLAT_NEVER) == MPROC_OWNERDEAD) {
        mproc_log(MPROC_LOG_DEBUG,
                  "a worker died submitting a task; its pool's lists are counted again");
        repair(shared);
    }
}

uint64_t mproc__pool_depth(struct pool_shared *shared)
{
    uint64_t depth = 0;
    uint32_t levels = atomic_load_explicit(&shared->levels, memory_order_relaxed);
    for (uint32_t level = 0; level < POOL_LEVELS; level++)
        if (levels >> level & 1)
            depth += atomic_load_explicit(&shared->rings[level].tail, memory_order_relaxed) -
                     atomic_load_explicit(&shared->rings[level].head, memory_order_relaxed);
    return depth;
}

bool mproc__pool_has_work(struct pool_shared *shared, uint32_t lowest)
{
    uint32_t levels = atomic_load_explicit(&shared->levels, memory_order_relaxed);
    if (levels >> lowest == 0)
        return false;
    for (uint32_t level = POOL_LEVELS; level-- > lowest;) {
        if (!(levels >> level & 1))
            continue;
        struct ring *ring = &shared->rings[level];
        if (atomic_load_explicit(&ring->head, memory_order_relaxed) !=
                atomic_load_explicit(&ring->tail, memory_order_acquire) ||
            atomic_load_explicit(&ring->list_first, memory_order_relaxed) != 0)
            return true;
    }
    return false;
}

/* A job stays alone in the lane: while it is helped, the lane is free for what comes first. */
static uint64_t copy_entries(struct ring *ring, struct seat *seat, uint64_t head, uint64_t count)
{
    const _Atomic uint64_t *entries = entries_of(ring);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t entry = atomic_load_explicit(&entries[(head + i) % POOL_RING],
                                              memory_order_relaxed);
        if (entry & REFERENCE_JOB && i > 0)
            return i;
        atomic_store_explicit(&seat->lane[i], entry, memory_order_relaxed);
        if (entry & REFERENCE_JOB)
            return 1;
    }
    return count;
}

/* Into the lane first, then the head: killed between, they are in both. */
static uint32_t fetch_from(struct ring *ring, struct seat *seat, uint32_t most)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    for (;;) {
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if ((int64_t) (tail - head) <= 0)
            return 0;
        uint64_t count = tail - head < most ? tail - head : most;
        count = copy_entries(ring, seat, head, count);
        atomic_store_explicit(&seat->lane_next, 0, memory_order_relaxed);
        atomic_store_explicit(&seat->lane_end, (uint32_t) count, memory_order_release);
        MPROC_FAULT("pool.lane_filled");
        if (atomic_compare_exchange_strong(&ring->head, &head, head + count)) {
            MPROC_FAULT("pool.head_moved");
            return (uint32_t) count;
        }
        atomic_store_explicit(&seat->lane_end, 0, memory_order_relaxed);
    }
}

uint32_t mproc__pool_fetch(struct pool_shared *shared, struct seat *seat, uint32_t most)
{
    uint32_t levels = atomic_load_explicit(&shared->levels, memory_order_relaxed);
    for (uint32_t level = POOL_LEVELS; level-- > 0;) {
        if (!(levels >> level & 1))
            continue;
        struct ring *ring = &shared->rings[level];
        uint64_t depth = atomic_load_explicit(&ring->tail, memory_order_relaxed) -
                         atomic_load_explicit(&ring->head, memory_order_relaxed);
        uint32_t listed = atomic_load_explicit(&ring->listed, memory_order_relaxed);
        if (depth == 0 && listed == 0)
            continue;
        if (listed && depth < POOL_RING / 2) {
            mproc__pool_lock(shared);
            refill(shared, ring);
            mproc__pool_unlock(shared);
            depth = POOL_RING / 2;
        }
        uint64_t share = depth / (2 * (uint64_t) atomic_load_explicit(&shared->workers,
                                                                      memory_order_relaxed) +
                                  1);
        uint32_t fetched = fetch_from(ring, seat,
                                      share < most ? (share ? (uint32_t) share : 1) : most);
        if (fetched)
            return fetched;
    }
    return 0;
}
