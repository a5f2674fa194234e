/* SPDX-License-Identifier: MIT */
/* Writing pickles: bytes, and what is no container. */
#include "pickle_writer.h"

mproc_err mproc__writer_fail_size(const struct mproc__writer *writer)
{
    return mproc__fail(MPROC_EMSGSIZE, "The pickle is longer than max_size, %zu bytes", writer->max_size);
}

mproc_err mproc__writer_grow(struct mproc__writer *writer, size_t size)
{
    mproc_buffer *buffer = writer->buffer;
    buffer->size = writer->next ? (size_t) ((char *) writer->next - buffer->data) : 0;
    if (writer->max_size && buffer->size > writer->max_size)
        return mproc__writer_fail_size(writer);
    if (!mproc__buffer_extend(buffer, size))
        return mproc__fail_memory("a pickle");
    writer->next = (unsigned char *) buffer->data + (buffer->size - size);
    writer->end = (unsigned char *) buffer->data + buffer->capacity;
    return MPROC_OK;
}

mproc_err mproc__write_bytes(struct mproc__writer *writer, const void *data, size_t size)
{
    mproc_err err = mproc__writer_reserve(writer, size);
    if (err == MPROC_OK && size > 0) {
        memcpy(writer->next, data, size);
        writer->next += size;
    }
    return err;
}

mproc_err mproc__write_sized(struct mproc__writer *writer, unsigned char with1, unsigned char with4,
                             unsigned char with8, const void *data, size_t size)
{
    mproc_err err = mproc__writer_reserve(writer, 9);
    if (err != MPROC_OK)
        return err;
    if (size < 256 && with1) {
        *writer->next++ = with1;
        *writer->next++ = (unsigned char) size;
    } else if (size <= UINT32_MAX && with4) {
        *writer->next++ = with4;
        writer->next = mproc__put_little(writer->next, size, 4);
    } else if (with8) {
        *writer->next++ = with8;
        writer->next = mproc__put_little(writer->next, size, 8);
    } else {
        return mproc__fail(MPROC_EINVAL, "%zu bytes are too many for one object in protocol %d", size,
                           writer->protocol);
    }
    return mproc__write_bytes(writer, data, size);
}

mproc_err mproc__write_str(struct mproc__writer *writer, const char *text, size_t size)
{
    if (writer->protocol < 4)
        return mproc__write_sized(writer, 0, OP_BINUNICODE, 0, text, size);
    return mproc__write_sized(writer, OP_SHORT_BINUNICODE, OP_BINUNICODE, OP_BINUNICODE8, text, size);
}

/* Protocol 2 has Python 2's names; false if the reader would take them for others. */
static bool rename_for_2(struct mproc__word *module, struct mproc__word *name)
{
    struct mproc__word wanted[] = { *module, *name };
    mproc__name_in_python_2(module, name);
    struct mproc__word found[] = { *module, *name };
    mproc__name_today(&found[0], &found[1]);
    for (int i = 0; i < 2; i++)
        if (found[i].size != wanted[i].size || memcmp(found[i].text, wanted[i].text, found[i].size) != 0)
            return false;
    return true;
}

static mproc_err write_names(struct mproc__writer *writer, struct mproc__word module, struct mproc__word name)
{
    if (writer->protocol >= 4) {
        mproc_err err = mproc__write_str(writer, module.text, module.size);
        if (err == MPROC_OK)
            err = mproc__write_str(writer, name.text, name.size);
        return err == MPROC_OK ? mproc__write_byte(writer, OP_STACK_GLOBAL) : err;
    }
    if (memchr(name.text, '.', name.size) || memchr(name.text, '\n', name.size) ||
        memchr(module.text, '\n', module.size))
        return mproc__fail(MPROC_EINVAL, "The class %.100s.%.100s needs protocol 4", module.text, name.text);
    if (writer->protocol == 2 && !rename_for_2(&module, &name))
        return mproc__fail(MPROC_EINVAL, "%.100s.%.100s is another class's name in protocol 2; take 3 or higher",
                           module.text, name.text);
    mproc_err err = mproc__writer_reserve(writer, module.size + name.size + 3);
    if (err != MPROC_OK)
        return err;
    *writer->next++ = OP_GLOBAL;
    (void) mproc__write_bytes(writer, module.text, module.size);
    *writer->next++ = '\n';
    (void) mproc__write_bytes(writer, name.text, name.size);
    *writer->next++ = '\n';
    return MPROC_OK;
}

mproc_err mproc__write_name(struct mproc__writer *writer, const char *module, const char *name)
{
    return write_names(writer, (struct mproc__word){ module, strlen(module) },
                       (struct mproc__word){ name, strlen(name) });
}

/* ---- values ---- */

/* Latin-1 as a str: what Python 2 makes bytes of. */
static mproc_err write_bytes_2(struct mproc__writer *writer, const unsigned char *data, size_t size)
{
    if (size == 0) {
        mproc_err err = mproc__write_name(writer, "builtins", "bytes");
        return err == MPROC_OK ? mproc__write_bytes(writer, ")R", 2) : err;
    }
    size_t high = 0;
    for (size_t i = 0; i < size; i++)
        high += data[i] >> 7;
    mproc_err err = mproc__write_name(writer, "_codecs", "encode");
    if (err == MPROC_OK && size + high > UINT32_MAX)
        err = mproc__fail(MPROC_EINVAL, "%zu bytes are too many for one object in protocol 2", size);
    if (err == MPROC_OK)
        err = mproc__writer_reserve(writer, size + high + 16);
    if (err != MPROC_OK)
        return err;
    *writer->next++ = OP_BINUNICODE;
    writer->next = mproc__put_little(writer->next, size + high, 4);
    for (size_t i = 0; i < size; i++) {
        if (data[i] >> 7)
            *writer->next++ = (unsigned char) (0xc0 | data[i] >> 6);
        *writer->next++ = data[i] >> 7 ? (unsigned char) (0x80 | (data[i] & 0x3f)) : data[i];
    }
    (void) mproc__write_str(writer, "latin1", 6);
    return mproc__write_bytes(writer, "\x86R", 2);
}

static mproc_err write_byte_string(struct mproc__writer *writer, const void *data, size_t size)
{
    if (writer->protocol == 2)
        return write_bytes_2(writer, data, size);
    return mproc__write_sized(writer, OP_SHORT_BINBYTES, OP_BINBYTES, writer->protocol >= 4 ? OP_BINBYTES8 : 0, data,
                              size);
}

static mproc_err write_bytearray(struct mproc__writer *writer, const mproc_object *object)
{
    size_t size = mproc__text_size(object);
    if (writer->protocol >= 5)
        return mproc__write_sized(writer, 0, 0, OP_BYTEARRAY8, mproc__text(object), size);
    mproc_err err = mproc__write_name(writer, "builtins", "bytearray");
    if (err == MPROC_OK)
        err = write_byte_string(writer, mproc__text(object), size);
    return err == MPROC_OK ? mproc__write_bytes(writer, "\x85R", 2) : err;
}

mproc_err mproc__write_text(struct mproc__writer *writer, const mproc_object *object)
{
    const char *text = mproc__text(object);
    size_t size = mproc__text_size(object);
    switch (object->type) {
    case MPROC_TYPE_STR:
        return mproc__write_str(writer, text, size);
    case MPROC_TYPE_BYTES:
        return write_byte_string(writer, text, size);
    default:
        return write_bytearray(writer, object);
    }
}

mproc_err mproc__write_class(struct mproc__writer *writer, const mproc_object *object)
{
    const struct mproc__global *global = (const struct mproc__global *) object;
    return write_names(writer, mproc__word(global->names[0]), mproc__word(global->names[1]));
}
