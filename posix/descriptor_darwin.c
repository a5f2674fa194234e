/* SPDX-License-Identifier: MIT */
/* Descriptors on macOS: a spawned child has only those it is to keep, whoever opened the others. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Above the standard streams, closed on exec; both or none. */
static int prepare_pair(int ends[2])
{
    for (int i = 0; i < 2; i++)
        ends[i] = mproc__above_standard(ends[i]);
    if (ends[0] >= 0 && ends[1] >= 0 && mproc__close_on_exec(ends[0]) == 0 &&
        mproc__close_on_exec(ends[1]) == 0)
        return 0;
    mproc__close_pair(ends);
    return -1;
}

int mproc__pipe(int ends[2])
{
    if (pipe(ends) != 0 || prepare_pair(ends) != 0)
        return -1;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    mproc__close_pair(ends);
    return -1;
}

int mproc__socket_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || prepare_pair(ends) != 0)
        return -1;
    int yes = 1;
    for (int i = 0; i < 2; i++)
        setsockopt(ends[i], SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
    return 0;
}

const bool mproc__spawn_closes = true;

int mproc__spawn_keep(struct mproc__spawn_actions *actions, const int *keep, size_t count)
{
    int failed = posix_spawnattr_setflags(&actions->attributes, POSIX_SPAWN_CLOEXEC_DEFAULT);
    /* A stream that is closed here may be one that the child is given: that action keeps it. */
    for (int stream = 0; stream < 3 && !failed; stream++)
        if (fcntl(stream, F_GETFD) >= 0)
            failed = posix_spawn_file_actions_addinherit_np(&actions->files, stream);
    for (size_t i = 0; i < count && !failed; i++)
        failed = posix_spawn_file_actions_addinherit_np(&actions->files, keep[i]);
    return failed;
}

void mproc__close_all_but(const int *keep, size_t count)
{
    int most = getdtablesize();
    for (int descriptor = 3; descriptor < most; descriptor++) {
        if (count > 0 && *keep == descriptor) {
            keep++;
            count--;
        } else {
            close(descriptor);
        }
    }
}

/* macOS finds memory, or swap, when a page is used. */
int mproc__reserve_bytes(int descriptor, uint64_t offset, uint64_t size)
{
    (void) descriptor;
    (void) offset;
    (void) size;
    return 0;
}

void mproc_plat_close_others(const mproc_plat_handle *keep, size_t count)
{
    (void) keep;
    (void) count;
}
