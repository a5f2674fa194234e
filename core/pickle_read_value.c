/* SPDX-License-Identifier: MIT */
/* Reading pickles: what is no container. */
#include "pickle_reader.h"

/* A length of `width` bytes, and so many bytes. */
static inline mproc_err read_sized(struct mproc__reader *reader, unsigned width, const unsigned char **data,
                                   size_t *size)
{
    if (mproc__reader_left(reader) < width)
        return mproc__reader_truncated(reader);
    uint64_t length = width == 1 ? *reader->next : mproc__little(reader->next, width);
    if (length > mproc__reader_left(reader) - width)
        return mproc__reader_truncated(reader);
    *data = reader->next + width;
    *size = (size_t) length;
    reader->next = *data + length;
    return MPROC_OK;
}

mproc_err mproc__read_text(struct mproc__reader *reader, mproc_type type, unsigned width)
{
    const unsigned char *data;
    size_t size;
    mproc_err err = read_sized(reader, width, &data, &size);
    if (err != MPROC_OK)
        return err;
    if (type == MPROC_TYPE_STR && !mproc__utf8_valid((const char *) data, size))
        return mproc__reader_fail(reader, "a str is not UTF-8");
    return mproc__reader_push(reader, mproc__make_text(reader->zone, type, data, size, MPROC__HELD));
}

mproc_err mproc__read_long(struct mproc__reader *reader, unsigned width)
{
    const unsigned char *data;
    size_t size;
    if (width == 4 && mproc__reader_left(reader) >= 4 && reader->next[3] >> 7)
        return mproc__reader_fail(reader, "the length of an int is negative");
    mproc_err err = read_sized(reader, width, &data, &size);
    if (err != MPROC_OK)
        return err;
    return mproc__reader_push(reader, mproc__make_int_bytes(reader->zone, data, size, MPROC__HELD));
}

mproc_err mproc__read_float(struct mproc__reader *reader)
{
    if (mproc__reader_left(reader) < 8)
        return mproc__reader_truncated(reader);
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) /* big-endian, alone in a pickle */
        bits = bits << 8 | reader->next[i];
    reader->next += 8;
    double value;
    memcpy(&value, &bits, sizeof value);
    return mproc__reader_push(reader, mproc__make_float(reader->zone, value, MPROC__HELD));
}

/* Ints come in crowds: as long as the next one is one. */
mproc_err mproc__read_ints(struct mproc__reader *reader)
{
    const unsigned char *at = reader->next, *end = reader->end;
    for (unsigned char op = at[-1];; op = *at++) {
        int64_t value;
        if (reader->top == reader->limit && mproc__reader_grow_stack(reader) != MPROC_OK)
            return MPROC_ENOMEM;
        if (op == OP_BININT2 && end - at >= 2) {
            value = (int64_t) mproc__little(at, 2);
            at += 2;
        } else if (op == OP_BININT && end - at >= 4) {
            value = (int32_t) (uint32_t) mproc__little(at, 4);
            at += 4;
        } else if (op == OP_BININT1 && end - at >= 1) {
            value = *at++;
        } else {
            return mproc__reader_truncated(reader);
        }
        if (MPROC__WIDE || mproc__fits_small(value)) {
            *reader->top++ = mproc__small(value);
        } else {
            mproc_object *made = mproc__make_int(reader->zone, value, MPROC__HELD);
            if (!made)
                return mproc__reader_fail_memory();
            *reader->top++ = made;
        }
        if (at == end || (*at != OP_BININT2 && *at != OP_BININT && *at != OP_BININT1))
            break;
    }
    reader->next = at;
    return MPROC_OK;
}
