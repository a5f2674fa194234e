/* SPDX-License-Identifier: MIT */
/* Handles and connections in messages, and bytes that look like them. */
#include "suite.h"
#include "system.h"

#include "platform.h"

#define LONG_TIME ((mproc_ms) 60000)

static mproc_listener *listen_at(mproc_address_family family, char *address)
{
    mproc_listener *listener = NULL;
    mproc_connection_options options = { .family = family };
    CHECK_OK(mproc_listener_create(&listener, NULL, &options));
    CHECK_OK(mproc_listener_address(listener, address, MPROC_ADDRESS_SIZE));
    return listener;
}

/* Both ends in this process. */
struct pair {
    mproc_listener *listener;
    mproc_connection *here, *there;
};

static void make_pair(struct pair *pair, mproc_address_family family)
{
    char address[MPROC_ADDRESS_SIZE];
    pair->listener = listen_at(family, address);
    CHECK_OK(mproc_connection_open(&pair->here, address, NULL, LONG_TIME));
    CHECK_OK(mproc_listener_accept(pair->listener, &pair->there, LONG_TIME));
}

static void end_pair(struct pair *pair)
{
    CHECK_OK(mproc_connection_close(pair->here));
    CHECK_OK(mproc_connection_close(pair->there));
    CHECK_OK(mproc_listener_close(pair->listener));
}

/* ---- to another process ---- */

struct gift {
    char address[MPROC_ADDRESS_SIZE];
};

static int use_gifts(void *arg)
{
    const struct gift *gift = arg;
    mproc_connection *carrier, *cargo;
    intptr_t file;
    mproc_native_kind kind;
    char text[8];
    size_t size;
    CHILD_OK(mproc_connection_open(&carrier, gift->address, NULL, LONG_TIME));
    CHILD_FAILS(mproc_connection_recv_bytes(carrier, text, sizeof text, &size, LONG_TIME), MPROC_ETYPE);
    CHILD_FAILS(mproc_connection_recv_connection(carrier, &cargo, LONG_TIME), MPROC_ETYPE);
    CHILD_OK(mproc_connection_recv_handle(carrier, &file, &kind, LONG_TIME));
    CHILD_CHECK(kind == MPROC_NATIVE_FILE);
    CHILD_CHECK(native_write(file, "gift"));
    native_close(file);
    CHILD_FAILS(mproc_connection_recv_handle(carrier, &file, &kind, LONG_TIME), MPROC_ETYPE);
    CHILD_OK(mproc_connection_recv_connection(carrier, &cargo, LONG_TIME));
    CHILD_OK(mproc_connection_send_bytes(cargo, "thanks", 6, LONG_TIME));
    CHILD_FAILS(mproc_connection_recv_handle(carrier, &file, &kind, LONG_TIME), MPROC_ETYPE);
    CHILD_OK(mproc_connection_recv_bytes(carrier, text, sizeof text, &size, LONG_TIME));
    CHILD_CHECK(size == 3);
    CHILD_OK(mproc_connection_close(cargo));
    CHILD_OK(mproc_connection_close(carrier));
    return 0;
}

static void files_and_connections_go_to_another_process(void)
{
    struct gift gift;
    char folder[512], path[600], far_address[MPROC_ADDRESS_SIZE], text[16] = "";
    size_t size = 0;
    mproc_listener *listener = listen_at(MPROC_FAMILY_DEFAULT, gift.address);
    mproc_listener *far_listener = listen_at(MPROC_FAMILY_INET, far_address);
    mproc_connection *carrier, *cargo, *other;
    CHECK_OK(mproc_connection_open(&cargo, far_address, NULL, LONG_TIME));
    CHECK_OK(mproc_listener_accept(far_listener, &other, LONG_TIME));
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("gift", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/file", folder);
    intptr_t file = native_open(path, true);
    mproc_process *child = start_child(use_gifts, &gift, sizeof gift, NULL);
    CHECK_OK(mproc_listener_accept(listener, &carrier, LONG_TIME));
    CHECK_OK(mproc_connection_send_handle(carrier, file, MPROC_NATIVE_FILE, LONG_TIME));
    native_close(file);
    CHECK_FAILS(mproc_connection_send_handle(other, file, MPROC_NATIVE_FILE, LONG_TIME), MPROC_ENOTSUP);
    CHECK_OK(mproc_connection_send_connection(carrier, cargo, LONG_TIME));
    CHECK_FAILS(mproc_connection_close(cargo), MPROC_ECLOSED);
    CHECK_OK(mproc_connection_send_bytes(carrier, "end", 3, LONG_TIME));
    CHECK_OK(mproc_connection_recv_bytes(other, text, sizeof text, &size, LONG_TIME));
    CU_ASSERT_TRUE(size == 6 && memcmp(text, "thanks", 6) == 0);
    CU_ASSERT_EQUAL(end_child(child), 0);
    CHECK_FAILS(mproc_connection_recv_bytes(other, text, sizeof text, &size, LONG_TIME), MPROC_ECLOSED);
    file = native_open(path, false);
    CU_ASSERT_EQUAL(native_read(file, text, sizeof text), 4);
    native_close(file);
    CHECK_OK(mproc_connection_close(other));
    CHECK_OK(mproc_connection_close(carrier));
    CHECK_OK(mproc_listener_close(listener));
    CHECK_OK(mproc_listener_close(far_listener));
    remove_folder(folder);
}

/* A connection of each family, then a socket that is none of mproc's. */
static int use_cargo(void *arg)
{
    const struct gift *gift = arg;
    mproc_connection *carrier, *cargo;
    mproc_connection_options inet = { .family = MPROC_FAMILY_INET };
    intptr_t native;
    mproc_native_kind kind;
    CHILD_OK(mproc_connection_open(&carrier, gift->address, NULL, LONG_TIME));
    for (int i = 0; i < 2; i++) {
        CHILD_OK(mproc_connection_recv_connection(carrier, &cargo, LONG_TIME));
        CHILD_OK(mproc_connection_send_bytes(cargo, "cargo", 5, LONG_TIME));
        CHILD_OK(mproc_connection_close(cargo));
    }
    CHILD_OK(mproc_connection_recv_handle(carrier, &native, &kind, LONG_TIME));
    CHILD_CHECK(kind == MPROC_NATIVE_SOCKET);
    CHILD_OK(mproc_connection_attach(&cargo, native, &inet));
    CHILD_OK(mproc_connection_send_bytes(cargo, "socket", 6, LONG_TIME));
    CHILD_OK(mproc_connection_close(cargo));
    CHILD_OK(mproc_connection_close(carrier));
    return 0;
}

static void check_text(mproc_connection *connection, const char *expected)
{
    char text[16] = "";
    size_t size = 0;
    CHECK_OK(mproc_connection_recv_bytes(connection, text, sizeof text, &size, LONG_TIME));
    CU_ASSERT_TRUE(size == strlen(expected) && memcmp(text, expected, size) == 0);
}

static void connections_of_each_family_and_sockets_go_to_another_process(void)
{
    static const mproc_address_family families[] = { MPROC_FAMILY_DEFAULT, MPROC_FAMILY_INET, MPROC_FAMILY_INET };
    struct gift gift;
    struct pair pairs[3];
    mproc_connection *carrier;
    mproc_connection_options inet = { .family = MPROC_FAMILY_INET };
    intptr_t native;
    mproc_listener *listener = listen_at(MPROC_FAMILY_DEFAULT, gift.address);
    for (int i = 0; i < 3; i++)
        make_pair(&pairs[i], families[i]);
    mproc_process *child = start_child(use_cargo, &gift, sizeof gift, NULL);
    CHECK_OK(mproc_listener_accept(listener, &carrier, LONG_TIME));
    for (int i = 0; i < 2; i++)
        CHECK_OK(mproc_connection_send_connection(carrier, pairs[i].here, LONG_TIME));
    CHECK_OK(mproc_connection_detach(pairs[2].here, &native));
    CHECK_OK(mproc_connection_send_handle(carrier, native, MPROC_NATIVE_SOCKET, LONG_TIME));
    for (int i = 0; i < 3; i++)
        check_text(pairs[i].there, i < 2 ? "cargo" : "socket");
    CU_ASSERT_EQUAL(end_child(child), 0);
    CHECK_OK(mproc_connection_attach(&pairs[2].here, native, &inet)); /* it was a copy that was sent */
    CHECK_OK(mproc_connection_send_bytes(pairs[2].there, "still", 5, LONG_TIME));
    check_text(pairs[2].here, "still");
    CHECK_OK(mproc_connection_close(pairs[2].here));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(mproc_connection_close(pairs[i].there));
        CHECK_OK(mproc_listener_close(pairs[i].listener));
    }
    CHECK_OK(mproc_connection_close(carrier));
    CHECK_OK(mproc_listener_close(listener));
}

/* ---- what may go wrong ---- */

/* In a child, whose limit is its own. */
static int receive_without_descriptors(void *arg)
{
    char address[MPROC_ADDRESS_SIZE], text[40];
    mproc_listener *listener;
    mproc_connection *here, *there;
    mproc_native_kind kind;
    intptr_t native;
    size_t size;
    (void) arg;
    CHILD_OK(mproc_listener_create(&listener, NULL, NULL));
    CHILD_OK(mproc_listener_address(listener, address, sizeof address));
    CHILD_OK(mproc_connection_open(&here, address, NULL, LONG_TIME));
    CHILD_OK(mproc_listener_accept(listener, &there, LONG_TIME));
    CHILD_OK(mproc_connection_send_handle(here, native_stream(0), MPROC_NATIVE_FILE, LONG_TIME));
    CHILD_OK(mproc_connection_send_bytes(here, "next", 4, LONG_TIME));
    CHILD_CHECK(set_own_limit("descriptors", 3));
    CHILD_FAILS(mproc_connection_recv_bytes(there, text, sizeof text, &size, LONG_TIME), MPROC_ETYPE);
    CHILD_FAILS(mproc_connection_recv_handle(there, &native, &kind, LONG_TIME), MPROC_EAGAIN);
    CHILD_CHECK(strstr(mproc_last_error(), "RLIMIT_NOFILE") != NULL);
    raise_descriptor_limit();
    CHILD_OK(mproc_connection_recv_bytes(there, text, sizeof text, &size, LONG_TIME));
    CHILD_CHECK(size == 4 && memcmp(text, "next", 4) == 0);
    CHILD_OK(mproc_connection_send_handle(here, native_stream(0), MPROC_NATIVE_FILE, LONG_TIME));
    CHILD_OK(mproc_connection_recv_handle(there, &native, &kind, LONG_TIME));
    native_close(native);
    CHILD_OK(mproc_connection_close(here));
    CHILD_OK(mproc_connection_close(there));
    CHILD_OK(mproc_listener_close(listener));
    return 0;
}

static void a_handle_that_there_is_no_descriptor_for_is_an_error_and_not_bytes(void)
{
    if (system_is_windows())
        skip("there is no limit of handles to run into");
    else
        CU_ASSERT_EQUAL(run_child(receive_without_descriptors, NULL, 0, NULL), 0);
}

struct sending {
    mproc_connection *connection;
    char *bytes;
    size_t size;
    mproc_err err;
};

static void send_in_thread(void *context)
{
    struct sending *sending = context;
    sending->err = mproc_connection_send_bytes(sending->connection, sending->bytes, sending->size, LONG_TIME);
}

static void comes_as_it_is(struct pair *pair, const char *after, size_t after_size, size_t size)
{
    struct sending sending = { .connection = pair->here, .bytes = calloc(1, size), .size = size };
    void *got = NULL;
    size_t got_size = 0;
    memcpy(sending.bytes, "#MPROC-HANDLE#", 14);
    memcpy(sending.bytes + 14, after, after_size);
    struct test_thread *thread = thread_start(send_in_thread, &sending);
    CHECK_OK(mproc_connection_recv_alloc(pair->there, &got, &got_size, LONG_TIME));
    thread_join(thread);
    CHECK_OK(sending.err);
    CU_ASSERT_TRUE(got_size == size && got && memcmp(got, sending.bytes, size) == 0);
    mproc_connection_free(got);
    free(sending.bytes);
}

static void bytes_that_look_like_a_handle_are_bytes(void)
{
    enum { MARK = 14, WHAT_WINDOWS_SAYS_OF_A_SOCKET = 628 };
    static const mproc_address_family families[] = { MPROC_FAMILY_DEFAULT, MPROC_FAMILY_INET };
    for (int i = 0; i < 2; i++) {
        struct pair pair;
        make_pair(&pair, families[i]);
        comes_as_it_is(&pair, "", 0, MARK);
        comes_as_it_is(&pair, "", 1, MARK + 1);
        comes_as_it_is(&pair, "\1", 1, MARK + 1);
        comes_as_it_is(&pair, "\1\4", 2, MARK + 1 + sizeof(uint64_t));
        comes_as_it_is(&pair, "\2", 1, MARK + 1 + WHAT_WINDOWS_SAYS_OF_A_SOCKET);
        comes_as_it_is(&pair, "\x11", 1, MARK + 1);
        comes_as_it_is(&pair, "text", 4, MARK + 4);
        comes_as_it_is(&pair, "\0#MPROC-HANDLE#", 16, MARK + 16);
        comes_as_it_is(&pair, "", 1, 70000);
        end_pair(&pair);
    }
}

static void a_connection_in_use_is_not_sent(void)
{
    struct mproc_plat_channel listening, other;
    struct mproc_plat_piece piece;
    char address[MPROC_ADDRESS_SIZE], peer[MPROC_ADDRESS_SIZE], byte;
    struct pair carrier;
    size_t size;
    mproc_connection *received = NULL;
    enum { LONG_SIZE = 64 << 20 }; /* more than any socket's buffer */
    struct sending send = { .bytes = calloc(1, LONG_SIZE), .size = LONG_SIZE };
    make_pair(&carrier, MPROC_FAMILY_DEFAULT);
    CHECK_OK(mproc_plat_channel_listen(&listening, MPROC_FAMILY_INET, NULL, 1, address));
    CHECK_OK(mproc_connection_open(&send.connection, address, NULL, LONG_TIME));
    while (mproc_plat_channel_accept(&listening, &other, peer) == MPROC_ETIMEDOUT)
        sleep_briefly();
    struct test_thread *thread = thread_start(send_in_thread, &send);
    while (mproc_plat_channel_read(&other, &byte, 1, &piece) == MPROC_ETIMEDOUT)
        sleep_briefly(); /* the first byte: the other thread is in its call, and stays there */
    CHECK_FAILS(mproc_connection_send_connection(carrier.here, send.connection, LONG_TIME), MPROC_ESTATE);
    CHECK_FAILS(mproc_connection_poll(carrier.there, 50), MPROC_ETIMEDOUT); /* nothing was sent */
    mproc_plat_channel_close(&other);
    thread_join(thread);
    CU_ASSERT_EQUAL(send.err, MPROC_ECLOSED);
    free(send.bytes);
    /* One that has ended arrives as such. */
    CHECK_OK(mproc_connection_send_connection(carrier.here, send.connection, LONG_TIME));
    CHECK_OK(mproc_connection_recv_connection(carrier.there, &received, LONG_TIME));
    CHECK_FAILS(mproc_connection_recv_bytes(received, &byte, 1, &size, LONG_TIME), MPROC_ECLOSED);
    CHECK_OK(mproc_connection_close(received));
    mproc_plat_channel_close(&listening);
    end_pair(&carrier);
}

MPROC_SUITE(passing, MPROC_TEST(files_and_connections_go_to_another_process),
            MPROC_TEST(connections_of_each_family_and_sockets_go_to_another_process),
            MPROC_TEST(a_handle_that_there_is_no_descriptor_for_is_an_error_and_not_bytes),
            MPROC_TEST(bytes_that_look_like_a_handle_are_bytes),
            MPROC_TEST(a_connection_in_use_is_not_sent))
