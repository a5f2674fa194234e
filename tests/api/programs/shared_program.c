/* SPDX-License-Identifier: MIT */
/* A family that creates the segment SEGMENT_NAME and does not unlink it. */
#include "mproc.h"

#include "platform.h"

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

static void kill_now(int64_t pid)
{
    uint64_t stamp;
    MPROC_MUST(mproc_plat_process_stamp(pid, &stamp));
    MPROC_MUST(mproc_plat_process_signal(pid, stamp, true));
}

/* Nobody of the family is left who could clean up. */
static int create_and_kill_all(void *argument)
{
    int64_t parent;
    create(argument);
    MPROC_MUST(mproc_process_pid(mproc_parent_process(), &parent));
    kill_now(parent);
    kill_now(mproc_pid());
    return 0;
}

int main(int argc, char **argv)
{
    mproc_init();
    const char *task = argc > 1 ? argv[1] : "";
    bool all = strcmp(task, "kill_all") == 0;
    if (all || strcmp(task, "child") == 0) {
        mproc_process *process;
        MPROC_MUST(mproc_process_start(&process, all ? create_and_kill_all : create, NULL, 0, NULL));
        MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
        return 0;
    }
    mproc_shared_memory *memory;
    MPROC_MUST(mproc_shared_memory_create(&memory, getenv("SEGMENT_NAME"), 100));
    if (strcmp(task, "keep") == 0)
        MPROC_MUST(mproc_shared_memory_keep(memory));
    if (strcmp(task, "kill") == 0)
        kill_now(mproc_pid());
    MPROC_MUST(mproc_shared_memory_close(memory));
    return 0;
}
