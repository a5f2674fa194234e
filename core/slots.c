/* SPDX-License-Identifier: MIT */
/* Slots: claimed by the parent before a start, occupied with a pid, released when the process was
 * reaped. A release is one store of the next generation, so every token of the dead process turns
 * stale at once. Killed between claim and occupy: the slot stays claimed by a dead parent and is
 * taken back when slots run short. */
#include "slots.h"

#include "compiler.h"
#include "arena.h"
#include "fault.h"
#include "thread_number.h"

enum { SLOTS_PER_CHUNK = 512, CHUNKS = 32, INDEX_BITS = 14 };

static _Atomic process_token self;
_Atomic process_token mproc__self_ready;

static process_token token_of(uint32_t index, uint32_t generation)
{
    return (generation & 0xffff) << INDEX_BITS | (index + 1);
}

static struct slot *slot_at(uint32_t index)
{
    struct family *family = mproc__family();
    if (index / SLOTS_PER_CHUNK >= atomic_load(&family->slot_chunks))
        return NULL;
    struct slot *chunk = mproc__arena_at(BLOCK_SLOTS,
                                         atomic_load(&family->slot_chunk[index / SLOTS_PER_CHUNK]));
    return chunk ? chunk + index % SLOTS_PER_CHUNK : NULL;
}

struct slot *mproc__slot_of(process_token token)
{
    uint32_t low = token & ((1u << INDEX_BITS) - 1);
    struct slot *slot = low ? slot_at(low - 1) : NULL;
    if (!slot)
        return NULL;
    uint32_t state = atomic_load(&slot->state);
    bool same = (state >> 8 & 0xffff) == ((token & TOKEN_MASK) >> INDEX_BITS);
    return same && (state & 0xff) != SLOT_FREE ? slot : NULL;
}

/* The index may have been taken by a process whose parent died before it could release it. */
static bool reclaim(struct slot *slot, uint32_t index)
{
    uint32_t state = atomic_load(&slot->state);
    process_token token = token_of(index, state >> 8);
    if ((state & 0xff) == SLOT_FREE || mproc__token_alive(token))
        return false;
    /* While the parent lives it is the parent's to release: it may still want to ask about it. */
    if (mproc__token_alive(slot->parent))
        return false;
    uint32_t next = ((state >> 8) + 1) << 8 | SLOT_FREE;
    return atomic_compare_exchange_strong(&slot->state, &state, next);
}

static bool claim(struct slot *slot, uint32_t index, process_token parent, process_token *token)
{
    uint32_t state = atomic_load(&slot->state);
    if ((state & 0xff) != SLOT_FREE)
        return false;
    if (!atomic_compare_exchange_strong(&slot->state, &state, (state & ~0xffu) | SLOT_CLAIMED))
        return false;
    MPROC_FAULT("slots.claimed");
    slot->parent = parent;
    atomic_store(&slot->pid, 0);
    atomic_store(&slot->stamp, 0);
    atomic_store(&slot->record, 0);
    for (int i = 0; i < SLOT_WAITS; i++)
        atomic_store(&slot->waits[i], 0);
    *token = token_of(index, state >> 8);
    return true;
}

static bool claim_any(process_token parent, process_token *token, bool reclaiming)
{
    struct family *family = mproc__family();
    uint32_t count = atomic_load(&family->slot_chunks) * SLOTS_PER_CHUNK;
    uint32_t start = atomic_load(&family->slot_hint);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = (start + i) % count;
        struct slot *slot = slot_at(index);
        if (reclaiming)
            reclaim(slot, index);
        if (claim(slot, index, parent, token)) {
            atomic_store(&family->slot_hint, index + 1);
            return true;
        }
    }
    return false;
}

static mproc_err add_chunk(void)
{
    struct family *family = mproc__family();
    uint32_t count = atomic_load(&family->slot_chunks);
    if (count == CHUNKS)
        return mproc__fail(MPROC_EAGAIN, "the family has %d processes, the most there can be",
                           CHUNKS * SLOTS_PER_CHUNK);
    uint64_t handle;
    mproc_err err = mproc__arena_alloc(BLOCK_SLOTS, SLOTS_PER_CHUNK * sizeof(struct slot), &handle);
    if (err != MPROC_OK)
        return err;
    /* Whoever fills the place first wins; the count follows and may be helped along. */
    uint64_t nothing = 0;
    if (!atomic_compare_exchange_strong(&family->slot_chunk[count], &nothing, handle))
        mproc__arena_free(BLOCK_SLOTS, handle);
    atomic_compare_exchange_strong(&family->slot_chunks, &count, count + 1);
    return MPROC_OK;
}

mproc_err mproc__slot_claim(process_token parent, process_token *token)
{
    for (;;) {
        if (claim_any(parent, token, false) || claim_any(parent, token, true))
            return MPROC_OK;
        mproc_err err = add_chunk();
        if (err != MPROC_OK)
            return err;
    }
}

void mproc__slot_occupy(process_token token, int64_t pid, uint64_t record)
{
    struct slot *slot = mproc__slot_of(token);
    if (!slot)
        return;
    atomic_store(&slot->pid, pid);
    atomic_store(&slot->record, record);
    uint32_t state = atomic_load(&slot->state);
    /* Parent and child may both say so. */
    if ((state & 0xff) == SLOT_CLAIMED)
        atomic_compare_exchange_strong(&slot->state, &state, (state & ~0xffu) | SLOT_LIVE);
}

void mproc__slot_release(process_token token)
{
    struct slot *slot = mproc__slot_of(token);
    if (!slot)
        return;
    uint32_t state = atomic_load(&slot->state);
    atomic_compare_exchange_strong(&slot->state, &state, ((state >> 8) + 1) << 8 | SLOT_FREE);
}

bool mproc__token_alive(process_token token)
{
    struct slot *slot = mproc__slot_of(token);
    if (!slot)
        return false;
    if ((atomic_load(&slot->state) & 0xff) == SLOT_CLAIMED)
        return (slot->parent & TOKEN_MASK) == (mproc__self_peek() & TOKEN_MASK) ||
               mproc__token_alive(slot->parent);
    int64_t pid = atomic_load(&slot->pid);
    uint64_t stamp;
    if (pid == mproc_plat_pid())
        return true;
    /* In doubt it lives: whoever takes over what a living process holds destroys it. */
    mproc_err err = mproc_plat_process_stamp(pid, &stamp);
    uint64_t known = atomic_load(&slot->stamp);
    return err == MPROC_OK ? known == 0 || known == stamp : err != MPROC_ENOTFOUND;
}

MPROC_IN_CHILD void mproc__self_set(process_token token)
{
    atomic_store(&self, token);
    atomic_store(&mproc__self_ready, 0);
    mproc__thread_unname();
}

process_token mproc__self_peek(void)
{
    return atomic_load_explicit(&self, memory_order_relaxed);
}

process_token mproc__self_token_first(void)
{
    process_token token = mproc__self_peek();
    struct slot *slot = mproc__slot_of(token);
    uint64_t stamp = 0;
    if (slot && mproc_plat_process_stamp(mproc_plat_pid(), &stamp) == MPROC_OK) {
        atomic_store(&slot->stamp, stamp);
        /* The parent may have died before it could say so. */
        mproc__slot_occupy(token, mproc_plat_pid(), atomic_load(&slot->record));
    }
    atomic_store_explicit(&mproc__self_ready, token, memory_order_release);
    return token;
}

void mproc__slots_visit(void (*visit)(struct slot *slot, process_token token, void *context),
                        void *context)
{
    uint32_t count = atomic_load(&mproc__family()->slot_chunks) * SLOTS_PER_CHUNK;
    for (uint32_t index = 0; index < count; index++) {
        struct slot *slot = slot_at(index);
        uint32_t state = atomic_load(&slot->state);
        if ((state & 0xff) == SLOT_LIVE)
            visit(slot, token_of(index, state >> 8), context);
    }
}

void mproc__slots_descendants(process_token token,
                              void (*visit)(const struct slot *slot, process_token token, void *context),
                              void *context)
{
    uint32_t count = atomic_load(&mproc__family()->slot_chunks) * SLOTS_PER_CHUNK;
    for (uint32_t index = 0; index < count; index++) {
        struct slot *slot = slot_at(index);
        uint32_t state = atomic_load(&slot->state);
        if ((state & 0xff) != SLOT_LIVE || slot->parent != token)
            continue;
        process_token child = token_of(index, state >> 8);
        visit(slot, child, context);
        mproc__slots_descendants(child, visit, context);
    }
}
