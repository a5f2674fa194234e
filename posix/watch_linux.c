/* SPDX-License-Identifier: MIT */
/* The end of a process, on Linux: a pidfd, which no reuse of the pid can deceive. */
#include "compiler.h"
#include "linux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
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

/* ---- processes that are no children of this one ---- */

/* linux/pidfd.h as of Linux 6.15. */
struct pidfd_info {
    uint64_t mask, cgroup;
    uint32_t pid, thread_group, parent, users[4], groups[4];
    int32_t exit_code;
};
#define PIDFD_GET_INFO _IOWR(0xff, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT UINT64_C(8)

enum { UNKNOWN = -1 }; /* no wait status */

/* False until it has been reaped. */
static bool read_status(int descriptor, int *wait_status)
{
    struct pidfd_info info = { .mask = PIDFD_INFO_EXIT };
    if (ioctl(descriptor, PIDFD_GET_INFO, &info) != 0 || !(info.mask & PIDFD_INFO_EXIT))
        return false;
    *wait_status = info.exit_code;
    return true;
}

/* Tried, since what emulates or filters system calls does not say what it knows. MPROC_PIDFD=0: as on older
 * systems, for tests. */
bool mproc__watch_tells(void)
{
    enum { CODE = 37 };
    const char *allowed = getenv("MPROC_PIDFD");
    if (allowed && strcmp(allowed, "0") == 0)
        return false;
    pid_t pid = mproc__fork();
    if (pid == 0)
        _exit(CODE);
    if (pid < 0)
        return false;
    int status, descriptor = mproc__watch_open(pid);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    bool tells = descriptor >= 0 && read_status(descriptor, &status) && WIFEXITED(status) &&
                 WEXITSTATUS(status) == CODE;
    if (descriptor >= 0)
        close(descriptor);
    return tells;
}

int mproc__watch_open(pid_t pid)
{
    return mproc__above_standard((int) syscall(SYS_pidfd_open, pid, 0));
}

#define REAPING_LASTS INT64_C(1000000000)

/* A zombie that nobody has reaped yet: its template is about to, was stopped or killed. It may be this process's by
 * now. */
static bool ask_zombie(const struct mproc_plat_process *process, int *wait_status)
{
    struct pollfd entry = { .fd = (int) process->watch, .events = POLLIN };
    if (mproc__poll(&entry, 1, 0) <= 0)
        return false;
    siginfo_t info;
    info.si_pid = 0;
    if (waitid((idtype_t) P_PIDFD, (id_t) process->watch, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
        *wait_status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
        return true;
    }
    if (!mproc__read_zombie(process->pid, wait_status)) {
        *wait_status = UNKNOWN;
        entry.events = 0; /* POLLHUP: it was reaped */
        mproc__poll(&entry, 1, mproc_plat_now() + REAPING_LASTS);
    }
    /* Reaped meanwhile: what was read may be of another that has its pid. */
    (void) read_status((int) process->watch, wait_status);
    return true;
}

static bool reap_foreign(const struct mproc_plat_process *process, struct mproc_plat_status *status)
{
    int wait_status;
    if (!read_status((int) process->watch, &wait_status) && !ask_zombie(process, &wait_status))
        return false;
    *status = (struct mproc_plat_status){ .known = false };
    if (wait_status != UNKNOWN)
        mproc__decode_status(wait_status, status);
    return true;
}

/* ---- children ---- */

/* The status was taken by the host, or by another thread of ours, or is nobody's as SIGCHLD is ignored; EBADF: it is
 * the eventfd of a child that had come and gone. So the child has ended. Any other error tells nothing about it. */
static bool is_gone(int code)
{
    return code == ECHILD || code == EBADF;
}

/* poll() costs the ending child an extra wake-up. */
bool mproc__watch_sleep(const struct mproc_plat_process *process)
{
    if (process->foreign)
        return false;
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
    if (process->foreign)
        return reap_foreign(process, status);
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

void mproc__wake_at_hangup(int reader)
{
    if (fcntl(reader, F_SETSIG, SIGCONT) != 0)
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
