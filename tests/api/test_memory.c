/* SPDX-License-Identifier: MIT */
/* Shared memory: sizes, contents across processes, stale and forged handles, and no memory left. */
#include "suite.h"
#include "system.h"

#include "platform.h"

#define MEBIBYTE ((size_t) 1 << 20)

static unsigned char *allocate(mproc_memory *block, size_t size)
{
    *block = (mproc_memory){ 0 };
    CHECK_OK(mproc_alloc(block, size));
    unsigned char *bytes = mproc_pointer(*block);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    CU_ASSERT_EQUAL(mproc_size(*block), size);
    CU_ASSERT_EQUAL((uintptr_t) bytes % 16, 0);
    return bytes;
}

static bool all_are(const unsigned char *bytes, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static void blocks_of_all_sizes_are_zeroed_aligned_and_apart(void)
{
    static const size_t sizes[] = { 1, 15, 16, 17, 100, 4096, 65535, 65536, 65537, 1000000, 64 << 20 };
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    for (int round = 0; round < 2; round++) {
        mproc_memory blocks[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            unsigned char *bytes = allocate(&blocks[i], sizes[i]);
            CU_ASSERT_TRUE(all_are(bytes, sizes[i], 0));
            memset(bytes, (int) i + 1, sizes[i]);
        }
        for (size_t i = 0; i < COUNT; i++) {
            CU_ASSERT_TRUE(all_are(mproc_pointer(blocks[i]), sizes[i], (unsigned char) (i + 1)));
            CHECK_OK(mproc_free(blocks[i]));
        }
    }
}

static void a_gibibyte_can_be_had(void)
{
    size_t size = 1024 * MEBIBYTE;
    mproc_memory block;
    if (sizeof(void *) < 8) {
        skip("a 32-bit system has no room for it");
        return;
    }
    mproc_err err = mproc_alloc(&block, size);
    if (err == MPROC_ENOMEM) {
        CU_ASSERT_TRUE(strlen(mproc_last_error()) > 20);
        skip("this machine, or MPROC_ARENA_LIMIT, has not that much memory");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
    unsigned char *bytes = mproc_pointer(block);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    for (size_t at = 0; at < size; at += 64 * MEBIBYTE) {
        CU_ASSERT_EQUAL(bytes[at], 0);
        bytes[at] = 1;
    }
    bytes[size - 1] = 1;
    CHECK_OK(mproc_free(block));
}

struct passed {
    mproc_memory first, second;
};

static int read_and_answer(void *argument)
{
    struct passed *passed = argument;
    unsigned char *bytes = mproc_pointer(passed->first);
    CHILD_CHECK(bytes && mproc_size(passed->first) == 3 * MEBIBYTE);
    for (size_t i = 0; i < 3 * MEBIBYTE; i++)
        CHILD_CHECK(bytes[i] == (unsigned char) (i * 31));
    mproc_memory made;
    CHILD_OK(mproc_alloc(&made, 300000));
    memset(mproc_pointer(made), 0x5a, 300000);
    *(mproc_memory *) mproc_pointer(passed->second) = made;
    CHILD_OK(mproc_free(passed->first));
    return 0;
}

static void blocks_made_and_freed_in_either_process_are_the_same(void)
{
    struct passed passed;
    unsigned char *bytes = allocate(&passed.first, 3 * MEBIBYTE);
    for (size_t i = 0; i < 3 * MEBIBYTE; i++)
        bytes[i] = (unsigned char) (i * 31);
    mproc_memory *answer = (mproc_memory *) allocate(&passed.second, sizeof *answer);
    CU_ASSERT_EQUAL(run_child(read_and_answer, &passed, sizeof passed, NULL), 0);
    CU_ASSERT_PTR_NULL(mproc_pointer(passed.first));
    CHECK_FAILS(mproc_free(passed.first), MPROC_EBADHANDLE);
    /* Its maker is gone; the block is not. */
    CU_ASSERT_EQUAL(mproc_size(*answer), 300000);
    CU_ASSERT_TRUE(all_are(mproc_pointer(*answer), 300000, 0x5a));
    CHECK_OK(mproc_free(*answer));
    CHECK_OK(mproc_free(passed.second));
}

static int die_with_a_block(void *argument)
{
    mproc_memory made;
    CHILD_OK(mproc_alloc(&made, 1000));
    strcpy(mproc_pointer(made), "left by the dead");
    *(mproc_memory *) mproc_pointer(*(mproc_memory *) argument) = made;
    end_hard("_exit7");
    return 0;
}

static void a_block_outlives_its_creator(void)
{
    mproc_memory place;
    mproc_memory *made = (mproc_memory *) allocate(&place, sizeof *made);
    CU_ASSERT_EQUAL(run_child(die_with_a_block, &place, sizeof place, NULL), 7);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mproc_pointer(*made));
    CU_ASSERT_STRING_EQUAL((char *) mproc_pointer(*made), "left by the dead");
    CHECK_OK(mproc_free(*made));
    CHECK_OK(mproc_free(place));
}

/* ---- handles that are none ---- */

static void a_stale_handle_is_refused_even_after_reuse(void)
{
    mproc_memory old, again;
    allocate(&old, 100);
    CHECK_OK(mproc_free(old));
    CHECK_FAILS(mproc_free(old), MPROC_EBADHANDLE);
    int accepted = 0;
    for (int i = 0; i < 1000000; i++) {
        if (mproc_alloc(&again, 100) != MPROC_OK)
            break;
        if (mproc_pointer(old) || mproc_size(old) || again.id == old.id)
            accepted++;
        if (mproc_free(again) != MPROC_OK || mproc_pointer(again))
            accepted++;
    }
    CU_ASSERT_EQUAL(accepted, 0);
    CHECK_FAILS(mproc_free(old), MPROC_EBADHANDLE);
}

static void no_block_and_no_size_are_refused(void)
{
    mproc_memory none = { 0 };
    CU_ASSERT_PTR_NULL(mproc_pointer(none));
    CU_ASSERT_TRUE(strlen(mproc_last_error()) > 15);
    CU_ASSERT_EQUAL(mproc_size(none), 0);
    CHECK_OK(mproc_free(none));
    CHECK_FAILS(mproc_alloc(NULL, 10), MPROC_EINVAL);
    CHECK_FAILS(mproc_alloc(&none, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_alloc(&none, SIZE_MAX), MPROC_ENOMEM);
    CHECK_FAILS(mproc_alloc(&none, SIZE_MAX / 2), MPROC_ENOMEM);
    CHECK_FAILS(mproc_alloc(&none, SIZE_MAX - 65535), MPROC_ENOMEM);
    CU_ASSERT_EQUAL(none.id, 0);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void forged_handles_never_crash(void)
{
    enum { ROUNDS = 200000 };
    mproc_memory real;
    unsigned char *bytes = allocate(&real, 256);
    memset(bytes, 0x77, 256);
    uint64_t state = 88172645463325252u;
    int accepted = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t noise = next_random(&state);
        /* Any bits, and near misses: the real one with a bit or a byte changed, or near positions. */
        uint64_t id = i % 4 == 0   ? noise
                      : i % 4 == 1 ? real.id ^ UINT64_C(1) << noise % 64
                      : i % 4 == 2 ? real.id + noise % 4096 - 2048
                                   : (real.id & ~UINT64_C(0xffffffff)) | (noise & 0xffffffff);
        if (id == real.id)
            continue;
        mproc_memory forged = { id };
        mproc_lock lock = { id };
        if (mproc_pointer(forged) && mproc_size(forged))
            accepted++;
        if (mproc_lock_release(lock) == MPROC_OK)
            accepted++;
    }
    CU_ASSERT_EQUAL(accepted, 0);
    CU_ASSERT_TRUE(all_are(bytes, 256, 0x77));
    CHECK_OK(mproc_free(real));
}

/* ---- many at once ---- */

struct churn {
    mproc_memory block;
    unsigned seed;
};

static int allocate_and_free(void *argument)
{
    struct churn *churn = argument;
    enum { HELD = 50 };
    mproc_memory held[HELD] = { { 0 } };
    uint64_t state = churn->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 3000; i++) {
        mproc_memory *place = &held[next_random(&state) % HELD];
        if (place->id) {
            unsigned char *bytes = mproc_pointer(*place);
            CHILD_CHECK(bytes && all_are(bytes, mproc_size(*place), (unsigned char) churn->seed));
            CHILD_OK(mproc_free(*place));
        }
        CHILD_OK(mproc_alloc(place, 1 + next_random(&state) % 20000));
        memset(mproc_pointer(*place), (int) churn->seed, mproc_size(*place));
    }
    for (int i = 0; i < HELD; i++)
        CHILD_CHECK(mproc_free(held[i]) == MPROC_OK);
    return 0;
}

static void processes_that_allocate_together_never_share_a_byte(void)
{
    mproc_process *processes[4];
    struct churn churn = { .seed = 0 };
    for (unsigned i = 0; i < 4; i++) {
        churn.seed = i + 1;
        processes[i] = start_child(allocate_and_free, &churn, sizeof churn, NULL);
    }
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
}

/* ---- no memory left ---- */

/* The program has a small arena: it fills it, and finds that everything else still works. On Windows an arena of
 * just over 4 GiB is a small one too: 64 MiB in its first section and as much in the second. */
static void a_full_arena_is_an_error_and_no_more(void)
{
    static const char *const limits[] = { "67108864", "4362076160" };
    char output[1000];
    const char *before = getenv("MPROC_ARENA_LIMIT");
    for (int i = 0; i < (system_is_windows() ? 2 : 1); i++) {
        CHECK_OK(mproc_plat_set_environment("MPROC_ARENA_LIMIT", limits[i]));
        CU_ASSERT_EQUAL(run_program(PROGRAM("fills_its_arena"), start_method_name(), output, sizeof output), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(output, "everything works"));
        if (!strstr(output, "everything works"))
            printf("%s\n", output);
    }
    CHECK_OK(mproc_plat_set_environment("MPROC_ARENA_LIMIT", before));
}

MPROC_SUITE(memory, MPROC_TEST(blocks_of_all_sizes_are_zeroed_aligned_and_apart),
            MPROC_TEST(a_gibibyte_can_be_had),
            MPROC_TEST(blocks_made_and_freed_in_either_process_are_the_same),
            MPROC_TEST(a_block_outlives_its_creator),
            MPROC_TEST(a_stale_handle_is_refused_even_after_reuse),
            MPROC_TEST(no_block_and_no_size_are_refused), MPROC_TEST(forged_handles_never_crash),
            MPROC_TEST(processes_that_allocate_together_never_share_a_byte),
            MPROC_TEST(a_full_arena_is_an_error_and_no_more))
