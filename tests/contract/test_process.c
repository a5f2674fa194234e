/* SPDX-License-Identifier: MIT */
/* The boundary: starting programs, forking, reaping, ending, limits. */
#include "contract.h"

#include <signal.h>

static int check_environment(const char *expected)
{
    const char *value = getenv("MPROC_CONTRACT_ADDED");
    if (getenv("MPROC_CONTRACT_REMOVED"))
        return 2;
    return value && strcmp(value, expected) == 0 ? 0 : 3;
}

/* "handle N": N is open and says hello. */
static int check_handle(const char *boot)
{
    long long number;
    char text[20];
    if (sscanf(boot, "%lld", &number) != 1)
        return 4;
    if (mproc_plat_handle_check((mproc_plat_handle) number) != MPROC_OK)
        return 5;
    if (native_read((intptr_t) number, text, sizeof text) < 0)
        return 6;
    return strncmp(text, "hello", 5) == 0 ? 0 : 7;
}

/* "confine N": on CPU N, and where that can be, with few descriptors. */
static int confine_itself(int cpu)
{
    enum { FEW = 40 };
    const mproc_limits none = { 0 }, few = { .open_descriptors = FEW };
    mproc_plat_handle handles[FEW];
    int opened = 0;
    if (cpu >= 0 && mproc_plat_confine_apply(&none, &cpu, 1) != MPROC_OK)
        return 2;
    if (cpu >= 0 && mproc_plat_cpu_count() != 1)
        return 3;
    if (mproc_plat_confine_check(&few, NULL, 0) == MPROC_ENOTSUP)
        return 0;
    if (mproc_plat_confine_apply(&few, NULL, 0) != MPROC_OK)
        return 4;
    while (opened < FEW && mproc_plat_stdio_open(0, NULL, &handles[opened]) == MPROC_OK)
        opened++;
    for (int i = 0; i < opened; i++) /* what else runs at the end needs some */
        mproc_plat_handle_close(handles[i]);
    return opened > 0 && opened < FEW ? 0 : 5;
}

enum { NO_SUCH_LIMIT = 100, NO_EFFECT = 101 };

/* Confines this process, which then finds out whether that has an effect. */
static bool confine(const mproc_limits *limits)
{
    return mproc_plat_confine_check(limits, NULL, 0) == MPROC_OK &&
           mproc_plat_confine_apply(limits, NULL, 0) == MPROC_OK;
}

static int exceed_memory(void)
{
    if (!confine(&(mproc_limits){ .memory_bytes = UINT64_C(256) << 20 }))
        return NO_SUCH_LIMIT;
    void *little = malloc(1 << 20), *much = malloc((size_t) 1 << 30);
    int code = !little ? 2 : much ? NO_EFFECT : 0;
    free(little);
    free(much);
    return code;
}

static int exceed_cpu_time(void)
{
    if (!confine(&(mproc_limits){ .cpu_seconds = 1 }))
        return NO_SUCH_LIMIT;
    for (int64_t end = in_seconds(50); mproc_plat_now() < end;)
        continue;
    return NO_EFFECT;
}

static int exceed_file_size(void)
{
    char text[600];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN);
#endif
    if (!confine(&(mproc_limits){ .file_bytes = 1000 }))
        return NO_SUCH_LIMIT;
    intptr_t file = native_open("limited-file", true);
    bool first = native_write(file, text), second = native_write(file, text);
    native_close(file);
    remove("limited-file");
    return !first ? 2 : second ? NO_EFFECT : 0;
}

static int limit_core(void)
{
    if (!confine(&(mproc_limits){ .core_bytes = 4096 }))
        return NO_SUCH_LIMIT;
    if (soft_limit_of("core") != 4096)
        return NO_EFFECT;
    if (!confine(&(mproc_limits){ .core_bytes = MPROC_LIMIT_ZERO }))
        return 2;
    return soft_limit_of("core") == 0 ? 0 : NO_EFFECT;
}

static int exceed_limit(const char *which)
{
    if (strcmp(which, "memory") == 0)
        return exceed_memory();
    if (strcmp(which, "cpu") == 0)
        return exceed_cpu_time();
    return strcmp(which, "file") == 0 ? exceed_file_size() : limit_core();
}

/* "terminals N": the bits of N are those of 0-2 that are terminals. */
static int check_terminals(int expected)
{
    int found = 0;
    for (int stream = 0; stream < 3; stream++)
        found |= mproc_plat_is_terminal(stream) << stream;
    return found == expected ? 0 : 10 + found;
}

static int child(const char *boot)
{
    int numbers[1000];
    if (strncmp(boot, "exit ", 5) == 0)
        return atoi(boot + 5);
    if (strncmp(boot, "end ", 4) == 0)
        end_hard(boot + 4);
    if (strcmp(boot, "hang") == 0)
        return hang_for_ever(NULL);
    if (strcmp(boot, "be interrupted") == 0) {
        signal(SIGINT, SIG_DFL);
        return hang_for_ever(NULL);
    }
    if (strncmp(boot, "environment ", 12) == 0)
        return check_environment(boot + 12);
    if (strncmp(boot, "handle ", 7) == 0)
        return check_handle(boot + 7);
    if (strncmp(boot, "folder ", 7) == 0)
        return file_exists(boot + 7) ? 0 : 8;
    if (strncmp(boot, "confine ", 8) == 0)
        return confine_itself(atoi(boot + 8));
    if (strncmp(boot, "exceed ", 7) == 0)
        return exceed_limit(boot + 7);
    if (strncmp(boot, "terminals ", 10) == 0)
        return check_terminals(atoi(boot + 10));
    if (strcmp(boot, "count") == 0) {
        mproc_plat_close_others(NULL, 0);
        return list_descriptors(numbers, 1000);
    }
    if (strcmp(boot, "echo") == 0) {
        char text[100];
        native_read(native_stream(0), text, sizeof text);
        printf("out:%s", text);
        fprintf(stderr, "err:%s", text);
        return 0;
    }
    return 1;
}

static void exit_codes_come_back(void)
{
    static const int codes[] = { 0, 1, 77, 255, 256, -1 };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char boot[20];
        snprintf(boot, sizeof boot, "exit %d", codes[i]);
        struct mproc_plat_process process = spawn_child(boot, MPROC_PLAT_NONE);
        CU_ASSERT_TRUE(process.pid > 0 && process.pid != mproc_plat_pid());
        CU_ASSERT_EQUAL(reap_child(&process), exit_code_of(codes[i]));
    }
}

static void hard_ends_come_back(void)
{
    static const char *const ways[] = { "end abort", "end crash", "end _exit7" };
    for (size_t i = 0; i < 3; i++) {
        struct mproc_plat_process process = spawn_child(ways[i], MPROC_PLAT_NONE);
        int expected = exit_code_after(ways[i] + 4), code = reap_child(&process);
        CU_ASSERT_TRUE(expected ? code == expected : code != 0);
    }
}

static void reap_never_waits(void)
{
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    struct mproc_plat_status status;
    int64_t begin = mproc_plat_now();
    for (int i = 0; i < 100; i++)
        CU_ASSERT_FALSE(mproc_plat_process_reap(&process, &status));
    CU_ASSERT_TRUE(mproc_plat_now() - begin < 20 * SECONDS);
    CHECK_OK(mproc_plat_process_stop(&process, true));
    CU_ASSERT_EQUAL(reap_child(&process), system_is_windows() ? -15 : -9);
}

static void one_process_is_interrupted_where_that_can_be(void)
{
    struct mproc_plat_process process = spawn_child("be interrupted", MPROC_PLAT_NONE);
    const struct mproc_plat_process *list = &process;
    mproc_err err = mproc_plat_process_interrupt(&process);
    size_t index;
    if (err == MPROC_ENOTSUP) {
        CHECK_OK(mproc_plat_process_stop(&process, true));
        reap_child(&process);
        skip("this system interrupts no single process");
        return;
    }
    CHECK_OK(err);
    /* It may not have been ready for the first one. */
    while (mproc_plat_process_watch(&list, 1, mproc_plat_now() + SECONDS / 100, &index) == MPROC_ETIMEDOUT)
        CHECK_OK(mproc_plat_process_interrupt(&process));
    CU_ASSERT_EQUAL(reap_child(&process), -SIGINT);
}

static void a_request_to_end_is_no_error_once_it_has_ended(void)
{
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    CHECK_OK(mproc_plat_process_stop(&process, false));
    CU_ASSERT_EQUAL(reap_child(&process), -15);
    process = spawn_child("exit 3", MPROC_PLAT_NONE);
    const struct mproc_plat_process *list = &process;
    size_t index;
    CHECK_OK(mproc_plat_process_watch(&list, 1, in_seconds(60), &index));
    /* It has ended and is not reaped: nothing to do. */
    CHECK_OK(mproc_plat_process_stop(&process, false));
    CHECK_OK(mproc_plat_process_stop(&process, true));
    CU_ASSERT_EQUAL(reap_child(&process), 3);
}

static void a_forgotten_process_runs_on(void)
{
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    int64_t pid = process.pid;
    mproc_plat_process_forget(&process);
    CU_ASSERT_TRUE(pid_runs(pid));
    kill_hard(pid);
    CU_ASSERT_TRUE(pid_ends_within(pid, 60000));
    steal_status(pid);
}

static void environment_additions_and_removals_reach_only_the_child(void)
{
    static const char *const once[] = { "MPROC_CONTRACT_ADDED=a=b c", "MPROC_CONTRACT_REMOVED", NULL };
    CHECK_OK(mproc_plat_set_environment("MPROC_CONTRACT_REMOVED", "there"));
    struct mproc_plat_spawn spawn = spawn_of("environment a=b c");
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    spawn.environment = once;
    CHECK_OK(mproc_plat_spawn(&spawn, &process));
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    CU_ASSERT_PTR_NULL(getenv("MPROC_CONTRACT_ADDED"));
    CU_ASSERT_PTR_NOT_NULL(getenv("MPROC_CONTRACT_REMOVED"));
    CHECK_OK(mproc_plat_set_environment("MPROC_CONTRACT_REMOVED", NULL));
}

/* A file "hello" whose handle is the caller's. */
static intptr_t open_hello(const char *folder)
{
    char path[700];
    snprintf(path, sizeof path, "%s/hello", folder);
    intptr_t handle = native_open(path, true);
    CU_ASSERT_TRUE(native_write(handle, "hello"));
    native_close(handle);
    return native_open(path, false);
}

static void kept_handles_keep_their_numbers_and_others_are_closed(void)
{
    char folder[600], boot[60];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("handles", folder, sizeof folder));
    intptr_t handles[20];
    for (int i = 0; i < 20; i++)
        handles[i] = open_hello(folder);
    for (int i = 0; i < 20; i += 7) {
        snprintf(boot, sizeof boot, "handle %lld", (long long) handles[i]);
        struct mproc_plat_process process = spawn_child(boot, handles[i]);
        CU_ASSERT_EQUAL(reap_child(&process), 0);
    }
    int numbers[10];
    if (list_descriptors(numbers, 10) < 0)
        skip("which handles others have cannot be listed here");
    else {
        struct mproc_plat_process process = spawn_child("count", MPROC_PLAT_NONE);
        /* 0-2, and the pipe that tells its end where nothing else does. */
        CU_ASSERT_EQUAL(reap_child(&process), 3 + TELLS_BY_PIPE);
    }
    for (int i = 0; i < 20; i++)
        native_close(handles[i]);
    remove_folder(folder);
}

static void the_working_directory_is_the_childs_own(void)
{
    char folder[600];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("b \xc3\xbc c", folder, sizeof folder));
    native_close(open_hello(folder));
    struct mproc_plat_spawn spawn = spawn_of("folder hello");
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    spawn.working_directory = folder;
    CHECK_OK(mproc_plat_spawn(&spawn, &process));
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    CU_ASSERT_FALSE(file_exists("hello"));
    remove_folder(folder);
}

static void streams_are_redirected(void)
{
    char folder[600], out[700], text[100];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("streams", folder, sizeof folder));
    intptr_t input = open_hello(folder);
    snprintf(out, sizeof out, "%s/out", folder);
    mproc_plat_handle output = MPROC_PLAT_NONE;
    CHECK_OK(mproc_plat_stdio_open(1, out, &output));
    struct mproc_plat_spawn spawn = spawn_of("echo");
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    spawn.standard[0] = input;
    spawn.standard[1] = spawn.standard[2] = output;
    CHECK_OK(mproc_plat_spawn(&spawn, &process));
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    mproc_plat_handle_close(output);
    native_close(input);
    input = native_open(out, false);
    native_read(input, text, sizeof text);
    native_close(input);
    CU_ASSERT_TRUE(strcmp(text, "err:helloout:hello") == 0 || strcmp(text, "out:helloerr:hello") == 0);
    remove_folder(folder);
}

static void what_cannot_start_is_an_error_here(void)
{
    if (skip_if_emulated("qemu-user reports no failed start of a program"))
        return;
    struct mproc_plat_process process = { .pid = 4711, .watch = MPROC_PLAT_NONE };
    struct mproc_plat_spawn spawn = spawn_of("exit 0");
    spawn.executable = "/no/such/program";
    CHECK_FAILS(mproc_plat_spawn(&spawn, &process), MPROC_ENOTFOUND);
    spawn.executable = NULL;
    spawn.working_directory = "/no/such/folder";
    CHECK_FAILS(mproc_plat_spawn(&spawn, &process), MPROC_ENOTFOUND);
    CU_ASSERT_EQUAL(process.pid, 4711);
    CU_ASSERT_EQUAL(process.watch, MPROC_PLAT_NONE);
}

static void a_fork_returns_on_both_sides(void)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    for (int i = 0; i < 50; i++) {
        struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
        bool in_child = false;
        CHECK_OK(mproc_plat_fork(&process, &in_child));
        if (in_child)
            mproc_plat_exit_now(i);
        CU_ASSERT_TRUE(process.pid > 0);
        CU_ASSERT_EQUAL(reap_child(&process), i);
    }
}

static void limits_that_are_allowed_can_be_applied(void)
{
    const mproc_limits none = { 0 }, some = { .memory_bytes = UINT64_C(4) << 30, .cpu_seconds = 1000 };
    CHECK_OK(mproc_plat_confine_check(&none, NULL, 0));
    CHECK_OK(mproc_plat_confine_check(&some, NULL, 0));
    int bad[] = { -1, 1 << 30 };
    int first = 0;
    mproc_err wrong = mproc_plat_confine_check(&none, &first, 1) == MPROC_ENOTSUP ? MPROC_ENOTSUP : MPROC_EINVAL;
    CHECK_FAILS(mproc_plat_confine_check(&none, &bad[0], 1), wrong);
    CHECK_FAILS(mproc_plat_confine_check(&none, &bad[1], 1), wrong);
}

static void applied_limits_are_the_childs_own(void)
{
    const mproc_limits none = { 0 };
    int cpu = 0, all = mproc_plat_cpu_count();
    char boot[30];
    mproc_err err;
    while ((err = mproc_plat_confine_check(&none, &cpu, 1)) == MPROC_EINVAL && cpu < 1000)
        cpu++;
    if (err == MPROC_ENOTSUP)
        printf(" (no process is bound to CPUs here) ");
    else
        CHECK_OK(err);
    snprintf(boot, sizeof boot, "confine %d", err == MPROC_OK ? cpu : -1);
    struct mproc_plat_process process = spawn_child(boot, MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    CU_ASSERT_EQUAL(mproc_plat_cpu_count(), all);
}

static void a_terminal_is_told_from_what_is_none(void)
{
    mproc_plat_handle null = MPROC_PLAT_NONE, own, terminal = MPROC_PLAT_NONE;
    CHECK_OK(mproc_plat_stdio_open(1, NULL, &null));
    mproc_err err = mproc_plat_terminal_open(24, 80, &own, &terminal);
    if (err != MPROC_OK) {
        CHECK_FAILS(err, MPROC_ENOTSUP);
        printf(" (there are no terminals here) ");
    }
    struct mproc_plat_spawn spawn = spawn_of(err == MPROC_OK ? "terminals 2" : "terminals 0");
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    spawn.standard[0] = spawn.standard[1] = spawn.standard[2] = null;
    if (err == MPROC_OK)
        spawn.standard[1] = terminal;
    CHECK_OK(mproc_plat_spawn(&spawn, &process));
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    mproc_plat_handle_close(null);
    if (err == MPROC_OK) {
        mproc_plat_handle_close(own);
        mproc_plat_handle_close(terminal);
    }
}

static int exceeded(const char *boot)
{
    struct mproc_plat_process process = spawn_child(boot, MPROC_PLAT_NONE);
    int code = reap_child(&process);
    if (code == NO_SUCH_LIMIT)
        printf("  SKIP %s: this system has no such limit\n", boot);
    return code;
}

static void a_limit_that_was_applied_holds(void)
{
    if (system_is_wine()) {
        skip("Wine takes limits and does not keep them");
        return;
    }
    static const char *const boots[] = { "exceed file", "exceed core", "exceed memory" };
    size_t count = sizeof boots / sizeof boots[0];
#ifdef MPROC_SANITIZED
    bool keeps_memory = false; /* a sanitizer needs more memory than any limit leaves */
#else
    bool keeps_memory = !system_is_emulated(); /* an emulator leaves that limit alone */
#endif
    count -= !keeps_memory;
    for (size_t i = 0; i < count; i++) {
        int code = exceeded(boots[i]);
        CU_ASSERT_TRUE(code == 0 || code == NO_SUCH_LIMIT);
    }
    int code = exceeded("exceed cpu");
    CU_ASSERT_TRUE(code == NO_SUCH_LIMIT || code < 0 || (system_is_windows() && code != NO_EFFECT));
}

MPROC_CONTRACT_SUITE(process, child, MPROC_TEST(exit_codes_come_back), MPROC_TEST(hard_ends_come_back),
                     MPROC_TEST(reap_never_waits),
                     MPROC_TEST(one_process_is_interrupted_where_that_can_be),
                     MPROC_TEST(a_request_to_end_is_no_error_once_it_has_ended),
                     MPROC_TEST(a_forgotten_process_runs_on),
                     MPROC_TEST(environment_additions_and_removals_reach_only_the_child),
                     MPROC_TEST(kept_handles_keep_their_numbers_and_others_are_closed),
                     MPROC_TEST(the_working_directory_is_the_childs_own),
                     MPROC_TEST(streams_are_redirected), MPROC_TEST(what_cannot_start_is_an_error_here),
                     MPROC_TEST(a_fork_returns_on_both_sides),
                     MPROC_TEST(limits_that_are_allowed_can_be_applied),
                     MPROC_TEST(applied_limits_are_the_childs_own),
                     MPROC_TEST(a_terminal_is_told_from_what_is_none),
                     MPROC_TEST(a_limit_that_was_applied_holds))
