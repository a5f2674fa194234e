/* SPDX-License-Identifier: MIT */
/* Running suites, and looking for what a test left behind. */
#include "suite.h"

#include "runtime.h"
#include "slots.h"
#include "system.h"

#include <apr_general.h>
#include <apr_thread_proc.h>

/* With TSan, and in an emulator, everything takes ten times as long. */
static unsigned watchdog_seconds(void)
{
#ifdef MPROC_SANITIZED_THREADS
    return 500;
#else
    return system_is_emulated() ? 500 : 110;
#endif
}

static struct leftovers before;
static const struct suite_test *running;
static bool running_was_skipped;
static int skipped, skipped_in_part;

void child_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "\n%s:%d: in a child: %s (last error: %s)\n", file, line, condition,
            mproc_last_error());
    mproc_exit(111);
}

void check_answer(mproc_err err, mproc_err expected, const char *call, const char *file, int line)
{
    char text[600];
    bool sentence = expected == MPROC_OK || strlen(mproc_last_error()) > 15;
    snprintf(text, sizeof text, "%s is %s, not %s (%s)", call, mproc_err_name(err),
             mproc_err_name(expected), err == MPROC_OK ? "" : mproc_last_error());
    CU_assertImplementation(err == expected, (unsigned) line, text, file, "", CU_FALSE);
    snprintf(text, sizeof text, "%s says too little: \"%s\"", call, mproc_last_error());
    CU_assertImplementation(sentence, (unsigned) line, text, file, "", CU_FALSE);
}

void skip(const char *reason)
{
    printf("SKIP %s: %s\n", running->name, reason);
    running_was_skipped = true;
}

void skip_part(const char *reason)
{
    printf("SKIP part of %s: %s\n", running->name, reason);
    skipped_in_part++;
}

bool skip_if_emulated(const char *reason)
{
    bool emulated = system_is_emulated();
    if (emulated)
        skip(reason);
    return emulated;
}

void keep_what_is_there(void)
{
    leftovers_count(&before);
}

/* ---- threads ---- */

struct test_thread {
    apr_pool_t *pool;
    apr_thread_t *thread;
    void (*function)(void *context);
    void *context;
};

static void *APR_THREAD_FUNC run_thread(apr_thread_t *thread, void *context)
{
    (void) thread;
    struct test_thread *test_thread = context;
    test_thread->function(test_thread->context);
    return NULL;
}

struct test_thread *thread_start(void (*function)(void *context), void *context)
{
    struct test_thread *thread = malloc(sizeof *thread);
    thread->function = function;
    thread->context = context;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&thread->pool, NULL) != APR_SUCCESS ||
        apr_thread_create(&thread->thread, NULL, run_thread, thread, thread->pool) != APR_SUCCESS)
        abort();
    return thread;
}

void thread_join(struct test_thread *thread)
{
    apr_status_t status;
    apr_thread_join(&status, thread->thread);
    apr_pool_destroy(thread->pool);
    free(thread);
}

mproc_start_method method_under_test(void)
{
    return mproc_get_start_method();
}

const char *start_method_name(void)
{
    return mproc_start_method_name(mproc_get_start_method());
}

mproc_process *start_child(mproc_target *target, const void *argument, size_t size,
                           const mproc_process_options *options)
{
    mproc_process *process = NULL;
    mproc_err err = mproc_process_start(&process, target, argument, size, options);
    if (err != MPROC_OK)
        printf("\n  start: %s: %s\n", mproc_err_name(err), mproc_last_error());
    CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
    return process;
}

static mproc_process *start_faulty_child(mproc_target *target, const void *argument, size_t size,
                                         const char *point, int count, const char *action)
{
    char variable[80];
    snprintf(variable, sizeof variable, "MPROC_FAULT=%s:%d:%s", point, count, action);
    const char *const environment[] = { variable, NULL };
    mproc_process_options options = { .environment = environment };
    return start_child(target, argument, size, &options);
}

mproc_process *start_doomed_child(mproc_target *target, const void *argument, size_t size, const char *point)
{
    return start_faulty_child(target, argument, size, point, 1, "kill");
}

mproc_process *start_delayed_child(mproc_target *target, const void *argument, size_t size, const char *point,
                                   int count)
{
    return start_faulty_child(target, argument, size, point, count, "delay");
}

/* The file by which a delayed process says that it is, and which it waits to see removed (core/fault.c). */
static void delay_file(mproc_process *process, char *name, size_t size)
{
    int64_t pid = 0;
    CHECK_OK(mproc_process_pid(process, &pid));
    snprintf(name, size, "delayed-%lld", (long long) pid);
}

bool wait_until_delayed(mproc_process *process)
{
    char name[40];
    delay_file(process, name, sizeof name);
    for (int i = 0; i < 60000; i++) {
        if (file_exists(name))
            return true;
        sleep_briefly();
    }
    return false;
}

void end_delay(mproc_process *process)
{
    char name[40];
    delay_file(process, name, sizeof name);
    /* Windows refuses it in the moments in which the delayed one looks. */
    while (remove(name) != 0 && file_exists(name))
        sleep_briefly();
}

void kill_while_seen(mproc_process *process)
{
    char text[20000];
    int64_t pid = 0;
    CHECK_OK(mproc_process_pid(process, &pid));
    kill_hard(pid);
    do
        mproc_describe_locks(text, sizeof text);
    while (pid_runs(pid));
}

int end_child(mproc_process *process)
{
    int exit_code = -1000;
    mproc_err err = mproc_process_join(process, 60000);
    if (err != MPROC_OK)
        printf("\n  join: %s: %s\n", mproc_err_name(err), mproc_last_error());
    CU_ASSERT_EQUAL(err, MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_exit_code(process, &exit_code), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_close(process), MPROC_OK);
    return exit_code;
}

int run_child(mproc_target *target, const void *argument, size_t size,
              const mproc_process_options *options)
{
    return end_child(start_child(target, argument, size, options));
}

void sleep_briefly(void)
{
    mproc_plat_sleep(1000000);
}

int hold_all_descriptors(intptr_t natives[MOST_HELD])
{
    int count = 0;
    bool limited = set_own_limit("descriptors", MOST_HELD);
    while (limited && count < MOST_HELD && (natives[count] = native_open("/dev/null", false)) >= 0)
        count++;
    return count;
}

void give_back_descriptors(const intptr_t *natives, int count)
{
    for (int i = 0; i < count; i++)
        native_close(natives[i]);
}

bool wait_until(_Atomic int *word, int value)
{
    for (int i = 0; i < 60000 && atomic_load(word) < value; i++)
        sleep_briefly();
    return atomic_load(word) >= value;
}

bool pid_ends_within(int64_t pid, int milliseconds)
{
    int64_t deadline = mproc_plat_now() + (int64_t) milliseconds * 1000000;
    while (pid_runs(pid) && mproc_plat_now() < deadline)
        sleep_briefly();
    return !pid_runs(pid);
}

/* Names come after "; waiting: " and are separated by "), ". */
static int count_waiting(const char *text)
{
    int count = 0;
    for (const char *line = strstr(text, "; waiting: "); line; line = strstr(line, "; waiting: ")) {
        line += strlen("; waiting: ");
        for (count++; *line && *line != '\n'; line++)
            count += strncmp(line, "), ", 3) == 0;
    }
    return count;
}

bool wait_until_waiting(int count)
{
    static char text[100000];
    for (int64_t end = mproc_plat_now() + INT64_C(60000000000); mproc_plat_now() < end; sleep_briefly()) {
        mproc_describe_locks(text, sizeof text);
        if (count_waiting(text) >= count)
            return true;
    }
    return false;
}

void allocate_ones(struct ones *ones)
{
    for (size_t i = 0; i < MOST_ONES; i++) {
        size_t count = (i + 1) * 4; /* of 16 bytes more each */
        _Atomic int *ints = shared_ints(&ones->blocks[i], count);
        for (size_t at = 0; at < count; at++)
            atomic_store(&ints[at], 1);
    }
}

bool free_ones(struct ones *ones)
{
    bool intact = true;
    for (size_t i = 0; i < MOST_ONES; i++) {
        _Atomic int *ints = mproc_pointer(ones->blocks[i]);
        for (size_t at = 0; at < (i + 1) * 4; at++)
            intact = intact && atomic_load(&ints[at]) == 1;
        CHECK_OK(mproc_free(ones->blocks[i]));
    }
    return intact;
}

static void remove_and_allocate(void *context)
{
    struct remover *remover = context;
    remover->destroy(remover->context);
    allocate_ones(&remover->ones);
    atomic_store(&remover->has_destroyed, 1);
}

void remover_start(struct remover *remover)
{
    atomic_store(&remover->has_destroyed, 0);
    remover->thread = thread_start(remove_and_allocate, remover);
}

bool remover_waits(struct remover *remover)
{
    for (int i = 0; i < 20 && atomic_load(&remover->has_destroyed) == 0; i++)
        sleep_briefly();
    return atomic_load(&remover->has_destroyed) == 0;
}

bool remover_end(struct remover *remover)
{
    thread_join(remover->thread);
    return free_ones(&remover->ones);
}

_Atomic int *shared_ints(mproc_memory *block, size_t count)
{
    CU_ASSERT_EQUAL_FATAL(mproc_alloc(block, count * sizeof(int)), MPROC_OK);
    return mproc_pointer(*block);
}

int hang_for_ever(void *argument)
{
    (void) argument;
    /* Longer than any test may take; not for ever, should the test be killed. */
    for (int i = 0; i < 2 * (int) watchdog_seconds(); i++)
        mproc_plat_sleep(1000000000);
    return 97;
}

static int do_nothing(void *argument)
{
    (void) argument;
    return 0;
}

/* ---- running ---- */

/* What is on its way out, and what programs beside us have for a moment, goes by itself. */
static bool settled(struct leftovers *after, char *text, size_t size)
{
    for (int i = 0; i < 2000; i++) {
        leftovers_count(after);
        if (leftovers_same(&before, after, text, size))
            return true;
        sleep_briefly();
    }
    return false;
}

static void run_current(void)
{
    running->run();
    struct leftovers after;
    char text[300];
    if (!settled(&after, text, sizeof text)) {
        printf("\n  left behind: %s\n", text);
        CU_FAIL("the test left something behind");
    }
    /* What those left that it has killed is given back now, and not in the middle of the next test. */
    if (mproc__is_initialized())
        mproc__slots_reclaim_all();
    before = after;
}

static bool wanted(const char *name, int argc, char **argv)
{
    return argc < 2 || strstr(name, argv[1]) != NULL;
}

/* One registry a test: run_current() must know which one it is. Returns how many of its checks failed. */
static int run_one(const char *name, const struct suite_test *test)
{
    running = test;
    running_was_skipped = false;
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    CU_add_test(suite, test->name, run_current);
    CU_run_all_tests();
    int failed = (int) CU_get_number_of_failures();
    printf("%s %s.%s\n", failed ? "FAILED" : running_was_skipped ? "skipped" : "passed", name, test->name);
    if (failed) {
        CU_basic_show_failures(CU_get_failure_list());
        printf("\n");
    }
    skipped += running_was_skipped;
    CU_cleanup_registry();
    return failed;
}

static int run_all(const char *name, const struct suite_test *tests, size_t count, int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    system_prepare();
    watchdog_start(watchdog_seconds());
    if (apr_initialize() != APR_SUCCESS) /* tests make threads and pools */
        return 1;
    const char *text = getenv("MPROC_TEST_REPEAT");
    int rounds = text ? atoi(text) : 1, failures = 0, run = 0;
    leftovers_count(&before);
    for (int round = 0; round < rounds || round == 0; round++)
        for (size_t i = 0; i < count; i++) {
            if (!wanted(tests[i].name, argc, argv))
                continue;
            run++;
            failures += run_one(name, &tests[i]);
            watchdog_start(watchdog_seconds());
        }
    system_finish();
    printf("\n%s: %d tests, %d failures, %d skipped, %d parts skipped\n", name, run, failures, skipped,
           skipped_in_part);
    return failures > 0 || run == 0 ? 1 : skipped == run ? SUITE_SKIPPED : 0;
}

int suite_main(const char *name, const struct suite_test *tests, size_t count, int argc, char **argv)
{
    /* What is made at first use is made now. */
    mproc_process *first;
    MPROC_MUST(mproc_process_start(&first, do_nothing, NULL, 0, NULL));
    MPROC_MUST(mproc_process_join(first, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(first));
    return run_all(name, tests, count, argc, argv);
}

int contract_main(const char *name, int (*child)(const char *boot), const struct suite_test *tests,
                  size_t count, int argc, char **argv)
{
    const char *boot = getenv("MPROC_BOOT");
    if (mproc_plat_start() != MPROC_OK)
        return 1;
    if (boot)
        return child(boot);
    /* A descriptor is kept in reserve from the first start on. */
    size_t methods;
    struct mproc_plat_process first = { .watch = MPROC_PLAT_NONE };
    bool in_child = false;
    if (mproc_plat_start_methods(&methods)[0] == MPROC_START_FORK &&
        mproc_plat_fork(&first, &in_child) == MPROC_OK) {
        if (in_child)
            mproc_plat_exit_now(0);
        const struct mproc_plat_process *list = &first;
        struct mproc_plat_status status;
        size_t index;
        (void) mproc_plat_process_watch(&list, 1, MPROC_PLAT_NEVER, &index);
        (void) mproc_plat_process_reap(&first, &status);
        mproc_plat_process_forget(&first);
    }
    return run_all(name, tests, count, argc, argv);
}
