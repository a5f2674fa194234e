/* SPDX-License-Identifier: MIT */
/* /proc/PID/stat. By hand: every worker reads its own, and the first sscanf() and snprintf() of a process cost it
 * a dozen page faults. */
#include "compiler.h"
#include "linux.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

MPROC_IN_CHILD static char *write_number(char *end, uint64_t number)
{
    if (number >= 10)
        end = write_number(end, number / 10);
    *end++ = (char) ('0' + number % 10);
    *end = '\0';
    return end;
}

MPROC_IN_CHILD char *mproc__proc_path(char path[PROC_PATH_SIZE], const char *folder, int64_t number, const char *file)
{
    size_t length = strlen(folder);
    memcpy(path, folder, length);
    strcpy(write_number(path + length, (uint64_t) number), file);
    return path;
}

/* The number behind blanks, and what follows it; NULL if there is none. */
MPROC_IN_CHILD static const char *read_number(const char *text, int64_t *number)
{
    while (*text == ' ')
        text++;
    bool negative = *text == '-';
    uint64_t value = 0;
    text += negative;
    if (*text < '0' || *text > '9')
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint64_t) (*text - '0');
    *number = (int64_t) (negative ? 0 - value : value);
    return text;
}

/* proc_pid_stat(5) numbers the fields from 1. */
MPROC_IN_CHILD static bool parse(const char *text, struct process_stat *status)
{
    enum { PARENT = 4, GROUP = 5, SESSION = 6, THREADS = 20, START = 22 };
    int64_t field[START + 1];
    /* The program's name may hold anything but is followed by the last parenthesis. */
    const char *state = strrchr(text, ')');
    if (!state || state[1] != ' ' || state[2] == '\0')
        return false;
    const char *rest = state + 3;
    for (int i = PARENT; rest && i <= START; i++)
        rest = read_number(rest, &field[i]);
    if (!rest)
        return false;
    *status = (struct process_stat){ state[2], field[PARENT], field[GROUP], field[SESSION], field[THREADS],
                                     (uint64_t) field[START] };
    return true;
}

MPROC_IN_CHILD int mproc__read_stat(const char *path, struct process_stat *status)
{
    char text[1024];
    if (mproc__read_small(path, text, sizeof text) <= 0)
        return 0;
    return parse(text, status) ? 1 : -1;
}

/* Of a process that may not be, the stat says that it ended with 0. */
static bool may_be_asked(int64_t pid)
{
    char path[PROC_PATH_SIZE], program[8];
    return readlink(mproc__proc_path(path, "/proc/", pid, "/exe"), program, sizeof program) >= 0 || errno == ENOENT;
}

bool mproc__read_zombie(int64_t pid, int *wait_status)
{
    enum { STATE = 3, EXIT_CODE = 52 };
    char path[PROC_PATH_SIZE], text[1024];
    int64_t number = 0;
    if (mproc__read_small(mproc__proc_path(path, "/proc/", pid, "/stat"), text, sizeof text) <= 0)
        return false;
    const char *rest = strrchr(text, ')');
    if (!rest || rest[1] != ' ' || (rest[2] != 'Z' && rest[2] != 'X'))
        return false;
    rest += 3;
    for (int i = STATE + 1; rest && i <= EXIT_CODE; i++)
        rest = read_number(rest, &number);
    *wait_status = (int) number;
    return rest && (number != 0 || may_be_asked(pid));
}

MPROC_IN_CHILD bool mproc__has_ended(const struct process_stat *status)
{
    /* A process whose first thread alone has ended looks like a zombie, too. */
    return status->state == 'X' || status->state == 'x' || (status->state == 'Z' && status->threads <= 1);
}
