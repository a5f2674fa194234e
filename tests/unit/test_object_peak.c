/* SPDX-License-Identifier: MIT */
/* How much memory reading and writing pickles takes at most. */
#include "mproc/pickle.h"

#include "counted.h"
#include "mproc.h"
#include "objects.h"
#include "suite.h"

/* What mproc_pickle_loads() promises. */
enum { PROMISED = 80, PAGE = 4096 };
enum { LARGEST = 1 << 18 };

/* ---- reading ---- */

/* What reading takes beyond a page, in bytes a byte. */
static double cost(const unsigned char *data, size_t size, mproc_err expected)
{
    mproc_object *object = NULL;
    mproc_pickle_options keep = { .keep_unknown = true };
    counting_start();
    mproc_err err = mproc_pickle_loads(&object, data, size, &keep);
    size_t peak = counting_stop();
    mproc_object_release(object);
    if (err != expected)
        printf("\n  %s: %s\n", mproc_err_name(err), mproc_last_error());
    CU_ASSERT_EQUAL(err, expected);
    CU_ASSERT(size == 0 || counted_in_use() == 0);
    return peak < PAGE ? 0 : (double) (peak - PAGE) / (double) size;
}

/* `unit` again and again between `head` and `tail`. */
static const struct {
    const char *head, *unit, *tail;
    mproc_err err;
} patterns[] = {
    { "8004", "5d", "2e", MPROC_OK },             /* lists */
    { "8004", "7d", "2e", MPROC_OK },             /* dicts */
    { "8004", "8f", "2e", MPROC_OK },             /* sets */
    { "8004", "29", "2e", MPROC_OK },             /* tuples */
    { "8004", "4e 85", "2e", MPROC_OK },
    { "8004", "28", "5d 2e", MPROC_OK },          /* marks */
    { "8004 5d", "28 65", "2e", MPROC_OK },       /* nothing, appended */
    { "8004 5d", "4e 61", "2e", MPROC_OK },       /* one by one */
    { "8004 5d 28", "4e", "65 2e", MPROC_OK },    /* at once */
    { "8004 5d", "5d 4e 61 61", "2e", MPROC_OK }, /* lists of one */
    { "8004 5d", "7d 4e 4e 73 61", "2e", MPROC_OK },
    { "8004 5d", "28 91 61", "2e", MPROC_OK },    /* frozensets */
    { "8004 5d", "94", "2e", MPROC_OK },          /* memo */
    { "8004", "7d 94", "2e", MPROC_OK },
    { "8004 5d 28", "43 00", "65 2e", MPROC_OK }, /* empty bytes */
    { "8004 5d 28", "8c 01 61", "65 2e", MPROC_OK },
    { "8004 5d 28", "47 7fe0000000000000", "65 2e", MPROC_OK }, /* floats that fit into no word */
    { "8004 5d 28", "8a 08 ffffffffffffff7f", "65 2e", MPROC_OK },
    { "8004 5d 94 28", "68 00 32", "65 2e", MPROC_OK },
    /* sets and dicts of so many that they need an index */
    { "8004 28", "8f 28 4e 88 89 4b02 4b03 4b04 4b05 4b06 4b07 90", "74 2e", MPROC_OK },
    { "8004 28", "7d 28 4e4e 884e 894e 4b024e 4b034e 4b044e 4b054e 4b064e 4b074e 75", "74 2e", MPROC_OK },
    /* classes and instances; Python 2's names, which are longer today */
    { "8004 8c0161 8c0162 93 94 5d 28", "68 00 29 52", "65 2e", MPROC_OK },
    { "8004 28", "8c00 8c00 93 29 81 4e61 4e4e73", "74 2e", MPROC_OK },
    { "8004 5d 28", "63 61 0a 62 0a", "65 2e", MPROC_OK },
    { "8002 28", "63 0a 0a", "74 2e", MPROC_OK },
    { "8002 28 8c0f6d756c746970726f63657373696e67 94 8c0e42756666657254 6f6f53686f7274 94", "6800 6801 93", "74 2e",
      MPROC_OK },
    /* set(list) of the same three, and of the same twelve items, which is refused soon */
    { "8004 8c086275696c74696e73 8c03736574 93 94 5d 28 4e 88 89 65 85 94 28", "68 00 68 01 52", "74 2e", MPROC_OK },
    { "8004 8c086275696c74696e73 8c03736574 93 94 5d 28 4e 88 89 4b02 4b03 4b04 4b05 4b06 4b07 4b08 4b09 4b0a "
      "65 85 94 28", "68 00 68 01 52", "74 2e", MPROC_EPROTO },
    { "8004", "ff", "2e", MPROC_EPROTO },
};

static void reading_takes_what_is_promised_at_most(void)
{
    static unsigned char data[LARGEST];
    (void) cost(data, 0, MPROC_EPROTO); /* from here on a failure's sentence has its place */
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        unsigned char unit[100], tail[10];
        size_t head_size = bytes_of_hex(patterns[i].head, data), unit_size = bytes_of_hex(patterns[i].unit, unit);
        size_t tail_size = bytes_of_hex(patterns[i].tail, tail), at = head_size;
        double worst = 0;
        for (size_t step = 1024; at + unit_size + tail_size <= LARGEST; step += step / 16) {
            for (size_t n = 0; n < step && at + unit_size + tail_size <= LARGEST; n += unit_size, at += unit_size)
                memcpy(data + at, unit, unit_size);
            memcpy(data + at, tail, tail_size);
            double taken = cost(data, at + tail_size, patterns[i].err);
            worst = taken > worst ? taken : worst;
        }
        if (worst > PROMISED)
            printf("\n  %s takes %.1f bytes a byte\n", patterns[i].unit, worst);
        CU_ASSERT(i != 0 || worst > 30); /* it does count */
        CU_ASSERT(worst <= PROMISED);
    }
}

/* ---- writing ---- */

static mproc_object *list_of_kind(size_t kind, int count)
{
    mproc_object *list = NULL, *item = NULL;
    char text[20];
    CHECK_OK(mproc_list_create(&list));
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%d", i);
        mproc_err err = kind == 0   ? (item = mproc_none(), MPROC_OK)
                        : kind == 1 ? mproc_int_create(&item, i)
                        : kind == 2 ? mproc_float_create(&item, i / 3.0)
                        : kind == 3 ? mproc_str_create(&item, text)
                                    : mproc_pack(&item, "[None, {%s: %d}]", text, i);
        if (err != MPROC_OK || mproc_list_append(list, item) != MPROC_OK)
            CU_FAIL_FATAL("no memory");
        mproc_object_release(item);
    }
    return list;
}

/* A buffer is at most twice as large as what was written into it; while it moves it may be there twice. */
static void writing_takes_little_more_than_the_pickle(void)
{
    enum { LEAST = 1024 };
    for (size_t kind = 0; kind < 5; kind++)
        for (int count = 1; count < 60000; count = count * 3 + 1) {
            mproc_object *list = list_of_kind(kind, count);
            mproc_buffer pickle = MPROC_BUFFER_INIT;
            counting_start();
            mproc_err err = mproc_pickle_dumps(list, &pickle, NULL);
            size_t peak = counting_stop();
            CU_ASSERT_EQUAL(err, MPROC_OK);
            if (pickle.capacity > 2 * pickle.size + LEAST || peak > 7 * pickle.size / 2 + LEAST)
                printf("\n  %d of kind %zu: %zu bytes, capacity %zu, peak %zu\n", count, kind, pickle.size,
                       pickle.capacity, peak);
            CU_ASSERT(pickle.capacity <= 2 * pickle.size + LEAST);
            CU_ASSERT(peak <= 7 * pickle.size / 2 + LEAST);
            mproc_buffer_free(&pickle);
            CU_ASSERT_EQUAL(counted_in_use(), 0);
            mproc_object_release(list);
        }
}

MPROC_SUITE(object_peak, MPROC_TEST(reading_takes_what_is_promised_at_most),
            MPROC_TEST(writing_takes_little_more_than_the_pickle))
