/* SPDX-License-Identifier: MIT */
/* The family's shared heap: blocks addressed by offset, in size classes that survive a kill. */
#ifndef MPROC_CORE_ARENA_H
#define MPROC_CORE_ARENA_H

#include "latch.h"
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
    BLOCK_REGISTRY = 19,
    BLOCK_WAITERS = 20, /* of a condition */
    BLOCK_TRACE = 21,
    BLOCK_SEGMENT = 22, /* record of named shared memory */
    /* Of arena_spare.c, in no handle: */
    BLOCK_GATHERED = 253, /* free, and in no list */
    BLOCK_SPARE = 254,    /* begins an extent that is of no class */
    BLOCK_HOLLOW = 255,   /* the same; behind its first granule it must be committed again */
};

/* Creates the family's region with a limit in bytes; in the root. */
mproc_err mproc__arena_create(uint64_t limit);
/* Maps the family's region in a spawned process. */
mproc_err mproc__arena_attach(mproc_plat_handle region, uint64_t limit);
uint64_t mproc__arena_limit(void);

/* Allocates `size` zeroed bytes, aligned to 16, and gives the handle. MPROC_ENOMEM. */
mproc_err mproc__arena_alloc(enum block_type type, uint64_t size, uint64_t *handle);
/* The same with whatever was in them: for who writes them all, or as much as it reads. */
mproc_err mproc__arena_alloc_dirty(enum block_type type, uint64_t size, uint64_t *handle);
/* MPROC_EBADHANDLE unless the handle is live and of this type. */
mproc_err mproc__arena_free(enum block_type type, uint64_t handle);
/* The block's bytes in this process, or NULL (and an error is described). */
void *mproc__arena_at(enum block_type type, uint64_t handle);
/* The same at its mproc_plat_region_near() address: cheaper to a process that has used no other block. */
void *mproc__arena_near(enum block_type type, uint64_t handle);
uint64_t mproc__arena_size(enum block_type type, uint64_t handle);
/* Bytes of the region in use by blocks and their classes: for tests and statistics. */
uint64_t mproc__arena_used(void);

enum { REGISTRY_CHUNKS = 64, FAMILY_SPACE = 128, SIZE_CLASSES = 192 };

struct size_class {
    _Atomic uint64_t free_list; /* tag << 36 | position of the first free block */
    _Atomic uint64_t cursor;    /* blocks left << 36 | position of the next */
    uint64_t reserved[2];       /* no class lies in two lines */
};

/* The family's own words, right behind the platform's. What every use of a handle reads shares no line with what
 * every allocation writes. */
struct family {
    char space1[FAMILY_SPACE];
    struct latch growth_lock;           /* held by the process that grows the arena */
    uint32_t version;
    uint64_t limit;
    uint64_t secret;                    /* odd; headers are checked with it */
    _Atomic uint64_t frontier;          /* everything below was handed to a class */
    char space2[FAMILY_SPACE];
    _Atomic uint64_t pending_run;       /* cursor being given to class pending_class, or 0 */
    _Atomic uint64_t pending_spare;     /* offset of the spare extent that the run is cut from, or 0 */
    _Atomic uint32_t pending_class;
    _Atomic uint32_t gathering;         /* free blocks are being taken out of their lists */
    _Atomic uint64_t spare_hint;        /* an extent to begin at when looking for a spare one */
    _Atomic uint64_t spare_most;        /* no spare extent has more bytes */
    uint64_t moves_when_gathered;       /* into lists and out of them */
    _Atomic uint32_t slot_chunks;       /* how many of slot_chunk are there */
    _Atomic uint32_t slot_hint;
    _Atomic uint64_t slot_chunk[32];    /* handles of BLOCK_SLOTS */
    _Atomic uint64_t registry[REGISTRY_CHUNKS]; /* handles of BLOCK_REGISTRY */
    _Atomic uint32_t segments;          /* BLOCK_SEGMENTs there are */
    _Atomic uint64_t trace_limit;       /* events; 0: no trace */
    _Atomic uint64_t trace_events, trace_dropped;
    _Atomic uint64_t trace_chunks;      /* handle of the newest BLOCK_TRACE */
    struct size_class size_class[SIZE_CLASSES];
    /* How many of a class's blocks; of large ones, their bytes. Apart, as often one process allocates and another
     * frees. */
    _Atomic uint64_t allocated[SIZE_CLASSES];
    char space3[FAMILY_SPACE];
    _Atomic uint64_t freed[SIZE_CLASSES];
};
/* NULL before mproc_init(). */
extern struct family *mproc__family_here;
static inline struct family *mproc__family(void)
{
    return mproc__family_here;
}

/* A handle: type << 56 | generation << 36 | position. Positions count units of 16 bytes, up to 1 TiB; every
 * block begins with a header of one unit. */
#define POSITION_BITS 36
#define POSITION_MASK ((UINT64_C(1) << POSITION_BITS) - 1)
#define GENERATION_BITS 20
#define GENERATION_MASK ((1u << GENERATION_BITS) - 1)
enum { UNIT = 16, GRANULE = 65536 /* the frontier moves in these */ };

struct block {
    _Atomic uint32_t tag;     /* handle >> POSITION_BITS: type and generation */
    _Atomic uint32_t class_index;
    _Atomic uint64_t size;    /* check << 40 | bytes asked for; while free: position of the next free block */
};
_Static_assert(sizeof(struct block) == UNIT, "a block's header is one unit");

/* What tells a header from other bytes that a handle may point to: its place and the family's secret, mixed. */
#define SIZE_BITS 40
#define SIZE_MASK ((UINT64_C(1) << SIZE_BITS) - 1)
static inline uint64_t mproc__block_check(const struct family *family, uint64_t position)
{
    return position * family->secret & ~SIZE_MASK;
}
static inline uint64_t mproc__block_size(const struct block *block)
{
    return atomic_load_explicit(&block->size, memory_order_relaxed) & SIZE_MASK;
}
static inline bool mproc__block_is(const struct family *family, const struct block *block, uint64_t handle)
{
    uint64_t check = (handle & POSITION_MASK) * family->secret;
    return atomic_load_explicit(&block->tag, memory_order_acquire) == (uint32_t) (handle >> POSITION_BITS) &&
           (atomic_load_explicit(&block->size, memory_order_relaxed) ^ check) >> SIZE_BITS == 0;
}

/* mproc__arena_at() for public functions: NULL also before mproc_init(), and no error is described. */
static inline void *mproc__object(enum block_type type, uint64_t handle)
{
    const struct family *family = mproc__family_here;
    uint64_t offset = (handle & POSITION_MASK) * UNIT;
    if (!family || handle >> 56 != (uint64_t) type || offset < GRANULE ||
        offset >= atomic_load_explicit(&family->frontier, memory_order_relaxed))
        return NULL;
    struct block *block = mproc_plat_region_at(offset);
    return block && mproc__block_is(family, block, handle) ? block + 1 : NULL;
}
/* The bytes of a block that is live for certain: nobody but the caller frees it. */
static inline void *mproc__arena_live(uint64_t handle)
{
    return mproc_plat_region_at((handle & POSITION_MASK) * UNIT + UNIT);
}
/* Describes and returns what is wrong with a handle that mproc__object() refused. */
mproc_err mproc__object_error(uint64_t handle);

#endif
