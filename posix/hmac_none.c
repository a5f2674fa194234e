/* SPDX-License-Identifier: MIT */
/* mproc was built where there is no libcrypto: connections have no keys. */
#include "posix.h"

mproc_err mproc_plat_hmac(enum mproc_plat_digest digest, const void *key, size_t key_size,
                          const void *bytes, size_t size,
                          unsigned char mac[MPROC_PLAT_DIGEST_SIZE], size_t *mac_size)
{
    (void) digest;
    (void) key;
    (void) key_size;
    (void) bytes;
    (void) size;
    (void) mac;
    (void) mac_size;
    return mproc__fail(MPROC_ENOTSUP, "this mproc was built without libcrypto: it cannot prove keys");
}
