/* SPDX-License-Identifier: MIT */
/* Equality, as in Python: 1 == 1.0 == True. */
#include "object.h"

#include "error.h"

#include <math.h>
#include <stdlib.h>

static bool is_number(mproc_type type)
{
    return type == MPROC_TYPE_BOOL || type == MPROC_TYPE_INT || type == MPROC_TYPE_FLOAT;
}

static bool equal_numbers(const mproc_object *a, const mproc_object *b)
{
    bool a_float = mproc__type(a) == MPROC_TYPE_FLOAT, b_float = mproc__type(b) == MPROC_TYPE_FLOAT;
    if (a_float && b_float)
        return mproc__float_value(a) == mproc__float_value(b);
    unsigned char a_room[MPROC__FLOAT_BYTES], b_room[MPROC__FLOAT_BYTES];
    size_t a_size, b_size;
    const unsigned char *a_bytes = a_room, *b_bytes = b_room;
    if (!a_float)
        a_bytes = mproc__int_bytes(a, a_room, &a_size);
    else if (!mproc__float_int(mproc__float_value(a), a_room, &a_size))
        return false;
    if (!b_float)
        b_bytes = mproc__int_bytes(b, b_room, &b_size);
    else if (!mproc__float_int(mproc__float_value(b), b_room, &b_size))
        return false;
    return a_size == b_size && memcmp(a_bytes, b_bytes, a_size) == 0;
}

static bool equal_texts(const mproc_object *a, const mproc_object *b)
{
    size_t size = mproc__text_size(a);
    return size == mproc__text_size(b) && memcmp(mproc__text(a), mproc__text(b), size) == 0;
}

static mproc_err equal_items(const mproc_object *a, const mproc_object *b, struct mproc__effort *effort, bool *equal)
{
    struct mproc__parts left = mproc__parts((mproc_object *) (uintptr_t) a);
    struct mproc__parts right = mproc__parts((mproc_object *) (uintptr_t) b);
    *equal = left.count == right.count;
    for (size_t i = 0; *equal && i < left.count; i++) {
        if (!left.items[i] || !right.items[i]) {
            *equal = left.items[i] == right.items[i];
            continue;
        }
        mproc_err err = mproc__equal(left.items[i], right.items[i], effort, equal);
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

static bool is_by_address(const mproc_object *key)
{
    uint64_t hash = 0;
    switch (mproc__type(key)) {
    case MPROC_TYPE_TUPLE:
    case MPROC_TYPE_FROZENSET:
        return mproc__hash(key, &hash) == MPROC_OK && (hash & MPROC__BY_ADDRESS);
    case MPROC_TYPE_EXCEPTION:
    case MPROC_TYPE_INSTANCE:
        return true;
    default:
        return false;
    }
}

/* A table may have several keys that are equal and no key by address: each entry of one needs an entry of the other
 * for itself. Copies have theirs at the same place, so that one is tried first. */
static mproc_err match_entry(mproc_object *const *slot, size_t place, const struct mproc__table *other, bool *taken,
                             struct mproc__effort *effort, bool *found)
{
    unsigned width = mproc__slots_per_entry(&other->object);
    *found = false;
    for (size_t i = 0; i < other->used; i++) {
        size_t entry = (place + i) % other->used;
        mproc_object *const *candidate = other->slots + entry * width;
        if (!candidate[0] || taken[entry])
            continue;
        mproc_err err = mproc__equal(slot[0], candidate[0], effort, found);
        if (err == MPROC_OK && *found && width == 2)
            err = mproc__equal(slot[1], candidate[1], effort, found);
        if (err != MPROC_OK)
            return err;
        if (*found) {
            taken[entry] = true;
            return MPROC_OK;
        }
    }
    return MPROC_OK;
}

static mproc_err find_entry(mproc_object *const *slot, const struct mproc__table *other, struct mproc__effort *effort,
                            bool *found)
{
    size_t entry;
    uint64_t hash;
    mproc_err err = mproc__table_find(&other->object, slot[0], effort, &entry, &hash);
    *found = err == MPROC_OK && entry != SIZE_MAX;
    return *found && other->object.type == MPROC_TYPE_DICT
               ? mproc__equal(slot[1], other->slots[entry * 2 + 1], effort, found) : err;
}

static mproc_err equal_tables(const mproc_object *a, const mproc_object *b, struct mproc__effort *effort, bool *equal)
{
    const struct mproc__table *left = (const struct mproc__table *) a, *right = (const struct mproc__table *) b;
    unsigned width = mproc__slots_per_entry(a);
    bool *taken = NULL;
    mproc_err err = MPROC_OK;
    *equal = a->lower == b->lower;
    for (size_t i = 0; *equal && err == MPROC_OK && i < left->used; i++) {
        mproc_object **slot = left->slots + i * width;
        if (!slot[0])
            continue;
        if (effort->filling || !is_by_address(slot[0])) {
            err = find_entry(slot, right, effort, equal);
            continue;
        }
        if (!taken)
            taken = calloc(right->used, sizeof *taken);
        err = taken ? match_entry(slot, i, right, taken, effort, equal)
                    : mproc__fail_memory("comparing exceptions in dicts or sets");
    }
    free(taken);
    return err;
}

/* One step, and one for every two bytes that are compared. */
static bool spend(struct mproc__effort *effort, const mproc_object *a, const mproc_object *b)
{
    size_t steps = 1;
    if (mproc__is_heap(a) && mproc__has_text(a) && mproc__is_heap(b) && mproc__has_text(b) &&
        mproc__text_size(a) == mproc__text_size(b))
        steps += mproc__text_size(a) / 2;
    bool enough = effort->steps >= steps;
    effort->steps = enough ? effort->steps - steps : 0;
    return enough;
}

/* ---- pairs found equal: else comparing shared parts would take time by the power of their depth ---- */

static size_t pair_cell(const struct mproc__effort *effort, const mproc_object *a, const mproc_object *b)
{
    uint64_t mixed = ((uint64_t) (uintptr_t) a >> 3) * UINT64_C(0x9e3779b97f4a7c15) + ((uint64_t) (uintptr_t) b >> 3);
    size_t cell = (size_t) (mixed * UINT64_C(0xff51afd7ed558ccd) >> 32);
    for (;; cell++) {
        const mproc_object *const *pair = effort->equals[cell & effort->equals_mask];
        if (!pair[0] || (pair[0] == a && pair[1] == b))
            return cell & effort->equals_mask;
    }
}

static bool known_equal(const struct mproc__effort *effort, const mproc_object *a, const mproc_object *b)
{
    return effort->equals && effort->equals[pair_cell(effort, a, b)][0];
}

/* Without memory it is not remembered, and only takes longer. */
static void remember_equal(struct mproc__effort *effort, const mproc_object *a, const mproc_object *b)
{
    if (!effort->equals || effort->equals_count > effort->equals_mask / 2) {
        struct mproc__effort larger = *effort;
        size_t size = effort->equals ? (effort->equals_mask + 1) * 2 : 16;
        larger.equals = calloc(size, sizeof *larger.equals);
        if (!larger.equals)
            return;
        larger.equals_mask = size - 1;
        for (size_t i = 0; effort->equals && i <= effort->equals_mask; i++)
            if (effort->equals[i][0])
                memcpy(larger.equals[pair_cell(&larger, effort->equals[i][0], effort->equals[i][1])],
                       effort->equals[i], sizeof *larger.equals);
        mproc__effort_end(effort);
        *effort = larger;
    }
    const mproc_object **pair = effort->equals[pair_cell(effort, a, b)];
    effort->equals_count += !pair[0];
    pair[0] = a;
    pair[1] = b;
}

void mproc__effort_end(struct mproc__effort *effort)
{
    free(effort->equals);
    effort->equals = NULL;
}

/* Types that can be equal are of one family. */
static int family_of(mproc_type type)
{
    switch (type) {
    case MPROC_TYPE_BYTEARRAY:
        return MPROC_TYPE_BYTES;
    case MPROC_TYPE_FROZENSET:
        return MPROC_TYPE_SET;
    default:
        return is_number(type) ? MPROC_TYPE_INT : (int) type;
    }
}

mproc_err mproc__equal(const mproc_object *a, const mproc_object *b, struct mproc__effort *effort, bool *equal)
{
    *equal = a == b; /* identity first, as in Python: so a NaN in a list is equal to itself */
    if (*equal)
        return MPROC_OK;
    if (mproc__is_small(a) && mproc__is_small(b))
        return MPROC_OK;
    int family = family_of(mproc__type(a));
    if (family != family_of(mproc__type(b)) || family == MPROC_TYPE_NONE)
        return MPROC_OK;
    if (effort->filling && (family == MPROC_TYPE_EXCEPTION || family == MPROC_TYPE_INSTANCE))
        return MPROC_OK;
    if (!spend(effort, a, b))
        return mproc__fail(MPROC_EMSGSIZE, "Comparing takes too long: the objects are shared too often");
    if (family == MPROC_TYPE_INT) {
        *equal = equal_numbers(a, b);
        return MPROC_OK;
    }
    if (family == MPROC_TYPE_STR || family == MPROC_TYPE_BYTES) {
        *equal = equal_texts(a, b);
        return MPROC_OK;
    }
    bool shared = mproc__has(a, MPROC__SHARED) && mproc__has(b, MPROC__SHARED);
    if (shared && known_equal(effort, a, b)) {
        *equal = true;
        return MPROC_OK;
    }
    if (++effort->depth > MPROC__MAX_DEPTH)
        return mproc__fail(MPROC_EINVAL, "Objects nested deeper than %d cannot be compared", MPROC__MAX_DEPTH);
    mproc_err err;
    if (family == MPROC_TYPE_DICT || family == MPROC_TYPE_SET)
        err = equal_tables(a, b, effort, equal);
    else if (family == MPROC_TYPE_INSTANCE && a->lower != b->lower)
        err = MPROC_OK;
    else
        err = equal_items(a, b, effort, equal);
    effort->depth--;
    if (err == MPROC_OK && *equal && shared)
        remember_equal(effort, a, b);
    return err;
}

mproc_err mproc_object_equal(const mproc_object *a, const mproc_object *b, bool *equal)
{
    if (!a || !b || !equal)
        return mproc__fail(MPROC_EINVAL, "mproc_object_equal: an argument is NULL; None is mproc_none()");
    struct mproc__effort effort = MPROC__EFFORT(SIZE_MAX, false);
    bool same = false, not_a_number = mproc__type(a) == MPROC_TYPE_FLOAT && isnan(mproc__float_value(a));
    mproc_err err = not_a_number ? MPROC_OK : mproc__equal(a, b, &effort, &same);
    mproc__effort_end(&effort);
    if (err == MPROC_OK)
        *equal = same;
    return err;
}
