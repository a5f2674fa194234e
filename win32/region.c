/* SPDX-License-Identifier: MIT */
/* The region as a row of unnamed pagefile sections: the first is inherited, the others are handed on
 * by the root, or by their maker if there is no root any more. A section ends with its last handle.
 *
 * Segment n holds the offsets from n * 4 GiB. Its maker publishes it by the store of `size`, after
 * everything else; killed before that, nobody knows of it and the next one makes it again. */
#include "win32.h"

#include <string.h>

enum { SEGMENT_SHIFT = 32 };
#define FIRST_SIZE (UINT64_C(64) << 20)
#define LATER_SIZE (UINT64_C(256) << 20)
#define LARGEST_SIZE ((UINT64_C(1) << SEGMENT_SHIFT) - 65536)

struct shared_segment {
    _Atomic uint64_t size;      /* 0: not there yet */
    _Atomic uint64_t committed; /* its first bytes that may be used */
    uint64_t handle;            /* in the process `owner` */
};

struct private_bytes {
    uint64_t nonce[2];
    uint64_t root_stamp;
    uint32_t root;
    uint32_t unused;
    _Atomic uint32_t park_counters[MPROC__BUCKETS];
    uint32_t owners[MPROC_PLAT_SEGMENTS];
    struct shared_segment segments[MPROC_PLAT_SEGMENTS];
};
_Static_assert(MPROC_PLAT_REGION_PRIVATE + sizeof(struct private_bytes) <= MPROC_PLAT_REGION_START,
               "the platform's part of the region is full");

struct mproc_plat_segment mproc_plat_segments[MPROC_PLAT_SEGMENTS];
static HANDLE first_section;
static SRWLOCK attaching = SRWLOCK_INIT;

static struct private_bytes *private_bytes(void)
{
    return (struct private_bytes *) (mproc_plat_segments[0].base + MPROC_PLAT_REGION_PRIVATE);
}

const uint64_t *mproc__family_nonce(void)
{
    return private_bytes()->nonce;
}

_Atomic uint32_t *mproc__park_counter(unsigned bucket)
{
    return &private_bytes()->park_counters[bucket];
}

static HANDLE make_section(uint64_t size)
{
    return CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | SEC_RESERVE,
                              (DWORD) (size >> 32), (DWORD) size, NULL);
}

static mproc_err no_memory(const char *what, uint64_t size)
{
    return mproc__fail_system(MPROC_ENOMEM, (int) GetLastError(), "cannot %s %llu bytes of shared memory",
                              what, (unsigned long long) size);
}

static mproc_err map(unsigned index, HANDLE section)
{
    char *base = MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, 0);
    if (!base)
        return no_memory("map", 0);
    mproc_plat_segments[index].base = base;
    return MPROC_OK;
}

/* ---- beginning ---- */

mproc_err mproc_plat_region_create(uint64_t *limit)
{
    uint64_t largest = (uint64_t) MPROC_PLAT_SEGMENTS << SEGMENT_SHIFT;
    if (*limit > largest)
        *limit = largest;
    uint64_t size = *limit < FIRST_SIZE ? *limit : FIRST_SIZE;
    first_section = make_section(size);
    if (!first_section)
        return no_memory("reserve", size);
    mproc_err err = map(0, first_section);
    if (err == MPROC_OK && !VirtualAlloc(mproc_plat_segments[0].base, 65536, MEM_COMMIT, PAGE_READWRITE))
        err = no_memory("commit", 65536);
    if (err != MPROC_OK) {
        CloseHandle(first_section);
        return err;
    }
    struct private_bytes *bytes = private_bytes();
    bytes->root = GetCurrentProcessId();
    (void) mproc__creation_time(GetCurrentProcess(), &bytes->root_stamp);
    bytes->segments[0].committed = 65536;
    bytes->segments[0].size = size;
    mproc_plat_segments[0].committed = 65536;
    return mproc_plat_random(bytes->nonce, sizeof bytes->nonce);
}

mproc_err mproc_plat_region_attach(mproc_plat_handle handle, uint64_t limit)
{
    (void) limit;
    first_section = (HANDLE) handle;
    mproc_err err = map(0, first_section);
    if (err == MPROC_OK)
        mproc_plat_segments[0].committed = private_bytes()->segments[0].committed;
    return err;
}

mproc_plat_handle mproc_plat_region_handle(void)
{
    return (mproc_plat_handle) first_section;
}

/* ---- segments that others made ---- */

static HANDLE fetch_section(unsigned index)
{
    struct private_bytes *bytes = private_bytes();
    HANDLE theirs = (HANDLE) (uintptr_t) bytes->segments[index].handle, ours = NULL;
    if (bytes->owners[index] == GetCurrentProcessId())
        return theirs;
    HANDLE owner = OpenProcess(PROCESS_DUP_HANDLE, FALSE, bytes->owners[index]);
    if (!owner)
        return NULL;
    if (!DuplicateHandle(owner, theirs, GetCurrentProcess(), &ours, 0, FALSE, DUPLICATE_SAME_ACCESS))
        ours = NULL;
    CloseHandle(owner);
    return ours;
}

void *mproc_plat_region_attach_at(uint64_t offset)
{
    unsigned index = (unsigned) (offset >> SEGMENT_SHIFT);
    uint64_t inside = offset & UINT32_MAX;
    if (index >= MPROC_PLAT_SEGMENTS || !mproc_plat_segments[0].base)
        return NULL;
    struct shared_segment *shared = &private_bytes()->segments[index];
    if (atomic_load(&shared->size) == 0 || inside >= atomic_load(&shared->committed))
        return NULL;
    AcquireSRWLockExclusive(&attaching);
    if (!mproc_plat_segments[index].base) {
        HANDLE section = fetch_section(index);
        if (section)
            (void) map(index, section);
    }
    char *base = mproc_plat_segments[index].base;
    if (base)
        mproc_plat_segments[index].committed = atomic_load(&shared->committed);
    ReleaseSRWLockExclusive(&attaching);
    return base ? base + inside : NULL;
}

uint64_t mproc_plat_region_offset(const void *address)
{
    for (uint64_t index = 0; index < MPROC_PLAT_SEGMENTS; index++) {
        const char *base = mproc_plat_segments[index].base;
        if (base && (const char *) address >= base &&
            (const char *) address < base + mproc_plat_segments[index].committed)
            return index << SEGMENT_SHIFT | (uint64_t) ((const char *) address - base);
    }
    return UINT64_MAX;
}

/* ---- growing; one process at a time ---- */

uint64_t mproc_plat_region_fit(uint64_t offset, uint64_t size)
{
    if (size > LARGEST_SIZE)
        return UINT64_MAX;
    uint64_t index = offset >> SEGMENT_SHIFT, inside = offset & UINT32_MAX;
    if (index < MPROC_PLAT_SEGMENTS) {
        uint64_t there = private_bytes()->segments[index].size;
        if (there ? inside + size <= there : inside == 0)
            return offset;
    }
    return index + 1 < MPROC_PLAT_SEGMENTS ? (index + 1) << SEGMENT_SHIFT : UINT64_MAX;
}

/* The root outlives us as a rule: a copy of the handle there keeps the section for all. */
static void publish(unsigned index, HANDLE section, uint64_t size)
{
    struct private_bytes *bytes = private_bytes();
    HANDLE root = OpenProcess(PROCESS_DUP_HANDLE | PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE,
                              bytes->root);
    uint64_t stamp = 0;
    HANDLE there = NULL;
    bool kept = root && bytes->root != GetCurrentProcessId() && mproc__creation_time(root, &stamp) &&
                stamp == bytes->root_stamp &&
                DuplicateHandle(GetCurrentProcess(), section, root, &there, 0, FALSE,
                                DUPLICATE_SAME_ACCESS);
    if (root)
        CloseHandle(root);
    bytes->segments[index].handle = (uint64_t) (uintptr_t) (kept ? there : section);
    bytes->owners[index] = kept ? bytes->root : GetCurrentProcessId();
    atomic_store(&bytes->segments[index].committed, 0);
    atomic_store(&bytes->segments[index].size, size);
}

static mproc_err add_segment(unsigned index, uint64_t wanted)
{
    uint64_t size = wanted > LATER_SIZE ? wanted : LATER_SIZE;
    HANDLE section = make_section(size);
    if (!section)
        return no_memory("reserve", size);
    AcquireSRWLockExclusive(&attaching);
    mproc_err err = map(index, section);
    ReleaseSRWLockExclusive(&attaching);
    if (err != MPROC_OK) {
        CloseHandle(section);
        return err;
    }
    publish(index, section, size);
    return MPROC_OK;
}

mproc_err mproc_plat_region_commit(uint64_t offset, uint64_t size)
{
    unsigned index = (unsigned) (offset >> SEGMENT_SHIFT);
    uint64_t inside = offset & UINT32_MAX;
    struct shared_segment *shared = &private_bytes()->segments[index];
    if (atomic_load(&shared->size) == 0) {
        mproc_err err = add_segment(index, inside + size);
        if (err != MPROC_OK)
            return err;
    }
    if (!mproc_plat_segments[index].base) {
        AcquireSRWLockExclusive(&attaching);
        HANDLE section = fetch_section(index);
        mproc_err err = section ? map(index, section) : no_memory("find", size);
        ReleaseSRWLockExclusive(&attaching);
        if (err != MPROC_OK)
            return err;
    }
    if (!VirtualAlloc(mproc_plat_segments[index].base + inside, (SIZE_T) size, MEM_COMMIT, PAGE_READWRITE))
        return no_memory("commit", size);
    if (inside + size > atomic_load(&shared->committed))
        atomic_store(&shared->committed, inside + size);
    mproc_plat_segments[index].committed = atomic_load(&shared->committed);
    return MPROC_OK;
}

void mproc_plat_region_release(uint64_t offset, uint64_t size)
{
    /* Pages of a section can be decommitted by nobody; this at least lets them leave memory. */
    VirtualAlloc(mproc_plat_region_at(offset), (SIZE_T) size, MEM_RESET, PAGE_READWRITE);
}
