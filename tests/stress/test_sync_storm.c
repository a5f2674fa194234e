/* SPDX-License-Identifier: MIT */
/* Kills of holders and waiters of every primitive, at random instants and at every fault point.
 *
 * Children work on one primitive under a supervisor that kills them, one every now and then, and starts
 * others. Each child says in a ledger of its own, outside what the primitive guards, what it is about to do and
 * what it has done; so the supervisor knows afterwards what the counts must be. MPROC_STORM_KILLS sets how
 * many are killed in all (1,000,000 takes a few hours):
 *
 *     MPROC_STORM_KILLS=1000000 MPROC_START_METHOD=fork build/gcc/tests/test_stress_sync_storm */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { WORKERS = 4, FORK_KILLS = 10000, OTHER_KILLS = 400, WINDOWS_KILLS = 60, KINDS = 7 };

/* One per place of a worker. A kill between two of its stores leaves `began` ahead of `done` by one. */
struct ledger {
    _Atomic int64_t began, done;
    _Atomic int64_t told;       /* MPROC_OWNERDEAD */
    _Atomic int64_t last_round; /* mproc_plat_now(): a worker that makes no progress is stuck */
    _Atomic int inside;         /* between having acquired and releasing */
    char space[88];
};

enum kind { LOCK, RLOCK, SEMAPHORE, PERMITS, RWLOCK, CONDITION, EVENT };
static const char *const kind_names[KINDS] = { "lock", "rlock", "semaphore", "permits", "rwlock", "condition",
                                               "event" };

struct storm {
    enum kind kind;
    int place;
    mproc_lock lock;
    mproc_rlock rlock;
    mproc_semaphore semaphore;
    mproc_permits permits;
    mproc_rwlock rwlock;
    mproc_condition condition;
    mproc_event event;
    mproc_memory ledgers, numbers;
    int64_t started[WORKERS]; /* mproc_plat_now() */
};

/* What the primitives guard; read and written without atomic operations that would hide a lack of exclusion. */
struct numbers {
    _Atomic int64_t a, b;    /* always the same outside the critical section */
    _Atomic int holders;     /* of permits */
    _Atomic int wrong;       /* two at once, a and b different */
    _Atomic int stop;
};

#define STORM_TIME INT64_C(9000000000) /* for each kind of lock */
#define LONGEST_START INT64_C(20000000000)

static int64_t kills_wanted(void)
{
    const char *text = getenv("MPROC_STORM_KILLS");
    int64_t kills = text ? strtoll(text, NULL, 10) : 0;
    return kills > 0 ? kills
           : system_is_windows() ? WINDOWS_KILLS
           : method_under_test() == MPROC_START_FORK ? FORK_KILLS
                                                     : OTHER_KILLS;
}

/* ---- the workers ---- */

static void change(struct numbers *numbers, struct ledger *ledger)
{
    atomic_fetch_add(&ledger->began, 1);
    int64_t a = atomic_load_explicit(&numbers->a, memory_order_relaxed);
    atomic_store_explicit(&numbers->a, a + 1, memory_order_relaxed);
    atomic_store_explicit(&numbers->b, a + 1, memory_order_relaxed);
    atomic_fetch_add(&ledger->done, 1);
}

/* After a death: a may be ahead of b. */
static void repair(struct numbers *numbers, struct ledger *ledger)
{
    atomic_fetch_add(&ledger->told, 1);
    atomic_store(&numbers->b, atomic_load(&numbers->a));
}

static void guarded(struct numbers *numbers, struct ledger *ledger, bool was_told)
{
    if (was_told)
        repair(numbers, ledger);
    if (atomic_load(&numbers->a) != atomic_load(&numbers->b))
        atomic_fetch_add(&numbers->wrong, 1);
    change(numbers, ledger);
}

static void must(mproc_err err)
{
    CHILD_CHECK(err == MPROC_OK);
}

static bool took(mproc_err err)
{
    CHILD_CHECK(err == MPROC_OK || err == MPROC_OWNERDEAD);
    return err == MPROC_OWNERDEAD;
}

static void round_of(struct storm *storm, struct numbers *numbers, struct ledger *ledger, int round)
{
    bool told;
    switch (storm->kind) {
    case LOCK:
        told = took(mproc_lock_acquire(storm->lock, MPROC_FOREVER));
        guarded(numbers, ledger, told);
        if (told)
            must(mproc_lock_consistent(storm->lock));
        must(mproc_lock_release(storm->lock));
        break;
    case RLOCK:
        told = took(mproc_rlock_acquire(storm->rlock, MPROC_FOREVER));
        must(mproc_rlock_acquire(storm->rlock, MPROC_FOREVER));
        guarded(numbers, ledger, told);
        if (told)
            must(mproc_rlock_consistent(storm->rlock));
        must(mproc_rlock_release(storm->rlock));
        must(mproc_rlock_release(storm->rlock));
        break;
    case RWLOCK:
        if (round % 3) {
            told = took(mproc_rwlock_acquire_read(storm->rwlock, MPROC_FOREVER));
            if (told)
                repair(numbers, ledger);
            if (atomic_load(&numbers->a) != atomic_load(&numbers->b))
                atomic_fetch_add(&numbers->wrong, 1);
        } else {
            told = took(mproc_rwlock_acquire_write(storm->rwlock, MPROC_FOREVER));
            guarded(numbers, ledger, told);
        }
        if (told)
            must(mproc_rwlock_consistent(storm->rwlock));
        must(mproc_rwlock_release(storm->rwlock));
        break;
    case PERMITS:
        must(mproc_permits_acquire(storm->permits, MPROC_FOREVER));
        must(mproc_permits_release(storm->permits));
        break;
    case SEMAPHORE: /* permits of the dead are lost: the supervisor puts back what the ledger says */
        must(mproc_semaphore_acquire(storm->semaphore, MPROC_FOREVER));
        must(mproc_semaphore_release(storm->semaphore));
        break;
    case CONDITION:
        told = took(mproc_condition_acquire(storm->condition, MPROC_FOREVER));
        guarded(numbers, ledger, told);
        if (told)
            must(mproc_condition_consistent(storm->condition));
        must(mproc_condition_notify(storm->condition, 1));
        if (round % 4 == 0) {
            mproc_err err = mproc_condition_wait(storm->condition, 3);
            CHILD_CHECK(err == MPROC_OK || err == MPROC_ETIMEDOUT || err == MPROC_OWNERDEAD);
            if (err == MPROC_OWNERDEAD) {
                repair(numbers, ledger);
                must(mproc_condition_consistent(storm->condition));
            }
        }
        must(mproc_condition_release(storm->condition));
        break;
    case EVENT:
        if (round % 2) {
            must(mproc_event_set(storm->event));
        } else {
            mproc_err err = mproc_event_wait(storm->event, 5);
            CHILD_CHECK(err == MPROC_OK || err == MPROC_ETIMEDOUT);
            must(mproc_event_clear(storm->event));
        }
        break;
    }
}

static int work(void *argument)
{
    struct storm *storm = argument;
    struct ledger *ledger = (struct ledger *) mproc_pointer(storm->ledgers) + storm->place;
    struct numbers *numbers = mproc_pointer(storm->numbers);
    for (int round = 0; atomic_load(&numbers->stop) == 0; round++) {
        atomic_store(&ledger->last_round, mproc_plat_now());
        round_of(storm, numbers, ledger, round);
    }
    return 0;
}

/* ---- the supervisor ---- */

static void create(struct storm *storm, enum kind kind)
{
    *storm = (struct storm){ .kind = kind };
    CHECK_OK(mproc_lock_create(&storm->lock));
    CHECK_OK(mproc_rlock_create(&storm->rlock));
    CHECK_OK(mproc_semaphore_create(&storm->semaphore, 100000));
    CHECK_OK(mproc_permits_create(&storm->permits, 2));
    CHECK_OK(mproc_rwlock_create(&storm->rwlock));
    CHECK_OK(mproc_condition_create(&storm->condition));
    CHECK_OK(mproc_event_create(&storm->event));
    CHECK_OK(mproc_alloc(&storm->ledgers, WORKERS * sizeof(struct ledger)));
    CHECK_OK(mproc_alloc(&storm->numbers, sizeof(struct numbers)));
}

static void destroy(struct storm *storm)
{
    CHECK_OK(mproc_lock_destroy(storm->lock));
    CHECK_OK(mproc_rlock_destroy(storm->rlock));
    CHECK_OK(mproc_semaphore_destroy(storm->semaphore));
    CHECK_OK(mproc_permits_destroy(storm->permits));
    CHECK_OK(mproc_rwlock_destroy(storm->rwlock));
    CHECK_OK(mproc_condition_destroy(storm->condition));
    CHECK_OK(mproc_event_destroy(storm->event));
    CHECK_OK(mproc_free(storm->ledgers));
    CHECK_OK(mproc_free(storm->numbers));
}

static uint32_t random_state = 12345;
static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

static mproc_process *start_worker(struct storm *storm, int place, const mproc_process_options *options)
{
    struct ledger *ledger = (struct ledger *) mproc_pointer(storm->ledgers) + place;
    storm->started[place] = mproc_plat_now();
    atomic_store(&ledger->last_round, storm->started[place]);
    storm->place = place;
    return start_child(work, storm, sizeof *storm, options);
}

static bool has_worked(struct storm *storm, int place)
{
    struct ledger *ledger = (struct ledger *) mproc_pointer(storm->ledgers) + place;
    return atomic_load(&ledger->last_round) != storm->started[place];
}

/* The longest that a worker that lives has been in one round. */
static int64_t longest_round(struct storm *storm)
{
    struct ledger *ledgers = mproc_pointer(storm->ledgers);
    int64_t longest = 0, now = mproc_plat_now();
    for (int i = 0; i < WORKERS; i++) {
        int64_t took_so_long = now - atomic_load(&ledgers[i].last_round);
        longest = took_so_long > longest ? took_so_long : longest;
    }
    return longest;
}

static void check_counts(struct storm *storm, int64_t kills)
{
    struct ledger *ledgers = mproc_pointer(storm->ledgers);
    struct numbers *numbers = mproc_pointer(storm->numbers);
    int64_t began = 0, done = 0, told = 0;
    for (int i = 0; i < WORKERS; i++) {
        began += atomic_load(&ledgers[i].began);
        done += atomic_load(&ledgers[i].done);
        told += atomic_load(&ledgers[i].told);
    }
    CU_ASSERT_EQUAL(numbers->wrong, 0);
    CU_ASSERT_TRUE(told <= kills);
    /* Every change is counted once; one that a kill cut short may or may not have happened. */
    CU_ASSERT_TRUE(numbers->a >= done && numbers->a <= began);
    printf("  %s: %lld kills, %lld changes, %lld deaths of holders told\n", kind_names[storm->kind],
           (long long) kills, (long long) numbers->a, (long long) told);
}

static void rage(enum kind kind, int64_t kills)
{
    struct storm storm;
    mproc_process *workers[WORKERS];
    create(&storm, kind);
    struct numbers *numbers = mproc_pointer(storm.numbers);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_worker(&storm, i, NULL);
    int64_t longest = 0, start = mproc_plat_now(), killed = 0;
    for (; killed < kills; killed++) {
        if (!getenv("MPROC_STORM_KILLS") && mproc_plat_now() - start > STORM_TIME)
            break; /* a busy machine: fewer have to do */
        int victim = (int) draw(WORKERS);
        /* Half of the victims are past their start, however slow that is here. */
        for (int64_t limit = mproc_plat_now() + LONGEST_START;
             killed % 2 == 0 && !has_worked(&storm, victim) && mproc_plat_now() < limit;)
            mproc_plat_yield();
        int64_t until = mproc_plat_now() + draw(600) * 1000;
        while (mproc_plat_now() < until)
            continue; /* a random instant, not a tick of the kernel's */
        CHECK_OK(mproc_process_kill(workers[victim]));
        /* Not reaped before the others go on: a zombie is dead, and nobody needs the parent. */
        mproc_process *dead = workers[victim];
        workers[victim] = start_worker(&storm, victim, NULL);
        end_child(dead);
        int64_t now = longest_round(&storm);
        longest = now > longest ? now : longest;
        if (killed % 50 == 0)
            watchdog_start(110);
    }
    atomic_store(&numbers->stop, 1);
    int64_t begin = mproc_plat_now();
    for (int i = 0; i < WORKERS; i++)
        CU_ASSERT_EQUAL(end_child(workers[i]), 0);
    int64_t ending = mproc_plat_now() - begin;
    printf("  %s: the longest round took %lld ms, the end %lld ms\n", kind_names[kind],
           (long long) (longest / 1000000), (long long) (ending / 1000000));
    CU_ASSERT_TRUE(longest < INT64_C(20000000000)); /* 1 s is the promise; the machine may be busy */
    CU_ASSERT_TRUE(ending < INT64_C(20000000000));
    check_counts(&storm, killed);
    destroy(&storm);
}

static void workers_are_killed_at_random(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        rage((enum kind) kind, kills_wanted() / KINDS);
}

/* ---- every fault point ---- */

static const struct {
    const char *point;
    enum kind kind;
} points[] = {
    { "latch.before_release", LOCK },   { "latch.before_sleep", LOCK },     { "latch.before_wake", LOCK },
    { "sentry.watching", LOCK },        { "sentry.left", LOCK },            { "gate.epoch_read", SEMAPHORE },
    { "gate.announced", EVENT },        { "gate.awake", EVENT },            { "gate.under_way", PERMITS },
    { "gate.waking_all", EVENT },       { "event.set", EVENT },             { "semaphore.taken", SEMAPHORE },
    { "semaphore.released", SEMAPHORE }, { "permits.taken", PERMITS },      { "permits.released", PERMITS },
    { "rwlock.reader_added", RWLOCK },  { "rwlock.reader_removed", RWLOCK }, { "rwlock.writer_said", RWLOCK },
    { "rwlock.writing", RWLOCK },       { "rwlock.writer_cleared", RWLOCK }, { "condition.claimed", CONDITION },
    { "condition.lock_free", CONDITION }, { "condition.before_sleep", CONDITION },
    { "condition.awake", CONDITION },   { "condition.idle", CONDITION },    { "condition.notified", CONDITION },
    { "condition.swept", CONDITION },
};

/* A worker that dies where it is told to; where few others contend it may not come there. */
static bool dies_at(struct storm *storm, const char *point, int count)
{
    char variable[80];
    snprintf(variable, sizeof variable, "MPROC_FAULT=%s:%d:kill", point, count);
    const char *const environment[] = { variable, NULL };
    mproc_process_options options = { .environment = environment };
    int64_t until = mproc_plat_now() + LONGEST_START;
    mproc_process *victim = start_worker(storm, 0, &options);
    bool died = false;
    for (bool works = false; !died && mproc_plat_now() < until;) {
        died = mproc_process_join(victim, 10) == MPROC_OK;
        if (!works && has_worked(storm, 0)) {
            works = true;
            until = mproc_plat_now() + INT64_C(400000000);
        }
    }
    if (!died)
        CHECK_OK(mproc_process_kill(victim));
    end_child(victim);
    return died;
}

static void others_go_on_after_a_kill_at_any_point(void)
{
    int died = 0;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        struct storm storm;
        mproc_process *others[2];
        create(&storm, points[i].kind);
        struct numbers *numbers = mproc_pointer(storm.numbers);
        struct ledger *ledgers = mproc_pointer(storm.ledgers);
        for (int k = 0; k < 2; k++)
            others[k] = start_worker(&storm, k + 1, NULL);
        for (int count = 1; count <= 2; count++)
            died += dies_at(&storm, points[i].point, count);
        for (int k = 0; k < 2; k++) { /* both are seen to make progress after the last death */
            int64_t before = mproc_plat_now();
            while (atomic_load(&ledgers[k + 1].last_round) < before && mproc_plat_now() < before + INT64_C(20000000000))
                sleep_briefly();
            CU_ASSERT_TRUE(atomic_load(&ledgers[k + 1].last_round) >= before);
        }
        atomic_store(&numbers->stop, 1);
        for (int k = 0; k < 2; k++)
            CU_ASSERT_EQUAL(end_child(others[k]), 0);
        CU_ASSERT_EQUAL(numbers->wrong, 0);
        destroy(&storm);
    }
    printf("  %d of %zu died where they were told to\n", died, 2 * sizeof points / sizeof points[0]);
    CU_ASSERT_TRUE(died >= (int) (sizeof points / sizeof points[0]) / 2);
}

MPROC_SUITE(sync_storm, MPROC_TEST(workers_are_killed_at_random),
            MPROC_TEST(others_go_on_after_a_kill_at_any_point))
