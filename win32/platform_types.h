/* SPDX-License-Identifier: MIT */
/* What core/ needs inline: on Windows the region is a row of sections, one per 4 GiB of offsets. */
#ifndef MPROC_WIN32_PLATFORM_TYPES_H
#define MPROC_WIN32_PLATFORM_TYPES_H

#include <stdatomic.h>
#include <stdint.h>

#define MPROC_PLAT_NAMED_PREFIX "wnsm_"
#define MPROC_PLAT_NAMED_STAYS 0
#define MPROC_PLAT_STAMP_IS_ASKED 0

enum { MPROC_PLAT_SEGMENTS = 128 };

/* Where each segment lies in this process, and how many of its bytes are committed as far as this
 * process knows. */
struct mproc_plat_segment {
    char *_Atomic base;
    _Atomic uint64_t committed;
};
extern struct mproc_plat_segment mproc_plat_segments[MPROC_PLAT_SEGMENTS];

/* Looks again, and attaches the segment if another process made it. NULL if there is no byte. */
void *mproc_plat_region_attach_at(uint64_t offset);

static inline void *mproc_plat_region_at(uint64_t offset)
{
    uint64_t index = offset >> 32, inside = offset & UINT32_MAX;
    if (index < MPROC_PLAT_SEGMENTS && inside < mproc_plat_segments[index].committed)
        return mproc_plat_segments[index].base + inside;
    return mproc_plat_region_attach_at(offset);
}

#endif
