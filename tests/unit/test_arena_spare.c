/* SPDX-License-Identifier: MIT */
/* The shared heap at its end: what was freed in one size serves every other, whoever is killed meanwhile. */
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#define MEBIBYTE (UINT64_C(1) << 20)
#define AREA (8 * MEBIBYTE)
enum { MOST = AREA / 32 };

static uint64_t handles[MOST], whole_limit;

/* From now on the arena has AREA more than it had before the first test, and no more. (A process is started while
 * it is open, as it maps as much as the limit says.) */
static void close_arena(void)
{
    static uint64_t limit;
    struct family *family = mproc__family();
    if (limit == 0) {
        whole_limit = family->limit;
        limit = atomic_load(&family->frontier) + AREA;
    }
    family->limit = limit;
}

static void open_arena(void)
{
    mproc__family()->limit = whole_limit;
}

static void stamp(uint64_t handle, size_t size, uint64_t value)
{
    unsigned char *bytes = mproc__arena_at(BLOCK_MEMORY, handle);
    if (bytes)
        memset(bytes, (int) (value % 255 + 1), size);
}

static bool is_stamped(uint64_t handle, size_t size, uint64_t value)
{
    const unsigned char *bytes = mproc__arena_at(BLOCK_MEMORY, handle);
    unsigned char expected = (unsigned char) (value % 255 + 1);
    for (size_t i = 0; bytes && i < size; i++)
        if (bytes[i] != expected)
            return false;
    return bytes != NULL;
}

/* As many blocks as there can be, each with its stamp. */
static size_t fill(uint64_t size)
{
    size_t count = 0;
    bool zero = true;
    while (count < MOST && mproc__arena_alloc(BLOCK_MEMORY, size, &handles[count]) == MPROC_OK) {
        const unsigned char *bytes = mproc__arena_at(BLOCK_MEMORY, handles[count]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        zero = zero && bytes[0] == 0 && bytes[size / 2] == 0 && bytes[size - 1] == 0;
        stamp(handles[count], size, count);
        count++;
    }
    CU_ASSERT_TRUE(zero);
    return count;
}

static void empty(size_t count, uint64_t size)
{
    size_t right = 0;
    for (size_t i = 0; i < count; i++)
        right += is_stamped(handles[i], size, i) && mproc__arena_free(BLOCK_MEMORY, handles[i]) == MPROC_OK;
    CU_ASSERT_EQUAL(right, count);
}

/* ---- sizes ---- */

static void memory_of_one_size_becomes_memory_of_any_other(void)
{
    static const struct {
        uint64_t size, capacity, least;
    } cases[] = {
        { 16, 32, AREA * 9 / 10 },          { 1000, 1024, AREA * 9 / 10 },
        { 1, 32, AREA * 9 / 10 },           { 60000, 65536, AREA * 8 / 10 },
        { 200000, 262144, AREA * 8 / 10 },  { 40, 64, AREA * 9 / 10 },
        { 100000, 131072, AREA * 9 / 10 },  { 7000, 7168, AREA * 9 / 10 },
        { 3 * MEBIBYTE, 0, AREA * 6 / 10 }, { 16, 32, AREA * 9 / 10 },
        { 6 * MEBIBYTE, 0, AREA * 6 / 10 }, { 3000, 3072, AREA * 9 / 10 },
    };
    close_arena();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t capacity = cases[i].capacity ? cases[i].capacity : cases[i].size;
        size_t count = fill(cases[i].size);
        if (count * capacity < cases[i].least)
            printf("only %u blocks of %u bytes\n", (unsigned) count, (unsigned) cases[i].size);
        CU_ASSERT_TRUE(count * capacity >= cases[i].least);
        empty(count, cases[i].size);
        check_heap(0);
    }
    open_arena();
}

static void freed_neighbours_serve_one_larger_request(void)
{
    enum { SIZE = 190000, KEPT = 2 };
    close_arena();
    size_t count = fill(SIZE);
    CU_ASSERT_TRUE_FATAL(count > 10);
    uint64_t large = 0;
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, 3 * SIZE, &large), MPROC_ENOMEM);
    /* Every other one: as many bytes, but nowhere enough of them. */
    for (size_t i = 0; i < count; i += KEPT)
        CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handles[i]), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, 3 * SIZE, &large), MPROC_ENOMEM);
    check_heap(0);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handles[5]), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, 3 * SIZE, &large), MPROC_OK);
    stamp(large, 3 * SIZE, 77);
    for (size_t i = 1; i < count; i += KEPT)
        if (i != 5)
            CU_ASSERT_TRUE(is_stamped(handles[i], SIZE, i) && mproc__arena_free(BLOCK_MEMORY, handles[i]) == MPROC_OK);
    CU_ASSERT_TRUE(is_stamped(large, 3 * SIZE, 77));
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, large), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, AREA * 8 / 10, &large), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, large), MPROC_OK);
    open_arena();
}

/* One block of each run stays: their memory serves its own class only, and nothing of it is lost. */
static void runs_in_use_keep_their_blocks(void)
{
    enum { SIZE = 1000, KEPT = 60 };
    close_arena();
    size_t count = fill(SIZE), again = 0, intact = 0;
    for (size_t i = 0; i < count; i++)
        if (i % KEPT)
            CU_ASSERT_EQUAL_FATAL(mproc__arena_free(BLOCK_MEMORY, handles[i]), MPROC_OK);
    uint64_t large = 0;
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, 2 * MEBIBYTE, &large), MPROC_ENOMEM);
    check_heap(0);
    for (size_t i = 0; i < count; i++)
        if (i % KEPT) {
            again += mproc__arena_alloc(BLOCK_MEMORY, SIZE, &handles[i]) == MPROC_OK;
            stamp(handles[i], SIZE, i);
        }
    CU_ASSERT_EQUAL(again, count - (count + KEPT - 1) / KEPT);
    for (size_t i = 0; i < count; i++)
        intact += is_stamped(handles[i], SIZE, i);
    CU_ASSERT_EQUAL(intact, count);
    empty(count, SIZE);
    open_arena();
}

static bool is_theirs[64 * MEBIBYTE / GRANULE];

static size_t count_in_their_memory(size_t count, uint64_t size)
{
    size_t inside = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t first = (handles[i] & POSITION_MASK) * UNIT, last = first + size;
        for (uint64_t granule = first / GRANULE; granule <= last / GRANULE; granule++)
            inside += is_theirs[granule];
    }
    return inside;
}

/* A late waker must find a gate there for ever (core/gate.h). So many that whole runs of theirs are free afterwards. */
static void memory_of_objects_that_are_woken_late_serves_nothing_else(void)
{
    static const struct {
        enum block_type type;
        uint64_t size;
    } cases[] = { { BLOCK_EVENT, 40 },      { BLOCK_SEMAPHORE, 40 }, { BLOCK_PERMITS, 60 },
                  { BLOCK_PERMITS, 20000 }, { BLOCK_BARRIER, 100 },  { BLOCK_RWLOCK, 2200 } };
    static const uint64_t sizes[] = { 16, 7000, 200000 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t count = 0;
        for (; count < 3 * GRANULE / cases[i].size; count++) {
            CU_ASSERT_EQUAL_FATAL(mproc__arena_alloc(cases[i].type, cases[i].size, &handles[count]), MPROC_OK);
            is_theirs[(handles[count] & POSITION_MASK) * UNIT / GRANULE] = true;
        }
        while (count > 0)
            CU_ASSERT_EQUAL(mproc__arena_free(cases[i].type, handles[--count]), MPROC_OK);
    }
    close_arena();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t count = fill(sizes[i]);
        CU_ASSERT_EQUAL(count_in_their_memory(count, sizes[i]), 0);
        empty(count, sizes[i]);
    }
    open_arena();
    check_heap(0);
}

/* As if a damaged header led past it: it is in the middle of a block. */
static void looking_for_what_is_spare_ends_if_it_misses_where_it_began(void)
{
    struct family *family = mproc__family();
    struct room room;
    uint64_t block = 0, hint = atomic_load(&family->spare_hint), most = atomic_load(&family->spare_most);
    CU_ASSERT_EQUAL_FATAL(mproc__arena_alloc(BLOCK_MEMORY, 10 * GRANULE, &block), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__latch_acquire(&family->growth_lock, MPROC_PLAT_NEVER), MPROC_OK);
    atomic_store(&family->spare_hint, (block & POSITION_MASK) * UNIT + 3 * GRANULE);
    atomic_store(&family->spare_most, family->limit);
    CU_ASSERT_FALSE(mproc__spare_cut(family, family->limit, family->limit, &room));
    atomic_store(&family->spare_hint, hint);
    atomic_store(&family->spare_most, most);
    mproc__latch_release(&family->growth_lock);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, block), MPROC_OK);
    check_heap(0);
}

/* ---- handles ---- */

static uint64_t stale[MOST];
static uint32_t latest[64 * MEBIBYTE / UNIT]; /* generation that a handle had at each position */

/* How many of the handles are not later than all that were at their position. */
static size_t count_repeated(size_t count)
{
    size_t repeated = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t generation = (uint32_t) (handles[i] >> POSITION_BITS) & GENERATION_MASK;
        uint32_t *before = &latest[handles[i] & POSITION_MASK];
        repeated += generation <= *before;
        *before = generation;
    }
    return repeated;
}

static size_t count_accepted(size_t count)
{
    size_t accepted = 0;
    for (size_t i = 0; i < count; i++)
        accepted += mproc__arena_at(BLOCK_MEMORY, stale[i]) != NULL ||
                    mproc__arena_near(BLOCK_MEMORY, stale[i]) != NULL ||
                    mproc__arena_size(BLOCK_MEMORY, stale[i]) != 0 ||
                    mproc__arena_free(BLOCK_MEMORY, stale[i]) == MPROC_OK;
    return accepted;
}

static void handles_into_what_became_something_else_are_refused(void)
{
    static const uint64_t sizes[] = { 16, 3 * MEBIBYTE, 500, 16, 48, 200000, 16 };
    close_arena();
    size_t count = fill(16);
    /* One block is far more often used than the others: what comes after it is later than it. */
    size_t often = count / 2 + 7;
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handles[often]), MPROC_OK);
        CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, 16, &handles[often]), MPROC_OK);
    }
    stamp(handles[often], 16, often);
    memcpy(stale, handles, sizeof stale);
    CU_ASSERT_EQUAL(count_repeated(count), 0);
    empty(count, 16);
    CU_ASSERT_EQUAL(count_accepted(count), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t others = fill(sizes[i]);
        CU_ASSERT_TRUE(others > 0);
        CU_ASSERT_EQUAL(count_repeated(others), 0);
        CU_ASSERT_EQUAL(count_accepted(count), 0);
        empty(others, sizes[i]);
        CU_ASSERT_EQUAL(count_accepted(count), 0);
    }
    open_arena();
}

/* ---- kills ---- */

enum { PIECES = 4000, KEPT_OF = 32 };

/* Takes all, in runs and large blocks side by side, and gives most of it back. */
static size_t make_pieces(void)
{
    size_t count = 0, all;
    while (count < PIECES &&
           mproc__arena_alloc(BLOCK_MEMORY, count % 8 == 7 ? 70000 : 9000, &handles[count]) == MPROC_OK)
        count++;
    for (all = count; all < PIECES && mproc__arena_alloc(BLOCK_MEMORY, 5000, &handles[all]) == MPROC_OK;)
        all++;
    CU_ASSERT_TRUE_FATAL(count > 200 && all < PIECES);
    while (all > count)
        CU_ASSERT_EQUAL_FATAL(mproc__arena_free(BLOCK_MEMORY, handles[--all]), MPROC_OK);
    for (size_t i = 0; i < count; i++) {
        if (i % KEPT_OF == 0)
            stamp(handles[i], mproc__arena_size(BLOCK_MEMORY, handles[i]), i);
        else
            CU_ASSERT_EQUAL_FATAL(mproc__arena_free(BLOCK_MEMORY, handles[i]), MPROC_OK);
    }
    return count;
}

static void free_pieces(size_t count)
{
    for (size_t i = 0; i < count; i += KEPT_OF) {
        CU_ASSERT_TRUE(is_stamped(handles[i], mproc__arena_size(BLOCK_MEMORY, handles[i]), i));
        CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, handles[i]), MPROC_OK);
    }
}

/* Passes all points: first for what no list has, then for a run. */
static void ask_for_what_is_free(void)
{
    static const uint64_t sizes[] = { 400000, 5000 };
    for (int i = 0; i < 2; i++) {
        uint64_t block;
        if (mproc__arena_alloc(BLOCK_MEMORY, sizes[i], &block) == MPROC_OK)
            mproc__arena_free(BLOCK_MEMORY, block);
    }
}

/* Argument: a shared word that becomes 1, by the child, when it is there, and 2 when it is to go on. At last it asks
 * for more than lies side by side, and what is spare is given back. */
static int ask_when_told(void *argument)
{
    _Atomic int *word = mproc_pointer(*(mproc_memory *) argument);
    atomic_store(word, 1);
    CHILD_CHECK(wait_until(word, 2));
    ask_for_what_is_free();
    uint64_t too_large;
    CHILD_CHECK(mproc__arena_alloc(BLOCK_MEMORY, AREA / 2, &too_large) == MPROC_ENOMEM);
    return 0;
}

static void nothing_is_lost_to_a_kill(const char *point, int passing, uint64_t lost)
{
    char wish[80];
    snprintf(wish, sizeof wish, "MPROC_FAULT=%s:%d:kill", point, passing);
    const char *const environment[] = { wish, NULL };
    const mproc_process_options options = { .environment = environment };
    mproc_memory shared;
    _Atomic int *word = shared_ints(&shared, 1);
    mproc_process *process = start_child(ask_when_told, &shared, sizeof shared, &options);
    CU_ASSERT_TRUE_FATAL(wait_until(word, 1));
    close_arena();
    uint64_t before = look_at_heap().lost;
    size_t count = make_pieces();
    atomic_store(word, 2);
    int exit_code = end_child(process);
    if (exit_code >= 0)
        printf("point %s was not passed %d times: exit code %d\n", point, passing, exit_code);
    CU_ASSERT_TRUE(exit_code < 0);
    /* The next one puts right what was left, though it finds room without that. */
    open_arena();
    ask_for_what_is_free();
    check_heap(before + lost);
    close_arena();
    free_pieces(count);
    uint64_t large = 0;
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, AREA / 16, &large), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, large), MPROC_OK);
    check_heap(before + lost);
    CHECK_OK(mproc_free(shared));
    open_arena();
}

static void a_kill_while_memory_is_gathered_costs_a_block_at_most(void)
{
    static const struct {
        const char *point;
        uint64_t lost; /* blocks, at most */
        int passings;
    } cases[] = {
        { "arena.gathered", 0, 1 },    { "arena.joining", 0, 30 },      { "arena.made_spare", 0, 30 },
        { "arena.run_pending", 0, 1 }, { "arena.run_begun", 0, 1 },     { "arena.frontier_moved", 0, 1 },
        { "arena.cursor_set", 0, 1 },  { "arena.extent_ready", 0, 2 },  { "arena.hollow", 0, 2 },
        { "arena.large_ready", 1, 1 },
        { "arena.popped", 1, 30 },     { "arena.unmarked", 1, 30 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int passing = 1; passing <= cases[i].passings; passing += passing < 4 ? 1 : 9)
            nothing_is_lost_to_a_kill(cases[i].point, passing, cases[i].lost);
}

/* ---- many at once ---- */

static void allocate_one(void *context)
{
    mproc_err *err = context;
    uint64_t handle;
    *err = mproc__arena_alloc(BLOCK_MEMORY, 1000, &handle);
    if (*err == MPROC_OK)
        *err = mproc__arena_free(BLOCK_MEMORY, handle);
}

/* While one process has all free blocks in its hands, another needs one: it waits for it. */
static void what_is_being_gathered_is_waited_for(void)
{
    enum { SIZE = 1000, KEPT = 60 };
    _Atomic uint32_t *latch = &mproc__family()->growth_lock.word;
    mproc_memory shared;
    _Atomic int *word = shared_ints(&shared, 1);
    mproc_process *process = start_delayed_child(ask_when_told, &shared, sizeof shared, "arena.gathered", 1);
    CU_ASSERT_TRUE_FATAL(wait_until(word, 1));
    close_arena();
    size_t count = fill(SIZE);
    for (size_t i = 0; i < count; i++)
        if (i % KEPT)
            CU_ASSERT_EQUAL_FATAL(mproc__arena_free(BLOCK_MEMORY, handles[i]), MPROC_OK);
    atomic_store(word, 2);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(process));
    mproc_err err = MPROC_ETIMEDOUT;
    struct test_thread *thread = thread_start(allocate_one, &err);
    int64_t end = mproc_plat_now() + INT64_C(60000000000);
    while (!(atomic_load(latch) & LATCH_SLEEPERS) && mproc_plat_now() < end)
        sleep_briefly();
    CU_ASSERT_TRUE(atomic_load(latch) & LATCH_SLEEPERS);
    end_delay(process);
    CU_ASSERT_EQUAL(end_child(process), 0);
    thread_join(thread);
    CU_ASSERT_EQUAL(err, MPROC_OK);
    for (size_t i = 0; i < count; i += KEPT)
        CU_ASSERT_TRUE(is_stamped(handles[i], SIZE, i) && mproc__arena_free(BLOCK_MEMORY, handles[i]) == MPROC_OK);
    CHECK_OK(mproc_free(shared));
    open_arena();
}

struct churn {
    mproc_memory go;
    unsigned seed;
};

static int churn(void *argument)
{
    enum { HELD = 60 };
    static const uint64_t sizes[] = { 16, 100, 3000, 20000, 70000, 300000 };
    const struct churn *churn = argument;
    uint64_t random = churn->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    uint64_t held[HELD] = { 0 }, size[HELD] = { 0 };
    CHILD_CHECK(wait_until(mproc_pointer(churn->go), 1));
    for (int i = 0; i < 30000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t at = random % HELD;
        uint64_t value = at + churn->seed * HELD;
        if (held[at]) {
            CHILD_CHECK(is_stamped(held[at], size[at], value));
            CHILD_CHECK(mproc__arena_free(BLOCK_MEMORY, held[at]) == MPROC_OK);
            held[at] = 0;
            continue;
        }
        /* Phases of one size after the other, so that memory has to change its size. */
        size[at] = sizes[(i / 1500 + (random >> 32) % 2) % (sizeof sizes / sizeof sizes[0])];
        mproc_err err = mproc__arena_alloc(BLOCK_MEMORY, size[at], &held[at]);
        CHILD_CHECK(err == MPROC_OK || err == MPROC_ENOMEM);
        if (err == MPROC_OK)
            stamp(held[at], size[at], value);
    }
    for (size_t at = 0; at < HELD; at++)
        if (held[at])
            CHILD_CHECK(mproc__arena_free(BLOCK_MEMORY, held[at]) == MPROC_OK);
    return 0;
}

static void processes_that_have_too_little_never_share_a_block(void)
{
    uint64_t lost = look_at_heap().lost;
    mproc_process *processes[4];
    struct churn task = { .seed = 0 };
    _Atomic int *word = shared_ints(&task.go, 1);
    for (; task.seed < 4; task.seed++)
        processes[task.seed] = start_child(churn, &task, sizeof task, NULL);
    close_arena();
    atomic_store(word, 1);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    check_heap(lost);
    uint64_t all = 0;
    CU_ASSERT_EQUAL(mproc__arena_alloc(BLOCK_MEMORY, 2 * MEBIBYTE, &all), MPROC_OK);
    CU_ASSERT_EQUAL(mproc__arena_free(BLOCK_MEMORY, all), MPROC_OK);
    CHECK_OK(mproc_free(task.go));
    open_arena();
}

MPROC_SUITE(arena_spare, MPROC_TEST(memory_of_one_size_becomes_memory_of_any_other),
            MPROC_TEST(freed_neighbours_serve_one_larger_request), MPROC_TEST(runs_in_use_keep_their_blocks),
            MPROC_TEST(memory_of_objects_that_are_woken_late_serves_nothing_else),
            MPROC_TEST(looking_for_what_is_spare_ends_if_it_misses_where_it_began),
            MPROC_TEST(handles_into_what_became_something_else_are_refused),
            MPROC_TEST(a_kill_while_memory_is_gathered_costs_a_block_at_most),
            MPROC_TEST(what_is_being_gathered_is_waited_for),
            MPROC_TEST(processes_that_have_too_little_never_share_a_block))
