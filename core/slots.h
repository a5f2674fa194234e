/* SPDX-License-Identifier: MIT */
/* The table of the family's processes, and whether each of them lives. */
#ifndef MPROC_CORE_SLOTS_H
#define MPROC_CORE_SLOTS_H

#include "platform.h"

/* Names a process of the family for ever: slot index + 1 in bits 0-13, generation in bits 14-29.
 * Bits 30 and 31 are free for the words that hold tokens. 0 is nobody. */
typedef uint32_t process_token;
#define TOKEN_MASK 0x3fffffffu

enum { SLOT_WAITS = 12 };
struct slot {
    _Atomic uint32_t state;   /* generation << 8 | enum slot_state */
    process_token parent;
    _Atomic int64_t pid;
    _Atomic uint64_t stamp;   /* 0 until the process first asks for its token */
    _Atomic uint64_t record;  /* handle of its record */
    _Atomic uint64_t waits[SLOT_WAITS]; /* objects its threads wait for: handles, 0 is none */
};
enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_LIVE };

/* Takes a slot for a process that is about to start. MPROC_EAGAIN when all are taken. */
mproc_err mproc__slot_claim(process_token parent, process_token *token);
/* The process with this token has the pid now. */
void mproc__slot_occupy(process_token token, int64_t pid, uint64_t record);
/* The process has ended, or was never started: nobody means it any more. */
void mproc__slot_release(process_token token);
/* NULL if the token's process was released. */
struct slot *mproc__slot_of(process_token token);
/* Whether the token's process lives: a zombie does not, a stopped process does. */
bool mproc__token_alive(process_token token);

/* This process's token, ready to stand in shared words: whoever reads it can ask whether we live. */
extern _Atomic process_token mproc__self_ready; /* 0 until it is asked for */
process_token mproc__self_token_first(void);
static inline process_token mproc__self_token(void)
{
    process_token token = atomic_load_explicit(&mproc__self_ready, memory_order_acquire);
    return token ? token : mproc__self_token_first();
}
/* Who this process is from now on; 0 pid: forget the stamp (after a fork). */
void mproc__self_set(process_token token);
process_token mproc__self_peek(void);

/* Calls visit for every process of the family. */
void mproc__slots_visit(void (*visit)(struct slot *slot, process_token token, void *context),
                        void *context);
/* Calls visit for every live descendant of `token`, children before grandchildren. */
void mproc__slots_descendants(process_token token,
                              void (*visit)(const struct slot *slot, process_token token, void *context),
                              void *context);

#endif
