/* SPDX-License-Identifier: MIT */
/* Starting a program so that it gets exactly the handles it is meant to have. */
#include "win32.h"

#include <psapi.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* ---- the environment block ---- */

static size_t name_length(const wchar_t *entry)
{
    if (!*entry)
        return 0;
    const wchar_t *equals = wcschr(entry + 1, L'='); /* "=C:=C:\..." begins with one */
    return equals ? (size_t) (equals - entry) : wcslen(entry);
}

static int by_name(const void *a, const void *b)
{
    const wchar_t *x = *(wchar_t *const *) a, *y = *(wchar_t *const *) b;
    return CompareStringOrdinal(x, (int) name_length(x), y, (int) name_length(y), TRUE) -
           CSTR_EQUAL;
}

static bool same_name(const wchar_t *a, const wchar_t *b)
{
    return by_name(&a, &b) == 0;
}

struct environment {
    wchar_t **entries;
    size_t count, owned; /* the first `owned` were allocated here */
};

static mproc_err add_own(struct environment *environment, const char *text)
{
    wchar_t *wide;
    mproc_err err = mproc__wide(text, &wide);
    if (err == MPROC_OK)
        environment->entries[environment->owned++] = wide;
    environment->count = environment->owned;
    return err;
}

static mproc_err add_boot(struct environment *environment, const char *boot)
{
    static const char name[] = "MPROC_BOOT=";
    char *text = malloc(sizeof name + strlen(boot));
    if (!text)
        return mproc__fail(MPROC_ENOMEM, "no memory for the child's environment");
    memcpy(text, name, sizeof name - 1);
    memcpy(text + sizeof name - 1, boot, strlen(boot) + 1);
    mproc_err err = add_own(environment, text);
    free(text);
    return err;
}

/* Additions and MPROC_BOOT first, then what of this process's variables they do not name. */
static mproc_err collect(const char *const *changes, const char *boot, wchar_t *own,
                         struct environment *result)
{
    size_t most = 1;
    for (const char *const *entry = changes; entry && *entry; entry++)
        most++;
    for (const wchar_t *entry = own; *entry; entry += wcslen(entry) + 1)
        most++;
    result->entries = calloc(most, sizeof *result->entries);
    if (!result->entries)
        return mproc__fail(MPROC_ENOMEM, "no memory for the child's environment");
    mproc_err err = MPROC_OK;
    for (const char *const *entry = changes; err == MPROC_OK && entry && *entry; entry++)
        err = add_own(result, *entry);
    if (err == MPROC_OK && boot)
        err = add_boot(result, boot);
    if (err != MPROC_OK)
        return err;
    for (wchar_t *entry = own; *entry; entry += wcslen(entry) + 1) {
        bool replaced = false;
        for (size_t i = 0; i < result->owned && !replaced; i++)
            replaced = same_name(entry, result->entries[i]);
        if (!replaced)
            result->entries[result->count++] = entry;
    }
    return MPROC_OK;
}

/* Of two additions with one name the later wins, so MPROC_BOOT over all. */
static void drop_repeated(struct environment *environment)
{
    for (size_t i = 0; i < environment->owned; i++)
        for (size_t j = i + 1; j < environment->owned; j++)
            if (same_name(environment->entries[i], environment->entries[j]))
                environment->entries[i][0] = L'\0';
}

/* Sorted, one after the other, without those that have no '=': they remove. */
static mproc_err join_block(const struct environment *environment, wchar_t **joined)
{
    size_t size = 2;
    for (size_t i = 0; i < environment->count; i++)
        size += wcslen(environment->entries[i]) + 1;
    wchar_t *block = calloc(size, sizeof *block), *end = block;
    wchar_t **sorted = malloc(environment->count * sizeof *sorted);
    if (!block || !sorted) {
        free(block);
        free(sorted);
        return mproc__fail(MPROC_ENOMEM, "no memory for the child's environment");
    }
    memcpy(sorted, environment->entries, environment->count * sizeof *sorted);
    qsort(sorted, environment->count, sizeof *sorted, by_name);
    for (size_t i = 0; i < environment->count; i++) {
        if (sorted[i][0] == L'\0' || !wcschr(sorted[i] + 1, L'='))
            continue;
        size_t length = wcslen(sorted[i]) + 1;
        memcpy(end, sorted[i], length * sizeof *end);
        end += length;
    }
    free(sorted);
    *joined = block;
    return MPROC_OK;
}

mproc_err mproc__environment_block(const wchar_t *base, const char *const *changes, const char *boot,
                                   wchar_t **block)
{
    wchar_t *own = base ? NULL : GetEnvironmentStringsW();
    struct environment environment = { 0 };
    if (!own && !base)
        return mproc__fail(MPROC_ENOMEM, "no memory for a copy of the environment");
    mproc_err err = collect(changes, boot, base ? (wchar_t *) base : own, &environment);
    if (err == MPROC_OK) {
        drop_repeated(&environment);
        err = join_block(&environment, block);
    }
    for (size_t i = 0; i < environment.owned; i++)
        free(environment.entries[i]);
    free(environment.entries);
    if (own)
        FreeEnvironmentStringsW(own);
    return err;
}

/* ---- handles: inheritable only while CreateProcess runs, and only for this child ---- */

static SRWLOCK starting = SRWLOCK_INIT;

static void add_handle(struct mproc__launch *launch, HANDLE handle)
{
    for (size_t i = 0; i < launch->count; i++)
        if (launch->list[i] == handle)
            return;
    launch->list[launch->count++] = handle;
}

static bool is_open(mproc_plat_handle handle)
{
    DWORD flags;
    return GetHandleInformation((HANDLE) handle, &flags) != 0;
}

/* The child's streams are duplicates, so that nothing of ours becomes inheritable. */
static mproc_err gather_handles(struct mproc__launch *launch)
{
    launch->list = calloc(launch->keep_count + 3, sizeof *launch->list);
    launch->raised = calloc(launch->keep_count + 1, sizeof *launch->raised);
    if (!launch->list || !launch->raised)
        return mproc__fail(MPROC_ENOMEM, "no memory for a child's handles");
    for (int stream = 0; stream < 3; stream++) {
        mproc_plat_handle handle = launch->standard[stream];
        bool own = handle == MPROC_PLAT_NONE;
        if (own)
            handle = mproc_plat_stdio_own(stream);
        /* Windows keeps a closed stream's number. */
        if (own && (handle == MPROC_PLAT_NONE || !is_open(handle)))
            continue;
        if (!DuplicateHandle(GetCurrentProcess(), (HANDLE) handle, GetCurrentProcess(),
                             &launch->streams[stream], 0, TRUE, DUPLICATE_SAME_ACCESS))
            return mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(),
                                      "cannot pass on stream %d", stream);
        add_handle(launch, launch->streams[stream]);
    }
    for (size_t i = 0; i < launch->keep_count; i++)
        add_handle(launch, (HANDLE) launch->keep[i]);
    return MPROC_OK;
}

static void raise_inheritance(struct mproc__launch *launch)
{
    for (size_t i = 0; i < launch->keep_count; i++) {
        HANDLE handle = (HANDLE) launch->keep[i];
        DWORD flags;
        launch->raised[i] = GetHandleInformation(handle, &flags) &&
                            !(flags & HANDLE_FLAG_INHERIT) &&
                            SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    }
}

static void lower_inheritance(const struct mproc__launch *launch)
{
    for (size_t i = 0; i < launch->keep_count; i++)
        if (launch->raised[i])
            SetHandleInformation((HANDLE) launch->keep[i], HANDLE_FLAG_INHERIT, 0);
}

/* Closing the last handle of this job, so also our death, ends every daemon and what it started. */
static HANDLE daemons_job(void)
{
    static HANDLE job;
    if (job)
        return job;
    HANDLE made = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = { 0 };
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (made &&
        SetInformationJobObject(made, JobObjectExtendedLimitInformation, &limits, sizeof limits))
        job = made;
    else if (made)
        CloseHandle(made);
    return job;
}

static void free_attributes(struct mproc__launch *launch)
{
    if (launch->attributes) {
        DeleteProcThreadAttributeList(launch->attributes);
        free(launch->attributes);
    }
    launch->attributes = NULL;
}

static mproc_err set_attributes(struct mproc__launch *launch)
{
    SIZE_T size = 0;
    DWORD wanted = launch->job ? 2 : 1;
    InitializeProcThreadAttributeList(NULL, wanted, 0, &size);
    launch->attributes = malloc(size);
    if (!launch->attributes ||
        !InitializeProcThreadAttributeList(launch->attributes, wanted, 0, &size)) {
        free(launch->attributes);
        launch->attributes = NULL;
        return mproc__fail(MPROC_ENOMEM, "no memory to start a process");
    }
    if (launch->count > 0 && !launch->keep_all &&
        !UpdateProcThreadAttribute(launch->attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                   launch->list, launch->count * sizeof(HANDLE), NULL, NULL))
        return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(),
                                  "cannot list a child's handles");
    launch->join_later = /* Windows 8 has no such attribute */
        launch->job &&
        !UpdateProcThreadAttribute(launch->attributes, 0, PROC_THREAD_ATTRIBUTE_JOB_LIST,
                                   &launch->job, sizeof launch->job, NULL, NULL);
    return MPROC_OK;
}

/* ---- starting ---- */

static mproc_err prepare_texts(struct mproc__launch *launch, const struct mproc_plat_spawn *spawn)
{
    char path[MPROC_PLAT_PATH_SIZE];
    const char *executable = spawn->executable;
    if (!executable) {
        mproc_err unknown = mproc__own_path(path, sizeof path);
        if (unknown != MPROC_OK)
            return unknown;
        executable = path;
    }
    mproc_err err = mproc__wide(executable, &launch->executable);
    if (err == MPROC_OK && spawn->working_directory)
        err = mproc__wide(spawn->working_directory, &launch->folder);
    if (err != MPROC_OK)
        return err;
    size_t size = wcslen(launch->executable) + 3;
    launch->command = malloc(size * sizeof *launch->command);
    if (!launch->command)
        return mproc__fail(MPROC_ENOMEM, "no memory to start a process");
    swprintf(launch->command, size, L"\"%ls\"", launch->executable);
    return mproc__environment_block(NULL, spawn->environment, spawn->boot, &launch->block);
}

static mproc_err describe(const struct mproc__launch *launch, DWORD code)
{
    mproc_err err = mproc__from_windows(code);
    if (code == ERROR_FILENAME_EXCED_RANGE)
        err = MPROC_EINVAL;
    if (code == 740) /* ERROR_ELEVATION_REQUIRED, missing from some headers */
        err = MPROC_EPERM;
    return mproc__fail_system(err, (int) code, "cannot start '%s'", launch->name);
}

/* A job may refuse a process (this one's own job forbids others inside it): without it a daemon still ends itself, by
 * its lifeline. */
static mproc_err do_without_job(struct mproc__launch *launch, STARTUPINFOEXW *startup)
{
    free_attributes(launch);
    launch->job = NULL;
    mproc_err err = set_attributes(launch);
    startup->lpAttributeList = launch->attributes;
    return err;
}

/* Under Wine one start in some thousands ends in ERROR_INTERNAL_ERROR: the new process was gone before its first
 * instruction. Nothing of the program has run then, so it is started once more. */
static DWORD create_process(struct mproc__launch *launch, STARTUPINFOEXW *startup, PROCESS_INFORMATION *created)
{
    DWORD flags = EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT | launch->flags;
    DWORD code = ERROR_INTERNAL_ERROR;
    if (launch->join_later)
        flags |= CREATE_SUSPENDED;
    for (int tries = 0; code == ERROR_INTERNAL_ERROR && tries < 5; tries++)
        code = CreateProcessW(launch->executable, launch->command, NULL, NULL,
                              launch->count > 0 || launch->keep_all, flags, launch->block, launch->folder,
                              &startup->StartupInfo, created)
                   ? ERROR_SUCCESS
                   : GetLastError();
    return code;
}

static mproc_err create(struct mproc__launch *launch, struct mproc_plat_process *process)
{
    STARTUPINFOEXW startup = { 0 };
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES | (launch->hide ? STARTF_USESHOWWINDOW : 0);
    startup.StartupInfo.wShowWindow = SW_HIDE;
    startup.StartupInfo.hStdInput = launch->streams[0];
    startup.StartupInfo.hStdOutput = launch->streams[1];
    startup.StartupInfo.hStdError = launch->streams[2];
    PROCESS_INFORMATION created;
    AcquireSRWLockExclusive(&starting);
    mproc_err err = set_attributes(launch);
    if (err == MPROC_OK) {
        startup.lpAttributeList = launch->attributes;
        raise_inheritance(launch);
        DWORD code = create_process(launch, &startup, &created);
        if (code != ERROR_SUCCESS && launch->job && launch->job_is_wish)
            code = do_without_job(launch, &startup) == MPROC_OK ? create_process(launch, &startup, &created) : code;
        if (code != ERROR_SUCCESS)
            err = describe(launch, code);
        lower_inheritance(launch);
    }
    ReleaseSRWLockExclusive(&starting);
    if (err != MPROC_OK)
        return err;
    if (launch->join_later) {
        AssignProcessToJobObject(launch->job, created.hProcess);
        if (!(launch->flags & CREATE_SUSPENDED))
            ResumeThread(created.hThread);
    }
    CloseHandle(created.hThread);
    process->pid = (int64_t) created.dwProcessId;
    process->watch = (mproc_plat_handle) created.hProcess;
    process->relayed = false;
    return MPROC_OK;
}

mproc_err mproc__launch(struct mproc__launch *launch, struct mproc_plat_process *process)
{
    mproc_err err = gather_handles(launch);
    if (err == MPROC_OK)
        err = create(launch, process);
    for (int stream = 0; stream < 3; stream++)
        if (launch->streams[stream])
            CloseHandle(launch->streams[stream]);
    free_attributes(launch);
    free(launch->list);
    free(launch->raised);
    return err;
}

void mproc__launch_free(struct mproc__launch *launch)
{
    free(launch->executable);
    free(launch->command);
    free(launch->folder);
    free(launch->block);
}

mproc_err mproc_plat_spawn(const struct mproc_plat_spawn *spawn, struct mproc_plat_process *process)
{
    struct mproc__launch launch = { .standard = spawn->standard,
                                    .keep = spawn->keep,
                                    .keep_count = spawn->keep_count,
                                    .name = spawn->executable ? spawn->executable
                                                              : "this program again" };
    mproc__region_hand_on();
    mproc_err err = prepare_texts(&launch, spawn);
    if (err == MPROC_OK) {
        AcquireSRWLockExclusive(&starting);
        launch.job = spawn->daemon ? daemons_job() : NULL;
        launch.job_is_wish = true;
        ReleaseSRWLockExclusive(&starting);
        err = mproc__launch(&launch, process);
    }
    mproc__launch_free(&launch);
    return err;
}

void mproc_plat_close_others(const mproc_plat_handle *keep, size_t count)
{
    /* The handle list has seen to the others; what it let in would be inherited on and on. */
    for (size_t i = 0; i < count; i++)
        SetHandleInformation((HANDLE) keep[i], HANDLE_FLAG_INHERIT, 0);
}

/* ---- ending ---- */

static uint64_t microseconds(FILETIME time)
{
    return ((uint64_t) time.dwHighDateTime << 32 | time.dwLowDateTime) / 10;
}

static mproc_usage usage_of(HANDLE process)
{
    FILETIME created, ended, kernel, user;
    PROCESS_MEMORY_COUNTERS memory;
    mproc_usage usage = { 0 };
    if (GetProcessTimes(process, &created, &ended, &kernel, &user)) {
        usage.user_us = microseconds(user);
        usage.system_us = microseconds(kernel);
    }
    if (GetProcessMemoryInfo(process, &memory, sizeof memory))
        usage.max_resident_bytes = memory.PeakWorkingSetSize;
    return usage;
}

bool mproc_plat_process_reap(struct mproc_plat_process *process, struct mproc_plat_status *status)
{
    DWORD code;
    if (process->watch == MPROC_PLAT_NONE) {
        *status = (struct mproc_plat_status){ 0 };
        return true;
    }
    if (WaitForSingleObject((HANDLE) process->watch, 0) != WAIT_OBJECT_0)
        return false;
    status->known = GetExitCodeProcess((HANDLE) process->watch, &code) != 0;
    status->signalled = status->known && code == MPROC__TERMINATED;
    status->code = status->signalled ? 15 : (int) code;
    status->usage = usage_of((HANDLE) process->watch);
    return true;
}

/* A console interrupts groups, and this child is in its parent's. */
mproc_err mproc_plat_process_interrupt(const struct mproc_plat_process *process)
{
    return mproc__fail(MPROC_ENOTSUP, "Windows cannot interrupt process %lld alone; terminate it, or tell it to end",
                       (long long) process->pid);
}

mproc_err mproc_plat_process_stop(const struct mproc_plat_process *process, bool force)
{
    (void) force;
    if (process->watch == MPROC_PLAT_NONE ||
        TerminateProcess((HANDLE) process->watch, MPROC__TERMINATED) ||
        WaitForSingleObject((HANDLE) process->watch, 0) == WAIT_OBJECT_0)
        return MPROC_OK;
    DWORD code = GetLastError();
    /* Between its end and the signal of its handle it can no longer be terminated. */
    if (code == ERROR_ACCESS_DENIED &&
        WaitForSingleObject((HANDLE) process->watch, 1000) == WAIT_OBJECT_0)
        return MPROC_OK;
    return mproc__fail_system(MPROC_EPERM, (int) code, "cannot terminate process %lld",
                              (long long) process->pid);
}

void mproc_plat_process_forget(struct mproc_plat_process *process)
{
    if (process->watch != MPROC_PLAT_NONE)
        CloseHandle((HANDLE) process->watch);
    process->watch = MPROC_PLAT_NONE;
}

mproc_err mproc_plat_at_host_fork(void (*forked)(void))
{
    (void) forked;
    return MPROC_OK;
}

void mproc_plat_process_forked(const struct mproc_plat_process *process)
{
    (void) process;
}
