/* SPDX-License-Identifier: MIT */
/* Public pointers of this process that are looked up, not followed: a closed one is found out. */
#ifndef MPROC_CORE_POINTERS_H
#define MPROC_CORE_POINTERS_H

#include "platform.h"

enum object_kind { OBJECT_CONNECTION = 1, OBJECT_LISTENER = 2 };

/* The pointer for users. */
mproc_err mproc__object_add(enum object_kind kind, void *object, void **pointer);
/* Looks it up and holds it until leave(). MPROC_ECLOSED, MPROC_EINVAL. */
mproc_err mproc__object_enter(const void *pointer, enum object_kind kind, void *object);
void mproc__object_leave(const void *pointer);
/* By who has entered it: others are refused (MPROC_ESTATE) until it is let go or taken out. MPROC_ESTATE while
 * another thread has entered it. */
mproc_err mproc__object_hold(const void *pointer, enum object_kind kind);
void mproc__object_let_go(const void *pointer);
/* Takes it out; the caller releases the object. MPROC_ESTATE while a thread has entered it: `own` of
 * those are the caller's, which then does not leave it. */
mproc_err mproc__object_remove(const void *pointer, enum object_kind kind, unsigned own, void *object);
/* The next object of this kind that nobody has removed; for the end of the process. */
void *mproc__object_next(enum object_kind kind, size_t *at);

#endif
