/* SPDX-License-Identifier: MIT */
/* What ends with a process that ends with its parent. */
#ifndef MPROC_CORE_DESCENDANTS_H
#define MPROC_CORE_DESCENDANTS_H

#include "error.h"

/* Before this process starts a program: if it is to end with its parent, so will the program and its descendants. */
mproc_err mproc__take_along(void);

#endif
