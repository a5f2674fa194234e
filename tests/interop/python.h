/* SPDX-License-Identifier: MIT */
/* Starting the installed Python with a script of this folder. Other Pythons: MPROC_PYTHON=path. */
#ifndef MPROC_TESTS_PYTHON_H
#define MPROC_TESTS_PYTHON_H

#include "suite.h"
#include "system.h"

#include <sys/wait.h>
#include <unistd.h>

static inline pid_t start_python(const char *script, const char *const *arguments)
{
    const char *python = getenv("MPROC_PYTHON");
    char *words[10] = { (char *) "python3", (char *) (uintptr_t) script };
    for (size_t i = 0; arguments[i] && i < 7; i++)
        words[2 + i] = (char *) (uintptr_t) arguments[i];
    pid_t pid = fork();
    if (pid == 0) {
        execvp(python ? python : "python3", words);
        _exit(127);
    }
    return pid;
}

/* The exit code; -1 if a signal ended it. */
static inline int end_python(pid_t pid)
{
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Python listens at an address; it is there when a connection succeeds. */
static inline mproc_err connect_when_ready(const char *address, const mproc_connection_options *options,
                                           mproc_connection **connection)
{
    for (int i = 0;; i++) {
        mproc_err err = mproc_connection_open(connection, address, options, 60000);
        if (err != MPROC_ENOTFOUND || i > 6000)
            return err;
        sleep_briefly();
    }
}

#endif
