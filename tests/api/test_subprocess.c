/* SPDX-License-Identifier: MIT */
/* Programs run in one call, and Popen: what Python's subprocess documentation says, and what can go wrong. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { LONG = 60000 };

#define HELPER PROGRAM("helper")
#define HELP(...) MPROC_ARGV(HELPER, __VA_ARGS__)

static const mproc_popen_options piped = { .standard_input = { .kind = MPROC_STREAM_PIPE },
                                           .standard_output = { .kind = MPROC_STREAM_PIPE },
                                           .standard_error = { .kind = MPROC_STREAM_PIPE } };

static mproc_popen *start(const char *const *argv, const mproc_popen_options *options)
{
    mproc_popen *child = NULL;
    CHECK_OK(mproc_popen_start(&child, argv, options));
    CU_ASSERT_PTR_NOT_NULL_FATAL(child);
    return child;
}

static int code_of(mproc_popen *child)
{
    int returncode = -1000;
    CHECK_OK(mproc_popen_returncode(child, &returncode));
    return returncode;
}

static void expect_line(mproc_popen *child, const char *expected)
{
    const char *line = NULL;
    size_t size = 99;
    CHECK_OK(mproc_popen_read_line(child, MPROC_STDOUT, &line, &size, LONG));
    if (!expected) {
        CU_ASSERT_PTR_NULL(line);
        CU_ASSERT_EQUAL(size, 0);
        return;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT_STRING_EQUAL(line, expected);
    CU_ASSERT_EQUAL(size, strlen(expected));
}

/* ---- run ---- */

static void run_gives_the_return_code(void)
{
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("exit", "0"), NULL, LONG));
    CU_ASSERT_EQUAL(completed.returncode, 0);
    CU_ASSERT_PTR_NULL(completed.output);
    CU_ASSERT_PTR_NULL(completed.error);
    CHECK_OK(mproc_check_returncode(&completed));
    mproc_completed_free(&completed);
    CHECK_OK(mproc_run(&completed, HELP("exit", "7"), NULL, LONG));
    CU_ASSERT_EQUAL(completed.returncode, 7);
    CHECK_FAILS(mproc_check_returncode(&completed), MPROC_EEXITCODE);
    CHECK_OK(mproc_run(NULL, HELP("exit", "7"), NULL, MPROC_FOREVER));
}

static void capture_output_gives_stdout_and_stderr(void)
{
    mproc_run_options options = { .capture_output = true };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("both"), &options, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "to stdout\n");
    CU_ASSERT_STRING_EQUAL(completed.error, "to stderr\n");
    CU_ASSERT_EQUAL(completed.output_size, 10);
    CU_ASSERT_EQUAL(completed.error_size, 10);
    mproc_completed_free(&completed);
    CU_ASSERT_PTR_NULL(completed.output);
    CHECK_OK(mproc_run(NULL, HELP("both"), &options, LONG));
}

static void input_goes_to_stdin(void)
{
    mproc_run_options options = { .capture_output = true, .input = "some\0input", .input_size = 10 };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("copy"), &options, LONG));
    CU_ASSERT_EQUAL(completed.output_size, 10);
    CU_ASSERT_TRUE(memcmp(completed.output, "some\0input", 11) == 0);
    CU_ASSERT_EQUAL(completed.returncode, 0);
    mproc_completed_free(&completed);
}

static void empty_input_is_the_end_of_the_file_at_once(void)
{
    mproc_run_options options = { .capture_output = true, .input = "" };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("copy"), &options, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "");
    CU_ASSERT_EQUAL(completed.output_size, 0);
    mproc_completed_free(&completed);
}

static void run_with_input_excludes_another_stdin_and_capture_output_another_stdout(void)
{
    mproc_run_options options = { .input = "x", .input_size = 1 };
    options.start.standard_input.kind = MPROC_STREAM_NULL;
    CHECK_FAILS(mproc_run(NULL, HELP("copy"), &options, LONG), MPROC_EINVAL);
    mproc_run_options both = { .capture_output = true };
    both.start.standard_output.kind = MPROC_STREAM_PIPE;
    CHECK_FAILS(mproc_run(NULL, HELP("copy"), &both, LONG), MPROC_EINVAL);
    mproc_run_options nothing = { .input_size = 3 };
    CHECK_FAILS(mproc_run(NULL, HELP("copy"), &nothing, LONG), MPROC_EINVAL);
    mproc_run_options dirty = { .check = false };
    dirty.reserved[3] = &dirty;
    CHECK_FAILS(mproc_run(NULL, HELP("copy"), &dirty, LONG), MPROC_EINVAL);
}

static void check_makes_a_return_code_other_than_0_an_error_with_the_output(void)
{
    mproc_run_options options = { .capture_output = true, .check = true };
    mproc_completed completed;
    CHECK_FAILS(mproc_run(&completed, HELP("is there no such thing?"), &options, LONG), MPROC_EEXITCODE);
    CU_ASSERT_EQUAL(completed.returncode, 99);
    CU_ASSERT_PTR_NOT_NULL(strstr(completed.error, "is there no such thing?"));
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "99"));
    mproc_completed_free(&completed);
    CHECK_OK(mproc_run(NULL, HELP("exit", "0"), &options, LONG));
}

static void timeout_of_run_kills_the_child_and_keeps_what_it_has_written(void)
{
    mproc_run_options options = { .capture_output = true, .input = "never read", .input_size = 10 };
    mproc_completed completed;
    int64_t begun = mproc_plat_now();
    mproc_err err;
    /* Until it has come as far as writing. */
    for (mproc_ms timeout = 500;; timeout *= 2) {
        err = mproc_run(&completed, HELP("stay"), &options, timeout);
        if (err != MPROC_ETIMEDOUT || completed.output_size > 0 || timeout > LONG)
            break;
        mproc_completed_free(&completed);
    }
    CHECK_FAILS(err, MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_plat_now() - begun >= INT64_C(490000000));
    CU_ASSERT_STRING_EQUAL(completed.output, "partial");
    CU_ASSERT_EQUAL(completed.returncode, system_is_windows() ? -15 : -9);
    mproc_completed_free(&completed);
    CHECK_FAILS(mproc_run(NULL, HELP("stay"), &options, MPROC_NOWAIT), MPROC_ETIMEDOUT);
}

static void a_time_out_comes_though_the_child_never_stops_writing(void)
{
    mproc_run_options options = { .capture_output = true };
    mproc_completed completed;
    CHECK_FAILS(mproc_run(&completed, HELP("spew", "1000000000000000"), &options, 30), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(completed.returncode, system_is_windows() ? -15 : -9);
    mproc_completed_free(&completed);
}

static void a_time_out_does_not_wait_for_grandchildren_that_hold_the_pipe(void)
{
    mproc_run_options options = { .capture_output = true, .start = { .new_session = true } };
    mproc_completed completed;
    mproc_err err;
    for (mproc_ms timeout = 500;; timeout *= 2) {
        err = mproc_run(&completed, HELP("tree", "1"), &options, timeout);
        int lines = 0;
        for (size_t i = 0; err == MPROC_ETIMEDOUT && i < completed.output_size; i++)
            lines += completed.output[i] == '\n';
        if (err == MPROC_ETIMEDOUT)
            for (const char *line = completed.output; *line; line = strchr(line, '\n') + 1)
                kill_hard(atoll(line));
        if (err != MPROC_ETIMEDOUT || lines == 3 || timeout > LONG)
            break;
        mproc_completed_free(&completed);
    }
    CHECK_FAILS(err, MPROC_ETIMEDOUT);
    mproc_completed_free(&completed);
}

static void call_gives_the_return_code(void)
{
    int returncode = -1;
    CHECK_OK(mproc_call(&returncode, HELP("exit", "3"), NULL, LONG));
    CU_ASSERT_EQUAL(returncode, 3);
    CHECK_OK(mproc_call(NULL, HELP("exit", "3"), NULL, LONG));
    CHECK_FAILS(mproc_call(&returncode, HELP("copy"), &piped, LONG), MPROC_EINVAL);
    mproc_popen_options quiet = { .standard_output = { .kind = MPROC_STREAM_NULL } };
    CHECK_FAILS(mproc_call(&returncode, HELP("stay"), &quiet, 10), MPROC_ETIMEDOUT);
}

static void check_call_makes_a_return_code_other_than_0_an_error(void)
{
    CHECK_OK(mproc_check_call(HELP("exit", "0"), NULL, LONG));
    CHECK_FAILS(mproc_check_call(HELP("exit", "3"), NULL, LONG), MPROC_EEXITCODE);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "exit code 3"));
}

static void check_output_gives_what_was_written_to_stdout(void)
{
    mproc_completed completed;
    CHECK_OK(mproc_check_output(&completed, HELP("echo", "hello"), NULL, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "hello");
    CU_ASSERT_PTR_NULL(completed.error);
    mproc_completed_free(&completed);
    mproc_run_options options = { .input = "in", .input_size = 2 };
    CHECK_OK(mproc_check_output(&completed, HELP("copy"), &options, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "in");
    mproc_completed_free(&completed);
    CHECK_FAILS(mproc_check_output(&completed, HELP("exit", "3"), NULL, LONG), MPROC_EEXITCODE);
    CU_ASSERT_EQUAL(completed.returncode, 3);
    mproc_completed_free(&completed);
    options.capture_output = true;
    CHECK_FAILS(mproc_check_output(&completed, HELP("copy"), &options, LONG), MPROC_EINVAL);
    CHECK_FAILS(mproc_check_output(NULL, HELP("copy"), NULL, LONG), MPROC_EINVAL);
}

static void getstatusoutput_runs_a_shell_and_takes_one_line_end_off(void)
{
    mproc_completed completed;
    CHECK_OK(mproc_getstatusoutput(&completed, "echo hello", LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "hello");
    CU_ASSERT_EQUAL(completed.output_size, 5);
    CU_ASSERT_EQUAL(completed.returncode, 0);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_getstatusoutput(&completed, "echo error>&2 && exit 5", LONG));
    CU_ASSERT_EQUAL(completed.returncode, 5);
    CU_ASSERT_TRUE(strncmp(completed.output, "error", 5) == 0);
    mproc_completed_free(&completed);
}

/* ---- Popen ---- */

static void poll_is_false_while_it_runs_and_returncode_then_has_no_value(void)
{
    mproc_popen *child = start(HELP("copy"), &piped);
    bool ended = true;
    int returncode = -77;
    mproc_usage usage;
    CHECK_OK(mproc_popen_poll(child, &ended));
    CU_ASSERT_FALSE(ended);
    CHECK_FAILS(mproc_popen_returncode(child, &returncode), MPROC_ESTATE);
    CHECK_FAILS(mproc_popen_usage(child, &usage), MPROC_ESTATE);
    CU_ASSERT_EQUAL(returncode, -77);
    CHECK_FAILS(mproc_popen_wait(child, 20), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_popen_wait(child, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_popen_close_stream(child, MPROC_STDIN));
    CHECK_OK(mproc_popen_wait(child, LONG));
    CHECK_OK(mproc_popen_wait(child, MPROC_NOWAIT));
    CHECK_OK(mproc_popen_poll(child, &ended));
    CU_ASSERT_TRUE(ended);
    CU_ASSERT_EQUAL(code_of(child), 0);
    CHECK_OK(mproc_popen_close(child));
}

static void pid_is_the_childs_and_stays_after_its_end(void)
{
    mproc_popen *child = start(HELP("tree", "0"), &piped);
    const char *line = NULL;
    int64_t pid = 0;
    CHECK_OK(mproc_popen_pid(child, &pid));
    CHECK_OK(mproc_popen_read_line(child, MPROC_STDOUT, &line, NULL, LONG));
    CU_ASSERT_EQUAL(line ? atoll(line) : 0, pid);
    CHECK_OK(mproc_popen_kill(child));
    CHECK_OK(mproc_popen_wait(child, LONG));
    CHECK_OK(mproc_popen_pid(child, &pid));
    CU_ASSERT_TRUE(pid > 0);
    CHECK_OK(mproc_popen_close(child));
}

static void communicate_sends_reads_and_waits(void)
{
    mproc_popen *child = start(HELP("copy"), &piped);
    mproc_completed completed;
    CHECK_OK(mproc_popen_communicate(child, "line 1\nline 2\n", 14, &completed, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "line 1\nline 2\n");
    CU_ASSERT_STRING_EQUAL(completed.error, "");
    CU_ASSERT_EQUAL(completed.returncode, 0);
    CU_ASSERT_EQUAL(code_of(child), 0);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
}

static void communicate_without_input_closes_stdin(void)
{
    mproc_popen *child = start(HELP("copy"), &piped);
    mproc_completed completed;
    CHECK_OK(mproc_popen_communicate(child, NULL, 0, &completed, LONG));
    CU_ASSERT_EQUAL(completed.output_size, 0);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
}

static void communicate_with_input_needs_a_pipe(void)
{
    mproc_popen_options options = { .standard_input = { .kind = MPROC_STREAM_NULL } };
    mproc_popen *child = start(HELP("copy"), &options);
    CHECK_FAILS(mproc_popen_communicate(child, "x", 1, NULL, LONG), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_communicate(child, NULL, 1, NULL, LONG), MPROC_EINVAL);
    CHECK_OK(mproc_popen_communicate(child, NULL, 0, NULL, LONG));
    CHECK_OK(mproc_popen_close(child));
}

/* More than all pipes hold, in all directions at once. */
static void communicate_does_not_block_on_full_pipes(void)
{
    enum { SIZE = 3000000 };
    char *input = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        input[i] = (char) (i * 31 + i / 1000);
    mproc_completed completed;
    mproc_popen *child = start(HELP("copy_fast"), &piped);
    CHECK_OK(mproc_popen_communicate(child, input, SIZE, &completed, LONG));
    CU_ASSERT_EQUAL(completed.output_size, SIZE);
    CU_ASSERT_TRUE(completed.output_size == SIZE && memcmp(completed.output, input, SIZE) == 0);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
    child = start(HELP("spew", "3000000", "both"), &piped);
    CHECK_OK(mproc_popen_communicate(child, NULL, 0, &completed, LONG));
    CU_ASSERT_EQUAL(completed.output_size, SIZE);
    CU_ASSERT_EQUAL(completed.error_size, SIZE);
    CU_ASSERT_TRUE(completed.error_size == SIZE && memcmp(completed.output, completed.error, SIZE) == 0);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
    free(input);
}

static void communicate_can_be_resumed_after_a_time_out_and_loses_nothing(void)
{
    enum { SIZE = 2000000 };
    char *input = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        input[i] = (char) (i * 17 + i / 500);
    mproc_popen *child = start(HELP("copy"), &piped); /* byte by byte: slow */
    mproc_completed completed;
    int timeouts = 0;
    mproc_err err = mproc_popen_communicate(child, input, SIZE, &completed, 1);
    CU_ASSERT_EQUAL(err, MPROC_ETIMEDOUT);
    char *copy = malloc(SIZE);
    memcpy(copy, input, SIZE);
    memset(input, 0, SIZE); /* the rest has been kept */
    CHECK_FAILS(mproc_popen_communicate(child, "more", 4, &completed, 1), MPROC_ESTATE);
    while ((err = mproc_popen_communicate(child, NULL, 0, &completed, 1)) == MPROC_ETIMEDOUT)
        timeouts++;
    CHECK_OK(err);
    CU_ASSERT_TRUE(timeouts > 0);
    CU_ASSERT_EQUAL(completed.output_size, SIZE);
    CU_ASSERT_TRUE(completed.output_size == SIZE && memcmp(completed.output, copy, SIZE) == 0);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
    free(input);
    free(copy);
}

static void communicate_after_a_time_out_and_a_kill_gives_what_there_is(void)
{
    mproc_popen *child = start(HELP("stay"), &piped);
    mproc_completed completed;
    CHECK_FAILS(mproc_popen_communicate(child, NULL, 0, &completed, 100), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_popen_kill(child));
    CHECK_OK(mproc_popen_communicate(child, NULL, 0, &completed, LONG));
    CU_ASSERT_TRUE(completed.output_size == 0 || strcmp(completed.output, "partial") == 0);
    CU_ASSERT_EQUAL(completed.returncode, system_is_windows() ? -15 : -9);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
}

static void communicate_ignores_that_a_child_does_not_read_its_stdin(void)
{
    enum { SIZE = 1000000 };
    char *input = calloc(1, SIZE);
    mproc_completed completed;
    mproc_popen *child = start(HELP("exit", "4"), &piped);
    CHECK_OK(mproc_popen_communicate(child, input, SIZE, &completed, LONG));
    CU_ASSERT_EQUAL(completed.returncode, 4);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
    child = start(HELP("no_stdin", "50"), &piped);
    CHECK_OK(mproc_popen_communicate(child, input, SIZE, &completed, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "closed\n");
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
    free(input);
}

static void communicate_gives_what_was_left_of_lines_that_were_read(void)
{
    mproc_popen *child = start(HELP("copy"), &piped);
    mproc_completed completed;
    CHECK_OK(mproc_popen_write(child, "one\ntwo\n", 8, NULL, LONG));
    expect_line(child, "one\n");
    CHECK_OK(mproc_popen_communicate(child, "three\n", 6, &completed, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "two\nthree\n");
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
}

/* ---- streaming ---- */

static void lines_are_answered_one_by_one(void)
{
    mproc_popen *child = start(HELP("copy"), &piped);
    const char *line;
    for (int i = 0; i < 100; i++) {
        char text[40];
        size_t written = 0;
        snprintf(text, sizeof text, "this is line %d\n", i);
        CHECK_OK(mproc_popen_write(child, text, strlen(text), &written, LONG));
        CU_ASSERT_EQUAL(written, strlen(text));
        expect_line(child, text);
    }
    CHECK_FAILS(mproc_popen_read_line(child, MPROC_STDOUT, &line, NULL, 5), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_popen_write(child, "half a line", 11, NULL, LONG));
    CHECK_FAILS(mproc_popen_read_line(child, MPROC_STDOUT, &line, NULL, 5), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_popen_write(child, ", and its end\n\nlast", 19, NULL, LONG));
    expect_line(child, "half a line, and its end\n");
    expect_line(child, "\n");
    CHECK_OK(mproc_popen_close_stream(child, MPROC_STDIN));
    expect_line(child, "last");
    expect_line(child, NULL);
    expect_line(child, NULL);
    CHECK_OK(mproc_popen_close(child));
}

static void lines_longer_than_any_buffer_come_whole(void)
{
    enum { SIZE = 1000000, LINES = 8 };
    char *input = malloc(SIZE);
    mproc_popen *child = start(HELP("copy_fast"), &piped);
    memset(input, 'a', SIZE);
    for (int i = 1; i <= LINES; i++)
        input[SIZE / LINES * i - 1] = '\n';
    size_t done = 0;
    int lines = 0;
    while (lines < LINES) {
        size_t written = 0, size;
        const char *line;
        mproc_err err = mproc_popen_write(child, input + done, SIZE - done, &written, MPROC_NOWAIT);
        CU_ASSERT_TRUE(err == MPROC_OK || err == MPROC_ETIMEDOUT);
        done += written;
        err = mproc_popen_read_line(child, MPROC_STDOUT, &line, &size, done == SIZE ? LONG : 1);
        if (err == MPROC_ETIMEDOUT && done < SIZE)
            continue;
        CHECK_OK(err);
        CU_ASSERT_EQUAL(size, SIZE / LINES);
        CU_ASSERT_TRUE(line[0] == 'a' && line[size - 2] == 'a' && line[size - 1] == '\n' && !line[size]);
        lines++;
    }
    CHECK_OK(mproc_popen_close_stream(child, MPROC_STDIN));
    expect_line(child, NULL);
    CHECK_OK(mproc_popen_close(child));
    free(input);
}

static void text_makes_one_line_end_of_all(void)
{
    mproc_popen_options options = piped;
    options.text = true;
    mproc_popen *child = start(HELP("copy"), &options);
    CHECK_OK(mproc_popen_write(child, "a\r\nb\rc\n\r\n\r\rd", 12, NULL, LONG));
    CHECK_OK(mproc_popen_close_stream(child, MPROC_STDIN));
    static const char *const lines[] = { "a\n", "b\n", "c\n", "\n", "\n", "\n", "d", NULL };
    for (int i = 0; i < 8; i++)
        expect_line(child, lines[i]);
    CHECK_OK(mproc_popen_close(child));
    mproc_run_options run = { .capture_output = true, .input = "a\r\nb\rc\n\r\n\r\rd", .input_size = 12 };
    run.start.text = true;
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("copy"), &run, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "a\nb\nc\n\n\n\nd");
    CU_ASSERT_EQUAL(completed.output_size, 10);
    mproc_completed_free(&completed);
}

static void bytes_are_read_as_they_come(void)
{
    mproc_popen *child = start(HELP("copy"), &piped);
    char buffer[100];
    size_t size = 77;
    CHECK_OK(mproc_popen_write(child, "abc\ndef\n", 8, NULL, LONG));
    expect_line(child, "abc\n");
    size_t got = 0;
    while (got < 4) {
        CHECK_OK(mproc_popen_read(child, MPROC_STDOUT, buffer + got, 2, &size, LONG));
        CU_ASSERT_TRUE_FATAL(size >= 1 && size <= 2);
        got += size;
    }
    CU_ASSERT_TRUE(memcmp(buffer, "def\n", 4) == 0);
    CHECK_FAILS(mproc_popen_read(child, MPROC_STDOUT, buffer, 100, &size, 5), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_popen_close_stream(child, MPROC_STDIN));
    CHECK_OK(mproc_popen_read(child, MPROC_STDOUT, buffer, 100, &size, LONG));
    CU_ASSERT_EQUAL(size, 0);
    CHECK_OK(mproc_popen_read(child, MPROC_STDERR, buffer, 100, &size, LONG));
    CU_ASSERT_EQUAL(size, 0);
    CHECK_OK(mproc_popen_close(child));
}

static void a_write_to_a_child_that_is_gone_is_an_error_and_no_signal(void)
{
    mproc_popen *child = start(HELP("exit", "0"), &piped);
    CHECK_OK(mproc_popen_wait(child, LONG));
    size_t written = 9;
    CHECK_FAILS(mproc_popen_write(child, "x", 1, &written, LONG), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(written, 0);
    CHECK_OK(mproc_popen_close(child));
}

static void a_write_that_a_child_does_not_take_is_timed_out(void)
{
    enum { SIZE = 5000000 };
    char *data = calloc(1, SIZE);
    mproc_popen *child = start(HELP("stay"), &piped);
    size_t written = 0;
    CHECK_FAILS(mproc_popen_write(child, data, SIZE, &written, 50), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(written > 0 && written < SIZE);
    CHECK_OK(mproc_popen_kill(child));
    CHECK_OK(mproc_popen_close(child));
    free(data);
}

static void streams_that_are_no_pipes_or_closed_cannot_be_used(void)
{
    mproc_popen_options options = { .standard_output = { .kind = MPROC_STREAM_PIPE } };
    mproc_popen *child = start(HELP("exit", "0"), &options);
    char buffer[4];
    size_t size;
    const char *line;
    intptr_t native;
    CHECK_FAILS(mproc_popen_write(child, "x", 1, NULL, LONG), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_read(child, MPROC_STDERR, buffer, 4, &size, LONG), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_read(child, MPROC_STDIN, buffer, 4, &size, LONG), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_read(child, 3, buffer, 4, &size, LONG), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_read_line(child, MPROC_STDERR, &line, NULL, LONG), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_read(child, MPROC_STDOUT, NULL, 4, &size, LONG), MPROC_EINVAL);
    CHECK_OK(mproc_popen_native_stream(child, MPROC_STDOUT, &native));
    CHECK_OK(mproc_popen_close_stream(child, MPROC_STDOUT));
    CHECK_OK(mproc_popen_close_stream(child, MPROC_STDOUT));
    CHECK_FAILS(mproc_popen_native_stream(child, MPROC_STDOUT, &native), MPROC_ECLOSED);
    CHECK_FAILS(mproc_popen_read(child, MPROC_STDOUT, buffer, 4, &size, LONG), MPROC_ECLOSED);
    CHECK_OK(mproc_popen_close(child));
}

/* ---- its end ---- */

static void terminate_and_kill_end_it_and_the_code_tells(void)
{
    mproc_popen *child = start(HELP("stay"), &piped);
    CHECK_OK(mproc_popen_terminate(child));
    CHECK_OK(mproc_popen_wait(child, LONG));
    CU_ASSERT_EQUAL(code_of(child), -15);
    CHECK_OK(mproc_popen_terminate(child)); /* no error once it has ended */
    CHECK_OK(mproc_popen_kill(child));
    CHECK_OK(mproc_popen_close(child));
    child = start(HELP("stay"), &piped);
    CHECK_OK(mproc_popen_kill(child));
    CHECK_OK(mproc_popen_wait(child, LONG));
    CU_ASSERT_EQUAL(code_of(child), system_is_windows() ? -15 : -9);
    CHECK_OK(mproc_popen_close(child));
}

static void stop_kills_who_does_not_terminate_within_its_grace(void)
{
    mproc_popen *child = start(HELP("stubborn"), &piped);
    expect_line(child, "ready\n");
    CHECK_OK(mproc_popen_stop(child, 50));
    CU_ASSERT_EQUAL(code_of(child), system_is_windows() ? -15 : -9);
    CHECK_OK(mproc_popen_stop(child, 50));
    CHECK_OK(mproc_popen_close(child));
    child = start(HELP("stay"), &piped);
    CHECK_OK(mproc_popen_stop(child, LONG));
    CU_ASSERT_EQUAL(code_of(child), -15);
    CHECK_OK(mproc_popen_close(child));
}

/* Reads the pids that the helper's "tree" prints. */
static void read_pids(mproc_popen *child, int64_t *pids, int count)
{
    for (int i = 0; i < count; i++) {
        const char *line = NULL;
        CHECK_OK(mproc_popen_read_line(child, MPROC_STDOUT, &line, NULL, LONG));
        pids[i] = line ? atoll(line) : 0;
        CU_ASSERT_TRUE_FATAL(pids[i] > 0);
    }
}

static void expect_ended(const int64_t *pids, int count)
{
    for (int i = 0; i < count; i++)
        CU_ASSERT_TRUE(pid_ends_within(pids[i], 20000));
}

static bool lists_processes(void)
{
    struct mproc_plat_process_entry *list;
    size_t count;
    if (mproc_plat_process_list(&list, &count) != MPROC_OK) {
        skip("this system does not list its processes");
        return false;
    }
    free(list);
    return true;
}

static void stop_tree_ends_all_descendants(void)
{
    if (!lists_processes())
        return;
    int64_t pids[7];
    mproc_popen *child = start(HELP("tree", "2"), &piped);
    read_pids(child, pids, 7);
    CHECK_OK(mproc_popen_stop_tree(child, 100));
    expect_ended(pids, 7);
    CHECK_OK(mproc_popen_stop_tree(child, 100));
    CHECK_OK(mproc_popen_close(child));
}

static void stop_tree_finds_orphans_of_a_session_even_after_the_childs_end(void)
{
    if (!lists_processes())
        return;
    int64_t pids[3];
    mproc_popen_options options = piped;
    options.new_session = true;
    /* The child prints its pid, starts two and ends. */
    mproc_popen *child = start(HELP("tree", "1", "1"), &options);
    read_pids(child, pids, 3);
    CHECK_OK(mproc_popen_wait(child, LONG));
    CU_ASSERT_EQUAL(code_of(child), 0);
    CU_ASSERT_TRUE(pid_runs(pids[1]) && pid_runs(pids[2]));
    CHECK_OK(mproc_popen_stop_tree(child, 100));
    expect_ended(pids, 3);
    CHECK_OK(mproc_popen_close(child));
}

static void usage_tells_time_and_memory(void)
{
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("busy"), NULL, LONG));
    CU_ASSERT_EQUAL(completed.returncode, 0);
    if (system_is_wine()) {
        skip("Wine gives this process's own times for those of another, and no peak of memory");
    } else {
        CU_ASSERT_TRUE(completed.usage.user_us + completed.usage.system_us > 50000);
        CU_ASSERT_TRUE(completed.usage.max_resident_bytes > 60 << 20);
    }
    CU_ASSERT_TRUE(completed.usage.user_us + completed.usage.system_us < 60000000);
    CU_ASSERT_TRUE(completed.usage.max_resident_bytes < UINT64_C(4) << 30);
    mproc_completed_free(&completed);
}

static void a_sentinel_is_ready_when_it_has_ended(void)
{
    mproc_popen *child = start(HELP("copy"), &piped);
    intptr_t sentinel;
    if (!mproc_plat_watch_is_exact()) {
        CHECK_FAILS(mproc_popen_sentinel(child, &sentinel), MPROC_ENOTSUP);
    } else {
        CHECK_OK(mproc_popen_sentinel(child, &sentinel));
        CU_ASSERT_FALSE(native_ready(sentinel, 0));
        CHECK_OK(mproc_popen_close_stream(child, MPROC_STDIN));
        CU_ASSERT_TRUE(native_ready(sentinel, LONG));
    }
    CHECK_OK(mproc_popen_close(child));
}

static void close_waits_for_the_end_as_pythons_with_does(void)
{
    int64_t pid = 0;
    mproc_popen *child = start(HELP("sleep", "100"), NULL);
    CHECK_OK(mproc_popen_pid(child, &pid));
    CHECK_OK(mproc_popen_close(child));
    CU_ASSERT_FALSE(pid_runs(pid));
    child = start(HELP("copy"), &piped); /* ends when its stdin does */
    CHECK_OK(mproc_popen_close(child));
}

static void a_detached_child_runs_on_and_is_no_zombie_afterwards(void)
{
    mproc_popen_options options = { .standard_output = { .kind = MPROC_STREAM_NULL } };
    int64_t pid = 0;
    mproc_popen *child = start(HELP("stay"), &options);
    CHECK_OK(mproc_popen_pid(child, &pid));
    CHECK_OK(mproc_popen_detach(child));
    CU_ASSERT_TRUE(pid_runs(pid));
    kill_hard(pid);
    CU_ASSERT_TRUE(pid_ends_within(pid, LONG));
    CHECK_OK(mproc_run(NULL, HELP("exit", "0"), NULL, LONG));
    child = start(HELP("exit", "0"), &options);
    CHECK_OK(mproc_popen_wait(child, LONG));
    CHECK_OK(mproc_popen_detach(child));
}

static void a_status_that_somebody_else_took_is_said_to_be_unknown(void)
{
    if (system_is_windows()) {
        skip("on Windows a status cannot be taken away");
        return;
    }
    mproc_popen *child = start(HELP("exit", "3"), NULL);
    int64_t pid = 0;
    int returncode;
    CHECK_OK(mproc_popen_pid(child, &pid));
    CU_ASSERT_TRUE(steal_status(pid));
    CHECK_OK(mproc_popen_wait(child, LONG));
    CHECK_FAILS(mproc_popen_returncode(child, &returncode), MPROC_EDIED);
    CHECK_OK(mproc_popen_close(child));
    ignore_children(true);
    CHECK_FAILS(mproc_run(NULL, HELP("exit", "3"), NULL, LONG), MPROC_EDIED);
    ignore_children(false);
}

static void wrong_arguments_are_refused(void)
{
    mproc_popen *child = NULL;
    static const char *const none[] = { NULL };
    bool ended;
    CHECK_FAILS(mproc_popen_start(NULL, HELP("exit"), NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_start(&child, NULL, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_start(&child, none, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_wait(NULL, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_poll(NULL, &ended), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_communicate(NULL, NULL, 0, NULL, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_send_signal(NULL, 15), MPROC_EINVAL);
    CHECK_FAILS(mproc_popen_detach(NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_check_returncode(NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_getstatusoutput(NULL, "x", 0), MPROC_EINVAL);
    CHECK_OK(mproc_popen_close(NULL));
    mproc_popen_options dirty = { .shell = false };
    dirty.reserved[0] = &dirty;
    CHECK_FAILS(mproc_popen_start(&child, HELP("exit"), &dirty), MPROC_EINVAL);
    CU_ASSERT_PTR_NULL(child);
}

/* ---- with the family, and without ---- */

static int run_in_child(void *argument)
{
    mproc_completed completed;
    CHILD_OK(mproc_check_output(&completed, MPROC_ARGV(argument, "echo", "from a child"), NULL, LONG));
    CHILD_CHECK(strcmp(completed.output, "from a child") == 0);
    mproc_completed_free(&completed);
    return 5;
}

static void a_process_of_the_family_runs_programs(void)
{
    CU_ASSERT_EQUAL(run_child(run_in_child, HELPER, strlen(HELPER) + 1, NULL), 5);
}

struct seen {
    mproc_popen *child;
};

static int use_parents_child(void *argument)
{
    struct seen *seen = argument;
    CHILD_FAILS(mproc_popen_wait(seen->child, 0), MPROC_ESTATE);
    return 0;
}

static void only_the_process_that_started_it_may_use_it(void)
{
    if (method_under_test() != MPROC_START_FORK) {
        skip("only a forked child has its parent's objects");
        return;
    }
    struct seen seen = { start(HELP("copy"), &piped) };
    CU_ASSERT_EQUAL(run_child(use_parents_child, &seen, sizeof seen, NULL), 0);
    CHECK_OK(mproc_popen_close(seen.child));
}

static void it_works_without_mproc_init(void)
{
    char output[400] = "";
    CU_ASSERT_EQUAL(run_program(PROGRAM("runs_programs"), HELPER, output, sizeof output), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "before init: one"));
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "after init: two"));
}

static void wait_for_it(void *context)
{
    MPROC_MUST(mproc_popen_wait(context, LONG));
}

static void threads_may_wait_for_one_child_together(void)
{
    mproc_popen *child = start(HELP("copy"), &piped);
    struct test_thread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = thread_start(wait_for_it, child);
    CHECK_OK(mproc_popen_close_stream(child, MPROC_STDIN));
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    CU_ASSERT_EQUAL(code_of(child), 0);
    CHECK_OK(mproc_popen_close(child));
}

MPROC_SUITE(subprocess, MPROC_TEST(run_gives_the_return_code),
            MPROC_TEST(capture_output_gives_stdout_and_stderr), MPROC_TEST(input_goes_to_stdin),
            MPROC_TEST(empty_input_is_the_end_of_the_file_at_once),
            MPROC_TEST(run_with_input_excludes_another_stdin_and_capture_output_another_stdout),
            MPROC_TEST(check_makes_a_return_code_other_than_0_an_error_with_the_output),
            MPROC_TEST(timeout_of_run_kills_the_child_and_keeps_what_it_has_written),
            MPROC_TEST(a_time_out_comes_though_the_child_never_stops_writing),
            MPROC_TEST(a_time_out_does_not_wait_for_grandchildren_that_hold_the_pipe),
            MPROC_TEST(call_gives_the_return_code),
            MPROC_TEST(check_call_makes_a_return_code_other_than_0_an_error),
            MPROC_TEST(check_output_gives_what_was_written_to_stdout),
            MPROC_TEST(getstatusoutput_runs_a_shell_and_takes_one_line_end_off),
            MPROC_TEST(poll_is_false_while_it_runs_and_returncode_then_has_no_value),
            MPROC_TEST(pid_is_the_childs_and_stays_after_its_end),
            MPROC_TEST(communicate_sends_reads_and_waits),
            MPROC_TEST(communicate_without_input_closes_stdin),
            MPROC_TEST(communicate_with_input_needs_a_pipe),
            MPROC_TEST(communicate_does_not_block_on_full_pipes),
            MPROC_TEST(communicate_can_be_resumed_after_a_time_out_and_loses_nothing),
            MPROC_TEST(communicate_after_a_time_out_and_a_kill_gives_what_there_is),
            MPROC_TEST(communicate_ignores_that_a_child_does_not_read_its_stdin),
            MPROC_TEST(communicate_gives_what_was_left_of_lines_that_were_read),
            MPROC_TEST(lines_are_answered_one_by_one),
            MPROC_TEST(lines_longer_than_any_buffer_come_whole), MPROC_TEST(text_makes_one_line_end_of_all),
            MPROC_TEST(bytes_are_read_as_they_come),
            MPROC_TEST(a_write_to_a_child_that_is_gone_is_an_error_and_no_signal),
            MPROC_TEST(a_write_that_a_child_does_not_take_is_timed_out),
            MPROC_TEST(streams_that_are_no_pipes_or_closed_cannot_be_used),
            MPROC_TEST(terminate_and_kill_end_it_and_the_code_tells),
            MPROC_TEST(stop_kills_who_does_not_terminate_within_its_grace),
            MPROC_TEST(stop_tree_ends_all_descendants),
            MPROC_TEST(stop_tree_finds_orphans_of_a_session_even_after_the_childs_end),
            MPROC_TEST(usage_tells_time_and_memory), MPROC_TEST(a_sentinel_is_ready_when_it_has_ended),
            MPROC_TEST(close_waits_for_the_end_as_pythons_with_does),
            MPROC_TEST(a_detached_child_runs_on_and_is_no_zombie_afterwards),
            MPROC_TEST(a_status_that_somebody_else_took_is_said_to_be_unknown),
            MPROC_TEST(wrong_arguments_are_refused), MPROC_TEST(a_process_of_the_family_runs_programs),
            MPROC_TEST(only_the_process_that_started_it_may_use_it),
            MPROC_TEST(it_works_without_mproc_init), MPROC_TEST(threads_may_wait_for_one_child_together))
