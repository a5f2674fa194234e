/* SPDX-License-Identifier: MIT */
/* A word that says whether it is held and whether others may sleep on it. */
#include "mutex.h"

#include "compiler.h"
#include "log.h"
#include "platform.h"
#include "runtime.h"
#include "thread_number.h"

enum { FREE, HELD, HELD_AND_AWAITED };

/* How long to nap where nobody can be woken: before the region is there. */
#define NAP INT64_C(100000)
#define LONGEST_SLEEP INT64_C(100000000)

static void lock_slowly(struct mutex *mutex)
{
    /* Whoever has slept cannot know whether others still do, and leaves the word saying so. */
    while (atomic_exchange_explicit(&mutex->word, HELD_AND_AWAITED, memory_order_acquire) != FREE) {
        if (mproc__is_initialized())
            (void) mproc_plat_park(&mutex->word, HELD_AND_AWAITED, mproc_plat_now() + LONGEST_SLEEP);
        else
            mproc_plat_sleep(NAP);
    }
}

static bool lock_quickly(struct mutex *mutex)
{
    for (int i = 0; i < 60; i++) {
        uint32_t seen = FREE;
        if (atomic_compare_exchange_strong_explicit(&mutex->word, &seen, HELD, memory_order_acquire,
                                                    memory_order_relaxed))
            return true;
        mproc__pause();
    }
    return false;
}

void mproc__mutex_lock(struct mutex *mutex)
{
    if (!lock_quickly(mutex))
        lock_slowly(mutex);
    atomic_store_explicit(&mutex->holder, mproc__thread_number(), memory_order_relaxed);
}

/* What was logged meanwhile is passed on now, if this thread holds no other. */
void mproc__mutex_unlock(struct mutex *mutex)
{
    atomic_store_explicit(&mutex->holder, 0, memory_order_relaxed);
    if (atomic_exchange_explicit(&mutex->word, FREE, memory_order_release) == HELD_AND_AWAITED &&
        mproc__is_initialized())
        mproc_plat_unpark(&mutex->word, 1);
    mproc__log_deliver();
}

bool mproc__mutex_is_mine(const struct mutex *mutex)
{
    return atomic_load_explicit(&mutex->holder, memory_order_relaxed) == mproc__thread_number();
}

MPROC_IN_CHILD void mproc__mutex_forked(struct mutex *mutex)
{
    atomic_store_explicit(&mutex->word, FREE, memory_order_relaxed);
    atomic_store_explicit(&mutex->holder, 0, memory_order_relaxed);
}
