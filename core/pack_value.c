/* SPDX-License-Identifier: MIT */
/* Formats: holes, texts and numbers. */
#include "pack.h"

#include "error.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

/* ---- holes ---- */

/* The size of the C type that hh, h, l, ll, j, z or t stands for; 0 for none of them. */
static size_t read_length(struct mproc__packer *packer, bool *is_long)
{
    char letter = *packer->next;
    bool twice = (letter == 'h' || letter == 'l') && packer->next[1] == letter;
    size_t size = 0;
    switch (letter) {
    case 'h':
        size = twice ? sizeof(char) : sizeof(short);
        break;
    case 'l':
        size = twice ? sizeof(long long) : sizeof(long);
        break;
    case 'j':
        size = sizeof(intmax_t);
        break;
    case 'z':
        size = sizeof(size_t);
        break;
    case 't':
        size = sizeof(ptrdiff_t);
        break;
    default:
        break;
    }
    packer->next += (size > 0) + twice;
    *is_long = letter == 'l' && !twice;
    return size;
}

/* The letter at the end of a hole. */
static mproc_err read_conversion(struct mproc__packer *packer, struct mproc__hole *hole, bool is_long)
{
    bool packing = packer->values != NULL;
    bool plain = !hole->bytes && !hole->sized && !hole->borrowed && hole->width == 0;
    char letter = *packer->next;
    if (plain && (letter == 'd' || letter == 'i')) {
        hole->kind = MPROC__HOLE_INT;
        hole->size = hole->size ? hole->size : sizeof(int);
    } else if (plain && (letter == 'u' || letter == 'x' || letter == 'X')) {
        hole->kind = MPROC__HOLE_UNSIGNED;
        hole->size = hole->size ? hole->size : sizeof(int);
    } else if (plain && letter && strchr("fFeEgG", letter) && (hole->size == 0 || is_long)) {
        hole->kind = MPROC__HOLE_FLOAT;
        hole->size = is_long || packing ? sizeof(double) : sizeof(float);
    } else if (letter == 's' && hole->size == 0) {
        hole->kind = MPROC__HOLE_TEXT;
        if (!packing && !hole->borrowed && hole->width == 0)
            return mproc__packer_fail(packer, "%s needs the room there is, as in %31s, or is %ms");
    } else if (letter == 'p' && plain && hole->size == 0) {
        hole->kind = MPROC__HOLE_OBJECT;
    } else {
        return mproc__packer_fail(packer, "there is no such hole");
    }
    packer->next++;
    return MPROC_OK;
}

static mproc_err read_hole(struct mproc__packer *packer, struct mproc__hole *hole)
{
    bool packing = packer->values != NULL, is_long;
    if (packing && packer->next[0] == '.' && packer->next[1] == '*') {
        hole->sized = true;
        packer->next += 2;
    }
    for (; !packing && *packer->next >= '0' && *packer->next <= '9' && hole->width < 100000000; packer->next++)
        hole->width = hole->width * 10 + (size_t) (*packer->next - '0');
    if (!packing && *packer->next == 'm') {
        hole->borrowed = true;
        packer->next++;
    }
    hole->size = read_length(packer, &is_long);
    return read_conversion(packer, hole, is_long);
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

static mproc_err fill_text(struct mproc__packer *packer, const struct mproc__hole *hole)
{
    int given = hole->sized ? va_arg(*packer->values, int) : -1;
    const char *text = va_arg(*packer->values, const char *);
    if (!text && given != 0)
        return mproc__packer_fail(packer, "the text is NULL");
    if (hole->sized && given < 0)
        return mproc__packer_fail(packer, "the size of a text is negative");
    size_t size = hole->sized ? (size_t) given : strlen(text);
    if (!hole->bytes && !mproc__utf8_valid(text, size))
        return mproc__packer_fail(packer, "the text is not UTF-8; b%s would make bytes of it");
    mproc_type type = hole->bytes ? MPROC_TYPE_BYTES : MPROC_TYPE_STR;
    return mproc__packer_push(packer, mproc__make_text(packer->zone, type, text, size, MPROC__HELD));
}

static mproc_err fill(struct mproc__packer *packer, const struct mproc__hole *hole)
{
    va_list *values = packer->values;
    mproc_object *object;
    switch (hole->kind) {
    case MPROC__HOLE_INT:
        object = mproc__make_int(packer->zone, next_int(values, hole->size), MPROC__HELD);
        break;
    case MPROC__HOLE_UNSIGNED:
        object = mproc__make_unsigned(packer->zone, next_unsigned(values, hole->size), MPROC__HELD);
        break;
    case MPROC__HOLE_FLOAT:
        object = mproc__make_float(packer->zone, va_arg(*values, double), MPROC__HELD);
        break;
    case MPROC__HOLE_TEXT:
        return fill_text(packer, hole);
    default:
        object = va_arg(*values, mproc_object *);
        if (!object)
            return mproc__packer_fail(packer, "the object is NULL; give mproc_none() for None");
        break;
    }
    return mproc__packer_push(packer, object);
}

mproc_err mproc__pack_hole(struct mproc__packer *packer, bool bytes)
{
    struct mproc__hole hole = { .bytes = bytes };
    mproc_err err = read_hole(packer, &hole);
    if (err != MPROC_OK || packer->values)
        return err == MPROC_OK ? fill(packer, &hole) : err;
    mproc_object *made = mproc__make(packer->zone, (mproc_type) MPROC__TYPE_HOLE, sizeof hole, 0);
    if (!made)
        return mproc__fail_memory("a hole of the format");
    struct mproc__hole *kept = (struct mproc__hole *) made;
    hole.object.zone = made->zone;
    hole.object.type = made->type;
    *kept = hole;
    *packer->holes = kept;
    packer->holes = &kept->next;
    return mproc__packer_push(packer, made);
}

/* ---- texts ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape behind its backslash, -1 for none. */
static int read_escape(struct mproc__packer *packer)
{
    static const char names[] = "\\\\''\"\"n\nt\tr\r0";
    char c = *packer->next++;
    for (size_t i = 0; c && i + 1 < sizeof names; i += 2)
        if (names[i] == c)
            return (unsigned char) names[i + 1];
    int high = c == 'x' ? digit_of(packer->next[0]) : -1, low = high >= 0 ? digit_of(packer->next[1]) : -1;
    if (low < 0)
        return -1;
    packer->next += 2;
    return high * 16 + low;
}

/* The characters of a text, up to its quote; there is room. */
static mproc_err read_characters(struct mproc__packer *packer, bool bytes, char quote, char *text, size_t *size)
{
    char *to = text;
    while (*packer->next && *packer->next != quote) {
        int c = (unsigned char) *packer->next++;
        bool escaped = c == '\\';
        if (escaped)
            c = read_escape(packer);
        if (c < 0)
            return mproc__packer_fail(packer, "there is no such escape");
        if (c == '%' && !escaped && *packer->next++ != '%') /* the compiler takes it for a hole */
            return mproc__packer_fail(packer, "a percent sign in a text is written %%, and a hole without quotes");
        if (escaped && !bytes && c >= 0x80) { /* a code point */
            *to++ = (char) (0xc0 | c >> 6);
            *to++ = (char) (0x80 | (c & 0x3f));
        } else {
            *to++ = (char) c;
        }
    }
    *size = (size_t) (to - text);
    return *packer->next == quote ? MPROC_OK : mproc__packer_fail(packer, "a text does not end");
}

mproc_err mproc__pack_text(struct mproc__packer *packer, bool bytes)
{
    char quote = *packer->next++;
    size_t room = 0, size = 0;
    for (const char *at = packer->next; *at && *at != quote; at++, room++)
        at += *at == '\\' && at[1];
    mproc_type type = bytes ? MPROC_TYPE_BYTES : MPROC_TYPE_STR;
    char local[64], *text = 2 * room <= sizeof local ? local : malloc(2 * room);
    if (!text)
        return mproc__fail_memory("a text of the format");
    mproc_err err = read_characters(packer, bytes, quote, text, &size);
    if (err == MPROC_OK) {
        packer->next++;
        if (!bytes && !mproc__utf8_valid(text, size))
            err = mproc__packer_fail(packer, "a text is not UTF-8");
    }
    if (err == MPROC_OK)
        err = mproc__packer_push(packer, mproc__make_text(packer->zone, type, text, size, MPROC__HELD));
    if (text != local)
        free(text);
    return err;
}

/* ---- numbers ---- */

/* strtod() wants the locale's point. */
static bool parse_float(const char *start, size_t size, double *value)
{
    char text[96], *end;
    const char *point = localeconv()->decimal_point, *dot = memchr(start, '.', size);
    size_t before = dot ? (size_t) (dot - start) : size, point_size = dot ? strlen(point) : 0;
    if (size + point_size >= sizeof text)
        return false;
    memcpy(text, start, before);
    memcpy(text + before, point, point_size);
    if (dot)
        memcpy(text + before + point_size, dot + 1, size - before - 1);
    text[size + point_size - (dot != NULL)] = '\0';
    *value = strtod(text, &end);
    return !*end && end != text;
}

/* The characters of a number, and whether it is a float. */
static size_t number_size(const char *start, bool *real)
{
    bool hexadecimal = false;
    size_t size = 0;
    for (;; size++) {
        char c = start[size], before = size > 0 ? start[size - 1] : '\0';
        hexadecimal = hexadecimal || ((c == 'x' || c == 'X') && before == '0');
        bool sign = (c == '-' || c == '+') && (size == 0 || (!hexadecimal && (before == 'e' || before == 'E')));
        bool point = !hexadecimal && (c == '.' || c == 'e' || c == 'E');
        bool digit = hexadecimal ? digit_of(c) >= 0 || c == 'x' || c == 'X' : c >= '0' && c <= '9';
        if (!sign && !point && !digit)
            return size;
        *real = *real || point;
    }
}

mproc_err mproc__pack_number(struct mproc__packer *packer)
{
    const char *start = packer->next;
    bool real = false;
    size_t size = number_size(start, &real);
    double value = INFINITY;
    mproc_object *object = NULL;
    if (size == 1 && strncmp(start + 1, "inf", 3) == 0) {
        packer->next += 4;
        return mproc__packer_push(packer, mproc__make_float(packer->zone, *start == '-' ? -value : value, MPROC__HELD));
    }
    if (real) {
        if (!parse_float(start, size, &value))
            return mproc__packer_fail(packer, "this is no number, or a float with too many digits");
        packer->next += size;
        return mproc__packer_push(packer, mproc__make_float(packer->zone, value, MPROC__HELD));
    }
    mproc_err err = mproc__int_parse(packer->zone, start, size, 0, MPROC__HELD, &object);
    if (err == MPROC_EINVAL)
        return mproc__packer_fail(packer, "this is no number, or an int with too many digits");
    if (err != MPROC_OK)
        return err;
    packer->next += size;
    return mproc__packer_push(packer, object);
}
