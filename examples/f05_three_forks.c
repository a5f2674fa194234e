/* SPDX-License-Identifier: MIT */
/* Three forks in a row: every process forks at the next one, so eight come to the end. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>

int main(void)
{
    mproc_init();

    for (int i = 0; i < 3; i++) {
        mproc_process *child;
        mproc_err err = mproc_fork(&child);
        if (err == MPROC_ENOTSUP) {
            puts("fork is not available on this system");
            return 0;
        }
        MPROC_MUST(err);
    }
    printf("process %" PRId64 ", %s\n", mproc_pid(), mproc_process_name(mproc_current_process()));
    return 0;
}
