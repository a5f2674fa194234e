/* SPDX-License-Identifier: MIT */
/* Telling mproc's own forks from those of the host program, whose children would hold what shows others that their
 * parent lives, and bear its name. */
#include "compiler.h"
#include "posix.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* Its address tells threads apart, as pthread_self() does: but that is a call into the C library, which costs a forked
 * child a page fault. */
static MPROC_THREAD_LOCAL_NEAR char mark;
static char *_Atomic forker; /* the mark of the thread that forks for mproc, while it does */
static void (*host_forked)(void);

MPROC_IN_CHILD pid_t mproc__fork(void)
{
    atomic_store(&forker, &mark);
    pid_t pid = fork();
    atomic_store(&forker, NULL);
    return pid;
}

MPROC_IN_CHILD static void in_child(void)
{
    if (atomic_load(&forker) == &mark)
        return;
    atomic_store(&forker, NULL); /* another thread was, and is not here */
    mproc__drop_held();
    host_forked();
}

mproc_err mproc_plat_at_host_fork(void (*function)(void))
{
    static atomic_bool registered;
    host_forked = function;
    int failed = atomic_exchange(&registered, true) ? 0 : pthread_atfork(NULL, NULL, in_child);
    if (failed)
        return mproc__fail_system(mproc__from_errno(failed), failed, "No handler can be registered for fork()");
    return MPROC_OK;
}
