/* SPDX-License-Identifier: MIT */
/* Looking before sleeping: how long is learned, per object, from whether it has helped.
 *
 * To wake a sleeper on another CPU costs some 40 us, to be seen by one that looks 0.1 us; but who
 * looks while the other cannot run keeps it from running. Then it may help to let it run and look when
 * the CPU comes back: half a microsecond, where sleeping and being woken cost four times as much.
 *
 * A struct spin lies in shared memory, all zero at first; its fields are hints, and whatever a killed
 * process leaves in them is no harm. */
#ifndef MPROC_CORE_SPIN_H
#define MPROC_CORE_SPIN_H

#include "compiler.h"
#include "platform.h"

/* When to try again what did not help. */
struct retry {
    _Atomic uint16_t skip;    /* waits to go until then */
    _Atomic uint16_t backoff; /* tries in a row that were in vain */
};

struct spin {
    _Atomic uint32_t budget; /* nanoseconds worth looking; 0: not worth it */
    struct retry looking, yielding;
};

struct look {
    struct spin *spin;
    int64_t begin, until; /* 0: not begun */
    uint32_t pauses;
    uint32_t yields;
    int64_t late; /* the last of them took so long */
};

/* False if it is time to sleep (then it has learned that looking did not help). Pauses otherwise. */
bool mproc__look_slowly(struct look *look);
/* It has happened while looking. */
void mproc__look_helped(struct look *look);

static inline struct look mproc__look_begin(struct spin *spin)
{
    return (struct look){ .spin = spin };
}

static inline bool mproc__look_again(struct look *look)
{
    if (look->until != 0 && ++look->pauses % 32 != 0) {
        mproc__pause();
        return true;
    }
    return mproc__look_slowly(look);
}

#endif
