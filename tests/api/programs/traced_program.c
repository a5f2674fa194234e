/* SPDX-License-Identifier: MIT */
/* A family for MPROC_TRACE: a child that calculates and waits, and one that is killed; with the argument "torn"
 * also one that is killed while it writes an event, with "forked" one that the host forked. */
#include "mproc.h"

#include "fault.h"
#include "platform.h"

#include <string.h>
#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

struct shared {
    mproc_lock lock;
    mproc_event doomed;
};

static int calculate(void *argument)
{
    const struct shared *shared = argument;
    mproc_trace_begin("calculation");
    mproc_trace_begin("with \"quotes\"");
    MPROC_MUST(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    MPROC_MUST(mproc_lock_release(shared->lock));
    mproc_trace_end();
    mproc_trace_end();
    return 0;
}

static int be_killed(void *argument)
{
    const struct shared *shared = argument;
    mproc_trace_begin("doomed");
    MPROC_MUST(mproc_event_set(shared->doomed));
    (void) !mproc_lock_acquire(shared->lock, MPROC_FOREVER);
    return 0;
}

/* Only for that the child is seen to wait: then the trace must show it. */
static void wait_until_somebody_waits(void)
{
    char text[4000];
    do
        mproc_describe_locks(text, sizeof text);
    while (!strstr(text, "waiting: "));
}

static int tear_an_event(void *argument)
{
    (void) argument;
    mproc_trace_begin("whole");
    MPROC_MUST(mproc_plat_set_environment("MPROC_FAULT", "trace.before_phase:1:kill"));
    MPROC_FAULT_FORGET();
    mproc_trace_begin("torn");
    return 0;
}

/* Whether it ended well. */
static bool fork_and_trace(void)
{
#ifdef _WIN32
    return false;
#else
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        mproc_trace_begin("in a fork");
        mproc_trace_end();
        mproc_exit(0);
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
#endif
}

int main(int argc, char **argv)
{
    mproc_init();
    struct shared shared;
    mproc_process *process;
    MPROC_MUST(mproc_lock_create(&shared.lock));
    MPROC_MUST(mproc_event_create(&shared.doomed));
    MPROC_MUST(mproc_lock_acquire(shared.lock, MPROC_FOREVER));

    MPROC_MUST(mproc_process_start(&process, calculate, &shared, sizeof shared, NULL));
    wait_until_somebody_waits();
    MPROC_MUST(mproc_lock_release(shared.lock));
    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(process));

    MPROC_MUST(mproc_lock_acquire(shared.lock, MPROC_FOREVER));
    MPROC_MUST(mproc_process_start(&process, be_killed, &shared, sizeof shared, NULL));
    MPROC_MUST(mproc_event_wait(shared.doomed, MPROC_FOREVER));
    MPROC_MUST(mproc_process_kill(process));
    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(process));

    if (argc > 1 && strcmp(argv[1], "forked") == 0)
        return !fork_and_trace();
    if (argc > 1 && strcmp(argv[1], "torn") == 0) {
        int exit_code;
        MPROC_MUST(mproc_process_start(&process, tear_an_event, NULL, 0, NULL));
        MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
        MPROC_MUST(mproc_process_exit_code(process, &exit_code));
        MPROC_MUST(mproc_process_close(process));
        mproc_trace_begin("afterwards");
        mproc_trace_end();
        return exit_code == 0; /* it was to be killed */
    }
    return 0;
}
