/* SPDX-License-Identifier: MIT */
/* Threads are numbered as they come. */
#include "thread_number.h"

#include "slots.h"

#include <stdatomic.h>

MPROC_THREAD_LOCAL_NEAR uint32_t mproc__thread_own;
MPROC_THREAD_LOCAL_NEAR uint64_t mproc__thread_named;

uint32_t mproc__thread_first(void)
{
    static _Atomic uint32_t last;
    do
        mproc__thread_own = atomic_fetch_add(&last, 1) + 1;
    while (mproc__thread_own == 0);
    return mproc__thread_own;
}

uint64_t mproc__thread_name_first(void)
{
    mproc__thread_named = (uint64_t) mproc__self_token() << 32 | mproc__thread_number();
    return mproc__thread_named;
}

MPROC_IN_CHILD void mproc__thread_unname(void)
{
    /* In a child a write would copy the page, and most have nothing to forget. */
    if (mproc__thread_named != 0)
        mproc__thread_named = 0;
}
