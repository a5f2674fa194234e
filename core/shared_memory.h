/* SPDX-License-Identifier: MIT */
/* Cleaning up after creators that crashed. */
#ifndef MPROC_CORE_SHARED_MEMORY_H
#define MPROC_CORE_SHARED_MEMORY_H

#include "slots.h"

/* A child has ended: unlinks what it has created, unless it ended by itself. */
void mproc__shared_memory_child_ended(process_token token);
/* This process ends by itself. */
void mproc__shared_memory_finish(void);

#endif
