/* SPDX-License-Identifier: MIT */
/* Handles in messages. Such a message is MARK, a byte that says what it is, and what the platform
 * needs to say; on Unix the descriptor itself comes beside it. */
#include "connection.h"

#include "pointers.h"
#include "runtime.h"

#include <string.h>

#define MARK "#MPROC-HANDLE#"
enum {
    MARK_SIZE = sizeof MARK - 1,
    KIND_CONNECTION = 0x10, /* plus its family */
    MOST_TEXT = 1024
};

/* On Unix what tells is the descriptor, which bytes cannot forge; a named pipe has only the bytes. */
bool mproc__connection_has_handle(const struct connection *connection)
{
    const struct inbound *in = &connection->in;
    return in->size > MARK_SIZE && memcmp(in->bytes, MARK, MARK_SIZE) == 0 &&
           (connection->channel.whole_messages || in->passed != MPROC_PLAT_NONE);
}

static mproc_err send_handle(struct connection *connection, mproc_plat_handle handle, int kind,
                             int64_t deadline)
{
    unsigned char message[MARK_SIZE + 1 + MOST_TEXT] = MARK;
    mproc_plat_handle passed;
    size_t used;
    message[MARK_SIZE] = (unsigned char) kind;
    mproc_native_kind native = kind == MPROC_NATIVE_FILE || kind == KIND_CONNECTION + MPROC_FAMILY_PIPE
                                   ? MPROC_NATIVE_FILE
                                   : MPROC_NATIVE_SOCKET;
    mproc_err err = mproc_plat_channel_pack(&connection->channel, handle, native, message + MARK_SIZE + 1,
                                            MOST_TEXT, &used, &passed);
    if (err != MPROC_OK)
        return err;
    err = mproc__connection_write(connection, message, MARK_SIZE + 1 + used, passed, deadline);
    if (err != MPROC_OK && passed != handle) /* a copy for the receiver */
        mproc_plat_handle_close(passed);
    return err;
}

/* Receives a handle if the next message is one that `wanted` takes; else leaves it there. */
static mproc_err recv_handle(struct connection *connection, bool (*wanted)(int kind), const char *hint,
                             mproc_plat_handle *handle, int *kind, int64_t deadline)
{
    mproc_err err = mproc__turn_take(&connection->receiving, deadline);
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "another thread is receiving");
    if (err != MPROC_OK)
        return err;
    err = mproc__connection_receive(connection, deadline);
    struct inbound *in = &connection->in;
    if (err == MPROC_OK && !mproc__connection_has_handle(connection))
        err = mproc__fail(MPROC_ETYPE, "the next message is bytes: mproc_connection_recv_bytes");
    else if (err == MPROC_OK && !wanted(in->bytes[MARK_SIZE]))
        err = mproc__fail(MPROC_ETYPE, "the next message carries something else: %s", hint);
    else if (err == MPROC_OK) {
        *kind = in->bytes[MARK_SIZE];
        mproc_native_kind native = *kind == MPROC_NATIVE_FILE || *kind == KIND_CONNECTION + MPROC_FAMILY_PIPE
                                       ? MPROC_NATIVE_FILE
                                       : MPROC_NATIVE_SOCKET;
        err = mproc_plat_channel_unpack(&connection->channel, in->bytes + MARK_SIZE + 1,
                                        (size_t) in->size - MARK_SIZE - 1, in->passed, native, handle);
        if (err == MPROC_OK)
            in->passed = MPROC_PLAT_NONE;
        mproc__inbound_taken(&connection->in);
    }
    mproc__turn_give(&connection->receiving);
    return err;
}

/* ---- native handles ---- */

static bool is_native(int kind)
{
    return kind == MPROC_NATIVE_FILE || kind == MPROC_NATIVE_SOCKET;
}

static bool is_connection(int kind)
{
    return kind > KIND_CONNECTION && kind <= KIND_CONNECTION + MPROC_FAMILY_PIPE;
}

mproc_err mproc_connection_send_handle(mproc_connection *connection, intptr_t native, mproc_native_kind kind,
                                       mproc_ms timeout)
{
    struct connection *found;
    mproc_err err = mproc__object_enter(connection, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    if (!is_native((int) kind))
        err = mproc__fail(MPROC_EINVAL, "mproc_connection_send_handle: there is no kind %d", (int) kind);
    else
        err = send_handle(found, native, (int) kind, mproc__deadline(timeout));
    mproc__object_leave(connection);
    return err;
}

mproc_err mproc_connection_recv_handle(mproc_connection *connection, intptr_t *native, mproc_native_kind *kind,
                                       mproc_ms timeout)
{
    if (!native)
        return mproc__fail(MPROC_EINVAL, "mproc_connection_recv_handle: native is NULL");
    struct connection *found;
    mproc_err err = mproc__object_enter(connection, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    int what = 0;
    err = recv_handle(found, is_native, "mproc_connection_recv_connection", native, &what,
                      mproc__deadline(timeout));
    if (err == MPROC_OK && kind)
        *kind = (mproc_native_kind) what;
    mproc__object_leave(connection);
    return err;
}

/* ---- connections ---- */

static mproc_err make_public(const struct mproc_plat_channel *channel, uint64_t max_message,
                             mproc_connection **connection)
{
    struct connection *made;
    void *pointer;
    mproc_err err = mproc__connection_make(channel, &made);
    if (err != MPROC_OK)
        return err;
    made->in.max_message = max_message;
    err = mproc__object_add(OBJECT_CONNECTION, made, &pointer);
    if (err != MPROC_OK)
        mproc__connection_destroy(made);
    else
        *connection = pointer;
    return err;
}

/* What came and was not fetched would be lost. */
static mproc_err check_nothing_inside(const struct connection *connection)
{
    if (connection->cut)
        return mproc__fail(MPROC_EBROKEN, "a message was sent in part: the connection is of no use to others");
    return mproc__inbound_holds(&connection->in)
               ? mproc__fail(MPROC_ESTATE, "the connection holds a message that came: receive it first")
               : MPROC_OK;
}

mproc_err mproc_connection_detach(mproc_connection *connection, intptr_t *native)
{
    if (!native)
        return mproc__fail(MPROC_EINVAL, "mproc_connection_detach: native is NULL");
    struct connection *found;
    mproc_err err = mproc__object_enter(connection, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    err = check_nothing_inside(found);
    if (err == MPROC_OK)
        err = mproc_plat_channel_calm(&found->channel);
    if (err == MPROC_OK)
        err = mproc__object_remove(connection, OBJECT_CONNECTION, 1, &found);
    if (err != MPROC_OK) {
        mproc__object_leave(connection);
        return err;
    }
    *native = found->channel.handle;
    found->channel.handle = MPROC_PLAT_NONE;
    mproc__connection_destroy(found);
    return MPROC_OK;
}

mproc_err mproc_connection_attach(mproc_connection **connection, intptr_t native,
                                  const mproc_connection_options *options)
{
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK && !connection)
        err = mproc__fail(MPROC_EINVAL, "mproc_connection_attach: connection is NULL");
    if (err == MPROC_OK)
        err = mproc__connection_check_options("mproc_connection_attach", options);
    struct mproc_plat_channel channel;
    if (err == MPROC_OK)
        err = mproc_plat_channel_adopt(&channel, native, options ? options->family : MPROC_FAMILY_DEFAULT);
    return err == MPROC_OK ? make_public(&channel, options ? options->max_message : 0, connection) : err;
}

static mproc_err send_connection(struct connection *carrier, mproc_connection *cargo, int64_t deadline)
{
    struct connection *found;
    mproc_err err = mproc__object_enter(cargo, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    if (found == carrier)
        err = mproc__fail(MPROC_EINVAL, "a connection cannot be sent over itself");
    if (err == MPROC_OK)
        err = check_nothing_inside(found);
    if (err == MPROC_OK)
        err = mproc_plat_channel_calm(&found->channel);
    if (err == MPROC_OK)
        err = send_handle(carrier, found->channel.handle, KIND_CONNECTION + (int) found->channel.family,
                          deadline);
    if (err == MPROC_OK)
        err = mproc__object_remove(cargo, OBJECT_CONNECTION, 1, &found);
    if (err == MPROC_OK)
        mproc__connection_destroy(found);
    else
        mproc__object_leave(cargo);
    return err;
}

mproc_err mproc_connection_send_connection(mproc_connection *carrier, mproc_connection *cargo,
                                           mproc_ms timeout)
{
    struct connection *found;
    mproc_err err = mproc__object_enter(carrier, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    err = send_connection(found, cargo, mproc__deadline(timeout));
    mproc__object_leave(carrier);
    return err;
}

mproc_err mproc_connection_recv_connection(mproc_connection *carrier, mproc_connection **cargo,
                                           mproc_ms timeout)
{
    if (!cargo)
        return mproc__fail(MPROC_EINVAL, "mproc_connection_recv_connection: cargo is NULL");
    struct connection *found;
    mproc_err err = mproc__object_enter(carrier, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    mproc_plat_handle handle = MPROC_PLAT_NONE;
    struct mproc_plat_channel channel;
    int kind = 0;
    err = recv_handle(found, is_connection, "mproc_connection_recv_handle", &handle, &kind,
                      mproc__deadline(timeout));
    if (err == MPROC_OK) {
        channel = (struct mproc_plat_channel){
            .handle = handle, .family = (mproc_address_family) (kind - KIND_CONNECTION)
        };
        err = mproc_plat_channel_adopt(&channel, handle, channel.family);
        if (err != MPROC_OK)
            mproc_plat_channel_close(&channel);
        else
            err = make_public(&channel, found->in.max_message, cargo);
    }
    mproc__object_leave(carrier);
    return err;
}
