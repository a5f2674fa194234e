/* SPDX-License-Identifier: MIT */
/* Workers that die in every way, and what becomes of their tasks. */
#include "pool.h"
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "fault.h"
#include "platform.h"

enum { OK, CRASH, ABORT, EXIT, KILL };

static int end_somehow(int how)
{
    switch (how) {
    case CRASH:
        end_hard("crash");
        break;
    case ABORT:
        end_hard("abort");
        break;
    case EXIT:
        exit(3);
    case KILL:
        kill_hard(mproc_pid());
        hang_for_ever(NULL);
        break;
    }
    return 0;
}

/* How to end and a number. */
struct order {
    int how, number;
};

static int obey(const void *in, void *out)
{
    const struct order *order = in;
    end_somehow(order->how);
    *(int *) out = order->number + 1;
    return 0;
}

static mproc_result *submit(mproc_pool *pool, int how, int number,
                            const mproc_task_options *options)
{
    struct order order = { how, number };
    mproc_result *result = NULL;
    CHECK_OK(
        mproc_pool_apply_async(pool, &result, obey, &order, sizeof order, sizeof(int), options));
    return result;
}

static void check_died(mproc_result *result)
{
    CHECK_FAILS(mproc_result_get(result, NULL, 0, 60000), MPROC_EWORKERDIED);
    CHECK_OK(mproc_result_close(result));
}

/* ---- single tasks ---- */

static void only_the_begun_task_of_a_dead_worker_fails(void)
{
    static const int ways[] = { CRASH, ABORT, EXIT, KILL };
    mproc_pool *pool = create_pool(2, NULL);
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        mproc_result *results[60];
        for (int i = 0; i < 60; i++)
            results[i] = submit(pool, i % 20 == 10 ? ways[way] : OK, i, NULL);
        for (int i = 0; i < 60; i++)
            if (i % 20 == 10)
                check_died(results[i]);
            else
                check_result(results[i], i + 1);
    }
    end_pool(pool);
}

static void the_error_tells_how_it_died(void)
{
    mproc_pool *pool = create_pool(1, NULL);
    CHECK_FAILS(mproc_pool_apply(pool, obey, &(struct order){ EXIT, 0 }, sizeof(struct order),
                                 &(int){ 0 }, sizeof(int), 60000),
                MPROC_EWORKERDIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "exit code 3"));
    if (!system_is_windows()) {
        CHECK_FAILS(mproc_pool_apply(pool, obey, &(struct order){ KILL, 0 }, sizeof(struct order),
                                     &(int){ 0 }, sizeof(int), 60000),
                    MPROC_EWORKERDIED);
        CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "signal 9"));
    }
    check_result(submit(pool, OK, 4, NULL), 5);
    end_pool(pool);
}

/* The first tries die; the counter is in shared memory. */
struct tries {
    mproc_memory block;
    int deaths;
};

static int die_at_first(const void *in, void *out)
{
    const struct tries *tries = in;
    _Atomic int *counter = mproc_pointer(tries->block);
    int try = atomic_fetch_add(counter, 1);
    if (try < tries->deaths)
        end_somehow(KILL);
    *(int *) out = try;
    return 0;
}

static void a_task_with_retries_is_begun_again(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    struct tries tries = { .deaths = 2 };
    _Atomic int *counter = shared_ints(&tries.block, 1);
    mproc_task_options options = { .retries = 2 };
    mproc_result *result;
    CHECK_OK(mproc_pool_apply_async(pool, &result, die_at_first, &tries, sizeof tries, sizeof(int),
                                    &options));
    check_result(result, 2);
    CU_ASSERT_EQUAL(*counter, 3);
    mproc_pool_statistics statistics;
    CHECK_OK(mproc_pool_get_statistics(pool, &statistics));
    CU_ASSERT_EQUAL(statistics.retried, 2);
    CU_ASSERT_EQUAL(statistics.died, 2);
    end_pool(pool);
    CHECK_OK(mproc_free(tries.block));
}

static void a_task_that_kills_again_and_again_is_set_aside(void)
{
    mproc_pool_options pool_options = { .poison_limit = 4 };
    mproc_pool *pool = create_pool(2, &pool_options);
    struct tries tries = { .deaths = 1000 };
    _Atomic int *counter = shared_ints(&tries.block, 1);
    mproc_task_options options = { .retries = 1000 };
    mproc_result *result;
    CHECK_OK(mproc_pool_apply_async(pool, &result, die_at_first, &tries, sizeof tries, sizeof(int),
                                    &options));
    check_died(result);
    CU_ASSERT_EQUAL(*counter, 4);
    check_result(submit(pool, OK, 1, NULL), 2);
    end_pool(pool);
    CHECK_OK(mproc_free(tries.block));
}

/* ---- maps ---- */

static int obey_counting(const void *in, void *out)
{
    const struct order *order = in;
    end_somehow(order->how);
    *(int *) out += order->number; /* twice would show */
    return 0;
}

static void a_map_loses_only_the_items_that_kill(void)
{
    enum { COUNT = 2000 };
    mproc_pool *pool = create_pool(2, NULL);
    static struct order orders[COUNT];
    static const size_t chunks[] = { 1, 13, 0, COUNT };
    mproc_memory block;
    CHECK_OK(mproc_alloc(&block, COUNT * sizeof(int)));
    int *out = mproc_pointer(block);
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        memset(out, 0, COUNT * sizeof(int));
        for (int i = 0; i < COUNT; i++)
            orders[i] = (struct order){ i % 250 == 100 ? KILL : i % 500 == 3 ? CRASH : OK, i + 1 };
        mproc_task_options options = { .chunksize = chunks[c], .item_errors = true };
        mproc_result *result;
        CHECK_OK(mproc_pool_map_async(pool, &result, obey_counting, orders, sizeof *orders, out,
                                      sizeof *out, COUNT, &options));
        CHECK_FAILS(mproc_result_get(result, NULL, 0, 60000), MPROC_EWORKERDIED);
        CU_ASSERT_EQUAL(mproc_result_done(result), COUNT);
        int wrong = 0;
        for (int i = 0; i < COUNT; i++) {
            mproc_err err = mproc_result_item(result, (size_t) i);
            wrong += err != (orders[i].how == OK ? MPROC_OK : MPROC_EWORKERDIED);
            wrong += orders[i].how == OK && out[i] != i + 1;
        }
        CU_ASSERT_EQUAL(wrong, 0);
        CHECK_OK(mproc_result_close(result));
    }
    CHECK_OK(mproc_free(block));
    end_pool(pool);
}

static int die_at_first_in_place(const void *in, void *out)
{
    _Atomic int *tries = mproc_pointer(*(const mproc_memory *) in);
    size_t index = mproc_task_index();
    int try = atomic_fetch_add(&tries[index], 1);
    if (index % 30 == 7 && try == 0)
        end_somehow(KILL);
    *(int *) out = try;
    return 0;
}

static void a_map_with_retries_succeeds_in_the_end(void)
{
    enum { COUNT = 300 };
    mproc_pool *pool = create_pool(2, NULL);
    mproc_memory counters, in[COUNT];
    _Atomic int *tries = shared_ints(&counters, COUNT);
    for (int i = 0; i < COUNT; i++)
        in[i] = counters;
    int out[COUNT], wrong = 0;
    mproc_task_options options = { .retries = 1, .chunksize = 16 };
    CHECK_OK(mproc_pool_map(pool, die_at_first_in_place, in, sizeof *in, out, sizeof *out, COUNT,
                            &options));
    for (int i = 0; i < COUNT; i++)
        wrong += tries[i] != (i % 30 == 7 ? 2 : 1) || out[i] != tries[i] - 1;
    CU_ASSERT_EQUAL(wrong, 0);
    end_pool(pool);
    CHECK_OK(mproc_free(counters));
}

static void an_imap_gives_the_error_of_the_item_that_killed(void)
{
    enum { COUNT = 100 };
    mproc_pool *pool = create_pool(2, NULL);
    struct order orders[COUNT];
    for (int i = 0; i < COUNT; i++)
        orders[i] = (struct order){ i % 40 == 20 ? ABORT : OK, i };
    for (int unordered = 0; unordered < 2; unordered++) {
        mproc_result *results;
        CHECK_OK((unordered ? mproc_pool_imap_unordered
                            : mproc_pool_imap)(pool, &results, obey, orders, sizeof *orders,
                                               sizeof(int), COUNT, NULL));
        int died = 0;
        for (int i = 0; i < COUNT; i++) {
            size_t index = 0;
            int value = -1;
            mproc_err err = mproc_result_next(results, &index, &value, 60000);
            if (orders[index].how == OK) {
                CHECK_OK(err);
                CU_ASSERT_EQUAL(value, (int) index + 1);
            } else {
                CHECK_FAILS(err, MPROC_EWORKERDIED);
                died++;
            }
        }
        CU_ASSERT_EQUAL(died, 2);
        CHECK_OK(mproc_result_close(results));
    }
    end_pool(pool);
}

/* ---- pools that cannot work ---- */

static int cannot_begin(void *argument)
{
    (void) argument;
    return 1;
}

static int crash_at_begin(void *argument)
{
    (void) argument;
    end_somehow(CRASH);
    return 0;
}

static void a_pool_whose_workers_cannot_initialize_says_so(void)
{
    static mproc_target *const initializers[] = { cannot_begin, crash_at_begin };
    for (int i = 0; i < 2; i++) {
        mproc_pool_options options = { .initializer = initializers[i] };
        mproc_pool *pool = create_pool(2, &options);
        struct order order = { OK, 1 };
        int value;
        mproc_err err = mproc_pool_apply(pool, obey, &order, sizeof order, &value, sizeof value,
                                         60000);
        CHECK_FAILS(err, MPROC_EBROKEN);
        CHECK_FAILS(mproc_pool_apply(pool, obey, &order, sizeof order, &value, sizeof value, 60000),
                    MPROC_EBROKEN);
        CHECK_OK(mproc_pool_join(pool, 60000));
        CHECK_OK(mproc_pool_destroy(pool));
    }
}

static void too_many_deaths_break_a_pool_that_has_a_limit(void)
{
    mproc_pool_options options = { .max_restarts = 3 };
    mproc_pool *pool = create_pool(1, &options);
    struct order order = { KILL, 1 };
    int value, died = 0;
    mproc_err err;
    while ((err = mproc_pool_apply(pool, obey, &order, sizeof order, &value, sizeof value,
                                   60000)) == MPROC_EWORKERDIED &&
           died < 100)
        died++;
    CU_ASSERT_EQUAL(err, MPROC_EBROKEN);
    CU_ASSERT_TRUE(died >= 3 && died <= 4);
    CHECK_OK(mproc_pool_destroy(pool));
}

/* ---- shutdown ---- */

static int sleep_for_ever(const void *in, void *out)
{
    (void) in;
    (void) out;
    ignore_terminate();
    return hang_for_ever(NULL);
}

static void shutdown_returns_though_tasks_never_end(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    mproc_result *results[4];
    for (int i = 0; i < 4; i++)
        CHECK_OK(mproc_pool_apply_async(pool, &results[i], sleep_for_ever, NULL, 0, 0, NULL));
    CHECK_FAILS(mproc_pool_shutdown(pool, 50), MPROC_ETIMEDOUT);
    for (int i = 0; i < 4; i++)
        CHECK_FAILS(mproc_result_get(results[i], NULL, 0, MPROC_NOWAIT), MPROC_ECANCELLED);
    CHECK_OK(mproc_pool_destroy(pool));
}

static void queued_work_is_done_after_close_though_workers_die(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    mproc_result *results[100];
    for (int i = 0; i < 100; i++)
        results[i] = submit(pool, i % 10 == 5 ? KILL : OK, i, NULL);
    CHECK_OK(mproc_pool_close(pool));
    CHECK_OK(mproc_pool_join(pool, 60000));
    for (int i = 0; i < 100; i++)
        if (i % 10 == 5)
            check_died(results[i]);
        else
            check_result(results[i], i + 1);
    CHECK_OK(mproc_pool_destroy(pool));
}

/* ---- Ctrl-C ---- */

struct interrupted {
    mproc_memory block; /* ints: how many pids there are, pids */
};

static int be_interrupted(void *argument)
{
    struct interrupted *interrupted = argument;
    mproc_pool *pool;
    CHILD_CHECK(become_group());
    CHILD_OK(mproc_pool_create(&pool, 3, NULL));
    for (int i = 0; i < 3; i++)
        CHILD_OK(mproc_pool_apply_async(pool, NULL, tell_pid_and_hang, &interrupted->block,
                                        sizeof(mproc_memory), 0, NULL));
    CHILD_CHECK(wait_until(mproc_pointer(interrupted->block), 3));
    interrupt_group();
    return hang_for_ever(NULL);
}

static void ctrl_c_ends_the_parent_and_its_workers_with_it(void)
{
    if (system_is_windows()) {
        skip("there are no process groups to interrupt");
        return;
    }
    struct interrupted interrupted;
    _Atomic int *ints = shared_ints(&interrupted.block, 4);
    mproc_process_options options = { 0 };
    CU_ASSERT_EQUAL(run_child(be_interrupted, &interrupted, sizeof interrupted, &options), -2);
    check_they_end(ints, 3);
    CHECK_OK(mproc_free(interrupted.block));
}

/* ---- out of memory ---- */

static bool write_line(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    bool written = file && fputs(text, file) >= 0;
    return file && fclose(file) == 0 && written;
}

static bool make_memory_group(char *folder, size_t size)
{
    static const char *const places[][2] = { { "/sys/fs/cgroup/memory", "memory.limit_in_bytes" },
                                             { "/sys/fs/cgroup", "memory.max" } };
    for (int i = 0; i < 2; i++) {
        snprintf(folder, size, "%s/mproc-test-%lld", places[i][0], (long long) mproc_pid());
        if (file_exists(places[i][0]) && create_folder(folder)) {
            if (write_line(folder, places[i][1], "67108864"))
                return true;
            remove(folder);
        }
    }
    return false;
}

/* Enters the group, and takes more memory than it has. */
static int take_all_memory(const void *in, void *out)
{
    char pid[32];
    (void) out;
    snprintf(pid, sizeof pid, "%lld", (long long) mproc_pid());
    if (!write_line(in, "cgroup.procs", pid))
        return 1;
    for (int i = 0; i < 256; i++) {
        volatile char *block = malloc(1 << 20);
        if (!block)
            return 2;
        for (int j = 0; j < 1 << 20; j += 4096)
            block[j] = 1;
    }
    return 3; /* the limit was not one */
}

static void a_worker_killed_for_memory_fails_only_its_task(void)
{
    char folder[200];
    if (system_is_windows() || !make_memory_group(folder, sizeof folder)) {
        skip("no memory cgroup can be made here");
        return;
    }
    mproc_pool *pool = create_pool(2, NULL);
    mproc_result *greedy, *results[20];
    CHECK_OK(
        mproc_pool_apply_async(pool, &greedy, take_all_memory, folder, sizeof folder, 0, NULL));
    for (int i = 0; i < 20; i++)
        results[i] = submit(pool, OK, i, NULL);
    mproc_err err = mproc_result_get(greedy, NULL, 0, 60000);
    if (err == MPROC_ETASK)
        skip("a process may not enter the memory cgroup, or its limit is none");
    else
        CHECK_FAILS(err, MPROC_EWORKERDIED);
    CHECK_OK(mproc_result_close(greedy));
    for (int i = 0; i < 20; i++)
        check_result(results[i], i + 1);
    end_pool(pool);
    for (int i = 0; i < 100 && remove(folder) != 0; i++)
        sleep_briefly();
}

/* ---- every step of the protocol ---- */

#ifdef MPROC_FAULT_POINTS
static int count_run(const void *in, void *out)
{
    _Atomic int *runs = mproc_pointer(*(const mproc_memory *) in);
    atomic_fetch_add(&runs[mproc_task_index()], 1);
    if (out) /* nobody asks for the result of one that a worker submitted */
        *(int *) out = 1;
    return 0;
}

/* How many passes until the first worker of each seat dies there, once. */
static void run_with_fault(const char *point, int pass)
{
    enum { COUNT = 40 };
    char fault[100];
    snprintf(fault, sizeof fault, "MPROC_FAULT=%s:%d:kill", point, pass);
    const char *const environment[] = { fault, NULL };
    mproc_process_options process = { .environment = environment };
    mproc_pool_options pool_options = { .process = &process, .poison_limit = 1000 };
    mproc_pool *pool = create_pool(2, &pool_options);
    mproc_task_options options = { .retries = 500, .chunksize = 3 };
    mproc_memory block, in[COUNT];
    _Atomic int *runs = shared_ints(&block, COUNT);
    int out[COUNT] = { 0 }, wrong = 0;
    for (int i = 0; i < COUNT; i++)
        in[i] = block;
    mproc_result *map, *results[COUNT];
    CHECK_OK(mproc_pool_map_async(pool, &map, count_run, in, sizeof *in, out, sizeof *out, COUNT,
                                  &options));
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(mproc_pool_apply_async(pool, &results[i], count_run, &block, sizeof block,
                                        sizeof(int), &options));
    for (int i = 0; i < COUNT; i++) {
        int value = 0;
        CHECK_OK(mproc_result_get(results[i], &value, sizeof value, 60000));
        CU_ASSERT_EQUAL(value, 1);
        CHECK_OK(mproc_result_close(results[i]));
    }
    CHECK_OK(mproc_result_get(map, NULL, 0, 60000));
    CU_ASSERT_EQUAL(mproc_result_done(map), COUNT);
    for (int i = 0; i < COUNT; i++)
        wrong += out[i] != 1 || runs[i] < 1;
    CU_ASSERT_EQUAL(wrong, 0);
    if (wrong)
        printf("\n    at %s, pass %d: %d wrong\n", point, pass, wrong);
    CHECK_OK(mproc_result_close(map));
    end_pool(pool);
    CHECK_OK(mproc_free(block));
}
#endif

#ifdef MPROC_FAULT_POINTS
static int submit_some(const void *in, void *out)
{
    (void) out;
    for (int i = 0; i < 50; i++)
        if (mproc_worker_submit(count_run, in, sizeof(mproc_memory)) != MPROC_OK)
            return 1;
    return 0;
}

static void submit_with_fault(const char *point, int pass)
{
    char fault[100];
    snprintf(fault, sizeof fault, "MPROC_FAULT=%s:%d:kill", point, pass);
    const char *const environment[] = { fault, NULL };
    mproc_process_options process = { .environment = environment };
    mproc_pool_options pool_options = { .process = &process };
    mproc_pool *pool = create_pool(2, &pool_options);
    mproc_memory block;
    shared_ints(&block, 1);
    mproc_result *results[4];
    for (int i = 0; i < 4; i++)
        CHECK_OK(
            mproc_pool_apply_async(pool, &results[i], submit_some, &block, sizeof block, 0, NULL));
    int died = 0;
    for (int i = 0; i < 4; i++) {
        mproc_err err = mproc_result_get(results[i], NULL, 0, 60000);
        CU_ASSERT_TRUE(err == MPROC_OK || err == MPROC_EWORKERDIED);
        died += err == MPROC_EWORKERDIED;
        CHECK_OK(mproc_result_close(results[i]));
    }
    CU_ASSERT_TRUE(died >= 1);
    for (int i = 0; i < 50; i++)
        check_result(submit(pool, OK, i, NULL), i + 1);
    end_pool(pool);
    CHECK_OK(mproc_free(block));
}
#endif

static void a_death_while_a_task_submits_leaves_the_pool_working(void)
{
#ifdef MPROC_FAULT_POINTS
    static const char *const points[] = { "pool.record_taken", "pool.entry_written",
                                          "pool.tail_moved", "latch.before_release",
                                          "latch.before_wake" };
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        submit_with_fault(points[i], 20);
#else
    skip("there are no fault points in this build");
#endif
}

/* ---- a worker that submits, and one that is only ready ---- */

#ifdef MPROC_FAULT_POINTS
enum { SUBMITTED, RUN };

static int run_one(const void *in, void *out)
{
    _Atomic int *ints = mproc_pointer(*(const mproc_memory *) in);
    (void) out;
    atomic_fetch_add(&ints[RUN], 1);
    return 0;
}

/* More than a ring and the first slabs hold. */
static int submit_many(const void *in, void *out)
{
    _Atomic int *ints = mproc_pointer(*(const mproc_memory *) in);
    (void) out;
    for (int i = 0; i < 6000; i++) {
        if (mproc_worker_submit(run_one, in, sizeof(mproc_memory)) != MPROC_OK)
            return 1;
        atomic_fetch_add(&ints[SUBMITTED], 1);
    }
    return 0;
}

/* The only worker submits and is killed; `also` tasks more than it knows of are queued then. Until all of them
 * have run nobody else calls the pool. */
static void be_killed_submitting(const char *fault, int least, int also)
{
    const char *const environment[] = { fault, NULL };
    mproc_process_options process = { .environment = environment };
    mproc_pool_options options = { .process = &process };
    uint64_t used = mproc__arena_used();
    mproc_pool *pool = create_pool(1, &options);
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 2);
    mproc_result *result;
    CHECK_OK(mproc_pool_apply_async(pool, &result, submit_many, &block, sizeof block, 0, NULL));
    CHECK_FAILS(mproc_result_get(result, NULL, 0, 60000), MPROC_EWORKERDIED);
    CU_ASSERT_TRUE(atomic_load(&ints[SUBMITTED]) >= least);
    int expected = atomic_load(&ints[SUBMITTED]) + also;
    CU_ASSERT_TRUE(wait_until(&ints[RUN], expected));
    CHECK_OK(mproc_result_close(result));
    for (int i = 0; i < 1000; i++)
        CHECK_OK(mproc_pool_apply_async(pool, NULL, run_one, &block, sizeof block, 0, NULL));
    end_pool(pool);
    CU_ASSERT_EQUAL(atomic_load(&ints[RUN]), expected + 1000);
    CHECK_OK(mproc_free(block));
    CU_ASSERT_EQUAL(mproc__arena_used(), used);
}

struct doomed {
    mproc_memory block;
    int count;
};

/* The first workers die at the point after this initializer. */
static int be_doomed(void *argument)
{
    const struct doomed *doomed = argument;
    if (atomic_fetch_add((_Atomic int *) mproc_pointer(doomed->block), 1) < doomed->count) {
        if (mproc_plat_set_environment("MPROC_FAULT", "pool.ready:1:kill") != MPROC_OK)
            return 1;
        MPROC_FAULT_FORGET();
    }
    return 0;
}
#endif

static void what_a_killed_worker_has_submitted_is_run(void)
{
#ifdef MPROC_FAULT_POINTS
    be_killed_submitting("MPROC_FAULT=pool.slab_set:1:kill", 200, 0);
    be_killed_submitting("MPROC_FAULT=pool.slab_set:2:kill", 700, 0);
    be_killed_submitting("MPROC_FAULT=pool.listed:1:kill", 4000, 1);
    be_killed_submitting("MPROC_FAULT=pool.listed:5:kill", 4000, 1);
#else
    skip("there are no fault points in this build");
#endif
}

static void a_worker_that_dies_when_it_is_ready_is_no_failed_start(void)
{
#ifdef MPROC_FAULT_POINTS
    enum { DEATHS = 12 }; /* so many failed starts would break the pool */
    struct doomed doomed = { .count = DEATHS };
    shared_ints(&doomed.block, 1);
    mproc_pool_options options = { .initializer = be_doomed,
                                   .argument = &doomed,
                                   .argument_size = sizeof doomed };
    mproc_pool *pool = create_pool(2, &options);
    for (int i = 0; i < 20; i++)
        check_result(submit(pool, OK, i, NULL), i + 1);
    mproc_pool_statistics statistics = { 0 };
    for (int i = 0; i < 60000 && statistics.died < DEATHS; i++) {
        CHECK_OK(mproc_pool_get_statistics(pool, &statistics));
        sleep_briefly();
    }
    CU_ASSERT_EQUAL(statistics.died, DEATHS);
    end_pool(pool);
    CHECK_OK(mproc_free(doomed.block));
#else
    skip("there are no fault points in this build");
#endif
}

static void a_death_at_any_step_loses_nothing(void)
{
#ifdef MPROC_FAULT_POINTS
    static const char *const points[] = { "pool.lane_filled",   "pool.head_moved",
                                          "pool.current_set",   "pool.running",
                                          "pool.task_returned", "pool.done",
                                          "pool.told",          "pool.counted",
                                          "job.announced",      "job.drawing",
                                          "job.drawn",          "job.claiming",
                                          "job.claimed",        "job.fragment_claimed",
                                          "job.item",           "job.item_done",
                                          "job.unit_done",      "job.fragment_done",
                                          "job.counted",        "job.complete",
                                          "job.leaving",        "gate.epoch_read",
                                          "gate.announced",     "gate.awake",
                                          "gate.under_way",     "gate.waking_all" };
    int passes = system_is_windows() ? 1 : 2;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        for (int pass = 1; pass <= passes; pass++)
            run_with_fault(points[i], pass == 2 ? 7 : system_is_windows() ? 5 : 3);
#else
    skip("there are no fault points in this build");
#endif
}

MPROC_SUITE(pool_death, MPROC_TEST(only_the_begun_task_of_a_dead_worker_fails),
            MPROC_TEST(the_error_tells_how_it_died), MPROC_TEST(a_task_with_retries_is_begun_again),
            MPROC_TEST(a_task_that_kills_again_and_again_is_set_aside),
            MPROC_TEST(a_map_loses_only_the_items_that_kill),
            MPROC_TEST(a_map_with_retries_succeeds_in_the_end),
            MPROC_TEST(an_imap_gives_the_error_of_the_item_that_killed),
            MPROC_TEST(a_pool_whose_workers_cannot_initialize_says_so),
            MPROC_TEST(too_many_deaths_break_a_pool_that_has_a_limit),
            MPROC_TEST(shutdown_returns_though_tasks_never_end),
            MPROC_TEST(queued_work_is_done_after_close_though_workers_die),
            MPROC_TEST(ctrl_c_ends_the_parent_and_its_workers_with_it),
            MPROC_TEST(a_worker_killed_for_memory_fails_only_its_task),
            MPROC_TEST(a_death_while_a_task_submits_leaves_the_pool_working),
            MPROC_TEST(what_a_killed_worker_has_submitted_is_run),
            MPROC_TEST(a_worker_that_dies_when_it_is_ready_is_no_failed_start),
            MPROC_TEST(a_death_at_any_step_loses_nothing))
