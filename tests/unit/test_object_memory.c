/* SPDX-License-Identifier: MIT */
/* Objects and pickles without memory: every single allocation fails once. The linker puts our malloc()
 * before the library's own calls (--wrap). */
#include "mproc.h"
#include "suite.h"
#include "wrapped.h"

static long until_failure = -1; /* negative: never */
static long alive;

static int inside; /* a static C library's realloc() calls malloc() and free() through us too */

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

static void *resized(void *old, size_t size)
{
    if (inside)
        return __real_realloc(old, size);
    if (fails())
        return NULL;
    inside++;
    void *memory = __real_realloc(old, size);
    inside--;
    alive += memory != NULL && old == NULL;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    if (inside)
        return __real_malloc(size);
    return resized(NULL, size ? size : 1);
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (inside)
        return __real_calloc(count, size);
    size_t bytes = count * size;
    void *memory = count > 0 && size > SIZE_MAX / count ? NULL : resized(NULL, bytes > 0 ? bytes : 1);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return resized(old, size);
}

void __wrap_free(void *memory)
{
    if (!inside)
        alive -= memory != NULL;
    __real_free(memory);
}

/* Lets the first, the second, ... allocation of `scenario` fail until it succeeds; returns how many
 * it makes. It must answer MPROC_ENOMEM and leave nothing. */
static int every_failure(mproc_err (*scenario)(void))
{
    /* what the C library and the last error's sentence keep after their first use is there now */
    CU_ASSERT_EQUAL(scenario(), MPROC_OK);
    CHECK_FAILS(mproc_object_repr(NULL, NULL), MPROC_EINVAL);
    for (int n = 0; n < 20000; n++) {
        long before = alive;
        until_failure = n;
        mproc_err err = scenario();
        bool failed = until_failure < 0;
        until_failure = -1;
        if (alive != before)
            printf("\n  allocation %d: %ld are left (%s)\n", n, alive - before, mproc_last_error());
        CU_ASSERT_EQUAL(alive, before);
        if (err != MPROC_OK && err != MPROC_ENOMEM)
            printf("\n  allocation %d: %s: %s\n", n, mproc_err_name(err), mproc_last_error());
        CU_ASSERT(err == MPROC_OK || err == MPROC_ENOMEM);
        if (!failed) {
            CU_ASSERT_EQUAL(err, MPROC_OK);
            return n;
        }
    }
    CU_FAIL("it never succeeds");
    return 0;
}

static mproc_object *sample;
static mproc_buffer sample_pickle;

static void make_sample(void)
{
    mproc_object *item = NULL, *shared = NULL, *error = NULL;
    CHECK_OK(mproc_pack(&shared, "['shared']"));
    CHECK_OK(mproc_exception_create(&error, "builtins", "KeyError", NULL));
    CHECK_OK(mproc_pack(&sample, "[%p, %p, %p, 1e300, 123456789012345678901234567890, {1, 'x', (1, 2)}, b'raw']",
                        (void *) shared, (void *) shared, (void *) error));
    for (int i = 0; i < 150; i++) { /* past every first size: stack, memo, zone, index */
        CHECK_OK(mproc_pack(&item, "[%d, {%d: 'value', 'k': 'v'}]", i, i));
        CHECK_OK(mproc_list_append(sample, item));
        CHECK_OK(mproc_list_append(sample, item));
        mproc_object_release(item);
    }
    CHECK_OK(mproc_dict_create(&item));
    char key[20];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key %d", i);
        CHECK_OK(mproc_dict_set_str(item, key, mproc_true()));
    }
    CHECK_OK(mproc_list_append(sample, item));
    mproc_object_release(item);
    item = mproc_none();
    for (int i = 0; i < 50; i++) {
        mproc_object *outer = NULL;
        CHECK_OK(mproc_pack(&outer, "[1, %p, 2]", (void *) item));
        mproc_object_release(item);
        item = outer;
    }
    CHECK_OK(mproc_list_append(sample, item));
    mproc_object_release(item);
    mproc_object_release(shared);
    mproc_object_release(error);
    CHECK_OK(mproc_pickle_dumps(sample, &sample_pickle, NULL));
}

static void drop_sample(void)
{
    mproc_object_release(sample);
    mproc_buffer_free(&sample_pickle);
}

static mproc_err read_sample(void)
{
    mproc_object *object = NULL;
    mproc_err err = mproc_pickle_loads(&object, sample_pickle.data, sample_pickle.size, NULL);
    mproc_object_release(object);
    return err;
}

static mproc_err write_sample(void)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_err err = mproc_pickle_dumps(sample, &pickle, NULL);
    mproc_buffer_free(&pickle);
    return err;
}

static mproc_err print_sample(void)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    mproc_err err = mproc_object_repr(sample, &text);
    mproc_buffer_free(&text);
    return err;
}

static mproc_err copy_sample(void)
{
    mproc_object *copy = NULL;
    mproc_err err = mproc_object_copy(&copy, sample);
    mproc_object_release(copy);
    return err;
}

static mproc_err compare_sample(void)
{
    long armed = until_failure;
    until_failure = -1;
    mproc_object *copy = NULL;
    mproc_err err = mproc_object_copy(&copy, sample);
    until_failure = armed;
    bool equal = false;
    if (err == MPROC_OK)
        err = mproc_object_equal(sample, copy, &equal);
    CU_ASSERT(err != MPROC_OK || equal);
    mproc_object_release(copy);
    return err;
}

static void pickling_without_memory_fails_and_leaves_nothing(void)
{
    make_sample();
    CU_ASSERT(every_failure(read_sample) > 5);
    CU_ASSERT(every_failure(write_sample) > 3);
    CU_ASSERT(every_failure(print_sample) > 1);
    CU_ASSERT(every_failure(copy_sample) > 8);
    (void) every_failure(compare_sample); /* it needs none: it only takes longer */
    drop_sample();
}

static mproc_err pack_and_unpack(void)
{
    mproc_object *inner = NULL, *object = NULL, *part = NULL;
    const char *text = NULL;
    int number = 0;
    mproc_err err = mproc_pack(&inner, "{'inner': %s}", "text");
    if (err == MPROC_OK)
        err = mproc_pack(&object, "[%d, %p, {%p, 1}, (1, 2, %s), {'a': %p, 'b': 1e300}, 'literal', {1: 2, 3: 4},"
                         " bytearray(b'a literal that is longer than what is read in place'), frozenset({1, 'x'}),"
                         " 99999999999999999999999, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,"
                         " 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34]",
                         42, (void *) inner, (void *) mproc_none(), "x", (void *) inner);
    if (err == MPROC_OK)
        err = mproc_unpack(object, "[%d, {'inner': %ms}, %p, ...]", &number, &text, (void **) &part);
    CU_ASSERT(err != MPROC_OK || (number == 42 && strcmp(text, "text") == 0));
    mproc_object_release(inner);
    mproc_object_release(object);
    return err;
}

static mproc_err make_one_of_each(void)
{
    mproc_object *made[12] = { NULL };
    mproc_err err = mproc_int_create(&made[0], INT64_MAX);
    if (err == MPROC_OK)
        err = mproc_int_create_text(&made[1], "-123456789012345678901234567890", 10);
    if (err == MPROC_OK)
        err = mproc_float_create(&made[2], 1e300);
    if (err == MPROC_OK)
        err = mproc_str_create(&made[3], "text");
    if (err == MPROC_OK)
        err = mproc_bytes_create(&made[4], "text", 4);
    if (err == MPROC_OK)
        err = mproc_tuple_create(&made[5], made, 5);
    if (err == MPROC_OK)
        err = mproc_frozenset_create(&made[6], made, 6);
    if (err == MPROC_OK)
        err = mproc_exception_create(&made[7], "builtins", "ValueError", made[5]);
    if (err == MPROC_OK)
        err = mproc_exception_create(&made[8], "queue", "Full", NULL);
    if (err == MPROC_OK)
        err = mproc_global_create(&made[9], "a", "b");
    double value;
    if (err == MPROC_OK)
        err = mproc_float_get(made[1], &value);
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        mproc_object_release(made[i]);
    return err;
}

static void making_without_memory_fails_and_leaves_nothing(void)
{
    CU_ASSERT(every_failure(pack_and_unpack) > 5);
    CU_ASSERT(every_failure(make_one_of_each) > 8);
}

/* A container is as it was when a change failed, and can go on. */
static mproc_err change_containers(void)
{
    mproc_object *list = NULL, *dict = NULL, *set = NULL, *item = NULL;
    mproc_buffer text = MPROC_BUFFER_INIT;
    mproc_err err = mproc_list_create(&list);
    if (err == MPROC_OK)
        err = mproc_dict_create(&dict);
    if (err == MPROC_OK)
        err = mproc_set_create(&set);
    char name[20];
    size_t length = 0, expected = 0;
    for (int i = 0; err == MPROC_OK && i < 60; i++) {
        snprintf(name, sizeof name, "item %d", i);
        expected = (size_t) i;
        err = mproc_str_create(&item, name);
        if (err != MPROC_OK)
            break;
        mproc_err first = mproc_list_append(list, item), second = mproc_dict_set(dict, item, item);
        mproc_err third = mproc_set_add(set, item);
        mproc_object_release(item);
        err = first != MPROC_OK ? first : second != MPROC_OK ? second : third;
        CU_ASSERT(mproc_object_len(list, &length) == MPROC_OK && length == expected + (first == MPROC_OK));
        CU_ASSERT(mproc_object_len(dict, &length) == MPROC_OK && length == expected + (second == MPROC_OK));
        CU_ASSERT(mproc_object_len(set, &length) == MPROC_OK && length == expected + (third == MPROC_OK));
        if (err != MPROC_OK) { /* once more: the failure is over */
            CU_ASSERT(mproc_list_append(list, mproc_none()) == MPROC_OK);
            CU_ASSERT(mproc_dict_set(dict, mproc_none(), mproc_none()) == MPROC_OK);
            CU_ASSERT(mproc_set_add(set, mproc_none()) == MPROC_OK);
            CU_ASSERT(mproc_object_repr(dict, &text) == MPROC_OK);
            CU_ASSERT(mproc_object_repr(set, &text) == MPROC_OK);
        }
    }
    mproc_buffer_free(&text);
    mproc_object_release(list);
    mproc_object_release(dict);
    mproc_object_release(set);
    return err;
}

static void changing_without_memory_changes_nothing(void)
{
    CU_ASSERT(every_failure(change_containers) > 60);
}

MPROC_SUITE(object_memory, MPROC_TEST(pickling_without_memory_fails_and_leaves_nothing),
            MPROC_TEST(making_without_memory_fails_and_leaves_nothing),
            MPROC_TEST(changing_without_memory_changes_nothing))
