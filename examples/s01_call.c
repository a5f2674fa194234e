/* SPDX-License-Identifier: MIT */
/* Calls a program with arguments and prints its exit code: s01_call [PROGRAM ARGUMENT...] */
#include <mproc.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    static const char text[] = "echo This is the output of another program.&& exit 3";
    const char *windows_shell = getenv("ComSpec");
    const char *const *command = windows_shell ? MPROC_ARGV(windows_shell, "/c", text)
                                               : MPROC_ARGV("sh", "-c", text);
    if (argc > 1)
        command = (const char *const *) argv + 1;

    printf("$ %s\n", command[0]);
    int exit_code;
    MPROC_MUST(mproc_call(&exit_code, command, NULL, MPROC_FOREVER));
    printf("Exit code: %d\n", exit_code);
    return 0;
}
