/* SPDX-License-Identifier: MIT */
/* Ints of any size. A large one is the shortest two's complement, little-endian, as pickles have it. */
#include "object.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* Python's limit for decimal text, whose conversion takes time by the square. */
enum { MAX_DIGITS = 4300, MOST_DECIMAL_BYTES = 1786 };

size_t mproc__int_shorten(const unsigned char *data, size_t size)
{
    while (size > 0) {
        unsigned char top = data[size - 1], below = size > 1 ? data[size - 2] : 0;
        if (top == 0 ? below >> 7 : top != 0xff || size == 1 || !(below >> 7))
            break;
        size--;
    }
    return size;
}

static bool is_int(const mproc_object *object)
{
    mproc_type type = object ? mproc__type(object) : MPROC_TYPE_NONE;
    return type == MPROC_TYPE_INT || type == MPROC_TYPE_BOOL;
}

static void put_word(unsigned char bytes[8], uint64_t word)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char) (word >> 8 * i);
}

/* Of at most 8 bytes. */
static uint64_t word_of(const unsigned char *bytes, size_t size)
{
    uint64_t word = size > 0 && bytes[size - 1] >> 7 ? UINT64_MAX : 0;
    while (size-- > 0)
        word = word << 8 | bytes[size];
    return word;
}

const unsigned char *mproc__int_bytes(const mproc_object *object, unsigned char room[8], size_t *size)
{
    if (mproc__is_heap(object)) {
        *size = mproc__text_size(object);
        return (const unsigned char *) mproc__text(object);
    }
    put_word(room, mproc__is_small(object) ? (uint64_t) mproc__small_value(object) : object == MPROC__TRUE);
    *size = mproc__int_shorten(room, 8);
    return room;
}

/* ---- making ---- */

mproc_object *mproc__make_int_bytes(struct mproc__zone *zone, const unsigned char *data, size_t size,
                                    unsigned flags)
{
    size = mproc__int_shorten(data, size);
    if (size <= 8) {
        int64_t value = (int64_t) word_of(data, size);
        if (mproc__fits_small(value))
            return mproc__small(value);
    }
    return mproc__make_text(zone, MPROC_TYPE_INT, data, size, flags);
}

mproc_object *mproc__make_int(struct mproc__zone *zone, int64_t value, unsigned flags)
{
    unsigned char bytes[8];
    if (mproc__fits_small(value))
        return mproc__small(value);
    put_word(bytes, (uint64_t) value);
    return mproc__make_int_bytes(zone, bytes, 8, flags);
}

mproc_object *mproc__make_unsigned(struct mproc__zone *zone, uint64_t value, unsigned flags)
{
    unsigned char bytes[9] = { 0 };
    put_word(bytes, value);
    return mproc__make_int_bytes(zone, bytes, 9, flags);
}

static mproc_err deliver(mproc_object **object, mproc_object *made)
{
    if (!made)
        return mproc__fail_memory("an int");
    *object = made;
    return MPROC_OK;
}

mproc_err mproc_int_create(mproc_object **object, int64_t value)
{
    if (!object)
        return mproc__fail(MPROC_EINVAL, "mproc_int_create: object is NULL; say where to put it");
    return deliver(object, mproc__make_int(NULL, value, 0));
}

mproc_err mproc_int_create_unsigned(mproc_object **object, uint64_t value)
{
    if (!object)
        return mproc__fail(MPROC_EINVAL, "mproc_int_create_unsigned: object is NULL; say where to put it");
    return deliver(object, mproc__make_unsigned(NULL, value, 0));
}

mproc_err mproc_int_create_bytes(mproc_object **object, const void *data, size_t size)
{
    if (!object || (!data && size > 0))
        return mproc__fail(MPROC_EINVAL, "mproc_int_create_bytes: object or data is NULL");
    return deliver(object, mproc__make_int_bytes(NULL, data, size, 0));
}

/* ---- from text ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

static void parse_hexadecimal(const char *digits, size_t count, unsigned char *bytes)
{
    for (size_t i = 0; i < count; i++) {
        int digit = digit_of(digits[count - 1 - i]);
        bytes[i / 2] |= (unsigned char) (i % 2 ? digit << 4 : digit);
    }
}

/* Nine digits at a time: a word of them. At most MAX_DIGITS. */
static void parse_decimal(const char *digits, size_t count, unsigned char *bytes)
{
    uint32_t words[MAX_DIGITS / 9 + 1];
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        uint64_t carry = 0, scale = 1;
        do {
            carry = carry * 10 + (unsigned) digit_of(digits[i++]);
            scale *= 10;
        } while ((count - i) % 9 != 0);
        for (size_t w = 0; w < used; w++) {
            carry += words[w] * scale;
            words[w] = (uint32_t) carry;
            carry >>= 32;
        }
        if (carry)
            words[used++] = (uint32_t) carry;
    }
    for (size_t i = 0; i < 4 * used; i++)
        bytes[i] = (unsigned char) (words[i / 4] >> 8 * (i % 4));
}

static void negate(unsigned char *bytes, size_t size)
{
    unsigned carry = 1;
    for (size_t i = 0; i < size; i++) {
        carry += (unsigned char) ~bytes[i];
        bytes[i] = (unsigned char) carry;
        carry >>= 8;
    }
}

static bool are_digits(const char *text, size_t size, int base)
{
    for (size_t i = 0; i < size; i++)
        if (digit_of(text[i]) >= base)
            return false;
    return size > 0;
}

mproc_err mproc__int_parse(struct mproc__zone *zone, const char *text, size_t size, int base, unsigned flags,
                           mproc_object **object)
{
    const char *whole = text;
    int whole_size = (int) (size < 80 ? size : 80);
    bool negative = size > 0 && text[0] == '-';
    if (size > 0 && (negative || text[0] == '+')) {
        text++;
        size--;
    }
    bool prefixed = size > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (base == 0)
        base = prefixed ? 16 : 10;
    if (base == 16 && prefixed) {
        text += 2;
        size -= 2;
    }
    if (!are_digits(text, size, base))
        return mproc__fail(MPROC_EINVAL, "'%.*s' is no int in base %d", whole_size, whole, base);
    if (base == 10 && size > MAX_DIGITS)
        return mproc__fail(MPROC_EINVAL, "An int can have %d decimal digits, not %zu; hexadecimal has no limit",
                           MAX_DIGITS, size);
    size_t room = size / 2 + 8; /* enough for either base, whole words, and a sign */
    unsigned char *bytes = calloc(room, 1);
    if (!bytes)
        return mproc__fail_memory("an int");
    (base == 16 ? parse_hexadecimal : parse_decimal)(text, size, bytes);
    if (negative)
        negate(bytes, room);
    mproc_object *made = mproc__make_int_bytes(zone, bytes, room, flags);
    free(bytes);
    return deliver(object, made);
}

mproc_err mproc_int_create_text(mproc_object **object, const char *text, int base)
{
    if (!object || !text)
        return mproc__fail(MPROC_EINVAL, "mproc_int_create_text: object or text is NULL");
    if (base != 0 && base != 10 && base != 16)
        return mproc__fail(MPROC_EINVAL, "The base of an int is 10, 16 or 0, not %d", base);
    return mproc__int_parse(NULL, text, strlen(text), base, 0, object);
}

/* ---- to C ---- */

bool mproc__int_to_int64(const mproc_object *object, int64_t *value)
{
    unsigned char room[8];
    size_t size;
    const unsigned char *bytes = mproc__int_bytes(object, room, &size);
    if (size > 8)
        return false;
    *value = (int64_t) word_of(bytes, size);
    return true;
}

bool mproc__int_to_uint64(const mproc_object *object, uint64_t *value)
{
    unsigned char room[8];
    size_t size;
    const unsigned char *bytes = mproc__int_bytes(object, room, &size);
    if (size > 9 || (size > 0 && bytes[size - 1] >> 7) || (size == 9 && bytes[8] != 0))
        return false;
    *value = word_of(bytes, size < 8 ? size : 8);
    return true;
}

static mproc_err fail_range(const char *type)
{
    return mproc__fail(MPROC_ETYPE, "The int does not fit into %s", type);
}

mproc_err mproc_int_get(const mproc_object *object, int64_t *value)
{
    if (!value)
        return mproc__fail(MPROC_EINVAL, "mproc_int_get: value is NULL; say where to put it");
    if (!is_int(object))
        return mproc__fail_type(object, "int");
    return mproc__int_to_int64(object, value) ? MPROC_OK : fail_range("int64_t");
}

mproc_err mproc_int_get_unsigned(const mproc_object *object, uint64_t *value)
{
    if (!value)
        return mproc__fail(MPROC_EINVAL, "mproc_int_get_unsigned: value is NULL; say where to put it");
    if (!is_int(object))
        return mproc__fail_type(object, "int");
    return mproc__int_to_uint64(object, value) ? MPROC_OK : fail_range("uint64_t");
}

mproc_err mproc_int_get_bytes(const mproc_object *object, void *data, size_t capacity, size_t *size)
{
    if (!size || (!data && capacity > 0))
        return mproc__fail(MPROC_EINVAL, "mproc_int_get_bytes: data or size is NULL");
    if (!is_int(object))
        return mproc__fail_type(object, "int");
    unsigned char room[8];
    const unsigned char *bytes = mproc__int_bytes(object, room, size);
    if (*size > capacity)
        return mproc__fail(MPROC_EMSGSIZE, "The int takes %zu bytes, there is room for %zu", *size, capacity);
    if (*size > 0)
        memcpy(data, bytes, *size);
    return MPROC_OK;
}

/* Of the positive number in bytes, rounded to even: the upper 64 bits, the lowest of them standing for
 * all that is below, are converted by the compiler. */
static double magnitude_to_double(const unsigned char *bytes, size_t size)
{
    while (size > 0 && bytes[size - 1] == 0)
        size--;
    uint64_t upper = 0;
    size_t below = size > 8 ? size - 8 : 0;
    for (size_t i = size; i > below; i--)
        upper = upper << 8 | bytes[i - 1];
    if (below == 0)
        return (double) upper;
    int shift = 0;
    while (!(upper >> 63)) {
        upper <<= 1;
        shift++;
    }
    upper |= shift ? bytes[below - 1] >> (8 - shift) : 0;
    bool sticky = shift && (unsigned char) (bytes[below - 1] << shift) != 0;
    sticky = sticky || (!shift && bytes[below - 1] != 0);
    for (size_t i = 0; !sticky && i + 1 < below; i++)
        sticky = bytes[i] != 0;
    upper |= sticky;
    return below > 1000 ? INFINITY : ldexp((double) upper, (int) (8 * below) - shift);
}

mproc_err mproc__int_to_double(const mproc_object *object, double *value)
{
    unsigned char room[8];
    size_t size;
    const unsigned char *bytes = mproc__int_bytes(object, room, &size);
    double made;
    if (size <= 8) {
        made = (double) (int64_t) word_of(bytes, size);
    } else if (bytes[size - 1] >> 7) {
        unsigned char *positive = malloc(size + 1);
        if (!positive)
            return mproc__fail_memory("a float");
        memcpy(positive, bytes, size);
        positive[size] = 0xff;
        negate(positive, size + 1);
        made = -magnitude_to_double(positive, size + 1);
        free(positive);
    } else {
        made = magnitude_to_double(bytes, size);
    }
    if (isinf(made))
        return fail_range("a float");
    *value = made;
    return MPROC_OK;
}

bool mproc__float_int(double value, unsigned char bytes[MPROC__FLOAT_BYTES], size_t *size)
{
    if (!isfinite(value) || value != floor(value))
        return false;
    int exponent;
    double fraction = frexp(fabs(value), &exponent); /* 0.5 to 1, or 0 */
    uint64_t mantissa = (uint64_t) ldexp(fraction, 53);
    int shift = exponent - 53;
    memset(bytes, 0, MPROC__FLOAT_BYTES);
    if (shift < 0) { /* an integer: what is shifted out is 0 */
        mantissa = shift > -64 ? mantissa >> -shift : 0;
        shift = 0;
    }
    size_t first = (size_t) shift / 8;
    for (size_t i = 0; i < 8; i++) {
        unsigned piece = (unsigned) (mantissa >> 8 * i & 0xff) << shift % 8;
        bytes[first + i] |= (unsigned char) piece;
        bytes[first + i + 1] |= (unsigned char) (piece >> 8);
    }
    if (value < 0)
        negate(bytes, MPROC__FLOAT_BYTES);
    *size = mproc__int_shorten(bytes, MPROC__FLOAT_BYTES);
    return true;
}

/* ---- to text ---- */

static bool print_hexadecimal(const unsigned char *bytes, size_t size, mproc_buffer *text)
{
    static const char digits[] = "0123456789abcdef";
    char *out = mproc__buffer_extend(text, 2 + 2 * size);
    if (!out)
        return false;
    out[0] = '0';
    out[1] = 'x';
    size_t count = 2;
    for (size_t i = 2 * size; i-- > 0;) {
        unsigned digit = bytes[i / 2] >> (i % 2 ? 4 : 0) & 15;
        if (digit || count > 2)
            out[count++] = digits[digit];
    }
    text->size -= 2 + 2 * size - count;
    return true;
}

/* `words` are little-endian, and used up. False if there is no memory; *fits, if there are MAX_DIGITS at most. */
static bool print_decimal(uint32_t *words, size_t count, mproc_buffer *text, bool *fits)
{
    enum { PORTION = 1000000000 };
    char reversed[MAX_DIGITS + 20];
    size_t used = 0;
    while (count > 0) {
        uint64_t rest = 0;
        for (size_t i = count; i-- > 0;) {
            rest = rest << 32 | words[i];
            words[i] = (uint32_t) (rest / PORTION);
            rest %= PORTION;
        }
        while (count > 0 && words[count - 1] == 0)
            count--;
        for (int i = 0; i < 9 && (count > 0 || rest > 0 || used == 0); i++, rest /= 10)
            reversed[used++] = (char) ('0' + rest % 10);
    }
    *fits = used <= MAX_DIGITS;
    char *out = *fits ? mproc__buffer_extend(text, used) : NULL;
    for (size_t i = 0; out && i < used; i++)
        out[i] = reversed[used - 1 - i];
    return out != NULL || !*fits;
}

/* The bytes of the number without its sign; there is room for `room` of them. */
static void magnitude_of(const unsigned char *bytes, size_t size, bool negative, unsigned char *positive, size_t room)
{
    memset(positive, negative ? 0xff : 0, room);
    memcpy(positive, bytes, size);
    if (negative)
        negate(positive, room);
}

mproc_err mproc__int_print(const mproc_object *object, mproc_buffer *text)
{
    unsigned char word_bytes[8];
    size_t size;
    const unsigned char *bytes = mproc__int_bytes(object, word_bytes, &size);
    bool negative = size > 0 && bytes[size - 1] >> 7, decimal = false;
    size_t count = size / 4 + 1; /* one byte more than the int, at least: the sign fits */
    uint32_t *words = malloc(count * sizeof *words);
    if (!words)
        return mproc__fail_memory("the text of an int");
    unsigned char *positive = (unsigned char *) words;
    bool ok = !negative || mproc__buffer_append(text, "-", 1);
    magnitude_of(bytes, size, negative, positive, count * 4);
    if (ok && size <= MOST_DECIMAL_BYTES) {
        for (size_t i = 0; i < count; i++) {
            const unsigned char *b = positive + 4 * i;
            words[i] = (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;
        }
        ok = print_decimal(words, count, text, &decimal);
        magnitude_of(bytes, size, negative, positive, count * 4);
    }
    if (ok && !decimal)
        ok = print_hexadecimal(positive, count * 4, text);
    free(words);
    return ok ? MPROC_OK : mproc__fail_memory("the text of an int");
}
