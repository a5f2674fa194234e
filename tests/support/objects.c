/* SPDX-License-Identifier: MIT */
#include "objects.h"

#include "mproc.h"
#include "suite.h"

mproc_object *str(const char *text)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_str_create(&object, text));
    return object;
}

mproc_object *integer(int64_t value)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_int_create(&object, value));
    return object;
}

mproc_object *real(double value)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_float_create(&object, value));
    return object;
}

mproc_object *list(void)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_list_create(&object));
    return object;
}

void append(mproc_object *to, mproc_object *item)
{
    CHECK_OK(mproc_list_append(to, item));
    mproc_object_release(item);
}

bool equal(const mproc_object *a, const mproc_object *b)
{
    bool result = false, reverse = false;
    CHECK_OK(mproc_object_equal(a, b, &result));
    CHECK_OK(mproc_object_equal(b, a, &reverse));
    CU_ASSERT_EQUAL(result, reverse);
    return result;
}

bool same(mproc_object *a, mproc_object *b)
{
    bool result = equal(a, b);
    mproc_object_release(a);
    mproc_object_release(b);
    return result;
}

mproc_object *packed(const char *format)
{
    mproc_object *object = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    CHECK_OK(mproc_pack(&object, format));
#pragma GCC diagnostic pop
    return object;
}

void check_prints(const mproc_object *object, const char *expected)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    CHECK_OK(mproc_object_repr(object, &text));
    if (text.data && strcmp(text.data, expected) != 0)
        printf("\n  %s\n  is not %s\n", text.data, expected);
    CU_ASSERT(text.data && strcmp(text.data, expected) == 0 && strlen(expected) == text.size);
    mproc_buffer_free(&text);
}

size_t bytes_of_hex(const char *hex, unsigned char *out)
{
    size_t size = 0;
    for (; *hex; hex++) {
        unsigned byte;
        if (*hex == ' ' || sscanf(hex, "%2x", &byte) != 1)
            continue;
        out[size++] = (unsigned char) byte;
        hex++;
    }
    return size;
}

mproc_err loads_hex(mproc_object **object, const char *hex, const mproc_pickle_options *options)
{
    unsigned char data[1000], *exact;
    size_t size = bytes_of_hex(hex, data);
    exact = malloc(size + 1); /* for sanitizers */
    if (size > 0)
        memcpy(exact, data, size);
    mproc_err err = mproc_pickle_loads(object, exact, size, options);
    free(exact);
    return err;
}

void check_writes(const mproc_object *object, int protocol, const char *hex)
{
    unsigned char expected[1000];
    size_t size = bytes_of_hex(hex, expected);
    mproc_pickle_options options = { .protocol = protocol };
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    CHECK_OK(mproc_pickle_dumps(object, &pickle, &options));
    CU_ASSERT(pickle.size == size && memcmp(pickle.data, expected, size) == 0);
    mproc_buffer_free(&pickle);
}

mproc_object *list_of(mproc_object *object)
{
    mproc_object *list = NULL;
    CHECK_OK(mproc_list_create(&list));
    CHECK_OK(mproc_list_append(list, object));
    return list;
}

mproc_object *copied(const mproc_object *object, int protocol)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_pickle_options options = { .protocol = protocol, .keep_unknown = true };
    mproc_object *copy = NULL;
    CHECK_OK(mproc_pickle_dumps(object, &pickle, &options));
    CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, &options));
    mproc_buffer_free(&pickle);
    return copy;
}
