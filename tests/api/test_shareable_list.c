/* SPDX-License-Identifier: MIT */
/* ShareableList: its bytes, its values, and segments that hold none. tests/interop has it with Python. */
#include "suite.h"
#include "system.h"

#include <math.h>

static mproc_shareable_list *make(const mproc_shareable *values, size_t count)
{
    mproc_shareable_list *list = NULL;
    CHECK_OK(mproc_shareable_list_create(&list, NULL, values, count));
    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    return list;
}

static void end(mproc_shareable_list *list)
{
    CHECK_OK(mproc_shared_memory_unlink(mproc_shareable_list_memory(list)));
    CHECK_OK(mproc_shareable_list_close(list));
}

/* [7, -1, 2.5, True, None, 'h\u00e9llo', '12345678', b'ab\0', ''] as CPython 3.11 writes it. */
static void the_bytes_are_pythons(void)
{
    mproc_shareable values[] = { mproc_shareable_int(7), mproc_shareable_int(-1), mproc_shareable_float(2.5),
                                 mproc_shareable_bool(true), mproc_shareable_none(),
                                 mproc_shareable_str("h\xc3\xa9llo"), mproc_shareable_str("12345678"),
                                 mproc_shareable_bytes("ab", 3), mproc_shareable_str("") };
    mproc_shareable_list *list = make(values, 9);
    const char *bytes = mproc_shared_memory_pointer(mproc_shareable_list_memory(list));
    static const int64_t header[] = { 9, 0, 8, 16, 24, 32, 40, 48, 64, 72, 80 };
    CU_ASSERT_EQUAL(memcmp(bytes, header, sizeof header), 0);
    CU_ASSERT_EQUAL(memcmp(bytes + 88 + 40, "h\xc3\xa9llo\0\0", 8), 0);
    CU_ASSERT_EQUAL(memcmp(bytes + 88 + 24, "\0\0\0\0\0\0\0\1", 8), 0);
    CU_ASSERT_EQUAL(memcmp(bytes + 168, "q\0\0\0\0\0\0\0q\0\0\0\0\0\0\0d\0\0\0\0\0\0\0xxxxxxx?xxxxxx?x", 40), 0);
    CU_ASSERT_EQUAL(memcmp(bytes + 168 + 48, "16s\0\0\0\0\0", 8), 0);
    CU_ASSERT_EQUAL(memcmp(bytes + 240, "\0\0\0\0\3\1\1\2\1", 9), 0);
    if (!system_is_windows())
        CU_ASSERT_TRUE(mproc_shared_memory_size(mproc_shareable_list_memory(list)) >= 249);
    char format[100];
    size_t length;
    CHECK_OK(mproc_shareable_list_format(list, format, sizeof format, &length));
    CU_ASSERT_STRING_EQUAL(format, "qqdxxxxxxx?xxxxxx?x8s16s8s8s");
    CU_ASSERT_EQUAL(length, strlen(format));
    CHECK_OK(mproc_shareable_list_format(list, format, 5, NULL));
    CU_ASSERT_STRING_EQUAL(format, "qqdx");
    end(list);
}

static bool is(const mproc_shareable_list *list, int64_t index, mproc_shareable expected)
{
    mproc_shareable value;
    if (mproc_shareable_list_get(list, index, &value) != MPROC_OK || value.kind != expected.kind)
        return false;
    if (value.kind == MPROC_SHAREABLE_STR || value.kind == MPROC_SHAREABLE_BYTES)
        return value.size == expected.size && memcmp(value.data, expected.data, value.size) == 0;
    return value.integer == expected.integer && value.real == expected.real;
}

static void values_are_read_and_replaced_by_any_kind(void)
{
    mproc_shareable values[] = { mproc_shareable_int(INT64_MIN), mproc_shareable_str("hello"),
                                 mproc_shareable_none() };
    mproc_shareable_list *list = make(values, 3), *other;
    CHECK_OK(mproc_shareable_list_attach(&other, mproc_shared_memory_name(mproc_shareable_list_memory(list))));
    CU_ASSERT_EQUAL(mproc_shareable_list_length(other), 3);
    CU_ASSERT_TRUE(is(other, 0, values[0]));
    CU_ASSERT_TRUE(is(other, -2, values[1]));
    CU_ASSERT_TRUE(is(other, 2, values[2]));
    const mproc_shareable kinds[] = { mproc_shareable_bool(false), mproc_shareable_float(-0.5),
                                      mproc_shareable_str("12345678"), mproc_shareable_bytes("\1\2", 2),
                                      mproc_shareable_none(), mproc_shareable_int(42) };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (int place = 0; place < 3; place++) {
            CHECK_OK(mproc_shareable_list_set(list, place, &kinds[i]));
            CU_ASSERT_TRUE(is(other, place, kinds[i]));
        }
    }
    CHECK_OK(mproc_shareable_list_close(other));
    end(list);
}

static void what_does_not_fit_changes_nothing(void)
{
    mproc_shareable values[] = { mproc_shareable_str("short"), mproc_shareable_int(1) };
    mproc_shareable_list *list = make(values, 2);
    mproc_shareable nine = mproc_shareable_str("123456789"), value;
    CHECK_FAILS(mproc_shareable_list_set(list, 0, &nine), MPROC_EMSGSIZE);
    CHECK_FAILS(mproc_shareable_list_set(list, 1, &nine), MPROC_EMSGSIZE);
    CU_ASSERT_TRUE(is(list, 0, values[0]));
    CU_ASSERT_TRUE(is(list, 1, values[1]));
    CHECK_FAILS(mproc_shareable_list_get(list, 2, &value), MPROC_EINVAL);
    CHECK_FAILS(mproc_shareable_list_get(list, -3, &value), MPROC_EINVAL);
    CHECK_FAILS(mproc_shareable_list_set(list, 2, &values[0]), MPROC_EINVAL);
    CHECK_FAILS(mproc_shareable_list_get(list, 0, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_shareable_list_set(list, 0, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_shareable_list_get(NULL, 0, &value), MPROC_EINVAL);
    mproc_shareable wrong = { .kind = (mproc_shareable_kind) 77 };
    CHECK_FAILS(mproc_shareable_list_set(list, 0, &wrong), MPROC_EINVAL);
    mproc_shareable large = mproc_shareable_bytes("", 10000000);
    CHECK_FAILS(mproc_shareable_list_create(&list, NULL, &large, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_shareable_list_create(NULL, NULL, values, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_shareable_list_create(&list, NULL, NULL, 1), MPROC_EINVAL);
    end(list);
}

static void items_are_counted_and_found_as_python_does(void)
{
    mproc_shareable values[] = { mproc_shareable_int(1), mproc_shareable_float(1.0), mproc_shareable_bool(true),
                                 mproc_shareable_str("1"), mproc_shareable_bytes("1", 1), mproc_shareable_none() };
    mproc_shareable_list *list = make(values, 6);
    size_t count, index;
    CHECK_OK(mproc_shareable_list_count(list, &values[2], &count));
    CU_ASSERT_EQUAL(count, 3);
    CHECK_OK(mproc_shareable_list_index(list, &values[1], &index));
    CU_ASSERT_EQUAL(index, 0);
    CHECK_OK(mproc_shareable_list_index(list, &values[4], &index));
    CU_ASSERT_EQUAL(index, 4);
    CHECK_OK(mproc_shareable_list_count(list, &values[5], &count));
    CU_ASSERT_EQUAL(count, 1);
    mproc_shareable missing = mproc_shareable_int(2);
    CHECK_FAILS(mproc_shareable_list_index(list, &missing, &index), MPROC_ENOTFOUND);
    end(list);
}

static size_t count_of(const mproc_shareable_list *list, mproc_shareable value)
{
    size_t count = 1000;
    CHECK_OK(mproc_shareable_list_count(list, &value, &count));
    return count;
}

/* Python compares an int with a float exactly, and what is in a list has lost its last zero bytes. */
static void equal_is_what_python_calls_equal(void)
{
    const int64_t large = INT64_C(9007199254740993); /* 2^53 + 1 */
    mproc_shareable values[] = { mproc_shareable_int(large), mproc_shareable_int(INT64_MAX),
                                 mproc_shareable_int(INT64_MIN), mproc_shareable_float(NAN),
                                 mproc_shareable_float(0x1p63), mproc_shareable_bytes("ab\0", 3),
                                 mproc_shareable_str("") };
    mproc_shareable_list *list = make(values, 7);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_float((double) large)), 0);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_int(large)), 1);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_float(0x1p63)), 1); /* not INT64_MAX */
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_float(-0x1p63)), 1);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_float(NAN)), 0);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_float(HUGE_VAL)), 0);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_bytes("ab\0", 3)), 0);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_bytes("ab", 2)), 1);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_bytes("", 0)), 0);
    CU_ASSERT_EQUAL(count_of(list, mproc_shareable_str("")), 1);
    end(list);
}

static void an_empty_list_is_a_list(void)
{
    mproc_shareable_list *list = make(NULL, 0), *other;
    CHECK_OK(mproc_shareable_list_attach(&other, mproc_shared_memory_name(mproc_shareable_list_memory(list))));
    CU_ASSERT_EQUAL(mproc_shareable_list_length(other), 0);
    CHECK_OK(mproc_shareable_list_close(other));
    end(list);
}

/* Every byte of a list's segment is damaged in turn: attaching and reading answer, and read only inside. */
static void damage_is_an_error_and_never_a_crash(void)
{
    mproc_shareable values[] = { mproc_shareable_int(7), mproc_shareable_str("hello, world"),
                                 mproc_shareable_none() };
    mproc_shareable_list *list = make(values, 3), *other;
    mproc_shared_memory *memory = mproc_shareable_list_memory(list);
    unsigned char *bytes = mproc_shared_memory_pointer(memory);
    static const unsigned char damages[] = { 0, 1, 7, 0x7f, 0x80, 0xff };
    size_t refused = 0;
    for (size_t i = 0; i < 112; i++) {
        unsigned char before = bytes[i];
        for (size_t k = 0; k < sizeof damages; k++) {
            bytes[i] = damages[k];
            mproc_err err = mproc_shareable_list_attach(&other, mproc_shared_memory_name(memory));
            refused += err != MPROC_OK;
            for (int64_t n = 0; err == MPROC_OK && n < (int64_t) mproc_shareable_list_length(other); n++) {
                mproc_shareable value;
                mproc_err read = mproc_shareable_list_get(other, n, &value);
                CU_ASSERT_TRUE(read == MPROC_OK || read == MPROC_EPROTO);
                refused += read != MPROC_OK;
            }
            CU_ASSERT_TRUE(err == MPROC_OK || err == MPROC_EPROTO);
            if (err == MPROC_OK)
                CHECK_OK(mproc_shareable_list_close(other));
        }
        bytes[i] = before;
    }
    CU_ASSERT_TRUE(refused > 100);
    end(list);
}

static void offsets_whose_difference_overflows_are_refused(void)
{
    mproc_shareable values[] = { mproc_shareable_int(1), mproc_shareable_int(2) };
    mproc_shareable_list *list = make(values, 2), *other;
    mproc_shared_memory *memory = mproc_shareable_list_memory(list);
    int64_t lowest = INT64_MIN;
    memcpy((char *) mproc_shared_memory_pointer(memory) + 8 + 2 * 8, &lowest, sizeof lowest);
    CHECK_FAILS(mproc_shareable_list_attach(&other, mproc_shared_memory_name(memory)), MPROC_EPROTO);
    end(list);
}

static void a_segment_that_is_too_short_is_refused(void)
{
    mproc_shared_memory *memory;
    mproc_shareable_list *list;
    CHECK_OK(mproc_shared_memory_create(&memory, NULL, 8));
    ((char *) mproc_shared_memory_pointer(memory))[0] = 100;
    CHECK_FAILS(mproc_shareable_list_attach(&list, mproc_shared_memory_name(memory)), MPROC_EPROTO);
    CHECK_FAILS(mproc_shareable_list_attach(&list, "shm-test-no-such-list"), MPROC_ENOTFOUND);
    CHECK_FAILS(mproc_shareable_list_attach(NULL, "x"), MPROC_EINVAL);
    CHECK_OK(mproc_shared_memory_unlink(memory));
    CHECK_OK(mproc_shared_memory_close(memory));
}

MPROC_SUITE(shareable_list, MPROC_TEST(the_bytes_are_pythons),
            MPROC_TEST(values_are_read_and_replaced_by_any_kind), MPROC_TEST(what_does_not_fit_changes_nothing),
            MPROC_TEST(items_are_counted_and_found_as_python_does), MPROC_TEST(equal_is_what_python_calls_equal),
            MPROC_TEST(an_empty_list_is_a_list), MPROC_TEST(damage_is_an_error_and_never_a_crash),
            MPROC_TEST(offsets_whose_difference_overflows_are_refused),
            MPROC_TEST(a_segment_that_is_too_short_is_refused))
