/* SPDX-License-Identifier: MIT */
/* Ending a child politely, then by force. */
#ifndef MPROC_CORE_STOP_H
#define MPROC_CORE_STOP_H

#include "error.h"

/* What may be stopped says how it is asked to end (force: made to) and waited for. */
struct stoppable {
    void *child;
    mproc_err (*end)(void *child, bool force);
    mproc_err (*wait)(void *child, mproc_ms timeout);
};

/* Asks it to end, and ends it when the grace is over; returns when it has ended. */
static inline mproc_err mproc__stop(const struct stoppable *what, mproc_ms grace)
{
    mproc_err err = what->end(what->child, false);
    if (err == MPROC_OK)
        err = what->wait(what->child, grace);
    if (err != MPROC_ETIMEDOUT)
        return err;
    err = what->end(what->child, true);
    return err == MPROC_OK ? what->wait(what->child, MPROC_FOREVER) : err;
}

#endif
