/* SPDX-License-Identifier: MIT */
/* Objects: making them, references, and what all types have. */
#include "object.h"

#include "error.h"

#include <math.h>
#include <stdlib.h>

static const char *const type_names[] = {
    "NoneType", "bool", "int", "float", "str", "bytes", "bytearray", "list", "tuple", "dict", "set",
    "frozenset", "exception", "global", "instance",
};

mproc_err mproc__fail_memory(const char *what)
{
    return mproc__fail(MPROC_ENOMEM, "There is no memory for %s", what);
}

mproc_err mproc__fail_type(const mproc_object *object, const char *wanted)
{
    if (!object)
        return mproc__fail(MPROC_EINVAL, "The object is NULL; give one, mproc_none() for None");
    return mproc__fail(MPROC_ETYPE, "The object is of type %s, not %s", type_names[mproc__type(object)], wanted);
}

mproc_type mproc_object_type(const mproc_object *object)
{
    return object ? mproc__type(object) : MPROC_TYPE_NONE;
}

const char *mproc_type_name(mproc_type type)
{
    size_t index = (size_t) type;
    return index < sizeof type_names / sizeof type_names[0] ? type_names[index] : "?";
}

mproc_object *mproc_object_ref(mproc_object *object)
{
    if (object && mproc__is_heap(object))
        mproc__zone_ref(object->zone);
    return object;
}

void mproc_object_release(mproc_object *object)
{
    if (object && mproc__is_heap(object))
        mproc__zone_release(object->zone);
}

struct mproc__parts mproc__parts(mproc_object *object)
{
    struct mproc__parts parts = { NULL, 0 };
    switch (object->type) {
    case MPROC_TYPE_LIST:
        return (struct mproc__parts){ ((struct mproc__list *) object)->items, object->lower };
    case MPROC_TYPE_TUPLE:
        return (struct mproc__parts){ ((struct mproc__tuple *) object)->items, object->lower };
    case MPROC_TYPE_DICT:
    case MPROC_TYPE_SET:
    case MPROC_TYPE_FROZENSET: {
        struct mproc__table *table = (struct mproc__table *) object;
        return (struct mproc__parts){ table->slots, (size_t) table->used * mproc__slots_per_entry(object) };
    }
    case MPROC_TYPE_GLOBAL:
        return (struct mproc__parts){ ((struct mproc__global *) object)->names, 2 };
    case MPROC_TYPE_EXCEPTION:
    case MPROC_TYPE_INSTANCE:
        return (struct mproc__parts){ ((struct mproc__instance *) object)->parts, PART_COUNT };
    default:
        return parts;
    }
}

/* ---- making ---- */

mproc_object *mproc__make(struct mproc__zone *zone, mproc_type type, size_t size, unsigned flags)
{
    struct mproc__zone *home = zone ? zone : mproc__zone_create(size);
    mproc_object *object = home ? mproc__zone_take(home, size) : NULL;
    if (!object)
        return NULL;
    object->zone = home;
    object->type = (uint8_t) type;
    atomic_init(&object->flags, (uint8_t) flags);
    object->upper = 0;
    object->lower = 0;
    return object;
}

mproc_object *mproc__make_float(struct mproc__zone *zone, double value, unsigned flags)
{
    mproc_object *object;
    if (mproc__float_word(value, &object))
        return object;
    object = mproc__make(zone, MPROC_TYPE_FLOAT, sizeof(struct mproc__float), flags);
    if (object)
        ((struct mproc__float *) object)->value = value;
    return object;
}

mproc_object *mproc__make_text(struct mproc__zone *zone, mproc_type type, const void *data, size_t size,
                               unsigned flags)
{
    if ((uint64_t) size >> 48 || size > SIZE_MAX / 2)
        return NULL;
    bool is_long = size >= MPROC__LONG_TEXT;
    size_t room = is_long ? ((size + 8) & ~(size_t) 7) + sizeof(uint64_t) : size + 1;
    mproc_object *object = mproc__make(zone, type, sizeof(struct mproc__text) + room, flags);
    if (!object)
        return NULL;
    object->upper = (uint16_t) ((uint64_t) size >> 32);
    object->lower = (uint32_t) size;
    char *text = ((struct mproc__text *) object)->data;
    if (data && size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (is_long)
        atomic_init(mproc__text_hash(object), 0);
    return object;
}

mproc_object *mproc__make_list(struct mproc__zone *zone, unsigned flags)
{
    struct mproc__list *list = (struct mproc__list *) mproc__make(zone, MPROC_TYPE_LIST, sizeof *list, flags);
    if (!list)
        return NULL;
    list->items = NULL;
    list->capacity = 0;
    return &list->object;
}

mproc_object *mproc__make_tuple(struct mproc__zone *zone, size_t count, unsigned flags)
{
    if (count > UINT32_MAX || count > SIZE_MAX / 2 / sizeof(mproc_object *))
        return NULL;
    struct mproc__tuple *tuple = (struct mproc__tuple *)
        mproc__make(zone, MPROC_TYPE_TUPLE, sizeof *tuple + count * sizeof(mproc_object *), flags);
    if (!tuple)
        return NULL;
    tuple->object.lower = (uint32_t) count;
    atomic_init(&tuple->hash, 0);
    for (size_t i = 0; i < count; i++)
        tuple->items[i] = NULL;
    return &tuple->object;
}

mproc_object *mproc__make_table(struct mproc__zone *zone, mproc_type type, unsigned flags)
{
    struct mproc__table *table = (struct mproc__table *) mproc__make(zone, type, sizeof *table, flags);
    if (!table)
        return NULL;
    table->slots = NULL;
    table->index = NULL;
    table->used = table->capacity = table->mask = 0;
    atomic_init(&table->hash, 0);
    return &table->object;
}

mproc_object *mproc__renamed(struct mproc__zone *zone, mproc_object *text, struct mproc__word wanted)
{
    struct mproc__word now = mproc__word(text);
    if (now.size == wanted.size && memcmp(now.text, wanted.text, now.size) == 0)
        return text;
    return mproc__make_text(zone, MPROC_TYPE_STR, wanted.text, wanted.size, MPROC__HELD);
}

mproc_object *mproc__make_global(struct mproc__zone *zone, mproc_object *module, mproc_object *name,
                                 unsigned flags)
{
    const struct mproc__known *known = mproc__known(mproc__word(module), mproc__word(name));
    if (known) {
        module = mproc__renamed(zone, module, (struct mproc__word){ known->module, strlen(known->module) });
        name = mproc__renamed(zone, name, (struct mproc__word){ known->name, strlen(known->name) });
    }
    struct mproc__global *global = (struct mproc__global *)
        mproc__make(zone, MPROC_TYPE_GLOBAL, sizeof *global, flags);
    if (!global || !module || !name)
        return NULL;
    global->known = known;
    global->names[0] = module;
    global->names[1] = name;
    return &global->object;
}

mproc_object *mproc__make_instance(struct mproc__zone *zone, mproc_recipe recipe, mproc_object *callable,
                                   mproc_object *args, unsigned flags)
{
    mproc_type type = MPROC_TYPE_INSTANCE;
    if (recipe == MPROC_RECIPE_CALL && callable->type == MPROC_TYPE_GLOBAL) {
        const struct mproc__known *known = ((struct mproc__global *) callable)->known;
        if (mproc__is_exception_class(known))
            type = MPROC_TYPE_EXCEPTION;
    }
    struct mproc__instance *instance = (struct mproc__instance *)
        mproc__make(zone, type, sizeof *instance, flags);
    if (!instance)
        return NULL;
    instance->object.lower = (uint32_t) recipe;
    memset(instance->parts, 0, sizeof instance->parts);
    instance->parts[PART_CALLABLE] = callable;
    instance->parts[PART_ARGS] = args;
    return &instance->object;
}

/* ---- the public makers of values ---- */

mproc_object *mproc_none(void)
{
    return MPROC__NONE;
}

mproc_object *mproc_true(void)
{
    return MPROC__TRUE;
}

mproc_object *mproc_false(void)
{
    return MPROC__FALSE;
}

static mproc_err deliver(mproc_object **object, mproc_object *made, const char *what)
{
    if (!made)
        return mproc__fail_memory(what);
    *object = made;
    return MPROC_OK;
}

mproc_err mproc_float_create(mproc_object **object, double value)
{
    if (!object)
        return mproc__fail(MPROC_EINVAL, "mproc_float_create: object is NULL; say where to put it");
    return deliver(object, mproc__make_float(NULL, value, 0), "a float");
}

static mproc_err make_text(mproc_object **object, mproc_type type, const void *data, size_t size)
{
    if (!object || (!data && size > 0))
        return mproc__fail(MPROC_EINVAL, "A %s cannot be made from NULL", type_names[type]);
    if (type == MPROC_TYPE_STR && !mproc__utf8_valid(data, size))
        return mproc__fail(MPROC_EINVAL, "The text for a str is not UTF-8; make bytes of it instead");
    return deliver(object, mproc__make_text(NULL, type, data, size, 0), type_names[type]);
}

mproc_err mproc_str_create(mproc_object **object, const char *text)
{
    return text ? make_text(object, MPROC_TYPE_STR, text, strlen(text))
                : mproc__fail(MPROC_EINVAL, "A str cannot be made from NULL");
}

mproc_err mproc_str_create_sized(mproc_object **object, const char *text, size_t size)
{
    return make_text(object, MPROC_TYPE_STR, text, size);
}

mproc_err mproc_bytes_create(mproc_object **object, const void *data, size_t size)
{
    return make_text(object, MPROC_TYPE_BYTES, data, size);
}

mproc_err mproc_bytearray_create(mproc_object **object, const void *data, size_t size)
{
    return make_text(object, MPROC_TYPE_BYTEARRAY, data, size);
}

/* ---- reading ---- */

bool mproc_object_is_true(const mproc_object *object)
{
    if (!object)
        return false;
    switch (mproc__type(object)) {
    case MPROC_TYPE_NONE:
        return false;
    case MPROC_TYPE_BOOL:
        return object == MPROC__TRUE;
    case MPROC_TYPE_INT:
        return object != mproc__small(0);
    case MPROC_TYPE_FLOAT:
        return mproc__float_value(object) != 0;
    case MPROC_TYPE_STR:
    case MPROC_TYPE_BYTES:
    case MPROC_TYPE_BYTEARRAY:
        return mproc__text_size(object) > 0;
    case MPROC_TYPE_EXCEPTION:
    case MPROC_TYPE_GLOBAL:
    case MPROC_TYPE_INSTANCE:
        return true;
    default:
        return object->lower > 0;
    }
}

mproc_err mproc_bool_get(const mproc_object *object, bool *value)
{
    if (!value)
        return mproc__fail(MPROC_EINVAL, "mproc_bool_get: value is NULL; say where to put it");
    if (object != MPROC__TRUE && object != MPROC__FALSE)
        return mproc__fail_type(object, "bool");
    *value = object == MPROC__TRUE;
    return MPROC_OK;
}

mproc_err mproc_float_get(const mproc_object *object, double *value)
{
    if (!value)
        return mproc__fail(MPROC_EINVAL, "mproc_float_get: value is NULL; say where to put it");
    if (!object)
        return mproc__fail_type(object, "float");
    switch (mproc__type(object)) {
    case MPROC_TYPE_FLOAT:
        *value = mproc__float_value(object);
        return MPROC_OK;
    case MPROC_TYPE_BOOL:
    case MPROC_TYPE_INT:
        return mproc__int_to_double(object, value);
    default:
        return mproc__fail_type(object, "float or int");
    }
}

mproc_err mproc_str_get(const mproc_object *object, const char **text, size_t *size)
{
    if (!text)
        return mproc__fail(MPROC_EINVAL, "mproc_str_get: text is NULL; say where to put it");
    if (!object || mproc__type(object) != MPROC_TYPE_STR)
        return mproc__fail_type(object, "str");
    if (!size && memchr(mproc__text(object), 0, mproc__text_size(object)))
        return mproc__fail(MPROC_ETYPE, "The str has a NUL inside, so it is no C string; ask for its size too");
    *text = mproc__text(object);
    if (size)
        *size = mproc__text_size(object);
    return MPROC_OK;
}

mproc_err mproc_bytes_get(const mproc_object *object, const void **data, size_t *size)
{
    if (!data || !size)
        return mproc__fail(MPROC_EINVAL, "mproc_bytes_get: data and size must not be NULL");
    if (!object ||
        (mproc__type(object) != MPROC_TYPE_BYTES && mproc__type(object) != MPROC_TYPE_BYTEARRAY))
        return mproc__fail_type(object, "bytes or bytearray");
    *data = mproc__text(object);
    *size = mproc__text_size(object);
    return MPROC_OK;
}

static size_t code_points(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char) text[i] & 0xc0) != 0x80;
    return count;
}

mproc_err mproc_object_len(const mproc_object *object, size_t *length)
{
    if (!length)
        return mproc__fail(MPROC_EINVAL, "mproc_object_len: length is NULL; say where to put it");
    switch (object ? mproc__type(object) : MPROC_TYPE_NONE) {
    case MPROC_TYPE_STR:
        *length = code_points(mproc__text(object), mproc__text_size(object));
        return MPROC_OK;
    case MPROC_TYPE_BYTES:
    case MPROC_TYPE_BYTEARRAY:
        *length = mproc__text_size(object);
        return MPROC_OK;
    case MPROC_TYPE_LIST:
    case MPROC_TYPE_TUPLE:
    case MPROC_TYPE_DICT:
    case MPROC_TYPE_SET:
    case MPROC_TYPE_FROZENSET:
        *length = object->lower;
        return MPROC_OK;
    default:
        return mproc__fail_type(object, "something that has a length");
    }
}
