/* SPDX-License-Identifier: MIT */
/* Handshakes with a Python that computes every byte itself: all digests, old and new forms, right and wrong. */
#include "python.h"

#define LONG_TIME ((mproc_ms) 60000)
/* What authentication_peer.py ends with. */
enum { PROVED = 0, REFUSED = 3, HUNG_UP = 5 };

static mproc_connection_options options_of(const char *key, bool refuse_md5)
{
    return (mproc_connection_options){ .authkey = key, .authkey_size = strlen(key), .refuse_md5 = refuse_md5 };
}

static void echo(mproc_connection *connection)
{
    char text[16];
    size_t size = 0;
    CHECK_OK(mproc_connection_send_bytes(connection, "hello", 5, LONG_TIME));
    CHECK_OK(mproc_connection_recv_bytes(connection, text, sizeof text, &size, LONG_TIME));
    CU_ASSERT_TRUE(size == 5 && memcmp(text, "hello", 5) == 0);
}

/* Python connects, and our listener goes on whatever it did. */
static void with_client(const char *how, const char *their_key, bool refuse_md5, mproc_err expected, int code)
{
    mproc_connection_options options = options_of("a key", refuse_md5);
    mproc_listener *listener;
    mproc_connection *connection;
    char address[MPROC_ADDRESS_SIZE];
    CHECK_OK(mproc_listener_create(&listener, NULL, &options));
    CHECK_OK(mproc_listener_address(listener, address, sizeof address));
    const char *arguments[] = { "client", address, their_key, how, NULL };
    pid_t pid = start_python(PEER, arguments);
    mproc_err err = mproc_listener_accept(listener, &connection, LONG_TIME);
    CHECK_FAILS(err, expected);
    if (err == MPROC_OK) {
        echo(connection);
        CHECK_OK(mproc_connection_close(connection));
    }
    CU_ASSERT_EQUAL(end_python(pid), code);
    CHECK_FAILS(mproc_listener_accept(listener, &connection, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_listener_close(listener));
}

/* Python listens, and we connect. */
static void with_listener(const char *how, const char *their_key, bool refuse_md5, mproc_err expected, int code)
{
    mproc_connection_options options = options_of("a key", refuse_md5);
    mproc_connection *connection;
    char folder[512], path[600];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("py", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    const char *arguments[] = { "listener", path, their_key, how, NULL };
    pid_t pid = start_python(PEER, arguments);
    mproc_err err = connect_when_ready(path, &options, &connection);
    CHECK_FAILS(err, expected);
    if (err == MPROC_OK) {
        echo(connection);
        CHECK_OK(mproc_connection_close(connection));
    }
    CU_ASSERT_EQUAL(end_python(pid), code);
    remove_folder(folder);
}

static void every_digest_proves_a_key_in_both_roles(void)
{
    static const char *const digests[] = { "old", "md5", "sha256", "sha384", "sha3_256", "sha3_384" };
    for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
        with_client(digests[i], "a key", false, MPROC_OK, PROVED);
        with_listener(digests[i], "a key", false, MPROC_OK, PROVED);
    }
}

static void another_key_is_refused_by_every_digest(void)
{
    static const char *const digests[] = { "old", "md5", "sha256", "sha3_384" };
    for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
        with_client(digests[i], "another key", false, MPROC_EAUTH, REFUSED);
        with_listener(digests[i], "another key", false, MPROC_EAUTH, 4); /* it refuses us first */
    }
}

static void md5_is_refused_if_asked(void)
{
    with_client("old", "a key", true, MPROC_EAUTH, REFUSED);
    with_client("md5", "a key", true, MPROC_EAUTH, REFUSED);
    with_client("sha256", "a key", true, MPROC_OK, PROVED);
    with_listener("old", "a key", true, MPROC_EAUTH, HUNG_UP);
    with_listener("md5", "a key", true, MPROC_EAUTH, HUNG_UP);
    with_listener("sha384", "a key", true, MPROC_OK, PROVED);
}

static void wrong_messages_end_the_handshake_and_not_the_listener(void)
{
    with_client("unknown answer", "a key", false, MPROC_EAUTH, REFUSED);
    with_client("short answer", "a key", false, MPROC_EAUTH, REFUSED);
    with_client("empty answer", "a key", false, MPROC_EAUTH, REFUSED);
    with_client("no frame", "a key", false, MPROC_EPROTO, HUNG_UP);
    with_client("short challenge", "a key", false, MPROC_EPROTO, HUNG_UP);
    with_client("unknown challenge", "a key", false, MPROC_EPROTO, HUNG_UP);
    with_listener("short challenge", "a key", false, MPROC_EPROTO, HUNG_UP);
    with_listener("unknown challenge", "a key", false, MPROC_EPROTO, HUNG_UP);
    with_listener("unknown answer", "a key", false, MPROC_EAUTH, REFUSED);
    with_listener("short answer", "a key", false, MPROC_EAUTH, REFUSED);
}

MPROC_SUITE(interop_authentication, MPROC_TEST(every_digest_proves_a_key_in_both_roles),
            MPROC_TEST(another_key_is_refused_by_every_digest), MPROC_TEST(md5_is_refused_if_asked),
            MPROC_TEST(wrong_messages_end_the_handshake_and_not_the_listener))
