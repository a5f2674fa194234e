/* SPDX-License-Identifier: MIT */
/* Messages in pieces: whatever comes, and however it is cut, it is read as a reader of all of it at once would.
 *
 * The first byte: bit 0 whether the channel knows messages (a named pipe) or has headers; bits 1 to 3 a limit of
 * messages' sizes. Then pieces: a byte with its size (bits 0 to 5, 63: all that is wanted), whether its message goes
 * on (bit 6, if the channel knows) and whether a handle of it was lost (bit 7); and its bytes. */
#include "inbound.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { LARGEST = 1 << 17 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* What has come of the message that is being read, and what was lost with it. */
static unsigned char stream[LARGEST];
static size_t stream_size, longest;
static bool lost;

static bool read_header(uint64_t limit, size_t *header, uint64_t *length, bool *wrong)
{
    uint64_t value = 0;
    size_t wanted = stream_size >= 4 && memcmp(stream, "\xff\xff\xff\xff", 4) == 0 ? 12 : 4;
    if (stream_size < wanted)
        return false;
    for (size_t i = wanted == 12 ? 4 : 0; i < wanted; i++)
        value = value << 8 | stream[i];
    *header = wanted;
    *length = value;
    *wrong = (wanted == 4 && value > INT32_MAX) || (limit && value > limit) || value > SIZE_MAX / 4;
    return true;
}

static bool begins_with_mark(const unsigned char *bytes, size_t size)
{
    return size > 14 && memcmp(bytes, "#MPROC-HANDLE#", 14) == 0;
}

static bool is_cargo(unsigned char kind)
{
    return kind == 1 || kind == 2 || kind == 0x11 || kind == 0x12 || kind == 0x13;
}

/* A whole message is the one that the stream holds. */
static void check_message(struct inbound *in, const unsigned char *bytes, size_t size)
{
    bool marked = begins_with_mark(bytes, size);
    bool carries = marked && is_cargo(bytes[14]) && (in->whole_messages || lost);
    if (marked && in->whole_messages && bytes[14] == 0) {
        bytes += 15;
        size -= 15;
    }
    CHECK(in->size == size && (size == 0 || memcmp(in->bytes, bytes, size) == 0));
    CHECK(in->carries == carries && in->lost == lost);
    unsigned char header[FRAME_HEADER_LONG];
    uint64_t back = 0;
    size_t length = mproc__frame_encode(size, header);
    CHECK(mproc__frame_header_size(header, 4) == length);
    CHECK(mproc__frame_decode(header, 0, &back) == MPROC_OK && back == size);
    mproc__inbound_taken(in);
    CHECK(!mproc__inbound_holds(in));
    stream_size = 0;
    lost = false;
}

static void check_progress(struct inbound *in, mproc_err err, bool more)
{
    size_t header = 0;
    uint64_t length = stream_size;
    size_t before = begins_with_mark(stream, stream_size) && stream[14] == 0 ? 15 : 0;
    bool wrong = in->whole_messages && in->max_message && stream_size - before > in->max_message;
    bool known = in->whole_messages || read_header(in->max_message, &header, &length, &wrong);
    CHECK(err == (known && wrong ? MPROC_EPROTO : MPROC_OK));
    if (err != MPROC_OK)
        return;
    bool whole = known && (in->whole_messages ? !more : stream_size - header == length);
    CHECK(in->whole == whole);
    longest = stream_size > longest ? stream_size : longest;
    CHECK(in->capacity <= (1 << 16) + 2 * longest); /* whatever length was claimed */
    if (whole)
        check_message(in, stream + header, (size_t) length);
}

static mproc_err feed(struct inbound *in, uint8_t control, const uint8_t **bytes, const uint8_t *end)
{
    unsigned char *place;
    size_t wanted, left = (size_t) (end - *bytes);
    CHECK(mproc__inbound_place(in, &place, &wanted) == MPROC_OK && wanted > 0);
    place[wanted - 1] = 0; /* all of it is ours */
    size_t size = (control & 63) == 63 ? wanted : (size_t) (control & 63) + !in->whole_messages;
    size = size < wanted ? size : wanted;
    size = size < left ? size : left;
    struct mproc_plat_piece piece = {
        .size = size,
        .more = in->whole_messages && control & 64,
        .lost = control & 128,
        .passed = MPROC_PLAT_NONE,
    };
    if (size == 0 && !in->whole_messages)
        return MPROC_OK;
    memcpy(place, *bytes, size);
    CHECK(stream_size + size <= LARGEST);
    memcpy(stream + stream_size, *bytes, size);
    stream_size += size;
    lost |= piece.lost;
    *bytes += size;
    mproc_err err = mproc__inbound_took(in, &piece);
    check_progress(in, err, piece.more);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint64_t limits[] = { 0, 0, 1, 4, 20, 256, 1000, 65536 };
    if (size == 0 || size > LARGEST)
        return 0;
    struct inbound in;
    const uint8_t *end = bytes + size;
    bool began = false;
    mproc_err err = MPROC_OK;
    stream_size = longest = 0;
    lost = false;
    mproc__inbound_begin(&in, bytes[0] & 1);
    in.max_message = limits[bytes[0] >> 1 & 7];
    for (bytes++; err == MPROC_OK && bytes < end;) {
        uint8_t control = *bytes++;
        err = feed(&in, control, &bytes, end);
        began = mproc__inbound_holds(&in);
    }
    if (err == MPROC_OK)
        err = mproc__inbound_end(&in);
    CHECK(err == MPROC_EPROTO || err == (began ? MPROC_EDIED : MPROC_ECLOSED));
    CHECK(mproc__inbound_over(&in) == err);
    mproc__inbound_release(&in);
    return 0;
}
