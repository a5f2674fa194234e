/* SPDX-License-Identifier: MIT */
/* What the linker calls instead of the allocator (-Wl,--wrap=malloc and so on), and the allocator itself. */
#ifndef MPROC_TESTS_WRAPPED_H
#define MPROC_TESTS_WRAPPED_H

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);

#endif
