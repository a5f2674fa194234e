/* SPDX-License-Identifier: MIT */
/* Starts static functions, also of a child's child, and checks what they return: built as PIE, non-PIE,
 * static and stripped, and copied to odd places. Prints "identity ok". */
#include "mproc.h"

#include <stdio.h>

static int run(mproc_target *target, int number)
{
    mproc_process *process;
    int exit_code = -1;
    MPROC_MUST(mproc_process_start(&process, target, &number, sizeof number, NULL));
    MPROC_MUST(mproc_process_join(process, 60000));
    MPROC_MUST(mproc_process_exit_code(process, &exit_code));
    MPROC_MUST(mproc_process_close(process));
    return exit_code;
}

static int plus_one(void *argument)
{
    return *(int *) argument + 1;
}

static int twice(void *argument)
{
    return *(int *) argument * 2;
}

static int nested(void *argument)
{
    return run(plus_one, run(twice, *(int *) argument));
}

int main(void)
{
    mproc_init();
    int result = run(plus_one, 4) * 10000 + run(twice, 4) * 100 + run(nested, 4);
    printf("identity %s\n", result == 50809 ? "ok" : "wrong");
    return result != 50809;
}
