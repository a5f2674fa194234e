/* SPDX-License-Identifier: MIT */
/* POSIX has no segment without a name. */
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
