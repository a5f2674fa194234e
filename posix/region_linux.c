/* SPDX-License-Identifier: MIT */
/* The region on Linux: one sparse memfd, mapped whole; fallocate() makes "no memory" an error. */
#include "compiler.h"
#include "linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* fallocate() starts over after every signal: in portions it ends even under a profiler's timer. */
#define PORTION (UINT64_C(32) << 20)
/* What part of the machine's memory is left to others. */
#define SPARE_PART 64
/* How much is committed, in all, until the container's limit is asked for again: that takes several files. */
#define ASKED_EVERY (UINT64_C(1) << 20)
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

char *mproc_plat_region_base;
static uint64_t region_size;
/* The region's beginning once more, beside the libraries. The region itself is so large that its first
 * page has page tables of its own, three of them, which a forked child would have to make. */
#define NEAR_SIZE (UINT64_C(2) << 20)
static char *near_view;
static int region_descriptor = -1;

uint64_t mproc__region_size(void)
{
    return region_size;
}

static char *map(int descriptor, uint64_t size)
{
    char *base = mmap(NULL, (size_t) size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                      descriptor, 0);
    if (base == MAP_FAILED)
        return NULL;
    /* A core file of some hundred gigabytes helps nobody. */
    madvise(base, (size_t) size, MADV_DONTDUMP);
    return base;
}

/* Before the region, which is to have the addresses below. */
static void map_near(int descriptor)
{
    char *view = mmap(NULL, NEAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
    if (view == MAP_FAILED)
        return;
    madvise(view, NEAR_SIZE, MADV_DONTDUMP);
    near_view = view;
}

static void unmap_near(void)
{
    if (near_view)
        munmap(near_view, NEAR_SIZE);
    near_view = NULL;
}

MPROC_IN_CHILD void *mproc_plat_region_near(void *address, uint64_t size)
{
    uint64_t offset = mproc_plat_region_offset(address);
    return near_view && offset < NEAR_SIZE && size <= NEAR_SIZE - offset ? near_view + offset : address;
}

static void adopt(int descriptor, char *base, uint64_t size)
{
    region_descriptor = descriptor;
    mproc_plat_region_base = base;
    region_size = size;
}

/* Not executable: Linux 6.3 to 6.5 may have been told to make no other (vm.memfd_noexec); before that it does not
 * know the flag. */
static int open_memory(void)
{
    int descriptor = memfd_create("mproc", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (descriptor < 0 && errno == EINVAL)
        descriptor = memfd_create("mproc", MFD_CLOEXEC);
    return mproc__above_standard(descriptor);
}

mproc_err mproc_plat_region_create(uint64_t *limit)
{
    int descriptor = open_memory();
    if (descriptor < 0)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "The family's shared memory cannot be made; memfd_create() must "
                                  "be allowed");
    uint64_t size = mproc__reservable(*limit);
    map_near(descriptor);
    char *base = NULL;
    for (;;) {
        if (mproc__resize(descriptor, size) == 0)
            base = map(descriptor, size);
        if (base || size / 2 < MPROC__SMALLEST_REGION)
            break;
        size /= 2;
    }
    if (base) {
        adopt(descriptor, base, size);
        mproc_err err = mproc_plat_region_commit(0, MPROC_PLAT_REGION_START);
        if (err == MPROC_OK) {
            *limit = size;
            return MPROC_OK;
        }
        munmap(base, (size_t) size);
        adopt(-1, NULL, 0);
        unmap_near();
        close(descriptor);
        return err;
    }
    int code = errno;
    unmap_near();
    close(descriptor);
    return mproc__fail_system(MPROC_ENOMEM, code,
                              "Not even %llu MiB of address space can be reserved for the family's "
                              "shared memory; raise RLIMIT_AS and RLIMIT_FSIZE",
                              (unsigned long long) (size >> 20));
}

mproc_err mproc_plat_region_attach(mproc_plat_handle handle, uint64_t limit)
{
    int descriptor = (int) handle;
    struct stat file;
    if (fstat(descriptor, &file) != 0 || (uint64_t) file.st_size < limit)
        return mproc__fail(MPROC_EINVAL,
                           "Descriptor %d is not the family's shared memory; the "
                           "child must not close descriptors before mproc_init()",
                           descriptor);
    map_near(descriptor);
    char *base = map(descriptor, limit);
    if (!base) {
        int code = errno;
        unmap_near();
        errno = code;
    }
    if (!base)
        return mproc__fail_system(
            MPROC_ENOMEM, errno,
            "The family's shared memory (%llu MiB of address space) cannot be "
            "mapped; raise RLIMIT_AS",
            (unsigned long long) (limit >> 20));
    mproc__close_on_exec(descriptor);
    adopt(descriptor, base, limit);
    return MPROC_OK;
}

mproc_plat_handle mproc_plat_region_handle(void)
{
    return region_descriptor;
}

uint64_t mproc_plat_region_fit(uint64_t offset, uint64_t size)
{
    return size <= region_size && offset <= region_size - size ? offset : UINT64_MAX;
}

/* Bytes committed by the family since the container's limit was asked for; in the platform's part of the region. */
static _Atomic uint64_t *unasked(void)
{
    return (_Atomic uint64_t *) (void *) (mproc_plat_region_base + MPROC_PLAT_REGION_PRIVATE);
}

/* Asked first: fallocate() itself would not fail for want of memory but call the OOM killer. */
static bool is_available(uint64_t size)
{
    struct sysinfo system;
    if (sysinfo(&system) != 0)
        return true;
    uint64_t unit = system.mem_unit;
    uint64_t wanted = size + system.totalram * unit / SPARE_PART;
    if (system.freeram * unit < wanted && mproc__free_memory() < wanted)
        return false;
    if (atomic_fetch_add(unasked(), size) + size < ASKED_EVERY)
        return true;
    /* With what may be committed unasked after this. */
    if (mproc__cgroup_memory() < size + ASKED_EVERY)
        return false;
    atomic_store(unasked(), 0);
    return true;
}

static mproc_err refuse(uint64_t size, int code)
{
    return mproc__fail_system(MPROC_ENOMEM, code,
                              "The system has no memory left for %llu KiB of the family's shared "
                              "memory; use less of it, or raise the machine's or the container's "
                              "limit",
                              (unsigned long long) (size >> 10));
}

void mproc_plat_region_release(uint64_t offset, uint64_t size)
{
    int failed;
    do
        failed = fallocate(region_descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           (off_t) offset, (off_t) size);
    while (failed && errno == EINTR);
}

mproc_err mproc_plat_region_commit(uint64_t offset, uint64_t size)
{
    if (!is_available(size))
        return refuse(size, ENOMEM);
    for (uint64_t done = 0; done < size;) {
        uint64_t portion = size - done < PORTION ? size - done : PORTION;
        int failed;
        do
            failed = fallocate(region_descriptor, 0, (off_t) (offset + done), (off_t) portion);
        while (failed && errno == EINTR);
        if (failed) {
            int code = errno;
            if (done > 0)
                mproc_plat_region_release(offset, done);
            return refuse(size, code);
        }
        done += portion;
    }
    return MPROC_OK;
}

uint64_t mproc_plat_region_offset(const void *address)
{
    uintptr_t distance = (uintptr_t) address - (uintptr_t) mproc_plat_region_base;
    return mproc_plat_region_base && distance < region_size ? (uint64_t) distance : UINT64_MAX;
}
