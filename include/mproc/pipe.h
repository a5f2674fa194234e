/* SPDX-License-Identifier: MIT */
/* Pipes: two ends, messages from the one to the other. Python: multiprocessing.Pipe and Connection's
 * send_bytes, recv_bytes, poll and close. */
#ifndef MPROC_PIPE_H
#define MPROC_PIPE_H

#include "process.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One end of a pipe: a plain value that means the same in every process of the family. {0} is none.
 *
 * A process has an end from its first send, receive, poll or mproc_wait with it, or from mproc_pipe_give(), until it
 * releases it, closes it or dies. An end that was closed, or that nobody has any more, is gone: the other side receives
 * what was sent, and then MPROC_ECLOSED. A process that only passes an end on, as a parent does that keeps the other,
 * does not have it, and need not close it; one that has used the end before it passes it on gives it to the other
 * process, and releases it then. An end nobody has had yet is not gone: to learn of a child that dies before its first
 * use of an end, give it to the child.
 *
 * A process that becomes another program (exec) is still that process: unless it releases its ends before, it has them
 * until that program ends. Of an end that more than 28 living processes have had at a time, deaths are not known: it
 * is gone when it is closed.
 *
 * A pipe whose memory was written over, by a stray pointer in any process of the family, answers MPROC_EPROTO. */
typedef struct mproc_pipe {
    uint64_t id;
} mproc_pipe;

/* Creates a pipe. Duplex: both ends send and receive. Otherwise the first only receives, the second
 * only sends. Python: Pipe(duplex). About a mebibyte, or one message of any length, waits in it.
 * MPROC_EINVAL, MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pipe_create(mproc_pipe *first, mproc_pipe *second, bool duplex);

/* The process that was just started has this end: if it dies, however early, the end is gone (unless
 * others have it too), also if it has ended already. MPROC_ECLOSED: the process object was closed; MPROC_ESTATE: it is
 * no child of this process. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pipe_give(mproc_pipe end, mproc_process *process);

/* This process does not have the end any more, until it uses it again: others who have it go on, and if there are none
 * it is gone. (close is for all.)
 * MPROC_EBADHANDLE: it was closed. Python: Connection.close() of a process's own copy. */
MPROC_API mproc_err mproc_pipe_release(mproc_pipe end);

/* Sends a message of 0 or more bytes: whole or not at all. Waits while the pipe is full.
 * MPROC_ETIMEDOUT: not sent. MPROC_ECLOSED: the other end is gone (Python: BrokenPipeError), or this one
 * was closed; a death is noticed by who waits, or who next receives. MPROC_ENOTSUP: this end only
 * receives. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pipe_send(mproc_pipe end, const void *bytes, size_t size,
                                                   mproc_ms timeout);

/* Receives the next message; its length in *size. MPROC_EMSGSIZE: it is longer than `capacity`, as *size
 * says, and still there (Python's BufferTooShort gives it away). MPROC_ECLOSED: the other end is gone and
 * all it sent was received (Python: EOFError), or this one was closed. MPROC_ETIMEDOUT: nothing came.
 * MPROC_ENOTSUP: this end only sends. A message whose sender died while sending it does not exist. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pipe_recv(mproc_pipe end, void *buffer, size_t capacity,
                                                   size_t *size, mproc_ms timeout);

/* The same into memory of the message's length, never NULL, which the caller gives back with free(). (On Windows with
 * mproc_connection_free(), if your C library may be another one than mproc's.) MPROC_ENOMEM: the message is kept. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pipe_recv_alloc(mproc_pipe end, void **bytes, size_t *size, mproc_ms timeout);

/* Waits until a receive would not wait: MPROC_OK, for a message or for the end of the stream as in
 * Python; MPROC_ETIMEDOUT. Python: Connection.poll(timeout). */
MPROC_API MPROC_MUST_USE mproc_err mproc_pipe_poll(mproc_pipe end, mproc_ms timeout);

/* Closes the end for all processes that have it; nobody else may wait for it or begin to use it. What was sent to it is
 * dropped, what it sent can still be received. When both ends are closed their memory is freed. {0} is
 * ignored; MPROC_ECLOSED or MPROC_EBADHANDLE if it was closed before. */
MPROC_API mproc_err mproc_pipe_close(mproc_pipe end);

#ifdef __cplusplus
}
#endif
#endif
