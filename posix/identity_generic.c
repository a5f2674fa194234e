/* SPDX-License-Identifier: MIT */
/* Who processes are, with what every POSIX system has: no CPU affinity, no count of threads, and for
 * start times a record lock. A process that asked for its own stamp holds a lock on the region's byte
 * that its pid numbers; the system drops it when the process ends, reaped or not. It drops it too when the process
 * closes any descriptor of the region's file: there is one, which nothing here duplicates in a process that lives, and
 * a program that closes descriptors it did not open would be taken for dead by those that wait for its locks. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int64_t mproc_plat_pid(void)
{
    return getpid();
}

/* 0 or an errno; without a region nobody has a lock. */
static int record_lock(bool own, int64_t pid, bool *held)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t) pid, .l_len = 1 };
    mproc_plat_handle region = mproc_plat_region_handle();
    *held = false;
    if (region == MPROC_PLAT_NONE)
        return 0;
    if (fcntl((int) region, own ? F_SETLK : F_GETLK, &lock) != 0)
        return errno;
    *held = own || lock.l_type != F_UNLCK;
    return 0;
}

/* Stamp 1: it holds its lock. 0: it never asked for one; then a stranger that has ended and is not
 * reaped cannot be told from one that runs. */
mproc_err mproc_plat_process_stamp(int64_t pid, uint64_t *stamp)
{
    if (pid <= 0 || (kill((pid_t) pid, 0) != 0 && errno == ESRCH) || mproc__is_ended_child((pid_t) pid))
        return mproc__fail(MPROC_ENOTFOUND, "There is no process %lld (any more)", (long long) pid);
    bool held;
    int code = record_lock(pid == mproc_plat_pid(), pid, &held);
    if (code)
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "Whether process %lld runs cannot be asked; fcntl() must be able to lock the "
                                  "family's memory",
                                  (long long) pid);
    *stamp = held;
    return MPROC_OK;
}

mproc_err mproc_plat_process_signal(int64_t pid, uint64_t stamp, bool force)
{
    uint64_t found = 0;
    mproc_err err = mproc_plat_process_stamp(pid, &found);
    /* It may have asked for its stamp since: 1 where 0 was. */
    if (err == MPROC_ENOTFOUND || (err == MPROC_OK && found < stamp))
        return MPROC_OK;
    if (err != MPROC_OK)
        return err;
    if (kill((pid_t) pid, force ? SIGKILL : SIGTERM) == 0 || errno == ESRCH)
        return MPROC_OK;
    return mproc__fail_system(mproc__from_errno(errno), errno,
                              "Process %lld cannot be ended; does it run as another user?",
                              (long long) pid);
}

mproc_err mproc__own_path(char *path, size_t size)
{
    static const char *const links[] = { "/proc/self/exe", "/proc/curproc/file",
                                         "/proc/curproc/exe", "/proc/self/path/a.out" };
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        ssize_t length = readlink(links[i], path, size);
        if (length > 0 && (size_t) length < size) {
            path[length] = '\0';
            return MPROC_OK;
        }
    }
    return mproc__fail(MPROC_ENOTSUP,
                       "This system does not tell a program its path; mount /proc or "
                       "call mproc_set_executable()");
}

mproc_err mproc__own_program(char *path, size_t size, const char **first, const char **second)
{
    mproc_err err = mproc__own_path(path, size);
    if (err != MPROC_OK)
        return err;
    *first = path;
    *second = "/proc/self/exe";
    return MPROC_OK;
}

int mproc_plat_cpu_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int) count : 1;
}

int mproc_plat_thread_count(void)
{
    return 0;
}

mproc_err mproc__cpus_check(const int *cpus, size_t count)
{
    (void) cpus;
    (void) count;
    return mproc__fail(MPROC_ENOTSUP, "This system cannot bind a process to CPUs; leave out the "
                                      "option cpus");
}

mproc_err mproc__cpus_apply(const int *cpus, size_t count)
{
    return mproc__cpus_check(cpus, count);
}
