/* SPDX-License-Identifier: MIT */
/* The same ten tasks by apply, which waits: strictly one after the other. */
#include <mproc.h>

#include <stdio.h>

static int work(const void *in, void *out)
{
    (void) out;
    printf("begin %d\n", *(const int *) in);
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
        MPROC_MUST(mproc_pool_apply(pool, work, &i, sizeof i, NULL, 0, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool));
    return 0;
}
