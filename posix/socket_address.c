/* SPDX-License-Identifier: MIT */
/* Paths and "host:port" as the system has them, and back. */
#include "socket_address.h"

#include "address.h"

#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

mproc_err mproc__no_pipes(void)
{
    return mproc__fail(MPROC_ENOTSUP, "named pipes are Windows'; use a Unix socket's path or host:port");
}

static mproc_err parse_local(const char *text, struct mproc__address *address)
{
    size_t length = strlen(text);
    memset(address, 0, sizeof *address);
    address->of.local.sun_family = AF_UNIX;
    if (length == 0 || length >= sizeof address->of.local.sun_path)
        return mproc__fail(MPROC_EINVAL, "a Unix socket's path has 1 to %zu bytes, not %zu",
                           sizeof address->of.local.sun_path - 1, length);
    memcpy(address->of.local.sun_path, text, length);
    address->size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + 1);
    if (text[0] == '@') { /* an abstract name has neither a folder nor an end */
#ifdef MPROC_HAVE_ABSTRACT_NAMES
        address->of.local.sun_path[0] = '\0';
        address->size--;
#else
        return mproc__fail(MPROC_ENOTSUP, "abstract names (\"%s\") are Linux's", text);
#endif
    }
    return MPROC_OK;
}

static mproc_err parse_inet(const char *text, bool passive, struct mproc__address *address)
{
    struct host_and_port parts;
    mproc_err err = mproc__address_split(text, &parts);
    if (err != MPROC_OK)
        return err;
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0 };
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(parts.host[0] ? parts.host : NULL, parts.port, &wanted, &found);
    if (failed)
        return mproc__fail(MPROC_ENOTFOUND, "the address \"%s\" cannot be found: %s", text,
                           gai_strerror(failed));
    const struct addrinfo *chosen = found; /* Python's AF_INET is version 4 */
    for (const struct addrinfo *next = found; next; next = next->ai_next)
        if (next->ai_family == AF_INET && chosen->ai_family != AF_INET)
            chosen = next;
    memset(address, 0, sizeof *address);
    memcpy(&address->of, chosen->ai_addr, chosen->ai_addrlen);
    address->size = chosen->ai_addrlen;
    freeaddrinfo(found);
    return MPROC_OK;
}

mproc_err mproc__address_parse(mproc_address_family family, const char *text, bool passive,
                               struct mproc__address *address)
{
    return family == MPROC_FAMILY_UNIX   ? parse_local(text, address)
           : family == MPROC_FAMILY_INET ? parse_inet(text, passive, address)
                                         : mproc__no_pipes();
}

void mproc__address_describe(const struct mproc__address *address, char *text)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    text[0] = '\0';
    if (address->of.any.sa_family != AF_UNIX &&
        getnameinfo(&address->of.any, address->size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(text, MPROC_ADDRESS_SIZE, address->of.any.sa_family == AF_INET6 ? "[%.200s]:%.20s"
                                                                                  : "%.200s:%.20s",
                 host, port);
}
