/* SPDX-License-Identifier: MIT */
/* The boundary: channels, the transport below connections. Every test runs with the family of this system (a Unix
 * socket, a named pipe) and with TCP. */
#include "contract.h"

#include "socket.h"

static int child(const char *boot)
{
    (void) boot;
    return 1; /* these tests have one process */
}

enum { FAMILIES = 2 };

static mproc_address_family family_of(int number)
{
    return number == 0 ? mproc_plat_channel_family() : MPROC_FAMILY_INET;
}

/* The one that this system has not. */
static mproc_address_family foreign_family(void)
{
    return mproc_plat_channel_family() == MPROC_FAMILY_UNIX ? MPROC_FAMILY_PIPE : MPROC_FAMILY_UNIX;
}

struct pair {
    struct mproc_plat_channel listener, here, there;
    mproc_address_family family;
    char bound[MPROC_ADDRESS_SIZE], peer[MPROC_ADDRESS_SIZE];
};

static bool await_channel(struct mproc_plat_channel *channel)
{
    mproc_plat_handle waitable = MPROC_PLAT_NONE;
    bool ready = false;
    size_t bad;
    CHECK_OK(mproc_plat_channel_waitable(channel, &waitable));
    CHECK_OK(mproc_plat_await(&waitable, 1, in_seconds(60), &ready, &bad));
    return ready;
}

static void listen_fresh(struct pair *pair, mproc_address_family family)
{
    pair->family = family;
    mproc_err err = mproc_plat_channel_listen(&pair->listener, family, NULL, 8, pair->bound);
    if (err != MPROC_OK)
        printf("listen: %s\n", mproc_last_error());
    CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
}

/* A time-out says that nobody is there yet: the wait may have been for one that has gone. */
static void accept_next(struct pair *pair)
{
    mproc_err err;
    while ((err = mproc_plat_channel_accept(&pair->listener, &pair->there, pair->peer)) == MPROC_ETIMEDOUT)
        CU_ASSERT_TRUE_FATAL(await_channel(&pair->listener));
    CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
}

static void connect_pair(struct pair *pair, mproc_address_family family)
{
    listen_fresh(pair, family);
    mproc_err err = mproc_plat_channel_connect(&pair->here, family, pair->bound, in_seconds(60));
    CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
    accept_next(pair);
}

static void close_listener(struct pair *pair)
{
    mproc_plat_channel_close(&pair->listener);
    mproc_plat_channel_unlink(pair->family, pair->bound, true);
}

static void close_pair(struct pair *pair)
{
    mproc_plat_channel_close(&pair->here);
    mproc_plat_channel_close(&pair->there);
    close_listener(pair);
}

static void send_all(struct mproc_plat_channel *channel, const void *bytes, size_t size)
{
    size_t written = 0;
    CHECK_OK(mproc_plat_channel_write(channel, bytes, size, MPROC_PLAT_NONE, in_seconds(60), &written));
    CU_ASSERT_EQUAL(written, size);
}

/* Waits until something is there: bytes, or the end. */
static mproc_err receive(struct mproc_plat_channel *channel, void *bytes, size_t size,
                         struct mproc_plat_piece *piece)
{
    mproc_err err;
    while ((err = mproc_plat_channel_read(channel, bytes, size, piece)) == MPROC_ETIMEDOUT)
        if (!await_channel(channel))
            return MPROC_ETIMEDOUT;
    return err;
}

/* Reads exactly `size` bytes. */
static void check_bytes(struct mproc_plat_channel *channel, const unsigned char *expected, size_t size)
{
    unsigned char bytes[5000];
    struct mproc_plat_piece piece;
    for (size_t done = 0; done < size; done += piece.size) {
        size_t left = size - done;
        CU_ASSERT_EQUAL_FATAL(receive(channel, bytes, left < sizeof bytes ? left : sizeof bytes, &piece),
                              MPROC_OK);
        CU_ASSERT_TRUE_FATAL(piece.size > 0 && piece.size <= left);
        CU_ASSERT_EQUAL(memcmp(bytes, expected + done, piece.size), 0);
        CU_ASSERT_EQUAL(piece.passed, MPROC_PLAT_NONE);
    }
}

static unsigned char *make_bytes(size_t size)
{
    unsigned char *bytes = malloc(size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char) (i * 13 + i / 251);
    return bytes;
}

/* ---- finding each other ---- */

static void accepting_never_waits(void)
{
    for (int i = 0; i < FAMILIES; i++) {
        struct pair pair;
        listen_fresh(&pair, family_of(i));
        CU_ASSERT_TRUE(pair.listener.listening);
        CU_ASSERT_TRUE(strlen(pair.bound) > 0);
        for (int try = 0; try < 3; try++)
            CU_ASSERT_EQUAL(mproc_plat_channel_accept(&pair.listener, &pair.there, pair.peer),
                            MPROC_ETIMEDOUT);
        close_listener(&pair);
        if (family_of(i) == MPROC_FAMILY_UNIX)
            CU_ASSERT_FALSE(file_exists(pair.bound));
    }
}

static void who_connects_is_accepted_in_turn(void)
{
    enum { COUNT = 4 };
    for (int i = 0; i < FAMILIES; i++) {
        struct pair pair;
        connect_pair(&pair, family_of(i));
        CU_ASSERT_EQUAL(pair.here.family, family_of(i));
        CU_ASSERT_EQUAL(pair.there.family, family_of(i));
        CU_ASSERT_FALSE(pair.here.listening || pair.there.listening);
        CU_ASSERT_EQUAL(strchr(pair.peer, ':') != NULL, family_of(i) == MPROC_FAMILY_INET);
        for (int n = 0; n < COUNT; n++) {
            mproc_plat_channel_close(&pair.here);
            mproc_plat_channel_close(&pair.there);
            CHECK_OK(mproc_plat_channel_connect(&pair.here, pair.family, pair.bound, in_seconds(60)));
            accept_next(&pair);
            check_bytes(&pair.there, (send_all(&pair.here, &n, 1), (unsigned char *) &n), 1);
        }
        close_pair(&pair);
    }
}

static void an_address_is_had_once_and_only_while_somebody_listens(void)
{
    for (int i = 0; i < FAMILIES; i++) {
        struct pair pair;
        struct mproc_plat_channel second = { .handle = 77 };
        char bound[MPROC_ADDRESS_SIZE] = "untouched";
        listen_fresh(&pair, family_of(i));
        CHECK_FAILS(mproc_plat_channel_listen(&second, pair.family, pair.bound, 8, bound), MPROC_EEXIST);
        CU_ASSERT_STRING_EQUAL(bound, "untouched");
        close_listener(&pair);
        mproc_err err = mproc_plat_channel_connect(&second, pair.family, pair.bound, in_seconds(60));
        CHECK_FAILS(err, MPROC_ENOTFOUND);
        CU_ASSERT_EQUAL(second.handle, 77);
    }
}

static void wrong_addresses_are_refused(void)
{
    struct mproc_plat_channel channel = { .handle = 77 };
    char bound[MPROC_ADDRESS_SIZE] = "untouched";
    mproc_address_family foreign = foreign_family();
    CHECK_FAILS(mproc_plat_channel_listen(&channel, foreign, NULL, 8, bound), MPROC_ENOTSUP);
    CHECK_FAILS(mproc_plat_channel_connect(&channel, foreign, "x", in_seconds(60)), MPROC_ENOTSUP);
    CHECK_FAILS(mproc_plat_channel_listen(&channel, MPROC_FAMILY_INET, "no port", 8, bound), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_channel_connect(&channel, MPROC_FAMILY_INET, "no port", in_seconds(60)),
                MPROC_EINVAL);
    CU_ASSERT_EQUAL(channel.handle, 77);
    CU_ASSERT_STRING_EQUAL(bound, "untouched");
}

/* ---- bytes ---- */

static void reading_never_waits_and_parts_are_told(void)
{
    for (int i = 0; i < FAMILIES; i++) {
        struct pair pair;
        char bytes[10] = "untouched";
        struct mproc_plat_piece piece = { .size = 99 };
        connect_pair(&pair, family_of(i));
        for (int try = 0; try < 3; try++)
            CU_ASSERT_EQUAL(mproc_plat_channel_read(&pair.there, bytes, sizeof bytes, &piece), MPROC_ETIMEDOUT);
        CU_ASSERT_STRING_EQUAL(bytes, "untouched");
        send_all(&pair.here, "abcde", 5);
        CU_ASSERT_EQUAL(piece.size, 99);
        CHECK_OK(receive(&pair.there, bytes, 3, &piece));
        CU_ASSERT_TRUE_FATAL(piece.size > 0 && piece.size <= 3);
        CU_ASSERT_EQUAL(piece.more, pair.there.whole_messages);
        CU_ASSERT_EQUAL(memcmp(bytes, "abcde", piece.size), 0);
        check_bytes(&pair.there, (const unsigned char *) "abcde" + piece.size, 5 - piece.size);
        close_pair(&pair);
    }
}

struct sending {
    struct mproc_plat_channel *channel;
    const unsigned char *bytes;
    size_t size, written;
    mproc_err err;
};

static void send_in_thread(void *context)
{
    struct sending *sending = context;
    sending->err = mproc_plat_channel_write(sending->channel, sending->bytes, sending->size, MPROC_PLAT_NONE,
                                            in_seconds(60), &sending->written);
}

/* Both directions at once: a write beside a read. */
static void bytes_arrive_once_and_in_order(void)
{
    enum { SIZE = 3 << 20 };
    unsigned char *bytes = make_bytes(SIZE);
    for (int i = 0; i < FAMILIES; i++) {
        struct pair pair;
        connect_pair(&pair, family_of(i));
        struct sending there = { &pair.here, bytes, SIZE, 0, MPROC_OK };
        struct sending back = { &pair.there, bytes + 1, SIZE - 1, 0, MPROC_OK };
        struct test_thread *threads[] = { thread_start(send_in_thread, &there),
                                          thread_start(send_in_thread, &back) };
        check_bytes(&pair.there, bytes, SIZE);
        check_bytes(&pair.here, bytes + 1, SIZE - 1);
        thread_join(threads[0]);
        thread_join(threads[1]);
        CHECK_OK(there.err);
        CHECK_OK(back.err);
        CU_ASSERT_EQUAL(there.written, SIZE);
        CU_ASSERT_EQUAL(back.written, SIZE - 1);
        close_pair(&pair);
    }
    free(bytes);
}

static void messages_stay_whole_where_they_are(void)
{
    struct pair pair;
    connect_pair(&pair, mproc_plat_channel_family());
    if (!pair.here.whole_messages) {
        skip("this system's channels carry bytes, not messages");
    } else {
        static const size_t sizes[] = { 1, 5, 4000, 70000, 3 };
        unsigned char *bytes = make_bytes(70000), *read = malloc(70000);
        for (size_t i = 0; i < 5; i++) {
            struct sending sending = { &pair.here, bytes, sizes[i], 0, MPROC_OK };
            struct test_thread *thread = thread_start(send_in_thread, &sending);
            size_t done = 0;
            struct mproc_plat_piece piece;
            do {
                CU_ASSERT_EQUAL_FATAL(receive(&pair.there, read + done, 70000 - done, &piece), MPROC_OK);
                done += piece.size;
            } while (piece.more);
            thread_join(thread);
            CU_ASSERT_EQUAL(done, sizes[i]);
            CU_ASSERT_EQUAL(memcmp(read, bytes, done), 0);
        }
        free(bytes);
        free(read);
    }
    close_pair(&pair);
}

static void a_full_channel_takes_no_more_and_says_how_much_it_took(void)
{
    enum { SIZE = 32 << 20 };
    unsigned char *bytes = make_bytes(SIZE);
    static const int64_t lengths[] = { 0, 20000000 };
    for (int i = 0; i < FAMILIES; i++)
        for (int j = 0; j < 2; j++) {
            struct pair pair;
            size_t written = SIZE + 1;
            connect_pair(&pair, family_of(i));
            int64_t begin = mproc_plat_now(), deadline = lengths[j] ? begin + lengths[j] : 0;
            CU_ASSERT_EQUAL(mproc_plat_channel_write(&pair.here, bytes, SIZE, MPROC_PLAT_NONE, deadline,
                                                     &written),
                            MPROC_ETIMEDOUT);
            CU_ASSERT_TRUE(mproc_plat_now() - begin >= lengths[j]);
            CU_ASSERT_TRUE_FATAL(written < SIZE);
            if (!pair.here.whole_messages) {
                check_bytes(&pair.there, bytes, written);
                send_all(&pair.here, "on", 2);
                check_bytes(&pair.there, (const unsigned char *) "on", 2);
            }
            close_pair(&pair);
        }
    free(bytes);
}

static void the_end_is_told_to_both_sides(void)
{
    enum { SIZE = 1 << 16 };
    for (int i = 0; i < FAMILIES; i++) {
        struct pair pair;
        unsigned char *bytes = make_bytes(SIZE);
        size_t written;
        struct mproc_plat_piece piece;
        connect_pair(&pair, family_of(i));
        send_all(&pair.here, "last", 4);
        mproc_plat_channel_close(&pair.here);
        CU_ASSERT_EQUAL(pair.here.handle, MPROC_PLAT_NONE);
        check_bytes(&pair.there, (const unsigned char *) "last", 4);
        CU_ASSERT_EQUAL(receive(&pair.there, bytes, 100, &piece), MPROC_ECLOSED);
        /* No SIGPIPE; the first writes may still go into the void. Each is so short that it need not wait: Wine 8
         * does not end a waiting TCP write when the other side is gone. */
        mproc_err err = MPROC_OK;
        for (int j = 0; j < 1000 && err == MPROC_OK; j++)
            err = mproc_plat_channel_write(&pair.there, bytes, SIZE, MPROC_PLAT_NONE, in_seconds(60), &written);
        CU_ASSERT_EQUAL(err, MPROC_ECLOSED);
        free(bytes);
        close_pair(&pair);
    }
}

/* ---- handles ---- */

static void a_channel_can_be_made_of_its_handle(void)
{
    for (int i = 0; i < FAMILIES; i++) {
        struct pair pair;
        struct mproc_plat_channel adopted = { .handle = 77 };
        char byte;
        struct mproc_plat_piece piece;
        connect_pair(&pair, family_of(i));
        /* A read that was under way when it goes elsewhere must not take the bytes. */
        CU_ASSERT_EQUAL(mproc_plat_channel_read(&pair.here, &byte, 1, &piece), MPROC_ETIMEDOUT);
        CHECK_OK(mproc_plat_channel_calm(&pair.here));
        mproc_plat_handle handle = pair.here.handle;
        pair.here.handle = MPROC_PLAT_NONE;
        mproc_plat_channel_close(&pair.here);
        CHECK_OK(mproc_plat_channel_adopt(&adopted, handle, pair.family, false));
        CU_ASSERT_EQUAL(adopted.handle, handle);
        CU_ASSERT_EQUAL(adopted.family, pair.family);
        send_all(&pair.there, "to and", 6);
        check_bytes(&adopted, (const unsigned char *) "to and", 6);
        send_all(&adopted, " fro", 4);
        check_bytes(&pair.there, (const unsigned char *) " fro", 4);
        pair.here = adopted;
        close_pair(&pair);
    }
    struct mproc_plat_channel none = { .handle = 77 };
    mproc_plat_handle file = MPROC_PLAT_NONE;
    CHECK_OK(mproc_plat_stdio_open(0, NULL, &file));
    CHECK_FAILS(mproc_plat_channel_adopt(&none, file, MPROC_FAMILY_INET, false), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_channel_adopt(&none, file, foreign_family(), false), MPROC_ENOTSUP);
    CU_ASSERT_EQUAL(none.handle, 77);
    mproc_plat_handle_close(file);
}

/* The options of the sockets that this system makes for others, and of what a program made itself. */
static void every_socket_sends_at_once_and_stays_here(void)
{
    struct pair pair;
    struct mproc_plat_channel adopted;
    intptr_t ends[2];
    connect_pair(&pair, MPROC_FAMILY_INET);
    CU_ASSERT_FALSE(socket_delays(pair.here.handle) || socket_delays(pair.there.handle));
    CU_ASSERT_TRUE(socket_closed_on_exec(pair.here.handle) && socket_closed_on_exec(pair.there.handle));
    close_pair(&pair);
    CU_ASSERT_TRUE_FATAL(socket_pair(ends));
    CU_ASSERT_TRUE(socket_delays(ends[0]));
    CHECK_OK(mproc_plat_channel_adopt(&adopted, ends[0], MPROC_FAMILY_DEFAULT, false));
    CU_ASSERT_FALSE(socket_delays(ends[0]));
    CU_ASSERT_TRUE(socket_closed_on_exec(ends[0]));
    mproc_plat_channel_close(&adopted);
    socket_close(ends[1]);
}

static void a_handle_goes_over_the_systems_own_family_only(void)
{
    struct pair pair;
    char text[20] = "", message[1024] = "x";
    size_t used = 0, written;
    struct mproc_plat_piece piece = { .size = 0 };
    mproc_plat_handle file = MPROC_PLAT_NONE, passed = MPROC_PLAT_NONE, came = MPROC_PLAT_NONE;
    CHECK_OK(mproc_plat_file_create("passed", &file));
    CU_ASSERT_TRUE(native_write(file, "over"));
    mproc_plat_handle_close(file);
    CHECK_OK(mproc_plat_stdio_open(0, "passed", &file));

    connect_pair(&pair, MPROC_FAMILY_INET);
    CHECK_FAILS(mproc_plat_channel_pack(&pair.here, file, MPROC_NATIVE_FILE, message + 1, sizeof message - 1,
                                        &used, &passed),
                MPROC_ENOTSUP);
    close_pair(&pair);

    connect_pair(&pair, mproc_plat_channel_family());
    CHECK_OK(mproc_plat_channel_pack(&pair.here, file, MPROC_NATIVE_FILE, message + 1, sizeof message - 1,
                                     &used, &passed));
    CHECK_OK(mproc_plat_channel_write(&pair.here, message, 1 + used, passed, in_seconds(60), &written));
    mproc_plat_handle_close(file); /* it is on its way */
    memset(message, 0, sizeof message);
    CHECK_OK(receive(&pair.there, message, sizeof message, &piece));
    CU_ASSERT_EQUAL(piece.size, 1 + used);
    CU_ASSERT_EQUAL(message[0], 'x');
    CHECK_FAILS(mproc_plat_channel_unpack(&pair.there, message + 1, used + 1, MPROC_PLAT_NONE,
                                          MPROC_NATIVE_FILE, &came),
                MPROC_EPROTO);
    CU_ASSERT_EQUAL(came, MPROC_PLAT_NONE);
    CHECK_OK(mproc_plat_channel_unpack(&pair.there, message + 1, used, piece.passed, MPROC_NATIVE_FILE, &came));
    CU_ASSERT_EQUAL(native_read(came, text, sizeof text), 4);
    CU_ASSERT_STRING_EQUAL(text, "over");
    mproc_plat_handle_close(came);
    close_pair(&pair);
    remove_file("passed");
}

MPROC_CONTRACT_SUITE(
    channel, child, MPROC_TEST(accepting_never_waits), MPROC_TEST(who_connects_is_accepted_in_turn),
    MPROC_TEST(an_address_is_had_once_and_only_while_somebody_listens),
    MPROC_TEST(wrong_addresses_are_refused), MPROC_TEST(reading_never_waits_and_parts_are_told),
    MPROC_TEST(bytes_arrive_once_and_in_order), MPROC_TEST(messages_stay_whole_where_they_are),
    MPROC_TEST(a_full_channel_takes_no_more_and_says_how_much_it_took),
    MPROC_TEST(the_end_is_told_to_both_sides), MPROC_TEST(a_channel_can_be_made_of_its_handle),
    MPROC_TEST(every_socket_sends_at_once_and_stays_here),
    MPROC_TEST(a_handle_goes_over_the_systems_own_family_only))
