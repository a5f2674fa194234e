/* SPDX-License-Identifier: MIT */
/* Ending a process with all its descendants: also those whose parents have died, who are just being started, or who
 * may not be ended; and what the dead leave in shared memory. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"
#include "slots.h"

enum { PID, STEP, CANNOT = 77 };

struct shared {
    mproc_memory block;
};

static _Atomic int *ints_of(void *argument)
{
    return mproc_pointer(((struct shared *) argument)->block);
}

static int note_pid_and_hang(void *argument)
{
    atomic_store(&ints_of(argument)[PID], (int) mproc_pid());
    return hang_for_ever(NULL);
}

static void start_noted(void *argument)
{
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, note_pid_and_hang, argument, sizeof(struct shared), NULL));
    CHILD_CHECK(wait_until(&ints_of(argument)[PID], 1));
}

/* ---- whose parents have died ---- */

static int start_one_and_crash(void *argument)
{
    start_noted(argument);
    end_hard("_exit7");
    return 0;
}

/* Reaps the one that crashed: then nobody but the family's table knows of that one's child. */
static int be_left_with_a_grandchild(void *argument)
{
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, start_one_and_crash, argument, sizeof(struct shared), NULL));
    CHILD_OK(mproc_process_join(process, 60000));
    atomic_store(&ints_of(argument)[STEP], 1);
    return hang_for_ever(NULL);
}

static void a_grandchild_whose_parent_crashed_belongs_to_the_tree(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    mproc_process *process = start_child(be_left_with_a_grandchild, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[STEP], 1));
    CHECK_OK(mproc_process_stop_tree(process, 60000));
    CU_ASSERT_FALSE(pid_runs(ints[PID]));
    end_child(process);
    CHECK_OK(mproc_free(shared.block));
}

static int start_one_and_hang(void *argument)
{
    start_noted(argument);
    atomic_store(&ints_of(argument)[STEP], 1);
    return hang_for_ever(NULL);
}

/* Killed and not joined yet: it still leads to what it has started. */
static void the_tree_of_one_that_was_killed_is_still_found(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    mproc_process *process = start_child(start_one_and_hang, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[STEP], 1));
    CHECK_OK(mproc_process_kill(process));
    intptr_t ended;
    CHECK_OK(mproc_process_sentinel(process, &ended));
    CU_ASSERT_TRUE(native_ready(ended, 60000));
    CU_ASSERT_TRUE(pid_runs(ints[PID]));
    CHECK_OK(mproc_process_stop_tree(process, 60000));
    CU_ASSERT_FALSE(pid_runs(ints[PID]));
    end_child(process);
    CHECK_OK(mproc_free(shared.block));
}

/* ---- who are just being started ---- */

static int note_itself_and_start_one(void *argument)
{
    atomic_store(&ints_of(argument)[STEP], (int) mproc_pid());
    start_noted(argument);
    return 0;
}

static int start_a_delayed_starter(void *argument)
{
    mproc_process *starter = NULL;
    static const char *const environment[] = { "MPROC_FAULT=start.started:1:delay", NULL };
    const mproc_process_options options = { .environment = environment };
    CHILD_OK(mproc_process_start(&starter, note_itself_and_start_one, argument, sizeof(struct shared), &options));
    return hang_for_ever(NULL);
}

/* The starter is stopped when its child runs, and before it can say which process that is. */
static void a_child_whose_starter_dies_at_once_belongs_to_the_tree(void)
{
    struct shared shared;
    char name[40];
    _Atomic int *ints = shared_ints(&shared.block, 2);
    mproc_process *process = start_child(start_a_delayed_starter, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[PID], 1));
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[STEP], 1));
    CHECK_OK(mproc_process_stop_tree(process, 60000));
    CU_ASSERT_FALSE(pid_runs(ints[STEP]));
    CU_ASSERT_FALSE(pid_runs(ints[PID]));
    end_child(process);
    snprintf(name, sizeof name, "delayed-%d", (int) ints[STEP]);
    remove_file(name);
    CHECK_OK(mproc_free(shared.block));
}

/* Its child stops on the way to mproc_init(). */
static int note_itself_and_start_a_late_one(void *argument)
{
    mproc_process *process = NULL;
    static const char *const environment[] = { "MPROC_FAULT=entry.record:1:delay", NULL };
    const mproc_process_options options = { .environment = environment, .start_method = MPROC_START_SPAWN };
    atomic_store(&ints_of(argument)[STEP], (int) mproc_pid());
    CHILD_OK(mproc_process_start(&process, note_pid_and_hang, argument, sizeof(struct shared), &options));
    return 0;
}

static int start_the_starter_of_a_late_one(void *argument)
{
    mproc_process *starter = NULL;
    static const char *const environment[] = { "MPROC_FAULT=start.started:1:delay", NULL };
    const mproc_process_options options = { .environment = environment };
    CHILD_OK(mproc_process_start(&starter, note_itself_and_start_a_late_one, argument, sizeof(struct shared),
                                 &options));
    return hang_for_ever(NULL);
}

/* Whom the starter has just spawned; 0 if that cannot be found out. */
static int64_t child_of(int64_t parent)
{
    struct mproc_plat_process_entry *list = NULL;
    size_t count = 0;
    int64_t found = 0;
    if (mproc_plat_process_list(&list, &count) != MPROC_OK)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (list[i].parent == parent)
            found = list[i].pid;
    free(list);
    return found;
}

static void wait_until_stopped(int64_t pid)
{
    char name[40];
    snprintf(name, sizeof name, "delayed-%lld", (long long) pid);
    for (int i = 0; i < 60000 && !file_exists(name); i++)
        sleep_briefly();
}

/* Nobody can say who it is, so it is given up, and ends by itself when it comes. */
static void a_child_that_comes_after_its_starters_death_ends_by_itself(void)
{
    struct shared shared;
    char names[2][40];
    struct mproc_plat_process_entry *list = NULL;
    size_t count;
    if (mproc_plat_process_list(&list, &count) != MPROC_OK) {
        skip("this system cannot list processes");
        return;
    }
    free(list);
    _Atomic int *ints = shared_ints(&shared.block, 2);
    mproc_process *process = start_child(start_the_starter_of_a_late_one, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[STEP], 1));
    wait_until_stopped(ints[STEP]);
    int64_t late = child_of(ints[STEP]);
    snprintf(names[0], sizeof names[0], "delayed-%d", (int) ints[STEP]);
    snprintf(names[1], sizeof names[1], "delayed-%lld", (long long) late);
    CU_ASSERT_TRUE_FATAL(late != 0);
    wait_until_stopped(late);
    CHECK_OK(mproc_process_stop_tree(process, 60000));
    CU_ASSERT_TRUE(pid_runs(late));
    end_child(process);
    for (int i = 0; i < 2; i++)
        while (remove(names[i]) != 0 && file_exists(names[i]))
            sleep_briefly();
    CU_ASSERT_TRUE(pid_ends_within(late, 60000));
    CU_ASSERT_EQUAL(ints[PID], 0);
    CHECK_OK(mproc_free(shared.block));
}

/* ---- who may not be ended, and who cannot be seen ---- */

static int start_one_and_become_nobody(void *argument)
{
    start_noted(argument);
    if (!become_nobody())
        mproc_plat_exit_now(CANNOT); /* without waiting for that one */
    atomic_store(&ints_of(argument)[STEP], 1);
    return hang_for_ever(NULL);
}

static int stop_a_tree_that_refuses(void *argument)
{
    mproc_process *process;
    _Atomic int *ints = ints_of(argument);
    int code = 0;
    CHILD_OK(mproc_process_start(&process, start_one_and_become_nobody, argument, sizeof(struct shared), NULL));
    CHILD_CHECK(wait_until(&ints[PID], 1));
    bool alive = true;
    while (alive && atomic_load(&ints[STEP]) == 0)
        CHILD_OK(mproc_process_is_alive(process, &alive));
    if (!alive || !become_nobody())
        return CANNOT;
    CHILD_FAILS(mproc_process_stop_tree(process, 20), MPROC_EPERM);
    CHILD_OK(mproc_process_join(process, MPROC_NOWAIT));
    CHILD_OK(mproc_process_exit_code(process, &code));
    CHILD_CHECK(code == -15);
    return 0;
}

static void a_descendant_that_may_not_be_ended_is_an_error_and_no_endless_wait(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    int code = run_child(stop_a_tree_that_refuses, &shared, sizeof shared, NULL);
    if (code == CANNOT)
        skip("only root can give up its rights");
    else
        CU_ASSERT_EQUAL(code, 0);
    kill_hard(ints[PID]);
    CU_ASSERT_TRUE(pid_ends_within(ints[PID], 60000));
    CHECK_OK(mproc_free(shared.block));
}

static int stop_a_tree_without_descriptors(void *argument)
{
    intptr_t natives[MOST_HELD];
    mproc_process *process;
    _Atomic int *ints = ints_of(argument);
    CHILD_OK(mproc_process_start(&process, start_one_and_hang, argument, sizeof(struct shared), NULL));
    CHILD_CHECK(wait_until(&ints[STEP], 1));
    int held = hold_all_descriptors(natives);
    mproc_err err = mproc_process_stop_tree(process, 100);
    size_t length = strlen(mproc_last_error());
    give_back_descriptors(natives, held);
    /* Done, or nothing is. */
    if (err != MPROC_OK) {
        CHILD_CHECK(length > 15 && pid_runs(ints[PID]));
        CHILD_FAILS(mproc_process_join(process, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        CHILD_OK(mproc_process_stop_tree(process, 60000));
    }
    CHILD_CHECK(!pid_runs(ints[PID]));
    return held > 0 ? 0 : CANNOT;
}

static void without_descriptors_a_tree_is_stopped_or_an_error(void)
{
    struct shared shared;
    shared_ints(&shared.block, 2);
    int code = run_child(stop_a_tree_without_descriptors, &shared, sizeof shared, NULL);
    if (code == CANNOT)
        skip("this system has no limit of descriptors");
    else
        CU_ASSERT_EQUAL(code, 0);
    CHECK_OK(mproc_free(shared.block));
}

static void nothing_is_left_to_stop_of_one_that_was_joined(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    mproc_process *process = start_child(start_one_and_hang, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[STEP], 1));
    CHECK_OK(mproc_process_kill(process));
    CHECK_OK(mproc_process_join(process, 60000));
    /* What it left is this process's now, as what others left is: not this tree's alone. */
    CHECK_OK(mproc_process_stop_tree(process, 60000));
    CU_ASSERT_TRUE(pid_runs(ints[PID]));
    end_child(process);
    kill_hard(ints[PID]);
    CU_ASSERT_TRUE(pid_ends_within(ints[PID], 60000));
    CHECK_OK(mproc_free(shared.block));
}

/* ---- what they leave in shared memory ---- */

struct large {
    struct shared shared;
    char rest[300000];
};

/* It asks for its token, since plain POSIX knows of the end of whom init does not reap only then. */
static int note_large_and_hang(void *argument)
{
    CHILD_CHECK(mproc__self_token() != 0);
    return note_pid_and_hang(&((struct large *) argument)->shared);
}

static int start_large_and_hang(void *argument)
{
    static struct large large;
    mproc_process *process;
    large.shared = *(struct shared *) argument;
    CHILD_OK(mproc_process_start(&process, note_large_and_hang, &large, sizeof large, NULL));
    return hang_for_ever(NULL);
}

static mproc_process *start_with_large_child(struct shared *shared, _Atomic int *ints)
{
    atomic_store(&ints[PID], 0);
    mproc_process *process = start_child(start_large_and_hang, shared, sizeof *shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[PID], 1));
    return process;
}

static void a_stopped_tree_leaves_no_records(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    for (int i = 0; i < 3; i++) {
        uint64_t used = mproc__arena_used();
        mproc_process *process = start_with_large_child(&shared, ints);
        CU_ASSERT_TRUE(mproc__arena_used() > used + sizeof(struct large));
        CHECK_OK(mproc_process_stop_tree(process, 60000));
        end_child(process);
        CU_ASSERT_EQUAL(mproc__arena_used(), used);
    }
    CHECK_OK(mproc_free(shared.block));
}

static int return_at_once(void *argument)
{
    (void) argument;
    return 0;
}

/* A killed parent's child keeps its record while it lives; then the next starts give it back. */
static void an_orphans_record_is_given_back_by_later_starts(void)
{
    struct shared shared;
    _Atomic int *ints = shared_ints(&shared.block, 2);
    uint64_t used = mproc__arena_used();
    mproc_process *process = start_with_large_child(&shared, ints);
    CHECK_OK(mproc_process_kill(process));
    end_child(process);
    for (int i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(run_child(return_at_once, NULL, 0, NULL), 0);
    CU_ASSERT_TRUE(mproc__arena_used() > used + sizeof(struct large));
    kill_hard(ints[PID]);
    CU_ASSERT_TRUE(pid_ends_within(ints[PID], 60000));
    /* A few slots are looked at by each start. Plain POSIX finds a template dead only when init has reaped it. */
    int64_t deadline = mproc_plat_now() + INT64_C(60000000000);
    while (mproc__arena_used() > used && mproc_plat_now() < deadline) {
        CU_ASSERT_EQUAL(run_child(return_at_once, NULL, 0, NULL), 0);
        sleep_briefly();
    }
    CU_ASSERT_EQUAL(mproc__arena_used(), used);
    CHECK_OK(mproc_free(shared.block));
}

MPROC_SUITE(tree, MPROC_TEST(a_grandchild_whose_parent_crashed_belongs_to_the_tree),
            MPROC_TEST(the_tree_of_one_that_was_killed_is_still_found),
            MPROC_TEST(a_child_whose_starter_dies_at_once_belongs_to_the_tree),
            MPROC_TEST(a_child_that_comes_after_its_starters_death_ends_by_itself),
            MPROC_TEST(a_descendant_that_may_not_be_ended_is_an_error_and_no_endless_wait),
            MPROC_TEST(without_descriptors_a_tree_is_stopped_or_an_error),
            MPROC_TEST(nothing_is_left_to_stop_of_one_that_was_joined),
            MPROC_TEST(a_stopped_tree_leaves_no_records),
            MPROC_TEST(an_orphans_record_is_given_back_by_later_starts))
