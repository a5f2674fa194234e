/* SPDX-License-Identifier: MIT */
/* Who of the waiters looks how often, and who follows a sentry that leaves or dies. */
#include "sentry.h"
#include "mproc.h"
#include "suite.h"
#include "system.h"

/* In shared memory. */
struct place {
    struct sentry sentry;
    _Atomic int posts; /* taken so far */
    _Atomic int go;
};

static struct place *create(mproc_memory *block)
{
    CU_ASSERT_EQUAL_FATAL(mproc_alloc(block, sizeof(struct place)), MPROC_OK);
    return mproc_pointer(*block);
}

/* A slice of the caller's has ended; its length is then what is bounded. */
static void wait_for_a_slice(struct watch *watch)
{
    mproc__sentry_again(watch);
    int64_t slice = mproc__sentry_until(watch, 0, INT64_MAX);
    CU_ASSERT_TRUE(slice <= (watch->post == NO_POST ? INT64_C(160000000) : INT64_C(5000000)));
}

static int be_sentry(void *argument)
{
    struct place *place = mproc_pointer(*(mproc_memory *) argument);
    struct watch watch = mproc__sentry_begin(&place->sentry);
    mproc__sentry_again(&watch);
    CHILD_CHECK(watch.post != NO_POST);
    atomic_fetch_add(&place->posts, 1);
    while (atomic_load(&place->go) == 0)
        sleep_briefly();
    mproc__sentry_end(&watch);
    return 0;
}

static void start_sentries(mproc_memory block, mproc_process *sentries[SENTRIES])
{
    struct place *place = mproc_pointer(block);
    for (int i = 0; i < SENTRIES; i++)
        sentries[i] = start_child(be_sentry, &block, sizeof block, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&place->posts, SENTRIES));
}

static void slices_of_the_others_grow_to_160_ms(void)
{
    mproc_memory block;
    mproc_process *sentries[SENTRIES];
    struct place *place = create(&block);
    start_sentries(block, sentries);
    struct watch watch = mproc__sentry_begin(&place->sentry);
    for (int i = 0; i < 20; i++) {
        wait_for_a_slice(&watch);
        CU_ASSERT_EQUAL(watch.post, NO_POST);
    }
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, 0, INT64_MAX), INT64_C(160000000));
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, 0, 1000), 1000); /* a deadline comes before */
    mproc__sentry_woken(&watch);
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, 0, INT64_MAX), INT64_C(5000000));
    atomic_store(&place->go, 1);
    for (int i = 0; i < SENTRIES; i++)
        CU_ASSERT_EQUAL(end_child(sentries[i]), 0);
    CHECK_OK(mproc_free(block));
}

/* Each of the two is followed by who comes next, and the other one stays. */
static void a_sentry_that_dies_is_followed(void)
{
    for (int dead = 0; dead < SENTRIES; dead++) {
        mproc_memory block;
        mproc_process *sentries[SENTRIES];
        struct place *place = create(&block);
        start_sentries(block, sentries);
        struct watch watch = mproc__sentry_begin(&place->sentry);
        wait_for_a_slice(&watch);
        CU_ASSERT_EQUAL(watch.post, NO_POST);
        CHECK_OK(mproc_process_kill(sentries[dead]));
        CU_ASSERT_NOT_EQUAL(end_child(sentries[dead]), 0);
        wait_for_a_slice(&watch);
        CU_ASSERT_NOT_EQUAL(watch.post, NO_POST);
        CU_ASSERT_EQUAL(mproc__sentry_until(&watch, 0, INT64_MAX), INT64_C(5000000));
        CU_ASSERT_FALSE(mproc__sentry_end(&watch)); /* the other looks on */
        atomic_store(&place->go, 1);
        CU_ASSERT_EQUAL(end_child(sentries[!dead]), 0);
        CHECK_OK(mproc_free(block));
    }
}

static void the_last_to_leave_wakes_another(void)
{
    mproc_memory block;
    mproc_process *sentry;
    struct place *place = create(&block);
    struct watch watch = mproc__sentry_begin(&place->sentry);
    wait_for_a_slice(&watch);
    CU_ASSERT_NOT_EQUAL(watch.post, NO_POST);
    sentry = start_child(be_sentry, &block, sizeof block, NULL);
    CU_ASSERT_TRUE(wait_until(&place->posts, 1));
    CU_ASSERT_FALSE(mproc__sentry_end(&watch));
    atomic_store(&place->go, 1);
    CU_ASSERT_EQUAL(end_child(sentry), 0);
    watch = mproc__sentry_begin(&place->sentry);
    CU_ASSERT_FALSE(mproc__sentry_end(&watch)); /* it was none */
    wait_for_a_slice(&watch);
    CU_ASSERT_TRUE(mproc__sentry_end(&watch));
    CHECK_OK(mproc_free(block));
}

/* They would die together. */
static void two_threads_of_a_process_are_not_both_sentries(void)
{
    mproc_memory block;
    struct place *place = create(&block);
    struct watch one = mproc__sentry_begin(&place->sentry), other = mproc__sentry_begin(&place->sentry);
    wait_for_a_slice(&one);
    wait_for_a_slice(&other);
    CU_ASSERT_NOT_EQUAL(one.post, NO_POST);
    CU_ASSERT_EQUAL(other.post, NO_POST);
    CU_ASSERT_TRUE(mproc__sentry_end(&one));
    wait_for_a_slice(&other);
    CU_ASSERT_NOT_EQUAL(other.post, NO_POST);
    CU_ASSERT_TRUE(mproc__sentry_end(&other));
    CHECK_OK(mproc_free(block));
}

/* Who is at the second post rests in every second period of 160 ms, while the one at the first looks. */
static void one_that_has_waited_long_rests_while_the_other_looks(void)
{
    static const int64_t period = INT64_C(160000000), slice = INT64_C(5000000);
    mproc_memory block;
    struct place *place = create(&block);
    mproc_process *other = start_child(be_sentry, &block, sizeof block, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&place->posts, 1));
    struct watch watch = mproc__sentry_begin(&place->sentry);
    mproc__sentry_again(&watch);
    CU_ASSERT_EQUAL_FATAL(watch.post, 1);
    int64_t early = watch.since / period / 2 * 2 * period, long_after = early + 10 * period;
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, watch.since, INT64_MAX), watch.since + slice);
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, long_after, INT64_MAX), long_after + slice);
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, long_after + period + 7, INT64_MAX), long_after + 2 * period);
    uint32_t at_rest = atomic_load(&place->sentry.tokens[1]);
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, long_after + period, long_after + period + 9), long_after + period + 9);
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, long_after + 2 * period, INT64_MAX), long_after + 2 * period + slice);
    CU_ASSERT_NOT_EQUAL(atomic_load(&place->sentry.tokens[1]), at_rest);
    /* The other leaves while this one rests: a third one must be woken. Then nobody may rest. */
    atomic_store(&place->sentry.tokens[1], at_rest);
    struct watch leaving = { .sentry = &place->sentry, .post = 0 };
    CU_ASSERT_TRUE(mproc__sentry_end(&leaving));
    CU_ASSERT_EQUAL(mproc__sentry_until(&watch, long_after + period, INT64_MAX), long_after + period + slice);
    CU_ASSERT_TRUE(mproc__sentry_end(&watch));
    atomic_store(&place->go, 1);
    CU_ASSERT_EQUAL(end_child(other), 0);
    CHECK_OK(mproc_free(block));
}

MPROC_SUITE(sentry, MPROC_TEST(slices_of_the_others_grow_to_160_ms), MPROC_TEST(a_sentry_that_dies_is_followed),
            MPROC_TEST(the_last_to_leave_wakes_another), MPROC_TEST(two_threads_of_a_process_are_not_both_sentries),
            MPROC_TEST(one_that_has_waited_long_rests_while_the_other_looks))
