/* SPDX-License-Identifier: MIT */
/* All processes, on Linux: /proc. */
#include "linux.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* False, with errno, if it cannot be looked at; 0: it has ended. */
static bool read_entry(int64_t pid, struct mproc_plat_process_entry *entry)
{
    char path[PROC_PATH_SIZE];
    struct process_stat status;
    int found = mproc__read_stat(mproc__proc_path(path, "/proc/./", pid, "/stat"), &status);
    if (found != 1 || mproc__has_ended(&status)) {
        errno = found == 0 ? errno : 0;
        return false;
    }
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
        bool seen = read_entry(atoll(name->d_name), &entries[used]);
        used += seen;
        if (!seen && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
            int code = errno;
            free(entries);
            closedir(folder);
            return mproc__fail_system(mproc__from_errno(code), code,
                                      "Not all processes can be listed; close descriptors or free memory");
        }
    }
    closedir(folder);
    *list = entries;
    *count = used;
    return MPROC_OK;
}
