/* SPDX-License-Identifier: MIT */
/* How much is in a queue, how much of it is done, and what waiting for several queues asks. */
#include "channel.h"
#include "mproc/queue.h"
#include "runtime.h"
#include "waitable.h"

/* ---- counts ---- */

size_t mproc_queue_qsize(mproc_queue queue)
{
    struct channel *channel = mproc__channel_of(queue.id);
    return channel ? mproc__channel_items(channel) : 0;
}

bool mproc_queue_empty(mproc_queue queue)
{
    return mproc_queue_qsize(queue) == 0;
}

bool mproc_queue_full(mproc_queue queue)
{
    struct channel *channel = mproc__channel_of(queue.id);
    return !channel || mproc__channel_full(channel);
}

/* Items put and not done; modulo 2^31, as the commit words count them. */
static uint32_t unfinished(struct channel *channel, uint32_t done)
{
    return (mproc__items_of(atomic_load(&channel->tail)) - done) & ITEMS_MASK;
}

mproc_err mproc_queue_task_done(mproc_queue queue)
{
    struct channel *channel = mproc__channel_of(queue.id);
    if (!channel)
        return mproc__object_error(queue.id);
    uint32_t done = atomic_load(&channel->done);
    do {
        if (unfinished(channel, done) == 0)
            return mproc__fail(MPROC_ESTATE, "mproc_queue_task_done was called as often as items were put");
    } while (!atomic_compare_exchange_weak(&channel->done, &done, done + 1));
    if (unfinished(channel, done + 1) == 0)
        mproc__gate_wake_all(&channel->all_done);
    return MPROC_OK;
}

static bool is_all_done(void *context)
{
    struct channel *channel = context;
    return unfinished(channel, atomic_load(&channel->done)) == 0;
}

mproc_err mproc_queue_join(mproc_queue queue, mproc_ms timeout)
{
    struct channel *channel = mproc__channel_of(queue.id);
    if (!channel)
        return mproc__object_error(queue.id);
    mproc_err err = mproc__gate_wait(&channel->all_done, is_all_done, channel, mproc__deadline(timeout));
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "%lu items of the queue were still not done after %lld ms",
                           (unsigned long) unfinished(channel, atomic_load(&channel->done)),
                           (long long) timeout);
    return err;
}

/* ---- for waiting on several ---- */

bool mproc__queue_readable(uint64_t handle)
{
    struct channel *channel = mproc__channel_of(handle);
    if (!channel || mproc__channel_readable(channel))
        return true;
    /* Who waits for several things asks now and then: what a dead borrower had comes back by that. */
    if (atomic_load(&channel->loans))
        mproc__channel_look_after(channel, 0);
    return mproc__channel_readable(channel);
}

struct gate *mproc__queue_gate(uint64_t handle)
{
    struct channel *channel = mproc__channel_of(handle);
    return channel ? &channel->filled : NULL;
}
