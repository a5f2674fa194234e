/* SPDX-License-Identifier: MIT */
/* Starting any program, with posix_spawn() where it can do what is asked for. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

#ifndef MPROC_HAVE_SPAWN_CHDIR
#define posix_spawn_file_actions_addchdir_np(files, path) ENOTSUP
#define CAN_CHDIR false
#else
#define CAN_CHDIR true
#endif
#ifndef NSIG
#define NSIG 65
#endif
#ifndef POSIX_SPAWN_SETSID
#define POSIX_SPAWN_SETSID 0
#endif

static mproc_err no_memory(void)
{
    return mproc__fail(MPROC_ENOMEM, "No memory to start a program; free some");
}

/* ---- users ---- */

static bool is_number(const char *text, unsigned long *number)
{
    char *end;
    *number = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *number < UINT32_MAX;
}

static mproc_err find_user(const char *name, uid_t *user)
{
    unsigned long number;
    struct passwd entry, *found = NULL;
    char buffer[16384];
    if (is_number(name, &number)) {
        *user = (uid_t) number;
        return MPROC_OK;
    }
    int code = getpwnam_r(name, &entry, buffer, sizeof buffer, &found);
    if (!found)
        return mproc__fail_system(MPROC_ENOTFOUND, code,
                                  "There is no user '%s'; give a name or a number", name);
    *user = entry.pw_uid;
    return MPROC_OK;
}

static mproc_err find_group(const char *name, gid_t *group)
{
    unsigned long number;
    struct group entry, *found = NULL;
    char buffer[16384];
    if (is_number(name, &number)) {
        *group = (gid_t) number;
        return MPROC_OK;
    }
    int code = getgrnam_r(name, &entry, buffer, sizeof buffer, &found);
    if (!found)
        return mproc__fail_system(MPROC_ENOTFOUND, code,
                                  "There is no group '%s'; give a name or a number", name);
    *group = entry.gr_gid;
    return MPROC_OK;
}

mproc_err mproc__find_users(struct mproc__launch *launch)
{
    const mproc_popen_options *options = launch->options;
    mproc_err err = options->user ? find_user(options->user, &launch->user) : MPROC_OK;
    if (err == MPROC_OK && options->group)
        err = find_group(options->group, &launch->group);
    launch->changes_user = options->user || options->group || options->extra_groups;
    launch->sets_groups = options->extra_groups != NULL;
    if (err != MPROC_OK || !options->extra_groups)
        return err;
    while (options->extra_groups[launch->group_count])
        launch->group_count++;
    launch->groups = malloc((launch->group_count + 1) * sizeof *launch->groups);
    if (!launch->groups)
        return no_memory();
    for (size_t i = 0; i < launch->group_count && err == MPROC_OK; i++)
        err = find_group(options->extra_groups[i], &launch->groups[i]);
    return err;
}

/* ---- errors ---- */

static mproc_err describe_program(const char *name, const char *folder, int code)
{
    const char *in = folder ? " in the folder '" : "", *end = folder ? "'" : "";
    folder = folder ? folder : "";
    if (code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG)
        return mproc__fail_system(MPROC_ENOTFOUND, code,
                                  "The program '%s' cannot be started%s%s%s; check its path, PATH and, "
                                  "if it is a script, its interpreter",
                                  name, in, folder, end);
    if (code == EACCES || code == EPERM)
        return mproc__fail_system(MPROC_EPERM, code,
                                  "The program '%s' cannot be started%s%s%s; check that it is an "
                                  "executable file",
                                  name, in, folder, end);
    if (code == ENOEXEC)
        return mproc__fail_system(MPROC_EIMAGE, code,
                                  "The file '%s' is no program; a script needs a first line with #!",
                                  name);
    if (code == E2BIG)
        return mproc__fail_system(MPROC_EINVAL, code,
                                  "The arguments and the environment of '%s' are longer than this "
                                  "system allows",
                                  name);
    return mproc__fail_system(mproc__from_errno(code), code, "The program '%s' cannot be started",
                              name);
}

/* The folder is asked about first: its error and the program's look the same. */
static mproc_err describe(const struct mproc__launch *launch, const char *path, int code)
{
    const char *folder = launch->options->working_directory;
    mproc_plat_handle opened;
    if (launch->step)
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "The program '%s' cannot be started: %s", path, launch->step);
    if (folder && (code == ENOENT || code == ENOTDIR || code == EACCES)) {
        mproc_err err = mproc_plat_folder_open(folder, &opened);
        if (err != MPROC_OK)
            return err;
        mproc_plat_handle_close(opened);
    }
    return describe_program(path, folder, code);
}

/* ---- preparing ---- */

static mproc_err prepare_arguments(struct mproc__launch *launch)
{
    const char *const *argv = launch->request->argv;
    size_t count = 0, used = 0;
    while (argv[count])
        count++;
    launch->arguments = malloc((count + 3) * sizeof *launch->arguments);
    const char *const *base = launch->options->environment;
    launch->environment = mproc__environment(base ? base : (const char *const *) environ,
                                             launch->options->environment_changes, 0);
    if (!launch->arguments || !launch->environment)
        return no_memory();
    const char *program = launch->options->executable;
    if (launch->options->shell) {
        program = program ? program : "/bin/sh";
        launch->arguments[used++] = (char *) program;
        launch->arguments[used++] = (char *) "-c";
    }
    for (size_t i = 0; i <= count; i++)
        launch->arguments[used + i] = (char *) argv[i];
    launch->name = program ? program : argv[0];
    launch->paths = mproc__program_paths(launch->name, launch->environment);
    return launch->paths ? MPROC_OK : no_memory();
}

/* Streams numbered 0-2 are copied: one may be where another is to go. */
static mproc_err prepare_streams(struct mproc__launch *launch)
{
    for (int i = 0; i < 3; i++) {
        launch->streams[i] = (int) launch->request->standard[i];
        if (launch->streams[i] < 0 || launch->streams[i] > 2)
            continue;
        launch->streams[i] = fcntl(launch->streams[i], F_DUPFD_CLOEXEC, 3);
        launch->moved[i] = true;
        if (launch->streams[i] < 0)
            return mproc__fail_system(mproc__from_errno(errno), errno,
                                      "A child's streams cannot be prepared; close descriptors or "
                                      "raise RLIMIT_NOFILE");
    }
    return MPROC_OK;
}

static mproc_err prepare_keep(struct mproc__launch *launch)
{
    launch->keep = malloc((launch->options->inherit_count + 1) * sizeof *launch->keep);
    if (!launch->keep)
        return no_memory();
    launch->keep_count = mproc__sort_descriptors(launch->options->inherit,
                                                 launch->options->inherit_count, -1, launch->keep);
    return MPROC_OK;
}

static void clean(struct mproc__launch *launch)
{
    for (int i = 0; i < 3; i++)
        if (launch->moved[i] && launch->streams[i] >= 0)
            close(launch->streams[i]);
    free(launch->arguments);
    free(launch->environment);
    free(launch->paths);
    free(launch->keep);
    free(launch->groups);
}

/* ---- posix_spawn ---- */

static bool can_spawn(const struct mproc__launch *launch)
{
    const mproc_popen_options *options = launch->options;
    return !launch->changes_user && !options->set_umask && launch->request->terminal == MPROC_PLAT_NONE &&
           (POSIX_SPAWN_SETSID || !options->new_session) &&
           (CAN_CHDIR || !options->working_directory) &&
           (mproc__spawn_closes || options->inherit_all);
}

static int add_actions(struct mproc__launch *launch, struct mproc__spawn_actions *actions)
{
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++)
        if (launch->streams[i] >= 0)
            failed = posix_spawn_file_actions_adddup2(&actions->files, launch->streams[i], i);
    if (!failed && launch->options->working_directory)
        failed = posix_spawn_file_actions_addchdir_np(&actions->files,
                                                      launch->options->working_directory);
    if (!failed && !launch->options->inherit_all)
        failed = mproc__spawn_keep(actions, launch->keep, launch->keep_count);
    for (size_t i = 0; i < launch->keep_count && !failed && launch->options->inherit_all; i++)
        failed = posix_spawn_file_actions_adddup2(&actions->files, launch->keep[i], launch->keep[i]);
    return failed;
}

static int set_attributes(const mproc_popen_options *options, posix_spawnattr_t *attributes)
{
    short flags;
    int failed = posix_spawnattr_getflags(attributes, &flags);
    if (options->new_process_group || options->process_group > 0) {
        flags |= POSIX_SPAWN_SETPGROUP;
        if (!failed)
            failed = posix_spawnattr_setpgroup(attributes, (pid_t) options->process_group);
    }
    if (options->new_session)
        flags |= POSIX_SPAWN_SETSID;
    if (!options->keep_signals) {
        sigset_t restored;
        sigemptyset(&restored);
        sigaddset(&restored, SIGPIPE);
        sigaddset(&restored, SIGXFSZ);
        flags |= POSIX_SPAWN_SETSIGDEF;
        if (!failed)
            failed = posix_spawnattr_setsigdefault(attributes, &restored);
    }
    return failed ? failed : posix_spawnattr_setflags(attributes, flags);
}

static int launch_by_spawn(struct mproc__launch *launch, pid_t *pid)
{
    int failed = 0;
    const char *path = mproc__choose_path(launch->paths, launch->options->working_directory, &failed);
    if (!path)
        return failed;
    struct mproc__spawn_actions actions;
    posix_spawn_file_actions_init(&actions.files);
    posix_spawnattr_init(&actions.attributes);
    failed = add_actions(launch, &actions);
    if (!failed)
        failed = set_attributes(launch->options, &actions.attributes);
    if (!failed)
        failed = posix_spawn(pid, path, &actions.files, &actions.attributes, launch->arguments,
                             launch->environment);
    posix_spawn_file_actions_destroy(&actions.files);
    posix_spawnattr_destroy(&actions.attributes);
    return failed;
}

static mproc_err start(struct mproc__launch *launch, struct mproc_plat_process *process)
{
    pid_t pid = 0;
    mproc_err err = mproc__watch_prepare(&launch->watch);
    if (err != MPROC_OK)
        return err;
    int failed = can_spawn(launch) ? launch_by_spawn(launch, &pid)
                                   : mproc__launch_by_fork(launch, &pid);
    if (failed) {
        mproc__watch_cancel(&launch->watch);
        return describe(launch, launch->name, failed);
    }
    mproc_plat_handle watch;
    err = mproc__watch_begin(&launch->watch, pid, &watch);
    if (err != MPROC_OK) {
        mproc__abandon(pid);
        return err;
    }
    *process = (struct mproc_plat_process){ .pid = pid, .watch = watch };
    return MPROC_OK;
}

mproc_err mproc_plat_launch(const struct mproc_plat_launch *request, struct mproc_plat_process *process,
                            mproc_plat_handle *job)
{
    struct mproc__launch launch = { .request = request, .options = request->options };
    if (request->options->creation_flags)
        return mproc__fail(MPROC_ENOTSUP, "creation_flags are for Windows only; leave them 0 here");
    mproc_err err = prepare_arguments(&launch);
    if (err == MPROC_OK)
        err = prepare_keep(&launch);
    if (err == MPROC_OK)
        err = mproc__find_users(&launch);
    if (err == MPROC_OK)
        err = prepare_streams(&launch);
    if (err == MPROC_OK)
        err = start(&launch, process);
    clean(&launch);
    if (err == MPROC_OK)
        *job = MPROC_PLAT_NONE;
    return err;
}

mproc_err mproc_plat_process_send(const struct mproc_plat_process *process, int number)
{
    if (number < 0 || number >= NSIG)
        return mproc__fail(MPROC_EINVAL, "There is no signal %d", number);
    int failed = mproc__watch_signal(process, number);
    if (failed == 0 || failed == ESRCH)
        return MPROC_OK;
    return mproc__fail_system(mproc__from_errno(failed), failed,
                              "Signal %d cannot be sent to process %lld", number,
                              (long long) process->pid);
}

bool mproc_plat_watch_is_exact(void)
{
    return mproc__watch_interval == MPROC_PLAT_NEVER;
}

void mproc_plat_job_stop(mproc_plat_handle job)
{
    (void) job;
}
