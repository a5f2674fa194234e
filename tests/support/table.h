/* SPDX-License-Identifier: MIT */
/* What suites of the table of processes share. */
#ifndef MPROC_TESTS_TABLE_H
#define MPROC_TESTS_TABLE_H

#include "arena.h"
#include "record.h"
#include "slots.h"
#include "suite.h"

static inline process_token claim(process_token parent, uint64_t record)
{
    process_token token = 0;
    CHECK_OK(mproc__slot_claim(parent, record, &token));
    return token;
}

static inline uint32_t index_of(process_token token)
{
    return (token & 0x3fff) - 1;
}

static inline uint64_t state_of(process_token token)
{
    return atomic_load(&mproc__slot_at(index_of(token))->state);
}

/* Names a process that has been released. */
static inline process_token claim_dead(void)
{
    process_token token = claim(mproc__self_peek(), 0);
    mproc__slot_release(token);
    return token;
}

/* A record with nothing in it, for the process that is to have the slot. */
static inline process_token claim_with_record(process_token parent, uint64_t *handle, struct record **record)
{
    const struct record_parts parts = { .name = "", .parent_name = "" };
    CHECK_OK(mproc__record_create(&parts, handle, record));
    process_token token = claim(parent, *handle);
    mproc__record_expect(*record, token);
    return token;
}

static inline mproc_process *start_hanging(int64_t *pid)
{
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    CHECK_OK(mproc_process_pid(process, pid));
    return process;
}

static inline void kill_child(mproc_process *process)
{
    CHECK_OK(mproc_process_kill(process));
    end_child(process);
}

static inline int64_t pid_of_the_dead(void)
{
    int64_t pid;
    kill_child(start_hanging(&pid));
    return pid;
}

static inline int count_taken(void)
{
    int count = 0;
    for (uint32_t i = 0; i < mproc__slots_count(); i++)
        count += mproc__slot_kind(atomic_load(&mproc__slot_at(i)->state)) != SLOT_FREE;
    return count;
}

#endif
