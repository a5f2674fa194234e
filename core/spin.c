/* SPDX-License-Identifier: MIT */
/* Learning how long to look before sleeping. */
#include "spin.h"

#include <stdlib.h>

/* To see the answer of somebody who has to be woken first takes longer than his waking. */
enum { TRY = 100000, LONGEST = 60000, SHORTEST = 2000, MOST_BACKOFF = 9 };

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

static int64_t budget_of(struct spin *spin)
{
    if (forbidden())
        return 0;
    uint32_t budget = atomic_load_explicit(&spin->budget, memory_order_relaxed);
    if (budget)
        return budget;
    uint16_t skip = atomic_load_explicit(&spin->skip, memory_order_relaxed);
    if (skip == 0)
        return TRY;
    atomic_store_explicit(&spin->skip, (uint16_t) (skip - 1), memory_order_relaxed);
    return 0;
}

static void was_in_vain(struct spin *spin)
{
    uint32_t budget = atomic_load_explicit(&spin->budget, memory_order_relaxed);
    budget = budget / 2 >= SHORTEST ? budget / 2 : 0;
    atomic_store_explicit(&spin->budget, budget, memory_order_relaxed);
    if (budget)
        return;
    uint16_t backoff = atomic_load_explicit(&spin->backoff, memory_order_relaxed);
    if (backoff < MOST_BACKOFF)
        atomic_store_explicit(&spin->backoff, ++backoff, memory_order_relaxed);
    atomic_store_explicit(&spin->skip, (uint16_t) (8u << (backoff > MOST_BACKOFF ? MOST_BACKOFF : backoff)),
                          memory_order_relaxed);
}

bool mproc__look_slowly(struct look *look)
{
    if (look->until == 0) {
        int64_t budget = budget_of(look->spin);
        if (budget == 0)
            return false;
        look->begin = mproc_plat_now();
        look->until = look->begin + budget;
        return true;
    }
    if (mproc_plat_now() < look->until) {
        mproc__pause();
        return true;
    }
    was_in_vain(look->spin);
    return false;
}

void mproc__look_helped(struct look *look)
{
    if (look->until == 0)
        return;
    /* Below 32 pauses it was over at once, and the clock need not be asked. */
    int64_t looked = look->pauses < 32 ? 0 : mproc_plat_now() - look->begin;
    int64_t wanted = 2 * looked < SHORTEST * 4 ? SHORTEST * 4 : 2 * looked;
    uint32_t budget = (uint32_t) (wanted > LONGEST ? LONGEST : wanted);
    if (atomic_load_explicit(&look->spin->budget, memory_order_relaxed) < budget)
        atomic_store_explicit(&look->spin->budget, budget, memory_order_relaxed);
    if (atomic_load_explicit(&look->spin->backoff, memory_order_relaxed))
        atomic_store_explicit(&look->spin->backoff, 0, memory_order_relaxed);
}
