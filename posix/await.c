/* SPDX-License-Identifier: MIT */
/* Waiting for descriptors with poll(), and a flag made of a pipe. */
#include "posix.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { FEW = 16 };

mproc_err mproc_plat_await(const mproc_plat_handle *handles, size_t count, int64_t deadline, bool *ready,
                           size_t *bad)
{
    struct pollfd few[FEW];
    struct pollfd *entries = count <= FEW ? few : malloc(count * sizeof *entries);
    if (!entries)
        return mproc__fail(MPROC_ENOMEM, "no memory to wait for %zu things", count);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct pollfd){ .fd = (int) handles[i], .events = POLLIN };
    int result = mproc__poll(entries, count, deadline);
    mproc_err err = result > 0 ? MPROC_OK : MPROC_ETIMEDOUT;
    if (result < 0)
        err = mproc__fail_system(mproc__from_errno(errno), errno, "cannot wait for %zu things", count);
    for (size_t i = 0; i < count && result > 0; i++) {
        ready[i] = entries[i].revents != 0;
        if (entries[i].revents & POLLNVAL && err == MPROC_OK) {
            err = mproc__fail(MPROC_EINVAL, "descriptor %d is not open in this process", entries[i].fd);
            *bad = i;
        }
    }
    if (entries != few)
        free(entries);
    return err;
}

mproc_err mproc_plat_await_socket(mproc_plat_handle socket, mproc_plat_handle *waitable)
{
    *waitable = socket;
    return MPROC_OK;
}

void mproc_plat_await_socket_end(mproc_plat_handle socket, mproc_plat_handle waitable)
{
    (void) socket;
    (void) waitable;
}

mproc_err mproc_plat_flag_create(struct mproc_plat_flag *flag)
{
    int ends[2];
    if (mproc__pipe(ends) != 0)
        return mproc__fail_system(mproc__from_errno(errno), errno, "no pipe to wake threads by");
    flag->handle = ends[0];
    flag->other = ends[1];
    return MPROC_OK;
}

void mproc_plat_flag_set(struct mproc_plat_flag *flag)
{
    ssize_t ignored = write((int) flag->other, "", 1); /* full: it is set */
    (void) ignored;
}

void mproc_plat_flag_clear(struct mproc_plat_flag *flag)
{
    char bytes[64];
    while (read((int) flag->handle, bytes, sizeof bytes) > 0) {
    }
}

void mproc_plat_flag_close(struct mproc_plat_flag *flag)
{
    close((int) flag->handle);
    close((int) flag->other);
}
