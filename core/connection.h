/* SPDX-License-Identifier: MIT */
/* One end of a connection, below the public pointers. */
#ifndef MPROC_CORE_CONNECTION_H
#define MPROC_CORE_CONNECTION_H

#include "authentication.h"
#include "frame.h"
#include "turn.h"
#include "wait_source.h"

/* The message that is coming in. It stays until it is taken, so that nothing is lost by a time-out or
 * by a buffer that is too small. */
struct inbound {
    unsigned char header[FRAME_HEADER_LONG];
    size_t header_have;
    bool sized; /* `size` is known */
    bool whole;
    uint64_t size;
    unsigned char *bytes;
    size_t capacity;
    size_t have;
    mproc_plat_handle passed; /* came with it, or NONE */
};

struct connection {
    struct mproc_plat_channel channel;
    struct turn sending;
    struct turn receiving; /* guards what follows */
    uint64_t max_message;
    mproc_err over;        /* nothing more can be received, and why */
    bool cut;              /* a message was sent in part: nothing more can be sent */
    struct inbound in;
};

/* Checks what users pass. The address may be NULL. */
mproc_err mproc__connection_check_options(const char *function, const mproc_connection_options *options);
mproc_address_family mproc__address_family(const char *address, mproc_address_family family);

/* Takes over an open channel, also on error. */
mproc_err mproc__connection_make(const struct mproc_plat_channel *channel, struct connection **connection);
void mproc__connection_destroy(struct connection *connection);

/* Never waits: MPROC_OK when a message is whole, MPROC_ETIMEDOUT (not described) when more is to
 * come, else what receiving is to answer. The caller has the turn of receiving, or is alone. */
mproc_err mproc__connection_step(struct connection *connection);
/* The message that was whole is done with. */
void mproc__connection_taken(struct connection *connection);
/* Steps until a message is whole or the deadline. */
mproc_err mproc__connection_receive(struct connection *connection, int64_t deadline);
/* Sends one message; `passed` goes with it unless it is NONE (small messages only). */
mproc_err mproc__connection_write(struct connection *connection, const void *bytes, size_t size,
                                  mproc_plat_handle passed, int64_t deadline);
/* Whether the whole message is one of mproc_connection_send_handle(). */
bool mproc__connection_has_handle(const struct connection *connection);

/* Moves a listener on without waiting, and says whether accept has something to give. */
extern const struct wait_source mproc__connection_source, mproc__listener_source;

#endif
