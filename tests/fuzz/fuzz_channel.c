/* SPDX-License-Identifier: MIT */
/* Queues that somebody writes over while they are used: whatever the calls answer, they return, no byte beside the
 * queue's memory or the caller's buffers is touched, and the queue can be destroyed.
 * The input: a byte that picks the kind of queue, then steps: what to do, and what that takes of the bytes behind. */
#include "arena.h"
#include "channel.h"
#include "mproc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MOST_STEPS = 40, MOST_HELD = 4, GUARDS = 2, GUARD_SIZE = 4000, LARGE_UNIT = 1000, TABLE_SIZE = 1024 };

struct input {
    const uint8_t *bytes;
    size_t left;
};

/* A queue under test, what this process has of it, and what was written over it. */
struct run {
    mproc_queue queue;
    size_t item_size;
    mproc_item held[MOST_HELD];
    int holding;
    uint64_t *damaged, original, written;
};

static unsigned next(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->bytes++;
}

static void check(bool is_so)
{
    if (!is_so)
        abort();
}

static struct channel *channel_of(const struct run *run)
{
    struct channel *channel = mproc__channel_in(mproc__object(BLOCK_QUEUE, run->queue.id));
    check(channel != NULL);
    return channel;
}

static void create(struct run *run, unsigned kind)
{
    mproc_queue_options options = { .item_size = MPROC_VARIABLE };
    if (kind % 4 == 1)
        options.item_size = 24;
    if (kind % 4 >= 2)
        options.maxsize = 5;
    if (kind % 4 == 3)
        options.max_bytes = 3000;
    run->item_size = options.item_size;
    MPROC_MUST(mproc_queue_create_with(&run->queue, &options));
}

/* ---- steps ---- */

/* Buffers are as long as they say, so that the address sanitizer sees their ends. */
static void put(const struct run *run, size_t size)
{
    size = run->item_size == MPROC_VARIABLE ? size : run->item_size;
    char *bytes = calloc(1, size + 1);
    check(bytes != NULL);
    (void) !mproc_queue_put_bytes(run->queue, bytes, size, MPROC_NOWAIT);
    free(bytes);
}

static void get(const struct run *run, size_t capacity)
{
    size_t size = 0;
    capacity = run->item_size == MPROC_VARIABLE ? capacity : run->item_size;
    char *bytes = malloc(capacity + 1);
    check(bytes != NULL);
    mproc_err err = mproc_queue_get_bytes(run->queue, bytes, capacity, &size, MPROC_NOWAIT);
    check(err != MPROC_OK || size <= capacity);
    free(bytes);
}

static void hold(struct run *run, mproc_err err)
{
    if (err != MPROC_OK)
        return;
    mproc_item *item = &run->held[run->holding++];
    memset(item->data, run->holding, item->size < 64 ? item->size : 64);
}

static void let_go(struct run *run, unsigned how)
{
    mproc_item *item = &run->held[--run->holding];
    mproc_err err = how % 3 == 0 ? mproc_queue_give_back(run->queue, item)
                    : how % 3 == 1 ? mproc_queue_commit(run->queue, item, MPROC_NOWAIT) : MPROC_ESTATE;
    if (err != MPROC_OK)
        (void) mproc_queue_return(run->queue, item);
}

static uint64_t *word_at(void *area, size_t size, unsigned where)
{
    return area && size >= 8 ? (uint64_t *) area + where % (size / 8) : NULL;
}

/* One word is written over, of the queue's own memory, a segment or the table of loans. */
static void damage(struct run *run, struct input *input)
{
    struct channel *channel = channel_of(run);
    unsigned area = next(input), where = next(input);
    where |= next(input) << 8;
    uint64_t *word = word_at(channel, sizeof *channel, where), value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | next(input);
    struct end *end = area % 4 == 1 ? &channel->get : &channel->put;
    uint64_t position = area % 4 == 1 ? atomic_load(&channel->head) : atomic_load(&channel->tail);
    if (area % 4 == 1 || area % 4 == 2) {
        uint64_t segment = end->place[position & 1].segment;
        word = word_at(mproc__object(BLOCK_ITEM, segment), mproc__arena_size(BLOCK_ITEM, segment), where);
    } else if (area % 4 == 3) {
        word = word_at(mproc__object(BLOCK_ITEM, atomic_load(&channel->loans)), TABLE_SIZE, where);
    }
    if (!word || run->damaged)
        return;
    run->damaged = word;
    run->original = *word;
    *word = run->written = area & 0x80 ? *word ^ value : value;
    /* A latch that this process seems to hold would be waited for; that is no damage that can be seen. */
    uint32_t self = mproc__self_token();
    if ((atomic_load(&channel->put.latch.word) & TOKEN_MASK) == self)
        atomic_store(&channel->put.latch.word, 0);
    if ((atomic_load(&channel->get.latch.word) & TOKEN_MASK) == self)
        atomic_store(&channel->get.latch.word, 0);
}

static void step(struct run *run, struct input *input)
{
    unsigned what = next(input);
    switch (what % 12) {
    case 0:
        put(run, next(input));
        break;
    case 1:
        put(run, (size_t) next(input) * LARGE_UNIT);
        break;
    case 2:
        get(run, next(input));
        break;
    case 3:
        get(run, 256 * LARGE_UNIT);
        break;
    case 4:
        if (run->holding < MOST_HELD)
            hold(run, mproc_queue_loan(run->queue, run->item_size == MPROC_VARIABLE ? next(input) : run->item_size,
                                       &run->held[run->holding]));
        break;
    case 5:
        if (run->holding < MOST_HELD)
            hold(run, mproc_queue_borrow(run->queue, &run->held[run->holding], MPROC_NOWAIT));
        break;
    case 6:
    case 7:
        if (run->holding > 0)
            let_go(run, next(input));
        break;
    case 8:
        (void) (mproc_queue_full(run->queue) + mproc_queue_qsize(run->queue));
        break;
    case 9:
        (void) !mproc_queue_task_done(run->queue);
        (void) !mproc_queue_join(run->queue, MPROC_NOWAIT);
        break;
    case 10:
        (void) !mproc_queue_close(run->queue);
        break;
    default:
        damage(run, input);
        break;
    }
}

/* ---- what lies beside ---- */

static mproc_memory guards[GUARDS];

static void guard(int number)
{
    if (guards[number].id == 0) {
        MPROC_MUST(mproc_alloc(&guards[number], GUARD_SIZE));
        memset(mproc_pointer(guards[number]), 0x5a, GUARD_SIZE);
    }
    const unsigned char *bytes = mproc_pointer(guards[number]);
    for (int i = 0; i < GUARD_SIZE; i++)
        check(bytes[i] == 0x5a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = { bytes, size };
    struct run run = { .holding = 0 };
    mproc_init();
    guard(0);
    create(&run, next(&input));
    guard(1);
    for (int i = 0; i < MOST_STEPS && input.left > 0; i++)
        step(&run, &input);
    /* Made good again where that may help, so that the memory of a million queues is not lost. */
    if (run.damaged && *run.damaged == run.written)
        *run.damaged = run.original;
    while (run.holding > 0)
        let_go(&run, 2);
    (void) mproc_queue_destroy(run.queue);
    guard(0);
    guard(1);
    return 0;
}
