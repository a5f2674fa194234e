/* SPDX-License-Identifier: MIT */
/* What this process is: initialised or not, root or child, and the mutex of its local tables. */
#ifndef MPROC_CORE_RUNTIME_H
#define MPROC_CORE_RUNTIME_H

#include "platform.h"

/* MPROC_ENOINIT and the sentence that says what to add, before mproc_init(). */
mproc_err mproc__check_init(void);
bool mproc__is_initialized(void);

/* The absolute deadline of a public time-out; 0 for MPROC_NOWAIT. */
int64_t mproc__deadline(mproc_ms timeout);

/* The mutex of children, finalizers and settings. Held over fork(), so that a child finds them whole;
 * never while waiting for anything. */
void mproc__lock(void);
void mproc__unlock(void);
bool mproc__lock_is_mine(void);
void mproc__lock_forked(void); /* in a forked child: frees it */

/* Settings a child has from its parent. */
struct settings {
    mproc_start_method start_method; /* MPROC_START_DEFAULT: not chosen */
    uint32_t authkey_size;
    unsigned char authkey[256];
};
struct settings *mproc__settings(void);

/* Reads decimal digits and nothing else; false if the text is something else, or more than `most`. */
bool mproc__read_number(const char *text, uint64_t most, uint64_t *number);
/* Refuses settings in the environment that mean nothing, with a sentence; in the root. */
mproc_err mproc__check_variables(void);
/* A number in the environment; 0 if the variable is not set or empty. */
uint64_t mproc__number_variable(const char *name);

/* How long a spawned child may take to its guard, in nanoseconds. */
int64_t mproc__guard_timeout(void);
/* MPROC_DEBUG: arguments are scanned for pointers. */
bool mproc__debugging(void);

#endif
