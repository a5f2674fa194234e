/* SPDX-License-Identifier: MIT */
/* Python's logger: one level, stderr and a callback. */
#include "log.h"

#include "compiler.h"
#include "mutex.h"
#include "platform.h"
#include "runtime.h"
#include "start.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A longer message is cut, and says so. The rest of a line is its level, a name and a pid. */
enum { MESSAGE_SIZE = 800, LINE_SIZE = MESSAGE_SIZE + 300 };
static const char cut[] = "...";

static _Atomic int threshold = MPROC_LOG_OFF;
static atomic_bool stderr_wanted;
static const char *process_name = "MainProcess";

/* The callback and its context change by one store, since a fork may come at any time: the place that is not
 * current is written first. Written and read under the mutex, which is held while the callback runs; no
 * fork waits for it. */
static struct {
    mproc_log_callback *callback;
    void *context;
} receivers[2];
static _Atomic unsigned current;
static atomic_bool received; /* whether there is a callback now */
static struct mutex callback_mutex;

/* A message that waits until its thread holds nothing that the callback may need. */
struct kept {
    struct kept *next;
    int level;
    const char *message; /* the end of the line */
    char line[LINE_SIZE];
};
static MPROC_THREAD_LOCAL struct {
    unsigned holds;
    bool in_callback;
    struct kept *first, *last;
} own;

static const struct {
    int level;
    const char *name;
} levels[] = {
    { MPROC_LOG_SUBDEBUG, "SUBDEBUG" }, { MPROC_LOG_DEBUG, "DEBUG" },
    { MPROC_LOG_INFO, "INFO" },         { MPROC_LOG_SUBWARNING, "SUBWARNING" },
    { MPROC_LOG_WARNING, "WARNING" },   { MPROC_LOG_ERROR, "ERROR" },
    { MPROC_LOG_OFF, "OFF" },
};
enum { LEVELS = sizeof levels / sizeof levels[0] };

/* ---- settings ---- */

static bool same_word(const char *a, const char *b)
{
    while (*a && toupper((unsigned char) *a) == toupper((unsigned char) *b))
        a++, b++;
    return *a == *b;
}

/* 0 if the text is no level. */
static int read_level(const char *text)
{
    for (int i = 0; i < LEVELS; i++)
        if (same_word(text, levels[i].name))
            return levels[i].level;
    uint64_t level;
    return mproc__read_number(text, MPROC_LOG_OFF, &level) ? (int) level : 0;
}

void mproc__log_start(void)
{
    const char *text = getenv("MPROC_LOG");
    if (!text || !*text)
        return;
    int level = read_level(text);
    if (level > 0) {
        mproc__log_inherit(level, true);
        return;
    }
    char line[300];
    int size = snprintf(line, sizeof line,
                        "mproc_init: MPROC_LOG is \"%.40s\", and nothing is logged; it must be subdebug, debug, info, "
                        "subwarning, warning, error, off, or a number from 1 to %d\n",
                        text, MPROC_LOG_OFF);
    mproc_plat_stdio_error(line, (size_t) size);
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
    if (err == MPROC_OK)
        stderr_wanted = true;
    return err;
}

void mproc_set_log_callback(mproc_log_callback *callback, void *context)
{
    bool inside = own.in_callback;
    if (!inside)
        mproc__mutex_lock(&callback_mutex);
    unsigned next = 1 - atomic_load(&current);
    receivers[next].callback = callback;
    receivers[next].context = context;
    atomic_store(&current, next);
    atomic_store(&received, callback != NULL);
    if (!inside)
        mproc__mutex_unlock(&callback_mutex);
}

bool mproc__log_has_callback(void)
{
    return atomic_load(&received);
}

/* ---- passing messages to the callback ---- */

/* What the callback logs is for stderr only: it would call itself without end. And what fails in it is not
 * the last error of the call that logs. */
static void deliver(int level, const char *message, const char *line)
{
    int64_t pid = mproc_plat_pid();
    struct last_error error;
    mproc__error_save(&error);
    own.in_callback = true;
    mproc__mutex_lock(&callback_mutex);
    unsigned index = atomic_load(&current);
    if (receivers[index].callback)
        receivers[index].callback(receivers[index].context, level, message, line);
    /* If it has called mproc_fork(), the child has freed the mutex already. */
    if (pid == mproc_plat_pid())
        mproc__mutex_unlock(&callback_mutex);
    own.in_callback = false;
    mproc__error_restore(&error);
}

/* Without memory the callback does not get it. */
static void keep(int level, const char *line, size_t prefix)
{
    struct kept *kept = malloc(sizeof *kept);
    if (!kept)
        return;
    strcpy(kept->line, line);
    kept->message = kept->line + prefix;
    kept->level = level;
    kept->next = NULL;
    if (own.first)
        own.last->next = kept;
    else
        own.first = kept;
    own.last = kept;
}

static bool holds_anything(void)
{
    return own.holds > 0 || mproc__lock_is_mine() || mproc__template_lock_is_mine();
}

void mproc__log_deliver(void)
{
    while (own.first && !own.in_callback && !holds_anything()) {
        struct kept *kept = own.first;
        own.first = kept->next;
        deliver(kept->level, kept->message, kept->line);
        free(kept);
    }
}

void mproc__log_hold(void)
{
    own.holds++;
}

void mproc__log_release(void)
{
    own.holds--;
    mproc__log_deliver();
}

/* Whatever the other threads held, they do so in the parent; what waits here is the parent's to tell. */
MPROC_IN_CHILD void mproc__log_forked(void)
{
    mproc__mutex_forked(&callback_mutex);
    /* Most have nothing to forget, and a write would copy the page. */
    if (own.holds)
        own.holds = 0;
    if (own.first)
        own.first = NULL;
}

/* ---- logging ---- */

static void level_name(int level, char *text, size_t size)
{
    for (int i = 0; i < LEVELS; i++)
        if (levels[i].level == level) {
            snprintf(text, size, "%s", levels[i].name);
            return;
        }
    snprintf(text, size, "Level %d", level);
}

/* "[INFO/Process-1 4711] ": its length. */
static size_t write_prefix(int level, char *line)
{
    char name[24];
    level_name(level, name, sizeof name);
    size_t most = LINE_SIZE - MESSAGE_SIZE;
    int size = snprintf(line, most, "[%s/%s %lld] ", name, process_name, (long long) mproc_plat_pid());
    return (size_t) size < most ? (size_t) size : most - 1;
}

MPROC_IN_CHILD void mproc_log(int level, const char *format, ...)
{
    if (level < threshold || level <= 0 || level >= MPROC_LOG_OFF)
        return;
    char line[LINE_SIZE];
    size_t prefix = write_prefix(level, line);
    char *message = line + prefix;
    va_list values;
    va_start(values, format);
    int wanted = vsnprintf(message, MESSAGE_SIZE, format, values);
    va_end(values);
    if (wanted < 0)
        return;
    size_t size = (size_t) wanted;
    if (size >= MESSAGE_SIZE) {
        size = MESSAGE_SIZE - 1;
        memcpy(message + MESSAGE_SIZE - sizeof cut, cut, sizeof cut);
    }
    if (stderr_wanted) {
        message[size] = '\n';
        mproc_plat_stdio_error(line, prefix + size + 1);
        message[size] = '\0';
    }
    if (!atomic_load(&received) || own.in_callback)
        return;
    if (holds_anything())
        keep(level, line, prefix);
    else
        deliver(level, message, line);
}
