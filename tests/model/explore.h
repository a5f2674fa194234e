/* SPDX-License-Identifier: MIT */
/* An exhaustive scheduler: visits every state that some order of some threads' steps can reach.
 *
 * A protocol is a struct of bytes and one function that makes one step of one thread: one access to shared
 * memory each, as in the code it stands for. Memory is sequentially consistent here; a thread may crash
 * at any step if the model lets it. */
#ifndef MPROC_TESTS_MODEL_EXPLORE_H
#define MPROC_TESTS_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

enum { MODEL_STATE = 48 };

struct model {
    const char *name;
    size_t size; /* of a state, at most MODEL_STATE bytes */
    int threads;
    /* Makes the choice-th possible step of the thread. False: there is no such choice. */
    bool (*step)(void *state, int thread, int choice);
    /* What is wrong with the state, or NULL. */
    const char *(*check)(const void *state);
    /* What is wrong if no thread has a step left, or NULL. */
    const char *(*check_end)(const void *state);
    /* The state in words, for the way to a mistake. */
    void (*print)(const void *state);
};

/* Explores from `initial`. NULL if all is well, else what is wrong in some reachable state; the way there is
 * printed if `verbose`. *states: how many there are. */
const char *explore(const struct model *model, const void *initial, bool verbose, size_t *states);

/* A thread's step in a model in which threads are killed: as its first choice it is, while `crashes` are left. If
 * false, it goes on, and the choice is its own. */
static inline bool model_crash(unsigned char *crashes, int *choice)
{
    if (*crashes == 0 || (*choice)-- > 0)
        return false;
    --*crashes;
    return true;
}

#endif
