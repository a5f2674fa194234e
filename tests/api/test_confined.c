/* SPDX-License-Identifier: MIT */
/* Limits that a child is given, and what they do to it. */
#include "suite.h"
#include "system.h"

enum { CPU_TIME = 24, FILE_SIZE = 25 }; /* SIGXCPU, SIGXFSZ */

static int use_cpu(void *argument)
{
    volatile unsigned long long count = 0;
    (void) argument;
    /* Many seconds, should nobody end it. */
    while (count < 40000000000ull)
        count++;
    return 3;
}

static void cpu_seconds_end_a_child_that_needs_more(void)
{
    const mproc_process_options options = { .limits = { .cpu_seconds = 1 } };
    if (skip_if_emulated("qemu-user does not count a program's time"))
        return;
    if (system_is_wine()) {
        skip("Wine's jobs do not limit time");
        return;
    }
    int code = run_child(use_cpu, NULL, 0, &options);
    CU_ASSERT_TRUE(system_is_windows() ? code != 3 : code == -CPU_TIME);
}

static int write_two_thousand_bytes(void *argument)
{
    static const char bytes[2000] = "x";
    (void) argument;
    FILE *file = fopen("limited", "wb");
    CHILD_CHECK(file);
    size_t written = fwrite(bytes, 1, sizeof bytes, file);
    return fclose(file) == 0 && written == sizeof bytes ? 3 : 4;
}

static int tell_core_limit(void *argument)
{
    uint64_t limit = soft_limit_of("core");
    (void) argument;
    return limit == 0 ? 1 : limit == 12288 ? 2 : 3;
}

static void file_bytes_end_a_child_that_writes_more(void)
{
    mproc_process_options options = { .limits = { .file_bytes = 1000 } };
    if (system_is_windows()) {
        mproc_process *process;
        CHECK_FAILS(mproc_process_start(&process, tell_core_limit, NULL, 0, &options), MPROC_ENOTSUP);
        return;
    }
    if (skip_if_emulated("qemu-user does not limit files"))
        return;
    CU_ASSERT_EQUAL(run_child(write_two_thousand_bytes, NULL, 0, &options), -FILE_SIZE);
    options.limits.file_bytes = 2000;
    CU_ASSERT_EQUAL(run_child(write_two_thousand_bytes, NULL, 0, &options), 3);
    remove_file("limited");
}

static void core_bytes_are_the_childs_limit(void)
{
    mproc_process_options options = { .limits = { .core_bytes = MPROC_LIMIT_ZERO } };
    if (system_is_windows()) {
        mproc_process *process;
        CHECK_FAILS(mproc_process_start(&process, tell_core_limit, NULL, 0, &options), MPROC_ENOTSUP);
        options = (mproc_process_options){ .limits = { .open_descriptors = 100 } };
        CHECK_FAILS(mproc_process_start(&process, tell_core_limit, NULL, 0, &options), MPROC_ENOTSUP);
        return;
    }
    if (skip_if_emulated("qemu-user does not limit cores"))
        return;
    CU_ASSERT_EQUAL(run_child(tell_core_limit, NULL, 0, &options), 1);
    options.limits.core_bytes = 12288;
    CU_ASSERT_EQUAL(run_child(tell_core_limit, NULL, 0, &options), 2);
}

enum { UNREACHABLE = 2 };

/* Only root may give a child more than it may have itself. */
static int ask_for_more(void *argument)
{
    mproc_process_options options = { .limits = { .open_descriptors = 300 } };
    mproc_process *process = NULL;
    (void) argument;
    (void) become_nobody();
    if (method_under_test() != MPROC_START_FORK && !file_exists(PROGRAM("helper")))
        return UNREACHABLE;
    mproc_err err = mproc_process_start(&process, tell_core_limit, NULL, 0, &options);
    CHILD_CHECK(err == MPROC_EPERM && !process && strstr(mproc_last_error(), "open_descriptors"));
    options.limits.open_descriptors = 150;
    CHILD_OK(mproc_process_start(&process, tell_core_limit, NULL, 0, &options));
    CHILD_OK(mproc_process_join(process, 60000));
    return 0;
}

static void more_than_the_parent_may_have_is_refused(void)
{
    const mproc_process_options options = { .limits = { .open_descriptors = 200 } };
    if (system_is_windows() || skip_if_emulated("qemu-user does not pass on limits")) {
        if (system_is_windows())
            skip("Windows does not limit descriptors");
        return;
    }
    int exit_code = run_child(ask_for_more, NULL, 0, &options);
    if (exit_code == UNREACHABLE)
        skip("a user without rights cannot reach this program: a folder above it is closed to others");
    else
        CU_ASSERT_EQUAL(exit_code, 0);
}

MPROC_SUITE(confined, MPROC_TEST(cpu_seconds_end_a_child_that_needs_more),
            MPROC_TEST(file_bytes_end_a_child_that_writes_more), MPROC_TEST(core_bytes_are_the_childs_limit),
            MPROC_TEST(more_than_the_parent_may_have_is_refused))
