/* SPDX-License-Identifier: MIT */
/* The shared heap as a whole, looked at from outside: every block is in use, free in its place, or lost. */
#ifndef MPROC_TESTS_HEAP_H
#define MPROC_TESTS_HEAP_H

#include "suite.h"

#include "arena_blocks.h"

struct heap {
    uint64_t wrong; /* extents or blocks that cannot be so */
    uint64_t lost;  /* blocks that are neither used nor free */
    uint64_t spare, live;
    size_t size;    /* of places */
    unsigned char *places; /* one for each position */
};
enum { PLACE_LISTED = 1, PLACE_UNCARVED = 2 };

static inline void heap_note_class(struct heap *heap, uint32_t index)
{
    uint64_t steps = 0, amount;
    const struct size_class *class = &mproc__family()->size_class[index];
    for (uint64_t at = atomic_load(&class->free_list) & POSITION_MASK; at && steps++ < heap->size;
         at = mproc__block_size(block_at(at))) {
        const struct block *block = block_at(at);
        if (at >= heap->size || heap->places[at] || atomic_load(&block->tag) >> GENERATION_BITS != BLOCK_NONE ||
            counted_in(block, &amount) != index) {
            heap->wrong++;
            return;
        }
        heap->places[at] = PLACE_LISTED;
    }
    uint64_t cursor = atomic_load(&class->cursor);
    for (uint64_t left = cursor >> POSITION_BITS, at = cursor & POSITION_MASK; left > 0 && at < heap->size;
         left--, at += class_size(index) / UNIT)
        heap->places[at] = PLACE_UNCARVED;
}

static inline void heap_look_at_extent(struct heap *heap, uint64_t at, uint64_t bytes)
{
    const struct block *first = mproc_plat_region_at(at);
    uint64_t step = block_capacity(first);
    for (uint64_t inside = 0; inside + step <= bytes; inside += step) {
        const struct block *block = mproc_plat_region_at(at + inside);
        uint32_t type = atomic_load(&block->tag) >> GENERATION_BITS;
        unsigned char place = heap->places[(at + inside) / UNIT];
        heap->places[(at + inside) / UNIT] = 0;
        heap->live += type != BLOCK_NONE && type <= BLOCK_SEGMENT;
        heap->wrong += type > BLOCK_SEGMENT || (type != BLOCK_NONE && place);
        heap->lost += type == BLOCK_NONE && !place;
    }
}

/* While nobody else uses the arena, and, on Windows, it has one section. */
static inline struct heap look_at_heap(void)
{
    const struct family *family = mproc__family();
    uint64_t bytes, end = atomic_load(&family->frontier);
    struct heap heap = { .size = (size_t) (end / UNIT) };
    CU_ASSERT_TRUE_FATAL(end <= UINT64_C(1) << 30);
    heap.places = calloc(heap.size, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(heap.places);
    for (uint32_t index = 0; index < SIZE_CLASSES; index++)
        heap_note_class(&heap, index);
    for (uint64_t at = GRANULE; at < end; at += bytes) {
        const struct block *block = mproc_plat_region_at(at);
        uint32_t index = class_index_of(block), type = atomic_load(&block->tag) >> GENERATION_BITS;
        bytes = index & LARGE_BIT ? block_capacity(block) : run_size(index);
        if (bytes == 0 || mproc__block_check(family, at / UNIT) != (atomic_load(&block->size) & ~SIZE_MASK)) {
            heap.wrong++;
            break;
        }
        if (type == BLOCK_SPARE || type == BLOCK_HOLLOW)
            heap.spare++;
        else
            heap_look_at_extent(&heap, at, bytes);
    }
    for (size_t at = 0; at < heap.size; at++)
        heap.wrong += heap.places[at] != 0; /* listed, and no block */
    free(heap.places);
    heap.places = NULL;
    return heap;
}

/* Nothing is wrong with it, and so many blocks are lost, at most. */
static inline void check_heap(uint64_t lost)
{
    struct heap heap = look_at_heap();
    CU_ASSERT_EQUAL(heap.wrong, 0);
    CU_ASSERT_TRUE(heap.lost <= lost);
}

#endif
