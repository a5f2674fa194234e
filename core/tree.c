/* SPDX-License-Identifier: MIT */
/* Ending a process with all its descendants in the family. */
#include "mproc/process.h"

#include "children.h"
#include "runtime.h"

#include <stdlib.h>

/* How long nobody may be to be seen before those that were killed are given up. */
#define PATIENCE INT64_C(2000000000)

struct member {
    process_token token;
    int64_t pid;
    uint64_t stamp;
    bool asked;
    bool refuses; /* it may not be ended by this process */
};
struct tree {
    mproc_process *process;
    process_token top;
    struct member *members;
    size_t count, capacity;
    mproc_err trouble; /* of the last look or signal: somebody may have been missed */
};

static bool make_room(struct tree *tree)
{
    if (tree->count < tree->capacity)
        return true;
    size_t capacity = tree->capacity ? tree->capacity * 2 : 32;
    struct member *more = realloc(tree->members, capacity * sizeof *more);
    if (!more) {
        tree->trouble = mproc__fail(MPROC_ENOMEM, "no memory to list all descendants; some may run on");
        return false;
    }
    tree->members = more;
    tree->capacity = capacity;
    return true;
}

static void add(const struct slot *slot, process_token token, void *context)
{
    struct tree *tree = context;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].token == token)
            return;
    struct member member = { .token = token, .pid = mproc__slot_pid(slot, token) };
    /* Taken now, while its slot still says that it is ours. */
    mproc_err err = mproc_plat_process_stamp(member.pid, &member.stamp);
    if (err == MPROC_ENOTFOUND || (err == MPROC_OK && !mproc__slot_is_of(slot, token, member.stamp)))
        return;
    member.refuses = err == MPROC_EPERM;
    if (err != MPROC_OK && err != MPROC_EPERM)
        tree->trouble = err;
    else if (make_room(tree))
        tree->members[tree->count++] = member;
}

/* A process may have started others since the last look. */
static void look_again(struct tree *tree)
{
    tree->trouble = MPROC_OK;
    mproc__slots_descendants(tree->top, add, tree);
}

/* In doubt it lives. */
static bool lives(const struct member *member, mproc_err *err)
{
    uint64_t stamp;
    *err = mproc_plat_process_stamp(member->pid, &stamp);
    /* Where stamps are only had on demand, a 0 may have become another. */
    return *err == MPROC_OK ? stamp == member->stamp || member->stamp == 0 : *err != MPROC_ENOTFOUND;
}

/* Of those that can be ended. */
static bool any_alive(struct tree *tree)
{
    bool alive = false;
    mproc_err err;
    for (size_t i = 0; i < tree->count; i++)
        if (!tree->members[i].refuses && lives(&tree->members[i], &err)) {
            alive = true;
            if (err != MPROC_OK)
                tree->trouble = err;
        }
    return alive;
}

static void signal_all(struct tree *tree, bool force)
{
    for (size_t i = 0; i < tree->count; i++) {
        struct member *member = &tree->members[i];
        if (member->refuses || (member->asked && !force))
            continue;
        mproc_err err = mproc_plat_process_signal(member->pid, member->stamp, force);
        member->refuses = err == MPROC_EPERM;
        member->asked = err == MPROC_OK;
        if (err != MPROC_OK && err != MPROC_EPERM)
            tree->trouble = err;
    }
}

/* Until nobody of the tree is left or the deadline has passed. False also if they cannot be looked at any more. */
static bool ended_by(struct tree *tree, int64_t deadline, bool force)
{
    int64_t sighted = mproc_plat_now();
    for (;;) {
        look_again(tree);
        signal_all(tree, force);
        bool top_ended = mproc_process_join(tree->process, 2) != MPROC_ETIMEDOUT;
        if (top_ended && !any_alive(tree)) {
            /* The dead start nobody: whom a last look does not find is not there. */
            size_t known = tree->count;
            look_again(tree);
            if (tree->count == known && tree->trouble == MPROC_OK)
                return true;
        }
        int64_t now = mproc_plat_now();
        if (tree->trouble == MPROC_OK)
            sighted = now;
        if (now >= deadline || (force && now - sighted > PATIENCE))
            return false;
        if (top_ended)
            mproc_plat_sleep(2000000);
    }
}

/* What is said of those that run on. */
static mproc_err who_refused(const struct tree *tree)
{
    mproc_err err;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].refuses && lives(&tree->members[i], &err))
            return mproc__fail(MPROC_EPERM,
                               "process %lld, a descendant, may not be ended by this one and runs on: does it run "
                               "as another user?",
                               (long long) tree->members[i].pid);
    return MPROC_OK;
}

static mproc_err stop(struct tree *tree, mproc_ms grace)
{
    if (tree->top == 0) /* it ended before; what it left has become this process's, like what others left */
        return MPROC_OK;
    look_again(tree);
    /* Without the top nobody would find the others another time. */
    mproc_err err = tree->trouble;
    if (err == MPROC_OK)
        err = mproc_process_terminate(tree->process);
    if (err == MPROC_OK && !ended_by(tree, mproc__deadline(grace), false)) {
        err = mproc_process_kill(tree->process);
        if (err == MPROC_OK && !ended_by(tree, MPROC_PLAT_NEVER, true))
            err = tree->trouble;
    }
    return err == MPROC_OK ? who_refused(tree) : err;
}

/* The top's slot is kept until all have ended: it leads to its children. */
static mproc_err begin(struct tree *tree)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    mproc__lock();
    struct child *child = mproc__child_find(tree->process, &err);
    if (child && child->kind != CHILD)
        err = mproc__fail(MPROC_ESTATE, "only a child's tree can be stopped");
    else if (child) {
        tree->top = child->token;
        child->waiters++;
        child->stoppers++;
    }
    mproc__unlock();
    return err;
}

static void end(struct tree *tree)
{
    /* Grandchildren before children, so that nobody is handed over. */
    for (size_t i = tree->count; i-- > 0;)
        mproc__slot_reclaim(tree->members[i].token);
    free(tree->members);
    mproc_err err;
    mproc__lock();
    struct child *child = mproc__child_find(tree->process, &err);
    child->waiters--;
    child->stoppers--;
    mproc__child_settle(child);
    mproc__unlock();
}

mproc_err mproc_process_stop_tree(mproc_process *process, mproc_ms grace)
{
    struct tree tree = { .process = process };
    mproc_err err = begin(&tree);
    if (err != MPROC_OK)
        return err;
    err = stop(&tree, grace);
    end(&tree);
    return err == MPROC_OK ? mproc_process_join(process, MPROC_FOREVER) : err;
}
