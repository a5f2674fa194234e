/* SPDX-License-Identifier: MIT */
/* The three start methods, and the child's side of them. */
#include "start.h"

#include "children.h"
#include "compiler.h"
#include "fault.h"
#include "finalize.h"
#include "function.h"
#include "log.h"
#include "runtime.h"
#include "self.h"
#include "thread.h"

#include <stdlib.h>
#include <string.h>

/* ---- the child ---- */

/* What spawn did before the program began, a forked child does now. */
MPROC_IN_CHILD static mproc_err set_environment(struct record *record)
{
    const char *entry = mproc__record_bytes(record, record->environment);
    const char *end = entry ? entry + record->environment.size : NULL;
    for (; entry < end; entry += strlen(entry) + 1) {
        const char *equals = strchr(entry, '=');
        size_t length = equals ? (size_t) (equals - entry) : strlen(entry);
        char *name = malloc(length + 1);
        if (!name)
            return mproc__fail(MPROC_ENOMEM, "no memory for the environment");
        memcpy(name, entry, length);
        name[length] = '\0';
        mproc_err err = mproc_plat_set_environment(name, equals ? equals + 1 : NULL);
        free(name);
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

bool mproc__find_known_target(struct record *record, void (**function)(void))
{
    const struct mproc_plat_image *own;
    return record->function_main && mproc__main_image(&own) == MPROC_OK &&
           memcmp(own->identity, record->function_identity, sizeof own->identity) == 0 &&
           mproc__function_at(own->base, record->function_offset, function) == MPROC_OK;
}

mproc_err mproc__find_target(struct record *record, void (**function)(void))
{
    if (mproc__find_known_target(record, function))
        return MPROC_OK;
    struct mproc_plat_image *image = calloc(1, sizeof *image);
    if (!image)
        return mproc__fail(MPROC_ENOMEM, "no memory to find the target");
    image->main = record->function_main != 0;
    memcpy(image->identity, record->function_identity, MPROC_PLAT_IDENTITY_SIZE);
    if (record->function_path.size && record->function_path.size <= sizeof image->path)
        memcpy(image->path, mproc__record_bytes(record, record->function_path),
               record->function_path.size);
    mproc_err err = mproc__function_find(image, record->function_offset, function);
    free(image);
    return err;
}

/* The child's own copy: the record goes when the parent reaps. */
MPROC_IN_CHILD static mproc_err copy_argument(struct record *record, void (*function)(void), void **argument)
{
    *argument = NULL;
    if (record->argument.size == 0)
        return MPROC_OK;
    *argument = malloc((size_t) record->argument.size);
    if (!*argument)
        return mproc__fail(MPROC_ENOMEM, "no memory for an argument of %llu bytes",
                           (unsigned long long) record->argument.size);
    memcpy(*argument, mproc__record_bytes(record, record->argument), (size_t) record->argument.size);
    if (record->is_object)
        ((mproc_runnable *) *argument)->run = (mproc_target *) function;
    return MPROC_OK;
}

MPROC_IN_CHILD void mproc__child_run(struct record *record, void (*function)(void))
{
    void *argument = NULL;
    if (MPROC_PLAT_STAMP_IS_ASKED) /* what it is given it may never use, and die */
        (void) mproc__self_token();
    MPROC_FAULT_FORGET();
    mproc_err err = MPROC_OK;
    /* Before the limits: it takes a descriptor. */
    if (record->bound)
        err = mproc_plat_lifeline_bind(mproc__self()->parent_lifeline);
    if (err == MPROC_OK)
        err = mproc_plat_confine_apply(&record->limits, mproc__record_bytes(record, record->cpus),
                                       (size_t) record->cpus.size / sizeof(int));
    if (err == MPROC_OK && !function)
        err = mproc__find_target(record, &function);
    if (err == MPROC_OK)
        err = copy_argument(record, function, &argument);
    if (err != MPROC_OK)
        mproc__record_refuse(record, err);

    mproc__record_advance(record, PHASE_GUARDED);
    mproc_log(MPROC_LOG_INFO, "child process calling its target");
    int exit_code = ((mproc_target *) function)(argument);
    mproc_log(MPROC_LOG_INFO, "process exiting with exit code %d", exit_code);
    if (argument)
        free(argument);
    mproc_exit(exit_code);
}

/* ---- fork ---- */

/* Everything of the parent's that is not the child's. The two mutexes are held since before. */
MPROC_IN_CHILD static void begin_forked_child(struct start_plan *plan)
{
    mproc_plat_handle grandparent = mproc__self()->parent_lifeline;
    /* Written before it is read: where a write maps this one page, a read would map its neighbours. */
    if (!mproc__record_claim(plan->record, plan->token))
        mproc_plat_exit_now(255);
    mproc__record_advance(plan->record, PHASE_GUARDED);
    mproc__forget_parent();
    if (grandparent != MPROC_PLAT_NONE)
        mproc_plat_handle_close(grandparent);
    mproc__become_child(PROCESS_FORKED, plan->record, plan->lifeline);
    mproc__finish_forked(true);
}

MPROC_IN_CHILD void mproc__child_enter(struct record *record, void (*function)(void))
{
    mproc_err err = set_environment(record);
    if (err != MPROC_OK)
        mproc__record_refuse(record, err);
    mproc__child_run(record, function);
}

MPROC_IN_CHILD static mproc_err enter_forked_child(struct start_plan *plan)
{
    mproc_err err = mproc_plat_stdio_replace(plan->standard);
    if (err == MPROC_OK && plan->folder != MPROC_PLAT_NONE)
        err = mproc_plat_folder_enter(plan->folder);
    if (err == MPROC_OK)
        err = set_environment(plan->record);
    mproc__plan_close(plan);
    return err;
}

static void warn_of_threads(int threads)
{
    if (threads > 1)
        mproc_log(MPROC_LOG_WARNING,
                  "fork in a process with %d threads: locks that the others hold stay locked in the "
                  "child; use spawn or forkserver",
                  threads);
}

MPROC_IN_CHILD static mproc_err start_fork(struct start_plan *plan, struct mproc_plat_process *process,
                                           bool *in_child)
{
    plan->record = mproc__arena_near(BLOCK_RECORD, plan->record_handle);
    int threads = mproc_plat_thread_count();
    warn_of_threads(threads - mproc__helper_threads());
    mproc__template_lock();
    mproc__lock();
    mproc__finish_prepare(plan->record->seed, mproc__is_alone());
    mproc_err err = mproc_plat_fork(process, in_child);
    if (err != MPROC_OK || !*in_child) {
        mproc__finish_forked(false);
        mproc__unlock();
        mproc__template_unlock();
        return err;
    }
    begin_forked_child(plan);
    err = enter_forked_child(plan);
    if (err != MPROC_OK)
        mproc__record_refuse(plan->record, err);
    if (plan->function)
        mproc__child_run(plan->record, plan->function);
    if (plan->record->bound) /* what a worker of a pool has forked */
        err = mproc_plat_lifeline_bind(mproc__self()->parent_lifeline);
    if (err != MPROC_OK)
        mproc__record_refuse(plan->record, err);
    return MPROC_OK;
}

/* ---- spawn ---- */

static mproc_err start_spawn(struct start_plan *plan, struct mproc_plat_process *process)
{
    char boot[BOOT_SIZE];
    mproc_plat_handle keep[MPROC_PLAT_TEMPLATE_HANDLES + 2];
    struct mproc_plat_spawn spawn;
    mproc__plan_spawn(plan, boot, keep, &spawn);
    return mproc_plat_spawn(&spawn, process);
}

/* ---- all of them ---- */

static mproc_err add_child(const struct start_plan *plan, struct child **child)
{
    struct child values = {
        .kind = STARTING,
        .process = { .watch = MPROC_PLAT_NONE },
        .record = plan->record_handle,
        .token = plan->token,
        .daemon = plan->options.daemon,
        .method = plan->method,
        .guard_deadline = MPROC_PLAT_NEVER,
    };
    if (plan->method == MPROC_START_SPAWN)
        values.guard_deadline = mproc_plat_now() + mproc__guard_timeout();
    return mproc__child_add(&values, plan->name, child);
}

/* The object is there before the process, so that nothing can fail after the start. */
mproc_err mproc__start(struct start_plan *plan, mproc_process **process)
{
    mproc__lock();
    mproc__children_reap_some();
    struct child *child;
    mproc_err err = add_child(plan, &child);
    mproc__unlock();
    if (err != MPROC_OK) {
        mproc__plan_close(plan);
        mproc__plan_undo(plan);
        return err;
    }

    /* What was printed before the start comes before what the child prints. */
    mproc_plat_stdio_flush(mproc__is_alone());
    struct mproc_plat_process started = { .watch = MPROC_PLAT_NONE };
    bool in_child = false;
    if (plan->method == MPROC_START_FORK)
        err = start_fork(plan, &started, &in_child);
    else if (plan->method == MPROC_START_SPAWN)
        err = start_spawn(plan, &started);
    else
        err = mproc__template_fork(plan, &started);
    if (in_child) {
        *process = NULL;
        return MPROC_OK;
    }
    MPROC_FAULT("start.started");
    mproc__plan_close(plan);

    mproc__lock();
    if (err == MPROC_OK) {
        mproc__slot_occupy(plan->token, started.pid);
        child->process = started;
        child->record = plan->record_handle;
        child->kind = CHILD;
        *process = mproc__child_pointer(child);
        mproc_log(MPROC_LOG_DEBUG, "started %s (pid %lld) by %s", child->name, (long long) started.pid,
                  mproc_start_method_name(plan->method));
    } else {
        mproc__child_remove(child);
        mproc__plan_undo(plan);
    }
    mproc__unlock();
    return err;
}
