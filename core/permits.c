/* SPDX-License-Identifier: MIT */
/* Permits: one word per permit that names the process that has it. Killed before the exchange that
 * takes it: nothing. After it: a waiter's slice ends, it finds the dead name, and the permit is free
 * again. Killed between giving back and the wake-up: the gate's slices wake who waits. With the exchange that gives it
 * back a waiter may return and destroy them: what comes after that is the gate's alone. */
#include "mproc/semaphore.h"

#include "describe.h"
#include "gate.h"
#include "registry.h"

#include <stddef.h>

struct permits {
    struct gate gate; /* the first: gate.h */
    uint32_t count;
    struct sentry sentry;
    _Atomic uint32_t holders[]; /* tokens; 0 is free */
};
_Static_assert(offsetof(struct permits, gate) == 0, "what is woken late finds a gate");
enum { MOST_PERMITS = 65536 };

mproc_err mproc_permits_create(mproc_permits *permits, int count)
{
    if (!permits)
        return mproc__fail(MPROC_EINVAL, "mproc_permits_create: permits is NULL");
    if (count < 1 || count > MOST_PERMITS)
        return mproc__fail(MPROC_EINVAL, "%d permits: there can be 1 to %d", count, MOST_PERMITS);
    mproc_err err = mproc__object_create(BLOCK_PERMITS,
                                         sizeof(struct permits) + (size_t) count * sizeof(uint32_t),
                                         &permits->id);
    if (err != MPROC_OK)
        return err;
    struct permits *created = mproc__object(BLOCK_PERMITS, permits->id);
    created->count = (uint32_t) count;
    created->gate.object = permits->id;
    return MPROC_OK;
}

mproc_err mproc_permits_destroy(mproc_permits permits)
{
    return mproc__object_destroy(BLOCK_PERMITS, permits.id);
}

/* Changes one place from `from` to `to`. Each process begins elsewhere, so that few meet. */
static bool change(struct permits *permits, uint32_t from, uint32_t to)
{
    uint32_t first = (mproc__self_token() & 0x3fff) % permits->count;
    for (uint32_t i = 0; i < permits->count; i++) {
        _Atomic uint32_t *place = &permits->holders[(first + i) % permits->count];
        uint32_t seen = from;
        if (atomic_load_explicit(place, memory_order_relaxed) == from &&
            atomic_compare_exchange_strong(place, &seen, to))
            return true;
    }
    return false;
}

static bool take(void *context)
{
    return change(context, 0, mproc__self_token());
}

static void sweep(void *context)
{
    struct permits *permits = context;
    process_token living = mproc__self_token();
    for (uint32_t i = 0; i < permits->count; i++) {
        uint32_t token = atomic_load(&permits->holders[i]);
        if (token == 0 || token == living)
            continue;
        /* It may be the only look: "at once" is not two milliseconds after it was seen alive. */
        if (mproc__token_alive_now(token))
            living = token;
        else if (atomic_compare_exchange_strong(&permits->holders[i], &token, 0))
            mproc__gate_wake(&permits->gate);
    }
}

static bool any_free(const struct permits *permits)
{
    for (uint32_t i = 0; i < permits->count; i++)
        if (atomic_load_explicit(&permits->holders[i], memory_order_relaxed) == 0)
            return true;
    return false;
}

mproc_err mproc_permits_acquire(mproc_permits permits, mproc_ms timeout)
{
    struct permits *found = mproc__object(BLOCK_PERMITS, permits.id);
    if (!found)
        return mproc__object_error(permits.id);
    if (take(found))
        return MPROC_OK;
    mproc_err err = mproc__gate_watch(&found->gate, &found->sentry, take, sweep, found,
                                      mproc__deadline(timeout));
    MPROC_FAULT("permits.taken");
    if (err == MPROC_OK && any_free(found))
        mproc__gate_wake(&found->gate);
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "none of %lu permits was free within %lld ms", (unsigned long) found->count,
                           (long long) timeout);
    return err;
}

mproc_err mproc_permits_release(mproc_permits permits)
{
    struct permits *found = mproc__object(BLOCK_PERMITS, permits.id);
    if (!found)
        return mproc__object_error(permits.id);
    if (!change(found, mproc__self_token(), 0))
        return mproc__fail(MPROC_EPERM, "this process has no permit to release");
    MPROC_FAULT("permits.released");
    mproc__gate_wake_fenced(&found->gate);
    return MPROC_OK;
}

int mproc_permits_free(mproc_permits permits)
{
    struct permits *found = mproc__object(BLOCK_PERMITS, permits.id);
    int free = 0;
    for (uint32_t i = 0; found && i < found->count; i++)
        free += atomic_load_explicit(&found->holders[i], memory_order_relaxed) == 0;
    return found ? free : -1;
}

void mproc__permits_describe(const void *object, struct text *text)
{
    const struct permits *permits = object;
    const char *before = ", held by ";
    mproc__text_add(text, "%lu in all", (unsigned long) permits->count);
    for (uint32_t i = 0; i < permits->count; i++) {
        process_token holder = atomic_load(&permits->holders[i]);
        if (holder == 0)
            continue;
        mproc__text_add(text, "%s", before);
        mproc__text_add_process(text, holder);
        before = ", ";
    }
}
