/* SPDX-License-Identifier: MIT */
/* Taking and giving back a latch when it is not simple; latch.h says what happens to whom is killed. */
#include "latch.h"

#include "describe.h"
#include "registry.h"

/* Some 50 ns apart: to look more often is to disturb the holder. */
enum { LOOKS = 20, PAUSES = 4, SAID_AT = 1 };
/* Who is woken is late, and may find the latch taken each time by one that just gave it back. After LONG nanoseconds it
 * says so, and then that one stays away for once, COURTESY at most. Always to do so would cost nine tenths of the
 * speed. */
#define LONG INT64_C(100000000)
#define COURTESY INT64_C(200000)

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

/* Sleeps on a held word for a slice; false when the deadline has passed. */
static bool sleep_a_slice(struct latch *latch, struct watch *watch, uint32_t seen, int64_t deadline)
{
    int64_t now = mproc_plat_now();
    if (deadline <= now)
        return false;
    if (!(seen & LATCH_SLEEPERS)) {
        if (!atomic_compare_exchange_strong(&latch->word, &seen, seen | LATCH_SLEEPERS))
            return true;
        seen |= LATCH_SLEEPERS;
    }
    if (watch->begin == 0)
        watch->begin = now;
    else if (now - watch->begin > LONG)
        atomic_store_explicit(&latch->impatient, 1, memory_order_relaxed);
    MPROC_FAULT("latch.before_sleep");
    if (mproc_plat_park(&latch->word, seen, mproc__sentry_until(watch, now, deadline)) == MPROC_ETIMEDOUT) {
        mproc__sentry_again(watch);
        disown(latch, atomic_load(&latch->word), mproc__self_token());
    } else {
        mproc__sentry_woken(watch);
    }
    return true;
}

static mproc_err wait_for(struct latch *latch, struct watch *watch, process_token me, int64_t deadline)
{
    mproc_err err;
    for (;;) {
        uint32_t seen = atomic_load(&latch->word);
        if (is_broken(seen))
            return MPROC_EBROKEN;
        /* Others may sleep: whoever has slept leaves the mark for them. */
        if (is_free(seen)) {
            if (take(latch, seen, me | LATCH_SLEEPERS, &err))
                return err;
        } else if (!sleep_a_slice(latch, watch, seen, deadline) && !disown(latch, seen, me)) {
            /* Whoever only ever tries learned of a death as well. */
            return MPROC_ETIMEDOUT;
        }
    }
}

/* The holder may be about to give it back. True if it was taken, with `err` as the answer. Each look is a try: where
 * the word comes from another CPU's cache, what was only seen to be free is taken again before it could be had. If that
 * does not help soon the word says that somebody sleeps: to give it back takes as long as a wake-up call then, in which
 * who looks has it. */
static bool take_soon(struct latch *latch, process_token me, mproc_err *err)
{
    for (int i = 0; i < LOOKS; i++) {
        uint32_t seen = 0;
        *err = MPROC_OK;
        if (atomic_compare_exchange_strong(&latch->word, &seen, me) ||
            (is_free(seen) && take(latch, seen, me | (seen & LATCH_SLEEPERS), err)))
            return true;
        if (i == SAID_AT && !(seen & LATCH_SLEEPERS)) {
            seen = atomic_fetch_or(&latch->word, LATCH_SLEEPERS);
            MPROC_FAULT("latch.said");
        }
        if (i <= SAID_AT && seen & LATCH_SLEEPERS)
            return false; /* another sleeps, or has said so */
        for (int pause = 0; pause < PAUSES; pause++)
            mproc__pause();
    }
    return false;
}

static mproc_err take_late(struct latch *latch, process_token me, int64_t deadline)
{
    struct watch watch = mproc__sentry_begin(&latch->sentry);
    mproc_err err = wait_for(latch, &watch, me, deadline);
    /* Whoever gave it back to this one took the mark away, and counted on this one to set it again for the others. */
    bool owes = err == MPROC_ETIMEDOUT && watch.woken;
    if (mproc__sentry_end(&watch) || owes)
        mproc_plat_unpark(&latch->word, 1);
    return err;
}

mproc_err mproc__latch_acquire_slowly(struct latch *latch, int64_t deadline)
{
    process_token me = mproc__self_token();
    mproc_err err;
    if (deadline != 0 && take_soon(latch, me, &err))
        return err;
    return take_late(latch, me, deadline);
}

/* It may not be a latch any more: then this looks at other bytes, for a moment. */
static void let_in(const struct latch *latch)
{
    int64_t until = mproc_plat_now() + COURTESY;
    while (is_free(atomic_load_explicit(&latch->word, memory_order_relaxed)) && mproc_plat_now() < until)
        mproc_plat_yield();
}

void mproc__latch_wake(struct latch *latch, bool stays_away)
{
    mproc_plat_unpark(&latch->word, 1);
    if (stays_away)
        let_in(latch);
}

/* ---- wake-ups that wait for a release: who is woken needs the lock that the waker still holds ---- */

enum { MOST_POSTPONED = 8 };
MPROC_THREAD_LOCAL_NEAR struct latch *mproc__latch_postponed;
static MPROC_THREAD_LOCAL struct {
    int count;
    _Atomic uint32_t *words[MOST_POSTPONED];
} postponed;

static void wake_postponed(void)
{
    int count = postponed.count;
    mproc__latch_postponed = NULL;
    postponed.count = 0;
    for (int i = 0; i < count; i++)
        mproc_plat_unpark(postponed.words[i], 1);
}

void mproc__latch_postpone_wake(struct latch *latch, _Atomic uint32_t *word)
{
    if (mproc__latch_postponed != latch)
        wake_postponed();
    if (postponed.count == MOST_POSTPONED) {
        mproc_plat_unpark(word, 1);
        return;
    }
    mproc__latch_postponed = latch;
    postponed.words[postponed.count++] = word;
}

/* What stays of a word when it is given back. That of a dead holder, which another process gives back, goes to the
 * next one as if that had found the death. */
static uint32_t word_after(uint32_t seen)
{
    process_token holder = seen & TOKEN_MASK;
    /* Not from what was seen a moment ago: nobody asks again after this. */
    if (holder != mproc__self_token() && !mproc__token_alive_now(holder))
        return LATCH_DEAD;
    return seen & LATCH_DEAD ? LATCH_BROKEN : 0;
}

bool mproc__latch_give_back_slowly(struct latch *latch)
{
    uint32_t seen = atomic_load_explicit(&latch->word, memory_order_relaxed);
    uint32_t next;
    bool stays_away = false;
    do {
        if (is_free(seen) || is_broken(seen))
            return false;
        next = word_after(seen);
        stays_away |= mproc__latch_stays_away(latch);
    } while (!atomic_compare_exchange_weak(&latch->word, &seen, next));
    MPROC_FAULT("latch.before_wake");
    if (seen & LATCH_SLEEPERS)
        mproc_plat_unpark(&latch->word, next == LATCH_BROKEN ? UINT32_MAX >> 1 : 1);
    if (mproc__latch_postponed == latch)
        wake_postponed();
    if (seen & LATCH_SLEEPERS && stays_away)
        let_in(latch);
    return true;
}

bool mproc__latch_is_lost(const struct latch *latch)
{
    uint32_t word = atomic_load(&latch->word);
    return is_broken(word) || (is_free(word) && word & LATCH_DEAD);
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

void mproc__latch_decline(struct latch *latch)
{
    bool stays_away = mproc__latch_stays_away(latch);
    uint32_t seen = atomic_exchange(&latch->word, LATCH_DEAD);
    MPROC_FAULT("latch.before_wake");
    if (seen & LATCH_SLEEPERS)
        mproc__latch_wake(latch, stays_away);
}

static mproc_err describe(mproc_err err, const char *what, mproc_ms timeout)
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

mproc_err mproc__latch_wait(struct latch *latch, uint64_t handle, const char *what, mproc_ms timeout)
{
    process_token me = mproc__self_token();
    mproc_err err;
    if (timeout == 0) {
        err = take_late(latch, me, 0);
    } else if (!take_soon(latch, me, &err)) {
        _Atomic uint64_t *place = mproc__waits_begin(handle);
        err = take_late(latch, me, mproc__deadline(timeout));
        mproc__waits_end(place);
    }
    return err == MPROC_OK ? MPROC_OK : describe(err, what, timeout);
}

void mproc__latch_describe(const struct latch *latch, struct text *text)
{
    uint32_t word = atomic_load(&latch->word);
    if (is_broken(word)) {
        mproc__text_add(text, "broken");
    } else if (is_free(word)) {
        mproc__text_add(text, word & LATCH_DEAD ? "free, its last holder died" : "free");
    } else {
        mproc__text_add(text, "held by ");
        mproc__text_add_process(text, word & TOKEN_MASK);
        if (word & LATCH_DEAD)
            mproc__text_add(text, " after one that died");
    }
}
