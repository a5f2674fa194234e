/* SPDX-License-Identifier: MIT */
/* Looking into a family that does not move. */
#ifndef MPROC_DEBUG_H
#define MPROC_DEBUG_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Describes all locks, semaphores, events, conditions and barriers of the family, one line each: who
 * holds it and who waits for it, by process name and id. Writes at most `size` bytes with the final
 * zero into `text`, and returns how long the whole is without it, as snprintf does. It takes no lock and
 * disturbs nobody; while others run, lines may tell of different instants. It can be called
 * from a debugger. "" before mproc_init(). */
MPROC_API size_t mproc_describe_locks(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
