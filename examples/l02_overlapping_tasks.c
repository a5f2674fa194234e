/* SPDX-License-Identifier: MIT */
/* A pool of five and ten tasks by apply_async: "begin" lines come before the first ones have ended. */
#include <mproc.h>

#include <apr_time.h>

#include <stdio.h>

static int work(const void *in, void *out)
{
    (void) out;
    printf("begin %d\n", *(const int *) in);
    fflush(stdout);
    apr_sleep(300 * 1000);
    printf("end %d\n", *(const int *) in);
    fflush(stdout);
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_pool *pool;
    MPROC_MUST(mproc_pool_create(&pool, 5, NULL));
    for (int i = 0; i < 10; i++)
        MPROC_MUST(mproc_pool_apply_async(pool, NULL, work, &i, sizeof i, 0, NULL));
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool));
    return 0;
}
