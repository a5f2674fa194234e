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

/* Around code of the user's inside another call: what fails there is not that call's last error. */
struct last_error {
    char sentence[512];
    int system_code;
    uint64_t count;
};
void mproc__error_save(struct last_error *error);
void mproc__error_restore(const struct last_error *error);

#endif
