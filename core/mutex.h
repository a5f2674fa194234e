/* SPDX-License-Identifier: MIT */
/* A mutex of this process that may be held over fork(): one word beside mproc's other variables, so
 * that a fork copies no page for it. */
#ifndef MPROC_CORE_MUTEX_H
#define MPROC_CORE_MUTEX_H

#include "error.h"

#include <stdatomic.h>
#include <stdint.h>

/* All zero to begin with. */
struct mutex {
    _Atomic uint32_t word;
    _Atomic uint32_t holder; /* the number of the thread, beside the word: a fork copies no page for it either */
};

void mproc__mutex_lock(struct mutex *mutex);
void mproc__mutex_unlock(struct mutex *mutex);
/* Whether the calling thread holds it. */
bool mproc__mutex_is_mine(const struct mutex *mutex);
/* In a forked child, by the thread that held it over the fork: frees it. Whoever slept on it did so in
 * the parent. */
void mproc__mutex_forked(struct mutex *mutex);

#endif
