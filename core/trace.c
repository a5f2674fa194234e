/* SPDX-License-Identifier: MIT */
/* Taking down events: each process fills chunks of its own, which hang in a list of the family. */
#include "trace.h"

#include "fault.h"
#include "log.h"
#include "self.h"
#include "thread_number.h"

#include <apr_file_info.h>
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mproc__tracing;
static struct trace_chunk *_Atomic current;
static atomic_bool is_new; /* a child that the host forked: its begin is still to be written */
/* No array: it would spread what each forked child writes to, and so copies, over two pages. */
static const char *path;

enum { DEFAULT_EVENTS = 1000000 };

/* The file may be written when the working directory is another one. */
static bool remember_path(const char *name)
{
    apr_pool_t *pool;
    char *full;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return false;
    if (apr_filepath_merge(&full, NULL, name, 0, pool) != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return false;
    }
    path = full; /* and with it the pool, to the end */
    return true;
}

void mproc__trace_start(void)
{
    const char *name = getenv("MPROC_TRACE");
    if (!name || name[0] == '\0')
        return;
    if (!remember_path(name)) {
        mproc_log(MPROC_LOG_WARNING, "MPROC_TRACE: the path %s cannot be used", name);
        return;
    }
    const char *events = getenv("MPROC_TRACE_EVENTS");
    long long limit = events ? strtoll(events, NULL, 10) : 0;
    atomic_store(&mproc__family()->trace_limit, (uint64_t) (limit > 0 ? limit : DEFAULT_EVENTS));
    mproc__trace_join();
}

void mproc__trace_join(void)
{
    if (atomic_load_explicit(&mproc__family()->trace_limit, memory_order_relaxed) == 0)
        return;
    mproc__tracing = true;
    current = NULL; /* a forked child does not write into its parent's */
    is_new = false;
    mproc__trace_add('B', "process", mproc__own_name(), 0);
}

/* Its begin comes with its first event: a place of its own in the arena is nothing to take in a fork's handler. */
void mproc__trace_forked(void)
{
    current = NULL;
    is_new = mproc__tracing;
}

/* A new chunk, in the list. NULL when the limit is reached or there is no memory. */
static struct trace_chunk *add_chunk(void)
{
    struct family *family = mproc__family();
    uint64_t handle;
    uint64_t before = atomic_fetch_add(&family->trace_events, TRACE_EVENTS);
    if (before >= atomic_load(&family->trace_limit) ||
        mproc__arena_alloc(BLOCK_TRACE, sizeof(struct trace_chunk), &handle) != MPROC_OK)
        return NULL;
    struct trace_chunk *chunk = mproc__object(BLOCK_TRACE, handle);
    chunk->pid = mproc_plat_pid();
    chunk->token = mproc__self_peek();
    snprintf(chunk->process, sizeof chunk->process, "%s", mproc__own_name());
    chunk->next = atomic_load(&family->trace_chunks);
    while (!atomic_compare_exchange_weak(&family->trace_chunks, &chunk->next, handle))
        continue;
    return chunk;
}

static struct trace_event *add_event(void)
{
    for (;;) {
        struct trace_chunk *chunk = atomic_load(&current);
        if (chunk) {
            uint32_t place = atomic_fetch_add(&chunk->count, 1);
            if (place < TRACE_EVENTS)
                return &chunk->events[place];
        }
        struct trace_chunk *next = add_chunk();
        if (!next) {
            atomic_fetch_add(&mproc__family()->trace_dropped, 1);
            return NULL;
        }
        atomic_compare_exchange_strong(&current, &chunk, next);
    }
}

void mproc__trace_add(char phase, const char *category, const char *name, uint64_t id)
{
    if (atomic_load_explicit(&is_new, memory_order_relaxed) && atomic_exchange(&is_new, false))
        mproc__trace_add('B', "process", mproc__own_name(), 0);
    struct trace_event *event = add_event();
    if (!event)
        return;
    event->thread = mproc__thread_number();
    event->time = mproc_plat_now();
    event->id = id;
    snprintf(event->category, sizeof event->category, "%s", category);
    snprintf(event->name, sizeof event->name, "%s", name);
    MPROC_FAULT("trace.before_phase");
    atomic_store_explicit(&event->phase, (uint32_t) phase, memory_order_release);
}

void mproc__trace_finish(void)
{
    if (!mproc__tracing)
        return;
    mproc__trace_add('E', "process", mproc__own_name(), 0);
    struct family *family = mproc__family();
    if (mproc__self()->kind == PROCESS_ROOT &&
        mproc__trace_write(path, atomic_load(&family->trace_chunks), atomic_load(&family->trace_dropped)) !=
            MPROC_OK)
        mproc_log(MPROC_LOG_WARNING, "%s", mproc_last_error());
}

void mproc_trace_begin(const char *name)
{
    if (name)
        mproc__trace('B', "user", name, 0);
}

void mproc_trace_end(void)
{
    mproc__trace('E', "user", "", 0);
}
