/* SPDX-License-Identifier: MIT */
/* The boundary: starting any program, signals to it, jobs, and the list of all processes. */
#include "contract.h"

#define HELPER PROGRAM("helper")

static int child(const char *boot)
{
    (void) boot;
    return 1; /* these tests start another program */
}

static mproc_err launch(const char *const *argv, const mproc_popen_options *options,
                        mproc_plat_handle output, struct mproc_plat_process *process,
                        mproc_plat_handle *job)
{
    static const mproc_popen_options defaults;
    struct mproc_plat_launch launch = { .argv = argv,
                                        .options = options ? options : &defaults,
                                        .standard = { MPROC_PLAT_NONE, output, MPROC_PLAT_NONE },
                                        .terminal = MPROC_PLAT_NONE };
    return mproc_plat_launch(&launch, process, job);
}

static void a_program_is_started_and_can_be_watched_and_reaped(void)
{
    struct mproc_plat_process process;
    mproc_plat_handle job = 77;
    CHECK_OK(launch(MPROC_ARGV(HELPER, "exit", "5"), NULL, MPROC_PLAT_NONE, &process, &job));
    CU_ASSERT_EQUAL(job, MPROC_PLAT_NONE);
    CU_ASSERT_FALSE(process.relayed);
    CU_ASSERT_TRUE(process.pid > 0 && process.pid != mproc_plat_pid());
    CU_ASSERT_EQUAL(reap_child(&process), 5);
}

static void an_error_changes_nothing(void)
{
    if (skip_if_emulated("qemu-user reports no failed start of a program"))
        return;
    struct mproc_plat_process process = { .pid = 12, .watch = 34 };
    mproc_plat_handle job = 56;
    mproc_popen_options nowhere = { .working_directory = "no such folder" };
    CHECK_FAILS(launch(MPROC_ARGV("./no such program"), NULL, MPROC_PLAT_NONE, &process, &job),
                MPROC_ENOTFOUND);
    CHECK_FAILS(launch(MPROC_ARGV(HELPER, "exit", "0"), &nowhere, MPROC_PLAT_NONE, &process, &job),
                MPROC_ENOTFOUND);
    nowhere.new_session = true;
    nowhere.set_umask = !system_is_windows();
    CHECK_FAILS(launch(MPROC_ARGV(HELPER, "exit", "0"), &nowhere, MPROC_PLAT_NONE, &process, &job),
                MPROC_ENOTFOUND);
    CU_ASSERT_TRUE(process.pid == 12 && process.watch == 34 && job == 56);
}

static void the_status_tells_what_was_used(void)
{
    struct mproc_plat_process process;
    struct mproc_plat_status status = { .known = false };
    mproc_plat_handle job;
    CHECK_OK(launch(MPROC_ARGV(HELPER, "busy"), NULL, MPROC_PLAT_NONE, &process, &job));
    CU_ASSERT_FALSE(mproc_plat_process_reap(&process, &status));
    const struct mproc_plat_process *list = &process;
    size_t index;
    CHECK_OK(mproc_plat_process_watch(&list, 1, in_seconds(60), &index));
    CU_ASSERT_TRUE(mproc_plat_process_reap(&process, &status));
    CU_ASSERT_TRUE(status.known);
    if (system_is_wine())
        skip("Wine gives this process's own times for those of another");
    else
        CU_ASSERT_TRUE(status.usage.user_us + status.usage.system_us > 50000);
    mproc_plat_process_forget(&process);
}

static void signals_are_sent_until_it_has_ended(void)
{
    struct mproc_plat_process process;
    mproc_plat_handle job;
    CHECK_OK(launch(MPROC_ARGV(HELPER, "sleep", "100000"), NULL, MPROC_PLAT_NONE, &process, &job));
    CHECK_FAILS(mproc_plat_process_send(&process, 12345), system_is_windows() ? MPROC_ENOTSUP : MPROC_EINVAL);
    CHECK_OK(mproc_plat_process_send(&process, 15));
    const struct mproc_plat_process *list = &process;
    size_t index;
    CHECK_OK(mproc_plat_process_watch(&list, 1, in_seconds(60), &index));
    CHECK_OK(mproc_plat_process_send(&process, 15)); /* a zombie takes it */
    CU_ASSERT_EQUAL(reap_child(&process), -15);
}

static bool can_list(void)
{
    struct mproc_plat_process_entry *list;
    size_t count;
    if (mproc_plat_process_list(&list, &count) == MPROC_ENOTSUP) {
        skip("this system does not list its processes");
        return false;
    }
    free(list);
    return true;
}

static void the_list_has_this_process_and_its_children_and_no_zombies(void)
{
    if (skip_if_emulated("qemu-user starts programs without sessions, groups and users of their own"))
        return;
    if (!can_list())
        return;
    struct mproc_plat_process process;
    mproc_plat_handle job;
    mproc_popen_options options = { .new_session = true };
    CHECK_OK(launch(MPROC_ARGV(HELPER, "sleep", "100000"), &options, MPROC_PLAT_NONE, &process, &job));
    for (int round = 0; round < 2; round++) {
        struct mproc_plat_process_entry *list;
        size_t count, own = 0, childs = 0;
        uint64_t stamp = 0;
        CHECK_OK(mproc_plat_process_list(&list, &count));
        for (size_t i = 0; i < count; i++) {
            if (list[i].pid == mproc_plat_pid())
                own++;
            if (list[i].pid != process.pid)
                continue;
            childs++;
            CU_ASSERT_EQUAL(list[i].parent, mproc_plat_pid());
            CU_ASSERT_EQUAL(list[i].session, system_is_windows() ? -1 : process.pid);
            CU_ASSERT_EQUAL(list[i].group, system_is_windows() ? -1 : process.pid);
            CHECK_OK(mproc_plat_process_stamp(process.pid, &stamp));
            CU_ASSERT_EQUAL(list[i].stamp, stamp);
        }
        free(list);
        CU_ASSERT_EQUAL(own, 1);
        CU_ASSERT_EQUAL(childs, round == 0 ? 1 : 0);
        CHECK_OK(mproc_plat_process_send(&process, 9));
        const struct mproc_plat_process *watched = &process;
        size_t index;
        CHECK_OK(mproc_plat_process_watch(&watched, 1, in_seconds(60), &index));
    }
    CU_ASSERT_EQUAL(reap_child(&process), system_is_windows() ? -15 : -9);
    mproc_plat_handle_close(job);
}

static void a_job_ends_all_that_it_holds(void)
{
    if (!system_is_windows()) {
        skip("Unix has sessions in place of jobs");
        return;
    }
    struct mproc_plat_process process;
    struct mproc_plat_stream *stream;
    mproc_plat_handle job, output;
    mproc_popen_options options = { .new_session = true };
    CHECK_OK(mproc_plat_stream_pipe(false, 0, &stream, &output));
    CHECK_OK(launch(MPROC_ARGV(HELPER, "tree", "2"), &options, output, &process, &job));
    mproc_plat_handle_close(output);
    char text[400] = "";
    size_t got = 0, lines = 0;
    while (lines < 7) {
        struct mproc_plat_transfer transfer = { .stream = stream, .buffer = text + got,
                                                .size = sizeof text - 1 - got };
        CU_ASSERT_EQUAL_FATAL(mproc_plat_stream_transfer(&transfer, 1, in_seconds(60)), MPROC_OK);
        CU_ASSERT_FALSE_FATAL(transfer.ended);
        for (size_t i = 0; i < transfer.done; i++)
            lines += text[got + i] == '\n';
        got += transfer.done;
    }
    mproc_plat_job_stop(job);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        CU_ASSERT_TRUE(pid_ends_within(atoll(line), 20000));
    mproc_plat_stream_close(stream);
    mproc_plat_handle_close(job);
    CU_ASSERT_EQUAL(reap_child(&process), -15);
}

MPROC_CONTRACT_SUITE(launch, child, MPROC_TEST(a_program_is_started_and_can_be_watched_and_reaped),
                     MPROC_TEST(an_error_changes_nothing), MPROC_TEST(the_status_tells_what_was_used),
                     MPROC_TEST(signals_are_sent_until_it_has_ended),
                     MPROC_TEST(the_list_has_this_process_and_its_children_and_no_zombies),
                     MPROC_TEST(a_job_ends_all_that_it_holds))
