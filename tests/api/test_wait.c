/* SPDX-License-Identifier: MIT */
/* Waiting for several things at once, and things in messages. */
#include "suite.h"
#include "system.h"

#include "platform.h"

#define LONG_TIME ((mproc_ms) 60000)
enum { MANY = 100 };

static mproc_listener *listen_at(char *address)
{
    mproc_listener *listener = NULL;
    mproc_connection_options options = { .backlog = MANY };
    CHECK_OK(mproc_listener_create(&listener, NULL, &options));
    CHECK_OK(mproc_listener_address(listener, address, MPROC_ADDRESS_SIZE));
    return listener;
}

static int leave_at_once(void *arg)
{
    (void) arg;
    return 0;
}

static void nothing_ready_is_a_time_out(void)
{
    char address[MPROC_ADDRESS_SIZE];
    mproc_listener *listener = listen_at(address);
    mproc_wait_item items[] = { mproc_wait_listener(listener), mproc_wait_make(MPROC_WAIT_NONE, 0) };
    CHECK_FAILS(mproc_wait(items, 2, NULL, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    int64_t begin = mproc_plat_now();
    CHECK_FAILS(mproc_wait(items, 2, NULL, 30), MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(mproc_plat_now() - begin >= INT64_C(30000000));
    CHECK_OK(mproc_listener_close(listener));
    CHECK_FAILS(mproc_wait(items, 2, NULL, MPROC_NOWAIT), MPROC_ECLOSED);
    CHECK_FAILS(mproc_wait(NULL, 2, NULL, MPROC_NOWAIT), MPROC_EINVAL);
    CHECK_FAILS(mproc_wait(items, 0, NULL, MPROC_NOWAIT), MPROC_EINVAL);
}

static void listeners_connections_and_processes_become_ready(void)
{
    char address[MPROC_ADDRESS_SIZE];
    mproc_listener *listener = listen_at(address);
    mproc_connection *here, *there;
    mproc_wait_item items[3] = { mproc_wait_listener(listener) };
    size_t ready = 0;
    CHECK_OK(mproc_connection_open(&there, address, NULL, LONG_TIME));
    CHECK_OK(mproc_wait(items, 1, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && items[0].ready);
    CHECK_OK(mproc_listener_accept(listener, &here, LONG_TIME));
    items[1] = mproc_wait_connection(here);
    CHECK_FAILS(mproc_wait(items, 2, &ready, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_connection_send_bytes(there, "x", 1, LONG_TIME));
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && !items[0].ready && items[1].ready);
    char byte;
    CHECK_OK(mproc_connection_recv_bytes(here, &byte, 1, &ready, MPROC_NOWAIT));
    mproc_process *child = start_child(leave_at_once, NULL, 0, NULL);
    items[2] = mproc_wait_process(child);
    CHECK_OK(mproc_wait(items, 3, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && items[2].ready);
    CHECK_OK(mproc_connection_close(there));
    items[2] = mproc_wait_make(MPROC_WAIT_NONE, 0);
    CHECK_OK(mproc_wait(items, 3, &ready, LONG_TIME));
    CU_ASSERT_TRUE(items[1].ready);
    (void) end_child(child);
    CHECK_OK(mproc_connection_close(here));
    CHECK_OK(mproc_listener_close(listener));
}

static void a_hundred_connections_are_waited_for(void)
{
    char address[MPROC_ADDRESS_SIZE];
    mproc_listener *listener = listen_at(address);
    static mproc_connection *here[MANY], *there[MANY];
    static mproc_wait_item items[MANY];
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(mproc_connection_open(&there[i], address, NULL, LONG_TIME));
        CHECK_OK(mproc_listener_accept(listener, &here[i], LONG_TIME));
        items[i] = mproc_wait_connection(here[i]);
    }
    CHECK_FAILS(mproc_wait(items, MANY, NULL, 20), MPROC_ETIMEDOUT);
    size_t ready = 0;
    CHECK_OK(mproc_connection_send_bytes(there[MANY - 1], "x", 1, LONG_TIME));
    CHECK_OK(mproc_wait(items, MANY, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && items[MANY - 1].ready && !items[0].ready);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(mproc_connection_close(here[i]));
        CHECK_OK(mproc_connection_close(there[i]));
    }
    CHECK_OK(mproc_listener_close(listener));
}

static _Atomic(mproc_process *) asked_about;
static atomic_int asking, failures;

/* Whoever asks first reaps. */
static void ask_all_the_time(void *context)
{
    (void) context;
    while (atomic_load(&asking)) {
        mproc_process *process = atomic_load(&asked_about);
        bool alive;
        if (process && mproc_process_is_alive(process, &alive) != MPROC_OK)
            atomic_fetch_add(&failures, 1);
    }
}

static void a_process_may_be_reaped_while_another_thread_waits_for_it(void)
{
    enum { ROUNDS = 60 };
    mproc_process *processes[ROUNDS];
    atomic_store(&asking, 1);
    struct test_thread *thread = thread_start(ask_all_the_time, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        processes[i] = start_child(leave_at_once, NULL, 0, NULL);
        atomic_store(&asked_about, processes[i]);
        mproc_wait_item item = mproc_wait_process(processes[i]);
        CHECK_OK(mproc_wait(&item, 1, NULL, LONG_TIME));
        CU_ASSERT_TRUE(item.ready);
    }
    atomic_store(&asking, 0);
    thread_join(thread);
    atomic_store(&asked_about, NULL);
    CU_ASSERT_EQUAL(failures, 0);
    for (int i = 0; i < ROUNDS; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
}

static void native_sockets_and_sentinels_become_ready(void)
{
    char address[MPROC_ADDRESS_SIZE];
    mproc_listener *listener = NULL;
    mproc_connection_options inet = { .family = MPROC_FAMILY_INET };
    mproc_connection *here, *there;
    intptr_t native, sentinel;
    size_t ready = 0;
    CHECK_OK(mproc_listener_create(&listener, NULL, &inet));
    CHECK_OK(mproc_listener_address(listener, address, sizeof address));
    CHECK_OK(mproc_connection_open(&there, address, NULL, LONG_TIME));
    CHECK_OK(mproc_listener_accept(listener, &here, LONG_TIME));
    CHECK_OK(mproc_connection_detach(here, &native));
    mproc_process *child = start_child(hang_for_ever, NULL, 0, NULL);
    CHECK_OK(mproc_process_sentinel(child, &sentinel));
    mproc_wait_item items[] = { mproc_wait_socket(native), mproc_wait_native(sentinel) };
    CHECK_FAILS(mproc_wait(items, 2, &ready, 20), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_connection_send_bytes(there, "x", 1, LONG_TIME));
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && items[0].ready && !items[1].ready);
    CHECK_OK(mproc_process_kill(child));
    CHECK_OK(mproc_wait(&items[1], 1, &ready, LONG_TIME));
    CU_ASSERT_TRUE(items[1].ready);
    (void) end_child(child);
    CHECK_OK(mproc_connection_attach(&here, native, &inet));
    CHECK_OK(mproc_connection_close(here));
    CHECK_OK(mproc_connection_close(there));
    CHECK_OK(mproc_listener_close(listener));
}

static int listen_and_leave(void *arg)
{
    mproc_memory *block = arg;
    mproc_listener *listener;
    CHILD_OK(mproc_listener_create(&listener, NULL, NULL));
    CHILD_OK(mproc_listener_address(listener, mproc_pointer(*block), MPROC_ADDRESS_SIZE));
    return 0;
}

static void a_listener_that_nobody_closed_leaves_no_path(void)
{
    mproc_memory block;
    CHECK_OK(mproc_alloc(&block, MPROC_ADDRESS_SIZE));
    mproc_process *child = start_child(listen_and_leave, &block, sizeof block, NULL);
    CU_ASSERT_EQUAL(end_child(child), 0);
    CU_ASSERT_TRUE(strlen(mproc_pointer(block)) > 0);
    CU_ASSERT_FALSE(file_exists(mproc_pointer(block)));
    CHECK_OK(mproc_free(block));
}

/* ---- things in messages ---- */

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
    mproc_listener *listener = listen_at(gift.address), *far_listener = NULL;
    mproc_connection_options inet = { .family = MPROC_FAMILY_INET };
    CHECK_OK(mproc_listener_create(&far_listener, NULL, &inet));
    CHECK_OK(mproc_listener_address(far_listener, far_address, sizeof far_address));
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

/* ---- queues and pipes ---- */

struct channels {
    mproc_queue queue;
    mproc_pipe pipe;
};

static int put_after_a_while(void *argument)
{
    const struct channels *channels = argument;
    int number = 42;
    for (int i = 0; i < 20; i++)
        sleep_briefly();
    CHILD_OK(mproc_queue_put(channels->queue, &number, LONG_TIME));
    return 0;
}

static int send_after_a_while(void *argument)
{
    const struct channels *channels = argument;
    for (int i = 0; i < 20; i++)
        sleep_briefly();
    CHILD_OK(mproc_pipe_send(channels->pipe, "x", 1, LONG_TIME));
    return 0;
}

static void queues_and_pipes_become_ready(void)
{
    struct channels channels;
    mproc_pipe own;
    size_t ready, size;
    int number;
    char byte;
    CHECK_OK(mproc_queue_create(&channels.queue, sizeof(int), 0));
    CHECK_OK(mproc_pipe_create(&own, &channels.pipe, false));
    mproc_wait_item items[] = { mproc_wait_queue(channels.queue), mproc_wait_pipe(own) };
    CHECK_FAILS(mproc_wait(items, 2, &ready, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_wait(items, 2, &ready, 20), MPROC_ETIMEDOUT);
    mproc_process *child = start_child(put_after_a_while, &channels, sizeof channels, NULL);
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && items[0].ready && !items[1].ready);
    CHECK_OK(mproc_queue_get(channels.queue, &number, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(end_child(child), 0);
    child = start_child(send_after_a_while, &channels, sizeof channels, NULL);
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && !items[0].ready && items[1].ready);
    CHECK_OK(mproc_pipe_recv(own, &byte, 1, &size, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(end_child(child), 0);
    CHECK_OK(mproc_queue_close(channels.queue));
    CHECK_OK(mproc_wait(items, 2, &ready, MPROC_NOWAIT)); /* closed: get would not wait */
    CHECK_OK(mproc_queue_destroy(channels.queue));
    CHECK_FAILS(mproc_wait(items, 2, &ready, MPROC_NOWAIT), MPROC_EBADHANDLE);
    CHECK_OK(mproc_pipe_close(channels.pipe));
    CHECK_OK(mproc_pipe_close(own));
}

static void a_queue_is_waited_for_beside_a_process(void)
{
    struct channels channels;
    size_t ready;
    CHECK_OK(mproc_queue_create(&channels.queue, sizeof(int), 0));
    mproc_process *hanging = start_child(hang_for_ever, NULL, 0, NULL);
    mproc_wait_item items[] = { mproc_wait_process(hanging), mproc_wait_queue(channels.queue) };
    mproc_process *child = start_child(put_after_a_while, &channels, sizeof channels, NULL);
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && !items[0].ready && items[1].ready);
    CU_ASSERT_EQUAL(end_child(child), 0);
    items[1].kind = MPROC_WAIT_NONE;
    CHECK_OK(mproc_process_kill(hanging));
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(items[0].ready);
    end_child(hanging);
    CHECK_OK(mproc_queue_destroy(channels.queue));
}

MPROC_SUITE(wait, MPROC_TEST(queues_and_pipes_become_ready),
            MPROC_TEST(a_queue_is_waited_for_beside_a_process),
    MPROC_TEST(nothing_ready_is_a_time_out),
    MPROC_TEST(listeners_connections_and_processes_become_ready),
    MPROC_TEST(a_hundred_connections_are_waited_for),
    MPROC_TEST(a_process_may_be_reaped_while_another_thread_waits_for_it),
    MPROC_TEST(native_sockets_and_sentinels_become_ready),
    MPROC_TEST(a_listener_that_nobody_closed_leaves_no_path),
    MPROC_TEST(files_and_connections_go_to_another_process))
