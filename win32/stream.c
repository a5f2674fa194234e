/* SPDX-License-Identifier: MIT */
/* This side's ends of children's pipes: named pipes with overlapped input and output here, and ordinary
 * files for the child. */
#include "win32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define PIPE_BYTES 65536
/* A write that has begun goes on after its call has returned, from a copy: a cancelled one would not tell
 * how much of it the child has read. */
#define PIECE 65536

struct mproc_plat_stream {
    HANDLE handle;
    OVERLAPPED overlapped; /* its event tells the end of what is under way */
    bool busy;             /* a read or write is under way */
    char *piece;
};

static mproc_err no_pipe(DWORD code)
{
    return mproc__fail_system(mproc__from_windows(code), (int) code, "cannot make a pipe to a child");
}

static HANDLE open_pair(bool child_reads, DWORD size, HANDLE *childs)
{
    static volatile LONG counter;
    wchar_t name[120];
    uint64_t random = 0;
    if (mproc_plat_random(&random, sizeof random) != MPROC_OK)
        return INVALID_HANDLE_VALUE;
    swprintf(name, sizeof name / sizeof *name, L"\\\\.\\pipe\\mproc-%lu-%ld-%08lx%08lx",
             GetCurrentProcessId(), InterlockedIncrement(&counter), (unsigned long) (random >> 32),
             (unsigned long) random);
    DWORD own_access = child_reads ? PIPE_ACCESS_OUTBOUND : PIPE_ACCESS_INBOUND;
    HANDLE own = CreateNamedPipeW(name, own_access | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
                                  PIPE_TYPE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, size, size,
                                  0, NULL);
    if (own == INVALID_HANDLE_VALUE)
        return own;
    /* The attributes are what SetNamedPipeHandleState() asks for, in programs that call it. */
    DWORD access = child_reads ? GENERIC_READ | FILE_WRITE_ATTRIBUTES
                               : GENERIC_WRITE | FILE_READ_ATTRIBUTES;
    *childs = CreateFileW(name, access, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (*childs != INVALID_HANDLE_VALUE)
        return own;
    DWORD code = GetLastError();
    CloseHandle(own);
    SetLastError(code);
    return INVALID_HANDLE_VALUE;
}

mproc_err mproc_plat_stream_pipe(bool child_reads, size_t size, struct mproc_plat_stream **own,
                                 mproc_plat_handle *childs)
{
    struct mproc_plat_stream *stream = calloc(1, sizeof *stream);
    HANDLE other = NULL;
    if (stream && child_reads)
        stream->piece = malloc(PIECE);
    if (stream)
        stream->overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!stream || !stream->overlapped.hEvent || (child_reads && !stream->piece)) {
        if (stream)
            free(stream->piece);
        free(stream);
        return mproc__fail(MPROC_ENOMEM, "no memory for a stream of a child");
    }
    stream->handle = open_pair(child_reads, size > 0 && size < 1 << 30 ? (DWORD) size : PIPE_BYTES, &other);
    if (stream->handle == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        CloseHandle(stream->overlapped.hEvent);
        free(stream->piece);
        free(stream);
        return no_pipe(code);
    }
    *own = stream;
    *childs = (mproc_plat_handle) other;
    return MPROC_OK;
}

mproc_err mproc_plat_pipeline(size_t size, mproc_plat_handle *reader, mproc_plat_handle *writer)
{
    HANDLE read_end, write_end;
    if (!CreatePipe(&read_end, &write_end, NULL, size < 1 << 30 ? (DWORD) size : 1 << 30))
        return no_pipe(GetLastError());
    *reader = (mproc_plat_handle) read_end;
    *writer = (mproc_plat_handle) write_end;
    return MPROC_OK;
}

mproc_err mproc_plat_terminal_open(unsigned rows, unsigned columns, mproc_plat_handle *own,
                                   mproc_plat_handle *childs)
{
    (void) rows;
    (void) columns;
    (void) own;
    (void) childs;
    return mproc__fail(MPROC_ENOTSUP, "mproc has no pseudo-terminals on Windows; use MPROC_STREAM_PIPE");
}

mproc_err mproc_plat_terminal_stream(mproc_plat_handle own, bool writes, struct mproc_plat_stream **stream)
{
    (void) own;
    (void) writes;
    (void) stream;
    return mproc__fail(MPROC_ENOTSUP, "mproc has no pseudo-terminals on Windows; use MPROC_STREAM_PIPE");
}

mproc_plat_handle mproc_plat_stream_handle(const struct mproc_plat_stream *stream)
{
    return (mproc_plat_handle) stream->handle;
}

void mproc_plat_stream_close(struct mproc_plat_stream *stream)
{
    DWORD unused;
    if (stream->busy && CancelIoEx(stream->handle, &stream->overlapped))
        GetOverlappedResult(stream->handle, &stream->overlapped, &unused, TRUE);
    else if (stream->busy)
        GetOverlappedResult(stream->handle, &stream->overlapped, &unused, TRUE);
    CloseHandle(stream->handle);
    CloseHandle(stream->overlapped.hEvent);
    free(stream->piece);
    free(stream);
}

/* ---- moving bytes ---- */

/* What has happened to a transfer so far. */
enum state { WAITING, MOVED };

static enum state begin_write(struct mproc_plat_transfer *transfer)
{
    struct mproc_plat_stream *stream = transfer->stream;
    DWORD size = transfer->size < PIECE ? (DWORD) transfer->size : PIECE, written = 0;
    if (size == 0) {
        transfer->drained = true;
        return MOVED;
    }
    memcpy(stream->piece, transfer->data, size);
    ResetEvent(stream->overlapped.hEvent);
    if (WriteFile(stream->handle, stream->piece, size, &written, &stream->overlapped))
        transfer->drained = true;
    else if (GetLastError() == ERROR_IO_PENDING)
        stream->busy = true;
    else
        transfer->ended = true;
    transfer->done = transfer->ended ? 0 : size;
    return MOVED;
}

static enum state step_write(struct mproc_plat_transfer *transfer)
{
    struct mproc_plat_stream *stream = transfer->stream;
    DWORD written;
    if (stream->busy) {
        if (!GetOverlappedResult(stream->handle, &stream->overlapped, &written, FALSE)) {
            if (GetLastError() == ERROR_IO_INCOMPLETE)
                return WAITING;
            stream->busy = false;
            transfer->ended = true;
            return MOVED;
        }
        stream->busy = false;
    }
    return begin_write(transfer);
}

static enum state note_read(struct mproc_plat_transfer *transfer, BOOL succeeded, DWORD got)
{
    DWORD code = succeeded ? ERROR_SUCCESS : GetLastError();
    if (code == ERROR_OPERATION_ABORTED || code == ERROR_IO_PENDING || code == ERROR_IO_INCOMPLETE)
        return WAITING;
    transfer->done = succeeded ? got : 0;
    transfer->ended = !succeeded;
    /* A write of nothing is read as nothing. */
    return succeeded && got == 0 ? WAITING : MOVED;
}

static enum state begin_read(struct mproc_plat_transfer *transfer)
{
    struct mproc_plat_stream *stream = transfer->stream;
    DWORD size = transfer->size < 1 << 30 ? (DWORD) transfer->size : 1 << 30, got = 0;
    ResetEvent(stream->overlapped.hEvent);
    BOOL succeeded = ReadFile(stream->handle, transfer->buffer, size, &got, &stream->overlapped);
    stream->busy = !succeeded && GetLastError() == ERROR_IO_PENDING; /* under way */
    return note_read(transfer, succeeded, got);
}

/* A read that is taken back has either read something or left everything where it was. */
static enum state end_read(struct mproc_plat_transfer *transfer)
{
    struct mproc_plat_stream *stream = transfer->stream;
    DWORD got = 0;
    if (!stream->busy)
        return transfer->done > 0 || transfer->ended ? MOVED : WAITING;
    CancelIoEx(stream->handle, &stream->overlapped);
    BOOL succeeded = GetOverlappedResult(stream->handle, &stream->overlapped, &got, TRUE);
    stream->busy = false;
    return note_read(transfer, succeeded, got);
}

static bool begin_all(struct mproc_plat_transfer *transfers, size_t count)
{
    bool moved = false;
    for (size_t i = 0; i < count; i++)
        moved |= (transfers[i].buffer ? begin_read(&transfers[i]) : step_write(&transfers[i])) == MOVED;
    return moved;
}

static bool end_all(struct mproc_plat_transfer *transfers, size_t count, bool moved)
{
    for (size_t i = 0; i < count; i++) {
        struct mproc_plat_transfer *transfer = &transfers[i];
        if (transfer->buffer)
            moved |= end_read(transfer) == MOVED;
        else if (transfer->done == 0 && !transfer->ended && !transfer->drained)
            moved |= step_write(transfer) == MOVED;
    }
    return moved;
}

mproc_err mproc_plat_stream_transfer(struct mproc_plat_transfer *transfers, size_t count,
                                     int64_t deadline)
{
    HANDLE events[4];
    for (size_t i = 0; i < count; i++) {
        transfers[i].done = 0;
        transfers[i].ended = transfers[i].drained = false;
        events[i] = transfers[i].stream->overlapped.hEvent;
    }
    for (;;) {
        bool moved = begin_all(transfers, count);
        if (!moved)
            WaitForMultipleObjects((DWORD) count, events, FALSE, mproc__milliseconds(deadline));
        if (end_all(transfers, count, moved))
            return MPROC_OK;
        if (deadline == 0 || (deadline != MPROC_PLAT_NEVER && mproc_plat_now() >= deadline))
            return MPROC_ETIMEDOUT;
    }
}

void *mproc_plat_buffer_resize(void *buffer, size_t size, size_t new_size)
{
    (void) size;
    if (new_size > 0)
        return realloc(buffer, new_size);
    free(buffer);
    return NULL;
}
