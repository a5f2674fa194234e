/* SPDX-License-Identifier: MIT */
/* How long after SIGKILL of a lock's holder a waiter has the lock, with the parent alive and without, and with those
 * that look for it (core/sentry.h) alive, stopped, or killed at once with the holder.
 *
 *   bench_recovery [ROUNDS]     prints the median, the 99th percentile and the longest, in milliseconds
 *
 * The waiters have waited for a short (10 ms) or a long (1.2 s) time when the holder is killed. */
#include <mproc.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ROUNDS = 10000, MOST_WAITERS = 8, SHORT = 10000000, LONG = 1200000000 };

struct scene {
    mproc_lock lock;
    mproc_event held, done;
    mproc_memory times;
    int number; /* of the waiter */
};

struct times {
    _Atomic int64_t holder, waiters[MOST_WAITERS]; /* pids */
    _Atomic int64_t taken;                         /* nanoseconds */
};

/* The first waiters are the sentries. */
struct setting {
    const char *name;
    int64_t waits; /* nanoseconds */
    bool parent_dies;
    int waiters, lost, signal; /* so many of them get the signal before the holder does */
    double goal;
};

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void nap(int64_t nanoseconds)
{
    struct timespec time = { nanoseconds / 1000000000, nanoseconds % 1000000000 };
    nanosleep(&time, NULL);
}

static int hold(void *argument)
{
    const struct scene *scene = argument;
    struct times *times = mproc_pointer(scene->times);
    MPROC_MUST(mproc_lock_acquire(scene->lock, MPROC_FOREVER));
    atomic_store(&times->holder, mproc_pid());
    MPROC_MUST(mproc_event_set(scene->held));
    for (;;)
        pause();
}

static int wait_for_it(void *argument)
{
    const struct scene *scene = argument;
    struct times *times = mproc_pointer(scene->times);
    atomic_store(&times->waiters[scene->number], mproc_pid());
    if (mproc_lock_acquire(scene->lock, MPROC_FOREVER) == MPROC_OWNERDEAD) {
        atomic_store(&times->taken, now());
        MPROC_MUST(mproc_lock_consistent(scene->lock));
        MPROC_MUST(mproc_event_set(scene->done));
    }
    MPROC_MUST(mproc_lock_release(scene->lock));
    return 0;
}

/* A parent in between: it can be killed together with the holder. */
static int be_parent(void *argument)
{
    const struct scene *scene = argument;
    mproc_process *holder, *waiter;
    MPROC_MUST(mproc_process_start(&holder, hold, scene, sizeof *scene, NULL));
    MPROC_MUST(mproc_event_wait(scene->held, MPROC_FOREVER));
    MPROC_MUST(mproc_process_start(&waiter, wait_for_it, scene, sizeof *scene, NULL));
    for (;;)
        pause();
}

/* In processes[0] the holder; a waiter comes when the one before has slept a slice: it is a sentry. */
static int start(struct scene *scene, const struct setting *setting, mproc_process **processes)
{
    struct times *times = mproc_pointer(scene->times);
    for (int i = 0; i < MOST_WAITERS; i++)
        atomic_store(&times->waiters[i], 0);
    scene->number = 0;
    MPROC_MUST(mproc_process_start(&processes[0], setting->parent_dies ? be_parent : hold, scene, sizeof *scene, NULL));
    MPROC_MUST(mproc_event_wait(scene->held, MPROC_FOREVER));
    int count = 1;
    for (int i = 0; i < setting->waiters; i++) {
        scene->number = i;
        if (!setting->parent_dies)
            MPROC_MUST(mproc_process_start(&processes[count++], wait_for_it, scene, sizeof *scene, NULL));
        while (atomic_load(&times->waiters[i]) == 0)
            nap(100000);
        if (setting->lost > i)
            nap(SHORT);
    }
    return count;
}

/* Milliseconds from the kill to the lock. */
static double one_round(struct scene *scene, const struct setting *setting)
{
    struct times *times = mproc_pointer(scene->times);
    mproc_process *processes[1 + MOST_WAITERS];
    int count = start(scene, setting, processes);
    nap(setting->waits);
    for (int i = 0; i < setting->lost; i++)
        kill((pid_t) atomic_load(&times->waiters[i]), setting->signal);
    int64_t killed = now();
    kill((pid_t) atomic_load(&times->holder), SIGKILL);
    if (setting->parent_dies)
        MPROC_MUST(mproc_process_kill(processes[0]));
    MPROC_MUST(mproc_event_wait(scene->done, MPROC_FOREVER));
    double latency = (double) (atomic_load(&times->taken) - killed) / 1e6;
    for (int i = 0; i < setting->lost; i++)
        kill((pid_t) atomic_load(&times->waiters[i]), SIGCONT);
    MPROC_MUST(mproc_event_clear(scene->held));
    MPROC_MUST(mproc_event_clear(scene->done));
    for (int i = 0; i < count; i++) {
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(processes[i]));
    }
    return latency;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

static void measure(const struct setting *setting, struct scene *scene, int rounds)
{
    static double latencies[MOST_ROUNDS];
    if (setting->waits == LONG)
        rounds = rounds / 10 + 1;
    for (int i = 0; i < rounds; i++)
        latencies[i] = one_round(scene, setting);
    qsort(latencies, (size_t) rounds, sizeof *latencies, compare);
    double p99 = latencies[(rounds * 99 - 1) / 100];
    const char *verdict = p99 < setting->goal ? "reached" : "MISSED";
    printf("  %-44s median %6.2f  p99 %6.2f  longest %6.2f ms  goal p99 < %g  %s\n", setting->name,
           latencies[rounds / 2], p99, latencies[rounds - 1], setting->goal, verdict);
}

int main(int argc, char **argv)
{
    mproc_init();
    static const struct setting settings[] = {
        { "parent alive, short wait", SHORT, false, 1, 0, 0, 10 },
        { "parent alive, long wait", LONG, false, 1, 0, 0, 10 },
        { "parent killed too, short wait", SHORT, true, 1, 0, 0, 250 },
        { "parent killed too, long wait", LONG, true, 1, 0, 0, 250 },
        { "8 wait, short", SHORT, false, 8, 0, 0, 10 },
        { "8 wait, long", LONG, false, 8, 0, 0, 10 },
        { "8 wait long, one sentry killed too", LONG, false, 8, 1, SIGKILL, 10 },
        { "8 wait long, one sentry stopped", LONG, false, 8, 1, SIGSTOP, 10 },
        { "8 wait long, both sentries killed too", LONG, false, 8, 2, SIGKILL, 250 },
        { "8 wait long, both sentries stopped", LONG, false, 8, 2, SIGSTOP, 250 },
    };
    int rounds = argc > 1 ? atoi(argv[1]) : 200;
    if (rounds < 1 || rounds > MOST_ROUNDS)
        return 2;
    struct scene scene;
    MPROC_MUST(mproc_lock_create(&scene.lock));
    MPROC_MUST(mproc_event_create(&scene.held));
    MPROC_MUST(mproc_event_create(&scene.done));
    MPROC_MUST(mproc_alloc(&scene.times, sizeof(struct times)));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        measure(&settings[i], &scene, rounds);
    return 0;
}
