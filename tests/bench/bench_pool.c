/* SPDX-License-Identifier: MIT */
/* A pool of two workers beside what can be done without one, as ratios of the same run.
 *
 *   bench_pool [ROUNDS] [NAME]   every round runs all cases in turn; NAME: only cases that contain it (or one
 *   of some with + between)
 *
 * Linux only. The peers: processes that draw from a shared counter, processes over a ring with a futex
 * lock at each end and results in place, OpenMP, APR's thread pool, Python's multiprocessing. */
#include "pause.h"

#include <mproc.h>

#include <apr_general.h>
#ifdef HAVE_APRUTIL
#include <apr_thread_pool.h>
#endif
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_ROUNDS = 49,
    WORKERS = 2,
    MAP_COUNT = 10000000,
    STREAM = 1000000,
    WINDOW = 512,
    BUSY = 3000
};

static const char *filter = "";

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static pid_t fork_child(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* ---- work of a fixed amount, so that time lost to another process shows ---- */

static uint64_t busy_steps;

static void steps(uint64_t count)
{
    volatile uint64_t x = 1;
    for (uint64_t i = 0; i < count; i++)
        x = x * 3 + 1;
}

static void calibrate(void)
{
    double best = 1;
    for (int i = 0; i < 200; i++) {
        double start = now();
        steps(20000);
        double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    busy_steps = (uint64_t) (20000 * 100e-6 / best);
}

/* ---- futex gate and lock of the peers ---- */

struct peer_gate {
    _Alignas(64) _Atomic uint32_t epoch;
    _Atomic uint32_t sleepers;
};

/* With one wake-up under way at a time; the state is twice the sleepers plus that. */
static void gate_wake_one(struct peer_gate *gate)
{
    uint32_t state = atomic_load(&gate->sleepers);
    while (state > 1 && !(state & 1))
        if (atomic_compare_exchange_strong(&gate->sleepers, &state, state | 1)) {
            atomic_fetch_add(&gate->epoch, 1);
            syscall(SYS_futex, &gate->epoch, FUTEX_WAKE, 1, NULL, NULL, 0);
            return;
        }
}

static void gate_sleep_one(struct peer_gate *gate, _Atomic uint64_t *word, uint64_t old)
{
    for (int i = 0; i < 100; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old)
            return;
        pause_cpu();
    }
    uint32_t epoch = atomic_load(&gate->epoch), state = atomic_fetch_add(&gate->sleepers, 2) + 2;
    if (atomic_load(word) == old)
        syscall(SYS_futex, &gate->epoch, FUTEX_WAIT, epoch, NULL, NULL, 0);
    while (!atomic_compare_exchange_strong(&gate->sleepers, &state, (state - 2) & ~1u))
        continue;
}

static void gate_wake(struct peer_gate *gate)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&gate->sleepers)) {
        atomic_fetch_add(&gate->epoch, 1);
        syscall(SYS_futex, &gate->epoch, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

#define GATE_WAIT(gate, ready)                                                                     \
    while (!(ready)) {                                                                             \
        uint32_t epoch_ = atomic_load(&(gate)->epoch);                                             \
        atomic_fetch_add(&(gate)->sleepers, 1);                                                    \
        bool ready_ = (ready);                                                                     \
        if (!ready_)                                                                               \
            syscall(SYS_futex, &(gate)->epoch, FUTEX_WAIT, epoch_, NULL, NULL, 0);                 \
        atomic_fetch_sub(&(gate)->sleepers, 1);                                                    \
    }

static void peer_lock(_Atomic uint32_t *lock)
{
    for (int i = 0; i < 50; i++) {
        uint32_t nobody = 0;
        if (atomic_load_explicit(lock, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(lock, &nobody, 1, memory_order_acquire,
                                                    memory_order_relaxed))
            return;
        pause_cpu();
    }
    while (atomic_exchange(lock, 2) != 0)
        syscall(SYS_futex, lock, FUTEX_WAIT, 2, NULL, NULL, 0);
}

static void peer_unlock(_Atomic uint32_t *lock)
{
    if (atomic_exchange(lock, 0) == 2)
        syscall(SYS_futex, lock, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- peers: map ---- */

static double counter(int64_t count, int64_t chunk, bool busy)
{
    struct {
        _Alignas(64) _Atomic int64_t next;
        _Alignas(64) _Atomic int go, done;
        struct peer_gate start, end;
        _Alignas(64) int64_t out[];
    } *shared = shared_memory(4096 + (size_t) count * sizeof(int64_t));
    for (int i = 0; i < WORKERS; i++)
        if (fork_child() == 0) {
            GATE_WAIT(&shared->start, atomic_load(&shared->go));
            for (int64_t first; (first = atomic_fetch_add(&shared->next, chunk)) < count;)
                for (int64_t n = first; n < first + chunk && n < count; n++) {
                    if (busy)
                        steps(busy_steps);
                    shared->out[n] = n;
                }
            if (atomic_fetch_add(&shared->done, 1) + 1 == WORKERS)
                gate_wake(&shared->end);
            _exit(0);
        }
    usleep(3000);
    double start = now();
    atomic_store(&shared->go, 1);
    gate_wake(&shared->start);
    gate_wake(&shared->start);
    GATE_WAIT(&shared->end, atomic_load(&shared->done) == WORKERS);
    double rate = (double) count / (now() - start);
    for (int i = 0; i < WORKERS; i++)
        wait(NULL);
    munmap(shared, 4096 + (size_t) count * sizeof(int64_t));
    return rate;
}

static double peer_counter_one(void)
{
    return counter(MAP_COUNT, 1, false);
}

static double peer_counter_64(void)
{
    return counter(MAP_COUNT, 64, false);
}

#ifdef _OPENMP
static double openmp(int64_t count, bool busy)
{
    static int64_t out[MAP_COUNT];
    double start = 0;
    for (int warm = 1; warm >= 0; warm--) {
        int64_t todo = warm ? 1000 : count;
        start = now();
#pragma omp parallel for num_threads(2) schedule(dynamic, 1)
        for (int64_t n = 0; n < todo; n++) {
            if (busy && !warm)
                steps(busy_steps);
            *(volatile int64_t *) &out[n] = n;
        }
    }
    return (double) count / (now() - start);
}

/* In a process of its own: its threads would be ours to fork beside. */
static double in_child(double (*run)(int64_t, bool), int64_t count, bool busy)
{
    double *answer = shared_memory(4096);
    if (fork_child() == 0) {
        *answer = run(count, busy);
        _exit(0);
    }
    wait(NULL);
    double rate = *answer;
    munmap(answer, 4096);
    return rate;
}

static double peer_openmp(void)
{
    return in_child(openmp, MAP_COUNT, false);
}

static double peer_openmp_busy(void)
{
    return in_child(openmp, BUSY, true);
}
#else
static double peer_openmp(void)
{
    return 0;
}

static double peer_openmp_busy(void)
{
    return 0;
}
#endif

/* ---- peers: streams ---- */

struct message {
    int64_t index;
    char argument[56];
};

struct peer_ring {
    _Alignas(64) _Atomic uint32_t put_lock;
    _Alignas(64) _Atomic uint32_t get_lock;
    _Alignas(64) _Atomic uint64_t tail;
    _Alignas(64) _Atomic uint64_t head;
    struct peer_gate filled, ready;
    _Alignas(64) _Atomic int64_t done;
    _Alignas(64) _Atomic int64_t target;
    struct message tasks[1024], results[1024];
};

static void ring_worker(struct peer_ring *ring)
{
    for (bool slept = false;;) {
        struct message message;
        peer_lock(&ring->get_lock);
        uint64_t head = atomic_load(&ring->head);
        if (head == atomic_load(&ring->tail)) {
            peer_unlock(&ring->get_lock);
            gate_sleep_one(&ring->filled, &ring->tail, head);
            slept = true;
            continue;
        }
        message = ring->tasks[head % 1024];
        atomic_store_explicit(&ring->head, head + 1, memory_order_release);
        peer_unlock(&ring->get_lock);
        if (slept && head + 1 != atomic_load(&ring->tail))
            gate_wake_one(&ring->filled);
        slept = false;
        if (message.index < 0)
            _exit(0);
        ring->results[message.index % 1024] = message;
        if (atomic_fetch_add(&ring->done, 1) + 1 == atomic_load(&ring->target))
            gate_wake(&ring->ready);
    }
}

static void ring_put(struct peer_ring *ring, int64_t index)
{
    peer_lock(&ring->put_lock);
    uint64_t tail = atomic_load(&ring->tail);
    ring->tasks[tail % 1024].index = index;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    peer_unlock(&ring->put_lock);
    gate_wake_one(&ring->filled);
}

static double peer_ring(void)
{
    struct peer_ring *ring = shared_memory(sizeof *ring);
    for (int i = 0; i < WORKERS; i++)
        if (fork_child() == 0)
            ring_worker(ring);
    double start = now();
    int64_t sum = 0;
    for (int64_t sent = 0, got = 0; got < STREAM;) {
        for (; sent < STREAM && sent - got < WINDOW; sent++)
            ring_put(ring, sent);
        int64_t target = sent == STREAM ? STREAM : sent - WINDOW / 2;
        atomic_store(&ring->target, target);
        GATE_WAIT(&ring->ready, atomic_load(&ring->done) >= target);
        for (; got < target; got++)
            sum += ring->results[got % 1024].index;
    }
    double rate = (double) STREAM / (now() - start);
    for (int i = 0; i < WORKERS; i++)
        ring_put(ring, -1);
    for (int i = 0; i < WORKERS; i++)
        wait(NULL);
    munmap(ring, sizeof *ring);
    return sum ? rate : 0;
}

#ifdef HAVE_APRUTIL
static _Atomic int64_t threads_done;
static void *APR_THREAD_FUNC thread_task(apr_thread_t *thread, void *argument)
{
    (void) thread, (void) argument;
    atomic_fetch_add(&threads_done, 1);
    return NULL;
}

static double peer_apr(void)
{
    enum { COUNT = 200000 };
    apr_pool_t *pool;
    apr_thread_pool_t *threads;
    apr_pool_create(&pool, NULL);
    apr_thread_pool_create(&threads, WORKERS, WORKERS, pool);
    atomic_store(&threads_done, 0);
    double start = now();
    for (int64_t n = 0; n < COUNT; n++)
        apr_thread_pool_push(threads, thread_task, NULL, APR_THREAD_TASK_PRIORITY_NORMAL, NULL);
    while (atomic_load(&threads_done) < COUNT)
        usleep(50);
    double rate = COUNT / (now() - start);
    apr_thread_pool_destroy(threads);
    apr_pool_destroy(pool);
    return rate;
}
#else
static double peer_apr(void)
{
    return 0;
}
#endif

/* ---- ours ---- */

static int nothing(const void *in, void *out)
{
    (void) in;
    *(int64_t *) out = 1;
    return 0;
}

static int copy(const void *in, void *out)
{
    *(int64_t *) out = *(const int64_t *) in;
    return 0;
}

static int work(const void *in, void *out)
{
    steps(*(const uint64_t *) in);
    *(int64_t *) out = 1;
    return 0;
}

static mproc_pool *pool_of(size_t workers)
{
    mproc_pool *pool;
    MPROC_MUST(mproc_pool_create(&pool, workers, NULL));
    int64_t value;
    for (size_t i = 0; i < 4 * workers; i++)
        MPROC_MUST(mproc_pool_apply(pool, nothing, NULL, 0, &value, sizeof value, MPROC_FOREVER));
    usleep(3000);
    return pool;
}

static double map_rate(size_t chunksize, size_t count, mproc_task *task, const void *in,
                       size_t in_size)
{
    mproc_memory block;
    MPROC_MUST(mproc_alloc(&block, count * sizeof(int64_t)));
    memset(mproc_pointer(block), 1, count * sizeof(int64_t));
    mproc_pool *pool = pool_of(WORKERS);
    mproc_task_options options = { .chunksize = chunksize };
    double start = now();
    MPROC_MUST(mproc_pool_map(pool, task, in, in_size, mproc_pointer(block), sizeof(int64_t), count,
                              &options));
    double rate = (double) count / (now() - start);
    MPROC_MUST(mproc_pool_destroy(pool));
    MPROC_MUST(mproc_free(block));
    return rate;
}

static double map_one(void)
{
    return map_rate(1, MAP_COUNT, nothing, NULL, 0);
}

static double map_default(void)
{
    return map_rate(0, MAP_COUNT, nothing, NULL, 0);
}

static uint64_t amounts[BUSY];

static double map_busy(void)
{
    for (int i = 0; i < BUSY; i++)
        amounts[i] = busy_steps;
    return map_rate(0, BUSY, work, amounts, sizeof *amounts);
}

static double busy_one_by_one(void)
{
    static mproc_result *results[BUSY];
    mproc_pool *pool = pool_of(WORKERS);
    double start = now();
    for (int i = 0; i < BUSY; i++)
        MPROC_MUST(mproc_pool_apply_async(pool, &results[i], work, &busy_steps, sizeof busy_steps,
                                          sizeof(int64_t), NULL));
    for (int i = 0; i < BUSY; i++) {
        MPROC_MUST(mproc_result_get(results[i], NULL, 0, MPROC_FOREVER));
        MPROC_MUST(mproc_result_close(results[i]));
    }
    double rate = BUSY / (now() - start);
    MPROC_MUST(mproc_pool_destroy(pool));
    return rate;
}

static double apply_async(void)
{
    static mproc_result *results[WINDOW];
    mproc_pool *pool = pool_of(WORKERS);
    int64_t sum = 0, value;
    double start = now();
    for (int64_t sent = 0, got = 0; got < STREAM;) { /* as the ring's parent does */
        for (; sent < STREAM && sent - got < WINDOW; sent++)
            MPROC_MUST(mproc_pool_apply_async(pool, &results[sent % WINDOW], copy, &sent,
                                              sizeof sent, sizeof sent, NULL));
        int64_t target = sent == STREAM ? STREAM : sent - WINDOW / 2;
        MPROC_MUST(mproc_result_wait(results[(target - 1) % WINDOW], MPROC_FOREVER));
        for (; got < target; got++) {
            mproc_result *result = results[got % WINDOW];
            MPROC_MUST(mproc_result_get(result, &value, sizeof value, MPROC_FOREVER));
            MPROC_MUST(mproc_result_close(result));
            sum += value;
        }
    }
    double rate = STREAM / (now() - start);
    MPROC_MUST(mproc_pool_destroy(pool));
    return sum == (int64_t) STREAM * (STREAM - 1) / 2 ? rate : 0;
}

static double imap_unordered(void)
{
    int64_t *in = malloc(STREAM * sizeof *in), sum = 0, value;
    for (int64_t i = 0; i < STREAM; i++)
        in[i] = i;
    mproc_pool *pool = pool_of(WORKERS);
    mproc_result *result;
    double start = now();
    MPROC_MUST(
        mproc_pool_imap_unordered(pool, &result, copy, in, sizeof *in, sizeof *in, STREAM, NULL));
    while (mproc_result_next(result, NULL, &value, MPROC_FOREVER) == MPROC_OK)
        sum += value;
    double rate = STREAM / (now() - start);
    MPROC_MUST(mproc_result_close(result));
    MPROC_MUST(mproc_pool_destroy(pool));
    free(in);
    return sum == (int64_t) STREAM * (STREAM - 1) / 2 ? rate : 0;
}

static mproc_err draw_number(void *context, void *item)
{
    int64_t *next = context;
    if (*next == STREAM)
        return MPROC_ENOTFOUND;
    *(int64_t *) item = (*next)++;
    return MPROC_OK;
}

/* The same with items from a function, as many under way as apply_async has. */
static double imap_from(void)
{
    int64_t next = 0, sum = 0, value;
    mproc_pool *pool;
    mproc_pool_options options = { .max_pending = WINDOW };
    MPROC_MUST(mproc_pool_create(&pool, WORKERS, &options));
    MPROC_MUST(mproc_pool_apply(pool, nothing, NULL, 0, &value, sizeof value, MPROC_FOREVER));
    mproc_result *result;
    double start = now();
    MPROC_MUST(mproc_pool_imap_unordered_from(pool, &result, copy, draw_number, &next, sizeof next,
                                              sizeof value, NULL));
    while (mproc_result_next(result, NULL, &value, MPROC_FOREVER) == MPROC_OK)
        sum += value;
    double rate = STREAM / (now() - start);
    MPROC_MUST(mproc_result_close(result));
    MPROC_MUST(mproc_pool_destroy(pool));
    return sum == (int64_t) STREAM * (STREAM - 1) / 2 ? rate : 0;
}

static double apply_one(void)
{
    enum { COUNT = 20000 };
    mproc_pool *pool = pool_of(1);
    int64_t value = 1;
    double start = now();
    for (int i = 0; i < COUNT; i++)
        MPROC_MUST(mproc_pool_apply(pool, copy, &value, sizeof value, &value, sizeof value,
                                    MPROC_FOREVER));
    double rate = COUNT / (now() - start);
    MPROC_MUST(mproc_pool_destroy(pool));
    return rate;
}

/* The same over two rings with a lock at each end, one there and one back. */
static void ring_take(struct peer_ring *ring, struct message *message)
{
    for (;;) {
        peer_lock(&ring->get_lock);
        uint64_t head = atomic_load(&ring->head);
        if (head != atomic_load(&ring->tail)) {
            *message = ring->tasks[head % 1024];
            atomic_store_explicit(&ring->head, head + 1, memory_order_release);
            peer_unlock(&ring->get_lock);
            return;
        }
        peer_unlock(&ring->get_lock);
        for (int i = 0; i < 20; i++)
            gate_sleep_one(&ring->filled, &ring->tail, head);
    }
}

static double peer_round_trip(void)
{
    enum { COUNT = 20000 };
    struct peer_ring *there = shared_memory(sizeof *there), *back = shared_memory(sizeof *back);
    struct message message;
    if (fork_child() == 0) {
        for (int64_t n = 0; n < COUNT; n++) {
            ring_take(there, &message);
            ring_put(back, message.index);
        }
        _exit(0);
    }
    double start = now();
    for (int64_t n = 0; n < COUNT; n++) {
        ring_put(there, n);
        ring_take(back, &message);
    }
    double rate = COUNT / (now() - start);
    wait(NULL);
    munmap(there, sizeof *there);
    munmap(back, sizeof *back);
    return rate;
}

/* The same over two queues of ours. */
struct trip {
    mproc_queue there, back;
    int count;
};

static int answer(void *argument)
{
    const struct trip *trip = argument;
    int64_t value;
    for (int i = 0; i < trip->count; i++) {
        MPROC_MUST(mproc_queue_get(trip->there, &value, MPROC_FOREVER));
        MPROC_MUST(mproc_queue_put(trip->back, &value, MPROC_FOREVER));
    }
    return 0;
}

static double queue_round_trip(void)
{
    struct trip trip = { .count = 20000 };
    mproc_process *process;
    MPROC_MUST(mproc_queue_create(&trip.there, sizeof(int64_t), 1024));
    MPROC_MUST(mproc_queue_create(&trip.back, sizeof(int64_t), 1024));
    MPROC_MUST(mproc_process_start(&process, answer, &trip, sizeof trip, NULL));
    usleep(3000);
    int64_t value = 1;
    double start = now();
    for (int i = 0; i < trip.count; i++) {
        MPROC_MUST(mproc_queue_put(trip.there, &value, MPROC_FOREVER));
        MPROC_MUST(mproc_queue_get(trip.back, &value, MPROC_FOREVER));
    }
    double rate = trip.count / (now() - start);
    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(process));
    MPROC_MUST(mproc_queue_destroy(trip.there));
    MPROC_MUST(mproc_queue_destroy(trip.back));
    return rate;
}

static double create_and_join(void)
{
    enum { COUNT = 100 };
    double start = now();
    for (int i = 0; i < COUNT; i++) {
        mproc_pool *pool;
        MPROC_MUST(mproc_pool_create(&pool, 2, NULL));
        MPROC_MUST(mproc_pool_close(pool));
        MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
        MPROC_MUST(mproc_pool_destroy(pool));
    }
    return COUNT / (now() - start);
}

static int end_at_once(void *argument)
{
    (void) argument;
    return 0;
}

static double peer_processes(void)
{
    enum { COUNT = 100 };
    double start = now();
    for (int i = 0; i < COUNT; i++) {
        mproc_process *processes[2];
        for (int j = 0; j < 2; j++)
            MPROC_MUST(mproc_process_start(&processes[j], end_at_once, NULL, 0, NULL));
        for (int j = 0; j < 2; j++) {
            MPROC_MUST(mproc_process_join(processes[j], MPROC_FOREVER));
            MPROC_MUST(mproc_process_close(processes[j]));
        }
    }
    return COUNT / (now() - start);
}

/* ---- storms ---- */

/* 20 us tasks for a second, with so many kills of random workers. */
static double storm(int kills)
{
    enum { PER_MAP = 2000 };
    static uint64_t in[PER_MAP];
    mproc_pool *pool = pool_of(WORKERS);
    mproc_task_options options = { .retries = 1000 };
    for (int i = 0; i < PER_MAP; i++)
        in[i] = busy_steps / 5;
    pid_t killer = -1;
    static int64_t *pids;
    if (!pids)
        pids = shared_memory(4096);
    double start = now();
    if (kills)
        killer = fork_child();
    if (killer == 0)
        for (unsigned i = 0;; i++) {
            usleep((useconds_t) (1000000 / kills));
            if (pids[i % WORKERS])
                kill((pid_t) pids[i % WORKERS], SIGKILL);
        }
    int64_t done = 0;
    static int64_t out[PER_MAP];
    while (now() - start < 1) {
        mproc_result *result;
        MPROC_MUST(mproc_pool_map_async(pool, &result, work, in, sizeof *in, out, sizeof *out,
                                        PER_MAP, &options));
        while (mproc_result_wait(result, 1) == MPROC_ETIMEDOUT)
            for (int i = 0; i < WORKERS; i++)
                pids[i] = mproc_pool_worker_pid(pool, (size_t) i);
        (void) !mproc_result_get(result, NULL, 0, MPROC_FOREVER);
        MPROC_MUST(mproc_result_close(result));
        done += PER_MAP;
    }
    double rate = (double) done / (now() - start);
    if (killer > 0) {
        kill(killer, SIGKILL);
        waitpid(killer, NULL, 0);
    }
    mproc_pool_statistics statistics;
    MPROC_MUST(mproc_pool_get_statistics(pool, &statistics));
    if (kills)
        printf("  (%llu workers died)\n", (unsigned long long) statistics.died);
    MPROC_MUST(mproc_pool_destroy(pool));
    return rate;
}

static double calm(void)
{
    return storm(0);
}

static double stormy(void)
{
    return storm(100);
}

/* ---- measuring ---- */

/* Whether the name contains one of the words in the filter. */
static bool wanted(const char *name)
{
    char words[200];
    snprintf(words, sizeof words, "%s", filter);
    if (!*words)
        return true;
    for (char *word = strtok(words, "+"); word; word = strtok(NULL, "+"))
        if (strstr(name, word))
            return true;
    return false;
}

enum name {
    COUNTER_ONE,
    MAP_ONE,
    OPENMP,
    COUNTER_64,
    MAP_DEFAULT,
    RING,
    APPLY_ASYNC,
    IMAP,
    IMAP_FROM,
    APR,
    OPENMP_BUSY,
    MAP_BUSY,
    SINGLE_BUSY,
    ROUND_TRIP,
    QUEUE_TRIP,
    APPLY,
    PROCESSES,
    CREATE,
    CALM,
    STORMY,
    CASES
};
static struct {
    const char *name;
    double (*once)(void);
    double rounds[MAX_ROUNDS];
} cases[CASES] = {
    [COUNTER_ONE] = { "processes drawing 1 from a counter", peer_counter_one, { 0 } },
    [MAP_ONE] = { "map, chunksize 1", map_one, { 0 } },
    [OPENMP] = { "OpenMP dynamic,1", peer_openmp, { 0 } },
    [COUNTER_64] = { "processes drawing 64 from a counter", peer_counter_64, { 0 } },
    [MAP_DEFAULT] = { "map, default chunks", map_default, { 0 } },
    [RING] = { "processes over a locked ring, window 512", peer_ring, { 0 } },
    [APPLY_ASYNC] = { "apply_async, window 512", apply_async, { 0 } },
    [IMAP] = { "imap_unordered", imap_unordered, { 0 } },
    [IMAP_FROM] = { "imap_unordered from a source, window 512", imap_from, { 0 } },
    [APR] = { "apr_thread_pool_push", peer_apr, { 0 } },
    [OPENMP_BUSY] = { "OpenMP, 100 us tasks", peer_openmp_busy, { 0 } },
    [MAP_BUSY] = { "map, 100 us tasks", map_busy, { 0 } },
    [SINGLE_BUSY] = { "apply_async, 100 us tasks", busy_one_by_one, { 0 } },
    [ROUND_TRIP] = { "round trip over two locked rings", peer_round_trip, { 0 } },
    [QUEUE_TRIP] = { "round trip over two queues", queue_round_trip, { 0 } },
    [APPLY] = { "apply", apply_one, { 0 } },
    [PROCESSES] = { "start + join of 2 processes", peer_processes, { 0 } },
    [CREATE] = { "create + close + join of a pool of 2", create_and_join, { 0 } },
    [CALM] = { "20 us tasks, calm", calm, { 0 } },
    [STORMY] = { "20 us tasks, 100 kills a second", stormy, { 0 } },
};

static int rounds;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median_of(const double *values)
{
    double sorted[MAX_ROUNDS];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, (size_t) rounds, sizeof *sorted, ascending);
    return sorted[rounds / 2];
}

static void row(const char *what, enum name ours, enum name peer, double goal)
{
    double ratios[MAX_ROUNDS] = { 0 };
    for (int i = 0; i < rounds; i++)
        ratios[i] = cases[peer].rounds[i] > 0 ? cases[ours].rounds[i] / cases[peer].rounds[i] : 0;
    double ratio = median_of(ratios);
    if (ratio > 0)
        printf("%-62s %8.2f  (goal >= %.2f)%s\n", what, ratio, goal,
               ratio >= goal ? "" : "  MISSED");
}

static double python_rate(const char *name)
{
    static char text[2000];
    if (!*text) {
        FILE *file = popen("timeout 100 python3 " PYTHON_PEER " 2>/dev/null", "r");
        size_t size = file ? fread(text + 1, 1, sizeof text - 2, file) : 0;
        text[0] = '\n';
        text[size + 1] = '\0';
        if (file)
            pclose(file);
    }
    char line[100];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *found = strstr(text, line);
    return found ? atof(found + strlen(line)) : 0;
}

static void python_row(const char *what, enum name ours, const char *theirs, double goal)
{
    double peer = python_rate(theirs), value = median_of(cases[ours].rounds);
    if (peer > 0 && value > 0)
        printf("%-62s %8.2f  (goal >= %.2f)%s\n", what, value / peer, goal,
               value / peer >= goal ? "" : "  MISSED");
}

static void idle(void)
{
    struct rusage before, after;
    mproc_pool *pool = pool_of(WORKERS);
    sleep(1);
    getrusage(RUSAGE_SELF, &before);
    sleep(2);
    getrusage(RUSAGE_SELF, &after);
    double used = (double) (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
                            before.ru_stime.tv_sec) +
                  (double) (after.ru_utime.tv_usec - before.ru_utime.tv_usec +
                            after.ru_stime.tv_usec - before.ru_stime.tv_usec) *
                      1e-6;
    printf("%-62s %8.5f  (goal <= 0.001)%s\n", "CPUs that the parent of an idle pool uses",
           used / 2, used / 2 <= 0.001 ? "" : "  MISSED");
    MPROC_MUST(mproc_pool_destroy(pool));
}

int main(int argc, char **argv)
{
    mproc_init();
    rounds = argc > 1 ? atoi(argv[1]) : 5;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        rounds = 5;
    filter = argc > 2 ? argv[2] : "";
    apr_initialize();
    calibrate();
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < CASES; i++)
            if (wanted(cases[i].name))
                cases[i].rounds[round] = cases[i].once();
    for (int i = 0; i < CASES; i++)
        if (wanted(cases[i].name))
            printf("  %-45s %14.0f /s\n", cases[i].name, median_of(cases[i].rounds));
    row("map one by one / processes drawing one by one", MAP_ONE, COUNTER_ONE, 0.4);
    row("map one by one / OpenMP dynamic,1", MAP_ONE, OPENMP, 0.7);
    row("map, default chunks / processes drawing 64", MAP_DEFAULT, COUNTER_64, 0.5);
    row("apply_async / locked ring, results in place", APPLY_ASYNC, RING, 0.5);
    row("imap_unordered / locked ring, results in place", IMAP, RING, 0.5);
    row("apply_async / apr_thread_pool_push", APPLY_ASYNC, APR, 3);
    row("map of 100 us tasks / OpenMP", MAP_BUSY, OPENMP_BUSY, 0.98);
    row("100 us tasks one by one / OpenMP", SINGLE_BUSY, OPENMP_BUSY, 0.95);
    row("apply / round trip over two locked rings", APPLY, ROUND_TRIP, 0.67);
    row("apply / round trip over two queues", APPLY, QUEUE_TRIP, 0.67);
    row("create + close + join / 2 processes", CREATE, PROCESSES, 0.67);
    row("100 kills a second / calm", STORMY, CALM, 0.5);
    if (!*filter) {
        python_row("map, default chunks / Python's", MAP_DEFAULT, "map_default", 8);
        python_row("map one by one / Python's", MAP_ONE, "map_one", 200);
        python_row("apply_async / Python's", APPLY_ASYNC, "apply_async", 80);
        python_row("imap_unordered / Python's", IMAP, "imap_unordered", 80);
        idle();
    }
    return 0;
}
