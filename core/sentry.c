/* SPDX-License-Identifier: MIT */
/* Who of the waiters looks how often. */
#include "sentry.h"

#include "fault.h"

/* A timer that rings before the next tick costs microseconds to set. The longest slice is what a death can cost when
 * both sentries are gone; each is twice the one before. */
#define FIRST_SLICE INT64_C(5000000)
#define SENTRY_SLICE FIRST_SLICE
#define LONGEST_SLICE (32 * FIRST_SLICE)
#define LONG_POST (10 * SENTRY_SLICE) /* after that a sentry may rest */
#define RESTS 0x80000000u

struct watch mproc__sentry_begin(struct sentry *sentry)
{
    return (struct watch){ .sentry = sentry, .slice = FIRST_SLICE, .post = NO_POST };
}

static bool looks(uint32_t token)
{
    return token != 0 && !(token & RESTS) && mproc__token_alive(token);
}

/* The time says whose turn it is to rest, so that not both do. */
static bool may_rest(const struct watch *watch, int64_t now)
{
    return watch->post != NO_POST && now - watch->since > LONG_POST && now / LONGEST_SLICE % SENTRIES == watch->post &&
           looks(atomic_load(&watch->sentry->tokens[!watch->post]));
}

int64_t mproc__sentry_until(struct watch *watch, int64_t now, int64_t deadline)
{
    bool rests = may_rest(watch, now);
    int64_t slice = rests ? LONGEST_SLICE - now % LONGEST_SLICE : watch->slice;
    if (watch->post != NO_POST)
        atomic_store(&watch->sentry->tokens[watch->post], mproc__self_token() | (rests ? RESTS : 0));
    return deadline - now > slice ? now + slice : deadline;
}

/* Beside another thread of the same process it would be of no use: they die together. */
static void take_post(struct watch *watch)
{
    process_token me = mproc__self_token();
    for (int i = 0; i < SENTRIES; i++)
        if ((atomic_load(&watch->sentry->tokens[i]) & TOKEN_MASK) == me)
            return;
    for (int i = 0; i < SENTRIES && watch->post == NO_POST; i++) {
        uint32_t token = atomic_load(&watch->sentry->tokens[i]);
        if ((token == 0 || !mproc__token_alive(token & TOKEN_MASK)) &&
            atomic_compare_exchange_strong(&watch->sentry->tokens[i], &token, me)) {
            watch->post = i;
            watch->since = mproc_plat_now();
        }
    }
}

void mproc__sentry_again(struct watch *watch)
{
    watch->woken = false;
    if (watch->post == NO_POST)
        take_post(watch);
    MPROC_FAULT("sentry.watching");
    if (watch->post != NO_POST)
        watch->slice = SENTRY_SLICE;
    else if (watch->slice < LONGEST_SLICE)
        watch->slice *= 2;
}

void mproc__sentry_woken(struct watch *watch)
{
    watch->woken = true;
    watch->slice = FIRST_SLICE;
}

bool mproc__sentry_end(struct watch *watch)
{
    if (watch->post == NO_POST)
        return false;
    atomic_store(&watch->sentry->tokens[watch->post], 0);
    MPROC_FAULT("sentry.left");
    uint32_t other = atomic_load(&watch->sentry->tokens[!watch->post]);
    return other == 0 || other & RESTS;
}
