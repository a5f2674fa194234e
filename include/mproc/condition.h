/* SPDX-License-Identifier: MIT */
/* Waiting for a change of what a lock guards: Condition. */
#ifndef MPROC_CONDITION_H
#define MPROC_CONDITION_H

#include "lock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A condition variable over a lock. A plain value; {0} is none. */
typedef struct mproc_condition {
    uint64_t id;
} mproc_condition;

/* Of every call below: MPROC_EBADHANDLE: the condition, or its lock, was destroyed, or is {0} or of another kind;
 * MPROC_ENOINIT: before mproc_init(). */

/* Creates one with a recursive lock of its own, as Python's Condition() does. MPROC_EINVAL: condition is NULL;
 * MPROC_ENOMEM. (POSIX: pthread_cond_init; Win32: InitializeConditionVariable, inside one process.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_create(mproc_condition *condition);
/* Creates one over a lock of yours, which must live as long; several may share it. */
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_create_lock(mproc_condition *condition, mproc_lock lock);
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_create_rlock(mproc_condition *condition,
                                                                mproc_rlock lock);
/* Destroys it, and its own lock if it has one. Nobody may wait. {0} is ignored. */
MPROC_API mproc_err mproc_condition_destroy(mproc_condition condition);

/* Its lock: mproc_lock_acquire, mproc_lock_release and mproc_lock_consistent (mproc_rlock_...), MPROC_OWNERDEAD
 * included. */
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_acquire(mproc_condition condition, mproc_ms timeout);
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_release(mproc_condition condition);
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_consistent(mproc_condition condition);

/* Releases the lock (a recursive one wholly), waits for a notification, and takes it again: it is held afterwards,
 * also after MPROC_ETIMEDOUT, unless the error is MPROC_EBROKEN or worse. MPROC_OWNERDEAD: held, and a holder died
 * meanwhile, be it that nobody notified and all others wait here. MPROC_EPERM: the lock is not held by this thread
 * (a plain Lock: by this process). No wake-up is spurious, but one that a killed process was passing on from
 * another killed one may come twice. MPROC_ENOMEM, MPROC_EAGAIN: there is no place for one more waiter (of some
 * 130,000), and it has not waited. (POSIX: pthread_cond_wait.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_wait(mproc_condition condition, mproc_ms timeout);

/* Waits until predicate(context) is true; it is asked with the lock held. MPROC_ETIMEDOUT: it was false at the
 * end. MPROC_OWNERDEAD: held, whatever the predicate says. Other errors as mproc_condition_wait. (Python:
 * Condition.wait_for.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_wait_for(mproc_condition condition,
                                                            bool (*predicate)(void *context),
                                                            void *context, mproc_ms timeout);

/* Wakes up to `count` of those that wait, the longest waiting first; the lock must be held.
 * MPROC_EPERM. No system call when nobody waits. It does not wait for anybody: if a process dies
 * that was notified and had not the lock again yet, another one that waits is woken in its place, half a second
 * later at most. (Python: Condition.notify; POSIX: pthread_cond_signal.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_notify(mproc_condition condition, int count);
/* Wakes all that wait, in the same way. (Python: Condition.notify_all; POSIX: pthread_cond_broadcast.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_condition_notify_all(mproc_condition condition);

#ifdef __cplusplus
}
#endif
#endif
