/* SPDX-License-Identifier: MIT */
/* What nobody else wants costs no system call. */
#include "suite.h"
#include "system.h"

enum { CANNOT = 8, ROUNDS = 1000 };

struct objects {
    mproc_lock lock;
    mproc_rlock rlock;
    mproc_semaphore semaphore;
    mproc_permits permits;
    mproc_rwlock rwlock;
    mproc_event event;
    mproc_condition condition;
    mproc_value value;
    mproc_array array;
    mproc_memory block; /* ints: the step that is being made, its round; ROUNDS after the last */
};
enum { STEP, ROUND, INTS };

static void make_lock(const struct objects *objects)
{
    CHILD_OK(mproc_lock_acquire(objects->lock, MPROC_FOREVER));
    CHILD_CHECK(mproc_lock_locked(objects->lock));
    CHILD_OK(mproc_lock_release(objects->lock));
}

static void make_rlock(const struct objects *objects)
{
    for (int i = 0; i < 2; i++)
        CHILD_OK(mproc_rlock_acquire(objects->rlock, MPROC_FOREVER));
    for (int i = 0; i < 2; i++)
        CHILD_OK(mproc_rlock_release(objects->rlock));
}

static void make_semaphore(const struct objects *objects)
{
    CHILD_OK(mproc_semaphore_acquire(objects->semaphore, MPROC_FOREVER));
    CHILD_OK(mproc_semaphore_release(objects->semaphore));
}

static void make_permits(const struct objects *objects)
{
    CHILD_OK(mproc_permits_acquire(objects->permits, MPROC_FOREVER));
    CHILD_OK(mproc_permits_release(objects->permits));
}

static void make_read(const struct objects *objects)
{
    CHILD_OK(mproc_rwlock_acquire_read(objects->rwlock, MPROC_FOREVER));
    CHILD_OK(mproc_rwlock_release(objects->rwlock));
}

static void make_event(const struct objects *objects)
{
    CHILD_OK(mproc_event_set(objects->event));
    CHILD_CHECK(mproc_event_is_set(objects->event));
    CHILD_OK(mproc_event_wait(objects->event, MPROC_FOREVER));
    CHILD_OK(mproc_event_clear(objects->event));
}

static void make_notify(const struct objects *objects)
{
    CHILD_OK(mproc_condition_acquire(objects->condition, MPROC_FOREVER));
    CHILD_OK(mproc_condition_notify(objects->condition, 1));
    CHILD_OK(mproc_condition_notify_all(objects->condition));
    CHILD_OK(mproc_condition_release(objects->condition));
}

static void make_value(const struct objects *objects)
{
    int value = 5;
    int64_t number;
    CHILD_OK(mproc_value_set(objects->value, &value));
    CHILD_OK(mproc_value_get(objects->value, &value));
    CHILD_OK(mproc_value_add_int(objects->value, 1, NULL));
    CHILD_OK(mproc_array_set_int(objects->array, 1, 7));
    CHILD_OK(mproc_array_get_int(objects->array, 1, &number));
}

static const struct step {
    const char *name;
    void (*make)(const struct objects *objects);
} steps[] = {
    { "lock", make_lock },       { "rlock", make_rlock }, { "semaphore", make_semaphore },
    { "permits", make_permits }, { "read", make_read },   { "event", make_event },
    { "notify", make_notify },   { "value", make_value },
};
enum { STEPS = sizeof steps / sizeof steps[0] };

/* The first round is before the filter: who takes a lock for the first time says how it can be known to live. */
static int make_steps(void *argument)
{
    const struct objects *objects = argument;
    _Atomic int *ints = mproc_pointer(objects->block);
    for (int round = 0; round < ROUNDS; round++) {
        if (round == 1 && !forbid_system_calls())
            return CANNOT;
        atomic_store(&ints[ROUND], round);
        for (int step = 0; step < STEPS; step++) {
            atomic_store(&ints[STEP], step);
            steps[step].make(objects);
        }
    }
    atomic_store(&ints[ROUND], ROUNDS);
    end_hard("_exit7"); /* in which a sanitizer makes calls */
    return 0;
}

static void create(struct objects *objects)
{
    CHECK_OK(mproc_lock_create(&objects->lock));
    CHECK_OK(mproc_rlock_create(&objects->rlock));
    CHECK_OK(mproc_semaphore_create(&objects->semaphore, 1));
    CHECK_OK(mproc_permits_create(&objects->permits, 1));
    CHECK_OK(mproc_rwlock_create(&objects->rwlock));
    CHECK_OK(mproc_event_create(&objects->event));
    CHECK_OK(mproc_condition_create(&objects->condition));
    CHECK_OK(mproc_value_create(&objects->value, 'i'));
    CHECK_OK(mproc_array_create(&objects->array, 'i', 3));
    shared_ints(&objects->block, INTS);
}

static void destroy(struct objects *objects)
{
    CHECK_OK(mproc_lock_destroy(objects->lock));
    CHECK_OK(mproc_rlock_destroy(objects->rlock));
    CHECK_OK(mproc_semaphore_destroy(objects->semaphore));
    CHECK_OK(mproc_permits_destroy(objects->permits));
    CHECK_OK(mproc_rwlock_destroy(objects->rwlock));
    CHECK_OK(mproc_event_destroy(objects->event));
    CHECK_OK(mproc_condition_destroy(objects->condition));
    CHECK_OK(mproc_value_destroy(objects->value));
    CHECK_OK(mproc_array_destroy(objects->array));
    CHECK_OK(mproc_free(objects->block));
}

static void what_nobody_else_wants_costs_no_system_call(void)
{
    struct objects objects;
#ifdef MPROC_SANITIZED_THREADS
    skip("the thread sanitizer makes system calls of its own");
    return;
#endif
    create(&objects);
    _Atomic int *ints = mproc_pointer(objects.block);
    int code = run_child(make_steps, &objects, sizeof objects, NULL);
    if (code == CANNOT)
        skip("this system has no filter that ends a process at its next system call");
    else if (ints[ROUND] != ROUNDS)
        printf("  ended with %d at %s, round %d\n", code, steps[ints[STEP]].name, ints[ROUND]);
    CU_ASSERT_TRUE(code == CANNOT || ints[ROUND] == ROUNDS);
    destroy(&objects);
}

static int sleep_when_forbidden(void *argument)
{
    (void) argument;
    if (!forbid_system_calls())
        return CANNOT;
    sleep_briefly();
    end_hard("_exit7");
    return 0;
}

/* Else the test above could not fail. */
static void the_filter_ends_who_makes_one(void)
{
    int code = run_child(sleep_when_forbidden, NULL, 0, NULL);
    if (code == CANNOT)
        skip("this system has no filter that ends a process at its next system call");
    CU_ASSERT_TRUE(code < 0 || code == CANNOT);
}

MPROC_SUITE(uncontended, MPROC_TEST(what_nobody_else_wants_costs_no_system_call),
            MPROC_TEST(the_filter_ends_who_makes_one))
