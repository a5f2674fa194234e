/* SPDX-License-Identifier: MIT */
/* A place where a number of processes wait for each other: Barrier. */
#ifndef MPROC_BARRIER_H
#define MPROC_BARRIER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A barrier. A plain value; {0} is none. */
typedef struct mproc_barrier {
    uint64_t id;
} mproc_barrier;

/* Of every call below: MPROC_EBADHANDLE: the barrier was destroyed, or is {0} or of another kind; MPROC_ENOINIT:
 * before mproc_init(). */

/* Creates one for `parties` processes or threads, 1 to 65536. MPROC_EINVAL; MPROC_ENOMEM. (Python:
 * Barrier(parties); POSIX: pthread_barrier_init.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_barrier_create(mproc_barrier *barrier, int parties);
/* Destroys it. Nobody may wait at it; but who let the last ones go (the last party to come, or who reset or aborted it)
 * need not have returned yet. {0} is ignored. */
MPROC_API mproc_err mproc_barrier_destroy(mproc_barrier barrier);

/* Waits until all parties have come; then all go on, and it can be used again. *index (or NULL) is a number from 0
 * to parties - 1, different for each: 0 came first. MPROC_ETIMEDOUT: not in time; that breaks the barrier for the
 * others (Python has one error for both). MPROC_EBROKEN: somebody's time was over, it was reset or aborted, or one
 * of those that wait has died, which is known a few milliseconds later. Who dies before it comes is not known: use
 * a time-out. Who is stopped (SIGSTOP) is waited for. (Python: Barrier.wait; POSIX: pthread_barrier_wait.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_barrier_wait(mproc_barrier barrier, int *index, mproc_ms timeout);

/* The same, but the last one to come calls action(context) in its process before the others go on. If action
 * returns other than 0, the barrier breaks, and that call returns MPROC_EBROKEN. All parties should give the same
 * action. (Python gives it to the constructor; a function of C belongs to one process.) While it runs the others'
 * time may be over, or it dies: that breaks the barrier, and the call returns MPROC_EBROKEN if it still can. Who
 * comes meanwhile waits for the next round. The action may abort or reset the barrier but must not wait at it. */
MPROC_API MPROC_MUST_USE mproc_err mproc_barrier_wait_action(mproc_barrier barrier, int *index,
                                                             int (*action)(void *context), void *context,
                                                             mproc_ms timeout);

/* Makes it empty and whole; those that wait get MPROC_EBROKEN. (Python: Barrier.reset.) */
MPROC_API mproc_err mproc_barrier_reset(mproc_barrier barrier);
/* Breaks it: those that wait and those that come get MPROC_EBROKEN until it is reset. (Python: Barrier.abort.) */
MPROC_API mproc_err mproc_barrier_abort(mproc_barrier barrier);

/* For how many it is, and how many wait just now; -1 for a stale handle. (Python: parties, n_waiting.) */
MPROC_API int mproc_barrier_parties(mproc_barrier barrier);
MPROC_API int mproc_barrier_waiting(mproc_barrier barrier);
/* Whether it is broken, and waits for a reset; false for a stale handle. (Python: broken.) */
MPROC_API bool mproc_barrier_broken(mproc_barrier barrier);

#ifdef __cplusplus
}
#endif
#endif
