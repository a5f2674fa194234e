/* SPDX-License-Identifier: MIT */
/* Who of the waiters looks how often. */
#include "sentry.h"

#include "fault.h"

#define FIRST_SLICE INT64_C(5000000) /* a timer that rings before the next tick costs microseconds to set */
#define SENTRY_SLICE INT64_C(5000000)
#define LONGEST_SLICE INT64_C(200000000)

struct watch mproc__sentry_begin(struct sentry *sentry)
{
    return (struct watch){ sentry, FIRST_SLICE, false };
}

int64_t mproc__sentry_until(const struct watch *watch, int64_t now, int64_t deadline)
{
    return deadline - now > watch->slice ? now + watch->slice : deadline;
}

void mproc__sentry_again(struct watch *watch)
{
    uint32_t token = atomic_load(&watch->sentry->token);
    if (!watch->mine && (token == 0 || !mproc__token_alive(token)))
        watch->mine = atomic_compare_exchange_strong(&watch->sentry->token, &token, mproc__self_token());
    MPROC_FAULT("sentry.watching");
    if (watch->mine)
        watch->slice = SENTRY_SLICE;
    else if (watch->slice < LONGEST_SLICE)
        watch->slice *= 2;
}

void mproc__sentry_woken(struct watch *watch)
{
    watch->slice = FIRST_SLICE;
}

bool mproc__sentry_end(struct watch *watch)
{
    if (!watch->mine)
        return false;
    atomic_store(&watch->sentry->token, 0);
    MPROC_FAULT("sentry.left");
    return true;
}
