/* SPDX-License-Identifier: MIT */
/* Zones: the memory of objects. All objects that one call made live in one zone and are freed together;
 * the zone counts the references to any of them.
 *
 * A container that holds an object of another zone has a reference to that zone, and is listed in
 * its own, so that freeing gives it back. Inside a zone nothing is counted: cycles there cost
 * nothing. */
#ifndef MPROC_CORE_OBJECT_ZONE_H
#define MPROC_CORE_OBJECT_ZONE_H

#include "mproc/object.h"

#include <stdatomic.h>

struct mproc__zone {
    atomic_size_t references;
    char *next;                    /* where the next object goes */
    char *end;
    size_t taken;                  /* bytes of all chunks */
    struct mproc__chunk *chunks;   /* all but the first, which lies behind this */
    struct mproc__block *blocks;   /* the arrays of containers that grew */
    mproc_object *borrower;        /* the first container with objects of other zones */
    struct mproc__borrower *borrowers; /* and the others */
    struct mproc__zone *dead;      /* the next one to free */
};

/* One reference, and room for `size` bytes of objects; NULL if there is no memory. */
struct mproc__zone *mproc__zone_create(size_t size);
void mproc__zone_release(struct mproc__zone *zone);
/* 8-aligned; NULL if there is no memory. */
void *mproc__zone_take_slowly(struct mproc__zone *zone, size_t size);
/* An array of its own that can grow: `old` is NULL or what this gave; NULL if there is no memory. */
void *mproc__zone_resize(struct mproc__zone *zone, void *old, size_t size);
void mproc__zone_free(struct mproc__zone *zone, void *array);

static inline void mproc__zone_ref(struct mproc__zone *zone)
{
    atomic_fetch_add_explicit(&zone->references, 1, memory_order_relaxed);
}

static inline void *mproc__zone_take(struct mproc__zone *zone, size_t size)
{
    if (size > (size_t) (zone->end - zone->next) || (size_t) (zone->end - zone->next) - size < 8)
        return mproc__zone_take_slowly(zone, size);
    void *taken = zone->next;
    zone->next += (size + 7) & ~(size_t) 7;
    return taken;
}

#endif
