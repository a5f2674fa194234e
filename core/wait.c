/* SPDX-License-Identifier: MIT */
/* Waiting for several things: each kind says by its source how it is asked and what it waits on. */
#include "mproc/wait.h"

#include "arena.h"
#include "children.h"
#include "connection.h"
#include "runtime.h"
#include "wait_source.h"
#include "waitable.h"

#include <stdio.h>
#include <stdlib.h>

/* How soon a thing that another thread is using is asked again. */
#define RETRY INT64_C(10000000)
/* How often queues and pipes are looked at beside handles; and, alone, the other ends of pipes. */
#define LOOK_SLICE INT64_C(5000000)
#define DEATH_SLICE INT64_C(20000000)

mproc_err mproc__wait_add(struct wait_set *set, mproc_plat_handle handle, bool direct)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? set->capacity * 2 : 16;
        struct wait_entry *more = realloc(set->entries, capacity * sizeof *more);
        if (!more)
            return mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu things", capacity);
        set->entries = more;
        set->capacity = capacity;
    }
    set->entries[set->count++] = (struct wait_entry){
        .handle = handle,
        .item = set->item,
        .direct = direct,
        .socket = MPROC_PLAT_NONE,
    };
    return MPROC_OK;
}

mproc_err mproc__wait_retry(struct wait_set *set)
{
    int64_t soon = mproc_plat_now() + RETRY;
    if (soon < set->until)
        set->until = soon;
    return MPROC_OK;
}

/* ---- native things ---- */

static mproc_err enter_plain(uint64_t id, void **object)
{
    (void) id;
    *object = NULL;
    return MPROC_OK;
}

static void leave_plain(uint64_t id, void *object)
{
    (void) id;
    (void) object;
}

static mproc_err ask_none(uint64_t id, void *object, struct wait_set *set, bool *ready)
{
    (void) id;
    (void) object;
    (void) set;
    *ready = false;
    return MPROC_OK;
}

static mproc_err ask_native(uint64_t id, void *object, struct wait_set *set, bool *ready)
{
    (void) object;
    *ready = false;
    if ((mproc_plat_handle) id == MPROC_PLAT_NONE)
        return mproc__fail(MPROC_EINVAL, "-1 is no native handle");
    return mproc__wait_add(set, (mproc_plat_handle) id, true);
}

/* What stands for a socket that is waited for already: there can be one only. */
static mproc_plat_handle waitable_of(const struct wait_set *set, mproc_plat_handle socket)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->entries[i].socket == socket)
            return set->entries[i].handle;
    return MPROC_PLAT_NONE;
}

static mproc_err ask_socket(uint64_t id, void *object, struct wait_set *set, bool *ready)
{
    (void) object;
    *ready = false;
    if ((mproc_plat_handle) id == MPROC_PLAT_NONE)
        return mproc__fail(MPROC_EINVAL, "-1 is no socket");
    mproc_plat_handle waitable = waitable_of(set, (mproc_plat_handle) id);
    if (waitable != MPROC_PLAT_NONE)
        return mproc__wait_add(set, waitable, true);
    mproc_err err = mproc_plat_await_socket((mproc_plat_handle) id, &waitable);
    if (err != MPROC_OK)
        return err;
    err = mproc__wait_add(set, waitable, true);
    if (err != MPROC_OK)
        mproc_plat_await_socket_end((mproc_plat_handle) id, waitable);
    else
        set->entries[set->count - 1].socket = (mproc_plat_handle) id;
    return err;
}

/* ---- queues and pipes ---- */

static mproc_err add_gate(struct wait_set *set, struct gate *gate)
{
    if (set->gate_count == set->gate_capacity) {
        size_t capacity = set->gate_capacity ? set->gate_capacity * 2 : 16;
        struct gate **more = realloc(set->gates, capacity * sizeof(struct gate *));
        if (!more)
            return mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu things", capacity);
        set->gates = more;
        set->gate_capacity = capacity;
    }
    set->gates[set->gate_count++] = gate;
    return MPROC_OK;
}

static mproc_err ask_queue(uint64_t id, void *object, struct wait_set *set, bool *ready)
{
    (void) object;
    struct gate *gate = mproc__queue_gate(id);
    *ready = gate && mproc__queue_readable(id);
    if (!gate)
        return mproc__object_error(id);
    return *ready ? MPROC_OK : add_gate(set, gate);
}

static mproc_err ask_pipe(uint64_t id, void *object, struct wait_set *set, bool *ready)
{
    (void) object;
    struct gate *gate = mproc__pipe_gate(id);
    *ready = gate && mproc__pipe_readable(id);
    if (!gate)
        return mproc__pipe_unreadable(id);
    return *ready ? MPROC_OK : add_gate(set, gate);
}

static const struct wait_source none = { enter_plain, ask_none, leave_plain };
static const struct wait_source native = { enter_plain, ask_native, leave_plain };
static const struct wait_source socket_source = { enter_plain, ask_socket, leave_plain };
static const struct wait_source queue = { enter_plain, ask_queue, leave_plain };
static const struct wait_source pipe_source = { enter_plain, ask_pipe, leave_plain };

/* By mproc_wait_kind. */
static const struct wait_source *const sources[] = {
    &none, &native, &socket_source, &mproc__connection_source, &mproc__listener_source,
    &mproc__process_source, &queue, &pipe_source,
};

/* ---- rounds ---- */

/* Says which item it was. */
static mproc_err of_item(mproc_err err, size_t index)
{
    char cause[400];
    snprintf(cause, sizeof cause, "%s", mproc_last_error());
    return mproc__fail(err, "item %zu to wait for: %s", index, cause);
}

static mproc_err ask_all(mproc_wait_item *items, size_t count, void **objects, struct wait_set *set,
                         size_t *ready)
{
    mproc_err err = MPROC_OK;
    for (size_t i = 0; i < count && err == MPROC_OK; i++) {
        set->item = i;
        err = sources[items[i].kind]->ask(items[i].id, objects[i], set, &items[i].ready);
        if (err != MPROC_OK)
            return of_item(err, i);
        *ready += items[i].ready;
    }
    return MPROC_OK;
}

/* Waits on what the items gave; those that wait on a handle itself become ready here. */
static mproc_err await_set(mproc_wait_item *items, const struct wait_set *set, int64_t deadline,
                           size_t *count_ready)
{
    mproc_plat_handle *handles = malloc((set->count + 1) * (sizeof *handles + sizeof(bool)));
    if (!handles)
        return mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu things", set->count);
    bool *ready = (bool *) (handles + set->count);
    for (size_t i = 0; i < set->count; i++)
        handles[i] = set->entries[i].handle;
    size_t bad;
    mproc_err err = mproc_plat_await(handles, set->count, deadline, ready, &bad);
    if (err == MPROC_EINVAL)
        err = of_item(err, set->entries[bad].item);
    for (size_t i = 0; err == MPROC_OK && i < set->count; i++) {
        mproc_wait_item *item = &items[set->entries[i].item];
        if (ready[i] && set->entries[i].direct && !item->ready) {
            item->ready = true;
            ++*count_ready;
        }
    }
    free(handles);
    return err;
}

struct several {
    const mproc_wait_item *items;
    size_t count;
};

static bool any_readable(void *context)
{
    const struct several *several = context;
    for (size_t i = 0; i < several->count; i++) {
        const mproc_wait_item *item = &several->items[i];
        if ((item->kind == MPROC_WAIT_QUEUE && mproc__queue_readable(item->id)) ||
            (item->kind == MPROC_WAIT_PIPE && mproc__pipe_readable(item->id)))
            return true;
    }
    return false;
}

/* Queues and pipes only: sleeps at their gates. Beside handles they shorten the wait for those. */
static mproc_err await_all(mproc_wait_item *items, size_t count, const struct wait_set *set, int64_t until,
                           size_t *count_ready)
{
    int64_t now = set->gate_count && until ? mproc_plat_now() : 0;
    if (set->gate_count == 0 || until <= now)
        return await_set(items, set, until, count_ready);
    int64_t slice = now + (set->count ? LOOK_SLICE : DEATH_SLICE);
    until = slice < until ? slice : until;
    if (set->count)
        return await_set(items, set, until, count_ready);
    struct several several = { items, count };
    mproc__gates_sleep(set->gates, set->gate_count, any_readable, &several, until);
    return MPROC_OK;
}

static void clear(struct wait_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->entries[i].socket != MPROC_PLAT_NONE)
            mproc_plat_await_socket_end(set->entries[i].socket, set->entries[i].handle);
    set->count = set->gate_count = 0;
    set->until = MPROC_PLAT_NEVER;
}

static mproc_err wait_until_ready(mproc_wait_item *items, size_t count, void **objects, int64_t deadline,
                                  size_t *count_ready)
{
    struct wait_set set = { .until = MPROC_PLAT_NEVER };
    mproc_err err = MPROC_OK;
    *count_ready = 0;
    for (bool late = false;;) {
        err = ask_all(items, count, objects, &set, count_ready);
        if (err != MPROC_OK)
            break;
        int64_t until = *count_ready > 0 || late ? 0 : deadline;
        err = await_all(items, count, &set, set.until < until ? set.until : until, count_ready);
        if (err == MPROC_ETIMEDOUT)
            err = MPROC_OK;
        if (err != MPROC_OK || *count_ready > 0)
            break;
        if (late) {
            err = mproc__fail(MPROC_ETIMEDOUT, "none of the %zu things is ready", count);
            break;
        }
        /* After the deadline all are asked once more: they may have become ready just then. */
        late = deadline == 0 || mproc_plat_now() >= deadline;
        clear(&set);
        *count_ready = 0;
    }
    clear(&set);
    free(set.entries);
    free(set.gates);
    return err;
}

mproc_err mproc_wait(mproc_wait_item *items, size_t count, size_t *count_ready, mproc_ms timeout)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    if (!items || count == 0)
        return mproc__fail(MPROC_EINVAL, "mproc_wait: %s", items ? "there is nothing to wait for"
                                                                 : "items is NULL");
    void **objects = calloc(count, sizeof *objects);
    if (!objects)
        return mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu things", count);
    int64_t deadline = mproc__deadline(timeout);
    size_t entered = 0, ready = 0;
    for (; entered < count && err == MPROC_OK; entered++) {
        items[entered].ready = false;
        if ((size_t) items[entered].kind >= sizeof sources / sizeof sources[0])
            err = mproc__fail(MPROC_EINVAL, "there is no kind %d", (int) items[entered].kind);
        else
            err = sources[items[entered].kind]->enter(items[entered].id, &objects[entered]);
        if (err != MPROC_OK) {
            err = of_item(err, entered);
            break;
        }
    }
    if (err == MPROC_OK)
        err = wait_until_ready(items, count, objects, deadline, &ready);
    while (entered-- > 0)
        sources[items[entered].kind]->leave(items[entered].id, objects[entered]);
    free(objects);
    if (err == MPROC_OK && count_ready)
        *count_ready = ready;
    return err;
}
