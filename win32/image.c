/* SPDX-License-Identifier: MIT */
/* Executables and DLLs: a build is told by the headers of its PE file. */
#include "win32.h"

#include <stdlib.h>
#include <string.h>

/* What a linker changes with every build: time stamp, sizes, entry, sections. */
static void identify(const IMAGE_NT_HEADERS *headers, unsigned char *identity)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    const IMAGE_SECTION_HEADER *sections = IMAGE_FIRST_SECTION(headers);
    const unsigned char *bytes = (const unsigned char *) sections;
    size_t size = headers->FileHeader.NumberOfSections * sizeof *sections;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    uint32_t words[8] = {
        headers->FileHeader.TimeDateStamp,
        headers->OptionalHeader.SizeOfImage,
        headers->OptionalHeader.CheckSum,
        headers->OptionalHeader.AddressOfEntryPoint,
        headers->OptionalHeader.SizeOfCode,
        headers->FileHeader.Machine,
        (uint32_t) hash,
        (uint32_t) (hash >> 32),
    };
    memcpy(identity, words, sizeof words);
}

static const IMAGE_NT_HEADERS *headers_of(const char *base)
{
    const IMAGE_DOS_HEADER *dos = (const IMAGE_DOS_HEADER *) base;
    return (const IMAGE_NT_HEADERS *) (base + dos->e_lfanew);
}

static bool holds_code(const IMAGE_NT_HEADERS *headers, uintptr_t offset)
{
    const IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(headers);
    for (WORD i = 0; i < headers->FileHeader.NumberOfSections; i++, section++)
        if (section->Characteristics & IMAGE_SCN_MEM_EXECUTE && offset >= section->VirtualAddress &&
            offset < section->VirtualAddress + section->Misc.VirtualSize)
            return true;
    return false;
}

static mproc_err describe(HMODULE module, struct mproc_plat_image *image)
{
    wchar_t wide[MPROC_PLAT_PATH_SIZE];
    DWORD length = GetModuleFileNameW(module, wide, MPROC_PLAT_PATH_SIZE);
    if (length == 0 || length >= MPROC_PLAT_PATH_SIZE)
        return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(),
                                  "the path of a loaded module");
    mproc_err err = mproc__narrow(wide, image->path, sizeof image->path);
    if (err != MPROC_OK)
        return err;
    image->base = (uintptr_t) module;
    image->main = module == GetModuleHandleW(NULL);
    identify(headers_of((const char *) module), image->identity);
    return MPROC_OK;
}

mproc_err mproc_plat_image_of(const void *address, struct mproc_plat_image *image)
{
    HMODULE module;
    DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                  GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExW(flags, (LPCWSTR) address, &module) ||
        !holds_code(headers_of((const char *) module), (uintptr_t) address - (uintptr_t) module))
        return mproc__fail(MPROC_EINVAL,
                           "address %p is not in the code of this program or of a DLL; only "
                           "such functions can be named to another process",
                           address);
    return describe(module, image);
}

uint64_t mproc_plat_image_unloads(void)
{
    return UINT64_MAX;
}

mproc_err mproc_plat_image_main(struct mproc_plat_image *image)
{
    return describe(GetModuleHandleW(NULL), image);
}

static mproc_err other_build(const char *path)
{
    return mproc__fail(MPROC_EIMAGE,
                       "'%s' is another build than the one that runs; restart the program "
                       "after an update",
                       path);
}

mproc_err mproc_plat_image_find(const struct mproc_plat_image *image, uintptr_t *base)
{
    HMODULE module = GetModuleHandleW(NULL);
    if (!image->main) {
        wchar_t *path;
        mproc_err err = mproc__wide(image->path, &path);
        if (err != MPROC_OK)
            return err;
        module = GetModuleHandleW(path);
        if (!module)
            module = LoadLibraryExW(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
        DWORD code = GetLastError();
        free(path);
        if (!module)
            return mproc__fail_system(MPROC_EIMAGE, (int) code, "cannot load '%s'", image->path);
    }
    unsigned char identity[MPROC_PLAT_IDENTITY_SIZE];
    identify(headers_of((const char *) module), identity);
    if (memcmp(identity, image->identity, sizeof identity) != 0)
        return other_build(image->path);
    *base = (uintptr_t) module;
    return MPROC_OK;
}

static bool headers_lie_inside(const char *bytes, size_t size)
{
    const IMAGE_DOS_HEADER *dos = (const IMAGE_DOS_HEADER *) bytes;
    if (dos->e_magic != IMAGE_DOS_SIGNATURE || dos->e_lfanew < 0 ||
        (size_t) dos->e_lfanew + sizeof(IMAGE_NT_HEADERS) > size)
        return false;
    const IMAGE_NT_HEADERS *headers = headers_of(bytes);
    size_t sections = (size_t) dos->e_lfanew + offsetof(IMAGE_NT_HEADERS, OptionalHeader) +
                      headers->FileHeader.SizeOfOptionalHeader;
    return headers->Signature == IMAGE_NT_SIGNATURE &&
           headers->OptionalHeader.Magic == IMAGE_NT_OPTIONAL_HDR_MAGIC &&
           sections + headers->FileHeader.NumberOfSections * sizeof(IMAGE_SECTION_HEADER) <= size;
}

/* The headers of a PE file lie in its first bytes. */
static mproc_err read_identity(HANDLE file, const char *path, unsigned char *identity)
{
    static const DWORD size = 16384;
    char *bytes = calloc(1, size);
    DWORD got = 0;
    mproc_err err = MPROC_OK;
    if (!bytes)
        err = mproc__fail(MPROC_ENOMEM, "no memory to look at '%s'", path);
    else if (!ReadFile(file, bytes, size, &got, NULL) || got < sizeof(IMAGE_DOS_HEADER))
        err = mproc__fail(MPROC_EIMAGE, "'%s' is no program", path);
    else if (!headers_lie_inside(bytes, got))
        err = mproc__fail(MPROC_EIMAGE, "'%s' is no program for this kind of Windows", path);
    else
        identify(headers_of(bytes), identity);
    free(bytes);
    return err;
}

mproc_err mproc_plat_image_check_file(const char *path, const unsigned char *identity)
{
    wchar_t *wide;
    mproc_err err = mproc__wide(path, &wide);
    if (err != MPROC_OK)
        return err;
    HANDLE file = CreateFileW(wide, GENERIC_READ,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                              OPEN_EXISTING, 0, NULL);
    DWORD code = GetLastError();
    free(wide);
    if (file == INVALID_HANDLE_VALUE) {
        return mproc__fail_system(mproc__from_windows(code), (int) code, "cannot open '%s'", path);
    }
    unsigned char found[MPROC_PLAT_IDENTITY_SIZE];
    err = read_identity(file, path, found);
    CloseHandle(file);
    if (err == MPROC_OK && memcmp(found, identity, sizeof found) != 0)
        err = other_build(path);
    return err;
}
