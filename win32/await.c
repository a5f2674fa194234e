/* SPDX-License-Identifier: MIT */
/* Waiting for any number of handles; sockets by an event of theirs; flags. */
#include <winsock2.h>

#include "win32.h"

#include <stdlib.h>

/* Whether a handle is signalled. Looking at an auto-reset event takes its signal, so what was seen
 * once stays seen. False: it is no handle. */
static bool look(mproc_plat_handle handle, bool *ready)
{
    if (*ready || handle == MPROC_PLAT_NONE)
        return true;
    DWORD result = WaitForSingleObject((HANDLE) handle, 0);
    *ready = result == WAIT_OBJECT_0 || result == WAIT_ABANDONED;
    return result != WAIT_FAILED;
}

struct registered {
    HANDLE wait;
    HANDLE event;
    LONG fired;
};

static void CALLBACK fired(void *context, BOOLEAN timed_out)
{
    struct registered *one = context;
    (void) timed_out;
    InterlockedExchange(&one->fired, 1);
    SetEvent(one->event);
}

/* More than the system waits for at once: its thread pool waits, and tells one event. */
static mproc_err wait_for_many(const mproc_plat_handle *handles, size_t count, DWORD timeout, bool *ready)
{
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    struct registered *all = calloc(count, sizeof *all);
    mproc_err err = MPROC_OK;
    if (!event || !all)
        err = mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu things", count);
    for (size_t i = 0; err == MPROC_OK && i < count; i++) {
        all[i].event = event;
        if (handles[i] != MPROC_PLAT_NONE &&
            !RegisterWaitForSingleObject(&all[i].wait, (HANDLE) handles[i], fired, &all[i], INFINITE,
                                         WT_EXECUTEONLYONCE))
            err = mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(), "cannot wait for %zu things", count);
    }
    if (err == MPROC_OK)
        WaitForSingleObject(event, timeout);
    for (size_t i = 0; all && i < count; i++)
        if (all[i].wait) {
            UnregisterWaitEx(all[i].wait, INVALID_HANDLE_VALUE);
            ready[i] = all[i].fired != 0;
        }
    free(all);
    if (event)
        CloseHandle(event);
    return err;
}

static mproc_err wait_once(const mproc_plat_handle *handles, size_t count, DWORD timeout, bool *ready)
{
    HANDLE some[MAXIMUM_WAIT_OBJECTS];
    size_t places[MAXIMUM_WAIT_OBJECTS];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (handles[i] == MPROC_PLAT_NONE)
            continue;
        if (used == MAXIMUM_WAIT_OBJECTS)
            return wait_for_many(handles, count, timeout, ready);
        some[used] = (HANDLE) handles[i];
        places[used++] = i;
    }
    if (used == 0) {
        Sleep(timeout);
        return MPROC_OK;
    }
    DWORD result = WaitForMultipleObjects((DWORD) used, some, FALSE, timeout);
    if (result == WAIT_FAILED) /* the same one twice, which registered waits allow */
        return wait_for_many(handles, count, timeout, ready);
    if (result >= WAIT_ABANDONED_0 && result < WAIT_ABANDONED_0 + used)
        result -= WAIT_ABANDONED_0 - WAIT_OBJECT_0;
    if (result < WAIT_OBJECT_0 + used)
        ready[places[result - WAIT_OBJECT_0]] = true;
    return MPROC_OK;
}

mproc_err mproc_plat_await(const mproc_plat_handle *handles, size_t count, int64_t deadline, bool *ready,
                           size_t *bad)
{
    for (size_t i = 0; i < count; i++)
        ready[i] = false;
    for (;;) {
        bool any = false;
        for (size_t i = 0; i < count; i++) {
            if (!look(handles[i], &ready[i])) {
                *bad = i;
                return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(),
                                          "handle %lld is none that can be waited for", (long long) handles[i]);
            }
            any = any || ready[i];
        }
        if (any)
            return MPROC_OK;
        if (deadline == 0 || mproc_plat_now() >= deadline)
            return MPROC_ETIMEDOUT;
        mproc_err err = wait_once(handles, count, mproc__milliseconds(deadline), ready);
        if (err != MPROC_OK)
            return err;
    }
}

mproc_err mproc_plat_await_socket(mproc_plat_handle socket, mproc_plat_handle *waitable)
{
    WSAEVENT event = WSACreateEvent();
    if (event == WSA_INVALID_EVENT ||
        WSAEventSelect((SOCKET) socket, event, FD_READ | FD_ACCEPT | FD_CLOSE) != 0) {
        int code = WSAGetLastError();
        if (event != WSA_INVALID_EVENT)
            WSACloseEvent(event);
        return mproc__fail_system(MPROC_EINVAL, code, "%lld is no socket", (long long) socket);
    }
    *waitable = (mproc_plat_handle) event;
    return MPROC_OK;
}

void mproc_plat_await_socket_end(mproc_plat_handle socket, mproc_plat_handle waitable)
{
    WSAEventSelect((SOCKET) socket, NULL, 0);
    WSACloseEvent((WSAEVENT) waitable);
}

mproc_err mproc_plat_flag_create(struct mproc_plat_flag *flag)
{
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!event)
        return mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(), "no event to wake threads by");
    flag->handle = (mproc_plat_handle) event;
    flag->other = MPROC_PLAT_NONE;
    return MPROC_OK;
}

void mproc_plat_flag_set(struct mproc_plat_flag *flag)
{
    SetEvent((HANDLE) flag->handle);
}

void mproc_plat_flag_clear(struct mproc_plat_flag *flag)
{
    ResetEvent((HANDLE) flag->handle);
}

void mproc_plat_flag_close(struct mproc_plat_flag *flag)
{
    CloseHandle((HANDLE) flag->handle);
}
