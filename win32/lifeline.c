/* SPDX-License-Identifier: MIT */
/* The lifeline is a handle of the parent process itself. */
#include "win32.h"

static HANDLE own_end;

mproc_err mproc_plat_lifeline(mproc_plat_handle *child_end)
{
    if (!own_end &&
        !DuplicateHandle(GetCurrentProcess(), GetCurrentProcess(), GetCurrentProcess(), &own_end,
                         SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, 0))
        return mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(), "no handle of this process");
    *child_end = (mproc_plat_handle) own_end;
    return MPROC_OK;
}

void mproc_plat_lifeline_forked(void)
{
}

static void CALLBACK end_too(void *unused, BOOLEAN timed_out)
{
    (void) unused;
    (void) timed_out;
    TerminateProcess(GetCurrentProcess(), 0x10000);
}

/* The parent's job does it first; this holds where a job cannot be had. */
mproc_err mproc_plat_lifeline_bind(mproc_plat_handle child_end)
{
    HANDLE wait;
    if (RegisterWaitForSingleObject(&wait, (HANDLE) child_end, end_too, NULL, INFINITE, WT_EXECUTEONLYONCE))
        return MPROC_OK;
    return mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(), "cannot watch the parent of a daemon");
}

mproc_err mproc_plat_lifeline_wait(mproc_plat_handle child_end, int64_t deadline)
{
    for (;;) {
        DWORD answer = WaitForSingleObject((HANDLE) child_end, mproc__milliseconds(deadline));
        if (answer == WAIT_OBJECT_0)
            return MPROC_OK;
        if (answer == WAIT_FAILED)
            return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(), "cannot wait for the parent");
        if (deadline == 0 || mproc_plat_now() >= deadline)
            return MPROC_ETIMEDOUT;
    }
}
