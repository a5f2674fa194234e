/* SPDX-License-Identifier: MIT */
/* What children read from their stdin and write to streams, their own and those they have from their parent. */
#include "suite.h"
#include "system.h"

#include "platform.h"

static void expect_file(const char *path, const char *expected)
{
    char text[300] = "";
    intptr_t native = native_open(path, false);
    native_read(native, text, sizeof text);
    native_close(native);
    remove(path);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

/* What is written as binary is the same on every system. */
static FILE *open_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    return file;
}

/* ---- a thread beside ---- */

static _Atomic int stage;

/* In a child it stays: the child ends beside it. */
static void sit(void *stream)
{
    if (stream)
        lock_stream(stream);
    atomic_store(&stage, 1);
    while (atomic_load(&stage) == 1)
        sleep_briefly();
    if (stream)
        unlock_stream(stream);
}

static struct test_thread *start_sitting(FILE *stream)
{
    atomic_store(&stage, 0);
    struct test_thread *thread = thread_start(sit, stream);
    while (atomic_load(&stage) == 0)
        sleep_briefly();
    return thread;
}

static void end_sitting(struct test_thread *thread)
{
    atomic_store(&stage, 2);
    thread_join(thread);
}

/* ---- files of a child's own ---- */

enum end { RETURN, EXIT, MPROC_EXIT, ENDS };

static int end_by(enum end end)
{
    if (end == EXIT)
        exit(6);
    if (end == MPROC_EXIT)
        mproc_exit(6);
    return 6;
}

static int write_a_file_beside_a_thread(void *argument)
{
    start_sitting(NULL);
    FILE *file = fopen("written-by-a-child.txt", "wb");
    CHILD_CHECK(file != NULL);
    fputs("written by a child", file);
    return end_by(*(enum end *) argument);
}

static void what_a_child_with_a_thread_has_not_closed_is_written(void)
{
    if (method_under_test() == MPROC_START_FORK && mproc_plat_thread_count() == 0) {
        skip("this system does not tell whether the parent has one thread");
        return;
    }
    for (enum end end = RETURN; end < ENDS; end++) {
        CU_ASSERT_EQUAL(run_child(write_a_file_beside_a_thread, &end, sizeof end, NULL), 6);
        expect_file("written-by-a-child.txt", "written by a child");
    }
}

static int write_a_file_beside_a_busy_stream(void *argument)
{
    (void) argument;
    FILE *files[2];
    for (int i = 0; i < 2; i++) {
        files[i] = fopen(i ? "second.txt" : "first.txt", "wb");
        CHILD_CHECK(files[i] != NULL);
        fputs("written", files[i]);
    }
    FILE *busy = tmpfile();
    CHILD_CHECK(busy != NULL);
    fputs("for nobody", busy);
    start_sitting(busy);
    return 6;
}

static void a_stream_that_a_thread_sits_in_keeps_no_child_from_its_end(void)
{
    if (!system_lists_streams() || method_under_test() == MPROC_START_SPAWN) {
        skip("the C library's own exit() decides which streams are written");
        return;
    }
    CU_ASSERT_EQUAL(run_child(write_a_file_beside_a_busy_stream, NULL, 0, NULL), 6);
    expect_file("first.txt", "written");
    expect_file("second.txt", "written");
}

/* ---- files of the parent's that a forked child has too ---- */

static FILE *parents_file; /* NULL in the others */

static int write_to_the_parents_file(void *argument)
{
    if (parents_file && *(bool *) argument)
        fputs("child ", parents_file);
    return 0;
}

static void check_parents_file(bool beside_thread, bool child_writes)
{
    parents_file = open_file("parents-file.txt", "parent ");
    struct test_thread *thread = beside_thread ? start_sitting(NULL) : NULL;
    CU_ASSERT_EQUAL(run_child(write_to_the_parents_file, &child_writes, sizeof child_writes, NULL), 0);
    if (thread)
        end_sitting(thread);
    fclose(parents_file);
    parents_file = NULL;
    bool childs_too = child_writes && method_under_test() == MPROC_START_FORK;
    if (childs_too && !system_lists_streams()) {
        skip_part("what the child writes: this C library does not tell which streams there are");
        remove("parents-file.txt");
        return;
    }
    /* Beside a thread the parent writes its part when it closes the file. */
    expect_file("parents-file.txt", !childs_too ? "parent " : beside_thread ? "child parent " : "parent child ");
}

static void what_the_parent_had_not_written_is_written_once(void)
{
    check_parents_file(false, false);
    check_parents_file(false, true);
    check_parents_file(true, false);
    check_parents_file(true, true);
}

/* A thread is inside the file while the child is forked. */
static void what_the_parent_is_writing_is_written_once(void)
{
    parents_file = open_file("parents-file.txt", "parent ");
    struct test_thread *thread = start_sitting(parents_file);
    bool writes = false;
    CU_ASSERT_EQUAL(run_child(write_to_the_parents_file, &writes, sizeof writes, NULL), 0);
    end_sitting(thread);
    fclose(parents_file);
    parents_file = NULL;
    expect_file("parents-file.txt", "parent ");
}

/* ---- stdin ---- */

/* The first line of its stdin, as C and as the system have it. */
static int tell_stdin(void *argument)
{
    const char *expected = argument;
    char line[100];
    const char *got = fgets(line, sizeof line, stdin) ? line : "";
    if (strcmp(got, expected) != 0)
        fprintf(stderr, "\n  stdin has \"%s\", not \"%s\"\n", got, expected);
    return strcmp(got, expected) != 0;
}

/* In a child, where CUnit does not run. */
static int run_grandchild(mproc_target *target, const char *text, const mproc_process_options *options)
{
    mproc_process *process;
    int exit_code = -1;
    CHILD_OK(mproc_process_start(&process, target, text, strlen(text) + 1, options));
    CHILD_OK(mproc_process_join(process, 60000));
    CHILD_OK(mproc_process_exit_code(process, &exit_code));
    CHILD_OK(mproc_process_close(process));
    return exit_code;
}

static int start_beside_a_read_stdin(void *argument)
{
    char line[100];
    (void) argument;
    CHILD_CHECK(fgets(line, sizeof line, stdin) && strcmp(line, "first\n") == 0);
    mproc_process_options options = { 0 };
    CHILD_CHECK(run_grandchild(tell_stdin, "", &options) == 0);
    options.standard_input = (mproc_stdio){ MPROC_STDIO_PATH, 0, "other-input.txt" };
    CHILD_CHECK(run_grandchild(tell_stdin, "other\n", &options) == 0);
    CHILD_CHECK(fgets(line, sizeof line, stdin) && strcmp(line, "second\n") == 0);
    CHILD_CHECK(!fgets(line, sizeof line, stdin) && feof(stdin));
    CHILD_CHECK(run_grandchild(tell_stdin, "other\n", &options) == 0);
    return 5;
}

static void what_the_parent_has_read_ahead_is_not_in_a_childs_stdin(void)
{
    fclose(open_file("input.txt", "first\nsecond\n"));
    fclose(open_file("other-input.txt", "other\n"));
    const mproc_process_options options = { .standard_input = { MPROC_STDIO_PATH, 0, "input.txt" } };
    CU_ASSERT_EQUAL(run_child(start_beside_a_read_stdin, NULL, 0, &options), 5);
    remove("input.txt");
    remove("other-input.txt");
}

static int share_stdin(void *argument)
{
    (void) argument;
    const mproc_process_options options = { .standard_input = { .kind = MPROC_STDIO_PARENT } };
    CHILD_CHECK(run_grandchild(tell_stdin, "first\n", &options) == 0);
    return 5;
}

static void a_child_has_its_parents_stdin_if_asked(void)
{
    fclose(open_file("input.txt", "first\nsecond\n"));
    const mproc_process_options options = { .standard_input = { MPROC_STDIO_PATH, 0, "input.txt" } };
    CU_ASSERT_EQUAL(run_child(share_stdin, NULL, 0, &options), 5);
    remove("input.txt");
}

/* ---- stdout and stderr ---- */

static int print_to_both(void *argument)
{
    fprintf(stdout, "out %s ", (const char *) argument);
    fflush(stdout);
    fprintf(stderr, "err %s ", (const char *) argument);
    return 0;
}

static int redirect_grandchildren(void *argument)
{
    (void) argument;
    mproc_process_options options = {
        .standard_output = { .kind = MPROC_STDIO_PARENT },
        .standard_error = { .kind = MPROC_STDIO_PARENT },
    };
    CHILD_CHECK(run_grandchild(print_to_both, "as here", &options) == 0);
    options.standard_error = (mproc_stdio){ MPROC_STDIO_NATIVE, native_stream(1), NULL };
    CHILD_CHECK(run_grandchild(print_to_both, "to stdout", &options) == 0);
    options.standard_output = (mproc_stdio){ MPROC_STDIO_NATIVE, native_stream(2), NULL };
    CHILD_CHECK(run_grandchild(print_to_both, "exchanged", &options) == 0);
    return 5;
}

static void a_stream_may_be_one_of_the_parents_standard_ones(void)
{
    remove("output.txt");
    remove("error.txt");
    const mproc_process_options options = {
        .standard_output = { MPROC_STDIO_PATH, 0, "output.txt" },
        .standard_error = { MPROC_STDIO_PATH, 0, "error.txt" },
    };
    CU_ASSERT_EQUAL(run_child(redirect_grandchildren, NULL, 0, &options), 5);
    expect_file("output.txt", "out as here out to stdout err to stdout err exchanged ");
    expect_file("error.txt", "err as here out exchanged ");
}

/* ---- a parent that has closed them ---- */

static int tell_open_streams(void *argument)
{
    int open = 0;
    (void) argument;
    for (int stream = 0; stream < 3; stream++)
        open |= (mproc_plat_handle_check(stream) == MPROC_OK) << stream;
    return open;
}

static int close_and_start(void *argument)
{
    int closed = *(int *) argument;
    for (int stream = 0; stream < 3; stream++)
        if (closed >> stream & 1)
            mproc_plat_handle_close(stream);
    return run_grandchild(tell_open_streams, "", NULL);
}

static void what_the_parent_has_closed_is_closed_in_the_child(void)
{
    if (system_is_windows()) {
        skip("streams of Windows have no numbers");
        return;
    }
    if (method_under_test() == MPROC_START_FORKSERVER) {
        skip("its template has streams of its own: tested with it");
        return;
    }
    for (int closed = 0; closed < 8; closed++)
        CU_ASSERT_EQUAL(run_child(close_and_start, &closed, sizeof closed, NULL), (7 & ~closed) | 1);
}

MPROC_SUITE(stdio, MPROC_TEST(what_a_child_with_a_thread_has_not_closed_is_written),
            MPROC_TEST(a_stream_that_a_thread_sits_in_keeps_no_child_from_its_end),
            MPROC_TEST(what_the_parent_had_not_written_is_written_once),
            MPROC_TEST(what_the_parent_is_writing_is_written_once),
            MPROC_TEST(what_the_parent_has_read_ahead_is_not_in_a_childs_stdin),
            MPROC_TEST(a_child_has_its_parents_stdin_if_asked),
            MPROC_TEST(a_stream_may_be_one_of_the_parents_standard_ones),
            MPROC_TEST(what_the_parent_has_closed_is_closed_in_the_child))
