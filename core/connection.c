/* SPDX-License-Identifier: MIT */
/* Messages over channels. */
#include "connection.h"

#include "address.h"
#include "pointers.h"
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

/* ---- making and releasing ---- */

mproc_err mproc__connection_check_options(const char *function, const mproc_connection_options *options)
{
    if (!options)
        return MPROC_OK;
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++)
        if (options->reserved[i])
            return mproc__fail(MPROC_EINVAL, "%s: a reserved option is not zero; begin with = {0}", function);
    if ((unsigned) options->family > MPROC_FAMILY_PIPE)
        return mproc__fail(MPROC_EINVAL, "%s: there is no address family %d", function, (int) options->family);
    if (options->backlog < 0)
        return mproc__fail(MPROC_EINVAL, "%s: backlog is %d", function, options->backlog);
    if (options->authkey ? options->authkey_size == 0 || options->authkey_size > MPROC_AUTHKEY_SIZE
                         : options->authkey_size != 0)
        return mproc__fail(MPROC_EINVAL, "%s: authkey is %s but authkey_size is %zu; keys have 1 to %d bytes",
                           function, options->authkey ? "set" : "NULL", options->authkey_size,
                           MPROC_AUTHKEY_SIZE);
    return MPROC_OK;
}

mproc_err mproc__connection_make(const struct mproc_plat_channel *channel, struct connection **connection)
{
    struct connection *made = calloc(1, sizeof *made);
    if (!made) {
        struct mproc_plat_channel unwanted = *channel;
        mproc_plat_channel_close(&unwanted);
        return mproc__fail(MPROC_ENOMEM, "no memory for a connection");
    }
    made->channel = *channel;
    mproc__inbound_begin(&made->in, channel->whole_messages);
    *connection = made;
    return MPROC_OK;
}

void mproc__connection_destroy(struct connection *connection)
{
    mproc_plat_channel_close(&connection->channel);
    mproc__inbound_release(&connection->in);
    mproc__turn_release(&connection->sending);
    mproc__turn_release(&connection->receiving);
    free(connection);
}

/* ---- receiving ---- */

mproc_err mproc__connection_step(struct connection *connection)
{
    struct inbound *in = &connection->in;
    mproc_err err = mproc__inbound_over(in);
    while (err == MPROC_OK && !in->whole) {
        unsigned char *place;
        size_t size;
        struct mproc_plat_piece piece;
        err = mproc__inbound_place(in, &place, &size);
        if (err == MPROC_OK)
            err = mproc_plat_channel_read(&connection->channel, place, size, &piece);
        if (err == MPROC_ECLOSED)
            return mproc__inbound_end(in);
        if (err == MPROC_OK)
            err = mproc__inbound_took(in, &piece);
    }
    return err;
}

mproc_err mproc__connection_receive(struct connection *connection, int64_t deadline)
{
    for (;;) {
        mproc_err err = mproc__connection_step(connection);
        if (err != MPROC_ETIMEDOUT)
            return err;
        mproc_plat_handle handle;
        bool ready;
        size_t bad;
        err = mproc_plat_channel_waitable(&connection->channel, &handle);
        if (err == MPROC_OK)
            err = mproc_plat_await(&handle, 1, deadline, &ready, &bad);
        if (err == MPROC_ETIMEDOUT)
            return mproc__fail(err, "no message has come");
        if (err != MPROC_OK)
            return err;
    }
}

/* ---- sending ---- */

/* The header and the bytes, in one write if they are few: two small ones would wait for each other. */
static mproc_err write_frame(struct connection *connection, const void *bytes, size_t size,
                             mproc_plat_handle passed, int64_t deadline, size_t *written)
{
    struct mproc_plat_channel *channel = &connection->channel;
    if (channel->whole_messages)
        return mproc_plat_channel_write(channel, bytes, size, passed, deadline, written);
    unsigned char joined[FRAME_HEADER_LONG + FRAME_JOINED];
    size_t header = mproc__frame_encode(size, joined);
    if (size <= FRAME_JOINED) {
        if (size > 0)
            memcpy(joined + header, bytes, size);
        return mproc_plat_channel_write(channel, joined, header + size, passed, deadline, written);
    }
    size_t more = 0;
    mproc_err err = mproc_plat_channel_write(channel, joined, header, passed, deadline, written);
    if (err == MPROC_OK)
        err = mproc_plat_channel_write(channel, bytes, size, MPROC_PLAT_NONE, deadline, &more);
    *written += more;
    return err;
}

static mproc_err write_in_turn(struct connection *connection, const void *bytes, size_t size,
                               mproc_plat_handle passed, int64_t deadline)
{
    size_t written = 0;
    if (connection->cut)
        return mproc__fail(MPROC_EBROKEN, "an earlier message was sent in part: close this connection");
    mproc_err err = write_frame(connection, bytes, size, passed, deadline, &written);
    if (err == MPROC_ECLOSED)
        return mproc__fail(err, "the other side has closed the connection or died");
    if (err != MPROC_OK && written > 0)
        connection->cut = true;
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, written ? "the message was sent in part: the connection is broken"
                                        : "the other side reads nothing: nothing was sent");
    return err;
}

mproc_err mproc__connection_write(struct connection *connection, const void *bytes, size_t size,
                                  mproc_plat_handle passed, int64_t deadline)
{
    mproc_err err = mproc__turn_take(&connection->sending, deadline);
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "another thread is sending: nothing was sent");
    if (err != MPROC_OK)
        return err;
    err = write_in_turn(connection, bytes, size, passed, deadline);
    mproc__turn_give(&connection->sending);
    return err;
}

/* ---- clients ---- */

static mproc_err prove(struct connection *connection, const mproc_connection_options *options,
                       int64_t deadline)
{
    struct authentication auth;
    struct auth_message out;
    connection->in.max_message = AUTH_MESSAGE_SIZE;
    mproc_err err = mproc__auth_begin(&auth, false, options->refuse_md5, options->authkey,
                                      options->authkey_size, &out);
    while (err == MPROC_OK && auth.state != AUTH_DONE) {
        err = mproc__connection_receive(connection, deadline);
        if (err == MPROC_ECLOSED || err == MPROC_EDIED)
            err = mproc__fail(MPROC_EAUTH, "the other side has hung up before the keys were proved");
        if (err != MPROC_OK)
            break;
        err = mproc__auth_step(&auth, connection->in.bytes, (size_t) connection->in.size, &out);
        mproc__inbound_taken(&connection->in);
        mproc_err sent = out.size == 0 ? MPROC_OK
                                       : mproc__connection_write(connection, out.bytes, out.size,
                                                                 MPROC_PLAT_NONE, deadline);
        if (err == MPROC_OK)
            err = sent;
    }
    return err;
}

mproc_err mproc_connection_open(mproc_connection **connection, const char *address,
                                const mproc_connection_options *options, mproc_ms timeout)
{
    static const mproc_connection_options defaults;
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    if (!connection || !address || strlen(address) >= MPROC_ADDRESS_SIZE)
        return mproc__fail(MPROC_EINVAL, "mproc_connection_open: %s", !connection ? "connection is NULL"
                                         : !address ? "address is NULL" : "the address is too long");
    err = mproc__connection_check_options("mproc_connection_open", options);
    if (err != MPROC_OK)
        return err;
    if (!options)
        options = &defaults;
    int64_t deadline = mproc__deadline(timeout);
    struct mproc_plat_channel channel;
    struct connection *made = NULL;
    mproc_address_family family = mproc__address_family(address, options->family, MPROC_FAMILY_DEFAULT);
    err = mproc_plat_channel_connect(&channel, family, address, deadline);
    if (err == MPROC_OK)
        err = mproc__connection_make(&channel, &made);
    if (err != MPROC_OK)
        return err;
    if (options->authkey)
        err = prove(made, options, deadline);
    made->in.max_message = options->max_message;
    void *pointer;
    if (err == MPROC_OK)
        err = mproc__object_add(OBJECT_CONNECTION, made, &pointer);
    if (err != MPROC_OK)
        mproc__connection_destroy(made);
    else
        *connection = pointer;
    return err;
}

/* ---- the public calls ---- */

/* What looks like a message with a handle, where nothing but its bytes would tell (inbound.h). */
static mproc_err send_after_mark(struct connection *connection, const void *bytes, size_t size, int64_t deadline)
{
    size_t before = HANDLE_MARK_SIZE + 1;
    char *message = size < SIZE_MAX - before ? malloc(before + size) : NULL;
    if (!message)
        return mproc__fail(MPROC_ENOMEM, "no memory to send %zu bytes", size);
    memcpy(message, HANDLE_MARK, HANDLE_MARK_SIZE);
    message[HANDLE_MARK_SIZE] = CARGO_BYTES;
    memcpy(message + before, bytes, size);
    mproc_err err = mproc__connection_write(connection, message, before + size, MPROC_PLAT_NONE, deadline);
    free(message);
    return err;
}

mproc_err mproc_connection_send_bytes(mproc_connection *connection, const void *bytes, size_t size,
                                      mproc_ms timeout)
{
    struct connection *found;
    mproc_err err = mproc__object_enter(connection, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    if (!bytes && size)
        err = mproc__fail(MPROC_EINVAL, "mproc_connection_send_bytes: bytes is NULL but size is %zu", size);
    else if (found->channel.whole_messages && mproc__inbound_begins_with_mark(bytes, size))
        err = send_after_mark(found, bytes, size, mproc__deadline(timeout));
    else
        err = mproc__connection_write(found, bytes, size, MPROC_PLAT_NONE, mproc__deadline(timeout));
    mproc__object_leave(connection);
    return err;
}

/* Enters, takes the turn and waits for a whole message; on success the caller calls finish(). */
static mproc_err begin(mproc_connection *connection, mproc_ms timeout, struct connection **found)
{
    mproc_err err = mproc__object_enter(connection, OBJECT_CONNECTION, found);
    if (err != MPROC_OK)
        return err;
    int64_t deadline = mproc__deadline(timeout);
    err = mproc__turn_take(&(*found)->receiving, deadline);
    if (err == MPROC_OK) {
        err = mproc__connection_receive(*found, deadline);
        if (err == MPROC_OK)
            return err;
        mproc__turn_give(&(*found)->receiving);
    } else if (err == MPROC_ETIMEDOUT) {
        err = mproc__fail(err, "another thread is receiving: no message for this one");
    }
    mproc__object_leave(connection);
    return err;
}

static void finish(mproc_connection *connection, struct connection *found)
{
    mproc__turn_give(&found->receiving);
    mproc__object_leave(connection);
}

static mproc_err not_bytes(void)
{
    return mproc__fail(MPROC_ETYPE, "the next message carries a handle: mproc_connection_recv_handle");
}

mproc_err mproc_connection_recv_bytes(mproc_connection *connection, void *buffer, size_t capacity,
                                      size_t *size, mproc_ms timeout)
{
    if (!size || (!buffer && capacity))
        return mproc__fail(MPROC_EINVAL, "mproc_connection_recv_bytes: %s is NULL", size ? "buffer" : "size");
    struct connection *found;
    mproc_err err = begin(connection, timeout, &found);
    if (err != MPROC_OK)
        return err;
    const struct inbound *in = &found->in;
    if (in->carries) {
        err = not_bytes();
    } else {
        *size = (size_t) in->size;
        if (in->size > capacity) {
            err = mproc__fail(MPROC_EMSGSIZE, "the message has %zu bytes, the buffer %zu; it is kept", *size,
                              capacity);
        } else {
            if (in->size > 0)
                memcpy(buffer, in->bytes, *size);
            mproc__inbound_taken(&found->in);
        }
    }
    finish(connection, found);
    return err;
}

mproc_err mproc_connection_recv_alloc(mproc_connection *connection, void **bytes, size_t *size,
                                      mproc_ms timeout)
{
    if (!size || !bytes)
        return mproc__fail(MPROC_EINVAL, "mproc_connection_recv_alloc: %s is NULL", size ? "bytes" : "size");
    struct connection *found;
    mproc_err err = begin(connection, timeout, &found);
    if (err != MPROC_OK)
        return err;
    struct inbound *in = &found->in;
    if (in->carries) {
        err = not_bytes();
    } else {
        void *exact = realloc(in->bytes, in->size > 0 ? (size_t) in->size : 1);
        if (exact) {
            *bytes = exact;
            *size = (size_t) in->size;
            in->bytes = NULL;
            in->capacity = 0;
            mproc__inbound_taken(&found->in);
        } else {
            err = mproc__fail(MPROC_ENOMEM, "no memory for the message; it is kept");
        }
    }
    finish(connection, found);
    return err;
}

void mproc_connection_free(void *bytes)
{
    free(bytes);
}

mproc_err mproc_connection_poll(mproc_connection *connection, mproc_ms timeout)
{
    struct connection *found;
    mproc_err err = mproc__object_enter(connection, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    int64_t deadline = mproc__deadline(timeout);
    err = mproc__turn_take(&found->receiving, deadline);
    if (err == MPROC_OK) {
        err = mproc__connection_receive(found, deadline);
        /* The end and every other error wait for the receive that gives them. */
        if (err != MPROC_ETIMEDOUT)
            err = MPROC_OK;
        mproc__turn_give(&found->receiving);
    } else if (err == MPROC_ETIMEDOUT) {
        err = mproc__fail(err, "another thread is receiving");
    }
    mproc__object_leave(connection);
    return err;
}

mproc_err mproc_connection_close(mproc_connection *connection)
{
    struct connection *found;
    mproc_err err = mproc__object_remove(connection, OBJECT_CONNECTION, 0, &found);
    if (err == MPROC_OK)
        mproc__connection_destroy(found);
    return err;
}

mproc_err mproc_connection_native(mproc_connection *connection, intptr_t *native)
{
    if (!native)
        return mproc__fail(MPROC_EINVAL, "mproc_connection_native: native is NULL");
    struct connection *found;
    mproc_err err = mproc__object_enter(connection, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    *native = found->channel.handle;
    mproc__object_leave(connection);
    return MPROC_OK;
}

/* ---- waiting beside others ---- */

static mproc_err source_enter(uint64_t id, void **object)
{
    return mproc__object_enter((const void *) (uintptr_t) id, OBJECT_CONNECTION, object);
}

static mproc_err source_ask(uint64_t id, void *object, struct wait_set *set, bool *ready)
{
    (void) id;
    struct connection *connection = object;
    mproc_plat_handle handle;
    mproc_err err = mproc__turn_take(&connection->receiving, 0);
    if (err == MPROC_OK) {
        *ready = mproc__connection_step(connection) != MPROC_ETIMEDOUT;
        err = *ready ? MPROC_OK : mproc_plat_channel_waitable(&connection->channel, &handle);
        mproc__turn_give(&connection->receiving);
        return err == MPROC_OK && !*ready ? mproc__wait_add(set, handle, false) : err;
    }
    /* Another thread is receiving: what comes is its own. */
    *ready = false;
    return err == MPROC_ETIMEDOUT ? mproc__wait_retry(set) : err;
}

static void source_leave(uint64_t id, void *object)
{
    (void) object;
    mproc__object_leave((const void *) (uintptr_t) id);
}

const struct wait_source mproc__connection_source = { source_enter, source_ask, source_leave };
