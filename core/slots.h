/* SPDX-License-Identifier: MIT */
/* The table of the family's processes, and whether each of them lives. */
#ifndef MPROC_CORE_SLOTS_H
#define MPROC_CORE_SLOTS_H

#include "platform.h"

/* Names a process of the family: slot index + 1 in bits 0-13, generation in bits 14-29. 0 is nobody, and
 * TOKEN_MASK is no process's: other words use it as a mark. Bits 30 and 31 are free for the words that hold tokens.
 * A token comes again when its slot has been taken 65536 times. Slots are taken in turn, so that takes 33 million
 * starts, or fewer if nearly all are taken all the time. */
typedef uint32_t process_token;
#define TOKEN_MASK 0x3fffffffu

enum { SLOTS_PER_CHUNK = 512, MOST_SLOTS = (1 << 14) - 2, SLOT_WAITS = 12 };
enum slot_kind {
    SLOT_FREE,
    SLOT_FILLING, /* whoever takes it writes to it */
    SLOT_CHILD,   /* while its parent lives, that gives it back: it may still want to ask about it */
    SLOT_ORPHAN   /* nobody's process object: whoever finds it dead gives it back. The root is one, too */
};
struct slot {
    _Atomic uint64_t state;       /* parent << 32 | generation << 8 | enum slot_kind: they change at once */
    _Atomic int64_t pid;          /* 0: nobody has said so yet; the child may have, in its record */
    _Atomic uint64_t stamp;       /* its lower 48 bits << 16 | generation; of another generation: not known yet */
    _Atomic uint64_t record;      /* handle of its record; 0: it has none */
    _Atomic uint32_t has_started; /* it has taken slots for others */
    _Atomic uint64_t waits[SLOT_WAITS]; /* objects its threads wait for: handles, 0 is none */
};

/* Takes a slot for a process that is about to start, whose record is to be given to mproc__record_expect().
 * MPROC_EAGAIN when all are taken. */
mproc_err mproc__slot_claim(process_token parent, uint64_t record, process_token *token);
/* Takes one for this process itself, which no process of the family started: the root, or one that its host forked. */
mproc_err mproc__slot_claim_own(process_token parent, process_token *token);
/* The process with this token has the pid. */
void mproc__slot_occupy(process_token token, int64_t pid);
/* The process, a child of this one that is there, is nobody's process object: whoever finds it dead gives it back. */
void mproc__slot_let_go(process_token token);
/* NULL if the token's process was released. */
struct slot *mproc__slot_of(process_token token);
/* 0: it is about to start, or never will. */
int64_t mproc__slot_pid(const struct slot *slot, process_token token);
/* Whether `stamp`, of the process that has the slot's pid now, is that of the token's process. */
bool mproc__slot_is_of(const struct slot *slot, process_token token, uint64_t stamp);
/* Whether the token's process lives: a zombie does not, a stopped process does, and so does one that cannot be
 * looked at. */
bool mproc__token_alive(process_token token);
/* The same without relying on what was seen a moment ago. */
bool mproc__token_alive_now(process_token token);
/* What was seen until now counts no more. */
void mproc__slots_look_anew(void);

/* This process's token, ready to stand in shared words: whoever reads it can ask whether we live. */
extern _Atomic process_token mproc__self_ready; /* 0 until it is asked for */
process_token mproc__self_token_first(void);
static inline process_token mproc__self_token(void)
{
    process_token token = atomic_load_explicit(&mproc__self_ready, memory_order_acquire);
    return token ? token : mproc__self_token_first();
}
/* Who this process is from now on. */
void mproc__self_set(process_token token);
/* In a child that the host forked: it is not its parent. */
void mproc__self_forget(void);
/* This process's token; in a child that the host forked, 0 until it has taken a place of its own. */
process_token mproc__self_peek(void);
/* This process's token, for which a child that the host forked takes a place if it has none. */
process_token mproc__self_place(void);

/* Calls visit for every process of the family. */
void mproc__slots_visit(void (*visit)(struct slot *slot, process_token token, void *context),
                        void *context);

/* ---- what becomes of those that have ended (slots_release.c) ---- */

/* The process has ended, or was never started: its slot and its record are given back. Its children, if it has
 * left any, become those of its own parent. */
void mproc__slot_release(process_token token);
/* The same if it is certain that the process has ended and that nobody else will release it. */
void mproc__slot_reclaim(process_token token);
/* Reclaims what can be of a few slots, others at every call: callers hold mproc__lock(). */
void mproc__slots_reclaim_some(void);
/* Of all. */
void mproc__slots_reclaim_all(void);
/* Calls visit for every descendant of `token` that has been started and not been released, children before
 * grandchildren. A child that was about to be started by a process that has died never will be. */
void mproc__slots_descendants(process_token token,
                              void (*visit)(const struct slot *slot, process_token token, void *context),
                              void *context);

/* ---- for the two files ---- */

static inline uint64_t mproc__slot_state(process_token parent, uint32_t generation, enum slot_kind kind)
{
    return (uint64_t) parent << 32 | (generation & 0xffff) << 8 | (uint32_t) kind;
}
static inline process_token mproc__slot_parent(uint64_t state)
{
    return (process_token) (state >> 32);
}
static inline uint32_t mproc__slot_generation(uint64_t state)
{
    return (uint32_t) (state >> 8 & 0xffff);
}
static inline enum slot_kind mproc__slot_kind(uint64_t state)
{
    return (enum slot_kind) (state & 0xff);
}
/* How many slots there are, and each of them. */
uint32_t mproc__slots_count(void);
struct slot *mproc__slot_at(uint32_t index);
process_token mproc__slot_token(uint32_t index, uint64_t state);
/* Notes the stamp of a process that cannot say it itself just now; nothing if it cannot be seen. */
void mproc__slot_note_stamp(struct slot *slot, process_token token);

#endif
