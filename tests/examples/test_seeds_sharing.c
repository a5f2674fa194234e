/* SPDX-License-Identifier: MIT */
/* What must be seen of the small programs: sharing, queues and pipes, pools. */
#include "examples.h"

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

static void d5_lines_never_interleave(void)
{
    struct output output = run("d05_lock_around_printing", NULL);
    CU_ASSERT_EQUAL(output.line_count, 100);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(count_of(&output,
                                 apr_psprintf(pool, "process %d prints a line in pieces", i)),
                        1);
}

static void d6_works_as_between_threads(void)
{
    static const char *const lines[] = { "condition: 4 are here", "event: 0 started early", "lock: 40", "rlock: 40",
                                         "semaphore: at most 2 inside, 0 at last" };
    struct output output = run("d06_between_processes", NULL);
    CU_ASSERT_TRUE(has_lines(&output, lines, 5));
}

/* ---- queues and pipes ---- */

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
    static const char *const lines[] = { "list: ['shen', None, 1995]", "str: 'shen'", "NoneType: None", "int: 1995" };
    struct output output = run("q04_mixed_list", NULL);
    CU_ASSERT_TRUE(has_lines(&output, lines, 4));
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
        "put without waiting: MPROC_ETIMEDOUT",  "put within 300 ms: MPROC_ETIMEDOUT",
        "got 1",                                 "got 2",
        "got 3",                                 "at last: qsize 0, empty 1, full 0",
        "get without waiting: MPROC_ETIMEDOUT",  "get within 300 ms: MPROC_ETIMEDOUT",
    };
    struct output output = run("q06_full_and_empty", NULL);
    CU_ASSERT_TRUE(has_lines(&output, lines, 10));
    CU_ASSERT_TRUE(output.nanoseconds >= INT64_C(600000000)); /* it has waited twice */
}

static void q7_the_tasks_of_a_pool_share_a_queue(void)
{
    struct output output = run("q07_queue_in_a_pool", NULL);
    CU_ASSERT_EQUAL(output.line_count, 10);
    for (int i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(count_of(&output, apr_psprintf(pool, "got %d", i * i)), 1);
}

/* ---- pools ---- */

/* How many tasks were under way at the same time, at most; -1 if one ended before it began. */
static int most_under_way(const struct output *output)
{
    int now = 0, most = 0;
    for (int i = 0; i < output->line_count; i++) {
        now += strstr(output->lines[i], "begin") ? 1 : strstr(output->lines[i], "end") ? -1 : 0;
        most = now > most ? now : most;
        if (now < 0)
            return -1;
    }
    return most;
}

static void l1_four_of_five_tasks_begin_at_once(void)
{
    struct output output = run("l01_five_tasks", NULL);
    int workers = 0, cpus = -1, first_end = find_line(&output, " ends after ");
    CU_ASSERT_EQUAL(sscanf(output.lines[0], "by default %d workers, for %d CPUs", &workers, &cpus), 2);
    CU_ASSERT_EQUAL(workers, cpus);
    CU_ASSERT_EQUAL(cpus, mproc_cpu_count());
    for (int i = 0; i < 4; i++) {
        int begin = line_of(&output, apr_psprintf(pool, "task %d begins", i));
        CU_ASSERT_TRUE(begin > 0 && begin < first_end);
    }
    CU_ASSERT_TRUE(line_of(&output, "task 4 begins") > first_end);
    CU_ASSERT_EQUAL(most_under_way(&output), 4);
    CU_ASSERT_EQUAL(output.line_count, 12);
    CU_ASSERT_STRING_EQUAL(output.lines[11], "all done");
}

static void l2_five_tasks_are_under_way_at_once(void)
{
    struct output output = run("l02_overlapping_tasks", NULL);
    CU_ASSERT_EQUAL(output.line_count, 20);
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(count_of(&output, apr_psprintf(pool, "begin %d", i)), 1);
        CU_ASSERT_EQUAL(count_of(&output, apr_psprintf(pool, "end %d", i)), 1);
    }
    CU_ASSERT_EQUAL(most_under_way(&output), 5);
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
    CU_ASSERT_EQUAL(most, 20);
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

MPROC_SUITE(seeds_sharing, MPROC_TEST(d1_every_sum_is_printed_once),
            MPROC_TEST(d2_counts_down_in_order),
            MPROC_TEST(d5_lines_never_interleave),
            MPROC_TEST(d6_works_as_between_threads),
            MPROC_TEST(q1_three_letters_arrive_in_order),
            MPROC_TEST(q2_a_reader_stops_at_an_empty_queue),
            MPROC_TEST(q3_ten_processes_make_a_chain_and_one_item_is_left),
            MPROC_TEST(q4_a_mixed_list_keeps_its_types),
            MPROC_TEST(q5_both_messages_arrive),
            MPROC_TEST(q6_full_and_empty_at_the_right_time),
            MPROC_TEST(q7_the_tasks_of_a_pool_share_a_queue),
            MPROC_TEST(l1_four_of_five_tasks_begin_at_once),
            MPROC_TEST(l2_five_tasks_are_under_way_at_once),
            MPROC_TEST(l3_apply_is_strictly_one_after_the_other),
            MPROC_TEST(l4_the_callback_runs_in_the_parent),
            MPROC_TEST(l5_a_pool_may_be_larger_than_the_machine),
            MPROC_TEST(l6_join_and_submission_have_their_time))
