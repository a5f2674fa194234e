/* SPDX-License-Identifier: MIT */
/* A mutual exclusion lock between the processes of a family, and their threads. */
#ifndef MPROC_LOCK_H
#define MPROC_LOCK_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A lock: a plain value that means the same in every process of the family. {0} is none. */
typedef struct mproc_lock {
    uint64_t id;
} mproc_lock;

/* Creates an unlocked lock. It lives until mproc_lock_destroy or the end of the family. */
MPROC_API MPROC_MUST_USE mproc_err mproc_lock_create(mproc_lock *lock);

/* Destroys it. Nobody may hold it or wait for it. {0} is ignored. */
MPROC_API mproc_err mproc_lock_destroy(mproc_lock lock);

/* Takes the lock; not recursive: a second acquire by the same thread waits. No system call when it
 * is free. MPROC_ETIMEDOUT: not taken.
 * MPROC_OWNERDEAD: taken, but its last holder died holding it, so what it guards may be half
 * changed: repair it, and say so with mproc_lock_consistent(). Reported once per dead holder.
 * MPROC_EBROKEN: not taken, now and for ever: whoever was told so released it without repair.
 * (POSIX: pthread_mutex_lock, EOWNERDEAD, ENOTRECOVERABLE.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_lock_acquire(mproc_lock lock, mproc_ms timeout);

/* Gives it back. As in Python, any process and thread may; MPROC_ESTATE if it is not locked
 * (Python: ValueError "semaphore or lock released too many times"). */
MPROC_API MPROC_MUST_USE mproc_err mproc_lock_release(mproc_lock lock);

/* After MPROC_OWNERDEAD: what the lock guards is in order again, and the lock is as any other.
 * MPROC_ESTATE if there is nothing to say. (POSIX: pthread_mutex_consistent.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_lock_consistent(mproc_lock lock);

/* Whether anybody held it just now; false for a stale handle. (Python 3.14: Lock.locked.) */
MPROC_API bool mproc_lock_locked(mproc_lock lock);

#ifdef __cplusplus
}
#endif
#endif
