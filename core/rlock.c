/* SPDX-License-Identifier: MIT */
/* RLock: a latch, and which thread of which process has it how often. Both are written only by the
 * holder; who is killed before it has written them leaves what the next holder overwrites. No two
 * living threads have the same name (thread_number.h): whoever reads its own there has the latch. */
#include "rlock.h"

#include "describe.h"
#include "registry.h"
#include "thread_number.h"

mproc_err mproc_rlock_create(mproc_rlock *lock)
{
    if (!lock)
        return mproc__fail(MPROC_EINVAL, "mproc_rlock_create: lock is NULL");
    return mproc__object_create(BLOCK_RLOCK, sizeof(struct rlock), &lock->id);
}

mproc_err mproc_rlock_destroy(mproc_rlock lock)
{
    return mproc__object_destroy(BLOCK_RLOCK, lock.id);
}

static inline bool is_mine(const struct rlock *rlock)
{
    return atomic_load_explicit(&rlock->owner, memory_order_relaxed) == mproc__thread_name();
}

bool mproc__rlock_is_mine(struct rlock *rlock)
{
    return is_mine(rlock);
}

/* Whoever releases it leaves `again` 0; only the dead may not have. */
static inline bool take_free(struct rlock *rlock)
{
    if (!mproc__latch_try(&rlock->latch))
        return false;
    atomic_store_explicit(&rlock->owner, mproc__thread_name(), memory_order_relaxed);
    return true;
}

static mproc_err acquire_slowly(struct rlock *rlock, uint64_t handle, mproc_ms timeout)
{
    if (is_mine(rlock)) {
        if (rlock->again == UINT32_MAX)
            return mproc__fail(MPROC_ESTATE, "the rlock was acquired %llu times without release",
                               rlock->again + 1ull);
        rlock->again++;
        return MPROC_OK;
    }
    mproc_err err = mproc__latch_wait(&rlock->latch, handle, "rlock", timeout);
    if (err == MPROC_OK || err == MPROC_OWNERDEAD) {
        atomic_store_explicit(&rlock->owner, mproc__thread_name(), memory_order_relaxed);
        rlock->again = 0;
    }
    return err;
}

mproc_err mproc__rlock_acquire(struct rlock *rlock, uint64_t handle, mproc_ms timeout)
{
    return take_free(rlock) ? MPROC_OK : acquire_slowly(rlock, handle, timeout);
}

mproc_err mproc_rlock_acquire(mproc_rlock lock, mproc_ms timeout)
{
    struct rlock *rlock = mproc__object(BLOCK_RLOCK, lock.id);
    if (!rlock)
        return mproc__object_error(lock.id);
    return take_free(rlock) ? MPROC_OK : acquire_slowly(rlock, lock.id, timeout);
}

static inline void free_it(struct rlock *rlock)
{
    atomic_store_explicit(&rlock->owner, 0, memory_order_relaxed);
    mproc__latch_give_back(&rlock->latch);
}

static mproc_err not_mine(void)
{
    return mproc__fail(MPROC_EPERM, "the rlock is not held by this thread: only its holder may release it");
}

static inline mproc_err release(struct rlock *rlock)
{
    if (!is_mine(rlock))
        return not_mine();
    if (rlock->again == 0)
        free_it(rlock);
    else
        rlock->again--;
    return MPROC_OK;
}

mproc_err mproc__rlock_release(struct rlock *rlock)
{
    return release(rlock);
}

mproc_err mproc_rlock_release(mproc_rlock lock)
{
    struct rlock *rlock = mproc__object(BLOCK_RLOCK, lock.id);
    return rlock ? release(rlock) : mproc__object_error(lock.id);
}

uint32_t mproc__rlock_free_wholly(struct rlock *rlock)
{
    uint32_t again = rlock->again;
    rlock->again = 0;
    free_it(rlock);
    return again;
}

mproc_err mproc__rlock_take_again(struct rlock *rlock, uint64_t handle, uint32_t again, mproc_ms timeout)
{
    mproc_err err = take_free(rlock) ? MPROC_OK : acquire_slowly(rlock, handle, timeout);
    if (err == MPROC_OK || err == MPROC_OWNERDEAD)
        rlock->again = again;
    return err;
}

void mproc__rlock_decline(struct rlock *rlock)
{
    atomic_store_explicit(&rlock->owner, 0, memory_order_relaxed);
    mproc__latch_decline(&rlock->latch);
}

mproc_err mproc__rlock_consistent(struct rlock *rlock)
{
    if (!is_mine(rlock))
        return mproc__fail(MPROC_EPERM, "the rlock is not held by this thread");
    if (!mproc__latch_consistent(&rlock->latch))
        return mproc__fail(MPROC_ESTATE, "the rlock was not acquired with MPROC_OWNERDEAD");
    return MPROC_OK;
}

mproc_err mproc_rlock_consistent(mproc_rlock lock)
{
    struct rlock *rlock = mproc__object(BLOCK_RLOCK, lock.id);
    return rlock ? mproc__rlock_consistent(rlock) : mproc__object_error(lock.id);
}

bool mproc_rlock_locked(mproc_rlock lock)
{
    struct rlock *rlock = mproc__object(BLOCK_RLOCK, lock.id);
    return rlock && mproc__latch_holder(&rlock->latch) != 0;
}

void mproc__rlock_describe(const void *object, struct text *text)
{
    const struct rlock *rlock = object;
    mproc__latch_describe(&rlock->latch, text);
    if (rlock->again > 0)
        mproc__text_add(text, " %llu times", rlock->again + 1ull);
}
