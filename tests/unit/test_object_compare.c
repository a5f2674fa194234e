/* SPDX-License-Identifier: MIT */
/* Objects: equality, keys of dicts and items of sets, exceptions and instances. */
#include "object.h"

#include "mproc.h"
#include "objects.h"
#include "suite.h"

#include <math.h>

static void equal_numbers_are_one_key(void)
{
    mproc_object *dict = packed("{1: 'a', 1.0: 'b', True: 'c', 0: 'd', 0.0: 'e', -0.0: 'f', False: 'g'}");
    check_prints(dict, "{1: 'c', 0: 'g'}");
    mproc_object_release(dict);
    dict = packed("{18446744073709551616: 'a', 18446744073709551616.0: 'b'}");
    check_prints(dict, "{18446744073709551616: 'b'}");
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
    check_prints(set, "{1, 'a', (1, 2)}");
    bool has = false;
    CHECK_OK(mproc_set_has(set, item, &has));
    CU_ASSERT_TRUE(has);
    CHECK_OK(mproc_set_remove(set, item));
    CHECK_FAILS(mproc_set_remove(set, item), MPROC_ENOTFOUND);
    mproc_object *items[] = { item, item, mproc_none() };
    CHECK_OK(mproc_frozenset_create(&frozen, items, 3));
    check_prints(frozen, "frozenset({'a', None})");
    CHECK_OK(mproc_set_add(set, frozen));
    check_prints(set, "{1, (1, 2), frozenset({'a', None})}");
    CHECK_FAILS(mproc_set_add(frozen, item), MPROC_ETYPE);
    CHECK_OK(mproc_set_clear(set));
    CHECK_FAILS(mproc_frozenset_create(&frozen, &set, 1), MPROC_ETYPE);
    mproc_object_release(item);
    mproc_object_release(frozen);
    mproc_object_release(set);
}

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
    CU_ASSERT_FALSE(equal(nan, nan));
    mproc_object *lists[] = { list(), list() };
    CHECK_OK(mproc_list_append(lists[0], nan));
    CHECK_OK(mproc_list_append(lists[1], nan));
    CU_ASSERT(same(lists[0], lists[1])); /* as an item the very same one is equal */
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

static void exceptions_are_made_by_name(void)
{
    mproc_object *error = NULL, *args = packed("(2, 'No such file')"), *got = NULL;
    const char *module, *name;
    CHECK_OK(mproc_exception_create(&error, "builtins", "FileNotFoundError", args));
    mproc_object_release(args);
    CU_ASSERT_EQUAL(mproc_object_type(error), MPROC_TYPE_EXCEPTION);
    CHECK_OK(mproc_exception_get(error, &module, &name, &got));
    CU_ASSERT(strcmp(module, "builtins") == 0 && strcmp(name, "FileNotFoundError") == 0);
    check_prints(got, "(2, 'No such file')");
    check_prints(error, "FileNotFoundError(2, 'No such file')");
    mproc_object_release(error);
    CHECK_OK(mproc_exception_create(&error, "_queue", "Empty", NULL));
    check_prints(error, "Empty()");
    mproc_object *other = NULL;
    CHECK_OK(mproc_exception_create(&other, "queue", "Full", NULL));
    CU_ASSERT_FALSE(equal(error, other));
    CU_ASSERT_FALSE(same(other, mproc_none()));
    mproc_object_release(error);
    static const char *const as_users_say[][3] = { { "multiprocessing", "TimeoutError", "multiprocessing.context" },
                                                   { "concurrent.futures", "CancelledError",
                                                     "concurrent.futures._base" },
                                                   { "json", "JSONDecodeError", "json.decoder" },
                                                   { "subprocess", "CalledProcessError", "subprocess" } };
    for (size_t i = 0; i < sizeof as_users_say / sizeof as_users_say[0]; i++) {
        error = NULL;
        CHECK_OK(mproc_exception_create(&error, as_users_say[i][0], as_users_say[i][1], NULL));
        CHECK_OK(mproc_exception_get(error, &module, &name, NULL));
        CU_ASSERT(strcmp(module, as_users_say[i][2]) == 0 && strcmp(name, as_users_say[i][1]) == 0);
        mproc_object_release(error);
    }
    CHECK_FAILS(mproc_exception_create(&error, "os", "system", NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_exception_create(&error, "builtins", "set", NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_exception_create(&error, "builtins", "KeyError", mproc_none()), MPROC_EINVAL);
}

static mproc_object *key_error(const char *args_format)
{
    mproc_object *error = NULL, *args = packed(args_format);
    CHECK_OK(mproc_exception_create(&error, "builtins", "KeyError", args));
    mproc_object_release(args);
    return error;
}

/* {key: value} with ownership of the key. */
static void set_key(mproc_object *dict, mproc_object *key, int value)
{
    CHECK_OK(mproc_dict_set(dict, key, integer(value)));
    mproc_object_release(key);
}

/* As in Python, where exceptions are compared by identity; but C can look for one that is made alike. */
static void exceptions_are_keys_of_their_own(void)
{
    mproc_object *dict = packed("{}"), *alike = key_error("('a',)"), *other = key_error("('b',)"), *value = NULL;
    set_key(dict, key_error("('a',)"), 1);
    set_key(dict, key_error("('a',)"), 2);
    check_prints(dict, "{KeyError('a'): 1, KeyError('a'): 2}");
    for (int round = 0; round < 2; round++) {
        CHECK_OK(mproc_dict_get(dict, alike, &value));
        CU_ASSERT_PTR_EQUAL(value, integer(1)); /* small ints are words */
        CHECK_FAILS(mproc_dict_get(dict, other, &value), MPROC_ENOTFOUND);
        for (int i = 0; i < 20; i++) /* once more with an index */
            set_key(dict, integer(i), i);
    }
    CHECK_OK(mproc_dict_remove(dict, alike));
    CHECK_OK(mproc_dict_get(dict, alike, &value));
    CU_ASSERT_PTR_EQUAL(value, integer(2));
    CHECK_OK(mproc_dict_set(dict, alike, mproc_true()));
    CHECK_OK(mproc_dict_get(dict, alike, &value));
    CU_ASSERT_PTR_EQUAL(value, mproc_true()); /* the very same one first */
    mproc_object_release(dict);

    mproc_object *pair[2] = { alike, other }, *tuple = NULL, *again = NULL, *set = packed("set()");
    bool has = false;
    CHECK_OK(mproc_tuple_create(&tuple, pair, 2));
    CHECK_OK(mproc_object_copy(&again, tuple));
    CHECK_OK(mproc_set_add(set, tuple));
    CHECK_OK(mproc_set_add(set, again));
    CHECK_OK(mproc_set_add(set, again));
    check_prints(set, "{(KeyError('a'), KeyError('b')), (KeyError('a'), KeyError('b'))}");
    CHECK_OK(mproc_set_remove(set, again));
    CHECK_OK(mproc_set_has(set, again, &has));
    CU_ASSERT_TRUE(has);
    mproc_object_release(set);
    mproc_object_release(again);
    mproc_object_release(tuple);
    mproc_object_release(alike);
    mproc_object_release(other);
}

static void what_an_exception_is_made_with_may_change_while_it_is_a_key(void)
{
    mproc_object *error = key_error("((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), [])"), *args = NULL, *part = NULL;
    mproc_object *set = packed("{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}"), *dict = packed("{}");
    size_t length = 0;
    bool has = false;
    CHECK_OK(mproc_set_add(set, error));
    CHECK_OK(mproc_exception_get(error, NULL, NULL, &args));
    CHECK_OK(mproc_object_item(args, 0, &part));
    CHECK_OK(mproc_dict_set(dict, part, mproc_none())); /* its hash is remembered from here on */
    CHECK_OK(mproc_set_has(set, error, &has));
    CU_ASSERT_TRUE(has);
    CHECK_OK(mproc_object_item(args, 1, &part));
    CHECK_OK(mproc_list_append(part, mproc_none()));
    CHECK_OK(mproc_set_add(set, error));
    CHECK_OK(mproc_object_len(set, &length));
    CU_ASSERT_EQUAL(length, 13);
    mproc_object_release(set);
    mproc_object_release(dict);
    mproc_object_release(error);
}

static void exceptions_made_of_equal_parts_of_other_types_are_found(void)
{
    mproc_object *item = integer(1), *pairs[3][2] = { { packed("{1}"), NULL }, { packed("b'x'"), NULL },
                                                      { packed("1"), packed("1.0") } };
    CHECK_OK(mproc_frozenset_create(&pairs[0][1], &item, 1));
    CHECK_OK(mproc_bytearray_create(&pairs[1][1], "x", 1));
    for (int i = 0; i < 3; i++) {
        mproc_object *errors[2] = { NULL, NULL }, *set = packed("{10, 11, 12, 13, 14, 15, 16, 17, 18, 19}");
        bool has = false;
        for (int k = 0; k < 2; k++) {
            mproc_object *args = NULL;
            CHECK_OK(mproc_tuple_create(&args, &pairs[i][k], 1));
            CHECK_OK(mproc_exception_create(&errors[k], "builtins", "KeyError", args));
            mproc_object_release(args);
            mproc_object_release(pairs[i][k]);
        }
        CU_ASSERT_TRUE(equal(errors[0], errors[1]));
        CHECK_OK(mproc_set_add(set, errors[0]));
        CHECK_OK(mproc_set_has(set, errors[1], &has));
        CU_ASSERT_TRUE(has);
        mproc_object_release(set);
        mproc_object_release(errors[0]);
        mproc_object_release(errors[1]);
    }
}

/* Every entry needs another one that is equal to it, in whatever order they are. */
static void dicts_and_sets_of_exceptions_are_compared_entry_by_entry(void)
{
    static const struct {
        const char *a[3], *b[3];
        int a_values[3], b_values[3];
        bool equal;
    } cases[] = {
        { { "('a',)", "('a',)", "('b',)" }, { "('a',)", "('a',)", "('b',)" }, { 1, 2, 3 }, { 1, 2, 3 }, true },
        { { "('a',)", "('a',)", "('b',)" }, { "('b',)", "('a',)", "('a',)" }, { 1, 2, 3 }, { 3, 2, 1 }, true },
        { { "('a',)", "('a',)", "('b',)" }, { "('a',)", "('b',)", "('b',)" }, { 1, 1, 1 }, { 1, 1, 1 }, false },
        { { "('a',)", "('a',)", "('b',)" }, { "('a',)", "('a',)", "('b',)" }, { 1, 2, 3 }, { 1, 1, 3 }, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mproc_object *a = packed("{}"), *b = packed("{}");
        for (int k = 0; k < 3; k++) {
            set_key(a, key_error(cases[i].a[k]), cases[i].a_values[k]);
            set_key(b, key_error(cases[i].b[k]), cases[i].b_values[k]);
        }
        CU_ASSERT_EQUAL(same(a, b), cases[i].equal);
    }
}

static void any_number_of_instances_may_be_keys(void)
{
    enum { COUNT = 20000 };
    mproc_object *dict = packed("{}"), *class = NULL, *args = packed("()"), *copy = NULL;
    CHECK_OK(mproc_global_create(&class, "m", "C"));
    for (int i = 0; i < COUNT; i++) { /* they differ in their state only */
        mproc_object *state = NULL, *instance = NULL;
        CHECK_OK(mproc_pack(&state, "{'x': %d}", i));
        mproc_instance_parts parts = { .recipe = MPROC_RECIPE_NEW, .callable = class, .args = args, .state = state };
        CHECK_OK(mproc_instance_create(&instance, &parts));
        set_key(dict, instance, i);
        mproc_object_release(state);
    }
    size_t length = 0;
    CHECK_OK(mproc_object_copy(&copy, dict));
    CHECK_OK(mproc_object_len(copy, &length));
    CU_ASSERT_EQUAL(length, COUNT);
    CU_ASSERT_TRUE(same(copy, dict));
    mproc_object_release(class);
    mproc_object_release(args);
}

static void instances_are_recipes(void)
{
    mproc_object *class = NULL, *args = packed("('2',)"), *instance = NULL, *set = NULL;
    CHECK_OK(mproc_global_create(&class, "decimal", "Decimal"));
    check_prints(class, "<decimal.Decimal>");
    mproc_instance_parts parts = { .callable = class, .args = args }, got;
    CHECK_OK(mproc_instance_create(&instance, &parts));
    check_prints(instance, "<decimal.Decimal('2')>");
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

MPROC_SUITE(object_compare, MPROC_TEST(equal_numbers_are_one_key), MPROC_TEST(what_can_change_is_no_key),
            MPROC_TEST(sets_hold_each_item_once), MPROC_TEST(equality_is_pythons),
            MPROC_TEST(shared_parts_are_compared_once), MPROC_TEST(frozensets_in_frozensets_are_bounded_too),
            MPROC_TEST(exceptions_are_made_by_name), MPROC_TEST(exceptions_are_keys_of_their_own),
            MPROC_TEST(what_an_exception_is_made_with_may_change_while_it_is_a_key),
            MPROC_TEST(exceptions_made_of_equal_parts_of_other_types_are_found),
            MPROC_TEST(dicts_and_sets_of_exceptions_are_compared_entry_by_entry),
            MPROC_TEST(any_number_of_instances_may_be_keys), MPROC_TEST(instances_are_recipes))
