/* SPDX-License-Identifier: MIT */
/* Handshakes: nobody without the key gets through, whoever has it does, and no message is too strange. Challenges are
 * random, so an input cannot hold an answer to one: it says that the right one comes here.
 *
 * The first byte: bit 0 which side, bit 1 refuse_md5. Then messages, each after a byte:
 *   bits 0 and 1   0 these bytes, after two with their number; 1 the right answer; 2 one with a bit changed, after a
 *                  byte that says which; 3 a part of a handshake
 *   bits 2 to 4    the digest of the answer, 5: without its name, as Python before 3.12; or which part: a verdict, or
 *                  a challenge after a byte with its length */
#include "authentication.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define KEY "the key"
enum { LARGEST = 1024 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static const struct {
    const char *prefix;
    enum mproc_plat_digest digest;
} digests[] = {
    { "{md5}", MPROC_PLAT_MD5 },           { "{sha256}", MPROC_PLAT_SHA256 },     { "{sha384}", MPROC_PLAT_SHA384 },
    { "{sha3_256}", MPROC_PLAT_SHA3_256 }, { "{sha3_384}", MPROC_PLAT_SHA3_384 }, { "", MPROC_PLAT_MD5 },
};

/* A message, and what is known of it. */
struct message {
    unsigned char bytes[LARGEST];
    size_t size;
    bool right; /* it proves the key, if a challenge was sent */
    bool md5;
};

struct input {
    const uint8_t *at, *end;
};

static unsigned next(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static void put_answer(struct message *message, const struct authentication *auth, unsigned which)
{
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    size_t size, prefix = strlen(digests[which].prefix);
    if (mproc_plat_hmac(digests[which].digest, KEY, strlen(KEY), auth->challenge, auth->challenge_size, mac, &size) !=
        MPROC_OK)
        return; /* not on this system */
    memcpy(message->bytes, digests[which].prefix, prefix);
    memcpy(message->bytes + prefix, mac, size);
    message->size = prefix + size;
    message->right = auth->challenge_size > 0;
    message->md5 = digests[which].digest == MPROC_PLAT_MD5;
}

static void put_part(struct message *message, unsigned which, struct input *input)
{
    static const char *const parts[] = {
        "#WELCOME#",           "#FAILURE#",           "#CHALLENGE#",           "#CHALLENGE#{sha256}",
        "#CHALLENGE#{md5}",    "#CHALLENGE#{sha384}", "#CHALLENGE#{sha3_256}", "#CHALLENGE#{sha1}",
    };
    message->size = strlen(parts[which]);
    memcpy(message->bytes, parts[which], message->size);
    if (which < 2)
        return;
    size_t length = next(input);
    memset(message->bytes + message->size, 'r', length);
    message->size += length;
}

static void take_message(struct message *message, const struct authentication *auth, struct input *input)
{
    unsigned control = next(input), which = control >> 2 & 7;
    message->size = 0;
    message->right = message->md5 = false;
    if ((control & 3) == 0) {
        size_t size = next(input), left = (size_t) (input->end - input->at);
        size = (size | (size_t) next(input) << 8) % LARGEST;
        left = (size_t) (input->end - input->at);
        size = size < left ? size : left;
        memcpy(message->bytes, input->at, size);
        message->size = size;
        input->at += size;
    } else if ((control & 3) == 3) {
        put_part(message, which, input);
    } else {
        put_answer(message, auth, which % 6);
        if ((control & 3) == 2 && message->size > 0) {
            unsigned bit = next(input);
            message->bytes[message->size - 1 - bit / 8 % message->size] ^= (unsigned char) (1u << bit % 8);
            message->right = false;
        }
    }
}

static mproc_err step(struct authentication *auth, struct message *message)
{
    struct auth_message out;
    enum auth_state before = auth->state;
    mproc_err err = mproc__auth_step(auth, message->bytes, message->size, &out);
    CHECK(out.size <= AUTH_MESSAGE_SIZE);
    if (message->size > AUTH_MESSAGE_SIZE)
        CHECK(err == MPROC_EPROTO && out.size == 0);
    if (before == AUTH_AWAIT_RESPONSE && message->size <= AUTH_MESSAGE_SIZE) {
        bool welcome = message->right && !(message->md5 && auth->refuse_md5);
        CHECK(err == (welcome ? MPROC_OK : MPROC_EAUTH));
        CHECK(out.size == 9 && memcmp(out.bytes, welcome ? "#WELCOME#" : "#FAILURE#", 9) == 0);
    }
    if (err != MPROC_OK)
        CHECK(auth->state == before);
    if (err == MPROC_OK && before == AUTH_AWAIT_VERDICT)
        CHECK(message->size == 9 && memcmp(message->bytes, "#WELCOME#", 9) == 0);
    if (before == AUTH_DONE)
        CHECK(err == MPROC_ESTATE || err == MPROC_EPROTO);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = { bytes, bytes + size };
    struct authentication auth;
    struct auth_message out;
    struct message message;
    unsigned flags = next(&input);
    if (mproc__auth_begin(&auth, flags & 1, flags & 2, KEY, strlen(KEY), &out) != MPROC_OK)
        return 0;
    bool proved = false, welcomed = false; /* the other side, and this one */
    for (mproc_err err = MPROC_OK; err == MPROC_OK && input.at < input.end;) {
        take_message(&message, &auth, &input);
        proved |= auth.state == AUTH_AWAIT_RESPONSE && message.right;
        bool verdict = auth.state == AUTH_AWAIT_VERDICT;
        err = step(&auth, &message);
        welcomed |= verdict && err == MPROC_OK;
        CHECK(auth.state != AUTH_DONE || (proved && welcomed));
    }
    return 0;
}
