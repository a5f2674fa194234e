/* SPDX-License-Identifier: MIT */
/* Objects to pickles. Only what may be shared gets a place in the memo, nothing is framed: so a pickle
 * is shorter than Python's own, and written without a table of what was seen. */
#include "error.h"
#include "mproc/pickle.h"
#include "object.h"
#include "opcodes.h"

#include <stdlib.h>

enum { SHORT_TEXT = 40, LIKELY_SIZE = 5 };

struct seen {
    const mproc_object *object;
    uint32_t place;
};

struct writer {
    unsigned char *next;
    unsigned char *end;
    mproc_buffer *buffer;
    size_t max_size;
    size_t max_memo;
    int protocol;
    int max_depth;
    int depth;
    bool everything; /* there is a cycle through the root: anything may be shared */
    struct seen *memo;
    size_t memo_mask; /* its size is a power of two */
    uint32_t memo_count;
};

static mproc_err write_object(struct writer *w, const mproc_object *object);

/* ---- bytes ---- */

static mproc_err grow(struct writer *w, size_t size)
{
    mproc_buffer *buffer = w->buffer;
    buffer->size = w->next ? (size_t) ((char *) w->next - buffer->data) : 0;
    if (w->max_size && buffer->size > w->max_size)
        return mproc__fail(MPROC_EMSGSIZE, "The pickle is longer than max_size, %zu bytes", w->max_size);
    size_t room = size < buffer->capacity ? buffer->capacity : size; /* it doubles at least */
    if (room > SIZE_MAX / 4 || !mproc__buffer_extend(buffer, room))
        return mproc__fail_memory("a pickle");
    w->next = (unsigned char *) buffer->data + (buffer->size - room);
    w->end = (unsigned char *) buffer->data + buffer->capacity;
    return MPROC_OK;
}

static inline mproc_err reserve(struct writer *w, size_t size)
{
    return (size_t) (w->end - w->next) >= size ? MPROC_OK : grow(w, size);
}

static inline unsigned char *put_little(unsigned char *at, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        *at++ = (unsigned char) (value >> 8 * i);
    return at;
}

static inline mproc_err write_byte(struct writer *w, unsigned char byte)
{
    mproc_err err = reserve(w, 1);
    if (err == MPROC_OK)
        *w->next++ = byte;
    return err;
}

static mproc_err write_bytes(struct writer *w, const void *data, size_t size)
{
    mproc_err err = reserve(w, size);
    if (err == MPROC_OK && size > 0) {
        memcpy(w->next, data, size);
        w->next += size;
    }
    return err;
}

/* An opcode whose length field is as short as can be; 0 for an opcode that the protocol has not. */
static mproc_err write_sized(struct writer *w, unsigned char with1, unsigned char with4, unsigned char with8,
                             const void *data, size_t size)
{
    mproc_err err = reserve(w, 9);
    if (err != MPROC_OK)
        return err;
    if (size < 256 && with1) {
        *w->next++ = with1;
        *w->next++ = (unsigned char) size;
    } else if (size <= UINT32_MAX && with4) {
        *w->next++ = with4;
        w->next = put_little(w->next, size, 4);
    } else if (with8) {
        *w->next++ = with8;
        w->next = put_little(w->next, size, 8);
    } else {
        return mproc__fail(MPROC_EINVAL, "%zu bytes are too many for one object in protocol %d", size, w->protocol);
    }
    return write_bytes(w, data, size);
}

static mproc_err write_str(struct writer *w, const char *text, size_t size)
{
    bool modern = w->protocol >= 4;
    return write_sized(w, modern ? OP_SHORT_BINUNICODE : 0, OP_BINUNICODE, modern ? OP_BINUNICODE8 : 0, text, size);
}

static mproc_err write_global(struct writer *w, const char *module, size_t module_size, const char *name,
                              size_t name_size)
{
    if (w->protocol >= 4) {
        mproc_err err = write_str(w, module, module_size);
        if (err == MPROC_OK)
            err = write_str(w, name, name_size);
        return err == MPROC_OK ? write_byte(w, OP_STACK_GLOBAL) : err;
    }
    if (memchr(name, '.', name_size) || memchr(name, '\n', name_size) || memchr(module, '\n', module_size))
        return mproc__fail(MPROC_EINVAL, "The class %.100s.%.100s needs protocol 4", module, name);
    mproc_err err = reserve(w, module_size + name_size + 3);
    if (err != MPROC_OK)
        return err;
    *w->next++ = OP_GLOBAL;
    (void) write_bytes(w, module, module_size);
    *w->next++ = '\n';
    (void) write_bytes(w, name, name_size);
    *w->next++ = '\n';
    return MPROC_OK;
}

/* One of Python's own, under the name that the protocol has for its module. */
static mproc_err write_builtin(struct writer *w, const char *module, const char *name)
{
    if (w->protocol == 2 && strcmp(module, "builtins") == 0)
        module = "__builtin__";
    return write_global(w, module, strlen(module), name, strlen(name));
}

/* ---- the memo: by address ---- */

static size_t cell_of(const struct writer *w, const mproc_object *object)
{
    size_t cell = (size_t) (((uint64_t) (uintptr_t) object >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    while (w->memo[cell & w->memo_mask].object && w->memo[cell & w->memo_mask].object != object)
        cell++;
    return cell & w->memo_mask;
}

static bool memo_grow(struct writer *w)
{
    struct seen *old = w->memo;
    size_t old_size = old ? w->memo_mask + 1 : 0, size = old ? old_size * 2 : 32;
    struct seen *memo = calloc(size, sizeof *memo);
    if (!memo)
        return false;
    w->memo = memo;
    w->memo_mask = size - 1;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].object)
            w->memo[cell_of(w, old[i].object)] = old[i];
    free(old);
    return true;
}

static bool may_be_shared(const struct writer *w, const mproc_object *object)
{
    return w->everything || mproc__has(object, MPROC__SHARED);
}

/* The object is on top of Python's stack now: remember it. */
static mproc_err memoize(struct writer *w, const mproc_object *object)
{
    if (!may_be_shared(w, object))
        return MPROC_OK;
    if (w->max_memo && w->memo_count >= w->max_memo)
        return mproc__fail(MPROC_EMSGSIZE, "More than max_memo, %zu, objects of the pickle are shared", w->max_memo);
    if ((!w->memo || w->memo_count > w->memo_mask / 2) && !memo_grow(w))
        return mproc__fail_memory("a pickle's memo");
    mproc_err err = reserve(w, 5);
    if (err != MPROC_OK)
        return err;
    size_t cell = cell_of(w, object);
    w->memo[cell] = (struct seen){ object, w->memo_count };
    if (w->protocol >= 4) {
        *w->next++ = OP_MEMOIZE;
    } else if (w->memo_count < 256) {
        *w->next++ = OP_BINPUT;
        *w->next++ = (unsigned char) w->memo_count;
    } else {
        *w->next++ = OP_LONG_BINPUT;
        w->next = put_little(w->next, w->memo_count, 4);
    }
    w->memo_count++;
    return MPROC_OK;
}

/* Writes a reference if the object is in the memo. */
static mproc_err recall(struct writer *w, const mproc_object *object, bool *found)
{
    *found = false;
    if (!w->memo || !may_be_shared(w, object))
        return MPROC_OK;
    const struct seen *seen = &w->memo[cell_of(w, object)];
    if (!seen->object)
        return MPROC_OK;
    mproc_err err = reserve(w, 5);
    if (err != MPROC_OK)
        return err;
    *found = true;
    *w->next++ = seen->place < 256 ? OP_BINGET : OP_LONG_BINGET;
    w->next = put_little(w->next, seen->place, seen->place < 256 ? 1 : 4);
    return MPROC_OK;
}

/* ---- values ---- */

static inline unsigned char *put_int(unsigned char *at, int64_t value)
{
    if (value >= 0 && value < 256) {
        *at++ = OP_BININT1;
        *at++ = (unsigned char) value;
    } else if (value >= 0 && value < 65536) {
        *at++ = OP_BININT2;
        at = put_little(at, (uint64_t) value, 2);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        *at++ = OP_BININT;
        at = put_little(at, (uint64_t) value, 4);
    } else {
        unsigned char bytes[8];
        (void) put_little(bytes, (uint64_t) value, 8);
        size_t size = mproc__int_shorten(bytes, 8);
        *at++ = OP_LONG1;
        *at++ = (unsigned char) size;
        memcpy(at, bytes, 8); /* there is room for 10 */
        at += size;
    }
    return at;
}

static inline unsigned char *put_float(unsigned char *at, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    *at++ = OP_BINFLOAT;
    for (int i = 56; i >= 0; i -= 8) /* the only big-endian thing in a pickle */
        *at++ = (unsigned char) (bits >> i);
    return at;
}

/* What is no address; there is room for 10 bytes. */
static inline unsigned char *put_word(unsigned char *at, const mproc_object *object)
{
    switch (MPROC__TAG(object)) {
    case MPROC__TAG_INT:
        return put_int(at, mproc__small_value(object));
    case MPROC__TAG_FLOAT:
        return put_float(at, mproc__float_value(object));
    default:
        *at++ = object == MPROC__NONE ? OP_NONE : object == MPROC__TRUE ? OP_NEWTRUE : OP_NEWFALSE;
        return at;
    }
}

/* Latin-1 as a str: what Python 2 makes bytes of. */
static mproc_err write_bytes_2(struct writer *w, const unsigned char *data, size_t size)
{
    if (size == 0) {
        mproc_err err = write_builtin(w, "builtins", "bytes");
        return err == MPROC_OK ? write_bytes(w, ")R", 2) : err;
    }
    size_t high = 0;
    for (size_t i = 0; i < size; i++)
        high += data[i] >> 7;
    mproc_err err = write_builtin(w, "_codecs", "encode");
    if (err == MPROC_OK && size + high > UINT32_MAX)
        err = mproc__fail(MPROC_EINVAL, "%zu bytes are too many for one object in protocol 2", size);
    if (err == MPROC_OK)
        err = reserve(w, size + high + 16);
    if (err != MPROC_OK)
        return err;
    *w->next++ = OP_BINUNICODE;
    w->next = put_little(w->next, size + high, 4);
    for (size_t i = 0; i < size; i++) {
        if (data[i] >> 7)
            *w->next++ = (unsigned char) (0xc0 | data[i] >> 6);
        *w->next++ = data[i] >> 7 ? (unsigned char) (0x80 | (data[i] & 0x3f)) : data[i];
    }
    (void) write_str(w, "latin1", 6);
    return write_bytes(w, "\x86R", 2);
}

static mproc_err write_byte_string(struct writer *w, const void *data, size_t size)
{
    if (w->protocol == 2)
        return write_bytes_2(w, data, size);
    return write_sized(w, OP_SHORT_BINBYTES, OP_BINBYTES, w->protocol >= 4 ? OP_BINBYTES8 : 0, data, size);
}

static mproc_err write_bytearray(struct writer *w, const mproc_object *object)
{
    size_t size = mproc__text_size(object);
    if (w->protocol >= 5)
        return write_sized(w, 0, 0, OP_BYTEARRAY8, mproc__text(object), size);
    mproc_err err = write_builtin(w, "builtins", "bytearray");
    if (err == MPROC_OK)
        err = write_byte_string(w, mproc__text(object), size);
    return err == MPROC_OK ? write_bytes(w, "\x85R", 2) : err;
}

static mproc_err write_text(struct writer *w, const mproc_object *object)
{
    const char *text = mproc__text(object);
    size_t size = mproc__text_size(object);
    mproc_err err;
    switch (object->type) {
    case MPROC_TYPE_STR:
        err = write_str(w, text, size);
        break;
    case MPROC_TYPE_BYTES:
        err = write_byte_string(w, text, size);
        break;
    default:
        err = write_bytearray(w, object);
        break;
    }
    return err == MPROC_OK ? memoize(w, object) : err;
}

/* ---- containers ---- */

/* The commonest object: a short str, not shared. */
static inline bool is_short_str(const struct writer *w, const mproc_object *object)
{
    return object->type == MPROC_TYPE_STR && w->protocol >= 4 && mproc__text_size(object) <= SHORT_TEXT &&
           !may_be_shared(w, object);
}

static inline unsigned char *put_short_str(unsigned char *at, const mproc_object *object)
{
    size_t size = mproc__text_size(object);
    *at++ = OP_SHORT_BINUNICODE;
    *at++ = (unsigned char) size;
    memcpy(at, mproc__text(object), size);
    return at + size;
}

/* Numbers in one loop. */
static mproc_err write_items(struct writer *w, mproc_object *const *at, size_t count)
{
    mproc_object *const *end = count > 0 ? at + count : at;
    while (at < end) {
        size_t room = (size_t) (w->end - w->next) / 10;
        mproc_object *const *stop = (size_t) (end - at) < room ? end : at + room;
        unsigned char *next = w->next;
        while (at < stop && !mproc__is_heap(*at))
            next = put_word(next, *at++);
        w->next = next;
        if (at == end)
            break;
        mproc_err err = reserve(w, 10 + SHORT_TEXT);
        if (err != MPROC_OK)
            return err;
        if (!mproc__is_heap(*at)) /* there was no room */
            continue;
        const mproc_object *object = *at++;
        if (is_short_str(w, object))
            w->next = put_short_str(w->next, object);
        else
            err = write_object(w, object);
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

/* Marks and an opcode for many, or an opcode for one. `one` is 0 if there is none. */
static mproc_err write_batches(struct writer *w, struct mproc__parts parts, size_t batch, size_t least,
                               unsigned char one, unsigned char many)
{
    /* of what is long a first estimate, so that the buffer need not be moved often */
    mproc_err err = parts.count >= MPROC__BATCH ? reserve(w, parts.count * LIKELY_SIZE) : MPROC_OK;
    for (size_t i = 0; i < parts.count && err == MPROC_OK; i += batch) {
        size_t count = parts.count - i < batch ? parts.count - i : batch;
        bool alone = count == least && one;
        err = alone ? MPROC_OK : write_byte(w, OP_MARK);
        if (err == MPROC_OK)
            err = write_items(w, parts.items + i, count);
        if (err == MPROC_OK)
            err = write_byte(w, alone ? one : many);
    }
    return err;
}

static mproc_err write_list(struct writer *w, const mproc_object *object)
{
    mproc_err err = write_byte(w, OP_EMPTY_LIST);
    if (err == MPROC_OK)
        err = memoize(w, object);
    if (err != MPROC_OK)
        return err;
    return write_batches(w, mproc__parts((mproc_object *) (uintptr_t) object), MPROC__BATCH, 1, OP_APPEND, OP_APPENDS);
}

static mproc_err write_tuple(struct writer *w, const mproc_object *object)
{
    struct mproc__parts parts = mproc__parts((mproc_object *) (uintptr_t) object);
    mproc_err err = parts.count > 3 ? write_byte(w, OP_MARK) : MPROC_OK;
    if (err == MPROC_OK)
        err = write_items(w, parts.items, parts.count);
    bool found = false;
    if (err == MPROC_OK)
        err = reserve(w, 5 + 3); /* a reference and pops: `before` must not move */
    if (err == MPROC_OK) { /* through a list in it, it may have been written inside itself */
        unsigned char *before = w->next;
        err = recall(w, object, &found);
        size_t size = (size_t) (w->next - before), pops = parts.count > 3 ? 1 : parts.count;
        if (err == MPROC_OK && found) {
            memmove(w->next - size + pops, w->next - size, size);
            memset(w->next - size, parts.count > 3 ? OP_POP_MARK : OP_POP, pops);
            w->next += pops;
            return MPROC_OK;
        }
    }
    static const unsigned char ends[] = { OP_EMPTY_TUPLE, OP_TUPLE1, OP_TUPLE2, OP_TUPLE3 };
    if (err == MPROC_OK)
        err = write_byte(w, parts.count > 3 ? OP_TUPLE : ends[parts.count]);
    return err == MPROC_OK ? memoize(w, object) : err;
}

/* A table's entries without the removed ones. */
static mproc_err write_entries(struct writer *w, const mproc_object *object, unsigned char one, unsigned char many)
{
    const struct mproc__table *table = (const struct mproc__table *) object;
    unsigned width = mproc__slots_per_entry(object);
    struct mproc__parts all = { table->slots, (size_t) table->used * width };
    if (table->used == object->lower)
        return write_batches(w, all, MPROC__BATCH * width, width, one, many);
    mproc_err err = object->lower > 0 ? write_byte(w, OP_MARK) : MPROC_OK;
    for (size_t i = 0; i < all.count && err == MPROC_OK; i += width)
        if (all.items[i])
            err = write_items(w, all.items + i, width);
    return err == MPROC_OK && object->lower > 0 ? write_byte(w, many) : err;
}

static mproc_err write_dict(struct writer *w, const mproc_object *object)
{
    mproc_err err = write_byte(w, OP_EMPTY_DICT);
    if (err == MPROC_OK)
        err = memoize(w, object);
    return err == MPROC_OK ? write_entries(w, object, OP_SETITEM, OP_SETITEMS) : err;
}

/* Protocols 2 and 3 call set() and frozenset() with a list. */
static mproc_err write_old_set(struct writer *w, const mproc_object *object)
{
    mproc_err err = write_builtin(w, "builtins", object->type == MPROC_TYPE_SET ? "set" : "frozenset");
    if (err == MPROC_OK)
        err = write_byte(w, OP_EMPTY_LIST);
    if (err == MPROC_OK)
        err = write_entries(w, object, OP_APPEND, OP_APPENDS);
    if (err == MPROC_OK)
        err = write_bytes(w, "\x85R", 2);
    return err == MPROC_OK ? memoize(w, object) : err;
}

static mproc_err write_set(struct writer *w, const mproc_object *object)
{
    mproc_err err = write_byte(w, OP_EMPTY_SET);
    if (err == MPROC_OK)
        err = memoize(w, object);
    return err == MPROC_OK ? write_entries(w, object, 0, OP_ADDITEMS) : err;
}

static mproc_err write_frozenset(struct writer *w, const mproc_object *object)
{
    struct mproc__parts parts = mproc__parts((mproc_object *) (uintptr_t) object);
    mproc_err err = write_byte(w, OP_MARK);
    if (err == MPROC_OK) /* nothing is ever removed from one */
        err = write_items(w, parts.items, parts.count);
    if (err == MPROC_OK)
        err = write_byte(w, OP_FROZENSET);
    return err == MPROC_OK ? memoize(w, object) : err;
}

/* ---- classes and their objects ---- */

static mproc_err write_class(struct writer *w, const mproc_object *object)
{
    const struct mproc__global *global = (const struct mproc__global *) object;
    const mproc_object *module = global->names[0], *name = global->names[1];
    mproc_err err;
    if (!global->known)
        err = write_global(w, mproc__text(module), mproc__text_size(module), mproc__text(name), mproc__text_size(name));
    else if (w->protocol == 2 && global->known->kind == MPROC__KNOWN_EXCEPTION &&
             strcmp(global->known->module, "builtins") == 0)
        err = write_builtin(w, "exceptions", global->known->name);
    else
        err = write_builtin(w, global->known->module, global->known->name);
    return err == MPROC_OK ? memoize(w, object) : err;
}

static mproc_err write_instance(struct writer *w, const mproc_object *object)
{
    static const unsigned char recipes[] = { OP_REDUCE, OP_NEWOBJ, OP_NEWOBJ_EX };
    mproc_object *const *parts = ((const struct mproc__instance *) object)->parts;
    if (object->lower == MPROC_RECIPE_NEW_EX && w->protocol < 4)
        return mproc__fail(MPROC_EINVAL, "An instance with keyword arguments needs protocol 4");
    mproc_err err = MPROC_OK;
    for (int i = PART_CALLABLE; i <= PART_KWARGS && err == MPROC_OK; i++)
        if (parts[i])
            err = write_items(w, &parts[i], 1);
    if (err == MPROC_OK)
        err = write_byte(w, recipes[object->lower]);
    if (err == MPROC_OK)
        err = memoize(w, object);
    if (err == MPROC_OK && parts[PART_ITEMS])
        err = write_batches(w, mproc__parts(parts[PART_ITEMS]), MPROC__BATCH, 1, OP_APPEND, OP_APPENDS);
    if (err == MPROC_OK && parts[PART_PAIRS])
        err = write_batches(w, mproc__parts(parts[PART_PAIRS]), 2 * MPROC__BATCH, 2, OP_SETITEM, OP_SETITEMS);
    if (err == MPROC_OK && parts[PART_STATE]) {
        err = write_items(w, &parts[PART_STATE], 1);
        if (err == MPROC_OK)
            err = write_byte(w, OP_BUILD);
    }
    return err;
}

static mproc_err write_container(struct writer *w, const mproc_object *object)
{
    switch (object->type) {
    case MPROC_TYPE_LIST:
        return write_list(w, object);
    case MPROC_TYPE_TUPLE:
        return write_tuple(w, object);
    case MPROC_TYPE_DICT:
        return write_dict(w, object);
    case MPROC_TYPE_SET:
        return w->protocol >= 4 ? write_set(w, object) : write_old_set(w, object);
    case MPROC_TYPE_FROZENSET:
        return w->protocol >= 4 ? write_frozenset(w, object) : write_old_set(w, object);
    case MPROC_TYPE_GLOBAL:
        return write_class(w, object);
    default:
        return write_instance(w, object);
    }
}

static mproc_err write_object(struct writer *w, const mproc_object *object)
{
    bool found;
    mproc_err err = recall(w, object, &found);
    if (err != MPROC_OK || found)
        return err;
    switch (object->type) {
    case MPROC_TYPE_STR:
    case MPROC_TYPE_BYTES:
    case MPROC_TYPE_BYTEARRAY:
        return write_text(w, object);
    case MPROC_TYPE_INT:
        if (mproc__text_size(object) > INT32_MAX)
            return mproc__fail(MPROC_EINVAL, "An int of more than 2 GiB cannot be pickled");
        return write_sized(w, OP_LONG1, OP_LONG4, 0, mproc__text(object), mproc__text_size(object));
    case MPROC_TYPE_FLOAT:
        err = reserve(w, 9);
        if (err == MPROC_OK)
            w->next = put_float(w->next, mproc__float_value(object));
        return err;
    default:
        if (w->depth >= w->max_depth)
            return mproc__fail(MPROC_EINVAL, "The object is nested deeper than %d, or contains itself", w->max_depth);
        w->depth++;
        err = write_container(w, object);
        w->depth--;
        return err;
    }
}

mproc_err mproc_pickle_dumps(const mproc_object *object, mproc_buffer *pickle, const mproc_pickle_options *options)
{
    static const mproc_pickle_options defaults;
    const mproc_pickle_options *o = options ? options : &defaults;
    if (!object || !pickle)
        return mproc__fail(MPROC_EINVAL, "mproc_pickle_dumps: object or pickle is NULL; None is mproc_none()");
    int protocol = o->protocol ? o->protocol : MPROC__DEFAULT_PROTOCOL;
    if (protocol < MPROC__LOWEST_PROTOCOL || protocol > MPROC__HIGHEST_PROTOCOL || o->max_depth < 0)
        return mproc__fail(MPROC_EINVAL, "A pickle's protocol is 2 to 5, not %d, and its depth not negative", protocol);
    struct writer w = { .buffer = pickle, .max_size = o->max_size, .max_memo = o->max_memo, .protocol = protocol,
                        .next = (unsigned char *) pickle->data,
                        .end = pickle->data ? (unsigned char *) pickle->data + pickle->capacity : NULL,
                        .max_depth = o->max_depth && o->max_depth < MPROC__MAX_DEPTH
                                         ? o->max_depth
                                         : MPROC__MAX_DEPTH };
    pickle->size = 0;
    w.everything = mproc__is_heap(object) && mproc__has(object, MPROC__HELD);
    mproc_err err = reserve(&w, 128);
    if (err == MPROC_OK) {
        *w.next++ = OP_PROTO;
        *w.next++ = (unsigned char) protocol;
        err = mproc__is_heap(object) ? write_object(&w, object) : MPROC_OK;
        if (!mproc__is_heap(object))
            w.next = put_word(w.next, object);
    }
    if (err == MPROC_OK)
        err = write_byte(&w, OP_STOP);
    pickle->size = err == MPROC_OK ? (size_t) ((char *) w.next - pickle->data) : 0;
    if (err == MPROC_OK && w.max_size && pickle->size > w.max_size) {
        pickle->size = 0;
        err = mproc__fail(MPROC_EMSGSIZE, "The pickle is longer than max_size, %zu bytes", w.max_size);
    }
    free(w.memo);
    return err;
}
