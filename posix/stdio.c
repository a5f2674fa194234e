/* SPDX-License-Identifier: MIT */
/* Standard streams and working folders of children; messages to stderr. */
#include "compiler.h"
#include "direct.h"
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A folder may be entered without being readable. */
#if defined(O_PATH)
#define OPEN_FOLDER (O_PATH | O_DIRECTORY)
#elif defined(O_SEARCH)
#define OPEN_FOLDER (O_SEARCH | O_DIRECTORY)
#else
#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY)
#endif

static int open_descriptor(const char *path, int flags)
{
    int opened;
    do
        opened = open(path, flags | O_CLOEXEC, 0666);
    while (opened < 0 && errno == EINTR);
    return mproc__above_standard(opened);
}

mproc_err mproc_plat_stdio_open(int stream, const char *path, mproc_plat_handle *handle)
{
    static const char *const names[] = { "standard input", "standard output", "standard error" };
    int flags = stream == 0 ? O_RDONLY : O_WRONLY;
    if (path && stream != 0)
        flags |= O_CREAT | O_APPEND;
    int opened = open_descriptor(path ? path : "/dev/null", flags | O_NOCTTY);
    if (opened < 0)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "'%s' cannot be opened as the child's %s; check the path and its "
                                  "permissions",
                                  path ? path : "/dev/null", names[stream]);
    *handle = opened;
    return MPROC_OK;
}

mproc_err mproc_plat_file_create(const char *path, mproc_plat_handle *handle)
{
    int opened = open_descriptor(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY);
    if (opened < 0)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "'%s' cannot be created for a child's output; check the path and its "
                                  "permissions",
                                  path);
    *handle = opened;
    return MPROC_OK;
}

mproc_err mproc_plat_handle_check(mproc_plat_handle handle)
{
    if (handle >= 0 && fcntl((int) handle, F_GETFD) >= 0)
        return MPROC_OK;
    return mproc__fail_system(MPROC_EINVAL, EBADF, "Descriptor %lld is not open in this process",
                              (long long) handle);
}

mproc_plat_handle mproc_plat_stdio_own(int stream)
{
    return fcntl(stream, F_GETFD) >= 0 ? stream : MPROC_PLAT_NONE;
}

MPROC_IN_CHILD mproc_err mproc_plat_stdio_replace(const mproc_plat_handle standard[3])
{
    int sources[3];
    bool moved[3] = { false, false, false };
    int code = 0;
    for (int i = 0; i < 3; i++) {
        sources[i] = (int) standard[i];
        moved[i] = sources[i] >= 0 && sources[i] <= 2 && sources[i] != i;
        if (moved[i] && (sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, 3)) < 0)
            code = errno;
    }
    for (int i = 0; i < 3 && !code; i++) {
        if (standard[i] == MPROC_PLAT_NONE || sources[i] == i)
            continue;
        do
            code = mproc__direct_replace(sources[i], i);
        while (code == EINTR || code == EBUSY);
    }
    for (int i = 0; i < 3; i++)
        if (moved[i] && sources[i] >= 0)
            close(sources[i]);
    if (code)
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "The standard streams of a child cannot be replaced; check the "
                                  "descriptors given for them");
    if (standard[0] != MPROC_PLAT_NONE)
        mproc__stdin_replaced();
    return MPROC_OK;
}

mproc_err mproc_plat_folder_open(const char *path, mproc_plat_handle *folder)
{
    int opened = open_descriptor(path, OPEN_FOLDER);
    if (opened >= 0 && faccessat(opened, ".", X_OK, 0) == 0) {
        *folder = opened;
        return MPROC_OK;
    }
    int code = errno;
    if (opened >= 0)
        close(opened);
    return mproc__fail_system(mproc__from_errno(code), code,
                              "The folder '%s' cannot be a child's working directory; check the "
                              "path and its permissions",
                              path);
}

mproc_err mproc_plat_folder_enter(mproc_plat_handle folder)
{
    if (fchdir((int) folder) == 0)
        return MPROC_OK;
    return mproc__fail_system(mproc__from_errno(errno), errno,
                              "A child cannot enter its working directory; check its permissions");
}

void mproc_plat_stdio_error(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        size -= (size_t) written;
    }
}
