/* SPDX-License-Identifier: MIT */
/* Lengths before messages, as Python's multiprocessing.connection writes them. */
#include "frame.h"

static void put_big_endian(unsigned char *to, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0; value >>= 8)
        to[i] = (unsigned char) (value & 0xff);
}

static uint64_t get_big_endian(const unsigned char *from, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | from[i];
    return value;
}

size_t mproc__frame_encode(uint64_t size, unsigned char header[FRAME_HEADER_LONG])
{
    if (size <= INT32_MAX) {
        put_big_endian(header, size, 4);
        return FRAME_HEADER_SHORT;
    }
    put_big_endian(header, UINT32_MAX, 4);
    put_big_endian(header + 4, size, 8);
    return FRAME_HEADER_LONG;
}

size_t mproc__frame_header_size(const unsigned char *header, size_t have)
{
    return have >= FRAME_HEADER_SHORT && get_big_endian(header, 4) == UINT32_MAX ? FRAME_HEADER_LONG
                                                                                : FRAME_HEADER_SHORT;
}

mproc_err mproc__frame_decode(const unsigned char *header, uint64_t limit, uint64_t *size)
{
    uint64_t length = get_big_endian(header, 4);
    if (length == UINT32_MAX)
        length = get_big_endian(header + 4, 8);
    else if (length > INT32_MAX)
        return mproc__fail(MPROC_EPROTO, "a message of negative length came: the other side does not "
                                         "speak this protocol");
    if (limit != 0 && length > limit)
        return mproc__fail(MPROC_EPROTO, "a message of %llu bytes came, and max_message is %llu",
                           (unsigned long long) length, (unsigned long long) limit);
    if (length > SIZE_MAX / 4)
        return mproc__fail(MPROC_EPROTO, "a message of %llu bytes came, more than memory can hold",
                           (unsigned long long) length);
    *size = length;
    return MPROC_OK;
}
