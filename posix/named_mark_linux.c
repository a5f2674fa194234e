/* SPDX-License-Identifier: MIT */
/* Segments of families that were killed: each file of /dev/shm carries an attribute that names its creator,
 * until the creator settles that it stays. Whoever creates a segment later unlinks those whose creator has died.
 * Before Linux 6.6 there are no such attributes; then they stay.
 *
 * Nothing else is ever unlinked. The attribute counts only on a file of this user that nobody else may write,
 * and only if the creator was in this namespace of pids and of time (containers may share /dev/shm). That a
 * process has died is believed only if its pid is not in use, or has another start time, or is a zombie's. */
#include "linux.h"
#include "posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ATTRIBUTE "user.mproc.creator"
#define FOLDER "/dev/shm"
enum { TEXT_SIZE = 100 };

struct creator {
    int64_t pid;
    uint64_t stamp, pids, times; /* the latter two: its namespaces */
};

static uint64_t own_namespace(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t) status.st_ino : 0;
}

/* False where /proc does not tell about this namespace's pids. */
static bool find_namespaces(struct creator *creator)
{
    char link[32] = "";
    creator->pids = own_namespace("/proc/self/ns/pid");
    creator->times = own_namespace("/proc/self/ns/time"); /* 0 before Linux 5.6 */
    return creator->pids != 0 && readlink("/proc/self", link, sizeof link - 1) > 0 && atoll(link) == getpid();
}

void mproc__named_mark(int descriptor)
{
    struct creator self = { .pid = getpid() };
    char text[TEXT_SIZE];
    if (!find_namespaces(&self) || mproc_plat_process_stamp(self.pid, &self.stamp) != MPROC_OK)
        return;
    int length = snprintf(text, sizeof text, "%" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64, self.pid,
                          self.stamp, self.pids, self.times);
    (void) fsetxattr(descriptor, ATTRIBUTE, text, (size_t) length, 0);
}

static int open_file(const char *name)
{
    char path[MPROC__NAMED_PATH_SIZE + sizeof FOLDER];
    snprintf(path, sizeof path, FOLDER "/%s", name);
    return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

void mproc_plat_named_settle(const char *name, const uint64_t identity[2])
{
    struct stat status;
    int descriptor = open_file(name);
    if (descriptor < 0)
        return;
    if (fstat(descriptor, &status) == 0 && (uint64_t) status.st_dev == identity[0] &&
        (uint64_t) status.st_ino == identity[1])
        (void) fremovexattr(descriptor, ATTRIBUTE);
    close(descriptor);
}

static bool read_creator(int descriptor, struct creator *creator)
{
    char text[TEXT_SIZE];
    ssize_t length = fgetxattr(descriptor, ATTRIBUTE, text, sizeof text - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return sscanf(text, "%" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &creator->pid, &creator->stamp,
                  &creator->pids, &creator->times) == 4 &&
           creator->pid > 0;
}

/* In doubt it lives. */
static bool has_died(const struct creator *creator)
{
    char path[48];
    uint64_t stamp;
    mproc_err err = mproc_plat_process_stamp(creator->pid, &stamp);
    if (err == MPROC_OK)
        return stamp != creator->stamp;
    if (err != MPROC_ENOTFOUND)
        return false;
    if (kill((pid_t) creator->pid, 0) != 0)
        return errno == ESRCH;
    /* Of one that is there: a zombie is seen in /proc, one that is only hidden there (hidepid) is not. */
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", creator->pid);
    return access(path, R_OK) == 0 && mproc_plat_process_stamp(creator->pid, &stamp) == MPROC_ENOTFOUND;
}

/* Whether the file is what a dead process of ours left, and then what tells it from others. */
static bool is_left(const char *name, const struct creator *own, uint64_t identity[2])
{
    struct creator creator;
    struct stat status = { 0 };
    int descriptor = open_file(name);
    if (descriptor < 0)
        return false;
    bool left = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
                (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 && read_creator(descriptor, &creator) &&
                creator.pids == own->pids && creator.times == own->times && has_died(&creator);
    close(descriptor);
    identity[0] = (uint64_t) status.st_dev;
    identity[1] = (uint64_t) status.st_ino;
    return left;
}

void mproc_plat_named_sweep(void (*unlinked)(const char *name))
{
    struct creator own;
    struct dirent *entry;
    DIR *folder = find_namespaces(&own) ? opendir(FOLDER) : NULL;
    if (!folder)
        return;
    while ((entry = readdir(folder)) != NULL) {
        char path[sizeof FOLDER + sizeof entry->d_name];
        uint64_t identity[2];
        snprintf(path, sizeof path, FOLDER "/%s", entry->d_name);
        /* First without opening it: most are others'. */
        if (lgetxattr(path, ATTRIBUTE, NULL, 0) > 0 && is_left(entry->d_name, &own, identity) &&
            mproc_plat_named_unlink(entry->d_name, identity) == MPROC_OK)
            unlinked(entry->d_name);
    }
    closedir(folder);
}
