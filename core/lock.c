/* SPDX-License-Identifier: MIT */
/* Lock: a latch in the arena. */
#include "mproc/lock.h"

#include "arena.h"
#include "latch.h"
#include "runtime.h"

struct lock {
    _Atomic uint32_t word;
};

mproc_err mproc_lock_create(mproc_lock *lock)
{
    if (!lock)
        return mproc__fail(MPROC_EINVAL, "mproc_lock_create: lock is NULL");
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK)
        err = mproc__arena_alloc(BLOCK_LOCK, sizeof(struct lock), &lock->id);
    return err;
}

mproc_err mproc_lock_destroy(mproc_lock lock)
{
    if (lock.id == 0)
        return MPROC_OK;
    mproc_err err = mproc__check_init();
    return err == MPROC_OK ? mproc__arena_free(BLOCK_LOCK, lock.id) : err;
}

static struct lock *find(mproc_lock lock)
{
    return mproc__check_init() == MPROC_OK ? mproc__arena_at(BLOCK_LOCK, lock.id) : NULL;
}

mproc_err mproc_lock_acquire(mproc_lock lock, mproc_ms timeout)
{
    struct lock *found = find(lock);
    if (!found)
        return mproc__is_initialized() ? MPROC_EBADHANDLE : MPROC_ENOINIT;
    mproc_err err = mproc__latch_acquire(&found->word, mproc__deadline(timeout));
    if (err == MPROC_ETIMEDOUT)
        mproc__fail(err, "the lock was not free within %lld ms", (long long) timeout);
    else if (err == MPROC_OWNERDEAD)
        mproc__fail(err, "the lock is yours, but its holder died: check the data it guards");
    return err;
}

mproc_err mproc_lock_release(mproc_lock lock)
{
    struct lock *found = find(lock);
    if (!found)
        return mproc__is_initialized() ? MPROC_EBADHANDLE : MPROC_ENOINIT;
    if (!mproc__latch_release(&found->word))
        return mproc__fail(MPROC_ESTATE, "the lock is not locked: release without acquire");
    return MPROC_OK;
}
