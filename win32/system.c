/* SPDX-License-Identifier: MIT */
/* Clock, random numbers, error texts, environment. */
#include "win32.h"

#include <bcrypt.h>
#include <psapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mproc_err mproc__from_windows(DWORD code)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_DIRECTORY:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
        return MPROC_ENOTFOUND;
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
        return MPROC_EPERM;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
        return MPROC_ENOMEM;
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_TOO_MANY_OPEN_FILES:
    case ERROR_NOT_ENOUGH_QUOTA:
    case ERROR_MAX_THRDS_REACHED:
        return MPROC_EAGAIN;
    case ERROR_INVALID_HANDLE:
    case ERROR_INVALID_PARAMETER:
        return MPROC_EINVAL;
    case ERROR_BAD_EXE_FORMAT:
        return MPROC_EIMAGE;
    default:
        return MPROC_ESYSTEM;
    }
}

mproc_err mproc_plat_start(void)
{
    /* A child that crashes is to end, not to open a dialog. The root's setting is its own. */
    if (GetEnvironmentVariableW(L"MPROC_BOOT", NULL, 0) > 0)
        SetErrorMode(GetErrorMode() | SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    return MPROC_OK;
}

/* It may be asked before mproc_plat_start(), by mproc_sleep(). */
static int64_t ticks_per_second(void)
{
    static _Atomic int64_t known; /* the same for all threads that find it out */
    if (known == 0) {
        LARGE_INTEGER frequency;
        QueryPerformanceFrequency(&frequency);
        known = frequency.QuadPart;
    }
    return known;
}

int64_t mproc_plat_now(void)
{
    LARGE_INTEGER ticks;
    QueryPerformanceCounter(&ticks);
    int64_t per_second = ticks_per_second();
    int64_t seconds = ticks.QuadPart / per_second, rest = ticks.QuadPart % per_second;
    return seconds * INT64_C(1000000000) + rest * INT64_C(1000000000) / per_second;
}

DWORD mproc__milliseconds(int64_t deadline)
{
    if (deadline == MPROC_PLAT_NEVER)
        return INFINITE;
    int64_t left = deadline == 0 ? 0 : deadline - mproc_plat_now();
    if (left <= 0)
        return 0;
    int64_t milliseconds = (left - 1) / 1000000 + 1;
    return milliseconds < 0x7fffffff ? (DWORD) milliseconds : 0x7fffffff;
}

void mproc_plat_sleep(int64_t nanoseconds)
{
    int64_t milliseconds = nanoseconds <= 0 ? 0 : (nanoseconds - 1) / 1000000 + 1;
    Sleep(milliseconds < 0x7fffffff ? (DWORD) milliseconds : 0x7fffffff);
}

void mproc_plat_yield(void)
{
    SwitchToThread();
}

mproc_err mproc_plat_random(void *buffer, size_t size)
{
    NTSTATUS status = BCryptGenRandom(NULL, buffer, (ULONG) size, BCRYPT_USE_SYSTEM_PREFERRED_RNG);
    return status == 0 ? MPROC_OK
                       : mproc__fail(MPROC_ESYSTEM, "Windows gave no random bytes (status %lx)",
                                     (unsigned long) status);
}

void mproc_plat_system_text(int code, char *buffer, size_t size)
{
    wchar_t wide[300];
    DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                  (DWORD) code, 0, wide, sizeof wide / sizeof *wide, NULL);
    while (length > 0 && (wide[length - 1] == L'\n' || wide[length - 1] == L'\r' ||
                          wide[length - 1] == L'.' || wide[length - 1] == L' '))
        length--;
    wide[length < 299 ? length : 299] = L'\0';
    if (length == 0 ||
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, buffer, (int) size, NULL, NULL) <= 0)
        snprintf(buffer, size, "Windows error %d", code);
}

void mproc_plat_signal_text(int number, char *buffer, size_t size)
{
    snprintf(buffer, size, number == 15 ? "terminated" : "ended by %d", number);
}

mproc_err mproc_plat_set_environment(const char *name, const char *value)
{
    wchar_t *wide_name = NULL, *wide_value = NULL;
    mproc_err err = mproc__wide(name, &wide_name);
    if (err == MPROC_OK && value)
        err = mproc__wide(value, &wide_value);
    /* Both the C library's copy, for getenv(), and the system's, for programs started from here:
     * the first cannot hold an empty value. */
    if (err == MPROC_OK && _wputenv_s(wide_name, value ? wide_value : L"") != 0)
        err = mproc__fail(MPROC_EINVAL, "the environment cannot hold the variable %s", name);
    if (err == MPROC_OK && !SetEnvironmentVariableW(wide_name, wide_value) &&
        GetLastError() != ERROR_ENVVAR_NOT_FOUND)
        err = mproc__fail_system(MPROC_EINVAL, (int) GetLastError(),
                                 "the environment cannot hold the variable %s", name);
    free(wide_name);
    free(wide_value);
    return err;
}

bool mproc_plat_address_mapped(const void *address)
{
    MEMORY_BASIC_INFORMATION information;
    return VirtualQuery(address, &information, sizeof information) != 0 &&
           information.State == MEM_COMMIT;
}

void mproc_plat_handle_close(mproc_plat_handle handle)
{
    if (handle != MPROC_PLAT_NONE)
        CloseHandle((HANDLE) handle);
}

/* Not _exit(): it leaves it to the libraries to end, and some flush or run handlers then. */
void mproc_plat_exit_now(int exit_code)
{
    TerminateProcess(GetCurrentProcess(), (UINT) exit_code);
    abort(); /* does not come here */
}

const mproc_start_method *mproc_plat_start_methods(size_t *count)
{
    static const mproc_start_method methods[] = { MPROC_START_SPAWN };
    *count = 1;
    return methods;
}

uint64_t mproc_plat_memory_used(void)
{
    /* PagefileUsage is what PrivateUsage is on Windows; Wine has only the former. */
    PROCESS_MEMORY_COUNTERS counters = { .cb = sizeof counters };
    return GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters) ? counters.PagefileUsage : 0;
}

void mproc_plat_ignore_interrupt(void)
{
    SetConsoleCtrlHandler(NULL, TRUE);
}

bool mproc_plat_is_terminal(int stream)
{
    HANDLE handle = GetStdHandle(stream == 0 ? STD_INPUT_HANDLE
                                 : stream == 1 ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE);
    DWORD mode;
    return GetConsoleMode(handle, &mode) != 0;
}
