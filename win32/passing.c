/* SPDX-License-Identifier: MIT */
/* Handing handles over to the process at the other end of a named pipe. */
#include "transport.h"

#include <string.h>

/* The process on the other side of a pipe, as the system knows it. */
static mproc_err peer_of(const struct mproc_plat_channel *channel, DWORD *pid)
{
    DWORD flags;
    ULONG found = 0;
    if (!mproc__is_pipe(channel))
        return mproc__fail(MPROC_ENOTSUP, "only a named pipe can carry a handle; connect by \\\\.\\pipe\\name");
    if (!GetNamedPipeInfo((HANDLE) channel->handle, &flags, NULL, NULL, NULL) ||
        !(flags & PIPE_SERVER_END ? GetNamedPipeClientProcessId((HANDLE) channel->handle, &found)
                                  : GetNamedPipeServerProcessId((HANDLE) channel->handle, &found)))
        return mproc__fail_system(MPROC_ENOTSUP, (int) GetLastError(),
                                  "Windows does not say which process is at the other end of the pipe");
    *pid = found;
    return MPROC_OK;
}

/* A handle goes as its number in this process, of a copy that the receiver fetches and closes: what
 * comes over a pipe must not be able to name a handle of the receiver's own. */
mproc_err mproc_plat_channel_pack(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                  mproc_native_kind kind, void *text, size_t size, size_t *used,
                                  mproc_plat_handle *passed)
{
    DWORD pid;
    mproc_err err = peer_of(channel, &pid);
    if (err != MPROC_OK)
        return err;
    if (kind == MPROC_NATIVE_SOCKET) {
        WSAPROTOCOL_INFOW information;
        if (sizeof information > size || WSADuplicateSocketW((SOCKET) handle, pid, &information) != 0)
            return mproc__fail_system(MPROC_EINVAL, WSAGetLastError(), "socket %lld cannot be sent",
                                      (long long) handle);
        memcpy(text, &information, sizeof information);
        *used = sizeof information;
        *passed = handle;
        return MPROC_OK;
    }
    HANDLE copy;
    if (!DuplicateHandle(GetCurrentProcess(), (HANDLE) handle, GetCurrentProcess(), &copy, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
        return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(), "handle %lld cannot be sent",
                                  (long long) handle);
    uint64_t number = (uint64_t) (uintptr_t) copy;
    memcpy(text, &number, sizeof number);
    *used = sizeof number;
    *passed = (mproc_plat_handle) copy;
    return MPROC_OK;
}

mproc_err mproc_plat_channel_unpack(struct mproc_plat_channel *channel, const void *text, size_t size,
                                    mproc_plat_handle passed, mproc_native_kind kind,
                                    mproc_plat_handle *handle)
{
    (void) passed;
    if (kind == MPROC_NATIVE_SOCKET) {
        WSAPROTOCOL_INFOW information;
        mproc_err err = mproc__start_sockets();
        if (err != MPROC_OK)
            return err;
        if (size != sizeof information)
            return mproc__fail(MPROC_EPROTO, "a message said to carry a socket carries none");
        memcpy(&information, text, sizeof information);
        SOCKET made = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &information, 0,
                                 WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
        if (made == INVALID_SOCKET)
            return mproc__fail_system(MPROC_EPROTO, WSAGetLastError(), "the socket that came cannot be used");
        *handle = (mproc_plat_handle) made;
        return MPROC_OK;
    }
    uint64_t number;
    DWORD pid;
    mproc_err err = peer_of(channel, &pid);
    if (err != MPROC_OK)
        return err;
    if (size != sizeof number)
        return mproc__fail(MPROC_EPROTO, "a message said to carry a handle carries none");
    memcpy(&number, text, sizeof number);
    HANDLE made, sender = OpenProcess(PROCESS_DUP_HANDLE, FALSE, pid);
    if (!sender)
        return mproc__fail_system(MPROC_EDIED, (int) GetLastError(), "the sender of the handle is gone");
    BOOL done = DuplicateHandle(sender, (HANDLE) (uintptr_t) number, GetCurrentProcess(), &made, 0, FALSE,
                                DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
    DWORD code = GetLastError();
    CloseHandle(sender);
    if (!done)
        return mproc__fail_system(MPROC_EPROTO, (int) code, "the handle that came cannot be had");
    *handle = (mproc_plat_handle) made;
    return MPROC_OK;
}
