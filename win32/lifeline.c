/* SPDX-License-Identifier: MIT */
/* The lifeline is a handle of the parent process itself. */
#include "win32.h"

static HANDLE own_end;
static SRWLOCK making = SRWLOCK_INIT;

mproc_err mproc_plat_lifeline(mproc_plat_handle *child_end)
{
    mproc_err err = MPROC_OK;
    HANDLE self = GetCurrentProcess();
    AcquireSRWLockExclusive(&making);
    if (!own_end && !DuplicateHandle(self, self, self, &own_end,
                                     SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, 0)) {
        own_end = NULL;
        err = mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(), "no handle of this process");
    }
    if (own_end)
        *child_end = (mproc_plat_handle) own_end;
    ReleaseSRWLockExclusive(&making);
    return err;
}

void mproc_plat_lifeline_forked(void)
{
}

void mproc_plat_lifeline_rebind(mproc_plat_handle child_end)
{
    (void) child_end;
}

static void (*_Atomic last_act)(void);

static void CALLBACK end_too(void *unused, BOOLEAN timed_out)
{
    (void) unused;
    (void) timed_out;
    void (*act)(void) = atomic_load(&last_act);
    if (act)
        act();
    TerminateProcess(GetCurrentProcess(), MPROC__TERMINATED);
}

/* The parent's job does it first; this holds where a job cannot be had. */
mproc_err mproc_plat_lifeline_bind(mproc_plat_handle child_end)
{
    HANDLE wait;
    if (RegisterWaitForSingleObject(&wait, (HANDLE) child_end, end_too, NULL, INFINITE,
                                    WT_EXECUTEONLYONCE))
        return MPROC_OK;
    return mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(),
                              "cannot watch the parent of a daemon");
}

mproc_err mproc_plat_lifeline_take_along(mproc_plat_handle child_end, void (*act)(void))
{
    (void) child_end;
    atomic_store(&last_act, act);
    return MPROC_OK;
}

mproc_err mproc_plat_lifeline_wait(mproc_plat_handle child_end, int64_t deadline)
{
    for (;;) {
        DWORD answer = WaitForSingleObject((HANDLE) child_end, mproc__milliseconds(deadline));
        if (answer == WAIT_OBJECT_0)
            return MPROC_OK;
        if (answer == WAIT_FAILED)
            return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(),
                                      "cannot wait for the parent");
        if (deadline == 0 || mproc_plat_now() >= deadline)
            return MPROC_ETIMEDOUT;
    }
}
