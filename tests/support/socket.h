/* SPDX-License-Identifier: MIT */
/* TCP sockets as a program has them that knows nothing of mproc. */
#ifndef MPROC_TESTS_SOCKET_H
#define MPROC_TESTS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two that are connected to each other. Windows: after mproc has used sockets. */
bool socket_pair(intptr_t ends[2]);
/* Whether small pieces wait for each other (no TCP_NODELAY). */
bool socket_delays(intptr_t native);
/* Whether the socket is closed when this process executes another program, or starts one. */
bool socket_closed_on_exec(intptr_t native);
bool socket_send(intptr_t native, const void *bytes, size_t size);
void socket_close(intptr_t native);

#endif
