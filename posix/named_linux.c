/* SPDX-License-Identifier: MIT */
/* Linux: a segment is a file of /dev/shm, and such a file can be made whole before it has a name. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { FOLDER_ROOM = 16, LINK_SIZE = 40 };
#define FOLDER "/dev/shm"

static void link_of(int descriptor, char link[LINK_SIZE])
{
    snprintf(link, LINK_SIZE, "/proc/self/fd/%d", descriptor);
}

int mproc__named_open_hidden(const char *name)
{
    char path[MPROC__NAMED_PATH_SIZE + FOLDER_ROOM], link[LINK_SIZE];
    snprintf(path, sizeof path, FOLDER "/%s", name);
    if (access(path, F_OK) == 0)
        return -1; /* it is taken: no need to reserve memory first */
    int descriptor = open(FOLDER, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return -1;
    link_of(descriptor, link);
    if (access(link, F_OK) == 0)
        return descriptor;
    close(descriptor); /* without /proc it could never be given its name */
    return -1;
}

bool mproc__named_show(int descriptor, const char *name)
{
    char path[MPROC__NAMED_PATH_SIZE + FOLDER_ROOM], link[LINK_SIZE];
    snprintf(path, sizeof path, FOLDER "/%s", name);
    link_of(descriptor, link);
    return linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
}
