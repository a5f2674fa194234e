/* SPDX-License-Identifier: MIT */
/* What mproc_init() sets up in runtime.c. */
#ifndef MPROC_CORE_ENTRY_H
#define MPROC_CORE_ENTRY_H

#include "platform.h"

void mproc__set_initialized(void);

#endif
