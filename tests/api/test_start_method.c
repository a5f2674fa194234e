/* SPDX-License-Identifier: MIT */
/* Start methods: which there are, the process-wide choice, and the choice of one start. */
#include "suite.h"
#include "system.h"

#include "platform.h"

/* The suite runs under the choice of MPROC_START_METHOD; every test puts it back. */
static mproc_start_method chosen;

static void begin(void)
{
    chosen = mproc_get_start_method();
    CHECK_OK(mproc_set_start_method(MPROC_START_DEFAULT, true));
}

static void end(void)
{
    CHECK_OK(mproc_set_start_method(chosen, true));
    CU_ASSERT_EQUAL(mproc_get_start_method(), chosen);
}

static void the_default_is_first_of_all(void)
{
    mproc_start_method methods[8] = { MPROC_START_DEFAULT }, one[1] = { MPROC_START_DEFAULT };
    size_t count = mproc_get_all_start_methods(methods, 8);
    CU_ASSERT_TRUE_FATAL(count >= 1 && count <= 3);
    CU_ASSERT_EQUAL(mproc_get_all_start_methods(NULL, 0), count);
    CU_ASSERT_EQUAL(mproc_get_all_start_methods(one, 1), count);
    CU_ASSERT_EQUAL(one[0], methods[0]);
    CU_ASSERT_EQUAL(methods[count], MPROC_START_DEFAULT);
    begin();
    CU_ASSERT_EQUAL(mproc_get_start_method(), methods[0]);
    end();
}

static void methods_have_names(void)
{
    CU_ASSERT_STRING_EQUAL(mproc_start_method_name(MPROC_START_DEFAULT), "default");
    CU_ASSERT_STRING_EQUAL(mproc_start_method_name(MPROC_START_FORK), "fork");
    CU_ASSERT_STRING_EQUAL(mproc_start_method_name(MPROC_START_SPAWN), "spawn");
    CU_ASSERT_STRING_EQUAL(mproc_start_method_name(MPROC_START_FORKSERVER), "forkserver");
    CU_ASSERT_PTR_NOT_NULL(mproc_start_method_name((mproc_start_method) 77));
    CU_ASSERT_PTR_NOT_NULL(mproc_start_method_name((mproc_start_method) -1));
}

static void the_choice_is_made_once_unless_forced(void)
{
    begin();
    CHECK_OK(mproc_set_start_method(MPROC_START_SPAWN, false));
    CU_ASSERT_EQUAL(mproc_get_start_method(), MPROC_START_SPAWN);
    CHECK_FAILS(mproc_set_start_method(MPROC_START_SPAWN, false), MPROC_ESTATE);
    CHECK_OK(mproc_set_start_method(MPROC_START_SPAWN, true));
    CHECK_OK(mproc_set_start_method(MPROC_START_DEFAULT, true));
    CHECK_OK(mproc_set_start_method(MPROC_START_SPAWN, false));
    end();
}

static void the_environment_is_a_choice(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(getenv("MPROC_START_METHOD"));
    CU_ASSERT_STRING_EQUAL(start_method_name(), getenv("MPROC_START_METHOD"));
    CHECK_FAILS(mproc_set_start_method(MPROC_START_SPAWN, false), MPROC_ESTATE);
}

static void what_is_no_method_is_refused(void)
{
    begin();
    CHECK_FAILS(mproc_set_start_method((mproc_start_method) 4, true), MPROC_EINVAL);
    CHECK_FAILS(mproc_set_start_method((mproc_start_method) -1, true), MPROC_EINVAL);
    mproc_start_method all[3];
    if (mproc_get_all_start_methods(all, 3) < 3) {
        CHECK_FAILS(mproc_set_start_method(MPROC_START_FORKSERVER, true), MPROC_ENOTSUP);
        mproc_process *process = NULL;
        const mproc_process_options options = { .start_method = MPROC_START_FORKSERVER };
        CHECK_FAILS(mproc_process_start(&process, hang_for_ever, NULL, 0, &options), MPROC_ENOTSUP);
        CU_ASSERT_PTR_NULL(process);
    }
    end();
}

static int return_own_method(void *argument)
{
    (void) argument;
    mproc_start_method method;
    CHILD_OK(mproc_process_start_method(mproc_current_process(), &method));
    return (int) method;
}

static int return_choice(void *argument)
{
    (void) argument;
    return (int) mproc_get_start_method();
}

static void every_method_can_be_chosen_for_one_start(void)
{
    mproc_start_method methods[3];
    size_t count = mproc_get_all_start_methods(methods, 3);
    for (size_t i = 0; i < count; i++) {
        const mproc_process_options options = { .start_method = methods[i] };
        mproc_start_method told;
        mproc_process *process = start_child(return_own_method, NULL, 0, &options);
        CHECK_OK(mproc_process_start_method(process, &told));
        CU_ASSERT_EQUAL(told, methods[i]);
        CU_ASSERT_EQUAL(end_child(process), (int) methods[i]);
        CU_ASSERT_EQUAL(run_child(return_choice, NULL, 0, &options), (int) mproc_get_start_method());
    }
    keep_what_is_there(); /* a forkserver, perhaps */
}

static void children_inherit_the_choice(void)
{
    begin();
    mproc_start_method methods[3];
    size_t count = mproc_get_all_start_methods(methods, 3);
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(mproc_set_start_method(methods[i], true));
        CU_ASSERT_EQUAL(run_child(return_own_method, NULL, 0, NULL), (int) methods[i]);
        CU_ASSERT_EQUAL(run_child(return_choice, NULL, 0, NULL), (int) methods[i]);
    }
    end();
    keep_what_is_there();
}

MPROC_SUITE(start_method, MPROC_TEST(the_default_is_first_of_all), MPROC_TEST(methods_have_names),
            MPROC_TEST(the_choice_is_made_once_unless_forced), MPROC_TEST(the_environment_is_a_choice),
            MPROC_TEST(what_is_no_method_is_refused),
            MPROC_TEST(every_method_can_be_chosen_for_one_start),
            MPROC_TEST(children_inherit_the_choice))
