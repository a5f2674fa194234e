/* SPDX-License-Identifier: MIT */
/* Unix. */
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int count_names(const char *folder)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return 0;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strstr(entry->d_name, "mproc-") != NULL;
    closedir(directory);
    return count;
}

static int ascending(const void *a, const void *b)
{
    return *(const int *) a - *(const int *) b;
}

int list_descriptors(int *numbers, int capacity)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        directory = opendir("/dev/fd");
    if (!directory)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory) && count < capacity)
            numbers[count++] = atoi(entry->d_name);
    closedir(directory);
    qsort(numbers, (size_t) count, sizeof *numbers, ascending);
    return count;
}

static int count_children(void)
{
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int) getpid());
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    int count = 0;
    for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n"))
        count++;
    return count;
}

/* State and process group of a process, from /proc. */
static bool read_state(const char *name, char *state, int *group)
{
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", name);
    FILE *file = fopen(path, "r");
    size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[got] = '\0';
    const char *end = strrchr(text, ')');
    return end && sscanf(end + 1, " %c %*d %d", state, group) == 2;
}

static int count_family(void)
{
    DIR *directory = opendir("/proc");
    char state;
    int group, count = 0;
    if (!directory || !read_state("self", &state, &group)) {
        if (directory)
            closedir(directory);
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && atoi(entry->d_name) != getpid() &&
            read_state(entry->d_name, &state, &group) && group == getpgrp() && state != 'Z')
            count++;
    closedir(directory);
    return count;
}

void system_prepare(void)
{
    setpgid(0, 0);
}

void leftovers_count(struct leftovers *leftovers)
{
    int numbers[4096];
    leftovers->descriptors = list_descriptors(numbers, 4096);
    leftovers->children = count_children();
    leftovers->family = count_family();
    leftovers->names = count_names("/dev/shm");
}

bool leftovers_same(const struct leftovers *before, const struct leftovers *after, char *text, size_t size)
{
    snprintf(text, size, "descriptors %d -> %d, children %d -> %d, family %d -> %d, names %d -> %d",
             before->descriptors, after->descriptors, before->children, after->children, before->family,
             after->family, before->names, after->names);
    return before->descriptors == after->descriptors && before->children == after->children &&
           before->family == after->family && before->names == after->names;
}

static void bark(int signal_number)
{
    (void) signal_number;
    static const char text[] = "\nwatchdog: the test takes too long\n";
    if (write(2, text, sizeof text - 1) < 0)
        _exit(98);
    abort();
}

void watchdog_start(unsigned seconds)
{
    signal(SIGALRM, bark);
    alarm(seconds);
}

bool system_is_windows(void)
{
    return false;
}

/* qemu-user hides itself behind /proc/self/exe, but not by this detour. */
bool system_is_emulated(void)
{
    char path[1000];
    ssize_t length = readlink("/proc/./self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    const char *name = strrchr(path, '/');
    return name && strncmp(name, "/qemu-", 6) == 0;
}

uint64_t system_free_memory(void)
{
#ifdef _SC_AVPHYS_PAGES
    long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t) pages * (uint64_t) page : 0;
#else
    return 0;
#endif
}

bool system_is_wine(void)
{
    return false;
}

void kill_hard(int64_t pid)
{
    kill((pid_t) pid, SIGKILL);
}

bool pid_runs(int64_t pid)
{
    char path[64], text[512], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return access("/proc/self/stat", F_OK) != 0 && kill((pid_t) pid, 0) == 0;
    size_t got = fread(text, 1, sizeof text - 1, file);
    text[got] = '\0';
    fclose(file);
    char *end = strrchr(text, ')');
    if (end)
        state = end[2];
    return state != 'Z' && state != 'X' && got > 0;
}

int run_program(const char *path, const char *argument, char *output, size_t size)
{
    int ends[2], status;
    if (pipe(ends) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execl(path, path, argument, (char *) NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t used = 0;
    for (;;) {
        char spill[512];
        bool full = used + 1 >= size;
        ssize_t got = read(ends[0], full ? spill : output + used, full ? sizeof spill : size - used - 1);
        if (got <= 0)
            break;
        if (!full)
            used += (size_t) got;
    }
    if (size)
        output[used] = '\0';
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void end_hard(const char *how)
{
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "crash") == 0)
        raise(SIGSEGV);
    _exit(7);
}

void ignore_terminate(void)
{
    signal(SIGTERM, SIG_IGN);
}

void ignore_children(bool ignore)
{
    signal(SIGCHLD, ignore ? SIG_IGN : SIG_DFL);
}

bool steal_status(int64_t pid)
{
    return waitpid((pid_t) pid, NULL, 0) == (pid_t) pid;
}

bool suspend(int64_t pid)
{
    return kill((pid_t) pid, SIGSTOP) == 0;
}

bool copy_a_file(const char *from, const char *to)
{
    int source = open(from, O_RDONLY), target = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    char buffer[65536];
    ssize_t got = -1;
    while (source >= 0 && target >= 0 && (got = read(source, buffer, sizeof buffer)) > 0)
        if (write(target, buffer, (size_t) got) != got)
            break;
    close(source);
    close(target);
    return got == 0;
}

bool create_folder(const char *path)
{
    return mkdir(path, 0755) == 0 || access(path, W_OK) == 0;
}

void remove_file(const char *path)
{
    unlink(path);
}

void ignore_pipe_signal(bool ignore)
{
    signal(SIGPIPE, ignore ? SIG_IGN : SIG_DFL);
}

void remove_folder(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        char name[1024];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(name);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

/* ---- processes ---- */

int exit_code_of(int code)
{
    return code & 0xff;
}

int exit_code_after(const char *how)
{
    if (strcmp(how, "abort") == 0)
        return -SIGABRT;
    return strcmp(how, "crash") == 0 ? -SIGSEGV : 7;
}

int64_t system_parent_pid(void)
{
    return getppid();
}

bool become_nobody(void)
{
    return geteuid() == 0 && setgid(65534) == 0 && setuid(65534) == 0;
}

bool set_own_limit(const char *what, uint64_t value)
{
    int resource = strcmp(what, "descriptors") == 0 ? RLIMIT_NOFILE : RLIMIT_AS;
#ifdef RLIMIT_NPROC
    if (strcmp(what, "processes") == 0)
        resource = RLIMIT_NPROC;
#endif
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return false;
    limit.rlim_cur = (rlim_t) value < limit.rlim_max ? (rlim_t) value : limit.rlim_max;
    return setrlimit(resource, &limit) == 0;
}

int64_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == RLIM_INFINITY ? -1 : (int64_t) limit.rlim_cur;
}

/* ---- files and descriptors ---- */

bool make_temporary_folder(const char *name, char *path, size_t size)
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, size, "%s/tested %s XXXXXX", parent ? parent : "/tmp", name);
    return mkdtemp(path) != NULL;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

intptr_t native_open(const char *path, bool for_writing)
{
    return open(path, for_writing ? O_WRONLY | O_CREAT | O_APPEND : O_RDONLY, 0666);
}

bool native_write(intptr_t native, const char *text)
{
    return write((int) native, text, strlen(text)) == (ssize_t) strlen(text);
}

int native_read(intptr_t native, char *text, size_t size)
{
    ssize_t got = read((int) native, text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    return (int) got;
}

void native_close(intptr_t native)
{
    close((int) native);
}

bool native_ready(intptr_t native, int milliseconds)
{
    struct pollfd entry = { .fd = (int) native, .events = POLLIN };
    return poll(&entry, 1, milliseconds) == 1;
}

void lock_stream(FILE *stream)
{
    flockfile(stream);
}

void unlock_stream(FILE *stream)
{
    funlockfile(stream);
}

intptr_t native_stream(int stream)
{
    return stream;
}

bool become_group(void)
{
    return setpgid(0, 0) == 0;
}

void interrupt_group(void)
{
    kill(0, SIGINT);
}
