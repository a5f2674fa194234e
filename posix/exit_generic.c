/* SPDX-License-Identifier: MIT */
/* POSIX tells no exit handler the code. */
#include "posix.h"

#include <stdlib.h>

static unsigned child_seed;
static bool child_alone;

bool mproc_plat_hook_exit(void (*handler)(int exit_code))
{
    (void) handler;
    return false;
}

void mproc_plat_fork_prepare(void (*handler)(int exit_code), unsigned seed, bool alone)
{
    (void) handler;
    child_seed = seed;
    child_alone = alone;
}

bool mproc_plat_fork_finish(bool child)
{
    /* srand() takes a lock of the C library's, which another thread may have held at the fork. */
    if (child && child_alone)
        srand(child_seed);
    else if (child)
        mproc__streams_may_be_locked();
    return false;
}

void mproc__random_seed(char state[MPROC__RANDOM_STATE_SIZE], unsigned seed)
{
    (void) state;
    srand(seed);
}
