/* SPDX-License-Identifier: MIT */
/* One end of a connection, below the public pointers. */
#ifndef MPROC_CORE_CONNECTION_H
#define MPROC_CORE_CONNECTION_H

#include "authentication.h"
#include "inbound.h"
#include "turn.h"
#include "wait_source.h"

struct connection {
    struct mproc_plat_channel channel;
    struct turn sending;
    struct turn receiving; /* guards `in` */
    bool cut;              /* a message was sent in part: nothing more can be sent */
    struct inbound in;
};

/* Checks what users pass. */
mproc_err mproc__connection_check_options(const char *function, const mproc_connection_options *options);

/* Takes over an open channel, also on error. */
mproc_err mproc__connection_make(const struct mproc_plat_channel *channel, struct connection **connection);
void mproc__connection_destroy(struct connection *connection);

/* Never waits: MPROC_OK when a message is whole, MPROC_ETIMEDOUT (not described) when more is to
 * come, else what receiving is to answer. The caller has the turn of receiving, or is alone. */
mproc_err mproc__connection_step(struct connection *connection);
/* Steps until a message is whole or the deadline. */
mproc_err mproc__connection_receive(struct connection *connection, int64_t deadline);
/* Sends one message; `passed` goes with it unless it is NONE (small messages only). */
mproc_err mproc__connection_write(struct connection *connection, const void *bytes, size_t size,
                                  mproc_plat_handle passed, int64_t deadline);

/* Moves a listener on without waiting, and says whether accept has something to give. */
extern const struct wait_source mproc__connection_source, mproc__listener_source;

#endif
