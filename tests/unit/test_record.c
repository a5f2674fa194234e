/* SPDX-License-Identifier: MIT */
/* Process records, whole and damaged, and the text that leads to one. */
#include "arena.h"
#include "boot.h"
#include "children.h"
#include "record.h"
#include "suite.h"
#include "system.h"

#include <stdlib.h>

static const intptr_t inherited[] = { 7, 8 };
static const int cpus[] = { 0 };
static const struct record_parts parts = {
    .argument = "0123456789abcdef",
    .argument_size = 16,
    .environment = "A=1\0B",
    .environment_size = 6,
    .authkey = "key",
    .authkey_size = 3,
    .name = "Process-1",
    .numbers = "1",
    .parent_name = "MainProcess",
    .function_path = "/a/library.so",
    .inherit = inherited,
    .inherit_count = 2,
    .cpus = cpus,
    .cpu_count = 1,
};

static void a_record_holds_its_parts(void)
{
    uint64_t handle;
    struct record *record;
    CHECK_OK(mproc__record_create(&parts, &handle, &record));
    CHECK_OK(mproc__record_check(record, mproc__arena_size(BLOCK_RECORD, handle)));
    CU_ASSERT_STRING_EQUAL(mproc__record_bytes(record, record->name), "Process-1");
    CU_ASSERT_STRING_EQUAL(mproc__record_bytes(record, record->numbers), "1");
    CU_ASSERT_STRING_EQUAL(mproc__record_bytes(record, record->function_path), "/a/library.so");
    CU_ASSERT_EQUAL(memcmp(mproc__record_bytes(record, record->argument), parts.argument, 16), 0);
    CU_ASSERT_EQUAL(memcmp(mproc__record_bytes(record, record->inherit), inherited, sizeof inherited), 0);
    CU_ASSERT_PTR_NULL(mproc__record_bytes(record, (struct span){ 0, 0 }));
    CHECK_OK(mproc__arena_free(BLOCK_RECORD, handle));
}

static void parts_that_are_not_there_take_no_room(void)
{
    const struct record_parts few = { .name = "", .parent_name = "" };
    uint64_t handle;
    struct record *record;
    CHECK_OK(mproc__record_create(&few, &handle, &record));
    CHECK_OK(mproc__record_check(record, mproc__arena_size(BLOCK_RECORD, handle)));
    CU_ASSERT_PTR_NULL(mproc__record_bytes(record, record->argument));
    CU_ASSERT_PTR_NULL(mproc__record_bytes(record, record->cpus));
    CHECK_OK(mproc__arena_free(BLOCK_RECORD, handle));
}

enum { SPANS = 9 };

static struct span *span_of(struct record *record, int number)
{
    struct span *const spans[SPANS] = { &record->argument,      &record->name,        &record->numbers,
                                        &record->parent_name,   &record->function_path, &record->environment,
                                        &record->inherit,       &record->cpus,        &record->authkey };
    return spans[number];
}

static void spans_that_leave_the_block_are_refused(void)
{
    uint64_t handle;
    struct record *record;
    CHECK_OK(mproc__record_create(&parts, &handle, &record));
    uint64_t size = mproc__arena_size(BLOCK_RECORD, handle);
    for (int i = 0; i < SPANS; i++) {
        struct span *span = span_of(record, i), good = *span;
        const struct span bad[] = {
            { good.offset, size - good.offset + 1 }, /* ends behind it */
            { size + 16, good.size },                /* begins behind it */
            { UINT64_MAX - 15, 16 },                 /* wraps around */
            { good.offset, UINT64_MAX },
            { 0, good.size },                        /* lies in the fixed part */
            { good.offset + 1, good.size },          /* not where it is written */
        };
        for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
            *span = bad[j];
            CU_ASSERT_EQUAL(mproc__record_check(record, size), MPROC_EPROTO);
        }
        *span = good;
    }
    CHECK_OK(mproc__record_check(record, size));
    CU_ASSERT_EQUAL(mproc__record_check(record, sizeof *record - 1), MPROC_EPROTO);
    CHECK_OK(mproc__arena_free(BLOCK_RECORD, handle));
}

static void contents_that_cannot_be_are_refused(void)
{
    uint64_t handle;
    struct record *record;
    CHECK_OK(mproc__record_create(&parts, &handle, &record));
    uint64_t size = mproc__arena_size(BLOCK_RECORD, handle);
    for (int i = 1; i <= 5; i++) { /* texts that do not end */
        struct span text = *span_of(record, i);
        char *last = (char *) mproc__record_bytes(record, text) + text.size - 1;
        *last = 'x';
        CU_ASSERT_EQUAL(mproc__record_check(record, size), MPROC_EPROTO);
        *last = '\0';
    }
    record->inherit.size--;
    CU_ASSERT_EQUAL(mproc__record_check(record, size), MPROC_EPROTO);
    record->inherit.size++;
    record->cpus.size--;
    CU_ASSERT_EQUAL(mproc__record_check(record, size), MPROC_EPROTO);
    record->cpus.size++;
    record->is_object = 1; /* 16 bytes are too few */
    record->argument.size = sizeof(mproc_runnable) - 1;
    CU_ASSERT_EQUAL(mproc__record_check(record, size), MPROC_EPROTO);
    record->is_object = 0;
    CHECK_OK(mproc__record_check(record, size));
    record->default_method = 4;
    CU_ASSERT_EQUAL(mproc__record_check(record, size), MPROC_EPROTO);
    CHECK_OK(mproc__arena_free(BLOCK_RECORD, handle));
}

static int never_run(void *argument)
{
    (void) argument;
    return 3;
}

struct search {
    int64_t pid;
    uint64_t record;
};

static void find_pid(struct slot *slot, process_token token, void *context)
{
    struct search *search = context;
    (void) token;
    if (atomic_load(&slot->pid) == search->pid)
        search->record = slot->record;
}

static void a_child_with_a_damaged_record_says_so(void)
{
    const char *const environment[] = { "MPROC_FAULT=entry.record:1:delay", NULL };
    mproc_process_options options = { .start_method = MPROC_START_SPAWN, .environment = environment };
    mproc_process *child = start_child(never_run, NULL, 0, &options);
    struct search search = { 0 };
    CHECK_OK(mproc_process_pid(child, &search.pid));
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(child));
    mproc__slots_visit(find_pid, &search);
    struct record *record = mproc__arena_at(BLOCK_RECORD, search.record);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    record->inherit.offset = sizeof *record;
    record->inherit.size = UINT64_C(1) << 30;
    end_delay(child);
    CU_ASSERT_EQUAL(mproc_process_join(child, 60000), MPROC_EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "damaged"));
    CHECK_OK(mproc_process_close(child));
}

static void a_boot_text_is_read_as_it_was_written(void)
{
    const struct boot all = { 5, UINT64_MAX, UINT64_C(0x1600ffffffffffff), 0, 77 };
    struct boot plain = { 3, 1, 0, INTPTR_MAX, MPROC_PLAT_NONE }, back;
    char text[BOOT_SIZE];
    mproc__boot_write(&all, text);
    CU_ASSERT_TRUE(mproc__boot_read(text, &back));
    CU_ASSERT_EQUAL(memcmp(&back, &all, sizeof all), 0);
    mproc__boot_write(&plain, text);
    CU_ASSERT_TRUE(mproc__boot_read(text, &back));
    CU_ASSERT_EQUAL(memcmp(&back, &plain, sizeof plain), 0);
}

static void other_boot_texts_are_refused(void)
{
    static const char *const texts[] = { "", "1", "1:", "1:2:3:4", "2:2:3:4:5", "1:2:3:4:5:", "1:2:3:4:5:6:7",
                                         "1:2:3:4:5:6:", "1:-2:3:4:5", "1:2:3:g:5", "1::3:4:5", "1:2:3:4:5 ",
                                         "1:2:99999999999999999999:4:5", "1:18446744073709551615:3:4:5", "x" };
    struct boot boot;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CU_ASSERT_FALSE(mproc__boot_read(texts[i], &boot));
}

MPROC_SUITE(record, MPROC_TEST(a_record_holds_its_parts), MPROC_TEST(parts_that_are_not_there_take_no_room),
            MPROC_TEST(spans_that_leave_the_block_are_refused), MPROC_TEST(contents_that_cannot_be_are_refused),
            MPROC_TEST(a_child_with_a_damaged_record_says_so), MPROC_TEST(a_boot_text_is_read_as_it_was_written),
            MPROC_TEST(other_boot_texts_are_refused))
