/* SPDX-License-Identifier: MIT */
/* Pickles that must be refused, and what hostile ones may cost. */
#include "mproc/pickle.h"
#include "object.h"

#include "mproc.h"
#include "objects.h"
#include "suite.h"

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
        "8004 8c0a6275696c74696e730078 8c03736574 93 2e",                  /* a NUL in the name of a class */
        "8004 8c086275696c74696e73 8c0673657400 0a21 93 2e",
        "49 31 0a 2e", "53 27 61 27 0a 2e", "50 61 0a 2e", "51 2e", "69 61 0a 62 0a 2e", "6f 2e", "97 2e", "98 2e",
        "82 01 2e",
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

static void what_is_no_data_is_refused_with_its_reason(void)
{
    static const struct {
        const char *hex, *reason;
    } cases[] = {
        { "28 6c 70300a 49310a 61 2e", "protocol 0 or 1" },   /* what protocol 0 makes of [1] */
        { "5d 71 00 49 30310a 61 2e", "protocol 0 or 1" },    /* and protocol 1 of [True] */
        { "8002 55 01 61 71 00 2e", "str of Python 2" },
        { "8002 4b05 51 2e", "persistent id" }, { "50350a 2e", "persistent id" },
        { "8002 82 01 2e", "extensions" }, { "8005 97 2e", "out of band" }, { "8005 ff 2e", "no opcode" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mproc_object *object = NULL;
        CHECK_FAILS(loads_hex(&object, cases[i].hex, NULL), MPROC_EPROTO);
        CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), cases[i].reason));
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
    CHECK_FAILS(mproc_pickle_loads(&copy, small.data, small.size, &options), MPROC_EMSGSIZE);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "max_memo"));
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

static void copies_that_a_few_bytes_ask_for_are_refused(void)
{
    /* a long list, then set(list) again and again */
    unsigned char data[60000];
    size_t size = bytes_of_hex("80048c086275696c74696e73 8c03736574 93 94 5d 28", data);
    for (int i = 0; i < 5000; i++) {
        data[size++] = 'M';
        data[size++] = (unsigned char) i;
        data[size++] = (unsigned char) (i >> 8);
    }
    size += bytes_of_hex("65 85 94", data + size);
    for (int i = 0; i < 5000; i++)
        size += bytes_of_hex("68 00 68 01 52", data + size);
    data[size++] = '.';
    mproc_object *object = NULL;
    CHECK_FAILS(mproc_pickle_loads(&object, data, size, NULL), MPROC_EPROTO);
    /* a long bytes, then bytearray(bytes) again and again */
    size = bytes_of_hex("80048c086275696c74696e73 8c09627974656172726179 93 94 42 204e0000", data);
    memset(data + size, 'x', 20000);
    size += 20000;
    size += bytes_of_hex("85 94", data + size);
    for (int i = 0; i < 5000; i++)
        size += bytes_of_hex("68 00 68 01 52", data + size);
    data[size++] = '.';
    CHECK_FAILS(mproc_pickle_loads(&object, data, size, NULL), MPROC_EPROTO);
    /* a long name, then a class of it again and again */
    size = bytes_of_hex("8004 58 204e0000", data);
    memset(data + size, 'x', 20000);
    size += 20000;
    data[size++] = 0x94;
    for (int i = 0; i < 5000; i++)
        size += bytes_of_hex("68 00 68 00 93 30", data + size);
    data[size++] = '.';
    const mproc_pickle_options options = { .keep_unknown = true };
    CHECK_FAILS(mproc_pickle_loads(&object, data, size, &options), MPROC_EPROTO);
}

static void keys_that_are_shared_beyond_measure_are_hashed_and_compared_once(void)
{
    /* k = (k, k) 60 times: 2 ** 60 leaves; it twice as a key */
    unsigned char data[2000];
    size_t size = bytes_of_hex("8004 7d 4e", data);
    for (int i = 0; i < 60; i++)
        size += bytes_of_hex("32 86", data + size);
    size += bytes_of_hex("4e 73 4e", data + size);
    for (int i = 0; i < 60; i++)
        size += bytes_of_hex("32 86", data + size);
    size += bytes_of_hex("4e 73 2e", data + size);
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
    size_t size = bytes_of_hex("8004 7d 94", data);
    for (int copy = 0; copy < 2; copy++) {
        data[size++] = '(';
        for (int i = 0; i < 10000; i++)
            size += bytes_of_hex("8c 01 61", data + size);
        data[size++] = 't';
        size += bytes_of_hex("94 4e 73", data + size);
    }
    for (int i = 0; i < 30000; i++)
        size += bytes_of_hex("68 02 4e 73", data + size);
    data[size++] = '.';
    mproc_object *object = NULL;
    CHECK_FAILS(mproc_pickle_loads(&object, data, size, NULL), MPROC_EPROTO);
    free(data);
}

/* A dict of `count` ints; then equal texts of `size`, the first once and the last again and again. */
static mproc_err loads_long_keys(size_t size, int texts, int count, int times)
{
    unsigned char *data = malloc((size_t) texts * (size + 10) + (size_t) count * 6 + (size_t) times * 4 + 100);
    size_t used = bytes_of_hex("8004", data);
    for (int i = 0; i < texts; i++) {
        unsigned char head[] = { 'X', (unsigned char) size, (unsigned char) (size >> 8), (unsigned char) (size >> 16),
                                 0 };
        memcpy(data + used, head, sizeof head);
        memset(data + used + sizeof head, 'x', size);
        used += sizeof head + size;
        used += bytes_of_hex("94 30", data + used);
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

/* A long int as a key, and an equal one again and again. */
static void long_ints_are_not_compared_without_end(void)
{
    enum { SIZE = 200000, TIMES = 50000 };
    unsigned char *data = malloc(2 * SIZE + 4 * TIMES + 100);
    size_t used = bytes_of_hex("8004", data);
    for (int i = 0; i < 2; i++) {
        unsigned char head[] = { 0x8b, (unsigned char) SIZE, SIZE >> 8 & 0xff, SIZE >> 16, 0 };
        memcpy(data + used, head, sizeof head);
        memset(data + used + sizeof head, 'x', SIZE);
        used += sizeof head + SIZE;
        used += bytes_of_hex("94 30", data + used);
    }
    used += bytes_of_hex("7d 68 00 4e 73", data + used);
    for (int i = 0; i < TIMES; i++)
        used += bytes_of_hex("68 01 4e 73", data + used);
    data[used++] = '.';
    mproc_object *object = NULL;
    CHECK_FAILS(mproc_pickle_loads(&object, data, used, NULL), MPROC_EPROTO);
    free(data);
}

/* Dicts and sets of the same few keys, which are written once and look alike: nothing hostile in that. */
static void many_tables_of_the_same_long_keys_are_read(void)
{
    enum { KEYS = 8, TABLES = 500 };
    static const int sizes[] = { 40, 63, 64, 100, 255, 256, 3000 };
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int kind = 0; kind < 3; kind++) { /* sets of strs; dicts of strs; sets of tuples */
            mproc_object *keys[KEYS], *list = NULL, *copy = NULL;
            char *text = malloc((size_t) sizes[s] + 1);
            memset(text, 'x', (size_t) sizes[s]);
            text[sizes[s]] = '\0';
            for (int i = 0; i < KEYS; i++) {
                text[sizes[s] / 2] = (char) ('a' + i);
                CHECK_OK(mproc_str_create(&keys[i], text));
                mproc_object *pair[] = { keys[i], keys[i] };
                if (kind == 2) {
                    CHECK_OK(mproc_tuple_create(&keys[i], pair, 2));
                    mproc_object_release(pair[0]);
                }
            }
            CHECK_OK(mproc_list_create(&list));
            for (int i = 0; i < TABLES; i++) {
                mproc_object *table = NULL;
                CHECK_OK(kind == 1 ? mproc_dict_create(&table) : mproc_set_create(&table));
                for (int k = 0; k < KEYS; k++)
                    CHECK_OK(kind == 1 ? mproc_dict_set(table, keys[k], mproc_none()) : mproc_set_add(table, keys[k]));
                CHECK_OK(mproc_list_append(list, table));
                mproc_object_release(table);
            }
            CHECK_OK(mproc_object_copy(&copy, list));
            mproc_object_release(copy);
            mproc_object_release(list);
            for (int i = 0; i < KEYS; i++)
                mproc_object_release(keys[i]);
            free(text);
        }
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

MPROC_SUITE(pickle_hostile, MPROC_TEST(broken_pickles_are_refused),
            MPROC_TEST(what_is_no_data_is_refused_with_its_reason), MPROC_TEST(every_truncation_is_an_error),
            MPROC_TEST(every_changed_byte_is_survived), MPROC_TEST(limits_are_kept),
            MPROC_TEST(a_depth_python_allows_is_read_and_more_is_not),
            MPROC_TEST(copies_that_a_few_bytes_ask_for_are_refused),
            MPROC_TEST(keys_that_are_shared_beyond_measure_are_hashed_and_compared_once),
            MPROC_TEST(comparing_long_keys_without_end_is_refused), MPROC_TEST(a_dict_with_many_keys_is_read_in_time),
            MPROC_TEST(long_keys_are_hashed_once), MPROC_TEST(long_keys_are_not_compared_without_end),
            MPROC_TEST(long_ints_are_not_compared_without_end), MPROC_TEST(many_tables_of_the_same_long_keys_are_read))
