/* SPDX-License-Identifier: MIT */
/* The family's shared heap: blocks addressed by offset, in size classes that survive a kill. */
#ifndef MPROC_CORE_ARENA_H
#define MPROC_CORE_ARENA_H

#include "platform.h"

/* What a block holds; part of its handle, so that a queue's handle is no lock's. */
enum block_type {
    BLOCK_NONE = 0, /* free */
    BLOCK_MEMORY = 1,
    BLOCK_LOCK = 2,
    BLOCK_RECORD = 3,
    BLOCK_SLOTS = 4,
    BLOCK_RLOCK = 5,
    BLOCK_SEMAPHORE = 6,
    BLOCK_CONDITION = 7,
    BLOCK_EVENT = 8,
    BLOCK_BARRIER = 9,
    BLOCK_RWLOCK = 10,
    BLOCK_PERMITS = 11,
    BLOCK_QUEUE = 12,
    BLOCK_PIPE = 13,
    BLOCK_VALUE = 14,
    BLOCK_ARRAY = 15,
    BLOCK_POOL = 16,
    BLOCK_ITEM = 17,    /* a queue's or pipe's item that lies outside its ring */
    BLOCK_TASK = 18,
    BLOCK_THREADS = 19,
};

/* Creates the family's region with a limit in bytes; in the root. */
mproc_err mproc__arena_create(uint64_t limit);
/* Maps the family's region in a spawned process. */
mproc_err mproc__arena_attach(mproc_plat_handle region, uint64_t limit);
uint64_t mproc__arena_limit(void);

/* Allocates `size` zeroed bytes, aligned to 16, and gives the handle. MPROC_ENOMEM. */
mproc_err mproc__arena_alloc(enum block_type type, uint64_t size, uint64_t *handle);
/* MPROC_EBADHANDLE unless the handle is live and of this type. */
mproc_err mproc__arena_free(enum block_type type, uint64_t handle);
/* The block's bytes in this process, or NULL (and an error is described). */
void *mproc__arena_at(enum block_type type, uint64_t handle);
/* The same at its mproc_plat_region_near() address: cheaper to a process that has used no other block. */
void *mproc__arena_near(enum block_type type, uint64_t handle);
uint64_t mproc__arena_size(enum block_type type, uint64_t handle);
/* Bytes of the region in use by blocks and their classes: for tests and statistics. */
uint64_t mproc__arena_used(void);

/* The family's own words, right behind the platform's. */
struct family {
    _Atomic uint32_t growth_lock;       /* token of the process that grows the arena */
    uint32_t version;
    uint64_t limit;
    _Atomic uint64_t frontier;          /* everything below was handed to a class */
    _Atomic uint64_t used;
    _Atomic uint64_t pending_run;       /* cursor being given to class pending_class, or 0 */
    _Atomic uint32_t pending_class;
    _Atomic uint32_t slot_chunks;       /* how many of slot_chunk are there */
    _Atomic uint32_t slot_hint;
    _Atomic uint64_t slot_chunk[32];    /* handles of BLOCK_SLOTS */
    _Atomic uint64_t free_list[192];    /* per class: tag << 40 | position of the first free block */
    _Atomic uint64_t cursor[192];       /* per class: blocks left << 40 | position of the next */
};
struct family *mproc__family(void);

#endif
