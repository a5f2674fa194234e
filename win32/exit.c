/* SPDX-License-Identifier: MIT */
/* No process of Windows is forked, so exit() has nothing of a parent's to skip. */
#include "win32.h"

bool mproc_plat_hook_exit(void (*handler)(int exit_code))
{
    (void) handler;
    return false;
}
