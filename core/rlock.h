/* SPDX-License-Identifier: MIT */
/* RLock, as conditions use it. */
#ifndef MPROC_CORE_RLOCK_H
#define MPROC_CORE_RLOCK_H

#include "latch.h"
#include "mproc/lock.h"

struct rlock {
    struct latch latch;
    _Atomic uint32_t thread; /* mproc__thread_number() of the holder, in its process */
    uint32_t count;
};

bool mproc__rlock_is_mine(struct rlock *rlock);
/* What the public functions do once they have found it. */
mproc_err mproc__rlock_acquire(struct rlock *rlock, uint64_t handle, mproc_ms timeout);
mproc_err mproc__rlock_release(struct rlock *rlock);
mproc_err mproc__rlock_consistent(struct rlock *rlock);
/* Releases it once for all; the caller holds it. */
void mproc__rlock_free(struct rlock *rlock);
/* The same, and how often it was held; take_again() holds it so often again. */
uint32_t mproc__rlock_free_wholly(struct rlock *rlock);
mproc_err mproc__rlock_take_again(struct rlock *rlock, uint64_t handle, uint32_t count);

#endif
