/* SPDX-License-Identifier: MIT */
/* Counts what is allocated, where the linker puts our malloc() before the calls of everything in the program
 * (-Wl,--wrap=malloc and so on): while it counts, memory comes from one region, and what is resized is moved, as the
 * worst allocator would. */
#ifndef MPROC_TESTS_COUNTED_H
#define MPROC_TESTS_COUNTED_H

#include <stddef.h>

void counting_start(void);
/* The most bytes that were in use at a time since then. They may be freed later. */
size_t counting_stop(void);
/* Bytes that were allocated since the last start, and are still in use. */
size_t counted_in_use(void);

#endif
