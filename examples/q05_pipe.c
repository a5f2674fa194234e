/* SPDX-License-Identifier: MIT */
/* A pipe: the child sends a string, the parent answers. */
#include <mproc.h>

#include <stdio.h>

static int talk(void *argument)
{
    mproc_pipe end = *(mproc_pipe *) argument;
    char text[100];
    size_t size;
    MPROC_MUST(mproc_pipe_send(end, "hello, parent", sizeof "hello, parent", MPROC_FOREVER));
    MPROC_MUST(mproc_pipe_recv(end, text, sizeof text, &size, MPROC_FOREVER));
    printf("the child received: %s\n", text);
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_pipe mine, childs;
    MPROC_MUST(mproc_pipe_create(&mine, &childs, true));
    mproc_process *process;
    MPROC_MUST(mproc_process_start(&process, talk, &childs, sizeof childs, NULL));
    MPROC_MUST(mproc_pipe_give(childs, process)); /* should it die at once, we learn of it */

    char text[100];
    size_t size;
    MPROC_MUST(mproc_pipe_recv(mine, text, sizeof text, &size, MPROC_FOREVER));
    printf("the parent received: %s\n", text);
    fflush(stdout);
    MPROC_MUST(mproc_pipe_send(mine, "hello, child", sizeof "hello, child", MPROC_FOREVER));
    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));

    mproc_err err = mproc_pipe_recv(mine, text, sizeof text, &size, MPROC_FOREVER);
    printf("and then: %s\n", mproc_err_name(err));
    MPROC_MUST(mproc_process_close(process));
    MPROC_MUST(mproc_pipe_close(mine));
    MPROC_MUST(mproc_pipe_close(childs));
    return 0;
}
