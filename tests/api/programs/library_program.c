/* SPDX-License-Identifier: MIT */
/* Starts a target that lies in a shared library or DLL. Prints "library ok". */
#include "mproc.h"

#include <stdio.h>

#ifdef _WIN32
__declspec(dllimport)
#endif
int library_target(void *argument);

int main(void)
{
    mproc_init();
    mproc_process *process;
    int number = 41, exit_code = -1;
    MPROC_MUST(mproc_process_start(&process, library_target, &number, sizeof number, NULL));
    MPROC_MUST(mproc_process_join(process, 60000));
    MPROC_MUST(mproc_process_exit_code(process, &exit_code));
    MPROC_MUST(mproc_process_close(process));
    printf("library %s\n", exit_code == 42 ? "ok" : "wrong");
    return exit_code != 42;
}
