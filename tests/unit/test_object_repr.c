/* SPDX-License-Identifier: MIT */
/* Objects: printing. */
#include "object.h"

#include "mproc.h"
#include "objects.h"
#include "suite.h"

#include <math.h>

static void printing_is_pythons(void)
{
    static const struct {
        const char *literal, *text;
    } cases[] = {
        { "[None, True, False, -5]", "[None, True, False, -5]" },
        { "()", "()" }, { "(1,)", "(1,)" }, { "(1, 2)", "(1, 2)" }, { "((1))", "1" },
        { "{'a': {}, 2: set()}", "{'a': {}, 2: set()}" },
        { "1.0", "1.0" }, { "-0.0", "-0.0" }, { "0.1", "0.1" }, { "1e16", "1e+16" }, { "1e15", "1000000000000000.0" },
        { "123456789012345680.0", "1.2345678901234568e+17" }, { "0.0001", "0.0001" }, { "0.00001", "1e-05" },
        { "5e-324", "5e-324" }, { "1.7976931348623157e308", "1.7976931348623157e+308" }, { "100.0", "100.0" },
        { "5.684341886080802e-14", "5.684341886080802e-14" }, { "1e22", "1e+22" }, { "1.5e-7", "1.5e-07" },
        { "'it\\'s'", "\"it's\"" }, { "'\"'", "'\"'" }, { "'\\'\"'", "'\\'\"'" },
        { "'\\n\\t\\r\\\\'", "'\\n\\t\\r\\\\'" },
        { "'\\x00\\x7f'", "'\\x00\\x7f'" }, { "'\\xe9'", "'\xc3\xa9'" }, { "b'\\xe9a\\n'", "b'\\xe9a\\n'" },
        { "'\xed\xa0\x80'", "'\\ud800'" }, { "'\xf0\x9f\x98\x80'", "'\xf0\x9f\x98\x80'" },
        { "'\xf4\x8f\xbf\xbf'", "'\\U0010ffff'" }, { "'\xd8\x9c'", "'\\u061c'" },
        { "'\xf0\x9d\x85\xb3'", "'\\U0001d173'" },
        { "'\xf0\x9f\xbf\xbe'", "'\\U0001fffe'" }, { "'\xf3\xa0\x84\x80'", "'\xf3\xa0\x84\x80'" },
        { "bytearray(b'it\\'s')", "bytearray(b\"it\\'s\")" }, { "bytearray(b'\"')", "bytearray(b'\"')" },
        { "b'it\\'s'", "b\"it's\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mproc_object *object = packed(cases[i].literal);
        check_prints(object, cases[i].text);
        mproc_object_release(object);
    }
    mproc_object *infinity = real(-INFINITY), *nan = real(NAN);
    check_prints(infinity, "-inf");
    check_prints(nan, "nan");
    mproc_object_release(infinity);
    mproc_object_release(nan);
}

static void text_that_would_never_end_is_refused(void)
{
    mproc_object *object = list();
    for (int i = 0; i < 60; i++) { /* 2 ** 60 brackets */
        mproc_object *outer = list();
        CHECK_OK(mproc_list_append(outer, object));
        append(outer, object);
        object = outer;
    }
    mproc_buffer text = MPROC_BUFFER_INIT;
    CHECK_FAILS(mproc__repr(object, &text, 1 << 20), MPROC_EMSGSIZE);
    CU_ASSERT_EQUAL(text.size, 0);
    mproc_buffer_free(&text);
    mproc_object_release(object);
}

/* An OSError's third argument is the name of a file, which Python keeps elsewhere. */
static void exceptions_print_as_pythons(void)
{
    static const struct {
        const char *name, *args, *text;
    } cases[] = {
        { "FileNotFoundError", "(2, 'm', 'f')", "FileNotFoundError(2, 'm')" },
        { "OSError", "(2, 'm', 'f', None, 'g')", "OSError(2, 'm')" },
        { "OSError", "(2, 'm', None)", "OSError(2, 'm', None)" },
        { "OSError", "(1, 2, 3, 4, 5, 6)", "OSError(1, 2, 3, 4, 5, 6)" },
        { "BlockingIOError", "(11, 'm', 5)", "BlockingIOError(11, 'm', 5)" },
        { "BlockingIOError", "(11, 'm', 'f')", "BlockingIOError(11, 'm')" },
        { "ValueError", "(2, 'm', 'f')", "ValueError(2, 'm', 'f')" },
        { "ValueError", "('m',)", "ValueError('m')" }, { "ValueError", "()", "ValueError()" },
    };
    mproc_object *error = NULL, *args = NULL, *got = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        args = packed(cases[i].args);
        CHECK_OK(mproc_exception_create(&error, "builtins", cases[i].name, args));
        check_prints(error, cases[i].text);
        CHECK_OK(mproc_exception_get(error, NULL, NULL, &got));
        CU_ASSERT_PTR_EQUAL(got, args);
        mproc_object_release(args);
        mproc_object_release(error);
    }
    mproc_object *inner = list(); /* in itself: the list is not printed twice */
    CHECK_OK(mproc_tuple_create(&args, &inner, 1));
    CHECK_OK(mproc_exception_create(&error, "builtins", "ValueError", args));
    CHECK_OK(mproc_list_append(inner, error));
    check_prints(error, "ValueError([ValueError([...])])");
    check_prints(inner, "[ValueError([...])]");
    CHECK_OK(mproc_list_clear(inner));
    mproc_object_release(inner);
    mproc_object_release(args);
    mproc_object_release(error);
}

static void a_list_in_itself_prints_and_is_freed(void)
{
    mproc_object *object = list();
    CHECK_OK(mproc_list_append(object, mproc_none()));
    CHECK_OK(mproc_list_append(object, object));
    check_prints(object, "[None, [...]]");
    CU_ASSERT(equal(object, object));
    mproc_object *other = list();
    CHECK_OK(mproc_list_append(other, mproc_none()));
    CHECK_OK(mproc_list_append(other, other));
    bool result;
    CHECK_FAILS(mproc_object_equal(object, other, &result), MPROC_EINVAL); /* Python: RecursionError */
    mproc_object_release(other);
    mproc_object_release(object);
}

/* As Python's, ints have 4300 decimal digits at most; with more they print in hexadecimal. */
static void ints_have_4300_decimal_digits_at_most(void)
{
    mproc_object *object = NULL, *again = NULL;
    mproc_buffer text = MPROC_BUFFER_INIT;
    char digits[4400];
    unsigned char bytes[1800];
    size_t bytes_size = 0;
    memset(digits, '9', sizeof digits);
    digits[4301] = '\0';
    CHECK_FAILS(mproc_int_create_text(&object, digits, 10), MPROC_EINVAL);
    for (int size = 4290; size <= 4300; size++)
        for (int sign = 0; sign < 2; sign++) {
            digits[0] = sign ? '-' : '9';
            digits[size + sign] = '\0';
            CHECK_OK(mproc_int_create_text(&object, digits, 10));
            check_prints(object, digits);
            CHECK_OK(mproc_int_get_bytes(object, bytes, sizeof bytes, &bytes_size));
            mproc_object_release(object);
            digits[size + sign] = '9';
        }
    /* now they are those of -(10 ** 4300 - 1); one less prints as -0x... */
    for (size_t i = 0; i < bytes_size && bytes[i]-- == 0; i++)
        ;
    CHECK_OK(mproc_int_create_bytes(&object, bytes, bytes_size));
    CHECK_OK(mproc_object_repr(object, &text));
    CU_ASSERT_EQUAL(strncmp(text.data, "-0x", 3), 0);
    CHECK_OK(mproc_int_create_text(&again, text.data, 0));
    CU_ASSERT(same(object, again));
    mproc_buffer_free(&text);
    char hexadecimal[8004] = "0x1";
    memset(hexadecimal + 3, 'a', 8000);
    hexadecimal[8003] = '\0';
    CHECK_OK(mproc_int_create_text(&object, hexadecimal, 0));
    check_prints(object, hexadecimal);
    mproc_object_release(object);
}

MPROC_SUITE(object_repr, MPROC_TEST(ints_have_4300_decimal_digits_at_most),
            MPROC_TEST(a_list_in_itself_prints_and_is_freed), MPROC_TEST(printing_is_pythons),
            MPROC_TEST(text_that_would_never_end_is_refused), MPROC_TEST(exceptions_print_as_pythons))
