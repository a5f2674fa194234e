/* SPDX-License-Identifier: MIT */
/* C and the installed Python at the two ends of a connection. */
#include "python.h"

#include <signal.h>

#define LONG_TIME ((mproc_ms) 60000)

static pid_t start_peer(const char *role, const char *address, const char *key)
{
    const char *arguments[] = { role, address, key, NULL };
    return start_python(PEER, arguments);
}

static void echo_sizes(mproc_connection *connection)
{
    static const size_t sizes[] = { 0, 1, 16, 20, 16384, 16385, 1 << 20, 16 << 20 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *bytes = malloc(sizes[i] + 1);
        void *back = NULL;
        size_t got = 0;
        for (size_t j = 0; j < sizes[i]; j++)
            bytes[j] = (char) (j * 13);
        CHECK_OK(mproc_connection_send_bytes(connection, bytes, sizes[i], LONG_TIME));
        CHECK_OK(mproc_connection_recv_alloc(connection, &back, &got, LONG_TIME));
        CU_ASSERT_TRUE(got == sizes[i] && memcmp(back, bytes, got) == 0);
        mproc_connection_free(back);
        free(bytes);
    }
}

static mproc_connection_options options_of(mproc_address_family family, const char *key)
{
    return (mproc_connection_options){ .family = family, .authkey = key[0] ? key : NULL,
                                       .authkey_size = strlen(key) };
}

static void python_connects(mproc_address_family family, const char *key)
{
    mproc_connection_options options = options_of(family, key);
    mproc_listener *listener;
    mproc_connection *connection;
    char address[MPROC_ADDRESS_SIZE];
    CHECK_OK(mproc_listener_create(&listener, NULL, &options));
    CHECK_OK(mproc_listener_address(listener, address, sizeof address));
    pid_t pid = start_peer("client", address, key);
    CHECK_OK(mproc_listener_accept(listener, &connection, LONG_TIME));
    echo_sizes(connection);
    CHECK_OK(mproc_connection_close(connection));
    CU_ASSERT_EQUAL(end_python(pid), 0);
    CHECK_OK(mproc_listener_close(listener));
}

static void python_is_a_client_with_and_without_a_key(void)
{
    for (int family = MPROC_FAMILY_INET; family <= MPROC_FAMILY_UNIX; family++) {
        python_connects((mproc_address_family) family, "");
        python_connects((mproc_address_family) family, "a key");
    }
}

static void with_a_python_listener(const char *their_key, const char *our_key)
{
    char folder[512], path[600];
    mproc_connection_options options = options_of(MPROC_FAMILY_UNIX, our_key);
    mproc_connection *connection;
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("py", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    pid_t pid = start_peer("listener", path, their_key);
    if (strcmp(their_key, our_key) == 0) {
        CHECK_OK(connect_when_ready(path, &options, &connection));
        echo_sizes(connection);
        CHECK_OK(mproc_connection_close(connection));
        CU_ASSERT_EQUAL(end_python(pid), 0);
    } else {
        CHECK_FAILS(connect_when_ready(path, &options, &connection), MPROC_EAUTH);
        CU_ASSERT_EQUAL(end_python(pid), 3);
    }
    remove_folder(folder);
}

static void python_is_a_listener_with_and_without_a_key(void)
{
    with_a_python_listener("", "");
    with_a_python_listener("a key", "a key");
}

/* It says where by a file, which is there as a whole or not at all. */
static bool read_address(const char *path, char *address)
{
    for (int i = 0; i < 60000 && !file_exists(path); i++)
        sleep_briefly();
    FILE *file = fopen(path, "r");
    bool read = file && fgets(address, MPROC_ADDRESS_SIZE, file);
    if (file)
        fclose(file);
    return read;
}

static void python_listens_by_tcp(void)
{
    char folder[512], path[600], address[MPROC_ADDRESS_SIZE];
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("py", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/address", folder);
    for (int with_key = 0; with_key < 2; with_key++) {
        mproc_connection_options options = options_of(MPROC_FAMILY_DEFAULT, with_key ? "a key" : "");
        mproc_connection *connection;
        pid_t pid = start_peer("tcp", path, with_key ? "a key" : "");
        CU_ASSERT_TRUE_FATAL(read_address(path, address));
        CHECK_OK(mproc_connection_open(&connection, address, &options, LONG_TIME));
        echo_sizes(connection);
        CHECK_OK(mproc_connection_close(connection));
        CU_ASSERT_EQUAL(end_python(pid), 0);
        remove_file(path);
    }
    remove_folder(folder);
}

/* ---- more than an int32 ---- */

#define LONG_SIZE ((UINT64_C(1) << 31) + 256)

/* The message lies in both processes, and Python needs room to read. */
static bool has_memory_for_long_messages(void)
{
#if defined(_SC_AVPHYS_PAGES) && !defined(MPROC_SANITIZED)
    uint64_t free = (uint64_t) sysconf(_SC_AVPHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
    return SIZE_MAX > UINT32_MAX && free > 5 * LONG_SIZE && !system_is_emulated();
#else
    return false;
#endif
}

static void messages_above_two_gib_go_both_ways(void)
{
    if (!has_memory_for_long_messages()) {
        skip("messages above 2 GiB want 10 GiB of free memory, and no sanitizer");
        return;
    }
    const mproc_ms very_long = 300000;
    watchdog_start(600);
    mproc_listener *listener;
    mproc_connection *connection;
    char address[MPROC_ADDRESS_SIZE];
    CHECK_OK(mproc_listener_create(&listener, NULL, NULL));
    CHECK_OK(mproc_listener_address(listener, address, sizeof address));
    pid_t pid = start_peer("long", address, "");
    CHECK_OK(mproc_listener_accept(listener, &connection, LONG_TIME));
    unsigned char *bytes = malloc((size_t) LONG_SIZE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    for (size_t i = 0; i < LONG_SIZE; i++)
        bytes[i] = (unsigned char) i;
    CHECK_OK(mproc_connection_send_bytes(connection, bytes, (size_t) LONG_SIZE, very_long));
    free(bytes);
    void *back = NULL;
    size_t size = 0, wrong = 0;
    CHECK_OK(mproc_connection_recv_alloc(connection, &back, &size, very_long));
    CU_ASSERT_EQUAL_FATAL(size, LONG_SIZE);
    for (size_t i = 0; i < size; i++)
        wrong += ((unsigned char *) back)[i] != (unsigned char) i;
    CU_ASSERT_EQUAL(wrong, 0);
    mproc_connection_free(back);
    echo_sizes(connection); /* the next ones are as ever */
    CHECK_OK(mproc_connection_close(connection));
    CU_ASSERT_EQUAL(end_python(pid), 0);
    CHECK_OK(mproc_listener_close(listener));
}

static void wrong_keys_are_refused_in_both_languages(void)
{
    with_a_python_listener("theirs", "ours");
    mproc_connection_options options = options_of(MPROC_FAMILY_UNIX, "ours");
    mproc_listener *listener;
    mproc_connection *connection;
    char address[MPROC_ADDRESS_SIZE];
    CHECK_OK(mproc_listener_create(&listener, NULL, &options));
    CHECK_OK(mproc_listener_address(listener, address, sizeof address));
    pid_t pid = start_peer("client", address, "theirs");
    CHECK_FAILS(mproc_listener_accept(listener, &connection, LONG_TIME), MPROC_EAUTH);
    CU_ASSERT_EQUAL(end_python(pid), 3);
    CHECK_OK(mproc_listener_close(listener));
}

static void a_killed_python_is_the_end(void)
{
    mproc_listener *listener;
    mproc_connection *connection;
    char address[MPROC_ADDRESS_SIZE], text[4];
    size_t size;
    CHECK_OK(mproc_listener_create(&listener, NULL, NULL));
    CHECK_OK(mproc_listener_address(listener, address, sizeof address));
    pid_t pid = start_peer("client", address, "");
    CHECK_OK(mproc_listener_accept(listener, &connection, LONG_TIME));
    CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
    CHECK_FAILS(mproc_connection_recv_bytes(connection, text, 4, &size, LONG_TIME), MPROC_ECLOSED);
    (void) end_python(pid);
    CHECK_OK(mproc_connection_close(connection));
    CHECK_OK(mproc_listener_close(listener));
}

MPROC_SUITE(interop_connection,
    MPROC_TEST(python_is_a_client_with_and_without_a_key),
    MPROC_TEST(python_is_a_listener_with_and_without_a_key),
    MPROC_TEST(python_listens_by_tcp),
    MPROC_TEST(messages_above_two_gib_go_both_ways),
    MPROC_TEST(wrong_keys_are_refused_in_both_languages),
    MPROC_TEST(a_killed_python_is_the_end))
