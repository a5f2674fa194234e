/* SPDX-License-Identifier: MIT */
/* Which file a program's name means, and the environment it gets. */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "/bin:/usr/bin"

static size_t length_of(const char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

bool mproc__same_variable(const char *entry, const char *other)
{
    size_t length = strcspn(entry, "=");
    return strncmp(entry, other, length) == 0 && (other[length] == '=' || other[length] == '\0');
}

/* Whether a later change names the variable of `entry`. */
static bool changed_by(const char *const *changes, const char *entry)
{
    for (size_t i = 0; changes && changes[i]; i++)
        if (mproc__same_variable(changes[i], entry))
            return true;
    return false;
}

/* What tells a spawned child who it is, until its mproc_init(): for nobody else. */
static bool is_private(const char *entry)
{
    return strncmp(entry, "MPROC_", 6) == 0 && (mproc__same_variable("MPROC_BOOT", entry) ||
                                                mproc__same_variable("MPROC_WATCH", entry));
}

char **mproc__environment(const char *const *base, const char *const *changes, size_t room)
{
    char **made = calloc(length_of(base) + length_of(changes) + room + 1, sizeof *made);
    if (!made)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; base && base[i]; i++)
        if (!changed_by(changes, base[i]) && !is_private(base[i]))
            made[used++] = (char *) base[i];
    for (size_t i = 0; changes && changes[i]; i++)
        if (strchr(changes[i], '=') && !changed_by(changes + i + 1, changes[i]) && !is_private(changes[i]))
            made[used++] = (char *) changes[i];
    return made;
}

static const char *search_path(char *const *environment)
{
    for (size_t i = 0; environment[i]; i++)
        if (strncmp(environment[i], "PATH=", 5) == 0)
            return environment[i] + 5;
    return DEFAULT_PATH;
}

char **mproc__program_paths(const char *name, char *const *environment)
{
    const char *search = strchr(name, '/') || !*name ? "" : search_path(environment);
    size_t folders = 1;
    for (const char *colon = search; (colon = strchr(colon, ':')) != NULL; colon++)
        folders++;
    /* Each path has its folder, a slash, the name and a 0. */
    size_t pointers = (folders + 1) * sizeof(char *);
    size_t size = pointers + strlen(search) + folders * (strlen(name) + 2);
    char **paths = malloc(size);
    if (!paths)
        return NULL;
    char *text = (char *) paths + pointers;
    for (size_t i = 0; i < folders; i++) {
        int length = (int) strcspn(search, ":");
        paths[i] = text;
        text += sprintf(text, "%.*s%s%s", length, search, length ? "/" : "", name) + 1;
        search += length + (search[length] == ':');
    }
    paths[folders] = NULL;
    return paths;
}

/* 0 if the file can be executed from `folder`, else an errno. */
static int check_path(const char *path, const char *folder)
{
    char *joined = NULL;
    if (folder && path[0] != '/') {
        joined = malloc(strlen(folder) + strlen(path) + 2);
        if (!joined)
            return ENOMEM;
        sprintf(joined, "%s/%s", folder, path);
    }
    const char *file = joined ? joined : path;
    struct stat status;
    int code = stat(file, &status) != 0 ? errno : 0;
    if (!code && !S_ISREG(status.st_mode))
        code = EACCES;
    if (!code && faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) != 0)
        code = errno;
    free(joined);
    return code;
}

const char *mproc__choose_path(char *const *paths, const char *folder, int *code)
{
    if (!paths[1])
        return paths[0];
    int first = ENOENT;
    for (size_t i = 0; paths[i]; i++) {
        int failed = check_path(paths[i], folder);
        if (!failed)
            return paths[i];
        if (first == ENOENT && failed != ENOTDIR)
            first = failed;
    }
    *code = first;
    return NULL;
}
