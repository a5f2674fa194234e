/* SPDX-License-Identifier: MIT */
/* The machine that reads pickles: a stack, marks on it, and a memo, as Python's. Inside pickle_read*.c only.
 *
 * Every length is checked against what is left before anything is made of it. A byte of pickle makes
 * at most one object, one place on the stack and one in the memo, and tables compare keys only so
 * often: so hostile input costs in proportion to its length. */
#ifndef MPROC_CORE_PICKLE_READER_H
#define MPROC_CORE_PICKLE_READER_H

#include "error.h"
#include "object.h"
#include "opcodes.h"

enum { MPROC__LOCAL_STACK = 128, MPROC__LOCAL_MEMO = 64, MPROC__LOCAL_MARKS = 16 };

struct mproc__reader {
    const unsigned char *next;
    const unsigned char *end;
    mproc_object **top;   /* above the uppermost object */
    mproc_object **limit;
    mproc_object **fence; /* what an opcode may pop: down to the uppermost mark */
    mproc_object **stack;
    mproc_object **memo;
    size_t memo_size;     /* places there are; those above the last used one are NULL */
    size_t memo_count;    /* as many as MEMOIZE counts */
    size_t *marks;        /* fences below, as places of the stack */
    size_t mark_count;
    size_t mark_size;
    struct mproc__zone *zone;
    const unsigned char *start;
    size_t max_memo;
    int protocol; /* as the pickle says */
    int max_depth;
    bool keep_unknown;
    struct mproc__effort effort;
    mproc_object *local_stack[MPROC__LOCAL_STACK];
    mproc_object *local_memo[MPROC__LOCAL_MEMO];
    size_t local_marks[MPROC__LOCAL_MARKS];
};

/* ---- failing ---- */

mproc_err mproc__reader_fail(const struct mproc__reader *reader, const char *what);
mproc_err mproc__reader_fail_memory(void);
mproc_err mproc__reader_underflow(const struct mproc__reader *reader);

static inline mproc_err mproc__reader_truncated(const struct mproc__reader *reader)
{
    (void) mproc__reader_fail(reader, "it is truncated");
    return MPROC_EPROTO; /* the compiler is to see that it is not MPROC_OK */
}

/* ---- bytes ---- */

static inline size_t mproc__reader_left(const struct mproc__reader *reader)
{
    return (size_t) (reader->end - reader->next);
}

static inline uint64_t mproc__little(const unsigned char *at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = size; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

/* ---- the stack ---- */

mproc_err mproc__reader_grow_stack(struct mproc__reader *reader);

static inline mproc_err mproc__reader_push(struct mproc__reader *reader, mproc_object *object)
{
    if (!object)
        return mproc__reader_fail_memory();
    if (reader->top == reader->limit) {
        mproc_err err = mproc__reader_grow_stack(reader);
        if (err != MPROC_OK)
            return err;
    }
    *reader->top++ = object;
    return MPROC_OK;
}

/* Whether so many objects lie above the uppermost mark. */
static inline bool mproc__reader_has(const struct mproc__reader *reader, size_t count)
{
    return (size_t) (reader->top - reader->fence) >= count;
}

/* Takes the uppermost mark and what is above it off the stack; it stays readable until the next push. */
mproc_err mproc__reader_pop_mark(struct mproc__reader *reader, mproc_object ***items, size_t *count);

static inline bool mproc__is_a(const mproc_object *object, mproc_type type)
{
    return mproc__is_heap(object) && object->type == type;
}

static inline bool mproc__is_recipe(const mproc_object *object)
{
    return mproc__is_heap(object) && (object->type == MPROC_TYPE_INSTANCE || object->type == MPROC_TYPE_EXCEPTION);
}

/* ---- filling containers ---- */

/* `container` got these items: it is one deeper than the deepest of them. */
mproc_err mproc__reader_deepen(struct mproc__reader *reader, mproc_object *container, mproc_object *const *items,
                               size_t count);
/* Keys and values for a dict, items for a set; `count` is of both. */
mproc_err mproc__reader_fill_table(struct mproc__reader *reader, mproc_object *table, mproc_object **items,
                                   size_t count);

/* ---- what opcodes do, as their names say; `width` is that of the length behind the opcode, in bytes ---- */

mproc_err mproc__read_ints(struct mproc__reader *reader);
mproc_err mproc__read_long(struct mproc__reader *reader, unsigned width);
mproc_err mproc__read_float(struct mproc__reader *reader);
/* A str, bytes or a bytearray. */
mproc_err mproc__read_text(struct mproc__reader *reader, mproc_type type, unsigned width);

mproc_err mproc__read_short_tuple(struct mproc__reader *reader, size_t count);
mproc_err mproc__read_tuple(struct mproc__reader *reader);
/* A new list, dict or frozenset of what is marked. */
mproc_err mproc__read_marked(struct mproc__reader *reader, mproc_type type);
mproc_err mproc__read_append(struct mproc__reader *reader);
mproc_err mproc__read_appends(struct mproc__reader *reader);
mproc_err mproc__read_setitem(struct mproc__reader *reader);
mproc_err mproc__read_setitems(struct mproc__reader *reader);
mproc_err mproc__read_additems(struct mproc__reader *reader);

mproc_err mproc__read_global(struct mproc__reader *reader);
mproc_err mproc__read_stack_global(struct mproc__reader *reader);
mproc_err mproc__read_reduce(struct mproc__reader *reader);
/* NEWOBJ, or NEWOBJ_EX with keyword arguments. */
mproc_err mproc__read_newobj(struct mproc__reader *reader, bool keywords);
mproc_err mproc__read_build(struct mproc__reader *reader);
/* What was popped. */
mproc_err mproc__read_dropped(struct mproc__reader *reader, mproc_object *object);

#endif
