/* SPDX-License-Identifier: MIT */
/* The process record: everything a child has to know, written by its parent into the arena. */
#ifndef MPROC_CORE_RECORD_H
#define MPROC_CORE_RECORD_H

#include "arena.h"
#include "slots.h"

/* How far a child has come. Only the child moves it on; REFUSED comes with `refusal`. */
enum record_phase {
    PHASE_CREATED,  /* not at its guard yet */
    PHASE_GUARDED,  /* in mproc_init() or in its target; a template serves */
    PHASE_FINISHED, /* ended by itself with `exit_code` */
    PHASE_REFUSED,  /* could not run: `refusal` and `message` say why */
    PHASE_WARMING,  /* a template runs its warm-up */
};

/* Bytes inside the record; {0, 0} is none. */
struct span {
    uint64_t offset;
    uint64_t size;
};

/* Which handles a forkserver's request carries, in this order. */
enum { CARRIES_STDIN = 1, CARRIES_STDOUT = 2, CARRIES_STDERR = 4, CARRIES_FOLDER = 8 };

struct record {
    uint32_t is_template;
    process_token token;
    _Atomic uint64_t arrival; /* token << 32 | pid of the child, 0 before it is there; 0: nobody is to come */
    process_token parent;
    _Atomic uint32_t phase;
    _Atomic int32_t exit_code;
    _Atomic int32_t refusal;
    uint32_t seed; /* of a forked child's rand() */

    uint32_t start_method;
    uint32_t daemon;
    uint32_t bound; /* it ends with its parent */
    uint32_t default_method;
    int32_t log_level;
    uint32_t log_to_stderr;
    uint32_t carries; /* with a forkserver's request: what comes with it, */
    uint32_t lacks;   /* and the standard streams that are closed in the parent */
    int64_t parent_pid;
    mproc_limits limits;

    uint32_t is_object; /* the argument begins with an mproc_runnable */
    uint32_t function_main;
    uint64_t function_offset;
    unsigned char function_identity[MPROC_PLAT_IDENTITY_SIZE];
    unsigned char program_identity[MPROC_PLAT_IDENTITY_SIZE];

    struct span argument;
    struct span name;        /* these four end with a zero byte */
    struct span numbers;     /* "1:2" */
    struct span parent_name;
    struct span function_path;
    struct span environment; /* strings one after the other; for the forkserver */
    struct span inherit;     /* int64_t numbers */
    struct span cpus;        /* int */
    struct span authkey;

    char message[256]; /* last, so that children touch one page where they can */
};

/* What to put into a record. */
struct record_parts {
    const void *argument, *environment, *authkey;
    size_t argument_size, environment_size, authkey_size;
    const char *name, *numbers, *parent_name, *function_path;
    const intptr_t *inherit;
    size_t inherit_count;
    const int *cpus;
    size_t cpu_count;
};

mproc_err mproc__record_create(const struct record_parts *parts, uint64_t *handle,
                               struct record **record);
static inline void *mproc__record_bytes(struct record *record, struct span span)
{
    return span.size ? (char *) record + span.offset : NULL;
}
/* Whether all that a child reads lies within the `size` bytes of the record's block, and can be what it says: who
 * wrote it may have been overwriting memory. MPROC_EPROTO. */
mproc_err mproc__record_check(const struct record *record, uint64_t size);
/* In the child: it cannot run, and ends. The parent's join says what mproc_last_error() says here. */
MPROC_NORETURN void mproc__record_refuse(struct record *record, mproc_err err);
/* A second record like the first, for a second try to start the child. */
mproc_err mproc__record_copy(uint64_t *handle, struct record **record);
/* In the parent, before the start: this is the record of the process with the token. */
void mproc__record_expect(struct record *record, process_token token);
/* In the child, first thing: says that it is there. False if it has been given up: its parent tries again, or is
 * dead and somebody else has found nobody there. Then the record may be another's: it is to end at once. */
bool mproc__record_claim(struct record *record, process_token token);
/* True if no child has claimed it, and now none can. */
bool mproc__record_abandon(struct record *record, process_token token);
/* 0 unless the child with the token has claimed it. */
int64_t mproc__record_pid(const struct record *record, process_token token);
void mproc__record_advance(struct record *record, enum record_phase phase);

#endif
