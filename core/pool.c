/* SPDX-License-Identifier: MIT */
/* The pool as its creator sees it. */
#include "pool_local.h"

#include "function.h"
#include "log.h"
#include "runtime.h"
#include "self.h"

#include <stdlib.h>
#include <string.h>

enum { SEATS = 64 };

static struct {
    struct mproc_pool *first;
    int64_t finalizer_of; /* pid of the process that has registered it */
} pools;

mproc_err mproc__pool_check(const mproc_pool *pool)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    if (!pool)
        return mproc__fail(MPROC_EINVAL, "pool is NULL: create one first");
    if (pool->pid != mproc__self()->pid)
        return mproc__fail(MPROC_ESTATE, "a pool belongs to the process that created it");
    return MPROC_OK;
}

mproc_err mproc__pool_check_open(mproc_pool *pool)
{
    if (atomic_load(&pool->broken))
        return mproc__fail(MPROC_EBROKEN, "%s", pool->broken_text);
    return atomic_load_explicit(&pool->shared->closing, memory_order_relaxed) == POOL_OPEN
               ? MPROC_OK
               : mproc__fail(MPROC_ECLOSED, "the pool was closed: it takes no more tasks");
}

mproc_err mproc__pool_number(mproc_pool *pool, mproc_task *function, uint32_t *number)
{
    enum { KNOWN = sizeof pool->functions / sizeof pool->functions[0] };
    for (int i = 0; i < KNOWN; i++) {
        if (pool->functions[i].function != function)
            continue;
        if (pool->functions[i].stays || !mproc__libraries_changed(&pool->functions[i].unloads)) {
            *number = pool->functions[i].number;
            return MPROC_OK;
        }
        pool->functions[i].function = NULL; /* it may be another one by now */
    }
    bool stays;
    mproc_err err = mproc__pool_function_number(pool->shared, function, number, &stays);
    if (err != MPROC_OK)
        return err;
    unsigned place = pool->next_function++ % KNOWN;
    pool->functions[place].function = function;
    pool->functions[place].number = *number;
    pool->functions[place].stays = stays;
    (void) (stays || mproc__libraries_changed(&pool->functions[place].unloads));
    return MPROC_OK;
}

mproc_task *mproc__pool_function(mproc_pool *pool, uint32_t number)
{
    mproc_task *function = NULL;
    return mproc__pool_function_find(pool->shared, number, &function) == MPROC_OK ? function : NULL;
}

/* ---- creating ---- */

static mproc_err check_options(const mproc_pool_options *options, size_t workers)
{
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++)
        if (options->reserved[i])
            return mproc__fail(MPROC_EINVAL,
                               "options.reserved must be zero: initialise the whole struct "
                               "with { 0 }");
    if (!options->argument && options->argument_size)
        return mproc__fail(MPROC_EINVAL, "options.argument is NULL but argument_size is %zu",
                           options->argument_size);
    if (options->max_workers && options->max_workers < workers)
        return mproc__fail(MPROC_EINVAL, "options.max_workers is %zu, and there are to be %zu",
                           options->max_workers, workers);
    if (workers > POOL_SEATS || options->max_workers > POOL_SEATS)
        return mproc__fail(MPROC_EINVAL, "a pool has at most %d workers", POOL_SEATS);
    if (options->max_age_of_child < 0 || options->restart_period < 0 || options->stuck_after < 0)
        return mproc__fail(MPROC_EINVAL, "a time in the pool's options is negative; 0 means none");
    return MPROC_OK;
}

static mproc_err share_settings(mproc_pool *pool)
{
    struct pool_shared *shared = pool->shared;
    const mproc_pool_options *options = &pool->options;
    shared->max_tasks = options->max_tasks_per_child;
    shared->max_memory = options->max_memory_per_child;
    shared->max_age = options->max_age_of_child * INT64_C(1000000);
    shared->nested = options->nested;
    mproc_err err = MPROC_OK;
    if (options->argument_size) {
        err = mproc__pool_bytes(options->argument_size, &shared->argument);
        if (err == MPROC_OK) {
            shared->argument_size = options->argument_size;
            memcpy(mproc_plat_region_at(shared->argument), options->argument,
                   options->argument_size);
        }
    }
    uint32_t number;
    if (err == MPROC_OK && options->initializer) {
        err = mproc__pool_function_number(shared,
                                          (mproc_task *) (void (*)(void)) options->initializer,
                                          &number, NULL);
        if (err == MPROC_OK)
            shared->initializer = number + 1;
    }
    return err;
}

static mproc_err make_shared(mproc_pool *pool, uint32_t seats, uint32_t workers)
{
    mproc_err err = mproc__arena_alloc(BLOCK_POOL, sizeof(struct pool_shared) + POOL_LINE,
                                       &pool->handle);
    if (err != MPROC_OK)
        return err;
    struct pool_shared *shared = pool->shared = mproc_plat_region_at(
        pool_align((pool->handle & POSITION_MASK) * UNIT + sizeof(struct block)));
    uint64_t at;
    err = mproc__pool_lines(seats * sizeof(struct seat), &pool->seats_block, &at);
    if (err == MPROC_OK)
        err = mproc__pool_level(shared, -MPROC_POOL_LOWEST);
    if (err != MPROC_OK)
        return err;
    shared->seats = seats;
    shared->seats_at = at;
    for (uint32_t i = 0; i < seats; i++)
        atomic_store(&pool_seat(shared, i)->item, ITEM_NONE);
    atomic_store(&shared->workers, workers);
    /* Nobody looks for work before any has come: the parent has other workers to start. */
    atomic_store(&shared->work.spin.looking.skip, (uint16_t) (workers < 1000 ? 2 * workers : 2000));
    return share_settings(pool);
}

static void free_pool(mproc_pool *pool)
{
    struct pool_shared *shared = pool->shared;
    if (shared) {
        uint32_t records = atomic_load(&shared->records);
        for (uint32_t i = 0; i < records; i++) {
            struct task *task = mproc__pool_task(shared, i);
            if (task_phase(atomic_load(&task->state)) != TASK_FREE && task->owns)
                mproc__task_empty(task);
        }
        for (uint32_t i = 0; i < POOL_SLABS; i++) {
            for (uint32_t j = 0; pool->slabs[i] && j < (uint32_t) POOL_FIRST_SLAB << i; j++)
                free(pool->slabs[i][j].how);
            free(pool->slabs[i]);
            if (atomic_load(&shared->slab[i]))
                mproc__arena_free(BLOCK_TASK, atomic_load(&shared->slab[i]));
        }
        mproc__maps_reclaim(pool, true);
        mproc__feeds_free(pool);
        for (int i = 0; i < POOL_LEVELS; i++)
            if (shared->rings[i].block)
                mproc__arena_free(BLOCK_TASK, shared->rings[i].block);
        for (uint32_t i = 0; i < atomic_load(&shared->functions); i++)
            mproc__arena_free(BLOCK_TASK, shared->function_block[i]);
        if (shared->argument)
            mproc__pool_free_bytes(shared->argument);
    }
    if (pool->seats_block)
        mproc__arena_free(BLOCK_TASK, pool->seats_block);
    if (pool->handle)
        mproc__arena_free(BLOCK_POOL, pool->handle);
    free(pool->places);
    free(pool->watched.processes);
    free(pool->watched.seats);
    free(pool->name);
    free(pool);
}

/* Of a pool whose workers have ended. */
static void end_threads(mproc_pool *pool)
{
    if (pool->watcher)
        mproc__thread_join(pool->watcher);
    pool->watcher = NULL;
    if (pool->collector) {
        atomic_store(&pool->collector_stops, 1);
        mproc__gate_wake_all(&pool->shared->events);
        mproc__thread_join(pool->collector);
    }
    pool->collector = NULL;
}

/* At the end of the process: its workers are daemons, and nobody starts others while they end. */
static void end_pools(void *context)
{
    (void) context;
    for (mproc_pool *pool = pools.first; pool; pool = pool->next) {
        if (pool->pid != mproc__self()->pid)
            continue;
        if (!atomic_load(&pool->ended)) {
            (void) !mproc_pool_terminate(pool);
            (void) !mproc_pool_join(pool, MPROC_FOREVER);
        }
        if (!mproc__pool_is_collector(pool)) /* a callback may end the process */
            end_threads(pool);
    }
}

static mproc_err enlist(mproc_pool *pool)
{
    mproc__lock();
    bool first = pools.finalizer_of != pool->pid;
    if (first) /* what a forked child has here are its parent's */
        pools.first = NULL;
    pools.finalizer_of = pool->pid;
    pool->next = pools.first;
    pools.first = pool;
    mproc__unlock();
    return first ? mproc_at_exit(end_pools, NULL) : MPROC_OK;
}

static void delist(mproc_pool *pool)
{
    mproc__lock();
    mproc_pool **link = &pools.first;
    while (*link && *link != pool)
        link = &(*link)->next;
    if (*link)
        *link = pool->next;
    mproc__unlock();
}

/* The first workers are started by the caller, who learns what is wrong; the threads come after the forks. */
static mproc_err start_all(mproc_pool *pool, uint32_t workers)
{
    mproc_err err = MPROC_OK;
    for (uint32_t i = 0; err == MPROC_OK && i < workers; i++)
        err = mproc__pool_start_worker(pool, i);
    if (err == MPROC_OK)
        err = mproc__thread_start(&pool->watcher, true, mproc__pool_watch, pool);
    if (err == MPROC_OK && pool->options.stuck_after) {
        mproc__pool_lock(pool->shared);
        err = mproc__pool_need_collector(pool);
        atomic_fetch_add(&pool->timed, 1);
        mproc__pool_unlock(pool->shared);
    }
    return err;
}

static void undo(mproc_pool *pool)
{
    /* The error stays what it was. */
    atomic_store(&pool->shared->closing, POOL_TERMINATED);
    if (pool->watcher)
        mproc__thread_join(pool->watcher);
    for (uint32_t i = 0; i < pool->shared->seats; i++)
        if (pool->places[i].process) {
            (void) !mproc_process_kill(pool->places[i].process);
            (void) !mproc_process_join(pool->places[i].process, MPROC_FOREVER);
            (void) !mproc_process_close(pool->places[i].process);
        }
}

static mproc_err make(mproc_pool *pool, uint32_t workers, uint32_t seats)
{
    pool->due_end = &pool->due;
    pool->pid = mproc__self()->pid;
    pool->places = calloc(seats, sizeof *pool->places);
    pool->watched.processes = calloc(seats, sizeof *pool->watched.processes);
    pool->watched.seats = calloc(seats, sizeof *pool->watched.seats);
    const char *name = pool->options.name;
    pool->name = name ? malloc(strlen(name) + 1) : NULL;
    if (!pool->places || !pool->watched.processes || !pool->watched.seats || (name && !pool->name))
        return mproc__fail(MPROC_ENOMEM, "no memory for a pool of %u workers", workers);
    if (name)
        strcpy(pool->name, name);
    mproc_err err = make_shared(pool, seats, workers);
    if (err == MPROC_OK)
        err = enlist(pool);
    if (err != MPROC_OK)
        return err;
    err = start_all(pool, workers);
    if (err != MPROC_OK) {
        char text[300];
        strncpy(text, mproc_last_error(), sizeof text - 1);
        text[sizeof text - 1] = '\0';
        undo(pool);
        delist(pool);
        return mproc__fail(err, "%s", text);
    }
    return MPROC_OK;
}

mproc_err mproc_pool_create(mproc_pool **pool, size_t workers, const mproc_pool_options *options)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    if (!pool)
        return mproc__fail(MPROC_EINVAL,
                           "mproc_pool_create: pool is NULL; pass the address of a pointer");
    static const mproc_pool_options defaults;
    options = options ? options : &defaults;
    if (workers == 0)
        workers = (size_t) mproc_cpu_count();
    err = check_options(options, workers);
    if (err != MPROC_OK)
        return err;
    size_t seats = options->max_workers ? options->max_workers : workers > SEATS ? workers : SEATS;
    mproc_pool *made = calloc(1, sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a pool");
    made->options = *options;
    err = make(made, (uint32_t) workers, (uint32_t) seats);
    if (err != MPROC_OK)
        free_pool(made);
    else
        *pool = made;
    return err;
}

/* ---- ending ---- */

static void set_closing(mproc_pool *pool, uint32_t wanted)
{
    uint32_t seen = atomic_load(&pool->shared->closing);
    while (seen < wanted && !atomic_compare_exchange_weak(&pool->shared->closing, &seen, wanted))
        continue;
    mproc__gate_wake_all(&pool->shared->work);
    mproc__gate_wake_all(&pool->shared->done);
    mproc__gate_wake_all(&pool->shared->events);
}

mproc_err mproc_pool_close(mproc_pool *pool)
{
    mproc_err err = mproc__pool_check(pool);
    if (err == MPROC_OK)
        set_closing(pool, POOL_CLOSED);
    return err;
}

mproc_err mproc_pool_terminate(mproc_pool *pool)
{
    mproc_err err = mproc__pool_check(pool);
    if (err != MPROC_OK)
        return err;
    set_closing(pool, POOL_TERMINATED);
    mproc__pool_lock(pool->shared);
    for (uint32_t i = 0; i < pool->shared->seats; i++)
        if (pool->places[i].process)
            (void) !mproc_process_terminate(pool->places[i].process);
    mproc__pool_unlock(pool->shared);
    return MPROC_OK;
}

static bool has_ended(void *context)
{
    return atomic_load(&((mproc_pool *) context)->ended) != 0;
}

mproc_err mproc_pool_join(mproc_pool *pool, mproc_ms timeout)
{
    mproc_err err = mproc__pool_check(pool);
    if (err != MPROC_OK)
        return err;
    if (atomic_load(&pool->shared->closing) == POOL_OPEN)
        return mproc__fail(MPROC_ESTATE,
                           "the pool is still running: close or terminate it before join");
    err = mproc__pool_await(pool, has_ended, pool, mproc__deadline(timeout));
    return err == MPROC_OK ? MPROC_OK
                           : mproc__fail(err, "the pool's workers did not end within %lld ms",
                                         (long long) timeout);
}

mproc_err mproc_pool_shutdown(mproc_pool *pool, mproc_ms grace)
{
    mproc_err err = mproc_pool_close(pool);
    if (err != MPROC_OK)
        return err;
    mproc_err waited = mproc_pool_join(pool, grace);
    if (waited == MPROC_OK)
        return MPROC_OK;
    err = mproc_pool_terminate(pool);
    if (err == MPROC_OK)
        err = mproc_pool_join(pool, MPROC_FOREVER);
    return err != MPROC_OK ? err
                           : mproc__fail(MPROC_ETIMEDOUT,
                                         "the pool's work was not done within %lld ms; "
                                         "it was terminated",
                                         (long long) grace);
}

mproc_err mproc_pool_destroy(mproc_pool *pool)
{
    if (!pool)
        return MPROC_OK;
    mproc_err err = mproc__pool_check(pool);
    if (err != MPROC_OK)
        return err;
    if (mproc__pool_is_collector(pool))
        return mproc__fail(MPROC_ESTATE, "a pool cannot be destroyed in a callback of its own");
    if (!atomic_load(&pool->ended)) {
        err = mproc_pool_terminate(pool);
        if (err == MPROC_OK)
            err = mproc_pool_join(pool, MPROC_FOREVER);
        if (err != MPROC_OK)
            return err;
    }
    end_threads(pool);
    delist(pool);
    free_pool(pool);
    return MPROC_OK;
}

/* ---- the pool ---- */

mproc_err mproc_pool_resize(mproc_pool *pool, size_t workers)
{
    mproc_err err = mproc__pool_check(pool);
    if (err != MPROC_OK)
        return err;
    struct pool_shared *shared = pool->shared;
    if (workers == 0 || workers > shared->seats)
        return mproc__fail(MPROC_EINVAL,
                           "a pool can be resized to 1 to %u workers; raise "
                           "options.max_workers",
                           shared->seats);
    mproc__pool_lock(shared);
    err = mproc__pool_check_open(pool);
    uint32_t before = atomic_load(&shared->workers);
    if (err == MPROC_OK) {
        atomic_store(&shared->workers, (uint32_t) workers);
        for (uint32_t i = 0; i < shared->seats; i++) {
            atomic_store(&pool_seat(shared, i)->leave, i >= workers && pool->places[i].process);
            if (err == MPROC_OK && i < workers && !pool->places[i].process && i >= before)
                err = mproc__pool_start_worker(pool, i);
        }
        for (struct map *map = pool->maps; map; map = map->next)
            for (size_t i = before; i < workers; i++)
                mproc__pool_push(shared, map->job->level, map->reference);
    }
    mproc__pool_unlock(shared);
    mproc__gate_wake_all(&shared->work);
    return err;
}

mproc_err mproc_pool_get_statistics(mproc_pool *pool, mproc_pool_statistics *statistics)
{
    mproc_err err = mproc__pool_check(pool);
    if (err == MPROC_OK && !statistics)
        err = mproc__fail(MPROC_EINVAL, "mproc_pool_get_statistics: statistics is NULL");
    if (err != MPROC_OK)
        return err;
    struct pool_shared *shared = pool->shared;
    mproc__pool_lock(shared);
    *statistics = pool->statistics;
    statistics->workers = atomic_load(&shared->workers);
    for (uint32_t i = 0; i < shared->seats; i++) {
        struct seat *seat = pool_seat(shared, i);
        statistics->running += pool->places[i].process != NULL;
        statistics->busy += atomic_load(&seat->current) || atomic_load(&seat->item) <= ITEM_LAST;
        statistics->finished += atomic_load(&seat->finished);
    }
    for (int i = 0; i < POOL_LEVELS; i++) {
        struct ring *ring = &shared->rings[i];
        statistics->queued += (size_t) (atomic_load(&ring->tail) - atomic_load(&ring->head)) +
                              atomic_load(&ring->listed);
    }
    statistics->submitted = atomic_load(&shared->submitted) +
                            atomic_load(&shared->submitted_inside);
    mproc__pool_unlock(shared);
    return MPROC_OK;
}

int64_t mproc_pool_worker_pid(mproc_pool *pool, size_t id)
{
    if (mproc__pool_check(pool) != MPROC_OK || id >= pool->shared->seats)
        return 0;
    mproc__pool_lock(pool->shared);
    int64_t pid = pool->places[id].pid;
    mproc__pool_unlock(pool->shared);
    return pid;
}
