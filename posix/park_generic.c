/* SPDX-License-Identifier: MIT */
/* Sleeping on a word where the system has nothing for it: looking again after growing pauses. */
#include "posix.h"

#include <sched.h>
#include <time.h>

#define YIELDS 20
#define FIRST_PAUSE INT64_C(50000)
#define LONGEST_PAUSE INT64_C(2000000)

mproc_err mproc_plat_park(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    int64_t pause = FIRST_PAUSE;
    for (int round = 0; atomic_load(word) == expected; round++) {
        int64_t left = deadline == MPROC_PLAT_NEVER ? LONGEST_PAUSE : deadline - mproc_plat_now();
        if (left <= 0)
            return MPROC_ETIMEDOUT;
        if (round < YIELDS) {
            sched_yield();
            continue;
        }
        int64_t next = pause < left ? pause : left;
        nanosleep(&(struct timespec){ .tv_nsec = (long) next }, NULL);
        pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE;
    }
    return MPROC_OK;
}

void mproc_plat_unpark(_Atomic uint32_t *word, uint32_t count)
{
    (void) word;
    (void) count;
}

mproc_err mproc_plat_park_any(_Atomic uint32_t *const *words, const uint32_t *expected, size_t count,
                              int64_t deadline)
{
    (void) words;
    (void) expected;
    (void) count;
    (void) deadline;
    return MPROC_ENOTSUP;
}
