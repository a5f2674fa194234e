/* SPDX-License-Identifier: MIT */
/* Queues beside the practical limits, in one run, as ratios: a pipe, and rings in shared memory that do
 * not survive a kill: one with a lock at each end, one for a single producer and consumer (in place, in
 * pieces, spinning). And beside what else there is: Python's Queue, ZeroMQ by ipc, Boost's message_queue,
 * iceoryx, as far as they are installed.
 *
 *   bench_queue [ROUNDS [WORD]]      prints a table; WORD picks cases by their names
 *   taskset -c 0 bench_queue ...     the same without wake-ups across CPUs
 *   MPROC_SPIN=0 bench_queue ...     waiting asleep
 *
 * Linux only. */
#include "pause.h"

#include <mproc.h>

#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_ZMQ
#include <errno.h>
#include <zmq.h>
#endif

enum { MAX_ROUNDS = 99, LINE = 128, BUDGET = 4 << 20, DEEPEST = 8192, PIECE = 32768, SIDES = 4 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void *shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static size_t depth_for(size_t size)
{
    size_t depth = 4;
    while (depth * 2 * size <= BUDGET && depth < DEEPEST)
        depth *= 2;
    return depth;
}

static void futex_sleep(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, (uint32_t *) word, FUTEX_WAIT, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, (uint32_t *) word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- the rings: two indices, a lock at each end if there are several there, one wake-up under way ---- */

struct meeting {
    _Atomic uint32_t epoch;
    _Atomic uint32_t state; /* twice the sleepers, plus 1 while a wake-up is under way */
    char space[LINE - 8];
};
struct side {
    _Atomic uint32_t lock;
    uint64_t mine, other_seen;
    char space[LINE - 24];
};
struct index {
    _Atomic uint64_t value;
    char space[LINE - 8];
};
struct ring {
    struct side put, get;
    struct index tail, head;
    struct meeting filled, emptied;
    uint64_t slots;
    size_t slot_size, bytes;
    bool locked, spinning;
    char space[LINE];
    char data[];
};

static void lock(struct side *side)
{
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong_explicit(&side->lock, &seen, 1, memory_order_acquire,
                                                memory_order_relaxed))
        return;
    for (int i = 0; i < 50; i++) {
        pause_cpu();
        seen = 0;
        if (atomic_load_explicit(&side->lock, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&side->lock, &seen, 1, memory_order_acquire,
                                                    memory_order_relaxed))
            return;
    }
    while (atomic_exchange(&side->lock, 2) != 0)
        futex_sleep(&side->lock, 2);
}

static void unlock(struct side *side)
{
    if (atomic_exchange(&side->lock, 0) == 2)
        futex_wake(&side->lock);
}

static void meet_wake(struct meeting *meeting)
{
    uint32_t state = atomic_load(&meeting->state);
    while (state > 1 && !(state & 1))
        if (atomic_compare_exchange_strong(&meeting->state, &state, state | 1)) {
            atomic_fetch_add(&meeting->epoch, 1);
            futex_wake(&meeting->epoch);
            return;
        }
}

static void meet_sleep(struct meeting *meeting, struct index *index, uint64_t old)
{
    uint32_t epoch = atomic_load(&meeting->epoch);
    uint32_t state = atomic_fetch_add(&meeting->state, 2) + 2;
    if (atomic_load(&index->value) == old)
        futex_sleep(&meeting->epoch, epoch);
    while (!atomic_compare_exchange_strong(&meeting->state, &state, (state - 2) & ~1u))
        continue;
}

static struct ring *ring_create(size_t size, bool locked, bool spinning)
{
    size_t slots = depth_for(size), bytes = sizeof(struct ring) + slots * size;
    struct ring *ring = shared(bytes);
    ring->slots = slots;
    ring->slot_size = size;
    ring->bytes = bytes;
    ring->locked = locked;
    ring->spinning = spinning;
    return ring;
}

/* A wait of one side until the other's index moves. */
static void ring_wait(struct ring *ring, struct side *side, struct meeting *meeting, struct index *index,
                      uint64_t old)
{
    if (ring->spinning) {
        while (atomic_load_explicit(&index->value, memory_order_acquire) == old)
            pause_cpu();
        return;
    }
    if (ring->locked)
        unlock(side);
    meet_sleep(meeting, index, old);
    if (ring->locked)
        lock(side);
}

static char *ring_reserve(struct ring *ring, bool *slept)
{
    if (ring->locked)
        lock(&ring->put);
    while (ring->put.mine - ring->put.other_seen == ring->slots) {
        ring->put.other_seen = atomic_load_explicit(&ring->head.value, memory_order_acquire);
        if (ring->put.mine - ring->put.other_seen != ring->slots)
            break;
        ring_wait(ring, &ring->put, &ring->emptied, &ring->head, ring->put.other_seen);
        *slept = true;
    }
    return ring->data + (ring->put.mine & (ring->slots - 1)) * ring->slot_size;
}

static void ring_commit(struct ring *ring, bool slept)
{
    uint64_t tail = ++ring->put.mine;
    atomic_store_explicit(&ring->tail.value, tail, memory_order_release);
    if (ring->spinning)
        return;
    if (ring->locked)
        unlock(&ring->put);
    else
        atomic_thread_fence(memory_order_seq_cst);
    meet_wake(&ring->filled);
    if (slept && tail - atomic_load(&ring->head.value) < ring->slots)
        meet_wake(&ring->emptied);
}

static char *ring_borrow(struct ring *ring, bool *slept)
{
    if (ring->locked)
        lock(&ring->get);
    while (ring->get.mine == ring->get.other_seen) {
        ring->get.other_seen = atomic_load_explicit(&ring->tail.value, memory_order_acquire);
        if (ring->get.mine != ring->get.other_seen)
            break;
        ring_wait(ring, &ring->get, &ring->filled, &ring->tail, ring->get.mine);
        *slept = true;
    }
    return ring->data + (ring->get.mine & (ring->slots - 1)) * ring->slot_size;
}

static void ring_return(struct ring *ring, bool slept)
{
    uint64_t head = ++ring->get.mine;
    atomic_store_explicit(&ring->head.value, head, memory_order_release);
    if (ring->spinning)
        return;
    if (ring->locked)
        unlock(&ring->get);
    else
        atomic_thread_fence(memory_order_seq_cst);
    meet_wake(&ring->emptied);
    if (slept && atomic_load(&ring->tail.value) != head)
        meet_wake(&ring->filled);
}

/* ---- the kinds of queue ---- */

static struct ring *rings[2];
static int pipes[2][2];
static mproc_queue queues[2];

static void locked_open(int id, size_t size) { rings[id] = ring_create(size, true, false); }
static void single_open(int id, size_t size) { rings[id] = ring_create(size, false, false); }
static void spinning_open(int id, size_t size) { rings[id] = ring_create(size, false, true); }
static void pieces_open(int id, size_t size)
{
    (void) size;
    rings[id] = ring_create(PIECE, false, false);
    rings[id]->slots = 16;
}
static void ring_close(int id) { munmap(rings[id], rings[id]->bytes); }

static void ring_put(int id, const char *message, size_t size)
{
    bool slept = false;
    memcpy(ring_reserve(rings[id], &slept), message, size);
    ring_commit(rings[id], slept);
}
static void ring_get(int id, char *message, size_t size)
{
    bool slept = false;
    memcpy(message, ring_borrow(rings[id], &slept), size);
    ring_return(rings[id], slept);
}

static void pieces_put(int id, const char *message, size_t size)
{
    for (size_t at = 0; at < size; at += PIECE)
        ring_put(id, message + at, PIECE);
}
static void pieces_get(int id, char *message, size_t size)
{
    for (size_t at = 0; at < size; at += PIECE)
        ring_get(id, message + at, PIECE);
}

/* One pass over the message where it lies: the producer writes it, the consumer reads each line. */
static void write_in_place(char *place, const char *message, size_t size)
{
    memset(place, 1, size);
    memcpy(place, message, 8);
}
static void read_in_place(char *message, const char *place, size_t size)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < size; at += 64)
        sum += *(const volatile uint64_t *) (const void *) (place + at);
    (void) sum;
    memcpy(message, place, 8);
}
static void in_place_put(int id, const char *message, size_t size)
{
    bool slept = false;
    write_in_place(ring_reserve(rings[id], &slept), message, size);
    ring_commit(rings[id], slept);
}
static void in_place_get(int id, char *message, size_t size)
{
    bool slept = false;
    read_in_place(message, ring_borrow(rings[id], &slept), size);
    ring_return(rings[id], slept);
}

static void pipe_open(int id, size_t size)
{
    (void) size;
    if (pipe(pipes[id]) != 0)
        abort();
}
static void pipe_close(int id)
{
    close(pipes[id][0]);
    close(pipes[id][1]);
}
static void pipe_put(int id, const char *message, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t more = write(pipes[id][1], message + at, size - at);
        if (more <= 0)
            _exit(1);
        at += (size_t) more;
    }
}
static void pipe_get(int id, char *message, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t more = read(pipes[id][0], message + at, size - at);
        if (more <= 0)
            _exit(1);
        at += (size_t) more;
    }
}

static void queue_open(int id, size_t size) { MPROC_MUST(mproc_queue_create(&queues[id], size, depth_for(size))); }
static void unlimited_open(int id, size_t size) { MPROC_MUST(mproc_queue_create(&queues[id], size, 0)); }
static void queue_close(int id) { MPROC_MUST(mproc_queue_destroy(queues[id])); }
static void queue_put(int id, const char *message, size_t size)
{
    (void) size;
    MPROC_MUST(mproc_queue_put(queues[id], message, MPROC_FOREVER));
}
static void queue_get(int id, char *message, size_t size)
{
    (void) size;
    MPROC_MUST(mproc_queue_get(queues[id], message, MPROC_FOREVER));
}

static void in_place_queue_put(int id, const char *message, size_t size)
{
    mproc_item item;
    MPROC_MUST(mproc_queue_loan(queues[id], size, &item));
    write_in_place(item.data, message, size);
    MPROC_MUST(mproc_queue_commit(queues[id], &item, MPROC_FOREVER));
}
static void in_place_queue_get(int id, char *message, size_t size)
{
    mproc_item item;
    MPROC_MUST(mproc_queue_borrow(queues[id], &item, MPROC_FOREVER));
    read_in_place(message, item.data, size);
    MPROC_MUST(mproc_queue_return(queues[id], &item));
}

static mproc_pipe ends[2][2];
static void mproc_pipe_open(int id, size_t size)
{
    (void) size;
    MPROC_MUST(mproc_pipe_create(&ends[id][0], &ends[id][1], false));
}
static void mproc_pipe_put(int id, const char *message, size_t size)
{
    MPROC_MUST(mproc_pipe_send(ends[id][1], message, size, MPROC_FOREVER));
}
static void mproc_pipe_get(int id, char *message, size_t size)
{
    MPROC_MUST(mproc_pipe_recv(ends[id][0], message, size, &size, MPROC_FOREVER));
}
static void mproc_pipe_end(int id)
{
    MPROC_MUST(mproc_pipe_close(ends[id][0]));
    MPROC_MUST(mproc_pipe_close(ends[id][1]));
}

/* 32 items a call. */
enum { BATCH = 32 };
static struct batch {
    size_t count, at;
    char items[BATCH * 64];
} batches[2];
static void batch_put(int id, const char *message, size_t size)
{
    struct batch *batch = &batches[id];
    memcpy(batch->items + batch->count++ * size, message, size);
    if (batch->count < BATCH)
        return;
    MPROC_MUST(mproc_queue_put_many(queues[id], batch->items, BATCH, &batch->count, MPROC_FOREVER));
    batch->count = 0;
}
static void batch_get(int id, char *message, size_t size)
{
    struct batch *batch = &batches[id];
    if (batch->at == batch->count) {
        MPROC_MUST(mproc_queue_get_many(queues[id], batch->items, BATCH, &batch->count, MPROC_FOREVER));
        batch->at = 0;
    }
    memcpy(message, batch->items + batch->at++ * size, size);
}

struct job {
    int kind, test, index;
    bool putting;
};
static struct state {
    atomic_int ready, go, done;
    atomic_int taken; /* where consumers get as many as come */
} *state;
static int count_of(const struct job *job);
static int sides_of(const struct job *job);

/* ---- ZeroMQ: each consumer binds a socket, each producer connects to all of them ---- */

#ifdef HAVE_ZMQ
static void *zmq_context, *zmq_sockets[2];
static char zmq_folder[] = "/tmp/bench-queue-XXXXXX";
static bool zmq_has_folder;
static int zmq_run, zmq_count;
static size_t zmq_size;
static bool zmq_shared; /* several consumers: nobody knows how many one of them gets */

static void zmq_open(int id, size_t size)
{
    if (!zmq_has_folder && !mkdtemp(zmq_folder))
        abort();
    zmq_has_folder = true;
    zmq_run += id == 0;
    zmq_size = size;
}
static void zmq_address(char *address, size_t size, int id, int index)
{
    snprintf(address, size, "ipc://%s/%d-%d-%d", zmq_folder, zmq_run, id, index);
}
static void zmq_socket_for(int id, bool putting, const struct job *job)
{
    char address[100];
    int depth = (int) depth_for(zmq_size), at_once = 1, patience = 20;
    void *made = zmq_sockets[id] = zmq_socket(zmq_context, putting ? ZMQ_PUSH : ZMQ_PULL);
    depth = depth < 1000 ? depth : 1000; /* its own default */
    zmq_setsockopt(made, ZMQ_SNDHWM, &depth, sizeof depth);
    zmq_setsockopt(made, ZMQ_RCVHWM, &depth, sizeof depth);
    zmq_setsockopt(made, ZMQ_RECONNECT_IVL, &at_once, sizeof at_once);
    if (zmq_shared && !putting)
        zmq_setsockopt(made, ZMQ_RCVTIMEO, &patience, sizeof patience);
    for (int i = 0; i < (putting ? sides_of(job) : 1); i++) {
        zmq_address(address, sizeof address, id, putting ? i : job->index);
        if ((putting ? zmq_connect : zmq_bind)(made, address) != 0)
            abort();
    }
}
static void zmq_join(const struct job *job, bool round_trip)
{
    zmq_context = zmq_ctx_new();
    zmq_count = count_of(job);
    zmq_shared = sides_of(job) > 1;
    zmq_socket_for(0, job->putting, job);
    if (round_trip)
        zmq_socket_for(1, !job->putting, job);
}
/* What a socket has in its last batch is lost if it ends before the other side has read it. */
static void zmq_leave(void)
{
    while (atomic_load(&state->taken) < zmq_count)
        usleep(100);
    for (int id = 0; id < 2; id++)
        if (zmq_sockets[id])
            zmq_close(zmq_sockets[id]);
    zmq_ctx_term(zmq_context);
}
static void zmq_put(int id, const char *message, size_t size)
{
    if (zmq_send(zmq_sockets[id], message, size, 0) < 0)
        abort();
}
static void zmq_get(int id, char *message, size_t size)
{
    while (zmq_recv(zmq_sockets[id], message, size, 0) < 0)
        if (errno != EAGAIN)
            abort();
        else if (atomic_load(&state->taken) == zmq_count)
            return;
    atomic_fetch_add(&state->taken, 1);
}
static void zmq_end(int id)
{
    char address[100];
    for (int i = 0; i < SIDES; i++) {
        zmq_address(address, sizeof address, id, i);
        unlink(address + strlen("ipc://"));
    }
}
#endif

/* ---- programs that measure themselves: PROGRAM SIZE COUNT SIDES copy|place|trip prints items per second ---- */

#ifndef BOOST_PEER
#define BOOST_PEER NULL
#endif
#ifndef ICEORYX_PEER
#define ICEORYX_PEER NULL
#endif

enum { COPY = 1, MANY = 2, LARGE = 4, IN_PLACE = 8, ROUND_TRIP = 16, SMALL = 32, MIDDLE = 64, FOUR = 128 };
struct kind {
    const char *name;
    int where; /* which cases it takes part in */
    void (*open)(int id, size_t size);
    void (*put)(int id, const char *message, size_t size);
    void (*get)(int id, char *message, size_t size);
    void (*close)(int id);
    /* in a process of its own, before and after: */
    void (*join)(const struct job *job, bool round_trip);
    void (*leave)(void);
    const char *program; /* measures itself */
    int share;           /* ... as often as that part of the others */
};
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
static const struct kind kinds[] = {
    { "queue", COPY | MANY | LARGE | ROUND_TRIP, queue_open, queue_put, queue_get, queue_close },
    { "queue without maxsize", COPY | LARGE, unlimited_open, queue_put, queue_get, queue_close },
    { "queue, 32 at once", SMALL, queue_open, batch_put, batch_get, queue_close },
    { "queue in place", IN_PLACE, queue_open, in_place_queue_put, in_place_queue_get, queue_close },
    { "mproc_pipe", COPY | LARGE | ROUND_TRIP, mproc_pipe_open, mproc_pipe_put, mproc_pipe_get, mproc_pipe_end },
    { "locked ring", COPY | MANY | LARGE | ROUND_TRIP, locked_open, ring_put, ring_get, ring_close },
    { "ring in pieces", LARGE, pieces_open, pieces_put, pieces_get, ring_close },
    { "spinning ring", ROUND_TRIP, spinning_open, ring_put, ring_get, ring_close },
    { "in-place ring", IN_PLACE, single_open, in_place_put, in_place_get, ring_close },
    { "pipe", COPY | LARGE | ROUND_TRIP, pipe_open, pipe_put, pipe_get, pipe_close },
#ifdef HAVE_ZMQ
    { "ZeroMQ ipc", COPY | MIDDLE | FOUR | ROUND_TRIP, zmq_open, zmq_put, zmq_get, zmq_end, zmq_join, zmq_leave },
#endif
    { "Boost message_queue", COPY | MIDDLE | FOUR | ROUND_TRIP, .program = BOOST_PEER, .share = 4 },
    { "iceoryx, polling", COPY | MIDDLE | IN_PLACE | ROUND_TRIP, .program = ICEORYX_PEER, .share = 4 },
    { "Python's Queue", SMALL | ROUND_TRIP, .program = "python3 " PYTHON_PEER, .share = 32 },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const struct test {
    const char *name;
    int where, sides;
    size_t size;
    int count;
} tests[] = {
    { "64 B", COPY | SMALL, 1, 64, 3200000 },
    { "1 KiB", COPY, 1, 1024, 1000000 },
    { "64 KiB", COPY, 1, 65536, 40000 },
    { "1 MiB", LARGE | MIDDLE, 1, 1 << 20, 3000 },
    { "16 MiB", LARGE, 1, 16 << 20, 120 },
    { "64 B, 4 producers, 4 consumers", MANY | FOUR, 4, 64, 2000000 },
    { "1 KiB, 4 producers, 4 consumers", MANY, 4, 1024, 800000 },
    { "1 KiB in place", IN_PLACE, 1, 1024, 1000000 },
    { "64 KiB in place", IN_PLACE, 1, 65536, 60000 },
    { "1 MiB in place", IN_PLACE, 1, 1 << 20, 4000 },
    { "round trip 64 B", ROUND_TRIP, 1, 64, 20000 },
};
enum { TESTS = sizeof tests / sizeof tests[0] };

/* ---- one run ---- */

static bool one_cpu;

static int count_of(const struct job *job) { return tests[job->test].count; }
static int sides_of(const struct job *job) { return tests[job->test].sides; }

/* Of a peer that is a program of its own. */
static double run_program(const struct kind *kind, const struct test *test)
{
    char command[600], line[100] = "";
    snprintf(command, sizeof command, "timeout 100 %s %zu %d %d %s 2>/dev/null", kind->program, test->size,
             test->count / kind->share, test->sides,
             test->where == ROUND_TRIP ? "trip"
             : test->where == IN_PLACE ? "place"
                                       : "copy");
    FILE *file = popen(command, "r");
    double rate = file && fgets(line, sizeof line, file) ? atof(line) : 0;
    if (file)
        pclose(file);
    return rate > 0 ? test->count / rate : 0;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(one_cpu ? 0 : cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static int work(void *argument)
{
    struct job *job = argument;
    const struct kind *kind = &kinds[job->kind];
    const struct test *test = &tests[job->test];
    char *message = malloc(test->size);
    memset(message, 1, test->size);
    bool round_trip = test->where == ROUND_TRIP;
    if (kind->join) /* before it is pinned: threads of its own may go where they like */
        kind->join(job, round_trip);
    if (test->sides == 1 && test->where != ROUND_TRIP) /* there a queue is to see that it may spin */
        pin(job->putting);
    atomic_fetch_add(&state->ready, 1);
    while (!atomic_load(&state->go))
        usleep(100);
    /* Where several consumers share what comes, some get more than others. */
    bool uneven = kind->join && test->sides > 1 && !job->putting;
    for (int i = 0; uneven ? atomic_load(&state->taken) < test->count : i < test->count / test->sides; i++) {
        if (job->putting)
            memcpy(message, &i, sizeof i);
        if (round_trip) { /* two queues: the one side asks, the other answers */
            if (job->putting)
                kind->put(0, message, test->size);
            kind->get(job->putting, message, test->size);
            if (!job->putting)
                kind->put(1, message, test->size);
        } else if (job->putting) {
            kind->put(0, message, test->size);
        } else {
            kind->get(0, message, test->size);
        }
        int seen;
        memcpy(&seen, message, sizeof seen);
        if (test->sides == 1 && seen != i)
            abort();
    }
    if (!job->putting || round_trip)
        atomic_fetch_add(&state->done, 1);
    if (kind->leave)
        kind->leave();
    free(message);
    return 0;
}

static double run(int kind, int test)
{
    if (kinds[kind].program)
        return run_program(&kinds[kind], &tests[test]);
    memset(state, 0, sizeof *state);
    kinds[kind].open(0, tests[test].size);
    kinds[kind].open(1, tests[test].size);
    mproc_process *processes[2 * SIDES];
    int count = 2 * tests[test].sides;
    for (int i = 0; i < count; i++) {
        struct job job = { kind, test, i / 2, i % 2 };
        MPROC_MUST(mproc_process_start(&processes[i], work, &job, sizeof job, NULL));
    }
    while (atomic_load(&state->ready) < count)
        usleep(100);
    double begin = now();
    atomic_store(&state->go, 1);
    for (int i = 0; i < count; i++) {
        int exit_code;
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_exit_code(processes[i], &exit_code));
        if (exit_code != 0)
            abort();
        MPROC_MUST(mproc_process_close(processes[i]));
    }
    double seconds = now() - begin;
    kinds[kind].close(0);
    kinds[kind].close(1);
    return seconds;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *) a, right = *(const double *) b;
    return left < right ? -1 : left > right;
}

/* Who only spins would take for ever on one CPU. */
static bool takes_part(int kind, int test)
{
    bool is_there = kinds[kind].open || kinds[kind].program;
    return is_there && (kinds[kind].where & tests[test].where) &&
           !(one_cpu && kinds[kind].open == spinning_open);
}

static void measure(int test, int rounds)
{
    static double seconds[KINDS][MAX_ROUNDS];
    for (int round = 0; round < rounds; round++)
        for (int kind = 0; kind < KINDS; kind++)
            if (takes_part(kind, test))
                seconds[kind][round] = run(kind, test);
    double first = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        if (!takes_part(kind, test))
            continue;
        qsort(seconds[kind], (size_t) rounds, sizeof(double), ascending);
        double median = seconds[kind][rounds / 2];
        if (first == 0)
            first = median;
        if (seconds[kind][0] == 0) { /* the least; it ended, or took too long */
            printf("%-32s %-22s %15s\n", tests[test].name, kinds[kind].name, "no figure");
            continue;
        }
        if (tests[test].where == ROUND_TRIP)
            printf("%-32s %-22s %12.3f us  %6.2f\n", tests[test].name, kinds[kind].name,
                   median / tests[test].count * 1e6, first / median);
        else
            printf("%-32s %-22s %12.0f /s  %6.2f\n", tests[test].name, kinds[kind].name,
                   tests[test].count / median, median / first);
        fflush(stdout);
    }
}

static void measure_create(void)
{
    enum { COUNT = 20000 };
    double begin = now();
    for (int i = 0; i < COUNT; i++) {
        mproc_queue queue;
        MPROC_MUST(mproc_queue_create(&queue, 64, 0));
        MPROC_MUST(mproc_queue_destroy(queue));
    }
    printf("%-32s %-22s %12.3f us\n", "create and destroy", "queue", (now() - begin) / COUNT * 1e6);
}

static void tell_missing(void)
{
#ifndef HAVE_ZMQ
    printf("ZeroMQ ipc: not installed, left out\n");
#endif
    for (int kind = 0; kind < KINDS; kind++)
        if (!kinds[kind].open && !kinds[kind].program)
            printf("%s: not installed, left out\n", kinds[kind].name);
}

int main(int argc, char **argv)
{
    mproc_init();
    MPROC_MUST(mproc_set_start_method(MPROC_START_FORK, true));
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    one_cpu = mproc_cpu_count() == 1;
    state = shared(sizeof *state);
    tell_missing();
    printf("%-32s %-22s %15s  %s\n", "", "", "median", "the first is so many times as fast");
    for (int test = 0; test < TESTS; test++)
        if (argc < 3 || strstr(tests[test].name, argv[2]))
            measure(test, rounds);
    measure_create();
#ifdef HAVE_ZMQ
    if (zmq_has_folder)
        (void) rmdir(zmq_folder);
#endif
    return 0;
}
