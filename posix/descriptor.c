/* SPDX-License-Identifier: MIT */
/* Descriptors: keeping them apart from the standard streams and from children. */
#include "compiler.h"
#include "direct.h"
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int held = -1;

int mproc__above_standard(int descriptor)
{
    if (descriptor < 0 || descriptor > 2)
        return descriptor;
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    int code = errno;
    close(descriptor);
    errno = code;
    return moved;
}

int mproc__close_on_exec(int descriptor)
{
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

void mproc__close_pair(const int ends[2])
{
    int code = errno;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    errno = code;
}

MPROC_IN_CHILD void mproc__hold(int descriptor)
{
    held = descriptor;
}

MPROC_IN_CHILD int mproc__held(void)
{
    return held;
}

MPROC_IN_CHILD void mproc__drop_held(void)
{
    if (held >= 0)
        mproc__direct_close(held);
    held = -1;
}

size_t mproc__sort_descriptors(const mproc_plat_handle *handles, size_t count, int more,
                               int *sorted)
{
    size_t used = 0;
    for (size_t i = 0; i <= count; i++) {
        int descriptor = i < count ? (int) handles[i] : more;
        size_t place = used;
        while (place > 0 && sorted[place - 1] >= descriptor)
            place--;
        if (descriptor <= 2 || (place < used && sorted[place] == descriptor))
            continue;
        for (size_t j = used; j > place; j--)
            sorted[j] = sorted[j - 1];
        sorted[place] = descriptor;
        used++;
    }
    return used;
}
