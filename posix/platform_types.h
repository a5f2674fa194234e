/* SPDX-License-Identifier: MIT */
/* What core/ needs inline: on Unix the region is one mapping. */
#ifndef MPROC_POSIX_PLATFORM_TYPES_H
#define MPROC_POSIX_PLATFORM_TYPES_H

#include <stdint.h>

#define MPROC_PLAT_NAMED_PREFIX "psm_"
#define MPROC_PLAT_NAMED_STAYS 1
#ifdef MPROC_STAMP_IS_ASKED /* with identity_generic.c */
#define MPROC_PLAT_STAMP_IS_ASKED 1
#else
#define MPROC_PLAT_STAMP_IS_ASKED 0
#endif

extern char *mproc_plat_region_base;

static inline void *mproc_plat_region_at(uint64_t offset)
{
    return mproc_plat_region_base + offset;
}

#endif
