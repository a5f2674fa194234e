/* SPDX-License-Identifier: MIT */
/* The end of a direct child, on Linux: a pidfd, which no reuse of the pid can deceive. */
#include "compiler.h"
#include "linux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

const int64_t mproc__watch_interval = MPROC_PLAT_NEVER;
const bool mproc__watch_inherited = true;

void mproc__watch_adopt(void)
{
}

/* A descriptor to give up when the table is full, so that this is noticed while nothing has started.
 * It is kept from one start to the next, and a forked child has it for its own starts. */
static _Atomic int spare = -1;

mproc_err mproc__watch_prepare(struct mproc__watch *watch)
{
    watch->child_end = -1;
    watch->parent_end = atomic_exchange(&spare, -1);
    if (watch->parent_end < 0)
        watch->parent_end = fcntl((int) mproc_plat_region_handle(), F_DUPFD_CLOEXEC, 3);
    if (watch->parent_end < 0 && errno == EBADF)
        watch->parent_end = eventfd(0, EFD_CLOEXEC);
    if (watch->parent_end >= 0)
        return MPROC_OK;
    return mproc__fail_system(mproc__from_errno(errno), errno,
                              "The new process cannot be watched; close descriptors or raise "
                              "RLIMIT_NOFILE");
}

void mproc__watch_cancel(struct mproc__watch *watch)
{
    int code = errno, none = -1;
    if (watch->parent_end >= 0 && !atomic_compare_exchange_strong(&spare, &none, watch->parent_end))
        close(watch->parent_end);
    errno = code;
}

MPROC_IN_CHILD void mproc__watch_in_child(struct mproc__watch *watch)
{
    atomic_store(&spare, watch->parent_end);
}

static bool give_up_spare(struct mproc__watch *watch)
{
    if (watch->parent_end < 0)
        return false;
    close(watch->parent_end);
    watch->parent_end = -1;
    return true;
}

static bool table_is_full(void)
{
    return errno == EMFILE || errno == ENFILE;
}

static int open_watch(struct mproc__watch *watch, pid_t pid)
{
    int opened;
    do
        opened = (int) syscall(SYS_pidfd_open, pid, 0);
    while (opened < 0 && table_is_full() && give_up_spare(watch));
    if (opened >= 0 || errno != ESRCH)
        return opened;
    /* Where the host ignores SIGCHLD the child may have come and gone. */
    do
        opened = eventfd(1, EFD_CLOEXEC);
    while (opened < 0 && table_is_full() && give_up_spare(watch));
    return opened;
}

mproc_err mproc__watch_begin(struct mproc__watch *watch, pid_t pid, mproc_plat_handle *handle)
{
    int opened = open_watch(watch, pid);
    if (opened >= 0 && opened <= 2)
        give_up_spare(watch);
    mproc__watch_cancel(watch);
    if (opened < 0 && errno == ENOSYS)
        return mproc__fail_system(
            MPROC_ENOTSUP, errno,
            "Processes cannot be watched: pidfd_open() needs Linux 5.4; build "
            "mproc with MPROC_GENERIC_POSIX for this kernel");
    opened = mproc__above_standard(opened);
    if (opened < 0)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "The new process cannot be watched; close descriptors or raise "
                                  "RLIMIT_NOFILE");
    *handle = opened;
    return MPROC_OK;
}

/* The status was taken by the host, or by another thread of ours, or is nobody's as SIGCHLD is ignored; EBADF: it is
 * the eventfd of a child that had come and gone. So the child has ended. Any other error tells nothing about it. */
static bool is_gone(int code)
{
    return code == ECHILD || code == EBADF;
}

/* poll() costs the ending child an extra wake-up. */
bool mproc__watch_sleep(const struct mproc_plat_process *process)
{
    siginfo_t info;
    while (waitid((idtype_t) P_PIDFD, (id_t) process->watch, &info, WEXITED | WNOWAIT) != 0)
        if (errno != EINTR)
            return is_gone(errno);
    return true;
}

bool mproc__watch_ended(const struct mproc_plat_process *process, bool ready)
{
    (void) process;
    return ready;
}

/* Where waitid() knows no pidfds (Linux 5.3) or is forbidden. The pid is the child's until it is reaped. */
static bool reap_by_pid(const struct mproc_plat_process *process, struct mproc_plat_status *status)
{
    int wait_status;
    struct rusage usage;
    struct pollfd entry = { .fd = (int) process->watch, .events = POLLIN };
    if (mproc__poll(&entry, 1, 0) <= 0)
        return false;
    pid_t got = wait4((pid_t) process->pid, &wait_status, WNOHANG, &usage);
    /* It has ended, and nobody may ask how. */
    *status = (struct mproc_plat_status){ .known = false };
    if (got > 0) {
        mproc__decode_status(wait_status, status);
        status->usage = mproc__usage(&usage);
    }
    return got != 0;
}

bool mproc__watch_reap(const struct mproc_plat_process *process, struct mproc_plat_status *status)
{
    siginfo_t info;
    info.si_pid = 0;
    struct rusage usage;
    int failed;
    /* The system call tells what was used, too; the C library's waitid() does not. */
    do
        failed = (int) syscall(SYS_waitid, P_PIDFD, (int) process->watch, &info, WEXITED | WNOHANG, &usage);
    while (failed && errno == EINTR);
    if (failed && !is_gone(errno))
        return reap_by_pid(process, status);
    if (!failed && info.si_pid == 0)
        return false;
    status->known = !failed;
    status->signalled = !failed && info.si_code != CLD_EXITED;
    status->code = failed ? 0 : info.si_status;
    status->usage = failed ? (mproc_usage){ 0 } : mproc__usage(&usage);
    return true;
}

int mproc__watch_signal(const struct mproc_plat_process *process, int signal)
{
    if (syscall(SYS_pidfd_send_signal, (int) process->watch, signal, NULL, 0) == 0)
        return 0;
    /* EINVAL, EBADF: the eventfd of a child that had come and gone. */
    return errno == EINVAL || errno == EBADF ? ESRCH : errno;
}

int mproc__child_signal(void)
{
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    return mproc__above_standard(signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK));
}

void mproc__spare_at_hangup(int reader)
{
    (void) fcntl(reader, F_SETFL, O_NONBLOCK);
}

bool mproc__kill_at_hangup(int reader)
{
    /* Owner and signal belong to the open file description, which an inherited descriptor shares
     * with the parent and all its other children; opened anew, it is this process's own. */
    char path[PROC_PATH_SIZE];
    int own = open(mproc__proc_path(path, "/proc/self/fd/", reader, ""), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (own < 0)
        return false;
    bool bound = fcntl(own, F_SETOWN, getpid()) == 0 && fcntl(own, F_SETSIG, SIGKILL) == 0 &&
                 fcntl(own, F_SETFL, O_ASYNC | O_NONBLOCK) == 0 &&
                 dup3(own, reader, O_CLOEXEC) == reader;
    close(own);
    if (!bound)
        return false;
    struct pollfd entry = { .fd = reader, .events = POLLIN };
    if (mproc__poll(&entry, 1, 0) > 0)
        kill(getpid(), SIGKILL);
    return true;
}
