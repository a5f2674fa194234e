/* SPDX-License-Identifier: MIT */
/* The boundary: the memory that all processes of a family map. */
#include "contract.h"

#define GRANULE UINT64_C(65536)

/* Where this suite has committed up to. */
static uint64_t frontier = GRANULE;

static uint64_t commit(uint64_t size)
{
    uint64_t offset = mproc_plat_region_fit(frontier, size);
    CU_ASSERT_NOT_EQUAL_FATAL(offset, UINT64_MAX);
    CU_ASSERT_TRUE(offset >= frontier);
    CU_ASSERT_EQUAL_FATAL(mproc_plat_region_commit(offset, size), MPROC_OK);
    frontier = offset + size;
    return offset;
}

/* The first bytes are core's: here, the offset that parent and child talk about. */
static _Atomic uint64_t *subject(void)
{
    return mproc_plat_region_at(0);
}

enum { CANNOT = 77 };

/* A region of which there can only be 64 MiB. */
static int use_little_memory(void)
{
    uint64_t limit = UINT64_C(1) << 32, offset = GRANULE, most = 1024 * GRANULE;
    if (!TELLS_BY_PIPE || !shrink_shared_memory(most))
        return CANNOT;
    if (mproc_plat_region_create(&limit) != MPROC_OK)
        return 4;
    int64_t before = file_memory(mproc_plat_region_handle());
    if (mproc_plat_region_commit(offset, most + 600 * GRANULE) != MPROC_ENOMEM)
        return 5;
    if (file_memory(mproc_plat_region_handle()) != before)
        return 6;
    while (offset < most && mproc_plat_region_commit(offset, 4 * GRANULE) == MPROC_OK)
        offset += 4 * GRANULE;
    if (offset < most * 9 / 10 || offset >= most)
        return 7;
    memset(mproc_plat_region_at(GRANULE), 1, offset - GRANULE);
    return 0;
}

static int child(const char *boot)
{
    char task[40];
    if (strcmp(boot, "little") == 0)
        return use_little_memory();
    if (!attach_region(boot, task))
        return 1;
    uint64_t offset = atomic_load(subject());
    if (strcmp(task, "read") == 0) {
        const unsigned char *bytes = mproc_plat_region_at(offset);
        for (uint64_t i = 0; i < 3 * GRANULE; i++)
            if (!bytes || bytes[i] != (unsigned char) (i * 13))
                return 2;
        return 0;
    }
    offset = mproc_plat_region_fit(offset, 400 * GRANULE);
    if (offset == UINT64_MAX || mproc_plat_region_commit(offset, 400 * GRANULE) != MPROC_OK)
        return 3;
    memset(mproc_plat_region_at(offset), 0x3c, 400 * GRANULE);
    atomic_store(subject(), offset);
    return 0;
}

static void a_new_region_has_its_first_page(void)
{
    make_region();
    CU_ASSERT_TRUE(region_limit >= 64 << 20);
    CU_ASSERT_NOT_EQUAL(mproc_plat_region_handle(), MPROC_PLAT_NONE);
    unsigned char *first = mproc_plat_region_at(0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    for (int i = 0; i < MPROC_PLAT_REGION_PRIVATE; i++)
        CU_ASSERT_EQUAL(first[i], 0);
    CU_ASSERT_EQUAL(mproc_plat_region_offset(first), 0);
    CU_ASSERT_EQUAL(mproc_plat_region_offset(first + 4095), 4095);
}

static void an_address_elsewhere_has_no_offset(void)
{
    make_region();
    int on_the_stack;
    CU_ASSERT_EQUAL(mproc_plat_region_offset(&on_the_stack), UINT64_MAX);
    CU_ASSERT_EQUAL(mproc_plat_region_offset(NULL), UINT64_MAX);
}

static void committed_bytes_are_zero_and_keep_what_is_written(void)
{
    make_region();
    static const uint64_t sizes[] = { 1, 2, 16, 100 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t size = sizes[i] * GRANULE, offset = commit(size);
        unsigned char *bytes = mproc_plat_region_at(offset);
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        CU_ASSERT_EQUAL(mproc_plat_region_offset(bytes), offset);
        CU_ASSERT_EQUAL(mproc_plat_region_offset(bytes + size - 1), offset + size - 1);
        bool zero = true;
        for (uint64_t at = 0; at < size; at++)
            zero = zero && bytes[at] == 0;
        CU_ASSERT_TRUE(zero);
        memset(bytes, 0x91, size);
        CHECK_OK(mproc_plat_region_commit(offset, size)); /* may be repeated */
        CU_ASSERT_EQUAL(bytes[size / 2], 0x91);
    }
}

static void released_bytes_can_be_committed_again(void)
{
    make_region();
    uint64_t size = 64 * GRANULE, offset = commit(size);
    unsigned char *bytes = mproc_plat_region_at(offset);
    memset(bytes, 0x42, size);
    mproc_plat_region_release(offset, size);
    CHECK_OK(mproc_plat_region_commit(offset, size));
    bool allowed = true;
    for (uint64_t at = 0; at < size; at += 100)
        allowed = allowed && (bytes[at] == 0 || bytes[at] == 0x42);
    CU_ASSERT_TRUE(allowed);
    memset(bytes, 0x43, size);
    CU_ASSERT_EQUAL(bytes[size - 1], 0x43);
}

static void released_bytes_go_back_to_the_system(void)
{
    make_region();
    uint64_t size = 64 * GRANULE;
    int64_t before = file_memory(mproc_plat_region_handle());
    uint64_t offset = commit(size);
    int64_t with = file_memory(mproc_plat_region_handle());
    if (with <= before) {
        skip("this system does not tell how much memory the region has");
        return;
    }
    CU_ASSERT_TRUE(with >= before + (int64_t) size);
    if (TELLS_BY_PIPE) {
        skip("plain POSIX gives no memory back");
        return;
    }
    mproc_plat_region_release(offset, size);
    CU_ASSERT_TRUE(file_memory(mproc_plat_region_handle()) <= before);
    CHECK_OK(mproc_plat_region_commit(offset, size));
    CU_ASSERT_TRUE(file_memory(mproc_plat_region_handle()) >= before + (int64_t) size);
}

/* Not when it is used, and it takes nothing. */
static void what_the_system_has_not_is_refused_at_once(void)
{
    struct mproc_plat_process process = spawn_child("little", MPROC_PLAT_NONE);
    int exit_code = reap_child(&process);
    if (exit_code == CANNOT)
        skip("the region is not of /dev/shm, or that cannot be made smaller here");
    else
        CU_ASSERT_EQUAL(exit_code, 0);
}

/* A process whose descriptors were closed, and given to others, before it came to attach. */
static void what_is_no_region_is_not_attached(void)
{
    make_region();
    mproc_plat_handle ours = mproc_plat_region_handle();
    unsigned char *bytes = mproc_plat_region_at(commit(GRANULE));
    char folder[300], path[400];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("region", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/file", folder);
    intptr_t file = native_open(path, true);
    CU_ASSERT_TRUE_FATAL(native_write(file, "this is no region"));
    CHECK_FAILS(mproc_plat_region_attach(MPROC_PLAT_NONE, region_limit), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_region_attach(file, region_limit), MPROC_EINVAL);
    native_close(file);
    CHECK_FAILS(mproc_plat_region_attach(file, region_limit), MPROC_EINVAL);
    remove_folder(folder);
    CU_ASSERT_EQUAL(mproc_plat_region_handle(), ours);
    bytes[7] = 1; /* still there */
}

static void what_does_not_fit_has_no_place(void)
{
    make_region();
    CU_ASSERT_EQUAL(mproc_plat_region_fit(frontier, UINT64_MAX / 2), UINT64_MAX);
    CU_ASSERT_EQUAL(mproc_plat_region_fit(frontier, UINT64_C(1) << 50), UINT64_MAX);
}

static void the_near_address_means_the_same_bytes(void)
{
    make_region();
    unsigned char *bytes = mproc_plat_region_at(commit(GRANULE));
    unsigned char *again = mproc_plat_region_near(bytes, GRANULE);
    again[77] = 0x5a;
    CU_ASSERT_EQUAL(bytes[77], 0x5a);
    bytes[GRANULE - 1] = 0xa5;
    CU_ASSERT_EQUAL(again[GRANULE - 1], 0xa5);
}

static void far_bytes_are_their_own_near_ones(void)
{
    make_region();
    unsigned char *bytes = mproc_plat_region_at(commit(1000 * GRANULE));
    unsigned char *again = mproc_plat_region_near(bytes, 1000 * GRANULE);
    CU_ASSERT_PTR_EQUAL(again, bytes);
}

/* core looks forged handles up with it: below the frontier every offset can be asked for, also where the end of a
 * block was left out. */
static void any_offset_below_the_highest_can_be_read(void)
{
    make_region();
    commit(GRANULE);
    frontier += 20 * GRANULE;
    commit(GRANULE);
    volatile unsigned char sum = 0;
    bool mapped = true;
    for (uint64_t offset = 0; offset < frontier; offset += 4096) {
        const unsigned char *byte = mproc_plat_region_at(offset);
        mapped = mapped && (!byte || mproc_plat_address_mapped(byte)); /* Wine lets what is not be read */
        if (byte)
            sum = (unsigned char) (sum + *byte);
    }
    CU_ASSERT_TRUE(mapped);
    (void) sum; /* that all of it could be read is the test */
    CU_ASSERT_PTR_NOT_NULL(mproc_plat_region_at(frontier - 1));
}

static void a_spawned_process_sees_the_same_bytes(void)
{
    make_region();
    uint64_t offset = commit(3 * GRANULE);
    unsigned char *bytes = mproc_plat_region_at(offset);
    for (uint64_t i = 0; i < 3 * GRANULE; i++)
        bytes[i] = (unsigned char) (i * 13);
    atomic_store(subject(), offset);
    struct mproc_plat_process process = spawn_child(boot_with_region("read"), mproc_plat_region_handle());
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    atomic_store(subject(), 0);
}

/* It may also end afterwards: what it has committed stays. */
static void what_another_process_commits_is_there_too(void)
{
    make_region();
    for (int round = 0; round < 4; round++) {
        atomic_store(subject(), frontier);
        struct mproc_plat_process process =
            spawn_child(boot_with_region("grow"), mproc_plat_region_handle());
        CU_ASSERT_EQUAL_FATAL(reap_child(&process), 0);
        uint64_t offset = atomic_load(subject());
        CU_ASSERT_TRUE_FATAL(offset >= frontier);
        const unsigned char *bytes = mproc_plat_region_at(offset);
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        CU_ASSERT_TRUE(bytes[0] == 0x3c && bytes[400 * GRANULE - 1] == 0x3c);
        frontier = offset + 400 * GRANULE;
    }
    atomic_store(subject(), 0);
}

MPROC_CONTRACT_SUITE(region, child, MPROC_TEST(a_new_region_has_its_first_page),
                     MPROC_TEST(an_address_elsewhere_has_no_offset),
                     MPROC_TEST(committed_bytes_are_zero_and_keep_what_is_written),
                     MPROC_TEST(released_bytes_can_be_committed_again),
                     MPROC_TEST(released_bytes_go_back_to_the_system),
                     MPROC_TEST(what_the_system_has_not_is_refused_at_once),
                     MPROC_TEST(what_is_no_region_is_not_attached),
                     MPROC_TEST(what_does_not_fit_has_no_place),
                     MPROC_TEST(the_near_address_means_the_same_bytes),
                     MPROC_TEST(far_bytes_are_their_own_near_ones),
                     MPROC_TEST(any_offset_below_the_highest_can_be_read),
                     MPROC_TEST(a_spawned_process_sees_the_same_bytes),
                     MPROC_TEST(what_another_process_commits_is_there_too))
