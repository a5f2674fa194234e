/* SPDX-License-Identifier: MIT */
/* What a template hands on to its children, and what becomes of them without it. */
#include "posix.h"
#include "start.h"
#include "suite.h"
#include "system.h"

#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static const mproc_process_options by_forkserver = { .start_method = MPROC_START_FORKSERVER };

/* Runs a target in a process that has no template yet. */
static void run_apart(mproc_target *target)
{
    mproc_process_options options = { .start_method = MPROC_START_FORK };
    CU_ASSERT_EQUAL(run_child(target, NULL, 0, &options), 0);
}

/* The exit code of one that this child starts by its forkserver. */
static int run_grandchild(mproc_target *target, const void *argument, size_t size)
{
    mproc_process *process;
    int exit_code;
    CHILD_OK(mproc_process_start(&process, target, argument, size, &by_forkserver));
    CHILD_OK(mproc_process_join(process, 60000));
    CHILD_OK(mproc_process_exit_code(process, &exit_code));
    CHILD_OK(mproc_process_close(process));
    return exit_code;
}

/* ---- folders and streams ---- */

static int has_file(void *argument)
{
    return file_exists(argument);
}

static int move_about(void *argument)
{
    char folder[300], mark[] = "mark";
    (void) argument;
    CHILD_CHECK(run_grandchild(has_file, mark, sizeof mark) == 0);
    CHILD_CHECK(make_temporary_folder("moved", folder, sizeof folder));
    char *here = getcwd(NULL, 0);
    CHILD_CHECK(here && chdir(folder) == 0);
    intptr_t file = native_open(mark, true);
    CHILD_CHECK(file >= 0);
    native_close(file);
    CHILD_CHECK(run_grandchild(has_file, mark, sizeof mark) == 1);
    remove_file(mark);
    CHILD_CHECK(chdir(here) == 0);
    CHILD_CHECK(run_grandchild(has_file, mark, sizeof mark) == 0);
    remove_folder(folder);
    free(here);
    return 0;
}

static void children_are_in_the_folder_that_their_parent_is_in_now(void)
{
    run_apart(move_about);
}

static int tell_which_streams_are_open(void *argument)
{
    int numbers[3], open = 0;
    (void) argument;
    int count = list_descriptors(numbers, 3);
    for (int i = 0; i < count && i < 3; i++)
        open |= numbers[i] < 3 ? 1 << numbers[i] : 0;
    return open;
}

static int close_streams(void *argument)
{
    (void) argument;
    if (list_descriptors(NULL, 0) < 0)
        return 0; /* nothing to see on this system */
    CHILD_CHECK(run_grandchild(tell_which_streams_are_open, NULL, 0) == 7);
    close(1);
    CHILD_CHECK(run_grandchild(tell_which_streams_are_open, NULL, 0) == 5);
    close(2);
    CHILD_CHECK(run_grandchild(tell_which_streams_are_open, NULL, 0) == 1);
    return 0;
}

static void streams_that_are_closed_in_the_parent_are_closed_in_children(void)
{
    run_apart(close_streams);
}

/* ---- the warm-up ---- */

static void end_at_once(void)
{
    end_hard("_exit7");
}

static void crash(void)
{
    end_hard("abort");
}

static int warm_up_and_end(void *argument)
{
    mproc_process *process = NULL;
    mproc_warmup *const warmups[] = { end_at_once, crash };
    (void) argument;
    for (int i = 0; i < 2; i++) {
        CHILD_OK(mproc_set_forkserver_warmup(warmups[i]));
        CHILD_FAILS(mproc_process_start(&process, hang_for_ever, NULL, 0, &by_forkserver), MPROC_ESTATE);
        CHILD_CHECK(strstr(mproc_last_error(), "warm-up") && process == NULL);
    }
    CHILD_OK(mproc_set_forkserver_warmup(NULL));
    CHILD_CHECK(run_grandchild(tell_which_streams_are_open, NULL, 0) >= 0);
    CHILD_FAILS(mproc_set_forkserver_warmup(crash), MPROC_ESTATE);
    return 0;
}

static void a_warm_up_that_does_not_return_is_an_error_and_one_that_comes_late_as_well(void)
{
    run_apart(warm_up_and_end);
}

static void take_longer_than_the_guard_may(void)
{
    mproc_plat_sleep(INT64_C(600000000));
}

static int warm_up_slowly(void *argument)
{
    (void) argument;
    CHILD_OK(mproc_set_forkserver_warmup(take_longer_than_the_guard_may));
    CHILD_CHECK(run_grandchild(tell_which_streams_are_open, NULL, 0) >= 0);
    return 0;
}

static void a_warm_up_may_take_its_time(void)
{
    CHECK_OK(mproc_plat_set_environment("MPROC_GUARD_TIMEOUT", "300"));
    run_apart(warm_up_slowly);
    CHECK_OK(mproc_plat_set_environment("MPROC_GUARD_TIMEOUT", NULL));
}

/* ---- without the template ---- */

/* Kills the template and then the child of its; what the child's end is told as. */
static int end_both(void)
{
    mproc_process *process;
    int64_t pid;
    int exit_code;
    CHILD_OK(mproc_process_start(&process, hang_for_ever, NULL, 0, &by_forkserver));
    CHILD_OK(mproc_process_pid(process, &pid));
    int64_t template = mproc__template_pid();
    kill_hard(template);
    CHILD_CHECK(pid_ends_within(template, 60000));
    CHILD_FAILS(mproc_process_join(process, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    kill_hard(pid);
    CHILD_OK(mproc_process_join(process, 60000));
    CHILD_OK(mproc_process_exit_code(process, &exit_code));
    CHILD_OK(mproc_process_close(process));
    return exit_code;
}

/* From now on orphaned descendants are this process's children; false if the system has no such thing. */
static bool become_subreaper(void)
{
#ifdef PR_SET_CHILD_SUBREAPER
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
#else
    return false;
#endif
}

/* -9 where the system tells of others' children, else 255: nobody knows. */
static int orphans_end(void *argument)
{
    (void) argument;
    CHILD_CHECK(end_both() == (mproc__watch_tells() ? -9 : 255));
    return 0;
}

enum { NO_SUBREAPERS = 77 };

static int adopted_orphans_end(void *argument)
{
    return become_subreaper() ? orphans_end(argument) : NO_SUBREAPERS;
}

static void run_with_subreaper(mproc_target *target)
{
    mproc_process_options options = { .start_method = MPROC_START_FORK };
    int exit_code = run_child(target, NULL, 0, &options);
    if (exit_code == NO_SUBREAPERS)
        skip("this system has no subreapers");
    else
        CU_ASSERT_EQUAL(exit_code, 0);
}

static void how_children_end_is_known_without_their_template(void)
{
    run_apart(orphans_end);
}

static void children_of_a_killed_template_may_become_their_starters(void)
{
    run_with_subreaper(adopted_orphans_end);
}

/* This process adopts them and reaps nothing meanwhile, as a container's first process may. */
static int adopt_and_reap_nothing(void *argument)
{
    mproc_process *process;
    mproc_process_options options = { .start_method = MPROC_START_FORK };
    int exit_code;
    (void) argument;
    if (!become_subreaper())
        return NO_SUBREAPERS;
    CHILD_OK(mproc_process_start(&process, orphans_end, NULL, 0, &options));
    CHILD_OK(mproc_process_join(process, 60000));
    CHILD_OK(mproc_process_exit_code(process, &exit_code));
    return exit_code;
}

static void children_of_a_killed_template_may_stay_zombies(void)
{
    run_with_subreaper(adopt_and_reap_nothing);
}

static int wait_for_event(void *argument)
{
    return mproc_event_wait(*(mproc_event *) argument, MPROC_FOREVER) == MPROC_OK ? 0 : 1;
}

/* 0 is what the system says of whom one may not ask about, too. */
static int a_stopped_templates_child_ends(void *argument)
{
    mproc_process *process;
    mproc_event event;
    int exit_code = -1;
    (void) argument;
    CHILD_OK(mproc_event_create(&event));
    CHILD_OK(mproc_process_start(&process, wait_for_event, &event, sizeof event, &by_forkserver));
    CHILD_CHECK(suspend(mproc__template_pid()));
    CHILD_OK(mproc_event_set(event));
    mproc_err err = mproc_process_join(process, mproc__watch_tells() ? 60000 : MPROC_NOWAIT);
    CHILD_CHECK(err == (mproc__watch_tells() ? MPROC_OK : MPROC_ETIMEDOUT));
    if (err == MPROC_OK) {
        CHILD_OK(mproc_process_exit_code(process, &exit_code));
        CHILD_CHECK(exit_code == 0);
    }
    kill_hard(mproc__template_pid());
    CHILD_OK(mproc_process_join(process, 60000));
    CHILD_OK(mproc_process_close(process));
    return 0;
}

static void a_child_that_ends_beside_a_stopped_template_ended_with_0(void)
{
    run_apart(a_stopped_templates_child_ends);
}

/* ---- a template that is killed between its fork and its answer ---- */

enum { INSIDE, PID, GO_ON, INTS };
struct shared {
    mproc_memory block;
    mproc_lock lock;
};

static _Atomic int *ints_of(const void *argument)
{
    return mproc_pointer(((const struct shared *) argument)->block);
}

static int hold_the_lock(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_lock_acquire(shared->lock, 60000));
    atomic_store(&ints_of(shared)[PID], (int) mproc_pid());
    atomic_store(&ints_of(shared)[INSIDE], 1);
    return hang_for_ever(NULL);
}

static void kill_the_template_when_its_child_is_inside(void *shared)
{
    if (wait_until(&ints_of(shared)[INSIDE], 1))
        kill_hard(mproc__template_pid());
}

static int lose_an_answer(void *argument)
{
    struct shared shared;
    mproc_process *process;
    (void) argument;
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    CHILD_OK(mproc_lock_create(&shared.lock));
    CHILD_OK(mproc_plat_set_environment("MPROC_FAULT", "template.forked:1:wait"));
    struct test_thread *killer = thread_start(kill_the_template_when_its_child_is_inside, &shared);
    CHILD_FAILS(mproc_process_start(&process, hold_the_lock, &shared, sizeof shared, &by_forkserver), MPROC_EDIED);
    thread_join(killer);
    CHILD_OK(mproc_plat_set_environment("MPROC_FAULT", NULL));
    CHILD_FAILS(mproc_lock_acquire(shared.lock, 50), MPROC_ETIMEDOUT);
    for (int i = 0; i < 3; i++) /* others do not get its place */
        CHILD_CHECK(run_grandchild(tell_which_streams_are_open, NULL, 0) >= 0);
    CHILD_FAILS(mproc_lock_acquire(shared.lock, 50), MPROC_ETIMEDOUT);
    kill_hard(ints[PID]);
    CHILD_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    CHILD_OK(mproc_lock_consistent(shared.lock));
    CHILD_OK(mproc_lock_release(shared.lock));
    return 0;
}

static void a_child_whose_template_was_killed_before_its_answer_lives_for_the_family(void)
{
#ifdef MPROC_FAULT_POINTS
    run_apart(lose_an_answer);
#else
    skip("there are no fault points in this build");
#endif
}

/* ---- a template that is being started while the host forks ---- */

#define WARMING "warming"
#define WARM "warm"

/* Says who it is and waits to be told. */
static void warm_up_until_told(void)
{
    char pid[30];
    snprintf(pid, sizeof pid, "%lld.", (long long) mproc_pid());
    intptr_t file = native_open(WARMING, true);
    native_write(file, pid);
    native_close(file);
    while (!file_exists(WARM))
        sleep_briefly();
}

static int64_t pid_of_who_warms_up(void)
{
    char text[30] = "";
    for (int i = 0; i < 60000 && !strchr(text, '.'); i++) {
        intptr_t file = file_exists(WARMING) ? native_open(WARMING, false) : -1;
        int got = file >= 0 ? native_read(file, text, sizeof text - 1) : 0;
        text[got > 0 ? got : 0] = '\0';
        if (file >= 0)
            native_close(file);
        sleep_briefly();
    }
    return atoll(text);
}

static void fork_while_it_warms_up(void *shared)
{
    _Atomic int *ints = ints_of(shared);
    int64_t template = pid_of_who_warms_up(), pid = host_fork();
    if (pid == 0)
        for (;;)
            mproc_plat_sleep(INT64_C(1000000000));
    atomic_store(&ints[PID], (int) pid);
    atomic_store(&ints[INSIDE], (int) template);
}

static int fork_beside_a_start(void *argument)
{
    mproc_process *process;
    thread_start(fork_while_it_warms_up, argument);
    CHILD_OK(mproc_set_forkserver_warmup(warm_up_until_told));
    CHILD_OK(mproc_process_start(&process, hang_for_ever, NULL, 0, &by_forkserver));
    return hang_for_ever(NULL);
}

static void a_template_ends_with_its_starter_though_that_was_forked_meanwhile(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, INTS);
    const mproc_process_options options = { .start_method = MPROC_START_FORK };
    remove_file(WARMING);
    remove_file(WARM);
    mproc_process *starter = start_child(fork_beside_a_start, &shared, sizeof shared, &options);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[INSIDE], 1));
    CHECK_OK(mproc_process_kill(starter));
    end_child(starter);
    native_close(native_open(WARM, true));
    CU_ASSERT_TRUE(pid_ends_within(ints[INSIDE], 60000));
    CU_ASSERT_TRUE(pid_runs(ints[PID]));
    kill_hard(ints[INSIDE]);
    kill_hard(ints[PID]);
    CU_ASSERT_TRUE(pid_ends_within(ints[PID], 60000));
    remove_file(WARMING);
    remove_file(WARM);
    CHECK_OK(mproc_free(shared.block));
}

MPROC_SUITE(forkserver, MPROC_TEST(children_are_in_the_folder_that_their_parent_is_in_now),
            MPROC_TEST(streams_that_are_closed_in_the_parent_are_closed_in_children),
            MPROC_TEST(a_warm_up_that_does_not_return_is_an_error_and_one_that_comes_late_as_well),
            MPROC_TEST(a_warm_up_may_take_its_time),
            MPROC_TEST(how_children_end_is_known_without_their_template),
            MPROC_TEST(children_of_a_killed_template_may_become_their_starters),
            MPROC_TEST(children_of_a_killed_template_may_stay_zombies),
            MPROC_TEST(a_child_that_ends_beside_a_stopped_template_ended_with_0),
            MPROC_TEST(a_child_whose_template_was_killed_before_its_answer_lives_for_the_family),
            MPROC_TEST(a_template_ends_with_its_starter_though_that_was_forked_meanwhile))
