/* SPDX-License-Identifier: MIT */
#include "examples.h"

#include "platform.h"

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_general.h>

#include <stdarg.h>

apr_pool_t *pool;
const char *folder;

void prepare_pool(void)
{
    if (pool)
        return;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        abort();
}

/* ---- running ---- */

const char *example(const char *name)
{
    prepare_pool();
    const char *examples = getenv("MPROC_TEST_EXAMPLES");
    return apr_pstrcat(pool, examples ? examples : EXAMPLES_DIR, "/", name, system_is_windows() ? ".exe" : "",
                       NULL);
}

bool start(apr_proc_t *process, const char *const *arguments, bool with_errors)
{
    apr_procattr_t *attributes;
    apr_procattr_create(&attributes, pool);
    apr_procattr_io_set(attributes, APR_NO_PIPE, APR_FULL_BLOCK, with_errors ? APR_FULL_BLOCK : APR_NO_PIPE);
    apr_procattr_cmdtype_set(attributes, APR_PROGRAM_ENV);
    apr_procattr_error_check_set(attributes, 1);
    return apr_proc_create(process, arguments[0], arguments, NULL, attributes, pool) == APR_SUCCESS;
}

char *read_all(apr_file_t *pipe)
{
    size_t size = 0, capacity = 65536;
    char *text = malloc(capacity);
    for (;;) {
        apr_size_t more = capacity - size - 1;
        if (apr_file_read(pipe, text + size, &more) != APR_SUCCESS)
            break;
        size += more;
        if (capacity - size < 4096)
            text = realloc(text, capacity *= 2);
    }
    char *end = text;
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\r')
            *end++ = text[i];
    *end = '\0';
    char *kept = apr_pstrdup(pool, text);
    free(text);
    return kept;
}

int wait_for(apr_proc_t *process)
{
    int exit_code = -1;
    apr_exit_why_e why;
    apr_proc_wait(process, &exit_code, &why, APR_WAIT);
    return why == APR_PROC_EXIT ? exit_code : -exit_code;
}

static void split_lines(struct output *output)
{
    char *state;
    char *copy = apr_pstrdup(pool, output->text);
    for (int i = 0; i < MAX_LINES; i++)
        output->lines[i] = "";
    output->line_count = 0;
    for (char *line = apr_strtok(copy, "\n", &state); line && output->line_count < MAX_LINES;
         line = apr_strtok(NULL, "\n", &state))
        output->lines[output->line_count++] = line;
}

/* `end_first`: reads only what is there when it has ended. */
static struct output run_command(const char *const *arguments, bool end_first)
{
    struct output output = { .text = "", .exit_code = -1 };
    apr_proc_t process;
    prepare_pool();
    int64_t begin = mproc_plat_now();
    if (start(&process, arguments, false)) {
        output.pid = process.pid;
        if (end_first) {
            output.exit_code = wait_for(&process);
            apr_file_pipe_timeout_set(process.out, 0);
        }
        output.text = read_all(process.out);
        if (!end_first)
            output.exit_code = wait_for(&process);
        apr_file_close(process.out);
    }
    output.nanoseconds = mproc_plat_now() - begin;
    split_lines(&output);
    return output;
}

struct output run_arguments(const char *const *arguments)
{
    return run_command(arguments, false);
}

static void check_exit_code(const char *name, const struct output *output)
{
    if (output->exit_code != 0)
        printf("\n    %s: exit code %d\n%s\n", name, output->exit_code, output->text);
    CU_ASSERT_EQUAL(output->exit_code, 0);
}

struct output run(const char *name, ...)
{
    const char *arguments[MAX_ARGUMENTS] = { example(name) };
    va_list list;
    va_start(list, name);
    for (int i = 1; i < MAX_ARGUMENTS - 1 && (arguments[i] = va_arg(list, const char *)); i++)
        continue;
    va_end(list);
    struct output output = run_command(arguments, false);
    check_exit_code(name, &output);
    return output;
}

struct output run_until_its_end(const char *name, const char *argument)
{
    const char *arguments[] = { example(name), argument, NULL };
    struct output output = run_command(arguments, true);
    check_exit_code(name, &output);
    return output;
}

/* ---- what was printed ---- */

bool starts_with(const char *line, const char *begin)
{
    return strncmp(line, begin, strlen(begin)) == 0;
}

const char *last_line(const struct output *output)
{
    return output->line_count > 0 ? output->lines[output->line_count - 1] : "";
}

int count_of(const struct output *output, const char *line)
{
    int count = 0;
    for (int i = 0; i < output->line_count; i++)
        count += strcmp(output->lines[i], line) == 0;
    return count;
}

int line_of(const struct output *output, const char *begin)
{
    for (int i = 0; i < output->line_count; i++)
        if (starts_with(output->lines[i], begin))
            return i;
    return -1;
}

int find_line(const struct output *output, const char *part)
{
    for (int i = 0; i < output->line_count; i++)
        if (strstr(output->lines[i], part))
            return i;
    return -1;
}

bool has_lines(const struct output *output, const char *const *lines, int count)
{
    bool same = output->line_count == count;
    for (int i = 0; same && i < count; i++)
        same = strcmp(output->lines[i], lines[i]) == 0;
    if (!same)
        printf("\n%s\n", output->text);
    return same;
}

bool has_in_order(const struct output *output, const char *begin, const char *const *lines, int count)
{
    int found = 0;
    for (int i = 0; i < output->line_count; i++)
        if (starts_with(output->lines[i], begin)) {
            if (found == count || strcmp(output->lines[i], lines[found]) != 0)
                return false;
            found++;
        }
    return found == count;
}

bool is_one_of(int64_t number, const int64_t *numbers, int count)
{
    for (int i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

void check_same(const char *left, const char *right)
{
    bool same = strcmp(left, right) == 0;
    if (!same)
        printf("\n    not the same: %zu and %zu bytes\n", strlen(left), strlen(right));
    CU_ASSERT_TRUE(same);
}

bool on_a_system_with_fork(void)
{
    mproc_start_method methods[8];
    size_t count = mproc_get_all_start_methods(methods, 8);
    for (size_t i = 0; i < count; i++)
        if (methods[i] == MPROC_START_FORK)
            return true;
    return false;
}

/* ---- a folder of the test's own ---- */

void make_folder(void)
{
    char path[512];
    prepare_pool();
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("examples", path, sizeof path));
    folder = apr_pstrdup(pool, path);
}

void remove_tree(const char *path)
{
    apr_dir_t *directory;
    apr_finfo_t entry;
    if (apr_dir_open(&directory, path, pool) != APR_SUCCESS)
        return;
    apr_array_header_t *names = apr_array_make(pool, 16, sizeof(const char *));
    while (apr_dir_read(&entry, APR_FINFO_NAME, directory) == APR_SUCCESS)
        if (strcmp(entry.name, ".") != 0 && strcmp(entry.name, "..") != 0)
            APR_ARRAY_PUSH(names, const char *) = apr_pstrcat(pool, path, "/", entry.name, NULL);
    apr_dir_close(directory);
    for (int i = 0; i < names->nelts; i++) {
        const char *inside = APR_ARRAY_IDX(names, i, const char *);
        if (apr_file_remove(inside, pool) != APR_SUCCESS)
            remove_tree(inside);
    }
    apr_dir_remove(path, pool);
}

const char *in_folder(const char *name)
{
    return apr_pstrcat(pool, folder, "/", name, NULL);
}

void write_file(const char *name, const char *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

void write_many_words(const char *name, size_t size, uint32_t seed)
{
    static const char *const separators[] = { " ", "\n", ", ", "-", "\r\n", "\xc3\xa9", "42" };
    char *text = malloc(size + 64);
    size_t length = 0;
    while (length < size) {
        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        uint32_t word = (seed >> 8) % 5000;
        length += (size_t) snprintf(text + length, 64, "%c%c%s%c%s", (int) ('a' + word % 26),
                                    (int) ('A' + word / 26 % 26), word % 3 ? "word" : "Thing",
                                    (int) ('a' + word / 676), separators[(seed >> 4) % 7]);
    }
    write_file(name, text, length);
    free(text);
}
