/* SPDX-License-Identifier: MIT */
/* Starting any program. */
#include "win32.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static mproc_err no_memory(void)
{
    return mproc__fail(MPROC_ENOMEM, "no memory to start a program");
}

static mproc_err check_supported(const mproc_popen_options *options)
{
    if (options->user || options->group || options->extra_groups || options->set_umask ||
        options->process_group > 0)
        return mproc__fail(MPROC_ENOTSUP, "user, group, extra_groups, umask and process_group are not for "
                                          "Windows; leave them zero");
    return MPROC_OK;
}

/* ---- which file ---- */

/* cmd.exe, as the variable ComSpec or the system's folder name it. */
static mproc_err find_shell(wchar_t **shell)
{
    static const wchar_t name[] = L"\\cmd.exe";
    wchar_t *path = malloc(MPROC_PLAT_PATH_SIZE * sizeof *path);
    if (!path)
        return no_memory();
    DWORD length = GetEnvironmentVariableW(L"ComSpec", path, MPROC_PLAT_PATH_SIZE);
    if (length == 0 || length >= MPROC_PLAT_PATH_SIZE) {
        length = GetSystemDirectoryW(path, MPROC_PLAT_PATH_SIZE - 16);
        wcscpy(path + length, name);
    }
    *shell = path;
    return MPROC_OK;
}

static bool has_folder(const wchar_t *name)
{
    return wcspbrk(name, L"/\\:") != NULL;
}

/* As CreateProcess searches: this program's folder, the current one, the system's, PATH; with .exe if
 * the name has no extension. */
static mproc_err find_program(const char *name, wchar_t **found)
{
    wchar_t *wide, *path = malloc(MPROC_PLAT_PATH_SIZE * sizeof *path);
    mproc_err err = path ? mproc__wide(name, &wide) : no_memory();
    if (err != MPROC_OK) {
        free(path);
        return err;
    }
    DWORD length = 0;
    if (has_folder(wide) && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES)
        length = GetFullPathNameW(wide, MPROC_PLAT_PATH_SIZE, path, NULL);
    if (length == 0)
        length = SearchPathW(NULL, wide, L".exe", MPROC_PLAT_PATH_SIZE, path, NULL);
    DWORD code = length >= MPROC_PLAT_PATH_SIZE ? ERROR_FILENAME_EXCED_RANGE : GetLastError();
    free(wide);
    if (length > 0 && length < MPROC_PLAT_PATH_SIZE) {
        *found = path;
        return MPROC_OK;
    }
    free(path);
    return mproc__fail_system(MPROC_ENOTFOUND, (int) code,
                              "The program '%s' cannot be found; check its path and PATH", name);
}

/* Windows ignores dots and spaces at a name's end, and so would run "x.bat. " as a batch file. */
static bool is_batch(const wchar_t *path)
{
    size_t length = wcslen(path);
    while (length > 0 && (path[length - 1] == L'.' || path[length - 1] == L' '))
        length--;
    return length > 4 && (_wcsnicmp(path + length - 4, L".bat", 4) == 0 ||
                          _wcsnicmp(path + length - 4, L".cmd", 4) == 0);
}

/* Sets what is executed and the command line. */
static mproc_err choose_program(const struct mproc_plat_launch *request, struct mproc__launch *launch)
{
    const mproc_popen_options *options = request->options;
    const char *name = options->executable ? options->executable : request->argv[0];
    launch->name = name;
    if (options->shell) {
        mproc_err err = options->executable ? find_program(name, &launch->executable)
                                            : find_shell(&launch->executable);
        if (err != MPROC_OK)
            return err;
        launch->name = options->executable ? name : "cmd.exe";
        return mproc__shell_line(launch->executable, request->argv, &launch->command);
    }
    mproc_err err = find_program(name, &launch->executable);
    if (err != MPROC_OK || !is_batch(launch->executable))
        return err != MPROC_OK ? err : mproc__command_line(request->argv, &launch->command);
    wchar_t *script = launch->executable;
    launch->executable = NULL;
    err = find_shell(&launch->executable);
    if (err == MPROC_OK)
        err = mproc__batch_line(launch->executable, script, request->argv, &launch->command);
    free(script);
    return err;
}

/* ---- the rest ---- */

static mproc_err prepare_environment(const mproc_popen_options *options, struct mproc__launch *launch)
{
    /* What tells a spawned child who it is, until its mproc_init(): for nobody else. */
    static const char *const private_names[] = { "MPROC_BOOT", NULL };
    bool has_private = GetEnvironmentVariableW(L"MPROC_BOOT", NULL, 0) > 0;
    wchar_t *whole = NULL;
    mproc_err err = MPROC_OK;
    if (!options->environment && !options->environment_changes && !has_private)
        return MPROC_OK;
    if (options->environment)
        err = mproc__environment_block(L"\0", options->environment, NULL, &whole);
    else if (has_private)
        err = mproc__environment_block(NULL, private_names, NULL, &whole);
    if (err == MPROC_OK)
        err = mproc__environment_block(whole, options->environment_changes, NULL, &launch->block);
    free(whole);
    return err;
}

static mproc_err prepare_folder(const mproc_popen_options *options, struct mproc__launch *launch)
{
    mproc_plat_handle unused;
    if (!options->working_directory)
        return MPROC_OK;
    mproc_err err = mproc_plat_folder_open(options->working_directory, &unused);
    return err == MPROC_OK ? mproc__wide(options->working_directory, &launch->folder) : err;
}

static mproc_err prepare_job(const mproc_popen_options *options, struct mproc__launch *launch)
{
    if (!options->new_session)
        return MPROC_OK;
    launch->job = CreateJobObjectW(NULL, NULL);
    return launch->job ? MPROC_OK
                       : mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(),
                                            "no job for a new session can be made");
}

mproc_err mproc_plat_launch(const struct mproc_plat_launch *request, struct mproc_plat_process *process,
                            mproc_plat_handle *job)
{
    const mproc_popen_options *options = request->options;
    struct mproc__launch launch = { .standard = request->standard,
                                    .keep = options->inherit,
                                    .keep_count = options->inherit_count,
                                    .keep_all = options->inherit_all,
                                    .flags = options->creation_flags,
                                    .hide = options->hide_window };
    if (options->new_session || options->new_process_group)
        launch.flags |= CREATE_NEW_PROCESS_GROUP;
    mproc_err err = check_supported(options);
    if (err == MPROC_OK)
        err = choose_program(request, &launch);
    if (err == MPROC_OK)
        err = prepare_environment(options, &launch);
    if (err == MPROC_OK)
        err = prepare_folder(options, &launch);
    if (err == MPROC_OK)
        err = prepare_job(options, &launch);
    if (err == MPROC_OK)
        err = mproc__launch(&launch, process);
    mproc__launch_free(&launch);
    if (err != MPROC_OK && launch.job)
        CloseHandle(launch.job);
    if (err == MPROC_OK)
        *job = launch.job ? (mproc_plat_handle) launch.job : MPROC_PLAT_NONE;
    return err;
}

/* ---- signals ---- */

mproc_err mproc_plat_process_send(const struct mproc_plat_process *process, int number)
{
    enum { INTERRUPT = 2, KILL = 9, TERMINATE = 15, BREAK = 21 };
    if (number == TERMINATE || number == KILL)
        return mproc_plat_process_stop(process, number == KILL);
    if (number != INTERRUPT && number != BREAK)
        return mproc__fail(MPROC_ENOTSUP, "Windows cannot send signal %d; use SIGTERM, SIGINT or SIGBREAK",
                           number);
    if (GenerateConsoleCtrlEvent(number == BREAK ? CTRL_BREAK_EVENT : CTRL_C_EVENT, (DWORD) process->pid))
        return MPROC_OK;
    return mproc__fail_system(MPROC_ESYSTEM, (int) GetLastError(),
                              "signal %d cannot be sent; is process %lld the head of a group, in this "
                              "console?",
                              number, (long long) process->pid);
}

bool mproc_plat_watch_is_exact(void)
{
    return true;
}

void mproc_plat_job_stop(mproc_plat_handle job)
{
    TerminateJobObject((HANDLE) job, MPROC__TERMINATED);
}
