/* SPDX-License-Identifier: MIT */
/* The list of a family's objects: chunks of places that are found by hashing the handle. Killed between
 * creating and listing: the object is not in the list, nothing else. Between unlisting and
 * destroying: the same. */
#include "registry.h"

#include "describe.h"
#include "fault.h"
#include "trace.h"

enum { PLACES = 1024, PROBES = 16 };

static _Atomic uint64_t *chunk_at(int number)
{
    uint64_t handle = atomic_load(&mproc__family()->registry[number]);
    return handle ? mproc__object(BLOCK_REGISTRY, handle) : NULL;
}

static _Atomic uint64_t *add_chunk(int number)
{
    uint64_t handle, nothing = 0;
    if (mproc__arena_alloc(BLOCK_REGISTRY, PLACES * sizeof(uint64_t), &handle) != MPROC_OK)
        return NULL;
    if (!atomic_compare_exchange_strong(&mproc__family()->registry[number], &nothing, handle))
        mproc__arena_free(BLOCK_REGISTRY, handle);
    return chunk_at(number);
}

static uint32_t first_place(uint64_t handle)
{
    return (uint32_t) ((handle & POSITION_MASK) * UINT64_C(0x9E3779B97F4A7C15) >> 40);
}

/* Changes a place that is `from` to `to`. */
static bool change(uint64_t handle, uint64_t from, uint64_t to, bool grow)
{
    for (int number = 0; number < REGISTRY_CHUNKS; number++) {
        _Atomic uint64_t *chunk = chunk_at(number);
        if (!chunk && grow)
            chunk = add_chunk(number);
        if (!chunk)
            return false;
        for (uint32_t i = 0; i < PROBES; i++) {
            uint64_t seen = from;
            if (atomic_compare_exchange_strong(&chunk[(first_place(handle) + i) % PLACES], &seen, to))
                return true;
        }
    }
    return false;
}

mproc_err mproc__object_create(enum block_type type, uint64_t size, uint64_t *handle)
{
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK)
        err = mproc__arena_alloc(type, size, handle);
    if (err == MPROC_OK)
        change(*handle, 0, *handle, true);
    return err;
}

mproc_err mproc__object_list(uint64_t handle)
{
    return change(handle, 0, handle, true)
               ? MPROC_OK
               : mproc__fail(MPROC_ENOMEM, "the family's list of objects has no place left; destroy some");
}

mproc_err mproc__object_destroy(enum block_type type, uint64_t handle)
{
    if (handle == 0)
        return MPROC_OK;
    if (!mproc__object(type, handle))
        return mproc__object_error(handle);
    change(handle, handle, 0, false);
    return mproc__arena_free(type, handle);
}

void mproc__objects_visit(void (*visit)(uint64_t handle, void *context), void *context)
{
    for (int number = 0; number < REGISTRY_CHUNKS; number++) {
        _Atomic uint64_t *chunk = chunk_at(number);
        for (int i = 0; chunk && i < PLACES; i++) {
            uint64_t handle = atomic_load(&chunk[i]);
            if (handle)
                visit(handle, context);
        }
    }
}

_Atomic uint64_t *mproc__waits_begin(uint64_t handle)
{
    struct slot *slot = handle ? mproc__slot_of(mproc__self_peek()) : NULL;
    for (int i = 0; slot && i < SLOT_WAITS; i++) {
        uint64_t nothing = 0;
        if (atomic_load_explicit(&slot->waits[i], memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&slot->waits[i], &nothing, handle)) {
            mproc__trace('B', "wait", mproc__object_kind(handle), handle);
            return &slot->waits[i];
        }
    }
    return NULL;
}

void mproc__waits_end(_Atomic uint64_t *place)
{
    if (!place)
        return;
    mproc__trace('E', "wait", "", 0);
    atomic_store_explicit(place, 0, memory_order_release);
}

struct waits {
    uint64_t handle;
    void (*visit)(process_token token, void *context);
    void *context;
};

static void look_at(struct slot *slot, process_token token, void *context)
{
    const struct waits *waits = context;
    for (int i = 0; i < SLOT_WAITS; i++)
        if (atomic_load(&slot->waits[i]) == waits->handle && mproc__token_alive_now(token))
            waits->visit(token, waits->context);
}

void mproc__waits_visit(uint64_t handle, void (*visit)(process_token token, void *context), void *context)
{
    struct waits waits = { handle, visit, context };
    mproc__slots_visit(look_at, &waits);
}
