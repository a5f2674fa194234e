/* SPDX-License-Identifier: MIT */
/* mproc_unpack(): an object against a pattern, and the holes of the pattern into variables. */
#include "pack.h"

#include "error.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct matcher {
    char path[160]; /* such as [2]['key'] */
    size_t used;
    int depth;
};

static mproc_err match(struct matcher *m, const mproc_object *pattern, const mproc_object *object);

static mproc_err fail(const struct matcher *m, const char *wanted, const mproc_object *object)
{
    return mproc__fail(MPROC_ETYPE, "The object%s%.150s is of type %s, not %s", m->used ? " at " : "", m->path,
                       mproc_type_name(mproc__type(object)), wanted);
}

/* One step down, and back. */
static mproc_err match_at(struct matcher *m, const mproc_object *pattern, const mproc_object *object, size_t index,
                          const mproc_object *key)
{
    size_t before = m->used;
    char step[64];
    if (!key)
        snprintf(step, sizeof step, "[%zu]", index);
    else if (mproc__type(key) == MPROC_TYPE_STR)
        snprintf(step, sizeof step, "['%.40s']", mproc__text(key));
    else
        snprintf(step, sizeof step, "[a %s]", mproc_type_name(mproc__type(key)));
    m->used += (size_t) snprintf(m->path + m->used, sizeof m->path - m->used, "%s", step);
    if (m->used >= sizeof m->path)
        m->used = sizeof m->path - 1;
    mproc_err err = match(m, pattern, object);
    if (err == MPROC_OK) { /* else the sentence was made with it */
        m->used = before;
        m->path[before] = '\0';
    }
    return err;
}

static mproc_err match_items(struct matcher *m, const mproc_object *pattern, const mproc_object *object)
{
    struct mproc__parts wanted = mproc__parts((mproc_object *) (uintptr_t) pattern);
    struct mproc__parts there = mproc__parts((mproc_object *) (uintptr_t) object);
    bool rest = wanted.count > 0 && wanted.items[wanted.count - 1] == MPROC__REST;
    wanted.count -= rest;
    if (rest ? there.count < wanted.count : there.count != wanted.count)
        return mproc__fail(MPROC_ETYPE, "The %s%s%.150s has %zu items, not %zu%s",
                           mproc_type_name(mproc__type(object)), m->used ? " at " : "", m->path, there.count,
                           wanted.count, rest ? " or more" : "");
    mproc_err err = MPROC_OK;
    for (size_t i = 0; i < wanted.count && err == MPROC_OK; i++)
        err = match_at(m, wanted.items[i], there.items[i], i, NULL);
    return err;
}

static mproc_err match_dict(struct matcher *m, const mproc_object *pattern, const mproc_object *object)
{
    size_t position = 0;
    mproc_object *key, *wanted, *there;
    while (mproc_object_next(pattern, &position, &key, &wanted)) {
        mproc_err err = mproc_dict_get(object, key, &there);
        if (err == MPROC_ENOTFOUND)
            return mproc__fail(MPROC_ETYPE, "The dict%s%.150s has no key '%.100s'", m->used ? " at " : "", m->path,
                               mproc__type(key) == MPROC_TYPE_STR ? mproc__text(key) : "of the format");
        if (err == MPROC_OK)
            err = match_at(m, wanted, there, 0, key);
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

static mproc_err match(struct matcher *m, const mproc_object *pattern, const mproc_object *object)
{
    if (mproc__is_heap(pattern) && pattern->type == MPROC__TYPE_HOLE) {
        ((struct mproc__hole *) (uintptr_t) pattern)->found = object;
        return MPROC_OK;
    }
    mproc_type type = mproc__type(pattern);
    if (type == MPROC_TYPE_LIST || type == MPROC_TYPE_TUPLE || type == MPROC_TYPE_DICT) {
        if (mproc__type(object) != type)
            return fail(m, mproc_type_name(type), object);
        return type == MPROC_TYPE_DICT ? match_dict(m, pattern, object) : match_items(m, pattern, object);
    }
    bool equal = false;
    mproc_err err = mproc_object_equal(pattern, object, &equal);
    if (err == MPROC_OK && !equal)
        return mproc__fail(MPROC_ETYPE, "The object%s%.150s, of type %s, is not equal to what the format says there",
                           m->used ? " at " : "", m->path, mproc_type_name(mproc__type(object)));
    return err;
}

/* ---- what was found, to C ---- */

static bool fits_signed(int64_t value, size_t size)
{
    int64_t most = size >= 8 ? INT64_MAX : ((int64_t) 1 << (8 * size - 1)) - 1;
    return value <= most && value >= -most - 1;
}

static mproc_err check_text(const struct mproc__hole *hole)
{
    const mproc_object *object = hole->found;
    mproc_type type = mproc__type(object);
    if (hole->bytes ? type != MPROC_TYPE_BYTES && type != MPROC_TYPE_BYTEARRAY : type != MPROC_TYPE_STR)
        return mproc__fail_type(object, hole->bytes ? "bytes" : "str");
    size_t size = mproc__text_size(object);
    if (memchr(mproc__text(object), 0, size))
        return mproc__fail(MPROC_ETYPE, "The %s has a NUL inside, so it is no C string; take it with %%p",
                           mproc_type_name(type));
    if (!hole->borrowed && size > hole->width)
        return mproc__fail(MPROC_EMSGSIZE, "The %s has %zu bytes, and there is room for %zu", mproc_type_name(type),
                           size, hole->width);
    return MPROC_OK;
}

static mproc_err check(const struct mproc__hole *hole)
{
    int64_t value;
    uint64_t natural;
    double real;
    mproc_err err;
    switch (hole->kind) {
    case MPROC__HOLE_INT:
        err = mproc_int_get(hole->found, &value);
        if (err == MPROC_OK && !fits_signed(value, hole->size))
            err = mproc__fail(MPROC_ETYPE, "%lld does not fit into an int of %zu bytes", (long long) value, hole->size);
        return err;
    case MPROC__HOLE_UNSIGNED:
        err = mproc_int_get_unsigned(hole->found, &natural);
        if (err == MPROC_OK && hole->size < 8 && natural >> 8 * hole->size)
            err = mproc__fail(MPROC_ETYPE, "%llu does not fit into %zu bytes", (unsigned long long) natural,
                              hole->size);
        return err;
    case MPROC__HOLE_FLOAT:
        return mproc_float_get(hole->found, &real);
    case MPROC__HOLE_TEXT:
        return check_text(hole);
    default:
        return MPROC_OK;
    }
}

static void store_int(void *to, size_t size, uint64_t value)
{
    uint8_t one = (uint8_t) value;
    uint16_t two = (uint16_t) value;
    uint32_t four = (uint32_t) value;
    memcpy(to, size == 1 ? (void *) &one : size == 2 ? (void *) &two : size == 4 ? (void *) &four : (void *) &value,
           size);
}

static void store(const struct mproc__hole *hole, void *to)
{
    int64_t value = 0;
    uint64_t natural = 0;
    double real = 0;
    float narrow;
    switch (hole->kind) {
    case MPROC__HOLE_INT:
        (void) mproc__int_to_int64(hole->found, &value);
        store_int(to, hole->size, (uint64_t) value);
        break;
    case MPROC__HOLE_UNSIGNED:
        (void) mproc__int_to_uint64(hole->found, &natural);
        store_int(to, hole->size, natural);
        break;
    case MPROC__HOLE_FLOAT:
        if (mproc_float_get(hole->found, &real) != MPROC_OK)
            break; /* it was checked */
        narrow = (float) real;
        memcpy(to, hole->size == sizeof narrow ? (void *) &narrow : (void *) &real, hole->size);
        break;
    case MPROC__HOLE_TEXT:
        if (hole->borrowed)
            *(const char **) to = mproc__text(hole->found);
        else
            memcpy(to, mproc__text(hole->found), mproc__text_size(hole->found) + 1);
        break;
    default:
        *(mproc_object **) to = (mproc_object *) (uintptr_t) hole->found;
        break;
    }
}

mproc_err mproc_unpack(const mproc_object *object, const char *format, ...)
{
    if (!object || !format)
        return mproc__fail(MPROC_EINVAL, "mproc_unpack: object or format is NULL; None is mproc_none()");
    struct mproc__hole *holes = NULL;
    mproc_object *pattern;
    mproc_err err = mproc__format_read(format, NULL, &holes, &pattern);
    if (err != MPROC_OK)
        return err;
    struct matcher matcher = { .used = 0 };
    err = match(&matcher, pattern, object);
    for (struct mproc__hole *hole = holes; hole && err == MPROC_OK; hole = hole->next)
        err = check(hole);
    if (err == MPROC_OK) {
        va_list variables;
        va_start(variables, format);
        for (struct mproc__hole *hole = holes; hole; hole = hole->next)
            store(hole, va_arg(variables, void *));
        va_end(variables);
    }
    mproc_object_release(pattern);
    return err;
}
