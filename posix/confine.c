/* SPDX-License-Identifier: MIT */
/* Resource limits: those that children are given, and those that the region meets. */
#include "compiler.h"
#include "posix.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LIMIT_COUNT = 5 };

struct wish {
    const char *name;
    int resource;
    uint64_t value; /* 0: unchanged */
};

MPROC_IN_CHILD static void list_wishes(const mproc_limits *limits, struct wish wishes[LIMIT_COUNT])
{
    wishes[0] = (struct wish){ "memory_bytes", RLIMIT_AS, limits->memory_bytes };
    wishes[1] = (struct wish){ "cpu_seconds", RLIMIT_CPU, limits->cpu_seconds };
    wishes[2] = (struct wish){ "file_bytes", RLIMIT_FSIZE, limits->file_bytes };
    wishes[3] = (struct wish){ "open_descriptors", RLIMIT_NOFILE, limits->open_descriptors };
    wishes[4] = (struct wish){ "core_bytes", RLIMIT_CORE, limits->core_bytes };
}

/* The limit as setrlimit() takes it. The reserved region is no memory of the program's: without
 * adding it every allocation would fail at once. */
static rlim_t wished(const struct wish *wish)
{
    uint64_t value = wish->value == MPROC_LIMIT_ZERO ? 0 : wish->value;
    if (wish->resource == RLIMIT_AS && value < UINT64_MAX / 2 - mproc__region_size())
        value += mproc__region_size();
    return (rlim_t) value;
}

static mproc_err refuse(const struct wish *wish, int code)
{
    return mproc__fail_system(
        mproc__from_errno(code), code,
        "The limit %s = %llu cannot be set; only root may raise a limit above "
        "its hard limit",
        wish->name, (unsigned long long) (wish->value == MPROC_LIMIT_ZERO ? 0 : wish->value));
}

mproc_err mproc_plat_confine_check(const mproc_limits *limits, const int *cpus, size_t cpu_count)
{
    struct wish wishes[LIMIT_COUNT];
    list_wishes(limits, wishes);
    for (int i = 0; i < LIMIT_COUNT; i++) {
        struct rlimit now;
        if (wishes[i].value == 0)
            continue;
        if (getrlimit(wishes[i].resource, &now) != 0)
            return refuse(&wishes[i], errno);
        if (now.rlim_max != RLIM_INFINITY && wished(&wishes[i]) > now.rlim_max && geteuid() != 0)
            return refuse(&wishes[i], EPERM);
    }
    return cpus ? mproc__cpus_check(cpus, cpu_count) : MPROC_OK;
}

MPROC_IN_CHILD mproc_err mproc_plat_confine_apply(const mproc_limits *limits, const int *cpus,
                                                  size_t cpu_count)
{
    struct wish wishes[LIMIT_COUNT];
    list_wishes(limits, wishes);
    for (int i = 0; i < LIMIT_COUNT; i++) {
        struct rlimit now;
        if (wishes[i].value == 0)
            continue;
        if (getrlimit(wishes[i].resource, &now) != 0)
            return refuse(&wishes[i], errno);
        struct rlimit next = { .rlim_cur = wished(&wishes[i]), .rlim_max = wished(&wishes[i]) };
        /* One second between SIGXCPU and SIGKILL: the former says why. */
        if (wishes[i].resource == RLIMIT_CPU && next.rlim_max < now.rlim_max)
            next.rlim_max++;
        if (setrlimit(wishes[i].resource, &next) != 0)
            return refuse(&wishes[i], errno);
    }
    return cpus ? mproc__cpus_apply(cpus, cpu_count) : MPROC_OK;
}

/* ---- limits that the region meets ---- */

uint64_t mproc__reservable(uint64_t limit)
{
    struct rlimit space;
    uint64_t most = (uint64_t) (SIZE_MAX / 4);
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY &&
        space.rlim_cur / 4 < most)
        most = space.rlim_cur / 4;
    while (limit > most && limit / 2 >= MPROC__SMALLEST_REGION)
        limit /= 2;
    return limit;
}

int mproc__resize(int descriptor, uint64_t size)
{
    /* Beyond RLIMIT_FSIZE ftruncate() would end the process with SIGXFSZ, even for memory. */
    struct rlimit before;
    if (getrlimit(RLIMIT_FSIZE, &before) != 0)
        return -1;
    struct rlimit raised = { .rlim_cur = before.rlim_max, .rlim_max = before.rlim_max };
    bool raise = before.rlim_cur != RLIM_INFINITY && before.rlim_cur < size;
    if (raise && raised.rlim_cur != RLIM_INFINITY && raised.rlim_cur < size) {
        errno = EFBIG;
        return -1;
    }
    if (raise && setrlimit(RLIMIT_FSIZE, &raised) != 0)
        return -1;
    int failed = ftruncate(descriptor, (off_t) size);
    int code = errno;
    if (raise)
        setrlimit(RLIMIT_FSIZE, &before);
    errno = code;
    return failed;
}
