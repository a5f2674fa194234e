/* SPDX-License-Identifier: MIT */
/* Takes all of its arena (see MPROC_ARENA_LIMIT), then checks what must still work. */
#include "mproc.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 700000 };

static int check_size(void *argument)
{
    return *(int *) argument == 4711 ? 17 : 1;
}

static int fail(const char *what)
{
    printf("%s: %s\n", what, mproc_last_error());
    return 1;
}

/* Blocks of falling size until not even the smallest can be had. */
static size_t fill(mproc_memory *blocks)
{
    size_t count = 0;
    for (size_t size = (size_t) 16 << 20; size >= 16; size /= 2)
        while (count < MOST && mproc_alloc(&blocks[count], size) == MPROC_OK)
            memset(mproc_pointer(blocks[count++]), 0xaa, size);
    return count;
}

/* All of one size, and back: then any other can be had, and a process started. */
static int fill_with(mproc_memory *blocks, size_t size)
{
    size_t count = 0;
    while (count < MOST && mproc_alloc(&blocks[count], size) == MPROC_OK)
        count++;
    if (count * size < ((size_t) 48 << 20) || count == MOST)
        return fail("as much as the arena has");
    while (count > 0)
        if (mproc_free(blocks[--count]) != MPROC_OK)
            return fail("free");
    return 0;
}

static int start_one(int expected_code)
{
    mproc_process *process;
    int argument = 4711, exit_code = -1;
    mproc_err err = mproc_process_start(&process, check_size, &argument, sizeof argument, NULL);
    if ((int) err != expected_code)
        return fail("start");
    if (err != MPROC_OK)
        return 0;
    if (mproc_process_join(process, MPROC_FOREVER) != MPROC_OK ||
        mproc_process_exit_code(process, &exit_code) != MPROC_OK || exit_code != 17)
        return fail("join");
    return mproc_process_close(process) == MPROC_OK ? 0 : fail("close");
}

static int change_sizes(mproc_memory *blocks)
{
    static const size_t sizes[] = { 200, 100000, 5000, 200 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mproc_memory large;
        if (fill_with(blocks, sizes[i]) || start_one(MPROC_OK))
            return 1;
        if (mproc_alloc(&large, (size_t) 32 << 20) != MPROC_OK || mproc_free(large) != MPROC_OK)
            return fail("half of the arena");
    }
    return 0;
}

int main(void)
{
    mproc_init();
    static mproc_memory blocks[MOST];
    if (start_one(MPROC_OK))
        return 1;
    size_t count = fill(blocks);
    mproc_memory more;
    if (count == 0 || count == MOST || mproc_alloc(&more, 1 << 20) != MPROC_ENOMEM)
        return fail("the arena does not end");
    if (strlen(mproc_last_error()) < 20)
        return fail("no sentence");
    printf("full after %u blocks: %s\n", (unsigned) count, mproc_last_error());
    /* A start needs a little: it is refused, or finds the room the first child's record left. */
    mproc_process *process;
    static char large[1 << 20];
    if (mproc_process_start(&process, check_size, large, sizeof large, NULL) != MPROC_ENOMEM)
        return fail("a start without memory");
    for (size_t i = 0; i < count; i++) {
        const unsigned char *bytes = mproc_pointer(blocks[i]);
        if (!bytes || bytes[0] != 0xaa || bytes[mproc_size(blocks[i]) - 1] != 0xaa)
            return fail("contents");
        if (mproc_free(blocks[i]) != MPROC_OK)
            return fail("free");
    }
    if (start_one(MPROC_OK))
        return fail("a start after the frees");
    if (mproc_alloc(&more, 1 << 20) != MPROC_OK || mproc_free(more) != MPROC_OK)
        return fail("a block after the frees");
    mproc_lock lock;
    if (mproc_lock_create(&lock) != MPROC_OK || mproc_lock_destroy(lock) != MPROC_OK)
        return fail("a lock after the frees");
    if (change_sizes(blocks))
        return 1;
    printf("everything works\n");
    return 0;
}
