/* SPDX-License-Identifier: MIT */
/* Any bytes as a pickle: an error, or an object that survives everything we do with objects.
 *
 * With clang -fsanitize=fuzzer this is a libFuzzer target; without it fuzz_main.c replays files and
 * changes them at random. */
#include "object.h"

#include <mproc/pickle.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef COUNTS_MEMORY
#include "counted.h"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST_TEXT = 1 << 16 };
/* What mproc_pickle_loads() promises. */
enum { BYTES_A_BYTE = 80, PAGE = 4096 };

static void check(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_pickle: %s (last error: %s)\n", what, mproc_last_error());
        abort();
    }
}

static bool may_have_nan(const mproc_buffer *pickle)
{
    const unsigned char *at = (const unsigned char *) pickle->data, *end = at + pickle->size;
    while ((at = memchr(at, 'G', (size_t) (end - at))) != NULL && end - at > 2) {
        at++;
        if ((at[0] & 0x7f) == 0x7f && (at[1] & 0xf0) == 0xf0)
            return true;
    }
    return false;
}

/* What was written must be readable, and be the same. */
static void check_pickle(const mproc_object *object, int protocol, const mproc_buffer *text)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT, again = MPROC_BUFFER_INIT;
    mproc_pickle_options options = { .protocol = protocol, .keep_unknown = true };
    mproc_object *copy;
    bool equal = false;
    if (mproc_pickle_dumps(object, &pickle, &options) == MPROC_OK) {
        mproc_err err = mproc_pickle_loads(&copy, pickle.data, pickle.size, &options);
        check(err == MPROC_OK, "a pickle of our own cannot be read");
        if (text->size > 0) {
            check(mproc__repr(copy, &again, LONGEST_TEXT) == MPROC_OK, "a copy cannot be printed");
            check(strcmp(again.data, text->data) == 0, "a copy prints differently");
            if (!may_have_nan(&pickle)) /* which is not equal to itself */
                check(mproc_object_equal(object, copy, &equal) != MPROC_OK || equal, "a copy is not equal");
        }
        mproc_object_release(copy);
    }
    mproc_buffer_free(&pickle);
    mproc_buffer_free(&again);
}

/* Found as a key by itself and by its copy, with few keys beside it and with many. */
static void use_as_key(mproc_object *object)
{
    mproc_object *set, *other, *copy = NULL;
    bool has = false;
    check(mproc_set_create(&set) == MPROC_OK, "no memory");
    bool hashable = mproc_set_add(set, object) == MPROC_OK;
    /* what is nested too deep cannot be copied, and a NaN is equal to itself only */
    if (hashable && mproc_object_copy(&copy, object) != MPROC_OK)
        copy = NULL;
    bool equal = false;
    if (copy && mproc_object_equal(object, copy, &equal) != MPROC_OK)
        equal = false;
    for (int i = 0; hashable && i < 12; i++) {
        check(mproc_set_has(set, object, &has) == MPROC_OK && has, "a key is not found");
        check(!equal || (mproc_set_has(set, copy, &has) == MPROC_OK && has), "an equal key is not found");
        check(mproc_pack(&other, "('another key', %d)", i) == MPROC_OK && mproc_set_add(set, other) == MPROC_OK,
              "a key cannot be added");
        mproc_object_release(other);
    }
    check(!hashable || mproc_set_remove(set, object) == MPROC_OK, "a key cannot be removed");
    mproc_object_release(copy);
    mproc_object_release(set);
}

static void use(mproc_object *object)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    mproc_object *list;
    size_t length;
    if (mproc__repr(object, &text, LONGEST_TEXT) != MPROC_OK)
        text.size = 0;
    for (int protocol = 2; protocol <= 5; protocol++)
        check_pickle(object, protocol, &text);
    (void) !mproc_object_len(object, &length);
    (void) mproc_object_is_true(object);
    use_as_key(object);
    check(mproc_list_create(&list) == MPROC_OK && mproc_list_append(list, object) == MPROC_OK, "no memory");
    if (mproc_object_type(object) == MPROC_TYPE_LIST)
        check(mproc_list_append(object, object) == MPROC_OK && mproc_list_remove(object, 0) == MPROC_OK, "a list");
    if (mproc_object_type(object) == MPROC_TYPE_DICT)
        check(mproc_dict_set_str(object, "fuzz", object) == MPROC_OK && mproc_dict_clear(object) == MPROC_OK, "a dict");
    mproc_object_release(list);
    mproc_buffer_free(&text);
}

static mproc_err load(mproc_object **object, const uint8_t *data, size_t size, const mproc_pickle_options *options)
{
    uint8_t *exact = malloc(size + 1); /* a read behind it is to be seen */
    check(exact != NULL, "no memory");
    if (size > 0)
        memcpy(exact, data, size);
    *object = NULL;
#ifdef COUNTS_MEMORY
    counting_start();
#endif
    mproc_err err = mproc_pickle_loads(object, exact, size, options);
#ifdef COUNTS_MEMORY
    check(counting_stop() <= BYTES_A_BYTE * size + PAGE, "it takes more memory than promised");
#endif
    free(exact);
    check((err == MPROC_OK) == (*object != NULL), "an object and an error, or neither");
    check(err == MPROC_OK || strlen(mproc_last_error()) > 15, "an error without a sentence");
    return err;
}

/* Limits that the input itself chooses: they refuse it, or it is as without them. */
static void check_limits(const uint8_t *data, size_t size, mproc_err unlimited)
{
    uint32_t chosen = 1;
    for (size_t i = 0; i < size; i++)
        chosen = chosen * 31 + data[i];
    mproc_pickle_options options = { .keep_unknown = chosen >> 31, .max_depth = (int) (chosen % 5),
                                     .max_memo = chosen >> 4 & 7, .max_size = chosen >> 7 & 3 ? 0 : size - size / 2 };
    mproc_object *object;
    mproc_err err = load(&object, data, size, &options);
    if (err == MPROC_OK) {
        mproc_buffer pickle = MPROC_BUFFER_INIT;
        check(unlimited == MPROC_OK, "limits make a pickle readable");
        check(options.max_size == 0 || size <= options.max_size, "it is longer than max_size");
        options.max_memo = 0; /* writing counts something else */
        options.max_size = chosen >> 9 & 255;
        err = mproc_pickle_dumps(object, &pickle, &options);
        check(err == MPROC_OK || err == MPROC_EINVAL || err == MPROC_EMSGSIZE, "it cannot be written");
        check(pickle.size == 0 || options.max_size == 0 || pickle.size <= options.max_size, "it is written too long");
        check((err == MPROC_OK) == (pickle.size > 0), "an error, and something written");
        mproc_buffer_free(&pickle);
    }
    mproc_object_release(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mproc_err err = MPROC_OK;
    for (int keep = 0; keep < 2; keep++) {
        mproc_pickle_options options = { .keep_unknown = keep };
        mproc_object *object;
        err = load(&object, data, size, &options);
        if (err == MPROC_OK)
            use(object);
        mproc_object_release(object);
    }
    check_limits(data, size, err);
    return 0;
}
