/* SPDX-License-Identifier: MIT */
/* Objects as messages: a pickle, then a message of bytes; and back. */
#include "mproc/message.h"

#include "error.h"
#include "mproc/pickle.h"

#include <stdlib.h>

/* ---- sending: for each kind what sends the pickle ---- */

static mproc_err write_pickle(mproc_buffer *pickle, const mproc_object *object)
{
    *pickle = (mproc_buffer) MPROC_BUFFER_INIT;
    return mproc_pickle_dumps(object, pickle, NULL);
}

mproc_err mproc_queue_put_object(mproc_queue queue, const mproc_object *object, mproc_ms timeout)
{
    mproc_buffer pickle;
    mproc_err err = write_pickle(&pickle, object);
    if (err == MPROC_OK)
        err = mproc_queue_put_bytes(queue, pickle.data, pickle.size, timeout);
    mproc_buffer_free(&pickle);
    return err;
}

mproc_err mproc_pipe_send_object(mproc_pipe end, const mproc_object *object, mproc_ms timeout)
{
    mproc_buffer pickle;
    mproc_err err = write_pickle(&pickle, object);
    if (err == MPROC_OK)
        err = mproc_pipe_send(end, pickle.data, pickle.size, timeout);
    mproc_buffer_free(&pickle);
    return err;
}

mproc_err mproc_connection_send_object(mproc_connection *connection, const mproc_object *object,
                                       mproc_ms timeout)
{
    mproc_buffer pickle;
    mproc_err err = write_pickle(&pickle, object);
    if (err == MPROC_OK)
        err = mproc_connection_send_bytes(connection, pickle.data, pickle.size, timeout);
    mproc_buffer_free(&pickle);
    return err;
}

/* ---- receiving: for each kind what receives the pickle ---- */

static mproc_err no_object(const char *call)
{
    return mproc__fail(MPROC_EINVAL, "%s: object is NULL", call);
}

/* The pickle is ours to free, if it came. */
static mproc_err read_pickle(mproc_err err, mproc_object **object, void *bytes, size_t size)
{
    if (err != MPROC_OK)
        return err;
    err = mproc_pickle_loads(object, bytes, size, NULL);
    free(bytes);
    return err;
}

mproc_err mproc_queue_get_object(mproc_queue queue, mproc_object **object, mproc_ms timeout)
{
    void *bytes = NULL;
    size_t size = 0;
    if (!object)
        return no_object("mproc_queue_get_object");
    mproc_err err = mproc_queue_get_alloc(queue, &bytes, &size, timeout);
    return read_pickle(err, object, bytes, size);
}

mproc_err mproc_pipe_recv_object(mproc_pipe end, mproc_object **object, mproc_ms timeout)
{
    void *bytes = NULL;
    size_t size = 0;
    if (!object)
        return no_object("mproc_pipe_recv_object");
    mproc_err err = mproc_pipe_recv_alloc(end, &bytes, &size, timeout);
    return read_pickle(err, object, bytes, size);
}

mproc_err mproc_connection_recv_object(mproc_connection *connection, mproc_object **object, mproc_ms timeout)
{
    void *bytes = NULL;
    size_t size = 0;
    if (!object)
        return no_object("mproc_connection_recv_object");
    mproc_err err = mproc_connection_recv_alloc(connection, &bytes, &size, timeout);
    return read_pickle(err, object, bytes, size);
}
