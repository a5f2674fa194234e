/* SPDX-License-Identifier: MIT */
/* HMAC by BCrypt. */
#include "win32.h"

#include <bcrypt.h>

mproc_err mproc_plat_hmac(enum mproc_plat_digest digest, const void *key, size_t key_size,
                          const void *bytes, size_t size,
                          unsigned char mac[MPROC_PLAT_DIGEST_SIZE], size_t *mac_size)
{
    static const struct {
        const wchar_t *name;
        size_t size;
    } methods[] = {
        { L"MD5", 16 }, { L"SHA256", 32 }, { L"SHA384", 48 }, { L"SHA3-256", 32 }, { L"SHA3-384", 48 },
    };
    BCRYPT_ALG_HANDLE provider;
    if (BCryptOpenAlgorithmProvider(&provider, methods[digest].name, NULL, BCRYPT_ALG_HANDLE_HMAC_FLAG) != 0)
        return mproc__fail(MPROC_ENOTSUP, "this Windows has no digest %ls", methods[digest].name);
    BCRYPT_HASH_HANDLE hash = NULL;
    NTSTATUS status = BCryptCreateHash(provider, &hash, NULL, 0, (PUCHAR) (uintptr_t) key, (ULONG) key_size, 0);
    if (status == 0)
        status = BCryptHashData(hash, (PUCHAR) (uintptr_t) bytes, (ULONG) size, 0);
    if (status == 0)
        status = BCryptFinishHash(hash, mac, (ULONG) methods[digest].size, 0);
    if (hash)
        BCryptDestroyHash(hash);
    BCryptCloseAlgorithmProvider(provider, 0);
    if (status != 0)
        return mproc__fail(MPROC_ESYSTEM, "Windows made no HMAC (status %lx)", (unsigned long) status);
    *mac_size = methods[digest].size;
    return MPROC_OK;
}
