/* SPDX-License-Identifier: MIT */
/* Handshakes, byte by byte. The answers were computed by Python's hmac and hashlib:
 *   hmac.new(b"the key", challenge, digest).hexdigest() */
#include "suite.h"

#include "authentication.h"

#define KEY "the key"
#define RANDOM "0123456789012345678901234567890123456789"
#define WELCOME "#WELCOME#"
#define FAILURE "#FAILURE#"

struct known {
    const char *prefix;
    enum mproc_plat_digest digest;
    const char *of_own;    /* of prefix RANDOM */
    const char *of_sha256; /* of {sha256} RANDOM, as a listener challenges */
};
static const struct known known[] = {
    { "{md5}", MPROC_PLAT_MD5, "287fe8dd8333554d605bb443b3cb8322", "0ed3b0ac9b5907a22f85941c8d97cecc" },
    { "{sha256}", MPROC_PLAT_SHA256, "6c161d8b3912462b0fb60a6607d7cc20b8d9ea327023ce80b10a1ccc0a76fbd4",
      "6c161d8b3912462b0fb60a6607d7cc20b8d9ea327023ce80b10a1ccc0a76fbd4" },
    { "{sha384}", MPROC_PLAT_SHA384,
      "661cce9625a1fe92c88c7d7f2b6a9b1d482d749113c142e4fcb59cf0be52c047ddb5119c24b958a3c0dcc876ed9d27c2",
      "0c280e830b5a2229a450ac965828550fe7bff01dc2e73b0758db116725c2e75e65acab26380ef26bf2638ad0a60e7f60" },
    { "{sha3_256}", MPROC_PLAT_SHA3_256, "5160d387169560f7ddf0c73917da954ac8930f169685dcf080bbf0926dfd0309",
      "215caa7146ee194e32a0fc253a34395c8985ddfc3d2cd5ae08d066b6cf31c843" },
    { "{sha3_384}", MPROC_PLAT_SHA3_384,
      "cee5b8cc2fda73d896dc363a946abc7c299a1f5f3196d9cb53e7e5351db6a48fd4bcf084061e0e992f9462ed75deb55b",
      "4bb165d3497f90c7c52f3746dc0bd5b452b03e7ba8af36e8c640b1b42e858e8a589d92cf499de450873dc884cfadc925" },
};
enum { KNOWN = sizeof known / sizeof known[0] };

/* A message: text, then the bytes that a hexadecimal number names. */
struct message {
    size_t size;
    unsigned char bytes[600];
};

static struct message message_of(const char *text, const char *number)
{
    struct message message = { .size = strlen(text) };
    memcpy(message.bytes, text, message.size);
    for (; *number; number += 2) {
        char digits[3] = { number[0], number[1], '\0' };
        message.bytes[message.size++] = (unsigned char) strtoul(digits, NULL, 16);
    }
    return message;
}

static bool is_message(const struct auth_message *out, const struct message *expected)
{
    return out->size == expected->size && memcmp(out->bytes, expected->bytes, out->size) == 0;
}

static bool says(const struct auth_message *out, const char *text)
{
    return out->size == strlen(text) && memcmp(out->bytes, text, out->size) == 0;
}

static bool has_digest(enum mproc_plat_digest digest)
{
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    size_t size;
    if (mproc_plat_hmac(digest, "k", 1, "b", 1, mac, &size) == MPROC_OK)
        return true;
    skip(mproc_last_error());
    return false;
}

static void begin(struct authentication *auth, bool listener, bool refuse_md5, struct auth_message *out)
{
    CHECK_OK(mproc__auth_begin(auth, listener, refuse_md5, KEY, strlen(KEY), out));
}

/* A listener whose challenge is not random. */
static void begin_known(struct authentication *auth, bool refuse_md5)
{
    struct auth_message out;
    begin(auth, true, refuse_md5, &out);
    auth->challenge_size = strlen("{sha256}" RANDOM);
    memcpy(auth->challenge, "{sha256}" RANDOM, auth->challenge_size);
}

static mproc_err step(struct authentication *auth, const struct message *message, struct auth_message *out)
{
    return mproc__auth_step(auth, message->bytes, message->size, out);
}

/* ---- challenges ---- */

static void challenges_are_sha256_and_random(void)
{
    struct authentication auth;
    struct auth_message out, other;
    begin(&auth, true, false, &out);
    CU_ASSERT_EQUAL(out.size, strlen("#CHALLENGE#{sha256}") + 40);
    CU_ASSERT_EQUAL(memcmp(out.bytes, "#CHALLENGE#{sha256}", 19), 0);
    begin(&auth, true, false, &other);
    CU_ASSERT_NOT_EQUAL(memcmp(out.bytes, other.bytes, out.size), 0);
    begin(&auth, false, false, &out);
    CU_ASSERT_EQUAL(out.size, 0); /* a client waits for the listener's */
}

static void check_challenge(const char *text, bool refuse_md5, mproc_err expected, const char *answer_text,
                            const char *answer)
{
    struct authentication auth;
    struct auth_message out;
    struct message message = message_of(text, ""), wanted = message_of(answer_text, answer);
    begin(&auth, false, refuse_md5, &out);
    mproc_err err = step(&auth, &message, &out);
    CHECK_FAILS(err, expected);
    CU_ASSERT_TRUE(is_message(&out, &wanted));
    CU_ASSERT_EQUAL(auth.state, expected == MPROC_OK ? AUTH_AWAIT_VERDICT : AUTH_AWAIT_CHALLENGE);
}

static void challenges_are_answered_by_the_digest_they_name(void)
{
    for (size_t i = 0; i < KNOWN; i++) {
        char text[100];
        if (!has_digest(known[i].digest))
            continue;
        snprintf(text, sizeof text, "#CHALLENGE#%s" RANDOM, known[i].prefix);
        check_challenge(text, false, MPROC_OK, known[i].prefix, known[i].of_own);
        if (known[i].digest == MPROC_PLAT_MD5)
            check_challenge(text, true, MPROC_EAUTH, "", "");
        else
            check_challenge(text, true, MPROC_OK, known[i].prefix, known[i].of_own);
    }
}

/* Python before 3.12: 20 bytes, no name; the answer has none either. */
static void old_challenges_are_answered_by_md5_unless_it_is_refused(void)
{
    if (!has_digest(MPROC_PLAT_MD5))
        return;
    check_challenge("#CHALLENGE#01234567890123456789", false, MPROC_OK, "", "13625027a71c3bcdf971c0d3d05f2936");
    check_challenge("#CHALLENGE#01234567890123456789", true, MPROC_EAUTH, "", "");
}

static void what_is_no_challenge_is_not_answered(void)
{
    static const char *const wrong[] = {
        "",
        "#CHALLENGE#",
        "#CHALLENGE",
        ("#challenge#{sha256}" RANDOM),
        ("{sha256}" RANDOM),
        ("#CHALLENGE#" RANDOM),
        ("#CHALLENGE#{sha1}" RANDOM),
        ("#CHALLENGE#{sha256" RANDOM),
        ("#CHALLENGE#{SHA256}" RANDOM),
        "#CHALLENGE#{sha256}",
        "#CHALLENGE#{sha256}0123456789abcde", /* 15 bytes: the answer could be used elsewhere */
        "#CHALLENGE#0123456789abcdef012",     /* 19 */
        "#CHALLENGE#0123456789abcdef01234",   /* 21 */
        "#WELCOME#",
        "#FAILURE#",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_challenge(wrong[i], false, MPROC_EPROTO, "", "");
    if (has_digest(MPROC_PLAT_SHA256))
        check_challenge("#CHALLENGE#{sha256}0123456789012345", false, MPROC_OK, "{sha256}",
                        "50117b9ee94518fc9625c8de6dfd221de0f9bc21aec7116e75343e45d5ddcf87"); /* 16 are enough */
}

static void no_message_is_longer_than_256_bytes(void)
{
    struct authentication auth;
    struct auth_message out;
    struct message message = { .size = 256 };
    memset(message.bytes, 'x', sizeof message.bytes);
    memcpy(message.bytes, "#CHALLENGE#{sha256}", 19);
    begin(&auth, false, false, &out);
    if (has_digest(MPROC_PLAT_SHA256))
        CHECK_OK(step(&auth, &message, &out));
    begin(&auth, false, false, &out);
    message.size = 257;
    CHECK_FAILS(step(&auth, &message, &out), MPROC_EPROTO);
    CU_ASSERT_EQUAL(out.size, 0);
    begin_known(&auth, false);
    CHECK_FAILS(step(&auth, &message, &out), MPROC_EPROTO);
    CU_ASSERT_EQUAL(out.size, 0);
}

/* ---- answers ---- */

static void check_answer_to_listener(const struct message *answer, bool refuse_md5, bool right)
{
    struct authentication auth;
    struct auth_message out;
    begin_known(&auth, refuse_md5);
    mproc_err err = step(&auth, answer, &out);
    CHECK_FAILS(err, right ? MPROC_OK : MPROC_EAUTH);
    CU_ASSERT_TRUE(says(&out, right ? WELCOME : FAILURE));
    CU_ASSERT_EQUAL(auth.state, right ? AUTH_AWAIT_CHALLENGE : AUTH_AWAIT_RESPONSE);
}

static void answers_by_every_digest_are_welcome(void)
{
    for (size_t i = 0; i < KNOWN; i++) {
        bool md5 = known[i].digest == MPROC_PLAT_MD5;
        if (!has_digest(known[i].digest))
            continue;
        struct message answer = message_of(known[i].prefix, known[i].of_sha256);
        check_answer_to_listener(&answer, false, true);
        check_answer_to_listener(&answer, true, !md5);
        answer.bytes[answer.size - 1] ^= 1;
        check_answer_to_listener(&answer, false, false);
        answer.bytes[answer.size - 1] ^= 1;
        answer.size--;
        check_answer_to_listener(&answer, false, false);
        answer.size += 2;
        check_answer_to_listener(&answer, false, false);
    }
}

static void old_answers_are_md5_and_welcome_unless_it_is_refused(void)
{
    if (!has_digest(MPROC_PLAT_MD5))
        return;
    struct message answer = message_of("", known[0].of_sha256);
    CU_ASSERT_EQUAL(answer.size, 16);
    check_answer_to_listener(&answer, false, true);
    check_answer_to_listener(&answer, true, false);
    answer.bytes[0] ^= 1;
    check_answer_to_listener(&answer, false, false);
}

static void what_is_no_answer_is_refused(void)
{
    static const char *const wrong[] = {
        "", "x", "{sha256}", "{sha1}0123456789abcdef0123", "{}", "#WELCOME#", "0123456789abcdef0123456789abcdef",
        "{sha256}0123456789abcdef0123456789abcdef", "#CHALLENGE#{sha256}0123456789abcdef",
    };
    if (!has_digest(MPROC_PLAT_SHA256))
        return;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct message answer = message_of(wrong[i], "");
        check_answer_to_listener(&answer, false, false);
    }
    /* Right, but to another challenge and by another name. */
    struct message answer = message_of("{sha3_256}", known[1].of_sha256);
    check_answer_to_listener(&answer, false, false);
    answer = message_of("", known[1].of_sha256);
    check_answer_to_listener(&answer, false, false);
}

/* ---- verdicts ---- */

static void check_verdict(bool listener, const char *verdict, mproc_err expected)
{
    struct authentication auth;
    struct auth_message out;
    struct message message = message_of(verdict, "");
    begin(&auth, listener, false, &out);
    auth.state = AUTH_AWAIT_VERDICT;
    mproc_err err = step(&auth, &message, &out);
    CHECK_FAILS(err, expected);
    bool challenges = expected == MPROC_OK && !listener;
    CU_ASSERT_EQUAL(out.size, challenges ? strlen("#CHALLENGE#{sha256}" RANDOM) : 0);
    CU_ASSERT_EQUAL(auth.state, expected != MPROC_OK ? AUTH_AWAIT_VERDICT
                                : listener           ? AUTH_DONE
                                                     : AUTH_AWAIT_RESPONSE);
}

static void a_verdict_is_welcome_or_failure_and_nothing_else(void)
{
    for (int listener = 0; listener < 2; listener++) {
        check_verdict(listener, WELCOME, MPROC_OK);
        check_verdict(listener, FAILURE, MPROC_EAUTH);
        check_verdict(listener, "", MPROC_EPROTO);
        check_verdict(listener, "#WELCOME", MPROC_EPROTO);
        check_verdict(listener, "#WELCOME##", MPROC_EPROTO);
        check_verdict(listener, "#FAILURE# why", MPROC_EPROTO);
    }
}

/* ---- both sides ---- */

static mproc_err talk(const char *listeners_key, const char *clients_key, struct authentication *listener,
                      struct authentication *client)
{
    struct auth_message asked, answered;
    mproc_err err = mproc__auth_begin(listener, true, false, listeners_key, strlen(listeners_key), &asked);
    if (err == MPROC_OK)
        err = mproc__auth_begin(client, false, false, clients_key, strlen(clients_key), &answered);
    while (err == MPROC_OK && listener->state != AUTH_DONE) {
        err = mproc__auth_step(client, asked.bytes, asked.size, &answered);
        if (err == MPROC_OK)
            err = mproc__auth_step(listener, answered.bytes, answered.size, &asked);
    }
    if (err == MPROC_EAUTH) /* the client is told */
        CHECK_FAILS(mproc__auth_step(client, asked.bytes, asked.size, &answered), MPROC_EAUTH);
    return err;
}

static void two_with_one_key_agree_and_others_do_not(void)
{
    struct authentication listener, client;
    if (!has_digest(MPROC_PLAT_SHA256))
        return;
    CHECK_OK(talk(KEY, KEY, &listener, &client));
    CU_ASSERT_TRUE(listener.state == AUTH_DONE && client.state == AUTH_DONE);
    struct auth_message out;
    CHECK_FAILS(mproc__auth_step(&client, "x", 1, &out), MPROC_ESTATE);
    CHECK_FAILS(talk(KEY, "the kex", &listener, &client), MPROC_EAUTH);
    CU_ASSERT_TRUE(listener.state != AUTH_DONE && client.state != AUTH_DONE);
    CHECK_FAILS(talk(KEY, "the key ", &listener, &client), MPROC_EAUTH);
}

MPROC_SUITE(authentication, MPROC_TEST(challenges_are_sha256_and_random),
            MPROC_TEST(challenges_are_answered_by_the_digest_they_name),
            MPROC_TEST(old_challenges_are_answered_by_md5_unless_it_is_refused),
            MPROC_TEST(what_is_no_challenge_is_not_answered), MPROC_TEST(no_message_is_longer_than_256_bytes),
            MPROC_TEST(answers_by_every_digest_are_welcome),
            MPROC_TEST(old_answers_are_md5_and_welcome_unless_it_is_refused),
            MPROC_TEST(what_is_no_answer_is_refused),
            MPROC_TEST(a_verdict_is_welcome_or_failure_and_nothing_else),
            MPROC_TEST(two_with_one_key_agree_and_others_do_not))
