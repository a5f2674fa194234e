/* SPDX-License-Identifier: MIT */
/* Waiting for several things at once. */
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

/* ---- queues and pipes ---- */

struct channels {
    mproc_queue queue;
    mproc_pipe pipe;
    mproc_memory waiting; /* an int: the parent is about to wait, or waits */
};

/* Waits until the parent waits. */
static void let_the_parent_wait(const struct channels *channels)
{
    int64_t parent;
    CHILD_CHECK(wait_until(mproc_pointer(channels->waiting), 1));
    CHILD_OK(mproc_process_pid(mproc_parent_process(), &parent));
    wait_until_asleep(parent);
}

static int put_when_the_parent_waits(void *argument)
{
    const struct channels *channels = argument;
    int number = 42;
    let_the_parent_wait(channels);
    CHILD_OK(mproc_queue_put(channels->queue, &number, LONG_TIME));
    return 0;
}

static int send_when_the_parent_waits(void *argument)
{
    const struct channels *channels = argument;
    let_the_parent_wait(channels);
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
    _Atomic int *waiting = shared_ints(&channels.waiting, 1);
    CHECK_OK(mproc_queue_create(&channels.queue, sizeof(int), 0));
    CHECK_OK(mproc_pipe_create(&own, &channels.pipe, false));
    mproc_wait_item items[] = { mproc_wait_queue(channels.queue), mproc_wait_pipe(own) };
    CHECK_FAILS(mproc_wait(items, 2, &ready, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_wait(items, 2, &ready, 20), MPROC_ETIMEDOUT);
    mproc_process *child = start_child(put_when_the_parent_waits, &channels, sizeof channels, NULL);
    atomic_store(waiting, 1);
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && items[0].ready && !items[1].ready);
    CHECK_OK(mproc_queue_get(channels.queue, &number, MPROC_NOWAIT));
    CU_ASSERT_EQUAL(end_child(child), 0);
    atomic_store(waiting, 0);
    child = start_child(send_when_the_parent_waits, &channels, sizeof channels, NULL);
    atomic_store(waiting, 1);
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
    CHECK_OK(mproc_free(channels.waiting));
}

static void a_queue_is_waited_for_beside_a_process(void)
{
    struct channels channels;
    size_t ready;
    _Atomic int *waiting = shared_ints(&channels.waiting, 1);
    CHECK_OK(mproc_queue_create(&channels.queue, sizeof(int), 0));
    mproc_process *hanging = start_child(hang_for_ever, NULL, 0, NULL);
    mproc_wait_item items[] = { mproc_wait_process(hanging), mproc_wait_queue(channels.queue) };
    mproc_process *child = start_child(put_when_the_parent_waits, &channels, sizeof channels, NULL);
    atomic_store(waiting, 1);
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && !items[0].ready && items[1].ready);
    CU_ASSERT_EQUAL(end_child(child), 0);
    items[1].kind = MPROC_WAIT_NONE;
    CHECK_OK(mproc_process_kill(hanging));
    CHECK_OK(mproc_wait(items, 2, &ready, LONG_TIME));
    CU_ASSERT_TRUE(items[0].ready);
    end_child(hanging);
    CHECK_OK(mproc_queue_destroy(channels.queue));
    CHECK_OK(mproc_free(channels.waiting));
}

/* ---- all kinds in one call ---- */

/* One of each kind, and what makes it ready. */
enum { QUEUE, PIPE, CONNECTION, LISTENER, SOCKET_OF_OURS, PROCESS, SENTINEL, KINDS };
struct everything {
    mproc_wait_item items[KINDS];
    struct channels channels;
    mproc_pipe own;
    char address[MPROC_ADDRESS_SIZE], far_address[MPROC_ADDRESS_SIZE];
    mproc_listener *listener, *far_listener;
    mproc_connection *here, *there, *beyond;
    mproc_connection *visitor;
    intptr_t socket;
    mproc_process *child, *watched;
};

static void make_everything(struct everything *all)
{
    intptr_t sentinel = -1;
    mproc_connection_options inet = { .family = MPROC_FAMILY_INET };
    mproc_connection *detached;
    all->listener = listen_at(all->address);
    CHECK_OK(mproc_listener_create(&all->far_listener, NULL, &inet));
    CHECK_OK(mproc_listener_address(all->far_listener, all->far_address, sizeof all->far_address));
    CHECK_OK(mproc_connection_open(&all->there, all->far_address, NULL, LONG_TIME));
    CHECK_OK(mproc_listener_accept(all->far_listener, &all->here, LONG_TIME));
    CHECK_OK(mproc_connection_open(&all->beyond, all->far_address, NULL, LONG_TIME));
    CHECK_OK(mproc_listener_accept(all->far_listener, &detached, LONG_TIME));
    CHECK_OK(mproc_connection_detach(detached, &all->socket));
    CHECK_OK(mproc_queue_create(&all->channels.queue, sizeof(int), 0));
    CHECK_OK(mproc_pipe_create(&all->own, &all->channels.pipe, false));
    all->child = start_child(hang_for_ever, NULL, 0, NULL);
    all->watched = start_child(hang_for_ever, NULL, 0, NULL);
    CHECK_OK(mproc_process_sentinel(all->watched, &sentinel));
    all->items[QUEUE] = mproc_wait_queue(all->channels.queue);
    all->items[PIPE] = mproc_wait_pipe(all->own);
    all->items[CONNECTION] = mproc_wait_connection(all->here);
    all->items[LISTENER] = mproc_wait_listener(all->listener);
    all->items[SOCKET_OF_OURS] = mproc_wait_socket(all->socket);
    all->items[PROCESS] = mproc_wait_process(all->child);
    all->items[SENTINEL] = mproc_wait_native(sentinel);
}

static void make_ready(struct everything *all, int which)
{
    int number = 42;
    if (which == QUEUE)
        CHECK_OK(mproc_queue_put(all->channels.queue, &number, LONG_TIME));
    if (which == PIPE)
        CHECK_OK(mproc_pipe_send(all->channels.pipe, "x", 1, LONG_TIME));
    if (which == CONNECTION)
        CHECK_OK(mproc_connection_send_bytes(all->there, "x", 1, LONG_TIME));
    if (which == LISTENER)
        CHECK_OK(mproc_connection_open(&all->visitor, all->address, NULL, LONG_TIME));
    if (which == SOCKET_OF_OURS)
        CHECK_OK(mproc_connection_send_bytes(all->beyond, "x", 1, LONG_TIME));
    if (which == PROCESS)
        CHECK_OK(mproc_process_kill(all->child));
    if (which == SENTINEL)
        CHECK_OK(mproc_process_kill(all->watched));
}

static void end_everything(struct everything *all)
{
    mproc_connection_options inet = { .family = MPROC_FAMILY_INET };
    mproc_connection *attached;
    (void) end_child(all->child);
    (void) end_child(all->watched);
    CHECK_OK(mproc_queue_destroy(all->channels.queue));
    CHECK_OK(mproc_pipe_close(all->channels.pipe));
    CHECK_OK(mproc_pipe_close(all->own));
    CHECK_OK(mproc_connection_attach(&attached, all->socket, &inet));
    CHECK_OK(mproc_connection_close(attached));
    CHECK_OK(mproc_connection_close(all->here));
    CHECK_OK(mproc_connection_close(all->there));
    CHECK_OK(mproc_connection_close(all->beyond));
    CHECK_OK(mproc_connection_close(all->visitor));
    CHECK_OK(mproc_listener_close(all->listener));
    CHECK_OK(mproc_listener_close(all->far_listener));
}

static void every_kind_becomes_ready_beside_all_others(void)
{
    struct everything all;
    size_t ready = 0;
    make_everything(&all);
    CHECK_FAILS(mproc_wait(all.items, KINDS, &ready, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_wait(all.items, KINDS, &ready, 20), MPROC_ETIMEDOUT);
    for (int i = 0; i < KINDS; i++) {
        make_ready(&all, i);
        /* Those before stay ready, and so the wait may be over before this one is. */
        while (mproc_wait(all.items, KINDS, &ready, LONG_TIME) == MPROC_OK && !all.items[i].ready)
            sleep_briefly();
        CU_ASSERT_TRUE_FATAL(all.items[i].ready);
        CU_ASSERT_EQUAL(ready, (size_t) i + 1);
        for (int j = i + 1; j < KINDS; j++)
            CU_ASSERT_FALSE(all.items[j].ready);
    }
    end_everything(&all);
}

static void wait_for_two(void *context)
{
    CHECK_OK(mproc_wait(context, 2, NULL, LONG_TIME));
}

static void the_same_thing_may_be_there_twice(void)
{
    struct everything all;
    size_t ready = 0;
    make_everything(&all);
    mproc_wait_item items[2] = { all.items[SOCKET_OF_OURS], all.items[SOCKET_OF_OURS] };
    struct test_thread *thread = thread_start(wait_for_two, items);
    for (int i = 0; i < 20; i++)
        sleep_briefly(); /* mostly it waits by now; if not, it finds both ready */
    make_ready(&all, SOCKET_OF_OURS);
    thread_join(thread);
    CU_ASSERT_TRUE(items[0].ready && items[1].ready);
    for (int i = 0; i < KINDS; i++)
        make_ready(&all, i);
    for (int i = 0; i < KINDS; i++) {
        items[0] = items[1] = all.items[i];
        while (mproc_wait(items, 2, &ready, LONG_TIME) == MPROC_OK && ready < 2)
            sleep_briefly();
        CU_ASSERT_TRUE(items[0].ready && items[1].ready);
    }
    end_everything(&all);
}

static int put_one(void *argument)
{
    const mproc_queue *queue = argument;
    int number = 42;
    CHILD_OK(mproc_queue_put(*queue, &number, LONG_TIME));
    return 0;
}

/* More queues than a system sleeps on at once; then also more handles than Windows waits for at once. */
static void many_queues_are_waited_for_alone_and_beside_many_connections(void)
{
    enum { QUEUES = MPROC_PLAT_PARK_ANY + 30 };
    static mproc_queue queues[QUEUES];
    static mproc_connection *here[MANY], *there[MANY];
    static mproc_wait_item items[QUEUES + MANY];
    char address[MPROC_ADDRESS_SIZE];
    size_t ready = 0;
    int number;
    mproc_listener *listener = listen_at(address);
    for (int i = 0; i < QUEUES; i++) {
        CHECK_OK(mproc_queue_create(&queues[i], sizeof(int), 0));
        items[i] = mproc_wait_queue(queues[i]);
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(mproc_connection_open(&there[i], address, NULL, LONG_TIME));
        CHECK_OK(mproc_listener_accept(listener, &here[i], LONG_TIME));
        items[QUEUES + i] = mproc_wait_connection(here[i]);
    }
    for (size_t beside = 0; beside <= MANY; beside += MANY) {
        CHECK_FAILS(mproc_wait(items, QUEUES + beside, &ready, 20), MPROC_ETIMEDOUT);
        for (int which = 0; which < QUEUES; which += QUEUES - 1) {
            mproc_process *child = start_child(put_one, &queues[which], sizeof queues[which], NULL);
            CHECK_OK(mproc_wait(items, QUEUES + beside, &ready, LONG_TIME));
            CU_ASSERT_TRUE(ready == 1 && items[which].ready);
            CHECK_OK(mproc_queue_get(queues[which], &number, MPROC_NOWAIT));
            CU_ASSERT_EQUAL(end_child(child), 0);
        }
    }
    CHECK_OK(mproc_connection_send_bytes(there[MANY - 1], "x", 1, LONG_TIME));
    CHECK_OK(mproc_wait(items, QUEUES + MANY, &ready, LONG_TIME));
    CU_ASSERT_TRUE(ready == 1 && items[QUEUES + MANY - 1].ready);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(mproc_connection_close(here[i]));
        CHECK_OK(mproc_connection_close(there[i]));
    }
    for (int i = 0; i < QUEUES; i++)
        CHECK_OK(mproc_queue_destroy(queues[i]));
    CHECK_OK(mproc_listener_close(listener));
}

/* ---- ends of pipes ---- */

struct partner {
    mproc_pipe pipe;
    mproc_memory block; /* an int: it has looked */
};

/* Waits for the other side and for nothing else, until it is killed. */
static int wait_and_hang(void *argument)
{
    const struct partner *partner = argument;
    mproc_wait_item item = mproc_wait_pipe(partner->pipe);
    CHILD_FAILS(mproc_wait(&item, 1, NULL, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    atomic_store((_Atomic int *) mproc_pointer(partner->block), 1);
    return hang_for_ever(NULL);
}

static void wait_for_pipe(void *context)
{
    mproc_wait_item *item = context;
    CHECK_OK(mproc_wait(item, 1, NULL, LONG_TIME));
}

static void the_death_of_who_only_waits_at_the_other_end_ends_a_wait(void)
{
    struct partner partner;
    mproc_pipe own;
    _Atomic int *looked = shared_ints(&partner.block, 1);
    CHECK_OK(mproc_pipe_create(&own, &partner.pipe, true));
    mproc_wait_item item = mproc_wait_pipe(own);
    mproc_process *child = start_child(wait_and_hang, &partner, sizeof partner, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until(looked, 1));
    CHECK_FAILS(mproc_wait(&item, 1, NULL, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    struct test_thread *thread = thread_start(wait_for_pipe, &item);
    CHECK_OK(mproc_process_kill(child));
    thread_join(thread);
    CU_ASSERT_TRUE(item.ready);
    char byte;
    size_t size;
    CHECK_FAILS(mproc_pipe_recv(own, &byte, 1, &size, MPROC_NOWAIT), MPROC_ECLOSED);
    (void) end_child(child);
    CHECK_OK(mproc_pipe_close(own));
    CHECK_OK(mproc_pipe_close(partner.pipe));
    CHECK_OK(mproc_free(partner.block));
}

static void check_wrong(mproc_wait_item item, mproc_err expected)
{
    mproc_wait_item items[] = { mproc_wait_make(MPROC_WAIT_NONE, 0), item };
    CHECK_FAILS(mproc_wait(items, 2, NULL, MPROC_NOWAIT), expected);
    CU_ASSERT_PTR_NOT_NULL(strstr(mproc_last_error(), "item 1"));
}

static void what_cannot_be_waited_for_is_named(void)
{
    mproc_pipe receiving, sending;
    CHECK_OK(mproc_pipe_create(&receiving, &sending, false));
    check_wrong(mproc_wait_pipe(sending), MPROC_ENOTSUP);
    CHECK_OK(mproc_pipe_close(sending));
    mproc_wait_item closed = mproc_wait_pipe(receiving);
    CHECK_OK(mproc_wait(&closed, 1, NULL, MPROC_NOWAIT)); /* the end of the stream */
    CHECK_OK(mproc_pipe_close(receiving));
    check_wrong(mproc_wait_pipe(receiving), MPROC_EBADHANDLE);
    check_wrong(mproc_wait_pipe(sending), MPROC_EBADHANDLE);
    check_wrong(mproc_wait_native(-1), MPROC_EINVAL);
    check_wrong(mproc_wait_socket(-1), MPROC_EINVAL);
    check_wrong(mproc_wait_connection(NULL), MPROC_EINVAL);
    check_wrong(mproc_wait_make((mproc_wait_kind) 99, 0), MPROC_EINVAL);
    mproc_process *child = start_child(leave_at_once, NULL, 0, NULL);
    CHECK_OK(mproc_process_join(child, LONG_TIME));
    CHECK_OK(mproc_process_close(child));
    check_wrong(mproc_wait_process(child), MPROC_ECLOSED);
}

MPROC_SUITE(wait, MPROC_TEST(queues_and_pipes_become_ready),
            MPROC_TEST(a_queue_is_waited_for_beside_a_process), MPROC_TEST(nothing_ready_is_a_time_out),
            MPROC_TEST(listeners_connections_and_processes_become_ready),
            MPROC_TEST(a_hundred_connections_are_waited_for),
            MPROC_TEST(a_process_may_be_reaped_while_another_thread_waits_for_it),
            MPROC_TEST(native_sockets_and_sentinels_become_ready),
            MPROC_TEST(a_listener_that_nobody_closed_leaves_no_path),
            MPROC_TEST(every_kind_becomes_ready_beside_all_others),
            MPROC_TEST(the_same_thing_may_be_there_twice),
            MPROC_TEST(many_queues_are_waited_for_alone_and_beside_many_connections),
            MPROC_TEST(the_death_of_who_only_waits_at_the_other_end_ends_a_wait),
            MPROC_TEST(what_cannot_be_waited_for_is_named))
