/* SPDX-License-Identifier: MIT */
/* All processes. */
#include "win32.h"

#include <stdlib.h>
#include <tlhelp32.h>

/* Processes that may not be looked at are not listed: they could not be ended either. */
static bool read_entry(const PROCESSENTRY32W *found, struct mproc_plat_process_entry *entry)
{
    *entry = (struct mproc_plat_process_entry){ .pid = (int64_t) found->th32ProcessID,
                                                .parent = (int64_t) found->th32ParentProcessID,
                                                .group = -1,
                                                .session = -1 };
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE,
                                 found->th32ProcessID);
    if (!process)
        return false;
    bool lives = mproc__creation_time(process, &entry->stamp);
    CloseHandle(process);
    return lives;
}

mproc_err mproc_plat_process_list(struct mproc_plat_process_entry **list, size_t *count)
{
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (snapshot == INVALID_HANDLE_VALUE)
        return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(), "cannot list processes");
    struct mproc_plat_process_entry *entries = NULL;
    size_t used = 0, capacity = 0;
    PROCESSENTRY32W found = { .dwSize = sizeof found };
    for (BOOL more = Process32FirstW(snapshot, &found); more; more = Process32NextW(snapshot, &found)) {
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            struct mproc_plat_process_entry *larger = realloc(entries, capacity * sizeof *larger);
            if (!larger) {
                free(entries);
                CloseHandle(snapshot);
                return mproc__fail(MPROC_ENOMEM, "no memory to list all processes");
            }
            entries = larger;
        }
        used += read_entry(&found, &entries[used]);
    }
    CloseHandle(snapshot);
    *list = entries;
    *count = used;
    return MPROC_OK;
}
