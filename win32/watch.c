/* SPDX-License-Identifier: MIT */
/* Waiting for the end of any of many processes. */
#include "win32.h"

#include <stdlib.h>

/* The first that has ended; `count` if none has. */
static size_t find_ended(const struct mproc_plat_process *const *processes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (processes[i]->watch == MPROC_PLAT_NONE ||
            WaitForSingleObject((HANDLE) processes[i]->watch, 0) == WAIT_OBJECT_0)
            return i;
    return count;
}

static void CALLBACK ended(void *event, BOOLEAN timed_out)
{
    (void) timed_out;
    SetEvent((HANDLE) event);
}

/* More than the system waits for at once: its thread pool waits, and tells one event. */
static mproc_err wait_for_many(const struct mproc_plat_process *const *processes, size_t count,
                               int64_t deadline)
{
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    HANDLE *waits = calloc(count, sizeof *waits);
    mproc_err err = MPROC_OK;
    if (!event || !waits)
        err = mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu processes", count);
    for (size_t i = 0; err == MPROC_OK && i < count; i++)
        if (!RegisterWaitForSingleObject(&waits[i], (HANDLE) processes[i]->watch, ended, event,
                                         INFINITE, WT_EXECUTEONLYONCE))
            err = mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(),
                                     "cannot wait for %zu processes", count);
    if (err == MPROC_OK)
        WaitForSingleObject(event, mproc__milliseconds(deadline));
    for (size_t i = 0; waits && i < count; i++)
        if (waits[i])
            UnregisterWaitEx(waits[i], INVALID_HANDLE_VALUE);
    free(waits);
    if (event)
        CloseHandle(event);
    return err;
}

static mproc_err wait_for_some(const struct mproc_plat_process *const *processes, size_t count,
                               int64_t deadline)
{
    HANDLE handles[MAXIMUM_WAIT_OBJECTS];
    if (count > MAXIMUM_WAIT_OBJECTS)
        return wait_for_many(processes, count, deadline);
    if (count == 0) {
        Sleep(mproc__milliseconds(deadline));
        return MPROC_OK;
    }
    for (size_t i = 0; i < count; i++)
        handles[i] = (HANDLE) processes[i]->watch;
    if (WaitForMultipleObjects((DWORD) count, handles, FALSE, mproc__milliseconds(deadline)) !=
        WAIT_FAILED)
        return MPROC_OK;
    /* The same one twice, which registered waits allow. */
    if (GetLastError() == ERROR_INVALID_PARAMETER)
        return wait_for_many(processes, count, deadline);
    return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(), "cannot wait for processes");
}

mproc_err mproc_plat_process_watch(const struct mproc_plat_process *const *processes, size_t count,
                                   int64_t deadline, size_t *index)
{
    for (;;) {
        size_t found = find_ended(processes, count);
        if (found < count) {
            *index = found;
            return MPROC_OK;
        }
        if (deadline == 0 || mproc_plat_now() >= deadline)
            return MPROC_ETIMEDOUT;
        mproc_err err = wait_for_some(processes, count, deadline);
        if (err != MPROC_OK)
            return err;
    }
}
