/* SPDX-License-Identifier: MIT */
/* All processes, on Linux: /proc. */
#include "linux.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_entry(const char *pid, struct mproc_plat_process_entry *entry)
{
    char path[300], text[1024];
    snprintf(path, sizeof path, "/proc/./%s/stat", pid);
    if (mproc__read_small(path, text, sizeof text) <= 0)
        return false;
    /* The program's name may hold anything but is followed by the last parenthesis. */
    const char *state = strrchr(text, ')');
    unsigned long long start;
    long long parent, group, session;
    char letter;
    int threads;
    if (!state || sscanf(state + 1,
                         " %c %lld %lld %lld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %d %*s "
                         "%llu",
                         &letter, &parent, &group, &session, &threads, &start) != 6)
        return false;
    if (letter == 'X' || letter == 'x' || (letter == 'Z' && threads <= 1))
        return false;
    *entry = (struct mproc_plat_process_entry){ .pid = atoll(pid), .parent = parent, .group = group,
                                                .session = session, .stamp = start };
    return true;
}

mproc_err mproc_plat_process_list(struct mproc_plat_process_entry **list, size_t *count)
{
    DIR *folder = opendir("/proc");
    if (!folder)
        return mproc__fail_system(MPROC_ENOTSUP, errno, "Processes cannot be listed without /proc");
    struct mproc_plat_process_entry *entries = NULL;
    size_t used = 0, capacity = 0;
    const struct dirent *name;
    while ((name = readdir(folder)) != NULL) {
        if (name->d_name[0] < '1' || name->d_name[0] > '9')
            continue;
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            struct mproc_plat_process_entry *more = realloc(entries, capacity * sizeof *more);
            if (!more) {
                free(entries);
                closedir(folder);
                return mproc__fail(MPROC_ENOMEM, "No memory to list all processes; free some");
            }
            entries = more;
        }
        used += read_entry(name->d_name, &entries[used]);
    }
    closedir(folder);
    *list = entries;
    *count = used;
    return MPROC_OK;
}
