/* SPDX-License-Identifier: MIT */
/* The boundary: pids, stamps, this program, CPUs, threads. */
#include "contract.h"

enum { NO_PROCESS = INT32_MAX - 5, CANNOT = 77 };

/* What a process that has no /proc says of one that lives and of one that is not there. */
static int look_from_an_empty_root(const char *pid)
{
    uint64_t stamp;
    if (!enter_empty_root())
        return CANNOT;
    bool knows = mproc_plat_process_stamp(atoll(pid), &stamp) != MPROC_ENOTFOUND &&
                 mproc_plat_process_stamp(NO_PROCESS, &stamp) == MPROC_ENOTFOUND;
    mproc_plat_exit_now(knows ? 0 : 4); /* a sanitizer's last look needs /proc */
}

static int child(const char *boot)
{
    if (strcmp(boot, "hang") == 0)
        return hang_for_ever(NULL);
    if (strcmp(boot, "deny") == 0)
        return deny_others() ? hang_for_ever(NULL) : CANNOT;
    if (strncmp(boot, "root ", 5) == 0)
        return look_from_an_empty_root(boot + 5);
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
    CHECK_FAILS(mproc_plat_process_stamp(NO_PROCESS, &stamp), MPROC_ENOTFOUND);
    CHECK_FAILS(mproc_plat_process_stamp(0, &stamp), MPROC_ENOTFOUND);
}

/* Who cannot look must not say that it is gone. */
static void a_process_that_cannot_be_seen_is_not_said_to_have_ended(void)
{
    intptr_t natives[MOST_HELD];
    uint64_t stamp = 0, again = 77;
    struct mproc_plat_process process = spawn_child("hang", MPROC_PLAT_NONE);
    struct mproc_plat_process ended = spawn_child("end", MPROC_PLAT_NONE);
    const struct mproc_plat_process *list = &ended;
    size_t index;
    CHECK_OK(mproc_plat_process_watch(&list, 1, in_seconds(60), &index));
    CHECK_OK(mproc_plat_process_stamp(process.pid, &stamp));
    int held = hold_all_descriptors(natives);
    mproc_err alive = mproc_plat_process_stamp(process.pid, &again);
    mproc_err own = mproc_plat_process_stamp(mproc_plat_pid(), &again);
    mproc_err zombie = mproc_plat_process_stamp(ended.pid, &again);
    mproc_err nobody = mproc_plat_process_stamp(NO_PROCESS, &again);
    mproc_err stopped = mproc_plat_process_signal(process.pid, stamp, true);
    give_back_descriptors(natives, held);
    if (held == 0)
        skip("this system has no limit of descriptors");
    CU_ASSERT_EQUAL(set_own_limit("descriptors", UINT64_MAX / 2), held > 0);
    CU_ASSERT_NOT_EQUAL(alive, MPROC_ENOTFOUND);
    CU_ASSERT_NOT_EQUAL(own, MPROC_ENOTFOUND);
    CU_ASSERT_EQUAL(zombie, MPROC_ENOTFOUND);
    CU_ASSERT_EQUAL(nobody, MPROC_ENOTFOUND);
    /* It says so if it has done nothing. */
    if (stopped == MPROC_OK)
        CU_ASSERT_TRUE(native_ready(process.watch, 60000));
    CHECK_OK(mproc_plat_process_stop(&process, true));
    reap_child(&process);
    CU_ASSERT_EQUAL(reap_child(&ended), 3);
}

static void a_process_that_may_not_be_looked_at_is_not_said_to_have_ended(void)
{
    struct mproc_plat_process process = spawn_child("deny", MPROC_PLAT_NONE);
    mproc_err err = MPROC_OK;
    uint64_t stamp = 0;
    for (int64_t deadline = in_seconds(60); err == MPROC_OK && mproc_plat_now() < deadline; sleep_briefly())
        err = mproc_plat_process_stamp(process.pid, &stamp);
    if (err == MPROC_EPERM) {
        CHECK_FAILS(mproc_plat_process_signal(process.pid, stamp, true), MPROC_EPERM);
        CHECK_OK(mproc_plat_process_stop(&process, true));
    }
    int code = reap_child(&process);
    if (code == CANNOT)
        skip("no process can deny its own user to look at it here");
    else
        CU_ASSERT_EQUAL(err, MPROC_EPERM);
}

static void a_process_without_proc_does_not_take_others_for_dead(void)
{
    char boot[40];
    snprintf(boot, sizeof boot, "root %lld", (long long) mproc_plat_pid());
    struct mproc_plat_process process = spawn_child(boot, MPROC_PLAT_NONE);
    int code = reap_child(&process);
    if (code == CANNOT)
        skip("only root may change its root, and Windows has none");
    else
        CU_ASSERT_EQUAL(code, 0);
    remove_folder("empty");
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
                     MPROC_TEST(a_process_that_cannot_be_seen_is_not_said_to_have_ended),
                     MPROC_TEST(a_process_that_may_not_be_looked_at_is_not_said_to_have_ended),
                     MPROC_TEST(a_process_without_proc_does_not_take_others_for_dead),
                     MPROC_TEST(processes_are_told_apart_by_their_stamps),
                     MPROC_TEST(a_signal_reaches_only_the_process_with_the_stamp),
                     MPROC_TEST(there_is_at_least_one_cpu), MPROC_TEST(threads_are_counted))
