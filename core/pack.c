/* SPDX-License-Identifier: MIT */
/* mproc_pack(): Python literals whose holes are printf's. */
#include "pack.h"

#include "error.h"

#include <locale.h>
#include <stdlib.h>

struct packer {
    const char *format;
    const char *next;
    va_list *values;
    struct mproc__hole **holes; /* where the next one goes */
    struct mproc__zone *zone;
    mproc_object **items; /* of the containers that are being read */
    size_t count;
    size_t capacity;
    int depth;
    struct mproc__effort effort;
};

static mproc_err read_value(struct packer *p);

static mproc_err fail(const struct packer *p, const char *what)
{
    return mproc__fail(MPROC_EINVAL, "The format '%.80s' is wrong at character %zu: %s", p->format,
                       (size_t) (p->next - p->format) + 1, what);
}

static mproc_err push(struct packer *p, mproc_object *object)
{
    if (!object)
        return mproc__fail_memory("what is packed");
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 32;
        mproc_object **items = realloc(p->items, capacity * sizeof *items);
        if (!items)
            return mproc__fail_memory("what is packed");
        p->items = items;
        p->capacity = capacity;
    }
    p->items[p->count++] = object;
    return MPROC_OK;
}

static void skip_space(struct packer *p)
{
    while (*p->next == ' ' || *p->next == '\n' || *p->next == '\t')
        p->next++;
}

static bool accept(struct packer *p, const char *text)
{
    skip_space(p);
    size_t size = strlen(text);
    if (strncmp(p->next, text, size) != 0)
        return false;
    p->next += size;
    return true;
}

/* ---- holes ---- */

static size_t read_length(struct packer *p)
{
    static const struct {
        const char *text;
        size_t size;
    } lengths[] = { { "hh", sizeof(char) }, { "h", sizeof(short) }, { "ll", sizeof(long long) }, { "l", sizeof(long) },
                    { "j", sizeof(intmax_t) }, { "z", sizeof(size_t) }, { "t", sizeof(ptrdiff_t) } };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t size = strlen(lengths[i].text);
        if (strncmp(p->next, lengths[i].text, size) == 0) {
            p->next += size;
            return lengths[i].size;
        }
    }
    return 0;
}

/* Behind the percent sign. */
static mproc_err read_hole(struct packer *p, struct mproc__hole *hole)
{
    bool packing = p->values != NULL;
    if (packing && strncmp(p->next, ".*", 2) == 0) {
        hole->sized = true;
        p->next += 2;
    }
    for (; !packing && *p->next >= '0' && *p->next <= '9' && hole->width < 100000000; p->next++)
        hole->width = hole->width * 10 + (size_t) (*p->next - '0');
    if (!packing && *p->next == 'm') {
        hole->borrowed = true;
        p->next++;
    }
    hole->size = read_length(p);
    bool plain = !hole->bytes && !hole->sized && !hole->borrowed && hole->width == 0;
    char conversion = *p->next;
    if (conversion && plain && strchr("diuxX", conversion)) {
        hole->kind = strchr("di", conversion) ? MPROC__HOLE_INT : MPROC__HOLE_UNSIGNED;
        hole->size = hole->size ? hole->size : sizeof(int);
    } else if (conversion && plain && strchr("fFeEgG", conversion) && (hole->size == 0 || hole->size == sizeof(long))) {
        hole->kind = MPROC__HOLE_FLOAT;
        hole->size = hole->size || packing ? sizeof(double) : sizeof(float);
    } else if (conversion == 's' && hole->size == 0) {
        hole->kind = MPROC__HOLE_TEXT;
        if (!packing && !hole->borrowed && hole->width == 0)
            return fail(p, "%s needs the room there is, as in %31s, or is %ms");
    } else if (conversion == 'p' && plain && hole->size == 0) {
        hole->kind = MPROC__HOLE_OBJECT;
    } else {
        return fail(p, "there is no such hole");
    }
    p->next++;
    return MPROC_OK;
}

static int64_t next_int(va_list *values, size_t size)
{
    if (size < sizeof(int)) /* promoted, and cut as printf does */
        return size == 1 ? (signed char) va_arg(*values, int) : (short) va_arg(*values, int);
    if (size == sizeof(int))
        return va_arg(*values, int);
    return va_arg(*values, int64_t);
}

static uint64_t next_unsigned(va_list *values, size_t size)
{
    if (size < sizeof(int))
        return size == 1 ? (unsigned char) va_arg(*values, int) : (unsigned short) va_arg(*values, int);
    if (size == sizeof(int))
        return va_arg(*values, unsigned);
    return va_arg(*values, uint64_t);
}

static mproc_err fill_text(struct packer *p, const struct mproc__hole *hole)
{
    int given = hole->sized ? va_arg(*p->values, int) : -1;
    const char *text = va_arg(*p->values, const char *);
    if (!text && given != 0)
        return fail(p, "the text is NULL");
    if (hole->sized && given < 0)
        return fail(p, "the size of a text is negative");
    size_t size = hole->sized ? (size_t) given : strlen(text);
    if (!hole->bytes && !mproc__utf8_valid(text, size))
        return fail(p, "the text is not UTF-8; b%s would make bytes of it");
    return push(p, mproc__make_text(p->zone, hole->bytes ? MPROC_TYPE_BYTES : MPROC_TYPE_STR, text, size, MPROC__HELD));
}

static mproc_err fill(struct packer *p, const struct mproc__hole *hole)
{
    mproc_object *object;
    switch (hole->kind) {
    case MPROC__HOLE_INT:
        return push(p, mproc__make_int(p->zone, next_int(p->values, hole->size), MPROC__HELD));
    case MPROC__HOLE_UNSIGNED:
        return push(p, mproc__make_unsigned(p->zone, next_unsigned(p->values, hole->size), MPROC__HELD));
    case MPROC__HOLE_FLOAT:
        return push(p, mproc__make_float(p->zone, va_arg(*p->values, double), MPROC__HELD));
    case MPROC__HOLE_TEXT:
        return fill_text(p, hole);
    default:
        object = va_arg(*p->values, mproc_object *);
        return object ? push(p, object) : fail(p, "the object is NULL; give mproc_none() for None");
    }
}

static mproc_err read_hole_value(struct packer *p, bool bytes)
{
    struct mproc__hole hole = { .bytes = bytes };
    mproc_err err = read_hole(p, &hole);
    if (err != MPROC_OK || p->values)
        return err == MPROC_OK ? fill(p, &hole) : err;
    mproc_object *made = mproc__make(p->zone, (mproc_type) MPROC__TYPE_HOLE, sizeof hole, 0);
    if (!made)
        return mproc__fail_memory("a hole of the format");
    struct mproc__hole *kept = (struct mproc__hole *) made;
    hole.object.zone = made->zone;
    hole.object.type = made->type;
    *kept = hole;
    *p->holes = kept;
    p->holes = &kept->next;
    return push(p, made);
}

/* ---- literals ---- */

/* One escape behind its backslash, -1 for none. */
static int read_escape(struct packer *p)
{
    static const char names[] = "\\\\''\"\"n\nt\tr\r0";
    char c = *p->next++;
    for (size_t i = 0; c && i + 1 < sizeof names; i += 2)
        if (names[i] == c)
            return (unsigned char) names[i + 1];
    int value = 0;
    for (int i = 0; c == 'x' && i < 2; i++, p->next++) {
        char digit = (char) (*p->next | 0x20);
        if (digit >= '0' && digit <= '9')
            value = value * 16 + digit - '0';
        else if (digit >= 'a' && digit <= 'f')
            value = value * 16 + digit - 'a' + 10;
        else
            return -1;
    }
    return c == 'x' ? value : -1;
}

static mproc_err read_text(struct packer *p, bool bytes)
{
    char quote = *p->next++;
    size_t room = 0;
    for (const char *at = p->next; *at && *at != quote; at++, room++)
        at += *at == '\\' && at[1];
    char *text = malloc(2 * room + 1);
    if (!text)
        return mproc__fail_memory("a text of the format");
    size_t size = 0;
    mproc_err err = MPROC_OK;
    while (err == MPROC_OK && *p->next && *p->next != quote) {
        int c = (unsigned char) *p->next++;
        bool escaped = c == '\\';
        if (escaped)
            c = read_escape(p);
        if (c < 0) {
            err = fail(p, "there is no such escape");
        } else if (escaped && !bytes && c >= 0x80) { /* a code point */
            text[size++] = (char) (0xc0 | c >> 6);
            text[size++] = (char) (0x80 | (c & 0x3f));
        } else {
            text[size++] = (char) c;
        }
    }
    if (err == MPROC_OK && *p->next != quote)
        err = fail(p, "a text does not end");
    p->next++;
    if (err == MPROC_OK && !bytes && !mproc__utf8_valid(text, size))
        err = fail(p, "a text is not UTF-8");
    if (err == MPROC_OK)
        err = push(p, mproc__make_text(p->zone, bytes ? MPROC_TYPE_BYTES : MPROC_TYPE_STR, text, size, MPROC__HELD));
    free(text);
    return err;
}

static mproc_err read_number(struct packer *p)
{
    const char *start = p->next;
    size_t size = 0;
    bool hexadecimal = false, real = false;
    for (;; size++) {
        char c = start[size];
        hexadecimal = hexadecimal || ((c == 'x' || c == 'X') && size > 0 && start[size - 1] == '0');
        bool exponent = !hexadecimal && size > 0 && (start[size - 1] == 'e' || start[size - 1] == 'E');
        bool sign = (c == '-' || c == '+') && (size == 0 || exponent);
        bool point = !hexadecimal && (c == '.' || c == 'e' || c == 'E');
        if (!sign && !point && !(c >= '0' && c <= '9') && !(hexadecimal && c && strchr("xXabcdefABCDEF", c)))
            break;
        real = real || point;
    }
    mproc_object *object;
    if (!real) {
        mproc_err err = mproc__int_parse(p->zone, start, size, 0, MPROC__HELD, &object);
        p->next += size;
        return err == MPROC_OK ? push(p, object) : err;
    }
    char text[64], *end;
    if (size >= sizeof text)
        return fail(p, "a float is written with too many digits");
    memcpy(text, start, size);
    text[size] = '\0';
    char *point = strchr(text, '.');
    if (point)
        *point = *localeconv()->decimal_point;
    double value = strtod(text, &end);
    if (*end)
        return fail(p, "this is no number");
    p->next += size;
    return push(p, mproc__make_float(p->zone, value, MPROC__HELD));
}

/* ---- containers ---- */

/* An object of another zone came in through %p. */
static bool hold(mproc_object *container, mproc_object *item)
{
    return !mproc__is_heap(item) || item->zone == container->zone || mproc__hold_item(container, item);
}

static mproc_err make_table(struct packer *p, mproc_object *object, mproc_object **items, size_t count)
{
    struct mproc__table *table = (struct mproc__table *) object;
    unsigned width = mproc__slots_per_entry(object);
    for (size_t i = 0; i < count; i += width) {
        size_t entry;
        uint64_t hash;
        mproc_object *key = items[i], *value = items[i + width - 1];
        if (mproc__is_heap(key) && key->type == MPROC__TYPE_HOLE)
            return fail(p, "a key, or an item of a set, cannot be a hole here");
        mproc_err err = mproc__table_find(object, key, &p->effort, &entry, &hash);
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
static mproc_err make_container(struct packer *p, mproc_type type, size_t first)
{
    size_t count = p->count - first;
    mproc_object **items = count > 0 ? p->items + first : NULL, *object;
    if (type == MPROC_TYPE_LIST)
        object = mproc__make_list(p->zone, MPROC__HELD);
    else if (type == MPROC_TYPE_TUPLE)
        object = mproc__make_tuple(p->zone, count, MPROC__HELD);
    else
        object = mproc__make_table(p->zone, type, MPROC__HELD);
    if (!object)
        return mproc__fail_memory("what is packed");
    mproc_err err = type == MPROC_TYPE_LIST || type == MPROC_TYPE_TUPLE ? make_array(object, items, count)
                                                                        : make_table(p, object, items, count);
    p->count = first;
    return err == MPROC_OK ? push(p, object) : err;
}

/* Values and commas up to `close`; *commas counts them. */
static mproc_err read_items(struct packer *p, const char *close, bool pairs, size_t *commas)
{
    *commas = 0;
    while (!accept(p, close)) {
        mproc_err err;
        if (!p->values && !pairs && accept(p, "...")) {
            err = push(p, MPROC__REST);
            if (err == MPROC_OK)
                err = accept(p, close) ? MPROC_OK : fail(p, "... must be the last item");
            ++*commas;
            return err;
        }
        err = read_value(p);
        if (err == MPROC_OK && pairs)
            err = accept(p, ":") ? read_value(p) : fail(p, "a colon is missing");
        if (err != MPROC_OK)
            return err;
        if (accept(p, close))
            return MPROC_OK;
        if (!accept(p, ","))
            return fail(p, "a comma or the end is missing");
        ++*commas;
    }
    return MPROC_OK;
}

static mproc_err read_parentheses(struct packer *p)
{
    size_t first = p->count, commas;
    mproc_err err = read_items(p, ")", false, &commas);
    if (err != MPROC_OK || (p->count == first + 1 && commas == 0))
        return err; /* (x) is x, as in Python */
    return make_container(p, MPROC_TYPE_TUPLE, first);
}

static mproc_err read_braces(struct packer *p)
{
    size_t first = p->count, commas;
    if (accept(p, "}"))
        return make_container(p, MPROC_TYPE_DICT, first);
    mproc_err err = read_value(p);
    bool dict = err == MPROC_OK && accept(p, ":");
    if (dict)
        err = read_value(p);
    if (err == MPROC_OK && !accept(p, "}"))
        err = accept(p, ",") ? read_items(p, "}", dict, &commas) : fail(p, "a comma or the end is missing");
    return err == MPROC_OK ? make_container(p, dict ? MPROC_TYPE_DICT : MPROC_TYPE_SET, first) : err;
}

static mproc_err read_list(struct packer *p)
{
    size_t first = p->count, commas;
    mproc_err err = read_items(p, "]", false, &commas);
    return err == MPROC_OK ? make_container(p, MPROC_TYPE_LIST, first) : err;
}

static mproc_err read_nested(struct packer *p)
{
    if (p->depth == MPROC__MAX_DEPTH)
        return fail(p, "it is nested too deep");
    p->depth++;
    mproc_err err;
    if (accept(p, "["))
        err = read_list(p);
    else if (accept(p, "("))
        err = read_parentheses(p);
    else
        err = accept(p, "{") ? read_braces(p) : fail(p, "a value is missing");
    p->depth--;
    return err;
}

static mproc_err read_value(struct packer *p)
{
    skip_space(p);
    char c = *p->next;
    if (c == '%') {
        p->next++;
        return read_hole_value(p, false);
    }
    if (c == '\'' || c == '"')
        return read_text(p, false);
    if (c == 'b' && (p->next[1] == '\'' || p->next[1] == '"')) {
        p->next++;
        return read_text(p, true);
    }
    if (accept(p, "b%"))
        return read_hole_value(p, true);
    if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.')
        return read_number(p);
    if (accept(p, "None"))
        return push(p, MPROC__NONE);
    if (accept(p, "True"))
        return push(p, MPROC__TRUE);
    if (accept(p, "False"))
        return push(p, MPROC__FALSE);
    if (accept(p, "set()"))
        return make_container(p, MPROC_TYPE_SET, p->count);
    return read_nested(p);
}

mproc_err mproc__format_read(const char *format, va_list *values, struct mproc__hole **holes,
                             mproc_object **object)
{
    struct packer p = { .format = format, .next = format, .values = values, .holes = holes,
                        .effort = MPROC__EFFORT(SIZE_MAX, true) };
    p.zone = mproc__zone_create(strlen(format) * 8 + 64);
    if (!p.zone)
        return mproc__fail_memory("what is packed");
    mproc_err err = read_value(&p);
    if (err == MPROC_OK)
        skip_space(&p);
    if (err == MPROC_OK && *p.next)
        err = fail(&p, "there is more than one value");
    mproc_object *root = err == MPROC_OK ? p.items[0] : NULL;
    free(p.items);
    mproc__effort_end(&p.effort);
    bool mine = root && mproc__is_heap(root) && root->zone == p.zone;
    if (root && !mine)
        mproc_object_ref(root); /* %p alone */
    if (!mine)
        mproc__zone_release(p.zone);
    else
        atomic_store_explicit(&root->flags, (uint8_t) (root->flags & ~MPROC__HELD), memory_order_relaxed);
    if (err == MPROC_OK)
        *object = root;
    return err;
}

mproc_err mproc_pack(mproc_object **object, const char *format, ...)
{
    if (!object || !format)
        return mproc__fail(MPROC_EINVAL, "mproc_pack: object or format is NULL");
    va_list values;
    va_start(values, format);
    mproc_err err = mproc__format_read(format, &values, NULL, object);
    va_end(values);
    return err;
}
