/* SPDX-License-Identifier: MIT */
/* Programs run in one call, and Popen: what Python's subprocess documentation says, and what can go
 * wrong. */
#include "suite.h"
#include "system.h"

#include "platform.h"

#include <stdarg.h>

#define HELPER PROGRAM("helper")
#define HELP(...) MPROC_ARGV(HELPER, __VA_ARGS__)

/* ---- run ---- */

static void run_gives_the_return_code(void)
{
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("exit", "0"), NULL, 60000));
    CU_ASSERT_EQUAL(completed.returncode, 0);
    CU_ASSERT_PTR_NULL(completed.output);
    CU_ASSERT_PTR_NULL(completed.error);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_run(&completed, HELP("exit", "7"), NULL, 60000));
    CU_ASSERT_EQUAL(completed.returncode, 7);
    CHECK_FAILS(mproc_check_returncode(&completed), MPROC_EEXITCODE);
    CHECK_OK(mproc_run(NULL, HELP("exit", "7"), NULL, MPROC_FOREVER));
}

static void capture_output_gives_stdout_and_stderr(void)
{
    mproc_run_options options = { .capture_output = true };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("both"), &options, 60000));
    CU_ASSERT_STRING_EQUAL(completed.output, "to stdout\n");
    CU_ASSERT_STRING_EQUAL(completed.error, "to stderr\n");
    CU_ASSERT_EQUAL(completed.output_size, 10);
    CU_ASSERT_EQUAL(completed.error_size, 10);
    mproc_completed_free(&completed);
    CU_ASSERT_PTR_NULL(completed.output);
}

static void input_goes_to_stdin(void)
{
    mproc_run_options options = { .capture_output = true, .input = "some input", .input_size = 10 };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("copy"), &options, 60000));
    CU_ASSERT_STRING_EQUAL(completed.output, "some input");
    CU_ASSERT_EQUAL(completed.returncode, 0);
    mproc_completed_free(&completed);
}

static void empty_input_is_the_end_of_the_file_at_once(void)
{
    mproc_run_options options = { .capture_output = true, .input = "" };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("copy"), &options, 60000));
    CU_ASSERT_STRING_EQUAL(completed.output, "");
    CU_ASSERT_EQUAL(completed.output_size, 0);
    mproc_completed_free(&completed);
}

MPROC_SUITE(subprocess, MPROC_TEST(run_gives_the_return_code),
            MPROC_TEST(capture_output_gives_stdout_and_stderr), MPROC_TEST(input_goes_to_stdin),
            MPROC_TEST(empty_input_is_the_end_of_the_file_at_once))
