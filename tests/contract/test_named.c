/* SPDX-License-Identifier: MIT */
/* The boundary: memory by name. */
#include "contract.h"

#define BYTES 70000

static int child(const char *boot)
{
    struct mproc_plat_named named;
    if (mproc_plat_named_attach(boot, &named) != MPROC_OK)
        return 1;
    ((unsigned char *) named.address)[BYTES - 1] = 7;
    mproc_plat_named_close(&named);
    return 0;
}

/* A name that no other test of this machine uses. */
static const char *make_name(char name[40])
{
    uint64_t number = 0;
    CU_ASSERT_EQUAL(mproc_plat_random(&number, sizeof number), MPROC_OK);
    snprintf(name, 40, "mproc-test-%012llx", (unsigned long long) (number >> 16));
    return name;
}

struct announced {
    int calls;
    mproc_err answer;
    const char *name;
    bool seen_by_name;
    uint64_t identity[2];
};

static mproc_err announce(const uint64_t identity[2], void *context)
{
    struct announced *announced = context;
    struct mproc_plat_named other;
    announced->calls++;
    memcpy(announced->identity, identity, sizeof announced->identity);
    if (mproc_plat_named_attach(announced->name, &other) == MPROC_OK) {
        announced->seen_by_name = true;
        mproc_plat_named_close(&other);
    }
    return announced->answer == MPROC_OK ? MPROC_OK : mproc__fail(announced->answer, "the test wants no segment");
}

static void a_new_segment_is_zero_and_has_its_size(void)
{
    char name[40];
    struct mproc_plat_named first, second;
    CHECK_OK(mproc_plat_named_create(make_name(name), BYTES, NULL, NULL, &first));
    CU_ASSERT_TRUE(first.size >= BYTES);
    const unsigned char *bytes = first.address;
    for (size_t i = 0; i < BYTES; i++)
        CU_ASSERT_EQUAL(bytes[i], 0);
    CHECK_FAILS(mproc_plat_named_create(name, BYTES, NULL, NULL, &second), MPROC_EEXIST);
    CHECK_OK(mproc_plat_named_attach(name, &second));
    CU_ASSERT_TRUE(second.size >= BYTES);
    CU_ASSERT_EQUAL(memcmp(first.identity, second.identity, sizeof first.identity), 0);
    CHECK_OK(mproc_plat_named_unlink(name, first.identity));
    mproc_plat_named_close(&second);
    mproc_plat_named_close(&first);
    CHECK_FAILS(mproc_plat_named_attach(name, &second), MPROC_ENOTFOUND);
}

static void another_process_opens_it_by_its_name(void)
{
    char name[40];
    struct mproc_plat_named named;
    CHECK_OK(mproc_plat_named_create(make_name(name), BYTES, NULL, NULL, &named));
    struct mproc_plat_process process = spawn_child(name, MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    CU_ASSERT_EQUAL(((unsigned char *) named.address)[BYTES - 1], 7);
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);
}

static void what_stays_is_announced_first_and_an_error_there_leaves_nothing(void)
{
    if (!MPROC_PLAT_NAMED_STAYS) {
        skip("on this system segments do not stay");
        return;
    }
    char name[40];
    struct mproc_plat_named named, other;
    struct announced announced = { .name = make_name(name) };
    CHECK_OK(mproc_plat_named_create(name, 100, announce, &announced, &named));
    CU_ASSERT_EQUAL(announced.calls, 1);
    CU_ASSERT_EQUAL(memcmp(announced.identity, named.identity, sizeof named.identity), 0);
#if defined(__linux__) && !TELLS_BY_PIPE /* TELLS_BY_PIPE: this is the generic build */
    CU_ASSERT_FALSE(announced.seen_by_name);
#endif
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);

    announced.answer = MPROC_ENOMEM;
    CHECK_FAILS(mproc_plat_named_create(name, 100, announce, &announced, &other), MPROC_ENOMEM);
    CU_ASSERT_EQUAL(announced.calls, 2);
    CHECK_FAILS(mproc_plat_named_attach(name, &other), MPROC_ENOTFOUND);
}

static void a_name_is_removed_only_from_the_segment_that_is_meant(void)
{
    if (!MPROC_PLAT_NAMED_STAYS) {
        skip("on this system segments do not stay");
        return;
    }
    char name[40];
    struct mproc_plat_named first, second;
    CHECK_OK(mproc_plat_named_create(make_name(name), 100, NULL, NULL, &first));
    CHECK_OK(mproc_plat_named_unlink(name, first.identity));
    CHECK_OK(mproc_plat_named_create(name, 200, NULL, NULL, &second));
    CU_ASSERT_NOT_EQUAL(memcmp(first.identity, second.identity, sizeof first.identity), 0);
    CHECK_FAILS(mproc_plat_named_unlink(name, first.identity), MPROC_ENOTFOUND);
    mproc_plat_named_close(&first);
    CHECK_OK(mproc_plat_named_attach(name, &first));
    CHECK_OK(mproc_plat_named_unlink(name, second.identity));
    mproc_plat_named_close(&first);
    mproc_plat_named_close(&second);
}

static void more_than_there_is_is_refused_and_leaves_no_name(void)
{
    char name[40];
    struct mproc_plat_named named;
    size_t most = sizeof most == 8 ? SIZE_MAX >> 18 : SIZE_MAX - 65535;
    CHECK_FAILS(mproc_plat_named_create(make_name(name), most, NULL, NULL, &named), MPROC_ENOMEM);
    CHECK_FAILS(mproc_plat_named_attach(name, &named), MPROC_ENOTFOUND);
}

MPROC_CONTRACT_SUITE(named, child, MPROC_TEST(a_new_segment_is_zero_and_has_its_size),
                     MPROC_TEST(another_process_opens_it_by_its_name),
                     MPROC_TEST(what_stays_is_announced_first_and_an_error_there_leaves_nothing),
                     MPROC_TEST(a_name_is_removed_only_from_the_segment_that_is_meant),
                     MPROC_TEST(more_than_there_is_is_refused_and_leaves_no_name))
