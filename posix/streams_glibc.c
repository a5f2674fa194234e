/* SPDX-License-Identifier: MIT */
/* The C library's open streams around forks, with glibc, whose list of them is part of its ABI. */
#include "compiler.h"
#include "posix.h"

#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

/* Weak: a glibc without them is one more that keeps its streams for itself. Not seen through a copy in the
 * executable, which would not follow glibc's own: the library is position-independent. */
extern FILE *_IO_list_all __attribute__((weak));
void _IO_list_lock(void) __attribute__((weak));
void _IO_list_unlock(void) __attribute__((weak));

MPROC_IN_CHILD static FILE *first_stream(void)
{
    return &_IO_list_all ? _IO_list_all : NULL;
}

MPROC_IN_CHILD static bool holds_output(FILE *stream)
{
    return stream->_mode > 0 ? __fpending(stream) > 0 : stream->_IO_write_ptr > stream->_IO_write_base;
}

/* fflush(NULL) looks for the same, but lies in three places of the C library that a forked child would have to
 * map first. */
MPROC_IN_CHILD static bool is_anything_buffered(void)
{
    FILE *stream = first_stream();
    while (stream && !holds_output(stream))
        stream = stream->_chain;
    return stream || !&_IO_list_all;
}

static void flush_if_free(FILE *stream)
{
    if (ftrylockfile(stream) != 0)
        return;
    if (holds_output(stream))
        fflush_unlocked(stream);
    funlockfile(stream);
}

/* The list's lock is not waited for: whoever closes a stream that another thread sits in has it for as long. */
MPROC_IN_CHILD void mproc_plat_stdio_flush(bool alone)
{
    if (!alone) {
        flush_if_free(stdout);
        flush_if_free(stderr);
    } else if (is_anything_buffered()) {
        fflush(NULL);
    }
}

MPROC_IN_CHILD void mproc_plat_stdio_finish(bool alone)
{
    if (alone || !&_IO_list_all || !_IO_list_lock || !_IO_list_unlock) {
        mproc_plat_stdio_flush(alone);
        return;
    }
    _IO_list_lock();
    for (FILE *stream = first_stream(); stream; stream = stream->_chain)
        flush_if_free(stream);
    _IO_list_unlock();
}

/* What could not be flushed before the fork, for another thread was in the stream, or may be, the parent will
 * write. glibc has unlocked the child's copies. Streams without a descriptor write into this process. */
MPROC_IN_CHILD void mproc__streams_forked(void)
{
    for (FILE *stream = first_stream(); stream; stream = stream->_chain)
        if (holds_output(stream) && stream->_fileno >= 0)
            __fpurge(stream);
}

MPROC_IN_CHILD void mproc__stdin_replaced(void)
{
    bool holds = stdin->_mode > 0 || stdin->_IO_read_ptr < stdin->_IO_read_end;
    if (stdin->_fileno != STDIN_FILENO || !(holds || feof_unlocked(stdin) || ferror_unlocked(stdin)))
        return;
    __fpurge(stdin);
    clearerr_unlocked(stdin);
}
