/* SPDX-License-Identifier: MIT */
/* mproc's own threads. */
#include "thread.h"

#include "compiler.h"
#include "log.h"
#include "platform.h"

#include <apr_general.h>
#include <apr_thread_proc.h>

#include <stdatomic.h>
#include <stdlib.h>

struct thread {
    apr_pool_t *pool;
    apr_thread_t *apr;
    bool quiet;
    void (*run)(void *context);
    void *context;
};

/* A process forked by such a thread runs on a copy of its stack. */
enum { STACK_SIZE = 8 << 20 };

static atomic_int helpers;
static atomic_int quiet_ones;
static MPROC_THREAD_LOCAL bool is_quiet;

static void *APR_THREAD_FUNC begin(apr_thread_t *apr, void *context)
{
    struct thread *thread = context;
    (void) apr;
    is_quiet = thread->quiet;
    thread->run(thread->context);
    atomic_fetch_sub(&quiet_ones, thread->quiet);
    return NULL;
}

/* A pool without a parent: a fork while another thread is in APR's global pool would leave that locked. */
mproc_err mproc__thread_start(struct thread **thread, bool quiet, void (*run)(void *context), void *context)
{
    struct thread *made = calloc(1, sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a thread");
    made->quiet = quiet;
    made->run = run;
    made->context = context;
    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create_unmanaged_ex(&made->pool, NULL, NULL) != APR_SUCCESS) {
        free(made);
        return mproc__fail(MPROC_ENOMEM, "no memory for a thread");
    }
    atomic_fetch_add(&helpers, 1);
    atomic_fetch_add(&quiet_ones, quiet);
    apr_threadattr_t *attributes = NULL;
    apr_status_t status = apr_threadattr_create(&attributes, made->pool);
    if (status == APR_SUCCESS)
        status = apr_threadattr_stacksize_set(attributes, STACK_SIZE);
    if (status == APR_SUCCESS)
        status = apr_thread_create(&made->apr, attributes, begin, made, made->pool);
    if (status != APR_SUCCESS) {
        atomic_fetch_sub(&helpers, 1);
        atomic_fetch_sub(&quiet_ones, quiet);
        apr_pool_destroy(made->pool);
        free(made);
        return mproc__fail_system(MPROC_EAGAIN, (int) status,
                                  "a thread of a pool cannot be started");
    }
    *thread = made;
    return MPROC_OK;
}

void mproc__thread_join(struct thread *thread)
{
    apr_status_t status;
    apr_thread_join(&status, thread->apr);
    atomic_fetch_sub(&helpers, 1);
    apr_pool_destroy(thread->pool);
    free(thread);
}

int mproc__helper_threads(void)
{
    return atomic_load(&helpers);
}

MPROC_IN_CHILD bool mproc__is_alone(void)
{
    int threads = mproc_plat_thread_count();
    if (threads <= 1)
        return threads == 1;
    int quiet = mproc__log_has_callback() ? 0 : atomic_load(&quiet_ones) - is_quiet;
    return threads - quiet <= 1;
}

MPROC_IN_CHILD void mproc__threads_forked(void)
{
    if (atomic_load(&helpers) == 0)
        return;
    atomic_store(&helpers, 0);
    atomic_store(&quiet_ones, 0);
    is_quiet = false;
}
