/* SPDX-License-Identifier: MIT */
/* Standard streams and folders. */
#include "win32.h"

#include <stdio.h>
#include <stdlib.h>

mproc_err mproc_plat_stdio_open(int stream, const char *path, mproc_plat_handle *handle)
{
    wchar_t *wide;
    mproc_err err = mproc__wide(path ? path : "NUL", &wide);
    if (err != MPROC_OK)
        return err;
    DWORD access = stream == 0 ? GENERIC_READ
                               : FILE_APPEND_DATA | SYNCHRONIZE | FILE_READ_ATTRIBUTES;
    if (!path && stream != 0)
        access = GENERIC_WRITE;
    HANDLE file = CreateFileW(wide, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                              NULL, stream == 0 || !path ? OPEN_EXISTING : OPEN_ALWAYS,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD code = GetLastError();
    free(wide);
    if (file == INVALID_HANDLE_VALUE)
        return mproc__fail_system(mproc__from_windows(code), (int) code,
                                  "cannot open '%s' as a child's stream %d", path ? path : "NUL",
                                  stream);
    *handle = (mproc_plat_handle) file;
    return MPROC_OK;
}

mproc_err mproc_plat_file_create(const char *path, mproc_plat_handle *handle)
{
    wchar_t *wide;
    mproc_err err = mproc__wide(path, &wide);
    if (err != MPROC_OK)
        return err;
    HANDLE file = CreateFileW(wide, GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, CREATE_ALWAYS,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD code = GetLastError();
    free(wide);
    if (file == INVALID_HANDLE_VALUE)
        return mproc__fail_system(mproc__from_windows(code), (int) code,
                                  "cannot create '%s' for a child's output", path);
    *handle = (mproc_plat_handle) file;
    return MPROC_OK;
}

mproc_err mproc_plat_handle_check(mproc_plat_handle handle)
{
    DWORD flags;
    /* NONE is also what stands for this process itself. */
    if (handle == MPROC_PLAT_NONE)
        return mproc__fail(MPROC_EINVAL, "no handle was given");
    if (GetHandleInformation((HANDLE) handle, &flags))
        return MPROC_OK;
    return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(),
                              "handle %lld is not open in this process", (long long) handle);
}

mproc_plat_handle mproc_plat_stdio_own(int stream)
{
    static const DWORD names[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };
    HANDLE handle = GetStdHandle(names[stream]);
    return handle && handle != INVALID_HANDLE_VALUE ? (mproc_plat_handle) handle : MPROC_PLAT_NONE;
}

mproc_err mproc_plat_stdio_replace(const mproc_plat_handle standard[3])
{
    (void) standard;
    return mproc__fail(MPROC_ENOTSUP,
                       "only forked children replace their streams; Windows has none");
}

mproc_err mproc_plat_folder_open(const char *path, mproc_plat_handle *folder)
{
    wchar_t *wide;
    mproc_err err = mproc__wide(path, &wide);
    if (err != MPROC_OK)
        return err;
    DWORD attributes = GetFileAttributesW(wide);
    DWORD code = GetLastError();
    free(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return mproc__fail_system(mproc__from_windows(code), (int) code, "no folder '%s'", path);
    if (!(attributes & FILE_ATTRIBUTE_DIRECTORY))
        return mproc__fail(MPROC_ENOTFOUND, "'%s' is no folder", path);
    *folder = MPROC_PLAT_NONE;
    return MPROC_OK;
}

mproc_err mproc_plat_folder_enter(mproc_plat_handle folder)
{
    (void) folder;
    return mproc__fail(MPROC_ENOTSUP, "only forked children enter their folder; Windows has none");
}

/* How long a start waits for a thread that sits in a write to a full pipe. */
enum { PATIENCE_MS = 200 };

/* fflush(NULL) could wait for a thread that reads stdin. */
static DWORD WINAPI flush_both(void *unused)
{
    (void) unused;
    fflush(stdout);
    fflush(stderr);
    return 0;
}

static void *volatile unfinished; /* the thread of a flush that has not come back yet */

static void remember_unfinished(HANDLE thread)
{
    HANDLE other = InterlockedExchangePointer(&unfinished, thread);
    if (other)
        CloseHandle(other);
}

/* Nobody tells whether a stream is free. So a thread finds out, and while one waits for a stream no other tries. */
void mproc_plat_stdio_flush(bool alone)
{
    (void) alone;
    HANDLE thread = InterlockedExchangePointer(&unfinished, NULL);
    if (thread && WaitForSingleObject(thread, 0) != WAIT_OBJECT_0) {
        remember_unfinished(thread);
        return;
    }
    if (thread)
        CloseHandle(thread);
    thread = CreateThread(NULL, 0, flush_both, NULL, 0, NULL);
    if (thread && WaitForSingleObject(thread, PATIENCE_MS) != WAIT_OBJECT_0)
        remember_unfinished(thread);
    else if (thread)
        CloseHandle(thread);
}

/* No process of Windows is forked. */
void mproc_plat_stdio_finish(bool alone)
{
    (void) alone;
}

void mproc_plat_stdio_error(const char *text, size_t size)
{
    DWORD written;
    HANDLE handle = GetStdHandle(STD_ERROR_HANDLE);
    if (handle && handle != INVALID_HANDLE_VALUE)
        WriteFile(handle, text, (DWORD) size, &written, NULL);
}
