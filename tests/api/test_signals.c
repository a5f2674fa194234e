/* SPDX-License-Identifier: MIT */
/* Signals: whichever ends a child is told, the host's own are left alone, and a child's are what its start method
 * makes them. */
#include "suite.h"
#include "system.h"

#include <ctype.h>

static int end_by(void *argument)
{
    end_by_signal(*(int *) argument);
    return 0;
}

/* With room for a core file: a status that tells of one is not another. */
static void a_child_ended_by_any_signal_is_reported(void)
{
    int numbers[40];
    const mproc_process_options options = { .limits = { .core_bytes = 1 << 20 } };
    size_t count = list_deadly_signals(numbers, 40);
    if (count == 0) {
        skip("Windows has no signals");
        return;
    }
    CU_ASSERT_TRUE(count > 15);
    for (size_t i = 0; i < count; i++) {
        mproc_process *process = start_child(end_by, &numbers[i], sizeof numbers[i], &options);
        char text[100] = "", expected[40];
        int code = 0;
        CHECK_OK(mproc_process_join(process, 60000));
        CHECK_OK(mproc_process_exit_code(process, &code));
        CU_ASSERT_EQUAL(code, -numbers[i]);
        CHECK_OK(mproc_process_describe(process, text, sizeof text));
        snprintf(expected, sizeof expected, "signal %d ", numbers[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, expected));
        CHECK_OK(mproc_process_close(process));
    }
    remove_file("core");
}

static int return_three(void *argument)
{
    (void) argument;
    return 3;
}

/* ---- the host's ---- */

/* Handlers, what is ignored and what is blocked: all as before, and the handler is still the host's. */
static void starts_leave_the_hosts_signals_alone(void)
{
    char before[SIGNALS_SIZE], after[SIGNALS_SIZE];
    change_signals(true);
    describe_signals(before);
    CU_ASSERT_EQUAL(run_child(return_three, NULL, 0, NULL), 3);
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    CHECK_FAILS(mproc_process_join(process, 10), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_process_stop_tree(process, 60000));
    end_child(process);
    describe_signals(after);
    int caught = signals_caught();
    signal_itself();
    CU_ASSERT_TRUE(system_is_windows() || signals_caught() == caught + 1);
    change_signals(false);
    CU_ASSERT_STRING_EQUAL(after, before);
    if (system_is_windows())
        skip("Windows has no signals");
    else
        CU_ASSERT_PTR_NOT_NULL(strchr(before, 'h'));
}

/* ---- a child's ---- */

static int tell_signals(void *argument)
{
    describe_signals(mproc_pointer(*(mproc_memory *) argument));
    return 0;
}

/* A forked child has its parent's; one that comes from a fresh program has no handlers. */
static int compare_with_a_child(void *argument)
{
    char first[SIGNALS_SIZE], own[SIGNALS_SIZE];
    const char *childs = mproc_pointer(*(mproc_memory *) argument);
    mproc_process *process;
    int code = -1;
    describe_signals(first);
    change_signals(true);
    describe_signals(own);
    CHILD_OK(mproc_process_start(&process, tell_signals, argument, sizeof(mproc_memory), NULL));
    CHILD_OK(mproc_process_join(process, 60000));
    CHILD_OK(mproc_process_exit_code(process, &code));
    CHILD_CHECK(code == 0 && strlen(childs) == strlen(own));
    for (size_t i = 0; own[i]; i++) {
        /* Those that are there from the first are a sanitizer's. */
        if (method_under_test() != MPROC_START_FORK && tolower((unsigned char) own[i]) == 'h' && first[i] != 'h')
            own[i] = (char) (own[i] - 'h' + 'd');
        if (childs[i] != own[i])
            fprintf(stderr, "\nsignal %d is %c and not %c\n", (int) i + 1, childs[i], own[i]);
    }
    CHILD_CHECK(strcmp(childs, own) == 0);
    return 0;
}

static void a_childs_signals_are_those_of_its_start_method(void)
{
    mproc_memory block;
    CHECK_OK(mproc_alloc(&block, SIGNALS_SIZE));
    /* In a child, which starts a template of its own. */
    CU_ASSERT_EQUAL(run_child(compare_with_a_child, &block, sizeof block, NULL), 0);
    CHECK_OK(mproc_free(block));
}

MPROC_SUITE(signals, MPROC_TEST(a_child_ended_by_any_signal_is_reported),
            MPROC_TEST(starts_leave_the_hosts_signals_alone),
            MPROC_TEST(a_childs_signals_are_those_of_its_start_method))
