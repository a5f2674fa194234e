/* SPDX-License-Identifier: MIT */
/* ShareableList, laid out as CPython does (all numbers native):
 *
 *   int64 length; int64 offsets[length + 1], from the beginning of the data, the last one its end;
 *   the data, in slots of multiples of 8 bytes; char formats[length][8]; int8 codes[length]. */
#include "mproc/shareable_list.h"

#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 8, MOST_TEXT = 9999991 /* what "%ds" of 8 characters can say, rounded down */ };
enum code { CODE_NUMBER, CODE_STR, CODE_BYTES, CODE_NONE };

struct mproc_shareable_list {
    mproc_shared_memory *memory;
    char *bytes;
    size_t length;
    size_t data;        /* where it begins */
    size_t formats, codes;
    int64_t offsets[];  /* copies: what others write into the segment cannot lead us out of it */
};

mproc_shareable mproc_shareable_none(void)
{
    return (mproc_shareable){ .kind = MPROC_SHAREABLE_NONE };
}

mproc_shareable mproc_shareable_bool(bool value)
{
    return (mproc_shareable){ .kind = MPROC_SHAREABLE_BOOL, .integer = value };
}

mproc_shareable mproc_shareable_int(int64_t value)
{
    return (mproc_shareable){ .kind = MPROC_SHAREABLE_INT, .integer = value };
}

mproc_shareable mproc_shareable_float(double value)
{
    return (mproc_shareable){ .kind = MPROC_SHAREABLE_FLOAT, .real = value };
}

mproc_shareable mproc_shareable_str(const char *text)
{
    return (mproc_shareable){ .kind = MPROC_SHAREABLE_STR, .data = text, .size = text ? strlen(text) : 0 };
}

mproc_shareable mproc_shareable_bytes(const void *bytes, size_t size)
{
    return (mproc_shareable){ .kind = MPROC_SHAREABLE_BYTES, .data = bytes, .size = size };
}

/* ---- values and slots ---- */

static bool is_text(const mproc_shareable *value)
{
    return value->kind == MPROC_SHAREABLE_STR || value->kind == MPROC_SHAREABLE_BYTES;
}

static mproc_err check_value(const mproc_shareable *value)
{
    if (value->kind < MPROC_SHAREABLE_NONE || value->kind > MPROC_SHAREABLE_BYTES)
        return mproc__fail(MPROC_EINVAL, "a value of kind %d: there is none", (int) value->kind);
    if (is_text(value) && value->size > 0 && !value->data)
        return mproc__fail(MPROC_EINVAL, "a str or bytes of %zu bytes whose data is NULL", value->size);
    if (is_text(value) && value->size > MOST_TEXT)
        return mproc__fail(MPROC_EINVAL, "a str or bytes of %zu bytes: %d is the most", value->size, MOST_TEXT);
    return MPROC_OK;
}

/* Python counts characters here, and cuts a text whose bytes do not fit then: for ASCII it is the same. */
static size_t slot_size(const mproc_shareable *value)
{
    return is_text(value) ? WORD * (value->size / WORD + 1) : WORD;
}

static enum code code_of(const mproc_shareable *value)
{
    return value->kind == MPROC_SHAREABLE_STR     ? CODE_STR
           : value->kind == MPROC_SHAREABLE_BYTES ? CODE_BYTES
           : value->kind == MPROC_SHAREABLE_NONE  ? CODE_NONE
                                                  : CODE_NUMBER;
}

static void format_of(const mproc_shareable *value, size_t room, char format[WORD])
{
    char text[24];
    switch (value->kind) {
    case MPROC_SHAREABLE_INT: snprintf(text, sizeof text, "q"); break;
    case MPROC_SHAREABLE_FLOAT: snprintf(text, sizeof text, "d"); break;
    case MPROC_SHAREABLE_BOOL: snprintf(text, sizeof text, "xxxxxxx?"); break;
    case MPROC_SHAREABLE_NONE: snprintf(text, sizeof text, "xxxxxx?x"); break;
    default: snprintf(text, sizeof text, "%lus", (unsigned long) room);
    }
    memset(format, 0, WORD);
    memcpy(format, text, strlen(text) < WORD ? strlen(text) : WORD);
}

/* Writes a value that fits into its slot. */
static void store(mproc_shareable_list *list, size_t index, const mproc_shareable *value)
{
    char *slot = list->bytes + list->data + list->offsets[index];
    size_t room = (size_t) (list->offsets[index + 1] - list->offsets[index]);
    char word[WORD] = { 0 };
    int64_t integer = value->integer;
    format_of(value, room, list->bytes + list->formats + index * WORD);
    list->bytes[list->codes + index] = (char) code_of(value);
    if (is_text(value)) {
        memset(slot + value->size, 0, room - value->size);
        if (value->size)
            memmove(slot, value->data, value->size);
        return;
    }
    if (value->kind == MPROC_SHAREABLE_INT)
        memcpy(word, &integer, sizeof integer);
    else if (value->kind == MPROC_SHAREABLE_FLOAT)
        memcpy(word, &value->real, sizeof value->real);
    else if (value->kind == MPROC_SHAREABLE_BOOL)
        word[WORD - 1] = integer != 0;
    memcpy(slot, word, WORD);
}

/* ---- creating and attaching ---- */

static mproc_shareable_list *allocate(mproc_shared_memory *memory, size_t length)
{
    mproc_shareable_list *list = malloc(sizeof *list + (length + 1) * sizeof list->offsets[0]);
    if (!list) {
        mproc__fail(MPROC_ENOMEM, "no memory for a list of %zu items", length);
        return NULL;
    }
    list->memory = memory;
    list->bytes = mproc_shared_memory_pointer(memory);
    list->length = length;
    list->data = WORD * (length + 2);
    return list;
}

static void set_parts(mproc_shareable_list *list)
{
    list->formats = list->data + (size_t) list->offsets[list->length];
    list->codes = list->formats + WORD * list->length;
}

/* The size of the segment for them; there are not so many values in any memory that it overflows 64 bits. */
static mproc_err size_for(const mproc_shareable *values, size_t count, size_t *size)
{
    if (!values && count > 0)
        return mproc__fail(MPROC_EINVAL, "%zu values, and their place is NULL", count);
    uint64_t whole = WORD * 2;
    for (size_t i = 0; i < count; i++) {
        mproc_err err = check_value(&values[i]);
        if (err != MPROC_OK)
            return err;
        whole += WORD + slot_size(&values[i]) + WORD + 1;
    }
    if (whole > SIZE_MAX)
        return mproc__fail(MPROC_ENOMEM, "a list of %zu items fits into no memory", count);
    *size = (size_t) whole;
    return MPROC_OK;
}

mproc_err mproc_shareable_list_create(mproc_shareable_list **list, const char *name,
                                      const mproc_shareable *values, size_t count)
{
    size_t size = 0;
    if (!list)
        return mproc__fail(MPROC_EINVAL, "mproc_shareable_list_create: list is NULL");
    mproc_err err = size_for(values, count, &size);
    mproc_shared_memory *memory;
    if (err == MPROC_OK)
        err = mproc_shared_memory_create(&memory, name, size);
    if (err != MPROC_OK)
        return err;
    mproc_shareable_list *made = allocate(memory, count);
    if (!made) {
        (void) !mproc_shared_memory_unlink(memory);
        mproc_shared_memory_close(memory);
        return MPROC_ENOMEM;
    }
    made->offsets[0] = 0;
    for (size_t i = 0; i < count; i++)
        made->offsets[i + 1] = made->offsets[i] + (int64_t) slot_size(&values[i]);
    set_parts(made);
    int64_t length = (int64_t) count;
    memcpy(made->bytes, &length, sizeof length);
    memcpy(made->bytes + WORD, made->offsets, (count + 1) * sizeof made->offsets[0]);
    for (size_t i = 0; i < count; i++)
        store(made, i, &values[i]);
    *list = made;
    return MPROC_OK;
}

static mproc_err no_list(const char *name, const char *why)
{
    return mproc__fail(MPROC_EPROTO, "shared memory \"%.200s\" holds no ShareableList: %s", name, why);
}

/* Whether offsets rise by whole words from 0, and all parts lie inside the segment. */
static bool offsets_are_right(const mproc_shareable_list *list, size_t size)
{
    if (list->offsets[0] != 0)
        return false;
    for (size_t i = 0; i < list->length; i++) {
        if (list->offsets[i + 1] < list->offsets[i])
            return false;
        int64_t room = list->offsets[i + 1] - list->offsets[i];
        if (room < WORD || room % WORD != 0)
            return false;
    }
    uint64_t rest = size - list->data;
    uint64_t data = (uint64_t) list->offsets[list->length], meta = (uint64_t) list->length * (WORD + 1);
    return data <= rest && meta <= rest - data;
}

static mproc_err read_list(mproc_shared_memory *memory, mproc_shareable_list **list)
{
    const char *bytes = mproc_shared_memory_pointer(memory), *name = mproc_shared_memory_name(memory);
    size_t size = mproc_shared_memory_size(memory);
    int64_t length;
    if (size < 2 * WORD)
        return no_list(name, "it is too short");
    memcpy(&length, bytes, sizeof length);
    if (length < 0 || (uint64_t) length > (size - 2 * WORD) / (3 * WORD + 1))
        return no_list(name, "it says it is longer than the segment");
    mproc_shareable_list *made = allocate(memory, (size_t) length);
    if (!made)
        return MPROC_ENOMEM;
    memcpy(made->offsets, bytes + WORD, ((size_t) length + 1) * sizeof made->offsets[0]);
    if (!offsets_are_right(made, size)) {
        free(made);
        return no_list(name, "its offsets are wrong");
    }
    set_parts(made);
    *list = made;
    return MPROC_OK;
}

mproc_err mproc_shareable_list_attach(mproc_shareable_list **list, const char *name)
{
    mproc_shared_memory *memory;
    if (!list)
        return mproc__fail(MPROC_EINVAL, "mproc_shareable_list_attach: list is NULL");
    mproc_err err = mproc_shared_memory_attach(&memory, name);
    if (err != MPROC_OK)
        return err;
    err = read_list(memory, list);
    if (err != MPROC_OK)
        mproc_shared_memory_close(memory);
    return err;
}

mproc_err mproc_shareable_list_close(mproc_shareable_list *list)
{
    if (list)
        mproc_shared_memory_close(list->memory);
    free(list);
    return MPROC_OK;
}

mproc_shared_memory *mproc_shareable_list_memory(mproc_shareable_list *list)
{
    return list ? list->memory : NULL;
}

size_t mproc_shareable_list_length(const mproc_shareable_list *list)
{
    return list ? list->length : 0;
}

/* ---- items ---- */

static mproc_err find_item(const mproc_shareable_list *list, int64_t index, size_t *found)
{
    if (!list)
        return mproc__fail(MPROC_EINVAL, "the list is NULL");
    int64_t length = (int64_t) list->length, place = index < 0 ? index + length : index;
    if (place < 0 || place >= length)
        return mproc__fail(MPROC_EINVAL, "item %lld of a list of %lld", (long long) index, (long long) length);
    *found = (size_t) place;
    return MPROC_OK;
}

static mproc_err no_item(size_t index)
{
    return mproc__fail(MPROC_EPROTO, "item %zu of the list is damaged: its format is none of Python's", index);
}

/* The number of "16s"; SIZE_MAX if it is no such format. */
static size_t text_format(const char *format)
{
    size_t number = 0, i = 0;
    for (; i < WORD - 1 && format[i] >= '0' && format[i] <= '9'; i++)
        number = number * 10 + (size_t) (format[i] - '0');
    return i > 0 && format[i] == 's' && (i + 1 == WORD || format[i + 1] == '\0') ? number : SIZE_MAX;
}

static mproc_err read_text(const mproc_shareable_list *list, size_t index, const char *format, int code,
                           mproc_shareable *value)
{
    size_t size = text_format(format);
    if (size > (size_t) (list->offsets[index + 1] - list->offsets[index]) || (code != CODE_STR && code != CODE_BYTES))
        return no_item(index);
    const char *data = list->bytes + list->data + list->offsets[index];
    while (size > 0 && data[size - 1] == '\0')
        size--;
    *value = (mproc_shareable){ .kind = code == CODE_STR ? MPROC_SHAREABLE_STR : MPROC_SHAREABLE_BYTES,
                                .data = data, .size = size };
    return MPROC_OK;
}

static mproc_err read_item(const mproc_shareable_list *list, size_t index, mproc_shareable *value)
{
    const char *slot = list->bytes + list->data + list->offsets[index];
    char format[WORD];
    memcpy(format, list->bytes + list->formats + index * WORD, WORD);
    int code = list->bytes[list->codes + index];
    if (memcmp(format, "xxxxxxx?", WORD) == 0 && code == CODE_NUMBER) {
        *value = mproc_shareable_bool(slot[WORD - 1] != 0);
    } else if (memcmp(format, "xxxxxx?x", WORD) == 0 && code == CODE_NONE) {
        *value = mproc_shareable_none();
    } else if (strncmp(format, "q", WORD) == 0 && code == CODE_NUMBER) {
        *value = mproc_shareable_int(0);
        memcpy(&value->integer, slot, sizeof value->integer);
    } else if (strncmp(format, "d", WORD) == 0 && code == CODE_NUMBER) {
        *value = mproc_shareable_float(0);
        memcpy(&value->real, slot, sizeof value->real);
    } else {
        return read_text(list, index, format, code, value);
    }
    return MPROC_OK;
}

mproc_err mproc_shareable_list_get(const mproc_shareable_list *list, int64_t index, mproc_shareable *value)
{
    size_t place = 0;
    mproc_err err = value ? find_item(list, index, &place)
                          : mproc__fail(MPROC_EINVAL, "mproc_shareable_list_get: value is NULL");
    return err == MPROC_OK ? read_item(list, place, value) : err;
}

mproc_err mproc_shareable_list_set(mproc_shareable_list *list, int64_t index, const mproc_shareable *value)
{
    size_t place = 0;
    mproc_err err = value ? find_item(list, index, &place)
                          : mproc__fail(MPROC_EINVAL, "mproc_shareable_list_set: value is NULL");
    if (err == MPROC_OK)
        err = check_value(value);
    if (err != MPROC_OK)
        return err;
    size_t room = (size_t) (list->offsets[place + 1] - list->offsets[place]);
    if (is_text(value) && value->size > room)
        return mproc__fail(MPROC_EMSGSIZE, "%zu bytes do not fit into the %zu of item %zu", value->size, room, place);
    store(list, place, value);
    return MPROC_OK;
}

/* ---- searching ---- */

/* Exactly: 2^53 + 1 is no float. */
static bool is_integer(double real, int64_t integer)
{
    return real >= -0x1p63 && real < 0x1p63 && real == (double) (int64_t) real && (int64_t) real == integer;
}

static bool equal(const mproc_shareable *a, const mproc_shareable *b)
{
    bool a_number = code_of(a) == CODE_NUMBER, b_number = code_of(b) == CODE_NUMBER;
    if (a_number != b_number || (!a_number && a->kind != b->kind))
        return false;
    if (!a_number)
        return !is_text(a) || (a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0));
    bool a_real = a->kind == MPROC_SHAREABLE_FLOAT, b_real = b->kind == MPROC_SHAREABLE_FLOAT;
    if (a_real != b_real)
        return is_integer(a_real ? a->real : b->real, a_real ? b->integer : a->integer);
    return a_real ? a->real == b->real : a->integer == b->integer;
}

/* Counts equal items, and finds the first. */
static mproc_err search(const mproc_shareable_list *list, const mproc_shareable *value, size_t *count, size_t *first)
{
    if (!list || !value)
        return mproc__fail(MPROC_EINVAL, "the %s is NULL", list ? "value" : "list");
    mproc_err err = check_value(value);
    *count = 0;
    for (size_t i = 0; i < list->length && err == MPROC_OK; i++) {
        mproc_shareable item = { 0 };
        err = read_item(list, i, &item);
        if (err == MPROC_OK && equal(&item, value) && (*count)++ == 0)
            *first = i;
    }
    return err;
}

mproc_err mproc_shareable_list_count(const mproc_shareable_list *list, const mproc_shareable *value, size_t *count)
{
    size_t first, found;
    if (!count)
        return mproc__fail(MPROC_EINVAL, "mproc_shareable_list_count: count is NULL");
    mproc_err err = search(list, value, &found, &first);
    if (err == MPROC_OK)
        *count = found;
    return err;
}

mproc_err mproc_shareable_list_index(const mproc_shareable_list *list, const mproc_shareable *value, size_t *index)
{
    size_t first = 0, found;
    if (!index)
        return mproc__fail(MPROC_EINVAL, "mproc_shareable_list_index: index is NULL");
    mproc_err err = search(list, value, &found, &first);
    if (err == MPROC_OK && found == 0)
        err = mproc__fail(MPROC_ENOTFOUND, "the value is not in the list");
    if (err == MPROC_OK)
        *index = first;
    return err;
}

mproc_err mproc_shareable_list_format(const mproc_shareable_list *list, char *text, size_t size, size_t *length)
{
    if (!list || (!text && size > 0))
        return mproc__fail(MPROC_EINVAL, "mproc_shareable_list_format: %s is NULL", list ? "text" : "list");
    size_t whole = 0;
    for (size_t i = 0; i < list->length; i++) {
        const char *format = list->bytes + list->formats + i * WORD;
        for (int k = 0; k < WORD && format[k]; k++, whole++)
            if (whole + 1 < size)
                text[whole] = format[k];
    }
    if (size > 0)
        text[whole < size ? whole : size - 1] = '\0';
    if (length)
        *length = whole;
    return MPROC_OK;
}
