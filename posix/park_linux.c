/* SPDX-License-Identifier: MIT */
/* Sleeping on a word, on Linux: a futex that is not private. */
#include "posix.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What SYS_futex takes: not struct timespec where that has 64-bit seconds on a 32-bit CPU. */
struct futex_time {
    long seconds;
    long nanoseconds;
};

/* The limit for a deadline; NULL for none. */
static struct futex_time *limit_of(int64_t deadline, struct futex_time *until)
{
    if (deadline == MPROC_PLAT_NEVER)
        return NULL;
    int64_t seconds = deadline / 1000000000;
    until->seconds = seconds < LONG_MAX ? (long) seconds : LONG_MAX;
    until->nanoseconds = (long) (deadline % 1000000000);
    return until;
}

mproc_err mproc_plat_park(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct futex_time until;
    long failed = syscall(SYS_futex, (uint32_t *) word, FUTEX_WAIT_BITSET, expected,
                          limit_of(deadline, &until), NULL,
                          FUTEX_BITSET_MATCH_ANY);
    return failed && errno == ETIMEDOUT ? MPROC_ETIMEDOUT : MPROC_OK;
}

void mproc_plat_unpark(_Atomic uint32_t *word, uint32_t count)
{
    syscall(SYS_futex, (uint32_t *) word, FUTEX_WAKE, count < INT_MAX ? count : INT_MAX, NULL, NULL,
            0);
}

/* As the kernel has it since 5.16; older headers lack it. */
#define WAIT_ON_MANY 449
#define WORD_OF_32_BITS 2u
struct many_waiter {
    uint64_t expected;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};
struct many_time {
    int64_t seconds;
    int64_t nanoseconds;
};

mproc_err mproc_plat_park_any(_Atomic uint32_t *const *words, const uint32_t *expected, size_t count,
                              int64_t deadline)
{
    struct many_waiter waiters[MPROC_PLAT_PARK_ANY];
    for (size_t i = 0; i < count; i++)
        waiters[i] = (struct many_waiter){ expected[i], (uintptr_t) words[i], WORD_OF_32_BITS, 0 };
    struct many_time until = { deadline / 1000000000, deadline % 1000000000 };
    long answer = syscall(WAIT_ON_MANY, waiters, (unsigned) count, 0u,
                          deadline == MPROC_PLAT_NEVER ? NULL : &until, CLOCK_MONOTONIC);
    if (answer >= 0 || errno == EAGAIN || errno == EINTR)
        return MPROC_OK;
    return errno == ETIMEDOUT ? MPROC_ETIMEDOUT : MPROC_ENOTSUP;
}
