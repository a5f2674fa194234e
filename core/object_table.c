/* SPDX-License-Identifier: MIT */
/* What dicts and sets are: entries in the order of insertion, and an index of their hashes. */
#include "object.h"

#include <stdlib.h>

/* So many entries are searched one by one; an unpickled table of so many lives in its zone for good. */
enum { SEARCHED = 8, SMALL_TABLE = 64 };
#define HASH_PART UINT64_C(0xffffffff00000000)

static unsigned width_of(const struct mproc__table *table)
{
    return mproc__slots_per_entry(&table->object);
}

/* ---- finding ---- */

/* Keys for certain, and compared faster than they are hashed. */
static bool is_plain(const mproc_object *key)
{
    return !mproc__is_heap(key) || (mproc__has_text(key) && key->type != MPROC_TYPE_BYTEARRAY &&
                                    mproc__text_size(key) < MPROC__LONG_TEXT);
}

/* Whether two keys, the other one with this hash, may be equal, as far as can be told in no time. */
static bool may_be_equal(const mproc_object *key, const mproc_object *other, uint64_t hash)
{
    uint64_t own;
    if (!mproc__remembers_hash(key) || !mproc__remembers_hash(other) || mproc__hash(key, &own) != MPROC_OK)
        return true;
    return own == hash;
}

/* `hash` is 0 if it does not tell what is unequal. */
static mproc_err search(const struct mproc__table *table, const mproc_object *key, struct mproc__effort *effort,
                        size_t *entry, uint64_t hash)
{
    unsigned width = width_of(table);
    bool equal = false;
    for (size_t i = 0; i < table->used; i++) {
        const mproc_object *other = table->slots[i * width];
        if (!other || (hash != 0 && !may_be_equal(other, key, hash)))
            continue;
        mproc_err err = mproc__equal(other, key, effort, &equal);
        if (err != MPROC_OK)
            return err;
        if (equal) {
            *entry = i;
            return MPROC_OK;
        }
    }
    *entry = SIZE_MAX;
    return MPROC_OK;
}

static mproc_err probe(const struct mproc__table *table, const mproc_object *key, struct mproc__effort *effort,
                       size_t *entry, uint64_t hash)
{
    unsigned width = width_of(table);
    for (uint64_t cell = hash >> 32;; cell++) {
        uint64_t found = table->index[cell & table->mask];
        if (found == 0)
            break;
        if ((found ^ hash) & HASH_PART)
            continue;
        size_t place = (size_t) (uint32_t) found - 1;
        const mproc_object *other = table->slots[place * width];
        bool equal = false;
        mproc_err err = other ? mproc__equal(other, key, effort, &equal) : MPROC_OK;
        if (err != MPROC_OK)
            return err;
        if (equal) {
            *entry = place;
            return MPROC_OK;
        }
    }
    *entry = SIZE_MAX;
    return MPROC_OK;
}

mproc_err mproc__table_find(const mproc_object *object, const mproc_object *key, struct mproc__effort *effort,
                            size_t *entry, uint64_t *hash)
{
    const struct mproc__table *table = (const struct mproc__table *) object;
    mproc_err err = MPROC_OK;
    *hash = 0;
    if (table->index || !is_plain(key)) /* says also whether it is hashable */
        err = mproc__hash(key, hash);
    if (err != MPROC_OK)
        return err;
    bool anywhere = (*hash & MPROC__BY_ADDRESS) && !effort->filling;
    if (!table->index)
        return search(table, key, effort, entry, anywhere ? 0 : *hash);
    err = probe(table, key, effort, entry, *hash);
    return err == MPROC_OK && *entry == SIZE_MAX && anywhere ? search(table, key, effort, entry, 0) : err;
}

/* ---- growing ---- */

static void index_entry(struct mproc__table *table, uint64_t hash, size_t entry)
{
    uint64_t cell = hash >> 32;
    while (table->index[cell & table->mask] != 0)
        cell++;
    table->index[cell & table->mask] = (hash & HASH_PART) | (entry + 1);
}

static void squeeze(struct mproc__table *table)
{
    unsigned width = width_of(table);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->used; i++) {
        if (!table->slots[i * width])
            continue;
        memmove(table->slots + kept * width, table->slots + i * width, width * sizeof *table->slots);
        kept++;
    }
    table->used = kept;
}

static void clear_index(struct mproc__table *table)
{
    memset(table->index, 0, ((size_t) table->mask + 1) * sizeof *table->index);
}

static void index_all(struct mproc__table *table)
{
    unsigned width = width_of(table);
    clear_index(table);
    for (size_t i = 0; i < table->used; i++) {
        uint64_t hash = 0;
        if (mproc__hash(table->slots[i * width], &hash) != MPROC_OK)
            abort(); /* it was hashed when it came in, and keys do not change */
        index_entry(table, hash, i);
    }
}

/* What of the hashes an index needs is in the index before; removed entries go. */
static void index_again(struct mproc__table *table, const uint64_t *old, size_t cells)
{
    unsigned width = width_of(table);
    clear_index(table);
    for (size_t i = 0; i < cells; i++) {
        size_t entry = (size_t) (uint32_t) old[i] - 1;
        if (old[i] != 0 && table->slots[entry * width])
            index_entry(table, old[i], entry);
    }
}

/* The arrays of unpickled small tables lie in the zone for good, the others can grow. */
static mproc_object **more_slots(struct mproc__table *table, size_t count, bool fixed)
{
    struct mproc__zone *zone = table->object.zone;
    if (fixed)
        return mproc__zone_take(zone, count * sizeof *table->slots);
    bool grows = mproc__has(&table->object, MPROC__GROWS);
    mproc_object **slots = mproc__zone_resize(zone, grows ? table->slots : NULL, count * sizeof *slots);
    if (slots && !grows && table->used > 0)
        memcpy(slots, table->slots, (size_t) table->used * width_of(table) * sizeof *slots);
    return slots;
}

static bool make_index(struct mproc__table *table, size_t cells, bool fixed, bool old_is_block)
{
    struct mproc__zone *zone = table->object.zone;
    uint64_t *old = table->index;
    size_t old_cells = (size_t) table->mask + 1, size = cells * sizeof *old;
    uint64_t *index = fixed ? mproc__zone_take(zone, size) : mproc__zone_resize(zone, NULL, size);
    if (!index)
        return false;
    table->index = index;
    table->mask = (uint32_t) (cells - 1);
    if (old)
        index_again(table, old, old_cells);
    else
        index_all(table);
    if (old_is_block)
        mproc__zone_free(zone, old);
    return true;
}

static bool resize(struct mproc__table *table, size_t capacity)
{
    size_t cells = 0, width = width_of(table);
    if (capacity > SEARCHED) {
        for (cells = 32; cells / 3 * 2 < capacity; cells *= 2)
            ;
        capacity = cells / 3 * 2;
    }
    if (capacity > UINT32_MAX / 2 || capacity > SIZE_MAX / 8 / sizeof *table->slots)
        return false;
    bool grew = mproc__has(&table->object, MPROC__GROWS);
    bool fixed = !grew && table->capacity == 0 && capacity <= SMALL_TABLE &&
                 mproc__has(&table->object, MPROC__HELD);
    mproc_object **slots = more_slots(table, capacity * width, fixed);
    if (!slots)
        return false;
    table->slots = slots;
    if (!fixed)
        mproc__mark(&table->object, MPROC__GROWS);
    /* without an index what is there is searched, or found with the old one: the table is as it was */
    if (cells && !make_index(table, cells, fixed, grew)) {
        if (!grew) /* it lies in the zone: a later one must not free it */
            table->index = NULL;
        return false;
    }
    table->capacity = (uint32_t) capacity;
    return true;
}

bool mproc__table_reserve(struct mproc__table *table, size_t extra)
{
    if (extra <= table->capacity - table->used)
        return true;
    size_t needed = (size_t) table->object.lower + extra;
    if (table->object.lower < table->used) { /* first the room of removed ones */
        squeeze(table);
        if (table->index)
            index_all(table);
        if (needed <= table->capacity - table->capacity / 4)
            return true;
    }
    if (table->capacity > 0 && needed < (size_t) table->capacity * 2)
        needed = (size_t) table->capacity * 2;
    else if (needed < SEARCHED && extra == 1)
        needed = table->capacity == 0 ? 4 : SEARCHED;
    return resize(table, needed);
}

bool mproc__table_add(struct mproc__table *table, mproc_object *key, mproc_object *value, uint64_t hash)
{
    bool searched = !table->index;
    if (table->used == table->capacity && !mproc__table_reserve(table, 1))
        return false;
    if (table->index && searched && mproc__hash(key, &hash) != MPROC_OK)
        return false;
    unsigned width = width_of(table);
    mproc_object **slot = table->slots + (size_t) table->used * width;
    slot[0] = key;
    if (width == 2)
        slot[1] = value;
    if (table->index)
        index_entry(table, hash, table->used);
    table->used++;
    table->object.lower++;
    return true;
}
