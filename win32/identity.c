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

/* The system rounds a pid down to a multiple of 4: what it opened may be another one's. */
mproc_err mproc_plat_process_stamp(int64_t pid, uint64_t *stamp)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE,
                                 (DWORD) pid);
    bool denied = !process && GetLastError() == ERROR_ACCESS_DENIED;
    uint64_t found = 0;
    bool lives = process && GetProcessId(process) == (DWORD) pid &&
                 mproc__creation_time(process, &found);
    if (process)
        CloseHandle(process);
    if (!lives)
        return mproc__fail(denied ? MPROC_EPERM : MPROC_ENOTFOUND,
                           denied ? "process %lld is not yours to look at"
                                  : "no process with pid %lld runs",
                           (long long) pid);
    *stamp = found;
    return MPROC_OK;
}

mproc_err mproc_plat_process_signal(int64_t pid, uint64_t stamp, bool force)
{
    (void) force;
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE |
                                     PROCESS_TERMINATE,
                                 FALSE, (DWORD) pid);
    uint64_t found = 0;
    mproc_err err = MPROC_OK;
    /* The open handle keeps the pid from being given to another while we look. */
    if (process && mproc__creation_time(process, &found) && found == stamp &&
        !TerminateProcess(process, MPROC__TERMINATED) &&
        WaitForSingleObject(process, 0) == WAIT_TIMEOUT)
        err = mproc__fail_system(MPROC_EPERM, (int) GetLastError(), "cannot terminate process %lld",
                                 (long long) pid);
    if (process)
        CloseHandle(process);
    return err;
}

mproc_err mproc__own_path(char *path, size_t size)
{
    wchar_t wide[MPROC_PLAT_PATH_SIZE];
    DWORD length = GetModuleFileNameW(NULL, wide, MPROC_PLAT_PATH_SIZE);
    if (length == 0 || length >= MPROC_PLAT_PATH_SIZE)
        return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(), "the path of this program");
    return mproc__narrow(wide, path, size);
}

int mproc_plat_cpu_count(void)
{
    DWORD_PTR own, all;
    int count = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &own, &all))
        for (; own; own &= own - 1)
            count++;
    /* Both masks are 0 if its threads are in several groups of 64. */
    if (count == 0)
        count = (int) GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return count > 0 ? count : 1;
}

int mproc_plat_thread_count(void)
{
    return 0; /* only asked before a fork */
}
