/* SPDX-License-Identifier: MIT */
/* Errors, time-outs, the entry guard: what every other header builds on. */
#ifndef MPROC_BASE_H
#define MPROC_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MPROC_VERSION_MAJOR 0
#define MPROC_VERSION_MINOR 1
#define MPROC_VERSION_PATCH 0

#if defined(_WIN32) && defined(MPROC_BUILDING)
#define MPROC_API __declspec(dllexport)
#elif defined(_WIN32) && defined(MPROC_SHARED)
#define MPROC_API __declspec(dllimport)
#elif defined(__GNUC__)
#define MPROC_API __attribute__((visibility("default")))
#else
#define MPROC_API
#endif

#if defined(__GNUC__)
#define MPROC_MUST_USE __attribute__((warn_unused_result))
#ifdef __USE_MINGW_ANSI_STDIO
#define MPROC_PRINTF(text, first) __attribute__((format(gnu_printf, text, first)))
#else
#define MPROC_PRINTF(text, first) __attribute__((format(printf, text, first)))
#endif
#define MPROC_NORETURN __attribute__((noreturn))
#elif defined(_MSC_VER)
#define MPROC_MUST_USE _Check_return_
#define MPROC_PRINTF(text, first)
#define MPROC_NORETURN __declspec(noreturn)
#else
#define MPROC_MUST_USE
#define MPROC_PRINTF(text, first)
#define MPROC_NORETURN
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a call can answer. The numbers are part of the binary interface and never change. */
typedef enum mproc_err {
    MPROC_OK = 0,
    MPROC_EINVAL = 1,      /* an argument is wrong: NULL, out of range, a contradiction */
    MPROC_ENOMEM = 2,      /* no memory: the process's own, or the family's arena is full */
    MPROC_ETIMEDOUT = 3,   /* the time is over and it has not happened */
    MPROC_ENOINIT = 4,     /* mproc_init() is not the first statement of main */
    MPROC_EBADHANDLE = 5,  /* a handle that was destroyed, is of another kind, or is no handle */
    MPROC_ECLOSED = 6,     /* the object was closed */
    MPROC_ESTATE = 7,      /* not now: running and should not be, or the other way round */
    MPROC_ENOTSUP = 8,     /* this system, or this version of mproc, cannot do it */
    MPROC_ENOTFOUND = 9,   /* no such file, program, folder, process */
    MPROC_EPERM = 10,      /* not allowed, by the system or by the rules (a daemon has no children) */
    MPROC_EIMAGE = 11,     /* a function's program or library is missing or of another build */
    MPROC_ENOGUARD = 12,   /* a child never reached mproc_init() */
    MPROC_EAGAIN = 13,     /* the system is out of processes, descriptors or the like just now */
    MPROC_OWNERDEAD = 14,  /* the lock is yours; its holder died and may have left a mess */
    MPROC_EDIED = 15,      /* the process on the other side died */
    MPROC_ESYSTEM = 16,    /* any other refusal of the system; mproc_last_error() says which */
    MPROC_EMSGSIZE = 17,   /* the message is longer than the buffer, and still there */
    MPROC_EAUTH = 18,      /* the other side has another key */
    MPROC_EPROTO = 19,     /* bytes that are not what they should be: a frame, a pickle, a record */
    MPROC_EBROKEN = 20,    /* the barrier is broken, the pool cannot go on */
    MPROC_EEXIST = 21,     /* there is something of that name already */
    MPROC_EWORKERDIED = 22, /* the pool's worker that ran the task died; mproc_last_error() says how */
    MPROC_ECANCELLED = 23, /* the task was cancelled before it was done */
    MPROC_ETASK = 24,      /* the task ran and returned other than 0 */
    MPROC_EEXITCODE = 25,  /* the program ended with another exit code than 0 */
    MPROC_ETYPE = 26       /* an object of another type than asked for */
} mproc_err;

/* The name of a code, such as "MPROC_ETIMEDOUT"; "MPROC_E?" for no code. Never NULL. */
MPROC_API const char *mproc_err_name(mproc_err err);

/* One sentence about the last call of this thread that did not return MPROC_OK: the object, the
 * cause, the system's own error if there was one, and what to do. Valid until this thread's next
 * failing call. "" if nothing has failed yet. */
MPROC_API const char *mproc_last_error(void);

/* The system's code (errno, GetLastError()) behind mproc_last_error(), or 0. */
MPROC_API int mproc_last_system_error(void);

/* For mains and tests: prints the call, its place, and mproc_last_error() to stderr and ends the
 * process with exit code 1 unless the call returned MPROC_OK. The only thing in mproc that does. */
#define MPROC_MUST(call) mproc_must((call), #call, __FILE__, __LINE__)
MPROC_API void mproc_must(mproc_err err, const char *call, const char *file, int line);

/* A time-out in milliseconds on the monotonic clock; always the last parameter. Any negative
 * value means for ever. */
typedef int64_t mproc_ms;
#define MPROC_FOREVER ((mproc_ms) -1)
#define MPROC_NOWAIT ((mproc_ms) 0)

/* The entry guard; C's `if __name__ == '__main__': freeze_support()`. Make it the first statement of
 * main. In a process that mproc started by spawn or forkserver it runs the target and ends the
 * process: it returns only in the program that the user started. Everything before it runs in
 * every spawned child too. A second call does nothing. Ends the process with exit code 1 and a
 * sentence on stderr if the family's shared memory cannot be had: nothing would work without it; also if
 * MPROC_START_METHOD, MPROC_ARENA_LIMIT (the most bytes of that memory), MPROC_CPU_COUNT or MPROC_GUARD_TIMEOUT in the
 * environment is set to something that it cannot mean. */
MPROC_API void mproc_init(void);

/* This process's id, as getpid() or GetCurrentProcessId() gives it. */
MPROC_API int64_t mproc_pid(void);

/* How many CPUs this process may use at once: the machine's, less what affinity and cgroup quotas
 * take away (Python's os.process_cpu_count(), and containers); or what MPROC_CPU_COUNT in the environment says
 * (Python: PYTHON_CPU_COUNT). At least 1. */
MPROC_API int mproc_cpu_count(void);

/* Sleeps at least so long; signal handlers that run meanwhile do not end it. MPROC_FOREVER: until the process
 * ends. It may be called before mproc_init(). Python: time.sleep(). */
MPROC_API void mproc_sleep(mproc_ms duration);

#ifdef __cplusplus
}
#endif
#endif
