/* SPDX-License-Identifier: MIT */
/* The text in MPROC_BOOT, by which a spawned child finds its family: version:region:limit:record:lifeline, and
 * :control behind it for a template. Numbers are decimal, the record's handle is hexadecimal. */
#ifndef MPROC_CORE_BOOT_H
#define MPROC_CORE_BOOT_H

#include "platform.h"

enum { BOOT_SIZE = 160 };

struct boot {
    mproc_plat_handle region;
    uint64_t limit;
    uint64_t record;
    mproc_plat_handle lifeline;
    mproc_plat_handle control; /* of a template; MPROC_PLAT_NONE */
};

void mproc__boot_write(const struct boot *boot, char text[BOOT_SIZE]);
/* False if the text is from nobody who speaks this version. */
bool mproc__boot_read(const char *text, struct boot *boot);

#endif
