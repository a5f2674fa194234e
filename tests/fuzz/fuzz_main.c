/* SPDX-License-Identifier: MIT */
/* A fuzz target without libFuzzer: replays files, then changes them at random for a while.
 *
 *   fuzz_x_replay SECONDS FILE... */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 1 << 16 };

static uint64_t state = 1;
static const uint8_t *input;
static size_t input_size;

/* The target calls abort() for a failure. */
static void print_input(int number)
{
    (void) number;
    fprintf(stderr, "the input, in hexadecimal: ");
    for (size_t i = 0; i < input_size; i++)
        fprintf(stderr, "%02x", input[i]);
    fprintf(stderr, "\n");
}

static void try(const uint8_t *data, size_t size)
{
    input = data;
    input_size = size;
    LLVMFuzzerTestOneInput(data, size);
}

static unsigned any(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) (state >> 33) % below;
}

static size_t change(uint8_t *data, size_t size)
{
    for (unsigned times = any(4) + 1; times > 0 && size > 0; times--) {
        size_t at = any((unsigned) size), length = any(16) % (size - at) + 1, to = any((unsigned) size);
        switch (any(6)) {
        case 0:
            data[at] = (uint8_t) any(256);
            break;
        case 1:
            data[at] ^= (uint8_t) (1u << any(8));
            break;
        case 2: /* cut off */
            size = at;
            break;
        case 3: /* take out */
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        case 4: /* copy over */
            memmove(data + to, data + at, length < size - to ? length : size - to);
            break;
        default: /* double */
            if (size + length <= LARGEST) {
                memmove(data + at + length, data + at, size - at);
                size += length;
            }
            break;
        }
    }
    return size;
}

static size_t read_file(const char *path, uint8_t *data)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(2);
    }
    size_t size = fread(data, 1, LARGEST, file);
    fclose(file);
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t data[LARGEST], changed[LARGEST];
    if (argc < 3) {
        fprintf(stderr, "usage: %s SECONDS FILE...\n", argv[0]);
        return 2;
    }
    signal(SIGABRT, print_input);
    for (int i = 2; i < argc; i++)
        try(data, read_file(argv[i], data));
    printf("%d files replayed\n", argc - 2);
    long runs = 0;
    time_t end = time(NULL) + atoi(argv[1]);
    for (int i = 2; time(NULL) < end; i = i + 1 < argc ? i + 1 : 2) {
        size_t size = read_file(argv[i], data);
        for (int n = 0; n < 200; n++, runs++) {
            memcpy(changed, data, size);
            try(changed, change(changed, size));
        }
    }
    printf("%ld changed inputs\n", runs);
    return 0;
}
