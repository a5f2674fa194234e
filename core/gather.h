/* SPDX-License-Identifier: MIT */
/* Waiting a little longer than for the first: of two that stream, the faster one would meet the other at every
 * item, and each meeting costs both of them a cache line's way from one CPU to the other, some 100 ns. Who has
 * just waited by looking goes on for a moment while more keeps coming, and then takes all of it undisturbed.
 * Where nothing more comes, as when two processes answer each other, it is soon tried but rarely.
 *
 * A struct gather lies in shared memory on a line of the one that waits, all zero at first; its fields are
 * hints, and whatever a killed process leaves in them is no harm. */
#ifndef MPROC_CORE_GATHER_H
#define MPROC_CORE_GATHER_H

#include "compiler.h"
#include "platform.h"

struct gather {
    _Atomic uint16_t skip;    /* waits to go until it is tried again */
    _Atomic uint16_t backoff; /* tries in a row that were in vain */
};

/* Returns when `enough` items have passed the end whose commit word this is, or no more of them come. */
void mproc__gather_slowly(struct gather *gather, const _Atomic uint64_t *word, uint32_t enough);

static inline void mproc__gather(struct gather *gather, const _Atomic uint64_t *word, uint32_t enough)
{
    uint16_t skip = atomic_load_explicit(&gather->skip, memory_order_relaxed);
    if (skip != 0)
        atomic_store_explicit(&gather->skip, (uint16_t) (skip - 1), memory_order_relaxed);
    else
        mproc__gather_slowly(gather, word, enough);
}

#endif
