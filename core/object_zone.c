/* SPDX-License-Identifier: MIT */
/* Zones: chunks that only fill up, arrays that grow, and freeing it all at once. */
#include "object_zone.h"

#include "object.h"

#include <stdlib.h>

struct mproc__chunk {
    struct mproc__chunk *next;
    uint64_t memory[];
};

/* In front of every array that can grow. */
struct mproc__block {
    struct mproc__block *next;
    struct mproc__block *previous;
};

struct mproc__borrower {
    struct mproc__borrower *next;
    mproc_object *container;
};

enum { LEAST_CHUNK = 256, LARGEST_CHUNK = 1 << 20, SLACK = 8 };

struct mproc__zone *mproc__zone_create(size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = ((size + 7) & ~(size_t) 7) + SLACK;
    struct mproc__zone *zone = malloc(sizeof *zone + size);
    if (!zone)
        return NULL;
    atomic_init(&zone->references, 1);
    zone->next = (char *) (zone + 1);
    zone->end = zone->next + size;
    zone->taken = size;
    zone->chunks = NULL;
    zone->blocks = NULL;
    zone->borrower = NULL;
    zone->borrowers = NULL;
    zone->dead = NULL;
    return zone;
}

void *mproc__zone_take_slowly(struct mproc__zone *zone, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + 7) & ~(size_t) 7;
    /* A quarter of what there is: what hostile input makes us waste stays in proportion. */
    size_t portion = zone->taken / 4;
    portion = portion < LEAST_CHUNK ? LEAST_CHUNK : portion > LARGEST_CHUNK ? LARGEST_CHUNK : portion & ~(size_t) 7;
    bool large = size >= portion / 2;
    size_t room = large ? size : portion;
    struct mproc__chunk *chunk = malloc(sizeof *chunk + room + SLACK);
    if (!chunk)
        return NULL;
    chunk->next = zone->chunks;
    zone->chunks = chunk;
    zone->taken += room;
    if (large) /* it has the chunk for itself; the current one goes on */
        return chunk->memory;
    zone->next = (char *) chunk->memory + size;
    zone->end = (char *) chunk->memory + room + SLACK;
    return chunk->memory;
}

void *mproc__zone_resize(struct mproc__zone *zone, void *old, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    struct mproc__block *block = old ? (struct mproc__block *) old - 1 : NULL;
    struct mproc__block *grown = realloc(block, sizeof *block + size);
    if (!grown)
        return NULL;
    if (!block) {
        grown->next = zone->blocks;
        grown->previous = NULL;
    }
    if (grown->next)
        grown->next->previous = grown;
    if (grown->previous)
        grown->previous->next = grown;
    else
        zone->blocks = grown;
    return grown + 1;
}

void mproc__zone_free(struct mproc__zone *zone, void *array)
{
    if (!array)
        return;
    struct mproc__block *block = (struct mproc__block *) array - 1;
    if (block->next)
        block->next->previous = block->previous;
    if (block->previous)
        block->previous->next = block->next;
    else
        zone->blocks = block->next;
    free(block);
}

bool mproc__hold_item(mproc_object *container, mproc_object *item)
{
    if (!mproc__is_heap(item))
        return true;
    struct mproc__zone *zone = container->zone;
    if (item->zone != zone) {
        if (!mproc__has(container, MPROC__BORROWS)) {
            if (zone->borrower) {
                struct mproc__borrower *borrower = mproc__zone_take(zone, sizeof *borrower);
                if (!borrower)
                    return false;
                borrower->container = container;
                borrower->next = zone->borrowers;
                zone->borrowers = borrower;
            } else {
                zone->borrower = container;
            }
            mproc__mark(container, MPROC__BORROWS);
        }
        mproc__zone_ref(item->zone);
    }
    /* Other threads may put it somewhere at the same time: whoever finds it held shares it. */
    if (mproc__has(item, MPROC__SHARED))
        return true;
    bool held = mproc__has(item, MPROC__HELD) ||
                (atomic_fetch_or_explicit(&item->flags, MPROC__HELD, memory_order_relaxed) & MPROC__HELD);
    if (held)
        mproc__mark(item, MPROC__SHARED);
    return true;
}

void mproc__drop_item(mproc_object *container, mproc_object *item)
{
    if (item && mproc__is_heap(item) && item->zone != container->zone)
        mproc__zone_release(item->zone);
}

/* ---- freeing ---- */

/* True if that was the last reference. Whoever sees a one is alone: nobody else could add to it. */
static bool lost_last(struct mproc__zone *zone)
{
    return atomic_load_explicit(&zone->references, memory_order_acquire) == 1 ||
           atomic_fetch_sub_explicit(&zone->references, 1, memory_order_acq_rel) == 1;
}

/* Gives back what a container has of other zones; the zones that die of it go on the list. */
static void give_back(mproc_object *container, struct mproc__zone **dead)
{
    struct mproc__parts parts = mproc__parts(container);
    for (size_t i = 0; i < parts.count; i++) {
        mproc_object *item = parts.items[i];
        if (!item || !mproc__is_heap(item) || item->zone == container->zone || !lost_last(item->zone))
            continue;
        item->zone->dead = *dead;
        *dead = item->zone;
    }
}

static void free_memory(struct mproc__zone *zone)
{
    while (zone->blocks) {
        struct mproc__block *block = zone->blocks;
        zone->blocks = block->next;
        free(block);
    }
    while (zone->chunks) {
        struct mproc__chunk *chunk = zone->chunks;
        zone->chunks = chunk->next;
        free(chunk);
    }
    free(zone);
}

void mproc__zone_release(struct mproc__zone *zone)
{
    if (!lost_last(zone))
        return;
    struct mproc__zone *dead = zone;
    while (dead) { /* no recursion: chains of containers may be long */
        zone = dead;
        dead = zone->dead;
        if (zone->borrower)
            give_back(zone->borrower, &dead);
        for (struct mproc__borrower *borrower = zone->borrowers; borrower; borrower = borrower->next)
            give_back(borrower->container, &dead);
        free_memory(zone);
    }
}
