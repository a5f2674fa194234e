/* SPDX-License-Identifier: MIT */
/* Looking into a family that does not move. */
#ifndef MPROC_DEBUG_H
#define MPROC_DEBUG_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Describes all locks, semaphores, permits, events, conditions, barriers and readers-writer locks of the family,
 * one line each, such as
 *
 *     lock 0a00010000001a40: held by Process-1 (pid 4711); waiting: MainProcess (pid 4709)
 *
 * "dead" stands after the pid of a process that has ended and whose parent has not waited for it; after that it
 * is "a process that is gone". Of each process twelve waiting threads are seen at most, and only those that sleep.
 * Queues, pipes and values are not described. (An object that was created when the family's list of them was full,
 * some 65,000, is missing.) Writes at most `size` bytes with the final zero into `text`, and returns how long the
 * whole is without it, as snprintf does. It takes no lock and disturbs nobody; while others run, lines may tell of
 * different instants. It can be called from a debugger. "" before mproc_init(). */
MPROC_API size_t mproc_describe_locks(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
