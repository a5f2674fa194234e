/* SPDX-License-Identifier: MIT */
/* Pids, creation times, the program's path, CPUs. */
#include "win32.h"

#include <stdlib.h>

int64_t mproc_plat_pid(void)
{
    return (int64_t) GetCurrentProcessId();
}

bool mproc__creation_time(HANDLE process, uint64_t *stamp)
{
    FILETIME created, ended, kernel, user;
    if (WaitForSingleObject(process, 0) != WAIT_TIMEOUT ||
        !GetProcessTimes(process, &created, &ended, &kernel, &user))
        return false;
    *stamp = (uint64_t) created.dwHighDateTime << 32 | created.dwLowDateTime;
    return true;
}

static mproc_err not_there(int64_t pid)
{
    return mproc__fail(MPROC_ENOTFOUND, "no process with pid %lld runs", (long long) pid);
}

static mproc_err not_seen(int64_t pid, DWORD code)
{
    return mproc__fail_system(mproc__from_windows(code), (int) code,
                              "process %lld cannot be looked at; does it run as another user?", (long long) pid);
}

/* *process is to be closed. The system rounds a pid down to a multiple of 4: what it opens may be another one's. */
static mproc_err open_process(int64_t pid, DWORD rights, HANDLE *process)
{
    HANDLE opened = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE | rights, FALSE, (DWORD) pid);
    if (!opened) /* ERROR_INVALID_PARAMETER: there is none */
        return GetLastError() == ERROR_INVALID_PARAMETER ? not_there(pid) : not_seen(pid, GetLastError());
    DWORD found = GetProcessId(opened);
    DWORD code = GetLastError();
    if (found == (DWORD) pid) {
        *process = opened;
        return MPROC_OK;
    }
    CloseHandle(opened);
    return found == 0 ? not_seen(pid, code) : not_there(pid);
}

static mproc_err stamp_of(HANDLE process, int64_t pid, uint64_t *stamp)
{
    if (mproc__creation_time(process, stamp))
        return MPROC_OK;
    DWORD code = GetLastError();
    return WaitForSingleObject(process, 0) == WAIT_OBJECT_0 ? not_there(pid) : not_seen(pid, code);
}

mproc_err mproc_plat_process_stamp(int64_t pid, uint64_t *stamp)
{
    HANDLE process;
    uint64_t found;
    mproc_err err = open_process(pid, 0, &process);
    if (err != MPROC_OK)
        return err;
    err = stamp_of(process, pid, &found);
    CloseHandle(process);
    if (err == MPROC_OK)
        *stamp = found;
    return err;
}

mproc_err mproc_plat_process_signal(int64_t pid, uint64_t stamp, bool force)
{
    (void) force;
    HANDLE process;
    uint64_t found;
    mproc_err err = open_process(pid, PROCESS_TERMINATE, &process);
    if (err != MPROC_OK)
        return err == MPROC_ENOTFOUND ? MPROC_OK : err;
    /* The open handle keeps the pid from being given to another while we look. */
    err = stamp_of(process, pid, &found);
    if (err == MPROC_OK && found == stamp && !TerminateProcess(process, MPROC__TERMINATED) &&
        WaitForSingleObject(process, 0) == WAIT_TIMEOUT)
        err = mproc__fail_system(MPROC_EPERM, (int) GetLastError(), "cannot terminate process %lld",
                                 (long long) pid);
    CloseHandle(process);
    return err == MPROC_ENOTFOUND ? MPROC_OK : err;
}

mproc_err mproc__own_path(char *path, size_t size)
{
    wchar_t wide[MPROC_PLAT_PATH_SIZE];
    DWORD length = GetModuleFileNameW(NULL, wide, MPROC_PLAT_PATH_SIZE);
    if (length == 0 || length >= MPROC_PLAT_PATH_SIZE)
        return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(), "the path of this program");
    return mproc__narrow(wide, path, size);
}

/* If this process may run in several groups of 64 CPUs, as by default it may from Windows 11 on; else 0. The mask of
 * its affinity is that of one group. */
static int count_in_groups(void)
{
    USHORT groups[64], group_count = sizeof groups / sizeof groups[0];
    if (!GetProcessGroupAffinity(GetCurrentProcess(), &group_count, groups) || group_count < 2)
        return 0;
    int count = 0;
    for (USHORT i = 0; i < group_count; i++)
        count += (int) GetActiveProcessorCount(groups[i]);
    return count;
}

int mproc_plat_cpu_count(void)
{
    DWORD_PTR own, all;
    int count = count_in_groups();
    if (count == 0 && GetProcessAffinityMask(GetCurrentProcess(), &own, &all))
        for (; own; own &= own - 1)
            count++;
    if (count == 0)
        count = (int) GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return count > 0 ? count : 1;
}

int mproc_plat_thread_count(void)
{
    return 0; /* only asked before a fork */
}
