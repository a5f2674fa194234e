/* SPDX-License-Identifier: MIT */
/* Examples from which what they show has been taken away (examples.cmake says how): their tests must fail. */
#include "examples.h"

#include <apr_env.h>

/* What nothing excludes need not happen: a test that finds nothing wrong looks again. */
enum { ATTEMPTS = 5, LONGEST = 500 /* seconds for one example */ };

/* Whether the one test of a suite whose name contains `test` fails for the example in this folder. */
static bool fails(const char *broken, const char *suite, const char *test)
{
    const char *program = apr_pstrcat(pool, TESTS_DIR "/test_examples_", suite, system_is_windows() ? ".exe" : "",
                                      NULL);
    const char *arguments[] = { program, test, NULL };
    apr_env_set("MPROC_TEST_EXAMPLES", apr_pstrcat(pool, BROKEN_DIR, "/", broken, NULL), pool);
    struct output output = run_arguments(arguments);
    const char *failed = apr_psprintf(pool, "FAILED %s.%s", suite, test);
    bool told = output.exit_code == 1 && strstr(output.text, failed) && strstr(output.text, ": 1 tests, ");
    if (!told && output.exit_code != 0)
        printf("\n%s\n", output.text);
    CU_ASSERT_TRUE(told || output.exit_code == 0);
    return told;
}

static void every_broken_example_is_found_out(void)
{
    prepare_pool();
    char *state, *list = apr_pstrdup(pool, BROKEN_EXAMPLES);
    for (char *entry = apr_strtok(list, " ", &state); entry; entry = apr_strtok(NULL, " ", &state)) {
        char *suite = strchr(entry, ':'), *test = strrchr(entry, ':');
        *suite++ = *test++ = '\0';
        bool found = false;
        watchdog_start(LONGEST);
        for (int attempt = 0; !found && attempt < ATTEMPTS; attempt++)
            found = fails(entry, suite, test);
        printf("  %s: %s\n", entry, found ? "found out" : "NOT FOUND OUT");
        CU_ASSERT_TRUE(found);
    }
    apr_env_delete("MPROC_TEST_EXAMPLES", pool);
}

MPROC_SUITE(broken, MPROC_TEST(every_broken_example_is_found_out))
