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

/* It has nothing to do with the segment, and outlives who created it. */
static int outlive_parent(void *argument)
{
    MPROC_MUST(mproc_event_set(*(mproc_event *) argument));
    MPROC_MUST(mproc_process_join(mproc_parent_process(), MPROC_FOREVER));
    return 0;
}

static void start_one_that_outlives_this(void)
{
    mproc_event started;
    mproc_process *process;
    MPROC_MUST(mproc_event_create(&started));
    MPROC_MUST(mproc_process_start(&process, outlive_parent, &started, sizeof started, NULL));
    MPROC_MUST(mproc_event_wait(started, MPROC_FOREVER));
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
    bool kill = strcmp(task, "kill") == 0, kill_root = strcmp(task, "kill_root") == 0;
    if (kill_root)
        start_one_that_outlives_this();
    mproc_shared_memory *memory;
    MPROC_MUST(mproc_shared_memory_create(&memory, getenv("SEGMENT_NAME"), 100));
    if (strcmp(task, "keep") == 0)
        MPROC_MUST(mproc_shared_memory_keep(memory));
    if (kill || kill_root)
        kill_now(mproc_pid());
    MPROC_MUST(mproc_shared_memory_close(memory));
    return 0;
}
