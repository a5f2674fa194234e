/* SPDX-License-Identifier: MIT */
/* The locks and their kin of a family: creating, destroying, listing them, and who waits for which. */
#ifndef MPROC_CORE_REGISTRY_H
#define MPROC_CORE_REGISTRY_H

#include "arena.h"
#include "runtime.h"

/* Creates a zeroed object in the arena and lists it. MPROC_ENOINIT, MPROC_ENOMEM. */
mproc_err mproc__object_create(enum block_type type, uint64_t size, uint64_t *handle);
/* Lists a block that is complete: visitors come from now on. MPROC_ENOMEM. */
mproc_err mproc__object_list(uint64_t handle);
/* MPROC_OK for 0. MPROC_EBADHANDLE. */
mproc_err mproc__object_destroy(enum block_type type, uint64_t handle);
/* Calls visit for every listed object. */
void mproc__objects_visit(void (*visit)(uint64_t handle, void *context), void *context);

/* Says in this process's slot that a thread waits for the object; NULL if there is no place to say it.
 * Only before sleeping. Who is killed waiting is told from the living by its slot. */
_Atomic uint64_t *mproc__waits_begin(uint64_t handle);
void mproc__waits_end(_Atomic uint64_t *place);
/* Calls visit for each thread of a living process that waits for the object. */
void mproc__waits_visit(uint64_t handle, void (*visit)(process_token token, void *context), void *context);

#endif
