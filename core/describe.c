/* SPDX-License-Identifier: MIT */
/* mproc_describe_locks(): one line per object of the family. */
#include "describe.h"

#include "mproc/debug.h"
#include "record.h"
#include "registry.h"

#include <stdarg.h>
#include <stdio.h>

void mproc__text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool fits = text->length < text->size;
    int length = vsnprintf(fits ? text->at + text->length : NULL, fits ? text->size - text->length : 0, format,
                           arguments);
    va_end(arguments);
    text->length += length > 0 ? (size_t) length : 0;
}

void mproc__text_add_process(struct text *text, process_token token)
{
    struct slot *slot = mproc__slot_of(token);
    if (!slot) {
        mproc__text_add(text, "a process that is gone");
        return;
    }
    uint64_t handle = atomic_load(&slot->record);
    struct record *record = handle ? mproc__object(BLOCK_RECORD, handle) : NULL;
    const char *name = record ? mproc__record_bytes(record, record->name) : "MainProcess";
    mproc__text_add(text, "%s (pid %lld%s)", name ? name : "?", (long long) mproc__slot_pid(slot, token),
                    mproc__token_alive_now(token) ? "" : ", dead");
}

static const struct kind {
    enum block_type type;
    const char *name;
    void (*describe)(const void *object, struct text *text);
} kinds[] = {
    { BLOCK_LOCK, "lock", mproc__lock_describe },
    { BLOCK_RLOCK, "rlock", mproc__rlock_describe },
    { BLOCK_SEMAPHORE, "semaphore", mproc__semaphore_describe },
    { BLOCK_PERMITS, "permits", mproc__permits_describe },
    { BLOCK_EVENT, "event", mproc__event_describe },
    { BLOCK_CONDITION, "condition", mproc__condition_describe },
    { BLOCK_BARRIER, "barrier", mproc__barrier_describe },
    { BLOCK_RWLOCK, "rwlock", mproc__rwlock_describe },
};

const char *mproc__object_kind(uint64_t handle)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (handle >> 56 == (uint64_t) kinds[i].type)
            return kinds[i].name;
    return handle >> 56 == BLOCK_QUEUE ? "queue" : handle >> 56 == BLOCK_PIPE ? "pipe" : "object";
}

struct waiters {
    struct text *text;
    int count;
};

static void add_waiter(process_token token, void *context)
{
    struct waiters *waiters = context;
    mproc__text_add(waiters->text, waiters->count++ == 0 ? "; waiting: " : ", ");
    mproc__text_add_process(waiters->text, token);
}

static void add_object(uint64_t handle, void *context)
{
    struct text *text = context;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        void *object = mproc__object(kinds[i].type, handle);
        if (!object)
            continue;
        mproc__text_add(text, "%s %016llx: ", kinds[i].name, (unsigned long long) handle);
        kinds[i].describe(object, text);
        struct waiters waiters = { text, 0 };
        mproc__waits_visit(handle, add_waiter, &waiters);
        mproc__text_add(text, "\n");
    }
}

size_t mproc_describe_locks(char *text, size_t size)
{
    struct text whole = { text, text ? size : 0, 0 };
    if (whole.size)
        text[0] = '\0';
    if (mproc__is_initialized())
        mproc__objects_visit(add_object, &whole);
    return whole.length;
}
