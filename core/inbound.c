/* SPDX-License-Identifier: MIT */
/* Receiving a message: its header byte by byte, then its bytes, into memory that grows as they come. */
#include "inbound.h"

#include <stdlib.h>
#include <string.h>

/* A length that a peer claims is believed this far before its bytes come. */
enum { FIRST_CAPACITY = 1 << 16, KEPT_CAPACITY = 1 << 20 };

void mproc__inbound_begin(struct inbound *in, bool whole_messages)
{
    *in = (struct inbound){ .whole_messages = whole_messages, .passed = MPROC_PLAT_NONE };
}

void mproc__inbound_release(struct inbound *in)
{
    mproc_plat_handle_close(in->passed);
    free(in->bytes);
}

mproc_err mproc__inbound_over(const struct inbound *in)
{
    if (in->over == MPROC_OK)
        return MPROC_OK;
    if (in->over == MPROC_ECLOSED)
        return mproc__fail(MPROC_ECLOSED, "the other side has closed the connection or died");
    if (in->over == MPROC_EDIED)
        return mproc__fail(MPROC_EDIED, "the other side ended inside a message: %zu bytes of it came", in->have);
    return mproc__fail(in->over, "nothing can be received any more: what came was no message");
}

bool mproc__inbound_holds(const struct inbound *in)
{
    return in->header_have > 0 || in->have > 0 || in->whole;
}

mproc_err mproc__inbound_end(struct inbound *in)
{
    in->over = mproc__inbound_holds(in) ? MPROC_EDIED : MPROC_ECLOSED;
    return mproc__inbound_over(in);
}

static mproc_err make_room(struct inbound *in, size_t wanted)
{
    if (wanted <= in->capacity && in->bytes)
        return MPROC_OK;
    size_t capacity = in->capacity ? in->capacity * 2 : FIRST_CAPACITY;
    if (capacity > wanted && wanted > FIRST_CAPACITY)
        capacity = wanted;
    unsigned char *bytes = realloc(in->bytes, capacity);
    if (!bytes)
        return mproc__fail(MPROC_ENOMEM, "no memory for a message of %llu bytes", (unsigned long long) in->size);
    in->bytes = bytes;
    in->capacity = capacity;
    return MPROC_OK;
}

mproc_err mproc__inbound_place(struct inbound *in, unsigned char **place, size_t *size)
{
    bool framed = !in->whole_messages;
    if (framed && !in->sized) {
        *place = in->header + in->header_have;
        *size = mproc__frame_header_size(in->header, in->header_have) - in->header_have;
        return MPROC_OK;
    }
    size_t wanted = framed ? (size_t) in->size : SIZE_MAX; /* unknown: double */
    mproc_err err = in->have == in->capacity || !in->bytes ? make_room(in, wanted) : MPROC_OK;
    if (err != MPROC_OK)
        return err;
    size_t room = in->capacity - in->have;
    *place = in->bytes + in->have;
    *size = framed && in->size - in->have < room ? (size_t) (in->size - in->have) : room;
    return MPROC_OK;
}

/* ---- messages with handles ---- */

bool mproc__inbound_begins_with_mark(const void *bytes, size_t size)
{
    return size > HANDLE_MARK_SIZE && memcmp(bytes, HANDLE_MARK, HANDLE_MARK_SIZE) == 0;
}

bool mproc__cargo_is_native(int kind)
{
    return kind == MPROC_NATIVE_FILE || kind == MPROC_NATIVE_SOCKET;
}

bool mproc__cargo_is_connection(int kind)
{
    return kind > CARGO_CONNECTION && kind <= CARGO_CONNECTION + MPROC_FAMILY_PIPE;
}

/* How much stands before bytes that were sent after a mark. */
static size_t before_bytes(const struct inbound *in)
{
    return in->whole_messages && mproc__inbound_begins_with_mark(in->bytes, in->have) &&
                   in->bytes[HANDLE_MARK_SIZE] == CARGO_BYTES
               ? HANDLE_MARK_SIZE + 1
               : 0;
}

/* Anything else that begins with the mark is bytes of somebody who does not know it. */
static void look_at_mark(struct inbound *in)
{
    size_t before = before_bytes(in);
    if (before > 0) {
        in->size = in->have = in->have - before;
        memmove(in->bytes, in->bytes + before, in->have);
        return;
    }
    if (!mproc__inbound_begins_with_mark(in->bytes, (size_t) in->size))
        return;
    int kind = in->bytes[HANDLE_MARK_SIZE];
    in->carries = (mproc__cargo_is_native(kind) || mproc__cargo_is_connection(kind)) &&
                  (in->whole_messages || in->passed != MPROC_PLAT_NONE || in->lost);
}

/* ---- pieces ---- */

static mproc_err took_framed(struct inbound *in, size_t got)
{
    if (in->sized) {
        in->have += got;
    } else {
        in->header_have += got;
        if (in->header_have < mproc__frame_header_size(in->header, in->header_have))
            return MPROC_OK;
        mproc_err err = mproc__frame_decode(in->header, in->max_message, &in->size);
        if (err != MPROC_OK)
            return in->over = err;
        in->sized = true;
    }
    in->whole = in->have == in->size;
    return MPROC_OK;
}

static mproc_err took_part(struct inbound *in, size_t got, bool more)
{
    in->have += got;
    in->size = in->have;
    in->whole = !more;
    if (in->max_message == 0 || in->have - before_bytes(in) <= in->max_message)
        return MPROC_OK;
    in->over = MPROC_EPROTO;
    return mproc__fail(MPROC_EPROTO, "a message of more than %llu bytes came, which max_message forbids",
                       (unsigned long long) in->max_message);
}

mproc_err mproc__inbound_took(struct inbound *in, const struct mproc_plat_piece *piece)
{
    if (in->passed == MPROC_PLAT_NONE)
        in->passed = piece->passed;
    else
        mproc_plat_handle_close(piece->passed);
    in->lost |= piece->lost;
    mproc_err err = in->whole_messages ? took_part(in, piece->size, piece->more) : took_framed(in, piece->size);
    if (err == MPROC_OK && in->whole)
        look_at_mark(in);
    return err;
}

void mproc__inbound_taken(struct inbound *in)
{
    mproc_plat_handle_close(in->passed);
    if (in->capacity > KEPT_CAPACITY) {
        free(in->bytes);
        in->bytes = NULL;
        in->capacity = 0;
    }
    *in = (struct inbound){
        .whole_messages = in->whole_messages,
        .max_message = in->max_message,
        .bytes = in->bytes,
        .capacity = in->capacity,
        .passed = MPROC_PLAT_NONE,
    };
}
