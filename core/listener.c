/* SPDX-License-Identifier: MIT */
/* Listeners: all peers that have connected prove their key side by side, and whoever is first is given
 * out first. A peer costs a place in a list of bounded length until its time is over. */
#include "connection.h"

#include "pointers.h"
#include "runtime.h"
#include "self.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PENDING = 128, DEFAULT_HANDSHAKE = 20000 };
/* A handshake's messages are small and the first: a channel that does not take one at once is odd. */
#define WRITE_TIME INT64_C(1000000000)

/* A peer on its way from connecting to being given out. */
struct pending {
    struct pending *next;
    struct connection *connection;
    struct authentication auth;
    int64_t deadline;
    bool finished;
    mproc_err err;
    char sentence[300];
    char peer[MPROC_ADDRESS_SIZE];
};

struct listener {
    struct mproc_plat_channel channel;
    struct turn accepting; /* guards what follows */
    struct pending *pending; /* oldest first */
    size_t pending_count;
    char last_accepted[MPROC_ADDRESS_SIZE];
    mproc_connection_options options;
    unsigned char key[MPROC_AUTHKEY_SIZE];
    char address[MPROC_ADDRESS_SIZE];
    bool fresh;
    int64_t maker; /* the process that removes the path */
};

/* ---- making ---- */

static void unlink_path(const struct listener *listener)
{
    if (listener->maker == mproc__self()->pid)
        mproc_plat_channel_unlink(listener->channel.family, listener->address, listener->fresh);
}

/* At the end of the process: paths that nobody removed. */
static void unlink_all(void *context)
{
    (void) context;
    size_t at = 0;
    for (const struct listener *listener; (listener = mproc__object_next(OBJECT_LISTENER, &at)) != NULL;)
        unlink_path(listener);
}

static mproc_err unlink_at_exit(void)
{
    static int64_t registered; /* for this process; a forked one has no finalizers */
    if (registered == mproc__self()->pid)
        return MPROC_OK;
    registered = mproc__self()->pid;
    return mproc_at_exit(unlink_all, NULL);
}

static void destroy_pending(struct pending *pending)
{
    if (pending->connection)
        mproc__connection_destroy(pending->connection);
    free(pending);
}

static void destroy(struct listener *listener)
{
    mproc_plat_channel_close(&listener->channel);
    unlink_path(listener);
    while (listener->pending) {
        struct pending *first = listener->pending;
        listener->pending = first->next;
        destroy_pending(first);
    }
    mproc__turn_release(&listener->accepting);
    free(listener);
}

static void take_options(struct listener *listener, const mproc_connection_options *options)
{
    if (options)
        listener->options = *options;
    if (listener->options.authkey) {
        memcpy(listener->key, options->authkey, options->authkey_size);
        listener->options.authkey = listener->key;
    }
    if (listener->options.handshake_timeout == 0)
        listener->options.handshake_timeout = DEFAULT_HANDSHAKE;
    if (listener->options.backlog == 0)
        listener->options.backlog = 1;
}

mproc_err mproc_listener_create(mproc_listener **listener, const char *address,
                                const mproc_connection_options *options)
{
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK && (!listener || (address && strlen(address) >= MPROC_ADDRESS_SIZE)))
        err = mproc__fail(MPROC_EINVAL, "mproc_listener_create: %s",
                          listener ? "the address is too long" : "listener is NULL");
    if (err == MPROC_OK)
        err = mproc__connection_check_options("mproc_listener_create", options);
    if (err == MPROC_OK)
        err = unlink_at_exit();
    if (err != MPROC_OK)
        return err;
    struct listener *made = calloc(1, sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a listener");
    take_options(made, options);
    made->fresh = !address;
    made->maker = mproc__self()->pid;
    err = mproc_plat_channel_listen(&made->channel, mproc__address_family(address, made->options.family),
                                    address, made->options.backlog, made->address);
    if (err != MPROC_OK) {
        free(made);
        return err;
    }
    void *pointer;
    err = mproc__object_add(OBJECT_LISTENER, made, &pointer);
    if (err != MPROC_OK)
        destroy(made);
    else
        *listener = pointer;
    return err;
}

/* ---- accepting ---- */

static void finish(struct pending *pending, mproc_err err)
{
    pending->finished = true;
    pending->err = err;
    if (err != MPROC_OK)
        snprintf(pending->sentence, sizeof pending->sentence, "%s", mproc_last_error());
}

static mproc_err say(struct pending *pending, const struct auth_message *out)
{
    return out->size == 0 ? MPROC_OK
                          : mproc__connection_write(pending->connection, out->bytes, out->size,
                                                    MPROC_PLAT_NONE, mproc_plat_now() + WRITE_TIME);
}

static mproc_err hung_up(void)
{
    return mproc__fail(MPROC_EAUTH, "a peer has hung up before it proved to have the key");
}

/* As far as the messages that have come take it. */
static void move_on(struct pending *pending)
{
    struct connection *connection = pending->connection;
    mproc_err err = MPROC_OK;
    while (err == MPROC_OK && pending->auth.state != AUTH_DONE) {
        struct auth_message out;
        err = mproc__connection_step(connection);
        if (err == MPROC_ETIMEDOUT) {
            if (mproc_plat_now() < pending->deadline)
                return;
            err = mproc__fail(MPROC_EAUTH, "a peer did not prove in time to have the key");
        } else if (err == MPROC_ECLOSED || err == MPROC_EDIED) {
            err = hung_up();
        }
        if (err != MPROC_OK)
            break;
        err = mproc__auth_step(&pending->auth, connection->in.bytes, (size_t) connection->in.size, &out);
        mproc__connection_taken(connection);
        if (err == MPROC_OK) {
            err = say(pending, &out) == MPROC_OK ? MPROC_OK : hung_up();
        } else {
            char sentence[300];
            snprintf(sentence, sizeof sentence, "%s", mproc_last_error());
            (void) say(pending, &out); /* it is told, if it still listens */
            err = mproc__fail(err, "%s", sentence);
        }
    }
    finish(pending, err);
}

static void begin(const struct listener *listener, struct pending *pending)
{
    struct auth_message out;
    pending->connection->max_message = AUTH_MESSAGE_SIZE;
    mproc_err err = mproc__auth_begin(&pending->auth, true, listener->options.refuse_md5, listener->key,
                                      listener->options.authkey_size, &out);
    if (err == MPROC_OK && say(pending, &out) != MPROC_OK)
        err = hung_up();
    if (err != MPROC_OK)
        finish(pending, err);
}

static void add(struct listener *listener, struct pending *pending)
{
    struct pending **last = &listener->pending;
    while (*last)
        last = &(*last)->next;
    *last = pending;
    listener->pending_count++;
}

static struct pending *take(struct listener *listener, struct pending **place)
{
    struct pending *taken = *place;
    *place = taken->next;
    listener->pending_count--;
    return taken;
}

/* Takes the next peer from the system; MPROC_ETIMEDOUT if there is none. */
static mproc_err admit(struct listener *listener)
{
    struct pending *pending = calloc(1, sizeof *pending);
    struct mproc_plat_channel channel;
    if (!pending)
        return mproc__fail(MPROC_ENOMEM, "no memory for a connection");
    mproc_err err = mproc_plat_channel_accept(&listener->channel, &channel, pending->peer);
    if (err == MPROC_OK)
        err = mproc__connection_make(&channel, &pending->connection);
    if (err != MPROC_OK) {
        free(pending);
        return err;
    }
    pending->deadline = listener->options.handshake_timeout < 0
                            ? MPROC_PLAT_NEVER
                            : mproc__deadline(listener->options.handshake_timeout);
    if (listener->pending_count == MOST_PENDING) /* the oldest has had the most time */
        destroy_pending(take(listener, &listener->pending));
    add(listener, pending);
    if (listener->options.authkey)
        begin(listener, pending);
    else
        finish(pending, MPROC_OK);
    return MPROC_OK;
}

static struct pending **find_finished(struct listener *listener)
{
    struct pending **place = &listener->pending;
    while (*place && !(*place)->finished)
        place = &(*place)->next;
    return *place ? place : NULL;
}

/* Everything that can be done without waiting. MPROC_ETIMEDOUT (not described): nothing is finished. */
static mproc_err progress(struct listener *listener)
{
    mproc_err err = MPROC_OK;
    /* Without a key each peer stays in the system's queue, which has the user's bound. */
    while (err == MPROC_OK && (listener->options.authkey || !listener->pending))
        err = admit(listener);
    if (err == MPROC_ETIMEDOUT)
        err = MPROC_OK;
    for (struct pending *pending = listener->pending; pending; pending = pending->next)
        if (!pending->finished)
            move_on(pending);
    if (find_finished(listener))
        return MPROC_OK;
    return err == MPROC_OK ? MPROC_ETIMEDOUT : err;
}

/* What may change the answer of progress(). */
static mproc_err add_handles(struct listener *listener, struct wait_set *set)
{
    mproc_plat_handle handle;
    mproc_err err = mproc_plat_channel_waitable(&listener->channel, &handle);
    if (err == MPROC_OK)
        err = mproc__wait_add(set, handle, false);
    for (struct pending *next = listener->pending; next && err == MPROC_OK; next = next->next) {
        err = mproc_plat_channel_waitable(&next->connection->channel, &handle);
        if (err == MPROC_OK)
            err = mproc__wait_add(set, handle, false);
    }
    return err;
}

static int64_t first_deadline(const struct listener *listener, int64_t deadline)
{
    for (const struct pending *next = listener->pending; next; next = next->next)
        if (next->deadline < deadline)
            deadline = next->deadline;
    return deadline;
}

static mproc_err await_progress(struct listener *listener, int64_t deadline)
{
    struct wait_set set = { .until = MPROC_PLAT_NEVER };
    mproc_err err = add_handles(listener, &set);
    mproc_plat_handle *handles = malloc((set.count + 1) * (sizeof *handles + sizeof(bool)));
    if (err == MPROC_OK && !handles)
        err = mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu peers", set.count);
    if (err == MPROC_OK) {
        for (size_t i = 0; i < set.count; i++)
            handles[i] = set.entries[i].handle;
        size_t bad;
        err = mproc_plat_await(handles, set.count, first_deadline(listener, deadline),
                               (bool *) (handles + set.count), &bad);
    }
    free(handles);
    free(set.entries);
    return err;
}

/* Gives out a peer that has finished. */
static mproc_err give(struct listener *listener, mproc_connection **connection)
{
    struct pending *pending = take(listener, find_finished(listener));
    mproc_err err = pending->err;
    void *pointer;
    if (err != MPROC_OK) {
        err = mproc__fail(err, "%s", pending->sentence);
    } else {
        pending->connection->max_message = listener->options.max_message;
        err = mproc__object_add(OBJECT_CONNECTION, pending->connection, &pointer);
    }
    if (err == MPROC_OK) {
        memcpy(listener->last_accepted, pending->peer, sizeof pending->peer);
        pending->connection = NULL;
        *connection = pointer;
    }
    destroy_pending(pending);
    return err;
}

static mproc_err accept_in_turn(struct listener *listener, mproc_connection **connection, int64_t deadline)
{
    for (bool late = false;;) {
        mproc_err err = progress(listener);
        if (err == MPROC_OK)
            return give(listener, connection);
        if (err == MPROC_ETIMEDOUT && late)
            return mproc__fail(MPROC_ETIMEDOUT, "nobody has connected to %s", listener->address);
        if (err == MPROC_ETIMEDOUT)
            err = await_progress(listener, deadline);
        if (err != MPROC_OK && err != MPROC_ETIMEDOUT)
            return err;
        late = err == MPROC_ETIMEDOUT && (deadline == 0 || mproc_plat_now() >= deadline);
    }
}

mproc_err mproc_listener_accept(mproc_listener *listener, mproc_connection **connection, mproc_ms timeout)
{
    if (!connection)
        return mproc__fail(MPROC_EINVAL, "mproc_listener_accept: connection is NULL");
    struct listener *found;
    mproc_err err = mproc__object_enter(listener, OBJECT_LISTENER, &found);
    if (err != MPROC_OK)
        return err;
    int64_t deadline = mproc__deadline(timeout);
    err = mproc__turn_take(&found->accepting, deadline);
    if (err == MPROC_OK) {
        err = accept_in_turn(found, connection, deadline);
        mproc__turn_give(&found->accepting);
    } else if (err == MPROC_ETIMEDOUT) {
        err = mproc__fail(err, "another thread is accepting, and nobody has connected for this one");
    }
    mproc__object_leave(listener);
    return err;
}

/* ---- asking ---- */

static mproc_err copy_text(const char *from, char *text, size_t size)
{
    if (!text || size <= strlen(from))
        return mproc__fail(MPROC_EINVAL, "the address has %zu bytes: pass MPROC_ADDRESS_SIZE", strlen(from));
    strcpy(text, from);
    return MPROC_OK;
}

mproc_err mproc_listener_address(mproc_listener *listener, char *text, size_t size)
{
    struct listener *found;
    mproc_err err = mproc__object_enter(listener, OBJECT_LISTENER, &found);
    if (err != MPROC_OK)
        return err;
    err = copy_text(found->address, text, size);
    mproc__object_leave(listener);
    return err;
}

mproc_err mproc_listener_last_accepted(mproc_listener *listener, char *text, size_t size)
{
    struct listener *found;
    mproc_err err = mproc__object_enter(listener, OBJECT_LISTENER, &found);
    if (err != MPROC_OK)
        return err;
    err = mproc__turn_take(&found->accepting, MPROC_PLAT_NEVER);
    if (err == MPROC_OK) {
        err = copy_text(found->last_accepted, text, size);
        mproc__turn_give(&found->accepting);
    }
    mproc__object_leave(listener);
    return err;
}

mproc_err mproc_listener_close(mproc_listener *listener)
{
    struct listener *found;
    mproc_err err = mproc__object_remove(listener, OBJECT_LISTENER, 0, &found);
    if (err == MPROC_OK)
        destroy(found);
    return err;
}

/* ---- waiting beside others ---- */

static mproc_err source_enter(uint64_t id, void **object)
{
    return mproc__object_enter((const void *) (uintptr_t) id, OBJECT_LISTENER, object);
}

static mproc_err source_ask(uint64_t id, void *object, struct wait_set *set, bool *ready)
{
    (void) id;
    struct listener *listener = object;
    *ready = false;
    mproc_err err = mproc__turn_take(&listener->accepting, 0);
    if (err == MPROC_ETIMEDOUT)
        return mproc__wait_retry(set);
    if (err != MPROC_OK)
        return err;
    err = progress(listener);
    *ready = err != MPROC_ETIMEDOUT; /* an error is accept's to give */
    err = *ready ? MPROC_OK : add_handles(listener, set);
    if (first_deadline(listener, MPROC_PLAT_NEVER) < set->until)
        set->until = first_deadline(listener, MPROC_PLAT_NEVER);
    mproc__turn_give(&listener->accepting);
    return err;
}

static void source_leave(uint64_t id, void *object)
{
    (void) object;
    mproc__object_leave((const void *) (uintptr_t) id);
}

const struct wait_source mproc__listener_source = { source_enter, source_ask, source_leave };
