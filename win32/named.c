/* SPDX-License-Identifier: MIT */
/* Shared memory by name: file mappings backed by the page file, as Python makes them. */
#include "win32.h"

#include <stdlib.h>

static mproc_err fail(const char *what, const char *name)
{
    DWORD code = GetLastError();
    mproc_err err = code == ERROR_FILE_NOT_FOUND                                       ? MPROC_ENOTFOUND
                    : code == ERROR_COMMITMENT_LIMIT || code == ERROR_NOT_ENOUGH_MEMORY ? MPROC_ENOMEM
                    : code == ERROR_INVALID_NAME || code == ERROR_INVALID_PARAMETER     ? MPROC_EINVAL
                    : code == ERROR_ACCESS_DENIED                                       ? MPROC_EPERM
                                                                                        : MPROC_ESYSTEM;
    return mproc__fail_system(err, (int) code, "shared memory \"%.200s\" cannot be %s", name, what);
}

/* Maps it; closes the handle if that fails. */
static mproc_err map(HANDLE mapping, const char *name, size_t size, struct mproc_plat_named *named)
{
    void *address = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, size);
    MEMORY_BASIC_INFORMATION information;
    if (!address || VirtualQuery(address, &information, sizeof information) == 0) {
        mproc_err err = fail("mapped", name);
        if (address)
            UnmapViewOfFile(address);
        CloseHandle(mapping);
        return err;
    }
    *named = (struct mproc_plat_named){ address, size ? size : information.RegionSize,
                                        (mproc_plat_handle) mapping, { 0, 0 } };
    return MPROC_OK;
}

mproc_err mproc_plat_named_create(const char *name, size_t size, mproc_plat_named_announce *announce,
                                  void *context, struct mproc_plat_named *named)
{
    (void) announce; /* it goes with its last user */
    (void) context;
    wchar_t *wide;
    mproc_err err = mproc__wide(name, &wide);
    if (err != MPROC_OK)
        return err;
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, (DWORD) ((uint64_t) size >> 32),
                                        (DWORD) size, wide);
    bool exists = mapping && GetLastError() == ERROR_ALREADY_EXISTS;
    free(wide);
    if (exists) {
        CloseHandle(mapping);
        return mproc__fail(MPROC_EEXIST, "there is shared memory \"%.200s\" already", name);
    }
    return mapping ? map(mapping, name, size, named) : fail("created", name);
}

mproc_err mproc_plat_named_attach(const char *name, struct mproc_plat_named *named)
{
    wchar_t *wide;
    mproc_err err = mproc__wide(name, &wide);
    if (err != MPROC_OK)
        return err;
    HANDLE mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, wide);
    free(wide);
    return mapping ? map(mapping, name, 0, named) : fail("opened", name);
}

void mproc_plat_named_close(struct mproc_plat_named *named)
{
    UnmapViewOfFile(named->address);
    CloseHandle((HANDLE) named->handle);
    named->address = NULL;
}

mproc_err mproc_plat_named_unlink(const char *name, const uint64_t identity[2])
{
    (void) name;
    (void) identity;
    return MPROC_OK;
}

void mproc_plat_named_settle(const char *name, const uint64_t identity[2])
{
    (void) name;
    (void) identity;
}

void mproc_plat_named_sweep(void (*unlinked)(const char *name))
{
    (void) unlinked;
}
