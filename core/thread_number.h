/* SPDX-License-Identifier: MIT */
/* Telling the threads of a process apart. */
#ifndef MPROC_CORE_THREAD_NUMBER_H
#define MPROC_CORE_THREAD_NUMBER_H

#include "compiler.h"

#include <stdint.h>

extern MPROC_THREAD_LOCAL uint32_t mproc__thread_own;
uint32_t mproc__thread_name(void);

/* A number that this thread alone has in its process; never 0. */
static inline uint32_t mproc__thread_number(void)
{
    return mproc__thread_own ? mproc__thread_own : mproc__thread_name();
}

#endif
