/* SPDX-License-Identifier: MIT */
/* Formats of mproc_pack() and mproc_unpack(): Python literals with holes, read into objects. */
#ifndef MPROC_CORE_PACK_H
#define MPROC_CORE_PACK_H

#include "object.h"

#include <stdarg.h>

/* What stands in a pattern for a hole, and for "..." at the end of a list. Neither is ever public. */
enum { MPROC__TYPE_HOLE = 15 };
#define MPROC__REST ((mproc_object *) (uintptr_t) 15)

enum mproc__hole_kind {
    MPROC__HOLE_INT,
    MPROC__HOLE_UNSIGNED,
    MPROC__HOLE_FLOAT,
    MPROC__HOLE_TEXT,
    MPROC__HOLE_OBJECT
};
struct mproc__hole {
    mproc_object object;
    enum mproc__hole_kind kind;
    size_t size;     /* of the C type of a number */
    bool bytes;      /* b%s */
    bool sized;      /* %.*s: a size comes first */
    bool borrowed;   /* %ms */
    size_t width;    /* of %31s; 0: none */
    const mproc_object *found;
    struct mproc__hole *next;
};

/* With `values` the holes are filled with them; without, they become struct mproc__hole, listed in
 * *holes. On success *object has one reference. */
mproc_err mproc__format_read(const char *format, va_list *values, struct mproc__hole **holes,
                             mproc_object **object);

/* ---- inside pack.c and pack_value.c only ---- */

enum { MPROC__LOCAL_ITEMS = 32 };
struct mproc__packer {
    const char *format;
    const char *next;
    va_list *values;
    struct mproc__hole **holes; /* where the next one goes */
    struct mproc__zone *zone;
    mproc_object **items; /* of the containers that are being read */
    size_t count;
    size_t capacity;
    int depth;
    struct mproc__effort effort;
    mproc_object *local_items[MPROC__LOCAL_ITEMS];
};

mproc_err mproc__packer_fail(const struct mproc__packer *packer, const char *what);
mproc_err mproc__packer_push(struct mproc__packer *packer, mproc_object *object);
/* Behind the percent sign. */
mproc_err mproc__pack_hole(struct mproc__packer *packer, bool bytes);
/* At the quote. */
mproc_err mproc__pack_text(struct mproc__packer *packer, bool bytes);
mproc_err mproc__pack_number(struct mproc__packer *packer);

#endif
