/* SPDX-License-Identifier: MIT */
/* Descriptors on Linux: made close-on-exec at once; a spawned child has those it is to keep. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* Moves both above the standard streams, or closes both. */
static int raise_pair(int ends[2])
{
    for (int i = 0; i < 2; i++)
        ends[i] = mproc__above_standard(ends[i]);
    if (ends[0] >= 0 && ends[1] >= 0)
        return 0;
    mproc__close_pair(ends);
    return -1;
}

int mproc__pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? raise_pair(ends) : -1;
}

int mproc__socket_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? raise_pair(ends) : -1;
}

static void close_range_of(unsigned first, unsigned last)
{
    if (first > last || syscall(SYS_close_range, first, last, 0u) == 0)
        return;
    /* Linux before 5.9. */
    long limit = sysconf(_SC_OPEN_MAX);
    if (limit > 0 && last >= (unsigned) limit)
        last = (unsigned) limit - 1;
    for (unsigned descriptor = first; descriptor <= last; descriptor++)
        close((int) descriptor);
}

void mproc__close_all_but(const int *keep, size_t count)
{
    unsigned first = 3;
    for (size_t i = 0; i < count; i++) {
        close_range_of(first, (unsigned) keep[i] - 1);
        first = (unsigned) keep[i] + 1;
    }
    close_range_of(first, UINT_MAX);
}

#ifdef MPROC_HAVE_SPAWN_CLOSEFROM
const bool mproc__spawn_closes = true;

static bool contains(const int *keep, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (keep[i] == number)
            return true;
    return false;
}

/* Closing each gap would cost a system call per number below the highest kept one. So the kept ones
 * are moved down to 3, 4, ..., the rest is closed, and they are moved back; as keep[i] >= 3 + i,
 * ascending and then descending nothing is overwritten. */
int mproc__spawn_keep(struct mproc__spawn_actions *actions, const int *keep, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(&actions->files, keep[i], 3 + (int) i);
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(&actions->files, 3 + (int) count);
    for (size_t i = count; i-- > 0 && !failed;)
        if (keep[i] != 3 + (int) i)
            failed = posix_spawn_file_actions_adddup2(&actions->files, 3 + (int) i, keep[i]);
    for (size_t i = 0; i < count && !failed; i++)
        if (!contains(keep, count, 3 + (int) i))
            failed = posix_spawn_file_actions_addclose(&actions->files, 3 + (int) i);
    return failed;
}

void mproc_plat_close_others(const mproc_plat_handle *keep, size_t count)
{
    (void) keep;
    (void) count;
}
#else
const bool mproc__spawn_closes = false;

int mproc__spawn_keep(struct mproc__spawn_actions *actions, const int *keep, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(&actions->files, keep[i], keep[i]);
    return failed;
}

void mproc_plat_close_others(const mproc_plat_handle *keep, size_t count)
{
    int *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return;
    size_t used = mproc__sort_descriptors(keep, count, mproc__held(), sorted);
    mproc__close_all_but(sorted, used);
    free(sorted);
}
#endif
