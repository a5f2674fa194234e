/* SPDX-License-Identifier: MIT */
/* Threads are numbered as they come. */
#include "thread_number.h"

#include <stdatomic.h>

MPROC_THREAD_LOCAL uint32_t mproc__thread_own;

uint32_t mproc__thread_name(void)
{
    static _Atomic uint32_t last;
    do
        mproc__thread_own = atomic_fetch_add(&last, 1) + 1;
    while (mproc__thread_own == 0);
    return mproc__thread_own;
}
