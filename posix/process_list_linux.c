/* SPDX-License-Identifier: MIT */
/* All processes, on Linux: /proc. */
#include "linux.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool read_entry(int64_t pid, struct mproc_plat_process_entry *entry)
{
    char path[PROC_PATH_SIZE];
    struct process_stat status;
    if (mproc__read_stat(mproc__proc_path(path, "/proc/./", pid, "/stat"), &status) != 1 ||
        mproc__has_ended(&status))
        return false;
    *entry = (struct mproc_plat_process_entry){ .pid = pid, .parent = status.parent, .group = status.group,
                                                .session = status.session, .stamp = status.start };
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
        used += read_entry(atoll(name->d_name), &entries[used]);
    }
    closedir(folder);
    *list = entries;
    *count = used;
    return MPROC_OK;
}
