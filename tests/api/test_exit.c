/* SPDX-License-Identifier: MIT */
/* How a process ends: finalizers, stdio, children that still run. Roots are programs of their own. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { BY_RETURN, BY_EXIT, BY_MPROC_EXIT, WAYS };

struct order {
    mproc_memory block; /* ints: 0 how many finalizers ran, then which */
    int way;
};
static _Atomic int *noted;

static void note(void *context)
{
    int place = atomic_fetch_add(&noted[0], 1);
    atomic_store(&noted[1 + place], *(int *) context);
}

static int end_by(int way, int code)
{
    if (way == BY_EXIT)
        exit(code);
    if (way == BY_MPROC_EXIT)
        mproc_exit(code);
    return code;
}

static int register_three(void *argument)
{
    static int numbers[] = { 1, 2, 3 };
    struct order *order = argument;
    noted = mproc_pointer(order->block);
    for (int i = 0; i < 3; i++)
        CHILD_OK(mproc_at_exit(note, &numbers[i]));
    return end_by(order->way, 40 + order->way);
}

static void finalizers_run_last_in_first_out_however_it_ends(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct order order = { .way = way };
        _Atomic int *ints = shared_ints(&order.block, 8);
        CU_ASSERT_EQUAL(run_child(register_three, &order, sizeof order, NULL), 40 + way);
        CU_ASSERT_EQUAL(ints[0], 3);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(ints[1 + i], 3 - i);
        CHECK_OK(mproc_free(order.block));
    }
}

static int end_without_finalizers(void *argument)
{
    static int number = 9;
    struct order *order = argument;
    noted = mproc_pointer(order->block);
    CHILD_OK(mproc_at_exit(note, &number));
    end_hard("_exit7");
    return 0;
}

static void a_hard_end_runs_no_finalizers(void)
{
    struct order order = { .way = 0 };
    _Atomic int *ints = shared_ints(&order.block, 8);
    CU_ASSERT_EQUAL(run_child(end_without_finalizers, &order, sizeof order, NULL), 7);
    CU_ASSERT_EQUAL(ints[0], 0);
    CHECK_OK(mproc_free(order.block));
}

static void register_another(void *context)
{
    static int last = 99;
    note(context);
    if (mproc_at_exit(note, &last) != MPROC_OK)
        end_hard("_exit7");
}

static int register_while_ending(void *argument)
{
    static int number = 50;
    struct order *order = argument;
    noted = mproc_pointer(order->block);
    CHILD_OK(mproc_at_exit(register_another, &number));
    return 4;
}

static void a_finalizer_may_register_another(void)
{
    struct order order = { .way = 0 };
    _Atomic int *ints = shared_ints(&order.block, 8);
    CU_ASSERT_EQUAL(run_child(register_while_ending, &order, sizeof order, NULL), 4);
    CU_ASSERT_EQUAL(ints[0], 2);
    CU_ASSERT_EQUAL(ints[1], 50);
    CU_ASSERT_EQUAL(ints[2], 99);
    CHECK_OK(mproc_free(order.block));
}

static int do_nothing(void *argument)
{
    (void) argument;
    return 0;
}

/* Were it inherited, the forked child would run it too. */
static void a_finalizer_of_the_parent_does_not_run_in_its_children(void)
{
    static int number = 7, installed;
    static mproc_memory block;
    if (!installed) {
        noted = shared_ints(&block, 8);
        CHECK_OK(mproc_at_exit(note, &number));
        installed = 1;
    }
    CU_ASSERT_EQUAL(run_child(do_nothing, NULL, 0, NULL), 0);
    CU_ASSERT_EQUAL(noted[0], 0);
    CHECK_FAILS(mproc_at_exit(NULL, NULL), MPROC_EINVAL);
}

/* ---- what is printed ---- */

static int print_and_end(void *argument)
{
    printf("printed by way %d", *(int *) argument); /* no line end: it waits in the buffer */
    return end_by(*(int *) argument, 0);
}

static void what_a_child_has_printed_comes_out(void)
{
    char folder[600], path[700], text[100], expected[100];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("printed", folder, sizeof folder));
    for (int way = 0; way < WAYS; way++) {
        snprintf(path, sizeof path, "%s/%d", folder, way);
        snprintf(expected, sizeof expected, "printed by way %d", way);
        const mproc_process_options options = { .standard_output = { .kind = MPROC_STDIO_PATH, .path = path } };
        CU_ASSERT_EQUAL(run_child(print_and_end, &way, sizeof way, &options), 0);
        intptr_t native = native_open(path, false);
        native_read(native, text, sizeof text);
        native_close(native);
        CU_ASSERT_STRING_EQUAL(text, expected);
    }
    remove_folder(folder);
}

/* ---- the exit code, as the child itself tells it ---- */

static int end_as_told(void *argument)
{
    return end_by(*(int *) argument, 5);
}

static void a_code_that_the_system_has_lost_is_told_by_the_child(void)
{
    if (system_is_windows()) {
        skip("Windows loses no exit codes");
        return;
    }
    ignore_children(true);
    for (int way = 0; way < WAYS; way++) {
        /* A forkserver's child is its template's, which ignores nothing. */
        bool unknown = way == BY_EXIT && !system_tells_exit_codes() && method_under_test() != MPROC_START_FORKSERVER;
        if (unknown)
            skip_part("the code of exit(): the C library does not tell it to handlers");
        CU_ASSERT_EQUAL(run_child(end_as_told, &way, sizeof way, NULL), unknown ? 255 : 5);
    }
    ignore_children(false);
}

/* ---- whole programs ---- */

static char output[20000];

static int run_root(const char *task)
{
    char argument[100];
    output[0] = '\0';
    snprintf(argument, sizeof argument, "%s", task);
    int code = run_program(PROGRAM("ending_program"), argument, output, sizeof output);
    return code;
}

static int count_of(const char *word)
{
    int count = 0;
    for (const char *at = output; (at = strstr(at, word)) != NULL; at += strlen(word))
        count++;
    return count;
}

static void buffered_output_is_written_once(void)
{
    CU_ASSERT_EQUAL(run_root("print"), 0);
    CU_ASSERT_EQUAL(count_of("before "), 1);
    CU_ASSERT_EQUAL(count_of("child "), 5);
    CU_ASSERT_EQUAL(count_of("after "), 1);
}

static void a_program_ends_in_order(void)
{
    static const char *const tasks[] = { "return", "exit", "mproc_exit" };
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(run_root(tasks[i]), 21);
        const char *second = strstr(output, "second finalizer"), *first = strstr(output, "first finalizer");
        const char *joined = strstr(output, "child done");
        CU_ASSERT_TRUE(second && first && joined && second < first && first < joined);
        CU_ASSERT_EQUAL(count_of("finalizer"), 2);
        long long daemon = 0;
        const char *told = strstr(output, "daemon ");
        CU_ASSERT_TRUE(told && sscanf(told, "daemon %lld", &daemon) == 1 && daemon > 0);
        CU_ASSERT_FALSE(pid_runs(daemon));
    }
}

/* Within a second, in the best of three tries: others may keep this machine busy. */
static void a_program_that_dies_takes_its_daemons_along(void)
{
    bool in_time = false;
    for (int i = 0; i < 3 && !in_time; i++) {
        CU_ASSERT_EQUAL(run_root("_exit"), 7);
        long long daemon = 0, child = 0;
        const char *told = strstr(output, "daemon ");
        CU_ASSERT_TRUE_FATAL(told && sscanf(told, "daemon %lld child %lld", &daemon, &child) == 2);
        int64_t begin = mproc_plat_now();
        in_time = pid_ends_within(daemon, 1000);
        printf("  daemon gone after %.1f ms\n", (double) (mproc_plat_now() - begin) / 1e6);
        CU_ASSERT_EQUAL(count_of("finalizer"), 0);
        CU_ASSERT_TRUE(pid_ends_within(daemon, 60000));
        CU_ASSERT_TRUE(pid_ends_within(child, 60000)); /* it ends by itself */
    }
    CU_ASSERT_TRUE(in_time);
}

static void mproc_must_ends_a_program_with_code_1(void)
{
    CU_ASSERT_EQUAL(run_root("must"), 1);
    CU_ASSERT_EQUAL(count_of("not reached"), 0);
}

MPROC_SUITE(exit, MPROC_TEST(finalizers_run_last_in_first_out_however_it_ends),
            MPROC_TEST(a_hard_end_runs_no_finalizers), MPROC_TEST(a_finalizer_may_register_another),
            MPROC_TEST(a_finalizer_of_the_parent_does_not_run_in_its_children),
            MPROC_TEST(a_code_that_the_system_has_lost_is_told_by_the_child),
            MPROC_TEST(what_a_child_has_printed_comes_out), MPROC_TEST(buffered_output_is_written_once),
            MPROC_TEST(a_program_ends_in_order), MPROC_TEST(a_program_that_dies_takes_its_daemons_along),
            MPROC_TEST(mproc_must_ends_a_program_with_code_1))
