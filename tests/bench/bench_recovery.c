/* SPDX-License-Identifier: MIT */
/* How long after SIGKILL of a lock's holder a waiter has the lock, with the parent alive and without.
 *
 *   bench_recovery [ROUNDS]     prints the median, the 99th percentile and the longest, in milliseconds
 *
 * The waiter has waited for a short (10 ms) or a long (1.2 s) time when the holder is killed. */
#include <mproc.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ROUNDS = 10000 };

struct scene {
    mproc_lock lock;
    mproc_event held, done;
    mproc_memory times;
};

struct times {
    _Atomic int64_t holder, waiter; /* pids */
    _Atomic int64_t taken;          /* nanoseconds */
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
    atomic_store(&times->waiter, mproc_pid());
    if (mproc_lock_acquire(scene->lock, MPROC_FOREVER) != MPROC_OWNERDEAD)
        return 1;
    atomic_store(&times->taken, now());
    MPROC_MUST(mproc_lock_consistent(scene->lock));
    MPROC_MUST(mproc_lock_release(scene->lock));
    MPROC_MUST(mproc_event_set(scene->done));
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

/* Milliseconds from the kill to the lock. */
static double one_round(const struct scene *scene, bool parent_dies, int64_t waits)
{
    struct times *times = mproc_pointer(scene->times);
    mproc_process *parent = NULL, *holder = NULL, *waiter = NULL;
    atomic_store(&times->waiter, 0);
    if (parent_dies) {
        MPROC_MUST(mproc_process_start(&parent, be_parent, scene, sizeof *scene, NULL));
    } else {
        MPROC_MUST(mproc_process_start(&holder, hold, scene, sizeof *scene, NULL));
        MPROC_MUST(mproc_event_wait(scene->held, MPROC_FOREVER));
        MPROC_MUST(mproc_process_start(&waiter, wait_for_it, scene, sizeof *scene, NULL));
    }
    while (atomic_load(&times->waiter) == 0)
        nap(100000);
    nap(waits);
    int64_t killed = now();
    kill((pid_t) atomic_load(&times->holder), SIGKILL);
    if (parent_dies)
        MPROC_MUST(mproc_process_kill(parent));
    MPROC_MUST(mproc_event_wait(scene->done, MPROC_FOREVER));
    double latency = (double) (atomic_load(&times->taken) - killed) / 1e6;
    MPROC_MUST(mproc_event_clear(scene->held));
    MPROC_MUST(mproc_event_clear(scene->done));
    mproc_process *all[] = { parent, holder, waiter };
    for (int i = 0; i < 3; i++)
        if (all[i]) {
            MPROC_MUST(mproc_process_join(all[i], MPROC_FOREVER));
            MPROC_MUST(mproc_process_close(all[i]));
        }
    return latency;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

static void measure(const char *name, const struct scene *scene, bool parent_dies, int64_t waits, int rounds,
                    double goal)
{
    static double latencies[MOST_ROUNDS];
    for (int i = 0; i < rounds; i++)
        latencies[i] = one_round(scene, parent_dies, waits);
    qsort(latencies, (size_t) rounds, sizeof *latencies, compare);
    double p99 = latencies[(rounds * 99 - 1) / 100];
    printf("  %-36s median %6.2f  p99 %6.2f  longest %6.2f ms  goal p99 < %g  %s\n", name, latencies[rounds / 2], p99,
           latencies[rounds - 1], goal, p99 < goal ? "reached" : "MISSED");
}

int main(int argc, char **argv)
{
    mproc_init();
    int rounds = argc > 1 ? atoi(argv[1]) : 200;
    if (rounds < 1 || rounds > MOST_ROUNDS)
        return 2;
    struct scene scene;
    MPROC_MUST(mproc_lock_create(&scene.lock));
    MPROC_MUST(mproc_event_create(&scene.held));
    MPROC_MUST(mproc_event_create(&scene.done));
    MPROC_MUST(mproc_alloc(&scene.times, sizeof(struct times)));
    measure("parent alive, short wait", &scene, false, 10000000, rounds, 10);
    measure("parent alive, long wait", &scene, false, 1200000000, rounds / 10 + 1, 10);
    measure("parent killed too, short wait", &scene, true, 10000000, rounds, 250);
    measure("parent killed too, long wait", &scene, true, 1200000000, rounds / 10 + 1, 250);
    return 0;
}
