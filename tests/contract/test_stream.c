/* SPDX-License-Identifier: MIT */
/* The boundary: this side's ends of pipes, and large buffers. */
#include "contract.h"

#define HELPER PROGRAM("helper")

enum { COPIED = 200000 };

static int child(const char *boot)
{
    (void) boot;
    return 1; /* these tests start another program */
}

/* A program with pipes, or NULL for none. */
static struct mproc_plat_process start(const char *const *argv, struct mproc_plat_stream **input,
                                       struct mproc_plat_stream **output)
{
    static const mproc_popen_options defaults;
    struct mproc_plat_launch launch = { .argv = argv,
                                        .options = &defaults,
                                        .standard = { MPROC_PLAT_NONE, MPROC_PLAT_NONE, MPROC_PLAT_NONE },
                                        .terminal = MPROC_PLAT_NONE };
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    mproc_plat_handle job;
    if (input)
        CHECK_OK(mproc_plat_stream_pipe(true, 0, input, &launch.standard[0]));
    if (output)
        CHECK_OK(mproc_plat_stream_pipe(false, 0, output, &launch.standard[1]));
    CU_ASSERT_EQUAL_FATAL(mproc_plat_launch(&launch, &process, &job), MPROC_OK);
    mproc_plat_handle_close(launch.standard[0]);
    mproc_plat_handle_close(launch.standard[1]);
    return process;
}

static void a_read_times_out_and_moves_nothing(void)
{
    struct mproc_plat_stream *input, *output;
    struct mproc_plat_process process = start(MPROC_ARGV(HELPER, "copy_fast"), &input, &output);
    static const int64_t lengths[] = { 0, 2000000, 50000000 };
    for (int i = 0; i < 3; i++) {
        char buffer[10] = "untouched";
        struct mproc_plat_transfer transfer = { .stream = output, .buffer = buffer, .size = sizeof buffer };
        int64_t begin = mproc_plat_now(), deadline = lengths[i] ? begin + lengths[i] : 0;
        CU_ASSERT_EQUAL(mproc_plat_stream_transfer(&transfer, 1, deadline), MPROC_ETIMEDOUT);
        CU_ASSERT_TRUE(mproc_plat_now() - begin >= lengths[i]);
        CU_ASSERT_TRUE(transfer.done == 0 && !transfer.ended);
        CU_ASSERT_STRING_EQUAL(buffer, "untouched");
    }
    mproc_plat_stream_close(input);
    mproc_plat_stream_close(output);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
}

/* One call serves both directions; nothing is lost however often a read is broken off. */
static void bytes_arrive_once_and_in_order(void)
{
    enum { SIZE = 400000 };
    unsigned char *sent = malloc(SIZE), *got = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        sent[i] = (unsigned char) (i * 11 + i / 300);
    struct mproc_plat_stream *input, *output;
    struct mproc_plat_process process = start(MPROC_ARGV(HELPER, "copy_fast"), &input, &output);
    size_t written = 0, read = 0;
    bool drained = false, ended = false;
    while (!ended) {
        struct mproc_plat_transfer transfers[2] = {
            { .stream = output, .buffer = got + read, .size = SIZE - read < 1000 ? SIZE - read + 1 : 1000 },
            { .stream = input, .data = sent + written, .size = SIZE - written < 7000 ? SIZE - written : 7000 }
        };
        if (read == SIZE)
            transfers[0].buffer = &(char[8]){ 0 };
        mproc_err err = mproc_plat_stream_transfer(transfers, input ? 2 : 1, in_seconds(60));
        CU_ASSERT_EQUAL_FATAL(err, MPROC_OK);
        CU_ASSERT_TRUE(transfers[0].done + transfers[1].done > 0 || transfers[0].ended || transfers[1].drained);
        read += transfers[0].done;
        ended = transfers[0].ended;
        CU_ASSERT_TRUE_FATAL(read <= SIZE);
        if (input) {
            written += transfers[1].done;
            drained = transfers[1].drained;
        }
        if (input && written == SIZE && drained) {
            mproc_plat_stream_close(input);
            input = NULL;
        }
    }
    CU_ASSERT_EQUAL(read, SIZE);
    CU_ASSERT_TRUE(memcmp(sent, got, SIZE) == 0);
    mproc_plat_stream_close(output);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    free(sent);
    free(got);
}

/* A program that copies, and how far its copy is. */
struct copy {
    struct mproc_plat_process process;
    struct mproc_plat_stream *input, *output;
    unsigned char sent[COPIED], got[COPIED + 1];
    size_t written, read;
    bool ended;
};

static void start_copy(struct copy *copy, int seed)
{
    copy->process = start(MPROC_ARGV(HELPER, "copy_fast"), &copy->input, &copy->output);
    for (int i = 0; i < COPIED; i++)
        copy->sent[i] = (unsigned char) (i * seed + i / 300);
}

/* What is to be moved next: to the program, and from it. */
static size_t add_transfers(struct copy *copy, struct mproc_plat_transfer *transfers)
{
    size_t count = 0;
    if (copy->input)
        transfers[count++] = (struct mproc_plat_transfer){ .stream = copy->input, .data = copy->sent + copy->written,
                                                           .size = COPIED - copy->written };
    if (!copy->ended)
        transfers[count++] = (struct mproc_plat_transfer){ .stream = copy->output, .buffer = copy->got + copy->read,
                                                           .size = sizeof copy->got - copy->read };
    return count;
}

static void note_transfer(struct copy *copy, const struct mproc_plat_transfer *transfer)
{
    if (transfer->buffer) {
        copy->read += transfer->done;
        copy->ended = transfer->ended;
        return;
    }
    copy->written += transfer->done;
    if (copy->written == COPIED && transfer->drained) {
        mproc_plat_stream_close(copy->input);
        copy->input = NULL;
    }
}

static void check_copy(struct copy *copy)
{
    CU_ASSERT_EQUAL(copy->read, COPIED);
    CU_ASSERT_TRUE(memcmp(copy->sent, copy->got, COPIED) == 0);
    mproc_plat_stream_close(copy->output);
    CU_ASSERT_EQUAL(reap_child(&copy->process), 0);
}

/* As many as one call may serve. */
static void four_streams_are_served_by_one_call(void)
{
    static struct copy first, second;
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    start_copy(&first, 7);
    start_copy(&second, 13);
    while (!first.ended || !second.ended) {
        struct mproc_plat_transfer transfers[4];
        size_t of_first = add_transfers(&first, transfers);
        size_t count = of_first + add_transfers(&second, transfers + of_first);
        CU_ASSERT_EQUAL_FATAL(mproc_plat_stream_transfer(transfers, count, in_seconds(60)), MPROC_OK);
        for (size_t i = 0; i < count; i++)
            note_transfer(i < of_first ? &first : &second, &transfers[i]);
    }
    check_copy(&first);
    check_copy(&second);
}

/* What nobody has written to does not hold up the others, wherever in the list it is. */
static void only_what_is_ready_moves(void)
{
    struct mproc_plat_stream *inputs[2], *outputs[2];
    struct mproc_plat_process processes[2];
    for (int i = 0; i < 2; i++)
        processes[i] = start(MPROC_ARGV(HELPER, "copy_fast"), &inputs[i], &outputs[i]);
    for (int i = 0; i < 2; i++) {
        char texts[2][10] = { "", "" };
        struct mproc_plat_transfer write = { .stream = inputs[i], .data = "hello", .size = 5 };
        struct mproc_plat_transfer reads[2] = { { .stream = outputs[0], .buffer = texts[0], .size = 9 },
                                                { .stream = outputs[1], .buffer = texts[1], .size = 9 } };
        CHECK_OK(mproc_plat_stream_transfer(&write, 1, in_seconds(60)));
        CU_ASSERT_EQUAL(write.done, 5);
        CHECK_OK(mproc_plat_stream_transfer(reads, 2, in_seconds(60)));
        CU_ASSERT_TRUE(reads[i].done == 5 && reads[1 - i].done == 0 && !reads[1 - i].ended);
        CU_ASSERT_STRING_EQUAL(texts[i], "hello");
    }
    for (int i = 0; i < 2; i++) {
        mproc_plat_stream_close(inputs[i]);
        mproc_plat_stream_close(outputs[i]);
        CU_ASSERT_EQUAL(reap_child(&processes[i]), 0);
    }
}

static void each_stream_has_a_handle_of_the_systems(void)
{
    struct mproc_plat_stream *input, *output;
    struct mproc_plat_process process = start(MPROC_ARGV(HELPER, "copy_fast"), &input, &output);
    CHECK_OK(mproc_plat_handle_check(mproc_plat_stream_handle(input)));
    CHECK_OK(mproc_plat_handle_check(mproc_plat_stream_handle(output)));
    CU_ASSERT_NOT_EQUAL(mproc_plat_stream_handle(input), mproc_plat_stream_handle(output));
    mproc_plat_stream_close(input);
    mproc_plat_stream_close(output);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
}

static void an_exact_watch_is_ready_when_a_program_has_ended(void)
{
    struct mproc_plat_stream *input;
    struct mproc_plat_process process = start(MPROC_ARGV(HELPER, "copy_fast"), &input, NULL);
    if (mproc_plat_watch_is_exact()) {
        CU_ASSERT_FALSE(native_ready(process.watch, 10));
    } else {
        skip("this system has nothing that becomes ready when a program ends");
    }
    mproc_plat_stream_close(input);
    if (mproc_plat_watch_is_exact()) {
        CU_ASSERT_TRUE(native_ready(process.watch, 60000));
    }
    CU_ASSERT_EQUAL(reap_child(&process), 0);
}

static void a_write_to_nobody_has_ended(void)
{
    struct mproc_plat_stream *input;
    struct mproc_plat_process process = start(MPROC_ARGV(HELPER, "exit", "0"), &input, NULL);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    struct mproc_plat_transfer transfer = { .stream = input, .data = "x", .size = 1 };
    CHECK_OK(mproc_plat_stream_transfer(&transfer, 1, in_seconds(60)));
    CU_ASSERT_TRUE(transfer.ended);
    CU_ASSERT_EQUAL(transfer.done, 0);
    mproc_plat_stream_close(input);
}

static void a_full_pipe_takes_no_more(void)
{
    struct mproc_plat_stream *input;
    struct mproc_plat_process process = start(MPROC_ARGV(HELPER, "sleep", "100000"), &input, NULL);
    static char data[100000];
    size_t total = 0;
    mproc_err err = MPROC_OK;
    while (err == MPROC_OK && total < 50000000) {
        struct mproc_plat_transfer transfer = { .stream = input, .data = data, .size = sizeof data };
        err = mproc_plat_stream_transfer(&transfer, 1, mproc_plat_now() + 30000000);
        total += transfer.done;
    }
    CU_ASSERT_EQUAL(err, MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(total > 0);
    CHECK_OK(mproc_plat_process_stop(&process, true));
    mproc_plat_stream_close(input);
    reap_child(&process);
}

static void a_pipeline_is_for_children(void)
{
    mproc_plat_handle reader, writer;
    char text[10] = "";
    CHECK_OK(mproc_plat_pipeline(0, &reader, &writer));
    CU_ASSERT_TRUE(native_write(writer, "through"));
    CU_ASSERT_EQUAL(native_read(reader, text, sizeof text), 7);
    CU_ASSERT_STRING_EQUAL(text, "through");
    mproc_plat_handle_close(reader);
    mproc_plat_handle_close(writer);
}

static void a_terminal_says_what_it_is_or_that_there_is_none(void)
{
    mproc_plat_handle own = 12, childs = 34;
    if (system_is_windows()) {
        CHECK_FAILS(mproc_plat_terminal_open(24, 80, &own, &childs), MPROC_ENOTSUP);
        CU_ASSERT_TRUE(own == 12 && childs == 34);
        return;
    }
    struct mproc_plat_stream *reader, *writer;
    char text[10] = "";
    CHECK_OK(mproc_plat_terminal_open(24, 80, &own, &childs));
    CHECK_OK(mproc_plat_terminal_stream(own, true, &writer));
    CHECK_OK(mproc_plat_terminal_stream(own, false, &reader));
    struct mproc_plat_transfer transfer = { .stream = writer, .data = "a\n", .size = 2 };
    CHECK_OK(mproc_plat_stream_transfer(&transfer, 1, in_seconds(60)));
    CU_ASSERT_TRUE(transfer.done == 2 && transfer.drained);
    CU_ASSERT_EQUAL(native_read(childs, text, sizeof text), 2);
    CU_ASSERT_STRING_EQUAL(text, "a\n");
    mproc_plat_stream_close(writer); /* the end of the file */
    CU_ASSERT_EQUAL(native_read(childs, text, sizeof text), 0);
    mproc_plat_stream_close(reader);
    mproc_plat_handle_close(own);
    mproc_plat_handle_close(childs);
}

static void large_buffers_keep_their_bytes_when_they_grow(void)
{
    size_t unit = MPROC_PLAT_BUFFER_UNIT, size = 2 * unit;
    unsigned char *buffer = mproc_plat_buffer_resize(NULL, 0, size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
    for (size_t i = 0; i < size; i += 1000)
        buffer[i] = (unsigned char) (i / 1000);
    for (size_t larger = size * 2; larger <= 16 * unit; larger *= 2) {
        void *blocker = mproc_plat_buffer_resize(NULL, 0, unit); /* so that it cannot stay */
        buffer = mproc_plat_buffer_resize(buffer, larger / 2, larger);
        CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
        buffer[larger - 1] = 1;
        mproc_plat_buffer_resize(blocker, unit, 0);
    }
    buffer = mproc_plat_buffer_resize(buffer, 16 * unit, size);
    for (size_t i = 0; i < size; i += 1000)
        if (buffer[i] != (unsigned char) (i / 1000))
            CU_FAIL("a byte has changed");
    CU_ASSERT_PTR_NULL(mproc_plat_buffer_resize(buffer, size, 0));
}

static void a_created_file_is_empty(void)
{
    mproc_plat_handle file = 77;
    for (int i = 0; i < 2; i++) {
        char text[10] = "";
        CHECK_OK(mproc_plat_file_create("created \xc3\xbc", &file));
        CU_ASSERT_TRUE(native_write(file, i ? "two" : "and one"));
        mproc_plat_handle_close(file);
        CHECK_OK(mproc_plat_stdio_open(0, "created \xc3\xbc", &file));
        CU_ASSERT_EQUAL(native_read(file, text, sizeof text), i ? 3 : 7);
        mproc_plat_handle_close(file);
    }
    remove_file("created \xc3\xbc");
    file = 77;
    CHECK_FAILS(mproc_plat_file_create("no such folder/file", &file), MPROC_ENOTFOUND);
    CU_ASSERT_EQUAL(file, 77);
}

MPROC_CONTRACT_SUITE(stream, child, MPROC_TEST(a_read_times_out_and_moves_nothing),
                     MPROC_TEST(bytes_arrive_once_and_in_order), MPROC_TEST(a_write_to_nobody_has_ended),
                     MPROC_TEST(four_streams_are_served_by_one_call), MPROC_TEST(only_what_is_ready_moves),
                     MPROC_TEST(each_stream_has_a_handle_of_the_systems),
                     MPROC_TEST(an_exact_watch_is_ready_when_a_program_has_ended),
                     MPROC_TEST(a_full_pipe_takes_no_more), MPROC_TEST(a_pipeline_is_for_children),
                     MPROC_TEST(a_terminal_says_what_it_is_or_that_there_is_none),
                     MPROC_TEST(large_buffers_keep_their_bytes_when_they_grow),
                     MPROC_TEST(a_created_file_is_empty))
