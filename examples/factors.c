/* SPDX-License-Identifier: MIT */
/* factors [FILE]: the prime factors of the numbers in a file or on standard input, as factor(1) prints them.
 * All CPUs search, the lines come in order, and no more is read ahead than is being worked on: it may be
 * endless, as in `yes 1000000000039 | factors | head`. */
#include <mproc.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_DIGITS = 20 /* of a number below 2^64 */ };

struct factors {
    uint64_t number;
    int count;
    uint64_t primes[64]; /* a number of 64 bits has at most 63 */
};

static int find(const void *in, void *out)
{
    struct factors *found = out;
    uint64_t rest = found->number = *(const uint64_t *) in;
    for (uint64_t divisor = 2; divisor <= rest / divisor; divisor++)
        for (; rest % divisor == 0 && rest > divisor; rest /= divisor)
            found->primes[found->count++] = divisor;
    if (rest > 1)
        found->primes[found->count++] = rest;
    return 0;
}

/* Called by the pool, in this process, whenever there is room for one number more. */
static mproc_err next_number(void *file, void *number)
{
    char text[MOST_DIGITS + 2], *end;
    if (fscanf(file, "%21s", text) != 1) /* one more than a number may have */
        return ferror(file) ? MPROC_ESYSTEM : MPROC_ENOTFOUND;
    errno = 0;
    *(uint64_t *) number = strtoull(text, &end, 10);
    bool is_number = isdigit((unsigned char) text[0]) && *end == '\0' && end - text <= MOST_DIGITS && errno == 0;
    return is_number ? MPROC_OK : MPROC_EINVAL;
}

static void print(const struct factors *found)
{
    printf("%" PRIu64 ":", found->number);
    for (int i = 0; i < found->count; i++)
        printf(" %" PRIu64, found->primes[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    mproc_init();

    FILE *file = argc > 1 ? fopen(argv[1], "r") : stdin;
    if (!file) {
        perror(argv[1]);
        return 2;
    }
    mproc_pool *pool;
    mproc_result *results;
    struct factors found;
    size_t line;
    mproc_err err;
    MPROC_MUST(mproc_pool_create(&pool, 0, NULL));
    MPROC_MUST(mproc_pool_imap_from(pool, &results, find, next_number, file, sizeof(uint64_t), sizeof found, NULL));
    while ((err = mproc_result_next(results, &line, &found, MPROC_FOREVER)) == MPROC_OK)
        print(&found);
    if (err == MPROC_EINVAL)
        fprintf(stderr, "factors: what comes after %zu numbers is none from 0 to %" PRIu64 "\n", line, UINT64_MAX);
    else if (err != MPROC_ENOTFOUND)
        fprintf(stderr, "factors: %s\n", mproc_last_error());
    MPROC_MUST(mproc_result_close(results));
    MPROC_MUST(mproc_pool_destroy(pool));
    fclose(file);
    return err == MPROC_ENOTFOUND ? 0 : 1;
}
