/* SPDX-License-Identifier: MIT */
/* Listeners: addresses, keys, peers that stall or lie; many that connect at once, honest ones and strangers who only
 * take places. */
#include "connections.h"

#define KEY "the key"
/* More than a listener deals with at once. */
enum { BURST = 300, STRANGERS = 150, VISITS = 20, OPEN_AT_ONCE = 64 };

struct place {
    char address[MPROC_ADDRESS_SIZE];
    mproc_address_family family;
    mproc_memory block; /* ints */
};
enum { STOP, BEGUN, INTS };

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

static void connect_client_without_key(void *context)
{
    struct pair *pair = context;
    mproc_connection_options options = { .family = pair->visit.family };
    CHECK_OK(mproc_connection_open(&pair->there, pair->visit.address, &options, LONG_TIME));
}

/* Of this system's own family: how long TCP makes a client wait is the system's business. */
static void a_client_waits_while_the_listeners_queue_is_full(void)
{
    struct pair pair = { .listener = NULL };
    mproc_connection *waiting[64], *accepted;
    mproc_connection_options options = { .family = MPROC_FAMILY_DEFAULT };
    size_t count = 0;
    mproc_err err;
    CHECK_OK(mproc_listener_create(&pair.listener, NULL, &options));
    CHECK_OK(mproc_listener_address(pair.listener, pair.visit.address, sizeof pair.visit.address));
    while ((err = mproc_connection_open(&waiting[count], pair.visit.address, &options, MPROC_NOWAIT)) == MPROC_OK)
        CU_ASSERT_TRUE_FATAL(++count < 64);
    CU_ASSERT_EQUAL(err, MPROC_ETIMEDOUT);
    int64_t begin = mproc_plat_now();
    CHECK_FAILS(mproc_connection_open(&accepted, pair.visit.address, &options, 30), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_plat_now() - begin >= INT64_C(30000000));
    struct test_thread *thread = thread_start(connect_client_without_key, &pair);
    for (size_t i = 0; i <= count; i++) {
        CHECK_OK(mproc_listener_accept(pair.listener, &accepted, LONG_TIME));
        CHECK_OK(mproc_connection_close(accepted));
    }
    thread_join(thread);
    CHECK_OK(mproc_connection_close(pair.there));
    for (size_t i = 0; i < count; i++)
        CHECK_OK(mproc_connection_close(waiting[i]));
    CHECK_OK(mproc_listener_close(pair.listener));
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

static mproc_listener *listen_at(struct place *place, mproc_address_family family, mproc_ms handshake)
{
    mproc_listener *listener = NULL;
    mproc_connection_options options = { .family = family, .backlog = BURST, .handshake_timeout = handshake,
                                         .authkey = KEY, .authkey_size = strlen(KEY) };
    place->family = family;
    CHECK_OK(mproc_listener_create(&listener, NULL, &options));
    CHECK_OK(mproc_listener_address(listener, place->address, sizeof place->address));
    return listener;
}

static mproc_err connect_with_key(const struct place *place, mproc_connection **connection)
{
    mproc_connection_options options = { .family = place->family, .authkey = KEY, .authkey_size = strlen(KEY) };
    return mproc_connection_open(connection, place->address, &options, LONG_TIME);
}

static mproc_err connect_without_key(const struct place *place, mproc_connection **connection, mproc_ms timeout)
{
    mproc_connection_options options = { .family = place->family };
    return mproc_connection_open(connection, place->address, &options, timeout);
}

/* ---- many honest clients ---- */

struct client {
    const struct place *place;
    mproc_connection *connection;
    mproc_err err;
};
static _Atomic int clients_begun;

static void connect_client(void *context)
{
    struct client *client = context;
    atomic_fetch_add(&clients_begun, 1);
    client->err = connect_with_key(client->place, &client->connection);
}

static void everybody_with_the_key_is_accepted_however_many_come_at_once(void)
{
    if (skip_without_keys())
        return;
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        static struct client clients[BURST];
        static struct test_thread *threads[BURST];
        struct place place;
        mproc_listener *listener = listen_at(&place, list[i], 4 * LONG_TIME);
        atomic_store(&clients_begun, 0);
        for (int j = 0; j < BURST; j++) {
            clients[j] = (struct client){ .place = &place, .err = MPROC_ESYSTEM };
            threads[j] = thread_start(connect_client, &clients[j]);
        }
        CU_ASSERT_TRUE(wait_until(&clients_begun, BURST)); /* so that most wait in the system's queue */
        for (int j = 0; j < BURST; j++) {
            mproc_connection *connection;
            CU_ASSERT_EQUAL_FATAL(mproc_listener_accept(listener, &connection, LONG_TIME), MPROC_OK);
            CHECK_OK(mproc_connection_close(connection));
        }
        for (int j = 0; j < BURST; j++) {
            thread_join(threads[j]);
            CHECK_OK(clients[j].err);
            if (clients[j].err == MPROC_OK)
                CHECK_OK(mproc_connection_close(clients[j].connection));
        }
        CHECK_OK(mproc_listener_close(listener));
    }
}

/* ---- strangers who stay ---- */

/* While the listener moves its peers on, which accepts nobody yet, until a message for us is there. */
static void await_message(mproc_listener *listener, mproc_connection *connection)
{
    mproc_connection *nobody;
    while (mproc_connection_poll(connection, 1) == MPROC_ETIMEDOUT)
        CHECK_FAILS(mproc_listener_accept(listener, &nobody, MPROC_NOWAIT), MPROC_ETIMEDOUT);
}

/* A client's half of a handshake by hand. */
static void prove_by_hand(mproc_listener *listener, mproc_connection *connection)
{
    static const char challenge[] = "#CHALLENGE#{sha256}0123456789012345678901234567890123456789";
    char message[300] = "{sha256}";
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    size_t size = 0, mac_size;
    await_message(listener, connection);
    char text[300];
    CHECK_OK(mproc_connection_recv_bytes(connection, text, sizeof text, &size, MPROC_NOWAIT));
    CU_ASSERT_TRUE_FATAL(size > 11 && memcmp(text, "#CHALLENGE#", 11) == 0);
    CHECK_OK(mproc_plat_hmac(MPROC_PLAT_SHA256, KEY, strlen(KEY), text + 11, size - 11, mac, &mac_size));
    memcpy(message + 8, mac, mac_size);
    CHECK_OK(mproc_connection_send_bytes(connection, message, 8 + mac_size, LONG_TIME));
    await_message(listener, connection);
    CHECK_OK(mproc_connection_recv_bytes(connection, text, sizeof text, &size, MPROC_NOWAIT));
    CU_ASSERT_TRUE(size == 9 && memcmp(text, "#WELCOME#", 9) == 0);
    CHECK_OK(mproc_connection_send_bytes(connection, challenge, strlen(challenge), LONG_TIME));
    await_message(listener, connection);
    CHECK_OK(mproc_connection_recv_bytes(connection, text, sizeof text, &size, MPROC_NOWAIT));
    CHECK_OK(mproc_plat_hmac(MPROC_PLAT_SHA256, KEY, strlen(KEY), challenge + 11, strlen(challenge) - 11, mac,
                             &mac_size));
    CU_ASSERT_TRUE(size == 8 + mac_size && memcmp(text, "{sha256}", 8) == 0 &&
                   memcmp(text + 8, mac, mac_size) == 0);
    CHECK_OK(mproc_connection_send_bytes(connection, "#WELCOME#", 9, LONG_TIME));
}

static int count_challenged(mproc_connection **strangers)
{
    int count = 0;
    for (int i = 0; i < STRANGERS; i++)
        count += mproc_connection_poll(strangers[i], MPROC_NOWAIT) == MPROC_OK;
    return count;
}

/* TCP has a queue in every system. */
static void strangers_do_not_push_out_who_is_proving_the_key(void)
{
    if (skip_without_keys())
        return;
    static mproc_connection *strangers[STRANGERS];
    struct place place;
    mproc_listener *listener = listen_at(&place, MPROC_FAMILY_INET, 4 * LONG_TIME);
    mproc_connection *first = NULL, *accepted = NULL;
    CHECK_OK(connect_without_key(&place, &first, LONG_TIME));
    for (int i = 0; i < STRANGERS; i++)
        CHECK_OK(connect_without_key(&place, &strangers[i], LONG_TIME));
    /* However many come, accept deals with a few at a time, and so is back in time. */
    CHECK_FAILS(mproc_listener_accept(listener, &accepted, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(count_challenged(strangers) < STRANGERS / 2);
    for (int i = 0; i < STRANGERS; i++)
        CHECK_FAILS(mproc_listener_accept(listener, &accepted, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(count_challenged(strangers) < STRANGERS);
    prove_by_hand(listener, first);
    CHECK_OK(mproc_listener_accept(listener, &accepted, LONG_TIME));
    char text[16];
    size_t size = 0;
    CHECK_OK(mproc_connection_send_bytes(first, "hello", 5, LONG_TIME));
    CHECK_OK(mproc_connection_recv_bytes(accepted, text, sizeof text, &size, LONG_TIME));
    CU_ASSERT_EQUAL(size, 5);
    CHECK_OK(mproc_connection_close(accepted));
    CHECK_OK(mproc_connection_close(first));
    for (int i = 0; i < STRANGERS; i++)
        CHECK_OK(mproc_connection_close(strangers[i]));
    CHECK_OK(mproc_listener_close(listener));
}

/* Their time has no end, but after some seconds they make room. */
static void strangers_who_stay_do_not_keep_others_out(void)
{
    if (skip_without_keys())
        return;
    static mproc_connection *strangers[STRANGERS];
    struct place place;
    mproc_listener *listener = listen_at(&place, MPROC_FAMILY_INET, MPROC_FOREVER);
    for (int i = 0; i < STRANGERS; i++)
        CHECK_OK(connect_without_key(&place, &strangers[i], LONG_TIME));
    struct client client = { .place = &place };
    struct test_thread *thread = thread_start(connect_client, &client);
    mproc_connection *accepted = NULL;
    mproc_err err;
    while ((err = mproc_listener_accept(listener, &accepted, LONG_TIME)) == MPROC_EAUTH)
        continue;
    CHECK_OK(err);
    thread_join(thread);
    CHECK_OK(client.err);
    CHECK_OK(mproc_connection_close(accepted));
    CHECK_OK(mproc_connection_close(client.connection));
    for (int i = 0; i < STRANGERS; i++)
        CHECK_OK(mproc_connection_close(strangers[i]));
    CHECK_OK(mproc_listener_close(listener));
}

/* ---- strangers who come and go ---- */

static int come_and_go(void *arg)
{
    const struct place *place = arg;
    _Atomic int *ints = mproc_pointer(place->block);
    mproc_connection *connections[OPEN_AT_ONCE] = { NULL };
    for (int i = 0; atomic_load(&ints[STOP]) == 0; i = (i + 1) % OPEN_AT_ONCE) {
        if (connections[i])
            CHILD_OK(mproc_connection_close(connections[i]));
        if (connect_without_key(place, &connections[i], 200) != MPROC_OK)
            connections[i] = NULL;
        atomic_fetch_add(&ints[BEGUN], 1);
    }
    for (int i = 0; i < OPEN_AT_ONCE; i++)
        if (connections[i])
            CHILD_OK(mproc_connection_close(connections[i]));
    return 0;
}

static int visit_often(void *arg)
{
    const struct place *place = arg;
    for (int i = 0; i < VISITS; i++) {
        mproc_connection *connection;
        char byte;
        size_t size;
        CHILD_OK(connect_with_key(place, &connection));
        CHILD_OK(mproc_connection_recv_bytes(connection, &byte, 1, &size, LONG_TIME));
        CHILD_OK(mproc_connection_close(connection));
    }
    return 0;
}

static void strangers_who_come_and_go_do_not_keep_others_out(void)
{
    if (skip_without_keys())
        return;
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct place place;
        _Atomic int *ints = shared_ints(&place.block, INTS);
        mproc_listener *listener = listen_at(&place, list[i], LONG_TIME);
        mproc_process_options daemonic = { .daemon = true };
        mproc_process *stranger = start_child(come_and_go, &place, sizeof place, &daemonic);
        mproc_process *honest = NULL;
        for (int accepted = 0; accepted < VISITS;) {
            mproc_connection *connection;
            mproc_err err = mproc_listener_accept(listener, &connection, 100);
            if (!honest && atomic_load(&ints[BEGUN]) > OPEN_AT_ONCE)
                honest = start_child(visit_often, &place, sizeof place, &daemonic);
            if (err != MPROC_OK) {
                bool alive = true; /* it ends early only if it was refused */
                CU_ASSERT_TRUE_FATAL(err == MPROC_EAUTH || err == MPROC_ETIMEDOUT);
                CU_ASSERT_TRUE_FATAL(!honest || (mproc_process_is_alive(honest, &alive) == MPROC_OK && alive));
                continue;
            }
            CHECK_OK(mproc_connection_send_bytes(connection, "x", 1, LONG_TIME));
            CHECK_OK(mproc_connection_close(connection));
            accepted++;
        }
        atomic_store(&ints[STOP], 1);
        CU_ASSERT_EQUAL(end_child(honest), 0);
        CHECK_OK(mproc_listener_close(listener));
        CU_ASSERT_EQUAL(end_child(stranger), 0);
        CHECK_OK(mproc_free(place.block));
    }
}

MPROC_SUITE(listener, MPROC_TEST(addresses_and_what_is_wrong_with_them), MPROC_TEST(last_accepted_names_the_tcp_peer),
            MPROC_TEST(a_client_waits_while_the_listeners_queue_is_full),
            MPROC_TEST(a_wrong_key_is_refused_on_both_sides_and_the_next_is_served),
            MPROC_TEST(peers_that_stall_hang_up_or_lie_do_not_stop_the_listener),
            MPROC_TEST(a_handshake_has_a_deadline),
            MPROC_TEST(everybody_with_the_key_is_accepted_however_many_come_at_once),
            MPROC_TEST(strangers_do_not_push_out_who_is_proving_the_key),
            MPROC_TEST(strangers_who_stay_do_not_keep_others_out),
            MPROC_TEST(strangers_who_come_and_go_do_not_keep_others_out))
