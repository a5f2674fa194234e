/* SPDX-License-Identifier: MIT */
/* POSIX has no segment without a name, no attribute of a segment and no list of them. */
#include "posix.h"

#include <errno.h>

int mproc__named_open_hidden(const char *name)
{
    (void) name;
    return -1;
}

bool mproc__named_show(int descriptor, const char *name)
{
    (void) descriptor;
    (void) name;
    errno = ENOSYS;
    return false;
}

void mproc__named_mark(int descriptor)
{
    (void) descriptor;
}

void mproc_plat_named_settle(const char *name, const uint64_t identity[2])
{
    (void) name;
    (void) identity;
}

void mproc_plat_named_sweep(void (*unlinked)(const char *name))
{
    (void) unlinked;
}
