/* SPDX-License-Identifier: MIT */
/* Turns: whose it is changes under mproc__lock(); those who wait do so on a flag. */
#include "turn.h"

#include "runtime.h"
#include "self.h"

/* A forked child has the turn of a thread that it does not have, and a flag that is its parent's. */
static void adopt(struct turn *turn)
{
    if (turn->pid == mproc__self()->pid)
        return;
    if (turn->has_flag)
        mproc_plat_flag_close(&turn->flag);
    *turn = (struct turn){ .pid = mproc__self()->pid };
}

mproc_err mproc__turn_take(struct turn *turn, int64_t deadline)
{
    mproc_err err = MPROC_OK;
    mproc__lock();
    adopt(turn);
    while (err == MPROC_OK && turn->busy) {
        if (deadline == 0) {
            err = MPROC_ETIMEDOUT;
            break;
        }
        if (!turn->has_flag)
            err = mproc_plat_flag_create(&turn->flag);
        if (err != MPROC_OK)
            break;
        turn->has_flag = true;
        turn->waiting++;
        mproc_plat_flag_clear(&turn->flag);
        mproc_plat_handle handle = turn->flag.handle;
        mproc__unlock();
        bool ready;
        size_t bad;
        err = mproc_plat_await(&handle, 1, deadline, &ready, &bad);
        mproc__lock();
        turn->waiting--;
        if (err == MPROC_ETIMEDOUT && !turn->busy)
            err = MPROC_OK;
    }
    if (err == MPROC_OK)
        turn->busy = true;
    mproc__unlock();
    return err;
}

void mproc__turn_give(struct turn *turn)
{
    mproc__lock();
    turn->busy = false;
    if (turn->waiting > 0)
        mproc_plat_flag_set(&turn->flag);
    mproc__unlock();
}

void mproc__turn_release(struct turn *turn)
{
    if (turn->has_flag)
        mproc_plat_flag_close(&turn->flag);
    *turn = (struct turn){ .busy = false };
}
