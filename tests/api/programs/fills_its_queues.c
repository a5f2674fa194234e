/* SPDX-License-Identifier: MIT */
/* In a small arena (see MPROC_ARENA_LIMIT): puts and sends items that are larger than it, and checks that what had
 * already been put of them is gone, and no byte of it counted. */
#include "arena.h"
#include "mproc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 60000000, MEDIUM = 100000, SMALL = 1000, LIMIT = 1000000, ONE_SEGMENT = 5 << 20 };

static char *bytes;

static void expect(bool is_so, const char *what)
{
    if (is_so)
        return;
    printf("not so: %s (last error: %s)\n", what, mproc_last_error());
    exit(1);
}

/* Fills it with small items, and gets them all; how many there were. */
static int fill_and_drain(mproc_queue queue)
{
    int put = 0, got = 0;
    size_t size;
    mproc_err err;
    while ((err = mproc_queue_put_bytes(queue, bytes, SMALL, MPROC_NOWAIT)) == MPROC_OK)
        put++;
    expect(err == MPROC_ETIMEDOUT, "a limited queue becomes full");
    expect(mproc_queue_qsize(queue) == (size_t) put, "qsize");
    while (mproc_queue_get_bytes(queue, bytes, LARGE, &size, MPROC_NOWAIT) == MPROC_OK)
        got++;
    expect(got == put, "all that was put is got");
    return put;
}

/* With a limit in bytes (0: none). */
static void in_a_queue(size_t limit)
{
    mproc_queue queue;
    size_t size = 0;
    mproc_queue_options options = { .item_size = MPROC_VARIABLE, .max_bytes = limit };
    MPROC_MUST(mproc_queue_create_with(&queue, &options));
    uint64_t idle = mproc__arena_used();
    for (int round = 0; round < 3; round++) {
        expect(mproc_queue_put_bytes(queue, bytes, LARGE, MPROC_NOWAIT) == MPROC_ENOMEM, "a large put is refused");
        expect(mproc_queue_qsize(queue) == 0, "nothing was put");
        expect(mproc__arena_used() - idle < ONE_SEGMENT, "its pieces were taken away at once");
        if (limit)
            expect(fill_and_drain(queue) == LIMIT / SMALL, "the limit holds as before");
        MPROC_MUST(mproc_queue_put_bytes(queue, bytes, MEDIUM, MPROC_NOWAIT));
        MPROC_MUST(mproc_queue_get_bytes(queue, bytes, LARGE, &size, 10000));
        expect(size == MEDIUM, "an item that fits");
    }
    MPROC_MUST(mproc_queue_destroy(queue));
}

/* Whoever only borrows needs no memory for what lies there of a refused item. */
static void borrowed_behind_a_refused_one(void)
{
    mproc_queue queue;
    mproc_item item;
    size_t size = 0;
    MPROC_MUST(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    MPROC_MUST(mproc_queue_put_bytes(queue, bytes, SMALL, MPROC_NOWAIT));
    expect(mproc_queue_put_bytes(queue, bytes, LARGE, MPROC_NOWAIT) == MPROC_ENOMEM, "a large put is refused");
    MPROC_MUST(mproc_queue_put_bytes(queue, bytes, SMALL, MPROC_NOWAIT));
    MPROC_MUST(mproc_queue_get_bytes(queue, bytes, LARGE, &size, MPROC_NOWAIT));
    MPROC_MUST(mproc_queue_borrow(queue, &item, MPROC_NOWAIT));
    expect(item.size == SMALL, "a small item behind a refused one is borrowed");
    MPROC_MUST(mproc_queue_return(queue, &item));
    MPROC_MUST(mproc_queue_destroy(queue));
}

/* What a queue keeps of blocks is there for its items when the arena has nothing left. */
static void with_kept_blocks(void)
{
    enum { MOST = 1000, SIZE = 60000 };
    static mproc_item items[MOST];
    mproc_queue queue, other;
    MPROC_MUST(mproc_queue_create(&queue, SIZE, 0));
    MPROC_MUST(mproc_queue_create(&other, MPROC_VARIABLE, 0));
    int kept = 100, more = 0, again = 0;
    for (int i = 0; i < kept; i++)
        MPROC_MUST(mproc_queue_loan(queue, SIZE, &items[i]));
    for (int i = 0; i < kept; i++)
        MPROC_MUST(mproc_queue_return(queue, &items[i]));
    while (more < MOST && mproc_queue_loan(other, SIZE, &items[more]) == MPROC_OK)
        more++;
    expect(more < MOST, "the arena becomes full");
    mproc_item loan;
    while (mproc_queue_loan(queue, SIZE, &loan) == MPROC_OK)
        again++;
    expect(again >= kept, "all kept blocks are lent");
    expect(strstr(mproc_last_error(), "full") != NULL, "it says that the arena is full");
    MPROC_MUST(mproc_queue_destroy(queue));
    expect(mproc_queue_loan(other, SIZE, &loan) == MPROC_OK, "a destroyed queue keeps nothing");
    MPROC_MUST(mproc_queue_destroy(other));
}

static void in_a_pipe(void)
{
    mproc_pipe first, second;
    MPROC_MUST(mproc_pipe_create(&first, &second, false));
    int before = -1;
    for (int round = 0; round < 3; round++) {
        expect(mproc_pipe_send(second, bytes, LARGE, MPROC_NOWAIT) == MPROC_ENOMEM, "a large send is refused");
        int sent = 0;
        size_t size;
        mproc_err err;
        while ((err = mproc_pipe_send(second, bytes, SMALL, MPROC_NOWAIT)) == MPROC_OK)
            sent++;
        expect(err == MPROC_ETIMEDOUT && sent > LIMIT / SMALL, "a pipe becomes full");
        expect(before < 0 || sent == before, "a pipe holds as much as before");
        before = sent;
        for (int i = 0; i < sent; i++)
            MPROC_MUST(mproc_pipe_recv(first, bytes, LARGE, &size, 10000));
    }
    MPROC_MUST(mproc_pipe_close(first));
    MPROC_MUST(mproc_pipe_close(second));
}

int main(void)
{
    mproc_init();
    bytes = calloc(1, LARGE);
    expect(bytes != NULL, "memory for an item");
    in_a_queue(0);
    in_a_queue(LIMIT);
    borrowed_behind_a_refused_one();
    with_kept_blocks();
    in_a_pipe();
    free(bytes);
    printf("everything works\n");
    return 0;
}
