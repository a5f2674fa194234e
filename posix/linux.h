/* SPDX-License-Identifier: MIT */
/* What the files for Linux share. */
#ifndef MPROC_POSIX_LINUX_H
#define MPROC_POSIX_LINUX_H

#include "posix.h"

#include <sys/syscall.h>

/* Newer than some headers; the same numbers on all machines that mproc knows. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* ---- cgroup_linux.c ---- */

/* Where this process's cgroups are listed and where they are; tests have others. */
extern const char *mproc__cgroup_list, *mproc__cgroup_mount;
/* Reads a small file whole and ends it with '\0'; its length, or 0 or -1 with errno. */
ssize_t mproc__read_small(const char *path, char *text, size_t size);
/* The CPU quotas of this process's cgroups, rounded up, if they are less than `most`. */
int mproc__cgroup_cpus(int most);
/* Bytes that its cgroups still allow; UINT64_MAX without a limit. */
uint64_t mproc__cgroup_memory(void);
/* Bytes that the machine has free or can free at once; UINT64_MAX if that is not known. */
uint64_t mproc__free_memory(void);

/* ---- stat_linux.c ---- */

struct process_stat {
    char state;
    int64_t parent, group, session, threads;
    uint64_t start; /* clock ticks since the machine began */
};
/* 1; 0 with errno if it cannot be read (0: it ended meanwhile); -1 if it is not as this version knows it. */
int mproc__read_stat(const char *path, struct process_stat *status);
/* How a zombie has ended; false if that cannot be known, as of another user's. */
bool mproc__read_zombie(int64_t pid, int *wait_status);
bool mproc__has_ended(const struct process_stat *status);

enum { PROC_PATH_SIZE = 64 };
/* "folder" "number" "file", in `path`. */
char *mproc__proc_path(char path[PROC_PATH_SIZE], const char *folder, int64_t number, const char *file);

#endif
