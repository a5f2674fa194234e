/* SPDX-License-Identifier: MIT */
/* Counting words in one process: a word is a maximal run of ASCII letters, in lower case. */
#ifndef WORDFREQ_COUNT_H
#define WORDFREQ_COUNT_H

#include <apr_errno.h>
#include <apr_pools.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct word {
    uint64_t count; /* 0: an empty slot */
    size_t text;    /* where it begins in the text of its table */
    uint32_t hash;
};

/* A hash table of words; {0} is an empty one. */
struct words {
    struct word *slots; /* `capacity` of them, a power of 2 */
    size_t capacity;
    size_t distinct;
    uint64_t total;
    char *text; /* the words, each ending with a NUL */
    size_t text_size;
    size_t text_capacity;
    size_t pending; /* letters behind text_size: a word whose end has not been read yet */
    uint32_t pending_hash;
};

void words_free(struct words *words);

/* Adds `count` occurrences of a word in lower case. APR_ENOMEM. */
apr_status_t words_add(struct words *words, const char *word, uint64_t count);

/* The text of a word of this table. */
const char *words_text(const struct words *words, const struct word *word);

/* A text file has no NUL byte among its first 8 KiB. */
apr_status_t file_is_text(const char *path, bool *is_text, apr_pool_t *pool);

/* Adds the words of a file, if it is a text file. */
apr_status_t words_add_file(struct words *words, const char *path, bool *is_text, apr_pool_t *pool);

#endif
