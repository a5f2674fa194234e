/* SPDX-License-Identifier: MIT */
/* The end of a direct child where its descriptor says that it may have ended, and waitid() whether it has: on macOS
 * the event comes a little earlier, elsewhere others may hold the pipe. */
#include "posix.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

bool mproc__watch_sleep(const struct mproc_plat_process *process)
{
    (void) process;
    return false;
}

bool mproc__watch_ended(const struct mproc_plat_process *process, bool ready)
{
    siginfo_t info;
    info.si_pid = 0;
    int failed;
    do
        failed = waitid(P_PID, (id_t) process->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    while (failed && errno == EINTR);
    /* Not there any more; or nobody may ask, and the descriptor has to do. */
    return failed ? errno == ECHILD || ready : info.si_pid != 0;
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

bool mproc__watch_tells(void)
{
    return false;
}

int mproc__watch_open(pid_t pid)
{
    (void) pid;
    errno = ENOSYS;
    return -1;
}

int mproc__child_signal(void)
{
    return -1;
}

void mproc__wake_at_hangup(int reader)
{
    (void) reader;
}

bool mproc__kill_at_hangup(int reader)
{
    (void) reader;
    return false;
}
