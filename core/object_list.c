/* SPDX-License-Identifier: MIT */
/* Lists and tuples. */
#include "object.h"

/* Arrays of a few items live in the zone for good; larger ones, and those of lists that change, can grow. */
enum { SMALL_ARRAY = 64, LARGE_ARRAY = 8192 };

static size_t grown(size_t capacity, size_t needed)
{
    /* The larger, the closer: a list of a million ints is not to take twice its room. */
    size_t more = capacity < LARGE_ARRAY ? capacity : capacity / 8;
    return needed > capacity + more ? needed : capacity + more;
}

bool mproc__list_reserve(struct mproc__list *list, size_t extra)
{
    size_t count = list->object.lower, needed = count + extra;
    if (needed <= list->capacity)
        return true;
    if (needed > UINT32_MAX || needed > SIZE_MAX / 2 / sizeof *list->items)
        return false;
    struct mproc__zone *zone = list->object.zone;
    bool grows = mproc__has(&list->object, MPROC__GROWS);
    size_t capacity = list->capacity > 0 ? grown(list->capacity, needed) : extra > 1 ? needed : 4;
    mproc_object **items;
    if (!grows && capacity <= SMALL_ARRAY && mproc__has(&list->object, MPROC__HELD)) {
        items = mproc__zone_take(zone, capacity * sizeof *items); /* an unpickled list */
    } else {
        items = mproc__zone_resize(zone, grows ? list->items : NULL, capacity * sizeof *items);
        if (items)
            mproc__mark(&list->object, MPROC__GROWS);
    }
    if (!items)
        return false;
    if (!grows && count > 0)
        memcpy(items, list->items, count * sizeof *items);
    list->items = items;
    list->capacity = capacity;
    return true;
}

mproc_err mproc_list_create(mproc_object **object)
{
    if (!object)
        return mproc__fail(MPROC_EINVAL, "mproc_list_create: object is NULL; say where to put it");
    mproc_object *list = mproc__make_list(NULL, 0);
    if (!list)
        return mproc__fail_memory("a list");
    *object = list;
    return MPROC_OK;
}

mproc_err mproc_tuple_create(mproc_object **object, mproc_object *const *items, size_t count)
{
    if (!object || (!items && count > 0))
        return mproc__fail(MPROC_EINVAL, "mproc_tuple_create: object or items is NULL");
    for (size_t i = 0; i < count; i++)
        if (!items[i])
            return mproc__fail(MPROC_EINVAL, "Item %zu for a tuple is NULL; give mproc_none() for None", i);
    mproc_object *tuple = mproc__make_tuple(NULL, count, 0);
    if (!tuple)
        return mproc__fail_memory("a tuple");
    for (size_t i = 0; i < count; i++) {
        if (!mproc__hold_item(tuple, items[i])) {
            mproc_object_release(tuple);
            return mproc__fail_memory("a tuple");
        }
        ((struct mproc__tuple *) tuple)->items[i] = items[i];
    }
    *object = tuple;
    return MPROC_OK;
}

static bool is_list(const mproc_object *object)
{
    return object && mproc__type(object) == MPROC_TYPE_LIST;
}

/* The place of an index as in Python, or false if it is outside. */
static bool place_of(const mproc_object *object, int64_t index, size_t *place)
{
    int64_t count = object->lower;
    index += index < 0 ? count : 0;
    *place = (size_t) index;
    return index >= 0 && index < count;
}

static mproc_err fail_index(const mproc_object *object, int64_t index)
{
    return mproc__fail(MPROC_ENOTFOUND, "The %s has %u items and none with index %lld",
                       mproc_type_name(mproc__type(object)), (unsigned) object->lower, (long long) index);
}

mproc_err mproc_object_item(const mproc_object *object, int64_t index, mproc_object **item)
{
    if (!item)
        return mproc__fail(MPROC_EINVAL, "mproc_object_item: item is NULL; say where to put it");
    if (!is_list(object) && (!object || mproc__type(object) != MPROC_TYPE_TUPLE))
        return mproc__fail_type(object, "list or tuple");
    size_t place;
    if (!place_of(object, index, &place))
        return fail_index(object, index);
    *item = mproc__parts((mproc_object *) (uintptr_t) object).items[place];
    return MPROC_OK;
}

mproc_err mproc_list_insert(mproc_object *object, int64_t index, mproc_object *item)
{
    if (!is_list(object))
        return mproc__fail_type(object, "list");
    if (!item)
        return mproc__fail(MPROC_EINVAL, "The item for a list is NULL; give mproc_none() for None");
    struct mproc__list *list = (struct mproc__list *) object;
    if (!mproc__list_reserve(list, 1) || !mproc__hold_item(object, item))
        return mproc__fail_memory("one more item in a list");
    size_t place, count = object->lower;
    if (!place_of(object, index, &place))
        place = index < 0 ? 0 : count;
    if (place < count) /* memmove of nothing would cost appending dearly */
        memmove(list->items + place + 1, list->items + place, (count - place) * sizeof *list->items);
    list->items[place] = item;
    object->lower++;
    return MPROC_OK;
}

mproc_err mproc_list_append(mproc_object *object, mproc_object *item)
{
    return mproc_list_insert(object, INT64_MAX, item);
}

mproc_err mproc_list_set(mproc_object *object, int64_t index, mproc_object *item)
{
    if (!is_list(object))
        return mproc__fail_type(object, "list");
    if (!item)
        return mproc__fail(MPROC_EINVAL, "The item for a list is NULL; give mproc_none() for None");
    size_t place;
    if (!place_of(object, index, &place))
        return fail_index(object, index);
    if (!mproc__hold_item(object, item))
        return mproc__fail_memory("another item in a list");
    mproc_object **slot = &((struct mproc__list *) object)->items[place], *old = *slot;
    *slot = item;
    mproc__drop_item(object, old);
    return MPROC_OK;
}

mproc_err mproc_list_remove(mproc_object *object, int64_t index)
{
    if (!is_list(object))
        return mproc__fail_type(object, "list");
    size_t place;
    if (!place_of(object, index, &place))
        return fail_index(object, index);
    mproc_object **items = ((struct mproc__list *) object)->items, *old = items[place];
    object->lower--;
    memmove(items + place, items + place + 1, (object->lower - place) * sizeof *items);
    mproc__drop_item(object, old);
    return MPROC_OK;
}

mproc_err mproc_list_clear(mproc_object *object)
{
    if (!is_list(object))
        return mproc__fail_type(object, "list");
    while (object->lower > 0) {
        object->lower--;
        mproc__drop_item(object, ((struct mproc__list *) object)->items[object->lower]);
    }
    struct mproc__list *list = (struct mproc__list *) object;
    if (mproc__has(object, MPROC__GROWS)) {
        mproc__zone_free(object->zone, list->items);
        list->items = NULL;
        list->capacity = 0;
    }
    return MPROC_OK;
}
