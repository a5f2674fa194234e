/* SPDX-License-Identifier: MIT */
/* This process, its parent, its children, its CPUs and its key. */
#include "suite.h"
#include "system.h"

#include "platform.h"

struct told {
    int64_t parent_pid;
    char parent_name[60];
};

/* ---- the root ---- */

static void the_root_is_the_main_process_and_has_no_parent(void)
{
    mproc_process *self = mproc_current_process();
    int64_t pid = 0;
    bool flag = false;
    CU_ASSERT_PTR_NOT_NULL_FATAL(self);
    CU_ASSERT_PTR_EQUAL(mproc_current_process(), self);
    CU_ASSERT_STRING_EQUAL(mproc_process_name(self), "MainProcess");
    CHECK_OK(mproc_process_pid(self, &pid));
    CU_ASSERT_EQUAL(pid, mproc_pid());
    CHECK_OK(mproc_process_is_alive(self, &flag));
    CU_ASSERT_TRUE(flag);
    CHECK_OK(mproc_process_daemon(self, &flag));
    CU_ASSERT_FALSE(flag);
    CU_ASSERT_PTR_NULL(mproc_parent_process());
}

static void a_process_cannot_join_end_or_close_itself(void)
{
    mproc_process *self = mproc_current_process();
    int exit_code;
    CHECK_FAILS(mproc_process_join(self, 0), MPROC_ESTATE);
    CHECK_FAILS(mproc_process_interrupt(self), MPROC_ESTATE);
    CHECK_FAILS(mproc_process_terminate(self), MPROC_ESTATE);
    CHECK_FAILS(mproc_process_kill(self), MPROC_ESTATE);
    CHECK_FAILS(mproc_process_stop(self, 0), MPROC_ESTATE);
    CHECK_FAILS(mproc_process_stop_tree(self, 0), MPROC_ESTATE);
    CHECK_FAILS(mproc_process_close(self), MPROC_ESTATE);
    CHECK_FAILS(mproc_process_exit_code(self, &exit_code), MPROC_ESTATE);
}

/* ---- a child ---- */

static int check_who_i_am(void *argument)
{
    struct told *told = argument;
    mproc_process *self = mproc_current_process(), *parent = mproc_parent_process();
    int64_t pid;
    bool flag;
    intptr_t native;
    CHILD_CHECK(self && parent && self != parent);
    CHILD_CHECK(strcmp(mproc_process_name(self), "a child") == 0);
    CHILD_OK(mproc_process_pid(self, &pid));
    CHILD_CHECK(pid == mproc_pid() && pid != told->parent_pid);
    CHILD_OK(mproc_process_daemon(self, &flag));
    CHILD_CHECK(flag);
    CHILD_CHECK(strcmp(mproc_process_name(parent), told->parent_name) == 0);
    CHILD_OK(mproc_process_pid(parent, &pid));
    CHILD_CHECK(pid == told->parent_pid);
    CHILD_OK(mproc_process_is_alive(parent, &flag));
    CHILD_CHECK(flag);
    CHILD_FAILS(mproc_process_join(parent, 5), MPROC_ETIMEDOUT);
    CHILD_OK(mproc_process_sentinel(parent, &native));
    CHILD_CHECK(!native_ready(native, 0));
    CHILD_FAILS(mproc_process_interrupt(parent), MPROC_ESTATE);
    CHILD_FAILS(mproc_process_kill(parent), MPROC_ESTATE);
    CHILD_FAILS(mproc_process_terminate(parent), MPROC_ESTATE);
    CHILD_FAILS(mproc_process_close(parent), MPROC_ESTATE);
    return 0;
}

static void a_child_knows_itself_and_its_parent(void)
{
    struct told told = { .parent_pid = mproc_pid(), .parent_name = "MainProcess" };
    const mproc_process_options options = { .name = "a child", .daemon = true };
    CU_ASSERT_EQUAL(run_child(check_who_i_am, &told, sizeof told, &options), 0);
}

static int be_a_parent(void *argument)
{
    (void) argument;
    struct told told = { .parent_pid = mproc_pid() };
    strcpy(told.parent_name, mproc_process_name(mproc_current_process()));
    const mproc_process_options options = { .name = "a child", .daemon = true };
    mproc_process *process;
    int exit_code = -1;
    CHILD_OK(mproc_process_start(&process, check_who_i_am, &told, sizeof told, &options));
    CHILD_OK(mproc_process_join(process, MPROC_FOREVER));
    CHILD_OK(mproc_process_exit_code(process, &exit_code));
    return exit_code;
}

static void a_grandchild_knows_the_child(void)
{
    CU_ASSERT_EQUAL(run_child(be_a_parent, NULL, 0, NULL), 0);
}

/* ---- children ---- */

static int wait_for_go(void *argument)
{
    _Atomic int *ints = mproc_pointer(*(mproc_memory *) argument);
    CHILD_CHECK(wait_until(ints, 1));
    return 0;
}

static void active_children_are_those_that_run(void)
{
    enum { COUNT = 5 };
    mproc_memory block;
    _Atomic int *go = shared_ints(&block, 1);
    mproc_process *processes[COUNT], *active[COUNT + 2] = { NULL };
    size_t count = 99;
    CHECK_OK(mproc_active_children(NULL, 0, &count));
    CU_ASSERT_EQUAL(count, 0);
    for (int i = 0; i < COUNT; i++)
        processes[i] = start_child(wait_for_go, &block, sizeof block, NULL);
    CHECK_OK(mproc_active_children(active, COUNT + 2, &count));
    CU_ASSERT_EQUAL(count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        int found = 0;
        for (int j = 0; j < COUNT; j++)
            found += active[j] == processes[i];
        CU_ASSERT_EQUAL(found, 1);
    }
    active[2] = NULL;
    CHECK_OK(mproc_active_children(active, 2, &count));
    CU_ASSERT_EQUAL(count, COUNT);
    CU_ASSERT_PTR_NULL(active[2]);
    atomic_store(go, 1);
    for (int i = 0; i < 60000 && count; i++) {
        sleep_briefly();
        CHECK_OK(mproc_active_children(NULL, 0, &count));
    }
    CU_ASSERT_EQUAL(count, 0);
    CHECK_FAILS(mproc_active_children(NULL, 0, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_active_children(NULL, 3, &count), MPROC_EINVAL);
    for (int i = 0; i < COUNT; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CHECK_OK(mproc_free(block));
}

static int count_children(void *argument)
{
    (void) argument;
    size_t count = 99;
    CHILD_OK(mproc_active_children(NULL, 0, &count));
    return (int) count;
}

static void a_child_does_not_have_its_parents_children(void)
{
    mproc_process *sibling = start_child(hang_for_ever, NULL, 0, NULL);
    CU_ASSERT_EQUAL(run_child(count_children, NULL, 0, NULL), 0);
    CHECK_OK(mproc_process_kill(sibling));
    end_child(sibling);
}

/* ---- CPUs and the key ---- */

static int return_cpu_count(void *argument)
{
    (void) argument;
    return mproc_cpu_count();
}

static void cpus_are_counted_and_fewer_after_a_restriction(void)
{
    CU_ASSERT_TRUE(mproc_cpu_count() >= 1);
    int cpu = -1;
    for (int i = 0; i < 1024 && cpu < 0; i++)
        if (mproc_plat_confine_check(&(mproc_limits){ 0 }, &i, 1) == MPROC_OK)
            cpu = i;
    if (cpu < 0) {
        skip("this system restricts nobody to CPUs");
        return;
    }
    const mproc_process_options options = { .cpus = &cpu, .cpu_count = 1 };
    CU_ASSERT_EQUAL(run_child(return_cpu_count, NULL, 0, &options), 1);
    CU_ASSERT_EQUAL(run_child(return_cpu_count, NULL, 0, NULL), mproc_cpu_count());
}

static void the_environment_overrides_the_number_of_cpus(void)
{
    const char *const environment[] = { "MPROC_CPU_COUNT=77", NULL };
    const mproc_process_options options = { .environment = environment };
    int before = mproc_cpu_count();
    CU_ASSERT_EQUAL(run_child(return_cpu_count, NULL, 0, &options), 77);
    CU_ASSERT_EQUAL(mproc_cpu_count(), before);
}

static int compare_key(void *argument)
{
    unsigned char key[256];
    size_t size = 0;
    CHILD_OK(mproc_get_authkey(key, sizeof key, &size));
    CHILD_CHECK(size == 32 && memcmp(key, argument, 32) == 0);
    CHILD_OK(mproc_set_authkey("x", 1));
    return 0;
}

static void children_have_their_parents_key(void)
{
    unsigned char key[256], again[256], other[32];
    size_t size = 0;
    CHECK_OK(mproc_get_authkey(key, sizeof key, &size));
    CU_ASSERT_EQUAL_FATAL(size, 32);
    CU_ASSERT_EQUAL(run_child(compare_key, key, 32, NULL), 0);
    CHECK_OK(mproc_get_authkey(again, sizeof again, &size));
    CU_ASSERT_EQUAL(memcmp(again, key, 32), 0);
    memset(other, 'k', sizeof other);
    CHECK_OK(mproc_set_authkey(other, sizeof other));
    CU_ASSERT_EQUAL(run_child(compare_key, other, 32, NULL), 0);
    CHECK_OK(mproc_set_authkey(key, 32));
}

static void keys_of_wrong_sizes_are_refused(void)
{
    unsigned char key[257] = { 1 }, before[256], after[256];
    size_t size = 0;
    CHECK_OK(mproc_get_authkey(before, sizeof before, &size));
    CHECK_FAILS(mproc_set_authkey(key, 257), MPROC_EINVAL);
    CHECK_FAILS(mproc_set_authkey(key, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_set_authkey(NULL, 5), MPROC_EINVAL);
    CHECK_FAILS(mproc_get_authkey(after, 31, &size), MPROC_EINVAL);
    CU_ASSERT_EQUAL(size, 32);
    CHECK_FAILS(mproc_get_authkey(after, 256, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_get_authkey(NULL, 256, &size), MPROC_EINVAL);
    CHECK_OK(mproc_get_authkey(after, sizeof after, &size));
    CU_ASSERT_EQUAL(memcmp(before, after, 32), 0);
    CHECK_OK(mproc_set_authkey(key, 256));
    CHECK_OK(mproc_get_authkey(after, sizeof after, &size));
    CU_ASSERT_EQUAL(size, 256);
    CHECK_OK(mproc_set_authkey(before, 32));
}

MPROC_SUITE(current, MPROC_TEST(the_root_is_the_main_process_and_has_no_parent),
            MPROC_TEST(a_process_cannot_join_end_or_close_itself),
            MPROC_TEST(a_child_knows_itself_and_its_parent), MPROC_TEST(a_grandchild_knows_the_child),
            MPROC_TEST(active_children_are_those_that_run),
            MPROC_TEST(a_child_does_not_have_its_parents_children),
            MPROC_TEST(cpus_are_counted_and_fewer_after_a_restriction),
            MPROC_TEST(the_environment_overrides_the_number_of_cpus),
            MPROC_TEST(children_have_their_parents_key), MPROC_TEST(keys_of_wrong_sizes_are_refused))
