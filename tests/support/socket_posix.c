/* SPDX-License-Identifier: MIT */
/* Unix. */
#include "socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

bool socket_pair(intptr_t ends[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0), here = socket(AF_INET, SOCK_STREAM, 0), there = -1;
    if (bind(listening, (struct sockaddr *) &address, size) == 0 && listen(listening, 1) == 0 &&
        getsockname(listening, (struct sockaddr *) &address, &size) == 0 &&
        connect(here, (struct sockaddr *) &address, size) == 0)
        there = accept(listening, NULL, NULL);
    close(listening);
    if (there < 0)
        close(here);
    ends[0] = here;
    ends[1] = there;
    return there >= 0;
}

bool socket_delays(intptr_t native)
{
    int on = 0;
    socklen_t size = sizeof on;
    return getsockopt((int) native, IPPROTO_TCP, TCP_NODELAY, &on, &size) != 0 || on == 0;
}

bool socket_closed_on_exec(intptr_t native)
{
    return fcntl((int) native, F_GETFD) & FD_CLOEXEC;
}

bool socket_send(intptr_t native, const void *bytes, size_t size)
{
    return send((int) native, bytes, size, 0) == (ssize_t) size;
}

void socket_close(intptr_t native)
{
    close((int) native);
}
