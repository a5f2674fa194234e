/* SPDX-License-Identifier: MIT */
/* This process's table of process objects: its children, itself, and its parent. */
#ifndef MPROC_CORE_CHILDREN_H
#define MPROC_CORE_CHILDREN_H

#include "record.h"
#include "wait_source.h"

enum child_kind { STARTING, CHILD, SELF, PARENT };

struct child {
    enum child_kind kind;
    struct mproc_plat_process process;
    uint64_t record;              /* handle; 0 once it has ended */
    process_token token;          /* 0 once its slot has been given back */
    const char *name;             /* short_name or of its own */
    char short_name[40];
    bool daemon;
    mproc_start_method method;
    int64_t guard_deadline;       /* MPROC_PLAT_NEVER: cannot miss its guard */

    bool ended;                   /* reaped; what follows is final */
    struct mproc_plat_status status;
    mproc_err trouble;            /* MPROC_ENOGUARD, MPROC_EIMAGE, ...: what join returns */
    char *message;                /* NULL if there is no trouble, or no memory to say which */

    bool guard_missed;
    bool sentinel_given;          /* the watch stays open until close */
    unsigned waiters;             /* threads that wait on the watch without the mutex */
    unsigned stoppers;            /* of those, who stop its tree: its slot is kept for them */
    uint32_t index, generation;   /* its place in the table */
    bool pooled;
};

/* All of these are called with mproc__lock() held. */

/* Gives the object a place; the pointer users get names place and generation, not an address. */
mproc_err mproc__child_add(const struct child *values, const char *name, struct child **child);
/* Makes room, so that the next mproc__child_add() cannot fail for memory after a start. */
mproc_err mproc__child_reserve(void);
mproc_process *mproc__child_pointer(const struct child *child);
/* NULL, with MPROC_ECLOSED or MPROC_EINVAL described, if the pointer means no object. */
struct child *mproc__child_find(const mproc_process *pointer, mproc_err *err);
void mproc__child_remove(struct child *child);
/* The next object at or after place *at, or NULL. */
struct child *mproc__child_next(uint32_t *at);

/* Reaps the child if it has ended; true if it has, now or before. */
bool mproc__child_poll(struct child *child);
/* When the child will have missed its guard, for whoever waits for it; MPROC_PLAT_NEVER: it cannot. Kills it if it
 * has, also at each poll. */
int64_t mproc__child_guard(struct child *child);
/* The sentence about child->trouble. */
const char *mproc__child_trouble(const struct child *child);
/* A thread is done waiting for it, or it has ended: lets go of what nobody needs any more. */
void mproc__child_settle(struct child *child);
/* Reaps a few children that have ended and that nobody asks about, and gives back what a few dead orphans of the
 * family have left. */
void mproc__children_reap_some(void);
/* In a forked child: forgets the parent's objects and closes what they held. */
void mproc__children_forked(void);

/* How mproc_wait() waits for a process (wait_process.c). */
extern const struct wait_source mproc__process_source;

/* Terminates daemons, joins the others; without the mutex. */
void mproc__children_end(void);

#endif
