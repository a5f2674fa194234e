/* SPDX-License-Identifier: MIT */
/* The peers of a listener: admitted from the system's queue a few at a time, moved on by what they send. */
#include "peers.h"

#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MOST_PEERS = 128,
    MOST_FAILED = 16, /* that wait to be told by accept; of more the oldest are not told */
    ADMITTED_AT_ONCE = 16,
    DEFAULT_HANDSHAKE = 20000,
    PATIENCE = 20 /* this part of a peer's time is its own, even if others wait: a second of 20 */
};
/* A handshake's messages are small and the first: a channel that does not take one at once is odd. */
#define WRITE_TIME INT64_C(1000000000)

void mproc__peer_destroy(struct peer *peer)
{
    if (peer->connection)
        mproc__connection_destroy(peer->connection);
    free(peer);
}

static struct peer *take(struct peers *peers, struct peer **place)
{
    struct peer *taken = *place;
    *place = taken->next;
    if (taken->connection)
        peers->count--;
    else
        peers->failed_count--;
    return taken;
}

/* Its connection is closed at once, and makes room; accept is still to say why. */
static void fail(struct peers *peers, struct peer *peer, mproc_err err)
{
    peer->finished = true;
    peer->err = err;
    snprintf(peer->sentence, sizeof peer->sentence, "%s", mproc_last_error());
    mproc__connection_destroy(peer->connection);
    peer->connection = NULL;
    peers->count--;
    peers->failed_count++;
}

/* ---- proving ---- */

static mproc_err say(struct peer *peer, const struct auth_message *out)
{
    return out->size == 0 ? MPROC_OK
                          : mproc__connection_write(peer->connection, out->bytes, out->size, MPROC_PLAT_NONE,
                                                    mproc_plat_now() + WRITE_TIME);
}

static mproc_err hung_up(void)
{
    return mproc__fail(MPROC_EAUTH, "a peer has hung up before it proved to have the key");
}

/* Takes one message further; MPROC_ETIMEDOUT: none has come, and there is time. */
static mproc_err step(struct peer *peer)
{
    struct connection *connection = peer->connection;
    struct auth_message out;
    mproc_err err = mproc__connection_step(connection);
    if (err == MPROC_ETIMEDOUT && mproc_plat_now() >= peer->deadline)
        return mproc__fail(MPROC_EAUTH, "a peer did not prove in time to have the key");
    if (err == MPROC_ECLOSED || err == MPROC_EDIED)
        return hung_up();
    if (err != MPROC_OK)
        return err;
    err = mproc__auth_step(&peer->auth, connection->in.bytes, (size_t) connection->in.size, &out);
    mproc__inbound_taken(&connection->in);
    if (err == MPROC_OK)
        return say(peer, &out) == MPROC_OK ? MPROC_OK : hung_up();
    char sentence[sizeof peer->sentence];
    snprintf(sentence, sizeof sentence, "%s", mproc_last_error());
    (void) say(peer, &out); /* it is told, if it still listens */
    return mproc__fail(err, "%s", sentence);
}

/* As far as the messages that have come take it. */
static void move_on(struct peers *peers, struct peer *peer)
{
    mproc_err err = MPROC_OK;
    while (err == MPROC_OK && peer->auth.state != AUTH_DONE)
        err = step(peer);
    if (err == MPROC_OK)
        peer->finished = true;
    else if (err != MPROC_ETIMEDOUT)
        fail(peers, peer, err);
}

static void move_all_on(struct peers *peers)
{
    for (struct peer **place = &peers->first; *place;) {
        if (!(*place)->finished)
            move_on(peers, *place);
        if (!(*place)->connection && peers->failed_count > MOST_FAILED)
            mproc__peer_destroy(take(peers, place));
        else
            place = &(*place)->next;
    }
}

/* ---- admitting ---- */

/* Whoever has answered our challenge has the key: it is no stranger, who only takes a place. */
static bool is_stranger(const struct peer *peer)
{
    return !peer->finished && peer->auth.state == AUTH_AWAIT_RESPONSE;
}

static struct peer *oldest_stranger(const struct peers *peers)
{
    struct peer *peer = peers->first;
    while (peer && !is_stranger(peer))
        peer = peer->next;
    return peer;
}

/* Without a key each peer stays in the system's queue, which has the user's bound. */
static bool has_room(const struct peers *peers)
{
    if (!peers->options->authkey)
        return !peers->first;
    if (peers->count < MOST_PEERS)
        return true;
    const struct peer *oldest = oldest_stranger(peers);
    return oldest && oldest->patience <= mproc_plat_now();
}

static void make_room(struct peers *peers)
{
    struct peer *oldest = peers->count < MOST_PEERS ? NULL : oldest_stranger(peers);
    if (oldest)
        fail(peers, oldest, mproc__fail(MPROC_EAUTH, "a peer proved nothing while many others waited"));
}

static void begin(struct peers *peers, struct peer *peer)
{
    const mproc_connection_options *options = peers->options;
    mproc_ms time = options->handshake_timeout ? options->handshake_timeout : DEFAULT_HANDSHAKE;
    peer->deadline = time < 0 ? MPROC_PLAT_NEVER : mproc__deadline(time);
    peer->patience = mproc__deadline((time < 0 ? DEFAULT_HANDSHAKE : time) / PATIENCE);
    peer->connection->in.max_message = AUTH_MESSAGE_SIZE;
    struct auth_message out;
    mproc_err err = mproc__auth_begin(&peer->auth, true, options->refuse_md5, options->authkey,
                                      options->authkey_size, &out);
    if (err == MPROC_OK && say(peer, &out) != MPROC_OK)
        err = hung_up();
    if (err != MPROC_OK)
        fail(peers, peer, err);
    else
        move_on(peers, peer); /* it has said nothing yet, but a channel can be waited for once it was read */
}

static void add(struct peers *peers, struct peer *peer)
{
    struct peer **last = &peers->first;
    while (*last)
        last = &(*last)->next;
    *last = peer;
    peers->count++;
}

/* Takes the next peer from the system; MPROC_ETIMEDOUT if there is none. */
static mproc_err admit(struct peers *peers)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct mproc_plat_channel channel;
    if (!peer)
        return mproc__fail(MPROC_ENOMEM, "no memory for a connection");
    mproc_err err = mproc_plat_channel_accept(peers->listening, &channel, peer->address);
    if (err == MPROC_OK)
        err = mproc__connection_make(&channel, &peer->connection);
    if (err != MPROC_OK) {
        free(peer);
        return err;
    }
    make_room(peers);
    add(peers, peer);
    if (peers->options->authkey)
        begin(peers, peer);
    else
        peer->finished = true;
    return MPROC_OK;
}

/* Some of those that wait in the system's queue: accept has a deadline, however many come. */
static mproc_err admit_some(struct peers *peers)
{
    mproc_err err = MPROC_OK;
    for (int i = 0; i < ADMITTED_AT_ONCE && err == MPROC_OK && has_room(peers); i++)
        err = admit(peers);
    return err == MPROC_ETIMEDOUT ? MPROC_OK : err;
}

/* ---- for the listener ---- */

static struct peer **find_finished(struct peers *peers)
{
    struct peer **failed = NULL;
    for (struct peer **place = &peers->first; *place; place = &(*place)->next) {
        if ((*place)->finished && (*place)->connection)
            return place;
        if ((*place)->finished && !failed)
            failed = place;
    }
    return failed;
}

mproc_err mproc__peers_progress(struct peers *peers)
{
    move_all_on(peers);
    mproc_err err = admit_some(peers);
    if (find_finished(peers))
        return MPROC_OK;
    return err == MPROC_OK ? MPROC_ETIMEDOUT : err;
}

static mproc_err add_channel(struct wait_set *set, struct mproc_plat_channel *channel)
{
    mproc_plat_handle handle;
    mproc_err err = mproc_plat_channel_waitable(channel, &handle);
    return err == MPROC_OK ? mproc__wait_add(set, handle, false) : err;
}

mproc_err mproc__peers_await(struct peers *peers, struct wait_set *set)
{
    bool room = has_room(peers);
    mproc_err err = room ? add_channel(set, peers->listening) : MPROC_OK;
    for (struct peer *next = peers->first; next && err == MPROC_OK; next = next->next) {
        if (next->finished)
            continue;
        err = add_channel(set, &next->connection->channel);
        if (next->deadline < set->until)
            set->until = next->deadline;
    }
    const struct peer *oldest = room ? NULL : oldest_stranger(peers);
    if (oldest && oldest->patience < set->until)
        set->until = oldest->patience;
    return err;
}

struct peer *mproc__peers_take(struct peers *peers)
{
    struct peer **place = find_finished(peers);
    return place ? take(peers, place) : NULL;
}
