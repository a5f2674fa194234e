/* SPDX-License-Identifier: MIT */
/* SharedMemory: names, sizes, who unlinks what, and creators that crash. */
#include "suite.h"
#include "system.h"

#include "arena.h"

#if defined(__linux__) && !TELLS_BY_PIPE /* TELLS_BY_PIPE: the generic build */
#include <sys/xattr.h>
#endif

static char new_name[64];

/* A name that no other test of this machine uses. */
static const char *make_name(void)
{
    uint64_t number = 0;
    (void) !mproc_plat_random(&number, sizeof number);
    snprintf(new_name, sizeof new_name, "shm-test-%012llx", (unsigned long long) (number >> 16));
    return new_name;
}

static bool exists(const char *name)
{
    mproc_shared_memory *memory;
    if (mproc_shared_memory_attach(&memory, name) != MPROC_OK)
        return false;
    CHECK_OK(mproc_shared_memory_close(memory));
    return true;
}

static void a_segment_is_created_attached_and_unlinked(void)
{
    mproc_shared_memory *first, *second;
    const char *name = make_name();
    CHECK_OK(mproc_shared_memory_create(&first, name, 1000));
    CU_ASSERT_STRING_EQUAL(mproc_shared_memory_name(first), name);
    CU_ASSERT_TRUE(mproc_shared_memory_size(first) >= 1000);
    unsigned char *bytes = mproc_shared_memory_pointer(first);
    CU_ASSERT_TRUE(bytes[0] == 0 && bytes[999] == 0);
    CHECK_OK(mproc_shared_memory_attach(&second, name));
    CU_ASSERT_TRUE(mproc_shared_memory_size(second) >= 1000);
    bytes[999] = 42;
    CU_ASSERT_EQUAL(((unsigned char *) mproc_shared_memory_pointer(second))[999], 42);
    CHECK_OK(mproc_shared_memory_unlink(first));
    CHECK_OK(mproc_shared_memory_close(first));
    CU_ASSERT_EQUAL(((unsigned char *) mproc_shared_memory_pointer(second))[999], 42);
    CHECK_OK(mproc_shared_memory_close(second));
    CU_ASSERT_FALSE(exists(name));
}

static void names_are_made_as_python_makes_them(void)
{
    mproc_shared_memory *first, *second;
    CHECK_OK(mproc_shared_memory_create(&first, NULL, 1));
    CHECK_OK(mproc_shared_memory_create(&second, NULL, 1));
    const char *name = mproc_shared_memory_name(first);
    CU_ASSERT_EQUAL(strncmp(name, system_is_windows() ? "wnsm_" : "psm_", 4), 0);
    CU_ASSERT_STRING_NOT_EQUAL(name, mproc_shared_memory_name(second));
    CHECK_OK(mproc_shared_memory_unlink(first));
    CHECK_OK(mproc_shared_memory_unlink(second));
    CHECK_OK(mproc_shared_memory_close(first));
    CHECK_OK(mproc_shared_memory_close(second));
}

static void names_that_are_taken_or_missing_or_wrong_are_refused(void)
{
    mproc_shared_memory *memory, *other;
    const char *name = make_name();
    char large[400];
    memset(large, 'n', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    CHECK_FAILS(mproc_shared_memory_attach(&memory, name), MPROC_ENOTFOUND);
    CHECK_OK(mproc_shared_memory_create(&memory, name, 10));
    CHECK_FAILS(mproc_shared_memory_create(&other, name, 10), MPROC_EEXIST);
    CHECK_OK(mproc_shared_memory_unlink(memory));
    if (!system_is_windows())
        CHECK_FAILS(mproc_shared_memory_unlink(memory), MPROC_ENOTFOUND);
    CHECK_OK(mproc_shared_memory_close(memory));
    static const char *const wrong[] = { "", "a/b", "/a", "a\\b" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_FAILS(mproc_shared_memory_create(&memory, wrong[i], 10), MPROC_EINVAL);
        CHECK_FAILS(mproc_shared_memory_attach(&memory, wrong[i]), MPROC_EINVAL);
    }
    CHECK_FAILS(mproc_shared_memory_create(&memory, large, 10), MPROC_EINVAL);
    CHECK_FAILS(mproc_shared_memory_create(&memory, make_name(), 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_shared_memory_create(NULL, NULL, 10), MPROC_EINVAL);
    CHECK_FAILS(mproc_shared_memory_attach(&memory, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_shared_memory_unlink(NULL), MPROC_EINVAL);
    CHECK_OK(mproc_shared_memory_close(NULL));
}

static void more_than_there_is_is_refused_and_leaves_no_name(void)
{
    mproc_shared_memory *memory;
    const char *name = make_name();
    CHECK_FAILS(mproc_shared_memory_create(&memory, name, (size_t) 1 << 46), MPROC_ENOMEM);
    CU_ASSERT_FALSE(exists(name));
    CHECK_FAILS(mproc_shared_memory_create(&memory, name, SIZE_MAX), MPROC_ENOMEM);
    CU_ASSERT_FALSE(exists(name));
}

struct names {
    char name[64], other[64];
    mproc_event ready, go;
};

static int write_into_it(void *argument)
{
    const struct names *names = argument;
    mproc_shared_memory *memory;
    CHILD_OK(mproc_shared_memory_attach(&memory, names->name));
    ((char *) mproc_shared_memory_pointer(memory))[7] = 'x';
    CHILD_OK(mproc_shared_memory_close(memory));
    return 0;
}

static void a_child_attaches_by_name(void)
{
    struct names names = { .name = "" };
    mproc_shared_memory *memory;
    strcpy(names.name, make_name());
    CHECK_OK(mproc_shared_memory_create(&memory, names.name, 100));
    CU_ASSERT_EQUAL(run_child(write_into_it, &names, sizeof names, NULL), 0);
    CU_ASSERT_EQUAL(((char *) mproc_shared_memory_pointer(memory))[7], 'x');
    CHECK_OK(mproc_shared_memory_unlink(memory));
    CHECK_OK(mproc_shared_memory_close(memory));
}

/* ---- what is left behind ---- */

static int create_and_wait(void *argument)
{
    const struct names *names = argument;
    mproc_shared_memory *memory;
    CHILD_OK(mproc_shared_memory_create(&memory, names->name, 100));
    CHILD_OK(mproc_event_set(names->ready));
    return hang_for_ever(NULL);
}

static void what_a_killed_creator_leaves_is_unlinked(void)
{
    struct names names = { .name = "" };
    strcpy(names.name, make_name());
    CHECK_OK(mproc_event_create(&names.ready));
    mproc_process *child = start_child(create_and_wait, &names, sizeof names, NULL);
    CHECK_OK(mproc_event_wait(names.ready, 60000));
    CU_ASSERT_TRUE(exists(names.name));
    CHECK_OK(mproc_process_kill(child));
    end_child(child);
    CU_ASSERT_FALSE(exists(names.name));
    CHECK_OK(mproc_event_destroy(names.ready));
}

static int create_and_leave(void *argument)
{
    const struct names *names = argument;
    mproc_shared_memory *memory;
    CHILD_OK(mproc_shared_memory_create(&memory, names->name, 100));
    ((char *) mproc_shared_memory_pointer(memory))[0] = 'c';
    CHILD_OK(mproc_shared_memory_close(memory));
    return 0;
}

static void what_a_child_leaves_on_purpose_stays(void)
{
    if (system_is_windows()) {
        skip("on Windows a segment goes with the last process that has it mapped");
        return;
    }
    struct names names = { .name = "" };
    mproc_shared_memory *memory;
    strcpy(names.name, make_name());
    CU_ASSERT_EQUAL(run_child(create_and_leave, &names, sizeof names, NULL), 0);
    CHECK_OK(mproc_shared_memory_attach(&memory, names.name));
    CU_ASSERT_EQUAL(((char *) mproc_shared_memory_pointer(memory))[0], 'c');
    CHECK_OK(mproc_shared_memory_unlink(memory));
    CHECK_OK(mproc_shared_memory_close(memory));
}

static int replace_and_die(void *argument)
{
    const struct names *names = argument;
    mproc_shared_memory *memory;
    CHILD_OK(mproc_shared_memory_create(&memory, names->name, 100));
    /* As another program might: the name is removed behind the creator's back, and given anew. */
    struct mproc_plat_named named;
    CHILD_OK(mproc_plat_named_attach(names->name, &named));
    CHILD_OK(mproc_plat_named_unlink(names->name, named.identity));
    mproc_plat_named_close(&named);
    CHILD_OK(mproc_plat_named_create(names->name, 50, NULL, NULL, &named));
    kill_hard(mproc_pid());
    return 0;
}

static void anothers_segment_of_the_same_name_is_not_touched(void)
{
    if (system_is_windows()) {
        skip("on Windows nobody unlinks");
        return;
    }
    struct names names = { .name = "" };
    mproc_shared_memory *memory;
    strcpy(names.name, make_name());
    run_child(replace_and_die, &names, sizeof names, NULL);
    CHECK_OK(mproc_shared_memory_attach(&memory, names.name));
    CU_ASSERT_EQUAL(mproc_shared_memory_size(memory), 50);
    CHECK_OK(mproc_shared_memory_unlink(memory));
    CHECK_OK(mproc_shared_memory_close(memory));
}

/* ---- killed, or standing still, in the middle ---- */

static int create_and_unlink(void *argument)
{
    const struct names *names = argument;
    mproc_shared_memory *memory;
    CHILD_OK(mproc_shared_memory_create(&memory, names->name[0] ? names->name : NULL, 100));
    CHILD_OK(mproc_shared_memory_unlink(memory));
    CHILD_OK(mproc_shared_memory_close(memory));
    return 0;
}

static void who_is_killed_creating_or_unlinking_leaves_nothing(void)
{
    if (system_is_windows()) {
        skip("on Windows a segment goes with the last process that has it mapped");
        return;
    }
    static const char *const points[] = { "shared_memory.recording", "shared_memory.recorded",
                                          "shared_memory.created", "shared_memory.unlinked" };
    size_t first = SEGMENTS_ARE_HIDDEN ? 0 : 1;
    if (first == 1)
        skip_part("shared_memory.recording: segments cannot be hidden here");
    for (size_t i = first; i < sizeof points / sizeof points[0]; i++) {
        struct names names = { .name = "" };
        char variable[80];
        snprintf(variable, sizeof variable, "MPROC_FAULT=%s:1:kill", points[i]);
        const char *const environment[] = { variable, NULL };
        mproc_process_options options = { .environment = environment };
        strcpy(names.name, make_name());
        CU_ASSERT_NOT_EQUAL(run_child(create_and_unlink, &names, sizeof names, &options), 0);
        CU_ASSERT_FALSE(exists(names.name));
        CU_ASSERT_EQUAL(atomic_load(&mproc__family()->segments), 0);
    }
}

static int create_when_told(void *argument)
{
    const struct names *names = argument;
    mproc_shared_memory *memory;
    CHILD_OK(mproc_event_set(names->ready));
    CHILD_OK(mproc_event_wait(names->go, MPROC_FOREVER));
    CHILD_OK(mproc_shared_memory_create(&memory, names->other, 100));
    return 0;
}

/* One stands still while it writes its record; another ends, and looks at all records. */
static void a_record_that_is_being_written_is_nobody_elses(void)
{
    if (system_is_windows()) {
        skip("on Windows there are no records");
        return;
    }
    struct names names = { .name = "" };
    const char *const environment[] = { "MPROC_FAULT=shared_memory.recording:1:wait", NULL };
    mproc_process_options options = { .environment = environment };
    strcpy(names.name, make_name());
    strcpy(names.other, make_name());
    CHECK_OK(mproc_event_create(&names.ready));
    CHECK_OK(mproc_event_create(&names.go));
    mproc_process *writer = start_child(create_when_told, &names, sizeof names, &options);
    CHECK_OK(mproc_event_wait(names.ready, 60000));
    uint64_t used = mproc__arena_used();
    CHECK_OK(mproc_event_set(names.go));
    while (mproc__arena_used() == used)
        sleep_briefly();
    CU_ASSERT_EQUAL(run_child(create_and_leave, &names, sizeof names, NULL), 0);
    CU_ASSERT_EQUAL(atomic_load(&mproc__family()->segments), 1);
    CHECK_OK(mproc_process_kill(writer));
    end_child(writer);
    mproc_shared_memory *memory;
    /* Only where segments cannot be hidden. */
    if (mproc_shared_memory_attach(&memory, names.other) == MPROC_OK) {
        CHECK_OK(mproc_shared_memory_unlink(memory));
        CHECK_OK(mproc_shared_memory_close(memory));
    }
    CHECK_OK(mproc_shared_memory_attach(&memory, names.name));
    CHECK_OK(mproc_shared_memory_unlink(memory));
    CHECK_OK(mproc_shared_memory_close(memory));
    CU_ASSERT_EQUAL(atomic_load(&mproc__family()->segments), 0);
    CHECK_OK(mproc_event_destroy(names.ready));
    CHECK_OK(mproc_event_destroy(names.go));
}

static char program_output[1000];

static int run_shared_program(const char *what, const char *name)
{
    CU_ASSERT_EQUAL(mproc_plat_set_environment("SEGMENT_NAME", name), MPROC_OK);
    int code = run_program(PROGRAM("shared_program"), what, program_output, sizeof program_output);
    CU_ASSERT_EQUAL(mproc_plat_set_environment("SEGMENT_NAME", NULL), MPROC_OK);
    return code;
}

/* What shared_program left, after it has ended. */
static bool program_leaves(const char *what, const char *name)
{
    int code = run_shared_program(what, name);
    if (code != 0)
        printf("\n  shared_program %s ended with %d: %s\n", what, code, program_output);
    CU_ASSERT_EQUAL(code, 0);
    mproc_shared_memory *memory;
    if (mproc_shared_memory_attach(&memory, name) != MPROC_OK)
        return false;
    CHECK_OK(mproc_shared_memory_unlink(memory));
    CHECK_OK(mproc_shared_memory_close(memory));
    return true;
}

static void a_family_that_ends_leaves_only_what_it_keeps(void)
{
    CU_ASSERT_FALSE(program_leaves("forget", make_name()));
    CU_ASSERT_FALSE(program_leaves("child", make_name()));
    if (!system_is_windows())
        CU_ASSERT_TRUE(program_leaves("keep", make_name()));
}

/* The program's output ends when its last process has. */
static void what_a_killed_root_leaves_the_last_of_its_family_unlinks(void)
{
    if (system_is_windows()) {
        skip("on Windows a segment goes with the last process that has it mapped");
        return;
    }
    char name[64];
    strcpy(name, make_name());
    CU_ASSERT_NOT_EQUAL(run_shared_program("kill_root", name), 0);
    CU_ASSERT_FALSE(exists(name));
}

static int create_and_crash(void *argument)
{
    const struct names *names = argument;
    mproc_shared_memory *memory;
    CHILD_OK(mproc_shared_memory_create(&memory, names->name, 100));
    kill_hard(mproc_pid());
    return hang_for_ever(NULL);
}

/* Without a descriptor it cannot unlink what its child left when that has crashed. */
static int join_without_descriptors(void *argument)
{
    enum { LIMIT = 64 };
    intptr_t taken[LIMIT];
    int count = 0;
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, create_and_crash, argument, sizeof(struct names), NULL));
    if (!set_own_limit("descriptors", LIMIT))
        return 2;
    while (count < LIMIT && (taken[count] = native_open("/dev/null", false)) >= 0)
        count++;
    CHILD_CHECK(count < LIMIT);
    CHILD_OK(mproc_process_join(process, 60000));
    while (count > 0)
        native_close(taken[--count]);
    CHILD_OK(mproc_process_close(process));
    mproc_shared_memory *memory;
    CHILD_OK(mproc_shared_memory_attach(&memory, ((struct names *) argument)->name));
    CHILD_OK(mproc_shared_memory_close(memory));
    return 0;
}

static void what_could_not_be_unlinked_is_tried_again(void)
{
    if (system_is_windows()) {
        skip("on Windows nobody unlinks");
        return;
    }
    struct names names = { .name = "" };
    strcpy(names.name, make_name());
    int code = run_child(join_without_descriptors, &names, sizeof names, NULL);
    CU_ASSERT_FALSE(exists(names.name));
    if (code == 2)
        skip("this system has no limit of descriptors");
    else
        CU_ASSERT_EQUAL(code, 0);
}

/* ---- families that are killed ---- */

/* Whether segments can be marked here: not with Linux before 6.6. */
static bool can_be_marked(void)
{
#if defined(__linux__) && !TELLS_BY_PIPE
    char path[100];
    struct mproc_plat_named named;
    CHECK_OK(mproc_plat_named_create(make_name(), 1, NULL, NULL, &named));
    snprintf(path, sizeof path, "/dev/shm/%s", new_name);
    bool can = setxattr(path, "user.mproc.test", "", 0, 0) == 0;
    CHECK_OK(mproc_plat_named_unlink(new_name, named.identity));
    mproc_plat_named_close(&named);
    return can;
#else
    return false;
#endif
}

/* Another family of this user, of a test beside this one, may unlink what is left at once: then once more. */
static bool killed_program_leaves(const char *way, const char *name)
{
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_NOT_EQUAL(run_shared_program(way, name), 0);
        if (exists(name))
            return true;
    }
    return false;
}

static void what_a_killed_family_leaves_the_next_one_unlinks(void)
{
    if (!can_be_marked()) {
        skip("this system cannot mark a segment with its creator");
        return;
    }
    static const char *const ways[] = { "kill", "kill_all" };
    for (int i = 0; i < 2; i++) {
        char left[64];
        strcpy(left, make_name());
        CU_ASSERT_TRUE(killed_program_leaves(ways[i], left));
        /* The child whose parent was killed may take its time to die. */
        for (int j = 0; j < 1000 && (j == 0 || exists(left)); j++)
            CU_ASSERT_FALSE(program_leaves("forget", make_name()));
        CU_ASSERT_FALSE(exists(left));
    }
}

static void a_program_that_was_killed_can_be_started_again(void)
{
    if (!can_be_marked()) {
        skip("this system cannot mark a segment with its creator");
        return;
    }
    const char *name = make_name();
    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(killed_program_leaves("kill", name));
    CU_ASSERT_FALSE(program_leaves("forget", name));
}

static int create_unmarked_and_die(void *argument)
{
    const struct names *names = argument;
    struct mproc_plat_named named;
    CHILD_OK(mproc_plat_named_create(names->name, 50, NULL, NULL, &named));
    kill_hard(mproc_pid());
    return hang_for_ever(NULL);
}

static void unlink_by_name(const char *name)
{
    mproc_shared_memory *memory;
    CHECK_OK(mproc_shared_memory_attach(&memory, name));
    CHECK_OK(mproc_shared_memory_unlink(memory));
    CHECK_OK(mproc_shared_memory_close(memory));
}

static void the_next_family_unlinks_nothing_else(void)
{
    if (system_is_windows()) {
        skip("on Windows nobody unlinks");
        return;
    }
    struct names names = { .name = "" };
    char living[64], kept[64], left[64], foreign[64];
    mproc_shared_memory *memory;
    /* of a process that lives */
    strcpy(living, make_name());
    CHECK_OK(mproc_shared_memory_create(&memory, living, 100));
    /* of a family that is gone and wants it kept */
    strcpy(kept, make_name());
    CU_ASSERT_EQUAL(run_shared_program("keep", kept), 0);
    /* of a process that has ended by itself, in a family that lives */
    strcpy(left, strcpy(names.name, make_name()));
    CU_ASSERT_EQUAL(run_child(create_and_leave, &names, sizeof names, NULL), 0);
    /* of a killed process that mproc knows nothing of */
    strcpy(foreign, strcpy(names.name, make_name()));
    CU_ASSERT_NOT_EQUAL(run_child(create_unmarked_and_die, &names, sizeof names, NULL), 0);
    CU_ASSERT_FALSE(program_leaves("forget", make_name()));
    unlink_by_name(living);
    unlink_by_name(kept);
    unlink_by_name(left);
    unlink_by_name(foreign);
    CHECK_OK(mproc_shared_memory_close(memory));
}

MPROC_SUITE(shared_memory, MPROC_TEST(a_segment_is_created_attached_and_unlinked),
            MPROC_TEST(names_are_made_as_python_makes_them),
            MPROC_TEST(names_that_are_taken_or_missing_or_wrong_are_refused),
            MPROC_TEST(more_than_there_is_is_refused_and_leaves_no_name), MPROC_TEST(a_child_attaches_by_name),
            MPROC_TEST(what_a_killed_creator_leaves_is_unlinked), MPROC_TEST(what_a_child_leaves_on_purpose_stays),
            MPROC_TEST(anothers_segment_of_the_same_name_is_not_touched),
            MPROC_TEST(who_is_killed_creating_or_unlinking_leaves_nothing),
            MPROC_TEST(a_record_that_is_being_written_is_nobody_elses),
            MPROC_TEST(a_family_that_ends_leaves_only_what_it_keeps),
            MPROC_TEST(what_a_killed_root_leaves_the_last_of_its_family_unlinks),
            MPROC_TEST(what_could_not_be_unlinked_is_tried_again),
            MPROC_TEST(what_a_killed_family_leaves_the_next_one_unlinks),
            MPROC_TEST(a_program_that_was_killed_can_be_started_again),
            MPROC_TEST(the_next_family_unlinks_nothing_else))
