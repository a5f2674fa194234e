/* SPDX-License-Identifier: MIT */
/* mproc_pack() and mproc_unpack(). */
#include "mproc.h"
#include "suite.h"

#include <limits.h>

static void prints(mproc_object *object, const char *expected)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    CHECK_OK(mproc_object_repr(object, &text));
    if (text.data && strcmp(text.data, expected) != 0)
        printf("\n  %s\n  is not %s\n", text.data, expected);
    CU_ASSERT(text.data && strcmp(text.data, expected) == 0);
    mproc_buffer_free(&text);
    mproc_object_release(object);
}

static void holes_take_c_values_of_every_type(void)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_pack(&object, "[%d, %i, %u, %x]", INT_MIN, INT_MAX, UINT_MAX, 255u));
    prints(object, "[-2147483648, 2147483647, 4294967295, 255]");
    CHECK_OK(mproc_pack(&object, "[%hhd, %hd, %ld, %lld]", (signed char) -1, (short) -2, LONG_MIN, LLONG_MIN));
    char expected[100];
    snprintf(expected, sizeof expected, "[-1, -2, %ld, %lld]", LONG_MIN, LLONG_MIN);
    prints(object, expected);
    CHECK_OK(mproc_pack(&object, "[%hhu, %hu, %lu, %llu, %zu]", (unsigned char) 255, (unsigned short) 65535,
                        ULONG_MAX, ULLONG_MAX, SIZE_MAX));
    snprintf(expected, sizeof expected, "[255, 65535, %lu, %llu, %llu]", ULONG_MAX, ULLONG_MAX,
             (unsigned long long) SIZE_MAX);
    prints(object, expected);
    CHECK_OK(mproc_pack(&object, "(%f, %g, %s, %.*s, b%.*s, b%s)", 1.5, 0.1, "text", 2, "abc", 3, "\0\xff!", "x"));
    prints(object, "(1.5, 0.1, 'text', 'ab', b'\\x00\\xff!', b'x')");
    CHECK_OK(mproc_pack(&object, "%d", 5));
    prints(object, "5");
}

static void literals_are_pythons(void)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_pack(&object, " [ None , True,False , 1, -2, 0x10, 1.5, -1e3, .5, 'a', \"b'\", b'c\\x00' , ] "));
    prints(object, "[None, True, False, 1, -2, 16, 1.5, -1000.0, 0.5, 'a', \"b'\", b'c\\x00']");
    CHECK_OK(mproc_pack(&object, "{'a': (), 'b': (1,), 'c': (1, 2), 'd': {}, 'e': {1}, 'f': set(), 'g': (7)}"));
    prints(object, "{'a': (), 'b': (1,), 'c': (1, 2), 'd': {}, 'e': {1}, 'f': set(), 'g': 7}");
    CHECK_OK(mproc_pack(&object, "123456789012345678901234567890"));
    prints(object, "123456789012345678901234567890");
}

static void an_object_hole_takes_a_reference(void)
{
    mproc_object *inner = NULL, *outer = NULL, *alone = NULL;
    CHECK_OK(mproc_pack(&inner, "[%d]", 1));
    CHECK_OK(mproc_pack(&outer, "{'in': %p, 'again': %p}", (void *) inner, (void *) inner));
    CHECK_OK(mproc_list_append(inner, mproc_none()));
    CHECK_OK(mproc_pack(&alone, "%p", (void *) inner));
    CU_ASSERT_PTR_EQUAL(alone, inner);
    mproc_object_release(inner);
    prints(outer, "{'in': [1, None], 'again': [1, None]}");
    prints(alone, "[1, None]");
    CHECK_OK(mproc_pack(&inner, "{'k': 'v'}"));
    CHECK_OK(mproc_pack(&outer, "{'a': %p, 'a': %p, 'a': 1}", (void *) inner, (void *) inner)); /* replaced ones */
    prints(outer, "{'a': 1}");
    mproc_object_release(inner);
}

/* Formats that the compiler must not see. */
static mproc_err pack(mproc_object **object, const char *format)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    return mproc_pack(object, format);
#pragma GCC diagnostic pop
}

static void wrong_formats_are_refused_and_leave_nothing(void)
{
    static const char *const wrong[] = { "", "[", "[1", "[1 2]", "[1,,2]", "[,]", "{1: 2, 3}", "{1, 2: 3}", "{1: }",
                                         "(", "'a", "'\\q'",
                                         "'\\x1'", "b'a", "1 2", "%", "%q", "%Lf", "%5d", "%lls", "nothing", "1.2.3",
                                         "0x", "--1",
                                         "{[]: 1}", "{[1]}", "[...]", "%lp", "'\x80'", "[1)", "]" };
    mproc_object *object = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mproc_err err = pack(&object, wrong[i]);
        if (err == MPROC_OK)
            printf("\n  accepted: %s\n", wrong[i]);
        CU_ASSERT(err == MPROC_EINVAL || err == MPROC_ETYPE);
    }
    CHECK_FAILS(mproc_pack(&object, "[%d, %s]", 1, "\xff"), MPROC_EINVAL);
    const char *nothing = NULL;
    CHECK_FAILS(mproc_pack(&object, "[%s]", nothing), MPROC_EINVAL);
    void *none = NULL;
    CHECK_FAILS(mproc_pack(&object, "[%p]", none), MPROC_EINVAL);
    char deep[3000];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    CU_ASSERT_EQUAL(pack(&object, deep), MPROC_EINVAL);
    CU_ASSERT_PTR_NULL(object);
}

static void unpacking_gives_c_values_of_every_type(void)
{
    mproc_object *object = NULL, *part = NULL;
    CHECK_OK(mproc_pack(&object, "[%d, None, %s, {'a': %f, 'other': 1}, (b'raw', True)]", 42, "hello", 1.5));
    int number = 0, flag = 0;
    const char *text = NULL, *raw = NULL;
    double value = 0;
    CHECK_OK(mproc_unpack(object, "[%d, None, %ms, {'a': %lf}, (b%ms, %d)]", &number, &text, &value, &raw, &flag));
    CU_ASSERT(number == 42 && strcmp(text, "hello") == 0 && value == 1.5 && strcmp(raw, "raw") == 0 && flag == 1);
    long long wide = 0;
    float narrow = 0;
    size_t size = 0;
    char copy[6];
    signed char tiny = 0;
    short small = 0;
    CHECK_OK(mproc_unpack(object, "[%lld, None, %5s, {'a': %f, 'other': %zu}, %p]", &wide, copy, &narrow, &size,
                          (void **) &part));
    CU_ASSERT(wide == 42 && strcmp(copy, "hello") == 0 && narrow == 1.5f && size == 1);
    CHECK_OK(mproc_unpack(part, "(b'raw', %hhd)", &tiny));
    CU_ASSERT_EQUAL(tiny, 1);
    CHECK_OK(mproc_unpack(object, "[%hd, ...]", &small));
    CU_ASSERT_EQUAL(small, 42);
    CHECK_OK(mproc_unpack(object, "[%hd, None, 'hello', {}, (...)]", &small));
    mproc_object_release(object);
}

static void another_shape_is_refused_with_its_place(void)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_pack(&object, "[%d, None, %s, {'a': [%d, 'x']}]", 300, "hello", -1));
    int number = 7;
    unsigned natural = 7;
    signed char tiny = 7;
    char copy[5] = "same";
    const char *text = "same";
    CHECK_FAILS(mproc_unpack(object, "[%d]", &number), MPROC_ETYPE);
    CHECK_FAILS(mproc_unpack(object, "(%d, ...)", &number), MPROC_ETYPE);
    CHECK_FAILS(mproc_unpack(object, "[%d, True, ...]", &number), MPROC_ETYPE);
    CHECK_FAILS(mproc_unpack(object, "[%d, None, %ms, {'b': %d}]", &number, &text, &number), MPROC_ETYPE);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "'b'"));
    CHECK_FAILS(mproc_unpack(object, "[%d, None, %ms, {'a': [%d, 'y']}]", &number, &text, &number), MPROC_ETYPE);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "[3]['a'][1]"));
    CHECK_FAILS(mproc_unpack(object, "[%d, None, %ms, {'a': [%u, 'x']}]", &number, &text, &natural), MPROC_ETYPE);
    CHECK_FAILS(mproc_unpack(object, "[%hhd, ...]", &tiny), MPROC_ETYPE);
    CHECK_FAILS(mproc_unpack(object, "[%d, None, %4s, ...]", &number, copy), MPROC_EMSGSIZE);
    CHECK_FAILS(mproc_unpack(object, "[%d, None, %d, ...]", &number, &number), MPROC_ETYPE);
    CHECK_FAILS(mproc_unpack(object, "[%d, None, b%ms, ...]", &number, &text), MPROC_ETYPE);
    CHECK_FAILS(mproc_unpack(object, "[%d, ..., 5]", &number), MPROC_EINVAL);
    CHECK_FAILS(mproc_unpack(object, "[{%d}, ...]", &number), MPROC_EINVAL);
    CHECK_FAILS(mproc_unpack(NULL, "%d", &number), MPROC_EINVAL);
    CU_ASSERT(number == 7 && natural == 7 && tiny == 7 && strcmp(copy, "same") == 0 && strcmp(text, "same") == 0);
    mproc_object_release(object);
    CHECK_OK(mproc_str_create_sized(&object, "a\0b", 3));
    CHECK_FAILS(mproc_unpack(object, "%ms", &text), MPROC_ETYPE);
    mproc_object_release(object);
}

MPROC_SUITE(pack, MPROC_TEST(holes_take_c_values_of_every_type), MPROC_TEST(literals_are_pythons),
            MPROC_TEST(an_object_hole_takes_a_reference), MPROC_TEST(wrong_formats_are_refused_and_leave_nothing),
            MPROC_TEST(unpacking_gives_c_values_of_every_type), MPROC_TEST(another_shape_is_refused_with_its_place))
