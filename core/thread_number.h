/* SPDX-License-Identifier: MIT */
/* Telling the threads of a process apart. */
#ifndef MPROC_CORE_THREAD_NUMBER_H
#define MPROC_CORE_THREAD_NUMBER_H

#include "compiler.h"

#include <stdint.h>

extern MPROC_THREAD_LOCAL_NEAR uint32_t mproc__thread_own;
uint32_t mproc__thread_first(void);

/* A number that this thread alone has in its process; never 0. */
static inline uint32_t mproc__thread_number(void)
{
    return mproc__thread_own ? mproc__thread_own : mproc__thread_first();
}

extern MPROC_THREAD_LOCAL_NEAR uint64_t mproc__thread_named;
uint64_t mproc__thread_name_first(void);

/* The process's token << 32 | the thread's number. No other living thread of the family has it; a dead one's comes
 * again when 65,536 more processes have had its slot, or its process 2^32 more threads. */
static inline uint64_t mproc__thread_name(void)
{
    return mproc__thread_named ? mproc__thread_named : mproc__thread_name_first();
}
/* In a forked child, whose only thread has the name of another one. */
void mproc__thread_unname(void);

#endif
