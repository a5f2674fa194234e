/* SPDX-License-Identifier: MIT */
/* Waiting in slices, so that a death is noticed: of those that wait for one object, the sentry looks every few
 * milliseconds, the others only now and then. A thousand waiters cost no more than one.
 *
 * Whoever has waited longer than the first slice becomes the sentry if there is none. A sentry that
 * leaves wakes another waiter (its object's way) to follow it. Killed as the sentry: the slices of
 * the others end, and one of them takes the dead one's place. */
#ifndef MPROC_CORE_SENTRY_H
#define MPROC_CORE_SENTRY_H

#include "slots.h"

struct sentry {
    _Atomic uint32_t token; /* of its process; 0: nobody */
};

struct watch {
    struct sentry *sentry;
    int64_t slice; /* nanoseconds */
    bool mine;
};

struct watch mproc__sentry_begin(struct sentry *sentry);
/* When to wake at the latest: the end of the slice that begins now, or the deadline. */
int64_t mproc__sentry_until(const struct watch *watch, int64_t now, int64_t deadline);
/* A slice has ended and nothing has happened: afterwards look for the dead. */
void mproc__sentry_again(struct watch *watch);
/* It was woken, perhaps because a sentry has left: ask soon whether there is one. */
void mproc__sentry_woken(struct watch *watch);
/* True if the caller was the sentry and must wake another waiter. */
bool mproc__sentry_end(struct watch *watch);

#endif
