/* SPDX-License-Identifier: MIT */
/* The boundary: standard streams, folders, flushing. */
#include "contract.h"

static char buffer[1000];
static _Atomic int sits;

/* As a thread does in getchar(), or in a write to a full pipe: nobody else can lock the stream. */
static void sit_in(void *stream)
{
    lock_stream(stream);
    atomic_store(&sits, 1);
    for (;;)
        mproc_plat_sleep(SECONDS);
}

static int flush_beside_a_thread_in(FILE *stream)
{
    setvbuf(stream, buffer, _IOFBF, sizeof buffer);
    thread_start(sit_in, stream);
    while (atomic_load(&sits) == 0)
        sleep_briefly();
    for (int i = 0; i < 100; i++)
        mproc_plat_stdio_flush(false);
    mproc_plat_exit_now(5);
}

/* Says something through both, and ends without flushing. */
static int print(void)
{
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    printf("first ");
    mproc_plat_stdio_flush(false);
    mproc_plat_stdio_error("second ", 7);
    printf("third");
    mproc_plat_exit_now(0);
}

static int child(const char *boot)
{
    if (strcmp(boot, "sit in stdin") == 0)
        return flush_beside_a_thread_in(stdin);
    if (strcmp(boot, "sit in stdout") == 0)
        return flush_beside_a_thread_in(stdout);
    if (strcmp(boot, "sit in stderr") == 0)
        return flush_beside_a_thread_in(stderr);
    return print();
}

static void the_null_device_is_empty_and_takes_everything(void)
{
    mproc_plat_handle input = MPROC_PLAT_NONE, output = MPROC_PLAT_NONE;
    char text[10];
    CHECK_OK(mproc_plat_stdio_open(0, NULL, &input));
    CHECK_OK(mproc_plat_stdio_open(1, NULL, &output));
    CU_ASSERT_EQUAL(native_read(input, text, sizeof text), 0);
    CU_ASSERT_TRUE(native_write(output, "away"));
    mproc_plat_handle_close(input);
    mproc_plat_handle_close(output);
}

static void files_are_created_and_appended_to(void)
{
    char folder[600], path[700], text[30];
    mproc_plat_handle handle = MPROC_PLAT_NONE;
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("\xc3\xbc", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/\xc3\xa4 file", folder);
    for (int stream = 1; stream <= 2; stream++) {
        CHECK_OK(mproc_plat_stdio_open(stream, path, &handle));
        CU_ASSERT_TRUE(native_write(handle, stream == 1 ? "one " : "two"));
        mproc_plat_handle_close(handle);
    }
    CHECK_OK(mproc_plat_stdio_open(0, path, &handle));
    CU_ASSERT_EQUAL(native_read(handle, text, sizeof text), 7);
    CU_ASSERT_STRING_EQUAL(text, "one two");
    mproc_plat_handle_close(handle);
    remove_folder(folder);
}

static void what_is_not_there_is_not_found(void)
{
    mproc_plat_handle handle = 4711;
    CHECK_FAILS(mproc_plat_stdio_open(0, "no/such/file", &handle), MPROC_ENOTFOUND);
    CHECK_FAILS(mproc_plat_stdio_open(1, "no/such/folder/file", &handle), MPROC_ENOTFOUND);
    CHECK_FAILS(mproc_plat_folder_open("no/such/folder", &handle), MPROC_ENOTFOUND);
    CU_ASSERT_EQUAL(handle, 4711);
}

static void a_folder_is_told_from_a_file(void)
{
    char folder[600], path[700];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("folders", folder, sizeof folder));
    mproc_plat_handle handle = MPROC_PLAT_NONE;
    CHECK_OK(mproc_plat_folder_open(folder, &handle));
    if (handle != MPROC_PLAT_NONE)
        mproc_plat_handle_close(handle);
    snprintf(path, sizeof path, "%s/file", folder);
    native_close(native_open(path, true));
    CHECK_FAILS(mproc_plat_folder_open(path, &handle), MPROC_ENOTFOUND);
    remove_folder(folder);
}

static void open_handles_are_told_from_others(void)
{
    mproc_plat_handle handle = MPROC_PLAT_NONE;
    CHECK_OK(mproc_plat_stdio_open(0, NULL, &handle));
    CHECK_OK(mproc_plat_handle_check(handle));
    mproc_plat_handle_close(handle);
    CHECK_FAILS(mproc_plat_handle_check(handle), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_handle_check(1 << 20), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_handle_check(-7), MPROC_EINVAL);
}

static void this_process_has_its_own_streams(void)
{
    for (int stream = 0; stream < 3; stream++) {
        mproc_plat_handle own = mproc_plat_stdio_own(stream);
        if (own != MPROC_PLAT_NONE)
            CHECK_OK(mproc_plat_handle_check(own));
    }
}

static void flushing_waits_for_no_thread_that_is_inside_a_stream(void)
{
    static const char *const boots[] = { "sit in stdin", "sit in stdout", "sit in stderr" };
#ifdef MPROC_SANITIZED_THREADS
    skip("the thread sanitizer's _exit() flushes, and waits");
    return;
#endif
    for (int i = 0; i < 3; i++) {
        struct mproc_plat_process process = spawn_child(boots[i], MPROC_PLAT_NONE);
        CU_ASSERT_EQUAL(reap_child(&process), 5);
    }
}

static void flushing_and_errors_reach_the_systems_streams(void)
{
    char folder[600], path[700], text[40];
    mproc_plat_handle output = MPROC_PLAT_NONE;
#ifdef MPROC_SANITIZED_THREADS
    skip("the thread sanitizer's _exit() flushes what is not to be written");
    return;
#endif
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("flush", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/output", folder);
    CHECK_OK(mproc_plat_stdio_open(1, path, &output));
    struct mproc_plat_spawn spawn = spawn_of("print");
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    spawn.standard[1] = spawn.standard[2] = output;
    CHECK_OK(mproc_plat_spawn(&spawn, &process));
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    mproc_plat_handle_close(output);
    intptr_t input = native_open(path, false);
    native_read(input, text, sizeof text);
    native_close(input);
    CU_ASSERT_STRING_EQUAL(text, "first second ");
    remove_folder(folder);
}

/* Forked children only: replaces the streams, enters the folder, and says so through them. */
static void replace_and_print(mproc_plat_handle output, mproc_plat_handle folder)
{
    const mproc_plat_handle standard[3] = { MPROC_PLAT_NONE, output, output };
    if (mproc_plat_stdio_replace(standard) != MPROC_OK || mproc_plat_folder_enter(folder) != MPROC_OK)
        mproc_plat_exit_now(2);
    mproc_plat_stdio_error("first ", 6);
    printf("second");
    mproc_plat_stdio_flush(false);
    mproc_plat_exit_now(file_exists("output") ? 0 : 3);
}

static void a_forked_child_replaces_streams_and_folder(void)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    char folder[600], path[700], text[40];
    mproc_plat_handle output, directory;
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("replace", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/output", folder);
    CHECK_OK(mproc_plat_stdio_open(1, path, &output));
    CHECK_OK(mproc_plat_folder_open(folder, &directory));
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    bool in_child = false;
    fflush(stdout);
    CHECK_OK(mproc_plat_fork(&process, &in_child));
    if (in_child) {
        setvbuf(stdout, NULL, _IOFBF, 1000);
        replace_and_print(output, directory);
    }
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    mproc_plat_handle_close(output);
    mproc_plat_handle_close(directory);
    intptr_t input = native_open(path, false);
    native_read(input, text, sizeof text);
    native_close(input);
    CU_ASSERT_STRING_EQUAL(text, "first second");
    remove_folder(folder);
}

/* Forked children only: they end as core ends them, without exit(). */
static void print_and_finish(const char *path, bool alone)
{
    FILE *file = fopen(path, "a");
    if (!file || !freopen(path, "a", stdout))
        mproc_plat_exit_now(2);
    setvbuf(file, NULL, _IOFBF, 1000);
    setvbuf(stdout, NULL, _IOFBF, 1000);
    fprintf(file, "file ");
    printf("stdout ");
    mproc_plat_stdio_finish(alone);
    mproc_plat_exit_now(0);
}

static void at_a_forked_childs_end_all_streams_are_written_out(void)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    char folder[600], path[700];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("finish", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/output", folder);
    fflush(stdout);
    for (int alone = 0; alone < 2; alone++) {
        struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
        bool in_child = false;
        char text[40] = "";
        CHECK_OK(mproc_plat_fork(&process, &in_child));
        if (in_child)
            print_and_finish(path, alone);
        CU_ASSERT_EQUAL(reap_child(&process), 0);
        intptr_t input = native_open(path, false);
        int got = native_read(input, text, sizeof text - 1);
        native_close(input);
        text[got > 0 ? got : 0] = '\0';
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "stdout "));
        if (alone || system_lists_streams())
            CU_ASSERT_PTR_NOT_NULL(strstr(text, "file "));
        remove_file(path);
    }
    remove_folder(folder);
}

MPROC_CONTRACT_SUITE(stdio, child, MPROC_TEST(the_null_device_is_empty_and_takes_everything),
                     MPROC_TEST(files_are_created_and_appended_to),
                     MPROC_TEST(what_is_not_there_is_not_found), MPROC_TEST(a_folder_is_told_from_a_file),
                     MPROC_TEST(open_handles_are_told_from_others),
                     MPROC_TEST(this_process_has_its_own_streams),
                     MPROC_TEST(flushing_waits_for_no_thread_that_is_inside_a_stream),
                     MPROC_TEST(flushing_and_errors_reach_the_systems_streams),
                     MPROC_TEST(a_forked_child_replaces_streams_and_folder),
                     MPROC_TEST(at_a_forked_childs_end_all_streams_are_written_out))
