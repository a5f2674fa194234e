/* SPDX-License-Identifier: MIT */
/* What must be seen of the small programs: processes, fork, external programs. */
#include "examples.h"

#include <apr_file_io.h>

/* A forked child is a copy of the main program; others know that they are not it. */
static const char *child_module(void)
{
    return strcmp(start_method_name(), "fork") == 0 ? "__main__" : "__mp_main__";
}

/* ---- processes ---- */

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
    int64_t main_pid = 0, parent = 0, child = 0;
    char module[32] = "";
    CU_ASSERT_EQUAL(output.line_count, 3);
    CU_ASSERT_EQUAL(sscanf(output.lines[0],
                           "main line: module __main__, started by no process of mproc, process %" SCNd64, &main_pid),
                    1);
    CU_ASSERT_EQUAL(sscanf(output.lines[1],
                           "function greet: module %31[^,], parent process %" SCNd64 ", process %" SCNd64, module,
                           &parent, &child),
                    3);
    CU_ASSERT_STRING_EQUAL(output.lines[2], "hello bob");
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

static void s2_both_outputs_and_the_exit_code_are_printed(void)
{
    struct output output = run("s02_communicate", NULL);
    int head = line_of(&output, "stdout:"), errors = line_of(&output, "stderr:");
    int first = find_line(&output, "first answer"), second = find_line(&output, "second answer");
    CU_ASSERT_TRUE(head > 0 && head < first);
    CU_ASSERT_TRUE(first < second && second < errors);
    CU_ASSERT_EQUAL(line_of(&output, "a complaint"), errors + 1);
    CU_ASSERT_EQUAL(line_of(&output, "Exit code: 4"), errors + 2);
    CU_ASSERT_EQUAL(output.line_count, errors + 3);
}

/* ---- fork ---- */

/* Runs an example of fork; false, if this system has none: then it says so and ends with 1. */
static bool run_fork(const char *name, struct output *output)
{
    if (on_a_system_with_fork()) {
        *output = run(name, NULL);
        return true;
    }
    const char *arguments[] = { example(name), NULL };
    apr_proc_t process;
    CU_ASSERT_TRUE_FATAL(start(&process, arguments, true));
    const char *printed = read_all(process.out), *errors = read_all(process.err);
    CU_ASSERT_EQUAL(wait_for(&process), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "mproc_fork(&child)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "MPROC_ENOTSUP"));
    CU_ASSERT_PTR_NULL(strstr(printed, "child"));
    apr_file_close(process.out);
    apr_file_close(process.err);
    return false;
}

static void f1_both_print(void)
{
    struct output output;
    if (!run_fork("f01_fork", &output))
        return;
    CU_ASSERT_EQUAL(output.line_count, 2);
    CU_ASSERT_EQUAL(count_of(&output, "I am the parent"), 1);
    CU_ASSERT_EQUAL(count_of(&output, "I am the child"), 1);
}

static void f2_the_parent_gets_the_childs_pid(void)
{
    struct output output;
    if (!run_fork("f02_fork_and_ids", &output))
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
    struct output output;
    if (!run_fork("f03_fork_without_wait", &output))
        return;
    CU_ASSERT_STRING_EQUAL(output.text, "begin\nover\nover\n");
}

static void f4_the_childs_global_is_its_own(void)
{
    struct output output;
    if (!run_fork("f04_fork_copies_globals", &output))
        return;
    CU_ASSERT_STRING_EQUAL(output.text, "child: 101\nparent: 100\n");
}

static void f5_three_forks_print_eight_lines(void)
{
    struct output output;
    if (!run_fork("f05_three_forks", &output))
        return;
    int64_t pids[MAX_LINES];
    CU_ASSERT_EQUAL(output.line_count, 8);
    for (int i = 0; i < output.line_count; i++) {
        CU_ASSERT_EQUAL(sscanf(output.lines[i], "process %" SCNd64 ",", &pids[i]), 1);
        CU_ASSERT_FALSE(is_one_of(pids[i], pids, i));
    }
}

MPROC_SUITE(seeds, MPROC_TEST(p1_prints_in_order_with_different_pids),
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
            MPROC_TEST(s2_both_outputs_and_the_exit_code_are_printed),
            MPROC_TEST(f1_both_print),
            MPROC_TEST(f2_the_parent_gets_the_childs_pid),
            MPROC_TEST(f3_begin_is_seen_once_and_over_twice),
            MPROC_TEST(f4_the_childs_global_is_its_own),
            MPROC_TEST(f5_three_forks_print_eight_lines))
