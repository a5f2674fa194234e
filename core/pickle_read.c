/* SPDX-License-Identifier: MIT */
/* Pickles to objects: a machine with a stack and a memo, as Python's, that knows data only.
 *
 * Every length is checked against what is left before anything is made of it. A byte of pickle makes
 * at most one object, one place on the stack and one in the memo, and tables compare keys only so
 * often: so hostile input costs in proportion to its length. */
#include "error.h"
#include "mproc/pickle.h"
#include "object.h"
#include "opcodes.h"

#include <stdlib.h>

enum { LOCAL_STACK = 128, LOCAL_MEMO = 64, LOCAL_MARKS = 16 };

struct reader {
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
    int max_depth;
    bool keep_unknown;
    struct mproc__effort effort;
    mproc_object *local_stack[LOCAL_STACK];
    mproc_object *local_memo[LOCAL_MEMO];
    size_t local_marks[LOCAL_MARKS];
};

static mproc_err fail(const struct reader *r, const char *what)
{
    mproc__fail(MPROC_EPROTO, "The pickle is corrupt at byte %zu: %s", (size_t) (r->next - r->start), what);
    return MPROC_EPROTO; /* the compiler is to see that it is not MPROC_OK */
}

static mproc_err fail_memory(void)
{
    mproc__fail_memory("what is in the pickle");
    return MPROC_ENOMEM;
}

/* ---- bytes ---- */

static inline size_t left(const struct reader *r)
{
    return (size_t) (r->end - r->next);
}

static mproc_err truncated(const struct reader *r)
{
    return fail(r, "it is truncated");
}

static inline uint64_t little(const unsigned char *at, int size)
{
    uint64_t value = 0;
    for (int i = size; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

/* A length of `width` bytes and so many bytes. */
static inline mproc_err sized(struct reader *r, int width, const unsigned char **data, size_t *size)
{
    if (left(r) < (size_t) width)
        return truncated(r);
    uint64_t length = little(r->next, width);
    if (length > left(r) - (size_t) width)
        return truncated(r);
    *data = r->next + width;
    *size = (size_t) length;
    r->next = *data + length;
    return MPROC_OK;
}

/* ---- the stack ---- */

static mproc_err grow_stack(struct reader *r)
{
    size_t size = (size_t) (r->limit - r->stack), used = (size_t) (r->top - r->stack);
    size_t fence = (size_t) (r->fence - r->stack);
    bool local = r->stack == r->local_stack;
    mproc_object **stack = realloc(local ? NULL : r->stack, size * 2 * sizeof *stack);
    if (!stack)
        return fail_memory();
    if (local)
        memcpy(stack, r->stack, used * sizeof *stack);
    r->stack = stack;
    r->top = stack + used;
    r->fence = stack + fence;
    r->limit = stack + size * 2;
    return MPROC_OK;
}

static inline mproc_err push(struct reader *r, mproc_object *object)
{
    if (!object)
        return fail_memory();
    if (r->top == r->limit) {
        mproc_err err = grow_stack(r);
        if (err != MPROC_OK)
            return err;
    }
    *r->top++ = object;
    return MPROC_OK;
}

static inline bool has(const struct reader *r, size_t count)
{
    return (size_t) (r->top - r->fence) >= count;
}

static mproc_err underflow(const struct reader *r)
{
    return fail(r, "an opcode finds too little on the stack");
}

static mproc_err push_mark(struct reader *r)
{
    if (r->mark_count == r->mark_size) {
        bool local = r->marks == r->local_marks;
        size_t *marks = realloc(local ? NULL : r->marks, r->mark_size * 2 * sizeof *marks);
        if (!marks)
            return fail_memory();
        if (local)
            memcpy(marks, r->local_marks, sizeof r->local_marks);
        r->marks = marks;
        r->mark_size *= 2;
    }
    r->marks[r->mark_count++] = (size_t) (r->fence - r->stack);
    r->fence = r->top;
    return MPROC_OK;
}

/* Takes the uppermost mark and what is above it off the stack; it stays readable until the next push. */
static mproc_err pop_mark(struct reader *r, mproc_object ***items, size_t *count)
{
    if (r->mark_count == 0)
        return fail(r, "an opcode misses its mark");
    *items = r->fence;
    *count = (size_t) (r->top - r->fence);
    r->top = r->fence;
    r->fence = r->stack + r->marks[--r->mark_count];
    return MPROC_OK;
}

/* ---- the memo ---- */

static mproc_err memo_put(struct reader *r, uint64_t place)
{
    if (!has(r, 1))
        return underflow(r);
    /* Python counts places one by one, so a place beyond the pickle's length is a lie. */
    if (place >= (uint64_t) (r->end - r->start) || (r->max_memo && place >= r->max_memo))
        return fail(r, "a place in the memo is too large");
    if (place >= r->memo_size) {
        size_t size = r->memo_size * 2 > place ? r->memo_size * 2 : (size_t) place + 1;
        bool local = r->memo == r->local_memo;
        mproc_object **memo = realloc(local ? NULL : r->memo, size * sizeof *memo);
        if (!memo)
            return fail_memory();
        if (local)
            memcpy(memo, r->local_memo, sizeof r->local_memo);
        memset(memo + r->memo_size, 0, (size - r->memo_size) * sizeof *memo);
        r->memo = memo;
        r->memo_size = size;
    }
    if (!r->memo[place])
        r->memo_count++;
    r->memo[place] = r->top[-1];
    return MPROC_OK;
}

static mproc_err push_shared(struct reader *r, mproc_object *object)
{
    if (mproc__is_heap(object))
        mproc__mark(object, MPROC__SHARED);
    return push(r, object);
}

static mproc_err memo_get(struct reader *r, int width)
{
    if (left(r) < (size_t) width)
        return truncated(r);
    uint64_t place = little(r->next, width);
    r->next += width;
    if (place >= r->memo_size || !r->memo[place])
        return fail(r, "it refers to a place of the memo where nothing is");
    return push_shared(r, r->memo[place]);
}

static mproc_err memo_put_sized(struct reader *r, int width)
{
    if (left(r) < (size_t) width)
        return truncated(r);
    r->next += width;
    return memo_put(r, little(r->next - width, width));
}

/* ---- values ---- */

static mproc_err read_text(struct reader *r, mproc_type type, int width)
{
    const unsigned char *data;
    size_t size;
    mproc_err err = sized(r, width, &data, &size);
    if (err != MPROC_OK)
        return err;
    if (type == MPROC_TYPE_STR && !mproc__utf8_valid((const char *) data, size))
        return fail(r, "a str is not UTF-8");
    return push(r, mproc__make_text(r->zone, type, data, size, MPROC__HELD));
}

static mproc_err read_long(struct reader *r, int width)
{
    const unsigned char *data;
    size_t size;
    if (width == 4 && left(r) >= 4 && r->next[3] >> 7)
        return fail(r, "the length of an int is negative");
    mproc_err err = sized(r, width, &data, &size);
    return err == MPROC_OK ? push(r, mproc__make_int_bytes(r->zone, data, size, MPROC__HELD)) : err;
}

static mproc_err read_float(struct reader *r)
{
    if (left(r) < 8)
        return truncated(r);
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) /* big-endian, alone in a pickle */
        bits = bits << 8 | r->next[i];
    r->next += 8;
    double value;
    memcpy(&value, &bits, sizeof value);
    return push(r, mproc__make_float(r->zone, value, MPROC__HELD));
}

/* Ints come in crowds: as long as the next one is one. `op` was read. */
static mproc_err read_ints(struct reader *r, unsigned char op)
{
    const unsigned char *at = r->next, *end = r->end;
    for (;;) {
        int64_t value;
        if (r->top == r->limit && grow_stack(r) != MPROC_OK)
            return MPROC_ENOMEM;
        if (op == OP_BININT2 && end - at >= 2) {
            value = (int64_t) little(at, 2);
            at += 2;
        } else if (op == OP_BININT && end - at >= 4) {
            value = (int32_t) (uint32_t) little(at, 4);
            at += 4;
        } else if (op == OP_BININT1 && end - at >= 1) {
            value = *at++;
        } else {
            return truncated(r);
        }
        if (MPROC__WIDE || mproc__fits_small(value)) {
            *r->top++ = mproc__small(value);
        } else {
            mproc_object *made = mproc__make_int(r->zone, value, MPROC__HELD);
            if (!made)
                return fail_memory();
            *r->top++ = made;
        }
        if (at == end || (*at != OP_BININT2 && *at != OP_BININT && *at != OP_BININT1))
            break;
        op = *at++;
    }
    r->next = at;
    return MPROC_OK;
}

/* ---- containers ---- */

/* A container is one deeper than the deepest of its items. */
static mproc_err deepen(struct reader *r, mproc_object *container, mproc_object *const *items, size_t count)
{
    unsigned deepest = container->upper;
    for (size_t i = 0; i < count; i++)
        if (mproc__is_heap(items[i]) && items[i]->type >= MPROC_TYPE_LIST && items[i]->upper >= deepest)
            deepest = items[i]->upper + 1u;
    if (deepest >= (unsigned) r->max_depth)
        return mproc__fail(MPROC_EPROTO, "The pickle is nested deeper than %d", r->max_depth);
    container->upper = (uint16_t) deepest;
    return MPROC_OK;
}

/* The stack holds the items; the tuple takes their place. */
static mproc_err make_tuple(struct reader *r, mproc_object **items, size_t count)
{
    mproc_object *tuple = mproc__make_tuple(r->zone, count, MPROC__HELD);
    if (!tuple)
        return fail_memory();
    if (count > 0)
        memcpy(((struct mproc__tuple *) tuple)->items, items, count * sizeof *items);
    mproc_err err = deepen(r, tuple, items, count);
    r->top = items;
    return err == MPROC_OK ? push(r, tuple) : err;
}

static mproc_err short_tuple(struct reader *r, size_t count)
{
    return has(r, count) ? make_tuple(r, r->top - count, count) : underflow(r);
}

static mproc_err marked_tuple(struct reader *r)
{
    mproc_object **items;
    size_t count;
    mproc_err err = pop_mark(r, &items, &count);
    return err == MPROC_OK ? make_tuple(r, items, count) : err;
}

static mproc_err extend(struct reader *r, mproc_object *object, mproc_object **items, size_t count)
{
    struct mproc__list *list = (struct mproc__list *) object;
    if (!mproc__list_reserve(list, count))
        return fail_memory();
    if (count > 0)
        memcpy(list->items + object->lower, items, count * sizeof *items);
    object->lower += (uint32_t) count;
    return deepen(r, object, items, count);
}

/* The list of an instance's items or pairs, made when first needed. */
static mproc_err extend_part(struct reader *r, mproc_object *object, int part, mproc_object **items, size_t count)
{
    mproc_object **list = &((struct mproc__instance *) object)->parts[part];
    if (count == 0) /* is the same as none at all */
        return MPROC_OK;
    if (!*list)
        *list = mproc__make_list(r->zone, MPROC__HELD);
    if (!*list)
        return fail_memory();
    mproc_err err = extend(r, *list, items, count);
    return err == MPROC_OK ? deepen(r, object, list, 1) : err;
}

static bool is_instance(const mproc_object *object)
{
    return mproc__is_heap(object) && (object->type == MPROC_TYPE_INSTANCE || object->type == MPROC_TYPE_EXCEPTION);
}

static mproc_err append(struct reader *r, mproc_object **items, size_t count)
{
    if (!has(r, 1))
        return underflow(r);
    mproc_object *object = r->top[-1];
    if (mproc__is_heap(object) && object->type == MPROC_TYPE_LIST)
        return extend(r, object, items, count);
    return is_instance(object) ? extend_part(r, object, PART_ITEMS, items, count)
                               : fail(r, "it appends to what is no list");
}

/* `count` is of words: keys and values of dicts, items of sets. */
static mproc_err put_entries(struct reader *r, mproc_object *object, mproc_object **items, size_t count)
{
    struct mproc__table *table = (struct mproc__table *) object;
    unsigned width = mproc__slots_per_entry(object);
    if (!mproc__table_reserve(table, count / width))
        return fail_memory();
    for (size_t i = 0; i < count; i += width) {
        size_t entry;
        uint64_t hash;
        mproc_err err = mproc__table_find(object, items[i], &r->effort, &entry, &hash);
        if (err == MPROC_ENOMEM)
            return err;
        if (err != MPROC_OK)
            return mproc__fail(MPROC_EPROTO, "The pickle has a key that is none, before byte %zu: %s",
                               (size_t) (r->next - r->start),
                               err == MPROC_ETYPE ? "its type is unhashable" : "it is nested too deep or too often");
        if (entry == SIZE_MAX) {
            if (!mproc__table_add(table, items[i], items[i + width - 1], hash))
                return fail_memory();
        } else if (width == 2) {
            table->slots[entry * 2 + 1] = items[i + 1];
        }
    }
    return deepen(r, object, items, count);
}

static mproc_err set_items(struct reader *r, mproc_object **items, size_t count)
{
    if (!has(r, 1))
        return underflow(r);
    mproc_object *object = r->top[-1];
    if (count % 2)
        return fail(r, "a key has no value");
    if (mproc__is_heap(object) && object->type == MPROC_TYPE_DICT)
        return put_entries(r, object, items, count);
    return is_instance(object) ? extend_part(r, object, PART_PAIRS, items, count)
                               : fail(r, "it sets items of what is no dict");
}

static mproc_err add_items(struct reader *r, mproc_object **items, size_t count)
{
    if (!has(r, 1))
        return underflow(r);
    mproc_object *object = r->top[-1];
    if (!mproc__is_heap(object) || object->type != MPROC_TYPE_SET)
        return fail(r, "it adds to what is no set");
    return put_entries(r, object, items, count);
}

/* What is marked goes where `put` says. */
static mproc_err marked(struct reader *r, mproc_err (*put)(struct reader *r, mproc_object **items, size_t count))
{
    mproc_object **items;
    size_t count;
    mproc_err err = pop_mark(r, &items, &count);
    return err == MPROC_OK ? put(r, items, count) : err;
}

static mproc_err append_one(struct reader *r)
{
    if (!has(r, 2))
        return underflow(r);
    r->top--;
    return append(r, r->top, 1);
}

static mproc_err set_one(struct reader *r)
{
    if (!has(r, 3))
        return underflow(r);
    r->top -= 2;
    return set_items(r, r->top, 2);
}

/* A new container with what is marked. */
static mproc_err marked_container(struct reader *r, mproc_type type)
{
    mproc_object **items;
    size_t count;
    mproc_err err = pop_mark(r, &items, &count);
    if (err != MPROC_OK)
        return err;
    if (type == MPROC_TYPE_DICT && count % 2)
        return fail(r, "a key has no value");
    mproc_object *object = type == MPROC_TYPE_LIST ? mproc__make_list(r->zone, MPROC__HELD)
                                                   : mproc__make_table(r->zone, type, MPROC__HELD);
    if (!object)
        return fail_memory();
    err = type == MPROC_TYPE_LIST ? extend(r, object, items, count) : put_entries(r, object, items, count);
    return err == MPROC_OK ? push(r, object) : err;
}

/* ---- classes and their objects ---- */

static mproc_err push_class(struct reader *r, mproc_object *module, mproc_object *name)
{
    mproc_object *object = mproc__make_global(r->zone, module, name, MPROC__HELD);
    if (object && !((struct mproc__global *) object)->known && !r->keep_unknown)
        return mproc__fail(MPROC_EPROTO, "The pickle names %.150s.%.150s, which is neither data nor a known "
                           "exception; keep_unknown would keep it", mproc__text(module), mproc__text(name));
    return push(r, object);
}

static bool is_type(const mproc_object *object, mproc_type type)
{
    return mproc__is_heap(object) && object->type == type;
}

static mproc_err stack_class(struct reader *r)
{
    if (!has(r, 2))
        return underflow(r);
    mproc_object *module = r->top[-2], *name = r->top[-1];
    if (!is_type(module, MPROC_TYPE_STR) || !is_type(name, MPROC_TYPE_STR))
        return fail(r, "the name of a class is no str");
    r->top -= 2;
    return push_class(r, module, name);
}

static mproc_err read_line(struct reader *r, mproc_object **line)
{
    const unsigned char *end = memchr(r->next, '\n', left(r));
    if (!end)
        return truncated(r);
    size_t size = (size_t) (end - r->next);
    if (!mproc__utf8_valid((const char *) r->next, size))
        return fail(r, "the name of a class is not UTF-8");
    *line = mproc__make_text(r->zone, MPROC_TYPE_STR, r->next, size, MPROC__HELD);
    r->next = end + 1;
    return *line ? MPROC_OK : fail_memory();
}

static mproc_err line_class(struct reader *r)
{
    mproc_object *module, *name;
    mproc_err err = read_line(r, &module);
    if (err == MPROC_OK)
        err = read_line(r, &name);
    return err == MPROC_OK ? push_class(r, module, name) : err;
}

/* What a few bytes can ask for again and again is paid for out of what the pickle's length allows. */
static bool afford(struct reader *r, size_t count, size_t price)
{
    if (count > r->effort.steps / price)
        return false;
    r->effort.steps -= count * price;
    return true;
}

/* set(items), frozenset(items) */
static mproc_err make_set(struct reader *r, mproc_type type, mproc_object *args)
{
    struct mproc__parts items = { NULL, 0 };
    if (args->lower > 0) {
        mproc_object *source = ((struct mproc__tuple *) args)->items[0];
        if (args->lower > 1 || (!is_type(source, MPROC_TYPE_LIST) && !is_type(source, MPROC_TYPE_TUPLE)))
            return fail(r, "a set is made of something else than a list");
        items = mproc__parts(source);
        if (!afford(r, items.count, 32))
            return fail(r, "too many sets are made of one list");
    }
    mproc_object *set = mproc__make_table(r->zone, type, MPROC__HELD);
    if (!set)
        return fail_memory();
    mproc_err err = put_entries(r, set, items.items, items.count);
    return err == MPROC_OK ? push(r, set) : err;
}

/* A str of Latin-1 code points as bytes; false if there are others. */
static bool narrow(const char *text, size_t size, char *out, size_t *out_size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++, count++) {
        unsigned char c = (unsigned char) text[i];
        if (c >= 0xc4)
            return false;
        if (c >= 0x80) /* the text is UTF-8, so the tail is there */
            c = (unsigned char) (c << 6 | ((unsigned char) text[++i] & 0x3f));
        if (out)
            out[count] = (char) c;
    }
    *out_size = count;
    return true;
}

static mproc_err make_bytes(struct reader *r, mproc_type type, const mproc_object *args)
{
    mproc_object *const *items = ((const struct mproc__tuple *) args)->items;
    if (args->lower == 0)
        return push(r, mproc__make_text(r->zone, type, NULL, 0, MPROC__HELD));
    size_t size;
    mproc_object *made;
    if (args->lower == 1 && is_type(items[0], MPROC_TYPE_BYTES)) {
        size = mproc__text_size(items[0]);
        if (!afford(r, size, 16))
            return fail(r, "too many bytes are copied");
        return push(r, mproc__make_text(r->zone, type, mproc__text(items[0]), size, MPROC__HELD));
    }
    if (args->lower != 2 || !is_type(items[0], MPROC_TYPE_STR) || !is_type(items[1], MPROC_TYPE_STR))
        return fail(r, "bytes are made of something strange");
    const char *text = mproc__text(items[0]), *encoding = mproc__text(items[1]);
    if (strcmp(encoding, "latin1") != 0 && strcmp(encoding, "latin-1") != 0)
        return fail(r, "bytes are encoded in something else than latin1");
    if (!narrow(text, mproc__text_size(items[0]), NULL, &size))
        return fail(r, "a str that is to be bytes is not latin1");
    if (!afford(r, size, 16))
        return fail(r, "too many bytes are copied");
    made = mproc__make_text(r->zone, type, NULL, size, MPROC__HELD);
    if (made)
        (void) narrow(text, mproc__text_size(items[0]), ((struct mproc__text *) made)->data, &size);
    return push(r, made);
}

static mproc_err push_instance(struct reader *r, mproc_recipe recipe, mproc_object *callable, mproc_object *args,
                               mproc_object *kwargs)
{
    if (!is_type(args, MPROC_TYPE_TUPLE))
        return fail(r, "arguments are no tuple");
    if (!is_type(callable, MPROC_TYPE_GLOBAL) && !is_type(callable, MPROC_TYPE_INSTANCE))
        return fail(r, "it calls what is no class");
    mproc_object *instance = mproc__make_instance(r->zone, recipe, callable, args, MPROC__HELD);
    if (!instance)
        return fail_memory();
    if (instance->type == MPROC_TYPE_INSTANCE && !r->keep_unknown)
        return fail(r, "it makes an object in a way that only Python can");
    ((struct mproc__instance *) instance)->parts[PART_KWARGS] = kwargs;
    mproc_object *parts[] = { callable, args, kwargs ? kwargs : MPROC__NONE };
    mproc_err err = deepen(r, instance, parts, 3);
    return err == MPROC_OK ? push(r, instance) : err;
}

static mproc_err reduce(struct reader *r)
{
    if (!has(r, 2))
        return underflow(r);
    r->top -= 2;
    mproc_object *callable = r->top[0], *args = r->top[1];
    const struct mproc__known *known =
        is_type(callable, MPROC_TYPE_GLOBAL) ? ((struct mproc__global *) callable)->known : NULL;
    if (!known || known->kind == MPROC__KNOWN_EXCEPTION || !is_type(args, MPROC_TYPE_TUPLE))
        return push_instance(r, MPROC_RECIPE_CALL, callable, args, NULL);
    switch (known->kind) {
    case MPROC__KNOWN_SET:
        return make_set(r, MPROC_TYPE_SET, args);
    case MPROC__KNOWN_FROZENSET:
        return make_set(r, MPROC_TYPE_FROZENSET, args);
    case MPROC__KNOWN_BYTEARRAY:
        return make_bytes(r, MPROC_TYPE_BYTEARRAY, args);
    default:
        return make_bytes(r, MPROC_TYPE_BYTES, args);
    }
}

static mproc_err new_object(struct reader *r, bool keywords)
{
    size_t count = keywords ? 3 : 2;
    if (!has(r, count))
        return underflow(r);
    r->top -= count;
    if (keywords && !is_type(r->top[2], MPROC_TYPE_DICT))
        return fail(r, "keyword arguments are no dict");
    return push_instance(r, keywords ? MPROC_RECIPE_NEW_EX : MPROC_RECIPE_NEW, r->top[0], r->top[1],
                         keywords ? r->top[2] : NULL);
}

static mproc_err build(struct reader *r)
{
    if (!has(r, 2))
        return underflow(r);
    r->top--;
    mproc_object *object = r->top[-1], *state = r->top[0];
    if (!is_instance(object) || ((struct mproc__instance *) object)->parts[PART_STATE])
        return fail(r, "it gives a state to what cannot have one");
    ((struct mproc__instance *) object)->parts[PART_STATE] = state;
    return deepen(r, object, &state, 1);
}

/* ---- the machine ---- */

static mproc_err pop(struct reader *r)
{
    mproc_object **items;
    size_t count;
    if (has(r, 1)) {
        r->top--;
        return MPROC_OK;
    }
    return pop_mark(r, &items, &count); /* as in Python, the mark itself */
}

static mproc_err pop_marked(struct reader *r)
{
    mproc_object **items;
    size_t count;
    return pop_mark(r, &items, &count);
}

static mproc_err protocol(struct reader *r)
{
    if (left(r) < 1)
        return truncated(r);
    return *r->next++ <= MPROC__HIGHEST_PROTOCOL ? MPROC_OK : fail(r, "its protocol is newer than 5");
}

static mproc_err frame(struct reader *r)
{
    if (left(r) < 8)
        return truncated(r);
    uint64_t size = little(r->next, 8);
    r->next += 8;
    return size <= left(r) ? MPROC_OK : truncated(r); /* what is in it is read like the rest */
}

static mproc_err unknown(const struct reader *r, unsigned char op)
{
    return mproc__fail(MPROC_EPROTO, "The pickle has opcode 0x%02x at byte %zu, which protocols 2 to 5 do not need "
                       "for data", op, (size_t) (r->next - r->start) - 1);
}

static mproc_err step(struct reader *r, unsigned char op)
{
    switch (op) {
    case OP_BININT1:
    case OP_BININT2:
    case OP_BININT:
        return read_ints(r, op);
    case OP_SHORT_BINUNICODE:
        return read_text(r, MPROC_TYPE_STR, 1);
    case OP_MEMOIZE:
        return memo_put(r, r->memo_count);
    case OP_NONE:
        return push(r, MPROC__NONE);
    case OP_NEWTRUE:
        return push(r, MPROC__TRUE);
    case OP_NEWFALSE:
        return push(r, MPROC__FALSE);
    case OP_BINFLOAT:
        return read_float(r);
    case OP_MARK:
        return push_mark(r);
    case OP_EMPTY_LIST:
        return push(r, mproc__make_list(r->zone, MPROC__HELD));
    case OP_APPENDS:
        return marked(r, append);
    case OP_APPEND:
        return append_one(r);
    case OP_EMPTY_DICT:
        return push(r, mproc__make_table(r->zone, MPROC_TYPE_DICT, MPROC__HELD));
    case OP_SETITEMS:
        return marked(r, set_items);
    case OP_SETITEM:
        return set_one(r);
    case OP_EMPTY_TUPLE:
        return push(r, mproc__make_tuple(r->zone, 0, MPROC__HELD));
    case OP_TUPLE1:
        return short_tuple(r, 1);
    case OP_TUPLE2:
        return short_tuple(r, 2);
    case OP_TUPLE3:
        return short_tuple(r, 3);
    case OP_TUPLE:
        return marked_tuple(r);
    case OP_BINGET:
        return memo_get(r, 1);
    case OP_LONG_BINGET:
        return memo_get(r, 4);
    case OP_BINPUT:
        return memo_put_sized(r, 1);
    case OP_LONG_BINPUT:
        return memo_put_sized(r, 4);
    case OP_BINUNICODE:
        return read_text(r, MPROC_TYPE_STR, 4);
    case OP_BINUNICODE8:
        return read_text(r, MPROC_TYPE_STR, 8);
    case OP_SHORT_BINBYTES:
        return read_text(r, MPROC_TYPE_BYTES, 1);
    case OP_BINBYTES:
        return read_text(r, MPROC_TYPE_BYTES, 4);
    case OP_BINBYTES8:
        return read_text(r, MPROC_TYPE_BYTES, 8);
    case OP_BYTEARRAY8:
        return read_text(r, MPROC_TYPE_BYTEARRAY, 8);
    case OP_LONG1:
        return read_long(r, 1);
    case OP_LONG4:
        return read_long(r, 4);
    case OP_EMPTY_SET:
        return push(r, mproc__make_table(r->zone, MPROC_TYPE_SET, MPROC__HELD));
    case OP_ADDITEMS:
        return marked(r, add_items);
    case OP_FROZENSET:
        return marked_container(r, MPROC_TYPE_FROZENSET);
    case OP_LIST:
        return marked_container(r, MPROC_TYPE_LIST);
    case OP_DICT:
        return marked_container(r, MPROC_TYPE_DICT);
    case OP_STACK_GLOBAL:
        return stack_class(r);
    case OP_GLOBAL:
        return line_class(r);
    case OP_REDUCE:
        return reduce(r);
    case OP_NEWOBJ:
        return new_object(r, false);
    case OP_NEWOBJ_EX:
        return new_object(r, true);
    case OP_BUILD:
        return build(r);
    case OP_POP:
        return pop(r);
    case OP_POP_MARK:
        return pop_marked(r);
    case OP_DUP:
        return has(r, 1) ? push_shared(r, r->top[-1]) : underflow(r);
    case OP_PROTO:
        return protocol(r);
    case OP_FRAME:
        return frame(r);
    default:
        return unknown(r, op);
    }
}

static mproc_err run(struct reader *r, mproc_object **object)
{
    for (;;) {
        if (r->next == r->end)
            return truncated(r);
        unsigned char op = *r->next++;
        if (op == OP_STOP)
            break;
        mproc_err err = step(r, op);
        if (err != MPROC_OK)
            return err;
    }
    if (!has(r, 1))
        return underflow(r);
    *object = r->top[-1];
    return MPROC_OK;
}

/* Room for the objects of a small pickle at once. */
static size_t expected(size_t size)
{
    return size < 4096 ? size * 4 + 128 : 16384;
}

mproc_err mproc_pickle_loads(mproc_object **object, const void *data, size_t size,
                             const mproc_pickle_options *options)
{
    static const mproc_pickle_options defaults;
    const mproc_pickle_options *o = options ? options : &defaults;
    if (!object || (!data && size > 0) || o->max_depth < 0)
        return mproc__fail(MPROC_EINVAL, "mproc_pickle_loads: object or data is NULL, or max_depth negative");
    if (o->max_size && size > o->max_size)
        return mproc__fail(MPROC_EMSGSIZE, "The pickle has %zu bytes, more than max_size, %zu", size, o->max_size);
    struct reader r;
    r.zone = mproc__zone_create(expected(size));
    if (!r.zone)
        return fail_memory();
    r.start = r.next = data ? data : "";
    r.end = r.start + size;
    r.stack = r.top = r.fence = r.local_stack;
    r.limit = r.stack + LOCAL_STACK;
    r.memo = r.local_memo;
    r.memo_size = LOCAL_MEMO;
    r.memo_count = 0;
    memset(r.local_memo, 0, sizeof r.local_memo);
    r.marks = r.local_marks;
    r.mark_count = 0;
    r.mark_size = LOCAL_MARKS;
    r.max_memo = o->max_memo;
    r.max_depth = o->max_depth && o->max_depth < MPROC__MAX_DEPTH ? o->max_depth : MPROC__MAX_DEPTH;
    r.keep_unknown = o->keep_unknown;
    r.effort = (struct mproc__effort) MPROC__EFFORT(size < SIZE_MAX / 64 ? size * 64 + 4096 : SIZE_MAX);

    mproc_object *root = NULL;
    mproc_err err = run(&r, &root);
    if (r.stack != r.local_stack)
        free(r.stack);
    if (r.memo != r.local_memo)
        free(r.memo);
    if (r.marks != r.local_marks)
        free(r.marks);
    mproc__effort_end(&r.effort);
    if (err != MPROC_OK || !mproc__is_heap(root))
        mproc__zone_release(r.zone); /* a number needs no memory */
    else if (!mproc__has(root, MPROC__SHARED))
        atomic_store_explicit(&root->flags, (uint8_t) (root->flags & ~MPROC__HELD), memory_order_relaxed);
    if (err == MPROC_OK)
        *object = root;
    return err;
}
