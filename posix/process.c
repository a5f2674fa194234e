/* SPDX-License-Identifier: MIT */
/* Forking, watching, reaping and ending processes. */
#include "compiler.h"
#include "direct.h"
#include "posix.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* More processes than this are watched with memory from the heap. */
#define FEW 64
/* Nanoseconds between questions whether a process that is ending has ended: at first, and at most (a
 * program that was started in generic POSIX drops its pipe at once and runs on). */
#define EXIT_NAP 200000
#define LONGEST_NAP 10000000

const char *mproc__remedy(int code)
{
    switch (code) {
    case EAGAIN:
        return "end other processes or raise RLIMIT_NPROC";
    case ENOMEM:
        return "free memory or raise RLIMIT_AS";
    case EMFILE:
        return "close descriptors or raise RLIMIT_NOFILE";
    case ENFILE:
        return "all programs together have too many files open";
    default:
        return NULL;
    }
}

void mproc__decode_status(int wait_status, struct mproc_plat_status *status)
{
    status->known = true;
    status->signalled = WIFSIGNALED(wait_status);
    status->code = status->signalled ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t) time.tv_sec * 1000000 + (uint64_t) time.tv_usec;
}

mproc_usage mproc__usage(const struct rusage *usage)
{
    return (mproc_usage){ .user_us = microseconds(usage->ru_utime),
                          .system_us = microseconds(usage->ru_stime),
                          .max_resident_bytes = (uint64_t) usage->ru_maxrss * MPROC_MAXRSS_UNIT };
}

void mproc__abandon(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

bool mproc__is_ended_child(pid_t pid)
{
    siginfo_t info;
    info.si_pid = 0;
    return waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

MPROC_IN_CHILD static mproc_err fork_watched(struct mproc__watch *watch, struct mproc_plat_process *process,
                              bool *in_child)
{
    pid_t pid = mproc__fork();
    if (pid < 0) {
        int code = errno;
        const char *remedy = mproc__remedy(code);
        mproc__watch_cancel(watch);
        return mproc__fail_system(mproc__from_errno(code), code, "This process cannot be forked just now; %s",
                                  remedy ? remedy : "check that this system can fork");
    }
    if (pid == 0) {
        mproc__drop_held();
        mproc__watch_in_child(watch);
        mproc__streams_forked();
        *in_child = true;
        return MPROC_OK;
    }
    mproc_plat_handle handle;
    mproc_err err = mproc__watch_begin(watch, pid, &handle);
    if (err != MPROC_OK) {
        mproc__abandon(pid);
        return err;
    }
    *process = (struct mproc_plat_process){ .pid = pid, .watch = handle };
    *in_child = false;
    return MPROC_OK;
}

MPROC_IN_CHILD mproc_err mproc_plat_fork(struct mproc_plat_process *process, bool *in_child)
{
    struct mproc__watch watch;
    mproc_err err = mproc__watch_prepare(&watch);
    if (err != MPROC_OK)
        return err;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = fork_watched(&watch, process, in_child);
    mproc__direct_set_mask(&before);
    return err;
}

static bool find_ended(const struct mproc_plat_process *const *processes,
                       const struct pollfd *entries, size_t count, size_t *index)
{
    for (size_t i = 0; i < count; i++) {
        bool ready = entries[i].revents != 0;
        if (processes[i]->watch != MPROC_PLAT_NONE && !processes[i]->relayed)
            ready = mproc__watch_ended(processes[i], ready);
        if (ready || processes[i]->watch == MPROC_PLAT_NONE) {
            *index = i;
            return true;
        }
    }
    return false;
}

static int64_t next_look(int64_t deadline)
{
    if (deadline == 0 || mproc__watch_interval == MPROC_PLAT_NEVER)
        return deadline;
    int64_t soon = mproc_plat_now() + mproc__watch_interval;
    return soon < deadline ? soon : deadline;
}

static mproc_err watch_entries(const struct mproc_plat_process *const *processes,
                               struct pollfd *entries, size_t count, int64_t deadline,
                               size_t *index)
{
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct pollfd){ .fd = (int) processes[i]->watch, .events = POLLIN };
        if (processes[i]->watch == MPROC_PLAT_NONE)
            deadline = 0;
    }
    long nap = EXIT_NAP;
    for (;;) {
        int ready = mproc__poll(entries, count, next_look(deadline));
        if (ready < 0)
            return mproc__fail_system(
                mproc__from_errno(errno), errno,
                "%zu processes cannot be watched at once; raise RLIMIT_NOFILE", count);
        if (find_ended(processes, entries, count, index))
            return MPROC_OK;
        if (deadline != MPROC_PLAT_NEVER && mproc_plat_now() >= deadline)
            return MPROC_ETIMEDOUT;
        /* It closes its descriptors a little before it has ended. */
        if (ready > 0)
            nanosleep(&(struct timespec){ .tv_nsec = nap }, NULL);
        nap = nap < LONGEST_NAP / 2 ? nap * 2 : LONGEST_NAP;
    }
}

mproc_err mproc_plat_process_watch(const struct mproc_plat_process *const *processes, size_t count,
                                   int64_t deadline, size_t *index)
{
    if (count == 1 && deadline == MPROC_PLAT_NEVER && !processes[0]->relayed &&
        processes[0]->watch != MPROC_PLAT_NONE && mproc__watch_sleep(processes[0])) {
        *index = 0;
        return MPROC_OK;
    }
    struct pollfd few[FEW];
    struct pollfd *entries = few;
    if (count > FEW)
        entries = malloc(count * sizeof *entries);
    if (!entries)
        return mproc__fail(MPROC_ENOMEM, "No memory to watch %zu processes; watch fewer at once",
                           count);
    mproc_err err = watch_entries(processes, entries, count, deadline, index);
    if (entries != few)
        free(entries);
    return err;
}

/* A template writes the status of its child once; at end of file the template is gone too. */
static bool reap_relayed(const struct mproc_plat_process *process, struct mproc_plat_status *status)
{
    int32_t wait_status;
    ssize_t got;
    do
        got = read((int) process->watch, &wait_status, sizeof wait_status);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return false;
    *status = (struct mproc_plat_status){ .known = false };
    if (got == (ssize_t) sizeof wait_status)
        mproc__decode_status(wait_status, status);
    return true;
}

bool mproc_plat_process_reap(struct mproc_plat_process *process, struct mproc_plat_status *status)
{
    return process->relayed ? reap_relayed(process, status) : mproc__watch_reap(process, status);
}

static mproc_err send_signal(const struct mproc_plat_process *process, int signal)
{
    int failed = 0;
    if (!process->relayed)
        failed = mproc__watch_signal(process, signal);
    else if (kill((pid_t) process->pid, signal) != 0)
        failed = errno;
    if (failed == 0 || failed == ESRCH)
        return MPROC_OK;
    return mproc__fail_system(mproc__from_errno(failed), failed,
                              "Process %lld cannot be ended; does it run as another user?",
                              (long long) process->pid);
}

mproc_err mproc_plat_process_stop(const struct mproc_plat_process *process, bool force)
{
    return send_signal(process, force ? SIGKILL : SIGTERM);
}

mproc_err mproc_plat_process_interrupt(const struct mproc_plat_process *process)
{
    return send_signal(process, SIGINT);
}

MPROC_IN_CHILD void mproc_plat_process_forked(const struct mproc_plat_process *process)
{
    if (process->watch != MPROC_PLAT_NONE && (process->relayed || mproc__watch_inherited))
        mproc__direct_close((int) process->watch);
}

void mproc_plat_process_forget(struct mproc_plat_process *process)
{
    mproc_plat_handle_close(process->watch);
    process->watch = MPROC_PLAT_NONE;
}
