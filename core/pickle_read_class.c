/* SPDX-License-Identifier: MIT */
/* Reading pickles: names of classes, and what is made with them. Nothing is imported or called. */
#include "pickle_reader.h"

/* What a few bytes can ask for again and again is paid for out of what the pickle's length allows: about as much as
 * it takes of memory. Nine items need an index. */
enum { SET_ITEM_PRICE = 56, BYTE_PRICE = 16, BYTES_LOOKED_AT = 16 /* for 1 */ };

static bool afford(struct mproc__reader *reader, size_t count, size_t price)
{
    if (count > reader->effort.steps / price)
        return false;
    reader->effort.steps -= count * price;
    return true;
}

static bool has_nul(const mproc_object *text)
{
    return memchr(mproc__text(text), 0, mproc__text_size(text)) != NULL;
}

static mproc_err push_class(struct mproc__reader *reader, mproc_object *module, mproc_object *name)
{
    if (reader->protocol < 3) {
        struct mproc__word module_today = mproc__word(module), name_today = mproc__word(name);
        mproc__name_today(&module_today, &name_today);
        module = mproc__renamed(reader->zone, module, module_today);
        name = mproc__renamed(reader->zone, name, name_today);
        if (!module || !name)
            return mproc__reader_fail_memory();
    }
    if (!afford(reader, (mproc__text_size(module) + mproc__text_size(name)) / BYTES_LOOKED_AT, 1))
        return mproc__reader_fail(reader, "too many classes with long names");
    if (has_nul(module) || has_nul(name)) /* Python finds none, and as C strings they would be others */
        return mproc__reader_fail(reader, "the name of a class has a NUL in it");
    mproc_object *object = mproc__make_global(reader->zone, module, name, MPROC__HELD);
    char printable[2][150];
    if (object && !((struct mproc__global *) object)->known && !reader->keep_unknown)
        return mproc__fail(MPROC_EPROTO, "The pickle names %s.%s, which is neither data nor a known exception; "
                           "keep_unknown would keep it", mproc__printable(module, printable[0], sizeof printable[0]),
                           mproc__printable(name, printable[1], sizeof printable[1]));
    return mproc__reader_push(reader, object);
}

mproc_err mproc__read_stack_global(struct mproc__reader *reader)
{
    if (!mproc__reader_has(reader, 2))
        return mproc__reader_underflow(reader);
    mproc_object *module = reader->top[-2], *name = reader->top[-1];
    if (!mproc__is_a(module, MPROC_TYPE_STR) || !mproc__is_a(name, MPROC_TYPE_STR))
        return mproc__reader_fail(reader, "the name of a class is no str");
    reader->top -= 2;
    return push_class(reader, module, name);
}

static mproc_err read_line(struct mproc__reader *reader, mproc_object **line)
{
    const unsigned char *end = memchr(reader->next, '\n', mproc__reader_left(reader));
    if (!end)
        return mproc__reader_truncated(reader);
    size_t size = (size_t) (end - reader->next);
    if (!mproc__utf8_valid((const char *) reader->next, size))
        return mproc__reader_fail(reader, "the name of a class is not UTF-8");
    *line = mproc__make_text(reader->zone, MPROC_TYPE_STR, reader->next, size, MPROC__HELD);
    reader->next = end + 1;
    return *line ? MPROC_OK : mproc__reader_fail_memory();
}

mproc_err mproc__read_global(struct mproc__reader *reader)
{
    mproc_object *module, *name;
    mproc_err err = read_line(reader, &module);
    if (err == MPROC_OK)
        err = read_line(reader, &name);
    return err == MPROC_OK ? push_class(reader, module, name) : err;
}

/* set(items), frozenset(items) */
static mproc_err make_set(struct mproc__reader *reader, mproc_type type, mproc_object *args)
{
    struct mproc__parts items = { NULL, 0 };
    if (args->lower > 0) {
        mproc_object *source = ((struct mproc__tuple *) args)->items[0];
        if (args->lower > 1 || (!mproc__is_a(source, MPROC_TYPE_LIST) && !mproc__is_a(source, MPROC_TYPE_TUPLE)))
            return mproc__reader_fail(reader, "a set is made of something else than a list");
        items = mproc__parts(source);
        if (!afford(reader, items.count, SET_ITEM_PRICE))
            return mproc__reader_fail(reader, "too many sets are made of one list");
    }
    mproc_object *set = mproc__make_table(reader->zone, type, MPROC__HELD);
    if (!set)
        return mproc__reader_fail_memory();
    mproc_err err = mproc__reader_fill_table(reader, set, items.items, items.count);
    return err == MPROC_OK ? mproc__reader_push(reader, set) : err;
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

static mproc_err make_bytes(struct mproc__reader *reader, mproc_type type, const mproc_object *args)
{
    mproc_object *const *items = ((const struct mproc__tuple *) args)->items;
    if (args->lower == 0)
        return mproc__reader_push(reader, mproc__make_text(reader->zone, type, NULL, 0, MPROC__HELD));
    size_t size;
    mproc_object *made;
    if (args->lower == 1 && mproc__is_a(items[0], MPROC_TYPE_BYTES)) {
        size = mproc__text_size(items[0]);
        if (!afford(reader, size, BYTE_PRICE))
            return mproc__reader_fail(reader, "too many bytes are copied");
        made = mproc__make_text(reader->zone, type, mproc__text(items[0]), size, MPROC__HELD);
        return mproc__reader_push(reader, made);
    }
    if (args->lower != 2 || !mproc__is_a(items[0], MPROC_TYPE_STR) || !mproc__is_a(items[1], MPROC_TYPE_STR))
        return mproc__reader_fail(reader, "bytes are made of something strange");
    const char *text = mproc__text(items[0]), *encoding = mproc__text(items[1]);
    if (strcmp(encoding, "latin1") != 0 && strcmp(encoding, "latin-1") != 0)
        return mproc__reader_fail(reader, "bytes are encoded in something else than latin1");
    if (!narrow(text, mproc__text_size(items[0]), NULL, &size))
        return mproc__reader_fail(reader, "a str that is to be bytes is not latin1");
    if (!afford(reader, size, BYTE_PRICE))
        return mproc__reader_fail(reader, "too many bytes are copied");
    made = mproc__make_text(reader->zone, type, NULL, size, MPROC__HELD);
    if (made)
        (void) narrow(text, mproc__text_size(items[0]), ((struct mproc__text *) made)->data, &size);
    return mproc__reader_push(reader, made);
}

static mproc_err push_instance(struct mproc__reader *reader, mproc_recipe recipe, mproc_object *callable,
                               mproc_object *args, mproc_object *kwargs)
{
    if (!mproc__is_a(args, MPROC_TYPE_TUPLE))
        return mproc__reader_fail(reader, "arguments are no tuple");
    if (!mproc__is_a(callable, MPROC_TYPE_GLOBAL) && !mproc__is_a(callable, MPROC_TYPE_INSTANCE))
        return mproc__reader_fail(reader, "it calls what is no class");
    mproc_object *instance = mproc__make_instance(reader->zone, recipe, callable, args, MPROC__HELD);
    if (!instance)
        return mproc__reader_fail_memory();
    if (instance->type == MPROC_TYPE_INSTANCE && !reader->keep_unknown)
        return mproc__reader_fail(reader, "it makes an object in a way that only Python can");
    ((struct mproc__instance *) instance)->parts[PART_KWARGS] = kwargs;
    mproc_object *parts[] = { callable, args, kwargs ? kwargs : MPROC__NONE };
    mproc_err err = mproc__reader_deepen(reader, instance, parts, 3);
    return err == MPROC_OK ? mproc__reader_push(reader, instance) : err;
}

mproc_err mproc__read_reduce(struct mproc__reader *reader)
{
    if (!mproc__reader_has(reader, 2))
        return mproc__reader_underflow(reader);
    reader->top -= 2;
    mproc_object *callable = reader->top[0], *args = reader->top[1];
    const struct mproc__known *known =
        mproc__is_a(callable, MPROC_TYPE_GLOBAL) ? ((struct mproc__global *) callable)->known : NULL;
    if (!known || mproc__is_exception_class(known) || !mproc__is_a(args, MPROC_TYPE_TUPLE))
        return push_instance(reader, MPROC_RECIPE_CALL, callable, args, NULL);
    switch (known->kind) {
    case MPROC__KNOWN_SET:
        return make_set(reader, MPROC_TYPE_SET, args);
    case MPROC__KNOWN_FROZENSET:
        return make_set(reader, MPROC_TYPE_FROZENSET, args);
    case MPROC__KNOWN_BYTEARRAY:
        return make_bytes(reader, MPROC_TYPE_BYTEARRAY, args);
    default:
        return make_bytes(reader, MPROC_TYPE_BYTES, args);
    }
}

mproc_err mproc__read_newobj(struct mproc__reader *reader, bool keywords)
{
    size_t count = keywords ? 3 : 2;
    if (!mproc__reader_has(reader, count))
        return mproc__reader_underflow(reader);
    reader->top -= count;
    if (keywords && !mproc__is_a(reader->top[2], MPROC_TYPE_DICT))
        return mproc__reader_fail(reader, "keyword arguments are no dict");
    return push_instance(reader, keywords ? MPROC_RECIPE_NEW_EX : MPROC_RECIPE_NEW, reader->top[0], reader->top[1],
                         keywords ? reader->top[2] : NULL);
}

mproc_err mproc__read_build(struct mproc__reader *reader)
{
    if (!mproc__reader_has(reader, 2))
        return mproc__reader_underflow(reader);
    reader->top--;
    mproc_object *object = reader->top[-1], *state = reader->top[0];
    if (!mproc__is_recipe(object) || ((struct mproc__instance *) object)->parts[PART_STATE])
        return mproc__reader_fail(reader, "it gives a state to what cannot have one");
    ((struct mproc__instance *) object)->parts[PART_STATE] = state;
    return mproc__reader_deepen(reader, object, &state, 1);
}

/* setter(object, state), dropped on top of the object: how Python gives a state when __reduce__ says with what. */
static bool sets_state(const mproc_object *object, const struct mproc__instance *call)
{
    const mproc_object *args = call->parts[PART_ARGS];
    return mproc__is_recipe(object) && !((const struct mproc__instance *) object)->parts[PART_STATE] &&
           call->object.lower == MPROC_RECIPE_CALL && args->lower == 2 &&
           ((const struct mproc__tuple *) args)->items[0] == object && !call->parts[PART_STATE] &&
           !call->parts[PART_ITEMS] && !call->parts[PART_PAIRS];
}

mproc_err mproc__read_dropped(struct mproc__reader *reader, mproc_object *object)
{
    if (!mproc__is_a(object, MPROC_TYPE_INSTANCE) || mproc__has(object, MPROC__SHARED))
        return MPROC_OK;
    struct mproc__instance *call = (struct mproc__instance *) object;
    mproc_object *below = mproc__reader_has(reader, 1) ? reader->top[-1] : MPROC__NONE;
    if (sets_state(below, call)) {
        struct mproc__instance *instance = (struct mproc__instance *) below;
        instance->parts[PART_SETTER] = call->parts[PART_CALLABLE];
        instance->parts[PART_STATE] = ((struct mproc__tuple *) call->parts[PART_ARGS])->items[1];
        mproc_object *parts[] = { instance->parts[PART_SETTER], instance->parts[PART_STATE] };
        return mproc__reader_deepen(reader, below, parts, 2);
    }
    /* An object inside itself is made twice, and a reference to the other one follows. */
    bool reference = mproc__reader_left(reader) > 0 && (*reader->next == OP_BINGET || *reader->next == OP_LONG_BINGET);
    return reference ? MPROC_OK : mproc__reader_fail(reader, "it makes a call for its effect, which cannot be kept");
}
