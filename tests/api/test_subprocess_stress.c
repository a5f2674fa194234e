/* SPDX-License-Identifier: MIT */
/* Much data, many programs, many threads. */
#include "suite.h"
#include "system.h"

#include "platform.h"

enum { LONG = 100000, PIECE = 1 << 18, MANY = 200, THREADS = 4 };

#ifdef MPROC_SANITIZED
enum { IN_A_ROW = 200 };
static const uint64_t much = UINT64_C(128) << 20;
#else
enum { IN_A_ROW = 1000 };
static const uint64_t much = UINT64_C(1) << 30;
#endif

#define HELPER PROGRAM("helper")
#define HELP(...) MPROC_ARGV(HELPER, __VA_ARGS__)

static const mproc_popen_options piped = { .standard_input = { .kind = MPROC_STREAM_PIPE },
                                           .standard_output = { .kind = MPROC_STREAM_PIPE } };

/* ---- much data ---- */

/* The pieces differ from each other and are made again by whoever checks them. */
static void make_piece(uint64_t *piece, uint64_t number)
{
    for (size_t i = 0; i < PIECE / sizeof *piece; i++)
        piece[i] = (number * (PIECE / sizeof *piece) + i) * UINT64_C(0x9E3779B97F4A7C15);
}

static uint64_t checksum(uint64_t sum, const unsigned char *data, size_t size)
{
    /* Of single bytes, since reads may end anywhere. */
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ data[i]) * UINT64_C(1099511628211);
    return sum;
}

struct flow {
    mproc_popen *child;
    uint64_t sum;
};

static void feed(void *context)
{
    struct flow *flow = context;
    uint64_t *piece = malloc(PIECE);
    for (uint64_t i = 0; i < much / PIECE; i++) {
        make_piece(piece, i);
        flow->sum = checksum(flow->sum, (const unsigned char *) piece, PIECE);
        MPROC_MUST(mproc_popen_write(flow->child, piece, PIECE, NULL, LONG));
    }
    MPROC_MUST(mproc_popen_close_stream(flow->child, MPROC_STDIN));
    free(piece);
}

static void a_gibibyte_streams_through_stdin_and_stdout_at_once(void)
{
    struct flow flow = { .sum = 7 };
    CHECK_OK(mproc_popen_start(&flow.child, HELP("copy_fast"), &piped));
    struct test_thread *feeder = thread_start(feed, &flow);
    unsigned char *buffer = malloc(PIECE);
    uint64_t sum = 7, total = 0;
    size_t size = 1;
    while (size > 0) {
        size = 0;
        CHECK_OK(mproc_popen_read(flow.child, MPROC_STDOUT, buffer, PIECE, &size, LONG));
        sum = checksum(sum, buffer, size);
        total += size;
    }
    thread_join(feeder);
    if (total != much)
        printf("\n  %llu bytes of %llu\n", (unsigned long long) total, (unsigned long long) much);
    CU_ASSERT_EQUAL(total, much);
    CU_ASSERT_EQUAL(sum, flow.sum);
    CHECK_OK(mproc_popen_close(flow.child));
    free(buffer);
}

static void communicate_carries_much_both_ways(void)
{
    size_t size = 50 << 20;
    char *input = malloc(size);
    for (size_t i = 0; i < size / PIECE; i++)
        make_piece((uint64_t *) (void *) (input + i * PIECE), i);
    mproc_run_options options = { .input = input, .input_size = size, .capture_output = true };
    mproc_completed completed;
    CHECK_OK(mproc_run(&completed, HELP("copy_fast"), &options, LONG));
    CU_ASSERT_EQUAL(completed.output_size, size);
    CU_ASSERT_TRUE(completed.output_size == size && memcmp(completed.output, input, size) == 0);
    CU_ASSERT_EQUAL(completed.output[completed.output_size], '\0');
    mproc_completed_free(&completed);
    free(input);
}

/* All sizes around those where buffers grow. */
static void output_of_any_size_is_whole(void)
{
    static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 4194303, 4194304, 4194305, 9000000 };
    mproc_completed completed;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char count[20];
        snprintf(count, sizeof count, "%zu", sizes[i]);
        CHECK_OK(mproc_check_output(&completed, HELP("spew", count), NULL, LONG));
        CU_ASSERT_EQUAL(completed.output_size, sizes[i]);
        bool same = true;
        for (size_t at = 0; at < completed.output_size; at++)
            same = same && completed.output[at] == (char) (at * 7 + at / 251);
        CU_ASSERT_TRUE(same);
        CU_ASSERT_EQUAL(completed.output[completed.output_size], '\0');
        mproc_completed_free(&completed);
    }
}

/* ---- many programs ---- */

static void a_thousand_children_in_a_row_leave_nothing(void)
{
    mproc_run_options options = { .capture_output = true, .input = "x", .input_size = 1 };
    for (int i = 0; i < IN_A_ROW; i++) {
        if (i % 100 == 0)
            watchdog_start(110); /* under Wine, beside other tests, all of them take longer than a test may */
        mproc_completed completed;
        options.start.set_umask = i % 3 == 0 && !system_is_windows();
        CHECK_OK(mproc_run(&completed, HELP("copy"), &options, LONG));
        CU_ASSERT_TRUE(completed.output_size == 1 && completed.output[0] == 'x');
        mproc_completed_free(&completed);
    }
}

static void two_hundred_children_at_once_get_their_own_input(void)
{
    mproc_popen *children[MANY];
    char text[30];
    raise_descriptor_limit();
    for (int i = 0; i < MANY; i++)
        CHECK_OK(mproc_popen_start(&children[i], HELP("copy_fast"), &piped));
    for (int i = MANY - 1; i >= 0; i--) {
        mproc_completed completed;
        snprintf(text, sizeof text, "for child %d", i);
        CHECK_OK(mproc_popen_communicate(children[i], text, strlen(text), &completed, LONG));
        CU_ASSERT_STRING_EQUAL(completed.output, text);
        CU_ASSERT_EQUAL(completed.returncode, 0);
        mproc_completed_free(&completed);
        CHECK_OK(mproc_popen_close(children[i]));
    }
}

static void two_hundred_children_are_killed_at_once(void)
{
    mproc_popen *children[MANY];
    for (int i = 0; i < MANY; i++)
        CHECK_OK(mproc_popen_start(&children[i], HELP("sleep", "200000"), &piped));
    for (int i = 0; i < MANY; i++)
        CHECK_OK(mproc_popen_kill(children[i]));
    for (int i = 0; i < MANY; i++)
        CHECK_OK(mproc_popen_close(children[i]));
}

/* Each thread's children must see the end of their input, whatever others start at that moment: a child that
 * inherits the pipe of another's would keep it from ending. */
static void run_often(void *context)
{
    int number = *(int *) context;
    for (int i = 0; i < 40; i++) {
        char text[40];
        snprintf(text, sizeof text, "thread %d, program %d", number, i);
        mproc_run_options options = { .input = text, .input_size = strlen(text), .capture_output = true };
        options.start.set_umask = i % 2 == 0 && !system_is_windows();
        mproc_completed completed;
        MPROC_MUST(mproc_run(&completed, HELP("copy"), &options, LONG));
        if (strcmp(completed.output, text) != 0)
            abort();
        mproc_completed_free(&completed);
    }
}

static void threads_run_programs_side_by_side(void)
{
    struct test_thread *threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        threads[i] = thread_start(run_often, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
}

static void kill_and_wait_race_without_harm(void)
{
    for (int i = 0; i < 100; i++) {
        mproc_popen *child = NULL;
        CHECK_OK(mproc_popen_start(&child, HELP("sleep", i % 2 ? "0" : "1"), &piped));
        for (int j = 0; j < i % 7; j++)
            sleep_briefly();
        CHECK_OK(mproc_popen_kill(child));
        CHECK_OK(mproc_popen_wait(child, LONG));
        int returncode = -1000;
        CHECK_OK(mproc_popen_returncode(child, &returncode));
        CU_ASSERT_TRUE(returncode == 0 || returncode == -9 || returncode == -15);
        CHECK_OK(mproc_popen_close(child));
    }
}

MPROC_SUITE(subprocess_stress, MPROC_TEST(a_gibibyte_streams_through_stdin_and_stdout_at_once),
            MPROC_TEST(communicate_carries_much_both_ways), MPROC_TEST(output_of_any_size_is_whole),
            MPROC_TEST(a_thousand_children_in_a_row_leave_nothing),
            MPROC_TEST(two_hundred_children_at_once_get_their_own_input),
            MPROC_TEST(two_hundred_children_are_killed_at_once),
            MPROC_TEST(threads_run_programs_side_by_side), MPROC_TEST(kill_and_wait_race_without_harm))
