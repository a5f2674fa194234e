/* SPDX-License-Identifier: MIT */
/* The boundary: waiting for the end of one of many processes. */
#include "contract.h"

enum { CANNOT = 77 };

/* Starts a child and may not ask the system about it in the usual way: it runs until it has ended. */
static int watch_without_waitid(void)
{
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    const struct mproc_plat_process *list = &process;
    struct mproc_plat_status status = { .known = false };
    struct mproc_plat_spawn spawn = spawn_of("hang");
    size_t index;
    if (mproc_plat_spawn(&spawn, &process) != MPROC_OK)
        return 1;
    if (!forbid_waitid()) {
        (void) mproc_plat_process_stop(&process, true);
        return CANNOT;
    }
    for (int i = 0; i < 3; i++)
        if (mproc_plat_process_reap(&process, &status))
            return 2;
    if (mproc_plat_process_watch(&list, 1, mproc_plat_now() + SECONDS / 50, &index) != MPROC_ETIMEDOUT)
        return 3;
    if (mproc_plat_process_stop(&process, true) != MPROC_OK)
        return 4;
    if (mproc_plat_process_watch(&list, 1, MPROC_PLAT_NEVER, &index) != MPROC_OK)
        return 5;
    /* Where only a descriptor may be asked, that says so a little early. */
    for (int i = 0; !mproc_plat_process_reap(&process, &status); i++) {
        if (i == 60000)
            return 6;
        sleep_briefly();
    }
    return status.known && status.signalled && status.code == 9 ? 0 : 7;
}

static int child(const char *boot)
{
    if (strcmp(boot, "without waitid") == 0)
        return watch_without_waitid();
    return strcmp(boot, "hang") == 0 ? hang_for_ever(NULL) : atoi(boot);
}

static void end_and_reap(struct mproc_plat_process *process)
{
    CHECK_OK(mproc_plat_process_stop(process, true));
    reap_child(process);
}

static void a_running_process_times_out_and_not_early(void)
{
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    const struct mproc_plat_process *list = &process;
    static const int64_t lengths[] = { 0, 2000000, 30000000, 150000000 };
    for (size_t i = 0; i < 4; i++) {
        size_t index = 99;
        int64_t begin = mproc_plat_now(), deadline = lengths[i] ? begin + lengths[i] : 0;
        CU_ASSERT_EQUAL(mproc_plat_process_watch(&list, 1, deadline, &index), MPROC_ETIMEDOUT);
        CU_ASSERT_TRUE(mproc_plat_now() - begin >= lengths[i]);
        CU_ASSERT_EQUAL(index, 99);
    }
    end_and_reap(&process);
}

static void the_one_that_ended_is_named_and_not_reaped(void)
{
    enum { COUNT = 10 };
    struct mproc_plat_process processes[COUNT];
    const struct mproc_plat_process *list[COUNT];
    struct mproc_plat_status status;
    for (int i = 0; i < COUNT; i++) {
        processes[i] = spawn_child("hang", MPROC_PLAT_NONE);
        list[i] = &processes[i];
    }
    CHECK_OK(mproc_plat_process_stop(&processes[6], true));
    for (int i = 0; i < 3; i++) {
        size_t index = 99;
        CHECK_OK(mproc_plat_process_watch(list, COUNT, in_seconds(60), &index));
        CU_ASSERT_EQUAL(index, 6);
    }
    CU_ASSERT_TRUE(mproc_plat_process_reap(&processes[6], &status));
    mproc_plat_process_forget(&processes[6]);
    /* One that is forgotten counts as ended. */
    size_t index = 99;
    CHECK_OK(mproc_plat_process_watch(list, COUNT, MPROC_PLAT_NEVER, &index));
    CU_ASSERT_EQUAL(index, 6);
    for (int i = 0; i < COUNT; i++)
        if (i != 6)
            end_and_reap(&processes[i]);
}

struct watching {
    struct mproc_plat_process *process;
    _Atomic int done;
};

static void watch_in_thread(void *context)
{
    struct watching *watching = context;
    const struct mproc_plat_process *list = watching->process;
    size_t index;
    if (mproc_plat_process_watch(&list, 1, in_seconds(60), &index) == MPROC_OK && index == 0)
        atomic_fetch_add(&watching->done, 1);
}

static void several_threads_can_watch_the_same_process(void)
{
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    struct watching watching = { &process, 0 };
    struct test_thread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = thread_start(watch_in_thread, &watching);
    CHECK_OK(mproc_plat_process_stop(&process, true));
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    CU_ASSERT_EQUAL(watching.done, 4);
    reap_child(&process);
}

/* More than poll() and WaitForMultipleObjects() take in one piece. */
static void many_processes_can_be_watched_at_once(void)
{
    enum { COUNT = 150 };
    static struct mproc_plat_process processes[COUNT];
    static const struct mproc_plat_process *list[COUNT];
    for (int i = 0; i < COUNT; i++) {
        processes[i] = spawn_child("hang", MPROC_PLAT_NONE);
        list[i] = &processes[i];
    }
    size_t index = 9999;
    CU_ASSERT_EQUAL(mproc_plat_process_watch(list, COUNT, mproc_plat_now() + SECONDS / 50, &index),
                    MPROC_ETIMEDOUT);
    static const size_t victims[] = { COUNT - 1, 64, 0 };
    for (int i = 0; i < 3; i++) {
        CHECK_OK(mproc_plat_process_stop(&processes[victims[i]], true));
        CHECK_OK(mproc_plat_process_watch(list, COUNT, in_seconds(60), &index));
        CU_ASSERT_EQUAL(index, victims[i]);
        reap_child(&processes[victims[i]]);
        processes[victims[i]] = spawn_child("hang", MPROC_PLAT_NONE);
    }
    for (int i = 0; i < COUNT; i++)
        end_and_reap(&processes[i]);
}

static void the_watch_of_a_process_is_ready_for_the_systems_own_calls(void)
{
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    CU_ASSERT_FALSE(native_ready(process.watch, 10));
    CHECK_OK(mproc_plat_process_stop(&process, true));
    CU_ASSERT_TRUE(native_ready(process.watch, 60000));
    CU_ASSERT_TRUE(native_ready(process.watch, 0));
    reap_child(&process);
}

static void a_child_that_may_not_be_asked_about_is_not_taken_for_dead(void)
{
    struct mproc_plat_process process = spawn_child("without waitid", MPROC_PLAT_NONE);
    int code = reap_child(&process);
    if (code == CANNOT)
        skip("nothing can be forbidden here");
    else
        CU_ASSERT_EQUAL(code, 0);
}

/* In the forked child: its copy is closed, and where it has none, nothing that has the number by now. */
static bool drops_its_copy(const struct mproc_plat_process *process)
{
    intptr_t others[200];
    int count = 0;
    bool has_copy = mproc_plat_handle_check(process->watch) == MPROC_OK;
    while (!has_copy && count < 200 && (others[count] = native_open("/dev/null", false)) != process->watch)
        count++;
    mproc_plat_process_forked(process);
    return (mproc_plat_handle_check(process->watch) == MPROC_OK) != has_copy;
}

static void a_forked_child_drops_its_copy_of_a_watch_and_nothing_else(void)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    struct mproc_plat_process forked = { .watch = MPROC_PLAT_NONE };
    bool in_child = false;
    CHECK_OK(mproc_plat_fork(&forked, &in_child));
    if (in_child)
        mproc_plat_exit_now(drops_its_copy(&process) ? 0 : 1);
    CU_ASSERT_EQUAL(reap_child(&forked), 0);
    CU_ASSERT_FALSE(native_ready(process.watch, 0));
    end_and_reap(&process);
}

MPROC_CONTRACT_SUITE(watch, child, MPROC_TEST(a_child_that_may_not_be_asked_about_is_not_taken_for_dead),
                     MPROC_TEST(a_forked_child_drops_its_copy_of_a_watch_and_nothing_else),
                     MPROC_TEST(a_running_process_times_out_and_not_early),
                     MPROC_TEST(the_one_that_ended_is_named_and_not_reaped),
                     MPROC_TEST(several_threads_can_watch_the_same_process),
                     MPROC_TEST(many_processes_can_be_watched_at_once),
                     MPROC_TEST(the_watch_of_a_process_is_ready_for_the_systems_own_calls))
