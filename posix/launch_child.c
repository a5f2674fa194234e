/* SPDX-License-Identifier: MIT */
/* Starting a program where posix_spawn() cannot: with vfork(), or fork() for another user, since a process
 * of another user that shares this one's memory could be used to change it. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NSIG
#define NSIG 65
#endif

static const char *const steps[] = {
    NULL,
    "its group cannot be entered; check process_group",
    "the terminal cannot become its controlling one",
    "its extra_groups are not allowed here",
    "its group is not allowed here",
    "its user is not allowed here",
    "its streams or descriptors cannot be put in place",
};
enum step { PROGRAM, PROCESS_GROUP, TERMINAL, GROUPS, GROUP, USER, DESCRIPTORS };

struct failure {
    int code;
    int step;
};

struct birth {
    const struct mproc__launch *launch;
    int report;
    int *keep; /* sorted: the launch's, and `report` */
    size_t keep_count;
    sigset_t mask;
};

/* All below runs in the child, perhaps in the parent's memory: system calls only. */

static int enter_session(const struct mproc__launch *launch, int *step)
{
    const mproc_popen_options *options = launch->options;
    int terminal = (int) launch->request->terminal;
    if ((options->new_session || terminal >= 0) && setsid() < 0)
        return errno;
    *step = TERMINAL;
    if (terminal >= 0 && ioctl(terminal, TIOCSCTTY, 0) != 0)
        return errno;
    *step = PROCESS_GROUP;
    if ((options->new_process_group || options->process_group > 0) &&
        setpgid(0, (pid_t) options->process_group) != 0)
        return errno;
    return 0;
}

static int become_user(const struct mproc__launch *launch, int *step)
{
    *step = GROUPS;
    if (launch->sets_groups && setgroups(launch->group_count, launch->groups) != 0)
        return errno;
    *step = GROUP;
    if (launch->options->group && setregid(launch->group, launch->group) != 0)
        return errno;
    *step = USER;
    if (launch->options->user && setreuid(launch->user, launch->user) != 0)
        return errno;
    return 0;
}

static int place_descriptors(const struct birth *birth, int *step)
{
    const struct mproc__launch *launch = birth->launch;
    *step = DESCRIPTORS;
    for (int i = 0; i < 3; i++)
        if (launch->streams[i] >= 0 && dup2(launch->streams[i], i) < 0)
            return errno;
    if (!launch->options->inherit_all)
        mproc__close_all_but(birth->keep, birth->keep_count);
    for (size_t i = 0; i < launch->keep_count; i++)
        if (fcntl(launch->keep[i], F_SETFD, 0) != 0)
            return errno;
    return 0;
}

/* A handler would run in the parent's memory; what is ignored stays so, as exec has it. */
static void reset_signals(const mproc_popen_options *options)
{
    struct sigaction action;
    for (int number = 1; number < NSIG; number++) {
        if (sigaction(number, NULL, &action) != 0)
            continue;
        bool ignored = !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_IGN;
        bool restored = (number == SIGPIPE || number == SIGXFSZ) && !options->keep_signals;
        if (ignored && !restored)
            continue;
        if (!(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL)
            continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_DFL;
        sigaction(number, &action, NULL);
    }
}

static int execute(const struct mproc__launch *launch)
{
    int first = ENOENT;
    for (size_t i = 0; launch->paths[i]; i++) {
        execve(launch->paths[i], launch->arguments, launch->environment);
        if (first == ENOENT && errno != ENOTDIR)
            first = errno;
    }
    return first;
}

MPROC_NORETURN static void child(const struct birth *birth)
{
    const struct mproc__launch *launch = birth->launch;
    struct failure failure = { 0, PROGRAM };
    reset_signals(launch->options);
    if (launch->options->working_directory && chdir(launch->options->working_directory) != 0)
        failure.code = errno;
    if (!failure.code)
        failure.code = enter_session(launch, &failure.step);
    if (!failure.code && launch->options->set_umask)
        umask((mode_t) launch->options->umask);
    if (!failure.code)
        failure.code = place_descriptors(birth, &failure.step);
    if (!failure.code)
        failure.code = become_user(launch, &failure.step);
    if (!failure.code) {
        failure.step = PROGRAM;
        pthread_sigmask(SIG_SETMASK, &birth->mask, NULL);
        failure.code = execute(launch);
    }
    while (write(birth->report, &failure, sizeof failure) < 0 && errno == EINTR)
        continue;
    _exit(127);
}

/* The call whose child returns first, in this very stack frame: not to be inlined into anything. */
static pid_t start_child(const struct birth *birth, bool own_memory)
{
#ifdef MPROC_HAVE_VFORK
    pid_t pid = own_memory ? fork() : vfork();
#else
    (void) own_memory;
    pid_t pid = fork();
#endif
    if (pid == 0)
        child(birth);
    return pid;
}

/* 0, or what the child has reported before it ended. */
static int read_report(struct mproc__launch *launch, int report, pid_t pid)
{
    struct failure failure;
    struct pollfd entry = { .fd = report, .events = POLLIN };
    mproc__poll(&entry, 1, MPROC_PLAT_NEVER);
    ssize_t got;
    do
        got = read(report, &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t) sizeof failure)
        return 0;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    launch->step = steps[failure.step];
    return failure.code;
}

int mproc__launch_by_fork(struct mproc__launch *launch, pid_t *pid)
{
    int ends[2], failed = 0;
    struct birth birth = { .launch = launch };
    birth.keep = malloc((launch->keep_count + 1) * sizeof *birth.keep);
    if (!birth.keep)
        return ENOMEM;
    if (mproc__pipe(ends) != 0) {
        failed = errno;
        free(birth.keep);
        return failed;
    }
    birth.report = ends[1];
    birth.keep_count = mproc__sort_descriptors(launch->options->inherit, launch->options->inherit_count,
                                               ends[1], birth.keep);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &birth.mask);
    pid_t started = start_child(&birth, launch->changes_user);
    if (started < 0)
        failed = errno;
    pthread_sigmask(SIG_SETMASK, &birth.mask, NULL);
    close(ends[1]);
    if (!failed)
        failed = read_report(launch, ends[0], started);
    close(ends[0]);
    free(birth.keep);
    if (!failed)
        *pid = started;
    return failed;
}
