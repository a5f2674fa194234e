/* SPDX-License-Identifier: MIT */
/* RLock: a latch, and which thread of its holder has it how often. Both are written only by the
 * holder; who is killed before it has written them leaves what the next holder overwrites. */
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

bool mproc__rlock_is_mine(struct rlock *rlock)
{
    return mproc__latch_holder(&rlock->latch) == mproc__self_token() &&
           atomic_load_explicit(&rlock->thread, memory_order_relaxed) == mproc__thread_number();
}

static void set_holder(struct rlock *rlock, uint32_t count)
{
    atomic_store_explicit(&rlock->thread, mproc__thread_number(), memory_order_relaxed);
    rlock->count = count;
}

mproc_err mproc__rlock_acquire(struct rlock *rlock, uint64_t handle, mproc_ms timeout)
{
    mproc_err err = MPROC_OK;
    if (!mproc__latch_try(&rlock->latch)) {
        if (mproc__rlock_is_mine(rlock)) {
            if (rlock->count == UINT32_MAX)
                return mproc__fail(MPROC_ESTATE, "the rlock was acquired %lu times without release",
                                   (unsigned long) rlock->count);
            rlock->count++;
            return MPROC_OK;
        }
        err = mproc__latch_wait(&rlock->latch, handle, "rlock", timeout);
    }
    if (err == MPROC_OK || err == MPROC_OWNERDEAD)
        set_holder(rlock, 1);
    return err;
}

mproc_err mproc_rlock_acquire(mproc_rlock lock, mproc_ms timeout)
{
    struct rlock *rlock = mproc__object(BLOCK_RLOCK, lock.id);
    return rlock ? mproc__rlock_acquire(rlock, lock.id, timeout) : mproc__object_error(lock.id);
}

mproc_err mproc__rlock_release(struct rlock *rlock)
{
    if (!mproc__rlock_is_mine(rlock))
        return mproc__fail(MPROC_EPERM, "the rlock is not held by this thread: only its holder may "
                                        "release it");
    if (--rlock->count == 0)
        mproc__rlock_free(rlock);
    return MPROC_OK;
}

mproc_err mproc_rlock_release(mproc_rlock lock)
{
    struct rlock *rlock = mproc__object(BLOCK_RLOCK, lock.id);
    return rlock ? mproc__rlock_release(rlock) : mproc__object_error(lock.id);
}

void mproc__rlock_free(struct rlock *rlock)
{
    atomic_store_explicit(&rlock->thread, 0, memory_order_relaxed);
    mproc__latch_give_back(&rlock->latch);
}

uint32_t mproc__rlock_free_wholly(struct rlock *rlock)
{
    uint32_t count = rlock->count;
    mproc__rlock_free(rlock);
    return count;
}

mproc_err mproc__rlock_take_again(struct rlock *rlock, uint64_t handle, uint32_t count)
{
    mproc_err err = mproc__latch_try(&rlock->latch)
                        ? MPROC_OK
                        : mproc__latch_wait(&rlock->latch, handle, "rlock", MPROC_FOREVER);
    if (err == MPROC_OK || err == MPROC_OWNERDEAD)
        set_holder(rlock, count);
    return err;
}

mproc_err mproc__rlock_consistent(struct rlock *rlock)
{
    if (!mproc__rlock_is_mine(rlock))
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
    if (rlock->count > 1)
        mproc__text_add(text, " %lu times", (unsigned long) rlock->count);
}
