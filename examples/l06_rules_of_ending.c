/* SPDX-License-Identifier: MIT */
/* join before close is an error, a task after close is an error, terminate ends at once. */
#include <mproc.h>

#include <stdio.h>

enum { HOUR = 3600 * 1000, SOON = 60000 };

static int sleep_long(const void *in, void *out)
{
    (void) in;
    (void) out;
    mproc_sleep(HOUR);
    return 0;
}

static void show(const char *what, mproc_err err)
{
    printf("%s: %s%s%s\n", what, mproc_err_name(err), err == MPROC_OK ? "" : ": ",
           err == MPROC_OK ? "" : mproc_last_error());
}

int main(void)
{
    mproc_init();

    mproc_pool *pool;
    mproc_result *result;
    MPROC_MUST(mproc_pool_create(&pool, 2, NULL));
    MPROC_MUST(mproc_pool_apply_async(pool, &result, sleep_long, NULL, 0, 0, NULL));
    show("join before close", mproc_pool_join(pool, SOON));
    show("close", mproc_pool_close(pool));
    show("a task after close", mproc_pool_apply_async(pool, NULL, sleep_long, NULL, 0, 0, NULL));
    show("join with a time-out", mproc_pool_join(pool, 50));
    show("terminate", mproc_pool_terminate(pool));
    show("join", mproc_pool_join(pool, SOON)); /* the task would have taken an hour */
    show("the task", mproc_result_get(result, NULL, 0, MPROC_NOWAIT));
    show("destroy", mproc_pool_destroy(pool));
    return 0;
}
