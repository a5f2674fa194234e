/* SPDX-License-Identifier: MIT */
/* No process of Windows is forked, so exit() has nothing of a parent's to skip. */
#include "win32.h"

bool mproc_plat_hook_exit(void (*handler)(int exit_code))
{
    (void) handler;
    return false;
}

void mproc_plat_fork_prepare(void (*handler)(int exit_code), unsigned seed, bool alone)
{
    (void) handler;
    (void) seed;
    (void) alone;
}

bool mproc_plat_fork_finish(bool child)
{
    (void) child;
    return false;
}
