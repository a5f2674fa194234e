/* SPDX-License-Identifier: MIT */
/* Where a process that uses a queue can die. */
#ifndef MPROC_TESTS_QUEUE_POINTS_H
#define MPROC_TESTS_QUEUE_POINTS_H

#include <stdbool.h>
#include <string.h>

/* Passed by whoever uses a queue, alone: and whether the item in its hands is then lost, as it had taken it, or a piece
 * of it. */
static const struct point {
    const char *name;
    int lost;
} points[] = {
    { "channel.put_entered", 0 },       { "channel.put_copied", 0 },
    { "channel.put_prepared", 0 },      { "channel.put_committed", 0 },
    { "channel.segment_allocated", 0 }, { "channel.segment_noted", 0 },
    { "channel.segment_linked", 0 },    { "channel.loan_noted", 0 },
    { "channel.loan_cleared", 0 },      { "channel.get_entered", 0 },
    { "channel.get_copied", 0 },        { "channel.get_prepared", 1 },
    { "channel.get_committed", 1 },     { "channel.segment_left", 1 },
    { "channel.block_noted", 0 },       { "channel.borrow_noted", 0 },
    { "channel.borrow_taking", 0 },     { "channel.borrow_taken", 0 },
    { "channel.returned_claimed", 0 },  { "channel.returned_copied", 0 },
    { "channel.borrow_begun", 0 },      { "loans.emptied", 1 },
    { "channel.put_left", 0 },
    { "loans.claimed", 0 },             { "loans.clearing", 1 },
    { "loans.freed", 1 },               { "loans.returned", 0 },
    { "queue.loaned", 0 },              { "latch.before_release", 1 },
    { "latch.before_wake", 1 },         { "arena.popped", 0 },
    { "arena.untagged", 1 },            { "arena.carved", 0 },
    { "stock.created", 0 },             { "stock.allocated", 0 },
    { "stock.taken", 0 },               { "stock.returned", 1 },
};

/* Only where all items have one size. */
static inline bool needs_one_size(const struct point *point)
{
    return strncmp(point->name, "stock.", 6) == 0;
}

/* Passed by whoever comes after one that has died. */
static const struct point after_death[] = {
    { "channel.repair_unlinked", 0 }, { "channel.repair_partial", 0 },  { "channel.repair_got", 0 },
    { "loans.sweeping", 0 },          { "loans.owner_read", 0 },        { "channel.returned_claimed", 0 },
    { "channel.returned_copied", 0 }, { "latch.before_release", 1 },
};

/* Passed where several wait for each other; the last ones seldom. */
static const char *const when_waiting[] = {
    "gate.epoch_read", "gate.announced",     "gate.awake",  "gate.under_way",
    "sentry.watching", "latch.before_sleep", "sentry.left",
};

enum {
    POINTS = sizeof points / sizeof points[0],
    AFTER_DEATH = sizeof after_death / sizeof after_death[0],
    WHEN_WAITING = sizeof when_waiting / sizeof when_waiting[0],
    SELDOM = 2,
    ALL_POINTS = POINTS + AFTER_DEATH + WHEN_WAITING,
};

/* The number-th of all. */
static inline const char *point_name(unsigned number)
{
    return number < POINTS                 ? points[number].name
           : number < POINTS + AFTER_DEATH ? after_death[number - POINTS].name
                                           : when_waiting[number - POINTS - AFTER_DEATH];
}

#endif
