/* SPDX-License-Identifier: MIT */
/* Codes, names, and the last error of each thread. */
#include "error.h"
#include "mproc.h"
#include "suite.h"

#include <apr_general.h>
#include <apr_thread_proc.h>
#include <string.h>

static void every_code_has_a_name_of_its_own(void)
{
    for (int a = 0; a <= MPROC_ETYPE; a++) {
        CU_ASSERT_EQUAL(strncmp(mproc_err_name((mproc_err) a), "MPROC_", 6), 0);
        for (int b = 0; b < a; b++)
            CU_ASSERT(strcmp(mproc_err_name((mproc_err) a), mproc_err_name((mproc_err) b)) != 0);
    }
    CU_ASSERT_STRING_EQUAL(mproc_err_name((mproc_err) 4711), "MPROC_E?");
    CU_ASSERT_STRING_EQUAL(mproc_err_name((mproc_err) -1), "MPROC_E?");
}

static void a_failure_leaves_its_sentence_and_the_systems_code(void)
{
    CU_ASSERT_EQUAL(mproc__fail_system(MPROC_ENOTFOUND, 2, "cannot open %s", "the file"),
                    MPROC_ENOTFOUND);
    CU_ASSERT_EQUAL(strncmp(mproc_last_error(), "cannot open the file: ", 22), 0);
    CU_ASSERT_EQUAL(mproc_last_system_error(), 2);
    CU_ASSERT_EQUAL(mproc__fail(MPROC_EINVAL, "no"), MPROC_EINVAL);
    CU_ASSERT_STRING_EQUAL(mproc_last_error(), "no");
    CU_ASSERT_EQUAL(mproc_last_system_error(), 0);
}

static void a_long_sentence_is_cut_not_overrun(void)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void) mproc__fail_system(MPROC_EINVAL, 2, "%s", text);
    CU_ASSERT(strlen(mproc_last_error()) < 1000);
}

static void *APR_THREAD_FUNC fail_elsewhere(apr_thread_t *thread, void *context)
{
    (void) thread;
    (void) mproc__fail(MPROC_EINVAL, "in the other thread");
    *(bool *) context = strcmp(mproc_last_error(), "in the other thread") == 0;
    return NULL;
}

static void threads_do_not_see_each_others_errors(void)
{
    (void) mproc__fail(MPROC_EINVAL, "in this thread");
    apr_pool_t *pool;
    apr_thread_t *thread;
    apr_status_t status;
    bool seen = false;
    CU_ASSERT_EQUAL_FATAL(apr_pool_create(&pool, NULL), APR_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(apr_thread_create(&thread, NULL, fail_elsewhere, &seen, pool), APR_SUCCESS);
    apr_thread_join(&status, thread);
    apr_pool_destroy(pool);
    CU_ASSERT(seen);
    CU_ASSERT_STRING_EQUAL(mproc_last_error(), "in this thread");
}

MPROC_SUITE(error, MPROC_TEST(every_code_has_a_name_of_its_own),
            MPROC_TEST(a_failure_leaves_its_sentence_and_the_systems_code),
            MPROC_TEST(a_long_sentence_is_cut_not_overrun),
            MPROC_TEST(threads_do_not_see_each_others_errors))
