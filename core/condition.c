/* SPDX-License-Identifier: MIT */
/* Condition: each waiter has a place of its own and sleeps on its word, so that a notification wakes those
 * it is for and nobody else, the longest waiting first.
 *
 * Killed as a waiter before it is notified: its place is taken again when places run short; a
 * notification may still choose it, and then the next line holds.
 * Killed notified, before it has the lock again and leaves its place: a waiter whose slice ends takes the
 * place over, passes the notification on, and leaves the place.
 * Killed passing it on: the place is notified and its owner dead, as before. If another had been notified
 * already, one more is: that is a spurious wake-up, the only one there is.
 * Killed as the notifier: those it had marked find it at the end of a slice; the lock tells the next.
 * Killed holding the lock, while all others wait: one whose slice ends takes the lock, and is told. */
#include "mproc/condition.h"

#include "describe.h"
#include "registry.h"
#include "rlock.h"
#include "spin.h"

#include <stddef.h>

enum { OWN_PLACES = 2, CHUNKS = 12, FIRST_CHUNK = 32 }; /* each chunk twice the one before */

struct place {
    _Atomic uint32_t owner;  /* token; 0: nobody's */
    _Atomic uint32_t state;  /* counts uses in its upper 30 bits */
    _Atomic uint32_t ticket;
};
enum place_state { IDLE, WAITING, ASLEEP, NOTIFIED, STATES };
enum kind { OWN, LOCK, RLOCK };

/* What two processes that notify each other write is one cache line. */
struct condition {
    struct rlock own;
    _Atomic uint32_t used;   /* places that were ever taken */
    uint32_t tickets;        /* under the lock */
    struct place places[OWN_PLACES];

    uint32_t kind;           /* of lock it is over */
    struct spin spin;
    uint64_t lock;           /* its handle, unless it is its own */
    _Atomic uint64_t chunks[CHUNKS];
};
enum { LINE = 64 };
_Static_assert(offsetof(struct condition, kind) == LINE, "the first line is full");

/* Blocks begin anywhere: there is room to move a condition to the beginning of a line. */
static struct condition *in_block(const void *block)
{
    return block ? (struct condition *) (((uintptr_t) block + LINE - 1) & ~(uintptr_t) (LINE - 1)) : NULL;
}

static inline struct condition *find(mproc_condition condition)
{
    return in_block(mproc__object(BLOCK_CONDITION, condition.id));
}

#define FIRST_SLICE INT64_C(50000000)
#define LONGEST_SLICE INT64_C(400000000)

/* ---- creating ---- */

static mproc_err create(mproc_condition *condition, enum kind kind, uint64_t lock)
{
    if (!condition)
        return mproc__fail(MPROC_EINVAL, "mproc_condition_create: condition is NULL");
    if (kind != OWN && !mproc__object(kind == LOCK ? BLOCK_LOCK : BLOCK_RLOCK, lock))
        return mproc__object_error(lock);
    mproc_err err = mproc__object_create(BLOCK_CONDITION, sizeof(struct condition) + LINE, &condition->id);
    if (err != MPROC_OK)
        return err;
    struct condition *created = find(*condition);
    created->kind = kind;
    created->lock = lock;
    return MPROC_OK;
}

mproc_err mproc_condition_create(mproc_condition *condition)
{
    return create(condition, OWN, 0);
}

mproc_err mproc_condition_create_lock(mproc_condition *condition, mproc_lock lock)
{
    return create(condition, LOCK, lock.id);
}

mproc_err mproc_condition_create_rlock(mproc_condition *condition, mproc_rlock lock)
{
    return create(condition, RLOCK, lock.id);
}

mproc_err mproc_condition_destroy(mproc_condition condition)
{
    struct condition *found = find(condition);
    if (!found)
        return condition.id == 0 ? MPROC_OK : mproc__object_error(condition.id);
    uint64_t chunks[CHUNKS];
    for (int i = 0; i < CHUNKS; i++)
        chunks[i] = atomic_load(&found->chunks[i]);
    mproc_err err = mproc__object_destroy(BLOCK_CONDITION, condition.id);
    for (int i = 0; err == MPROC_OK && i < CHUNKS && chunks[i]; i++)
        err = mproc__arena_free(BLOCK_WAITERS, chunks[i]);
    return err;
}

/* ---- its lock ---- */

static struct rlock *rlock_of(struct condition *condition)
{
    return condition->kind == OWN ? &condition->own : mproc__object(BLOCK_RLOCK, condition->lock);
}

/* NULL if the lock was destroyed. */
static struct latch *latch_of(struct condition *condition)
{
    if (condition->kind == LOCK)
        return mproc__object(BLOCK_LOCK, condition->lock);
    struct rlock *rlock = rlock_of(condition);
    return rlock ? &rlock->latch : NULL;
}

mproc_err mproc_condition_acquire(mproc_condition condition, mproc_ms timeout)
{
    struct condition *found = find(condition);
    if (!found)
        return mproc__object_error(condition.id);
    if (found->kind == LOCK)
        return mproc_lock_acquire((mproc_lock){ found->lock }, timeout);
    struct rlock *rlock = rlock_of(found);
    return rlock ? mproc__rlock_acquire(rlock, condition.id, timeout) : mproc__object_error(found->lock);
}

mproc_err mproc_condition_release(mproc_condition condition)
{
    struct condition *found = find(condition);
    if (!found)
        return mproc__object_error(condition.id);
    if (found->kind == LOCK)
        return mproc_lock_release((mproc_lock){ found->lock });
    struct rlock *rlock = rlock_of(found);
    return rlock ? mproc__rlock_release(rlock) : mproc__object_error(found->lock);
}

mproc_err mproc_condition_consistent(mproc_condition condition)
{
    struct condition *found = find(condition);
    if (!found)
        return mproc__object_error(condition.id);
    if (found->kind == LOCK)
        return mproc_lock_consistent((mproc_lock){ found->lock });
    struct rlock *rlock = rlock_of(found);
    return rlock ? mproc__rlock_consistent(rlock) : mproc__object_error(found->lock);
}

/* The condition, if its lock is held by the caller. */
static mproc_err find_held(mproc_condition condition, struct condition **found)
{
    *found = find(condition);
    if (!*found)
        return mproc__object_error(condition.id);
    struct latch *latch = latch_of(*found);
    if (!latch)
        return mproc__object_error((*found)->lock);
    if ((*found)->kind == LOCK ? mproc__latch_holder(latch) == mproc__self_token()
                               : mproc__rlock_is_mine(rlock_of(*found)))
        return MPROC_OK;
    return mproc__fail(MPROC_EPERM, "the condition's lock is not held: acquire it before you wait or notify");
}

static uint32_t free_lock(struct condition *condition)
{
    if (condition->kind != LOCK)
        return mproc__rlock_free_wholly(rlock_of(condition));
    mproc__latch_give_back(latch_of(condition));
    return 0;
}

/* ---- places ---- */

static struct place *place_at(struct condition *condition, uint32_t index)
{
    if (index < OWN_PLACES)
        return &condition->places[index];
    index -= OWN_PLACES;
    uint32_t size = FIRST_CHUNK;
    for (int i = 0; i < CHUNKS; i++, size *= 2) {
        uint64_t handle = atomic_load(&condition->chunks[i]);
        if (index < size) {
            struct place *chunk = handle ? mproc__object(BLOCK_WAITERS, handle) : NULL;
            return chunk ? chunk + index : NULL;
        }
        index -= size;
    }
    return NULL;
}

static mproc_err add_chunk(struct condition *condition)
{
    uint64_t size = FIRST_CHUNK, handle, nothing = 0;
    int number = 0;
    while (number < CHUNKS && atomic_load(&condition->chunks[number])) {
        number++;
        size *= 2;
    }
    if (number == CHUNKS)
        return mproc__fail(MPROC_EAGAIN, "the condition has more waiters than it can have");
    mproc_err err = mproc__arena_alloc(BLOCK_WAITERS, size * sizeof(struct place), &handle);
    if (err == MPROC_OK && !atomic_compare_exchange_strong(&condition->chunks[number], &nothing, handle))
        mproc__arena_free(BLOCK_WAITERS, handle);
    return err;
}

static uint32_t state_of(struct place *place)
{
    return atomic_load(&place->state) % STATES;
}

/* From one state to another of the same use. */
static bool move(struct place *place, enum place_state from, enum place_state to)
{
    uint32_t seen = atomic_load(&place->state);
    return seen % STATES == from && atomic_compare_exchange_strong(&place->state, &seen, seen - from + to);
}

static void leave(struct place *place)
{
    uint32_t state = atomic_load_explicit(&place->state, memory_order_relaxed);
    atomic_store_explicit(&place->state, state / STATES * STATES + STATES + IDLE, memory_order_release);
    MPROC_FAULT("condition.idle");
    atomic_store_explicit(&place->owner, 0, memory_order_release);
}

/* Makes the place the caller's. A dead one that was told something keeps it: sweep() comes to that. */
static bool claim(struct place *place, bool from_dead)
{
    uint32_t owner = atomic_load(&place->owner);
    if (owner != 0 && !(from_dead && state_of(place) != NOTIFIED && !mproc__token_alive(owner)))
        return false;
    return atomic_compare_exchange_strong(&place->owner, &owner, mproc__self_token());
}

/* Marked as notified, it is woken when the lock is free: it could not go on before. */
static void wake(struct condition *condition, struct place *place, bool is_held)
{
    MPROC_FAULT("condition.notified");
    if (is_held)
        mproc__latch_postpone_wake(latch_of(condition), &place->state);
    else
        mproc_plat_unpark(&place->state, 1);
}

/* Notifies the one that has waited longest; false if nobody waits. */
static bool notify_one(struct condition *condition, bool is_held)
{
    for (;;) {
        struct place *first = NULL;
        uint32_t used = atomic_load(&condition->used);
        for (uint32_t i = 0; i < used; i++) {
            struct place *place = place_at(condition, i);
            uint32_t state = state_of(place);
            if ((state == WAITING || state == ASLEEP) &&
                (!first || (int32_t) (atomic_load(&place->ticket) - atomic_load(&first->ticket)) < 0))
                first = place;
        }
        if (!first)
            return false;
        if (move(first, WAITING, NOTIFIED))
            return true;
        if (move(first, ASLEEP, NOTIFIED)) {
            wake(condition, first, is_held);
            return true;
        }
    }
}

/* Begins a new use of the caller's place. What a dead one was told in the use before goes to another first, so
 * that it is not lost if this process is killed here. */
static void begin_use(struct condition *condition, struct place *place, enum place_state first)
{
    uint32_t seen = atomic_load(&place->state);
    do {
        if (seen % STATES == NOTIFIED) {
            notify_one(condition, false);
            MPROC_FAULT("condition.passed_on");
        }
    } while (!atomic_compare_exchange_strong(&place->state, &seen, seen / STATES * STATES + STATES + first));
}

/* Passes on what the dead were told. */
static void sweep(struct condition *condition)
{
    uint32_t used = atomic_load(&condition->used);
    for (uint32_t i = 0; i < used; i++) {
        struct place *place = place_at(condition, i);
        uint32_t state = atomic_load(&place->state);
        uint32_t owner = atomic_load(&place->owner);
        MPROC_FAULT("condition.owner_read");
        /* The exchange fails if that one left the place to a living one, and died then. */
        if (state % STATES != NOTIFIED || owner == 0 || mproc__token_alive(owner) ||
            !atomic_compare_exchange_strong(&place->owner, &owner, mproc__self_token()))
            continue;
        MPROC_FAULT("condition.swept");
        begin_use(condition, place, IDLE);
        MPROC_FAULT("condition.idle");
        atomic_store_explicit(&place->owner, 0, memory_order_release);
    }
}

static mproc_err take_place(struct condition *condition, struct place **place)
{
    mproc_err err;
    for (uint32_t index = 0, tries = 0;; index++) {
        *place = place_at(condition, index);
        if (*place && claim(*place, tries > 0)) {
            uint32_t used = atomic_load(&condition->used);
            while (used <= index && !atomic_compare_exchange_weak(&condition->used, &used, index + 1))
                continue;
            break;
        }
        if (*place)
            continue;
        if (tries++ == 0 && index > 0)
            sweep(condition);
        else if ((err = add_chunk(condition)) != MPROC_OK)
            return err;
        index = UINT32_MAX; /* begins again at 0 */
    }
    MPROC_FAULT("condition.claimed");
    atomic_store_explicit(&(*place)->ticket, condition->tickets++, memory_order_relaxed);
    begin_use(condition, *place, WAITING);
    return MPROC_OK;
}

/* ---- waiting ---- */

struct waiter {
    struct condition *condition;
    uint64_t handle;
    uint32_t again; /* how often more than once it held the lock */
    struct place *place;
    int64_t deadline;
};

static mproc_err take_lock_again(const struct waiter *waiter, mproc_ms timeout)
{
    struct condition *condition = waiter->condition;
    if (condition->kind == LOCK)
        return mproc_lock_acquire((mproc_lock){ condition->lock }, timeout);
    struct rlock *rlock = rlock_of(condition);
    return rlock ? mproc__rlock_take_again(rlock, waiter->handle, waiter->again, timeout)
                 : mproc__object_error(condition->lock);
}

/* If the lock's holder is dead, was dead when another gave it back, or the lock is broken, perhaps nobody comes to
 * notify, or to learn of it. True if there is nothing more to wait for; `err` as of taking the lock. */
static bool take_lost_lock(const struct waiter *waiter, mproc_err *err)
{
    const struct latch *latch = latch_of(waiter->condition);
    process_token holder = latch ? mproc__latch_holder(latch) : 0;
    if (latch && !mproc__latch_is_lost(latch) && (holder == 0 || mproc__token_alive(holder)))
        return false;
    *err = take_lock_again(waiter, MPROC_NOWAIT);
    if (*err == MPROC_OK) /* another was told, and has repaired it */
        free_lock(waiter->condition);
    return *err != MPROC_OK && *err != MPROC_ETIMEDOUT;
}

enum outcome { WAS_NOTIFIED, TOO_LATE, LOCK_WAS_LOST /* `err` is that of taking the lock */ };

static enum outcome sleep_at(const struct waiter *waiter, mproc_err *err)
{
    struct place *place = waiter->place;
    move(place, WAITING, ASLEEP);
    for (int64_t slice = FIRST_SLICE; state_of(place) != NOTIFIED;) {
        int64_t now = mproc_plat_now(), left = waiter->deadline - now;
        if (left <= 0 && move(place, ASLEEP, IDLE))
            return TOO_LATE;
        uint32_t state = atomic_load(&place->state);
        MPROC_FAULT("condition.before_sleep");
        if (state % STATES != ASLEEP ||
            mproc_plat_park(&place->state, state, left > slice ? now + slice : waiter->deadline) != MPROC_ETIMEDOUT)
            continue;
        sweep(waiter->condition);
        if (take_lost_lock(waiter, err)) {
            move(place, ASLEEP, IDLE); /* unless it was notified just now: then that is used up */
            return LOCK_WAS_LOST;
        }
        if (slice < LONGEST_SLICE)
            slice *= 2;
    }
    return WAS_NOTIFIED;
}

static enum outcome wait_at(const struct waiter *waiter, mproc_err *err)
{
    struct look look = mproc__look_begin(&waiter->condition->spin);
    while (waiter->deadline != 0 && mproc__look_again(&look)) {
        if (state_of(waiter->place) == NOTIFIED) {
            mproc__look_helped(&look);
            return WAS_NOTIFIED;
        }
    }
    _Atomic uint64_t *waits = mproc__waits_begin(waiter->handle);
    enum outcome outcome = sleep_at(waiter, err);
    mproc__waits_end(waits);
    return outcome;
}

static mproc_err wait_until(struct condition *condition, uint64_t handle, int64_t deadline)
{
    struct waiter waiter = { .condition = condition, .handle = handle, .deadline = deadline };
    mproc_err err = take_place(condition, &waiter.place);
    if (err != MPROC_OK)
        return err;
    waiter.again = free_lock(condition);
    MPROC_FAULT("condition.lock_free");
    enum outcome outcome = wait_at(&waiter, &err);
    MPROC_FAULT("condition.awake");
    if (outcome != LOCK_WAS_LOST)
        err = take_lock_again(&waiter, MPROC_FOREVER);
    MPROC_FAULT("condition.lock_taken");
    leave(waiter.place);
    return err == MPROC_OK && outcome == TOO_LATE ? MPROC_ETIMEDOUT : err;
}

mproc_err mproc_condition_wait(mproc_condition condition, mproc_ms timeout)
{
    struct condition *found;
    mproc_err err = find_held(condition, &found);
    if (err == MPROC_OK)
        err = wait_until(found, condition.id, mproc__deadline(timeout));
    if (err == MPROC_ETIMEDOUT)
        mproc__fail(err, "nobody notified the condition within %lld ms", (long long) timeout);
    return err;
}

mproc_err mproc_condition_wait_for(mproc_condition condition, bool (*predicate)(void *context), void *context,
                                   mproc_ms timeout)
{
    struct condition *found;
    if (!predicate)
        return mproc__fail(MPROC_EINVAL, "mproc_condition_wait_for: predicate is NULL");
    mproc_err err = find_held(condition, &found);
    int64_t deadline = mproc__deadline(timeout);
    while (err == MPROC_OK && !predicate(context)) {
        err = wait_until(found, condition.id, deadline);
        if (err == MPROC_ETIMEDOUT)
            return predicate(context) ? MPROC_OK
                                      : mproc__fail(err, "the predicate was false for %lld ms",
                                                    (long long) timeout);
    }
    return err;
}

mproc_err mproc_condition_notify(mproc_condition condition, int count)
{
    struct condition *found;
    mproc_err err = find_held(condition, &found);
    while (err == MPROC_OK && count-- > 0 && notify_one(found, true))
        continue;
    return err;
}

mproc_err mproc_condition_notify_all(mproc_condition condition)
{
    struct condition *found;
    mproc_err err = find_held(condition, &found);
    if (err != MPROC_OK)
        return err;
    uint32_t used = atomic_load(&found->used);
    for (uint32_t i = 0; i < used; i++) {
        struct place *place = place_at(found, i);
        if (!move(place, WAITING, NOTIFIED) && move(place, ASLEEP, NOTIFIED))
            wake(found, place, true);
    }
    return MPROC_OK;
}

void mproc__condition_describe(const void *object, struct text *text)
{
    const struct condition *condition = in_block(object);
    if (condition->kind == OWN) {
        mproc__text_add(text, "its lock is ");
        mproc__latch_describe(&condition->own.latch, text);
    } else {
        mproc__text_add(text, "of %s %016llx", condition->kind == RLOCK ? "rlock" : "lock",
                        (unsigned long long) condition->lock);
    }
}
