/* SPDX-License-Identifier: MIT */
/* UTF-8, and buffers that grow. */
#include "object.h"

#include <stdlib.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the code point at `at`, 0 if it is none. Python lets surrogates pass in pickles. */
static size_t code_point_size(const unsigned char *at, size_t left)
{
    unsigned char first = at[0];
    if (first < 0x80)
        return 1;
    if (first < 0xc2)
        return 0;
    if (first < 0xe0)
        return left >= 2 && is_tail(at[1]) ? 2 : 0;
    if (first < 0xf0)
        return left >= 3 && is_tail(at[1]) && is_tail(at[2]) && (first > 0xe0 || at[1] >= 0xa0) ? 3 : 0;
    if (first > 0xf4 || left < 4 || !is_tail(at[1]) || !is_tail(at[2]) || !is_tail(at[3]))
        return 0;
    return (first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] >= 0x90) ? 0 : 4;
}

bool mproc__utf8_valid(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *) text, *end = size > 0 ? at + size : at;
    while (at < end) {
        uint64_t eight;
        while (end - at >= 8) {
            memcpy(&eight, at, sizeof eight);
            if (eight & HIGH_BITS)
                break;
            at += 8;
        }
        if (at == end)
            break;
        size_t step = code_point_size(at, (size_t) (end - at));
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

void mproc_buffer_free(mproc_buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->data);
    *buffer = (mproc_buffer) MPROC_BUFFER_INIT;
}

char *mproc__buffer_extend(mproc_buffer *buffer, size_t size)
{
    if (size > buffer->capacity - buffer->size || !buffer->data) {
        size_t capacity = buffer->capacity + buffer->capacity / 2;
        if (size > SIZE_MAX / 2 - buffer->size)
            return NULL;
        if (capacity < buffer->size + size + 64)
            capacity = buffer->size + size + 64;
        char *data = realloc(buffer->data, capacity);
        if (!data)
            return NULL;
        buffer->data = data;
        buffer->capacity = capacity;
    }
    buffer->size += size;
    return buffer->data + buffer->size - size;
}

bool mproc__buffer_append(mproc_buffer *buffer, const void *data, size_t size)
{
    char *room = mproc__buffer_extend(buffer, size);
    if (room && size > 0)
        memcpy(room, data, size);
    return room != NULL;
}
