/* SPDX-License-Identifier: MIT */
/* Waiting in slices, so that a death is noticed: of those that wait for one object, two of different processes, its
 * sentries, look every few milliseconds, the others only now and then. A thousand waiters cost no more than two.
 *
 * Whoever has waited longer than the first slice becomes a sentry if there are less than two. The last one to
 * leave wakes another waiter (its object's way) to follow it. One of the two stopped, or killed with the holder: the
 * other goes on looking. Both: the slices of the others end, and each looks for the dead itself.
 *
 * Who looks goes to the end of the system's queue of waiters each time, and would be passed over for as long as
 * others come. So one that has waited for a while rests when the other one looks, in turn, as long as the longest
 * slice. If that other one is killed meanwhile, that is how long it takes at most until somebody looks. */
#ifndef MPROC_CORE_SENTRY_H
#define MPROC_CORE_SENTRY_H

#include "slots.h"

enum { SENTRIES = 2 };

struct sentry {
    _Atomic uint32_t tokens[SENTRIES]; /* of their processes, and whether one rests; 0: nobody */
};

struct watch {
    struct sentry *sentry;
    int64_t slice; /* nanoseconds */
    int post;      /* which of the sentries the caller is; NO_POST */
    int64_t since; /* when it took that */
    bool woken;    /* its last sleep was ended by somebody */
    int64_t begin; /* of its first sleep, for the object's own use; 0: none yet */
};
enum { NO_POST = -1 };

struct watch mproc__sentry_begin(struct sentry *sentry);
/* When to wake at the latest: the end of the slice that begins now, or the deadline. */
int64_t mproc__sentry_until(struct watch *watch, int64_t now, int64_t deadline);
/* A slice has ended and nothing has happened: afterwards look for the dead. */
void mproc__sentry_again(struct watch *watch);
/* It was woken, perhaps because a sentry has left: ask soon whether there is one. */
void mproc__sentry_woken(struct watch *watch);
/* True if the caller was the only sentry that looked and must wake another waiter. */
bool mproc__sentry_end(struct watch *watch);

#endif
