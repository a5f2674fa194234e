/* SPDX-License-Identifier: MIT */
/* apply_async with a callback: it runs in the parent, with the result. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>

static int add_hundred(const void *in, void *out)
{
    *(int *) out = *(const int *) in + 100;
    return 0;
}

static void print_result(void *context, const void *out, size_t size)
{
    const int64_t *parent = context;
    (void) size;
    printf("%s: %d\n", mproc_pid() == *parent ? "in the parent" : "elsewhere", *(const int *) out);
}

int main(void)
{
    mproc_init();

    int64_t parent = mproc_pid();
    mproc_task_options options = { .callback = print_result, .context = &parent };
    mproc_pool *pool;
    MPROC_MUST(mproc_pool_create(&pool, 3, NULL));
    for (int i = 0; i < 6; i++)
        MPROC_MUST(
            mproc_pool_apply_async(pool, NULL, add_hundred, &i, sizeof i, sizeof i, &options));
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
    MPROC_MUST(mproc_pool_destroy(pool)); /* after the last callback */
    return 0;
}
