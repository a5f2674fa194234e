/* SPDX-License-Identifier: MIT */
/* Blocks of the family's shared heap (the arena). */
#ifndef MPROC_MEMORY_H
#define MPROC_MEMORY_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A block of shared memory: a plain value that means the same in every process of the family and
 * may be put into arguments and other shared memory. {0} is none. */
typedef struct mproc_memory {
    uint64_t id;
} mproc_memory;

/* Allocates `size` bytes (1 to what is left; at least 1 GiB on 64-bit systems), zeroed, aligned to
 * 16. The block lives until mproc_free(), or until the last process of the family has ended, however
 * it ended; its creator's death does not free it.
 * MPROC_ENOMEM when the arena is full (MPROC_ARENA_LIMIT), or when the system or, on Linux, the container
 * has no more memory: now, never as a SIGBUS later. What was freed counts as free for any size, as far as it
 * lies side by side. */
MPROC_API MPROC_MUST_USE mproc_err mproc_alloc(mproc_memory *block, size_t size);

/* Gives the block back to the family, and to the system if it has 16 MiB or more, or memory runs short.
 * Pointers into it must no longer be used, in any process; the handle is refused from now on. (It tells 20
 * bits of how often its place was used: in a program that allocates millions of times, one that is kept in
 * spite of that is by a chance of one in a million that of a later block.) MPROC_EBADHANDLE if it was freed
 * before. {0} is ignored. Killed inside: the block is freed, or still there, or lost to the family. */
MPROC_API mproc_err mproc_free(mproc_memory block);

/* Where the block begins in this process: valid in this process only, until it is freed.
 * NULL, and MPROC_EBADHANDLE as the last error, for a stale or forged handle. */
MPROC_API void *mproc_pointer(mproc_memory block);

/* The size asked for; 0 for a stale or forged handle. */
MPROC_API size_t mproc_size(mproc_memory block);

#ifdef __cplusplus
}
#endif
#endif
