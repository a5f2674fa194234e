/* SPDX-License-Identifier: MIT */
/* Executables and libraries in ELF: which holds an address, where it lies, which build it is. Works
 * in static programs too. */
#include "posix.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A static program need not be linked with it. */
#pragma weak dlopen

/* Without a build id this much code is hashed. */
#define HASHED_BYTES ((uint64_t) 1 << 20)
#define PORTION ((size_t) 64 * 1024)
#define MOST_HEADERS 256

#if UINTPTR_MAX == UINT64_MAX
#define OWN_CLASS ELFCLASS64
#else
#define OWN_CLASS ELFCLASS32
#endif

/* ---- which build: a build id, else a hash of the program headers and the code ---- */

struct hash {
    uint64_t lanes[4];
    uint64_t position;
};

static void hash_start(struct hash *hash)
{
    for (uint64_t i = 0; i < 4; i++)
        hash->lanes[i] = UINT64_C(14695981039346656037) + i;
    hash->position = 0;
}

static void hash_add(struct hash *hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++, hash->position++) {
        uint64_t *lane = &hash->lanes[hash->position % 4];
        *lane = (*lane ^ bytes[i]) * UINT64_C(1099511628211);
    }
}

/* Finds the build id in the notes; false if it is not there. */
static bool read_notes(const unsigned char *notes, size_t size, unsigned char *identity)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, notes, sizeof note);
        size_t name = ((size_t) note.n_namesz + 3) & ~(size_t) 3;
        size_t text = ((size_t) note.n_descsz + 3) & ~(size_t) 3;
        size_t left = size - sizeof note;
        if (name > left || text > left - name)
            return false;
        const unsigned char *start = notes + sizeof note;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(start, "GNU", 4) == 0) {
            size_t used = note.n_descsz;
            memset(identity, 0, MPROC_PLAT_IDENTITY_SIZE);
            memcpy(identity, start + name,
                   used < MPROC_PLAT_IDENTITY_SIZE ? used : MPROC_PLAT_IDENTITY_SIZE);
            return used > 0;
        }
        notes = start + name + text;
        size = left - name - text;
    }
    return false;
}

static const ElfW(Phdr) * find_code(const ElfW(Phdr) * headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_LOAD && headers[i].p_flags & PF_X)
            return &headers[i];
    return NULL;
}

static size_t hashed_size(const ElfW(Phdr) * code)
{
    return code->p_filesz < HASHED_BYTES ? (size_t) code->p_filesz : (size_t) HASHED_BYTES;
}

static void read_loaded_identity(const struct dl_phdr_info *info, unsigned char *identity)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_NOTE &&
            read_notes((const unsigned char *) (info->dlpi_addr + header->p_vaddr),
                       (size_t) header->p_memsz, identity))
            return;
    }
    struct hash hash;
    hash_start(&hash);
    hash_add(&hash, info->dlpi_phdr, info->dlpi_phnum * sizeof *info->dlpi_phdr);
    const ElfW(Phdr) *code = find_code(info->dlpi_phdr, info->dlpi_phnum);
    if (code)
        hash_add(&hash, (const void *) (info->dlpi_addr + code->p_vaddr), hashed_size(code));
    memcpy(identity, hash.lanes, MPROC_PLAT_IDENTITY_SIZE);
}

/* ---- the images of this process ---- */

struct search {
    uintptr_t address; /* wanted code, or 0 */
    const char *path;  /* wanted library, or NULL */
    const unsigned char *identity;
    bool first; /* the next entry is the executable: it always comes first */
    bool found;
    bool main;
    bool other_build;
    uintptr_t base;
    unsigned char found_identity[MPROC_PLAT_IDENTITY_SIZE];
    char name[MPROC_PLAT_PATH_SIZE];
};

static bool holds_code(const struct dl_phdr_info *info, uintptr_t address)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && header->p_flags & PF_X && address >= start &&
            address - start < header->p_memsz)
            return true;
    }
    return false;
}

static int visit_for_address(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    struct search *search = context;
    bool main = search->first;
    search->first = false;
    /* Only the kernel's own vdso has no slash in its name. */
    if (!holds_code(info, search->address) || (!main && !strchr(info->dlpi_name, '/')))
        return 0;
    search->found = true;
    search->main = main;
    search->base = info->dlpi_addr;
    read_loaded_identity(info, search->found_identity);
    strncpy(search->name, main ? "" : info->dlpi_name, sizeof search->name - 1);
    return 1;
}

static int visit_main(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    struct search *search = context;
    search->found = search->main = true;
    search->base = info->dlpi_addr;
    read_loaded_identity(info, search->found_identity);
    return 1;
}

static int visit_interpreter(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    bool *dynamic = context;
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        *dynamic = *dynamic || info->dlpi_phdr[i].p_type == PT_INTERP;
    return 1;
}

/* A static program may contain dlopen(), but it would load a second C library. */
static bool can_load(void)
{
    bool dynamic = false;
    dl_iterate_phdr(visit_interpreter, &dynamic);
    return dynamic && dlopen;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A library may have been loaded by another path to it: then name and build must agree. */
static int visit_for_path(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    struct search *search = context;
    bool main = search->first;
    search->first = false;
    if (main || !strchr(info->dlpi_name, '/') ||
        strcmp(file_name(info->dlpi_name), file_name(search->path)) != 0)
        return 0;
    read_loaded_identity(info, search->found_identity);
    bool same = memcmp(search->found_identity, search->identity, MPROC_PLAT_IDENTITY_SIZE) == 0;
    search->other_build = !same && strcmp(info->dlpi_name, search->path) == 0;
    search->found = same;
    search->base = info->dlpi_addr;
    return same || search->other_build;
}

mproc_err mproc_plat_image_of(const void *address, struct mproc_plat_image *image)
{
    struct search search = { .address = (uintptr_t) address, .first = true };
    dl_iterate_phdr(visit_for_address, &search);
    if (!search.found)
        return mproc__fail(MPROC_EINVAL,
                           "Address %p is not in the code of this program or of a "
                           "library; only such functions can be named to another process",
                           address);
    char *absolute = NULL;
    if (search.main) {
        mproc_err err = mproc__own_path(search.name, sizeof search.name);
        if (err != MPROC_OK)
            return err;
    } else if (search.name[0] != '/') {
        absolute = realpath(search.name, NULL);
    }
    image->base = search.base;
    image->main = search.main;
    memcpy(image->identity, search.found_identity, sizeof image->identity);
    snprintf(image->path, sizeof image->path, "%s", absolute ? absolute : search.name);
    free(absolute);
    return MPROC_OK;
}

static int visit_count(struct dl_phdr_info *info, size_t size, void *context)
{
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs)
        *(uint64_t *) context = info->dlpi_subs;
    return 1;
}

uint64_t mproc_plat_image_unloads(void)
{
    uint64_t unloads = UINT64_MAX;
    dl_iterate_phdr(visit_count, &unloads);
    return unloads;
}

static mproc_err other_build(const char *path)
{
    return mproc__fail(MPROC_EIMAGE,
                       "'%s' is not the build that the function belongs to; rebuild or "
                       "reinstall the program and its libraries together",
                       path);
}

static mproc_err find_main(const struct mproc_plat_image *image, uintptr_t *base)
{
    struct search search = { .first = true };
    dl_iterate_phdr(visit_main, &search);
    if (!search.found ||
        memcmp(search.found_identity, image->identity, sizeof image->identity) != 0)
        return other_build(image->path);
    *base = search.base;
    return MPROC_OK;
}

mproc_err mproc_plat_image_main(struct mproc_plat_image *image)
{
    struct search search = { .first = true };
    dl_iterate_phdr(visit_main, &search);
    if (!search.found)
        return mproc__fail(MPROC_EIMAGE, "The C library lists no program of this process");
    mproc_err err = mproc__own_path(image->path, sizeof image->path);
    if (err != MPROC_OK)
        return err;
    image->base = search.base;
    image->main = true;
    memcpy(image->identity, search.found_identity, sizeof image->identity);
    return MPROC_OK;
}

mproc_err mproc_plat_image_find(const struct mproc_plat_image *image, uintptr_t *base)
{
    if (image->main)
        return find_main(image, base);
    for (int attempt = 0; attempt < 2; attempt++) {
        struct search search = { .path = image->path, .identity = image->identity, .first = true };
        dl_iterate_phdr(visit_for_path, &search);
        if (search.found) {
            *base = search.base;
            return MPROC_OK;
        }
        if (search.other_build || attempt == 1)
            break;
        if (!can_load())
            return mproc__fail(MPROC_EIMAGE,
                               "The library '%s' cannot be loaded into a static "
                               "program; link the function's code into it",
                               image->path);
        mproc_err err = mproc_plat_image_check_file(image->path, image->identity);
        if (err != MPROC_OK)
            return err == MPROC_ENOTFOUND ? MPROC_EIMAGE : err;
        if (!dlopen(image->path, RTLD_NOW | RTLD_LOCAL)) {
            const char *cause = dlerror();
            return mproc__fail(MPROC_EIMAGE, "The library '%s' cannot be loaded: %s", image->path,
                               cause ? cause : "no cause given");
        }
    }
    return other_build(image->path);
}

/* ---- images in files ---- */

static bool read_at(int file, void *buffer, uint64_t size, uint64_t offset)
{
    char *next = buffer;
    while (size > 0) {
        ssize_t got = pread(file, next, (size_t) size, (off_t) offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        next += got;
        size -= (uint64_t) got;
        offset += (uint64_t) got;
    }
    return true;
}

static bool hash_code(int file, const ElfW(Phdr) * headers, size_t count, unsigned char *buffer,
                      unsigned char *identity)
{
    struct hash hash;
    hash_start(&hash);
    hash_add(&hash, headers, count * sizeof *headers);
    const ElfW(Phdr) *code = find_code(headers, count);
    uint64_t offset = code ? code->p_offset : 0;
    for (size_t left = code ? hashed_size(code) : 0; left > 0;) {
        size_t portion = left < PORTION ? left : PORTION;
        if (!read_at(file, buffer, portion, offset))
            return false;
        hash_add(&hash, buffer, portion);
        left -= portion;
        offset += portion;
    }
    memcpy(identity, hash.lanes, MPROC_PLAT_IDENTITY_SIZE);
    return true;
}

/* False if the file is no image of this kind of machine. */
static bool read_file_identity(int file, unsigned char *buffer, unsigned char *identity)
{
    ElfW(Ehdr) elf;
    ElfW(Phdr) headers[MOST_HEADERS];
    if (!read_at(file, &elf, sizeof elf, 0) || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
        elf.e_ident[EI_CLASS] != OWN_CLASS || elf.e_phentsize != sizeof headers[0] ||
        elf.e_phnum > MOST_HEADERS ||
        !read_at(file, headers, elf.e_phnum * sizeof headers[0], elf.e_phoff))
        return false;
    for (size_t i = 0; i < elf.e_phnum; i++)
        if (headers[i].p_type == PT_NOTE && headers[i].p_filesz <= PORTION &&
            read_at(file, buffer, headers[i].p_filesz, headers[i].p_offset) &&
            read_notes(buffer, (size_t) headers[i].p_filesz, identity))
            return true;
    return hash_code(file, headers, elf.e_phnum, buffer, identity);
}

mproc_err mproc_plat_image_check_file(const char *path, const unsigned char *identity)
{
    unsigned char found[MPROC_PLAT_IDENTITY_SIZE];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && (errno == ENOENT || errno == ENOTDIR))
        return mproc__fail_system(MPROC_ENOTFOUND, errno,
                                  "The program or library '%s' is not there", path);
    if (file < 0)
        return mproc__fail_system(MPROC_EIMAGE, errno, "The program or library '%s' cannot be read",
                                  path);
    unsigned char *buffer = malloc(PORTION);
    bool read = buffer && read_file_identity(file, buffer, found);
    free(buffer);
    close(file);
    if (!read)
        return mproc__fail(MPROC_EIMAGE, "'%s' is not a program or library of this machine", path);
    if (memcmp(found, identity, MPROC_PLAT_IDENTITY_SIZE) != 0)
        return other_build(path);
    return MPROC_OK;
}
