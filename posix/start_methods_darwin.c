/* SPDX-License-Identifier: MIT */
/* The start methods of macOS: its frameworks do not survive a fork, so spawn is the default. */
#include "platform.h"

const mproc_start_method *mproc_plat_start_methods(size_t *count)
{
    static const mproc_start_method methods[] = { MPROC_START_SPAWN, MPROC_START_FORK,
                                                  MPROC_START_FORKSERVER };
    *count = sizeof methods / sizeof methods[0];
    return methods;
}
