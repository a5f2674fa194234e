/* SPDX-License-Identifier: MIT */
/* glibc's on_exit() tells a handler the exit code. */
#include "platform.h"

#include <stdlib.h>

static void (*exit_handler)(int exit_code);

static void call_handler(int exit_code, void *unused)
{
    (void) unused;
    exit_handler(exit_code);
}

bool mproc_plat_hook_exit(void (*handler)(int exit_code))
{
    exit_handler = handler;
    return on_exit(call_handler, NULL) == 0;
}
