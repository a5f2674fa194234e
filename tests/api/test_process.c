/* SPDX-License-Identifier: MIT */
/* Process: start, arguments, join, exit codes, names, sentinels, close. */
#include "suite.h"
#include "system.h"

#include "platform.h"

#include <apr_general.h>
#include <apr_thread_proc.h>

#include <signal.h>

/* ---- targets ---- */

static int return_argument(void *argument)
{
    return *(int *) argument;
}

struct sum {
    uint64_t size;
    uint32_t checksum;
};

static uint32_t checksum(const unsigned char *bytes, size_t size)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

/* The bytes are a struct sum about the bytes behind it. */
static int check_bytes(void *argument)
{
    struct sum sum;
    CHILD_CHECK((uintptr_t) argument % _Alignof(max_align_t) == 0);
    memcpy(&sum, argument, sizeof sum);
    unsigned char *bytes = (unsigned char *) argument + sizeof sum;
    CHILD_CHECK(checksum(bytes, (size_t) sum.size) == sum.checksum);
    memset(argument, 0xee, sizeof sum + (size_t) sum.size); /* its own copy */
    return 0;
}

static int check_no_argument(void *argument)
{
    return argument == NULL ? 0 : 1;
}

struct event {
    mproc_memory block; /* ints: 0 arrived, 1 go */
};

static int arrive_and_wait(void *argument)
{
    _Atomic int *ints = mproc_pointer(((struct event *) argument)->block);
    CHILD_CHECK(ints != NULL);
    atomic_fetch_add(&ints[0], 1);
    CHILD_CHECK(wait_until(&ints[1], 1));
    return 0;
}

/* ---- arguments ---- */

static void arguments_of_every_size_arrive_as_a_copy_of_the_childs_own(void)
{
    static const size_t sizes[] = { 0, 1, 7, 100, 4096, 100000, 64u << 20 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *bytes = malloc(sizeof(struct sum) + sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        for (size_t at = 0; at < sizes[i]; at++)
            bytes[sizeof(struct sum) + at] = (unsigned char) (at * 7 % 5 ? at : 0);
        struct sum sum = { sizes[i], checksum(bytes + sizeof sum, sizes[i]) };
        memcpy(bytes, &sum, sizeof sum);
        CU_ASSERT_EQUAL(run_child(check_bytes, bytes, sizeof sum + sizes[i], NULL), 0);
        CU_ASSERT_EQUAL(checksum(bytes + sizeof sum, sizes[i]), sum.checksum);
        free(bytes);
    }
}

static void no_argument_is_null(void)
{
    CU_ASSERT_EQUAL(run_child(check_no_argument, NULL, 0, NULL), 0);
    CU_ASSERT_EQUAL(run_child(check_no_argument, "unused", 0, NULL), 0);
}

static void an_unaligned_argument_is_aligned_in_the_child(void)
{
    unsigned char bytes[sizeof(struct sum) + 9] = { 0 };
    struct sum sum = { 8, checksum((const unsigned char *) "12345678", 8) };
    memcpy(bytes + 1, &sum, sizeof sum);
    memcpy(bytes + 1 + sizeof sum, "12345678", 8);
    CU_ASSERT_EQUAL(run_child(check_bytes, bytes + 1, sizeof sum + 8, NULL), 0);
}

/* ---- exit codes ---- */

static void the_return_value_is_the_exit_code(void)
{
    int codes[] = { 0, 1, 3, 255 };
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(run_child(return_argument, &codes[i], sizeof codes[i], NULL), codes[i]);
    int large = 256, negative = -1;
    CU_ASSERT_EQUAL(run_child(return_argument, &large, sizeof large, NULL), system_is_windows() ? 256 : 0);
    CU_ASSERT_EQUAL(run_child(return_argument, &negative, sizeof negative, NULL),
                    system_is_windows() ? -1 : 255);
}

static void a_running_process_has_no_exit_code(void)
{
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    int exit_code = 77;
    bool alive = false;
    char text[40];
    CU_ASSERT_EQUAL(mproc_process_exit_code(process, &exit_code), MPROC_ESTATE);
    CU_ASSERT_EQUAL(exit_code, 77);
    CU_ASSERT_EQUAL(mproc_process_is_alive(process, &alive), MPROC_OK);
    CU_ASSERT_TRUE(alive);
    CU_ASSERT_EQUAL(mproc_process_describe(process, text, sizeof text), MPROC_OK);
    CU_ASSERT_STRING_EQUAL(text, "running");
    CU_ASSERT_EQUAL(mproc_process_close(process), MPROC_ESTATE);
    CU_ASSERT_EQUAL(mproc_process_terminate(process), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_join(process, 60000), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_is_alive(process, &alive), MPROC_OK);
    CU_ASSERT_FALSE(alive);
    CU_ASSERT_EQUAL(end_child(process), -15);
}

/* Whatever the tests were started with, an interrupt ends this one. */
static int await_interrupt(void *argument)
{
    signal(SIGINT, SIG_DFL);
    _Atomic int *ready = mproc_pointer(*(mproc_memory *) argument);
    atomic_store(ready, 1);
    return hang_for_ever(NULL);
}

static void a_process_can_be_interrupted_alone(void)
{
    mproc_memory block;
    _Atomic int *ready = shared_ints(&block, 1);
    mproc_process *process = start_child(await_interrupt, &block, sizeof block, NULL);
    CU_ASSERT_TRUE(wait_until(ready, 1));
    if (system_is_windows()) {
        CHECK_FAILS(mproc_process_interrupt(process), MPROC_ENOTSUP);
        CHECK_OK(mproc_process_kill(process));
        CU_ASSERT_EQUAL(end_child(process), -15);
    } else {
        CHECK_OK(mproc_process_interrupt(process));
        CHECK_OK(mproc_process_join(process, 60000));
        CHECK_OK(mproc_process_interrupt(process)); /* it has ended */
        CU_ASSERT_EQUAL(end_child(process), -SIGINT);
    }
    CHECK_OK(mproc_free(block));
}

static void the_end_is_described_in_words(void)
{
    int three = 3;
    char text[60];
    mproc_process *process = start_child(return_argument, &three, sizeof three, NULL);
    CU_ASSERT_EQUAL(mproc_process_join(process, 60000), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_describe(process, text, sizeof text), MPROC_OK);
    CU_ASSERT_STRING_EQUAL(text, "exit code 3");
    end_child(process);
    process = start_child(hang_for_ever, NULL, 0, NULL);
    CU_ASSERT_EQUAL(mproc_process_kill(process), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_join(process, 60000), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_describe(process, text, sizeof text), MPROC_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, system_is_windows() ? "terminated" : "killed by signal 9"));
    end_child(process);
}

/* ---- join ---- */

static void join_with_a_timeout_leaves_the_child_running(void)
{
    struct event event;
    _Atomic int *ints = shared_ints(&event.block, 2);
    mproc_process *process = start_child(arrive_and_wait, &event, sizeof event, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[0], 1));
    int64_t begin = mproc_plat_now();
    CU_ASSERT_EQUAL(mproc_process_join(process, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(mproc_process_join(process, 30), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_plat_now() - begin >= 30000000);
    CU_ASSERT_TRUE(strlen(mproc_last_error()) > 10);
    atomic_store(&ints[1], 1);
    CU_ASSERT_EQUAL(mproc_process_join(process, MPROC_FOREVER), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_join(process, MPROC_FOREVER), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_join(process, MPROC_NOWAIT), MPROC_OK);
    CU_ASSERT_EQUAL(end_child(process), 0);
    CU_ASSERT_EQUAL(mproc_free(event.block), MPROC_OK);
}

static void *APR_THREAD_FUNC join_in_thread(apr_thread_t *thread, void *context)
{
    /* On Windows only a thread that ends so has a result. */
    apr_thread_exit(thread, mproc_process_join(context, 60000) == MPROC_OK ? APR_SUCCESS : APR_EGENERAL);
    return NULL;
}

static void several_threads_may_join_the_same_process(void)
{
    struct event event;
    _Atomic int *ints = shared_ints(&event.block, 2);
    mproc_process *process = start_child(arrive_and_wait, &event, sizeof event, NULL);
    apr_pool_t *pool;
    apr_thread_t *threads[4];
    apr_pool_create(&pool, NULL);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(apr_thread_create(&threads[i], NULL, join_in_thread, process, pool), 0);
    CU_ASSERT_TRUE(wait_until(&ints[0], 1));
    atomic_store(&ints[1], 1);
    for (int i = 0; i < 4; i++) {
        apr_status_t status;
        CU_ASSERT_EQUAL(apr_thread_join(&status, threads[i]), APR_SUCCESS);
        CU_ASSERT_EQUAL(status, APR_SUCCESS);
    }
    apr_pool_destroy(pool);
    CU_ASSERT_EQUAL(end_child(process), 0);
    CU_ASSERT_EQUAL(mproc_free(event.block), MPROC_OK);
}

static void wait_any_gives_the_one_that_ended(void)
{
    enum { COUNT = 8 };
    mproc_process *processes[COUNT];
    for (int i = 0; i < COUNT; i++)
        processes[i] = start_child(hang_for_ever, NULL, 0, NULL);
    size_t index = 99;
    CU_ASSERT_EQUAL(mproc_process_wait_any(processes, COUNT, &index, 10), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(index, 99);
    CU_ASSERT_EQUAL(mproc_process_kill(processes[5]), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_wait_any(processes, COUNT, &index, 60000), MPROC_OK);
    CU_ASSERT_EQUAL(index, 5);
    for (int i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(mproc_process_kill(processes[i]), MPROC_OK);
        end_child(processes[i]);
    }
}

static void the_sentinel_is_ready_once_the_process_has_ended(void)
{
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    struct mproc_plat_process watched = { .relayed = false };
    intptr_t native;
    size_t index;
    const struct mproc_plat_process *list = &watched;
    CU_ASSERT_EQUAL(mproc_process_sentinel(process, &native), MPROC_OK);
    watched.watch = native;
    watched.relayed = method_under_test() == MPROC_START_FORKSERVER;
    CU_ASSERT_EQUAL(mproc_process_pid(process, &watched.pid), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_plat_process_watch(&list, 1, 0, &index), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(mproc_process_kill(process), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_plat_process_watch(&list, 1, mproc_plat_now() + INT64_C(60000000000), &index),
                    MPROC_OK);
    end_child(process);
}

static void a_sentinel_is_there_until_close_and_costs_the_ended_nothing(void)
{
    enum { COUNT = 40 };
    mproc_process *processes[COUNT];
    intptr_t native, first;
    for (int i = 0; i < COUNT; i++) {
        processes[i] = start_child(return_argument, &i, sizeof i, NULL);
        if (i == 0)
            CHECK_OK(mproc_process_sentinel(processes[i], &first));
        CHECK_OK(mproc_process_join(processes[i], 60000));
    }
    struct leftovers before, after;
    leftovers_count(&before);
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(mproc_process_sentinel(processes[i], &native));
        CU_ASSERT_TRUE(i > 0 || native == first);
        CU_ASSERT_TRUE(native_ready(native, 0));
    }
    leftovers_count(&after);
    CU_ASSERT_TRUE(after.descriptors <= before.descriptors + 1);
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(mproc_process_close(processes[i]));
    CHECK_FAILS(mproc_process_sentinel(processes[0], &native), MPROC_ECLOSED);
    keep_what_is_there();
}

/* ---- names and kinds ---- */

static int check_nested_name(void *argument)
{
    char expected[100];
    snprintf(expected, sizeof expected, "%s:%d", (const char *) argument, 1);
    CHILD_CHECK(strcmp(mproc_process_name(mproc_current_process()), expected) == 0);
    return 0;
}

static int start_nested(void *argument)
{
    const char *name = mproc_process_name(mproc_current_process());
    CHILD_CHECK(strcmp(name, argument) == 0);
    mproc_process *process;
    int exit_code = -1;
    CHILD_CHECK(mproc_process_start(&process, check_nested_name, name, strlen(name) + 1, NULL) == MPROC_OK);
    CHILD_CHECK(mproc_process_join(process, MPROC_FOREVER) == MPROC_OK);
    CHILD_CHECK(mproc_process_exit_code(process, &exit_code) == MPROC_OK);
    CHILD_CHECK(mproc_process_close(process) == MPROC_OK);
    return exit_code;
}

static void names_count_up_and_nest(void)
{
    int zero = 0, number;
    mproc_process *process = start_child(return_argument, &zero, sizeof zero, NULL);
    CU_ASSERT_EQUAL_FATAL(sscanf(mproc_process_name(process), "Process-%d", &number), 1);
    end_child(process);
    char expected[40];
    snprintf(expected, sizeof expected, "Process-%d", number + 1);
    process = start_child(start_nested, expected, strlen(expected) + 1, NULL);
    CU_ASSERT_STRING_EQUAL(mproc_process_name(process), expected);
    CU_ASSERT_EQUAL(end_child(process), 0);
}

struct greeter {
    mproc_runnable base;
    int factor;
};

static int run_greeter(void *self)
{
    struct greeter *greeter = self;
    CHILD_CHECK(greeter->base.run == run_greeter);
    return greeter->factor * 2;
}

static void an_object_with_its_own_run_is_a_process(void)
{
    struct greeter greeter = { { run_greeter }, 21 };
    mproc_process *process;
    CU_ASSERT_EQUAL_FATAL(mproc_process_start_object(&process, &greeter.base, sizeof greeter, NULL), MPROC_OK);
    CU_ASSERT_EQUAL(end_child(process), 42);
    CU_ASSERT_EQUAL(mproc_process_start_object(&process, &greeter.base, 1, NULL), MPROC_EINVAL);
    greeter.base.run = NULL;
    CU_ASSERT_EQUAL(mproc_process_start_object(&process, &greeter.base, sizeof greeter, NULL), MPROC_EINVAL);
}

/* ---- many, and closing ---- */

static void a_hundred_run_at_once(void)
{
    enum { COUNT = 100 };
    struct event event;
    _Atomic int *ints = shared_ints(&event.block, 2);
    mproc_process *processes[COUNT];
    for (int i = 0; i < COUNT; i++)
        processes[i] = start_child(arrive_and_wait, &event, sizeof event, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[0], COUNT));
    size_t count = 0, index;
    CU_ASSERT_EQUAL(mproc_active_children(NULL, 0, &count), MPROC_OK);
    CU_ASSERT_EQUAL(count, COUNT);
    atomic_store(&ints[1], 1);
    CU_ASSERT_EQUAL(mproc_process_wait_any(processes, COUNT, &index, 60000), MPROC_OK);
    for (int i = 0; i < COUNT; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(mproc_free(event.block), MPROC_OK);
}

static void every_use_after_close_is_refused(void)
{
    int zero = 0, number;
    int64_t pid;
    bool flag;
    intptr_t native;
    size_t index;
    char text[10];
    mproc_start_method method;
    mproc_process *process = start_child(return_argument, &zero, sizeof zero, NULL);
    end_child(process);
    CU_ASSERT_EQUAL(mproc_process_join(process, 0), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_exit_code(process, &number), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_pid(process, &pid), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_is_alive(process, &flag), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_daemon(process, &flag), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_sentinel(process, &native), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_terminate(process), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_kill(process), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_stop(process, 0), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_stop_tree(process, 0), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_describe(process, text, sizeof text), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_start_method(process, &method), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_wait_any(&process, 1, &index, 0), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(mproc_process_close(process), MPROC_ECLOSED);
    CU_ASSERT_PTR_NULL(mproc_process_name(process));
}

static void wrong_arguments_are_refused_with_a_sentence(void)
{
    mproc_process *process = NULL;
    int zero = 0;
    size_t index;
    static int data;
    CU_ASSERT_EQUAL(mproc_process_start(NULL, return_argument, NULL, 0, NULL), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_process_start(&process, NULL, NULL, 0, NULL), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_process_start(&process, return_argument, NULL, 5, NULL), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_process_start(&process, (mproc_target *) (uintptr_t) &data, NULL, 0, NULL),
                    MPROC_EINVAL);
    CU_ASSERT_TRUE(strlen(mproc_last_error()) > 20);
    CU_ASSERT_PTR_NULL(process);
    CU_ASSERT_EQUAL(mproc_process_join(NULL, 0), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_process_exit_code(NULL, &zero), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_process_join((mproc_process *) (uintptr_t) 0x123456789abc0, 0), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_process_wait_any(NULL, 1, &index, 0), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_process_wait_any(&process, 0, &index, 0), MPROC_EINVAL);
    CU_ASSERT_EQUAL(mproc_process_join(mproc_current_process(), 0), MPROC_ESTATE);
    CU_ASSERT_EQUAL(mproc_process_close(mproc_current_process()), MPROC_ESTATE);
    CU_ASSERT_EQUAL(mproc_process_kill(mproc_current_process()), MPROC_ESTATE);
}

MPROC_SUITE(process, MPROC_TEST(arguments_of_every_size_arrive_as_a_copy_of_the_childs_own),
            MPROC_TEST(no_argument_is_null), MPROC_TEST(an_unaligned_argument_is_aligned_in_the_child),
            MPROC_TEST(the_return_value_is_the_exit_code),
            MPROC_TEST(a_running_process_has_no_exit_code), MPROC_TEST(a_process_can_be_interrupted_alone),
            MPROC_TEST(the_end_is_described_in_words),
            MPROC_TEST(join_with_a_timeout_leaves_the_child_running),
            MPROC_TEST(several_threads_may_join_the_same_process),
            MPROC_TEST(wait_any_gives_the_one_that_ended),
            MPROC_TEST(the_sentinel_is_ready_once_the_process_has_ended),
            MPROC_TEST(a_sentinel_is_there_until_close_and_costs_the_ended_nothing),
            MPROC_TEST(names_count_up_and_nest), MPROC_TEST(an_object_with_its_own_run_is_a_process),
            MPROC_TEST(a_hundred_run_at_once), MPROC_TEST(every_use_after_close_is_refused),
            MPROC_TEST(wrong_arguments_are_refused_with_a_sentence))
