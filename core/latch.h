/* SPDX-License-Identifier: MIT */
/* The lock under every lock: its word names the holder, so a holder's death is seen by waiters.
 *
 * States of the word: 0 free; token: held; bit 31: somebody sleeps on it, or is about to; bit 30: a holder died and
 * nobody has called it consistent since (free: the next one to take it is told; held: by that one).
 * LATCH_BROKEN: the one that was told gave it back as it was.
 *
 * Waiters sleep in slices (sentry.h); who has slept one asks whether the holder lives. It is not fair: who comes just
 * when it is free has it, and the one that is woken sleeps on; but not for long (`impatient`).
 *
 * Who is killed where:
 *   before the exchange that takes it: nothing has happened.
 *   holding: the word keeps the dead token; a waiter whose slice ends asks mproc__token_alive() and takes
 *     it over by one compare-exchange, so only one is told.
 *   in release before the exchange: as while holding. After it, before the wake-up, or woken but not yet
 *     awake: the word is free, or taken by a newcomer without bit 31; the sentry's slice ends, and it
 *     takes it or sets the bit again.
 *   asleep, or looking with bit 31 set: the bit stays, also where it is free, and costs one wake-up call.
 *
 * With the exchange that gives it back the latch may be gone: who waited may take it, give it back and destroy it, and
 * the memory be another's at once. After it nothing is written; the word's address is woken, and it may be read. */
#ifndef MPROC_CORE_LATCH_H
#define MPROC_CORE_LATCH_H

#include "compiler.h"
#include "fault.h"
#include "sentry.h"

#define LATCH_SLEEPERS 0x80000000u
#define LATCH_DEAD 0x40000000u
#define LATCH_BROKEN (LATCH_DEAD | TOKEN_MASK)

struct latch {
    _Atomic uint32_t word;
    struct sentry sentry;
    _Atomic uint32_t impatient; /* somebody has waited for long: whoever gives it back next does not take it at once */
};

mproc_err mproc__latch_acquire_slowly(struct latch *latch, int64_t deadline);
/* After giving it back: wakes a sleeper, and lets it in if that is due. */
void mproc__latch_wake(struct latch *latch, bool stays_away);

static inline bool mproc__latch_try(struct latch *latch)
{
    uint32_t nobody = 0;
    return atomic_compare_exchange_strong_explicit(&latch->word, &nobody, mproc__self_token(),
                                                   memory_order_acquire, memory_order_relaxed);
}

/* MPROC_OK, MPROC_OWNERDEAD (taken, the holder died), MPROC_ETIMEDOUT, MPROC_EBROKEN; none described. */
static inline mproc_err mproc__latch_acquire(struct latch *latch, int64_t deadline)
{
    return mproc__latch_try(latch) ? MPROC_OK : mproc__latch_acquire_slowly(latch, deadline);
}

/* Asked before it is given back: whether the holder is to stay away then for somebody that sleeps. Answered once. */
static inline bool mproc__latch_stays_away(struct latch *latch)
{
    if (atomic_load_explicit(&latch->impatient, memory_order_relaxed) == 0 ||
        !(atomic_load_explicit(&latch->word, memory_order_relaxed) & LATCH_SLEEPERS))
        return false;
    atomic_store_explicit(&latch->impatient, 0, memory_order_relaxed);
    return true;
}

/* Gives it back, whole: what the last dead holder left was repaired. The caller holds it. A sequentially consistent
 * exchange, as mproc__gate_wake_fenced() needs it. */
static inline void mproc__latch_release(struct latch *latch)
{
    MPROC_FAULT("latch.before_release");
    bool stays_away = mproc__latch_stays_away(latch);
    uint32_t seen = atomic_exchange(&latch->word, 0);
    MPROC_FAULT("latch.before_wake");
    if (seen & LATCH_SLEEPERS)
        mproc__latch_wake(latch, stays_away);
}

/* Waits until whoever has it has given it back, and writes nothing to it any more. */
static inline void mproc__latch_wait_out(struct latch *latch)
{
    (void) mproc__latch_acquire(latch, MPROC_PLAT_NEVER);
    mproc__latch_release(latch);
}

/* The latch for whose release this thread postpones wake-ups, or NULL. */
extern MPROC_THREAD_LOCAL_NEAR struct latch *mproc__latch_postponed;

/* For locks of users, who may be wrong, and of whom another than the holder may give it back. Gives it back as it is:
 * broken if it was never called consistent, a dead holder's if it was that. False if it was not held. */
bool mproc__latch_give_back_slowly(struct latch *latch);
static inline bool mproc__latch_give_back(struct latch *latch)
{
    MPROC_FAULT("latch.before_release");
    uint32_t mine = mproc__self_token();
    if (mproc__latch_postponed == NULL &&
        atomic_compare_exchange_strong_explicit(&latch->word, &mine, 0, memory_order_release,
                                                memory_order_relaxed))
        return true;
    return mproc__latch_give_back_slowly(latch);
}
/* Wakes one sleeper on `word` when this thread gives the latch back, which it holds. If it never does (it dies, or
 * another gives it back) the sleeper wakes at the end of its slice. */
void mproc__latch_postpone_wake(struct latch *latch, _Atomic uint32_t *word);
/* The caller was told of a death and has done nothing about it: gives it back, and the next one is told. */
void mproc__latch_decline(struct latch *latch);
/* False unless a holder died before this one and it has not been called consistent yet. */
bool mproc__latch_consistent(struct latch *latch);
/* Nobody has it, and who takes it next is told of a death, or that it is broken. */
bool mproc__latch_is_lost(const struct latch *latch);
/* For locks of users that were not free: waits, visibly in the family, and describes errors of `what`. */
mproc_err mproc__latch_wait(struct latch *latch, uint64_t handle, const char *what, mproc_ms timeout);
/* Whose it is; 0 if it is free or broken. */
static inline process_token mproc__latch_holder(const struct latch *latch)
{
    uint32_t word = atomic_load_explicit(&latch->word, memory_order_relaxed);
    return (word & ~LATCH_SLEEPERS) == LATCH_BROKEN ? 0 : word & TOKEN_MASK;
}

/* "held by Process-1 (pid 4711)", "free", "free, its last holder died", "broken". */
struct text;
void mproc__latch_describe(const struct latch *latch, struct text *text);

#endif
