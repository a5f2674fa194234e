/* SPDX-License-Identifier: MIT */
/* Starts the system's shell, which reads commands from its stdin as nslookup does, and talks to it. */
#include <mproc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    const char *windows_shell = getenv("ComSpec");
    const char *shell = windows_shell ? windows_shell : "sh";
    static const char input[] = "echo first answer&& echo second answer&& echo a complaint 1>&2&& exit 4\n";

    mproc_popen_options options = { .standard_input = { .kind = MPROC_STREAM_PIPE },
                                    .standard_output = { .kind = MPROC_STREAM_PIPE },
                                    .standard_error = { .kind = MPROC_STREAM_PIPE },
                                    .text = true };
    mproc_popen *child;
    mproc_completed completed;
    printf("$ %s\n", shell);
    MPROC_MUST(mproc_popen_start(&child, MPROC_ARGV(shell), &options));
    MPROC_MUST(mproc_popen_communicate(child, input, strlen(input), &completed, MPROC_FOREVER));
    printf("stdout:\n%sstderr:\n%sExit code: %d\n", completed.output, completed.error, completed.returncode);
    mproc_completed_free(&completed);
    MPROC_MUST(mproc_popen_close(child));
    return 0;
}
