/* SPDX-License-Identifier: MIT */
/* What the workers of test_sync_storm.c do, and what they say about it in shared memory. */
#ifndef MPROC_TESTS_SYNC_WORK_H
#define MPROC_TESTS_SYNC_WORK_H

#include "suite.h"

enum kind { LOCK, RLOCK, SEMAPHORE, PERMITS, RWLOCK, CONDITION, EVENT, BARRIER, KINDS };

/* Workers have places. Where some give and others take, these are the givers; those that are never killed come last. */
enum { FIRST_GIVER = 0, VICTIMS = 3, SECOND_GIVER = 3, WORKERS = 5, LEDGERS = 2 * WORKERS };
enum { PERMIT_COUNT = 2, MOST_ITEMS = 2 };

enum phase { OUTSIDE, COMING, INSIDE, LEAVING };

/* Each worker has one to itself: the next one at its place takes the other of two, so that what a dead one was about
 * can still be read. A kill between two stores leaves `began` ahead of `done` by one. */
struct ledger {
    _Atomic int64_t began, done;
    _Atomic int64_t told;       /* MPROC_OWNERDEAD */
    _Atomic int64_t unmarked;   /* of these: the dead one had left no mark */
    _Atomic int64_t rounds;
    _Atomic int64_t last_round; /* mproc_plat_now(): a worker that makes no progress is stuck */
    _Atomic int phase;          /* while it is INSIDE its death is to be told, while COMING or LEAVING it may be */
    _Atomic uint32_t life;      /* odd: about to be killed */
    char space[64];
};

/* What the primitives guard; read and written without atomic operations that would hide a lack of exclusion. */
struct numbers {
    _Atomic int64_t a, b;    /* always the same outside the critical section */
    _Atomic int inside;      /* a mark of who is alone inside: number of its ledger + 1 */
    _Atomic int items;       /* in the hands of the conditions: 0 or 1 */
    _Atomic int taken;       /* how often an event was answered */
    _Atomic int wrong;       /* two at once, a and b different, a death that was not told */
    _Atomic int stop;
};

struct storm {
    enum kind kind;
    bool slow; /* everybody stays inside for so long that others fall asleep, and then outside until they are in */
    int place, ledger; /* of the worker */
    int more; /* released for the last takers by sync_wake_all() */
    mproc_lock lock;
    mproc_rlock rlock;
    mproc_semaphore semaphore;
    mproc_permits permits;
    mproc_rwlock rwlock;
    mproc_condition filled, emptied; /* over the lock */
    mproc_event event;
    mproc_barrier barrier;
    mproc_memory ledgers, numbers;
};

struct ledger *ledger_of(const struct storm *storm, int number);
struct numbers *numbers_of(const struct storm *storm);

/* The target of a worker: a struct storm. Makes rounds until it is told to stop. */
int sync_work(void *argument);
/* Lets workers that wait see that they are to stop; to be called again until all have ended. */
void sync_wake_all(struct storm *storm);
/* Takes what is guarded once more; how many deaths that told of. */
int sync_take_last(struct storm *storm);

#endif
