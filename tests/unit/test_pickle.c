/* SPDX-License-Identifier: MIT */
/* Pickles: what Python writes, what we write, what must be refused. The expected bytes are Python's own. */
#include "mproc/pickle.h"
#include "object.h"

#include "mproc.h"
#include "suite.h"

static size_t from_hex(const char *hex, unsigned char *out)
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

static void prints(const mproc_object *object, const char *expected)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    CHECK_OK(mproc_object_repr(object, &text));
    if (text.data && strcmp(text.data, expected) != 0)
        printf("\n  %s\n  is not %s\n", text.data, expected);
    CU_ASSERT(text.data && strcmp(text.data, expected) == 0);
    mproc_buffer_free(&text);
}

static mproc_err loads_hex(mproc_object **object, const char *hex, const mproc_pickle_options *options)
{
    unsigned char data[1000], *exact;
    size_t size = from_hex(hex, data);
    exact = malloc(size + 1); /* for sanitizers */
    if (size > 0)
        memcpy(exact, data, size);
    mproc_err err = mproc_pickle_loads(object, exact, size, options);
    free(exact);
    return err;
}

static void reads_as(const char *hex, const char *expected)
{
    mproc_object *object = NULL;
    CHECK_OK(loads_hex(&object, hex, NULL));
    if (object)
        prints(object, expected);
    mproc_object_release(object);
}

/* ---- what Python writes ---- */

static void managers_messages_are_read(void)
{
    reads_as("8004 95 1000000000000000 28 4e 8c05 64756d6d79 94 29 7d94 74 94 2e", "(None, 'dummy', (), {})");
    reads_as("8004 95 0e00000000000000 8c07 2352455455524e 94 4e 86 94 2e", "('#RETURN', None)");
    reads_as("8004 95 0f00000000000000 8c07 2352455455524e 94 4b01 86 94 2e", "('#RETURN', 1)");
    reads_as("80049521 00000000000000 284e8c06696e63726566948c0c376632613437346633653430948594 7d94 74 94 2e",
             "(None, 'incref', ('7f2a474f3e40',), {})");
    reads_as("80049522000000000000008c06234552524f52948c065f7175657565948c05456d70747994939429529486942e",
             "('#ERROR', Empty())");
}

static void every_protocols_way_to_write_a_type_is_read(void)
{
    reads_as("8002635f5f6275696c74696e5f5f0a7365740a71005d7101284b014b02658571025271032e", "{1, 2}");
    reads_as("8003636275696c74696e730a7365740a71005d7101284b014b02658571025271032e", "{1, 2}");
    reads_as("8003636275696c74696e730a66726f7a656e7365740a71005d71014b03618571025271032e", "frozenset({3})");
    reads_as("8002635f636f646563730a656e636f64650a7100580500000000c3bf6162710158060000006c6174696e3171028671035271042e",
             "b'\\x00\\xffab'");
    reads_as("8003430400ff616271002e", "b'\\x00\\xffab'");
    reads_as("8002635f5f6275696c74696e5f5f0a62797465730a7100295271012e", "b''");
    reads_as("8002635f5f6275696c74696e5f5f0a6279746561727261790a7100635f636f646563730a656e636f64650a71015803"
             "00000071c280"
             "710258060000006c6174696e3171038671045271058571065271072e", "bytearray(b'q\\x80')");
    reads_as("8003636275696c74696e730a6279746561727261790a7100295271012e", "bytearray(b'')");
    reads_as("80049523000000000000008c086275696c74696e73948c096279746561727261799493944302718094859452942e",
             "bytearray(b'q\\x80')");
    reads_as("8005950d000000000000009602000000000000007180942e", "bytearray(b'q\\x80')");
    reads_as("800263657863657074696f6e730a4b65794572726f720a710058010000006b71018571025271032e", "KeyError('k')");
    reads_as("80 02 28 4b01 4b02 6c 2e", "[1, 2]");
    reads_as("80 02 28 4b01 4b02 64 2e", "{1: 2}");
    reads_as("80 04 4b01 32 86 2e", "(1, 1)");
    reads_as("80 04 28 4b01 31 4b02 2e", "2");
    reads_as("80 04 4b01 4b02 30 2e", "1");
    reads_as("80 04 4b01 2e ffff", "1"); /* what follows is not read, as in Python */
}

static void numbers_are_read_in_their_byte_order(void)
{
    reads_as("80 04 4d0102 2e", "513");
    reads_as("80 04 4a01020304 2e", "67305985");
    reads_as("80 04 4affffffff 2e", "-1");
    reads_as("80 04 8a 00 2e", "0");
    reads_as("80 04 8a 09 000000000000000080 2e", "-2361183241434822606848");
    reads_as("80 04 8b 03000000 010203 2e", "197121");
    reads_as("80 04 47 3ff8000000000000 2e", "1.5");
    reads_as("80 04 47 c08f400000000000 2e", "-1000.0");
}

static void recursive_values_are_read(void)
{
    mproc_object *object = NULL, *inner = NULL, *back = NULL;
    CHECK_OK(loads_hex(&object, "8004950b000000000000005d9468008594613068012e", NULL)); /* t = ([t],) */
    CU_ASSERT_EQUAL_FATAL(mproc_object_type(object), MPROC_TYPE_TUPLE);
    CHECK_OK(mproc_object_item(object, 0, &inner));
    CHECK_OK(mproc_object_item(inner, 0, &back));
    CU_ASSERT_PTR_EQUAL(back, object);
    for (int protocol = 2; protocol <= 5; protocol++) {
        mproc_pickle_options options = { .protocol = protocol };
        mproc_buffer pickle = MPROC_BUFFER_INIT;
        mproc_object *copy = NULL;
        CHECK_OK(mproc_pickle_dumps(object, &pickle, &options));
        CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, NULL));
        CHECK_OK(mproc_object_item(copy, 0, &inner));
        CHECK_OK(mproc_object_item(inner, 0, &back));
        CU_ASSERT_PTR_EQUAL(back, copy);
        mproc_object_release(copy);
        mproc_buffer_free(&pickle);
    }
    mproc_object_release(object);
}

/* ---- what we write ---- */

static void writes_as(const mproc_object *object, int protocol, const char *hex)
{
    unsigned char expected[1000];
    size_t size = from_hex(hex, expected);
    mproc_pickle_options options = { .protocol = protocol };
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    CHECK_OK(mproc_pickle_dumps(object, &pickle, &options));
    CU_ASSERT(pickle.size == size && memcmp(pickle.data, expected, size) == 0);
    mproc_buffer_free(&pickle);
}

static void pickles_are_minimal(void)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_pack(&object, "(None, 'dummy', (), {})"));
    writes_as(object, 0, "8004 28 4e 8c05 64756d6d79 29 7d 74 2e");
    mproc_object_release(object);
    CHECK_OK(mproc_pack(&object, "[1, 255, 256, 65536, -1, 2147483648, 1.5, {'a': True}, b'x', (1,)]"));
    writes_as(object, 5, "8005 5d 28 4b01 4bff 4d0001 4a00000100 4affffffff 8a050000008000 473ff8000000000000"
                         "7d 8c0161 88 73 430178 4b01 85 65 2e");
    writes_as(object, 2, "8002 5d 28 4b01 4bff 4d0001 4a00000100 4affffffff 8a050000008000 473ff8000000000000"
                         "7d 580100000061 88 73 635f636f646563730a656e636f64650a 580100000078"
                         "58060000006c6174696e31 86 52 4b01 85 65 2e");
    mproc_object_release(object);
    writes_as(mproc_none(), 0, "8004 4e 2e");
}

/* All of `a` is in `b` in the same places, and shared in the same way for its first item. */
static void survives(const char *literal_text, mproc_object *object)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT, before = MPROC_BUFFER_INIT, after = MPROC_BUFFER_INIT;
    CHECK_OK(mproc_object_repr(object, &before));
    for (int protocol = 2; protocol <= 5; protocol++) {
        mproc_pickle_options options = { .protocol = protocol };
        mproc_object *copy = NULL;
        bool equal = false;
        CHECK_OK(mproc_pickle_dumps(object, &pickle, &options));
        CU_ASSERT_EQUAL((unsigned char) pickle.data[1], protocol);
        CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, NULL));
        CHECK_OK(mproc_object_equal(object, copy, &equal));
        CHECK_OK(mproc_object_repr(copy, &after));
        if (!equal || strcmp(before.data, after.data) != 0) {
            printf("\n  %s at protocol %d: %.300s\n", literal_text, protocol, after.data);
            CU_FAIL("came back differently");
        }
        mproc_object_release(copy);
    }
    mproc_buffer_free(&pickle);
    mproc_buffer_free(&before);
    mproc_buffer_free(&after);
}

static void every_type_survives_every_protocol(void)
{
    mproc_object *object = NULL, *frozen = NULL, *array = NULL, *error = NULL, *set = NULL;
    mproc_object *items[] = { mproc_none(), mproc_true() };
    CHECK_OK(mproc_frozenset_create(&frozen, items, 2));
    CHECK_OK(mproc_bytearray_create(&array, "a\0\xff", 3));
    CHECK_OK(mproc_exception_create(&error, "_queue", "Empty", NULL));
    CHECK_OK(mproc_pack(&set, "{1, 2.5, 'x', (1, 2)}"));
    CHECK_OK(mproc_pack(&object, "[None, True, False, 0, 127, 128, 65535, 65536, -1, -129, 9223372036854775807,"
                                 " -9223372036854775808, 123456789012345678901234567890, 0.0, -1e300, '',"
                                 " 'caf\xc3\xa9',"
                                 " b'', b'\\x00\\xff', [], [1], [[2]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {},"
                                 " {'a': {1: 2}, 'b': 3}, set(), %p, %p, %p, %p]",
                        (void *) set, (void *) frozen, (void *) array, (void *) error));
    mproc_object_release(set);
    mproc_object_release(frozen);
    mproc_object_release(array);
    mproc_object_release(error);
    survives("everything", object);
    mproc_object_release(object);
}

static void long_texts_and_ints_survive(void)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 255, 256, 257, 65535, 65536, 200000 };
    char *data = malloc(200000);
    memset(data, 'x', 200000);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mproc_object *object = NULL;
        CHECK_OK(mproc_str_create_sized(&object, data, sizes[i]));
        survives("str", object);
        mproc_object_release(object);
        CHECK_OK(mproc_bytes_create(&object, data, sizes[i]));
        survives("bytes", object);
        mproc_object_release(object);
        CHECK_OK(mproc_int_create_bytes(&object, data, sizes[i]));
        survives("int", object);
        mproc_object_release(object);
    }
    free(data);
}

static uint64_t state;

static unsigned any(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) (state >> 33) % below;
}

static mproc_object *random_object(int depth, bool key)
{
    mproc_object *object = NULL, *item;
    unsigned kind = any(depth > 0 ? (key ? 8 : 11) : 6), count = any(12);
    char text[300];
    memset(text, 'a' + (int) any(26), sizeof text);
    switch (kind) {
    case 0:
        return any(3) == 0 ? mproc_none() : any(2) ? mproc_true() : mproc_false();
    case 1:
        CHECK_OK(mproc_int_create(&object, (int64_t) (state >> any(64)) * (any(2) ? 1 : -1)));
        break;
    case 2:
        CHECK_OK(mproc_float_create(&object, (double) (int64_t) state / (1 + any(100000))));
        break;
    case 3:
        CHECK_OK(mproc_str_create_sized(&object, text, any(sizeof text)));
        break;
    case 4:
        CHECK_OK(mproc_bytes_create(&object, text, any(sizeof text)));
        break;
    case 5:
        CHECK_OK(mproc_int_create_bytes(&object, &state, sizeof state));
        break;
    case 6: {
        mproc_object *items[12] = { NULL };
        for (unsigned i = 0; i < count; i++)
            items[i] = random_object(depth - 1, key);
        CHECK_OK(mproc_tuple_create(&object, items, count));
        for (unsigned i = 0; i < count; i++)
            mproc_object_release(items[i]);
        break;
    }
    case 7:
    case 8:
        if (kind == 7)
            CHECK_OK(mproc_set_create(&object));
        else
            CHECK_OK(mproc_list_create(&object));
        for (unsigned i = 0; i < count; i++) {
            item = random_object(depth - 1, kind == 7);
            if (kind == 7)
                (void) !mproc_set_add(object, item); /* a set in it is refused */
            else
                CHECK_OK(mproc_list_append(object, item));
            mproc_object_release(item);
        }
        break;
    default:
        CHECK_OK(mproc_dict_create(&object));
        for (unsigned i = 0; i < count; i++) {
            mproc_object *name = random_object(depth - 1, true);
            item = random_object(depth - 1, false);
            (void) !mproc_dict_set(object, name, item);
            mproc_object_release(name);
            mproc_object_release(item);
        }
    }
    return object;
}

static void random_values_survive_every_protocol(void)
{
    for (int i = 0; i < 500; i++) {
        state = (uint64_t) i + 1;
        mproc_object *object = random_object(1 + i % 5, false);
        survives("a random value", object);
        mproc_object_release(object);
    }
}

static void a_million_ints_survive(void)
{
    mproc_object *list = NULL, *item = NULL, *copy = NULL;
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    bool equal = false;
    CHECK_OK(mproc_list_create(&list));
    for (int i = 0; i < 1000000; i++)
        if (mproc_int_create(&item, i * 3 - 500000) != MPROC_OK || mproc_list_append(list, item) != MPROC_OK)
            CU_FAIL_FATAL("no memory");
    CHECK_OK(mproc_pickle_dumps(list, &pickle, NULL));
    CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, NULL));
    CHECK_OK(mproc_object_equal(list, copy, &equal));
    CU_ASSERT_TRUE(equal);
    size_t taken = copy->zone->taken + ((struct mproc__list *) copy)->capacity * sizeof(mproc_object *);
    CU_ASSERT(taken <= 2 * pickle.size);
    mproc_object_release(list);
    mproc_object_release(copy);
    mproc_buffer_free(&pickle);
}

/* ---- sharing ---- */

static void shared_parts_stay_shared(void)
{
    mproc_object *outer = NULL, *inner = NULL, *text = NULL;
    CHECK_OK(mproc_pack(&inner, "[1]"));
    CHECK_OK(mproc_str_create(&text, "long enough to matter"));
    CHECK_OK(mproc_pack(&outer, "[%p, {'k': %p}, (%p,), %p, %p]", (void *) inner, (void *) inner, (void *) inner,
                        (void *) text, (void *) text));
    for (int protocol = 2; protocol <= 5; protocol++) {
        mproc_buffer pickle = MPROC_BUFFER_INIT;
        mproc_pickle_options options = { .protocol = protocol };
        mproc_object *copy = NULL, *a = NULL, *b = NULL, *c = NULL, *d = NULL, *e = NULL;
        CHECK_OK(mproc_pickle_dumps(outer, &pickle, &options));
        CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, NULL));
        CHECK_OK(mproc_unpack(copy, "[%p, {'k': %p}, (%p,), %p, %p]", (void **) &a, (void **) &b, (void **) &c,
                              (void **) &d, (void **) &e));
        CU_ASSERT(a == b && b == c && d == e);
        CHECK_OK(mproc_list_append(a, mproc_none()));
        prints(b, "[1, None]");
        mproc_object *again = NULL; /* what was read keeps it when it is written again */
        CHECK_OK(mproc_object_copy(&again, copy));
        CHECK_OK(mproc_unpack(again, "[%p, {'k': %p}, ...]", (void **) &a, (void **) &b));
        CU_ASSERT_PTR_EQUAL(a, b);
        mproc_object_release(again);
        mproc_object_release(copy);
        mproc_buffer_free(&pickle);
    }
    mproc_object_release(inner);
    mproc_object_release(text);
    mproc_object_release(outer);
}

static void many_shared_parts_need_wide_references(void)
{
    mproc_object *list = NULL, *item = NULL;
    CHECK_OK(mproc_list_create(&list));
    for (int i = 0; i < 700; i++) {
        CHECK_OK(mproc_pack(&item, "[%d]", i));
        CHECK_OK(mproc_list_append(list, item));
        CHECK_OK(mproc_list_append(list, item));
        mproc_object_release(item);
    }
    survives("700 shared lists", list);
    mproc_object *copy = NULL, *a = NULL, *b = NULL;
    CHECK_OK(mproc_object_copy(&copy, list));
    CHECK_OK(mproc_object_item(copy, 1398, &a));
    CHECK_OK(mproc_object_item(copy, 1399, &b));
    CU_ASSERT_PTR_EQUAL(a, b);
    prints(b, "[699]");
    mproc_object_release(copy);
    mproc_object_release(list);
}

/* What is in a cycle cannot be compared, but printed. */
static void prints_as_before(const mproc_object *object, int protocol)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT, text = MPROC_BUFFER_INIT;
    mproc_pickle_options options = { .protocol = protocol };
    mproc_object *copy = NULL;
    CHECK_OK(mproc_pickle_dumps(object, &pickle, &options));
    CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, NULL));
    CHECK_OK(mproc_object_repr(object, &text));
    prints(copy, text.data);
    mproc_object_release(copy);
    mproc_buffer_free(&pickle);
    mproc_buffer_free(&text);
}

static void a_cycle_through_any_part_can_be_written(void)
{
    mproc_object *list = NULL, *dict = NULL, *tuple = NULL, *roots[3];
    CHECK_OK(mproc_list_create(&list));
    CHECK_OK(mproc_dict_create(&dict));
    CHECK_OK(mproc_tuple_create(&tuple, &dict, 1));
    CHECK_OK(mproc_dict_set_str(dict, "list", list));
    CHECK_OK(mproc_list_append(list, tuple));
    roots[0] = list, roots[1] = dict, roots[2] = tuple;
    for (int i = 0; i < 3; i++)
        for (int protocol = 2; protocol <= 5; protocol++)
            prints_as_before(roots[i], protocol);
    CHECK_OK(mproc_list_clear(list)); /* or it would live for ever */
    mproc_object_release(list);
    mproc_object_release(dict);
    mproc_object_release(tuple);
}

/* The pickle may have to move to a larger buffer at the very end of a tuple that was written inside itself. */
static void tuples_in_themselves_are_written_at_any_depth(void)
{
    for (int depth = 1; depth < 100; depth++) {
        mproc_object *list = NULL, *tuple = NULL, *outer = NULL;
        CHECK_OK(mproc_list_create(&list));
        CHECK_OK(mproc_tuple_create(&tuple, &list, 1));
        for (int i = 1; i < depth; i++) {
            CHECK_OK(mproc_tuple_create(&outer, &tuple, 1));
            mproc_object_release(tuple);
            tuple = outer;
        }
        CHECK_OK(mproc_list_append(list, tuple));
        prints_as_before(tuple, 0);
        CHECK_OK(mproc_list_clear(list)); /* or it would live for ever */
        mproc_object_release(list);
        mproc_object_release(tuple);
    }
}

/* ---- what must be refused ---- */

static void classes_and_functions_are_refused_by_name(void)
{
    mproc_object *object = NULL;
    CHECK_FAILS(loads_hex(&object, "8004 8c086461746574696d65 8c0464617465 93 430407e8021d 85 52 2e", NULL),
                MPROC_EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "datetime.date"));
    CHECK_FAILS(loads_hex(&object, "8002 63 6f730a 73797374656d0a 58020000006c73 85 52 2e", NULL), MPROC_EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "os.system"));
    CU_ASSERT_PTR_NULL(object);
}

static void unknown_classes_can_be_kept(void)
{
    mproc_pickle_options keep = { .keep_unknown = true };
    mproc_object *object = NULL;
    CHECK_OK(loads_hex(&object, "8004 8c086461746574696d65 8c0464617465 93 430407e8021d 85 52 2e", &keep));
    CU_ASSERT_EQUAL(mproc_object_type(object), MPROC_TYPE_INSTANCE);
    prints(object, "<datetime.date(b'\\x07\\xe8\\x02\\x1d')>");
    writes_as(object, 4, "8004 8c086461746574696d65 8c0464617465 93 430407e8021d 85 52 2e");
    mproc_object_release(object);
    /* Token: new object and state */
    CHECK_OK(loads_hex(&object, "8004 8c016d 8c0154 93 29 81 4e 7d 8c0161 4b01 73 86 62 2e", &keep));
    mproc_instance_parts parts;
    CHECK_OK(mproc_instance_get(object, &parts));
    CU_ASSERT_EQUAL(parts.recipe, MPROC_RECIPE_NEW);
    prints(parts.state, "(None, {'a': 1})");
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

static void broken_pickles_are_refused(void)
{
    static const char *const broken[] = {
        "", "80", "8006 4e 2e", "4e", "2e", "80 04 2e", "80 04 28 2e",     /* nothing to return */
        "8c 05 61 2e", "58 ffffffff 61", "8d ffffffffffffffff 61", "8d 0100000000000080 61", "42 ffffff7f 61", "96 ff",
        "8b ffffffff 2e", "8b 00000080 2e", "8a 02 01", "4a 010203", "4d 01", "4b", "47 3ff80000",
        "8c 01 80 2e", "8c 02 c080 2e", "63 80 0a 61 0a 2e", "63 61 62 63",  /* no UTF-8, no line */
        "68 00 2e", "6a 00000000 2e", "4e 72 ffffffff 2e", "71 00 2e", "94 2e",
        "65 2e", "28 65 2e", "4e 28 65 2e", "5d 65 2e", "61 2e", "5d 61 2e", "4e 4e 61 2e",
        "7d 28 4e 75 2e", "7d 4e 73 2e", "5d 4e 4e 73 2e", "28 4e 64 2e", "4e 28 90 2e", "5d 28 4e 90 2e",
        "7d 5d 4e 73 2e", "8f 28 5d 90 2e", "28 7d 91 2e", "7d 5d 85 4e 73 2e", /* unhashable */
        "85 2e", "4e 86 2e", "4e 4e 87 2e", "74 2e", "30 2e", "31 2e", "32 2e", "28 4e 85 28 85 2e",
        "28 4e 28 86 2e",                                                  /* not through a mark */
        "4e 4e 93 2e", "8c0161 4e 93 2e", "52 2e", "4e 29 52 2e", "4e 29 81 2e", "5d 4e 62 2e", "62 2e",
        "95 ff00000000000000 4e 2e", "95 00",
        "8c086275696c74696e73 8c03736574 93 4e 52 2e",                     /* set(*None) */
        "8c086275696c74696e73 8c03736574 93 4e 85 52 2e",                  /* set(None) */
        "8c086275696c74696e73 8c03736574 93 5d 5d 61 85 52 2e",            /* set([[]]) */
        "8c086275696c74696e73 8c03736574 93 29 81 2e",                     /* set.__new__(set) */
        "8c086275696c74696e73 8c056279746573 93 4e 85 52 2e",              /* bytes(None) */
        "8c075f636f64656373 8c06656e636f6465 93 8c03e282ac 8c066c6174696e31 86 52 2e", /* no Latin-1 */
        "8c075f636f64656373 8c06656e636f6465 93 8c0161 8c04757466 38 86 52 2e",
        "8c086275696c74696e73 8c084b65794572726f72 93 29 52 4e 62 4e 62 2e", /* two states */
        "49 31 0a 2e", "53 27 61 27 0a 2e", "50 61 0a 2e", "51 2e", "69 61 0a 62 0a 2e", "6f 2e",
        "97 2e", "98 2e", "82 01 2e",
        "00 2e", "ff 2e",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        mproc_object *object = NULL;
        mproc_err err = loads_hex(&object, broken[i], NULL);
        if (err != MPROC_EPROTO || object)
            printf("\n  %s: %s\n", broken[i], mproc_err_name(err));
        CU_ASSERT(err == MPROC_EPROTO && !object && strlen(mproc_last_error()) > 15);
    }
}

/* A pickle with a bit of everything. */
static void make_sample(mproc_buffer *pickle, int protocol)
{
    mproc_object *object = NULL, *shared = NULL, *error = NULL, *args = NULL;
    CHECK_OK(mproc_pack(&shared, "['shared', b'bytes']"));
    CHECK_OK(mproc_pack(&args, "('k', 12345678901234567890)"));
    CHECK_OK(mproc_exception_create(&error, "builtins", "KeyError", args));
    CHECK_OK(mproc_pack(&object, "[%p, %p, {'a': 1.5, 'b': (1, 2, 3, 70000)}, {1, 'x'}, %p, -1, None]", (void *) shared,
                        (void *) shared, (void *) error));
    mproc_pickle_options options = { .protocol = protocol };
    CHECK_OK(mproc_pickle_dumps(object, pickle, &options));
    mproc_object_release(object);
    mproc_object_release(shared);
    mproc_object_release(error);
    mproc_object_release(args);
}

static void every_truncation_is_an_error(void)
{
    for (int protocol = 2; protocol <= 5; protocol++) {
        mproc_buffer pickle = MPROC_BUFFER_INIT;
        make_sample(&pickle, protocol);
        for (size_t size = 0; size < pickle.size; size++) {
            mproc_object *object = NULL;
            char *exact = malloc(size + 1);
            memcpy(exact, pickle.data, size);
            CU_ASSERT_EQUAL(mproc_pickle_loads(&object, exact, size, NULL), MPROC_EPROTO);
            CU_ASSERT_PTR_NULL(object);
            free(exact);
        }
        mproc_buffer_free(&pickle);
    }
}

static void every_changed_byte_is_survived(void)
{
    int accepted = 0, refused = 0;
    for (int protocol = 2; protocol <= 5; protocol++) {
        mproc_buffer pickle = MPROC_BUFFER_INIT;
        make_sample(&pickle, protocol);
        for (size_t at = 0; at < pickle.size; at++)
            for (int byte = 0; byte < 256; byte++) {
                mproc_object *object = NULL;
                char before = pickle.data[at];
                pickle.data[at] = (char) byte;
                if (mproc_pickle_loads(&object, pickle.data, pickle.size, NULL) == MPROC_OK)
                    accepted++;
                else
                    refused++;
                mproc_object_release(object);
                pickle.data[at] = before;
            }
        mproc_buffer_free(&pickle);
    }
    CU_ASSERT(accepted > 1000 && refused > 1000);
}

static void limits_are_kept(void)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT, small = MPROC_BUFFER_INIT;
    mproc_object *object = NULL, *copy = NULL;
    CHECK_OK(mproc_pack(&object, "[[[['deep']]]]"));
    mproc_pickle_options options = { .max_depth = 4 };
    CHECK_OK(mproc_pickle_dumps(object, &pickle, &options));
    CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, &options));
    mproc_object_release(copy);
    options.max_depth = 3;
    CHECK_FAILS(mproc_pickle_dumps(object, &small, &options), MPROC_EINVAL);
    CHECK_FAILS(mproc_pickle_loads(&copy, pickle.data, pickle.size, &options), MPROC_EPROTO);
    options = (mproc_pickle_options){ .max_size = pickle.size };
    CHECK_OK(mproc_pickle_dumps(object, &small, &options));
    CHECK_OK(mproc_pickle_loads(&copy, pickle.data, pickle.size, &options));
    mproc_object_release(copy);
    options.max_size--;
    CHECK_FAILS(mproc_pickle_dumps(object, &small, &options), MPROC_EMSGSIZE);
    CU_ASSERT_EQUAL(small.size, 0);
    CHECK_FAILS(mproc_pickle_loads(&copy, pickle.data, pickle.size, &options), MPROC_EMSGSIZE);
    mproc_object_release(object);
    make_sample(&pickle, 4);
    options = (mproc_pickle_options){ .max_memo = 1 };
    CHECK_OK(mproc_pickle_loads(&object, pickle.data, pickle.size, &options));
    mproc_object *part = NULL;
    CHECK_OK(mproc_object_item(object, 0, &part));
    mproc_object *twice = NULL;
    CHECK_OK(mproc_pack(&twice, "[%p, %p, [%p, %p]]", (void *) part, (void *) part, (void *) object, (void *) object));
    CHECK_FAILS(mproc_pickle_dumps(twice, &small, &options), MPROC_EMSGSIZE);
    CHECK_OK(mproc_pickle_dumps(twice, &small, NULL));
    CHECK_FAILS(mproc_pickle_loads(&copy, small.data, small.size, &options), MPROC_EPROTO);
    mproc_object_release(twice);
    mproc_object_release(object);
    options = (mproc_pickle_options){ .protocol = 6 };
    CHECK_FAILS(mproc_pickle_dumps(mproc_none(), &small, &options), MPROC_EINVAL);
    options.protocol = 1;
    CHECK_FAILS(mproc_pickle_dumps(mproc_none(), &small, &options), MPROC_EINVAL);
    CHECK_FAILS(mproc_pickle_loads(&copy, NULL, 1, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_pickle_loads(NULL, "", 0, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_pickle_loads(&copy, NULL, 0, NULL), MPROC_EPROTO);
    mproc_buffer_free(&pickle);
    mproc_buffer_free(&small);
}

static void a_depth_python_allows_is_read_and_more_is_not(void)
{
    unsigned char data[5000];
    mproc_object *object = NULL;
    for (int depth = 999; depth <= 1001; depth++) {
        memset(data, 0x85, sizeof data); /* tuples in tuples, as cheap as can be */
        data[0] = 'N';
        data[depth + 1] = '.';
        mproc_err err = mproc_pickle_loads(&object, data, (size_t) depth + 2, NULL);
        CU_ASSERT_EQUAL(err, depth <= 1000 ? MPROC_OK : MPROC_EPROTO);
        if (err == MPROC_OK) {
            mproc_buffer text = MPROC_BUFFER_INIT;
            CHECK_OK(mproc_object_repr(object, &text));
            CHECK_OK(mproc_pickle_dumps(object, &text, NULL));
            mproc_buffer_free(&text);
            mproc_object_release(object);
        }
    }
}

/* ---- what hostile input may cost ---- */

/* `unit` again and again between `head` and `tail`; the memory that its objects take a byte. */
static size_t cost(const char *head, const char *unit, const char *tail, mproc_err expected)
{
    enum { ROOM = 1 << 20 };
    unsigned char h[300], u[300], t[300], *data = malloc(ROOM);
    size_t hs = from_hex(head, h), us = from_hex(unit, u), ts = from_hex(tail, t), size = hs, taken = 0;
    memcpy(data, h, hs);
    for (; size + us + ts < ROOM; size += us)
        memcpy(data + size, u, us);
    memcpy(data + size, t, ts);
    size += ts;
    mproc_object *object = NULL;
    mproc_pickle_options keep = { .keep_unknown = true };
    mproc_err err = mproc_pickle_loads(&object, data, size, &keep);
    if (err != expected)
        printf("\n  %s: %s (%s)\n", unit, mproc_err_name(err), mproc_last_error());
    CU_ASSERT_EQUAL(err, expected);
    if (err == MPROC_OK && mproc__is_heap(object))
        taken = object->zone->taken / size;
    mproc_object_release(object);
    free(data);
    return taken;
}

static void hostile_pickles_cost_in_proportion(void)
{
    static const struct {
        const char *head, *unit, *tail;
    } patterns[] = {
        { "8004", "5d", "2e" },             /* lists */
        { "8004", "7d", "2e" },             /* dicts */
        { "8004", "8f", "2e" },             /* sets */
        { "8004", "29", "2e" },             /* tuples */
        { "8004", "28", "5d 2e" },          /* marks */
        { "8004 5d", "28 65", "2e" },       /* nothing, appended */
        { "8004 5d", "4e 61", "2e" },       /* one by one */
        { "8004 5d 28", "4e", "65 2e" },    /* at once */
        { "8004 5d", "5d 4e 61 61", "2e" }, /* lists of one */
        { "8004 5d", "7d 4e 4e 73 61", "2e" },
        { "8004 5d", "28 91 61", "2e" },    /* frozensets */
        { "8004 5d", "94", "2e" },          /* memo */
        { "8004 5d 28", "43 00", "65 2e" }, /* empty bytes */
        { "8004 5d 28", "8c 01 61", "65 2e" },
        { "8004 5d 28", "47 7fe0000000000000", "65 2e" }, /* floats that fit into no word */
        { "8004 5d 28", "8a 08 ffffffffffffff7f", "65 2e" },
        { "8004 8c0161 8c0162 93 94 5d 28", "68 00 29 52", "65 2e" }, /* instances */
        { "8004 5d 28", "63 61 0a 62 0a", "65 2e" },
        { "8004 5d 94 28", "68 00 32", "65 2e" },
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        size_t taken = cost(patterns[i].head, patterns[i].unit, patterns[i].tail, MPROC_OK);
        if (taken > 64)
            printf("\n  %s takes %zu bytes a byte\n", patterns[i].unit, taken);
        CU_ASSERT(taken <= 64);
    }
}

static void copies_that_a_few_bytes_ask_for_are_refused(void)
{
    /* a long list, then set(list) again and again */
    unsigned char data[60000];
    size_t size = from_hex("80048c086275696c74696e73 8c03736574 93 94 5d 28", data);
    for (int i = 0; i < 5000; i++) {
        data[size++] = 'M';
        data[size++] = (unsigned char) i;
        data[size++] = (unsigned char) (i >> 8);
    }
    size += from_hex("65 85 94", data + size);
    for (int i = 0; i < 5000; i++)
        size += from_hex("68 00 68 01 52", data + size);
    data[size++] = '.';
    mproc_object *object = NULL;
    CHECK_FAILS(mproc_pickle_loads(&object, data, size, NULL), MPROC_EPROTO);
    /* a long bytes, then bytearray(bytes) again and again */
    size = from_hex("80048c086275696c74696e73 8c09627974656172726179 93 94 42 204e0000", data);
    memset(data + size, 'x', 20000);
    size += 20000;
    size += from_hex("85 94", data + size);
    for (int i = 0; i < 5000; i++)
        size += from_hex("68 00 68 01 52", data + size);
    data[size++] = '.';
    CHECK_FAILS(mproc_pickle_loads(&object, data, size, NULL), MPROC_EPROTO);
}

static void keys_that_are_shared_beyond_measure_are_hashed_and_compared_once(void)
{
    /* k = (k, k) 60 times: 2 ** 60 leaves; it twice as a key */
    unsigned char data[2000];
    size_t size = from_hex("8004 7d 4e", data);
    for (int i = 0; i < 60; i++)
        size += from_hex("32 86", data + size);
    size += from_hex("4e 73 4e", data + size);
    for (int i = 0; i < 60; i++)
        size += from_hex("32 86", data + size);
    size += from_hex("4e 73 2e", data + size);
    mproc_object *object = NULL;
    size_t length = 0;
    CHECK_OK(mproc_pickle_loads(&object, data, size, NULL));
    CHECK_OK(mproc_object_len(object, &length));
    CU_ASSERT_EQUAL(length, 1);
    mproc_object_release(object);
}

static void comparing_long_keys_without_end_is_refused(void)
{
    /* two equal tuples of 10000 strs; the second again and again as a key beside the first */
    unsigned char *data = malloc(200000);
    size_t size = from_hex("8004 7d 94", data);
    for (int copy = 0; copy < 2; copy++) {
        data[size++] = '(';
        for (int i = 0; i < 10000; i++)
            size += from_hex("8c 01 61", data + size);
        data[size++] = 't';
        size += from_hex("94 4e 73", data + size);
    }
    for (int i = 0; i < 30000; i++)
        size += from_hex("68 02 4e 73", data + size);
    data[size++] = '.';
    mproc_object *object = NULL;
    CHECK_FAILS(mproc_pickle_loads(&object, data, size, NULL), MPROC_EPROTO);
    free(data);
}

/* A dict of `count` ints; then equal texts of `size`, the first once and the last again and again. */
static mproc_err loads_long_keys(size_t size, int texts, int count, int times)
{
    unsigned char *data = malloc((size_t) texts * (size + 10) + (size_t) count * 6 + (size_t) times * 4 + 100);
    size_t used = from_hex("8004", data);
    for (int i = 0; i < texts; i++) {
        unsigned char head[] = { 'X', (unsigned char) size, (unsigned char) (size >> 8), (unsigned char) (size >> 16),
                                 0 };
        memcpy(data + used, head, sizeof head);
        memset(data + used + sizeof head, 'x', size);
        used += sizeof head + size;
        used += from_hex("94 30", data + used);
    }
    data[used++] = '}';
    for (int i = 0; i < count; i++) {
        unsigned char entry[] = { 'K', (unsigned char) i, 'N', 's' };
        memcpy(data + used, entry, sizeof entry);
        used += sizeof entry;
    }
    for (int i = 0; i < times; i++) {
        unsigned char entry[] = { 'h', (unsigned char) (i == 0 ? 0 : texts - 1), 'N', 's' };
        memcpy(data + used, entry, sizeof entry);
        used += sizeof entry;
    }
    data[used++] = '.';
    mproc_object *object = NULL;
    mproc_err err = mproc_pickle_loads(&object, data, used, NULL);
    mproc_object_release(object);
    free(data);
    return err;
}

static void long_keys_are_hashed_once(void)
{
    CHECK_OK(loads_long_keys(4000000, 1, 20, 100000)); /* 400 GB would be hashed */
}

static void long_keys_are_not_compared_without_end(void)
{
    CHECK_OK(loads_long_keys(4000, 2, 20, 100));
    CHECK_FAILS(loads_long_keys(400000, 2, 20, 50000), MPROC_EPROTO);
    CHECK_FAILS(loads_long_keys(400000, 2, 3, 50000), MPROC_EPROTO);
}

static void a_dict_with_many_keys_is_read_in_time(void)
{
    mproc_object *dict = NULL, *key = NULL;
    CHECK_OK(mproc_dict_create(&dict));
    for (int64_t i = 0; i < 100000; i++) { /* multiples of a power of two collide in a plain hash */
        CHECK_OK(mproc_int_create(&key, i << 40));
        CHECK_OK(mproc_dict_set(dict, key, mproc_none()));
        mproc_object_release(key);
    }
    mproc_object *copy = NULL;
    size_t length = 0;
    CHECK_OK(mproc_object_copy(&copy, dict));
    CHECK_OK(mproc_object_len(copy, &length));
    CU_ASSERT_EQUAL(length, 100000);
    mproc_object_release(copy);
    mproc_object_release(dict);
}

static void a_buffer_is_used_again(void)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_object *object = NULL;
    CHECK_OK(mproc_str_create(&object, "some text"));
    CHECK_OK(mproc_pickle_dumps(object, &pickle, NULL));
    char *data = pickle.data;
    size_t size = pickle.size;
    CHECK_OK(mproc_pickle_dumps(object, &pickle, NULL));
    CU_ASSERT(pickle.data == data && pickle.size == size);
    mproc_buffer_free(&pickle);
    CU_ASSERT(pickle.data == NULL && pickle.size == 0 && pickle.capacity == 0);
    mproc_buffer_free(&pickle);
    mproc_buffer_free(NULL);
    mproc_object_release(object);
}

MPROC_SUITE(pickle, MPROC_TEST(managers_messages_are_read), MPROC_TEST(every_protocols_way_to_write_a_type_is_read),
            MPROC_TEST(numbers_are_read_in_their_byte_order), MPROC_TEST(recursive_values_are_read),
            MPROC_TEST(pickles_are_minimal), MPROC_TEST(every_type_survives_every_protocol),
            MPROC_TEST(long_texts_and_ints_survive), MPROC_TEST(random_values_survive_every_protocol),
            MPROC_TEST(a_million_ints_survive), MPROC_TEST(shared_parts_stay_shared),
            MPROC_TEST(many_shared_parts_need_wide_references), MPROC_TEST(a_cycle_through_any_part_can_be_written),
            MPROC_TEST(tuples_in_themselves_are_written_at_any_depth),
            MPROC_TEST(classes_and_functions_are_refused_by_name), MPROC_TEST(unknown_classes_can_be_kept),
            MPROC_TEST(broken_pickles_are_refused), MPROC_TEST(every_truncation_is_an_error),
            MPROC_TEST(every_changed_byte_is_survived), MPROC_TEST(limits_are_kept),
            MPROC_TEST(a_depth_python_allows_is_read_and_more_is_not), MPROC_TEST(hostile_pickles_cost_in_proportion),
            MPROC_TEST(copies_that_a_few_bytes_ask_for_are_refused),
            MPROC_TEST(keys_that_are_shared_beyond_measure_are_hashed_and_compared_once),
            MPROC_TEST(comparing_long_keys_without_end_is_refused), MPROC_TEST(a_dict_with_many_keys_is_read_in_time),
            MPROC_TEST(long_keys_are_hashed_once), MPROC_TEST(long_keys_are_not_compared_without_end),
            MPROC_TEST(a_buffer_is_used_again))
