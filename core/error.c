/* SPDX-License-Identifier: MIT */
/* Names of errors and the last error of each thread. */
#include "error.h"

#include "compiler.h"
#include "platform.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MPROC_THREAD_LOCAL struct last_error last;

static const char *const names[] = {
    "MPROC_OK",        "MPROC_EINVAL",    "MPROC_ENOMEM",   "MPROC_ETIMEDOUT", "MPROC_ENOINIT",
    "MPROC_EBADHANDLE", "MPROC_ECLOSED",  "MPROC_ESTATE",   "MPROC_ENOTSUP",   "MPROC_ENOTFOUND",
    "MPROC_EPERM",     "MPROC_EIMAGE",    "MPROC_ENOGUARD", "MPROC_EAGAIN",    "MPROC_OWNERDEAD",
    "MPROC_EDIED",     "MPROC_ESYSTEM", "MPROC_EMSGSIZE", "MPROC_EAUTH",
    "MPROC_EPROTO",    "MPROC_EBROKEN", "MPROC_EEXIST", "MPROC_EWORKERDIED",
    "MPROC_ECANCELLED", "MPROC_ETASK", "MPROC_EEXITCODE", "MPROC_ETYPE",
};

const char *mproc_err_name(mproc_err err)
{
    size_t index = (size_t) err;
    return index < sizeof names / sizeof names[0] ? names[index] : "MPROC_E?";
}

const char *mproc_last_error(void)
{
    return last.sentence;
}

int mproc_last_system_error(void)
{
    return last.system_code;
}

uint64_t mproc__fail_count(void)
{
    return last.count;
}

mproc_err mproc__fail(mproc_err err, const char *format, ...)
{
    last.count++;
    va_list values;
    va_start(values, format);
    vsnprintf(last.sentence, sizeof last.sentence, format, values);
    va_end(values);
    last.system_code = 0;
    return err;
}

mproc_err mproc__fail_system(mproc_err err, int code, const char *format, ...)
{
    last.count++;
    va_list values;
    va_start(values, format);
    vsnprintf(last.sentence, sizeof last.sentence, format, values);
    va_end(values);

    char text[160];
    mproc_plat_system_text(code, text, sizeof text);
    size_t used = strlen(last.sentence);
    snprintf(last.sentence + used, sizeof last.sentence - used, ": %s (%d)", text, code);
    last.system_code = code;
    return err;
}

void mproc__error_save(struct last_error *error)
{
    *error = last;
}

void mproc__error_restore(const struct last_error *error)
{
    last = *error;
}

void mproc_must(mproc_err err, const char *call, const char *file, int line)
{
    if (err == MPROC_OK)
        return;
    char text[900];
    int size = snprintf(text, sizeof text, "%s:%d: %s: %s: %s\n", file, line, call,
                        mproc_err_name(err), mproc_last_error());
    mproc_plat_stdio_error(text, size < (int) sizeof text ? (size_t) size : sizeof text - 1);
    exit(1);
}
