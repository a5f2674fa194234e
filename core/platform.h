/* SPDX-License-Identifier: MIT */
/* THE BOUNDARY: everything core/ asks of an operating system. posix/ and win32/ implement it under
 * the same file names, chosen at link time; to port mproc is to implement this header and to pass
 * `ctest -L contract`.
 *
 * The contract of every primitive: core has checked the arguments and no out-pointer is NULL. It
 * returns MPROC_OK or an error it has described with mproc__fail() or mproc__fail_system(); on error
 * no out-parameter has changed and nothing needs releasing. Strings are UTF-8. Deadlines are absolute
 * monotonic nanoseconds of mproc_plat_now(); MPROC_PLAT_NEVER is never, 0 is at once. Blocking
 * primitives continue after signal handlers by themselves. Nothing here logs or takes core's locks.
 * Every descriptor or handle opened here is closed on exec and not inheritable. */
#ifndef MPROC_CORE_PLATFORM_H
#define MPROC_CORE_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "mproc/connection.h"
#include "mproc/process.h"
#include "mproc/subprocess.h"
#include "platform_types.h" /* mproc_plat_region_at() */

/* A descriptor or HANDLE. */
typedef intptr_t mproc_plat_handle;
#define MPROC_PLAT_NONE ((mproc_plat_handle) -1)
#define MPROC_PLAT_NEVER INT64_MAX

/* ---- system (system.c) ---- */

/* In each process image before any other primitive; again does no harm. */
mproc_err mproc_plat_start(void);
/* Monotonic nanoseconds; the same clock in all processes. */
int64_t mproc_plat_now(void);
/* For the few waits that nothing can end sooner. */
void mproc_plat_sleep(int64_t nanoseconds);
/* Lets others that are ready run on this CPU first. */
void mproc_plat_yield(void);
/* Cryptographically strong. */
mproc_err mproc_plat_random(void *buffer, size_t size);
/* The system's text for its error code, without a line end. */
void mproc_plat_system_text(int code, char *buffer, size_t size);
/* How a process ended by a signal is described: "killed by signal 9 (Killed)". */
void mproc_plat_signal_text(int number, char *buffer, size_t size);
/* Sets (or, with NULL, removes) a variable of this process's environment. */
mproc_err mproc_plat_set_environment(const char *name, const char *value);
void mproc_plat_handle_close(mproc_plat_handle handle);
/* Whether the byte at `address` belongs to this process's memory. For debugging: may be slow. */
bool mproc_plat_address_mapped(const void *address);
/* Bytes of memory that this process alone uses, about. */
uint64_t mproc_plat_memory_used(void);
/* From now on Ctrl-C (SIGINT, CTRL_C_EVENT) does nothing to this process. */
void mproc_plat_ignore_interrupt(void);
/* Whether this process's stream 0, 1 or 2 is a terminal. */
bool mproc_plat_is_terminal(int stream);
/* Ends this process at once: no atexit handlers, no flushing. */
MPROC_NORETURN void mproc_plat_exit_now(int exit_code);

/* ---- exit (exit_glibc.c, exit_generic.c) ---- */

/* Lets exit(code) call handler(code) before the atexit handlers registered so far. False if this
 * system cannot tell a handler the code; then nothing is registered. */
bool mproc_plat_hook_exit(void (*handler)(int exit_code));
/* Before a fork, and after it in both processes: hooks the child's exit() and, if the parent is alone
 * (no other thread may be in rand() or a stream), seeds the child's rand(). finish() says in the child whether
 * exit() is hooked. Between the two, no other thread comes here. */
void mproc_plat_fork_prepare(void (*handler)(int exit_code), unsigned seed, bool alone);
bool mproc_plat_fork_finish(bool child);

/* ---- identity ---- */

int64_t mproc_plat_pid(void);
/* A number that tells this process from every other that had or will have its pid (its start time),
 * or, where there is no such number (MPROC_PLAT_STAMP_IS_ASKED), 1 for a process that has asked for its own and 0 for
 * others, which live until they are reaped.
 * MPROC_ENOTFOUND only if it is certain that there is no such process, or that it has ended and is only not
 * reaped yet: what the process holds is taken from it then. Whatever keeps this one from seeing it (no
 * descriptor, no memory, no right, no /proc) is another error, and means that it may well live. */
mproc_err mproc_plat_process_stamp(int64_t pid, uint64_t *stamp);
/* Asks (force: ends) a process that need not be a child, if pid still means the process with this
 * stamp; MPROC_OK if it has ended. MPROC_EPERM if it may not be ended by this one; any other error: whether
 * pid means it could not be seen, and nothing was done. */
mproc_err mproc_plat_process_signal(int64_t pid, uint64_t stamp, bool force);
/* CPUs this process may use: affinity and, on Linux, the cgroup's quota (v1 and v2), rounded up. */
int mproc_plat_cpu_count(void);
/* Threads of this process; 0 if that cannot be known. Cheap: asked at every fork. */
int mproc_plat_thread_count(void);

/* ---- images: executables and libraries that hold code ---- */

enum { MPROC_PLAT_PATH_SIZE = 4096, MPROC_PLAT_IDENTITY_SIZE = 32 };
struct mproc_plat_image {
    uintptr_t base;      /* subtract from an address to get its offset */
    bool main;           /* the executable itself */
    unsigned char identity[MPROC_PLAT_IDENTITY_SIZE]; /* of the build: build id, LC_UUID, PE header */
    char path[MPROC_PLAT_PATH_SIZE];
};
/* The image whose executable code holds `address`; MPROC_EINVAL if none does. */
mproc_err mproc_plat_image_of(const void *address, struct mproc_plat_image *image);
/* Changes whenever this process has unloaded an image, so that another may lie in its place. UINT64_MAX, each time,
 * where that cannot be known. */
uint64_t mproc_plat_image_unloads(void);
/* The executable's own image. */
mproc_err mproc_plat_image_main(struct mproc_plat_image *image);
/* Finds an image in this process by .main or .path, loads it if it is not there, compares
 * .identity and sets *base. MPROC_EIMAGE if it is of another build or cannot be loaded. */
mproc_err mproc_plat_image_find(const struct mproc_plat_image *image, uintptr_t *base);
/* Whether the file at `path` is this build, without loading it. MPROC_ENOTFOUND, MPROC_EIMAGE. */
mproc_err mproc_plat_image_check_file(const char *path, const unsigned char *identity);

/* ---- region: the memory all processes of a family map ---- */

/* There is one region per process. Its first byte is at offset 0; offsets mean the same in every
 * process, addresses do not. mproc_plat_region_at(offset), inline in platform_types.h, gives the
 * address of a committed byte, and NULL or an address that can be read for any other offset below the
 * highest one committed: forged handles are looked up with it. The bytes [64, 4096) belong to the platform; core has
 * the rest. */
enum { MPROC_PLAT_REGION_PRIVATE = 64, MPROC_PLAT_REGION_START = 4096 };
/* Creates and maps an empty region that may grow to *limit bytes (lowered to what the system lets
 * reserve), with its first 4096 bytes committed and zero. */
mproc_err mproc_plat_region_create(uint64_t *limit);
/* Maps the family's region in a spawned process, given what mproc_plat_region_handle() gave in the
 * process that spawned it. MPROC_EINVAL if that is no region any more. */
mproc_err mproc_plat_region_attach(mproc_plat_handle handle, uint64_t limit);
mproc_plat_handle mproc_plat_region_handle(void);
/* The first offset >= `offset` where `size` bytes can lie side by side; UINT64_MAX if the region
 * has no such place. Only called by the one process that holds core's growth lock, like commit of what
 * lies above all that was ever committed. */
uint64_t mproc_plat_region_fit(uint64_t offset, uint64_t size);
/* Makes bytes (multiples of 64 KiB, or of the page in one call) usable by all processes, zeroed when
 * they were never used. May be repeated. MPROC_ENOMEM now, so that no access fails later; then what it has
 * taken is given back, and the bytes read as zero or as before. */
mproc_err mproc_plat_region_commit(uint64_t offset, uint64_t size);
/* Gives the memory of committed bytes back to the system as far as it can; they read as zero or as
 * before and must be committed again before use. */
void mproc_plat_region_release(uint64_t offset, uint64_t size);
/* Another address of the same `size` bytes, with which a forked child has less to map; or `address`. For
 * the child's own use: region_offset() does not know it. */
void *mproc_plat_region_near(void *address, uint64_t size);
/* The offset of an address inside the region; UINT64_MAX if it is not. */
uint64_t mproc_plat_region_offset(const void *address);

/* ---- named memory (named.c): segments that other programs open by name ---- */

struct mproc_plat_named {
    void *address;
    size_t size;
    mproc_plat_handle handle; /* or NONE */
    uint64_t identity[2];     /* tells it from another of the same name */
};
/* platform_types.h says how new names begin (MPROC_PLAT_NAMED_PREFIX) and whether a segment stays when nobody
 * has it mapped (MPROC_PLAT_NAMED_STAYS). Names as Python's shared_memory has them: no slashes.
 * Creates and maps a zeroed segment whose memory is there. MPROC_EEXIST, MPROC_ENOMEM, MPROC_EINVAL.
 * Where segments stay, calls announce(identity, context) when the segment has an identity: on Linux before its
 * name is there, so that who dies at any time has announced what it leaves; elsewhere at once afterwards. An
 * error of announce() is the call's, and nothing is left. It may be called and the call fail. */
typedef mproc_err mproc_plat_named_announce(const uint64_t identity[2], void *context);
mproc_err mproc_plat_named_create(const char *name, size_t size, mproc_plat_named_announce *announce,
                                  void *context, struct mproc_plat_named *named);
/* MPROC_ENOTFOUND, MPROC_EPERM. */
mproc_err mproc_plat_named_attach(const char *name, struct mproc_plat_named *named);
void mproc_plat_named_close(struct mproc_plat_named *named);
/* Removes the name if it still means the segment with this identity; MPROC_ENOTFOUND. Where segments do not
 * stay, does nothing. */
mproc_err mproc_plat_named_unlink(const char *name, const uint64_t identity[2]);
/* Unlinks the announced segments of this user whose creator has died without unlinking or settling them, and tells
 * which. Does nothing where the system cannot keep with a segment who made it (all but Linux 6.6 and later). */
void mproc_plat_named_sweep(void (*unlinked)(const char *name));
/* It is to stay when its creator has died. */
void mproc_plat_named_settle(const char *name, const uint64_t identity[2]);

/* ---- park: sleeping on a 32-bit word of the region, across processes, or of this process ---- */

/* Sleeps while *word == expected until unparked or the deadline. MPROC_OK may be spurious;
 * MPROC_ETIMEDOUT (without a described error) only when the deadline has passed. */
mproc_err mproc_plat_park(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);
/* Wakes up to `count` sleepers on the word (perhaps more, never fewer). */
void mproc_plat_unpark(_Atomic uint32_t *word, uint32_t count);

/* Sleeps while all words are as expected, until one of them is unparked or the deadline; at most
 * MPROC_PLAT_PARK_ANY words. MPROC_OK may be spurious. MPROC_ENOTSUP, without a described error and at once,
 * where the system cannot sleep on several. */
enum { MPROC_PLAT_PARK_ANY = 128 };
mproc_err mproc_plat_park_any(_Atomic uint32_t *const *words, const uint32_t *expected, size_t count,
                              int64_t deadline);

/* ---- processes ---- */

/* The start methods of this system, the default first. */
const mproc_start_method *mproc_plat_start_methods(size_t *count);

struct mproc_plat_process {
    int64_t pid;
    mproc_plat_handle watch; /* ready (readable, signalled) when it has ended; MPROC_PLAT_NONE once forgotten */
    bool relayed;            /* a template's child, whose status the template sends through `watch` */
    bool foreign;            /* a template's child, whose `watch` tells the status by itself */
};
struct mproc_plat_status {
    bool known;     /* false: it has ended but nobody can say how (host took the status, template died) */
    bool signalled; /* ended by signal `code`, else exited with `code` */
    int code;
    mproc_usage usage; /* all 0 if not known, or for a template's child */
};

struct mproc_plat_spawn {
    const char *executable;                /* path; NULL: this very program, even if its file is gone */
    const char *boot;                      /* value of the variable MPROC_BOOT in the child */
    const char *const *environment;        /* additions "NAME=value", removals "NAME"; NULL-ended or NULL */
    const char *working_directory;         /* NULL: this process's */
    mproc_plat_handle standard[3];         /* MPROC_PLAT_NONE: inherit */
    const mproc_plat_handle *keep;         /* open in the child under the same numbers */
    size_t keep_count;                     /* (Windows: marked inheritable only for the call) */
    bool daemon;                           /* Windows: put into this process's kill-on-close job */
};
/* Starts a program. No other descriptor than 0-2 and `keep` is open in it when main begins, or
 * mproc_plat_close_others() has to close the rest. Every failure up to the start of the program is
 * returned here: MPROC_ENOTFOUND, MPROC_EPERM, MPROC_EAGAIN, MPROC_ENOMEM. */
mproc_err mproc_plat_spawn(const struct mproc_plat_spawn *spawn, struct mproc_plat_process *process);
/* Closes all but 0-2 and `keep` if mproc_plat_spawn() on this system could not. */
void mproc_plat_close_others(const mproc_plat_handle *keep, size_t count);
/* fork() with all signals blocked around it; their mask is restored on both sides. In the child
 * *in_child is true and *process is untouched, and no stream of the C library's holds output that the parent
 * will write. */
mproc_err mproc_plat_fork(struct mproc_plat_process *process, bool *in_child);
/* From now on `forked` is called in each child that is forked by neither mproc_plat_fork() nor a template: by the
 * host program. It may only do what a child of a process with threads may. Windows: nothing. */
mproc_err mproc_plat_at_host_fork(void (*forked)(void));
/* Waits until one of the processes has ended and stores its index; reaps nothing. No limit on
 * `count`. Entries whose watch is MPROC_PLAT_NONE count as ended. */
mproc_err mproc_plat_process_watch(const struct mproc_plat_process *const *processes, size_t count,
                                   int64_t deadline, size_t *index);
/* If it has ended, reaps it, stores how, and returns true; never waits. Core makes sure that only one
 * thread calls it for a process, and not again after true. */
bool mproc_plat_process_reap(struct mproc_plat_process *process, struct mproc_plat_status *status);
/* Asks (force: ends) a child that has not been reaped. */
mproc_err mproc_plat_process_stop(const struct mproc_plat_process *process, bool force);
/* What Ctrl-C does, to this one only: SIGINT. MPROC_ENOTSUP. */
mproc_err mproc_plat_process_interrupt(const struct mproc_plat_process *process);
/* Closes what `process` holds (also of a process that runs: it runs on). */
void mproc_plat_process_forget(struct mproc_plat_process *process);
/* In a forked child: closes the copy of what `process`, a child of the parent's, holds, if there is one. */
void mproc_plat_process_forked(const struct mproc_plat_process *process);

/* Limits and CPUs. check() is asked in the parent: would apply() be allowed? apply() works on the
 * calling process, before its target runs. MPROC_EPERM, MPROC_EINVAL, MPROC_ENOTSUP. */
mproc_err mproc_plat_confine_check(const mproc_limits *limits, const int *cpus, size_t cpu_count);
mproc_err mproc_plat_confine_apply(const mproc_limits *limits, const int *cpus, size_t cpu_count);

/* ---- other programs (launch.c) ---- */

struct mproc_plat_launch {
    const char *const *argv;            /* ends with NULL; at least one */
    const mproc_popen_options *options; /* all but the streams, pipe_size, text and terminal sizes */
    mproc_plat_handle standard[3];      /* MPROC_PLAT_NONE: inherit */
    mproc_plat_handle terminal;         /* to be the controlling one, in a new session; NONE */
};
/* Starts any program with 0-2 and options->inherit and (unless inherit_all) no other descriptor, whatever
 * other threads open meanwhile. Costs no copy of this process's page tables unless user or groups are
 * changed. All failures up to the start of the program are returned here and name the path or
 * folder: as mproc_plat_spawn(), and MPROC_EIMAGE, MPROC_ENOTSUP. *job is what
 * mproc_plat_job_stop() takes; MPROC_PLAT_NONE if there is none. */
mproc_err mproc_plat_launch(const struct mproc_plat_launch *launch, struct mproc_plat_process *process,
                            mproc_plat_handle *job);
/* Sends a signal to a child that has not been reaped; MPROC_OK if it has ended. MPROC_ENOTSUP,
 * MPROC_EINVAL. */
mproc_err mproc_plat_process_send(const struct mproc_plat_process *process, int number);
/* Whether `watch` of a launched process may be given away for waiting. */
bool mproc_plat_watch_is_exact(void);
/* Ends all processes of a job at once. */
void mproc_plat_job_stop(mproc_plat_handle job);

struct mproc_plat_process_entry {
    int64_t pid, parent, group, session; /* the latter two -1 where there are none */
    uint64_t stamp;                      /* as mproc_plat_process_stamp() has it */
};
/* All processes of the system (that this one may see), without those that have ended; *list is to be
 * freed. MPROC_ENOTSUP. */
mproc_err mproc_plat_process_list(struct mproc_plat_process_entry **list, size_t *count);

/* ---- streams of other programs (stream.c) ---- */

/* This side's end of a pipe or terminal. One thread at a time. */
struct mproc_plat_stream;
/* A pipe with a reading (child_reads) or writing end for a child, which blocks as programs expect.
 * `size` is a wish; 0: the system's, growing once it has been full. */
mproc_err mproc_plat_stream_pipe(bool child_reads, size_t size, struct mproc_plat_stream **own,
                                 mproc_plat_handle *childs);
/* A pipe whose ends are both for children. */
mproc_err mproc_plat_pipeline(size_t size, mproc_plat_handle *reader, mproc_plat_handle *writer);
/* A pseudo-terminal. MPROC_ENOTSUP. */
mproc_err mproc_plat_terminal_open(unsigned rows, unsigned columns, mproc_plat_handle *own,
                                   mproc_plat_handle *childs);
/* One more stream (for writing or for reading) of this side of a terminal. */
mproc_err mproc_plat_terminal_stream(mproc_plat_handle own, bool writes, struct mproc_plat_stream **stream);
mproc_plat_handle mproc_plat_stream_handle(const struct mproc_plat_stream *stream);
/* Also tells a terminal's child the end of the file, if the stream is for writing. */
void mproc_plat_stream_close(struct mproc_plat_stream *stream);

struct mproc_plat_transfer {
    struct mproc_plat_stream *stream;
    void *buffer;  /* for reading */
    const void *data; /* for writing, if buffer is NULL */
    size_t size;   /* of either; 0 when writing: waits until all before has been handed over */
    size_t done;   /* out: bytes moved */
    bool ended;    /* out: end of the file; when writing, the child has closed its end */
    bool drained;  /* out, when writing: all is handed over, the stream may be closed */
};
/* Waits until something has been moved or has ended on one of the streams (at most four); never moves
 * on after it has returned. No SIGPIPE. MPROC_ETIMEDOUT; deadline 0 looks once. */
mproc_err mproc_plat_stream_transfer(struct mproc_plat_transfer *transfers, size_t count,
                                     int64_t deadline);

/* Memory for much data that comes bit by bit: cheap to grow, and with few page faults. Sizes are multiples
 * of 2 MiB; NULL and 0 to begin with; new_size 0 frees. NULL if there is no memory: then the old buffer is
 * as it was. */
enum { MPROC_PLAT_BUFFER_UNIT = 2 << 20 };
void *mproc_plat_buffer_resize(void *buffer, size_t size, size_t new_size);

/* ---- hmac (hmac.c) ---- */

enum mproc_plat_digest {
    MPROC_PLAT_MD5,
    MPROC_PLAT_SHA256,
    MPROC_PLAT_SHA384,
    MPROC_PLAT_SHA3_256,
    MPROC_PLAT_SHA3_384
};
enum { MPROC_PLAT_DIGEST_SIZE = 48 };
/* HMAC (RFC 2104) of `size` bytes. MPROC_ENOTSUP: this system has no such digest. */
mproc_err mproc_plat_hmac(enum mproc_plat_digest digest, const void *key, size_t key_size,
                          const void *bytes, size_t size,
                          unsigned char mac[MPROC_PLAT_DIGEST_SIZE], size_t *mac_size);

/* ---- channels: the transport below connections (channel.c) ---- */

struct mproc_plat_channel {
    mproc_plat_handle handle;    /* a socket or named pipe */
    mproc_address_family family; /* not DEFAULT */
    bool listening;
    bool whole_messages;         /* what is written at once is read as one message: named pipes */
    void *own;                   /* the platform's */
};
/* What an address-less listener gets. */
mproc_address_family mproc_plat_channel_family(void);
/* Listens. `address` NULL: a fresh one. Stores the true address in `bound` (MPROC_ADDRESS_SIZE).
 * MPROC_EEXIST, MPROC_EPERM, MPROC_ENOTFOUND, MPROC_EINVAL, MPROC_ENOTSUP. */
mproc_err mproc_plat_channel_listen(struct mproc_plat_channel *channel, mproc_address_family family,
                                    const char *address, int backlog, char *bound);
/* Removes what a Unix listener left in the file system; for the process that made it. */
void mproc_plat_channel_unlink(mproc_address_family family, const char *bound, bool fresh);
/* Never waits: MPROC_ETIMEDOUT (without a described error) if nobody is there. */
mproc_err mproc_plat_channel_accept(struct mproc_plat_channel *listener,
                                    struct mproc_plat_channel *channel, char *peer);
mproc_err mproc_plat_channel_connect(struct mproc_plat_channel *channel, mproc_address_family family,
                                     const char *address, int64_t deadline);
/* Makes a channel of a connected native handle. MPROC_EINVAL if it is none; `sent`: it was one in another process,
 * and may have ended since. */
mproc_err mproc_plat_channel_adopt(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                   mproc_address_family family, bool sent);
/* Before the handle goes elsewhere: nothing is being read from it. MPROC_ESTATE if something was. */
mproc_err mproc_plat_channel_calm(struct mproc_plat_channel *channel);
/* What one read brought. */
struct mproc_plat_piece {
    size_t size;
    bool more;                /* the message goes on (whole_messages) */
    mproc_plat_handle passed; /* a handle that came with the bytes (Unix sockets), or NONE */
    bool lost;                /* one came, but this process had no descriptor free for it */
};
/* Reads up to `size` > 0 bytes, never waits: MPROC_ETIMEDOUT (not described) if nothing is there,
 * MPROC_ECLOSED (not described) at the end. */
mproc_err mproc_plat_channel_read(struct mproc_plat_channel *channel, void *bytes, size_t size,
                                  struct mproc_plat_piece *piece);
/* Writes all, with `passed` unless it is NONE; *written is right on errors too, or, where that cannot be known, more
 * than 0. One call at a time beside one read at a time. MPROC_ETIMEDOUT, MPROC_ECLOSED: not described. No SIGPIPE. */
mproc_err mproc_plat_channel_write(struct mproc_plat_channel *channel, const void *bytes, size_t size,
                                   mproc_plat_handle passed, int64_t deadline, size_t *written);
/* What mproc_plat_await() is to wait for before a read() or accept() that timed out is worth another try. */
mproc_err mproc_plat_channel_waitable(struct mproc_plat_channel *channel, mproc_plat_handle *handle);
void mproc_plat_channel_close(struct mproc_plat_channel *channel);
/* Prepares a handle for the other side of `channel`: fills `text` (at most `size` bytes, *used) that is
 * to be sent, and *passed for write(). MPROC_ENOTSUP if this channel carries none. */
mproc_err mproc_plat_channel_pack(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                  mproc_native_kind kind, void *text, size_t size, size_t *used,
                                  mproc_plat_handle *passed);
/* The receiver's half: MPROC_EPROTO if text and passed make no handle. */
mproc_err mproc_plat_channel_unpack(struct mproc_plat_channel *channel, const void *text, size_t size,
                                    mproc_plat_handle passed, mproc_native_kind kind,
                                    mproc_plat_handle *handle);

/* ---- awaiting any of many (await.c) ---- */

/* Waits until a handle is readable (signalled) or the deadline; sets ready[i]. The number may be any and
 * entries MPROC_PLAT_NONE are never ready. MPROC_ETIMEDOUT: not described. MPROC_EINVAL: *bad is the
 * entry that is no open handle. */
mproc_err mproc_plat_await(const mproc_plat_handle *handles, size_t count, int64_t deadline, bool *ready,
                           size_t *bad);
/* A SOCKET as something to wait for, until it is given back: Windows makes an event of it. */
mproc_err mproc_plat_await_socket(mproc_plat_handle socket, mproc_plat_handle *waitable);
void mproc_plat_await_socket_end(mproc_plat_handle socket, mproc_plat_handle waitable);

/* A flag of this process that can be awaited. */
struct mproc_plat_flag {
    mproc_plat_handle handle; /* to await */
    mproc_plat_handle other;
};
mproc_err mproc_plat_flag_create(struct mproc_plat_flag *flag);
void mproc_plat_flag_set(struct mproc_plat_flag *flag);
void mproc_plat_flag_clear(struct mproc_plat_flag *flag);
void mproc_plat_flag_close(struct mproc_plat_flag *flag);

/* ---- standard streams (stdio.c) ---- */

/* Opens what a child is to have as stream 0, 1 or 2: the null device (path NULL) or a file, read
 * for 0, else created or appended to. */
mproc_err mproc_plat_stdio_open(int stream, const char *path, mproc_plat_handle *handle);
/* Creates a file or empties it, for a child to write to. */
mproc_err mproc_plat_file_create(const char *path, mproc_plat_handle *handle);
/* MPROC_EINVAL unless `handle` is open here. */
mproc_err mproc_plat_handle_check(mproc_plat_handle handle);
/* The handle of this process's own stream 0, 1 or 2. */
mproc_plat_handle mproc_plat_stdio_own(int stream);
/* In a forked child: makes each handle that is not NONE this process's stream 0, 1, 2. What the parent had
 * read ahead from a stream 0 that is replaced is dropped. */
mproc_err mproc_plat_stdio_replace(const mproc_plat_handle standard[3]);
/* Opens a folder so that mproc_plat_folder_enter() in a forked child cannot fail for its name.
 * MPROC_ENOTFOUND, MPROC_EPERM. Windows: checks it and gives NONE. */
mproc_err mproc_plat_folder_open(const char *path, mproc_plat_handle *folder);
mproc_err mproc_plat_folder_enter(mproc_plat_handle folder);
/* Flushes stdio before a start or a wait: all streams if no other thread uses any (is `alone`), else stdout
 * and stderr, and those only if no other thread is inside them. Never blocks on a lock for long. */
void mproc_plat_stdio_flush(bool alone);
/* At the end of a forked child, instead of what exit() does: all streams but those that another thread is
 * inside; where the C library does not tell which there are and the parent may have had other threads, stdout and
 * stderr. */
void mproc_plat_stdio_finish(bool alone);
/* Writes text to stderr in one system call. */
void mproc_plat_stdio_error(const char *text, size_t size);

/* ---- lifeline: knowing that the parent has died (lifeline.c) ---- */

/* The end that children keep: becomes ready when this process ends, however it ends. Made at the
 * first call, the same afterwards; a forked child calls mproc_plat_lifeline_forked() first. */
mproc_err mproc_plat_lifeline(mproc_plat_handle *child_end);
/* In a forked child, before anything else uses a lifeline: drops this process's copy of the
 * parent's own end, forgets it, so that mproc_plat_lifeline() makes a new one. */
void mproc_plat_lifeline_forked(void);
/* In a child that the host has forked from a bound process: binds it, too, where that takes no thread. */
void mproc_plat_lifeline_rebind(mproc_plat_handle child_end);
/* Makes this process end (SIGKILL) when the process on the other side has: for daemons. */
mproc_err mproc_plat_lifeline_bind(mproc_plat_handle child_end);
/* After bind: before it ends this process, calls last_act() in a thread of its own. Where the system itself ends all
 * descendants with the process on the other side (a job on Windows), it may not come to that. */
mproc_err mproc_plat_lifeline_take_along(mproc_plat_handle child_end, void (*last_act)(void));
/* Waits for the end of the process on the other side. */
mproc_err mproc_plat_lifeline_wait(mproc_plat_handle child_end, int64_t deadline);

/* ---- template: the forkserver (template.c; MPROC_ENOTSUP on Windows) ---- */

enum { MPROC_PLAT_TEMPLATE_HANDLES = 200 };
struct mproc_plat_template {
    struct mproc_plat_process process;
    mproc_plat_handle control;
    mproc_plat_handle handed; /* its own end of that, while it is started */
    uint64_t folder[2]; /* identity of its working directory */
};
/* Spawns the template with one handle more to keep, whose number is appended to `boot` as ":N". The host may fork
 * meanwhile: `server` has at any time what mproc_plat_template_forked() is to drop. */
mproc_err mproc_plat_template_start(const struct mproc_plat_spawn *spawn,
                                    struct mproc_plat_template *server);
/* Lets it fork a child that gets `request` and `handles` (at most MPROC_PLAT_TEMPLATE_HANDLES).
 * MPROC_EDIED if the template is gone or not there: start another. */
mproc_err mproc_plat_template_request(struct mproc_plat_template *server, uint64_t request,
                                      const mproc_plat_handle *handles, size_t count,
                                      struct mproc_plat_process *process);
/* Whether the template was started in the folder that this process is in now. */
bool mproc_plat_template_shares_folder(const struct mproc_plat_template *server);
/* In the template: serves until its starter is gone and then ends the process. Calls before_fork()
 * there before each fork: what it does is done for the child, and cheaper than in it. Returns only in
 * the forked children, with the handles; there the template's own handles are closed. */
void mproc_plat_template_serve(mproc_plat_handle control,
                               void (*before_fork)(void *context, uint64_t request), void *context,
                               const mproc_plat_handle **handles, size_t *count);
/* In a forked child: moves received handles to the numbers they are to have, all at once, since one
 * may lie where another is to go. */
mproc_err mproc_plat_handles_place(const mproc_plat_handle *handles, const intptr_t *numbers,
                                   size_t count);
/* Ends the template and forgets it. */
void mproc_plat_template_stop(struct mproc_plat_template *server);
/* In a forked child: drops this process's copy of the parent's template. */
void mproc_plat_template_forked(struct mproc_plat_template *server);

#endif
