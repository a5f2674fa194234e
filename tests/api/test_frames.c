/* SPDX-License-Identifier: MIT */
/* Connections to a program that writes and reads every byte of the framing itself, rightly and wrongly. */
#include "suite.h"
#include "system.h"

#include "platform.h"

#define LONG_TIME ((mproc_ms) 60000)

/* Our end, and the bytes at the other one. */
struct pair {
    mproc_listener *listener;
    mproc_connection *ours;
    struct mproc_plat_channel theirs;
    mproc_address_family family;
    char address[MPROC_ADDRESS_SIZE];
};

/* Those whose messages have headers. */
static size_t families(mproc_address_family list[2])
{
    list[0] = MPROC_FAMILY_INET;
    list[1] = MPROC_FAMILY_UNIX;
    return system_is_windows() ? 1 : 2;
}

static void connect_theirs(struct pair *pair)
{
    CHECK_OK(mproc_plat_channel_connect(&pair->theirs, pair->family, pair->address, MPROC_PLAT_NEVER));
}

static void make_pair(struct pair *pair, mproc_address_family family, uint64_t max_message)
{
    mproc_connection_options options = { .family = family, .max_message = max_message };
    pair->family = family;
    CHECK_OK(mproc_listener_create(&pair->listener, NULL, &options));
    CHECK_OK(mproc_listener_address(pair->listener, pair->address, sizeof pair->address));
    connect_theirs(pair);
    CHECK_OK(mproc_listener_accept(pair->listener, &pair->ours, LONG_TIME));
}

static void close_theirs(struct pair *pair)
{
    mproc_plat_channel_close(&pair->theirs);
}

/* Their end is closed already. */
static void end_pair(struct pair *pair)
{
    CHECK_OK(mproc_connection_close(pair->ours));
    CHECK_OK(mproc_listener_close(pair->listener));
}

static void write_bytes(struct pair *pair, const void *bytes, size_t size)
{
    size_t written;
    CHECK_OK(mproc_plat_channel_write(&pair->theirs, bytes, size, MPROC_PLAT_NONE, MPROC_PLAT_NEVER, &written));
}

static void check_written(struct pair *pair, const void *expected, size_t size)
{
    char bytes[20000];
    struct mproc_plat_piece piece = { .size = 0 };
    for (size_t have = 0; have < size; have += piece.size) {
        mproc_err err;
        while ((err = mproc_plat_channel_read(&pair->theirs, bytes + have, size - have, &piece)) == MPROC_ETIMEDOUT)
            sleep_briefly();
        CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
    }
    CU_ASSERT_EQUAL(memcmp(bytes, expected, size), 0);
}

static void check_received(struct pair *pair, const char *expected)
{
    char text[100];
    size_t size = 99;
    CHECK_OK(mproc_connection_recv_bytes(pair->ours, text, sizeof text, &size, LONG_TIME));
    CU_ASSERT_TRUE(size == strlen(expected) && memcmp(text, expected, size) == 0);
}

static void check_fails(struct pair *pair, mproc_err expected, mproc_ms timeout)
{
    char text[100];
    size_t size = 99;
    CHECK_FAILS(mproc_connection_recv_bytes(pair->ours, text, sizeof text, &size, timeout), expected);
    CU_ASSERT_EQUAL(size, 99);
}

/* ---- right ones ---- */

/* In two parts, wherever they meet, and byte by byte. */
static void comes_whole(struct pair *pair, const char *frame, size_t size, const char *expected)
{
    for (size_t first = 0; first <= size; first++) {
        write_bytes(pair, frame, first);
        if (first < size)
            CHECK_FAILS(mproc_connection_poll(pair->ours, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        write_bytes(pair, frame + first, size - first);
        check_received(pair, expected);
    }
    for (size_t i = 0; i < size; i++) {
        CHECK_FAILS(mproc_connection_poll(pair->ours, MPROC_NOWAIT), MPROC_ETIMEDOUT);
        write_bytes(pair, frame + i, 1);
    }
    check_received(pair, expected);
}

static void frames_in_pieces_come_whole(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        make_pair(&pair, list[i], 0);
        comes_whole(&pair, "\0\0\0\5hello", 9, "hello");
        comes_whole(&pair, "\0\0\0\0", 4, "");
        comes_whole(&pair, "\xff\xff\xff\xff\0\0\0\0\0\0\0\5hello", 17, "hello"); /* the long form */
        comes_whole(&pair, "\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 12, "");
        close_theirs(&pair);
        check_fails(&pair, MPROC_ECLOSED, LONG_TIME);
        end_pair(&pair);
    }
}

static void several_frames_in_one_piece_come_one_by_one(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        make_pair(&pair, list[i], 0);
        write_bytes(&pair, "\0\0\0\1a\0\0\0\0\0\0\0\2bc\xff\xff\xff\xff\0\0\0\0\0\0\0\1d\0\0\0\1", 32);
        check_received(&pair, "a");
        check_received(&pair, "");
        check_received(&pair, "bc");
        check_received(&pair, "d");
        check_fails(&pair, MPROC_ETIMEDOUT, 20);
        write_bytes(&pair, "e", 1);
        check_received(&pair, "e");
        close_theirs(&pair);
        end_pair(&pair);
    }
}

static void what_is_sent_has_a_header_of_four_bytes(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        static char bytes[16385 + 4];
        make_pair(&pair, list[i], 0);
        CHECK_OK(mproc_connection_send_bytes(pair.ours, "", 0, LONG_TIME));
        check_written(&pair, "\0\0\0\0", 4);
        CHECK_OK(mproc_connection_send_bytes(pair.ours, "hello", 5, LONG_TIME));
        check_written(&pair, "\0\0\0\5hello", 9);
        for (size_t size = 16384; size <= 16385; size++) { /* as one piece, and as two */
            memset(bytes, 'x', sizeof bytes);
            memcpy(bytes, size == 16384 ? "\0\0\x40\0" : "\0\0\x40\1", 4);
            CHECK_OK(mproc_connection_send_bytes(pair.ours, bytes + 4, size, LONG_TIME));
            check_written(&pair, bytes, 4 + size);
        }
        close_theirs(&pair);
        end_pair(&pair);
    }
}

/* ---- ends ---- */

static void an_end_inside_a_frame_is_told_from_one_between_frames(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        mproc_err err;
    } ends[] = {
        { "", 0, MPROC_ECLOSED },
        { "\0", 1, MPROC_EDIED },
        { "\0\0\0", 3, MPROC_EDIED },
        { "\0\0\0\2", 4, MPROC_EDIED },
        { "\0\0\0\2a", 5, MPROC_EDIED },
        { "\xff\xff\xff\xff", 4, MPROC_EDIED },
        { "\xff\xff\xff\xff\0\0\0\0\0\0\0", 11, MPROC_EDIED },
        { "\x7f\xff\xff\xffwhere is the rest?", 22, MPROC_EDIED },
    };
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++)
        for (size_t j = 0; j < sizeof ends / sizeof ends[0]; j++) {
            struct pair pair;
            make_pair(&pair, list[i], 0);
            write_bytes(&pair, "\0\0\0\1a", 5);
            write_bytes(&pair, ends[j].bytes, ends[j].size);
            close_theirs(&pair);
            check_received(&pair, "a");
            check_fails(&pair, ends[j].err, LONG_TIME);
            check_fails(&pair, ends[j].err, MPROC_NOWAIT);
            CHECK_OK(mproc_connection_poll(pair.ours, MPROC_NOWAIT));
            end_pair(&pair);
        }
}

/* ---- wrong ones ---- */

/* That receive fails and every later one; what is sent still arrives, and others can connect. */
static void is_refused(mproc_address_family family, uint64_t max_message, const char *header, size_t size)
{
    struct pair pair;
    make_pair(&pair, family, max_message);
    write_bytes(&pair, "\0\0\0\1a", 5);
    write_bytes(&pair, header, size);
    write_bytes(&pair, "\0\0\0\1b", 5);
    check_received(&pair, "a");
    check_fails(&pair, MPROC_EPROTO, LONG_TIME);
    check_fails(&pair, MPROC_EPROTO, MPROC_NOWAIT);
    CHECK_OK(mproc_connection_send_bytes(pair.ours, "hello", 5, LONG_TIME));
    check_written(&pair, "\0\0\0\5hello", 9);
    close_theirs(&pair);
    CHECK_OK(mproc_connection_close(pair.ours));
    connect_theirs(&pair);
    CHECK_OK(mproc_listener_accept(pair.listener, &pair.ours, LONG_TIME));
    comes_whole(&pair, "\0\0\0\5hello", 9, "hello");
    close_theirs(&pair);
    end_pair(&pair);
}

static void impossible_lengths_fail_that_connection_only(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        is_refused(list[i], 0, "\x80\0\0\0", 4);
        is_refused(list[i], 0, "\xff\xff\xff\xfe", 4);
        is_refused(list[i], 0, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
        is_refused(list[i], 0, "\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12);
        is_refused(list[i], 100, "\0\0\0\x65", 4);
        is_refused(list[i], 100, "\xff\xff\xff\xff\0\0\0\0\0\0\0\x65", 12);
    }
}

/* As much memory as has come, whatever is claimed. */
static void a_length_is_believed_only_as_its_bytes_come(void)
{
    mproc_address_family list[2];
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair;
        make_pair(&pair, list[i], 0);
        if (SIZE_MAX > UINT32_MAX)
            write_bytes(&pair, "\xff\xff\xff\xff\0\0\x7f\0\0\0\0\0some", 16); /* 127 TiB */
        else
            write_bytes(&pair, "\x3f\xff\xff\xffsome", 8);
        check_fails(&pair, MPROC_ETIMEDOUT, 20);
        CHECK_OK(mproc_connection_send_bytes(pair.ours, "hello", 5, LONG_TIME));
        check_written(&pair, "\0\0\0\5hello", 9);
        close_theirs(&pair);
        check_fails(&pair, MPROC_EDIED, LONG_TIME);
        end_pair(&pair);
    }
}

/* Before a key is proved nothing long is read. */
static void a_long_frame_instead_of_an_answer_is_an_error_of_accept(void)
{
    mproc_address_family list[2];
    unsigned char mac[MPROC_PLAT_DIGEST_SIZE];
    size_t mac_size;
    if (mproc_plat_hmac(MPROC_PLAT_SHA256, "k", 1, "b", 1, mac, &mac_size) != MPROC_OK) {
        skip("this build has no libcrypto, so connections cannot prove keys");
        return;
    }
    for (size_t i = 0; i < families(list); i++) {
        struct pair pair = { .family = list[i] };
        mproc_connection_options options = { .family = list[i], .authkey = "key", .authkey_size = 3 };
        CHECK_OK(mproc_listener_create(&pair.listener, NULL, &options));
        CHECK_OK(mproc_listener_address(pair.listener, pair.address, sizeof pair.address));
        static const char *const headers[] = { "\0\0\1\1", "\x7f\xff\xff\xff", "\x80\0\0\0" };
        for (size_t j = 0; j < sizeof headers / sizeof headers[0]; j++) {
            connect_theirs(&pair);
            write_bytes(&pair, headers[j], 4);
            CHECK_FAILS(mproc_listener_accept(pair.listener, &pair.ours, LONG_TIME), MPROC_EPROTO);
            close_theirs(&pair);
        }
        CHECK_OK(mproc_listener_close(pair.listener));
    }
}

MPROC_SUITE(frames, MPROC_TEST(frames_in_pieces_come_whole), MPROC_TEST(several_frames_in_one_piece_come_one_by_one),
            MPROC_TEST(what_is_sent_has_a_header_of_four_bytes),
            MPROC_TEST(an_end_inside_a_frame_is_told_from_one_between_frames),
            MPROC_TEST(impossible_lengths_fail_that_connection_only),
            MPROC_TEST(a_length_is_believed_only_as_its_bytes_come),
            MPROC_TEST(a_long_frame_instead_of_an_answer_is_an_error_of_accept))
