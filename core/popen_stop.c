/* SPDX-License-Identifier: MIT */
/* Signals to a program, and ending it with all its descendants. */
#include "popen.h"

#include "runtime.h"
#include "stop.h"

#include <stdlib.h>

enum { TERMINATE = 15, KILL = 9 };

mproc_err mproc_popen_send_signal(mproc_popen *child, int number)
{
    mproc_err err = mproc__popen_check(child);
    if (err != MPROC_OK || mproc__popen_ended(child))
        return err;
    mproc__lock();
    /* Nobody can reap it now, so that its pid is its own. */
    if (!atomic_load(&child->ended))
        err = mproc_plat_process_send(&child->process, number);
    mproc__unlock();
    return err;
}

mproc_err mproc_popen_terminate(mproc_popen *child)
{
    return mproc_popen_send_signal(child, TERMINATE);
}

mproc_err mproc_popen_kill(mproc_popen *child)
{
    return mproc_popen_send_signal(child, KILL);
}

static mproc_err send_stop(void *child, bool force)
{
    return mproc_popen_send_signal(child, force ? KILL : TERMINATE);
}

static mproc_err wait_for(void *child, mproc_ms timeout)
{
    return mproc_popen_wait(child, timeout);
}

mproc_err mproc_popen_stop(mproc_popen *child, mproc_ms grace)
{
    return mproc__stop(&(struct stoppable){ child, send_stop, wait_for }, grace);
}

/* ---- the tree ---- */

struct member {
    int64_t pid;
    uint64_t stamp;
    bool asked, alive;
};
struct tree {
    mproc_popen *child;
    struct member *members;
    size_t count, capacity;
};

static struct member *find_member(struct tree *tree, int64_t pid)
{
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].pid == pid && tree->members[i].alive)
            return &tree->members[i];
    return NULL;
}

/* Whether the system's entry belongs to the tree, by what is known so far. */
static bool belongs(struct tree *tree, const struct mproc_plat_process_entry *entry, bool own_pid)
{
    const mproc_popen *child = tree->child;
    int64_t top = child->process.pid;
    if (entry->pid == top)
        return false;
    if (own_pid && ((child->leads_session && entry->session == top) ||
                    (child->leads_group && entry->group == top)))
        return true;
    if (entry->parent == top && !atomic_load(&child->ended))
        return true;
    const struct member *parent = find_member(tree, entry->parent);
    return parent && parent->stamp <= entry->stamp;
}

static mproc_err add_member(struct tree *tree, const struct mproc_plat_process_entry *entry)
{
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].pid == entry->pid && tree->members[i].stamp == entry->stamp) {
            tree->members[i].alive = true;
            return MPROC_OK;
        }
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity ? tree->capacity * 2 : 32;
        struct member *more = realloc(tree->members, capacity * sizeof *more);
        if (!more)
            return mproc__fail(MPROC_ENOMEM, "no memory to list all descendants; some may run on");
        tree->members = more;
        tree->capacity = capacity;
    }
    tree->members[tree->count++] =
        (struct member){ .pid = entry->pid, .stamp = entry->stamp, .alive = true };
    return MPROC_OK;
}

/* A pid that somebody else has now cannot be the number of our session or group any more. */
static bool number_is_ours(struct tree *tree, const struct mproc_plat_process_entry *list, size_t count)
{
    for (size_t i = 0; i < count && atomic_load(&tree->child->ended); i++)
        if (list[i].pid == tree->child->process.pid)
            return false;
    return true;
}

/* Marks who of the tree lives, and adds those who are new: until a look finds nobody new. */
static mproc_err look_again(struct tree *tree)
{
    struct mproc_plat_process_entry *list = NULL;
    size_t count = 0, before;
    mproc_err err = mproc_plat_process_list(&list, &count);
    if (err != MPROC_OK)
        return err;
    bool own_pid = number_is_ours(tree, list, count);
    for (size_t i = 0; i < tree->count; i++)
        tree->members[i].alive = false;
    for (size_t i = 0; i < count && err == MPROC_OK; i++)
        for (size_t j = 0; j < tree->count; j++)
            if (tree->members[j].pid == list[i].pid && tree->members[j].stamp == list[i].stamp)
                tree->members[j].alive = true;
    do {
        before = tree->count;
        for (size_t i = 0; i < count && err == MPROC_OK; i++)
            if (belongs(tree, &list[i], own_pid))
                err = add_member(tree, &list[i]);
    } while (tree->count > before && err == MPROC_OK);
    free(list);
    return err;
}

/* *nobody: nobody of the tree is left. MPROC_EPERM: somebody may not be ended by us. */
static mproc_err signal_members(struct tree *tree, bool force, bool *nobody)
{
    mproc_err err = MPROC_OK;
    *nobody = true;
    for (size_t i = 0; i < tree->count; i++) {
        struct member *member = &tree->members[i];
        if (!member->alive)
            continue;
        *nobody = false;
        if (err == MPROC_OK && (!member->asked || force))
            err = mproc_plat_process_signal(member->pid, member->stamp, force);
        member->asked = true;
    }
    return err;
}

static mproc_err end_tree(struct tree *tree, int64_t deadline, bool force)
{
    for (;;) {
        mproc_err err = look_again(tree);
        if (err != MPROC_OK)
            return err;
        bool nobody;
        err = signal_members(tree, force, &nobody);
        /* Not before the look: while it lives, its children name it as their parent. */
        if (err == MPROC_OK && force)
            err = mproc_popen_kill(tree->child);
        if (err != MPROC_OK)
            return err;
        if (nobody && mproc__popen_ended(tree->child))
            return MPROC_OK;
        if (mproc_plat_now() >= deadline)
            return MPROC_ETIMEDOUT;
        mproc_plat_sleep(2000000);
    }
}

mproc_err mproc_popen_stop_tree(mproc_popen *child, mproc_ms grace)
{
    mproc_err err = mproc__popen_check(child);
    if (err != MPROC_OK)
        return err;
    if (child->job != MPROC_PLAT_NONE) {
        mproc_plat_job_stop(child->job);
        return mproc_popen_wait(child, MPROC_FOREVER);
    }
    struct tree tree = { .child = child };
    err = look_again(&tree);
    if (err == MPROC_OK)
        err = mproc_popen_terminate(child);
    if (err == MPROC_OK)
        err = end_tree(&tree, mproc__deadline(grace), false);
    if (err == MPROC_ETIMEDOUT)
        err = end_tree(&tree, MPROC_PLAT_NEVER, true);
    free(tree.members);
    return err;
}
