/* SPDX-License-Identifier: MIT */
/* Counting: Semaphore, BoundedSemaphore, and permits that return when their holder dies. */
#ifndef MPROC_SEMAPHORE_H
#define MPROC_SEMAPHORE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Semaphore and BoundedSemaphore ---- */

/* A counter that is never negative: acquire takes one from it and waits while it is 0, release adds
 * one, by whatever process and thread. A plain value; {0} is none. Nobody owns what was taken from
 * it: if a process dies that was to release it, that one is missing (see mproc_permits). */
typedef struct mproc_semaphore {
    uint64_t id;
} mproc_semaphore;

/* The largest value: 2^31 - 1 (Python's SEM_VALUE_MAX). */
#define MPROC_SEMAPHORE_MAX 2147483647

/* Of every call below: MPROC_EBADHANDLE: the semaphore was destroyed, or is {0} or of another kind; MPROC_ENOINIT:
 * before mproc_init(). */

/* Creates one with this value, 0 to MPROC_SEMAPHORE_MAX. MPROC_EINVAL; MPROC_ENOMEM. (Python: Semaphore(value);
 * POSIX: sem_init; Win32: CreateSemaphore.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_semaphore_create(mproc_semaphore *semaphore, int value);
/* The same, but release refuses to exceed this value (Python: BoundedSemaphore; here the test and
 * the addition are one step). */
MPROC_API MPROC_MUST_USE mproc_err mproc_semaphore_create_bounded(mproc_semaphore *semaphore, int value);
/* Destroys it. Nobody may wait for it; but an acquire that has returned is enough, even if the release that ended it
 * has not returned yet. {0} is ignored. */
MPROC_API mproc_err mproc_semaphore_destroy(mproc_semaphore semaphore);

/* Takes one. No system call when the value is not 0. MPROC_ETIMEDOUT. Who dies waiting takes nothing. (Python:
 * Semaphore.acquire; POSIX: sem_wait, sem_timedwait.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_semaphore_acquire(mproc_semaphore semaphore, mproc_ms timeout);
/* Adds one and wakes a waiter. MPROC_ESTATE if that exceeds the bound (Python: ValueError
 * "semaphore or lock released too many times"). Who dies in it has added one or not; if it could not wake anybody any
 * more, those that wait see it 100 ms later at most. (POSIX: sem_post.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_semaphore_release(mproc_semaphore semaphore);
/* The value just now, on every system (Python: get_value; POSIX: sem_getvalue). -1 for a stale handle. */
MPROC_API int mproc_semaphore_value(mproc_semaphore semaphore);

/* ---- permits ---- */

/* A limit for how many may do something at once, such as four downloads: a semaphore that knows who
 * has its permits. When a process dies, those it had return by themselves: at once to who asks for one then, a few
 * milliseconds later to who waits (a fifth of a second if many died at once). A stopped process keeps its. */
typedef struct mproc_permits {
    uint64_t id;
} mproc_permits;

/* Creates `count` permits, 1 to 65536. MPROC_EINVAL; MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_permits_create(mproc_permits *permits, int count);
/* Destroys them. Nobody may wait for one; but an acquire that has returned is enough, even if the release that ended it
 * has not returned yet. {0} is ignored. */
MPROC_API mproc_err mproc_permits_destroy(mproc_permits permits);
/* Takes a permit for this process. MPROC_ETIMEDOUT. Without a system call if one is free. */
MPROC_API MPROC_MUST_USE mproc_err mproc_permits_acquire(mproc_permits permits, mproc_ms timeout);
/* Gives one of this process's permits back, whichever of its threads took it. MPROC_EPERM if
 * this process has none. */
MPROC_API MPROC_MUST_USE mproc_err mproc_permits_release(mproc_permits permits);
/* How many are free just now; those of the dead count as taken until somebody asks for one. -1 for a
 * stale handle. */
MPROC_API int mproc_permits_free(mproc_permits permits);

#ifdef __cplusplus
}
#endif
#endif
