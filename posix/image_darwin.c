/* SPDX-License-Identifier: MIT */
/* Executables and libraries in Mach-O: which holds an address, where it lies, which build it is. */
#include "posix.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libkern/OSByteOrder.h>
#include <mach-o/dyld.h>
#include <mach-o/fat.h>
#include <mach-o/loader.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_COMMANDS (1024 * 1024)
#define MOST_ARCHITECTURES 64

/* Finds LC_UUID among the load commands; without one two builds cannot be told apart. */
static void read_identity(const struct mach_header_64 *header, const unsigned char *commands,
                          unsigned char *identity)
{
    memset(identity, 0, MPROC_PLAT_IDENTITY_SIZE);
    uint32_t left = header->sizeofcmds;
    for (uint32_t i = 0; i < header->ncmds && left >= sizeof(struct load_command); i++) {
        struct uuid_command uuid;
        struct load_command command;
        memcpy(&command, commands, sizeof command);
        if (command.cmdsize < sizeof command || command.cmdsize > left)
            return;
        if (command.cmd == LC_UUID && command.cmdsize >= sizeof uuid) {
            memcpy(&uuid, commands, sizeof uuid);
            memcpy(identity, uuid.uuid, sizeof uuid.uuid);
            return;
        }
        commands += command.cmdsize;
        left -= command.cmdsize;
    }
}

static const struct mach_header_64 *get_header(uint32_t index)
{
    return (const struct mach_header_64 *) (const void *) _dyld_get_image_header(index);
}

static void read_loaded_identity(const struct mach_header_64 *header, unsigned char *identity)
{
    read_identity(header, (const unsigned char *) (header + 1), identity);
}

static bool holds_code(const struct mach_header_64 *header, intptr_t slide, uintptr_t address)
{
    const unsigned char *commands = (const unsigned char *) (header + 1);
    for (uint32_t i = 0; i < header->ncmds; i++) {
        const struct load_command *command = (const struct load_command *) (const void *) commands;
        commands += command->cmdsize;
        if (command->cmd != LC_SEGMENT_64)
            continue;
        const struct segment_command_64 *segment = (const void *) command;
        uintptr_t start = (uintptr_t) segment->vmaddr + (uintptr_t) slide;
        if (segment->initprot & 4 /* VM_PROT_EXECUTE */ && address >= start &&
            address - start < segment->vmsize)
            return true;
    }
    return false;
}

mproc_err mproc_plat_image_of(const void *address, struct mproc_plat_image *image)
{
    for (uint32_t i = 0; i < _dyld_image_count(); i++) {
        const struct mach_header_64 *header = get_header(i);
        if (!header || !holds_code(header, _dyld_get_image_vmaddr_slide(i), (uintptr_t) address))
            continue;
        char path[MPROC_PLAT_PATH_SIZE];
        bool main = header->filetype == MH_EXECUTE;
        if (main) {
            mproc_err err = mproc__own_path(path, sizeof path);
            if (err != MPROC_OK)
                return err;
        }
        const char *name = main ? path : _dyld_get_image_name(i);
        char *real = main || !name ? NULL : realpath(name, NULL);
        image->base = (uintptr_t) header;
        image->main = main;
        read_loaded_identity(header, image->identity);
        strncpy(image->path, real ? real : name ? name : "", sizeof image->path - 1);
        image->path[sizeof image->path - 1] = '\0';
        free(real);
        return MPROC_OK;
    }
    return mproc__fail(MPROC_EINVAL,
                       "Address %p is not in the code of this program or of a library; "
                       "only such functions can be named to another process",
                       address);
}

uint64_t mproc_plat_image_unloads(void)
{
    return UINT64_MAX;
}

mproc_err mproc_plat_image_main(struct mproc_plat_image *image)
{
    for (uint32_t i = 0; i < _dyld_image_count(); i++) {
        const struct mach_header_64 *header = get_header(i);
        if (!header || header->filetype != MH_EXECUTE)
            continue;
        mproc_err err = mproc__own_path(image->path, sizeof image->path);
        if (err != MPROC_OK)
            return err;
        image->base = (uintptr_t) header;
        image->main = true;
        read_loaded_identity(header, image->identity);
        return MPROC_OK;
    }
    return mproc__fail(MPROC_EIMAGE, "The dynamic linker lists no program of this process");
}

static mproc_err other_build(const char *path)
{
    return mproc__fail(MPROC_EIMAGE,
                       "'%s' is not the build that the function belongs to; rebuild or "
                       "reinstall the program and its libraries together",
                       path);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A library may have been loaded by another path to it: then name and build must agree. */
static bool find_loaded(const struct mproc_plat_image *image, uintptr_t *base)
{
    for (uint32_t i = 0; i < _dyld_image_count(); i++) {
        const struct mach_header_64 *header = get_header(i);
        const char *name = _dyld_get_image_name(i);
        if (!header || image->main != (header->filetype == MH_EXECUTE))
            continue;
        if (!image->main && (!name || strcmp(file_name(name), file_name(image->path)) != 0))
            continue;
        unsigned char identity[MPROC_PLAT_IDENTITY_SIZE];
        read_loaded_identity(header, identity);
        if (memcmp(identity, image->identity, sizeof identity) != 0)
            continue;
        *base = (uintptr_t) header;
        return true;
    }
    return false;
}

mproc_err mproc_plat_image_find(const struct mproc_plat_image *image, uintptr_t *base)
{
    if (find_loaded(image, base))
        return MPROC_OK;
    if (image->main)
        return other_build(image->path);
    mproc_err err = mproc_plat_image_check_file(image->path, image->identity);
    if (err != MPROC_OK)
        return err == MPROC_ENOTFOUND ? MPROC_EIMAGE : err;
    if (!dlopen(image->path, RTLD_NOW | RTLD_LOCAL)) {
        const char *cause = dlerror();
        return mproc__fail(MPROC_EIMAGE, "The library '%s' cannot be loaded: %s", image->path,
                           cause ? cause : "no cause given");
    }
    return find_loaded(image, base) ? MPROC_OK : other_build(image->path);
}

/* ---- images in files ---- */

static bool read_at(int file, void *buffer, size_t size, off_t offset)
{
    char *next = buffer;
    while (size > 0) {
        ssize_t got = pread(file, next, size, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        next += got;
        size -= (size_t) got;
        offset += got;
    }
    return true;
}

/* Where in a file for several machines this one's part begins; 0 in a file for one; or -1. */
static off_t find_part(int file, const struct mach_header_64 *own)
{
    struct fat_header fat;
    if (!read_at(file, &fat, sizeof fat, 0))
        return -1;
    if (fat.magic != OSSwapHostToBigInt32(FAT_MAGIC))
        return 0;
    uint32_t count = OSSwapBigToHostInt32(fat.nfat_arch);
    cpu_subtype_t variant = own->cpusubtype & (cpu_subtype_t) ~CPU_SUBTYPE_MASK;
    off_t found = -1;
    for (uint32_t i = 0; i < count && i < MOST_ARCHITECTURES; i++) {
        struct fat_arch part;
        if (!read_at(file, &part, sizeof part, (off_t) (sizeof fat + i * sizeof part)))
            return -1;
        if ((cpu_type_t) OSSwapBigToHostInt32((uint32_t) part.cputype) != own->cputype)
            continue;
        uint32_t part_variant = OSSwapBigToHostInt32((uint32_t) part.cpusubtype);
        if (found < 0 || (cpu_subtype_t) (part_variant & ~(uint32_t) CPU_SUBTYPE_MASK) == variant)
            found = (off_t) OSSwapBigToHostInt32(part.offset);
    }
    return found;
}

/* False if the file is no image of this kind of machine. */
static bool read_file_identity(int file, unsigned char *identity)
{
    const struct mach_header_64 *own = get_header(0);
    struct mach_header_64 header;
    off_t start = find_part(file, own);
    if (start < 0 || !read_at(file, &header, sizeof header, start) || header.magic != MH_MAGIC_64 ||
        header.cputype != own->cputype || header.sizeofcmds > MOST_COMMANDS)
        return false;
    unsigned char *commands = malloc(header.sizeofcmds + 1u);
    bool read = commands &&
                read_at(file, commands, header.sizeofcmds, start + (off_t) sizeof header);
    if (read)
        read_identity(&header, commands, identity);
    free(commands);
    return read;
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
    bool read = read_file_identity(file, found);
    close(file);
    if (!read)
        return mproc__fail(MPROC_EIMAGE, "'%s' is not a program or library of this machine", path);
    if (memcmp(found, identity, MPROC_PLAT_IDENTITY_SIZE) != 0)
        return other_build(path);
    return MPROC_OK;
}
