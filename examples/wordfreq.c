/* SPDX-License-Identifier: MIT */
/* needs: apr, wordfreq_count.c */
/* Counts the words of all text files under a folder with a pool of processes.
 *
 * A task counts the words of some of the files into a table of its own and gives the counts as its result, which
 * the parent adds up. A worker that dies takes nothing with it: the pool lets another one begin its task again, so
 * the sums are always right.
 *
 * What cannot be read is complained about and left out; then the exit code is 1. MPROC_START_METHOD in the
 * environment chooses how workers are started. */
#include "wordfreq_count.h"

#include <mproc.h>

#include <apr_file_info.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEATHS = 100, TOP = 20, LOOK_MS = 100, SHARES = 16 /* per worker */ };

struct options {
    const char *folder;
    long workers;
    bool all;
    bool list;
    bool verbose;
};

struct sums {
    struct words words;
    uint64_t text_files;
    uint64_t unreadable; /* files and folders */
};

struct result { /* of a task; the words lie behind the counts, in the same order */
    uint64_t text_files;
    uint64_t unreadable;
    uint64_t distinct;
    uint64_t counts[];
};

static void complain(const char *path, apr_status_t status, uint64_t *unreadable)
{
    char text[128];
    fprintf(stderr, "wordfreq: %s: %s\n", path, apr_strerror(status, text, sizeof text));
    ++*unreadable;
}

/* ---- the files ---- */

/* A link to a file counts as that file under another path, as on systems that do not show links; links to
 * folders are not followed, as they may lead in circles. */
static bool leads_to_file(const char *path, apr_pool_t *pool)
{
    apr_finfo_t target;
    apr_status_t status = apr_stat(&target, path, APR_FINFO_TYPE, pool);
    return (status == APR_SUCCESS || APR_STATUS_IS_INCOMPLETE(status)) && target.filetype == APR_REG;
}

static void list_files(apr_array_header_t *files, const char *folder, uint64_t *unreadable, apr_pool_t *pool)
{
    apr_dir_t *directory;
    apr_finfo_t entry;
    apr_status_t status = apr_dir_open(&directory, folder, pool);
    if (status != APR_SUCCESS) {
        complain(folder, status, unreadable);
        return;
    }
    for (;;) {
        status = apr_dir_read(&entry, APR_FINFO_TYPE | APR_FINFO_NAME, directory);
        if (status != APR_SUCCESS && !APR_STATUS_IS_INCOMPLETE(status))
            break;
        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
            continue;
        const char *path = apr_pstrcat(pool, folder, "/", entry.name, NULL);
        if (entry.filetype == APR_DIR)
            list_files(files, path, unreadable, pool);
        else if (entry.filetype == APR_REG || (entry.filetype == APR_LNK && leads_to_file(path, pool)))
            APR_ARRAY_PUSH(files, const char *) = path;
    }
    apr_dir_close(directory);
}

static int compare_paths(const void *left, const void *right)
{
    return strcmp(*(const char *const *) left, *(const char *const *) right);
}

static apr_array_header_t *sorted_files(const char *folder, uint64_t *unreadable, apr_pool_t *pool)
{
    apr_array_header_t *files = apr_array_make(pool, 1024, sizeof(const char *));
    list_files(files, folder, unreadable, pool);
    qsort(files->elts, (size_t) files->nelts, sizeof(const char *), compare_paths);
    return files;
}

static void print_text_files(const apr_array_header_t *files, uint64_t *unreadable, apr_pool_t *pool)
{
    for (int i = 0; i < files->nelts; i++) {
        const char *path = APR_ARRAY_IDX(files, i, const char *);
        bool is_text = false;
        apr_status_t status = file_is_text(path, &is_text, pool);
        if (status != APR_SUCCESS)
            complain(path, status, unreadable);
        else if (is_text)
            puts(path);
    }
}

/* ---- a task ---- */

/* A task's argument: the paths of its files, one behind the other, each with its NUL, and an empty one. */
static char *make_share(const apr_array_header_t *files, int first, int end, size_t *size, apr_pool_t *pool)
{
    *size = 1;
    for (int i = first; i < end; i++)
        *size += strlen(APR_ARRAY_IDX(files, i, const char *)) + 1;
    char *share = apr_palloc(pool, *size), *at = share;
    for (int i = first; i < end; i++) {
        const char *path = APR_ARRAY_IDX(files, i, const char *);
        size_t length = strlen(path) + 1;
        memcpy(at, path, length);
        at += length;
    }
    *at = '\0';
    return share;
}

/* False if there is no memory. */
static bool count_files(const char *paths, struct sums *sums, apr_pool_t *pool)
{
    for (const char *path = paths; *path; path += strlen(path) + 1) {
        bool is_text = false;
        apr_status_t status = words_add_file(&sums->words, path, &is_text, pool);
        if (status == APR_ENOMEM)
            return false;
        if (status != APR_SUCCESS)
            complain(path, status, &sums->unreadable);
        else if (is_text)
            sums->text_files++;
        apr_pool_clear(pool);
    }
    return true;
}

static bool deliver(const struct sums *sums)
{
    const struct words *words = &sums->words;
    struct result *result = mproc_task_output(
        sizeof(struct result) + words->distinct * sizeof(uint64_t) + words->text_size);
    if (!result)
        return false;
    result->text_files = sums->text_files;
    result->unreadable = sums->unreadable;
    result->distinct = 0;
    char *text = (char *) &result->counts[words->distinct];
    for (size_t i = 0; i < words->capacity; i++) {
        const struct word *word = &words->slots[i];
        if (word->count == 0)
            continue;
        size_t length = strlen(words_text(words, word)) + 1;
        memcpy(text, words_text(words, word), length);
        text += length;
        result->counts[result->distinct++] = word->count;
    }
    return true;
}

static int count_share(const void *in, void *out)
{
    struct sums sums = { 0 };
    apr_pool_t *pool;
    (void) out; /* the result has a length of its own */
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return 1;
    bool counted = count_files(in, &sums, pool) && deliver(&sums);
    words_free(&sums.words);
    apr_pool_destroy(pool);
    apr_terminate();
    return counted ? 0 : 1;
}

/* ---- the parent ---- */

/* Tells the pids of workers that were not told before. */
static void tell_workers(mproc_pool *pool, const struct options *options, int64_t *told)
{
    for (long i = 0; options->verbose && i < options->workers; i++) {
        int64_t pid = mproc_pool_worker_pid(pool, (size_t) i);
        if (pid && pid != told[i])
            fprintf(stderr, "wordfreq: worker %ld is process %" PRId64 "\n", i, pid);
        told[i] = pid;
    }
}

static void add_result(const struct result *result, struct sums *sums)
{
    const char *word = (const char *) &result->counts[result->distinct];
    for (uint64_t i = 0; i < result->distinct; i++) {
        if (words_add(&sums->words, word, result->counts[i]) != APR_SUCCESS) {
            fputs("wordfreq: no memory\n", stderr);
            exit(1);
        }
        word += strlen(word) + 1;
    }
    sums->text_files += result->text_files;
    sums->unreadable += result->unreadable;
}

static void tell_deaths(mproc_pool *pool)
{
    mproc_pool_statistics statistics;
    MPROC_MUST(mproc_pool_get_statistics(pool, &statistics));
    if (statistics.died)
        fprintf(stderr, "wordfreq: %" PRIu64 " workers died: what they had begun was counted again\n",
                statistics.died);
}

static void count_with_workers(const struct options *options, const apr_array_header_t *files, struct sums *sums,
                               apr_pool_t *memory)
{
    int64_t count = files->nelts, shares = (int64_t) options->workers * SHARES;
    if (shares > count)
        shares = count;
    mproc_pool_options pool_options = { .poison_limit = MAX_DEATHS, .max_failed_starts = MAX_DEATHS };
    mproc_task_options again = { .retries = MAX_DEATHS };
    mproc_pool *pool;
    MPROC_MUST(mproc_pool_create(&pool, (size_t) options->workers, &pool_options));
    mproc_result **results = apr_palloc(memory, (size_t) shares * sizeof *results);
    int64_t *told = apr_pcalloc(memory, (size_t) options->workers * sizeof *told);
    tell_workers(pool, options, told);
    for (int64_t i = 0; i < shares; i++) {
        size_t size;
        char *share = make_share(files, (int) (count * i / shares), (int) (count * (i + 1) / shares), &size, memory);
        MPROC_MUST(mproc_pool_apply_async(pool, &results[i], count_share, share, size, 0, &again));
    }
    for (int64_t i = 0; i < shares; i++) {
        mproc_err err;
        while ((err = mproc_result_get(results[i], NULL, 0, LOOK_MS)) == MPROC_ETIMEDOUT)
            tell_workers(pool, options, told);
        MPROC_MUST(err);
        add_result(mproc_result_data(results[i]), sums);
        MPROC_MUST(mproc_result_close(results[i]));
        mproc_progress_bar(NULL, (size_t) i + 1, (size_t) shares);
    }
    tell_deaths(pool);
    MPROC_MUST(mproc_pool_destroy(pool));
}

/* ---- the answer ---- */

static const struct words *sorted_words; /* qsort has no argument for it */

static int compare_words(const void *left, const void *right)
{
    const struct word *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(words_text(sorted_words, a), words_text(sorted_words, b));
}

static void print_sums(struct sums *sums, bool all)
{
    struct words *words = &sums->words;
    sorted_words = words;
    if (words->capacity) /* empty slots come last */
        qsort(words->slots, words->capacity, sizeof *words->slots, compare_words);
    size_t shown = all || words->distinct < TOP ? words->distinct : TOP;
    for (size_t i = 0; i < shown; i++)
        printf("%10" PRIu64 " %s\n", words->slots[i].count, words_text(words, &words->slots[i]));
    printf("files: %" PRIu64 "\nwords: %" PRIu64 "\ndistinct words: %zu\n", sums->text_files,
           words->total, words->distinct);
}

static bool read_options(int argc, const char *const *argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--all") == 0)
            options->all = true;
        else if (strcmp(argv[i], "--list") == 0)
            options->list = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            options->verbose = true;
        else if (strcmp(argv[i], "-j") == 0 && i + 1 < argc && argv[i + 1][0] >= '0' && argv[i + 1][0] <= '9')
            options->workers = strtol(argv[++i], NULL, 10);
        else if (argv[i][0] != '-' && !options->folder)
            options->folder = argv[i];
        else
            return false;
    }
    return options->folder != NULL;
}

int main(int argc, char **argv)
{
    mproc_init();

    const char *const *arguments = (const char *const *) argv;
    apr_pool_t *pool, *for_reading;
    if (apr_app_initialize(&argc, &arguments, NULL) != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS ||
        apr_pool_create(&for_reading, pool) != APR_SUCCESS)
        return 1;
    struct options options = { .workers = mproc_cpu_count() };
    if (!read_options(argc, arguments, &options)) {
        fputs("usage: wordfreq FOLDER [-j WORKERS] [--all] [--list] [--verbose]\n"
              "-j 0 counts without workers, --all prints every word, --list only the text files\n",
              stderr);
        return 2;
    }

    struct sums sums = { 0 };
    size_t size;
    apr_array_header_t *files = sorted_files(options.folder, &sums.unreadable, pool);
    if (options.list)
        print_text_files(files, &sums.unreadable, pool);
    else if (options.workers > 0)
        count_with_workers(&options, files, &sums, pool);
    else if (!count_files(make_share(files, 0, files->nelts, &size, pool), &sums, for_reading))
        return 1;
    if (!options.list)
        print_sums(&sums, options.all);
    words_free(&sums.words);
    return sums.unreadable ? 1 : 0;
}
