/* SPDX-License-Identifier: MIT */
/* The boundary: who is told the code of exit(), and rand() in forked children. */
#include "contract.h"

enum { NOT_HOOKED = 77, WRONG_RANDOM = 78, OTHERS_HANDLER = 98, SEED = 4711 };

static void tell(int exit_code)
{
    mproc_plat_exit_now(exit_code + 1);
}

static void end_too_late(void)
{
    mproc_plat_exit_now(OTHERS_HANDLER);
}

/* The first numbers after srand(seed), as this system's rand() has them. */
static bool follows(unsigned seed, const int *numbers, int count)
{
    srand(seed);
    for (int i = 0; i < count; i++)
        if (rand() != numbers[i])
            return false;
    return true;
}

/* Where CUnit does not run. */
static int end_of(struct mproc_plat_process *process)
{
    const struct mproc_plat_process *list = process;
    struct mproc_plat_status status = { .known = false };
    size_t index;
    if (mproc_plat_process_watch(&list, 1, in_seconds(60), &index) != MPROC_OK ||
        !mproc_plat_process_reap(process, &status))
        return 3;
    mproc_plat_process_forget(process);
    return status.known && !status.signalled ? status.code : 4;
}

static int fork_hooked(bool alone)
{
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    bool in_child = false;
    int numbers[4];
    srand(1);
    numbers[0] = rand();
    mproc_plat_fork_prepare(tell, SEED, alone);
    mproc_err err = mproc_plat_fork(&process, &in_child);
    bool hooked = mproc_plat_fork_finish(in_child);
    if (err != MPROC_OK)
        return 1;
    for (int i = 1; i < 4; i++)
        numbers[i] = rand();
    if (in_child) {
        if (!(alone ? follows(SEED, numbers + 1, 3) : follows(1, numbers, 4)))
            mproc_plat_exit_now(WRONG_RANDOM);
        if (!hooked)
            mproc_plat_exit_now(NOT_HOOKED);
        exit(20);
    }
    int code = end_of(&process);
    return follows(1, numbers, 4) ? code : WRONG_RANDOM;
}

/* Ends with exit(), whose code is not to be told to anybody in the one that forked. */
static int child(const char *boot)
{
    atexit(end_too_late);
    if (strncmp(boot, "hook ", 5) == 0) {
        if (!mproc_plat_hook_exit(tell))
            mproc_plat_exit_now(NOT_HOOKED);
        exit(atoi(boot + 5));
    }
    for (int i = 0; i < 3; i++) {
        int code = fork_hooked(strcmp(boot, "fork alone") == 0);
        if (code != 21)
            mproc_plat_exit_now(code);
    }
    exit(30);
}

static void exit_tells_its_code_before_older_handlers_run(void)
{
    static const char *const boots[] = { "hook 0", "hook 5", "hook 254" };
    for (int i = 0; i < 3; i++) {
        struct mproc_plat_process process = spawn_child(boots[i], MPROC_PLAT_NONE);
        int code = reap_child(&process);
        if (code == NOT_HOOKED) {
            skip("no exit handler is told the code here");
            return;
        }
        CU_ASSERT_EQUAL(code, atoi(boots[i] + 5) + 1);
    }
}

static void check_forks(const char *boot)
{
    if (!can_fork()) {
        skip("this system does not fork");
        return;
    }
    struct mproc_plat_process process = spawn_child(boot, MPROC_PLAT_NONE);
    int code = reap_child(&process);
    if (code == NOT_HOOKED)
        skip("rand() is as it should be, but no exit handler is told the code here");
    else
        CU_ASSERT_EQUAL(code, OTHERS_HANDLER);
}

static void a_forked_childs_exit_and_rand_are_its_own(void)
{
    check_forks("fork alone");
}

static void rand_is_left_alone_where_other_threads_may_be_in_it(void)
{
    check_forks("fork beside threads");
}

MPROC_CONTRACT_SUITE(exit, child, MPROC_TEST(exit_tells_its_code_before_older_handlers_run),
                     MPROC_TEST(a_forked_childs_exit_and_rand_are_its_own),
                     MPROC_TEST(rand_is_left_alone_where_other_threads_may_be_in_it))
