/* SPDX-License-Identifier: MIT */
/* The region with what every POSIX system has: a nameless shared memory object, sized once. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Not every system keeps books of a large reservation as cheaply as Linux. */
#define LARGEST_LIMIT (UINT64_C(64) << 30)
#define PORTION (UINT64_C(32) << 20)

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

char *mproc_plat_region_base;
static uint64_t region_size;
static int region_descriptor = -1;

uint64_t mproc__region_size(void)
{
    return region_size;
}

static char *map(int descriptor, uint64_t size)
{
    void *base = mmap(NULL, (size_t) size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                      descriptor, 0);
    return base == MAP_FAILED ? NULL : base;
}

/* The name lives for two system calls and has at most 31 bytes, as macOS wants it. */
static int open_object(void)
{
    for (int attempt = 0; attempt < 10; attempt++) {
        uint64_t number;
        char name[32];
        if (mproc_plat_random(&number, sizeof number) != MPROC_OK)
            return -1;
        snprintf(name, sizeof name, "/mproc-%016llx", (unsigned long long) number);
        int descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (descriptor >= 0) {
            shm_unlink(name);
            descriptor = mproc__above_standard(descriptor);
            if (descriptor >= 0)
                mproc__close_on_exec(descriptor);
            return descriptor;
        }
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* Each attempt has an object of its own: macOS lets one be sized only once. */
static char *create(uint64_t size, int *descriptor)
{
    *descriptor = open_object();
    if (*descriptor < 0)
        return NULL;
    char *base = mproc__resize(*descriptor, size) == 0 ? map(*descriptor, size) : NULL;
    if (base)
        return base;
    int code = errno;
    close(*descriptor);
    errno = code;
    return NULL;
}

mproc_err mproc_plat_region_create(uint64_t *limit)
{
    uint64_t size = mproc__reservable(*limit < LARGEST_LIMIT ? *limit : LARGEST_LIMIT);
    int descriptor;
    char *base;
    while ((base = create(size, &descriptor)) == NULL && size / 2 >= MPROC__SMALLEST_REGION)
        size /= 2;
    if (!base)
        return mproc__fail_system(MPROC_ENOMEM, errno,
                                  "The family's shared memory cannot be made; shm_open() must be "
                                  "allowed, and RLIMIT_AS and RLIMIT_FSIZE be larger than %llu MiB",
                                  (unsigned long long) (size >> 20));
    int failed = mproc__reserve_bytes(descriptor, 0, MPROC_PLAT_REGION_START);
    if (failed) {
        munmap(base, (size_t) size);
        close(descriptor);
        return mproc__fail_system(MPROC_ENOMEM, failed,
                                  "There is no memory for the family's shared memory");
    }
    region_descriptor = descriptor;
    mproc_plat_region_base = base;
    *limit = region_size = size;
    return MPROC_OK;
}

mproc_err mproc_plat_region_attach(mproc_plat_handle handle, uint64_t limit)
{
    int descriptor = (int) handle;
    struct stat object;
    if (fstat(descriptor, &object) != 0 || (uint64_t) object.st_size < limit)
        return mproc__fail(MPROC_EINVAL,
                           "Descriptor %d is not the family's shared memory; the "
                           "child must not close descriptors before mproc_init()",
                           descriptor);
    char *base = map(descriptor, limit);
    if (!base)
        return mproc__fail_system(
            MPROC_ENOMEM, errno,
            "The family's shared memory (%llu MiB of address space) cannot be "
            "mapped; raise RLIMIT_AS",
            (unsigned long long) (limit >> 20));
    mproc__close_on_exec(descriptor);
    region_descriptor = descriptor;
    mproc_plat_region_base = base;
    region_size = limit;
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

/* Where what was ever committed ends; in the platform's part of the region. */
static _Atomic uint64_t *committed_end(void)
{
    return (_Atomic uint64_t *) (void *) (mproc_plat_region_base + MPROC_PLAT_REGION_PRIVATE);
}

/* Whether the file system has so much, if it can tell. */
static bool has_room(uint64_t size)
{
    struct statvfs system;
    return fstatvfs(region_descriptor, &system) != 0 || system.f_blocks == 0 ||
           (uint64_t) system.f_bavail * system.f_frsize >= size;
}

mproc_err mproc_plat_region_commit(uint64_t offset, uint64_t size)
{
    int failed = 0;
    /* Portions cannot be given back: if there is no room for all of them, none is taken. */
    if (size > PORTION && offset >= atomic_load(committed_end()) && !has_room(size))
        failed = ENOSPC;
    for (uint64_t done = 0; done < size && !failed;) {
        uint64_t portion = size - done < PORTION ? size - done : PORTION;
        failed = mproc__reserve_bytes(region_descriptor, offset + done, portion);
        done += portion;
    }
    if (failed)
        return mproc__fail_system(MPROC_ENOMEM, failed,
                                  "The system has no memory left for %llu KiB of the family's "
                                  "shared memory; use less of it, or give shared memory more "
                                  "room",
                                  (unsigned long long) (size >> 10));
    if (atomic_load(committed_end()) < offset + size)
        atomic_store(committed_end(), offset + size);
    return MPROC_OK;
}

/* POSIX has no way to take pages out of a shared memory object. */
void mproc_plat_region_release(uint64_t offset, uint64_t size)
{
    (void) offset;
    (void) size;
}

void *mproc_plat_region_near(void *address, uint64_t size)
{
    (void) size;
    return address;
}

uint64_t mproc_plat_region_offset(const void *address)
{
    uintptr_t distance = (uintptr_t) address - (uintptr_t) mproc_plat_region_base;
    return mproc_plat_region_base && distance < region_size ? (uint64_t) distance : UINT64_MAX;
}
