/* SPDX-License-Identifier: MIT */
/* Starts one process with a string as its argument and waits for its end. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>

static int run_child(void *arg)
{
    const char *name = arg;
    printf("Child process %s (%" PRId64 ").\n", name, mproc_pid());
    return 0;
}

int main(void)
{
    mproc_init();

    printf("Parent process %" PRId64 ".\n", mproc_pid());
    puts("The child process will start.");

    char name[] = "test";
    mproc_process *child;
    MPROC_MUST(mproc_process_start(&child, run_child, name, sizeof name, NULL));
    MPROC_MUST(mproc_process_join(child, MPROC_FOREVER));
    puts("The child process has come to its end.");
    MPROC_MUST(mproc_process_close(child));
    return 0;
}
