/* SPDX-License-Identifier: MIT */
/* An item of more than 4 GiB, for which no 32 bits suffice. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"

#define HUGE_SIZE ((UINT64_C(4) << 30) + 4097)
#define MARK_EVERY (UINT64_C(256) << 20)
#define NEEDED (UINT64_C(8) << 30)

struct work {
    mproc_queue queue;
};

/* Most of it is never written, and so takes no memory. */
static int put_huge(void *argument)
{
    struct work *work = argument;
    unsigned char *bytes = calloc(1, (size_t) HUGE_SIZE);
    CHILD_CHECK(bytes != NULL);
    for (uint64_t at = 0; at < HUGE_SIZE; at += MARK_EVERY)
        bytes[at] = (unsigned char) (1 + at / MARK_EVERY);
    bytes[HUGE_SIZE - 1] = 99;
    CHILD_OK(mproc_queue_put_bytes(work->queue, bytes, (size_t) HUGE_SIZE, MPROC_FOREVER));
    CHILD_OK(mproc_queue_put_bytes(work->queue, "after", 6, MPROC_FOREVER));
    free(bytes);
    return 0;
}

static bool is_right(const unsigned char *bytes)
{
    bool right = bytes[HUGE_SIZE - 1] == 99 && bytes[HUGE_SIZE - 2] == 0;
    for (uint64_t at = 0; at < HUGE_SIZE; at += MARK_EVERY)
        right &= bytes[at] == 1 + at / MARK_EVERY && bytes[at + 1] == 0;
    return right;
}

static void an_item_of_more_than_four_gigabytes_comes_whole(void)
{
    struct work work;
    size_t size = 0;
    char after[6] = "";
    if (sizeof(size_t) < 8 || system_free_memory() < NEEDED) {
        skip("there is too little memory, or the system does not tell how much");
        return;
    }
#ifdef MPROC_SANITIZED
    skip("with a sanitizer it takes too long");
    return;
#endif
    if (skip_if_emulated("in an emulator it takes too long"))
        return;
    unsigned char *bytes = malloc((size_t) HUGE_SIZE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    uint64_t before = mproc__arena_used();
    CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
    mproc_process *putter = start_child(put_huge, &work, sizeof work, NULL);
    /* It comes in pieces while it is put: the ring stays small. */
    CHECK_OK(mproc_queue_get_bytes(work.queue, bytes, (size_t) HUGE_SIZE, &size, MPROC_FOREVER));
    CU_ASSERT_EQUAL(size, HUGE_SIZE);
    CU_ASSERT_TRUE(is_right(bytes));
    CHECK_OK(mproc_queue_get_bytes(work.queue, after, sizeof after, &size, 60000));
    CU_ASSERT_STRING_EQUAL(after, "after");
    CU_ASSERT_TRUE(mproc_queue_empty(work.queue));
    CU_ASSERT_EQUAL(end_child(putter), 0);
    CHECK_OK(mproc_queue_destroy(work.queue));
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
    free(bytes);
}

MPROC_SUITE(queue_huge, MPROC_TEST(an_item_of_more_than_four_gigabytes_comes_whole))
