/* SPDX-License-Identifier: MIT */
/* TCP sockets: addresses, listening, accepting and connecting. */
#include "transport.h"

#include "address.h"

#include <stdio.h>
#include <string.h>

mproc_err mproc__start_sockets(void)
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

static mproc_err parse(const char *text, bool passive, struct sockaddr_storage *address, int *size)
{
    struct host_and_port parts;
    mproc_err err = mproc__address_split(text, &parts);
    if (err == MPROC_OK)
        err = mproc__start_sockets();
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

/* ---- listening ---- */

mproc_err mproc__inet_listen(struct mproc_plat_channel *channel, const char *address, int backlog, char *bound)
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
    err = mproc__transport_make(channel, (mproc_plat_handle) made, MPROC_FAMILY_INET, 0);
    if (err != MPROC_OK) {
        closesocket(made);
        return err;
    }
    struct transport *own = channel->own;
    WSAEventSelect(made, own->reading.hEvent, FD_ACCEPT);
    size = sizeof parsed;
    bound[0] = '\0';
    if (getsockname(made, (struct sockaddr *) &parsed, &size) == 0)
        describe(&parsed, size, bound);
    return MPROC_OK;
}

mproc_err mproc__inet_accept(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel, char *peer)
{
    struct transport *own = listener->own;
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
    mproc_err err = mproc__transport_make(channel, (mproc_plat_handle) made, MPROC_FAMILY_INET, READ_AHEAD);
    if (err != MPROC_OK)
        closesocket(made);
    return err;
}

/* ---- connecting ---- */

/* Waits until it can be written to or has failed (*failed): 1; 0 at the deadline; -1. */
static int await_writable(SOCKET socket, int64_t deadline, bool *failed)
{
    for (;;) {
        DWORD left = mproc__milliseconds(deadline);
        DWORD slice = left < 1000 ? left : 1000;
        struct timeval wait = { .tv_sec = (long) (slice / 1000), .tv_usec = (long) (slice % 1000) * 1000 };
        fd_set done, bad;
        FD_ZERO(&done);
        FD_ZERO(&bad);
        FD_SET(socket, &done);
        FD_SET(socket, &bad);
        int ready = select(0, NULL, &done, &bad, &wait);
        *failed = ready > 0 && FD_ISSET(socket, &bad);
        if (ready != 0 || left == 0)
            return ready < 0 ? -1 : ready > 0;
    }
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
    bool failed;
    int ready = await_writable(made, deadline, &failed);
    int code = 0, code_size = sizeof code;
    if (ready <= 0)
        return ready == 0 ? WSAETIMEDOUT : WSAGetLastError();
    getsockopt(made, SOL_SOCKET, SO_ERROR, (char *) &code, &code_size);
    return code == 0 && failed ? WSAECONNREFUSED : code;
}

bool mproc__inet_has_room(const struct mproc_plat_channel *channel, int64_t deadline)
{
    bool failed;
    return await_writable((SOCKET) channel->handle, deadline, &failed) != 0;
}

mproc_err mproc__inet_connect(struct mproc_plat_channel *channel, const char *address, int64_t deadline)
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
        err = mproc__transport_make(channel, (mproc_plat_handle) made, MPROC_FAMILY_INET, READ_AHEAD);
    }
    if (err != MPROC_OK && made != INVALID_SOCKET)
        closesocket(made);
    return err;
}
