/* SPDX-License-Identifier: MIT */
/* Reading, writing and closing the pipes of a child one by one. */
#include "popen.h"

#include "runtime.h"

#include <stdlib.h>
#include <string.h>

/* Powers of two, so that every size from the second on is a multiple of MPROC_PLAT_BUFFER_UNIT. */
#define FIRST_CAPACITY 65536
#define FIRST_LARGE (4 << 20)

/* ---- bytes ---- */

static bool resize(struct bytes *bytes, size_t capacity)
{
    char *data;
    if (bytes->large) {
        data = mproc_plat_buffer_resize(bytes->data, bytes->capacity, capacity);
    } else if (capacity < FIRST_LARGE) {
        data = realloc(bytes->data, capacity);
    } else {
        data = mproc_plat_buffer_resize(NULL, 0, capacity);
        if (data && bytes->end > 0)
            memcpy(data, bytes->data, bytes->end);
        if (data)
            free(bytes->data);
        bytes->large = data != NULL;
    }
    if (!data)
        return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

void mproc__bytes_free(struct bytes *bytes)
{
    if (bytes->large)
        mproc_plat_buffer_resize(bytes->data, bytes->capacity, 0);
    else
        free(bytes->data);
    *bytes = (struct bytes){ 0 };
}

mproc_err mproc__bytes_reserve(struct bytes *bytes, size_t more)
{
    if (bytes->start > 0 && bytes->start == bytes->end)
        bytes->start = bytes->end = 0;
    if (bytes->capacity - bytes->end > more)
        return MPROC_OK;
    if (bytes->start > bytes->capacity / 2) {
        memmove(bytes->data, bytes->data + bytes->start, bytes->end - bytes->start);
        bytes->end -= bytes->start;
        bytes->start = 0;
        return mproc__bytes_reserve(bytes, more);
    }
    size_t capacity = bytes->capacity ? bytes->capacity * 2 : FIRST_CAPACITY;
    while (capacity - bytes->end <= more)
        capacity *= 2;
    return resize(bytes, capacity) ? MPROC_OK
                                   : mproc__fail(MPROC_ENOMEM, "no memory for %zu bytes of a child's output",
                                                 capacity);
}

size_t mproc__text_form(char *data, size_t size)
{
    char *to = data ? memchr(data, '\r', size) : NULL;
    if (!to)
        return size;
    bool after_return = false; /* looking back would find what was written there */
    for (const char *from = to; from < data + size; from++) {
        bool is_return = *from == '\r';
        if (*from != '\n' || !after_return)
            *to++ = is_return ? '\n' : *from;
        after_return = is_return;
    }
    return (size_t) (to - data);
}

mproc_err mproc__bytes_take(struct bytes *bytes, bool text, char **data, size_t *size, size_t *large)
{
    mproc_err err = mproc__bytes_reserve(bytes, 1);
    if (err != MPROC_OK)
        return err;
    size_t count = bytes->end - bytes->start;
    if (bytes->start > 0)
        memmove(bytes->data, bytes->data + bytes->start, count);
    if (text)
        count = mproc__text_form(bytes->data, count);
    bytes->data[count] = '\0';
    size_t unit = MPROC_PLAT_BUFFER_UNIT, needed = count + 1;
    if (bytes->large)
        resize(bytes, (needed + unit - 1) / unit * unit);
    else if (count < bytes->capacity / 2)
        resize(bytes, needed);
    *data = bytes->data;
    *size = count;
    *large = bytes->large ? bytes->capacity : 0;
    *bytes = (struct bytes){ 0 };
    return MPROC_OK;
}

/* ---- ends ---- */

void mproc__popen_close_end(struct popen_end *end)
{
    if (end->stream)
        mproc_plat_stream_close(end->stream);
    end->stream = NULL;
    mproc_plat_handle_close(end->pipeline);
    end->pipeline = MPROC_PLAT_NONE;
}

static mproc_err find_end(mproc_popen *child, int stream, bool open, struct popen_end **end)
{
    mproc_err err = mproc__popen_check(child);
    if (err != MPROC_OK)
        return err;
    if (stream < 0 || stream > 2)
        return mproc__fail(MPROC_EINVAL, "there is no stream %d; use MPROC_STDIN, MPROC_STDOUT or "
                                         "MPROC_STDERR",
                           stream);
    *end = &child->ends[stream];
    if (open && !(*end)->stream && !(*end)->at_end)
        return mproc__fail((*end)->was_pipe ? MPROC_ECLOSED : MPROC_EINVAL,
                           (*end)->was_pipe
                               ? "stream %d of process %lld has been closed (or comes out of another one)"
                               : "stream %d of process %lld is no pipe: start it with MPROC_STREAM_PIPE",
                           stream, (long long) child->process.pid);
    return MPROC_OK;
}

/* Reads into `buffer` once. */
static mproc_err fill(struct popen_end *end, void *buffer, size_t capacity, size_t *size, int64_t deadline)
{
    struct mproc_plat_transfer transfer = { .stream = end->stream, .buffer = buffer, .size = capacity };
    mproc_err err = mproc_plat_stream_transfer(&transfer, 1, deadline);
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "the child has written nothing in time");
    if (err != MPROC_OK)
        return err;
    *size = transfer.done;
    end->at_end = transfer.ended;
    return MPROC_OK;
}

mproc_err mproc_popen_read(mproc_popen *child, int stream, void *buffer, size_t capacity, size_t *size,
                           mproc_ms timeout)
{
    struct popen_end *end = NULL;
    mproc_err err = find_end(child, stream, true, &end);
    if (err == MPROC_OK && (!buffer || capacity == 0 || !size || stream == MPROC_STDIN))
        err = mproc__fail(MPROC_EINVAL, "reading needs a buffer, its capacity, size, and stdout or stderr");
    if (err != MPROC_OK)
        return err;
    struct bytes *bytes = &end->bytes;
    size_t waiting = bytes->end - bytes->start;
    if (waiting > 0) {
        *size = waiting < capacity ? waiting : capacity;
        memcpy(buffer, bytes->data + bytes->start, *size);
        bytes->start += *size;
        return MPROC_OK;
    }
    *size = 0;
    return end->at_end ? MPROC_OK : fill(end, buffer, capacity, size, mproc__deadline(timeout));
}

/* The length of the line at `start` with its end; 0 if its end is not there yet. */
static size_t line_length(const struct popen_end *end, bool text, size_t searched)
{
    size_t count = end->bytes.end - end->bytes.start;
    if (count == 0)
        return 0;
    const char *data = end->bytes.data + end->bytes.start;
    const char *newline = memchr(data + searched, '\n', count - searched);
    if (text) {
        size_t until = newline ? (size_t) (newline - data) : count;
        const char *back = memchr(data + searched, '\r', until - searched);
        newline = back ? back : newline;
    }
    if (newline)
        return (size_t) (newline - data) + 1;
    return end->at_end ? count : 0;
}

/* In text form a line's end may be "\r", and a "\n" that comes after it is then no line of its own. */
static void skip_newline(struct popen_end *end)
{
    struct bytes *bytes = &end->bytes;
    if (!end->skip_newline || bytes->start == bytes->end)
        return;
    if (bytes->data[bytes->start] == '\n')
        bytes->start++;
    end->skip_newline = false;
}

static void give_line(struct popen_end *end, size_t length, bool text, const char **line, size_t *size)
{
    struct bytes *bytes = &end->bytes;
    char *start = bytes->data + bytes->start;
    bytes->start += length;
    if (text && start[length - 1] == '\r') {
        start[length - 1] = '\n';
        end->skip_newline = true;
    }
    /* The byte after the line may begin the next: the line moves one place to the front for its 0. */
    if (start > bytes->data) {
        memmove(start - 1, start, length);
        start--;
    } else if (bytes->start < bytes->end) {
        memmove(start + length + 1, start + length, bytes->end - bytes->start);
        bytes->start++;
        bytes->end++;
    }
    start[length] = '\0';
    *line = start;
    *size = length;
}

mproc_err mproc_popen_read_line(mproc_popen *child, int stream, const char **line, size_t *size,
                                mproc_ms timeout)
{
    struct popen_end *end = NULL;
    size_t unwanted;
    size = size ? size : &unwanted;
    mproc_err err = find_end(child, stream, true, &end);
    if (err == MPROC_OK && (!line || stream == MPROC_STDIN))
        err = mproc__fail(MPROC_EINVAL, "reading a line needs a place for it, and stdout or stderr");
    int64_t deadline = err == MPROC_OK ? mproc__deadline(timeout) : 0;
    size_t searched = 0;
    while (err == MPROC_OK) {
        skip_newline(end);
        size_t length = line_length(end, child->text, searched);
        if (length > 0) {
            give_line(end, length, child->text, line, size);
            return MPROC_OK;
        }
        searched = end->bytes.end - end->bytes.start;
        if (end->at_end) {
            *line = NULL;
            *size = 0;
            return MPROC_OK;
        }
        size_t got = 0;
        struct bytes *bytes = &end->bytes;
        /* One byte more than is read: give_line() may have to move all by one. */
        err = mproc__bytes_reserve(bytes, 4096);
        if (err == MPROC_OK)
            err = fill(end, bytes->data + bytes->end, bytes->capacity - bytes->end - 2, &got, deadline);
        bytes->end += got;
    }
    return err;
}

/* Waits until what was written has left this process: where writes go on by themselves, a thread's end or a
 * close would cut them off. */
static void drain(struct popen_end *end, int64_t deadline)
{
    struct mproc_plat_transfer rest = { .stream = end->stream };
    while (mproc_plat_stream_transfer(&rest, 1, deadline) == MPROC_OK && !rest.drained && !rest.ended)
        continue;
}

mproc_err mproc_popen_write(mproc_popen *child, const void *data, size_t size, size_t *written,
                            mproc_ms timeout)
{
    struct popen_end *end = NULL;
    size_t done = 0;
    mproc_err err = find_end(child, MPROC_STDIN, true, &end);
    if (err == MPROC_OK && !data && size > 0)
        err = mproc__fail(MPROC_EINVAL, "data is NULL but its size is not 0");
    int64_t deadline = err == MPROC_OK ? mproc__deadline(timeout) : 0;
    while (err == MPROC_OK && done < size) {
        struct mproc_plat_transfer transfer = { .stream = end->stream,
                                                .data = (const char *) data + done,
                                                .size = size - done };
        err = mproc_plat_stream_transfer(&transfer, 1, deadline);
        if (err == MPROC_ETIMEDOUT)
            mproc__fail(err, "the child has not taken all in time");
        else if (err == MPROC_OK && transfer.ended)
            err = mproc__fail(MPROC_ECLOSED, "process %lld has closed its stdin, or has ended",
                              (long long) child->process.pid);
        else if (err == MPROC_OK)
            done += transfer.done;
    }
    if (err == MPROC_OK)
        drain(end, deadline);
    if (written)
        *written = done;
    return err;
}

mproc_err mproc_popen_close_stream(mproc_popen *child, int stream)
{
    struct popen_end *end = NULL;
    mproc_err err = find_end(child, stream, false, &end);
    if (err != MPROC_OK)
        return err;
    if (stream == MPROC_STDIN && end->stream)
        drain(end, MPROC_PLAT_NEVER);
    mproc__popen_close_end(end);
    mproc__bytes_free(&end->bytes);
    end->at_end = false;
    return MPROC_OK;
}

mproc_err mproc_popen_native_stream(mproc_popen *child, int stream, intptr_t *native)
{
    struct popen_end *end = NULL;
    mproc_err err = find_end(child, stream, true, &end);
    if (err == MPROC_OK && (!native || !end->stream))
        err = mproc__fail(MPROC_EINVAL, "native is NULL, or the stream is closed");
    if (err == MPROC_OK)
        *native = mproc_plat_stream_handle(end->stream);
    return err;
}
