/* SPDX-License-Identifier: MIT */
/* Texts of addresses. */
#include "address.h"

#include <string.h>

static bool is_port(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

mproc_address_family mproc__address_family(const char *address, mproc_address_family family,
                                           mproc_address_family standard)
{
    if (family != MPROC_FAMILY_DEFAULT)
        return family;
    if (!address)
        return standard;
    if (strncmp(address, "\\\\", 2) == 0)
        return MPROC_FAMILY_PIPE;
    const char *colon = strrchr(address, ':');
    return colon && is_port(colon + 1) && !strpbrk(address, "/\\") && address[0] != '@' ? MPROC_FAMILY_INET
                                                                                        : MPROC_FAMILY_UNIX;
}

mproc_err mproc__address_split(const char *text, struct host_and_port *parts)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t) (colon - text) : 0;
    if (!colon || length >= sizeof parts->host)
        return mproc__fail(MPROC_EINVAL, "\"%s\" is no \"host:port\"", text);
    bool brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';
    length -= 2 * (size_t) brackets;
    memcpy(parts->host, text + brackets, length);
    parts->host[length] = '\0';
    parts->port = colon + 1;
    return MPROC_OK;
}
