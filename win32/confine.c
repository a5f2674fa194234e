/* SPDX-License-Identifier: MIT */
/* Limits by a job of the process's own, and CPU affinity. */
#include "win32.h"

mproc_err mproc_plat_confine_check(const mproc_limits *limits, const int *cpus, size_t cpu_count)
{
    if (limits->file_bytes || limits->open_descriptors || limits->core_bytes)
        return mproc__fail(MPROC_ENOTSUP,
                           "Windows limits only memory and CPU time; leave the others 0");
    DWORD_PTR own, all;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &own, &all))
        return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(), "the CPUs of this process");
    for (size_t i = 0; i < cpu_count; i++)
        if (cpus[i] < 0 || cpus[i] >= (int) (8 * sizeof all) || !(all >> cpus[i] & 1))
            return mproc__fail(MPROC_EINVAL, "CPU %d is not one this process may use", cpus[i]);
    return MPROC_OK;
}

/* A job takes no 0: one byte, and one tick of 100 ns, come to the same. */
static uint64_t scaled(uint64_t limit, uint64_t unit, uint64_t most)
{
    if (limit == MPROC_LIMIT_ZERO)
        return 1;
    return limit < most / unit ? limit * unit : most;
}

mproc_err mproc_plat_confine_apply(const mproc_limits *limits, const int *cpus, size_t cpu_count)
{
    DWORD_PTR mask = 0;
    for (size_t i = 0; i < cpu_count; i++)
        mask |= (DWORD_PTR) 1 << cpus[i];
    if (mask && !SetProcessAffinityMask(GetCurrentProcess(), mask))
        return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(),
                                  "cannot set the child's CPUs");
    if (!limits->memory_bytes && !limits->cpu_seconds)
        return MPROC_OK;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION wanted = { 0 };
    if (limits->memory_bytes) {
        wanted.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_MEMORY;
        wanted.ProcessMemoryLimit = (SIZE_T) scaled(limits->memory_bytes, 1, SIZE_MAX);
    }
    if (limits->cpu_seconds) {
        wanted.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_TIME;
        wanted.BasicLimitInformation.PerProcessUserTimeLimit.QuadPart = (LONGLONG)
            scaled(limits->cpu_seconds, 10000000, INT64_MAX);
    }
    /* Kept open: the limits last as long as the job. */
    HANDLE job = CreateJobObjectW(NULL, NULL);
    if (!job ||
        !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &wanted, sizeof wanted) ||
        !AssignProcessToJobObject(job, GetCurrentProcess())) {
        mproc_err err = mproc__fail_system(MPROC_EPERM, (int) GetLastError(),
                                           "cannot limit the child");
        if (job)
            CloseHandle(job);
        return err;
    }
    return MPROC_OK;
}
