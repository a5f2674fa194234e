/* SPDX-License-Identifier: MIT */
/* Start and join of a process that does nothing, beside the bare system calls, as ratios.
 *
 *   bench_process [ROUNDS]                prints a table; every round runs all cases in turn
 *   taskset -c 0 bench_process [ROUNDS]   the same without wake-ups across CPUs
 *
 * Many short rounds: the scheduler keeps two processes that wake each other on one CPU or on two for
 * hundreds of starts at a time, which a few long rounds would give to one of the cases only.
 *
 * Linux only: the peers are fork, posix_spawn and a fork server written against the kernel. */
#include <mproc.h>

#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MAX_ROUNDS = 999, DEFAULT_ROUNDS = 61 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void reap(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        abort();
}

/* ---- the peers ---- */

static void bare_fork(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    reap(pid);
}

static void bare_spawn(void)
{
    pid_t pid;
    char *argv[] = { "bench_process", "--exit", NULL };
    if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) != 0)
        abort();
    reap(pid);
}

static int server_socket;

static void serve(int control_socket)
{
    for (;;) {
        char byte, control[CMSG_SPACE(sizeof(int))];
        struct iovec data = { &byte, 1 };
        struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
                                  .msg_controllen = sizeof control };
        if (recvmsg(control_socket, &message, 0) <= 0)
            _exit(0);
        int received, status;
        memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        close(received);
        waitpid(pid, &status, 0);
        int answer[2] = { pid, status };
        if (write(control_socket, answer, sizeof answer) < 0)
            _exit(1);
    }
}

static void start_server(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        serve(pair[1]);
    }
    close(pair[1]);
    server_socket = pair[0];
}

static void bare_server(void)
{
    char byte = 1, control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec data = { &byte, 1 };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
                              .msg_controllen = sizeof control };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int passed = 2, answer[2];
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
    if (sendmsg(server_socket, &message, 0) < 0 || read(server_socket, answer, sizeof answer) <= 0)
        abort();
}

/* ---- ours ---- */

static int nothing(void *argument)
{
    (void) argument;
    return 0;
}

static void ours(mproc_start_method method)
{
    mproc_process_options options = { .start_method = method };
    mproc_process *process;
    MPROC_MUST(mproc_process_start(&process, nothing, NULL, 0, &options));
    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(process));
}

static void our_fork(void)
{
    ours(MPROC_START_FORK);
}

static void our_spawn(void)
{
    ours(MPROC_START_SPAWN);
}

static void our_server(void)
{
    ours(MPROC_START_FORKSERVER);
}

/* ---- measuring ---- */

struct candidate {
    const char *name;
    void (*once)(void);
    int count;
    double rounds[MAX_ROUNDS];
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(struct candidate *candidate, int rounds)
{
    double sorted[MAX_ROUNDS];
    memcpy(sorted, candidate->rounds, sizeof sorted);
    qsort(sorted, (size_t) rounds, sizeof *sorted, ascending);
    return sorted[rounds / 2];
}

static void measure(struct candidate *candidates, size_t count, int rounds)
{
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++) {
            struct candidate *candidate = &candidates[i];
            for (int warm = 0; warm < candidate->count / 10 + 1; warm++)
                candidate->once();
            double start = now();
            for (int n = 0; n < candidate->count; n++)
                candidate->once();
            candidate->rounds[round] = (now() - start) / candidate->count * 1e6;
        }
}

/* The median of the rounds' ratios, since the machine's speed drifts. */
static double ratio(struct candidate *ours_, struct candidate *peer, int rounds)
{
    struct candidate ratios = { 0 };
    for (int round = 0; round < rounds; round++)
        ratios.rounds[round] = ours_->rounds[round] / peer->rounds[round];
    return median(&ratios, rounds);
}

static void row(const char *what, double value, double goal)
{
    printf("%-58s %6.2f  (goal <= %.2f)%s\n", what, value, goal, value <= goal ? "" : "  MISSED");
}

static void table(int rounds)
{
    struct candidate all[] = {
        { .name = "bare fork + waitpid", .once = bare_fork, .count = 40 },
        { .name = "mproc fork", .once = our_fork, .count = 40 },
        { .name = "posix_spawn of the same executable", .once = bare_spawn, .count = 10 },
        { .name = "mproc spawn", .once = our_spawn, .count = 10 },
        { .name = "bare fork server", .once = bare_server, .count = 40 },
        { .name = "mproc forkserver", .once = our_server, .count = 40 },
    };
    size_t count = sizeof all / sizeof all[0];
    measure(all, count, rounds);
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    printf("start + join, median of %d rounds, on %d CPUs\n", rounds, CPU_COUNT(&cpus));
    for (size_t i = 0; i < count; i++)
        printf("  %-40s %8.1f us\n", all[i].name, median(&all[i], rounds));
    row("fork / bare fork", ratio(&all[1], &all[0], rounds), 1.25);
    row("spawn / posix_spawn", ratio(&all[3], &all[2], rounds), 1.15);
    row("forkserver / bare fork server", ratio(&all[5], &all[4], rounds), 1.30);
    row("forkserver / spawn", ratio(&all[5], &all[3], rounds), 0.35);
}

static void with_memory(int rounds)
{
    struct candidate before[] = { { .once = our_fork, .count = 40 },
                                  { .once = our_server, .count = 40 } };
    struct candidate after[] = { { .once = our_fork, .count = 40 },
                                 { .once = our_server, .count = 40 } };
    mproc_memory block;
    size_t size = (size_t) 1 << 30;
    measure(&before[0], 1, rounds);
    MPROC_MUST(mproc_alloc(&block, size));
    memset(mproc_pointer(block), 1, size);
    measure(&after[0], 1, rounds);
    MPROC_MUST(mproc_free(block));
    row("fork with 1 GiB of arena in use / without", median(&after[0], rounds) / median(&before[0], rounds), 1.10);

    measure(&before[1], 1, rounds);
    char *private = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(private, 1, size);
    measure(&after[1], 1, rounds);
    munmap(private, size);
    row("forkserver, parent with 1 GiB touched / small parent", median(&after[1], rounds) / median(&before[1], rounds),
        1.10);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--exit") == 0)
        return 0;
    mproc_init();
    int rounds = argc > 1 ? atoi(argv[1]) : DEFAULT_ROUNDS;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        rounds = DEFAULT_ROUNDS;
    start_server();

    table(rounds);
    with_memory(rounds);
    return 0;
}
