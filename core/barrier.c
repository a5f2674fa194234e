/* SPDX-License-Identifier: MIT */
/* Barrier: rounds ("generations") counted under a latch, and a gate to wait for the next one. The action runs without
 * the latch, so that it may call the barrier, and others' time may be over: all have arrived then, and the round
 * goes on until it has returned.
 *
 * Killed holding the latch: the next one to take it breaks the barrier.
 * Killed while waiting, or in the action: a sentry finds its token and breaks the barrier.
 * Killed between the new generation and the wake-up: the gate's slices wake who waits. */
#include "mproc/barrier.h"

#include "describe.h"
#include "gate.h"
#include "latch.h"
#include "registry.h"

#include <stddef.h>

struct barrier {
    struct gate gate;               /* the first: gate.h */
    struct latch latch;
    uint32_t parties;
    struct sentry sentry;
    _Atomic uint32_t generation;
    _Atomic uint32_t arrived;       /* as many as there are parties: the action runs */
    _Atomic uint32_t broken;
    _Atomic uint32_t given_up;      /* by one that could not have the latch in time: the next to have it breaks it */
    _Atomic uint64_t broken_rounds; /* one bit per generation, modulo ROUNDS_KNOWN */
    _Atomic uint32_t tokens[];      /* of those that have arrived */
};
_Static_assert(offsetof(struct barrier, gate) == 0, "what is woken late finds a gate");
enum { MOST_PARTIES = 65536, ROUNDS_KNOWN = 64 };
#define PATIENCE INT64_C(100000000)

mproc_err mproc_barrier_create(mproc_barrier *barrier, int parties)
{
    if (!barrier)
        return mproc__fail(MPROC_EINVAL, "mproc_barrier_create: barrier is NULL");
    if (parties < 1 || parties > MOST_PARTIES)
        return mproc__fail(MPROC_EINVAL, "a barrier for %d: it can be for 1 to %d", parties, MOST_PARTIES);
    mproc_err err = mproc__object_create(BLOCK_BARRIER,
                                         sizeof(struct barrier) + (size_t) parties * sizeof(uint32_t),
                                         &barrier->id);
    if (err != MPROC_OK)
        return err;
    struct barrier *created = mproc__object(BLOCK_BARRIER, barrier->id);
    created->parties = (uint32_t) parties;
    created->gate.object = barrier->id;
    return MPROC_OK;
}

/* Who let the caller go may still have the latch. Once it has not, it touches nothing but the gate. */
mproc_err mproc_barrier_destroy(mproc_barrier barrier)
{
    struct barrier *found = mproc__object(BLOCK_BARRIER, barrier.id);
    if (found)
        mproc__latch_wait_out(&found->latch);
    return mproc__object_destroy(BLOCK_BARRIER, barrier.id);
}

static uint64_t bit_of(uint32_t generation)
{
    return UINT64_C(1) << generation % ROUNDS_KNOWN;
}

/* Ends the round, whole or broken, and lets its parties go; under the latch. Each store is seen after those before
 * it, also by who looks when this process has been killed. */
static void end_round(struct barrier *barrier, bool whole)
{
    uint32_t generation = atomic_load(&barrier->generation);
    uint64_t rounds = atomic_load(&barrier->broken_rounds) & ~bit_of(generation + 1);
    uint64_t bit = bit_of(generation);
    atomic_store_explicit(&barrier->broken_rounds, whole ? rounds & ~bit : rounds | bit, memory_order_release);
    atomic_store_explicit(&barrier->arrived, 0, memory_order_release);
    MPROC_FAULT("barrier.round_over");
    atomic_store_explicit(&barrier->generation, generation + 1, memory_order_release);
    MPROC_FAULT("barrier.generation_set");
}

static void break_it(struct barrier *barrier)
{
    atomic_store(&barrier->broken, 1);
    end_round(barrier, false);
}

/* MPROC_OK or MPROC_ETIMEDOUT. Who died inside has left a round that nobody can end rightly. */
static mproc_err enter(struct barrier *barrier, int64_t deadline)
{
    mproc_err err = mproc__latch_acquire(&barrier->latch, deadline);
    if (err == MPROC_ETIMEDOUT)
        return err;
    if (err == MPROC_OWNERDEAD || atomic_load_explicit(&barrier->given_up, memory_order_relaxed)) {
        atomic_store(&barrier->given_up, 0);
        break_it(barrier);
    }
    return MPROC_OK;
}

/* Whoever is inside leaves at once, unless it is stopped there: a party whose time is over waits a moment for that, and
 * then leaves it to the next one to break the barrier. */
static mproc_err enter_in_time(struct barrier *barrier, int64_t deadline)
{
    if (deadline != MPROC_PLAT_NEVER) {
        int64_t soon = mproc_plat_now() + PATIENCE;
        deadline = deadline > soon ? deadline : soon;
    }
    mproc_err err = enter(barrier, deadline);
    if (err != MPROC_OK)
        atomic_store(&barrier->given_up, 1);
    return err;
}

/* Its parties may be gone with the new generation, and with the latch the barrier: what comes then is the gate's
 * alone. */
static void leave(struct barrier *barrier)
{
    mproc__latch_release(&barrier->latch);
    mproc__gate_wake_all_fenced(&barrier->gate);
}

struct party {
    struct barrier *barrier;
    uint32_t generation;
    uint32_t number;
};

static bool round_is_over(void *context)
{
    const struct party *party = context;
    return atomic_load_explicit(&party->barrier->generation, memory_order_acquire) != party->generation;
}

static bool somebody_died(struct barrier *barrier)
{
    uint32_t arrived = atomic_load(&barrier->arrived);
    for (uint32_t i = 0; i < arrived && i < barrier->parties; i++)
        if (!mproc__token_alive(atomic_load(&barrier->tokens[i])))
            return true;
    return false;
}

static void sweep(void *context)
{
    struct party *party = context;
    if (enter(party->barrier, 0) != MPROC_OK)
        return; /* somebody is inside, and alive */
    if (!round_is_over(party) && somebody_died(party->barrier))
        break_it(party->barrier);
    if (round_is_over(party))
        leave(party->barrier);
    else
        mproc__latch_release(&party->barrier->latch);
}

static mproc_err broken(void)
{
    return mproc__fail(MPROC_EBROKEN, "the barrier is broken: a party died, gave up, or aborted it; "
                                      "mproc_barrier_reset() makes it whole");
}

static mproc_err too_late(mproc_ms timeout)
{
    return mproc__fail(MPROC_ETIMEDOUT, "not all parties came to the barrier within %lld ms", (long long) timeout);
}

/* Not in time: the others cannot be complete any more. MPROC_OK if they were. */
static mproc_err give_up(struct party *party, mproc_ms timeout)
{
    if (enter_in_time(party->barrier, 0) != MPROC_OK)
        return too_late(timeout);
    bool over = round_is_over(party);
    if (!over)
        break_it(party->barrier);
    leave(party->barrier);
    return over ? MPROC_OK : too_late(timeout);
}

/* Waits for the end of the round; MPROC_OK however it ended. */
static mproc_err wait_for_end(struct party *party, mproc_ms timeout, int64_t deadline)
{
    struct barrier *barrier = party->barrier;
    mproc_err err = mproc__gate_watch(&barrier->gate, &barrier->sentry, round_is_over, sweep, party, deadline);
    return err == MPROC_ETIMEDOUT ? give_up(party, timeout) : err;
}

/* How a round ended is known until ROUNDS_KNOWN - 1 later ones have. Who has slept longer than that was replaced by
 * another, and goes on with nobody. */
static bool was_broken(struct party *party)
{
    uint64_t rounds = atomic_load(&party->barrier->broken_rounds);
    uint32_t later = atomic_load(&party->barrier->generation) - party->generation;
    return later >= ROUNDS_KNOWN - 1 || rounds & bit_of(party->generation);
}

/* Comes to the first round that is not in its action, and has the latch then. */
static mproc_err come(struct party *party, mproc_ms timeout, int64_t deadline)
{
    struct barrier *barrier = party->barrier;
    mproc_err err = MPROC_OK;
    while (err == MPROC_OK) {
        if (enter_in_time(barrier, deadline) != MPROC_OK)
            return too_late(timeout);
        if (atomic_load(&barrier->broken)) {
            leave(barrier);
            return broken();
        }
        party->generation = atomic_load(&barrier->generation);
        party->number = atomic_load(&barrier->arrived);
        if (party->number < barrier->parties)
            break;
        mproc__latch_release(&barrier->latch);
        err = wait_for_end(party, timeout, deadline);
    }
    return err;
}

/* All have come. */
static mproc_err end_whole(struct party *party, int (*action)(void *context), void *context)
{
    struct barrier *barrier = party->barrier;
    bool failed = false;
    if (action) {
        mproc__latch_release(&barrier->latch);
        MPROC_FAULT("barrier.acting");
        failed = action(context) != 0;
        MPROC_FAULT("barrier.acted");
        (void) enter(barrier, MPROC_PLAT_NEVER);
        if (round_is_over(party)) {
            leave(barrier);
            return broken();
        }
    }
    if (failed)
        break_it(barrier);
    else
        end_round(barrier, true);
    leave(barrier);
    return failed ? mproc__fail(MPROC_EBROKEN, "the barrier's action returned other than 0") : MPROC_OK;
}

mproc_err mproc_barrier_wait_action(mproc_barrier barrier, int *index, int (*action)(void *context),
                                    void *context, mproc_ms timeout)
{
    struct party party = { .barrier = mproc__object(BLOCK_BARRIER, barrier.id) };
    if (!party.barrier)
        return mproc__object_error(barrier.id);
    int64_t deadline = mproc__deadline(timeout);
    mproc_err err = come(&party, timeout, deadline);
    if (err != MPROC_OK)
        return err;
    atomic_store_explicit(&party.barrier->tokens[party.number], mproc__self_token(), memory_order_release);
    MPROC_FAULT("barrier.named");
    atomic_store_explicit(&party.barrier->arrived, party.number + 1, memory_order_release);
    MPROC_FAULT("barrier.arrived");
    if (index)
        *index = (int) party.number;
    if (party.number + 1 == party.barrier->parties)
        return end_whole(&party, action, context);
    mproc__latch_release(&party.barrier->latch);
    err = wait_for_end(&party, timeout, deadline);
    return err == MPROC_OK && was_broken(&party) ? broken() : err;
}

mproc_err mproc_barrier_wait(mproc_barrier barrier, int *index, mproc_ms timeout)
{
    return mproc_barrier_wait_action(barrier, index, NULL, NULL, timeout);
}

static mproc_err change(mproc_barrier barrier, bool to_broken)
{
    struct barrier *found = mproc__object(BLOCK_BARRIER, barrier.id);
    if (!found)
        return mproc__object_error(barrier.id);
    mproc_err err = enter(found, MPROC_PLAT_NEVER);
    if (err != MPROC_OK)
        return err;
    if (to_broken || atomic_load(&found->arrived) > 0)
        break_it(found);
    atomic_store(&found->broken, to_broken);
    leave(found);
    return MPROC_OK;
}

mproc_err mproc_barrier_reset(mproc_barrier barrier)
{
    return change(barrier, false);
}

mproc_err mproc_barrier_abort(mproc_barrier barrier)
{
    return change(barrier, true);
}

int mproc_barrier_parties(mproc_barrier barrier)
{
    struct barrier *found = mproc__object(BLOCK_BARRIER, barrier.id);
    return found ? (int) found->parties : -1;
}

int mproc_barrier_waiting(mproc_barrier barrier)
{
    struct barrier *found = mproc__object(BLOCK_BARRIER, barrier.id);
    return found ? (int) atomic_load(&found->arrived) : -1;
}

bool mproc_barrier_broken(mproc_barrier barrier)
{
    struct barrier *found = mproc__object(BLOCK_BARRIER, barrier.id);
    return found && atomic_load(&found->broken);
}

void mproc__barrier_describe(const void *object, struct text *text)
{
    const struct barrier *barrier = object;
    uint32_t arrived = atomic_load(&barrier->arrived);
    mproc__text_add(text, "%s%lu of %lu have come%s", atomic_load(&barrier->broken) ? "broken, " : "",
                    (unsigned long) arrived, (unsigned long) barrier->parties,
                    arrived == barrier->parties ? ", the last one is in its action" : "");
}
