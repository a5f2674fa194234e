/* SPDX-License-Identifier: MIT */
/* Starting a program so that it gets exactly the handles it is meant to have. */
#include "win32.h"

#include <stdlib.h>
#include <wchar.h>

/* TerminateProcess() by us, as Python has it: reported as -15. */
#define TERMINATED 0x10000

/* ---- the environment block ---- */

static size_t name_length(const wchar_t *entry)
{
    const wchar_t *equals = wcschr(entry + 1, L'='); /* "=C:=C:\..." begins with one */
    return equals ? (size_t) (equals - entry) : wcslen(entry);
}

static int by_name(const void *a, const void *b)
{
    const wchar_t *x = *(wchar_t *const *) a, *y = *(wchar_t *const *) b;
    return CompareStringOrdinal(x, (int) name_length(x), y, (int) name_length(y), TRUE) - CSTR_EQUAL;
}

static bool same_name(const wchar_t *a, const wchar_t *b)
{
    return by_name(&a, &b) == 0;
}

struct environment {
    wchar_t **entries;
    size_t count, owned; /* the first `owned` were allocated here */
};

/* Additions first, then what of this process's variables they do not name. */
static mproc_err collect(const struct mproc_plat_spawn *spawn, const wchar_t *own,
                         struct environment *result)
{
    size_t additions = 1, existing = 0;
    for (const char *const *entry = spawn->environment; entry && *entry; entry++)
        additions++;
    for (const wchar_t *entry = own; *entry; entry += wcslen(entry) + 1)
        existing++;
    result->entries = calloc(additions + existing, sizeof *result->entries);
    if (!result->entries)
        return mproc__fail(MPROC_ENOMEM, "no memory for the child's environment");
    char boot[300] = "MPROC_BOOT=";
    strncat(boot, spawn->boot, sizeof boot - 12);
    for (size_t i = 0; i < additions; i++) {
        wchar_t *wide = mproc__wide(i == 0 ? boot : spawn->environment[i - 1]);
        if (!wide)
            return MPROC_EINVAL;
        result->entries[result->count++] = wide;
        result->owned++;
    }
    for (const wchar_t *entry = own; *entry; entry += wcslen(entry) + 1) {
        bool replaced = false;
        for (size_t i = 0; i < result->owned && !replaced; i++)
            replaced = same_name(entry, result->entries[i]);
        if (!replaced)
            result->entries[result->count++] = (wchar_t *) entry;
    }
    return MPROC_OK;
}

/* Sorted, one after the other, without those that have no '=': they remove. A later addition wins. */
static wchar_t *join_block(struct environment *environment)
{
    for (size_t i = 0; i < environment->owned; i++)
        for (size_t j = i + 1; j < environment->owned; j++)
            if (same_name(environment->entries[i], environment->entries[j]))
                environment->entries[i][0] = L'\0';
    size_t size = 1;
    for (size_t i = 0; i < environment->count; i++)
        size += wcslen(environment->entries[i]) + 1;
    wchar_t *block = calloc(size + 1, sizeof *block), *end = block;
    wchar_t **sorted = malloc(environment->count * sizeof *sorted);
    if (!block || !sorted) {
        free(block);
        free(sorted);
        mproc__fail(MPROC_ENOMEM, "no memory for the child's environment");
        return NULL;
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
    return block;
}

static wchar_t *make_block(const struct mproc_plat_spawn *spawn)
{
    wchar_t *own = GetEnvironmentStringsW(), *block = NULL;
    struct environment environment = { 0 };
    if (own && collect(spawn, own, &environment) == MPROC_OK)
        block = join_block(&environment);
    for (size_t i = 0; i < environment.owned; i++)
        free(environment.entries[i]);
    free(environment.entries);
    if (own)
        FreeEnvironmentStringsW(own);
    return block;
}

/* ---- handles: inheritable only while CreateProcess runs, and only for this child ---- */

static SRWLOCK starting = SRWLOCK_INIT;

struct launch {
    HANDLE standard[3];
    HANDLE *list;
    size_t count;
    const struct mproc_plat_spawn *spawn;
    wchar_t *executable, *command, *folder, *block;
    LPPROC_THREAD_ATTRIBUTE_LIST attributes;
};

static void add_handle(struct launch *launch, HANDLE handle)
{
    for (size_t i = 0; i < launch->count; i++)
        if (launch->list[i] == handle)
            return;
    launch->list[launch->count++] = handle;
}

/* The child's streams are duplicates, so that nothing of ours becomes inheritable. */
static mproc_err gather_handles(struct launch *launch)
{
    const struct mproc_plat_spawn *spawn = launch->spawn;
    launch->list = calloc(spawn->keep_count + 3, sizeof *launch->list);
    if (!launch->list)
        return mproc__fail(MPROC_ENOMEM, "no memory for a child's handles");
    for (int stream = 0; stream < 3; stream++) {
        mproc_plat_handle handle = spawn->standard[stream];
        if (handle == MPROC_PLAT_NONE)
            handle = mproc_plat_stdio_own(stream);
        if (handle == MPROC_PLAT_NONE)
            continue;
        if (!DuplicateHandle(GetCurrentProcess(), (HANDLE) handle, GetCurrentProcess(),
                             &launch->standard[stream], 0, TRUE, DUPLICATE_SAME_ACCESS))
            return mproc__fail_system(MPROC_EAGAIN, (int) GetLastError(), "cannot pass on stream %d", stream);
        add_handle(launch, launch->standard[stream]);
    }
    for (size_t i = 0; i < spawn->keep_count; i++)
        add_handle(launch, (HANDLE) spawn->keep[i]);
    return MPROC_OK;
}

static void set_inheritable(const struct launch *launch, bool inheritable)
{
    for (size_t i = 0; i < launch->spawn->keep_count; i++)
        SetHandleInformation((HANDLE) launch->spawn->keep[i], HANDLE_FLAG_INHERIT,
                             inheritable ? HANDLE_FLAG_INHERIT : 0);
}

/* Closing the last handle of this job, so also our death, ends every daemon and what it started. */
static HANDLE daemons_job(void)
{
    static HANDLE job;
    if (job)
        return job;
    job = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = { 0 };
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (job)
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    return job;
}

static mproc_err set_attributes(struct launch *launch, HANDLE *job)
{
    SIZE_T size = 0;
    DWORD wanted = launch->spawn->daemon ? 2 : 1;
    InitializeProcThreadAttributeList(NULL, wanted, 0, &size);
    launch->attributes = malloc(size);
    if (!launch->attributes || !InitializeProcThreadAttributeList(launch->attributes, wanted, 0, &size)) {
        free(launch->attributes);
        launch->attributes = NULL;
        return mproc__fail(MPROC_ENOMEM, "no memory to start a process");
    }
    if (launch->count > 0 &&
        !UpdateProcThreadAttribute(launch->attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, launch->list,
                                   launch->count * sizeof(HANDLE), NULL, NULL))
        return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(), "cannot list a child's handles");
    *job = launch->spawn->daemon ? daemons_job() : NULL;
    /* Without a job the daemon still ends itself, by its lifeline. */
    if (*job)
        UpdateProcThreadAttribute(launch->attributes, 0, PROC_THREAD_ATTRIBUTE_JOB_LIST, job, sizeof *job,
                                  NULL, NULL);
    return MPROC_OK;
}

/* ---- starting ---- */

static mproc_err prepare_texts(struct launch *launch)
{
    char path[MPROC_PLAT_PATH_SIZE];
    const char *executable = launch->spawn->executable;
    if (!executable) {
        mproc_err err = mproc_plat_executable(path, sizeof path);
        if (err != MPROC_OK)
            return err;
        executable = path;
    }
    launch->executable = mproc__wide(executable);
    if (!launch->executable)
        return MPROC_EINVAL;
    size_t size = wcslen(launch->executable) + 3;
    launch->command = malloc(size * sizeof *launch->command);
    if (!launch->command)
        return mproc__fail(MPROC_ENOMEM, "no memory to start a process");
    swprintf(launch->command, size, L"\"%ls\"", launch->executable);
    if (launch->spawn->working_directory) {
        launch->folder = mproc__wide(launch->spawn->working_directory);
        if (!launch->folder)
            return MPROC_EINVAL;
    }
    launch->block = make_block(launch->spawn);
    return launch->block ? MPROC_OK : MPROC_ENOMEM;
}

static mproc_err create(struct launch *launch, struct mproc_plat_process *process)
{
    STARTUPINFOEXW startup = { 0 };
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = launch->standard[0];
    startup.StartupInfo.hStdOutput = launch->standard[1];
    startup.StartupInfo.hStdError = launch->standard[2];
    PROCESS_INFORMATION created;
    AcquireSRWLockExclusive(&starting);
    HANDLE job;
    mproc_err err = set_attributes(launch, &job);
    if (err == MPROC_OK) {
        startup.lpAttributeList = launch->attributes;
        set_inheritable(launch, true);
        if (!CreateProcessW(launch->executable, launch->command, NULL, NULL, TRUE,
                            EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT, launch->block,
                            launch->folder, &startup.StartupInfo, &created)) {
            DWORD code = GetLastError();
            err = mproc__fail_system(mproc__from_windows(code), (int) code, "cannot start '%s'",
                                     launch->spawn->executable ? launch->spawn->executable
                                                               : "this program again");
        }
        set_inheritable(launch, false);
    }
    ReleaseSRWLockExclusive(&starting);
    if (err != MPROC_OK)
        return err;
    CloseHandle(created.hThread);
    process->pid = (int64_t) created.dwProcessId;
    process->watch = (mproc_plat_handle) created.hProcess;
    process->relayed = false;
    return MPROC_OK;
}

mproc_err mproc_plat_spawn(const struct mproc_plat_spawn *spawn, struct mproc_plat_process *process)
{
    struct launch launch = { .spawn = spawn };
    mproc_err err = prepare_texts(&launch);
    if (err == MPROC_OK)
        err = gather_handles(&launch);
    if (err == MPROC_OK)
        err = create(&launch, process);
    for (int stream = 0; stream < 3; stream++)
        if (launch.standard[stream])
            CloseHandle(launch.standard[stream]);
    if (launch.attributes) {
        DeleteProcThreadAttributeList(launch.attributes);
        free(launch.attributes);
    }
    free(launch.list);
    free(launch.executable);
    free(launch.command);
    free(launch.folder);
    free(launch.block);
    return err;
}

void mproc_plat_close_others(const mproc_plat_handle *keep, size_t count)
{
    (void) keep;
    (void) count; /* the handle list has seen to it */
}

/* ---- ending ---- */

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
    status->signalled = status->known && code == TERMINATED;
    status->code = status->signalled ? 15 : (int) code;
    return true;
}

mproc_err mproc_plat_process_stop(const struct mproc_plat_process *process, bool force)
{
    (void) force;
    if (process->watch == MPROC_PLAT_NONE || TerminateProcess((HANDLE) process->watch, TERMINATED) ||
        WaitForSingleObject((HANDLE) process->watch, 0) == WAIT_OBJECT_0)
        return MPROC_OK;
    DWORD code = GetLastError();
    /* Between its end and the signal of its handle it can no longer be terminated. */
    if (code == ERROR_ACCESS_DENIED && WaitForSingleObject((HANDLE) process->watch, 1000) == WAIT_OBJECT_0)
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
