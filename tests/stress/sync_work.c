/* SPDX-License-Identifier: MIT */
/* The workers of the storm: each round uses the primitive once. Whoever waits waits for ever, so that a wake-up that is
 * lost is seen. */
#include "sync_work.h"

#include "platform.h"

struct worker {
    struct storm *storm;
    struct numbers *numbers;
    struct ledger *ledger;
    uint32_t random;
    int64_t round;
    bool gives;
};

struct ledger *ledger_of(const struct storm *storm, int number)
{
    return (struct ledger *) mproc_pointer(storm->ledgers) + number;
}

struct numbers *numbers_of(const struct storm *storm)
{
    return mproc_pointer(storm->numbers);
}

static uint32_t draw(struct worker *worker, uint32_t below)
{
    worker->random = worker->random * 1664525u + 1013904223u;
    return (worker->random >> 8) % below;
}

/* Mostly for no time, so that much happens; sometimes for so long that others fall asleep. */
static void stay(struct worker *worker)
{
    enum kind kind = worker->storm->kind;
    if (worker->storm->slow) /* at locks longer than the first slice, so that there are sentries */
        mproc_plat_sleep(kind == LOCK || kind == RLOCK ? 12000000 : 2000000);
    else if (draw(worker, kind == CONDITION ? 8 : 64) == 0)
        mproc_plat_sleep(draw(worker, 3000) * INT64_C(1000));
}

static bool stops(const struct worker *worker)
{
    return atomic_load(&worker->numbers->stop) != 0;
}

static void must(mproc_err err)
{
    CHILD_CHECK(err == MPROC_OK);
}

static void be(struct worker *worker, enum phase phase)
{
    atomic_store(&worker->ledger->phase, (int) phase);
}

/* Who is told finds the mark of a dead one, unless that was killed between taking and marking, or between unmarking and
 * releasing; who is not told finds none. Counted before it is INSIDE: who is killed between was only coming. */
static bool took(struct worker *worker, mproc_err err)
{
    bool told = err == MPROC_OWNERDEAD;
    CHILD_CHECK(err == MPROC_OK || told);
    int mark = atomic_exchange(&worker->numbers->inside, worker->storm->ledger + 1);
    if (told) {
        atomic_fetch_add(&worker->ledger->told, 1);
        atomic_fetch_add(&worker->ledger->unmarked, mark == 0);
    } else if (mark != 0) {
        atomic_fetch_add(&worker->numbers->wrong, 1);
    }
    be(worker, INSIDE);
    return told;
}

static void leaves(struct worker *worker)
{
    be(worker, LEAVING);
    atomic_store(&worker->numbers->inside, 0);
}

static void check_numbers(struct worker *worker)
{
    if (atomic_load(&worker->numbers->a) != atomic_load(&worker->numbers->b))
        atomic_fetch_add(&worker->numbers->wrong, 1);
}

/* After a death a may be ahead of b. */
static void repair(struct worker *worker)
{
    atomic_store(&worker->numbers->b, atomic_load(&worker->numbers->a));
}

static void change(struct worker *worker)
{
    struct numbers *numbers = worker->numbers;
    check_numbers(worker);
    atomic_fetch_add(&worker->ledger->began, 1);
    int64_t a = atomic_load_explicit(&numbers->a, memory_order_relaxed);
    atomic_store_explicit(&numbers->a, a + 1, memory_order_relaxed);
    stay(worker);
    atomic_store_explicit(&numbers->b, a + 1, memory_order_relaxed);
    atomic_fetch_add(&worker->ledger->done, 1);
}

/* ---- locks ---- */

static void lock_round(struct worker *worker)
{
    mproc_lock lock = worker->storm->lock;
    be(worker, COMING);
    bool told = took(worker, mproc_lock_acquire(lock, MPROC_FOREVER));
    if (told)
        repair(worker);
    change(worker);
    if (told)
        must(mproc_lock_consistent(lock));
    leaves(worker);
    must(mproc_lock_release(lock));
    be(worker, OUTSIDE);
}

static void rlock_round(struct worker *worker)
{
    mproc_rlock lock = worker->storm->rlock;
    be(worker, COMING);
    bool told = took(worker, mproc_rlock_acquire(lock, MPROC_FOREVER));
    must(mproc_rlock_acquire(lock, MPROC_FOREVER));
    if (told)
        repair(worker);
    change(worker);
    if (told)
        must(mproc_rlock_consistent(lock));
    must(mproc_rlock_release(lock));
    leaves(worker);
    must(mproc_rlock_release(lock));
    be(worker, OUTSIDE);
}

static void read_some(struct worker *worker)
{
    be(worker, OUTSIDE); /* a reader's death is nobody's loss */
    if (atomic_load(&worker->numbers->inside) != 0)
        atomic_fetch_add(&worker->numbers->wrong, 1);
    check_numbers(worker);
    stay(worker);
    check_numbers(worker);
}

/* A reader may be told of a writer's death, and then it is one. */
static void rwlock_round(struct worker *worker)
{
    mproc_rwlock lock = worker->storm->rwlock;
    bool reads = worker->round % 3 != 0;
    be(worker, COMING);
    mproc_err err = reads ? mproc_rwlock_acquire_read(lock, MPROC_FOREVER)
                          : mproc_rwlock_acquire_write(lock, MPROC_FOREVER);
    if (reads && err == MPROC_OK) {
        read_some(worker);
        must(mproc_rwlock_release(lock));
        return;
    }
    bool told = took(worker, err);
    if (told)
        repair(worker);
    change(worker);
    if (told)
        must(mproc_rwlock_consistent(lock));
    leaves(worker);
    must(mproc_rwlock_release(lock));
    be(worker, OUTSIDE);
}

/* ---- permits ---- */

/* Whether the worker of this ledger has a permit: it lived all the time that it was looked at. */
static bool has_permit(struct ledger *ledger)
{
    uint32_t life = atomic_load(&ledger->life);
    bool inside = atomic_load(&ledger->phase) == INSIDE;
    return inside && life % 2 == 0 && atomic_load(&ledger->life) == life;
}

static void permits_round(struct worker *worker)
{
    mproc_permits permits = worker->storm->permits;
    must(mproc_permits_acquire(permits, MPROC_FOREVER));
    be(worker, INSIDE);
    int holders = 0;
    for (int i = 0; i < LEDGERS; i++)
        holders += has_permit(ledger_of(worker->storm, i));
    if (holders > PERMIT_COUNT)
        atomic_fetch_add(&worker->numbers->wrong, 1);
    stay(worker);
    be(worker, OUTSIDE);
    must(mproc_permits_release(permits));
}

/* ---- those that give and those that take ---- */

/* What a dead one has given or taken it may have told nobody of. */
static void repair_condition(struct worker *worker)
{
    repair(worker);
    must(mproc_lock_consistent(worker->storm->lock));
    must(mproc_condition_notify_all(worker->storm->filled));
    must(mproc_condition_notify_all(worker->storm->emptied));
}

/* A place for one item. Each notification is needed: nobody else would wake the one that can go on. */
static void condition_round(struct worker *worker)
{
    struct storm *storm = worker->storm;
    int wanted = worker->gives ? 0 : 1;
    be(worker, COMING);
    bool told = took(worker, mproc_lock_acquire(storm->lock, MPROC_FOREVER));
    for (;;) {
        if (told)
            repair_condition(worker);
        if (stops(worker) || atomic_load(&worker->numbers->items) == wanted)
            break;
        leaves(worker);
        told = took(worker, mproc_condition_wait(worker->gives ? storm->emptied : storm->filled, MPROC_FOREVER));
    }
    if (!stops(worker)) {
        change(worker);
        atomic_store(&worker->numbers->items, 1 - wanted);
        must(mproc_condition_notify(worker->gives ? storm->filled : storm->emptied, 1));
        stay(worker); /* who was notified waits for the lock */
    }
    leaves(worker);
    must(mproc_lock_release(storm->lock));
    be(worker, OUTSIDE);
}

/* It is set once, and stays so until somebody has taken it. */
static void event_round(struct worker *worker)
{
    mproc_event event = worker->storm->event;
    int before = atomic_load(&worker->numbers->taken);
    if (!worker->gives) {
        must(mproc_event_wait(event, MPROC_FOREVER));
        must(mproc_event_clear(event));
        atomic_fetch_add(&worker->numbers->taken, 1);
        stay(worker);
        return;
    }
    while (atomic_load(&worker->numbers->taken) == before && !stops(worker)) {
        if (!mproc_event_is_set(event))
            must(mproc_event_set(event));
        mproc_plat_yield();
    }
}

static void semaphore_round(struct worker *worker)
{
    mproc_semaphore semaphore = worker->storm->semaphore;
    int enough = worker->storm->slow ? 1 : MOST_ITEMS;
    /* The other giver may keep it full for as long as it likes: that is no round. */
    while (worker->gives && mproc_semaphore_value(semaphore) >= enough && !stops(worker)) {
        atomic_store(&worker->ledger->last_round, mproc_plat_now());
        mproc_plat_yield();
    }
    atomic_fetch_add(&worker->ledger->began, 1);
    must(worker->gives ? mproc_semaphore_release(semaphore) : mproc_semaphore_acquire(semaphore, MPROC_FOREVER));
    atomic_fetch_add(&worker->ledger->done, 1);
    if (!worker->gives)
        stay(worker);
}

static int act(void *context)
{
    atomic_fetch_add(&((struct numbers *) context)->taken, 1);
    return 0;
}

/* All workers are its parties. Whoever sees that it is broken makes it whole; that may break the round of one that has
 * come again, who comes once more then. */
static void barrier_round(struct worker *worker)
{
    mproc_barrier barrier = worker->storm->barrier;
    stay(worker);
    mproc_err err = mproc_barrier_wait_action(barrier, NULL, act, worker->numbers, MPROC_FOREVER);
    CHILD_CHECK(err == MPROC_OK || err == MPROC_EBROKEN);
    if (err == MPROC_EBROKEN && mproc_barrier_broken(barrier) && !stops(worker))
        must(mproc_barrier_reset(barrier));
}

int sync_work(void *argument)
{
    static void (*const rounds[KINDS])(struct worker *) = {
        [LOCK] = lock_round,       [RLOCK] = rlock_round,         [SEMAPHORE] = semaphore_round,
        [PERMITS] = permits_round, [RWLOCK] = rwlock_round,       [CONDITION] = condition_round,
        [EVENT] = event_round,     [BARRIER] = barrier_round,
    };
    struct storm *storm = argument;
    struct worker worker = { .storm = storm,
                             .numbers = numbers_of(storm),
                             .ledger = ledger_of(storm, storm->ledger),
                             .random = (uint32_t) mproc_pid(),
                             .gives = storm->place == FIRST_GIVER || storm->place == SECOND_GIVER };
    for (; !stops(&worker); worker.round++) {
        atomic_store(&worker.ledger->last_round, mproc_plat_now());
        rounds[storm->kind](&worker);
        if (storm->slow)
            mproc_plat_sleep(3000000);
        atomic_fetch_add(&worker.ledger->rounds, 1);
    }
    return 0;
}

/* ---- afterwards ---- */

void sync_wake_all(struct storm *storm)
{
    CHECK_OK(mproc_event_set(storm->event));
    CHECK_OK(mproc_barrier_abort(storm->barrier));
    if (storm->kind == SEMAPHORE) {
        CHECK_OK(mproc_semaphore_release(storm->semaphore));
        storm->more++;
    }
    if (storm->kind != CONDITION || mproc_lock_acquire(storm->lock, MPROC_NOWAIT) != MPROC_OK)
        return; /* a dead holder is told of to those that wait */
    CHECK_OK(mproc_condition_notify_all(storm->filled));
    CHECK_OK(mproc_condition_notify_all(storm->emptied));
    CHECK_OK(mproc_lock_release(storm->lock));
}

int sync_take_last(struct storm *storm)
{
    mproc_err err = MPROC_OK;
    switch (storm->kind) {
    case LOCK: case CONDITION: err = mproc_lock_acquire(storm->lock, 20000); break;
    case RLOCK: err = mproc_rlock_acquire(storm->rlock, 20000); break;
    case RWLOCK: err = mproc_rwlock_acquire_write(storm->rwlock, 20000); break;
    case PERMITS: /* all have returned, and there are no more */
        for (int i = 0; i < PERMIT_COUNT; i++)
            CHECK_OK(mproc_permits_acquire(storm->permits, MPROC_NOWAIT));
        CHECK_FAILS(mproc_permits_acquire(storm->permits, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        break;
    default: break;
    }
    CU_ASSERT_TRUE(err == MPROC_OK || err == MPROC_OWNERDEAD);
    return err == MPROC_OWNERDEAD;
}
