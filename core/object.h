/* SPDX-License-Identifier: MIT */
/* How objects look in memory.
 *
 * A mproc_object * is a word. Its two lowest bits say what it is:
 *     00  a pointer to a struct mproc_object
 *     01  an int of 62 bits (30 where pointers have 32)
 *     10  a float whose exponent is near 0, rotated (where pointers have 64 bits)
 *     11  None, False, True
 * So a list of numbers takes 8 bytes an item and nothing else. */
#ifndef MPROC_CORE_OBJECT_H
#define MPROC_CORE_OBJECT_H

#include "error.h"
#include "mproc/object.h"
#include "object_zone.h"

#include <stdatomic.h>
#include <string.h>

struct mproc_object {
    struct mproc__zone *zone;
    uint8_t type;
    _Atomic uint8_t flags;
    uint16_t upper; /* of a container: its depth, as far as the reader knows; else bits 32 to 47 of the size */
    uint32_t lower; /* items, or bytes */
};

enum {
    MPROC__HELD = 1,    /* is in a container */
    MPROC__SHARED = 2,  /* may be in two places: the pickle needs it in its memo */
    MPROC__BORROWS = 4, /* listed in its zone: has items of other zones */
    MPROC__GROWS = 8    /* its arrays are blocks of its zone */
};

struct mproc__float {
    mproc_object object;
    double value;
};

/* str, bytes, bytearray with a NUL behind; int as the shortest two's complement, little-endian. A long
 * one has its hash behind that, 0: not yet. */
struct mproc__text {
    mproc_object object;
    char data[];
};
enum { MPROC__LONG_TEXT = 64 };

struct mproc__list {
    mproc_object object;
    mproc_object **items;
    size_t capacity;
};

struct mproc__tuple {
    mproc_object object;
    _Atomic uint64_t hash; /* 0: not yet */
    mproc_object *items[];
};

/* dict, set, frozenset. Slots are in insertion order, a dict's are pairs; a removed one is NULL.
 * With more than a few there is an index. */
struct mproc__table {
    mproc_object object; /* lower: live entries */
    mproc_object **slots;
    uint64_t *index;     /* hash << 32 | entry + 1; its size is a power of two; NULL: search */
    uint32_t used;       /* entries, with removed ones */
    uint32_t capacity;
    uint32_t mask;       /* of the index */
    _Atomic uint32_t hash; /* of a frozenset, 0: not yet */
};

struct mproc__global {
    mproc_object object;
    const struct mproc__known *known; /* NULL: not one of ours */
    mproc_object *names[2];           /* module, name: two strs */
};

enum { PART_CALLABLE, PART_ARGS, PART_KWARGS, PART_STATE, PART_ITEMS, PART_PAIRS, PART_SETTER, PART_COUNT };

/* exception or instance; parts that are not there are NULL. */
struct mproc__instance {
    mproc_object object; /* lower: the recipe */
    mproc_object *parts[PART_COUNT];
};

/* ---- words ---- */

#define MPROC__TAG(object) ((uintptr_t) (object) & 3)
enum { MPROC__TAG_HEAP, MPROC__TAG_INT, MPROC__TAG_FLOAT, MPROC__TAG_CONSTANT };
#define MPROC__NONE ((mproc_object *) (uintptr_t) 3)
#define MPROC__FALSE ((mproc_object *) (uintptr_t) 7)
#define MPROC__TRUE ((mproc_object *) (uintptr_t) 11)

#if UINTPTR_MAX > 0xffffffffu
enum { MPROC__WIDE = 1 };
#else
enum { MPROC__WIDE = 0 };
#endif
#define MPROC__SMALL_MAX ((int64_t) (INTPTR_MAX >> 2))

static inline bool mproc__is_heap(const mproc_object *object)
{
    return MPROC__TAG(object) == MPROC__TAG_HEAP;
}

static inline bool mproc__is_small(const mproc_object *object)
{
    return MPROC__TAG(object) == MPROC__TAG_INT;
}

static inline bool mproc__fits_small(int64_t value)
{
    return value >= -MPROC__SMALL_MAX - 1 && value <= MPROC__SMALL_MAX;
}

static inline mproc_object *mproc__small(int64_t value)
{
    return (mproc_object *) (((uintptr_t) value << 2) | MPROC__TAG_INT);
}

static inline int64_t mproc__small_value(const mproc_object *object)
{
    return (int64_t) ((intptr_t) object >> 2);
}

/* The sign goes to the lowest bit; then an exponent of -255 to 255 loses its two upper bits. Zero
 * takes the exponent below. */
#define MPROC__EXPONENT(value) ((uint64_t) (value) << 53)
enum { MPROC__LOWEST_EXPONENT = 768, MPROC__EXPONENTS = 511 };

static inline bool mproc__float_word(double value, mproc_object **object)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = bits << 1 | bits >> 63;
    if (bits > 1) {
        if (!MPROC__WIDE || bits - MPROC__EXPONENT(MPROC__LOWEST_EXPONENT) >= MPROC__EXPONENT(MPROC__EXPONENTS))
            return false;
        bits -= MPROC__EXPONENT(MPROC__LOWEST_EXPONENT - 1);
    }
    *object = (mproc_object *) (uintptr_t) (bits << 2 | MPROC__TAG_FLOAT);
    return true;
}

static inline double mproc__float_value(const mproc_object *object)
{
    if (mproc__is_heap(object))
        return ((const struct mproc__float *) object)->value;
    uint64_t bits = (uint64_t) (uintptr_t) object >> 2;
    if (bits > 1)
        bits += MPROC__EXPONENT(MPROC__LOWEST_EXPONENT - 1);
    bits = bits >> 1 | bits << 63;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline mproc_type mproc__type(const mproc_object *object)
{
    switch (MPROC__TAG(object)) {
    case MPROC__TAG_HEAP:
        return (mproc_type) object->type;
    case MPROC__TAG_INT:
        return MPROC_TYPE_INT;
    case MPROC__TAG_FLOAT:
        return MPROC_TYPE_FLOAT;
    default:
        return object == MPROC__NONE ? MPROC_TYPE_NONE : MPROC_TYPE_BOOL;
    }
}

/* ---- heap objects ---- */

static inline bool mproc__has(const mproc_object *object, unsigned flag)
{
    return (atomic_load_explicit(&((mproc_object *) (uintptr_t) object)->flags, memory_order_relaxed) & flag) != 0;
}

static inline void mproc__mark(mproc_object *object, unsigned flag)
{
    if (!mproc__has(object, flag)) /* others may read it at the same time */
        atomic_fetch_or_explicit(&object->flags, (uint8_t) flag, memory_order_relaxed);
}

static inline size_t mproc__text_size(const mproc_object *object)
{
    return (size_t) ((uint64_t) object->upper << 32 | object->lower);
}

/* Whether a heap object is a str, bytes, bytearray or large int. */
static inline bool mproc__has_text(const mproc_object *object)
{
    return object->type == MPROC_TYPE_INT || (object->type >= MPROC_TYPE_STR && object->type <= MPROC_TYPE_BYTEARRAY);
}

static inline const char *mproc__text(const mproc_object *object)
{
    return ((const struct mproc__text *) object)->data;
}

/* Of a long text. */
static inline _Atomic uint64_t *mproc__text_hash(const mproc_object *object)
{
    return (_Atomic uint64_t *) (uintptr_t) (mproc__text(object) + ((mproc__text_size(object) + 8) & ~(size_t) 7));
}

static inline unsigned mproc__slots_per_entry(const mproc_object *table)
{
    return table->type == MPROC_TYPE_DICT ? 2 : 1;
}

/* All that a heap object holds, in one array; entries may be NULL. */
struct mproc__parts {
    mproc_object **items;
    size_t count;
};
struct mproc__parts mproc__parts(mproc_object *object);

/* Text that need not end with a NUL. */
struct mproc__word {
    const char *text;
    size_t size;
};
static inline bool mproc__word_is(struct mproc__word word, const char *text)
{
    return strlen(text) == word.size && memcmp(text, word.text, word.size) == 0;
}
/* Of a str. */
static inline struct mproc__word mproc__word(const mproc_object *object)
{
    return (struct mproc__word){ mproc__text(object), mproc__text_size(object) };
}

/* ---- making ----
 * In a zone, or in a new one of its own for NULL. NULL if there is no memory. `flags` are what a new
 * object has: HELD for those that are made to be put somewhere. */
mproc_object *mproc__make(struct mproc__zone *zone, mproc_type type, size_t size, unsigned flags);
mproc_object *mproc__make_int(struct mproc__zone *zone, int64_t value, unsigned flags);
mproc_object *mproc__make_unsigned(struct mproc__zone *zone, uint64_t value, unsigned flags);
mproc_object *mproc__make_int_bytes(struct mproc__zone *zone, const unsigned char *data, size_t size,
                                    unsigned flags);
mproc_object *mproc__make_float(struct mproc__zone *zone, double value, unsigned flags);
/* str (not checked), bytes, bytearray, int (not shortened); `data` NULL leaves it to be filled. */
mproc_object *mproc__make_text(struct mproc__zone *zone, mproc_type type, const void *data, size_t size,
                               unsigned flags);
mproc_object *mproc__make_list(struct mproc__zone *zone, unsigned flags);
/* With NULLs for items. */
mproc_object *mproc__make_tuple(struct mproc__zone *zone, size_t count, unsigned flags);
mproc_object *mproc__make_table(struct mproc__zone *zone, mproc_type type, unsigned flags);
/* In a zone only; a known class under the name that Python writes. */
mproc_object *mproc__make_global(struct mproc__zone *zone, mproc_object *module, mproc_object *name,
                                 unsigned flags);
/* `text`, a str of the zone, or a new one if it is not `wanted`. */
mproc_object *mproc__renamed(struct mproc__zone *zone, mproc_object *text, struct mproc__word wanted);
mproc_object *mproc__make_instance(struct mproc__zone *zone, mproc_recipe recipe, mproc_object *callable,
                                   mproc_object *args, unsigned flags);

/* Before an item goes into a container: takes a reference if it is of another zone. False if
 * there is no memory. */
bool mproc__hold_item(mproc_object *container, mproc_object *item);
void mproc__drop_item(mproc_object *container, mproc_object *item);

/* Room for `extra` more items, exactly so many if it had none. */
bool mproc__list_reserve(struct mproc__list *list, size_t extra);

/* ---- ints ---- */

/* The two's complement bytes of any int or bool; `room` holds a small one. */
const unsigned char *mproc__int_bytes(const mproc_object *object, unsigned char room[8], size_t *size);
size_t mproc__int_shorten(const unsigned char *data, size_t size);
/* Whether a float is an integer; its bytes. */
enum { MPROC__FLOAT_BYTES = 136 };
bool mproc__float_int(double value, unsigned char bytes[MPROC__FLOAT_BYTES], size_t *size);
/* Decimal, or hexadecimal if it is very long. */
mproc_err mproc__int_print(const mproc_object *object, mproc_buffer *text);
bool mproc__int_to_int64(const mproc_object *object, int64_t *value);
bool mproc__int_to_uint64(const mproc_object *object, uint64_t *value);
/* Text of `size` characters in base 10 or 16. */
mproc_err mproc__int_parse(struct mproc__zone *zone, const char *text, size_t size, int base, unsigned flags,
                           mproc_object **object);
mproc_err mproc__int_to_double(const mproc_object *object, double *value);

/* ---- comparing (object_equal.c, object_hash.c) ---- */

enum { MPROC__MAX_DEPTH = 1000 };
/* Bounds what comparing may cost. */
struct mproc__effort {
    size_t steps; /* left */
    int depth;
    bool filling; /* a table: exceptions and instances are equal to themselves only, or two keys could become one */
    const mproc_object *(*equals)[2]; /* pairs of shared containers found equal, by hash; NULL: none yet */
    size_t equals_count;
    size_t equals_mask;
};
#define MPROC__EFFORT(steps, filling) { (steps), 0, (filling), NULL, 0, 0 }
void mproc__effort_end(struct mproc__effort *effort);
/* MPROC_EINVAL: too deep; MPROC_EMSGSIZE: no steps left. */
mproc_err mproc__equal(const mproc_object *a, const mproc_object *b, struct mproc__effort *effort, bool *equal);
/* What is equal has one hash, but for this: exceptions and instances are hashed by their address, since what they
 * are made with may still change, and the lowest bit of the hash says that there is one in it. MPROC_ETYPE:
 * unhashable; MPROC_EINVAL: too deep. */
enum { MPROC__BY_ADDRESS = 1 };
mproc_err mproc__hash(const mproc_object *object, uint64_t *hash);
/* Whether that is known after the first time: of what may take long. */
static inline bool mproc__remembers_hash(const mproc_object *object)
{
    if (!mproc__is_heap(object))
        return false;
    return object->type == MPROC_TYPE_TUPLE || object->type == MPROC_TYPE_FROZENSET ||
           (mproc__has_text(object) && mproc__text_size(object) >= MPROC__LONG_TEXT);
}

/* ---- tables (object_table.c) ---- */

/* `entry` is SIZE_MAX if it is not there; then *hash is for adding it. MPROC_ETYPE if the key is none.
 * Takes time by the size of the table for a key with an exception or instance in it, unless `effort` is filling. */
mproc_err mproc__table_find(const mproc_object *table, const mproc_object *key, struct mproc__effort *effort,
                            size_t *entry, uint64_t *hash);
/* A key that is not there; key and value are held by the caller. False if there is no memory. */
bool mproc__table_add(struct mproc__table *table, mproc_object *key, mproc_object *value, uint64_t hash);
/* Room for `extra` more entries. */
bool mproc__table_reserve(struct mproc__table *table, size_t extra);

/* ---- names (object_known.c) ---- */

enum mproc__known_kind {
    MPROC__KNOWN_EXCEPTION,
    MPROC__KNOWN_OS_ERROR, /* an exception too, whose third argument may be the name of a file */
    MPROC__KNOWN_SET,
    MPROC__KNOWN_FROZENSET,
    MPROC__KNOWN_BYTEARRAY,
    MPROC__KNOWN_BYTES,
    MPROC__KNOWN_ENCODE /* _codecs.encode, how protocol 2 writes bytes */
};
struct mproc__known {
    enum mproc__known_kind kind;
    const char *module;
    const char *name;
};
static inline bool mproc__is_exception_class(const struct mproc__known *known)
{
    return known && (known->kind == MPROC__KNOWN_EXCEPTION || known->kind == MPROC__KNOWN_OS_ERROR);
}

/* NULL: none of ours. Knows other names that Python has for them. */
const struct mproc__known *mproc__known(struct mproc__word module, struct mproc__word name);
/* Python 2's names to today's, and back; others stay. */
void mproc__name_today(struct mproc__word *module, struct mproc__word *name);
void mproc__name_in_python_2(struct mproc__word *module, struct mproc__word *name);

/* ---- text ---- */

/* Whether it is UTF-8; surrogates pass. */
bool mproc__utf8_valid(const char *text, size_t size);
/* `size` bytes more in the buffer, to be filled; NULL if there is no memory. */
char *mproc__buffer_extend(mproc_buffer *buffer, size_t size);
bool mproc__buffer_append(mproc_buffer *buffer, const void *data, size_t size);

/* mproc_object_repr() of at most `limit` bytes. */
mproc_err mproc__repr(const mproc_object *object, mproc_buffer *text, size_t limit);
/* A str for a sentence: what cannot be printed is escaped, what is too long for `out` is cut. Returns `out`. */
const char *mproc__printable(const mproc_object *str, char *out, size_t room);

/* ---- failing ---- */

mproc_err mproc__fail_memory(const char *what);
mproc_err mproc__fail_type(const mproc_object *object, const char *wanted);

#endif
