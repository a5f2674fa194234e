/* SPDX-License-Identifier: MIT */
/* TCP and Unix sockets. APR's sockets do not serve here: they write with write(), which raises SIGPIPE,
 * and can neither pass descriptors nor be waited for beside other things. */
#include "posix.h"
#include "socket_address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* Descriptors that one message may bring; all but the first are closed. */
enum { MOST_PASSED = 16 };
/* How long something is left alone that is full and does not tell when it has room. */
#define RETRY INT64_C(2000000)

/* Descriptors on their way, with the alignment that CMSG_DATA() needs. */
union cargo {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MOST_PASSED * sizeof(int))];
};

mproc_address_family mproc_plat_channel_family(void)
{
    return MPROC_FAMILY_UNIX;
}

/* ---- descriptors ---- */

static int set_waiting(int descriptor, bool waits)
{
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, waits ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* What every socket here is: closed on exec, without SIGPIPE and delays. */
static void set_options(int descriptor)
{
    int on = 1;
    (void) mproc__close_on_exec(descriptor);
#ifdef SO_NOSIGPIPE
    (void) setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    (void) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails for Unix sockets */
}

/* And above the standard streams, if it is not the caller's. */
static int prepare(int descriptor)
{
    descriptor = mproc__above_standard(descriptor);
    if (descriptor >= 0)
        set_options(descriptor);
    return descriptor;
}

static int open_socket(int family)
{
#ifdef SOCK_CLOEXEC
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
#else
    int descriptor = socket(family, SOCK_STREAM, 0);
#endif
    return descriptor < 0 ? -1 : prepare(descriptor);
}

static struct mproc_plat_channel channel_of(int descriptor, mproc_address_family family)
{
    return (struct mproc_plat_channel){ .handle = descriptor, .family = family };
}

static bool would_wait(int code)
{
#if EAGAIN != EWOULDBLOCK
    if (code == EWOULDBLOCK)
        return true;
#endif
    return code == EAGAIN;
}

static bool is_gone(int code)
{
    return code == EPIPE || code == ECONNRESET || code == ENOTCONN || code == ECONNABORTED ||
           code == ESHUTDOWN;
}

static mproc_err from_socket(int code)
{
    switch (code) {
    case EADDRINUSE:
        return MPROC_EEXIST;
    case ECONNREFUSED:
    case ECONNRESET:
    case EADDRNOTAVAIL:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return MPROC_ENOTFOUND;
    default:
        return mproc__from_errno(code);
    }
}

/* ---- listeners ---- */

static mproc_err fresh_path(char *path)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || strlen(folder) > 60) /* sun_path is short */
        folder = "/tmp";
    snprintf(path, MPROC_ADDRESS_SIZE, "%s/mproc-XXXXXX", folder);
    if (!mkdtemp(path))
        return mproc__fail_system(mproc__from_errno(errno), errno, "no folder for a socket in %s", folder);
    strcat(path, "/listener");
    return MPROC_OK;
}

void mproc_plat_channel_unlink(mproc_address_family family, const char *bound, bool fresh)
{
    if (family != MPROC_FAMILY_UNIX || bound[0] == '@')
        return;
    unlink(bound);
    if (fresh) {
        char folder[MPROC_ADDRESS_SIZE];
        snprintf(folder, sizeof folder, "%s", bound);
        char *slash = strrchr(folder, '/');
        if (slash)
            *slash = '\0';
        rmdir(folder);
    }
}

static int bind_and_listen(int descriptor, const struct mproc__address *address, int backlog)
{
    int on = 1;
    if (address->of.any.sa_family != AF_UNIX)
        (void) setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(descriptor, &address->of.any, address->size) != 0 || listen(descriptor, backlog) != 0 ||
                   set_waiting(descriptor, false) != 0
               ? -1
               : 0;
}

mproc_err mproc_plat_channel_listen(struct mproc_plat_channel *channel, mproc_address_family family,
                                    const char *address, int backlog, char *bound)
{
    char text[MPROC_ADDRESS_SIZE];
    struct mproc__address parsed;
    mproc_err err = MPROC_OK;
    bool fresh = !address && family == MPROC_FAMILY_UNIX;
    if (fresh)
        err = fresh_path(text);
    else
        snprintf(text, sizeof text, "%s", address ? address : "localhost:0");
    if (err == MPROC_OK)
        err = mproc__address_parse(family, text, true, &parsed);
    if (err != MPROC_OK)
        return err;
    int descriptor = open_socket(parsed.of.any.sa_family);
    if (descriptor < 0 || bind_and_listen(descriptor, &parsed, backlog) != 0) {
        int code = errno;
        if (descriptor >= 0)
            close(descriptor);
        if (fresh)
            mproc_plat_channel_unlink(family, text, true);
        return mproc__fail_system(from_socket(code), code, "cannot listen at \"%s\"", text);
    }
    if (family == MPROC_FAMILY_INET) {
        parsed.size = sizeof parsed.of;
        if (getsockname(descriptor, &parsed.of.any, &parsed.size) == 0)
            mproc__address_describe(&parsed, text);
    }
    *channel = channel_of(descriptor, family);
    channel->listening = true;
    snprintf(bound, MPROC_ADDRESS_SIZE, "%s", text);
    return MPROC_OK;
}

static int accept_socket(int listener, struct mproc__address *address)
{
    address->size = sizeof address->of;
    address->of.any.sa_family = AF_UNIX;
#ifdef SOCK_CLOEXEC
    return accept4(listener, &address->of.any, &address->size, SOCK_CLOEXEC);
#else
    return accept(listener, &address->of.any, &address->size);
#endif
}

mproc_err mproc_plat_channel_accept(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel,
                                    char *peer)
{
    struct mproc__address address;
    int descriptor;
    do
        descriptor = accept_socket((int) listener->handle, &address);
    while (descriptor < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (descriptor < 0 && (would_wait(errno)))
        return MPROC_ETIMEDOUT;
    if (descriptor >= 0)
        descriptor = prepare(descriptor);
    if (descriptor < 0)
        return mproc__fail_system(mproc__from_errno(errno), errno, "cannot accept a connection");
    mproc__address_describe(&address, peer);
    *channel = channel_of(descriptor, listener->family);
    return MPROC_OK;
}

/* ---- connecting ---- */

#ifdef MPROC_HAVE_CONNECT_IN_LINE
/* In the line of those who wait for room in the listener's queue: who asks again and again is never in time when
 * others stand there. 0, or an errno. */
static int connect_in_line(int descriptor, const struct mproc__address *address, int64_t deadline)
{
    const struct timeval for_ever = { .tv_sec = 0 };
    int code = set_waiting(descriptor, true) == 0 ? EINTR : errno;
    while (code == EINTR) {
        int64_t left = deadline == MPROC_PLAT_NEVER ? 0 : (deadline - mproc_plat_now()) / 1000 + 1;
        if (left <= 0 && deadline != MPROC_PLAT_NEVER) /* 0 would mean for ever */
            return ETIMEDOUT;
        struct timeval time = { .tv_sec = left / 1000000, .tv_usec = left % 1000000 };
        (void) setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
        code = connect(descriptor, &address->of.any, address->size) == 0 ? 0 : errno;
    }
    (void) setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &for_ever, sizeof for_ever);
    return would_wait(code) ? ETIMEDOUT : code;
}
#endif

/* 0, or an errno; ETIMEDOUT at the deadline. */
static int connect_until(int descriptor, const struct mproc__address *address, int64_t deadline)
{
#ifdef MPROC_HAVE_CONNECT_IN_LINE
    if (address->of.any.sa_family == AF_UNIX && deadline > mproc_plat_now())
        return connect_in_line(descriptor, address, deadline);
#endif
    for (;;) {
        if (connect(descriptor, &address->of.any, address->size) == 0)
            return 0;
        if (errno == EINPROGRESS || errno == EINTR || errno == EALREADY)
            break;
        if (errno == EISCONN)
            return 0;
        if (errno != EAGAIN)
            return errno;
        if (mproc_plat_now() >= deadline)
            return ETIMEDOUT;
        mproc_plat_sleep(RETRY);
    }
    struct pollfd entry = { .fd = descriptor, .events = POLLOUT };
    int ready = mproc__poll(&entry, 1, deadline);
    int code = 0;
    socklen_t size = sizeof code;
    if (ready <= 0)
        return ready == 0 ? ETIMEDOUT : errno;
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno;
}

mproc_err mproc_plat_channel_connect(struct mproc_plat_channel *channel, mproc_address_family family,
                                     const char *address, int64_t deadline)
{
    struct mproc__address parsed;
    mproc_err err = mproc__address_parse(family, address, false, &parsed);
    if (err != MPROC_OK)
        return err;
    int descriptor = open_socket(parsed.of.any.sa_family);
    int code = descriptor < 0 || set_waiting(descriptor, false) != 0 ? errno : 0;
    if (code == 0)
        code = connect_until(descriptor, &parsed, deadline);
    if (code == 0 && set_waiting(descriptor, true) != 0)
        code = errno;
    if (code != 0) {
        if (descriptor >= 0)
            close(descriptor);
        if (code == ETIMEDOUT)
            return mproc__fail(MPROC_ETIMEDOUT, "\"%s\" does not take the connection", address);
        return mproc__fail_system(from_socket(code), code, "cannot connect to \"%s\"", address);
    }
    *channel = channel_of(descriptor, family);
    return MPROC_OK;
}

mproc_err mproc_plat_channel_adopt(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                   mproc_address_family family, bool sent)
{
    struct mproc__address own = { .size = sizeof own.of }, peer = { .size = sizeof peer.of };
    int type = 0;
    socklen_t size = sizeof type;
    if (family == MPROC_FAMILY_PIPE)
        return mproc__no_pipes();
    if (getsockopt((int) handle, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
        getsockname((int) handle, &own.of.any, &own.size) != 0 ||
        (getpeername((int) handle, &peer.of.any, &peer.size) != 0 && !sent))
        return mproc__fail(MPROC_EINVAL, "descriptor %lld is no connected stream socket", (long long) handle);
    set_options((int) handle);
    int flags = fcntl((int) handle, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK))
        (void) set_waiting((int) handle, true);
    *channel = channel_of((int) handle, own.of.any.sa_family == AF_UNIX ? MPROC_FAMILY_UNIX : MPROC_FAMILY_INET);
    return MPROC_OK;
}

mproc_err mproc_plat_channel_calm(struct mproc_plat_channel *channel)
{
    (void) channel;
    return MPROC_OK;
}

/* ---- bytes ---- */

/* The first descriptor that came, closed on exec; the others are not wanted. The system drops what this process has no
 * room for, and says no more than MSG_CTRUNC. */
static void take_passed(struct msghdr *message, struct mproc_plat_piece *piece)
{
    int first = -1;
    piece->lost = message->msg_flags & MSG_CTRUNC;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof descriptor, sizeof descriptor);
            if (first >= 0) {
                close(descriptor);
                continue;
            }
            first = mproc__above_standard(descriptor);
            if (first >= 0)
                (void) mproc__close_on_exec(first);
            else
                piece->lost = true;
        }
    }
    if (first >= 0)
        piece->passed = first;
}

mproc_err mproc_plat_channel_read(struct mproc_plat_channel *channel, void *bytes, size_t size,
                                  struct mproc_plat_piece *piece)
{
    union cargo cargo;
    struct iovec part = { .iov_base = bytes, .iov_len = size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (channel->family == MPROC_FAMILY_UNIX) {
        message.msg_control = cargo.bytes;
        message.msg_controllen = sizeof cargo.bytes;
    }
    ssize_t result;
    do
        result = recvmsg((int) channel->handle, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (result < 0 && errno == EINTR);
    if (result < 0 && (would_wait(errno)))
        return MPROC_ETIMEDOUT;
    if (result == 0 || (result < 0 && is_gone(errno)))
        return MPROC_ECLOSED;
    if (result < 0)
        return mproc__fail_system(mproc__from_errno(errno), errno, "cannot read from the connection");
    *piece = (struct mproc_plat_piece){ .size = (size_t) result, .passed = MPROC_PLAT_NONE };
    if (channel->family == MPROC_FAMILY_UNIX)
        take_passed(&message, piece);
    return MPROC_OK;
}

static ssize_t send_some(int descriptor, const void *bytes, size_t size, mproc_plat_handle passed)
{
    if (passed == MPROC_PLAT_NONE)
        return send(descriptor, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    union cargo cargo;
    int number = (int) passed;
    memset(&cargo, 0, CMSG_SPACE(sizeof number));
    struct iovec part = { .iov_base = (void *) (uintptr_t) bytes, .iov_len = size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = cargo.bytes };
    message.msg_controllen = CMSG_SPACE(sizeof number);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof number);
    memcpy(CMSG_DATA(header), &number, sizeof number);
    return sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

mproc_err mproc_plat_channel_write(struct mproc_plat_channel *channel, const void *bytes, size_t size,
                                   mproc_plat_handle passed, int64_t deadline, size_t *written)
{
    const char *next = bytes;
    *written = 0;
    while (*written < size) {
        ssize_t result = send_some((int) channel->handle, next + *written, size - *written, passed);
        if (result >= 0) {
            *written += (size_t) result;
            passed = MPROC_PLAT_NONE;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (is_gone(errno))
            return MPROC_ECLOSED;
        struct pollfd entry = { .fd = (int) channel->handle, .events = POLLOUT };
        if (errno == ENOBUFS && mproc_plat_now() < deadline) { /* a Mac that is short of buffers */
            mproc_plat_sleep(RETRY);
            continue;
        }
        int ready = would_wait(errno) ? mproc__poll(&entry, 1, deadline) : -1;
        if (ready == 0)
            return MPROC_ETIMEDOUT;
        if (ready < 0)
            return mproc__fail_system(mproc__from_errno(errno), errno, "cannot write to the connection");
    }
    return MPROC_OK;
}

mproc_err mproc_plat_channel_waitable(struct mproc_plat_channel *channel, mproc_plat_handle *handle)
{
    *handle = channel->handle;
    return MPROC_OK;
}

void mproc_plat_channel_close(struct mproc_plat_channel *channel)
{
    if (channel->handle != MPROC_PLAT_NONE)
        close((int) channel->handle);
    channel->handle = MPROC_PLAT_NONE;
}

/* ---- handing over ---- */

mproc_err mproc_plat_channel_pack(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                  mproc_native_kind kind, void *text, size_t size, size_t *used,
                                  mproc_plat_handle *passed)
{
    (void) kind;
    (void) text;
    (void) size;
    if (channel->family != MPROC_FAMILY_UNIX)
        return mproc__fail(MPROC_ENOTSUP, "only a Unix socket can carry a descriptor; connect by a path");
    if (fcntl((int) handle, F_GETFD) < 0)
        return mproc__fail(MPROC_EINVAL, "descriptor %lld is not open in this process", (long long) handle);
    *used = 0;
    *passed = handle;
    return MPROC_OK;
}

mproc_err mproc_plat_channel_unpack(struct mproc_plat_channel *channel, const void *text, size_t size,
                                    mproc_plat_handle passed, mproc_native_kind kind,
                                    mproc_plat_handle *handle)
{
    (void) channel;
    (void) text;
    (void) kind;
    if (size != 0 || passed == MPROC_PLAT_NONE)
        return mproc__fail(MPROC_EPROTO, "a message said to carry a descriptor came without one");
    *handle = passed;
    return MPROC_OK;
}
