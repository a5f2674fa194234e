/* SPDX-License-Identifier: MIT */
/* Sleeping on a word, on macOS: os_sync_wait_on_address() from 14.4 on, before it the calls that
 * libc++ and others have long built on. Neither is in every SDK. */
#include "posix.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#define SHARED_WORD 1u          /* OS_SYNC_WAIT_ON_ADDRESS_SHARED */
#define ABSOLUTE_TIME_CLOCK 32u /* OS_CLOCK_MACH_ABSOLUTE_TIME */
#define COMPARE_AND_WAIT_SHARED 3u
#define WAKE_ALL 0x100u
#define MOST_MICROSECONDS INT64_C(1000000000)

typedef int wait_call(void *address, uint64_t value, size_t size, uint32_t flags);
typedef int timed_wait_call(void *address, uint64_t value, size_t size, uint32_t flags,
                            uint32_t clock, uint64_t timeout);
typedef int wake_call(void *address, size_t size, uint32_t flags);

int __ulock_wait(uint32_t operation, void *address, uint64_t value, uint32_t microseconds);
int __ulock_wake(uint32_t operation, void *address, uint64_t value);

static pthread_once_t looked_up = PTHREAD_ONCE_INIT;
static wait_call *wait_on_address;
static timed_wait_call *timed_wait_on_address;
static wake_call *wake_any;
static wake_call *wake_all;

static void look_up(void)
{
    /* ISO C has no cast from data to code; POSIX wants it to work this way. */
    *(void **) &wait_on_address = dlsym(RTLD_DEFAULT, "os_sync_wait_on_address");
    *(void **) &timed_wait_on_address = dlsym(RTLD_DEFAULT, "os_sync_wait_on_address_with_timeout");
    *(void **) &wake_any = dlsym(RTLD_DEFAULT, "os_sync_wake_by_address_any");
    *(void **) &wake_all = dlsym(RTLD_DEFAULT, "os_sync_wake_by_address_all");
}

static bool has_public_calls(void)
{
    pthread_once(&looked_up, look_up);
    return wait_on_address && timed_wait_on_address && wake_any && wake_all;
}

/* Whether the time was over; `left` is in nanoseconds, MPROC_PLAT_NEVER without end. */
static bool sleep_on(void *word, uint32_t expected, int64_t left)
{
    if (has_public_calls()) {
        int result = left == MPROC_PLAT_NEVER
                         ? wait_on_address(word, expected, sizeof expected, SHARED_WORD)
                         : timed_wait_on_address(word, expected, sizeof expected, SHARED_WORD,
                                                 ABSOLUTE_TIME_CLOCK, (uint64_t) left);
        return result < 0 && errno == ETIMEDOUT;
    }
    uint32_t microseconds = 0; /* without end */
    if (left != MPROC_PLAT_NEVER)
        microseconds = left / 1000 < MOST_MICROSECONDS ? (uint32_t) (left / 1000 + 1)
                                                       : (uint32_t) MOST_MICROSECONDS;
    return __ulock_wait(COMPARE_AND_WAIT_SHARED, word, expected, microseconds) < 0 &&
           errno == ETIMEDOUT;
}

mproc_err mproc_plat_park(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    int64_t left = MPROC_PLAT_NEVER;
    if (deadline != MPROC_PLAT_NEVER)
        left = deadline - mproc_plat_now();
    if (left <= 0)
        return atomic_load(word) == expected ? MPROC_ETIMEDOUT : MPROC_OK;
    bool late = sleep_on((void *) word, expected, left);
    return late && mproc_plat_now() >= deadline ? MPROC_ETIMEDOUT : MPROC_OK;
}

void mproc_plat_unpark(_Atomic uint32_t *word, uint32_t count)
{
    void *address = (void *) word;
    if (has_public_calls())
        (void) (count == 1 ? wake_any : wake_all)(address, sizeof *word, SHARED_WORD);
    else
        (void) __ulock_wake(COMPARE_AND_WAIT_SHARED | (count == 1 ? 0 : WAKE_ALL), address, 0);
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
