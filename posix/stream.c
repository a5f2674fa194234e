/* SPDX-License-Identifier: MIT */
/* This side's ends of children's pipes and terminals. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ORDINARY_PIPE 65536
/* Pipes that have been full get this size: a small one puts both sides to sleep for every 64 KiB. Not
 * from the start, as a user may have 64 MiB in pipes and then gets only tiny ones. */
#define LARGE_PIPE (1 << 20)

struct mproc_plat_stream {
    int descriptor;
    bool terminal;
    bool writes;
    bool grown;
    char last; /* byte written to a terminal; 0: none */
};

static mproc_err no_pipe(int code)
{
    return mproc__fail_system(mproc__from_errno(code), code,
                              "A pipe to a child cannot be made; close descriptors or raise "
                              "RLIMIT_NOFILE");
}

static mproc_err make_stream(int descriptor, bool writes, struct mproc_plat_stream **stream)
{
    struct mproc_plat_stream *made = calloc(1, sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "No memory for a stream of a child; free some");
    made->descriptor = descriptor;
    made->writes = writes;
    *stream = made;
    return MPROC_OK;
}

static bool set_size(int descriptor, size_t size)
{
#ifdef F_SETPIPE_SZ
    return fcntl(descriptor, F_SETPIPE_SZ, size < 1 << 30 ? (int) size : 1 << 30) >= 0;
#else
    (void) descriptor;
    (void) size;
    return false;
#endif
}

/* mproc__pipe() makes both ends without waiting; programs expect theirs to wait. */
static int make_blocking(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK);
}

mproc_err mproc_plat_stream_pipe(bool child_reads, size_t size, struct mproc_plat_stream **own,
                                 mproc_plat_handle *childs)
{
    int ends[2];
    if (mproc__pipe(ends) != 0)
        return no_pipe(errno);
    int mine = ends[child_reads ? 1 : 0], other = ends[child_reads ? 0 : 1];
    if (make_blocking(other) != 0) {
        mproc__close_pair(ends);
        return no_pipe(errno);
    }
#ifdef F_SETNOSIGPIPE
    fcntl(mine, F_SETNOSIGPIPE, 1);
#endif
    mproc_err err = make_stream(mine, child_reads, own);
    if (err != MPROC_OK) {
        mproc__close_pair(ends);
        return err;
    }
    if (size > 0)
        (*own)->grown = set_size(mine, size);
    *childs = other;
    return MPROC_OK;
}

mproc_err mproc_plat_pipeline(size_t size, mproc_plat_handle *reader, mproc_plat_handle *writer)
{
    int ends[2];
    if (mproc__pipe(ends) != 0)
        return no_pipe(errno);
    if (make_blocking(ends[0]) != 0 || make_blocking(ends[1]) != 0) {
        mproc__close_pair(ends);
        return no_pipe(errno);
    }
    if (size > 0)
        set_size(ends[0], size);
    *reader = ends[0];
    *writer = ends[1];
    return MPROC_OK;
}

/* ---- terminals ---- */

static int open_slave(int master)
{
    static pthread_mutex_t naming = PTHREAD_MUTEX_INITIALIZER;
    if (grantpt(master) != 0 || unlockpt(master) != 0)
        return -1;
    /* ptsname_r() is not everywhere. */
    pthread_mutex_lock(&naming);
    const char *name = ptsname(master);
    int slave = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    pthread_mutex_unlock(&naming);
    return mproc__above_standard(slave);
}

mproc_err mproc_plat_terminal_open(unsigned rows, unsigned columns, mproc_plat_handle *own,
                                   mproc_plat_handle *childs)
{
    int master = mproc__above_standard(posix_openpt(O_RDWR | O_NOCTTY));
    int slave = -1;
    struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };
    if (master >= 0 && mproc__close_on_exec(master) == 0)
        slave = open_slave(master);
    if (slave < 0 || fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) != 0) {
        int code = errno;
        mproc__close_pair((int[2]){ master, slave });
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "A terminal for a child cannot be made; is /dev/pts there?");
    }
    ioctl(slave, TIOCSWINSZ, &size);
    *own = master;
    *childs = slave;
    return MPROC_OK;
}

mproc_err mproc_plat_terminal_stream(mproc_plat_handle own, bool writes,
                                     struct mproc_plat_stream **stream)
{
    int copy = fcntl((int) own, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return no_pipe(errno);
    mproc_err err = make_stream(copy, writes, stream);
    if (err != MPROC_OK)
        close(copy);
    else
        (*stream)->terminal = true;
    return err;
}

/* At the start of a line the character is the end of the file, elsewhere the first one only ends the
 * line. */
static void end_terminal(const struct mproc_plat_stream *stream)
{
    struct termios settings;
    if (tcgetattr(stream->descriptor, &settings) != 0 || !(settings.c_lflag & ICANON))
        return;
    char ends[2] = { (char) settings.c_cc[VEOF], (char) settings.c_cc[VEOF] };
    size_t count = stream->last == 0 || stream->last == '\n' ? 1 : 2;
    while (write(stream->descriptor, ends, count) < 0 && errno == EINTR)
        continue;
}

mproc_plat_handle mproc_plat_stream_handle(const struct mproc_plat_stream *stream)
{
    return stream->descriptor;
}

void mproc_plat_stream_close(struct mproc_plat_stream *stream)
{
    if (stream->terminal && stream->writes)
        end_terminal(stream);
    close(stream->descriptor);
    free(stream);
}

/* ---- moving bytes ---- */

#ifdef F_SETNOSIGPIPE
static ssize_t write_quietly(int descriptor, const void *data, size_t size)
{
    return write(descriptor, data, size);
}
#else
static bool is_pending(int number)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, number) == 1;
}

/* SIGPIPE goes to the writing thread: blocked there, and taken away if this write has caused it. */
static ssize_t write_quietly(int descriptor, const void *data, size_t size)
{
    sigset_t pipe, before;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    bool was_pending = is_pending(SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    ssize_t written = write(descriptor, data, size);
    int code = errno;
    if (written < 0 && code == EPIPE && !was_pending) {
        int number;
        while (is_pending(SIGPIPE) && sigwait(&pipe, &number) != 0)
            continue;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return written;
}
#endif

static void grow(struct mproc_plat_stream *stream)
{
    if (!stream->grown && !stream->terminal)
        set_size(stream->descriptor, LARGE_PIPE);
    stream->grown = true;
}

/* True if it has moved something or has ended. */
static bool read_once(struct mproc_plat_transfer *transfer)
{
    struct mproc_plat_stream *stream = transfer->stream;
    ssize_t got;
    do
        got = read(stream->descriptor, transfer->buffer, transfer->size);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got >= ORDINARY_PIPE)
        grow(stream);
    /* A terminal whose last user has gone answers EIO. */
    transfer->ended = got <= 0;
    transfer->done = got > 0 ? (size_t) got : 0;
    return true;
}

static bool write_once(struct mproc_plat_transfer *transfer)
{
    struct mproc_plat_stream *stream = transfer->stream;
    transfer->drained = true;
    if (transfer->size == 0)
        return true;
    ssize_t written;
    do
        written = write_quietly(stream->descriptor, transfer->data, transfer->size);
    while (written < 0 && errno == EINTR);
    if (written < 0 && errno == EAGAIN)
        return false;
    transfer->ended = written < 0;
    transfer->done = written > 0 ? (size_t) written : 0;
    if (written > 0)
        stream->last = ((const char *) transfer->data)[written - 1];
    if (written > 0 && (size_t) written < transfer->size)
        grow(stream);
    return true;
}

mproc_err mproc_plat_stream_transfer(struct mproc_plat_transfer *transfers, size_t count,
                                     int64_t deadline)
{
    struct pollfd entries[4];
    for (size_t i = 0; i < count; i++) {
        struct mproc_plat_transfer *transfer = &transfers[i];
        transfer->done = 0;
        transfer->ended = transfer->drained = false;
        entries[i].fd = transfer->stream->descriptor;
        entries[i].events = transfer->buffer ? POLLIN : POLLOUT;
        if (!transfer->buffer && transfer->size == 0) {
            transfer->drained = true;
            return MPROC_OK;
        }
    }
    for (;;) {
        int ready = mproc__poll(entries, count, deadline);
        if (ready < 0)
            return mproc__fail_system(mproc__from_errno(errno), errno, "A child's streams cannot be "
                                                                       "waited for");
        if (ready == 0)
            return MPROC_ETIMEDOUT;
        bool moved = false;
        for (size_t i = 0; i < count; i++)
            if (entries[i].revents)
                moved |= transfers[i].buffer ? read_once(&transfers[i]) : write_once(&transfers[i]);
        if (moved)
            return MPROC_OK;
        /* Ready, but not now: a terminal that is full does that. */
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        if (deadline != MPROC_PLAT_NEVER && mproc_plat_now() >= deadline)
            return MPROC_ETIMEDOUT;
    }
}

/* ---- large buffers ---- */

#if defined(MREMAP_FIXED) && defined(MADV_HUGEPAGE)
/* Address space that begins at a huge page, reserved and not usable yet. */
static char *reserve_aligned(size_t size)
{
    size_t unit = MPROC_PLAT_BUFFER_UNIT;
    char *start = mmap(NULL, size + unit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    size_t before = (unit - (uintptr_t) start % unit) % unit;
    if (before > 0)
        munmap(start, before);
    munmap(start + before + size, unit - before);
    return start + before;
}

/* Of huge pages, moved whole when there is no room to grow: 100 MB of small ones cost as much time as all
 * the rest of reading them from a pipe. */
void *mproc_plat_buffer_resize(void *buffer, size_t size, size_t new_size)
{
    if (new_size <= size) {
        if (new_size < size)
            munmap((char *) buffer + new_size, size - new_size);
        return new_size > 0 ? buffer : NULL;
    }
    if (size > 0 && mremap(buffer, size, new_size, 0) != MAP_FAILED)
        return buffer;
    char *target = reserve_aligned(new_size);
    if (!target)
        return NULL;
    void *moved = size > 0 ? mremap(buffer, size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target)
                           : mmap(target, new_size, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (moved == MAP_FAILED) {
        munmap(target, new_size);
        return NULL;
    }
    madvise(moved, new_size, MADV_HUGEPAGE);
    return moved;
}
#else
void *mproc_plat_buffer_resize(void *buffer, size_t size, size_t new_size)
{
    (void) size;
    if (new_size > 0)
        return realloc(buffer, new_size);
    free(buffer);
    return NULL;
}
#endif
