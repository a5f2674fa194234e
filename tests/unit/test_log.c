/* SPDX-License-Identifier: MIT */
/* The logger: levels, the callback, stderr, and what children get. */
#include "mproc.h"
#include "runtime.h"
#include "suite.h"
#include "system.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct seen {
    int count, level;
    char message[900], line[1200];
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

static void a_long_message_is_cut_and_says_so(void)
{
    struct seen seen = { 0 };
    mproc_set_log_callback(remember, &seen);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_INFO));
    char text[1000];
    memset(text, 'x', sizeof text);
    for (size_t length = 799; length <= 800; length++) {
        text[length] = '\0';
        mproc_log(MPROC_LOG_INFO, "%s", text);
        CU_ASSERT_EQUAL(strlen(seen.message), 799);
        CU_ASSERT_STRING_EQUAL(seen.message + 796, length == 799 ? "xxx" : "...");
        CU_ASSERT_STRING_EQUAL(seen.line + strlen(seen.line) - 799, seen.message);
        text[length] = 'x';
    }
    mproc_set_log_callback(NULL, NULL);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_OFF));
}

/* ---- what a callback may do ---- */

static int return_zero(void *argument)
{
    (void) argument;
    return 0;
}

static atomic_int asked;

/* Each of these takes mproc's mutex. */
static void ask(void *context, int level, const char *message, const char *line)
{
    bool alive = false;
    size_t count;
    (void) context;
    (void) level;
    (void) message;
    (void) line;
    mproc_process *self = mproc_current_process();
    if (mproc_process_name(self) && mproc_process_is_alive(self, &alive) == MPROC_OK && alive &&
        mproc_active_children(NULL, 0, &count) == MPROC_OK)
        atomic_fetch_add(&asked, 1);
}

static void the_callback_may_ask_about_processes(void)
{
    atomic_store(&asked, 0);
    mproc_set_log_callback(ask, NULL);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_DEBUG));
    CU_ASSERT_EQUAL(run_child(return_zero, NULL, 0, NULL), 0);
    mproc_set_log_callback(NULL, NULL);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_OFF));
    CU_ASSERT_TRUE(asked >= 1); /* of its start; of its end too unless the callback itself has seen that */
}

/* "started", in the process that the context names, starts another child. */
static void start_one_more(void *context, int level, const char *message, const char *line)
{
    (void) level;
    (void) line;
    if (mproc_pid() != *(int64_t *) context || !strstr(message, "started"))
        return;
    atomic_fetch_add(&asked, 1);
    CU_ASSERT_EQUAL(run_child(return_zero, NULL, 0, NULL), 0);
}

static void count_in_order(void *context, int level, const char *message, const char *line)
{
    int *count = context;
    (void) level;
    (void) line;
    *count = atoi(message) == *count ? *count + 1 : -1;
}

/* So many that one call for each, inside the others, would take more stack than there is. */
static void what_is_logged_under_the_mutex_comes_after_it_in_order(void)
{
    enum { MESSAGES = 30000 };
    int count = 0;
    mproc_set_log_callback(count_in_order, &count);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_INFO));
    mproc__lock();
    for (int i = 0; i < MESSAGES; i++)
        mproc_log(MPROC_LOG_INFO, "%d", i);
    CU_ASSERT_EQUAL(count, 0);
    mproc__unlock();
    CU_ASSERT_EQUAL(count, MESSAGES);
    mproc_set_log_callback(NULL, NULL);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_OFF));
}

static void the_callback_may_start_processes_and_is_not_called_about_them(void)
{
    int64_t pid = mproc_pid();
    atomic_store(&asked, 0);
    mproc_set_log_callback(start_one_more, &pid);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_DEBUG));
    CU_ASSERT_EQUAL(run_child(return_zero, NULL, 0, NULL), 0);
    mproc_set_log_callback(NULL, NULL);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_OFF));
    CU_ASSERT_EQUAL(asked, 1);
}

static int die(const void *in, void *out)
{
    (void) in;
    (void) out;
    kill_hard(mproc_pid());
    return 0;
}

/* Logged by a thread of the pool's that holds its lock. */
static void ask_the_pool(void *context, int level, const char *message, const char *line)
{
    mproc_pool_statistics statistics;
    (void) level;
    (void) line;
    if (strstr(message, "died") && mproc_pool_get_statistics(context, &statistics) == MPROC_OK)
        atomic_fetch_add(&asked, 1);
}

static void the_callback_may_ask_the_pool_that_it_hears_of(void)
{
    mproc_pool *pool;
    atomic_store(&asked, 0);
    CU_ASSERT_EQUAL_FATAL(mproc_pool_create(&pool, 1, NULL), MPROC_OK);
    mproc_set_log_callback(ask_the_pool, pool);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_INFO));
    CHECK_FAILS(mproc_pool_apply(pool, die, NULL, 0, NULL, 0, 60000), MPROC_EWORKERDIED);
    CU_ASSERT_TRUE(wait_until(&asked, 1));
    mproc_set_log_callback(NULL, NULL);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_OFF));
    mproc_pool_destroy(pool);
}

static atomic_bool logging;
static void log_all_the_time(void *context)
{
    (void) context;
    while (atomic_load(&logging))
        mproc_log(MPROC_LOG_ERROR, "x");
}

/* The callback asks for mproc's mutex while a fork holds it, again and again. */
static void starts_do_not_wait_for_a_callback_that_asks(void)
{
    enum { STARTS = 100 };
    atomic_store(&asked, 0);
    atomic_store(&logging, true);
    mproc_set_log_callback(ask, NULL);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_ERROR));
    struct test_thread *thread = thread_start(log_all_the_time, NULL);
    CU_ASSERT_TRUE(wait_until(&asked, 1));
    for (int i = 0; i < STARTS; i++)
        CU_ASSERT_EQUAL(run_child(return_zero, NULL, 0, NULL), 0);
    atomic_store(&logging, false);
    thread_join(thread);
    mproc_set_log_callback(NULL, NULL);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_OFF));
}

static void log_and_fail(void *context, int level, const char *message, const char *line)
{
    (void) message;
    (void) line;
    ++*(int *) context;
    mproc_log(level, "from the callback");
    (void) !mproc_set_log_level(0);
}

static int log_inside_the_callback(void *argument)
{
    (void) argument;
    int count = 0;
    CHILD_FAILS(mproc_set_start_method((mproc_start_method) 99, false), MPROC_EINVAL);
    char error[600];
    snprintf(error, sizeof error, "%s", mproc_last_error());
    mproc_set_log_callback(log_and_fail, &count);
    CHILD_OK(mproc_log_to_stderr(MPROC_LOG_ERROR));
    mproc_log(MPROC_LOG_ERROR, "from the target");
    CHILD_CHECK(count == 1);
    CHILD_CHECK(strcmp(mproc_last_error(), error) == 0);
    mproc_set_log_callback(NULL, NULL);
    return 0;
}

static void read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    remove(path);
}

static void what_the_callback_logs_goes_to_stderr_only(void)
{
    const char *const path = "log-of-the-callback.txt";
    remove(path);
    const mproc_process_options options = {
        .standard_error = { .kind = MPROC_STDIO_PATH, .path = path },
    };
    CU_ASSERT_EQUAL(run_child(log_inside_the_callback, NULL, 0, &options), 0);
    char text[400];
    read_file(path, text, sizeof text);
    const char *first = strstr(text, "] from the target\n"), *second = strstr(text, "] from the callback\n");
    CU_ASSERT_PTR_NOT_NULL(first);
    CU_ASSERT_PTR_NOT_NULL(second);
}

struct fork_inside {
    int calls;
    mproc_process *child;
};

static void fork_at_the_first_call(void *context, int level, const char *message, const char *line)
{
    struct fork_inside *inside = context;
    (void) level;
    (void) message;
    (void) line;
    if (++inside->calls == 1 && mproc_fork(&inside->child) != MPROC_OK)
        mproc_exit(1);
}

/* In a process of its own, since both sides return. */
static int fork_inside_the_callback(void *argument)
{
    (void) argument;
    struct fork_inside inside = { 0, NULL };
    int exit_code = -1;
    mproc_set_log_callback(fork_at_the_first_call, &inside);
    CHILD_OK(mproc_set_log_level(MPROC_LOG_ERROR));
    mproc_log(MPROC_LOG_ERROR, "first");
    mproc_log(MPROC_LOG_ERROR, "second");
    mproc_set_log_callback(NULL, NULL);
    CHILD_CHECK(inside.calls == 2);
    if (!inside.child)
        mproc_exit(8);
    CHILD_OK(mproc_process_join(inside.child, 60000));
    CHILD_OK(mproc_process_exit_code(inside.child, &exit_code));
    CHILD_OK(mproc_process_close(inside.child));
    return exit_code + 1;
}

static void a_callback_that_forks_goes_on_in_both(void)
{
    size_t count = mproc_get_all_start_methods(NULL, 0);
    if (count == 1) {
        skip("this system does not fork");
        return;
    }
    CU_ASSERT_EQUAL(run_child(fork_inside_the_callback, NULL, 0, NULL), 9);
}

/* ---- stderr ---- */

enum { TALKERS = 4, LINES = 300 };

static int log_many_lines(void *argument)
{
    int letter = *(int *) argument;
    char text[700];
    for (int i = 0; i < LINES; i++) {
        int length = 10 + i * 37 % 680;
        memset(text, letter, (size_t) length);
        text[length] = '\0';
        mproc_log(MPROC_LOG_WARNING, "%s", text);
    }
    return 0;
}

/* The letter of a line that is whole; 0. */
static int whole_line(const char *line)
{
    const char *text = strstr(line, "] ");
    if (strncmp(line, "[WARNING/Process-", 17) != 0 || !text)
        return 0;
    text += 2;
    size_t same = strspn(text, (char[]){ *text, '\0' });
    return strcmp(text + same, "\n") == 0 ? *text : 0;
}

static void each_line_is_written_at_once(void)
{
    const char *const path = "log-of-many.txt";
    remove(path);
    CHECK_OK(mproc_log_to_stderr(MPROC_LOG_WARNING));
    const mproc_process_options options = {
        .standard_error = { .kind = MPROC_STDIO_PATH, .path = path },
    };
    mproc_process *talkers[TALKERS];
    for (int i = 0; i < TALKERS; i++)
        talkers[i] = start_child(log_many_lines, &(int){ 'a' + i }, sizeof(int), &options);
    for (int i = 0; i < TALKERS; i++)
        CU_ASSERT_EQUAL(end_child(talkers[i]), 0);
    CHECK_OK(mproc_set_log_level(MPROC_LOG_OFF));

    int counts[TALKERS] = { 0 }, broken = 0;
    char line[1000];
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (fgets(line, sizeof line, file)) {
        int letter = whole_line(line);
        if (letter >= 'a' && letter < 'a' + TALKERS)
            counts[letter - 'a']++;
        else
            broken++;
    }
    fclose(file);
    remove(path);
    CU_ASSERT_EQUAL(broken, 0);
    for (int i = 0; i < TALKERS; i++)
        CU_ASSERT_EQUAL(counts[i], LINES);
}

/* ---- MPROC_LOG ---- */

/* The program says which level it has, and which its child. */
static void check_variable(const char *value, int level)
{
    char variable[60], expected[100];
    snprintf(variable, sizeof variable, "MPROC_LOG=%s", value);
    const char *const environment[] = { variable, NULL };
    const char *const argv[] = { PROGRAM("log_program"), NULL };
    const mproc_run_options options = { .start = { .environment = environment }, .capture_output = true };
    mproc_completed completed;
    CU_ASSERT_EQUAL_FATAL(mproc_run(&completed, argv, &options, 60000), MPROC_OK);
    CU_ASSERT_EQUAL(completed.returncode, 0);
    bool refused = level == 0;
    snprintf(expected, sizeof expected, "child %d, parent %d", refused ? MPROC_LOG_OFF : level,
             refused ? MPROC_LOG_OFF : level);
    if (strncmp(completed.output, expected, strlen(expected)) != 0)
        printf("  MPROC_LOG=%s: %s", value, completed.output);
    CU_ASSERT_EQUAL(strncmp(completed.output, expected, strlen(expected)), 0);
    bool complains = strstr(completed.error, "mproc_init: MPROC_LOG is ") != NULL;
    CU_ASSERT_EQUAL(complains, refused);
    CU_ASSERT_EQUAL(strstr(completed.error, "ERROR/child ") != NULL, !refused && level <= MPROC_LOG_ERROR);
    CU_ASSERT_EQUAL(strstr(completed.error, "SUBDEBUG/MainProcess ") != NULL,
                    !refused && level <= MPROC_LOG_SUBDEBUG);
    mproc_completed_free(&completed);
}

static void the_environment_chooses_a_level_by_name_or_number(void)
{
    check_variable("subdebug", MPROC_LOG_SUBDEBUG);
    check_variable("DEBUG", MPROC_LOG_DEBUG);
    check_variable("Info", MPROC_LOG_INFO);
    check_variable("subwarning", MPROC_LOG_SUBWARNING);
    check_variable("warning", MPROC_LOG_WARNING);
    check_variable("error", MPROC_LOG_ERROR);
    check_variable("off", MPROC_LOG_OFF);
    check_variable("1", 1);
    check_variable("40", 40);
    check_variable("1000", 1000);
}

static void what_is_no_level_is_refused_with_a_sentence(void)
{
    check_variable("warn", 0);
    check_variable("garbage", 0);
    check_variable("20x", 0);
    check_variable("0", 0);
    check_variable("-5", 0);
    check_variable("1001", 0);
    check_variable("99999", 0);
    check_variable("4294967306", 0); /* 2 to the power of 32, and 10 */
}

MPROC_SUITE(log, MPROC_TEST(the_callback_gets_messages_from_the_level_on),
            MPROC_TEST(levels_out_of_range_are_refused),
            MPROC_TEST(a_long_message_is_cut_and_says_so), MPROC_TEST(the_callback_may_ask_about_processes),
            MPROC_TEST(what_is_logged_under_the_mutex_comes_after_it_in_order),
            MPROC_TEST(the_callback_may_start_processes_and_is_not_called_about_them),
            MPROC_TEST(the_callback_may_ask_the_pool_that_it_hears_of),
            MPROC_TEST(starts_do_not_wait_for_a_callback_that_asks),
            MPROC_TEST(what_the_callback_logs_goes_to_stderr_only),
            MPROC_TEST(a_callback_that_forks_goes_on_in_both),
            /* From here on stderr is on. */
            MPROC_TEST(a_child_has_its_parents_level_and_prints_its_name_and_pid),
            MPROC_TEST(each_line_is_written_at_once),
            MPROC_TEST(the_environment_chooses_a_level_by_name_or_number),
            MPROC_TEST(what_is_no_level_is_refused_with_a_sentence))
