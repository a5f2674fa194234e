/* SPDX-License-Identifier: MIT */
/* Process objects by place and generation: a stale pointer finds another generation, never memory
 * that was freed. */
#include "children.h"

#include "compiler.h"
#include "log.h"
#include "runtime.h"
#include "shared_memory.h"
#include "thread.h"
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INDEX_BITS = 20, ALIGNMENT_BITS = 4 };

static struct child *first_places[64]; /* beside mproc's other variables, as the pool below */
static struct child **places;
static _Atomic uint32_t place_count;
static uint32_t first_free; /* no free place below */
static uint32_t reap_next;
/* One for all places, and never set back: a forked child has its parent's pointers, and makes none like them. */
static uint32_t last_generation;

mproc_err mproc__child_reserve(void)
{
    while (first_free < place_count && places[first_free])
        first_free++;
    if (first_free < place_count)
        return MPROC_OK;
    uint32_t count = place_count ? place_count * 2 : sizeof first_places / sizeof first_places[0];
    struct child **more = first_places;
    if (place_count)
        more = count < 1u << INDEX_BITS ? calloc(count, sizeof *more) : NULL;
    if (!more)
        return mproc__fail(MPROC_ENOMEM, "no memory for %u process objects; close some", count);
    struct child **old = places;
    if (place_count)
        memcpy(more, old, place_count * sizeof *more);
    /* Another thread of the host's may fork at any time, and its child goes through all places. */
    places = more;
    place_count = count;
    if (old && old != first_places)
        free(old);
    return MPROC_OK;
}

/* The first few lie beside mproc's other variables: their page is written at every fork anyway. */
static struct child pool[4];
static bool pool_used[4];

static struct child *take_from_pool(void)
{
    for (size_t i = 0; i < sizeof pool / sizeof pool[0]; i++)
        if (!pool_used[i]) {
            pool_used[i] = true;
            return &pool[i];
        }
    return NULL;
}

static void release(struct child *child)
{
    if (child->name != child->short_name)
        free((char *) child->name);
    if (child->message)
        free(child->message);
    if (child->pooled)
        pool_used[child - pool] = false;
    else
        free(child);
}

static struct child *allocate(const struct child *values, const char *name)
{
    struct child *made = take_from_pool();
    bool pooled = made != NULL;
    if (!made)
        made = malloc(sizeof *made);
    if (!made)
        return NULL;
    *made = *values;
    made->pooled = pooled;
    size_t size = strlen(name) + 1;
    char *text = size <= sizeof made->short_name ? made->short_name : malloc(size);
    made->name = text ? text : made->short_name;
    if (!text) {
        release(made);
        return NULL;
    }
    memcpy(text, name, size);
    return made;
}

mproc_err mproc__child_add(const struct child *values, const char *name, struct child **child)
{
    mproc_err err = mproc__child_reserve();
    if (err != MPROC_OK)
        return err;
    struct child *made = allocate(values, name);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a process object");
    made->index = first_free;
    made->generation = ++last_generation;
    places[first_free] = made;
    *child = made;
    return MPROC_OK;
}

mproc_process *mproc__child_pointer(const struct child *child)
{
    uintptr_t value = ((uintptr_t) child->generation << INDEX_BITS | (child->index + 1))
                      << ALIGNMENT_BITS;
    return (mproc_process *) value;
}

struct child *mproc__child_find(const mproc_process *pointer, mproc_err *err)
{
    uintptr_t value = (uintptr_t) pointer >> ALIGNMENT_BITS;
    uint32_t index = (uint32_t) (value & ((1u << INDEX_BITS) - 1));
    if (!pointer || index == 0 || index > place_count) {
        *err = mproc__fail(MPROC_EINVAL, "%s process pointer: start one first", pointer ? "a wild" : "NULL");
        return NULL;
    }
    struct child *child = places[index - 1];
    if (!child || mproc__child_pointer(child) != pointer) {
        *err = mproc__fail(MPROC_ECLOSED, "this process object was closed");
        return NULL;
    }
    *err = MPROC_OK;
    return child;
}

void mproc__child_remove(struct child *child)
{
    places[child->index] = NULL;
    if (child->index < first_free)
        first_free = child->index;
    mproc_plat_process_forget(&child->process);
    release(child);
}

struct child *mproc__child_next(uint32_t *at)
{
    while (*at < place_count) {
        struct child *child = places[(*at)++];
        if (child)
            return child;
    }
    return NULL;
}

static void tell(struct child *child, const char *format, ...) MPROC_PRINTF(2, 3);
static void tell(struct child *child, const char *format, ...)
{
    enum { SIZE = 256 };
    va_list values;
    va_start(values, format);
    child->message = malloc(SIZE);
    if (child->message)
        vsnprintf(child->message, SIZE, format, values);
    va_end(values);
}

const char *mproc__child_trouble(const struct child *child)
{
    return child->message ? child->message : "it could not run (and there was no memory to say why)";
}

/* What the record says that the system does not. */
static void conclude(struct child *child)
{
    struct record *record = mproc__arena_at(BLOCK_RECORD, child->record);
    uint32_t phase = record ? atomic_load(&record->phase) : PHASE_GUARDED;
    if (phase == PHASE_REFUSED) {
        child->trouble = (mproc_err) atomic_load(&record->refusal);
        tell(child, "%.*s", (int) sizeof record->message, record->message);
    } else if (phase == PHASE_CREATED && child->guard_deadline != MPROC_PLAT_NEVER &&
               (child->guard_missed || (child->status.known && !child->status.signalled))) {
        child->trouble = MPROC_ENOGUARD;
        tell(child, "%s never reached mproc_init(): make it the first statement of main in the program "
                    "it runs",
             child->name);
    }
    if (!child->status.known) {
        bool told = phase == PHASE_FINISHED;
        child->status.signalled = false;
        child->status.code = told ? atomic_load(&record->exit_code) : 255;
        if (!told)
            mproc_log(MPROC_LOG_WARNING,
                      "nobody can tell how %s (pid %lld) ended: was its status waited for elsewhere?",
                      child->name, (long long) child->process.pid);
    }
    child->record = 0;
    mproc__shared_memory_child_ended(child->token);
}

int64_t mproc__child_guard(struct child *child)
{
    if (child->guard_deadline == MPROC_PLAT_NEVER || child->guard_missed || child->ended)
        return MPROC_PLAT_NEVER;
    struct record *record = mproc__arena_at(BLOCK_RECORD, child->record);
    if (!record || atomic_load(&record->phase) != PHASE_CREATED) {
        child->guard_deadline = MPROC_PLAT_NEVER;
        return MPROC_PLAT_NEVER;
    }
    if (mproc_plat_now() < child->guard_deadline)
        return child->guard_deadline;
    child->guard_missed = true;
    (void) mproc_plat_process_stop(&child->process, true);
    return MPROC_PLAT_NEVER;
}

bool mproc__child_poll(struct child *child)
{
    if (child->ended || child->kind != CHILD)
        return child->ended;
    if (!mproc_plat_process_reap(&child->process, &child->status)) {
        (void) mproc__child_guard(child);
        return false;
    }
    child->ended = true;
    conclude(child);
    mproc_log(MPROC_LOG_DEBUG, "%s (pid %lld) has ended: %s %d", child->name,
              (long long) child->process.pid, child->status.signalled ? "signal" : "exit code",
              child->status.code);
    mproc__trace('i', "ended", child->name, (uint64_t) child->process.pid);
    mproc__child_settle(child);
    return true;
}

void mproc__child_settle(struct child *child)
{
    if (child->ended && child->stoppers == 0) {
        mproc__slot_release(child->token); /* and its record */
        child->token = 0;
    }
    if (child->ended && child->waiters == 0 && !child->sentinel_given)
        mproc_plat_process_forget(&child->process);
}

void mproc__children_reap_some(void)
{
    for (uint32_t i = 0; i < 4 && i < place_count; i++) {
        reap_next = (reap_next + 1) % place_count;
        if (places[reap_next])
            mproc__child_poll(places[reap_next]);
    }
    mproc__slots_reclaim_some();
}

MPROC_IN_CHILD void mproc__children_forked(void)
{
    for (uint32_t i = 0; i < place_count; i++)
        if (places[i])
            mproc_plat_process_forked(&places[i]->process);
    memset(pool_used, 0, sizeof pool_used);
    memset(first_places, 0, sizeof first_places);
    /* Not freed: writing to the parent's pages would only copy them. */
    places = NULL;
    place_count = first_free = 0;
}

/* A child that still runs: the next daemon, or the next that is none. */
static mproc_process *next_running(bool daemon)
{
    mproc_process *pointer = NULL;
    mproc__lock();
    uint32_t at = 0;
    for (struct child *child; !pointer && (child = mproc__child_next(&at)) != NULL;)
        if (child->kind == CHILD && child->daemon == daemon && !mproc__child_poll(child))
            pointer = mproc__child_pointer(child);
    mproc__unlock();
    return pointer;
}

static void terminate_daemons(void)
{
    mproc__lock();
    uint32_t at = 0;
    for (struct child *child; (child = mproc__child_next(&at)) != NULL;)
        if (child->kind == CHILD && child->daemon && !mproc__child_poll(child))
            (void) mproc_plat_process_stop(&child->process, false);
    mproc__unlock();
}

static void wait_for(mproc_process *process)
{
    if (mproc_process_join(process, MPROC_FOREVER) != MPROC_OK)
        mproc_log(MPROC_LOG_WARNING, "at exit: %s", mproc_last_error());
}

MPROC_IN_CHILD static bool any_children(void)
{
    bool any = false;
    if (place_count == 0)
        return false;
    mproc__lock();
    uint32_t at = 0;
    for (struct child *child; !any && (child = mproc__child_next(&at)) != NULL;)
        any = child->kind == CHILD && !child->ended;
    mproc__unlock();
    return any;
}

MPROC_IN_CHILD void mproc__children_end(void)
{
    if (!any_children())
        return;
    mproc_plat_stdio_flush(mproc__is_alone());
    terminate_daemons();
    int64_t patience = mproc_plat_now() + INT64_C(1000000000);
    for (mproc_process *daemon; (daemon = next_running(true)) != NULL;) {
        int64_t left = (patience - mproc_plat_now()) / 1000000;
        if (mproc_process_join(daemon, left > 0 ? left : 0) == MPROC_ETIMEDOUT &&
            mproc_process_kill(daemon) == MPROC_OK)
            wait_for(daemon);
    }
    for (mproc_process *child; (child = next_running(false)) != NULL;)
        wait_for(child);
}
