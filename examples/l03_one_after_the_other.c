/* SPDX-License-Identifier: MIT */
/* Ten tasks in a pool of five by apply, which waits: strictly one after the other. */
#include <mproc.h>

#include <stdio.h>

enum { WORKERS = 5, TASKS = 10, PAUSE = 20 };

static int work(const void *in, void *out)
{
    const int *number = in;
    (void) out;
    printf("begin %d\n", *number);
    fflush(stdout);
    mproc_sleep(PAUSE); /* time for another worker, were there a task for it */
    printf("end %d\n", *number);
    fflush(stdout);
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_pool *pool;
    MPROC_MUST(mproc_pool_create(&pool, WORKERS, NULL));
    for (int i = 0; i < TASKS; i++)
        MPROC_MUST(mproc_pool_apply(pool, work, &i, sizeof i, NULL, 0, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool));
    return 0;
}
