/* SPDX-License-Identifier: MIT */
/* Objects as messages: Python's put(obj) and get(), send(obj) and recv(). Each is one pickle, in the
 * queue, pipe or connection like any other message of bytes; over a connection a Python program may be at
 * the other end. */
#ifndef MPROC_MESSAGE_H
#define MPROC_MESSAGE_H

#include "connection.h"
#include "object.h"
#include "pipe.h"
#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Into and out of a queue of MPROC_VARIABLE items. Errors as mproc_queue_put_bytes and mproc_queue_get_bytes,
 * mproc_pickle_dumps and mproc_pickle_loads. *object is yours to release. MPROC_EPROTO: the item is no pickle of
 * data; it is lost. (To keep it, to limit it, or to accept unknown classes: mproc_queue_get_alloc(), or its like for
 * pipes and connections, and mproc_pickle_loads() with options.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_put_object(mproc_queue queue, const mproc_object *object,
                                                          mproc_ms timeout);
MPROC_API MPROC_MUST_USE mproc_err mproc_queue_get_object(mproc_queue queue, mproc_object **object,
                                                          mproc_ms timeout);

/* Into and out of a pipe's end. Python: Connection.send, Connection.recv. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pipe_send_object(mproc_pipe end, const mproc_object *object,
                                                          mproc_ms timeout);
MPROC_API MPROC_MUST_USE mproc_err mproc_pipe_recv_object(mproc_pipe end, mproc_object **object,
                                                          mproc_ms timeout);

/* Over a connection. What comes is data only: nothing in it is ever imported or called. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_send_object(mproc_connection *connection,
                                                                const mproc_object *object, mproc_ms timeout);
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_recv_object(mproc_connection *connection,
                                                                mproc_object **object, mproc_ms timeout);

#ifdef __cplusplus
}
#endif
#endif
