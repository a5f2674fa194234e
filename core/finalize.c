/* SPDX-License-Identifier: MIT */
/* Finalizers and the end of a process, in Python's order. */
#include "finalize.h"

#include "compiler.h"
#include "children.h"
#include "runtime.h"
#include "self.h"
#include "shared_memory.h"
#include "start.h"
#include "thread.h"
#include "trace.h"

#include <stdlib.h>

struct finalizer {
    mproc_finalizer *call;
    void *context;
    struct finalizer *next;
};
static struct finalizer *_Atomic finalizers;
static atomic_bool finished;

mproc_err mproc_at_exit(mproc_finalizer *finalizer, void *context)
{
    if (!finalizer)
        return mproc__fail(MPROC_EINVAL, "mproc_at_exit: finalizer is NULL");
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    struct finalizer *made = malloc(sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a finalizer");
    made->call = finalizer;
    made->context = context;
    mproc__lock();
    made->next = finalizers;
    finalizers = made;
    mproc__unlock();
    return MPROC_OK;
}

MPROC_IN_CHILD void mproc__finalizers_forked(void)
{
    finalizers = NULL;
    finished = false;
}

MPROC_IN_CHILD static struct finalizer *take_finalizer(void)
{
    if (!finalizers)
        return NULL;
    mproc__lock();
    struct finalizer *first = finalizers;
    if (first)
        finalizers = first->next;
    mproc__unlock();
    return first;
}

/* False if that has been done before. */
MPROC_IN_CHILD static bool finish(void)
{
    if (atomic_exchange(&finished, true))
        return false;
    for (struct finalizer *finalizer; (finalizer = take_finalizer()) != NULL;) {
        finalizer->call(finalizer->context);
        free(finalizer);
    }
    mproc__children_end();
    mproc__template_end();
    mproc__shared_memory_finish();
    mproc__trace_finish();
    return true;
}

MPROC_IN_CHILD void mproc__finish(int exit_code)
{
    struct record *record = mproc__self()->record;
    if (finish() && record) {
        atomic_store(&record->exit_code, exit_code);
        atomic_store(&record->phase, PHASE_FINISHED);
    }
}

/* Where nobody tells the code it is not recorded: the parent knows it from the system, or not at all. */
static void at_exit(void)
{
    if (mproc__is_own_process())
        finish();
}

/* A forked child ends here: what comes next are its parent's handlers. */
static void at_exit_with_code(int exit_code)
{
    if (!mproc__is_own_process())
        return;
    if (mproc__self()->kind == PROCESS_FORKED)
        mproc_exit(exit_code);
    mproc__finish(exit_code);
}

void mproc__finish_at_exit(void)
{
    static bool registered; /* in this image, so also in a child forked from it */
    if (!registered && !mproc_plat_hook_exit(at_exit_with_code))
        atexit(at_exit);
    registered = true;
}

/* In a forked child exit() would go on to the parent's handlers: ours ends the process first. */
void mproc__finish_prepare(unsigned seed, bool alone)
{
    mproc_plat_fork_prepare(at_exit_with_code, seed, alone);
}

MPROC_IN_CHILD void mproc__finish_forked(bool in_child)
{
    if (!mproc_plat_fork_finish(in_child) && in_child)
        mproc__finish_at_exit();
}

bool mproc__finish_in_template(void)
{
    return mproc_plat_hook_exit(at_exit_with_code);
}

MPROC_IN_CHILD void mproc_exit(int exit_code)
{
    if (mproc__is_own_process())
        mproc__finish(exit_code);
    if (mproc__self()->kind != PROCESS_FORKED)
        exit(exit_code);
    mproc_plat_stdio_finish(mproc__is_alone());
    mproc_plat_exit_now(exit_code);
}
