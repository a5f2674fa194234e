/* SPDX-License-Identifier: MIT */
/* The end of a direct child with what every POSIX system has: the child holds the writing end of a
 * pipe. Others may hold it by accident (a fork by the host meanwhile), and a child that executes
 * another program drops it: so waitid() has the last word, and is asked from time to time. */
#include "posix.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const int64_t mproc__watch_interval = INT64_C(50000000);
const bool mproc__watch_inherited = true;

void mproc__watch_adopt(void)
{
    const char *text = getenv("MPROC_WATCH");
    if (!text)
        return;
    char *end;
    long number = strtol(text, &end, 10);
    struct stat file;
    if (end != text && number > 2 && number < INT_MAX && fstat((int) number, &file) == 0 &&
        S_ISFIFO(file.st_mode) && mproc__close_on_exec((int) number) == 0)
        mproc__hold((int) number);
    unsetenv("MPROC_WATCH");
}

mproc_err mproc__watch_prepare(struct mproc__watch *watch)
{
    int ends[2];
    if (mproc__pipe(ends) != 0)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "The new process cannot be watched; close descriptors or raise "
                                  "RLIMIT_NOFILE");
    watch->parent_end = ends[0];
    watch->child_end = ends[1];
    return MPROC_OK;
}

void mproc__watch_cancel(struct mproc__watch *watch)
{
    mproc__close_pair((int[2]){ watch->parent_end, watch->child_end });
}

void mproc__watch_in_child(struct mproc__watch *watch)
{
    close(watch->parent_end);
    mproc__hold(watch->child_end);
}

mproc_err mproc__watch_begin(struct mproc__watch *watch, pid_t pid, mproc_plat_handle *handle)
{
    (void) pid;
    close(watch->child_end);
    *handle = watch->parent_end;
    return MPROC_OK;
}
