/* SPDX-License-Identifier: MIT */
/* Limits by a job of the process's own, and CPU affinity. */
#include "win32.h"

mproc_err mproc_plat_confine_check(const mproc_limits *limits, const int *cpus, size_t cpu_count)
{
    if (limits->file_bytes || limits->open_descriptors || limits->core_bytes)
        return mproc__fail(MPROC_ENOTSUP, "Windows limits only memory and CPU time; leave the others 0");
    DWORD_PTR own, all;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &own, &all))
        return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(), "the CPUs of this process");
    for (size_t i = 0; i < cpu_count; i++)
        if (cpus[i] < 0 || cpus[i] >= (int) (8 * sizeof all) || !(all >> cpus[i] & 1))
            return mproc__fail(MPROC_EINVAL, "CPU %d is not one this process may use", cpus[i]);
    return MPROC_OK;
}

static uint64_t value_of(uint64_t limit)
{
    return limit == MPROC_LIMIT_ZERO ? 0 : limit;
}

mproc_err mproc_plat_confine_apply(const mproc_limits *limits, const int *cpus, size_t cpu_count)
{
    DWORD_PTR mask = 0;
    for (size_t i = 0; i < cpu_count; i++)
        mask |= (DWORD_PTR) 1 << cpus[i];
    if (mask && !SetProcessAffinityMask(GetCurrentProcess(), mask))
        return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(), "cannot set the child's CPUs");
    if (!limits->memory_bytes && !limits->cpu_seconds)
        return MPROC_OK;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION wanted = { 0 };
    if (limits->memory_bytes) {
        wanted.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_MEMORY;
        wanted.ProcessMemoryLimit = (SIZE_T) value_of(limits->memory_bytes);
    }
    if (limits->cpu_seconds) {
        wanted.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_TIME;
        wanted.BasicLimitInformation.PerProcessUserTimeLimit.QuadPart =
            (LONGLONG) value_of(limits->cpu_seconds) * 10000000;
    }
    /* Kept open: the limits last as long as the job. */
    HANDLE job = CreateJobObjectW(NULL, NULL);
    if (!job || !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &wanted, sizeof wanted) ||
        !AssignProcessToJobObject(job, GetCurrentProcess())) {
        mproc_err err = mproc__fail_system(MPROC_EPERM, (int) GetLastError(), "cannot limit the child");
        if (job)
            CloseHandle(job);
        return err;
    }
    return MPROC_OK;
}
