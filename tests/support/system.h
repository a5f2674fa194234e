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
    int names;       /* of shared memory that may be this family's; more are left behind, fewer are not */
    int files;       /* in the folder for temporary ones, which this program has for itself */
};
void leftovers_count(struct leftovers *leftovers);
bool leftovers_same(const struct leftovers *before, const struct leftovers *after, char *text, size_t size);

/* Before the first test: descendants, and nobody else, are in this process's group; and TMPDIR is a new folder. */
void system_prepare(void);
/* After the last. */
void system_finish(void);

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
/* Waits until all threads of a process but the calling one sleep, at most a minute: for one of which it is known that
 * it does nothing more before. Where the system tells nothing of threads, for a moment. */
void wait_until_asleep(int64_t pid);
/* The descriptors open in this process, ascending; how many, or -1 if the system cannot tell. */
int list_descriptors(int *numbers, int capacity);
/* Runs a program (no shell), waits, and gives its exit code; what it printed to stdout in `output`.
 * Environment additions are set in this process before. -1 if it cannot be started. */
int run_program(const char *path, const char *argument, char *output, size_t size);
/* Makes this process the leader of a group of its own; false on systems without groups. */
bool become_group(void);
/* What Ctrl-C does to a foreground group: SIGINT to every process of this one's. */
void interrupt_group(void);
/* What Ctrl-C does to this process alone, as if at a console of its own; false if that cannot be done here. */
bool interrupt_myself(void);
/* Whether a variable of the environment, as the system hands it on, is this UTF-8 text (NULL: not there). */
bool environment_is(const char *name, const char *value);
/* Ends this process the hard ways; `how`: "abort", "crash", "_exit7". */
void end_hard(const char *how);
/* The signals that end a process that does nothing about them; how many. None on Windows. */
size_t list_deadly_signals(int *numbers, size_t capacity);
/* Ends this process by a signal, as if nobody had done anything about it. */
void end_by_signal(int number);
/* What happens at each signal from 1 on: d (default), i (ignored), h (a handler); in capitals if it is blocked. "" on
 * Windows. */
enum { SIGNALS_SIZE = 130 };
void describe_signals(char text[SIGNALS_SIZE]);
/* Catches SIGCHLD, ignores SIGUSR1 and blocks SIGUSR2; or puts back what was. */
void change_signals(bool change);
/* How often change_signals()'s handler has been called. */
int signals_caught(void);
/* Sends it SIGCHLD. */
void signal_itself(void);
/* SIGTERM does nothing in this process from now on. */
void ignore_terminate(void);
void ignore_children(bool ignore);
/* Waits for a child as a host program might, and takes its status; false if that cannot be done. */
bool steal_status(int64_t pid);
/* SIGSTOP; false where there is none. SIGCONT. */
bool suspend(int64_t pid);
void resume(int64_t pid);
bool copy_a_file(const char *from, const char *to);
bool create_folder(const char *path);
/* And all that is in it. */
void remove_folder(const char *path);
/* dlopen() and LoadLibrary(): NULL if it cannot be loaded, or has no such function. */
void *library_open(const char *path);
void *library_find(void *library, const char *name);
void library_close(void *library);
/* Its name is UTF-8, which remove() need not know. */
void remove_file(const char *path);
/* From now on /dev/shm is one of this process's own, of so many bytes. False where that cannot be had. */
bool shrink_shared_memory(uint64_t bytes);
/* SIGPIPE; nothing on Windows. */
void ignore_pipe_signal(bool ignore);

/* ---- processes ---- */

/* The exit code mproc reports of a target that returns `code`: Unix keeps eight bits. */
int exit_code_of(int code);
/* What mproc reports after end_hard(how); 0: not 0, and no more is known. */
int exit_code_after(const char *how);
/* The process that forked or started this one; 0 if the system cannot tell. */
int64_t system_parent_pid(void);
/* fork(), as a host program may call it: 0 in the child, its pid in the parent; -1: this system does not fork. */
int64_t host_fork(void);
/* Waits for such a child; its exit code, -N for signal N. */
int host_wait(int64_t pid);
/* Gives up root's rights for good; false if it has none or cannot. */
bool become_nobody(void);
/* From now on no other process of this user may look at this one or end it; false if that cannot be had. */
bool deny_others(void);
/* From now on the system refuses waitid() to this process, as old ones and filters do; false if it cannot. */
bool forbid_waitid(void);
/* From now on the system refuses to send descriptors for this process, as if others of its user had too many under way;
 * false if it cannot. */
bool forbid_sending_descriptors(void);
/* From now on every system call but the one to end ends this process; false where that cannot be had. (Of the calling
 * thread.) */
bool forbid_system_calls(void);
/* How often this process has called read() so far; -1 if the system cannot tell. */
int64_t count_reads(void);
/* Makes an empty folder this process's root, where there is no /proc; false if it may not or cannot. */
bool enter_empty_root(void);
/* Soft limits of this process: "descriptors", "processes", "address space". False where there are none. */
bool set_own_limit(const char *what, uint64_t value);
/* The soft limit of "core", "file" or "cpu"; UINT64_MAX: none. */
uint64_t soft_limit_of(const char *what);
/* Raises the soft limit of descriptors to the hard one; how many there may be, -1: any number. */
int64_t raise_descriptor_limit(void);

/* ---- files, descriptors and HANDLEs ---- */

/* A new empty folder for this test, with `name` in its name; remove_folder() removes it. */
bool make_temporary_folder(const char *name, char *path, size_t size);
bool file_exists(const char *path);
/* Makes a file that is there and that nobody can read, not even root, until native_close(*keep); false: this
 * system has none. */
bool make_unreadable_file(const char *path, intptr_t *keep);
/* A descriptor or HANDLE; -1. It is inheritable as the C library's own are. */
intptr_t native_open(const char *path, bool for_writing);
bool native_write(intptr_t native, const char *text);
/* How many bytes came; -1: it cannot be read. */
int native_read(intptr_t native, char *text, size_t size);
void native_close(intptr_t native);
/* Bytes of memory or disk that a file has; -1: the system does not tell. */
int64_t file_memory(intptr_t native);
/* Waits for poll() or WaitForSingleObject(). */
bool native_ready(intptr_t native, int milliseconds);
/* Whether mproc knows all streams of the C library (glibc), not only the standard ones. */
bool system_lists_streams(void);
/* Whether it tells handlers of exit() the code (glibc's on_exit()). */
bool system_tells_exit_codes(void);
/* Excludes other threads from a stream of the C library. */
void lock_stream(FILE *stream);
void unlock_stream(FILE *stream);
/* This process's stream 0, 1 or 2. */
intptr_t native_stream(int stream);

#endif
