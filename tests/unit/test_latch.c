/* SPDX-License-Identifier: MIT */
/* The lock word: what is seen of it from outside only in storms. */
#include "latch.h"
#include "mproc.h"
#include "suite.h"
#include "system.h"

static struct latch *create(mproc_memory *block)
{
    CU_ASSERT_EQUAL_FATAL(mproc_alloc(block, sizeof(struct latch)), MPROC_OK);
    return mproc_pointer(*block);
}

static mproc_err wait_for(struct latch *latch, int64_t nanoseconds)
{
    return mproc__latch_acquire(latch, mproc_plat_now() + nanoseconds);
}

/* It is held by this thread itself: then the latter waits in vain. */
static void who_has_waited_for_long_says_so(void)
{
    mproc_memory block;
    struct latch *latch = create(&block);
    CU_ASSERT_TRUE(mproc__latch_try(latch));
    CU_ASSERT_EQUAL(wait_for(latch, 20000000), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(latch->impatient, 0);
    CU_ASSERT_EQUAL(wait_for(latch, 400000000), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(latch->impatient, 1);
    CU_ASSERT_EQUAL(mproc__latch_holder(latch), mproc__self_token());
    mproc__latch_release(latch);
    CU_ASSERT_EQUAL(latch->word, 0);
    CHECK_OK(mproc_free(block));
}

/* There is nobody: it waits for 200 us, and only once. */
static void who_gives_it_back_to_one_that_has_waited_for_long_stays_away(void)
{
    mproc_memory block;
    struct latch *latch = create(&block);
    for (int internal = 0; internal < 2; internal++) {
        CU_ASSERT_TRUE(mproc__latch_try(latch));
        atomic_fetch_or(&latch->word, LATCH_SLEEPERS);
        latch->impatient = 1;
        int64_t begin = mproc_plat_now();
        if (internal)
            mproc__latch_release(latch);
        else
            CU_ASSERT_TRUE(mproc__latch_give_back(latch));
        CU_ASSERT_TRUE(mproc_plat_now() - begin >= 200000);
        CU_ASSERT_EQUAL(latch->impatient, 0);
        CU_ASSERT_EQUAL(latch->word, 0);
    }
    CHECK_OK(mproc_free(block));
}

struct hog {
    struct latch *latch;
    _Atomic int stop;
};

static void take_again_and_again(void *context)
{
    struct hog *hog = context;
    while (atomic_load(&hog->stop) == 0) {
        CU_ASSERT_EQUAL(mproc__latch_acquire(hog->latch, INT64_MAX), MPROC_OK);
        mproc_plat_sleep(2000000);
        mproc__latch_release(hog->latch);
    }
}

static void who_takes_it_again_at_once_starves_nobody(void)
{
    mproc_memory block;
    struct hog hog = { .latch = create(&block) };
    struct test_thread *thread = thread_start(take_again_and_again, &hog);
    for (int i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(wait_for(hog.latch, INT64_C(60000000000)), MPROC_OK);
        mproc__latch_release(hog.latch);
    }
    atomic_store(&hog.stop, 1);
    thread_join(thread);
    CHECK_OK(mproc_free(block));
}

/* ---- who gives it back may be late, and it gone ---- */

enum way { RELEASED, GIVEN_BACK, DECLINED, WAYS };
struct gift {
    mproc_memory block, ints;
    enum way way;
};

static int give_back_what_is_awaited(void *argument)
{
    const struct gift *gift = argument;
    struct latch *latch = mproc_pointer(gift->block);
    CHILD_CHECK(mproc__latch_try(latch));
    atomic_store((_Atomic int *) mproc_pointer(gift->ints), 1);
    while (atomic_load(&latch->impatient) == 0)
        sleep_briefly();
    if (gift->way == RELEASED)
        mproc__latch_release(latch);
    else if (gift->way == GIVEN_BACK)
        CHILD_CHECK(mproc__latch_give_back(latch));
    else
        mproc__latch_decline(latch);
    return 0;
}

/* The one that waited frees the memory while the other is about to wake it, and has the same memory for something else
 * then. */
static void who_has_given_it_back_writes_nothing_more(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct gift gift = { .way = (enum way) way };
        struct latch *latch = create(&gift.block);
        _Atomic int *ints = shared_ints(&gift.ints, 1);
        mproc_process *child =
            start_delayed_child(give_back_what_is_awaited, &gift, sizeof gift, "latch.before_wake", 1);
        CU_ASSERT_TRUE(wait_until(ints, 1));
        mproc_err err = wait_for(latch, INT64_C(60000000000));
        CU_ASSERT_EQUAL(err, way == DECLINED ? MPROC_OWNERDEAD : MPROC_OK);
        CU_ASSERT_TRUE(wait_until_delayed(child));
        mproc__latch_release(latch);
        CHECK_OK(mproc_free(gift.block));
        CHECK_OK(mproc_alloc(&gift.block, sizeof(struct latch)));
        unsigned char *bytes = mproc_pointer(gift.block), wanted[sizeof(struct latch)];
        CU_ASSERT_PTR_EQUAL(bytes, latch);
        memset(bytes, 0xff, sizeof wanted);
        memset(wanted, 0xff, sizeof wanted);
        end_delay(child);
        CU_ASSERT_EQUAL(end_child(child), 0);
        CU_ASSERT_EQUAL(memcmp(bytes, wanted, sizeof wanted), 0);
        CHECK_OK(mproc_free(gift.block));
        CHECK_OK(mproc_free(gift.ints));
    }
}

MPROC_SUITE(latch, MPROC_TEST(who_has_waited_for_long_says_so),
            MPROC_TEST(who_gives_it_back_to_one_that_has_waited_for_long_stays_away),
            MPROC_TEST(who_takes_it_again_at_once_starves_nobody),
            MPROC_TEST(who_has_given_it_back_writes_nothing_more))
