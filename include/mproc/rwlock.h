/* SPDX-License-Identifier: MIT */
/* Many readers or one writer: what Python lacks. */
#ifndef MPROC_RWLOCK_H
#define MPROC_RWLOCK_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A readers-writer lock between the processes of a family, and their threads. A plain value; {0} is
 * none. A writer that waits is let in before readers that come later. */
typedef struct mproc_rwlock {
    uint64_t id;
} mproc_rwlock;

/* Of every call below: MPROC_EBADHANDLE: the lock was destroyed, or is {0} or of another kind; MPROC_ENOINIT: before
 * mproc_init(). */

/* Creates one that nobody has. MPROC_EINVAL: lock is NULL; MPROC_ENOMEM. (POSIX: pthread_rwlock_init; Win32:
 * InitializeSRWLock, inside one process.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_rwlock_create(mproc_rwlock *lock);
/* Destroys it. Nobody may hold it or wait for it; but a release after which another has had it need not have returned
 * yet. {0} is ignored. */
MPROC_API mproc_err mproc_rwlock_destroy(mproc_rwlock lock);

/* Takes it for reading, together with other readers of up to 256 processes; more wait. Not recursive:
 * a reader that reads again may wait for a writer that waits for it. A reader that dies is no
 * reader any more. MPROC_ETIMEDOUT: not taken.
 * MPROC_OWNERDEAD: a writer died. The lock is yours, for WRITING: repair what it guards, call
 * mproc_rwlock_consistent(), read, and release. A writer that died before it had the lock is nobody's loss, and not
 * reported. MPROC_EBROKEN: as mproc_lock_acquire. (POSIX: pthread_rwlock_rdlock, which knows of no deaths.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_rwlock_acquire_read(mproc_rwlock lock, mproc_ms timeout);
/* Takes it for writing, alone. MPROC_ETIMEDOUT; MPROC_OWNERDEAD and MPROC_EBROKEN as above. (POSIX:
 * pthread_rwlock_wrlock.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_rwlock_acquire_write(mproc_rwlock lock, mproc_ms timeout);
/* Gives back what this process took, for reading or writing, whichever of its threads did. MPROC_EPERM if it has
 * nothing. After MPROC_OWNERDEAD without mproc_rwlock_consistent() the lock is broken for ever. (POSIX:
 * pthread_rwlock_unlock.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_rwlock_release(mproc_rwlock lock);
/* After MPROC_OWNERDEAD: what it guards is in order again. MPROC_ESTATE if there is nothing to say. */
MPROC_API MPROC_MUST_USE mproc_err mproc_rwlock_consistent(mproc_rwlock lock);
/* Whether anybody read or wrote just now; false for a stale handle. */
MPROC_API bool mproc_rwlock_locked(mproc_rwlock lock);

#ifdef __cplusplus
}
#endif
#endif
