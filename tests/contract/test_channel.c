/* SPDX-License-Identifier: MIT */
/* The boundary: the transport below connections, by every address family of this system. */
#include "contract.h"

static int no_child(const char *boot)
{
    (void) boot;
    return 1;
}

/* ---- a listener and a pair ---- */

struct link {
    struct mproc_plat_channel listener, client, server;
    char bound[MPROC_ADDRESS_SIZE];
};

static bool await_channel(struct mproc_plat_channel *channel)
{
    mproc_plat_handle handle;
    bool ready;
    size_t bad;
    CHECK_OK(mproc_plat_channel_waitable(channel, &handle));
    return mproc_plat_await(&handle, 1, in_seconds(60), &ready, &bad) == MPROC_OK;
}

static mproc_err accept_soon(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel)
{
    char peer[MPROC_ADDRESS_SIZE];
    mproc_err err;
    while ((err = mproc_plat_channel_accept(listener, channel, peer)) == MPROC_ETIMEDOUT)
        CU_ASSERT_TRUE_FATAL(await_channel(listener));
    return err;
}

/* False if this system has no such family. */
static bool open_link(struct link *link, mproc_address_family family)
{
    char peer[MPROC_ADDRESS_SIZE];
    mproc_err err = mproc_plat_channel_listen(&link->listener, family, NULL, 1, link->bound);
    if (err == MPROC_ENOTSUP)
        return false;
    CHECK_OK(err);
    CU_ASSERT_EQUAL(link->listener.family, family);
    CU_ASSERT_EQUAL(mproc_plat_channel_accept(&link->listener, &link->server, peer), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_plat_channel_connect(&link->client, family, link->bound, in_seconds(60)));
    CHECK_OK(accept_soon(&link->listener, &link->server));
    return true;
}

static void close_listener(struct link *link)
{
    mproc_address_family family = link->listener.family;
    mproc_plat_channel_close(&link->listener);
    mproc_plat_channel_unlink(family, link->bound, true);
}

static void close_link(struct link *link)
{
    mproc_plat_channel_close(&link->client);
    mproc_plat_channel_close(&link->server);
    close_listener(link);
}

static void for_each_family(void (*check)(struct link *link))
{
    static const mproc_address_family families[] = { MPROC_FAMILY_INET, MPROC_FAMILY_UNIX, MPROC_FAMILY_PIPE };
    int there = 0;
    for (int i = 0; i < 3; i++) {
        struct link link = { .bound = "" };
        if (open_link(&link, families[i])) {
            there++;
            check(&link);
        }
    }
    CU_ASSERT_EQUAL(there, 2);
}

static mproc_err read_soon(struct mproc_plat_channel *channel, void *bytes, size_t size, size_t *got)
{
    mproc_plat_handle passed = MPROC_PLAT_NONE;
    mproc_err err;
    bool more;
    while ((err = mproc_plat_channel_read(channel, bytes, size, got, &more, &passed)) == MPROC_ETIMEDOUT)
        CU_ASSERT_TRUE_FATAL(await_channel(channel));
    CU_ASSERT_EQUAL(passed, MPROC_PLAT_NONE);
    return err;
}

static void write_all(struct mproc_plat_channel *channel, const void *bytes, size_t size)
{
    size_t written = 0;
    CHECK_OK(mproc_plat_channel_write(channel, bytes, size, MPROC_PLAT_NONE, in_seconds(60), &written));
    CU_ASSERT_EQUAL(written, size);
}

/* ---- tests ---- */

static void check_both_ways(struct link *link)
{
    struct mproc_plat_channel *ends[] = { &link->client, &link->server };
    char text[20];
    size_t got;
    bool more;
    mproc_plat_handle passed;
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(mproc_plat_channel_read(ends[1 - i], text, sizeof text, &got, &more, &passed),
                        MPROC_ETIMEDOUT);
        write_all(ends[i], "there and back", 15);
        size_t have = 0;
        while (have < 15) { /* a stream may come in parts */
            CHECK_OK(read_soon(ends[1 - i], text + have, sizeof text - have, &got));
            have += got;
        }
        CU_ASSERT_EQUAL(have, 15);
        CU_ASSERT_STRING_EQUAL(text, "there and back");
    }
    close_link(link);
}

static void bytes_go_both_ways(void)
{
    for_each_family(check_both_ways);
}

static void check_end(struct link *link)
{
    char text[20];
    size_t got = 0, written;
    write_all(&link->client, "last", 5);
    mproc_plat_channel_close(&link->client);
    CHECK_OK(read_soon(&link->server, text, sizeof text, &got));
    CU_ASSERT_EQUAL(got, 5);
    CU_ASSERT_EQUAL(read_soon(&link->server, text, sizeof text, &got), MPROC_ECLOSED);
    /* The first write may still go out into nothing; then it is known. */
    mproc_err err;
    while ((err = mproc_plat_channel_write(&link->server, "lost", 5, MPROC_PLAT_NONE, in_seconds(60), &written)) ==
           MPROC_OK)
        sleep_briefly();
    CU_ASSERT_EQUAL(err, MPROC_ECLOSED);
    mproc_plat_channel_close(&link->server);
    close_listener(link);
}

static void what_was_written_before_the_end_comes_and_then_the_end(void)
{
    for_each_family(check_end);
}

static void check_full(struct link *link)
{
    size_t size = 64 << 20, written = 0, have = 0, got = 0;
    char *bytes = malloc(size);
    memset(bytes, 7, size);
    CU_ASSERT_EQUAL(mproc_plat_channel_write(&link->client, bytes, size, MPROC_PLAT_NONE,
                                             mproc_plat_now() + 50000000, &written),
                    MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(written < size);
    mproc_plat_channel_close(&link->client);
    mproc_err err = MPROC_OK;
    while ((err = read_soon(&link->server, bytes, size, &got)) == MPROC_OK)
        have += got;
    /* What was written is there; the system may have taken no more of it. */
    if (!link->server.whole_messages)
        CU_ASSERT_EQUAL(have, written);
    free(bytes);
    mproc_plat_channel_close(&link->server);
    close_listener(link);
}

static void a_write_that_finds_no_room_says_how_much_it_wrote(void)
{
    for_each_family(check_full);
}

static void check_address(struct link *link)
{
    mproc_address_family family = link->listener.family;
    struct mproc_plat_channel other;
    char bound[MPROC_ADDRESS_SIZE];
    CU_ASSERT_EQUAL(mproc_plat_channel_listen(&other, family, link->bound, 1, bound), MPROC_EEXIST);
    close_link(link);
    mproc_err err = mproc_plat_channel_connect(&other, family, link->bound, in_seconds(60));
    CU_ASSERT_TRUE(err == MPROC_ENOTFOUND || err == MPROC_EAGAIN);
}

static void an_address_has_one_listener_and_then_none(void)
{
    for_each_family(check_address);
}

static void what_is_no_address_is_refused(void)
{
    struct mproc_plat_channel channel;
    char bound[MPROC_ADDRESS_SIZE];
    CHECK_FAILS(mproc_plat_channel_listen(&channel, MPROC_FAMILY_INET, "no port", 1, bound), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_channel_connect(&channel, MPROC_FAMILY_INET, "no port", in_seconds(60)), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_channel_adopt(&channel, MPROC_PLAT_NONE, MPROC_FAMILY_INET), MPROC_EINVAL);
    CU_ASSERT_NOT_EQUAL(mproc_plat_channel_family(), MPROC_FAMILY_DEFAULT);
}

/* A flag's handle goes through a channel to this same process: the copy is of the same flag. */
static void check_passing(struct link *link)
{
    struct mproc_plat_flag flag;
    char text[200], came[200];
    size_t used = 0, written, got = 0;
    mproc_plat_handle passed = MPROC_PLAT_NONE, copy = MPROC_PLAT_NONE;
    bool more, ready;
    CHECK_OK(mproc_plat_flag_create(&flag));
    mproc_err err = mproc_plat_channel_pack(&link->client, flag.handle, MPROC_NATIVE_FILE, text, sizeof text, &used,
                                            &passed);
    if (link->client.family == MPROC_FAMILY_INET) {
        CU_ASSERT_EQUAL(err, MPROC_ENOTSUP);
    } else {
        CHECK_OK(err);
        text[used] = '!'; /* a message has at least one byte */
        CHECK_OK(mproc_plat_channel_write(&link->client, text, used + 1, passed, in_seconds(60), &written));
        while ((err = mproc_plat_channel_read(&link->server, came, sizeof came, &got, &more, &passed)) ==
               MPROC_ETIMEDOUT)
            CU_ASSERT_TRUE_FATAL(await_channel(&link->server));
        CHECK_OK(err);
        CU_ASSERT_EQUAL(got, used + 1);
        CHECK_OK(mproc_plat_channel_unpack(&link->server, came, used, passed, MPROC_NATIVE_FILE, &copy));
        CU_ASSERT_NOT_EQUAL(copy, flag.handle);
        mproc_plat_flag_set(&flag);
        size_t bad;
        CHECK_OK(mproc_plat_await(&copy, 1, in_seconds(60), &ready, &bad));
        mproc_plat_handle_close(copy);
    }
    mproc_plat_flag_close(&flag);
    close_link(link);
}

static void a_handle_goes_with_a_message(void)
{
    for_each_family(check_passing);
}

MPROC_CONTRACT_SUITE(channel, no_child, MPROC_TEST(bytes_go_both_ways),
                     MPROC_TEST(what_was_written_before_the_end_comes_and_then_the_end),
                     MPROC_TEST(a_write_that_finds_no_room_says_how_much_it_wrote),
                     MPROC_TEST(an_address_has_one_listener_and_then_none),
                     MPROC_TEST(what_is_no_address_is_refused), MPROC_TEST(a_handle_goes_with_a_message))
