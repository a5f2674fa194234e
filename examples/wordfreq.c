/* SPDX-License-Identifier: MIT */
/* needs: apr, wordfreq_count.c */
/* Counts the words of all text files under a folder with a pool of processes.
 *
 * The list of files lies in shared memory. A task counts the words of some files of it into a table of
 * its own and gives the counts as its result, which the parent adds up. A worker that dies takes nothing
 * with it: the pool lets another one begin its task again, so the sums are always right. */
#include "wordfreq_count.h"

#include <mproc.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORKERS = 256, MAX_DEATHS = 100, TOP = 20, LOOK_MS = 100, SHARES = 16 /* per worker */ };

struct options {
    const char *folder;
    int workers;
    bool all;
    bool list;
    bool verbose;
    mproc_start_method start_method;
};

struct plan { /* in shared memory; the paths lie behind the files */
    uint32_t file_count;
    uint64_t paths[]; /* where each begins, from the begin of the plan */
};

struct result { /* in shared memory; the words lie behind the counts, in the same order */
    uint64_t text_files;
    uint64_t distinct;
    uint64_t counts[];
};

struct share { /* what a task is told */
    mproc_memory plan;
    uint32_t first, end;
};

struct sums {
    struct words words;
    uint64_t text_files;
};

static void complain(const char *what, apr_status_t status)
{
    char text[128];
    fprintf(stderr, "wordfreq: %s: %s\n", what, apr_strerror(status, text, sizeof text));
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

static apr_status_t list_files(apr_array_header_t *files, const char *folder, apr_pool_t *pool)
{
    apr_dir_t *directory;
    apr_status_t status = apr_dir_open(&directory, folder, pool);
    if (status != APR_SUCCESS) {
        complain(folder, status);
        return status;
    }
    apr_finfo_t entry;
    for (;;) {
        status = apr_dir_read(&entry, APR_FINFO_TYPE | APR_FINFO_NAME, directory);
        if (status != APR_SUCCESS && !APR_STATUS_IS_INCOMPLETE(status))
            break;
        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
            continue;
        const char *path = apr_pstrcat(pool, folder, "/", entry.name, NULL);
        if (entry.filetype == APR_DIR)
            (void) list_files(files, path, pool); /* the others still count */
        else if (entry.filetype == APR_REG ||
                 (entry.filetype == APR_LNK && leads_to_file(path, pool)))
            APR_ARRAY_PUSH(files, const char *) = path;
    }
    apr_dir_close(directory);
    return APR_SUCCESS;
}

static int compare_paths(const void *left, const void *right)
{
    return strcmp(*(const char *const *) left, *(const char *const *) right);
}

static apr_array_header_t *sorted_files(const char *folder, apr_pool_t *pool)
{
    apr_array_header_t *files = apr_array_make(pool, 1024, sizeof(const char *));
    if (list_files(files, folder, pool) != APR_SUCCESS)
        return NULL;
    qsort(files->elts, (size_t) files->nelts, sizeof(const char *), compare_paths);
    return files;
}

static void print_text_files(const apr_array_header_t *files, apr_pool_t *pool)
{
    for (int i = 0; i < files->nelts; i++) {
        const char *path = APR_ARRAY_IDX(files, i, const char *);
        bool is_text;
        apr_status_t status = file_is_text(path, &is_text, pool);
        if (status != APR_SUCCESS)
            complain(path, status);
        else if (is_text)
            puts(path);
    }
}

static mproc_memory make_plan(const apr_array_header_t *files)
{
    size_t size = sizeof(struct plan) + (size_t) files->nelts * sizeof(uint64_t);
    size_t path = size;
    for (int i = 0; i < files->nelts; i++)
        size += strlen(APR_ARRAY_IDX(files, i, const char *)) + 1;

    mproc_memory block;
    MPROC_MUST(mproc_alloc(&block, size));
    struct plan *plan = mproc_pointer(block);
    plan->file_count = (uint32_t) files->nelts;
    for (int i = 0; i < files->nelts; i++) {
        const char *text = APR_ARRAY_IDX(files, i, const char *);
        plan->paths[i] = path;
        memcpy((char *) plan + path, text, strlen(text) + 1);
        path += strlen(text) + 1;
    }
    return block;
}

/* ---- a task ---- */

/* A file that cannot be read is left out; false if there is no memory. */
static bool count_files(const struct plan *plan, uint32_t first, uint32_t end, struct sums *sums,
                        apr_pool_t *pool)
{
    for (uint32_t i = first; i < end; i++) {
        const char *path = (const char *) plan + plan->paths[i];
        bool is_text = false;
        apr_status_t status = words_add_file(&sums->words, path, &is_text, pool);
        if (status == APR_ENOMEM)
            return false;
        if (status != APR_SUCCESS)
            complain(path, status);
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
    const struct share *share = in;
    struct sums sums = { 0 };
    apr_pool_t *pool;
    (void) out; /* the result has a length of its own */
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return 1;
    bool counted = count_files(mproc_pointer(share->plan), share->first, share->end, &sums, pool) &&
                   deliver(&sums);
    words_free(&sums.words);
    apr_pool_destroy(pool);
    apr_terminate();
    return counted ? 0 : 1;
}

/* ---- the parent ---- */

static void tell_workers(mproc_pool *pool, int workers)
{
    static int64_t known[MAX_WORKERS];
    for (int i = 0; i < workers; i++) {
        int64_t pid = mproc_pool_worker_pid(pool, (size_t) i);
        if (pid && pid != known[i])
            fprintf(stderr, "wordfreq: worker %d is process %" PRId64 "\n", i, pid);
        known[i] = pid;
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
}

static void tell_deaths(mproc_pool *pool)
{
    mproc_pool_statistics statistics;
    MPROC_MUST(mproc_pool_get_statistics(pool, &statistics));
    if (statistics.died)
        fprintf(stderr,
                "wordfreq: %" PRIu64 " workers died: what they had begun was counted again\n",
                statistics.died);
}

static void count_with_workers(const struct options *options, mproc_memory block, struct sums *sums)
{
    uint32_t files = ((const struct plan *) mproc_pointer(block))->file_count;
    uint32_t shares = (uint32_t) options->workers * SHARES;
    mproc_pool_options pool_options = { .start_method = options->start_method,
                                        .poison_limit = MAX_DEATHS,
                                        .max_failed_starts = MAX_DEATHS };
    mproc_task_options again = { .retries = MAX_DEATHS };
    mproc_pool *pool;
    mproc_result *results[MAX_WORKERS * SHARES];
    MPROC_MUST(mproc_pool_create(&pool, (size_t) options->workers, &pool_options));
    if (options->verbose)
        tell_workers(pool, options->workers);
    for (uint32_t i = 0; i < shares; i++) {
        struct share share = { block, (uint32_t) ((uint64_t) files * i / shares),
                               (uint32_t) ((uint64_t) files * (i + 1) / shares) };
        MPROC_MUST(mproc_pool_apply_async(pool, &results[i], count_share, &share, sizeof share, 0,
                                          &again));
    }
    for (uint32_t i = 0; i < shares; i++) {
        mproc_err err;
        while ((err = mproc_result_get(results[i], NULL, 0, LOOK_MS)) == MPROC_ETIMEDOUT)
            if (options->verbose)
                tell_workers(pool, options->workers);
        MPROC_MUST(err);
        add_result(mproc_result_data(results[i]), sums);
        MPROC_MUST(mproc_result_close(results[i]));
        mproc_progress_bar(NULL, i + 1, shares);
    }
    tell_deaths(pool);
    MPROC_MUST(mproc_pool_close(pool));
    MPROC_MUST(mproc_pool_join(pool, MPROC_FOREVER));
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

static bool read_start_method(const char *name, mproc_start_method *method)
{
    mproc_start_method methods[8];
    size_t count = mproc_get_all_start_methods(methods, 8);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, mproc_start_method_name(methods[i])) == 0) {
            *method = methods[i];
            return true;
        }
    }
    return false;
}

static bool read_options(int argc, const char *const *argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--all") == 0)
            options->all = true;
        else if (strcmp(argv[i], "--list") == 0)
            options->list = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            options->verbose = true;
        else if (strcmp(argv[i], "-j") == 0 && value[0] >= '0' && value[0] <= '9')
            options->workers = atoi(argv[++i]);
        else if (strcmp(argv[i], "--start-method") == 0 &&
                 read_start_method(value, &options->start_method))
            i++;
        else if (argv[i][0] != '-' && !options->folder)
            options->folder = argv[i];
        else
            return false;
    }
    return options->folder && options->workers >= 0 && options->workers <= MAX_WORKERS;
}

int main(int argc, char **argv)
{
    mproc_init();

    const char *const *arguments = (const char *const *) argv;
    apr_pool_t *pool;
    if (apr_app_initialize(&argc, &arguments, NULL) != APR_SUCCESS ||
        apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return 1;
    struct options options = { .workers = mproc_cpu_count() };
    if (!read_options(argc, arguments, &options)) {
        fputs("usage: wordfreq FOLDER [-j WORKERS] [--all] [--list] [--verbose]\n"
              "                [--start-method fork|spawn|forkserver]\n"
              "-j 0 counts without workers, --all prints every word, --list only the text files\n",
              stderr);
        return 2;
    }

    apr_array_header_t *files = sorted_files(options.folder, pool);
    if (!files)
        return 1;
    if (options.list) {
        print_text_files(files, pool);
        return 0;
    }
    mproc_memory plan = make_plan(files);
    apr_pool_clear(pool);

    struct sums sums = { 0 };
    if (options.workers > 0)
        count_with_workers(&options, plan, &sums);
    else if (!count_files(mproc_pointer(plan), 0, ((struct plan *) mproc_pointer(plan))->file_count,
                          &sums, pool))
        return 1;
    print_sums(&sums, options.all);
    words_free(&sums.words);
    return 0;
}
