/* SPDX-License-Identifier: MIT */
/* The region as a row of unnamed pagefile sections: the first is inherited, the others are handed
 * on by the root, or by another that has them. A section ends with its last handle and view.
 *
 * Segment n holds the offsets from n * 4 GiB. Its maker publishes it by the store of `pages`, after
 * everything else; killed before that, nobody knows of it and the next one makes it again. */
#include "win32.h"

#include <string.h>

enum { SEGMENT_SHIFT = 32, PAGE_SHIFT = 12, GRANULE = 65536 };
#define FIRST_SIZE (UINT64_C(64) << 20)
#define SECOND_SIZE (UINT64_C(256) << 20)
#define LARGEST_SIZE ((UINT64_C(1) << SEGMENT_SHIFT) - GRANULE)

struct shared_segment {
    _Atomic uint32_t pages;     /* 0: not there yet */
    _Atomic uint32_t committed; /* its first pages that may be used */
    _Atomic uint64_t source;    /* pid << 32 | handle in that process; handles have 32 bits */
};

struct private_bytes {
    uint64_t nonce[2];
    uint64_t root_stamp;
    uint32_t root;
    uint32_t unused;
    _Atomic uint32_t park_counters[MPROC__BUCKETS];
    struct shared_segment segments[MPROC_PLAT_SEGMENTS];
};
_Static_assert(MPROC_PLAT_REGION_PRIVATE + sizeof(struct private_bytes) <= MPROC_PLAT_REGION_START,
               "the platform's part of the region is full");

/* Begins each segment but the first: a pid and a handle may have been given anew, this not. */
struct mark {
    uint64_t nonce[2];
    uint64_t index;
};

struct mproc_plat_segment mproc_plat_segments[MPROC_PLAT_SEGMENTS];
static HANDLE sections[MPROC_PLAT_SEGMENTS];
static SRWLOCK attaching = SRWLOCK_INIT;

static struct private_bytes *private_bytes(void)
{
    return (struct private_bytes *) (mproc_plat_segments[0].base + MPROC_PLAT_REGION_PRIVATE);
}

static uint64_t size_of(unsigned index)
{
    return (uint64_t) atomic_load(&private_bytes()->segments[index].pages) << PAGE_SHIFT;
}

static uint64_t committed_of(unsigned index)
{
    return (uint64_t) atomic_load(&private_bytes()->segments[index].committed) << PAGE_SHIFT;
}

const uint64_t *mproc__family_nonce(void)
{
    return private_bytes()->nonce;
}

_Atomic uint32_t *mproc__park_counter(unsigned bucket)
{
    return &private_bytes()->park_counters[bucket];
}

static mproc_err no_memory(const char *what, uint64_t size)
{
    return mproc__fail_system(MPROC_ENOMEM, (int) GetLastError(),
                              "cannot %s %llu bytes of shared memory", what,
                              (unsigned long long) size);
}

/* ---- sections ---- */

static mproc_err make_section(uint64_t size, uint64_t committed, HANDLE *section, char **base)
{
    HANDLE made = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | SEC_RESERVE,
                                     (DWORD) (size >> 32), (DWORD) size, NULL);
    if (!made)
        return no_memory("reserve", size);
    mproc_err err = MPROC_OK;
    char *view = MapViewOfFile(made, FILE_MAP_ALL_ACCESS, 0, 0, 0);
    if (!view)
        err = no_memory("map", size);
    else if (!VirtualAlloc(view, (SIZE_T) committed, MEM_COMMIT, PAGE_READWRITE))
        err = no_memory("commit", committed);
    if (err != MPROC_OK) {
        if (view)
            UnmapViewOfFile(view);
        CloseHandle(made);
        return err;
    }
    *section = made;
    *base = view;
    return MPROC_OK;
}

/* Its own handle if the process is this one, else a duplicate; NULL if there is none. */
static HANDLE fetch_section(uint64_t source)
{
    DWORD pid = (DWORD) (source >> 32);
    HANDLE theirs = (HANDLE) (intptr_t) (int32_t) (uint32_t) source, ours = NULL;
    HANDLE process = OpenProcess(PROCESS_DUP_HANDLE, FALSE, pid);
    if (!process)
        return NULL;
    if (!DuplicateHandle(process, theirs, GetCurrentProcess(), &ours, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
        ours = NULL;
    CloseHandle(process);
    return ours;
}

static bool is_marked(const char *view, unsigned index)
{
    MEMORY_BASIC_INFORMATION information;
    const struct mark *mark = (const struct mark *) view;
    return VirtualQuery(view, &information, sizeof information) != 0 &&
           information.State == MEM_COMMIT && information.RegionSize >= sizeof *mark &&
           memcmp(mark->nonce, private_bytes()->nonce, sizeof mark->nonce) == 0 &&
           mark->index == index;
}

/* Maps a segment that another process has made and published. */
static bool attach_segment(unsigned index)
{
    AcquireSRWLockExclusive(&attaching);
    if (!mproc_plat_segments[index].base && size_of(index) > 0) {
        HANDLE section = fetch_section(atomic_load(&private_bytes()->segments[index].source));
        char *view = section ? MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, 0) : NULL;
        if (view && is_marked(view, index)) {
            sections[index] = section;
            mproc_plat_segments[index].base = view;
        } else {
            if (view)
                UnmapViewOfFile(view);
            if (section)
                CloseHandle(section);
        }
    }
    bool attached = mproc_plat_segments[index].base != NULL;
    ReleaseSRWLockExclusive(&attaching);
    return attached;
}

/* ---- beginning ---- */

mproc_err mproc_plat_region_create(uint64_t *limit)
{
    uint64_t nonce[2], largest = (uint64_t) MPROC_PLAT_SEGMENTS << SEGMENT_SHIFT;
    uint64_t most = *limit < largest ? *limit : largest;
    uint64_t size = most < FIRST_SIZE ? most : FIRST_SIZE;
    mproc_err err = mproc_plat_random(nonce, sizeof nonce);
    char *base = NULL;
    if (err == MPROC_OK)
        err = make_section(size, GRANULE, &sections[0], &base);
    if (err != MPROC_OK)
        return err;
    mproc_plat_segments[0].base = base;
    struct private_bytes *bytes = private_bytes();
    memcpy(bytes->nonce, nonce, sizeof nonce);
    bytes->root = GetCurrentProcessId();
    (void) mproc__creation_time(GetCurrentProcess(), &bytes->root_stamp);
    atomic_store(&bytes->segments[0].committed, GRANULE >> PAGE_SHIFT);
    atomic_store(&bytes->segments[0].pages, (uint32_t) (size >> PAGE_SHIFT));
    mproc_plat_segments[0].committed = GRANULE;
    *limit = most;
    return MPROC_OK;
}

mproc_err mproc_plat_region_attach(mproc_plat_handle handle, uint64_t limit)
{
    (void) limit;
    char *view = MapViewOfFile((HANDLE) handle, FILE_MAP_ALL_ACCESS, 0, 0, 0);
    if (!view) {
        DWORD code = GetLastError();
        return mproc__fail_system(code == ERROR_INVALID_HANDLE ? MPROC_EINVAL : MPROC_ESYSTEM, (int) code,
                                  "cannot map the family's shared memory, handle %lld",
                                  (long long) handle);
    }
    /* An inherited handle would go on to every process the program starts by itself. */
    SetHandleInformation((HANDLE) handle, HANDLE_FLAG_INHERIT, 0);
    sections[0] = (HANDLE) handle;
    mproc_plat_segments[0].base = view;
    mproc_plat_segments[0].committed = committed_of(0);
    /* At once, while those who have them live. */
    for (unsigned index = 1; index < MPROC_PLAT_SEGMENTS; index++)
        if (size_of(index) > 0)
            (void) attach_segment(index);
    return MPROC_OK;
}

mproc_plat_handle mproc_plat_region_handle(void)
{
    return (mproc_plat_handle) sections[0];
}

/* ---- looking up ---- */

void *mproc_plat_region_attach_at(uint64_t offset)
{
    uint64_t index = offset >> SEGMENT_SHIFT, inside = offset & UINT32_MAX;
    if (index >= MPROC_PLAT_SEGMENTS || !mproc_plat_segments[0].base)
        return NULL;
    uint64_t committed = committed_of((unsigned) index);
    if (inside >= committed || !attach_segment((unsigned) index))
        return NULL;
    mproc_plat_segments[index].committed = committed;
    return mproc_plat_segments[index].base + inside;
}

void *mproc_plat_region_near(void *address, uint64_t size)
{
    (void) size;
    return address;
}

uint64_t mproc_plat_region_offset(const void *address)
{
    for (uint64_t index = 0; index < MPROC_PLAT_SEGMENTS; index++) {
        uintptr_t base = (uintptr_t) mproc_plat_segments[index].base;
        if (base && (uintptr_t) address - base < mproc_plat_segments[index].committed)
            return index << SEGMENT_SHIFT | (uint64_t) ((uintptr_t) address - base);
    }
    return UINT64_MAX;
}

/* ---- handing on ---- */

/* The root outlives the others as a rule: a copy of the handle there keeps the section for all.
 * Killed after the copy: the root has one handle too many. */
static uint64_t source_in_root(HANDLE section)
{
    const struct private_bytes *bytes = private_bytes();
    HANDLE root = OpenProcess(PROCESS_DUP_HANDLE | PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE,
                              FALSE, bytes->root);
    uint64_t stamp = 0;
    HANDLE there = NULL;
    bool kept = root && mproc__creation_time(root, &stamp) && stamp == bytes->root_stamp &&
                DuplicateHandle(GetCurrentProcess(), section, root, &there, 0, FALSE,
                                DUPLICATE_SAME_ACCESS);
    if (root)
        CloseHandle(root);
    return kept ? (uint64_t) bytes->root << 32 | (uint32_t) (uintptr_t) there : 0;
}

static void publish(unsigned index)
{
    uint64_t source = source_in_root(sections[index]);
    if (source == 0)
        source = (uint64_t) GetCurrentProcessId() << 32 | (uint32_t) (uintptr_t) sections[index];
    atomic_store(&private_bytes()->segments[index].source, source);
}

static bool root_lives(void)
{
    const struct private_bytes *bytes = private_bytes();
    HANDLE root = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, bytes->root);
    uint64_t stamp = 0;
    bool lives = root && mproc__creation_time(root, &stamp) && stamp == bytes->root_stamp;
    if (root)
        CloseHandle(root);
    return lives;
}

/* Without a root whoever starts a process is where that process finds the segments. */
void mproc__region_hand_on(void)
{
    bool orphaned = false;
    if (!mproc_plat_segments[0].base)
        return;
    for (unsigned index = 1; index < MPROC_PLAT_SEGMENTS && size_of(index) > 0; index++) {
        if (!orphaned && root_lives())
            return;
        orphaned = true;
        if (attach_segment(index))
            publish(index);
    }
}

/* ---- growing; one process at a time ---- */

uint64_t mproc_plat_region_fit(uint64_t offset, uint64_t size)
{
    uint64_t index = offset >> SEGMENT_SHIFT, inside = offset & UINT32_MAX;
    if (size > LARGEST_SIZE - GRANULE)
        return UINT64_MAX;
    for (; index < MPROC_PLAT_SEGMENTS; index++, inside = 0) {
        uint64_t there = size_of((unsigned) index), first = index > 0 ? GRANULE : 0;
        if (inside < first)
            inside = first;
        /* One that was lost with its last holder is passed over, like one that is too small. */
        if (there ? inside + size <= there && attach_segment((unsigned) index) : inside == first)
            return index << SEGMENT_SHIFT | inside;
    }
    return UINT64_MAX;
}

/* Each is twice as large as the one before, so that they are few and the first ones cheap. */
static mproc_err add_segment(unsigned index, uint64_t wanted)
{
    uint64_t size = LARGEST_SIZE;
    if (index <= 4)
        size = SECOND_SIZE << (index - 1);
    wanted = (wanted + GRANULE - 1) / GRANULE * GRANULE;
    if (size < wanted)
        size = wanted;
    HANDLE section;
    char *base;
    mproc_err err = make_section(size, GRANULE, &section, &base);
    if (err != MPROC_OK && size > wanted) {
        size = wanted;
        err = make_section(size, GRANULE, &section, &base);
    }
    if (err != MPROC_OK)
        return err;
    struct mark *mark = (struct mark *) base;
    memcpy(mark->nonce, private_bytes()->nonce, sizeof mark->nonce);
    mark->index = index;
    AcquireSRWLockExclusive(&attaching);
    sections[index] = section;
    mproc_plat_segments[index].base = base;
    ReleaseSRWLockExclusive(&attaching);
    publish(index);
    atomic_store(&private_bytes()->segments[index].pages, (uint32_t) (size >> PAGE_SHIFT));
    return MPROC_OK;
}

mproc_err mproc_plat_region_commit(uint64_t offset, uint64_t size)
{
    unsigned index = (unsigned) (offset >> SEGMENT_SHIFT);
    uint64_t end = (offset & UINT32_MAX) + size;
    if (size_of(index) == 0) {
        mproc_err err = add_segment(index, end);
        if (err != MPROC_OK)
            return err;
    }
    if (!attach_segment(index))
        return no_memory("find", size);
    char *base = mproc_plat_segments[index].base;
    /* With what lies between, where the end of a block was left out: forged handles are looked up there. If
     * there is not enough for that, without. */
    uint64_t start = offset & UINT32_MAX, known = committed_of(index);
    if (!(known < start && VirtualAlloc(base + known, (SIZE_T) (end - known), MEM_COMMIT, PAGE_READWRITE)) &&
        !VirtualAlloc(base + start, (SIZE_T) size, MEM_COMMIT, PAGE_READWRITE))
        return no_memory("commit", size);
    _Atomic uint32_t *committed = &private_bytes()->segments[index].committed;
    uint32_t before = atomic_load(committed), pages = (uint32_t) (end >> PAGE_SHIFT);
    while (before < pages && !atomic_compare_exchange_weak(committed, &before, pages)) {
    }
    mproc_plat_segments[index].committed = committed_of(index);
    return MPROC_OK;
}

void mproc_plat_region_release(uint64_t offset, uint64_t size)
{
    /* Pages of a section can be decommitted by nobody; this at least lets them leave memory. */
    void *address = mproc_plat_region_at(offset);
    if (address)
        VirtualAlloc(address, (SIZE_T) size, MEM_RESET, PAGE_READWRITE);
}
