/* SPDX-License-Identifier: MIT */
/* Readers-writer lock: together, alone, in turn, and when who holds it dies. */
#include "suite.h"
#include "system.h"

struct shared {
    mproc_rwlock lock;
    mproc_memory block; /* ints: 0 arrived, 1 go, 2 a, 3 b, 4 torn, 5 written */
};
enum { ARRIVED, GO, A, B, TORN, WRITTEN, INTS };

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static _Atomic int *create(struct shared *shared)
{
    CHECK_OK(mproc_rwlock_create(&shared->lock));
    return shared_ints(&shared->block, INTS);
}

static void destroy(struct shared *shared)
{
    CHECK_OK(mproc_rwlock_destroy(shared->lock));
    CHECK_OK(mproc_free(shared->block));
}

static int read_and_stay(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_rwlock_acquire_read(shared->lock, 60000));
    atomic_fetch_add(&ints_of(shared)[ARRIVED], 1);
    CHILD_CHECK(wait_until(&ints_of(shared)[GO], 1));
    CHILD_OK(mproc_rwlock_release(shared->lock));
    return 0;
}

static void readers_read_together_and_keep_writers_out(void)
{
    struct shared shared;
    mproc_process *readers[3];
    _Atomic int *ints = create(&shared);
    for (int i = 0; i < 3; i++)
        readers[i] = start_child(read_and_stay, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints[ARRIVED], 3));
    CU_ASSERT_TRUE(mproc_rwlock_locked(shared.lock));
    CHECK_OK(mproc_rwlock_acquire_read(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    CHECK_FAILS(mproc_rwlock_acquire_write(shared.lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_rwlock_acquire_write(shared.lock, 20), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_rwlock_acquire_read(shared.lock, MPROC_NOWAIT)); /* a writer that gave up keeps nobody out */
    CHECK_OK(mproc_rwlock_release(shared.lock));
    atomic_store(&ints[GO], 1);
    CHECK_OK(mproc_rwlock_acquire_write(shared.lock, 60000));
    CU_ASSERT_TRUE(mproc_rwlock_locked(shared.lock));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    CU_ASSERT_FALSE(mproc_rwlock_locked(shared.lock));
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(end_child(readers[i]), 0);
    destroy(&shared);
}

static int try_all(void *argument)
{
    const struct shared *shared = argument;
    CHILD_FAILS(mproc_rwlock_acquire_read(shared->lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHILD_FAILS(mproc_rwlock_acquire_read(shared->lock, 10), MPROC_ETIMEDOUT);
    CHILD_FAILS(mproc_rwlock_acquire_write(shared->lock, 10), MPROC_ETIMEDOUT);
    CHILD_FAILS(mproc_rwlock_release(shared->lock), MPROC_EPERM);
    return 0;
}

static void a_writer_is_alone(void)
{
    struct shared shared;
    create(&shared);
    CHECK_OK(mproc_rwlock_acquire_write(shared.lock, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(run_child(try_all, &shared, sizeof shared, NULL), 0);
    CHECK_OK(mproc_rwlock_release(shared.lock));
    CHECK_FAILS(mproc_rwlock_release(shared.lock), MPROC_EPERM);
    CHECK_FAILS(mproc_rwlock_consistent(shared.lock), MPROC_ESTATE);
    destroy(&shared);
}

static int read_and_write(void *argument)
{
    const struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    for (int i = 0; i < 1500; i++) {
        if (i % 5 == 0) {
            CHILD_OK(mproc_rwlock_acquire_write(shared->lock, 90000));
            int a = atomic_load_explicit(&ints[A], memory_order_relaxed);
            atomic_store_explicit(&ints[A], a + 1, memory_order_relaxed);
            atomic_store_explicit(&ints[B], a + 1, memory_order_relaxed);
        } else {
            CHILD_OK(mproc_rwlock_acquire_read(shared->lock, 90000));
            int a = atomic_load_explicit(&ints[A], memory_order_relaxed);
            if (a != atomic_load_explicit(&ints[B], memory_order_relaxed))
                atomic_fetch_add(&ints[TORN], 1);
        }
        CHILD_OK(mproc_rwlock_release(shared->lock));
    }
    return 0;
}

static void readers_never_see_half_a_write(void)
{
    struct shared shared;
    mproc_process *processes[4];
    _Atomic int *ints = create(&shared);
    for (int i = 0; i < 4; i++)
        processes[i] = start_child(read_and_write, &shared, sizeof shared, NULL);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    CU_ASSERT_EQUAL(ints[TORN], 0);
    CU_ASSERT_EQUAL(ints[A], 4 * 300);
    destroy(&shared);
}

struct thread_work {
    mproc_rwlock lock;
    int a, b;
    _Atomic int torn;
};

static void read_in_thread(void *context)
{
    struct thread_work *work = context;
    for (int i = 0; i < 3000; i++) {
        CHECK_OK(mproc_rwlock_acquire_read(work->lock, 60000));
        atomic_fetch_add(&work->torn, work->a != work->b);
        CHECK_OK(mproc_rwlock_release(work->lock));
    }
}

static void threads_of_one_process_share_it_too(void)
{
    struct thread_work work = { .a = 0 };
    CHECK_OK(mproc_rwlock_create(&work.lock));
    struct test_thread *threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = thread_start(read_in_thread, &work);
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(mproc_rwlock_acquire_write(work.lock, 60000));
        work.a++;
        work.b++;
        CHECK_OK(mproc_rwlock_release(work.lock));
    }
    for (int i = 0; i < 2; i++)
        thread_join(threads[i]);
    CU_ASSERT_EQUAL(work.torn, 0);
    CHECK_OK(mproc_rwlock_destroy(work.lock));
}

static int wait_to_write(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_rwlock_acquire_write(shared->lock, 90000));
    atomic_store(&ints_of(shared)[WRITTEN], 1);
    CHILD_OK(mproc_rwlock_release(shared->lock));
    return 0;
}

static void a_writer_that_waits_is_let_in_before_new_readers(void)
{
    struct shared shared;
    _Atomic int *ints = create(&shared);
    CHECK_OK(mproc_rwlock_acquire_read(shared.lock, MPROC_NOWAIT));
    mproc_process *writer = start_child(wait_to_write, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE(wait_until_waiting(1));
    CHECK_FAILS(mproc_rwlock_acquire_read(shared.lock, 20), MPROC_ETIMEDOUT);
    CU_ASSERT_EQUAL(ints[WRITTEN], 0);
    CHECK_OK(mproc_rwlock_release(shared.lock));
    CU_ASSERT_EQUAL(end_child(writer), 0);
    CU_ASSERT_EQUAL(ints[WRITTEN], 1);
    CHECK_OK(mproc_rwlock_acquire_read(shared.lock, 60000));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    destroy(&shared);
}

/* ---- death ---- */

static int read_for_ever(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_rwlock_acquire_read(shared->lock, MPROC_FOREVER));
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    return hang_for_ever(NULL);
}

static int write_for_ever(void *argument)
{
    const struct shared *shared = argument;
    mproc_err err = mproc_rwlock_acquire_write(shared->lock, MPROC_FOREVER);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_OWNERDEAD);
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    return hang_for_ever(NULL);
}

static void kill_one_that(mproc_target *target, struct shared *shared)
{
    atomic_store(&ints_of(shared)[ARRIVED], 0);
    mproc_process *victim = start_child(target, shared, sizeof *shared, NULL);
    CU_ASSERT_TRUE(wait_until(&ints_of(shared)[ARRIVED], 1));
    CHECK_OK(mproc_process_kill(victim));
    end_child(victim);
}

static void a_dead_reader_reads_no_more(void)
{
    struct shared shared;
    create(&shared);
    kill_one_that(read_for_ever, &shared);
    CHECK_OK(mproc_rwlock_acquire_write(shared.lock, 60000));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    kill_one_that(read_for_ever, &shared);
    CHECK_OK(mproc_rwlock_acquire_write(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    destroy(&shared);
}

static void a_dead_writer_is_told_once_to_a_writer(void)
{
    struct shared shared;
    create(&shared);
    kill_one_that(write_for_ever, &shared);
    kill_one_that(write_for_ever, &shared); /* it was told, and died in its turn */
    CHECK_FAILS(mproc_rwlock_acquire_write(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_rwlock_consistent(shared.lock));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    CHECK_OK(mproc_rwlock_acquire_write(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    CHECK_OK(mproc_rwlock_acquire_read(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    destroy(&shared);
}

static void a_reader_that_meets_a_dead_writer_has_it_for_writing(void)
{
    struct shared shared;
    create(&shared);
    kill_one_that(write_for_ever, &shared);
    CHECK_FAILS(mproc_rwlock_acquire_read(shared.lock, 60000), MPROC_OWNERDEAD);
    CU_ASSERT_EQUAL(run_child(try_all, &shared, sizeof shared, NULL), 0); /* alone */
    CHECK_OK(mproc_rwlock_consistent(shared.lock));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    CHECK_OK(mproc_rwlock_acquire_read(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    destroy(&shared);
}

static void released_without_repair_it_is_broken_for_all(void)
{
    struct shared shared;
    create(&shared);
    kill_one_that(write_for_ever, &shared);
    CHECK_FAILS(mproc_rwlock_acquire_write(shared.lock, 60000), MPROC_OWNERDEAD);
    CHECK_OK(mproc_rwlock_release(shared.lock));
    CHECK_FAILS(mproc_rwlock_acquire_read(shared.lock, MPROC_FOREVER), MPROC_EBROKEN);
    CHECK_FAILS(mproc_rwlock_acquire_write(shared.lock, MPROC_FOREVER), MPROC_EBROKEN);
    CHECK_FAILS(mproc_rwlock_release(shared.lock), MPROC_EPERM);
    destroy(&shared);
}

static int repair(void *argument)
{
    const struct shared *shared = argument;
    CHILD_FAILS(mproc_rwlock_acquire_write(shared->lock, 60000), MPROC_OWNERDEAD);
    CHILD_OK(mproc_rwlock_consistent(shared->lock));
    CHILD_OK(mproc_rwlock_release(shared->lock));
    return 0;
}

/* The next writer has found the death, and stands still before it says that it writes. */
static void a_reader_keeps_its_deadline_while_another_follows_a_dead_writer(void)
{
    struct shared shared;
    create(&shared);
    kill_one_that(write_for_ever, &shared);
    mproc_process *next = start_delayed_child(repair, &shared, sizeof shared, "rwlock.latched", 1);
    CU_ASSERT_TRUE_FATAL(wait_until_delayed(next));
    CHECK_FAILS(mproc_rwlock_acquire_read(shared.lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_rwlock_acquire_read(shared.lock, 10), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_rwlock_acquire_write(shared.lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    end_delay(next);
    CU_ASSERT_EQUAL(end_child(next), 0);
    CHECK_OK(mproc_rwlock_acquire_read(shared.lock, MPROC_NOWAIT));
    CHECK_OK(mproc_rwlock_release(shared.lock));
    destroy(&shared);
}

static int write_with_fault(void *argument)
{
    const struct shared *shared = argument;
    if (mproc_rwlock_acquire_write(shared->lock, MPROC_FOREVER) == MPROC_OK)
        (void) !mproc_rwlock_release(shared->lock);
    return 0;
}

static int read_with_fault(void *argument)
{
    const struct shared *shared = argument;
    if (mproc_rwlock_acquire_read(shared->lock, MPROC_FOREVER) == MPROC_OK)
        (void) !mproc_rwlock_release(shared->lock);
    return 0;
}

/* Killed at each step: only who was alone with what it guards has to be told of. */
static void a_kill_at_any_step_is_told_only_if_it_may_have_written(void)
{
    static const struct {
        const char *point;
        bool reads, told;
    } points[] = { { "rwlock.reader_added", true, false },  { "rwlock.reader_removed", true, false },
                   { "rwlock.latched", false, false },
                   { "rwlock.writer_said", false, false },  { "rwlock.writing", false, true },
                   { "rwlock.writer_cleared", false, false }, { "latch.before_release", false, false } };
    struct shared shared;
    create(&shared);
    for (size_t i = 0; i < 2 * sizeof points / sizeof points[0]; i++) {
        bool read_next = i % 2;
        mproc_target *target = points[i / 2].reads ? read_with_fault : write_with_fault;
        CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(target, &shared, sizeof shared, points[i / 2].point)), 0);
        mproc_err err = read_next ? mproc_rwlock_acquire_read(shared.lock, 60000)
                                  : mproc_rwlock_acquire_write(shared.lock, 60000);
        if (err != (points[i / 2].told ? MPROC_OWNERDEAD : MPROC_OK))
            printf("  %s: %s\n", points[i / 2].point, mproc_err_name(err));
        CU_ASSERT_EQUAL(err, points[i / 2].told ? MPROC_OWNERDEAD : MPROC_OK);
        if (err == MPROC_OWNERDEAD)
            CHECK_OK(mproc_rwlock_consistent(shared.lock));
        CHECK_OK(mproc_rwlock_release(shared.lock));
    }
    destroy(&shared);
}

/* ---- who releases may be late, and it gone ---- */

static int release_late(void *argument, mproc_err (*acquire)(mproc_rwlock lock, mproc_ms timeout))
{
    const struct shared *shared = argument;
    CHILD_OK(acquire(shared->lock, MPROC_NOWAIT));
    atomic_store(&ints_of(shared)[ARRIVED], 1);
    CHILD_CHECK(wait_until(&ints_of(shared)[GO], 1));
    CHILD_OK(mproc_rwlock_release(shared->lock));
    return 0;
}

static int write_and_release_late(void *argument)
{
    return release_late(argument, mproc_rwlock_acquire_write);
}

static int read_and_release_late(void *argument)
{
    return release_late(argument, mproc_rwlock_acquire_read);
}

static void destroy_lock(const void *context)
{
    CHECK_OK(mproc_rwlock_destroy(((const struct shared *) context)->lock));
}

static void it_may_be_destroyed_while_the_one_that_releases_it_is_late(void)
{
    static const struct {
        mproc_target *target;
        const char *point;
        bool has_latch; /* then it is waited for */
    } cases[] = { { write_and_release_late, "rwlock.writer_cleared", true },
                  { read_and_release_late, "rwlock.reader_removed", false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shared shared;
        struct remover remover = { .destroy = destroy_lock, .context = &shared };
        _Atomic int *ints = create(&shared);
        mproc_process *late = start_delayed_child(cases[i].target, &shared, sizeof shared, cases[i].point, 1);
        CU_ASSERT_TRUE_FATAL(wait_until(&ints[ARRIVED], 1));
        atomic_store(&ints[GO], 1);
        CHECK_OK(cases[i].has_latch ? mproc_rwlock_acquire_read(shared.lock, 60000)
                                    : mproc_rwlock_acquire_write(shared.lock, 60000));
        CHECK_OK(mproc_rwlock_release(shared.lock));
        CU_ASSERT_TRUE(wait_until_delayed(late));
        remover_start(&remover);
        CU_ASSERT_TRUE(cases[i].has_latch ? remover_waits(&remover) : wait_until(&remover.has_destroyed, 1));
        end_delay(late);
        CU_ASSERT_EQUAL(end_child(late), 0);
        CU_ASSERT_TRUE(remover_end(&remover));
        CHECK_OK(mproc_free(shared.block));
    }
}

static void wrong_handles_are_refused(void)
{
    mproc_rwlock lock = { 0 };
    CHECK_FAILS(mproc_rwlock_create(NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_rwlock_acquire_read(lock, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_rwlock_acquire_write(lock, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_rwlock_release(lock), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_rwlock_consistent(lock), MPROC_EBADHANDLE);
    CU_ASSERT_FALSE(mproc_rwlock_locked(lock));
    CHECK_OK(mproc_rwlock_destroy(lock));
    CHECK_OK(mproc_rwlock_create(&lock));
    CHECK_OK(mproc_rwlock_destroy(lock));
    CHECK_FAILS(mproc_rwlock_destroy(lock), MPROC_EBADHANDLE);
}

MPROC_SUITE(rwlock, MPROC_TEST(readers_read_together_and_keep_writers_out), MPROC_TEST(a_writer_is_alone),
            MPROC_TEST(readers_never_see_half_a_write), MPROC_TEST(threads_of_one_process_share_it_too),
            MPROC_TEST(a_writer_that_waits_is_let_in_before_new_readers), MPROC_TEST(a_dead_reader_reads_no_more),
            MPROC_TEST(a_dead_writer_is_told_once_to_a_writer),
            MPROC_TEST(a_reader_that_meets_a_dead_writer_has_it_for_writing),
            MPROC_TEST(released_without_repair_it_is_broken_for_all),
            MPROC_TEST(a_reader_keeps_its_deadline_while_another_follows_a_dead_writer),
            MPROC_TEST(a_kill_at_any_step_is_told_only_if_it_may_have_written),
            MPROC_TEST(it_may_be_destroyed_while_the_one_that_releases_it_is_late),
            MPROC_TEST(wrong_handles_are_refused))
