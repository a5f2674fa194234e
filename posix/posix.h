/* SPDX-License-Identifier: MIT */
/* What the files of posix/ share and core/ does not see. */
#ifndef MPROC_POSIX_POSIX_H
#define MPROC_POSIX_POSIX_H

#include "platform.h"

#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Where these flags are missing, the socket or the descriptor is marked instead. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

/* ---- system.c ---- */

mproc_err mproc__from_errno(int code);
/* poll() to an absolute deadline, at most a millisecond late: 1 ready, 0 too late, -1 errno. */
int mproc__poll(struct pollfd *entries, size_t count, int64_t deadline);

/* ---- streams_*.c ---- */

/* In a child forked beside other threads, if the C library leaves their locks locked: from now on no
 * stream is waited for. */
void mproc__streams_may_be_locked(void);
/* In a forked child: drops what the parent's streams had still to write. */
void mproc__streams_forked(void);
/* In a forked child whose descriptor 0 is another one now: drops what the parent had read ahead. */
void mproc__stdin_replaced(void);

/* ---- exit_*.c ---- */

enum { MPROC__RANDOM_STATE_SIZE = 128 };
/* In a template, whose rand() uses `state`: as srand(seed), for the next child. */
void mproc__random_seed(char state[MPROC__RANDOM_STATE_SIZE], unsigned seed);

/* ---- descriptor_*.c: 0 or -1 with errno, as the system's own calls ---- */

/* Not blocking, closed on exec, never numbered 0-2. */
int mproc__pipe(int ends[2]);
/* A stream, closed on exec, never numbered 0-2, without SIGPIPE if sent to with MSG_NOSIGNAL. */
int mproc__socket_pair(int ends[2]);

struct mproc__spawn_actions {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
};
/* Lets the child have `keep` (sorted, all > 2, none twice) and, if this system can, nothing else.
 * 0 or an errno. */
int mproc__spawn_keep(struct mproc__spawn_actions *actions, const int *keep, size_t count);

/* Whether this system's mproc__spawn_keep() leaves nothing else open. */
extern const bool mproc__spawn_closes;
/* In a forked or vforked child: closes all but 0-2 and `keep` (sorted). Safe where signal handlers are. */
void mproc__close_all_but(const int *keep, size_t count);

/* Makes sure that the region's bytes have memory, where the system can promise that. 0 or errno. */
int mproc__reserve_bytes(int descriptor, uint64_t offset, uint64_t size);

/* ---- named_linux.c and named_mark_linux.c, or named_generic.c ---- */

enum { MPROC__NAMED_PATH_SIZE = 300 };
/* An empty segment that has no name yet; -1 if this system has none, or `name` is taken. */
int mproc__named_open_hidden(const char *name);
/* Gives it its name. False with errno: EEXIST. */
bool mproc__named_show(int descriptor, const char *name);
/* Marks it as this process's, for mproc_plat_named_sweep(), if the system can. */
void mproc__named_mark(int descriptor);

/* ---- descriptor.c ---- */

/* Moves a descriptor numbered 0-2 above them, so that it cannot be taken for a standard stream.
 * -1 with errno if that fails; then the descriptor is closed. */
int mproc__above_standard(int descriptor);
int mproc__close_on_exec(int descriptor);
void mproc__close_pair(const int ends[2]);
/* In a child: the descriptor that shows its starter, by being open, that it lives. Closed in turn
 * by processes forked from here. */
void mproc__hold(int descriptor);
int mproc__held(void);
void mproc__drop_held(void);
/* Copies the handles > 2, and `more` unless it is -1, into `sorted`, which has room for count + 1:
 * ascending and each once. Returns how many. */
size_t mproc__sort_descriptors(const mproc_plat_handle *handles, size_t count, int more,
                               int *sorted);

/* ---- program.c: what is to be executed ---- */

/* Whether an entry "NAME=value" or "NAME" is about the variable of `other`. */
bool mproc__same_variable(const char *entry, const char *other);
/* The environment `base` with changes "NAME=value" and removals "NAME", of which the last of a name counts, and
 * without what mproc itself puts there; with room for so many more before its NULL. NULL if there is no memory.
 * free() it; the strings are the caller's. */
char **mproc__environment(const char *const *base, const char *const *changes, size_t room);
/* The paths to try for a program, one after the other; free() it, the strings lie in it. */
char **mproc__program_paths(const char *name, char *const *environment);
/* The first path that can be executed, or NULL and an errno. */
const char *mproc__choose_path(char *const *paths, const char *folder, int *code);

/* ---- confine.c ---- */

#define MPROC__SMALLEST_REGION (UINT64_C(64) << 20)
/* Halves `limit` until it leaves most of a limited address space to the program. */
uint64_t mproc__reservable(uint64_t limit);
/* ftruncate() of shared memory: 0 or -1 with errno. */
int mproc__resize(int descriptor, uint64_t size);

/* ---- identity_*.c ---- */

/* The path of this program. */
mproc_err mproc__own_path(char *path, size_t size);
/* What to execute for another run of this program; path[size] is its name. The second is tried if
 * the first is not found; NULL: there is none. */
mproc_err mproc__own_program(char *path, size_t size, const char **first, const char **second);
mproc_err mproc__cpus_check(const int *cpus, size_t count);
mproc_err mproc__cpus_apply(const int *cpus, size_t count);

/* ---- region_*.c ---- */

uint64_t mproc__region_size(void);

/* ---- watch_*.c: how the end of a direct child is noticed ---- */

struct mproc__watch {
    int parent_end;
    int child_end; /* to be kept by a spawned child, and named in its variable MPROC_WATCH; or -1 */
};
/* At the start of a process image: takes over what MPROC_WATCH names. */
void mproc__watch_adopt(void);
/* Before a start: reserves what begin() needs. */
mproc_err mproc__watch_prepare(struct mproc__watch *watch);
void mproc__watch_cancel(struct mproc__watch *watch);
/* In a forked child. */
void mproc__watch_in_child(struct mproc__watch *watch);
/* In the parent, with the child's pid. On error the watch is cancelled and the child runs. */
mproc_err mproc__watch_begin(struct mproc__watch *watch, pid_t pid, mproc_plat_handle *handle);
/* How long poll() on watches may be trusted; after that ended() is asked. */
extern const int64_t mproc__watch_interval;
/* Whether a forked child has copies of its parent's watches. */
extern const bool mproc__watch_inherited;
/* Sleeps until a direct child has ended and reaps nothing; false, at once, where poll() is as quick. */
bool mproc__watch_sleep(const struct mproc_plat_process *process);
/* Whether a direct child has ended, given whether poll() says so. */
bool mproc__watch_ended(const struct mproc_plat_process *process, bool ready);
bool mproc__watch_reap(const struct mproc_plat_process *process, struct mproc_plat_status *status);
/* 0 or an errno. */
int mproc__watch_signal(const struct mproc_plat_process *process, int signal);
/* Whether this system has descriptors that tell how a process ended that is no child of the one who asks. */
bool mproc__watch_tells(void);
/* Such a descriptor for a child that has not been reaped; -1 with errno. */
int mproc__watch_open(pid_t pid);
/* A descriptor that is readable while SIGCHLD, which the only thread has blocked, is pending; reading it
 * takes the signal. -1 where there is none. */
int mproc__child_signal(void);
/* Makes the kernel kill this process when the pipe's last writer closes it; false if it cannot. */
bool mproc__kill_at_hangup(int reader);
/* Makes it wake this process up instead, should it be stopped then. */
void mproc__wake_at_hangup(int reader);

/* ---- host_fork.c ---- */

/* fork() for a child of mproc's: what mproc_plat_at_host_fork() registered is not called. */
pid_t mproc__fork(void);

/* ---- process.c ---- */

/* What helps where the system had too little of something for a new process; NULL: the error is another one. */
const char *mproc__remedy(int code);
void mproc__decode_status(int wait_status, struct mproc_plat_status *status);
struct rusage;
mproc_usage mproc__usage(const struct rusage *usage);
/* Kills and reaps a child whose start could not be finished. */
void mproc__abandon(pid_t pid);
/* Whether it is a child of this process that has ended and is not reaped. Needs no descriptor. */
bool mproc__is_ended_child(pid_t pid);

/* ---- launch.c, launch_child.c ---- */

struct mproc__launch {
    const struct mproc_plat_launch *request;
    const mproc_popen_options *options;
    struct mproc__watch watch;
    char **arguments, **environment, **paths;
    int *keep; /* sorted */
    size_t keep_count;
    int streams[3]; /* all > 2, or -1: inherited */
    bool moved[3];  /* copies, to be closed */
    bool changes_user, sets_groups;
    uid_t user;
    gid_t group;
    gid_t *groups;
    size_t group_count;
    const char *name; /* of the program, as the caller gave it */
    const char *step; /* what failed, if it was not the program or its folder */
};
/* MPROC_OK or why user and groups cannot be found. */
mproc_err mproc__find_users(struct mproc__launch *launch);
/* Starts it where posix_spawn() cannot: with vfork() or, for another user, fork(). 0 or an errno. */
int mproc__launch_by_fork(struct mproc__launch *launch, pid_t *pid);

#endif
