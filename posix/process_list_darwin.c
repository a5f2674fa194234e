/* SPDX-License-Identifier: MIT */
/* All processes, on macOS: libproc. */
#include "posix.h"

#include <errno.h>
#include <libproc.h>
#include <stdlib.h>
#include <sys/proc.h>
#include <unistd.h>

static bool read_entry(pid_t pid, struct mproc_plat_process_entry *entry)
{
    struct proc_bsdinfo info;
    if (proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, &info, (int) sizeof info) != (int) sizeof info ||
        info.pbi_status == SZOMB)
        return false;
    *entry = (struct mproc_plat_process_entry){
        .pid = pid,
        .parent = (int64_t) info.pbi_ppid,
        .group = (int64_t) info.pbi_pgid,
        .session = getsid(pid),
        .stamp = info.pbi_start_tvsec * UINT64_C(1000000) + info.pbi_start_tvusec
    };
    return true;
}

mproc_err mproc_plat_process_list(struct mproc_plat_process_entry **list, size_t *count)
{
    int most = proc_listallpids(NULL, 0) + 64;
    pid_t *pids = malloc((size_t) most * sizeof *pids);
    struct mproc_plat_process_entry *entries = malloc((size_t) most * sizeof *entries);
    int found = pids ? proc_listallpids(pids, most * (int) sizeof *pids) : -1;
    if (!entries || found < 0) {
        free(pids);
        free(entries);
        return mproc__fail(MPROC_ENOMEM, "No memory to list all processes; free some");
    }
    size_t used = 0;
    for (int i = 0; i < found; i++)
        used += read_entry(pids[i], &entries[used]);
    free(pids);
    *list = entries;
    *count = used;
    return MPROC_OK;
}
