/* SPDX-License-Identifier: MIT */
/* A family that creates the segment SEGMENT_NAME and does not unlink it. */
#include "mproc.h"

#include <stdlib.h>
#include <string.h>

static int create(void *argument)
{
    (void) argument;
    mproc_shared_memory *memory;
    MPROC_MUST(mproc_shared_memory_create(&memory, getenv("SEGMENT_NAME"), 100));
    MPROC_MUST(mproc_shared_memory_close(memory));
    return 0;
}

int main(int argc, char **argv)
{
    mproc_init();
    const char *task = argc > 1 ? argv[1] : "";
    if (strcmp(task, "child") == 0) {
        mproc_process *process;
        MPROC_MUST(mproc_process_start(&process, create, NULL, 0, NULL));
        MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
        return 0;
    }
    mproc_shared_memory *memory;
    MPROC_MUST(mproc_shared_memory_create(&memory, getenv("SEGMENT_NAME"), 100));
    if (strcmp(task, "keep") == 0)
        MPROC_MUST(mproc_shared_memory_keep(memory));
    MPROC_MUST(mproc_shared_memory_close(memory));
    return 0;
}
