/* SPDX-License-Identifier: MIT */
/* A mutex of this process that may be held over fork(). */
#ifndef MPROC_CORE_MUTEX_H
#define MPROC_CORE_MUTEX_H

#include "error.h"

#include <stdatomic.h>

struct apr_thread_mutex_t;

/* All zero to begin with: APR's mutex is made at the first lock, so that a spawned child that never
 * locks does not pay for APR. */
struct mutex {
    struct apr_thread_mutex_t *_Atomic apr;
    atomic_bool kept;     /* held by the thread that forked, and free to whoever asks first */
    atomic_bool degraded; /* there was no memory for APR's: `spin` it is */
    atomic_flag spin;
};

/* Makes it now, where an error can still be reported. */
mproc_err mproc__mutex_create(struct mutex *mutex);
void mproc__mutex_lock(struct mutex *mutex);
void mproc__mutex_unlock(struct mutex *mutex);
/* In a forked child, by the thread that holds it: gives it back without touching the pages that a real
 * unlock would have to copy; the next lock finds it taken and takes it over. */
void mproc__mutex_keep(struct mutex *mutex);

#endif
