/* SPDX-License-Identifier: MIT */
/* Running examples as a user would, and what they have printed. */
#ifndef MPROC_TESTS_EXAMPLES_H
#define MPROC_TESTS_EXAMPLES_H

#include "suite.h"
#include "system.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_proc.h>

#include <inttypes.h>

enum { MAX_LINES = 128, MAX_ARGUMENTS = 16 };

/* What a program has printed to stdout, as lines without their ends, and how it ended. */
struct output {
    const char *text;
    const char *lines[MAX_LINES]; /* "" from line_count on */
    int line_count;
    int exit_code;
    int64_t pid;
    int64_t nanoseconds; /* from its start to its end */
};

/* For all that lives as long as this program; made by the first run. */
extern apr_pool_t *pool;
void prepare_pool(void);

/* ---- running ---- */

/* The path of an example. They are in EXAMPLES_DIR, or where MPROC_TEST_EXAMPLES in the environment says. */
const char *example(const char *name);

/* Runs an example with arguments, the last one being NULL; it must end with exit code 0. */
struct output run(const char *name, ...);
/* The same, but takes only what has been printed when the program has ended: were a child still running, its
 * lines would be missing. */
struct output run_until_its_end(const char *name, const char *argument);
/* The same for any command and exit code; the arguments end with NULL. */
struct output run_arguments(const char *const *arguments);
/* For who reads along: starts with pipes for stdout and, if asked for, stderr. */
bool start(apr_proc_t *process, const char *const *arguments, bool with_errors);
/* All that comes out of a pipe, without carriage returns. */
char *read_all(apr_file_t *pipe);
int wait_for(apr_proc_t *process);

/* ---- what was printed ---- */

bool starts_with(const char *line, const char *begin);
const char *last_line(const struct output *output);
/* How many lines are `line`. */
int count_of(const struct output *output, const char *line);
/* The first line that begins with, or that holds this; -1: there is none. */
int line_of(const struct output *output, const char *begin);
int find_line(const struct output *output, const char *part);
/* Prints both to this program's output if they differ. */
bool has_lines(const struct output *output, const char *const *lines, int count);
/* The lines that begin with `begin` are, in this order, these. */
bool has_in_order(const struct output *output, const char *begin, const char *const *lines, int count);
bool is_one_of(int64_t number, const int64_t *numbers, int count);
void check_same(const char *left, const char *right);

bool on_a_system_with_fork(void);

/* ---- a folder of the test's own ---- */

/* The running test's; make_folder() makes an empty one, remove_tree(folder) removes it with all in it. */
extern const char *folder;
void make_folder(void);
void remove_tree(const char *path);
const char *in_folder(const char *name);
void write_file(const char *name, const char *bytes, size_t size);
/* Words of a small vocabulary, always the same for the same seed. */
void write_many_words(const char *name, size_t size, uint32_t seed);

#endif
