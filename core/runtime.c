/* SPDX-License-Identifier: MIT */
/* The state of mproc in this process, and its one mutex. */
#include "runtime.h"

#include "compiler.h"
#include "entry.h"
#include "log.h"
#include "mutex.h"
#include "start.h"

#include <stdlib.h>

static bool initialized;
static struct mutex mutex;
static struct settings settings;

MPROC_IN_CHILD bool mproc__is_initialized(void)
{
    return initialized;
}

void mproc__set_initialized(void)
{
    initialized = true;
}

mproc_err mproc__check_init(void)
{
    return initialized ? MPROC_OK
                       : mproc__fail(MPROC_ENOINIT,
                                     "mproc is not initialised: add mproc_init(); as the first "
                                     "statement of main");
}

int64_t mproc__deadline(mproc_ms timeout)
{
    if (timeout < 0)
        return MPROC_PLAT_NEVER;
    if (timeout == 0)
        return 0;
    int64_t now = mproc_plat_now();
    return timeout < (MPROC_PLAT_NEVER - now) / 1000000 ? now + timeout * 1000000 : MPROC_PLAT_NEVER;
}

void mproc__lock(void)
{
    mproc__mutex_lock(&mutex);
}

void mproc__unlock(void)
{
    mproc__mutex_unlock(&mutex);
}

bool mproc__lock_is_mine(void)
{
    return mproc__mutex_is_mine(&mutex);
}

MPROC_IN_CHILD void mproc__lock_forked(void)
{
    mproc__mutex_forked(&mutex);
}

MPROC_IN_CHILD struct settings *mproc__settings(void)
{
    return &settings;
}

/* ---- the environment ---- */

static const struct {
    const char *name;
    uint64_t least, most;
    const char *what;
} numbers[] = {
    { "MPROC_ARENA_LIMIT", UINT64_C(1) << 20, UINT64_MAX, "a number of bytes, 1048576 or more" },
    { "MPROC_CPU_COUNT", 1, INT32_MAX, "a number of CPUs, 1 or more" },
    { "MPROC_GUARD_TIMEOUT", 1, INT64_MAX / 1000000, "a number of milliseconds, 1 or more" },
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

bool mproc__read_number(const char *text, uint64_t most, uint64_t *number)
{
    *number = 0;
    for (const char *at = text; *at; at++) {
        unsigned digit = (unsigned) *at - '0';
        if (digit > 9 || *number > (most - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return *text != '\0';
}

mproc_err mproc__check_variables(void)
{
    for (int i = 0; i < NUMBERS; i++) {
        const char *text = getenv(numbers[i].name);
        uint64_t number;
        if (text && *text && (!mproc__read_number(text, numbers[i].most, &number) || number < numbers[i].least))
            return mproc__fail(MPROC_EINVAL, "%s is \"%.40s\"; it must be %s", numbers[i].name, text,
                               numbers[i].what);
    }
    return MPROC_OK;
}

uint64_t mproc__number_variable(const char *name)
{
    const char *text = getenv(name);
    uint64_t number;
    return text && mproc__read_number(text, UINT64_MAX, &number) ? number : 0;
}

int64_t mproc__guard_timeout(void)
{
    static int64_t timeout;
    if (timeout == 0) {
        uint64_t milliseconds = mproc__number_variable("MPROC_GUARD_TIMEOUT");
        bool valid = milliseconds > 0 && milliseconds <= INT64_MAX / 1000000;
        timeout = (valid ? (int64_t) milliseconds : 30000) * 1000000;
    }
    return timeout;
}

bool mproc__debugging(void)
{
    const char *text = getenv("MPROC_DEBUG");
    return text && *text && *text != '0';
}

int64_t mproc_pid(void)
{
    return mproc_plat_pid();
}

int mproc_cpu_count(void)
{
    uint64_t chosen = mproc__number_variable("MPROC_CPU_COUNT");
    return chosen > 0 && chosen <= INT32_MAX ? (int) chosen : mproc_plat_cpu_count();
}

/* By the clock, since a system's own sleep may end a tick early, and in parts, since it may have a longest. */
void mproc_sleep(mproc_ms duration)
{
    const int64_t longest = INT64_C(3600000000000);
    int64_t deadline = mproc__deadline(duration), left;
    while ((left = deadline - mproc_plat_now()) > 0)
        mproc_plat_sleep(left < longest ? left : longest);
}
