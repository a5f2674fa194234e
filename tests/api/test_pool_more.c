/* SPDX-License-Identifier: MIT */
/* Pool beyond Python's: time-outs, cancelling, priorities, bounds, resizing, recycling, callbacks. */
#include "pool.h"
#include "suite.h"
#include "system.h"

#include "platform.h"

/* ---- tasks ---- */

static int hang(const void *in, void *out)
{
    (void) in;
    (void) out;
    return hang_for_ever(NULL);
}

/* Says that it has begun and waits for leave to end. */
struct door {
    mproc_memory block;
    int number;
};
enum { ARRIVED, OPEN, ORDER, FIRST };

static int pass_door(const void *in, void *out)
{
    const struct door *door = in;
    _Atomic int *ints = mproc_pointer(door->block);
    atomic_fetch_add(&ints[ARRIVED], 1);
    int order = atomic_fetch_add(&ints[ORDER], 1);
    atomic_store(&ints[FIRST + order], door->number);
    if (out)
        *(int *) out = door->number;
    return wait_until(&ints[OPEN], 1) ? 0 : 1;
}

static mproc_result *submit_door(mproc_pool *pool, mproc_memory block, int number,
                                 const mproc_task_options *options)
{
    struct door door = { block, number };
    mproc_result *result = NULL;
    CHECK_OK(
        mproc_pool_apply_async(pool, &result, pass_door, &door, sizeof door, sizeof(int), options));
    return result;
}

/* ---- callbacks ---- */

struct called {
    _Atomic int count, sum, errors;
    int64_t pid;
};

static void add_up(void *context, const void *out, size_t size)
{
    struct called *called = context;
    if (size == sizeof(int) && mproc_pid() == called->pid)
        atomic_fetch_add(&called->sum, *(const int *) out);
    atomic_fetch_add(&called->count, 1);
}

static void count_error(void *context, mproc_err err, const char *text)
{
    struct called *called = context;
    if (err == MPROC_EWORKERDIED && strlen(text) > 10)
        atomic_fetch_add(&called->errors, 1);
    atomic_fetch_add(&called->count, 1);
}

static int end_process(const void *in, void *out)
{
    (void) in;
    (void) out;
    end_hard("_exit7");
    return 0;
}

static void callbacks_run_in_the_parent(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    struct called called = { .pid = mproc_pid() };
    mproc_task_options options = { .callback = add_up,
                                   .error_callback = count_error,
                                   .context = &called };
    int sum = 0;
    for (int i = 0; i < 200; i++) {
        sum += i * i;
        CHECK_OK(mproc_pool_apply_async(pool, NULL, square, &i, sizeof i, sizeof i, &options));
    }
    for (int i = 0; i < 3; i++)
        CHECK_OK(mproc_pool_apply_async(pool, NULL, end_process, NULL, 0, 0, &options));
    CU_ASSERT_TRUE(wait_until(&called.count, 203));
    CU_ASSERT_EQUAL(called.sum, sum);
    CU_ASSERT_EQUAL(called.errors, 3);
    end_pool(pool);
}

struct destroyer {
    mproc_pool *pool;
    mproc_err err;
    _Atomic int count;
};

static void destroy_in_callback(void *context, const void *out, size_t size)
{
    struct destroyer *destroyer = context;
    (void) out;
    (void) size;
    destroyer->err = mproc_pool_destroy(destroyer->pool);
    atomic_fetch_add(&destroyer->count, 1);
}

static void a_pool_is_not_destroyed_in_its_callback(void)
{
    struct destroyer destroyer = { .pool = create_pool(1, NULL) };
    mproc_task_options options = { .callback = destroy_in_callback, .context = &destroyer };
    CHECK_OK(mproc_pool_apply_async(destroyer.pool, NULL, square, &(int){ 2 }, sizeof(int), sizeof(int),
                                    &options));
    CU_ASSERT_TRUE(wait_until(&destroyer.count, 1));
    CU_ASSERT_EQUAL(destroyer.err, MPROC_ESTATE);
    end_pool(destroyer.pool);
}

static void check_array(void *context, const void *out, size_t size)
{
    struct called *called = context;
    for (size_t i = 0; i < size / sizeof(int); i++)
        atomic_fetch_add(&called->sum, ((const int *) out)[i]);
    atomic_fetch_add(&called->count, 1);
}

static void note_progress(void *context, size_t done, size_t count)
{
    struct called *called = context;
    if (done == count)
        atomic_fetch_add(&called->errors, 1);
    mproc_progress_bar(NULL, done, count);
}

static void a_maps_callback_gets_the_array_and_progress_ends_at_its_end(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    struct called called = { .pid = mproc_pid() };
    int in[100], sum = 0;
    for (int i = 0; i < 100; i++) {
        in[i] = i;
        sum += i * i;
    }
    mproc_task_options options = { .callback = check_array,
                                   .context = &called,
                                   .progress = note_progress };
    mproc_result *result;
    CHECK_OK(mproc_pool_map_async(pool, &result, square, in, sizeof *in, NULL, sizeof(int), 100,
                                  &options));
    CU_ASSERT_TRUE(wait_until(&called.count, 1));
    CU_ASSERT_EQUAL(called.sum, sum);
    CU_ASSERT_EQUAL(called.errors, 1);
    const int *data = mproc_result_data(result);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_EQUAL(data[99], 99 * 99);
    CU_ASSERT_EQUAL(mproc_result_size(result), 100 * sizeof(int));
    CHECK_OK(mproc_result_close(result));
    end_pool(pool);
}

static void every_map_of_many_has_its_callback(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    struct called called = { .pid = mproc_pid() };
    int in[20];
    for (int i = 0; i < 20; i++)
        in[i] = i;
    mproc_task_options options = { .callback = check_array, .context = &called };
    mproc_result *results[30];
    for (int i = 0; i < 30; i++)
        CHECK_OK(mproc_pool_map_async(pool, &results[i], square, in, sizeof *in, NULL, sizeof(int),
                                      20, &options));
    for (int i = 0; i < 30; i++)
        CHECK_OK(mproc_result_wait(results[i], 60000));
    CU_ASSERT_TRUE(wait_until(&called.count, 30));
    CU_ASSERT_EQUAL(called.sum, 30 * 2470);
    for (int i = 0; i < 30; i++)
        CHECK_OK(mproc_result_close(results[i]));
    end_pool(pool);
    CU_ASSERT_EQUAL(called.count, 30);
}

/* ---- time-outs ---- */

static void a_task_over_its_timeout_is_killed_and_only_it(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    mproc_task_options options = { .timeout = 50 };
    mproc_result *slow, *quick[20];
    CHECK_OK(mproc_pool_apply_async(pool, &slow, hang, NULL, 0, 0, &options));
    for (int i = 0; i < 20; i++)
        CHECK_OK(mproc_pool_apply_async(pool, &quick[i], square, &i, sizeof i, sizeof i, NULL));
    CHECK_FAILS(mproc_result_get(slow, NULL, 0, 60000), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_result_close(slow));
    for (int i = 0; i < 20; i++) {
        int value = -1;
        CHECK_OK(mproc_result_get(quick[i], &value, sizeof value, 60000));
        CU_ASSERT_EQUAL(value, i * i);
        CHECK_OK(mproc_result_close(quick[i]));
    }
    mproc_pool_statistics statistics;
    CHECK_OK(mproc_pool_get_statistics(pool, &statistics));
    CU_ASSERT_EQUAL(statistics.timed_out, 1);
    CU_ASSERT_EQUAL(statistics.died, 0);
    end_pool(pool);
}

static int hang_at_five(const void *in, void *out)
{
    const int *number = in;
    *(int *) out = *number;
    return *number == 5 ? hang_for_ever(NULL) : 0;
}

static void an_items_timeout_is_its_own(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    int in[40], out[40];
    for (int i = 0; i < 40; i++)
        in[i] = i, out[i] = -1;
    mproc_task_options options = { .timeout = 50, .chunksize = 10, .item_errors = true };
    mproc_result *result;
    CHECK_OK(mproc_pool_map_async(pool, &result, hang_at_five, in, sizeof *in, out, sizeof *out, 40,
                                  &options));
    CHECK_FAILS(mproc_result_get(result, NULL, 0, 60000), MPROC_ETIMEDOUT);
    for (int i = 0; i < 40; i++) {
        mproc_err err = mproc_result_item(result, (size_t) i);
        CU_ASSERT_EQUAL(err, i == 5 ? MPROC_ETIMEDOUT : MPROC_OK);
        CU_ASSERT_TRUE(i == 5 || out[i] == i);
    }
    CHECK_OK(mproc_result_close(result));
    end_pool(pool);
}

static int stop_when_asked(const void *in, void *out)
{
    (void) in;
    while (!mproc_task_should_stop())
        sleep_briefly();
    *(int *) out = 77;
    return 0;
}

static void a_soft_timeout_asks_the_task_to_stop(void)
{
    mproc_pool *pool = create_pool(1, NULL);
    mproc_task_options options = { .soft_timeout = 20 };
    mproc_result *result;
    CHECK_OK(
        mproc_pool_apply_async(pool, &result, stop_when_asked, NULL, 0, sizeof(int), &options));
    check_result(result, 77);
    int out[3] = { 0 };
    CHECK_OK(mproc_pool_map(pool, stop_when_asked, NULL, 0, out, sizeof *out, 3, &options));
    CU_ASSERT_EQUAL(out[2], 77);
    end_pool(pool);
}

/* ---- cancelling ---- */

static void a_queued_task_can_be_cancelled_and_a_running_one_killed(void)
{
    mproc_pool *pool = create_pool(1, NULL);
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 10);
    mproc_result *running = submit_door(pool, block, 1, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    mproc_result *queued = submit_door(pool, block, 2, NULL),
                 *last = submit_door(pool, block, 3, NULL);
    CHECK_OK(mproc_result_cancel(queued, false));
    CHECK_FAILS(mproc_result_get(queued, NULL, 0, MPROC_NOWAIT), MPROC_ECANCELLED);
    CHECK_FAILS(mproc_result_cancel(queued, false), MPROC_ESTATE);
    CHECK_FAILS(mproc_result_cancel(running, false), MPROC_ESTATE);
    CHECK_OK(mproc_result_cancel(running, true));
    CHECK_FAILS(mproc_result_get(running, NULL, 0, 60000), MPROC_ECANCELLED);
    atomic_store(&ints[OPEN], 1);
    check_result(last, 3);
    CU_ASSERT_EQUAL(ints[ARRIVED], 2);
    CHECK_OK(mproc_result_close(queued));
    CHECK_OK(mproc_result_close(running));
    end_pool(pool);
    CHECK_OK(mproc_free(block));
}

static void a_cancelled_map_ends_without_its_other_items(void)
{
    enum { COUNT = 1000 };
    mproc_pool *pool = create_pool(2, NULL);
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, FIRST + COUNT);
    static struct door doors[COUNT];
    for (int i = 0; i < COUNT; i++)
        doors[i] = (struct door){ block, i };
    mproc_task_options options = { .chunksize = 1 };
    mproc_result *result;
    CHECK_OK(mproc_pool_map_async(pool, &result, pass_door, doors, sizeof *doors, NULL, 0, COUNT,
                                  &options));
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 2));
    CHECK_OK(mproc_result_cancel(result, false));
    atomic_store(&ints[OPEN], 1);
    CHECK_FAILS(mproc_result_get(result, NULL, 0, 60000), MPROC_ECANCELLED);
    CU_ASSERT_EQUAL(ints[ARRIVED], 2);
    CU_ASSERT_EQUAL(mproc_result_done(result), COUNT);
    CHECK_OK(mproc_result_close(result));
    end_pool(pool);
    CHECK_OK(mproc_free(block));
}

/* ---- order ---- */

static void higher_priorities_begin_first(void)
{
    mproc_pool *pool = create_pool(1, NULL);
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 20);
    mproc_result *results[6];
    results[0] = submit_door(pool, block, 100, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    for (int i = 0; i < 5; i++) {
        mproc_task_options options = { .priority = i - 2 };
        results[i + 1] = submit_door(pool, block, i - 2, &options);
    }
    atomic_store(&ints[OPEN], 1);
    check_result(results[0], 100);
    for (int i = 0; i < 5; i++)
        check_result(results[i + 1], i - 2);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(ints[FIRST + 1 + i], 2 - i);
    mproc_task_options wrong = { .priority = 3 };
    CHECK_FAILS(mproc_pool_apply_async(pool, NULL, square, &(int){ 1 }, sizeof(int), sizeof(int),
                                       &wrong),
                MPROC_EINVAL);
    end_pool(pool);
    CHECK_OK(mproc_free(block));
}

static int short_work(const void *in, void *out)
{
    (void) in;
    (void) out;
    mproc_plat_sleep(1000000);
    return 0;
}

static void a_higher_task_does_not_wait_for_a_whole_map(void)
{
    mproc_pool *pool = create_pool(1, NULL);
    mproc_result *map, *single;
    mproc_task_options low = { .priority = -1, .chunksize = 1 }, high = { .priority = 1 };
    CHECK_OK(mproc_pool_map_async(pool, &map, short_work, NULL, 0, NULL, 0, 500, &low));
    CHECK_OK(mproc_pool_apply_async(pool, &single, square, &(int){ 3 }, sizeof(int), sizeof(int),
                                    &high));
    check_result(single, 9);
    CU_ASSERT_TRUE(mproc_result_done(map) < 500);
    CHECK_OK(mproc_result_get(map, NULL, 0, 60000));
    CHECK_OK(mproc_result_close(map));
    end_pool(pool);
}

static void long_tasks_do_not_wait_behind_each_other(void)
{
    /* many short ones teach the workers to fetch several; then two long ones must not end in one lane */
    mproc_pool *pool = create_pool(2, NULL);
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 20);
    for (int round = 0; round < 20; round++) {
        mproc_result *shorts[300], *longs[2];
        for (int i = 0; i < 300; i++)
            CHECK_OK(
                mproc_pool_apply_async(pool, &shorts[i], square, &i, sizeof i, sizeof i, NULL));
        for (int i = 0; i < 2; i++)
            longs[i] = submit_door(pool, block, i, NULL);
        CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 2));
        atomic_store(&ints[OPEN], 1);
        for (int i = 0; i < 2; i++)
            check_result(longs[i], i);
        for (int i = 0; i < 300; i++) {
            CHECK_OK(mproc_result_wait(shorts[i], 60000));
            CHECK_OK(mproc_result_close(shorts[i]));
        }
        for (int i = 0; i < 5; i++)
            atomic_store(&ints[i], 0);
    }
    end_pool(pool);
    CHECK_OK(mproc_free(block));
}

/* ---- bounds ---- */

static void no_more_tasks_are_under_way_than_allowed(void)
{
    mproc_pool_options options = { .max_pending = 3, .submit_timeout = 30 };
    mproc_pool *pool = create_pool(1, &options);
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 20);
    mproc_result *results[3], *fourth;
    for (int i = 0; i < 3; i++)
        results[i] = submit_door(pool, block, i, NULL);
    struct door door = { block, 9 };
    CHECK_FAILS(mproc_pool_apply_async(pool, &fourth, pass_door, &door, sizeof door, sizeof(int),
                                       NULL),
                MPROC_ETIMEDOUT);
    atomic_store(&ints[OPEN], 1);
    for (int i = 0; i < 3; i++)
        check_result(results[i], i);
    end_pool(pool);
    options.submit_timeout = 0;
    pool = create_pool(1, &options);
    for (int i = 0; i < 300; i++)
        CHECK_OK(mproc_pool_apply_async(pool, NULL, square, &i, sizeof i, sizeof i, NULL));
    end_pool(pool);
    CHECK_OK(mproc_free(block));
}

/* ---- workers ---- */

static int tell_worker(const void *in, void *out)
{
    (void) in;
    int *state = mproc_worker_state(sizeof *state);
    int *answer = out;
    answer[0] = (int) mproc_worker_id();
    answer[1] = ++*state;
    return 0;
}

static void every_worker_runs_it_once_and_keeps_its_state(void)
{
    mproc_pool *pool = create_pool(3, NULL);
    int answers[3][2];
    for (int round = 1; round <= 3; round++) {
        size_t count = 3;
        memset(answers, -1, sizeof answers);
        CHECK_OK(mproc_pool_run_everywhere(pool, tell_worker, NULL, 0, answers, sizeof *answers,
                                           &count, 60000));
        CU_ASSERT_EQUAL(count, 3);
        for (int i = 0; i < 3; i++) {
            CU_ASSERT_EQUAL(answers[i][0], i);
            CU_ASSERT_EQUAL(answers[i][1], round);
        }
    }
    CU_ASSERT_EQUAL(mproc_worker_id(), SIZE_MAX);
    CU_ASSERT_PTR_NULL(mproc_worker_state(8));
    end_pool(pool);
}

static int tell_pid(const void *in, void *out)
{
    (void) in;
    *(int64_t *) out = mproc_pid();
    return 0;
}

static void workers_are_replaced_after_so_many_tasks(void)
{
    mproc_pool_options options = { .max_tasks_per_child = 2 };
    mproc_pool *pool = create_pool(1, &options);
    int64_t pids[7];
    for (int i = 0; i < 7; i++)
        CHECK_OK(mproc_pool_apply(pool, tell_pid, NULL, 0, &pids[i], sizeof *pids, 60000));
    for (int i = 0; i < 6; i += 2) {
        CU_ASSERT_EQUAL(pids[i], pids[i + 1]);
        CU_ASSERT_NOT_EQUAL(pids[i], pids[i + 2]);
    }
    mproc_pool_statistics statistics;
    CHECK_OK(mproc_pool_get_statistics(pool, &statistics));
    CU_ASSERT_EQUAL(statistics.died, 0);
    CU_ASSERT_TRUE(statistics.recycled >= 3);
    int64_t out[50];
    mproc_task_options one = { .chunksize = 1 };
    CHECK_OK(mproc_pool_map(pool, tell_pid, NULL, 0, out, sizeof *out, 50, &one));
    CU_ASSERT_NOT_EQUAL(out[0], out[49]);
    end_pool(pool);
}

static int use_memory(const void *in, void *out)
{
    static char *kept[8]; /* it grows, but leaks nothing */
    static int used;
    (void) in;
    char *memory = kept[used++ % 8] = malloc(64 << 20);
    if (memory)
        for (size_t i = 0; i < 64 << 20; i += 4096)
            ((volatile char *) memory)[i] = 1;
    *(int64_t *) out = mproc_pid();
    return memory ? 0 : 1;
}

static void workers_are_replaced_when_they_have_grown_or_aged(void)
{
    mproc_pool_options grown = { .max_memory_per_child = 48 << 20 },
                       aged = { .max_age_of_child = 1 };
    int64_t pids[2];
    mproc_pool *pool = create_pool(1, &grown);
    for (int i = 0; i < 2; i++)
        CHECK_OK(mproc_pool_apply(pool, use_memory, NULL, 0, &pids[i], sizeof *pids, 60000));
    CU_ASSERT_NOT_EQUAL(pids[0], pids[1]);
    end_pool(pool);
    pool = create_pool(1, &aged);
    CHECK_OK(mproc_pool_apply(pool, tell_pid, NULL, 0, &pids[0], sizeof *pids, 60000));
    mproc_plat_sleep(5000000);
    CHECK_OK(mproc_pool_apply(pool, tell_pid, NULL, 0, &pids[1], sizeof *pids, 60000));
    CU_ASSERT_NOT_EQUAL(pids[0], pids[1]);
    end_pool(pool);
}

static void workers_too_large_from_the_first_do_one_task_each(void)
{
    mproc_pool_options tiny = { .max_memory_per_child = 1 };
    int64_t pids[3] = { 0 }, out[5] = { 0 };
    mproc_pool *pool = create_pool(1, &tiny);
    for (int i = 0; i < 3; i++)
        CHECK_OK(mproc_pool_apply(pool, tell_pid, NULL, 0, &pids[i], sizeof *pids, 60000));
    CU_ASSERT_NOT_EQUAL(pids[0], pids[1]);
    CU_ASSERT_NOT_EQUAL(pids[1], pids[2]);
    mproc_task_options one = { .chunksize = 1 };
    CHECK_OK(mproc_pool_map(pool, tell_pid, NULL, 0, out, sizeof *out, 5, &one));
    CU_ASSERT_NOT_EQUAL(out[0], out[4]);
    end_pool(pool);
}

static void a_pool_grows_and_shrinks_while_it_runs(void)
{
    mproc_pool *pool = create_pool(1, NULL);
    mproc_memory block;
    _Atomic int *ints = shared_ints(&block, 20);
    mproc_result *results[4];
    for (int i = 0; i < 4; i++)
        results[i] = submit_door(pool, block, i, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 1));
    CHECK_OK(mproc_pool_resize(pool, 4));
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 4));
    CHECK_OK(mproc_pool_resize(pool, 1));
    atomic_store(&ints[OPEN], 1);
    for (int i = 0; i < 4; i++)
        check_result(results[i], i);
    mproc_pool_statistics statistics = { .running = 4 };
    for (int i = 0; i < 3000 && statistics.running != 1; i++) {
        CHECK_OK(mproc_pool_get_statistics(pool, &statistics));
        sleep_briefly();
    }
    CU_ASSERT_EQUAL(statistics.running, 1);
    CU_ASSERT_EQUAL(statistics.died, 0);
    CHECK_FAILS(mproc_pool_resize(pool, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_pool_resize(pool, 65), MPROC_EINVAL);
    end_pool(pool);
    CHECK_OK(mproc_free(block));
}

/* ---- submission from elsewhere ---- */

struct submitter {
    mproc_pool *pool;
    int wrong;
};

static void submit_from_thread(void *context)
{
    struct submitter *submitter = context;
    for (int i = 0; i < 500; i++) {
        int value = -1;
        if (mproc_pool_apply(submitter->pool, square, &i, sizeof i, &value, sizeof value, 60000) !=
                MPROC_OK ||
            value != i * i)
            submitter->wrong++;
    }
}

static void any_thread_may_submit(void)
{
    struct submitter submitters[4];
    mproc_pool *pool = create_pool(2, NULL);
    struct test_thread *threads[4];
    for (int i = 0; i < 4; i++) {
        submitters[i] = (struct submitter){ pool, 0 };
        threads[i] = thread_start(submit_from_thread, &submitters[i]);
    }
    for (int i = 0; i < 4; i++) {
        thread_join(threads[i]);
        CU_ASSERT_EQUAL(submitters[i].wrong, 0);
    }
    end_pool(pool);
}

/* A tree of tasks: each submits two more until the depth is used up. */
struct branch {
    mproc_memory block;
    int depth;
};

static int grow_tree(const void *in, void *out)
{
    const struct branch *branch = in;
    (void) out;
    struct branch next = { branch->block, branch->depth - 1 };
    for (int i = 0; branch->depth > 0 && i < 2; i++)
        if (mproc_worker_submit(grow_tree, &next, sizeof next) != MPROC_OK)
            return 1;
    atomic_fetch_add((_Atomic int *) mproc_pointer(branch->block), 1);
    return 0;
}

static void a_task_may_submit_tasks(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    struct branch root = { .depth = 9 };
    _Atomic int *count = shared_ints(&root.block, 1);
    CHECK_OK(mproc_pool_apply_async(pool, NULL, grow_tree, &root, sizeof root, 0, NULL));
    CU_ASSERT_TRUE(wait_until(count, 1023));
    CHECK_FAILS(mproc_worker_submit(grow_tree, &root, sizeof root), MPROC_ESTATE);
    end_pool(pool);
    CU_ASSERT_EQUAL(*count, 1023);
    CHECK_OK(mproc_free(root.block));
}

static int sum_of_squares(const void *in, void *out)
{
    int numbers[10], squares[10];
    mproc_pool *pool;
    for (int i = 0; i < 10; i++)
        numbers[i] = *(const int *) in + i;
    if (mproc_pool_create(&pool, 2, NULL) != MPROC_OK)
        return 1;
    if (mproc_pool_map(pool, square, numbers, sizeof *numbers, squares, sizeof *squares, 10,
                       NULL) != MPROC_OK)
        return 2;
    *(int *) out = 0;
    for (int i = 0; i < 10; i++)
        *(int *) out += squares[i];
    return mproc_pool_destroy(pool) == MPROC_OK ? 0 : 3;
}

static void a_worker_may_have_a_pool_of_its_own(void)
{
    mproc_pool_options options = { .nested = true };
    mproc_pool *pool = create_pool(2, &options);
    int numbers[4] = { 0, 10, 20, 30 }, sums[4], wrong = 0;
    CHECK_OK(mproc_pool_map(pool, sum_of_squares, numbers, sizeof *numbers, sums, sizeof *sums, 4,
                            NULL));
    for (int i = 0; i < 4; i++) {
        int sum = 0;
        for (int j = 0; j < 10; j++)
            sum += (numbers[i] + j) * (numbers[i] + j);
        wrong += sums[i] != sum;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    end_pool(pool);
    pool = create_pool(1, NULL);
    mproc_err err = mproc_pool_apply(pool, sum_of_squares, numbers, sizeof *numbers, sums,
                                     sizeof *sums, 60000);
    CHECK_FAILS(err, MPROC_ETASK);
    end_pool(pool);
}

/* ---- results ---- */

static int write_long(const void *in, void *out)
{
    size_t size = *(const size_t *) in;
    (void) out;
    char *bytes = mproc_task_output(size);
    if (!bytes)
        return 1;
    memset(bytes, 'x', size);
    return 0;
}

static void a_result_has_any_length_and_is_not_copied(void)
{
    static const size_t sizes[] = { 1, 100, 65536, 10 << 20 };
    mproc_pool *pool = create_pool(2, NULL);
    for (int i = 0; i < 4; i++) {
        mproc_result *result;
        CHECK_OK(
            mproc_pool_apply_async(pool, &result, write_long, &sizes[i], sizeof *sizes, 0, NULL));
        CHECK_OK(mproc_result_get(result, NULL, 0, 60000));
        CU_ASSERT_EQUAL(mproc_result_size(result), sizes[i]);
        const char *data = mproc_result_data(result);
        CU_ASSERT_TRUE(data && data[0] == 'x' && data[sizes[i] - 1] == 'x');
        CHECK_OK(mproc_result_close(result));
    }
    end_pool(pool);
}

static int checksum(const void *in, void *out)
{
    const unsigned char *bytes = in;
    uint32_t sum = 0;
    for (size_t i = 0; i < 1 << 20; i++)
        sum = sum * 31 + bytes[i];
    *(uint32_t *) out = sum;
    return 0;
}

static void arguments_of_any_length_arrive(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    mproc_memory block;
    CHECK_OK(mproc_alloc(&block, 1 << 20));
    unsigned char *shared = mproc_pointer(block), *own = malloc(1 << 20);
    CU_ASSERT_TRUE_FATAL(shared && own);
    uint32_t expected = 0, sum = 0;
    for (size_t i = 0; i < 1 << 20; i++) {
        shared[i] = own[i] = (unsigned char) (i * 7 + i / 1000);
        expected = expected * 31 + own[i];
    }
    CHECK_OK(mproc_pool_apply(pool, checksum, own, 1 << 20, &sum, sizeof sum, 60000));
    CU_ASSERT_EQUAL(sum, expected);
    CHECK_OK(mproc_pool_apply(pool, checksum, shared, 1 << 20, &sum, sizeof sum, 60000));
    CU_ASSERT_EQUAL(sum, expected);
    free(own);
    CHECK_OK(mproc_free(block));
    end_pool(pool);
}

/* ---- stuck ---- */

struct stuck_seen {
    _Atomic int count;
    bool right_task;
    char text[200];
};

static void note_stuck(void *context, const mproc_stuck *stuck)
{
    struct stuck_seen *seen = context;
    seen->right_task = stuck->task == hang && stuck->running >= 30;
    snprintf(seen->text, sizeof seen->text, "%s", stuck->text);
    atomic_fetch_add(&seen->count, 1);
}

static void a_stuck_task_is_named(void)
{
    struct stuck_seen seen = { .count = 0 };
    mproc_pool_options options = { .stuck_after = 30,
                                   .on_stuck = note_stuck,
                                   .stuck_context = &seen };
    mproc_pool *pool = create_pool(1, &options);
    mproc_result *result;
    CHECK_OK(mproc_pool_apply_async(pool, &result, hang, NULL, 0, 0, NULL));
    CU_ASSERT_TRUE(wait_until(&seen.count, 1));
    CU_ASSERT_TRUE(seen.right_task);
    CU_ASSERT_PTR_NOT_NULL(strstr(seen.text, "worker 0"));
    CHECK_OK(mproc_result_cancel(result, true));
    CHECK_FAILS(mproc_result_get(result, NULL, 0, 60000), MPROC_ECANCELLED);
    CHECK_OK(mproc_result_close(result));
    end_pool(pool);
    CU_ASSERT_EQUAL(seen.count, 1);
}

/* ---- initializers ---- */

static int base;

static int set_base(void *argument)
{
    base = *(int *) argument;
    return 0;
}

static int add_base(const void *in, void *out)
{
    *(int *) out = *(const int *) in + base;
    return 0;
}

static void an_initializer_prepares_every_worker(void)
{
    mproc_pool_options options = { .initializer = set_base,
                                   .argument = &(int){ 1000 },
                                   .argument_size = sizeof(int),
                                   .max_tasks_per_child = 1,
                                   .name = "Adder" };
    mproc_pool *pool = create_pool(2, &options);
    for (int i = 0; i < 10; i++) {
        int value = 0;
        CHECK_OK(mproc_pool_apply(pool, add_base, &i, sizeof i, &value, sizeof value, 60000));
        CU_ASSERT_EQUAL(value, 1000 + i);
    }
    end_pool(pool);
}

/* ---- rules ---- */

static void wrong_calls_are_refused(void)
{
    mproc_pool *pool, *none = NULL;
    mproc_pool_options options = { .max_workers = 1 };
    mproc_result *result;
    int value = 0;
    CHECK_FAILS(mproc_pool_create(NULL, 1, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_pool_create(&pool, 2, &options), MPROC_EINVAL);
    options = (mproc_pool_options){ .reserved = { &value } };
    CHECK_FAILS(mproc_pool_create(&pool, 2, &options), MPROC_EINVAL);
    CHECK_FAILS(mproc_pool_close(none), MPROC_EINVAL);
    CHECK_OK(mproc_pool_destroy(none));
    CHECK_OK(mproc_result_close(NULL));
    pool = create_pool(1, NULL);
    CHECK_FAILS(mproc_pool_join(pool, 0), MPROC_ESTATE);
    CHECK_FAILS(mproc_pool_apply_async(pool, &result, NULL, NULL, 0, 0, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_pool_apply_async(pool, &result, square, NULL, 4, 4, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_pool_map(pool, square, &value, 4, NULL, 4, 1, NULL), MPROC_EINVAL);
    CHECK_OK(mproc_pool_map(pool, square, NULL, 4, NULL, 4, 0, NULL));
    CHECK_OK(mproc_pool_close(pool));
    CHECK_FAILS(mproc_pool_apply_async(pool, &result, square, &value, 4, 4, NULL), MPROC_ECLOSED);
    CHECK_FAILS(mproc_pool_map_async(pool, &result, square, &value, 4, NULL, 4, 1, NULL),
                MPROC_ECLOSED);
    CHECK_OK(mproc_pool_join(pool, 60000));
    CHECK_OK(mproc_pool_destroy(pool));
}

static void terminate_ends_at_once_what_hangs(void)
{
    mproc_pool *pool = create_pool(2, NULL);
    mproc_result *results[6], *map;
    int64_t begin = mproc_plat_now();
    for (int i = 0; i < 6; i++)
        CHECK_OK(mproc_pool_apply_async(pool, &results[i], hang, NULL, 0, 0, NULL));
    CHECK_OK(mproc_pool_map_async(pool, &map, hang, NULL, 0, NULL, 0, 10, NULL));
    bool ready = true;
    CHECK_OK(mproc_result_ready(results[0], &ready));
    CU_ASSERT_FALSE(ready);
    CHECK_FAILS(mproc_result_successful(results[0], &ready), MPROC_ESTATE);
    CHECK_FAILS(mproc_result_get(results[0], NULL, 0, 5), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_pool_terminate(pool));
    CHECK_OK(mproc_pool_join(pool, 60000));
    for (int i = 0; i < 6; i++)
        CHECK_FAILS(mproc_result_get(results[i], NULL, 0, MPROC_NOWAIT), MPROC_ECANCELLED);
    CHECK_FAILS(mproc_result_get(map, NULL, 0, MPROC_NOWAIT), MPROC_ECANCELLED);
    CHECK_OK(mproc_pool_destroy(pool));
    CU_ASSERT_TRUE(mproc_plat_now() - begin < INT64_C(30000000000));
}

MPROC_SUITE(pool_more, MPROC_TEST(callbacks_run_in_the_parent),
            MPROC_TEST(a_pool_is_not_destroyed_in_its_callback),
            MPROC_TEST(a_maps_callback_gets_the_array_and_progress_ends_at_its_end),
            MPROC_TEST(every_map_of_many_has_its_callback),
            MPROC_TEST(a_task_over_its_timeout_is_killed_and_only_it),
            MPROC_TEST(an_items_timeout_is_its_own),
            MPROC_TEST(a_soft_timeout_asks_the_task_to_stop),
            MPROC_TEST(a_queued_task_can_be_cancelled_and_a_running_one_killed),
            MPROC_TEST(a_cancelled_map_ends_without_its_other_items),
            MPROC_TEST(higher_priorities_begin_first),
            MPROC_TEST(a_higher_task_does_not_wait_for_a_whole_map),
            MPROC_TEST(long_tasks_do_not_wait_behind_each_other),
            MPROC_TEST(no_more_tasks_are_under_way_than_allowed),
            MPROC_TEST(every_worker_runs_it_once_and_keeps_its_state),
            MPROC_TEST(workers_are_replaced_after_so_many_tasks),
            MPROC_TEST(workers_are_replaced_when_they_have_grown_or_aged),
            MPROC_TEST(workers_too_large_from_the_first_do_one_task_each),
            MPROC_TEST(a_pool_grows_and_shrinks_while_it_runs), MPROC_TEST(any_thread_may_submit),
            MPROC_TEST(a_task_may_submit_tasks), MPROC_TEST(a_worker_may_have_a_pool_of_its_own),
            MPROC_TEST(a_result_has_any_length_and_is_not_copied),
            MPROC_TEST(arguments_of_any_length_arrive), MPROC_TEST(a_stuck_task_is_named),
            MPROC_TEST(an_initializer_prepares_every_worker), MPROC_TEST(wrong_calls_are_refused),
            MPROC_TEST(terminate_ends_at_once_what_hangs))
