/* SPDX-License-Identifier: MIT */
/* Running other programs and capturing what they write, beside posix_spawn(), libuv and popen(), as ratios.
 *
 *   bench_subprocess [ROUNDS]     prints a table; every round runs all cases in turn
 *
 * Python's figures: python3 tests/bench/python_subprocess.py build/gcc/bench/bench_subprocess. Linux only. */
#include <mproc.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef WITH_LIBUV
#include <uv.h>
#endif

extern char **environ;

enum { MAX_ROUNDS = 999, MAX_CASES = 12, TOTAL = 100000000 };

static char self[4096];
static char *captured; /* TOTAL bytes, touched: the peers read into memory that is there already */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void must(int condition)
{
    if (!condition)
        abort();
}

/* The child whose output is captured. */
static int spew(void)
{
    static char piece[65536];
    memset(piece, 'x', sizeof piece);
    for (size_t left = TOTAL; left > 0;) {
        ssize_t written = write(1, piece, left < sizeof piece ? left : sizeof piece);
        if (written <= 0)
            return 1;
        left -= (size_t) written;
    }
    return 0;
}

/* ---- the peers ---- */

static pid_t spawn(char **argv, int output)
{
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1);
    must(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void reap(pid_t pid)
{
    int status;
    must(waitpid(pid, &status, 0) == pid && status == 0);
}

static char *true_argv[] = { (char *) "/bin/true", NULL };
static char *spew_argv[] = { self, (char *) "--spew", NULL };

static void true_spawn(void)
{
    reap(spawn(true_argv, -1));
}

static void true_popen(void)
{
    must(pclose(popen("/bin/true", "r")) == 0);
}

static void capture_spawn(void)
{
    int ends[2];
    must(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
    pid_t pid = spawn(spew_argv, ends[1]);
    close(ends[1]);
    size_t got = 0;
    ssize_t n;
    while ((n = read(ends[0], captured + got, TOTAL + 1 - got < 1 << 20 ? TOTAL + 1 - got : 1 << 20)) > 0)
        got += (size_t) n;
    close(ends[0]);
    reap(pid);
    must(got == TOTAL);
}

/* The same for whoever does not know the size beforehand. */
static void capture_spawn_growing(void)
{
    int ends[2];
    must(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
    pid_t pid = spawn(spew_argv, ends[1]);
    close(ends[1]);
    size_t got = 0, capacity = 1 << 20;
    char *data = malloc(capacity);
    ssize_t n;
    while ((n = read(ends[0], data + got, capacity - got)) > 0) {
        got += (size_t) n;
        if (got == capacity)
            data = realloc(data, capacity *= 2);
    }
    close(ends[0]);
    reap(pid);
    must(got == TOTAL);
    free(data);
}

#ifdef WITH_LIBUV
static size_t uv_got;

static void uv_ended(uv_process_t *process, int64_t status, int signal)
{
    must(status == 0 && signal == 0);
    uv_close((uv_handle_t *) process, NULL);
}

static void uv_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void) handle;
    size_t left = TOTAL + 1 - uv_got;
    *buffer = uv_buf_init(captured + uv_got, (unsigned) (left < suggested ? left : suggested));
}

static void uv_data(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    (void) buffer;
    if (count < 0)
        uv_close((uv_handle_t *) stream, NULL);
    else
        uv_got += (size_t) count;
}

static void run_uv(char **argv, int capture)
{
    uv_loop_t loop;
    uv_process_t process;
    uv_pipe_t pipe;
    uv_loop_init(&loop);
    uv_pipe_init(&loop, &pipe, 0);
    uv_stdio_container_t stdio[2] = { { .flags = UV_IGNORE },
                                      { .flags = capture ? UV_CREATE_PIPE | UV_WRITABLE_PIPE : UV_IGNORE } };
    stdio[1].data.stream = (uv_stream_t *) &pipe;
    uv_process_options_t options = { .file = argv[0], .args = argv, .exit_cb = uv_ended, .stdio = stdio,
                                     .stdio_count = 2 };
    must(uv_spawn(&loop, &process, &options) == 0);
    uv_got = 0;
    if (capture)
        uv_read_start((uv_stream_t *) &pipe, uv_buffer, uv_data);
    else
        uv_close((uv_handle_t *) &pipe, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    must(!capture || uv_got == TOTAL);
}

static void true_uv(void)
{
    run_uv(true_argv, 0);
}

static void capture_uv(void)
{
    run_uv(spew_argv, 1);
}
#endif

/* ---- mproc ---- */

static void true_mproc(void)
{
    mproc_run_options options = { .check = true };
    MPROC_MUST(mproc_run(NULL, MPROC_ARGV("/bin/true"), &options, MPROC_FOREVER));
}

static void capture_mproc(void)
{
    mproc_completed completed;
    MPROC_MUST(mproc_check_output(&completed, MPROC_ARGV(self, "--spew"), NULL, MPROC_FOREVER));
    must(completed.output_size == TOTAL);
    mproc_completed_free(&completed);
}

/* ---- measuring ---- */

struct measured {
    const char *name;
    void (*once)(void);
    int count;
    double times[MAX_ROUNDS];
};

static int by_time(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

static double median(const struct measured *one, int rounds)
{
    double sorted[MAX_ROUNDS];
    memcpy(sorted, one->times, sizeof sorted);
    qsort(sorted, (size_t) rounds, sizeof *sorted, by_time);
    return sorted[rounds / 2];
}

static double best(const struct measured *one, int rounds)
{
    double least = one->times[0];
    for (int i = 1; i < rounds; i++)
        least = one->times[i] < least ? one->times[i] : least;
    return least;
}

/* Of the ratios of each round: the machine may be slower in one round than in another. */
static double ratio(const struct measured *one, const struct measured *other, int rounds)
{
    struct measured ratios = { .name = "" };
    for (int i = 0; i < rounds; i++)
        ratios.times[i] = one->times[i] / other->times[i];
    return median(&ratios, rounds);
}

static void measure(struct measured *cases, size_t count, int rounds)
{
    for (int round = -1; round < rounds; round++)
        for (size_t i = 0; i < count; i++) {
            /* Uncounted: the case before may leave work behind, such as pages that a fork has made shared. */
            if (cases[i].count > 1)
                cases[i].once();
            double start = now();
            for (int j = 0; j < cases[i].count; j++)
                cases[i].once();
            if (round >= 0)
                cases[i].times[round] = (now() - start) / cases[i].count;
        }
    for (size_t i = 0; i < count; i++)
        printf("%-52s %9.1f us, best %9.1f   mproc / this %5.2f, best %5.2f\n", cases[i].name,
               median(&cases[i], rounds) * 1e6, best(&cases[i], rounds) * 1e6,
               ratio(&cases[0], &cases[i], rounds), best(&cases[0], rounds) / best(&cases[i], rounds));
    printf("\n");
}

static struct measured running[] = {
    { "run /bin/true: mproc_run", true_mproc, 8, { 0 } },
    { "run /bin/true: posix_spawn + waitpid", true_spawn, 8, { 0 } },
    { "run /bin/true: popen", true_popen, 8, { 0 } },
#ifdef WITH_LIBUV
    { "run /bin/true: libuv", true_uv, 8, { 0 } },
#endif
};

static struct measured capturing[] = {
    { "capture 100 MB: mproc_check_output", capture_mproc, 1, { 0 } },
    { "capture 100 MB: posix_spawn + pipe of 1 MiB", capture_spawn, 1, { 0 } },
    { "capture 100 MB: the same, into a growing buffer", capture_spawn_growing, 1, { 0 } },
#ifdef WITH_LIBUV
    { "capture 100 MB: libuv", capture_uv, 1, { 0 } },
#endif
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--spew") == 0)
        return spew();
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    must(length > 0);
    int rounds = argc > 1 ? atoi(argv[1]) : 9;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        rounds = 9;
    measure(running, COUNT(running), rounds * 10 < MAX_ROUNDS ? rounds * 10 : MAX_ROUNDS);
    size_t size = (size_t) 1 << 30;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED);
    memset(memory, 1, size);
    printf("with 1 GiB touched in the parent:\n");
    measure(running, COUNT(running), rounds * 2 < MAX_ROUNDS ? rounds * 2 : MAX_ROUNDS);
    munmap(memory, size);
    captured = malloc(TOTAL + 1);
    must(captured != NULL);
    memset(captured, 0, TOTAL + 1);
    measure(capturing, COUNT(capturing), rounds);
    free(captured);
    return 0;
}
