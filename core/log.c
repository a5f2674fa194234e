/* SPDX-License-Identifier: MIT */
/* Python's logger: one level, stderr and a callback. */
#include "log.h"

#include "compiler.h"
#include "mutex.h"
#include "platform.h"
#include "runtime.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic int threshold = MPROC_LOG_OFF;
static bool stderr_wanted;
static mproc_log_callback *user_callback;
static void *user_context;
static const char *process_name = "MainProcess";
static struct mutex mutex;

static const struct {
    int level;
    const char *name;
} levels[] = {
    { MPROC_LOG_SUBDEBUG, "SUBDEBUG" }, { MPROC_LOG_DEBUG, "DEBUG" },
    { MPROC_LOG_INFO, "INFO" },         { MPROC_LOG_SUBWARNING, "SUBWARNING" },
    { MPROC_LOG_WARNING, "WARNING" },   { MPROC_LOG_ERROR, "ERROR" },
};
enum { LEVELS = sizeof levels / sizeof levels[0] };

void mproc__log_lock(void)
{
    mproc__mutex_lock(&mutex);
}

void mproc__log_unlock(void)
{
    mproc__mutex_unlock(&mutex);
}

MPROC_IN_CHILD void mproc__log_forked(void)
{
    mproc__mutex_forked(&mutex);
}

static bool same_word(const char *a, const char *b)
{
    while (*a && toupper((unsigned char) *a) == toupper((unsigned char) *b))
        a++, b++;
    return *a == *b;
}

void mproc__log_start(void)
{
    const char *text = getenv("MPROC_LOG");
    if (!text || !*text)
        return;
    int level = atoi(text);
    for (int i = 0; i < LEVELS; i++)
        if (same_word(text, levels[i].name))
            level = levels[i].level;
    if (level > 0)
        mproc__log_inherit(level, true);
}

void mproc__log_settings(int *level, bool *to_stderr)
{
    *level = threshold;
    *to_stderr = stderr_wanted;
}

void mproc__log_inherit(int level, bool to_stderr)
{
    if (threshold != level)
        threshold = level;
    if (stderr_wanted != to_stderr)
        stderr_wanted = to_stderr;
}

MPROC_IN_CHILD void mproc__log_name(const char *name)
{
    process_name = name;
}

static void level_name(int level, char *text, size_t size)
{
    for (int i = 0; i < LEVELS; i++)
        if (levels[i].level == level) {
            snprintf(text, size, "%s", levels[i].name);
            return;
        }
    snprintf(text, size, "Level %d", level);
}

MPROC_IN_CHILD void mproc_log(int level, const char *format, ...)
{
    if (level < threshold || level <= 0 || level >= MPROC_LOG_OFF)
        return;
    char message[800], name[24], line[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    level_name(level, name, sizeof name);

    mproc__log_lock();
    int size = snprintf(line, sizeof line - 1, "[%s/%s %lld] %s", name, process_name,
                        (long long) mproc_plat_pid(), message);
    if (size > (int) sizeof line - 2)
        size = (int) sizeof line - 2;
    if (user_callback)
        user_callback(user_context, level, message, line);
    if (stderr_wanted) {
        line[size] = '\n';
        mproc_plat_stdio_error(line, (size_t) size + 1);
    }
    mproc__log_unlock();
}

mproc_err mproc_set_log_level(int level)
{
    if (level < 1 || level > MPROC_LOG_OFF)
        return mproc__fail(MPROC_EINVAL, "log level %d is not in 1 to %d", level, MPROC_LOG_OFF);
    threshold = level;
    return MPROC_OK;
}

int mproc_get_log_level(void)
{
    return threshold;
}

mproc_err mproc_log_to_stderr(int level)
{
    mproc_err err = mproc_set_log_level(level);
    if (err == MPROC_OK) {
        mproc__log_lock();
        stderr_wanted = true;
        mproc__log_unlock();
    }
    return err;
}

void mproc_set_log_callback(mproc_log_callback *callback, void *context)
{
    mproc__log_lock();
    user_callback = callback;
    user_context = context;
    mproc__log_unlock();
}
