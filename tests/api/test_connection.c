/* SPDX-License-Identifier: MIT */
/* Connections: messages, ends, threads, full buffers. */
#include "connections.h"

/* ---- messages ---- */

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

/* ---- natively ---- */

static void the_native_handle_stays_the_connections(void)
{
    struct pair pair;
    intptr_t native = -1, detached = -1;
    char text[4];
    size_t size = 0;
    make_pair(&pair, MPROC_FAMILY_INET);
    CHECK_FAILS(mproc_connection_native(pair.here, NULL), MPROC_EINVAL);
    CHECK_FAILS(mproc_connection_native(NULL, &native), MPROC_EINVAL);
    CHECK_OK(mproc_connection_native(pair.here, &native));
    if (!system_is_windows()) {
        CU_ASSERT_FALSE(native_ready(native, 0));
        CHECK_OK(mproc_connection_send_bytes(pair.there, "hey", 3, LONG_TIME));
        CU_ASSERT_TRUE(native_ready(native, 60000));
        CHECK_OK(mproc_connection_recv_bytes(pair.here, text, sizeof text, &size, LONG_TIME));
        CU_ASSERT_EQUAL(size, 3);
    }
    CHECK_OK(mproc_connection_detach(pair.here, &detached));
    CU_ASSERT_EQUAL(native, detached);
    CHECK_FAILS(mproc_connection_native(pair.here, &native), MPROC_ECLOSED);
    CHECK_OK(mproc_connection_attach(&pair.here, detached, NULL));
    end_pair(&pair);
}

struct copied {
    mproc_connection *connection;
    mproc_memory block; /* ints: the child is there; it may end */
};

static int keep_copy(void *argument)
{
    const struct copied *copied = argument;
    _Atomic int *ints = mproc_pointer(copied->block);
    atomic_store(&ints[0], 1);
    CHILD_CHECK(wait_until(&ints[1], 1));
    CHILD_OK(mproc_connection_send_bytes(copied->connection, "copy", 4, LONG_TIME));
    CHILD_OK(mproc_connection_close(copied->connection));
    atomic_store(&ints[0], 2);
    CHILD_CHECK(wait_until(&ints[1], 2));
    return 0;
}

/* As in Python; children of the other methods have no copies. */
static void a_forked_child_has_copies_and_ends_them_by_closing(void)
{
    if (method_under_test() != MPROC_START_FORK) {
        skip("only forked children have copies of connections");
        return;
    }
    struct pair pair;
    struct copied copied;
    char text[16];
    size_t size = 0;
    _Atomic int *ints = shared_ints(&copied.block, 2);
    make_pair(&pair, MPROC_FAMILY_UNIX);
    copied.connection = pair.there;
    mproc_process *child = start_child(keep_copy, &copied, sizeof copied, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(&ints[0], 1));
    CHECK_OK(mproc_connection_close(pair.there));
    pair.there = NULL;
    CHECK_FAILS(mproc_connection_poll(pair.here, 20), MPROC_ETIMEDOUT);
    atomic_store(&ints[1], 1);
    CHECK_OK(mproc_connection_recv_bytes(pair.here, text, sizeof text, &size, LONG_TIME));
    CU_ASSERT_EQUAL(size, 4);
    CHECK_FAILS(mproc_connection_recv_bytes(pair.here, text, sizeof text, &size, LONG_TIME), MPROC_ECLOSED);
    atomic_store(&ints[1], 2);
    CU_ASSERT_EQUAL(end_child(child), 0);
    CHECK_OK(mproc_free(copied.block));
    end_pair(&pair);
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
    MPROC_TEST(the_native_handle_stays_the_connections),
    MPROC_TEST(a_forked_child_has_copies_and_ends_them_by_closing),
    MPROC_TEST(messages_of_several_threads_do_not_mix),
    MPROC_TEST(a_send_that_nobody_reads_times_out_and_cuts),
    MPROC_TEST(a_full_connection_goes_on_unless_a_message_was_cut),
    MPROC_TEST(a_message_above_the_limit_is_refused))
