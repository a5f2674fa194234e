/* SPDX-License-Identifier: MIT */
/* A flag to wait for: Event. */
#ifndef MPROC_EVENT_H
#define MPROC_EVENT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A flag that processes set, clear and wait for. A plain value; {0} is none. */
typedef struct mproc_event {
    uint64_t id;
} mproc_event;

/* Of every call below: MPROC_EBADHANDLE: the event was destroyed, or is {0} or of another kind; MPROC_ENOINIT: before
 * mproc_init(). */

/* Creates one that is not set. MPROC_EINVAL: event is NULL; MPROC_ENOMEM. (Python: Event(); Win32: CreateEvent,
 * manual reset.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_event_create(mproc_event *event);
/* Destroys it. Nobody may wait for it; but a wait for it that has returned is enough, even if the set that ended it has
 * not returned yet. {0} is ignored. */
MPROC_API mproc_err mproc_event_destroy(mproc_event event);
/* Sets it and wakes all that wait: they return even if it is cleared at once (Python's may miss it).
 * Takes no lock, so it may be called where another call of mproc was interrupted. (Python: Event.set; Win32:
 * SetEvent.) */
MPROC_API mproc_err mproc_event_set(mproc_event event);
/* It is not set any more; who waits from now on waits for the next time. (Python: Event.clear.) */
MPROC_API mproc_err mproc_event_clear(mproc_event event);
/* Whether it is set; one load. False for a stale handle. (Python: Event.is_set.) */
MPROC_API bool mproc_event_is_set(mproc_event event);
/* Waits until it is set. MPROC_ETIMEDOUT. (Python: Event.wait.) Who dies waiting or setting disturbs nobody: a setter
 * killed before it could wake the others delays them by 100 ms at most. */
MPROC_API MPROC_MUST_USE mproc_err mproc_event_wait(mproc_event event, mproc_ms timeout);

#ifdef __cplusplus
}
#endif
#endif
