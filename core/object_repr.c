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
    int exceptions; /* among the containers we are in */
    const mproc_object *path[MPROC__MAX_DEPTH]; /* these */
};

static mproc_err print(struct printer *printer, const mproc_object *object);

static mproc_err put(struct printer *printer, const char *text, size_t size)
{
    if (printer->text->size + size > printer->limit)
        return mproc__fail(MPROC_EMSGSIZE, "The text of the object is longer than %zu bytes", printer->limit);
    return mproc__buffer_append(printer->text, text, size) ? MPROC_OK : mproc__fail_memory("the text of an object");
}

static mproc_err put_string(struct printer *printer, const char *text)
{
    return put(printer, text, strlen(text));
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

static mproc_err print_float(struct printer *printer, double value)
{
    if (isnan(value))
        return put_string(printer, "nan");
    if (isinf(value))
        return put_string(printer, value < 0 ? "-inf" : "inf");
    char digits[FLOAT_DIGITS + 1], out[64];
    size_t size = 0;
    if (signbit(value))
        out[size++] = '-';
    if (value == 0)
        return memcpy(out + size, "0.0", 3), put(printer, out, size + 3);
    int exponent, count = shortest(fabs(value), digits, &exponent);
    if (exponent > 16 || exponent < -3) {
        out[size++] = digits[0];
        if (count > 1)
            out[size++] = '.';
        memcpy(out + size, digits + 1, (size_t) count - 1);
        size += (size_t) count - 1;
        size += (size_t) snprintf(out + size, sizeof out - size, "e%+03d", exponent - 1);
        return put(printer, out, size);
    }
    int from = exponent < 1 ? exponent - 1 : 0, to = count > exponent + 1 ? count : exponent + 1;
    for (int i = from; i < to; i++) {
        out[size++] = i < 0 || i >= count ? '0' : digits[i];
        if (i == (exponent < 1 ? from : exponent - 1))
            out[size++] = '.';
    }
    return put(printer, out, size);
}

/* ---- text ---- */

/* What is not printable: controls, formats, surrogates, private use, separators, and what Unicode will never or did
 * not yet assign, as far as that is easily said. */
static const unsigned ranges[][2] = {
    { 0x7f, 0xa0 },       { 0xad, 0xad },       { 0x600, 0x605 },     { 0x61c, 0x61c },     { 0x6dd, 0x6dd },
    { 0x70f, 0x70f },     { 0x890, 0x891 },     { 0x8e2, 0x8e2 },     { 0x1680, 0x1680 },   { 0x180e, 0x180e },
    { 0x2000, 0x200f },   { 0x2028, 0x202f },   { 0x205f, 0x206f },   { 0x3000, 0x3000 },   { 0xd800, 0xf8ff },
    { 0xfdd0, 0xfdef },   { 0xfeff, 0xfeff },   { 0xfff0, 0xfffb },   { 0xfffe, 0xffff },   { 0x110bd, 0x110bd },
    { 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0x1fffe, 0x1ffff },
    { 0x2fffe, 0x2ffff }, { 0x3fffe, 0xe00ff }, { 0xe01f0, 0x10ffff },
};

static bool is_printable(unsigned code)
{
    if (code < 0x7f)
        return code >= 0x20;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return false;
    return true;
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

/* `quote` may be NUL. */
static int escape(char out[16], unsigned code, char quote)
{
    if (code == '\\' || (quote && code == (unsigned char) quote))
        return snprintf(out, 16, "\\%c", (int) code);
    if (code == '\n' || code == '\r' || code == '\t')
        return snprintf(out, 16, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
    return snprintf(out, 16, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
}

const char *mproc__printable(const mproc_object *str, char *out, size_t room)
{
    const char *text = mproc__text(str);
    size_t used = 0, step;
    for (size_t i = 0; i < mproc__text_size(str); i += step) {
        char escaped[16];
        unsigned code;
        step = decode(text + i, &code);
        bool plain = is_printable(code) && code != '\\';
        size_t size = plain ? step : (size_t) escape(escaped, code, '\0');
        if (used + size >= room)
            break;
        memcpy(out + used, plain ? text + i : escaped, size);
        used += size;
    }
    out[used] = '\0';
    return out;
}

/* Characters and bytes, those that do not print or are `quote` escaped. */
static mproc_err print_characters(struct printer *printer, const mproc_object *object, char quote)
{
    const char *text = mproc__text(object);
    size_t size = mproc__text_size(object), plain = 0;
    bool bytes = object->type != MPROC_TYPE_STR;
    mproc_err err = MPROC_OK;
    for (size_t i = 0; i < size && err == MPROC_OK;) {
        char out[16];
        unsigned code = (unsigned char) text[i];
        size_t step = bytes ? 1 : decode(text + i, &code);
        bool as_it_is = code != '\\' && code != (unsigned char) quote && (!bytes || code < 0x7f) && is_printable(code);
        if (as_it_is) {
            plain += step;
        } else {
            err = put(printer, text + i - plain, plain);
            plain = 0;
            if (err == MPROC_OK)
                err = put(printer, out, (size_t) escape(out, code, quote));
        }
        i += step;
    }
    return err == MPROC_OK ? put(printer, text + size - plain, plain) : err;
}

/* A str, bytes or bytearray in quotes; for Python's reasons a bytearray's ' is escaped also within ". */
static mproc_err print_text(struct printer *printer, const mproc_object *object)
{
    const char *text = mproc__text(object);
    size_t size = mproc__text_size(object);
    char quote = memchr(text, '\'', size) && !memchr(text, '"', size) ? '"' : '\'';
    mproc_err err = object->type == MPROC_TYPE_STR ? MPROC_OK : put_string(printer, "b");
    if (err == MPROC_OK)
        err = put(printer, &quote, 1);
    if (err == MPROC_OK)
        err = print_characters(printer, object, object->type == MPROC_TYPE_BYTEARRAY ? '\'' : quote);
    return err == MPROC_OK ? put(printer, &quote, 1) : err;
}

static mproc_err print_bytearray(struct printer *printer, const mproc_object *object)
{
    mproc_err err = put_string(printer, "bytearray(");
    if (err == MPROC_OK)
        err = print_text(printer, object);
    return err == MPROC_OK ? put_string(printer, ")") : err;
}

/* ---- containers ---- */

static mproc_err print_items(struct printer *printer, struct mproc__parts parts, unsigned width)
{
    mproc_err err = MPROC_OK;
    bool first = true;
    for (size_t i = 0; i < parts.count && err == MPROC_OK; i += width) {
        if (!parts.items[i])
            continue;
        err = first ? MPROC_OK : put_string(printer, ", ");
        first = false;
        if (err == MPROC_OK)
            err = print(printer, parts.items[i]);
        if (err == MPROC_OK && width == 2)
            err = put_string(printer, ": ");
        if (err == MPROC_OK && width == 2)
            err = print(printer, parts.items[i + 1]);
    }
    return err;
}

static mproc_err print_names(struct printer *printer, const mproc_object *object, bool with_module)
{
    mproc_object *const *names = ((const struct mproc__global *) object)->names;
    mproc_err err = with_module ? print_characters(printer, names[0], '\0') : MPROC_OK;
    if (err == MPROC_OK && with_module)
        err = put_string(printer, ".");
    return err == MPROC_OK ? print_characters(printer, names[1], '\0') : err;
}

/* How many arguments Python keeps as args: an OSError takes the names of files out. */
static size_t args_kept(const struct mproc__known *known, struct mproc__parts args)
{
    bool file = known->kind == MPROC__KNOWN_OS_ERROR && args.count >= 3 && args.count <= 5 &&
                args.items[2] != MPROC__NONE;
    if (!file)
        return args.count;
    mproc_type third = mproc__type(args.items[2]);
    bool number = third == MPROC_TYPE_BOOL || third == MPROC_TYPE_INT || third == MPROC_TYPE_FLOAT;
    return number && strcmp(known->name, "BlockingIOError") == 0 ? args.count : 2;
}

/* KeyError('k') */
static mproc_err print_exception(struct printer *printer, const mproc_object *object)
{
    mproc_object *const *parts = ((const struct mproc__instance *) object)->parts;
    struct mproc__parts args = mproc__parts(parts[PART_ARGS]);
    size_t kept = args_kept(((const struct mproc__global *) parts[PART_CALLABLE])->known, args);
    mproc_err err = print_names(printer, parts[PART_CALLABLE], false);
    if (err == MPROC_OK && kept == args.count && kept != 1)
        return print(printer, parts[PART_ARGS]);
    args.count = kept;
    if (err == MPROC_OK)
        err = put_string(printer, "(");
    if (err == MPROC_OK)
        err = print_items(printer, args, 1);
    return err == MPROC_OK ? put_string(printer, ")") : err;
}

/* <datetime.date(b'...')> */
static mproc_err print_instance(struct printer *printer, const mproc_object *object)
{
    mproc_object *const *parts = ((const struct mproc__instance *) object)->parts;
    mproc_err err = put_string(printer, "<");
    if (err == MPROC_OK)
        err = parts[PART_CALLABLE]->type == MPROC_TYPE_GLOBAL ? print_names(printer, parts[PART_CALLABLE], true)
                                                              : print(printer, parts[PART_CALLABLE]);
    if (err == MPROC_OK)
        err = put_string(printer, "(");
    if (err == MPROC_OK)
        err = print_items(printer, mproc__parts(parts[PART_ARGS]), 1);
    return err == MPROC_OK ? put_string(printer, ")>") : err;
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

/* Python does not ask that of exceptions; but the containers that lead back to one are not printed again. */
static bool is_inside_itself(const struct printer *printer, const mproc_object *object)
{
    if (printer->depth == 0 || object->type == MPROC_TYPE_EXCEPTION)
        return false;
    /* a way back leads to the first one, or to one that is shared, or to an exception */
    if (!mproc__has(object, MPROC__SHARED) && object != printer->path[0] && printer->exceptions == 0)
        return false;
    for (int i = 0; i < printer->depth; i++)
        if (printer->path[i] == object)
            return true;
    return false;
}

static mproc_err print_parts(struct printer *printer, const mproc_object *object)
{
    struct brackets brackets = brackets_of(object);
    if (object->type == MPROC_TYPE_EXCEPTION)
        return print_exception(printer, object);
    if (object->type == MPROC_TYPE_INSTANCE)
        return print_instance(printer, object);
    mproc_err err = put_string(printer, brackets.open);
    if (err == MPROC_OK)
        err = print_items(printer, mproc__parts((mproc_object *) (uintptr_t) object), mproc__slots_per_entry(object));
    return err == MPROC_OK ? put_string(printer, brackets.close) : err;
}

static mproc_err print_container(struct printer *printer, const mproc_object *object)
{
    bool recipe = object->type >= MPROC_TYPE_EXCEPTION;
    if (is_inside_itself(printer, object))
        return put_string(printer, brackets_of(object).inside_itself);
    if (!recipe && object->lower == 0)
        return put_string(printer, brackets_of(object).empty);
    if (printer->depth == MPROC__MAX_DEPTH)
        return mproc__fail(MPROC_EINVAL, "Objects nested deeper than %d cannot be printed", MPROC__MAX_DEPTH);
    int exception = object->type == MPROC_TYPE_EXCEPTION;
    printer->path[printer->depth++] = object;
    printer->exceptions += exception;
    mproc_err err = print_parts(printer, object);
    printer->exceptions -= exception;
    printer->depth--;
    return err;
}

static mproc_err print_global(struct printer *printer, const mproc_object *object)
{
    mproc_err err = put_string(printer, "<");
    if (err == MPROC_OK)
        err = print_names(printer, object, true);
    return err == MPROC_OK ? put_string(printer, ">") : err;
}

static mproc_err print(struct printer *printer, const mproc_object *object)
{
    switch (mproc__type(object)) {
    case MPROC_TYPE_NONE:
        return put_string(printer, "None");
    case MPROC_TYPE_BOOL:
        return put_string(printer, object == MPROC__TRUE ? "True" : "False");
    case MPROC_TYPE_INT:
        return mproc__int_print(object, printer->text);
    case MPROC_TYPE_FLOAT:
        return print_float(printer, mproc__float_value(object));
    case MPROC_TYPE_STR:
    case MPROC_TYPE_BYTES:
        return print_text(printer, object);
    case MPROC_TYPE_BYTEARRAY:
        return print_bytearray(printer, object);
    case MPROC_TYPE_GLOBAL:
        return print_global(printer, object);
    default:
        return print_container(printer, object);
    }
}

mproc_err mproc__repr(const mproc_object *object, mproc_buffer *text, size_t limit)
{
    struct printer *printer = malloc(sizeof *printer); /* too large for small stacks */
    if (!printer)
        return mproc__fail_memory("the text of an object");
    printer->text = text;
    printer->limit = limit;
    printer->depth = printer->exceptions = 0;
    text->size = 0;
    mproc_err err = print(printer, object);
    if (err == MPROC_OK)
        err = put(printer, "", 1);
    text->size = err == MPROC_OK ? text->size - 1 : 0;
    free(printer);
    return err;
}

mproc_err mproc_object_repr(const mproc_object *object, mproc_buffer *text)
{
    if (!object || !text)
        return mproc__fail(MPROC_EINVAL, "mproc_object_repr: object or text is NULL; None is mproc_none()");
    return mproc__repr(object, text, MAX_TEXT);
}
