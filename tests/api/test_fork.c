/* SPDX-License-Identifier: MIT */
/* mproc_fork, what a forked child takes over, the forkserver's warm-up, and ends of processes. */
#include "suite.h"
#include "system.h"

#include "platform.h"
#include "start.h"

#include <apr_general.h>
#include <apr_thread_proc.h>

static bool can_fork(void)
{
    mproc_start_method methods[4];
    if (mproc_get_all_start_methods(methods, 4) > 1)
        return true;
    skip("this system has no fork");
    return false;
}

/* ---- mproc_fork ---- */

static void fork_returns_on_both_sides(void)
{
    mproc_process *process = NULL;
    if (!can_fork()) {
        CU_ASSERT_EQUAL(mproc_fork(&process), MPROC_ENOTSUP);
        return;
    }
    int64_t parent = mproc_pid(), pid = 0;
    CU_ASSERT_EQUAL_FATAL(mproc_fork(&process), MPROC_OK);
    if (!process) {
        int64_t seen = 0;
        CHILD_CHECK(mproc_process_pid(mproc_parent_process(), &seen) == MPROC_OK && seen == parent);
        CHILD_CHECK(mproc_pid() != parent);
        CHILD_CHECK(strncmp(mproc_process_name(mproc_current_process()), "Process-", 8) == 0);
        mproc_exit(23);
    }
    CU_ASSERT_EQUAL(mproc_process_pid(process, &pid), MPROC_OK);
    CU_ASSERT_NOT_EQUAL(pid, parent);
    CU_ASSERT_EQUAL(end_child(process), 23);
}

static int return_five(void *argument)
{
    (void) argument;
    return 5;
}

/* The parent's pointer is nobody's in the child: none of those that it starts itself either. */
static void a_parents_process_object_means_nothing_in_a_forked_child(void)
{
    mproc_process *parents, *process = NULL;
    if (!can_fork())
        return;
    parents = start_child(hang_for_ever, NULL, 0, NULL);
    CU_ASSERT_EQUAL_FATAL(mproc_fork(&process), MPROC_OK);
    if (!process) {
        int64_t pid;
        mproc_process *own;
        CHILD_CHECK(mproc_process_pid(parents, &pid) != MPROC_OK);
        for (int i = 0; i < 20; i++) {
            CHILD_OK(mproc_process_start(&own, return_five, NULL, 0, NULL));
            CHILD_FAILS(mproc_process_pid(parents, &pid), MPROC_ECLOSED);
            CHILD_FAILS(mproc_process_kill(parents), MPROC_ECLOSED);
            CHILD_OK(mproc_process_join(own, 60000));
            CHILD_OK(mproc_process_close(own));
        }
        mproc_exit(7);
    }
    CU_ASSERT_EQUAL(end_child(process), 7);
    bool alive = false;
    CHECK_OK(mproc_process_is_alive(parents, &alive));
    CU_ASSERT_TRUE(alive);
    CHECK_OK(mproc_process_kill(parents));
    end_child(parents);
}

static void a_forked_child_starts_processes_of_its_own(void)
{
    mproc_process *process = NULL;
    if (!can_fork())
        return;
    CU_ASSERT_EQUAL_FATAL(mproc_fork(&process), MPROC_OK);
    if (!process) {
        size_t count = 99;
        CHILD_CHECK(mproc_active_children(NULL, 0, &count) == MPROC_OK && count == 0);
        mproc_process *own;
        int code = -1;
        CHILD_CHECK(mproc_process_start(&own, return_five, NULL, 0, NULL) == MPROC_OK);
        CHILD_CHECK(mproc_process_join(own, 60000) == MPROC_OK);
        CHILD_CHECK(mproc_process_exit_code(own, &code) == MPROC_OK);
        mproc_exit(code);
    }
    CU_ASSERT_EQUAL(end_child(process), 5);
}

/* ---- what ends a child ---- */

static mproc_memory log_block;
static void note(int value)
{
    _Atomic int *ints = mproc_pointer(log_block);
    int place = atomic_fetch_add(&ints[0], 1);
    atomic_store(&ints[1 + place], value);
}

static void first_finalizer(void *context)
{
    note(*(int *) context);
}

static int finish_as_told(void *argument)
{
    static int one = 1, two = 2;
    struct {
        mproc_memory block;
        int how;
    } told;
    memcpy(&told, argument, sizeof told);
    log_block = told.block;
    CHILD_CHECK(mproc_at_exit(first_finalizer, &one) == MPROC_OK);
    CHILD_CHECK(mproc_at_exit(first_finalizer, &two) == MPROC_OK);
    if (told.how == 1)
        exit(7);
    if (told.how == 2)
        mproc_exit(7);
    return 7;
}

static void parents_handler(void)
{
    if (log_block.id)
        note(1000);
}

static void finalizers_run_last_first_and_the_parents_handlers_do_not(void)
{
    static bool registered;
    if (!registered)
        atexit(parents_handler);
    registered = true;
    for (int how = 0; how < 3; how++) {
        struct {
            mproc_memory block;
            int how;
        } told = { .how = how };
        _Atomic int *ints = shared_ints(&told.block, 10);
        log_block = told.block;
        CU_ASSERT_EQUAL(run_child(finish_as_told, &told, sizeof told, NULL), 7);
        log_block.id = 0;
        bool parents_too = how == 1 && !system_tells_exit_codes() && method_under_test() == MPROC_START_FORK;
        if (parents_too)
            skip_part("exit() in a forked child: the C library tells handlers no exit code");
        CU_ASSERT_EQUAL(ints[0], parents_too ? 3 : 2);
        CU_ASSERT_EQUAL(ints[1 + parents_too], 2);
        CU_ASSERT_EQUAL(ints[2 + parents_too], 1);
        CU_ASSERT_EQUAL(mproc_free(told.block), MPROC_OK);
    }
}

static int print_and_return(void *argument)
{
    (void) argument;
    fputs("child", stdout);
    return 0;
}

static void buffered_output_is_printed_once(void)
{
    mproc_process_options options = { .standard_output = { MPROC_STDIO_PATH, 0, "output-once.txt" } };
    remove("output-once.txt");
    FILE *file = fopen("buffered.txt", "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs("parent", file); /* in the buffer of a stream that a forked child has too */
    CU_ASSERT_EQUAL(run_child(print_and_return, NULL, 0, &options), 0);
    fclose(file);
    char text[40] = "";
    file = fopen("buffered.txt", "rb");
    CU_ASSERT_EQUAL(fread(text, 1, sizeof text - 1, file), 6);
    fclose(file);
    CU_ASSERT_STRING_EQUAL(text, "parent");
    file = fopen("output-once.txt", "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    memset(text, 0, sizeof text);
    CU_ASSERT_EQUAL(fread(text, 1, sizeof text - 1, file), 5);
    fclose(file);
    remove("buffered.txt");
    remove("output-once.txt");
}

/* ---- threads and random numbers ---- */

static int tell_random(void *argument)
{
    mproc_memory block = *(mproc_memory *) argument;
    note((int) ((log_block = block), rand()));
    return 0;
}

static void check_random_numbers(void)
{
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 10);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(run_child(tell_random, &block, sizeof block, NULL), 0);
    CU_ASSERT_TRUE(ints[1] != ints[2] && ints[2] != ints[3] && ints[1] != ints[3]);
    CU_ASSERT_EQUAL(mproc_free(block), MPROC_OK);
}

static bool seeds_children(void)
{
    if (can_fork() && method_under_test() != MPROC_START_SPAWN && mproc_plat_thread_count() != 0)
        return true;
    skip("only a forked child of a process known to have one thread is seeded");
    return false;
}

static void forked_children_have_other_random_numbers(void)
{
    if (seeds_children())
        check_random_numbers();
}

/* A pool's own thread calls no rand(). */
static void they_have_so_beside_a_pool(void)
{
    mproc_pool *pool;
    if (!seeds_children())
        return;
    CU_ASSERT_EQUAL_FATAL(mproc_pool_create(&pool, 1, NULL), MPROC_OK);
    if (mproc_plat_thread_count() <= 2)
        check_random_numbers();
    else
        skip("an emulator or a sanitizer has a thread of its own here, which counts as the program's");
    mproc_pool_destroy(pool);
}

static atomic_bool busy;
static void *APR_THREAD_FUNC allocate_and_print(apr_thread_t *thread, void *context)
{
    (void) thread;
    FILE *null = context;
    while (busy) {
        free(malloc(1 + (size_t) rand() % 10000));
        fprintf(null, "busy\n");
        mproc_log(MPROC_LOG_DEBUG, "busy");
    }
    return NULL;
}

static int warnings;
static void count_warnings(void *context, int level, const char *message, const char *line)
{
    (void) context;
    (void) line;
    if (level == MPROC_LOG_WARNING && strstr(message, "threads"))
        warnings++;
}

static int allocate_in_child(void *argument)
{
    (void) argument;
    void *block = malloc(5000);
    CHILD_CHECK(block != NULL);
    free(block);
    mproc_memory shared;
    CHILD_CHECK(mproc_alloc(&shared, 100) == MPROC_OK);
    CHILD_CHECK(mproc_free(shared) == MPROC_OK);
    return 0;
}

static void starts_beside_busy_threads_do_not_hang_and_forks_are_reported(void)
{
    enum { THREADS = 3, STARTS = 60 };
    apr_pool_t *pool;
    apr_thread_t *threads[THREADS];
    FILE *null = tmpfile();
    if (!null)
        null = fopen("busy.txt", "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(null);
    apr_pool_create(&pool, NULL);
    busy = true;
    warnings = 0;
    CU_ASSERT_EQUAL(mproc_set_log_level(MPROC_LOG_WARNING), MPROC_OK);
    mproc_set_log_callback(count_warnings, NULL);
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(apr_thread_create(&threads[i], NULL, allocate_and_print, null, pool), 0);
    for (int i = 0; i < STARTS; i++)
        CU_ASSERT_EQUAL(run_child(allocate_in_child, NULL, 0, NULL), 0);
    busy = false;
    for (int i = 0; i < THREADS; i++) {
        apr_status_t status;
        apr_thread_join(&status, threads[i]);
    }
    mproc_set_log_callback(NULL, NULL);
    CU_ASSERT_EQUAL(mproc_set_log_level(MPROC_LOG_OFF), MPROC_OK);
    bool told = mproc_plat_thread_count() != 0;
    if (!told)
        skip_part("the warnings: this system does not tell how many threads there are");
    CU_ASSERT_EQUAL(warnings, told && method_under_test() == MPROC_START_FORK ? STARTS : 0);
    fclose(null);
    remove("busy.txt");
    apr_pool_destroy(pool);
}

/* ---- the forkserver ---- */

static int warmed;
static void warm_up(void)
{
    warmed++;
}

static int tell_warmed(void *argument)
{
    (void) argument;
    return warmed;
}

static void *APR_THREAD_FUNC live_on(apr_thread_t *thread, void *context)
{
    (void) thread;
    (void) context;
    hang_for_ever(NULL);
    return NULL;
}

static void warm_up_badly(void)
{
    static apr_pool_t *pool;
    apr_thread_t *thread;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    apr_thread_create(&thread, NULL, live_on, NULL, pool);
}

static int use_a_forkserver_of_my_own(void *argument)
{
    mproc_process_options options = { .start_method = MPROC_START_FORKSERVER };
    mproc_process *process;
    int exit_code = -1;
    (void) argument;
    CHILD_CHECK(mproc_set_forkserver_warmup(warm_up_badly) == MPROC_OK);
    mproc_err err = mproc_process_start(&process, tell_warmed, NULL, 0, &options);
    if (mproc_plat_thread_count() == 0)
        mproc_exit(1); /* nothing to see on this system */
    CHILD_CHECK(err == MPROC_ESTATE && strstr(mproc_last_error(), "thread"));
    CHILD_CHECK(mproc_set_forkserver_warmup(warm_up) == MPROC_OK);
    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(mproc_process_start(&process, tell_warmed, NULL, 0, &options) == MPROC_OK);
        CHILD_CHECK(mproc_process_join(process, 60000) == MPROC_OK);
        CHILD_CHECK(mproc_process_exit_code(process, &exit_code) == MPROC_OK);
        CHILD_CHECK(exit_code == 1);
        CHILD_CHECK(mproc_process_close(process) == MPROC_OK);
    }
    CHILD_CHECK(warmed == 0);
    return exit_code;
}

static void the_warm_up_runs_once_in_the_template(void)
{
    if (!can_fork()) {
        CU_ASSERT_EQUAL(mproc_set_forkserver_warmup(warm_up), MPROC_ENOTSUP);
        return;
    }
    CU_ASSERT_EQUAL(run_child(use_a_forkserver_of_my_own, NULL, 0, NULL), 1);
}

static int find_and_kill_template(void *argument)
{
    mproc_process_options options = { .start_method = MPROC_START_FORKSERVER };
    (void) argument;
    for (int i = 0; i < 5; i++) {
        mproc_process *process;
        int exit_code = -1;
        CHILD_CHECK(mproc_process_start(&process, return_five, NULL, 0, &options) == MPROC_OK);
        CHILD_CHECK(mproc_process_join(process, 60000) == MPROC_OK);
        CHILD_CHECK(mproc_process_exit_code(process, &exit_code) == MPROC_OK && exit_code == 5);
        CHILD_CHECK(mproc_process_close(process) == MPROC_OK);
        kill_hard(mproc__template_pid());
    }
    return 0;
}

static void a_killed_template_is_started_again(void)
{
    if (can_fork())
        CU_ASSERT_EQUAL(run_child(find_and_kill_template, NULL, 0, NULL), 0);
}

MPROC_SUITE(fork, MPROC_TEST(fork_returns_on_both_sides),
            MPROC_TEST(a_parents_process_object_means_nothing_in_a_forked_child),
            MPROC_TEST(a_forked_child_starts_processes_of_its_own),
            MPROC_TEST(finalizers_run_last_first_and_the_parents_handlers_do_not),
            MPROC_TEST(buffered_output_is_printed_once),
            MPROC_TEST(forked_children_have_other_random_numbers),
            MPROC_TEST(they_have_so_beside_a_pool),
            MPROC_TEST(starts_beside_busy_threads_do_not_hang_and_forks_are_reported),
            MPROC_TEST(the_warm_up_runs_once_in_the_template),
            MPROC_TEST(a_killed_template_is_started_again))
