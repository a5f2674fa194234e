/* SPDX-License-Identifier: MIT */
/* APR's mutexes, and how a forked child avoids them. */
#include "mutex.h"

#include "compiler.h"

#include <apr_general.h>
#include <apr_thread_mutex.h>

static apr_thread_mutex_t *make(void)
{
    static apr_pool_t *pool;
    static bool failed;
    apr_thread_mutex_t *made = NULL;
    /* Once apr_initialize() has failed, APR believes itself to be initialised and crashes. */
    if (failed)
        return NULL;
    if (!pool && (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)) {
        failed = true;
        return NULL;
    }
    return apr_thread_mutex_create(&made, APR_THREAD_MUTEX_DEFAULT, pool) == APR_SUCCESS ? made : NULL;
}

static apr_thread_mutex_t *get(struct mutex *mutex)
{
    static atomic_flag making = ATOMIC_FLAG_INIT;
    apr_thread_mutex_t *apr = atomic_load_explicit(&mutex->apr, memory_order_acquire);
    if (apr || mutex->degraded)
        return apr;
    while (atomic_flag_test_and_set(&making))
        mproc__pause();
    if (!mutex->apr && !mutex->degraded) {
        mutex->apr = make();
        mutex->degraded = mutex->apr == NULL;
    }
    atomic_flag_clear(&making);
    return mutex->apr;
}

mproc_err mproc__mutex_create(struct mutex *mutex)
{
    return get(mutex) ? MPROC_OK : mproc__fail(MPROC_ENOMEM, "no memory for the mutexes of mproc");
}

void mproc__mutex_lock(struct mutex *mutex)
{
    if (atomic_load_explicit(&mutex->kept, memory_order_relaxed) &&
        atomic_exchange_explicit(&mutex->kept, false, memory_order_acquire))
        return;
    apr_thread_mutex_t *apr = get(mutex);
    if (apr)
        apr_thread_mutex_lock(apr);
    else
        while (atomic_flag_test_and_set(&mutex->spin))
            mproc__pause();
}

void mproc__mutex_unlock(struct mutex *mutex)
{
    if (mutex->apr)
        apr_thread_mutex_unlock(mutex->apr);
    else
        atomic_flag_clear(&mutex->spin);
}

void mproc__mutex_keep(struct mutex *mutex)
{
    if (MPROC_THREAD_SANITIZER)
        mproc__mutex_unlock(mutex);
    else
        atomic_store_explicit(&mutex->kept, true, memory_order_release);
}
