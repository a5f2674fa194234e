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

int64_t mproc__guard_timeout(void)
{
    static int64_t timeout;
    if (timeout == 0) {
        const char *text = getenv("MPROC_GUARD_TIMEOUT");
        long milliseconds = text ? strtol(text, NULL, 10) : 0;
        timeout = (milliseconds > 0 ? (int64_t) milliseconds : 30000) * 1000000;
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
    return mproc_plat_cpu_count();
}
