/* SPDX-License-Identifier: MIT */
/* Prints the SHA-256 of files as sha256sum does, computed by a pool. It goes on when a worker is killed:
 * the file it was in is begun again by another.
 *
 *   hashfiles [-j WORKERS] [-v] FILE...      -v tells the workers' pids on stderr */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- SHA-256 (FIPS 180-4) ---- */

struct sha256 {
    uint32_t state[8];
    uint64_t length;
    unsigned char block[64];
    size_t used;
};

static uint32_t rotate(uint32_t word, int count)
{
    return word >> count | word << (32 - count);
}

static void add_block(struct sha256 *hash, const unsigned char *block)
{
    static const uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2
    };
    uint32_t schedule[64], s[8];
    for (int i = 0; i < 16; i++)
        schedule[i] = (uint32_t) block[i * 4] << 24 | (uint32_t) block[i * 4 + 1] << 16 |
                      (uint32_t) block[i * 4 + 2] << 8 | block[i * 4 + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = schedule[i - 15], b = schedule[i - 2];
        schedule[i] = schedule[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + schedule[i - 7] +
                      (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, hash->state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
                       ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + schedule[i];
        uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                       ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        hash->state[i] += s[i];
}

static void begin_hash(struct sha256 *hash)
{
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    memcpy(hash->state, start, sizeof start);
    hash->length = 0;
    hash->used = 0;
}

static void add_bytes(struct sha256 *hash, const unsigned char *bytes, size_t size)
{
    hash->length += size;
    while (size > 0) {
        if (hash->used == 0 && size >= 64) {
            add_block(hash, bytes);
            bytes += 64;
            size -= 64;
            continue;
        }
        size_t part = 64 - hash->used < size ? 64 - hash->used : size;
        memcpy(hash->block + hash->used, bytes, part);
        hash->used += part;
        bytes += part;
        size -= part;
        if (hash->used == 64) {
            add_block(hash, hash->block);
            hash->used = 0;
        }
    }
}

static void end_hash(struct sha256 *hash, unsigned char digest[32])
{
    uint64_t bits = hash->length * 8;
    unsigned char tail[72] = { 0x80 };
    size_t padding = (hash->used < 56 ? 56 : 120) - hash->used;
    for (int i = 0; i < 8; i++)
        tail[padding + (size_t) i] = (unsigned char) (bits >> (56 - 8 * i));
    add_bytes(hash, tail, padding + 8);
    for (int i = 0; i < 32; i++)
        digest[i] = (unsigned char) (hash->state[i / 4] >> (24 - i % 4 * 8));
}

/* ---- the task ---- */

struct answer {
    int unreadable;
    unsigned char digest[32];
};

/* `in` is the path. */
static int hash_file(const void *in, void *out)
{
    struct answer *answer = out;
    struct sha256 hash;
    static unsigned char buffer[1 << 16];
    FILE *file = fopen(in, "rb");
    if (!file) {
        answer->unreadable = 1;
        return 0;
    }
    begin_hash(&hash);
    for (size_t size; (size = fread(buffer, 1, sizeof buffer, file)) > 0;)
        add_bytes(&hash, buffer, size);
    answer->unreadable = ferror(file) != 0;
    fclose(file);
    end_hash(&hash, answer->digest);
    return 0;
}

/* ---- the parent ---- */

static bool print_answer(const char *path, const struct answer *answer)
{
    if (answer->unreadable) {
        fprintf(stderr, "hashfiles: %s cannot be read\n", path);
        return false;
    }
    for (int i = 0; i < 32; i++)
        printf("%02x", answer->digest[i]);
    printf("  %s\n", path);
    return true;
}

static void tell_workers(mproc_pool *pool, size_t workers)
{
    for (size_t i = 0; i < workers; i++)
        fprintf(stderr, "hashfiles: worker %zu is process %" PRId64 "\n", i,
                mproc_pool_worker_pid(pool, i));
}

static bool hash_files(mproc_pool *pool, char **paths, size_t count)
{
    mproc_result **results = malloc(count * sizeof *results);
    mproc_task_options again = { .retries = 2 };
    bool all = results != NULL;
    for (size_t i = 0; results && i < count; i++)
        MPROC_MUST(mproc_pool_apply_async(pool, &results[i], hash_file, paths[i],
                                          strlen(paths[i]) + 1, sizeof(struct answer), &again));
    for (size_t i = 0; results && i < count; i++) {
        struct answer answer;
        if (mproc_result_get(results[i], &answer, sizeof answer, MPROC_FOREVER) == MPROC_OK) {
            all = print_answer(paths[i], &answer) && all;
        } else {
            fprintf(stderr, "hashfiles: %s: %s\n", paths[i], mproc_last_error());
            all = false;
        }
        MPROC_MUST(mproc_result_close(results[i]));
    }
    free(results);
    return all;
}

int main(int argc, char **argv)
{
    mproc_init();

    int first = 1, workers = mproc_cpu_count();
    bool verbose = false;
    for (; first < argc && argv[first][0] == '-'; first++)
        if (strcmp(argv[first], "-v") == 0)
            verbose = true;
        else if (strcmp(argv[first], "-j") == 0 && first + 1 < argc)
            workers = atoi(argv[++first]);
        else
            break;
    if (first == argc || workers < 1) {
        fputs("usage: hashfiles [-j WORKERS] [-v] FILE...\n", stderr);
        return 2;
    }
    mproc_pool *pool;
    MPROC_MUST(mproc_pool_create(&pool, (size_t) workers, NULL));
    if (verbose)
        tell_workers(pool, (size_t) workers);
    bool all = hash_files(pool, argv + first, (size_t) (argc - first));
    MPROC_MUST(mproc_pool_destroy(pool));
    return all ? 0 : 1;
}
