/* SPDX-License-Identifier: MIT */
/* Challenges and their answers, compatible with Python 3.8 to 3.14. */
#include "authentication.h"

#include <string.h>

#define CHALLENGE "#CHALLENGE#"
#define WELCOME "#WELCOME#"
#define FAILURE "#FAILURE#"
#define PREFIX "{sha256}"

enum {
    CHALLENGE_SIZE = sizeof CHALLENGE - 1,
    RANDOM_SIZE = 40,
    OLD_CHALLENGE = 20, /* Python's before 3.12 */
    OLD_ANSWER = 16,
    SHORTEST_CHALLENGE = 16 /* random bytes after a digest's name */
};

static const struct {
    const char *prefix;
    enum mproc_plat_digest digest;
} digests[] = {
    { "{md5}", MPROC_PLAT_MD5 },           { "{sha256}", MPROC_PLAT_SHA256 },
    { "{sha384}", MPROC_PLAT_SHA384 },     { "{sha3_256}", MPROC_PLAT_SHA3_256 },
    { "{sha3_384}", MPROC_PLAT_SHA3_384 },
};

static void say(struct auth_message *out, const void *first, size_t first_size, const void *second,
                size_t second_size)
{
    memcpy(out->bytes, first, first_size);
    if (second_size > 0)
        memcpy(out->bytes + first_size, second, second_size);
    out->size = first_size + second_size;
}

static bool is_text(const void *bytes, size_t size, const char *text)
{
    return size == strlen(text) && memcmp(bytes, text, size) == 0;
}

/* In a time that does not depend on where they differ. */
static bool same(const unsigned char *one, const unsigned char *other, size_t size)
{
    unsigned char difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= (unsigned char) (one[i] ^ other[i]);
    return difference == 0;
}

/* Which digest a message names, and the length of the name; the old MD5 if it is of `old_size`. */
static bool find_digest(const unsigned char *bytes, size_t size, size_t old_size,
                        enum mproc_plat_digest *digest, size_t *prefix)
{
    *prefix = 0;
    *digest = MPROC_PLAT_MD5;
    if (size == old_size)
        return true;
    for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
        size_t length = strlen(digests[i].prefix);
        if (size > length && memcmp(bytes, digests[i].prefix, length) == 0) {
            *digest = digests[i].digest;
            *prefix = length;
            return true;
        }
    }
    return false;
}

static mproc_err challenge(struct authentication *auth, struct auth_message *out)
{
    size_t prefix = strlen(PREFIX);
    memcpy(auth->challenge, PREFIX, prefix);
    mproc_err err = mproc_plat_random(auth->challenge + prefix, RANDOM_SIZE);
    if (err != MPROC_OK)
        return err;
    auth->challenge_size = prefix + RANDOM_SIZE;
    auth->state = AUTH_AWAIT_RESPONSE;
    say(out, CHALLENGE, CHALLENGE_SIZE, auth->challenge, auth->challenge_size);
    return MPROC_OK;
}

static mproc_err refuse(struct auth_message *out, const char *why)
{
    say(out, FAILURE, strlen(FAILURE), NULL, 0);
    return mproc__fail(MPROC_EAUTH, "the other side has not proved to have the key: %s", why);
}

static mproc_err check_response(struct authentication *auth, const unsigned char *bytes, size_t size,
                                struct auth_message *out)
{
    enum mproc_plat_digest digest;
    size_t prefix, length;
    unsigned char expected[MPROC_PLAT_DIGEST_SIZE];
    if (!find_digest(bytes, size, OLD_ANSWER, &digest, &prefix))
        return refuse(out, "its answer names no known digest");
    if (digest == MPROC_PLAT_MD5 && auth->refuse_md5)
        return refuse(out, "it used MD5, and refuse_md5 is set");
    mproc_err err = mproc_plat_hmac(digest, auth->key, auth->key_size, auth->challenge,
                                    auth->challenge_size, expected, &length);
    if (err == MPROC_ENOTSUP)
        return refuse(out, "it used a digest that this system does not have");
    if (err != MPROC_OK)
        return err;
    if (size - prefix != length || !same(expected, bytes + prefix, length))
        return refuse(out, "use the same authkey on both sides");
    say(out, WELCOME, strlen(WELCOME), NULL, 0);
    auth->state = auth->listener ? AUTH_AWAIT_CHALLENGE : AUTH_DONE;
    return MPROC_OK;
}

static mproc_err answer(struct authentication *auth, const unsigned char *bytes, size_t size,
                        struct auth_message *out)
{
    if (size < CHALLENGE_SIZE || memcmp(bytes, CHALLENGE, CHALLENGE_SIZE) != 0)
        return mproc__fail(MPROC_EPROTO, "the other side sent something else than a challenge: is it "
                                         "without a key, or another program?");
    bytes += CHALLENGE_SIZE;
    size -= CHALLENGE_SIZE;
    enum mproc_plat_digest digest;
    size_t prefix, length;
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    /* A challenge of hardly any bytes would ask for an answer that can be used elsewhere. */
    if (!find_digest(bytes, size, OLD_CHALLENGE, &digest, &prefix) || size - prefix < SHORTEST_CHALLENGE)
        return mproc__fail(MPROC_EPROTO, "the other side's challenge is of no known kind");
    if (digest == MPROC_PLAT_MD5 && auth->refuse_md5)
        return mproc__fail(MPROC_EAUTH, "the other side asks for MD5, and refuse_md5 is set");
    mproc_err err = mproc_plat_hmac(digest, auth->key, auth->key_size, bytes, size, mac, &length);
    if (err != MPROC_OK)
        return err;
    say(out, bytes, prefix, mac, length);
    auth->state = AUTH_AWAIT_VERDICT;
    return MPROC_OK;
}

static mproc_err hear_verdict(struct authentication *auth, const unsigned char *bytes, size_t size,
                              struct auth_message *out)
{
    if (is_text(bytes, size, FAILURE))
        return mproc__fail(MPROC_EAUTH, "the other side refused our key: use the same authkey on both "
                                        "sides");
    if (!is_text(bytes, size, WELCOME))
        return mproc__fail(MPROC_EPROTO, "the other side sent no verdict on our key");
    if (!auth->listener)
        return challenge(auth, out);
    auth->state = AUTH_DONE;
    return MPROC_OK;
}

mproc_err mproc__auth_begin(struct authentication *auth, bool listener, bool refuse_md5, const void *key,
                            size_t key_size, struct auth_message *out)
{
    *auth = (struct authentication){
        .state = AUTH_AWAIT_CHALLENGE,
        .listener = listener,
        .refuse_md5 = refuse_md5,
        .key = key,
        .key_size = key_size,
    };
    out->size = 0;
    return listener ? challenge(auth, out) : MPROC_OK;
}

mproc_err mproc__auth_step(struct authentication *auth, const void *bytes, size_t size,
                           struct auth_message *out)
{
    out->size = 0;
    if (size > AUTH_MESSAGE_SIZE)
        return mproc__fail(MPROC_EPROTO, "a message of %zu bytes came before the key was proved", size);
    switch (auth->state) {
    case AUTH_AWAIT_RESPONSE:
        return check_response(auth, bytes, size, out);
    case AUTH_AWAIT_CHALLENGE:
        return answer(auth, bytes, size, out);
    case AUTH_AWAIT_VERDICT:
        return hear_verdict(auth, bytes, size, out);
    case AUTH_DONE:
        break;
    }
    return mproc__fail(MPROC_ESTATE, "the handshake is over");
}
