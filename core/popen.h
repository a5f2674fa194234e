/* SPDX-License-Identifier: MIT */
/* What the files of subprocess share. */
#ifndef MPROC_CORE_POPEN_H
#define MPROC_CORE_POPEN_H

#include "platform.h"

/* Bytes that have been read and not been asked for yet, or that are collected. */
struct bytes {
    char *data;
    size_t start, end, capacity; /* data[start..end) */
    bool large; /* a mproc_plat_buffer_resize() buffer, else malloc's */
};
/* This side of one of the child's streams. */
struct popen_end {
    struct mproc_plat_stream *stream; /* NULL: no pipe, or closed */
    bool was_pipe;
    bool at_end;                /* of the file */
    bool skip_newline;          /* text: the last line ended with "\r"; a "\n" that follows belongs to it */
    mproc_plat_handle pipeline; /* the end that the next child is to have; MPROC_PLAT_NONE */
    struct bytes bytes;
};

struct mproc_popen {
    struct mproc_plat_process process; /* reaped and signalled under mproc__lock() */
    struct mproc_plat_status status;   /* once `ended` */
    atomic_bool ended;
    int64_t owner; /* pid of the process that started it */
    mproc_plat_handle job;
    bool text, leads_session, leads_group;
    struct popen_end ends[3];
    const char *input; /* of a communicate() that is not over; what is left of it */
    size_t input_size;
    char *kept_input;
    bool communicating;
};

/* MPROC_EINVAL for NULL, MPROC_ESTATE in a process that has not started it. */
mproc_err mproc__popen_check(const mproc_popen *child);
/* Asks the system whether it has ended; never waits. */
bool mproc__popen_ended(mproc_popen *child);
mproc_err mproc__popen_wait(mproc_popen *child, int64_t deadline);
/* The number that mproc_popen_returncode() gives; MPROC_EDIED. */
mproc_err mproc__popen_result(const mproc_popen *child, int *returncode);
void mproc__popen_close_end(struct popen_end *end);

/* Makes room for `more` bytes and a 0 after them. */
mproc_err mproc__bytes_reserve(struct bytes *bytes, size_t more);
/* Hands the collected bytes over: *data ends with a 0. It is to be freed, as a large buffer of *large bytes
 * unless that is 0. */
mproc_err mproc__bytes_take(struct bytes *bytes, bool text, char **data, size_t *size, size_t *large);
void mproc__bytes_free(struct bytes *bytes);
/* "\r\n" and "\r" become "\n"; returns the new size. */
size_t mproc__text_form(char *data, size_t size);

/* Sends, reads and waits until the deadline; MPROC_ETIMEDOUT loses nothing. */
mproc_err mproc__communicate(mproc_popen *child, int64_t deadline);
/* Takes what is in the pipes now, without waiting, and closes them. */
void mproc__communicate_drain(mproc_popen *child);
/* Hands what was collected over. */
mproc_err mproc__communicate_finish(mproc_popen *child, mproc_completed *completed);
/* Keeps a copy of the input that has not been sent. */
mproc_err mproc__communicate_keep(mproc_popen *child);

#endif
