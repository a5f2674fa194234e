/* SPDX-License-Identifier: MIT */
/* Who processes are, on macOS: libproc. */
#include "posix.h"

#include <errno.h>
#include <libproc.h>
#include <limits.h>
#include <mach-o/dyld.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/proc.h>
#include <unistd.h>

int64_t mproc_plat_pid(void)
{
    return getpid();
}

mproc_err mproc_plat_process_stamp(int64_t pid, uint64_t *stamp)
{
    struct proc_bsdinfo info;
    errno = 0;
    int got = proc_pidinfo((int) pid, PROC_PIDTBSDINFO, 0, &info, (int) sizeof info);
    int code = errno;
    bool seen = got == (int) sizeof info;
    /* What has ended and is not reaped is ESRCH as well. */
    if (pid <= 0 || (seen && info.pbi_status == SZOMB) || (!seen && code == ESRCH))
        return mproc__fail(MPROC_ENOTFOUND, "There is no process %lld (any more)", (long long) pid);
    if (!seen)
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "Process %lld cannot be looked up; does it run as another user?",
                                  (long long) pid);
    *stamp = info.pbi_start_tvsec * UINT64_C(1000000) + info.pbi_start_tvusec;
    return MPROC_OK;
}

mproc_err mproc_plat_process_signal(int64_t pid, uint64_t stamp, bool force)
{
    uint64_t found;
    mproc_err err = mproc_plat_process_stamp(pid, &found);
    if (err == MPROC_ENOTFOUND || (err == MPROC_OK && found != stamp))
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
    char given[MPROC_PLAT_PATH_SIZE];
    uint32_t given_size = sizeof given;
    if (_NSGetExecutablePath(given, &given_size) != 0)
        return mproc__fail(MPROC_ESYSTEM, "This program's path is too long; use a shorter one");
    char *real = realpath(given, NULL);
    const char *found = real ? real : given;
    bool fits = strlen(found) < size;
    if (fits)
        strcpy(path, found);
    free(real);
    return fits ? MPROC_OK
                : mproc__fail(MPROC_ESYSTEM, "This program's path is too long; use a shorter one");
}

mproc_err mproc__own_program(char *path, size_t size, const char **first, const char **second)
{
    *first = path;
    *second = NULL;
    return mproc__own_path(path, size);
}

int mproc_plat_cpu_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int) count : 1;
}

int mproc_plat_thread_count(void)
{
    struct proc_taskinfo info;
    int got = proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &info, (int) sizeof info);
    return got == (int) sizeof info ? info.pti_threadnum : 0;
}

mproc_err mproc__cpus_check(const int *cpus, size_t count)
{
    (void) cpus;
    (void) count;
    return mproc__fail(MPROC_ENOTSUP, "macOS cannot bind a process to CPUs; leave out the option "
                                      "cpus");
}

mproc_err mproc__cpus_apply(const int *cpus, size_t count)
{
    return mproc__cpus_check(cpus, count);
}
