/* SPDX-License-Identifier: MIT */
/* Packing a process record: one block, the variable parts behind the fixed one. */
#include "record.h"

#include "compiler.h"
#include "mproc/connection.h"
#include "mproc/process.h"

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

/* ---- what a child believes of it ---- */

static bool is_within(struct span span, uint64_t size)
{
    return span.size == 0 ||
           (span.offset >= sizeof(struct record) && span.offset % 16 == 0 && span.offset <= size &&
            span.size <= size - span.offset);
}

static bool ends_with_zero(const struct record *record, struct span span)
{
    return span.size == 0 || ((const char *) record)[span.offset + span.size - 1] == '\0';
}

static bool texts_end(const struct record *record)
{
    return record->name.size > 0 && record->parent_name.size > 0 && ends_with_zero(record, record->name) &&
           ends_with_zero(record, record->numbers) && ends_with_zero(record, record->parent_name) &&
           ends_with_zero(record, record->function_path) && ends_with_zero(record, record->environment);
}

static bool sizes_are_possible(const struct record *record)
{
    return record->function_path.size <= MPROC_PLAT_PATH_SIZE &&
           record->inherit.size <= MPROC_PLAT_TEMPLATE_HANDLES * sizeof(intptr_t) &&
           record->inherit.size % sizeof(intptr_t) == 0 && record->cpus.size % sizeof(int) == 0 &&
           record->authkey.size <= MPROC_AUTHKEY_SIZE &&
           (!record->is_object || record->argument.size >= sizeof(mproc_runnable));
}

mproc_err mproc__record_check(const struct record *record, uint64_t size)
{
    if (size >= sizeof *record && is_within(record->argument, size) && is_within(record->name, size) &&
        is_within(record->numbers, size) && is_within(record->parent_name, size) &&
        is_within(record->function_path, size) && is_within(record->environment, size) &&
        is_within(record->inherit, size) && is_within(record->cpus, size) && is_within(record->authkey, size) &&
        texts_end(record) && sizes_are_possible(record) && record->default_method <= MPROC_START_FORKSERVER)
        return MPROC_OK;
    return mproc__fail(MPROC_EPROTO, "what the parent wrote for this child in shared memory is damaged: does a "
                                     "process of the family write through a stray pointer?");
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
    mproc__record_expect(made, made->token);
    struct slot *slot = mproc__slot_of(made->token);
    if (slot)
        atomic_store(&slot->record, copy);
    mproc__arena_free(BLOCK_RECORD, *handle);
    *handle = copy;
    *record = made;
    return MPROC_OK;
}

/* ---- whether the child is there: one word, so that either it comes or it is given up ---- */

static uint64_t arrival_of(process_token token, int64_t pid)
{
    return (uint64_t) token << 32 | (uint32_t) pid;
}

void mproc__record_expect(struct record *record, process_token token)
{
    record->token = token;
    atomic_store(&record->arrival, arrival_of(token, 0));
}

MPROC_IN_CHILD bool mproc__record_claim(struct record *record, process_token token)
{
    uint64_t expected = arrival_of(token, 0);
    return atomic_compare_exchange_strong(&record->arrival, &expected, arrival_of(token, mproc_plat_pid()));
}

bool mproc__record_abandon(struct record *record, process_token token)
{
    uint64_t seen = arrival_of(token, 0);
    return atomic_compare_exchange_strong(&record->arrival, &seen, 0) || seen >> 32 != token;
}

MPROC_IN_CHILD int64_t mproc__record_pid(const struct record *record, process_token token)
{
    uint64_t arrival = atomic_load(&record->arrival);
    return arrival >> 32 == token ? (int64_t) (arrival & UINT32_MAX) : 0;
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
