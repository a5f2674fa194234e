/* SPDX-License-Identifier: MIT */
/* A place to wait until something in shared memory has become true: an event count that has at most
 * one wake-up under way, so that what has gathered meanwhile is found by the one that was woken.
 *
 * The waiter:  e = epoch; state = SLEEPERS; if it is not true, sleep while epoch == e.
 * The waker, after making it true: a full fence; if state goes from SLEEPERS to UNDER_WAY: epoch++
 *   and wake one. Whoever was woken alone sets SLEEPERS again, for the others that may sleep, and wakes the
 *   next (mproc__gate_wake) when there is more to have than it took.
 * The waker of all sets EMPTY, epoch++, and wakes all: nobody is left to set SLEEPERS for.
 * The epoch is read before the waiter announces itself: read afterwards, it may be the one that the
 * wake-up has already changed, and the wake-up is lost (tests/model finds it).
 *
 * Who is killed:
 *   a waiter, announced or asleep: SLEEPERS stays and costs one needless system call.
 *   the woken one before it could set SLEEPERS, or the waker between making it true and waking, or
 *   between UNDER_WAY and waking: no wake-up comes. Sleeps are bounded (GATE_SLICE), and a
 *   sleeper that comes back looks again and takes the place of the lost one.
 *
 * The waker may be late. With the store that made it true a waiter may return and destroy the object, and another may
 * be created in its place. So objects whose waiters may do that have this gate as their first member, or at a place of
 * their kind's, and memory that is never for anything else (arena_blocks.h): a late waker meets a gate, perhaps that
 * of another object, before, while or after it is made. There it does what any waker does, for nothing:
 *   SLEEPERS to UNDER_WAY, epoch++, wake one: one waiter looks in vain, sets SLEEPERS again and sleeps on. A waker that
 *     came in between relied on it, and rightly: it looks after it has set SLEEPERS.
 *   EMPTY, epoch++, wake all: who had announced itself read the epoch before, so it is woken, or does not sleep, and
 *     announces itself again. A waker that saw EMPTY in between woke nobody, but all wake, and look.
 *   epoch++ and the wake-up alone, as the state was another object's: some look in vain.
 *   any of these while the gate is set to zero: nobody waits yet, and every epoch is as good. A state that is left
 *     behind costs one needless system call if it is EMPTY or SLEEPERS; UNDER_WAY cannot be left, as it comes of
 *     SLEEPERS, which only a waiter sets.
 * Killed or stopped in the middle it delays others by a slice, as every waker does. tests/model has late wakers. */
#ifndef MPROC_CORE_GATE_H
#define MPROC_CORE_GATE_H

#include "sentry.h"
#include "spin.h"

/* The longest sleep without looking, in nanoseconds: what a lost wake-up can cost. */
#define GATE_SLICE INT64_C(100000000)

struct gate {
    _Atomic uint32_t epoch;
    _Atomic uint32_t state; /* enum gate_state */
    struct spin spin;
    uint64_t object; /* handle of what is waited for, for mproc_describe_locks(); or 0 */
};
enum gate_state { GATE_EMPTY, GATE_SLEEPERS, GATE_UNDER_WAY };

/* Waits until ready(context) is true: MPROC_OK with its truth seen, or MPROC_ETIMEDOUT (no error
 * described). ready() may take what it finds: after true it is not asked again. */
mproc_err mproc__gate_wait(struct gate *gate, bool (*ready)(void *context), void *context,
                           int64_t deadline);
/* The same for what somebody's death may change: sweep(context) is called when that may have happened, a few
 * milliseconds after it if anybody waits, and before a time-out; then ready() is asked again. */
mproc_err mproc__gate_watch(struct gate *gate, struct sentry *sentry, bool (*ready)(void *context),
                            void (*sweep)(void *context), void *context, int64_t deadline);
/* One step of it, for callers with a loop of their own: looks, and sleeps until something happens or a slice is
 * over. MPROC_ETIMEDOUT: the deadline has passed, and it is not ready. */
mproc_err mproc__gate_step(struct gate *gate, bool (*ready)(void *context), void *context, int64_t deadline,
                           bool *was_ready);
/* The sleep alone, for callers with a loop of their own: announces, asks ready() once more (true: was it) and
 * else sleeps, no longer than `until`. */
bool mproc__gate_sleep(struct gate *gate, bool (*ready)(void *context), void *context, int64_t until);

/* mproc__gate_sleep() at several gates: until something happens at one of them, or `until`. Where the system
 * cannot sleep on several words, for a few milliseconds only. */
bool mproc__gates_sleep(struct gate *const *gates, size_t count, bool (*ready)(void *context), void *context,
                        int64_t until);

void mproc__gate_wake_slowly(struct gate *gate);
void mproc__gate_wake_all_slowly(struct gate *gate);

/* Something became true for one waiter: call it after the store that made it so. */
static inline void mproc__gate_wake(struct gate *gate)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&gate->state, memory_order_relaxed) == GATE_SLEEPERS)
        mproc__gate_wake_slowly(gate);
}

/* The same after an atomic read-modify-write that is sequentially consistent. C11 calls only a fence a fence, but no
 * processor lets this load pass an exchange before it: on x86 that is locked, on ARM it releases and this acquires,
 * elsewhere (POWER, RISC-V) such a load begins with a full fence. */
static inline void mproc__gate_wake_fenced(struct gate *gate)
{
    if (atomic_load_explicit(&gate->state, memory_order_seq_cst) == GATE_SLEEPERS)
        mproc__gate_wake_slowly(gate);
}

/* Something became true for all waiters. */
static inline void mproc__gate_wake_all(struct gate *gate)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&gate->state, memory_order_relaxed) != GATE_EMPTY)
        mproc__gate_wake_all_slowly(gate);
}

/* The same after an atomic read-modify-write that is sequentially consistent. */
static inline void mproc__gate_wake_all_fenced(struct gate *gate)
{
    if (atomic_load_explicit(&gate->state, memory_order_seq_cst) != GATE_EMPTY)
        mproc__gate_wake_all_slowly(gate);
}

#endif
