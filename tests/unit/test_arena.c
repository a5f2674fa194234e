/* SPDX-License-Identifier: MIT */
/* The shared heap: size classes, handles, growth, exhaustion, and kills inside the allocator. */
#include "arena.h"
#include "mproc.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 2000 };

static uint64_t allocate(uint64_t size)
{
    uint64_t handle = 0;
    CU_ASSERT_EQUAL_FATAL(mproc__arena_alloc(BLOCK_MEMORY, size, &handle), MPROC_OK);
    return handle;
}

static void blocks_of_every_size_are_zeroed_aligned_and_apart(void)
{
    static uint64_t handles[MANY];
    for (size_t i = 0; i < MANY; i++) {
        uint64_t size = 1 + i * i % 100000;
        handles[i] = allocate(size);
        unsigned char *bytes = mproc__arena_at(BLOCK_MEMORY, handles[i]);
        CU_ASSERT_EQUAL((uintptr_t) bytes % 16, 0);
        CU_ASSERT_EQUAL(mproc__arena_size(BLOCK_MEMORY, handles[i]), size);
        CU_ASSERT(bytes[0] == 0 && bytes[size / 2] == 0 && bytes[size - 1] == 0);
        memset(bytes, (int) (i % 255 + 1), size);
    }
    bool intact = true;
    for (size_t i = 0; i < MANY; i++) {
        uint64_t size = 1 + i * i % 100000;
        unsigned char *bytes = mproc__arena_at(BLOCK_MEMORY, handles[i]);
        for (uint64_t at = 0; at < size; at += size / 7 + 1)
            intact = intact && bytes[at] == i % 255 + 1;
        intact = intact && bytes[size - 1] == i % 255 + 1;
        CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handles[i]), MPROC_OK);
    }
    CU_ASSERT(intact);
}

static void a_freed_block_is_used_again_and_zeroed(void)
{
    uint64_t first = allocate(1000);
    memset(mproc__arena_at(BLOCK_MEMORY, first), 0xff, 1000);
    void *where = mproc__arena_at(BLOCK_MEMORY, first);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, first), MPROC_OK);
    uint64_t second = allocate(1000);
    CU_ASSERT_PTR_EQUAL(mproc__arena_at(BLOCK_MEMORY, second), where);
    CU_ASSERT_NOT_EQUAL(first, second);
    const unsigned char *bytes = mproc__arena_at(BLOCK_MEMORY, second);
    CU_ASSERT(bytes[0] == 0 && bytes[999] == 0);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, second), MPROC_OK);
}

static void used_bytes_return_to_what_they_were(void)
{
    uint64_t before = mproc__arena_used();
    uint64_t small = allocate(100), large = allocate(5000000);
    CU_ASSERT(mproc__arena_used() >= before + 5000100);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, small), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, large), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

/* A freed block is used again for its own size, whichever were freed after it. */
static void large_blocks_of_any_size_are_used_again(void)
{
    static const uint64_t sizes[] = { 65520,   65521,   131056,  150000,   200000,   262128,    300000,
                                      1000000, 1048560, 1048577, 17000000, 16777200, 40000000 };
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    uint64_t handles[SIZES], frontier = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < SIZES; i++) {
            handles[i] = allocate(sizes[i]);
            unsigned char *bytes = mproc__arena_at(BLOCK_MEMORY, handles[i]);
            CU_ASSERT(bytes[0] == 0 && bytes[sizes[i] - 1] == 0);
            memset(bytes, 7, 5000);
            bytes[sizes[i] - 1] = 7;
        }
        for (int i = 0; i < SIZES; i++) /* in another order every time */
            CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handles[(i * 5 + round) % SIZES]), MPROC_OK);
        if (round == 0)
            frontier = atomic_load(&mproc__family()->frontier);
    }
    CU_ASSERT_EQUAL(atomic_load(&mproc__family()->frontier), frontier);
}

static void stale_forged_and_foreign_handles_are_refused(void)
{
    uint64_t handle = allocate(64);
    CU_ASSERT_PTR_NULL(mproc__arena_at(BLOCK_LOCK, handle));
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_LOCK, handle), MPROC_EBADHANDLE);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handle), MPROC_OK);
    CU_ASSERT_PTR_NULL(mproc__arena_at(BLOCK_MEMORY, handle));
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handle), MPROC_EBADHANDLE);
    CU_ASSERT(strlen(mproc_last_error()) > 20);

    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 100000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint64_t forged = (uint64_t) BLOCK_MEMORY << 56 | (random & 0x00ffffffffffffff);
        CU_ASSERT_PTR_NULL(mproc__arena_at(BLOCK_MEMORY, forged));
        /* Low positions, which are in use. */
        CU_ASSERT_PTR_NULL(mproc__arena_at(BLOCK_LOCK, (uint64_t) BLOCK_LOCK << 56 | (random & 0xffff000fffff)));
    }
}

/* Bytes of a user's that look like a block's header, wherever a header could be. */
static void what_is_written_into_a_block_is_no_header(void)
{
    uint64_t handle = allocate(4000), other = allocate(4000);
    struct block *inside = mproc__arena_at(BLOCK_MEMORY, handle);
    const struct block *header = (const struct block *) mproc__arena_at(BLOCK_MEMORY, other) - 1;
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < 4000 / UNIT; i++) {
            if (kind == 2)
                memcpy(&inside[i], header, sizeof *header); /* a real one, elsewhere */
            else
                memset(&inside[i], kind ? 0xff : 0, sizeof *inside);
            if (kind < 2)
                atomic_store(&inside[i].tag, (uint32_t) (handle >> POSITION_BITS));
        }
        uint64_t like = kind == 2 ? other : handle;
        for (uint64_t i = 0; i < 4000 / UNIT; i++) {
            uint64_t forged = (like & ~POSITION_MASK) | ((handle & POSITION_MASK) + 1 + i);
            CU_ASSERT_PTR_NULL(mproc__arena_at(BLOCK_MEMORY, forged));
            CU_ASSERT_PTR_NULL(mproc__arena_near(BLOCK_MEMORY, forged));
            CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, forged), MPROC_EBADHANDLE);
        }
    }
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handle), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, other), MPROC_OK);
}

static void more_than_the_limit_is_refused(void)
{
    uint64_t handle = 0;
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, mproc__arena_limit() + 1, &handle), MPROC_ENOMEM);
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, UINT64_MAX - 8, &handle), MPROC_ENOMEM);
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, mproc__arena_limit() - 1, &handle), MPROC_ENOMEM);
    CU_ASSERT_EQUAL(handle, 0);
    CU_ASSERT(strlen(mproc_last_error()) > 20);
    uint64_t still = allocate(100);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, still), MPROC_OK);
}

/* ---- many processes at once, and kills ---- */

static int churn(void *argument)
{
    unsigned random = *(unsigned *) argument * 2654435761u + 1;
    uint64_t handles[64] = { 0 };
    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245u + 12345u;
        size_t at = random >> 16 & 63;
        unsigned char *bytes = handles[at] ? mproc__arena_at(BLOCK_MEMORY, handles[at]) : NULL;
        if (handles[at]) {
            uint64_t size = mproc__arena_size(BLOCK_MEMORY, handles[at]);
            CHILD_CHECK(bytes && bytes[0] == (unsigned char) at && bytes[size - 1] == (unsigned char) at);
            CHILD_CHECK(mproc__arena_free(BLOCK_MEMORY, handles[at]) == MPROC_OK);
            handles[at] = 0;
        } else {
            uint64_t size = 1 + (random >> 8) % (random & 64 ? 300 : 90000);
            CHILD_CHECK(mproc__arena_alloc(BLOCK_MEMORY, size, &handles[at]) == MPROC_OK);
            memset(mproc__arena_at(BLOCK_MEMORY, handles[at]), (int) at, size);
        }
    }
    for (size_t at = 0; at < 64; at++)
        if (handles[at])
            CHILD_CHECK(mproc__arena_free(BLOCK_MEMORY, handles[at]) == MPROC_OK);
    return 0;
}

static void processes_that_allocate_at_once_never_share_a_block(void)
{
    mproc_process *processes[4];
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(mproc_process_start(&processes[i], churn, &i, sizeof i, NULL), MPROC_OK);
    for (int i = 0; i < 4; i++) {
        int exit_code = -1;
        CU_ASSERT_EQUAL(mproc_process_join(processes[i], MPROC_FOREVER), MPROC_OK);
        CU_ASSERT_EQUAL(mproc_process_exit_code(processes[i], &exit_code), MPROC_OK);
        CU_ASSERT_EQUAL(exit_code, 0);
        CU_ASSERT_EQUAL(mproc_process_close(processes[i]), MPROC_OK);
    }
}

/* Passes every point of the allocator: more than is free of one size, large ones, and all back. */
static int pass_all_points(void *argument)
{
    (void) argument;
    enum { SMALL = 300, LARGE = 20 };
    uint64_t small[SMALL], large[LARGE];
    for (int i = 0; i < SMALL; i++)
        CHILD_CHECK(mproc__arena_alloc(BLOCK_MEMORY, 30000, &small[i]) == MPROC_OK);
    for (int i = 0; i < LARGE; i++)
        CHILD_CHECK(mproc__arena_alloc(BLOCK_MEMORY, 200000, &large[i]) == MPROC_OK);
    for (int i = 0; i < SMALL; i++)
        CHILD_CHECK(mproc__arena_free(BLOCK_MEMORY, small[i]) == MPROC_OK);
    for (int i = 0; i < LARGE; i++)
        CHILD_CHECK(mproc__arena_free(BLOCK_MEMORY, large[i]) == MPROC_OK);
    for (int i = 0; i < 5; i++)
        CHILD_CHECK(mproc__arena_alloc(BLOCK_MEMORY, 30000, &small[i]) == MPROC_OK);
    return 0;
}

static void a_kill_at_every_point_of_the_allocator_leaves_it_usable(void)
{
    static const char *const points[] = {
        "arena.popped",     "arena.run_pending", "arena.frontier_moved", "arena.cursor_set",
        "arena.carved",     "arena.large_ready", "arena.untagged",       "latch.before_release",
        "latch.before_wake",
    };
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        char wish[80];
        snprintf(wish, sizeof wish, "MPROC_FAULT=%s:%zu:kill", points[i], i % 2 + 1);
        const char *const environment[] = { wish, NULL };
        const mproc_process_options options = { .environment = environment };
        mproc_process *process;
        int exit_code = 0;
        CU_ASSERT_EQUAL_FATAL(mproc_process_start(&process, pass_all_points, NULL, 0, &options), MPROC_OK);
        CU_ASSERT_EQUAL(mproc_process_join(process, MPROC_FOREVER), MPROC_OK);
        CU_ASSERT_EQUAL(mproc_process_exit_code(process, &exit_code), MPROC_OK);
        if (exit_code >= 0)
            printf("point %s was not passed: exit code %d\n", points[i], exit_code);
        CU_ASSERT(exit_code < 0);
        CU_ASSERT_EQUAL(mproc_process_close(process), MPROC_OK);
        processes_that_allocate_at_once_never_share_a_block();
    }
}

static void a_large_block_grows_the_arena_in_all_processes(void)
{
    uint64_t handle = allocate(UINT64_C(300) << 20);
    unsigned char *bytes = mproc__arena_at(BLOCK_MEMORY, handle);
    bytes[(UINT64_C(300) << 20) - 1] = 7;
    CU_ASSERT_EQUAL(bytes[0], 0);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handle), MPROC_OK);
    uint64_t again = allocate(UINT64_C(290) << 20);
    bytes = mproc__arena_at(BLOCK_MEMORY, again);
    CU_ASSERT(bytes[0] == 0 && bytes[(UINT64_C(290) << 20) - 1] == 0);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, again), MPROC_OK);
}

MPROC_SUITE(arena, MPROC_TEST(blocks_of_every_size_are_zeroed_aligned_and_apart),
            MPROC_TEST(a_freed_block_is_used_again_and_zeroed),
            MPROC_TEST(used_bytes_return_to_what_they_were),
            MPROC_TEST(large_blocks_of_any_size_are_used_again),
            MPROC_TEST(stale_forged_and_foreign_handles_are_refused),
            MPROC_TEST(what_is_written_into_a_block_is_no_header),
            MPROC_TEST(more_than_the_limit_is_refused),
            MPROC_TEST(processes_that_allocate_at_once_never_share_a_block),
            MPROC_TEST(a_kill_at_every_point_of_the_allocator_leaves_it_usable),
            MPROC_TEST(a_large_block_grows_the_arena_in_all_processes))
