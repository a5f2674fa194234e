/* SPDX-License-Identifier: MIT */
/* Starting programs with posix_spawn(), which copies no page tables. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* A spawn in preparation. */
struct start {
    struct mproc__spawn_actions actions;
    struct mproc__watch watch;
    int *keep;
    int moved[3];       /* copies of standard streams that are to become other standard streams */
    char **environment; /* pointers into environ and the caller's strings */
    char *boot;
    char watch_variable[32];
    char path[MPROC_PLAT_PATH_SIZE];
};

static int build_environment(struct start *start, const struct mproc_plat_spawn *spawn)
{
    start->environment = mproc__environment((const char *const *) environ, spawn->environment, 2);
    start->boot = malloc(strlen(spawn->boot) + sizeof "MPROC_BOOT=");
    if (!start->environment || !start->boot)
        return ENOMEM;
    char **end = start->environment;
    while (*end)
        end++;
    strcpy(start->boot, "MPROC_BOOT=");
    strcat(start->boot, spawn->boot);
    *end++ = start->boot;
    if (start->watch.child_end >= 0) {
        snprintf(start->watch_variable, sizeof start->watch_variable, "MPROC_WATCH=%d",
                 start->watch.child_end);
        *end = start->watch_variable;
    }
    return 0;
}

static int add_streams(struct start *start, const mproc_plat_handle standard[3])
{
    for (int i = 0; i < 3; i++) {
        int source = (int) standard[i];
        if (standard[i] == MPROC_PLAT_NONE || source > 2 || source == i)
            continue;
        start->moved[i] = fcntl(source, F_DUPFD_CLOEXEC, 3);
        if (start->moved[i] < 0)
            return errno;
    }
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++) {
        int source = start->moved[i] >= 0 ? start->moved[i] : (int) standard[i];
        if (standard[i] != MPROC_PLAT_NONE)
            failed = posix_spawn_file_actions_adddup2(&start->actions.files, source, i);
    }
    return failed;
}

static int add_working_directory(struct start *start, const char *path)
{
    if (!path)
        return 0;
#ifdef MPROC_HAVE_SPAWN_CHDIR
    return posix_spawn_file_actions_addchdir_np(&start->actions.files, path);
#else
    (void) start;
    return ENOTSUP;
#endif
}

/* Streams come before the closing of the rest: their sources need not be among those kept. */
static int prepare(struct start *start, const struct mproc_plat_spawn *spawn)
{
    start->keep = malloc((spawn->keep_count + 1) * sizeof *start->keep);
    if (!start->keep)
        return ENOMEM;
    size_t count = mproc__sort_descriptors(spawn->keep, spawn->keep_count, start->watch.child_end,
                                           start->keep);
    int failed = build_environment(start, spawn);
    if (!failed)
        failed = add_streams(start, spawn->standard);
    if (!failed)
        failed = add_working_directory(start, spawn->working_directory);
    if (!failed)
        failed = mproc__spawn_keep(&start->actions, start->keep, count);
    return failed;
}

static mproc_err describe(const struct mproc_plat_spawn *spawn, const char *path, int code)
{
    const char *folder = spawn->working_directory;
    if (code == ENOTSUP && folder)
        return mproc__fail(MPROC_ENOTSUP,
                           "This system cannot start a program in the folder '%s'; "
                           "change the folder in the child",
                           folder);
    if (code == EBADF)
        return mproc__fail_system(MPROC_EINVAL, code,
                                  "The program '%s' cannot be started with a "
                                  "descriptor that is not open; check those it is to keep",
                                  path);
    if (code == ENOENT || code == ENOTDIR || code == EACCES)
        return mproc__fail_system(
            mproc__from_errno(code), code,
            "The program '%s' cannot be started%s%s%s; check that it is there "
            "and executable",
            path, folder ? " in the folder '" : "", folder ? folder : "", folder ? "'" : "");
    const char *remedy = mproc__remedy(code);
    if (remedy)
        return mproc__fail_system(mproc__from_errno(code), code, "The program '%s' cannot be started just now; %s",
                                  path, remedy);
    return mproc__fail_system(mproc__from_errno(code), code,
                              "The program '%s' cannot be started; "
                              "check that this system can run it",
                              path);
}

static int execute(struct start *start, const char *first, const char *second, pid_t *pid)
{
    char *arguments[] = { start->path, NULL };
    int failed = posix_spawn(pid, first, &start->actions.files, &start->actions.attributes,
                             arguments, start->environment);
    if (failed == ENOENT && second)
        failed = posix_spawn(pid, second, &start->actions.files, &start->actions.attributes,
                             arguments, start->environment);
    return failed;
}

/* Stores what to run; a relative path must not be looked up in the child's working directory. */
static mproc_err choose_program(struct start *start, const struct mproc_plat_spawn *spawn,
                                const char **first, const char **second)
{
    if (!spawn->executable)
        return mproc__own_program(start->path, sizeof start->path, first, second);
    *first = start->path;
    *second = NULL;
    char *absolute = NULL;
    if (spawn->executable[0] != '/' && spawn->working_directory)
        absolute = realpath(spawn->executable, NULL);
    const char *path = absolute ? absolute : spawn->executable;
    bool fits = strlen(path) < sizeof start->path;
    if (fits)
        strcpy(start->path, path);
    free(absolute);
    return fits ? MPROC_OK
                : mproc__fail(MPROC_EINVAL,
                              "The program's path has more than %d bytes; "
                              "use a shorter one",
                              MPROC_PLAT_PATH_SIZE - 1);
}

static void clean(struct start *start)
{
    posix_spawn_file_actions_destroy(&start->actions.files);
    posix_spawnattr_destroy(&start->actions.attributes);
    for (int i = 0; i < 3; i++)
        if (start->moved[i] >= 0)
            close(start->moved[i]);
    free(start->keep);
    free(start->environment);
    free(start->boot);
}

mproc_err mproc_plat_spawn(const struct mproc_plat_spawn *spawn, struct mproc_plat_process *process)
{
    struct start start = { .moved = { -1, -1, -1 } };
    const char *first, *second;
    mproc_err err = choose_program(&start, spawn, &first, &second);
    if (err == MPROC_OK)
        err = mproc__watch_prepare(&start.watch);
    if (err != MPROC_OK)
        return err;
    posix_spawn_file_actions_init(&start.actions.files);
    posix_spawnattr_init(&start.actions.attributes);

    pid_t pid = 0;
    int failed = prepare(&start, spawn);
    if (!failed)
        failed = execute(&start, first, second, &pid);
    clean(&start);
    if (failed) {
        mproc__watch_cancel(&start.watch);
        return describe(spawn, start.path, failed);
    }
    mproc_plat_handle watch;
    err = mproc__watch_begin(&start.watch, pid, &watch);
    if (err != MPROC_OK) {
        mproc__abandon(pid);
        return err;
    }
    *process = (struct mproc_plat_process){ .pid = pid, .watch = watch };
    return MPROC_OK;
}
