/* SPDX-License-Identifier: MIT */
/* Windows. */
#include "socket.h"

#include <winsock2.h>

bool socket_pair(intptr_t ends[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int size = sizeof address;
    SOCKET listening = socket(AF_INET, SOCK_STREAM, 0), here = socket(AF_INET, SOCK_STREAM, 0);
    SOCKET there = INVALID_SOCKET;
    if (bind(listening, (struct sockaddr *) &address, size) == 0 && listen(listening, 1) == 0 &&
        getsockname(listening, (struct sockaddr *) &address, &size) == 0 &&
        connect(here, (struct sockaddr *) &address, size) == 0)
        there = accept(listening, NULL, NULL);
    closesocket(listening);
    if (there == INVALID_SOCKET)
        closesocket(here);
    ends[0] = (intptr_t) here;
    ends[1] = (intptr_t) there;
    return there != INVALID_SOCKET;
}

bool socket_delays(intptr_t native)
{
    int on = 0, size = sizeof on;
    return getsockopt((SOCKET) native, IPPROTO_TCP, TCP_NODELAY, (char *) &on, &size) != 0 || on == 0;
}

bool socket_closed_on_exec(intptr_t native)
{
    DWORD flags = HANDLE_FLAG_INHERIT;
    return GetHandleInformation((HANDLE) native, &flags) && !(flags & HANDLE_FLAG_INHERIT);
}

bool socket_send(intptr_t native, const void *bytes, size_t size)
{
    return send((SOCKET) native, bytes, (int) size, 0) == (int) size;
}

void socket_close(intptr_t native)
{
    closesocket((SOCKET) native);
}
