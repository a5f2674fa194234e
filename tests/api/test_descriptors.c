/* SPDX-License-Identifier: MIT */
/* A child has the descriptors that are meant for it, whatever else is open in its parent. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { MOST = 1000, THREADS = 4, STARTS = 25 };

struct list {
    int count; /* -1: this system cannot tell */
    int numbers[MOST];
};
struct ask {
    mproc_memory block; /* a struct list for the answer */
};

static int answer(void *argument)
{
    struct list *list = mproc_pointer(((struct ask *) argument)->block);
    CHILD_CHECK(list != NULL);
    list->count = list_descriptors(list->numbers, MOST);
    return 0;
}

/* Those of a child that is started now. */
static struct list ask_child(const mproc_process_options *options)
{
    struct ask ask;
    struct list list = { .count = -1 };
    CU_ASSERT_EQUAL_FATAL(mproc_alloc(&ask.block, sizeof(struct list)), MPROC_OK);
    CU_ASSERT_EQUAL(run_child(answer, &ask, sizeof ask, options), 0);
    list = *(struct list *) mproc_pointer(ask.block);
    CHECK_OK(mproc_free(ask.block));
    return list;
}

static bool contains(const struct list *list, intptr_t number)
{
    for (int i = 0; i < list->count; i++)
        if (list->numbers[i] == (int) number)
            return true;
    return false;
}

static bool can_list(void)
{
    int numbers[MOST];
    if (list_descriptors(numbers, MOST) >= 0)
        return true;
    skip("this system does not list a process's descriptors");
    return false;
}

static bool copies_everything(void)
{
    return method_under_test() == MPROC_START_FORK;
}

static void a_child_has_the_standard_streams_and_a_few_of_the_librarys(void)
{
    if (!can_list())
        return;
    struct list list = ask_child(NULL);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(contains(&list, i));
    if (!copies_everything())
        CU_ASSERT_TRUE(list.count >= 3 && list.count <= 3 + 4);
}

static void files_of_the_parent_do_not_get_into_a_fresh_child(void)
{
    if (!can_list())
        return;
    char folder[600], path[700];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("open", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/file", folder);
    struct list before = ask_child(NULL);
    intptr_t natives[30];
    for (int i = 0; i < 30; i++)
        natives[i] = native_open(path, true);
    struct list with = ask_child(NULL);
    CU_ASSERT_EQUAL(with.count, before.count + (copies_everything() ? 30 : 0));
    mproc_process_options options = { .inherit = &natives[7], .inherit_count = 3 };
    with = ask_child(&options);
    CU_ASSERT_EQUAL(with.count, before.count + (copies_everything() ? 30 : 3));
    for (int i = 7; i < 10; i++)
        CU_ASSERT_TRUE(contains(&with, natives[i]));
    for (int i = 0; i < 30; i++)
        native_close(natives[i]);
    remove_folder(folder);
}

static int read_inherited(void *argument)
{
    intptr_t native = *(intptr_t *) argument;
    char text[20];
    CHILD_OK(mproc_plat_handle_check(native));
    CHILD_CHECK(native_read(native, text, sizeof text) == 5 && strcmp(text, "hello") == 0);
    return 0;
}

static void an_inherited_handle_works_under_the_same_number(void)
{
    char folder[600], path[700];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("inherit", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/file", folder);
    intptr_t native = native_open(path, true);
    CU_ASSERT_TRUE(native_write(native, "hello"));
    native_close(native);
    intptr_t others[10];
    for (int i = 0; i < 10; i++)
        others[i] = native_open(path, false);
    native = native_open(path, false);
    for (int i = 0; i < 10; i++)
        native_close(others[i]);
    const mproc_process_options options = { .inherit = &native, .inherit_count = 1 };
    CU_ASSERT_EQUAL(run_child(read_inherited, &native, sizeof native, &options), 0);
    native_close(native);
    CHECK_FAILS(mproc_process_start(&(mproc_process *){ NULL }, read_inherited, &native, sizeof native,
                                    &options),
                MPROC_EINVAL);
    remove_folder(folder);
}

static int wait_for_go(void *argument)
{
    _Atomic int *ints = mproc_pointer(*(mproc_memory *) argument);
    atomic_fetch_add(&ints[0], 1);
    CHILD_CHECK(wait_until(&ints[1], 1));
    return 0;
}

static void siblings_do_not_add_to_a_childs_descriptors(void)
{
    enum { SIBLINGS = 20 };
    if (!can_list())
        return;
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 2);
    mproc_process *siblings[SIBLINGS];
    struct list before = ask_child(NULL);
    for (int i = 0; i < SIBLINGS; i++)
        siblings[i] = start_child(wait_for_go, &block, sizeof block, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[0], SIBLINGS));
    struct list with = ask_child(NULL);
    CU_ASSERT_EQUAL(with.count, before.count);
    atomic_store(&ints[1], 1);
    for (int i = 0; i < SIBLINGS; i++)
        CU_ASSERT_EQUAL(end_child(siblings[i]), 0);
    CHECK_OK(mproc_free(block));
}

/* On Windows, where nothing lists handles, a file that a child holds cannot be removed. */
static void a_child_does_not_hold_files_that_its_parent_has_closed(void)
{
    char folder[600], path[700];
    mproc_memory block;
    if (copies_everything()) {
        skip("a forked child has all of its parent's files");
        return;
    }
    _Atomic int *ints = shared_ints(&block, 2);
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("hold", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/file", folder);
    intptr_t native = native_open(path, true);
    mproc_process *process = start_child(wait_for_go, &block, sizeof block, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[0], 1));
    native_close(native);
    CU_ASSERT_EQUAL(remove(path), 0);
    CU_ASSERT_FALSE(file_exists(path));
    atomic_store(&ints[1], 1);
    CU_ASSERT_EQUAL(end_child(process), 0);
    remove_folder(folder);
    CHECK_OK(mproc_free(block));
}

/* ---- while other threads open files and start processes ---- */

struct noise {
    char path[700];
    _Atomic int stop;
    _Atomic int failures;
    int expected;
};

static void open_and_close(void *context)
{
    struct noise *noise = context;
    while (!atomic_load(&noise->stop)) {
        intptr_t natives[10];
        for (int i = 0; i < 10; i++)
            natives[i] = native_open(noise->path, true);
        for (int i = 0; i < 10; i++)
            native_close(natives[i]);
    }
}

static void start_and_count(void *context)
{
    struct noise *noise = context;
    for (int i = 0; i < STARTS; i++) {
        struct ask ask;
        mproc_process *process;
        if (mproc_alloc(&ask.block, sizeof(struct list)) != MPROC_OK ||
            mproc_process_start(&process, answer, &ask, sizeof ask, NULL) != MPROC_OK) {
            atomic_fetch_add(&noise->failures, 1);
            return;
        }
        if (mproc_process_join(process, 60000) != MPROC_OK || mproc_process_close(process) != MPROC_OK)
            atomic_fetch_add(&noise->failures, 1);
        const struct list *list = mproc_pointer(ask.block);
        if (list->count != noise->expected)
            atomic_fetch_add(&noise->failures, 1);
        if (mproc_free(ask.block) != MPROC_OK)
            atomic_fetch_add(&noise->failures, 1);
    }
}

static void threads_that_open_and_start_do_not_leak_into_children(void)
{
    static struct noise noise;
    char folder[600];
    if (copies_everything()) {
        skip("a forked child has all of its parent's files");
        return;
    }
    noise = (struct noise){ .expected = ask_child(NULL).count };
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("noise", folder, sizeof folder));
    snprintf(noise.path, sizeof noise.path, "%s/file", folder);
    struct test_thread *openers[THREADS], *starters[THREADS];
    for (int i = 0; i < THREADS; i++)
        openers[i] = thread_start(open_and_close, &noise);
    for (int i = 0; i < THREADS; i++)
        starters[i] = thread_start(start_and_count, &noise);
    for (int i = 0; i < THREADS; i++)
        thread_join(starters[i]);
    atomic_store(&noise.stop, 1);
    for (int i = 0; i < THREADS; i++)
        thread_join(openers[i]);
    CU_ASSERT_EQUAL(noise.failures, 0);
    remove_folder(folder);
}

MPROC_SUITE(descriptors, MPROC_TEST(a_child_has_the_standard_streams_and_a_few_of_the_librarys),
            MPROC_TEST(files_of_the_parent_do_not_get_into_a_fresh_child),
            MPROC_TEST(an_inherited_handle_works_under_the_same_number),
            MPROC_TEST(siblings_do_not_add_to_a_childs_descriptors),
            MPROC_TEST(a_child_does_not_hold_files_that_its_parent_has_closed),
            MPROC_TEST(threads_that_open_and_start_do_not_leak_into_children))
