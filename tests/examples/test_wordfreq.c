/* SPDX-License-Identifier: MIT */
/* wordfreq against counts of other kinds. */
#include "examples.h"

#include <apr_file_info.h>
#include <apr_file_io.h>

static void make_text_folder(void)
{
    make_folder();
    CU_ASSERT_EQUAL_FATAL(apr_dir_make_recursive(in_folder("b/deep"), APR_OS_DEFAULT, pool), APR_SUCCESS);

    char *block = malloc(100000);
    static const char text[] = "The cat and THE dog: the end. It's 3rd_word\n";
    write_file("a.txt", text, strlen(text));
    write_file("empty", "", 0);
    static const char utf8[] = "na\xc3\xafve caf\xc3\xa9 \xe2\x82\xac the \xf0\x9f\x98\x80smile";
    write_file("b/utf8.txt", utf8, strlen(utf8));
    static const char binary[] = "the binary\0the binary the binary";
    write_file("b/binary", binary, sizeof binary);
    memset(block, 'x', 100000); /* one word over the blocks of the reader, no newline at the end */
    write_file("b/deep/long", block, 70000);
    memset(block, ' ', 100000);
    memcpy(block + 65530, "boundaries", 10);
    block[8192] = '\0'; /* too late to make it a binary file */
    write_file("b/deep/late", block, 100000);
    block[8191] = '\0';
    write_file("b/deep/early", block, 100000);
    free(block);
    write_many_words("c.txt", 3 * 1024 * 1024, 1);
    write_many_words("d.txt", 100 * 1000, 2);
}

/* ---- the test's own count: all words as strings, sorted ---- */

struct tally {
    const char *word;
    long count;
};

static int compare_strings(const void *left, const void *right)
{
    return strcmp(*(const char *const *) left, *(const char *const *) right);
}

static int compare_tallies(const void *left, const void *right)
{
    const struct tally *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

static void collect_words(const char *path, apr_array_header_t *words)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *word = malloc(1 << 20);
    size_t length = 0;
    for (int byte; (byte = fgetc(file)) != EOF || length > 0;) {
        if (byte >= 'A' && byte <= 'Z')
            word[length++] = (char) (byte - 'A' + 'a');
        else if (byte >= 'a' && byte <= 'z')
            word[length++] = (char) byte;
        else if (length > 0) {
            APR_ARRAY_PUSH(words, const char *) = apr_pstrmemdup(pool, word, length);
            length = 0;
        }
    }
    free(word);
    fclose(file);
}

/* What `wordfreq --all` is to print for these files. */
static const char *count_by_sorting(const char *const *files, int file_count)
{
    apr_array_header_t *words = apr_array_make(pool, 1 << 16, sizeof(const char *));
    for (int i = 0; i < file_count; i++)
        collect_words(files[i], words);
    qsort(words->elts, (size_t) words->nelts, sizeof(const char *), compare_strings);

    apr_array_header_t *tallies = apr_array_make(pool, 1 << 12, sizeof(struct tally));
    struct tally *last = NULL;
    for (int i = 0; i < words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);
        if (!last || strcmp(last->word, word) != 0) {
            last = &APR_ARRAY_PUSH(tallies, struct tally);
            *last = (struct tally){ word, 0 };
        }
        last->count++;
    }
    qsort(tallies->elts, (size_t) tallies->nelts, sizeof(struct tally), compare_tallies);

    apr_array_header_t *lines = apr_array_make(pool, tallies->nelts + 1, sizeof(const char *));
    for (int i = 0; i < tallies->nelts; i++) {
        struct tally tally = APR_ARRAY_IDX(tallies, i, struct tally);
        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(pool, "%10ld %s\n", tally.count,
                                                           tally.word);
    }
    APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(pool,
                                                       "files: %d\nwords: %d\ndistinct words: %d\n",
                                                       file_count, words->nelts, tallies->nelts);
    return apr_array_pstrcat(pool, lines, 0);
}

static void wordfreq_lists_exactly_the_text_files(void)
{
    make_text_folder();
    static const char *const names[] = { "a.txt", "b/deep/late", "b/deep/long", "b/utf8.txt",
                                         "c.txt", "d.txt",       "empty" };
    struct output output = run("wordfreq", folder, "--list", NULL);
    CU_ASSERT_EQUAL(output.line_count, 7);
    for (int i = 0; i < 7; i++)
        CU_ASSERT_STRING_EQUAL(output.lines[i], apr_pstrcat(pool, folder, "/", names[i], NULL));
    remove_tree(folder);
}

static void wordfreq_counts_what_a_sort_counts(void)
{
    make_text_folder();
    struct output list = run("wordfreq", folder, "--list", NULL);
    const char *expected = count_by_sorting(list.lines, list.line_count);
    check_same(run("wordfreq", folder, "--all", "-j", "0", NULL).text, expected);
    check_same(run("wordfreq", folder, "--all", "-j", "1", NULL).text, expected);
    check_same(run("wordfreq", folder, "--all", "-j", "3", NULL).text, expected);
    check_same(run("wordfreq", folder, "--all", "-j", "20", NULL).text, expected);
    check_same(run("wordfreq", folder, "--all", NULL).text, expected);
    remove_tree(folder);
}

static void wordfreq_shows_the_twenty_most_frequent(void)
{
    make_text_folder();
    struct output all = run("wordfreq", folder, "--all", NULL);
    struct output top = run("wordfreq", folder, NULL);
    CU_ASSERT_EQUAL(top.line_count, 23);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_STRING_EQUAL(top.lines[i], all.lines[i]);
    CU_ASSERT_PTR_NOT_NULL(strstr(all.text, top.lines[20]));
    CU_ASSERT_STRING_EQUAL(top.lines[20], "files: 7");
    remove_tree(folder);
}

static void wordfreq_of_an_empty_folder_counts_nothing(void)
{
    make_text_folder();
    const char *empty = in_folder("nothing");
    CU_ASSERT_EQUAL(apr_dir_make(empty, APR_OS_DEFAULT, pool), APR_SUCCESS);
    CU_ASSERT_STRING_EQUAL(run("wordfreq", empty, NULL).text,
                           "files: 0\nwords: 0\ndistinct words: 0\n");
    remove_tree(folder);
}

/* Kills the process that a line of wordfreq's stderr names; false if it names none. */
static bool kill_worker_of(const char *line)
{
    int worker;
    int64_t pid;
    if (sscanf(line, "wordfreq: worker %d is process %" SCNd64, &worker, &pid) != 2)
        return false;
    kill_hard(pid);
    return true;
}

static void wordfreq_counts_right_though_workers_are_killed(void)
{
    make_text_folder();
    for (int i = 0; i < 16; i++)
        write_many_words(apr_psprintf(pool, "many%d.txt", i), 1 << 20, (uint32_t) i);
    const char *expected = run("wordfreq", folder, "-j", "0", NULL).text;

    const char *arguments[] = { example("wordfreq"), folder, "-j", "2", "--verbose", NULL };
    apr_proc_t process;
    CU_ASSERT_TRUE_FATAL(start(&process, arguments, true));
    char line[512];
    int killed = 0, died = 0;
    while (apr_file_gets(line, sizeof line, process.err) == APR_SUCCESS) {
        if (killed < 6 && kill_worker_of(line))
            killed++;
        died += strstr(line, " died: ") != NULL;
    }
    const char *counted = read_all(process.out);
    CU_ASSERT_EQUAL(wait_for(&process), 0);
    apr_file_close(process.out);
    apr_file_close(process.err);
    check_same(counted, expected);
    CU_ASSERT(killed >= 2);
    CU_ASSERT(died >= 1 && died <= killed); /* one that had delivered is not missed */
    remove_tree(folder);
}

/* ---- what cannot be read, a terminal, many workers ---- */

/* Runs it to its end, with what came out of stderr; a terminal, or a pipe. */
static mproc_completed run_with_errors(const char *const *arguments, mproc_stream_kind kind)
{
    mproc_completed completed = { .returncode = -1000 };
    mproc_run_options options = { .start = { .standard_output = { .kind = MPROC_STREAM_PIPE },
                                             .standard_error = { .kind = kind }, .text = true } };
    CHECK_OK(mproc_run(&completed, arguments, &options, 60000));
    return completed;
}

static void check_complaint(const char *const *arguments, const char *path, const char *totals)
{
    mproc_completed completed = run_with_errors(arguments, MPROC_STREAM_PIPE);
    CU_ASSERT_EQUAL(completed.returncode, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(completed.error);
    CU_ASSERT_TRUE(starts_with(completed.error, apr_pstrcat(pool, "wordfreq: ", path, ": ", NULL)));
    CU_ASSERT_PTR_NOT_NULL(strstr(completed.output, totals));
    mproc_completed_free(&completed);
}

static void wordfreq_complains_of_a_folder_that_is_not_there(void)
{
    make_folder();
    const char *path = in_folder("is-not-there");
    check_complaint((const char *[]){ example("wordfreq"), path, NULL }, path, "files: 0\n");
    check_complaint((const char *[]){ example("wordfreq"), path, "--list", NULL }, path, "");
    remove_tree(folder);
}

static void wordfreq_leaves_out_what_cannot_be_read(void)
{
    make_folder();
    intptr_t keep;
    const char *unreadable = in_folder("b"), *wordfreq = example("wordfreq");
    write_file("a", "one", 3);
    write_file("c", "two words", 9);
    if (make_unreadable_file(unreadable, &keep)) {
        check_complaint((const char *[]){ wordfreq, folder, NULL }, unreadable, "files: 2\nwords: 3\n");
        check_complaint((const char *[]){ wordfreq, folder, "-j", "0", NULL }, unreadable, "files: 2\nwords: 3\n");
        check_complaint((const char *[]){ wordfreq, folder, "--list", NULL }, unreadable, in_folder("c"));
        native_close(keep);
    } else {
        skip("this system has no file that nobody can read");
    }
    remove_tree(folder);
}

static void wordfreq_draws_a_bar_on_a_terminal_only(void)
{
    make_folder();
    for (char name[] = "a"; *name <= 'c'; ++*name)
        write_file(name, "one two", 7);
    static const char full[] = "[########################################] 3/3";
    const char *const arguments[] = { example("wordfreq"), folder, "-j", "2", NULL };
    mproc_completed completed = run_with_errors(arguments, MPROC_STREAM_PIPE);
    CU_ASSERT_STRING_EQUAL(completed.error, "");
    const char *expected = apr_pstrdup(pool, completed.output);
    mproc_completed_free(&completed);
    CU_ASSERT_PTR_NOT_NULL(strstr(expected, "files: 3"));

    if (system_is_windows()) {
        skip_part("there are no pseudo-terminals");
    } else {
        completed = run_with_errors(arguments, MPROC_STREAM_TERMINAL);
        CU_ASSERT_EQUAL(completed.returncode, 0);
        check_same(completed.output, expected);
        CU_ASSERT_PTR_NOT_NULL(strstr(completed.error, "] 1/3"));
        CU_ASSERT_PTR_NOT_NULL(strstr(completed.error, full));
        mproc_completed_free(&completed);
    }
    remove_tree(folder);
}

static void wordfreq_has_as_many_workers_as_a_pool_can(void)
{
    make_text_folder();
    const char *expected = run("wordfreq", folder, "--all", "-j", "0", NULL).text;
    if (method_under_test() == MPROC_START_FORK)
        check_same(run("wordfreq", folder, "--all", "-j", "300", NULL).text, expected);
    else
        skip_part("300 workers take long to start");
    mproc_completed completed = run_with_errors((const char *[]){ example("wordfreq"), folder, "-j", "99999", NULL },
                                                MPROC_STREAM_PIPE);
    CU_ASSERT_EQUAL(completed.returncode, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(completed.error, "a pool has at most"));
    mproc_completed_free(&completed);
    remove_tree(folder);
}

/* More of this kind: test_wordfreq_pipeline.sh. */
static void wordfreq_counts_licenses_as_one_process_does(void)
{
    static const char path[] = "/usr/share/common-licenses";
    if (!file_exists(path)) {
        skip("there is no /usr/share/common-licenses");
        return;
    }
    const char *expected = run("wordfreq", path, "--all", "-j", "0", NULL).text;
    CU_ASSERT_PTR_NOT_NULL(strstr(expected, " the\n"));
    check_same(run("wordfreq", path, "--all", "-j", "3", NULL).text, expected);
}

MPROC_SUITE(wordfreq, MPROC_TEST(wordfreq_lists_exactly_the_text_files),
            MPROC_TEST(wordfreq_counts_what_a_sort_counts),
            MPROC_TEST(wordfreq_shows_the_twenty_most_frequent),
            MPROC_TEST(wordfreq_of_an_empty_folder_counts_nothing),
            MPROC_TEST(wordfreq_counts_right_though_workers_are_killed),
            MPROC_TEST(wordfreq_complains_of_a_folder_that_is_not_there),
            MPROC_TEST(wordfreq_leaves_out_what_cannot_be_read),
            MPROC_TEST(wordfreq_draws_a_bar_on_a_terminal_only),
            MPROC_TEST(wordfreq_has_as_many_workers_as_a_pool_can),
            MPROC_TEST(wordfreq_counts_licenses_as_one_process_does))
