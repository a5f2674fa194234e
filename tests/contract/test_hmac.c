/* SPDX-License-Identifier: MIT */
/* mproc_plat_hmac: RFC 2202 and RFC 4231, case 2, and what Python's hmac says to nothing at all, and to a key longer
 * than the block of any digest. */
#include "contract.h"

enum { LONG_KEY = 200, CASES = 3 };

struct vector {
    enum mproc_plat_digest digest;
    size_t size;
    const char *expected[CASES];
};

static const struct vector md5_and_sha2[] = {
    { MPROC_PLAT_MD5, 16,
      { "750c783e6ab0b503eaa86e310a5db738", "74e6f7298a9c2d168935f58c001bad88", "8df98dca2397c5c8399d42a5bcc6e477" } },
    { MPROC_PLAT_SHA256, 32,
      { "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
        "f84c159648a99f6ace4dc6e293ebc50e9ec6936ebd7022091d9ae0f5cd6693ba" } },
    { MPROC_PLAT_SHA384, 48,
      { "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        "6c1f2ee938fad2e24bd91298474382ca218c75db3d83e114b3d4367776d14d3551289e75e8209cd4b792302840234adc",
        "ec629fe0dc1fab504fc1c89572d6573cf15c3a4b5b69d53f0c13849561a6c13e153af48d2538ce056a3fe10d69da16c3" } },
};
static const struct vector sha3[] = {
    { MPROC_PLAT_SHA3_256, 32,
      { "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5",
        "e841c164e5b4f10c9f3985587962af72fd607a951196fc92fb3a5251941784ea",
        "49ad92b02124fdac9627ae45e008a696182ab6bfb8470457777c744aeb9df06f" } },
    { MPROC_PLAT_SHA3_384, 48,
      { "f1101f8cbf9766fd6764d2ed61903f21ca9b18f57cf3e1a23ca13508a93243ce48c045dc007f26a21b3f5e0e9df4c20a",
        "adca89f07bbfbeaf58880c1572379ea2416568fd3b66542bd42599c57c4567e6ae086299ea216c6f3e7aef90b6191d24",
        "3e7b62d091d75f484892bc2ed26d7b0ed37c9529f0227197cc8522971eb6f7215dd4e0cc6ea306987e0cbfe914f3a916" } },
};

static mproc_err make(enum mproc_plat_digest digest, int number, unsigned char *mac, size_t *size)
{
    unsigned char key[LONG_KEY];
    static const char text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    memset(key, 0xaa, sizeof key);
    return number == 0   ? mproc_plat_hmac(digest, "Jefe", 4, "what do ya want for nothing?", 28, mac, size)
           : number == 1 ? mproc_plat_hmac(digest, "", 0, "", 0, mac, size)
                         : mproc_plat_hmac(digest, key, sizeof key, text, strlen(text), mac, size);
}

static void check(const struct vector *vector)
{
    for (int i = 0; i < CASES; i++) {
        unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
        char text[2 * MPROC_PLAT_DIGEST_SIZE + 1] = "";
        size_t size = 0;
        memset(mac, 0x5c, sizeof mac);
        CHECK_OK(make(vector->digest, i, mac, &size));
        CU_ASSERT_EQUAL_FATAL(size, vector->size);
        for (size_t at = 0; at < size; at++)
            snprintf(text + 2 * at, 3, "%02x", mac[at]);
        CU_ASSERT_STRING_EQUAL(text, vector->expected[i]);
        for (size_t at = size; at < sizeof mac; at++)
            CU_ASSERT_EQUAL(mac[at], 0x5c);
    }
}

static void md5_and_sha2_are_as_elsewhere(void)
{
    if (!HAS_KEYS) {
        skip("this build has no libcrypto");
        return;
    }
    for (size_t i = 0; i < sizeof md5_and_sha2 / sizeof *md5_and_sha2; i++)
        check(&md5_and_sha2[i]);
}

static void sha3_is_as_elsewhere(void)
{
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    size_t size = 0;
    if (!HAS_KEYS) {
        skip("this build has no libcrypto");
        return;
    }
    if (system_is_windows() && make(MPROC_PLAT_SHA3_256, 0, mac, &size) == MPROC_ENOTSUP) {
        skip(mproc_last_error()); /* it came with Windows 11 */
        return;
    }
    for (size_t i = 0; i < sizeof sha3 / sizeof *sha3; i++)
        check(&sha3[i]);
}

static void without_libcrypto_there_is_none(void)
{
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE] = { 7 };
    size_t size = 99;
    if (HAS_KEYS) {
        skip("this build can make them");
        return;
    }
    CHECK_FAILS(make(MPROC_PLAT_SHA256, 0, mac, &size), MPROC_ENOTSUP);
    CU_ASSERT_TRUE(mac[0] == 7 && size == 99);
}

static int no_child(const char *boot)
{
    (void) boot;
    return 1;
}

MPROC_CONTRACT_SUITE(hmac, no_child, MPROC_TEST(md5_and_sha2_are_as_elsewhere), MPROC_TEST(sha3_is_as_elsewhere),
                     MPROC_TEST(without_libcrypto_there_is_none))
