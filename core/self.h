/* SPDX-License-Identifier: MIT */
/* Who this process is in its family. */
#ifndef MPROC_CORE_SELF_H
#define MPROC_CORE_SELF_H

#include "record.h"

enum process_kind { PROCESS_ROOT, PROCESS_SPAWNED, PROCESS_FORKED };

struct self {
    enum process_kind kind;
    int64_t pid;
    struct record *record;    /* NULL in the root; outlives this process */
    bool daemon;
    bool bound;               /* ends with its parent: a daemon, and what a daemon that may have children starts */
    _Atomic bool takes_along; /* and its programs with it */
    bool is_template;         /* runs the warm-up: may not start processes */
    const char *numbers;      /* "" in the root, "1:2" in its first child's second */
    uint32_t children;        /* how many have been numbered */
    mproc_plat_handle parent_lifeline;
    mproc_process *object;    /* made when asked for, as the next */
    mproc_process *parent;
};
struct self *mproc__self(void);
const char *mproc__own_name(void);

/* Becomes the root, or the process of this record, which it has claimed. Callers hold mproc__lock() or are alone. */
mproc_err mproc__become_root(void);
void mproc__become_child(enum process_kind kind, struct record *record,
                         mproc_plat_handle parent_lifeline);
/* In a forked child: forgets what is the parent's. Nobody holds mproc's mutexes but the thread that forked. */
void mproc__forget_parent(void);
/* In a process that does not have its parent's memory. */
void mproc__inherit_settings(struct record *record);

/* The objects of this process and its parent (NULL in the root). Callers hold mproc__lock(). */
mproc_process *mproc__own_object(void);
mproc_process *mproc__parent_object(void);

/* Whether this is the process that mproc knows, and not one the host program forked by itself. */
bool mproc__is_own_process(void);

#endif
