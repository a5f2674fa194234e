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
    MPROC_WAIT_LISTENER = 4,   /* accept would not wait */
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

/* Of a kind that is not known before the program runs; of MPROC_WAIT_NONE, id does not count. */
static inline mproc_wait_item mproc_wait_make(mproc_wait_kind kind, uint64_t id)
{
    mproc_wait_item item;
    item.kind = kind;
    item.ready = false;
    item.id = id;
    return item;
}

/* A descriptor of any kind: ready when a read from it would not wait, for bytes, the end or an error. On
 * Windows a HANDLE that can be signalled: a process, an event, a semaphore. Waiting takes the signal of an
 * auto-reset event, and only if it then says that the event is ready. */
static inline mproc_wait_item mproc_wait_native(intptr_t native)
{
    return mproc_wait_make(MPROC_WAIT_NATIVE, (uint64_t) native);
}

/* A socket: ready when a receive or accept would not wait. On Windows a SOCKET, which is not blocking
 * afterwards, and whose WSAEventSelect() or WSAAsyncSelect() of before does not hold any more: Windows
 * cannot say what it was. Set it again if you need it. */
static inline mproc_wait_item mproc_wait_socket(intptr_t native)
{
    return mproc_wait_make(MPROC_WAIT_SOCKET, (uint64_t) native);
}

/* A connection: ready when a whole message can be received, or the end or an error. What came of a
 * message is kept; while another thread receives from it, it is not ready. */
static inline mproc_wait_item mproc_wait_connection(mproc_connection *connection)
{
    return mproc_wait_make(MPROC_WAIT_CONNECTION, (uint64_t) (uintptr_t) connection);
}

/* A listener: ready when accept has a connection to give, or an error. Peers prove their key meanwhile. */
static inline mproc_wait_item mproc_wait_listener(mproc_listener *listener)
{
    return mproc_wait_make(MPROC_WAIT_LISTENER, (uint64_t) (uintptr_t) listener);
}

/* A process: ready when it has ended. Python: Process.sentinel. */
static inline mproc_wait_item mproc_wait_process(mproc_process *process)
{
    return mproc_wait_make(MPROC_WAIT_PROCESS, (uint64_t) (uintptr_t) process);
}

/* A queue: ready when get would not wait, for an item or because the queue is closed. Another process may
 * be faster to get the item. */
static inline mproc_wait_item mproc_wait_queue(mproc_queue queue)
{
    return mproc_wait_make(MPROC_WAIT_QUEUE, queue.id);
}

/* An end of a pipe: ready when a receive would not wait, for a message or because an end is closed or the
 * processes at the other one have died. Whoever waits for an end has it (pipe.h). */
static inline mproc_wait_item mproc_wait_pipe(mproc_pipe end)
{
    return mproc_wait_make(MPROC_WAIT_PIPE, end.id);
}

/* Waits until at least one item is ready, sets `ready` of every item, and stores in *count_ready (may
 * be NULL) how many are. No limit on `count`, but on Unix no more connections, listeners,
 * processes and native descriptors together than may be open (RLIMIT_NOFILE); the same thing may be there twice.
 * MPROC_ETIMEDOUT: none is. The last error names the index of an item that cannot be waited for:
 *   MPROC_ECLOSED     a connection, listener or process that this process has closed
 *   MPROC_EBADHANDLE  a queue that was destroyed, a pipe both of whose ends were closed, no such handle
 *   MPROC_ENOTSUP     an end of a pipe that only sends
 *   MPROC_EINVAL      no open descriptor, HANDLE or SOCKET, a pointer that is of something else, no such kind
 * Queues and pipes wake at once where the system can sleep on several words and nothing else is waited
 * for; beside descriptors, processes and connections, and elsewhere, they are looked at every 5 ms. */
MPROC_API MPROC_MUST_USE mproc_err mproc_wait(mproc_wait_item *items, size_t count, size_t *count_ready,
                                              mproc_ms timeout);

#ifdef __cplusplus
}
#endif
#endif
