/* SPDX-License-Identifier: MIT */
/* Taking and giving back a latch when it is not simple; latch.h says what happens to whom is killed. */
#include "latch.h"

#include "compiler.h"

/* Slices of sleep: the first, the sentry's, and the longest of the others. */
#define FIRST_SLICE INT64_C(2000000)
#define SENTRY_SLICE INT64_C(5000000)
#define LONGEST_SLICE INT64_C(200000000)
enum { LOOKS = 60 };

struct waiter {
    struct latch *latch;
    process_token me;
    int64_t slice;
    bool sentry;
};

static bool is_broken(uint32_t word)
{
    return (word & ~LATCH_SLEEPERS) == LATCH_BROKEN;
}

static bool is_free(uint32_t word)
{
    return (word & TOKEN_MASK) == 0;
}

/* Takes a free word, keeping its marks. */
static bool take(struct latch *latch, uint32_t seen, uint32_t wanted, mproc_err *err)
{
    if (!atomic_compare_exchange_strong(&latch->word, &seen, wanted | (seen & LATCH_DEAD)))
        return false;
    *err = seen & LATCH_DEAD ? MPROC_OWNERDEAD : MPROC_OK;
    return true;
}

/* Takes the word away from a holder that is dead; true if it did. */
static bool disown(struct latch *latch, uint32_t seen, process_token me)
{
    process_token holder = seen & TOKEN_MASK;
    if (holder == 0 || is_broken(seen) || holder == me || mproc__token_alive(holder))
        return false;
    return atomic_compare_exchange_strong(&latch->word, &seen, LATCH_DEAD | (seen & LATCH_SLEEPERS));
}

/* A slice ended with nothing: be the sentry if nobody is, or the one that is has died. */
static void watch(struct waiter *waiter)
{
    uint32_t sentry = atomic_load(&waiter->latch->sentry);
    if (!waiter->sentry && (sentry == 0 || !mproc__token_alive(sentry)))
        waiter->sentry = atomic_compare_exchange_strong(&waiter->latch->sentry, &sentry, waiter->me);
    MPROC_FAULT("latch.watching");
    if (waiter->sentry)
        waiter->slice = SENTRY_SLICE;
    else if (waiter->slice < LONGEST_SLICE)
        waiter->slice *= 2;
    disown(waiter->latch, atomic_load(&waiter->latch->word), waiter->me);
}

static void leave(const struct waiter *waiter)
{
    if (!waiter->sentry)
        return;
    atomic_store(&waiter->latch->sentry, 0);
    MPROC_FAULT("latch.sentry_left");
    if (atomic_load(&waiter->latch->word) & LATCH_SLEEPERS)
        mproc_plat_unpark(&waiter->latch->word, 1);
}

/* Sleeps on a held word for a slice; false when the deadline has passed. */
static bool sleep_a_slice(struct waiter *waiter, uint32_t seen, int64_t deadline)
{
    int64_t now = mproc_plat_now();
    if (deadline <= now)
        return false;
    if (!(seen & LATCH_SLEEPERS)) {
        if (!atomic_compare_exchange_strong(&waiter->latch->word, &seen, seen | LATCH_SLEEPERS))
            return true;
        seen |= LATCH_SLEEPERS;
    }
    MPROC_FAULT("latch.before_sleep");
    int64_t wake = deadline - now > waiter->slice ? now + waiter->slice : deadline;
    if (mproc_plat_park(&waiter->latch->word, seen, wake) == MPROC_ETIMEDOUT)
        watch(waiter);
    return true;
}

static mproc_err wait_for(struct waiter *waiter, int64_t deadline)
{
    mproc_err err;
    for (;;) {
        uint32_t seen = atomic_load(&waiter->latch->word);
        if (is_broken(seen))
            return MPROC_EBROKEN;
        /* Others may sleep: whoever has slept leaves the mark for them. */
        if (is_free(seen)) {
            if (take(waiter->latch, seen, waiter->me | LATCH_SLEEPERS, &err))
                return err;
        } else if (!sleep_a_slice(waiter, seen, deadline) && !disown(waiter->latch, seen, waiter->me)) {
            /* Whoever only ever tries learned of a death as well. */
            return MPROC_ETIMEDOUT;
        }
    }
}

mproc_err mproc__latch_acquire_slowly(struct latch *latch, int64_t deadline)
{
    struct waiter waiter = { latch, mproc__self_token(), FIRST_SLICE, false };
    mproc_err err;
    for (int i = 0; i < LOOKS; i++) {
        uint32_t seen = atomic_load_explicit(&latch->word, memory_order_relaxed);
        if (is_free(seen) && take(latch, seen, waiter.me | (seen & LATCH_SLEEPERS), &err))
            return err;
        if (seen & LATCH_SLEEPERS || deadline == 0)
            break;
        mproc__pause();
    }
    err = wait_for(&waiter, deadline);
    leave(&waiter);
    return err;
}

void mproc__latch_wake(struct latch *latch)
{
    mproc_plat_unpark(&latch->word, 1);
}

bool mproc__latch_give_back(struct latch *latch)
{
    MPROC_FAULT("latch.before_release");
    uint32_t seen = atomic_load_explicit(&latch->word, memory_order_relaxed);
    uint32_t next;
    do {
        if (is_free(seen) || is_broken(seen))
            return false;
        next = seen & LATCH_DEAD ? LATCH_BROKEN : 0;
    } while (!atomic_compare_exchange_weak(&latch->word, &seen, next));
    MPROC_FAULT("latch.before_wake");
    if (seen & LATCH_SLEEPERS)
        mproc_plat_unpark(&latch->word, next == 0 ? 1 : UINT32_MAX >> 1);
    return true;
}

bool mproc__latch_consistent(struct latch *latch)
{
    uint32_t seen = atomic_load(&latch->word);
    do {
        if (!(seen & LATCH_DEAD) || is_free(seen) || is_broken(seen))
            return false;
    } while (!atomic_compare_exchange_weak(&latch->word, &seen, seen & ~LATCH_DEAD));
    return true;
}

mproc_err mproc__latch_describe(mproc_err err, const char *what, mproc_ms timeout)
{
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "the %s was not free within %lld ms", what, (long long) timeout);
    if (err == MPROC_OWNERDEAD)
        return mproc__fail(err,
                           "the %s is yours, but its holder died: repair what it guards, then call "
                           "it consistent", what);
    if (err == MPROC_EBROKEN)
        return mproc__fail(err,
                           "the %s is broken: its holder died, and who was told released it without "
                           "calling it consistent", what);
    return err;
}
