/* SPDX-License-Identifier: MIT */
/* Ends of all kinds, daemons, trees, and what the host program may do behind our back. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { ARRIVED, FIRST_PID };

struct shared {
    mproc_memory block;
};

static _Atomic int *ints_of(void *argument)
{
    return mproc_pointer(((struct shared *) argument)->block);
}

/* ---- how a child ended ---- */

static int end_as_told(void *argument)
{
    end_hard(argument);
    return 0;
}

static void abort_crash_and_exit_are_told_apart(void)
{
    CU_ASSERT_EQUAL(run_child(end_as_told, "_exit7", 7, NULL), 7);
    CU_ASSERT_EQUAL(run_child(end_as_told, "abort", 6, NULL), system_is_windows() ? 3 : -6);
    CU_ASSERT_EQUAL(run_child(end_as_told, "crash", 6, NULL),
                    system_is_windows() ? (int) 0xC0000005u : -11);
}

static void terminate_and_kill_are_reported_as_signals(void)
{
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    CU_ASSERT_EQUAL(mproc_process_terminate(process), MPROC_OK);
    CU_ASSERT_EQUAL(end_child(process), -15);
    process = start_child(hang_for_ever, NULL, 0, NULL);
    CU_ASSERT_EQUAL(mproc_process_kill(process), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_join(process, 60000), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_kill(process), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_terminate(process), MPROC_OK);
    CU_ASSERT_EQUAL(end_child(process), system_is_windows() ? -15 : -9);
}

static void a_kill_by_somebody_else_is_reported_too(void)
{
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    int64_t pid;
    CU_ASSERT_EQUAL(mproc_process_pid(process, &pid), MPROC_OK);
    kill_hard(pid);
    CU_ASSERT_EQUAL(end_child(process), system_is_windows() ? -15 : -9);
}

/* ---- stop with grace ---- */

static int ignore_and_hang(void *argument)
{
    _Atomic int *ints = ints_of(argument);
    ignore_terminate();
    atomic_store(&ints[ARRIVED], 1);
    return hang_for_ever(NULL);
}

static void stop_kills_who_ignores_the_request(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    mproc_process *process = start_child(ignore_and_hang, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    CU_ASSERT_EQUAL(mproc_process_stop(process, 50), MPROC_OK);
    CU_ASSERT_EQUAL(end_child(process), system_is_windows() ? -15 : -9);
    process = start_child(hang_for_ever, NULL, 0, NULL);
    CU_ASSERT_EQUAL(mproc_process_stop(process, 60000), MPROC_OK);
    CU_ASSERT_EQUAL(end_child(process), -15);
    CU_ASSERT_EQUAL(mproc_free(shared.block), MPROC_OK);
}

/* ---- trees ---- */

struct branch {
    mproc_memory block;
    int depth;
    bool ignore;
};

/* A process with two children, each with two, ...: all note their pids and hang. */
static int grow_branch(void *argument)
{
    struct branch branch = *(struct branch *) argument;
    _Atomic int *ints = mproc_pointer(branch.block);
    if (branch.ignore)
        ignore_terminate();
    if (branch.depth-- > 0)
        for (int i = 0; i < 2; i++) {
            mproc_process *process;
            CHILD_CHECK(mproc_process_start(&process, grow_branch, &branch, sizeof branch, NULL) == MPROC_OK);
        }
    int place = atomic_fetch_add(&ints[ARRIVED], 1);
    atomic_store(&ints[FIRST_PID + place], (int) mproc_pid());
    return hang_for_ever(NULL);
}

static void check_tree(bool ignore)
{
    enum { MEMBERS = 7 };
    struct branch branch = { .depth = 2, .ignore = ignore };
    _Atomic int *ints = shared_ints(&branch.block, 1 + MEMBERS);
    mproc_process *process = start_child(grow_branch, &branch, sizeof branch, NULL);
    for (int i = 0; i < MEMBERS; i++)
        CU_ASSERT_TRUE_FATAL(wait_until(&ints[FIRST_PID + i], 1));
    CU_ASSERT_EQUAL(mproc_process_stop_tree(process, ignore ? 20 : 60000), MPROC_OK);
    for (int i = 0; i < MEMBERS; i++)
        CU_ASSERT_FALSE(pid_runs(ints[FIRST_PID + i]));
    end_child(process);
    CU_ASSERT_EQUAL(mproc_free(branch.block), MPROC_OK);
}

static void stop_tree_ends_all_descendants(void)
{
    check_tree(false);
    check_tree(true);
}

/* ---- daemons ---- */

static int try_to_start(void *argument)
{
    mproc_process *process = NULL;
    (void) argument;
    CHILD_CHECK(mproc_process_start(&process, hang_for_ever, NULL, 0, NULL) == MPROC_EPERM);
    CHILD_CHECK(process == NULL);
    CHILD_CHECK(strlen(mproc_last_error()) > 20);
    return 0;
}

static void a_daemon_may_not_have_children(void)
{
    const mproc_process_options options = { .daemon = true };
    CU_ASSERT_EQUAL(run_child(try_to_start, NULL, 0, &options), 0);
}

static int note_pid_and_hang(void *argument)
{
    _Atomic int *ints = ints_of(argument);
    int place = atomic_fetch_add(&ints[ARRIVED], 1);
    atomic_store(&ints[FIRST_PID + place], (int) mproc_pid());
    return hang_for_ever(NULL);
}

static int start_daemons_and_return(void *argument)
{
    _Atomic int *ints = ints_of(argument);
    const mproc_process_options options = { .daemon = true };
    mproc_process *process;
    CHILD_CHECK(mproc_process_start(&process, note_pid_and_hang, argument, sizeof(struct shared),
                                    &options) == MPROC_OK);
    CHILD_CHECK(wait_until(&ints[FIRST_PID], 1));
    return 5;
}

static void daemons_are_ended_by_a_parent_that_returns(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    CU_ASSERT_EQUAL(run_child(start_daemons_and_return, &shared, sizeof shared, NULL), 5);
    CU_ASSERT_FALSE(pid_runs(ints[FIRST_PID]));
    CU_ASSERT_EQUAL(mproc_free(shared.block), MPROC_OK);
}

static int arrive_late(void *argument)
{
    _Atomic int *ints = ints_of(argument);
    int64_t parent;
    CHILD_CHECK(wait_until(&ints[1], 1)); /* the parent is about to return, and then to join this process */
    CHILD_OK(mproc_process_pid(mproc_parent_process(), &parent));
    wait_until_asleep(parent);
    atomic_store(&ints[ARRIVED], 1);
    return 0;
}

static int start_and_return(void *argument)
{
    _Atomic int *ints = ints_of(argument);
    mproc_process *process;
    CHILD_CHECK(mproc_process_start(&process, arrive_late, argument, sizeof(struct shared), NULL) == MPROC_OK);
    atomic_store(&ints[1], 1);
    return 6;
}

static void others_are_joined_by_a_parent_that_returns(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    CU_ASSERT_EQUAL(run_child(start_and_return, &shared, sizeof shared, NULL), 6);
    CU_ASSERT_EQUAL(ints[ARRIVED], 1);
    CU_ASSERT_EQUAL(mproc_free(shared.block), MPROC_OK);
}

/* ---- parents ---- */

static int watch_parent(void *argument)
{
    _Atomic int *ints = ints_of(argument);
    mproc_process *parent = mproc_parent_process();
    bool alive = false;
    CHILD_CHECK(mproc_process_is_alive(parent, &alive) == MPROC_OK && alive);
    CHILD_CHECK(mproc_process_join(parent, 1) == MPROC_ETIMEDOUT);
    atomic_store(&ints[ARRIVED], 1);
    CHILD_CHECK(mproc_process_join(parent, 60000) == MPROC_OK);
    CHILD_CHECK(mproc_process_is_alive(parent, &alive) == MPROC_OK && !alive);
    atomic_store(&ints[1], 1);
    return 0;
}

static int start_watcher_and_hang(void *argument)
{
    mproc_process *process;
    CHILD_CHECK(mproc_process_start(&process, watch_parent, argument, sizeof(struct shared), NULL) == MPROC_OK);
    return hang_for_ever(NULL);
}

static void a_child_can_wait_for_its_parents_death(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    mproc_process *process = start_child(start_watcher_and_hang, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    CU_ASSERT_EQUAL(mproc_process_kill(process), MPROC_OK);
    CU_ASSERT_TRUE(wait_until(&ints[1], 1));
    end_child(process);
    CU_ASSERT_EQUAL(mproc_free(shared.block), MPROC_OK);
}

/* ---- the host program's own doings ---- */

static int return_nine(void *argument)
{
    (void) argument;
    return 9;
}

static void a_status_that_the_host_took_is_told_by_the_child(void)
{
    mproc_process *process = start_child(return_nine, NULL, 0, NULL);
    int64_t pid;
    CU_ASSERT_EQUAL(mproc_process_pid(process, &pid), MPROC_OK);
    if (!steal_status(pid))
        skip_part("nobody can take a status on this system or from this start method");
    CU_ASSERT_EQUAL(end_child(process), 9);
}

static void children_are_reported_while_sigchld_is_ignored(void)
{
    ignore_children(true);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(run_child(return_nine, NULL, 0, NULL), 9);
    ignore_children(false);
}

static void a_stopped_process_is_alive(void)
{
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    int64_t pid;
    bool alive = false;
    CU_ASSERT_EQUAL(mproc_process_pid(process, &pid), MPROC_OK);
    if (!suspend(pid))
        skip_part("this system cannot suspend a process");
    CU_ASSERT_EQUAL(mproc_process_is_alive(process, &alive), MPROC_OK);
    CU_ASSERT_TRUE(alive);
    CU_ASSERT_EQUAL(mproc_process_join(process, 20), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(mproc_process_kill(process), MPROC_OK);
    end_child(process);
}

static void the_dead_leave_no_zombies_even_if_nobody_joins(void)
{
    mproc_process *processes[20];
    for (int i = 0; i < 20; i++)
        processes[i] = start_child(return_nine, NULL, 0, NULL);
    size_t count = 1;
    for (int i = 0; i < 60000 && count > 0; i++) {
        CU_ASSERT_EQUAL(mproc_active_children(NULL, 0, &count), MPROC_OK);
        sleep_briefly();
    }
    CU_ASSERT_EQUAL(count, 0);
    struct leftovers leftovers;
    leftovers_count(&leftovers);
    CU_ASSERT_TRUE(leftovers.children <= 1); /* the forkserver's template */
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 9);
}

/* ---- killed at the steps of starting and of closing a pipe ---- */

static int return_at_once(void *argument)
{
    (void) argument;
    return 0;
}

static int start_and_close(void *argument)
{
    mproc_process *process;
    mproc_pipe first, second;
    (void) argument;
    CHILD_OK(mproc_process_start(&process, return_at_once, NULL, 0, NULL));
    CHILD_OK(mproc_process_join(process, 60000));
    CHILD_OK(mproc_process_close(process));
    CHILD_OK(mproc_pipe_create(&first, &second, true));
    CHILD_OK(mproc_pipe_close(first));
    CHILD_OK(mproc_pipe_close(second));
    return 0;
}

static void the_family_goes_on_when_one_is_killed_starting_or_closing(void)
{
    static const char *const points[] = { "slots.claimed", "pipe.channels_closed", "pipe.freeing" };
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(start_and_close, NULL, 0, points[i])), 0);
        CU_ASSERT_EQUAL(run_child(start_and_close, NULL, 0, NULL), 0);
    }
}

MPROC_SUITE(death, MPROC_TEST(the_family_goes_on_when_one_is_killed_starting_or_closing),
            MPROC_TEST(abort_crash_and_exit_are_told_apart),
            MPROC_TEST(terminate_and_kill_are_reported_as_signals),
            MPROC_TEST(a_kill_by_somebody_else_is_reported_too),
            MPROC_TEST(stop_kills_who_ignores_the_request), MPROC_TEST(stop_tree_ends_all_descendants),
            MPROC_TEST(a_daemon_may_not_have_children),
            MPROC_TEST(daemons_are_ended_by_a_parent_that_returns),
            MPROC_TEST(others_are_joined_by_a_parent_that_returns),
            MPROC_TEST(a_child_can_wait_for_its_parents_death),
            MPROC_TEST(a_status_that_the_host_took_is_told_by_the_child),
            MPROC_TEST(children_are_reported_while_sigchld_is_ignored),
            MPROC_TEST(a_stopped_process_is_alive),
            MPROC_TEST(the_dead_leave_no_zombies_even_if_nobody_joins))
