/* SPDX-License-Identifier: MIT */
/* What waiting on several queues and pipes at once asks of each. */
#ifndef MPROC_CORE_WAITABLE_H
#define MPROC_CORE_WAITABLE_H

#include "gate.h"
#include "mproc/base.h"

/* Whether a get or receive would not wait: there is something, or it is closed or gone. A pipe's death
 * of all users at the other end is not announced at its gate: ask again now and then. */
bool mproc__queue_readable(uint64_t handle);
bool mproc__pipe_readable(uint64_t handle);
/* Where the wake-up comes; NULL if the handle is stale or never readable. Whoever waits for a pipe's end has it. */
struct gate *mproc__queue_gate(uint64_t handle);
struct gate *mproc__pipe_gate(uint64_t handle);
/* Why there is none: MPROC_EBADHANDLE, MPROC_ENOTSUP. */
mproc_err mproc__pipe_unreadable(uint64_t handle);

#endif
