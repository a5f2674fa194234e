/* SPDX-License-Identifier: MIT */
/* The header before each message of a stream: a big-endian int32 length; for more than 2^31 - 1 bytes
 * ff ff ff ff and a big-endian uint64. Nothing but functions over bytes. */
#ifndef MPROC_CORE_FRAME_H
#define MPROC_CORE_FRAME_H

#include "error.h"

enum { FRAME_HEADER_SHORT = 4, FRAME_HEADER_LONG = 12, FRAME_JOINED = 16384 };

/* Writes the header of a message of `size` bytes; its length, 4 or 12. */
size_t mproc__frame_encode(uint64_t size, unsigned char header[FRAME_HEADER_LONG]);

/* How many bytes of the header there must be, as far as the `have` first ones tell: 4 or 12. */
size_t mproc__frame_header_size(const unsigned char *header, size_t have);

/* Reads a whole header. MPROC_EPROTO for a negative length, a size above `limit` (0: none) or one
 * that no memory can hold. */
mproc_err mproc__frame_decode(const unsigned char *header, uint64_t limit, uint64_t *size);

#endif
