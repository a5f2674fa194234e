/* SPDX-License-Identifier: MIT */
/* Semaphore and BoundedSemaphore: a counter and a gate. Killed between taking from the counter, or adding
 * to it, and the wake-up: the counter is right, and the gate's slices wake who waits. With the exchange that adds to it
 * a waiter may return and destroy it: what comes after that is the gate's alone. */
#include "mproc/semaphore.h"

#include "describe.h"
#include "gate.h"
#include "registry.h"

#include <stddef.h>

struct semaphore {
    struct gate gate; /* the first: gate.h */
    _Atomic uint32_t value;
    uint32_t most;
};
_Static_assert(offsetof(struct semaphore, gate) == 0, "what is woken late finds a gate");

static mproc_err create(mproc_semaphore *semaphore, int value, uint32_t most)
{
    if (!semaphore || value < 0)
        return mproc__fail(MPROC_EINVAL, "mproc_semaphore_create: %s",
                           semaphore ? "the value is negative" : "semaphore is NULL");
    mproc_err err = mproc__object_create(BLOCK_SEMAPHORE, sizeof(struct semaphore), &semaphore->id);
    if (err != MPROC_OK)
        return err;
    struct semaphore *created = mproc__object(BLOCK_SEMAPHORE, semaphore->id);
    created->most = most;
    created->gate.object = semaphore->id;
    atomic_store(&created->value, (uint32_t) value);
    return MPROC_OK;
}

mproc_err mproc_semaphore_create(mproc_semaphore *semaphore, int value)
{
    return create(semaphore, value, MPROC_SEMAPHORE_MAX);
}

mproc_err mproc_semaphore_create_bounded(mproc_semaphore *semaphore, int value)
{
    return create(semaphore, value, (uint32_t) value);
}

mproc_err mproc_semaphore_destroy(mproc_semaphore semaphore)
{
    return mproc__object_destroy(BLOCK_SEMAPHORE, semaphore.id);
}

static bool take(void *context)
{
    struct semaphore *semaphore = context;
    uint32_t value = atomic_load_explicit(&semaphore->value, memory_order_relaxed);
    while (value > 0)
        if (atomic_compare_exchange_weak(&semaphore->value, &value, value - 1))
            return true;
    return false;
}

mproc_err mproc_semaphore_acquire(mproc_semaphore semaphore, mproc_ms timeout)
{
    struct semaphore *found = mproc__object(BLOCK_SEMAPHORE, semaphore.id);
    if (!found)
        return mproc__object_error(semaphore.id);
    if (take(found))
        return MPROC_OK;
    mproc_err err = mproc__gate_wait(&found->gate, take, found, mproc__deadline(timeout));
    MPROC_FAULT("semaphore.taken");
    /* Releases that came while this wake-up was under way have woken nobody. */
    if (err == MPROC_OK && atomic_load(&found->value) > 0)
        mproc__gate_wake(&found->gate);
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "the semaphore stayed at 0 for %lld ms", (long long) timeout);
    return err;
}

mproc_err mproc_semaphore_release(mproc_semaphore semaphore)
{
    struct semaphore *found = mproc__object(BLOCK_SEMAPHORE, semaphore.id);
    if (!found)
        return mproc__object_error(semaphore.id);
    uint32_t value = atomic_load_explicit(&found->value, memory_order_relaxed);
    do {
        if (value >= found->most)
            return mproc__fail(MPROC_ESTATE, "the semaphore was released more often than acquired: its "
                                             "bound is %lu", (unsigned long) found->most);
    } while (!atomic_compare_exchange_weak(&found->value, &value, value + 1));
    MPROC_FAULT("semaphore.released");
    mproc__gate_wake_fenced(&found->gate);
    return MPROC_OK;
}

int mproc_semaphore_value(mproc_semaphore semaphore)
{
    struct semaphore *found = mproc__object(BLOCK_SEMAPHORE, semaphore.id);
    return found ? (int) atomic_load(&found->value) : -1;
}

void mproc__semaphore_describe(const void *object, struct text *text)
{
    const struct semaphore *semaphore = object;
    mproc__text_add(text, "value %lu", (unsigned long) atomic_load(&semaphore->value));
    if (semaphore->most != MPROC_SEMAPHORE_MAX)
        mproc__text_add(text, " of %lu", (unsigned long) semaphore->most);
}
