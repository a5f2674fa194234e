/* SPDX-License-Identifier: MIT */
/* Waiting for the ends of processes: of one, and of any of several. Whoever waits for a child counts as its waiter, so
 * that its watch stays open, and wakes up for its guard's deadline. */
#include "mproc/process.h"

#include "children.h"
#include "runtime.h"
#include "self.h"

#include <stdlib.h>

/* ---- one ---- */

/* What join answers about a child that has ended. */
static mproc_err verdict(const struct child *child)
{
    return child->trouble == MPROC_OK ? MPROC_OK : mproc__fail(child->trouble, "%s", mproc__child_trouble(child));
}

static mproc_err wait_for_parent(int64_t deadline)
{
    mproc_err err = mproc_plat_lifeline_wait(mproc__self()->parent_lifeline, deadline);
    return err == MPROC_ETIMEDOUT ? mproc__fail(err, "the parent still runs") : err;
}

/* What can be answered at once: true, and *err is the answer. */
static bool join_now(struct child *child, int64_t deadline, mproc_err *err)
{
    if (child->kind == SELF || child->kind == STARTING)
        *err = mproc__fail(MPROC_ESTATE, "a process cannot join itself");
    else if (child->ended || (deadline == 0 && mproc__child_poll(child)))
        *err = verdict(child);
    else
        return false;
    return true;
}

static int64_t sooner(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* Where only who has asked for its stamp can be told from a zombie, one that died before that lives for its brothers
 * until it is reaped. Whoever waits for some children looks after all of them there. */
#define CARE INT64_C(50000000)

static int64_t within_care(int64_t until)
{
    return MPROC_PLAT_STAMP_IS_ASKED ? sooner(until, mproc_plat_now() + CARE) : until;
}

static void look_after_all(void)
{
    uint32_t at = 0;
    for (struct child *child; MPROC_PLAT_STAMP_IS_ASKED && (child = mproc__child_next(&at)) != NULL;)
        mproc__child_poll(child);
}

/* One look under the mutex and, if needed, one sleep without it. True: *err is the answer. */
static bool join_step(mproc_process *process, int64_t deadline, mproc_err *err)
{
    mproc__lock();
    struct child *child = mproc__child_find(process, err);
    if (!child || child->kind == PARENT || join_now(child, deadline, err)) {
        bool is_parent = child && child->kind == PARENT;
        mproc__unlock();
        if (is_parent)
            *err = wait_for_parent(deadline);
        return true;
    }
    int64_t until = within_care(sooner(mproc__child_guard(child), deadline));
    const struct mproc_plat_process *watched = &child->process;
    child->waiters++;
    mproc__unlock();

    size_t index;
    mproc_err waited = mproc_plat_process_watch(&watched, 1, until, &index);

    mproc__lock();
    look_after_all();
    child->waiters--;
    mproc__child_settle(child);
    bool ended = mproc__child_poll(child);
    mproc__unlock();
    if (!ended && mproc_plat_now() >= deadline) {
        *err = mproc__fail(MPROC_ETIMEDOUT, "the process still runs");
        return true;
    }
    if (waited != MPROC_OK && waited != MPROC_ETIMEDOUT) {
        *err = waited;
        return true;
    }
    return false;
}

mproc_err mproc_process_join(mproc_process *process, mproc_ms timeout)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    int64_t deadline = mproc__deadline(timeout);
    while (!join_step(process, deadline, &err)) {
    }
    return err;
}

/* ---- any of several ---- */

enum { FEW = 16 }; /* are waited for without an allocation */

/* Finds all of them and counts itself as a waiter of each; an ended one is the answer already. */
static mproc_err enter_wait(mproc_process *const *processes, size_t count,
                            const struct mproc_plat_process **watched, struct child **children,
                            size_t *ended)
{
    *ended = count;
    for (size_t i = 0; i < count; i++) {
        mproc_err err;
        children[i] = mproc__child_find(processes[i], &err);
        if (!children[i])
            return err;
        if (children[i]->kind != CHILD)
            return mproc__fail(MPROC_ESTATE, "mproc_process_wait_any waits for children only");
        if (*ended == count && mproc__child_poll(children[i]))
            *ended = i;
        watched[i] = &children[i]->process;
    }
    if (*ended == count)
        for (size_t i = 0; i < count; i++)
            children[i]->waiters++;
    return MPROC_OK;
}

static void leave_wait(struct child **children, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        children[i]->waiters--;
        mproc__child_settle(children[i]);
    }
}

/* Called, and returns, with the mutex. Sleeps to the next guard's deadline at most, whose child is then killed. */
static mproc_err await_any(const struct mproc_plat_process *const *watched, struct child **children,
                           size_t count, int64_t deadline, size_t *ended)
{
    for (;;) {
        int64_t until = within_care(deadline);
        for (size_t i = 0; i < count; i++)
            until = sooner(mproc__child_guard(children[i]), until);
        mproc__unlock();
        mproc_err err = mproc_plat_process_watch(watched, count, until, ended);
        mproc__lock();
        look_after_all();
        if (err != MPROC_ETIMEDOUT || until == deadline)
            return err;
    }
}

static mproc_err wait_any(mproc_process *const *processes, size_t count, size_t *index, int64_t deadline,
                          struct child **children, const struct mproc_plat_process **watched)
{
    size_t ended;
    mproc__lock();
    mproc_err err = enter_wait(processes, count, watched, children, &ended);
    if (err == MPROC_OK && ended == count) {
        err = await_any(watched, children, count, deadline, &ended);
        leave_wait(children, count);
        if (err == MPROC_OK)
            mproc__child_poll(children[ended]);
    }
    mproc__unlock();
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "none of the %zu processes has ended", count);
    if (err == MPROC_OK)
        *index = ended;
    return err;
}

mproc_err mproc_process_wait_any(mproc_process *const *processes, size_t count, size_t *index,
                                 mproc_ms timeout)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    if (!processes || !index || count == 0)
        return mproc__fail(MPROC_EINVAL, "mproc_process_wait_any: %s",
                           count ? "a pointer is NULL" : "there is nothing to wait for");
    struct child *few[FEW], **children = count <= FEW ? few : malloc(count * (sizeof *children + sizeof(void *)));
    if (!children)
        return mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu processes", count);
    const struct mproc_plat_process *few_watched[FEW], **watched = few_watched;
    if (children != few)
        watched = (const struct mproc_plat_process **) (children + count);
    err = wait_any(processes, count, index, mproc__deadline(timeout), children, watched);
    if (children != few)
        free(children);
    return err;
}
