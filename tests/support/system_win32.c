/* SPDX-License-Identifier: MIT */
/* Windows. */
#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

int list_descriptors(int *numbers, int capacity)
{
    (void) numbers;
    (void) capacity;
    return -1;
}

void system_prepare(void)
{
}

void system_finish(void)
{
}

void leftovers_count(struct leftovers *leftovers)
{
    DWORD handles = 0;
    GetProcessHandleCount(GetCurrentProcess(), &handles);
    leftovers->descriptors = handles ? (int) handles : -1; /* Wine says 0 */
    leftovers->children = leftovers->family = -1;
    leftovers->names = leftovers->files = 0;
}

bool leftovers_same(const struct leftovers *before, const struct leftovers *after, char *text, size_t size)
{
    snprintf(text, size, "handles %d -> %d", before->descriptors, after->descriptors);
    /* The thread pool keeps a few of its own. */
    return after->descriptors <= before->descriptors + 8;
}

static void CALLBACK bark(void *unused, BOOLEAN fired)
{
    (void) unused;
    (void) fired;
    fprintf(stderr, "\nwatchdog: the test takes too long\n");
    TerminateProcess(GetCurrentProcess(), 98);
}

void watchdog_start(unsigned seconds)
{
    static HANDLE timer;
    if (timer)
        DeleteTimerQueueTimer(NULL, timer, INVALID_HANDLE_VALUE);
    CreateTimerQueueTimer(&timer, NULL, bark, NULL, seconds * 1000, 0, WT_EXECUTEONLYONCE);
}

bool system_is_windows(void)
{
    return true;
}

bool system_is_emulated(void)
{
    return false;
}

bool system_is_wine(void)
{
    return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

uint64_t system_free_memory(void)
{
    MEMORYSTATUSEX memory = { .dwLength = sizeof memory };
    return GlobalMemoryStatusEx(&memory) ? memory.ullAvailPhys : 0;
}

void kill_hard(int64_t pid)
{
    HANDLE process = OpenProcess(PROCESS_TERMINATE, FALSE, (DWORD) pid);
    if (process) {
        TerminateProcess(process, 0x10000);
        CloseHandle(process);
    }
}

bool pid_runs(int64_t pid)
{
    HANDLE process = OpenProcess(SYNCHRONIZE, FALSE, (DWORD) pid);
    bool runs = process && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    if (process)
        CloseHandle(process);
    return runs;
}

static wchar_t *wide(const char *text)
{
    static wchar_t buffers[4][1200];
    static unsigned next;
    wchar_t *buffer = buffers[next++ % 4];
    MultiByteToWideChar(CP_UTF8, 0, text, -1, buffer, 1200);
    return buffer;
}

int run_program(const char *path, const char *argument, char *output, size_t size)
{
    SECURITY_ATTRIBUTES inheritable = { sizeof inheritable, NULL, TRUE };
    HANDLE reader, writer;
    char command[2400];
    snprintf(command, sizeof command, "\"%s\" %s", path, argument ? argument : "");
    if (!CreatePipe(&reader, &writer, &inheritable, 0))
        return -1;
    SetHandleInformation(reader, HANDLE_FLAG_INHERIT, 0);
    STARTUPINFOW startup = { .cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES };
    startup.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    startup.hStdOutput = writer;
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    PROCESS_INFORMATION created;
    BOOL started = FALSE;
    for (int tries = 0; !started && tries < 5; tries++) /* see win32/process.c */
        started = CreateProcessW(wide(path), wide(command), NULL, NULL, TRUE, 0, NULL, NULL, &startup, &created);
    CloseHandle(writer);
    size_t used = 0;
    DWORD got, code = (DWORD) -1;
    char spill[512];
    for (;;) {
        bool full = used + 1 >= size;
        if (!started || !ReadFile(reader, full ? spill : output + used,
                                  (DWORD) (full ? sizeof spill : size - used - 1), &got, NULL) ||
            got == 0)
            break;
        if (!full)
            used += got;
    }
    if (size)
        output[used] = '\0';
    CloseHandle(reader);
    if (!started)
        return -1;
    WaitForSingleObject(created.hProcess, 60000);
    GetExitCodeProcess(created.hProcess, &code);
    CloseHandle(created.hProcess);
    CloseHandle(created.hThread);
    return (int) code;
}

void end_hard(const char *how)
{
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "crash") == 0)
        RaiseException(EXCEPTION_ACCESS_VIOLATION, 0, 0, NULL);
    _exit(7);
}

size_t list_deadly_signals(int *numbers, size_t capacity)
{
    (void) numbers;
    (void) capacity;
    return 0;
}

void end_by_signal(int number)
{
    (void) number;
}

void describe_signals(char text[SIGNALS_SIZE])
{
    text[0] = '\0';
}

void change_signals(bool change)
{
    (void) change;
}

int signals_caught(void)
{
    return 0;
}

void signal_itself(void)
{
}

void ignore_terminate(void)
{
}

void ignore_children(bool ignore)
{
    (void) ignore;
}

bool steal_status(int64_t pid)
{
    (void) pid;
    return false;
}

bool suspend(int64_t pid)
{
    (void) pid;
    return false;
}

void resume(int64_t pid)
{
    (void) pid;
}

bool copy_a_file(const char *from, const char *to)
{
    return CopyFileW(wide(from), wide(to), FALSE);
}

void *library_open(const char *path)
{
    return (void *) LoadLibraryW(wide(path));
}

void *library_find(void *library, const char *name)
{
    FARPROC found = GetProcAddress((HMODULE) library, name);
    void *address;
    memcpy(&address, &found, sizeof address);
    return address;
}

void library_close(void *library)
{
    FreeLibrary((HMODULE) library);
}

bool create_folder(const char *path)
{
    return CreateDirectoryW(wide(path), NULL) || GetLastError() == ERROR_ALREADY_EXISTS;
}

void remove_file(const char *path)
{
    DeleteFileW(wide(path));
}

void ignore_pipe_signal(bool ignore)
{
    (void) ignore;
}

void remove_folder(const char *path)
{
    char pattern[1100];
    snprintf(pattern, sizeof pattern, "%s\\*", path);
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(wide(pattern), &found);
    while (search != INVALID_HANDLE_VALUE) {
        wchar_t name[1400];
        swprintf(name, 1400, L"%ls\\%ls", wide(path), found.cFileName);
        DeleteFileW(name);
        if (!FindNextFileW(search, &found))
            break;
    }
    if (search != INVALID_HANDLE_VALUE)
        FindClose(search);
    RemoveDirectoryW(wide(path));
}

/* ---- processes ---- */

int exit_code_of(int code)
{
    return code;
}

int exit_code_after(const char *how)
{
    if (strcmp(how, "abort") == 0)
        return 0; /* depends on the C library */
    return strcmp(how, "crash") == 0 ? (int) EXCEPTION_ACCESS_VIOLATION : 7;
}

int64_t system_parent_pid(void)
{
    return 0;
}

int64_t host_fork(void)
{
    return -1;
}

int host_wait(int64_t pid)
{
    (void) pid;
    return -1000;
}

bool become_nobody(void)
{
    return false;
}

bool deny_others(void)
{
    SECURITY_DESCRIPTOR descriptor;
    ACL nobody;
    return InitializeAcl(&nobody, sizeof nobody, ACL_REVISION) &&
           InitializeSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION) &&
           SetSecurityDescriptorDacl(&descriptor, TRUE, &nobody, FALSE) &&
           SetKernelObjectSecurity(GetCurrentProcess(), DACL_SECURITY_INFORMATION, &descriptor);
}

bool forbid_system_calls(void)
{
    return false;
}

bool forbid_waitid(void)
{
    return false;
}

bool forbid_sending_descriptors(void)
{
    return false;
}

int64_t count_reads(void)
{
    return -1;
}

bool enter_empty_root(void)
{
    return false;
}

bool set_own_limit(const char *what, uint64_t value)
{
    (void) what;
    (void) value;
    return false;
}

uint64_t soft_limit_of(const char *what)
{
    (void) what;
    return UINT64_MAX;
}

int64_t raise_descriptor_limit(void)
{
    return -1;
}

/* ---- files and HANDLEs ---- */

bool make_temporary_folder(const char *name, char *path, size_t size)
{
    static unsigned next;
    wchar_t parent[300];
    char narrow[1000];
    DWORD length = GetTempPathW(300, parent);
    if (length == 0 || !WideCharToMultiByte(CP_UTF8, 0, parent, -1, narrow, sizeof narrow, NULL, NULL))
        return false;
    snprintf(path, size, "%stested %s %lu-%u", narrow, name, GetCurrentProcessId(), next++);
    return CreateDirectoryW(wide(path), NULL);
}

bool file_exists(const char *path)
{
    return GetFileAttributesW(wide(path)) != INVALID_FILE_ATTRIBUTES;
}

void wait_until_asleep(int64_t pid)
{
    (void) pid;
    Sleep(50);
}

bool make_unreadable_file(const char *path, intptr_t *keep)
{
    HANDLE alone = CreateFileW(wide(path), GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    *keep = (intptr_t) alone;
    return alone != INVALID_HANDLE_VALUE;
}

intptr_t native_open(const char *path, bool for_writing)
{
    SECURITY_ATTRIBUTES inheritable = { sizeof inheritable, NULL, TRUE };
    return (intptr_t) CreateFileW(wide(path), for_writing ? FILE_APPEND_DATA | SYNCHRONIZE : GENERIC_READ,
                                  FILE_SHARE_READ | FILE_SHARE_WRITE, &inheritable,
                                  for_writing ? OPEN_ALWAYS : OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
}

bool native_write(intptr_t native, const char *text)
{
    DWORD written = 0;
    return WriteFile((HANDLE) native, text, (DWORD) strlen(text), &written, NULL) &&
           written == strlen(text);
}

bool shrink_shared_memory(uint64_t bytes)
{
    (void) bytes;
    return false;
}

int64_t file_memory(intptr_t native)
{
    (void) native;
    return -1;
}

int native_read(intptr_t native, char *text, size_t size)
{
    DWORD got = 0;
    BOOL read = ReadFile((HANDLE) native, text, (DWORD) size - 1, &got, NULL);
    text[read ? got : 0] = '\0';
    return read ? (int) got : -1;
}

void native_close(intptr_t native)
{
    CloseHandle((HANDLE) native);
}

bool native_ready(intptr_t native, int milliseconds)
{
    return WaitForSingleObject((HANDLE) native, (DWORD) milliseconds) == WAIT_OBJECT_0;
}

bool system_lists_streams(void)
{
    return false;
}

bool system_tells_exit_codes(void)
{
    return false;
}

void lock_stream(FILE *stream)
{
    _lock_file(stream);
}

void unlock_stream(FILE *stream)
{
    _unlock_file(stream);
}

intptr_t native_stream(int stream)
{
    static const DWORD names[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };
    return (intptr_t) GetStdHandle(names[stream]);
}

bool become_group(void)
{
    return false;
}

/* The console is new, so nobody else is at it. What is to end this process comes in another thread. */
bool interrupt_myself(void)
{
    FreeConsole();
    if (!AllocConsole() || !GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0))
        return false;
    Sleep(500);
    return true;
}

bool environment_is(const char *name, const char *value)
{
    wchar_t found[200];
    SetLastError(0);
    DWORD length = GetEnvironmentVariableW(wide(name), found, 200);
    if (length == 0 && GetLastError() == ERROR_ENVVAR_NOT_FOUND)
        return !value;
    return value && wcscmp(found, wide(value)) == 0;
}

void interrupt_group(void)
{
}
