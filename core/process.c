/* SPDX-License-Identifier: MIT */
/* The public face of processes. */
#include "mproc/process.h"

#include "children.h"
#include "log.h"
#include "runtime.h"
#include "self.h"
#include "start.h"
#include "stop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- starting ---- */

static mproc_err may_start(const void *process, const char *function)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    if (!process)
        return mproc__fail(MPROC_EINVAL, "%s: process is NULL; pass the address of a pointer", function);
    const struct self *self = mproc__self();
    if (!mproc__is_own_process())
        return mproc__fail(MPROC_ESTATE, "this process was forked behind mproc's back; fork it with "
                                         "mproc_fork()");
    if (self->is_template)
        return mproc__fail(MPROC_ESTATE, "the forkserver's warm-up may not start processes");
    if (self->daemon)
        return mproc__fail(MPROC_EPERM, "%s is a daemon, and daemons may not have children",
                           mproc__own_name());
    return MPROC_OK;
}

static mproc_err start(mproc_process **process, struct start_plan *plan,
                       const mproc_process_options *options)
{
    mproc__lock();
    mproc_err err = mproc__plan_make(plan, options);
    mproc__unlock();
    return err == MPROC_OK ? mproc__start(plan, process) : err;
}

mproc_err mproc_process_start(mproc_process **process, mproc_target *target, const void *arg,
                              size_t size, const mproc_process_options *options)
{
    mproc_err err = may_start(process, "mproc_process_start");
    if (err != MPROC_OK)
        return err;
    if (!target)
        return mproc__fail(MPROC_EINVAL, "mproc_process_start: target is NULL");
    if (!arg && size)
        return mproc__fail(MPROC_EINVAL, "mproc_process_start: arg is NULL but size is %zu", size);
    struct start_plan plan = {
        .function = (void (*)(void)) target,
        .argument = arg,
        .size = size,
    };
    return start(process, &plan, options);
}

mproc_err mproc_process_start_object(mproc_process **process, const mproc_runnable *object, size_t size,
                                     const mproc_process_options *options)
{
    mproc_err err = may_start(process, "mproc_process_start_object");
    if (err != MPROC_OK)
        return err;
    if (!object || !object->run)
        return mproc__fail(MPROC_EINVAL, "mproc_process_start_object: %s is NULL",
                           object ? "object->run" : "object");
    if (size < sizeof *object)
        return mproc__fail(MPROC_EINVAL, "mproc_process_start_object: size %zu is smaller than an "
                                         "mproc_runnable; pass the size of the whole struct",
                           size);
    struct start_plan plan = {
        .function = (void (*)(void)) object->run,
        .is_object = true,
        .argument = object,
        .size = size,
    };
    return start(process, &plan, options);
}

mproc_err mproc_fork(mproc_process **process)
{
    mproc_err err = may_start(process, "mproc_fork");
    if (err != MPROC_OK)
        return err;
    struct start_plan plan = { .method = MPROC_START_FORK };
    return start(process, &plan, NULL);
}

/* ---- asking ---- */

/* Finds the object and keeps the mutex; on error it is released. */
static struct child *find_locked(mproc_process *process, const void *out, mproc_err *err)
{
    *err = mproc__check_init();
    if (*err == MPROC_OK && !out)
        *err = mproc__fail(MPROC_EINVAL, "the pointer for the result is NULL");
    if (*err != MPROC_OK)
        return NULL;
    mproc__lock();
    struct child *child = mproc__child_find(process, err);
    if (!child)
        mproc__unlock();
    return child;
}

mproc_err mproc_process_is_alive(mproc_process *process, bool *alive)
{
    mproc_err err;
    struct child *child = find_locked(process, alive, &err);
    if (!child)
        return err;
    if (child->kind == PARENT)
        *alive = mproc_plat_lifeline_wait(mproc__self()->parent_lifeline, 0) == MPROC_ETIMEDOUT;
    else
        *alive = child->kind != CHILD || !mproc__child_poll(child);
    mproc__unlock();
    return MPROC_OK;
}

mproc_err mproc_process_exit_code(mproc_process *process, int *exit_code)
{
    mproc_err err;
    struct child *child = find_locked(process, exit_code, &err);
    if (!child)
        return err;
    if (mproc__child_poll(child))
        *exit_code = child->status.signalled ? -child->status.code : child->status.code;
    else
        err = mproc__fail(MPROC_ESTATE, "%s has not ended; join it first", child->name);
    mproc__unlock();
    return err;
}

mproc_err mproc_process_describe(mproc_process *process, char *text, size_t size)
{
    mproc_err err;
    struct child *child = find_locked(process, text, &err);
    if (!child)
        return err;
    if (child->kind != CHILD || !mproc__child_poll(child))
        snprintf(text, size, "running");
    else if (child->trouble != MPROC_OK)
        snprintf(text, size, "%s", mproc__child_trouble(child));
    else if (child->status.signalled)
        mproc_plat_signal_text(child->status.code, text, size);
    else
        snprintf(text, size, "exit code %d", child->status.code);
    mproc__unlock();
    return MPROC_OK;
}

mproc_err mproc_process_pid(mproc_process *process, int64_t *pid)
{
    mproc_err err;
    struct child *child = find_locked(process, pid, &err);
    if (!child)
        return err;
    *pid = child->process.pid;
    mproc__unlock();
    return MPROC_OK;
}

const char *mproc_process_name(mproc_process *process)
{
    mproc_err err = MPROC_OK;
    struct child *child = find_locked(process, &err, &err);
    if (!child)
        return NULL;
    const char *name = child->name;
    mproc__unlock();
    return name;
}

mproc_err mproc_process_daemon(mproc_process *process, bool *daemon)
{
    mproc_err err;
    struct child *child = find_locked(process, daemon, &err);
    if (!child)
        return err;
    *daemon = child->daemon;
    mproc__unlock();
    return MPROC_OK;
}

mproc_err mproc_process_start_method(mproc_process *process, mproc_start_method *method)
{
    mproc_err err;
    struct child *child = find_locked(process, method, &err);
    if (!child)
        return err;
    struct record *record = child->kind == SELF ? mproc__self()->record : NULL;
    *method = record ? (mproc_start_method) record->start_method : child->method;
    mproc__unlock();
    return MPROC_OK;
}

/* One that is ready for ever stands for all whose watch was closed at their end: a thousand children that have
 * ended and are not closed yet keep no thousand descriptors. Under the mutex; a forked child uses it as well. */
static mproc_err ended_sentinel(intptr_t *native)
{
    static mproc_plat_handle ready = MPROC_PLAT_NONE;
    if (ready == MPROC_PLAT_NONE) {
        struct mproc_plat_flag flag;
        mproc_err err = mproc_plat_flag_create(&flag);
        if (err != MPROC_OK)
            return err;
        mproc_plat_flag_set(&flag);
        mproc_plat_handle_close(flag.other);
        ready = flag.handle;
    }
    *native = ready;
    return MPROC_OK;
}

mproc_err mproc_process_sentinel(mproc_process *process, intptr_t *native)
{
    mproc_err err;
    struct child *child = find_locked(process, native, &err);
    if (!child)
        return err;
    if (child->kind == PARENT) {
        *native = mproc__self()->parent_lifeline;
    } else if (child->kind == CHILD && child->process.watch != MPROC_PLAT_NONE) {
        child->sentinel_given = true;
        *native = child->process.watch;
    } else if (child->kind == CHILD) {
        err = ended_sentinel(native);
    } else {
        err = mproc__fail(MPROC_ESTATE, "%s has no sentinel: it is this process", child->name);
    }
    mproc__unlock();
    return err;
}

/* ---- ending ---- */

/* Finds a child that runs and keeps the mutex; NULL, with MPROC_OK, if it has ended. */
static struct child *find_running(mproc_process *process, mproc_err *err)
{
    struct child *child = find_locked(process, err, err);
    if (!child)
        return NULL;
    if (child->kind != CHILD)
        *err = mproc__fail(MPROC_ESTATE, "only children can be interrupted or terminated, not %s", child->name);
    else if (!mproc__child_poll(child))
        return child;
    mproc__unlock();
    return NULL;
}

mproc_err mproc_process_interrupt(mproc_process *process)
{
    mproc_err err = MPROC_OK;
    struct child *child = find_running(process, &err);
    if (!child)
        return err;
    err = mproc_plat_process_interrupt(&child->process);
    mproc__unlock();
    return err;
}

static mproc_err send_stop(void *process, bool force)
{
    mproc_err err = MPROC_OK;
    struct child *child = find_running(process, &err);
    if (!child)
        return err;
    err = mproc_plat_process_stop(&child->process, force);
    mproc__unlock();
    return err;
}

mproc_err mproc_process_terminate(mproc_process *process)
{
    return send_stop(process, false);
}

mproc_err mproc_process_kill(mproc_process *process)
{
    return send_stop(process, true);
}

static mproc_err join(void *process, mproc_ms timeout)
{
    return mproc_process_join(process, timeout);
}

mproc_err mproc_process_stop(mproc_process *process, mproc_ms grace)
{
    return mproc__stop(&(struct stoppable){ process, send_stop, join }, grace);
}

mproc_err mproc_process_close(mproc_process *process)
{
    mproc_err err = MPROC_OK;
    struct child *child = find_locked(process, &err, &err);
    if (!child)
        return err;
    if (child->kind != CHILD)
        err = mproc__fail(MPROC_ESTATE, "%s is not a child of this process: nothing to close",
                          child->name);
    else if (!mproc__child_poll(child))
        err = mproc__fail(MPROC_ESTATE, "%s still runs; join or terminate it before close", child->name);
    else if (child->waiters > 0)
        err = mproc__fail(MPROC_ESTATE, "another thread is in a wait for %s; let it return before close",
                          child->name);
    else
        mproc__child_remove(child);
    mproc__unlock();
    return err;
}

/* ---- others ---- */

mproc_process *mproc_current_process(void)
{
    if (mproc__check_init() != MPROC_OK)
        return NULL;
    mproc__lock();
    mproc_process *process = mproc__own_object();
    mproc__unlock();
    return process;
}

mproc_process *mproc_parent_process(void)
{
    if (mproc__check_init() != MPROC_OK)
        return NULL;
    mproc__lock();
    mproc_process *process = mproc__parent_object();
    mproc__unlock();
    return process;
}

mproc_err mproc_active_children(mproc_process **children, size_t capacity, size_t *count)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    if (!count || (!children && capacity))
        return mproc__fail(MPROC_EINVAL, "mproc_active_children: %s is NULL", count ? "children" : "count");
    size_t found = 0;
    mproc__lock();
    uint32_t at = 0;
    for (struct child *child; (child = mproc__child_next(&at)) != NULL;) {
        if (child->kind != CHILD || mproc__child_poll(child))
            continue;
        if (found < capacity)
            children[found] = mproc__child_pointer(child);
        found++;
    }
    mproc__unlock();
    *count = found;
    return MPROC_OK;
}
