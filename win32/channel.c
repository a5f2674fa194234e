/* SPDX-License-Identifier: MIT */
/* TCP sockets and message-mode named pipes. Both are read ahead by one overlapped read, whose event
 * is what others wait for; both are written by overlapped writes, which a deadline can end. */
#include "transport.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_WRITTEN = 1 << 20 };

mproc_address_family mproc_plat_channel_family(void)
{
    return MPROC_FAMILY_PIPE;
}

static bool is_gone(DWORD code)
{
    return code == ERROR_BROKEN_PIPE || code == ERROR_NO_DATA || code == ERROR_PIPE_NOT_CONNECTED ||
           code == ERROR_NETNAME_DELETED || code == ERROR_CONNECTION_ABORTED || code == ERROR_HANDLE_EOF ||
           code == WSAECONNRESET || code == WSAECONNABORTED || code == WSAESHUTDOWN ||
           code == WSAENOTCONN || code == WSAEDISCON || code == ERROR_GRACEFUL_DISCONNECT;
}

/* ---- making and closing ---- */

mproc_err mproc__transport_make(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                mproc_address_family family, size_t ahead)
{
    struct transport *own = calloc(1, sizeof *own + ahead);
    HANDLE read = own ? CreateEventW(NULL, TRUE, FALSE, NULL) : NULL;
    HANDLE write = read ? CreateEventW(NULL, TRUE, FALSE, NULL) : NULL;
    if (!write) {
        if (read)
            CloseHandle(read);
        free(own);
        return mproc__fail(MPROC_ENOMEM, "no memory or no events for a connection");
    }
    own->reading.hEvent = read;
    own->writing.hEvent = write;
    *channel = (struct mproc_plat_channel){
        .handle = handle,
        .family = family,
        .whole_messages = family == MPROC_FAMILY_PIPE,
        .own = own,
    };
    return MPROC_OK;
}

static void close_native(mproc_plat_handle handle, mproc_address_family family)
{
    if (handle == MPROC_PLAT_NONE)
        return;
    if (family == MPROC_FAMILY_PIPE)
        CloseHandle((HANDLE) handle);
    else
        closesocket((SOCKET) handle);
}

BOOL mproc__transport_result(const struct mproc_plat_channel *channel, OVERLAPPED *operation, DWORD *count, bool wait)
{
    DWORD flags = 0;
    return mproc__is_pipe(channel)
               ? GetOverlappedResult((HANDLE) channel->handle, operation, count, wait)
               : WSAGetOverlappedResult((SOCKET) channel->handle, operation, count, wait, &flags);
}

void mproc_plat_channel_close(struct mproc_plat_channel *channel)
{
    struct transport *own = channel->own;
    DWORD count;
    if (own && own->pending && channel->handle != MPROC_PLAT_NONE) {
        CancelIoEx((HANDLE) channel->handle, &own->reading);
        mproc__transport_result(channel, &own->reading, &count, true); /* the system writes into `own` until then */
    }
    close_native(channel->handle, channel->family);
    channel->handle = MPROC_PLAT_NONE;
    if (own) {
        CloseHandle(own->reading.hEvent);
        CloseHandle(own->writing.hEvent);
        free(own->name);
        free(own);
    }
    channel->own = NULL;
}

/* ---- by family ---- */

static mproc_err no_unix(void)
{
    return mproc__fail(MPROC_ENOTSUP, "mproc has no Unix sockets on Windows; use \\\\.\\pipe\\name or host:port");
}

mproc_err mproc_plat_channel_listen(struct mproc_plat_channel *channel, mproc_address_family family,
                                    const char *address, int backlog, char *bound)
{
    mproc_err err = family == MPROC_FAMILY_INET   ? mproc__inet_listen(channel, address, backlog, bound)
                    : family == MPROC_FAMILY_PIPE ? mproc__pipe_listen(channel, address, bound)
                                                  : no_unix();
    if (err == MPROC_OK)
        channel->listening = true;
    return err;
}

void mproc_plat_channel_unlink(mproc_address_family family, const char *bound, bool fresh)
{
    (void) family;
    (void) bound;
    (void) fresh;
}

mproc_err mproc_plat_channel_accept(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel,
                                    char *peer)
{
    peer[0] = '\0';
    return mproc__is_pipe(listener) ? mproc__pipe_accept(listener, channel)
                                    : mproc__inet_accept(listener, channel, peer);
}

mproc_err mproc_plat_channel_connect(struct mproc_plat_channel *channel, mproc_address_family family,
                                     const char *address, int64_t deadline)
{
    return family == MPROC_FAMILY_INET   ? mproc__inet_connect(channel, address, deadline)
           : family == MPROC_FAMILY_PIPE ? mproc__pipe_connect(channel, address, deadline)
                                         : no_unix();
}

static bool is_connected(mproc_plat_handle handle, mproc_address_family family)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    DWORD mode = PIPE_READMODE_MESSAGE;
    return family == MPROC_FAMILY_PIPE ? SetNamedPipeHandleState((HANDLE) handle, &mode, NULL, NULL)
                                       : getpeername((SOCKET) handle, (struct sockaddr *) &address, &size) == 0;
}

mproc_err mproc_plat_channel_adopt(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                   mproc_address_family family, bool sent)
{
    int on = 1;
    if (family == MPROC_FAMILY_UNIX)
        return no_unix();
    mproc_err err = mproc__start_sockets();
    if (err != MPROC_OK)
        return err;
    if (!sent && !is_connected(handle, family))
        return mproc__fail(MPROC_EINVAL, "handle %lld is no connected %s", (long long) handle,
                           family == MPROC_FAMILY_PIPE ? "named pipe of messages" : "socket");
    (void) SetHandleInformation((HANDLE) handle, HANDLE_FLAG_INHERIT, 0);
    if (family != MPROC_FAMILY_PIPE) {
        family = MPROC_FAMILY_INET;
        (void) setsockopt((SOCKET) handle, IPPROTO_TCP, TCP_NODELAY, (const char *) &on, sizeof on);
    }
    return mproc__transport_make(channel, handle, family, READ_AHEAD);
}

/* ---- reading ---- */

/* Keeps what a finished read brought. `code`: 0, ERROR_MORE_DATA, or why it failed. */
static mproc_err keep(struct mproc_plat_channel *channel, DWORD code, DWORD count)
{
    struct transport *own = channel->own;
    own->pending = false;
    if (code != 0 && code != ERROR_MORE_DATA)
        return is_gone(code) ? MPROC_ECLOSED
                             : mproc__fail_system(mproc__from_windows(code), (int) code,
                                                  "cannot read from the connection");
    if (count == 0 && !mproc__is_pipe(channel))
        return MPROC_ECLOSED;
    own->have = count;
    own->at = 0;
    own->message = true;
    own->more = code == ERROR_MORE_DATA;
    return MPROC_OK;
}

static mproc_err start_reading(struct mproc_plat_channel *channel)
{
    struct transport *own = channel->own;
    DWORD count = 0, flags = 0;
    ResetEvent(own->reading.hEvent);
    WSABUF place = { .len = READ_AHEAD, .buf = (char *) own->ahead };
    BOOL done = mproc__is_pipe(channel)
                    ? ReadFile((HANDLE) channel->handle, own->ahead, READ_AHEAD, NULL, &own->reading)
                    : WSARecv((SOCKET) channel->handle, &place, 1, NULL, &flags, &own->reading, NULL) == 0;
    DWORD code = done ? 0 : mproc__is_pipe(channel) ? GetLastError() : (DWORD) WSAGetLastError();
    if (!done && code == ERROR_IO_PENDING) {
        own->pending = true;
        return MPROC_ETIMEDOUT;
    }
    if (done || code == ERROR_MORE_DATA) {
        if (!mproc__transport_result(channel, &own->reading, &count, true))
            code = GetLastError();
    }
    return keep(channel, code, count);
}

static mproc_err finish_reading(struct mproc_plat_channel *channel, bool wait)
{
    struct transport *own = channel->own;
    DWORD count = 0, code = 0;
    if (!mproc__transport_result(channel, &own->reading, &count, wait))
        code = GetLastError();
    return code == ERROR_IO_INCOMPLETE ? MPROC_ETIMEDOUT : keep(channel, code, count);
}

mproc_err mproc_plat_channel_read(struct mproc_plat_channel *channel, void *bytes, size_t size,
                                  struct mproc_plat_piece *piece)
{
    struct transport *own = channel->own;
    if (!own->message) {
        mproc_err err = own->pending ? finish_reading(channel, false) : start_reading(channel);
        if (err != MPROC_OK)
            return err;
    }
    size_t left = own->have - own->at;
    *piece = (struct mproc_plat_piece){ .size = left < size ? left : size, .passed = MPROC_PLAT_NONE };
    memcpy(bytes, own->ahead + own->at, piece->size);
    own->at += piece->size;
    own->message = own->at < own->have;
    piece->more = mproc__is_pipe(channel) && (own->message || own->more);
    return MPROC_OK;
}

mproc_err mproc_plat_channel_waitable(struct mproc_plat_channel *channel, mproc_plat_handle *handle)
{
    struct transport *own = channel->own;
    *handle = (mproc_plat_handle) own->reading.hEvent;
    return MPROC_OK;
}

mproc_err mproc_plat_channel_calm(struct mproc_plat_channel *channel)
{
    struct transport *own = channel->own;
    if (own->pending) {
        CancelIoEx((HANDLE) channel->handle, &own->reading);
        DWORD count = 0, code = 0;
        if (!mproc__transport_result(channel, &own->reading, &count, true))
            code = GetLastError();
        own->pending = false;
        if (code != ERROR_OPERATION_ABORTED && code != WSAEINTR) {
            mproc_err err = keep(channel, code, count);
            if (err == MPROC_ECLOSED) /* whoever gets it will find out */
                return MPROC_OK;
            if (err != MPROC_OK)
                return err;
        }
    }
    return own->message || own->more
               ? mproc__fail(MPROC_ESTATE, "the connection has read something ahead: receive it first")
               : MPROC_OK;
}

/* ---- writing ---- */

static BOOL start_writing(struct mproc_plat_channel *channel, const char *bytes, DWORD size)
{
    struct transport *own = channel->own;
    ResetEvent(own->writing.hEvent);
    if (mproc__is_pipe(channel))
        return WriteFile((HANDLE) channel->handle, bytes, size, NULL, &own->writing);
    WSABUF place = { .len = size, .buf = (char *) (uintptr_t) bytes };
    return WSASend((SOCKET) channel->handle, &place, 1, NULL, 0, &own->writing, NULL) == 0;
}

/* One write, ended at the deadline. 0 or a code; WAIT_TIMEOUT at the deadline. */
static DWORD write_some(struct mproc_plat_channel *channel, const char *bytes, DWORD size, int64_t deadline,
                        DWORD *count)
{
    struct transport *own = channel->own;
    *count = 0;
    if (!start_writing(channel, bytes, size)) {
        DWORD code = mproc__is_pipe(channel) ? GetLastError() : (DWORD) WSAGetLastError();
        if (code != ERROR_IO_PENDING)
            return code;
        DWORD waited;
        while ((waited = WaitForSingleObject(own->writing.hEvent, mproc__milliseconds(deadline))) == WAIT_TIMEOUT &&
               mproc__milliseconds(deadline) > 0) {
        }
        if (waited != WAIT_OBJECT_0)
            CancelIoEx((HANDLE) channel->handle, &own->writing);
    }
    if (mproc__transport_result(channel, &own->writing, count, true))
        return 0;
    DWORD code = GetLastError();
    return code == ERROR_OPERATION_ABORTED ? WAIT_TIMEOUT : code;
}

mproc_err mproc_plat_channel_write(struct mproc_plat_channel *channel, const void *bytes, size_t size,
                                   mproc_plat_handle passed, int64_t deadline, size_t *written)
{
    (void) passed; /* is in the bytes */
    *written = 0;
    if (mproc__is_pipe(channel) && size > UINT32_MAX)
        return mproc__fail(MPROC_EINVAL, "a named pipe has no messages above 4 GiB");
    /* So that a full channel is no broken one. */
    if (!mproc__is_pipe(channel) && deadline != MPROC_PLAT_NEVER && !mproc__inet_has_room(channel, deadline))
        return MPROC_ETIMEDOUT;
    do {
        size_t left = size - *written;
        DWORD count, portion = (DWORD) (mproc__is_pipe(channel) || left < MOST_WRITTEN ? left : MOST_WRITTEN);
        DWORD code = write_some(channel, (const char *) bytes + *written, portion, deadline, &count);
        *written += count;
        if (code == WAIT_TIMEOUT) {
            /* How much a socket has sent of a write that was ended, Windows does not promise to know. */
            if (*written == 0 && !mproc__is_pipe(channel))
                *written = 1;
            return MPROC_ETIMEDOUT;
        }
        if (code != 0)
            return is_gone(code) ? MPROC_ECLOSED
                                 : mproc__fail_system(mproc__from_windows(code), (int) code,
                                                      "cannot write to the connection");
    } while (*written < size);
    return MPROC_OK;
}
