/* SPDX-License-Identifier: MIT */
/* The boundary: knowing that the parent has died. */
#include "contract.h"

/* What the processes of a test tell each other, in the first bytes of the region. */
struct table {
    _Atomic int64_t pid;  /* of the grandchild */
    _Atomic int64_t forked; /* by the grandchild */
    _Atomic int step;
};

static struct table *table(void)
{
    return mproc_plat_region_at(0);
}

/* The child of the test: starts a grandchild and then ends as told, or hangs to be killed. */
static int be_parent(const char *grandchild_task)
{
    char boot[300];
    mproc_plat_handle own, keep[2];
    if (mproc_plat_lifeline(&own) != MPROC_OK)
        return 2;
    snprintf(boot, sizeof boot, "%s %lld", boot_with_region(grandchild_task), (long long) own);
    struct mproc_plat_spawn spawn = spawn_of(boot);
    struct mproc_plat_process process;
    keep[0] = mproc_plat_region_handle();
    keep[1] = own;
    spawn.keep = keep;
    spawn.keep_count = 2;
    spawn.daemon = strcmp(grandchild_task, "bind") == 0 || strcmp(grandchild_task, "fork") == 0;
    if (mproc_plat_spawn(&spawn, &process) != MPROC_OK)
        return 3;
    atomic_store(&table()->pid, process.pid);
    return hang_for_ever(NULL);
}

static void note_last_act(void)
{
    atomic_store(&table()->step, 2);
}

/* The host's own child, which is bound by no thread. */
static void fork_and_rebind(mproc_plat_handle lifeline)
{
    int64_t pid = host_fork();
    if (pid == 0) {
        mproc_plat_lifeline_forked();
        mproc_plat_lifeline_rebind(lifeline);
        atomic_store(&table()->forked, mproc_plat_pid());
        hang_for_ever(NULL);
    }
    while (pid > 0 && atomic_load(&table()->forked) == 0)
        sleep_briefly();
}

static int be_grandchild(const char *boot, const char *task)
{
    long long lifeline;
    if (sscanf(boot, "%*s %*s %*s %lld", &lifeline) != 1)
        return 4;
    bool last = strcmp(task, "last") == 0, forks = strcmp(task, "fork") == 0;
    if (last || forks || strcmp(task, "bind") == 0) {
        if (mproc_plat_lifeline_bind((mproc_plat_handle) lifeline) != MPROC_OK)
            return 5;
        if (last && mproc_plat_lifeline_take_along((mproc_plat_handle) lifeline, note_last_act) != MPROC_OK)
            return 8;
        if (forks)
            fork_and_rebind((mproc_plat_handle) lifeline);
        atomic_store(&table()->step, 1);
        return hang_for_ever(NULL);
    }
    if (mproc_plat_lifeline_wait((mproc_plat_handle) lifeline, 0) != MPROC_ETIMEDOUT)
        return 6;
    int64_t deadline = mproc_plat_now() + SECONDS / 50;
    if (mproc_plat_lifeline_wait((mproc_plat_handle) lifeline, deadline) != MPROC_ETIMEDOUT ||
        mproc_plat_now() < deadline)
        return 7;
    atomic_store(&table()->step, 1);
    if (mproc_plat_lifeline_wait((mproc_plat_handle) lifeline, in_seconds(60)) == MPROC_OK)
        atomic_store(&table()->step, 2);
    return 0;
}

static int child(const char *boot)
{
    char task[40];
    if (!attach_region(boot, task))
        return 1;
    if (strcmp(task, "parent_of_bind") == 0 || strcmp(task, "parent_of_wait") == 0 ||
        strcmp(task, "parent_of_last") == 0 || strcmp(task, "parent_of_fork") == 0)
        return be_parent(task + 10);
    return be_grandchild(boot, task);
}

static bool step_reached(int step)
{
    for (int64_t deadline = in_seconds(60); atomic_load(&table()->step) < step;) {
        if (mproc_plat_now() > deadline)
            return false;
        sleep_briefly();
    }
    return true;
}

static void the_lifeline_is_made_once(void)
{
    make_region();
    mproc_plat_handle first = MPROC_PLAT_NONE, second = MPROC_PLAT_NONE;
    CHECK_OK(mproc_plat_lifeline(&first));
    keep_what_is_there();
    CHECK_OK(mproc_plat_lifeline(&second));
    CU_ASSERT_EQUAL(first, second);
    CU_ASSERT_NOT_EQUAL(first, MPROC_PLAT_NONE);
}

static struct mproc_plat_process start_parent(const char *task)
{
    make_region();
    memset(mproc_plat_region_at(0), 0, sizeof(struct table));
    struct mproc_plat_process parent = spawn_child(boot_with_region(task), mproc_plat_region_handle());
    CU_ASSERT_TRUE_FATAL(step_reached(1));
    /* The grandchild may be quicker than its parent, who notes its pid. */
    for (int64_t deadline = in_seconds(60); atomic_load(&table()->pid) == 0 && mproc_plat_now() < deadline;)
        sleep_briefly();
    return parent;
}

static void a_waiting_child_learns_of_its_parents_death(void)
{
    struct mproc_plat_process parent = start_parent("parent_of_wait");
    CU_ASSERT_EQUAL(table()->step, 1);
    CHECK_OK(mproc_plat_process_stop(&parent, true));
    reap_child(&parent);
    CU_ASSERT_TRUE(step_reached(2));
    CU_ASSERT_TRUE(pid_ends_within(table()->pid, 60000));
}

/* Within a second of the parent's end, in the best of three tries: others may keep this machine busy. */
static void a_bound_process_ends_with_its_parent(void)
{
    bool in_time = false;
    for (int i = 0; i < 3 && !in_time; i++) {
        struct mproc_plat_process parent = start_parent("parent_of_bind");
        CU_ASSERT_TRUE(pid_runs(table()->pid));
        CHECK_OK(mproc_plat_process_stop(&parent, true));
        reap_child(&parent);
        int64_t begin = mproc_plat_now();
        in_time = pid_ends_within(table()->pid, 1000);
        printf("  gone after %.1f ms\n", (double) (mproc_plat_now() - begin) / 1e6);
        CU_ASSERT_TRUE(pid_ends_within(table()->pid, 60000));
    }
    CU_ASSERT_TRUE(in_time);
}

/* Forks a child that binds itself when told, and ends. */
static void be_forked_parent(void)
{
    mproc_plat_handle own;
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    bool in_child = false;
    mproc_plat_lifeline_forked();
    if (mproc_plat_lifeline(&own) != MPROC_OK || mproc_plat_fork(&process, &in_child) != MPROC_OK)
        mproc_plat_exit_now(2);
    if (!in_child) {
        atomic_store(&table()->pid, process.pid);
        mproc_plat_exit_now(0);
    }
    mproc_plat_lifeline_forked();
    if (!step_reached(1) || mproc_plat_lifeline_bind(own) != MPROC_OK)
        mproc_plat_exit_now(3);
    mproc_plat_sleep(20 * SECONDS);
    atomic_store(&table()->step, 9); /* still there */
    mproc_plat_exit_now(4);
}

static void a_child_that_binds_too_late_ends_as_well(void)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    make_region();
    memset(mproc_plat_region_at(0), 0, sizeof(struct table));
    struct mproc_plat_process middle = { .watch = MPROC_PLAT_NONE };
    bool in_child = false;
    CHECK_OK(mproc_plat_fork(&middle, &in_child));
    if (in_child)
        be_forked_parent();
    CU_ASSERT_EQUAL(reap_child(&middle), 0); /* gone before its child binds itself */
    atomic_store(&table()->step, 1);
    CU_ASSERT_TRUE(pid_ends_within(table()->pid, 15000)); /* less than it would live on */
    CU_ASSERT_EQUAL(table()->step, 1);
}

static void what_is_to_be_done_before_the_end_is_done(void)
{
    struct mproc_plat_process parent = start_parent("parent_of_last");
    CHECK_OK(mproc_plat_process_stop(&parent, true));
    reap_child(&parent);
    CU_ASSERT_TRUE(pid_ends_within(table()->pid, 60000));
    CU_ASSERT_EQUAL(table()->step, 2);
}

/* Whether the system ends a process with its parent, without a thread of its own. */
static bool the_kernel_binds(void)
{
#if defined(__linux__) && !TELLS_BY_PIPE
    return true;
#else
    return false;
#endif
}

static void it_is_done_though_the_process_is_stopped(void)
{
    if (!the_kernel_binds()) {
        skip("what is stopped on this system ends when it goes on");
        return;
    }
    struct mproc_plat_process parent = start_parent("parent_of_last");
    CU_ASSERT_TRUE(suspend(table()->pid));
    CHECK_OK(mproc_plat_process_stop(&parent, true));
    reap_child(&parent);
    bool ends = pid_ends_within(table()->pid, 60000);
    CU_ASSERT_TRUE(ends);
    CU_ASSERT_EQUAL(table()->step, 2);
    if (!ends)
        resume(table()->pid);
}

static void a_bound_processs_fork_is_bound_where_that_takes_no_thread(void)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    struct mproc_plat_process parent = start_parent("parent_of_fork");
    int64_t forked = table()->forked;
    CU_ASSERT_TRUE_FATAL(forked > 0 && pid_runs(forked));
    CHECK_OK(mproc_plat_process_stop(&parent, true));
    reap_child(&parent);
    CU_ASSERT_TRUE(pid_ends_within(table()->pid, 60000));
    if (the_kernel_binds())
        CU_ASSERT_TRUE(pid_ends_within(forked, 60000));
    if (!the_kernel_binds())
        CU_ASSERT_TRUE(pid_runs(forked));
    kill_hard(forked);
    CU_ASSERT_TRUE(pid_ends_within(forked, 60000));
}

static int host_forks;

static void note_host_fork(void)
{
    host_forks++;
}

static void only_the_hosts_own_forks_are_reported(void)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    bool in_child = false;
    CHECK_OK(mproc_plat_at_host_fork(note_host_fork));
    CHECK_OK(mproc_plat_at_host_fork(note_host_fork)); /* is called once all the same */
    CHECK_OK(mproc_plat_fork(&process, &in_child));
    if (in_child) {
        int64_t pid = host_forks == 0 ? host_fork() : -1;
        if (pid == 0)
            mproc_plat_exit_now(host_forks == 1 ? 4 : 5);
        mproc_plat_exit_now(host_forks == 0 ? host_wait(pid) : 6);
    }
    CU_ASSERT_EQUAL(reap_child(&process), 4);
    int64_t pid = host_fork();
    if (pid == 0)
        mproc_plat_exit_now(host_forks);
    CU_ASSERT_EQUAL(host_wait(pid), 1);
    CU_ASSERT_EQUAL(host_forks, 0);
}

MPROC_CONTRACT_SUITE(lifeline, child, MPROC_TEST(the_lifeline_is_made_once),
                     MPROC_TEST(a_waiting_child_learns_of_its_parents_death),
                     MPROC_TEST(a_bound_process_ends_with_its_parent),
                     MPROC_TEST(a_child_that_binds_too_late_ends_as_well),
                     MPROC_TEST(what_is_to_be_done_before_the_end_is_done),
                     MPROC_TEST(it_is_done_though_the_process_is_stopped),
                     MPROC_TEST(a_bound_processs_fork_is_bound_where_that_takes_no_thread),
                     MPROC_TEST(only_the_hosts_own_forks_are_reported))
