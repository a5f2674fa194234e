/* SPDX-License-Identifier: MIT */
/* Objects as messages: a pickle, then a message of bytes; and back. */
#include "mproc/message.h"

#include "error.h"
#include "mproc/pickle.h"

#include <stdlib.h>

/* ---- sending ---- */

mproc_err mproc_queue_put_object(mproc_queue queue, const mproc_object *object, mproc_ms timeout)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_err err = mproc_pickle_dumps(object, &pickle, NULL);
    if (err == MPROC_OK)
        err = mproc_queue_put_bytes(queue, pickle.data, pickle.size, timeout);
    mproc_buffer_free(&pickle);
    return err;
}

mproc_err mproc_pipe_send_object(mproc_pipe end, const mproc_object *object, mproc_ms timeout)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_err err = mproc_pickle_dumps(object, &pickle, NULL);
    if (err == MPROC_OK)
        err = mproc_pipe_send(end, pickle.data, pickle.size, timeout);
    mproc_buffer_free(&pickle);
    return err;
}

mproc_err mproc_connection_send_object(mproc_connection *connection, const mproc_object *object, mproc_ms timeout)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_err err = mproc_pickle_dumps(object, &pickle, NULL);
    if (err == MPROC_OK)
        err = mproc_connection_send_bytes(connection, pickle.data, pickle.size, timeout);
    mproc_buffer_free(&pickle);
    return err;
}

/* ---- receiving ---- */

/* Bytes of a message: most fit into the first buffer, and the others say how long they are. */
struct received {
    char first[1024];
    char *bytes;
    size_t capacity, size;
};

static void receive_begin(struct received *received)
{
    received->bytes = received->first;
    received->capacity = sizeof received->first;
}

/* After MPROC_EMSGSIZE: room for what is there. */
static mproc_err receive_grow(struct received *received)
{
    if (received->bytes != received->first)
        free(received->bytes);
    received->bytes = malloc(received->size);
    received->capacity = received->size;
    if (received->bytes)
        return MPROC_OK;
    received->bytes = received->first;
    return mproc__fail(MPROC_ENOMEM, "no memory for a message of %zu bytes", received->size);
}

static mproc_err receive_end(struct received *received, mproc_err err, mproc_object **object)
{
    if (err == MPROC_OK)
        err = mproc_pickle_loads(object, received->bytes, received->size, NULL);
    if (received->bytes != received->first)
        free(received->bytes);
    return err;
}

static mproc_err check(mproc_object **object, const char *call)
{
    return object ? MPROC_OK : mproc__fail(MPROC_EINVAL, "%s: object is NULL", call);
}

mproc_err mproc_queue_get_object(mproc_queue queue, mproc_object **object, mproc_ms timeout)
{
    mproc_err err = check(object, "mproc_queue_get_object");
    if (err != MPROC_OK)
        return err;
    struct received received;
    receive_begin(&received);
    /* Another getter may take the long one meanwhile, and the next be longer. */
    while ((err = mproc_queue_get_bytes(queue, received.bytes, received.capacity, &received.size, timeout)) ==
               MPROC_EMSGSIZE &&
           (err = receive_grow(&received)) == MPROC_OK)
        continue;
    return receive_end(&received, err, object);
}

mproc_err mproc_pipe_recv_object(mproc_pipe end, mproc_object **object, mproc_ms timeout)
{
    mproc_err err = check(object, "mproc_pipe_recv_object");
    if (err != MPROC_OK)
        return err;
    struct received received;
    receive_begin(&received);
    while ((err = mproc_pipe_recv(end, received.bytes, received.capacity, &received.size, timeout)) ==
               MPROC_EMSGSIZE &&
           (err = receive_grow(&received)) == MPROC_OK)
        continue;
    return receive_end(&received, err, object);
}

mproc_err mproc_connection_recv_object(mproc_connection *connection, mproc_object **object, mproc_ms timeout)
{
    mproc_err err = check(object, "mproc_connection_recv_object");
    if (err != MPROC_OK)
        return err;
    struct received received;
    receive_begin(&received);
    while ((err = mproc_connection_recv_bytes(connection, received.bytes, received.capacity, &received.size,
                                              timeout)) == MPROC_EMSGSIZE &&
           (err = receive_grow(&received)) == MPROC_OK)
        continue;
    return receive_end(&received, err, object);
}
