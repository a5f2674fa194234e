/* SPDX-License-Identifier: MIT */
/* mproc_pack(): Python literals whose holes are printf's. */
#include "pack.h"

#include "error.h"

#include <math.h>
#include <stdlib.h>

static mproc_err read_value(struct mproc__packer *packer);

mproc_err mproc__packer_fail(const struct mproc__packer *packer, const char *what)
{
    return mproc__fail(MPROC_EINVAL, "The format '%.80s' is wrong at character %zu: %s", packer->format,
                       (size_t) (packer->next - packer->format) + 1, what);
}

static mproc_err grow_items(struct mproc__packer *packer)
{
    bool local = packer->items == packer->local_items;
    size_t capacity = packer->capacity * 2;
    mproc_object **items = realloc(local ? NULL : packer->items, capacity * sizeof *items);
    if (!items)
        return mproc__fail_memory("what is packed");
    if (local)
        memcpy(items, packer->local_items, sizeof packer->local_items);
    packer->items = items;
    packer->capacity = capacity;
    return MPROC_OK;
}

mproc_err mproc__packer_push(struct mproc__packer *packer, mproc_object *object)
{
    if (!object)
        return mproc__fail_memory("what is packed");
    mproc_err err = packer->count == packer->capacity ? grow_items(packer) : MPROC_OK;
    if (err == MPROC_OK)
        packer->items[packer->count++] = object;
    return err;
}

static inline void skip_space(struct mproc__packer *packer)
{
    while (*packer->next == ' ' || *packer->next == '\n' || *packer->next == '\t')
        packer->next++;
}

static inline bool accept(struct mproc__packer *packer, char c)
{
    skip_space(packer);
    if (*packer->next != c)
        return false;
    packer->next++;
    return true;
}

static bool accept_word(struct mproc__packer *packer, const char *word)
{
    size_t size = strlen(word);
    skip_space(packer);
    if (strncmp(packer->next, word, size) != 0)
        return false;
    packer->next += size;
    return true;
}

/* ---- containers ---- */

/* An object of another zone came in through %p. */
static bool hold(mproc_object *container, mproc_object *item)
{
    return !mproc__is_heap(item) || item->zone == container->zone || mproc__hold_item(container, item);
}

/* Whether a key of a pattern is not wholly known. */
static bool has_hole(const mproc_object *key)
{
    if (!mproc__is_heap(key))
        return key == MPROC__REST;
    if (key->type == MPROC__TYPE_HOLE)
        return true;
    if (key->type != MPROC_TYPE_TUPLE)
        return false; /* a frozenset's items were looked at when it was made */
    struct mproc__parts parts = mproc__parts((mproc_object *) (uintptr_t) key);
    for (size_t i = 0; i < parts.count; i++)
        if (has_hole(parts.items[i]))
            return true;
    return false;
}

static mproc_err find_key(struct mproc__packer *packer, const mproc_object *table, const mproc_object *key,
                          size_t *entry, uint64_t *hash)
{
    if (!packer->values && has_hole(key))
        return mproc__packer_fail(packer, "there can be no hole and no ... in a key or an item of a set");
    mproc_err err = mproc__table_find(table, key, &packer->effort, entry, hash);
    bool literal = mproc__is_heap(key) && key->zone == packer->zone;
    if (err == MPROC_ETYPE && literal)
        return mproc__packer_fail(packer, "a list, dict, set or bytearray can be no key and no item of a set");
    if (err == MPROC_OK && *entry != SIZE_MAX && !packer->values && table->type == MPROC_TYPE_DICT)
        return mproc__packer_fail(packer, "a key is there twice");
    return err;
}

static mproc_err make_table(struct mproc__packer *packer, mproc_object *object, mproc_object **items, size_t count)
{
    struct mproc__table *table = (struct mproc__table *) object;
    unsigned width = mproc__slots_per_entry(object);
    for (size_t i = 0; i < count; i += width) {
        size_t entry;
        uint64_t hash;
        mproc_object *key = items[i], *value = items[i + width - 1];
        mproc_err err = find_key(packer, object, key, &entry, &hash);
        if (err != MPROC_OK)
            return err;
        if (!hold(object, value) || (width == 2 && entry == SIZE_MAX && !hold(object, key)))
            return mproc__fail_memory("what is packed");
        if (entry == SIZE_MAX) {
            if (!mproc__table_add(table, key, value, hash))
                return mproc__fail_memory("what is packed");
        } else if (width == 2) {
            mproc__drop_item(object, table->slots[entry * 2 + 1]);
            table->slots[entry * 2 + 1] = value;
        } else {
            mproc__drop_item(object, value);
        }
    }
    return MPROC_OK;
}

static mproc_err make_array(mproc_object *object, mproc_object **items, size_t count)
{
    bool is_list = object->type == MPROC_TYPE_LIST;
    if (is_list && !mproc__list_reserve((struct mproc__list *) object, count))
        return mproc__fail_memory("what is packed");
    object->lower = 0;
    mproc_object **room = mproc__parts(object).items;
    for (size_t i = 0; i < count; i++) {
        if (!hold(object, items[i]))
            return mproc__fail_memory("what is packed");
        room[i] = items[i];
        object->lower++;
    }
    return MPROC_OK;
}

/* The items above `first` become a container. */
static mproc_err make_container(struct mproc__packer *packer, mproc_type type, size_t first)
{
    size_t count = packer->count - first;
    mproc_object **items = count > 0 ? packer->items + first : NULL, *object;
    if (type == MPROC_TYPE_LIST)
        object = mproc__make_list(packer->zone, MPROC__HELD);
    else if (type == MPROC_TYPE_TUPLE)
        object = mproc__make_tuple(packer->zone, count, MPROC__HELD);
    else
        object = mproc__make_table(packer->zone, type, MPROC__HELD);
    if (!object)
        return mproc__fail_memory("what is packed");
    mproc_err err = type == MPROC_TYPE_LIST || type == MPROC_TYPE_TUPLE ? make_array(object, items, count)
                                                                        : make_table(packer, object, items, count);
    packer->count = first;
    return err == MPROC_OK ? mproc__packer_push(packer, object) : err;
}

/* Values and commas up to `close`; *commas counts them. */
static mproc_err read_items(struct mproc__packer *packer, char close, bool pairs, size_t *commas)
{
    *commas = 0;
    while (!accept(packer, close)) {
        mproc_err err;
        if (!packer->values && close != '}' && accept_word(packer, "...")) {
            ++*commas;
            err = mproc__packer_push(packer, MPROC__REST);
            return err != MPROC_OK || accept(packer, close) ? err
                                                            : mproc__packer_fail(packer, "... must be the last item");
        }
        err = read_value(packer);
        if (err == MPROC_OK && pairs)
            err = accept(packer, ':') ? read_value(packer) : mproc__packer_fail(packer, "a colon is missing");
        if (err != MPROC_OK || accept(packer, close))
            return err;
        if (!accept(packer, ','))
            return mproc__packer_fail(packer, "a comma or the end is missing");
        ++*commas;
    }
    return MPROC_OK;
}

static mproc_err read_list(struct mproc__packer *packer)
{
    size_t first = packer->count, commas;
    mproc_err err = read_items(packer, ']', false, &commas);
    return err == MPROC_OK ? make_container(packer, MPROC_TYPE_LIST, first) : err;
}

static mproc_err read_parentheses(struct mproc__packer *packer)
{
    size_t first = packer->count, commas;
    mproc_err err = read_items(packer, ')', false, &commas);
    if (err != MPROC_OK || (packer->count == first + 1 && commas == 0))
        return err; /* (x) is x, as in Python */
    return make_container(packer, MPROC_TYPE_TUPLE, first);
}

static mproc_err read_braces(struct mproc__packer *packer)
{
    size_t first = packer->count, commas;
    if (accept(packer, '}'))
        return make_container(packer, MPROC_TYPE_DICT, first);
    mproc_err err = read_value(packer);
    bool dict = err == MPROC_OK && accept(packer, ':');
    if (dict)
        err = read_value(packer);
    if (err == MPROC_OK && !accept(packer, '}'))
        err = accept(packer, ',') ? read_items(packer, '}', dict, &commas)
                                  : mproc__packer_fail(packer, "a comma or the end is missing");
    return err == MPROC_OK ? make_container(packer, dict ? MPROC_TYPE_DICT : MPROC_TYPE_SET, first) : err;
}

static mproc_err read_nested(struct mproc__packer *packer, mproc_err (*read)(struct mproc__packer *packer))
{
    if (packer->depth == MPROC__MAX_DEPTH)
        return mproc__packer_fail(packer, "it is nested too deep");
    packer->next++;
    packer->depth++;
    mproc_err err = read(packer);
    packer->depth--;
    return err;
}

/* ---- values ---- */

/* Behind "frozenset(". */
static mproc_err read_frozenset(struct mproc__packer *packer)
{
    size_t first = packer->count, commas;
    mproc_err err = accept(packer, '{') ? read_items(packer, '}', false, &commas) : MPROC_OK;
    if (err == MPROC_OK && !accept(packer, ')'))
        err = mproc__packer_fail(packer, "a frozenset is frozenset() or frozenset({1, 2})");
    return err == MPROC_OK ? make_container(packer, MPROC_TYPE_FROZENSET, first) : err;
}

/* Behind "bytearray(". */
static mproc_err read_bytearray(struct mproc__packer *packer)
{
    mproc_err err = read_value(packer);
    if (err != MPROC_OK)
        return err;
    mproc_object *bytes = packer->items[packer->count - 1];
    bool fresh = mproc__is_heap(bytes) && bytes->type == MPROC_TYPE_BYTES && bytes->zone == packer->zone;
    if (!fresh || !accept(packer, ')'))
        return mproc__packer_fail(packer, "a bytearray is bytearray(b'bytes'), or bytearray(b%s) to pack");
    bytes->type = MPROC_TYPE_BYTEARRAY; /* nobody else has it yet */
    return MPROC_OK;
}

static mproc_err read_word(struct mproc__packer *packer)
{
    if (accept_word(packer, "None"))
        return mproc__packer_push(packer, MPROC__NONE);
    if (accept_word(packer, "True"))
        return mproc__packer_push(packer, MPROC__TRUE);
    if (accept_word(packer, "False"))
        return mproc__packer_push(packer, MPROC__FALSE);
    if (accept_word(packer, "nan"))
        return mproc__packer_push(packer, mproc__make_float(packer->zone, NAN, MPROC__HELD));
    if (accept_word(packer, "inf"))
        return mproc__packer_push(packer, mproc__make_float(packer->zone, INFINITY, MPROC__HELD));
    if (accept_word(packer, "set()"))
        return make_container(packer, MPROC_TYPE_SET, packer->count);
    if (accept_word(packer, "frozenset("))
        return read_frozenset(packer);
    if (accept_word(packer, "bytearray("))
        return read_bytearray(packer);
    return mproc__packer_fail(packer, "a value is missing");
}

static mproc_err read_value(struct mproc__packer *packer)
{
    skip_space(packer);
    char c = *packer->next, second = c ? packer->next[1] : '\0';
    switch (c) {
    case '%':
        packer->next++;
        return mproc__pack_hole(packer, false);
    case '[':
        return read_nested(packer, read_list);
    case '(':
        return read_nested(packer, read_parentheses);
    case '{':
        return read_nested(packer, read_braces);
    case '\'':
    case '"':
        return mproc__pack_text(packer, false);
    case 'b':
        if (second != '%' && second != '\'' && second != '"')
            break;
        packer->next += second == '%' ? 2 : 1;
        return second == '%' ? mproc__pack_hole(packer, true) : mproc__pack_text(packer, true);
    default:
        if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.')
            return mproc__pack_number(packer);
        break;
    }
    return read_word(packer);
}

mproc_err mproc__format_read(const char *format, va_list *values, struct mproc__hole **holes,
                             mproc_object **object)
{
    struct mproc__packer packer;
    packer.format = packer.next = format;
    packer.values = values;
    packer.holes = holes;
    packer.items = packer.local_items;
    packer.capacity = MPROC__LOCAL_ITEMS;
    packer.count = 0;
    packer.depth = 0;
    packer.effort = (struct mproc__effort) MPROC__EFFORT(SIZE_MAX, true);
    packer.zone = mproc__zone_create(strlen(format) * 8 + 64);
    if (!packer.zone)
        return mproc__fail_memory("what is packed");
    mproc_err err = read_value(&packer);
    if (err == MPROC_OK)
        skip_space(&packer);
    if (err == MPROC_OK && *packer.next)
        err = mproc__packer_fail(&packer, "there is more than one value");
    mproc_object *root = err == MPROC_OK ? packer.items[0] : NULL;
    if (packer.items != packer.local_items)
        free(packer.items);
    mproc__effort_end(&packer.effort);
    bool mine = root && mproc__is_heap(root) && root->zone == packer.zone;
    if (root && !mine)
        mproc_object_ref(root); /* %p alone */
    if (!mine)
        mproc__zone_release(packer.zone);
    else
        atomic_store_explicit(&root->flags, (uint8_t) (root->flags & ~MPROC__HELD), memory_order_relaxed);
    if (err == MPROC_OK)
        *object = root;
    return err;
}

mproc_err mproc_vpack(mproc_object **object, const char *format, va_list values)
{
    if (!object || !format)
        return mproc__fail(MPROC_EINVAL, "mproc_pack: object or format is NULL");
    va_list copy; /* the address of a parameter may be that of an array's first element */
    va_copy(copy, values);
    mproc_err err = mproc__format_read(format, &copy, NULL, object);
    va_end(copy);
    return err;
}

mproc_err mproc_pack(mproc_object **object, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    mproc_err err = mproc_vpack(object, format, values);
    va_end(values);
    return err;
}
