/* SPDX-License-Identifier: MIT */
/* Bytes that are told from all others, for items of any length. */
#ifndef MPROC_TESTS_PATTERN_H
#define MPROC_TESTS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

static inline unsigned char pattern(size_t seed, size_t i)
{
    return (unsigned char) ((seed * 131 + i * 7 + i / 251) & 0xff);
}

static inline void fill(unsigned char *bytes, size_t size, size_t seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern(seed, i);
}

static inline bool is_filled(const unsigned char *bytes, size_t size, size_t seed)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != pattern(seed, i))
            return false;
    return true;
}

#endif
