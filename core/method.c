/* SPDX-License-Identifier: MIT */
/* Which start method, which executable, which key: the settings around processes. */
#include "mproc/process.h"

#include "runtime.h"
#include "start.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "default", "fork", "spawn", "forkserver" };
static char *executable;

const char *mproc_start_method_name(mproc_start_method method)
{
    return (unsigned) method < 4 ? names[method] : "?";
}

size_t mproc_get_all_start_methods(mproc_start_method *methods, size_t capacity)
{
    size_t total;
    const mproc_start_method *all = mproc_plat_start_methods(&total);
    for (size_t i = 0; methods && i < total && i < capacity; i++)
        methods[i] = all[i];
    return total;
}

static bool is_available(mproc_start_method method)
{
    size_t total;
    const mproc_start_method *all = mproc_plat_start_methods(&total);
    for (size_t i = 0; i < total; i++)
        if (all[i] == method)
            return true;
    return false;
}

mproc_start_method mproc__effective_method(mproc_start_method method)
{
    if (method == MPROC_START_DEFAULT)
        method = mproc__settings()->start_method;
    size_t total;
    return method == MPROC_START_DEFAULT ? mproc_plat_start_methods(&total)[0] : method;
}

mproc_start_method mproc_get_start_method(void)
{
    return mproc__effective_method(MPROC_START_DEFAULT);
}

mproc_err mproc__check_method(mproc_start_method method)
{
    if ((unsigned) method > MPROC_START_FORKSERVER)
        return mproc__fail(MPROC_EINVAL, "start method %d is none of MPROC_START_*", (int) method);
    if (method != MPROC_START_DEFAULT && !is_available(method))
        return mproc__fail(MPROC_ENOTSUP, "this system has no start method %s; use MPROC_START_SPAWN",
                           names[method]);
    return MPROC_OK;
}

mproc_err mproc_set_start_method(mproc_start_method method, bool force)
{
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK)
        err = mproc__check_method(method);
    if (err != MPROC_OK)
        return err;
    mproc__lock();
    struct settings *settings = mproc__settings();
    if (settings->start_method != MPROC_START_DEFAULT && !force)
        err = mproc__fail(MPROC_ESTATE, "the start method is %s already; force changes it",
                          names[settings->start_method]);
    else
        settings->start_method = method;
    mproc__unlock();
    return err;
}

mproc_err mproc__read_start_method(void)
{
    const char *text = getenv("MPROC_START_METHOD");
    if (!text || !*text)
        return MPROC_OK;
    for (int method = 1; method < 4; method++)
        if (strcmp(text, names[method]) == 0) {
            mproc_err err = mproc__check_method((mproc_start_method) method);
            if (err == MPROC_OK)
                mproc__settings()->start_method = (mproc_start_method) method;
            return err;
        }
    return mproc__fail(MPROC_EINVAL,
                       "MPROC_START_METHOD is \"%.40s\"; it must be fork, spawn or forkserver", text);
}

const char *mproc__executable(void)
{
    return executable;
}

mproc_err mproc_set_executable(const char *path)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    char *copy = NULL;
    if (path) {
        copy = malloc(strlen(path) + 1);
        if (!copy)
            return mproc__fail(MPROC_ENOMEM, "no memory for the path of the executable");
        strcpy(copy, path);
    }
    mproc__lock();
    free(executable);
    executable = copy;
    mproc__unlock();
    return MPROC_OK;
}

mproc_err mproc_set_forkserver_warmup(mproc_warmup *warmup)
{
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK)
        err = mproc__check_method(MPROC_START_FORKSERVER);
    if (err == MPROC_OK)
        err = mproc__template_set_warmup(warmup);
    return err;
}

mproc_err mproc_set_authkey(const void *key, size_t size)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    struct settings *settings = mproc__settings();
    if (!key || size == 0 || size > sizeof settings->authkey)
        return mproc__fail(MPROC_EINVAL, "an authkey has 1 to %zu bytes", sizeof settings->authkey);
    mproc__lock();
    memcpy(settings->authkey, key, size);
    settings->authkey_size = (uint32_t) size;
    mproc__unlock();
    return MPROC_OK;
}

mproc_err mproc_get_authkey(void *key, size_t capacity, size_t *size)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    if (!size || (!key && capacity))
        return mproc__fail(MPROC_EINVAL, "mproc_get_authkey: a pointer is NULL");
    mproc__lock();
    const struct settings *settings = mproc__settings();
    *size = settings->authkey_size;
    if (key && capacity < settings->authkey_size)
        err = mproc__fail(MPROC_EINVAL, "the key has %u bytes; %zu are too few",
                          (unsigned) settings->authkey_size, capacity);
    else if (key)
        memcpy(key, settings->authkey, settings->authkey_size);
    mproc__unlock();
    return err;
}
