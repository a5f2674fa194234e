/* SPDX-License-Identifier: MIT */
/* The entry guard and the names of functions, in programs of all kinds. */
#include "suite.h"
#include "system.h"

#include "platform.h"

static char output[2000];

/* Runs a helper program under the start method of this test. */
static void run_helper(const char *name, const char *argument, const char *expected)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s%s", TEST_PROGRAMS, name, system_is_windows() ? ".exe" : "");
    if (!file_exists(path)) {
        snprintf(output, sizeof output, "%s could not be built here", name);
        skip_part(output);
        return;
    }
    CU_ASSERT_EQUAL(run_program(path, argument, output, sizeof output), 0);
    if (!strstr(output, expected))
        printf("  %s printed: %s\n", name, output);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, expected));
}

static void a_start_before_the_guard_says_what_to_add(void)
{
    run_helper("guard_program", "start-before-init", "MPROC_ENOINIT");
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "mproc_init()"));
}

static void a_guarded_program_runs_its_target(void)
{
    run_helper("guard_program", "good", "exit code 4");
}

static void check_mistake(const char *mistake, const char *way, const char *expected)
{
    if (method_under_test() == MPROC_START_FORK) {
        skip("a forked child needs no guard");
        return;
    }
    /* Who returns has time to; who hangs need not be waited for. */
    const char *timeout = strcmp(mistake, "hangs") == 0 ? "300" : "30000";
    CHECK_OK(mproc_plat_set_environment("MISTAKE", mistake));
    CHECK_OK(mproc_plat_set_environment("WAY", way));
    CHECK_OK(mproc_plat_set_environment("MPROC_GUARD_TIMEOUT", timeout));
    run_helper("guard_program", mistake, expected);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "mproc_init()"));
    CHECK_OK(mproc_plat_set_environment("MISTAKE", NULL));
    CHECK_OK(mproc_plat_set_environment("WAY", NULL));
    CHECK_OK(mproc_plat_set_environment("MPROC_GUARD_TIMEOUT", NULL));
}

static void a_child_that_ends_before_its_guard_is_reported(void)
{
    check_mistake("returns", "join", "MPROC_ENOGUARD");
}

static void a_child_that_never_reaches_its_guard_is_killed_and_reported(void)
{
    static const char *const ways[] = { "join", "wait_any", "wait", "is_alive" };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        check_mistake("hangs", ways[i], "MPROC_ENOGUARD");
}

static void a_pool_whose_workers_never_reach_their_guard_breaks(void)
{
    /* The forkserver's template never serves, so that the pool is not even created. */
    check_mistake("hangs", "pool", method_under_test() == MPROC_START_SPAWN ? "MPROC_EBROKEN" : "MPROC_ENOGUARD");
}

static int return_zero(void *argument)
{
    (void) argument;
    return 0;
}

static void another_executable_is_refused_in_the_parent(void)
{
    if (method_under_test() == MPROC_START_FORK) {
        skip("a fork runs no executable");
        return;
    }
    mproc_process_options options = { .start_method = MPROC_START_SPAWN };
    mproc_process *process = NULL;
    char path[1000];
    snprintf(path, sizeof path, "%s/identity_program%s", TEST_PROGRAMS, system_is_windows() ? ".exe" : "");
    CU_ASSERT_EQUAL(mproc_set_executable(path), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_start(&process, return_zero, NULL, 0, &options), MPROC_EIMAGE);
    CU_ASSERT_TRUE(strlen(mproc_last_error()) > 20);
    CU_ASSERT_EQUAL(mproc_set_executable("no/such/program"), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_start(&process, return_zero, NULL, 0, &options), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NULL(process);

    static struct mproc_plat_image own;
    CHECK_OK(mproc_plat_image_main(&own));
    CHECK_OK(mproc_set_executable(own.path));
    CU_ASSERT_EQUAL(run_child(return_zero, NULL, 0, &options), 0);
    CU_ASSERT_EQUAL(mproc_set_executable(NULL), MPROC_OK);
    CU_ASSERT_EQUAL(run_child(return_zero, NULL, 0, &options), 0);
}

static void static_functions_are_found_in_programs_of_all_kinds(void)
{
    run_helper("identity_program", NULL, "identity ok");
    run_helper("identity_program_nopie", NULL, "identity ok");
    run_helper("identity_program_stripped", NULL, "identity ok");
    run_helper("identity_program_static", NULL, "identity ok");
}

static void a_target_may_lie_in_a_shared_library(void)
{
    run_helper("library_program", NULL, "library ok");
}

static void the_programs_path_may_have_blanks_and_umlauts(void)
{
    char folder[600], from[1000], to[1000];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("gu\xc3\xa4rd \xe4\xb8\xad x", folder, sizeof folder));
    const char *suffix = system_is_windows() ? ".exe" : "";
    snprintf(from, sizeof from, "%s/identity_program%s", TEST_PROGRAMS, suffix);
    snprintf(to, sizeof to, "%s/a \xc3\xbc program%s", folder, suffix);
    CU_ASSERT_TRUE_FATAL(copy_a_file(from, to));
    CU_ASSERT_EQUAL(run_program(to, NULL, output, sizeof output), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "identity ok"));
    remove_folder(folder);
}

static int check_boot_is_gone(void *argument)
{
    (void) argument;
    return getenv("MPROC_BOOT") != NULL;
}

static void the_boot_variable_is_not_handed_on(void)
{
    CU_ASSERT_EQUAL(run_child(check_boot_is_gone, NULL, 0, NULL), 0);
}

/* ---- settings in the environment ---- */

static void check_setting(const char *setting, bool means_something)
{
    const char *const environment[] = { setting, NULL };
    const char *const argv[] = { PROGRAM("guard_program"), "good", NULL };
    const mproc_run_options options = { .start = { .environment = environment }, .capture_output = true };
    mproc_completed completed;
    CU_ASSERT_EQUAL_FATAL(mproc_run(&completed, argv, &options, 60000), MPROC_OK);
    char sentence[100];
    snprintf(sentence, sizeof sentence, "mproc_init: %.*s is \"%s\"; it must be ",
             (int) strcspn(setting, "="), setting, strchr(setting, '=') + 1);
    bool refused = completed.returncode == 1 && strstr(completed.error, sentence) != NULL;
    bool runs = completed.returncode == 0 && strstr(completed.output, "exit code 4") != NULL;
    if (means_something ? !runs : !refused)
        printf("  %s: %d, %s%s", setting, completed.returncode, completed.output, completed.error);
    CU_ASSERT_TRUE(means_something ? runs : refused);
    mproc_completed_free(&completed);
}

static void a_setting_that_means_nothing_is_refused_with_a_sentence(void)
{
    static const char *const wrong[] = {
        "MPROC_ARENA_LIMIT=64M",     "MPROC_ARENA_LIMIT=1000", "MPROC_ARENA_LIMIT=-1",
        "MPROC_CPU_COUNT=0",         "MPROC_CPU_COUNT=two",    "MPROC_CPU_COUNT=4294967297",
        "MPROC_GUARD_TIMEOUT=30 s",  "MPROC_GUARD_TIMEOUT=0",  "MPROC_GUARD_TIMEOUT=99999999999999999999",
        "MPROC_START_METHOD=thread",
    };
    static const char *const right[] = { "MPROC_ARENA_LIMIT=134217728", "MPROC_ARENA_LIMIT=", "MPROC_CPU_COUNT=3",
                                         "MPROC_GUARD_TIMEOUT=60000", "MPROC_START_METHOD=spawn" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_setting(wrong[i], false);
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        check_setting(right[i], true);
}

MPROC_SUITE(guard, MPROC_TEST(a_start_before_the_guard_says_what_to_add),
            MPROC_TEST(a_guarded_program_runs_its_target),
            MPROC_TEST(a_child_that_ends_before_its_guard_is_reported),
            MPROC_TEST(a_child_that_never_reaches_its_guard_is_killed_and_reported),
            MPROC_TEST(a_pool_whose_workers_never_reach_their_guard_breaks),
            MPROC_TEST(another_executable_is_refused_in_the_parent),
            MPROC_TEST(static_functions_are_found_in_programs_of_all_kinds),
            MPROC_TEST(a_target_may_lie_in_a_shared_library),
            MPROC_TEST(the_programs_path_may_have_blanks_and_umlauts),
            MPROC_TEST(the_boot_variable_is_not_handed_on),
            MPROC_TEST(a_setting_that_means_nothing_is_refused_with_a_sentence))
