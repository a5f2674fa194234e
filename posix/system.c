/* SPDX-License-Identifier: MIT */
/* Clock, random numbers, error texts, environment. */
#include "compiler.h"
#include "direct.h"
#include "posix.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS INT64_C(1000000000)
/* getentropy() gives no more at once. */
#define RANDOM_PORTION 256

mproc_err mproc__from_errno(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
        return MPROC_ENOTFOUND;
    case EACCES:
    case EPERM:
        return MPROC_EPERM;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ETOOMANYREFS:
        return MPROC_EAGAIN;
    case ENOMEM:
        return MPROC_ENOMEM;
    default:
        return MPROC_ESYSTEM;
    }
}

int mproc__poll(struct pollfd *entries, size_t count, int64_t deadline)
{
    for (;;) {
        int timeout = -1;
        if (deadline == 0) {
            timeout = 0;
        } else if (deadline != MPROC_PLAT_NEVER) {
            int64_t left = deadline - mproc_plat_now();
            int64_t milliseconds = left > 0 ? (left - 1) / 1000000 + 1 : 0;
            timeout = milliseconds < INT_MAX ? (int) milliseconds : INT_MAX;
        }
        int ready = poll(entries, (nfds_t) count, timeout);
        if (ready > 0)
            return 1;
        if (ready == 0 && timeout < INT_MAX)
            return 0;
        if (ready < 0 && errno != EINTR && errno != EAGAIN)
            return -1;
    }
}

mproc_err mproc_plat_start(void)
{
    mproc__watch_adopt();
    return MPROC_OK;
}

int64_t mproc_plat_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * NANOSECONDS + now.tv_nsec;
}

mproc_err mproc_plat_random(void *buffer, size_t size)
{
    unsigned char *next = buffer;
    while (size > 0) {
        size_t portion = size < RANDOM_PORTION ? size : RANDOM_PORTION;
        if (getentropy(next, portion) != 0)
            return mproc__fail_system(mproc__from_errno(errno), errno,
                                      "The system gives no random bytes; check its getentropy()");
        next += portion;
        size -= portion;
    }
    return MPROC_OK;
}

/* strerror_r() comes in two shapes: GNU returns the text, POSIX an error. */
static const char *text_of_gnu(char *text, const char *buffer)
{
    (void) buffer;
    return text;
}

static const char *text_of_posix(int failed, const char *buffer)
{
    return failed ? NULL : buffer;
}

void mproc_plat_system_text(int code, char *buffer, size_t size)
{
    char text[256] = "";
    const char *found = _Generic(strerror_r(code, text, sizeof text),
                                 char *: text_of_gnu,
                                 default: text_of_posix)(strerror_r(code, text, sizeof text), text);
    if (found)
        snprintf(buffer, size, "%s", found);
    else
        snprintf(buffer, size, "system error %d", code);
}

mproc_err mproc_plat_set_environment(const char *name, const char *value)
{
    int failed = value ? setenv(name, value, 1) : unsetenv(name);
    if (failed)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "The environment variable %s cannot be changed", name);
    return MPROC_OK;
}

MPROC_IN_CHILD void mproc_plat_handle_close(mproc_plat_handle handle)
{
    if (handle != MPROC_PLAT_NONE)
        mproc__direct_close((int) handle);
}

MPROC_IN_CHILD void mproc_plat_exit_now(int exit_code)
{
    _exit(exit_code);
}

void mproc_plat_signal_text(int number, char *buffer, size_t size)
{
    const char *name = strsignal(number);
    snprintf(buffer, size, "killed by signal %d (%s)", number, name ? name : "unknown");
}

/* msync() is the one call that says so everywhere and changes nothing. */
bool mproc_plat_address_mapped(const void *address)
{
    uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
    return msync((void *) ((uintptr_t) address & ~(page - 1)), 1, MS_ASYNC) == 0;
}

void mproc_plat_sleep(int64_t nanoseconds)
{
    struct timespec left = { nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

void mproc_plat_yield(void)
{
    sched_yield();
}

/* What is resident and shared with nobody; where the system does not tell, the most that ever was. */
uint64_t mproc_plat_memory_used(void)
{
    unsigned long long size, resident, shared;
    FILE *file = fopen("/proc/self/statm", "re");
    bool told = file && fscanf(file, "%llu %llu %llu", &size, &resident, &shared) == 3;
    if (file)
        fclose(file);
    if (told)
        return (resident - shared) * (uint64_t) sysconf(_SC_PAGESIZE);
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t) usage.ru_maxrss * MPROC_MAXRSS_UNIT : 0;
}

void mproc_plat_ignore_interrupt(void)
{
    signal(SIGINT, SIG_IGN);
}

bool mproc_plat_is_terminal(int stream)
{
    return isatty(stream) == 1;
}
