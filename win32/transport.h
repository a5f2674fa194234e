/* SPDX-License-Identifier: MIT */
/* What the files below channels share: TCP sockets, named pipes, and handing over. */
#ifndef MPROC_WIN32_TRANSPORT_H
#define MPROC_WIN32_TRANSPORT_H

#include <winsock2.h>
#include <ws2tcpip.h>

#include "win32.h"

enum { READ_AHEAD = 1 << 16 };

/* Of a connection; of a listening pipe, `reading` is the next client's connecting. */
struct transport {
    OVERLAPPED reading;
    OVERLAPPED writing;
    bool pending;       /* `reading` is under way */
    bool connected;     /* listening pipe: a client is there */
    bool message;       /* a piece was read and not fetched, perhaps of 0 bytes */
    bool more;          /* and its message goes on */
    size_t have, at;    /* bytes of `ahead`, and how many were fetched */
    wchar_t *name;      /* of a listening pipe */
    unsigned char ahead[];
};

static inline bool mproc__is_pipe(const struct mproc_plat_channel *channel)
{
    return channel->family == MPROC_FAMILY_PIPE;
}

/* ---- channel.c ---- */

/* A channel of an open socket or pipe, with `ahead` bytes to read ahead; does not close it on error. */
mproc_err mproc__transport_make(struct mproc_plat_channel *channel, mproc_plat_handle handle,
                                mproc_address_family family, size_t ahead);
/* GetOverlappedResult(), of either kind. */
BOOL mproc__transport_result(const struct mproc_plat_channel *channel, OVERLAPPED *operation, DWORD *count,
                             bool wait);

/* ---- inet.c ---- */

mproc_err mproc__start_sockets(void);
mproc_err mproc__inet_listen(struct mproc_plat_channel *channel, const char *address, int backlog, char *bound);
mproc_err mproc__inet_accept(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel, char *peer);
mproc_err mproc__inet_connect(struct mproc_plat_channel *channel, const char *address, int64_t deadline);
/* Waits until something can be sent, or the sending would say what is wrong; false at the deadline. */
bool mproc__inet_has_room(const struct mproc_plat_channel *channel, int64_t deadline);

/* ---- named_pipe.c ---- */

mproc_err mproc__pipe_listen(struct mproc_plat_channel *channel, const char *address, char *bound);
mproc_err mproc__pipe_accept(struct mproc_plat_channel *listener, struct mproc_plat_channel *channel);
mproc_err mproc__pipe_connect(struct mproc_plat_channel *channel, const char *address, int64_t deadline);

#endif
