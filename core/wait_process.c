/* SPDX-License-Identifier: MIT */
/* How mproc_wait() waits for a process: as process_wait.c does, beside other things. A file of its own, since not
 * every program needs it. */
#include "children.h"
#include "runtime.h"
#include "self.h"

static mproc_err enter(uint64_t id, void **object)
{
    mproc_err err;
    mproc__lock();
    struct child *child = mproc__child_find((mproc_process *) (uintptr_t) id, &err);
    if (child && child->kind != CHILD && child->kind != PARENT)
        err = mproc__fail(MPROC_ESTATE, "a process cannot wait for its own end");
    if (err == MPROC_OK) {
        child->waiters++;
        *object = child;
    }
    mproc__unlock();
    return err;
}

static mproc_err ask(uint64_t id, void *object, struct wait_set *set, bool *ready)
{
    (void) id;
    struct child *child = object;
    mproc_err err = MPROC_OK;
    mproc__lock();
    if (child->kind == PARENT)
        *ready = mproc_plat_lifeline_wait(mproc__self()->parent_lifeline, 0) != MPROC_ETIMEDOUT;
    else
        *ready = mproc__child_poll(child);
    if (!*ready) {
        int64_t guard = mproc__child_guard(child);
        set->until = guard < set->until ? guard : set->until;
        /* Not direct: what the handle says is asked of the process. */
        err = mproc__wait_add(set, child->kind == PARENT ? mproc__self()->parent_lifeline : child->process.watch,
                              false);
    }
    mproc__unlock();
    return err;
}

static void leave(uint64_t id, void *object)
{
    (void) id;
    struct child *child = object;
    mproc__lock();
    child->waiters--;
    mproc__child_settle(child);
    mproc__unlock();
}

const struct wait_source mproc__process_source = { enter, ask, leave };
