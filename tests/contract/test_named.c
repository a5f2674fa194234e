/* SPDX-License-Identifier: MIT */
/* The boundary: memory by name. */
#include "contract.h"

static char name[64];

static const char *make_name(void)
{
    uint32_t number = 0;
    CHECK_OK(mproc_plat_random(&number, sizeof number));
    snprintf(name, sizeof name, "shm-contract-%08lx", (unsigned long) number);
    return name;
}

static mproc_err accept(const uint64_t identity[2], void *context)
{
    (void) identity;
    (void) context;
    return MPROC_OK;
}

/* "dies NAME" and "settles NAME" create it and leave it; else it is there. */
static int child(const char *boot)
{
    struct mproc_plat_named named;
    const char *space = strchr(boot, ' ');
    if (space) {
        if (mproc_plat_named_create(space + 1, 100, accept, NULL, &named) != MPROC_OK)
            return 2;
        if (strncmp(boot, "settles", 7) == 0)
            mproc_plat_named_settle(space + 1, named.identity);
        end_hard("_exit7");
    }
    if (mproc_plat_named_attach(boot, &named) != MPROC_OK)
        return 1;
    ((char *) named.address)[5] = 'c';
    mproc_plat_named_close(&named);
    return 0;
}

static void a_new_segment_is_zero_and_its_size_is_as_asked(void)
{
    struct mproc_plat_named named;
    CHECK_OK(mproc_plat_named_create(make_name(), 100000, NULL, NULL, &named));
    CU_ASSERT_TRUE(named.size >= 100000);
    const char *bytes = named.address;
    for (int i = 0; i < 100000; i += 999)
        CU_ASSERT_EQUAL(bytes[i], 0);
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);
}

static void a_name_is_given_once(void)
{
    struct mproc_plat_named named, other;
    CHECK_FAILS(mproc_plat_named_attach(make_name(), &named), MPROC_ENOTFOUND);
    CHECK_OK(mproc_plat_named_create(name, 10, NULL, NULL, &named));
    CHECK_FAILS(mproc_plat_named_create(name, 10, NULL, NULL, &other), MPROC_EEXIST);
    CHECK_OK(mproc_plat_named_attach(name, &other));
    ((char *) other.address)[3] = 'x';
    CU_ASSERT_EQUAL(((char *) named.address)[3], 'x');
    mproc_plat_named_close(&other);
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);
    CHECK_FAILS(mproc_plat_named_attach(name, &named), MPROC_ENOTFOUND);
}

static void unlinking_spares_anothers_segment(void)
{
    if (!MPROC_PLAT_NAMED_STAYS) {
        skip("nothing is unlinked on this system");
        return;
    }
    struct mproc_plat_named first, second;
    CHECK_OK(mproc_plat_named_create(make_name(), 10, NULL, NULL, &first));
    CHECK_OK(mproc_plat_named_unlink(name, first.identity));
    CHECK_FAILS(mproc_plat_named_unlink(name, first.identity), MPROC_ENOTFOUND);
    CHECK_OK(mproc_plat_named_create(name, 10, NULL, NULL, &second));
    CHECK_FAILS(mproc_plat_named_unlink(name, first.identity), MPROC_ENOTFOUND);
    CHECK_OK(mproc_plat_named_unlink(name, second.identity));
    mproc_plat_named_close(&first);
    mproc_plat_named_close(&second);
}

struct announced {
    int calls;
    mproc_err answer;
    bool seen_by_name;
    uint64_t identity[2];
};

static mproc_plat_named_announce announce;

static mproc_err announce(const uint64_t identity[2], void *context)
{
    struct announced *announced = context;
    struct mproc_plat_named other;
    announced->calls++;
    memcpy(announced->identity, identity, sizeof announced->identity);
    if (mproc_plat_named_attach(name, &other) == MPROC_OK) {
        announced->seen_by_name = true;
        mproc_plat_named_close(&other);
    }
    return announced->answer == MPROC_OK ? MPROC_OK : mproc__fail(announced->answer, "the test wants no segment");
}

static void what_stays_is_announced_and_an_error_there_leaves_nothing(void)
{
    if (!MPROC_PLAT_NAMED_STAYS) {
        skip("on this system segments do not stay");
        return;
    }
    struct mproc_plat_named named, other;
    struct announced announced = { .calls = 0 };
    CHECK_OK(mproc_plat_named_create(make_name(), 100, announce, &announced, &named));
    CU_ASSERT_EQUAL(announced.calls, 1);
    CU_ASSERT_EQUAL(memcmp(announced.identity, named.identity, sizeof named.identity), 0);
    CU_ASSERT_EQUAL(announced.seen_by_name, !SEGMENTS_ARE_HIDDEN);
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);

    announced.answer = MPROC_ENOMEM;
    CHECK_FAILS(mproc_plat_named_create(name, 100, announce, &announced, &other), MPROC_ENOMEM);
    CU_ASSERT_EQUAL(announced.calls, 2);
    CHECK_FAILS(mproc_plat_named_attach(name, &other), MPROC_ENOTFOUND);
}

static void another_process_sees_the_same_bytes(void)
{
    struct mproc_plat_named named;
    CHECK_OK(mproc_plat_named_create(make_name(), 10, NULL, NULL, &named));
    struct mproc_plat_process process = spawn_child(name, MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    CU_ASSERT_EQUAL(((char *) named.address)[5], 'c');
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);
}

/* What others have left may be swept here, too. */
static int told;

static void note_unlinked(const char *unlinked)
{
    told += strcmp(unlinked, name) == 0;
}

static bool is_there(void)
{
    struct mproc_plat_named named;
    if (mproc_plat_named_attach(name, &named) != MPROC_OK)
        return false;
    mproc_plat_named_close(&named);
    return true;
}

static void only_what_the_dead_did_not_settle_is_swept(void)
{
    if (!MPROC_PLAT_NAMED_STAYS) {
        skip("on this system segments do not stay");
        return;
    }
    struct mproc_plat_named named;
    char boot[100];
    snprintf(boot, sizeof boot, "dies %s", make_name());
    struct mproc_plat_process process = spawn_child(boot, MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 7);
    CU_ASSERT_TRUE(is_there());
    told = 0;
    mproc_plat_named_sweep(note_unlinked);
    bool can = told == 1;
    CU_ASSERT_EQUAL(is_there(), !can);
    if (!can) {
        skip_part("this system does not keep with a segment who made it");
        CHECK_OK(mproc_plat_named_attach(name, &named));
        CHECK_OK(mproc_plat_named_unlink(name, named.identity));
        mproc_plat_named_close(&named);
    }

    told = 0;
    snprintf(boot, sizeof boot, "settles %s", make_name());
    process = spawn_child(boot, MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 7);
    mproc_plat_named_sweep(note_unlinked);
    CHECK_OK(mproc_plat_named_attach(name, &named));
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);

    CHECK_OK(mproc_plat_named_create(make_name(), 100, accept, NULL, &named));
    mproc_plat_named_sweep(note_unlinked); /* its creator lives */
    CU_ASSERT_TRUE(is_there());
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);
    CU_ASSERT_EQUAL(told, 0);
}

MPROC_CONTRACT_SUITE(named, child, MPROC_TEST(a_new_segment_is_zero_and_its_size_is_as_asked),
                     MPROC_TEST(a_name_is_given_once), MPROC_TEST(unlinking_spares_anothers_segment),
                     MPROC_TEST(what_stays_is_announced_and_an_error_there_leaves_nothing),
                     MPROC_TEST(another_process_sees_the_same_bytes),
                     MPROC_TEST(only_what_the_dead_did_not_settle_is_swept))
