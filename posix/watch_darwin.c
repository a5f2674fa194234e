/* SPDX-License-Identifier: MIT */
/* The end of a direct child, on macOS: a kqueue that waits for its exit. */
#include "posix.h"

#include <errno.h>
#include <signal.h>
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

const int64_t mproc__watch_interval = INT64_C(500000000);

void mproc__watch_adopt(void)
{
}

mproc_err mproc__watch_prepare(struct mproc__watch *watch)
{
    watch->child_end = -1;
    watch->parent_end = mproc__above_standard(kqueue());
    if (watch->parent_end >= 0 && mproc__close_on_exec(watch->parent_end) == 0)
        return MPROC_OK;
    return mproc__fail_system(mproc__from_errno(errno), errno,
                              "The new process cannot be watched; close descriptors or raise "
                              "RLIMIT_NOFILE");
}

void mproc__watch_cancel(struct mproc__watch *watch)
{
    close(watch->parent_end);
}

/* A forked child does not inherit kqueues. */
void mproc__watch_in_child(struct mproc__watch *watch)
{
    (void) watch;
}

mproc_err mproc__watch_begin(struct mproc__watch *watch, pid_t pid, mproc_plat_handle *handle)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t) pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
    int failed = kevent(watch->parent_end, &change, 1, NULL, 0, NULL);
    /* It has ended already: an event that is there at once stands for its end. */
    if (failed && errno == ESRCH) {
        EV_SET(&change, 1, EVFILT_USER, EV_ADD, NOTE_FFNOP, 0, NULL);
        failed = kevent(watch->parent_end, &change, 1, NULL, 0, NULL);
        EV_SET(&change, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
        failed = failed || kevent(watch->parent_end, &change, 1, NULL, 0, NULL);
    }
    if (failed) {
        int code = errno;
        close(watch->parent_end);
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "The new process cannot be watched");
    }
    *handle = watch->parent_end;
    return MPROC_OK;
}

/* The event comes a little before waitpid() would find the process. */
bool mproc__watch_sleep(const struct mproc_plat_process *process)
{
    (void) process;
    return false;
}

bool mproc__watch_ended(const struct mproc_plat_process *process, bool ready)
{
    (void) ready;
    siginfo_t info;
    info.si_pid = 0;
    int failed;
    do
        failed = waitid(P_PID, (id_t) process->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    while (failed && errno == EINTR);
    return failed || info.si_pid != 0;
}

bool mproc__watch_reap(const struct mproc_plat_process *process, struct mproc_plat_status *status)
{
    int wait_status;
    struct rusage usage;
    pid_t got;
    do
        got = wait4((pid_t) process->pid, &wait_status, WNOHANG, &usage);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    *status = (struct mproc_plat_status){ .known = false };
    if (got > 0) {
        mproc__decode_status(wait_status, status);
        status->usage = mproc__usage(&usage);
    }
    return true;
}

int mproc__watch_signal(const struct mproc_plat_process *process, int signal)
{
    return kill((pid_t) process->pid, signal) == 0 ? 0 : errno;
}

int mproc__child_signal(void)
{
    return -1;
}

bool mproc__kill_at_hangup(int reader)
{
    (void) reader;
    return false;
}
