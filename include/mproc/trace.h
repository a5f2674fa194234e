/* SPDX-License-Identifier: MIT */
/* A picture of who did what when, for Perfetto and chrome://tracing. */
#ifndef MPROC_TRACE_H
#define MPROC_TRACE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* With MPROC_TRACE=file.json in the environment, the first process of a family writes at its end what
 * all its processes did: their lives, the tasks of pools, waits for locks and queues, messages, and what
 * they said with these two, in the Trace Event format, merged and in order. The events lie in the family's
 * shared memory until then: those of a killed process are there as well. Up to MPROC_TRACE_EVENTS (a
 * million); then new ones are dropped, and the file says how many. Without MPROC_TRACE these calls do
 * nothing and cost a nanosecond. */

/* Something begins in this thread, until the mproc_trace_end() that belongs to it; they nest. Of the
 * name, the first 31 bytes are kept. */
MPROC_API void mproc_trace_begin(const char *name);
MPROC_API void mproc_trace_end(void);

#ifdef __cplusplus
}
#endif
#endif
