/* SPDX-License-Identifier: MIT */
/* Pipe: messages both ways and one way, lengths, poll, close, and the end of the stream by death. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"
#include "waitable.h"

struct work {
    mproc_pipe pipe, other;
    mproc_memory block; /* ints: 0 arrived */
    size_t size;
    int count;
};

static void messages_pass_both_ways(void)
{
    uint64_t before = mproc__arena_used();
    mproc_pipe first, second;
    char text[10] = "";
    size_t size = 0;
    CHECK_OK(mproc_pipe_create(&first, &second, true));
    CU_ASSERT_TRUE(mproc__arena_used() - before <= 2 * 16384);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(mproc_pipe_send(first, "one", 4, 0));
        CHECK_OK(mproc_pipe_send(first, NULL, 0, 0));
        CHECK_OK(mproc_pipe_send(second, "three", 6, 0));
        CHECK_OK(mproc_pipe_recv(second, text, sizeof text, &size, 0));
        CU_ASSERT_STRING_EQUAL(text, "one");
        CU_ASSERT_EQUAL(size, 4);
        CHECK_OK(mproc_pipe_recv(second, NULL, 0, &size, 0));
        CU_ASSERT_EQUAL(size, 0);
        CHECK_OK(mproc_pipe_recv(first, text, sizeof text, &size, 0));
        CU_ASSERT_STRING_EQUAL(text, "three");
        CHECK_FAILS(mproc_pipe_recv(first, text, sizeof text, &size, 10), MPROC_ETIMEDOUT);
        CHECK_FAILS(mproc_pipe_recv(second, text, sizeof text, &size, 0), MPROC_ETIMEDOUT);
    }
    CHECK_OK(mproc_pipe_close(first));
    CHECK_OK(mproc_pipe_close(second));
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

static void a_one_way_pipe_refuses_the_other_way(void)
{
    mproc_pipe receiver, sender;
    char text[10] = "";
    size_t size;
    CHECK_OK(mproc_pipe_create(&receiver, &sender, false));
    CHECK_FAILS(mproc_pipe_send(receiver, "a", 2, 0), MPROC_ENOTSUP);
    CHECK_FAILS(mproc_pipe_recv(sender, text, sizeof text, &size, 0), MPROC_ENOTSUP);
    CHECK_FAILS(mproc_pipe_poll(sender, 0), MPROC_ENOTSUP);
    CHECK_OK(mproc_pipe_send(sender, "a", 2, 0));
    CHECK_OK(mproc_pipe_recv(receiver, text, sizeof text, &size, 0));
    CU_ASSERT_STRING_EQUAL(text, "a");
    CHECK_OK(mproc_pipe_close(sender));
    CHECK_OK(mproc_pipe_close(receiver));
}

static void a_short_buffer_leaves_the_message_there(void)
{
    mproc_pipe first, second;
    char text[10] = "";
    size_t size = 0;
    CHECK_OK(mproc_pipe_create(&first, &second, true));
    CHECK_OK(mproc_pipe_send(first, "hello", 6, 0));
    CHECK_FAILS(mproc_pipe_recv(second, text, 3, &size, 0), MPROC_EMSGSIZE);
    CU_ASSERT_EQUAL(size, 6);
    CHECK_OK(mproc_pipe_recv(second, text, size, &size, 0));
    CU_ASSERT_STRING_EQUAL(text, "hello");
    CHECK_OK(mproc_pipe_close(first));
    CHECK_OK(mproc_pipe_close(second));
}

static void a_full_pipe_times_out_and_takes_one_message_of_any_length(void)
{
    mproc_pipe first, second;
    size_t size, large = 3 << 20;
    char *bytes = malloc(large);
    memset(bytes, 7, large);
    CHECK_OK(mproc_pipe_create(&first, &second, false));
    int sent = 0;
    while (mproc_pipe_send(second, bytes, 1000, 0) == MPROC_OK)
        sent++;
    CU_ASSERT_TRUE(sent > 60 && sent < 2000);
    CHECK_FAILS(mproc_pipe_send(second, bytes, 1000, 20), MPROC_ETIMEDOUT);
    for (int i = 0; i < sent; i++)
        CHECK_OK(mproc_pipe_recv(first, bytes, large, &size, 0));
    CHECK_OK(mproc_pipe_send(second, bytes, large, 0));
    CHECK_FAILS(mproc_pipe_send(second, bytes, 1, 0), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_pipe_recv(first, bytes, large, &size, 0));
    CU_ASSERT_EQUAL(size, large);
    CHECK_OK(mproc_pipe_close(first));
    CHECK_OK(mproc_pipe_close(second));
    free(bytes);
}

static void poll_sees_messages_and_the_end(void)
{
    mproc_pipe first, second;
    char text[10];
    size_t size;
    CHECK_OK(mproc_pipe_create(&first, &second, true));
    CHECK_FAILS(mproc_pipe_poll(first, 0), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_pipe_poll(first, 30), MPROC_ETIMEDOUT);
    CU_ASSERT_FALSE(mproc__pipe_readable(first.id));
    CU_ASSERT_PTR_NOT_NULL(mproc__pipe_gate(first.id));
    CHECK_OK(mproc_pipe_send(second, "a", 2, 0));
    CHECK_OK(mproc_pipe_poll(first, 0));
    CU_ASSERT_TRUE(mproc__pipe_readable(first.id));
    CHECK_OK(mproc_pipe_close(second));
    CHECK_OK(mproc_pipe_recv(first, text, sizeof text, &size, MPROC_FOREVER));
    CHECK_OK(mproc_pipe_poll(first, MPROC_FOREVER));
    CHECK_FAILS(mproc_pipe_recv(first, text, sizeof text, &size, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_FAILS(mproc_pipe_send(first, "a", 2, 0), MPROC_ECLOSED);
    CHECK_FAILS(mproc_pipe_send(second, "a", 2, 0), MPROC_ECLOSED);
    CHECK_FAILS(mproc_pipe_close(second), MPROC_ECLOSED);
    CHECK_OK(mproc_pipe_close(first));
    CHECK_FAILS(mproc_pipe_close(first), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_pipe_send(first, "a", 2, 0), MPROC_EBADHANDLE);
    mproc_pipe none = { 0 };
    CHECK_OK(mproc_pipe_close(none));
    CHECK_FAILS(mproc_pipe_recv(none, text, 1, &size, 0), MPROC_EBADHANDLE);
    CHECK_FAILS(mproc_pipe_create(NULL, &first, true), MPROC_EINVAL);
}

/* ---- between processes ---- */

static int echo(void *argument)
{
    struct work *work = argument;
    char *bytes = malloc(4 << 20);
    size_t size;
    mproc_err err;
    while ((err = mproc_pipe_recv(work->pipe, bytes, 4 << 20, &size, MPROC_FOREVER)) == MPROC_OK)
        CHILD_OK(mproc_pipe_send(work->pipe, bytes, size, MPROC_FOREVER));
    CHILD_CHECK(err == MPROC_ECLOSED);
    free(bytes);
    CHILD_OK(mproc_pipe_close(work->pipe));
    return 0;
}

static void a_child_echoes_messages_of_all_lengths(void)
{
    struct work work;
    mproc_pipe end;
    CHECK_OK(mproc_pipe_create(&end, &work.pipe, true));
    mproc_process *process = start_child(echo, &work, sizeof work, NULL);
    size_t large = 4 << 20, size;
    unsigned char *bytes = malloc(large), *back = malloc(large);
    for (size_t i = 0; i < large; i++)
        bytes[i] = (unsigned char) (i * 7 + i / 1000);
    for (size_t length = 0; length <= large; length = length * 2 + 1) {
        CHECK_OK(mproc_pipe_send(end, bytes, length, 60000));
        CHECK_OK(mproc_pipe_recv(end, back, large, &size, 60000));
        CU_ASSERT_EQUAL(size, length);
        CU_ASSERT_EQUAL(memcmp(bytes, back, length), 0);
    }
    CHECK_OK(mproc_pipe_close(end));
    CU_ASSERT_EQUAL(end_child(process), 0);
    free(bytes);
    free(back);
}

static int send_and_hang(void *argument)
{
    struct work *work = argument;
    CHILD_OK(mproc_pipe_send(work->pipe, "last", 5, MPROC_FOREVER));
    return hang_for_ever(NULL);
}

static void the_death_of_the_other_side_is_the_end_of_the_stream(void)
{
    struct work work;
    mproc_pipe end;
    char text[10] = "";
    size_t size;
    CHECK_OK(mproc_pipe_create(&end, &work.pipe, true));
    mproc_process *process = start_child(send_and_hang, &work, sizeof work, NULL);
    CHECK_OK(mproc_pipe_poll(end, 60000));
    CHECK_OK(mproc_process_kill(process));
    end_child(process);
    CHECK_OK(mproc_pipe_recv(end, text, sizeof text, &size, MPROC_FOREVER));
    CU_ASSERT_STRING_EQUAL(text, "last");
    CHECK_FAILS(mproc_pipe_recv(end, text, sizeof text, &size, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_pipe_poll(end, MPROC_FOREVER));
    CHECK_OK(mproc_pipe_close(end));
    CHECK_OK(mproc_pipe_close(work.pipe));
}

static int never_use_it(void *argument)
{
    (void) argument;
    return 0;
}

static void a_child_that_was_given_an_end_may_die_before_using_it(void)
{
    struct work work;
    mproc_pipe end;
    char text[10];
    size_t size;
    CHECK_OK(mproc_pipe_create(&end, &work.pipe, true));
    CHECK_FAILS(mproc_pipe_recv(end, text, sizeof text, &size, 0), MPROC_ETIMEDOUT);
    mproc_process *process = start_child(hang_for_ever, NULL, 0, NULL);
    CHECK_OK(mproc_pipe_give(work.pipe, process));
    CHECK_FAILS(mproc_pipe_recv(end, text, sizeof text, &size, 50), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_process_kill(process));
    CHECK_FAILS(mproc_pipe_recv(end, text, sizeof text, &size, MPROC_FOREVER), MPROC_ECLOSED);
    end_child(process);
    CHECK_OK(mproc_pipe_close(end));
    CHECK_OK(mproc_pipe_close(work.pipe));
}

static void who_is_given_an_end_may_have_died_already(void)
{
    mproc_pipe own, childs;
    char text[10];
    size_t size;
    CHECK_OK(mproc_pipe_create(&own, &childs, true));
    mproc_process *process = start_child(never_use_it, NULL, 0, NULL);
    CHECK_OK(mproc_process_join(process, MPROC_FOREVER));
    CHECK_FAILS(mproc_pipe_recv(own, text, sizeof text, &size, 0), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_pipe_give(childs, mproc_current_process()), MPROC_ESTATE);
    CHECK_OK(mproc_pipe_give(childs, process));
    CHECK_FAILS(mproc_pipe_recv(own, text, sizeof text, &size, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_process_close(process));
    CHECK_OK(mproc_pipe_close(own));
    CHECK_OK(mproc_pipe_close(childs));
}

static int receive_until_gone(void *argument)
{
    struct work *work = argument;
    char text[10];
    size_t size;
    CHILD_FAILS(mproc_pipe_recv(work->pipe, text, sizeof text, &size, 60000), MPROC_ECLOSED);
    return 0;
}

static int end_at_once(void *argument)
{
    (void) argument;
    end_hard("_exit7");
    return 0;
}

/* Who had the other end never did anything, and its parent waits for somebody else and has not reaped it. */
static void a_childs_death_is_known_before_its_parent_learns_of_it(void)
{
    struct work work = { .count = 0 };
    CHECK_OK(mproc_pipe_create(&work.pipe, &work.other, true));
    mproc_process *dead = start_child(end_at_once, NULL, 0, NULL);
    CHECK_OK(mproc_pipe_give(work.other, dead));
    CU_ASSERT_EQUAL(run_child(receive_until_gone, &work, sizeof work, NULL), 0);
    CU_ASSERT_NOT_EQUAL(end_child(dead), 0);
    CHECK_OK(mproc_pipe_close(work.pipe));
    CHECK_OK(mproc_pipe_close(work.other));
}

static int wait_for_a_message(void *argument)
{
    struct work *work = argument;
    char text[10];
    size_t size;
    CHILD_OK(mproc_pipe_send(work->pipe, "here", 5, MPROC_FOREVER));
    CHILD_FAILS(mproc_pipe_recv(work->pipe, text, sizeof text, &size, MPROC_FOREVER), MPROC_ECLOSED);
    return 0;
}

static void close_wakes_the_other_side(void)
{
    struct work work;
    mproc_pipe end;
    CHECK_OK(mproc_pipe_create(&end, &work.pipe, true));
    mproc_process *process = start_child(wait_for_a_message, &work, sizeof work, NULL);
    CHECK_OK(mproc_pipe_poll(end, 60000));
    CHECK_FAILS(mproc_process_join(process, 20), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_pipe_close(end));
    CU_ASSERT_EQUAL(end_child(process), 0);
    CHECK_OK(mproc_pipe_close(work.pipe));
}

static void a_sender_that_waits_learns_of_the_receivers_death(void)
{
    struct work work;
    mproc_pipe end;
    static char bytes[100000];
    mproc_err err;
    CHECK_OK(mproc_pipe_create(&end, &work.pipe, true));
    mproc_process *process = start_child(send_and_hang, &work, sizeof work, NULL);
    CHECK_OK(mproc_pipe_poll(end, 60000));
    CHECK_OK(mproc_process_kill(process));
    end_child(process);
    int sent = 0;
    while ((err = mproc_pipe_send(end, bytes, sizeof bytes, MPROC_FOREVER)) == MPROC_OK)
        sent++;
    CU_ASSERT_EQUAL(err, MPROC_ECLOSED);
    CU_ASSERT_TRUE(sent < 100);
    CHECK_OK(mproc_pipe_close(end));
    CHECK_OK(mproc_pipe_close(work.pipe));
}

/* ---- closing, at once and by those who die ---- */

static int close_end(void *argument)
{
    struct work *work = argument;
    mproc_pipe none_such = { 1 };
    char sentence[300];
    CHILD_FAILS(mproc_pipe_close(none_such), MPROC_EBADHANDLE);
    snprintf(sentence, sizeof sentence, "%s", mproc_last_error());
    CHILD_OK(mproc_pipe_close(work->pipe));
    CHILD_CHECK(strcmp(sentence, mproc_last_error()) == 0); /* it has freed nothing that was freed */
    return 0;
}

static void both_ends_may_be_closed_at_once(void)
{
    uint64_t before = mproc__arena_used();
    struct work work;
    mproc_process *processes[2];
    CHECK_OK(mproc_pipe_create(&work.pipe, &work.other, true));
    mproc_pipe ends[] = { work.pipe, work.other };
    for (int i = 0; i < 2; i++) {
        work.pipe = ends[i];
        processes[i] = start_delayed_child(close_end, &work, sizeof work, "pipe.end_closed", 1);
    }
    for (int i = 0; i < 2; i++)
        CU_ASSERT_TRUE(wait_until_delayed(processes[i]));
    for (int i = 0; i < 2; i++)
        end_delay(processes[i]);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(end_child(processes[i]), 0);
    for (int i = 0; i < 2; i++)
        CHECK_FAILS(mproc_pipe_close(ends[i]), MPROC_EBADHANDLE);
    CU_ASSERT_EQUAL(mproc__arena_used(), before);
}

static void an_end_whose_closer_died_is_closed_by_the_next(void)
{
    static const char *const points[] = { "pipe.channels_closed", "pipe.end_closed" };
    for (int i = 0; i < 4; i++) {
        uint64_t before = mproc__arena_used();
        struct work work;
        mproc_pipe other;
        CHECK_OK(mproc_pipe_create(&work.pipe, &other, true));
        CU_ASSERT_NOT_EQUAL(end_child(start_doomed_child(close_end, &work, sizeof work, points[i % 2])), 0);
        CHECK_OK(mproc_pipe_close(i < 2 ? work.pipe : other));
        CHECK_OK(mproc_pipe_close(i < 2 ? other : work.pipe));
        CU_ASSERT_EQUAL(mproc__arena_used(), before);
    }
}

/* ---- letting go ---- */

static int send_once(void *argument)
{
    struct work *work = argument;
    CHILD_OK(mproc_pipe_send(work->pipe, "child", 6, MPROC_FOREVER));
    return 0;
}

/* The parent greets on the end that it then gives away. */
static void an_end_that_was_released_is_gone_with_who_has_it(void)
{
    struct work work;
    mproc_pipe end;
    char text[10] = "";
    size_t size;
    CHECK_OK(mproc_pipe_create(&end, &work.pipe, true));
    CHECK_OK(mproc_pipe_send(work.pipe, "parent", 7, 0));
    mproc_process *process = start_child(send_once, &work, sizeof work, NULL);
    CHECK_OK(mproc_pipe_give(work.pipe, process));
    CHECK_OK(mproc_pipe_release(work.pipe));
    CHECK_OK(mproc_pipe_release(work.pipe));
    CHECK_OK(mproc_pipe_recv(end, text, sizeof text, &size, 60000));
    CU_ASSERT_STRING_EQUAL(text, "parent");
    CHECK_OK(mproc_pipe_recv(end, text, sizeof text, &size, 60000));
    CU_ASSERT_STRING_EQUAL(text, "child");
    CHECK_FAILS(mproc_pipe_recv(end, text, sizeof text, &size, 60000), MPROC_ECLOSED);
    CU_ASSERT_EQUAL(end_child(process), 0);
    /* Who uses it has it again. */
    CHECK_OK(mproc_pipe_send(work.pipe, "again", 6, 0));
    CHECK_OK(mproc_pipe_recv(end, text, sizeof text, &size, 0));
    CHECK_FAILS(mproc_pipe_recv(end, text, sizeof text, &size, 20), MPROC_ETIMEDOUT);
    CHECK_OK(mproc_pipe_release(work.pipe));
    CHECK_FAILS(mproc_pipe_recv(end, text, sizeof text, &size, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_pipe_close(end));
    CHECK_OK(mproc_pipe_close(work.pipe));
    CHECK_FAILS(mproc_pipe_release(work.pipe), MPROC_EBADHANDLE);
}

static int send_and_release(void *argument)
{
    struct work *work = argument;
    CHILD_OK(mproc_pipe_send(work->pipe, "child", 6, MPROC_FOREVER));
    CHILD_OK(mproc_pipe_release(work->pipe));
    return 0;
}

/* As in Python: send, close, end. */
static void a_child_that_releases_its_end_and_goes_ends_the_stream(void)
{
    struct work work;
    mproc_pipe end;
    char text[10] = "";
    size_t size;
    CHECK_OK(mproc_pipe_create(&end, &work.pipe, false));
    CU_ASSERT_EQUAL(run_child(send_and_release, &work, sizeof work, NULL), 0);
    CHECK_OK(mproc_pipe_recv(end, text, sizeof text, &size, MPROC_FOREVER));
    CU_ASSERT_STRING_EQUAL(text, "child");
    CHECK_FAILS(mproc_pipe_recv(end, text, sizeof text, &size, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_pipe_close(end));
    CHECK_OK(mproc_pipe_close(work.pipe));
}

static void messages_of_any_length_are_received_into_memory_of_their_own(void)
{
    static const size_t sizes[] = { 0, 1, 1023, 1024, 1025, 40000, 3000000 };
    mproc_pipe first, second;
    void *bytes = NULL;
    size_t size = 99;
    char *message = malloc(3000000);
    memset(message, 'm', 3000000);
    CHECK_OK(mproc_pipe_create(&first, &second, false));
    CHECK_FAILS(mproc_pipe_recv_alloc(first, &bytes, &size, 10), MPROC_ETIMEDOUT);
    CHECK_FAILS(mproc_pipe_recv_alloc(first, NULL, &size, 0), MPROC_EINVAL);
    CHECK_FAILS(mproc_pipe_recv_alloc(second, &bytes, &size, 0), MPROC_ENOTSUP);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CHECK_OK(mproc_pipe_send(second, message, sizes[i], 0));
        CHECK_OK(mproc_pipe_recv_alloc(first, &bytes, &size, 60000));
        CU_ASSERT_EQUAL(size, sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        CU_ASSERT_EQUAL(memcmp(bytes, message, size), 0);
        mproc_connection_free(bytes);
    }
    CHECK_OK(mproc_pipe_close(second));
    CHECK_FAILS(mproc_pipe_recv_alloc(first, &bytes, &size, MPROC_FOREVER), MPROC_ECLOSED);
    CHECK_OK(mproc_pipe_close(first));
    free(message);
}

MPROC_SUITE(pipe, MPROC_TEST(messages_pass_both_ways), MPROC_TEST(a_one_way_pipe_refuses_the_other_way),
            MPROC_TEST(a_short_buffer_leaves_the_message_there),
            MPROC_TEST(a_full_pipe_times_out_and_takes_one_message_of_any_length),
            MPROC_TEST(poll_sees_messages_and_the_end), MPROC_TEST(a_child_echoes_messages_of_all_lengths),
            MPROC_TEST(the_death_of_the_other_side_is_the_end_of_the_stream),
            MPROC_TEST(a_child_that_was_given_an_end_may_die_before_using_it),
            MPROC_TEST(who_is_given_an_end_may_have_died_already),
            MPROC_TEST(a_childs_death_is_known_before_its_parent_learns_of_it),
            MPROC_TEST(close_wakes_the_other_side), MPROC_TEST(both_ends_may_be_closed_at_once),
            MPROC_TEST(an_end_whose_closer_died_is_closed_by_the_next),
            MPROC_TEST(an_end_that_was_released_is_gone_with_who_has_it),
            MPROC_TEST(a_child_that_releases_its_end_and_goes_ends_the_stream),
            MPROC_TEST(messages_of_any_length_are_received_into_memory_of_their_own),
            MPROC_TEST(a_sender_that_waits_learns_of_the_receivers_death))
