/* SPDX-License-Identifier: MIT */
/* POSIX has no list of processes. */
#include "posix.h"

mproc_err mproc_plat_process_list(struct mproc_plat_process_entry **list, size_t *count)
{
    (void) list;
    (void) count;
    return mproc__fail(MPROC_ENOTSUP, "This system does not list its processes; start the program with "
                                      "new_session and signal its group");
}
