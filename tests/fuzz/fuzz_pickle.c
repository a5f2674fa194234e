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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST_TEXT = 1 << 16 };

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

static void use(mproc_object *object)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    mproc_object *set, *list;
    size_t length;
    if (mproc__repr(object, &text, LONGEST_TEXT) != MPROC_OK)
        text.size = 0;
    for (int protocol = 2; protocol <= 5; protocol++)
        check_pickle(object, protocol, &text);
    (void) !mproc_object_len(object, &length);
    (void) mproc_object_is_true(object);
    check(mproc_set_create(&set) == MPROC_OK, "no memory");
    bool has = false;
    if (mproc_set_add(set, object) == MPROC_OK)
        check(mproc_set_has(set, object, &has) == MPROC_OK && has, "a key is not found");
    mproc_object_release(set);
    check(mproc_list_create(&list) == MPROC_OK && mproc_list_append(list, object) == MPROC_OK, "no memory");
    if (mproc_object_type(object) == MPROC_TYPE_LIST)
        check(mproc_list_append(object, object) == MPROC_OK && mproc_list_remove(object, 0) == MPROC_OK, "a list");
    if (mproc_object_type(object) == MPROC_TYPE_DICT)
        check(mproc_dict_set_str(object, "fuzz", object) == MPROC_OK && mproc_dict_clear(object) == MPROC_OK, "a dict");
    mproc_object_release(list);
    mproc_buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int keep = 0; keep < 2; keep++) {
        mproc_pickle_options options = { .keep_unknown = keep };
        uint8_t *exact = malloc(size + 1); /* a read behind it is to be seen */
        check(exact != NULL, "no memory");
        if (size > 0)
            memcpy(exact, data, size);
        mproc_object *object = NULL;
        mproc_err err = mproc_pickle_loads(&object, exact, size, &options);
        free(exact);
        check((err == MPROC_OK) == (object != NULL), "an object and an error, or neither");
        check(err == MPROC_OK || strlen(mproc_last_error()) > 15, "an error without a sentence");
        if (err != MPROC_OK)
            continue;
        use(object);
        mproc_object_release(object);
    }
    return 0;
}
