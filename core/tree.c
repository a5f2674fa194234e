/* SPDX-License-Identifier: MIT */
/* Ending a process with all its descendants in the family. */
#include "mproc/process.h"

#include "children.h"
#include "runtime.h"

#include <stdlib.h>

struct member {
    process_token token;
    int64_t pid;
    uint64_t stamp;
    bool asked;
};
struct tree {
    struct member *members;
    size_t count, capacity;
    bool out_of_memory;
};

static void add(const struct slot *slot, process_token token, void *context)
{
    struct tree *tree = context;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].token == token)
            return;
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity ? tree->capacity * 2 : 32;
        struct member *more = realloc(tree->members, capacity * sizeof *more);
        if (!more) {
            tree->out_of_memory = true;
            return;
        }
        tree->members = more;
        tree->capacity = capacity;
    }
    struct member member = { .token = token, .pid = atomic_load(&slot->pid) };
    /* Taken now, while its parent's slot still says that it is ours. */
    if (mproc_plat_process_stamp(member.pid, &member.stamp) == MPROC_OK)
        tree->members[tree->count++] = member;
}

/* Descendants of those known by now: a process may have started others since the last look. */
static void look_again(struct tree *tree, process_token top)
{
    mproc__slots_descendants(top, add, tree);
    for (size_t i = 0; i < tree->count; i++)
        mproc__slots_descendants(tree->members[i].token, add, tree);
}

static bool any_alive(struct tree *tree)
{
    bool alive = false;
    for (size_t i = 0; i < tree->count; i++) {
        uint64_t stamp;
        struct member *member = &tree->members[i];
        /* Where stamps are only had on demand, a 0 may have become another. */
        if (mproc_plat_process_stamp(member->pid, &stamp) == MPROC_OK &&
            (stamp == member->stamp || member->stamp == 0))
            alive = true;
    }
    return alive;
}

static void signal_all(struct tree *tree, bool force)
{
    for (size_t i = 0; i < tree->count; i++) {
        struct member *member = &tree->members[i];
        if (!member->asked || force)
            (void) mproc_plat_process_signal(member->pid, member->stamp, force);
        member->asked = true;
    }
}

static mproc_err top_token(mproc_process *process, process_token *token)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    mproc__lock();
    struct child *child = mproc__child_find(process, &err);
    if (child && child->kind != CHILD)
        err = mproc__fail(MPROC_ESTATE, "only a child's tree can be stopped");
    else if (child)
        *token = child->token;
    mproc__unlock();
    return err;
}

/* Until nobody of the tree is left or the deadline has passed. */
static bool ended_by(mproc_process *process, struct tree *tree, process_token top, int64_t deadline,
                     bool force)
{
    for (;;) {
        look_again(tree, top);
        signal_all(tree, force);
        bool top_ended = mproc_process_join(process, 2) != MPROC_ETIMEDOUT;
        if (top_ended && !any_alive(tree))
            return true;
        if (mproc_plat_now() >= deadline)
            return false;
        if (top_ended)
            mproc_plat_sleep(2000000);
    }
}

mproc_err mproc_process_stop_tree(mproc_process *process, mproc_ms grace)
{
    process_token top = 0;
    mproc_err err = top_token(process, &top);
    if (err != MPROC_OK)
        return err;
    struct tree tree = { 0 };
    look_again(&tree, top);
    err = mproc_process_terminate(process);
    if (err == MPROC_OK && !ended_by(process, &tree, top, mproc__deadline(grace), false)) {
        err = mproc_process_kill(process);
        if (err == MPROC_OK)
            (void) ended_by(process, &tree, top, MPROC_PLAT_NEVER, true);
    }
    /* Their parents are gone: nobody else gives their slots back. */
    for (size_t i = 0; i < tree.count; i++)
        mproc__slot_release(tree.members[i].token);
    if (err == MPROC_OK && tree.out_of_memory)
        err = mproc__fail(MPROC_ENOMEM, "no memory to list all descendants; some may run on");
    free(tree.members);
    return err == MPROC_OK ? mproc_process_join(process, MPROC_FOREVER) : err;
}
