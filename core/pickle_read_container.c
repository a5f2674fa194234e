/* SPDX-License-Identifier: MIT */
/* Reading pickles: lists, tuples, dicts and sets. */
#include "pickle_reader.h"

mproc_err mproc__reader_deepen(struct mproc__reader *reader, mproc_object *container, mproc_object *const *items,
                               size_t count)
{
    unsigned deepest = container->upper;
    for (size_t i = 0; i < count; i++)
        if (mproc__is_heap(items[i]) && items[i]->type >= MPROC_TYPE_LIST && items[i]->upper >= deepest)
            deepest = items[i]->upper + 1u;
    if (deepest >= (unsigned) reader->max_depth)
        return mproc__fail(MPROC_EPROTO, "The pickle is nested deeper than %d", reader->max_depth);
    container->upper = (uint16_t) deepest;
    return MPROC_OK;
}

/* ---- tuples ---- */

/* The stack holds the items; the tuple takes their place. */
static mproc_err make_tuple(struct mproc__reader *reader, mproc_object **items, size_t count)
{
    mproc_object *tuple = mproc__make_tuple(reader->zone, count, MPROC__HELD);
    if (!tuple)
        return mproc__reader_fail_memory();
    if (count > 0)
        memcpy(((struct mproc__tuple *) tuple)->items, items, count * sizeof *items);
    mproc_err err = mproc__reader_deepen(reader, tuple, items, count);
    reader->top = items;
    return err == MPROC_OK ? mproc__reader_push(reader, tuple) : err;
}

mproc_err mproc__read_short_tuple(struct mproc__reader *reader, size_t count)
{
    return mproc__reader_has(reader, count) ? make_tuple(reader, reader->top - count, count)
                                            : mproc__reader_underflow(reader);
}

mproc_err mproc__read_tuple(struct mproc__reader *reader)
{
    mproc_object **items;
    size_t count;
    mproc_err err = mproc__reader_pop_mark(reader, &items, &count);
    return err == MPROC_OK ? make_tuple(reader, items, count) : err;
}

/* ---- filling ---- */

static mproc_err extend(struct mproc__reader *reader, mproc_object *object, mproc_object **items, size_t count)
{
    struct mproc__list *list = (struct mproc__list *) object;
    if (!mproc__list_reserve(list, count))
        return mproc__reader_fail_memory();
    if (count > 0)
        memcpy(list->items + object->lower, items, count * sizeof *items);
    object->lower += (uint32_t) count;
    return mproc__reader_deepen(reader, object, items, count);
}

mproc_err mproc__reader_fill_table(struct mproc__reader *reader, mproc_object *object, mproc_object **items,
                                   size_t count)
{
    struct mproc__table *table = (struct mproc__table *) object;
    unsigned width = mproc__slots_per_entry(object);
    if (!mproc__table_reserve(table, count / width))
        return mproc__reader_fail_memory();
    for (size_t i = 0; i < count; i += width) {
        size_t entry;
        uint64_t hash;
        mproc_err err = mproc__table_find(object, items[i], &reader->effort, &entry, &hash);
        if (err == MPROC_ENOMEM)
            return err;
        if (err != MPROC_OK)
            return mproc__fail(MPROC_EPROTO, "The pickle has a key that is none, before byte %zu: %s",
                               (size_t) (reader->next - reader->start),
                               err == MPROC_ETYPE ? "its type is unhashable" : "it is nested too deep or too often");
        if (entry == SIZE_MAX) {
            if (!mproc__table_add(table, items[i], items[i + width - 1], hash))
                return mproc__reader_fail_memory();
        } else if (width == 2) {
            table->slots[entry * 2 + 1] = items[i + 1];
        }
    }
    return mproc__reader_deepen(reader, object, items, count);
}

mproc_err mproc__read_marked(struct mproc__reader *reader, mproc_type type)
{
    mproc_object **items;
    size_t count;
    mproc_err err = mproc__reader_pop_mark(reader, &items, &count);
    if (err != MPROC_OK)
        return err;
    if (type == MPROC_TYPE_DICT && count % 2)
        return mproc__reader_fail(reader, "a key has no value");
    mproc_object *object = type == MPROC_TYPE_LIST ? mproc__make_list(reader->zone, MPROC__HELD)
                                                   : mproc__make_table(reader->zone, type, MPROC__HELD);
    if (!object)
        return mproc__reader_fail_memory();
    err = type == MPROC_TYPE_LIST ? extend(reader, object, items, count)
                                  : mproc__reader_fill_table(reader, object, items, count);
    return err == MPROC_OK ? mproc__reader_push(reader, object) : err;
}

/* ---- what goes into the container on top of the stack ---- */

/* The list of a recipe's items or pairs, made when first needed. */
static mproc_err extend_part(struct mproc__reader *reader, mproc_object *object, int part, mproc_object **items,
                             size_t count)
{
    mproc_object **list = &((struct mproc__instance *) object)->parts[part];
    if (count == 0) /* is the same as none at all */
        return MPROC_OK;
    if (!*list)
        *list = mproc__make_list(reader->zone, MPROC__HELD);
    if (!*list)
        return mproc__reader_fail_memory();
    mproc_err err = extend(reader, *list, items, count);
    return err == MPROC_OK ? mproc__reader_deepen(reader, object, list, 1) : err;
}

static mproc_err append(struct mproc__reader *reader, mproc_object **items, size_t count)
{
    if (!mproc__reader_has(reader, 1))
        return mproc__reader_underflow(reader);
    mproc_object *object = reader->top[-1];
    if (mproc__is_a(object, MPROC_TYPE_LIST))
        return extend(reader, object, items, count);
    return mproc__is_recipe(object) ? extend_part(reader, object, PART_ITEMS, items, count)
                                    : mproc__reader_fail(reader, "it appends to what is no list");
}

static mproc_err set_items(struct mproc__reader *reader, mproc_object **items, size_t count)
{
    if (!mproc__reader_has(reader, 1))
        return mproc__reader_underflow(reader);
    mproc_object *object = reader->top[-1];
    if (count % 2)
        return mproc__reader_fail(reader, "a key has no value");
    if (mproc__is_a(object, MPROC_TYPE_DICT))
        return mproc__reader_fill_table(reader, object, items, count);
    return mproc__is_recipe(object) ? extend_part(reader, object, PART_PAIRS, items, count)
                                    : mproc__reader_fail(reader, "it sets items of what is no dict");
}

mproc_err mproc__read_append(struct mproc__reader *reader)
{
    if (!mproc__reader_has(reader, 2))
        return mproc__reader_underflow(reader);
    reader->top--;
    return append(reader, reader->top, 1);
}

mproc_err mproc__read_appends(struct mproc__reader *reader)
{
    mproc_object **items;
    size_t count;
    mproc_err err = mproc__reader_pop_mark(reader, &items, &count);
    return err == MPROC_OK ? append(reader, items, count) : err;
}

mproc_err mproc__read_setitem(struct mproc__reader *reader)
{
    if (!mproc__reader_has(reader, 3))
        return mproc__reader_underflow(reader);
    reader->top -= 2;
    return set_items(reader, reader->top, 2);
}

mproc_err mproc__read_setitems(struct mproc__reader *reader)
{
    mproc_object **items;
    size_t count;
    mproc_err err = mproc__reader_pop_mark(reader, &items, &count);
    return err == MPROC_OK ? set_items(reader, items, count) : err;
}

mproc_err mproc__read_additems(struct mproc__reader *reader)
{
    mproc_object **items;
    size_t count;
    mproc_err err = mproc__reader_pop_mark(reader, &items, &count);
    if (err != MPROC_OK)
        return err;
    if (!mproc__reader_has(reader, 1))
        return mproc__reader_underflow(reader);
    if (!mproc__is_a(reader->top[-1], MPROC_TYPE_SET))
        return mproc__reader_fail(reader, "it adds to what is no set");
    return mproc__reader_fill_table(reader, reader->top[-1], items, count);
}
