/* SPDX-License-Identifier: MIT */
/* Lock: a latch in the arena. */
#include "mproc/lock.h"

#include "describe.h"
#include "latch.h"
#include "registry.h"

mproc_err mproc_lock_create(mproc_lock *lock)
{
    if (!lock)
        return mproc__fail(MPROC_EINVAL, "mproc_lock_create: lock is NULL");
    return mproc__object_create(BLOCK_LOCK, sizeof(struct latch), &lock->id);
}

mproc_err mproc_lock_destroy(mproc_lock lock)
{
    return mproc__object_destroy(BLOCK_LOCK, lock.id);
}

mproc_err mproc_lock_acquire(mproc_lock lock, mproc_ms timeout)
{
    struct latch *latch = mproc__object(BLOCK_LOCK, lock.id);
    if (!latch)
        return mproc__object_error(lock.id);
    return mproc__latch_try(latch) ? MPROC_OK : mproc__latch_wait(latch, lock.id, "lock", timeout);
}

mproc_err mproc_lock_release(mproc_lock lock)
{
    struct latch *latch = mproc__object(BLOCK_LOCK, lock.id);
    if (!latch)
        return mproc__object_error(lock.id);
    if (!mproc__latch_give_back(latch))
        return mproc__fail(MPROC_ESTATE, "the lock is not locked: release without acquire");
    return MPROC_OK;
}

mproc_err mproc_lock_consistent(mproc_lock lock)
{
    struct latch *latch = mproc__object(BLOCK_LOCK, lock.id);
    if (!latch)
        return mproc__object_error(lock.id);
    if (!mproc__latch_consistent(latch))
        return mproc__fail(MPROC_ESTATE, "the lock was not acquired with MPROC_OWNERDEAD");
    return MPROC_OK;
}

bool mproc_lock_locked(mproc_lock lock)
{
    struct latch *latch = mproc__object(BLOCK_LOCK, lock.id);
    return latch && mproc__latch_holder(latch) != 0;
}

void mproc__lock_describe(const void *object, struct text *text)
{
    mproc__latch_describe(object, text);
}
