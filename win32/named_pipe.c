/* SPDX-License-Identifier: MIT */
/* Named pipes of messages: listening, accepting and connecting. */
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIPE_BUFFER = 8192 };

/* ---- listening ---- */

/* One more instance of the pipe, waiting for a client. */
static mproc_err next_instance(struct mproc_plat_channel *listener, bool first)
{
    struct transport *own = listener->own;
    HANDLE pipe = CreateNamedPipeW(own->name,
                                   PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED |
                                       (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
                                   PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT |
                                       PIPE_REJECT_REMOTE_CLIENTS,
                                   PIPE_UNLIMITED_INSTANCES, PIPE_BUFFER, PIPE_BUFFER, 0, NULL);
    if (pipe == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        mproc_err err = code == ERROR_ACCESS_DENIED || code == ERROR_PIPE_BUSY ? MPROC_EEXIST
                                                                               : mproc__from_windows(code);
        return mproc__fail_system(err, (int) code, "cannot listen at the pipe %ls", own->name);
    }
    listener->handle = (mproc_plat_handle) pipe;
    DWORD instances = 1; /* Wine does not know FILE_FLAG_FIRST_PIPE_INSTANCE */
    if (first && GetNamedPipeHandleStateW(pipe, NULL, &instances, NULL, NULL, NULL, 0) && instances > 1)
        return mproc__fail(MPROC_EEXIST, "somebody else listens at the pipe %ls", own->name);
    ResetEvent(own->reading.hEvent);
    own->connected = ConnectNamedPipe(pipe, &own->reading);
    DWORD code = GetLastError();
    own->pending = !own->connected && code == ERROR_IO_PENDING;
    if (!own->pending) { /* a client was faster, or has come and gone */
        own->connected = true;
        SetEvent(own->reading.hEvent);
    }
    return MPROC_OK;
}

mproc_err mproc__pipe_listen(struct mproc_plat_channel *channel, const char *address, char *bound)
{
    char fresh[MPROC_ADDRESS_SIZE];
    uint64_t random[2];
    mproc_err err = mproc_plat_random(random, sizeof random);
    if (err != MPROC_OK)
        return err;
    snprintf(fresh, sizeof fresh, "\\\\.\\pipe\\mproc-%lu-%016llx%016llx", GetCurrentProcessId(),
             (unsigned long long) random[0], (unsigned long long) random[1]);
    struct mproc_plat_channel made;
    err = mproc__transport_make(&made, MPROC_PLAT_NONE, MPROC_FAMILY_PIPE, 0);
    if (err != MPROC_OK)
        return err;
    struct transport *own = made.own;
    err = mproc__wide(address ? address : fresh, &own->name);
    if (err == MPROC_OK)
        err = next_instance(&made, true);
    if (err != MPROC_OK) {
        mproc_plat_channel_close(&made);
        return err;
    }
    *channel = made;
    snprintf(bound, MPROC_ADDRESS_SIZE, "%s", address ? address : fresh);
    return MPROC_OK;
}

mproc_err mproc__pipe_accept(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel)
{
    struct transport *own = listener->own;
    DWORD count;
    if (listener->handle == MPROC_PLAT_NONE) { /* the last accept could not make it */
        mproc_err err = next_instance(listener, false);
        if (err != MPROC_OK)
            return err;
    }
    if (own->pending) {
        if (!mproc__transport_result(listener, &own->reading, &count, false) && GetLastError() == ERROR_IO_INCOMPLETE)
            return MPROC_ETIMEDOUT;
        own->pending = false;
        own->connected = true;
    }
    mproc_err err = mproc__transport_make(channel, listener->handle, MPROC_FAMILY_PIPE, READ_AHEAD);
    if (err != MPROC_OK)
        return err;
    listener->handle = MPROC_PLAT_NONE;
    own->connected = false;
    (void) next_instance(listener, false); /* if it fails, the next accept says so */
    return MPROC_OK;
}

/* ---- connecting ---- */

mproc_err mproc__pipe_connect(struct mproc_plat_channel *channel, const char *address, int64_t deadline)
{
    wchar_t *name;
    mproc_err err = mproc__wide(address, &name);
    if (err != MPROC_OK)
        return err;
    HANDLE pipe;
    for (;;) {
        pipe = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                           FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
        if (pipe != INVALID_HANDLE_VALUE)
            break;
        DWORD code = GetLastError(), left = mproc__milliseconds(deadline);
        if (code == ERROR_PIPE_BUSY && left > 0) {
            WaitNamedPipeW(name, left < 100 ? left : 100);
            continue;
        }
        err = code == ERROR_PIPE_BUSY
                  ? mproc__fail(MPROC_ETIMEDOUT, "\"%s\" does not take the connection", address)
                  : mproc__fail_system(mproc__from_windows(code), (int) code, "cannot connect to \"%s\"", address);
        break;
    }
    free(name);
    if (err != MPROC_OK)
        return err;
    DWORD mode = PIPE_READMODE_MESSAGE;
    if (!SetNamedPipeHandleState(pipe, &mode, NULL, NULL))
        err = mproc__fail_system(MPROC_EPROTO, (int) GetLastError(), "\"%s\" is no pipe of messages", address);
    if (err == MPROC_OK)
        err = mproc__transport_make(channel, (mproc_plat_handle) pipe, MPROC_FAMILY_PIPE, READ_AHEAD);
    if (err != MPROC_OK)
        CloseHandle(pipe);
    return err;
}
