/* SPDX-License-Identifier: MIT */
/* Value, Array, RawValue, RawArray: types, bounds, numbers, and processes that share them. */
#include "suite.h"
#include "system.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <wchar.h>

struct body {
    double position[3];
    int name;
};

/* ---- one process ---- */

static void every_type_code_has_the_size_of_its_c_type(void)
{
    static const struct {
        char code;
        size_t size;
    } types[] = { { 'c', 1 }, { 'b', 1 }, { 'B', 1 }, { 'u', sizeof(wchar_t) },
                  { 'h', sizeof(short) }, { 'H', sizeof(short) }, { 'i', sizeof(int) }, { 'I', sizeof(int) },
                  { 'l', sizeof(long) }, { 'L', sizeof(long) }, { 'q', 8 }, { 'Q', 8 }, { 'f', 4 }, { 'd', 8 } };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        mproc_array array;
        CHECK_OK(mproc_array_create(&array, types[i].code, 3));
        CU_ASSERT_EQUAL(mproc_array_item_size(array), types[i].size);
        CU_ASSERT_EQUAL(mproc_array_length(array), 3);
        CHECK_OK(mproc_array_destroy(array));
    }
}

static void a_new_array_is_zero_and_aligned(void)
{
    mproc_array array;
    CHECK_OK(mproc_array_create_raw(&array, MPROC_ITEM(struct body), 100));
    struct body *bodies = mproc_array_pointer(array);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bodies);
    CU_ASSERT_EQUAL((uintptr_t) bodies % 16, 0);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_TRUE(bodies[i].position[2] == 0 && bodies[i].name == 0);
    CU_ASSERT_EQUAL(mproc_array_item_size(array), sizeof(struct body));
    CU_ASSERT_EQUAL(mproc_array_lock(array).id, 0);
    CHECK_OK(mproc_array_destroy(array));
}

static void items_are_copied_in_and_out_within_bounds(void)
{
    mproc_array array;
    const int some[] = { 1, 2, 3 };
    int read[5] = { 9, 9, 9, 9, 9 };
    CHECK_OK(mproc_array_create(&array, 'i', 5));
    CHECK_OK(mproc_array_set(array, 1, 3, some));
    CHECK_OK(mproc_array_get(array, 0, 5, read));
    static const int expected[] = { 0, 1, 2, 3, 0 };
    CU_ASSERT_EQUAL(memcmp(read, expected, sizeof read), 0);
    CHECK_OK(mproc_array_get(array, 5, 0, NULL));
    CHECK_FAILS(mproc_array_set(array, 3, 3, some), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_get(array, 6, 0, read), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_get(array, 1, SIZE_MAX, read), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_get(array, 0, 1, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_set(array, 0, 1, NULL), MPROC_EINVAL);
    CU_ASSERT_EQUAL(((int *) mproc_array_pointer(array))[4], 0);
    CHECK_OK(mproc_array_destroy(array));
}

static void numbers_fit_or_are_refused(void)
{
    static const struct {
        char code;
        int64_t lowest, highest;
    } types[] = { { 'b', SCHAR_MIN, SCHAR_MAX }, { 'B', 0, UCHAR_MAX }, { 'h', SHRT_MIN, SHRT_MAX },
                  { 'H', 0, USHRT_MAX }, { 'i', INT_MIN, INT_MAX }, { 'I', 0, UINT_MAX } };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        mproc_array array;
        int64_t read;
        double real;
        CHECK_OK(mproc_array_create_raw(&array, types[i].code, 1));
        CHECK_OK(mproc_array_set_int(array, 0, types[i].lowest));
        CHECK_OK(mproc_array_get_int(array, 0, &read));
        CU_ASSERT_EQUAL(read, types[i].lowest);
        CHECK_OK(mproc_array_set_int(array, 0, types[i].highest));
        CHECK_OK(mproc_array_get_int(array, 0, &read));
        CU_ASSERT_EQUAL(read, types[i].highest);
        CHECK_FAILS(mproc_array_set_int(array, 0, types[i].highest + 1), MPROC_EINVAL);
        CHECK_FAILS(mproc_array_set_int(array, 0, types[i].lowest - 1), MPROC_EINVAL);
        CHECK_OK(mproc_array_get_float(array, 0, &real));
        CU_ASSERT_EQUAL(real, (double) types[i].highest);
        CHECK_FAILS(mproc_array_set_float(array, 0, 1.5), MPROC_ETYPE);
        CHECK_FAILS(mproc_array_get_int(array, 1, &read), MPROC_EINVAL);
        CHECK_OK(mproc_array_destroy(array));
    }
}

static void large_numbers_and_floats(void)
{
    mproc_array longs, doubles, structs;
    int64_t read;
    double real;
    CHECK_OK(mproc_array_create_raw(&longs, 'Q', 2));
    CHECK_OK(mproc_array_create_raw(&doubles, 'd', 2));
    CHECK_OK(mproc_array_create_raw(&structs, MPROC_ITEM(struct body), 1));
    CHECK_OK(mproc_array_set_int(longs, 1, INT64_MAX));
    CHECK_OK(mproc_array_get_int(longs, 1, &read));
    CU_ASSERT_EQUAL(read, INT64_MAX);
    ((unsigned long long *) mproc_array_pointer(longs))[0] = UINT64_MAX;
    CHECK_FAILS(mproc_array_get_int(longs, 0, &read), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_set_int(longs, 0, -1), MPROC_EINVAL);
    CHECK_OK(mproc_array_set_float(doubles, 1, 0.25));
    CHECK_OK(mproc_array_get_float(doubles, 1, &real));
    CU_ASSERT_EQUAL(real, 0.25);
    CHECK_FAILS(mproc_array_set_int(doubles, 1, 1), MPROC_ETYPE);
    CHECK_FAILS(mproc_array_get_int(doubles, 1, &read), MPROC_ETYPE);
    CHECK_FAILS(mproc_array_get_int(structs, 0, &read), MPROC_ETYPE);
    CHECK_FAILS(mproc_array_get_float(structs, 0, &real), MPROC_ETYPE);
    CHECK_OK(mproc_array_destroy(longs));
    CHECK_OK(mproc_array_destroy(doubles));
    CHECK_OK(mproc_array_destroy(structs));
}

static void a_value_is_one_item(void)
{
    mproc_value value, raw;
    double number = 2.5, read = 0, result;
    CHECK_OK(mproc_value_create(&value, 'd'));
    CHECK_OK(mproc_value_set(value, &number));
    CHECK_OK(mproc_value_get(value, &read));
    CU_ASSERT_EQUAL(read, 2.5);
    CHECK_OK(mproc_value_add_float(value, 0.5, &result));
    CU_ASSERT_EQUAL(result, 3.0);
    CU_ASSERT_EQUAL(*(double *) mproc_value_pointer(value), 3.0);
    CHECK_FAILS(mproc_value_add_int(value, 1, NULL), MPROC_ETYPE);
    CHECK_OK(mproc_value_create_raw(&raw, 'i'));
    CHECK_FAILS(mproc_value_add_int(raw, 1, NULL), MPROC_ESTATE);
    CHECK_OK(mproc_value_destroy(raw));
    CHECK_OK(mproc_value_destroy(value));
}

static void an_addition_that_overflows_changes_nothing(void)
{
    mproc_value value;
    int64_t result = 7;
    CHECK_OK(mproc_value_create(&value, 'b'));
    CHECK_OK(mproc_value_add_int(value, 127, &result));
    CU_ASSERT_EQUAL(result, 127);
    CHECK_FAILS(mproc_value_add_int(value, 1, &result), MPROC_EINVAL);
    CHECK_FAILS(mproc_value_add_int(value, INT64_MAX, NULL), MPROC_EINVAL);
    CU_ASSERT_EQUAL(*(signed char *) mproc_value_pointer(value), 127);
    CHECK_OK(mproc_value_add_int(value, -255, &result));
    CU_ASSERT_EQUAL(result, -128);
    CHECK_OK(mproc_value_destroy(value));
}

static void floats_are_what_is_stored_or_are_refused(void)
{
    mproc_value single, other;
    mproc_array array;
    const float tenth = 0.1f; /* the constant itself may be a double (FLT_EVAL_METHOD) */
    double result = 7;
    CHECK_OK(mproc_value_create(&single, 'f'));
    CHECK_OK(mproc_value_create(&other, 'd'));
    CHECK_OK(mproc_array_create(&array, 'f', 1));
    CHECK_OK(mproc_value_add_float(single, 0.1, &result));
    CU_ASSERT_EQUAL(result, (double) tenth);
    CHECK_FAILS(mproc_value_add_float(single, 1e300, &result), MPROC_EINVAL);
    CHECK_FAILS(mproc_value_add_float(single, -1e300, &result), MPROC_EINVAL);
    CU_ASSERT_EQUAL(result, (double) tenth);
    CU_ASSERT_EQUAL(*(float *) mproc_value_pointer(single), tenth);
    CHECK_OK(mproc_value_add_float(single, HUGE_VAL, &result)); /* infinity itself fits */
    CU_ASSERT_TRUE(isinf(result) && isinf(*(float *) mproc_value_pointer(single)));
    CHECK_OK(mproc_value_add_float(other, DBL_MAX, &result));
    CHECK_FAILS(mproc_value_add_float(other, DBL_MAX, NULL), MPROC_EINVAL);
    CU_ASSERT_EQUAL(*(double *) mproc_value_pointer(other), DBL_MAX);
    CHECK_OK(mproc_array_set_float(array, 0, -FLT_MAX));
    CHECK_FAILS(mproc_array_set_float(array, 0, 1e39), MPROC_EINVAL);
    CHECK_OK(mproc_array_get_float(array, 0, &result));
    CU_ASSERT_EQUAL(result, -FLT_MAX);
    CHECK_OK(mproc_array_destroy(array));
    CHECK_OK(mproc_value_destroy(other));
    CHECK_OK(mproc_value_destroy(single));
}

static void an_array_may_be_empty(void)
{
    mproc_array array;
    int number;
    CHECK_OK(mproc_array_create(&array, 'i', 0));
    CU_ASSERT_EQUAL(mproc_array_length(array), 0);
    CU_ASSERT_PTR_NOT_NULL(mproc_array_pointer(array));
    CHECK_OK(mproc_array_get(array, 0, 0, NULL));
    CHECK_FAILS(mproc_array_get(array, 0, 1, &number), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_set_int(array, 0, 1), MPROC_EINVAL);
    CHECK_OK(mproc_array_destroy(array));
}

static void the_lock_is_recursive_and_may_be_shared(void)
{
    mproc_rlock lock;
    mproc_array first, second;
    CHECK_OK(mproc_rlock_create(&lock));
    CHECK_OK(mproc_array_create_lock(&first, 'i', 1, lock));
    CHECK_OK(mproc_array_create_lock(&second, 'i', 1, lock));
    CU_ASSERT_EQUAL(mproc_array_lock(first).id, lock.id);
    CHECK_OK(mproc_rlock_acquire(lock, MPROC_NOWAIT));
    CHECK_OK(mproc_array_set_int(first, 0, 1));
    CHECK_OK(mproc_array_set_int(second, 0, 2));
    CHECK_OK(mproc_rlock_release(lock));
    CHECK_OK(mproc_array_destroy(first));
    CHECK_OK(mproc_array_destroy(second));
    CU_ASSERT_FALSE(mproc_rlock_locked(lock)); /* it is the user's, and still there */
    CHECK_OK(mproc_rlock_acquire(lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rlock_release(lock));
    CHECK_OK(mproc_rlock_destroy(lock));
}

static void wrong_types_lengths_and_handles_are_refused(void)
{
    mproc_array array = { 0 };
    mproc_value value = { 0 };
    CHECK_FAILS(mproc_array_create(&array, 'x', 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_create(&array, 256, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_create(&array, -1, 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_array_create(&array, 'i', SIZE_MAX), MPROC_ENOMEM);
    CHECK_FAILS(mproc_array_create(&array, 'i', SIZE_MAX / 8), MPROC_ENOMEM);
    CHECK_FAILS(mproc_array_create(NULL, 'i', 1), MPROC_EINVAL);
    CHECK_FAILS(mproc_value_create(NULL, 'i'), MPROC_EINVAL);
    CHECK_FAILS(mproc_value_create_lock(&value, 'i', (mproc_rlock){ 0 }), MPROC_EBADHANDLE);
    CHECK_OK(mproc_array_create(&array, 'i', 1));
    CHECK_OK(mproc_array_destroy(array));
    CHECK_FAILS(mproc_array_destroy(array), MPROC_EBADHANDLE);
    CU_ASSERT_PTR_NULL(mproc_array_pointer(array));
    CU_ASSERT_EQUAL(mproc_array_length(array), 0);
    CHECK_FAILS(mproc_array_set_int(array, 0, 1), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_value_set((mproc_value){ array.id }, &array), MPROC_EBADHANDLE);
    CHECK_OK(mproc_array_destroy((mproc_array){ 0 }));
    CHECK_OK(mproc_value_destroy((mproc_value){ 0 }));
}

/* ---- between processes ---- */

struct shared {
    mproc_value value;
    mproc_array array;
};

static int add_many(void *argument)
{
    const struct shared *shared = argument;
    for (int i = 0; i < 5000; i++)
        CHILD_OK(mproc_value_add_int(shared->value, 1, NULL));
    int *numbers = mproc_array_pointer(shared->array);
    CHILD_CHECK(numbers != NULL);
    CHILD_OK(mproc_rlock_acquire(mproc_array_lock(shared->array), MPROC_FOREVER));
    for (int i = 0; i < 100; i++)
        numbers[i] += i;
    CHILD_OK(mproc_rlock_release(mproc_array_lock(shared->array)));
    return 0;
}

static void processes_add_without_losing_anything(void)
{
    struct shared shared;
    mproc_process *processes[4];
    int64_t sum;
    CHECK_OK(mproc_value_create(&shared.value, 'q'));
    CHECK_OK(mproc_array_create(&shared.array, 'i', 100));
    for (int i = 0; i < 4; i++)
        processes[i] = start_child(add_many, &shared, sizeof shared, NULL);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CHECK_OK(mproc_value_add_int(shared.value, 0, &sum));
    CU_ASSERT_EQUAL(sum, 20000);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(((int *) mproc_array_pointer(shared.array))[i], 4 * i);
    CHECK_OK(mproc_value_destroy(shared.value));
    CHECK_OK(mproc_array_destroy(shared.array));
}

static int die_inside(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_rlock_acquire(mproc_value_lock(shared->value), MPROC_FOREVER));
    return 0;
}

static void a_dead_holder_is_told_and_the_lock_is_held(void)
{
    struct shared shared;
    int number = 4;
    CHECK_OK(mproc_value_create(&shared.value, 'i'));
    CU_ASSERT_EQUAL(run_child(die_inside, &shared, sizeof shared, NULL), 0);
    CHECK_FAILS(mproc_value_set(shared.value, &number), MPROC_OWNERDEAD);
    CU_ASSERT_EQUAL(*(int *) mproc_value_pointer(shared.value), 4);
    CHECK_OK(mproc_rlock_consistent(mproc_value_lock(shared.value)));
    CHECK_OK(mproc_rlock_release(mproc_value_lock(shared.value)));
    CHECK_OK(mproc_value_get(shared.value, &number));
    CHECK_OK(mproc_value_destroy(shared.value));
}

/* It would be wrong to say that it is done, and to leave the lock with one who does not know: so the next is told. */
static void what_fails_after_a_death_leaves_the_lock_to_the_next(void)
{
    struct shared shared;
    int64_t number = -5;
    CHECK_OK(mproc_value_create(&shared.value, 'b'));
    CHECK_OK(mproc_value_add_int(shared.value, 127, NULL));
    CU_ASSERT_EQUAL(run_child(die_inside, &shared, sizeof shared, NULL), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_FAILS(mproc_value_add_int(shared.value, 1, &number), MPROC_EINVAL);
        CHECK_FAILS(mproc_value_add_float(shared.value, 1, NULL), MPROC_ETYPE);
        CU_ASSERT_EQUAL(number, -5);
        CU_ASSERT_FALSE(mproc_rlock_locked(mproc_value_lock(shared.value)));
    }
    CHECK_FAILS(mproc_value_add_int(shared.value, -1, &number), MPROC_OWNERDEAD);
    CU_ASSERT_EQUAL(number, 126);
    CHECK_OK(mproc_rlock_consistent(mproc_value_lock(shared.value)));
    CHECK_OK(mproc_rlock_release(mproc_value_lock(shared.value)));
    CHECK_OK(mproc_value_add_int(shared.value, 1, &number));
    CHECK_OK(mproc_value_destroy(shared.value));
}

MPROC_SUITE(value, MPROC_TEST(every_type_code_has_the_size_of_its_c_type),
            MPROC_TEST(a_new_array_is_zero_and_aligned), MPROC_TEST(items_are_copied_in_and_out_within_bounds),
            MPROC_TEST(numbers_fit_or_are_refused), MPROC_TEST(large_numbers_and_floats),
            MPROC_TEST(a_value_is_one_item), MPROC_TEST(an_addition_that_overflows_changes_nothing),
            MPROC_TEST(floats_are_what_is_stored_or_are_refused), MPROC_TEST(an_array_may_be_empty),
            MPROC_TEST(the_lock_is_recursive_and_may_be_shared),
            MPROC_TEST(wrong_types_lengths_and_handles_are_refused),
            MPROC_TEST(processes_add_without_losing_anything),
            MPROC_TEST(a_dead_holder_is_told_and_the_lock_is_held),
            MPROC_TEST(what_fails_after_a_death_leaves_the_lock_to_the_next))
