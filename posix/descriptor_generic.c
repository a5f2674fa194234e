/* SPDX-License-Identifier: MIT */
/* Descriptors with what every POSIX system has; a spawned child closes what it is not to have. */
#include "posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Without a list of the open descriptors no more are tried than this. */
#define MOST_TRIED 65536

/* Above the standard streams, closed on exec; both or none. */
static int prepare_pair(int ends[2], int status_flags)
{
    for (int i = 0; i < 2; i++)
        ends[i] = mproc__above_standard(ends[i]);
    bool ready = ends[0] >= 0 && ends[1] >= 0;
    for (int i = 0; i < 2 && ready; i++)
        ready = mproc__close_on_exec(ends[i]) == 0 &&
                (status_flags == 0 || fcntl(ends[i], F_SETFL, status_flags) == 0);
    if (!ready)
        mproc__close_pair(ends);
    return ready ? 0 : -1;
}

int mproc__pipe(int ends[2])
{
    return pipe(ends) == 0 ? prepare_pair(ends, O_NONBLOCK) : -1;
}

int mproc__socket_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 ? prepare_pair(ends, 0) : -1;
}

const bool mproc__spawn_closes = false;

int mproc__spawn_keep(struct mproc__spawn_actions *actions, const int *keep, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(&actions->files, keep[i], keep[i]);
    return failed;
}

int mproc__reserve_bytes(int descriptor, uint64_t offset, uint64_t size)
{
    int failed;
    do
        failed = posix_fallocate(descriptor, (off_t) offset, (off_t) size);
    while (failed == EINTR);
    /* Not for this kind of object: then memory is had at the first access, or not. */
    return failed == EINVAL || failed == ENODEV || failed == EOPNOTSUPP ? 0 : failed;
}

static bool is_kept(const int *sorted, size_t count, int descriptor)
{
    for (size_t i = 0; i < count; i++)
        if (sorted[i] == descriptor)
            return true;
    return descriptor <= 2;
}

/* False if this system has no list of the open descriptors. */
static bool close_listed(const int *sorted, size_t count)
{
    DIR *folder = opendir("/dev/fd");
    if (!folder)
        return false;
    bool complete = false;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char *end;
        long number = strtol(entry->d_name, &end, 10);
        if (end == entry->d_name || *end)
            continue;
        /* A static /dev/fd lists the standard streams only. */
        complete = complete || number == dirfd(folder);
        if (number != dirfd(folder) && !is_kept(sorted, count, (int) number))
            close((int) number);
    }
    closedir(folder);
    return complete;
}

void mproc__close_all_but(const int *keep, size_t count)
{
    long limit = sysconf(_SC_OPEN_MAX);
    int most = limit > 0 && limit < MOST_TRIED ? (int) limit : MOST_TRIED;
    for (int descriptor = 3; descriptor < most; descriptor++)
        if (!is_kept(keep, count, descriptor))
            close(descriptor);
}

void mproc_plat_close_others(const mproc_plat_handle *keep, size_t count)
{
    int *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return;
    size_t used = mproc__sort_descriptors(keep, count, mproc__held(), sorted);
    if (!close_listed(sorted, used))
        mproc__close_all_but(sorted, used);
    free(sorted);
}
