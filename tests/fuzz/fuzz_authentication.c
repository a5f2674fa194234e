/* SPDX-License-Identifier: MIT */
/* Handshakes: nobody without the key gets through, and no message is too strange. The first byte: bit
 * 0 which side, bit 1 refuse_md5; then messages, each after a byte with its length. */
#include "authentication.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct authentication auth;
    struct auth_message out;
    if (mproc__auth_begin(&auth, bytes[0] & 1, bytes[0] & 2, "the key", 7, &out) != MPROC_OK)
        return 0;
    for (size_t at = 1; at < size;) {
        size_t length = bytes[at++];
        if (length > size - at)
            length = size - at;
        mproc_err err = mproc__auth_step(&auth, bytes + at, length, &out);
        at += length;
        if (out.size > AUTH_MESSAGE_SIZE || auth.state == AUTH_DONE)
            abort(); /* the challenge is random: no input can have proved the key */
        if (err != MPROC_OK)
            break;
    }
    return 0;
}
