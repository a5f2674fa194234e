/* SPDX-License-Identifier: MIT */
/* Writing the trace: all events sorted by time, and an end for what a killed process could not end. */
#include "trace.h"

#include <apr_file_io.h>
#include <apr_general.h>
#include <stdlib.h>
#include <string.h>

struct line {
    int64_t time;
    size_t number; /* keeps the order of one thread's events of one instant */
    int64_t pid;
    uint32_t thread;
    char phase;
    bool cut_short;
    const struct trace_event *event;
};

struct lines {
    struct line *all;
    size_t count, room;
    int64_t last_time;
};

static struct line *add_line(struct lines *lines)
{
    if (lines->count == lines->room) {
        size_t room = lines->room ? lines->room * 2 : 1024;
        struct line *all = realloc(lines->all, room * sizeof *all);
        if (!all)
            return NULL;
        lines->all = all;
        lines->room = room;
    }
    struct line *line = &lines->all[lines->count];
    *line = (struct line){ .number = lines->count };
    lines->count++;
    return line;
}

static bool collect(struct lines *lines, uint64_t handle)
{
    for (struct trace_chunk *chunk; handle && (chunk = mproc__object(BLOCK_TRACE, handle)) != NULL;
         handle = chunk->next) {
        uint32_t count = atomic_load(&chunk->count);
        for (uint32_t i = 0; i < count && i < TRACE_EVENTS; i++) {
            const struct trace_event *event = &chunk->events[i];
            uint32_t phase = atomic_load_explicit(&event->phase, memory_order_acquire);
            if (phase == 0)
                continue;
            struct line *line = add_line(lines);
            if (!line)
                return false;
            line->time = event->time;
            line->pid = chunk->pid;
            line->thread = event->thread;
            line->phase = (char) phase;
            line->event = event;
            if (event->time > lines->last_time)
                lines->last_time = event->time;
        }
    }
    return true;
}

static int by_thread(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    if (x->thread != y->thread)
        return x->thread < y->thread ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* When the parent saw the process end, or the end of the trace. */
static int64_t end_of(const struct lines *lines, size_t count, int64_t pid)
{
    for (size_t i = 0; i < count; i++) {
        const struct trace_event *event = lines->all[i].event;
        if (lines->all[i].phase == 'i' && event->id == (uint64_t) pid && strcmp(event->category, "ended") == 0)
            return lines->all[i].time;
    }
    return lines->last_time;
}

/* Ends what one thread began and did not end, the innermost first. */
static bool end_thread(struct lines *lines, size_t count, size_t first, size_t last)
{
    size_t depth = 0;
    for (size_t i = last; i-- > first;) {
        char phase = lines->all[i].phase;
        depth += phase == 'E';
        if (phase != 'B')
            continue;
        if (depth > 0) {
            depth--;
            continue;
        }
        struct line begin = lines->all[i], *end = add_line(lines);
        if (!end)
            return false;
        size_t number = end->number;
        *end = begin;
        end->number = number;
        end->time = end_of(lines, count, begin.pid);
        if (end->time < lines->all[last - 1].time)
            end->time = lines->all[last - 1].time;
        end->phase = 'E';
        end->cut_short = true;
    }
    return true;
}

static bool end_what_was_cut_short(struct lines *lines)
{
    size_t count = lines->count;
    if (count)
        qsort(lines->all, count, sizeof *lines->all, by_thread);
    for (size_t i = 0; i < count; i++)
        lines->all[i].number = i;
    for (size_t first = 0, last; first < count; first = last) {
        for (last = first + 1; last < count && lines->all[last].pid == lines->all[first].pid &&
                               lines->all[last].thread == lines->all[first].thread;)
            last++;
        if (!end_thread(lines, count, first, last))
            return false;
    }
    qsort(lines->all, lines->count, sizeof *lines->all, by_time);
    return true;
}

static void put_text(apr_file_t *file, const char *text, size_t size)
{
    apr_file_putc('"', file);
    for (size_t i = 0; i < size && text[i]; i++) {
        unsigned char byte = (unsigned char) text[i];
        if (byte < 0x20 || byte == '"' || byte == '\\')
            apr_file_printf(file, "\\u%04x", byte);
        else
            apr_file_putc(text[i], file);
    }
    apr_file_putc('"', file);
}

static void put_line(apr_file_t *file, const struct line *line)
{
    apr_file_printf(file, ",\n{\"ph\":\"%c\",\"pid\":%" APR_INT64_T_FMT ",\"tid\":%u,\"ts\":%" APR_INT64_T_FMT
                          ".%03d,\"cat\":",
                    line->phase, (apr_int64_t) line->pid, line->thread, (apr_int64_t) (line->time / 1000),
                    (int) (line->time % 1000));
    put_text(file, line->event->category, sizeof line->event->category);
    apr_file_puts(",\"name\":", file);
    put_text(file, line->event->name, sizeof line->event->name);
    if (line->phase == 'i')
        apr_file_puts(",\"s\":\"p\"", file);
    if (line->cut_short)
        apr_file_puts(",\"args\":{\"cut_short\":true}", file);
    else if (line->event->id)
        apr_file_printf(file, ",\"args\":{\"id\":\"%" APR_UINT64_T_HEX_FMT "\"}",
                        (apr_uint64_t) line->event->id);
    apr_file_puts("}", file);
}

static void put_process_names(apr_file_t *file, uint64_t handle)
{
    for (struct trace_chunk *chunk; handle && (chunk = mproc__object(BLOCK_TRACE, handle)) != NULL;
         handle = chunk->next) {
        apr_file_printf(file, ",\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%" APR_INT64_T_FMT
                              ",\"args\":{\"name\":",
                        (apr_int64_t) chunk->pid);
        put_text(file, chunk->process, sizeof chunk->process);
        apr_file_puts("}}", file);
    }
}

static apr_status_t write_file(const char *path, apr_pool_t *pool, const struct lines *lines, uint64_t first_chunk,
                               uint64_t dropped)
{
    apr_file_t *file;
    apr_status_t status = apr_file_open(&file, path,
                                        APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_TRUNCATE |
                                            APR_FOPEN_BUFFERED,
                                        APR_FPROT_OS_DEFAULT, pool);
    if (status != APR_SUCCESS)
        return status;
    apr_file_printf(file, "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"dropped\":%" APR_UINT64_T_FMT
                          "},\"traceEvents\":[\n{\"ph\":\"M\",\"name\":\"mproc\",\"pid\":0}",
                    (apr_uint64_t) dropped);
    put_process_names(file, first_chunk);
    for (size_t i = 0; i < lines->count; i++)
        put_line(file, &lines->all[i]);
    apr_file_puts("\n]}\n", file);
    return apr_file_close(file);
}

mproc_err mproc__trace_write(const char *path, uint64_t first_chunk, uint64_t dropped)
{
    struct lines lines = { 0 };
    apr_pool_t *pool;
    mproc_err err = MPROC_OK;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return mproc__fail(MPROC_ENOMEM, "no memory to write the trace %.200s", path);
    if (!collect(&lines, first_chunk) || !end_what_was_cut_short(&lines))
        err = mproc__fail(MPROC_ENOMEM, "no memory to write the trace %.200s", path);
    apr_status_t status = err == MPROC_OK ? write_file(path, pool, &lines, first_chunk, dropped) : APR_SUCCESS;
    if (status != APR_SUCCESS)
        err = mproc__fail_system(MPROC_ESYSTEM, (int) status, "the trace %.200s cannot be written", path);
    free(lines.all);
    apr_pool_destroy(pool);
    return err;
}
