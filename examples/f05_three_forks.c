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
        MPROC_MUST(mproc_fork(&child));
    }
    printf("process %" PRId64 ", %s\n", mproc_pid(), mproc_process_name(mproc_current_process()));
    return 0;
}
