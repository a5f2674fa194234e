/* SPDX-License-Identifier: MIT */
/* The other program that test_subprocess*.c start: what it does is its first argument. Knows nothing of
 * mproc. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef _WIN32
#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
int _dowildcard = 0; /* "*" is an argument like others */
#else
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
extern char **environ;
#endif

static void pause_ms(int milliseconds)
{
#ifdef _WIN32
    Sleep((DWORD) milliseconds);
#else
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        continue;
#endif
}

/* clock() is the time of day on Windows. */
static double cpu_milliseconds(void)
{
#ifdef _WIN32
    FILETIME created, ended, kernel, user;
    GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user);
    return ((double) user.dwLowDateTime + kernel.dwLowDateTime) / 10000;
#else
    return (double) clock() * 1000 / CLOCKS_PER_SEC;
#endif
}

static void print_hex(const char *text)
{
    for (; *text; text++)
        printf("%02x", (unsigned char) *text);
    printf("\n");
}

/* Arguments from argv[2] on, in hexadecimal UTF-8, one a line. */
static int print_arguments(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        print_hex(argv[i]);
    return 0;
}

#ifdef _WIN32
/* Whether the other way of taking a command line apart gives the same. */
static int compare_arguments(int argc, char **argv)
{
    int count;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
    char text[20000];
    if (count != argc)
        return 0;
    for (int i = 0; i < count; i++) {
        WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, text, sizeof text, NULL, NULL);
        if (strcmp(text, argv[i]) != 0)
            return 0;
    }
    return 1;
}
#endif

static void print_variable(const char *name)
{
#ifdef _WIN32
    wchar_t wide_name[200], value[2000];
    char text[6000] = "";
    MultiByteToWideChar(CP_UTF8, 0, name, -1, wide_name, 200);
    if (GetEnvironmentVariableW(wide_name, value, 2000) > 0)
        WideCharToMultiByte(CP_UTF8, 0, value, -1, text, sizeof text, NULL, NULL);
    printf("%s\n", text);
#else
    printf("%s\n", getenv(name) ? getenv(name) : "");
#endif
}

static void print_folder(void)
{
#ifdef _WIN32
    wchar_t wide[2000];
    char text[6000];
    GetCurrentDirectoryW(2000, wide);
    WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, sizeof text, NULL, NULL);
    printf("%s\n", text);
#else
    char text[6000];
    printf("%s\n", getcwd(text, sizeof text));
#endif
}

/* stdin to stdout until its end. */
static int copy(int to_stderr)
{
    static char piece[65536];
    size_t got;
    while ((got = fread(piece, 1, 1, stdin)) > 0) {
        /* What there is more may be waited for by whoever sends it. */
        fwrite(piece, 1, got, to_stderr ? stderr : stdout);
        if (piece[0] == '\n')
            fflush(stdout);
    }
    return 0;
}

static int copy_fast(void)
{
    static char piece[65536];
    for (;;) {
        int got = (int) read(0, piece, sizeof piece);
        if (got <= 0)
            return got < 0;
        for (int done = 0; done < got;) {
            int written = (int) write(1, piece + done, (unsigned) (got - done));
            if (written <= 0)
                return 1;
            done += written;
        }
    }
}

/* `count` bytes to stdout, and to stderr if both: byte i is i * 7 + i / 251. */
static int spew(unsigned long long count, int both)
{
    static char piece[32768];
    for (unsigned long long done = 0; done < count;) {
        unsigned size = count - done < sizeof piece ? (unsigned) (count - done) : (unsigned) sizeof piece;
        for (unsigned i = 0; i < size; i++)
            piece[i] = (char) ((done + i) * 7 + (done + i) / 251);
        for (int stream = 1; stream <= (both ? 2 : 1); stream++)
            for (unsigned at = 0; at < size;) {
                int written = (int) write(stream, piece + at, size - at);
                if (written <= 0)
                    return 1;
                at += (unsigned) written;
            }
        done += size;
    }
    return 0;
}

#ifndef _WIN32
static void on_signal(int number)
{
    (void) number;
}

/* The open descriptors, "0 1 2 ". */
static int print_descriptors(void)
{
    for (int i = 0; i < 4096; i++)
        if (fcntl(i, F_GETFD) >= 0)
            printf("%d ", i);
    printf("\n");
    return 0;
}

static int print_signals(void)
{
    struct sigaction action;
    int numbers[] = { SIGPIPE, SIGXFSZ, SIGUSR1 };
    for (int i = 0; i < 3; i++) {
        sigaction(numbers[i], NULL, &action);
        printf("%s ", action.sa_handler == SIG_IGN ? "ignored" : "default");
    }
    printf("\n");
    return 0;
}

static int print_identity(void)
{
    gid_t groups[100];
    int count = getgroups(100, groups);
    printf("pid %ld session %ld group %ld uid %ld gid %ld groups %d umask %03o\n", (long) getpid(),
           (long) getsid(0), (long) getpgrp(), (long) getuid(), (long) getgid(), count, umask(0));
    return 0;
}

static int print_terminal(void)
{
    struct winsize size = { 0 };
    int terminal = open("/dev/tty", O_RDWR);
    ioctl(0, TIOCGWINSZ, &size);
    printf("tty %d%d%d size %dx%d controlling %s\n", isatty(0), isatty(1), isatty(2), size.ws_row,
           size.ws_col, terminal >= 0 ? "yes" : "no");
    return 0;
}

/* Ignores SIGTERM, says "ready" and stays. */
static int stubborn(void)
{
    signal(SIGTERM, SIG_IGN);
    printf("ready\n");
    fflush(stdout);
    pause_ms(200000);
    return 98;
}

/* Starts a tree: `depth` processes below one another, two at each level; every one prints its pid. */
static int tree(int depth, int orphans)
{
    signal(SIGTERM, depth % 2 ? SIG_IGN : SIG_DFL);
    printf("%ld\n", (long) getpid());
    fflush(stdout);
    for (int i = 0; i < 2 && depth > 0; i++) {
        pid_t pid = fork();
        if (pid == 0)
            return tree(depth - 1, orphans);
    }
    if (orphans && depth == 1)
        return 0; /* its children lose it */
    pause_ms(200000);
    return 98;
}
#else
/* Whether the handle with this number is open here. */
static int print_handle(const char *number)
{
    DWORD flags;
    HANDLE handle = (HANDLE) (intptr_t) strtoll(number, NULL, 10);
    printf("%s\n", GetHandleInformation(handle, &flags) ? "open" : "closed");
    return 0;
}

static int stubborn(void)
{
    printf("ready\n");
    fflush(stdout);
    pause_ms(200000);
    return 98;
}

/* As on Unix, by starting itself. */
static int tree(int depth, int orphans)
{
    printf("%ld\n", (long) GetCurrentProcessId());
    fflush(stdout);
    for (int i = 0; i < 2 && depth > 0; i++) {
        wchar_t path[2000], line[2200];
        STARTUPINFOW startup = { .cb = sizeof startup };
        PROCESS_INFORMATION created;
        GetModuleFileNameW(NULL, path, 2000);
        _snwprintf(line, 2200, L"\"%ls\" tree %d %d", path, depth - 1, orphans);
        CreateProcessW(path, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &created);
    }
    if (orphans && depth == 1)
        return 0;
    pause_ms(200000);
    return 98;
}
#endif

static int is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static int run(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *more = argc > 2 ? argv[2] : "";
#ifdef _WIN32
    for (int stream = 0; stream < 3; stream++)
        _setmode(stream, O_BINARY);
#endif
    if (is(what, "exit"))
        return atoi(more);
#ifdef _WIN32
    if (is(what, "args") && !compare_arguments(argc, argv))
        return 9;
#endif
    if (is(what, "args") || is(what, "crt_args"))
        return print_arguments(argc, argv);
    if (is(what, "argv0"))
        return printf("%s\n", argv[0]) < 0;
    if (is(what, "echo"))
        return printf("%s", more) < 0;
    if (is(what, "both"))
        return fprintf(stderr, "to stderr\n") + printf("to stdout\n") < 0;
    if (is(what, "order")) {
        for (int i = 0; i < 5; i++) {
            fprintf(i % 2 ? stderr : stdout, "%d\n", i);
            fflush(stdout);
            fflush(stderr);
        }
        return 0;
    }
    if (is(what, "env"))
        return print_variable(more), 0;
    if (is(what, "folder"))
        return print_folder(), 0;
    if (is(what, "copy"))
        return copy(is(more, "stderr"));
    if (is(what, "copy_fast"))
        return copy_fast();
    if (is(what, "spew"))
        return spew(strtoull(more, NULL, 10), argc > 3);
    if (is(what, "no_stdin")) {
        close(0);
        printf("closed\n");
        fflush(stdout);
        pause_ms(atoi(more));
        return 0;
    }
    if (is(what, "stay")) {
        printf("partial");
        fflush(stdout);
        pause_ms(200000);
        return 98;
    }
    if (is(what, "sleep"))
        return pause_ms(atoi(more)), 0;
    if (is(what, "stubborn"))
        return stubborn();
    if (is(what, "tree"))
        return tree(atoi(more), argc > 3 && atoi(argv[3]));
    if (is(what, "busy")) {
        size_t size = (size_t) 64 << 20;
        char *memory = malloc(size);
        for (size_t i = 0; i < size; i += 4096)
            ((volatile char *) memory)[i] = 1; /* a memset before a free is optimised away */
        while (cpu_milliseconds() < 200)
            continue;
        free(memory);
        return 0;
    }
#ifdef _WIN32
    if (is(what, "handle"))
        return print_handle(more);
#else
    if (is(what, "raise")) {
        signal(atoi(more), SIG_DFL);
        raise(atoi(more));
        return 0;
    }
    if (is(what, "wait_signal")) {
        sigset_t set;
        int number;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        signal(SIGUSR1, on_signal);
        sigprocmask(SIG_BLOCK, &set, NULL);
        printf("%d\n", SIGUSR1);
        fflush(stdout);
        sigwait(&set, &number);
        return number == SIGUSR1 ? 42 : 1;
    }
    if (is(what, "descriptors"))
        return print_descriptors();
    if (is(what, "signals"))
        return print_signals();
    if (is(what, "identity"))
        return print_identity();
    if (is(what, "terminal"))
        return print_terminal();
#endif
    fprintf(stderr, "helper: what is '%s'?\n", what);
    return 99;
}

#ifdef _WIN32
int wmain(int argc, wchar_t **wide);
int wmain(int argc, wchar_t **wide)
{
    char **argv = calloc((size_t) argc + 1, sizeof *argv);
    for (int i = 0; i < argc; i++) {
        int size = WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, NULL, 0, NULL, NULL);
        argv[i] = malloc((size_t) size);
        WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, argv[i], size, NULL, NULL);
    }
    return run(argc, argv);
}
#else
int main(int argc, char **argv)
{
    return run(argc, argv);
}
#endif
