/* SPDX-License-Identifier: MIT */
/* What the text of an address says; the system finds what it names. */
#ifndef MPROC_CORE_ADDRESS_H
#define MPROC_CORE_ADDRESS_H

#include "error.h"
#include "mproc/connection.h"

/* The family: `family`, unless it is the default; `standard` without an address. */
mproc_address_family mproc__address_family(const char *address, mproc_address_family family,
                                           mproc_address_family standard);

/* "host:port" taken apart, the brackets of "[::1]:port" taken off; MPROC_EINVAL. */
struct host_and_port {
    char host[MPROC_ADDRESS_SIZE]; /* "": any */
    const char *port;              /* in the text */
};
mproc_err mproc__address_split(const char *text, struct host_and_port *parts);

#endif
