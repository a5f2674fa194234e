/* SPDX-License-Identifier: MIT */
/* Listeners, clients and connections: messages, ends, keys, peers that stall or lie. */
#include "suite.h"
#include "system.h"

#include "platform.h"

/* What a child is told: where to connect, with which key, and what to do then. */
struct visit {
    char address[MPROC_ADDRESS_SIZE];
    char key[32];
    mproc_address_family family;
    size_t size;
    mproc_memory block; /* ints */
};
enum { ARRIVED, GO, INTS };

#define LONG_TIME ((mproc_ms) 60000)

static mproc_connection_options options_with(const char *key)
{
    mproc_connection_options options = { .authkey = key[0] ? key : NULL, .authkey_size = strlen(key) };
    return options;
}

/* Where the build has no library for HMACs, keys cannot be proved. */
static bool has_keys(void)
{
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    size_t size;
    return mproc_plat_hmac(MPROC_PLAT_SHA256, "k", 1, "b", 1, mac, &size) == MPROC_OK;
}

static bool skip_without_keys(void)
{
    if (!has_keys())
        skip("this build has no libcrypto, so connections cannot prove keys");
    return !has_keys();
}

/* Every family that this system has. */
static size_t families(mproc_address_family list[2])
{
    list[0] = MPROC_FAMILY_INET;
    list[1] = system_is_windows() ? MPROC_FAMILY_PIPE : MPROC_FAMILY_UNIX;
    return 2;
}

static mproc_listener *listen_for(struct visit *visit, mproc_address_family family, const char *key)
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

static mproc_err connect_to(const struct visit *visit, mproc_connection **connection)
{
    mproc_connection_options options = options_with(visit->key);
    options.family = visit->family;
    return mproc_connection_open(connection, visit->address, &options, LONG_TIME);
}

/* ---- messages ---- */

static unsigned char pattern(size_t at, size_t size)
{
    return (unsigned char) (at * 7 + size);
}

/* A child that sends back what it gets until the end. */
static int echo(void *arg)
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

static void echo_sizes(mproc_connection *connection)
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

static void messages_of_every_size_come_back_whole(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++)
        for (int with_key = 0; with_key < 1 + has_keys(); with_key++) {
            struct visit visit;
            mproc_listener *listener = listen_for(&visit, list[i], with_key ? "secret" : "");
            mproc_process *child = start_child(echo, &visit, sizeof visit, NULL);
            mproc_connection *connection;
            CHECK_OK(mproc_listener_accept(listener, &connection, LONG_TIME));
            echo_sizes(connection);
            CHECK_OK(mproc_connection_close(connection));
            CU_ASSERT_EQUAL(end_child(child), 0);
            CHECK_OK(mproc_listener_close(listener));
        }
}

/* Both ends in this process. */
struct pair {
    mproc_listener *listener;
    mproc_connection *here, *there;
    struct visit visit;
};

static void connect_in_thread(void *context)
{
    struct pair *pair = context;
    CHECK_OK(connect_to(&pair->visit, &pair->there));
}

static void make_pair(struct pair *pair, mproc_address_family family)
{
    pair->here = pair->there = NULL;
    pair->listener = listen_for(&pair->visit, family, has_keys() ? "key" : "");
    struct test_thread *thread = thread_start(connect_in_thread, pair);
    CHECK_OK(mproc_listener_accept(pair->listener, &pair->here, LONG_TIME));
    thread_join(thread);
}

static void end_pair(struct pair *pair)
{
    if (pair->here)
        CHECK_OK(mproc_connection_close(pair->here));
    if (pair->there)
        CHECK_OK(mproc_connection_close(pair->there));
    CHECK_OK(mproc_listener_close(pair->listener));
}

static void a_message_too_long_for_the_buffer_is_kept(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        make_pair(&pair, list[i]);
        char text[16] = "";
        size_t size = 0;
        CHECK_OK(mproc_connection_send_bytes(pair.here, "0123456789", 10, LONG_TIME));
        CHECK_OK(mproc_connection_send_bytes(pair.here, "next", 4, LONG_TIME));
        CHECK_FAILS(mproc_connection_recv_bytes(pair.there, text, 4, &size, LONG_TIME), MPROC_EMSGSIZE);
        CU_ASSERT_EQUAL(size, 10);
        CHECK_FAILS(mproc_connection_recv_bytes(pair.there, NULL, 0, &size, MPROC_NOWAIT), MPROC_EMSGSIZE);
        CHECK_OK(mproc_connection_recv_bytes(pair.there, text, sizeof text, &size, LONG_TIME));
        CU_ASSERT_TRUE(size == 10 && memcmp(text, "0123456789", 10) == 0);
        CHECK_OK(mproc_connection_recv_bytes(pair.there, text, sizeof text, &size, LONG_TIME));
        CU_ASSERT_TRUE(size == 4 && memcmp(text, "next", 4) == 0);
        end_pair(&pair);
    }
}

static void poll_and_receive_have_time_outs(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        make_pair(&pair, list[i]);
        char text[16];
        size_t size;
        CHECK_FAILS(mproc_connection_poll(pair.here, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        int64_t begin = mproc_plat_now();
        CHECK_FAILS(mproc_connection_poll(pair.here, 30), MPROC_ETIMEDOUT);
        CHECK_FAILS(mproc_connection_recv_bytes(pair.here, text, 16, &size, 30), MPROC_ETIMEDOUT);
        CU_ASSERT_TRUE(mproc_plat_now() - begin >= INT64_C(60000000));
        CHECK_OK(mproc_connection_send_bytes(pair.there, "", 0, LONG_TIME));
        CHECK_OK(mproc_connection_poll(pair.here, LONG_TIME));
        CHECK_OK(mproc_connection_recv_bytes(pair.here, text, 16, &size, MPROC_NOWAIT));
        CU_ASSERT_EQUAL(size, 0);
        end_pair(&pair);
    }
}

/* ---- ends ---- */

static void a_closed_peer_is_the_end_after_its_last_message(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        make_pair(&pair, list[i]);
        char text[16];
        size_t size;
        CHECK_OK(mproc_connection_send_bytes(pair.there, "last", 4, LONG_TIME));
        CHECK_OK(mproc_connection_close(pair.there));
        pair.there = NULL;
        CHECK_OK(mproc_connection_recv_bytes(pair.here, text, 16, &size, LONG_TIME));
        CU_ASSERT_EQUAL(size, 4);
        CHECK_OK(mproc_connection_poll(pair.here, LONG_TIME));
        CHECK_FAILS(mproc_connection_recv_bytes(pair.here, text, 16, &size, LONG_TIME), MPROC_ECLOSED);
        CHECK_FAILS(mproc_connection_recv_bytes(pair.here, text, 16, &size, MPROC_NOWAIT), MPROC_ECLOSED);
        mproc_err err = MPROC_OK; /* the system may take some before it learns of the end */
        for (int j = 0; j < 1000 && err == MPROC_OK; j++)
            err = mproc_connection_send_bytes(pair.here, "to nobody", 9, LONG_TIME);
        CU_ASSERT_EQUAL(err, MPROC_ECLOSED);
        end_pair(&pair);
    }
}

static int connect_and_hang(void *arg)
{
    mproc_connection *connection;
    CHILD_OK(connect_to(arg, &connection));
    return hang_for_ever(NULL);
}

static void a_killed_peer_is_the_end(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct visit visit;
        char text[16];
        size_t size;
        mproc_listener *listener = listen_for(&visit, list[i], has_keys() ? "key" : "");
        mproc_process *child = start_child(connect_and_hang, &visit, sizeof visit, NULL);
        mproc_connection *connection;
        CHECK_OK(mproc_listener_accept(listener, &connection, LONG_TIME));
        CHECK_FAILS(mproc_connection_poll(connection, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_process_kill(child));
        CHECK_FAILS(mproc_connection_recv_bytes(connection, text, 16, &size, LONG_TIME), MPROC_ECLOSED);
        (void) end_child(child);
        CHECK_OK(mproc_connection_close(connection));
        CHECK_OK(mproc_listener_close(listener));
    }
}

static void closed_and_wrong_pointers_are_refused(void)
{
    struct pair pair;
    make_pair(&pair, MPROC_FAMILY_INET);
    char text[MPROC_ADDRESS_SIZE];
    size_t size;
    CHECK_FAILS(mproc_connection_poll((mproc_connection *) pair.listener, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_listener_address((mproc_listener *) pair.here, text, sizeof text), MPROC_EINVAL);
    CHECK_FAILS(mproc_connection_poll(NULL, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_connection_recv_bytes(pair.here, NULL, 4, &size, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_connection_recv_bytes(pair.here, text, 4, NULL, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_connection_send_bytes(pair.here, NULL, 4, 0), MPROC_EINVAL);
    mproc_connection *here = pair.here;
    mproc_listener *listener = pair.listener;
    end_pair(&pair);
    CHECK_FAILS(mproc_connection_send_bytes(here, "", 0, 0), MPROC_ECLOSED);
    CHECK_FAILS(mproc_connection_close(here), MPROC_ECLOSED);
    CHECK_FAILS(mproc_listener_accept(listener, &here, 0), MPROC_ECLOSED);
    CHECK_FAILS(mproc_listener_close(listener), MPROC_ECLOSED);
}

/* ---- listeners ---- */

static void addresses_and_what_is_wrong_with_them(void)
{
    mproc_listener *listener, *second;
    mproc_connection *connection;
    char address[MPROC_ADDRESS_SIZE], text[MPROC_ADDRESS_SIZE];
    mproc_connection_options bad = { .authkey_size = 5 };
    CHECK_FAILS(mproc_listener_create(&listener, "localhost:0", &bad), MPROC_EINVAL);
    bad = (mproc_connection_options){ .reserved = { text } };
    CHECK_FAILS(mproc_connection_open(&connection, "localhost:1", &bad, 0), MPROC_EINVAL);
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        mproc_connection_options options = { .family = list[i] };
        CHECK_OK(mproc_listener_create(&listener, NULL, &options));
        CHECK_OK(mproc_listener_address(listener, address, sizeof address));
        CHECK_FAILS(mproc_listener_address(listener, text, 3), MPROC_EINVAL);
        CHECK_OK(mproc_listener_last_accepted(listener, text, sizeof text));
        CU_ASSERT_STRING_EQUAL(text, "");
        CHECK_FAILS(mproc_listener_create(&second, address, NULL), MPROC_EEXIST);
        CHECK_FAILS(mproc_listener_accept(listener, &connection, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        CHECK_FAILS(mproc_listener_accept(listener, &connection, 20), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_listener_close(listener));
        CHECK_FAILS(mproc_connection_open(&connection, address, NULL, LONG_TIME), MPROC_ENOTFOUND);
        if (list[i] == MPROC_FAMILY_UNIX)
            CU_ASSERT_FALSE(file_exists(address));
    }
    CHECK_FAILS(mproc_listener_create(&listener, system_is_windows() ? "/tmp/socket" : "\\\\.\\pipe\\x", NULL),
                MPROC_ENOTSUP);
}

static void last_accepted_names_the_tcp_peer(void)
{
    struct pair pair;
    char text[MPROC_ADDRESS_SIZE];
    make_pair(&pair, MPROC_FAMILY_INET);
    CHECK_OK(mproc_listener_last_accepted(pair.listener, text, sizeof text));
    CU_ASSERT_EQUAL(strncmp(text, "127.0.0.1:", 10), 0);
    end_pair(&pair);
}

/* ---- keys ---- */

static int connect_with_a_wrong_key(void *arg)
{
    mproc_connection *connection;
    CHILD_FAILS(connect_to(arg, &connection), MPROC_EAUTH);
    return 0;
}

static void a_wrong_key_is_refused_on_both_sides_and_the_next_is_served(void)
{
    if (skip_without_keys())
        return;
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct visit visit;
        mproc_connection *connection;
        mproc_listener *listener = listen_for(&visit, list[i], "right");
        strcpy(visit.key, "wrong");
        mproc_process *child = start_child(connect_with_a_wrong_key, &visit, sizeof visit, NULL);
        CHECK_FAILS(mproc_listener_accept(listener, &connection, LONG_TIME), MPROC_EAUTH);
        CU_ASSERT_EQUAL(end_child(child), 0);
        strcpy(visit.key, "right");
        child = start_child(echo, &visit, sizeof visit, NULL);
        CHECK_OK(mproc_listener_accept(listener, &connection, LONG_TIME));
        CHECK_OK(mproc_connection_close(connection));
        CU_ASSERT_EQUAL(end_child(child), 0);
        CHECK_OK(mproc_listener_close(listener));
    }
}

static void peers_that_stall_hang_up_or_lie_do_not_stop_the_listener(void)
{
    if (skip_without_keys())
        return;
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct visit visit;
        mproc_connection *accepted, *stalled[3], *liar, *gone;
        mproc_listener *listener = listen_for(&visit, list[i], "key");
        mproc_connection_options keyless = { .family = list[i] };
        for (int j = 0; j < 3; j++) {
            CHECK_OK(mproc_connection_open(&stalled[j], visit.address, &keyless, LONG_TIME));
            CHECK_FAILS(mproc_listener_accept(listener, &accepted, 10), MPROC_ETIMEDOUT);
        }
        CHECK_OK(mproc_connection_open(&gone, visit.address, &keyless, LONG_TIME));
        CHECK_FAILS(mproc_listener_accept(listener, &accepted, 10), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_connection_close(gone));
        CHECK_FAILS(mproc_listener_accept(listener, &accepted, LONG_TIME), MPROC_EAUTH);
        CHECK_OK(mproc_connection_open(&liar, visit.address, &keyless, LONG_TIME));
        CHECK_FAILS(mproc_listener_accept(listener, &accepted, 10), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_connection_send_bytes(liar, "not a proof", 11, LONG_TIME));
        CHECK_FAILS(mproc_listener_accept(listener, &accepted, LONG_TIME), MPROC_EAUTH);
        mproc_process *child = start_child(echo, &visit, sizeof visit, NULL);
        CHECK_OK(mproc_listener_accept(listener, &accepted, LONG_TIME));
        echo_sizes(accepted);
        CHECK_OK(mproc_connection_close(accepted));
        CU_ASSERT_EQUAL(end_child(child), 0);
        for (int j = 0; j < 3; j++)
            CHECK_OK(mproc_connection_close(stalled[j]));
        CHECK_OK(mproc_connection_close(liar));
        CHECK_OK(mproc_listener_close(listener));
    }
}

static void a_handshake_has_a_deadline(void)
{
    if (skip_without_keys())
        return;
    mproc_listener *listener;
    mproc_connection *stalled, *accepted;
    char address[MPROC_ADDRESS_SIZE];
    mproc_connection_options options = options_with("key");
    options.handshake_timeout = 50;
    CHECK_OK(mproc_listener_create(&listener, NULL, &options));
    CHECK_OK(mproc_listener_address(listener, address, sizeof address));
    CHECK_OK(mproc_connection_open(&stalled, address, NULL, LONG_TIME));
    CHECK_FAILS(mproc_listener_accept(listener, &accepted, LONG_TIME), MPROC_EAUTH);
    CHECK_OK(mproc_connection_close(stalled));
    CHECK_OK(mproc_listener_close(listener));
}

/* ---- threads and full buffers ---- */

enum { SENDERS = 4, MESSAGES = 50, MESSAGE_SIZE = 40000 };
struct sender {
    mproc_connection *connection;
    unsigned char letter;
};

static void send_many(void *context)
{
    const struct sender *sender = context;
    static const size_t sizes[] = { MESSAGE_SIZE, 10, 3000 };
    unsigned char *bytes = malloc(MESSAGE_SIZE);
    memset(bytes, sender->letter, MESSAGE_SIZE);
    for (int i = 0; i < MESSAGES; i++)
        CHECK_OK(mproc_connection_send_bytes(sender->connection, bytes, sizes[i % 3], LONG_TIME));
    free(bytes);
}

static void messages_of_several_threads_do_not_mix(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        make_pair(&pair, list[i]);
        struct sender senders[SENDERS];
        struct test_thread *threads[SENDERS];
        for (int j = 0; j < SENDERS; j++) {
            senders[j] = (struct sender){ pair.there, (unsigned char) ('a' + j) };
            threads[j] = thread_start(send_many, &senders[j]);
        }
        unsigned char *bytes = malloc(MESSAGE_SIZE);
        int wrong = 0;
        for (int j = 0; j < SENDERS * MESSAGES; j++) {
            size_t size = 0;
            CHECK_OK(mproc_connection_recv_bytes(pair.here, bytes, MESSAGE_SIZE, &size, LONG_TIME));
            for (size_t k = 0; k < size; k++)
                wrong += bytes[k] != bytes[0];
        }
        CU_ASSERT_EQUAL(wrong, 0);
        for (int j = 0; j < SENDERS; j++)
            thread_join(threads[j]);
        free(bytes);
        end_pair(&pair);
    }
}

static void a_send_that_nobody_reads_times_out_and_cuts(void)
{
    struct pair pair;
    make_pair(&pair, MPROC_FAMILY_INET);
    size_t size = 64 << 20; /* more than any socket's buffer */
    char *bytes = calloc(size, 1);
    CHECK_FAILS(mproc_connection_send_bytes(pair.here, bytes, size, 100), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_connection_send_bytes(pair.here, bytes, 1, 100), MPROC_EBROKEN);
    CHECK_OK(mproc_connection_close(pair.here));
    pair.here = NULL;
    void *got;
    CHECK_FAILS(mproc_connection_recv_alloc(pair.there, &got, &size, LONG_TIME), MPROC_EDIED);
    free(bytes);
    end_pair(&pair);
}

/* Sends small messages until there is no room for one; how many were sent. */
static int fill(mproc_connection *connection, bool *cut)
{
    char bytes[1000];
    int count = 0;
    mproc_err err;
    do {
        memset(bytes, count, sizeof bytes);
        err = mproc_connection_send_bytes(connection, bytes, sizeof bytes, count % 2 ? MPROC_NOWAIT : 1);
    } while (err == MPROC_OK && ++count);
    CU_ASSERT_EQUAL(err, MPROC_ETIMEDOUT);
    *cut = strstr(mproc_last_error(), "in part") != NULL;
    return count;
}

static void a_full_connection_goes_on_unless_a_message_was_cut(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        make_pair(&pair, list[i]);
        bool cut;
        int count = fill(pair.here, &cut);
        if (cut) {
            CHECK_FAILS(mproc_connection_send_bytes(pair.here, "x", 1, LONG_TIME), MPROC_EBROKEN);
            CHECK_OK(mproc_connection_close(pair.here));
            pair.here = NULL;
        }
        char bytes[1000] = "";
        size_t size = 0;
        int wrong = 0;
        for (int j = 0; j < count; j++) {
            CU_ASSERT_EQUAL_FATAL(mproc_connection_recv_bytes(pair.there, bytes, sizeof bytes, &size, LONG_TIME),
                                  MPROC_OK);
            wrong += size != sizeof bytes || bytes[0] != (char) j || bytes[sizeof bytes - 1] != (char) j;
        }
        CU_ASSERT_EQUAL(wrong, 0);
        if (!cut)
            CHECK_OK(mproc_connection_send_bytes(pair.here, "next", 4, LONG_TIME));
        mproc_err err = mproc_connection_recv_bytes(pair.there, bytes, sizeof bytes, &size, LONG_TIME);
        CU_ASSERT_TRUE(cut ? err == MPROC_EDIED : err == MPROC_OK && size == 4);
        end_pair(&pair);
    }
}

static void a_message_above_the_limit_is_refused(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct visit visit;
        mproc_connection *connection;
        mproc_listener *listener = listen_for(&visit, list[i], "");
        mproc_process *child = start_child(echo, &visit, sizeof visit, NULL);
        CHECK_OK(mproc_listener_accept(listener, &connection, LONG_TIME));
        mproc_connection *limited;
        intptr_t native;
        mproc_connection_options options = { .max_message = 100, .family = list[i] };
        CHECK_OK(mproc_connection_detach(connection, &native));
        CHECK_FAILS(mproc_connection_close(connection), MPROC_ECLOSED);
        CHECK_OK(mproc_connection_attach(&limited, native, &options));
        char bytes[101] = "";
        size_t size;
        CHECK_OK(mproc_connection_send_bytes(limited, bytes, 100, LONG_TIME));
        CHECK_OK(mproc_connection_recv_bytes(limited, bytes, sizeof bytes, &size, LONG_TIME));
        CHECK_OK(mproc_connection_send_bytes(limited, bytes, 101, LONG_TIME));
        CHECK_FAILS(mproc_connection_recv_bytes(limited, bytes, sizeof bytes, &size, LONG_TIME), MPROC_EPROTO);
        CHECK_FAILS(mproc_connection_recv_bytes(limited, bytes, sizeof bytes, &size, LONG_TIME), MPROC_EPROTO);
        CHECK_OK(mproc_connection_close(limited));
        CU_ASSERT_EQUAL(end_child(child), 0);
        CHECK_OK(mproc_listener_close(listener));
    }
}

MPROC_SUITE(connection,
    MPROC_TEST(messages_of_every_size_come_back_whole),
    MPROC_TEST(a_message_too_long_for_the_buffer_is_kept),
    MPROC_TEST(poll_and_receive_have_time_outs),
    MPROC_TEST(a_closed_peer_is_the_end_after_its_last_message),
    MPROC_TEST(a_killed_peer_is_the_end),
    MPROC_TEST(closed_and_wrong_pointers_are_refused),
    MPROC_TEST(addresses_and_what_is_wrong_with_them),
    MPROC_TEST(last_accepted_names_the_tcp_peer),
    MPROC_TEST(a_wrong_key_is_refused_on_both_sides_and_the_next_is_served),
    MPROC_TEST(peers_that_stall_hang_up_or_lie_do_not_stop_the_listener),
    MPROC_TEST(a_handshake_has_a_deadline),
    MPROC_TEST(messages_of_several_threads_do_not_mix),
    MPROC_TEST(a_send_that_nobody_reads_times_out_and_cuts),
    MPROC_TEST(a_full_connection_goes_on_unless_a_message_was_cut),
    MPROC_TEST(a_message_above_the_limit_is_refused))
