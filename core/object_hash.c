/* SPDX-License-Identifier: MIT */
/* Hashes: what is equal has one, but for exceptions and instances.
 *
 * They are keyed (SipHash-1-3, Aumasson and Bernstein) with a number of this process, so that nobody
 * outside can choose keys that collide. */
#include "object.h"

#include "error.h"
#include "platform.h"

#include <math.h>

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

/* The lower bits of a hash: of a container's that it is remembered, of every one that an address is in it. */
enum { REMEMBERED = 2, FLAGS = REMEMBERED | MPROC__BY_ADDRESS };

static mproc_err hash_at(const mproc_object *object, int depth, uint64_t *hash);

static mproc_err hash_items(const mproc_object *object, int depth, bool ordered, uint64_t *hash)
{
    struct mproc__parts parts = mproc__parts((mproc_object *) (uintptr_t) object);
    struct sip s;
    sip_start(&s, ordered ? MPROC_TYPE_TUPLE : MPROC_TYPE_SET);
    uint64_t sum = 0, by_address = 0;
    for (size_t i = 0; i < parts.count; i++) {
        uint64_t item = 0;
        mproc_err err = parts.items[i] ? hash_at(parts.items[i], depth + 1, &item) : MPROC_OK;
        if (err != MPROC_OK)
            return err;
        by_address |= item & MPROC__BY_ADDRESS;
        if (ordered)
            sip_word(&s, item);
        else if (parts.items[i])
            sum += hash_word(MPROC_TYPE_SET, item);
    }
    sip_word(&s, ordered ? parts.count : sum);
    *hash = (sip_end(&s) & ~(uint64_t) FLAGS) | by_address;
    return MPROC_OK;
}

/* Tuples and frozensets are hashed once: shared ones would be walked again and again. */
static mproc_err hash_tuple(const mproc_object *object, int depth, uint64_t *hash)
{
    struct mproc__tuple *tuple = (struct mproc__tuple *) (uintptr_t) object;
    *hash = atomic_load_explicit(&tuple->hash, memory_order_relaxed);
    if (*hash == 0) {
        mproc_err err = hash_items(object, depth, true, hash);
        if (err != MPROC_OK)
            return err;
        atomic_store_explicit(&tuple->hash, *hash | REMEMBERED, memory_order_relaxed);
    }
    *hash &= ~(uint64_t) REMEMBERED;
    return MPROC_OK;
}

static mproc_err hash_frozenset(const mproc_object *object, int depth, uint64_t *hash)
{
    struct mproc__table *table = (struct mproc__table *) (uintptr_t) object;
    uint32_t known = atomic_load_explicit(&table->hash, memory_order_relaxed);
    if (known == 0) {
        mproc_err err = hash_items(object, depth, false, hash);
        if (err != MPROC_OK)
            return err;
        known = ((uint32_t) (*hash >> 32) & ~(uint32_t) FLAGS) | REMEMBERED | (uint32_t) (*hash & MPROC__BY_ADDRESS);
        atomic_store_explicit(&table->hash, known, memory_order_relaxed);
    }
    *hash = (hash_word(MPROC_TYPE_FROZENSET, known) & ~(uint64_t) FLAGS) | (known & MPROC__BY_ADDRESS);
    return MPROC_OK;
}

static uint64_t hash_number(const mproc_object *object)
{
    unsigned char room[8];
    size_t size;
    if (mproc__is_small(object))
        return hash_word(MPROC_TYPE_INT, (uint64_t) mproc__small_value(object));
    if (mproc__type(object) == MPROC_TYPE_FLOAT)
        return hash_float(object);
    const unsigned char *bytes = mproc__int_bytes(object, room, &size);
    return size >= MPROC__LONG_TEXT ? hash_text(object) : hash_int_bytes(bytes, size);
}

static mproc_err hash_at(const mproc_object *object, int depth, uint64_t *hash)
{
    if (depth > MPROC__MAX_DEPTH)
        return mproc__fail(MPROC_EINVAL, "A key is nested deeper than %d", MPROC__MAX_DEPTH);
    mproc_type type = mproc__type(object);
    switch (type) {
    case MPROC_TYPE_NONE:
        *hash = hash_word(MPROC_TYPE_NONE, 0) & ~(uint64_t) FLAGS;
        return MPROC_OK;
    case MPROC_TYPE_BOOL:
    case MPROC_TYPE_INT:
    case MPROC_TYPE_FLOAT:
        *hash = hash_number(object) & ~(uint64_t) FLAGS;
        return MPROC_OK;
    case MPROC_TYPE_STR:
    case MPROC_TYPE_BYTES:
        *hash = hash_text(object) & ~(uint64_t) FLAGS;
        return MPROC_OK;
    case MPROC_TYPE_TUPLE:
        return hash_tuple(object, depth, hash);
    case MPROC_TYPE_FROZENSET:
        return hash_frozenset(object, depth, hash);
    case MPROC_TYPE_GLOBAL:
        return hash_items(object, depth, true, hash);
    case MPROC_TYPE_EXCEPTION:
    case MPROC_TYPE_INSTANCE:
        *hash = hash_word(type, (uint64_t) (uintptr_t) object) | MPROC__BY_ADDRESS;
        return MPROC_OK;
    default:
        return mproc__fail(MPROC_ETYPE, "unhashable type: '%s': it can be no key and no item of a set",
                           mproc_type_name(type));
    }
}

mproc_err mproc__hash(const mproc_object *object, uint64_t *hash)
{
    return hash_at(object, 0, hash);
}
