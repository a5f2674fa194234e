/* SPDX-License-Identifier: MIT */
/* Mutual exclusion between the processes of a family, and their threads: Lock and RLock. */
#ifndef MPROC_LOCK_H
#define MPROC_LOCK_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Lock ---- */

/* A lock: a plain value that means the same in every process of the family. {0} is none. */
typedef struct mproc_lock {
    uint64_t id;
} mproc_lock;

/* Of every call below: MPROC_EBADHANDLE: the lock was destroyed, or is {0} or of another kind; MPROC_ENOINIT: before
 * mproc_init(). */

/* Creates an unlocked lock. It lives until mproc_lock_destroy or the end of the family, whoever dies.
 * MPROC_EINVAL: lock is NULL; MPROC_ENOMEM. (Python: Lock(); POSIX: pthread_mutex_init, robust and shared; Win32:
 * CreateMutex.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_lock_create(mproc_lock *lock);

/* Destroys it. Nobody may hold it or wait for it; but a release after which another has had it need not have returned
 * yet. {0} is ignored: MPROC_OK. */
MPROC_API mproc_err mproc_lock_destroy(mproc_lock lock);

/* Takes the lock; not recursive: a second acquire by the same thread waits. No system call when it
 * is free. Not first come, first served; but who has waited for 100 ms has it soon. MPROC_ETIMEDOUT: not taken.
 * MPROC_OWNERDEAD: taken, but its last holder died holding it, so what it guards may be half
 * changed: repair it, and say so with mproc_lock_consistent(). Reported once per dead holder, to one that
 * waits a few milliseconds after its death (a fifth of a second if many died at once). A stopped process (SIGSTOP) is
 * not dead.
 * MPROC_EBROKEN: not taken, now and for ever: whoever was told so released it without repair.
 * (Python: Lock.acquire; POSIX: pthread_mutex_lock, EOWNERDEAD, ENOTRECOVERABLE; Win32: WAIT_ABANDONED.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_lock_acquire(mproc_lock lock, mproc_ms timeout);

/* Gives it back. As in Python, any process and thread may; MPROC_ESTATE if it is not locked
 * (Python: ValueError "semaphore or lock released too many times"). If the process that took it has died, the next
 * acquire is told so all the same. */
MPROC_API MPROC_MUST_USE mproc_err mproc_lock_release(mproc_lock lock);

/* After MPROC_OWNERDEAD: what the lock guards is in order again, and the lock is as any other.
 * MPROC_ESTATE if there is nothing to say. (POSIX: pthread_mutex_consistent.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_lock_consistent(mproc_lock lock);

/* Whether anybody held it just now; false for a stale handle. (Python 3.14: Lock.locked.) */
MPROC_API bool mproc_lock_locked(mproc_lock lock);

/* ---- RLock ---- */

/* A recursive lock: the thread that holds it may take it again, and only that thread may release it,
 * as often as it took it. */
typedef struct mproc_rlock {
    uint64_t id;
} mproc_rlock;

/* As mproc_lock_create. (Python: RLock().) */
MPROC_API MPROC_MUST_USE mproc_err mproc_rlock_create(mproc_rlock *lock);
/* As mproc_lock_destroy. */
MPROC_API mproc_err mproc_rlock_destroy(mproc_rlock lock);

/* As mproc_lock_acquire; at once if this thread holds it already. A forked child does not hold
 * what its parent held. MPROC_ESTATE: taken 2^32 times already. (Python: RLock.acquire.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_rlock_acquire(mproc_rlock lock, mproc_ms timeout);

/* Undoes one acquire. MPROC_EPERM if this thread does not hold it (Python: AssertionError "attempt
 * to release recursive lock not owned by thread"). */
MPROC_API MPROC_MUST_USE mproc_err mproc_rlock_release(mproc_rlock lock);

/* As mproc_lock_consistent; MPROC_EPERM if this thread does not hold it. */
MPROC_API MPROC_MUST_USE mproc_err mproc_rlock_consistent(mproc_rlock lock);

/* Whether anybody held it just now; false for a stale handle. (Python 3.14: RLock.locked.) */
MPROC_API bool mproc_rlock_locked(mproc_rlock lock);

#ifdef __cplusplus
}
#endif
#endif
