/* SPDX-License-Identifier: MIT */
/* Libraries that are unloaded and replaced, programs whose files go or change while they run. */
#include "suite.h"
#include "system.h"

#include "platform.h"
#include "runtime.h"
#include "start.h"

static char output[4000];

/* ---- libraries ---- */

static const char *plugin_path(int number)
{
    static char path[1000];
    snprintf(path, sizeof path, "%s/plugin_%d%s", TEST_PROGRAMS, number, system_is_windows() ? ".dll" : ".so");
    return path;
}

static bool has_plugins(void)
{
    if (file_exists(plugin_path(1)))
        return true;
    skip("no library can be loaded into this program");
    return false;
}

struct plugin {
    void *library;
    mproc_target *target;
    mproc_task *task;
};

static struct plugin load(const char *path)
{
    struct plugin plugin = { .library = library_open(path) };
    CU_ASSERT_PTR_NOT_NULL_FATAL(plugin.library);
    void *target = library_find(plugin.library, "plugin_target"), *task = library_find(plugin.library, "plugin_task");
    CU_ASSERT_TRUE_FATAL(target && task);
    memcpy(&plugin.target, &target, sizeof target);
    memcpy(&plugin.task, &task, sizeof task);
    return plugin;
}

static void a_library_in_the_place_of_another_is_told_from_it(void)
{
    if (!has_plugins())
        return;
    mproc_target *first = NULL;
    for (int i = 0; i < 4; i++) {
        int number = 1 + i % 2;
        struct plugin plugin = load(plugin_path(number));
        first = i == 0 ? plugin.target : first;
        if (plugin.target != first)
            skip_part("this system loads it somewhere else");
        CU_ASSERT_EQUAL(run_child(plugin.target, NULL, 0, NULL), number);
        CU_ASSERT_EQUAL(run_child(plugin.target, NULL, 0, NULL), number);
        library_close(plugin.library);
    }
}

static void a_pool_tells_them_apart_too(void)
{
    if (!has_plugins())
        return;
    mproc_pool *pool;
    CU_ASSERT_EQUAL_FATAL(mproc_pool_create(&pool, 1, NULL), MPROC_OK);
    for (int i = 0; i < 4; i++) {
        int number = 1 + i % 2, told = 0;
        struct plugin plugin = load(plugin_path(number));
        CHECK_OK(mproc_pool_apply(pool, plugin.task, NULL, 0, &told, sizeof told, 60000));
        CU_ASSERT_EQUAL(told, number);
        library_close(plugin.library);
    }
    mproc_pool_destroy(pool);
}

static void a_library_that_was_rebuilt_and_loaded_again_is_the_new_one(void)
{
    if (!has_plugins())
        return;
    char folder[600], path[700];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("rebuilt", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/plugin%s", folder, system_is_windows() ? ".dll" : ".so");
    for (int number = 1; number <= 2; number++) {
        CU_ASSERT_TRUE_FATAL(copy_a_file(plugin_path(number), path));
        struct plugin plugin = load(path);
        CU_ASSERT_EQUAL(run_child(plugin.target, NULL, 0, NULL), number);
        library_close(plugin.library);
        remove_file(path);
    }
    remove_folder(folder);
}

static void a_library_that_is_another_build_on_disk_is_refused(void)
{
    if (!has_plugins())
        return;
    if (system_is_windows()) {
        skip("a DLL that is loaded cannot be replaced");
        return;
    }
    char folder[600], path[700];
    mproc_process *process = NULL;
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("replaced", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/plugin.so", folder);
    CU_ASSERT_TRUE_FATAL(copy_a_file(plugin_path(1), path));
    struct plugin plugin = load(path);
    remove_file(path);
    bool forks = method_under_test() == MPROC_START_FORK;
    if (!forks)
        CHECK_FAILS(mproc_process_start(&process, plugin.target, NULL, 0, NULL), MPROC_ENOTFOUND);
    CU_ASSERT_TRUE_FATAL(copy_a_file(plugin_path(2), path));
    if (forks) {
        CU_ASSERT_EQUAL(run_child(plugin.target, NULL, 0, NULL), 1);
    } else {
        CHECK_FAILS(mproc_process_start(&process, plugin.target, NULL, 0, NULL), MPROC_EIMAGE);
    }
    library_close(plugin.library);
    remove_folder(folder);
}

/* ---- programs ---- */

static int return_seven(void *argument)
{
    (void) argument;
    return 7;
}

static void a_program_runs_on_though_its_file_is_gone_or_another(void)
{
    if (system_is_windows()) {
        skip("the file of a program that runs cannot be removed");
        return;
    }
    if (system_is_emulated()) {
        skip("the emulator looks for the file of /proc/self/exe, which is gone");
        return;
    }
    char folder[600], path[700];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("vanishing", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/program", folder);
    CU_ASSERT_TRUE_FATAL(copy_a_file(PROGRAM("guard_program"), path));
    CU_ASSERT_EQUAL(run_program(path, "vanishes", output, sizeof output), 0);
    const char *gone = strstr(output, "gone: MPROC_OK"), *another = strstr(output, "another: ");
    CU_ASSERT_TRUE_FATAL(gone && another);
    CU_ASSERT_PTR_NOT_NULL(strstr(gone, "exit code 4"));
    /* A generic Unix may know the program by its path only. */
    bool by_path = TELLS_BY_PIPE && method_under_test() == MPROC_START_SPAWN;
    bool runs = strstr(another, "another: MPROC_OK\n\nexit code 4") != NULL;
    CU_ASSERT_TRUE(runs || (by_path && strstr(another, "another: MPROC_E")));
    remove_folder(folder);
}

static void a_chosen_executable_that_is_gone_is_not_found(void)
{
    if (method_under_test() != MPROC_START_SPAWN) {
        skip("only spawn runs it at each start");
        return;
    }
    static struct mproc_plat_image own;
    char folder[600], path[700];
    mproc_process *process = NULL;
    CHECK_OK(mproc_plat_image_main(&own));
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("chosen", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/program%s", folder, system_is_windows() ? ".exe" : "");
    CU_ASSERT_TRUE_FATAL(copy_a_file(own.path, path));
    CHECK_OK(mproc_set_executable(path));
    CU_ASSERT_EQUAL(run_child(return_seven, NULL, 0, NULL), 7);
    remove_file(path);
    CHECK_FAILS(mproc_process_start(&process, return_seven, NULL, 0, NULL), MPROC_ENOTFOUND);
    CHECK_OK(mproc_set_executable(NULL));
    remove_folder(folder);
}

/* As if the file had been replaced after the parent has looked at it. */
static void a_child_that_is_another_build_than_its_parent_refuses(void)
{
    struct start_plan plan = { .function = (void (*)(void)) return_seven, .method = MPROC_START_SPAWN };
    mproc_process *process = NULL;
    mproc__lock();
    mproc_err err = mproc__plan_make(&plan, NULL);
    mproc__unlock();
    CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
    plan.record->program_identity[3] ^= 1;
    CU_ASSERT_EQUAL_FATAL(mproc__start(&plan, &process), MPROC_OK);
    CHECK_FAILS(mproc_process_join(process, 60000), MPROC_EIMAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "restart the parent"));
    CHECK_OK(mproc_process_close(process));
}

MPROC_SUITE(images, MPROC_TEST(a_library_in_the_place_of_another_is_told_from_it),
            MPROC_TEST(a_pool_tells_them_apart_too),
            MPROC_TEST(a_library_that_was_rebuilt_and_loaded_again_is_the_new_one),
            MPROC_TEST(a_library_that_is_another_build_on_disk_is_refused),
            MPROC_TEST(a_program_runs_on_though_its_file_is_gone_or_another),
            MPROC_TEST(a_chosen_executable_that_is_gone_is_not_found),
            MPROC_TEST(a_child_that_is_another_build_than_its_parent_refuses))
