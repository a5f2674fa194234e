/* SPDX-License-Identifier: MIT */
/* Pipe: two ends in the arena, each with the channel of what is sent to it and a list of the processes
 * that have it.
 *
 * Who is killed: a user, and its token stays in the list; who waits at the other end asks every
 * USERS_SLICE whether any of them lives. In close, before the end is counted as closed: its user is dead, so
 * the other side learns of it all the same, and whoever closes the end once more ends the work. After it was
 * counted as the second one, in freeing: the memory that is left is lost to the arena. */
#include "mproc/pipe.h"

#include "arena_blocks.h"
#include "channel.h"
#include "children.h"
#include "fault.h"
#include "runtime.h"
#include "take.h"
#include "waitable.h"

enum { USERS = 28, PIPE_BYTES = 1 << 20 };
#define USERS_SLICE INT64_C(20000000)

struct pipe_end {
    _Atomic uint64_t peer;
    _Atomic uint32_t closed;  /* or being closed */
    _Atomic uint32_t crowded; /* more have it than there is room for: it is not gone before it is closed */
    uint32_t sends, receives;
    uint64_t first;                /* handle of the end that was created first: it counts for both */
    _Atomic uint32_t closed_ends;  /* there: 1 is the first, 2 the second */
    _Atomic process_token users[USERS];
    char inbound[CHANNEL_SIZE];
};

_Static_assert(sizeof(struct pipe_end) + sizeof(struct block) <= PIPE_SIZE, "fits into a block of its class");

static struct pipe_end *end_at(uint64_t handle)
{
    return mproc__object(BLOCK_PIPE, handle);
}

static struct channel *inbound_of(struct pipe_end *end)
{
    return mproc__channel_in(end->inbound);
}

static mproc_err create_end(uint64_t *handle, bool sends, bool receives)
{
    mproc_err err = mproc__arena_alloc(BLOCK_PIPE, sizeof(struct pipe_end), handle);
    if (err != MPROC_OK)
        return err;
    struct pipe_end *end = end_at(*handle);
    end->sends = sends;
    end->receives = receives;
    if (receives)
        err = mproc__channel_create(inbound_of(end), UINT64_MAX, 0, PIPE_BYTES);
    if (err != MPROC_OK)
        mproc__arena_free(BLOCK_PIPE, *handle);
    else if (receives)
        mproc__channel_name(inbound_of(end), *handle);
    return err;
}

static void free_end(uint64_t handle)
{
    struct pipe_end *end = end_at(handle);
    if (end && end->receives)
        mproc__channel_destroy(inbound_of(end));
    mproc__arena_free(BLOCK_PIPE, handle);
}

mproc_err mproc_pipe_create(mproc_pipe *first, mproc_pipe *second, bool duplex)
{
    if (!first || !second)
        return mproc__fail(MPROC_EINVAL, "mproc_pipe_create: %s is NULL", first ? "second" : "first");
    mproc_err err = mproc__check_init();
    uint64_t one, other;
    if (err == MPROC_OK)
        err = create_end(&one, duplex, true);
    if (err != MPROC_OK)
        return err;
    err = create_end(&other, true, duplex);
    if (err != MPROC_OK) {
        free_end(one);
        return err;
    }
    atomic_store(&end_at(one)->peer, other);
    atomic_store(&end_at(other)->peer, one);
    end_at(one)->first = end_at(other)->first = one;
    first->id = one;
    second->id = other;
    return MPROC_OK;
}

/* ---- who has an end ---- */

/* No process has this token, so it is a dead one's: the end was had. */
#define RELEASED TOKEN_MASK

static void add_user(struct pipe_end *end, process_token user)
{
    for (int i = 0; i < USERS; i++)
        if (atomic_load_explicit(&end->users[i], memory_order_relaxed) == user)
            return;
    /* Crowded is for good: nobody counts as alive because it was a moment ago. */
    for (int i = 0; i < USERS; i++) {
        process_token other = atomic_load(&end->users[i]);
        if ((other == 0 || !mproc__token_alive_now(other)) &&
            atomic_compare_exchange_strong(&end->users[i], &other, user))
            return;
    }
    atomic_store(&end->crowded, 1);
}

static inline void use(struct pipe_end *end)
{
    process_token me = mproc__self_token();
    if (atomic_load_explicit(&end->users[0], memory_order_relaxed) != me)
        add_user(end, me);
}

/* Closed, or all that had it have released it or died. */
static bool is_gone(struct pipe_end *end)
{
    if (!end || atomic_load(&end->closed))
        return true;
    bool had = false;
    for (int i = 0; i < USERS; i++) {
        process_token user = atomic_load(&end->users[i]);
        had |= user != 0;
        if (user && mproc__token_alive(user))
            return false;
    }
    return had && !atomic_load(&end->crowded);
}

mproc_err mproc_pipe_release(mproc_pipe pipe)
{
    struct pipe_end *end = end_at(pipe.id);
    if (!end)
        return mproc__object_error(pipe.id);
    for (int i = 0; i < USERS; i++) {
        process_token me = mproc__self_token();
        atomic_compare_exchange_strong(&end->users[i], &me, RELEASED);
    }
    return MPROC_OK;
}

mproc_err mproc_pipe_give(mproc_pipe pipe, mproc_process *process)
{
    struct pipe_end *end = end_at(pipe.id);
    if (!end)
        return mproc__object_error(pipe.id);
    mproc_err err = MPROC_OK;
    mproc__lock();
    struct child *child = mproc__child_find(process, &err);
    if (child && child->kind == CHILD)
        add_user(end, child->ended ? RELEASED : child->token); /* who has died has had it */
    else if (child)
        err = mproc__fail(MPROC_ESTATE, "mproc_pipe_give: the process is no child of this one");
    mproc__unlock();
    return err;
}

/* ---- sending and receiving ---- */

/* An end, and the other one: NULL if it is gone. */
struct ends {
    struct pipe_end *own, *peer;
};

static mproc_err one_way_only(bool sending)
{
    return mproc__fail(MPROC_ENOTSUP, "this end of the pipe only %s: it was created with duplex false",
                       sending ? "receives" : "sends");
}

/* What every call asks first; `missing` is the name of an argument that is NULL and must not be, or NULL. From now on
 * this process is known to have the end. */
static inline mproc_err begin(mproc_pipe pipe, bool sending, const char *missing, const char *call, struct ends *ends)
{
    struct pipe_end *end = end_at(pipe.id);
    *ends = (struct ends){ end, NULL };
    if (!end)
        return mproc__object_error(pipe.id);
    if (atomic_load_explicit(&end->closed, memory_order_relaxed))
        return mproc__fail(MPROC_ECLOSED, "this end of the pipe was closed");
    if (missing)
        return mproc__fail(MPROC_EINVAL, "%s: %s is NULL", call, missing);
    if (sending ? !end->sends : !end->receives)
        return one_way_only(sending);
    ends->peer = end_at(atomic_load_explicit(&end->peer, memory_order_relaxed));
    use(end);
    return MPROC_OK;
}

static mproc_err gone(const char *what)
{
    return mproc__fail(MPROC_ECLOSED, "the other end of the pipe is gone: closed, or its processes have died%s",
                       what);
}

/* A time-out, as the channel says it (channel.h), in words. */
static mproc_err late(mproc_err err, const char *what, mproc_ms timeout)
{
    if (err == MPROC_EAGAIN)
        what = "somebody else who has this end is in the middle of a large message, or stopped there, "
               "and was still after";
    return mproc__fail(MPROC_ETIMEDOUT, "%s %lld ms", what, (long long) timeout);
}

static bool is_late(mproc_err err)
{
    return err == MPROC_ETIMEDOUT || err == MPROC_EAGAIN;
}

/* The end of the next slice: long sleeps are cut, to ask who lives. */
static int64_t slice_before(int64_t deadline)
{
    int64_t slice = deadline == 0 ? 0 : mproc_plat_now() + USERS_SLICE;
    return slice < deadline ? slice : deadline;
}

mproc_err mproc_pipe_send(mproc_pipe pipe, const void *bytes, size_t size, mproc_ms timeout)
{
    struct ends ends;
    bytes = bytes || size > 0 ? bytes : "";
    mproc_err err = begin(pipe, true, bytes ? NULL : "bytes", "mproc_pipe_send", &ends);
    if (err != MPROC_OK)
        return err;
    struct pipe_end *peer = ends.peer;
    if (!peer)
        return gone("");
    int64_t deadline = mproc__deadline(timeout);
    err = mproc__channel_put(inbound_of(peer), bytes, size, 0);
    while (is_late(err) && deadline != 0) {
        int64_t slice = slice_before(deadline);
        err = mproc__channel_put(inbound_of(peer), bytes, size, slice);
        if (is_late(err) && is_gone(peer))
            return gone("");
        if (slice == deadline)
            break;
    }
    if (is_late(err))
        return late(err, "the pipe was still full after", timeout);
    return err == MPROC_ECLOSED ? gone("") : err;
}

/* Receives, or (no size) only looks whether there is something. */
static mproc_err receive(struct pipe_end *end, void *buffer, uint64_t capacity, uint64_t *size,
                         bool may_begin, int64_t deadline)
{
    if (size)
        return mproc__channel_get(inbound_of(end), buffer, capacity, size, may_begin, deadline);
    return mproc__gate_wait(&inbound_of(end)->filled, mproc__channel_readable, inbound_of(end), deadline);
}

/* Takes the next message, or (no size) waits for it; MPROC_ECLOSED: there will be none. */
static mproc_err receive_or_gone(const struct ends *ends, void *buffer, uint64_t capacity, uint64_t *size,
                                 int64_t deadline)
{
    if (size && mproc__channel_try_get(inbound_of(ends->own), buffer, capacity, size))
        return MPROC_OK;
    for (;;) {
        /* A slice that ends is no reason to miss what came while asking who lives: look again. */
        int64_t slice = slice_before(deadline);
        mproc_err err = receive(ends->own, buffer, capacity, size, deadline == MPROC_PLAT_NEVER, slice);
        if (!is_late(err))
            return err;
        if (is_gone(ends->peer)) {
            err = receive(ends->own, buffer, capacity, size, false, 0);
            if (err != MPROC_EAGAIN) /* else somebody is receiving, and may leave something */
                return err == MPROC_ETIMEDOUT ? MPROC_ECLOSED : err;
        }
        if (slice == deadline)
            return err;
    }
}

static mproc_err end_receive(mproc_err err, mproc_ms timeout)
{
    if (is_late(err))
        return late(err, "nothing came through the pipe within", timeout);
    return err == MPROC_ECLOSED ? gone(", and all it sent was received") : err;
}

mproc_err mproc_pipe_recv(mproc_pipe pipe, void *buffer, size_t capacity, size_t *size, mproc_ms timeout)
{
    struct ends ends;
    char nothing;
    uint64_t length = 0;
    buffer = buffer || capacity > 0 ? buffer : &nothing;
    mproc_err err = begin(pipe, false, !size ? "size" : buffer ? NULL : "buffer", "mproc_pipe_recv", &ends);
    if (err != MPROC_OK)
        return err;
    err = receive_or_gone(&ends, buffer, capacity, &length, mproc__deadline(timeout));
    if (err == MPROC_OK || err == MPROC_EMSGSIZE)
        *size = (size_t) length;
    if (err == MPROC_EMSGSIZE)
        return mproc__fail(err, "the message has %llu bytes, the buffer %zu; it is still in the pipe",
                           (unsigned long long) length, capacity);
    return end_receive(err, timeout);
}

static mproc_err take(void *context, void *buffer, uint64_t capacity, uint64_t *size, int64_t deadline)
{
    return receive_or_gone(context, buffer, capacity, size, deadline);
}

mproc_err mproc_pipe_recv_alloc(mproc_pipe pipe, void **bytes, size_t *size, mproc_ms timeout)
{
    struct ends ends;
    mproc_err err = begin(pipe, false, !size ? "size" : bytes ? NULL : "bytes", "mproc_pipe_recv_alloc", &ends);
    if (err != MPROC_OK)
        return err;
    return end_receive(mproc__take_alloc(take, &ends, mproc__deadline(timeout), bytes, size), timeout);
}

mproc_err mproc_pipe_poll(mproc_pipe pipe, mproc_ms timeout)
{
    struct ends ends;
    mproc_err err = begin(pipe, false, NULL, "mproc_pipe_poll", &ends);
    if (err != MPROC_OK)
        return err;
    err = receive_or_gone(&ends, NULL, 0, NULL, mproc__deadline(timeout));
    return err == MPROC_ECLOSED ? MPROC_OK : end_receive(err, timeout);
}

/* ---- the end ---- */

mproc_err mproc_pipe_close(mproc_pipe pipe)
{
    if (pipe.id == 0)
        return MPROC_OK;
    struct pipe_end *end = end_at(pipe.id);
    if (!end)
        return mproc__object_error(pipe.id);
    uint64_t peer_handle = atomic_load(&end->peer);
    struct pipe_end *peer = end_at(peer_handle), *first = end_at(end->first);
    if (!peer || !first)
        return mproc__fail(MPROC_ECLOSED, "this end of the pipe was closed before");
    mproc_err err = MPROC_OK;
    if (end->receives)
        err = mproc__channel_close(inbound_of(end));
    if (err == MPROC_OK && peer->receives)
        err = mproc__channel_close(inbound_of(peer));
    if (err != MPROC_OK)
        return err;
    MPROC_FAULT("pipe.channels_closed");
    atomic_store(&end->closed, 1);
    MPROC_FAULT("pipe.end_closed");
    /* Both ends live until both are counted. Of two that close them at once the second one frees both, and the
     * first one touches nothing any more. */
    uint32_t mine = end == first ? 1 : 2, before = atomic_fetch_or(&first->closed_ends, mine);
    if (before & mine)
        return mproc__fail(MPROC_ECLOSED, "this end of the pipe was closed before");
    if (before) {
        MPROC_FAULT("pipe.freeing");
        free_end(peer_handle);
        free_end(pipe.id);
    }
    return MPROC_OK;
}

/* ---- for waiting on several ---- */

bool mproc__pipe_readable(uint64_t handle)
{
    struct pipe_end *end = end_at(handle);
    return !end || !end->receives || mproc__channel_readable(inbound_of(end)) ||
           is_gone(end_at(atomic_load(&end->peer)));
}

struct gate *mproc__pipe_gate(uint64_t handle)
{
    struct pipe_end *end = end_at(handle);
    if (!end || !end->receives)
        return NULL;
    use(end);
    return &inbound_of(end)->filled;
}

mproc_err mproc__pipe_unreadable(uint64_t handle)
{
    return end_at(handle) ? one_way_only(false) : mproc__object_error(handle);
}
