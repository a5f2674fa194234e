/* SPDX-License-Identifier: MIT */
/* Those who have connected to a listener and prove their key, all side by side, until accept gives them out. */
#ifndef MPROC_CORE_PEERS_H
#define MPROC_CORE_PEERS_H

#include "connection.h"

/* A peer on its way from connecting to being given out. */
struct peer {
    struct peer *next;
    struct connection *connection; /* NULL: it failed, and `err` and `sentence` say why */
    struct authentication auth;
    int64_t deadline;
    int64_t patience; /* from then on it makes room for others, if it has proved nothing */
    bool finished;
    mproc_err err;
    char sentence[300];
    char address[MPROC_ADDRESS_SIZE];
};

/* A peer costs a place in a list of bounded length until its time is over. When all places are taken the next
 * ones stay in the system's queue, until one that has proved nothing has had a fair part of its time: a crowd
 * of such peers can neither push out who is proving the key nor keep others out. */
struct peers {
    struct mproc_plat_channel *listening;
    const mproc_connection_options *options;
    struct peer *first; /* the oldest */
    size_t count;       /* of those that have a connection */
    size_t failed_count;
};

/* Everything that can be done without waiting. MPROC_OK: one has finished; MPROC_ETIMEDOUT (not described): none
 * has. Another error is the system's, and nobody has finished either. */
mproc_err mproc__peers_progress(struct peers *peers);
/* What may change its answer: adds handles to wait for, and shortens set->until. */
mproc_err mproc__peers_await(struct peers *peers, struct wait_set *set);
/* Takes out one that has finished, the oldest with the key first; NULL: none has. */
struct peer *mproc__peers_take(struct peers *peers);
void mproc__peer_destroy(struct peer *peer);

#endif
