/* SPDX-License-Identifier: MIT */
/* How each kind of object tells what it is and who holds it. */
#ifndef MPROC_CORE_DESCRIBE_H
#define MPROC_CORE_DESCRIBE_H

#include "slots.h"

/* Text that grows to the end of a buffer and is counted beyond it. */
struct text {
    char *at;
    size_t size, length;
};
void mproc__text_add(struct text *text, const char *format, ...) MPROC_PRINTF(2, 3);
/* Adds "Process-1 (pid 4711)"; with ", dead" inside if it is. */
void mproc__text_add_process(struct text *text, process_token token);

/* "lock", "queue": what a handle is of. */
const char *mproc__object_kind(uint64_t handle);

void mproc__lock_describe(const void *object, struct text *text);
void mproc__rlock_describe(const void *object, struct text *text);
void mproc__semaphore_describe(const void *object, struct text *text);
void mproc__permits_describe(const void *object, struct text *text);
void mproc__event_describe(const void *object, struct text *text);
void mproc__condition_describe(const void *object, struct text *text);
void mproc__barrier_describe(const void *object, struct text *text);
void mproc__rwlock_describe(const void *object, struct text *text);

#endif
