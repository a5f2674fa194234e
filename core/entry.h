/* SPDX-License-Identifier: MIT */
/* What mproc_init() sets up in runtime.c. */
#ifndef MPROC_CORE_ENTRY_H
#define MPROC_CORE_ENTRY_H

#include "platform.h"

mproc_err mproc__runtime_create(void);
void mproc__set_initialized(void);

#endif
