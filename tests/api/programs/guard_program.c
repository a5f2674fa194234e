/* SPDX-License-Identifier: MIT */
/* A program with every mistake about the guard, chosen by its argument or, in the child, by MISTAKE.
 *   guard_program start-before-init    prints MPROC_ENOINIT and the sentence
 *   guard_program returns|hangs        its child returns or hangs before mproc_init()
 *   guard_program another PATH         starts a child by set_executable(PATH), prints the error */
#include "mproc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int return_four(void *argument)
{
    (void) argument;
    return getenv("MPROC_BOOT") ? 99 : 4;
}

static void report(mproc_err err)
{
    printf("%s\n%s\n", mproc_err_name(err), mproc_last_error());
}

static int start_and_report(const char *executable)
{
    mproc_process *process;
    int exit_code = -1;
    mproc_err err = mproc_set_executable(executable);
    if (err == MPROC_OK)
        err = mproc_process_start(&process, return_four, NULL, 0, NULL);
    if (err == MPROC_OK)
        err = mproc_process_join(process, 60000);
    report(err);
    if (err == MPROC_OK && mproc_process_exit_code(process, &exit_code) == MPROC_OK)
        printf("exit code %d\n", exit_code);
    return 0;
}

int main(int argc, char **argv)
{
    const char *mistake = getenv("MISTAKE");
    const char *wish = argc > 1 ? argv[1] : "";
    if (strcmp(wish, "start-before-init") == 0) {
        mproc_process *process;
        report(mproc_process_start(&process, return_four, NULL, 0, NULL));
        return 0;
    }
    if (getenv("MPROC_BOOT") && mistake && strcmp(mistake, "returns") == 0)
        return 0;
    if (getenv("MPROC_BOOT") && mistake && strcmp(mistake, "hangs") == 0)
        for (;;) {
        }
    mproc_init();
    return start_and_report(argc > 2 ? argv[2] : NULL);
}
