/* SPDX-License-Identifier: MIT */
/* RLock, as conditions use it. */
#ifndef MPROC_CORE_RLOCK_H
#define MPROC_CORE_RLOCK_H

#include "latch.h"
#include "mproc/lock.h"

struct rlock {
    struct latch latch;
    uint32_t again;         /* how often more than once it is held */
    _Atomic uint64_t owner; /* the holder's mproc__thread_name(); 0: nobody, or not yet */
};

bool mproc__rlock_is_mine(struct rlock *rlock);
/* What the public functions do once they have found it. */
mproc_err mproc__rlock_acquire(struct rlock *rlock, uint64_t handle, mproc_ms timeout);
mproc_err mproc__rlock_release(struct rlock *rlock);
mproc_err mproc__rlock_consistent(struct rlock *rlock);
/* Acquired once, with MPROC_OWNERDEAD, and nothing was done about that: gives it back, and the next one is told. */
void mproc__rlock_decline(struct rlock *rlock);
/* Releases it once for all; the caller holds it. What take_again() needs to hold it as often again. */
uint32_t mproc__rlock_free_wholly(struct rlock *rlock);
mproc_err mproc__rlock_take_again(struct rlock *rlock, uint64_t handle, uint32_t again, mproc_ms timeout);

#endif
