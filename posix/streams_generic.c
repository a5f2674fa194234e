/* SPDX-License-Identifier: MIT */
/* The C library's open streams around forks, where only the three standard ones are known and a child finds
 * those locked that another thread of the parent was in. */
#include "posix.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#ifdef MPROC_HAVE_STDIO_EXT
#include <stdio_ext.h>
#define fpurge __fpurge
#endif

/* How long the end of a child waits for a thread that sits in a stream. */
#define PATIENCE INT64_C(1000000000)
#define NAP INT64_C(100000)

static bool may_be_locked;

void mproc__streams_may_be_locked(void)
{
    may_be_locked = true;
}

static void flush_if_free(FILE *stream)
{
    if (ftrylockfile(stream) != 0)
        return;
    fflush(stream);
    funlockfile(stream);
}

static void flush_standard_streams(void)
{
    flush_if_free(stdout);
    flush_if_free(stderr);
}

void mproc_plat_stdio_flush(bool alone)
{
    if (alone && !may_be_locked)
        fflush(NULL);
    else
        flush_standard_streams();
}

static atomic_bool flushed;

static void *flush_all(void *unused)
{
    (void) unused;
    fflush(NULL);
    atomic_store(&flushed, true);
    return NULL;
}

/* By a thread, which may have to be left behind where another one sits in a stream. */
static void flush_all_with_patience(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, flush_all, NULL) != 0)
        return;
    pthread_detach(thread);
    for (int64_t end = mproc_plat_now() + PATIENCE; !atomic_load(&flushed) && mproc_plat_now() < end;)
        mproc_plat_sleep(NAP);
}

/* Where the parent may have had several threads, streams may hold what the parent will write as well, and
 * nobody can tell which do: only the standard ones are flushed. */
void mproc_plat_stdio_finish(bool alone)
{
    flush_standard_streams();
    if (alone && !may_be_locked)
        fflush(NULL);
    else if (!may_be_locked)
        flush_all_with_patience();
}

/* A stream that could not be flushed before the fork is locked here, and so stays as it is. */
void mproc__streams_forked(void)
{
}

void mproc__stdin_replaced(void)
{
#if defined(MPROC_HAVE_STDIO_EXT) || defined(MPROC_HAVE_FPURGE)
    if (fileno(stdin) != STDIN_FILENO || ftrylockfile(stdin) != 0)
        return;
    fpurge(stdin);
    clearerr(stdin);
    funlockfile(stdin);
#endif
}
