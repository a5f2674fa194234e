/* SPDX-License-Identifier: MIT */
/* SharedMemory: named segments, and a record in the arena for each one that the family created and nobody has
 * unlinked. Killed before the record is listed: the segment has no name yet, and goes with its creator (only
 * where mproc_plat_named_create() cannot hide it is it left behind). Killed after that, before it has its name,
 * or between unlinking and destroying the record: whoever sweeps finds no such name, or another's.
 * The arena and the records go with the last of a family. What a family that was killed has left, the next one's
 * first creator unlinks (mproc_plat_named_sweep()), unless its creator had ended by itself before. */
#include "shared_memory.h"

#include "fault.h"
#include "log.h"
#include "mproc/shared_memory.h"
#include "registry.h"
#include "self.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 256, NAME_TRIES = 100 };

struct mproc_shared_memory {
    struct mproc_plat_named named;
    uint64_t record; /* handle, if the family is to clean up; 0 */
    char name[NAME_SIZE];
};

/* In the arena. */
struct segment_record {
    process_token creator;
    _Atomic uint32_t left; /* its creator ended by itself: it stays until the family ends */
    uint64_t identity[2];
    char name[NAME_SIZE];
};

/* This process, or the one it was forked from, has had to do with a segment. */
static atomic_bool used;

static mproc_err check_name(const char *name)
{
    atomic_store_explicit(&used, true, memory_order_relaxed);
    size_t length = strlen(name);
    if (length == 0 || length >= NAME_SIZE - 1 || strchr(name, '/') || strchr(name, '\\'))
        return mproc__fail(MPROC_EINVAL, "\"%.40s\" is no name for shared memory: 1 to %d bytes without slashes",
                           name, NAME_SIZE - 2);
    return MPROC_OK;
}

/* ---- creating ---- */

static void forget_record(uint64_t handle)
{
    if (handle && mproc__object(BLOCK_SEGMENT, handle) && mproc__object_destroy(BLOCK_SEGMENT, handle) == MPROC_OK)
        atomic_fetch_sub(&mproc__family()->segments, 1);
}

/* Listed when it is complete: others look at all that are listed. */
static mproc_err record(const uint64_t identity[2], void *context)
{
    mproc_shared_memory *memory = context;
    uint64_t handle;
    mproc_err err = mproc__arena_alloc(BLOCK_SEGMENT, sizeof(struct segment_record), &handle);
    if (err != MPROC_OK)
        return err;
    MPROC_FAULT("shared_memory.recording");
    struct segment_record *record = mproc__object(BLOCK_SEGMENT, handle);
    memcpy(record->identity, identity, sizeof record->identity);
    memcpy(record->name, memory->name, sizeof record->name);
    record->creator = mproc__self_token();
    /* Counted first: one too many costs a look, one too few a segment. */
    atomic_fetch_add(&mproc__family()->segments, 1);
    memory->record = handle;
    err = mproc__object_list(handle);
    MPROC_FAULT("shared_memory.recorded");
    return err;
}

static void tell_unlinked(const char *name)
{
    mproc_log(MPROC_LOG_WARNING, "shared memory \"%s\" was left behind by a killed process and is unlinked now",
              name);
}

/* Once in a family is enough for those that were forked later. */
static void sweep_once(void)
{
    static atomic_bool swept;
    if (!atomic_exchange(&swept, true))
        mproc_plat_named_sweep(tell_unlinked);
}

/* Nobody cleans up after a process that has no family: then nothing is announced. */
static mproc_err create_named(mproc_shared_memory *memory, size_t size)
{
    bool cleans = mproc__is_initialized();
    if (cleans)
        sweep_once();
    mproc_err err = mproc_plat_named_create(memory->name, size, cleans ? record : NULL, memory, &memory->named);
    if (err != MPROC_OK)
        forget_record(memory->record);
    MPROC_FAULT("shared_memory.created");
    return err;
}

static mproc_err create_new(mproc_shared_memory *memory, size_t size)
{
    mproc_err err = MPROC_EEXIST;
    for (int i = 0; i < NAME_TRIES && err == MPROC_EEXIST; i++) {
        uint32_t number;
        err = mproc_plat_random(&number, sizeof number);
        if (err != MPROC_OK)
            return err;
        snprintf(memory->name, sizeof memory->name, MPROC_PLAT_NAMED_PREFIX "%08lx", (unsigned long) number);
        err = create_named(memory, size);
    }
    return err;
}

mproc_err mproc_shared_memory_create(mproc_shared_memory **memory, const char *name, size_t size)
{
    if (!memory || size == 0)
        return mproc__fail(MPROC_EINVAL, memory ? "shared memory has at least one byte"
                                                : "mproc_shared_memory_create: memory is NULL");
    mproc_err err = name ? check_name(name) : MPROC_OK;
    if (err != MPROC_OK)
        return err;
    if (size > INT64_MAX)
        return mproc__fail(MPROC_ENOMEM, "%zu bytes fit into no shared memory", size);
    mproc_shared_memory *made = calloc(1, sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a shared memory object");
    if (name)
        memcpy(made->name, name, strlen(name));
    err = name ? create_named(made, size) : create_new(made, size);
    if (err != MPROC_OK) {
        free(made);
        return err;
    }
    *memory = made;
    return MPROC_OK;
}

mproc_err mproc_shared_memory_attach(mproc_shared_memory **memory, const char *name)
{
    if (!memory || !name)
        return mproc__fail(MPROC_EINVAL, "mproc_shared_memory_attach: %s is NULL", memory ? "name" : "memory");
    mproc_err err = check_name(name);
    if (err != MPROC_OK)
        return err;
    mproc_shared_memory *made = calloc(1, sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a shared memory object");
    memcpy(made->name, name, strlen(name));
    err = mproc_plat_named_attach(name, &made->named);
    if (err != MPROC_OK) {
        free(made);
        return err;
    }
    *memory = made;
    return MPROC_OK;
}

/* ---- using ---- */

void *mproc_shared_memory_pointer(const mproc_shared_memory *memory)
{
    return memory ? memory->named.address : NULL;
}

size_t mproc_shared_memory_size(const mproc_shared_memory *memory)
{
    return memory ? memory->named.size : 0;
}

const char *mproc_shared_memory_name(const mproc_shared_memory *memory)
{
    return memory ? memory->name : "";
}

mproc_err mproc_shared_memory_close(mproc_shared_memory *memory)
{
    if (memory)
        mproc_plat_named_close(&memory->named);
    free(memory);
    return MPROC_OK;
}

/* The record of a segment, whoever in the family created it. */
struct search {
    const uint64_t *identity;
    uint64_t found;
};

static void compare_record(uint64_t handle, void *context)
{
    struct search *search = context;
    struct segment_record *record = mproc__object(BLOCK_SEGMENT, handle);
    if (record && memcmp(record->identity, search->identity, sizeof record->identity) == 0)
        search->found = handle;
}

static uint64_t find_record(const mproc_shared_memory *memory)
{
    struct search search = { memory->named.identity, 0 };
    if (mproc__is_initialized() && atomic_load(&mproc__family()->segments))
        mproc__objects_visit(compare_record, &search);
    return search.found;
}

mproc_err mproc_shared_memory_unlink(mproc_shared_memory *memory)
{
    if (!memory)
        return mproc__fail(MPROC_EINVAL, "mproc_shared_memory_unlink: memory is NULL");
    uint64_t record = find_record(memory);
    mproc_err err = mproc_plat_named_unlink(memory->name, memory->named.identity);
    MPROC_FAULT("shared_memory.unlinked");
    if (err == MPROC_OK)
        forget_record(record);
    return err;
}

mproc_err mproc_shared_memory_keep(mproc_shared_memory *memory)
{
    if (!memory)
        return mproc__fail(MPROC_EINVAL, "mproc_shared_memory_keep: memory is NULL");
    mproc_plat_named_settle(memory->name, memory->named.identity);
    forget_record(find_record(memory));
    return MPROC_OK;
}

/* ---- cleaning up ---- */

struct cleaning {
    process_token gone; /* has ended, though the system may not say so yet; or 0 */
    bool only_its;      /* segments, and not those of all that have crashed */
    bool all;           /* the family ends */
};

static void clean(uint64_t handle, void *context)
{
    const struct cleaning *cleaning = context;
    const struct segment_record *record = mproc__object(BLOCK_SEGMENT, handle);
    if (!record)
        return;
    /* A copy, for another may destroy it meanwhile: then the second look finds that it is gone. */
    process_token creator = record->creator;
    bool left = atomic_load(&record->left) != 0;
    uint64_t identity[2];
    char name[NAME_SIZE];
    memcpy(identity, record->identity, sizeof identity);
    memcpy(name, record->name, sizeof name);
    name[NAME_SIZE - 1] = '\0';
    atomic_thread_fence(memory_order_acquire);
    if (!mproc__object(BLOCK_SEGMENT, handle))
        return;
    bool crashed = !left && (creator == cleaning->gone || (!cleaning->only_its && !mproc__token_alive_now(creator)));
    if (!crashed && !cleaning->all)
        return;
    mproc_err err = mproc_plat_named_unlink(name, identity);
    if (err == MPROC_OK)
        mproc_log(MPROC_LOG_WARNING, "shared memory \"%s\" was left behind and is unlinked now", name);
    if (err == MPROC_OK || err == MPROC_ENOTFOUND)
        forget_record(handle); /* else whoever looks next tries again */
}

void mproc__shared_memory_child_ended(process_token token)
{
    struct cleaning cleaning = { .gone = token, .only_its = true };
    if (atomic_load_explicit(&mproc__family()->segments, memory_order_relaxed))
        mproc__objects_visit(clean, &cleaning);
}

static void leave(uint64_t handle, void *context)
{
    struct segment_record *record = mproc__object(BLOCK_SEGMENT, handle);
    if (!record || record->creator != *(process_token *) context)
        return;
    mproc_plat_named_settle(record->name, record->identity);
    atomic_store(&record->left, 1);
}

struct census {
    process_token me, gone;
    bool others;
};

static void look_for_others(struct slot *slot, process_token token, void *context)
{
    struct census *census = context;
    (void) slot;
    census->others |= token != census->me && token != census->gone && mproc__token_alive_now(token);
}

/* The parent, if it has ended: its descriptors are closed some time before it is a zombie. */
static process_token ended_parent(void)
{
    if (mproc_plat_lifeline_wait(mproc__self()->parent_lifeline, 0) == MPROC_ETIMEDOUT)
        return 0;
    const struct record *record = mproc__self()->record; /* by its slot it may be another's child by now */
    return record ? record->parent : 0;
}

void mproc__shared_memory_finish(void)
{
    bool is_root = mproc__self()->kind == PROCESS_ROOT;
    process_token gone = is_root ? 0 : ended_parent();
    /* Whoever ends before its parent leaves it to that one, and need not touch the family's page; so the last of a
     * family always looks. */
    if (!is_root && !gone && !atomic_load_explicit(&used, memory_order_relaxed))
        return;
    if (atomic_load_explicit(&mproc__family()->segments, memory_order_relaxed) == 0)
        return;
    struct census census = { .me = mproc__self_token(), .gone = gone };
    struct cleaning cleaning = { .gone = gone, .all = is_root };
    /* Without its root, the last of a family does what the root would. */
    if (!cleaning.all) {
        mproc__slots_visit(look_for_others, &census);
        cleaning.all = !census.others;
    }
    if (!cleaning.all)
        mproc__objects_visit(leave, &census.me);
    mproc__objects_visit(clean, &cleaning);
}
