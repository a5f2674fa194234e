/* SPDX-License-Identifier: MIT */
/* Value and Array beside plain shared memory and a process-shared mutex, as ratios.
 *
 *   bench_value [ROUNDS]      prints a table; every round runs all cases in turn, the median counts
 *   bench_value --calls       only the accesses: for strace -c, which is to count none for them */
#include <mproc.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { MAX_ROUNDS = 99, ITEMS = 1 << 16, CASES = 7, COUNT = 2000000 };

static struct plain {
    pthread_mutex_t mutex;
    int64_t number;
    double items[ITEMS];
} *plain;

static mproc_value value;
static mproc_array array, raw;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void must(mproc_err err)
{
    if (err != MPROC_OK)
        MPROC_MUST(err);
}

static void create_all(void)
{
    plain = mmap(NULL, sizeof *plain, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (plain == MAP_FAILED)
        exit(1);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&plain->mutex, &attributes);
    must(mproc_value_create(&value, 'q'));
    must(mproc_array_create(&array, 'd', ITEMS));
    must(mproc_array_create_raw(&raw, 'd', ITEMS));
}

/* ---- cases; each gives nanoseconds for one access ---- */

static double add_to_all(volatile double *items)
{
    double begin = now();
    for (int i = 0; i < COUNT; i++)
        items[i % ITEMS] += 1;
    return (now() - begin) / COUNT * 1e9;
}

static double plain_memory(void)
{
    return add_to_all(plain->items);
}

static double array_pointer(void)
{
    return add_to_all(mproc_array_pointer(raw));
}

static double mutex_and_add(void)
{
    double begin = now();
    for (int i = 0; i < COUNT; i++) {
        pthread_mutex_lock(&plain->mutex);
        *(volatile int64_t *) &plain->number += 1;
        pthread_mutex_unlock(&plain->mutex);
    }
    return (now() - begin) / COUNT * 1e9;
}

static double value_add(void)
{
    double begin = now();
    for (int i = 0; i < COUNT; i++)
        must(mproc_value_add_int(value, 1, NULL));
    return (now() - begin) / COUNT * 1e9;
}

static double array_get_float(void)
{
    double number, begin = now();
    for (int i = 0; i < COUNT; i++)
        must(mproc_array_get_float(array, (size_t) i % ITEMS, &number));
    return (now() - begin) / COUNT * 1e9;
}

static double raw_get_float(void)
{
    double number, begin = now();
    for (int i = 0; i < COUNT; i++)
        must(mproc_array_get_float(raw, (size_t) i % ITEMS, &number));
    return (now() - begin) / COUNT * 1e9;
}

static double value_get(void)
{
    int64_t number;
    double begin = now();
    for (int i = 0; i < COUNT; i++)
        must(mproc_value_get(value, &number));
    return (now() - begin) / COUNT * 1e9;
}

static const struct {
    const char *name;
    double (*run)(void);
} cases[CASES] = { { "plain shared memory, +=", plain_memory }, { "RawArray by pointer, +=", array_pointer },
                   { "robust PSHARED mutex, +=", mutex_and_add }, { "Value add_int", value_add },
                   { "Value get", value_get }, { "Array get_float", array_get_float },
                   { "RawArray get_float", raw_get_float } };

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    mproc_init();
    static double times[CASES][MAX_ROUNDS];
    bool calls = argc > 1 && strcmp(argv[1], "--calls") == 0;
    int rounds = calls ? 1 : argc > 1 ? atoi(argv[1]) : 5;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        return 2;
    create_all();
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < CASES; i++)
            times[i][round] = cases[i].run();
    if (calls)
        return 0;
    for (int i = 0; i < CASES; i++) {
        qsort(times[i], (size_t) rounds, sizeof times[i][0], compare);
        printf("  %-28s %8.2f ns\n", cases[i].name, times[i][rounds / 2]);
    }
    printf("ratios\n");
    printf("  RawArray by pointer / plain memory    %6.2f\n", times[1][rounds / 2] / times[0][rounds / 2]);
    printf("  Value add_int / robust mutex and +=   %6.2f\n", times[3][rounds / 2] / times[2][rounds / 2]);
    return 0;
}
