/* SPDX-License-Identifier: MIT */
/* A pool's worker: fetches references, claims what they mean, runs it. */
#include "pool_job.h"

#include "compiler.h"
#include "fault.h"
#include "log.h"
#include "runtime.h"
#include "self.h"

#include <stdlib.h>
#include <string.h>

enum { PREFETCH_NS = 50000, LOOKS = 100 };

static struct worker {
    struct pool_shared *shared; /* NULL outside a worker */
    struct seat *seat;
    uint32_t index;
    uint64_t pool;
    mproc_task *functions[POOL_FUNCTIONS]; /* by number, once found */
    struct task *task;                     /* it is in */
    void *state;
    size_t state_size;
    uint64_t tasks;
    int64_t born;
    uint32_t average; /* nanoseconds of a task, about; 0: not known yet */
} worker;

static mproc_err find_function(uint32_t number, mproc_task **function)
{
    if (worker.functions[number]) {
        *function = worker.functions[number];
        return MPROC_OK;
    }
    mproc_err err = mproc__pool_function_find(worker.shared, number, function);
    if (err == MPROC_OK)
        worker.functions[number] = *function;
    return err;
}

/* ---- single tasks ---- */

static const void *arguments_of(const struct task *task)
{
    if (!task->in)
        return NULL;
    const char *in = mproc_plat_region_at(task->in);
    if (!(task->owns & TASK_NUMBERED))
        return in;
    return task->in_size > POOL_NUMBER ? in + POOL_NUMBER : NULL;
}

static void call(struct task *task)
{
    mproc_task *function;
    mproc_err err = find_function(task->function, &function);
    if (err != MPROC_OK) {
        task->err = (uint16_t) err;
        return;
    }
    worker.task = task;
    if (task->timed)
        atomic_store(&worker.seat->began, mproc_plat_now());
    task->code = pool_call(function, arguments_of(task),
                           task->out ? mproc_plat_region_at(task->out) : NULL);
    if (task->timed)
        atomic_store(&worker.seat->began, 0);
    worker.task = NULL;
    task->err = task->code ? MPROC_ETASK : MPROC_OK;
}

/* Claims and runs what the reference means; false if somebody else has, or it was cancelled. */
static bool run(uint64_t reference)
{
    struct pool_shared *shared = worker.shared;
    struct seat *seat = worker.seat;
    uint32_t index = (uint32_t) reference;
    struct task *task = mproc__pool_task(shared, index);
    uint64_t finished = atomic_load_explicit(&seat->finished, memory_order_relaxed);
    atomic_store_explicit(&seat->finished_before, finished, memory_order_relaxed);
    atomic_store_explicit(&seat->current, reference, memory_order_release);
    MPROC_FAULT("pool.current_set");
    uint64_t queued = atomic_load_explicit(&task->state, memory_order_relaxed), running;
    do {
        if (task_phase(queued) != TASK_QUEUED || task_tag(queued) != (uint32_t) (reference >> 32)) {
            atomic_store_explicit(&seat->current, 0, memory_order_relaxed);
            return false;
        }
        running = (queued & TASK_BITS) | (uint64_t) task_tag(queued) << TASK_TAG_SHIFT |
                  (uint64_t) worker.index << TASK_SEAT_SHIFT | TASK_RUNNING;
    } while (!atomic_compare_exchange_weak(&task->state, &queued, running));
    MPROC_FAULT("pool.running");
    call(task);
    MPROC_FAULT("pool.task_returned");
    mproc__task_finish(shared, task, index, running);
    atomic_store_explicit(&seat->finished, finished + 1, memory_order_release);
    MPROC_FAULT("pool.counted");
    atomic_store_explicit(&seat->current, 0, memory_order_release);
    worker.tasks++;
    return true;
}

/* ---- leaving ---- */

/* One that is too large or too old when it begins does a task all the same: its successor would be no better. */
static bool is_worn_out(void)
{
    const struct pool_shared *shared = worker.shared;
    if (worker.tasks == 0)
        return false;
    if (shared->max_tasks && worker.tasks >= shared->max_tasks)
        return true;
    if (shared->max_age && mproc_plat_now() - worker.born >= shared->max_age)
        return true;
    return shared->max_memory && mproc_plat_memory_used() > shared->max_memory;
}

static bool must_leave(void)
{
    return atomic_load_explicit(&worker.seat->leave, memory_order_relaxed) || is_worn_out();
}

/* ---- maps ---- */

static bool check_mail(void)
{
    uint64_t mail = atomic_load_explicit(&worker.seat->mail, memory_order_relaxed);
    if (mail == 0)
        return false;
    run(mail);
    atomic_compare_exchange_strong(&worker.seat->mail, &mail, 0);
    return true;
}

static struct {
    uint64_t reference;
    uint32_t level;
    bool leaving;
} helping;

/* Between two units of a map: whether this worker is to leave it. It leaves a reference behind for whoever
 * comes next; if it leaves the pool, the sweep does. */
static bool pause_job(void)
{
    struct pool_shared *shared = worker.shared;
    worker.tasks++;
    check_mail();
    if (must_leave()) {
        helping.leaving = true;
        return true;
    }
    if (helping.level + 1 == POOL_LEVELS || !mproc__pool_has_work(shared, helping.level + 1))
        return false;
    mproc__pool_lock(shared);
    bool pushed = mproc__pool_push(shared, helping.level, helping.reference);
    mproc__pool_unlock(shared);
    return pushed;
}

static bool help(uint64_t reference)
{
    struct job *job = mproc__job_enter(worker.seat, reference);
    if (!job)
        return false;
    mproc_task *function;
    if (find_function(job->function, &function) != MPROC_OK) {
        mproc_log(MPROC_LOG_ERROR, "%s", mproc_last_error());
        atomic_store(&worker.seat->phase, SEAT_FAILED);
        mproc_exit(1);
    }
    helping.reference = reference;
    helping.level = job->level;
    helping.leaving = false;
    worker.tasks--; /* the first look comes before the first unit */
    mproc__job_work(worker.shared, worker.seat, worker.index, job, function, pause_job);
    MPROC_FAULT("job.leaving");
    if (!helping.leaving)
        atomic_store_explicit(&worker.seat->job, 0, memory_order_release);
    return true;
}

static bool perform(uint64_t reference)
{
    return reference & REFERENCE_JOB ? help(reference) : run(reference);
}

/* ---- the loop ---- */

/* As many references as are worth some 50 us, so that long tasks are not held back behind others. */
static uint32_t how_many(void)
{
    if (worker.average == 0)
        return 1;
    uint32_t most = PREFETCH_NS / worker.average;
    return most < 1 ? 1 : most > POOL_LANE ? POOL_LANE : most;
}

/* It rises slowly: most long times are those of a worker that was not running. */
static void learn(uint64_t each)
{
    uint64_t average = worker.average;
    if (average == 0 || each < average)
        average = average ? (average + each) / 2 : each;
    else
        average = each < average + average / 4 + 50 ? each : average + average / 4 + 50;
    worker.average = average > 1000000000 ? 1000000000 : (uint32_t) average;
    uint32_t told = atomic_load_explicit(&worker.shared->average, memory_order_relaxed);
    if (worker.average > told + told / 4 || worker.average < told - told / 4)
        atomic_store_explicit(&worker.shared->average, worker.average, memory_order_relaxed);
}

static bool run_lane(void)
{
    struct seat *seat = worker.seat;
    uint32_t count = mproc__pool_fetch(worker.shared, seat, how_many());
    if (count == 0)
        return false;
    /* Alone in the ring: whoever waits for it is in a hurry, and nothing is to be learned. */
    bool timing = count > 1 || mproc__pool_has_work(worker.shared, 0);
    int64_t begin = timing ? mproc_plat_now() : 0;
    uint32_t ran = 0;
    if (timing)
        mproc__gate_wake(&worker.shared->work); /* there is more: let another come */
    for (uint32_t i = 0; i < count; i++) {
        atomic_store_explicit(&seat->lane_next, i + 1, memory_order_relaxed);
        uint64_t reference = atomic_load_explicit(&seat->lane[i], memory_order_relaxed);
        bool is_job = (reference & REFERENCE_JOB) != 0;
        if (perform(reference) && !is_job)
            ran++;
        if (is_job)
            timing = false;
        if (must_leave() && i + 1 < count)
            return true; /* the sweep puts the rest back */
    }
    atomic_store_explicit(&seat->lane_end, 0, memory_order_release);
    if (ran && timing)
        learn((uint64_t) (mproc_plat_now() - begin) / ran + 1);
    return true;
}

/* From the lanes of those who are busy. */
static bool steal(void)
{
    struct pool_shared *shared = worker.shared;
    for (uint32_t i = 1; i < shared->seats; i++) {
        struct seat *other = pool_seat(shared, (worker.index + i) % shared->seats);
        uint32_t end = atomic_load_explicit(&other->lane_end, memory_order_acquire);
        for (uint32_t at = atomic_load_explicit(&other->lane_next, memory_order_relaxed);
             at < end && at < POOL_LANE; at++) {
            uint64_t reference = atomic_load_explicit(&other->lane[at], memory_order_relaxed);
            if (reference && perform(reference))
                return true;
        }
    }
    return false;
}

static bool is_over(void)
{
    return must_leave() || (atomic_load(&worker.shared->closing) != POOL_OPEN);
}

static bool wake_up(void *context)
{
    (void) context;
    return mproc__pool_has_work(worker.shared, 0) || atomic_load(&worker.seat->mail) || is_over();
}

/* Whoever submits one task often submits another at once: to sleep between them costs a wake-up each. */
static bool look_briefly(void)
{
    for (int i = 0; i < LOOKS; i++) {
        if (wake_up(NULL))
            return true;
        mproc__pause();
    }
    return false;
}

static void serve(void)
{
    while (!must_leave()) {
        if (check_mail() || run_lane() || steal())
            continue;
        if (is_over() && !mproc__pool_has_work(worker.shared, 0))
            return;
        if (worker.average < PREFETCH_NS && look_briefly())
            continue;
        (void) mproc__gate_wait(&worker.shared->work, wake_up, NULL, MPROC_PLAT_NEVER);
    }
}

static bool initialize(void)
{
    struct pool_shared *shared = worker.shared;
    if (!shared->initializer)
        return true;
    mproc_task *found;
    if (mproc__pool_function_find(shared, shared->initializer - 1, &found) != MPROC_OK) {
        mproc_log(MPROC_LOG_ERROR, "%s", mproc_last_error());
        return false;
    }
    void *copy = shared->argument_size ? malloc((size_t) shared->argument_size) : NULL;
    if (shared->argument_size && !copy)
        return false;
    if (copy)
        memcpy(copy, mproc_plat_region_at(shared->argument), (size_t) shared->argument_size);
    int code = ((mproc_target *) (void (*)(void)) found)(copy);
    free(copy);
    return code == 0;
}

int mproc__pool_worker(void *argument)
{
    const struct pool_worker_start *start = argument;
    const void *block = mproc__object(BLOCK_POOL, start->pool);
    if (!block)
        return 1;
    memset(&worker, 0, sizeof worker);
    worker.shared = mproc_plat_region_at(pool_align(mproc_plat_region_offset(block)));
    worker.pool = start->pool;
    worker.index = start->seat;
    worker.seat = pool_seat(worker.shared, start->seat);
    worker.born = mproc_plat_now();
    (void) mproc__self_token(); /* others may soon ask whether this process lives */
    mproc_plat_ignore_interrupt();
    if (worker.shared->nested)
        mproc__self()->daemon = false; /* it may have children; it still ends with its parent */
    if (!initialize()) {
        atomic_store(&worker.seat->phase, SEAT_FAILED);
        return 1;
    }
    atomic_fetch_add(&worker.shared->initialized, 1);
    atomic_store(&worker.seat->phase, SEAT_READY);
    MPROC_FAULT("pool.ready");
    serve();
    atomic_store(&worker.seat->phase, SEAT_LEFT);
    return 0;
}

/* ---- what tasks may ask ---- */

size_t mproc_worker_id(void)
{
    return worker.shared ? worker.index : SIZE_MAX;
}

void *mproc_worker_state(size_t size)
{
    if (!worker.shared || size == 0)
        return NULL;
    if (!worker.state) {
        worker.state = calloc(1, size);
        worker.state_size = worker.state ? size : 0;
    }
    return size <= worker.state_size ? worker.state : NULL;
}

size_t mproc_task_index(void)
{
    if (!worker.shared)
        return 0;
    if (worker.task) {
        uint64_t number = 0;
        if (worker.task->owns & TASK_NUMBERED)
            memcpy(&number, mproc_plat_region_at(worker.task->in), sizeof number);
        return (size_t) number;
    }
    uint64_t item = atomic_load_explicit(&worker.seat->item, memory_order_relaxed);
    return item <= ITEM_LAST ? (size_t) item : 0;
}

bool mproc_task_should_stop(void)
{
    if (!worker.shared)
        return false;
    struct seat *seat = worker.seat;
    if (worker.task)
        return atomic_load(&seat->stop_current) == atomic_load(&seat->current);
    return atomic_load(&seat->job) && atomic_load(&seat->stop_current) == atomic_load(&seat->job) &&
           atomic_load(&seat->stop_item) == atomic_load(&seat->item);
}

void *mproc_task_output(size_t size)
{
    struct task *task = worker.task;
    uint64_t made;
    if (!task || size == 0 || mproc__pool_bytes(size, &made) != MPROC_OK)
        return NULL;
    uint64_t old = task->owns & TASK_OWNS_OUT ? task->out : 0;
    task->out = made;
    task->out_size = size;
    task->owns |= TASK_OWNS_OUT;
    if (old)
        mproc__pool_free_bytes(old);
    return mproc_plat_region_at(made);
}

/* Under the latch. */
static mproc_err number_of(mproc_task *function, uint32_t *number)
{
    for (uint32_t i = 0; i < POOL_FUNCTIONS; i++)
        if (worker.functions[i] == function) {
            *number = i;
            return MPROC_OK;
        }
    mproc_err err = mproc__pool_function_number(worker.shared, function, number, NULL);
    if (err == MPROC_OK)
        worker.functions[*number] = function;
    return err;
}

mproc_err mproc_worker_submit(mproc_task *function, const void *in, size_t in_size)
{
    if (!worker.shared)
        return mproc__fail(MPROC_ESTATE,
                           "mproc_worker_submit is called inside a pool's tasks only");
    if (!function || (!in && in_size))
        return mproc__fail(MPROC_EINVAL, "mproc_worker_submit: %s is NULL",
                           function ? "in" : "task");
    struct pool_shared *shared = worker.shared;
    struct task *task;
    uint32_t index;
    mproc__pool_lock(shared);
    uint32_t number;
    mproc_err err = number_of(function, &number);
    if (err == MPROC_OK)
        err = mproc__pool_take(shared, &task, &index);
    if (err == MPROC_OK) {
        err = mproc__task_fill(task, in, in_size, 0);
        if (err != MPROC_OK)
            mproc__pool_give(shared, task, index);
    }
    if (err == MPROC_OK) {
        task->function = number;
        task->level = -MPROC_POOL_LOWEST;
        task->timed = 0;
        task->code = 0;
        task->err = MPROC_OK;
        uint64_t state = atomic_load(&task->state);
        state = (state & ~TASK_PHASE) | TASK_TOLD | TASK_QUEUED;
        atomic_store_explicit(&task->state, state, memory_order_release);
        atomic_fetch_add(&shared->submitted_inside, 1);
        mproc__pool_push(shared, task->level, task_reference(index, state));
    }
    mproc__pool_unlock(shared);
    if (err == MPROC_OK)
        mproc__gate_wake_fenced(&shared->work);
    return err;
}
