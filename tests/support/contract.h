/* SPDX-License-Identifier: MIT */
/* What contract suites share: starting this program again below mproc_init(). */
#ifndef MPROC_TESTS_CONTRACT_H
#define MPROC_TESTS_CONTRACT_H

#include "suite.h"
#include "system.h"

#include "platform.h"

#define SECONDS INT64_C(1000000000)

static inline int64_t in_seconds(int seconds)
{
    return mproc_plat_now() + seconds * SECONDS;
}

static inline struct mproc_plat_spawn spawn_of(const char *boot)
{
    return (struct mproc_plat_spawn){
        .boot = boot,
        .standard = { MPROC_PLAT_NONE, MPROC_PLAT_NONE, MPROC_PLAT_NONE },
    };
}

/* Starts this program with the value of MPROC_BOOT and one handle to keep; NONE: no handle. */
static inline struct mproc_plat_process spawn_child(const char *boot, mproc_plat_handle keep)
{
    struct mproc_plat_spawn spawn = spawn_of(boot);
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    spawn.keep = &keep;
    spawn.keep_count = keep != MPROC_PLAT_NONE;
    mproc_err err = mproc_plat_spawn(&spawn, &process);
    if (err != MPROC_OK)
        printf("spawn: %s\n", mproc_last_error());
    CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
    return process;
}

/* Waits, reaps and forgets; the exit code, -N for a signal, -1000 if that did not work. */
static inline int reap_child(struct mproc_plat_process *process)
{
    const struct mproc_plat_process *list = process;
    struct mproc_plat_status status = { .known = false };
    size_t index;
    CHECK_OK(mproc_plat_process_watch(&list, 1, in_seconds(60), &index));
    CU_ASSERT_TRUE(mproc_plat_process_reap(process, &status));
    mproc_plat_process_forget(process);
    CU_ASSERT_EQUAL(process->watch, MPROC_PLAT_NONE);
    CU_ASSERT_TRUE(status.known);
    return !status.known ? -1000 : status.signalled ? -status.code : status.code;
}

/* The region of this process, once; and what a child is to be told about it: "TASK HANDLE LIMIT". */
static uint64_t region_limit;

static inline void make_region(void)
{
    if (region_limit)
        return;
    uint64_t limit = UINT64_C(1) << 32;
    CU_ASSERT_EQUAL_FATAL(mproc_plat_region_create(&limit), MPROC_OK);
    region_limit = limit;
    keep_what_is_there();
}

static inline const char *boot_with_region(const char *task)
{
    static char boot[200];
    snprintf(boot, sizeof boot, "%s %lld %llu", task, (long long) mproc_plat_region_handle(),
             (unsigned long long) region_limit);
    return boot;
}

/* In a child: attaches what boot_with_region() named and gives the task in `task`. */
static inline bool attach_region(const char *boot, char task[40])
{
    long long handle;
    unsigned long long limit;
    if (sscanf(boot, "%39s %lld %llu", task, &handle, &limit) != 3)
        return false;
    region_limit = limit;
    return mproc_plat_region_attach((mproc_plat_handle) handle, limit) == MPROC_OK;
}

/* Whether this system forks. */
static inline bool can_fork(void)
{
    size_t count;
    const mproc_start_method *methods = mproc_plat_start_methods(&count);
    for (size_t i = 0; i < count; i++)
        if (methods[i] == MPROC_START_FORK)
            return true;
    return false;
}

#endif
