/* SPDX-License-Identifier: MIT */
/* Kills of holders and waiters of every primitive, at random instants and at every fault point.
 *
 * Children work on one primitive under a supervisor that kills some of them, one or two every now and then, and
 * starts others; some live as long as the storm. Each child says in a ledger of its own, outside what the primitive
 * guards, what it is about to do and what it has done; so the supervisor knows afterwards what the counts must be.
 * Between bursts of kills all must be seen to go on. MPROC_STORM_KILLS sets how many are killed in all (1,000,000
 * takes an hour):
 *
 *     MPROC_STORM_KILLS=1000000 MPROC_START_METHOD=fork build/gcc/tests/test_stress_sync_storm */
#include "sync_work.h"
#include "system.h"

#include "platform.h"

enum { FORK_KILLS = 10000, OTHER_KILLS = 400, WINDOWS_KILLS = 64, BURST = 25 };
#define SECOND INT64_C(1000000000)
#define HOPELESS (20 * SECOND)

static const char *const kind_names[KINDS] = { "lock", "rlock", "semaphore", "permits", "rwlock", "condition", "event",
                                               "barrier" };

/* What the supervisor knows. */
struct supervisor {
    struct storm storm;
    mproc_process *workers[WORKERS];
    int ledgers[WORKERS];       /* that they have */
    int64_t started[WORKERS];   /* mproc_plat_now() */
    int64_t killed, certain, possible; /* deaths of holders that must, and may, be told */
    int64_t longest;            /* round of one that lived */
    int64_t latest;             /* how late the supervisor itself was, who waits for nothing but a CPU */
};

static int64_t kills_wanted(void)
{
    const char *text = getenv("MPROC_STORM_KILLS");
    int64_t kills = text ? strtoll(text, NULL, 10) : 0;
    return kills > 0 ? kills
           : system_is_windows() ? WINDOWS_KILLS
           : method_under_test() == MPROC_START_FORK ? FORK_KILLS
                                                     : OTHER_KILLS;
}

static uint32_t draw(uint32_t below)
{
    static uint32_t state = 12345;
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

/* ---- workers ---- */

static void start_worker(struct supervisor *supervisor, int place, const mproc_process_options *options)
{
    struct storm storm = supervisor->storm;
    int number = supervisor->ledgers[place] = (supervisor->ledgers[place] + WORKERS) % LEDGERS;
    struct ledger *ledger = ledger_of(&storm, number);
    supervisor->started[place] = mproc_plat_now();
    atomic_store(&ledger->phase, OUTSIDE);
    atomic_store(&ledger->last_round, supervisor->started[place]);
    atomic_fetch_add(&ledger->life, atomic_load(&ledger->life) % 2);
    storm.place = place;
    storm.ledger = number;
    supervisor->workers[place] = start_child(sync_work, &storm, sizeof storm, options);
}

static bool has_worked(struct supervisor *supervisor, int place)
{
    struct ledger *ledger = ledger_of(&supervisor->storm, supervisor->ledgers[place]);
    return atomic_load(&ledger->last_round) != supervisor->started[place];
}

static void begin(struct supervisor *supervisor, enum kind kind, bool slow)
{
    struct storm *storm = &supervisor->storm;
    *supervisor = (struct supervisor){ .storm = { .kind = kind, .slow = slow } };
    CHECK_OK(mproc_lock_create(&storm->lock));
    CHECK_OK(mproc_rlock_create(&storm->rlock));
    CHECK_OK(mproc_semaphore_create(&storm->semaphore, 0));
    CHECK_OK(mproc_permits_create(&storm->permits, PERMIT_COUNT));
    CHECK_OK(mproc_rwlock_create(&storm->rwlock));
    CHECK_OK(mproc_condition_create_lock(&storm->filled, storm->lock));
    CHECK_OK(mproc_condition_create_lock(&storm->emptied, storm->lock));
    CHECK_OK(mproc_event_create(&storm->event));
    CHECK_OK(mproc_barrier_create(&storm->barrier, WORKERS));
    CHECK_OK(mproc_alloc(&storm->ledgers, LEDGERS * sizeof(struct ledger)));
    CHECK_OK(mproc_alloc(&storm->numbers, sizeof(struct numbers)));
    for (int place = 0; place < WORKERS; place++) {
        supervisor->ledgers[place] = place;
        start_worker(supervisor, place, NULL);
    }
}

static void end(struct supervisor *supervisor)
{
    struct storm *storm = &supervisor->storm;
    int64_t begin = mproc_plat_now();
    atomic_store(&numbers_of(storm)->stop, 1);
    for (int i = 0; i < WORKERS; i++) {
        do
            sync_wake_all(storm);
        while (mproc_process_join(supervisor->workers[i], 10) != MPROC_OK && mproc_plat_now() < begin + HOPELESS);
        CU_ASSERT_EQUAL(end_child(supervisor->workers[i]), 0);
    }
    CU_ASSERT_EQUAL(numbers_of(storm)->wrong, 0);
}

static void destroy(struct storm *storm)
{
    CHECK_OK(mproc_lock_destroy(storm->lock));
    CHECK_OK(mproc_rlock_destroy(storm->rlock));
    CHECK_OK(mproc_semaphore_destroy(storm->semaphore));
    CHECK_OK(mproc_permits_destroy(storm->permits));
    CHECK_OK(mproc_rwlock_destroy(storm->rwlock));
    CHECK_OK(mproc_condition_destroy(storm->filled));
    CHECK_OK(mproc_condition_destroy(storm->emptied));
    CHECK_OK(mproc_event_destroy(storm->event));
    CHECK_OK(mproc_barrier_destroy(storm->barrier));
    CHECK_OK(mproc_free(storm->ledgers));
    CHECK_OK(mproc_free(storm->numbers));
}

/* ---- what is seen of them ---- */

/* The longest that a worker that lives has been in one round. */
static void look_at_rounds(struct supervisor *supervisor)
{
    int64_t now = mproc_plat_now();
    for (int i = 0; i < WORKERS; i++) {
        struct ledger *ledger = ledger_of(&supervisor->storm, supervisor->ledgers[i]);
        int64_t took = now - atomic_load(&ledger->last_round);
        bool lives = atomic_load(&ledger->life) % 2 == 0 && has_worked(supervisor, i);
        if (lives && took > supervisor->longest)
            supervisor->longest = took;
    }
}

/* Nobody is killed now, and so each of them makes rounds, but for `missing` ones from place `first` on: who is stuck is
 * not helped by another's death, nor by one that comes new and looks for itself. */
static void others_must_go_on(struct supervisor *supervisor, int first, int missing)
{
    int64_t before[WORKERS], limit = mproc_plat_now() + HOPELESS;
    for (int i = 0; i < WORKERS; i++)
        before[i] = atomic_load(&ledger_of(&supervisor->storm, supervisor->ledgers[i])->rounds);
    for (int i = 0; i < WORKERS; i++) {
        struct ledger *ledger = ledger_of(&supervisor->storm, supervisor->ledgers[i]);
        if (i < VICTIMS && (i - first + VICTIMS) % VICTIMS < missing)
            continue;
        while (atomic_load(&ledger->rounds) < before[i] + 2 && mproc_plat_now() < limit) {
            look_at_rounds(supervisor);
            sleep_briefly();
        }
        if (atomic_load(&ledger->rounds) < before[i] + 2)
            printf("  %s: the worker at place %d is stuck\n", kind_names[supervisor->storm.kind], i);
        CU_ASSERT_TRUE(atomic_load(&ledger->rounds) >= before[i] + 2);
    }
}

static void all_must_go_on(struct supervisor *supervisor)
{
    others_must_go_on(supervisor, 0, 0);
}

/* 1 s is the promise; where CPUs are scarce, whoever waits for one is not stuck. On a generic Unix nobody is woken: who
 * looks every 2 ms may find that others were quicker, many times. */
static void check_rounds(struct supervisor *supervisor)
{
    int64_t limit = (TELLS_BY_PIPE ? HOPELESS : SECOND) + 10 * supervisor->latest;
    if (supervisor->longest >= limit)
        printf("  %s: a round of %lld ms, where %lld are the most\n", kind_names[supervisor->storm.kind],
               (long long) (supervisor->longest / 1000000), (long long) (limit / 1000000));
    CU_ASSERT_TRUE(supervisor->longest < limit);
}

struct sums {
    int64_t began, done, told, unmarked;
};

static struct sums sum_of(struct storm *storm, bool givers)
{
    struct sums sums = { .began = 0 };
    for (int i = 0; i < LEDGERS; i++) {
        bool gives = i % WORKERS == FIRST_GIVER || i % WORKERS == SECOND_GIVER;
        struct ledger *ledger = ledger_of(storm, i);
        sums.began += gives == givers ? atomic_load(&ledger->began) : 0;
        sums.done += gives == givers ? atomic_load(&ledger->done) : 0;
        sums.told += gives == givers ? atomic_load(&ledger->told) : 0;
        sums.unmarked += gives == givers ? atomic_load(&ledger->unmarked) : 0;
    }
    return sums;
}

/* What a kill cut short may or may not have happened; all else is counted once. */
static void check_counts(struct supervisor *supervisor, int told_last)
{
    struct storm *storm = &supervisor->storm;
    struct sums given = sum_of(storm, true), taken = sum_of(storm, false);
    int64_t told = given.told + taken.told + told_last, unmarked = given.unmarked + taken.unmarked;
    if (storm->kind == SEMAPHORE) {
        int64_t value = mproc_semaphore_value(storm->semaphore) - storm->more;
        CU_ASSERT_TRUE(value >= given.done - taken.began && value <= given.began - taken.done);
    } else {
        int64_t a = numbers_of(storm)->a;
        CU_ASSERT_TRUE(a >= given.done + taken.done && a <= given.began + taken.began);
    }
    CU_ASSERT_TRUE(told >= supervisor->certain && told <= supervisor->certain + supervisor->possible);
    /* Each death is told once: a second time would find no mark, as one in some thousands does that is killed in the
     * two short moments without one. */
    CU_ASSERT_TRUE(unmarked <= supervisor->possible && unmarked <= told / 4 + 3);
    printf("  %s: %lld kills, %lld rounds, %lld deaths told (%lld unmarked) of %lld to %lld, longest round %lld ms\n",
           kind_names[storm->kind], (long long) supervisor->killed, (long long) (given.done + taken.done),
           (long long) told, (long long) unmarked, (long long) supervisor->certain,
           (long long) (supervisor->certain + supervisor->possible), (long long) (supervisor->longest / 1000000));
}

/* ---- at random instants ---- */

/* A random instant, not a tick of the kernel's. */
static void wait_a_while(struct supervisor *supervisor)
{
    int64_t until = mproc_plat_now() + draw(600) * 1000, now;
    while ((now = mproc_plat_now()) < until)
        continue;
    if (now - until > supervisor->latest)
        supervisor->latest = now - until;
}

/* Half of the victims are past their start, however slow that is here. */
static void wait_until_it_works(struct supervisor *supervisor, int victim)
{
    int64_t limit = mproc_plat_now() + HOPELESS;
    while (draw(2) && !has_worked(supervisor, victim) && mproc_plat_now() < limit)
        mproc_plat_yield();
}

static void kill_worker(struct supervisor *supervisor, int place)
{
    atomic_fetch_add(&ledger_of(&supervisor->storm, supervisor->ledgers[place])->life, 1);
    CHECK_OK(mproc_process_kill(supervisor->workers[place]));
}

/* At a barrier all are needed. What a dead waiter was told may be lost with it, and its successor would not notice. */
static bool is_missed(const struct supervisor *supervisor)
{
    return supervisor->storm.kind != BARRIER && draw(supervisor->storm.kind == CONDITION ? 2 : 16) == 0;
}

/* Not reaped before the others go on: a zombie is dead, and nobody needs the parent. */
static void kill_some(struct supervisor *supervisor, int count)
{
    mproc_process *dead[VICTIMS];
    struct ledger *ledgers[VICTIMS];
    int first = (int) draw(VICTIMS);
    for (int i = 0; i < count; i++) {
        int victim = (first + i) % VICTIMS;
        wait_until_it_works(supervisor, victim);
        dead[i] = supervisor->workers[victim];
        ledgers[i] = ledger_of(&supervisor->storm, supervisor->ledgers[victim]);
    }
    wait_a_while(supervisor);
    for (int i = 0; i < count; i++)
        kill_worker(supervisor, (first + i) % VICTIMS);
    if (is_missed(supervisor))
        others_must_go_on(supervisor, first, count);
    for (int i = 0; i < count; i++)
        start_worker(supervisor, (first + i) % VICTIMS, NULL);
    for (int i = 0; i < count; i++) {
        end_child(dead[i]);
        int phase = atomic_load(&ledgers[i]->phase);
        bool is_told = supervisor->storm.kind != PERMITS;
        supervisor->certain += is_told && phase == INSIDE;
        supervisor->possible += is_told && (phase == COMING || phase == LEAVING);
    }
    supervisor->killed += count;
}

static void rage(enum kind kind, int64_t kills)
{
    struct supervisor supervisor;
    begin(&supervisor, kind, false);
    for (int64_t burst = BURST; supervisor.killed < kills; burst += BURST) {
        watchdog_start(110);
        while (supervisor.killed < burst && supervisor.killed < kills) {
            kill_some(&supervisor, draw(4) == 0 && supervisor.killed + 2 <= kills ? 2 : 1);
            look_at_rounds(&supervisor);
        }
        all_must_go_on(&supervisor);
    }
    check_rounds(&supervisor);
    end(&supervisor);
    CU_ASSERT_EQUAL(supervisor.killed, kills);
    check_counts(&supervisor, sync_take_last(&supervisor.storm));
    destroy(&supervisor.storm);
}

static void workers_are_killed_at_random(void)
{
    int64_t begin = mproc_plat_now(), kills = kills_wanted();
    for (int kind = 0; kind < KINDS; kind++)
        rage((enum kind) kind, kills / KINDS + (kind < kills % KINDS));
    printf("  %lld kills in %lld s\n", (long long) kills, (long long) ((mproc_plat_now() - begin) / SECOND));
}

/* ---- at every fault point ---- */

/* `place`: of the victim, who gives or takes. Points that only somebody comes to who repairs are for test_condition.c,
 * test_barrier.c and test_rwlock.c. */
static const struct {
    const char *point;
    enum kind kind;
    int place;
} points[] = {
    { "latch.before_release", LOCK, 1 }, { "latch.before_sleep", LOCK, 1 },
    { "latch.before_wake", LOCK, 1 }, { "sentry.watching", LOCK, 1 },
    { "sentry.left", LOCK, 1 }, { "latch.before_release", RLOCK, 1 },
    { "gate.epoch_read", SEMAPHORE, 1 }, { "semaphore.taken", SEMAPHORE, 1 },
    { "semaphore.released", SEMAPHORE, 0 }, { "gate.announced", EVENT, 1 },
    { "gate.awake", EVENT, 1 }, { "gate.waking_all", EVENT, 0 },
    { "event.set", EVENT, 0 }, { "gate.under_way", PERMITS, 1 },
    { "permits.taken", PERMITS, 1 }, { "permits.released", PERMITS, 1 },
    { "rwlock.reader_added", RWLOCK, 1 }, { "rwlock.reader_removed", RWLOCK, 1 },
    { "rwlock.latched", RWLOCK, 1 }, { "rwlock.writer_said", RWLOCK, 1 },
    { "rwlock.writing", RWLOCK, 1 }, { "rwlock.writer_cleared", RWLOCK, 1 },
    { "condition.claimed", CONDITION, 1 }, { "condition.lock_free", CONDITION, 1 },
    { "condition.before_sleep", CONDITION, 1 }, { "condition.awake", CONDITION, 1 },
    { "condition.lock_taken", CONDITION, 1 }, { "condition.idle", CONDITION, 1 },
    { "condition.notified", CONDITION, 0 }, { "barrier.named", BARRIER, 1 },
    { "barrier.arrived", BARRIER, 1 }, { "barrier.acting", BARRIER, 1 },
    { "barrier.acted", BARRIER, 1 }, { "barrier.round_over", BARRIER, 1 },
    { "barrier.generation_set", BARRIER, 1 },
};

/* A worker that dies where it is told to, sooner or later; another one comes in its place. */
static bool dies_at(struct supervisor *supervisor, int place, const char *point, int count)
{
    char variable[80];
    snprintf(variable, sizeof variable, "MPROC_FAULT=%s:%d:kill", point, count);
    const char *const environment[] = { variable, NULL };
    mproc_process_options options = { .environment = environment };
    kill_worker(supervisor, place);
    end_child(supervisor->workers[place]);
    start_worker(supervisor, place, &options);
    bool died = mproc_process_join(supervisor->workers[place], 30000) == MPROC_OK;
    if (!died) {
        printf("  it did not come to %s %d times\n", point, count);
        kill_worker(supervisor, place);
    }
    end_child(supervisor->workers[place]);
    if (supervisor->storm.kind != BARRIER)
        others_must_go_on(supervisor, place, 1);
    start_worker(supervisor, place, NULL);
    return died;
}

static void others_go_on_after_a_kill_at_any_point(void)
{
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        struct supervisor supervisor;
        watchdog_start(110);
        begin(&supervisor, points[i].kind, true);
        /* What a dead waiter had been told is missed only if nobody else comes by. */
        for (int count = 1; count <= (points[i].kind == CONDITION ? 6 : 2); count++) {
            CU_ASSERT_TRUE(dies_at(&supervisor, points[i].place, points[i].point, count));
            all_must_go_on(&supervisor);
        }
        end(&supervisor);
        sync_take_last(&supervisor.storm);
        destroy(&supervisor.storm);
    }
}

MPROC_SUITE(sync_storm, MPROC_TEST(workers_are_killed_at_random),
            MPROC_TEST(others_go_on_after_a_kill_at_any_point))
