/* SPDX-License-Identifier: MIT */
/* Addresses of TCP and Unix sockets. */
#ifndef MPROC_POSIX_SOCKET_ADDRESS_H
#define MPROC_POSIX_SOCKET_ADDRESS_H

#include "posix.h"

#include <netinet/in.h>
#include <sys/un.h>

/* Any address, and how much of it counts. */
struct mproc__address {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in inet;
        struct sockaddr_in6 inet6;
        struct sockaddr_storage storage;
    } of;
};

/* `passive`: to listen at. MPROC_EINVAL, MPROC_ENOTFOUND, MPROC_ENOTSUP. */
mproc_err mproc__address_parse(mproc_address_family family, const char *text, bool passive,
                               struct mproc__address *address);
/* "host:port", or "" for a Unix socket; `text` has MPROC_ADDRESS_SIZE bytes. */
void mproc__address_describe(const struct mproc__address *address, char *text);
mproc_err mproc__no_pipes(void);

#endif
