/* SPDX-License-Identifier: MIT */
/* Events of the family's processes, kept in the arena until the root writes them. */
#ifndef MPROC_CORE_TRACE_H
#define MPROC_CORE_TRACE_H

#include "arena.h"
#include "mproc/trace.h"

enum { TRACE_NAME = 32, TRACE_EVENTS = 255 };

/* The letters are those of the Trace Event format. Killed before `phase` is stored: no event. */
struct trace_event {
    _Atomic uint32_t phase; /* 'B', 'E', 'i'; 0: not there */
    uint32_t thread;
    int64_t time;           /* mproc_plat_now() */
    uint64_t id;            /* handle of the object, number of the task, or 0 */
    char category[8];
    char name[TRACE_NAME];
};

/* Written by the threads of one process. */
struct trace_chunk {
    uint64_t next;          /* handle; chunks are only added in front */
    int64_t pid;
    process_token token;
    _Atomic uint32_t count; /* places given out, perhaps beyond the end */
    char process[TRACE_NAME];
    struct trace_event events[TRACE_EVENTS];
};

/* In the root: reads MPROC_TRACE. In every process: whether there is a trace. */
void mproc__trace_start(void);
void mproc__trace_join(void);
/* In a child that the host forked: what it does is not its parent's doing. */
void mproc__trace_forked(void);
/* The process ends; the root writes the file. */
void mproc__trace_finish(void);

extern bool mproc__tracing;
void mproc__trace_add(char phase, const char *category, const char *name, uint64_t id);

static inline void mproc__trace(char phase, const char *category, const char *name, uint64_t id)
{
    if (mproc__tracing)
        mproc__trace_add(phase, category, name, id);
}

/* Writes the events of all chunks to a file (core/trace_file.c). */
mproc_err mproc__trace_write(const char *path, uint64_t first_chunk, uint64_t dropped);

#endif
