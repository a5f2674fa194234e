/* SPDX-License-Identifier: MIT */
/* mproc_plat_hmac against RFC 2202 and RFC 4231, case 2. */
#include "contract.h"

static void check(enum mproc_plat_digest digest, const char *expected)
{
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    char text[2 * MPROC_PLAT_DIGEST_SIZE + 1] = "";
    size_t size = 0;
    mproc_err err = mproc_plat_hmac(digest, "Jefe", 4, "what do ya want for nothing?", 28, mac, &size);
    if (err == MPROC_ENOTSUP) {
        skip(mproc_last_error());
        return;
    }
    CHECK_OK(err);
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", mac[i]);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static void md5_and_sha2_are_those_of_the_rfcs(void)
{
    check(MPROC_PLAT_MD5, "750c783e6ab0b503eaa86e310a5db738");
    check(MPROC_PLAT_SHA256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    check(MPROC_PLAT_SHA384, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
                             "8e2240ca5e69e2c78b3239ecfab21649");
}

static void sha3_is_nists(void)
{
    check(MPROC_PLAT_SHA3_256, "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5");
    check(MPROC_PLAT_SHA3_384, "f1101f8cbf9766fd6764d2ed61903f21ca9b18f57cf3e1a23ca13508a93243ce"
                               "48c045dc007f26a21b3f5e0e9df4c20a");
}

static int no_child(const char *boot)
{
    (void) boot;
    return 1;
}

MPROC_CONTRACT_SUITE(hmac, no_child,
    MPROC_TEST(md5_and_sha2_are_those_of_the_rfcs),
    MPROC_TEST(sha3_is_nists))
