/* SPDX-License-Identifier: MIT */
/* The boundary: clock, random numbers, texts, environment, addresses. */
#include "contract.h"
#include "system.h"

#include <signal.h>

/* In a child: what is asked of it is the value of MPROC_BOOT. */
static int child(const char *boot)
{
    if (strcmp(boot, "exit 7") == 0)
        mproc_plat_exit_now(7);
    if (strcmp(boot, "start again") == 0)
        return mproc_plat_start() == MPROC_OK && environment_is("MPROC_WATCH", NULL) ? 8 : 9;
    if (strncmp(boot, "interrupt", 9) == 0) {
        signal(SIGINT, SIG_DFL);
        if (strcmp(boot, "interrupt ignored") == 0)
            mproc_plat_ignore_interrupt();
        return interrupt_myself() ? 5 : 6;
    }
    return 1;
}

/* By the first program of a process, and again in mproc_init(). What was in the environment for it is not for others:
 * its parent is told of its end, and so of nobody else's. */
static void a_process_may_be_started_in_twice(void)
{
    CHECK_OK(mproc_plat_start());
    struct mproc_plat_process process = spawn_child("start again", MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 8);
}

static void the_clock_never_goes_back(void)
{
    int64_t last = mproc_plat_now();
    CU_ASSERT_TRUE(last > 0);
    for (int i = 0; i < 100000; i++) {
        int64_t now = mproc_plat_now();
        CU_ASSERT_TRUE_FATAL(now >= last);
        last = now;
    }
}

static void a_sleep_is_never_too_short(void)
{
    static const int64_t lengths[] = { 1, 1000000, 30000000 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        int64_t begin = mproc_plat_now();
        mproc_plat_sleep(lengths[i]);
        CU_ASSERT_TRUE(mproc_plat_now() - begin >= lengths[i]);
    }
}

enum { TURNS = 200 };
static _Atomic int turn;

/* Takes every odd turn. */
static void take_turns(void *context)
{
    (void) context;
    for (int mine = 1; mine < TURNS; mine += 2) {
        while (atomic_load(&turn) != mine)
            mproc_plat_yield();
        atomic_store(&turn, mine + 1);
    }
}

static void two_threads_that_yield_get_on(void)
{
    atomic_store(&turn, 0);
    struct test_thread *thread = thread_start(take_turns, NULL);
    for (int mine = 0; mine < TURNS; mine += 2) {
        while (atomic_load(&turn) != mine)
            mproc_plat_yield();
        atomic_store(&turn, mine + 1);
    }
    thread_join(thread);
    CU_ASSERT_EQUAL(turn, TURNS);
}

static void random_bytes_differ_and_fill_the_buffer(void)
{
    unsigned char a[1000], b[1000];
    memset(a, 0, sizeof a);
    CHECK_OK(mproc_plat_random(a, sizeof a));
    CHECK_OK(mproc_plat_random(b, sizeof b));
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    /* 100 zero bytes side by side would mean that a part was not written. */
    int zeros = 0, most = 0;
    for (size_t i = 0; i < sizeof a; i++) {
        zeros = a[i] ? 0 : zeros + 1;
        most = zeros > most ? zeros : most;
    }
    CU_ASSERT_TRUE(most < 100);
    CHECK_OK(mproc_plat_random(a, 0));
}

static void system_errors_have_texts_without_line_ends(void)
{
    char text[200], small[8];
    for (int code = 0; code < 40; code++) {
        memset(text, 'x', sizeof text);
        mproc_plat_system_text(code, text, sizeof text);
        CU_ASSERT_TRUE_FATAL(memchr(text, '\0', sizeof text) != NULL);
        CU_ASSERT_TRUE(strlen(text) > 0 && !strpbrk(text, "\r\n"));
    }
    mproc_plat_system_text(987654, text, sizeof text);
    CU_ASSERT_TRUE(strlen(text) > 0);
    memset(small, 'x', sizeof small);
    mproc_plat_system_text(2, small, sizeof small);
    CU_ASSERT_TRUE(memchr(small, '\0', sizeof small) != NULL);
}

static void an_end_by_a_signal_has_words(void)
{
    static const int numbers[] = { SIGINT, SIGILL, SIGABRT, SIGFPE, SIGSEGV, SIGTERM, 9, 63, 100, 12345 };
    char text[100], number[40], small[8];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        memset(text, 'x', sizeof text);
        mproc_plat_signal_text(numbers[i], text, sizeof text);
        CU_ASSERT_TRUE_FATAL(memchr(text, '\0', sizeof text) != NULL);
        snprintf(number, sizeof number, "killed by signal %d (", numbers[i]);
        CU_ASSERT_TRUE(system_is_windows() ? strlen(text) > 5 : strncmp(text, number, strlen(number)) == 0);
    }
    mproc_plat_signal_text(15, text, sizeof text);
    CU_ASSERT_TRUE(!system_is_windows() || strstr(text, "terminated"));
    memset(small, 'x', sizeof small);
    mproc_plat_signal_text(15, small, sizeof small);
    CU_ASSERT_PTR_NOT_NULL(memchr(small, '\0', sizeof small));
}

static void the_environment_can_be_set_replaced_and_removed(void)
{
    const char *name = "MPROC_CONTRACT_VARIABLE";
    CU_ASSERT_PTR_NULL(getenv(name));
    CHECK_OK(mproc_plat_set_environment(name, "one=1 \xc3\xbc"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(getenv(name)); /* in Windows in the system's code page */
    CU_ASSERT_EQUAL(strncmp(getenv(name), "one=1 ", 6), 0);
    CU_ASSERT_TRUE(environment_is(name, "one=1 \xc3\xbc"));
    CHECK_OK(mproc_plat_set_environment(name, "two"));
    CU_ASSERT_STRING_EQUAL(getenv(name), "two");
    CU_ASSERT_TRUE(environment_is(name, "two"));
    CHECK_OK(mproc_plat_set_environment(name, NULL));
    CU_ASSERT_PTR_NULL(getenv(name));
    CU_ASSERT_TRUE(environment_is(name, NULL));
    CHECK_OK(mproc_plat_set_environment(name, NULL));
}

static void mapped_addresses_are_told_from_others(void)
{
    int on_the_stack = 1;
    static int data = 1;
    char *heap = malloc(10);
    CU_ASSERT_TRUE(mproc_plat_address_mapped(&on_the_stack));
    CU_ASSERT_TRUE(mproc_plat_address_mapped(&data));
    CU_ASSERT_TRUE(mproc_plat_address_mapped(heap));
    CU_ASSERT_FALSE(mproc_plat_address_mapped(NULL));
    CU_ASSERT_FALSE(mproc_plat_address_mapped((const void *) (uintptr_t) 64));
    free(heap);
}

static void an_exit_now_ends_with_its_code(void)
{
    struct mproc_plat_process process = spawn_child("exit 7", MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 7);
}

static void the_start_methods_begin_with_the_default(void)
{
    size_t count = 0;
    const mproc_start_method *methods = mproc_plat_start_methods(&count);
    CU_ASSERT_TRUE_FATAL(methods && count >= 1 && count <= 3);
    bool spawn = false;
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_TRUE(methods[i] >= MPROC_START_FORK && methods[i] <= MPROC_START_FORKSERVER);
        spawn = spawn || methods[i] == MPROC_START_SPAWN;
    }
    CU_ASSERT_TRUE(spawn);
}

static void memory_used_grows_with_what_is_touched(void)
{
    enum { SIZE = 64 << 20 };
    uint64_t before = mproc_plat_memory_used();
    volatile char *bytes = malloc(SIZE);
    CU_ASSERT_PTR_NOT_NULL_FATAL((const void *) (uintptr_t) bytes);
    for (size_t i = 0; i < SIZE; i += 4096)
        bytes[i] = 1;
    CU_ASSERT_TRUE(mproc_plat_memory_used() >= before + SIZE / 2);
    free((void *) (uintptr_t) bytes);
}

/* Without this process's streams: what Wine starts for a new console would have them, and outlive the test. */
static int run_silently(const char *boot)
{
    struct mproc_plat_spawn spawn = spawn_of(boot);
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    for (int stream = 0; stream < 3; stream++)
        CHECK_OK(mproc_plat_stdio_open(stream, NULL, &spawn.standard[stream]));
    CU_ASSERT_EQUAL_FATAL(mproc_plat_spawn(&spawn, &process), MPROC_OK);
    for (int stream = 0; stream < 3; stream++)
        mproc_plat_handle_close(spawn.standard[stream]);
    return reap_child(&process);
}

static void an_ignored_interrupt_does_nothing(void)
{
    int code = run_silently("interrupt");
    if (code == 5 || code == 6) {
        skip("a process cannot be interrupted here");
        return;
    }
    CU_ASSERT_TRUE(system_is_windows() || code == -SIGINT);
    CU_ASSERT_EQUAL(run_silently("interrupt ignored"), 5);
}

MPROC_CONTRACT_SUITE(system, child, MPROC_TEST(a_process_may_be_started_in_twice),
                     MPROC_TEST(the_clock_never_goes_back),
                     MPROC_TEST(a_sleep_is_never_too_short), MPROC_TEST(two_threads_that_yield_get_on),
                     MPROC_TEST(random_bytes_differ_and_fill_the_buffer),
                     MPROC_TEST(system_errors_have_texts_without_line_ends),
                     MPROC_TEST(an_end_by_a_signal_has_words),
                     MPROC_TEST(the_environment_can_be_set_replaced_and_removed),
                     MPROC_TEST(mapped_addresses_are_told_from_others),
                     MPROC_TEST(memory_used_grows_with_what_is_touched),
                     MPROC_TEST(an_ignored_interrupt_does_nothing),
                     MPROC_TEST(an_exit_now_ends_with_its_code),
                     MPROC_TEST(the_start_methods_begin_with_the_default))
