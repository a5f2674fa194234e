/* SPDX-License-Identifier: MIT */
/* HMAC by OpenSSL's libcrypto. */
#include "posix.h"

#include <openssl/hmac.h>

mproc_err mproc_plat_hmac(enum mproc_plat_digest digest, const void *key, size_t key_size,
                          const void *bytes, size_t size,
                          unsigned char mac[MPROC_PLAT_DIGEST_SIZE], size_t *mac_size)
{
    const EVP_MD *method = digest == MPROC_PLAT_MD5      ? EVP_md5()
                           : digest == MPROC_PLAT_SHA256 ? EVP_sha256()
                           : digest == MPROC_PLAT_SHA384 ? EVP_sha384()
                           : digest == MPROC_PLAT_SHA3_256 ? EVP_sha3_256()
                                                           : EVP_sha3_384();
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!method || !HMAC(method, key, (int) key_size, bytes, size, made, &length) ||
        length > MPROC_PLAT_DIGEST_SIZE)
        return mproc__fail(MPROC_ENOTSUP, "libcrypto refuses this digest; its configuration may forbid it");
    for (unsigned i = 0; i < length; i++)
        mac[i] = made[i];
    *mac_size = length;
    return MPROC_OK;
}
