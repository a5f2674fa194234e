/* SPDX-License-Identifier: MIT */
/* The lock word under every lock: it names its holder, so a holder's death is seen by waiters.
 *
 * States of the word: 0 free; token: held; bit 31: somebody sleeps on it; bit 30: freed by the
 * sweep of a dead holder, the next one to take it is told.
 *   killed before the exchange that takes it: nothing has happened.
 *   killed while holding: the word keeps the dead token; a waiter whose bounded sleep ends asks
 *     mproc__token_alive() and takes it over by one compare-exchange, so only one is told.
 *   killed in release before the exchange: as while holding. After it, before the wake-up: the sleepers'
 *     bounded sleeps end and one of them takes the free word.
 *   killed while sleeping: bit 31 stays and costs one wake-up call. */
#ifndef MPROC_CORE_LATCH_H
#define MPROC_CORE_LATCH_H

#include "slots.h"

#define LATCH_SLEEPERS 0x80000000u
#define LATCH_DEAD 0x40000000u

/* MPROC_OK, MPROC_OWNERDEAD (taken, the holder died), MPROC_ETIMEDOUT. */
mproc_err mproc__latch_acquire(_Atomic uint32_t *word, int64_t deadline);
/* False if it was not held. */
bool mproc__latch_release(_Atomic uint32_t *word);

#endif
