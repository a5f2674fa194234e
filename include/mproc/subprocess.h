/* SPDX-License-Identifier: MIT */
/* Running other programs. Python: subprocess. Needs no mproc_init() and no family: a program may use
 * this header and nothing else of mproc. */
#ifndef MPROC_SUBPROCESS_H
#define MPROC_SUBPROCESS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A program that was started, as seen by the process that started it. It belongs to that process
 * (after a fork only the parent may use it) and lives until mproc_popen_close or mproc_popen_detach;
 * using it after that is as wrong as after free(). A process that is forked from here while a pipe is open has
 * a copy of this side's end, so that the child sees the end of its input only when that process has
 * ended, too; spawned processes and other programs have no copy. Python: Popen. */
typedef struct mproc_popen mproc_popen;

/* An argument vector in place, in C: mproc_run(NULL, MPROC_ARGV("ls", "-l"), NULL, MPROC_FOREVER). */
#define MPROC_ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The streams of a child, as numbers. */
enum { MPROC_STDIN = 0, MPROC_STDOUT = 1, MPROC_STDERR = 2 };

/* What a stream of a child is. */
typedef enum mproc_stream_kind {
    MPROC_STREAM_INHERIT = 0,  /* this process's own */
    MPROC_STREAM_PIPE = 1,     /* a pipe to this process. Python: PIPE */
    MPROC_STREAM_NULL = 2,     /* the null device. Python: DEVNULL */
    MPROC_STREAM_STDOUT = 3,   /* stderr only: wherever stdout goes. Python: STDOUT */
    MPROC_STREAM_NATIVE = 4,   /* `native`: an open descriptor or HANDLE, still the caller's to close */
    MPROC_STREAM_PATH = 5,     /* the file `path`: read for stdin, else created or emptied (sh: >) */
    MPROC_STREAM_APPEND = 6,   /* the file `path`: created or appended to (sh: >>) */
    MPROC_STREAM_PIPELINE = 7, /* stdout or stderr: a pipe to the child that is started next (sh: |) */
    MPROC_STREAM_CHILD = 8,    /* stdin: the MPROC_STREAM_PIPELINE of `child`, which gives it away */
    MPROC_STREAM_TERMINAL = 9  /* a pseudo-terminal, one for all streams that ask for it; it is the
                                * child's controlling terminal, in a session of its own. Unix */
} mproc_stream_kind;

typedef struct mproc_stream {
    mproc_stream_kind kind;
    intptr_t native;
    const char *path;      /* UTF-8 */
    mproc_popen *child;
} mproc_stream;

/* All zero is the default of everything. Strings are UTF-8; all is only read during the start. */
typedef struct mproc_popen_options {
    bool shell;                            /* argv[0] is a command for /bin/sh or cmd.exe. Whatever it
                                            * holds is executed: never put input of strangers in it */
    const char *executable;                /* what to run instead of argv[0]; with `shell`, the shell */
    const char *const *environment;        /* the whole environment, "NAME=value", ends with NULL;
                                            * NULL: this process's. Python: env */
    const char *const *environment_changes; /* "NAME=value" additions, "NAME" removals; ends with NULL */
    const char *working_directory;         /* NULL: this process's. Python: cwd */
    mproc_stream standard_input;
    mproc_stream standard_output;
    mproc_stream standard_error;
    size_t pipe_size;                      /* bytes a pipe holds, a wish; 0: as is, growing when full */
    const intptr_t *inherit;               /* descriptors or HANDLEs the child has too, same number; it
                                            * has no others. Python: pass_fds, handle_list */
    size_t inherit_count;
    bool inherit_all;                      /* all that are inheritable. Python: close_fds=False */
    bool new_session;                      /* setsid(); Windows: a job and a process group of its own.
                                            * mproc_popen_stop_tree then finds every descendant */
    bool new_process_group;                /* Unix setpgid(0, 0); Windows CREATE_NEW_PROCESS_GROUP.
                                            * Python: process_group=0 */
    int64_t process_group;                 /* Unix: the group to join; 0: none */
    bool keep_signals;                     /* Unix: SIGPIPE and SIGXFSZ stay ignored if they are here,
                                            * instead of default. Python: restore_signals=False */
    bool set_umask;                        /* Unix: the child's umask is `umask` */
    unsigned umask;
    const char *user;                      /* Unix: a name, or a number in digits; NULL: unchanged */
    const char *group;                     /* Unix: the same for the group */
    const char *const *extra_groups;       /* Unix: ends with NULL; an empty list: none; NULL: unchanged */
    uint32_t creation_flags;               /* Windows: as CreateProcess has them */
    bool hide_window;                      /* Windows: STARTUPINFO's SW_HIDE */
    unsigned terminal_rows;                /* MPROC_STREAM_TERMINAL: 0 is 24 */
    unsigned terminal_columns;             /* 0 is 80 */
    bool text;                             /* what mproc_run, mproc_popen_communicate and
                                            * mproc_popen_read_line store has "\n" for "\r\n" and "\r".
                                            * Python: text, universal_newlines */
    void *reserved[8];                     /* must be zero */
} mproc_popen_options;

/* What a program has used, once it has ended (getrusage(), GetProcessTimes()); with those of its own
 * children that it has waited for, on Unix. */
typedef struct mproc_usage {
    uint64_t user_us;            /* CPU time in microseconds */
    uint64_t system_us;
    uint64_t max_resident_bytes; /* the most memory it had; 0 if unknown */
} mproc_usage;

/* How a program ended and what it wrote. Python: CompletedProcess. */
typedef struct mproc_completed {
    int returncode;      /* exit code, or -N if signal N ended it (Windows: -15 after terminate, kill) */
    char *output;        /* what came out of stdout: `output_size` bytes and a 0 after them; NULL if */
    size_t output_size;  /* stdout was no pipe or terminal of ours */
    char *error;         /* the same for stderr */
    size_t error_size;
    mproc_usage usage;
    size_t large_output; /* for mproc_completed_free(), which alone can free the two texts */
    size_t large_error;
    void *reserved[4];
} mproc_completed;

/* Frees output and error and zeroes all. NULL is allowed. */
MPROC_API void mproc_completed_free(mproc_completed *completed);

/* ---- one call for all ---- */

typedef struct mproc_run_options {
    mproc_popen_options start; /* how it is started */
    const void *input;     /* goes to stdin, which becomes a pipe; NULL: stdin is as in `start` */
    size_t input_size;
    bool capture_output;   /* stdout and stderr are pipes */
    bool check;            /* MPROC_EEXITCODE unless the return code is 0 */
    void *reserved[4];
} mproc_run_options;

/* Runs a program to its end. Python: run(). `completed` (NULL: not wanted) is overwritten and to be
 * freed with mproc_completed_free unless the start itself failed; on MPROC_ETIMEDOUT and
 * MPROC_EEXITCODE too it holds what was captured. argv[0] without a slash is searched in the child's
 * PATH (Windows: as CreateProcess searches). A child that closes its stdin early is no error.
 *   MPROC_ENOTFOUND, MPROC_EPERM  program or working_directory: mproc_last_error() names the path
 *   MPROC_EIMAGE    the file is no program
 *   MPROC_ETIMEDOUT the time was over: the program was killed and has ended (what it had started itself
 *                   may run on, and is not waited for)
 *   MPROC_EEXITCODE `check`, and the return code is not 0
 *   MPROC_EDIED     it has ended, but this program waits for all children itself or ignores SIGCHLD,
 *                   so that nobody knows how; all else is as after MPROC_OK
 *   MPROC_EINVAL    options that contradict each other;  MPROC_ENOTSUP  not on this system
 *   MPROC_EAGAIN, MPROC_ENOMEM  out of processes, descriptors, memory */
MPROC_API MPROC_MUST_USE mproc_err mproc_run(mproc_completed *completed, const char *const *argv,
                                             const mproc_run_options *options, mproc_ms timeout);

/* Runs with this process's streams (or those in `options`, which may not be pipes, as nobody would
 * read them) and stores the return code. Python: call(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_call(int *returncode, const char *const *argv,
                                              const mproc_popen_options *options, mproc_ms timeout);
/* The same, but MPROC_EEXITCODE unless the return code is 0. Python: check_call(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_check_call(const char *const *argv,
                                                    const mproc_popen_options *options,
                                                    mproc_ms timeout);
/* What the program writes to stdout; MPROC_EEXITCODE unless its return code is 0. `completed` as with
 * mproc_run. Python: check_output(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_check_output(mproc_completed *completed,
                                                      const char *const *argv,
                                                      const mproc_run_options *options,
                                                      mproc_ms timeout);
/* Runs a shell command; stdout and stderr together become `output`, in text form and without a last
 * line end. Python: getstatusoutput(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_getstatusoutput(mproc_completed *completed,
                                                         const char *command, mproc_ms timeout);
/* MPROC_EEXITCODE unless the return code is 0. Python: CompletedProcess.check_returncode(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_check_returncode(const mproc_completed *completed);

/* ---- Popen ---- */

/* Starts a program; errors as mproc_run has them, all before anything runs. Starts as fast as
 * posix_spawn() or vfork() however large this process is; only with user, group or extra_groups this
 * process is forked, since a child of another user must not share its memory. stdio is flushed first if the
 * child writes to this process's stdout or stderr. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_start(mproc_popen **child, const char *const *argv,
                                                     const mproc_popen_options *options);

/* Its process id; after its end that of whom it was. MPROC_EINVAL: NULL. Python: pid. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_pid(mproc_popen *child, int64_t *pid);

/* Whether it has ended; never waits. Python: poll(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_poll(mproc_popen *child, bool *ended);
/* Waits for its end: MPROC_ETIMEDOUT while it runs. A child whose pipe nobody reads may never end: use
 * mproc_popen_communicate. Python: wait(timeout). */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_wait(mproc_popen *child, mproc_ms timeout);
/* Exit code, or -N if signal N ended it; on Windows the 32 bits given to ExitProcess, -15 after
 * mproc_popen_terminate or _kill. MPROC_ESTATE until poll, wait, communicate or stop has seen the end
 * (Python: None). MPROC_EDIED: it has ended, but this program waits for all children itself, or
 * ignores SIGCHLD, and so nobody knows how. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_returncode(mproc_popen *child, int *returncode);
/* MPROC_ESTATE and MPROC_EDIED as mproc_popen_returncode. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_usage(mproc_popen *child, mproc_usage *usage);

/* Sends `input` to stdin and closes it, reads stdout and stderr to their ends, waits for the end of the
 * child; all at once, so that no pipe can block another. `completed` is overwritten at MPROC_OK only (and
 * at MPROC_EDIED), and to be freed. MPROC_ETIMEDOUT: nothing is lost; call it again, with no input (the
 * rest of the first one has been kept), any number of times. Python: communicate(input, timeout). */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_communicate(mproc_popen *child, const void *input,
                                                           size_t input_size,
                                                           mproc_completed *completed,
                                                           mproc_ms timeout);

/* Streaming, for pipes and terminals. One thread at a time per stream, and not while communicating;
 * another stream may be used by another thread.
 * Reads what is there, at least one byte; *size is 0 at the end of the file. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_read(mproc_popen *child, int stream, void *buffer,
                                                    size_t capacity, size_t *size, mproc_ms timeout);
/* Stores the next line with its "\n" (the last one may have none) and a 0 after it; it is valid until the
 * stream is read again or closed. NULL and size 0 at the end of the file. `size` may be NULL.
 * MPROC_ETIMEDOUT: the part of a line that is there stays for the next call. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_read_line(mproc_popen *child, int stream,
                                                         const char **line, size_t *size,
                                                         mproc_ms timeout);
/* Writes to stdin all that can be written within the time; *written (may be NULL) says how much that
 * was. MPROC_ETIMEDOUT: not all. MPROC_ECLOSED: the child has closed its end; there is no SIGPIPE. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_write(mproc_popen *child, const void *data, size_t size,
                                                     size_t *written, mproc_ms timeout);
/* Closes this side's end: the end of file for stdin (sent as the end-of-file character if it is a
 * terminal), a broken pipe for stdout and stderr. Closing again is allowed. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_close_stream(mproc_popen *child, int stream);
/* This side's end, for event loops: poll() it, or use it with OVERLAPPED (Windows). It stays the
 * child object's: do not close it. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_native_stream(mproc_popen *child, int stream,
                                                             intptr_t *native);
/* Something to wait for, ready once the child has ended: a descriptor for poll() (Linux, macOS; on
 * other Unix MPROC_ENOTSUP), a HANDLE. It stays the child object's. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_sentinel(mproc_popen *child, intptr_t *native);

/* Sends a signal; MPROC_OK and nothing sent once it has ended. On Windows SIGTERM and SIGKILL (9) are
 * TerminateProcess, SIGINT and SIGBREAK (21) are Ctrl-C and Ctrl-Break for its process group, others
 * MPROC_ENOTSUP. Python: send_signal(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_send_signal(mproc_popen *child, int number);
/* Asks it to end (SIGTERM), or ends it (SIGKILL); on Windows both are TerminateProcess. What it has started goes
 * on. Errors as mproc_popen_send_signal. Python: terminate(), kill(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_terminate(mproc_popen *child);
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_kill(mproc_popen *child);
/* Terminates it, waits up to `grace`, then kills it; returns when it has ended. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_stop(mproc_popen *child, mproc_ms grace);
/* The same for it and its descendants. Those of a child with new_session or new_process_group are all
 * found unless they left its session or group; of others, those whose chain of parents is still
 * there. Works after the child's own end too. MPROC_ENOTSUP where the system does not list processes. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_stop_tree(mproc_popen *child, mproc_ms grace);

/* Closes the streams, waits for its end and releases the object; what Python's `with` does at its end.
 * NULL is allowed. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_close(mproc_popen *child);
/* Closes the streams and releases the object; the child runs on. When it ends, the next start of a
 * program cleans up behind it, so no zombie stays for long. */
MPROC_API MPROC_MUST_USE mproc_err mproc_popen_detach(mproc_popen *child);

#ifdef __cplusplus
}
#endif
#endif
