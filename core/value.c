/* SPDX-License-Identifier: MIT */
/* Value and Array: items in the arena, with the handle of a lock before them. */
#include "mproc/value.h"

#include "registry.h"
#include "rlock.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <wchar.h>

struct items {
    uint32_t type; /* a type code, or 256 + size */
    uint32_t owns_lock;
    uint64_t item_size;
    uint64_t length;
    uint64_t lock; /* handle, or 0 */
    _Alignas(16) unsigned char data[];
};

enum lock_kind { NO_LOCK, OWN_LOCK, LOCK_OF_USER };

/* 0: no such type. */
static size_t size_of(int type)
{
    switch (type) {
    case 'c': case 'b': case 'B': return sizeof(char);
    case 'u': return sizeof(wchar_t);
    case 'h': case 'H': return sizeof(short);
    case 'i': case 'I': return sizeof(int);
    case 'l': case 'L': return sizeof(long);
    case 'q': case 'Q': return sizeof(long long);
    case 'f': return sizeof(float);
    case 'd': return sizeof(double);
    default: return type > 256 ? (size_t) type - 256 : 0;
    }
}

/* ---- creating and destroying ---- */

static mproc_err create(enum block_type block, uint64_t *handle, int type, size_t length, enum lock_kind kind,
                        mproc_rlock lock)
{
    size_t item_size = size_of(type);
    if (!handle)
        return mproc__fail(MPROC_EINVAL, "the place for the new handle is NULL");
    if (item_size == 0)
        return mproc__fail(MPROC_EINVAL, "there is no type code %d: use 'i', 'd' and the like, or MPROC_ITEM(type)",
                           type);
    if (length > (SIZE_MAX - sizeof(struct items)) / item_size)
        return mproc__fail(MPROC_ENOMEM, "%zu items of %zu bytes fit into no memory", length, item_size);
    if (kind == LOCK_OF_USER && !mproc__object(BLOCK_RLOCK, lock.id))
        return mproc__object_error(lock.id);
    mproc_err err = mproc__check_init();
    if (err == MPROC_OK && kind == OWN_LOCK)
        err = mproc_rlock_create(&lock);
    if (err != MPROC_OK)
        return err;
    err = mproc__arena_alloc(block, sizeof(struct items) + length * item_size, handle);
    if (err != MPROC_OK) {
        if (kind == OWN_LOCK)
            mproc_rlock_destroy(lock);
        return err;
    }
    struct items *items = mproc__object(block, *handle);
    items->type = (uint32_t) type;
    items->owns_lock = kind == OWN_LOCK;
    items->item_size = item_size;
    items->length = length;
    items->lock = kind == NO_LOCK ? 0 : lock.id;
    return MPROC_OK;
}

static mproc_err destroy(enum block_type block, uint64_t handle)
{
    struct items *items = mproc__object(block, handle);
    if (!items)
        return handle == 0 ? MPROC_OK : mproc__object_error(handle);
    mproc_rlock lock = { items->owns_lock ? items->lock : 0 };
    mproc_err err = mproc__arena_free(block, handle);
    return err == MPROC_OK ? mproc_rlock_destroy(lock) : err;
}

mproc_err mproc_value_create(mproc_value *value, int type)
{
    return create(BLOCK_VALUE, value ? &value->id : NULL, type, 1, OWN_LOCK, (mproc_rlock){ 0 });
}

mproc_err mproc_value_create_raw(mproc_value *value, int type)
{
    return create(BLOCK_VALUE, value ? &value->id : NULL, type, 1, NO_LOCK, (mproc_rlock){ 0 });
}

mproc_err mproc_value_create_lock(mproc_value *value, int type, mproc_rlock lock)
{
    return create(BLOCK_VALUE, value ? &value->id : NULL, type, 1, LOCK_OF_USER, lock);
}

mproc_err mproc_value_destroy(mproc_value value)
{
    return destroy(BLOCK_VALUE, value.id);
}

mproc_err mproc_array_create(mproc_array *array, int type, size_t length)
{
    return create(BLOCK_ARRAY, array ? &array->id : NULL, type, length, OWN_LOCK, (mproc_rlock){ 0 });
}

mproc_err mproc_array_create_raw(mproc_array *array, int type, size_t length)
{
    return create(BLOCK_ARRAY, array ? &array->id : NULL, type, length, NO_LOCK, (mproc_rlock){ 0 });
}

mproc_err mproc_array_create_lock(mproc_array *array, int type, size_t length, mproc_rlock lock)
{
    return create(BLOCK_ARRAY, array ? &array->id : NULL, type, length, LOCK_OF_USER, lock);
}

mproc_err mproc_array_destroy(mproc_array array)
{
    return destroy(BLOCK_ARRAY, array.id);
}

/* ---- what they are ---- */

static mproc_err find(enum block_type block, uint64_t handle, struct items **items)
{
    *items = mproc__object(block, handle);
    return *items ? MPROC_OK : mproc__object_error(handle);
}

/* NULL, with the error described. */
static struct items *look_up(enum block_type block, uint64_t handle)
{
    struct items *items;
    return find(block, handle, &items) == MPROC_OK ? items : NULL;
}

void *mproc_value_pointer(mproc_value value)
{
    struct items *items = look_up(BLOCK_VALUE, value.id);
    return items ? items->data : NULL;
}

mproc_rlock mproc_value_lock(mproc_value value)
{
    struct items *items = look_up(BLOCK_VALUE, value.id);
    return (mproc_rlock){ items ? items->lock : 0 };
}

void *mproc_array_pointer(mproc_array array)
{
    struct items *items = look_up(BLOCK_ARRAY, array.id);
    return items ? items->data : NULL;
}

mproc_rlock mproc_array_lock(mproc_array array)
{
    struct items *items = look_up(BLOCK_ARRAY, array.id);
    return (mproc_rlock){ items ? items->lock : 0 };
}

size_t mproc_array_length(mproc_array array)
{
    struct items *items = look_up(BLOCK_ARRAY, array.id);
    return items ? (size_t) items->length : 0;
}

size_t mproc_array_item_size(mproc_array array)
{
    struct items *items = look_up(BLOCK_ARRAY, array.id);
    return items ? (size_t) items->item_size : 0;
}

/* ---- copying ---- */

/* MPROC_OK or MPROC_OWNERDEAD: go on; leave() answers for both. */
static mproc_err enter(const struct items *items)
{
    return items->lock ? mproc_rlock_acquire((mproc_rlock){ items->lock }, MPROC_FOREVER) : MPROC_OK;
}

static bool entered(mproc_err err)
{
    return err == MPROC_OK || err == MPROC_OWNERDEAD;
}

/* After MPROC_OWNERDEAD the lock stays with the caller, who alone can repair; unless nothing was done, which is the
 * answer then: the next one to come is told. */
static mproc_err leave(const struct items *items, mproc_err err, mproc_err result)
{
    if (!entered(err) || items->lock == 0)
        return entered(err) ? result : err;
    if (err == MPROC_OWNERDEAD && result == MPROC_OK)
        return err;
    if (err == MPROC_OWNERDEAD) {
        mproc__rlock_decline(mproc__object(BLOCK_RLOCK, items->lock));
        return result;
    }
    err = mproc_rlock_release((mproc_rlock){ items->lock });
    return result != MPROC_OK ? result : err;
}

static mproc_err check_range(const struct items *items, size_t first, size_t count)
{
    if (first > items->length || count > items->length - first)
        return mproc__fail(MPROC_EINVAL, "%zu items from %zu on, of an array of %llu", count, first,
                           (unsigned long long) items->length);
    return MPROC_OK;
}

static mproc_err copy_out(struct items *items, size_t first, size_t count, void *to)
{
    mproc_err err = enter(items);
    if (entered(err))
        memcpy(to, items->data + first * items->item_size, count * items->item_size);
    return leave(items, err, MPROC_OK);
}

static mproc_err copy_in(struct items *items, size_t first, size_t count, const void *from)
{
    mproc_err err = enter(items);
    if (entered(err))
        memcpy(items->data + first * items->item_size, from, count * items->item_size);
    return leave(items, err, MPROC_OK);
}

mproc_err mproc_value_get(mproc_value value, void *item)
{
    struct items *items;
    mproc_err err = find(BLOCK_VALUE, value.id, &items);
    if (err == MPROC_OK && !item)
        err = mproc__fail(MPROC_EINVAL, "mproc_value_get: item is NULL");
    return err == MPROC_OK ? copy_out(items, 0, 1, item) : err;
}

mproc_err mproc_value_set(mproc_value value, const void *item)
{
    struct items *items;
    mproc_err err = find(BLOCK_VALUE, value.id, &items);
    if (err == MPROC_OK && !item)
        err = mproc__fail(MPROC_EINVAL, "mproc_value_set: item is NULL");
    return err == MPROC_OK ? copy_in(items, 0, 1, item) : err;
}

mproc_err mproc_array_get(mproc_array array, size_t first, size_t count, void *to)
{
    struct items *items;
    mproc_err err = find(BLOCK_ARRAY, array.id, &items);
    if (err == MPROC_OK && !to && count > 0)
        err = mproc__fail(MPROC_EINVAL, "mproc_array_get: items is NULL");
    if (err == MPROC_OK)
        err = check_range(items, first, count);
    return err == MPROC_OK && count > 0 ? copy_out(items, first, count, to) : err;
}

mproc_err mproc_array_set(mproc_array array, size_t first, size_t count, const void *from)
{
    struct items *items;
    mproc_err err = find(BLOCK_ARRAY, array.id, &items);
    if (err == MPROC_OK && !from && count > 0)
        err = mproc__fail(MPROC_EINVAL, "mproc_array_set: items is NULL");
    if (err == MPROC_OK)
        err = check_range(items, first, count);
    return err == MPROC_OK && count > 0 ? copy_in(items, first, count, from) : err;
}

/* ---- numbers ---- */

/* A number as read from an item: which of the three it is depends on its type. */
struct number {
    enum { SIGNED, UNSIGNED, FLOATING, NO_NUMBER } kind;
    int64_t integer;
    uint64_t natural;
    double real;
};

#define READ(member, type)                                                                         \
    do {                                                                                           \
        type copy;                                                                                 \
        memcpy(&copy, at, sizeof copy);                                                            \
        number.member = copy;                                                                      \
    } while (0)

static struct number read_number(uint32_t type, const void *at)
{
    struct number number = { .kind = SIGNED };
    switch (type) {
    case 'b': READ(integer, signed char); break;
    case 'h': READ(integer, short); break;
    case 'i': READ(integer, int); break;
    case 'l': READ(integer, long); break;
    case 'q': READ(integer, long long); break;
    case 'B': number.kind = UNSIGNED; READ(natural, unsigned char); break;
    case 'H': number.kind = UNSIGNED; READ(natural, unsigned short); break;
    case 'I': number.kind = UNSIGNED; READ(natural, unsigned int); break;
    case 'L': number.kind = UNSIGNED; READ(natural, unsigned long); break;
    case 'Q': number.kind = UNSIGNED; READ(natural, unsigned long long); break;
    case 'f': number.kind = FLOATING; READ(real, float); break;
    case 'd': number.kind = FLOATING; READ(real, double); break;
    default: number.kind = NO_NUMBER;
    }
    return number;
}

#define WRITE(type, lowest, highest)                                                               \
    do {                                                                                           \
        if (integer < (lowest) || integer > (highest))                                             \
            return false;                                                                          \
        type copy = (type) integer;                                                                \
        memcpy(at, &copy, sizeof copy);                                                            \
        return true;                                                                               \
    } while (0)

/* False if it does not fit. Upper limits of 64-bit types are those of int64_t. */
static bool write_int(uint32_t type, void *at, int64_t integer)
{
    switch (type) {
    case 'b': WRITE(signed char, SCHAR_MIN, SCHAR_MAX);
    case 'h': WRITE(short, SHRT_MIN, SHRT_MAX);
    case 'i': WRITE(int, INT_MIN, INT_MAX);
    case 'l': WRITE(long, LONG_MIN, LONG_MAX);
    case 'q': WRITE(long long, INT64_MIN, INT64_MAX);
    case 'B': WRITE(unsigned char, 0, UCHAR_MAX);
    case 'H': WRITE(unsigned short, 0, USHRT_MAX);
    case 'I': WRITE(unsigned int, 0, (int64_t) UINT_MAX);
    case 'L': WRITE(unsigned long, 0, (uint64_t) ULONG_MAX > INT64_MAX ? INT64_MAX : (int64_t) ULONG_MAX);
    case 'Q': WRITE(unsigned long long, 0, INT64_MAX);
    default: return false;
    }
}

static mproc_err no_integer(uint32_t type)
{
    return mproc__fail(MPROC_ETYPE, "the items are no integers (their type is %c)",
                       type < 256 ? (int) type : '?');
}

static mproc_err no_number(uint32_t type)
{
    return mproc__fail(MPROC_ETYPE, "the items are no numbers (their type is %c)",
                       type < 256 ? (int) type : '?');
}

static mproc_err does_not_fit(uint32_t type)
{
    return mproc__fail(MPROC_EINVAL, "the number does not fit into an item of type %c",
                       type < 256 ? (int) type : '?');
}

static mproc_err to_int(const struct items *items, const struct number *number, int64_t *integer)
{
    if (number->kind == FLOATING || number->kind == NO_NUMBER)
        return no_integer(items->type);
    if (number->kind == UNSIGNED && number->natural > INT64_MAX)
        return mproc__fail(MPROC_EINVAL, "the item is %llu, more than an int64_t holds",
                           (unsigned long long) number->natural);
    *integer = number->kind == UNSIGNED ? (int64_t) number->natural : number->integer;
    return MPROC_OK;
}

static mproc_err to_float(const struct items *items, const struct number *number, double *real)
{
    if (number->kind == NO_NUMBER)
        return no_number(items->type);
    *real = number->kind == FLOATING   ? number->real
            : number->kind == UNSIGNED ? (double) number->natural
                                       : (double) number->integer;
    return MPROC_OK;
}

/* Writes it if it fits; `real` is then what was written. */
static mproc_err from_float(const struct items *items, void *at, double *real)
{
    if (items->type == 'f' && isfinite(*real) && fabs(*real) > FLT_MAX)
        return does_not_fit(items->type);
    if (items->type == 'f') {
        float copy = (float) *real;
        memcpy(at, &copy, sizeof copy);
        *real = copy;
    } else if (items->type == 'd') {
        memcpy(at, real, sizeof *real);
    } else {
        return mproc__fail(MPROC_ETYPE, "the items are no floats (their type is %c)",
                           items->type < 256 ? (int) items->type : '?');
    }
    return MPROC_OK;
}

/* One item of an array, under its lock if it has one. */
struct access {
    struct items *items;
    unsigned char *at;
    mproc_err entered; /* MPROC_OK or MPROC_OWNERDEAD */
};

static mproc_err begin(mproc_array array, size_t index, struct access *access)
{
    mproc_err err = find(BLOCK_ARRAY, array.id, &access->items);
    if (err == MPROC_OK)
        err = check_range(access->items, index, 1);
    if (err != MPROC_OK)
        return err;
    access->at = access->items->data + index * access->items->item_size;
    access->entered = enter(access->items);
    return entered(access->entered) ? MPROC_OK : access->entered;
}

static mproc_err end(const struct access *access, mproc_err result)
{
    return leave(access->items, access->entered, result);
}

mproc_err mproc_array_get_int(mproc_array array, size_t index, int64_t *integer)
{
    struct access access = { 0 };
    mproc_err err = integer ? begin(array, index, &access)
                            : mproc__fail(MPROC_EINVAL, "mproc_array_get_int: number is NULL");
    if (err != MPROC_OK)
        return err;
    struct number number = read_number(access.items->type, access.at);
    return end(&access, to_int(access.items, &number, integer));
}

mproc_err mproc_array_set_int(mproc_array array, size_t index, int64_t integer)
{
    struct access access = { 0 };
    mproc_err err = begin(array, index, &access);
    if (err != MPROC_OK)
        return err;
    struct number before = read_number(access.items->type, access.at);
    if (before.kind == FLOATING || before.kind == NO_NUMBER)
        return end(&access, no_integer(access.items->type));
    bool fits = write_int(access.items->type, access.at, integer);
    return end(&access, fits ? MPROC_OK : does_not_fit(access.items->type));
}

mproc_err mproc_array_get_float(mproc_array array, size_t index, double *real)
{
    struct access access = { 0 };
    mproc_err err = real ? begin(array, index, &access)
                         : mproc__fail(MPROC_EINVAL, "mproc_array_get_float: number is NULL");
    if (err != MPROC_OK)
        return err;
    struct number number = read_number(access.items->type, access.at);
    return end(&access, to_float(access.items, &number, real));
}

mproc_err mproc_array_set_float(mproc_array array, size_t index, double real)
{
    struct access access = { 0 };
    mproc_err err = begin(array, index, &access);
    return err == MPROC_OK ? end(&access, from_float(access.items, access.at, &real)) : err;
}

/* ---- adding in one step ---- */

static mproc_err find_to_add(mproc_value value, struct items **items)
{
    mproc_err err = find(BLOCK_VALUE, value.id, items);
    if (err == MPROC_OK && (*items)->lock == 0)
        err = mproc__fail(MPROC_ESTATE, "a raw value has no lock to add in one step: use C11 atomics");
    return err;
}

static mproc_err add_int(struct items *items, int64_t addend, int64_t *result)
{
    struct number number = read_number(items->type, items->data);
    int64_t before = 0;
    mproc_err err = to_int(items, &number, &before);
    if (err != MPROC_OK)
        return err;
    bool overflows = addend > 0 ? before > INT64_MAX - addend : before < INT64_MIN - addend;
    if (overflows || !write_int(items->type, items->data, before + addend))
        return does_not_fit(items->type);
    if (result)
        *result = before + addend;
    return MPROC_OK;
}

mproc_err mproc_value_add_int(mproc_value value, int64_t number, int64_t *result)
{
    struct items *items;
    mproc_err err = find_to_add(value, &items);
    if (err == MPROC_OK)
        err = enter(items);
    return entered(err) ? leave(items, err, add_int(items, number, result)) : err;
}

static mproc_err add_float(struct items *items, double addend, double *result)
{
    struct number number = read_number(items->type, items->data);
    double before = 0;
    mproc_err err = to_float(items, &number, &before);
    double sum = before + addend;
    if (err == MPROC_OK && isinf(sum) && isfinite(before) && isfinite(addend))
        err = does_not_fit(items->type);
    if (err == MPROC_OK)
        err = from_float(items, items->data, &sum);
    if (err == MPROC_OK && result)
        *result = sum;
    return err;
}

mproc_err mproc_value_add_float(mproc_value value, double number, double *result)
{
    struct items *items;
    mproc_err err = find_to_add(value, &items);
    if (err == MPROC_OK)
        err = enter(items);
    return entered(err) ? leave(items, err, add_float(items, number, result)) : err;
}
