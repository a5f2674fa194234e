/* SPDX-License-Identifier: MIT */
/* TCP sockets and message-mode named pipes. Both are read ahead by one overlapped read, whose event
 * is what others wait for; both are written by overlapped writes, which a deadline can end. */
#include <winsock2.h>
#include <ws2tcpip.h>

#include "address.h"
#include "win32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 1 << 16, PIPE_BUFFER = 8192, MOST_WRITTEN = 1 << 20 };

/* Of a connection; of a listening pipe, `reading` is the next client's connecting. */
struct own {
    OVERLAPPED reading;
    OVERLAPPED writing;
    bool pending;       /* `reading` is under way */
    bool connected;     /* listening pipe: a client is there */
    bool message;       /* a piece was read and not fetched, perhaps of 0 bytes */
    bool more;          /* and its message goes on */
    size_t have, at;    /* bytes of `ahead`, and how many were fetched */
    wchar_t *name;      /* of a listening pipe */
    unsigned char ahead[];
};

mproc_address_family mproc_plat_channel_family(void)
{
    return MPROC_FAMILY_PIPE;
}

static bool is_pipe(const struct mproc_plat_channel *channel)
{
    return channel->family == MPROC_FAMILY_PIPE;
}

static mproc_err start_sockets(void)
{
    static LONG started;
    WSADATA data;
    if (InterlockedCompareExchange(&started, 0, 0))
        return MPROC_OK;
    int failed = WSAStartup(MAKEWORD(2, 2), &data);
    if (failed)
        return mproc__fail_system(MPROC_ESYSTEM, failed, "Windows has no sockets");
    if (InterlockedExchange(&started, 1))
        WSACleanup();
    return MPROC_OK;
}

static mproc_err from_socket(int code)
{
    switch (code) {
    case WSAEADDRINUSE:
        return MPROC_EEXIST;
    case WSAEACCES:
        return MPROC_EPERM;
    case WSAECONNREFUSED:
    case WSAEADDRNOTAVAIL:
    case WSAEHOSTUNREACH:
    case WSAENETUNREACH:
        return MPROC_ENOTFOUND;
    case WSAEMFILE:
    case WSAENOBUFS:
        return MPROC_EAGAIN;
    default:
        return mproc__from_windows((DWORD) code);
    }
}

static bool is_gone(DWORD code)
{
    return code == ERROR_BROKEN_PIPE || code == ERROR_NO_DATA || code == ERROR_PIPE_NOT_CONNECTED ||
           code == ERROR_NETNAME_DELETED || code == ERROR_CONNECTION_ABORTED || code == ERROR_HANDLE_EOF ||
           code == WSAECONNRESET || code == WSAECONNABORTED || code == WSAESHUTDOWN ||
           code == WSAENOTCONN || code == WSAEDISCON || code == ERROR_GRACEFUL_DISCONNECT;
}

/* ---- making and closing ---- */

static mproc_err make(struct mproc_plat_channel *channel, mproc_plat_handle handle, mproc_address_family family,
                      size_t ahead)
{
    struct own *own = calloc(1, sizeof *own + ahead);
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

static BOOL result_of(const struct mproc_plat_channel *channel, OVERLAPPED *operation, DWORD *count, bool wait)
{
    DWORD flags = 0;
    return is_pipe(channel) ? GetOverlappedResult((HANDLE) channel->handle, operation, count, wait)
                            : WSAGetOverlappedResult((SOCKET) channel->handle, operation, count, wait, &flags);
}

void mproc_plat_channel_close(struct mproc_plat_channel *channel)
{
    struct own *own = channel->own;
    DWORD count;
    if (own && own->pending && channel->handle != MPROC_PLAT_NONE) {
        CancelIoEx((HANDLE) channel->handle, &own->reading);
        result_of(channel, &own->reading, &count, true); /* the system writes into `own` until then */
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

/* ---- addresses ---- */

static mproc_err no_unix(void)
{
    return mproc__fail(MPROC_ENOTSUP, "mproc has no Unix sockets on Windows; use \\\\.\\pipe\\name or host:port");
}

static mproc_err parse(const char *text, bool passive, struct sockaddr_storage *address, int *size)
{
    struct host_and_port parts;
    mproc_err err = mproc__address_split(text, &parts);
    if (err == MPROC_OK)
        err = start_sockets();
    if (err != MPROC_OK)
        return err;
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0 };
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(parts.host[0] ? parts.host : NULL, parts.port, &wanted, &found);
    if (failed)
        return mproc__fail_system(MPROC_ENOTFOUND, failed, "the address \"%s\" cannot be found", text);
    const struct addrinfo *chosen = found; /* Python's AF_INET is version 4 */
    for (const struct addrinfo *next = found; next; next = next->ai_next)
        if (next->ai_family == AF_INET && chosen->ai_family != AF_INET)
            chosen = next;
    memcpy(address, chosen->ai_addr, chosen->ai_addrlen);
    *size = (int) chosen->ai_addrlen;
    freeaddrinfo(found);
    return MPROC_OK;
}

static void describe(const struct sockaddr_storage *address, int size, char *text)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    text[0] = '\0';
    if (getnameinfo((const struct sockaddr *) address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(text, MPROC_ADDRESS_SIZE, address->ss_family == AF_INET6 ? "[%.200s]:%.20s" : "%.200s:%.20s",
                 host, port);
}

/* ---- listeners ---- */

static mproc_err listen_inet(struct mproc_plat_channel *channel, const char *address, int backlog, char *bound)
{
    struct sockaddr_storage parsed;
    int size, on = 1;
    mproc_err err = parse(address ? address : "localhost:0", true, &parsed, &size);
    if (err != MPROC_OK)
        return err;
    SOCKET made = WSASocketW(parsed.ss_family, SOCK_STREAM, 0, NULL, 0,
                             WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    /* What SO_REUSEADDR is elsewhere is the default here, and SO_REUSEADDR lets others steal the port. */
    if (made != INVALID_SOCKET)
        (void) setsockopt(made, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *) &on, sizeof on);
    if (made == INVALID_SOCKET || bind(made, (struct sockaddr *) &parsed, size) != 0 ||
        listen(made, backlog) != 0) {
        int code = WSAGetLastError();
        if (made != INVALID_SOCKET)
            closesocket(made);
        return mproc__fail_system(from_socket(code), code, "cannot listen at \"%s\"",
                                  address ? address : "localhost:0");
    }
    err = make(channel, (mproc_plat_handle) made, MPROC_FAMILY_INET, 0);
    if (err != MPROC_OK) {
        closesocket(made);
        return err;
    }
    struct own *own = channel->own;
    WSAEventSelect(made, own->reading.hEvent, FD_ACCEPT);
    size = sizeof parsed;
    bound[0] = '\0';
    if (getsockname(made, (struct sockaddr *) &parsed, &size) == 0)
        describe(&parsed, size, bound);
    return MPROC_OK;
}

/* One more instance of the pipe, waiting for a client. */
static mproc_err next_instance(struct mproc_plat_channel *listener, bool first)
{
    struct own *own = listener->own;
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

static mproc_err listen_pipe(struct mproc_plat_channel *channel, const char *address, char *bound)
{
    char fresh[MPROC_ADDRESS_SIZE];
    uint64_t random[2];
    mproc_err err = mproc_plat_random(random, sizeof random);
    if (err != MPROC_OK)
        return err;
    snprintf(fresh, sizeof fresh, "\\\\.\\pipe\\mproc-%lu-%016llx%016llx", GetCurrentProcessId(),
             (unsigned long long) random[0], (unsigned long long) random[1]);
    struct mproc_plat_channel made;
    err = make(&made, MPROC_PLAT_NONE, MPROC_FAMILY_PIPE, 0);
    if (err != MPROC_OK)
        return err;
    struct own *own = made.own;
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

mproc_err mproc_plat_channel_listen(struct mproc_plat_channel *channel, mproc_address_family family,
                                    const char *address, int backlog, char *bound)
{
    mproc_err err = family == MPROC_FAMILY_INET   ? listen_inet(channel, address, backlog, bound)
                    : family == MPROC_FAMILY_PIPE ? listen_pipe(channel, address, bound)
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

static mproc_err accept_pipe(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel)
{
    struct own *own = listener->own;
    DWORD count;
    if (listener->handle == MPROC_PLAT_NONE) { /* the last accept could not make it */
        mproc_err err = next_instance(listener, false);
        if (err != MPROC_OK)
            return err;
    }
    if (own->pending) {
        if (!result_of(listener, &own->reading, &count, false) && GetLastError() == ERROR_IO_INCOMPLETE)
            return MPROC_ETIMEDOUT;
        own->pending = false;
        own->connected = true;
    }
    mproc_err err = make(channel, listener->handle, MPROC_FAMILY_PIPE, AHEAD);
    if (err != MPROC_OK)
        return err;
    listener->handle = MPROC_PLAT_NONE;
    own->connected = false;
    (void) next_instance(listener, false); /* if it fails, the next accept says so */
    return MPROC_OK;
}

static mproc_err accept_inet(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel, char *peer)
{
    struct own *own = listener->own;
    struct sockaddr_storage address;
    int size = sizeof address, on = 1;
    ResetEvent(own->reading.hEvent);
    SOCKET made = accept((SOCKET) listener->handle, (struct sockaddr *) &address, &size);
    if (made == INVALID_SOCKET) {
        int code = WSAGetLastError();
        if (code == WSAEWOULDBLOCK || code == WSAECONNRESET)
            return MPROC_ETIMEDOUT;
        return mproc__fail_system(from_socket(code), code, "cannot accept a connection");
    }
    u_long waits = 0;
    WSAEventSelect(made, NULL, 0);
    ioctlsocket(made, FIONBIO, &waits);
    (void) setsockopt(made, IPPROTO_TCP, TCP_NODELAY, (const char *) &on, sizeof on);
    SetHandleInformation((HANDLE) made, HANDLE_FLAG_INHERIT, 0);
    describe(&address, size, peer);
    mproc_err err = make(channel, (mproc_plat_handle) made, MPROC_FAMILY_INET, AHEAD);
    if (err != MPROC_OK)
        closesocket(made);
    return err;
}

mproc_err mproc_plat_channel_accept(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel,
                                    char *peer)
{
    peer[0] = '\0';
    return is_pipe(listener) ? accept_pipe(listener, channel) : accept_inet(listener, channel, peer);
}

/* ---- connecting ---- */

static mproc_err connect_pipe(struct mproc_plat_channel *channel, const char *address, int64_t deadline)
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
        err = make(channel, (mproc_plat_handle) pipe, MPROC_FAMILY_PIPE, AHEAD);
    if (err != MPROC_OK)
        CloseHandle(pipe);
    return err;
}

/* 0 or a code; WSAETIMEDOUT at the deadline. */
static int connect_until(SOCKET made, const struct sockaddr_storage *address, int size, int64_t deadline)
{
    u_long flag = 1;
    ioctlsocket(made, FIONBIO, &flag);
    if (connect(made, (const struct sockaddr *) address, size) == 0)
        return 0;
    if (WSAGetLastError() != WSAEWOULDBLOCK)
        return WSAGetLastError();
    for (;;) {
        DWORD left = mproc__milliseconds(deadline);
        DWORD slice = left < 1000 ? left : 1000;
        struct timeval wait = { .tv_sec = (long) (slice / 1000), .tv_usec = (long) (slice % 1000) * 1000 };
        fd_set done, failed;
        FD_ZERO(&done);
        FD_ZERO(&failed);
        FD_SET(made, &done);
        FD_SET(made, &failed);
        int ready = select(0, NULL, &done, &failed, &wait);
        int code = 0, code_size = sizeof code;
        if (ready < 0)
            return WSAGetLastError();
        if (ready > 0) {
            getsockopt(made, SOL_SOCKET, SO_ERROR, (char *) &code, &code_size);
            return code == 0 && FD_ISSET(made, &failed) ? WSAECONNREFUSED : code;
        }
        if (left == 0)
            return WSAETIMEDOUT;
    }
}

static mproc_err connect_inet(struct mproc_plat_channel *channel, const char *address, int64_t deadline)
{
    struct sockaddr_storage parsed;
    int size, on = 1;
    mproc_err err = parse(address, false, &parsed, &size);
    if (err != MPROC_OK)
        return err;
    SOCKET made = WSASocketW(parsed.ss_family, SOCK_STREAM, 0, NULL, 0,
                             WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    int code = made == INVALID_SOCKET ? WSAGetLastError() : connect_until(made, &parsed, size, deadline);
    if (code == WSAETIMEDOUT)
        err = mproc__fail(MPROC_ETIMEDOUT, "\"%s\" does not take the connection", address);
    else if (code != 0)
        err = mproc__fail_system(from_socket(code), code, "cannot connect to \"%s\"", address);
    if (err == MPROC_OK) {
        u_long flag = 0;
        ioctlsocket(made, FIONBIO, &flag);
        (void) setsockopt(made, IPPROTO_TCP, TCP_NODELAY, (const char *) &on, sizeof on);
        err = make(channel, (mproc_plat_handle) made, MPROC_FAMILY_INET, AHEAD);
    }
    if (err != MPROC_OK && made != INVALID_SOCKET)
        closesocket(made);
    return err;
}

mproc_err mproc_plat_channel_connect(struct mproc_plat_channel *channel, mproc_address_family family,
                                     const char *address, int64_t deadline)
{
    return family == MPROC_FAMILY_INET   ? connect_inet(channel, address, deadline)
           : family == MPROC_FAMILY_PIPE ? connect_pipe(channel, address, deadline)
                                         : no_unix();
}

mproc_err mproc_plat_channel_adopt(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                   mproc_address_family family)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    DWORD mode = PIPE_READMODE_MESSAGE;
    if (family == MPROC_FAMILY_UNIX)
        return no_unix();
    mproc_err err = start_sockets();
    if (err != MPROC_OK)
        return err;
    if (family == MPROC_FAMILY_PIPE
            ? !SetNamedPipeHandleState((HANDLE) handle, &mode, NULL, NULL)
            : getpeername((SOCKET) handle, (struct sockaddr *) &address, &size) != 0)
        return mproc__fail(MPROC_EINVAL, "handle %lld is no connected %s", (long long) handle,
                           family == MPROC_FAMILY_PIPE ? "named pipe of messages" : "socket");
    return make(channel, handle, family == MPROC_FAMILY_PIPE ? family : MPROC_FAMILY_INET, AHEAD);
}

/* ---- reading ---- */

/* Keeps what a finished read brought. `code`: 0, ERROR_MORE_DATA, or why it failed. */
static mproc_err keep(struct mproc_plat_channel *channel, DWORD code, DWORD count)
{
    struct own *own = channel->own;
    own->pending = false;
    if (code != 0 && code != ERROR_MORE_DATA)
        return is_gone(code) ? MPROC_ECLOSED
                             : mproc__fail_system(mproc__from_windows(code), (int) code,
                                                  "cannot read from the connection");
    if (count == 0 && !is_pipe(channel))
        return MPROC_ECLOSED;
    own->have = count;
    own->at = 0;
    own->message = true;
    own->more = code == ERROR_MORE_DATA;
    return MPROC_OK;
}

static mproc_err start_reading(struct mproc_plat_channel *channel)
{
    struct own *own = channel->own;
    DWORD count = 0, flags = 0;
    ResetEvent(own->reading.hEvent);
    WSABUF place = { .len = AHEAD, .buf = (char *) own->ahead };
    BOOL done = is_pipe(channel)
                    ? ReadFile((HANDLE) channel->handle, own->ahead, AHEAD, NULL, &own->reading)
                    : WSARecv((SOCKET) channel->handle, &place, 1, NULL, &flags, &own->reading, NULL) == 0;
    DWORD code = done ? 0 : is_pipe(channel) ? GetLastError() : (DWORD) WSAGetLastError();
    if (!done && code == ERROR_IO_PENDING) {
        own->pending = true;
        return MPROC_ETIMEDOUT;
    }
    if (done || code == ERROR_MORE_DATA) {
        if (!result_of(channel, &own->reading, &count, true))
            code = GetLastError();
    }
    return keep(channel, code, count);
}

static mproc_err finish_reading(struct mproc_plat_channel *channel, bool wait)
{
    struct own *own = channel->own;
    DWORD count = 0, code = 0;
    if (!result_of(channel, &own->reading, &count, wait))
        code = GetLastError();
    return code == ERROR_IO_INCOMPLETE ? MPROC_ETIMEDOUT : keep(channel, code, count);
}

mproc_err mproc_plat_channel_read(struct mproc_plat_channel *channel, void *bytes, size_t size,
                                  struct mproc_plat_piece *piece)
{
    struct own *own = channel->own;
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
    piece->more = is_pipe(channel) && (own->message || own->more);
    return MPROC_OK;
}

mproc_err mproc_plat_channel_waitable(struct mproc_plat_channel *channel, mproc_plat_handle *handle)
{
    struct own *own = channel->own;
    *handle = (mproc_plat_handle) own->reading.hEvent;
    return MPROC_OK;
}

mproc_err mproc_plat_channel_calm(struct mproc_plat_channel *channel)
{
    struct own *own = channel->own;
    if (own->pending) {
        CancelIoEx((HANDLE) channel->handle, &own->reading);
        DWORD count = 0, code = 0;
        if (!result_of(channel, &own->reading, &count, true))
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
    struct own *own = channel->own;
    ResetEvent(own->writing.hEvent);
    if (is_pipe(channel))
        return WriteFile((HANDLE) channel->handle, bytes, size, NULL, &own->writing);
    WSABUF place = { .len = size, .buf = (char *) (uintptr_t) bytes };
    return WSASend((SOCKET) channel->handle, &place, 1, NULL, 0, &own->writing, NULL) == 0;
}

/* One write, ended at the deadline. 0 or a code; WAIT_TIMEOUT at the deadline. */
static DWORD write_some(struct mproc_plat_channel *channel, const char *bytes, DWORD size, int64_t deadline,
                        DWORD *count)
{
    struct own *own = channel->own;
    *count = 0;
    if (!start_writing(channel, bytes, size)) {
        DWORD code = is_pipe(channel) ? GetLastError() : (DWORD) WSAGetLastError();
        if (code != ERROR_IO_PENDING)
            return code;
        DWORD waited;
        while ((waited = WaitForSingleObject(own->writing.hEvent, mproc__milliseconds(deadline))) == WAIT_TIMEOUT &&
               mproc__milliseconds(deadline) > 0) {
        }
        if (waited != WAIT_OBJECT_0)
            CancelIoEx((HANDLE) channel->handle, &own->writing);
    }
    if (result_of(channel, &own->writing, count, true))
        return 0;
    DWORD code = GetLastError();
    return code == ERROR_OPERATION_ABORTED ? WAIT_TIMEOUT : code;
}

mproc_err mproc_plat_channel_write(struct mproc_plat_channel *channel, const void *bytes, size_t size,
                                   mproc_plat_handle passed, int64_t deadline, size_t *written)
{
    (void) passed; /* is in the bytes */
    *written = 0;
    if (is_pipe(channel) && size > UINT32_MAX)
        return mproc__fail(MPROC_EINVAL, "a named pipe has no messages above 4 GiB");
    do {
        size_t left = size - *written;
        DWORD count, portion = (DWORD) (is_pipe(channel) || left < MOST_WRITTEN ? left : MOST_WRITTEN);
        DWORD code = write_some(channel, (const char *) bytes + *written, portion, deadline, &count);
        *written += count;
        if (code == WAIT_TIMEOUT)
            return MPROC_ETIMEDOUT;
        if (code != 0)
            return is_gone(code) ? MPROC_ECLOSED
                                 : mproc__fail_system(mproc__from_windows(code), (int) code,
                                                      "cannot write to the connection");
    } while (*written < size);
    return MPROC_OK;
}

/* ---- handing over ---- */

/* The process on the other side of a pipe, as the system knows it. */
static mproc_err peer_of(const struct mproc_plat_channel *channel, DWORD *pid)
{
    DWORD flags;
    ULONG found = 0;
    if (!is_pipe(channel))
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
        mproc_err err = start_sockets();
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
