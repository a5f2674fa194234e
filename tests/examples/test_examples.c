/* SPDX-License-Identifier: MIT */
/* Runs every example as a user would and checks that what must be seen is seen. */
#include "suite.h"
#include "system.h"

#include <mproc.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_proc.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINES = 128, MAX_ARGUMENTS = 16 };

/* What a program has printed to stdout, as lines without their ends, and how it ended. */
struct output {
    const char *text;
    const char *lines[MAX_LINES]; /* "" from line_count on */
    int line_count;
    int exit_code;
    int64_t pid;
};

static apr_pool_t *pool;

static void prepare_pool(void)
{
    if (pool)
        return;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        abort();
}

/* ---- running programs ---- */

static const char *example(const char *name)
{
    const char *path = apr_pstrcat(pool, EXAMPLES_DIR, "/", name, NULL);
    const char *windows_path = apr_pstrcat(pool, path, ".exe", NULL);
    apr_finfo_t information;
    return apr_stat(&information, windows_path, APR_FINFO_TYPE, pool) == APR_SUCCESS ? windows_path
                                                                                     : path;
}

static bool start(apr_proc_t *process, const char *const *arguments, bool in_path, bool with_errors)
{
    apr_procattr_t *attributes;
    apr_procattr_create(&attributes, pool);
    apr_procattr_io_set(attributes, APR_NO_PIPE, APR_FULL_BLOCK,
                        with_errors ? APR_FULL_BLOCK : APR_NO_PIPE);
    apr_procattr_cmdtype_set(attributes, in_path ? APR_PROGRAM_PATH : APR_PROGRAM_ENV);
    apr_procattr_error_check_set(attributes, 1);
    return apr_proc_create(process, arguments[0], arguments, NULL, attributes, pool) == APR_SUCCESS;
}

/* All that comes out of a pipe, without carriage returns. */
static char *read_all(apr_file_t *pipe)
{
    size_t size = 0, capacity = 65536;
    char *text = malloc(capacity);
    for (;;) {
        apr_size_t more = capacity - size - 1;
        if (apr_file_read(pipe, text + size, &more) != APR_SUCCESS)
            break;
        size += more;
        if (capacity - size < 4096)
            text = realloc(text, capacity *= 2);
    }
    char *end = text;
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\r')
            *end++ = text[i];
    *end = '\0';
    char *kept = apr_pstrdup(pool, text);
    free(text);
    return kept;
}

static void split_lines(struct output *output)
{
    char *state;
    char *copy = apr_pstrdup(pool, output->text);
    for (int i = 0; i < MAX_LINES; i++)
        output->lines[i] = "";
    output->line_count = 0;
    for (char *line = apr_strtok(copy, "\n", &state); line && output->line_count < MAX_LINES;
         line = apr_strtok(NULL, "\n", &state))
        output->lines[output->line_count++] = line;
}

static int wait_for(apr_proc_t *process)
{
    int exit_code = -1;
    apr_exit_why_e why;
    apr_proc_wait(process, &exit_code, &why, APR_WAIT);
    return why == APR_PROC_EXIT ? exit_code : -exit_code;
}

static struct output run_arguments(const char *const *arguments, bool in_path)
{
    struct output output = { .text = "", .exit_code = -1 };
    apr_proc_t process;
    if (start(&process, arguments, in_path, false)) {
        output.pid = process.pid;
        output.text = read_all(process.out);
        output.exit_code = wait_for(&process);
        apr_file_close(process.out);
    }
    split_lines(&output);
    return output;
}

/* Runs an example with arguments, the last one being NULL. */
static struct output run(const char *name, ...)
{
    prepare_pool();
    const char *arguments[MAX_ARGUMENTS] = { example(name) };
    va_list list;
    va_start(list, name);
    for (int i = 1; i < MAX_ARGUMENTS - 1 && (arguments[i] = va_arg(list, const char *)); i++)
        continue;
    va_end(list);
    struct output output = run_arguments(arguments, false);
    if (output.exit_code != 0)
        printf("\n    %s: exit code %d\n%s\n", name, output.exit_code, output.text);
    CU_ASSERT_EQUAL(output.exit_code, 0);
    return output;
}

/* The same, but takes only what has been printed when the program has ended: were a child still
 * running, its lines would be missing. */
static struct output run_until_its_end(const char *name, const char *argument)
{
    prepare_pool();
    const char *arguments[] = { example(name), argument, NULL };
    struct output output = { .text = "", .exit_code = -1 };
    apr_proc_t process;
    if (start(&process, arguments, false, false)) {
        output.pid = process.pid;
        output.exit_code = wait_for(&process);
        apr_file_pipe_timeout_set(process.out, 0);
        output.text = read_all(process.out);
        apr_file_close(process.out);
    }
    CU_ASSERT_EQUAL(output.exit_code, 0);
    split_lines(&output);
    return output;
}

static const char *last_line(const struct output *output)
{
    return output->line_count > 0 ? output->lines[output->line_count - 1] : "";
}

static int count_of(const struct output *output, const char *line)
{
    int count = 0;
    for (int i = 0; i < output->line_count; i++)
        count += strcmp(output->lines[i], line) == 0;
    return count;
}

static bool is_one_of(int64_t number, const int64_t *numbers, int count)
{
    for (int i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static bool starts_with(const char *line, const char *begin)
{
    return strncmp(line, begin, strlen(begin)) == 0;
}

/* A forked child is a copy of the main program; others know that they are not it. */
static const char *child_module(void)
{
    return strcmp(start_method_name(), "fork") == 0 ? "__main__" : "__mp_main__";
}

static bool on_a_system_with_fork(void)
{
    mproc_start_method methods[8];
    size_t count = mproc_get_all_start_methods(methods, 8);
    for (size_t i = 0; i < count; i++)
        if (methods[i] == MPROC_START_FORK)
            return true;
    return false;
}

/* ---- processes ---- */

static void hello_prints_a_greeting_and_the_exit_code(void)
{
    struct output output = run("hello", NULL);
    int64_t pid = 0;
    CU_ASSERT_EQUAL(output.line_count, 2);
    CU_ASSERT_EQUAL(sscanf(output.lines[0], "Hello, world! I am process %" SCNd64 ".", &pid), 1);
    CU_ASSERT_NOT_EQUAL(pid, output.pid);
    CU_ASSERT_STRING_EQUAL(output.lines[1], "The greeter ended with exit code 3.");
}

static void p1_prints_in_order_with_different_pids(void)
{
    struct output output = run("p01_start_and_join", NULL);
    int64_t parent = 0, child = 0;
    CU_ASSERT_EQUAL(output.line_count, 4);
    CU_ASSERT_EQUAL(sscanf(output.lines[0], "Parent process %" SCNd64 ".", &parent), 1);
    CU_ASSERT_STRING_EQUAL(output.lines[1], "The child process will start.");
    CU_ASSERT_EQUAL(sscanf(output.lines[2], "Child process test (%" SCNd64 ").", &child), 1);
    CU_ASSERT_STRING_EQUAL(output.lines[3], "The child process has come to its end.");
    CU_ASSERT_EQUAL(parent, output.pid);
    CU_ASSERT_NOT_EQUAL(child, parent);
}

static void check_many_processes(const char *argument, int count)
{
    struct output output = run_until_its_end("p02_many_processes", argument);
    int64_t pids[MAX_LINES];
    CU_ASSERT_EQUAL_FATAL(output.line_count, count);
    for (int i = 0; i < count; i++) {
        int name = 0, number = -1;
        char module[32] = "";
        int64_t parent = 0;
        CU_ASSERT_EQUAL(sscanf(output.lines[i],
                               "Process-%d: number %d, module %31[^,], parent %" SCNd64
                               ", pid %" SCNd64,
                               &name, &number, module, &parent, &pids[i]),
                        5);
        CU_ASSERT_EQUAL(name, number + 1);
        CU_ASSERT(name >= 1 && name <= count);
        CU_ASSERT_STRING_EQUAL(module, child_module());
        CU_ASSERT_EQUAL(parent, output.pid);
        CU_ASSERT_NOT_EQUAL(pids[i], output.pid);
        CU_ASSERT_FALSE(is_one_of(pids[i], pids, i));
    }
    for (int i = 1; i <= count; i++) {
        int seen = 0;
        for (int line = 0; line < count; line++)
            seen += starts_with(output.lines[line], apr_psprintf(pool, "Process-%d:", i));
        CU_ASSERT_EQUAL(seen, 1);
    }
}

static void p2_five_processes_end_before_the_program(void)
{
    check_many_processes(NULL, 5);
}

static void p2_ten_processes_end_before_the_program(void)
{
    check_many_processes("10", 10);
}

static void p3_the_childs_parent_is_the_main_line(void)
{
    struct output output = run("p03_parent_and_child_ids", NULL);
    int64_t main_parent = -1, main_pid = 0, parent = 0, child = 0;
    char module[32] = "";
    CU_ASSERT_EQUAL(output.line_count, 3);
    CU_ASSERT_EQUAL(sscanf(output.lines[0],
                           "main line: module __main__, parent process %" SCNd64
                           ", process %" SCNd64,
                           &main_parent, &main_pid),
                    2);
    CU_ASSERT_EQUAL(sscanf(output.lines[1],
                           "function greet: module %31[^,], parent process %" SCNd64
                           ", process %" SCNd64,
                           module, &parent, &child),
                    3);
    CU_ASSERT_STRING_EQUAL(output.lines[2], "hello bob");
    CU_ASSERT_EQUAL(main_parent, 0);
    CU_ASSERT_EQUAL(main_pid, output.pid);
    CU_ASSERT_EQUAL(parent, main_pid);
    CU_ASSERT_NOT_EQUAL(child, main_pid);
    CU_ASSERT_STRING_EQUAL(module, child_module());
}

static void p4_the_parents_last_line_comes_first_and_the_program_waits(void)
{
    struct output output = run_until_its_end("p04_without_join", NULL);
    CU_ASSERT_EQUAL(output.line_count, 4);
    CU_ASSERT_STRING_EQUAL(output.lines[0], "The parent has done its own work.");
    for (int i = 1; i <= 3; i++)
        CU_ASSERT_EQUAL(count_of(&output, apr_psprintf(pool, "Child %d has done its work.", i)), 1);
}

static void p5_the_parents_line_is_the_last(void)
{
    for (int time = 0; time < 4; time++) {
        struct output output = run("p05_random_rounds", NULL);
        int rounds = output.line_count - 1;
        CU_ASSERT(rounds >= 1 && rounds <= 5);
        for (int i = 0; i < rounds; i++)
            CU_ASSERT_STRING_EQUAL(output.lines[i],
                                   apr_psprintf(pool, "child: round %d of %d", i + 1, rounds));
        CU_ASSERT_STRING_EQUAL(last_line(&output), "parent: the child has ended");
    }
}

static void p6_an_object_with_a_run_function_is_a_process_like_others(void)
{
    struct output output = run("p06_subclass", NULL);
    int64_t pid = 0;
    CU_ASSERT_EQUAL(output.line_count, 6);
    CU_ASSERT_STRING_EQUAL(output.lines[0], "name: Process-1");
    CU_ASSERT_EQUAL(sscanf(output.lines[1], "pid: %" SCNd64, &pid), 1);
    CU_ASSERT_NOT_EQUAL(pid, output.pid);
    CU_ASSERT_STRING_EQUAL(output.lines[2], "is_alive: yes");
    CU_ASSERT_STRING_EQUAL(output.lines[3],
                           apr_psprintf(pool, "hello bob from Process-1, process %" APR_INT64_T_FMT,
                                        (apr_int64_t) pid));
    CU_ASSERT_STRING_EQUAL(output.lines[4], "is_alive: no");
    CU_ASSERT_STRING_EQUAL(output.lines[5], "exitcode: 7");
}

static void p7_an_endless_child_is_ended_by_terminate(void)
{
    struct output output = run("p07_endless", NULL);
    for (int i = 1; i <= 3; i++) {
        CU_ASSERT_EQUAL(count_of(&output, apr_psprintf(pool, "child: round %d", i)), 1);
        CU_ASSERT_EQUAL(count_of(&output, apr_psprintf(pool, "parent: round %d", i)), 1);
    }
    CU_ASSERT_STRING_EQUAL(last_line(&output), "The child was terminated: exit code -15.");
}

static void p8_a_child_has_threads_with_different_ids(void)
{
    struct output output = run("p08_threads_in_a_child", NULL);
    uint64_t threads[4] = { 0 };
    int64_t child = 0;
    CU_ASSERT_EQUAL(output.line_count, 5);
    for (int i = 0; i < 4; i++) {
        int64_t pid = 0;
        CU_ASSERT_EQUAL(sscanf(output.lines[i], "thread %" SCNu64 " of process %" SCNd64,
                               &threads[i], &pid),
                        2);
        for (int earlier = 0; earlier < i; earlier++)
            CU_ASSERT_NOT_EQUAL(threads[i], threads[earlier]);
        CU_ASSERT(i == 0 || pid == child);
        child = pid;
    }
    CU_ASSERT_NOT_EQUAL(child, output.pid);
    CU_ASSERT_STRING_EQUAL(output.lines[4],
                           apr_psprintf(pool, "process %" APR_INT64_T_FMT " has no other threads",
                                        (apr_int64_t) output.pid));
}

static void p9_each_child_sees_only_its_own_element(void)
{
    struct output output = run("p09_globals_are_not_shared", NULL);
    CU_ASSERT_EQUAL(output.line_count, 6);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(count_of(&output, apr_psprintf(pool, "Process-%d list: [%d]", i + 1, i)),
                        1);
    CU_ASSERT_STRING_EQUAL(last_line(&output), "parent list: []");
}

static void check_sleeper(const struct output *output, int line, const char *name, int exit_code)
{
    int64_t pid = 0;
    CU_ASSERT_STRING_EQUAL(output->lines[line], apr_pstrcat(pool, name, ": daemon: yes", NULL));
    CU_ASSERT_TRUE_FATAL(starts_with(output->lines[line + 1], name));
    CU_ASSERT_EQUAL(sscanf(output->lines[line + 1] + strlen(name), ": pid: %" SCNd64, &pid), 1);
    CU_ASSERT(pid != 0 && pid != output->pid);
    CU_ASSERT_STRING_EQUAL(output->lines[line + 2],
                           apr_pstrcat(pool, name, ": is_alive: yes", NULL));
    CU_ASSERT_STRING_EQUAL(output->lines[line + 3],
                           apr_pstrcat(pool, name, ": exitcode: none while it runs", NULL));
    CU_ASSERT_STRING_EQUAL(output->lines[line + 4],
                           apr_pstrcat(pool, name, ": join(100): MPROC_ETIMEDOUT", NULL));
    CU_ASSERT_STRING_EQUAL(output->lines[line + 5],
                           apr_pstrcat(pool, name, ": is_alive: no", NULL));
    CU_ASSERT_STRING_EQUAL(output->lines[line + 6],
                           apr_psprintf(pool, "%s: exitcode: %d", name, exit_code));
}

static void p10_attributes_are_as_in_python(void)
{
    struct output output = run("p10_attributes", NULL);
    CU_ASSERT_EQUAL(output.line_count, 17);
    check_sleeper(&output, 0, "terminated", -15);
    check_sleeper(&output, 7, "killed", on_a_system_with_fork() ? -9 : -15);
    CU_ASSERT_STRING_EQUAL(output.lines[14], "authkey: 32 bytes");
    CU_ASSERT_STRING_EQUAL(output.lines[15], "Process-3: is_alive: no");
    CU_ASSERT_STRING_EQUAL(output.lines[16], "Process-3: exitcode: 5");
}

/* ---- external programs ---- */

static int find_line(const struct output *output, const char *part)
{
    for (int i = 0; i < output->line_count; i++)
        if (strstr(output->lines[i], part))
            return i;
    return -1;
}

static void s1_output_passes_through_and_the_exit_code_is_printed(void)
{
    struct output output = run("s01_call", NULL);
    CU_ASSERT_EQUAL(output.line_count, 3);
    CU_ASSERT_EQUAL(find_line(&output, "$ "), 0);
    CU_ASSERT_EQUAL(find_line(&output, "This is the output of another program."), 1);
    CU_ASSERT_STRING_EQUAL(output.lines[2], "Exit code: 3");
    output = run("s01_call", example("s01_call"), NULL);
    CU_ASSERT_STRING_EQUAL(output.lines[output.line_count - 1], "Exit code: 0");
}

static void s2_the_answers_and_the_exit_code_are_printed(void)
{
    struct output output = run("s02_communicate", NULL);
    int first = find_line(&output, "first answer"), second = find_line(&output, "second answer");
    CU_ASSERT_TRUE(first > 0);
    CU_ASSERT_TRUE(second > first);
    CU_ASSERT_TRUE(find_line(&output, "Exit code: 4") > second);
}

/* ---- fork ---- */

static bool fork_is_missing(const struct output *output)
{
    if (on_a_system_with_fork())
        return false;
    CU_ASSERT_STRING_EQUAL(output->text, "fork is not available on this system\n");
    return true;
}

static void f1_both_print(void)
{
    struct output output = run("f01_fork", NULL);
    if (fork_is_missing(&output))
        return;
    CU_ASSERT_EQUAL(output.line_count, 2);
    CU_ASSERT_EQUAL(count_of(&output, "I am the parent"), 1);
    CU_ASSERT_EQUAL(count_of(&output, "I am the child"), 1);
}

static void f2_the_parent_gets_the_childs_pid(void)
{
    struct output output = run("f02_fork_and_ids", NULL);
    if (fork_is_missing(&output))
        return;
    CU_ASSERT_EQUAL(output.line_count, 2);
    bool parent_first = starts_with(output.lines[0], "parent");
    int64_t given = 0, parent = 0, child = 0, parent_of_child = 0;
    CU_ASSERT_EQUAL(sscanf(output.lines[parent_first ? 0 : 1],
                           "parent: fork gave process %" SCNd64 ", my pid is %" SCNd64, &given,
                           &parent),
                    2);
    CU_ASSERT_EQUAL(sscanf(output.lines[parent_first ? 1 : 0],
                           "child: fork gave nothing, my pid is %" SCNd64
                           ", my parent's is %" SCNd64,
                           &child, &parent_of_child),
                    2);
    CU_ASSERT_EQUAL(given, child);
    CU_ASSERT_EQUAL(parent_of_child, parent);
    CU_ASSERT_EQUAL(parent, output.pid);
}

static void f3_begin_is_seen_once_and_over_twice(void)
{
    struct output output = run("f03_fork_without_wait", NULL);
    if (!on_a_system_with_fork()) {
        CU_ASSERT_STRING_EQUAL(output.text, "begin\nfork is not available on this system\n");
        return;
    }
    CU_ASSERT_STRING_EQUAL(output.text, "begin\nover\nover\n");
}

static void f4_the_childs_global_is_its_own(void)
{
    struct output output = run("f04_fork_copies_globals", NULL);
    if (fork_is_missing(&output))
        return;
    CU_ASSERT_STRING_EQUAL(output.text, "child: 101\nparent: 100\n");
}

static void f5_three_forks_print_eight_lines(void)
{
    struct output output = run("f05_three_forks", NULL);
    if (fork_is_missing(&output))
        return;
    int64_t pids[MAX_LINES];
    CU_ASSERT_EQUAL(output.line_count, 8);
    for (int i = 0; i < output.line_count; i++) {
        CU_ASSERT_EQUAL(sscanf(output.lines[i], "process %" SCNd64 ",", &pids[i]), 1);
        CU_ASSERT_FALSE(is_one_of(pids[i], pids, i));
    }
}

/* ---- sharing ---- */

static void d1_every_sum_is_printed_once(void)
{
    struct output output = run("d01_array", NULL);
    CU_ASSERT_EQUAL(output.line_count, 11);
    for (int i = 1; i <= 10; i++)
        CU_ASSERT_EQUAL(count_of(&output, apr_psprintf(pool, "%d", 1 + 100 * i)), 1);
    CU_ASSERT_EQUAL(count_of(&output, "[1001, 2, 3, 4]"), 1);
}

static void d2_counts_down_in_order(void)
{
    struct output output = run("d02_count_down", NULL);
    CU_ASSERT_EQUAL(output.line_count, 10);
    for (int i = 0; i < output.line_count; i++)
        CU_ASSERT_STRING_EQUAL(output.lines[i], apr_psprintf(pool, "%d", 9 - i));
}

static void d6_works_as_between_threads(void)
{
    struct output output = run("d06_between_processes", NULL);
    CU_ASSERT_EQUAL(output.line_count, 1);
    CU_ASSERT_EQUAL(count_of(&output, "lock 4000, rlock 4000, arrived 4, inside 0, never more than two: yes"), 1);
}

static void d5_lines_never_interleave(void)
{
    struct output output = run("d05_lock_around_printing", NULL);
    CU_ASSERT_EQUAL(output.line_count, 100);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(count_of(&output,
                                 apr_psprintf(pool, "process %d prints a line in pieces", i)),
                        1);
}

static void c01_both_sides_hear_each_other(void)
{
    if (!HAS_KEYS) {
        skip("this build has no libcrypto, so connections cannot prove keys");
        return;
    }
    struct output output = run("c01_listener_and_client", NULL);
    CU_ASSERT_EQUAL(output.line_count, 2);
    CU_ASSERT_EQUAL(count_of(&output, "the client said: hello"), 1);
    CU_ASSERT_EQUAL(count_of(&output, "the listener said: good day"), 1);
}

/* ---- wordfreq on a folder of our own ---- */

static const char *folder; /* made by make_text_folder() */

static void write_file(const char *name, const char *bytes, size_t size)
{
    const char *path = apr_pstrcat(pool, folder, "/", name, NULL);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

/* Words of a small vocabulary, always the same for the same seed. */
static void write_many_words(const char *name, size_t size, uint32_t seed)
{
    static const char *const separators[] = { " ", "\n", ", ", "-", "\r\n", "\xc3\xa9", "42" };
    char *text = malloc(size + 64);
    size_t length = 0;
    while (length < size) {
        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        uint32_t word = (seed >> 8) % 5000;
        length += (size_t) snprintf(text + length, 64, "%c%c%s%c%s", (int) ('a' + word % 26),
                                    (int) ('A' + word / 26 % 26), word % 3 ? "word" : "Thing",
                                    (int) ('a' + word / 676), separators[(seed >> 4) % 7]);
    }
    write_file(name, text, length);
    free(text);
}

static void make_text_folder(void)
{
    prepare_pool();
    const char *temporary;
    CU_ASSERT_EQUAL_FATAL(apr_temp_dir_get(&temporary, pool), APR_SUCCESS);
    folder = apr_psprintf(pool, "%s/mproc-wordfreq-%d", temporary, (int) mproc_pid());
    CU_ASSERT_EQUAL_FATAL(apr_dir_make_recursive(apr_pstrcat(pool, folder, "/b/deep", NULL),
                                                 APR_OS_DEFAULT, pool),
                          APR_SUCCESS);

    char *block = malloc(100000);
    static const char text[] = "The cat and THE dog: the end. It's 3rd_word\n";
    write_file("a.txt", text, strlen(text));
    write_file("empty", "", 0);
    static const char utf8[] = "na\xc3\xafve caf\xc3\xa9 \xe2\x82\xac the \xf0\x9f\x98\x80smile";
    write_file("b/utf8.txt", utf8, strlen(utf8));
    static const char binary[] = "the binary\0the binary the binary";
    write_file("b/binary", binary, sizeof binary);
    memset(block, 'x', 100000); /* one word over the blocks of the reader, no newline at the end */
    write_file("b/deep/long", block, 70000);
    memset(block, ' ', 100000);
    memcpy(block + 65530, "boundaries", 10);
    block[8192] = '\0'; /* too late to make it a binary file */
    write_file("b/deep/late", block, 100000);
    block[8191] = '\0';
    write_file("b/deep/early", block, 100000);
    free(block);
    write_many_words("c.txt", 3 * 1024 * 1024, 1);
    write_many_words("d.txt", 100 * 1000, 2);
}

static void remove_tree(const char *path)
{
    apr_dir_t *directory;
    apr_finfo_t entry;
    if (apr_dir_open(&directory, path, pool) != APR_SUCCESS)
        return;
    apr_array_header_t *names = apr_array_make(pool, 16, sizeof(const char *));
    while (apr_dir_read(&entry, APR_FINFO_NAME, directory) == APR_SUCCESS)
        if (strcmp(entry.name, ".") != 0 && strcmp(entry.name, "..") != 0)
            APR_ARRAY_PUSH(names, const char *) = apr_pstrcat(pool, path, "/", entry.name, NULL);
    apr_dir_close(directory);
    for (int i = 0; i < names->nelts; i++) {
        const char *inside = APR_ARRAY_IDX(names, i, const char *);
        if (apr_file_remove(inside, pool) != APR_SUCCESS)
            remove_tree(inside);
    }
    apr_dir_remove(path, pool);
}

static void check_same(const char *left, const char *right)
{
    bool same = strcmp(left, right) == 0;
    if (!same)
        printf("\n    not the same: %zu and %zu bytes\n", strlen(left), strlen(right));
    CU_ASSERT_TRUE(same);
}

/* ---- the test's own count: all words as strings, sorted ---- */

struct tally {
    const char *word;
    long count;
};

static int compare_strings(const void *left, const void *right)
{
    return strcmp(*(const char *const *) left, *(const char *const *) right);
}

static int compare_tallies(const void *left, const void *right)
{
    const struct tally *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

static void collect_words(const char *path, apr_array_header_t *words)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *word = malloc(1 << 20);
    size_t length = 0;
    for (int byte; (byte = fgetc(file)) != EOF || length > 0;) {
        if (byte >= 'A' && byte <= 'Z')
            word[length++] = (char) (byte - 'A' + 'a');
        else if (byte >= 'a' && byte <= 'z')
            word[length++] = (char) byte;
        else if (length > 0) {
            APR_ARRAY_PUSH(words, const char *) = apr_pstrmemdup(pool, word, length);
            length = 0;
        }
    }
    free(word);
    fclose(file);
}

/* What `wordfreq --all` is to print for these files. */
static const char *count_by_sorting(const char *const *files, int file_count)
{
    apr_array_header_t *words = apr_array_make(pool, 1 << 16, sizeof(const char *));
    for (int i = 0; i < file_count; i++)
        collect_words(files[i], words);
    qsort(words->elts, (size_t) words->nelts, sizeof(const char *), compare_strings);

    apr_array_header_t *tallies = apr_array_make(pool, 1 << 12, sizeof(struct tally));
    struct tally *last = NULL;
    for (int i = 0; i < words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);
        if (!last || strcmp(last->word, word) != 0) {
            last = &APR_ARRAY_PUSH(tallies, struct tally);
            *last = (struct tally){ word, 0 };
        }
        last->count++;
    }
    qsort(tallies->elts, (size_t) tallies->nelts, sizeof(struct tally), compare_tallies);

    apr_array_header_t *lines = apr_array_make(pool, tallies->nelts + 1, sizeof(const char *));
    for (int i = 0; i < tallies->nelts; i++) {
        struct tally tally = APR_ARRAY_IDX(tallies, i, struct tally);
        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(pool, "%10ld %s\n", tally.count,
                                                           tally.word);
    }
    APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(pool,
                                                       "files: %d\nwords: %d\ndistinct words: %d\n",
                                                       file_count, words->nelts, tallies->nelts);
    return apr_array_pstrcat(pool, lines, 0);
}

static void wordfreq_lists_exactly_the_text_files(void)
{
    make_text_folder();
    static const char *const names[] = { "a.txt", "b/deep/late", "b/deep/long", "b/utf8.txt",
                                         "c.txt", "d.txt",       "empty" };
    struct output output = run("wordfreq", folder, "--list", NULL);
    CU_ASSERT_EQUAL(output.line_count, 7);
    for (int i = 0; i < 7; i++)
        CU_ASSERT_STRING_EQUAL(output.lines[i], apr_pstrcat(pool, folder, "/", names[i], NULL));
    remove_tree(folder);
}

static void wordfreq_counts_what_a_sort_counts(void)
{
    make_text_folder();
    struct output list = run("wordfreq", folder, "--list", NULL);
    const char *expected = count_by_sorting(list.lines, list.line_count);
    check_same(run("wordfreq", folder, "--all", "-j", "0", NULL).text, expected);
    check_same(run("wordfreq", folder, "--all", "-j", "1", NULL).text, expected);
    check_same(run("wordfreq", folder, "--all", "-j", "3", NULL).text, expected);
    check_same(run("wordfreq", folder, "--all", "-j", "20", NULL).text, expected);
    check_same(run("wordfreq", folder, "--all", NULL).text, expected);
    remove_tree(folder);
}

static void wordfreq_shows_the_twenty_most_frequent(void)
{
    make_text_folder();
    struct output all = run("wordfreq", folder, "--all", NULL);
    struct output top = run("wordfreq", folder, NULL);
    CU_ASSERT_EQUAL(top.line_count, 23);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_STRING_EQUAL(top.lines[i], all.lines[i]);
    CU_ASSERT_PTR_NOT_NULL(strstr(all.text, top.lines[20]));
    CU_ASSERT_STRING_EQUAL(top.lines[20], "files: 7");
    remove_tree(folder);
}

static void wordfreq_of_an_empty_folder_counts_nothing(void)
{
    make_text_folder();
    const char *empty = apr_pstrcat(pool, folder, "/nothing", NULL);
    CU_ASSERT_EQUAL(apr_dir_make(empty, APR_OS_DEFAULT, pool), APR_SUCCESS);
    CU_ASSERT_STRING_EQUAL(run("wordfreq", empty, NULL).text,
                           "files: 0\nwords: 0\ndistinct words: 0\n");
    remove_tree(folder);
}

/* Kills the process that a line of wordfreq's stderr names; false if it names none. */
static bool kill_worker_of(const char *line)
{
    int worker;
    int64_t pid;
    if (sscanf(line, "wordfreq: worker %d is process %" SCNd64, &worker, &pid) != 2)
        return false;
    kill_hard(pid);
    return true;
}

static void wordfreq_counts_right_though_workers_are_killed(void)
{
    make_text_folder();
    for (int i = 0; i < 16; i++)
        write_many_words(apr_psprintf(pool, "many%d.txt", i), 1 << 20, (uint32_t) i);
    const char *expected = run("wordfreq", folder, "-j", "0", NULL).text;

    const char *arguments[] = { example("wordfreq"), folder, "-j", "2", "--verbose", NULL };
    apr_proc_t process;
    CU_ASSERT_TRUE_FATAL(start(&process, arguments, false, true));
    char line[512];
    int killed = 0, died = 0;
    while (apr_file_gets(line, sizeof line, process.err) == APR_SUCCESS) {
        if (killed < 6 && kill_worker_of(line))
            killed++;
        died += strstr(line, " died: ") != NULL;
    }
    const char *counted = read_all(process.out);
    CU_ASSERT_EQUAL(wait_for(&process), 0);
    apr_file_close(process.out);
    apr_file_close(process.err);
    check_same(counted, expected);
    CU_ASSERT(killed >= 2);
    CU_ASSERT(died >= 1 && died <= killed); /* one that had delivered is not missed */
    remove_tree(folder);
}

/* ---- wordfreq on the system's documentation ---- */

static bool is_there(const char *path)
{
    apr_finfo_t information;
    prepare_pool();
    if (apr_stat(&information, path, APR_FINFO_TYPE, pool) == APR_SUCCESS)
        return true;
    printf("\n    there is no %s here: skipped\n    ", path);
    return false;
}

static void check_against_one_process(const char *path)
{
    if (!is_there(path))
        return;
    const char *expected = run("wordfreq", path, "--all", "-j", "0", NULL).text;
    CU_ASSERT_PTR_NOT_NULL(strstr(expected, " the\n"));
    check_same(run("wordfreq", path, "--all", "-j", "3", NULL).text, expected);
}

static void wordfreq_counts_licenses_as_one_process_does(void)
{
    check_against_one_process("/usr/share/common-licenses");
}

static void wordfreq_counts_all_documentation_as_one_process_does(void)
{
    check_against_one_process("/usr/share/doc");
}

static void check_against_pipeline(const char *path)
{
    /* grep gives every file a newline at its end, so that words do not run together */
    static const char script[] =
        "LC_ALL=C; export LC_ALL; unset MPROC_LOG\n"
        "\"$0\" \"$1\" --list | tr '\\n' '\\0' | xargs -0 grep -ah '' | tr -cs 'A-Za-z' '\\n' |\n"
        "tr A-Z a-z | grep . | sort | uniq -c | sort -k1,1nr -k2,2 |\n"
        "awk '{ printf \"%10d %s\\n\", $1, $2 }'\n";
    if (!is_there(path))
        return;
    const char *arguments[] = { "sh", "-c", script, example("wordfreq"), path, NULL };
    struct output pipeline = run_arguments(arguments, true);
    if (pipeline.exit_code != 0 || pipeline.line_count == 0) {
        printf("\n    there is no sh here: skipped\n    ");
        return;
    }
    struct output output = run("wordfreq", path, "--all", "-j", "3", NULL);
    char *totals = strstr(output.text, "files: ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(totals);
    check_same(apr_pstrmemdup(pool, output.text, (size_t) (totals - output.text)), pipeline.text);
}

static void wordfreq_counts_licenses_as_tr_sort_and_uniq_do(void)
{
    check_against_pipeline("/usr/share/common-licenses");
}

static void pickled_prints_what_python_would(void)
{
    struct output output = run("pickled", NULL);
    CU_ASSERT_EQUAL(output.line_count, 4);
    CU_ASSERT_STRING_EQUAL(output.lines[0], "order: {'id': 17, 'who': 'Zo\xc3\xab', 'items': [('tea', 2), "
                                            "('milk', 0.5)], 'paid': True}");
    CU_ASSERT_STRING_EQUAL(output.lines[1], "pickled: 64 bytes");
    CU_ASSERT_STRING_EQUAL(output.lines[2], "unpacked: order 17 of Zo\xc3\xab begins with tea times 2");
    CU_ASSERT_STRING_EQUAL(output.lines[3], "hostile: MPROC_EPROTO");
}

static void wordfreq_counts_all_documentation_as_tr_sort_and_uniq_do(void)
{
    check_against_pipeline("/usr/share/doc");
}

/* ---- queues and pipes ---- */

static bool has_lines(const struct output *output, const char *const *lines, int count)
{
    bool same = output->line_count == count;
    for (int i = 0; same && i < count; i++)
        same = strcmp(output->lines[i], lines[i]) == 0;
    if (!same)
        printf("\n%s\n", output->text);
    return same;
}

/* The lines that begin with `start` are, in this order, these. */
static bool has_in_order(const struct output *output, const char *start, const char *const *lines, int count)
{
    int found = 0;
    for (int i = 0; i < output->line_count; i++)
        if (strncmp(output->lines[i], start, strlen(start)) == 0) {
            if (found == count || strcmp(output->lines[i], lines[found]) != 0)
                return false;
            found++;
        }
    return found == count;
}

static void q1_three_letters_arrive_in_order(void)
{
    static const char *const put[] = { "put A", "put B", "put C" }, *const got[] = { "got A", "got B", "got C" };
    struct output output = run("q01_writer_and_reader", NULL);
    CU_ASSERT_TRUE(has_in_order(&output, "put", put, 3));
    CU_ASSERT_TRUE(has_in_order(&output, "got", got, 3));
    CU_ASSERT_EQUAL(output.line_count, 7);
    CU_ASSERT_STRING_EQUAL(output.lines[6], "all done");
}

static void q2_a_reader_stops_at_an_empty_queue(void)
{
    static const char *const lines[] = { "got A", "got B", "got C" };
    struct output output = run("q02_until_empty", NULL);
    CU_ASSERT_TRUE(has_lines(&output, lines, 3));
}

static void q3_ten_processes_make_a_chain_and_one_item_is_left(void)
{
    struct output output = run("q03_chain", NULL);
    int next[11] = { 0 }, last = -1, found_by[11] = { 0 };
    CU_ASSERT_EQUAL_FATAL(output.line_count, 12);
    for (int i = 0; i < 10; i++) {
        int process = 0, found = -1;
        CU_ASSERT_EQUAL_FATAL(sscanf(output.lines[i], "process %d found %d", &process, &found), 2);
        CU_ASSERT_TRUE_FATAL(process >= 1 && process <= 10 && found >= 0 && found <= 10);
        found_by[found]++;
        next[found] = process;
    }
    CU_ASSERT_STRING_EQUAL(output.lines[10], "1 left");
    CU_ASSERT_EQUAL(sscanf(output.lines[11], "the last was %d", &last), 1);
    int at = 0; /* from 0 through all ten to the one that is left */
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(found_by[at], 1);
        at = next[at];
    }
    CU_ASSERT_EQUAL(at, last);
    CU_ASSERT_EQUAL(found_by[last], 0);
}

static void q4_a_mixed_list_keeps_its_types(void)
{
    static const char *const lines[] = { "str 'shen'", "None", "int 1995" };
    struct output output = run("q04_mixed_list", NULL);
    CU_ASSERT_TRUE(has_lines(&output, lines, 3));
}

static void q5_both_messages_arrive(void)
{
    static const char *const lines[] = { "the parent received: hello, parent",
                                         "the child received: hello, child", "and then: MPROC_ECLOSED" };
    struct output output = run("q05_pipe", NULL);
    CU_ASSERT_TRUE(has_lines(&output, lines, 3));
}

static void q6_full_and_empty_at_the_right_time(void)
{
    static const char *const lines[] = {
        "at first: qsize 0, empty 1, full 0",    "with three: qsize 3, empty 0, full 1",
        "put without waiting: MPROC_ETIMEDOUT",  "put within 50 ms: MPROC_ETIMEDOUT",
        "got 1",                                 "got 2",
        "got 3",                                 "at last: qsize 0, empty 1, full 0",
        "get without waiting: MPROC_ETIMEDOUT",  "get within 50 ms: MPROC_ETIMEDOUT",
    };
    struct output output = run("q06_full_and_empty", NULL);
    CU_ASSERT_TRUE(has_lines(&output, lines, 10));
}

/* ---- pools ---- */

static int line_of(const struct output *output, const char *beginning)
{
    for (int i = 0; i < output->line_count; i++)
        if (strncmp(output->lines[i], beginning, strlen(beginning)) == 0)
            return i;
    return -1;
}

static void l1_four_of_five_tasks_begin_at_once(void)
{
    struct output output = run("l01_five_tasks", NULL);
    int first_end = output.line_count;
    for (int i = output.line_count; i-- > 0;)
        if (strstr(output.lines[i], " ends after "))
            first_end = i;
    for (int i = 0; i < 4; i++) {
        int begin = line_of(&output, apr_psprintf(pool, "task %d begins", i));
        CU_ASSERT_TRUE(begin > 0 && begin < first_end);
    }
    CU_ASSERT_TRUE(line_of(&output, "task 4 begins") > first_end);
    CU_ASSERT_EQUAL(output.line_count, 12);
    CU_ASSERT_STRING_EQUAL(output.lines[11], "all done");
}

static void l2_tasks_overlap(void)
{
    struct output output = run("l02_overlapping_tasks", NULL);
    CU_ASSERT_EQUAL(output.line_count, 20);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(strncmp(output.lines[i], "begin ", 6), 0);
}

static void l3_apply_is_strictly_one_after_the_other(void)
{
    struct output output = run("l03_one_after_the_other", NULL);
    CU_ASSERT_EQUAL(output.line_count, 20);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_STRING_EQUAL(output.lines[i], apr_psprintf(pool, "%s %d", i % 2 ? "end" : "begin", i / 2));
}

static void l4_the_callback_runs_in_the_parent(void)
{
    struct output output = run("l04_callback", NULL);
    CU_ASSERT_EQUAL(output.line_count, 6);
    for (int i = 0; i < 6; i++)
        CU_ASSERT_TRUE(line_of(&output, apr_psprintf(pool, "in the parent: %d", 100 + i)) >= 0);
}

static void l5_a_pool_may_be_larger_than_the_machine(void)
{
    struct output output = run("l05_large_pool", NULL);
    int most = 0;
    CU_ASSERT_EQUAL(sscanf(output.text, "at most %d at once", &most), 1);
    CU_ASSERT_TRUE(most > 2 && most <= 20);
}

static void l6_join_and_submission_have_their_time(void)
{
    struct output output = run("l06_rules_of_ending", NULL);
    static const char *const beginnings[] = { "join before close: MPROC_ESTATE: ", "close: MPROC_OK",
                                              "a task after close: MPROC_ECLOSED: ",
                                              "join with a time-out: MPROC_ETIMEDOUT: ", "terminate: MPROC_OK",
                                              "join: MPROC_OK", "the task: MPROC_ECANCELLED: ",
                                              "destroy: MPROC_OK" };
    CU_ASSERT_EQUAL(output.line_count, 8);
    for (int i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(strncmp(output.lines[i], beginnings[i], strlen(beginnings[i])), 0);
}

static const char *bytes_of(const char *path, apr_size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = apr_palloc(pool, 4 << 20);
    *size = file ? fread(bytes, 1, 4 << 20, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

static void a_pool_renders_what_one_process_renders(void)
{
    make_text_folder();
    const char *one = apr_pstrcat(pool, folder, "/one", NULL), *many = apr_pstrcat(pool, folder, "/many", NULL);
    CU_ASSERT_EQUAL(run("mandelbrot", one, "300", "200", "0", NULL).exit_code, 0);
    CU_ASSERT_EQUAL(run("mandelbrot", many, "300", "200", "3", NULL).exit_code, 0);
    apr_size_t one_size, many_size;
    const char *one_bytes = bytes_of(one, &one_size), *many_bytes = bytes_of(many, &many_size);
    CU_ASSERT_TRUE(one_size > 1000 && one_size == many_size && memcmp(one_bytes, many_bytes, one_size) == 0);
    remove_tree(folder);
}

static void factors_come_in_the_order_of_the_numbers(void)
{
    static const char numbers[] = "1000036000099 12\n1\n0\n18446744073709551615 64\n999999000001 7\n";
    static const char expected[] = "1000036000099: 1000003 1000033\n12: 2 2 3\n1:\n0:\n"
                                   "18446744073709551615: 3 5 17 257 641 65537 6700417\n64: 2 2 2 2 2 2\n"
                                   "999999000001: 999999000001\n7: 7\n";
    make_text_folder();
    write_file("numbers", numbers, sizeof numbers - 1);
    const char *path = apr_pstrcat(pool, folder, "/numbers", NULL);
    struct output output = run("factors", path, NULL);
    CU_ASSERT_EQUAL(output.exit_code, 0);
    CU_ASSERT_STRING_EQUAL(output.text, expected);
    write_file("numbers", "15 x 21", 7);
    const char *arguments[] = { example("factors"), path, NULL };
    output = run_arguments(arguments, false);
    CU_ASSERT_EQUAL(output.exit_code, 1);
    CU_ASSERT_STRING_EQUAL(output.text, "15: 3 5\n");
    remove_tree(folder);
}

static void hashfiles_prints_what_is_known(void)
{
    make_text_folder();
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    write_file("abc", "abc", 3);
    write_file("long", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    write_file("million", million, 1000000);
    free(million);
    const char *names[] = { "abc", "empty", "long", "million" };
    static const char *const digests[] = { "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                                           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
                                           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" };
    for (int i = 0; i < 4; i++)
        names[i] = apr_pstrcat(pool, folder, "/", names[i], NULL);
    struct output output = run("hashfiles", names[0], names[1], names[2], names[3], NULL);
    CU_ASSERT_EQUAL(output.line_count, 4);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_STRING_EQUAL(output.lines[i], apr_pstrcat(pool, digests[i], "  ", names[i], NULL));
    const char *missing[] = { example("hashfiles"), apr_pstrcat(pool, folder, "/is-not-there", NULL), NULL };
    CU_ASSERT_EQUAL(run_arguments(missing, false).exit_code, 1);
    remove_tree(folder);
}

static void hashfiles_goes_on_when_a_worker_is_killed(void)
{
    make_text_folder();
    const char *arguments[MAX_ARGUMENTS + 4] = { example("hashfiles"), "-v", "-j", "2" };
    for (int i = 0; i < 8; i++) {
        const char *name = apr_psprintf(pool, "many%d.txt", i);
        write_many_words(name, 8 << 20, (uint32_t) i);
        arguments[4 + i] = apr_pstrcat(pool, folder, "/", name, NULL);
    }
    const char *quiet[MAX_ARGUMENTS + 4] = { arguments[0] };
    memcpy(quiet + 1, arguments + 4, 8 * sizeof *quiet);
    const char *expected = run_arguments(quiet, false).text;
    apr_proc_t process;
    CU_ASSERT_TRUE_FATAL(start(&process, arguments, false, true));
    char line[512];
    int killed = 0, worker;
    int64_t pid;
    while (apr_file_gets(line, sizeof line, process.err) == APR_SUCCESS)
        if (sscanf(line, "hashfiles: worker %d is process %" SCNd64, &worker, &pid) == 2 && worker == 0) {
            kill_hard(pid);
            killed++;
        }
    const char *hashed = read_all(process.out);
    CU_ASSERT_EQUAL(wait_for(&process), 0);
    apr_file_close(process.out);
    apr_file_close(process.err);
    CU_ASSERT_EQUAL(killed, 1);
    check_same(hashed, expected);
    remove_tree(folder);
}

MPROC_SUITE(examples, MPROC_TEST(c01_both_sides_hear_each_other),
            MPROC_TEST(hello_prints_a_greeting_and_the_exit_code),
            MPROC_TEST(pickled_prints_what_python_would),
            MPROC_TEST(p1_prints_in_order_with_different_pids),
            MPROC_TEST(p2_five_processes_end_before_the_program),
            MPROC_TEST(p2_ten_processes_end_before_the_program),
            MPROC_TEST(p3_the_childs_parent_is_the_main_line),
            MPROC_TEST(p4_the_parents_last_line_comes_first_and_the_program_waits),
            MPROC_TEST(p5_the_parents_line_is_the_last),
            MPROC_TEST(p6_an_object_with_a_run_function_is_a_process_like_others),
            MPROC_TEST(p7_an_endless_child_is_ended_by_terminate),
            MPROC_TEST(p8_a_child_has_threads_with_different_ids),
            MPROC_TEST(p9_each_child_sees_only_its_own_element),
            MPROC_TEST(p10_attributes_are_as_in_python),
            MPROC_TEST(s1_output_passes_through_and_the_exit_code_is_printed),
            MPROC_TEST(s2_the_answers_and_the_exit_code_are_printed), MPROC_TEST(f1_both_print),
            MPROC_TEST(f2_the_parent_gets_the_childs_pid),
            MPROC_TEST(f3_begin_is_seen_once_and_over_twice),
            MPROC_TEST(f4_the_childs_global_is_its_own),
            MPROC_TEST(f5_three_forks_print_eight_lines), MPROC_TEST(d1_every_sum_is_printed_once),
            MPROC_TEST(d2_counts_down_in_order), MPROC_TEST(d5_lines_never_interleave),
            MPROC_TEST(d6_works_as_between_threads),
            MPROC_TEST(q1_three_letters_arrive_in_order), MPROC_TEST(q2_a_reader_stops_at_an_empty_queue),
            MPROC_TEST(q3_ten_processes_make_a_chain_and_one_item_is_left),
            MPROC_TEST(q4_a_mixed_list_keeps_its_types), MPROC_TEST(q5_both_messages_arrive),
            MPROC_TEST(q6_full_and_empty_at_the_right_time),
            MPROC_TEST(l1_four_of_five_tasks_begin_at_once), MPROC_TEST(l2_tasks_overlap),
            MPROC_TEST(l3_apply_is_strictly_one_after_the_other),
            MPROC_TEST(l4_the_callback_runs_in_the_parent),
            MPROC_TEST(l5_a_pool_may_be_larger_than_the_machine),
            MPROC_TEST(l6_join_and_submission_have_their_time),
            MPROC_TEST(a_pool_renders_what_one_process_renders),
            MPROC_TEST(factors_come_in_the_order_of_the_numbers),
            MPROC_TEST(hashfiles_prints_what_is_known),
            MPROC_TEST(hashfiles_goes_on_when_a_worker_is_killed),
            MPROC_TEST(wordfreq_lists_exactly_the_text_files),
            MPROC_TEST(wordfreq_counts_what_a_sort_counts),
            MPROC_TEST(wordfreq_shows_the_twenty_most_frequent),
            MPROC_TEST(wordfreq_of_an_empty_folder_counts_nothing),
            MPROC_TEST(wordfreq_counts_right_though_workers_are_killed),
            MPROC_TEST(wordfreq_counts_licenses_as_one_process_does),
            MPROC_TEST(wordfreq_counts_all_documentation_as_one_process_does),
            MPROC_TEST(wordfreq_counts_licenses_as_tr_sort_and_uniq_do),
            MPROC_TEST(wordfreq_counts_all_documentation_as_tr_sort_and_uniq_do))
