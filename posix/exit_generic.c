/* SPDX-License-Identifier: MIT */
/* POSIX tells no exit handler the code. */
#include "platform.h"

bool mproc_plat_hook_exit(void (*handler)(int exit_code))
{
    (void) handler;
    return false;
}
