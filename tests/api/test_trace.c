/* SPDX-License-Identifier: MIT */
/* MPROC_TRACE: the file of a family that waits, calculates and loses a process. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { MOST_THREADS = 64 };
struct thread_of_trace {
    long long pid;
    unsigned thread;
    int depth;
};

static char folder[1000], path[1100], text[400000];

static bool run_traced(const char *argument, const char *events)
{
    if (!make_temporary_folder("trace", folder, sizeof folder))
        return false;
    snprintf(path, sizeof path, "%s/trace.json", folder);
    CU_ASSERT_EQUAL(mproc_plat_set_environment("MPROC_TRACE", path), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_plat_set_environment("MPROC_TRACE_EVENTS", events), MPROC_OK);
    char output[1000];
    CU_ASSERT_EQUAL(run_program(PROGRAM("traced_program"), argument, output, sizeof output), 0);
    CU_ASSERT_EQUAL(mproc_plat_set_environment("MPROC_TRACE", NULL), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_plat_set_environment("MPROC_TRACE_EVENTS", NULL), MPROC_OK);
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[size] = '\0';
    if (file)
        fclose(file);
    remove_folder(folder);
    return size > 0;
}

/* The first event with both texts in its line; NULL. */
static const char *find_event(const char *first, const char *second)
{
    for (const char *line = strstr(text, first); line; line = strstr(line + 1, first)) {
        const char *end = strchr(line, '\n'), *begin = line;
        while (begin > text && begin[-1] != '\n')
            begin--;
        const char *found = strstr(begin, second);
        if (found && end && found < end)
            return begin;
    }
    return NULL;
}

static void check_order_and_nesting(void)
{
    struct thread_of_trace threads[MOST_THREADS] = { 0 };
    int count = 0;
    double last = 0;
    for (const char *line = strstr(text, "\n{\"ph\":"); line; line = strstr(line + 1, "\n{\"ph\":")) {
        char phase;
        long long pid;
        unsigned thread;
        double time;
        if (sscanf(line, "\n{\"ph\":\"%c\",\"pid\":%lld,\"tid\":%u,\"ts\":%lf", &phase, &pid, &thread, &time) != 4)
            continue; /* a name */
        CU_ASSERT_TRUE(time >= last);
        last = time;
        int i = 0;
        while (i < count && (threads[i].pid != pid || threads[i].thread != thread))
            i++;
        if (i == count && count < MOST_THREADS)
            threads[count++] = (struct thread_of_trace){ pid, thread, 0 };
        threads[i].depth += phase == 'B' ? 1 : phase == 'E' ? -1 : 0;
        CU_ASSERT_TRUE(threads[i].depth >= 0);
    }
    CU_ASSERT_TRUE(count >= 3);
    for (int i = 0; i < count; i++)
        CU_ASSERT_EQUAL(threads[i].depth, 0);
}

static void the_file_tells_what_the_family_did(void)
{
    CU_ASSERT_TRUE_FATAL(run_traced(NULL, NULL));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"traceEvents\":["));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"process_name\"", "MainProcess"));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"process_name\"", "Process-1"));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"ph\":\"B\"", "\"name\":\"calculation\""));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"ph\":\"B\"", "with \\u0022quotes\\u0022"));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"cat\":\"wait\"", "\"name\":\"lock\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"dropped\":0"));
    check_order_and_nesting();
}

static void what_a_killed_process_did_is_there_and_ends(void)
{
    CU_ASSERT_TRUE_FATAL(run_traced(NULL, NULL));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"ph\":\"B\"", "\"name\":\"doomed\""));
    const char *end = find_event("\"ph\":\"E\"", "\"name\":\"doomed\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_PTR_NOT_NULL(strstr(end, "cut_short"));
}

static void an_event_that_was_being_written_is_not_there(void)
{
#ifdef MPROC_FAULT_POINTS
    CU_ASSERT_TRUE_FATAL(run_traced("torn", NULL));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"ph\":\"B\"", "\"name\":\"whole\""));
    const char *end = find_event("\"ph\":\"E\"", "\"name\":\"whole\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_PTR_NOT_NULL(strstr(end, "cut_short"));
    CU_ASSERT_PTR_NULL(strstr(text, "\"name\":\"torn\""));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"ph\":\"B\"", "\"name\":\"afterwards\""));
    check_order_and_nesting();
#else
    skip("there are no fault points in this build");
#endif
}

static void what_a_fork_of_the_hosts_did_has_a_begin_and_an_end(void)
{
    if (system_is_windows()) {
        skip("this system has no fork");
        return;
    }
    CU_ASSERT_TRUE_FATAL(run_traced("forked", NULL));
    CU_ASSERT_PTR_NOT_NULL(find_event("\"ph\":\"B\"", "\"name\":\"in a fork\""));
    check_order_and_nesting();
}

static void beyond_the_limit_events_are_dropped_and_counted(void)
{
    CU_ASSERT_TRUE_FATAL(run_traced(NULL, "1"));
    CU_ASSERT_PTR_NULL(strstr(text, "\"dropped\":0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"dropped\":"));
    CU_ASSERT_PTR_NULL(strstr(text, "calculation"));
}

static void without_the_variable_nothing_happens(void)
{
    mproc_trace_begin("nothing");
    mproc_trace_begin(NULL);
    mproc_trace_end();
    mproc_trace_end();
    CU_ASSERT_EQUAL(mproc_plat_set_environment("MPROC_TRACE", ""), MPROC_OK);
    char output[1000];
    CU_ASSERT_EQUAL(run_program(PROGRAM("traced_program"), NULL, output, sizeof output), 0);
    CU_ASSERT_EQUAL(mproc_plat_set_environment("MPROC_TRACE", NULL), MPROC_OK);
}

MPROC_SUITE(trace, MPROC_TEST(the_file_tells_what_the_family_did),
            MPROC_TEST(what_a_killed_process_did_is_there_and_ends),
            MPROC_TEST(an_event_that_was_being_written_is_not_there),
            MPROC_TEST(what_a_fork_of_the_hosts_did_has_a_begin_and_an_end),
            MPROC_TEST(beyond_the_limit_events_are_dropped_and_counted),
            MPROC_TEST(without_the_variable_nothing_happens))
