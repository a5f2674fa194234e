/* SPDX-License-Identifier: MIT */
/* Children that the host program forks by itself, without mproc_fork(): they are not their parent. */
#include "suite.h"
#include "system.h"

#include "platform.h"
#include "start.h"

enum { PID, STEP, TEMPLATE, RAW, GO_ON };

struct shared {
    mproc_memory block;
    mproc_lock lock;
    mproc_rlock rlock;
};

static _Atomic int *ints_of(const void *argument)
{
    return mproc_pointer(((const struct shared *) argument)->block);
}

static void create(struct shared *shared)
{
    *shared = (struct shared) { 0 };
    shared_ints(&shared->block, 5);
    CHECK_OK(mproc_lock_create(&shared->lock));
    CHECK_OK(mproc_rlock_create(&shared->rlock));
}

static void destroy(struct shared *shared)
{
    CHECK_OK(mproc_lock_destroy(shared->lock));
    CHECK_OK(mproc_rlock_destroy(shared->rlock));
    CHECK_OK(mproc_free(shared->block));
}

static bool cannot_fork(void)
{
    mproc_start_method methods[4];
    if (mproc_get_all_start_methods(methods, 4) > 1)
        return false;
    skip("this system has no fork");
    return true;
}

/* Who checks in a child of the host's: mproc_exit() would hide a failure from the host. */
#define RAW_CHECK(condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "\n%s:%d: in a forked child: %s (last error: %s)\n", __FILE__, __LINE__, \
                    #condition, mproc_last_error());                                               \
            mproc_plat_exit_now(111);                                                              \
        }                                                                                          \
    } while (0)

static int note_pid_and_hang(void *argument)
{
    atomic_store(&ints_of(argument)[PID], (int) mproc_pid());
    return hang_for_ever(NULL);
}

static int return_three(void *argument)
{
    (void) argument;
    return 3;
}

/* ---- it does not hide its parent's death ---- */

static int start_daemon_and_fork(void *argument)
{
    _Atomic int *ints = ints_of(argument);
    const mproc_process_options options = { .daemon = true };
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, note_pid_and_hang, argument, sizeof(struct shared), &options));
    CHILD_CHECK(wait_until(&ints[PID], 1));
    int64_t pid = host_fork();
    if (pid == 0) {
        atomic_store(&ints[STEP], 1);
        hang_for_ever(NULL);
    }
    atomic_store(&ints[TEMPLATE], (int) mproc__template_pid());
    atomic_store(&ints[RAW], (int) pid);
    return hang_for_ever(NULL);
}

static void daemons_end_with_their_parent_though_another_child_of_it_lives(void)
{
    struct shared shared;
    if (cannot_fork())
        return;
    create(&shared);
    _Atomic int *ints = ints_of(&shared);
    mproc_process *process = start_child(start_daemon_and_fork, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[STEP], 1) && wait_until(&ints[RAW], 1));
    CHECK_OK(mproc_process_kill(process));
    end_child(process);
    CU_ASSERT_TRUE(pid_ends_within(ints[PID], 60000));
    CU_ASSERT_TRUE(ints[TEMPLATE] == 0 || pid_ends_within(ints[TEMPLATE], 60000));
    CU_ASSERT_TRUE(pid_runs(ints[RAW]));
    kill_hard(ints[RAW]);
    CU_ASSERT_TRUE(pid_ends_within(ints[RAW], 60000));
    destroy(&shared);
}

/* ---- it is not its parent ---- */

static int hold_and_hang(struct shared *shared)
{
    RAW_CHECK(mproc_lock_acquire(shared->lock, 60000) == MPROC_OK);
    atomic_store(&ints_of(shared)[STEP], 1);
    return hang_for_ever(NULL);
}

static void a_lock_that_it_held_when_it_was_killed_is_handed_on(void)
{
    struct shared shared;
    if (cannot_fork())
        return;
    create(&shared);
    /* The parent has a name of its own already. */
    CHECK_OK(mproc_lock_acquire(shared.lock, 0));
    CHECK_OK(mproc_lock_release(shared.lock));
    int64_t pid = host_fork();
    if (pid == 0)
        hold_and_hang(&shared);
    CU_ASSERT_TRUE(wait_until(&ints_of(&shared)[STEP], 1));
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 50), MPROC_ETIMEDOUT);
    kill_hard(pid);
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CU_ASSERT_EQUAL(host_wait(pid), -9);
    CHECK_OK(mproc_lock_consistent(shared.lock));
    CHECK_OK(mproc_lock_release(shared.lock));
    destroy(&shared);
}

static void it_does_not_hold_what_its_parent_holds(void)
{
    struct shared shared;
    if (cannot_fork())
        return;
    create(&shared);
    CHECK_OK(mproc_rlock_acquire(shared.rlock, 0));
    int64_t pid = host_fork();
    if (pid == 0) {
        RAW_CHECK(mproc_rlock_release(shared.rlock) == MPROC_EPERM);
        RAW_CHECK(mproc_rlock_acquire(shared.rlock, 20) == MPROC_ETIMEDOUT);
        mproc_plat_exit_now(0);
    }
    CU_ASSERT_EQUAL(host_wait(pid), 0);
    CHECK_OK(mproc_rlock_release(shared.rlock));
    destroy(&shared);
}

static void note_finalizer(void *context)
{
    atomic_fetch_add((_Atomic int *) context, 1);
}

static int fork_beside_a_child(void *argument)
{
    _Atomic int *ints = ints_of(argument);
    mproc_process *process, *daemon;
    const mproc_process_options options = { .daemon = true };
    int64_t pid;
    CHILD_OK(mproc_at_exit(note_finalizer, (void *) &ints[GO_ON]));
    CHILD_OK(mproc_process_start(&process, return_three, NULL, 0, NULL));
    CHILD_OK(mproc_process_start(&daemon, note_pid_and_hang, argument, sizeof(struct shared), &options));
    CHILD_CHECK(wait_until(&ints[PID], 1));
    pid = host_fork();
    if (pid == 0) {
        int64_t number;
        size_t count = 99;
        RAW_CHECK(mproc_process_join(process, 0) != MPROC_OK);
        RAW_CHECK(mproc_process_pid(daemon, &number) != MPROC_OK);
        RAW_CHECK(mproc_process_kill(daemon) != MPROC_OK);
        RAW_CHECK(mproc_active_children(NULL, 0, &count) == MPROC_OK && count == 0);
#ifndef MPROC_SANITIZED
        exit(9); /* in the usual way: it ends nobody, and finalizes nothing */
#endif
        mproc_plat_exit_now(9); /* what it has forgotten of its parent's counts as leaked */
    }
    CHILD_CHECK(host_wait(pid) == 9);
    CHILD_CHECK(ints[GO_ON] == 0 && pid_runs(ints[PID]));
    CHILD_OK(mproc_process_join(process, 60000));
    int code = -1;
    CHILD_OK(mproc_process_exit_code(process, &code));
    CHILD_CHECK(code == 3);
    return 0;
}

static void its_parents_children_and_finalizers_are_not_its_own(void)
{
    struct shared shared;
    if (cannot_fork())
        return;
    create(&shared);
    CU_ASSERT_EQUAL(run_child(fork_beside_a_child, &shared, sizeof shared, NULL), 0);
    CU_ASSERT_EQUAL(ints_of(&shared)[GO_ON], 1);
    destroy(&shared);
}

/* ---- it is of the family ---- */

static void it_can_start_processes_of_its_own(void)
{
    struct shared shared;
    if (cannot_fork())
        return;
    create(&shared);
    int64_t pid = host_fork();
    if (pid == 0) {
        mproc_process *process;
        int code = -1;
        bool same;
        RAW_CHECK(mproc_process_start(&process, return_three, NULL, 0, NULL) == MPROC_OK);
        RAW_CHECK(mproc_process_join(process, 60000) == MPROC_OK);
        RAW_CHECK(mproc_process_exit_code(process, &code) == MPROC_OK && code == 3);
        RAW_CHECK(mproc_process_close(process) == MPROC_OK);
        RAW_CHECK(mproc_process_pid(mproc_current_process(), &pid) == MPROC_OK && pid == mproc_pid());
        RAW_CHECK(mproc_parent_process() == NULL);
        /* Left running, it is waited for at the end as any process waits. */
        RAW_CHECK(mproc_process_start(&process, return_three, NULL, 0, NULL) == MPROC_OK);
        RAW_CHECK(mproc_process_is_alive(process, &same) == MPROC_OK);
        mproc_exit(5);
    }
    CU_ASSERT_EQUAL(host_wait(pid), 5);
    destroy(&shared);
}

/* What daemon(3) does: the parent ends at once, and its child goes on. */
static int turn_into_a_child(void *argument)
{
    struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    if (host_fork() != 0)
        end_hard("_exit7");
    atomic_store(&ints[RAW], (int) mproc_pid());
    RAW_CHECK(wait_until(&ints[GO_ON], 1));
    return hold_and_hang(shared);
}

static void a_target_may_go_on_in_a_child_of_its_own(void)
{
    struct shared shared;
    if (cannot_fork())
        return;
    create(&shared);
    _Atomic int *ints = ints_of(&shared);
    CU_ASSERT_EQUAL(run_child(turn_into_a_child, &shared, sizeof shared, NULL), 7);
    CU_ASSERT_TRUE(wait_until(&ints[RAW], 1));
    /* Its parent's place is given to others. */
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(run_child(return_three, NULL, 0, NULL), 3);
    atomic_store(&ints[GO_ON], 1);
    CU_ASSERT_TRUE(wait_until(&ints[STEP], 1));
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 50), MPROC_ETIMEDOUT);
    kill_hard(ints[RAW]);
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_lock_consistent(shared.lock));
    CHECK_OK(mproc_lock_release(shared.lock));
    destroy(&shared);
}

static int fork_one_that_holds(void *argument)
{
    int64_t pid = host_fork();
    if (pid == 0)
        hold_and_hang(argument);
    atomic_store(&ints_of(argument)[RAW], (int) pid);
    return hang_for_ever(NULL);
}

static void once_it_has_used_something_it_belongs_to_its_parents_tree(void)
{
    struct shared shared;
    if (cannot_fork())
        return;
    create(&shared);
    _Atomic int *ints = ints_of(&shared);
    mproc_process *process = start_child(fork_one_that_holds, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[STEP], 1) && wait_until(&ints[RAW], 1));
    CHECK_OK(mproc_process_stop_tree(process, 60000));
    CU_ASSERT_FALSE(pid_runs(ints[RAW]));
    end_child(process);
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_lock_consistent(shared.lock));
    CHECK_OK(mproc_lock_release(shared.lock));
    destroy(&shared);
}

/* ---- beside mproc's own ---- */

struct forking {
    struct shared *shared;
    int failures;
};

static void fork_again_and_again(void *context)
{
    struct forking *forking = context;
    for (int i = 0; i < 30; i++) {
        int64_t pid = host_fork();
        if (pid == 0) {
            int64_t seen = 0;
            RAW_CHECK(mproc_rlock_release(forking->shared->rlock) == MPROC_EPERM);
            RAW_CHECK(mproc_process_pid(mproc_current_process(), &seen) == MPROC_OK && seen == mproc_pid());
            mproc_plat_exit_now(0);
        }
        forking->failures += host_wait(pid) != 0;
    }
}

/* While another thread starts processes by fork: neither kind is taken for the other. */
static void forks_of_both_kinds_are_told_apart(void)
{
#ifdef MPROC_SANITIZED
    skip("a sanitizer's own locks do not survive the fork of a thread");
    return;
#endif
    struct shared shared;
    if (cannot_fork())
        return;
    create(&shared);
    CHECK_OK(mproc_rlock_acquire(shared.rlock, 0));
    struct forking forking = { &shared, 0 };
    const mproc_process_options options = { .start_method = MPROC_START_FORK };
    struct test_thread *thread = thread_start(fork_again_and_again, &forking);
    for (int i = 0; i < 30; i++)
        CU_ASSERT_EQUAL(run_child(return_three, NULL, 0, &options), 3);
    thread_join(thread);
    CU_ASSERT_EQUAL(forking.failures, 0);
    CHECK_OK(mproc_rlock_release(shared.rlock));
    destroy(&shared);
}

MPROC_SUITE(host_fork, MPROC_TEST(daemons_end_with_their_parent_though_another_child_of_it_lives),
            MPROC_TEST(a_lock_that_it_held_when_it_was_killed_is_handed_on),
            MPROC_TEST(it_does_not_hold_what_its_parent_holds),
            MPROC_TEST(its_parents_children_and_finalizers_are_not_its_own),
            MPROC_TEST(it_can_start_processes_of_its_own), MPROC_TEST(a_target_may_go_on_in_a_child_of_its_own),
            MPROC_TEST(once_it_has_used_something_it_belongs_to_its_parents_tree),
            MPROC_TEST(forks_of_both_kinds_are_told_apart))
