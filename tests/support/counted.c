/* SPDX-License-Identifier: MIT */
#include "counted.h"
#include "wrapped.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { REGION = 64 << 20 };

struct block {
    size_t size;
    size_t unused; /* what follows is aligned */
};

static char *region;
static size_t region_next, in_use, peak;
static size_t base_next, base_in_use; /* at the last start: what the C library keeps */
static bool counting;

static bool is_counted(const void *memory)
{
    return region && (const char *) memory >= region && (const char *) memory < region + REGION;
}

void *__wrap_malloc(size_t size)
{
    if (!counting)
        return __real_malloc(size);
    size_t room = sizeof(struct block) + ((size + 15) & ~(size_t) 15);
    if (room > REGION - region_next)
        return NULL;
    struct block *block = (struct block *) (region + region_next);
    region_next += room;
    block->size = size;
    in_use += size;
    peak = in_use > peak ? in_use : peak;
    return block + 1;
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (!counting)
        return __real_calloc(count, size);
    void *memory = __wrap_malloc(count * size);
    return memory ? memset(memory, 0, count * size) : NULL;
}

void __wrap_free(void *memory)
{
    if (!is_counted(memory)) {
        __real_free(memory);
        return;
    }
    in_use -= ((struct block *) memory - 1)->size;
    if (in_use == base_in_use)
        region_next = base_next;
}

void *__wrap_realloc(void *old, size_t size)
{
    if (old ? !is_counted(old) : !counting)
        return __real_realloc(old, size);
    bool counted = counting;
    counting = true; /* a counted block stays one */
    void *memory = __wrap_malloc(size);
    counting = counted;
    if (memory && old) {
        size_t before = ((struct block *) old - 1)->size;
        memcpy(memory, old, before < size ? before : size);
        __wrap_free(old);
    }
    return memory;
}

void counting_start(void)
{
    if (!region)
        region = __real_malloc(REGION);
    if (!region)
        abort();
    base_next = region_next;
    base_in_use = peak = in_use;
    counting = true;
}

size_t counting_stop(void)
{
    counting = false;
    return peak - base_in_use;
}

size_t counted_in_use(void)
{
    return in_use - base_in_use;
}
