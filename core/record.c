/* SPDX-License-Identifier: MIT */
/* Packing a process record: one block, the variable parts behind the fixed one. */
#include "record.h"

#include "compiler.h"

#include <stdio.h>
#include <string.h>

static struct span reserve(uint64_t *end, uint64_t size)
{
    struct span span = { (*end + 15) & ~UINT64_C(15), size };
    if (size)
        *end = span.offset + size;
    return span;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static void fill(struct record *record, struct span span, const void *bytes)
{
    if (span.size)
        memcpy(mproc__record_bytes(record, span), bytes, span.size);
}

mproc_err mproc__record_create(const struct record_parts *parts, uint64_t *handle,
                               struct record **record)
{
    /* First, since the sum of sizes below must not wrap around. */
    if (parts->argument_size > mproc__arena_limit())
        return mproc__fail(MPROC_ENOMEM, "an argument of %llu bytes does not fit into the arena",
                           (unsigned long long) parts->argument_size);
    uint64_t end = sizeof(struct record);
    struct record spans = { 0 };
    spans.argument = reserve(&end, parts->argument_size);
    spans.name = reserve(&end, text_size(parts->name));
    spans.numbers = reserve(&end, text_size(parts->numbers));
    spans.parent_name = reserve(&end, text_size(parts->parent_name));
    spans.function_path = reserve(&end, text_size(parts->function_path));
    spans.environment = reserve(&end, parts->environment_size);
    spans.inherit = reserve(&end, parts->inherit_count * sizeof(intptr_t));
    spans.cpus = reserve(&end, parts->cpu_count * sizeof(int));
    spans.authkey = reserve(&end, parts->authkey_size);

    mproc_err err = mproc__arena_alloc(BLOCK_RECORD, end, handle);
    if (err != MPROC_OK)
        return err;
    struct record *made = mproc__arena_at(BLOCK_RECORD, *handle);
    made->argument = spans.argument;
    made->name = spans.name;
    made->numbers = spans.numbers;
    made->parent_name = spans.parent_name;
    made->function_path = spans.function_path;
    made->environment = spans.environment;
    made->inherit = spans.inherit;
    made->cpus = spans.cpus;
    made->authkey = spans.authkey;
    fill(made, made->argument, parts->argument);
    fill(made, made->name, parts->name);
    fill(made, made->numbers, parts->numbers);
    fill(made, made->parent_name, parts->parent_name);
    fill(made, made->function_path, parts->function_path);
    fill(made, made->environment, parts->environment);
    fill(made, made->inherit, parts->inherit);
    fill(made, made->cpus, parts->cpus);
    fill(made, made->authkey, parts->authkey);
    *record = made;
    return MPROC_OK;
}

mproc_err mproc__record_copy(uint64_t *handle, struct record **record)
{
    uint64_t copy, size = mproc__arena_size(BLOCK_RECORD, *handle);
    mproc_err err = mproc__arena_alloc(BLOCK_RECORD, size, &copy);
    if (err != MPROC_OK)
        return err;
    struct record *made = mproc__arena_at(BLOCK_RECORD, copy);
    memcpy(made, *record, (size_t) size);
    atomic_store(&made->phase, PHASE_CREATED);
    mproc__arena_free(BLOCK_RECORD, *handle);
    *handle = copy;
    *record = made;
    return MPROC_OK;
}

MPROC_IN_CHILD bool mproc__record_claim(struct record *record)
{
    uint32_t created = PHASE_CREATED;
    return atomic_compare_exchange_strong(&record->phase, &created, PHASE_GUARDED);
}

bool mproc__record_abandon(struct record *record)
{
    uint32_t created = PHASE_CREATED;
    return atomic_compare_exchange_strong(&record->phase, &created, PHASE_REFUSED);
}

MPROC_IN_CHILD void mproc__record_advance(struct record *record, enum record_phase phase)
{
    atomic_store(&record->phase, (uint32_t) phase);
    /* Only the start of a template is waited for. */
    if (record->is_template)
        mproc_plat_unpark(&record->phase, 1);
}

void mproc__record_refuse(struct record *record, mproc_err err)
{
    snprintf(record->message, sizeof record->message, "%s", mproc_last_error());
    atomic_store(&record->refusal, (int32_t) err);
    mproc__record_advance(record, PHASE_REFUSED);
    mproc_plat_exit_now(1);
}
