/* SPDX-License-Identifier: MIT */
/* Sleeping on a word, on Linux: a futex that is not private. */
#include "posix.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What SYS_futex takes: not struct timespec where that has 64-bit seconds on a 32-bit CPU. */
struct futex_time {
    long seconds;
    long nanoseconds;
};

mproc_err mproc_plat_park(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct futex_time until;
    struct futex_time *limit = NULL;
    if (deadline != MPROC_PLAT_NEVER) {
        int64_t seconds = deadline / 1000000000;
        until.seconds = seconds < LONG_MAX ? (long) seconds : LONG_MAX;
        until.nanoseconds = (long) (deadline % 1000000000);
        limit = &until;
    }
    long failed = syscall(SYS_futex, (uint32_t *) word, FUTEX_WAIT_BITSET, expected, limit, NULL,
                          FUTEX_BITSET_MATCH_ANY);
    return failed && errno == ETIMEDOUT ? MPROC_ETIMEDOUT : MPROC_OK;
}

void mproc_plat_unpark(_Atomic uint32_t *word, uint32_t count)
{
    syscall(SYS_futex, (uint32_t *) word, FUTEX_WAKE, count < INT_MAX ? count : INT_MAX, NULL, NULL,
            0);
}
