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

static int child(const char *boot)
{
    struct mproc_plat_named named;
    if (mproc_plat_named_attach(boot, &named) != MPROC_OK)
        return 1;
    ((char *) named.address)[5] = 'c';
    mproc_plat_named_close(&named);
    return 0;
}

static void a_new_segment_is_zero_and_its_size_is_as_asked(void)
{
    struct mproc_plat_named named;
    CHECK_OK(mproc_plat_named_create(make_name(), 100000, &named));
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
    CHECK_OK(mproc_plat_named_create(name, 10, &named));
    CHECK_FAILS(mproc_plat_named_create(name, 10, &other), MPROC_EEXIST);
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
    CHECK_OK(mproc_plat_named_create(make_name(), 10, &first));
    CHECK_OK(mproc_plat_named_unlink(name, first.identity));
    CHECK_FAILS(mproc_plat_named_unlink(name, first.identity), MPROC_ENOTFOUND);
    CHECK_OK(mproc_plat_named_create(name, 10, &second));
    CHECK_FAILS(mproc_plat_named_unlink(name, first.identity), MPROC_ENOTFOUND);
    CHECK_OK(mproc_plat_named_unlink(name, second.identity));
    mproc_plat_named_close(&first);
    mproc_plat_named_close(&second);
}

static void another_process_sees_the_same_bytes(void)
{
    struct mproc_plat_named named;
    CHECK_OK(mproc_plat_named_create(make_name(), 10, &named));
    struct mproc_plat_process process = spawn_child(name, MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    CU_ASSERT_EQUAL(((char *) named.address)[5], 'c');
    CHECK_OK(mproc_plat_named_unlink(name, named.identity));
    mproc_plat_named_close(&named);
}

MPROC_CONTRACT_SUITE(named, child, MPROC_TEST(a_new_segment_is_zero_and_its_size_is_as_asked),
                     MPROC_TEST(a_name_is_given_once), MPROC_TEST(unlinking_spares_anothers_segment),
                     MPROC_TEST(another_process_sees_the_same_bytes))
