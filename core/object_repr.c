/* SPDX-License-Identifier: MIT */
/* Objects as Python prints them. */
#include "error.h"
#include "object.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_TEXT = 256 << 20, FLOAT_DIGITS = 17 };

struct printer {
    mproc_buffer *text;
    size_t limit;
    int depth;
    const mproc_object *path[MPROC__MAX_DEPTH]; /* the containers we are in */
};

static mproc_err print(struct printer *p, const mproc_object *object);

static mproc_err put(struct printer *p, const char *text, size_t size)
{
    if (p->text->size + size > p->limit)
        return mproc__fail(MPROC_EMSGSIZE, "The text of the object is longer than %zu bytes", p->limit);
    return mproc__buffer_append(p->text, text, size) ? MPROC_OK : mproc__fail_memory("the text of an object");
}

static mproc_err puts_(struct printer *p, const char *text)
{
    return put(p, text, strlen(text));
}

/* ---- floats: the shortest digits that give the same float again ---- */

/* The next larger number of so many digits, in a text like d.ddde+xx; false if all are nines. */
static bool next_decimal(char *text)
{
    for (char *at = strchr(text, 'e'); at-- > text;) {
        if (*at < '0' || *at > '9')
            continue;
        if (*at < '9') {
            ++*at;
            return true;
        }
        *at = '0';
    }
    return false;
}

/* Digits and exponent of a positive float: 0.ddd * 10 ** exponent. */
static int shortest(double value, char digits[FLOAT_DIGITS + 1], int *exponent)
{
    char text[64];
    for (int precision = 0; precision < FLOAT_DIGITS; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) == value)
            break;
        /* below a power of two floats lie closer: then not the nearest, but the one above may do */
        if (next_decimal(text) && strtod(text, NULL) == value)
            break;
    }
    int count = 0;
    char *at = text;
    for (; *at != 'e'; at++) /* the point is the locale's */
        if (*at >= '0' && *at <= '9')
            digits[count++] = *at;
    *exponent = atoi(at + 1) + 1;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

static mproc_err print_float(struct printer *p, double value)
{
    if (isnan(value))
        return puts_(p, "nan");
    if (isinf(value))
        return puts_(p, value < 0 ? "-inf" : "inf");
    char digits[FLOAT_DIGITS + 1], out[64];
    size_t size = 0;
    if (signbit(value))
        out[size++] = '-';
    if (value == 0)
        return memcpy(out + size, "0.0", 3), put(p, out, size + 3);
    int exponent, count = shortest(fabs(value), digits, &exponent);
    if (exponent > 16 || exponent < -3) {
        out[size++] = digits[0];
        if (count > 1)
            out[size++] = '.';
        memcpy(out + size, digits + 1, (size_t) count - 1);
        size += (size_t) count - 1;
        size += (size_t) snprintf(out + size, sizeof out - size, "e%+03d", exponent - 1);
        return put(p, out, size);
    }
    int from = exponent < 1 ? exponent - 1 : 0, to = count > exponent + 1 ? count : exponent + 1;
    for (int i = from; i < to; i++) {
        out[size++] = i < 0 || i >= count ? '0' : digits[i];
        if (i == (exponent < 1 ? from : exponent - 1))
            out[size++] = '.';
    }
    return put(p, out, size);
}

/* ---- text ---- */

static const unsigned ranges[][2] = { /* what is not printable, as far as text has it */
    { 0x7f, 0xa0 }, { 0xad, 0xad }, { 0x600, 0x605 }, { 0x1680, 0x1680 }, { 0x180e, 0x180e },
    { 0x2000, 0x200f }, { 0x2028, 0x202f }, { 0x205f, 0x206f }, { 0x3000, 0x3000 }, { 0xd800, 0xf8ff },
    { 0xfdd0, 0xfdef }, { 0xfeff, 0xfeff }, { 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0xe0000, 0xe00ff },
    { 0xe01f0, 0x10ffff },
};

static bool is_printable(unsigned code)
{
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return false;
    return code >= 0x20;
}

static size_t decode(const char *text, unsigned *code)
{
    const unsigned char *at = (const unsigned char *) text;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    *code = size == 1 ? at[0] : at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        *code = *code << 6 | (at[i] & 0x3f);
    return size;
}

static int escape(char out[16], unsigned code, char quote)
{
    if (code == '\\' || code == (unsigned char) quote)
        return snprintf(out, 16, "\\%c", (int) code);
    if (code == '\n' || code == '\r' || code == '\t')
        return snprintf(out, 16, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
    return snprintf(out, 16, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
}

static mproc_err print_text(struct printer *p, const mproc_object *object, bool bytes)
{
    const char *text = mproc__text(object);
    size_t size = mproc__text_size(object), plain = 0;
    char quote = memchr(text, '\'', size) && !memchr(text, '"', size) ? '"' : '\'';
    mproc_err err = bytes ? puts_(p, "b") : MPROC_OK;
    if (err == MPROC_OK)
        err = put(p, &quote, 1);
    for (size_t i = 0; i < size && err == MPROC_OK;) {
        char out[16];
        unsigned code = (unsigned char) text[i];
        size_t step = bytes ? 1 : decode(text + i, &code);
        bool as_it_is = code != '\\' && code != (unsigned char) quote &&
                        (bytes ? code >= 0x20 && code < 0x7f : is_printable(code));
        if (as_it_is) {
            plain += step;
        } else {
            err = put(p, text + i - plain, plain);
            plain = 0;
            if (err == MPROC_OK)
                err = put(p, out, (size_t) escape(out, code, quote));
        }
        i += step;
    }
    if (err == MPROC_OK)
        err = put(p, text + size - plain, plain);
    return err == MPROC_OK ? put(p, &quote, 1) : err;
}

static mproc_err print_bytearray(struct printer *p, const mproc_object *object)
{
    mproc_err err = puts_(p, "bytearray(");
    if (err == MPROC_OK)
        err = print_text(p, object, true);
    return err == MPROC_OK ? puts_(p, ")") : err;
}

/* ---- containers ---- */

static mproc_err print_items(struct printer *p, struct mproc__parts parts, unsigned width)
{
    mproc_err err = MPROC_OK;
    bool first = true;
    for (size_t i = 0; i < parts.count && err == MPROC_OK; i += width) {
        if (!parts.items[i])
            continue;
        err = first ? MPROC_OK : puts_(p, ", ");
        first = false;
        if (err == MPROC_OK)
            err = print(p, parts.items[i]);
        if (err == MPROC_OK && width == 2)
            err = puts_(p, ": ");
        if (err == MPROC_OK && width == 2)
            err = print(p, parts.items[i + 1]);
    }
    return err;
}

static mproc_err print_names(struct printer *p, const mproc_object *object, bool with_module)
{
    const char *module, *name;
    mproc_err err = mproc_global_get(object, &module, &name);
    if (err == MPROC_OK && with_module)
        err = puts_(p, module);
    if (err == MPROC_OK && with_module)
        err = puts_(p, ".");
    return err == MPROC_OK ? puts_(p, name) : err;
}

/* KeyError('k'), <datetime.date(b'...')> */
static mproc_err print_instance(struct printer *p, const mproc_object *object)
{
    mproc_object *const *parts = ((const struct mproc__instance *) object)->parts;
    bool exception = object->type == MPROC_TYPE_EXCEPTION;
    mproc_err err = exception ? MPROC_OK : puts_(p, "<");
    if (err == MPROC_OK && parts[PART_CALLABLE]->type == MPROC_TYPE_GLOBAL)
        err = print_names(p, parts[PART_CALLABLE], !exception);
    else if (err == MPROC_OK)
        err = print(p, parts[PART_CALLABLE]);
    if (err == MPROC_OK)
        err = puts_(p, "(");
    if (err == MPROC_OK)
        err = print_items(p, mproc__parts(parts[PART_ARGS]), 1);
    return err == MPROC_OK ? puts_(p, exception ? ")" : ")>") : err;
}

struct brackets {
    const char *open;
    const char *close;
    const char *empty;
    const char *inside_itself;
};

static struct brackets brackets_of(const mproc_object *object)
{
    switch (object->type) {
    case MPROC_TYPE_LIST:
        return (struct brackets){ "[", "]", "[]", "[...]" };
    case MPROC_TYPE_TUPLE:
        return (struct brackets){ "(", object->lower == 1 ? ",)" : ")", "()", "(...)" };
    case MPROC_TYPE_DICT:
        return (struct brackets){ "{", "}", "{}", "{...}" };
    case MPROC_TYPE_SET:
        return (struct brackets){ "{", "}", "set()", "set(...)" };
    case MPROC_TYPE_FROZENSET:
        return (struct brackets){ "frozenset({", "})", "frozenset()", "frozenset(...)" };
    default:
        return (struct brackets){ "", "", "", "<...>" };
    }
}

static bool is_inside_itself(const struct printer *p, const mproc_object *object)
{
    if (p->depth == 0 || (!mproc__has(object, MPROC__SHARED) && object != p->path[0]))
        return false;
    for (int i = 0; i < p->depth; i++)
        if (p->path[i] == object)
            return true;
    return false;
}

static mproc_err print_container(struct printer *p, const mproc_object *object)
{
    struct brackets brackets = brackets_of(object);
    bool instance = object->type >= MPROC_TYPE_EXCEPTION;
    if (is_inside_itself(p, object))
        return puts_(p, brackets.inside_itself);
    if (!instance && object->lower == 0)
        return puts_(p, brackets.empty);
    if (p->depth == MPROC__MAX_DEPTH)
        return mproc__fail(MPROC_EINVAL, "Objects nested deeper than %d cannot be printed", MPROC__MAX_DEPTH);
    p->path[p->depth++] = object;
    mproc_err err = puts_(p, brackets.open);
    if (err == MPROC_OK)
        err = instance ? print_instance(p, object)
                       : print_items(p, mproc__parts((mproc_object *) (uintptr_t) object),
                                     mproc__slots_per_entry(object));
    if (err == MPROC_OK)
        err = puts_(p, brackets.close);
    p->depth--;
    return err;
}

static mproc_err print_global(struct printer *p, const mproc_object *object)
{
    mproc_err err = puts_(p, "<");
    if (err == MPROC_OK)
        err = print_names(p, object, true);
    return err == MPROC_OK ? puts_(p, ">") : err;
}

static mproc_err print(struct printer *p, const mproc_object *object)
{
    switch (mproc__type(object)) {
    case MPROC_TYPE_NONE:
        return puts_(p, "None");
    case MPROC_TYPE_BOOL:
        return puts_(p, object == MPROC__TRUE ? "True" : "False");
    case MPROC_TYPE_INT:
        return mproc__int_print(object, p->text);
    case MPROC_TYPE_FLOAT:
        return print_float(p, mproc__float_value(object));
    case MPROC_TYPE_STR:
    case MPROC_TYPE_BYTES:
        return print_text(p, object, object->type == MPROC_TYPE_BYTES);
    case MPROC_TYPE_BYTEARRAY:
        return print_bytearray(p, object);
    case MPROC_TYPE_GLOBAL:
        return print_global(p, object);
    default:
        return print_container(p, object);
    }
}

mproc_err mproc__repr(const mproc_object *object, mproc_buffer *text, size_t limit)
{
    struct printer *p = malloc(sizeof *p); /* too large for small stacks */
    if (!p)
        return mproc__fail_memory("the text of an object");
    p->text = text;
    p->limit = limit;
    p->depth = 0;
    text->size = 0;
    mproc_err err = print(p, object);
    if (err == MPROC_OK)
        err = put(p, "", 1);
    text->size = err == MPROC_OK ? text->size - 1 : 0;
    free(p);
    return err;
}

mproc_err mproc_object_repr(const mproc_object *object, mproc_buffer *text)
{
    if (!object || !text)
        return mproc__fail(MPROC_EINVAL, "mproc_object_repr: object or text is NULL; None is mproc_none()");
    return mproc__repr(object, text, MAX_TEXT);
}
