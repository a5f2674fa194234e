/* SPDX-License-Identifier: MIT */
/* Pickles to objects: the machine, with its stack, its marks and its memo. It knows data only. */
#include "mproc/pickle.h"
#include "pickle_reader.h"

#include <stdlib.h>

/* ---- failing ---- */

mproc_err mproc__reader_fail(const struct mproc__reader *reader, const char *what)
{
    return mproc__fail(MPROC_EPROTO, "The pickle is corrupt at byte %zu: %s",
                       (size_t) (reader->next - reader->start), what);
}

mproc_err mproc__reader_fail_memory(void)
{
    return mproc__fail_memory("what is in the pickle");
}

mproc_err mproc__reader_underflow(const struct mproc__reader *reader)
{
    return mproc__reader_fail(reader, "an opcode finds too little on the stack");
}

/* ---- the stack ---- */

mproc_err mproc__reader_grow_stack(struct mproc__reader *reader)
{
    size_t size = (size_t) (reader->limit - reader->stack), used = (size_t) (reader->top - reader->stack);
    size_t fence = (size_t) (reader->fence - reader->stack);
    bool local = reader->stack == reader->local_stack;
    mproc_object **stack = realloc(local ? NULL : reader->stack, size * 2 * sizeof *stack);
    if (!stack)
        return mproc__reader_fail_memory();
    if (local)
        memcpy(stack, reader->stack, used * sizeof *stack);
    reader->stack = stack;
    reader->top = stack + used;
    reader->fence = stack + fence;
    reader->limit = stack + size * 2;
    return MPROC_OK;
}

static mproc_err push_mark(struct mproc__reader *reader)
{
    if (reader->mark_count == reader->mark_size) {
        bool local = reader->marks == reader->local_marks;
        size_t *marks = realloc(local ? NULL : reader->marks, reader->mark_size * 2 * sizeof *marks);
        if (!marks)
            return mproc__reader_fail_memory();
        if (local)
            memcpy(marks, reader->local_marks, sizeof reader->local_marks);
        reader->marks = marks;
        reader->mark_size *= 2;
    }
    reader->marks[reader->mark_count++] = (size_t) (reader->fence - reader->stack);
    reader->fence = reader->top;
    return MPROC_OK;
}

mproc_err mproc__reader_pop_mark(struct mproc__reader *reader, mproc_object ***items, size_t *count)
{
    if (reader->mark_count == 0)
        return mproc__reader_fail(reader, "an opcode misses its mark");
    *items = reader->fence;
    *count = (size_t) (reader->top - reader->fence);
    reader->top = reader->fence;
    reader->fence = reader->stack + reader->marks[--reader->mark_count];
    return MPROC_OK;
}

static mproc_err drop_marked(struct mproc__reader *reader)
{
    mproc_object **items;
    size_t count;
    mproc_err err = mproc__reader_pop_mark(reader, &items, &count);
    for (size_t i = 0; err == MPROC_OK && i < count; i++)
        err = mproc__read_dropped(reader, items[i]);
    return err;
}

static mproc_err drop(struct mproc__reader *reader)
{
    if (!mproc__reader_has(reader, 1))
        return drop_marked(reader); /* as in Python, the mark itself */
    return mproc__read_dropped(reader, *--reader->top);
}

static mproc_err push_shared(struct mproc__reader *reader, mproc_object *object)
{
    if (mproc__is_heap(object))
        mproc__mark(object, MPROC__SHARED);
    return mproc__reader_push(reader, object);
}

static mproc_err read_dup(struct mproc__reader *reader)
{
    return mproc__reader_has(reader, 1) ? push_shared(reader, reader->top[-1]) : mproc__reader_underflow(reader);
}

static inline mproc_err push_table(struct mproc__reader *reader, mproc_type type)
{
    return mproc__reader_push(reader, mproc__make_table(reader->zone, type, MPROC__HELD));
}

/* ---- the memo ---- */

static mproc_err grow_memo(struct mproc__reader *reader, uint64_t place)
{
    size_t size = reader->memo_size * 2 > place ? reader->memo_size * 2 : (size_t) place + 1;
    bool local = reader->memo == reader->local_memo;
    mproc_object **memo = realloc(local ? NULL : reader->memo, size * sizeof *memo);
    if (!memo)
        return mproc__reader_fail_memory();
    if (local)
        memcpy(memo, reader->local_memo, sizeof reader->local_memo);
    memset(memo + reader->memo_size, 0, (size - reader->memo_size) * sizeof *memo);
    reader->memo = memo;
    reader->memo_size = size;
    return MPROC_OK;
}

static inline mproc_err memo_put(struct mproc__reader *reader, uint64_t place)
{
    if (!mproc__reader_has(reader, 1))
        return mproc__reader_underflow(reader);
    /* Python counts places one by one, so a place beyond the pickle's length is a lie. */
    if (place >= (uint64_t) (reader->end - reader->start))
        return mproc__reader_fail(reader, "a place in the memo is too large");
    if (reader->max_memo && place >= reader->max_memo)
        return mproc__fail(MPROC_EMSGSIZE, "The pickle puts more than max_memo, %zu, objects into its memo",
                           reader->max_memo);
    mproc_err err = place >= reader->memo_size ? grow_memo(reader, place) : MPROC_OK;
    if (err != MPROC_OK)
        return err;
    if (!reader->memo[place])
        reader->memo_count++;
    reader->memo[place] = reader->top[-1];
    return MPROC_OK;
}

/* The place that stands behind the opcode. */
static inline mproc_err read_place(struct mproc__reader *reader, unsigned width, uint64_t *place)
{
    if (mproc__reader_left(reader) < width)
        return mproc__reader_truncated(reader);
    *place = mproc__little(reader->next, width);
    reader->next += width;
    return MPROC_OK;
}

static mproc_err read_put(struct mproc__reader *reader, unsigned width)
{
    uint64_t place;
    mproc_err err = read_place(reader, width, &place);
    return err == MPROC_OK ? memo_put(reader, place) : err;
}

static mproc_err read_get(struct mproc__reader *reader, unsigned width)
{
    uint64_t place;
    mproc_err err = read_place(reader, width, &place);
    if (err != MPROC_OK)
        return err;
    if (place >= reader->memo_size || !reader->memo[place])
        return mproc__reader_fail(reader, "it refers to a place of the memo where nothing is");
    return push_shared(reader, reader->memo[place]);
}

/* ---- the machine ---- */

static mproc_err read_protocol(struct mproc__reader *reader)
{
    if (mproc__reader_left(reader) < 1)
        return mproc__reader_truncated(reader);
    reader->protocol = *reader->next++;
    return reader->protocol <= MPROC__HIGHEST_PROTOCOL ? MPROC_OK
                                                       : mproc__reader_fail(reader, "its protocol is newer than 5");
}

static mproc_err read_frame(struct mproc__reader *reader)
{
    if (mproc__reader_left(reader) < 8)
        return mproc__reader_truncated(reader);
    uint64_t size = mproc__little(reader->next, 8);
    reader->next += 8;
    /* what is in it is read like the rest */
    return size <= mproc__reader_left(reader) ? MPROC_OK : mproc__reader_truncated(reader);
}

/* Why an opcode that Python knows is none of ours; NULL for what nobody knows. */
static const char *reason_against(unsigned char opcode)
{
    switch (opcode) {
    case 'F': case 'I': case 'L': case 'S': case 'V': case 'g': case 'i': case 'o': case 'p':
        return "it is of protocol 0 or 1; dump it with protocol 2 or higher";
    case 'T': case 'U':
        return "it is a str of Python 2, which says not whether it is text or bytes; dump unicode or bytearray";
    case 'P': case 'Q':
        return "it has a persistent id, which only its own program can follow";
    case 0x82: case 0x83: case 0x84:
        return "it has a number of copyreg's extensions instead of a class, which only its own program knows";
    case 0x97: case 0x98:
        return "a buffer of it was pickled out of band; dump it without buffer_callback";
    default:
        return NULL;
    }
}

static mproc_err fail_opcode(const struct mproc__reader *reader, unsigned char opcode)
{
    size_t place = (size_t) (reader->next - reader->start) - 1;
    const char *reason = reason_against(opcode);
    if (reason)
        return mproc__fail(MPROC_EPROTO, "The pickle cannot be read from byte %zu on: %s", place, reason);
    return mproc__fail(MPROC_EPROTO, "The pickle has 0x%02x at byte %zu, which is no opcode of any protocol to 5",
                       opcode, place);
}

/* A line an opcode; a table of functions is a tenth slower for small pickles. */
static inline mproc_err step(struct mproc__reader *reader, unsigned char opcode)
{
    switch (opcode) {
    case OP_BININT1: case OP_BININT2: case OP_BININT: return mproc__read_ints(reader);
    case OP_LONG1: return mproc__read_long(reader, 1);
    case OP_LONG4: return mproc__read_long(reader, 4);
    case OP_BINFLOAT: return mproc__read_float(reader);
    case OP_NONE: return mproc__reader_push(reader, MPROC__NONE);
    case OP_NEWTRUE: return mproc__reader_push(reader, MPROC__TRUE);
    case OP_NEWFALSE: return mproc__reader_push(reader, MPROC__FALSE);
    case OP_SHORT_BINUNICODE: return mproc__read_text(reader, MPROC_TYPE_STR, 1);
    case OP_BINUNICODE: return mproc__read_text(reader, MPROC_TYPE_STR, 4);
    case OP_BINUNICODE8: return mproc__read_text(reader, MPROC_TYPE_STR, 8);
    case OP_SHORT_BINBYTES: return mproc__read_text(reader, MPROC_TYPE_BYTES, 1);
    case OP_BINBYTES: return mproc__read_text(reader, MPROC_TYPE_BYTES, 4);
    case OP_BINBYTES8: return mproc__read_text(reader, MPROC_TYPE_BYTES, 8);
    case OP_BYTEARRAY8: return mproc__read_text(reader, MPROC_TYPE_BYTEARRAY, 8);
    case OP_MEMOIZE: return memo_put(reader, reader->memo_count);
    case OP_BINPUT: return read_put(reader, 1);
    case OP_LONG_BINPUT: return read_put(reader, 4);
    case OP_BINGET: return read_get(reader, 1);
    case OP_LONG_BINGET: return read_get(reader, 4);
    case OP_MARK: return push_mark(reader);
    case OP_POP: return drop(reader);
    case OP_POP_MARK: return drop_marked(reader);
    case OP_DUP: return read_dup(reader);
    case OP_EMPTY_LIST: return mproc__reader_push(reader, mproc__make_list(reader->zone, MPROC__HELD));
    case OP_APPEND: return mproc__read_append(reader);
    case OP_APPENDS: return mproc__read_appends(reader);
    case OP_LIST: return mproc__read_marked(reader, MPROC_TYPE_LIST);
    case OP_EMPTY_TUPLE: return mproc__read_short_tuple(reader, 0);
    case OP_TUPLE1: return mproc__read_short_tuple(reader, 1);
    case OP_TUPLE2: return mproc__read_short_tuple(reader, 2);
    case OP_TUPLE3: return mproc__read_short_tuple(reader, 3);
    case OP_TUPLE: return mproc__read_tuple(reader);
    case OP_EMPTY_DICT: return push_table(reader, MPROC_TYPE_DICT);
    case OP_SETITEM: return mproc__read_setitem(reader);
    case OP_SETITEMS: return mproc__read_setitems(reader);
    case OP_DICT: return mproc__read_marked(reader, MPROC_TYPE_DICT);
    case OP_EMPTY_SET: return push_table(reader, MPROC_TYPE_SET);
    case OP_ADDITEMS: return mproc__read_additems(reader);
    case OP_FROZENSET: return mproc__read_marked(reader, MPROC_TYPE_FROZENSET);
    case OP_GLOBAL: return mproc__read_global(reader);
    case OP_STACK_GLOBAL: return mproc__read_stack_global(reader);
    case OP_REDUCE: return mproc__read_reduce(reader);
    case OP_NEWOBJ: return mproc__read_newobj(reader, false);
    case OP_NEWOBJ_EX: return mproc__read_newobj(reader, true);
    case OP_BUILD: return mproc__read_build(reader);
    case OP_PROTO: return read_protocol(reader);
    case OP_FRAME: return read_frame(reader);
    default: return fail_opcode(reader, opcode);
    }
}

static mproc_err run(struct mproc__reader *reader, mproc_object **object)
{
    for (;;) {
        if (reader->next == reader->end)
            return mproc__reader_truncated(reader);
        unsigned char opcode = *reader->next++;
        if (opcode == OP_STOP)
            break;
        mproc_err err = step(reader, opcode);
        if (err != MPROC_OK)
            return err;
    }
    if (!mproc__reader_has(reader, 1))
        return mproc__reader_underflow(reader);
    *object = reader->top[-1];
    return MPROC_OK;
}

/* Room for the objects of a small pickle at once. */
static size_t expected(size_t size)
{
    return size < 4096 ? size * 4 + 128 : 16384;
}

/* The zone is there; the large arrays are cleared where they have to be only. */
static void start(struct mproc__reader *reader, const void *data, size_t size, const mproc_pickle_options *options)
{
    reader->start = reader->next = data ? data : "";
    reader->end = reader->start + size;
    reader->stack = reader->top = reader->fence = reader->local_stack;
    reader->limit = reader->stack + MPROC__LOCAL_STACK;
    reader->memo = reader->local_memo;
    reader->memo_size = MPROC__LOCAL_MEMO;
    reader->memo_count = 0;
    memset(reader->local_memo, 0, sizeof reader->local_memo);
    reader->marks = reader->local_marks;
    reader->mark_count = 0;
    reader->mark_size = MPROC__LOCAL_MARKS;
    reader->max_memo = options->max_memo;
    reader->protocol = 0;
    bool deep = options->max_depth == 0 || options->max_depth > MPROC__MAX_DEPTH;
    reader->max_depth = deep ? MPROC__MAX_DEPTH : options->max_depth;
    reader->keep_unknown = options->keep_unknown;
    size_t steps = size < SIZE_MAX / 64 ? size * 64 + 4096 : SIZE_MAX;
    reader->effort = (struct mproc__effort) MPROC__EFFORT(steps, true);
}

static void end(struct mproc__reader *reader)
{
    if (reader->stack != reader->local_stack)
        free(reader->stack);
    if (reader->memo != reader->local_memo)
        free(reader->memo);
    if (reader->marks != reader->local_marks)
        free(reader->marks);
    mproc__effort_end(&reader->effort);
}

mproc_err mproc_pickle_loads(mproc_object **object, const void *data, size_t size,
                             const mproc_pickle_options *options)
{
    static const mproc_pickle_options defaults;
    if (!options)
        options = &defaults;
    if (!object || (!data && size > 0) || options->max_depth < 0)
        return mproc__fail(MPROC_EINVAL, "mproc_pickle_loads: object or data is NULL, or max_depth negative");
    if (options->max_size && size > options->max_size)
        return mproc__fail(MPROC_EMSGSIZE, "The pickle has %zu bytes, more than max_size, %zu", size,
                           options->max_size);
    struct mproc__reader reader;
    reader.zone = mproc__zone_create(expected(size));
    if (!reader.zone)
        return mproc__reader_fail_memory();
    start(&reader, data, size, options);
    mproc_object *root = NULL;
    mproc_err err = run(&reader, &root);
    end(&reader);
    if (err != MPROC_OK || !mproc__is_heap(root))
        mproc__zone_release(reader.zone); /* a number needs no memory */
    else if (!mproc__has(root, MPROC__SHARED))
        atomic_store_explicit(&root->flags, (uint8_t) (root->flags & ~MPROC__HELD), memory_order_relaxed);
    if (err == MPROC_OK)
        *object = root;
    return err;
}
