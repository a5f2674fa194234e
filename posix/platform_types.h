/* SPDX-License-Identifier: MIT */
/* What core/ needs inline: on Unix the region is one mapping. */
#ifndef MPROC_POSIX_PLATFORM_TYPES_H
#define MPROC_POSIX_PLATFORM_TYPES_H

#include <stdint.h>

#define MPROC_PLAT_NAMED_PREFIX "psm_"
#define MPROC_PLAT_NAMED_STAYS 1

extern char *mproc_plat_region_base;

static inline void *mproc_plat_region_at(uint64_t offset)
{
    return mproc_plat_region_base + offset;
}

#endif
