/* SPDX-License-Identifier: MIT */
/* One thread at a time, for as long as an operation takes, with deadlines. */
#ifndef MPROC_CORE_TURN_H
#define MPROC_CORE_TURN_H

#include "platform.h"

/* All zero to begin with. The flag is made when a thread has to wait for the first time. */
struct turn {
    bool busy;
    bool has_flag;
    uint32_t waiting;
    int64_t pid;
    struct mproc_plat_flag flag;
};

/* MPROC_ETIMEDOUT: not described. */
mproc_err mproc__turn_take(struct turn *turn, int64_t deadline);
void mproc__turn_give(struct turn *turn);
void mproc__turn_release(struct turn *turn);

#endif
