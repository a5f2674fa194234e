/* SPDX-License-Identifier: MIT */
/* Messages between processes that need not be of one family, on this machine or another. Python:
 * multiprocessing.connection; the bytes on the wire are the same, so either side may be Python. */
#ifndef MPROC_CONNECTION_H
#define MPROC_CONNECTION_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A place where others connect, and one end of a connection. They belong to this process. After close
 * every use of the pointer is MPROC_ECLOSED.
 * A forked child has copies, as in Python, and may use them: so a process that closes its end or dies does
 * not end the connection while such a child lives and has not closed its copy, and a closed listener's port
 * stays taken. Children of spawn and forkserver have none. A child that does not need them closes them
 * first, or is given its connections by mproc_connection_send_connection(). */
typedef struct mproc_listener mproc_listener;
typedef struct mproc_connection mproc_connection;

/* What an address means. By default its form decides:
 *   "\\.\pipe\name"                     a Windows named pipe
 *   "host:port", "[::1]:port", no / or \   TCP; port 0: any free one
 *   anything else                       a Unix socket's path; "@name": Linux's abstract names */
typedef enum mproc_address_family {
    MPROC_FAMILY_DEFAULT = 0, /* without an address: Unix sockets, on Windows named pipes */
    MPROC_FAMILY_INET = 1,
    MPROC_FAMILY_UNIX = 2, /* MPROC_ENOTSUP on Windows */
    MPROC_FAMILY_PIPE = 3  /* MPROC_ENOTSUP elsewhere */
} mproc_address_family;

enum {
    MPROC_ADDRESS_SIZE = 256, /* of any address's text */
    MPROC_AUTHKEY_SIZE = 256  /* the longest key */
};

/* For listeners, and for the connections they accept; for mproc_connection_open and attach. All zero
 * is the default of everything. The key is copied. */
typedef struct mproc_connection_options {
    mproc_address_family family;
    int backlog;                /* listeners: connections that may wait for accept; 0: 1, as in Python.
                                 * Named pipes have no such queue: one waits, the others in open */
    const void *authkey;        /* both sides must prove to have this key; NULL: nobody proves anything */
    size_t authkey_size;        /* 1 to MPROC_AUTHKEY_SIZE bytes */
    bool refuse_md5;            /* refuse a peer that can only prove it by MD5 (Python before 3.12) */
    mproc_ms handshake_timeout; /* listeners: how long a peer may take to prove it; 0: 20 seconds.
                                 * Clients have the time-out of mproc_connection_open */
    uint64_t max_message;       /* longer messages are MPROC_EPROTO; 0: what memory holds */
    void *reserved[8];          /* must be zero */
} mproc_connection_options;

/* ---- listeners ---- */

/* Begins to listen. Python: Listener(address, family, backlog, authkey). address NULL: a fresh one:
 * a socket in a folder of its own that only this user can enter, a random pipe, or with
 * MPROC_FAMILY_INET a free port of localhost. A Unix socket's path is removed at close and when this
 * process ends normally; one that exists is MPROC_EEXIST, as is a taken port or pipe name. */
MPROC_API MPROC_MUST_USE mproc_err mproc_listener_create(mproc_listener **listener, const char *address,
                                                         const mproc_connection_options *options);

/* The next connection, after both sides have proved to have the key. Python: accept().
 * Peers prove it side by side, and only during accept and mproc_wait: one that stalls does not hold up
 * another, nor does a crowd that proves nothing. Who has proved the key comes first; then each peer that
 * failed is the error of one call, though of many that fail at once only the last few are told, and the
 * listener goes on: MPROC_EAUTH (another key, no answer in handshake_timeout, or in a twentieth of it
 * while many others wait, gone before it proved anything), MPROC_EPROTO (it spoke something else).
 * MPROC_ETIMEDOUT: nobody. MPROC_EAGAIN: the system has no descriptor or memory for one more now. */
MPROC_API MPROC_MUST_USE mproc_err mproc_listener_accept(mproc_listener *listener,
                                                         mproc_connection **connection,
                                                         mproc_ms timeout);

/* Where it listens, as a client would name it: with the port that was chosen. */
MPROC_API MPROC_MUST_USE mproc_err mproc_listener_address(mproc_listener *listener, char *text,
                                                          size_t size);
/* The address of the peer accepted last: "host:port"; "" for Unix sockets, pipes and before any. */
MPROC_API MPROC_MUST_USE mproc_err mproc_listener_last_accepted(mproc_listener *listener, char *text,
                                                                size_t size);
/* Ends listening; accepted connections live on. MPROC_ESTATE while another thread is in accept. */
MPROC_API mproc_err mproc_listener_close(mproc_listener *listener);

/* ---- connections ---- */

/* Connects, and proves the key to each other. Python: Client(address, family, authkey).
 * MPROC_ENOTFOUND: nobody listens there; MPROC_EAUTH: the keys differ, or the other side hung up before
 * they were proved; MPROC_EPROTO: it speaks something else; MPROC_ETIMEDOUT. The look-up of a host's name
 * is not covered by the time-out. A listener without a key says nothing to a client with one: with
 * MPROC_FOREVER that client waits for ever, as in Python. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_open(mproc_connection **connection,
                                                         const char *address,
                                                         const mproc_connection_options *options,
                                                         mproc_ms timeout);

/* Sends one message of 0 or more bytes. Several threads may send: messages never mix.
 * MPROC_ETIMEDOUT: nothing of it was sent; or, if a part was, as the last error says, nothing more can
 * be (MPROC_EBROKEN from then on) and the other side will find its end cut off.
 * MPROC_ECLOSED: the other side closed or died. There is no SIGPIPE. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_send_bytes(mproc_connection *connection,
                                                               const void *bytes, size_t size,
                                                               mproc_ms timeout);

/* Receives one message into `buffer` and stores its length in *size. Python: recv_bytes_into().
 * MPROC_EMSGSIZE: it is longer than `capacity`; *size says how long, and the message is still there
 * (Python loses it). MPROC_ETIMEDOUT: no whole message came; what came is kept.
 * MPROC_ECLOSED: the other side has closed or died, and all it sent was received.
 * MPROC_EDIED: the same inside a message. MPROC_EPROTO: a length that cannot be, or above
 * max_message; nothing more can be received. MPROC_ETYPE: the next message carries a handle. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_recv_bytes(mproc_connection *connection, void *buffer,
                                                               size_t capacity, size_t *size,
                                                               mproc_ms timeout);

/* The same into memory that the caller gives back with free(); never NULL, also for 0 bytes. On
 * Windows, use mproc_connection_free() if your C library may be another one. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_recv_alloc(mproc_connection *connection, void **bytes,
                                                               size_t *size, mproc_ms timeout);
MPROC_API void mproc_connection_free(void *bytes);

/* Waits until a receive would not wait: a whole message is there (MPROC_OK), or the end or an error
 * is, which the receive then gives (also MPROC_OK, as in Python). MPROC_ETIMEDOUT: not yet. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_poll(mproc_connection *connection, mproc_ms timeout);

/* Closes this end. MPROC_ESTATE while another thread is in a call with it. */
MPROC_API mproc_err mproc_connection_close(mproc_connection *connection);

/* The descriptor, on Windows the SOCKET or HANDLE, which stays the connection's: to ask the system about the
 * other side, or to set its options. Python: fileno(). Read, write or close nothing by it. On Unix it may be
 * waited for in a loop of your own; when it is readable, mproc_connection_poll() with MPROC_NOWAIT says
 * whether a message is whole. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_native(mproc_connection *connection, intptr_t *native);

/* ---- handing over ---- */

/* What a native handle is; Unix does not care. */
typedef enum mproc_native_kind {
    MPROC_NATIVE_FILE = 1,   /* a descriptor; on Windows a HANDLE of any kind */
    MPROC_NATIVE_SOCKET = 2  /* a descriptor; on Windows a SOCKET */
} mproc_native_kind;

/* Sends a copy of an open file, socket or HANDLE to the process on the other side; this one's stays
 * open. Only over Unix sockets and, on Windows, named pipes: MPROC_ENOTSUP over others. Python's
 * reduction.send_handle() and recv_handle() do the same in another format: both sides must be mproc.
 * macOS: leave it open here until the other side has said that it has it; the system may drop what is
 * under way and open nowhere else. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_send_handle(mproc_connection *connection,
                                                                intptr_t native, mproc_native_kind kind,
                                                                mproc_ms timeout);
/* Receives it; the receiver closes it. MPROC_ETYPE: the next message is no handle (and still there).
 * MPROC_EAGAIN: it came when this process could have no more descriptors, and is lost; so is its message. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_recv_handle(mproc_connection *connection,
                                                                intptr_t *native, mproc_native_kind *kind,
                                                                mproc_ms timeout);

/* Sends the connection `cargo` to the other side of `carrier` and closes it here. It must not have
 * received anything that was not fetched, and no other thread may be in a call with it (MPROC_ESTATE).
 * On an error `cargo` is as it was. What is received has the max_message of its carrier, and may have
 * ended on its way: then it is received all the same, and a receive from it says so. MPROC_ETYPE and
 * MPROC_EAGAIN as above. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_send_connection(mproc_connection *carrier,
                                                                    mproc_connection *cargo,
                                                                    mproc_ms timeout);
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_recv_connection(mproc_connection *carrier,
                                                                    mproc_connection **cargo,
                                                                    mproc_ms timeout);

/* Takes the descriptor, SOCKET or HANDLE out of a connection, which is closed by it, and makes a
 * connection of one: a connected stream socket, or a message-mode overlapped named pipe with
 * MPROC_FAMILY_PIPE. No key is exchanged. On error the handle is still the caller's. */
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_detach(mproc_connection *connection, intptr_t *native);
MPROC_API MPROC_MUST_USE mproc_err mproc_connection_attach(mproc_connection **connection, intptr_t native,
                                                           const mproc_connection_options *options);

#ifdef __cplusplus
}
#endif
#endif
