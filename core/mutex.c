/* SPDX-License-Identifier: MIT */
/* APR's mutexes, and how a forked child avoids them. */
#include "mutex.h"

#include <apr_general.h>
#include <apr_thread_mutex.h>

mproc_err mproc__mutex_create(struct mutex *mutex)
{
    static apr_pool_t *pool;
    if ((!pool && (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)) ||
        apr_thread_mutex_create(&mutex->apr, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS)
        return mproc__fail(MPROC_ENOMEM, "no memory for the mutexes of mproc");
    return MPROC_OK;
}

void mproc__mutex_lock(struct mutex *mutex)
{
    if (atomic_load_explicit(&mutex->kept, memory_order_relaxed) &&
        atomic_exchange_explicit(&mutex->kept, false, memory_order_acquire))
        return;
    apr_thread_mutex_lock(mutex->apr);
}

void mproc__mutex_unlock(struct mutex *mutex)
{
    apr_thread_mutex_unlock(mutex->apr);
}

void mproc__mutex_keep(struct mutex *mutex)
{
    atomic_store_explicit(&mutex->kept, true, memory_order_release);
}
