/* SPDX-License-Identifier: MIT */
/* Waiting at a gate; gate.h says how and what happens when who is killed where. */
#include "gate.h"

#include "fault.h"
#include "registry.h"

/* Others may still sleep, unless all were woken. Whatever came before this was set woke nobody: the caller looks next,
 * and sees it. */
static void expect_more(struct gate *gate)
{
    if (atomic_load(&gate->state) != GATE_UNDER_WAY)
        return;
    atomic_store_explicit(&gate->state, GATE_SLEEPERS, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

bool mproc__gate_sleep(struct gate *gate, bool (*ready)(void *context), void *context, int64_t until)
{
    uint32_t epoch = atomic_load(&gate->epoch);
    MPROC_FAULT("gate.epoch_read");
    atomic_store_explicit(&gate->state, GATE_SLEEPERS, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    MPROC_FAULT("gate.announced");
    if (ready(context))
        return true;
    mproc_plat_park(&gate->epoch, epoch, until);
    MPROC_FAULT("gate.awake");
    expect_more(gate);
    return false;
}

#define BLIND_SLICE INT64_C(5000000)

bool mproc__gates_sleep(struct gate *const *gates, size_t count, bool (*ready)(void *context), void *context,
                        int64_t until)
{
    _Atomic uint32_t *words[MPROC_PLAT_PARK_ANY];
    uint32_t epochs[MPROC_PLAT_PARK_ANY];
    for (size_t i = 0; i < count; i++) {
        uint32_t epoch = atomic_load(&gates[i]->epoch);
        if (i < MPROC_PLAT_PARK_ANY) {
            words[i] = &gates[i]->epoch;
            epochs[i] = epoch;
        }
        atomic_store(&gates[i]->state, GATE_SLEEPERS);
    }
    atomic_thread_fence(memory_order_seq_cst);
    if (ready(context))
        return true;
    int64_t blind = mproc_plat_now() + BLIND_SLICE;
    bool all = count <= MPROC_PLAT_PARK_ANY;
    if (count == 0)
        mproc_plat_sleep(until - blind > 0 ? BLIND_SLICE : until - blind + BLIND_SLICE);
    else if (!all || mproc_plat_park_any(words, epochs, count, until) == MPROC_ENOTSUP)
        mproc_plat_park(words[0], epochs[0], until < blind ? until : blind);
    for (size_t i = 0; i < count; i++)
        expect_more(gates[i]);
    return false;
}

/* Looks for a while; true if it has become ready. */
static bool look_for(struct gate *gate, bool (*ready)(void *context), void *context)
{
    struct look look = mproc__look_begin(&gate->spin);
    while (mproc__look_again(&look)) {
        if (ready(context)) {
            mproc__look_helped(&look);
            return true;
        }
    }
    return false;
}

mproc_err mproc__gate_step(struct gate *gate, bool (*ready)(void *context), void *context, int64_t deadline,
                           bool *was_ready)
{
    int64_t now = deadline == 0 ? 0 : mproc_plat_now();
    if (now >= deadline) {
        *was_ready = ready(context);
        return *was_ready ? MPROC_OK : MPROC_ETIMEDOUT;
    }
    int64_t until = deadline - now > GATE_SLICE ? now + GATE_SLICE : deadline;
    *was_ready = mproc__gate_sleep(gate, ready, context, until);
    return MPROC_OK;
}

static mproc_err wait_for(struct gate *gate, bool (*ready)(void *context), void *context, int64_t deadline)
{
    bool was_ready = false;
    mproc_err err = MPROC_OK;
    while (err == MPROC_OK && !was_ready && !(was_ready = ready(context)))
        err = mproc__gate_step(gate, ready, context, deadline, &was_ready);
    return err;
}

mproc_err mproc__gate_wait(struct gate *gate, bool (*ready)(void *context), void *context,
                           int64_t deadline)
{
    if (ready(context))
        return MPROC_OK;
    if (deadline == 0)
        return MPROC_ETIMEDOUT;
    if (look_for(gate, ready, context))
        return MPROC_OK;
    _Atomic uint64_t *place = mproc__waits_begin(gate->object);
    mproc_err err = wait_for(gate, ready, context, deadline);
    mproc__waits_end(place);
    return err;
}

static mproc_err watch_for(struct gate *gate, struct watch *watch, bool (*ready)(void *context),
                           void (*sweep)(void *context), void *context, int64_t deadline)
{
    int64_t until = INT64_MAX;
    for (;;) {
        int64_t now = deadline == 0 ? 0 : mproc_plat_now();
        if (now >= until || now >= deadline) {
            if (now < deadline)
                mproc__sentry_again(watch);
            sweep(context);
            if (ready(context))
                return MPROC_OK;
            if (now >= deadline)
                return MPROC_ETIMEDOUT;
        } else {
            mproc__sentry_woken(watch);
        }
        until = mproc__sentry_until(watch, now, deadline);
        if (mproc__gate_sleep(gate, ready, context, until) || ready(context))
            return MPROC_OK;
    }
}

mproc_err mproc__gate_watch(struct gate *gate, struct sentry *sentry, bool (*ready)(void *context),
                            void (*sweep)(void *context), void *context, int64_t deadline)
{
    if (ready(context) || (deadline != 0 && look_for(gate, ready, context)))
        return MPROC_OK;
    _Atomic uint64_t *place = deadline == 0 ? NULL : mproc__waits_begin(gate->object);
    struct watch watch = mproc__sentry_begin(sentry);
    mproc_err err = watch_for(gate, &watch, ready, sweep, context, deadline);
    mproc__waits_end(place);
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
    /* A waiter whose announcement this takes back has read the epoch before: it will not sleep on it. */
    atomic_store_explicit(&gate->state, GATE_EMPTY, memory_order_release);
    MPROC_FAULT("gate.waking_all");
    atomic_fetch_add(&gate->epoch, 1);
    mproc_plat_unpark(&gate->epoch, UINT32_MAX >> 1);
}
