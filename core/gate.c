/* SPDX-License-Identifier: MIT */
/* Waiting at a gate; gate.h says how and what happens when who is killed where. */
#include "gate.h"

#include "fault.h"

mproc_err mproc__gate_sleep(struct gate *gate, bool (*ready)(void *context), void *context,
                            int64_t deadline, bool *was_ready)
{
    uint32_t epoch = atomic_load(&gate->epoch);
    MPROC_FAULT("gate.epoch_read");
    atomic_store(&gate->state, GATE_SLEEPERS);
    atomic_thread_fence(memory_order_seq_cst);
    MPROC_FAULT("gate.announced");
    *was_ready = ready(context);
    if (*was_ready)
        return MPROC_OK;
    int64_t now = deadline == 0 ? 0 : mproc_plat_now();
    if (deadline <= now)
        return MPROC_ETIMEDOUT;
    int64_t wake = deadline - now > GATE_SLICE ? now + GATE_SLICE : deadline;
    mproc_plat_park(&gate->epoch, epoch, wake);
    MPROC_FAULT("gate.awake");
    atomic_store(&gate->state, GATE_SLEEPERS);
    return MPROC_OK;
}

mproc_err mproc__gate_wait(struct gate *gate, bool (*ready)(void *context), void *context,
                           int64_t deadline)
{
    struct look look = mproc__look_begin(&gate->spin);
    bool asleep = false, was_ready;
    while (!ready(context)) {
        if (deadline == 0)
            return MPROC_ETIMEDOUT;
        if (!asleep && mproc__look_again(&look))
            continue;
        asleep = true;
        mproc_err err = mproc__gate_sleep(gate, ready, context, deadline, &was_ready);
        if (err != MPROC_OK)
            return err;
        if (was_ready)
            return MPROC_OK;
    }
    if (!asleep)
        mproc__look_helped(&look);
    return MPROC_OK;
}

static mproc_err watch_for(struct gate *gate, struct watch *watch, bool (*ready)(void *context),
                           void (*sweep)(void *context), void *context, int64_t deadline)
{
    struct look look = mproc__look_begin(&gate->spin);
    bool asleep = deadline == 0, was_ready = false;
    while (!ready(context)) {
        if (!asleep && mproc__look_again(&look))
            continue;
        asleep = true;
        int64_t now = deadline == 0 ? 0 : mproc_plat_now();
        if (now >= deadline) {
            sweep(context);
            return ready(context) ? MPROC_OK : MPROC_ETIMEDOUT;
        }
        int64_t until = mproc__sentry_until(watch, now, deadline);
        mproc__gate_sleep(gate, ready, context, until, &was_ready);
        if (was_ready)
            return MPROC_OK;
        if (mproc_plat_now() >= until) {
            mproc__sentry_again(watch);
            sweep(context);
        }
    }
    if (!asleep)
        mproc__look_helped(&look);
    return MPROC_OK;
}

mproc_err mproc__gate_watch(struct gate *gate, struct sentry *sentry, bool (*ready)(void *context),
                            void (*sweep)(void *context), void *context, int64_t deadline)
{
    struct watch watch = mproc__sentry_begin(sentry);
    mproc_err err = watch_for(gate, &watch, ready, sweep, context, deadline);
    if (mproc__sentry_end(&watch))
        mproc__gate_wake(gate);
    return err;
}

void mproc__gate_wake_slowly(struct gate *gate)
{
    uint32_t sleepers = GATE_SLEEPERS;
    if (!atomic_compare_exchange_strong(&gate->state, &sleepers, GATE_UNDER_WAY))
        return;
    MPROC_FAULT("gate.under_way");
    atomic_fetch_add(&gate->epoch, 1);
    mproc_plat_unpark(&gate->epoch, 1);
}

void mproc__gate_wake_all_slowly(struct gate *gate)
{
    if (atomic_exchange(&gate->state, GATE_EMPTY) == GATE_EMPTY)
        return;
    MPROC_FAULT("gate.waking_all");
    atomic_fetch_add(&gate->epoch, 1);
    mproc_plat_unpark(&gate->epoch, UINT32_MAX >> 1);
}
