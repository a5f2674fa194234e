/* SPDX-License-Identifier: MIT */
/* Waiting for several things at once. Python: multiprocessing.connection.wait(). */
#ifndef MPROC_WAIT_H
#define MPROC_WAIT_H

#include "base.h"
#include "connection.h"
#include "pipe.h"
#include "process.h"
#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mproc_wait_kind {
    MPROC_WAIT_NONE = 0,       /* never ready: an entry that is switched off */
    MPROC_WAIT_NATIVE = 1,     /* a descriptor to read from; on Windows a HANDLE */
    MPROC_WAIT_SOCKET = 2,     /* the same; on Windows a SOCKET */
    MPROC_WAIT_CONNECTION = 3, /* a message, the end or an error can be received */
    MPROC_WAIT_LISTENER = 4,   /* somebody connects: accept would get on, though perhaps not finish */
    MPROC_WAIT_PROCESS = 5,    /* the process has ended */
    MPROC_WAIT_QUEUE = 6,      /* get would not wait: there is an item, or it is closed */
    MPROC_WAIT_PIPE = 7        /* recv would not wait: there is a message, or the other end is gone */
} mproc_wait_kind;

/* One thing to wait for. Make it with a function below; ready is set by mproc_wait. */
typedef struct mproc_wait_item {
    mproc_wait_kind kind;
    bool ready;
    uint64_t id; /* the pointer, native handle or family handle */
} mproc_wait_item;

static inline mproc_wait_item mproc_wait_make(mproc_wait_kind kind, uint64_t id)
{
    mproc_wait_item item;
    item.kind = kind;
    item.ready = false;
    item.id = id;
    return item;
}

static inline mproc_wait_item mproc_wait_native(intptr_t native)
{
    return mproc_wait_make(MPROC_WAIT_NATIVE, (uint64_t) native);
}

static inline mproc_wait_item mproc_wait_socket(intptr_t native)
{
    return mproc_wait_make(MPROC_WAIT_SOCKET, (uint64_t) native);
}

static inline mproc_wait_item mproc_wait_connection(mproc_connection *connection)
{
    return mproc_wait_make(MPROC_WAIT_CONNECTION, (uint64_t) (uintptr_t) connection);
}

static inline mproc_wait_item mproc_wait_listener(mproc_listener *listener)
{
    return mproc_wait_make(MPROC_WAIT_LISTENER, (uint64_t) (uintptr_t) listener);
}

static inline mproc_wait_item mproc_wait_process(mproc_process *process)
{
    return mproc_wait_make(MPROC_WAIT_PROCESS, (uint64_t) (uintptr_t) process);
}

static inline mproc_wait_item mproc_wait_queue(mproc_queue queue)
{
    return mproc_wait_make(MPROC_WAIT_QUEUE, queue.id);
}

static inline mproc_wait_item mproc_wait_pipe(mproc_pipe end)
{
    return mproc_wait_make(MPROC_WAIT_PIPE, end.id);
}

/* Waits until at least one item is ready, sets `ready` of every item, and stores in *count_ready (may
 * be NULL) how many are. No limit on `count`; the same thing may be there twice. MPROC_ETIMEDOUT: none
 * is. An item that is closed or wrong is an error of the call, which then names its index.
 * Queues and pipes wake at once where the system can sleep on several words and nothing else is waited
 * for; beside descriptors, processes and connections, and elsewhere, they are looked at every 5 ms. */
MPROC_API MPROC_MUST_USE mproc_err mproc_wait(mproc_wait_item *items, size_t count, size_t *count_ready,
                                              mproc_ms timeout);

#ifdef __cplusplus
}
#endif
#endif
