/* SPDX-License-Identifier: MIT */
/* Starts a greeter in a process of its own and waits for it. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>

struct greeting {
    char name[32];
    int exit_code;
};

static int greet(void *arg) /* runs in another process, on a copy of the greeting */
{
    const struct greeting *greeting = arg;
    printf("Hello, %s! I am process %" PRId64 ".\n", greeting->name, mproc_pid());
    return greeting->exit_code;
}

int main(void)
{
    mproc_init(); /* the entry guard: a spawned child never returns from it */

    struct greeting greeting = { .name = "world", .exit_code = 3 };
    mproc_process *greeter;
    MPROC_MUST(mproc_process_start(&greeter, greet, &greeting, sizeof greeting, NULL));
    MPROC_MUST(mproc_process_join(greeter, MPROC_FOREVER));

    int exit_code;
    MPROC_MUST(mproc_process_exit_code(greeter, &exit_code));
    printf("The greeter ended with exit code %d.\n", exit_code);
    MPROC_MUST(mproc_process_close(greeter));
    return 0;
}
