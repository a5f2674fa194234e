/* SPDX-License-Identifier: MIT */
/* Objects through queues, pipes and connections. */
#include "suite.h"

enum { LONG_TIME = 60000 };

struct shared {
    mproc_queue there, back;
    mproc_pipe pipe;
    char address[MPROC_ADDRESS_SIZE];
};

static mproc_object *make_object(int number)
{
    mproc_object *object = NULL;
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    CHECK_OK(mproc_pack(&object, "{'number': %d, 'list': [1, 2.5, None, %s], 'large': %s}", number, "text", large));
    return object;
}

static bool is_object(mproc_object *object, int number)
{
    mproc_object *expected = make_object(number);
    bool equal = false;
    CHECK_OK(mproc_object_equal(object, expected, &equal));
    mproc_object_release(expected);
    return equal;
}

/* Sends back what comes. */
static int echo_queue(void *argument)
{
    const struct shared *shared = argument;
    mproc_object *object;
    for (int i = 0; i < 10; i++) {
        CHILD_OK(mproc_queue_get_object(shared->there, &object, LONG_TIME));
        CHILD_OK(mproc_queue_put_object(shared->back, object, LONG_TIME));
        mproc_object_release(object);
    }
    return 0;
}

static void objects_go_through_queues(void)
{
    struct shared shared = { .address = "" };
    mproc_object *object;
    CHECK_OK(mproc_queue_create(&shared.there, MPROC_VARIABLE, 0));
    CHECK_OK(mproc_queue_create(&shared.back, MPROC_VARIABLE, 0));
    mproc_process *child = start_child(echo_queue, &shared, sizeof shared, NULL);
    for (int i = 0; i < 10; i++) {
        object = make_object(i);
        CHECK_OK(mproc_queue_put_object(shared.there, object, LONG_TIME));
        mproc_object_release(object);
    }
    for (int i = 0; i < 10; i++) {
        CHECK_OK(mproc_queue_get_object(shared.back, &object, LONG_TIME));
        CU_ASSERT_TRUE(is_object(object, i));
        mproc_object_release(object);
    }
    CU_ASSERT_EQUAL(end_child(child), 0);
    CHECK_FAILS(mproc_queue_get_object(shared.back, &object, MPROC_NOWAIT), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_queue_put_bytes(shared.back, "no pickle", 9, MPROC_NOWAIT));
    CHECK_FAILS(mproc_queue_get_object(shared.back, &object, MPROC_NOWAIT), MPROC_EPROTO);
    CHECK_FAILS(mproc_queue_get_object(shared.back, NULL, MPROC_NOWAIT), MPROC_EINVAL);
    CHECK_OK(mproc_queue_destroy(shared.there));
    CHECK_OK(mproc_queue_destroy(shared.back));
}

static int echo_pipe(void *argument)
{
    const struct shared *shared = argument;
    mproc_object *object;
    CHILD_OK(mproc_pipe_recv_object(shared->pipe, &object, LONG_TIME));
    CHILD_OK(mproc_pipe_send_object(shared->pipe, object, LONG_TIME));
    mproc_object_release(object);
    return 0;
}

static void objects_go_through_pipes(void)
{
    struct shared shared = { .address = "" };
    mproc_pipe own;
    CHECK_OK(mproc_pipe_create(&own, &shared.pipe, true));
    mproc_process *child = start_child(echo_pipe, &shared, sizeof shared, NULL);
    mproc_object *object = make_object(7);
    CHECK_OK(mproc_pipe_send_object(own, object, LONG_TIME));
    mproc_object_release(object);
    CHECK_OK(mproc_pipe_recv_object(own, &object, LONG_TIME));
    CU_ASSERT_TRUE(is_object(object, 7));
    mproc_object_release(object);
    CU_ASSERT_EQUAL(end_child(child), 0);
    CHECK_OK(mproc_pipe_close(shared.pipe));
    CHECK_OK(mproc_pipe_close(own));
}

static int echo_connection(void *argument)
{
    const struct shared *shared = argument;
    mproc_connection *connection;
    mproc_object *object;
    CHILD_OK(mproc_connection_open(&connection, shared->address, NULL, LONG_TIME));
    CHILD_OK(mproc_connection_recv_object(connection, &object, LONG_TIME));
    CHILD_OK(mproc_connection_send_object(connection, object, LONG_TIME));
    mproc_object_release(object);
    CHILD_OK(mproc_connection_close(connection));
    return 0;
}

static void objects_go_over_connections(void)
{
    struct shared shared = { .address = "" };
    mproc_listener *listener;
    mproc_connection *connection;
    CHECK_OK(mproc_listener_create(&listener, NULL, NULL));
    CHECK_OK(mproc_listener_address(listener, shared.address, sizeof shared.address));
    mproc_process *child = start_child(echo_connection, &shared, sizeof shared, NULL);
    CHECK_OK(mproc_listener_accept(listener, &connection, LONG_TIME));
    mproc_object *object = make_object(9);
    CHECK_OK(mproc_connection_send_object(connection, object, LONG_TIME));
    mproc_object_release(object);
    CHECK_OK(mproc_connection_recv_object(connection, &object, LONG_TIME));
    CU_ASSERT_TRUE(is_object(object, 9));
    mproc_object_release(object);
    CHECK_FAILS(mproc_connection_recv_object(connection, &object, LONG_TIME), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(end_child(child), 0);
    CHECK_OK(mproc_connection_close(connection));
    CHECK_OK(mproc_listener_close(listener));
}

MPROC_SUITE(message, MPROC_TEST(objects_go_through_queues), MPROC_TEST(objects_go_through_pipes),
            MPROC_TEST(objects_go_over_connections))
