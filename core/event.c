/* SPDX-License-Identifier: MIT */
/* Event: a word that counts how often it was set, so that nobody misses one that was cleared at once.
 * With the exchange that sets it a waiter may return and destroy it: what comes after that is the gate's alone.
 * Killed in set before the exchange: nothing; after it: it is set, and the gate's slices wake who waits. */
#include "mproc/event.h"

#include "describe.h"
#include "gate.h"
#include "registry.h"

#include <stddef.h>

struct event {
    struct gate gate;      /* the first: gate.h */
    _Atomic uint32_t word; /* bit 0: it is set; above: how often */
};
_Static_assert(offsetof(struct event, gate) == 0, "what is woken late finds a gate");
enum { IS_SET = 1, ONE_MORE = 2 };

mproc_err mproc_event_create(mproc_event *event)
{
    if (!event)
        return mproc__fail(MPROC_EINVAL, "mproc_event_create: event is NULL");
    mproc_err err = mproc__object_create(BLOCK_EVENT, sizeof(struct event), &event->id);
    if (err == MPROC_OK)
        ((struct event *) mproc__object(BLOCK_EVENT, event->id))->gate.object = event->id;
    return err;
}

mproc_err mproc_event_destroy(mproc_event event)
{
    return mproc__object_destroy(BLOCK_EVENT, event.id);
}

mproc_err mproc_event_set(mproc_event event)
{
    struct event *found = mproc__object(BLOCK_EVENT, event.id);
    if (!found)
        return mproc__object_error(event.id);
    uint32_t seen = atomic_load(&found->word);
    do {
        if (seen & IS_SET)
            return MPROC_OK;
    } while (!atomic_compare_exchange_weak(&found->word, &seen, (seen + ONE_MORE) | IS_SET));
    MPROC_FAULT("event.set");
    mproc__gate_wake_all(&found->gate);
    return MPROC_OK;
}

mproc_err mproc_event_clear(mproc_event event)
{
    struct event *found = mproc__object(BLOCK_EVENT, event.id);
    if (!found)
        return mproc__object_error(event.id);
    atomic_fetch_and(&found->word, ~(uint32_t) IS_SET);
    return MPROC_OK;
}

bool mproc_event_is_set(mproc_event event)
{
    struct event *found = mproc__object(BLOCK_EVENT, event.id);
    return found && atomic_load_explicit(&found->word, memory_order_acquire) & IS_SET;
}

struct waiting {
    struct event *event;
    uint32_t before;
};

static bool was_set(void *context)
{
    const struct waiting *waiting = context;
    uint32_t word = atomic_load_explicit(&waiting->event->word, memory_order_acquire);
    return word & IS_SET || word >> 1 != waiting->before >> 1;
}

mproc_err mproc_event_wait(mproc_event event, mproc_ms timeout)
{
    struct event *found = mproc__object(BLOCK_EVENT, event.id);
    if (!found)
        return mproc__object_error(event.id);
    struct waiting waiting = { found, atomic_load(&found->word) };
    if (was_set(&waiting))
        return MPROC_OK;
    mproc_err err = mproc__gate_wait(&found->gate, was_set, &waiting, mproc__deadline(timeout));
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "the event was not set within %lld ms", (long long) timeout);
    return err;
}

void mproc__event_describe(const void *object, struct text *text)
{
    const struct event *event = object;
    mproc__text_add(text, atomic_load(&event->word) & IS_SET ? "set" : "not set");
}
