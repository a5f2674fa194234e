/* SPDX-License-Identifier: MIT */
/* part of: wordfreq */
#include "wordfreq_count.h"

#include <apr_file_io.h>

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 65536, TEXT_PROBE = 8192, FIRST_CAPACITY = 1024 };

/* ---- the table ---- */

void words_free(struct words *words)
{
    free(words->slots);
    free(words->text);
    *words = (struct words){ 0 };
}

const char *words_text(const struct words *words, const struct word *word)
{
    return words->text + word->text;
}

static bool reserve_text(struct words *words, size_t more)
{
    size_t needed = words->text_size + words->pending + more;
    if (needed <= words->text_capacity)
        return true;
    size_t capacity = needed * 2;
    char *text = realloc(words->text, capacity);
    if (!text)
        return false;
    words->text = text;
    words->text_capacity = capacity;
    return true;
}

static bool reserve_slot(struct words *words)
{
    if (words->distinct < words->capacity / 2)
        return true;
    size_t capacity = words->capacity ? words->capacity * 2 : FIRST_CAPACITY;
    struct word *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < words->capacity; i++) {
        if (words->slots[i].count == 0)
            continue;
        size_t place = words->slots[i].hash & (capacity - 1);
        while (slots[place].count != 0)
            place = (place + 1) & (capacity - 1);
        slots[place] = words->slots[i];
    }
    free(words->slots);
    words->slots = slots;
    words->capacity = capacity;
    return true;
}

/* There is room for the letter, and for a NUL behind it. */
static void add_letter(struct words *words, char letter)
{
    uint32_t hash = words->pending ? words->pending_hash : UINT32_C(2166136261); /* FNV-1a */
    words->pending_hash = (hash ^ (unsigned char) letter) * UINT32_C(16777619);
    words->text[words->text_size + words->pending++] = letter;
}

static bool end_word(struct words *words, uint64_t count)
{
    if (!reserve_slot(words))
        return false;
    char *word = words->text + words->text_size;
    word[words->pending] = '\0';
    size_t place = words->pending_hash & (words->capacity - 1);
    while (words->slots[place].count != 0 &&
           (words->slots[place].hash != words->pending_hash ||
            strcmp(words_text(words, &words->slots[place]), word) != 0))
        place = (place + 1) & (words->capacity - 1);

    if (words->slots[place].count == 0) {
        words->slots[place].hash = words->pending_hash;
        words->slots[place].text = words->text_size;
        words->text_size += words->pending + 1;
        words->distinct++;
    }
    words->slots[place].count += count;
    words->total += count;
    words->pending = 0;
    return true;
}

apr_status_t words_add(struct words *words, const char *word, uint64_t count)
{
    if (!reserve_text(words, strlen(word) + 1))
        return APR_ENOMEM;
    for (const char *letter = word; *letter; letter++)
        add_letter(words, *letter);
    return end_word(words, count) ? APR_SUCCESS : APR_ENOMEM;
}

/* ---- files ---- */

static bool looks_like_text(const char *bytes, size_t size)
{
    return memchr(bytes, '\0', size < TEXT_PROBE ? size : TEXT_PROBE) == NULL;
}

static apr_status_t open_file(apr_file_t **file, const char *path, apr_pool_t *pool)
{
    return apr_file_open(file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, APR_FPROT_OS_DEFAULT, pool);
}

/* Fills the block; at the end of the file with less, or nothing. */
static apr_status_t read_block(apr_file_t *file, char *block, size_t *size)
{
    apr_size_t wanted = *size;
    apr_status_t status = apr_file_read_full(file, block, wanted, size);
    return APR_STATUS_IS_EOF(status) ? APR_SUCCESS : status;
}

apr_status_t file_is_text(const char *path, bool *is_text, apr_pool_t *pool)
{
    apr_file_t *file;
    char block[TEXT_PROBE];
    size_t size = sizeof block;
    apr_status_t status = open_file(&file, path, pool);
    if (status != APR_SUCCESS)
        return status;
    status = read_block(file, block, &size);
    apr_file_close(file);
    *is_text = looks_like_text(block, size);
    return status;
}

static apr_status_t add_bytes(struct words *words, const char *bytes, size_t size)
{
    if (!reserve_text(words, size + 1)) /* words take no more room than they take in the file */
        return APR_ENOMEM;
    for (size_t i = 0; i < size; i++) {
        char letter = (char) (bytes[i] | 0x20); /* makes letters small, and nothing else a letter */
        if (letter >= 'a' && letter <= 'z')
            add_letter(words, letter);
        else if (words->pending && !end_word(words, 1))
            return APR_ENOMEM;
    }
    return APR_SUCCESS;
}

apr_status_t words_add_file(struct words *words, const char *path, bool *is_text, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_status_t status = open_file(&file, path, pool);
    if (status != APR_SUCCESS)
        return status;

    char block[BLOCK];
    size_t size = sizeof block;
    status = read_block(file, block, &size);
    *is_text = status == APR_SUCCESS && looks_like_text(block, size);
    while (*is_text && status == APR_SUCCESS && size > 0) {
        status = add_bytes(words, block, size);
        size = sizeof block;
        if (status == APR_SUCCESS)
            status = read_block(file, block, &size);
    }
    apr_file_close(file);
    if (words->pending && !end_word(words, 1))
        return APR_ENOMEM;
    return status;
}
