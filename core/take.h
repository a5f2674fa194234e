/* SPDX-License-Identifier: MIT */
/* Taking a message of unknown length into memory of its own. */
#ifndef MPROC_CORE_TAKE_H
#define MPROC_CORE_TAKE_H

#include "platform.h"

/* Takes the next one into the buffer; MPROC_EMSGSIZE, with its length, if it is longer: it stays. */
typedef mproc_err mproc__take(void *context, void *buffer, uint64_t capacity, uint64_t *size, int64_t deadline);

/* Takes the next one into memory from malloc(), never NULL, also for 0 bytes. The deadline is for all of it. */
mproc_err mproc__take_alloc(mproc__take *take, void *context, int64_t deadline, void **bytes, size_t *size);

#endif
