/* SPDX-License-Identifier: MIT */
/* The functions a pool's tasks run, by number: (image, offset) in shared memory. */
#include "pool_shared.h"

#include "function.h"
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

static mproc_err describe(mproc_task *function, uint64_t *handle)
{
    const struct mproc_plat_image *image;
    uint64_t offset;
    mproc__lock();
    mproc_err err = mproc__function_describe((void (*)(void)) function, &image, &offset);
    size_t length = err == MPROC_OK ? strlen(image->path) + 1 : 0;
    if (err == MPROC_OK)
        err = mproc__arena_alloc(BLOCK_TASK, sizeof(struct pool_function) + length, handle);
    if (err == MPROC_OK) {
        struct pool_function *made = mproc__arena_at(BLOCK_TASK, *handle);
        made->offset = offset;
        made->is_main = image->main;
        memcpy(made->identity, image->identity, sizeof made->identity);
        memcpy(made->path, image->path, length);
    }
    mproc__unlock();
    return err;
}

static bool is_the_same(const struct pool_function *left, const struct pool_function *right)
{
    return left->offset == right->offset && left->is_main == right->is_main &&
           memcmp(left->identity, right->identity, sizeof left->identity) == 0 &&
           strcmp(left->path, right->path) == 0;
}

mproc_err mproc__pool_function_number(struct pool_shared *shared, mproc_task *function,
                                      uint32_t *number, bool *is_main)
{
    uint64_t handle;
    mproc_err err = describe(function, &handle);
    if (err != MPROC_OK)
        return err;
    const struct pool_function *made = mproc__arena_at(BLOCK_TASK, handle);
    if (is_main)
        *is_main = made->is_main;
    uint32_t count = atomic_load(&shared->functions);
    for (uint32_t i = 0; i < count; i++)
        if (is_the_same(mproc_plat_region_at(atomic_load(&shared->function[i])), made)) {
            mproc__arena_free(BLOCK_TASK, handle);
            *number = i;
            return MPROC_OK;
        }
    if (count == POOL_FUNCTIONS) {
        mproc__arena_free(BLOCK_TASK, handle);
        return mproc__fail(MPROC_ENOMEM, "a pool runs at most %d different functions",
                           POOL_FUNCTIONS);
    }
    shared->function_block[count] = handle;
    atomic_store(&shared->function[count], mproc_plat_region_offset(made));
    atomic_store(&shared->functions, count + 1);
    *number = count;
    return MPROC_OK;
}

mproc_err mproc__pool_function_find(struct pool_shared *shared, uint32_t number,
                                    mproc_task **function)
{
    const struct pool_function *wanted = mproc_plat_region_at(
        atomic_load(&shared->function[number]));
    const struct mproc_plat_image *own;
    void (*found)(void) = NULL;
    mproc__lock();
    mproc_err err = mproc__main_image(&own);
    if (err == MPROC_OK && wanted->is_main &&
        memcmp(own->identity, wanted->identity, sizeof own->identity) == 0) {
        err = mproc__function_at(own->base, wanted->offset, &found);
    } else if (err == MPROC_OK) {
        struct mproc_plat_image *image = calloc(1, sizeof *image);
        err = image ? MPROC_OK : mproc__fail(MPROC_ENOMEM, "no memory to find a task's function");
        if (image) {
            image->main = wanted->is_main != 0;
            memcpy(image->identity, wanted->identity, sizeof image->identity);
            memcpy(image->path, wanted->path, strlen(wanted->path) + 1);
            err = mproc__function_find(image, wanted->offset, &found);
            free(image);
        }
    }
    mproc__unlock();
    if (err == MPROC_OK)
        *function = (mproc_task *) found;
    return err;
}
