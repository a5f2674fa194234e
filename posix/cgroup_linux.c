/* SPDX-License-Identifier: MIT */
/* What Linux leaves this process of the machine: cgroup quotas (versions 1 and 2), free memory. */
#include "linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Asks the files of one cgroup; `unified` is version 2. */
typedef void visit(const char *folder, bool unified, void *context);

struct cpus {
    int most;
};
struct memory {
    uint64_t left;
};

const char *mproc__cgroup_list = "/proc/self/cgroup", *mproc__cgroup_mount = "/sys/fs/cgroup";

ssize_t mproc__read_small(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t got;
    do
        got = read(file, text, size - 1);
    while (got < 0 && errno == EINTR);
    int code = got < 0 ? errno : 0;
    close(file);
    errno = code;
    text[got > 0 ? got : 0] = '\0';
    return got;
}

/* Reads the numbers of a cgroup's file, at most two; how many there are. */
static int read_numbers(const char *folder, const char *name, double numbers[2])
{
    char path[MPROC_PLAT_PATH_SIZE + 64], text[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (mproc__read_small(path, text, sizeof text) <= 0)
        return 0;
    int count = sscanf(text, "%lf %lf", &numbers[0], &numbers[1]);
    return count > 0 ? count : 0;
}

/* From a cgroup up to the root of its hierarchy: in a container without a cgroup namespace only the
 * root is there, and is the container's own. */
static void walk_up(const char *mount, const char *group, bool unified, visit *visitor,
                    void *context)
{
    char folder[MPROC_PLAT_PATH_SIZE];
    size_t root = strlen(mount);
    int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (length < 0 || (size_t) length >= sizeof folder)
        return;
    for (;;) {
        visitor(folder, unified, context);
        char *slash = strrchr(folder + root, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

/* Whether a list "a,b,c" has the name. */
static bool lists(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *item = list; item; item = strchr(item, ',')) {
        item += *item == ',';
        if (strncmp(item, name, length) == 0 && (item[length] == ',' || item[length] == '\0'))
            return true;
    }
    return false;
}

/* Calls the visitor for all cgroups of this process that have the controller. */
static void walk(const char *controller, visit *visitor, void *context)
{
    char text[8192], mount[MPROC_PLAT_PATH_SIZE], unified[MPROC_PLAT_PATH_SIZE];
    if (mproc__read_small(mproc__cgroup_list, text, sizeof text) <= 0)
        return;
    snprintf(mount, sizeof mount, "%s/%s", mproc__cgroup_mount, controller);
    snprintf(unified, sizeof unified, "%s/unified", mproc__cgroup_mount);
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *list = strchr(line, ':');
        char *group = list ? strchr(list + 1, ':') : NULL;
        if (!group)
            continue;
        list++;
        *group++ = '\0';
        if (list[0] == '\0') {
            walk_up(mproc__cgroup_mount, group, true, visitor, context);
            walk_up(unified, group, true, visitor, context);
        } else if (lists(list, controller)) {
            walk_up(mount, group, false, visitor, context);
        }
    }
}

static void visit_cpu(const char *folder, bool unified, void *context)
{
    struct cpus *cpus = context;
    double quota[2] = { 0, 0 }, period[2] = { 0, 0 };
    if (unified) {
        if (read_numbers(folder, "cpu.max", quota) != 2)
            return;
        period[0] = quota[1];
    } else if (read_numbers(folder, "cpu.cfs_quota_us", quota) != 1 ||
               read_numbers(folder, "cpu.cfs_period_us", period) != 1) {
        return;
    }
    double allowed = quota[0] > 0 && period[0] > 0 ? quota[0] / period[0] : cpus->most;
    if (allowed >= cpus->most)
        return;
    int whole = (int) allowed;
    cpus->most = whole < allowed ? whole + 1 : whole;
}

int mproc__cgroup_cpus(int most)
{
    struct cpus cpus = { .most = most };
    walk("cpu", visit_cpu, &cpus);
    return cpus.most;
}

/* A figure in a text of lines "name figure"; 0 if it is not there. */
static uint64_t find_figure(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0)
            return strtoull(line + length, NULL, 10);
    }
    return 0;
}

/* The page cache counts as used but makes room. */
static uint64_t read_cache(const char *folder)
{
    char path[MPROC_PLAT_PATH_SIZE + 64], text[8192];
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    if (mproc__read_small(path, text, sizeof text) <= 0)
        return 0;
    return find_figure(text, "inactive_file ") + find_figure(text, "active_file ");
}

static void visit_memory(const char *folder, bool unified, void *context)
{
    struct memory *memory = context;
    double limit[2], used[2];
    if (read_numbers(folder, unified ? "memory.max" : "memory.limit_in_bytes", limit) == 0 ||
        read_numbers(folder, unified ? "memory.current" : "memory.usage_in_bytes", used) == 0)
        return;
    double left = limit[0] + (double) read_cache(folder) - used[0];
    if (left < (double) memory->left)
        memory->left = left > 0 ? (uint64_t) left : 0;
}

uint64_t mproc__cgroup_memory(void)
{
    struct memory memory = { .left = UINT64_MAX };
    walk("memory", visit_memory, &memory);
    return memory.left;
}

uint64_t mproc__free_memory(void)
{
    char text[4096];
    if (mproc__read_small("/proc/meminfo", text, sizeof text) <= 0)
        return UINT64_MAX;
    return (find_figure(text, "MemAvailable:") + find_figure(text, "SwapFree:")) << 10;
}
