/* SPDX-License-Identifier: MIT */
/* needs: apr */
/* A child that starts threads of its own. */
#include <mproc.h>

#include <apr_general.h>
#include <apr_portable.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include <inttypes.h>
#include <stdio.h>

enum { THREADS = 4 };

static apr_thread_mutex_t *gate;

static void *APR_THREAD_FUNC print_id(apr_thread_t *thread, void *arg)
{
    (void) thread;
    (void) arg;
    apr_thread_mutex_lock(gate);
    printf("thread %" PRIuPTR " of process %" PRId64 "\n", (uintptr_t) apr_os_thread_current(),
           mproc_pid());
    apr_thread_mutex_unlock(gate);
    return NULL;
}

static int start_threads(void *arg)
{
    (void) arg;
    apr_pool_t *pool;
    apr_thread_t *threads[THREADS];
    if (apr_initialize() || apr_pool_create(&pool, NULL) ||
        apr_thread_mutex_create(&gate, APR_THREAD_MUTEX_DEFAULT, pool))
        return 1;

    apr_thread_mutex_lock(gate); /* the id of a thread that has ended may be used again */
    for (int i = 0; i < THREADS; i++)
        if (apr_thread_create(&threads[i], NULL, print_id, NULL, pool))
            return 1;
    apr_thread_mutex_unlock(gate);

    for (int i = 0; i < THREADS; i++) {
        apr_status_t result;
        apr_thread_join(&result, threads[i]);
    }
    apr_terminate();
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_process *child;
    MPROC_MUST(mproc_process_start(&child, start_threads, NULL, 0, NULL));
    MPROC_MUST(mproc_process_join(child, MPROC_FOREVER));
    int exit_code;
    MPROC_MUST(mproc_process_exit_code(child, &exit_code));
    MPROC_MUST(mproc_process_close(child));
    printf("process %" PRId64 " has no other threads\n", mproc_pid());
    return exit_code;
}
