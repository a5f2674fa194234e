/* SPDX-License-Identifier: MIT */
/* What a program is started with: arguments, environment, folder, streams, descriptors, sessions, users; and
 * what is said when it cannot be started. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { LONG = 60000, THREADS = 3 };

#define HELPER PROGRAM("helper")
#define HELP(...) MPROC_ARGV(HELPER, __VA_ARGS__)

/* What a program writes to stdout, to be compared at once; "?" if it does not end with 0. */
static const char *output_of(const char *const *argv, const mproc_popen_options *options)
{
    static char text[40000];
    mproc_run_options run = { .check = false };
    if (options)
        run.start = *options;
    mproc_completed completed;
    mproc_err err = mproc_check_output(&completed, argv, &run, LONG);
    if (err != MPROC_OK)
        printf("\n  %s: %s\n", mproc_err_name(err), mproc_last_error());
    snprintf(text, sizeof text, "%s", err == MPROC_OK ? completed.output : "?");
    if (err == MPROC_OK || err == MPROC_EEXITCODE)
        mproc_completed_free(&completed);
    return text;
}

static mproc_err try_start(const char *const *argv, const mproc_popen_options *options)
{
    mproc_popen *child = NULL;
    mproc_err err = mproc_popen_start(&child, argv, options);
    if (err == MPROC_OK)
        CHECK_OK(mproc_popen_close(child));
    return err;
}

static bool on_windows(const char *reason)
{
    if (system_is_windows())
        skip(reason);
    return system_is_windows();
}

static void expect_file(const char *path, const char *expected)
{
    char text[1000] = "";
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

/* ---- arguments ---- */

static const char *const hostile[] = {
    "",
    " ",
    "a b",
    "\"",
    "\\",
    "\\\\",
    "\\\"",
    "a\\",
    "a b\\",
    "a b\\\\",
    "a\\b",
    "a\\\\\"b",
    "\"a b\"",
    "\"\"",
    "'single'",
    "$HOME `id` $(id)",
    "%PATH% %CD% %%",
    "^ & | < > ( ) @ !",
    "a&calc",
    "*",
    "*.c ?",
    "~",
    "-",
    "--",
    "/?",
    "tab\tin it",
    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
    "semi;colon,comma=equals",
    "#",
    "100%",
    "%cd:~,%",
    "end\\\"",
};
static const char *const hostile_unix[] = { "new\nline", "\r\n", "\x01\x7f", "not utf-8: \xff\xfe" };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void expect_arguments(const char *const *argv, size_t skipped, const mproc_popen_options *options)
{
    static char expected[40000];
    char *end = expected;
    for (const char *const *argument = argv + skipped; *argument; argument++) {
        for (const char *at = *argument; *at; at++)
            end += sprintf(end, "%02x", (unsigned char) *at);
        end += sprintf(end, "\n");
    }
    *end = '\0';
    const char *text = output_of(argv, options);
    if (strcmp(text, expected) != 0)
        printf("\n  argument '%s': expected\n%sgot\n%s", argv[skipped], expected, text);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static void hostile_arguments_arrive_as_they_were_sent(void)
{
    const char *argv[COUNT(hostile) + COUNT(hostile_unix) + 3] = { HELPER, "args" };
    size_t count = 2;
    for (size_t i = 0; i < COUNT(hostile); i++) {
        expect_arguments(HELP("args", hostile[i]), 2, NULL);
        argv[count++] = hostile[i];
    }
    for (size_t i = 0; i < COUNT(hostile_unix) && !system_is_windows(); i++)
        argv[count++] = hostile_unix[i];
    expect_arguments(argv, 2, NULL);
}

/* Random strings of the characters that quoting is about. */
static void any_argument_arrives_as_it_was_sent(void)
{
    static const char letters[] = "\"\"\\\\\\ \tab%^&";
    char texts[40][20];
    const char *argv[43] = { HELPER, "args" };
    uint32_t random = 12345;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 40; i++) {
            random = random * 1664525 + 1013904223;
            int length = (int) (random >> 28);
            for (int j = 0; j < length; j++) {
                random = random * 1664525 + 1013904223;
                texts[i][j] = letters[(random >> 16) % (sizeof letters - 1)];
            }
            texts[i][length] = '\0';
            argv[2 + i] = texts[i];
        }
        expect_arguments(argv, 2, NULL);
    }
}

static void batch_files_get_arguments_as_they_were_sent(void)
{
    if (!system_is_windows()) {
        skip("batch files are for Windows");
        return;
    }
    char script[2000];
    snprintf(script, sizeof script, "@\"%s\" crt_args %%*\r\n", HELPER);
    for (char *at = script; *at && *at != '%'; at++)
        if (*at == '/')
            *at = '\\';
    CU_ASSERT_TRUE(create_folder("batch files"));
    write_file("batch files/run it.bat", script);
    for (size_t i = 0; i < COUNT(hostile); i++)
        if (!system_is_wine() || !strchr(hostile[i], '%'))
            expect_arguments(MPROC_ARGV("batch files\\run it.bat", hostile[i]), 1, NULL);
    if (system_is_wine())
        skip("(only its percent signs) Wine's cmd.exe knows no %variable:~,%");
    expect_arguments(MPROC_ARGV("batch files\\run it.bat", "a", "b c", "d\"e"), 1, NULL);
    CHECK_FAILS(try_start(MPROC_ARGV("batch files\\run it.bat", "a\r\nb"), NULL), MPROC_EINVAL);
    remove("batch files/run it.bat");
    remove_folder("batch files");
}

static void executable_is_run_in_place_of_argv_0(void)
{
    mproc_popen_options options = { .executable = HELPER };
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("another name", "argv0"), &options), "another name\n");
}

static void a_shell_runs_a_command_and_its_exit_code_is_the_commands(void)
{
    mproc_popen_options options = { .shell = true };
    const char *text = output_of(MPROC_ARGV("echo one&& echo two"), &options);
    CU_ASSERT_TRUE(strncmp(text, "one", 3) == 0 && strstr(text, "two"));
    mproc_run_options run = { .start = options };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, MPROC_ARGV("exit 6"), &run, LONG));
    CU_ASSERT_EQUAL(completed.returncode, 6);
    char command[3000];
    snprintf(command, sizeof command, "\"%s\" echo \"a  b\"", HELPER);
    for (char *at = command; *at && system_is_windows(); at++)
        if (*at == '/')
            *at = '\\';
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV(command), &options), "a  b");
}

static void further_arguments_of_a_shell_are_its_parameters(void)
{
    if (on_windows("cmd.exe has no parameters"))
        return;
    mproc_popen_options options = { .shell = true };
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("echo $0 $2", "zero", "one", "two  2"), &options),
                           "zero two 2\n");
    options.executable = "/bin/bash";
    if (file_exists("/bin/bash"))
        CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("echo ${BASH_VERSION:+bash}"), &options), "bash\n");
}

/* ---- environment and folder ---- */

static void environment_is_all_that_the_child_has(void)
{
    CHECK_OK(mproc_plat_set_environment("MPROC_TEST_HERE", "here"));
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_TEST_HERE"), NULL), "here\n");
    const char *root = getenv("SystemRoot"); /* Windows programs need it */
    char variable[300];
    snprintf(variable, sizeof variable, "SystemRoot=%s", root ? root : "");
    const char *const environment[] = { "MPROC_TEST_NEW=n\xc3\xa9w=1", variable, NULL };
    mproc_popen_options options = { .environment = environment };
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_TEST_NEW"), &options), "n\xc3\xa9w=1\n");
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_TEST_HERE"), &options), "\n");
    const char *const changes[] = { "MPROC_TEST_HERE", "MPROC_TEST_MORE=more", NULL };
    mproc_popen_options changed = { .environment_changes = changes };
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_TEST_HERE"), &changed), "\n");
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_TEST_MORE"), &changed), "more\n");
    changed.environment = environment;
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_TEST_MORE"), &changed), "more\n");
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_TEST_NEW"), &changed), "n\xc3\xa9w=1\n");
    CU_ASSERT_STRING_EQUAL(getenv("MPROC_TEST_HERE"), "here");
    CHECK_OK(mproc_plat_set_environment("MPROC_TEST_HERE", NULL));
}

static void what_mproc_tells_its_own_children_is_not_for_other_programs(void)
{
    CHECK_OK(mproc_plat_set_environment("MPROC_BOOT", "1:2:3:4:5"));
    CHECK_OK(mproc_plat_set_environment("MPROC_BOOTS", "leather"));
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_BOOT"), NULL), "\n");
    CU_ASSERT_STRING_EQUAL(output_of(HELP("env", "MPROC_BOOTS"), NULL), "leather\n");
    CHECK_OK(mproc_plat_set_environment("MPROC_BOOT", NULL));
    CHECK_OK(mproc_plat_set_environment("MPROC_BOOTS", NULL));
}

static void a_program_is_searched_in_the_path_of_its_own_environment(void)
{
    if (on_windows("Windows searches this process's PATH"))
        return;
    char path[3000];
    snprintf(path, sizeof path, "PATH=/nowhere:relative:%s", TEST_PROGRAMS);
    const char *const changes[] = { path, NULL };
    mproc_popen_options options = { .environment_changes = changes };
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("helper", "argv0"), &options), "helper\n");
    CHECK_FAILS(try_start(MPROC_ARGV("helper", "argv0"), NULL), MPROC_ENOTFOUND);
    options.set_umask = true; /* the other way of starting */
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("helper", "argv0"), &options), "helper\n");
}

static void working_directory_is_entered_before_a_relative_program_is_looked_for(void)
{
    if (on_windows("on Windows the program is looked for from this process's folder"))
        return;
    mproc_popen_options options = { .working_directory = TEST_PROGRAMS };
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("./helper", "echo", "x"), &options), "x");
}

static void working_directory_is_the_childs_only(void)
{
    CU_ASSERT_TRUE(create_folder("fold\xc3\xa9r"));
    mproc_popen_options options = { .working_directory = "fold\xc3\xa9r" };
    CU_ASSERT_PTR_NOT_NULL(strstr(output_of(HELP("folder"), &options), "fold\xc3\xa9r\n"));
    CU_ASSERT_PTR_NULL(strstr(output_of(HELP("folder"), NULL), "fold\xc3\xa9r\n"));
    remove_folder("fold\xc3\xa9r");
}

/* ---- errors before the start ---- */

static void errors_before_the_start_name_the_path(void)
{
    if (skip_if_emulated("qemu-user reports no failed start of a program"))
        return;
    CHECK_FAILS(try_start(MPROC_ARGV("no-such-program-anywhere"), NULL), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "no-such-program-anywhere"));
    CHECK_FAILS(try_start(MPROC_ARGV("./no/such/program"), NULL), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "./no/such/program"));
    int code = mproc_last_system_error(); /* ENOENT; ERROR_FILE_NOT_FOUND or ERROR_PATH_NOT_FOUND */
    CU_ASSERT_TRUE(code == 2 || (system_is_windows() && code == 3));
    mproc_popen_options options = { .working_directory = "no such folder" };
    CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "no such folder"));
    options = (mproc_popen_options){ .executable = "no-such-program-either" };
    CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "no-such-program-either"));
    write_file("no program", "hello");
    mproc_err err = try_start(MPROC_ARGV("./no program"), NULL);
    CU_ASSERT_TRUE(err == (system_is_windows() ? MPROC_EIMAGE : MPROC_EPERM));
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "no program"));
    remove("no program");
    CHECK_FAILS(try_start(MPROC_ARGV(""), NULL), MPROC_ENOTFOUND);
}

/* The same errors where posix_spawn() is not what starts. */
static void errors_before_the_start_are_the_same_with_a_umask(void)
{
    if (skip_if_emulated("qemu-user reports no failed start of a program"))
        return;
    if (on_windows("there is one way of starting on Windows"))
        return;
    mproc_popen_options options = { .set_umask = true, .umask = 077 };
    CHECK_FAILS(try_start(MPROC_ARGV("no-such-program-anywhere"), &options), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "no-such-program-anywhere"));
    CU_ASSERT_EQUAL(mproc_last_system_error(), 2);
    CHECK_FAILS(try_start(MPROC_ARGV("/etc/passwd"), &options), MPROC_EPERM);
    options.working_directory = "no such folder";
    CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "no such folder"));
    CHECK_FAILS(try_start(MPROC_ARGV("/etc"), NULL), MPROC_EPERM);
}

static void a_file_that_is_no_program_is_said_to_be_none(void)
{
    if (skip_if_emulated("qemu-user reports no failed start of a program"))
        return;
    if (on_windows("the test before has tried that"))
        return;
    mproc_completed completed;
    CHECK_OK(mproc_getstatusoutput(&completed, "printf hello > 'not one'; chmod +x 'not one'", LONG));
    CU_ASSERT_EQUAL(completed.returncode, 0);
    mproc_completed_free(&completed);
    CHECK_FAILS(try_start(MPROC_ARGV("./not one"), NULL), MPROC_EIMAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "./not one"));
    mproc_popen_options options = { .set_umask = true };
    CHECK_FAILS(try_start(MPROC_ARGV("./not one"), &options), MPROC_EIMAGE);
    write_file("not one", "#!/no/such/interpreter\n");
    CHECK_FAILS(try_start(MPROC_ARGV("./not one"), NULL), MPROC_ENOTFOUND);
    write_file("not one", "#!/bin/sh\necho a script\n");
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("./not one"), NULL), "a script\n");
    remove("not one");
}

static void it_works_with_closed_standard_streams(void)
{
    if (on_windows("a Windows program's streams are not numbers"))
        return;
    mproc_popen_options options = { .shell = true };
    const char *const command = "\"$0\" \"$1\" <&- 2>&-; echo $?";
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV(command, PROGRAM("runs_programs"), HELPER), &options),
                           "before init: one\nafter init: two\n0\n");
}

static void arguments_that_are_too_long_are_refused(void)
{
    if (skip_if_emulated("qemu-user reports no failed start of a program"))
        return;
    size_t size = 20 << 20;
    char *longest = malloc(size + 1);
    memset(longest, 'a', size);
    longest[size] = '\0';
    CHECK_FAILS(try_start(HELP("args", longest), NULL), MPROC_EINVAL);
    free(longest);
}

/* ---- streams ---- */

static void devnull_reads_nothing_and_keeps_nothing(void)
{
    mproc_popen_options options = { .standard_input = { .kind = MPROC_STREAM_NULL } };
    CU_ASSERT_STRING_EQUAL(output_of(HELP("copy"), &options), "");
    options.standard_output.kind = options.standard_error.kind = MPROC_STREAM_NULL;
    CHECK_OK(mproc_check_call(HELP("both"), &options, LONG));
}

static void stderr_can_go_where_stdout_goes_in_order(void)
{
    mproc_popen_options options = { .standard_error = { .kind = MPROC_STREAM_STDOUT } };
    CU_ASSERT_STRING_EQUAL(output_of(HELP("order"), &options), "0\n1\n2\n3\n4\n");
    options.standard_output = (mproc_stream){ .kind = MPROC_STREAM_PATH, .path = "both" };
    CHECK_OK(mproc_check_call(HELP("order"), &options, LONG));
    expect_file("both", "0\n1\n2\n3\n4\n");
    remove("both");
    options.standard_input.kind = MPROC_STREAM_STDOUT;
    CHECK_FAILS(try_start(HELP("order"), &options), MPROC_EINVAL);
}

static void files_are_read_emptied_and_appended_to(void)
{
    mproc_popen_options options = { .standard_output = { .kind = MPROC_STREAM_PATH, .path = "file \xc3\xbc" } };
    CHECK_OK(mproc_check_call(HELP("echo", "first"), &options, LONG));
    CHECK_OK(mproc_check_call(HELP("echo", "second"), &options, LONG));
    options.standard_output.kind = MPROC_STREAM_APPEND;
    CHECK_OK(mproc_check_call(HELP("echo", " third"), &options, LONG));
    mproc_popen_options input = { .standard_input = { .kind = MPROC_STREAM_PATH, .path = "file \xc3\xbc" } };
    CU_ASSERT_STRING_EQUAL(output_of(HELP("copy"), &input), "second third");
    input.standard_input.path = "no such file";
    CHECK_FAILS(try_start(HELP("copy"), &input), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "no such file"));
    options.standard_output.path = "no such folder/file";
    CHECK_FAILS(try_start(HELP("copy"), &options), MPROC_ENOTFOUND);
    options.standard_output.path = NULL;
    CHECK_FAILS(try_start(HELP("copy"), &options), MPROC_EINVAL);
    remove_file("file \xc3\xbc");
}

static void native_handles_can_be_streams_and_stay_the_callers(void)
{
    intptr_t file = native_open("native", true);
    mproc_popen_options options = { .standard_output = { .kind = MPROC_STREAM_NATIVE, .native = file } };
    CHECK_OK(mproc_check_call(HELP("echo", "one "), &options, LONG));
    options.standard_error = options.standard_output;
    CHECK_OK(mproc_check_call(HELP("echo", "two"), &options, LONG));
    CU_ASSERT_TRUE(native_write(file, " three"));
    native_close(file);
    expect_file("native", "one two three");
    remove("native");
    options.standard_output.native = 99999;
    CHECK_FAILS(try_start(HELP("echo", "x"), &options), MPROC_EINVAL);
}

static void standard_streams_can_change_places(void)
{
    mproc_completed completed;
    mproc_run_options options = { .start = { .standard_error = { .kind = MPROC_STREAM_PIPE } } };
    CHECK_OK(mproc_run(&completed, HELP("copy", "stderr"), &options, LONG));
    mproc_completed_free(&completed);
    /* stdout of the child is this process's stderr and the other way round. */
    mproc_popen_options crossed = {
        .standard_output = { .kind = MPROC_STREAM_NATIVE, .native = native_stream(2) },
        .standard_error = { .kind = MPROC_STREAM_NATIVE, .native = native_stream(1) }
    };
    CHECK_OK(mproc_check_call(HELP("exit", "0"), &crossed, LONG));
}

static void pipelines_end_when_the_first_or_the_last_does(void)
{
    mproc_popen *first = NULL, *second = NULL, *third = NULL;
    mproc_popen_options to_next = { .standard_input = { .kind = MPROC_STREAM_PIPE },
                                    .standard_output = { .kind = MPROC_STREAM_PIPELINE } };
    CHECK_OK(mproc_popen_start(&first, HELP("copy_fast"), &to_next));
    mproc_popen_options between = { .standard_input = { .kind = MPROC_STREAM_CHILD, .child = first },
                                    .standard_output = { .kind = MPROC_STREAM_PIPELINE } };
    CHECK_OK(mproc_popen_start(&second, HELP("copy_fast"), &between));
    CHECK_FAILS(try_start(HELP("copy_fast"), &between), MPROC_EINVAL); /* given away */
    mproc_popen_options last = { .standard_input = { .kind = MPROC_STREAM_CHILD, .child = second },
                                 .standard_output = { .kind = MPROC_STREAM_PIPE } };
    CHECK_OK(mproc_popen_start(&third, HELP("copy_fast"), &last));
    CHECK_OK(mproc_popen_write(first, "through three", 13, NULL, LONG));
    CHECK_OK(mproc_popen_close_stream(first, MPROC_STDIN));
    mproc_completed completed;
    CHECK_OK(mproc_popen_communicate(third, NULL, 0, &completed, LONG));
    CU_ASSERT_STRING_EQUAL(completed.output, "through three");
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(first));
    CHECK_OK(mproc_popen_close(second));
    CHECK_OK(mproc_popen_close(third));
    /* The reader is gone: the writer ends too, since nobody here holds its pipe. */
    to_next.standard_input.kind = MPROC_STREAM_NULL;
    CHECK_OK(mproc_popen_start(&first, HELP("spew", "1000000000000"), &to_next));
    mproc_popen_options quits = { .standard_input = { .kind = MPROC_STREAM_CHILD, .child = first } };
    CHECK_OK(mproc_check_call(HELP("exit", "0"), &quits, LONG));
    CHECK_OK(mproc_popen_wait(first, LONG));
    int returncode = 0;
    CHECK_OK(mproc_popen_returncode(first, &returncode));
    CU_ASSERT_TRUE(system_is_windows() ? returncode != 0 : returncode == -13);
    CHECK_OK(mproc_popen_close(first));
    mproc_popen_options none = { .standard_input = { .kind = MPROC_STREAM_CHILD } };
    CHECK_FAILS(try_start(HELP("copy"), &none), MPROC_EINVAL);
    mproc_popen_options unknown = { .standard_input = { .kind = (mproc_stream_kind) 77 } };
    CHECK_FAILS(try_start(HELP("copy"), &unknown), MPROC_EINVAL);
}

static void pipe_size_is_a_wish(void)
{
    mproc_run_options options = { .capture_output = true, .start = { .pipe_size = 4096 } };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("spew", "300000"), &options, LONG));
    CU_ASSERT_EQUAL(completed.output_size, 300000);
    mproc_completed_free(&completed);
    options.start.pipe_size = (size_t) 1 << 40;
    CHECK_OK(mproc_run(&completed, HELP("spew", "300000"), &options, LONG));
    CU_ASSERT_EQUAL(completed.output_size, 300000);
    mproc_completed_free(&completed);
}

static void a_terminal_is_the_childs_controlling_one(void)
{
    mproc_stream terminal = { .kind = MPROC_STREAM_TERMINAL };
    mproc_popen_options options = { .standard_input = terminal,
                                    .standard_output = terminal,
                                    .standard_error = terminal,
                                    .terminal_rows = 30,
                                    .terminal_columns = 100,
                                    .text = true };
    mproc_popen *child = NULL;
    if (system_is_windows()) {
        CHECK_FAILS(mproc_popen_start(&child, HELP("copy"), &options), MPROC_ENOTSUP);
        return;
    }
    CHECK_OK(mproc_popen_start(&child, HELP("terminal"), &options));
    mproc_completed completed;
    CHECK_OK(mproc_popen_communicate(child, NULL, 0, &completed, LONG));
    CU_ASSERT_PTR_NOT_NULL(strstr(completed.output, "tty 111 size 30x100 controlling yes\n"));
    CU_ASSERT_STRING_EQUAL(completed.error, "");
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
    /* What is written is echoed, and closing stdin is the end of the file. */
    CHECK_OK(mproc_popen_start(&child, HELP("copy"), &options));
    CHECK_OK(mproc_popen_communicate(child, "a line\nand a half", 17, &completed, LONG));
    CU_ASSERT_PTR_NOT_NULL(strstr(completed.output, "and a half"));
    CU_ASSERT_EQUAL(completed.returncode, 0);
    mproc_completed_free(&completed);
    CHECK_OK(mproc_popen_close(child));
}

/* ---- descriptors ---- */

static void only_the_standard_streams_reach_a_child(void)
{
    intptr_t file = native_open("stray", true);
    if (system_is_windows()) {
        char number[30];
        snprintf(number, sizeof number, "%lld", (long long) file);
        CU_ASSERT_STRING_EQUAL(output_of(HELP("handle", number), NULL), "closed\n");
        mproc_popen_options options = { .inherit = &file, .inherit_count = 1 };
        CU_ASSERT_STRING_EQUAL(output_of(HELP("handle", number), &options), "open\n");
        CU_ASSERT_STRING_EQUAL(output_of(HELP("handle", number), NULL), "closed\n");
        options = (mproc_popen_options){ .inherit_all = true };
        CU_ASSERT_STRING_EQUAL(output_of(HELP("handle", number), &options), "open\n");
    } else {
        mproc_popen_options options = { .set_umask = true, .umask = 022 };
        CU_ASSERT_STRING_EQUAL(output_of(HELP("descriptors"), NULL), "0 1 2 \n");
        CU_ASSERT_STRING_EQUAL(output_of(HELP("descriptors"), &options), "0 1 2 \n");
    }
    native_close(file);
    remove("stray");
}

static void inherit_lets_descriptors_through_under_their_numbers(void)
{
    if (on_windows("its HANDLEs are tried above"))
        return;
    intptr_t files[3];
    char expected[100] = "0 1 2 ";
    for (int i = 0; i < 3; i++)
        files[i] = native_open("kept", true);
    snprintf(expected, sizeof expected, "0 1 2 %d %d \n", (int) files[0], (int) files[2]);
    const intptr_t kept[] = { files[2], files[0], files[2] };
    mproc_popen_options options = { .inherit = kept, .inherit_count = 3 };
    CU_ASSERT_STRING_EQUAL(output_of(HELP("descriptors"), &options), expected);
    options.set_umask = true;
    CU_ASSERT_STRING_EQUAL(output_of(HELP("descriptors"), &options), expected);
    mproc_popen_options all = { .inherit_all = true };
    const char *listed = output_of(HELP("descriptors"), &all);
    for (int i = 0; i < 3; i++) {
        snprintf(expected, sizeof expected, " %d ", (int) files[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(listed, expected));
    }
    native_close(files[0]);
    CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_EINVAL);
    native_close(files[1]);
    native_close(files[2]);
    options.inherit = NULL;
    CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_EINVAL);
    remove("kept");
}

static atomic_bool over;

static void open_and_close(void *context)
{
    const char *path = context;
    while (!atomic_load(&over)) {
        intptr_t files[8];
        for (int i = 0; i < 8; i++)
            files[i] = native_open(path, true);
        for (int i = 0; i < 8; i++)
            native_close(files[i]);
    }
}

static void no_stray_descriptor_reaches_a_child_while_threads_open_files(void)
{
    if (on_windows("a Windows program cannot list its handles; the handle list is tried above"))
        return;
    struct test_thread *threads[THREADS];
    char names[THREADS][20];
    atomic_store(&over, false);
    for (int i = 0; i < THREADS; i++) {
        snprintf(names[i], sizeof names[i], "racing %d", i);
        threads[i] = thread_start(open_and_close, names[i]);
    }
    mproc_popen_options options = { .umask = 022 };
    for (int i = 0; i < 60; i++) {
        options.set_umask = i % 2;
        CU_ASSERT_STRING_EQUAL(output_of(HELP("descriptors"), &options), "0 1 2 \n");
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        remove(names[i]);
    }
}

/* ---- sessions, groups, umask, users, signals ---- */

struct identity {
    long pid, session, group, uid, gid;
    int groups;
    unsigned umask;
};

static struct identity identity_of(const mproc_popen_options *options)
{
    struct identity is = { 0 };
    const char *text = output_of(HELP("identity"), options);
    CU_ASSERT_EQUAL(sscanf(text, "pid %ld session %ld group %ld uid %ld gid %ld groups %d umask %o", &is.pid,
                           &is.session, &is.group, &is.uid, &is.gid, &is.groups, &is.umask),
                    7);
    return is;
}

static void a_new_session_or_group_is_the_childs_own(void)
{
    if (skip_if_emulated("qemu-user starts programs without sessions, groups and users of their own"))
        return;
    mproc_popen_options session = { .new_session = true }, group = { .new_process_group = true };
    if (system_is_windows()) {
        CHECK_OK(mproc_check_call(HELP("exit", "0"), &session, LONG));
        CHECK_OK(mproc_check_call(HELP("exit", "0"), &group, LONG));
        return;
    }
    struct identity own = identity_of(NULL), is = identity_of(&session);
    CU_ASSERT_TRUE(is.session == is.pid && is.group == is.pid);
    is = identity_of(&group);
    CU_ASSERT_TRUE(is.session == own.session && is.group == is.pid);
    group.set_umask = session.set_umask = true; /* by the other way */
    is = identity_of(&session);
    CU_ASSERT_TRUE(is.session == is.pid && is.umask == 0);
    is = identity_of(&group);
    CU_ASSERT_TRUE(is.session == own.session && is.group == is.pid);
    mproc_popen_options join = { .process_group = own.group };
    CU_ASSERT_EQUAL(identity_of(&join).group, own.group);
    join.process_group = 1;
    CU_ASSERT_NOT_EQUAL(try_start(HELP("exit", "0"), &join), MPROC_OK);
    join.set_umask = true;
    CU_ASSERT_NOT_EQUAL(try_start(HELP("exit", "0"), &join), MPROC_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "process_group"));
    mproc_popen_options both = { .new_session = true, .new_process_group = true };
    CHECK_FAILS(try_start(HELP("exit", "0"), &both), MPROC_EINVAL);
}

static void the_umask_is_the_childs_only(void)
{
    mproc_popen_options options = { .set_umask = true, .umask = 027 };
    if (system_is_windows()) {
        CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_ENOTSUP);
        return;
    }
    unsigned own = identity_of(NULL).umask;
    CU_ASSERT_EQUAL(identity_of(&options).umask, 027);
    CU_ASSERT_EQUAL(identity_of(NULL).umask, own);
}

static void user_and_groups_are_given_by_name_or_number(void)
{
    if (skip_if_emulated("qemu-user starts programs without sessions, groups and users of their own"))
        return;
    mproc_popen_options options = { .user = "no such user at all" };
    if (system_is_windows()) {
        CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_ENOTSUP);
        return;
    }
    CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "no such user at all"));
    struct identity own = identity_of(NULL);
    const char *const none[] = { NULL }, *const two[] = { "1", "2", NULL };
    if (own.uid != 0) {
        options = (mproc_popen_options){ .user = "0" };
        CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_EPERM);
        skip("only root may change users; that it may not has been tried");
        return;
    }
    options = (mproc_popen_options){ .user = "65534", .group = "65533", .extra_groups = two };
    options.executable = "/bin/sh"; /* the helper's folder may not be open to all */
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("sh", "-c", "id -u; id -g; id -G"), &options),
                           "65534\n65533\n65533 1 2\n");
    options.user = "root";
    options.group = "root";
    options.extra_groups = none;
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("sh", "-c", "id -u; id -g; id -G"), &options), "0\n0\n0\n");
    options.group = "no such group at all";
    CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_ENOTFOUND);
}

static void another_users_program_starts_with_all_else_too(void)
{
    if (skip_if_emulated("qemu-user starts programs without sessions, groups and users of their own"))
        return;
    if (on_windows("user is for Unix"))
        return;
    if (identity_of(NULL).uid != 0) {
        skip("only root may start programs of other users");
        return;
    }
    intptr_t file = native_open("as nobody", true);
    char command[200], expected[100];
    snprintf(command, sizeof command, "umask; pwd; echo x >&%d", (int) file);
    snprintf(expected, sizeof expected, "0007\n/\n");
    mproc_popen_options options = { .user = "65534", .set_umask = true, .umask = 07, .working_directory = "/",
                                    .new_session = true, .inherit = &file, .inherit_count = 1 };
    CU_ASSERT_STRING_EQUAL(output_of(MPROC_ARGV("/bin/sh", "-c", command), &options), expected);
    native_close(file);
    expect_file("as nobody", "x\n");
    remove("as nobody");
    CHECK_FAILS(try_start(MPROC_ARGV("/no/such/program"), &options), MPROC_EINVAL);
    options.inherit_count = 0;
    CHECK_FAILS(try_start(MPROC_ARGV("/no/such/program"), &options), MPROC_ENOTFOUND);
}

static void ignored_signals_are_restored_unless_they_are_to_be_kept(void)
{
    if (on_windows("Windows has no signals"))
        return;
    mproc_popen_options options = { .keep_signals = false };
    ignore_pipe_signal(true);
    CU_ASSERT_STRING_EQUAL(output_of(HELP("signals"), &options), "default default default \n");
    options.keep_signals = true;
    CU_ASSERT_STRING_EQUAL(output_of(HELP("signals"), &options), "ignored default default \n");
    options.set_umask = true;
    CU_ASSERT_STRING_EQUAL(output_of(HELP("signals"), &options), "ignored default default \n");
    options.keep_signals = false;
    CU_ASSERT_STRING_EQUAL(output_of(HELP("signals"), &options), "default default default \n");
    ignore_pipe_signal(false);
}

static void signals_are_sent_and_end_a_child_with_minus_their_number(void)
{
    mproc_popen_options options = { .standard_output = { .kind = MPROC_STREAM_PIPE } };
    mproc_popen *child = NULL;
    const char *line = NULL;
    int returncode = 0;
    if (system_is_windows()) {
        CHECK_OK(mproc_popen_start(&child, HELP("stay"), &options));
        CHECK_FAILS(mproc_popen_send_signal(child, 1), MPROC_ENOTSUP);
        CHECK_OK(mproc_popen_send_signal(child, 9));
        CHECK_OK(mproc_popen_close(child));
        return;
    }
    CHECK_OK(mproc_popen_start(&child, HELP("wait_signal"), &options));
    CHECK_OK(mproc_popen_read_line(child, MPROC_STDOUT, &line, NULL, LONG));
    CHECK_FAILS(mproc_popen_send_signal(child, 9999), MPROC_EINVAL);
    int number = line ? atoi(line) : 0; /* SIGUSR1 */
    CHECK_OK(mproc_popen_send_signal(child, number));
    CHECK_OK(mproc_popen_wait(child, LONG));
    CHECK_OK(mproc_popen_returncode(child, &returncode));
    CU_ASSERT_EQUAL(returncode, 42);
    CHECK_OK(mproc_popen_send_signal(child, number)); /* nobody gets it */
    CHECK_OK(mproc_popen_close(child));
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("raise", "6"), NULL, LONG));
    CU_ASSERT_EQUAL(completed.returncode, -6);
    CHECK_FAILS(mproc_check_returncode(&completed), MPROC_EEXITCODE);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "signal 6"));
}

static void control_break_ends_a_process_group_on_windows(void)
{
    if (!system_is_windows()) {
        skip("Unix has signals");
        return;
    }
    mproc_popen_options options = { .new_process_group = true,
                                    .standard_output = { .kind = MPROC_STREAM_PIPE } };
    mproc_popen *child = NULL;
    const char *line;
    int returncode = 0;
    CHECK_OK(mproc_popen_start(&child, HELP("stubborn"), &options));
    CHECK_OK(mproc_popen_read_line(child, MPROC_STDOUT, &line, NULL, LONG));
    mproc_err err = mproc_popen_send_signal(child, 21);
    if (err == MPROC_ESYSTEM) {
        skip("there is no console here to send it through");
        CHECK_OK(mproc_popen_kill(child));
        CHECK_OK(mproc_popen_close(child));
        return;
    }
    CHECK_OK(err);
    CHECK_OK(mproc_popen_wait(child, LONG));
    CHECK_OK(mproc_popen_returncode(child, &returncode));
    CU_ASSERT_EQUAL((uint32_t) returncode, 0xC000013A); /* STATUS_CONTROL_C_EXIT */
    CHECK_OK(mproc_popen_close(child));
}

static void creation_flags_are_for_windows(void)
{
    mproc_popen_options options = { .creation_flags = 0x08000000 }; /* CREATE_NO_WINDOW */
    if (!system_is_windows()) {
        CHECK_FAILS(try_start(HELP("exit", "0"), &options), MPROC_ENOTSUP);
        return;
    }
    options.hide_window = true;
    CU_ASSERT_STRING_EQUAL(output_of(HELP("echo", "x"), &options), "x");
}

MPROC_SUITE(subprocess_options, MPROC_TEST(hostile_arguments_arrive_as_they_were_sent),
            MPROC_TEST(any_argument_arrives_as_it_was_sent),
            MPROC_TEST(batch_files_get_arguments_as_they_were_sent),
            MPROC_TEST(executable_is_run_in_place_of_argv_0),
            MPROC_TEST(a_shell_runs_a_command_and_its_exit_code_is_the_commands),
            MPROC_TEST(further_arguments_of_a_shell_are_its_parameters),
            MPROC_TEST(environment_is_all_that_the_child_has),
            MPROC_TEST(what_mproc_tells_its_own_children_is_not_for_other_programs),
            MPROC_TEST(a_program_is_searched_in_the_path_of_its_own_environment),
            MPROC_TEST(working_directory_is_entered_before_a_relative_program_is_looked_for),
            MPROC_TEST(working_directory_is_the_childs_only),
            MPROC_TEST(errors_before_the_start_name_the_path),
            MPROC_TEST(errors_before_the_start_are_the_same_with_a_umask),
            MPROC_TEST(a_file_that_is_no_program_is_said_to_be_none),
            MPROC_TEST(it_works_with_closed_standard_streams),
            MPROC_TEST(arguments_that_are_too_long_are_refused),
            MPROC_TEST(devnull_reads_nothing_and_keeps_nothing),
            MPROC_TEST(stderr_can_go_where_stdout_goes_in_order),
            MPROC_TEST(files_are_read_emptied_and_appended_to),
            MPROC_TEST(native_handles_can_be_streams_and_stay_the_callers),
            MPROC_TEST(standard_streams_can_change_places),
            MPROC_TEST(pipelines_end_when_the_first_or_the_last_does), MPROC_TEST(pipe_size_is_a_wish),
            MPROC_TEST(a_terminal_is_the_childs_controlling_one),
            MPROC_TEST(only_the_standard_streams_reach_a_child),
            MPROC_TEST(inherit_lets_descriptors_through_under_their_numbers),
            MPROC_TEST(no_stray_descriptor_reaches_a_child_while_threads_open_files),
            MPROC_TEST(a_new_session_or_group_is_the_childs_own), MPROC_TEST(the_umask_is_the_childs_only),
            MPROC_TEST(user_and_groups_are_given_by_name_or_number),
            MPROC_TEST(another_users_program_starts_with_all_else_too),
            MPROC_TEST(ignored_signals_are_restored_unless_they_are_to_be_kept),
            MPROC_TEST(signals_are_sent_and_end_a_child_with_minus_their_number),
            MPROC_TEST(control_break_ends_a_process_group_on_windows),
            MPROC_TEST(creation_flags_are_for_windows))
