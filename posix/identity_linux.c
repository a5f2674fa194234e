/* SPDX-License-Identifier: MIT */
/* Who processes are, on Linux: /proc, pidfds, CPU affinity. */
#include "compiler.h"
#include "direct.h"
#include "linux.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More CPUs than any Linux counts. */
#define MOST_CPUS (1 << 18)

MPROC_IN_CHILD int64_t mproc_plat_pid(void)
{
    return mproc__direct_pid();
}

/* ---- stamps ---- */

static mproc_err not_there(int64_t pid)
{
    return mproc__fail(MPROC_ENOTFOUND, "There is no process %lld (any more)", (long long) pid);
}

/* Its file cannot be read. That there is none tells nothing where /proc is not mounted or hides others' processes. */
static mproc_err not_seen(int64_t pid, int code)
{
    if ((kill((pid_t) pid, 0) != 0 && errno == ESRCH) || mproc__is_ended_child((pid_t) pid))
        return not_there(pid);
    mproc_err err = mproc__from_errno(code);
    return mproc__fail_system(err == MPROC_ENOTFOUND ? MPROC_ESYSTEM : err, code,
                              "Process %lld cannot be looked up; /proc must be mounted, show it, and a descriptor be "
                              "free",
                              (long long) pid);
}

mproc_err mproc_plat_process_stamp(int64_t pid, uint64_t *stamp)
{
    char path[PROC_PATH_SIZE];
    struct process_stat status;
    if (pid <= 0)
        return not_there(pid);
    /* By this detour qemu-user does not know the file of the process itself, which it would make up: others
     * would read another stamp and take it for dead. */
    if (pid == getpid())
        strcpy(path, "/proc/./self/stat");
    else
        mproc__proc_path(path, "/proc/", pid, "/stat");
    int found = mproc__read_stat(path, &status);
    if (found == 0)
        return not_seen(pid, errno);
    if (found < 0)
        return mproc__fail(MPROC_ESYSTEM, "%s is not as this version of mproc knows it", path);
    if (mproc__has_ended(&status))
        return not_there(pid);
    *stamp = status.start;
    return MPROC_OK;
}

mproc_err mproc_plat_process_signal(int64_t pid, uint64_t stamp, bool force)
{
    int process = (int) syscall(SYS_pidfd_open, (pid_t) pid, 0);
    int code = process < 0 ? errno : 0;
    uint64_t found;
    mproc_err err = MPROC_OK;
    if (process >= 0) {
        /* The descriptor pins the process: it cannot become another one after the comparison. */
        err = mproc_plat_process_stamp(pid, &found);
        if (err == MPROC_OK && found == stamp &&
            syscall(SYS_pidfd_send_signal, process, force ? SIGKILL : SIGTERM, NULL, 0) != 0)
            code = errno;
        close(process);
    }
    if (err != MPROC_OK && err != MPROC_ENOTFOUND)
        return err;
    if (code == 0 || code == ESRCH || code == EINVAL)
        return MPROC_OK;
    return mproc__fail_system(mproc__from_errno(code), code, "Process %lld cannot be ended; %s", (long long) pid,
                              code == EPERM ? "does it run as another user?" : "is a descriptor free?");
}

/* ---- this program ---- */

/* Reads the link to the executable. The kernel marks one that is gone or was replaced; *gone tells
 * and the mark is taken off. */
static mproc_err read_own_link(char *path, size_t size, bool *gone)
{
    static const char mark[] = " (deleted)";
    ssize_t length = readlink("/proc/self/exe", path, size);
    if (length < 0 || (size_t) length >= size) {
        int code = length < 0 ? errno : ENAMETOOLONG;
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "This program's path is not known; /proc must be mounted");
    }
    path[length] = '\0';
    char *end = path + length - (sizeof mark - 1);
    *gone = end > path && strcmp(end, mark) == 0 && access(path, F_OK) != 0;
    if (*gone)
        *end = '\0';
    return MPROC_OK;
}

mproc_err mproc__own_path(char *path, size_t size)
{
    bool gone;
    return read_own_link(path, size, &gone);
}

/* The path gives the process its name in ps and top; the link works without the file. */
mproc_err mproc__own_program(char *path, size_t size, const char **first, const char **second)
{
    static const char link[] = "/proc/self/exe";
    bool gone;
    mproc_err err = read_own_link(path, size, &gone);
    if (err != MPROC_OK)
        return err;
    *first = gone ? link : path;
    *second = gone ? NULL : link;
    return MPROC_OK;
}

/* The C library's own word that there never was a second thread, where it gives one. */
extern char __libc_single_threaded __attribute__((weak));

MPROC_IN_CHILD int mproc_plat_thread_count(void)
{
    if (&__libc_single_threaded && __libc_single_threaded)
        return 1;
    struct stat folder;
    /* Each thread's folder links to the one that holds it. */
    if (stat("/proc/self/task", &folder) != 0 || folder.st_nlink < 3)
        return 0;
    return (int) folder.st_nlink - 2;
}

/* ---- CPUs ---- */

/* This thread's affinity, to be released with CPU_FREE(); NULL with errno. */
static cpu_set_t *get_affinity(size_t *cpu_count)
{
    for (size_t count = 1024; count <= MOST_CPUS; count *= 4) {
        cpu_set_t *set = CPU_ALLOC(count);
        if (!set)
            return NULL;
        CPU_ZERO_S(CPU_ALLOC_SIZE(count), set);
        if (sched_getaffinity(0, CPU_ALLOC_SIZE(count), set) == 0) {
            *cpu_count = count;
            return set;
        }
        CPU_FREE(set);
        if (errno != EINVAL)
            return NULL;
    }
    return NULL;
}

int mproc_plat_cpu_count(void)
{
    size_t size;
    int count = (int) sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t *set = get_affinity(&size);
    if (set) {
        count = CPU_COUNT_S(CPU_ALLOC_SIZE(size), set);
        CPU_FREE(set);
    }
    count = mproc__cgroup_cpus(count);
    return count > 0 ? count : 1;
}

mproc_err mproc__cpus_check(const int *cpus, size_t count)
{
    size_t size = 0;
    int wrong = -1;
    cpu_set_t *set = get_affinity(&size);
    if (!set)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "This process's CPUs cannot be asked for");
    bool allowed = count > 0;
    for (size_t i = 0; i < count && allowed; i++) {
        wrong = cpus[i];
        allowed = wrong >= 0 && (size_t) wrong < size &&
                  CPU_ISSET_S((size_t) wrong, CPU_ALLOC_SIZE(size), set);
    }
    CPU_FREE(set);
    if (allowed)
        return MPROC_OK;
    return mproc__fail(MPROC_EINVAL,
                       "CPU %d is not one that this process may use (taskset -p %d "
                       "shows them)",
                       wrong, (int) getpid());
}

mproc_err mproc__cpus_apply(const int *cpus, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most = (size_t) cpus[i] > most ? (size_t) cpus[i] : most;
    cpu_set_t *set = CPU_ALLOC(most + 1);
    if (!set)
        return mproc__fail(MPROC_ENOMEM, "No memory for a set of %zu CPUs", most + 1);
    size_t size = CPU_ALLOC_SIZE(most + 1);
    CPU_ZERO_S(size, set);
    for (size_t i = 0; i < count; i++)
        CPU_SET_S((size_t) cpus[i], size, set);
    int failed = sched_setaffinity(0, size, set);
    int code = errno;
    CPU_FREE(set);
    if (failed)
        return mproc__fail_system(code == EPERM ? MPROC_EPERM : MPROC_EINVAL, code,
                                  "The child's CPUs cannot be set; use numbers that its parent may "
                                  "use");
    return MPROC_OK;
}
