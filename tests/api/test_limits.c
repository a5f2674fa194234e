/* SPDX-License-Identifier: MIT */
/* Bad input, and systems that give no more: an answer and a sentence, nothing leaked, no crash. */
#include "suite.h"
#include "system.h"

#include "platform.h"

static int return_three(void *argument)
{
    (void) argument;
    return 3;
}

/* ---- bad input ---- */

static void a_process_that_is_none_is_refused_by_every_function(void)
{
    mproc_process *const wild[] = { NULL, (mproc_process *) (uintptr_t) 16,
                                    (mproc_process *) (uintptr_t) 0x7fffffffff0,
                                    (mproc_process *) (uintptr_t) UINTPTR_MAX };
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        mproc_process *process = wild[i];
        mproc_err wanted = i == 1 ? mproc_process_join(process, 0) : MPROC_EINVAL;
        bool flag;
        int code;
        int64_t pid;
        intptr_t native;
        size_t index;
        char text[20];
        mproc_start_method method;
        CU_ASSERT_TRUE(wanted == MPROC_EINVAL || wanted == MPROC_ECLOSED);
        CHECK_FAILS(mproc_process_join(process, 0), wanted);
        CHECK_FAILS(mproc_process_wait_any(&process, 1, &index, 0), wanted);
        CHECK_FAILS(mproc_process_is_alive(process, &flag), wanted);
        CHECK_FAILS(mproc_process_exit_code(process, &code), wanted);
        CHECK_FAILS(mproc_process_describe(process, text, sizeof text), wanted);
        CHECK_FAILS(mproc_process_pid(process, &pid), wanted);
        CHECK_FAILS(mproc_process_daemon(process, &flag), wanted);
        CHECK_FAILS(mproc_process_start_method(process, &method), wanted);
        CHECK_FAILS(mproc_process_sentinel(process, &native), wanted);
        CHECK_FAILS(mproc_process_interrupt(process), wanted);
        CHECK_FAILS(mproc_process_terminate(process), wanted);
        CHECK_FAILS(mproc_process_kill(process), wanted);
        CHECK_FAILS(mproc_process_stop(process, 0), wanted);
        CHECK_FAILS(mproc_process_stop_tree(process, 0), wanted);
        CHECK_FAILS(mproc_process_close(process), wanted);
        CU_ASSERT_PTR_NULL(mproc_process_name(process));
    }
}

static void a_place_for_the_answer_must_be_given(void)
{
    mproc_process *process = start_child(return_three, NULL, 0, NULL);
    size_t index;
    char text[4] = "xyz";
    CHECK_FAILS(mproc_process_wait_any(&process, 1, NULL, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_wait_any(NULL, 1, &index, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_wait_any(&process, 0, &index, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_is_alive(process, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_exit_code(process, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_describe(process, NULL, 10), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_pid(process, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_daemon(process, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_start_method(process, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_sentinel(process, NULL), MPROC_EINVAL);
    (void) !mproc_process_describe(process, text, 0);
    CU_ASSERT_STRING_EQUAL(text, "xyz");
    CHECK_OK(mproc_process_describe(process, text, 3));
    CU_ASSERT_EQUAL(strlen(text), 2);
    CU_ASSERT_EQUAL(end_child(process), 3);
}

static void starts_without_target_argument_or_place_are_refused(void)
{
    mproc_process *process = NULL;
    mproc_runnable object = { return_three };
    CHECK_FAILS(mproc_process_start(NULL, return_three, NULL, 0, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_start(&process, NULL, NULL, 0, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_start(&process, return_three, NULL, 1, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_start_object(NULL, &object, sizeof object, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_start_object(&process, NULL, sizeof object, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_process_start_object(&process, &object, 0, NULL), MPROC_EINVAL);
    CU_ASSERT_PTR_NULL(process);
    mproc_err err = mproc_fork(NULL);
    CU_ASSERT_TRUE(err == MPROC_EINVAL || err == MPROC_ENOTSUP);
}

/* Nothing of that size can be read, so none may be. */
static void an_argument_larger_than_memory_is_no_memory(void)
{
    static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 4096, SIZE_MAX / 2 + 1,
                                    SIZE_MAX / 4, (size_t) 1 << (sizeof(size_t) * 8 - 3) };
    int byte = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mproc_process *process = NULL;
        CHECK_FAILS(mproc_process_start(&process, return_three, &byte, sizes[i], NULL), MPROC_ENOMEM);
        CU_ASSERT_PTR_NULL(process);
    }
}

static void settings_out_of_range_are_refused(void)
{
    int level = mproc_get_log_level();
    CHECK_FAILS(mproc_set_log_level(0), MPROC_EINVAL);
    CHECK_FAILS(mproc_set_log_level(-5), MPROC_EINVAL);
    CHECK_FAILS(mproc_set_log_level(1001), MPROC_EINVAL);
    CHECK_FAILS(mproc_log_to_stderr(0), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_get_log_level(), level);
    mproc_log(0, "not %s", "logged");
    mproc_log(-1, "not %s", "logged");
    mproc_log(MPROC_LOG_OFF, "not %s", "logged");
    CHECK_FAILS(mproc_at_exit(NULL, NULL), MPROC_EINVAL);
    CU_ASSERT_STRING_EQUAL(mproc_err_name((mproc_err) 99), "MPROC_E?");
    mproc_must(MPROC_OK, "a call that worked", __FILE__, __LINE__);
}

static void extreme_timeouts_neither_overflow_nor_return(void)
{
    static const mproc_ms most[] = { INT64_MAX, INT64_MAX / 1000000, INT64_MAX / 1000000 + 1,
                                     INT64_C(1) << 40, -1, INT64_MIN };
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        mproc_process *process = start_child(return_three, NULL, 0, NULL);
        CHECK_OK(mproc_process_join(process, most[i]));
        CU_ASSERT_EQUAL(end_child(process), 3);
    }
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    CHECK_OK(mproc_process_stop(process, INT64_MAX));
    end_child(process);
}

/* Every function before mproc_init(), in a program of its own. */
static void everything_before_the_guard_says_so(void)
{
    char output[4000];
    int code = run_program(PROGRAM("before_init"), "", output, sizeof output);
    CU_ASSERT_EQUAL(code, 0);
    if (code != 0)
        printf("%s\n", output);
}

/* ---- systems that give no more; each in a child, since limits last ---- */

/* 0: a start that works, or one that fails for lack of memory and says so; else a number for the test's output. */
static int try_to_start(void)
{
    mproc_process *process = NULL;
    int exit_code = -1;
    mproc_err err = mproc_process_start(&process, return_three, NULL, 0, NULL);
    bool memory = strstr(mproc_last_error(), "memory") && !strstr(mproc_last_error(), "RLIMIT_NPROC");
    /* A template that has no memory ends before its guard, and has said on stderr why. */
    bool without_guard = err == MPROC_ENOGUARD && method_under_test() == MPROC_START_FORKSERVER;
    if (err != MPROC_OK)
        return process == NULL && (without_guard || (err == MPROC_ENOMEM && memory)) ? 0 : 10;
    err = mproc_process_join(process, 60000);
    if (err == MPROC_ETIMEDOUT)
        return 11;
    if (err != MPROC_OK && err != MPROC_ENOMEM && err != MPROC_ENOGUARD)
        return 12;
    if (err == MPROC_OK && (mproc_process_exit_code(process, &exit_code) != MPROC_OK || exit_code != 3)) {
        printf("  a child that could not run ended with %d, and join said nothing\n", exit_code);
        return 13;
    }
    return mproc_process_close(process) == MPROC_OK ? 0 : 14;
}

/* Fills the table, then gives back one place after the other until a start works. */
static int start_with_few_descriptors(void *argument)
{
    enum { TABLE = 64 };
    int numbers[1000], now[1000], held = 0;
    intptr_t natives[TABLE];
    (void) argument;
    CHILD_CHECK(try_to_start() == 0);
    int count = list_descriptors(numbers, 1000);
    CHILD_CHECK(count > 0 && set_own_limit("descriptors", TABLE));
    while (held < TABLE && (natives[held] = native_open("/dev/null", false)) >= 0)
        held++;
    CHILD_CHECK(held > 10 && held < TABLE);
    /* One may find a descriptor that was kept in reserve; the next finds none. */
    mproc_process *running[4];
    int count_running = 0;
    while (count_running < 4 &&
           mproc_process_start(&running[count_running], hang_for_ever, NULL, 0, NULL) == MPROC_OK)
        count_running++;
    CHILD_CHECK(count_running < 4 && strstr(mproc_last_error(), "descriptor"));
    while (count_running > 0) {
        mproc_process *process = running[--count_running];
        CHILD_OK(mproc_process_kill(process));
        CHILD_OK(mproc_process_join(process, 60000));
        CHILD_OK(mproc_process_close(process));
    }
    for (;;) {
        mproc_process *process = NULL;
        mproc_err err = mproc_process_start(&process, return_three, NULL, 0, NULL);
        if (err == MPROC_OK && mproc_process_join(process, 60000) == MPROC_OK) {
            CHILD_OK(mproc_process_close(process));
            break;
        }
        CHILD_CHECK(err == MPROC_OK || (err == MPROC_EAGAIN && process == NULL));
        CHILD_CHECK(strlen(mproc_last_error()) > 20 && held > 0);
        if (process)
            CHILD_CHECK(mproc_process_close(process) == MPROC_OK);
        native_close(natives[--held]);
    }
    while (held > 0)
        native_close(natives[--held]);
    CHILD_CHECK(set_own_limit("descriptors", UINT64_MAX / 2));
    CHILD_CHECK(try_to_start() == 0);
    CHILD_CHECK(list_descriptors(now, 1000) == count);
    return 0;
}

static void a_full_table_of_descriptors_is_an_error_and_nothing_leaks(void)
{
    int numbers[1000];
    if (list_descriptors(numbers, 1000) < 0) {
        skip("this system has no such limit, or cannot list");
        return;
    }
    CU_ASSERT_EQUAL(run_child(start_with_few_descriptors, NULL, 0, NULL), 0);
}

enum { NOT_ROOT = 77 };

static int start_without_processes(void *argument)
{
    (void) argument;
    mproc_process *process = NULL;
    if (!set_own_limit("processes", 1) || !become_nobody())
        return NOT_ROOT;
    for (int i = 0; i < 20; i++) {
        CHILD_CHECK(mproc_process_start(&process, return_three, NULL, 0, NULL) == MPROC_EAGAIN);
        CHILD_CHECK(process == NULL && strstr(mproc_last_error(), "RLIMIT_NPROC"));
    }
    size_t count = 9;
    CHILD_OK(mproc_active_children(NULL, 0, &count));
    CHILD_CHECK(count == 0);
    mproc_memory block;
    CHILD_OK(mproc_alloc(&block, 1000));
    CHILD_OK(mproc_free(block));
    return 0;
}

static void no_more_processes_is_an_error(void)
{
#ifdef MPROC_SANITIZED
    skip("the leak check at the child's end starts a thread, and there may be no more");
    return;
#endif
    int code = run_child(start_without_processes, NULL, 0, NULL);
    if (code == NOT_ROOT)
        skip("only root can give up its rights, and this system may have no such limit");
    else
        CU_ASSERT_EQUAL(code, 0);
}

/* A stack that must grow and cannot is a crash, and no library's fault: it grows before. */
static void grow_stack(void)
{
    volatile char room[300000];
    for (size_t i = 0; i < sizeof room; i += 1000)
        room[i] = 0;
}

static int start_without_address_space(void *argument)
{
    (void) argument;
    grow_stack();
    static const uint64_t limits[] = { UINT64_C(1) << 20, UINT64_C(200) << 20, UINT64_MAX / 2 };
    for (size_t i = 0; i < 3; i++) {
        if (!set_own_limit("address space", limits[i]))
            return NOT_ROOT;
        for (int round = 0; round < 3; round++) {
            int code = try_to_start();
            if (code)
                return code;
        }
    }
    return 0;
}

static void no_address_space_is_an_error_or_none_is_needed(void)
{
#ifdef MPROC_SANITIZED
    skip("sanitizers need more address space than any limit leaves");
    return;
#endif
    int code = run_child(start_without_address_space, NULL, 0, NULL);
    if (code == NOT_ROOT) {
        skip("this system has no such limit, or only root may set it");
        return;
    }
    CU_ASSERT_EQUAL(code, 0);
    if (code)
        printf("  try_to_start() was %d\n", code);
}

MPROC_SUITE(limits, MPROC_TEST(a_process_that_is_none_is_refused_by_every_function),
            MPROC_TEST(a_place_for_the_answer_must_be_given),
            MPROC_TEST(starts_without_target_argument_or_place_are_refused),
            MPROC_TEST(an_argument_larger_than_memory_is_no_memory),
            MPROC_TEST(settings_out_of_range_are_refused),
            MPROC_TEST(extreme_timeouts_neither_overflow_nor_return),
            MPROC_TEST(everything_before_the_guard_says_so),
            MPROC_TEST(a_full_table_of_descriptors_is_an_error_and_nothing_leaks),
            MPROC_TEST(no_more_processes_is_an_error),
            MPROC_TEST(no_address_space_is_an_error_or_none_is_needed))
