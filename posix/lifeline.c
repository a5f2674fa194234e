/* SPDX-License-Identifier: MIT */
/* The lifeline: a pipe whose writing end only this process has. When it dies, however it does, the
 * readers, its children, find the end of file. */
#include "compiler.h"
#include "direct.h"
#include "posix.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define NO_LIFELINE INT64_C(-1)

/* Both ends in one word: reader in the lower half, writer in the upper. */
static _Atomic int64_t lifeline = NO_LIFELINE;

/* Whether a thread waits for the parent's end, and what it does then first. */
static atomic_bool watched;
static void (*_Atomic last_act)(void);

static int reader_of(int64_t ends)
{
    return (int) (ends & 0xffffffff);
}

static int writer_of(int64_t ends)
{
    return (int) (ends >> 32);
}

mproc_err mproc_plat_lifeline(mproc_plat_handle *child_end)
{
    int64_t known = atomic_load(&lifeline);
    if (known == NO_LIFELINE) {
        int ends[2];
        if (mproc__pipe(ends) != 0)
            return mproc__fail_system(
                mproc__from_errno(errno), errno,
                "The pipe by which children notice their parent's death cannot "
                "be made; close descriptors or raise RLIMIT_NOFILE");
        int64_t made = (int64_t) ends[1] << 32 | ends[0];
        if (atomic_compare_exchange_strong(&lifeline, &known, made))
            known = made;
        else
            mproc__close_pair(ends);
    }
    *child_end = reader_of(known);
    return MPROC_OK;
}

MPROC_IN_CHILD void mproc_plat_lifeline_forked(void)
{
    int64_t known = atomic_exchange(&lifeline, NO_LIFELINE);
    if (known != NO_LIFELINE)
        mproc__direct_close(writer_of(known));
    if (atomic_load(&watched)) { /* the thread is the parent's */
        atomic_store(&watched, false);
        atomic_store(&last_act, NULL);
    }
}

mproc_err mproc_plat_lifeline_wait(mproc_plat_handle child_end, int64_t deadline)
{
    struct pollfd entry = { .fd = (int) child_end, .events = POLLIN };
    int ready = mproc__poll(&entry, 1, deadline);
    if (ready > 0)
        return MPROC_OK;
    if (ready == 0)
        return MPROC_ETIMEDOUT;
    return mproc__fail_system(
        mproc__from_errno(errno), errno,
        "The parent's end cannot be waited for; is its descriptor still open?");
}

static void *wait_and_end(void *reader)
{
    if (mproc_plat_lifeline_wait((mproc_plat_handle) reader, MPROC_PLAT_NEVER) != MPROC_OK)
        return NULL;
    void (*act)(void) = atomic_load(&last_act);
    if (act) {
        /* It needs descriptors, and this process none any more. */
        close((int) (mproc_plat_handle) reader);
        for (int stream = 0; stream < 3; stream++)
            close(stream);
        act();
    }
    kill(getpid(), SIGKILL);
    return NULL;
}

/* A thread that takes no signals: they belong to the host's threads. */
static int start_watcher(mproc_plat_handle reader)
{
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed)
        return failed;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    failed = pthread_create(&thread, &attributes, wait_and_end, (void *) reader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    atomic_store(&watched, failed == 0);
    return failed;
}

static mproc_err no_watcher(int failed)
{
    return mproc__fail_system(mproc__from_errno(failed), failed,
                              "The thread that ends this process with its parent cannot be started; raise "
                              "RLIMIT_NPROC");
}

void mproc_plat_lifeline_rebind(mproc_plat_handle child_end)
{
    (void) mproc__kill_at_hangup((int) child_end);
}

mproc_err mproc_plat_lifeline_bind(mproc_plat_handle child_end)
{
    if (mproc__kill_at_hangup((int) child_end))
        return MPROC_OK;
    int failed = start_watcher(child_end);
    return failed ? no_watcher(failed) : MPROC_OK;
}

mproc_err mproc_plat_lifeline_take_along(mproc_plat_handle child_end, void (*act)(void))
{
    atomic_store(&last_act, act);
    int failed = atomic_load(&watched) ? 0 : start_watcher(child_end);
    if (failed)
        return no_watcher(failed);
    /* The kernel's signal would be quicker than the thread, which does not run while this process is stopped. */
    mproc__wake_at_hangup((int) child_end);
    return MPROC_OK;
}
