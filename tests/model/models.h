/* SPDX-License-Identifier: MIT */
/* The protocols that are explored, each with mistakes that must be found. */
#ifndef MPROC_TESTS_MODEL_MODELS_H
#define MPROC_TESTS_MODEL_MODELS_H

#include "explore.h"

enum mistake {
    MISTAKE_NONE,
    MISTAKE_FORGETS_SLEEPERS,   /* latch: who has slept takes it without the mark for the others */
    MISTAKE_STORES_BLINDLY,     /* latch: a dead holder's word is overwritten without comparing */
    MISTAKE_SENTRY_STAYS,       /* latch: the sentry leaves its name when it goes */
    MISTAKE_GIVES_UP_SILENTLY,  /* latch: who was woken too late does not wake another */
    MISTAKE_ASKS_LATE,          /* latch: looks for one that has waited for long after it has given it back */
    MISTAKE_ANNOUNCES_FIRST,    /* gate: announces before it reads the epoch */
    MISTAKE_NO_CHAIN,           /* gate: the woken one does not wake the next */
    MISTAKE_NO_RECHECK,         /* gate: does not look again after announcing */
    MISTAKE_EMPTIES_LATE,       /* gate: who wakes all says afterwards that nobody sleeps */
    MISTAKE_KEEPS_NOTIFICATION, /* condition: what a dead waiter was told is not passed on */
    MISTAKE_MARKS_AFTER_WAKING, /* condition: wakes before it marks the place */
    MISTAKE_LEAVES_EARLY,       /* condition: leaves its place before it has the lock again */
    MISTAKE_FREES_FIRST,        /* condition: frees a dead one's place before it passes on what that was told */
    MISTAKE_NO_SECOND_LOOK,     /* rwlock: a reader does not look for a writer after it has said that it reads */
    MISTAKE_FORGETS_DAMAGE,     /* rwlock: who follows a dead writer goes on as if that had not written */
    MISTAKE_CLEARS_DAMAGE,      /* rwlock: who follows a dead writer and gives up lets readers in */
    MISTAKE_ASKS_ONCE           /* sweep: does not read the owner again once that is known to be dead */
};

/* `patient`: no slice of sleep ever ends, so that every wake-up is needed. */
const char *model_latch(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);
const char *model_gate(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);
const char *model_gate_all(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);
/* Beside a waker of an object that was in the gate's place before. */
const char *model_gate_late(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);
const char *model_gate_all_late(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);
const char *model_condition(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);
const char *model_rwlock(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);
/* `patient`: one round of the sweep only. */
const char *model_sweep(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);

#endif
