/* SPDX-License-Identifier: MIT */
/* Pickles: what Python writes, what we write, what survives. The expected bytes are Python's own. */
#include "mproc/pickle.h"
#include "object.h"

#include "mproc.h"
#include "objects.h"
#include "suite.h"

static void reads_as(const char *hex, const char *expected)
{
    mproc_object *object = NULL;
    CHECK_OK(loads_hex(&object, hex, NULL));
    if (object)
        check_prints(object, expected);
    mproc_object_release(object);
}

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
    reads_as("8002635f5f6275696c74696e5f5f0a6279746561727261790a7100635f636f646563730a656e636f64650a7101580300000071"
             "c280710258060000006c6174696e3171038671045271058571065271072e", "bytearray(b'q\\x80')");
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

static void pickles_are_minimal(void)
{
    mproc_object *object = NULL;
    CHECK_OK(mproc_pack(&object, "(None, 'dummy', (), {})"));
    check_writes(object, 0, "8004 28 4e 8c05 64756d6d79 29 7d 74 2e");
    mproc_object_release(object);
    CHECK_OK(mproc_pack(&object, "[1, 255, 256, 65536, -1, 2147483648, 1.5, {'a': True}, b'x', (1,)]"));
    check_writes(object, 5, "8005 5d 28 4b01 4bff 4d0001 4a00000100 4affffffff 8a050000008000 473ff8000000000000"
                         "7d 8c0161 88 73 430178 4b01 85 65 2e");
    check_writes(object, 2, "8002 5d 28 4b01 4bff 4d0001 4a00000100 4affffffff 8a050000008000 473ff8000000000000"
                         "7d 580100000061 88 73 635f636f646563730a656e636f64650a 580100000078"
                         "58060000006c6174696e31 86 52 4b01 85 65 2e");
    mproc_object_release(object);
    check_writes(mproc_none(), 0, "8004 4e 2e");
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
        check_prints(b, "[1, None]");
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
    check_prints(b, "[699]");
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
    check_prints(copy, text.data);
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
    mproc_object *outside = list_of(tuple), *further_outside = list_of(outside);
    for (int protocol = 2; protocol <= 5; protocol++)
        prints_as_before(further_outside, protocol);
    mproc_object_release(outside);
    mproc_object_release(further_outside);
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
            MPROC_TEST(tuples_in_themselves_are_written_at_any_depth), MPROC_TEST(a_buffer_is_used_again))
