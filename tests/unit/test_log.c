/* SPDX-License-Identifier: MIT */
/* The logger: levels, the callback, stderr, and what children get. */
#include "mproc.h"
#include "suite.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct seen {
    int count, level;
    char message[100], line[200];
};

static void remember(void *context, int level, const char *message, const char *line)
{
    struct seen *seen = context;
    seen->count++;
    seen->level = level;
    snprintf(seen->message, sizeof seen->message, "%s", message);
    snprintf(seen->line, sizeof seen->line, "%s", line);
}

static void the_callback_gets_messages_from_the_level_on(void)
{
    struct seen seen = { 0 };
    mproc_set_log_callback(remember, &seen);
    CU_ASSERT_EQUAL(mproc_set_log_level(MPROC_LOG_INFO), MPROC_OK);
    mproc_log(MPROC_LOG_DEBUG, "quiet");
    CU_ASSERT_EQUAL(seen.count, 0);
    mproc_log(MPROC_LOG_SUBWARNING, "number %d", 7);
    CU_ASSERT_EQUAL(seen.count, 1);
    CU_ASSERT_EQUAL(seen.level, 25);
    CU_ASSERT_STRING_EQUAL(seen.message, "number 7");
    char expected[100];
    snprintf(expected, sizeof expected, "[SUBWARNING/MainProcess %lld] number 7", (long long) mproc_pid());
    CU_ASSERT_STRING_EQUAL(seen.line, expected);
    mproc_set_log_callback(NULL, NULL);
    CU_ASSERT_EQUAL(mproc_set_log_level(MPROC_LOG_OFF), MPROC_OK);
    mproc_log(MPROC_LOG_ERROR, "nobody listens");
    CU_ASSERT_EQUAL(seen.count, 1);
}

static void levels_out_of_range_are_refused(void)
{
    CU_ASSERT_EQUAL(mproc_set_log_level(0), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_set_log_level(-5), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_set_log_level(1001), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_get_log_level(), MPROC_LOG_OFF);
}

static int log_in_child(void *argument)
{
    (void) argument;
    CHILD_CHECK(mproc_get_log_level() == MPROC_LOG_WARNING);
    mproc_log(MPROC_LOG_WARNING, "from the child");
    return 0;
}

static void a_child_has_its_parents_level_and_prints_its_name_and_pid(void)
{
    const char *const path = "log-of-the-child.txt";
    remove(path);
    CU_ASSERT_EQUAL(mproc_log_to_stderr(MPROC_LOG_WARNING), MPROC_OK);
    const mproc_process_options options = {
        .name = "talker",
        .standard_error = { .kind = MPROC_STDIO_PATH, .path = path },
    };
    mproc_process *process;
    int64_t pid = 0;
    int exit_code = -1;
    CU_ASSERT_EQUAL_FATAL(mproc_process_start(&process, log_in_child, NULL, 0, &options), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_pid(process, &pid), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_join(process, MPROC_FOREVER), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_exit_code(process, &exit_code), MPROC_OK);
    CU_ASSERT_EQUAL(exit_code, 0);
    CU_ASSERT_EQUAL(mproc_process_close(process), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_set_log_level(MPROC_LOG_OFF), MPROC_OK);

    char expected[100], line[200] = "";
    snprintf(expected, sizeof expected, "[WARNING/talker %lld] from the child\n", (long long) pid);
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof line, file));
    fclose(file);
    remove(path);
    CU_ASSERT_STRING_EQUAL(line, expected);
}

MPROC_SUITE(log, MPROC_TEST(the_callback_gets_messages_from_the_level_on),
            MPROC_TEST(levels_out_of_range_are_refused),
            MPROC_TEST(a_child_has_its_parents_level_and_prints_its_name_and_pid))
