/* SPDX-License-Identifier: MIT */
/* Linux: what a container leaves its processes, with cgroups of the test's own making; and how the family's memory
 * keeps within it. */
#include "heap.h"
#include "system.h"

#include "linux.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEBIBYTE (UINT64_C(1) << 20)

static char folder[300], list[400], mount[400];

static void write_file(const char *path, const char *text)
{
    char whole[800];
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    FILE *file = fopen(whole, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

static void write_number(const char *path, uint64_t number)
{
    char text[40];
    snprintf(text, sizeof text, "%llu\n", (unsigned long long) number);
    write_file(path, text);
}

static void make_folder(const char *path)
{
    char whole[800];
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    CU_ASSERT_TRUE_FATAL(create_folder(whole));
}

/* This process is in the cgroups of that list, from now on. */
static void enter(const char *groups)
{
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("container", folder, sizeof folder));
    snprintf(list, sizeof list, "%s/list", folder);
    snprintf(mount, sizeof mount, "%s/mount", folder);
    write_file("list", groups);
    make_folder("mount");
    mproc__cgroup_list = list;
    mproc__cgroup_mount = mount;
}

static void leave(void)
{
    mproc__cgroup_list = "/proc/self/cgroup";
    mproc__cgroup_mount = "/sys/fs/cgroup";
    remove_folder(folder);
}

static void the_least_of_all_limits_counts(void)
{
    enter("0::/outer/inner\n");
    CU_ASSERT_EQUAL(mproc__cgroup_memory(), UINT64_MAX);
    CU_ASSERT_EQUAL(mproc__cgroup_cpus(64), 64);
    make_folder("mount/outer");
    make_folder("mount/outer/inner");
    write_file("mount/outer/inner/memory.max", "max\n");
    write_number("mount/outer/inner/memory.current", 1000);
    CU_ASSERT_EQUAL(mproc__cgroup_memory(), UINT64_MAX);
    write_number("mount/outer/memory.max", 50000);
    write_number("mount/outer/memory.current", 20000);
    CU_ASSERT_EQUAL(mproc__cgroup_memory(), 30000);
    write_file("mount/outer/memory.stat", "anon 7\nactive_file 100\ninactive_file 20\nshmem 9\n");
    CU_ASSERT_EQUAL(mproc__cgroup_memory(), 30120);
    write_number("mount/outer/inner/memory.max", 900);
    CU_ASSERT_EQUAL(mproc__cgroup_memory(), 0);
    write_file("mount/outer/cpu.max", "150000 100000\n");
    write_file("mount/outer/inner/cpu.max", "max 100000\n");
    CU_ASSERT_EQUAL(mproc__cgroup_cpus(64), 2);
    CU_ASSERT_EQUAL(mproc__cgroup_cpus(1), 1);
    leave();
}

static void the_first_version_of_cgroups_is_asked_too(void)
{
    enter("7:cpu,cpuacct:/c\n5:hugetlb:/\n4:memory:/m\n0::/\n");
    make_folder("mount/memory");
    make_folder("mount/memory/m");
    make_folder("mount/cpu");
    make_folder("mount/cpu/c");
    write_file("mount/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
    write_number("mount/memory/m/memory.usage_in_bytes", 4000);
    CU_ASSERT_TRUE(mproc__cgroup_memory() > UINT64_C(1) << 60);
    write_number("mount/memory/m/memory.limit_in_bytes", 10000);
    CU_ASSERT_EQUAL(mproc__cgroup_memory(), 6000);
    write_file("mount/cpu/c/cpu.cfs_quota_us", "-1\n");
    write_file("mount/cpu/c/cpu.cfs_period_us", "100000\n");
    CU_ASSERT_EQUAL(mproc__cgroup_cpus(64), 64);
    write_file("mount/cpu/c/cpu.cfs_quota_us", "300000\n");
    CU_ASSERT_EQUAL(mproc__cgroup_cpus(64), 3);
    leave();
}

/* ---- the family's memory ---- */

static uint64_t region_memory(void)
{
    return (uint64_t) file_memory(mproc_plat_region_handle());
}

static mproc_memory blocks[60000];

/* The system would not refuse it, but end the process. */
static void small_blocks_end_before_the_container_does(void)
{
    enter("0::/\n");
    uint64_t before = region_memory(), now = before, limit = 20 * MEBIBYTE;
    write_number("mount/memory.max", limit);
    write_number("mount/memory.current", 0);
    size_t count = 0, most = sizeof blocks / sizeof blocks[0];
    while (count < most && mproc_alloc(&blocks[count], 1000) == MPROC_OK) {
        count++;
        if (region_memory() != now) {
            now = region_memory();
            write_number("mount/memory.current", now - before);
        }
    }
    CU_ASSERT_TRUE(strlen(mproc_last_error()) > 20);
    CU_ASSERT_TRUE(now - before <= limit);
    CU_ASSERT_TRUE(now - before >= limit - 3 * MEBIBYTE);
    while (count > 0)
        CHECK_OK(mproc_free(blocks[--count]));
    leave();
}

/* Three runs free, one in use, and so on: no megabyte is left in one place, but memory for many. */
static void what_is_free_goes_back_when_memory_is_short(void)
{
    enum { COUNT = 30000, IN_FOUR_RUNS = 256, SIZE = 1000 };
    enter("0::/\n");
    for (size_t i = 0; i < COUNT; i++)
        CHECK_OK(mproc_alloc(&blocks[i], SIZE));
    for (size_t i = 0; i < COUNT; i++)
        if (i % IN_FOUR_RUNS)
            CHECK_OK(mproc_free(blocks[i]));
        else
            memset(mproc_pointer(blocks[i]), 7, SIZE);
    write_number("mount/memory.max", 100 * MEBIBYTE);
    write_number("mount/memory.current", 100 * MEBIBYTE);
    uint64_t before = region_memory();
    mproc_memory large;
    int refused = 0;
    CHECK_FAILS(mproc_alloc(&large, MEBIBYTE), MPROC_ENOMEM);
    CU_ASSERT_TRUE(region_memory() < before - COUNT * UINT64_C(1024) * 4 / 10);
    /* What was given back can only be had if there is memory for it. Then it is had where it was, and is zero. */
    uint64_t end = atomic_load(&mproc__family()->frontier);
    bool zero = true;
    for (size_t i = 0; i < COUNT; i++) {
        if (i % IN_FOUR_RUNS == 0)
            continue;
        if (mproc_alloc(&blocks[i], SIZE) != MPROC_OK) {
            CU_ASSERT_TRUE(i < COUNT / 3);
            write_number("mount/memory.current", 50 * MEBIBYTE);
            CU_ASSERT_TRUE(refused++ == 0);
            CHECK_OK(mproc_alloc(&blocks[i], SIZE));
        }
        const unsigned char *bytes = mproc_pointer(blocks[i]);
        zero = zero && bytes && bytes[0] == 0 && bytes[SIZE - 1] == 0;
        memset(mproc_pointer(blocks[i]), 7, SIZE);
    }
    CU_ASSERT_EQUAL(refused, 1);
    CU_ASSERT_TRUE(zero);
    CU_ASSERT_EQUAL(atomic_load(&mproc__family()->frontier), end);
    CHECK_OK(mproc_alloc(&large, MEBIBYTE));
    CHECK_OK(mproc_free(large));
    bool intact = true;
    for (size_t i = 0; i < COUNT; i++) {
        const unsigned char *bytes = mproc_pointer(blocks[i]);
        intact = intact && bytes && bytes[0] == 7 && bytes[SIZE / 2] == 7 && bytes[SIZE - 1] == 7;
        CHECK_OK(mproc_free(blocks[i]));
    }
    CU_ASSERT_TRUE(intact);
    leave();
}

/* What the family has already, it can use though there is no more. */
static void free_neighbours_are_used_when_there_is_no_memory(void)
{
    enum { COUNT = 40, SIZE = 190000 };
    mproc_memory large;
    enter("0::/\n");
    for (size_t i = 0; i < COUNT; i++)
        CHECK_OK(mproc_alloc(&blocks[i], SIZE));
    write_number("mount/memory.max", 100 * MEBIBYTE);
    write_number("mount/memory.current", 100 * MEBIBYTE);
    size_t count = COUNT; /* and what it has from other tests */
    while (mproc_alloc(&blocks[count], SIZE) == MPROC_OK)
        count++;
    for (size_t i = COUNT / 2; i < COUNT / 2 + 3; i++) {
        CHECK_FAILS(mproc_alloc(&large, 3 * SIZE), MPROC_ENOMEM);
        CHECK_OK(mproc_free(blocks[i]));
        blocks[i].id = 0;
    }
    CHECK_OK(mproc_alloc(&large, 3 * SIZE));
    CHECK_OK(mproc_free(large));
    while (count > 0)
        CHECK_OK(mproc_free(blocks[--count]));
    leave();
}

/* Blocks of all kinds come and go, and every so often there is no memory for a while. */
static void a_heap_without_memory_stays_whole(void)
{
    static const size_t sizes[] = { 40, 3000, 50000, 100000, 1500000, 18 * MEBIBYTE };
    enum { HELD = 40, ROUNDS = 2000, SIZES = sizeof sizes / sizeof sizes[0] };
    mproc_memory held[HELD] = { { 0 } };
    uint64_t random = 88172645463325252u;
    int refused = 0, wrong = 0;
    enter("0::/\n");
    write_number("mount/memory.max", 2000 * MEBIBYTE);
    for (int i = 0; i < ROUNDS; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        if (i % 50 == 0)
            write_number("mount/memory.current", random >> 40 & 1 ? 0 : 2000 * MEBIBYTE);
        size_t at = random % HELD, size = sizes[random / HELD % SIZES];
        if (held[at].id) {
            const unsigned char *bytes = mproc_pointer(held[at]);
            size = mproc_size(held[at]);
            wrong += !bytes || bytes[0] != at + 1 || bytes[size / 2] != at + 1 || bytes[size - 1] != at + 1 ||
                     mproc_free(held[at]) != MPROC_OK;
            held[at].id = 0;
        } else if (mproc_alloc(&held[at], size) == MPROC_OK) {
            unsigned char *bytes = mproc_pointer(held[at]);
            wrong += bytes[0] || bytes[size / 2] || bytes[size - 1];
            bytes[0] = bytes[size / 2] = bytes[size - 1] = (unsigned char) (at + 1);
        } else {
            refused++;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(refused > 0);
    for (size_t at = 0; at < HELD; at++)
        CHECK_OK(mproc_free(held[at]));
    check_heap(0);
    leave();
}

/* Memory is taken in portions: the second one crosses a limit. */
static void a_commit_that_fails_takes_nothing(void)
{
    uint64_t end = mproc__arena_limit(), before = region_memory();
    struct rlimit limit, whole;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &whole), 0);
    limit = whole;
    limit.rlim_cur = (rlim_t) end;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_FAILS(mproc_plat_region_commit(end - 48 * MEBIBYTE, 96 * MEBIBYTE), MPROC_ENOMEM);
    CU_ASSERT_EQUAL(region_memory(), before);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &whole), 0);
    signal(SIGXFSZ, handler);
}

static void the_familys_memory_is_not_executable(void)
{
    struct stat file;
    int descriptor = memfd_create("test", MFD_CLOEXEC | 0x0008U /* MFD_NOEXEC_SEAL */);
    if (descriptor < 0) {
        skip("this Linux makes no memory that is not");
        return;
    }
    close(descriptor);
    CU_ASSERT_EQUAL_FATAL(fstat((int) mproc_plat_region_handle(), &file), 0);
    CU_ASSERT_EQUAL(file.st_mode & 0111, 0);
}

MPROC_SUITE(container, MPROC_TEST(the_least_of_all_limits_counts),
            MPROC_TEST(the_first_version_of_cgroups_is_asked_too),
            MPROC_TEST(small_blocks_end_before_the_container_does),
            MPROC_TEST(what_is_free_goes_back_when_memory_is_short),
            MPROC_TEST(free_neighbours_are_used_when_there_is_no_memory),
            MPROC_TEST(a_heap_without_memory_stays_whole), MPROC_TEST(a_commit_that_fails_takes_nothing),
            MPROC_TEST(the_familys_memory_is_not_executable))
