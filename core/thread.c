/* SPDX-License-Identifier: MIT */
/* mproc's own threads. */
#include "thread.h"

#include <apr_general.h>
#include <apr_thread_proc.h>

#include <stdatomic.h>
#include <stdlib.h>

struct thread {
    apr_pool_t *pool;
    apr_thread_t *apr;
    void (*run)(void *context);
    void *context;
};

/* A process forked by such a thread runs on a copy of its stack. */
enum { STACK_SIZE = 8 << 20 };

static atomic_int helpers;

static void *APR_THREAD_FUNC begin(apr_thread_t *apr, void *context)
{
    struct thread *thread = context;
    (void) apr;
    thread->run(thread->context);
    return NULL;
}

/* A pool without a parent: a fork while another thread is in APR's global pool would leave that locked. */
mproc_err mproc__thread_start(struct thread **thread, void (*run)(void *context), void *context)
{
    struct thread *made = calloc(1, sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a thread");
    made->run = run;
    made->context = context;
    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create_unmanaged_ex(&made->pool, NULL, NULL) != APR_SUCCESS) {
        free(made);
        return mproc__fail(MPROC_ENOMEM, "no memory for a thread");
    }
    atomic_fetch_add(&helpers, 1);
    apr_threadattr_t *attributes = NULL;
    apr_status_t status = apr_threadattr_create(&attributes, made->pool);
    if (status == APR_SUCCESS)
        status = apr_threadattr_stacksize_set(attributes, STACK_SIZE);
    if (status == APR_SUCCESS)
        status = apr_thread_create(&made->apr, attributes, begin, made, made->pool);
    if (status != APR_SUCCESS) {
        atomic_fetch_sub(&helpers, 1);
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

void mproc__threads_forked(void)
{
    atomic_store(&helpers, 0);
}
