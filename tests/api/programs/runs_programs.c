/* SPDX-License-Identifier: MIT */
/* Runs a program before mproc_init(), and after it. */
#include <mproc.h>

#include <stdio.h>

static void say(const char *when, const char *helper, const char *what)
{
    mproc_completed completed;
    MPROC_MUST(mproc_check_output(&completed, MPROC_ARGV(helper, "echo", what), NULL, 60000));
    printf("%s: %s\n", when, completed.output);
    mproc_completed_free(&completed);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    say("before init", argv[1], "one");
    mproc_init();
    say("after init", argv[1], "two");
    return 0;
}
