/* SPDX-License-Identifier: MIT */
/* Unix. */
#include "system.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#endif

static int count_files(const char *folder, bool (*counts)(const char *name))
{
    DIR *directory = opendir(folder);
    if (!directory)
        return 0;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.' && counts(entry->d_name);
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
    if (count > 0)
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

/* A segment that Linux lets mproc mark (posix/named_mark_linux.c) is not counted while its creator lives, and is no
 * descendant of this process: other suites run beside this one. */
static bool may_be_ours(const char *name)
{
    if (strstr(name, "mproc-"))
        return true;
#ifdef __linux__
    char path[300], text[100], pid[30], state;
    int group;
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    ssize_t size = strncmp(name, "psm_", 4) == 0 ? getxattr(path, "user.mproc.creator", text, sizeof text - 1) : -1;
    if (size <= 0)
        return false;
    text[size] = '\0';
    return sscanf(text, "%29s", pid) == 1 && (!read_state(pid, &state, &group) || group == getpgrp());
#else
    return false;
#endif
}

/* The thread sanitizer makes a file and removes it at once, unless it is killed in between. */
static bool is_no_sanitizers(const char *name)
{
    return strncmp(name, "tsan.", 5) != 0;
}

static char temporary_folder[100];

void system_prepare(void)
{
    setpgid(0, 0);
    snprintf(temporary_folder, sizeof temporary_folder, "/tmp/tested.XXXXXX");
    if (!mkdtemp(temporary_folder) || chmod(temporary_folder, 01777) != 0 || setenv("TMPDIR", temporary_folder, 1) != 0)
        abort();
}

void system_finish(void)
{
    rmdir(temporary_folder);
}

void leftovers_count(struct leftovers *leftovers)
{
    int numbers[4096];
    leftovers->descriptors = list_descriptors(numbers, 4096);
    leftovers->children = count_children();
    leftovers->family = count_family();
    leftovers->names = count_files("/dev/shm", may_be_ours);
    leftovers->files = count_files(temporary_folder, is_no_sanitizers);
}

bool leftovers_same(const struct leftovers *before, const struct leftovers *after, char *text, size_t size)
{
    snprintf(text, size, "descriptors %d -> %d, children %d -> %d, family %d -> %d, names %d -> %d, files %d -> %d",
             before->descriptors, after->descriptors, before->children, after->children, before->family,
             after->family, before->names, after->names, before->files, after->files);
    return before->descriptors == after->descriptors && before->children == after->children &&
           before->family == after->family && before->names >= after->names && before->files == after->files;
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

/* The state of a process or thread by a stat file of /proc: 'S' sleeps, 'Z' is a zombie; 0: there is none. A first
 * thread that has ended before others is 'R': its process runs. */
static char state_of(const char *path)
{
    char text[512], state = 0;
    int threads = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *end = strrchr(text, ')');
    if (end)
        sscanf(end + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %d", &state, &threads);
    return state == 'Z' && threads > 1 ? 'R' : state;
}

bool pid_runs(int64_t pid)
{
    char path[64];
    if (access("/proc/self/stat", F_OK) != 0)
        return kill((pid_t) pid, 0) == 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    char state = state_of(path);
    return state != 0 && state != 'Z' && state != 'X';
}

static bool all_others_sleep(int64_t pid)
{
    char path[300], own[100];
    ssize_t length = readlink("/proc/thread-self", own, sizeof own - 1); /* PID/task/THREAD */
    own[length > 0 ? length : 0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/task", (int) pid);
    DIR *folder = opendir(path);
    bool asleep = true;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(path, sizeof path, "%d/task/%s", (int) pid, entry->d_name);
        if (entry->d_name[0] == '.' || strcmp(path, own) == 0)
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int) pid, entry->d_name);
        char state = state_of(path);
        asleep = asleep && (state == 'S' || state == 0);
    }
    if (folder)
        closedir(folder);
    return asleep;
}

void wait_until_asleep(int64_t pid)
{
    if (access("/proc/thread-self", F_OK) != 0)
        usleep(50000);
    for (int i = 0; i < 60000 && !all_others_sleep(pid); i++)
        usleep(1000);
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

size_t list_deadly_signals(int *numbers, size_t capacity)
{
    static const int known[] = { SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV,
                                 SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS };
    size_t count = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0] && count < capacity; i++)
        numbers[count++] = known[i];
#ifdef SIGRTMIN
    if (count + 2 <= capacity) {
        numbers[count++] = SIGRTMIN;
        if (!system_is_emulated()) /* the emulator keeps the last ones for itself */
            numbers[count++] = SIGRTMAX;
    }
#endif
    return count;
}

void end_by_signal(int number)
{
    sigset_t all;
    sigfillset(&all);
    signal(number, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    raise(number);
}

void describe_signals(char text[SIGNALS_SIZE])
{
    sigset_t blocked;
    int number = 1;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (; number < SIGNALS_SIZE - 1 && number < NSIG; number++) {
        struct sigaction action;
        char letter = '?'; /* the C library keeps some to itself */
        if (sigaction(number, NULL, &action) == 0)
            letter = action.sa_handler == SIG_DFL ? 'd' : action.sa_handler == SIG_IGN ? 'i' : 'h';
        text[number - 1] = (char) (sigismember(&blocked, number) == 1 ? toupper(letter) : letter);
    }
    text[number - 1] = '\0';
}

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
    (void) number;
    caught++;
}

void change_signals(bool change)
{
    static struct sigaction child, first;
    static sigset_t mask;
    if (change) {
        struct sigaction action = { .sa_handler = catch_signal };
        sigset_t second;
        sigemptyset(&second);
        sigaddset(&second, SIGUSR2);
        sigaction(SIGCHLD, &action, &child);
        action.sa_handler = SIG_IGN;
        sigaction(SIGUSR1, &action, &first);
        sigprocmask(SIG_BLOCK, &second, &mask);
    } else {
        sigaction(SIGCHLD, &child, NULL);
        sigaction(SIGUSR1, &first, NULL);
        sigprocmask(SIG_SETMASK, &mask, NULL);
    }
}

int signals_caught(void)
{
    return caught;
}

void signal_itself(void)
{
    raise(SIGCHLD);
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

void resume(int64_t pid)
{
    kill((pid_t) pid, SIGCONT);
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

void *library_open(const char *path)
{
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

void *library_find(void *library, const char *name)
{
    return dlsym(library, name);
}

void library_close(void *library)
{
    dlclose(library);
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
        if (entry->d_name[0] != '.' && unlink(name) != 0)
            remove_folder(name);
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

int64_t host_fork(void)
{
    return fork();
}

int host_wait(int64_t pid)
{
    int status;
    while (waitpid((pid_t) pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool become_nobody(void)
{
    return geteuid() == 0 && setgid(65534) == 0 && setuid(65534) == 0;
}

bool deny_others(void)
{
    return false;
}

#ifdef __linux__
static bool install_filter(struct sock_filter *program, size_t length)
{
    struct sock_fprog filter = { .len = (unsigned short) length, .filter = program };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}
#endif

bool forbid_system_calls(void)
{
#ifdef __linux__
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    return install_filter(program, sizeof program / sizeof program[0]);
#else
    return false;
#endif
}

bool forbid_waitid(void)
{
#ifdef __linux__
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_waitid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    siginfo_t info;
    return install_filter(program, sizeof program / sizeof program[0]) &&
           waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0 && errno == EPERM;
#else
    return false;
#endif
}

#ifdef __linux__
static bool send_descriptors(int socket, int descriptor, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(32 * sizeof(int))];
    } cargo;
    memset(&cargo, 0, sizeof cargo);
    char byte = 0;
    struct iovec part = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = cargo.bytes,
                              .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    cargo.header.cmsg_level = SOL_SOCKET;
    cargo.header.cmsg_type = SCM_RIGHTS;
    cargo.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(&cargo.header) + i * sizeof(int), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}
#endif

bool forbid_sending_descriptors(void)
{
#ifdef __linux__
    /* A user without rights may have as many under way as its process may have open. */
    int ends[2];
    if (geteuid() == 0 && !become_nobody())
        return false;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 && send_descriptors(ends[0], ends[0], 32) &&
           set_own_limit("descriptors", 20) && !send_descriptors(ends[0], ends[0], 1) && errno == ETOOMANYREFS;
#else
    return false;
#endif
}

int64_t count_reads(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    long long count = -1;
    char line[200];
    while (file && fgets(line, sizeof line, file) && sscanf(line, "syscr: %lld", &count) != 1)
        continue;
    if (file)
        fclose(file);
    return count;
}

bool enter_empty_root(void)
{
    return create_folder("empty") && chroot("empty") == 0 && chdir("/") == 0;
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

uint64_t soft_limit_of(const char *what)
{
    int resource = strcmp(what, "core") == 0 ? RLIMIT_CORE : strcmp(what, "file") == 0 ? RLIMIT_FSIZE : RLIMIT_CPU;
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur : UINT64_MAX;
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

/* Its own memory is a file to every process of Linux, and nothing is at its beginning. */
bool make_unreadable_file(const char *path, intptr_t *keep)
{
    *keep = -1;
    return access("/proc/self/mem", F_OK) == 0 && symlink("/proc/self/mem", path) == 0;
}

intptr_t native_open(const char *path, bool for_writing)
{
    return open(path, for_writing ? O_WRONLY | O_CREAT | O_APPEND : O_RDONLY, 0666);
}

bool native_write(intptr_t native, const char *text)
{
    return write((int) native, text, strlen(text)) == (ssize_t) strlen(text);
}

bool shrink_shared_memory(uint64_t bytes)
{
#ifdef __linux__
    char options[60];
    snprintf(options, sizeof options, "size=%llu", (unsigned long long) bytes);
    return (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0) &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, options) == 0;
#else
    (void) bytes;
    return false;
#endif
}

int64_t file_memory(intptr_t native)
{
    struct stat file;
    return fstat((int) native, &file) == 0 ? (int64_t) file.st_blocks * 512 : -1;
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

/* TELLS_BY_PIPE: the generic build, which knows nothing of glibc's. */
#if defined(__GLIBC__) && !TELLS_BY_PIPE
enum { KNOWS_GLIBC = true };
#else
enum { KNOWS_GLIBC = false };
#endif

bool system_lists_streams(void)
{
    return KNOWS_GLIBC;
}

bool system_tells_exit_codes(void)
{
    return KNOWS_GLIBC;
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

bool interrupt_myself(void)
{
    return kill(getpid(), SIGINT) == 0;
}

bool environment_is(const char *name, const char *value)
{
    const char *found = getenv(name);
    return value ? found && strcmp(found, value) == 0 : !found;
}

void interrupt_group(void)
{
    kill(0, SIGINT);
}
