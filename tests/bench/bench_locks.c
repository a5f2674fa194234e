/* SPDX-License-Identifier: MIT */
/* Locks and their kin beside pthread's process-shared ones, sem_t and the bare futex, as ratios.
 *
 *   bench_locks [ROUNDS]      prints a table; every round runs all cases in turn, the medians count
 *
 * Linux only. "asleep" cases run with MPROC_SPIN=0 in a process of their own. */
#include "pause.h"

#include <mproc.h>

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 99, MAX_CASES = 64 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu >= 0)
        CPU_SET(cpu, &set);
    else
        for (int i = 0; i < CPU_SETSIZE; i++)
            CPU_SET(i, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* ---- what both sides share ---- */

static struct court {
    pthread_mutex_t plain, robust;
    pthread_cond_t changed;
    pthread_barrier_t barrier;
    sem_t semaphore, ball[2];
    _Alignas(128) _Atomic uint32_t turn, held, notified;
    _Alignas(128) _Atomic uint32_t go, stop, last;
    uint64_t guarded, handovers;
    _Atomic uint64_t total;
} *court;

static mproc_lock lock;
static mproc_rlock rlock;
static mproc_semaphore semaphore, ball[2];
static mproc_rwlock rwlock;
static mproc_event event, toggle[2];
static mproc_condition condition;
static mproc_barrier barrier;

static void create_all(void)
{
    court = mmap(NULL, sizeof *court, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&court->plain, &mutex);
    pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&court->robust, &mutex);
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&court->barrier, &attributes, 2);
    sem_init(&court->semaphore, 1, 1);
    MPROC_MUST(mproc_lock_create(&lock));
    MPROC_MUST(mproc_rlock_create(&rlock));
    MPROC_MUST(mproc_semaphore_create(&semaphore, 1));
    MPROC_MUST(mproc_rwlock_create(&rwlock));
    MPROC_MUST(mproc_event_create(&event));
    MPROC_MUST(mproc_condition_create(&condition));
    MPROC_MUST(mproc_barrier_create(&barrier, 2));
    for (int i = 0; i < 2; i++) {
        MPROC_MUST(mproc_event_create(&toggle[i]));
        MPROC_MUST(mproc_semaphore_create(&ball[i], 0));
    }
}

/* ---- uncontended: one pair ---- */

#define PAIR(name, acquire, release)                                                               \
    static double name(void)                                                                       \
    {                                                                                              \
        enum { COUNT = 2000000 };                                                                  \
        double begin = now();                                                                      \
        for (int i = 0; i < COUNT; i++) {                                                          \
            acquire;                                                                               \
            release;                                                                               \
        }                                                                                          \
        return (now() - begin) / COUNT * 1e9;                                                      \
    }

static void must(mproc_err err)
{
    if (err != MPROC_OK)
        MPROC_MUST(err);
}

PAIR(pair_plain, pthread_mutex_lock(&court->plain), pthread_mutex_unlock(&court->plain))
PAIR(pair_robust, pthread_mutex_lock(&court->robust), pthread_mutex_unlock(&court->robust))
PAIR(pair_sem, sem_wait(&court->semaphore), sem_post(&court->semaphore))
PAIR(pair_lock, must(mproc_lock_acquire(lock, MPROC_FOREVER)), must(mproc_lock_release(lock)))
PAIR(pair_rlock, must(mproc_rlock_acquire(rlock, MPROC_FOREVER)), must(mproc_rlock_release(rlock)))
PAIR(pair_semaphore, must(mproc_semaphore_acquire(semaphore, MPROC_FOREVER)), must(mproc_semaphore_release(semaphore)))
PAIR(pair_read, must(mproc_rwlock_acquire_read(rwlock, MPROC_FOREVER)), must(mproc_rwlock_release(rwlock)))
PAIR(pair_write, must(mproc_rwlock_acquire_write(rwlock, MPROC_FOREVER)), must(mproc_rwlock_release(rwlock)))
PAIR(one_is_set, (void) mproc_event_is_set(event), (void) 0)

static double one_notify(void)
{
    enum { COUNT = 2000000 };
    must(mproc_condition_acquire(condition, MPROC_FOREVER));
    double begin = now();
    for (int i = 0; i < COUNT; i++)
        must(mproc_condition_notify(condition, 1));
    double time = (now() - begin) / COUNT * 1e9;
    must(mproc_condition_release(condition));
    return time;
}

/* ---- contended ---- */

enum contender { PLAIN, ROBUST, LOCK, RLOCK, SEM, SEMAPHORE };
struct contest {
    enum contender contender;
    int number;
};

static void enter(enum contender contender)
{
    switch (contender) {
    case PLAIN: pthread_mutex_lock(&court->plain); break;
    case ROBUST: pthread_mutex_lock(&court->robust); break;
    case SEM: sem_wait(&court->semaphore); break;
    case LOCK: must(mproc_lock_acquire(lock, MPROC_FOREVER)); break;
    case RLOCK: must(mproc_rlock_acquire(rlock, MPROC_FOREVER)); break;
    case SEMAPHORE: must(mproc_semaphore_acquire(semaphore, MPROC_FOREVER)); break;
    }
}

static void leave(enum contender contender)
{
    switch (contender) {
    case PLAIN: pthread_mutex_unlock(&court->plain); break;
    case ROBUST: pthread_mutex_unlock(&court->robust); break;
    case SEM: sem_post(&court->semaphore); break;
    case LOCK: must(mproc_lock_release(lock)); break;
    case RLOCK: must(mproc_rlock_release(rlock)); break;
    case SEMAPHORE: must(mproc_semaphore_release(semaphore)); break;
    }
}

static int contend(void *argument)
{
    const struct contest *contest = argument;
    pin(contest->number % 2);
    while (!atomic_load(&court->go))
        sched_yield();
    uint64_t count = 0;
    uint32_t me = (uint32_t) contest->number + 1;
    while (!atomic_load_explicit(&court->stop, memory_order_relaxed)) {
        enter(contest->contender);
        court->guarded++;
        if (atomic_load_explicit(&court->last, memory_order_relaxed) != me) {
            atomic_store_explicit(&court->last, me, memory_order_relaxed);
            court->handovers++;
        }
        leave(contest->contender);
        count++;
    }
    atomic_fetch_add(&court->total, count);
    return 0;
}

/* Million operations and hand-overs per second. */
static void contest(enum contender contender, int processes, double *operations, double *handovers)
{
    mproc_process *children[8];
    court->go = court->stop = court->last = 0;
    court->guarded = court->handovers = court->total = 0;
    mproc_process_options options = { .start_method = MPROC_START_FORK };
    for (int i = 0; i < processes; i++) {
        struct contest argument = { contender, i };
        must(mproc_process_start(&children[i], contend, &argument, sizeof argument, &options));
    }
    double begin = now();
    atomic_store(&court->go, 1);
    usleep(200000);
    atomic_store(&court->stop, 1);
    double seconds = now() - begin;
    for (int i = 0; i < processes; i++) {
        must(mproc_process_join(children[i], MPROC_FOREVER));
        must(mproc_process_close(children[i]));
    }
    if (court->guarded != court->total)
        printf("NOT EXCLUSIVE: %lu of %lu\n", (unsigned long) court->guarded, (unsigned long) court->total);
    *operations = (double) court->total / seconds / 1e6;
    *handovers = (double) court->handovers / seconds / 1e6;
}

/* ---- ping-pong ---- */

enum game { BARE_SPIN, BARE_CONDITION, BARE_FUTEX, BARE_BARRIER, EVENT, CONDITION, SEMAPHORES, BARRIER };
struct match {
    enum game game;
    int count, cpu;
};

static void futex_pass(uint32_t self)
{
    for (;;) {
        uint32_t turn = atomic_load(&court->turn);
        if (turn == self)
            break;
        syscall(SYS_futex, (uint32_t *) &court->turn, FUTEX_WAIT, turn, NULL, NULL, 0);
    }
    atomic_store(&court->turn, !self);
    syscall(SYS_futex, (uint32_t *) &court->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void bare_acquire(void)
{
    while (atomic_exchange(&court->held, 1))
        pause_cpu();
}

/* The least that a lock and a condition can be: it never sleeps, survives nothing, and wakes all. */
static void bare_condition_pass(uint32_t self)
{
    bare_acquire();
    while (atomic_load_explicit(&court->turn, memory_order_relaxed) != self) {
        uint32_t seen = atomic_load_explicit(&court->notified, memory_order_relaxed);
        atomic_exchange(&court->held, 0);
        while (atomic_load_explicit(&court->notified, memory_order_acquire) == seen)
            pause_cpu();
        bare_acquire();
    }
    atomic_store_explicit(&court->turn, !self, memory_order_relaxed);
    atomic_fetch_add(&court->notified, 1);
    atomic_exchange(&court->held, 0);
}

static bool is_turn(void *self)
{
    return atomic_load_explicit(&court->turn, memory_order_relaxed) == *(uint32_t *) self;
}

static void condition_pass(uint32_t self)
{
    must(mproc_condition_acquire(condition, MPROC_FOREVER));
    must(mproc_condition_wait_for(condition, is_turn, &self, MPROC_FOREVER));
    atomic_store_explicit(&court->turn, !self, memory_order_relaxed);
    must(mproc_condition_notify(condition, 1));
    must(mproc_condition_release(condition));
}

static void pass(enum game game, uint32_t self)
{
    switch (game) {
    case BARE_SPIN:
        while (atomic_load_explicit(&court->turn, memory_order_acquire) != self)
            pause_cpu();
        atomic_store_explicit(&court->turn, !self, memory_order_release);
        break;
    case BARE_CONDITION: bare_condition_pass(self); break;
    case BARE_FUTEX: futex_pass(self); break;
    case BARE_BARRIER: pthread_barrier_wait(&court->barrier); break;
    case EVENT:
        must(mproc_event_wait(toggle[self], MPROC_FOREVER));
        must(mproc_event_clear(toggle[self]));
        must(mproc_event_set(toggle[!self]));
        break;
    case CONDITION: condition_pass(self); break;
    case SEMAPHORES:
        must(mproc_semaphore_acquire(ball[self], MPROC_FOREVER));
        must(mproc_semaphore_release(ball[!self]));
        break;
    case BARRIER: must(mproc_barrier_wait(barrier, NULL, MPROC_FOREVER)); break;
    }
}

static int answer(void *argument)
{
    const struct match *match = argument;
    pin(match->cpu);
    for (int i = 0; i < match->count + 100; i++)
        pass(match->game, 1);
    return 0;
}

/* Microseconds one way. */
static double play(enum game game, int count, int other_cpu)
{
    mproc_process_options options = { .start_method = MPROC_START_FORK };
    struct match match = { game, count, other_cpu };
    mproc_process *other;
    atomic_store(&court->turn, 0);
    must(mproc_process_start(&other, answer, &match, sizeof match, &options));
    pin(0);
    if (game == EVENT)
        must(mproc_event_set(toggle[0]));
    if (game == SEMAPHORES)
        must(mproc_semaphore_release(ball[0]));
    for (int i = 0; i < 100; i++)
        pass(game, 0);
    double begin = now();
    for (int i = 0; i < count; i++)
        pass(game, 0);
    double time = (now() - begin) / count / 2 * 1e6;
    must(mproc_process_join(other, MPROC_FOREVER));
    must(mproc_process_close(other));
    if (game == EVENT)
        must(mproc_event_clear(toggle[0]));
    if (game == SEMAPHORES)
        must(mproc_semaphore_acquire(ball[0], MPROC_FOREVER));
    pin(-1);
    return time;
}

/* ---- the table ---- */

static struct row {
    const char *name;
    double values[MAX_ROUNDS];
} rows[MAX_CASES];
static int row_count, this_round;

static void note(const char *name, double value)
{
    int i = 0;
    while (i < row_count && strcmp(rows[i].name, name) != 0)
        i++;
    if (i == row_count)
        rows[row_count++].name = name;
    rows[i].values[this_round] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

static const double *values_of(const char *name)
{
    int i = 0;
    while (i < row_count - 1 && strcmp(rows[i].name, name) != 0)
        i++;
    return rows[i].values;
}

/* Of what the rounds have found, or (peer) of each round's ratio to the peer's: a slow time slows both. */
static double median(const char *name, const char *peer)
{
    const double *values = values_of(name), *others = peer ? values_of(peer) : NULL;
    double sorted[MAX_ROUNDS];
    for (int i = 0; i < this_round; i++)
        sorted[i] = others ? values[i] / others[i] : values[i];
    qsort(sorted, (size_t) this_round, sizeof sorted[0], compare);
    return sorted[this_round / 2];
}

static void beside(const char *name, const char *peer)
{
    printf("  %-44s %6.2f x %s\n", name, median(name, peer), peer);
}

static void ratio(const char *name, const char *peer, double goal, bool at_most)
{
    double value = median(name, peer);
    bool reached = at_most ? value <= goal : value >= goal;
    printf("  %-44s %6.2f x %-26s goal %s %.2f  %s\n", name, value, peer, at_most ? "<=" : ">=", goal,
           reached ? "reached" : "MISSED");
}

static void games(const char *how, int other_cpu, int count)
{
    static const char *const names[] = { "spin", "bare condition", "bare futex", "pthread_barrier", "event",
                                         "condition",
                                         "semaphore", "barrier" };
    static char texts[2][8][64];
    int kind = other_cpu == 0;
    for (int game = BARE_FUTEX; game <= BARRIER; game++) {
        snprintf(texts[kind][game], sizeof texts[0][0], "%s, %s", names[game], how);
        note(texts[kind][game], play((enum game) game, count, other_cpu));
    }
}

static void asleep(int rounds)
{
    for (this_round = 0; this_round < rounds; this_round++) {
        games("asleep, 2 CPUs", 1, 2000);
        games("asleep, 1 CPU", 0, 10000);
    }
    printf("ping-pong asleep, microseconds one way\n");
    for (int i = 0; i < row_count; i++)
        printf("  %-44s %8.2f\n", rows[i].name, median(rows[i].name, NULL));
    static const char *const ours[] = { "event", "condition", "semaphore" };
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s, asleep, 2 CPUs", ours[i]);
        ratio(name, "bare futex, asleep, 2 CPUs", 1.15, true);
        snprintf(name, sizeof name, "%s, asleep, 1 CPU", ours[i]);
        ratio(name, "bare futex, asleep, 1 CPU", 1.3, true);
    }
    ratio("barrier, asleep, 2 CPUs", "pthread_barrier, asleep, 2 CPUs", 1.15, true);
    ratio("barrier, asleep, 1 CPU", "pthread_barrier, asleep, 1 CPU", 1.15, true);
}

static void contests(void)
{
    static const struct {
        enum contender contender;
        const char *operations[2], *handovers[2];
    } all[] = {
        { PLAIN,
          { "PSHARED, 2 contend", "PSHARED, 8 contend" },
          { "PSHARED, 2, hand-overs", "PSHARED, 8, hand-overs" } },
        { LOCK, { "lock, 2 contend", "lock, 8 contend" }, { "lock, 2, hand-overs", "lock, 8, hand-overs" } },
        { RLOCK, { "rlock, 2 contend", "rlock, 8 contend" }, { "rlock, 2, hand-overs", "rlock, 8, hand-overs" } },
        { SEM, { "sem_t, 2 contend", "sem_t, 8 contend" }, { "sem_t, 2, hand-overs", "sem_t, 8, hand-overs" } },
        { SEMAPHORE, { "semaphore, 2 contend", "semaphore, 8 contend" },
          { "semaphore, 2, hand-overs", "semaphore, 8, hand-overs" } },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (int eight = 0; eight < 2; eight++) {
            double operations, handovers;
            contest(all[i].contender, eight ? 8 : 2, &operations, &handovers);
            note(all[i].operations[eight], operations);
            note(all[i].handovers[eight], handovers);
        }
}

int main(int argc, char **argv)
{
    mproc_init();
    bool only_asleep = argc > 1 && strcmp(argv[1], "--asleep") == 0;
    int rounds = argc > 1 + only_asleep ? atoi(argv[1 + only_asleep]) : 5;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        return 2;
    create_all();
    if (only_asleep) {
        asleep(rounds);
        return 0;
    }
    for (this_round = 0; this_round < rounds; this_round++) {
        note("PSHARED pair, ns", pair_plain());
        note("PSHARED+ROBUST pair, ns", pair_robust());
        note("sem_t pair, ns", pair_sem());
        note("lock pair, ns", pair_lock());
        note("rlock pair, ns", pair_rlock());
        note("semaphore pair, ns", pair_semaphore());
        note("read pair, ns", pair_read());
        note("write pair, ns", pair_write());
        note("event is_set, ns", one_is_set());
        note("notify nobody, ns", one_notify());
        contests();
        note("bare spin, both running, us", play(BARE_SPIN, 100000, 1));
        note("bare condition, both running, us", play(BARE_CONDITION, 100000, 1));
        note("event, both running, us", play(EVENT, 100000, 1));
        note("condition, both running, us", play(CONDITION, 100000, 1));
        note("semaphore, both running, us", play(SEMAPHORES, 100000, 1));
        note("barrier, both running, us", play(BARRIER, 100000, 1));
        note("barrier, one CPU, us", play(BARRIER, 100000, 0));
        note("pthread_barrier, both running, us", play(BARE_BARRIER, 5000, 1));
        note("pthread_barrier, one CPU, us", play(BARE_BARRIER, 20000, 0));
    }
    for (int i = 0; i < row_count; i++)
        printf("  %-44s %8.2f\n", rows[i].name, median(rows[i].name, NULL));
    printf("ratios\n");
    ratio("lock pair, ns", "PSHARED+ROBUST pair, ns", 1.0, true);
    ratio("lock pair, ns", "PSHARED pair, ns", 1.35, true);
    ratio("rlock pair, ns", "PSHARED+ROBUST pair, ns", 1.0, true);
    ratio("rlock pair, ns", "PSHARED pair, ns", 1.35, true);
    ratio("semaphore pair, ns", "sem_t pair, ns", 1.2, true);
    ratio("read pair, ns", "lock pair, ns", 1.3, true);
    ratio("lock, 2 contend", "PSHARED, 2 contend", 0.8, false);
    ratio("lock, 8 contend", "PSHARED, 8 contend", 0.8, false);
    ratio("lock, 2, hand-overs", "PSHARED, 2, hand-overs", 0.8, false);
    ratio("lock, 8, hand-overs", "PSHARED, 8, hand-overs", 0.8, false);
    ratio("rlock, 2 contend", "PSHARED, 2 contend", 0.8, false);
    ratio("rlock, 2, hand-overs", "PSHARED, 2, hand-overs", 0.8, false);
    ratio("rlock, 8 contend", "PSHARED, 8 contend", 0.8, false);
    ratio("rlock, 8, hand-overs", "PSHARED, 8, hand-overs", 0.8, false);
    ratio("event, both running, us", "bare spin, both running, us", 3, true);
    ratio("condition, both running, us", "bare spin, both running, us", 3, true);
    beside("condition, both running, us", "bare condition, both running, us");
    beside("bare condition, both running, us", "bare spin, both running, us");
    ratio("semaphore, both running, us", "bare spin, both running, us", 3, true);
    ratio("barrier, both running, us", "pthread_barrier, both running, us", 1.15, true);
    ratio("barrier, one CPU, us", "pthread_barrier, one CPU, us", 1.15, true);
    fflush(stdout);
    char command[4200];
    snprintf(command, sizeof command, "MPROC_SPIN=0 '%s' --asleep %d", argv[0], rounds);
    return system(command) == 0 ? 0 : 1;
}
