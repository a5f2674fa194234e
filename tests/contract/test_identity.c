/* SPDX-License-Identifier: MIT */
/* The boundary: pids, stamps, this program, CPUs, threads. */
#include "contract.h"

static int child(const char *boot)
{
    if (strcmp(boot, "hang") == 0)
        return hang_for_ever(NULL);
    return 3;
}

static void this_process_has_a_pid_and_a_stamp(void)
{
    uint64_t first = 0, second = 1;
    CU_ASSERT_TRUE(mproc_plat_pid() > 0);
    CHECK_OK(mproc_plat_process_stamp(mproc_plat_pid(), &first));
    CHECK_OK(mproc_plat_process_stamp(mproc_plat_pid(), &second));
    CU_ASSERT_EQUAL(first, second);
}

static void a_process_that_has_ended_has_no_stamp_even_before_it_is_reaped(void)
{
    struct mproc_plat_process process = spawn_child("end", MPROC_PLAT_NONE);
    const struct mproc_plat_process *list = &process;
    uint64_t stamp = 77;
    size_t index;
    CHECK_OK(mproc_plat_process_watch(&list, 1, in_seconds(60), &index));
    CHECK_FAILS(mproc_plat_process_stamp(process.pid, &stamp), MPROC_ENOTFOUND);
    CU_ASSERT_EQUAL(stamp, 77);
    CU_ASSERT_EQUAL(reap_child(&process), 3);
    CHECK_FAILS(mproc_plat_process_stamp(process.pid, &stamp), MPROC_ENOTFOUND);
    CHECK_FAILS(mproc_plat_process_stamp(INT32_MAX - 5, &stamp), MPROC_ENOTFOUND);
}

static void processes_are_told_apart_by_their_stamps(void)
{
    uint64_t own, other;
    struct mproc_plat_process process;
    CHECK_OK(mproc_plat_process_stamp(mproc_plat_pid(), &own));
    if (own == 0) {
        skip("this system tells no start times");
        return;
    }
    /* Started after us, it has another one, as soon as the clock that stamps them has moved on. */
    int64_t deadline = in_seconds(60);
    do {
        process = spawn_child("hang", MPROC_PLAT_NONE);
        CHECK_OK(mproc_plat_process_stamp(process.pid, &other));
        CHECK_OK(mproc_plat_process_stop(&process, true));
        reap_child(&process);
    } while (own == other && mproc_plat_now() < deadline);
    CU_ASSERT_NOT_EQUAL(own, other);
}

static void a_signal_reaches_only_the_process_with_the_stamp(void)
{
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    uint64_t stamp = 0;
    CHECK_OK(mproc_plat_process_stamp(process.pid, &stamp));
    const struct mproc_plat_process *list = &process;
    size_t index = 7;
    if (stamp) {
        CHECK_OK(mproc_plat_process_signal(process.pid, stamp + 1, true));
        CU_ASSERT_EQUAL(mproc_plat_process_watch(&list, 1, mproc_plat_now() + SECONDS / 20, &index),
                        MPROC_ETIMEDOUT);
        CU_ASSERT_EQUAL(index, 7);
    }
    CHECK_OK(mproc_plat_process_signal(process.pid, stamp, false));
    CU_ASSERT_EQUAL(reap_child(&process), -15);
    CHECK_OK(mproc_plat_process_signal(process.pid, stamp, true));
    process = spawn_child("hang", MPROC_PLAT_NONE);
    CHECK_OK(mproc_plat_process_stamp(process.pid, &stamp));
    CHECK_OK(mproc_plat_process_signal(process.pid, stamp, true));
    CU_ASSERT_EQUAL(reap_child(&process), system_is_windows() ? -15 : -9);
}

static void there_is_at_least_one_cpu(void)
{
    CU_ASSERT_TRUE(mproc_plat_cpu_count() >= 1);
    CU_ASSERT_TRUE(mproc_plat_cpu_count() < 100000);
}

static void wait_for_word(void *context)
{
    while (atomic_load((_Atomic int *) context) == 0)
        sleep_briefly();
}

static void threads_are_counted(void)
{
    if (skip_if_emulated("qemu-user has threads of its own"))
        return;
    int before = mproc_plat_thread_count();
    if (before == 0) {
        skip("this system cannot tell");
        return;
    }
    _Atomic int word = 0;
    struct test_thread *threads[3];
#ifdef MPROC_SANITIZED
    /* A sanitizer may have a thread of its own, and start it with the first of ours. */
    _Atomic int none_to_wait_for = 1;
    thread_join(thread_start(wait_for_word, &none_to_wait_for));
    mproc_plat_sleep(SECONDS / 5);
    before = mproc_plat_thread_count();
    CU_ASSERT_TRUE(before >= 1);
#else
    CU_ASSERT_EQUAL(before, 1);
#endif
    for (int i = 0; i < 3; i++)
        threads[i] = thread_start(wait_for_word, &word);
    CU_ASSERT_EQUAL(mproc_plat_thread_count(), before + 3);
    atomic_store(&word, 1);
    for (int i = 0; i < 3; i++)
        thread_join(threads[i]);
    /* The kernel may take a moment longer than the join. */
    for (int i = 0; i < 10000 && mproc_plat_thread_count() != before; i++)
        sleep_briefly();
    CU_ASSERT_EQUAL(mproc_plat_thread_count(), before);
}

MPROC_CONTRACT_SUITE(identity, child, MPROC_TEST(this_process_has_a_pid_and_a_stamp),
                     MPROC_TEST(a_process_that_has_ended_has_no_stamp_even_before_it_is_reaped),
                     MPROC_TEST(processes_are_told_apart_by_their_stamps),
                     MPROC_TEST(a_signal_reaches_only_the_process_with_the_stamp),
                     MPROC_TEST(there_is_at_least_one_cpu), MPROC_TEST(threads_are_counted))
