/* SPDX-License-Identifier: MIT */
/* Equality and hashes, as in Python: 1 == 1.0 == True, and what is equal has one hash.
 *
 * Hashes are keyed (SipHash-1-3, Aumasson and Bernstein) with a number of this process, so that nobody
 * outside can choose keys that collide. */
#include "object.h"

#include "error.h"
#include "platform.h"

#include <math.h>
#include <stdlib.h>

static _Atomic uint64_t seed;

static uint64_t secret(void)
{
    uint64_t known = atomic_load_explicit(&seed, memory_order_relaxed);
    if (known)
        return known;
    uint64_t fresh = 0;
    if (mproc_plat_random(&fresh, sizeof fresh) != MPROC_OK)
        fresh = (uint64_t) (uintptr_t) &fresh ^ (uint64_t) mproc_plat_now();
    fresh |= 1;
    return atomic_compare_exchange_strong(&seed, &known, fresh) ? fresh : known;
}

struct sip {
    uint64_t a, b, c, d;
};

static inline uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->a += s->b;
    s->b = rotate(s->b, 13) ^ s->a;
    s->a = rotate(s->a, 32);
    s->c += s->d;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = rotate(s->b, 17) ^ s->c;
    s->c = rotate(s->c, 32);
}

static inline void sip_start(struct sip *s, uint64_t kind)
{
    uint64_t key = secret();
    s->a = key ^ UINT64_C(0x736f6d6570736575);
    s->b = kind ^ UINT64_C(0x646f72616e646f6d);
    s->c = key ^ UINT64_C(0x6c7967656e657261);
    s->d = kind ^ key ^ UINT64_C(0x7465646279746573);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    s->a ^= word;
}

static inline uint64_t sip_end(struct sip *s)
{
    s->c ^= 0xff;
    sip_round(s);
    sip_round(s);
    sip_round(s);
    return s->a ^ s->b ^ s->c ^ s->d;
}

static uint64_t hash_word(uint64_t kind, uint64_t word)
{
    struct sip s;
    sip_start(&s, kind);
    sip_word(&s, word);
    return sip_end(&s);
}

static uint64_t hash_bytes(uint64_t kind, const void *data, size_t size)
{
    struct sip s;
    sip_start(&s, kind);
    const char *at = data;
    uint64_t word;
    for (; size >= 8; at += 8, size -= 8) {
        memcpy(&word, at, 8);
        sip_word(&s, word);
    }
    word = (uint64_t) size << 56;
    memcpy(&word, at, size);
    sip_word(&s, word ^ (uint64_t) size << 56);
    return sip_end(&s);
}

/* ---- hashes ---- */

/* Long ones are hashed once: a pickle may use one for a key again and again. */
static uint64_t hash_text(const mproc_object *object)
{
    size_t size = mproc__text_size(object);
    if (size < MPROC__LONG_TEXT)
        return hash_bytes(object->type, mproc__text(object), size);
    uint64_t hash = atomic_load_explicit(mproc__text_hash(object), memory_order_relaxed);
    if (hash == 0) {
        hash = hash_bytes(object->type, mproc__text(object), size) | 1;
        atomic_store_explicit(mproc__text_hash(object), hash, memory_order_relaxed);
    }
    return hash;
}

/* All numbers that are equal go through the bytes of the int, if they are one. */
static uint64_t hash_int_bytes(const unsigned char *data, size_t size)
{
    if (size > 8)
        return hash_bytes(MPROC_TYPE_INT, data, size);
    uint64_t word = size > 0 && data[size - 1] >> 7 ? UINT64_MAX : 0;
    for (size_t i = size; i-- > 0;)
        word = word << 8 | data[i];
    return hash_word(MPROC_TYPE_INT, word);
}

static uint64_t hash_float(const mproc_object *object)
{
    double value = mproc__float_value(object);
    unsigned char bytes[MPROC__FLOAT_BYTES];
    size_t size;
    if (mproc__float_int(value, bytes, &size))
        return hash_int_bytes(bytes, size);
    if (isnan(value)) /* equal to itself only */
        return hash_word(MPROC_TYPE_FLOAT, (uint64_t) (uintptr_t) object);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return hash_word(MPROC_TYPE_FLOAT, bits);
}

/* What we do not understand may be a key although there is a list in its recipe. So its parts are
 * hashed softly: only so many levels, and so many items of each, for nothing of it is remembered. */
enum { HARD = 0, SOFT_LEVELS = 3, SOFT_ITEMS = 8 };

static mproc_err hash_at(const mproc_object *object, int depth, int soft, uint64_t *hash);

static mproc_err hash_items(const mproc_object *object, int depth, int soft, bool ordered, uint64_t *hash)
{
    struct mproc__parts parts = mproc__parts((mproc_object *) (uintptr_t) object);
    struct sip s;
    sip_start(&s, ordered ? MPROC_TYPE_TUPLE : MPROC_TYPE_SET);
    uint64_t sum = 0;
    for (size_t i = 0; i < parts.count && (soft == HARD || i < SOFT_ITEMS); i++) {
        uint64_t item = 0;
        mproc_err err = parts.items[i] ? hash_at(parts.items[i], depth + 1, soft - (soft != HARD), &item) : MPROC_OK;
        if (err != MPROC_OK)
            return err;
        if (ordered)
            sip_word(&s, item);
        else if (parts.items[i])
            sum += hash_word(MPROC_TYPE_SET, item);
    }
    sip_word(&s, ordered ? parts.count : sum);
    *hash = sip_end(&s);
    return MPROC_OK;
}

/* Tuples and frozensets are hashed once: shared ones would be walked again and again. */
static mproc_err hash_tuple(const mproc_object *object, int depth, int soft, uint64_t *hash)
{
    struct mproc__tuple *tuple = (struct mproc__tuple *) (uintptr_t) object;
    *hash = atomic_load_explicit(&tuple->hash, memory_order_relaxed);
    if (*hash != 0)
        return MPROC_OK;
    mproc_err err = hash_items(object, depth, soft, true, hash);
    if (err != MPROC_OK)
        return err;
    *hash |= 1;
    if (soft == HARD)
        atomic_store_explicit(&tuple->hash, *hash, memory_order_relaxed);
    return MPROC_OK;
}

static mproc_err hash_frozenset(const mproc_object *object, int depth, int soft, uint64_t *hash)
{
    struct mproc__table *table = (struct mproc__table *) (uintptr_t) object;
    uint32_t known = atomic_load_explicit(&table->hash, memory_order_relaxed);
    if (known == 0) {
        mproc_err err = hash_items(object, depth, soft, false, hash);
        if (err != MPROC_OK)
            return err;
        known = (uint32_t) (*hash >> 32) | 1;
        if (soft == HARD)
            atomic_store_explicit(&table->hash, known, memory_order_relaxed);
    }
    *hash = hash_word(MPROC_TYPE_FROZENSET, known);
    return MPROC_OK;
}

static mproc_err hash_instance(const mproc_object *object, int depth, int soft, uint64_t *hash)
{
    const struct mproc__instance *instance = (const struct mproc__instance *) object;
    uint64_t callable, args;
    soft = soft == HARD ? SOFT_LEVELS : soft - 1;
    mproc_err err = hash_at(instance->parts[PART_CALLABLE], depth + 1, soft, &callable);
    if (err == MPROC_OK)
        err = hash_at(instance->parts[PART_ARGS], depth + 1, soft, &args);
    if (err == MPROC_OK)
        *hash = hash_word(callable, args);
    return err;
}

static mproc_err hash_at(const mproc_object *object, int depth, int soft, uint64_t *hash)
{
    if (depth > MPROC__MAX_DEPTH)
        return mproc__fail(MPROC_EINVAL, "A key is nested deeper than %d", MPROC__MAX_DEPTH);
    if (soft == 1 && mproc__is_heap(object)) {
        *hash = object->type;
        return MPROC_OK;
    }
    unsigned char room[8];
    size_t size;
    const unsigned char *bytes;
    switch (mproc__type(object)) {
    case MPROC_TYPE_NONE:
        *hash = hash_word(MPROC_TYPE_NONE, 0);
        return MPROC_OK;
    case MPROC_TYPE_BOOL:
    case MPROC_TYPE_INT:
        bytes = mproc__int_bytes(object, room, &size);
        *hash = size >= MPROC__LONG_TEXT ? hash_text(object) : hash_int_bytes(bytes, size);
        return MPROC_OK;
    case MPROC_TYPE_FLOAT:
        *hash = hash_float(object);
        return MPROC_OK;
    case MPROC_TYPE_STR:
    case MPROC_TYPE_BYTES:
        *hash = hash_text(object);
        return MPROC_OK;
    case MPROC_TYPE_TUPLE:
        return hash_tuple(object, depth, soft, hash);
    case MPROC_TYPE_FROZENSET:
        return hash_frozenset(object, depth, soft, hash);
    case MPROC_TYPE_GLOBAL:
        return hash_items(object, depth, soft, true, hash);
    case MPROC_TYPE_EXCEPTION:
    case MPROC_TYPE_INSTANCE:
        return hash_instance(object, depth, soft, hash);
    default:
        if (soft == HARD)
            return mproc__fail(MPROC_ETYPE, "unhashable type: '%s': it can be no key and no item of a set",
                               mproc_type_name(mproc__type(object)));
        *hash = object->type;
        return MPROC_OK;
    }
}

mproc_err mproc__hash(const mproc_object *object, uint64_t *hash)
{
    return hash_at(object, 0, HARD, hash);
}

/* ---- equality ---- */

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

static mproc_err equal_tables(const mproc_object *a, const mproc_object *b, struct mproc__effort *effort, bool *equal)
{
    const struct mproc__table *left = (const struct mproc__table *) a, *right = (const struct mproc__table *) b;
    unsigned width = mproc__slots_per_entry(a);
    *equal = a->lower == b->lower;
    for (size_t i = 0; *equal && i < left->used; i++) {
        mproc_object **slot = left->slots + i * width;
        size_t entry;
        uint64_t hash;
        if (!slot[0])
            continue;
        mproc_err err = mproc__table_find(b, slot[0], effort, &entry, &hash);
        if (err != MPROC_OK)
            return err;
        *equal = entry != SIZE_MAX;
        if (*equal && width == 2)
            err = mproc__equal(slot[1], right->slots[entry * 2 + 1], effort, equal);
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

static bool has_text(const mproc_object *object)
{
    return mproc__is_heap(object) && object->type >= MPROC_TYPE_STR && object->type <= MPROC_TYPE_BYTEARRAY;
}

/* One step, and one for every two bytes that are compared. */
static bool spend(struct mproc__effort *effort, const mproc_object *a, const mproc_object *b)
{
    size_t steps = 1;
    if (has_text(a) && has_text(b) && mproc__text_size(a) == mproc__text_size(b))
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
    struct mproc__effort effort = MPROC__EFFORT(SIZE_MAX);
    bool same = false;
    mproc_err err = mproc__equal(a, b, &effort, &same);
    mproc__effort_end(&effort);
    if (err == MPROC_OK)
        *equal = same;
    return err;
}
