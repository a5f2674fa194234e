/* SPDX-License-Identifier: MIT */
/* What suites of connections share: listeners, children that connect, and pairs. */
#ifndef MPROC_TESTS_CONNECTIONS_H
#define MPROC_TESTS_CONNECTIONS_H

#include "suite.h"
#include "system.h"

#include "platform.h"

/* What a child is told: where to connect, with which key, and what to do then. */
struct visit {
    char address[MPROC_ADDRESS_SIZE];
    char key[32];
    mproc_address_family family;
};

#define LONG_TIME ((mproc_ms) 60000)

static inline mproc_connection_options options_with(const char *key)
{
    mproc_connection_options options = { .authkey = key[0] ? key : NULL, .authkey_size = strlen(key) };
    return options;
}

/* Where the build has no library for HMACs, keys cannot be proved. */
static inline bool has_keys(void)
{
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    size_t size;
    return mproc_plat_hmac(MPROC_PLAT_SHA256, "k", 1, "b", 1, mac, &size) == MPROC_OK;
}

static inline bool skip_without_keys(void)
{
    if (!has_keys())
        skip("this build has no libcrypto, so connections cannot prove keys");
    return !has_keys();
}

/* Every family that this system has. */
static inline size_t families(mproc_address_family list[2])
{
    list[0] = MPROC_FAMILY_INET;
    list[1] = system_is_windows() ? MPROC_FAMILY_PIPE : MPROC_FAMILY_UNIX;
    return 2;
}

static inline mproc_listener *listen_for(struct visit *visit, mproc_address_family family, const char *key)
{
    mproc_listener *listener = NULL;
    mproc_connection_options options = options_with(key);
    memset(visit, 0, sizeof *visit);
    options.family = family;
    options.backlog = 16;
    CHECK_OK(mproc_listener_create(&listener, NULL, &options));
    CHECK_OK(mproc_listener_address(listener, visit->address, sizeof visit->address));
    strcpy(visit->key, key);
    visit->family = family;
    return listener;
}

static inline mproc_err connect_to(const struct visit *visit, mproc_connection **connection)
{
    mproc_connection_options options = options_with(visit->key);
    options.family = visit->family;
    return mproc_connection_open(connection, visit->address, &options, LONG_TIME);
}

static inline unsigned char pattern(size_t at, size_t size)
{
    return (unsigned char) (at * 7 + size);
}

/* A child that sends back what it gets until the end. */
static inline int echo(void *arg)
{
    mproc_connection *connection;
    CHILD_OK(connect_to(arg, &connection));
    for (;;) {
        void *bytes;
        size_t size;
        mproc_err err = mproc_connection_recv_alloc(connection, &bytes, &size, LONG_TIME);
        if (err == MPROC_ECLOSED)
            break;
        CHILD_CHECK(err == MPROC_OK);
        CHILD_OK(mproc_connection_send_bytes(connection, bytes, size, LONG_TIME));
        mproc_connection_free(bytes);
    }
    CHILD_OK(mproc_connection_close(connection));
    return 0;
}

static inline void echo_sizes(mproc_connection *connection)
{
    static const size_t sizes[] = { 0, 1, 4, 255, 4096, 16384, 16385, 65536, 65537, 1 << 20, 16 << 20 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i], got;
        unsigned char *bytes = malloc(size + 1);
        void *back;
        for (size_t j = 0; j < size; j++)
            bytes[j] = pattern(j, size);
        CHECK_OK(mproc_connection_send_bytes(connection, bytes, size, LONG_TIME));
        CHECK_OK(mproc_connection_recv_alloc(connection, &back, &got, LONG_TIME));
        CU_ASSERT_EQUAL(got, size);
        CU_ASSERT_TRUE(got == size && memcmp(back, bytes, size) == 0);
        mproc_connection_free(back);
        free(bytes);
    }
}

/* Both ends in this process. */
struct pair {
    mproc_listener *listener;
    mproc_connection *here, *there;
    struct visit visit;
};

static inline void connect_in_thread(void *context)
{
    struct pair *pair = context;
    CHECK_OK(connect_to(&pair->visit, &pair->there));
}

static inline void make_pair(struct pair *pair, mproc_address_family family)
{
    pair->here = pair->there = NULL;
    pair->listener = listen_for(&pair->visit, family, has_keys() ? "key" : "");
    struct test_thread *thread = thread_start(connect_in_thread, pair);
    CHECK_OK(mproc_listener_accept(pair->listener, &pair->here, LONG_TIME));
    thread_join(thread);
}

static inline void end_pair(struct pair *pair)
{
    if (pair->here)
        CHECK_OK(mproc_connection_close(pair->here));
    if (pair->there)
        CHECK_OK(mproc_connection_close(pair->there));
    CHECK_OK(mproc_listener_close(pair->listener));
}

#endif
