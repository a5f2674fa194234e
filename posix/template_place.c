/* SPDX-License-Identifier: MIT */
/* The placing of handles that a template's child has received. */
#include "compiler.h"
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool is_target(int descriptor, const intptr_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == descriptor)
            return true;
    return false;
}

/* Where `descriptor` can stay while the targets are filled: its own number, or above them all. */
static int evacuate(int descriptor, const intptr_t *numbers, size_t count)
{
    if (!is_target(descriptor, numbers, count))
        return descriptor;
    intptr_t highest = 0;
    for (size_t i = 0; i < count; i++)
        highest = numbers[i] > highest ? numbers[i] : highest;
    return fcntl(descriptor, F_DUPFD_CLOEXEC, (int) highest + 1);
}

/* 0 or an errno. */
static int fill(int source, int number)
{
    if (source == number)
        return fcntl(number, F_SETFD, 0) == 0 ? 0 : errno;
    while (dup2(source, number) < 0)
        if (errno != EINTR && errno != EBUSY)
            return errno;
    close(source);
    return 0;
}

MPROC_IN_CHILD mproc_err mproc_plat_handles_place(const mproc_plat_handle *handles, const intptr_t *numbers,
                                                  size_t count)
{
    int sources[MPROC_PLAT_TEMPLATE_HANDLES];
    int code = 0;
    int kept = mproc__held() < 0 ? -1 : evacuate(mproc__held(), numbers, count);
    if (mproc__held() >= 0 && kept < 0)
        code = errno;
    for (size_t i = 0; i < count && !code; i++) {
        bool stays = handles[i] == numbers[i];
        sources[i] = stays ? (int) handles[i] : evacuate((int) handles[i], numbers, count);
        if (sources[i] < 0)
            code = errno;
    }
    if (!code)
        mproc__hold(kept);
    for (size_t i = 0; i < count && !code; i++)
        code = fill(sources[i], (int) numbers[i]);
    if (code)
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "The descriptors for a child cannot be given to it under their "
                                  "numbers; raise RLIMIT_NOFILE");
    return MPROC_OK;
}
