/* SPDX-License-Identifier: MIT */
/* What options do, and what is refused about them. */
#include "suite.h"
#include "system.h"

#include "platform.h"


static int return_zero(void *argument)
{
    (void) argument;
    return 0;
}

static mproc_err try_options(const mproc_process_options *options)
{
    mproc_process *process = NULL;
    mproc_err err = mproc_process_start(&process, return_zero, NULL, 0, options);
    if (err == MPROC_OK)
        end_child(process);
    else
        CU_ASSERT_TRUE(strlen(mproc_last_error()) > 20);
    return err;
}

/* ---- name, daemon, method ---- */

static int check_name(void *argument)
{
    CHILD_CHECK(strcmp(mproc_process_name(mproc_current_process()), argument) == 0);
    bool daemon = false;
    CHILD_CHECK(mproc_process_daemon(mproc_current_process(), &daemon) == MPROC_OK);
    CHILD_CHECK(strcmp(mproc_process_name(mproc_parent_process()), "MainProcess") == 0);
    return daemon ? 2 : 1;
}

static void name_and_daemon_are_seen_on_both_sides(void)
{
    mproc_process_options options = { .name = "worker \xc3\xbc", .daemon = true };
    mproc_process *process = start_child(check_name, "worker \xc3\xbc", 10, &options);
    bool daemon = false;
    CU_ASSERT_STRING_EQUAL(mproc_process_name(process), "worker \xc3\xbc");
    CU_ASSERT_EQUAL(mproc_process_daemon(process, &daemon), MPROC_OK);
    CU_ASSERT_TRUE(daemon);
    CU_ASSERT_EQUAL(end_child(process), 2);
}

/* ---- environment and folder ---- */

static int check_environment(void *argument)
{
    (void) argument;
    const char *added = getenv("MPROC_TEST_ADDED"), *path = getenv("PATH");
    CHILD_CHECK(added && strcmp(added, "one=two") == 0);
    CHILD_CHECK(getenv("MPROC_TEST_REMOVED") == NULL);
    CHILD_CHECK(getenv("MPROC_BOOT") == NULL);
    CHILD_CHECK(path != NULL);
    return 0;
}

static void environment_is_added_and_removed_in_the_child_only(void)
{
    CU_ASSERT_EQUAL(mproc_plat_set_environment("MPROC_TEST_REMOVED", "there"), MPROC_OK);
    const char *const environment[] = { "MPROC_TEST_ADDED=one=two", "MPROC_TEST_REMOVED", NULL };
    mproc_process_options options = { .environment = environment };
    CU_ASSERT_EQUAL(run_child(check_environment, NULL, 0, &options), 0);
    CU_ASSERT_PTR_NULL(getenv("MPROC_TEST_ADDED"));
    CU_ASSERT_STRING_EQUAL(getenv("MPROC_TEST_REMOVED"), "there");
    CU_ASSERT_EQUAL(mproc_plat_set_environment("MPROC_TEST_REMOVED", NULL), MPROC_OK);
}

static void the_last_change_of_a_variable_counts(void)
{
    CHECK_OK(mproc_plat_set_environment("MPROC_TEST_REMOVED", "there"));
    const char *const environment[] = { "MPROC_TEST_ADDED=one", "MPROC_TEST_REMOVED=again", "MPROC_TEST_ADDED",
                                        "MPROC_TEST_ADDED=one=two", "MPROC_TEST_REMOVED", NULL };
    mproc_process_options options = { .environment = environment };
    CU_ASSERT_EQUAL(run_child(check_environment, NULL, 0, &options), 0);
    CHECK_OK(mproc_plat_set_environment("MPROC_TEST_REMOVED", NULL));
}

/* It would be taken for the sign that says who a child is, or make a program the child starts believe it. */
static void mprocs_own_variable_cannot_be_changed(void)
{
    const char *const environment[] = { "MPROC_BOOT=1:2:3:4:5", "MPROC_TEST_ADDED=one=two", "MPROC_BOOT", NULL };
    mproc_process_options options = { .environment = environment };
    CU_ASSERT_EQUAL(run_child(check_environment, NULL, 0, &options), 0);
}

static int write_here(void *argument)
{
    FILE *file = fopen(argument, "wb");
    CHILD_CHECK(file != NULL);
    fclose(file);
    return 0;
}

static void the_working_directory_is_the_childs_only(void)
{
    CU_ASSERT_TRUE(create_folder("option folder"));
    mproc_process_options options = { .working_directory = "option folder" };
    CU_ASSERT_EQUAL(run_child(write_here, "made-by-child", 14, &options), 0);
    FILE *file = fopen("option folder/made-by-child", "rb");
    CU_ASSERT_PTR_NOT_NULL(file);
    if (file)
        fclose(file);
    CU_ASSERT_PTR_NULL(fopen("made-by-child", "rb"));
    remove_folder("option folder");
    CU_ASSERT_EQUAL(try_options(&options), MPROC_ENOTFOUND);
}

/* ---- streams ---- */

static int copy_stdin_twice(void *argument)
{
    (void) argument;
    char line[100] = "nothing\n";
    if (!fgets(line, sizeof line, stdin))
        strcpy(line, "end of file\n");
    fputs(line, stdout);
    fputs("to stderr\n", stderr);
    return 0;
}

static void expect_file(const char *path, const char *expected)
{
    char text[200] = "";
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    size_t to = 0;
    for (size_t at = 0; at < got; at++)
        if (text[at] != '\r')
            text[to++] = text[at];
    text[to] = '\0';
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static void streams_can_be_files_and_the_null_device(void)
{
    FILE *file = fopen("stream-in.txt", "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs("first line\nsecond\n", file);
    fclose(file);
    remove("stream-out.txt");
    remove("stream-error.txt");
    mproc_process_options options = {
        .standard_input = { MPROC_STDIO_PATH, 0, "stream-in.txt" },
        .standard_output = { MPROC_STDIO_PATH, 0, "stream-out.txt" },
        .standard_error = { MPROC_STDIO_PATH, 0, "stream-error.txt" },
    };
    CU_ASSERT_EQUAL(run_child(copy_stdin_twice, NULL, 0, &options), 0);
    expect_file("stream-out.txt", "first line\n");
    expect_file("stream-error.txt", "to stderr\n");

    options.standard_input.kind = MPROC_STDIO_INHERIT; /* the null device, as in Python */
    options.standard_error.kind = MPROC_STDIO_NULL;
    CU_ASSERT_EQUAL(run_child(copy_stdin_twice, NULL, 0, &options), 0);
    expect_file("stream-out.txt", "first line\nend of file\n");
    expect_file("stream-error.txt", "to stderr\n");

    mproc_plat_handle handle = MPROC_PLAT_NONE;
    CU_ASSERT_EQUAL(mproc_plat_stdio_open(1, "stream-out.txt", &handle), MPROC_OK);
    options.standard_output = (mproc_stdio){ MPROC_STDIO_NATIVE, handle, NULL };
    CU_ASSERT_EQUAL(run_child(copy_stdin_twice, NULL, 0, &options), 0);
    mproc_plat_handle_close(handle);
    expect_file("stream-out.txt", "first line\nend of file\nend of file\n");
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL); /* closed */
    remove("stream-in.txt");
    remove("stream-out.txt");
    remove("stream-error.txt");
}

static void a_stream_that_cannot_be_opened_is_refused(void)
{
    mproc_process_options options = { .standard_input = { MPROC_STDIO_PATH, 0, "no such file" } };
    CU_ASSERT_EQUAL(try_options(&options), MPROC_ENOTFOUND);
    options.standard_input.path = NULL;
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
    options.standard_input.kind = (mproc_stdio_kind) 9;
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
}

/* ---- handles ---- */

static int use_inherited(void *argument)
{
    intptr_t handle;
    memcpy(&handle, argument, sizeof handle);
    CHILD_CHECK(mproc_plat_handle_check(handle) == MPROC_OK);
    return native_write(handle, "from the child\n") ? 0 : 1;
}

static void an_inherited_handle_has_the_same_number(void)
{
    remove("inherited.txt");
    mproc_plat_handle handle = MPROC_PLAT_NONE;
    CU_ASSERT_EQUAL(mproc_plat_stdio_open(1, "inherited.txt", &handle), MPROC_OK);
    intptr_t list[1] = { handle };
    mproc_process_options options = { .inherit = list, .inherit_count = 1 };
    CU_ASSERT_EQUAL(run_child(use_inherited, list, sizeof list[0], &options), 0);
    mproc_plat_handle_close(handle);
    expect_file("inherited.txt", "from the child\n");
    remove("inherited.txt");
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
}

/* ---- limits and CPUs ---- */

static int check_cpu_count(void *argument)
{
    (void) argument;
    return mproc_cpu_count();
}

static void the_child_can_be_bound_to_a_cpu(void)
{
    int cpu = 0, wrong = 100000;
    mproc_process_options options = { .cpus = &cpu, .cpu_count = 1 };
    mproc_err err = mproc_plat_confine_check(&options.limits, &cpu, 1);
    if (err == MPROC_ENOTSUP) {
        skip("this system does not bind processes to CPUs");
        return;
    }
    CU_ASSERT_EQUAL(run_child(check_cpu_count, NULL, 0, &options), 1);
    options.cpus = &wrong;
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
}

static int fill_memory(void *argument)
{
    (void) argument;
    size_t size = (size_t) 3 << 30;
    char *memory = malloc(size);
    if (!memory)
        return 3;
    for (size_t at = 0; at < size; at += 4096)
        ((volatile char *) memory)[at] = 1;
    free(memory);
    return 4;
}

static void a_childs_memory_can_be_limited(void)
{
    if (skip_if_emulated("qemu-user does not limit memory"))
        return;
    mproc_process_options options = { .limits = { .memory_bytes = (uint64_t) 1 << 30 } };
#ifdef MPROC_SANITIZED
    skip("sanitizers need more address space than any limit");
    return;
#endif
    int code = run_child(fill_memory, NULL, 0, &options);
    if (system_is_wine() && code == 4)
        skip("Wine has no memory limits");
    else
        CU_ASSERT_EQUAL(code, 3);
}

/* ---- contradictions ---- */

static void contradictions_are_refused(void)
{
    int word = 1;
    mproc_process_options options = { 0 };
    options.reserved[3] = &word;
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
    options = (mproc_process_options){ .inherit_count = 1 };
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
    options = (mproc_process_options){ .cpus = &word };
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
    options = (mproc_process_options){ .name = "" };
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
    options = (mproc_process_options){ .start_method = (mproc_start_method) 17 };
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
    const char *const nameless[] = { "=x", NULL };
    options = (mproc_process_options){ .environment = nameless };
    CU_ASSERT_EQUAL(try_options(&options), MPROC_EINVAL);
}

MPROC_SUITE(process_options, MPROC_TEST(name_and_daemon_are_seen_on_both_sides),
            MPROC_TEST(environment_is_added_and_removed_in_the_child_only),
            MPROC_TEST(the_last_change_of_a_variable_counts), MPROC_TEST(mprocs_own_variable_cannot_be_changed),
            MPROC_TEST(the_working_directory_is_the_childs_only),
            MPROC_TEST(streams_can_be_files_and_the_null_device),
            MPROC_TEST(a_stream_that_cannot_be_opened_is_refused),
            MPROC_TEST(an_inherited_handle_has_the_same_number),
            MPROC_TEST(the_child_can_be_bound_to_a_cpu), MPROC_TEST(a_childs_memory_can_be_limited),
            MPROC_TEST(contradictions_are_refused))
