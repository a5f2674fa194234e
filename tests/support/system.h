/* SPDX-License-Identifier: MIT */
/* What tests ask of the system beyond mproc. */
#ifndef MPROC_TESTS_SYSTEM_H
#define MPROC_TESTS_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a test must leave as it found it; -1: this system cannot tell. */
struct leftovers {
    int descriptors; /* open in this process */
    int children;    /* of this process, zombies included */
    int family;      /* others of this one's group that run: descendants that nobody ended */
    int names;       /* with "mproc-" in /dev/shm */
};
void leftovers_count(struct leftovers *leftovers);
bool leftovers_same(const struct leftovers *before, const struct leftovers *after, char *text, size_t size);

/* Before the first test: descendants, and nobody else, are in this process's group. */
void system_prepare(void);

/* Ends this process, with a message, unless called again within `seconds`. */
void watchdog_start(unsigned seconds);

bool system_is_windows(void);
/* Windows as Wine plays it. */
bool system_is_wine(void);
/* Linux as qemu-user plays it. */
bool system_is_emulated(void);
/* Bytes of memory that nobody uses just now; 0: the system does not tell. */
uint64_t system_free_memory(void);
/* SIGKILL, or TerminateProcess. */
void kill_hard(int64_t pid);
/* Whether a process with this pid runs: a zombie does not. */
bool pid_runs(int64_t pid);
/* The descriptors open in this process, ascending; how many, or -1 if the system cannot tell. */
int list_descriptors(int *numbers, int capacity);
/* Runs a program (no shell), waits, and gives its exit code; what it printed to stdout in `output`.
 * Environment additions are set in this process before. -1 if it cannot be started. */
int run_program(const char *path, const char *argument, char *output, size_t size);
/* Makes this process the leader of a group of its own; false on systems without groups. */
bool become_group(void);
/* What Ctrl-C does to a foreground group: SIGINT to every process of this one's. */
void interrupt_group(void);
/* Ends this process the hard ways; `how`: "abort", "crash", "_exit7". */
void end_hard(const char *how);
/* SIGTERM does nothing in this process from now on. */
void ignore_terminate(void);
void ignore_children(bool ignore);
/* Waits for a child as a host program might, and takes its status; false if that cannot be done. */
bool steal_status(int64_t pid);
bool suspend(int64_t pid);
bool copy_a_file(const char *from, const char *to);
bool create_folder(const char *path);
void remove_folder(const char *path);
/* Its name is UTF-8, which remove() need not know. */
void remove_file(const char *path);
/* SIGPIPE; nothing on Windows. */
void ignore_pipe_signal(bool ignore);

/* ---- processes ---- */

/* The exit code mproc reports of a target that returns `code`: Unix keeps eight bits. */
int exit_code_of(int code);
/* What mproc reports after end_hard(how); 0: not 0, and no more is known. */
int exit_code_after(const char *how);
/* The process that forked or started this one; 0 if the system cannot tell. */
int64_t system_parent_pid(void);
/* Gives up root's rights for good; false if it has none or cannot. */
bool become_nobody(void);
/* Soft limits of this process: "descriptors", "processes", "address space". False where there are none. */
bool set_own_limit(const char *what, uint64_t value);
/* Raises the soft limit of descriptors to the hard one; how many there may be, -1: any number. */
int64_t raise_descriptor_limit(void);

/* ---- files, descriptors and HANDLEs ---- */

/* A new empty folder for this test, with `name` in its name; remove_folder() removes it. */
bool make_temporary_folder(const char *name, char *path, size_t size);
bool file_exists(const char *path);
/* A descriptor or HANDLE; -1. It is inheritable as the C library's own are. */
intptr_t native_open(const char *path, bool for_writing);
bool native_write(intptr_t native, const char *text);
/* How many bytes came; -1: it cannot be read. */
int native_read(intptr_t native, char *text, size_t size);
void native_close(intptr_t native);
/* Waits for poll() or WaitForSingleObject(). */
bool native_ready(intptr_t native, int milliseconds);
/* Excludes other threads from a stream of the C library. */
void lock_stream(FILE *stream);
void unlock_stream(FILE *stream);
/* This process's stream 0, 1 or 2. */
intptr_t native_stream(int stream);

#endif
