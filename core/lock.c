/* SPDX-License-Identifier: MIT */
/* Lock: a latch in the arena. */
#include "mproc/lock.h"

#include "arena.h"
#include "latch.h"
#include "runtime.h"

mproc_err mproc_lock_create(mproc_lock *lock)
{
    if (!lock)
        return mproc__fail(MPROC_EINVAL, "mproc_lock_create: lock is NULL");
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK)
        err = mproc__arena_alloc(BLOCK_LOCK, sizeof(struct latch), &lock->id);
    return err;
}

mproc_err mproc_lock_destroy(mproc_lock lock)
{
    if (lock.id == 0)
        return MPROC_OK;
    mproc_err err = mproc__check_init();
    return err == MPROC_OK ? mproc__arena_free(BLOCK_LOCK, lock.id) : err;
}

mproc_err mproc_lock_acquire(mproc_lock lock, mproc_ms timeout)
{
    struct latch *latch = mproc__object(BLOCK_LOCK, lock.id);
    if (!latch)
        return mproc__object_error(lock.id);
    mproc_err err = mproc__latch_acquire(latch, mproc__deadline(timeout));
    return err == MPROC_OK ? MPROC_OK : mproc__latch_describe(err, "lock", timeout);
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
