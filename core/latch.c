/* SPDX-License-Identifier: MIT */
/* Taking and giving back a lock word; latch.h says what happens to whom is killed where. */
#include "latch.h"

#include "compiler.h"
#include "fault.h"

/* How long a waiter sleeps before it asks whether the holder lives: first, and at most. */
#define FIRST_SLEEP INT64_C(2000000)
#define LONGEST_SLEEP INT64_C(100000000)

/* Takes a free or ownerless word, keeping the sleepers' bit. */
static bool take(_Atomic uint32_t *word, uint32_t seen, uint32_t wanted, mproc_err *err)
{
    if (!atomic_compare_exchange_strong(word, &seen, wanted))
        return false;
    *err = seen & LATCH_DEAD ? MPROC_OWNERDEAD : MPROC_OK;
    return true;
}

/* Takes the word away from a holder that is dead; true if it did. */
static bool disown(_Atomic uint32_t *word, uint32_t seen, process_token me)
{
    process_token holder = seen & TOKEN_MASK;
    if (holder == 0 || holder == (me & TOKEN_MASK) || mproc__token_alive(holder))
        return false;
    return atomic_compare_exchange_strong(word, &seen, LATCH_DEAD | (seen & LATCH_SLEEPERS));
}

static mproc_err acquire_slowly(_Atomic uint32_t *word, process_token me, int64_t deadline)
{
    int64_t sleep = FIRST_SLEEP;
    mproc_err err;
    for (;;) {
        uint32_t seen = atomic_load(word);
        if ((seen & TOKEN_MASK) == 0) {
            /* Others may sleep: whoever has slept leaves the bit for them. */
            if (take(word, seen, me | LATCH_SLEEPERS, &err))
                return err;
            continue;
        }
        int64_t now = mproc_plat_now();
        if (deadline <= now) {
            /* Whoever only ever tries must learn of a death as well. */
            if (disown(word, seen, me))
                continue;
            return MPROC_ETIMEDOUT;
        }
        if (!(seen & LATCH_SLEEPERS)) {
            if (!atomic_compare_exchange_strong(word, &seen, seen | LATCH_SLEEPERS))
                continue;
            seen |= LATCH_SLEEPERS;
        }
        MPROC_FAULT("latch.before_sleep");
        int64_t wake = now + sleep < deadline ? now + sleep : deadline;
        if (mproc_plat_park(word, seen, wake) != MPROC_ETIMEDOUT)
            continue;
        sleep = sleep * 2 < LONGEST_SLEEP ? sleep * 2 : LONGEST_SLEEP;
        disown(word, atomic_load(word), me);
    }
}

mproc_err mproc__latch_acquire(_Atomic uint32_t *word, int64_t deadline)
{
    process_token me = mproc__self_token();
    mproc_err err;
    for (int i = 0; i < 60; i++) {
        uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
        if ((seen & ~LATCH_DEAD) == 0 && take(word, seen, me, &err))
            return err;
        if (seen & LATCH_SLEEPERS || deadline == 0)
            break;
        mproc__pause();
    }
    return acquire_slowly(word, me, deadline);
}

bool mproc__latch_release(_Atomic uint32_t *word)
{
    MPROC_FAULT("latch.before_release");
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
    do {
        if ((seen & TOKEN_MASK) == 0)
            return false;
    } while (!atomic_compare_exchange_weak(word, &seen, 0));
    MPROC_FAULT("latch.before_wake");
    if (seen & LATCH_SLEEPERS)
        mproc_plat_unpark(word, 1);
    return true;
}
