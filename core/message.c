/* SPDX-License-Identifier: MIT */
/* Objects as messages: a pickle, then a message of bytes; and back. */
#include "mproc/message.h"

#include "error.h"
#include "mproc/pickle.h"

#include <stdlib.h>

/* What carries bytes: a queue, or a pipe, or else a connection. */
struct carrier {
    const mproc_queue *queue;
    const mproc_pipe *pipe;
    mproc_connection *connection;
};

/* ---- sending ---- */

static mproc_err send_bytes(struct carrier to, const void *bytes, size_t size, mproc_ms timeout)
{
    return to.queue  ? mproc_queue_put_bytes(*to.queue, bytes, size, timeout)
           : to.pipe ? mproc_pipe_send(*to.pipe, bytes, size, timeout)
                     : mproc_connection_send_bytes(to.connection, bytes, size, timeout);
}

static mproc_err send_object(struct carrier to, const mproc_object *object, mproc_ms timeout)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_err err = mproc_pickle_dumps(object, &pickle, NULL);
    if (err == MPROC_OK)
        err = send_bytes(to, pickle.data, pickle.size, timeout);
    mproc_buffer_free(&pickle);
    return err;
}

mproc_err mproc_queue_put_object(mproc_queue queue, const mproc_object *object, mproc_ms timeout)
{
    return send_object((struct carrier){ .queue = &queue }, object, timeout);
}

mproc_err mproc_pipe_send_object(mproc_pipe end, const mproc_object *object, mproc_ms timeout)
{
    return send_object((struct carrier){ .pipe = &end }, object, timeout);
}

mproc_err mproc_connection_send_object(mproc_connection *connection, const mproc_object *object,
                                       mproc_ms timeout)
{
    return send_object((struct carrier){ .connection = connection }, object, timeout);
}

/* ---- receiving ---- */

static mproc_err receive_bytes(struct carrier from, void *bytes, size_t capacity, size_t *size,
                               mproc_ms timeout)
{
    return from.queue  ? mproc_queue_get_bytes(*from.queue, bytes, capacity, size, timeout)
           : from.pipe ? mproc_pipe_recv(*from.pipe, bytes, capacity, size, timeout)
                       : mproc_connection_recv_bytes(from.connection, bytes, capacity, size, timeout);
}

/* Most messages fit into the first buffer, and the others say how long they are: MPROC_EMSGSIZE. */
static mproc_err receive_object(struct carrier from, mproc_object **object, mproc_ms timeout,
                                const char *call)
{
    char first[1024], *bytes = first;
    size_t capacity = sizeof first, size;
    if (!object)
        return mproc__fail(MPROC_EINVAL, "%s: object is NULL", call);
    mproc_err err;
    /* Another getter may take the long one meanwhile, and the next be longer. */
    while ((err = receive_bytes(from, bytes, capacity, &size, timeout)) == MPROC_EMSGSIZE) {
        if (bytes != first)
            free(bytes);
        bytes = malloc(size);
        capacity = size;
        if (!bytes)
            return mproc__fail(MPROC_ENOMEM, "no memory for a message of %zu bytes", size);
    }
    if (err == MPROC_OK)
        err = mproc_pickle_loads(object, bytes, size, NULL);
    if (bytes != first)
        free(bytes);
    return err;
}

mproc_err mproc_queue_get_object(mproc_queue queue, mproc_object **object, mproc_ms timeout)
{
    return receive_object((struct carrier){ .queue = &queue }, object, timeout, "mproc_queue_get_object");
}

mproc_err mproc_pipe_recv_object(mproc_pipe end, mproc_object **object, mproc_ms timeout)
{
    return receive_object((struct carrier){ .pipe = &end }, object, timeout, "mproc_pipe_recv_object");
}

mproc_err mproc_connection_recv_object(mproc_connection *connection, mproc_object **object, mproc_ms timeout)
{
    return receive_object((struct carrier){ .connection = connection }, object, timeout,
                          "mproc_connection_recv_object");
}
