/* SPDX-License-Identifier: MIT */
/* The last error of each thread: one sentence that says what to do. */
#ifndef MPROC_CORE_ERROR_H
#define MPROC_CORE_ERROR_H

#include "mproc/base.h"

/* Remembers the sentence for mproc_last_error() and returns `err`. */
mproc_err mproc__fail(mproc_err err, const char *format, ...) MPROC_PRINTF(2, 3);
/* The same for a refusal of the system: appends ": " and the system's text for `code`. */
mproc_err mproc__fail_system(mproc_err err, int code, const char *format, ...) MPROC_PRINTF(3, 4);
/* How many sentences this thread has remembered so far: tells whether a call of the user's left one. */
uint64_t mproc__fail_count(void);

#endif
