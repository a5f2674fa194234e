/* SPDX-License-Identifier: MIT */
/* Learning how long to look before sleeping. */
#include "spin.h"

#include <stdlib.h>

/* To see the answer of somebody who has to be woken first takes longer than his waking. */
enum { TRY = 100000, LONGEST = 60000, SHORTEST = 2000, MOST_BACKOFF = 9 };
/* A CPU that was given up should be back within SOON; what it is away longer is spread over later waits. */
enum { MOST_YIELDS = 2, SOON = 20000, WORTH_OF_A_WAIT = 256 };

/* MPROC_SPIN=0 in the environment: never look, for batteries and measurements. */
static bool forbidden(void)
{
    static _Atomic int answer = -1;
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (known < 0) {
        const char *text = getenv("MPROC_SPIN");
        known = text && text[0] == '0' && text[1] == '\0';
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known > 0;
}

static bool may_try(struct retry *retry)
{
    uint16_t skip = atomic_load_explicit(&retry->skip, memory_order_relaxed);
    if (skip != 0)
        atomic_store_explicit(&retry->skip, (uint16_t) (skip - 1), memory_order_relaxed);
    return skip == 0;
}

static void tried_in_vain(struct retry *retry)
{
    uint16_t backoff = atomic_load_explicit(&retry->backoff, memory_order_relaxed);
    backoff = backoff < MOST_BACKOFF ? backoff + 1 : MOST_BACKOFF;
    atomic_store_explicit(&retry->backoff, backoff, memory_order_relaxed);
    atomic_store_explicit(&retry->skip, (uint16_t) (8u << backoff), memory_order_relaxed);
}

static void tried_well(struct retry *retry)
{
    if (atomic_load_explicit(&retry->backoff, memory_order_relaxed))
        atomic_store_explicit(&retry->backoff, 0, memory_order_relaxed);
}

static int64_t budget_of(struct spin *spin)
{
    uint32_t budget = atomic_load_explicit(&spin->budget, memory_order_relaxed);
    /* It lies in shared memory, where a stray pointer may have been. */
    return budget ? (budget < LONGEST ? budget : LONGEST) : may_try(&spin->looking) ? TRY : 0;
}

static void looked_in_vain(struct spin *spin)
{
    uint32_t budget = atomic_load_explicit(&spin->budget, memory_order_relaxed);
    budget = budget / 2 >= SHORTEST ? budget / 2 : 0;
    atomic_store_explicit(&spin->budget, budget, memory_order_relaxed);
    if (budget == 0)
        tried_in_vain(&spin->looking);
}

/* Somebody else needed the CPU: what that has cost is spread over so many waits that it is little for each. */
static void came_late(struct retry *retry, int64_t late)
{
    int64_t skip = late / WORTH_OF_A_WAIT;
    atomic_store_explicit(&retry->skip, (uint16_t) (skip < UINT16_MAX ? skip : UINT16_MAX),
                          memory_order_relaxed);
}

/* The CPU goes to whoever is ready, and comes back soon or late. */
static bool yield(struct look *look)
{
    if (look->yields++ == MOST_YIELDS) {
        if (look->late > SOON)
            came_late(&look->spin->yielding, look->late);
        else
            tried_in_vain(&look->spin->yielding);
        return false;
    }
    int64_t begin = mproc_plat_now();
    mproc_plat_yield();
    look->late = mproc_plat_now() - begin;
    if (look->late > SOON)
        look->yields = MOST_YIELDS;
    return true;
}

bool mproc__look_slowly(struct look *look)
{
    if (look->yields != 0)
        return yield(look);
    if (look->until == 0) {
        if (forbidden())
            return false;
        int64_t budget = budget_of(look->spin);
        if (budget == 0)
            return may_try(&look->spin->yielding) && yield(look);
        look->begin = mproc_plat_now();
        look->until = look->begin + budget;
        return true;
    }
    if (mproc_plat_now() < look->until) {
        mproc__pause();
        return true;
    }
    looked_in_vain(look->spin);
    return false;
}

void mproc__look_helped(struct look *look)
{
    if (look->late > SOON)
        came_late(&look->spin->yielding, look->late);
    else if (look->yields != 0)
        tried_well(&look->spin->yielding);
    if (look->until == 0)
        return;
    /* Below 32 pauses it was over at once, and the clock need not be asked. */
    int64_t looked = look->pauses < 32 ? 0 : mproc_plat_now() - look->begin;
    int64_t wanted = 2 * looked < SHORTEST * 4 ? SHORTEST * 4 : 2 * looked;
    uint32_t budget = (uint32_t) (wanted > LONGEST ? LONGEST : wanted);
    if (atomic_load_explicit(&look->spin->budget, memory_order_relaxed) < budget)
        atomic_store_explicit(&look->spin->budget, budget, memory_order_relaxed);
    tried_well(&look->spin->looking);
}
