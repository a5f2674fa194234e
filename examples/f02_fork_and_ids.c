/* SPDX-License-Identifier: MIT */
/* What fork gives: the child to the parent, nothing to the child, and who is whose parent. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>

int main(void)
{
    mproc_init();

    mproc_process *child;
    MPROC_MUST(mproc_fork(&child));

    if (child) {
        int64_t pid;
        MPROC_MUST(mproc_process_pid(child, &pid));
        printf("parent: fork gave process %" PRId64 ", my pid is %" PRId64 "\n", pid, mproc_pid());
    } else {
        int64_t parent;
        MPROC_MUST(mproc_process_pid(mproc_parent_process(), &parent));
        printf("child: fork gave nothing, my pid is %" PRId64 ", my parent's is %" PRId64 "\n",
               mproc_pid(), parent);
    }
    return 0;
}
