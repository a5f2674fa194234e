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

void leftovers_count(struct leftovers *leftovers)
{
    DWORD handles = 0;
    GetProcessHandleCount(GetCurrentProcess(), &handles);
    leftovers->descriptors = handles ? (int) handles : -1; /* Wine says 0 */
    leftovers->children = -1;
    leftovers->names = 0;
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
    BOOL started = CreateProcessW(wide(path), wide(command), NULL, NULL, TRUE, 0, NULL, NULL, &startup,
                                  &created);
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
        *(volatile int *) 8 = 1;
    _exit(7);
}

bool copy_a_file(const char *from, const char *to)
{
    return CopyFileW(wide(from), wide(to), FALSE);
}

bool create_folder(const char *path)
{
    return CreateDirectoryW(wide(path), NULL) || GetLastError() == ERROR_ALREADY_EXISTS;
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
