/* SPDX-License-Identifier: MIT */
/* Who counts as dead, and when: what a living process holds stays its own, whatever keeps others from seeing it. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { HELD, BLIND, SEES_AGAIN, CANNOT = 77 };

struct shared {
    mproc_lock lock;
    mproc_memory block;
    bool without_proc; /* how the waiter is blinded: an empty root, or no descriptor left */
};

static _Atomic int *ints_of(const struct shared *shared)
{
    return mproc_pointer(shared->block);
}

static int hold(void *argument)
{
    const struct shared *shared = argument;
    CHILD_OK(mproc_lock_acquire(shared->lock, 60000));
    atomic_store(&ints_of(shared)[HELD], (int) mproc_pid());
    return hang_for_ever(NULL);
}

/* Waits for a lock whose holder it cannot look at, until it is told of the holder's death. */
static int wait_blindly(void *argument)
{
    const struct shared *shared = argument;
    _Atomic int *ints = ints_of(shared);
    intptr_t natives[MOST_HELD];
    CHILD_CHECK(wait_until(&ints[HELD], 1));
    int held = shared->without_proc ? 0 : hold_all_descriptors(natives);
    bool is_blind = shared->without_proc ? enter_empty_root() : held > 0;
    if (!is_blind && !atomic_load(&ints[SEES_AGAIN])) {
        atomic_store(&ints[BLIND], -1);
        return CANNOT;
    }
    CHILD_FAILS(mproc_lock_acquire(shared->lock, 300), MPROC_ETIMEDOUT);
    CHILD_FAILS(mproc_lock_acquire(shared->lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    atomic_store(&ints[BLIND], 1);
    if (atomic_load(&ints[SEES_AGAIN]))
        give_back_descriptors(natives, held);
    CHILD_FAILS(mproc_lock_acquire(shared->lock, 60000), MPROC_OWNERDEAD);
    CHILD_OK(mproc_lock_consistent(shared->lock));
    CHILD_OK(mproc_lock_release(shared->lock));
    mproc_plat_exit_now(0); /* a sanitizer's last look needs /proc, and descriptors */
}

/* Or knows that it cannot become so. */
static void wait_until_blind(const _Atomic int *ints)
{
    for (int i = 0; i < 60000 && atomic_load(&ints[BLIND]) == 0; i++)
        sleep_briefly();
}

static void end_shared(struct shared *shared, mproc_process *waiter)
{
    int code = end_child(waiter);
    if (code == CANNOT)
        skip(shared->without_proc ? "only root may change its root, and Windows has none"
                                  : "this system has no limit of descriptors");
    else
        CU_ASSERT_EQUAL(code, 0);
    CHECK_OK(mproc_lock_destroy(shared->lock));
    CHECK_OK(mproc_free(shared->block));
}

static void check_blind_waiter(bool without_proc)
{
    struct shared shared = { .without_proc = without_proc };
    shared_ints(&shared.block, 3);
    CHECK_OK(mproc_lock_create(&shared.lock));
    mproc_process *holder = start_child(hold, &shared, sizeof shared, NULL);
    mproc_process *waiter = start_child(wait_blindly, &shared, sizeof shared, NULL);
    wait_until_blind(ints_of(&shared));
    CHECK_OK(mproc_process_kill(holder));
    end_child(holder);
    end_shared(&shared, waiter);
}

static void a_waiter_without_descriptors_leaves_the_living_their_lock(void)
{
    check_blind_waiter(false);
}

static void a_waiter_without_proc_leaves_the_living_their_lock(void)
{
    check_blind_waiter(true);
    remove_folder("empty");
}

static int deny_and_hold(void *argument)
{
    if (deny_others())
        return hold(argument);
    atomic_store(&ints_of(argument)[HELD], -1);
    return CANNOT;
}

static void a_holder_that_may_not_be_looked_at_keeps_its_lock(void)
{
    struct shared shared = { 0 };
    _Atomic int *ints = shared_ints(&shared.block, 3);
    CHECK_OK(mproc_lock_create(&shared.lock));
    mproc_process *holder = start_child(deny_and_hold, &shared, sizeof shared, NULL);
    for (int i = 0; i < 60000 && atomic_load(&ints[HELD]) == 0; i++)
        sleep_briefly();
    if (atomic_load(&ints[HELD]) > 0) {
        CHECK_FAILS(mproc_lock_acquire(shared.lock, 300), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_process_kill(holder));
        end_child(holder);
        CHECK_FAILS(mproc_lock_acquire(shared.lock, 60000), MPROC_OWNERDEAD);
        CHECK_OK(mproc_lock_consistent(shared.lock));
        CHECK_OK(mproc_lock_release(shared.lock));
    } else {
        CU_ASSERT_EQUAL(end_child(holder), CANNOT);
        skip("no process can deny its own user to look at it here");
    }
    CHECK_OK(mproc_lock_destroy(shared.lock));
    CHECK_OK(mproc_free(shared.block));
}

static int start_holder_and_die(void *argument)
{
    const struct shared *shared = argument;
    mproc_process *process;
    CHILD_OK(mproc_process_start(&process, hold, argument, sizeof *shared, NULL));
    CHILD_CHECK(wait_until(&ints_of(shared)[HELD], 1));
    end_hard("_exit7");
    return 0;
}

/* Nobody of the family reaps it: only looking tells of its death. */
static void an_orphans_death_is_seen_as_soon_as_it_can_be_looked_at(void)
{
    struct shared shared = { 0 };
    _Atomic int *ints = shared_ints(&shared.block, 3);
    CHECK_OK(mproc_lock_create(&shared.lock));
    atomic_store(&ints[SEES_AGAIN], 1);
    CU_ASSERT_EQUAL(run_child(start_holder_and_die, &shared, sizeof shared, NULL), 7);
    mproc_process *waiter = start_child(wait_blindly, &shared, sizeof shared, NULL);
    wait_until_blind(ints);
    kill_hard(ints[HELD]);
    end_shared(&shared, waiter);
}

/* Trying a held lock again and again does not look at the holder each time. */
static void who_only_tries_a_lock_looks_at_its_holder_now_and_then(void)
{
    struct shared shared = { 0 };
    _Atomic int *ints = shared_ints(&shared.block, 3);
    CHECK_OK(mproc_lock_create(&shared.lock));
    mproc_process *holder = start_child(hold, &shared, sizeof shared, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[HELD], 1));
    CU_ASSERT_EQUAL(mproc_lock_acquire(shared.lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    int64_t before = count_reads(), begin = mproc_plat_now();
    for (int i = 0; i < 10000; i++)
        CU_ASSERT_EQUAL(mproc_lock_acquire(shared.lock, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    /* A look every millisecond, and a few for counting. */
    int64_t most = (mproc_plat_now() - begin) / 1000000 + 20;
    int64_t reads = count_reads() - before;
    CU_ASSERT_TRUE(reads < most);
    if (before < 0)
        skip("this system does not count reads");
    else
        printf("  %lld reads where %lld may be\n", (long long) reads, (long long) most);
    kill_hard(ints[HELD]);
    /* Not reaped: only looking tells. */
    mproc_err err = MPROC_ETIMEDOUT;
    for (int i = 0; i < 60000 && err == MPROC_ETIMEDOUT; i++) {
        sleep_briefly();
        err = mproc_lock_acquire(shared.lock, MPROC_NOWAIT);
    }
    CU_ASSERT_EQUAL(err, MPROC_OWNERDEAD);
    CHECK_OK(mproc_lock_consistent(shared.lock));
    CHECK_OK(mproc_lock_release(shared.lock));
    end_child(holder);
    CHECK_OK(mproc_lock_destroy(shared.lock));
    CHECK_OK(mproc_free(shared.block));
}

MPROC_SUITE(liveness, MPROC_TEST(who_only_tries_a_lock_looks_at_its_holder_now_and_then),
            MPROC_TEST(a_waiter_without_descriptors_leaves_the_living_their_lock),
            MPROC_TEST(a_waiter_without_proc_leaves_the_living_their_lock),
            MPROC_TEST(a_holder_that_may_not_be_looked_at_keeps_its_lock),
            MPROC_TEST(an_orphans_death_is_seen_as_soon_as_it_can_be_looked_at))
