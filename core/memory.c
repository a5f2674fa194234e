/* SPDX-License-Identifier: MIT */
/* Blocks of shared memory for users. */
#include "mproc/memory.h"

#include "arena.h"
#include "runtime.h"

mproc_err mproc_alloc(mproc_memory *block, size_t size)
{
    if (!block || size == 0)
        return mproc__fail(MPROC_EINVAL, "mproc_alloc: %s",
                           block ? "size is 0; ask for at least one byte" : "block is NULL");
    mproc_err err = mproc__check_init();
    return err == MPROC_OK ? mproc__arena_alloc(BLOCK_MEMORY, size, &block->id) : err;
}

mproc_err mproc_free(mproc_memory block)
{
    if (block.id == 0)
        return MPROC_OK;
    mproc_err err = mproc__check_init();
    return err == MPROC_OK ? mproc__arena_free(BLOCK_MEMORY, block.id) : err;
}

void *mproc_pointer(mproc_memory block)
{
    return mproc__check_init() == MPROC_OK ? mproc__arena_at(BLOCK_MEMORY, block.id) : NULL;
}

size_t mproc_size(mproc_memory block)
{
    if (mproc__check_init() != MPROC_OK)
        return 0;
    return (size_t) mproc__arena_size(BLOCK_MEMORY, block.id);
}
