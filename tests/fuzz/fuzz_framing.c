/* SPDX-License-Identifier: MIT */
/* Headers of messages: whatever comes, a size within the limit or an error. */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    unsigned char header[FRAME_HEADER_LONG], again[FRAME_HEADER_LONG];
    size_t have = size < sizeof header ? size : sizeof header;
    memcpy(header, bytes, have);
    size_t length = mproc__frame_header_size(header, have);
    if (length > have)
        return 0;
    uint64_t message = 0, limit = size > 12 ? bytes[12] * UINT64_C(1000) : 0;
    if (mproc__frame_decode(header, limit, &message) != MPROC_OK)
        return 0;
    if (limit && message > limit)
        abort();
    uint64_t back;
    mproc__frame_encode(message, again);
    if (mproc__frame_decode(again, 0, &back) != MPROC_OK || back != message)
        abort();
    return 0;
}
