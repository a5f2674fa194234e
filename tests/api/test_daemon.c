/* SPDX-License-Identifier: MIT */
/* Daemons and workers, and all that they have started, end with a parent that is killed: within a second. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { COUNT, DONE, FIRST_PID, PIDS = 8, TRIES = 3 };

struct shared {
    mproc_memory block;
    int kind;
};

static _Atomic int *ints_of(const void *argument)
{
    return mproc_pointer(((const struct shared *) argument)->block);
}

static void note_pid(const void *argument, int64_t pid)
{
    _Atomic int *ints = ints_of(argument);
    atomic_store(&ints[FIRST_PID + atomic_fetch_add(&ints[COUNT], 1)], (int) pid);
}

static int note_pid_and_hang(void *argument)
{
    note_pid(argument, mproc_pid());
    return hang_for_ever(NULL);
}

static mproc_process *start_noted(void *argument, bool daemon)
{
    const mproc_process_options options = { .daemon = daemon };
    mproc_process *process = NULL;
    CHILD_OK(mproc_process_start(&process, note_pid_and_hang, argument, sizeof(struct shared), &options));
    return process;
}

/* A program with two children, all of which print their pids and stay. */
static void start_programs(void *argument)
{
    const char *const program[] = { PROGRAM("helper"), "tree", "1", NULL };
    const mproc_popen_options options = { .standard_output = { .kind = MPROC_STREAM_PIPE } };
    mproc_popen *child;
    CHILD_OK(mproc_popen_start(&child, program, &options));
    for (int i = 0; i < 3; i++) {
        const char *line;
        CHILD_OK(mproc_popen_read_line(child, MPROC_STDOUT, &line, NULL, 60000));
        note_pid(argument, atoll(line));
    }
}

/* ---- what a daemon or worker may start ---- */

enum { NOTHING, PROGRAMS, CHILDREN, FORKS, HOST_FORKS, DAEMONS = 3 };

static int start_some(void *argument)
{
    int kind = ((struct shared *) argument)->kind;
    note_pid(argument, mproc_pid());
    if (kind == PROGRAMS)
        start_programs(argument);
    if (kind == CHILDREN)
        (void) start_noted(argument, false);
    if (kind == FORKS) {
        mproc_process *process;
        CHILD_OK(mproc_fork(&process));
        if (!process)
            return note_pid_and_hang(argument);
    }
    if (kind == HOST_FORKS && host_fork() == 0)
        return note_pid_and_hang(argument);
    return hang_for_ever(NULL);
}

static int start_some_in_a_task(const void *in, void *out)
{
    (void) out;
    struct shared shared = *(const struct shared *) in;
    return start_some(&shared);
}

static int be_parent_of_a_daemon(void *argument)
{
    const mproc_process_options options = { .daemon = true };
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, start_some, argument, sizeof(struct shared), &options));
    return hang_for_ever(NULL);
}

static int be_parent_of_daemons(void *argument)
{
    for (int i = 0; i < DAEMONS; i++)
        (void) start_noted(argument, true);
    return hang_for_ever(NULL);
}

static int be_parent_of_a_pool(void *argument)
{
    const mproc_pool_options options = { .nested = true };
    mproc_pool *pool;
    mproc_result *result;
    CHILD_OK(mproc_pool_create(&pool, 1, &options));
    CHILD_OK(mproc_pool_apply_async(pool, &result, start_some_in_a_task, argument, sizeof(struct shared), 0, NULL));
    return hang_for_ever(NULL);
}

static int count_running(const _Atomic int *ints)
{
    int running = 0;
    for (int i = 0; i < ints[COUNT]; i++)
        running += pid_runs(ints[FIRST_PID + i]);
    return running;
}

/* How long they live on when the parent has gone, in nanoseconds. */
static int64_t time_of_survival(mproc_target *parent, struct shared *shared, int expected)
{
    _Atomic int *ints = shared_ints(&shared->block, FIRST_PID + PIDS);
    mproc_process *process = start_child(parent, shared, sizeof *shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[COUNT], expected));
    for (int i = 0; i < expected; i++)
        CU_ASSERT_TRUE(wait_until(&ints[FIRST_PID + i], 1));
    CU_ASSERT_EQUAL(count_running(ints), expected);
    int64_t pid;
    CHECK_OK(mproc_process_pid(process, &pid));
    kill_hard(pid);
    CU_ASSERT_TRUE(pid_ends_within(pid, 60000));
    int64_t begin = mproc_plat_now(), end = begin + INT64_C(5000000000);
    while (count_running(ints) > 0 && mproc_plat_now() < end)
        sleep_briefly();
    int64_t survived = mproc_plat_now() - begin;
    for (int i = 0; i < expected; i++)
        if (pid_runs(ints[FIRST_PID + i])) {
            printf("  number %d of %d is still there\n", i + 1, expected);
            kill_hard(ints[FIRST_PID + i]);
        }
    end_child(process);
    CHECK_OK(mproc_free(shared->block));
    return survived;
}

/* The best of some tries counts: others may keep this machine busy. */
static void check_end(mproc_target *parent, int kind, int expected)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < TRIES && best > INT64_C(1000000000); i++) {
        struct shared shared = { .kind = kind };
        int64_t time = time_of_survival(parent, &shared, expected);
        best = time < best ? time : best;
    }
    printf("  gone after %.1f ms\n", (double) best / 1e6);
    CU_ASSERT_TRUE(best < INT64_C(1000000000));
}

static bool can_fork(void)
{
    mproc_start_method methods[4];
    return mproc_get_all_start_methods(methods, 4) > 1;
}

/* ---- the tests ---- */

static void daemons_end_within_a_second(void)
{
    check_end(be_parent_of_a_daemon, NOTHING, 1);
    check_end(be_parent_of_daemons, NOTHING, DAEMONS);
}

static bool descendants_are_known(void)
{
    struct mproc_plat_process_entry *list = NULL;
    size_t count;
    bool known = mproc_plat_process_list(&list, &count) == MPROC_OK || system_is_windows();
    if (!known)
        skip("this system does not tell who descends from whom");
    free(list);
    return known;
}

static void a_daemons_programs_and_their_children_end_with_it(void)
{
    if (!descendants_are_known())
        return;
    check_end(be_parent_of_a_daemon, PROGRAMS, 4);
    check_end(be_parent_of_a_pool, PROGRAMS, 4);
}

static void a_workers_children_end_with_it(void)
{
    check_end(be_parent_of_a_pool, CHILDREN, 2);
}

static void what_a_worker_or_a_daemons_host_has_forked_ends_with_it(void)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    check_end(be_parent_of_a_pool, FORKS, 2);
    if (TELLS_BY_PIPE)
        skip("without the kernel's help a forked child of the host's is not bound");
    else
        check_end(be_parent_of_a_daemon, HOST_FORKS, 2);
}

/* Killed alone, a daemon leaves its programs: they end with its parent, not with it. */
static int start_programs_and_crash(void *argument)
{
    start_programs(argument);
    atomic_store(&ints_of(argument)[DONE], 1);
    end_hard("_exit7");
    return 0;
}

static void a_daemon_that_ends_alone_leaves_its_programs(void)
{
    struct shared shared = { .kind = PROGRAMS };
    const mproc_process_options options = { .daemon = true };
    if (system_is_windows()) {
        skip("the parent's job holds them until the parent ends");
        return;
    }
    _Atomic int *ints = shared_ints(&shared.block, FIRST_PID + PIDS);
    CU_ASSERT_EQUAL(run_child(start_programs_and_crash, &shared, sizeof shared, &options), 7);
    CU_ASSERT_EQUAL(count_running(ints), 3);
    for (int i = 0; i < 3; i++) {
        kill_hard(ints[FIRST_PID + i]);
        CU_ASSERT_TRUE(pid_ends_within(ints[FIRST_PID + i], 60000));
    }
    CHECK_OK(mproc_free(shared.block));
}

/* Without a free descriptor the last look must be possible all the same. */
static int start_programs_and_fill_the_table(void *argument)
{
    intptr_t natives[MOST_HELD];
    note_pid(argument, mproc_pid());
    start_programs(argument);
    (void) hold_all_descriptors(natives);
    return hang_for_ever(NULL);
}

static int be_parent_of_a_daemon_without_descriptors(void *argument)
{
    const mproc_process_options options = { .daemon = true };
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, start_programs_and_fill_the_table, argument, sizeof(struct shared),
                                 &options));
    return hang_for_ever(NULL);
}

static void a_daemon_without_descriptors_takes_its_programs_along(void)
{
    if (!descendants_are_known())
        return;
    check_end(be_parent_of_a_daemon_without_descriptors, PROGRAMS, 4);
}

MPROC_SUITE(daemon, MPROC_TEST(daemons_end_within_a_second),
            MPROC_TEST(a_daemons_programs_and_their_children_end_with_it),
            MPROC_TEST(a_workers_children_end_with_it),
            MPROC_TEST(what_a_worker_or_a_daemons_host_has_forked_ends_with_it),
            MPROC_TEST(a_daemon_that_ends_alone_leaves_its_programs),
            MPROC_TEST(a_daemon_without_descriptors_takes_its_programs_along))
