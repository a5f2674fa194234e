/* SPDX-License-Identifier: MIT */
/* Stress: as many children at once as a program may want, and thousands one after the other. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { ARRIVED, GO };

static int arrive_and_wait(void *argument)
{
    _Atomic int *ints = mproc_pointer(*(mproc_memory *) argument);
    CHILD_CHECK(ints != NULL);
    atomic_fetch_add(&ints[ARRIVED], 1);
    /* A thousand that looked every millisecond would be all that runs. */
    for (int i = 0; i < 6000 && atomic_load(&ints[GO]) == 0; i++)
        mproc_plat_sleep(20000000);
    return 3;
}

static int return_it(void *argument)
{
    return *(int *) argument;
}

/* Wine and Windows count more per process; what lies above 64 is what matters there. With TSan or in an emulator a
 * process takes a tenth of a second to start and the memory of many. */
static bool has_slow_starts(void)
{
#ifdef MPROC_SANITIZED_THREADS
    return true;
#else
    return system_is_windows() || system_is_emulated();
#endif
}

static int how_many(void)
{
    int64_t descriptors = raise_descriptor_limit();
    int wanted = has_slow_starts() ? 100 : 1000;
    return descriptors >= 0 && descriptors < 2 * wanted ? (int) (descriptors / 2) : wanted;
}

static void a_thousand_children_run_at_once(void)
{
    int count = how_many();
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 2);
    mproc_process **processes = calloc((size_t) count, sizeof *processes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(processes);
    int64_t begin = mproc_plat_now();
    for (int i = 0; i < count; i++)
        processes[i] = start_child(arrive_and_wait, &block, sizeof block, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], count));
    printf("  %d children at once after %.1f s\n", count, (double) (mproc_plat_now() - begin) / 1e9);
    size_t active = 0, index = 0;
    CHECK_OK(mproc_active_children(NULL, 0, &active));
    CU_ASSERT_EQUAL(active, (size_t) count);
    CHECK_FAILS(mproc_process_wait_any(processes, (size_t) count, &index, 10), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_process_kill(processes[count - 1]));
    CHECK_OK(mproc_process_wait_any(processes, (size_t) count, &index, 60000));
    CU_ASSERT_EQUAL(index, (size_t) count - 1);
    end_child(processes[count - 1]);
    atomic_store(&ints[GO], 1);
    for (int i = 0; i < count - 1; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 3);
    CHECK_OK(mproc_free(block));
    free(processes);
}

static void thousands_come_and_go(void)
{
    int count = has_slow_starts() ? 100 : 2000;
    for (int i = 0; i < count; i++)
        CU_ASSERT_EQUAL(run_child(return_it, &i, sizeof i, NULL), exit_code_of(i));
}

struct starter {
    _Atomic int failures;
};

static void start_and_join(void *context)
{
    struct starter *starter = context;
    for (int i = 0; i < (has_slow_starts() ? 10 : 100); i++) {
        mproc_process *process;
        int exit_code = -1;
        if (mproc_process_start(&process, return_it, &i, sizeof i, NULL) != MPROC_OK ||
            mproc_process_join(process, 60000) != MPROC_OK ||
            mproc_process_exit_code(process, &exit_code) != MPROC_OK || exit_code != i ||
            mproc_process_close(process) != MPROC_OK) {
            printf("\n  %s\n", mproc_last_error());
            atomic_fetch_add(&starter->failures, 1);
        }
    }
}

static void threads_start_and_join_at_the_same_time(void)
{
    enum { THREADS = 8 };
    struct starter starter = { 0 };
    struct test_thread *threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start(start_and_join, &starter);
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    CU_ASSERT_EQUAL(starter.failures, 0);
}

MPROC_SUITE(many, MPROC_TEST(a_thousand_children_run_at_once), MPROC_TEST(thousands_come_and_go),
            MPROC_TEST(threads_start_and_join_at_the_same_time))
