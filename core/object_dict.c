/* SPDX-License-Identifier: MIT */
/* Dicts and sets: the functions for users. */
#include "object.h"

#include "error.h"

static bool is_table(const mproc_object *object)
{
    mproc_type type = object ? mproc__type(object) : MPROC_TYPE_NONE;
    return type == MPROC_TYPE_DICT || type == MPROC_TYPE_SET || type == MPROC_TYPE_FROZENSET;
}

static mproc_err create(mproc_object **object, mproc_type type)
{
    if (!object)
        return mproc__fail(MPROC_EINVAL, "Object is NULL; say where to put the new %s", mproc_type_name(type));
    mproc_object *table = mproc__make_table(NULL, type, 0);
    if (!table)
        return mproc__fail_memory(mproc_type_name(type));
    *object = table;
    return MPROC_OK;
}

mproc_err mproc_dict_create(mproc_object **object)
{
    return create(object, MPROC_TYPE_DICT);
}

mproc_err mproc_set_create(mproc_object **object)
{
    return create(object, MPROC_TYPE_SET);
}

static mproc_err find(const mproc_object *object, const mproc_object *key, bool filling, size_t *entry,
                      uint64_t *hash)
{
    if (!key)
        return mproc__fail(MPROC_EINVAL, "The key is NULL; give mproc_none() for None");
    struct mproc__effort effort = MPROC__EFFORT(SIZE_MAX, filling);
    mproc_err err = mproc__table_find(object, key, &effort, entry, hash);
    mproc__effort_end(&effort);
    return err;
}

/* The value is None in sets, where nobody looks. */
static mproc_err put(mproc_object *object, mproc_object *key, mproc_object *value)
{
    size_t entry;
    uint64_t hash;
    if (!value)
        return mproc__fail(MPROC_EINVAL, "The value is NULL; give mproc_none() for None");
    mproc_err err = find(object, key, true, &entry, &hash);
    if (err != MPROC_OK)
        return err;
    struct mproc__table *table = (struct mproc__table *) object;
    bool new_entry = entry == SIZE_MAX;
    if (!new_entry && object->type != MPROC_TYPE_DICT)
        return MPROC_OK;
    if (!mproc__hold_item(object, value))
        return mproc__fail_memory("one more entry");
    if (!new_entry) {
        mproc_object *old = table->slots[entry * 2 + 1];
        table->slots[entry * 2 + 1] = value;
        mproc__drop_item(object, old);
        return MPROC_OK;
    }
    if (!mproc__hold_item(object, key)) {
        mproc__drop_item(object, value);
        return mproc__fail_memory("one more entry");
    }
    if (!mproc__table_add(table, key, value, hash)) {
        mproc__drop_item(object, value);
        mproc__drop_item(object, key);
        return mproc__fail_memory("one more entry");
    }
    return MPROC_OK;
}

static mproc_err fail_key(const mproc_object *object)
{
    return mproc__fail(MPROC_ENOTFOUND, "The %s has no such key", mproc_type_name(mproc__type(object)));
}

static mproc_err take_out(mproc_object *object, const mproc_object *key)
{
    size_t entry;
    uint64_t hash;
    mproc_err err = find(object, key, false, &entry, &hash);
    if (err != MPROC_OK)
        return err;
    if (entry == SIZE_MAX)
        return fail_key(object);
    struct mproc__table *table = (struct mproc__table *) object;
    unsigned width = mproc__slots_per_entry(&table->object);
    mproc_object **slot = table->slots + entry * width, *old_key = slot[0], *old_value = slot[width - 1];
    slot[0] = slot[width - 1] = NULL; /* its cell of the index stays, and leads nowhere */
    object->lower--;
    mproc__drop_item(object, old_key);
    if (width == 2)
        mproc__drop_item(object, old_value);
    return MPROC_OK;
}

static void clear(mproc_object *object)
{
    struct mproc__table *table = (struct mproc__table *) object;
    size_t count = (size_t) table->used * mproc__slots_per_entry(&table->object);
    for (size_t i = 0; i < count; i++)
        mproc__drop_item(object, table->slots[i]);
    if (mproc__has(object, MPROC__GROWS)) {
        mproc__zone_free(object->zone, table->slots);
        mproc__zone_free(object->zone, table->index);
        table->slots = NULL;
        table->index = NULL;
        table->capacity = table->mask = 0;
    } else if (table->index) {
        memset(table->index, 0, ((size_t) table->mask + 1) * sizeof *table->index);
    }
    table->used = object->lower = 0;
}

static bool is_dict(const mproc_object *object)
{
    return object && mproc__type(object) == MPROC_TYPE_DICT;
}

mproc_err mproc_dict_set(mproc_object *dict, mproc_object *key, mproc_object *value)
{
    return is_dict(dict) ? put(dict, key, value) : mproc__fail_type(dict, "dict");
}

mproc_err mproc_dict_get(const mproc_object *dict, const mproc_object *key, mproc_object **value)
{
    size_t entry;
    uint64_t hash;
    if (!is_dict(dict))
        return mproc__fail_type(dict, "dict");
    if (!value)
        return mproc__fail(MPROC_EINVAL, "mproc_dict_get: value is NULL; say where to put it");
    mproc_err err = find(dict, key, false, &entry, &hash);
    if (err != MPROC_OK)
        return err;
    if (entry == SIZE_MAX)
        return fail_key(dict);
    *value = ((const struct mproc__table *) dict)->slots[entry * 2 + 1];
    return MPROC_OK;
}

mproc_err mproc_dict_remove(mproc_object *dict, const mproc_object *key)
{
    return is_dict(dict) ? take_out(dict, key) : mproc__fail_type(dict, "dict");
}

mproc_err mproc_dict_clear(mproc_object *dict)
{
    if (!is_dict(dict))
        return mproc__fail_type(dict, "dict");
    clear(dict);
    return MPROC_OK;
}

mproc_err mproc_dict_set_str(mproc_object *dict, const char *key, mproc_object *value)
{
    mproc_object *object;
    mproc_err err = mproc_str_create(&object, key);
    if (err != MPROC_OK)
        return err;
    err = mproc_dict_set(dict, object, value);
    mproc_object_release(object);
    return err;
}

mproc_err mproc_dict_get_str(const mproc_object *dict, const char *key, mproc_object **value)
{
    mproc_object *object;
    mproc_err err = mproc_str_create(&object, key);
    if (err != MPROC_OK)
        return err;
    err = mproc_dict_get(dict, object, value);
    if (err == MPROC_ENOTFOUND)
        err = mproc__fail(MPROC_ENOTFOUND, "The dict has no key '%.200s'", key);
    mproc_object_release(object);
    return err;
}

static bool is_set(const mproc_object *object, bool frozen_too)
{
    return is_table(object) && object->type != MPROC_TYPE_DICT &&
           (frozen_too || object->type == MPROC_TYPE_SET);
}

mproc_err mproc_set_add(mproc_object *set, mproc_object *item)
{
    return is_set(set, false) ? put(set, item, MPROC__NONE) : mproc__fail_type(set, "set");
}

mproc_err mproc_set_has(const mproc_object *set, const mproc_object *item, bool *has)
{
    size_t entry;
    uint64_t hash;
    if (!is_set(set, true))
        return mproc__fail_type(set, "set or frozenset");
    if (!has)
        return mproc__fail(MPROC_EINVAL, "mproc_set_has: has is NULL; say where to put it");
    mproc_err err = find(set, item, false, &entry, &hash);
    if (err == MPROC_OK)
        *has = entry != SIZE_MAX;
    return err;
}

mproc_err mproc_set_remove(mproc_object *set, const mproc_object *item)
{
    return is_set(set, false) ? take_out(set, item) : mproc__fail_type(set, "set");
}

mproc_err mproc_set_clear(mproc_object *set)
{
    if (!is_set(set, false))
        return mproc__fail_type(set, "set");
    clear(set);
    return MPROC_OK;
}

mproc_err mproc_frozenset_create(mproc_object **object, mproc_object *const *items, size_t count)
{
    mproc_object *set = NULL;
    if (!items && count > 0)
        return mproc__fail(MPROC_EINVAL, "A frozenset cannot be made of NULL");
    mproc_err err = object ? create(&set, MPROC_TYPE_FROZENSET) : create(NULL, MPROC_TYPE_FROZENSET);
    for (size_t i = 0; err == MPROC_OK && i < count; i++)
        err = put(set, items[i], MPROC__NONE);
    if (err == MPROC_OK)
        *object = set;
    else
        mproc_object_release(set);
    return err;
}

bool mproc_object_next(const mproc_object *object, size_t *position, mproc_object **key, mproc_object **value)
{
    if (!is_table(object) || !position)
        return false;
    const struct mproc__table *table = (const struct mproc__table *) object;
    unsigned width = mproc__slots_per_entry(&table->object);
    while (*position < table->used) {
        mproc_object **slot = table->slots + (*position)++ * width;
        if (!slot[0])
            continue;
        if (key)
            *key = slot[0];
        if (value && width == 2)
            *value = slot[1];
        return true;
    }
    return false;
}
