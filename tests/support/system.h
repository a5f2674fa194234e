/* SPDX-License-Identifier: MIT */
/* What tests ask of the system beyond mproc. */
#ifndef MPROC_TESTS_SYSTEM_H
#define MPROC_TESTS_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a test must leave as it found it; -1: this system cannot tell. */
struct leftovers {
    int descriptors; /* open in this process */
    int children;    /* of this process, zombies included */
    int names;       /* with "mproc-" in /dev/shm */
};
void leftovers_count(struct leftovers *leftovers);
bool leftovers_same(const struct leftovers *before, const struct leftovers *after, char *text, size_t size);

/* Ends this process, with a message, unless called again within `seconds`. */
void watchdog_start(unsigned seconds);

bool system_is_windows(void);
/* SIGKILL, or TerminateProcess. */
void kill_hard(int64_t pid);
/* Whether a process with this pid runs: a zombie does not. */
bool pid_runs(int64_t pid);
/* The descriptors open in this process, ascending; how many, or -1 if the system cannot tell. */
int list_descriptors(int *numbers, int capacity);
/* Runs a program (no shell), waits, and gives its exit code; what it printed to stdout in `output`.
 * Environment additions are set in this process before. -1 if it cannot be started. */
int run_program(const char *path, const char *argument, char *output, size_t size);
/* Ends this process the hard ways; `how`: "abort", "crash", "_exit7". */
void end_hard(const char *how);
bool copy_a_file(const char *from, const char *to);
bool create_folder(const char *path);
void remove_folder(const char *path);

#endif
