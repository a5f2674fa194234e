/* SPDX-License-Identifier: MIT */
/* Objects to pickles. Only what may be shared gets a place in the memo, nothing is framed: so a pickle
 * is shorter than Python's own, and written without a table of what was seen. */
#include "mproc/pickle.h"
#include "pickle_writer.h"

#include <stdlib.h>

enum { SHORT_TEXT = 40, LOW_ESTIMATE = 2 };

static mproc_err write_object(struct mproc__writer *writer, const mproc_object *object);

/* ---- the memo: by address ---- */

static size_t cell_of(const struct mproc__writer *writer, const mproc_object *object)
{
    size_t cell = (size_t) (((uint64_t) (uintptr_t) object >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    while (writer->memo[cell & writer->memo_mask].object && writer->memo[cell & writer->memo_mask].object != object)
        cell++;
    return cell & writer->memo_mask;
}

static bool memo_grow(struct mproc__writer *writer)
{
    struct mproc__seen *old = writer->memo;
    size_t old_size = old ? writer->memo_mask + 1 : 0, size = old ? old_size * 2 : 32;
    struct mproc__seen *memo = calloc(size, sizeof *memo);
    if (!memo)
        return false;
    writer->memo = memo;
    writer->memo_mask = size - 1;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].object)
            writer->memo[cell_of(writer, old[i].object)] = old[i];
    free(old);
    return true;
}

/* What gets its place in the memo only when all its parts are written, or (recipes) all but its state. */
static bool comes_late(const struct mproc__writer *writer, const mproc_object *object)
{
    switch (object->type) {
    case MPROC_TYPE_TUPLE:
    case MPROC_TYPE_FROZENSET:
    case MPROC_TYPE_EXCEPTION:
    case MPROC_TYPE_INSTANCE:
        return true;
    case MPROC_TYPE_SET:
        return writer->protocol < 4;
    default:
        return false;
    }
}

/* What has its place in the memo before its parts, or its state, are written: no cycle goes on beyond it. */
static bool ends_cycles(const mproc_object *object)
{
    return object->type >= MPROC_TYPE_LIST && object->type != MPROC_TYPE_TUPLE &&
           object->type != MPROC_TYPE_FROZENSET && object->type != MPROC_TYPE_GLOBAL;
}

static inline bool may_be_shared(const struct mproc__writer *writer, const mproc_object *object)
{
    return writer->everything || mproc__has(object, MPROC__SHARED) ||
           (writer->unfinished > 0 && ends_cycles(object));
}

static mproc_err put_in_memo(struct mproc__writer *writer, const mproc_object *object)
{
    if (writer->max_memo && writer->memo_count >= writer->max_memo)
        return mproc__fail(MPROC_EMSGSIZE, "More than max_memo, %zu, objects of the pickle are shared",
                           writer->max_memo);
    if ((!writer->memo || writer->memo_count > writer->memo_mask / 2) && !memo_grow(writer))
        return mproc__fail_memory("a pickle's memo");
    mproc_err err = mproc__writer_reserve(writer, 5);
    if (err != MPROC_OK)
        return err;
    size_t cell = cell_of(writer, object);
    writer->memo[cell] = (struct mproc__seen){ object, writer->memo_count };
    if (writer->protocol >= 4) {
        *writer->next++ = OP_MEMOIZE;
    } else if (writer->memo_count < 256) {
        *writer->next++ = OP_BINPUT;
        *writer->next++ = (unsigned char) writer->memo_count;
    } else {
        *writer->next++ = OP_LONG_BINPUT;
        writer->next = mproc__put_little(writer->next, writer->memo_count, 4);
    }
    writer->memo_count++;
    return MPROC_OK;
}

/* The object is on top of Python's stack now: remember it. */
static inline mproc_err memoize(struct mproc__writer *writer, const mproc_object *object)
{
    return may_be_shared(writer, object) ? put_in_memo(writer, object) : MPROC_OK;
}

/* NULL: it is not in the memo. */
static inline const struct mproc__seen *seen_before(const struct mproc__writer *writer, const mproc_object *object)
{
    if (!writer->memo || !may_be_shared(writer, object))
        return NULL;
    const struct mproc__seen *seen = &writer->memo[cell_of(writer, object)];
    return seen->object ? seen : NULL;
}

static mproc_err write_reference(struct mproc__writer *writer, const struct mproc__seen *seen)
{
    mproc_err err = mproc__writer_reserve(writer, 5);
    if (err != MPROC_OK)
        return err;
    *writer->next++ = seen->place < 256 ? OP_BINGET : OP_LONG_BINGET;
    writer->next = mproc__put_little(writer->next, seen->place, seen->place < 256 ? 1 : 4);
    return MPROC_OK;
}

/* What Python can make only when all its parts are there may have been written inside itself meanwhile, through a
 * container in it: then its parts, `count` or all above the mark, go off Python's stack again, and a reference
 * stands for it. */
static mproc_err recall(struct mproc__writer *writer, const mproc_object *object, bool marked, size_t count,
                        bool *found)
{
    const struct mproc__seen *seen = seen_before(writer, object);
    *found = seen != NULL;
    mproc_err err = seen ? mproc__writer_reserve(writer, count + 1) : MPROC_OK;
    if (!seen || err != MPROC_OK)
        return err;
    size_t pops = marked ? 1 : count;
    memset(writer->next, marked ? OP_POP_MARK : OP_POP, pops);
    writer->next += pops;
    return write_reference(writer, seen);
}

/* ---- containers ---- */

/* The commonest object: a short str, not shared. */
static inline bool is_short_str(const struct mproc__writer *writer, const mproc_object *object)
{
    return object->type == MPROC_TYPE_STR && writer->protocol >= 4 && mproc__text_size(object) <= SHORT_TEXT &&
           !may_be_shared(writer, object);
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
static mproc_err write_items(struct mproc__writer *writer, mproc_object *const *at, size_t count)
{
    mproc_object *const *end = count > 0 ? at + count : at;
    while (at < end) {
        size_t room = (size_t) (writer->end - writer->next) / 10;
        mproc_object *const *stop = (size_t) (end - at) < room ? end : at + room;
        unsigned char *next = writer->next;
        while (at < stop && !mproc__is_heap(*at))
            next = mproc__put_word(next, *at++);
        writer->next = next;
        if (at == end)
            break;
        mproc_err err = mproc__writer_reserve(writer, 10 + SHORT_TEXT);
        if (err != MPROC_OK)
            return err;
        if (!mproc__is_heap(*at)) /* there was no room */
            continue;
        const mproc_object *object = *at++;
        if (is_short_str(writer, object))
            writer->next = put_short_str(writer->next, object);
        else
            err = write_object(writer, object);
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

/* Marks and an opcode for many, or an opcode for one. `one` is 0 if there is none. */
static mproc_err write_batches(struct mproc__writer *writer, struct mproc__parts parts, size_t batch, size_t least,
                               unsigned char one, unsigned char many)
{
    /* Of what is long a first estimate, so that the buffer need not be moved often: a low one, for it shall not
     * become twice as large as the pickle. */
    bool is_long = parts.count >= MPROC__BATCH;
    mproc_err err = is_long ? mproc__writer_reserve(writer, parts.count * LOW_ESTIMATE) : MPROC_OK;
    for (size_t i = 0; i < parts.count && err == MPROC_OK; i += batch) {
        size_t count = parts.count - i < batch ? parts.count - i : batch;
        bool alone = count == least && one;
        err = alone ? MPROC_OK : mproc__write_byte(writer, OP_MARK);
        if (err == MPROC_OK)
            err = write_items(writer, parts.items + i, count);
        if (err == MPROC_OK)
            err = mproc__write_byte(writer, alone ? one : many);
    }
    return err;
}

static mproc_err write_list(struct mproc__writer *writer, const mproc_object *object)
{
    mproc_err err = mproc__write_byte(writer, OP_EMPTY_LIST);
    if (err == MPROC_OK)
        err = memoize(writer, object);
    if (err != MPROC_OK)
        return err;
    struct mproc__parts items = mproc__parts((mproc_object *) (uintptr_t) object);
    return write_batches(writer, items, MPROC__BATCH, 1, OP_APPEND, OP_APPENDS);
}

static mproc_err write_tuple(struct mproc__writer *writer, const mproc_object *object)
{
    static const unsigned char ends[] = { OP_EMPTY_TUPLE, OP_TUPLE1, OP_TUPLE2, OP_TUPLE3 };
    struct mproc__parts parts = mproc__parts((mproc_object *) (uintptr_t) object);
    bool marked = parts.count > 3, found = false;
    mproc_err err = marked ? mproc__write_byte(writer, OP_MARK) : MPROC_OK;
    if (err == MPROC_OK)
        err = write_items(writer, parts.items, parts.count);
    if (err == MPROC_OK)
        err = recall(writer, object, marked, parts.count, &found);
    if (err != MPROC_OK || found)
        return err;
    err = mproc__write_byte(writer, marked ? OP_TUPLE : ends[parts.count]);
    return err == MPROC_OK ? memoize(writer, object) : err;
}

/* A table's entries without the removed ones. */
static mproc_err write_entries(struct mproc__writer *writer, const mproc_object *object, unsigned char one,
                               unsigned char many)
{
    const struct mproc__table *table = (const struct mproc__table *) object;
    unsigned width = mproc__slots_per_entry(object);
    struct mproc__parts all = { table->slots, (size_t) table->used * width };
    if (table->used == object->lower)
        return write_batches(writer, all, MPROC__BATCH * width, width, one, many);
    mproc_err err = object->lower > 0 ? mproc__write_byte(writer, OP_MARK) : MPROC_OK;
    for (size_t i = 0; i < all.count && err == MPROC_OK; i += width)
        if (all.items[i])
            err = write_items(writer, all.items + i, width);
    return err == MPROC_OK && object->lower > 0 ? mproc__write_byte(writer, many) : err;
}

static mproc_err write_dict(struct mproc__writer *writer, const mproc_object *object)
{
    mproc_err err = mproc__write_byte(writer, OP_EMPTY_DICT);
    if (err == MPROC_OK)
        err = memoize(writer, object);
    return err == MPROC_OK ? write_entries(writer, object, OP_SETITEM, OP_SETITEMS) : err;
}

/* Protocols 2 and 3 call set() and frozenset() with a list. */
static mproc_err write_old_set(struct mproc__writer *writer, const mproc_object *object)
{
    mproc_err err = mproc__write_name(writer, "builtins", object->type == MPROC_TYPE_SET ? "set" : "frozenset");
    if (err == MPROC_OK)
        err = mproc__write_byte(writer, OP_EMPTY_LIST);
    if (err == MPROC_OK)
        err = write_entries(writer, object, OP_APPEND, OP_APPENDS);
    bool found = false;
    if (err == MPROC_OK)
        err = recall(writer, object, false, 2, &found);
    if (err != MPROC_OK || found)
        return err;
    err = mproc__write_bytes(writer, "\x85R", 2);
    return err == MPROC_OK ? memoize(writer, object) : err;
}

static mproc_err write_set(struct mproc__writer *writer, const mproc_object *object)
{
    mproc_err err = mproc__write_byte(writer, OP_EMPTY_SET);
    if (err == MPROC_OK)
        err = memoize(writer, object);
    return err == MPROC_OK ? write_entries(writer, object, 0, OP_ADDITEMS) : err;
}

static mproc_err write_frozenset(struct mproc__writer *writer, const mproc_object *object)
{
    struct mproc__parts parts = mproc__parts((mproc_object *) (uintptr_t) object);
    mproc_err err = mproc__write_byte(writer, OP_MARK);
    bool found = false;
    if (err == MPROC_OK) /* nothing is ever removed from one */
        err = write_items(writer, parts.items, parts.count);
    if (err == MPROC_OK)
        err = recall(writer, object, true, 0, &found);
    if (err != MPROC_OK || found)
        return err;
    err = mproc__write_byte(writer, OP_FROZENSET);
    return err == MPROC_OK ? memoize(writer, object) : err;
}

/* ---- classes and their objects ---- */

static mproc_err write_class(struct mproc__writer *writer, const mproc_object *object)
{
    mproc_err err = mproc__write_class(writer, object);
    return err == MPROC_OK ? memoize(writer, object) : err;
}

/* The object is on top of Python's stack, and in the memo if there is a setter. */
static mproc_err write_state(struct mproc__writer *writer, const mproc_object *object)
{
    mproc_object *const *parts = ((const struct mproc__instance *) object)->parts;
    if (!parts[PART_STATE])
        return MPROC_OK;
    bool setter = parts[PART_SETTER] != NULL;
    mproc_err err = setter ? write_items(writer, &parts[PART_SETTER], 1) : MPROC_OK;
    if (err == MPROC_OK && setter)
        err = write_object(writer, object);
    if (err == MPROC_OK)
        err = write_items(writer, &parts[PART_STATE], 1);
    if (err != MPROC_OK)
        return err;
    static const unsigned char call[] = { OP_TUPLE2, OP_REDUCE, OP_POP };
    return setter ? mproc__write_bytes(writer, call, sizeof call) : mproc__write_byte(writer, OP_BUILD);
}

static mproc_err write_instance(struct mproc__writer *writer, const mproc_object *object)
{
    static const unsigned char recipes[] = { OP_REDUCE, OP_NEWOBJ, OP_NEWOBJ_EX };
    mproc_object *const *parts = ((const struct mproc__instance *) object)->parts;
    bool keywords = object->lower == MPROC_RECIPE_NEW_EX, found = false;
    if (keywords && writer->protocol < 4)
        return mproc__fail(MPROC_EINVAL, "An instance with keyword arguments needs protocol 4");
    mproc_err err = write_items(writer, parts, keywords ? 3 : 2);
    if (err == MPROC_OK)
        err = recall(writer, object, false, keywords ? 3 : 2, &found);
    if (err != MPROC_OK || found)
        return err;
    err = mproc__write_byte(writer, recipes[object->lower]);
    if (err == MPROC_OK)
        err = memoize(writer, object);
    if (err == MPROC_OK && parts[PART_ITEMS])
        err = write_batches(writer, mproc__parts(parts[PART_ITEMS]), MPROC__BATCH, 1, OP_APPEND, OP_APPENDS);
    if (err == MPROC_OK && parts[PART_PAIRS])
        err = write_batches(writer, mproc__parts(parts[PART_PAIRS]), 2 * MPROC__BATCH, 2, OP_SETITEM, OP_SETITEMS);
    return err == MPROC_OK ? write_state(writer, object) : err;
}

static inline mproc_err write_by_type(struct mproc__writer *writer, const mproc_object *object)
{
    switch (object->type) {
    case MPROC_TYPE_LIST:
        return write_list(writer, object);
    case MPROC_TYPE_TUPLE:
        return write_tuple(writer, object);
    case MPROC_TYPE_DICT:
        return write_dict(writer, object);
    case MPROC_TYPE_SET:
        return writer->protocol >= 4 ? write_set(writer, object) : write_old_set(writer, object);
    case MPROC_TYPE_FROZENSET:
        return writer->protocol >= 4 ? write_frozenset(writer, object) : write_old_set(writer, object);
    case MPROC_TYPE_GLOBAL:
        return write_class(writer, object);
    default:
        return write_instance(writer, object);
    }
}

static mproc_err write_container(struct mproc__writer *writer, const mproc_object *object)
{
    if (writer->depth >= writer->max_depth)
        return mproc__fail(MPROC_EINVAL, "The object is nested deeper than %d, or contains itself",
                           writer->max_depth);
    int unfinished = writer->unfinished;
    writer->unfinished += mproc__has(object, MPROC__SHARED) && comes_late(writer, object);
    writer->depth++;
    mproc_err err = write_by_type(writer, object);
    writer->depth--;
    writer->unfinished = unfinished;
    return err;
}

static mproc_err write_object(struct mproc__writer *writer, const mproc_object *object)
{
    const struct mproc__seen *seen = seen_before(writer, object);
    mproc_err err;
    if (seen)
        return write_reference(writer, seen);
    switch (object->type) {
    case MPROC_TYPE_STR:
    case MPROC_TYPE_BYTES:
    case MPROC_TYPE_BYTEARRAY:
        err = mproc__write_text(writer, object);
        return err == MPROC_OK ? memoize(writer, object) : err;
    case MPROC_TYPE_INT:
        if (mproc__text_size(object) > INT32_MAX)
            return mproc__fail(MPROC_EINVAL, "An int of more than 2 GiB cannot be pickled");
        return mproc__write_sized(writer, OP_LONG1, OP_LONG4, 0, mproc__text(object), mproc__text_size(object));
    case MPROC_TYPE_FLOAT:
        err = mproc__writer_reserve(writer, 9);
        if (err == MPROC_OK)
            writer->next = mproc__put_float(writer->next, mproc__float_value(object));
        return err;
    default:
        return write_container(writer, object);
    }
}

static mproc_err write_pickle(struct mproc__writer *writer, const mproc_object *object)
{
    mproc_err err = mproc__writer_reserve(writer, 128);
    if (err != MPROC_OK)
        return err;
    *writer->next++ = OP_PROTO;
    *writer->next++ = (unsigned char) writer->protocol;
    if (mproc__is_heap(object))
        err = write_object(writer, object);
    else
        writer->next = mproc__put_word(writer->next, object);
    if (err == MPROC_OK)
        err = mproc__write_byte(writer, OP_STOP);
    size_t size = (size_t) ((char *) writer->next - writer->buffer->data);
    if (err == MPROC_OK && writer->max_size && size > writer->max_size)
        err = mproc__writer_fail_size(writer);
    if (err == MPROC_OK)
        writer->buffer->size = size;
    return err;
}

mproc_err mproc_pickle_dumps(const mproc_object *object, mproc_buffer *pickle, const mproc_pickle_options *options)
{
    static const mproc_pickle_options defaults;
    if (!options)
        options = &defaults;
    if (!object || !pickle)
        return mproc__fail(MPROC_EINVAL, "mproc_pickle_dumps: object or pickle is NULL; None is mproc_none()");
    int protocol = options->protocol ? options->protocol : MPROC__DEFAULT_PROTOCOL;
    if (protocol < MPROC__LOWEST_PROTOCOL || protocol > MPROC__HIGHEST_PROTOCOL || options->max_depth < 0)
        return mproc__fail(MPROC_EINVAL, "A pickle's protocol is 2 to 5, not %d, and its depth not negative", protocol);
    struct mproc__writer writer = { .buffer = pickle, .protocol = protocol, .max_size = options->max_size,
                                    .max_memo = options->max_memo };
    writer.next = (unsigned char *) pickle->data;
    writer.end = pickle->data ? writer.next + pickle->capacity : NULL;
    bool deep = options->max_depth == 0 || options->max_depth > MPROC__MAX_DEPTH;
    writer.max_depth = deep ? MPROC__MAX_DEPTH : options->max_depth;
    writer.everything = mproc__is_heap(object) && mproc__has(object, MPROC__HELD);
    mproc_err err = write_pickle(&writer, object);
    if (err != MPROC_OK)
        pickle->size = 0;
    free(writer.memo);
    return err;
}
