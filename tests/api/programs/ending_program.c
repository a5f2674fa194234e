/* SPDX-License-Identifier: MIT */
/* A root that ends in the way its argument says, with a child, a daemon and finalizers. */
#include "mproc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <process.h>
#else
#include <unistd.h>
#endif

static int print_child(void *argument)
{
    (void) argument;
    printf("child ");
    return 0;
}

/* Everything waits in the buffer: a copy of it would come out twice. */
static int print_all(void)
{
    printf("before ");
    for (int i = 0; i < 5; i++) {
        mproc_process *process;
        MPROC_MUST(mproc_process_start(&process, print_child, NULL, 0, NULL));
        MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(process));
    }
    printf("after ");
    return 0;
}

static int hang(void *argument)
{
    mproc_lock never = *(mproc_lock *) argument; /* held by the root, which does not release it */
    return (int) mproc_lock_acquire(never, MPROC_FOREVER);
}

/* Ends a while after the root has begun to end. */
static int end_late(void *argument)
{
    if (mproc_lock_acquire(*(mproc_lock *) argument, 300) != MPROC_ETIMEDOUT)
        return 1;
    printf("child done\n");
    return 0;
}

static void say(void *context)
{
    printf("%s finalizer\n", (const char *) context);
    fflush(stdout);
}

static void prepare(void)
{
    static mproc_lock lock;
    static char first[] = "first", second[] = "second";
    mproc_process *daemon, *child;
    int64_t daemon_pid, child_pid;
    const mproc_process_options options = { .daemon = true };
    MPROC_MUST(mproc_lock_create(&lock));
    MPROC_MUST(mproc_lock_acquire(lock, MPROC_FOREVER));
    MPROC_MUST(mproc_process_start(&daemon, hang, &lock, sizeof lock, &options));
    MPROC_MUST(mproc_process_start(&child, end_late, &lock, sizeof lock, NULL));
    MPROC_MUST(mproc_process_pid(daemon, &daemon_pid));
    MPROC_MUST(mproc_process_pid(child, &child_pid));
    printf("daemon %lld child %lld\n", (long long) daemon_pid, (long long) child_pid);
    MPROC_MUST(mproc_at_exit(say, first));
    MPROC_MUST(mproc_at_exit(say, second));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    mproc_init();
    const char *task = argc > 1 ? argv[1] : "";
    if (strcmp(task, "print") == 0)
        return print_all();
    if (strcmp(task, "must") == 0) {
        MPROC_MUST(mproc_lock_acquire((mproc_lock){ 0 }, 0));
        printf("not reached");
    }
    prepare();
    if (strcmp(task, "exit") == 0)
        exit(21);
    if (strcmp(task, "mproc_exit") == 0)
        mproc_exit(21);
    if (strcmp(task, "_exit") == 0)
        _exit(7);
    return 21;
}
