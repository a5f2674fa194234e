/* SPDX-License-Identifier: MIT */
/* Objects: making, reading, owning, comparing, printing. */
#include "object.h"

#include "mproc.h"
#include "suite.h"

#include <float.h>
#include <math.h>

/* Checks repr(object). */
static void prints(const mproc_object *object, const char *expected)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    CHECK_OK(mproc_object_repr(object, &text));
    if (text.data && strcmp(text.data, expected) != 0)
        printf("\n  %s\n  is not %s\n", text.data, expected);
    CU_ASSERT(text.data && strcmp(text.data, expected) == 0 && strlen(expected) == text.size);
    mproc_buffer_free(&text);
}

static mproc_object *str(const char *text)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_str_create(&object, text));
    return object;
}

static mproc_object *integer(int64_t value)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_int_create(&object, value));
    return object;
}

static mproc_object *real(double value)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_float_create(&object, value));
    return object;
}

static mproc_object *list(void)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_list_create(&object));
    return object;
}

/* The container takes it over. */
static void append(mproc_object *to, mproc_object *item)
{
    CHECK_OK(mproc_list_append(to, item));
    mproc_object_release(item);
}

static bool equal(const mproc_object *a, const mproc_object *b)
{
    bool result = false, reverse = false;
    CHECK_OK(mproc_object_equal(a, b, &result));
    CHECK_OK(mproc_object_equal(b, a, &reverse));
    CU_ASSERT_EQUAL(result, reverse);
    return result;
}

/* Compares and releases. */
static bool same(mproc_object *a, mproc_object *b)
{
    bool result = equal(a, b);
    mproc_object_release(a);
    mproc_object_release(b);
    return result;
}

static mproc_object *packed(const char *format)
{
    mproc_object *object = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    CHECK_OK(mproc_pack(&object, format));
#pragma GCC diagnostic pop
    return object;
}

/* ---- values ---- */

static void constants_cost_nothing_and_are_themselves(void)
{
    bool value;
    CU_ASSERT_EQUAL(mproc_object_type(mproc_none()), MPROC_TYPE_NONE);
    CU_ASSERT_EQUAL(mproc_object_type(mproc_true()), MPROC_TYPE_BOOL);
    CHECK_OK(mproc_bool_get(mproc_false(), &value));
    CU_ASSERT_FALSE(value);
    CHECK_FAILS(mproc_bool_get(mproc_none(), &value), MPROC_ETYPE);
    mproc_object_release(mproc_object_ref(mproc_none()));
    mproc_object_release(NULL);
    CU_ASSERT_PTR_NULL(mproc_object_ref(NULL));
    CU_ASSERT_STRING_EQUAL(mproc_type_name(MPROC_TYPE_NONE), "NoneType");
    CU_ASSERT_STRING_EQUAL(mproc_type_name((mproc_type) 99), "?");
}

static void ints_of_every_size_come_back(void)
{
    for (int bits = 0; bits < 64; bits++)
        for (int64_t step = -1; step <= 1; step++) {
            int64_t value = (int64_t) (((uint64_t) 1 << bits) + (uint64_t) step), got = 0;
            for (int sign = 0; sign < 2; sign++, value = (int64_t) (0 - (uint64_t) value)) {
                mproc_object *object = integer(value);
                CHECK_OK(mproc_int_get(object, &got));
                CU_ASSERT_EQUAL(got, value);
                char text[40];
                snprintf(text, sizeof text, "%lld", (long long) value);
                prints(object, text);
                mproc_object *parsed = NULL;
                CHECK_OK(mproc_int_create_text(&parsed, text, 10));
                CU_ASSERT(same(object, parsed));
            }
        }
}

static void unsigned_ints_come_back_and_what_does_not_fit_is_refused(void)
{
    static const uint64_t values[] = { 0, 1, INT64_MAX, (uint64_t) INT64_MAX + 1, UINT64_MAX };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        mproc_object *object = NULL;
        uint64_t got;
        int64_t narrow = 4711;
        CHECK_OK(mproc_int_create_unsigned(&object, values[i]));
        CHECK_OK(mproc_int_get_unsigned(object, &got));
        CU_ASSERT_EQUAL(got, values[i]);
        mproc_err err = mproc_int_get(object, &narrow);
        CU_ASSERT_EQUAL(err, values[i] > INT64_MAX ? MPROC_ETYPE : MPROC_OK);
        CU_ASSERT_EQUAL(narrow, values[i] > INT64_MAX ? 4711 : (int64_t) values[i]);
        mproc_object_release(object);
    }
    uint64_t got;
    CHECK_FAILS(mproc_int_get_unsigned(integer(-1), &got), MPROC_ETYPE);
    CHECK_FAILS(mproc_int_get_unsigned(mproc_none(), &got), MPROC_ETYPE);
    CHECK_OK(mproc_int_get_unsigned(mproc_true(), &got));
    CU_ASSERT_EQUAL(got, 1);
}

static void large_ints_keep_every_digit(void)
{
    static const char *const decimals[] = { "18446744073709551616", "-18446744073709551616",
                                            "170141183460469231731687303715884105727",
                                            "-170141183460469231731687303715884105728",
                                            "1000000000000000000000000000000000000000000000001" };
    for (size_t i = 0; i < sizeof decimals / sizeof decimals[0]; i++) {
        mproc_object *object = NULL;
        CHECK_OK(mproc_int_create_text(&object, decimals[i], 10));
        prints(object, decimals[i]);
        mproc_object_release(object);
    }
    mproc_object *hexadecimal = NULL, *bytes = NULL;
    unsigned char data[20], back[20];
    size_t size;
    CHECK_OK(mproc_int_create_text(&hexadecimal, "-0x80000000000000000000", 0));
    CHECK_OK(mproc_int_create_bytes(&bytes, "\0\0\0\0\0\0\0\0\0\x80\xff\xff\xff", 13));
    CU_ASSERT(equal(hexadecimal, bytes));
    CHECK_FAILS(mproc_int_get_bytes(bytes, back, 9, &size), MPROC_EMSGSIZE);
    CU_ASSERT_EQUAL(size, 10);
    CHECK_OK(mproc_int_get_bytes(bytes, data, sizeof data, &size));
    CU_ASSERT(size == 10 && data[9] == 0x80 && data[0] == 0);
    mproc_object_release(hexadecimal);
    mproc_object_release(bytes);
}

static void text_that_is_no_int_is_refused(void)
{
    static const char *const wrong[] = { "", "-", "0x", "12a", " 1", "1 ", "0xg", "--1" };
    mproc_object *object = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_FAILS(mproc_int_create_text(&object, wrong[i], 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_int_create_text(&object, "1", 7), MPROC_EINVAL);
    char digits[4400];
    memset(digits, '9', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    CHECK_FAILS(mproc_int_create_text(&object, digits, 10), MPROC_EINVAL);
    digits[4300] = '\0';
    CHECK_OK(mproc_int_create_text(&object, digits, 10));
    digits[4290] = '\0';
    mproc_object_release(object);
    CHECK_OK(mproc_int_create_text(&object, digits, 10));
    prints(object, digits);
    mproc_object_release(object);
    /* Longer ones print in hexadecimal: decimal takes time by the square. */
    char hexadecimal[8004] = "0x1";
    memset(hexadecimal + 3, 'a', 8000);
    hexadecimal[8003] = '\0';
    CHECK_OK(mproc_int_create_text(&object, hexadecimal, 0));
    prints(object, hexadecimal);
    mproc_object_release(object);
}

static void check_float(double value)
{
    mproc_object *object = real(value);
    double got = 0;
    CHECK_OK(mproc_float_get(object, &got));
    CU_ASSERT_EQUAL(memcmp(&got, &value, sizeof got), 0);
    CU_ASSERT_EQUAL(mproc_object_type(object), MPROC_TYPE_FLOAT);
    mproc_object_release(object);
}

static void floats_keep_every_bit(void)
{
    static const double values[] = { 0.0, -0.0, 1.5, DBL_MAX, -DBL_MAX, DBL_MIN, 5e-324, INFINITY, -INFINITY, NAN };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        check_float(values[i]);
    for (int exponent = -1074; exponent < 1024; exponent++) { /* on both sides of what fits into a word */
        check_float(ldexp(1.0, exponent));
        check_float(-nextafter(ldexp(1.0, exponent), 0));
        check_float(nextafter(ldexp(-1.0, exponent), -INFINITY));
    }
    uint64_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        double value;
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t mixed = bits ^ bits >> 29;
        memcpy(&value, &mixed, sizeof value);
        if (!isnan(value)) /* moving one may make it quiet */
            check_float(value);
    }
}

static void ints_become_floats_as_in_python(void)
{
    static const struct {
        const char *text;
        double value;
    } cases[] = { { "9007199254740993", 9007199254740992.0 }, { "9007199254740995", 9007199254740996.0 },
                  { "36893488147419103232", 0x1p65 }, { "36893488147419107329", 0x1.0000000000001p65 },
                  { "36893488147419107328", 0x1p65 }, { "-36893488147419111424", -0x1.0000000000001p65 },
                  { "0x1" "0000000000000000000000000000000000000000", 0x1p160 } };
    double got;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mproc_object *object = NULL;
        CHECK_OK(mproc_int_create_text(&object, cases[i].text, 0));
        CHECK_OK(mproc_float_get(object, &got));
        CU_ASSERT_EQUAL(got, cases[i].value);
        mproc_object_release(object);
    }
    char huge[300] = "0x1";
    memset(huge + 3, '0', 260);
    huge[263] = '\0';
    mproc_object *object = NULL;
    CHECK_OK(mproc_int_create_text(&object, huge, 0));
    CHECK_FAILS(mproc_float_get(object, &got), MPROC_ETYPE);
    mproc_object_release(object);
}

static void a_str_is_utf8_and_may_hold_surrogates_and_nuls(void)
{
    static const char *const good[] = { "", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\xa0\x80",
                                        "\xf4\x8f\xbf\xbf", "longer than eight \xc3\xa9 bytes" };
    static const char *const bad[] = { "\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xff", "\xe2\x82", "12345678\xff" };
    const char *text;
    size_t size;
    mproc_object *object = NULL;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK_OK(mproc_str_create(&object, good[i]));
        CHECK_OK(mproc_str_get(object, &text, &size));
        CU_ASSERT(strcmp(text, good[i]) == 0 && size == strlen(good[i]));
        mproc_object_release(object);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_FAILS(mproc_str_create(&object, bad[i]), MPROC_EINVAL);
    CHECK_OK(mproc_str_create_sized(&object, "a\0b", 3));
    CHECK_OK(mproc_str_get(object, &text, &size));
    CU_ASSERT(size == 3 && memcmp(text, "a\0b", 4) == 0);
    CHECK_FAILS(mproc_str_get(object, &text, NULL), MPROC_ETYPE);
    mproc_object_release(object);
    object = str("\xc3\xa9\xe2\x82\xac");
    CHECK_OK(mproc_object_len(object, &size));
    CU_ASSERT_EQUAL(size, 2); /* code points */
    mproc_object_release(object);
}

static void bytes_and_bytearrays_hold_anything(void)
{
    mproc_object *bytes = NULL, *array = NULL;
    const void *data;
    size_t size;
    CHECK_OK(mproc_bytes_create(&bytes, "\0\xff", 2));
    CHECK_OK(mproc_bytearray_create(&array, "\0\xff", 2));
    CHECK_OK(mproc_bytes_get(array, &data, &size));
    CU_ASSERT(size == 2 && memcmp(data, "\0\xff", 2) == 0);
    CU_ASSERT(equal(bytes, array));
    prints(bytes, "b'\\x00\\xff'");
    prints(array, "bytearray(b'\\x00\\xff')");
    mproc_object_release(bytes);
    mproc_object_release(array);
}

static void truth_is_pythons(void)
{
    static const char *const yes[] = { "1", "True", "0.1", "'a'", "b'a'", "[0]", "(0,)", "{0: 0}", "{0}" };
    static const char *const no[] = { "0", "None", "False", "0.0", "-0.0", "''", "b''", "[]", "()", "{}", "set()" };
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        mproc_object *object = packed(yes[i]);
        CU_ASSERT_TRUE(mproc_object_is_true(object));
        mproc_object_release(object);
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        mproc_object *object = packed(no[i]);
        CU_ASSERT_FALSE(mproc_object_is_true(object));
        mproc_object_release(object);
    }
    CU_ASSERT_FALSE(mproc_object_is_true(NULL));
}

/* ---- containers ---- */

static void a_container_keeps_what_is_put_in(void)
{
    mproc_object *outer = list(), *item = str("kept"), *got = NULL;
    CHECK_OK(mproc_list_append(outer, item));
    mproc_object_release(item);
    CHECK_OK(mproc_object_item(outer, 0, &got));
    mproc_object_ref(got); /* a part that outlives the whole */
    mproc_object_release(outer);
    prints(got, "'kept'");
    mproc_object_release(got);
}

static void a_part_of_a_block_keeps_the_block(void)
{
    mproc_object *whole = NULL, *part = NULL;
    CHECK_OK(mproc_pack(&whole, "[%s, [%d]]", "first", 7));
    CHECK_OK(mproc_object_item(whole, 1, &part));
    mproc_object_ref(part);
    mproc_object_release(whole);
    prints(part, "[7]");
    mproc_object *copy = NULL;
    CHECK_OK(mproc_object_copy(&copy, part));
    mproc_object_release(part);
    prints(copy, "[7]");
    mproc_object_release(copy);
}

static void lists_do_what_pythons_do(void)
{
    mproc_object *object = list(), *item = NULL;
    for (int i = 0; i < 5; i++)
        append(object, integer(i));
    CHECK_OK(mproc_list_insert(object, 0, mproc_none()));
    CHECK_OK(mproc_list_insert(object, -1, mproc_true()));
    CHECK_OK(mproc_list_insert(object, 100, mproc_false()));
    CHECK_OK(mproc_list_insert(object, -100, str("x")));
    CHECK_OK(mproc_object_item(object, 0, &item));
    mproc_object_release(item); /* the reference that str() gave; the list has its own */
    prints(object, "['x', None, 0, 1, 2, 3, True, 4, False]");
    CHECK_OK(mproc_list_remove(object, 0));
    CHECK_OK(mproc_list_remove(object, -1));
    CHECK_OK(mproc_list_set(object, -1, mproc_none()));
    prints(object, "[None, 0, 1, 2, 3, True, None]");
    CHECK_OK(mproc_object_item(object, -7, &item));
    CU_ASSERT_PTR_EQUAL(item, mproc_none());
    CHECK_FAILS(mproc_object_item(object, 7, &item), MPROC_ENOTFOUND);
    CHECK_FAILS(mproc_object_item(object, -8, &item), MPROC_ENOTFOUND);
    CHECK_FAILS(mproc_list_set(object, 7, item), MPROC_ENOTFOUND);
    CHECK_FAILS(mproc_list_remove(object, INT64_MIN), MPROC_ENOTFOUND);
    CHECK_OK(mproc_list_clear(object));
    prints(object, "[]");
    append(object, str("again"));
    prints(object, "['again']");
    mproc_object_release(object);
}

static void a_long_list_holds_everything(void)
{
    mproc_object *object = list(), *item = NULL;
    for (int i = 0; i < 100000; i++)
        append(object, i % 3 ? integer(i) : str("text"));
    int64_t value;
    size_t length;
    CHECK_OK(mproc_object_len(object, &length));
    CU_ASSERT_EQUAL(length, 100000);
    CHECK_OK(mproc_object_item(object, 99998, &item));
    CHECK_OK(mproc_int_get(item, &value));
    CU_ASSERT_EQUAL(value, 99998);
    mproc_object_release(object);
}

static void equal_numbers_are_one_key(void)
{
    mproc_object *dict = packed("{1: 'a', 1.0: 'b', True: 'c', 0: 'd', 0.0: 'e', -0.0: 'f', False: 'g'}");
    prints(dict, "{1: 'c', 0: 'g'}");
    mproc_object_release(dict);
    dict = packed("{18446744073709551616: 'a', 18446744073709551616.0: 'b'}");
    prints(dict, "{18446744073709551616: 'b'}");
    mproc_object_release(dict);
    mproc_object *nan = real(NAN), *other = real(NAN), *set = NULL;
    bool has = false;
    CHECK_OK(mproc_set_create(&set));
    CHECK_OK(mproc_set_add(set, nan));
    CHECK_OK(mproc_set_has(set, nan, &has));
    CU_ASSERT_TRUE(has); /* the very same one */
    CHECK_OK(mproc_set_has(set, other, &has));
    CU_ASSERT_FALSE(has);
    mproc_object_release(nan);
    mproc_object_release(other);
    mproc_object_release(set);
}

static void dicts_keep_their_order_through_removals(void)
{
    mproc_object *dict = NULL, *value = NULL;
    CHECK_OK(mproc_dict_create(&dict));
    char key[20];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        CHECK_OK(mproc_dict_set_str(dict, key, integer(i)));
    }
    for (int i = 0; i < 5000; i++)
        if (i % 10) {
            snprintf(key, sizeof key, "key %d", i);
            mproc_object *object = str(key);
            CHECK_OK(mproc_dict_remove(dict, object));
            CHECK_FAILS(mproc_dict_remove(dict, object), MPROC_ENOTFOUND);
            mproc_object_release(object);
        }
    for (int i = 5000; i < 9000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        CHECK_OK(mproc_dict_set_str(dict, key, integer(i)));
    }
    CHECK_OK(mproc_dict_get_str(dict, "key 4990", &value));
    CHECK_FAILS(mproc_dict_get_str(dict, "key 4991", &value), MPROC_ENOTFOUND);
    int64_t before = -1, number = 0;
    size_t position = 0, count = 0;
    mproc_object *name = NULL;
    for (; mproc_object_next(dict, &position, &name, &value); count++) {
        CHECK_OK(mproc_int_get(value, &number));
        CU_ASSERT(number > before);
        before = number;
    }
    CU_ASSERT_EQUAL(count, 500 + 4000);
    CHECK_OK(mproc_dict_clear(dict));
    prints(dict, "{}");
    mproc_object_release(dict);
}

static void a_dict_that_changes_for_ever_stays_small(void)
{
    mproc_object *dict = NULL;
    CHECK_OK(mproc_dict_create(&dict));
    for (int i = 0; i < 100000; i++) {
        mproc_object *key = integer(i), *value = str("value");
        CHECK_OK(mproc_dict_set(dict, key, value));
        mproc_object_release(value);
        if (i >= 10) {
            key = integer(i - 10);
            CHECK_OK(mproc_dict_remove(dict, key));
        }
    }
    CU_ASSERT(((struct mproc__table *) dict)->capacity <= 64);
    mproc_object_release(dict);
}

static void what_can_change_is_no_key(void)
{
    static const char *const unhashable[] = { "[]", "{}", "set()", "([],)", "(1, (2, {}))" };
    mproc_object *dict = NULL, *array = NULL, *value = NULL;
    CHECK_OK(mproc_dict_create(&dict));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof unhashable / sizeof unhashable[0]; i++) {
            mproc_object *key = packed(unhashable[i]);
            CHECK_FAILS(mproc_dict_set(dict, key, mproc_none()), MPROC_ETYPE);
            CHECK_FAILS(mproc_dict_get(dict, key, &value), MPROC_ETYPE);
            mproc_object_release(key);
        }
        for (int i = 0; i < 20; i++) /* once more with an index */
            CHECK_OK(mproc_dict_set(dict, integer(i), mproc_none()));
    }
    CHECK_OK(mproc_bytearray_create(&array, "a", 1));
    CHECK_FAILS(mproc_dict_set(dict, array, mproc_none()), MPROC_ETYPE);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "unhashable type: 'bytearray'"));
    mproc_object_release(array);
    mproc_object_release(dict);
}

static void sets_hold_each_item_once(void)
{
    mproc_object *set = packed("{1, 'a', (1, 2), 1.0, 'a', (1.0, 2)}"), *frozen = NULL, *item = str("a");
    prints(set, "{1, 'a', (1, 2)}");
    bool has = false;
    CHECK_OK(mproc_set_has(set, item, &has));
    CU_ASSERT_TRUE(has);
    CHECK_OK(mproc_set_remove(set, item));
    CHECK_FAILS(mproc_set_remove(set, item), MPROC_ENOTFOUND);
    mproc_object *items[] = { item, item, mproc_none() };
    CHECK_OK(mproc_frozenset_create(&frozen, items, 3));
    prints(frozen, "frozenset({'a', None})");
    CHECK_OK(mproc_set_add(set, frozen));
    prints(set, "{1, (1, 2), frozenset({'a', None})}");
    CHECK_FAILS(mproc_set_add(frozen, item), MPROC_ETYPE);
    CHECK_OK(mproc_set_clear(set));
    CHECK_FAILS(mproc_frozenset_create(&frozen, &set, 1), MPROC_ETYPE);
    mproc_object_release(item);
    mproc_object_release(frozen);
    mproc_object_release(set);
}

/* ---- comparing ---- */

static void equality_is_pythons(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "1", "1.0", true }, { "1", "True", true }, { "0", "None", false }, { "0", "''", false },
        { "[1, 2]", "[1, 2.0]", true }, { "[1, 2]", "(1, 2)", false }, { "[1, 2]", "[1]", false },
        { "'a'", "b'a'", false }, { "'a'", "'a'", true }, { "'a'", "'b'", false },
        { "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", true }, { "{'a': 1}", "{'a': 2}", false },
        { "{'a': 1}", "{'b': 1}", false }, { "{'a': 1}", "{}", false }, { "{1, 2, 3}", "{3, 2, 1}", true },
        { "{1, 2}", "{1, 3}", false }, { "set()", "{}", false }, { "0.0", "-0.0", true },
        { "9007199254740993", "9007199254740992.0", false }, { "9007199254740992", "9007199254740992.0", true },
        { "18446744073709551616", "18446744073709551616.0", true },
        { "18446744073709551617", "18446744073709551616.0", false },
        { "-18446744073709551616", "-18446744073709551616.0", true }, { "1", "1.5", false },
        { "{1: {2: [3]}}", "{1: {2: [3]}}", true }, { "1e300", "1e300", true }, { "1e300", "1e299", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (same(packed(cases[i].a), packed(cases[i].b)) != cases[i].equal) {
            printf("\n  %s == %s\n", cases[i].a, cases[i].b);
            CU_FAIL("compared wrongly");
        }
    mproc_object *set = packed("{1, 2}"), *frozen = NULL, *items[] = { integer(2), integer(1) }, *nan = real(NAN);
    CHECK_OK(mproc_frozenset_create(&frozen, items, 2));
    CU_ASSERT(same(set, frozen));
    CU_ASSERT_FALSE(same(real(NAN), real(NAN)));
    CU_ASSERT(equal(nan, nan)); /* Python: as items of lists */
    mproc_object_release(nan);
}

static void shared_parts_are_compared_once(void)
{
    mproc_object *a = list(), *b = list();
    for (int i = 0; i < 200; i++) { /* 2 ** 200 paths */
        mproc_object *next_a = list(), *next_b = list();
        CHECK_OK(mproc_list_append(next_a, a));
        append(next_a, a);
        CHECK_OK(mproc_list_append(next_b, b));
        append(next_b, b);
        a = next_a;
        b = next_b;
    }
    CU_ASSERT(same(a, b));
}

static mproc_object *nested(int depth)
{
    mproc_object *object = list();
    for (int i = 1; i < depth; i++) {
        mproc_object *outer = list();
        append(outer, object);
        object = outer;
    }
    return object;
}

static void deep_nesting_is_refused_not_overrun(void)
{
    mproc_object *a = nested(100000), *b = nested(100000), *tuple = NULL;
    mproc_buffer text = MPROC_BUFFER_INIT;
    bool result;
    CHECK_FAILS(mproc_object_equal(a, b, &result), MPROC_EINVAL);
    CHECK_FAILS(mproc_object_repr(a, &text), MPROC_EINVAL);
    CU_ASSERT_EQUAL(text.size, 0);
    CHECK_FAILS(mproc_pickle_dumps(a, &text, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_object_copy(&b, a), MPROC_EINVAL);
    mproc_object_release(a);
    mproc_object_release(b);

    CHECK_OK(mproc_tuple_create(&tuple, NULL, 0));
    for (int i = 0; i < 100000; i++) {
        mproc_object *outer = NULL;
        CHECK_OK(mproc_tuple_create(&outer, &tuple, 1));
        mproc_object_release(tuple);
        tuple = outer;
    }
    mproc_object *set = NULL;
    CHECK_OK(mproc_set_create(&set));
    CHECK_FAILS(mproc_set_add(set, tuple), MPROC_EINVAL);
    mproc_object_release(set);
    mproc_object_release(tuple);

    a = nested(1000);
    CHECK_OK(mproc_object_repr(a, &text));
    CU_ASSERT_EQUAL(text.size, 2000);
    CHECK_OK(mproc_pickle_dumps(a, &text, NULL));
    mproc_object_release(a);
    mproc_buffer_free(&text);
}

static void frozensets_in_frozensets_are_bounded_too(void)
{
    /* each is hashed when the next takes it in: none of them is too deep for that */
    mproc_object *pair[2] = { NULL, NULL };
    for (int which = 0; which < 2; which++) {
        CHECK_OK(mproc_frozenset_create(&pair[which], NULL, 0));
        for (int i = 0; i < 50000; i++) {
            mproc_object *outer = NULL;
            CHECK_OK(mproc_frozenset_create(&outer, &pair[which], 1));
            mproc_object_release(pair[which]);
            pair[which] = outer;
        }
    }
    bool result;
    CHECK_FAILS(mproc_object_equal(pair[0], pair[1], &result), MPROC_EINVAL);
    mproc_object_release(pair[0]);
    mproc_object_release(pair[1]);
}

/* ---- cycles ---- */

static void a_list_in_itself_prints_and_is_freed(void)
{
    mproc_object *object = list();
    CHECK_OK(mproc_list_append(object, mproc_none()));
    CHECK_OK(mproc_list_append(object, object));
    prints(object, "[None, [...]]");
    CU_ASSERT(equal(object, object));
    mproc_object *other = list();
    CHECK_OK(mproc_list_append(other, mproc_none()));
    CHECK_OK(mproc_list_append(other, other));
    bool result;
    CHECK_FAILS(mproc_object_equal(object, other, &result), MPROC_EINVAL); /* Python: RecursionError */
    mproc_object_release(other);
    mproc_object_release(object);
}

static void a_cycle_built_by_hand_can_be_taken_apart(void)
{
    mproc_object *dict = NULL, *inner = list();
    CHECK_OK(mproc_dict_create(&dict));
    CHECK_OK(mproc_dict_set_str(dict, "list", inner));
    CHECK_OK(mproc_list_append(inner, dict));
    prints(dict, "{'list': [{...}]}");
    prints(inner, "[{'list': [...]}]");
    CHECK_OK(mproc_list_clear(inner));
    mproc_object_release(inner);
    mproc_object_release(dict);
}

/* ---- printing ---- */

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
        { "'\xf4\x8f\xbf\xbf'", "'\\U0010ffff'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mproc_object *object = packed(cases[i].literal);
        prints(object, cases[i].text);
        mproc_object_release(object);
    }
    mproc_object *infinity = real(-INFINITY), *nan = real(NAN);
    prints(infinity, "-inf");
    prints(nan, "nan");
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

/* ---- exceptions and instances ---- */

static void exceptions_are_made_by_name(void)
{
    mproc_object *error = NULL, *args = packed("(2, 'No such file')"), *got = NULL;
    const char *module, *name;
    CHECK_OK(mproc_exception_create(&error, "builtins", "FileNotFoundError", args));
    mproc_object_release(args);
    CU_ASSERT_EQUAL(mproc_object_type(error), MPROC_TYPE_EXCEPTION);
    CHECK_OK(mproc_exception_get(error, &module, &name, &got));
    CU_ASSERT(strcmp(module, "builtins") == 0 && strcmp(name, "FileNotFoundError") == 0);
    prints(got, "(2, 'No such file')");
    prints(error, "FileNotFoundError(2, 'No such file')");
    mproc_object_release(error);
    CHECK_OK(mproc_exception_create(&error, "_queue", "Empty", NULL));
    prints(error, "Empty()");
    mproc_object *other = NULL;
    CHECK_OK(mproc_exception_create(&other, "queue", "Full", NULL));
    CU_ASSERT_FALSE(equal(error, other));
    CU_ASSERT_FALSE(same(other, mproc_none()));
    mproc_object_release(error);
    CHECK_FAILS(mproc_exception_create(&error, "os", "system", NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_exception_create(&error, "builtins", "set", NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_exception_create(&error, "builtins", "KeyError", mproc_none()), MPROC_EINVAL);
}

static void instances_are_recipes(void)
{
    mproc_object *class = NULL, *args = packed("('2',)"), *instance = NULL, *set = NULL;
    CHECK_OK(mproc_global_create(&class, "decimal", "Decimal"));
    prints(class, "<decimal.Decimal>");
    mproc_instance_parts parts = { .callable = class, .args = args }, got;
    CHECK_OK(mproc_instance_create(&instance, &parts));
    prints(instance, "<decimal.Decimal('2')>");
    CHECK_OK(mproc_instance_get(instance, &got));
    CU_ASSERT(got.callable == class && got.args == args && got.state == NULL);
    mproc_object *again = NULL;
    CHECK_OK(mproc_instance_create(&again, &parts));
    bool has = false;
    CHECK_OK(mproc_set_create(&set));
    CHECK_OK(mproc_set_add(set, instance));
    CHECK_OK(mproc_set_has(set, again, &has));
    CU_ASSERT_TRUE(has);
    parts.recipe = MPROC_RECIPE_NEW_EX;
    CHECK_FAILS(mproc_instance_create(&again, &parts), MPROC_EINVAL);
    parts.recipe = MPROC_RECIPE_CALL;
    parts.args = class;
    CHECK_FAILS(mproc_instance_create(&again, &parts), MPROC_EINVAL);
    parts.args = args;
    parts.callable = args;
    CHECK_FAILS(mproc_instance_create(&again, &parts), MPROC_EINVAL);
    mproc_object_release(set);
    mproc_object_release(again);
    mproc_object_release(instance);
    mproc_object_release(args);
    mproc_object_release(class);
}

/* ---- arguments ---- */

static void null_is_refused(void)
{
    mproc_object *object = NULL;
    bool flag;
    CHECK_FAILS(mproc_int_create(NULL, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_str_create(&object, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_bytes_create(&object, NULL, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_list_append(NULL, mproc_none()), MPROC_EINVAL);
    CHECK_FAILS(mproc_tuple_create(&object, &object, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_object_equal(mproc_none(), NULL, &flag), MPROC_EINVAL);
    CHECK_FAILS(mproc_dict_set(NULL, mproc_none(), mproc_none()), MPROC_EINVAL);
    CHECK_FAILS(mproc_dict_set(mproc_none(), mproc_none(), mproc_none()), MPROC_ETYPE);
    mproc_object *dict = packed("{}");
    CHECK_FAILS(mproc_dict_set(dict, NULL, mproc_none()), MPROC_EINVAL);
    CHECK_FAILS(mproc_dict_set(dict, mproc_none(), NULL), MPROC_EINVAL);
    mproc_object_release(dict);
    CHECK_OK(mproc_bytes_create(&object, NULL, 0));
    prints(object, "b''");
    mproc_object_release(object);
}

/* ---- threads ---- */

struct shared_work {
    mproc_object *object;
    _Atomic int failures;
};

static void use_shared(void *context)
{
    struct shared_work *work = context;
    mproc_buffer text = MPROC_BUFFER_INIT, pickle = MPROC_BUFFER_INIT;
    for (int i = 0; i < 300; i++) {
        mproc_object *mine = NULL, *part = NULL;
        bool ok = mproc_list_create(&mine) == MPROC_OK && mproc_list_append(mine, work->object) == MPROC_OK &&
                  mproc_object_item(work->object, 1, &part) == MPROC_OK &&
                  mproc_list_append(mine, part) == MPROC_OK && mproc_object_repr(mine, &text) == MPROC_OK &&
                  mproc_pickle_dumps(mine, &pickle, NULL) == MPROC_OK;
        if (!ok || strcmp(text.data, "[['a', ('b', 1), {'c': 2}], ('b', 1)]") != 0)
            work->failures++;
        mproc_object_release(mine);
    }
    mproc_buffer_free(&text);
    mproc_buffer_free(&pickle);
    mproc_object_release(work->object);
}

static void threads_may_read_and_hold_one_object(void)
{
    struct shared_work work = { packed("['a', ('b', 1), {'c': 2}]"), 0 };
    struct test_thread *threads[4];
    for (int i = 0; i < 4; i++) {
        mproc_object_ref(work.object);
        threads[i] = thread_start(use_shared, &work);
    }
    mproc_object_release(work.object); /* the last thread frees it */
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    CU_ASSERT_EQUAL(work.failures, 0);
}

MPROC_SUITE(object, MPROC_TEST(constants_cost_nothing_and_are_themselves), MPROC_TEST(ints_of_every_size_come_back),
            MPROC_TEST(unsigned_ints_come_back_and_what_does_not_fit_is_refused),
            MPROC_TEST(large_ints_keep_every_digit), MPROC_TEST(text_that_is_no_int_is_refused),
            MPROC_TEST(floats_keep_every_bit), MPROC_TEST(ints_become_floats_as_in_python),
            MPROC_TEST(a_str_is_utf8_and_may_hold_surrogates_and_nuls),
            MPROC_TEST(bytes_and_bytearrays_hold_anything), MPROC_TEST(truth_is_pythons),
            MPROC_TEST(a_container_keeps_what_is_put_in), MPROC_TEST(a_part_of_a_block_keeps_the_block),
            MPROC_TEST(lists_do_what_pythons_do), MPROC_TEST(a_long_list_holds_everything),
            MPROC_TEST(equal_numbers_are_one_key), MPROC_TEST(dicts_keep_their_order_through_removals),
            MPROC_TEST(a_dict_that_changes_for_ever_stays_small), MPROC_TEST(what_can_change_is_no_key),
            MPROC_TEST(sets_hold_each_item_once), MPROC_TEST(equality_is_pythons),
            MPROC_TEST(shared_parts_are_compared_once), MPROC_TEST(deep_nesting_is_refused_not_overrun),
            MPROC_TEST(frozensets_in_frozensets_are_bounded_too), MPROC_TEST(a_list_in_itself_prints_and_is_freed),
            MPROC_TEST(a_cycle_built_by_hand_can_be_taken_apart), MPROC_TEST(printing_is_pythons),
            MPROC_TEST(text_that_would_never_end_is_refused), MPROC_TEST(exceptions_are_made_by_name),
            MPROC_TEST(instances_are_recipes), MPROC_TEST(null_is_refused),
            MPROC_TEST(threads_may_read_and_hold_one_object))
