/* SPDX-License-Identifier: MIT */
/* Gathering; gather.h says what for. */
#include "gather.h"

#include "channel.h"

enum { ROUNDS = 100, LEAST = 3, MOST_BACKOFF = 9 };
#define ROUND INT64_C(300) /* nanoseconds; in each, so many more must come that it is worth a round */

static void pause_for(int64_t nanoseconds)
{
    int64_t until = mproc_plat_now() + nanoseconds;
    do
        mproc__pause();
    while (mproc_plat_now() < until);
}

static uint32_t passed(const _Atomic uint64_t *word, uint32_t since)
{
    return (mproc__items_of(atomic_load_explicit(word, memory_order_relaxed)) - since) & ITEMS_MASK;
}

void mproc__gather_slowly(struct gather *gather, const _Atomic uint64_t *word, uint32_t enough)
{
    uint32_t first = passed(word, 0), before = 0;
    for (int round = 0; round < ROUNDS && before < enough; round++) {
        pause_for(ROUND);
        uint32_t now = passed(word, first), more = now - before;
        before = now;
        if (more < LEAST)
            break;
    }
    uint16_t backoff = atomic_load_explicit(&gather->backoff, memory_order_relaxed) % 16;
    if (before >= LEAST) {
        if (backoff != 0)
            atomic_store_explicit(&gather->backoff, 0, memory_order_relaxed);
        return;
    }
    if (backoff < MOST_BACKOFF)
        atomic_store_explicit(&gather->backoff, ++backoff, memory_order_relaxed);
    atomic_store_explicit(&gather->skip, (uint16_t) (32u << backoff), memory_order_relaxed);
}
