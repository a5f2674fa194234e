/* SPDX-License-Identifier: MIT */
/* Handles in messages (inbound.h). On Unix the descriptor itself comes beside the message. */
#include "connection.h"

#include "pointers.h"
#include "runtime.h"

enum { MOST_TEXT = 1024 };

static mproc_native_kind native_of(int kind)
{
    return kind == MPROC_NATIVE_FILE || kind == CARGO_CONNECTION + MPROC_FAMILY_PIPE ? MPROC_NATIVE_FILE
                                                                                     : MPROC_NATIVE_SOCKET;
}

static mproc_err send_handle(struct connection *connection, mproc_plat_handle handle, int kind,
                             int64_t deadline)
{
    unsigned char message[HANDLE_MARK_SIZE + 1 + MOST_TEXT] = HANDLE_MARK;
    unsigned char *text = message + HANDLE_MARK_SIZE + 1;
    mproc_plat_handle passed;
    size_t used;
    message[HANDLE_MARK_SIZE] = (unsigned char) kind;
    mproc_err err = mproc_plat_channel_pack(&connection->channel, handle, native_of(kind), text, MOST_TEXT, &used,
                                            &passed);
    if (err != MPROC_OK)
        return err;
    err = mproc__connection_write(connection, message, (size_t) (text - message) + used, passed, deadline);
    if (err != MPROC_OK && passed != handle) /* a copy for the receiver */
        mproc_plat_handle_close(passed);
    return err;
}

/* Takes the handle out of the whole message, which is done with then. */
static mproc_err unpack(struct connection *connection, mproc_plat_handle *handle, int *kind)
{
    struct inbound *in = &connection->in;
    const unsigned char *text = in->bytes + HANDLE_MARK_SIZE + 1;
    mproc_err err;
    *kind = in->bytes[HANDLE_MARK_SIZE];
    if (in->passed == MPROC_PLAT_NONE && in->lost)
        err = mproc__fail(MPROC_EAGAIN, "a handle came and is lost, since this process may have no more descriptors: "
                                        "close some or raise RLIMIT_NOFILE, and have it sent again");
    else
        err = mproc_plat_channel_unpack(&connection->channel, text, (size_t) in->size - HANDLE_MARK_SIZE - 1,
                                        in->passed, native_of(*kind), handle);
    if (err == MPROC_OK)
        in->passed = MPROC_PLAT_NONE;
    mproc__inbound_taken(in);
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
    if (err == MPROC_OK && !connection->in.carries)
        err = mproc__fail(MPROC_ETYPE, "the next message is bytes: mproc_connection_recv_bytes");
    else if (err == MPROC_OK && !wanted(connection->in.bytes[HANDLE_MARK_SIZE]))
        err = mproc__fail(MPROC_ETYPE, "the next message carries something else: %s", hint);
    else if (err == MPROC_OK)
        err = unpack(connection, handle, kind);
    mproc__turn_give(&connection->receiving);
    return err;
}

/* ---- native handles ---- */

mproc_err mproc_connection_send_handle(mproc_connection *connection, intptr_t native, mproc_native_kind kind,
                                       mproc_ms timeout)
{
    struct connection *found;
    mproc_err err = mproc__object_enter(connection, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    if (!mproc__cargo_is_native((int) kind))
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
    err = recv_handle(found, mproc__cargo_is_native, "mproc_connection_recv_connection", native, &what,
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
        err = mproc_plat_channel_adopt(&channel, native, options ? options->family : MPROC_FAMILY_DEFAULT,
                                       false);
    return err == MPROC_OK ? make_public(&channel, options ? options->max_message : 0, connection) : err;
}

/* Whoever enters cargo while it is on its way is refused: so it is here or there, and never half of each. */
static mproc_err send_held(struct connection *carrier, mproc_connection *cargo, struct connection *found,
                           int64_t deadline)
{
    mproc_err err = check_nothing_inside(found);
    if (err == MPROC_OK)
        err = mproc_plat_channel_calm(&found->channel);
    if (err == MPROC_OK)
        err = send_handle(carrier, found->channel.handle, CARGO_CONNECTION + (int) found->channel.family, deadline);
    if (err == MPROC_OK)
        err = mproc__object_remove(cargo, OBJECT_CONNECTION, 1, &found);
    if (err == MPROC_OK)
        mproc__connection_destroy(found);
    else
        mproc__object_let_go(cargo);
    return err;
}

static mproc_err send_connection(struct connection *carrier, mproc_connection *cargo, int64_t deadline)
{
    struct connection *found;
    mproc_err err = mproc__object_enter(cargo, OBJECT_CONNECTION, &found);
    if (err != MPROC_OK)
        return err;
    err = found == carrier ? mproc__fail(MPROC_EINVAL, "a connection cannot be sent over itself")
                           : mproc__object_hold(cargo, OBJECT_CONNECTION);
    if (err == MPROC_OK)
        err = send_held(carrier, cargo, found, deadline);
    if (err != MPROC_OK)
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
    err = recv_handle(found, mproc__cargo_is_connection, "mproc_connection_recv_handle", &handle, &kind,
                      mproc__deadline(timeout));
    if (err == MPROC_OK) {
        channel = (struct mproc_plat_channel){
            .handle = handle, .family = (mproc_address_family) (kind - CARGO_CONNECTION)
        };
        err = mproc_plat_channel_adopt(&channel, handle, channel.family, true);
        if (err != MPROC_OK)
            mproc_plat_channel_close(&channel);
        else
            err = make_public(&channel, found->in.max_message, cargo);
    }
    mproc__object_leave(carrier);
    return err;
}
