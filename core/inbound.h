/* SPDX-License-Identifier: MIT */
/* The message that is coming in, piece by piece: whatever the pieces, a message, its end or an error. It knows no
 * channel: connection.c reads, tests and fuzzers feed it.
 *
 * A message with a handle is HANDLE_MARK, a byte that says what it is, and what the platform has to say of it. On a
 * stream it is one only if a descriptor came beside it, which bytes cannot forge. A whole message has nothing but its
 * bytes: there, bytes that begin with the mark are sent after the mark and CARGO_BYTES, which are taken off here. */
#ifndef MPROC_CORE_INBOUND_H
#define MPROC_CORE_INBOUND_H

#include "frame.h"
#include "platform.h"

#define HANDLE_MARK "#MPROC-HANDLE#"
enum {
    HANDLE_MARK_SIZE = sizeof HANDLE_MARK - 1,
    CARGO_BYTES = 0,         /* none: what follows is the message */
                             /* enum mproc_native_kind */
    CARGO_CONNECTION = 0x10, /* plus its family */
};

/* A message stays until it is taken, so that nothing is lost by a time-out or by a buffer that is too small. */
struct inbound {
    bool whole_messages;  /* of the channel: there are no headers */
    uint64_t max_message; /* 0: what memory holds */
    mproc_err over;       /* nothing more can be received, and why */
    unsigned char header[FRAME_HEADER_LONG];
    size_t header_have;
    bool sized; /* `size` is known */
    bool whole;
    uint64_t size;
    unsigned char *bytes;
    size_t capacity;
    size_t have;
    mproc_plat_handle passed; /* came with it, or NONE */
    bool lost;                /* one came that this process had no room for */
    bool carries;             /* the whole message is one with a handle */
};

void mproc__inbound_begin(struct inbound *in, bool whole_messages);
void mproc__inbound_release(struct inbound *in);
/* Unless the message is whole: where the next bytes go, and how many at most. */
mproc_err mproc__inbound_place(struct inbound *in, unsigned char **place, size_t *size);
/* A piece was read there; its handle is taken over. */
mproc_err mproc__inbound_took(struct inbound *in, const struct mproc_plat_piece *piece);
/* Nothing more will come: the answer of this and every later receive. */
mproc_err mproc__inbound_end(struct inbound *in);
/* The same answer again; MPROC_OK while something may come. */
mproc_err mproc__inbound_over(const struct inbound *in);
/* Whether a part of a message, or all of it, is here. */
bool mproc__inbound_holds(const struct inbound *in);
bool mproc__inbound_begins_with_mark(const void *bytes, size_t size);
bool mproc__cargo_is_native(int kind);
bool mproc__cargo_is_connection(int kind);
/* The message that was whole is done with. */
void mproc__inbound_taken(struct inbound *in);

#endif
