/* SPDX-License-Identifier: MIT */
/* A process that ends with its parent takes the programs along that it has started, and what those have started. The
 * system ends the process itself; whom else, it knows only where there are jobs. So the process waits for its parent's
 * end in a thread, from its first program on, and ends them before it ends. Killed alone, it leaves them, as any
 * process leaves its programs. */
#include "descendants.h"

#include "runtime.h"
#include "self.h"

#include <stdlib.h>

/* How long they may start others faster than they are ended. */
#define PATIENCE INT64_C(500000000)

/* Marks the descendants of `top`; how many there are. */
static size_t mark(const struct mproc_plat_process_entry *list, size_t count, int64_t top, bool *marked)
{
    size_t found = 0, before;
    do {
        before = found;
        for (size_t i = 0; i < count; i++) {
            bool is_one = list[i].parent == top;
            for (size_t j = 0; j < count && !is_one && !marked[i]; j++)
                is_one = marked[j] && list[j].pid == list[i].parent && list[j].stamp <= list[i].stamp;
            found += is_one && !marked[i];
            marked[i] = marked[i] || is_one;
        }
    } while (found > before);
    return found;
}

/* False if there are none (any more), or nobody can say. */
static bool end_them_once(void)
{
    struct mproc_plat_process_entry *list = NULL;
    size_t count = 0;
    if (mproc_plat_process_list(&list, &count) != MPROC_OK)
        return false;
    bool *marked = calloc(count ? count : 1, sizeof *marked);
    bool any = marked && mark(list, count, mproc__self()->pid, marked) > 0;
    for (size_t i = 0; any && i < count; i++)
        if (marked[i])
            (void) mproc_plat_process_signal(list[i].pid, list[i].stamp, true);
    free(marked);
    free(list);
    return any;
}

static void end_descendants(void)
{
    int64_t deadline = mproc_plat_now() + PATIENCE;
    while (end_them_once() && mproc_plat_now() < deadline)
        mproc_plat_sleep(1000000);
}

mproc_err mproc__take_along(void)
{
    struct self *self = mproc__self();
    if (!self->bound || self->takes_along)
        return MPROC_OK;
    mproc__lock();
    mproc_err err = self->takes_along ? MPROC_OK
                                      : mproc_plat_lifeline_take_along(self->parent_lifeline, end_descendants);
    self->takes_along = err == MPROC_OK;
    mproc__unlock();
    return err;
}
