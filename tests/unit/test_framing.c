/* SPDX-License-Identifier: MIT */
/* Headers of messages, byte by byte. */
#include "suite.h"

#include "frame.h"

static void check(uint64_t size, const char *expected, size_t length)
{
    unsigned char header[FRAME_HEADER_LONG];
    uint64_t back = 1;
    CU_ASSERT_EQUAL(mproc__frame_encode(size, header), length);
    CU_ASSERT_EQUAL(memcmp(header, expected, length), 0);
    CU_ASSERT_EQUAL(mproc__frame_header_size(header, 4), length);
    CHECK_OK(mproc__frame_decode(header, 0, &back));
    CU_ASSERT_EQUAL(back, size);
}

static void lengths_are_big_endian_and_long_above_two_gib(void)
{
    check(0, "\0\0\0\0", 4);
    check(1, "\0\0\0\1", 4);
    check(0x12345678, "\x12\x34\x56\x78", 4);
    check(0x7fffffff, "\x7f\xff\xff\xff", 4);
#if SIZE_MAX > UINT32_MAX
    check(0x80000000, "\xff\xff\xff\xff\0\0\0\0\x80\0\0\0", 12);
    check(0x123456789a, "\xff\xff\xff\xff\0\0\0\x12\x34\x56\x78\x9a", 12);
#endif
}

static void impossible_lengths_are_refused(void)
{
    uint64_t size = 77;
    static const unsigned char negative[] = { 0x80, 0, 0, 0 }, minus_two[] = { 0xff, 0xff, 0xff, 0xfe };
    static const unsigned char huge[12] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const unsigned char ten[] = { 0, 0, 0, 10 };
    CHECK_FAILS(mproc__frame_decode(negative, 0, &size), MPROC_EPROTO);
    CHECK_FAILS(mproc__frame_decode(minus_two, 0, &size), MPROC_EPROTO);
    CHECK_FAILS(mproc__frame_decode(huge, 0, &size), MPROC_EPROTO);
    CHECK_FAILS(mproc__frame_decode(ten, 9, &size), MPROC_EPROTO);
    CU_ASSERT_EQUAL(size, 77);
    CHECK_OK(mproc__frame_decode(ten, 10, &size));
    CU_ASSERT_EQUAL(size, 10);
}

MPROC_SUITE(framing,
    MPROC_TEST(lengths_are_big_endian_and_long_above_two_gib),
    MPROC_TEST(impossible_lengths_are_refused))
