/* SPDX-License-Identifier: MIT */
/* Listeners: where others connect. What they go through until they are accepted is in peers.c. */
#include "peers.h"

#include "address.h"
#include "pointers.h"
#include "runtime.h"
#include "self.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listener {
    struct mproc_plat_channel channel;
    struct turn accepting; /* guards what follows */
    struct peers peers;
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

static void destroy(struct listener *listener)
{
    mproc_plat_channel_close(&listener->channel);
    unlink_path(listener);
    while (listener->peers.first) {
        struct peer *first = listener->peers.first;
        listener->peers.first = first->next;
        mproc__peer_destroy(first);
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
    if (listener->options.backlog == 0)
        listener->options.backlog = 1;
    listener->peers.listening = &listener->channel;
    listener->peers.options = &listener->options;
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
    mproc_address_family family = mproc__address_family(address, made->options.family, mproc_plat_channel_family());
    err = mproc_plat_channel_listen(&made->channel, family, address, made->options.backlog, made->address);
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

static mproc_err await_progress(struct listener *listener, int64_t deadline)
{
    struct wait_set set = { .until = deadline };
    mproc_err err = mproc__peers_await(&listener->peers, &set);
    mproc_plat_handle *handles = malloc((set.count + 1) * (sizeof *handles + sizeof(bool)));
    if (err == MPROC_OK && !handles)
        err = mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu peers", set.count);
    if (err == MPROC_OK) {
        for (size_t i = 0; i < set.count; i++)
            handles[i] = set.entries[i].handle;
        size_t bad;
        err = mproc_plat_await(handles, set.count, set.until, (bool *) (handles + set.count), &bad);
    }
    free(handles);
    free(set.entries);
    return err;
}

/* Gives out a peer that has finished. */
static mproc_err give(struct listener *listener, mproc_connection **connection)
{
    struct peer *peer = mproc__peers_take(&listener->peers);
    mproc_err err = peer->err;
    void *pointer;
    if (err != MPROC_OK) {
        err = mproc__fail(err, "%s", peer->sentence);
    } else {
        peer->connection->in.max_message = listener->options.max_message;
        err = mproc__object_add(OBJECT_CONNECTION, peer->connection, &pointer);
    }
    if (err == MPROC_OK) {
        memcpy(listener->last_accepted, peer->address, sizeof peer->address);
        peer->connection = NULL;
        *connection = pointer;
    }
    mproc__peer_destroy(peer);
    return err;
}

static mproc_err accept_in_turn(struct listener *listener, mproc_connection **connection, int64_t deadline)
{
    for (bool late = false;;) {
        mproc_err err = mproc__peers_progress(&listener->peers);
        if (err == MPROC_OK)
            return give(listener, connection);
        if (err == MPROC_ETIMEDOUT && late)
            return mproc__fail(MPROC_ETIMEDOUT, "nobody has connected to %s", listener->address);
        if (err == MPROC_ETIMEDOUT)
            err = await_progress(listener, deadline);
        if (err != MPROC_OK && err != MPROC_ETIMEDOUT)
            return err;
        /* Also if there is always something to do: a crowd is no reason to stay. */
        late = deadline == 0 || mproc_plat_now() >= deadline;
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
    err = mproc__peers_progress(&listener->peers);
    *ready = err != MPROC_ETIMEDOUT; /* an error is accept's to give */
    err = *ready ? MPROC_OK : mproc__peers_await(&listener->peers, set);
    mproc__turn_give(&listener->accepting);
    return err;
}

static void source_leave(uint64_t id, void *object)
{
    (void) object;
    mproc__object_leave((const void *) (uintptr_t) id);
}

const struct wait_source mproc__listener_source = { source_enter, source_ask, source_leave };
