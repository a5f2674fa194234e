/* SPDX-License-Identifier: MIT */
/* What writes pickles: a buffer that grows, and a memo of what was written. Inside pickle_write*.c only. */
#ifndef MPROC_CORE_PICKLE_WRITER_H
#define MPROC_CORE_PICKLE_WRITER_H

#include "error.h"
#include "object.h"
#include "opcodes.h"

struct mproc__seen {
    const mproc_object *object;
    uint32_t place;
};

struct mproc__writer {
    unsigned char *next;
    unsigned char *end;
    mproc_buffer *buffer;
    size_t max_size;
    size_t max_memo;
    int protocol;
    int max_depth;
    int depth;
    bool everything; /* there is a cycle through the root: anything may be shared */
    int unfinished;  /* shared objects that get their place when their parts are written: there may be a cycle too */
    struct mproc__seen *memo;
    size_t memo_mask; /* its size is a power of two */
    uint32_t memo_count;
};

/* ---- bytes ---- */

/* Room for `size` more bytes, and for more than that. */
mproc_err mproc__writer_grow(struct mproc__writer *writer, size_t size);
mproc_err mproc__writer_fail_size(const struct mproc__writer *writer);

static inline mproc_err mproc__writer_reserve(struct mproc__writer *writer, size_t size)
{
    return (size_t) (writer->end - writer->next) >= size ? MPROC_OK : mproc__writer_grow(writer, size);
}

static inline unsigned char *mproc__put_little(unsigned char *at, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        *at++ = (unsigned char) (value >> 8 * i);
    return at;
}

static inline mproc_err mproc__write_byte(struct mproc__writer *writer, unsigned char byte)
{
    mproc_err err = mproc__writer_reserve(writer, 1);
    if (err == MPROC_OK)
        *writer->next++ = byte;
    return err;
}

mproc_err mproc__write_bytes(struct mproc__writer *writer, const void *data, size_t size);
/* An opcode whose length field is as short as can be; 0 for an opcode that the protocol has not. */
mproc_err mproc__write_sized(struct mproc__writer *writer, unsigned char with1, unsigned char with4,
                             unsigned char with8, const void *data, size_t size);
mproc_err mproc__write_str(struct mproc__writer *writer, const char *text, size_t size);
/* The name of a class or function. */
mproc_err mproc__write_name(struct mproc__writer *writer, const char *module, const char *name);

/* ---- values ---- */

static inline unsigned char *mproc__put_int(unsigned char *at, int64_t value)
{
    if (value >= 0 && value < 256) {
        *at++ = OP_BININT1;
        *at++ = (unsigned char) value;
    } else if (value >= 0 && value < 65536) {
        *at++ = OP_BININT2;
        at = mproc__put_little(at, (uint64_t) value, 2);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        *at++ = OP_BININT;
        at = mproc__put_little(at, (uint64_t) value, 4);
    } else {
        unsigned char bytes[8];
        (void) mproc__put_little(bytes, (uint64_t) value, 8);
        size_t size = mproc__int_shorten(bytes, 8);
        *at++ = OP_LONG1;
        *at++ = (unsigned char) size;
        memcpy(at, bytes, 8); /* there is room for 10 */
        at += size;
    }
    return at;
}

static inline unsigned char *mproc__put_float(unsigned char *at, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    *at++ = OP_BINFLOAT;
    for (int i = 56; i >= 0; i -= 8) /* the only big-endian thing in a pickle */
        *at++ = (unsigned char) (bits >> i);
    return at;
}

/* What is no address; there is room for 10 bytes. */
static inline unsigned char *mproc__put_word(unsigned char *at, const mproc_object *object)
{
    switch (MPROC__TAG(object)) {
    case MPROC__TAG_INT:
        return mproc__put_int(at, mproc__small_value(object));
    case MPROC__TAG_FLOAT:
        return mproc__put_float(at, mproc__float_value(object));
    default:
        *at++ = object == MPROC__NONE ? OP_NONE : object == MPROC__TRUE ? OP_NEWTRUE : OP_NEWFALSE;
        return at;
    }
}

/* A str, bytes or bytearray; a class. */
mproc_err mproc__write_text(struct mproc__writer *writer, const mproc_object *object);
mproc_err mproc__write_class(struct mproc__writer *writer, const mproc_object *object);

#endif
