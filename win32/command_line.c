/* SPDX-License-Identifier: MIT */
/* From an argument vector to the one string that a Windows program gets. */
#include "win32.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* CreateProcess takes no more, with the 0. */
#define LONGEST 32767

struct line {
    wchar_t *text;
    size_t length, capacity;
    bool out_of_memory;
};

static void put(struct line *line, wchar_t character)
{
    if (line->length == line->capacity) {
        size_t capacity = line->capacity ? line->capacity * 2 : 256;
        wchar_t *text = realloc(line->text, capacity * sizeof *text);
        if (!text) {
            line->out_of_memory = true;
            return;
        }
        line->text = text;
        line->capacity = capacity;
    }
    line->text[line->length++] = character;
}

static void put_text(struct line *line, const wchar_t *text)
{
    while (*text)
        put(line, *text++);
}

static void put_backslashes(struct line *line, size_t count)
{
    while (count-- > 0)
        put(line, L'\\');
}

static mproc_err finish(struct line *line, mproc_err err, wchar_t **result)
{
    put(line, L'\0');
    if (err == MPROC_OK && line->out_of_memory)
        err = mproc__fail(MPROC_ENOMEM, "no memory for a command line");
    if (err == MPROC_OK && line->length > LONGEST)
        err = mproc__fail(MPROC_EINVAL, "the command line would have %zu characters; Windows allows %d",
                          line->length - 1, LONGEST - 1);
    if (err != MPROC_OK)
        free(line->text);
    else
        *result = line->text;
    return err;
}

/* What the C runtime, and CommandLineToArgvW(), take apart: a quotation mark is escaped by a backslash,
 * backslashes only before a quotation mark. */
static void put_argument(struct line *line, const wchar_t *argument)
{
    bool quoted = !*argument || wcspbrk(argument, L" \t\n\v");
    size_t backslashes = 0;
    if (quoted)
        put(line, L'"');
    for (const wchar_t *at = argument; *at; at++) {
        if (*at == L'\\') {
            backslashes++;
            continue;
        }
        put_backslashes(line, *at == L'"' ? backslashes * 2 + 1 : backslashes);
        backslashes = 0;
        put(line, *at);
    }
    put_backslashes(line, quoted ? backslashes * 2 : backslashes);
    if (quoted)
        put(line, L'"');
}

/* Calls put_one() for the arguments in UTF-16, with spaces before them. */
static mproc_err put_arguments(struct line *line, const char *const *argv,
                               void (*put_one)(struct line *line, const wchar_t *argument))
{
    for (; *argv; argv++) {
        wchar_t *wide;
        mproc_err err = mproc__wide(*argv, &wide);
        if (err != MPROC_OK)
            return err;
        put(line, L' ');
        put_one(line, wide);
        free(wide);
    }
    return MPROC_OK;
}

/* The program's own name is taken apart by other rules: it cannot have a quotation mark, and a backslash
 * is nothing special. */
static mproc_err put_program(struct line *line, const wchar_t *program)
{
    if (wcschr(program, L'"'))
        return mproc__fail(MPROC_EINVAL, "argv[0] cannot have a quotation mark on Windows");
    bool quoted = !*program || wcspbrk(program, L" \t");
    if (quoted)
        put(line, L'"');
    put_text(line, program);
    if (quoted)
        put(line, L'"');
    return MPROC_OK;
}

mproc_err mproc__command_line(const char *const *argv, wchar_t **result)
{
    struct line line = { 0 };
    wchar_t *program;
    mproc_err err = mproc__wide(argv[0], &program);
    if (err != MPROC_OK)
        return err;
    err = put_program(&line, program);
    free(program);
    if (err == MPROC_OK)
        err = put_arguments(&line, argv + 1, put_argument);
    return finish(&line, err, result);
}

/* With /s the first and the last quotation mark go and the rest stays as it is. */
mproc_err mproc__shell_line(const wchar_t *shell, const char *const *argv, wchar_t **result)
{
    struct line line = { 0 };
    wchar_t *command;
    mproc_err err = mproc__wide(argv[0], &command);
    if (err != MPROC_OK)
        return err;
    err = put_program(&line, shell);
    put_text(&line, L" /s /c \"");
    put_text(&line, command);
    free(command);
    if (err == MPROC_OK)
        err = put_arguments(&line, argv + 1, put_argument);
    put(&line, L'"');
    return finish(&line, err, result);
}

/* ---- batch files ---- */

/* cmd.exe looks for variables even between quotation marks: an empty one (a substring of nothing) after each
 * percent sign leaves it standing alone. A quotation mark is doubled, and does not end the quoting. */
static void put_batch_argument(struct line *line, const wchar_t *argument)
{
    static const wchar_t harmless[] = L"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                      L"#$*+-./:?@\\_";
    size_t length = wcslen(argument), backslashes = 0;
    bool quoted = length == 0 || argument[length - 1] == L'\\' || wcsspn(argument, harmless) != length;
    if (quoted)
        put(line, L'"');
    for (const wchar_t *at = argument; *at; at++) {
        if (*at == L'"') {
            put_backslashes(line, backslashes);
            put(line, L'"');
        } else if (*at == L'%') {
            put_text(line, L"%%cd:~,");
        }
        backslashes = *at == L'\\' ? backslashes + 1 : 0;
        put(line, *at);
    }
    if (quoted) {
        put_backslashes(line, backslashes);
        put(line, L'"');
    }
}

mproc_err mproc__batch_line(const wchar_t *shell, const wchar_t *script, const char *const *argv,
                            wchar_t **result)
{
    struct line line = { 0 };
    for (const char *const *argument = argv + 1; *argument; argument++)
        if (strpbrk(*argument, "\r\n"))
            return mproc__fail(MPROC_EINVAL, "an argument of a batch file cannot have line ends");
    mproc_err err = put_program(&line, shell);
    put_text(&line, L" /e:ON /v:OFF /d /s /c \"\"");
    for (const wchar_t *at = script; *at; at++) {
        if (*at == L'%')
            put_text(&line, L"%%cd:~,");
        put(&line, *at);
    }
    put(&line, L'"');
    if (err == MPROC_OK)
        err = put_arguments(&line, argv + 1, put_batch_argument);
    put(&line, L'"');
    return finish(&line, err, result);
}
