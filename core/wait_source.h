/* SPDX-License-Identifier: MIT */
/* How a kind of thing is waited for together with others: add a struct wait_source to wait.c's table. */
#ifndef MPROC_CORE_WAIT_SOURCE_H
#define MPROC_CORE_WAIT_SOURCE_H

#include "gate.h"
#include "mproc/wait.h"
#include "platform.h"

/* What one round waits on. */
struct wait_set {
    struct wait_entry {
        mproc_plat_handle handle;
        size_t item;
        bool direct;              /* when the handle is ready, the item is; else it is asked again */
        mproc_plat_handle socket; /* what the handle is an event of, or NONE */
    } *entries;
    size_t count;
    size_t capacity;
    struct gate **gates;          /* of queues and pipes */
    size_t gate_count, gate_capacity;
    size_t item; /* that is being asked */
    int64_t until; /* ask again then at the latest */
};

/* Adds a handle of the item that is being asked; the set does not own it. */
mproc_err mproc__wait_add(struct wait_set *set, mproc_plat_handle handle, bool direct);
/* The thing has nothing to wait on for now: another thread of this process is using it. */
mproc_err mproc__wait_retry(struct wait_set *set);

struct wait_source {
    /* Once: checks the id and keeps the thing from being closed; *object is the source's own. */
    mproc_err (*enter)(uint64_t id, void **object);
    /* Each round: whether it is ready; if not, adds what to wait on before asking again. */
    mproc_err (*ask)(uint64_t id, void *object, struct wait_set *set, bool *ready);
    void (*leave)(uint64_t id, void *object);
};

#endif
