/* SPDX-License-Identifier: MIT */
/* mproc_describe_locks(): who holds what, who waits for what, who is dead; and texts that are too short. */
#include "suite.h"
#include "system.h"

struct shared {
    mproc_lock lock;
    mproc_rlock rlock;
    mproc_event event;
    mproc_memory block; /* ints: 0 arrived */
};

/* The line of the object, without what it begins with. */
static const char *line_of(const char *kind, uint64_t id)
{
    static char text[20000], wanted[60], line[2000];
    mproc_describe_locks(text, sizeof text);
    snprintf(wanted, sizeof wanted, "%s %016llx: ", kind, (unsigned long long) id);
    const char *found = strstr(text, wanted);
    snprintf(line, sizeof line, "%s", found ? found + strlen(wanted) : "nowhere\n");
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static void must_be(const char *kind, uint64_t id, const char *expected)
{
    const char *line = line_of(kind, id);
    if (strcmp(line, expected) != 0)
        printf("  %s: \"%s\", not \"%s\"\n", kind, line, expected);
    CU_ASSERT_STRING_EQUAL(line, expected);
}

static const char *with_pid(const char *before, int64_t pid, const char *after)
{
    static char text[200];
    snprintf(text, sizeof text, "%s (pid %lld%s", before, (long long) pid, after);
    return text;
}

static void each_kind_says_what_it_is(void)
{
    mproc_semaphore semaphore, bounded;
    mproc_permits permits;
    mproc_event event;
    mproc_barrier barrier;
    mproc_rwlock rwlock;
    CHECK_OK(mproc_semaphore_create(&semaphore, 3));
    CHECK_OK(mproc_semaphore_create_bounded(&bounded, 2));
    CHECK_OK(mproc_permits_create(&permits, 4));
    CHECK_OK(mproc_event_create(&event));
    CHECK_OK(mproc_barrier_create(&barrier, 2));
    CHECK_OK(mproc_rwlock_create(&rwlock));
    must_be("semaphore", semaphore.id, "value 3");
    must_be("semaphore", bounded.id, "value 2 of 2");
    must_be("permits", permits.id, "4 in all");
    must_be("event", event.id, "not set");
    must_be("barrier", barrier.id, "0 of 2 have come");
    must_be("rwlock", rwlock.id, "free");
    CHECK_OK(mproc_semaphore_acquire(bounded, MPROC_NOWAIT));
    CHECK_OK(mproc_permits_acquire(permits, MPROC_NOWAIT));
    CHECK_OK(mproc_event_set(event));
    CHECK_OK(mproc_barrier_abort(barrier));
    CHECK_OK(mproc_rwlock_acquire_read(rwlock, MPROC_NOWAIT));
    must_be("semaphore", bounded.id, "value 1 of 2");
    must_be("permits", permits.id, with_pid("4 in all, held by MainProcess", mproc_pid(), ")"));
    must_be("event", event.id, "set");
    must_be("barrier", barrier.id, "broken, 0 of 2 have come");
    must_be("rwlock", rwlock.id, with_pid("read by MainProcess", mproc_pid(), ")"));
    CHECK_OK(mproc_rwlock_release(rwlock));
    CHECK_OK(mproc_rwlock_acquire_write(rwlock, MPROC_NOWAIT));
    must_be("rwlock", rwlock.id, with_pid("written by MainProcess", mproc_pid(), ")"));
    CHECK_OK(mproc_semaphore_destroy(semaphore));
    CHECK_OK(mproc_semaphore_destroy(bounded));
    CHECK_OK(mproc_permits_destroy(permits));
    CHECK_OK(mproc_event_destroy(event));
    CHECK_OK(mproc_barrier_destroy(barrier));
    CHECK_OK(mproc_rwlock_destroy(rwlock));
    must_be("event", event.id, "nowhere"); /* it is gone */
}

static void conditions_tell_of_their_lock(void)
{
    mproc_condition own, other;
    mproc_rlock rlock;
    char words[60];
    CHECK_OK(mproc_rlock_create(&rlock));
    CHECK_OK(mproc_condition_create(&own));
    CHECK_OK(mproc_condition_create_rlock(&other, rlock));
    must_be("condition", own.id, "its lock is free");
    CHECK_OK(mproc_condition_acquire(own, MPROC_NOWAIT));
    must_be("condition", own.id, with_pid("its lock is held by MainProcess", mproc_pid(), ")"));
    snprintf(words, sizeof words, "of rlock %016llx", (unsigned long long) rlock.id);
    must_be("condition", other.id, words);
    CHECK_OK(mproc_condition_release(own));
    CHECK_OK(mproc_condition_destroy(own));
    CHECK_OK(mproc_condition_destroy(other));
    CHECK_OK(mproc_rlock_destroy(rlock));
}

static void create(struct shared *shared)
{
    CHECK_OK(mproc_lock_create(&shared->lock));
    CHECK_OK(mproc_rlock_create(&shared->rlock));
    CHECK_OK(mproc_event_create(&shared->event));
    shared_ints(&shared->block, 1);
}

static void destroy(struct shared *shared)
{
    CHECK_OK(mproc_lock_destroy(shared->lock));
    CHECK_OK(mproc_rlock_destroy(shared->rlock));
    CHECK_OK(mproc_event_destroy(shared->event));
    CHECK_OK(mproc_free(shared->block));
}

static int hold(void *argument)
{
    struct shared *shared = argument;
    CHILD_OK(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    for (int i = 0; i < 3; i++)
        CHILD_OK(mproc_rlock_acquire(shared->rlock, MPROC_FOREVER));
    atomic_store((_Atomic int *) mproc_pointer(shared->block), 1);
    return hang_for_ever(NULL);
}

static void a_holder_is_named_and_told_to_be_dead(void)
{
    struct shared shared;
    mproc_process_options options = { .name = "keeper" };
    int64_t pid;
    create(&shared);
    mproc_process *process = start_child(hold, &shared, sizeof shared, &options);
    CHECK_OK(mproc_process_pid(process, &pid));
    CU_ASSERT_TRUE_FATAL(wait_until(mproc_pointer(shared.block), 1));
    must_be("lock", shared.lock.id, with_pid("held by keeper", pid, ")"));
    must_be("rlock", shared.rlock.id, with_pid("held by keeper", pid, ") 3 times"));
    kill_hard(pid);
    CU_ASSERT_TRUE(pid_ends_within(pid, 60000));
    must_be("lock", shared.lock.id, with_pid("held by keeper", pid, ", dead)"));
    CU_ASSERT_NOT_EQUAL(end_child(process), 0);
    must_be("lock", shared.lock.id, "held by a process that is gone");
    CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
    must_be("lock", shared.lock.id, with_pid("held by MainProcess", mproc_pid(), ") after one that died"));
    CHECK_OK(mproc_lock_release(shared.lock));
    must_be("lock", shared.lock.id, "broken");
    destroy(&shared);
}

static void wait_for_event(void *context)
{
    CHECK_OK(mproc_event_wait(((struct shared *) context)->event, 60000));
}

static void wait_for_lock(void *context)
{
    mproc_lock lock = ((struct shared *) context)->lock;
    CHECK_OK(mproc_lock_acquire(lock, 60000));
    CHECK_OK(mproc_lock_release(lock));
}

/* Ten threads of this process wait for one thing, and then one for another. */
static int wait_till_killed(void *argument)
{
    return mproc_event_wait(((struct shared *) argument)->event, 60000) == MPROC_OK ? 0 : 1;
}

/* Also if they were seen alive a moment before. */
static void the_dead_do_not_wait(void)
{
    struct shared shared;
    create(&shared);
    for (int round = 0; round < 5; round++) {
        mproc_process *child = start_child(wait_till_killed, &shared, sizeof shared, NULL);
        CU_ASSERT_TRUE_FATAL(wait_until_waiting(1));
        CU_ASSERT_PTR_NOT_NULL(strstr(line_of("event", shared.event.id), "; waiting: "));
        kill_while_seen(child);
        must_be("event", shared.event.id, "not set");
        end_child(child);
    }
    destroy(&shared);
}

static void many_waiting_threads_of_a_process_are_seen(void)
{
    enum { THREADS = 10 };
    struct shared shared;
    struct test_thread *threads[THREADS + 1];
    create(&shared);
    CHECK_OK(mproc_lock_acquire(shared.lock, MPROC_NOWAIT));
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start(wait_for_event, &shared);
    CU_ASSERT_TRUE(wait_until_waiting(THREADS));
    threads[THREADS] = thread_start(wait_for_lock, &shared);
    CU_ASSERT_TRUE(wait_until_waiting(THREADS + 1));
    const char *waiting = with_pid("; waiting: MainProcess", mproc_pid(), ")");
    CU_ASSERT_PTR_NOT_NULL(strstr(line_of("lock", shared.lock.id), waiting));
    CHECK_OK(mproc_event_set(shared.event));
    CHECK_OK(mproc_lock_release(shared.lock));
    for (int i = 0; i <= THREADS; i++)
        thread_join(threads[i]);
    must_be("lock", shared.lock.id, "free");
    destroy(&shared);
}

static void a_short_text_is_cut_and_its_length_is_told(void)
{
    struct shared shared;
    char whole[2000], part[2000];
    create(&shared);
    size_t length = mproc_describe_locks(whole, sizeof whole);
    CU_ASSERT_EQUAL(length, strlen(whole));
    CU_ASSERT_TRUE_FATAL(length > 20 && length + 1 < sizeof whole);
    for (size_t size = 1; size <= length + 1; size++) {
        memset(part, 'x', sizeof part);
        CU_ASSERT_EQUAL(mproc_describe_locks(part, size), length);
        CU_ASSERT_EQUAL(strlen(part), size - 1);
        CU_ASSERT_EQUAL(memcmp(part, whole, size - 1), 0);
        CU_ASSERT_EQUAL(part[size], 'x');
    }
    CU_ASSERT_EQUAL(mproc_describe_locks(part, 0), length);
    CU_ASSERT_EQUAL(mproc_describe_locks(NULL, 0), length);
    CU_ASSERT_EQUAL(mproc_describe_locks(NULL, 100), length);
    destroy(&shared);
}

MPROC_SUITE(describe, MPROC_TEST(each_kind_says_what_it_is), MPROC_TEST(conditions_tell_of_their_lock),
            MPROC_TEST(a_holder_is_named_and_told_to_be_dead),
            MPROC_TEST(the_dead_do_not_wait),
            MPROC_TEST(many_waiting_threads_of_a_process_are_seen),
            MPROC_TEST(a_short_text_is_cut_and_its_length_is_told))
