/* SPDX-License-Identifier: MIT */
/* exit() and rand() of forked children with glibc. Both are prepared in the parent, for a child would
 * have to map code and copy pages of the C library that the parent has in use. */
#include "compiler.h"
#include "posix.h"

#include <stdlib.h>

/* Of the C++ ABI: registers an exit handler under a name, and calls and removes those of a name. */
int __cxa_atexit(void (*handler)(void *context), void *context, void *name);
void __cxa_finalize(void *name);

/* A child's handler has the other name than those that the child registers for its own children. */
static char names[2];
static unsigned own_name = 1;
static const void *_Atomic removed;
static atomic_bool in_child;
static bool prepared;
static void (*exit_handler)(int exit_code);

static char random_states[2][MPROC__RANDOM_STATE_SIZE];
static char *random_before;

static void call_handler(int exit_code, void *unused)
{
    (void) unused;
    exit_handler(exit_code);
}

bool mproc_plat_hook_exit(void (*handler)(int exit_code))
{
    exit_handler = handler;
    return on_exit(call_handler, NULL) == 0;
}

/* What is registered while exit() runs is called next, and on_exit() tells the code. */
static void take_over(void *name)
{
    if (atomic_load(&in_child) && name != atomic_load(&removed))
        on_exit(call_handler, NULL);
}

void mproc_plat_fork_prepare(void (*handler)(int exit_code), unsigned seed, bool alone)
{
    char *name = &names[1 - own_name];
    exit_handler = handler;
    prepared = __cxa_atexit(take_over, name, name) == 0;
    /* glibc's rand() is random(): the child is to find it switched to a state of its own. */
    random_before = alone ? initstate(seed, random_states[1 - own_name], sizeof random_states[0]) : NULL;
}

MPROC_IN_CHILD bool mproc_plat_fork_finish(bool child)
{
    if (child) {
        own_name = 1 - own_name;
        atomic_store(&in_child, true);
        return prepared || on_exit(call_handler, NULL) == 0;
    }
    char *name = &names[1 - own_name];
    if (random_before)
        setstate(random_before);
    if (prepared) {
        atomic_store(&removed, name);
        __cxa_finalize(name);
        atomic_store(&removed, NULL);
    }
    return true;
}

/* srand() would write to two pages of the C library besides, which every fork makes it copy again. What it
 * writes there is where the next number is drawn, and that is the same place after each seed. */
void mproc__random_seed(char state[MPROC__RANDOM_STATE_SIZE], unsigned seed)
{
    struct random_data unused = { .state = NULL };
    initstate_r(seed, state, MPROC__RANDOM_STATE_SIZE, &unused);
}
