/* SPDX-License-Identifier: MIT */
/* Queue, SimpleQueue, JoinableQueue: a channel in the arena. */
#include "mproc/queue.h"

#include "arena_blocks.h"
#include "fault.h"
#include "loans.h"
#include "runtime.h"
#include "stock.h"
#include "take.h"
#include "trace.h"

/* Describes what the channel does not. */
static mproc_err describe(mproc_err err, const char *what, mproc_ms timeout, uint64_t size, uint64_t capacity)
{
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "the queue was still %s after %lld ms", what, (long long) timeout);
    if (err == MPROC_EAGAIN)
        return mproc__fail(MPROC_ETIMEDOUT, "somebody else is in the middle of a large item of the queue, or stopped "
                                            "there, and was still after %lld ms", (long long) timeout);
    if (err == MPROC_ECLOSED)
        return mproc__fail(err, "the queue was closed%s", what[0] == 'e' ? " and is empty" : "");
    if (err == MPROC_EMSGSIZE)
        return mproc__fail(err, "the item has %llu bytes, the buffer %llu; the item is still in the queue",
                           (unsigned long long) size, (unsigned long long) capacity);
    return err;
}

/* ---- beginning and end ---- */

static mproc_err check_options(const mproc_queue_options *options)
{
    if (options->item_size == 0)
        return mproc__fail(MPROC_EINVAL,
                           "mproc_queue_create: item_size is 0; give sizeof of an item, or MPROC_VARIABLE");
    if (options->maxsize > 1u << 30)
        return mproc__fail(MPROC_EINVAL, "mproc_queue_create: maxsize is %zu, and at most 2^30; 0 for no limit",
                           options->maxsize);
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++)
        if (options->reserved[i])
            return mproc__fail(MPROC_EINVAL, "mproc_queue_create_with: options.reserved is not zero; begin with {0}");
    return MPROC_OK;
}

_Static_assert(CHANNEL_SIZE + sizeof(struct block) <= QUEUE_SIZE, "fits into a block of its class");

mproc_err mproc_queue_create_with(mproc_queue *queue, const mproc_queue_options *options)
{
    if (!queue || !options)
        return mproc__fail(MPROC_EINVAL, "mproc_queue_create_with: %s is NULL", queue ? "options" : "queue");
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK)
        err = check_options(options);
    uint64_t handle;
    if (err == MPROC_OK)
        err = mproc__arena_alloc(BLOCK_QUEUE, CHANNEL_SIZE, &handle);
    if (err != MPROC_OK)
        return err;
    uint64_t item_size = options->item_size == MPROC_VARIABLE ? UINT64_MAX : options->item_size;
    err = mproc__channel_create(mproc__channel_in(mproc__object(BLOCK_QUEUE, handle)), item_size,
                                options->maxsize, options->max_bytes);
    if (err != MPROC_OK)
        mproc__arena_free(BLOCK_QUEUE, handle);
    else
        mproc__channel_name(mproc__channel_in(mproc__object(BLOCK_QUEUE, handle)), queue->id = handle);
    return err;
}

mproc_err mproc_queue_create(mproc_queue *queue, size_t item_size, size_t maxsize)
{
    mproc_queue_options options = { .item_size = item_size, .maxsize = maxsize };
    return mproc_queue_create_with(queue, &options);
}

mproc_err mproc_queue_destroy(mproc_queue queue)
{
    if (queue.id == 0)
        return MPROC_OK;
    struct channel *channel = mproc__channel_of(queue.id);
    if (!channel)
        return mproc__object_error(queue.id);
    mproc__channel_destroy(channel);
    return mproc__arena_free(BLOCK_QUEUE, queue.id);
}

mproc_err mproc_queue_close(mproc_queue queue)
{
    struct channel *channel = mproc__channel_of(queue.id);
    return channel ? mproc__channel_close(channel) : mproc__object_error(queue.id);
}

/* ---- put and get ---- */

static mproc_err wrong_size(const struct channel *channel, const char *call)
{
    return channel->item_size == UINT64_MAX
               ? mproc__fail(MPROC_EINVAL, "%s: the queue is MPROC_VARIABLE; use the call with _bytes", call)
               : mproc__fail(MPROC_EINVAL, "%s: every item of this queue has %llu bytes", call,
                             (unsigned long long) channel->item_size);
}

/* What every call that moves items asks first: the queue's channel, and that there is the argument of this name. */
static inline mproc_err begin(mproc_queue queue, const void *argument, const char *name, const char *call,
                              struct channel **channel)
{
    *channel = mproc__channel_of(queue.id);
    if (!*channel)
        return mproc__object_error(queue.id);
    if (!argument)
        return mproc__fail(MPROC_EINVAL, "%s: %s is NULL", call, name);
    return MPROC_OK;
}

/* The same for items of one size. */
static inline mproc_err begin_fixed(mproc_queue queue, const void *argument, const char *name, const char *call,
                                    struct channel **channel)
{
    mproc_err err = begin(queue, argument, name, call, channel);
    if (err != MPROC_OK)
        return err;
    if ((*channel)->item_size != ~(*channel)->item_check)
        return mproc__channel_damaged("the size of the items");
    return (*channel)->item_size == UINT64_MAX ? wrong_size(*channel, call) : MPROC_OK;
}

static inline mproc_err end_put(mproc_err err, mproc_queue queue, mproc_ms timeout)
{
    if (err != MPROC_OK)
        return describe(err, "full", timeout, 0, 0);
    mproc__trace('i', "queue", "put", queue.id);
    return MPROC_OK;
}

static inline mproc_err end_get(mproc_err err, mproc_queue queue, mproc_ms timeout, uint64_t size, uint64_t capacity)
{
    if (err != MPROC_OK)
        return describe(err, "empty", timeout, size, capacity);
    mproc__trace('i', "queue", "get", queue.id);
    return MPROC_OK;
}

mproc_err mproc_queue_put(mproc_queue queue, const void *item, mproc_ms timeout)
{
    struct channel *channel;
    mproc_err err = begin_fixed(queue, item, "item", "mproc_queue_put", &channel);
    if (err == MPROC_OK)
        err = mproc__channel_put(channel, item, channel->item_size, mproc__deadline(timeout));
    return end_put(err, queue, timeout);
}

mproc_err mproc_queue_get(mproc_queue queue, void *item, mproc_ms timeout)
{
    struct channel *channel;
    uint64_t size;
    mproc_err err = begin_fixed(queue, item, "item", "mproc_queue_get", &channel);
    if (err == MPROC_OK)
        err = mproc__channel_get(channel, item, channel->item_size, &size, timeout < 0, mproc__deadline(timeout));
    return end_get(err, queue, timeout, 0, 0);
}

mproc_err mproc_queue_put_bytes(mproc_queue queue, const void *bytes, size_t size, mproc_ms timeout)
{
    struct channel *channel;
    bytes = bytes || size > 0 ? bytes : "";
    mproc_err err = begin(queue, bytes, "bytes", "mproc_queue_put_bytes", &channel);
    if (err == MPROC_OK && channel->item_size != UINT64_MAX && channel->item_size != size)
        err = wrong_size(channel, "mproc_queue_put_bytes");
    if (err == MPROC_OK)
        err = mproc__channel_put(channel, bytes, size, mproc__deadline(timeout));
    return end_put(err, queue, timeout);
}

mproc_err mproc_queue_get_bytes(mproc_queue queue, void *buffer, size_t capacity, size_t *size,
                                mproc_ms timeout)
{
    struct channel *channel;
    char nothing;
    uint64_t length = 0;
    buffer = buffer || capacity > 0 ? buffer : &nothing;
    mproc_err err = begin(queue, size ? buffer : NULL, size ? "buffer" : "size", "mproc_queue_get_bytes", &channel);
    if (err == MPROC_OK) {
        err = mproc__channel_get(channel, buffer, capacity, &length, timeout < 0, mproc__deadline(timeout));
        if (err == MPROC_OK || err == MPROC_EMSGSIZE)
            *size = (size_t) length;
    }
    return end_get(err, queue, timeout, length, capacity);
}

static mproc_err take(void *context, void *buffer, uint64_t capacity, uint64_t *size, int64_t deadline)
{
    return mproc__channel_get(context, buffer, capacity, size, deadline == MPROC_PLAT_NEVER, deadline);
}

mproc_err mproc_queue_get_alloc(mproc_queue queue, void **bytes, size_t *size, mproc_ms timeout)
{
    struct channel *channel;
    mproc_err err = begin(queue, size ? bytes : NULL, size ? "bytes" : "size", "mproc_queue_get_alloc", &channel);
    if (err == MPROC_OK)
        err = mproc__take_alloc(take, channel, mproc__deadline(timeout), bytes, size);
    return end_get(err, queue, timeout, 0, 0);
}

/* What the *_many calls ask of their arguments. */
static mproc_err begin_many(mproc_queue queue, const void *items, size_t count, size_t *done, const char *call,
                            struct channel **channel)
{
    if (!items && count == 0)
        items = "";
    mproc_err err = begin_fixed(queue, done ? items : NULL, done ? "items" : "done", call, channel);
    if (done)
        *done = 0;
    return err;
}

mproc_err mproc_queue_put_many(mproc_queue queue, const void *items, size_t count, size_t *done,
                               mproc_ms timeout)
{
    struct channel *channel;
    mproc_err err = begin_many(queue, items, count, done, "mproc_queue_put_many", &channel);
    if (err == MPROC_OK)
        err = mproc__channel_put_many(channel, items, channel->item_size, count, done, mproc__deadline(timeout));
    return err == MPROC_OK ? err : describe(err, "full", timeout, 0, 0);
}

mproc_err mproc_queue_get_many(mproc_queue queue, void *items, size_t count, size_t *done, mproc_ms timeout)
{
    struct channel *channel;
    mproc_err err = begin_many(queue, items, count, done, "mproc_queue_get_many", &channel);
    if (err == MPROC_OK && count == 0)
        err = mproc__fail(MPROC_EINVAL, "mproc_queue_get_many: count is 0; make room for at least one item");
    if (err == MPROC_OK)
        err = mproc__channel_get_many(channel, items, channel->item_size, count, done, mproc__deadline(timeout));
    return err == MPROC_OK ? err : describe(err, "empty", timeout, 0, 0);
}

mproc_err mproc_queue_put_many_bytes(mproc_queue queue, const void *const *items, const size_t *sizes, size_t count,
                                     size_t *done, mproc_ms timeout)
{
    static const char call[] = "mproc_queue_put_many_bytes";
    struct channel *channel;
    bool given = done && ((items && sizes) || count == 0);
    mproc_err err = begin(queue, given ? done : NULL, !done ? "done" : items ? "sizes" : "items", call, &channel);
    if (err == MPROC_OK && channel->item_size != UINT64_MAX)
        err = wrong_size(channel, call);
    for (size_t i = 0; err == MPROC_OK && i < count; i++)
        if (!items[i])
            err = mproc__fail(MPROC_EINVAL, "%s: item %zu is NULL", call, i);
    if (done)
        *done = 0;
    if (err == MPROC_OK)
        err = mproc__channel_put_each(channel, items, sizes, count, done, mproc__deadline(timeout));
    return err == MPROC_OK ? err : describe(err, "full", timeout, 0, 0);
}

mproc_err mproc_queue_get_many_bytes(mproc_queue queue, void *buffer, size_t capacity, size_t *sizes, size_t count,
                                     size_t *done, mproc_ms timeout)
{
    static const char call[] = "mproc_queue_get_many_bytes";
    struct channel *channel;
    mproc_err err = begin(queue, buffer && sizes ? done : NULL, !buffer ? "buffer" : sizes ? "done" : "sizes", call,
                          &channel);
    if (err == MPROC_OK && channel->item_size != UINT64_MAX)
        err = wrong_size(channel, call);
    if (err == MPROC_OK && count == 0)
        err = mproc__fail(MPROC_EINVAL, "%s: count is 0; make room for at least one item", call);
    if (done)
        *done = 0;
    if (err == MPROC_OK)
        err = mproc__channel_get_each(channel, buffer, capacity, sizes, count, done, mproc__deadline(timeout));
    return err == MPROC_OK ? err : describe(err, "empty", timeout, err == MPROC_EMSGSIZE ? sizes[0] : 0, capacity);
}

/* ---- in place ---- */

static void show(mproc_item *item, const struct loan *loan, uint64_t reference)
{
    item->data = mproc__arena_live(atomic_load_explicit(&loan->block, memory_order_relaxed));
    item->size = (size_t) loan->size;
    item->deliveries = loan->deliveries;
    item->reference = reference;
}

mproc_err mproc_queue_loan(mproc_queue queue, size_t size, mproc_item *item)
{
    struct channel *channel;
    mproc_err err = begin(queue, item, "item", "mproc_queue_loan", &channel);
    if (err != MPROC_OK)
        return err;
    if (channel->item_size != UINT64_MAX && channel->item_size != size)
        return wrong_size(channel, "mproc_queue_loan");
    struct loan *loan;
    uint64_t reference, block;
    err = mproc__loan_claim(channel, false, &loan, &reference);
    if (err != MPROC_OK)
        return err;
    err = mproc__stock_take(channel, size, &block);
    if (err != MPROC_OK) {
        mproc__loan_clear(loan);
        return err;
    }
    loan->size = size;
    mproc__loan_set_block(loan, block); /* killed before this: the block is lost to the arena */
    mproc__loan_set_state(loan, LOAN_WRITING);
    MPROC_FAULT("queue.loaned");
    show(item, loan, reference);
    return MPROC_OK;
}

/* The entry of an item that this process has, in the state asked for. */
static mproc_err find_loan(mproc_queue queue, const mproc_item *item, const char *call,
                           struct channel **channel, struct loan **loan)
{
    mproc_err err = begin(queue, item, "item", call, channel);
    if (err != MPROC_OK)
        return err;
    *loan = mproc__loan_at(*channel, item->reference);
    if (!*loan || atomic_load(&(*loan)->owner) != mproc__self_token())
        return mproc__fail(MPROC_ESTATE,
                           "%s: this process does not have that item of that queue: it was committed, "
                           "returned, or is another's", call);
    return MPROC_OK;
}

mproc_err mproc_queue_commit(mproc_queue queue, mproc_item *item, mproc_ms timeout)
{
    struct channel *channel = NULL;
    struct loan *loan = NULL;
    mproc_err err = find_loan(queue, item, "mproc_queue_commit", &channel, &loan);
    if (err == MPROC_OK && atomic_load(&loan->state) != LOAN_WRITING)
        err = mproc__fail(MPROC_ESTATE, "mproc_queue_commit: the item was borrowed; give it back instead");
    if (err != MPROC_OK)
        return err;
    err = mproc__channel_commit(channel, loan, item->reference, mproc__deadline(timeout));
    if (err != MPROC_OK)
        return describe(err, "full", timeout, 0, 0);
    *item = (mproc_item){ .size = 0 };
    return MPROC_OK;
}

mproc_err mproc_queue_borrow(mproc_queue queue, mproc_item *item, mproc_ms timeout)
{
    struct channel *channel;
    struct loan *loan;
    uint64_t reference;
    mproc_err err = begin(queue, item, "item", "mproc_queue_borrow", &channel);
    if (err == MPROC_OK)
        err = mproc__channel_borrow(channel, &loan, &reference, mproc__deadline(timeout));
    if (err != MPROC_OK)
        return describe(err, "empty", timeout, 0, 0);
    show(item, loan, reference);
    return MPROC_OK;
}

mproc_err mproc_queue_return(mproc_queue queue, mproc_item *item)
{
    struct channel *channel = NULL;
    struct loan *loan = NULL;
    mproc_err err = find_loan(queue, item, "mproc_queue_return", &channel, &loan);
    if (err != MPROC_OK)
        return err;
    mproc__stock_return(channel, loan);
    /* Getters of a closed queue wait for what is borrowed. One that does not see this yet looks again after a slice. */
    if (atomic_load_explicit(&channel->closed, memory_order_relaxed))
        mproc__gate_wake_all(&channel->filled);
    *item = (mproc_item){ .size = 0 };
    return MPROC_OK;
}

mproc_err mproc_queue_give_back(mproc_queue queue, mproc_item *item)
{
    struct channel *channel = NULL;
    struct loan *loan = NULL;
    mproc_err err = find_loan(queue, item, "mproc_queue_give_back", &channel, &loan);
    if (err == MPROC_OK && atomic_load(&loan->state) != LOAN_READING)
        err = mproc__fail(MPROC_ESTATE, "mproc_queue_give_back: the item was never in the queue; commit or "
                                        "return it");
    if (err != MPROC_OK)
        return err;
    mproc__loan_give_back(channel, loan);
    mproc__gate_wake(&channel->filled);
    *item = (mproc_item){ .size = 0 };
    return MPROC_OK;
}
