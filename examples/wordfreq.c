/* SPDX-License-Identifier: MIT */
/* needs: apr, wordfreq_count.c */
/* Counts the words of all text files under a folder with many processes.
 *
 * The list of files lies in shared memory. Workers draw one file after the other and count into
 * tables of their own; at the end each leaves its counts in a block of shared memory, and the
 * parent adds them up. A worker that dies before that takes its counts with it: the files it had
 * drawn go back to the list and another worker takes its place, so the sums are always right. */
#include "wordfreq_count.h"

#include <mproc.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORKERS = 256, MAX_DEATHS = 100, TOP = 20, PROGRESS_MS = 100, PROGRESS_WIDTH = 40 };

struct options {
    const char *folder;
    int workers;
    bool all;
    bool list;
    bool verbose;
    mproc_process_options process;
};

struct file {
    _Atomic uint32_t worker; /* who has drawn it; 0: nobody yet */
    uint64_t path;           /* where its path begins, from the begin of the plan */
};

struct seat {
    _Atomic uint64_t result;   /* the handle of the worker's result; 0: not delivered yet */
    _Atomic uint32_t finished; /* files, for the progress bar */
};

struct plan { /* in shared memory; the paths lie behind the files */
    _Atomic uint32_t next;
    uint32_t file_count;
    struct seat seats[MAX_WORKERS + 1]; /* by number of worker, from 1 */
    struct file files[];
};

struct result { /* in shared memory; the words lie behind the counts, in the same order */
    uint64_t text_files;
    uint64_t distinct;
    uint64_t counts[];
};

struct job {
    mproc_memory plan;
    uint32_t worker;
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
    size_t size = sizeof(struct plan) + (size_t) files->nelts * sizeof(struct file);
    size_t path = size;
    for (int i = 0; i < files->nelts; i++)
        size += strlen(APR_ARRAY_IDX(files, i, const char *)) + 1;

    mproc_memory block; /* zeroed: no file is drawn, no result is there */
    MPROC_MUST(mproc_alloc(&block, size));
    struct plan *plan = mproc_pointer(block);
    plan->file_count = (uint32_t) files->nelts;
    for (int i = 0; i < files->nelts; i++) {
        const char *text = APR_ARRAY_IDX(files, i, const char *);
        plan->files[i].path = path;
        memcpy((char *) plan + path, text, strlen(text) + 1);
        path += strlen(text) + 1;
    }
    return block;
}

/* ---- a worker ---- */

static struct file *draw_file(struct plan *plan, uint32_t worker)
{
    for (;;) {
        uint32_t index = atomic_fetch_add(&plan->next, 1);
        if (index >= plan->file_count)
            return NULL;
        uint32_t nobody = 0; /* after a death the list is gone through again */
        if (atomic_compare_exchange_strong(&plan->files[index].worker, &nobody, worker))
            return &plan->files[index];
    }
}

/* A file that cannot be read is left out; false if there is no memory. */
static bool count_files(struct plan *plan, uint32_t worker, struct sums *sums, apr_pool_t *pool)
{
    struct file *file;
    while ((file = draw_file(plan, worker)) != NULL) {
        const char *path = (const char *) plan + file->path;
        bool is_text = false;
        apr_status_t status = words_add_file(&sums->words, path, &is_text, pool);
        if (status == APR_ENOMEM)
            return false;
        if (status != APR_SUCCESS)
            complain(path, status);
        else if (is_text)
            sums->text_files++;
        atomic_fetch_add(&plan->seats[worker].finished, 1);
        apr_pool_clear(pool);
    }
    return true;
}

static void deliver(struct plan *plan, uint32_t worker, const struct sums *sums)
{
    const struct words *words = &sums->words;
    mproc_memory block;
    MPROC_MUST(mproc_alloc(&block, sizeof(struct result) + words->distinct * sizeof(uint64_t) +
                                       words->text_size));
    struct result *result = mproc_pointer(block);
    result->text_files = sums->text_files;
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
    atomic_store(&plan->seats[worker].result, block.id); /* all of it is there, or nothing */
}

static int work(void *arg)
{
    const struct job *job = arg;
    struct plan *plan = mproc_pointer(job->plan);
    struct sums sums = { 0 };
    apr_pool_t *pool;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS ||
        !count_files(plan, job->worker, &sums, pool))
        return 1;
    deliver(plan, job->worker, &sums);
    words_free(&sums.words);
    apr_terminate();
    return 0;
}

/* ---- the parent ---- */

static bool is_terminal(apr_pool_t *pool)
{
    apr_file_t *file;
    apr_finfo_t information;
    return apr_file_open_stderr(&file, pool) == APR_SUCCESS &&
           apr_file_info_get(&information, APR_FINFO_TYPE, file) == APR_SUCCESS &&
           information.filetype == APR_CHR;
}

static void show_progress(const struct plan *plan)
{
    uint32_t finished = 0;
    for (int i = 1; i <= MAX_WORKERS; i++)
        finished += atomic_load(&plan->seats[i].finished);
    char bar[PROGRESS_WIDTH + 1];
    size_t filled = plan->file_count ? (size_t) finished * PROGRESS_WIDTH / plan->file_count : 0;
    memset(bar, '.', PROGRESS_WIDTH);
    memset(bar, '#', filled < PROGRESS_WIDTH ? filled : PROGRESS_WIDTH);
    bar[PROGRESS_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %" PRIu32 "/%" PRIu32 " files", bar, finished, plan->file_count);
    fflush(stderr);
}

static mproc_process *start_worker(const struct options *options, const struct job *job)
{
    mproc_process *process;
    int64_t pid;
    MPROC_MUST(mproc_process_start(&process, work, job, sizeof *job, &options->process));
    MPROC_MUST(mproc_process_pid(process, &pid));
    if (options->verbose)
        fprintf(stderr, "wordfreq: worker %" PRIu32 " is process %" PRId64 "\n", job->worker, pid);
    return process;
}

/* Adds what a worker that has ended has delivered; false if it has not. */
static bool collect(struct plan *plan, uint32_t worker, struct sums *sums)
{
    mproc_memory block = { atomic_load(&plan->seats[worker].result) };
    if (block.id == 0)
        return false;
    const struct result *result = mproc_pointer(block);
    const char *word = (const char *) &result->counts[result->distinct];
    for (uint64_t i = 0; i < result->distinct; i++) {
        if (words_add(&sums->words, word, result->counts[i]) != APR_SUCCESS) {
            fputs("wordfreq: no memory\n", stderr);
            exit(1);
        }
        word += strlen(word) + 1;
    }
    sums->text_files += result->text_files;
    MPROC_MUST(mproc_free(block));
    return true;
}

/* Puts the files that a dead worker had drawn back on the list; how many they are. */
static uint32_t release_files(struct plan *plan, uint32_t worker)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->file_count; i++) {
        if (atomic_load(&plan->files[i].worker) == worker) {
            atomic_store(&plan->files[i].worker, 0);
            count++;
        }
    }
    atomic_store(&plan->seats[worker].finished, 0);
    atomic_store(&plan->next, 0);
    return count;
}

static void report_death(mproc_process *process, uint32_t worker, uint32_t files)
{
    static int deaths;
    char how[80];
    MPROC_MUST(mproc_process_describe(process, how, sizeof how));
    fprintf(stderr,
            "wordfreq: worker %" PRIu32 " died: %s; its %" PRIu32 " files are counted again\n",
            worker, how, files);
    if (++deaths == MAX_DEATHS) {
        fputs("wordfreq: too many workers died\n", stderr);
        exit(1);
    }
}

static void count_with_workers(const struct options *options, mproc_memory block, struct sums *sums,
                               bool progress)
{
    struct plan *plan = mproc_pointer(block);
    mproc_process *processes[MAX_WORKERS];
    struct job jobs[MAX_WORKERS];
    size_t running = (size_t) options->workers;
    for (size_t i = 0; i < running; i++) {
        jobs[i] = (struct job){ .plan = block, .worker = (uint32_t) i + 1 };
        processes[i] = start_worker(options, &jobs[i]);
    }
    while (running > 0) {
        if (progress)
            show_progress(plan);
        size_t i;
        mproc_err err = mproc_process_wait_any(processes, running, &i, PROGRESS_MS);
        if (err == MPROC_ETIMEDOUT)
            continue;
        MPROC_MUST(err);
        mproc_process *ended = processes[i];
        if (collect(plan, jobs[i].worker, sums)) {
            running--;
            processes[i] = processes[running];
            jobs[i] = jobs[running];
        } else {
            report_death(ended, jobs[i].worker, release_files(plan, jobs[i].worker));
            processes[i] = start_worker(options, &jobs[i]);
        }
        MPROC_MUST(mproc_process_close(ended));
    }
    if (progress)
        fprintf(stderr, "\r%*s\r", PROGRESS_WIDTH + 30, "");
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
                 read_start_method(value, &options->process.start_method))
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
    bool progress = is_terminal(pool);
    apr_pool_clear(pool);

    struct sums sums = { 0 };
    if (options.workers > 0)
        count_with_workers(&options, plan, &sums, progress);
    else if (!count_files(mproc_pointer(plan), 1, &sums, pool))
        return 1;
    print_sums(&sums, options.all);
    words_free(&sums.words);
    return 0;
}
