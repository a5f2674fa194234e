/* SPDX-License-Identifier: MIT */
/* Pickles of classes, exceptions, and what C does not understand. The expected bytes are Python's own. */
#include "mproc/pickle.h"

#include "mproc.h"
#include "objects.h"
#include "suite.h"

/* Protocols 0 to 2 have Python 2's names, whoever wrote them. */
static void names_of_python_2_become_todays(void)
{
    static const struct {
        const char *hex, *text;
    } cases[] = {
        { "8002 63 5f5f6275696c74696e5f5f0a 7872616e67650a 2e", "<builtins.range>" },
        { "63 69746572746f6f6c730a 696d61700a 2e", "<builtins.map>" }, /* no protocol: 0 or 1 */
        { "8002 63 636f70795f7265670a 5f7265636f6e7374727563746f720a 2e", "<copyreg._reconstructor>" },
        { "8002 8c0551756575658c0446756c6c 93 29 52 2e", "Full()" },
        { "8002 63 657863657074696f6e730a 5374616e646172644572726f720a 29 52 2e", "Exception()" },
        { "8002 63 657863657074696f6e730a 494f4572726f720a 29 52 2e", "OSError()" },
        { "8002 63 6d756c746970726f63657373696e670a 54696d656f75744572726f720a 29 52 2e", "TimeoutError()" },
        { "8003 63 5f5f6275696c74696e5f5f0a 7872616e67650a 2e", "<__builtin__.xrange>" }, /* somebody's own */
    };
    mproc_pickle_options keep = { .keep_unknown = true };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mproc_object *object = NULL;
        CHECK_OK(loads_hex(&object, cases[i].hex, &keep));
        check_prints(object, cases[i].text);
        mproc_object_release(object);
    }
}

/* Python 3 finds all of Python's own in __builtin__, and Python 2 what it has. */
static void protocol_2_is_written_with_names_of_python_2(void)
{
    static const struct {
        const char *module, *name, *hex;
    } cases[] = {
        { "builtins", "BrokenPipeError", "8002 63 5f5f6275696c74696e5f5f0a 42726f6b656e506970654572726f720a 2e" },
        { "builtins", "KeyError", "8002 63 5f5f6275696c74696e5f5f0a 4b65794572726f720a 2e" },
        { "builtins", "range", "8002 63 5f5f6275696c74696e5f5f0a 7872616e67650a 2e" },
        { "multiprocessing.context", "TimeoutError",
          "8002 63 6d756c746970726f63657373696e670a 54696d656f75744572726f720a 2e" },
        { "queue", "Full", "8002 63 51756575650a 46756c6c0a 2e" },
        { "somewhere", "Else", "8002 63 736f6d6577686572650a 456c73650a 2e" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mproc_object *class = NULL;
        CHECK_OK(mproc_global_create(&class, cases[i].module, cases[i].name));
        check_writes(class, 2, cases[i].hex);
        mproc_object_release(class);
    }
    mproc_object *class = NULL;
    CHECK_OK(mproc_global_create(&class, "builtins", "range"));
    check_writes(class, 3, "8003 63 6275696c74696e730a 72616e67650a 2e");
    mproc_object_release(class);
    /* somebody's own module that is called as one of Python 2's */
    CHECK_OK(mproc_global_create(&class, "Queue", "Full"));
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_pickle_options options = { .protocol = 2 };
    CHECK_FAILS(mproc_pickle_dumps(class, &pickle, &options), MPROC_EINVAL);
    options.protocol = 3;
    CHECK_OK(mproc_pickle_dumps(class, &pickle, &options));
    mproc_buffer_free(&pickle);
    mproc_object_release(class);
}

/* Python keeps two exceptions apart that are made alike; the hash must not tell what they are made with. */
static void exceptions_as_keys_stay_apart(void)
{
    for (int protocol = 2; protocol <= 5; protocol++) {
        mproc_object *dict = NULL, *copy = NULL, *args = NULL, *frozen = NULL, *errors[2] = { NULL, NULL };
        mproc_pickle_options options = { .protocol = protocol };
        mproc_buffer pickle = MPROC_BUFFER_INIT;
        CHECK_OK(mproc_dict_create(&dict));
        CHECK_OK(mproc_pack(&args, "('a',)"));
        for (int i = 0; i < 2; i++) {
            CHECK_OK(mproc_exception_create(&errors[i], "builtins", "KeyError", args));
            CHECK_OK(mproc_dict_set(dict, errors[i], i ? mproc_true() : mproc_false()));
        }
        CHECK_OK(mproc_frozenset_create(&frozen, errors, 2));
        CHECK_OK(mproc_dict_set(dict, frozen, mproc_none()));
        CHECK_OK(mproc_pickle_dumps(dict, &pickle, &options));
        CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, NULL));
        check_prints(copy, "{KeyError('a'): False, KeyError('a'): True,"
                           " frozenset({KeyError('a'), KeyError('a')}): None}");
        mproc_object_release(copy);
        mproc_object_release(frozen);
        mproc_object_release(errors[0]);
        mproc_object_release(errors[1]);
        mproc_object_release(args);
        mproc_object_release(dict);
        mproc_buffer_free(&pickle);
    }
}

static mproc_object *arg_of(const mproc_object *object)
{
    mproc_object *args = NULL, *arg = NULL;
    CHECK_OK(mproc_exception_get(object, NULL, NULL, &args));
    CHECK_OK(mproc_object_item(args, 0, &arg));
    return arg;
}

/* error = ValueError([error]), with the error or its list as the root */
static void an_exception_in_itself_is_one_again(void)
{
    mproc_object *list = NULL, *args = NULL, *error = NULL, *item = NULL;
    CHECK_OK(mproc_list_create(&list));
    CHECK_OK(mproc_tuple_create(&args, &list, 1));
    CHECK_OK(mproc_exception_create(&error, "builtins", "ValueError", args));
    CHECK_OK(mproc_list_append(list, error));
    for (int protocol = 2; protocol <= 5; protocol++) {
        mproc_object *copy = copied(error, protocol);
        CHECK_OK(mproc_object_item(arg_of(copy), 0, &item));
        CU_ASSERT_PTR_EQUAL(item, copy);
        mproc_object_release(copy);
        copy = copied(list, protocol);
        CHECK_OK(mproc_object_item(copy, 0, &item));
        CU_ASSERT_PTR_EQUAL(arg_of(item), copy);
        mproc_object_release(copy);
        mproc_object *outside = list_of(error), *again = NULL;
        copy = copied(outside, protocol);
        CHECK_OK(mproc_object_item(copy, 0, &item));
        CHECK_OK(mproc_object_item(arg_of(item), 0, &again));
        CU_ASSERT_PTR_EQUAL(item, again);
        mproc_object_release(copy);
        mproc_object_release(outside);
    }
    CHECK_OK(mproc_list_clear(list)); /* or it would live for ever */
    mproc_object_release(list);
    mproc_object_release(args);
    mproc_object_release(error);
}

/* What an exception, or instance, in a set or frozenset has as its attribute "home". */
static mproc_object *home_of_item(const mproc_object *set)
{
    mproc_instance_parts parts;
    mproc_object *item = NULL, *home = NULL;
    size_t position = 0;
    CU_ASSERT_TRUE(mproc_object_next(set, &position, &item, NULL));
    CHECK_OK(mproc_instance_get(item, &parts));
    CHECK_OK(mproc_dict_get_str(parts.state, "home", &home));
    return home;
}

static void a_set_of_what_knows_the_set_is_one_again(void)
{
    for (int kind = 0; kind < 4; kind++) { /* set or frozenset; of an exception or an instance */
        mproc_object *class = NULL, *args = NULL, *attributes = NULL, *item = NULL, *set = NULL;
        CHECK_OK(mproc_global_create(&class, kind / 2 ? "a" : "builtins", kind / 2 ? "Class" : "KeyError"));
        CHECK_OK(mproc_tuple_create(&args, NULL, 0));
        CHECK_OK(mproc_dict_create(&attributes));
        mproc_instance_parts parts = { .callable = class, .args = args, .state = attributes };
        CHECK_OK(mproc_instance_create(&item, &parts));
        if (kind % 2) {
            CHECK_OK(mproc_frozenset_create(&set, &item, 1));
        } else {
            CHECK_OK(mproc_set_create(&set));
            CHECK_OK(mproc_set_add(set, item));
        }
        CHECK_OK(mproc_dict_set_str(attributes, "home", set));
        for (int protocol = 2; protocol <= 5; protocol++) {
            mproc_object *copy = copied(set, protocol);
            CU_ASSERT_PTR_EQUAL(home_of_item(copy), copy);
            mproc_object_release(copy);
            copy = copied(item, protocol); /* from the other end */
            CHECK_OK(mproc_instance_get(copy, &parts));
            mproc_object *home = NULL;
            CHECK_OK(mproc_dict_get_str(parts.state, "home", &home));
            CU_ASSERT_PTR_EQUAL(home_of_item(home), home);
            mproc_object_release(copy);
            mproc_object *outside = list_of(set), *inner = NULL;
            copy = copied(outside, protocol);
            CHECK_OK(mproc_object_item(copy, 0, &inner));
            CU_ASSERT_PTR_EQUAL(home_of_item(inner), inner);
            mproc_object_release(copy);
            mproc_object_release(outside);
        }
        CHECK_OK(mproc_dict_clear(attributes)); /* or it would live for ever */
        mproc_object_release(class);
        mproc_object_release(args);
        mproc_object_release(attributes);
        mproc_object_release(item);
        mproc_object_release(set);
    }
}

static void classes_and_functions_are_refused_by_name(void)
{
    mproc_object *object = NULL;
    CHECK_FAILS(loads_hex(&object, "8004 8c086461746574696d65 8c0464617465 93 430407e8021d 85 52 2e", NULL),
                MPROC_EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "datetime.date"));
    CHECK_FAILS(loads_hex(&object, "8002 63 6f730a 73797374656d0a 58020000006c73 85 52 2e", NULL), MPROC_EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "os.system"));
    CHECK_FAILS(loads_hex(&object, "8004 8c016d 8c05611b5b324a 93 2e", NULL), MPROC_EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "m.a\\x1b[2J,")); /* no escape reaches a terminal */
    mproc_pickle_options keep = { .keep_unknown = true };
    CHECK_FAILS(loads_hex(&object, "8004 8c086275696c74696e73 8c0673657400 0a21 93 2e", &keep), MPROC_EPROTO);
    CU_ASSERT_PTR_NULL(object);
    CHECK_OK(loads_hex(&object, "8004 8c016d 8c05611b5b324a 93 2e", &keep));
    check_prints(object, "<m.a\\x1b[2J>");
    mproc_object_release(object);
}

static void unknown_classes_can_be_kept(void)
{
    mproc_pickle_options keep = { .keep_unknown = true };
    mproc_object *object = NULL;
    CHECK_OK(loads_hex(&object, "8004 8c086461746574696d65 8c0464617465 93 430407e8021d 85 52 2e", &keep));
    CU_ASSERT_EQUAL(mproc_object_type(object), MPROC_TYPE_INSTANCE);
    check_prints(object, "<datetime.date(b'\\x07\\xe8\\x02\\x1d')>");
    check_writes(object, 4, "8004 8c086461746574696d65 8c0464617465 93 430407e8021d 85 52 2e");
    mproc_object_release(object);
    /* Token: new object and state */
    CHECK_OK(loads_hex(&object, "8004 8c016d 8c0154 93 29 81 4e 7d 8c0161 4b01 73 86 62 2e", &keep));
    mproc_instance_parts parts;
    CHECK_OK(mproc_instance_get(object, &parts));
    CU_ASSERT_EQUAL(parts.recipe, MPROC_RECIPE_NEW);
    check_prints(parts.state, "(None, {'a': 1})");
    mproc_object_release(object);
    /* nothing appended is as good as no items: the copy is equal */
    mproc_object *copy = NULL;
    bool equal = false;
    CHECK_OK(loads_hex(&object, "8004 8c016d 8c0154 93 29 52 28 65 2e", &keep));
    CHECK_OK(mproc_object_copy(&copy, object));
    CHECK_OK(mproc_object_equal(object, copy, &equal));
    CU_ASSERT_TRUE(equal);
    mproc_object_release(copy);
    mproc_object_release(object);
}

/* The sixth item of what Python's __reduce__ returns: a function to call with the object and its state. */
static void a_state_setter_is_kept(void)
{
    mproc_pickle_options keep = { .keep_unknown = true };
    mproc_object *object = NULL, *again = NULL;
    mproc_instance_parts parts;
    CHECK_OK(loads_hex(&object, "8004 8c016d 8c0143 93 29 52 94 8c016d 8c0173 93 68 00 5d 4b01 61 86 52 30 2e", &keep));
    CHECK_OK(mproc_instance_get(object, &parts));
    CHECK_OK(mproc_instance_create(&again, &parts)); /* a second one, made by hand */
    for (int protocol = 2; protocol <= 5; protocol++) {
        mproc_object *copies[] = { copied(object, protocol), copied(again, protocol) };
        for (int i = 0; i < 2; i++) {
            CHECK_OK(mproc_instance_get(copies[i], &parts));
            check_prints(parts.state, "[1]");
            check_prints(parts.state_setter, "<m.s>");
            mproc_object_release(copies[i]);
        }
    }
    mproc_object_release(again);
    CHECK_OK(mproc_instance_get(object, &parts));
    parts.state = NULL;
    CHECK_FAILS(mproc_instance_create(&again, &parts), MPROC_EINVAL);
    mproc_object_release(object);
    keep.max_depth = 4; /* of which two are the call, which is not kept */
    CHECK_OK(loads_hex(&object, "8004 8c016d 8c0143 93 29 52 94 8c016d 8c0173 93 68 00 4e 86 52 30 2e", &keep));
    mproc_object_release(object);
}

/* What a call does to something else would be lost. */
static void a_call_for_its_effect_is_refused(void)
{
    static const char *const calls[] = {
        "8004 4e 8c016d 8c0166 93 29 52 30 2e",           /* f() */
        "8004 4e 28 8c016d 8c0166 93 29 52 31 2e",
        "8004 5d 94 8c016d 8c0166 93 68 00 4e 86 52 30 2e" /* f([], None) */
    };
    mproc_pickle_options keep = { .keep_unknown = true };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        mproc_object *object = NULL;
        CHECK_FAILS(loads_hex(&object, calls[i], &keep), MPROC_EPROTO);
        CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "effect"));
    }
}

MPROC_SUITE(pickle_class, MPROC_TEST(names_of_python_2_become_todays),
            MPROC_TEST(protocol_2_is_written_with_names_of_python_2), MPROC_TEST(exceptions_as_keys_stay_apart),
            MPROC_TEST(an_exception_in_itself_is_one_again), MPROC_TEST(a_set_of_what_knows_the_set_is_one_again),
            MPROC_TEST(a_state_setter_is_kept), MPROC_TEST(a_call_for_its_effect_is_refused),
            MPROC_TEST(classes_and_functions_are_refused_by_name), MPROC_TEST(unknown_classes_can_be_kept))
