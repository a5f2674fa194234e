/* SPDX-License-Identifier: MIT */
/* Processes that run a function of this program. Python: multiprocessing.Process.
 *
 * Every function may be called by any thread; none is for signal handlers. mproc keeps descriptors of its own in
 * every process of a family: a program that closes all descriptors it does not know must do so before mproc_init(). */
#ifndef MPROC_PROCESS_H
#define MPROC_PROCESS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A process, as seen by the process that started it. It belongs to that process: never send it.
 * It is released by mproc_process_close; using it afterwards is an error, not a crash. */
typedef struct mproc_process mproc_process;

/* What a process runs: C11's thrd_start_t. `arg` is the child's own copy of the argument bytes,
 * aligned for any type, NULL if there are none. The return value is the exit code (Unix keeps its
 * lowest 8 bits). */
typedef int mproc_target(void *arg);

/* How a child comes to be. The default is spawn on macOS and Windows, fork elsewhere.
 * On Unix a child has the signal mask of the thread that starts it (by forkserver: of the one that made the first
 * start): a blocked SIGTERM stays blocked, and mproc_process_terminate is in vain.
 * A fork copies one thread only, and the locks that others hold, also those of libraries, stay locked in the child.
 * mproc warns of it, if somebody listens: MPROC_LOG=warning in the environment, or mproc_log_to_stderr. */
typedef enum mproc_start_method {
    MPROC_START_DEFAULT = 0,
    MPROC_START_FORK = 1,       /* a copy of the parent; Unix */
    MPROC_START_SPAWN = 2,      /* a fresh run of the executable up to mproc_init() */
    MPROC_START_FORKSERVER = 3  /* a fork of a fresh, single-threaded template; Unix. The child's environment and
                                 * umask are the template's: those of this process at its first such start */
} mproc_start_method;

/* A child's stdin, stdout or stderr. */
typedef enum mproc_stdio_kind {
    MPROC_STDIO_INHERIT = 0,  /* the parent's (stdin: the null device, as Python has it) */
    MPROC_STDIO_NULL = 1,     /* the null device */
    MPROC_STDIO_NATIVE = 2,   /* `native`: an open descriptor or HANDLE of the parent */
    MPROC_STDIO_PATH = 3,     /* `path`: read for stdin; else created or appended to */
    MPROC_STDIO_PARENT = 4    /* the parent's, for stdin too */
} mproc_stdio_kind;

typedef struct mproc_stdio {
    mproc_stdio_kind kind;
    intptr_t native;   /* still the caller's to close after the start */
    const char *path;  /* UTF-8 */
} mproc_stdio;

/* A limit of the child's resources, as setrlimit() has them. 0 means unchanged; to set a limit to
 * zero use MPROC_LIMIT_ZERO. MPROC_ENOTSUP where the system has no such limit. */
#define MPROC_LIMIT_ZERO UINT64_MAX
typedef struct mproc_limits {
    uint64_t memory_bytes;      /* RLIMIT_AS; on Windows the job's process memory limit */
    uint64_t cpu_seconds;       /* RLIMIT_CPU; on Windows the job's process time limit */
    uint64_t file_bytes;        /* RLIMIT_FSIZE; Unix */
    uint64_t open_descriptors;  /* RLIMIT_NOFILE; Unix */
    uint64_t core_bytes;        /* RLIMIT_CORE; Unix */
} mproc_limits;

/* All zero is the default of everything. Strings are UTF-8 and only read during the start. */
typedef struct mproc_process_options {
    const char *name;                  /* NULL: "Process-1", in its children "Process-1:1" */
    bool daemon;                       /* ends with its parent; may not have children. What it forks itself, by
                                        * fork(), ends with that parent on Linux, and elsewhere runs on */
    mproc_start_method start_method;   /* MPROC_START_DEFAULT: the process-wide choice */
    const char *const *environment;    /* "NAME=value" additions, ends with NULL; "NAME" removes; of
                                        * several about one name the last counts */
    const char *working_directory;     /* NULL: the parent's */
    mproc_stdio standard_input;
    mproc_stdio standard_output;
    mproc_stdio standard_error;
    const intptr_t *inherit;           /* descriptors or HANDLEs a spawned child keeps, same number */
    size_t inherit_count;              /* (a forked child has all of the parent's) */
    mproc_limits limits;
    const int *cpus;                   /* CPU numbers the child may run on; NULL: unchanged */
    size_t cpu_count;
    void *reserved[8];                 /* must be zero */
} mproc_process_options;

/* Starts a process that runs target(copy of the `size` bytes at `arg`). Python: Process(...).start().
 * The bytes may hold handles (mproc_lock, mproc_memory, ...) but no pointers: under spawn the child
 * has another address space. With MPROC_DEBUG=1 in the environment they are scanned for pointers.
 * The target may lie in a library that was loaded later, which must stay loaded during the call.
 * stdio is flushed before every start: all streams if no other thread runs, else stdout and stderr unless
 * another thread is inside them. Errors, all before anything has started but the last two:
 *   MPROC_ENOINIT   mproc_init() is not the first statement of main
 *   MPROC_EINVAL    NULL target or process, target in no program or library, a bad option
 *   MPROC_EIMAGE    the executable or the target's library on disk is not the one that runs here
 *   MPROC_EPERM     this is a daemon; a limit may not be raised
 *   MPROC_ENOTFOUND executable, library, working directory or redirected file is not there
 *   MPROC_EAGAIN    out of processes or descriptors;  MPROC_ENOMEM  out of memory, arena full
 *   MPROC_ENOTSUP   the start method or an option does not exist on this system
 *   MPROC_ESTATE    this process was forked behind mproc's back, or is a forkserver's template in its warm-up, or
 *                   that warm-up failed
 *   MPROC_ENOGUARD  the forkserver's template never reached mproc_init()
 *   MPROC_EDIED     the forkserver was killed during the start, and the child may be running all the same
 *   MPROC_ESYSTEM   any other refusal of the system */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_start(mproc_process **process, mproc_target *target,
                                                       const void *arg, size_t size,
                                                       const mproc_process_options *options);

/* A "subclass" of Process: your struct begins with an mproc_runnable, and run is called in the
 * child with the child's copy of the whole struct. Errors as above. Python: a class with its own run(). */
typedef struct mproc_runnable {
    mproc_target *run;
} mproc_runnable;
MPROC_API MPROC_MUST_USE mproc_err mproc_process_start_object(mproc_process **process,
                                                              const mproc_runnable *object,
                                                              size_t size,
                                                              const mproc_process_options *options);

/* Waits until the process has ended. May be called often and by several threads.
 * MPROC_ETIMEDOUT: it still runs. MPROC_ENOGUARD: the child's program ended, or ran for the guard's
 * deadline (30 s, MPROC_GUARD_TIMEOUT in ms) and was killed, without reaching mproc_init().
 * MPROC_EIMAGE: the child found another build of the target's program or library and refused.
 * MPROC_EPROTO: what its parent wrote for it in shared memory was overwritten before it could read it.
 * MPROC_ESTATE: this process itself. Of the parent it waits for its end. Python: join(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_join(mproc_process *process, mproc_ms timeout);

/* Waits until any of `count` children has ended and stores its index. No limit on `count`; why one could not run
 * its join says. MPROC_ETIMEDOUT: none has. MPROC_EINVAL: `count` is 0. MPROC_ESTATE: one is no child of this process.
 * Python: multiprocessing.connection.wait() with sentinels. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_wait_any(mproc_process *const *processes,
                                                          size_t count, size_t *index,
                                                          mproc_ms timeout);

/* Whether it runs. Python: is_alive(). A process that has ended is not alive even if nobody has
 * joined it; a stopped (SIGSTOP) one is. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_is_alive(mproc_process *process, bool *alive);

/* What its target returned or passed to exit(), or -N if signal N ended it. On Windows the code
 * given to ExitProcess as 32 bits (0xC0000005 for a crash is negative), and -15 after terminate or
 * kill. Where the program ignores SIGCHLD or waits for all children itself, the status is lost: then it is what the
 * child said at its end, or 255 and a warning in the log if it said nothing (it was killed; or it called exit() and the
 * C library is not glibc). MPROC_ESTATE while it runs, and of a process that is no child (Python: None). Python:
 * exitcode. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_exit_code(mproc_process *process, int *exit_code);

/* How it ended, in words: "exit code 3", "killed by signal 9 (Killed)", "running", or why it could not run. At most
 * size - 1 bytes and a 0; nothing if size is 0. Python: part of repr(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_describe(mproc_process *process, char *text,
                                                          size_t size);

/* Python: pid, ident. Stays the same after the end. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_pid(mproc_process *process, int64_t *pid);
/* The name, valid until the process object is closed; NULL and an error if it is. Python: name. */
MPROC_API const char *mproc_process_name(mproc_process *process);
/* Whether it was started as a daemon; of the parent always false. Python: daemon. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_daemon(mproc_process *process, bool *daemon);
/* How it was started, also this process; MPROC_START_DEFAULT for the root and for the parent. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_start_method(mproc_process *process,
                                                              mproc_start_method *method);

/* Something the system can wait for, ready once the process has ended: a descriptor for poll(), a
 * HANDLE for WaitForSingleObject(). It belongs to the process object and is there until that is closed: do not
 * read or close it. Of a child that had ended before, one that is ready and may be the same for several.
 * MPROC_ESTATE: this process's own; MPROC_EAGAIN: out of descriptors. Python: sentinel. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_sentinel(mproc_process *process, intptr_t *native);

/* Interrupts the process as Ctrl-C would, but it alone: SIGINT. MPROC_OK if it has ended already; MPROC_ESTATE: no
 * child of this process; MPROC_ENOTSUP on Windows. Python: interrupt(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_interrupt(mproc_process *process);

/* Asks the process to end (SIGTERM), or ends it (SIGKILL); on Windows both are TerminateProcess.
 * Its descendants go on, its finalizers do not run. MPROC_OK if it has ended already; MPROC_ESTATE: no child of this
 * process (itself, its parent). Python: terminate(), kill(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_terminate(mproc_process *process);
MPROC_API MPROC_MUST_USE mproc_err mproc_process_kill(mproc_process *process);

/* Terminates it, waits up to `grace`, then kills it; returns when it has ended. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_stop(mproc_process *process, mproc_ms grace);
/* The same for it and all its descendants in the family. */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_stop_tree(mproc_process *process, mproc_ms grace);

/* Releases the object of a process that has ended. MPROC_ESTATE while it runs, or while another thread waits for it;
 * of a process that is no child. Every later use of the pointer is MPROC_ECLOSED. Objects not closed are released at
 * exit. Python: close(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_process_close(mproc_process *process);

/* This process, as others see it, and the one that started it (NULL in the root). They are never
 * closed. Of the parent: name, pid, is_alive, join and sentinel work. */
MPROC_API mproc_process *mproc_current_process(void);
MPROC_API mproc_process *mproc_parent_process(void);

/* Stores up to `capacity` children of this process that run, and in *count how many there are.
 * Reaps those that have ended. Python: active_children(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_active_children(mproc_process **children, size_t capacity,
                                                         size_t *count);

/* The start methods of this system, the default first. Returns how many there are. */
MPROC_API size_t mproc_get_all_start_methods(mproc_start_method *methods, size_t capacity);
/* The process-wide choice; MPROC_START_METHOD in the environment (fork, spawn, forkserver) sets it
 * at mproc_init(), and children begin with their parent's. */
MPROC_API mproc_start_method mproc_get_start_method(void);
/* MPROC_ESTATE if it was set before, unless `force`; DEFAULT with force resets it. MPROC_EINVAL: no start method.
 * MPROC_ENOTSUP: this system has none of that name. Python: set_start_method(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_set_start_method(mproc_start_method method, bool force);
/* "fork", "spawn", "forkserver", "default". */
MPROC_API const char *mproc_start_method_name(mproc_start_method method);

/* The program that spawn and forkserver run (UTF-8 path; NULL: this one). It must be this build of
 * this program, and call mproc_init(). Python: set_executable(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_set_executable(const char *path);

/* A function that the forkserver's template runs once before it serves: load tables and libraries
 * there, and every child has them. It may take its time: the first start waits for it. It must return
 * and leave no thread behind, else that start is MPROC_ESTATE and the template is not used. Set it before the
 * first forkserver start of this process, later it is MPROC_ESTATE; NULL takes it away. Its stdin is the null
 * device. Python: set_forkserver_preload(). */
typedef void mproc_warmup(void);
MPROC_API MPROC_MUST_USE mproc_err mproc_set_forkserver_warmup(mproc_warmup *warmup);

/* The family's shared secret, 32 random bytes in the root; children get their parent's at their start. 1 to
 * 256 bytes (MPROC_EINVAL). Python: current_process().authkey. */
MPROC_API MPROC_MUST_USE mproc_err mproc_set_authkey(const void *key, size_t size);
/* Copies it and stores how many bytes it has; with key NULL and capacity 0 only the latter. MPROC_EINVAL, with *size
 * stored, if `capacity` is too small. */
MPROC_API MPROC_MUST_USE mproc_err mproc_get_authkey(void *key, size_t capacity, size_t *size);

/* fork() that keeps mproc working on both sides: returns twice, in the parent with *process set, in
 * the child (a family member with a name of its own) with *process == NULL. Other errors as mproc_process_start;
 * MPROC_ENOTSUP on Windows. What the parent's streams had still to write the child does not have. Python: os.fork(). */
MPROC_API MPROC_MUST_USE mproc_err mproc_fork(mproc_process **process);

/* Calls finalizer(context) when this process ends normally (return from the target or main, exit(),
 * mproc_exit()), last registered first; before its children are joined. It may register others. Forked children do
 * not have it. MPROC_EINVAL: NULL. Python: util.Finalize, atexit; C: atexit(). */
typedef void mproc_finalizer(void *context);
MPROC_API MPROC_MUST_USE mproc_err mproc_at_exit(mproc_finalizer *finalizer, void *context);

/* Ends this process as a return from its target would: finalizers run, daemons are terminated, other children are
 * joined, streams are written out. In the root and in spawned children atexit() handlers run after that. In forked
 * ones they do not, for they are the parent's; if such a child calls exit() itself, they do where the C library is not
 * glibc. Python: sys.exit(). */
MPROC_API MPROC_NORETURN void mproc_exit(int exit_code);

#ifdef __cplusplus
}
#endif
#endif
